"""The scripted model as an actor: frames, pace, calls, cuts and kills."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

from antiphon import Pipeline
from antiphon.actors import ConfigurationError
from antiphon.actors.services.scripted import Call, Hangup, Intent, Pause, Script, ScriptedLLM, Step
from antiphon.channels import (
    CancelFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMServiceMetadataFrame,
    LLMTextFrame,
    TextFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play

CALLS = (FunctionCallsStartedFrame, FunctionCallInProgressFrame, FunctionCallResultFrame, FunctionCallCancelFrame)
BRACKETS = (LLMFullResponseStartFrame, LLMFullResponseEndFrame)


def speak(context: LLMContext) -> Iterator[Step | str]:
    """One, two, three, and a function if the user names one."""
    yield "One two three."
    message = context.last_message("user")
    if message is not None and message["content"] == "hang up":
        yield Hangup()
    elif message is not None:
        yield Call(message["content"], {"by": 2})


def run(content: str = "", run_id: int | None = 1) -> LLMContextFrame:
    messages = [{"role": "user", "content": content}] if content else []
    return LLMContextFrame(LLMContext.from_messages(messages), run_id=run_id)


def played(*script: Item, function: Callable[..., Any] | None = None, **options: Any) -> Trace:
    functions = {"move": function or (lambda by: {"moved": by})}
    return play(Pipeline(ScriptedLLM(speak, functions, name="llm", **options)), script)


def text(trace: Trace) -> str:
    return "".join(frame.text for frame in trace.down if isinstance(frame, LLMTextFrame))


def below(trace: Trace) -> tuple[Frame, ...]:
    """What left at the end, but for the model's announcement of itself."""
    return tuple(frame for frame in trace.down if not isinstance(frame, LLMServiceMetadataFrame))


def kinds(trace: Trace, *wanted: type[Frame]) -> list[type[Frame]]:
    return [type(frame) for frame in trace.down if isinstance(frame, wanted)]


def times(trace: Trace, kind: type[Frame]) -> list[float]:
    return [each.time for each in trace.deliveries if each.receiver.name == "sink" and isinstance(each.frame, kind)]


def only(trace: Trace, kind: type[Frame]) -> Any:
    (found,) = [frame for frame in trace.down if isinstance(frame, kind)]
    return found


def test_a_context_is_answered_in_brackets_with_its_run_id() -> None:
    assert below(played(run(run_id=7))) == (
        LLMFullResponseStartFrame(run_id=7),
        LLMTextFrame("One"),
        LLMTextFrame(" two"),
        LLMTextFrame(" three."),
        LLMFullResponseEndFrame(run_id=7),
    )


def test_tokens_come_at_their_pace() -> None:
    trace = played(run(), first_token_secs=0.5, token_secs=0.1)
    assert times(trace, LLMTextFrame) == pytest.approx([0.5, 0.6, 0.7])


def test_the_last_token_has_a_time_of_its_own_until_the_end() -> None:
    trace = played(run(), token_secs=0.05, last_secs=0.4)
    assert times(trace, LLMTextFrame) == pytest.approx([0.2, 0.25, 0.3])
    assert times(trace, LLMFullResponseEndFrame) == pytest.approx([0.7])


@pytest.mark.parametrize("direct", [True, False])
def test_words_calls_and_end_keep_their_times_to_the_digit(direct: bool) -> None:
    model = ScriptedLLM(
        lambda context: ["One moment.", Call("move", {"by": 2})],
        {"move": slow},
        token_secs=0.05,
        last_secs=0.05,
        name="llm",
    )
    trace = play(Pipeline(model), [run(), Sleep(1.4), InterruptionFrame()], direct=direct)
    assert times(trace, LLMTextFrame) == pytest.approx([0.2, 0.25])
    assert times(trace, FunctionCallsStartedFrame) == times(trace, LLMFullResponseEndFrame) == pytest.approx([0.3])
    assert times(trace, FunctionCallCancelFrame) == [1.4]


def test_calls_come_when_the_last_token_has_had_its_time() -> None:
    trace = played(run("move"), token_secs=0.05, last_secs=0.4)
    assert times(trace, FunctionCallsStartedFrame) == pytest.approx([0.7])


def test_a_pause_holds_the_tokens() -> None:
    model = ScriptedLLM(lambda context: ["One", Pause(2.0), "two"], first_token_secs=0, token_secs=0)
    trace = play(Pipeline(model), [run()])
    assert times(trace, LLMTextFrame) == [0.0, 2.0]
    assert text(trace) == "One two"


def test_an_interruption_cuts_the_answer_and_it_has_no_end() -> None:
    trace = played(run(), Sleep(0.21), InterruptionFrame())
    assert text(trace) == "One"
    assert kinds(trace, *BRACKETS) == [LLMFullResponseStartFrame]


def test_after_an_interruption_the_next_context_is_answered() -> None:
    trace = played(run(), Sleep(0.21), InterruptionFrame(), Sleep(1.0), run(run_id=2))
    assert text(trace) == "OneOne two three."
    assert trace.down[-1] == LLMFullResponseEndFrame(run_id=2)


def test_a_cancelled_run_ends_where_it_is() -> None:
    trace = played(run(), Sleep(0.21), LLMRunCancelFrame(1), run(run_id=2))
    assert text(trace) == "OneOne two three."
    assert [frame.run_id for frame in trace.down if isinstance(frame, BRACKETS)] == [1, 1, 2, 2]


def test_a_run_that_is_cancelled_before_its_first_token_leaves_no_trace() -> None:
    trace = played(run(), Sleep(0.1), LLMRunCancelFrame(1), run(run_id=2))
    assert [frame.run_id for frame in trace.down if isinstance(frame, BRACKETS)] == [2, 2]


def test_the_context_of_a_cancelled_run_is_dropped() -> None:
    trace = played(run(), (run(run_id=2), LLMRunCancelFrame(2)), run(run_id=3))
    assert [frame.run_id for frame in trace.down if isinstance(frame, LLMFullResponseStartFrame)] == [1, 3]


def test_a_call_is_announced_run_and_settled() -> None:
    trace = played(run("move"))
    assert kinds(trace, *CALLS) == [FunctionCallsStartedFrame, FunctionCallInProgressFrame, FunctionCallResultFrame]
    assert [frame for frame in trace.up if isinstance(frame, CALLS)] == [
        frame for frame in trace.down if isinstance(frame, CALLS)
    ]


def test_text_comes_before_the_call() -> None:
    trace = played(run("move"))
    assert kinds(trace, LLMTextFrame, FunctionCallsStartedFrame)[-2:] == [LLMTextFrame, FunctionCallsStartedFrame]


def test_the_frames_of_a_call_carry_the_same_id_and_arguments() -> None:
    trace = played(run("move", run_id=4))
    (call,) = only(trace, FunctionCallsStartedFrame).function_calls
    assert (call.function_name, call.tool_call_id, call.arguments) == ("move", "call_4_1", {"by": 2})
    for kind in (FunctionCallInProgressFrame, FunctionCallResultFrame):
        frame = only(trace, kind)
        assert (frame.function_name, frame.tool_call_id, frame.arguments) == ("move", "call_4_1", {"by": 2})


def test_the_result_is_what_the_function_returns() -> None:
    assert only(played(run("move")), FunctionCallResultFrame).result == {"moved": 2}


def test_an_async_function_may_take_its_time() -> None:
    async def move(by: int) -> list[int]:
        await trio.sleep(3.0)
        return [by]

    trace = played(run("move"), function=move)
    assert only(trace, FunctionCallResultFrame).result == (2,)
    assert times(trace, FunctionCallResultFrame) == pytest.approx([3.29])


def test_the_model_answers_others_while_a_function_runs() -> None:
    async def move(by: int) -> None:
        await trio.sleep(30.0)

    trace = played(run("move"), Sleep(1.0), run(run_id=2), function=move)
    assert times(trace, LLMFullResponseEndFrame)[-1] < 2.0


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda by: 1 / 0, "division by zero"),
        (lambda to: to, "unexpected keyword argument 'by'"),
        (lambda by: object, "not JSON serializable"),
        (lambda by: {1: 2}, "keys must be strings"),
    ],
    ids=["raises", "takes other arguments", "returns no JSON", "returns odd keys"],
)
def test_a_function_that_fails_gives_the_model_an_error(function: Callable[..., Any], error: str) -> None:
    trace = played(run("move"), function=function)
    assert error in only(trace, FunctionCallResultFrame).result["error"]
    (told,) = [frame for frame in trace.up if isinstance(frame, ErrorFrame)]
    assert (told.category, trace.failures) == ("application", ())
    assert "move failed" in told.error


def test_a_function_that_is_not_there_gives_the_model_an_error() -> None:
    assert only(played(run("fly")), FunctionCallResultFrame).result == {"error": "fly isn't available"}


def test_a_script_whose_function_is_missing_is_refused_at_once() -> None:
    script = Script(intents={"go": Intent("go", call="move")})
    with pytest.raises(ConfigurationError, match="the script calls move, which ScriptedLLM wasn't given"):
        ScriptedLLM(script)


async def slow(by: int) -> str:
    await trio.sleep(10.0)
    return "done"


def test_an_interruption_cancels_the_calls_that_run() -> None:
    trace = played(run("move"), Sleep(1.0), InterruptionFrame(), function=slow)
    assert kinds(trace, *CALLS)[-1] is FunctionCallCancelFrame
    assert times(trace, FunctionCallCancelFrame) == [1.0]


def test_a_call_may_outlive_an_interruption() -> None:
    trace = played(run("move"), Sleep(1.0), InterruptionFrame(), function=slow, cancel_on_interruption=False)
    assert kinds(trace, *CALLS)[-1] is FunctionCallResultFrame


def test_a_call_that_is_cancelled_has_no_result_and_one_that_has_its_result_is_not_cancelled() -> None:
    late = played(run("move"), Sleep(1.0), InterruptionFrame(), function=slow)
    early = played(run("move"), Sleep(1.0), InterruptionFrame())
    assert FunctionCallResultFrame not in kinds(late, *CALLS)
    assert FunctionCallCancelFrame not in kinds(early, *CALLS)


def test_cancelling_the_session_cancels_the_calls() -> None:
    trace = played(run("move"), Sleep(1.0), CancelFrame(), function=slow)
    assert kinds(trace, *CALLS)[-1] is FunctionCallCancelFrame


def test_a_hangup_ends_the_session_behind_the_answer() -> None:
    trace = played(run("hang up"))
    assert text(trace) == "One two three."
    assert trace.ended == "ended"
    assert [type(frame) for frame in trace.down[-2:]] == [LLMFullResponseEndFrame, EndWorkerFrame]


def test_other_frames_pass() -> None:
    assert below(played(TextFrame("hello"))) == (TextFrame("hello"),)


def test_killed_before_the_first_token_it_answers_all_the_same() -> None:
    undisturbed, killed = played(run()), played(run(), Sleep(0.1), Kill("llm"))
    assert killed.down == undisturbed.down


def test_killed_in_its_answer_it_says_that_the_answer_failed() -> None:
    trace = played(run(), Sleep(0.21), Kill("llm"))
    assert text(trace) == "One"
    assert trace.down[-1] == LLMFullResponseEndFrame(run_id=1, failed=True)


def test_killed_in_an_answer_that_was_interrupted_it_says_nothing_more() -> None:
    trace = played(run(), Sleep(0.21), (InterruptionFrame(), Kill("llm")))
    assert kinds(trace, *BRACKETS) == [LLMFullResponseStartFrame]


def test_killed_while_a_function_runs_it_cancels_the_call() -> None:
    trace = played(run("move"), Sleep(1.0), Kill("llm"), function=slow)
    assert kinds(trace, *CALLS)[-1] is FunctionCallCancelFrame
    assert kinds(trace, *BRACKETS) == list(BRACKETS)


def test_the_same_seed_gives_the_same_trace() -> None:
    assert played(run("move"), Sleep(0.21), Kill("llm")).digest == played(run("move"), Sleep(0.21), Kill("llm")).digest

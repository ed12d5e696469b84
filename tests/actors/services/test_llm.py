"""What all language models' actors have in common: brackets, cuts, failures, restarts, settings."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from antiphon import Actor, Address, Pipeline, Unrecoverable, Up, actor, on
from antiphon.actors import RemoteProtocolError
from antiphon.actors.services.function_calls import FunctionCallParams
from antiphon.actors.services.llm import Answer, AnswerFailed, LLMService, LLMSettings
from antiphon.channels import (
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMRunFrame,
    LLMServiceMetadataFrame,
    LLMTextFrame,
    LLMThoughtEndFrame,
    LLMThoughtStartFrame,
    LLMThoughtTextFrame,
    LLMTokenUsage,
    LLMUpdateSettingsFrame,
    LLMUsageMetricsData,
    MetricsData,
    MetricsFrame,
    ProcessingMetricsData,
    ServiceSwitcherRequestMetadataFrame,
    ServiceUpdateSettingsFrame,
    TTFATMetricsData,
    TTFBMetricsData,
    TTSUpdateSettingsFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play

Respond = Callable[[LLMContext, Answer], Awaitable[None]]
START, TEXT, END = LLMFullResponseStartFrame, LLMTextFrame, LLMFullResponseEndFrame
STARTED, RUNNING = FunctionCallsStartedFrame, FunctionCallInProgressFrame


@attrs.frozen
class OurSettings(LLMSettings):
    """With one of its own."""

    effort: str | None = None


@actor
class Model(LLMService):
    """Answers as the test says; each attempt is noted with the settings that held."""

    answers: Respond
    attempts: Callable[[LLMSettings], object] = attrs.field(default=repr, kw_only=True)

    async def respond(self, context: LLMContext, answer: Answer) -> None:
        self.attempts(self.present_settings)
        await self.answers(context, answer)


async def speak(context: LLMContext, answer: Answer) -> None:
    """Three words, the first after 0.2 seconds, then each 0.1 seconds."""
    await trio.sleep(0.2)
    for word in ("One", " two", " three."):
        await answer.text(word)
        await trio.sleep(0.1)


async def silent(context: LLMContext, answer: Answer) -> None: ...


def run(run_id: int | None = 1, *texts: str) -> LLMContextFrame:
    return LLMContextFrame(
        LLMContext.from_messages([{"role": "user", "content": text} for text in texts]), run_id=run_id
    )


def played(answers: Respond, *script: Item, direct: bool = True, **options: Any) -> Trace:
    return play(Pipeline(Model(answers, name="llm", **options)), script or [run()], direct=direct)


def below(trace: Trace) -> tuple[Frame, ...]:
    """What left at the end, but for the model's announcement of itself."""
    return tuple(frame for frame in trace.down if not isinstance(frame, LLMServiceMetadataFrame))


def kinds(trace: Trace) -> list[type[Frame]]:
    return [type(frame) for frame in below(trace)]


def text(trace: Trace) -> str:
    return "".join(frame.text for frame in trace.down if isinstance(frame, LLMTextFrame))


def brackets(trace: Trace) -> list[Frame]:
    return [frame for frame in trace.down if isinstance(frame, START | END)]


def errors(trace: Trace) -> list[ErrorFrame]:
    return [frame for frame in trace.up if isinstance(frame, ErrorFrame)]


def times(trace: Trace, kind: type[Frame]) -> list[float]:
    return [each.time for each in trace.deliveries if each.receiver.name == "sink" and isinstance(each.frame, kind)]


# ---- an answer in its brackets


@pytest.mark.rule("L4")
@pytest.mark.parametrize("direct", [True, False])
def test_an_answer_stands_in_brackets_that_carry_its_run_id(direct: bool) -> None:
    trace = played(speak, run(7), direct=direct)
    assert below(trace) == (START(run_id=7), TEXT("One"), TEXT(" two"), TEXT(" three."), END(run_id=7))


@pytest.mark.rule("L4")
def test_the_start_leaves_with_the_first_output() -> None:
    assert times(played(speak), START) == pytest.approx([0.2])


@pytest.mark.rule("L4")
def test_an_empty_answer_has_its_brackets_at_its_end() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        await trio.sleep(1.0)

    trace = played(respond)
    assert below(trace) == (START(run_id=1), END(run_id=1))
    assert times(trace, START) == [1.0]


@pytest.mark.rule("L4", "G10")
def test_calls_are_announced_when_the_model_has_named_them_and_run_behind_its_words() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        await answer.text("One moment.")
        answer.call("move", {}, "c1")
        await trio.sleep(1.0)
        answer.call("move", {}, "c2")

    trace = played(respond)
    assert [kind for kind in kinds(trace) if kind in (START, TEXT, STARTED, RUNNING, END)] == [
        *(START, TEXT, STARTED, RUNNING, RUNNING, END)
    ]
    assert times(trace, STARTED) == times(trace, END) == [1.0]


@pytest.mark.rule("L4")
def test_an_answer_of_calls_alone_has_its_brackets_around_them() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        answer.call("move", {}, "c1")

    assert kinds(played(respond))[:4] == [START, STARTED, RUNNING, END]


def test_an_answer_goes_down_also_when_its_context_came_up() -> None:
    @actor
    class Asker(Actor):
        @on(LLMRunFrame)
        def ask(self, frame: LLMRunFrame) -> Up:
            return Up(run())

    trace = play(Pipeline(Model(speak, name="llm"), Asker()), [LLMRunFrame()])
    assert text(trace) == "One two three."
    assert not [frame for frame in trace.up if isinstance(frame, START | TEXT | END)]


def test_contexts_are_answered_one_after_the_other() -> None:
    trace = played(speak, (run(1), run(2)))
    assert brackets(trace) == [START(run_id=1), END(run_id=1), START(run_id=2), END(run_id=2)]


def test_reasoning_stands_in_brackets_of_its_own_which_text_or_the_end_close() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        await answer.thought("Well,")
        await answer.thought(" yes.")
        await answer.text("Yes.")
        await answer.thought("Sure?")
        await answer.end_thought("signed")
        await answer.thought("Perhaps.")

    trace = played(respond)
    assert below(trace) == (
        START(run_id=1),
        LLMThoughtStartFrame(),
        LLMThoughtTextFrame("Well,"),
        LLMThoughtTextFrame(" yes."),
        LLMThoughtEndFrame(),
        TEXT("Yes."),
        LLMThoughtStartFrame(),
        LLMThoughtTextFrame("Sure?"),
        LLMThoughtEndFrame("signed"),
        LLMThoughtStartFrame(),
        LLMThoughtTextFrame("Perhaps."),
        LLMThoughtEndFrame(),
        END(run_id=1),
    )


def test_a_provider_that_wants_its_reasoning_back_says_so() -> None:
    @actor
    class Thinker(LLMService):
        provider = "thinker"
        thoughts_in_context = True

        async def respond(self, context: LLMContext, answer: Answer) -> None:
            await answer.thought("Well.")

    trace = play(Pipeline(Thinker(name="llm")), [run()])
    assert LLMThoughtStartFrame(True, "thinker") in trace.down


# ---- failures


@pytest.mark.rule("L4")
@pytest.mark.parametrize(
    ("error", "category"),
    [
        (AnswerFailed("overloaded", category="server"), "server"),
        (RemoteProtocolError("overloaded"), "service"),
        (TimeoutError("overloaded"), "service"),
    ],
)
def test_an_answer_that_fails_ends_so_behind_an_error_and_the_actor_lives(error: Exception, category: str) -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        await answer.text("One")
        answer.call("move", {}, "c1")
        raise error

    trace = played(respond)
    assert below(trace) == (START(run_id=1), TEXT("One"), END(run_id=1, failed=True))
    assert [("overloaded" in told.error, told.category) for told in errors(trace)] == [(True, category)]
    assert trace.failures == ()


@pytest.mark.rule("L4")
def test_an_answer_that_fails_before_it_began_has_brackets_too() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        raise AnswerFailed("overloaded")

    assert below(played(respond)) == (START(run_id=1), END(run_id=1, failed=True))


@pytest.mark.rule("L4")
def test_the_error_comes_before_the_end() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        raise AnswerFailed("overloaded")

    trace = played(respond)
    left = [type(each.frame) for each in trace.deliveries if isinstance(each.frame, ErrorFrame | END)]
    assert left == [ErrorFrame, END]


@pytest.mark.rule("L4")
def test_tools_that_are_none_fail_the_answer() -> None:
    trace = played(speak, LLMContextFrame(LLMContext(tools=["move"]), run_id=1), run(2))
    assert brackets(trace)[:2] == [START(run_id=1), END(run_id=1, failed=True)]
    assert ["'move' is no tool" in error.error for error in errors(trace)] == [True]
    assert text(trace) == "One two three."


def test_a_rejected_key_ends_the_session() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        raise Unrecoverable("the key is rejected")

    assert isinstance(played(respond).ended, ExceptionGroup)


@pytest.mark.rule("L4")
def test_a_provider_that_is_too_slow_is_an_event_and_a_failed_answer() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        with trio.fail_after(2.0):
            await trio.sleep_forever()

    trace = played(respond)
    assert [event.name for event in trace.events] == ["on_completion_timeout"]
    assert below(trace) == (START(run_id=1), END(run_id=1, failed=True))


async def slow_at_first(context: LLMContext, answer: Answer) -> None:
    await trio.sleep(8.0)
    await answer.text("Late.")


@pytest.mark.rule("L4")
def test_without_retries_a_slow_answer_is_waited_for() -> None:
    trace = played(slow_at_first)
    assert (times(trace, TEXT), trace.events) == ([8.0], ())


@pytest.mark.rule("L4")
def test_a_request_without_any_output_is_made_again_once() -> None:
    attempts: list[LLMSettings] = []
    trace = played(slow_at_first, retry_on_timeout=True, attempts=attempts.append)
    assert len(attempts) == 2
    assert (times(trace, TEXT), [event.time for event in trace.events]) == ([13.0], [5.0])
    assert below(trace) == (START(run_id=1), TEXT("Late."), END(run_id=1))


@pytest.mark.rule("L4")
@pytest.mark.parametrize("first", ["text", "thought", "call"])
def test_a_request_that_has_any_output_is_not_made_again(first: str) -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        if first == "text":
            await answer.text("Well,")
        elif first == "thought":
            await answer.thought("Well,")
        else:
            answer.call("move", {}, "c1")
        await trio.sleep(8.0)

    attempts: list[LLMSettings] = []
    trace = played(respond, retry_on_timeout=True, attempts=attempts.append)
    assert (len(attempts), times(trace, END)) == (1, [8.0])
    assert "on_completion_timeout" not in [event.name for event in trace.events]


@pytest.mark.rule("L4")
def test_what_a_request_says_as_it_is_given_up_is_forgotten() -> None:
    attempts: list[LLMSettings] = []

    async def respond(context: LLMContext, answer: Answer) -> None:
        try:
            await trio.sleep(8.0)
        finally:
            answer.call("move", {})

    trace = played(respond, retry_on_timeout=True, attempts=attempts.append)
    (announced,) = [frame for frame in trace.down if isinstance(frame, STARTED)]
    assert (len(attempts), len(announced.function_calls)) == (2, 1)


@pytest.mark.rule("L4")
def test_the_sessions_end_waits_for_an_answer_that_was_asked_for_but_not_for_ever() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        await trio.sleep(4.0)
        await answer.text("One")
        await trio.sleep(4.0)
        await answer.text(" two")
        await trio.sleep(40.0)

    trace = played(respond, run(), EndFrame(), patience_secs=5.0)
    assert text(trace) == "One two"
    assert times(trace, EndFrame) == [14.0]


# ---- what cuts an answer


@pytest.mark.rule("L5")
@pytest.mark.parametrize("direct", [True, False])
def test_an_interruption_cuts_the_request_and_nothing_of_it_leaves_any_more(direct: bool) -> None:
    closed: list[float] = []

    async def respond(context: LLMContext, answer: Answer) -> None:
        try:
            await speak(context, answer)
        finally:
            closed.append(trio.current_time())

    trace = played(respond, run(), Sleep(0.25), InterruptionFrame(), Sleep(5.0), direct=direct)
    assert below(trace) == (START(run_id=1), TEXT("One"))
    assert len(closed) == 1


@pytest.mark.rule("L5")
@pytest.mark.parametrize("direct", [True, False])
def test_the_answer_behind_an_interruption_is_whole(direct: bool) -> None:
    trace = played(speak, run(), Sleep(0.25), InterruptionFrame(), run(2), direct=direct)
    assert below(trace)[2:] == below(played(speak, run(2)))


@pytest.mark.rule("L5")
@pytest.mark.parametrize("direct", [True, False])
def test_a_cancelled_run_has_its_end_if_it_has_its_start(direct: bool) -> None:
    trace = played(speak, run(), Sleep(0.25), LLMRunCancelFrame(1), run(2), direct=direct)
    assert text(trace) == "OneOne two three."
    assert brackets(trace) == [START(run_id=1), END(run_id=1), START(run_id=2), END(run_id=2)]


@pytest.mark.rule("L5")
def test_a_run_that_is_cancelled_before_its_output_leaves_no_trace() -> None:
    trace = played(speak, run(), Sleep(0.1), LLMRunCancelFrame(1), run(2))
    assert brackets(trace) == [START(run_id=2), END(run_id=2)]


@pytest.mark.rule("L5")
def test_a_context_of_a_cancelled_run_is_dropped() -> None:
    trace = played(speak, run(), (run(2), LLMRunCancelFrame(2)), run(3))
    assert brackets(trace) == [START(run_id=1), END(run_id=1), START(run_id=3), END(run_id=3)]


@actor
class Impatient(Actor):
    """Cancels each run half a second after it began, at the very moment in which the provider says more."""

    provider: Callable[[], object]

    @on(LLMContextFrame)
    def begin(self, frame: LLMContextFrame) -> Frame:
        self.start_soon(self._cancel)
        return frame

    async def _cancel(self) -> None:
        await trio.sleep(0.5)
        self.provider()
        await self.push(LLMRunCancelFrame(1))


@pytest.mark.rule("L5")
@pytest.mark.parametrize("is_last", [False, True])
def test_what_the_provider_says_at_the_moment_of_the_cancellation_does_not_leave(is_last: bool) -> None:
    said: list[trio.Event] = []

    async def respond(context: LLMContext, answer: Answer) -> None:
        await answer.text("One")
        answer.call("move", {}, "c1")
        said.append(trio.Event())
        await said[0].wait()
        if not is_last:
            await answer.text(" two")

    trace = play(Pipeline(Impatient(lambda: said[0].set()), Model(respond, name="llm")), [run()])
    assert below(trace) == (START(run_id=1), TEXT("One"), LLMRunCancelFrame(1), END(run_id=1))


@pytest.mark.rule("L5")
def test_calls_of_a_run_that_is_cancelled_before_its_end_are_not_made() -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        answer.call("move", {}, "c1")
        await speak(context, answer)

    trace = played(respond, run(), Sleep(0.25), LLMRunCancelFrame(1), Sleep(5.0))
    assert kinds(trace) == [START, TEXT, LLMRunCancelFrame, END]


# ---- restarts


@pytest.mark.rule("L5a")
@pytest.mark.parametrize("direct", [True, False])
def test_killed_before_any_output_it_answers_all_the_same(direct: bool) -> None:
    trace = played(speak, run(), Sleep(0.1), Kill("llm"), direct=direct)
    assert below(trace) == below(played(speak))


@pytest.mark.rule("L5a")
@pytest.mark.parametrize("direct", [True, False])
def test_killed_in_its_answer_it_closes_it_as_failed(direct: bool) -> None:
    trace = played(speak, run(), Sleep(0.25), Kill("llm"), direct=direct)
    assert below(trace) == (START(run_id=1), TEXT("One"), END(run_id=1, failed=True))


@pytest.mark.rule("L5a")
@pytest.mark.parametrize("disturbance", [(InterruptionFrame(), Kill("llm")), (Kill("llm"), InterruptionFrame())])
def test_killed_and_interrupted_there_is_nothing_to_close_but_the_calls(disturbance: Any) -> None:
    async def respond(context: LLMContext, answer: Answer) -> None:
        if context.messages:
            answer.call("move", {}, "c1")
        else:
            await speak(context, answer)

    async def move(params: FunctionCallParams) -> None:
        await trio.sleep_forever()

    llm = Model(respond, name="llm")
    llm.register_function("move", move, cancel_on_interruption=False)
    script: list[Item] = [run(1, "move"), run(2), Sleep(0.25), disturbance]
    trace = play(Pipeline(llm), [*script, Sleep(1.0), LLMRunFrame()])
    assert brackets(trace) == [START(run_id=1), END(run_id=1), START(run_id=2)]
    assert [type(frame) for frame in trace.down[-2:]] == [FunctionCallCancelFrame, LLMRunFrame]


@pytest.mark.rule("L5a")
def test_killed_in_a_run_that_was_cancelled_its_answer_has_not_failed() -> None:
    trace = played(speak, run(), Sleep(0.25), (LLMRunCancelFrame(1), Kill("llm")))
    assert brackets(trace) == [START(run_id=1), END(run_id=1)]


@pytest.mark.rule("L5a")
def test_wherever_it_is_killed_a_response_that_has_begun_ends_once() -> None:
    script: list[Item] = [run(1), Sleep(1.0), run(2), Sleep(1.0), EndFrame()]
    count = len(play(Pipeline(Model(speak, name="llm")), script).handled_by("llm"))
    assert count > 3
    for at in range(1, count + 1):
        for direct in (True, False):
            trace = play(Pipeline(Model(speak, name="llm")), [Kill("llm", at=at), *script], direct=direct)
            assert [(type(each), getattr(each, "run_id", None)) for each in brackets(trace)] == [
                *((START, 1), (END, 1), (START, 2), (END, 2))
            ], at


@pytest.mark.rule("L4", "L5a")
def test_a_service_that_always_breaks_still_ends_the_run_as_failed() -> None:
    """Tried twice on the same context; the second time somebody must hear that nothing will come."""
    attempts: list[LLMSettings] = []

    async def respond(context: LLMContext, answer: Answer) -> None:
        raise ZeroDivisionError("a defect")

    trace = played(respond, attempts=attempts.append)
    assert below(trace) == (START(run_id=1), END(run_id=1, failed=True))
    assert (len(attempts), len(trace.failures)) == (2, 2)


@pytest.mark.rule("L4", "L5a")
def test_a_service_that_breaks_after_a_retry_ends_the_run_as_failed() -> None:
    attempts: list[LLMSettings] = []

    async def respond(context: LLMContext, answer: Answer) -> None:
        if len(attempts) == 2:
            raise ZeroDivisionError("a defect")
        await trio.sleep_forever()

    trace = played(respond, retry_on_timeout=True, attempts=attempts.append)
    assert below(trace) == (START(run_id=1), END(run_id=1, failed=True))
    assert len(attempts) == 2


# ---- settings, output, metadata


@pytest.mark.rule("L6")
@pytest.mark.parametrize(
    "change",
    [
        LLMUpdateSettingsFrame(OurSettings(temperature=0.5, effort="low")),
        LLMUpdateSettingsFrame(settings={"temperature": 0.5, "effort": "low"}),
        LLMUpdateSettingsFrame(OurSettings(temperature=0.5, effort="low"), service="llm"),
        LLMUpdateSettingsFrame(OurSettings(temperature=0.5, effort="low"), service=Address("llm")),
        ServiceUpdateSettingsFrame(OurSettings(temperature=0.5, effort="low"), service="llm"),
    ],
    ids=["value", "names", "by name", "by address", "any service by name"],
)
def test_new_settings_hold_from_the_next_request(change: Frame) -> None:
    attempts: list[LLMSettings] = []
    settings = OurSettings(model="big", temperature=1.0)
    trace = played(speak, run(), change, run(2), settings=settings, attempts=attempts.append)
    assert attempts == [settings, OurSettings(model="big", temperature=0.5, effort="low")]
    assert change not in trace.down


@pytest.mark.rule("L6")
def test_new_settings_survive_a_restart() -> None:
    attempts: list[LLMSettings] = []
    change = LLMUpdateSettingsFrame(LLMSettings(temperature=0.5))
    played(silent, change, Kill("llm"), run(), attempts=attempts.append)
    assert attempts == [LLMSettings(temperature=0.5)]


@pytest.mark.rule("L6")
def test_a_setting_that_is_not_there_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    attempts: list[LLMSettings] = []
    change = LLMUpdateSettingsFrame(settings={"temprature": 0.5, "seed": 3})
    played(silent, change, run(), attempts=attempts.append)
    assert attempts == [LLMSettings(seed=3)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "llm has no setting temprature; there are" in caplog.text


@pytest.mark.rule("L6")
@pytest.mark.parametrize(
    "change",
    [
        LLMUpdateSettingsFrame(LLMSettings(seed=3), service="other"),
        ServiceUpdateSettingsFrame(LLMSettings(seed=3), service="other"),
        TTSUpdateSettingsFrame(settings={"seed": 3}),
    ],
)
def test_settings_of_another_service_pass(change: Frame) -> None:
    attempts: list[LLMSettings] = []
    trace = played(silent, change, run(), attempts=attempts.append)
    assert attempts == [LLMSettings()]
    assert change in trace.down


@pytest.mark.rule("H9")
def test_text_and_brackets_say_that_they_are_not_spoken_from_then_on_also_after_a_restart() -> None:
    configure = LLMConfigureOutputFrame(skip_tts=True)
    trace = played(speak, run(), Sleep(1.0), configure, Kill("llm"), run(2))
    marks = [frame.skip_tts for frame in trace.down if isinstance(frame, START | TEXT | END)]
    assert marks == [None] * 5 + [True] * 5


def test_it_announces_itself_both_ways_once_and_when_it_is_asked() -> None:
    metadata = LLMServiceMetadataFrame("llm")
    trace = played(silent, Kill("llm"), run())
    assert (trace.down.count(metadata), trace.up.count(metadata)) == (1, 1)
    ours, others = ServiceSwitcherRequestMetadataFrame("llm"), ServiceSwitcherRequestMetadataFrame("other")
    assert played(silent, ours).down == (metadata, metadata)
    assert played(silent, others).down == (metadata, others)


# ---- measurements


async def counted(context: LLMContext, answer: Answer) -> None:
    await speak(context, answer)
    answer.usage(LLMTokenUsage(1, 2, 3))
    answer.usage(LLMTokenUsage(10, 20, 30))


WANTED = {"enable_metrics": True, "enable_usage_metrics": True}


def measurements(respond: Respond, *script: Item, **options: Any) -> list[MetricsData]:
    llm = Model(respond, name="llm", settings=LLMSettings(model="big"))
    trace = play(Pipeline(llm), script or [run()], **{**WANTED, **options})
    return [data for frame in trace.down if isinstance(frame, MetricsFrame) for data in frame.data]


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.rule("J42", "J43")
def test_a_run_is_measured_to_its_first_output_and_to_its_end_with_what_it_used(direct: bool) -> None:
    assert measurements(counted, direct=direct) == [
        TTFBMetricsData("llm", 0.2, model="big"),
        TTFATMetricsData("llm", 0.2, 0.0, model="big"),
        ProcessingMetricsData("llm", 0.5, model="big"),
        LLMUsageMetricsData("llm", LLMTokenUsage(10, 20, 30), model="big"),
    ]


async def thoughtful(context: LLMContext, answer: Answer) -> None:
    await answer.open()
    await trio.sleep(0.1)
    await answer.thought("hm")
    await trio.sleep(0.3)
    answer.call("look", {})
    await trio.sleep(0.5)


@pytest.mark.rule("J42")
def test_reasoning_is_output_and_isnt_visible_a_call_is_and_that_the_provider_answers_is_neither() -> None:
    first, visible, whole = measurements(thoughtful)
    assert first == TTFBMetricsData("llm", 0.1, model="big")
    assert visible == TTFATMetricsData("llm", 0.4, 0.3, model="big")
    assert whole == ProcessingMetricsData("llm", 0.9, model="big")


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.rule("J42")
def test_an_answer_that_was_cut_before_its_first_output_has_no_values(direct: bool) -> None:
    for cut in (InterruptionFrame(), LLMRunCancelFrame(1)):
        found = measurements(counted, run(1), Sleep(0.1), cut, Sleep(1), run(2), direct=direct)
        assert [type(data) for data in found].count(TTFBMetricsData) == 1
        assert [type(data) for data in found].count(ProcessingMetricsData) == 1


@pytest.mark.rule("J42")
def test_an_answer_that_dies_before_its_first_output_is_measured_anew() -> None:
    found = measurements(counted, run(1), Sleep(0.1), Kill("llm"), Sleep(5))
    assert [data for data in found if isinstance(data, TTFBMetricsData)] == [TTFBMetricsData("llm", 0.2, model="big")]


@pytest.mark.rule("J42")
def test_only_the_first_output_of_the_session_is_measured_if_that_is_wanted() -> None:
    found = measurements(counted, run(1), run(2), report_only_initial_ttfb=True)
    assert [type(data) for data in found].count(TTFBMetricsData) == 1
    assert [type(data) for data in found].count(TTFATMetricsData) == 2


def test_nothing_is_measured_unless_it_is_wanted() -> None:
    assert not [frame for frame in played(counted).down if isinstance(frame, MetricsFrame)]

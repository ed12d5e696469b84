"""Calls of functions: who may run, in which order, and that each is settled exactly once."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
import trio

from antiphon import Address, Pipeline, To, actor
from antiphon.actors import ConfigurationError
from antiphon.actors.services.function_calls import (
    CancelFunctionCalls,
    FunctionCallParams,
    RegisterFunction,
    SettleFunctionCall,
    UnregisterFunction,
)
from antiphon.actors.services.function_registry import RegisteredFunction
from antiphon.actors.services.llm import Answer, LLMService
from antiphon.channels import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    ExternalFunctionCallCancelFrame,
    ExternalFunctionCallInProgressFrame,
    ExternalFunctionCallResultFrame,
    ExternalFunctionCallsStartedFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    FunctionSchema,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMSetToolsFrame,
    Message,
    ToolOptions,
    TTSSpeakFrame,
    tool_options,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play

CALLS = (FunctionCallsStartedFrame, FunctionCallInProgressFrame, FunctionCallResultFrame, FunctionCallCancelFrame)
STARTED, RUNNING, RESULT, CANCELLED = CALLS
Wanted = tuple[str, dict[str, Any] | str]


@actor
class Caller(LLMService):
    """A model that calls what the user's message names, a word each, and knows which tools it was shown."""

    calls: Sequence[Wanted] = ()
    shown: Callable[[frozenset[str]], object] = print

    async def respond(self, context: LLMContext, answer: Answer) -> None:
        self.shown(answer.tools.names)
        said = context.last_message("user")
        names = said["content"].split() if said else []
        for number, (name, arguments) in enumerate([*self.calls, *((name, {}) for name in names)], 1):
            answer.call(name, arguments, f"{name}{number}")


def context(*names: str, tools: Sequence[Any] = ()) -> LLMContextFrame:
    messages = [{"role": "user", "content": " ".join(names)}] if names else []
    return LLMContextFrame(LLMContext.from_messages(messages, tools=tools))


def takes(seconds: float, result: Any = "done") -> Callable[[FunctionCallParams], Awaitable[Any]]:
    async def function(params: FunctionCallParams) -> Any:
        await trio.sleep(seconds)
        return result

    return function


def model(*calls: Wanted, **options: Any) -> Caller:
    return Caller(calls, lambda names: None, name="llm", **options)


def played(llm: Caller, *script: Item, **options: Any) -> Trace:
    return play(Pipeline(llm), script or [context()], **options)


def frames(trace: Trace, *kinds: type[Frame]) -> list[Any]:
    return [frame for frame in trace.down if isinstance(frame, kinds or CALLS)]


def story(trace: Trace) -> list[tuple[str, str]]:
    """What became of each call, e.g. ("a1", "Result")."""
    told: list[tuple[str, str]] = []
    for frame in frames(trace):
        if not isinstance(frame, STARTED):
            name = type(frame).__name__.removeprefix("FunctionCall").removesuffix("Frame")
            told.append((frame.tool_call_id, name))
    return told


def times(trace: Trace, kind: type[Frame]) -> dict[str, Any]:
    """When each call's frame of that kind left."""
    left = [each for each in trace.deliveries if each.receiver.name == "sink" and isinstance(each.frame, kind)]
    return {cast(Any, each.frame).tool_call_id: pytest.approx(each.time) for each in left}


def results(trace: Trace) -> dict[str, Any]:
    return {frame.tool_call_id: frame.result for frame in frames(trace, RESULT)}


def errors(trace: Trace) -> list[ErrorFrame]:
    return [frame for frame in trace.up if isinstance(frame, ErrorFrame)]


def fired(trace: Trace, name: str) -> list[list[str]]:
    """The ids of the calls that each of these events told of."""
    payloads = [cast(Any, each.payload[0]) for each in trace.events if each.name == name]
    return [[call.tool_call_id for call in calls] for calls in payloads]


# ---- registration


@pytest.mark.rule("G4")
def test_a_function_is_found_by_its_name_else_by_the_one_for_all() -> None:
    llm = model(("move", {}), ("other", {}))
    llm.register_function(None, lambda params: f"all: {params.function_name}")
    llm.register_function("move", lambda params: "moved")
    assert results(played(llm)) == {"move1": "moved", "other2": "all: other"}


@pytest.mark.rule("G4")
def test_a_function_is_looked_for_again_when_its_turn_comes() -> None:
    llm = model(("slow", {}), ("move", {}), run_in_parallel=False)
    llm.register_function("slow", takes(1.0))
    llm.register_function("move", lambda params: "old")
    new = RegisterFunction(RegisteredFunction.of("move", lambda params: "new", ToolOptions()))
    trace = played(llm, context(), Sleep(0.5), To(Address("llm"), new))
    assert [frame.result for frame in frames(trace, RESULT)] == ["done", "new"]


@pytest.mark.rule("G5")
def test_a_function_that_the_tools_bring_runs_as_long_as_they_bring_it() -> None:
    async def move(params: FunctionCallParams) -> str:
        """Moves."""
        return "moved"

    trace = played(model(), context("move", tools=[move]), context("move", tools=[]))
    assert [frame.result for frame in frames(trace, RESULT)] == ["moved", {"error": "move isn't available"}]


@pytest.mark.rule("G5")
def test_a_handler_of_a_schema_is_registered_with_it() -> None:
    schema = FunctionSchema("move", handler=lambda params: "moved")
    assert [frame.result for frame in frames(played(model(), context("move", tools=[schema])), RESULT)] == ["moved"]


@pytest.mark.rule("G5")
def test_new_tools_hold_for_a_call_that_waits() -> None:
    llm = model(run_in_parallel=False)
    llm.register_function("slow", takes(1.0))
    schemas = [FunctionSchema("move", handler=lambda params: "old"), FunctionSchema("slow")]
    tools = LLMSetToolsFrame([FunctionSchema("move", handler=lambda params: "new")])
    trace = played(llm, context("slow", "move", tools=schemas), Sleep(0.5), tools)
    assert [frame.result for frame in frames(trace, RESULT)] == ["done", "new"]


@pytest.mark.rule("G5")
def test_what_was_registered_stays_when_tools_come_and_go() -> None:
    llm = model()
    llm.register_function("move", lambda params: "registered")
    schema = FunctionSchema("move", handler=lambda params: "brought")
    trace = played(llm, context("move", tools=[schema]), context("move"))
    assert [frame.result for frame in frames(trace, RESULT)] == ["registered", "registered"]


@pytest.mark.rule("G5")
def test_what_was_unregistered_is_not_brought_back_by_the_same_tools_but_by_others() -> None:
    old, new = (FunctionSchema("move", handler=lambda params, text=text: text) for text in ("old", "new"))
    script: list[Item] = [
        context("move", tools=[old]),
        To(Address("llm"), UnregisterFunction("move")),
        context("move", tools=[old]),
        context("move", tools=[new]),
    ]
    results = [frame.result for frame in frames(played(model(), *script), RESULT)]
    assert results == ["old", {"error": "move isn't available"}, "new"]


def test_what_was_registered_in_the_session_is_there_after_a_restart() -> None:
    new = RegisterFunction(RegisteredFunction.of("move", lambda params: "moved", ToolOptions()))
    trace = played(model(), To(Address("llm"), new), Kill("llm"), context("move"))
    assert [frame.result for frame in frames(trace, RESULT)] == ["moved"]


@pytest.mark.rule("G2")
def test_a_direct_function_gets_the_arguments_by_name() -> None:
    async def add(params: FunctionCallParams, first: int, second: int = 3) -> int:
        """Adds."""
        return first + second

    llm = model(("add", {"first": 1}))
    llm.register_direct_function(add)
    assert [frame.result for frame in frames(played(llm), RESULT)] == [4]


@pytest.mark.rule("G2")
def test_what_is_no_direct_function_is_refused_when_it_is_registered() -> None:
    async def add(first: int) -> None: ...

    with pytest.raises(ConfigurationError, match="the first parameter of a direct function is `params`"):
        model().register_direct_function(add)


def test_a_handler_that_can_not_be_called_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the handler of 'move' is 'moved': give a function"):
        model().register_function("move", "moved")  # type: ignore[arg-type]


@pytest.mark.rule("G6")
def test_a_time_out_is_looked_for_at_the_registration_the_function_and_the_actor() -> None:
    @tool_options(timeout_secs=2.0)
    async def second(params: FunctionCallParams) -> None:
        await trio.sleep_forever()

    llm = model(("first", {}), ("second", {}), ("third", {}), function_call_timeout_secs=3.0)
    llm.register_function("first", second, timeout_secs=1.0)
    llm.register_function("second", second)
    llm.register_function("third", takes(100.0))
    assert times(played(llm), CANCELLED) == {"first1": 1.0, "second2": 2.0, "third3": 3.0}


@pytest.mark.rule("G7")
def test_a_function_is_told_of_its_call() -> None:
    told: list[FunctionCallParams] = []
    llm = model(("move", {"by": [1, 2]}), app_resources={"kitchen": 7})
    llm.register_function("move", told.append)
    asked = context()
    played(llm, asked, SettleLater)
    (params,) = told
    assert (params.function_name, params.tool_call_id, params.arguments) == ("move", "move1", {"by": [1, 2]})
    assert (params.llm, params.context, params.app_resources) == (Address("llm"), asked.context, {"kitchen": 7})


SettleLater = To(Address("llm"), SettleFunctionCall("move1", "later"))


@pytest.mark.rule("G7")
@pytest.mark.parametrize("calls_back", [True, False])
def test_a_returned_value_is_as_good_as_one_called_back_with(calls_back: bool) -> None:
    async def move(params: FunctionCallParams) -> list[int] | None:
        if not calls_back:
            return [1]
        await params.result_callback([1])
        return None

    llm = model(("move", {}))
    llm.register_function("move", move)
    assert [frame.result for frame in frames(played(llm), RESULT)] == [(1,)]


@pytest.mark.rule("G7")
def test_a_function_may_let_the_bot_say_something_also_after_an_interruption() -> None:
    async def move(params: FunctionCallParams) -> str:
        await params.push(TTSSpeakFrame("One moment."))
        await trio.sleep(2.0)
        await params.push(TTSSpeakFrame("Almost."))
        return "moved"

    llm = model(("move", {}))
    llm.register_function("move", move, cancel_on_interruption=False)
    trace = played(llm, context(), Sleep(1.0), InterruptionFrame())
    assert [frame.text for frame in frames(trace, TTSSpeakFrame)] == ["One moment.", "Almost."]


# ---- running


@pytest.mark.rule("G10")
@pytest.mark.parametrize("direct", [True, False])
def test_calls_are_announced_together_then_each_runs_and_is_settled(direct: bool) -> None:
    llm = model(("a", {}), ("b", {}))
    llm.register_function("a", takes(1.0))
    llm.register_function("b", takes(1.1))
    trace = played(llm, direct=direct)
    assert [call.tool_call_id for call in frames(trace, STARTED)[0].function_calls] == ["a1", "b2"]
    assert story(trace) == [("a1", "InProgress"), ("b2", "InProgress"), ("a1", "Result"), ("b2", "Result")]
    assert fired(trace, "on_function_calls_started") == [["a1", "b2"]]
    assert frames(trace) == [frame for frame in trace.up if isinstance(frame, CALLS)]


@pytest.mark.rule("G11")
def test_calls_run_side_by_side() -> None:
    llm = model(("a", {}), ("b", {}))
    llm.register_function("a", takes(1.0))
    llm.register_function("b", takes(1.5))
    assert times(played(llm), RESULT) == {"a1": 1.0, "b2": 1.5}


@pytest.mark.rule("G11")
def test_or_one_by_one_in_the_order_in_which_they_came() -> None:
    llm = model(("a", {}), ("b", {}), run_in_parallel=False)
    llm.register_function("a", takes(1.0))
    llm.register_function("b", takes(0.5))
    trace = played(llm)
    assert story(trace) == [("a1", "InProgress"), ("a1", "Result"), ("b2", "InProgress"), ("b2", "Result")]
    assert times(trace, RESULT) == {"a1": 1.0, "b2": 1.5}


@pytest.mark.rule("G11")
def test_one_by_one_the_calls_of_a_later_response_wait_for_those_of_an_earlier_one() -> None:
    llm = model(run_in_parallel=False)
    llm.register_function(None, takes(1.0))
    trace = played(llm, context("a"), context("b"))
    assert times(trace, RESULT) == {"a1": 1.0, "b1": 2.0}


@pytest.mark.rule("G11")
def test_a_call_that_is_cancelled_does_not_stop_those_behind_it() -> None:
    llm = model(("a", {}), ("b", {}), run_in_parallel=False)
    llm.register_function("a", takes(9.0), timeout_secs=1.0)
    llm.register_function("b", takes(0.5))
    trace = played(llm)
    assert story(trace)[1:] == [("a1", "Cancel"), ("b2", "InProgress"), ("b2", "Result")]
    assert times(trace, RESULT) == {"b2": 1.5}


@pytest.mark.rule("G12")
def test_the_calls_of_one_response_are_a_group_of_their_own() -> None:
    llm = model()
    llm.register_function(None, takes(1.0))
    trace = played(llm, context("a", "b"), context("c"))
    first, second, third = [frame.group_id for frame in frames(trace, RUNNING)]
    assert first is not None
    assert (first == second, third in (None, first)) == (True, False)


@pytest.mark.rule("G12")
def test_without_grouping_there_is_no_group() -> None:
    llm = model(("a", {}), group_parallel_tools=False)
    llm.register_function(None, takes(1.0))
    assert [frame.group_id for frame in frames(played(llm), RUNNING)] == [None]


@pytest.mark.rule("G13")
@pytest.mark.parametrize(("arguments", "complaint"), [('{"by": ', "are no valid JSON"), ("[2]", "are no JSON object")])
def test_arguments_that_are_none_settle_the_call_with_an_error(arguments: str, complaint: str) -> None:
    llm = model(("move", arguments))
    llm.register_function("move", takes(0.0))
    trace = played(llm)
    assert story(trace) == [("move1", "InProgress"), ("move1", "Result")]
    (result,) = frames(trace, RESULT)
    assert complaint in result.result["error"]
    assert [complaint in error.error for error in errors(trace)] == [True]


@pytest.mark.rule("G13")
def test_arguments_may_be_text_and_no_text_is_no_arguments() -> None:
    llm = model(("move", '{"by": 2}'), ("move", ""))
    llm.register_function("move", lambda params: params.arguments)
    assert results(played(llm)) == {"move1": {"by": 2}, "move2": {}}


@pytest.mark.rule("G10")
def test_no_two_calls_have_one_id() -> None:
    """Some providers count anew in each response, and some give none."""
    llm = model()
    llm.register_function(None, takes(1.0))
    call = {"id": "b1", "type": "function", "function": {"name": "b", "arguments": "{}"}}
    earlier: list[Message] = [{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": "b"}]
    trace = played(llm, context("a"), context("a"), LLMContextFrame(LLMContext.from_messages(earlier)))
    assert [frame.tool_call_id for frame in frames(trace, RUNNING)] == ["a1", "a1_2", "b1_2"]


@pytest.mark.rule("G10")
def test_calls_without_an_id_get_one_each() -> None:
    @actor
    class Nameless(Caller):
        async def respond(self, context: LLMContext, answer: Answer) -> None:
            answer.call("move", {})
            answer.call("move", {})

    trace = played(Nameless(name="llm"))
    assert [frame.tool_call_id for frame in frames(trace, RUNNING)] == ["call_move", "call_move_2"]


# ---- settlement


@pytest.mark.rule("G20")
def test_a_second_result_is_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def move(params: FunctionCallParams) -> str:
        await params.result_callback("first")
        return "second"

    llm = model(("move", {}))
    llm.register_function("move", move)
    trace = played(llm)
    assert [frame.result for frame in frames(trace, RESULT)] == ["first"]
    assert "the call move1 is settled already" in caplog.text


@pytest.mark.rule("G20")
def test_a_result_behind_a_cancellation_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    llm = model(("move", {}))
    llm.register_function("move", lambda params: None)
    trace = played(llm, context(), InterruptionFrame(), SettleLater)
    assert story(trace) == [("move1", "InProgress"), ("move1", "Cancel")]
    assert "the call move1 is settled already" in caplog.text


@pytest.mark.rule("G21")
def test_a_function_that_raises_gives_the_model_a_text_and_the_application_an_error() -> None:
    def move(params: FunctionCallParams) -> None:
        raise LookupError("no such place, key sk-1234567890abcdef")

    llm = model(("move", {}))
    llm.register_function("move", move)
    trace = played(llm)
    (result,) = frames(trace, RESULT)
    assert "no such place" in result.result["error"]
    assert "LookupError" in result.error
    assert "sk-1234567890abcdef" not in repr(result)
    assert [(error.category, trace.failures) for error in errors(trace)] == [("application", ())]


@pytest.mark.rule("G21")
def test_the_cause_is_told_also_through_a_nursery() -> None:
    async def move(params: FunctionCallParams) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)

    async def fail() -> None:
        raise LookupError("no such place")

    llm = model(("move", {}))
    llm.register_function("move", move)
    assert [frame.result for frame in frames(played(llm), RESULT)] == [{"error": "no such place"}]


@pytest.mark.rule("G21")
def test_a_result_that_json_can_not_hold_is_the_functions_failure() -> None:
    llm = model(("move", {}))
    llm.register_function("move", lambda params: object())
    assert [frame.error is None for frame in frames(played(llm), RESULT)] == [False]


@pytest.mark.rule("G22")
def test_a_function_that_gives_nothing_leaves_its_call_in_progress_until_somebody_settles_it() -> None:
    llm = model(("move", {}))
    llm.register_function("move", lambda params: None)
    trace = played(llm, context(), Sleep(5.0), SettleLater)
    assert times(trace, RESULT) == {"move1": 5.0}
    assert [frame.result for frame in frames(trace, RESULT)] == ["later"]


@pytest.mark.rule("G22")
def test_a_call_that_waits_for_its_turn_may_be_settled_by_others_and_never_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran: list[str] = []
    llm = model(("a", {}), ("move", {}), run_in_parallel=False)
    llm.register_function("a", takes(2.0))
    llm.register_function("move", lambda params: ran.append("move"))
    news = SettleFunctionCall("move2", "soon", FunctionCallResultProperties(is_final=False))
    final = SettleFunctionCall("move2", "later")
    trace = played(llm, context(), To(Address("llm"), news), Sleep(1.0), To(Address("llm"), final), Sleep(5.0))
    assert story(trace) == [("a1", "InProgress"), ("move2", "InProgress"), ("move2", "Result"), ("a1", "Result")]
    assert (times(trace, RESULT), ran) == ({"move2": 1.0, "a1": 2.0}, [])
    assert "the call move2 hasn't begun" in caplog.text


@pytest.mark.rule("G22")
def test_a_call_without_a_time_out_is_mentioned_once_after_half_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    llm = model(("move", {}))
    llm.register_function("move", lambda params: None)
    played(llm, context(), Sleep(29.0))
    played(llm, context(), Sleep(200.0))
    assert caplog.text.count("the call move1 of move isn't settled after 30 s") == 2


@pytest.mark.rule("G22")
def test_a_settled_call_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    llm = model(("move", {}))
    llm.register_function("move", takes(29.0))
    played(llm, context(), Sleep(200.0))
    assert caplog.text == ""


@pytest.mark.rule("G23")
def test_a_call_that_takes_too_long_is_cancelled_and_the_model_runs() -> None:
    ended: list[str] = []

    async def move(params: FunctionCallParams) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cut")

    llm = model(("move", {}))
    llm.register_function("move", move, timeout_secs=2.0)
    trace = played(llm)
    assert frames(trace, CANCELLED) == [FunctionCallCancelFrame("move", "move1", True)]
    assert times(trace, CANCELLED) == {"move1": 2.0}
    assert fired(trace, "on_function_calls_cancelled") == [["move1"]]
    assert ended == ["cut"]


@pytest.mark.rule("G23")
def test_news_of_a_call_neither_stops_nor_restarts_its_time() -> None:
    async def move(params: FunctionCallParams) -> None:
        for number in range(5):
            await params.result_callback(f"step {number}", properties=FunctionCallResultProperties(is_final=False))
            await trio.sleep(0.8)

    llm = model(("move", {}))
    llm.register_function("move", move, timeout_secs=2.0, cancel_on_interruption=False)
    trace = played(llm)
    assert [frame.result for frame in frames(trace, RESULT)] == ["step 0", "step 1", "step 2"]
    assert times(trace, CANCELLED) == {"move1": 2.0}


@pytest.mark.rule("G23")
def test_the_time_of_a_call_runs_on_when_its_function_has_returned() -> None:
    llm = model(("move", {}))
    llm.register_function("move", lambda params: None, timeout_secs=2.0)
    assert times(played(llm), CANCELLED) == {"move1": 2.0}


@pytest.mark.rule("G24")
@pytest.mark.parametrize("direct", [True, False])
def test_an_interruption_cancels_what_it_may_cancel_and_leaves_the_rest(direct: bool) -> None:
    llm = model(("a", {}), ("b", {}))
    llm.register_function("a", takes(2.0))
    llm.register_function("b", takes(2.0), cancel_on_interruption=False)
    trace = played(llm, context(), Sleep(1.0), InterruptionFrame(), direct=direct)
    assert story(trace)[2:] == [("a1", "Cancel"), ("b2", "Result")]
    assert frames(trace, CANCELLED) == [FunctionCallCancelFrame("a", "a1", False)]
    assert frames(trace, CANCELLED) == [frame for frame in trace.up if isinstance(frame, CANCELLED)]
    assert fired(trace, "on_function_calls_cancelled") == [["a1"]]
    assert times(trace, CANCELLED) == {"a1": 1.0}


@pytest.mark.rule("G24")
def test_what_a_cut_function_still_has_to_do_delays_nothing() -> None:
    ended: list[float] = []

    async def move(params: FunctionCallParams) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(5.0, shield=True):
                await trio.sleep(3.0)
            ended.append(trio.current_time())

    llm = model()
    llm.register_function("move", move)
    llm.register_function("other", takes(0.0))
    script: list[Item] = [context("move"), Sleep(1.0), InterruptionFrame(), context("other"), Sleep(9.0)]
    trace = played(llm, *script)
    assert times(trace, CANCELLED) == {"move1": 1.0}
    assert times(trace, RESULT) == {"other1": 1.0}
    assert len(ended) == 1


@pytest.mark.rule("G24a")
def test_calls_that_wait_for_their_turn_are_cancelled_and_never_run() -> None:
    ran: list[str] = []
    llm = model(("a", {}), ("b", {}), run_in_parallel=False)
    llm.register_function("a", takes(2.0))
    llm.register_function("b", lambda params: ran.append("b"))
    trace = played(llm, context(), Sleep(1.0), InterruptionFrame(), Sleep(5.0))
    assert story(trace) == [("a1", "InProgress"), ("a1", "Cancel"), ("b2", "Cancel")]
    assert ran == []


@pytest.mark.rule("G24a")
def test_a_waiting_call_that_no_interruption_cancels_gets_its_turn() -> None:
    llm = model(("a", {}), ("b", {}), run_in_parallel=False)
    llm.register_function("a", takes(2.0))
    llm.register_function("b", takes(0.5), cancel_on_interruption=False)
    trace = played(llm, context(), Sleep(1.0), InterruptionFrame())
    assert story(trace)[1:] == [("a1", "Cancel"), ("b2", "InProgress"), ("b2", "Result")]
    assert times(trace, RESULT) == {"b2": 1.5}


@pytest.mark.rule("G25")
@pytest.mark.parametrize("direct", [True, False])
def test_a_result_that_has_left_survives_the_interruption(direct: bool) -> None:
    llm = model(("move", {}))
    llm.register_function("move", takes(1.0))
    trace = played(llm, context(), Sleep(1.0), InterruptionFrame(), direct=direct)
    assert story(trace) == [("move1", "InProgress"), ("move1", "Result")]


@pytest.mark.rule("G26")
def test_calls_can_be_cancelled_by_a_message_all_or_some_and_the_model_does_not_run() -> None:
    llm = model(("a", {}), ("b", {}), ("c", {}))
    llm.register_function(None, takes(9.0), cancel_on_interruption=False)
    some = To(Address("llm"), CancelFunctionCalls(("b2",)))
    trace = played(llm, context(), some, Sleep(1.0), To(Address("llm"), CancelFunctionCalls()))
    assert [(frame.tool_call_id, frame.run_llm) for frame in frames(trace, CANCELLED)] == [
        ("b2", False),
        ("a1", False),
        ("c3", False),
    ]
    assert fired(trace, "on_function_calls_cancelled") == [["b2"], ["a1", "c3"]]


@pytest.mark.rule("G26")
@pytest.mark.parametrize("frame", [CancelFrame(), EndFrame()])
def test_the_sessions_end_cancels_all_calls_that_are_left(frame: Frame) -> None:
    llm = model(("a", {}), ("b", {}))
    llm.register_function(None, takes(9.0), cancel_on_interruption=False)
    trace = played(llm, context(), Sleep(1.0), frame)
    assert story(trace)[2:] == [("a1", "Cancel"), ("b2", "Cancel")]
    assert [frame.run_llm for frame in frames(trace, CANCELLED)] == [False, False]
    assert frames(trace, CANCELLED) == [frame for frame in trace.up if isinstance(frame, CANCELLED)]
    assert trace.ended in ("ended", "cancelled")


@pytest.mark.rule("G26")
def test_the_end_waits_a_moment_for_calls_that_run() -> None:
    llm = model(("a", {}), ("b", {}))
    llm.register_function("a", takes(1.5))
    llm.register_function("b", takes(9.0))
    trace = played(llm, context(), Sleep(1.0), EndFrame())
    assert times(trace, RESULT) == {"a1": 1.5}
    assert times(trace, CANCELLED) == {"b2": 2.0}
    assert trace.ended == "ended"


@pytest.mark.rule("G26")
def test_the_end_waits_no_longer_than_they_run_and_no_longer_than_it_may() -> None:
    def left_at(seconds: float) -> float:
        llm = model(("a", {}), settle_secs=3.0)
        llm.register_function("a", takes(seconds))
        trace = played(llm, context(), EndFrame())
        (end,) = [
            each for each in trace.deliveries if each.receiver.name == "sink" and isinstance(each.frame, EndFrame)
        ]
        return end.time

    assert [left_at(0.5), left_at(2.5), left_at(9.0)] == [0.5, 2.5, 3.0]


@pytest.mark.rule("G26")
def test_the_end_does_not_wait_when_nothing_runs() -> None:
    ends = [each.time for each in played(model(), EndFrame()).deliveries if isinstance(each.frame, EndFrame)]
    assert ends == [0.0] * len(ends)


# ---- calls that the model cancels


def ordering(*calls: Wanted, **options: Any) -> Caller:
    llm = model(*calls, **options)
    llm.register_function("order", takes(9.0), cancel_on_interruption=False, cancellable_by_llm=True)
    return llm


ORDER = FunctionSchema("order")


@pytest.mark.rule("G27")
def test_for_a_function_that_the_model_may_cancel_it_is_shown_a_tool() -> None:
    shown: list[frozenset[str]] = []
    llm = Caller((), shown.append, name="llm")
    llm.register_function("order", takes(9.0), cancel_on_interruption=False, cancellable_by_llm=True)
    llm.register_function("move", takes(9.0), cancellable_by_llm=True)
    played(llm, context(tools=[ORDER, FunctionSchema("move")]))
    assert shown == [{"order", "move", "cancel_order"}]


@pytest.mark.rule("G27")
def test_the_model_cancels_the_one_call_that_runs() -> None:
    trace = played(ordering(), context("order", tools=[ORDER]), context("cancel_order", tools=[ORDER]))
    assert story(trace)[1:] == [("cancel_order1", "InProgress"), ("order1", "Cancel"), ("cancel_order1", "Result")]
    (result,) = frames(trace, RESULT)
    assert (result.result, result.properties.run_llm) == ({"cancelled": "order1"}, True)
    assert fired(trace, "on_function_calls_cancelled") == [["order1"]]


@pytest.mark.rule("G27")
def test_of_several_calls_the_model_names_one() -> None:
    llm = ordering()
    named = model(("cancel_order", {"tool_call_id": "order2"}))
    named.registry = llm.registry
    trace = played(named, context("order", "order", tools=[ORDER]))
    # Announced beside them, it finds both running.
    assert [frame.tool_call_id for frame in frames(trace, CANCELLED)] == ["order2"]


@pytest.mark.rule("G27")
@pytest.mark.parametrize(
    ("running", "arguments", "complaint"),
    [
        ((), {}, "no such call is running"),
        (("order",), {"tool_call_id": "order9"}, "no call order9 is running; running: order2"),
        (("order", "order"), {}, "several calls are running, say which by its tool_call_id: order2, order3"),
    ],
)
def test_what_can_not_be_told_is_refused_with_the_choices(
    running: Sequence[str], arguments: dict[str, Any], complaint: str
) -> None:
    trace = played(ordering(("cancel_order", arguments)), context(*running, tools=[ORDER]), EndFrame())
    (result,) = frames(trace, RESULT)
    assert (result.result, result.properties.run_llm) == ({"error": complaint}, True)


@pytest.mark.rule("G27")
def test_such_a_call_is_announced_but_not_told_to_the_application() -> None:
    trace = played(ordering(("cancel_order", {})), context("order", tools=[ORDER]))
    assert len(frames(trace, STARTED)[0].function_calls) == 2
    assert fired(trace, "on_function_calls_started") == [["order2"]]


@pytest.mark.rule("G27")
def test_the_tools_name_is_taken() -> None:
    llm = ordering()
    with pytest.raises(ConfigurationError, match="'cancel_order' is the built-in tool"):
        llm.register_function("cancel_order", takes(0.0))


@pytest.mark.rule("G27")
def test_a_function_that_had_the_name_first_keeps_it(caplog: pytest.LogCaptureFixture) -> None:
    shown: list[frozenset[str]] = []
    llm = Caller((("cancel_order", {}),), shown.append, name="llm")
    llm.register_function("cancel_order", lambda params: "mine")
    llm.register_function("order", takes(9.0), cancel_on_interruption=False, cancellable_by_llm=True)
    trace = played(llm, context(tools=[ORDER]))
    assert shown == [{"order"}]
    assert [frame.result for frame in frames(trace, RESULT)] == ["mine"]
    assert "order can't be cancelled by the model" in caplog.text


# ---- functions that aren't there


@pytest.mark.rule("G50")
@pytest.mark.parametrize(("tools", "level"), [([FunctionSchema("fly")], logging.ERROR), ([], logging.WARNING)])
def test_a_function_that_nobody_has_is_answered_in_full(
    tools: Sequence[Any], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    trace = played(model(), context("fly", tools=tools))
    assert [type(frame) for frame in frames(trace)] == [STARTED, RUNNING, RESULT]
    (result,) = frames(trace, RESULT)
    assert result.result == {"error": "fly isn't available"}
    assert result.run_llm is None
    assert [record.levelno for record in caplog.records] == [level]


@pytest.mark.rule("G51")
def test_calls_made_elsewhere_pass_by() -> None:
    call = FunctionCallFromLLM("move", "x1", {})
    others = (
        ExternalFunctionCallsStartedFrame([call]),
        ExternalFunctionCallInProgressFrame("move", "x1", {}),
        ExternalFunctionCallResultFrame("move", "x1", {}, "moved"),
        ExternalFunctionCallCancelFrame("move", "x1"),
    )
    llm = model()
    llm.register_function("move", takes(0.0))
    trace = played(llm, others, Sleep(1.0))
    assert frames(trace, *map(type, others)) == list(others)
    assert (frames(trace), trace.events) == ([], ())


# ---- restarts


@pytest.mark.rule("L5a")
@pytest.mark.parametrize("direct", [True, False])
def test_calls_whose_functions_died_with_the_actor_are_cancelled(direct: bool) -> None:
    llm = model(("a", {}), ("b", {}))
    llm.register_function("a", takes(9.0), cancel_on_interruption=False)
    llm.register_function("b", takes(0.5))
    trace = played(llm, context(), Sleep(1.0), Kill("llm"), Sleep(20.0), direct=direct)
    assert story(trace)[2:] == [("b2", "Result"), ("a1", "Cancel")]
    assert frames(trace, CANCELLED) == [FunctionCallCancelFrame("a", "a1", False)]
    assert times(trace, CANCELLED) == {"a1": 1.0}


@pytest.mark.rule("G20", "L5a")
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("one_by_one", [True, False])
def test_wherever_the_actor_is_killed_each_call_is_settled_once(direct: bool, one_by_one: bool) -> None:
    def make() -> Caller:
        llm = model(("a", {}), ("b", {}), ("c", {}), run_in_parallel=not one_by_one)
        llm.register_function("a", takes(0.5))
        llm.register_function("b", takes(5.0), timeout_secs=1.0)
        llm.register_function("c", takes(0.7))
        return llm

    script: list[Item] = [
        context(),
        Sleep(0.6),
        To(Address("llm"), CancelFunctionCalls(("c3",))),
        Sleep(9.0),
        EndFrame(),
    ]
    count = len(played(make(), *script, direct=direct).handled_by("llm"))
    assert count > 4
    for at in range(1, count + 1):
        trace = played(make(), Kill("llm", at=at), *script, direct=direct)
        ended = [call for call, what in story(trace) if what in ("Result", "Cancel")]
        announced = {call.tool_call_id for frame in frames(trace, STARTED) for call in frame.function_calls}
        assert sorted(ended) == sorted(announced) == ["a1", "b2", "c3"], at
        moments = [each.time for each in trace.deliveries if isinstance(each.frame, RESULT | CANCELLED)]
        assert max(moments) < 2.0, at
        assert isinstance(frames(trace, LLMFullResponseEndFrame)[-1], LLMFullResponseEndFrame)

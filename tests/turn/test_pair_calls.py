"""What a call leaves in the context, and when the model is run for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from antiphon import Actor, Down, Pipeline, Up, actor, on
from antiphon.actors.services.function_calls import FunctionCallParams
from antiphon.actors.services.scripted import Call, ScriptedLLM, Step
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ContextCommittedFrame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    UserImageRawFrame,
    UserImageRequestFrame,
)
from antiphon.scenarios import Item, Sleep, Trace, play
from antiphon.turn import EmptyUserTurn, HalfView

from .pair_cast import (
    RE,
    RS,
    START,
    STOP,
    X,
    announced,
    both,
    call,
    context_of,
    final,
    in_progress,
    pair_of,
    replied,
    result_of,
    runs,
    said,
    talk,
    written,
)

SYNC, ASYNC = call(), call("ring", "2", sync=False)
CALL: list[Item] = [announced(SYNC), in_progress(SYNC)]
RING: list[Item] = [announced(ASYNC), in_progress(ASYNC)]
BOT, SILENT = BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()


def cancel(of: FunctionCallFromLLM, *, run_llm: bool = False) -> FunctionCallCancelFrame:
    return FunctionCallCancelFrame(of.function_name, of.tool_call_id, run_llm)


def news(of: FunctionCallFromLLM, result: object) -> FunctionCallResultFrame:
    return result_of(of, result, properties=FunctionCallResultProperties(is_final=False))


def outcome(trace: Trace, call_id: str = "1") -> str:
    """What the tool message of that call says."""
    messages = [each for each in context_of(trace).messages if each.get("tool_call_id") == call_id]
    assert len(messages) == 1
    return str(messages[0]["content"])


def notes(trace: Trace) -> list[dict[str, Any]]:
    return [json.loads(text) for role, text in written(trace) if role == "developer"]


def run_times(trace: Trace) -> list[float]:
    return [each.time for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]


# ---- entries


@pytest.mark.rule("G14")
@both
def test_words_before_a_call_stand_before_it_and_words_behind_it_follow(direct: bool) -> None:
    trace = talk([RS, X("One moment."), *CALL, X("Here it is."), RE, result_of()], direct=direct)
    assert [role for role, _ in written(trace)] == ["assistant", "assistant", "tool", "assistant"]
    assert [text for _, text in written(trace)] == ["One moment.", "look", '"done"', "Here it is."]


@pytest.mark.rule("G30")
def test_a_call_that_begins_is_a_message_and_a_place_for_its_outcome() -> None:
    made = FunctionCallFromLLM("look", "1", {"where": "Köln"})
    trace = talk([announced(made), in_progress(made), Sleep(1)], context=None)
    asked = context_of(trace).messages[0]
    assert (asked["role"], len(asked["tool_calls"])) == ("assistant", 1)
    assert asked["tool_calls"][0]["id"] == "1"
    assert dict(asked["tool_calls"][0]["function"]) == {"name": "look", "arguments": '{"where": "Köln"}'}
    assert at_first(talk(CALL)) == "IN_PROGRESS"


def at_first(trace: Trace) -> str:
    """What the place of the first call's outcome held when it was made."""
    snapshots = [frame.context for frame in trace.down if isinstance(frame, ContextCommittedFrame)]
    return next(str(each["content"]) for each in snapshots[0].messages if each["role"] == "tool")


@pytest.mark.rule("G30")
def test_the_place_of_a_call_that_nobody_waits_for_says_that_it_runs() -> None:
    told = json.loads(at_first(talk(RING)))
    assert {key: told[key] for key in ("type", "status", "tool_call_id")} == {
        "type": "async_tool",
        "status": "running",
        "tool_call_id": "2",
    }
    assert told["description"]


@pytest.mark.parametrize("result", [{"city": "Köln"}, "ja", 3, [1, None]])
@pytest.mark.rule("G31")
def test_a_result_takes_the_place_as_json(result: object) -> None:
    assert outcome(talk([*CALL, result_of(result=result)])) == json.dumps(result, ensure_ascii=False)


@pytest.mark.parametrize("result", [None, "", 0, {}, False])
@pytest.mark.rule("G31")
def test_a_result_that_says_nothing_is_completed(result: object) -> None:
    assert outcome(talk([*CALL, result_of(result=result)])) == "COMPLETED"


@pytest.mark.rule("G31", "G32")
@both
def test_a_result_that_nobody_waited_for_takes_the_place_until_somebody_speaks_and_is_a_note_then(direct: bool) -> None:
    still = talk([*RING, *CALL, result_of(ASYNC)], direct=direct)
    assert (outcome(still, "2"), notes(still)) == ('"done"', [])
    # Another call's note isn't somebody who speaks.
    other = call("ring", "3", sync=False)
    noted = talk([*RING, announced(other), in_progress(other), news(other, "half"), result_of(ASYNC)], direct=direct)
    assert outcome(noted, "2") == '"done"'
    moved = talk([*RING, *said("hi"), result_of(ASYNC)], direct=direct)
    assert json.loads(outcome(moved, "2"))["status"] == "running"
    assert notes(moved) == [{"type": "async_tool", "status": "finished", "tool_call_id": "2", "result": '"done"'}]


@pytest.mark.rule("G34")
def test_news_of_a_call_are_notes_and_it_stays_in_progress(caplog: pytest.LogCaptureFixture) -> None:
    trace = talk([*RING, news(ASYNC, "half"), news(ASYNC, ""), Sleep(1), result_of(ASYNC)])
    assert [note["status"] for note in notes(trace)] == ["running"]
    assert outcome(trace, "2") == '"done"'
    assert "empty" in caplog.text


@pytest.mark.rule("G34")
def test_a_call_that_is_waited_for_has_no_news(caplog: pytest.LogCaptureFixture) -> None:
    trace = talk([*CALL, news(SYNC, "half"), result_of()])
    assert (outcome(trace), notes(trace)) == ('"done"', [])
    assert "look" in caplog.text


@pytest.mark.rule("G35")
@both
def test_a_call_that_is_cancelled_says_so(direct: bool) -> None:
    trace = talk([*CALL, *RING, cancel(SYNC), cancel(ASYNC)], direct=direct)
    assert outcome(trace) == "CANCELLED"
    assert [(note["status"], note["tool_call_id"]) for note in notes(trace)] == [("cancelled", "2")]


@pytest.mark.rule("G36")
@both
def test_an_outcome_of_a_call_that_does_not_run_is_mentioned_and_not_written(
    direct: bool, caplog: pytest.LogCaptureFixture
) -> None:
    trace = talk([*CALL, result_of(), result_of(result="again"), cancel(SYNC), cancel(ASYNC)], direct=direct)
    assert outcome(trace) == '"done"'
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 3
    assert len(context_of(trace).messages) == 2


@pytest.mark.rule("G36", "G39")
@both
def test_a_result_before_its_call_has_begun_is_kept_with_its_callback(direct: bool) -> None:
    written_then: list[str] = []
    callback = FunctionCallResultProperties(on_context_updated=lambda: written_then.append("called"))
    trace = talk([announced(), result_of(properties=callback), Sleep(1), in_progress(), Sleep(1)], direct=direct)
    assert outcome(trace) == '"done"'
    assert written_then == ["called"]
    assert len(runs(trace)) == 1


@pytest.mark.rule("G36a")
@both
def test_a_cancel_that_overtakes_its_call_is_kept_until_that_comes(direct: bool) -> None:
    trace = talk([announced(), cancel(SYNC), Sleep(1), in_progress(), in_progress()], direct=direct)
    assert written(trace) == [("assistant", "look"), ("tool", "CANCELLED")]


# ---- well formed


@pytest.mark.rule("G37")
def test_what_an_edit_orphans_is_removed_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    trace = talk([*CALL, result_of(), LLMMessagesTransformFrame(without_tools)])
    assert written(trace) == []
    assert "1" in caplog.text
    stray = {"role": "tool", "tool_call_id": "9", "content": "stray"}
    assert written(talk([LLMMessagesUpdateFrame([stray, {"role": "user", "content": "hi"}])])) == [("user", "hi")]


def without_tools(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in messages if each["role"] != "tool"]


@pytest.mark.rule("G37")
@both
def test_each_call_that_a_model_is_shown_has_its_outcome_right_behind_it(direct: bool) -> None:
    calls = call(call_id="a", group="g"), call(call_id="b", group="g")
    script = [RS, X("Well"), announced(*calls), *map(in_progress, calls), *said("hi"), Sleep(1), LLMRunFrame()]
    trace = talk(script, direct=direct)
    for frame in [each for each in trace.down if isinstance(each, LLMContextFrame)]:
        messages = frame.context.messages
        for at, message in enumerate(messages):
            for number, made in enumerate(message.get("tool_calls", ()), 1):
                assert messages[at + number]["tool_call_id"] == made["id"]


@pytest.mark.rule("G38")
@both
def test_a_result_is_written_whatever_is_interrupted(direct: bool) -> None:
    trace = talk([*RING, (result_of(ASYNC), InterruptionFrame()), Sleep(1)], direct=direct)
    assert outcome(trace, "2") == '"done"'


# ---- images


@pytest.mark.rule("G33")
@both
def test_an_image_that_a_call_has_asked_for_stands_behind_its_result_and_is_answered(direct: bool) -> None:
    given: list[object] = []
    request = UserImageRequestFrame("u1", tool_call_id="1", result_callback=given.append)
    image = UserImageRawFrame(b"123", size=(1, 1), text="this", request=request)
    trace = talk([*CALL, image, Sleep(1), result_of(result=None), Sleep(1)], direct=direct)
    assert given == [None]
    assert [role for role, _ in written(trace)] == ["assistant", "tool", "user"]
    assert run_times(trace) == [1]


@pytest.mark.rule("G33")
def test_an_image_for_a_call_that_is_over_is_an_image_like_any() -> None:
    request = UserImageRequestFrame("u1", tool_call_id="1", result_callback=print)
    image = UserImageRawFrame(b"123", size=(1, 1), append_to_context=True, request=request)
    assert [role for role, _ in written(talk([*CALL, result_of(), image]))] == ["assistant", "tool", "user"]


# ---- what was told


@pytest.mark.rule("G39")
@both
def test_a_callback_is_called_when_the_result_stands_in_the_context(direct: bool) -> None:
    pair = pair_of()
    seen: list[object] = []

    def note(view: HalfView, callback: object) -> None:
        seen.append(view.context.messages[-1]["content"])

    pair.user.on_event("on_context_updated", note)
    properties = FunctionCallResultProperties(on_context_updated=lambda: seen.append("called"))
    script: list[Item] = [*CALL, Sleep(1), result_of(properties=properties), Sleep(1)]
    play(Pipeline(pair.user, pair.assistant), script, direct=direct, limit=10)
    assert seen == ["called", '"done"']


@pytest.mark.rule("G39")
@both
def test_a_slow_callback_delays_nothing(direct: bool) -> None:
    async def dawdle() -> None:
        await trio.sleep(5)

    properties = FunctionCallResultProperties(on_context_updated=dawdle)
    trace = talk([*CALL, result_of(properties=properties), Sleep(1), *said("hi"), Sleep(10)], direct=direct)
    assert run_times(trace) == [0, 1]


# ---- the run that follows


WANTS: list[tuple[bool | None, bool | None, int]] = [
    (None, None, 1),
    (None, False, 0),
    (None, True, 1),
    (False, True, 0),
    (True, False, 1),
]


@pytest.mark.parametrize(("by_properties", "by_frame", "count"), WANTS)
@pytest.mark.rule("G40")
def test_a_result_is_answered_unless_it_says_no(by_properties: bool | None, by_frame: bool | None, count: int) -> None:
    properties = None if by_properties is None else FunctionCallResultProperties(run_llm=by_properties)
    assert len(runs(talk([*CALL, result_of(run_llm=by_frame, properties=properties), Sleep(1)]))) == count


@pytest.mark.parametrize("result", ["done", None])
@pytest.mark.rule("G40")
@both
def test_calls_of_one_answer_are_answered_together(result: object, direct: bool) -> None:
    calls = call(call_id="a", group="g"), call(call_id="b", group="g")
    first, second = (result_of(each, result) for each in calls)
    trace = talk([announced(*calls), *map(in_progress, calls), first, Sleep(1), second, Sleep(1)], direct=direct)
    assert run_times(trace) == [1]
    alone = call(call_id="a"), call(call_id="b")
    first, second = (result_of(each, result) for each in alone)
    single = talk([announced(*alone), *map(in_progress, alone), first, Sleep(1), second, Sleep(1)], direct=direct)
    assert run_times(single) == [0, 1]


@pytest.mark.rule("G41")
@both
def test_a_run_that_is_owed_sees_what_the_bot_has_just_said(direct: bool) -> None:
    trace = talk([RS, X("One moment"), *CALL, X("please"), result_of(), Sleep(1), RE, Sleep(1)], direct=direct)
    assert runs(trace) == [["One moment", "look", '"done"', "please"]]
    assert run_times(trace) == [1]


@pytest.mark.rule("G41")
@both
def test_results_and_messages_of_one_instant_are_answered_once(direct: bool) -> None:
    note = LLMMessagesAppendFrame([{"role": "developer", "content": "note"}])
    calls = call(call_id="a"), call(call_id="b")
    script = [announced(*calls), *map(in_progress, calls), (*map(result_of, calls), note), Sleep(1)]
    (run,) = runs(talk(script, direct=direct))
    assert "note" in run


@actor
class Delays(Actor):
    """Between the halves: results go on when the speech before them is over; one is lost."""

    seconds: float
    loses: str = ""

    @on(FunctionCallResultFrame)
    async def delay(self, frame: FunctionCallResultFrame) -> None:
        if frame.tool_call_id != self.loses:
            await trio.sleep(self.seconds)
            await self.push(frame)


@pytest.mark.rule("G41")
@both
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("seconds", "loses", "times"),
    [(0.0, "", [2.0]), (0.1, "", [2.2]), (0.1, "b", [2.6])],
    ids=["of one instant", "one by one", "one is lost"],
)
def test_a_run_that_is_owed_waits_for_results_that_are_there_already_but_not_for_ever(
    seconds: float, loses: str, times: list[float], seed: int, direct: bool
) -> None:
    """The user half sees them pass upwards long before they are committed, behind what was spoken before them."""
    pair = pair_of()
    calls = call(call_id="a"), call(call_id="b")
    script: list[Item] = [announced(*calls), *map(in_progress, calls), Sleep(2), tuple(map(result_of, calls)), Sleep(5)]
    pipeline = Pipeline(pair.user, Delays(seconds, loses), pair.assistant)
    trace = play(pipeline, script, direct=direct, seed=seed, limit=60)
    assert run_times(trace) == pytest.approx(times)


@pytest.mark.rule("G41")
@both
def test_a_run_that_is_owed_is_that_of_the_users_turn_or_follows_one_without_words(direct: bool) -> None:
    spoken = talk([*RING, START, result_of(ASYNC), Sleep(1), final("hi"), STOP, Sleep(1)], direct=direct)
    assert runs(spoken) == [["ring", '"done"', "hi"]]
    coughed = [*RING, START, result_of(ASYNC), STOP, Sleep(10)]
    assert runs(talk(coughed, direct=direct, empty_user_turn=EmptyUserTurn())) == [["ring", '"done"']]


@pytest.mark.rule("G42")
@both
def test_a_run_that_starts_settles_what_is_owed_and_an_interruption_that_is_nobodys_turn_forgets_it(
    direct: bool,
) -> None:
    settled = talk([*CALL, BOT, result_of(), LLMRunFrame(), Sleep(1), SILENT, Sleep(1)], direct=direct)
    assert len(runs(settled)) == 1
    forgotten = talk([*RING, RS, result_of(ASYNC), InterruptionFrame(), Sleep(1)], direct=direct)
    assert runs(forgotten) == []


@pytest.mark.parametrize(("run_llm", "count"), [(True, 1), (False, 0)])
@pytest.mark.rule("G43")
@both
def test_a_call_that_is_cancelled_is_answered_only_if_it_says_so(run_llm: bool, count: int, direct: bool) -> None:
    assert len(runs(talk([*CALL, cancel(SYNC, run_llm=run_llm), Sleep(1)], direct=direct))) == count


@pytest.mark.rule("G43")
@both
def test_and_not_before_its_siblings_are_settled_and_the_user_is_silent(direct: bool) -> None:
    calls = call(call_id="a", group="g"), call(call_id="b", group="g")
    script = [announced(*calls), *map(in_progress, calls), cancel(calls[0], run_llm=True), Sleep(1)]
    trace = talk([*script, result_of(calls[1]), Sleep(1)], direct=direct)
    assert run_times(trace) == [1]
    speaking = [*CALL, START, cancel(SYNC, run_llm=True), Sleep(1), final("hi"), STOP, Sleep(1)]
    assert runs(talk(speaking, direct=direct, allow_interruptions=False)) == [["look", "CANCELLED", "hi"]]


@pytest.mark.rule("G44")
@both
def test_the_run_goes_down_from_the_user_half(direct: bool) -> None:
    trace = talk([*CALL, result_of(), Sleep(1)], direct=direct)
    assert not any(isinstance(frame, LLMContextFrame) for frame in trace.up)
    (run,) = [each for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]
    assert str(run.sender) == "user"


@pytest.mark.rule("G45")
@both
def test_a_turn_during_a_call_is_answered_with_the_call_in_progress(direct: bool) -> None:
    trace = talk([*CALL, *said("hi"), Sleep(1), result_of()], direct=direct)
    assert runs(trace)[0] == ["look", "IN_PROGRESS", "hi"]


@pytest.mark.parametrize("half", ["user", "assistant"])
@pytest.mark.rule("G45")
def test_whoever_hears_an_event_sees_whether_calls_are_in_progress(half: str) -> None:
    pair = pair_of()
    seen: list[bool] = []
    name = "on_user_turn_started" if half == "user" else "on_assistant_turn_started"
    getattr(pair, half).on_event(name, lambda view, *payload: seen.append(view.has_function_calls_in_progress))
    first: list[Item] = [*said("hi"), *replied("Hello")]
    play(Pipeline(pair.user, pair.assistant), [*first, *CALL, *first, result_of(), *first], limit=60)
    assert seen == [False, True, False]


@actor
class Camera(Actor):
    """Answers each request with an image."""

    @on(UserImageRequestFrame)
    def take(self, frame: UserImageRequestFrame) -> Down:
        return Down(UserImageRawFrame(b"123", size=(1, 1), user_id=frame.user_id, text=frame.text, request=frame))


async def look(params: FunctionCallParams) -> None:
    """Asks for an image and leaves its result to that."""
    call_id = params.tool_call_id
    request = UserImageRequestFrame("u1", "what is it?", tool_call_id=call_id, result_callback=params.result_callback)
    await params.push(Up(request))


def ask_and_tell(context: LLMContext) -> Iterator[Step | str]:
    if any(message["role"] == "tool" for message in context.messages):
        yield "A dot."
    else:
        yield Call("look")


@pytest.mark.rule("G33")
@both
def test_a_function_may_leave_its_result_to_the_image_that_it_asks_for(direct: bool) -> None:
    pair = pair_of()
    llm = ScriptedLLM(ask_and_tell, name="llm")
    llm.register_function("look", look)
    pipeline = Pipeline(Camera(), pair.user, llm, pair.assistant)
    trace = play(pipeline, [*said("hi"), Sleep(5)], direct=direct, limit=20)
    assert [role for role, _ in written(trace)] == ["user", "assistant", "tool", "user", "assistant"]
    assert (outcome_of_all(trace), written(trace)[-1]) == (["COMPLETED"], ("assistant", "A dot."))


def outcome_of_all(trace: Trace) -> list[str]:
    return [text for role, text in written(trace) if role == "tool"]

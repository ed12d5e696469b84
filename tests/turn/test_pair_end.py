"""The end of a session, and what the application hears of the pair: in which order, and with what in the context."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from antiphon import Pipeline
from antiphon.channels import (
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InputTextRawFrame,
    LLMContext,
    LLMContextFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    StopFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, play
from antiphon.turn import HalfView, UserTurnStrategies, VADUserTurnStartStrategy

from .golden import cascade
from .pair_cast import (
    BETWEEN,
    RE,
    RS,
    START,
    STOP,
    X,
    both,
    context_of,
    do,
    events,
    final,
    pair_of,
    replied,
    runs,
    said,
    talk,
    told,
    written,
)


def hello(context: LLMContext) -> Iterator[str]:
    yield "Hello my friend."


ENDS = [EndFrame(), CancelFrame()]
ends = pytest.mark.parametrize("end", ENDS, ids=["end", "cancel"])


@pytest.mark.rule("E40")
@ends
@both
def test_words_of_an_open_turn_are_written_and_told_of_but_not_answered(end: Frame, direct: bool) -> None:
    trace = talk([START, final("hello"), end], direct=direct)
    assert written(trace) == [("user", "hello")]
    assert runs(trace) == []
    assert told(trace, "on_user_turn_message_added") == told(trace, "on_user_turn_stopped") == ["hello"]
    assert not any(isinstance(frame, UserStoppedSpeakingFrame) for frame in (*trace.down, *trace.up))


@pytest.mark.rule("E40")
@ends
def test_without_words_nobody_is_told_of_a_turn(end: Frame) -> None:
    trace = talk([START, end])
    assert (written(trace), events(trace, "on_user_turn_stopped")) == ([], [])


@pytest.mark.rule("E40", "K17", "B42")
@ends
@both
def test_words_of_a_turn_that_cut_nobody_stand_behind_the_answer_that_is_still_open(end: Frame, direct: bool) -> None:
    script = [*said("hi"), RS, X("Hello"), *said("wait"), do(X(" you")), end]
    trace = talk(script, between=[BETWEEN], allow_interruptions=False, direct=direct)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello you"), ("user", "wait")]
    assert runs(trace) == [["hi"]]


@pytest.mark.rule("E38")
@both
def test_an_end_lets_a_held_bot_go_on(direct: bool) -> None:
    trace = talk([START, Sleep(0.1), EndFrame()], false_interruption_timeout=2.0, direct=direct)
    edges = (OutputPauseFrame, OutputResumeFrame)
    assert [type(frame) for frame in trace.down if isinstance(frame, edges)] == list(edges)
    assert trace.ended == "ended"


@pytest.mark.rule("E38")
@both
def test_what_was_gathered_before_a_false_interruption_is_neither_written_nor_answered_by_it(direct: bool) -> None:
    by_voice = UserTurnStrategies(start=[VADUserTurnStartStrategy()])
    settings: dict[str, Any] = {"user_turn_strategies": by_voice, "false_interruption_timeout": 2.0, "direct": direct}
    script: list[Item] = [TranscriptionFrame("by the way"), Sleep(1), START, Sleep(0.2), STOP, Sleep(5)]
    trace = talk(script, **settings)
    assert len(events(trace, "on_false_interruption")) == 1
    assert told(trace, "on_user_turn_stopped")[0] == ""
    assert runs(trace) == []
    assert runs(talk([*script, *said("hello"), Sleep(3)], **settings)) == [["by the way hello"]]


@pytest.mark.rule("E41")
@ends
def test_an_end_is_committed_once(end: Frame) -> None:
    trace = talk([RS, X("Hello"), HeardFrame(0), end])
    assert written(trace) == [("assistant", "Hello")]
    assert told(trace, "on_assistant_turn_stopped") == ["Hello"]


@pytest.mark.rule("E42", "B45")
@ends
def test_after_the_end_no_timer_of_the_pair_does_anything(end: Frame) -> None:
    trace = talk([*said("hi"), RS, X("a"), RE, START, end, Sleep(30)], user_idle_timeout=1.0)
    last = max(each.time for each in trace.deliveries)
    assert last < 10
    assert events(trace, "on_user_turn_stop_timeout", "on_user_turn_idle") == []


@pytest.mark.rule("E43", "K3")
@both
def test_each_write_makes_the_next_version_and_messages_keep_their_places(direct: bool) -> None:
    trace = talk([*said("hi"), *replied("Hello"), *said("more"), *replied("Yes")], direct=direct)
    snapshots = [frame for frame in trace.up if isinstance(frame, ContextCommittedFrame)]
    assert [frame.version for frame in snapshots] == [1, 2, 3, 4]
    for before, after in itertools.pairwise(snapshots):
        assert after.context.messages[: len(before.context.messages)] == before.context.messages


# ---- events


def heard_by_application(script: list[Item], *names: str, half: str = "user", **settings: Any) -> list[Any]:
    """What handlers of these events get: name, view, payload."""
    heard: list[Any] = []
    pair = pair_of(**settings)
    for name in names:

        def note(view: HalfView, *payload: object, name: str = name) -> None:
            heard.append((name, view, payload))

        getattr(pair, half).on_event(name, note)
    play(Pipeline(pair.user, pair.assistant), script, limit=60)
    return heard


@pytest.mark.parametrize("name", ["on_user_turn_message_added", "on_user_message_added", "on_user_turn_stopped"])
@pytest.mark.rule("E50")
def test_a_handler_that_reads_the_context_finds_the_users_message(name: str) -> None:
    ((_, view, _),) = heard_by_application(said("hello"), name)
    assert [message["content"] for message in view.context.messages] == ["hello"]


@pytest.mark.parametrize("name", ["on_assistant_message_added", "on_assistant_turn_stopped"])
@pytest.mark.rule("E50", "K21")
def test_and_the_bots_and_its_half(name: str) -> None:
    ((_, view, _),) = heard_by_application(replied("Hello"), name, half="assistant")
    assert [message["content"] for message in view.context.messages] == ["Hello"]
    assert view.address.name == "assistant"


@pytest.mark.rule("E50", "E51", "K21")
@both
def test_events_come_in_the_order_of_what_they_tell(direct: bool) -> None:
    trace = talk([*said("hi"), *replied("Hello")], direct=direct)
    names = [
        "on_user_turn_started",
        "on_user_turn_inference_triggered",
        "on_user_turn_message_added",
        "on_user_turn_stopped",
        "on_assistant_turn_started",
        "on_assistant_message_added",
        "on_assistant_turn_stopped",
    ]
    assert [name for name, _ in events(trace)] == names


@pytest.mark.rule("E51")
def test_a_slow_handler_delays_no_frame() -> None:
    pair = pair_of()

    async def dawdle(view: HalfView, *payload: object) -> None:
        await trio.sleep(5)

    pair.user.on_event("on_user_turn_started", dawdle)
    trace = play(Pipeline(pair.user, pair.assistant), [START, Sleep(1), final("hello"), STOP, Sleep(10)], limit=60)
    (run,) = [each for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]
    assert run.time == 1


# ---- frames that end a session


@pytest.mark.rule("B42")
@both
def test_at_an_end_the_bot_speaks_to_its_end_and_the_context_is_complete(direct: bool) -> None:
    script: list[Item] = [*said("hi"), Sleep(0.6), EndFrame()]
    trace = play(cascade(hello), script, direct=direct, limit=20)
    assert trace.ended == "ended"
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my friend.")]
    assert events(trace, "on_assistant_message_added")[0][1][0].interrupted is False


@pytest.mark.rule("B43")
@both
def test_at_a_cancel_what_was_heard_until_then_is_written_as_interrupted(direct: bool) -> None:
    script: list[Item] = [*said("hi"), Sleep(0.8), CancelFrame()]
    trace = play(cascade(hello), script, direct=direct, limit=20)
    assert trace.ended == "cancelled"
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my")]
    assert events(trace, "on_assistant_message_added")[0][1][0].interrupted is True


@pytest.mark.rule("B44")
@both
def test_a_stop_lets_the_bot_speak_to_its_end_too(direct: bool) -> None:
    trace = play(cascade(hello), [*said("hi"), Sleep(0.6), StopFrame(), Sleep(10)], direct=direct, limit=20)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my friend.")]
    assert trace.durable["user"]["has_ended"] is False


@pytest.mark.rule("B44", "E38")
@both
def test_a_stop_lets_a_bot_that_is_held_speak_to_its_end(direct: bool) -> None:
    script: list[Item] = [*said("hi"), Sleep(0.8), START, Sleep(0.2), StopFrame()]
    trace = play(cascade(hello, false_interruption_timeout=2.0), script, direct=direct, limit=20)
    assert any(isinstance(frame, OutputPauseFrame) for frame in trace.down)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my friend.")]


@pytest.mark.rule("B45")
@both
def test_after_its_end_the_user_half_opens_no_turn_interrupts_nobody_and_runs_nothing(direct: bool) -> None:
    """The bot's last words play meanwhile."""
    late: list[Item] = [START, InputTextRawFrame("stop"), STOP]
    script: list[Item] = [*said("hi"), Sleep(0.6), EndFrame(), Sleep(0.1), *late, Sleep(10)]
    trace = play(cascade(hello), script, direct=direct, limit=20)
    assert len(events(trace, "on_user_turn_started")) == 1
    assert sum(isinstance(frame, LLMContextFrame) for frame in trace.handled_by("llm")) == 1
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my friend."), ("user", "stop")]


@pytest.mark.rule("B45", "K17")
@both
def test_after_its_end_the_user_half_still_writes_what_the_other_half_tells_but_sends_nothing(direct: bool) -> None:
    trace = play(cascade(hello), [*said("hi"), Sleep(0.6), EndFrame()], direct=direct, limit=20)
    assert context_of(trace).version == 2
    assert [frame.version for frame in trace.up if isinstance(frame, ContextCommittedFrame)] == [1]

"""One half without the other: it has its context for itself, and runs the model itself."""

from __future__ import annotations

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ContextCommittedFrame,
    EndFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import LoneAssistant, UserHalf

from .pair_cast import RS, START, STOP, X, announced, both, events, final, in_progress, replied, result_of

NOTE = LLMMessagesAppendFrame([{"role": "user", "content": "note"}], True)


def alone(script: list[Item], *, direct: bool = True) -> Trace:
    half = LoneAssistant(LLMContext())
    return play(Pipeline(half.context, half.assistant, max_restarts=9), script, direct=direct, limit=60)


def texts(trace: Trace, owner: str = "assistant_context") -> list[tuple[str, str]]:
    context = trace.durable[owner]["context"]
    assert isinstance(context, LLMContext)
    return [(message["role"], str(message.get("content", "call"))) for message in context.messages]


def runs(trace: Trace, way: str) -> list[list[str]]:
    frames = trace.up if way == "up" else trace.down
    contexts = [frame.context for frame in frames if isinstance(frame, LLMContextFrame)]
    return [[str(message.get("content", "call")) for message in context.messages] for context in contexts]


@pytest.mark.rule("K2")
@both
def test_a_user_half_alone_writes_what_it_hears_and_runs_the_model_behind_it(direct: bool) -> None:
    script: list[Item] = [START, final("hi"), Sleep(1), STOP, Sleep(5), NOTE, EndFrame()]
    pipeline = Pipeline(UserHalf(LLMContext(), name="user"))
    trace = play(pipeline, script, direct=direct, limit=60)
    assert texts(trace, "user") == [("user", "hi"), ("user", "note")]
    assert (runs(trace, "down"), runs(trace, "up")) == ([["hi"], ["hi", "note"]], [])


@pytest.mark.rule("K2")
@both
def test_an_assistant_half_alone_writes_what_the_bot_says_and_runs_the_model_before_it(direct: bool) -> None:
    trace = alone([*replied("Hello"), NOTE, Sleep(1), *replied("Yes")], direct=direct)
    assert texts(trace) == [("assistant", "Hello"), ("user", "note"), ("assistant", "Yes")]
    assert (runs(trace, "up"), runs(trace, "down")) == ([["Hello", "note"]], [])
    names = ["on_assistant_turn_started", "on_assistant_message_added", "on_assistant_turn_stopped"]
    assert [name for name, _ in events(trace)] == names * 2
    assert {event.address.name for event in trace.events} == {"assistant"}
    assert [each for each in trace.dropped if each.reason == "unknown address"] == []


@pytest.mark.rule("K2")
@both
def test_it_is_cut_by_an_interruption_and_answers_calls_when_nobody_speaks(direct: bool) -> None:
    cut = alone([RS, X("Hello"), InterruptionFrame(), Sleep(1)], direct=direct)
    assert texts(cut) == [("assistant", "Hello")]
    assert events(cut, "on_assistant_message_added")[0][1][0].interrupted is True
    for begin, end in (
        (BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()),
        (UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()),
    ):
        trace = alone([announced(), in_progress(), begin, result_of(), Sleep(1), end, Sleep(1)], direct=direct)
        (run,) = [each for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]
        assert (run.time, run.direction) == (1, "up")


@pytest.mark.rule("K2")
@both
def test_a_kill_of_either_changes_nothing(direct: bool) -> None:
    script: list[Item] = [*replied("Hello"), LLMRunFrame(), Sleep(1), RS, X("Yes"), Sleep(1), InterruptionFrame()]
    whole = alone([*script, Sleep(1)], direct=direct)
    for name in ("assistant", "assistant_context"):
        for place in range(1, len(script)):
            trace = alone([*script[:place], Kill(name), *script[place:], Sleep(1)], direct=direct)
            assert (texts(trace), runs(trace, "up")) == (texts(whole), runs(whole, "up")), (name, place)
            versions = [frame.version for frame in trace.up if isinstance(frame, ContextCommittedFrame)]
            assert versions == [1, 2], (name, place)

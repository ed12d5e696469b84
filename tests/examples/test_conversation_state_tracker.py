"""What a conversation is doing."""

from __future__ import annotations

import pytest

from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from examples.conversation_state_tracker import (
    SCRIPT,
    Conversation,
    State,
    changes,
    conversation,
    main,
    says,
    that_lasted,
)

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

CALLS = FunctionCallsStartedFrame((FunctionCallFromLLM("look", "1", {}), FunctionCallFromLLM("look", "2", {})))


def result(call_id: str, *, is_final: bool = True) -> FunctionCallResultFrame:
    return FunctionCallResultFrame(
        "look", call_id, {}, "done", properties=FunctionCallResultProperties(is_final=is_final)
    )


def states(*frames: Frame) -> list[State]:
    """After each."""
    known, found = Conversation(), []
    for frame in frames:
        known = known.step(frame)
        found.append(known.state)
    return found


WHOLE = [
    " 0.00 s  user speaks",
    " 0.90 s  thinking",
    " 1.19 s  tool call",
    " 1.29 s  bot speaks",
    " 2.19 s  tool call",
    " 3.69 s  thinking",
    " 4.20 s  bot speaks",
    " 5.90 s  user speaks",
    " 6.80 s  thinking",
    " 7.09 s  tool call",
    " 7.19 s  bot speaks",
    " 8.09 s  tool call",
    " 9.59 s  thinking",
    "10.10 s  bot speaks",
    "12.20 s  idle",
    "16.80 s  ended",
]


def test_the_example_tells_each_state_and_that_no_kill_changes_one(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out.splitlines() == [
        *WHOLE,
        "killed at each of its 27 deliveries before the end: the same states 27 times",
    ]


@both
def test_states_are_the_same_however_frames_are_delivered(direct: bool) -> None:
    assert list(that_lasted(changes(play(conversation(), SCRIPT, limit=60, direct=direct)))) == WHOLE


@both
def test_a_conversation_interrupted_in_a_call_and_killed_there_goes_its_way(direct: bool) -> None:
    script: list[Item] = [*says("A table, please."), Sleep(1.8), *says("Never mind."), Sleep(7.0)]
    calm = play(conversation(), script, limit=60, direct=direct)
    assert list(that_lasted(changes(calm)))[:7] == [
        " 0.00 s  user speaks",
        " 0.90 s  thinking",
        " 1.19 s  tool call",
        " 1.29 s  bot speaks",
        " 2.19 s  tool call",
        " 2.70 s  user speaks",
        " 3.60 s  thinking",
    ]
    killed = play(conversation(), [*script[:5], Kill("tracker"), *script[5:]], limit=60, direct=direct)
    assert len(killed.restarts) == 1
    assert changes(killed) == changes(calm)


def test_a_user_who_cuts_in_is_what_the_conversation_does() -> None:
    assert states(
        UserStartedSpeakingFrame(),
        UserStoppedSpeakingFrame(),
        LLMContextUserTurnFrame("hello"),
        LLMFullResponseStartFrame(),
        BotStartedSpeakingFrame(),
        UserStartedSpeakingFrame(),
        InterruptionFrame(),
        BotStoppedSpeakingFrame(),
        UserStoppedSpeakingFrame(),
    ) == [
        State.USER_SPEAKS,
        State.IDLE,
        State.THINKING,
        State.THINKING,
        State.BOT_SPEAKS,
        State.USER_SPEAKS,
        State.USER_SPEAKS,
        State.USER_SPEAKS,
        State.IDLE,
    ]


def test_the_model_thinks_again_when_its_last_call_has_a_result() -> None:
    assert states(CALLS, result("1", is_final=False), result("1"), result("2"), LLMFullResponseEndFrame()) == [
        State.TOOL_CALL,
        State.TOOL_CALL,
        State.TOOL_CALL,
        State.THINKING,
        State.IDLE,
    ]


def test_a_call_that_is_cancelled_is_over() -> None:
    assert states(CALLS, FunctionCallCancelFrame("look", "1"), FunctionCallCancelFrame("look", "2")) == [
        State.TOOL_CALL,
        State.TOOL_CALL,
        State.IDLE,
    ]


def test_a_result_is_answered_only_when_no_call_is_waited_for() -> None:
    assert states(CALLS, result("1"), FunctionCallCancelFrame("look", "2"))[-1] is State.IDLE
    assert states(CALLS, FunctionCallCancelFrame("look", "2"), result("1"))[-1] is State.THINKING


def test_nothing_follows_an_end() -> None:
    assert states(EndFrame(), UserStartedSpeakingFrame(), BotStartedSpeakingFrame()) == [State.ENDED] * 3

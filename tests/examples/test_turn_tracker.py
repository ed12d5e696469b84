"""The turns of a conversation, as an actor in it numbers them."""

from __future__ import annotations

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    HeardFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from examples.turn_tracker import SCRIPT, Turns, conversation, main, says, told

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

PLAYED = HeardFrame(1, (("1", 500_000_000),), (), ())
CUT_IN: list[Item] = [*says("What is there to eat?"), Sleep(2.0), *says("Thank you, the soup."), Sleep(1.0)]


def turns(trace: Trace) -> list[str]:
    kept = trace.durable["turns"]["turns"]
    assert isinstance(kept, tuple)
    return list(told(kept))


def alone(*script: Item) -> list[str]:
    return turns(play(Pipeline(Turns()), script, limit=60))


WHOLE = [
    "1. user   0.00 to  0.90 s",
    "2. bot    1.47 to  6.46 s",
    "3. user   8.70 to  9.60 s",
    "4. bot   10.17 to 11.60 s  interrupted",
    "5. user  11.60 to 12.50 s",
    "6. bot   13.07 to 15.77 s",
]


def test_the_example_tells_each_turn(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out.splitlines() == WHOLE


@both
def test_turns_are_the_same_however_frames_are_delivered(direct: bool) -> None:
    assert turns(play(conversation(), SCRIPT, limit=60, direct=direct)) == WHOLE


@both
def test_a_bot_cut_off_and_a_session_that_ends_in_an_answer_are_interrupted(direct: bool) -> None:
    assert turns(play(conversation(), CUT_IN, limit=4.5, direct=direct)) == [
        "1. user   0.00 to  0.90 s",
        "2. bot    1.47 to  2.90 s  interrupted",
        "3. user   2.90 to  3.80 s",
        "4. bot    4.37 to  4.50 s  interrupted",
    ]


def test_no_kill_changes_a_turn() -> None:
    script: list[Item] = [*CUT_IN, Sleep(5.0), EndFrame()]
    calm = play(conversation(), script, limit=60)
    for at in range(1, len(calm.handled_by("turns"))):  # the last is EndFrame: nobody is restarted for that
        killed = play(conversation(), [Kill("turns", at=at), *script], limit=60)
        assert len(killed.restarts) == 1
        assert turns(killed) == turns(calm), f"killed at delivery {at}"


def test_an_interruption_in_silence_marks_nobody() -> None:
    script: list[Item] = [BotStartedSpeakingFrame(), Sleep(1.0), BotStoppedSpeakingFrame(), HeardFrame(1, (), (), ())]
    assert alone(*script) == ["1. bot    0.00 to  1.00 s"]


def test_an_interruption_that_nobody_spoke_for_marks_the_bot() -> None:
    script: list[Item] = [BotStartedSpeakingFrame(), Sleep(1.0), BotStoppedSpeakingFrame(), PLAYED]
    assert alone(*script) == ["1. bot    0.00 to  1.00 s  interrupted"]


def test_a_cough_is_no_turn_and_the_bot_goes_on() -> None:
    held: list[Item] = [BotStartedSpeakingFrame(), Sleep(1.0), UserStartedSpeakingFrame(), BotStoppedSpeakingFrame()]
    taken_back: list[Item] = [OutputPauseFrame(), Sleep(2.0), UserStoppedSpeakingFrame(), OutputResumeFrame()]
    goes_on: list[Item] = [BotStartedSpeakingFrame(), Sleep(1.0), BotStoppedSpeakingFrame()]
    assert alone(*held, *taken_back, *goes_on) == ["1. bot    0.00 to  4.00 s"]


def test_a_pause_that_the_application_makes_takes_no_turn_back() -> None:
    said: list[Item] = [UserStartedSpeakingFrame(), Sleep(1.0), UserStoppedSpeakingFrame()]
    assert alone(*said, OutputResumeFrame()) == ["1. user   0.00 to  1.00 s"]


def test_who_speaks_when_the_session_ends_is_interrupted() -> None:
    assert alone(UserStartedSpeakingFrame(), Sleep(1.0)) == ["1. user   0.00 to  1.00 s  interrupted"]

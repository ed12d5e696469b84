"""How long the bot speaks, pauses and lets people wait."""

from __future__ import annotations

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    OutputResumeFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from examples.bot_speech_monitor import SCRIPT, BotSpeechMonitor, Speech, conversation, main, says, told

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

START, STOP = BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()
CUT_IN: list[Item] = [*says("And what wine?"), Sleep(4.0), *says("Enough, thank you."), Sleep(6.0)]


def monitor() -> BotSpeechMonitor:
    return BotSpeechMonitor(limit=5.0, name="monitor")


def speeches(trace: Trace) -> tuple[Speech, ...]:
    kept = trace.durable["monitor"]["speeches"]
    assert isinstance(kept, tuple)
    return kept


def warnings(trace: Trace) -> list[tuple[float, tuple[object, ...]]]:
    return [(round(event.time, 2), event.payload) for event in trace.events if event.name == "on_long_speech"]


def alone(*script: Item) -> Trace:
    return play(Pipeline(monitor()), script, limit=60)


WHOLE = [
    " 1.29 s: spoke for 0.90 s, after 0.39 s of waiting",
    " 4.11 s: spoke for 1.20 s, after a pause of 1.92 s",
    " 9.76 s: spoke for 6.60 s, after 0.96 s of waiting",
]


def test_the_example_warns_and_tells_each_speech(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out.splitlines() == [
        "warning: the bot has spoken for 5 s without a break",
        *WHOLE,
    ]


@both
def test_speeches_are_the_same_however_frames_are_delivered(direct: bool) -> None:
    trace = play(conversation(monitor()), SCRIPT, limit=60, direct=direct)
    assert list(told(speeches(trace))) == WHOLE
    assert warnings(trace) == [(14.76, (pytest.approx(5.0),))]


@both
def test_a_speech_that_is_cut_off_ends_there_and_is_not_warned_of(direct: bool) -> None:
    trace = play(conversation(monitor()), CUT_IN, limit=60, direct=direct)
    assert list(told(speeches(trace))) == [
        " 1.86 s: spoke for 3.04 s, after 0.96 s of waiting",
        " 6.19 s: spoke for 0.90 s, after 0.39 s of waiting",
        " 9.01 s: spoke for 1.20 s, after a pause of 1.92 s",
    ]
    assert warnings(trace) == []


def test_no_kill_changes_a_speech_or_a_warning() -> None:
    calm = play(conversation(monitor()), SCRIPT, limit=60)
    for at in range(1, len(calm.handled_by("monitor")) + 1):
        killed = play(conversation(monitor()), [Kill("monitor", at=at), *SCRIPT], limit=60)
        assert len(killed.restarts) == 1
        assert (speeches(killed), warnings(killed)) == (speeches(calm), warnings(calm)), f"killed at delivery {at}"


def test_a_long_speech_is_warned_of_once_while_it_goes_on() -> None:
    assert warnings(alone(START, Sleep(20.0), STOP)) == [(5.0, (5.0,))]


def test_a_break_begins_the_limit_anew() -> None:
    assert warnings(alone(START, Sleep(4.0), STOP, START, Sleep(4.0), STOP, Sleep(4.0))) == []


def test_a_monitor_that_dies_in_a_speech_warns_all_the_same() -> None:
    assert warnings(alone(START, Sleep(4.0), Kill("monitor"), Sleep(4.0), STOP)) == [(5.0, (5.0,))]


def test_a_bot_held_by_a_cough_has_paused_and_let_nobody_wait() -> None:
    held: list[Item] = [START, Sleep(1.0), STOP, Sleep(2.0), UserStoppedSpeakingFrame(), OutputResumeFrame()]
    assert speeches(alone(*held, START, Sleep(1.0), STOP)) == (
        Speech(0.0, 1.0),
        Speech(3.0, 4.0, paused=2.0),
    )

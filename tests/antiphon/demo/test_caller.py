"""What the demo's caller does while the agent speaks: in virtual time, with the agent's voice told by VAD's edges."""

from __future__ import annotations

from antiphon import Pipeline
from antiphon.channels import (
    BotStoppedSpeakingFrame,
    Frame,
    TranscriptionFrame,
    TTSStartedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.demo.caller import Aside, Caller, Clip, Reply
from antiphon.scenarios import Item, Sleep, play

STARTED, STOPPED = VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()
CLIPS = {name: Clip(name, bytes(640), 16000) for name in ("table", "mhm", "people", "pardon")}
ASKED: list[Item] = [STARTED, Sleep(1), TranscriptionFrame("help you"), STOPPED, Sleep(0.3), BotStoppedSpeakingFrame()]


def said(script: list[Item]) -> list[tuple[float, str]]:
    """What the caller says, and when."""
    asides = (Aside("mhm", 1.0), Aside("people", 1.0, counts=True))
    trace = play(
        Pipeline(Caller((Reply("help you", "table"),), CLIPS, asides, patience=60.0, name="caller")), script, limit=30
    )
    times = [each.time for each in trace.deliveries if isinstance(each.frame, TTSStartedFrame)]
    words = [frame.text for frame in trace.down if isinstance(frame, TTSTextFrame)]
    return list(zip([round(time, 3) for time in times], words, strict=True))


def test_asides_are_made_while_the_second_answer_is_heard_the_next_when_it_goes_on() -> None:
    done: Frame = BotStoppedSpeakingFrame()
    script = [*ASKED, Sleep(1), STARTED, Sleep(1.2), done, STOPPED, Sleep(0.5), STARTED, Sleep(1.2), done, STOPPED]
    assert said([*script, Sleep(3)]) == [(1.3, "table"), (3.3, "mhm"), (5.0, "people")]


def test_an_agent_that_does_not_pause_hears_the_next_aside_all_the_same() -> None:
    script = [*ASKED, Sleep(1), STARTED, Sleep(1.2), BotStoppedSpeakingFrame(), Sleep(1.2), BotStoppedSpeakingFrame()]
    assert said([*script, Sleep(2), STOPPED, Sleep(3)]) == [(1.3, "table"), (3.3, "mhm"), (4.5, "people")]


def test_an_agent_that_has_fallen_silent_is_not_interrupted() -> None:
    script = [*ASKED, Sleep(1), STARTED, Sleep(0.5), STOPPED, Sleep(3)]
    assert said(script) == [(1.3, "table")]

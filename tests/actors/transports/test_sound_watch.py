"""Whether a stall of the user's sound is noticed, once, and by nobody but the log."""

from __future__ import annotations

import logging

import pytest
import trio

from antiphon import Actor, Pipeline, actor, on
from antiphon.actors.transports.sound_watch import SoundWatch
from antiphon.channels import EndFrame, InputAudioRawFrame
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from tests.actors.notes import both


def sound(seconds: float) -> list[Item]:
    return [item for _ in range(round(seconds / 0.02)) for item in (InputAudioRawFrame(bytes(640), 16000), Sleep(0.02))]


def watch(*script: Item, direct: bool = True) -> Trace:
    return play(Pipeline(SoundWatch(name="line")), script, direct=direct)


@pytest.fixture(autouse=True)
def _warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


@both
@pytest.mark.rule("J32")
def test_a_stall_is_warned_of_once_half_a_second_after_the_last_sound(
    direct: bool, caplog: pytest.LogCaptureFixture
) -> None:
    watch(*sound(1.0), Sleep(0.47), EndFrame(), direct=direct)  # the last frame came 0.02 before the pause
    assert caplog.messages == []
    watch(*sound(1.0), Sleep(0.49), Sleep(60), direct=direct)
    assert caplog.messages == ["line: no sound has come in for 0.5 s"]


@pytest.mark.rule("J32")
def test_each_stall_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    trace = watch(*sound(0.2), Sleep(5), *sound(0.2), Sleep(5))
    assert len(caplog.messages) == 2
    assert len(trace.down) == 20


@pytest.mark.rule("J32")
def test_sound_that_never_came_cannot_fail_to(caplog: pytest.LogCaptureFixture) -> None:
    watch(Sleep(60))
    assert caplog.messages == []


@actor
class Lingers(Actor):
    """Takes a while to end, as an output does."""

    @on(EndFrame)
    async def finish(self, frame: EndFrame) -> None:
        self.allow(5)
        await trio.sleep(5)


@both
@pytest.mark.rule("J32")
def test_after_the_end_no_sound_is_missed(direct: bool, caplog: pytest.LogCaptureFixture) -> None:
    trace = play(Pipeline(SoundWatch(), Lingers()), [*sound(0.2), EndFrame(), Sleep(60)], direct=direct)
    assert trace.ended == "ended"
    assert caplog.messages == []


def test_a_watch_that_is_killed_watches_on(caplog: pytest.LogCaptureFixture) -> None:
    watch(*sound(0.2), Kill("line"), Sleep(5))
    assert len(caplog.messages) == 1

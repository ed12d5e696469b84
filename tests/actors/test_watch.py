"""What a session keeps an eye on: busy actors, frames that don't come out, silence."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
import trio
import trio.testing

from antiphon import Actor, ConfigurationError, Pipeline, actor, on, open_session
from antiphon.actors import Stall
from antiphon.channels import (
    BotSpeakingFrame,
    HeartbeatFrame,
    InterruptionFrame,
    TextFrame,
    TranscriptionFrame,
)
from antiphon.scenarios import Sleep, TraceRecorder, play

from .notes import Alarm, Order

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])


@actor
class Slow(Actor):
    """Takes as many seconds as the text says."""

    @on(Order)
    async def obey(self, frame: Order) -> None:
        await trio.sleep(float(frame.text))

    @on(Alarm)
    async def alarm(self, frame: Alarm) -> None:
        await trio.sleep(float(frame.text))


@both
@pytest.mark.rule("SU11")
def test_an_ordered_handler_that_is_busy_too_long_is_reported_once_and_goes_on(direct: bool) -> None:
    trace = play(Pipeline(Slow()), [Sleep(1), Order("12"), Sleep(100), Order("3")], direct=direct)
    assert [(str(each.address), each.since, each.frame) for each in trace.stalls] == [("slow", 1.0, Order("12"))]
    assert not trace.failures


@both
@pytest.mark.rule("SU11")
def test_a_system_handler_that_is_busy_too_long_fails_its_actor(direct: bool) -> None:
    trace = play(Pipeline(Slow()), [Alarm("12")], direct=direct)
    assert [(each.time, type(each.error), str(each.error)[:43]) for each in trace.failures] == [
        (5.0, TimeoutError, "slow was busy for 5 s in its system handler"),
        (10.0, TimeoutError, "slow was busy for 5 s in its system handler"),
    ]
    assert [each.reason for each in trace.dropped] == ["poison"]


@both
@pytest.mark.rule("SU11")
def test_many_handlers_that_are_quick_enough_are_never_reported(direct: bool) -> None:
    script = [each for _ in range(20) for each in (Order("4.9"), Alarm("4.9"), Sleep(4.9))]
    trace = play(Pipeline(Slow()), script, direct=direct)
    assert not trace.stalls and not trace.failures


@pytest.mark.rule("SU11")
async def test_without_a_stall_timeout_nobody_looks(autojump_clock: trio.testing.MockClock) -> None:
    recorder = TraceRecorder()
    async with open_session(Pipeline(Slow()), observers=[recorder], stall_timeout=None) as session:
        await session.push(Alarm("100"))
        await trio.sleep(50)
        await session.cancel()
    assert not recorder.stalls and not recorder.failures


def test_a_play_does_not_wait_for_the_watch() -> None:
    trace = play(Pipeline(Slow()), [Order("1")])
    assert trace.deliveries[-1].time == 1.0


@actor
class Passes(Actor):
    @on(TextFrame)
    def see(self, frame: TextFrame) -> TextFrame:
        return frame


@pytest.mark.rule("J30")
async def test_heartbeats_come_out_and_nobody_else_sees_them(autojump_clock: trio.testing.MockClock) -> None:
    recorder = TraceRecorder()
    async with open_session(Pipeline(Passes()), observers=[recorder], heartbeat=1.0) as session:
        output = session.output
        await trio.sleep(5.5)
        await session.push(TextFrame("hi"))
        assert await anext(output) == TextFrame("hi")
        session.interrupt()
        await trio.sleep(20)
    beats = [each for each in recorder.deliveries if isinstance(each.frame, HeartbeatFrame)]
    assert [each.time for each in beats] == [float(second) for second in range(26)]
    assert beats[3].frame == HeartbeatFrame(3_000_000_000)
    assert not recorder.stalls


@pytest.mark.rule("J30")
async def test_a_pipeline_that_lets_no_heartbeat_through_is_reported_again_and_again(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = TraceRecorder()
    caplog.set_level(logging.WARNING)
    pipeline = Pipeline(Passes(), Slow())
    async with open_session(pipeline, observers=[recorder], heartbeat=1.0, stall_timeout=None) as session:
        await trio.sleep(3.5)
        await session.push(Order("1000"))
        await trio.sleep(24)
        session.interrupt()
        await trio.sleep(30)
        await session.cancel()
    assert [(str(each.address), each.since, type(each.frame)) for each in recorder.stalls] == [
        ("sink", 3.0, HeartbeatFrame),
        ("sink", 3.0, HeartbeatFrame),
    ]
    assert "no heartbeat has come through the pipeline for 10.0 s" in caplog.text


@pytest.mark.rule("J31")
async def test_a_session_in_which_nobody_speaks_is_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    async with open_session(Pipeline(Slow(), Passes()), idle_timeout=10.0) as session:
        for frame in (
            BotSpeakingFrame(),
            TranscriptionFrame("hello", "user", "now"),
            TextFrame("no word of anybody's"),
        ):
            await trio.sleep(9)
            await session.push(frame)
        await session.wait()
        assert trio.current_time() == pytest.approx(28.0)
    assert session.outcome == "cancelled"


@pytest.mark.parametrize("wanted", ["idle_timeout", "stall_timeout", "heartbeat"])
async def test_seconds_that_make_no_sense_are_refused(wanted: str) -> None:
    for value in (0, -1, "5"):
        with pytest.raises(ConfigurationError, match=f"open_session: {wanted}={value!r}. Write seconds"):
            async with open_session(Pipeline(), **cast(Any, {wanted: value})):
                pass


def test_a_stall_names_the_frame_in_hand() -> None:
    trace = play(Pipeline(Slow(name="llm")), [Order("60"), Sleep(30), InterruptionFrame()])
    (stall,) = trace.stalls
    assert isinstance(stall, Stall)
    assert (stall.address.name, stall.frame) == ("llm", Order("60"))

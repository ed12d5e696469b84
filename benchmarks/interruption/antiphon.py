"""Interruptions of ours, from outside as in pipecat's measurement.

Only the fourth actor waits, so only it is async; measured again with async handlers in all. The lanes have room for the
200, so both sides have the same to drop.
"""

import trio

from antiphon import Actor, Pipeline, actor, on, open_session
from antiphon.channels import InterruptionFrame, TextFrame

from ..lost import expect
from ..percentile import percentile
from ..setting import Setting
from ..stopwatch import Stopwatch
from ..trio_arrivals import Arrivals
from . import QUEUED, REST

__all__ = ["measure"]


@actor
class Plain(Actor):
    handled: Arrivals

    @on(TextFrame)
    def pass_on(self, frame: TextFrame) -> TextFrame:
        return frame

    @on(InterruptionFrame)
    def note(self, frame: InterruptionFrame) -> None:
        self.handled.arrived()


@actor
class Waiting(Actor):
    handled: Arrivals

    @on(TextFrame)
    async def pass_on(self, frame: TextFrame) -> None:
        await self.push(frame)

    @on(InterruptionFrame)
    def note(self, frame: InterruptionFrame) -> None:
        self.handled.arrived()


@actor
class Blocked(Actor):
    handled: Arrivals
    began: Arrivals

    @on(TextFrame)
    async def block(self, frame: TextFrame) -> None:
        if frame.text == "block":
            self.began.arrived()
            await trio.sleep(1000)
        await self.push(frame)

    @on(InterruptionFrame)
    def note(self, frame: InterruptionFrame) -> None:
        self.handled.arrived()


@actor
class Sink(Actor):
    handled: Arrivals
    old: Arrivals
    fresh: Arrivals

    @on(TextFrame)
    def take(self, frame: TextFrame) -> None:
        (self.fresh if frame.text == "fresh" else self.old).arrived()

    @on(InterruptionFrame)
    def note(self, frame: InterruptionFrame) -> None:
        self.handled.arrived()


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds, the median and the 99th percentile of one round."""
    plain = await interrupted(setting, Plain)
    waiting = await interrupted(setting, Waiting)
    return plain | {f"async_{key}": value for key, value in waiting.items()}


async def interrupted(setting: Setting, other: type[Plain] | type[Waiting]) -> dict[str, float]:
    handled, began, old, fresh = Arrivals(), Arrivals(), Arrivals(), Arrivals()
    passers: list[Actor] = [other(handled) for _ in range(6)]
    passers.insert(3, Blocked(handled, began))
    interrupting: list[float] = []
    freshening: list[float] = []
    pipeline = Pipeline(*passers, Sink(handled, old, fresh), max_buffer=QUEUED + 1)
    async with open_session(pipeline) as session:
        for repeat in range(1, setting.size.interruptions + 1):
            await session.push(TextFrame("block"))
            await began.until(repeat)
            for _ in range(QUEUED):
                await session.push(TextFrame("old"))
            await trio.sleep(REST)
            watch = Stopwatch()
            await session.push(InterruptionFrame())
            await handled.until(8 * repeat)
            interrupting.append(watch.microseconds())
            watch = Stopwatch()
            await session.push(TextFrame("fresh"))
            await fresh.until(repeat)
            freshening.append(watch.microseconds())
    expect((handled.count, old.count), (8 * setting.size.interruptions, 0))
    return {
        "handled_p50": percentile(interrupting, 0.5),
        "handled_p99": percentile(interrupting, 0.99),
        "fresh_p50": percentile(freshening, 0.5),
        "fresh_p99": percentile(freshening, 0.99),
    }

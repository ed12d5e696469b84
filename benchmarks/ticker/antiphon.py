"""A ticker beside a flooded session of ours."""

from time import perf_counter

import trio

from antiphon import Actor, Pipeline, Session, actor, on, open_session
from antiphon.channels import TextFrame

from ..flight import BURST
from ..lost import expect
from ..setting import Setting
from ..trio_arrivals import Arrivals
from . import PERIOD, Ticks

__all__ = ["measure"]


@actor
class PassOn(Actor):
    @on(TextFrame)
    def pass_on(self, frame: TextFrame) -> TextFrame:
        return frame


@actor
class Last(Actor):
    arrivals: Arrivals

    @on(TextFrame)
    def take(self, frame: TextFrame) -> None:
        self.arrivals.arrived()


async def measure(setting: Setting) -> dict[str, float]:
    """Milliseconds late."""
    arrivals = Arrivals()
    ticks = Ticks()
    async with (
        open_session(Pipeline(*(PassOn() for _ in range(7)), Last(arrivals))) as session,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(flood, session, arrivals)
        start = perf_counter()
        while (now := perf_counter()) < start + setting.size.window:
            due = now + PERIOD
            await trio.sleep(PERIOD)
            ticks.note(perf_counter() - due)
        passed = arrivals.count / (perf_counter() - start)
        nursery.cancel_scope.cancel()
    expect(arrivals.count > 0, True)
    return {"p50": ticks.milliseconds(0.5), "p99": ticks.milliseconds(0.99), "flood": passed}


async def flood(session: Session, arrivals: Arrivals) -> None:
    while True:
        due = arrivals.count + BURST
        for _ in range(BURST):
            await session.push(TextFrame("hello"))
        await arrivals.until(due)
        await trio.lowlevel.checkpoint_if_cancelled()

"""Hops between actors of ours: plain handlers that return the frame, that yield it, and async ones that push it."""

from collections.abc import Iterator

from antiphon import Actor, Pipeline, actor, on, open_session
from antiphon.channels import TextFrame

from ..flight import burst_microseconds, one_in_flight
from ..lost import expect
from ..setting import Setting
from ..tally import Tally
from ..trio_arrivals import Arrivals

__all__ = ["measure"]


@actor
class Plain(Actor):
    tally: Tally

    @on(TextFrame)
    def pass_on(self, frame: TextFrame) -> TextFrame:
        self.tally.handled += 1
        return frame


@actor
class Generator(Actor):
    tally: Tally

    @on(TextFrame)
    def pass_on(self, frame: TextFrame) -> Iterator[TextFrame]:
        self.tally.handled += 1
        yield frame


@actor
class Waiting(Actor):
    tally: Tally

    @on(TextFrame)
    async def pass_on(self, frame: TextFrame) -> None:
        self.tally.handled += 1
        await self.push(frame)


@actor
class Last(Actor):
    arrivals: Arrivals

    @on(TextFrame)
    def take(self, frame: TextFrame) -> None:
        self.arrivals.arrived()


@actor
class WaitingLast(Actor):
    arrivals: Arrivals

    @on(TextFrame)
    async def take(self, frame: TextFrame) -> None:
        self.arrivals.arrived()


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds a hop."""
    measured: dict[str, float] = {}
    for kind, passer, last in (
        ("plain", Plain, Last),
        ("generator", Generator, Last),
        ("async", Waiting, WaitingLast),
    ):
        arrivals = Arrivals()
        tallies = [Tally() for _ in range(7)]
        async with open_session(Pipeline(*(passer(tally) for tally in tallies), last(arrivals))) as session:
            flight = await one_in_flight(session.push, lambda: TextFrame("hello"), arrivals, setting.size)
            burst = await burst_microseconds(session.push, lambda: TextFrame("hello"), arrivals, setting.size)
        expect([tally.handled for tally in tallies], [arrivals.count] * 7)
        measured |= {f"{kind}_one": flight.through / 8, f"{kind}_turn": flight.turn / 8, f"{kind}_burst": burst / 8}
    return measured

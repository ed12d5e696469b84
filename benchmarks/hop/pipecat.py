"""Hops between processors of pipecat. They have one kind of handler, so one measurement answers all three of ours."""
# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false

from pipecat.frames.frames import TextFrame

from ..asyncio_arrivals import Arrivals
from ..flight import burst_microseconds, one_in_flight
from ..lost import expect
from ..pipecat_session import Last, Passer, open_session
from ..setting import Setting

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds a hop."""
    arrivals = Arrivals()
    passers = [Passer(TextFrame) for _ in range(7)]
    async with open_session([*passers, Last(arrivals, TextFrame)], lean=setting.lean) as worker:
        flight = await one_in_flight(worker.queue_frame, lambda: TextFrame("hello"), arrivals, setting.size)
        burst = await burst_microseconds(worker.queue_frame, lambda: TextFrame("hello"), arrivals, setting.size)
    expect([passer.handled for passer in passers], [arrivals.count] * 7)
    return {
        f"{kind}_{row}": microseconds / 8
        for kind in ("plain", "generator", "async")
        for row, microseconds in (("one", flight.through), ("turn", flight.turn), ("burst", burst))
    }

"""A ticker beside a flooded session of pipecat."""
# mypy: disable-error-code="import-not-found,misc"
# pyright: reportMissingImports=false

import asyncio
from time import perf_counter

from pipecat.frames.frames import TextFrame
from pipecat.pipeline.worker import PipelineWorker

from ..asyncio_arrivals import Arrivals
from ..flight import BURST
from ..lost import expect
from ..pipecat_session import Last, Passer, open_session
from ..setting import Setting
from . import PERIOD, Ticks

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Milliseconds late."""
    arrivals = Arrivals()
    ticks = Ticks()
    async with open_session(
        [*(Passer(TextFrame) for _ in range(7)), Last(arrivals, TextFrame)], lean=setting.lean
    ) as worker:
        flooding = asyncio.create_task(flood(worker, arrivals))
        start = perf_counter()
        while (now := perf_counter()) < start + setting.size.window:
            due = now + PERIOD
            await asyncio.sleep(PERIOD)
            ticks.note(perf_counter() - due)
        passed = arrivals.count / (perf_counter() - start)
        flooding.cancel()
    expect(arrivals.count > 0, True)
    return {"p50": ticks.milliseconds(0.5), "p99": ticks.milliseconds(0.99), "flood": passed}


async def flood(worker: PipelineWorker, arrivals: Arrivals) -> None:
    while True:
        due = arrivals.count + BURST
        for _ in range(BURST):
            await worker.queue_frame(TextFrame("hello"))
        await arrivals.until(due)

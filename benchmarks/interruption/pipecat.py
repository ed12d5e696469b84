"""Interruptions of pipecat: an InterruptionFrame from outside, the cheapest way it has (a broadcast from within sends
two).
"""
# mypy: disable-error-code="import-not-found,misc"
# pyright: reportMissingImports=false

import asyncio

from pipecat.frames.frames import Frame, InterruptionFrame, TextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from ..asyncio_arrivals import Arrivals
from ..lost import expect
from ..percentile import percentile
from ..pipecat_session import open_session
from ..setting import Setting
from ..stopwatch import Stopwatch
from . import QUEUED, REST

__all__ = ["measure"]


class Interrupted(FrameProcessor):
    """Notes when it has handled an interruption. A text "block" makes the one that blocks sleep."""

    def __init__(self, handled: Arrivals, began: Arrivals, *, blocks: bool) -> None:
        super().__init__()
        self.handled = handled
        self.began = began
        self.blocks = blocks

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self.handled.arrived()
        elif self.blocks and isinstance(frame, TextFrame) and frame.text == "block":
            self.began.arrived()
            await asyncio.sleep(1000)
        await self.push_frame(frame, direction)


class Sink(FrameProcessor):
    """The eighth: takes text, and counts it."""

    def __init__(self, handled: Arrivals, texts: dict[str, Arrivals]) -> None:
        super().__init__()
        self.handled = handled
        self.texts = texts

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self.handled.arrived()
        if isinstance(frame, TextFrame):
            self.texts[frame.text].arrived()
        else:
            await self.push_frame(frame, direction)


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds, the median and the 99th percentile of one round."""
    handled, began = Arrivals(), Arrivals()
    texts = {"old": Arrivals(), "fresh": Arrivals()}
    passers = [Interrupted(handled, began, blocks=place == 3) for place in range(7)]
    interrupting: list[float] = []
    freshening: list[float] = []
    async with open_session([*passers, Sink(handled, texts)], lean=setting.lean) as worker:
        for repeat in range(1, setting.size.interruptions + 1):
            await worker.queue_frame(TextFrame("block"))
            await began.until(repeat)
            for _ in range(QUEUED):
                await worker.queue_frame(TextFrame("old"))
            await asyncio.sleep(REST)
            watch = Stopwatch()
            await worker.queue_frame(InterruptionFrame())
            await handled.until(8 * repeat)
            interrupting.append(watch.microseconds())
            watch = Stopwatch()
            await worker.queue_frame(TextFrame("fresh"))
            await texts["fresh"].until(repeat)
            freshening.append(watch.microseconds())
    expect((handled.count, texts["old"].count), (8 * setting.size.interruptions, 0))
    found = {
        "handled_p50": percentile(interrupting, 0.5),
        "handled_p99": percentile(interrupting, 0.99),
        "fresh_p50": percentile(freshening, 0.5),
        "fresh_p99": percentile(freshening, 0.99),
    }
    # All its handlers are async.
    return found | {f"async_{key}": value for key, value in found.items()}

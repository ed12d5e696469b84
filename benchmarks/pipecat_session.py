"""A pipecat session as its users open one: a worker in a runner, entered when its StartFrame has reached the end."""
# mypy: disable-error-code="import-not-found,misc"
# pyright: reportMissingImports=false
# pipecat lives in an environment of its own, which the checkers don't see.

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pipecat.frames.frames import EndFrame, Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from .asyncio_arrivals import Arrivals

__all__ = ["Last", "Passer", "open_session"]

LEAN = {"enable_rtvi": False, "enable_turn_tracking": False, "idle_timeout_secs": None}


@asynccontextmanager
async def open_session(processors: Sequence[FrameProcessor], *, lean: bool) -> AsyncIterator[PipelineWorker]:
    """Start a session, and end it by an EndFrame on the way out."""
    worker = PipelineWorker(Pipeline(processors), **(LEAN if lean else {}))
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")  # type: ignore[untyped-decorator]
    async def note_start(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await started.wait()
    try:
        yield worker
    finally:
        await worker.queue_frame(EndFrame())
        await running


class Passer(FrameProcessor):
    """Handles frames of its types, in that it counts them, and passes on every frame."""

    def __init__(self, *types: type[Frame]) -> None:
        super().__init__()
        self.types = types
        self.handled = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, self.types):
            self.handled += 1
        await self.push_frame(frame, direction)


class Last(FrameProcessor):
    """Takes frames of its types and tells `arrivals`; lifecycle frames go on to the worker's sink."""

    def __init__(self, arrivals: Arrivals, *types: type[Frame]) -> None:
        super().__init__()
        self.types = types
        self.arrivals = arrivals

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, self.types):
            self.arrivals.arrived()
        else:
            await self.push_frame(frame, direction)

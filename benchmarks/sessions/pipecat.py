"""Many sessions of pipecat in one process, each with a worker and a runner of its own, as its examples have them."""
# mypy: disable-error-code="import-not-found,misc"
# pyright: reportMissingImports=false

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from functools import partial
from time import perf_counter, process_time

from pipecat.frames.frames import Frame, InputAudioRawFrame, LLMTextFrame, TTSAudioRawFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from ..lost import expect
from ..pipecat_session import Passer, open_session
from ..setting import Setting
from ..voice import INPUT, OUTPUT
from . import PERIOD, Trial, most_carried, settle

__all__ = ["measure"]


class TimedLast(FrameProcessor):
    """Takes the audio and notes how late it is. Frames of one kind arrive in the order in which they were due."""

    def __init__(self, latenesses: list[float]) -> None:
        super().__init__()
        self.latenesses = latenesses
        self.input_due: deque[float] = deque()
        self.output_due: deque[float] = deque()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.latenesses.append(perf_counter() - self.input_due.popleft())
        elif isinstance(frame, TTSAudioRawFrame):
            self.latenesses.append(perf_counter() - self.output_due.popleft())
        else:
            await self.push_frame(frame, direction)


async def measure(setting: Setting) -> dict[str, float]:
    """The number of sessions, with the lateness and the load at that number."""
    return await most_carried(
        partial(trial_of, setting), start=int(setting.hint or 24), most=setting.size.most_sessions
    )


async def trial_of(setting: Setting, number: int) -> Trial:
    latenesses: list[float] = []
    async with AsyncExitStack() as stack:
        fed = []
        for _ in range(number):
            last = TimedLast(latenesses)
            processors = [Passer(InputAudioRawFrame), *(Passer(LLMTextFrame) for _ in range(6)), last]
            fed.append((await stack.enter_async_context(open_session(processors, lean=setting.lean)), last))
        settle()
        start, used = perf_counter() + 0.1, process_time()
        ticks = int(setting.size.window / PERIOD)
        async with asyncio.TaskGroup() as group:
            for place, (worker, last) in enumerate(fed):
                group.create_task(feed(worker, last, start=start + PERIOD * place / number, ticks=ticks))
        load = (process_time() - used) / (perf_counter() - start)
    expect(len(latenesses), 2 * ticks * number)
    return Trial(latenesses, load=load)


async def feed(worker: PipelineWorker, last: TimedLast, *, start: float, ticks: int) -> None:
    for tick in range(ticks):
        due = start + tick * PERIOD
        await asyncio.sleep(due - perf_counter())
        last.input_due.append(due)
        await worker.queue_frame(InputAudioRawFrame(INPUT, sample_rate=16000, num_channels=1))
        last.output_due.append(due)
        await worker.queue_frame(TTSAudioRawFrame(OUTPUT, sample_rate=24000, num_channels=1))

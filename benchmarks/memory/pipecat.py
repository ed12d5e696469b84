"""The memory of pipecat's sessions."""
# mypy: disable-error-code="import-not-found,misc"
# pyright: reportMissingImports=false

from contextlib import AsyncExitStack

from pipecat.frames.frames import InputAudioRawFrame, TTSAudioRawFrame
from pipecat.pipeline.worker import PipelineWorker

from ..asyncio_arrivals import Arrivals
from ..pipecat_session import open_session
from ..setting import Setting
from ..voice import INPUT, OUTPUT
from ..voice.processors import voice_processors
from . import resident_kilobytes

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Kilobytes a session."""
    await open_many(20, setting)
    async with AsyncExitStack() as stack:
        before = resident_kilobytes()
        for _ in range(setting.size.idle):
            arrivals = Arrivals()
            await use(
                await stack.enter_async_context(open_session(voice_processors(arrivals), lean=setting.lean)), arrivals
            )
        idle = (resident_kilobytes() - before) / setting.size.idle
    kept = (resident_kilobytes() - before) / setting.size.idle
    return {"idle": idle, "kept": kept}


async def open_many(number: int, setting: Setting) -> None:
    for _ in range(number):
        arrivals = Arrivals()
        async with open_session(voice_processors(arrivals), lean=setting.lean) as worker:
            await use(worker, arrivals)


async def use(worker: PipelineWorker, arrivals: Arrivals) -> None:
    await worker.queue_frame(InputAudioRawFrame(INPUT, sample_rate=16000, num_channels=1))
    await worker.queue_frame(TTSAudioRawFrame(OUTPUT, sample_rate=24000, num_channels=1))
    await arrivals.until(2)

"""What pipecat's sessions leave behind."""
# mypy: disable-error-code="import-not-found,misc"
# pyright: reportMissingImports=false

from pipecat.frames.frames import InputAudioRawFrame, TTSAudioRawFrame
from pipecat.pipeline.worker import PipelineWorker

from ..asyncio_arrivals import Arrivals
from ..memory import resident_kilobytes
from ..pipecat_session import open_session
from ..setting import Setting
from ..voice import INPUT, OUTPUT
from ..voice.processors import voice_processors

__all__ = ["measure"]

MOST_CLOSED = 1000
"""It leaves so much behind that a tenth of our count is enough, and 10,000 would want gigabytes."""


async def measure(setting: Setting) -> dict[str, float]:
    """Kilobytes a session."""
    first, last = setting.size.closed[0] // 10, min(setting.size.closed[1] // 10, MOST_CLOSED)
    await open_many(first, setting)
    before = resident_kilobytes()
    await open_many(last - first, setting)
    return {"left": (resident_kilobytes() - before) / max(1, last - first)}


async def open_many(number: int, setting: Setting) -> None:
    for _ in range(number):
        arrivals = Arrivals()
        async with open_session(voice_processors(arrivals), lean=setting.lean) as worker:
            await use(worker, arrivals)


async def use(worker: PipelineWorker, arrivals: Arrivals) -> None:
    await worker.queue_frame(InputAudioRawFrame(INPUT, sample_rate=16000, num_channels=1))
    await worker.queue_frame(TTSAudioRawFrame(OUTPUT, sample_rate=24000, num_channels=1))
    await arrivals.until(2)

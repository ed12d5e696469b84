"""Sessions of pipecat, one after the other. Processors belong to one session, so making them belongs to its start."""
# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false

from statistics import median
from time import perf_counter

from pipecat.frames.frames import TTSAudioRawFrame

from ..asyncio_arrivals import Arrivals
from ..pipecat_session import open_session
from ..setting import Setting
from ..voice import OUTPUT
from ..voice.processors import voice_processors

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Milliseconds, the medians of one round."""
    starts: list[float] = []
    ends: list[float] = []
    arrivals = Arrivals()
    for _ in range(setting.size.lives):
        begun = perf_counter()
        async with open_session(voice_processors(arrivals), lean=setting.lean) as worker:
            starts.append(perf_counter() - begun)
            await worker.queue_frame(TTSAudioRawFrame(OUTPUT, sample_rate=24000, num_channels=1))
            await arrivals.until(len(starts))
            begun = perf_counter()
        ends.append(perf_counter() - begun)
    return {"start": median(starts) * 1e3, "end": median(ends) * 1e3}

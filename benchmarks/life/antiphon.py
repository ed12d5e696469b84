"""Sessions of ours, one after the other. The pipeline holds templates, of which each session makes its own actors."""

from statistics import median
from time import perf_counter

from antiphon import open_session
from antiphon.channels import TTSAudioRawFrame

from ..setting import Setting
from ..tally import Tally
from ..trio_arrivals import Arrivals
from ..voice import OUTPUT
from ..voice.actors import voice_pipeline

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Milliseconds, the medians of one round."""
    starts: list[float] = []
    ends: list[float] = []
    arrivals = Arrivals()
    pipeline = voice_pipeline(Tally(), heard=arrivals.arrived, played=arrivals.arrived)
    for _ in range(setting.size.lives):
        begun = perf_counter()
        async with open_session(pipeline) as session:
            starts.append(perf_counter() - begun)
            await session.push(TTSAudioRawFrame(OUTPUT, sample_rate=24000))
            await arrivals.until(len(starts))
            begun = perf_counter()
            await session.end()
            ends.append(perf_counter() - begun)
    return {"start": median(starts) * 1e3, "end": median(ends) * 1e3}

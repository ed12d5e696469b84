"""The memory of our sessions."""

from contextlib import AsyncExitStack

from antiphon import Session, open_session
from antiphon.channels import InputAudioRawFrame, TTSAudioRawFrame

from ..setting import Setting
from ..tally import Tally
from ..trio_arrivals import Arrivals
from ..voice import INPUT, OUTPUT
from ..voice.actors import voice_pipeline
from . import resident_kilobytes

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Kilobytes a session."""
    await open_many(20)
    async with AsyncExitStack() as stack:
        before = resident_kilobytes()
        for _ in range(setting.size.idle):
            arrivals = Arrivals()
            pipeline = voice_pipeline(Tally(), heard=arrivals.arrived, played=arrivals.arrived)
            await use(await stack.enter_async_context(open_session(pipeline)), arrivals)
        idle = (resident_kilobytes() - before) / setting.size.idle
    kept = (resident_kilobytes() - before) / setting.size.idle
    return {"idle": idle, "kept": kept}


async def open_many(number: int) -> None:
    for _ in range(number):
        arrivals = Arrivals()
        pipeline = voice_pipeline(Tally(), heard=arrivals.arrived, played=arrivals.arrived)
        async with open_session(pipeline) as session:
            await use(session, arrivals)


async def use(session: Session, arrivals: Arrivals) -> None:
    await session.push(InputAudioRawFrame(INPUT, sample_rate=16000))
    await session.push(TTSAudioRawFrame(OUTPUT, sample_rate=24000))
    await arrivals.until(2)

"""What our sessions leave behind."""

from antiphon import Session, open_session
from antiphon.channels import InputAudioRawFrame, TTSAudioRawFrame

from ..memory import resident_kilobytes
from ..setting import Setting
from ..tally import Tally
from ..trio_arrivals import Arrivals
from ..voice import INPUT, OUTPUT
from ..voice.actors import voice_pipeline

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Kilobytes a session."""
    first, last = setting.size.closed
    await open_many(first)
    before = resident_kilobytes()
    await open_many(last - first)
    return {"left": (resident_kilobytes() - before) / (last - first)}


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

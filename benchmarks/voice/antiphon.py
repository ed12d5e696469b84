"""A voice pipeline of ours. Actors without a handler for a frame are passed by."""

from antiphon import open_session
from antiphon.channels import InputAudioRawFrame, TTSAudioRawFrame

from ..flight import burst_microseconds, one_in_flight
from ..lost import expect
from ..setting import Setting
from ..tally import Tally
from ..trio_arrivals import Arrivals
from . import INPUT, OUTPUT
from .actors import voice_pipeline

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds a frame, through all eight."""
    arrivals, tally = Arrivals(), Tally()
    pipeline = voice_pipeline(tally, heard=arrivals.arrived, played=arrivals.arrived)
    async with open_session(pipeline) as session:
        heard = await one_in_flight(
            session.push, lambda: InputAudioRawFrame(INPUT, sample_rate=16000), arrivals, setting.size
        )
        heard_burst = await burst_microseconds(
            session.push, lambda: InputAudioRawFrame(INPUT, sample_rate=16000), arrivals, setting.size
        )
        expect(tally.handled, arrivals.count)
        spoken = await one_in_flight(
            session.push, lambda: TTSAudioRawFrame(OUTPUT, sample_rate=24000), arrivals, setting.size
        )
        spoken_burst = await burst_microseconds(
            session.push, lambda: TTSAudioRawFrame(OUTPUT, sample_rate=24000), arrivals, setting.size
        )
    return {
        "input_one": heard.through,
        "input_turn": heard.turn,
        "input_burst": heard_burst,
        "output_one": spoken.through,
        "output_turn": spoken.turn,
        "output_burst": spoken_burst,
    }

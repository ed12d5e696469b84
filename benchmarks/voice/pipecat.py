"""A voice pipeline of pipecat.

All eight processors get each frame; those that don't handle it pass it on, as pipecat asks of them.
"""
# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false

from pipecat.frames.frames import InputAudioRawFrame, TTSAudioRawFrame

from ..asyncio_arrivals import Arrivals
from ..flight import burst_microseconds, one_in_flight
from ..lost import expect
from ..pipecat_session import open_session
from ..setting import Setting
from . import INPUT, OUTPUT
from .processors import voice_processors

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds a frame, through all eight."""
    arrivals = Arrivals()
    processors = voice_processors(arrivals)
    async with open_session(processors, lean=setting.lean) as worker:
        heard = await one_in_flight(
            worker.queue_frame,
            lambda: InputAudioRawFrame(INPUT, sample_rate=16000, num_channels=1),
            arrivals,
            setting.size,
        )
        heard_burst = await burst_microseconds(
            worker.queue_frame,
            lambda: InputAudioRawFrame(INPUT, sample_rate=16000, num_channels=1),
            arrivals,
            setting.size,
        )
        expect(processors[0].handled, arrivals.count)
        spoken = await one_in_flight(
            worker.queue_frame,
            lambda: TTSAudioRawFrame(OUTPUT, sample_rate=24000, num_channels=1),
            arrivals,
            setting.size,
        )
        spoken_burst = await burst_microseconds(
            worker.queue_frame,
            lambda: TTSAudioRawFrame(OUTPUT, sample_rate=24000, num_channels=1),
            arrivals,
            setting.size,
        )
    return {
        "input_one": heard.through,
        "input_turn": heard.turn,
        "input_burst": heard_burst,
        "output_one": spoken.through,
        "output_turn": spoken.turn,
        "output_burst": spoken_burst,
    }

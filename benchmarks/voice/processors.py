"""The same voice pipeline for pipecat: the first hears, the last hears and plays, six between have other work."""
# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false

from pipecat.frames.frames import InputAudioRawFrame, LLMTextFrame, TTSAudioRawFrame

from ..asyncio_arrivals import Arrivals
from ..pipecat_session import Last, Passer

__all__ = ["voice_processors"]


def voice_processors(arrivals: Arrivals) -> list[Passer | Last]:
    """Eight processors of one session; the first counts the input audio that it handled."""
    return [
        Passer(InputAudioRawFrame),
        *(Passer(LLMTextFrame) for _ in range(6)),
        Last(arrivals, InputAudioRawFrame, TTSAudioRawFrame),
    ]

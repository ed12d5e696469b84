"""The input: reads a source in real time and sends what it heard downstream."""

from __future__ import annotations

import attrs
import trio

from ...channels.frames import EndWorkerFrame, InputAudioRawFrame, StartFrame
from ..actor import Actor, actor, on, state
from ..effects import Down
from .devices import AudioSource

__all__ = ["AudioInput"]

CHUNK_SECONDS = 0.02


@actor
class AudioInput(Actor):
    """Sends InputAudioRawFrame of 20 ms, mono, at the session's rate, paced by the clock. A restart goes on where the source is."""

    source: AudioSource
    """Read by every incarnation: it isn't copied."""
    end_when_silent: float | None = attrs.field(default=None, kw_only=True)
    """Seconds after the source's last sound until the session is asked to end; None keeps it open."""

    sample_rate: int = state(0)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.sample_rate = frame.audio_in_sample_rate
        self.source.open(self.sample_rate)
        self.start_soon(self._listen, interruptible=False)

    async def _listen(self) -> None:
        samples = round(CHUNK_SECONDS * self.sample_rate)
        due = trio.current_time()
        while (audio := self.source.read(samples)) is not None:
            due += CHUNK_SECONDS
            await trio.sleep_until(due)
            await self.push(InputAudioRawFrame(audio, self.sample_rate))
        if self.end_when_silent is not None:
            # Silence after the last word, as from a caller who has stopped: what listens for pauses must hear one.
            silence = bytes(2 * samples)
            for _ in range(round(self.end_when_silent / CHUNK_SECONDS)):
                due += CHUNK_SECONDS
                await trio.sleep_until(due)
                await self.push(InputAudioRawFrame(silence, self.sample_rate))
            await self.push(Down(EndWorkerFrame("the source has no more sound")))

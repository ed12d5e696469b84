"""The input: reads a source in real time and sends what it heard downstream."""

from __future__ import annotations

import math

import attrs
import trio

from ...channels.frames import EndWorkerFrame, InputAudioRawFrame, StartFrame
from ..actor import Actor, actor, durable, on, state
from ..effects import Down
from .devices import AudioSource

__all__ = ["AudioInput"]

CHUNK_SECONDS = 0.02


@actor
class AudioInput(Actor):
    """Sends InputAudioRawFrame of 20 ms, mono, at the session's rate, paced by the clock.

    A restart goes on where the source is, and makes up for the time that it took: what listens stays as late as it was.
    """

    source: AudioSource
    """Read by every incarnation: it isn't copied."""
    end_when_silent: float | None = attrs.field(default=None, kw_only=True)
    """Seconds after the source's last sound until the session is asked to end; None keeps it open."""

    due: float = durable(-math.inf)
    """When the last chunk that was sent was over."""
    silent: float = durable(0.0)
    """Seconds of silence sent after the source's last sound."""
    sample_rate: int = state(0)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.sample_rate = frame.audio_in_sample_rate
        self.source.open(self.sample_rate)
        self.start_soon(self._listen, interruptible=False)

    async def _listen(self) -> None:
        if self.due == -math.inf:
            self.due = trio.current_time()
        while not self._is_over():
            await trio.sleep_until(self.due + CHUNK_SECONDS)
            audio = self._read()
            if audio is None:
                return
            # What is read leaves in the same step, so that a crash loses nothing.
            self.due += CHUNK_SECONDS
            await self.push(InputAudioRawFrame(audio, self.sample_rate))
        await self.push(Down(EndWorkerFrame("the source has no more sound")))

    def _is_over(self) -> bool:
        # Half a chunk less: sums of chunks aren't exact.
        return self.end_when_silent is not None and self.silent > max(0.0, self.end_when_silent - CHUNK_SECONDS / 2)

    def _read(self) -> bytes | None:
        """The next chunk. After the last sound it is silence, as from a caller who has stopped: what listens for pauses must hear one."""
        samples = round(CHUNK_SECONDS * self.sample_rate)
        audio = self.source.read(samples)
        if audio is None and self.end_when_silent is not None:
            self.silent += CHUNK_SECONDS
            audio = bytes(2 * samples)
        return audio

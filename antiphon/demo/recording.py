"""The conversation on tape: both sides in one WAV file, at the times at which they were played."""

from __future__ import annotations

from pathlib import Path

import trio

from ..actors.transports import pcm
from ..actors.transports.devices import AudioSink

__all__ = ["Recording", "Track"]


class Track:
    """A sink that keeps what is played on one side, and hands it on to another sink."""

    def __init__(self, recording: Recording, onward: AudioSink) -> None:
        self._recording = recording
        self._onward = onward
        self.audio = bytearray()

    def open(self, sample_rate: int) -> None:
        self._onward.open(sample_rate)

    def write(self, audio: bytes, at: float) -> None:
        place = 2 * round((at - self._recording.began) * self._recording.sample_rate)
        if place > len(self.audio):
            self.audio += bytes(place - len(self.audio))
        self.audio += audio
        self._onward.write(audio, at)

    def close(self) -> None:
        self._onward.close()


class Recording:
    """Two tracks at one rate, from the moment of making it: caller left, agent right."""

    def __init__(self, sample_rate: int, *, caller: AudioSink, agent: AudioSink) -> None:
        self.sample_rate = sample_rate
        self.began = trio.current_time()
        self.caller = Track(self, caller)
        self.agent = Track(self, agent)

    def save(self, path: Path) -> None:
        """Write the stereo file; the shorter side is followed by silence."""
        length = max(len(self.caller.audio), len(self.agent.audio))
        left, right = (bytes(track.audio).ljust(length, b"\0") for track in (self.caller, self.agent))
        pcm.write_wav(path, pcm.interleaved(left, right), self.sample_rate, num_channels=2)

"""Where sound comes from and goes to without a sound card: files, arrays, nothing, and the air between two sessions.

A source is read and a sink is written in real time by the actors `AudioInput` and `AudioOutput`; a device itself never
waits. All sound is mono int16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import trio

from ..errors import ConfigurationError
from . import pcm

__all__ = [
    "Air",
    "ArraySink",
    "ArraySource",
    "AudioSink",
    "AudioSource",
    "MessageSink",
    "NullSink",
    "PatientSink",
    "WavSink",
    "WavSource",
]


class AudioSource(Protocol):
    """Sound to be read piece by piece."""

    def open(self, sample_rate: int) -> None:
        """Begin; `sample_rate` is the session's, Hz. Raises `ConfigurationError` for sound that can't be given so."""
        ...

    def read(self, samples: int) -> bytes | None:
        """The next samples, as bytes of int16. None when there is no more."""
        ...


class AudioSink(Protocol):
    """Sound to be written piece by piece."""

    def open(self, sample_rate: int) -> None:
        """Begin; `sample_rate` is the session's, Hz."""
        ...

    def write(self, audio: bytes, at: float) -> None:
        """Take the next sound. `at` is the moment of its first sample, on Trio's clock, never earlier than the end of what came before.

        Raises `OSError`, or Trio's `BrokenResourceError` or `ClosedResourceError`, for sound that can't be taken.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class PatientSink(AudioSink, Protocol):
    """A sink that hasn't always got room."""

    async def room(self) -> None:
        """Wait until the next sound can be taken."""
        ...


@runtime_checkable
class MessageSink(AudioSink, Protocol):
    """A sink whose other end takes messages of the application, too."""

    def send(self, message: object) -> None:
        """Send this, JSON made immutable, at once. Raises what `write` raises."""
        ...


class ArraySource:
    """Sound from memory: int16 samples, or bytes of them. It plays once."""

    def __init__(self, audio: npt.NDArray[np.int16] | bytes, sample_rate: int) -> None:
        self._audio = audio if isinstance(audio, bytes) else np.ascontiguousarray(audio, "<i2").tobytes()
        self._sample_rate = sample_rate
        self._place = 0

    def open(self, sample_rate: int) -> None:
        if sample_rate != self._sample_rate:
            self._audio = pcm.resampled(self._audio, self._sample_rate, sample_rate)
            self._sample_rate = sample_rate

    def read(self, samples: int) -> bytes | None:
        piece = self._audio[self._place : self._place + 2 * samples]
        self._place += len(piece)
        if not piece:
            return None
        return piece.ljust(2 * samples, b"\0")


class WavSource(ArraySource):
    """Sound from a WAV file of 16-bit PCM; channels are mixed. Raises `ConfigurationError` for a file that isn't one."""

    def __init__(self, path: str | Path) -> None:
        try:
            sound = pcm.read_wav(path)
        except (OSError, ValueError, EOFError) as error:
            raise ConfigurationError(
                f"{path} can't be played: {error}. It must be a WAV file of 16-bit PCM."
            ) from error
        super().__init__(pcm.mono(sound.audio, sound.num_channels), sound.sample_rate)


class NullSink:
    """Sound that nobody hears."""

    def open(self, sample_rate: int) -> None: ...

    def write(self, audio: bytes, at: float) -> None: ...

    def close(self) -> None: ...


class ArraySink:
    """Sound kept in memory, at its time: gaps are silence. `audio` begins at the first `open`."""

    def __init__(self) -> None:
        self.sample_rate = 0
        self._audio = bytearray()
        self._began: float | None = None

    @property
    def audio(self) -> bytes:
        """What was written, int16."""
        return bytes(self._audio)

    @property
    def samples(self) -> npt.NDArray[np.int16]:
        return np.frombuffer(self._audio, "<i2").copy()

    def open(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        if self._began is None:
            self._began = trio.current_time()

    def write(self, audio: bytes, at: float) -> None:
        assert self._began is not None
        place = 2 * round((at - self._began) * self.sample_rate)
        if place > len(self._audio):
            self._audio += bytes(place - len(self._audio))
        self._audio += audio

    def close(self) -> None: ...


class WavSink(ArraySink):
    """Sound written to a WAV file when the session ends."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)

    def close(self) -> None:
        pcm.write_wav(self.path, self.audio, self.sample_rate)


class Air:
    """A sink whose sound another session's input reads as it comes: what one speaks the other hears, `delay` seconds later.

    Both sides have the same sample rate. Where nobody speaks there is silence.
    """

    def __init__(self, *, delay: float = 0.12) -> None:
        self.delay = delay
        self._sample_rate = 0
        self._audio = bytearray()
        self._begin = 0.0
        """The moment of the first sample in `_audio`."""
        self._heard = 0.0
        """Up to when it has been read."""

    def open(self, sample_rate: int) -> None:
        if self._sample_rate not in (0, sample_rate):
            raise ConfigurationError(
                f"the air carries {self._sample_rate} Hz; the other session has {sample_rate} Hz. Give both one rate."
            )
        if not self._sample_rate:
            self._begin = self._heard = trio.current_time() - self.delay
        self._sample_rate = sample_rate

    def write(self, audio: bytes, at: float) -> None:
        place = 2 * round((at - self._begin) * self._sample_rate)
        if place > len(self._audio):
            self._audio += bytes(place - len(self._audio))
        # Sound that comes later than it is heard is heard late, not lost.
        self._audio += audio

    def read(self, samples: int) -> bytes | None:
        wanted = 2 * samples
        piece = bytes(self._audio[:wanted]).ljust(wanted, b"\0")
        del self._audio[:wanted]
        self._begin += samples / self._sample_rate
        return piece

    def close(self) -> None: ...

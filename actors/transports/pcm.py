"""Sound as bytes: little-endian int16 PCM, resampled, measured, mixed, read from files and written to them.

1. Results are exact: the same sound gives the same bytes on each machine, however it was cut into chunks.
2. Bytes of half a sample, or of half a frame of channels, are refused. Nothing is padded or dropped unseen.
"""

from __future__ import annotations

import math
import wave
from functools import lru_cache
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

__all__ = [
    "Resampler",
    "Sound",
    "duration",
    "interleaved",
    "mono",
    "peak",
    "read_wav",
    "resampled",
    "rms",
    "scaled",
    "write_wav",
]

Samples = npt.NDArray[np.int16]
Taps = npt.NDArray[np.float64]

ZERO_CROSSINGS = 32
"""On each side of the filter's middle. With `BETA` it passes 0.84 of the lower rate's band and stops all beyond it."""

BETA = 8.0
"""Of the Kaiser window: what is stopped is 80 dB down."""

UNIT = 2.0**20
"""Taps are whole multiples of 1/UNIT. Sums of samples times taps then stay whole numbers below 2**53, which float64
holds exactly: the order of additions, which a linear algebra library is free to choose, can't change a result."""


class Resampler:
    """Changes the sample rate of one stream of mono sound.

    It shifts nothing in time, but keeps the last few milliseconds until more comes. All chunks and the tail together
    are as long as the sound that went in, to the next whole sample.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        if rate_in <= 0 or rate_out <= 0:
            raise ValueError(f"can't resample from {rate_in} Hz to {rate_out} Hz: a rate is positive.")
        self.rate_in = rate_in
        self.rate_out = rate_out
        common = math.gcd(rate_in, rate_out)
        self._half = math.ceil(ZERO_CROSSINGS * max(1.0, rate_in / rate_out))
        # A block is about as long as half the filter: shorter ones would copy more, longer ones multiply more zeros.
        repeat = max(1, self._half * common // rate_in)
        self._up, self._down = rate_out // common * repeat, rate_in // common * repeat
        # Silence before the beginning: the first output sample lies in the middle of its taps.
        self._kept: Samples = np.zeros(self._half, np.int16)
        self._taken = 0
        self._given = 0

    def resample(self, audio: bytes) -> bytes:
        """What can be said after this chunk. Raises `ValueError` for half a sample."""
        samples = _samples(audio)
        if self.rate_in == self.rate_out:
            return audio
        self._taken += len(samples)
        self._kept = np.concatenate((self._kept, samples))
        return self._emit().tobytes()

    def flush(self) -> bytes:
        """The tail; the next chunk begins another sound."""
        if self.rate_in == self.rate_out:
            return b""
        left = math.ceil(self._taken * self._up / self._down) - self._given
        self._kept = np.concatenate((self._kept, np.zeros(2 * self._half + self._down, np.int16)))
        tail = self._emit()[:left].tobytes()
        self.reset()
        return tail

    def reset(self) -> None:
        """Forget the sound so far; the next chunk begins another one."""
        self._kept = np.zeros(self._half, np.int16)
        self._taken = self._given = 0

    def _emit(self) -> Samples:
        """All whole blocks: `down` samples in make `up` out."""
        matrix = _filter(self._up, self._down, self._half)
        blocks = (len(self._kept) - len(matrix)) // self._down + 1
        if blocks <= 0:
            return np.zeros(0, np.int16)
        windows = np.lib.stride_tricks.sliding_window_view(self._kept.astype(np.float64), len(matrix))
        exact = windows[: blocks * self._down : self._down] @ matrix
        self._kept = self._kept[blocks * self._down :]
        made = _clipped(exact.ravel() / UNIT)
        self._given += len(made)
        return made


@lru_cache(maxsize=32)
def _filter(up: int, down: int, half: int) -> Taps:
    """A low-pass filter as a matrix: `2 * half + down` samples in, `up` out, a column each."""
    width = 2 * half
    cutoff = min(1.0, up / down) * (1.0 - 0.5 * (BETA / 0.1102 + 8.7 - 8) / (2.285 * np.pi * 2 * ZERO_CROSSINGS))
    matrix = np.zeros((width + down, up))
    for phase in range(up):
        first, rest = divmod(phase * down, up)
        # Distances from this output sample to the samples under its taps, in samples of the input.
        away = np.arange(width) - half + 1 - rest / up
        shape = np.i0(BETA * np.sqrt(np.clip(1.0 - (away / half) ** 2, 0.0, None)))
        taps = np.sinc(cutoff * away) * shape
        whole = np.rint(taps / taps.sum() * UNIT)
        # What rounding took or gave goes to the middle, so that a constant stays that constant.
        whole[half - 1] += UNIT - whole.sum()
        matrix[first + 1 : first + 1 + width, phase] = whole
    return matrix


def resampled(audio: bytes, rate_in: int, rate_out: int) -> bytes:
    """A whole mono sound at another rate."""
    resampler = Resampler(rate_in, rate_out)
    return resampler.resample(audio) + resampler.flush()


def rms(audio: bytes) -> float:
    """The root mean square of the samples, 0 to 32768; 0 for no sound at all."""
    samples = _samples(audio).astype(np.int64)
    return math.sqrt(int(np.dot(samples, samples)) / len(samples)) if len(samples) else 0.0


def peak(audio: bytes) -> int:
    """The loudest sample's magnitude, 0 to 32768; 0 for no sound at all."""
    samples = _samples(audio)
    return max(int(samples.max()), -int(samples.min())) if len(samples) else 0


def scaled(audio: bytes, factor: float) -> bytes:
    """The sound louder or softer; what would leave the range of int16 is clipped."""
    return _clipped(_samples(audio) * np.float64(factor)).tobytes()


def mono(audio: bytes, num_channels: int) -> bytes:
    """The mean of the channels."""
    if num_channels == 1:
        return audio
    return _clipped(_frames(audio, num_channels).mean(axis=1)).tobytes()


def interleaved(*channels: bytes) -> bytes:
    """Mono sounds as channels of one; the shorter ones are silent at their end."""
    samples = [_samples(channel) for channel in channels]
    frames = np.zeros((max(map(len, samples), default=0), len(samples)), "<i2")
    for index, channel in enumerate(samples):
        frames[: len(channel), index] = channel
    return frames.tobytes()


def duration(audio: bytes, sample_rate: int, num_channels: int = 1) -> float:
    """Seconds."""
    return len(audio) / (2 * num_channels * sample_rate)


@attrs.frozen
class Sound:
    """A sound with what it takes to play it."""

    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio)} bytes>")
    """Little-endian int16, channels interleaved."""
    sample_rate: int
    """Hz."""
    num_channels: int = 1


def read_wav(path: str | Path) -> Sound:
    """The sound in a WAV file. Raises `ValueError` for another sample width than 16 bits, and for what is no PCM."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise ValueError(
                    f"{path} has {8 * file.getsampwidth()}-bit samples, and 16-bit ones are read: convert it first."
                )
            return Sound(file.readframes(file.getnframes()), file.getframerate(), file.getnchannels())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no WAV file with PCM sound: {error or 'it ends too early'}.") from error


def write_wav(path: str | Path, audio: bytes, sample_rate: int, num_channels: int = 1) -> None:
    """Write a WAV file of 16-bit samples. Raises `ValueError` for half a frame of channels."""
    _frames(audio, num_channels)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(num_channels)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(audio)


def _samples(audio: bytes) -> Samples:
    if len(audio) % 2:
        raise ValueError(f"{len(audio)} bytes are no whole int16 samples: cut sound between samples.")
    return np.frombuffer(audio, "<i2").astype(np.int16, copy=False)


def _clipped(samples: npt.NDArray[np.float64]) -> Samples:
    return np.rint(samples).clip(-32768, 32767).astype("<i2")


def _frames(audio: bytes, num_channels: int) -> Samples:
    if len(audio) % (2 * num_channels):
        raise ValueError(f"{len(audio)} bytes are no whole frames of {num_channels} int16 channels.")
    return _samples(audio).reshape(-1, num_channels)

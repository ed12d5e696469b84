"""Who tells voice from noise: analyzers judge one window of sound after the other.

1. An analyzer is configuration, a value; what it remembers of the sound is in the judge that it opens.
2. A judge says what it remembers as a value, so that another one opened with it goes on exactly where the first ended.
"""

from __future__ import annotations

from typing import Protocol, cast

import attrs
import webrtcvad  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from ..actors import ConfigurationError

__all__ = ["VoiceAnalyzer", "VoiceJudge", "WebRTCAnalyzer"]


class VoiceJudge(Protocol):
    """Judges windows of one stream, in order."""

    @property
    def heard(self) -> tuple[bytes, ...]:
        """What a judge that goes on in its place must have heard."""
        ...

    def judge(self, window: bytes) -> float:
        """The confidence that this window holds voice, 0 to 1."""
        ...


class VoiceAnalyzer(Protocol):
    """What a VAD needs to know of an analyzer. An implementation is a frozen value."""

    def window_samples(self, sample_rate: int) -> int:
        """How many samples a window has. Raises `ConfigurationError` for a rate that it can't take."""
        ...

    def open(self, sample_rate: int, heard: tuple[bytes, ...] = ()) -> VoiceJudge:
        """A judge that has heard these windows. Raises `ConfigurationError` for a rate that it can't take."""
        ...


RATES = (8000, 16000, 32000, 48000)

# The detector's estimate of noise looks back a hundred windows, so a younger one has caught up after as many.
SPAN = 100


@attrs.frozen
class WebRTCAnalyzer:
    """WebRTC's voice detector: 20 ms windows at 8, 16, 32 or 48 kHz; its confidence is 1 or 0.

    Loud hiss is voice to it, in all modes from about -20 dBFS on: `VADParams.min_volume` must hold it off.
    """

    mode: int = attrs.field(default=2, validator=attrs.validators.in_((0, 1, 2, 3)))
    """How readily sound is taken for noise: 0 least, 3 most."""

    def window_samples(self, sample_rate: int) -> int:
        if sample_rate not in RATES:
            rates = ", ".join(map(str, RATES))
            raise ConfigurationError(
                f"WebRTC's voice detector can't work at {sample_rate} Hz, only at one of {rates} Hz: "
                "set the input's rate, `open_session(..., sample_rates=(16000, 24000))`, or resample before the VAD."
            )
        return sample_rate // 50

    def open(self, sample_rate: int, heard: tuple[bytes, ...] = ()) -> VoiceJudge:
        self.window_samples(sample_rate)
        return _WebRTCJudge(sample_rate, self.mode, heard)


class _WebRTCJudge:
    """Two detectors: the elder judges, the younger listens, until it has heard enough to take its place.

    A detector's state can't be copied or stored. So none lives for ever: what the elder knows follows from at most
    `2 * SPAN` windows, and another judge that hears them knows the same.
    """

    def __init__(self, sample_rate: int, mode: int, heard: tuple[bytes, ...]) -> None:
        self._rate = sample_rate
        self._mode = mode
        self._elder = _detector(mode)
        self._younger = _detector(mode)
        self.heard: tuple[bytes, ...] = ()
        for window in heard:
            self.judge(window)

    def judge(self, window: bytes) -> float:
        is_voice = self._elder.is_speech(window, self._rate)
        if len(self.heard) >= SPAN:
            self._younger.is_speech(window, self._rate)
        self.heard = (*self.heard, window)
        if len(self.heard) == 2 * SPAN:
            self.heard = self.heard[SPAN:]
            self._elder, self._younger = self._younger, _detector(self._mode)
        return float(is_voice)


class _Detector(Protocol):
    def is_speech(self, buf: bytes, sample_rate: int) -> bool: ...


def _detector(mode: int) -> _Detector:
    return cast(_Detector, webrtcvad.Vad(mode))

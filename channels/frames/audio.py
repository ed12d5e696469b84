"""Sound that comes in and goes out: little-endian int16 PCM, channels interleaved.

These are the frames made most often: no converter and no validator belongs here. Check where bytes become frames.
"""

from __future__ import annotations

import attrs

from .frame import ControlFrame, DataFrame, SystemFrame, Uninterruptible, frame, short_bytes

__all__ = [
    "AudioBufferStartRecordingFrame",
    "AudioBufferStopRecordingFrame",
    "InputAudioRawFrame",
    "OutputAudioRawFrame",
    "SpeechOutputAudioRawFrame",
    "TTSAudioRawFrame",
    "UserAudioRawFrame",
    "VolumeFrame",
    "VolumeGainFrame",
]


@frame
class InputAudioRawFrame(SystemFrame):
    """Sound from the user, as the transport heard it."""

    audio: bytes = attrs.field(repr=short_bytes)
    """Never empty."""
    sample_rate: int
    """Hz."""
    num_channels: int = 1
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)

    @property
    def num_frames(self) -> int:
        """Samples in each channel."""
        return len(self.audio) // (2 * self.num_channels)


@frame
class UserAudioRawFrame(InputAudioRawFrame):
    """Sound from a given participant."""

    sample_rate: int = attrs.field(kw_only=True)
    """Hz."""
    num_channels: int = attrs.field(default=1, kw_only=True)
    user_id: str = ""


@frame
class OutputAudioRawFrame(DataFrame):
    """Sound to play."""

    audio: bytes = attrs.field(repr=short_bytes)
    """Never empty."""
    sample_rate: int
    """Hz."""
    num_channels: int = 1
    interruptible: bool = attrs.field(default=True, kw_only=True)
    """False for speech that must be heard to its end; it is then sent immune."""
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)

    @property
    def num_frames(self) -> int:
        """Samples in each channel."""
        return len(self.audio) // (2 * self.num_channels)


@frame
class TTSAudioRawFrame(OutputAudioRawFrame):
    """Synthesised speech."""

    sample_rate: int = attrs.field(kw_only=True)
    """Hz."""
    num_channels: int = attrs.field(default=1, kw_only=True)
    context_id: str | None = None
    """The synthesis that it belongs to."""


@frame
class SpeechOutputAudioRawFrame(OutputAudioRawFrame):
    """A stream of sound that may hold silence, so that speech in it must be told apart."""


@frame
class VolumeFrame(ControlFrame, Uninterruptible):
    """Sets the output's loudness, in order with the audio."""

    volume: float
    """1.0 leaves the samples as they are."""


@frame
class VolumeGainFrame(ControlFrame, Uninterruptible):
    """Sets a factor to the output's loudness, in order with the audio."""

    gain: float
    """1.0 leaves the samples as they are."""


@frame
class AudioBufferStartRecordingFrame(ControlFrame, Uninterruptible):
    """The recorder begins."""


@frame
class AudioBufferStopRecordingFrame(ControlFrame, Uninterruptible):
    """The recorder stops and gives what it holds."""

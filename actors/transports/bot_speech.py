"""Who speaks: tells by the sound that leaves when the bot starts to, that it still does, and when it stops.

1. A start and a stop alternate, a start first. Each stands in the step that hands the sound over, or notices that none comes.
2. Speech is what a synthesiser made, or a stream of speech where it isn't silent. Other sound is never the bot's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import attrs
import trio

from ...channels.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    OutputAudioRawFrame,
    SpeechOutputAudioRawFrame,
    TTSAudioRawFrame,
)
from ..actor import Actor, actor, durable, on
from ..effects import After, Both, Effect
from .pcm import peak

__all__ = ["BotSpeech"]

SIGN_SECONDS = 0.2
"""So often BotSpeaking goes out."""
STREAM_SILENCE_SECONDS = 0.35
"""So much silence in a stream of speech ends speaking."""
FALLBACK_SECONDS = 3.0
"""So long without sound ends speaking, whatever was announced."""
SILENT_PEAK = 20
"""Up to this loudest sample a chunk of a stream is silence: the noise of a quantiser, not a voice."""


@attrs.frozen
class _Voice:
    """What was spoken last."""

    context_id: str | None
    interruptible: bool


@attrs.frozen
class _Hush:
    """To itself: it may have been quiet for so long that speaking is over."""


@actor
class BotSpeech(Actor):
    """The part of an output that says who speaks: `BotStartedSpeakingFrame`, `BotSpeakingFrame`, `BotStoppedSpeakingFrame`, both ways."""

    destination: str | None = attrs.field(default=None, kw_only=True)
    """It plays frames with this `transport_destination`."""
    chunk: float = attrs.field(default=0.02, kw_only=True)
    """Seconds of sound handed over at once."""
    merge_gap: float = attrs.field(default=0.0, kw_only=True)
    """So many seconds between two syntheses the bot still counts as speaking."""

    due: float = durable(-math.inf)
    """When the next chunk may be handed over: the end of the last one, on Trio's clock."""
    paused_since: float | None = durable(None)
    """On Trio's clock."""
    is_speaking: bool = durable(False)
    is_between: bool = durable(False)
    """A synthesis is over, and the next one may follow so closely that speaking goes on."""
    voice: _Voice | None = durable(None)
    silent: float = durable(0.0)
    """Seconds of silence in a stream of speech since its last voice."""
    signed: float = durable(-math.inf)
    """When BotSpeaking last went out."""

    @on(_Hush)
    def hush(self, message: _Hush) -> tuple[Effect, ...]:
        patience = self.merge_gap if self.is_between else FALLBACK_SECONDS
        left = self.due + patience - trio.current_time()
        # Less than a microsecond is rounding, and no time at all to wait for.
        return (After(left, message),) if left > 1e-6 else self._stop_speaking()

    def _speak(self, frame: OutputAudioRawFrame, audio: bytes, at: float) -> Iterable[Effect]:
        """Who speaks, now that this chunk is handed over for this moment."""
        if isinstance(frame, TTSAudioRawFrame):
            context_id = frame.context_id
        elif isinstance(frame, SpeechOutputAudioRawFrame):
            context_id = None
            if peak(audio) <= SILENT_PEAK:
                return self._hear_silence()
            if self.silent:
                self.silent = 0.0
        else:
            return ()
        voice = self.voice
        if voice is None or voice.context_id != context_id or voice.interruptible is not frame.interruptible:
            self.voice = _Voice(context_id, frame.interruptible)
        if self.is_speaking and not self.is_between and not self._sign_is_due(at):
            return ()
        return self._start_speaking(at)

    def _start_speaking(self, at: float) -> Iterable[Effect]:
        if self.is_between or not self.is_speaking:
            self.is_between = False
            yield After(FALLBACK_SECONDS, _Hush())
        if not self.is_speaking:
            self.is_speaking = True
            yield Both(BotStartedSpeakingFrame(transport_destination=self.destination))
        if self._sign_is_due(at):
            self.signed = at
            yield Both(BotSpeakingFrame(transport_destination=self.destination))

    def _sign_is_due(self, at: float) -> bool:
        # Half a chunk less: sums of chunks aren't exact.
        return at - self.signed > SIGN_SECONDS - self.chunk / 2

    def _hear_silence(self) -> tuple[Effect, ...]:
        """A chunk of silence in a stream of speech."""
        if self.silent > STREAM_SILENCE_SECONDS:
            return self._stop_speaking()
        self.silent += self.chunk
        return ()

    def _end_speaking(self) -> tuple[Effect, ...]:
        """A synthesis is over."""
        if not (self.is_speaking and self.merge_gap) or self.paused_since is not None:
            return self._stop_speaking()
        self.is_between = True
        return (After(self.merge_gap, _Hush()),)

    def _stop_speaking(self) -> tuple[Effect, ...]:
        if not self.is_speaking:
            return ()
        self.is_speaking = self.is_between = False
        self.silent = 0.0
        return After(None, _Hush()), Both(BotStoppedSpeakingFrame(transport_destination=self.destination))

    def _has_spoken(self, context_id: str | None) -> bool:
        """Whether this is the synthesis that was spoken here last."""
        return self.voice is not None and self.voice.context_id == context_id

    def _must_be_heard(self) -> bool:
        """Whether what is being spoken may be neither paused nor interrupted."""
        return self.is_speaking and not self.is_between and self.voice is not None and not self.voice.interruptible

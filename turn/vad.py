"""The actor that tells when the user audibly speaks. What it knows and says is `VoiceWatch`; all of it is durable."""

from __future__ import annotations

import logging

import attrs

from ..actors import Actor, After, Effect, actor, durable, on, state
from ..channels import CancelFrame, EndFrame, Frame, InputAudioRawFrame, StartFrame, StopFrame, VADParamsUpdateFrame
from .voice_activity import VADParams
from .voice_analyzer import VoiceAnalyzer, WebRTCAnalyzer
from .voice_watch import AudioIdle, Ears, VoiceWatch

__all__ = ["VAD"]

log = logging.getLogger(__name__)


@actor
class VAD(Actor):
    """Tells when the user audibly speaks. Sound passes on, mono only; the edges go both ways.

    Raises `ConfigurationError` at the start, or at a frame, whose sample rate the analyzer can't take.
    """

    params: VADParams = attrs.field(factory=VADParams)
    analyzer: VoiceAnalyzer = attrs.field(factory=WebRTCAnalyzer)
    speech_activity_period: float = attrs.field(default=0.2, validator=attrs.validators.ge(0))
    """While the user speaks, UserSpeakingFrame goes out at most this often, seconds."""
    audio_idle_timeout: float = attrs.field(default=1.0, validator=attrs.validators.ge(0))
    """How long sound may fail to come while the user speaks, seconds; 0 turns the watch off."""

    watch: VoiceWatch | None = durable(None)
    """What is known; None before the start."""
    ears: Ears = state(Ears)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> tuple[Effect, ...]:
        self.watch, news = self._watch().started(frame.audio_in_sample_rate)
        return news.effects

    @on(VADParamsUpdateFrame)
    def update(self, frame: VADParamsUpdateFrame) -> tuple[Effect, ...]:
        self.watch, news = self._watch().with_params(frame.params)
        return *news.effects, frame

    @on(InputAudioRawFrame)
    def hear(self, frame: InputAudioRawFrame) -> Frame | tuple[Effect, ...]:
        self.watch, news = self._watch().hear(frame, self.ears, now=self.now)
        return (frame, *news.effects) if news.frames else frame

    @on(AudioIdle)
    def look(self, message: AudioIdle) -> tuple[Effect, ...]:
        self.watch, news = self._watch().idle(now=self.now)
        if news.warning:
            log.warning("%s: %s", self.address, news.warning)
        return news.effects

    @on(EndFrame, StopFrame, CancelFrame)
    def end(self, frame: Frame) -> After:
        return After(None, AudioIdle())

    def _watch(self) -> VoiceWatch:
        return self.watch or VoiceWatch(
            self.params, self.analyzer, self.speech_activity_period, self.audio_idle_timeout
        )

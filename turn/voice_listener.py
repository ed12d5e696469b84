"""The sound of the user, and the voice in it: the half listens for that itself, unless somebody before it does."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from ..actors import After, Effect, actor, durable, on, state
from ..channels import Frame, InputAudioRawFrame, SpeechControlParamsFrame, VADParamsUpdateFrame
from .service_listener import ServiceListener
from .voice_watch import AudioIdle, Ears, VoiceNews, VoiceWatch

__all__: list[str] = []

log = logging.getLogger("antiphon")


@actor
class VoiceListener(ServiceListener):
    """What it has heard itself counts as if it had come from before it."""

    watch: VoiceWatch | None = durable(None)
    """The voice, if this half listens for it."""
    voice_comes_from_elsewhere: bool = durable(False)

    ears: Ears = state(Ears)

    def begin_listening(self, sample_rate: int) -> Iterator[Effect]:
        """The session begins with sound at this rate, Hz."""
        if isinstance(self.params.vad, VoiceWatch):
            self.watch, news = self.params.vad.started(sample_rate)
            yield from self._tell(news)

    def end_listening(self) -> Iterator[Effect]:
        """The session ends."""
        if self.watch is not None:
            yield After(None, AudioIdle())

    @on(InputAudioRawFrame)
    def listen(self, frame: InputAudioRawFrame) -> Frame | Iterable[Effect] | None:
        assert self.mute is not None and self.turn is not None
        if self.mute.strategies:
            return self._listen_unless_muted(frame)
        self._open_ears()
        if self.watch is None and not self.turn.looks_at_voice:
            return frame
        return self._listen(frame)

    def _listen_unless_muted(self, frame: InputAudioRawFrame) -> Iterator[Effect]:
        if not (yield from self.is_muted(frame)):
            self._open_ears()
            yield from self._listen(frame)

    def _listen(self, frame: InputAudioRawFrame) -> Iterator[Effect]:
        yield frame
        if self.watch is not None:
            self.watch, news = self.watch.hear(frame, self.ears, now=self.now)
            yield from self._tell(news)
        yield from self.show_turn(frame)

    def _open_ears(self) -> None:
        """Listen for voice, if somebody looks at it and nobody else does."""
        if self.watch is not None or self.voice_comes_from_elsewhere or self.params.vad != "auto":
            return  # first, since this is asked for each frame of sound
        assert self.turn is not None
        if self.turn.looks_at_voice:
            self.watch = VoiceWatch()

    @on(AudioIdle)
    def look_for_sound(self, message: AudioIdle) -> Iterator[Effect]:
        if self.watch is not None:
            self.watch, news = self.watch.idle(now=self.now)
            if news.warning is not None:
                log.warning("%s: %s", self.address, news.warning)
            yield from self._tell(news)

    @on(VADParamsUpdateFrame)
    def change_vad(self, frame: VADParamsUpdateFrame) -> Iterator[Effect]:
        yield frame
        if self.watch is not None:
            self.watch, news = self.watch.with_params(frame.params)
            yield from self._tell(news)

    @on(SpeechControlParamsFrame)
    def note_vad(self, frame: SpeechControlParamsFrame) -> Iterator[Effect]:
        if frame.vad_params is not None:
            self.voice_comes_from_elsewhere = True
        yield frame
        yield from self.show_turn(frame)

    def forget_voice(self) -> None:
        if self.watch is not None:
            self.watch, _ = self.watch.reset(now=self.now)

    def _tell(self, news: VoiceNews) -> Iterator[Effect]:
        yield from news.effects
        for frame in news.frames:
            if not (yield from self.is_muted(frame)):
                yield from self.consider(frame)

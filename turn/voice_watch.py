"""What an actor that listens for voice keeps and says: sound in, the frames that tell of speech out.

1. A `VoiceWatch` is a value, so whoever holds it as durable survives a restart in the middle of a word. A step gives the next value and
   the news; it reads no clock and sends nothing.
2. What can't be kept, the judge, is in the actor's `Ears`; they make it anew from what the watch has heard.
"""

from __future__ import annotations

import math

import attrs

from ..actors import After, Both, ConfigurationError, Effect
from ..channels import (
    Frame,
    InputAudioRawFrame,
    SpeechControlParamsFrame,
    UserSpeakingFrame,
    VADParams,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from .voice_activity import VADState, VoiceActivity, VoiceEdge
from .voice_analyzer import VoiceAnalyzer, VoiceJudge, WebRTCAnalyzer

__all__ = ["AudioIdle", "Ears", "VoiceNews", "VoiceWatch"]


@attrs.frozen
class AudioIdle:
    """A message to itself, for who watches voice: look whether sound still comes, by `VoiceWatch.idle`."""


@attrs.frozen
class VoiceNews:
    """What a step of a watch has to tell."""

    frames: tuple[Frame, ...] = ()
    """To be broadcast, in this order."""
    look_in: float | None = None
    """Seconds after which `AudioIdle()` is to come; None: nothing is to be armed."""
    warning: str | None = None
    """To be logged."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The frames both ways, then the timer."""
        timers = () if self.look_in is None else (After(self.look_in, AudioIdle()),)
        return (*(Both(frame) for frame in self.frames), *timers)


NOTHING = VoiceNews()


@attrs.frozen
class VoiceWatch:
    """What is known of the voice in one stream of sound, mono int16, and what has been told of it. Times are session times, seconds.

    Each step gives the next watch and the news. Arm what `VoiceNews.look_in` asks for, and disarm it, `After(None, AudioIdle())`, when
    the session ends.
    """

    params: VADParams = attrs.field(factory=VADParams)
    analyzer: VoiceAnalyzer = attrs.field(factory=WebRTCAnalyzer)
    speech_activity_period: float = 0.2
    """While the user speaks, UserSpeakingFrame goes out at most this often, seconds."""
    audio_idle_timeout: float = 1.0
    """How long sound may fail to come while the user speaks, seconds; 0 turns that off."""
    sample_rate: int = 0
    """Hz, of the sound that came last; 0 before the first."""
    activity: VoiceActivity | None = None
    heard: tuple[bytes, ...] = attrs.field(default=(), repr=lambda heard: f"<{len(heard)} windows>")
    """What a new judge must hear first."""
    owed: tuple[VoiceEdge, ...] = ()
    """Edges that wait for the next sound."""
    last_audio: float = -math.inf
    last_sign: float = -math.inf
    """When UserSpeakingFrame last went out."""
    is_announced: bool = False

    @property
    def is_speaking(self) -> bool:
        """Whether a start has been told, and its stop is still to come."""
        return self.activity is not None and self.activity.state in (VADState.SPEAKING, VADState.STOPPING)

    def started(self, sample_rate: int) -> tuple[VoiceWatch, VoiceNews]:
        """The session begins with sound at this rate, or the actor is back: the parameters are told once.

        Raises `ConfigurationError` for a rate that the analyzer can't take.
        """
        self.analyzer.window_samples(sample_rate)
        if self.is_announced:
            return self, NOTHING
        return attrs.evolve(self, is_announced=True), VoiceNews((SpeechControlParamsFrame(vad_params=self.params),))

    def hear(self, frame: InputAudioRawFrame, ears: Ears, *, now: float) -> tuple[VoiceWatch, VoiceNews]:
        """Sound has come. Raises `ConfigurationError` for sound that isn't mono, or has a rate that the analyzer can't take."""
        watch = self.tuned_to(frame)
        return watch.judged(frame.audio, ears.judge(watch), now=now)

    def tuned_to(self, frame: InputAudioRawFrame) -> VoiceWatch:
        """The watch for this frame's stream: the same one, or from quiet again when the rate has changed. Raises what `hear` raises."""
        if frame.num_channels != 1:
            raise ConfigurationError(
                f"The VAD got sound with {frame.num_channels} channels but takes mono: mix it before the VAD."
            )
        if self.activity is not None and frame.sample_rate == self.sample_rate:
            return self
        samples = self.analyzer.window_samples(frame.sample_rate)
        owed = self.owed if self.activity is None else self.owed + self.activity.lost()[1]
        activity = VoiceActivity(self.params, 2 * samples, samples / frame.sample_rate)
        return attrs.evolve(self, activity=activity, sample_rate=frame.sample_rate, heard=(), owed=owed)

    def judged(self, audio: bytes, judge: VoiceJudge, *, now: float) -> tuple[VoiceWatch, VoiceNews]:
        """Sound of the stream that this watch is tuned to, with the judge that has heard as much as it has."""
        assert self.activity is not None
        activity, edges = self.activity.hear(audio, judge)
        edges = self.owed + edges
        is_sign = activity.state is VADState.SPEAKING and now - self.last_sign >= self.speech_activity_period
        watch = attrs.evolve(
            self,
            activity=activity,
            heard=judge.heard,
            owed=(),
            last_audio=now,
            last_sign=now if is_sign else self.last_sign,
        )
        if not edges and not is_sign:
            return watch, NOTHING
        frames = [self._frame_of(edge, now) for edge in edges]
        if is_sign:
            frames.append(UserSpeakingFrame())
        is_watched = VoiceEdge.STARTED in edges and self.audio_idle_timeout
        return watch, VoiceNews(tuple(frames), self.audio_idle_timeout if is_watched else None)

    def idle(self, *, now: float) -> tuple[VoiceWatch, VoiceNews]:
        """`AudioIdle` has come: when no sound has for so long, speech has stopped."""
        if not self.is_speaking:
            return self, NOTHING
        left = self.last_audio + self.audio_idle_timeout - now
        if left > 0:
            return self, VoiceNews(look_in=left)
        watch, news = self.reset(now=now)
        warning = f"no sound for {self.audio_idle_timeout:.1f} s while the user spoke; taken for the end of speech."
        return watch, attrs.evolve(news, warning=warning)

    def reset(self, *, now: float) -> tuple[VoiceWatch, VoiceNews]:
        """Nothing is known any more: the sound that comes next must be speech anew. A stop that is owed is told."""
        if self.activity is None:
            return self, NOTHING
        activity, edges = self.activity.lost()
        frames = tuple(self._frame_of(edge, now) for edge in self.owed + edges)
        return attrs.evolve(self, activity=activity, heard=(), owed=()), VoiceNews(frames)

    def with_params(self, params: VADParams) -> tuple[VoiceWatch, VoiceNews]:
        """From quiet again, with these parameters, which are told; the volume stays. A stop is told with the next sound."""
        activity, edges = (None, ()) if self.activity is None else self.activity.with_params(params)
        watch = attrs.evolve(self, params=params, activity=activity, owed=self.owed + edges)
        return watch, VoiceNews((SpeechControlParamsFrame(vad_params=params),))

    def _frame_of(self, edge: VoiceEdge, now: float) -> Frame:
        if edge is VoiceEdge.STARTED:
            return VADUserStartedSpeakingFrame(self.params.start_secs, now)
        return VADUserStoppedSpeakingFrame(self.params.stop_secs, now)


class Ears:
    """The judge that goes with a watch, in a `state(Ears)` field of the actor."""

    def __init__(self) -> None:
        self._judge: VoiceJudge | None = None
        self._stream: tuple[VoiceAnalyzer, int] | None = None

    def judge(self, watch: VoiceWatch) -> VoiceJudge:
        """A judge that has heard what the watch has heard, and nothing else."""
        stream = (watch.analyzer, watch.sample_rate)
        # A judge whose memory is another object has heard something that the watch hasn't, or was there before a reset.
        if self._judge is None or self._judge.heard is not watch.heard or self._stream != stream:
            self._judge, self._stream = watch.analyzer.open(watch.sample_rate, watch.heard), stream
        return self._judge

"""The caller of the demo: understands the agent with its own recogniser, and answers by recorded clips chosen by what it heard."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..actors import Actor, After, Effect, actor, durable, on
from ..actors.transports import pcm
from ..channels import (
    BotStoppedSpeakingFrame,
    EndWorkerFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

__all__ = ["Aside", "Caller", "Clip", "Reply"]

CHUNK_SECONDS = 0.02


@attrs.frozen
class Clip:
    """Something that the caller can say: mono int16 at `sample_rate` Hz."""

    text: str
    audio: bytes = attrs.field(repr=False)
    sample_rate: int


@attrs.frozen
class Reply:
    """What the caller says when it has understood a phrase."""

    heard: str
    """Words that stand in what was understood."""
    says: str | None
    """The name of a clip; None hangs up."""


@attrs.frozen
class Aside:
    """A sound that the caller makes while the agent speaks its second answer."""

    says: str
    """The name of a clip."""
    after: float
    """Seconds since the agent began, or goes on, to be heard."""
    counts: bool = False
    """Whether it is an answer, with which the caller cuts in, and not only a sign of life."""


@attrs.frozen
class _Answer:
    """To itself: the agent has been silent for a moment."""


@attrs.frozen
class _Pardon:
    """To itself: nothing was understood for too long."""


@attrs.frozen
class _Aside:
    """To itself: the agent has been heard for long enough for the next aside."""


@actor
class Caller(Actor):
    """Listens, waits for its turn, and says the clip of the first reply whose phrase it understood.

    It repeats its last words when asked to, says "Pardon?" when it understood nothing for `patience` seconds, makes its `asides` while
    the agent speaks its second answer, and hangs up when it understood nothing too often, or the conversation is over.
    """

    replies: tuple[Reply, ...]
    clips: Mapping[str, Clip]
    asides: tuple[Aside, ...] = ()
    """In this order; what the agent says after the last one is cut."""
    pardon: str = "pardon"
    again: tuple[str, ...] = ()
    """Phrases that ask it to repeat."""
    politeness: float = attrs.field(default=0.3, kw_only=True)
    """Seconds that it waits when the agent has fallen silent, before it answers what it has understood."""
    patience: float = attrs.field(default=5.0, kw_only=True)
    most_pardons: int = attrs.field(default=4, kw_only=True)

    heard: tuple[str, ...] = durable(())
    """What it understood since it last spoke."""
    is_listening: bool = durable(False)
    """Whether the agent is audible."""
    silent_since: float = durable(0.0)
    """When the agent fell silent, in seconds of the session."""
    is_speaking: bool = durable(False)
    answers: int = durable(0)
    """How often the agent has begun to speak after the caller had its say."""
    asides_made: int = durable(0)
    is_waiting: bool = durable(False)
    """Whether the next aside waits until the agent is heard."""
    may_answer: bool = durable(True)
    last: str = durable("")
    pardons: int = durable(0)
    count: int = durable(0)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> After:
        return After(self.patience, _Pardon())

    @on(VADUserStartedSpeakingFrame)
    def listen(self, frame: VADUserStartedSpeakingFrame) -> list[Effect]:
        self.is_listening = True
        effects: list[Effect] = [After(None, _Answer()), After(None, _Pardon())]
        if self.may_answer and not self.is_speaking:
            self.may_answer = False
            self.answers += 1
            self.is_waiting = self.answers == 2 and bool(self.last)
        if self.is_waiting and not self.is_speaking and (aside := self._next_aside()):
            # VAD has needed a moment to be sure.
            effects.append(After(max(0.0, aside.after - frame.start_secs), _Aside()))
        return effects

    @on(VADUserStoppedSpeakingFrame)
    def notice_silence(self, frame: VADUserStoppedSpeakingFrame) -> list[Effect]:
        self.is_listening, self.silent_since = False, self.now
        return [After(self.politeness, _Answer()), After(self.patience, _Pardon())]

    @on(TranscriptionFrame)
    def understand(self, frame: TranscriptionFrame) -> list[Effect]:
        self.heard = (*self.heard, frame.text)
        if self.is_listening or self.is_speaking:
            return []
        return [After(max(0.0, self.silent_since + self.politeness - self.now), _Answer())]

    @on(_Answer)
    def answer(self, message: _Answer) -> list[Effect]:
        if self.is_listening or self.is_speaking:
            return []
        heard = " ".join(self.heard)
        if any(phrase in heard for phrase in self.again) and self.last:
            return self._say(self.last)
        reply = next((reply for reply in self.replies if reply.heard in heard), None)
        if reply is None:
            return []
        if reply.says is None:
            return [EndWorkerFrame("the conversation is over")]
        self.pardons = 0
        return self._say(reply.says)

    @on(_Pardon)
    def ask_again(self, message: _Pardon) -> list[Effect]:
        if self.is_listening or self.is_speaking:
            return []
        self.pardons += 1
        if self.pardons > self.most_pardons:
            return [EndWorkerFrame(f"the caller understood nothing {self.most_pardons} times and has hung up")]
        return self._say(self.pardon, counts=False)

    @on(_Aside)
    def put_in(self, message: _Aside) -> list[Effect]:
        aside = self._next_aside()
        if aside is None or not self.is_listening or self.is_speaking:
            return []
        self.asides_made += 1
        self.is_waiting = not aside.counts
        return self._say(aside.says, counts=aside.counts)

    @on(BotStoppedSpeakingFrame)
    def fall_silent(self, frame: BotStoppedSpeakingFrame) -> list[Effect]:
        self.is_speaking = False
        effects: list[Effect] = [frame, After(self.patience, _Pardon())]
        if self.is_listening and self.is_waiting and (aside := self._next_aside()):
            effects.append(After(aside.after, _Aside()))  # the agent has spoken on, or its pause isn't noticed yet
        return effects

    def _next_aside(self) -> Aside | None:
        return self.asides[self.asides_made] if self.asides_made < len(self.asides) else None

    def _say(self, name: str, *, counts: bool = True) -> list[Effect]:
        clip = self.clips[name]
        self.count += 1
        context = f"clip-{self.count}"
        self.heard, self.is_speaking = (), True
        if counts:
            self.last, self.may_answer = name, True
        words = clip.text.split()
        seconds = pcm.duration(clip.audio, clip.sample_rate)
        effects: list[Effect] = [After(None, _Answer()), After(None, _Pardon()), TTSStartedFrame(context)]
        for place, word in enumerate(words):
            offset = round(place / len(words) * seconds * 1e9)
            effects.append(TTSTextFrame(word, clip.text, offset, context_id=context))
        size = 2 * round(CHUNK_SECONDS * clip.sample_rate)
        for begin in range(0, len(clip.audio), size):
            audio = clip.audio[begin : begin + size].ljust(size, b"\0")
            effects.append(TTSAudioRawFrame(audio, context, sample_rate=clip.sample_rate))
        return [*effects, TTSStoppedFrame(context)]

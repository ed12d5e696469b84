"""What every transcriber shares: it announces itself, keeps what has no final yet, asks for finals, is muted, and stays connected.

1. All that a recogniser was given and hasn't answered is durable. One that takes its place is given it again: words come late, none is
   lost, and no final is said twice.
2. What a recogniser says travels as a message of the actor to itself, with the number of the connection. What a dead one had said and
   nobody handled isn't believed: its successor says it anew.
3. The handlers here are plain. A service says how an item is given to its recogniser, and what an answer means.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

import attrs
import trio

from ...channels.external_turns import ExternalTurns
from ...channels.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    ServiceSwitcherRequestMetadataFrame,
    StartFrame,
    StopFrame,
    STTMetadataFrame,
    STTMuteFrame,
    TranscriptionFrame,
    UserAudioRawFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from ..actor import Actor, actor, durable, on, state
from ..effects import After, Both, Effect, To
from .metering import Meter
from .unanswered import Sound, Unanswered

__all__ = ["FinalAsked", "STTService"]

log = logging.getLogger(__name__)

KEPT_SECONDS = 30.0
"""Of sound without a final."""
QUIET_SECONDS = 3.0
"""The same, while VAD says that nobody speaks: enough for what VAD needs to be sure, and for soft words before it is."""
SETTLED_SECONDS = 10.0
"""After a stop of VAD: the final of what was said before would have come."""
UNKNOWN_LATENCY = 1.0
"""Seconds; what is announced when nobody has measured a service."""


@attrs.frozen
class FinalAsked:
    """A mark: the recogniser was asked for the final of all that it was given so far."""

    number: int


@attrs.frozen
class _Answer:
    """To itself: what a recogniser said."""

    wire: Hashable
    connection: int


@attrs.frozen
class _KeepAlive:
    """To itself: look whether the recogniser has been given something lately."""


@actor
class STTService(Actor):
    """Base of transcribers. Sound and VAD's edges pass; transcripts go down.

    A service overrides `give` and `understand`; in its `lifespan()` it opens its connection or engine, calls `connect()`, and starts a
    task that pushes `answer(...)` for each thing that is said. Where it matters it overrides `take`, `voice_started`, `voice_stopped` and
    `stay_alive`. All of these are called in plain handlers, and by `connect`.
    """

    ttfs_p99_latency: float | None = attrs.field(default=None, kw_only=True)
    """Seconds from the end of speech to its final, 99th percentile, to be announced; None: what was measured for the service."""
    keep_alive_secs: float | None = attrs.field(default=None, kw_only=True)
    """Seconds without sound after which the recogniser is shown that somebody is there; None: never."""
    end_secs: float = attrs.field(default=5.0, kw_only=True)
    """How long the end of the session waits for finals, seconds."""

    should_interrupt: bool = attrs.field(default=True, kw_only=True)
    """Whether a turn that the service proposes is to cut the bot off; for services that detect turns."""

    measured_latency: ClassVar[float | None] = None
    """`ttfs_p99_latency` as measured for a service; 0 for one whose finals are all final. None: nobody has."""

    unanswered: Unanswered = durable(Unanswered())
    connection: int = durable(0)
    """Counts the recognisers."""
    position: int = durable(0)
    """Samples of the user's sound that have come, muted ones too."""
    sample_rate: int = durable(16000)
    user_id: str = durable("")
    """Whose sound came last."""
    is_speaking: bool | None = durable(None)
    """What VAD says; None: nothing so far."""
    stopped_at: float = durable(0.0)
    """Session time of VAD's last stop."""
    requests: int = durable(0)
    asked: Hashable = durable(None)
    """The mark whose answer is the last word; a VAD start withdraws it."""
    has_proposed: bool = durable(False)
    """A turn's start, and no stop since."""
    mutes: frozenset[str] = durable(frozenset())
    """Who has muted it."""
    is_announced: bool = durable(False)
    untold: int = durable(0)
    """Samples that were given, and not told as used."""
    meter: Meter = state(Meter)
    last_given: float = state(0.0)
    answers: trio.lowlevel.ParkingLot = state(trio.lowlevel.ParkingLot)
    """Who waits for the next one."""

    # ---- what a service says

    def give(self, item: Hashable) -> None:
        """Give the recogniser a `Sound` or a mark, for the first time or again. Must not wait."""
        raise NotImplementedError(f"{type(self).__name__}.give: say how an item reaches the recogniser.")

    def understand(self, wire: Any) -> Effect | Iterable[Effect] | None:
        """What an answer means: the effects, made by `final` and `interim`. A step of a plain handler."""
        raise NotImplementedError(f"{type(self).__name__}.understand: say what an answer means.")

    def take(self, sound: Sound) -> None:
        """Sound has come that isn't muted. By default it is given to the recogniser."""
        self.say(sound)

    def voice_started(self) -> None:
        """VAD hears the user, or the mute ends while it does."""

    def voice_stopped(self) -> None:
        """VAD hears the user no more, a mute begins, or the session ends: by default a final is asked for.

        A recogniser that can't be asked, or doesn't say what it answers, does nothing here.
        """
        self.requests += 1
        self.ask(FinalAsked(self.requests))

    def stay_alive(self) -> None:
        """Show the recogniser that somebody is there: by default by a tenth of a second of silence."""
        self.say(Sound(bytes(2 * (self.sample_rate // 10)), None))

    @property
    def detects_turns(self) -> bool:
        """Whether it proposes turns. Then it recommends to take them from it."""
        return False

    # ---- what a service calls

    def connect(self) -> None:
        """In `lifespan()`, when the recogniser listens: it is given all that the last one hasn't answered."""
        self.connection += 1
        self.unanswered = self.unanswered.given_anew()
        for item in self.unanswered.items:
            self.give(item)

    def answer(self, wire: Hashable) -> To:
        """To be pushed by the task that reads from the recogniser: `understand(wire)` gets it, if the actor is still the same."""
        return To(self.address, _Answer(wire, self.connection))

    def say(self, item: Hashable) -> None:
        """Give the recogniser a `Sound` or a mark, and keep it until it is answered."""
        self.unanswered = self.unanswered.with_item(item, longest=round(self._kept_secs() * self.sample_rate))
        if isinstance(item, Sound):
            self.last_given = self.now
            self.untold += item.samples
        self.give(item)

    def ask(self, mark: Hashable) -> None:
        """Say a mark whose answer will be the last word of what the user said, unless VAD hears the user again before it comes."""
        self.asked = mark
        self.meter.asked(mark, self.now)
        self.say(mark)

    def interim(self, text: str, *, language: str | None = None, result: object = None) -> tuple[Effect, ...]:
        """What the user seems to be saying. Blank text says nothing; neither does a muted service guess."""
        if not text.strip() or self.mutes or not self.unanswered.has_voice:
            return ()
        return (InterimTranscriptionFrame(text, self.user_id, language=language, result=result),)

    def final(
        self,
        text: str,
        *,
        mark: Hashable = None,
        samples: int | None = None,
        until: int | None = None,
        finalized: bool = False,
        language: str | None = None,
        result: object = None,
    ) -> tuple[Effect, ...]:
        """What the user said, and how much is answered by it: all through a `mark`, else so many `samples` of what the recogniser was
        given since its last final, else the user's sound `until` a position, else everything but the marks.

        It is finalized if it answers what was asked, or is said to be. Blank text is an answer, and no transcript; so are words
        that the user gave no sound for: they were made of silence.
        """
        has_voice = self.unanswered.has_voice
        if mark is not None:
            self.unanswered = self.unanswered.through(mark)
        elif samples is not None:
            self.unanswered = self.unanswered.without(samples)
        else:
            self.unanswered = self.unanswered.until(self.position if until is None else until)
        is_last = mark is not None and mark == self.asked
        if is_last:
            self.asked = None
        self.answers.unpark_all()
        measured = self.meter.done(mark, self.now)
        if not text.strip() or not has_voice:
            return measured
        transcript = TranscriptionFrame(
            text, self.user_id, language=language, result=result, finalized=finalized or is_last
        )
        measured += self.meter.transcribed(self.now, is_last=transcript.finalized)
        return (transcript, *measured, *self._used())

    def propose_start(self) -> tuple[Effect, ...]:
        """The service takes it that the user's turn begins. To interrupt is up to the user half, which knows whether it is muted."""
        if self.has_proposed or self.mutes:
            return ()
        self.has_proposed = True
        return (Both(ProposedUserStartedSpeakingFrame()),)

    def propose_stop(self) -> tuple[Effect, ...]:
        """The service takes it that the user's turn is over. To be returned behind the turn's last final."""
        if not self.has_proposed:
            return ()
        self.has_proposed = False
        return (Both(ProposedUserStoppedSpeakingFrame()),)

    # ---- the handlers

    @on(StartFrame)
    def announce(self, frame: StartFrame) -> list[Effect]:
        self.meter.start(frame, self.address.name)
        timer = [] if self.keep_alive_secs is None else [After(self.keep_alive_secs, _KeepAlive())]
        if self.is_announced:  # a restart
            return [*timer]
        self.is_announced = True
        if self.ttfs_p99_latency is None and self.measured_latency is None:
            log.warning(
                "%s: nobody has measured how long it takes to its finals, so %g s are announced. Measure it, and give ttfs_p99_latency.",
                self.address,
                UNKNOWN_LATENCY,
            )
        return [Both(self.metadata()), *timer]

    @on(ServiceSwitcherRequestMetadataFrame)
    def announce_again(self, frame: ServiceSwitcherRequestMetadataFrame) -> tuple[Effect, ...]:
        if frame.service in (None, self.address, self.address.name):
            return Both(self.metadata()), frame
        return (frame,)

    def metadata(self) -> STTMetadataFrame:
        """What it announces of itself."""
        known = self.measured_latency if self.ttfs_p99_latency is None else self.ttfs_p99_latency
        return STTMetadataFrame(
            self.address.name,
            UNKNOWN_LATENCY if known is None else known,
            user_turn_strategies=ExternalTurns(self.should_interrupt) if self.detects_turns else None,
        )

    @on(InputAudioRawFrame)
    def hear(self, frame: InputAudioRawFrame) -> InputAudioRawFrame:
        sound = Sound(frame.audio, self.position)
        self.position += sound.samples
        self.sample_rate = frame.sample_rate
        if isinstance(frame, UserAudioRawFrame):
            self.user_id = frame.user_id
        if not self.mutes:
            self.take(sound)
        return frame

    @on(VADUserStartedSpeakingFrame)
    def note_start(self, frame: VADUserStartedSpeakingFrame) -> tuple[Effect, ...]:
        self.is_speaking, self.asked = True, None
        if not self.mutes:
            self.voice_started()
        return (frame, *self.meter.speech_began())

    @on(VADUserStoppedSpeakingFrame)
    def note_stop(self, frame: VADUserStoppedSpeakingFrame) -> VADUserStoppedSpeakingFrame:
        self.is_speaking, self.stopped_at = False, self.now
        if not self.mutes:
            self.meter.speech_ended((self.now if frame.timestamp is None else frame.timestamp) - frame.stop_secs)
            self.voice_stopped()
        return frame

    @on(STTMuteFrame)
    def mute(self, frame: STTMuteFrame) -> tuple[Effect, ...]:
        return (*self._mute("frame", frame.mute), frame)

    @on(UserMuteStartedFrame, UserMuteStoppedFrame)
    def mute_with_the_user(self, frame: Frame) -> tuple[Effect, ...]:
        return (*self._mute("user", isinstance(frame, UserMuteStartedFrame)), frame)

    @on(_Answer)
    def tell(self, message: _Answer) -> Effect | Iterable[Effect] | None:
        return self.understand(message.wire) if message.connection == self.connection else None

    @on(_KeepAlive)
    def look(self, message: _KeepAlive) -> After | None:
        assert self.keep_alive_secs is not None
        left = self.last_given + self.keep_alive_secs - self.now
        if left <= 0:
            self.stay_alive()
            self.last_given, left = self.now, self.keep_alive_secs
        return After(left, message)

    @on(EndFrame)
    async def finish(self, frame: EndFrame) -> None:
        """The last words count, too."""
        await self.push(After(None, _KeepAlive()))
        self.allow(self.end_secs)
        if not self.mutes and self.is_speaking is not False and self.unanswered.has_voice:
            self.voice_stopped()
        with trio.move_on_after(self.end_secs):
            while self.unanswered.has_marks:
                await self.answers.park()
        await self.push(*self.meter.speech_began(), *self._used())

    @on(StopFrame, CancelFrame)
    def stop(self, frame: Frame) -> After:
        return After(None, _KeepAlive())

    def _mute(self, who: str, is_mute: bool) -> tuple[Effect, ...]:
        was, self.mutes = self.mutes, self.mutes | {who} if is_mute else self.mutes - {who}
        if self.mutes and not was:
            if self.is_speaking is not False:
                self.voice_stopped()
            return self.propose_stop()  # whether more would have come nobody hears
        if was and not self.mutes and self.is_speaking:
            self.voice_started()
        return ()

    def _kept_secs(self) -> float:
        is_quiet = self.is_speaking is False and self.now - self.stopped_at > SETTLED_SECONDS
        return QUIET_SECONDS if is_quiet and not self.unanswered.has_marks else KEPT_SECONDS

    def _used(self) -> tuple[Effect, ...]:
        """The sound that was given since this was told last."""
        samples, self.untold = self.untold, 0
        return self.meter.sound(samples / self.sample_rate) if samples else ()

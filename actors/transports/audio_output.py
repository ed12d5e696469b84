"""The output: plays what comes in real time, and knows what of it was heard.

1. Text goes on when its time has come: a word with its sound, text without times behind its sound, a frame with `pts` at that moment.
   From then on it is a fact, so it is sent immune.
2. At an interruption HeardFrame follows the text that went on. What the device has got counts as heard, the chunk in hand too.
3. Sound and who speaks are the player's (`audio_player`), positions and words are values (`playout`); here they meet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TypeAlias

import attrs
import trio

from ...channels.frames import (
    AggregatedTextFrame,
    AggregatedTextProgressFrame,
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    HeardFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    OutputAudioRawFrame,
    OutputImageRawFrame,
    OutputResumeFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    OutputTransportReadyFrame,
    SpriteFrame,
    StartFrame,
    StopFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    Uninterruptible,
)
from ..actor import actor, durable, on, state
from ..effects import After, Both, Effect, Immune, Up
from .agenda import Agenda
from .audio_player import REFUSALS, AudioPlayer
from .devices import MessageSink
from .playout import Pace, Speech, put, speech_of

__all__ = ["AudioOutput"]

log = logging.getLogger(__name__)

Timed: TypeAlias = TextFrame | OutputImageRawFrame | SpriteFrame | OutputTransportMessageFrame
"""What may carry the moment at which it goes on."""


@attrs.frozen
class _Moment:
    """To itself: the `pts` of a frame that waits has come."""


@actor
class AudioOutput(AudioPlayer):
    """Plays audio frames on a device, chunk by chunk, and passes them on when they were played.

    Words (`TTSTextFrame` with `offset_ns`) pass on, immune, when they are heard; words not heard at an interruption never do. Then
    HeardFrame goes both ways, behind the last word. BotStartedSpeaking and BotStoppedSpeaking tell when speech leaves the device.

    Before an end whoever sent OutputPauseFrame sends OutputResumeFrame: an end behind sound that is held waits for nothing else.
    """

    others: tuple[str | None, ...] = attrs.field(default=(), kw_only=True)
    """Destinations that are played beside it, each by a `SideOutput`. A frame for any other is dropped, with a warning in the log."""

    is_ready: bool = durable(False)
    speeches: tuple[Speech, ...] = durable(())
    """Syntheses that aren't over."""
    pace: Pace = durable(Pace())
    agenda: Agenda = durable(Agenda())
    """Frames whose `pts` hasn't come."""
    reached: Frame | None = state(None)
    """Text whose sound was all handed over; it goes on when the last chunk of that is over, or at once at an interruption."""
    warned: frozenset[str | None] = state(frozenset())

    @on(StartFrame)
    def start(self, frame: StartFrame) -> tuple[Effect, ...]:
        effects = super().start(frame)
        if self.is_ready:
            return effects
        self.is_ready = True
        return (*effects, Up(OutputTransportReadyFrame()))

    @on(TTSStartedFrame)
    async def begin(self, frame: TTSStartedFrame) -> tuple[Effect, ...]:
        return await self._follow_sound(frame)

    @on(LLMFullResponseEndFrame)
    async def end_response(self, frame: LLMFullResponseEndFrame) -> LLMFullResponseEndFrame:
        """All of the response has been heard then."""
        await self._wait_until_settled()
        await self._wait_until_due()
        return frame

    @on(AggregatedTextProgressFrame)
    def report_progress(self, frame: AggregatedTextProgressFrame) -> Effect | None:
        """It tells of the word before it, and goes with that."""
        speech = speech_of(self.speeches, frame.context_id)
        if not speech.cues:
            return frame
        self.speeches = put(self.speeches, speech.expecting(frame, speech.cues[-1].position))
        return None

    @on(InputTextRawFrame)
    def let_by(self, frame: InputTextRawFrame) -> InputTextRawFrame:
        """The user's text, which overtakes."""
        return frame

    @on(TextFrame, OutputImageRawFrame, SpriteFrame, OutputTransportMessageFrame)
    async def put_in_time(self, frame: Timed) -> tuple[Effect, ...]:
        if not (isinstance(frame, TextFrame) or self._takes(frame)):
            return ()
        if isinstance(frame, TTSTextFrame) and frame.offset_ns is not None:
            return self._expect(frame, frame.offset_ns)
        if frame.pts is not None:
            return self._schedule(frame, frame.pts)
        if isinstance(frame, SpriteFrame) or (isinstance(frame, OutputImageRawFrame) and not frame.sync_with_audio):
            return (frame,)
        return await self._follow_text(frame)

    @on(OutputTransportMessageUrgentFrame)
    def send_at_once(self, frame: OutputTransportMessageUrgentFrame) -> tuple[Effect, ...]:
        if not self._takes(frame):
            return ()
        return self._send(frame.message, self.device) if isinstance(self.device, MessageSink) else (frame,)

    async def stop(self, frame: TTSStoppedFrame) -> tuple[Effect, ...]:
        if self.others and not self._has_spoken(frame.context_id):
            return (*self._close(frame.context_id), frame)  # it was spoken at another destination
        return await super().stop(frame)

    def resume(self, frame: OutputResumeFrame) -> Iterable[Effect]:
        yield from super().resume(frame)
        yield from self._release_timed()

    @on(_Moment)
    def keep_time(self, message: _Moment) -> tuple[Effect, ...]:
        return self._release_timed()

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> Iterable[Effect]:
        """What was heard of the speech that is cut; what must be heard goes on."""
        yield from self._release_reached()
        cut = tuple(speech for speech in self.speeches if speech.interruptible)
        self.speeches = tuple(speech for speech in self.speeches if not speech.interruptible)
        yield Both(self._heard_of(cut, tuple(speech.context_id for speech in self.speeches if speech.has_begun)))
        yield from self._cut()
        if self.agenda:
            _, self.agenda = self.agenda.split(_is_interruptible)
            yield self._alarm()

    @on(CancelFrame)
    def cancel(self, frame: CancelFrame) -> Iterable[Effect]:
        if self.enabled:
            self.device.close()
        yield from self._release_reached()
        yield Both(self._heard_of(self.speeches, ()))
        self.speeches = ()
        yield from self._stop_speaking()

    @on(StopFrame)
    async def halt(self, frame: StopFrame) -> None:
        await self.push(*await self._play_out())

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        effects = await self._play_out()
        await self.push(*effects, *await self._last_timed())
        await self._fall_silent()
        if self.enabled:
            self.device.close()

    def _take_effect(self, frame: Frame) -> tuple[Effect, ...]:
        match frame:
            case TTSStartedFrame():
                speech = speech_of(self.speeches, frame.context_id)
                self.speeches = put(self.speeches, speech.begun(interruptible=frame.interruptible))
                return (frame if frame.interruptible else Immune(frame),)
            case TTSStoppedFrame():
                return (
                    *self._close(frame.context_id),
                    *self._end_speaking(),
                    frame if frame.interruptible else Immune(frame),
                )
            case TTSTextFrame():
                self._hear_unit(frame)
                return (Immune(frame),)
            case AggregatedTextFrame():
                if frame.will_be_spoken and self.enabled:
                    speech = speech_of(self.speeches, frame.context_id)
                    self.speeches = put(self.speeches, speech.announced(frame.text))
                return (Immune(frame),)
            case TextFrame():
                return (Immune(frame),)
            case OutputTransportMessageFrame() if isinstance(self.device, MessageSink):
                return (*self._send(frame.message, self.device), frame)
            case _:
                return (frame,)

    def _expect(self, frame: TTSTextFrame, position: int) -> tuple[Effect, ...]:
        """A word goes on with the chunk that holds its beginning."""
        if not self.enabled:
            return (Immune(frame),)
        speech = speech_of(self.speeches, frame.context_id)
        if position < speech.played:
            self.speeches = put(self.speeches, speech.timed())
            return (Immune(frame),)
        self.speeches = put(self.speeches, speech.expecting(frame, position))
        return ()

    def _hear_unit(self, frame: TTSTextFrame) -> None:
        """Its sound lies before it: how long it was tells the voice's pace."""
        speech = speech_of(self.speeches, frame.context_id)
        if (speech.units or speech.played) and not speech.is_timed:
            self.pace = self.pace.learned(frame.text, speech.played - speech.unit_began)
            self.speeches = put(self.speeches, speech.unit_heard())

    def _heard(self, frame: OutputAudioRawFrame, seconds: float) -> tuple[Effect, ...]:
        if not isinstance(frame, TTSAudioRawFrame):
            return ()
        before = speech_of(self.speeches, frame.context_id)
        speech = before.advanced(round(seconds * 1e9), interruptible=frame.interruptible)
        heard: tuple[Effect, ...] = ()
        if speech.has_due:
            heard = tuple(map(Immune, speech.due()))
            speech = speech.without_due()
        self.speeches = put(self.speeches, speech)
        if not before.played and self.agenda:
            return (*heard, *self._release_timed())
        return heard

    def _close(self, context_id: str | None) -> tuple[Effect, ...]:
        """A synthesis is over. A word beyond the end of its sound, by the synthesiser's rounding, was heard with it."""
        speech = speech_of(self.speeches, context_id)
        self.speeches = tuple(each for each in self.speeches if each.context_id != context_id)
        late: tuple[Frame, ...] = ()
        if self.agenda:
            late, self.agenda = self.agenda.split(
                lambda frame: isinstance(frame, TTSTextFrame) and frame.context_id == context_id
            )
        return (*(Immune(cue.frame) for cue in speech.cues), *map(Immune, late))

    def _heard_of(self, cut: tuple[Speech, ...], going_on: tuple[str | None, ...]) -> HeardFrame:
        begun = [speech for speech in cut if speech.has_begun]
        partial = [(speech.context_id, self._partial(speech)) for speech in begun]
        return HeardFrame(
            self.epoch,
            tuple((speech.context_id, speech.played) for speech in begun),
            tuple((context_id, text) for context_id, text in partial if text),
            going_on,
        )

    def _partial(self, speech: Speech) -> str:
        more = sum(piece.size for piece in self.pieces if _is_sound_of(speech, piece.frame))
        return speech.partial(in_hand=round(more / 2 / self.sample_rate * 1e9), pace=self.pace)

    async def _follow_text(self, frame: Timed) -> tuple[Effect, ...]:
        """What has no time of its own takes effect when the sound before it is over."""
        await self._wait_until_settled()
        is_reached = self._has_sounded(frame)
        if is_reached:
            self.reached = frame
        await self._wait_until_due()
        if is_reached and self.reached is None:
            return ()
        self.reached = None
        return self._take_effect(frame)

    def _has_sounded(self, frame: Timed) -> bool:
        """Whether this is text that may be interrupted, but whose sound was all handed over."""
        if not isinstance(frame, TTSTextFrame) or not frame.interruptible:
            return False
        speech = speech_of(self.speeches, frame.context_id)
        return speech.played > speech.unit_began

    def _release_reached(self) -> tuple[Effect, ...]:
        reached, self.reached = self.reached, None
        return () if reached is None else self._take_effect(reached)

    def _schedule(self, frame: Timed, pts: int) -> tuple[Effect, ...]:
        """Let a frame wait for its moment."""
        self.agenda = self.agenda.with_frame(frame, pts)
        if isinstance(frame, TTSTextFrame):
            self.speeches = put(self.speeches, speech_of(self.speeches, frame.context_id).timed())
        return self._release_timed()

    def _release_timed(self) -> tuple[Effect, ...]:
        """The frames whose moment has come, and an alarm for the next one's."""
        if not self.agenda:
            return ()
        due, self.agenda = self.agenda.split(self._may_go, now=self.now * 1e9)
        return (*(effect for frame in due for effect in self._take_effect(frame)), self._alarm())

    def _alarm(self) -> After:
        """What waits for its speech or for a pause's end isn't waited for: it is looked at when that comes."""
        return After(self.agenda.next(self.now * 1e9), _Moment())

    def _may_go(self, frame: Frame) -> bool:
        """A word isn't heard before its speech, nor while that is held."""
        if not isinstance(frame, TTSTextFrame) or not self.enabled:
            return True
        if self._is_held(frame.interruptible):
            return False
        return frame.context_id is None or speech_of(self.speeches, frame.context_id).played > 0

    def _held(self, seconds: float) -> None:
        self.agenda = self.agenda.later(_is_interruptible_word, seconds * 1e9)

    async def _last_timed(self) -> tuple[Effect, ...]:
        """Before the end: the moment of each frame comes. Words whose speech never did were not heard."""
        seconds = self.agenda.last(self.now * 1e9)
        if seconds > 0:
            self.allow(seconds)
            await trio.sleep(seconds)
        due, self.agenda = self.agenda.split(self._may_go)
        return tuple(effect for frame in due for effect in self._take_effect(frame))

    def _send(self, message: object, device: MessageSink) -> tuple[Effect, ...]:
        try:
            device.send(message)
        except REFUSALS as error:
            return (Up(ErrorFrame(self._not_taken("a message", error), processor=self.address, exception=error)),)
        return ()

    def _turn_away(self, destination: str | None) -> None:
        if destination in self.others or destination in self.warned:
            return
        self.warned |= {destination}
        log.warning(
            "%s: nobody plays what goes to the destination %r, so it is dropped. Name it in `others`, and put a"
            " SideOutput for it beside this output.",
            self.address,
            destination,
        )


def _is_sound_of(speech: Speech, frame: Frame) -> bool:
    return isinstance(frame, TTSAudioRawFrame) and frame.context_id == speech.context_id


def _is_interruptible(frame: Frame) -> bool:
    return not isinstance(frame, Uninterruptible) and getattr(frame, "interruptible", True)


def _is_interruptible_word(frame: Frame) -> bool:
    return isinstance(frame, TTSTextFrame) and frame.interruptible

"""What is to be said, worked off in order: asked of a service, and sent as it comes; cut by interruptions, whole over restarts.

1. What is to be said, and what must keep its place among it, is one durable list. Handlers add to it; one task works it off, step by step.
2. A step is made without a wait: what it changes and what it sends happen together, so no kill and no cut can part them.
3. What leaves carries the epoch of its context: whoever gets room at the moment of an interruption, a cut context is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import attrs
import trio

from ...channels.frames import (
    AggregatedTextFrame,
    AggregatedTextProgressFrame,
    ErrorFrame,
    Frame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from ..actor import Actor, actor, durable, state
from ..effects import Effect, Immune, Up
from ..errors import ConfigurationError
from .metering import Meter
from .speech_request import Audio, Done, Failure, Report, SpeechRequest, Word
from .speech_units import (
    Close,
    Item,
    OpenContext,
    Said,
    Send,
    SpeechContext,
    SpeechUnit,
    cut_after_said,
    cut_by_duration,
    in_context,
    placed,
    uncut,
)
from .word_times import Fit, fit_word, has_no_spaces, place_in_text

__all__ = ["Speaker"]


@attrs.frozen
class _Step:
    """What one step sends."""

    epoch: int
    effects: tuple[Effect, ...] = ()


@actor
class Speaker(Actor):
    """Says units of text, and sends frames of others in their places among them. `TTSService` decides what these are.

    A service overrides `synthesize`, which says one unit; or `ask`, `finish` and `cancel` where one connection says all. What
    comes back it gives to `hand_in`.
    """

    is_repeatable: ClassVar[bool] = False
    """The same text gives the same sound: after a restart a unit is said again, and what had left is left out."""
    has_contexts: ClassVar[bool] = True
    """A request can be cancelled by itself. Else an interruption calls `reconnect`."""
    ahead: ClassVar[int | None] = 2
    """How many units are asked for at once: the one in hand and those behind it; None means all."""

    text_aggregation: Literal["sentence", "token"] = attrs.field(
        default="sentence", kw_only=True, validator=attrs.validators.in_(("sentence", "token"))
    )
    """`"token"`: text is asked for as it comes, by services that take it piece by piece."""
    stop_frame_timeout: float = attrs.field(default=3.0, kw_only=True)
    """Seconds without any report, after which a context is taken to be complete."""
    append_trailing_space: bool = attrs.field(default=False, kw_only=True)
    max_consecutive_zero_audio_contexts: int = attrs.field(default=3, kw_only=True)
    """So many silent contexts in a row make the service unusable; 0 means never."""
    chunk_secs: float = attrs.field(default=0.02, kw_only=True)
    """Sound in one frame."""

    gathered: str = durable("")
    """Text whose unit may go on."""
    text_context: SpeechContext | None = durable(None)
    """Where the next unit of the response goes."""
    to_do: tuple[Item, ...] = durable(())
    opened: OpenContext | None = durable(None)
    said: Said = durable(Said())
    """Of the list's first unit, once it has begun."""
    contexts: int = durable(0)
    units: int = durable(0)
    silent: int = durable(0)
    """Contexts without a sound, in a row."""
    is_unusable: bool = durable(False)
    bot_speaks: bool = durable(False)
    cut_epoch: int = durable(0)
    """The newest epoch whose interruption was handled."""
    plays_until: float = durable(0.0)
    """Session time before which the sound of the contexts that are closed can't be over."""
    measured: tuple[int, float] = durable((0, 0.0))
    """Characters and seconds of what was said whole."""

    sample_rate: int = state(0)
    """Of the session's output, Hz."""
    has_resumed: bool = state(False)
    requests: dict[str, SpeechRequest] = state(dict[str, SpeechRequest])
    late: dict[str, tuple[SpeechRequest, SpeechUnit]] = state(dict[str, tuple[SpeechRequest, SpeechUnit]])
    """Requests that were silent for too long, and what is said if their sound comes after all."""
    asked: dict[str, int] = state(dict[str, int])
    """For each unit, how many characters were asked for."""
    scopes: dict[str, trio.CancelScope] = state(dict[str, trio.CancelScope])
    is_working: bool = state(False)
    news: trio.lowlevel.ParkingLot = state(trio.lowlevel.ParkingLot)
    """Where the task waits for reports and for more to do."""
    moved: trio.lowlevel.ParkingLot = state(trio.lowlevel.ParkingLot)
    """Where handlers wait for the list to become shorter."""
    meter: Meter = state(Meter)
    """Its keys are ids of requests, and those of whoever makes units of text."""

    def __attrs_post_init__(self) -> None:
        if self.text_aggregation == "token" and not self.streams_contexts:
            raise ConfigurationError(
                f"{type(self).__name__}(text_aggregation='token'): this service is asked for whole units. Leave it out."
            )

    # ---- what a service says of itself, and does

    @property
    def gives_word_times(self) -> bool:
        """Whether the service tells words. Else each unit's text goes out behind its sound."""
        return False

    @property
    def streams_contexts(self) -> bool:
        """Whether requests are contexts, to which units are added; else each unit is a request."""
        return False

    def ask(self, unit: SpeechUnit) -> None:
        """Have a unit said: what comes of it is handed in under its `request_id`. Doesn't wait.

        Services that stream contexts get parts of units, too, in `speech`.
        """
        scope = self.scopes[unit.request_id] = trio.CancelScope()
        self.start_soon(self._synthesize, unit, scope, interruptible=False)

    async def synthesize(self, unit: SpeechUnit) -> None:
        """Say a unit: hand in its sound and words. It is done when this returns; cancelled when it isn't wanted any more."""
        raise NotImplementedError(f"{type(self).__name__} says no text: override `synthesize`, or `ask` and `cancel`.")

    def finish(self, context_id: str) -> None:
        """No more text will come for this context. Doesn't wait."""

    def cancel(self, request_id: str) -> None:
        """Nothing more is wanted of this request. Doesn't wait."""
        scope = self.scopes.pop(request_id, None)
        if scope is not None:
            scope.cancel()

    def reconnect(self) -> None:
        """Make whatever the service is saying end, where requests can't be cancelled. Doesn't wait."""

    def hand_in(self, request_id: str | None, *reports: Report) -> None:
        """Take what the service reports of a request; of none, `Failure` says that the connection was lost, with all requests.

        A request that isn't wanted any more is ignored.
        """
        if request_id is None:
            for report in reports:
                if isinstance(report, Failure):
                    self._lose(report)
            return
        request = self.requests.get(request_id)
        if request is None and any(isinstance(report, Audio) for report in reports):
            request = self._revive(request_id)
        if request is None:
            return
        for report in reports:
            request.put(report, self.now)
        self.news.unpark_all()

    # ---- the list

    def _has_work(self) -> bool:
        return bool(self.to_do) or self.opened is not None

    def _has_speech(self) -> bool:
        return self.opened is not None or any(not isinstance(item, Send) for item in self.to_do)

    def _is_open(self, context: SpeechContext) -> bool:
        return self.opened is not None and self.opened.context.id == context.id

    def _go_on(self) -> None:
        """See that the list is worked off."""
        self._ask()
        if self._has_work() and not self.is_working:
            self.is_working = True
            # An interruption doesn't cut it: what may not be interrupted goes on.
            self.start_soon(self._work, interruptible=False)
        self.news.unpark_all()

    def _ask(self) -> None:
        """Have the first units said, as many as are asked for at once."""
        units = [item for item in self.to_do if isinstance(item, SpeechUnit)]
        for unit in units if self.ahead is None or self.streams_contexts else units[: self.ahead]:
            before = self.asked.get(unit.id)
            speech = unit.speech[before or 0 :]
            if speech:
                self.asked[unit.id] = len(unit.speech)
                self._ask_for(unit, speech, is_first=before is None)
        for item in self.to_do:
            request = self.requests.get(item.context.id) if isinstance(item, Close) else None
            if request is not None and not request.is_finished:
                request.is_finished = True
                self.finish(request.id)

    def _ask_for(self, unit: SpeechUnit, speech: str, *, is_first: bool) -> None:
        request_id = unit.request_id
        is_new = request_id not in self.requests
        if is_new:
            self.requests[request_id] = SpeechRequest(request_id)
            if not (self.said.unit_id == unit.id and self.said.samples):  # else its sound has begun before a restart
                self.meter.asked(request_id, self.now)
        if self.text_aggregation == "token":
            speech = f" {speech}" if is_first and not is_new else speech
        elif self.append_trailing_space:
            speech += " "
        self.ask(attrs.evolve(unit, speech=speech))

    async def _synthesize(self, unit: SpeechUnit, scope: trio.CancelScope) -> None:
        with scope:
            await self.synthesize(unit)
            if not self.streams_contexts:
                self.hand_in(unit.request_id, Done())
        if self.scopes.get(unit.request_id) is scope:
            del self.scopes[unit.request_id]

    async def _work(self) -> None:
        """Work the list off; while there is nothing to do for a step, wait for news."""
        deadline = trio.current_time() + self.stop_frame_timeout
        while self._has_work():
            await trio.lowlevel.checkpoint_if_cancelled()
            step = self._step()
            if step is None:
                self.allow(self.stop_frame_timeout)
                with trio.move_on_at(deadline) as limit:
                    await self.news.park()
                if not limit.cancelled_caught:
                    continue
                step = self._time_out()
            if step.effects:
                # What outlives an interruption belongs to the turn that this began.
                with self.at(max(step.epoch, self.cut_epoch)):
                    await self.push(*step.effects)
            self.moved.unpark_all()
            deadline = trio.current_time() + self.stop_frame_timeout
        self.is_working = False
        self.moved.unpark_all()

    # ---- steps

    def _step(self) -> _Step | None:
        """The next thing that can be done: what it changes, and what it sends. None: something must come first."""
        item = self.to_do[0] if self.to_do else None
        if self.opened is not None and (item is None or not in_context(item, self.opened.context)):
            # Text of this context may still come; so may its sound, unless its service has ended it.
            request = self.requests.get(self.opened.context.id)
            step = self._sound(None, request)
            if step is not None or request is None or not request.is_used_up:
                return step
            self._close_text()
            return self._step()
        match item:
            case Send():
                self.to_do = self.to_do[1:]
                return _Step(item.epoch, (Immune(item.frame) if item.immune else item.frame,))
            case Close():
                return self._step_close(item)
            case SpeechUnit():
                return self._step_unit(item)
            case None:
                return None

    def _step_close(self, close: Close) -> _Step | None:
        measured: tuple[Effect, ...] = ()
        request = self.requests.get(close.context.id)
        if self._is_open(close.context) and request is not None and not close.is_cut:
            step = self._sound(None, request)
            if step is not None or not request.is_used_up:
                return step
            if request.failure is not None:
                return self._fail(close.context, request.failure, ())
            measured = self.meter.done(request.id, self.now)
        self.to_do = self.to_do[1:]
        self._drop_request(close.context.id)
        return _Step(close.context.epoch, (*measured, *self._close(close.context, is_cut=close.is_cut)))

    def _step_unit(self, unit: SpeechUnit) -> _Step | None:
        if self.said.unit_id != unit.id:
            return self._begin(unit)
        if unit.is_whole and not unit.is_shown:
            return self._show(unit)
        request = self.requests.get(unit.request_id)
        step = self._sound(unit, request)
        if step is not None or request is None:
            return step
        if request.failure is not None and request.is_used_up:
            return self._fail_unit(unit, request.failure)
        if self._is_over(request):
            return _Step(unit.context.epoch, self._finish_unit(unit, request))
        return None

    def _begin(self, unit: SpeechUnit) -> _Step:
        request = self.requests.get(unit.request_id)
        effects: list[Effect] = []
        if unit.is_whole and not unit.is_shown:
            effects += self._show(unit).effects
        if self.opened is None:
            self.opened = OpenContext(unit.context)
            started = TTSStartedFrame(
                unit.context.id, unit.context.append_to_context, interruptible=unit.context.interruptible
            )
            effects.append(self._own(started, unit.context))
        taken = 0 if request is None or not self.streams_contexts else request.taken
        self.said = Said(unit.id, begin=self.opened.samples - taken, told=unit.told, characters=len(unit.speech))
        return _Step(unit.context.epoch, (*effects, *self.meter.characters(len(unit.speech))))

    def _show(self, unit: SpeechUnit) -> _Step:
        """What is about to be spoken, for those who show it."""
        self._replace(unit, attrs.evolve(unit, is_shown=True))
        frame = AggregatedTextFrame(
            unit.text,
            text_type=unit.text_type,
            context_id=unit.context.id,
            raw_text=unit.raw_text,
            will_be_spoken=True,
            append_to_context=False,
            interruptible=unit.context.interruptible,
        )
        return _Step(unit.context.epoch, (self._own(frame, unit.context),))

    def _sound(self, unit: SpeechUnit | None, request: SpeechRequest | None) -> _Step | None:
        """The next chunk, and the words that begin in it; or words whose chunk has left."""
        if request is None or self.opened is None:
            return None
        context = self.opened.context
        while True:
            if unit is None and request.is_at_border:
                request.pass_border()
            chunk = b"" if request.is_at_border else request.chunk(self.chunk_secs, filled=not self.streams_contexts)
            if chunk and not self.streams_contexts and request.taken < self.said.samples:
                request.take(chunk)  # it had left before a restart
                continue
            if chunk and not self.opened.samples:
                self.opened = attrs.evolve(self.opened, rate=request.rate, began=max(self.now, self.plays_until))
            effects: tuple[Effect, ...] = ()
            if unit is not None and self.gives_word_times:
                effects, is_beyond = self._tell_words(unit, request, self.opened.samples + len(chunk) // 2)
                if is_beyond:
                    return _Step(context.epoch, (*effects, *self._finish_unit(unit, request)))
            if not chunk:
                return _Step(context.epoch, effects) if effects else None
            return _Step(context.epoch, (*effects, *self._send_chunk(unit, request, chunk)))

    def _send_chunk(self, unit: SpeechUnit | None, request: SpeechRequest, chunk: bytes) -> tuple[Effect, ...]:
        assert self.opened is not None
        opened, context = self.opened, self.opened.context
        effects: list[Effect] = []
        if not opened.samples:
            self.silent = 0
        if request.first_audio_at is not None:
            effects += self.meter.audio(request.id, chunk, request.rate, request.first_audio_at)
        request.take(chunk)
        count = len(chunk) // 2
        self.opened = attrs.evolve(self.opened, samples=opened.samples + count)
        if unit is not None:
            self.said = attrs.evolve(self.said, samples=self.said.samples + count)
        self._note_next(request)
        frame = TTSAudioRawFrame(chunk, context.id, sample_rate=request.rate, interruptible=context.interruptible)
        effects.append(self._own(frame, context))
        if unit is not None and self._is_over(request) and request.failure is None:
            effects += self._finish_unit(unit, request)
        return tuple(effects)

    def _is_over(self, request: SpeechRequest) -> bool:
        """Whether all that comes of the unit in hand has been used."""
        return request.is_used_up or request.is_at_border

    # ---- words

    def _tell_words(self, unit: SpeechUnit, request: SpeechRequest, upto: int) -> tuple[tuple[Effect, ...], bool]:
        """Tell the words that begin before a sample of the context; and whether the next one is another unit's."""
        effects: list[Effect] = []
        while request.words and self._start_of(request.words[0], request) < upto:
            word = request.words[0]
            if self.is_repeatable and request.words_taken < self.said.words:
                request.take_word()
                continue
            fit = fit_word(unit.speech, self.said.place, word.text)
            if fit is None and (following := self._following(unit, word)) is not None:
                if following == 0:
                    return tuple(effects), True
                # It is told when what lies before it has been.
                fit = Fit(self.said.place)
            request.take_word()
            effects += self._tell(unit, self._start_of(word, request), word, fit)
            if fit is not None and fit.rest and self._next_unit(unit) is not None:
                # It runs over into the next unit.
                request.words.appendleft(attrs.evolve(word, text=fit.rest))
                return tuple(effects), True
        self._note_next(request)
        return tuple(effects), False

    def _tell(self, unit: SpeechUnit, start: int, word: Word, fit: Fit | None) -> tuple[Effect, ...]:
        """A word of the service, as the words of the text that it stands for."""
        assert self.opened is not None
        said = attrs.evolve(self.said, words=self.said.words + 1)
        # The sound of a unit that comes late has no text any more: that was told when it was missed.
        text = word.text.strip() if fit is None and unit.text else ""
        if fit is not None:
            told = max(said.told, place_in_text(unit.text, unit.speech, fit.end))
            text = unit.text[said.told : told]
            if fit.end > said.place:
                said = attrs.evolve(said, place=fit.end, last_place=said.place)
            said = attrs.evolve(said, told=told)
        self.said = said
        if not text.strip():
            return ()
        offset = max(self.opened.last_offset, round(max(0, start) * 1e9 / self._rate()))
        self.opened = attrs.evolve(self.opened, last_offset=offset)
        return self._words(unit, text, upto=said.told, offset=offset)

    def _words(self, unit: SpeechUnit, text: str, *, upto: int, offset: int | None = None) -> tuple[Effect, ...]:
        return tuple(self._own(frame, unit.context) for frame in self._word_frames(unit, text, upto, offset))

    def _word_frames(self, unit: SpeechUnit, text: str, upto: int, offset: int | None = None) -> tuple[Frame, ...]:
        """Words that are told, and how far their segment is with them. Without an offset they stand behind their sound."""
        assert self.opened is not None
        context = self.opened.context
        keeps_spaces = has_no_spaces(unit.before + unit.text)
        word = TTSTextFrame(
            text if keeps_spaces else text.strip(),
            unit.segment_id,
            offset,
            pts=None if offset is None else round(self.opened.began * 1e9) + offset,
            text_type=unit.text_type,
            context_id=context.id,
            raw_text=unit.raw_text if text.strip() == unit.text.strip() else None,
            append_to_context=context.append_to_context,
            includes_inter_frame_spaces=keeps_spaces,
            interruptible=context.interruptible,
        )
        progress = AggregatedTextProgressFrame(
            unit.segment_id,
            context.id,
            unit.before + unit.text,
            unit.text_type,
            unit.before + unit.text[:upto],
            unit.text[upto:],
        )
        return word, progress

    def _next_unit(self, unit: SpeechUnit) -> SpeechUnit | None:
        """The one behind it in its context, where the words of all of them come in one stream."""
        if not self.streams_contexts:
            return None
        units = self._units_of(unit.context)
        place = units.index(unit)
        return units[place + 1] if place + 1 < len(units) else None

    def _units_of(self, context: SpeechContext) -> list[SpeechUnit]:
        return [item for item in self.to_do if isinstance(item, SpeechUnit) and in_context(item, context)]

    def _following(self, unit: SpeechUnit, word: Word) -> int | None:
        """Which of the units behind this one, in its context, the word is found in."""
        units = self._units_of(unit.context) if self.streams_contexts else [unit]
        behind = units[units.index(unit) + 1 :]
        fits = (number for number, each in enumerate(behind) if fit_word(each.speech, 0, word.text) is not None)
        return next(fits, None)

    def _start_of(self, word: Word, request: SpeechRequest) -> int:
        """The sample of the context at which it begins."""
        return self.said.begin + round(word.start * request.rate)

    def _note_next(self, request: SpeechRequest) -> None:
        start = self._start_of(request.words[0], request) if request.words else None
        if start != self.said.next_start:
            self.said = attrs.evolve(self.said, next_start=start)

    def _rate(self) -> int:
        """Hz of the sound of the context that is open."""
        return (self.opened.rate if self.opened is not None else 0) or self.sample_rate

    # ---- ends

    def _finish_unit(self, unit: SpeechUnit, request: SpeechRequest) -> tuple[Effect, ...]:
        """All of a unit has left; what of its text wasn't told is told now."""
        assert self.opened is not None
        effects: list[Effect] = []
        was_heard = self.opened.samples > 0 if self.streams_contexts else self.said.samples > 0
        if was_heard and self.gives_word_times and not self.streams_contexts:
            while request.words:
                told, _ = self._tell_words(unit, request, self._start_of(request.words[0], request) + 1)
                effects += told
        rest = unit.text[self.said.told :]
        if was_heard and rest.strip():
            effects += self._words(unit, rest, upto=len(unit.text))
        self.opened = attrs.evolve(self.opened, characters=self.opened.characters + len(unit.text))
        if self.said.unit_id == unit.id and len(unit.speech) > self.said.characters:
            effects += self.meter.characters(len(unit.speech) - self.said.characters)
        if not self.streams_contexts:
            effects += self.meter.done(request.id, self.now)
        self._leave(unit)
        if request.is_at_border:
            request.pass_border()
        return tuple(effects)

    def _leave(self, unit: SpeechUnit) -> None:
        """A unit is done with."""
        self.to_do = tuple(item for item in self.to_do if item != unit)
        self.said = Said()
        self.asked.pop(unit.id, None)
        if not self.streams_contexts:
            self._drop_request(unit.request_id)
        if not unit.is_whole:
            self.gathered = ""
        self._ask()

    def _close(self, context: SpeechContext, *, is_cut: bool = False) -> tuple[Effect, ...]:
        """The end of a context; a silent one is an error."""
        opened = self.opened
        if opened is None or opened.context.id != context.id:
            return ()
        self.opened, self.said = None, Said()
        stopped = self._own(TTSStoppedFrame(context.id, interruptible=context.interruptible), context)
        if opened.samples:
            characters, seconds = self.measured
            self.measured = (characters + opened.characters, seconds + opened.samples / opened.rate)
            self.plays_until = opened.began + opened.samples / opened.rate
            return (stopped,)
        if is_cut:
            return (stopped,)
        return (Up(self._error(f"nothing was heard of {context.id}", "service")), stopped, *self._count_silent())

    def _count_silent(self) -> tuple[Effect, ...]:
        self.silent += 1
        if not self.max_consecutive_zero_audio_contexts or self.silent < self.max_consecutive_zero_audio_contexts:
            return ()
        return self._give_up(f"{self.silent} syntheses in a row were silent; it isn't asked any more")

    def _give_up(self, text: str) -> tuple[Effect, ...]:
        """The service is of no use: brackets and frames of others go on without speech."""
        if self.is_unusable:
            return ()
        self.is_unusable, self.gathered = True, ""
        units = [item for item in self.to_do if isinstance(item, SpeechUnit)]
        self.to_do = tuple(item for item in self.to_do if not isinstance(item, SpeechUnit))
        self._forget_requests(units)
        return (Up(self._error(text, "service")),)

    def _fail_unit(self, unit: SpeechUnit, failure: Failure) -> _Step:
        """It can't be said, or no further: its context ends, and what follows it goes on in another one."""
        effects: tuple[Effect, ...] = ()
        if not self.gives_word_times and self.said.samples:
            _, heard, _ = self._by_duration([unit], self.said.samples)
            effects = self._words(unit, heard, upto=len(heard)) if heard.strip() else ()
        self._leave(unit)
        return self._fail(unit.context, failure, effects)

    def _fail(self, context: SpeechContext, failure: Failure, effects: tuple[Effect, ...]) -> _Step:
        was_silent = self.opened is None or not self.opened.samples
        error = self._error(failure.text, "service", failure.exception)
        effects = (*effects, Up(error), *self._close(context, is_cut=True))
        self._go_on_elsewhere(context)
        if failure.is_permanent:
            effects += self._give_up("it can't be used any more")
        elif was_silent:
            effects += self._count_silent()
        self._ask()
        return _Step(context.epoch, effects)

    def _go_on_elsewhere(self, context: SpeechContext) -> None:
        """What is left of a context becomes another one's."""
        self.contexts += 1
        new = attrs.evolve(context, id=f"{self.address}/{self.contexts}")
        self.to_do = tuple(self._moved(item, new) if in_context(item, context) else item for item in self.to_do)
        if self.text_context is not None and self.text_context.id == context.id:
            self.text_context = new
        if self._drop_request(context.id):
            self.cancel(context.id)

    def _moved(self, item: Item, context: SpeechContext) -> Item:
        if isinstance(item, SpeechUnit) and self.streams_contexts:
            self.asked.pop(item.id, None)
            return attrs.evolve(item, context=context, request_id=context.id)
        return attrs.evolve(item, context=context)

    def _time_out(self) -> _Step:
        """Nothing has come for too long: what is open is taken to be complete."""
        item = self.to_do[0] if self.to_do else None
        if isinstance(item, SpeechUnit):
            context, request_id = item.context, item.request_id
        elif self.opened is not None:
            context, request_id = self.opened.context, self.opened.context.id
        else:
            return _Step(self.epoch)
        request = self.requests.get(request_id)
        if self.text_context is not None and self.text_context.id == context.id:
            self._close_text()
        if request is not None and isinstance(item, SpeechUnit):
            self.late[request.id] = (request, attrs.evolve(item, text="", speech="") if self.said.samples else item)
        if self.streams_contexts and request is not None:
            request.is_done = True
            return _Step(context.epoch)
        effects: tuple[Effect, ...] = ()
        if isinstance(item, SpeechUnit):
            effects = self._finish_unit(item, request) if request is not None else ()
            self._leave(item)
        effects += self._close(context)
        self._go_on_elsewhere(context)
        return _Step(context.epoch, effects)

    def _revive(self, request_id: str) -> SpeechRequest | None:
        """Sound comes after all of what was taken to be complete: it is said in a context of its own."""
        late = self.late.pop(request_id, None)
        if late is None:
            return None
        request, unit = late
        request.is_done = False
        self.contexts += 1
        self.units += 1
        context = attrs.evolve(unit.context, id=f"{self.address}/{self.contexts}")
        unit = attrs.evolve(unit, id=f"{self.address}-{self.units}", context=context, is_shown=True)
        self.requests[request_id] = request
        self.asked[unit.id] = len(unit.speech)
        self.to_do = (*self.to_do, unit, Close(context))
        self._go_on()
        return request

    # ---- cuts and restarts

    def _forget(self) -> None:
        """Drop what was cut, and have the service stop it."""
        began = bool(self.requests) or self.bot_speaks
        cut = [item for item in self.to_do if isinstance(item, SpeechUnit) and item.context.interruptible]
        opened = self.opened if self.opened is not None and self.opened.context.interruptible else None
        self.gathered, self.text_context, self.plays_until = "", None, 0.0
        self.to_do = uncut(self.to_do)
        self._forget_requests(cut)
        if opened is not None:
            if self._drop_request(opened.context.id):
                self.cancel(opened.context.id)
            self.opened, self.said = None, Said()
        self.late = {id: late for id, late in self.late.items() if not late[1].context.interruptible}
        if not self.has_contexts and began and (cut or opened is not None):
            self.reconnect()
            self._resume()

    def _forget_requests(self, units: Iterable[SpeechUnit]) -> None:
        for unit in units:
            self.asked.pop(unit.id, None)
            if self._drop_request(unit.request_id):
                self.cancel(unit.request_id)

    def _drop_request(self, request_id: str) -> bool:
        """Forget a request, which has no values any more. False if there was none."""
        self.meter.cancelled(request_id)
        return self.requests.pop(request_id, None) is not None

    def _lose(self, failure: Failure) -> None:
        """The connection is gone, and with it all that was asked: it is asked again, but for what had left."""
        self.start_soon(self._tell_error, failure, interruptible=False)
        for request_id in list(self.requests):
            self.cancel(request_id)
        if failure.is_permanent:
            self._give_up("it can't be used any more")
        self._resume()
        self._go_on()

    async def _tell_error(self, failure: Failure) -> None:
        await self.push(Up(self._error(failure.text, "service", failure.exception)))

    def _resume_once(self) -> None:
        """In a new incarnation: go on where the last one was."""
        if not self.has_resumed:
            self.has_resumed = True
            self._resume()

    def _resume(self) -> None:
        """Nothing that was asked will be answered: end what is open, and have the rest said in another context."""
        for request_id in list(self.requests):
            self._drop_request(request_id)
        self.asked.clear()
        self.late.clear()
        opened = self.opened
        if opened is None or (self.is_repeatable and not self.streams_contexts):
            return
        context = opened.context
        told: list[Frame] = []
        units = self._units_of(context)
        if units and units[0].id == self.said.unit_id:
            told = self._cut(units, opened)
        self.said = Said()
        self._go_on_elsewhere(context)
        sends = [Send(frame, context.epoch, context, not context.interruptible) for frame in told]
        self.to_do = (*sends, Close(context, is_cut=True), *self.to_do)

    def _cut(self, units: list[SpeechUnit], opened: OpenContext) -> list[Frame]:
        """Leave of the units of the open context what hasn't left; the frames that tell what has."""
        told: list[Frame] = []
        if self.gives_word_times:
            number, rest = 0, cut_after_said(units[0], self.said, opened.samples)
            left = units[0].text[self.said.told :]
            if rest is None and left.strip():
                told += self._word_frames(units[0], left, len(units[0].text))
        elif not self.said.samples:
            return []
        else:
            number, heard, rest = self._by_duration(units if self.streams_contexts else units[:1], self.said.samples)
            for unit in units[:number]:
                told += self._word_frames(unit, unit.text, len(unit.text))
            if heard.strip():
                told += self._word_frames(units[number], heard, len(heard))
        for unit in units[:number]:
            self.to_do = tuple(item for item in self.to_do if item != unit)
        if rest is None:
            self.to_do = tuple(item for item in self.to_do if item != units[number])
        else:
            self.units += 1
            id = f"{self.address}-{self.units}"
            self._replace(units[number], attrs.evolve(rest, id=id, request_id=id))
        return told

    def _by_duration(self, units: list[SpeechUnit], samples: int) -> tuple[int, str, SpeechUnit | None]:
        characters, seconds = self.measured
        rate = characters / seconds if characters and seconds else None
        return cut_by_duration(units, samples / self._rate(), characters_per_second=rate)

    # ---- contexts

    def _context(self, *, append_to_context: bool = True, interruptible: bool = True) -> SpeechContext:
        self.contexts += 1
        return SpeechContext(f"{self.address}/{self.contexts}", self.epoch, append_to_context, interruptible)

    def _close_text(self) -> None:
        """No more text comes for the response's context."""
        context, self.text_context = self.text_context, None
        if context is not None and (self._is_open(context) or any(in_context(item, context) for item in self.to_do)):
            self._place([Close(context)], context)
            self._go_on()

    def _replace(self, old: Item, *new: Item) -> None:
        place = self.to_do.index(old)
        self.to_do = (*self.to_do[:place], *new, *self.to_do[place + 1 :])

    def _place(self, items: Iterable[Item], context: SpeechContext) -> None:
        self.to_do = placed(self.to_do, items, context, self.opened)

    # ---- what is sent

    def _own(self, frame: Frame, context: SpeechContext) -> Effect:
        return frame if context.interruptible else Immune(frame)

    def _error(self, text: str, category: str, exception: BaseException | None = None) -> ErrorFrame:
        return ErrorFrame(
            f"{self.address}: {text}", processor=str(self.address), exception=exception, category=category
        )

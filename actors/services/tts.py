"""Text that becomes speech: what every synthesiser does with the frames that come to it.

Handlers decide what is to be said and where it stands among what others send. Saying it is the speaker's part.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, ClassVar, cast

import attrs

from ...channels.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ControlFrame,
    DataFrame,
    EndFrame,
    Frame,
    FunctionCallInProgressFrame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    ServiceUpdateSettingsFrame,
    StartFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
    Uninterruptible,
)
from ...channels.frozen import FrozenDict, freeze
from ..actor import actor, durable, on
from ..effects import Effect, Fire, Up
from .speaker import Speaker
from .speech_units import Close, Item, Send, SpeechContext, SpeechUnit, in_context, is_immune
from .text_aggregation import Gathered, Piece, SentenceAggregator, TextAggregator
from .text_filters import TextFilter, Transform, speech_of

__all__ = ["TTSService"]

MOST_ITEMS = 64
"""So much may wait in order before those who send are slowed: as much as a lane holds."""
RESPONSE = "response"
"""The meter's key of a response whose sentences are gathered; the others are ids of requests, which hold the actor's name."""


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


def _filters(values: Iterable[TextFilter]) -> tuple[TextFilter, ...]:
    return tuple(values)


@actor
class TTSService(Speaker):
    """Base of synthesisers. Speaks LLM text unit by unit, and TTSSpeakFrame.

    For each context AggregatedTextFrame, TTSStartedFrame, sound and words (TTSTextFrame), TTSStoppedFrame. Frames of others keep their
    place among contexts. Fires `on_text_matched(match)` for what an aggregator finds between marks.

    A service overrides `synthesize`, which says one unit; or `ask`, `finish` and `cancel` where one connection says all. What
    comes back it gives to `hand_in`.
    """

    events: ClassVar[tuple[str, ...]] = ("on_text_matched",)
    settings_names: ClassVar[frozenset[str] | None] = None
    """What may be changed while it runs; None means anything."""

    aggregator: TextAggregator = attrs.field(factory=SentenceAggregator, kw_only=True)
    """What cuts text into units."""
    text_filters: Iterable[TextFilter] = attrs.field(default=(), kw_only=True, converter=_filters)
    """What takes out of a text what isn't said, in this order."""
    text_transforms: Mapping[str, Transform] = attrs.field(factory=dict[str, Transform], kw_only=True)
    """By type of text, or `"*"` for all: how a text is said."""
    skip_text_types: Iterable[str] = attrs.field(default=(), kw_only=True, converter=_strings)
    """Types of text that are shown and not said, such as `"code"`."""
    pause_frame_processing: bool = attrs.field(default=False, kw_only=True)
    """Take nothing more behind the end of a response, or a TTSSpeakFrame, until all contexts are closed."""
    reuse_context_id_within_turn: bool = attrs.field(default=True, kw_only=True)
    """One context for all units of a response; else one for each."""

    memories: tuple[Hashable, ...] = durable(())
    """Of the filters."""
    in_response: bool = durable(False)
    skips: bool = durable(False)
    """Whether the response isn't to be spoken."""
    changes: FrozenDict = durable(FrozenDict)
    """Settings that were changed."""

    # ---- handlers

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.sample_rate = frame.audio_out_sample_rate
        self.meter.start(frame, str(self.address))
        if self.cut_epoch == self.epoch:
            # If an interruption has come since the last incarnation, its frame follows.
            self._resume_once()
            self._go_on()

    @on(LLMFullResponseStartFrame)
    def begin_response(self, frame: LLMFullResponseStartFrame) -> tuple[Effect, ...]:
        effects = self._flush() if self.in_response else ()
        self._close_text()
        self.meter.cancelled(RESPONSE)
        self.in_response, self.skips, self.memories, self.late = True, bool(frame.skip_tts), (), {}
        return (*effects, *self._in_order(frame))

    @on(LLMTextFrame)
    def read(self, frame: LLMTextFrame) -> tuple[Effect, ...]:
        if self._is_going_up():
            return (frame,)
        if self._is_skipped(frame.skip_tts):
            return self._beside(frame)
        if frame.text.strip():
            self.meter.token(RESPONSE, self.now)
        if self.text_aggregation == "token":
            return self._read_token(frame.text)
        gathered = self.aggregator.add(self.gathered, frame.text)
        self.gathered = gathered.rest
        return self._add_gathered(gathered)

    @on(AggregatedTextFrame)
    def read_unit(self, frame: AggregatedTextFrame) -> tuple[Effect, ...]:
        if self._is_going_up():
            return (frame,)
        if isinstance(frame, TTSTextFrame) or frame.will_be_spoken:
            return self._in_order(frame)
        effects = self._flush()
        if self._is_skipped(frame.skip_tts):
            return (*effects, *self._beside(frame))
        return (*effects, *self._add_piece(Piece(frame.text, frame.text_type, frame.raw_text)))

    @on(FunctionCallInProgressFrame)
    def call(self, frame: FunctionCallInProgressFrame) -> tuple[Effect, ...]:
        if self._is_going_up():
            return (frame,)
        effects = self._flush()
        self._close_text()
        return (*effects, *self._in_order(frame))

    @on(LLMFullResponseEndFrame)
    async def end_response(self, frame: LLMFullResponseEndFrame) -> None:
        effects = self._flush()
        self._close_text()
        self.meter.cancelled(RESPONSE)
        self.in_response, self.skips = False, False
        await self._send(*effects, *self._in_order(frame))
        await self._hold()

    @on(TTSSpeakFrame)
    async def speak(self, frame: TTSSpeakFrame) -> None:
        if self._is_going_up():
            await self._send(frame)
            return
        await self._send(*self._speak(frame))
        await self._hold()

    @on(TTSUpdateSettingsFrame, ServiceUpdateSettingsFrame)
    def update(self, frame: ServiceUpdateSettingsFrame) -> tuple[Effect, ...]:
        is_ours = frame.service in (self.address, str(self.address)) or (
            frame.service is None and type(frame) in (TTSUpdateSettingsFrame, ServiceUpdateSettingsFrame)
        )
        if not is_ours:
            return (frame,) if self._is_going_up() else self._in_order(frame)
        unknown = self._change(frame)
        error = [Up(self._error(f"it has no settings {', '.join(unknown)}", "application"))] if unknown else []
        # One that names no kind of service is for others, too.
        passed = self._in_order(frame) if frame.service is None and type(frame) is ServiceUpdateSettingsFrame else ()
        return (*error, *passed)

    @on(DataFrame, ControlFrame)
    async def keep_in_order(self, frame: Frame) -> None:
        """What comes behind speech leaves behind it."""
        if not self._is_going_up():
            while len(self.to_do) >= MOST_ITEMS:
                await self.moved.park()
            await self._send(*self._in_order(frame))
            return
        await self._send(frame)

    @on(BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
    def note(self, frame: Frame) -> Frame:
        self.bot_speaks = isinstance(frame, BotStartedSpeakingFrame)
        return frame

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None:
        self.cut_epoch = self.epoch
        self.memories = ()
        self.meter.cancelled(RESPONSE)
        self.in_response, self.skips = False, False
        self._forget()
        self._resume_once()
        self._go_on()

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        """It is taken when the list is worked off; but text whose response never ended may still be gathered."""
        if self.gathered or self.text_context is not None:
            effects = self._flush()
            self._close_text()
            await self._send(*effects)
        while self._has_work():
            await self.moved.park()

    # ---- text in

    def _is_going_up(self) -> bool:
        return self.direction == "up"

    def _is_skipped(self, skip_tts: bool | None) -> bool:
        return self.skips if skip_tts is None else skip_tts

    def _flush(self) -> tuple[Effect, ...]:
        """What is gathered is complete."""
        if self.text_aggregation == "token":
            return self._end_tokens()
        gathered, self.gathered = self.aggregator.flush(self.gathered), ""
        return self._add_gathered(gathered)

    def _add_gathered(self, gathered: Gathered) -> tuple[Effect, ...]:
        effects: list[Effect] = [Fire("on_text_matched", match) for match in gathered.matches]
        for piece in gathered.pieces:
            effects += self._add_piece(piece)
        return tuple(effects)

    def _add_piece(self, piece: Piece) -> tuple[Effect, ...]:
        if piece.text_type in self.skip_text_types:
            return self._beside(
                AggregatedTextFrame(piece.text, text_type=piece.text_type, raw_text=piece.raw_text, skip_tts=True)
            )
        speech, self.memories = self._speech_of(piece, self.memories)
        if not speech.strip() or self.is_unusable:
            return ()
        effects = self.meter.sentence(RESPONSE, self.now)
        context = self._response_context()
        unit = self._unit(piece, speech, context)
        self._place([unit], context)
        if not self.reuse_context_id_within_turn:
            self._close_text()
        self._go_on()
        return effects

    def _speech_of(self, piece: Piece, memories: tuple[Hashable, ...]) -> tuple[str, tuple[Hashable, ...]]:
        speech, memories = speech_of(
            piece.text, piece.text_type, memories, filters=self.text_filters, transforms=self.text_transforms
        )
        return speech.strip(), memories

    def _unit(self, piece: Piece, speech: str, context: SpeechContext) -> SpeechUnit:
        self.units += 1
        id = f"{self.address}-{self.units}"
        return SpeechUnit(
            id,
            context,
            piece.text.strip(),
            speech,
            id,
            piece.text_type,
            piece.raw_text,
            self.changes,
            request_id=context.id if self.streams_contexts else id,
        )

    def _response_context(self) -> SpeechContext:
        """Where the next unit of the response goes."""
        context = self.text_context
        request = None if context is None else self.requests.get(context.id)
        if request is not None and request.is_done:
            self._close_text()  # the service has ended it by itself
        if self.text_context is None:
            self.text_context = self._context()
        return self.text_context

    def _speak(self, frame: TTSSpeakFrame) -> tuple[Effect, ...]:
        """A context of its own, behind that of the response, which goes on in another one."""
        piece = Piece(frame.text.strip(), frame.text_type)
        speech, _ = self._speech_of(piece, ())
        if not speech or self.is_unusable:
            return ()
        # Tokens were asked for already, so their sentence ends here; what is only gathered goes on behind this.
        effects = self._end_tokens() if self.text_aggregation == "token" else ()
        self._close_text()
        # Its class, or whoever sent it, may say that it mustn't be interrupted.
        interruptible = frame.interruptible and not isinstance(frame, Uninterruptible)
        context = self._context(append_to_context=frame.append_to_context, interruptible=interruptible)
        items: list[Item] = [self._unit(piece, speech, context), Close(context)]
        if frame.append_to_context and not self.in_response:
            items.append(Send(LLMAssistantPushAggregationFrame(), context.epoch, immune=not interruptible))
        self.to_do = (*self.to_do, *items)
        self._go_on()
        return effects

    def _read_token(self, text: str) -> tuple[Effect, ...]:
        """Ask for text as it comes; its words are still told sentence by sentence."""
        if self.is_unusable or not (self.gathered or text.strip()):
            return ()
        gathered = self.aggregator.add(self.gathered, text if self.gathered else text.lstrip())
        effects: list[Effect] = [*self.meter.sentence(RESPONSE, self.now)] if gathered.pieces else []
        self._grow(gathered.pieces, gathered.rest)
        self.gathered = gathered.rest
        return (*effects, *(Fire("on_text_matched", match) for match in gathered.matches))

    def _end_tokens(self) -> tuple[Effect, ...]:
        gathered, self.gathered = self.aggregator.flush(self.gathered), ""
        self._grow(gathered.pieces, "")
        return tuple(Fire("on_text_matched", match) for match in gathered.matches)

    def _grow(self, pieces: Iterable[Piece], rest: str) -> None:
        """Put the sentences that are complete, and the one that isn't, in place of the one that wasn't."""
        texts = [*((piece, True) for piece in pieces), *([(Piece(rest), False)] if rest.strip() else [])]
        for piece, is_whole in texts:
            context = self._response_context()
            growing = next(
                (
                    item
                    for item in self.to_do
                    if isinstance(item, SpeechUnit) and in_context(item, context) and not item.is_whole
                ),
                None,
            )
            text = piece.text.strip() if is_whole else piece.text.lstrip()
            if growing is None:
                unit = attrs.evolve(self._unit(piece, text, context), text=text, is_whole=is_whole)
                self._place([unit], context)
            else:
                # After a restart it holds only the rest of its sentence.
                text = text[len(growing.before) :]
                grown = attrs.evolve(growing, text=text, speech=text, is_whole=is_whole)
                self._replace(growing, grown)
        self._go_on()

    def _beside(self, frame: Frame) -> tuple[Effect, ...]:
        """Text that isn't spoken: in order with that of its response which is."""
        if not self._has_work():
            return (frame,)
        send = Send(frame, self.epoch, self.text_context, is_immune(frame))
        if self.text_context is None:
            self.to_do = (*self.to_do, send)
        else:
            self._place([send], self.text_context)
        self._go_on()
        return ()

    def _in_order(self, frame: Frame) -> tuple[Effect, ...]:
        """Sent now, or behind the contexts before it."""
        if not self._has_work():
            return (frame,)
        self.to_do = (*self.to_do, Send(frame, self.epoch, None, is_immune(frame)))
        self._go_on()
        return ()

    async def _send(self, *effects: Effect) -> None:
        if effects:
            await self.push(*effects)

    async def _hold(self) -> None:
        """Take nothing more before all contexts are closed, if that is wanted."""
        while self.pause_frame_processing and self._has_speech():
            await self.moved.park()

    # ---- settings

    def _change(self, frame: ServiceUpdateSettingsFrame) -> list[str]:
        """Note what changes for later requests; the names that it doesn't have."""
        changes: dict[str, Any] = dict(frame.settings or {})
        delta = frame.delta
        if isinstance(delta, Mapping):
            changes |= cast("Mapping[str, Any]", delta)
        elif delta is not None and attrs.has(type(delta)):
            fields = attrs.fields(cast("type[Any]", type(delta)))
            values = {field.name: getattr(delta, field.name) for field in fields}
            changes |= {name: value for name, value in values.items() if value is not None}
        names = self.settings_names
        known = {name: value for name, value in changes.items() if names is None or name in names}
        self.changes = freeze({**self.changes, **known})
        return sorted(set(changes) - set(known))

"""An answer of the bot, and the text of it that is heard and not written yet: frozen values."""

from __future__ import annotations

from collections.abc import Container, Iterable

import attrs

from ..channels import (
    AggregatedTextFrame,
    EagerTranscriptionFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    TextFrame,
    TranscriptionFrame,
    TranslationFrame,
    TTSTextFrame,
    UserBackchannelFrame,
)
from .joining import Part, join

__all__: list[str] = []

NOT_OURS = (
    TranscriptionFrame,
    InterimTranscriptionFrame,
    EagerTranscriptionFrame,
    TranslationFrame,
    UserBackchannelFrame,
    InputTextRawFrame,
)
"""Text frames that aren't the bot's."""


@attrs.frozen
class Response:
    """An answer, from its first sign until nothing more of it will come."""

    id: int
    run_id: int | None
    timestamp: str
    """When it began, ISO 8601."""
    is_speech_of_its_own: bool = False
    """Nobody ran the model for it: the application spoke."""
    contexts: frozenset[str | None] = frozenset()
    """Its syntheses so far."""
    going_on: frozenset[str | None] = frozenset()
    """After an interruption: those that may not be interrupted. With the last one it is over."""
    segments: tuple[str, ...] = ()
    """What of it is written already."""

    def with_speech(self, context_id: str | None) -> Response:
        return attrs.evolve(self, contexts=self.contexts | {context_id})

    def without_speech(self, context_id: str | None) -> Response:
        return attrs.evolve(self, going_on=self.going_on - {context_id})

    def with_segment(self, text: str) -> Response:
        return attrs.evolve(self, segments=(*self.segments, text)) if text else self

    @property
    def content(self) -> str:
        """All that was written of it."""
        return " ".join(self.segments)


@attrs.frozen
class Gathered:
    """Text that has come and isn't written."""

    parts: tuple[Part, ...] = ()
    marks: tuple[str, ...] = ()
    """They stand before the text, and aren't part of it for anybody but the model."""

    def __bool__(self) -> bool:
        return bool(self.marks or self.text)

    def with_text(self, frame: TextFrame) -> Gathered:
        if isinstance(frame, AggregatedTextFrame):
            text, context_id = frame.raw_text or frame.text, frame.context_id
        else:
            text, context_id = frame.text, None
        if not text:
            return self
        part = Part(text, frame.includes_inter_frame_spaces, context_id, isinstance(frame, TTSTextFrame))
        return Gathered((*self.parts, part), self.marks)

    def with_heard(self, heard: Iterable[tuple[str | None, str]]) -> Gathered:
        """With texts that were heard, by their synthesis."""
        return Gathered((*self.parts, *(Part(text, context_id=of, is_heard=True) for of, text in heard)), self.marks)

    def with_mark(self, mark: str) -> Gathered:
        return Gathered(self.parts, (*self.marks, mark))

    def parted(self, contexts: Container[str | None]) -> tuple[Gathered, Gathered]:
        """What isn't of these syntheses, with the marks, and what is."""
        others = tuple(part for part in self.parts if part.context_id not in contexts)
        return Gathered(others, self.marks), Gathered(tuple(part for part in self.parts if part.context_id in contexts))

    @property
    def was_heard(self) -> bool:
        """Whether any of it is known to have been heard."""
        return any(part.is_heard for part in self.parts)

    @property
    def text(self) -> str:
        return join(self.parts)

    @property
    def content(self) -> str:
        """As it is written."""
        return " ".join([*self.marks, *([text] if (text := self.text) else [])])


def is_backchannel(frame: TextFrame) -> bool:
    """Whether the bot says "mhm" by it while the user speaks."""
    return isinstance(frame, AggregatedTextFrame) and frame.text_type == "backchannel" and bool(frame.text.strip())


def segment_of(frame: TextFrame) -> str | None:
    """What it is a piece of."""
    segment: str | None = getattr(frame, "segment_id", None) or getattr(frame, "context_id", None)
    return segment

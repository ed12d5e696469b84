"""What a synthesiser has before it, in order: values, and the decisions about them that need no actor.

1. Between the begin and the end of a context stands only what is its own. What others send waits behind the end of a context
   that began before it, also behind text of it that comes later.
2. An interruption leaves what may not be interrupted, in its order, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs

from ...channels.frames import Frame, Uninterruptible
from ...channels.frozen import FrozenDict
from .word_times import nearest_border, place_in_text, split_at

__all__ = [
    "Close",
    "Item",
    "OpenContext",
    "Said",
    "Send",
    "SpeechContext",
    "SpeechUnit",
    "cut_after_said",
    "cut_by_duration",
    "in_context",
    "is_immune",
    "placed",
    "uncut",
]


@attrs.frozen
class SpeechContext:
    """One synthesis: what is said between its begin and its end, such as a response of a language model."""

    id: str
    epoch: int
    append_to_context: bool = True
    interruptible: bool = True


@attrs.frozen
class SpeechUnit:
    """A piece of text to be synthesised in one go, such as a sentence."""

    id: str
    context: SpeechContext
    text: str
    """As it was written."""
    speech: str
    """As it is said: the text, without what isn't spoken."""
    segment_id: str = ""
    """What its words name. A unit that says the rest of another one has that one's."""
    text_type: str = "sentence"
    raw_text: str | None = None
    settings: FrozenDict = attrs.field(factory=FrozenDict)
    """Changes of the service's settings, by name, that hold for it."""
    before: str = ""
    """Text of its segment that was said before it."""
    told: int = 0
    """Characters of its text whose words have been told, though their sound comes again."""
    is_whole: bool = True
    """Whether no more text will be added to it."""
    is_shown: bool = False
    """Whether its AggregatedTextFrame has left."""
    request_id: str = ""
    """What the service knows it by: its own id, or that of its context."""


@attrs.frozen
class Close:
    """The end of a context."""

    context: SpeechContext
    is_cut: bool = False
    """It ends because its service can't go on, not because all was said."""


@attrs.frozen
class Send:
    """A frame that keeps its place."""

    frame: Frame
    epoch: int
    context: SpeechContext | None = None
    """The one that it belongs to, as text that isn't spoken does."""
    immune: bool = False


Item: TypeAlias = SpeechUnit | Close | Send


@attrs.frozen
class OpenContext:
    """The context whose begin has left, and its end hasn't."""

    context: SpeechContext
    rate: int = 0
    """Hz; 0 before the first sound."""
    samples: int = 0
    """Sound that has left."""
    began: float = 0.0
    """Session time of its first sound; behind a context whose sound can't be over, the time when it is."""
    last_offset: int = 0
    """Of its last word, nanoseconds."""
    characters: int = 0
    """Text of its units that were said whole."""


@attrs.frozen
class Said:
    """How much of the unit in hand has left."""

    unit_id: str = ""
    begin: int = 0
    """The sample of its context that its service's times count from."""
    samples: int = 0
    place: int = 0
    """In what is said, behind the last word told."""
    told: int = 0
    """In the text, behind that word."""
    words: int = 0
    """Words of the service that are used up."""
    last_place: int = 0
    """In what is said, before the last word told."""
    next_start: int | None = None
    """The sample of the context at which the next word begins, once known: the last one told ends there."""
    characters: int = 0
    """How many are told as used."""


def in_context(item: Item, context: SpeechContext) -> bool:
    """Whether it stands between the begin and the end of this context."""
    return item.context is not None and item.context.id == context.id


def placed(
    to_do: Sequence[Item], items: Iterable[Item], context: SpeechContext, opened: OpenContext | None
) -> tuple[Item, ...]:
    """The list with more of a context: behind the last of it; in front, when all of it has left but its end."""
    last = max((place for place, item in enumerate(to_do) if in_context(item, context)), default=-1)
    is_open = opened is not None and opened.context.id == context.id
    place = len(to_do) if last < 0 and not is_open else last + 1
    return (*to_do[:place], *items, *to_do[place:])


def is_immune(frame: Frame) -> bool:
    """Whether a frame that was held back is to be sent immune: by its class, or as it says itself."""
    return isinstance(frame, Uninterruptible) or getattr(frame, "interruptible", True) is False


def uncut(to_do: Iterable[Item]) -> tuple[Item, ...]:
    """What an interruption leaves of the list."""
    return tuple(item for item in to_do if (item.immune if isinstance(item, Send) else not item.context.interruptible))


def cut_after_said(unit: SpeechUnit, said: Said, samples: int) -> SpeechUnit | None:
    """The rest of a unit whose words have times: from the first word on whose sound hadn't all left. None: all had.

    `samples` is the sound of its context that has left.
    """
    is_last_whole = said.next_start is not None and samples >= said.next_start
    place = said.place if is_last_whole else said.last_place
    return _rest(unit, place_in_text(unit.text, unit.speech, place), place, told=said.told)


def cut_by_duration(
    units: Sequence[SpeechUnit], seconds: float, *, characters_per_second: float | None
) -> tuple[int, str, SpeechUnit | None]:
    """What of some units' text was said in so many seconds, by the word border that is nearest.

    Returns which of the units that is in, its text up to there, and its rest. Units before it were said whole.
    """
    number, border = split_at([unit.text for unit in units], seconds, characters_per_second=characters_per_second)
    unit = units[number]
    place = border
    if unit.text != unit.speech:
        # As far in what is said as in what is written.
        place = nearest_border(unit.speech, border * len(unit.speech) / max(1, len(unit.text)))
    return number, unit.text[:border], _rest(unit, border, place, told=border)


def _rest(unit: SpeechUnit, in_text: int, in_speech: int, *, told: int) -> SpeechUnit | None:
    speech = unit.speech[in_speech:].lstrip()
    if not speech and unit.is_whole:
        return None
    space = len(unit.text[in_text:]) - len(unit.text[in_text:].lstrip())
    begin = in_text + space
    return attrs.evolve(
        unit,
        text=unit.text[begin:],
        speech=speech,
        before=unit.before + unit.text[:begin],
        told=max(0, told - begin),
    )

"""Where everything in the picture of a conversation stands. Pure: a story in, places out.

1. A row holds at most `ROW_SECONDS`; a conversation is as many rows as it needs, all to one scale.
2. Words flow: one stands at its own time, or a little later when its neighbour is still in the way, or a line lower.
   So no two overlap, whatever the times are, and whoever reads a line reads them in order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import attrs

from .lettering import picture_width, printable
from .story import Moment, Speech, Story, Who, Word

__all__ = ["Block", "Lane", "Layout", "Mark", "Row", "Text", "duration", "lay_out", "lines_of", "mark_width", "rows_of"]

# All lengths are in the picture's own units, pixels when it is shown at its size.
WIDTH = 1280.0
LEFT, RIGHT = 84.0, 1244.0
"""Where a row's first and last moment stand."""
EDGE = 1272.0
"""No word or label goes beyond."""
ROW_SECONDS = 10
SIZE, SMALL = 12.5, 11.0
LINE = 17.0
BAR = 14.0
GAP = 6.0
ICON = 8.0
"""Half as wide as a mark's icon with the room around it."""
DRIFT = 80.0
"""How far a word may slide from its time before it takes the next line: about two thirds of a second."""
LETTERS = 22
"""Of a longer word, this many letters are shown."""
PARAGRAPH = 130.0
"""Unheard words may run up to the next speech, and so far if that is sooner."""
UNHEARD_WORDS = 24
"""Of more unheard words only the number is told."""
WORD_SECONDS = 0.35
"""What an unheard word takes, at 175 words a minute."""
# The lanes, from above.
SIDES: tuple[Who, ...] = ("caller", "agent")


@attrs.frozen
class Row:
    """A stretch of the conversation, and its scale."""

    start: float
    seconds: int
    is_first: bool
    is_last: bool

    @property
    def end(self) -> float:
        return self.start + self.seconds

    def holds(self, time: float) -> bool:
        """Whether what happens then is drawn here; what stands on the border belongs to the next row, if there is one."""
        return (self.is_first or self.start <= time) and (self.is_last or time < self.end)

    def x(self, time: float) -> float:
        inside = min(max(time - self.start, 0.0), float(self.seconds))
        return LEFT + inside / self.seconds * (RIGHT - LEFT)


def rows_of(story: Story) -> list[Row]:
    """As few rows as hold the conversation, of whole seconds."""
    seconds = max(duration(story), 1.0)
    count = math.ceil(seconds / ROW_SECONDS)
    each = math.ceil(seconds / count)
    return [Row(float(index * each), each, is_first=index == 0, is_last=index == count - 1) for index in range(count)]


@attrs.frozen
class Block:
    """A stretch of sound in a lane."""

    left: float
    right: float
    about: str
    notches: tuple[float, ...] = ()


@attrs.frozen
class Text:
    """A word or a mark's label where it stands."""

    text: str
    about: str
    x: float
    line: int
    """Counted downwards."""
    style: str


@attrs.frozen
class Lane:
    """What one side does in a row."""

    who: Who
    spoken: tuple[Block, ...]
    cut: tuple[Block, ...]
    heard: tuple[Text, ...]
    unheard: tuple[Text, ...]

    @property
    def lines(self) -> int:
        return lines_of((*self.heard, *self.unheard))


@attrs.frozen
class Mark:
    """A moment, at `x`, and its label: on the right of it, or on the left where the picture ends."""

    moment: Moment
    x: float
    label: Text
    is_left: bool


@attrs.frozen
class Layout:
    """All that a row holds."""

    row: Row
    end: float
    """Where the conversation ends, or the row."""
    marks: tuple[Mark, ...]
    lanes: tuple[Lane, ...]


def lay_out(story: Story, row: Row) -> Layout:
    return Layout(
        row=row,
        end=row.x(duration(story)),
        marks=tuple(_marks([moment for moment in story.moments if row.holds(moment.time)], row)),
        lanes=tuple(_lane(who, story, row) for who in SIDES),
    )


class Lines:
    """Lines of text of which stretches are taken."""

    def __init__(self) -> None:
        self._taken: list[list[tuple[float, float]]] = []

    def first_free(self, line: int, x: float, width: float) -> float:
        """The leftmost place, from `x` on, where so much is free."""
        for left, right in sorted(self._taken[line]) if line < len(self._taken) else ():
            if left < x + width and x < right:
                x = right
        return x

    def take(self, line: int, x: float, width: float) -> None:
        while len(self._taken) <= line:
            self._taken.append([])
        self._taken[line].append((x, x + width))


def _lane(who: Who, story: Story, row: Row) -> Lane:
    own = [speech for speech in story.speeches if speech.who == who]
    nexts = [*(speech.start for speech in own[1:]), math.inf]
    followed = list(zip(own, nexts, strict=False))
    words = [(word.text, word.start) for speech in own for word in _single_words(speech) if word.was_heard]
    lines = Lines()
    # What was heard takes the best places; what wasn't fills the free ones.
    heard = tuple(_place(lines, [(text, start) for text, start in words if row.holds(start)], row))
    unheard = [_place_unheard(lines, speech, following, row) for speech, following in followed if row.holds(speech.end)]
    return Lane(
        who=who,
        spoken=tuple(block for speech in own for block in _spoken(speech, row)),
        cut=tuple(block for speech, following in followed for block in _cut(speech, following, row)),
        heard=heard,
        unheard=tuple(itertools.chain.from_iterable(unheard)),
    )


def _single_words(speech: Speech) -> Iterator[Word]:
    """The words, one by one: where several stand together, each gets its share of their time by its letters."""
    nexts = [*(word.start for word in speech.words[1:]), speech.end]
    for together, end in zip(speech.words, nexts, strict=False):
        words = printable(together.text).split()
        seconds = max(end - together.start, 0.0) / max(sum(map(len, words)), 1)
        letters = itertools.accumulate(map(len, words), initial=0)
        for word, before in zip(words, letters, strict=False):
            yield Word(word, together.start + before * seconds, together.was_heard)


def _spoken(speech: Speech, row: Row) -> Iterator[Block]:
    about = f"{speech.who}, {speech.start:.1f} to {speech.end:.1f} s: {printable(speech.heard)}"
    understood = f" (understood: {printable(speech.understood)})" if speech.understood is not None else ""
    starts = [word.start for word in _single_words(speech) if word.was_heard and row.holds(word.start)]
    notches = tuple(row.x(start) for start in starts if speech.start < start < speech.end)
    yield from _block(speech.start, speech.end, row, about + understood, notches)


def _cut(speech: Speech, following: float, row: Row) -> Iterator[Block]:
    """What would have been said, as far as the same side's next speech leaves room for it."""
    unheard = [word for word in _single_words(speech) if not word.was_heard]
    if unheard:
        end = max(word.start for word in unheard) + WORD_SECONDS
        if end <= speech.end + WORD_SECONDS:  # nobody knows when they were to be said
            end = speech.end + WORD_SECONDS * len(unheard)
        yield from _block(speech.end, min(end, following), row, f"not heard: {printable(speech.unheard)}")


def _block(start: float, end: float, row: Row, about: str, notches: tuple[float, ...] = ()) -> Iterator[Block]:
    if not row.holds(start) and (end <= row.start or row.end <= start):
        return
    # A block that goes on in another row hangs over the edge.
    left = row.x(start) if row.holds(start) else LEFT - GAP
    right = row.x(end) if row.is_last or end <= row.end else RIGHT + GAP
    yield Block(left, max(right, left + 3.0), about, notches)


def _place(lines: Lines, words: Iterable[tuple[str, float]], row: Row) -> Iterator[Text]:
    last = 0
    for text, start in words:
        shown = _shown(text)
        width = _word_width(shown)
        wanted = min(row.x(start), EDGE - width)
        last, x = _line_for(lines, wanted, width, last)
        lines.take(last, x, width)
        yield Text(shown, f"{text}, {start:.1f} s", x, last, "word heard halo")


def _line_for(lines: Lines, wanted: float, width: float, last: int) -> tuple[int, float]:
    """The highest line, and the place in it, that is near enough to where a word should stand."""
    line = 0
    while True:
        x = lines.first_free(line, wanted, width)
        # Who went down comes up again only to stand at its own time: so a lower line isn't read too late.
        drift = DRIFT * (line + 1) if line >= last else 0.0
        if x - wanted <= drift and x + width <= EDGE:
            return line, x
        line += 1


def _place_unheard(lines: Lines, speech: Speech, following: float, row: Row) -> Iterator[Text]:
    """A paragraph that begins at the cut, its first line at the words' own times where there is room.

    What was heard is a wall: a line ends before it, so that nothing unheard stands between heard words.
    """
    unheard = [word for word in _single_words(speech) if not word.was_heard]
    shown_words = [
        (_shown(word.text), row.x(word.start), word.text, "word unheard") for word in unheard[:UNHEARD_WORDS]
    ]
    if len(unheard) > UNHEARD_WORDS:
        shown_words.append((f"+ {len(unheard) - UNHEARD_WORDS} words", LEFT, printable(speech.unheard), "quiet"))
    cut = row.x(speech.end) + GAP
    left = min(cut, EDGE - PARAGRAPH)
    wall = max(row.x(following) - GAP, cut) if row.holds(following) else EDGE
    line, x, is_begun = 0, cut, False
    for shown, time, full, style in shown_words:
        width = _word_width(shown)
        begin = min(left, EDGE - width)
        x = max(x, time) if line == 0 else x
        while True:
            right = wall if line == 0 else max(wall, begin + PARAGRAPH, begin + width)
            free = lines.first_free(line, x, width)
            if free + width <= right and (free == x or (not is_begun and free < wall)):
                break
            # A line that is still empty takes any word from here, so this ends.
            line, x, is_begun = line + 1, begin, False
        lines.take(line, free, width)
        yield Text(shown, f"not heard: {full}", free, line, style)
        x, is_begun = free + width, True


def _marks(moments: Iterable[Moment], row: Row) -> Iterator[Mark]:
    """Earlier ones higher: so no line that goes down from a mark runs through another's label."""
    right_ends: list[float] = []
    for moment in sorted(moments, key=lambda moment: moment.time):
        text = f"{_what(moment)} {moment.time:.1f} s"
        width = mark_width(text)
        x = row.x(moment.time)
        is_left = x + ICON + width > EDGE
        start, end = (x - ICON - width, x + ICON) if is_left else (x - ICON, x + ICON + width)
        line = max((index + 1 for index, right in enumerate(right_ends) if right > start), default=0)
        right_ends[line:] = [end + GAP]
        about = f"{_what(moment)} at {moment.time:.2f} s"
        style = f"mark {moment.kind} left" if is_left else f"mark {moment.kind}"
        yield Mark(moment, x, Text(text, about, start if is_left else x + ICON, line, style), is_left)


def _what(moment: Moment) -> str:
    shown = _shown(printable(moment.about))
    match moment.kind:
        case "pause":
            return "paused"
        case "resume":
            return "goes on"
        case "interruption":
            return "cut in"
        case "call":
            return f"calls {shown}".strip()
        case "result":
            return f"{shown} returned".strip()
        case "failure":
            return f"{shown} failed".strip()
        case "restart":
            return f"{shown} restarted".strip()
        case "turn":
            return "turn begins"
        case "over":
            return "turn is over"
        case "words":
            return f"heard as “{shown}”"
        case "written":
            return f"{shown} written"


def _shown(text: str) -> str:
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"


def _word_width(text: str) -> float:
    return picture_width(text, SIZE) + 4.0


def mark_width(text: str) -> float:
    # Semibold letters are up to a tenth wider.
    return 1.1 * picture_width(text, SMALL)


def lines_of(texts: Sequence[Text]) -> int:
    return max((text.line + 1 for text in texts), default=1)


def duration(story: Story) -> float:
    heard = [word.start for speech in story.speeches for word in speech.words if word.was_heard]
    ends = [speech.end for speech in story.speeches]
    return max(story.seconds, *heard, *ends, *(moment.time for moment in story.moments), 0.0)

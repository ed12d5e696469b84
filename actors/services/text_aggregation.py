"""Text that comes piece by piece, cut into what is spoken, or shown, in one go.

1. An aggregator keeps nothing: what is gathered is a string that goes in and comes out, so an actor can make it durable.
2. However text is cut into pieces on its way here, the same units come out: nothing is decided before it is certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, Protocol, TypeAlias

import attrs

__all__ = [
    "Gathered",
    "Pattern",
    "PatternAggregator",
    "PatternMatch",
    "Piece",
    "SentenceAggregator",
    "TextAggregator",
    "first_token",
    "split_sentences",
]

Span: TypeAlias = tuple[int, int]

# An end counts once the next word has begun: "$29." may go on with "9", and "Dr." stands before a name.
_END = re.compile(r"""[.!?…]["'”’)\]]*(?=\s+\S)|[。！？]""")  # noqa: RUF001  # full-width ends, typographic quotes
_TITLE = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|e\.g|i\.e))\.$")
_MAY_END = re.compile(r"(?:\b(?:etc|Inc|Ltd|Co|Jr|Sr|[ap]\.m)|\b[A-Z])\.$")
"""What stands inside a sentence as well as at its end: the word that follows tells."""
_NUMBER = re.compile(r"\bNo\.$")
"""Short for "number" before a digit; else an answer."""
_NEXT_WORD = re.compile(r"\s+([^\s.,;:!?…]+)(?=[\s.,;:!?…])")
_BEGINS = re.compile(
    "A|After|All|An|And|Are|As|At|Because|But|Can|Could|Did|Do|Does|For|From|Good|Have|He|Her|Here|His|How|However|I"
    "|I'd|I'll|I'm|I've|If|In|Is|It|It's|Its|Let|Let's|Many|May|My|No|Not|Now|Of|Oh|On|One|Or|Our|Please|She|Should|So"
    "|Some|Sorry|Such|Thank|Thanks|That|That's|The|Their|Then|There|These|They|This|Those|To|We|We'll|We're|Well|What"
    "|What's|When|Where|Which|While|Who|Why|Will|With|Would|Yes|You|You're|Your"
)
"""Words that begin sentences, and are no names."""

_END_IT, _GOES_ON, _UNDECIDED = True, False, None


def split_sentences(text: str, whole: Iterable[Span] = ()) -> tuple[tuple[str, ...], str]:
    """The sentences that are complete, and the rest: text whose sentence may go on.

    `whole` are the spans (begin, end) in which no sentence ends. However text is cut into pieces, rest and next piece
    together give the same sentences.
    """
    ends, begin = _sentence_ends(text, whole), 0
    sentences: list[str] = []
    for end in ends:
        sentences.append(text[begin:end])
        begin = end
    return tuple(each.strip() for each in sentences if each.strip()), text[begin:]


def _sentence_ends(text: str, whole: Iterable[Span] = ()) -> list[int]:
    """Where sentences end that are certain to."""
    spans, ends, begin = tuple(whole), [], 0
    for match in _END.finditer(text):
        if any(start < match.end() < stop for start, stop in spans):
            continue
        verdict = _judge(text[begin : match.end()], text[match.end() :])
        if verdict is _UNDECIDED:
            break
        if verdict:
            ends.append(match.end())
            begin = match.end()
    return ends


def _judge(sentence: str, rest: str) -> bool | None:
    """Whether what looks like an end is one; None: the word that follows isn't complete yet."""
    if _NUMBER.search(sentence):
        return not rest.lstrip()[:1].isdigit()
    if _TITLE.search(sentence):
        return _GOES_ON
    if _MAY_END.search(sentence):
        word = _NEXT_WORD.match(rest)
        return _UNDECIDED if word is None else _BEGINS.fullmatch(word[1]) is not None
    return _END_IT


def first_token(gathered: str, token: str) -> str:
    """What of a token is sent to be spoken: space before the first word of a synthesis isn't."""
    return token if gathered.strip() else token.lstrip()


@attrs.frozen
class Piece:
    """A unit of text."""

    text: str
    text_type: str = "sentence"
    raw_text: str | None = None
    """As the model wrote it, where that differs."""


@attrs.frozen
class PatternMatch:
    """What was found between the marks of a pattern."""

    text_type: str
    """The pattern's."""
    text: str
    """Between the marks."""
    raw_text: str
    """With them."""


@attrs.frozen
class Gathered:
    """What came of a piece of text."""

    pieces: tuple[Piece, ...] = ()
    rest: str = ""
    """Text whose unit may go on: to be given back with the next piece."""
    matches: tuple[PatternMatch, ...] = ()
    """Patterns that are complete, each told once."""


class TextAggregator(Protocol):
    """Cuts units from text that comes piece by piece."""

    def add(self, gathered: str, text: str) -> Gathered:
        """What is complete, when this text follows what was gathered."""
        ...

    def flush(self, gathered: str) -> Gathered:
        """What is left, when no more text will come."""
        ...


@attrs.frozen
class SentenceAggregator:
    """Cuts at the ends of sentences."""

    def add(self, gathered: str, text: str) -> Gathered:
        """The sentences that are complete."""
        sentences, rest = split_sentences(gathered + text)
        return Gathered(tuple(map(Piece, sentences)), rest)

    def flush(self, gathered: str) -> Gathered:
        """The rest as a sentence."""
        return Gathered(tuple(map(Piece, [gathered.strip()] if gathered.strip() else [])))


@attrs.frozen
class Pattern:
    """Text between two marks, e.g. `Pattern("code", "<code>", "</code>", "aggregate")`."""

    text_type: str
    """The name of what stands between the marks."""
    start: str = attrs.field(validator=attrs.validators.min_len(1))
    end: str = attrs.field(validator=attrs.validators.min_len(1))
    action: Literal["remove", "keep", "aggregate"] = attrs.field(
        default="keep", validator=attrs.validators.in_(("remove", "keep", "aggregate"))
    )
    """`"remove"`: leave it out. `"keep"`: leave it, with its marks, and end no sentence inside. `"aggregate"`: what
    stands between the marks is a unit of its own, with the type's name.
    """


def _patterns(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    return tuple(patterns)


@attrs.frozen
class PatternAggregator:
    """Cuts at the ends of sentences, and treats what stands between marks as its pattern says. Marks may come in pieces."""

    patterns: tuple[Pattern, ...] = attrs.field(converter=_patterns)

    def add(self, gathered: str, text: str) -> Gathered:
        """The units that are complete. What stands behind an open mark waits for the closing one."""
        found = self._without_units(gathered + text)
        found.take_sentences(until=self._open_from(found))
        return Gathered(tuple(found.pieces), found.text, tuple(found.matches))

    def flush(self, gathered: str) -> Gathered:
        """The rest. What a mark opened and none closed is left only where it is to be kept."""
        found = self._without_units(gathered)
        opened = self._opened(found)
        if opened is not None and opened[1].action != "keep":
            found.text = found.text[: opened[0]]
        found.take_all()
        return Gathered(tuple(found.pieces), "", tuple(found.matches))

    def _without_units(self, text: str) -> _Found:
        """What is complete by its marks. In the text that is left no mark is closed but those of what is kept."""
        found = _Found(text)
        while (opened := self._opened(found)) is not None:
            begin, pattern = opened
            close = found.text.find(pattern.end, begin + len(pattern.start))
            if close < 0:
                break
            end = close + len(pattern.end)
            if pattern.action == "keep":
                found.kept.append(((begin, end), pattern))
                continue
            match = _match(pattern, found.text[begin:end])
            if pattern.action == "remove":
                # Sentences before it end by what was seen when the mark came, not by what follows it.
                shift = found.take_sentences(until=begin, seen=begin + len(pattern.start))
                found.text = found.text[: begin - shift] + found.text[end - shift :]
                found.past = begin - shift
            else:
                # What stands before a unit of its own is complete, whether its sentence has ended or not.
                found.text, behind = found.text[:begin], found.text[end:]
                found.take_all()
                found.text, found.past = behind, 0
                if match.text.strip():
                    found.pieces.append(Piece(match.text.strip(), pattern.text_type, match.raw_text))
            found.matches.append(match)
        return found

    def _opened(self, found: _Found) -> tuple[int, Pattern] | None:
        """The next opening mark: the first, and of two at one place the longer."""
        past = max(found.past, found.kept[-1][0][1] if found.kept else 0)
        begun = [(found.text.find(each.start, past), -len(each.start), each) for each in self.patterns]
        begun = sorted((each for each in begun if each[0] >= 0), key=lambda each: each[:2])
        return (begun[0][0], begun[0][2]) if begun else None

    def _open_from(self, found: _Found) -> int:
        """Up to where no more text can change what marks mean."""
        opened = self._opened(found)
        if opened is not None:
            return opened[0]
        text = found.text
        for place in range(max(0, len(text) - max((len(each.start) for each in self.patterns), default=0)), len(text)):
            if any(each.start.startswith(text[place:]) for each in self.patterns):
                return place
        return len(text)


class _Found:
    """Text from which complete units are taken off at its beginning."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[Piece] = []
        self.matches: list[PatternMatch] = []
        self.kept: list[tuple[Span, Pattern]] = []
        """What is kept whole in the text."""
        self.past = 0
        """Marks before this place are dealt with."""

    def take_sentences(self, *, until: int, seen: int | None = None) -> int:
        """Take off the sentences that end before a place, judged by the text up to `seen`; by how much it is shorter."""
        ends = [each for each in _sentence_ends(self.text[:seen], [span for span, _ in self.kept]) if each <= until]
        begin = 0
        for end in ends:
            self._take(self.text[begin:end])
            begin = end
        self._leave(begin)
        return begin

    def take_all(self) -> None:
        """Take off everything: the sentences, and the last of them as it is."""
        self.take_sentences(until=len(self.text))
        self._take(self.text)
        self._leave(len(self.text))

    def _take(self, text: str) -> None:
        if text.strip():
            self.pieces.append(Piece(text.strip()))

    def _leave(self, begin: int) -> None:
        self.matches += [_match(each, self.text[start:end]) for (start, end), each in self.kept if end <= begin]
        self.kept = [((start - begin, end - begin), each) for (start, end), each in self.kept if start >= begin]
        self.text, self.past = self.text[begin:], max(0, self.past - begin)


def _match(pattern: Pattern, raw: str) -> PatternMatch:
    return PatternMatch(pattern.text_type, raw[len(pattern.start) : -len(pattern.end)], raw)

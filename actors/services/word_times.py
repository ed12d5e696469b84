"""Words as a synthesiser tells them, and the text that they were made of: which words of it are said, and which are left.

1. A synthesiser's words are its own: without punctuation, in other letters, some lost. What goes on is always the text's.
2. A place is an index into the text. What stands before it has been told, what stands behind it will be: nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

import attrs

__all__ = ["Fit", "fit_word", "has_no_spaces", "nearest_border", "place_in_text", "split_at"]

LOOKAHEAD = 4
"""How many words may have been lost, at most, for the next one to be found behind them."""
FIRST_CHARACTERS_PER_SECOND = 15.0
"""Of speech nothing of which was measured yet."""

_TOKEN = re.compile(r"\S+")
_NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese."""


@attrs.frozen
class Fit:
    """Where a word was found."""

    end: int
    """The place behind it."""
    rest: str = ""
    """What of the word is beyond the end of the text."""


_ADDRESS = re.compile(r"\]\([^)\s]*\)")
"""Of a link in Markdown: its label is what is said."""


def _core(word: str) -> str:
    return "".join(each.casefold() for each in word if each.isalnum())


def fit_word(text: str, place: int, word: str) -> Fit | None:
    """Where a word lies in the text, at its place or a few words behind it; None for one that isn't in what follows.

    Punctuation that follows a word is part of it, so punctuation told by itself ends where it is. So does a word that is found
    only far behind: it may be another one of the kind, and is told with what lies before it.
    """
    wanted = _core(word)
    if not wanted:
        return Fit(place)
    starts = [place, *(place + match.start() for match in _TOKEN.finditer(text[place:]))]
    spaced = len(word.split()) > 1
    for number, start in enumerate(starts):
        found = _match_from(text, start, wanted, spaced=spaced)
        if found is None:
            continue
        end, left = found
        # Behind lost words only a whole one is the one that is looked for.
        if not left and (number <= 1 or not text[end : end + 1].isalnum()):
            return Fit(_past_punctuation(text, end) if number <= LOOKAHEAD else place)
        # Only a word that begins where the last one ended can run over the end of the text.
        if number <= 1 and 0 < left < len(wanted):
            return Fit(len(text), _last_of(word, left))
    return None


def _match_from(text: str, start: int, wanted: str, *, spaced: bool) -> tuple[int, int] | None:
    """The place behind the letters, and how many of them are left when the text ends first; None: others stand there.

    Only `spaced` ones go on behind a space.
    """
    at, whole = start, len(wanted)
    while wanted and at < len(text):
        letters = text[at].casefold() if text[at].isalnum() else ""
        if not wanted.startswith(letters) or (text[at].isspace() and len(wanted) < whole and not spaced):
            return None
        wanted = wanted[len(letters) :]
        at += 1
    return at, len(wanted)


def _past_punctuation(text: str, end: int) -> int:
    while end < len(text) and not text[end].isspace() and not text[end].isalnum():
        end += 1
    return end


def _last_of(word: str, letters: int) -> str:
    """The end of the word that holds so many letters."""
    at, count = len(word), 0
    while at and count < letters:
        at -= 1
        count += len(word[at].casefold()) if word[at].isalnum() else 0
    return word[at:]


def has_no_spaces(text: str) -> bool:
    """Whether the text is of a language that puts no spaces between words: they are joined without."""
    return _NO_SPACES.search(text) is not None


def place_in_text(text: str, speech: str, place: int) -> int:
    """The place in the text that a place in what is said of it means."""
    if text == speech:
        return place
    done = sum(1 for token in _TOKEN.finditer(speech) if token.start() < place)
    ends = _ends_in_text(text, speech)
    return ends[done - 1] if done else 0


@lru_cache(maxsize=256)
def _ends_in_text(text: str, speech: str) -> tuple[int, ...]:
    """For each word of what is said, the end of what it stands for in the text."""
    ends_of = [token.end() for token in _TOKEN.finditer(text)]
    theirs = [_core(_ADDRESS.sub("", each)) for each in text.split()]
    ours = [_core(each) for each in speech.split()]
    ends: list[int] = []
    for _, begin, end, first, last in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        for number in range(last - first):
            # Words put otherwise are told with the first of them, but one by one where they are as many.
            stop = begin + number + 1 if end - begin == last - first else end
            ends.append(ends_of[stop - 1] if stop else 0)
    if ends:
        ends[-1] = len(text)
    return tuple(ends)


def nearest_border(text: str, characters: float) -> int:
    """The end of a word, or the beginning of the text, that is nearest to so many characters."""
    borders = [0, *(token.end() for token in _TOKEN.finditer(text))]
    return min(borders, key=lambda border: abs(border - characters))


def split_at(texts: Sequence[str], seconds: float, *, characters_per_second: float | None) -> tuple[int, int]:
    """Where in some texts their speech has got to after so many seconds: which of them, and the word border in it.

    Past all of them it is the end of the last one.
    """
    left = seconds * (characters_per_second or FIRST_CHARACTERS_PER_SECOND)
    for number, text in enumerate(texts):
        if left < len(text) or number == len(texts) - 1:
            return number, nearest_border(text, left)
        left -= len(text)
    return 0, 0

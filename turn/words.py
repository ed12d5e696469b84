"""The words of a transcript, as they are compared: without case and punctuation."""

from __future__ import annotations

from collections.abc import Iterable

__all__: list[str] = []

APOSTROPHES = "'\u2019\u02bc"


def words_of(text: str) -> tuple[str, ...]:
    """Its words, lower case. Apostrophes vanish; all else that is neither letter nor digit parts words, hyphens too."""
    kept = (char if char.isalnum() else "" if char in APOSTROPHES else " " for char in text.casefold())
    return tuple("".join(kept).split())


def holds_phrase(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    """Whether the phrase's words stand in these, one behind the other. A phrase has words."""
    size = len(phrase)
    return any(words[start : start + size] == phrase for start in range(len(words) - size + 1))


def is_made_of(text: str, phrases: Iterable[str]) -> bool:
    """Whether the text is nothing but these phrases, any number of them in any order; no for one without words."""
    words = words_of(text)
    parts = [part for part in map(words_of, phrases) if part]
    reached = {0}
    for start in range(len(words)):
        if start in reached:
            reached |= {start + len(part) for part in parts if words[start : start + len(part)] == part}
    return bool(words) and len(words) in reached

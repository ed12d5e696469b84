"""Where a sentence ends in text that comes piece by piece."""

from __future__ import annotations

import re

__all__ = ["split_sentences"]

# An end counts once the next word has begun: "$29." may go on with "9", and "Dr." stands before a name.
_END = re.compile(r"""[.!?…]["'”’)\]]*(?=\s+\S)|[。！？]""")  # noqa: RUF001  # full-width ends, typographic quotes
_ABBREVIATION = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e)|\b[A-Z])\.$")
_NUMBER = re.compile(r"\bNo\.$")
"""Short for "number" before a digit; else an answer."""


def split_sentences(text: str) -> tuple[tuple[str, ...], str]:
    """The sentences that are complete, and the rest: text whose sentence may go on.

    However text is cut into pieces, rest and next piece together give the same sentences.
    """
    sentences: list[str] = []
    begin = 0
    for end in _END.finditer(text):
        sentence = text[begin : end.end()]
        if _goes_on(sentence, text[end.end() :]):
            continue
        if sentence.strip():
            sentences.append(sentence.strip())
        begin = end.end()
    return tuple(sentences), text[begin:]


def _goes_on(sentence: str, rest: str) -> bool:
    """Whether what looks like an end is none."""
    if _NUMBER.search(sentence):
        return rest.lstrip()[:1].isdigit()
    return _ABBREVIATION.search(sentence) is not None

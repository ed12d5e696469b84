"""Where a sentence ends in text that comes piece by piece."""

from __future__ import annotations

import re

__all__ = ["split_sentences"]

# An end counts once the next word has begun: "$29." may go on with "9", and "Dr." stands before a name.
_END = re.compile(r"""(?<=[.!?…])["')\]]*\s+(?=\S)|(?<=[。！？])""")  # noqa: RUF001  # full-width ends
_ABBREVIATION = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e|No)|\b[A-Z])\.$")


def split_sentences(text: str) -> tuple[tuple[str, ...], str]:
    """The sentences that are complete, and the rest: text whose sentence may go on."""
    sentences: list[str] = []
    begin = 0
    for end in _END.finditer(text):
        sentence = text[begin : end.start()]
        if _ABBREVIATION.search(sentence):
            continue
        if sentence.strip():
            sentences.append(sentence.strip())
        begin = end.end()
    return tuple(sentences), text[begin:]

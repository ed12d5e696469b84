"""How pieces of what was said become one text."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

__all__: list[str] = []


@attrs.frozen
class Part:
    """A piece of text, as it came."""

    text: str
    spaced: bool = False
    """It brings its own spaces: between two such pieces none is put."""
    context_id: str | None = None
    """The synthesis that spoke it."""
    is_heard: bool = False
    """The output has let it pass: it was heard."""


def join(parts: Iterable[Part]) -> str:
    """One text. Two pieces that bring their own spaces stand as they are; between others there is one space."""
    text, spaced = "", True
    for part in parts:
        if not part.text:
            continue
        brings_own = part.spaced and spaced
        if text and not brings_own and not text[-1].isspace() and not part.text[0].isspace():
            text += " "
        text += part.text
        spaced = part.spaced
    return text.strip()

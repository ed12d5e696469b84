"""What is changed of a text before it is spoken: marks taken out, words written as they are said. What is shown stays as it was.

A filter keeps nothing: what it must remember between two texts goes in and comes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Protocol, TypeAlias

import attrs

__all__ = ["MarkdownFilter", "TextFilter", "Transform", "speech_of"]

Transform: TypeAlias = Callable[[str], str]
"""A function from a text to how it is said."""


class TextFilter(Protocol):
    """Takes from a text what isn't said."""

    def filter(self, text: str, memory: Hashable) -> tuple[str, Hashable]:
        """What is left of the text, and what to remember for the next one. The memory is None at the beginning."""
        ...


def speech_of(
    text: str,
    text_type: str,
    memories: tuple[Hashable, ...],
    *,
    filters: Iterable[TextFilter] = (),
    transforms: Mapping[str, Transform] | None = None,
) -> tuple[str, tuple[Hashable, ...]]:
    """How a text is said, and what its filters remember, one memory for each; none of them yet is `()`.

    Transforms come first, that of the type before that of all types, `"*"`; then the filters, in their order.
    """
    for kind in (text_type, "*"):
        if transforms is not None and (transform := transforms.get(kind)) is not None:
            text = transform(text)
    remembered: list[Hashable] = []
    for place, each in enumerate(filters):
        text, memory = each.filter(text, memories[place] if place < len(memories) else None)
        remembered.append(memory)
    return text, tuple(remembered)


_FENCES = {False: re.compile(r"```[^\n`]*(?:\n|$)|```"), True: re.compile(r"```")}
"""What opens a block of code, with the name of its language, and what closes it."""
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"`([^`\n]*)`"), r"\1"),
    (re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)"), r"\1"),
    (re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*[-*+][ \t]+", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE), ""),
    (re.compile(r"(\*\*\*|\*\*|\*|~~)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(___|__|_)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
)
"""What is taken out, in this order: marks of code before those of emphasis, which may stand inside."""
_TABLE_ROW = re.compile(r"^[ \t]*\|.*(?:\|[ \t]*)?$", re.MULTILINE)
_TABLE_LINE = re.compile(r"^[ \t]*\|?[ \t:|-]*-[ \t:|-]*\|?[ \t]*$")


@attrs.frozen
class MarkdownFilter:
    """Takes out the marks of Markdown: emphasis, headings, lists, quotes, links but for their label, and tables' bars."""

    filter_code: bool = attrs.field(default=False, kw_only=True)
    """Leave blocks of code out altogether; else only their fences go."""
    filter_tables: bool = attrs.field(default=False, kw_only=True)
    """Leave tables out altogether; else their cells are read out."""

    def filter(self, text: str, memory: Hashable) -> tuple[str, Hashable]:
        """The words; the memory tells whether a block of code is open."""
        said, is_code = "", bool(memory)
        while text:
            fence = _FENCES[is_code].search(text)
            part, text = (text[: fence.start()], text[fence.end() :]) if fence else (text, "")
            said += ("" if self.filter_code else part) if is_code else self._words(part)
            is_code = is_code if fence is None else not is_code
        return said, is_code

    def _words(self, text: str) -> str:
        text = _TABLE_ROW.sub(lambda row: self._row(row[0]), text)
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        return text

    def _row(self, row: str) -> str:
        if self.filter_tables or _TABLE_LINE.match(row):
            return ""
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        return ", ".join(cell for cell in cells if cell) + "."

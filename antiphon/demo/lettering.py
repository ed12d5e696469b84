"""How much room a text takes, on a terminal and in a picture, and what of it can be shown at all."""

from __future__ import annotations

import math
import unicodedata

__all__ = ["cells", "picture_width", "printable", "wrapped"]

# The advance widths of DejaVu Sans, in em, rounded up. It is the widest of the usual sans-serif fonts, so what
# doesn't overlap by this table doesn't overlap in Helvetica, Arial, Liberation or Noto either.
EM_WIDTHS = {
    character: width
    for width, characters in {
        0.3: "IJijl",
        0.35: " ,./:;\\|'",
        0.4: "()-[]ft",
        0.45: "!r",
        0.5: '"*_`',
        0.55: "?csz",
        0.6: "FLkvxy",
        0.65: "$0123456789EPSTYabdeghnopqu{}",
        0.7: "ABCKRVXZ",
        0.75: "NU",
        0.8: "&DGHOQ",
        0.85: "#+<=>^w~",
        0.9: "M",
        1.0: "%@Wm",
    }.items()
    for character in characters
}
OTHER_EM_WIDTH = 0.8


def printable(text: str) -> str:
    """The text on one line, without what steers a terminal or what XML forbids; runs of spaces become one."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def cells(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def picture_width(text: str, size: float) -> float:
    """At most how wide a printable text is in a sans-serif font of this size."""
    return size * sum(_em_width_of(character) for character in text)


def _em_width_of(character: str) -> float:
    if character in EM_WIDTHS:
        return EM_WIDTHS[character]
    return OTHER_EM_WIDTH * math.sqrt(2) if _cells_of(character) == 2 else OTHER_EM_WIDTH * _cells_of(character)


def wrapped(text: str, width: int) -> list[str]:
    """The printable text in lines of at most `width` columns, broken between words, and inside those that are longer."""
    lines = [""]
    for word in printable(text).split():
        for piece in _pieces(word, width):
            longer = f"{lines[-1]} {piece}".lstrip()
            if cells(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(piece)
    return lines


def _pieces(word: str, width: int) -> list[str]:
    """A word cut so that each piece fits; a width too small for a character still gets it."""
    pieces = [""]
    for character in word:
        if pieces[-1] and cells(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces

"""What the caller waited for before each answer, as a table for a terminal.

Numbers are rounded so that those of a line still add up: the sums are, and each part is what it adds to its sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ..channels import UserBotLatencyMetricsData
from .lettering import cells, wrapped
from .story import Story

__all__ = ["hundredths", "waits_table"]

TITLES: Mapping[str, str] = {
    "endpointing": "silence",
    "transcription": "transcript",
    "turn_detection": "turn end",
    "inference": "model",
    "functions": "calls",
    "aggregation": "sentence",
    "synthesis": "voice",
    "pipeline": "rest",
}
"""The parts in the order in which they follow on each other, and what a reader calls them."""


def waits_table(story: Story, width: int) -> str:
    """For each answer how long the caller waited, in seconds, and for what; empty without answers.

    Parts that are nothing everywhere are left out. Where `width` columns are too few for a table, it is a list.
    """
    waits = [(number, speech.waited) for number, speech in enumerate(story.speeches, 1) if speech.waited is not None]
    if not waits:
        return ""
    rows = [(number, hundredths(data)) for number, data in waits]
    shown = [name for name in TITLES if any(parts[name] for _, parts in rows)]
    titles = ["turn", "waited", *(TITLES[name] for name in shown)]
    lines = [
        [str(number), f"{sum(parts.values()) / 100:.2f} s", *(_seconds(parts[name]) for name in shown)]
        for number, parts in rows
    ]
    widths = [max(map(cells, column)) for column in zip(titles, *lines, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) < width:
        return "".join(_row(line, widths) for line in (titles, *lines))
    return "".join(f"{text}\n" for line in lines for text in _listed(titles, line, width))


def hundredths(data: UserBotLatencyMetricsData) -> Mapping[str, int]:
    """The parts in hundredths of a second, such that their sum is the whole's."""
    sums = [0, *(round(100 * total) for total in itertools.accumulate(getattr(data, name) for name in TITLES))]
    return {name: after - before for name, (before, after) in zip(TITLES, itertools.pairwise(sums), strict=True)}


def _seconds(count: int) -> str:
    return f"{count / 100:.2f}" if count else "-"


def _row(values: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{value:>{width}}" for value, width in zip(values, widths, strict=True)) + "\n"


def _listed(titles: Sequence[str], line: Sequence[str], width: int) -> list[str]:
    number, waited, *parts = line
    told = ", ".join(f"{title} {part}" for title, part in zip(titles[2:], parts, strict=True) if part != "-")
    first, *others = wrapped(f"turn {number}: waited {waited} = {told}", max(width - 3, 1))
    return [first, *(f"  {other}" for other in others)]

"""What was measured, as text for the terminal, as JSON and as the page docs/benchmarks.md."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from .figures import FIGURES, Figure, Row
from .rounds import Measured
from .subjects import ANTIPHON, DEFAULT, LEAN, LEAN_UVLOOP, SUBJECTS, Subject

__all__ = ["Report"]

RIVALS = (LEAN, LEAN_UVLOOP, DEFAULT)
HEADLINES = (
    ("voice", "output_one"),
    ("voice", "input_one"),
    ("hop", "plain_one"),
    ("hop", "async_one"),
    ("interruption", "handled_p99"),
    ("sessions", "carried"),
    ("life", "start"),
    ("memory", "idle"),
    ("ticker", "p99"),
)


@attrs.frozen
class Report:
    """One run."""

    date: str
    machine: Mapping[str, str]
    figures: Mapping[str, Mapping[str, Measured | None]]
    """By figure, by subject; None for a subject that broke."""

    def as_json(self) -> str:
        """Every round of every number, in the order in which they were measured."""
        figures = {
            name: {
                key: measured
                and {
                    "queued": round(measured.queued, 4),
                    "rows": {
                        row: [significant(value) for value in spread.rounds] for row, spread in measured.rows.items()
                    },
                }
                for key, measured in subjects.items()
            }
            for name, subjects in self.figures.items()
        }
        return json.dumps({"date": self.date, "machine": dict(self.machine), "figures": figures}, indent=1) + "\n"

    def as_markdown(self) -> str:
        """The machine, a table for each figure, and the spread of the rounds."""
        machine = [f"- {name}: {value}" for name, value in self.machine.items()]
        tables = [line for figure in self._measured() for line in ("", f"### {figure.title}", "", *self._table(figure))]
        spreads = [line for figure in self._measured() for line in self._spread_lines(figure)]
        return "\n".join(
            [
                f"Measured on {self.date}.",
                "",
                *machine,
                *tables,
                "",
                "### Spread",
                "",
                "| figure | subject | rounds | least | quarter | median | three quarters |",
                "| --- | --- | --- | --- | --- | --- | --- |",
                *spreads,
                "",
                self._neighbours(),
            ]
        )

    def as_text(self) -> str:
        """The tables for a terminal."""
        lines = [f"{name}: {value}" for name, value in self.machine.items()]
        for figure in self._measured():
            lines += ["", figure.title, *aligned(cells(line) for line in self._table(figure) if "---" not in line)]
        return "\n".join([*lines, "", self._neighbours()])

    def history_line(self) -> str:
        """One row of the page's history: our medians."""
        found = []
        for name, key in HEADLINES:
            measured = self.figures.get(name, {}).get(ANTIPHON.key)
            found.append(shown(measured.rows[key].median) if measured and key in measured.rows else "-")
        machine = f"{self.machine['processor']}, {self.machine['python'].split(',')[0]}"
        return "| " + " | ".join([self.date, machine, *found]) + " |"

    def write_page(self, page: Path) -> None:
        """Put the tables and a line of history between the page's marks; the words around them stay."""
        text = page.read_text()
        text = between(text, "measured", f"\n{self.as_markdown()}\n")
        header, rule, *before = inside(text, "history").strip().splitlines()
        page.write_text(between(text, "history", "\n" + "\n".join([header, rule, self.history_line(), *before]) + "\n"))

    def _measured(self) -> list[Figure]:
        return [figure for figure in FIGURES if self.figures.get(figure.name)]

    def _table(self, figure: Figure) -> list[str]:
        measured = self.figures[figure.name]
        columns = [subject for subject in SUBJECTS if subject.key in measured]
        rivals = [rival for rival in RIVALS if rival in columns] if ANTIPHON in columns else []
        header = ["", "unit", *(subject.title for subject in columns)]
        if rivals:
            header += ["times better than " + " / ".join(rival.title for rival in rivals)]
        if ANTIPHON in columns:
            header += ["aim", "reached"]
        lines = [header, ["---"] * len(header)]
        for row in figure.rows:
            line = [row.title, row.unit, *(self._cell(figure, row, subject) for subject in columns)]
            if rivals:
                line += [" / ".join(self._times(figure, row, rival) for rival in rivals)]
            if ANTIPHON in columns:
                line += [aim(row), self._reached(figure, row)]
            lines.append(line)
        return ["| " + " | ".join(line) + " |" for line in lines]

    def _median(self, figure: Figure, row: Row, subject: Subject) -> float | None:
        measured = self.figures[figure.name].get(subject.key)
        return measured.rows[row.key].median if measured and row.key in measured.rows else None

    def _cell(self, figure: Figure, row: Row, subject: Subject) -> str:
        if self.figures[figure.name][subject.key] is None:
            return "broke"
        median = self._median(figure, row, subject)
        return "" if median is None else shown(median)

    def _ratio(self, figure: Figure, row: Row, rival: Subject) -> float | None:
        ours, theirs = self._median(figure, row, ANTIPHON), self._median(figure, row, rival)
        if ours is None or theirs is None:
            return None
        better, worse = (theirs, ours) if row.more_is_better else (ours, theirs)
        return worse / better if better > 0 and worse > 0 else None

    def _times(self, figure: Figure, row: Row, rival: Subject) -> str:
        ratio = self._ratio(figure, row, rival)
        return "-" if ratio is None else shown(ratio)

    def _reached(self, figure: Figure, row: Row) -> str:
        ours, ratio = self._median(figure, row, ANTIPHON), self._ratio(figure, row, LEAN)
        if ours is None:
            return ""
        judged = []
        if row.bound is not None:
            judged.append(ours >= row.bound if row.more_is_better else ours <= row.bound)
        if row.times is not None and ratio is not None:
            judged.append(ratio >= row.times)
        return ("yes" if all(judged) else "no") if judged else ""

    def _spread_lines(self, figure: Figure) -> list[str]:
        lines = []
        for subject in SUBJECTS:
            measured = self.figures[figure.name].get(subject.key)
            for row in figure.rows if measured else ():
                if measured and row.key in measured.rows:
                    spread = measured.rows[row.key]
                    low, high = spread.quartiles
                    numbers = [shown(value) for value in (spread.least, low, spread.median, high)]
                    named = f"{figure.name}: {row.title} ({row.unit})"
                    lines.append(f"| {named} | {subject.title} | {len(spread.rounds)} | " + " | ".join(numbers) + " |")
        return lines

    def _neighbours(self) -> str:
        """A reader must know when something else had the machine meanwhile."""
        queued = max((each.queued for by in self.figures.values() for each in by.values() if each), default=0.0)
        quiet = "so the machine was quiet" if queued < 0.02 else "so other programs disturbed the numbers"
        return f"The subjects stood in the queue for their core for at most {queued:.1%} of their time, {quiet}."


def aim(row: Row) -> str:
    bound = "" if row.bound is None else f"{'at least' if row.more_is_better else 'at most'} {shown(row.bound)}"
    times = "" if row.times is None else f"{shown(row.times)} times"
    return ", ".join(part for part in (bound, times) if part)


def significant(value: float) -> float:
    return float(f"{value:.5g}")


def shown(value: float) -> str:
    """Three digits, and no exponent."""
    if value and abs(value) < 100:
        digits = f"{value:.3g}"
        return digits if "e" not in digits else f"{value:.5f}"
    return f"{value:,.0f}"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def between(text: str, mark: str, new: str) -> str:
    pattern = rf"(<!-- {mark} -->\n).*(<!-- end of {mark} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{new}\n{found[2]}", text, count=1, flags=re.DOTALL)


def inside(text: str, mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n(.*)<!-- end of {mark} -->", text, flags=re.DOTALL)
    if found is None:
        raise ValueError(
            f"the page has lost its marks: put the lines `<!-- {mark} -->` and `<!-- end of {mark} -->` back"
        )
    return found[1]

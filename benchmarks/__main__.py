"""The command: `python -m benchmarks`, which is what `make bench` runs; `--help` tells the rest."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from .environment import ROOT, pipecat_environment
from .figures import FIGURES, Figure
from .machine import describe_machine
from .report import Report
from .rounds import measure_figure
from .setting import FULL, QUICK, TINY
from .subjects import ANTIPHON, SUBJECTS, TRIO, Subject

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = Path(__file__).resolve().parent / "results"
SIZES = {"full": FULL, "quick": QUICK, "tiny": TINY}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the JSON; a full run writes the page too. 1 if a subject broke."""
    asked = parser().parse_args(arguments)
    subjects = [subject for subject in SUBJECTS if subject.key in asked.subject] or list(SUBJECTS)
    figures = [figure for figure in FIGURES if figure.name in asked.figure] or list(FIGURES)
    size = "quick" if asked.quick else asked.size
    if size != "full" and not asked.subject:
        subjects = [ANTIPHON, TRIO]
    report = measured(figures, subjects, size=size, rounds=asked.rounds)
    print(report.as_text())
    whole = size == "full" and len(figures) == len(FIGURES) and len(subjects) == len(SUBJECTS) and not asked.rounds
    path = RESULTS / ("latest.json" if whole else "partial.json")
    if asked.json:
        path = asked.json
    path.parent.mkdir(exist_ok=True)
    path.write_text(report.as_json())
    broken = any(each is None for by in report.figures.values() for each in by.values())
    if whole and not broken:
        report.write_page(PAGE)
        print(f"\nwritten: {PAGE.relative_to(ROOT)}")
    return 1 if broken else 0


def measured(figures: Sequence[Figure], subjects: Sequence[Subject], *, size: str, rounds: int | None) -> Report:
    foreign = any(subject.foreign for subject in subjects)
    pipecat_python = pipecat_environment() if foreign else None
    return Report(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        machine=describe_machine(pipecat_python),
        figures={
            figure.name: measure_figure(
                figure,
                subjects,
                SIZES[size],
                rounds=rounds or (figure.rounds if size == "full" else 1),
                pipecat_python=pipecat_python,
                tell=lambda line: print(line, file=sys.stderr, flush=True),
            )
            for figure in figures
        },
    )


def parser() -> argparse.ArgumentParser:
    asking = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the runtime beside pipecat and Trio. "
        "Without options everything, in about ten minutes, and docs/benchmarks.md is written.",
    )
    asking.add_argument(
        "--quick", action="store_true", help="ours and bare Trio alone, one short round, within a minute"
    )
    asking.add_argument("--size", choices=SIZES, default="full", help="how much a round does (default: full)")
    asking.add_argument("--figure", action="append", default=[], choices=[figure.name for figure in FIGURES])
    asking.add_argument("--subject", action="append", default=[], choices=[subject.key for subject in SUBJECTS])
    asking.add_argument("--rounds", type=int, help="so many rounds of each figure")
    asking.add_argument("--json", type=Path, help="where the JSON goes (default: benchmarks/results)")
    return asking


if __name__ == "__main__":
    sys.exit(main())

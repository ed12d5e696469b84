"""What the benchmark prints follows from what it measured."""

import json
from pathlib import Path

import pytest

from benchmarks.lost import LostFrames, expect
from benchmarks.report import Report
from benchmarks.rounds import Measured
from benchmarks.spread import Spread

MACHINE = {"processor": "Imaginary 1", "python": "CPython 3.11, built by hand"}


def measured(*rounds: float, row: str = "start") -> Measured:
    return Measured(rows={row: Spread(rounds)}, queued=0.0)


def report_of(ours: Measured | None, theirs: Measured | None) -> Report:
    return Report("2026-01-01", MACHINE, {"life": {"antiphon": ours, "pipecat": theirs}})


def row_of(report: Report, title: str) -> list[str]:
    found = [line for line in report.as_markdown().splitlines() if line.startswith(f"| {title}")]
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def test_the_median_of_an_even_number_of_rounds_lies_between_the_two_in_the_middle() -> None:
    assert Spread((4.0, 1.0, 2.0, 3.0)).median == 2.5


def test_a_ratio_is_between_medians() -> None:
    row = row_of(report_of(measured(1.0, 9.0, 2.0), measured(10.0, 10.0, 90.0)), "start")
    assert row[2:5] == ["2", "10", "5"]


@pytest.mark.parametrize(("theirs", "reached"), [(7.9, "no"), (8.1, "yes")])
def test_an_aim_of_four_times_is_reached_by_four_times(theirs: float, reached: str) -> None:
    assert row_of(report_of(measured(2.0), measured(theirs)), "start")[-2:] == ["4 times", reached]


def test_more_sessions_are_better() -> None:
    figures = {"sessions": {"antiphon": measured(600.0, row="carried"), "pipecat": measured(60.0, row="carried")}}
    row = row_of(Report("2026-01-01", MACHINE, figures), "most sessions")
    assert row[-3:] == ["10", "at least 500", "yes"]


def test_a_subject_that_broke_shows_no_number() -> None:
    assert row_of(report_of(measured(2.0), None), "start")[3] == "broke"


def test_the_json_holds_every_round() -> None:
    told = json.loads(report_of(measured(3.0, 1.0, 2.0), measured(9.0)).as_json())
    assert told["figures"]["life"]["antiphon"]["rows"]["start"] == [3.0, 1.0, 2.0]


def test_a_new_run_replaces_the_tables_of_the_page_and_keeps_its_words_and_history(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Words.\n<!-- measured -->\nold tables\n<!-- end of measured -->\nMore words.\n"
        "<!-- history -->\n| date |\n| --- |\n| 2025-12-31 |\n<!-- end of history -->\n"
    )
    report_of(measured(2.0), measured(8.0)).write_page(page)
    text = page.read_text()
    assert "old tables" not in text
    assert text.startswith("Words.\n")
    assert "More words." in text
    assert text.index("| 2026-01-01 |") < text.index("| 2025-12-31 |")


def test_a_page_that_lost_its_marks_is_not_overwritten(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Only words.\n")
    with pytest.raises(ValueError, match="put the lines"):
        report_of(measured(2.0), measured(8.0)).write_page(page)
    assert page.read_text() == "Only words.\n"


def test_a_round_that_lost_a_frame_is_no_measurement() -> None:
    with pytest.raises(LostFrames, match="handled 7 of 8"):
        expect(7, 8)

"""The benchmark runs: each figure answers every row for ours. How fast is not a test's business."""

import pytest

from benchmarks.figures import FIGURES, Figure
from benchmarks.rounds import measure_figure
from benchmarks.setting import TINY
from benchmarks.subjects import ANTIPHON, TRIO

# Imports are timed in interpreters of their own, which takes seconds.
OURS = [figure for figure in FIGURES if ANTIPHON in figure.subjects and figure.name != "imports"]


@pytest.mark.parametrize("figure", OURS, ids=lambda figure: figure.name)
def test_a_tiny_round_of_ours_answers_every_row(figure: Figure) -> None:
    told: list[str] = []
    answered = measure_figure(figure, [ANTIPHON], TINY, rounds=1, pipecat_python=None, tell=told.append)
    ours = answered[ANTIPHON.key]
    assert ours is not None, told
    assert [row.key for row in figure.rows if row.key not in ours.rows] == []


def test_rounds_of_two_subjects_are_interleaved() -> None:
    told: list[str] = []
    hop = next(figure for figure in FIGURES if figure.name == "hop")
    measure_figure(hop, [ANTIPHON, TRIO], TINY, rounds=2, pipecat_python=None, tell=told.append)
    assert [line.split(",")[0] for line in told] == ["hop: antiphon", "hop: trio"] * 2

"""The table of waits, as it is read: columns that add up, and no more of them than say something."""

from __future__ import annotations

import random
import re
from typing import Any, cast

import attrs
import pytest

from antiphon.channels import UserBotLatencyMetricsData
from antiphon.demo.lettering import cells
from antiphon.demo.story import Story
from antiphon.demo.waits_table import TITLES, hundredths, waits_table
from tests.antiphon.demo.stories import BOOKING, speech
from tests.seeds import seeds


def waited(**parts: float) -> UserBotLatencyMetricsData:
    return UserBotLatencyMetricsData("latency", value=sum(parts.values()), **cast(Any, parts))


def story(*waits: UserBotLatencyMetricsData | None) -> Story:
    """Each wait before one of the agent's speeches."""
    speeches = [
        attrs.evolve(speech("agent", 10.0 * number, "Yes, of course."), waited=data)
        for number, data in enumerate(waits)
    ]
    return Story(tuple(speeches), (), 60.0)


PLAIN = waited(endpointing=0.4, transcription=0.381, inference=0.102, aggregation=0.17, synthesis=0.009)
CALLING = waited(endpointing=0.4, transcription=0.2, inference=0.3, functions=1.25, aggregation=0.1, pipeline=0.02)


def test_a_line_tells_how_long_the_caller_waited_and_for_what() -> None:
    assert waits_table(story(None, PLAIN, None, CALLING), 80).splitlines() == [
        "turn  waited  silence  transcript  model  calls  sentence  voice  rest",
        "   2  1.06 s     0.40        0.38   0.10      -      0.17   0.01     -",
        "   4  2.27 s     0.40        0.20   0.30   1.25      0.10      -  0.02",
    ]


def test_what_nobody_waited_for_has_no_column() -> None:
    assert waits_table(story(PLAIN), 80).splitlines()[0] == "turn  waited  silence  transcript  model  sentence  voice"


def test_a_conversation_in_which_nothing_was_measured_has_no_table() -> None:
    assert waits_table(BOOKING, 80) == ""


def test_the_numbers_of_a_line_add_up_whatever_they_are() -> None:
    for seed in seeds(200):
        dice = random.Random(seed)
        data = waited(**{name: dice.choice((0.0, dice.random(), 0.005, 0.0149999)) for name in TITLES})
        parts = hundredths(data)
        assert sum(parts.values()) == round(100 * data.value), f"seed {seed}"
        assert all(abs(count - 100 * getattr(data, name)) < 1.001 for name, count in parts.items()), f"seed {seed}"
        line = waits_table(story(data), 100).splitlines()[1]
        total, *told = [float(number) for number in re.findall(r"\d+\.\d\d", line)]
        assert sum(told) == pytest.approx(total), f"seed {seed}"


@pytest.mark.parametrize("width", [30, 44, 60, 80])
def test_where_there_is_no_room_for_a_table_it_is_a_list(width: int) -> None:
    told = waits_table(story(PLAIN, CALLING), width)
    assert all(cells(line) < width for line in told.splitlines())
    assert "1.25" in told
    assert told.startswith("turn 1: waited 1.06 s") is (width < 72)

"""Whether a loop is too late to take one more session, decided over numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, strategies as st

from antiphon.actors import Lateness
from antiphon.actors.lateness import PERIOD, WINDOW, LatenessGauge


def gauge(*ticks: float, limit: float = 0.020) -> LatenessGauge:
    """One that took these ticks, after a window without lateness."""
    made = LatenessGauge(limit)
    for late in ticks:
        made.add(late)
    return made


def ticks(late: float, seconds: float) -> list[float]:
    """As many ticks as these seconds have, each so late."""
    return [late] * round(seconds / PERIOD)


def is_late(samples: Iterable[float]) -> bool:
    return gauge(*samples).is_late


def test_a_loop_that_was_never_late_is_in_time() -> None:
    assert gauge().lateness() == Lateness(0.0, 0.0, 0.0, 0.0)
    assert not gauge().is_late


def test_quarter_of_a_second_above_the_limit_is_late_and_a_tenth_is_not() -> None:
    assert not is_late(ticks(0.030, 0.1))
    assert is_late(ticks(0.030, 0.3))


def test_lateness_at_the_limit_is_in_time() -> None:
    assert not is_late(ticks(0.020, WINDOW))
    assert is_late(ticks(0.0201, WINDOW))


def test_one_long_pause_counts_as_all_the_ticks_that_it_missed() -> None:
    assert not is_late([0.2])
    assert is_late([0.4])


def test_the_ticks_that_a_pause_missed_were_each_less_late() -> None:
    paused = gauge(10 * PERIOD)
    assert paused.lateness().worst == pytest.approx(10 * PERIOD)
    assert paused.quantile(1 - 5.5 / (WINDOW / PERIOD)) == pytest.approx(5 * PERIOD)


def test_a_pause_longer_than_the_window_fills_it() -> None:
    assert gauge(1000.0).quantile(0.0) == pytest.approx(1000.0 - WINDOW, abs=2 * PERIOD)


def test_it_is_in_time_again_once_the_lateness_has_gone_for_most_of_the_window() -> None:
    late = ticks(0.030, 1.0)
    assert is_late([*late, *ticks(0.0, WINDOW - 1.0)])
    assert not is_late([*late, *ticks(0.0, WINDOW)])


def test_between_half_the_limit_and_the_limit_it_stays_as_it_was() -> None:
    between = ticks(0.015, 2 * WINDOW)
    assert not is_late(between)
    assert is_late([*ticks(0.030, 1.0), *between])
    assert not is_late([*ticks(0.030, 1.0), *ticks(0.009, 2 * WINDOW)])


@given(st.integers(0, 2**32), st.integers(0, 900))
def test_its_quantiles_are_those_of_the_last_ticks(seed: int, count: int) -> None:
    size = round(WINDOW / PERIOD)
    chance = random.Random(seed)
    given_to_it = [chance.uniform(0, PERIOD * 0.99) for _ in range(count)]  # so none stands for another
    last = sorted([*([0.0] * size), *given_to_it][-size:])
    told = gauge(*given_to_it).lateness()
    assert told.worst == last[-1]
    assert sum(each <= told.p50 for each in last) >= size * 0.50 > sum(each < told.p50 for each in last)
    assert sum(each <= told.p95 for each in last) >= size * 0.95 > sum(each < told.p95 for each in last)
    assert sum(each <= told.p99 for each in last) >= size * 0.99 > sum(each < told.p99 for each in last)

"""Small random sessions in which each actor is killed at each of its deliveries, under each strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import attrs
import pytest

from antiphon.actors import Delivery, Strategy
from tests.seeds import seeds

from .plan import Plan, compose_small, grown
from .restarts import misjudged
from .rules import complaints
from .stage import Story, run

STRATEGIES: tuple[Strategy, ...] = ("one_for_one", "one_for_all", "rest_for_one")
RUNS = range(0, seeds(1000).stop, 20)
"""One run stands for twenty seeds of the other searches: it is tried hundreds of times."""


def deliveries(plan: Plan, seed: int) -> Counter[str]:
    """How many things each actor begins to handle when nobody is killed."""
    story = run(plan, seed, direct=True)
    assert not complaints(story), f"seed {seed}: {complaints(story)[0]}"
    names = {part.name for part in plan.parts}
    return Counter(
        entry.receiver.name
        for entry in story.log.entries
        if isinstance(entry, Delivery) and entry.receiver.name in names
    )


def kills(plan: Plan, seed: int) -> Iterator[tuple[str, int]]:
    for name, count in deliveries(plan, seed).items():
        for number in range(1, count + 1):
            yield name, number


def wrong(story: Story) -> list[str]:
    return [*misjudged(story), *complaints(story)]


@pytest.mark.rule("SU1", "SU2", "SU4", "SU5", "SU9")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whoever_is_killed_whenever_nothing_is_lost_and_who_belongs_to_it_is_restarted(strategy: Strategy) -> None:
    for seed in RUNS:
        plan = attrs.evolve(compose_small(seed), strategy=strategy)
        for name, number in kills(plan, seed):
            story = run(attrs.evolve(plan, kills=((name, number),)), seed, direct=number % 2 == 0)
            assert not wrong(story), f"seed {seed}, {strategy}, Kill({name!r}, at={number}): {wrong(story)[0]}"


@pytest.mark.rule("SU1", "SU2", "SU5", "SU9", "PA2")
@pytest.mark.parametrize("direct", [True, False])
def test_whoever_is_killed_whenever_in_a_tree_nothing_is_lost_and_nothing_comes_twice(direct: bool) -> None:
    for seed in RUNS:
        plan = grown(compose_small(seed), seed)
        for name, number in kills(plan, seed):
            story = run(attrs.evolve(plan, kills=((name, number),)), seed, direct=direct)
            assert not complaints(story), f"seed {seed}, Kill({name!r}, at={number}): {complaints(story)[0]}"


@pytest.mark.rule("SU4", "SU6", "SU7")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whoever_is_killed_again_and_again_comes_back_later_each_time_and_then_no_more(strategy: Strategy) -> None:
    has_failed = 0
    for seed in RUNS:
        plan = attrs.evolve(compose_small(seed), strategy=strategy)
        for name, count in deliveries(plan, seed).items():
            first = 1 + seed % count
            story = run(
                attrs.evolve(plan, kills=tuple((name, first + number) for number in range(4))), seed, direct=True
            )
            found = misjudged(story)
            assert not found, f"seed {seed}, {strategy}, {name!r} killed at {first} and three times more: {found[0]}"
            has_failed += isinstance(story.trace.ended, BaseException)
    assert has_failed, "no session failed by so many kills"

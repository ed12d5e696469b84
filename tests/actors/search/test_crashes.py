"""Small random sessions in which each actor is killed at each of its deliveries, under each strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import attrs
import pytest

from antiphon.actors import Delivery, Strategy
from tests.seeds import seeds

from .plan import Plan, compose_small, grown
from .restarts import WITHIN, misjudged
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
            found = wrong(story)
            assert not found, f"seed {seed}, {strategy}, {name!r} killed at {first} and three times more: {found[0]}"
            has_failed += isinstance(story.trace.ended, BaseException)
    assert has_failed, "no session failed by so many kills"


@pytest.mark.rule("SU6")
@pytest.mark.parametrize("quiet", [WITHIN + 1, WITHIN + 0.05], ids=["quiet", "hardly quiet"])
def test_a_failure_after_a_quiet_time_is_repaired_at_once_again(quiet: float) -> None:
    at_once = 0
    for seed in RUNS:
        plan = compose_small(seed, quiet=quiet)
        for name, count in deliveries(plan, seed).items():
            # Two at once, so that there is a backoff, and some later.
            times = (1, *range(2, count + 1, max(1, count // 4)))
            story = run(attrs.evolve(plan, kills=tuple((name, time) for time in times)), seed, direct=True)
            assert not misjudged(story), f"seed {seed}, {name!r} killed at {times}: {misjudged(story)[0]}"
            at_once += sum(restart.delay == 0 and restart.incarnation > 1 for restart in story.trace.restarts)
    assert at_once, "nobody failed, was quiet, and failed again"


@pytest.mark.rule("SU2", "SU3", "SU4", "SU6")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_handler_that_raises_at_its_end_has_done_nothing_or_lost_its_frame(strategy: Strategy) -> None:
    poisoned = 0
    for seed in RUNS[::4]:
        plan = attrs.evolve(compose_small(seed), strategy=strategy)
        for name, number in kills(plan, seed):
            for times in (1, 2):
                story = run(attrs.evolve(plan, slips=((name, number, times),)), seed, direct=number % 2 == 0)
                found = wrong(story)
                assert not found, f"seed {seed}, {strategy}, {name!r} raises at its {number}, {times} times: {found[0]}"
                poisoned += any(dropped.reason == "poison" for dropped in story.trace.dropped)
    assert poisoned, "nobody failed twice on one frame"


@pytest.mark.rule("SU1", "SU6", "SU9")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_that_are_killed_together_or_one_after_the_other_come_back(strategy: Strategy) -> None:
    for seed in RUNS[1::4]:
        plan = attrs.evolve(compose_small(seed), strategy=strategy)
        times = list(kills(plan, seed))
        for place, (first, second) in enumerate(zip(times, [*times[seed % 7 + 1 :], *times], strict=False)):
            story = run(attrs.evolve(plan, kills=(first, second)), seed, direct=place % 2 == 0)
            assert not wrong(story), f"seed {seed}, {strategy}, {first} and {second} killed: {wrong(story)[0]}"

"""Random sessions in random orders of tasks, with direct delivery and without: every rule holds in each of them.

A failure names seeds; `.venv/bin/python -m tests.actors.search SEED direct` tells the story of one.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from tests.seeds import seeds

from .log import Sent
from .plan import compose, compose_line
from .rules import complaints
from .stage import Story, run

DELIVERY = pytest.mark.parametrize("delivery", ["direct", "queued"])


@cache
def found(delivery: str) -> dict[str, list[str]]:
    """What is wrong in which seed, by rule. One search serves all tests here."""
    wrong: dict[str, list[str]] = {}
    for seed in seeds(1000):
        try:
            complaints_here = complaints(run(compose(seed), seed, direct=delivery == "direct"))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            complaints_here = [f"crash: the runtime raised {error!r}"]
        for complaint in complaints_here[:1]:
            rule = complaint.split(":")[0]
            wrong.setdefault(rule, []).append(f"python -m tests.actors.search {seed} {delivery}  # {complaint}")
    return wrong


def expect_none(delivery: str, *rules: str) -> None:
    lines = [line for rule in rules for line in found(delivery).get(rule, [])]
    assert not lines, "\n".join([f"{len(lines)} seeds", *lines[:5]])


@DELIVERY
@pytest.mark.rule("CH1")
def test_what_one_sender_sends_into_one_lane_is_handled_in_that_order(delivery: str) -> None:
    expect_none(delivery, "CH1")


@DELIVERY
@pytest.mark.rule("CH3", "LC4")
def test_every_session_comes_to_rest_and_to_its_end(delivery: str) -> None:
    expect_none(delivery, "CH3", "LC4")


@DELIVERY
@pytest.mark.rule("CH5")
def test_whatever_is_sent_ends_in_exactly_one_way(delivery: str) -> None:
    expect_none(delivery, "CH5")


@DELIVERY
@pytest.mark.rule("DL1", "DL3")
def test_handlers_begin_what_was_sent_to_them_one_at_a_time_in_each_lane(delivery: str) -> None:
    expect_none(delivery, "DL1", "DL3")


@DELIVERY
@pytest.mark.rule("DL4")
def test_no_ordered_frame_is_begun_while_a_system_frame_waits(delivery: str) -> None:
    expect_none(delivery, "DL4")


@DELIVERY
@pytest.mark.rule("IN1", "IN7")
def test_an_interruption_cuts_what_it_should_and_nothing_else(delivery: str) -> None:
    expect_none(delivery, "IN1", "IN7")


@DELIVERY
@pytest.mark.rule("IN2", "IN5")
def test_each_sending_carries_the_stamp_and_the_immunity_that_the_rules_give_it(delivery: str) -> None:
    expect_none(delivery, "IN2", "IN5")


@DELIVERY
@pytest.mark.rule("IN3")
def test_nothing_interruptible_of_a_dead_turn_is_begun(delivery: str) -> None:
    expect_none(delivery, "IN3")


@DELIVERY
@pytest.mark.rule("IN4")
def test_no_frame_of_a_new_epoch_is_begun_before_its_interruption_was_handled(delivery: str) -> None:
    expect_none(delivery, "IN4")


@DELIVERY
@pytest.mark.rule("LC3")
def test_the_end_drains_what_went_downstream_before_it(delivery: str) -> None:
    expect_none(delivery, "LC3")


@DELIVERY
@pytest.mark.rule("PA1")
def test_frames_enter_all_branches_in_one_order(delivery: str) -> None:
    expect_none(delivery, "PA1")


@DELIVERY
@pytest.mark.rule("PA2")
def test_of_all_copies_of_a_frame_one_comes_out_of_the_branches(delivery: str) -> None:
    expect_none(delivery, "PA2")


@DELIVERY
@pytest.mark.rule("PA3")
def test_the_start_comes_first_and_the_end_when_each_branch_has_let_it_out(delivery: str) -> None:
    expect_none(delivery, "PA3")


@DELIVERY
@pytest.mark.rule("SU1", "SU2", "SU4", "SU5", "SU9")
def test_whoever_fails_comes_back_with_its_durable_values_and_its_timers_unless_it_is_gone(delivery: str) -> None:
    expect_none(delivery, "SU1", "SU2", "SU4", "SU5", "SU9")


@DELIVERY
@pytest.mark.rule("LC5")
def test_after_the_end_nothing_more_is_told(delivery: str) -> None:
    expect_none(delivery, "LC5")


@DELIVERY
def test_the_runtime_itself_never_crashes(delivery: str) -> None:
    expect_none(delivery, "crash")


def received(story: Story) -> dict[str, list[object]]:
    """What each actor and each end got, in order."""
    got: dict[str, list[object]] = {}
    for delivery in story.trace.deliveries:
        if hasattr(delivery.frame, "tag"):
            got.setdefault(delivery.receiver.name, []).append((delivery.frame, delivery.sender))
    return got


@pytest.mark.rule("DL2")
def test_where_one_lane_is_used_and_nothing_answers_direct_delivery_changes_nothing() -> None:
    for seed in seeds(200):
        plan = compose_line(seed)
        direct, queued = (run(plan, seed, direct=mode) for mode in (True, False))
        assert received(direct) == received(queued), f"seed {seed}"
        assert not complaints(direct), f"seed {seed}"


def test_the_search_meets_what_it_is_about() -> None:
    met: Counter[str] = Counter()
    for seed in range(100):
        story = run(compose(seed), seed, direct=True)
        met.update(dropped.reason for dropped in story.trace.dropped)
        met["failures"] += len(story.trace.failures)
        met["restarts"] += len(story.trace.restarts)
        met["interruptions"] += max((delivery.epoch for delivery in story.trace.deliveries), default=0)
        met["copies that came second"] += sum(
            dropped.reason == "merged" and dropped.delivery.receiver.name.startswith("p")
            for dropped in story.trace.dropped
        )
        met["ends of an actor's own"] += sum(isinstance(e, Sent) and e.act.do == "finish" for e in story.log.entries)
        met["failed sessions"] += isinstance(story.trace.ended, BaseException)
    few = [
        what
        for what in (
            "interrupted", "stale", "merged", "poison", "partial", "finished", "cancelled", "unknown address",
            "failures", "restarts", "interruptions", "failed sessions", "copies that came second", "ends of an actor's own",
        )
        if not met[what]
    ]  # fmt: skip
    assert not few, f"never in 100 seeds: {few}; {met}"

"""Random conversations in random orders of tasks: every invariant holds in each, and a kill of a half changes nothing.

A failure names seeds; `.venv/bin/python -m tests.turn.story SEED direct` tells the story of one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from antiphon.channels import (
    CancelFrame,
    EndFrame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    HeardFrame,
    InterruptionFrame,
    LLMRunCancelFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    UserMuteStartedFrame,
)
from antiphon.scenarios import Conversation, conversation, conversations
from antiphon.scenarios.invariants import check
from antiphon.turn.peer_messages import Commit, Park
from tests.seeds import seeds

from .complaints import complaints, play
from .search import complaints_about, complaints_about_kills

DELIVERY = pytest.mark.parametrize("delivery", ["direct", "queued"])


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Conversations are full of what is worth a warning."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@cache
def found(delivery: str, *, kills: bool) -> list[str]:
    """The first complaint about each seed that has any, as a command that tells its story."""
    search = complaints_about_kills if kills else complaints_about
    wrong: list[str] = []
    for seed in seeds(150, each_counts=20) if kills else seeds(350, each_counts=5):
        complaint = next(iter(search(seed, direct=delivery == "direct")), None)
        if complaint is not None:
            wrong.append(f"python -m tests.turn.story {seed} {delivery}  # {complaint}")
    return wrong


def expect_none(wrong: list[str]) -> None:
    assert not wrong, "\n".join([f"{len(wrong)} seeds", *wrong[:5]])


@DELIVERY
def test_every_invariant_holds_in_every_conversation(delivery: str) -> None:
    expect_none(found(delivery, kills=False))


@DELIVERY
@pytest.mark.rule("K20")
def test_a_kill_of_either_half_or_of_both_at_any_delivery_changes_nothing(delivery: str) -> None:
    expect_none(found(delivery, kills=True))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[*HealthCheck],
)
@given(conversations())
def test_the_strategy_gives_conversations_in_which_every_invariant_holds(made: Conversation) -> None:
    played = play(made)
    assert not complaints(played)
    assert not check(played.trace)


def test_a_seed_gives_the_same_conversation_and_the_same_trace() -> None:
    for seed in range(10):
        made = conversation(seed)
        assert made == conversation(seed)
        assert made.play().digest == made.play().digest, seed


def test_nothing_that_the_search_is_about_is_missing() -> None:
    """Each place of the grid, and each thing that may happen."""
    met: Counter[str] = Counter()
    for seed in range(180):
        made = conversation(seed)
        met[f"mode {made.mode}"] += 1
        for setting in ("hears_and_speaks", "allow_interruptions", "has_voice", "edges", "word_times", "late_window"):
            met[f"{setting} {getattr(made, setting)}"] += 1
        trace = made.play()
        kinds = [
            InterruptionFrame, HeardFrame, LLMRunCancelFrame, FunctionCallCancelFrame, FunctionCallResultFrame,
            OutputPauseFrame, OutputResumeFrame, UserMuteStartedFrame, EndFrame, CancelFrame, Commit, Park,
        ]  # fmt: skip
        for kind in kinds:
            met[kind.__name__] += any(isinstance(each.frame, kind) for each in trace.deliveries)
        met["interrupted answers"] += any(
            isinstance(each.frame, Commit) and each.frame.interrupted for each in trace.deliveries
        )
        met["restarts"] += bool(trace.restarts)
        met["delayed restarts"] += any(restart.delay for restart in trace.restarts)
        met["recoveries"] += any(getattr(each.frame, "reason", None) == "empty turn" for each in trace.deliveries)
        met["failed answers"] += any(
            getattr(each.frame, "reason", None) == "failed answer" for each in trace.deliveries
        )
        met["runs owed"] += any(getattr(each.frame, "reason", None) == "owed" for each in trace.deliveries)
    few = [what for what, times in met.items() if not times]
    assert not few, f"never in 180 seeds: {few}; {met}"
    assert len([what for what in met if what.startswith("mode")]) == 5, met

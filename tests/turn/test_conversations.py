"""Random conversations in random orders of tasks: every invariant holds in each, and a kill of a half changes nothing.

A failure names seeds; `.venv/bin/python -m tests.turn.story SEED direct` tells the story of one. `ANTIPHON_SEEDS=100000` in
front of pytest plays 20,000 seeds, and kills in 5,000.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from antiphon.actors import Delivery
from antiphon.channels import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    HeardFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunCancelFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    StopFrame,
    TTSUpdateSettingsFrame,
    UserIdleTimeoutUpdateFrame,
    UserImageRawFrame,
    UserImageRequestFrame,
    UserMuteStartedFrame,
    VADParamsUpdateFrame,
)
from antiphon.scenarios import Conversation, Kill, conversation, conversations
from antiphon.scenarios.conversations import STARTS, Fault
from antiphon.scenarios.invariants import check
from antiphon.turn.peer_messages import Commit, Edit, Park
from tests.seeds import seeds

from .complaints import complaints, play
from .search import complaints_about, complaints_about_kills, not_meant_here

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
    assert not check(played.trace, without=not_meant_here(made))


def test_a_seed_gives_the_same_conversation_and_the_same_trace() -> None:
    for seed in range(10):
        made = conversation(seed)
        assert made == conversation(seed)
        assert made.play().digest == made.play().digest, seed


KINDS = (
    InterruptionFrame, HeardFrame, LLMRunCancelFrame, FunctionCallCancelFrame, FunctionCallResultFrame, OutputPauseFrame,
    OutputResumeFrame, UserMuteStartedFrame, EndFrame, StopFrame, CancelFrame, InputTextRawFrame, LLMMessagesAppendFrame,
    LLMMessagesUpdateFrame, LLMMessagesTransformFrame, LLMSetToolsFrame, LLMSetToolChoiceFrame, LLMUpdateSettingsFrame,
    TTSUpdateSettingsFrame, UserIdleTimeoutUpdateFrame, VADParamsUpdateFrame, UserImageRequestFrame, UserImageRawFrame,
    ErrorFrame, Commit, Park,
)  # fmt: skip
SETTINGS = (
    "mode", "hears_and_speaks", "allow_interruptions", "has_voice", "edges", "word_times", "late_window", "resumes",
    "stop", "mute", "small_lanes", "start", "lag",
)  # fmt: skip


def seen_in(made: Conversation) -> Iterator[str]:
    """The settings of a conversation, and what happened in it."""
    yield from (f"{name} {getattr(made, name)}" for name in SETTINGS)
    yield f"fault {made.fault and made.fault[0]}"
    kills = [item for item in made.script if isinstance(item, Kill)]
    yield from (f"kill of {kill.name}" for kill in kills)
    yield from (f"{len(kills)} kills" for _ in kills[:1])
    trace = made.play()
    yield from (kind.__name__ for each in trace.deliveries for kind in KINDS if isinstance(each.frame, kind))
    yield from ("on_" + event.name.removeprefix("on_") for event in trace.events)
    if trace.restarts:
        yield "restarts"
    if any(restart.delay for restart in trace.restarts):
        yield "delayed restarts"
    for each in trace.deliveries:
        yield from seen_of(each)


def seen_of(each: Delivery) -> Iterator[str]:
    match each.frame:
        case Commit(interrupted=True):
            yield "an interrupted answer"
        case Edit(kind=kind):
            yield f"{kind} from behind the model"
        case FunctionCallResultFrame(error=str()):
            yield "a call that raises"
        case FunctionCallResultFrame(properties=properties) if properties is not None and not properties.is_final:
            yield "news of a call"
        case FunctionCallCancelFrame(run_llm=True):
            yield "a call that takes too long"
        case LLMFullResponseEndFrame(failed=True):
            yield "an answer that breaks off"
        case UserImageRawFrame(request=request):
            yield "an image for a call" if request is not None else "an image"
        case frame:
            reason = getattr(frame, "reason", None)
            if isinstance(reason, str):
                yield f"a run for {reason}"


def test_nothing_that_the_search_is_about_is_missing() -> None:
    """Each place of the grid, and each thing that may happen."""
    met = Counter(what for seed in range(250) for what in set(seen_in(conversation(seed))))
    wanted = {
        *(kind.__name__ for kind in KINDS),
        *(
            f"{name} {value}"
            for name in ("hears_and_speaks", "allow_interruptions", "has_voice")
            for value in (True, False)
        ),
        *(f"{name} {value}" for name in ("word_times", "resumes", "small_lanes") for value in (True, False)),
        *(f"edges {value}" for value in ("proposed", "announced", None)),
        *(f"late_window {value}" for value in (0.0, 1.0)),
        *(f"stop {value}" for value in ("analyser", "timeout")),
        *(f"mute {value}" for value in (0, 1, 2, None)),
        *(f"start {value}" for value in STARTS),
        *(f"fault {value}" for value in (None, *get_args(Fault))),
        *(f"lag {value}" for value in (None, "llm", "tts", "s2s", "output")),
        *(f"kill of {name}" for name in ("user", "llm", "tts", "s2s", "output", "assistant", "lag")),
        *("1 kills", "2 kills", "restarts", "delayed restarts", "an interrupted answer", "an answer that breaks off"),
        *("a call that raises", "news of a call", "a call that takes too long", "an image", "an image for a call"),
        *(f"{kind} from behind the model" for kind in ("append", "update", "transform")),
        *(f"a run for {reason}" for reason in ("user turn", "typed text", "run frame", "edit", "owed")),
        *(f"a run for {reason}" for reason in ("empty turn", "failed answer")),
        *("on_false_interruption", "on_user_speech_rejected", "on_wake_phrase_detected", "on_wake_phrase_timeout"),
        *("on_user_turn_stop_timeout", "on_user_turn_idle", "on_image_for_call", "on_function_calls_cancelled"),
    }
    assert sorted(wanted - met.keys()) == []
    assert len([what for what in met if what.startswith("mode")]) == 5, met

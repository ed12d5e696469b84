"""A model that says by a mark whether the user's thought was whole, and a pair that waits or answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from antiphon import Pipeline
from antiphon.actors.services.scripted import ScriptedLLM, Step
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.channels import (
    LLMContext,
    LLMContextFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Trace, play
from antiphon.turn import (
    FilterIncompleteUserTurnStrategies,
    LLMContextAggregatorPair,
    SilenceTurnAnalyzer,
    TurnAnalyzerUserTurnStopStrategy,
    TurnMarks,
)

from .test_golden_traces import START, STOP, at, final
from .test_what_users_suffer_from import told

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])


def marked(context: LLMContext) -> Iterator[Step | str]:
    """An unfinished sentence is waited for; after the first reminder the model asks."""
    messages = [message["content"] for message in context.messages]
    if messages[-1].endswith("and"):
        yield "◐"
    else:
        yield "● Two. Anything else?"


def run(script: list[Item], *, direct: bool) -> Trace:
    strategies = FilterIncompleteUserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())])
    pair = LLMContextAggregatorPair(LLMContext(), user_turn_strategies=strategies, false_interruption_timeout=None)
    llm = ScriptedLLM(marked, first_token_secs=0.2, token_secs=0.05, name="llm")
    return play(
        Pipeline(pair.user, llm, TurnMarks(), ScriptedTTS(name="tts"), pair.assistant), script, direct=direct, limit=30
    )


def turn_edges(trace: Trace) -> list[tuple[type, float]]:
    edges = (UserStartedSpeakingFrame, UserStoppedSpeakingFrame)
    return [
        (type(each.frame), round(each.time, 2))
        for each in trace.deliveries
        if each.receiver.name == "source" and isinstance(each.frame, edges)
    ]


@both
@pytest.mark.rule("D39", "D39a")
def test_an_unfinished_thought_keeps_the_turn_open_and_its_rest_ends_it(direct: bool) -> None:
    script = at((0.0, START), (0.7, final("One and")), (0.9, STOP), (2.5, START), (3.0, final("one?")), (3.2, STOP))
    trace = run(script, direct=direct)
    assert turn_edges(trace) == [(UserStartedSpeakingFrame, 0.0), (UserStoppedSpeakingFrame, 3.4)]
    assert told(trace) == [
        ("user", "One and"),
        ("assistant", "◐"),
        ("user", "one?"),
        ("assistant", "● Two. Anything else?"),
    ]
    words = [each.frame.text for each in trace.deliveries if isinstance(each.frame, TTSTextFrame)]
    assert "◐" not in "".join(words) and "●" not in "".join(words)
    assert "Two." in words


@both
@pytest.mark.rule("D39a")
def test_who_falls_silent_after_an_unfinished_thought_is_asked_once_the_wait_is_over(direct: bool) -> None:
    trace = run(at((0.0, START), (0.7, final("One and")), (0.9, STOP)), direct=direct)
    runs = [round(each.time, 2) for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]
    assert len(runs) == 2
    assert 5.9 <= runs[1] <= 6.3  # five seconds after the mark
    assert [role for role, _ in told(trace)] == ["user", "assistant", "developer", "assistant"]
    assert [kind for kind, _ in turn_edges(trace)] == [UserStartedSpeakingFrame, UserStoppedSpeakingFrame]

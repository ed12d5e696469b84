"""Who listens for voice: the user half by itself, or somebody before it; and what a muted user's voice does."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    LLMContext,
    SpeechControlParamsFrame,
    UserMuteStartedFrame,
    UserStartedSpeakingFrame,
    VADParams,
    VADParamsUpdateFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Trace, play
from antiphon.turn import (
    VAD,
    AlwaysUserMuteStrategy,
    ExternalUserTurnStrategies,
    LLMContextAggregatorPair,
    VoiceWatch,
)

from .test_vad import SENTENCE, silence, speech

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
EDGES = (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame)


def pair(**settings: Any) -> LLMContextAggregatorPair:
    return LLMContextAggregatorPair(LLMContext(), **{"false_interruption_timeout": None, **settings})


def run(script: list[Item], *, direct: bool = True, before: VAD | None = None, **settings: Any) -> Trace:
    halves = pair(**settings)
    actors = [halves.user, halves.assistant] if before is None else [before, halves.user, halves.assistant]
    return play(Pipeline(*actors), script, direct=direct, limit=30)


def edges(trace: Trace) -> list[type[Frame]]:
    """Those that go up to the transcriber."""
    return [type(frame) for frame in trace.up if isinstance(frame, (*EDGES, UserStartedSpeakingFrame))]


@both
@pytest.mark.rule("C11")
def test_unless_told_otherwise_the_user_half_hears_voice_itself_and_tells_it_up_and_down(direct: bool) -> None:
    trace = run(SENTENCE, direct=direct)
    assert edges(trace) == [VADUserStartedSpeakingFrame, UserStartedSpeakingFrame, VADUserStoppedSpeakingFrame]
    assert [type(frame) for frame in trace.down if isinstance(frame, EDGES)] == list(EDGES)
    sound = [frame for frame in trace.down if isinstance(frame, InputAudioRawFrame)]
    assert sound == [item for item in SENTENCE if isinstance(item, InputAudioRawFrame)]


@both
@pytest.mark.rule("C11")
def test_one_who_listens_before_the_half_is_the_only_one(direct: bool) -> None:
    trace = run(SENTENCE, direct=direct, before=VAD())
    assert [type(frame) for frame in trace.down if isinstance(frame, EDGES)] == list(EDGES)


@both
@pytest.mark.rule("C11")
def test_voice_that_is_heard_outside_is_not_heard_again(direct: bool) -> None:
    trace = run([SpeechControlParamsFrame(vad_params=VADParams()), *SENTENCE], direct=direct)
    assert edges(trace) == []


@both
@pytest.mark.rule("C11")
@pytest.mark.parametrize("settings", [{"vad": None}, {"user_turn_strategies": ExternalUserTurnStrategies()}])
def test_nobody_listens_where_it_is_turned_off_or_no_strategy_looks_at_voice(
    settings: dict[str, Any], direct: bool
) -> None:
    assert edges(run(SENTENCE, direct=direct, **settings)) == []


@both
@pytest.mark.rule("C11")
def test_a_watch_of_ones_own_listens_with_its_parameters(direct: bool) -> None:
    watch = VoiceWatch(VADParams(start_secs=0.4))
    starts = [frame for frame in run(SENTENCE, direct=direct, vad=watch).up if isinstance(frame, EDGES[0])]
    assert [frame.start_secs for frame in starts] == [0.4]


@both
@pytest.mark.rule("C8", "C11")
def test_parameters_can_be_changed_while_it_listens(direct: bool) -> None:
    script: list[Item] = [*silence(0.2), VADParamsUpdateFrame(VADParams(start_secs=0.1)), *speech(0.6), *silence(0.6)]
    trace = run(script, direct=direct)
    assert [frame.start_secs for frame in trace.up if isinstance(frame, EDGES[0])] == [0.1]


@both
@pytest.mark.rule("K20")
@pytest.mark.parametrize("at", [30, 40, 50, 60, 80])
def test_a_kill_in_the_middle_of_a_word_changes_no_edge(at: int, direct: bool) -> None:
    undisturbed = run(SENTENCE, direct=direct)
    trace = run([Kill("user", at=at), *SENTENCE], direct=direct)
    assert len(trace.restarts) == 1
    assert edges(trace) == edges(undisturbed)


@both
@pytest.mark.rule("D51", "D54")
def test_a_muted_users_sound_is_neither_heard_nor_passed_and_the_end_of_his_voice_is_told_for_him(direct: bool) -> None:
    script: list[Item] = [
        *silence(0.2),
        *speech(0.5),
        BotStartedSpeakingFrame(),
        *speech(0.5),
        *silence(0.5),
        BotStoppedSpeakingFrame(),
        *silence(0.5),
    ]
    trace = run(script, direct=direct, user_mute_strategies=[AlwaysUserMuteStrategy()])
    told = [type(frame) for frame in trace.up if isinstance(frame, (*EDGES, UserMuteStartedFrame))]
    assert told == [*EDGES, UserMuteStartedFrame]
    passed = [frame for frame in trace.down if isinstance(frame, InputAudioRawFrame)]
    assert len(passed) == sum(isinstance(item, InputAudioRawFrame) for item in script) - 50

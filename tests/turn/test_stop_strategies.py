"""When a turn is over: the strategies, in exact times."""

from __future__ import annotations

import pytest

from antiphon.actors import Both
from antiphon.channels import (
    InputAudioRawFrame,
    LLMMarkerResponseFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    SpeechControlParamsFrame,
    StartFrame,
    STTMetadataFrame,
    TurnMetricsData,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    UserTurnInferenceCompletedFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import (
    AnswerBegan,
    AnyStopStrategy,
    DeferredUserTurnStopStrategy,
    Event,
    ExternalCompletionUserTurnStopStrategy,
    ExternalUserTurnStartStrategy,
    ExternalUserTurnStopStrategy,
    FilterIncompleteUserTurnStrategies,
    InferenceTriggered,
    LLMTurnCompletionUserTurnStopStrategy,
    Prompt,
    Send,
    SilenceTurnAnalyzer,
    SpeechTimeoutUserTurnStopStrategy,
    TranscriptionUserTurnStartStrategy,
    TurnAnalyzerParams,
    TurnAnalyzerUserTurnStopStrategy,
    TurnStopped,
    UserTurn,
    UserTurnCompletionConfig,
    UserTurnConfig,
    VADUserTurnStartStrategy,
)
from tests.turn.turns import E, F, I, S, Script, Scripted, T, decided, of_kind, play_turn, stops, turn_with

CHUNK = bytes(640)
"""20 ms of silence at 16 kHz."""

SPEECH = "SpeechTimeoutUserTurnStopStrategy"
ANALYZER = "TurnAnalyzerUserTurnStopStrategy"
EXTERNAL = "ExternalUserTurnStopStrategy"
WATCHDOG = None


def turn_until(*stop: AnyStopStrategy) -> UserTurn:
    return turn_with([VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()], stop)


# --- speech time-out: p = 0.6; q = 1.0 - 0.2 = 0.8, or 0.4 - 0.2 = 0.2


@pytest.mark.rule("D30", "D31", "D32", "D45")
@pytest.mark.parametrize("direct_latency", [1.0, 0.4])
@pytest.mark.parametrize(
    ("script", "stop"),
    [
        pytest.param([S(0), T(0.5), E(1)], lambda p, q: 1 + max(p, q), id="S T E"),
        pytest.param([S(0), E(1), T(1.1)], lambda p, q: 1 + max(p, q), id="S E T early"),
        pytest.param([S(0), E(1), T(2.5)], lambda p, q: 2.5, id="S E T late"),
        pytest.param([S(0), F(0.5), E(1)], lambda p, q: 1 + p, id="S F E"),
        pytest.param([S(0), E(1), F(1.1)], lambda p, q: 1 + p, id="S E F early"),
        pytest.param([S(0), E(1), F(1.7)], lambda p, q: 1.7, id="S E F late"),
        pytest.param([S(0), F(0.5), I(0.7), E(1), T(1.1)], lambda p, q: 1 + max(p, q), id="S F I E T"),
        pytest.param([S(0), F(0.5), I(0.7, " "), E(1)], lambda p, q: 1 + p, id="S F blank E"),
        pytest.param([S(0), E(1), F(1.1), I(1.2)], lambda p, q: 1 + max(p, q), id="S E F I"),
        pytest.param([S(0), E(1), S(1.3), E(2), T(2.1)], lambda p, q: 2 + max(p, q), id="S E S E T"),
        pytest.param([S(0), E(1), T(1.1), S(1.3), E(2)], lambda p, q: 2 + max(p, q), id="S E T S E"),
        pytest.param([S(0), F(0.5), E(1), S(1.3), E(2)], lambda p, q: 2 + max(p, q), id="S F E S E"),
        pytest.param([S(0), T(0.5), E(9)], lambda p, q: 9 + max(p, q), id="S T, speaking on"),
        pytest.param([S(0), E(1), T(1.1), I(1.2)], lambda p, q: 1 + max(p, q), id="S E T I"),
        pytest.param([T(1)], lambda p, q: 1 + p, id="T"),
        pytest.param([F(1)], lambda p, q: 1 + p, id="F without a voice"),
        pytest.param([T(1), T(1.4)], lambda p, q: 1.4 + p, id="T T"),
        pytest.param([S(0), E(1), T(1.1, "  ")], lambda p, q: 1 + 5, id="S E blank"),
    ],
)
def test_a_silence_of_fixed_length_ends_a_turn_when_its_words_are_there(
    script: Script, stop: object, direct_latency: float
) -> None:
    turn = turn_until(SpeechTimeoutUserTurnStopStrategy())
    (time, _), *more = stops(turn, [(0, STTMetadataFrame("stt", direct_latency)), *script])
    assert callable(stop)
    assert time == pytest.approx(stop(0.6, direct_latency - 0.2))
    assert not more


@pytest.mark.rule("D45", "D6")
def test_without_words_only_the_watch_dog_ends_it() -> None:
    assert stops(turn_until(SpeechTimeoutUserTurnStopStrategy()), [S(0), E(1)]) == [(6.0, WATCHDOG)]


@pytest.mark.rule("D45")
@pytest.mark.parametrize(("timeout", "at"), [(0.6, 1.8), (1.5, 2.5)])
def test_a_silence_alone_ends_a_turn_that_does_not_wait_for_words(timeout: float, at: float) -> None:
    turn = turn_until(SpeechTimeoutUserTurnStopStrategy(timeout, wait_for_transcript=False))
    assert stops(turn, [S(0), E(1)]) == [(at, SPEECH)]


@pytest.mark.rule("D45")
def test_words_behind_the_end_of_a_turn_are_late() -> None:
    turn, decisions = play_turn(
        turn_with([VADUserTurnStartStrategy()], [SpeechTimeoutUserTurnStopStrategy()]),
        [S(0), E(1), T(1.1), I(1.2), T(3)],
    )
    assert [time for time, _ in of_kind(decisions, TurnStopped)] == [1.8]
    assert turn.has_text


# --- turn analyser


@pytest.mark.rule("D33", "D34", "D46")
@pytest.mark.parametrize(
    ("script", "stop"),
    [
        pytest.param([S(0), T(0.5), E(1)], 1.8, id="S T E: the deadline"),
        pytest.param([S(0), F(0.5), E(1)], 1.0, id="S F E: the verdict"),
        pytest.param([S(0), E(1), F(1.3)], 1.3, id="S E F: the words"),
        pytest.param([S(0), E(1), T(1.3)], 1.8, id="S E T before the deadline"),
        pytest.param([S(0), E(1), T(2.4)], 2.4, id="S E T after the deadline"),
        pytest.param([S(0), F(0.5), I(0.7), E(1)], 1.8, id="S F I E: finality withdrawn"),
        pytest.param([S(0), F(0.5), I(0.7, " "), E(1)], 1.0, id="S F blank E: it isn't"),
        pytest.param(
            [
                S(0),
                F(0.5),
                E(
                    2,
                ),
            ],
            2.0,
            id="S F E later",
        ),
        pytest.param([S(0), T(0.5), E(1), S(1.5), E(2)], 2.8, id="S T E S E"),
        pytest.param([S(0), E(1), F(1.3, " "), F(1.6)], 1.6, id="S E blank F"),
        pytest.param([T(1)], 1.8, id="T"),
        pytest.param([F(1)], 1.8, id="F without a voice"),
        pytest.param([T(1), T(1.5)], 2.3, id="T T"),
    ],
)
def test_a_complete_turn_ends_when_its_words_are_final_or_have_had_their_time(script: Script, stop: float) -> None:
    assert stops(turn_until(TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())), script) == [(stop, ANALYZER)]


@pytest.mark.rule("D33")
def test_the_deadline_counts_from_where_speech_ended_however_late_the_news() -> None:
    late = (1.3, VADUserStoppedSpeakingFrame(0.2, 1.0))
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer()))
    assert stops(turn, [S(0), T(0.5), late]) == [(1.8, ANALYZER)]


@pytest.mark.rule("D46")
def test_a_verdict_alone_ends_a_turn_that_does_not_wait_for_words() -> None:
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer(), wait_for_transcript=False))
    assert stops(turn, [S(0), E(1)]) == [(1.0, ANALYZER)]


def sound(start: float, chunks: int) -> list[tuple[float, object]]:
    return [(start + 0.02 * count, InputAudioRawFrame(CHUNK, 16000)) for count in range(chunks)]


@pytest.mark.rule("D33", "D46")
def test_an_incomplete_turn_goes_on_until_the_next_silence() -> None:
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(Scripted(at_silence=False)))
    assert stops(turn, [S(0), F(0.5), E(1)]) == [(6.0, WATCHDOG)]


@pytest.mark.rule("D46")
def test_a_long_silence_makes_an_incomplete_turn_complete() -> None:
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(Scripted(at_silence=False, in_sound=200)))
    assert stops(turn, [S(0), T(0.5), E(1), *sound(0.02, 200)]) == [(4.0, ANALYZER)]


@pytest.mark.rule("D36", "D46")
@pytest.mark.parametrize(("words", "stop"), [(F(0.5), 1.2), (T(0.5), 1.8), (T(2.5), 2.5)])
def test_a_streaming_analyser_may_decide_at_any_sound(words: tuple[float, object], stop: float) -> None:
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(Scripted(at_silence=False, in_sound=60)))
    assert stops(turn, [S(0), words, E(1), *sound(0.02, 60)]) == [(stop, ANALYZER)]


@pytest.mark.rule("D36")
def test_an_analyser_has_three_seconds_of_patience() -> None:
    assert TurnAnalyzerParams() == TurnAnalyzerParams(stop_secs=3.0, pre_speech_ms=500, max_duration_secs=8)


@pytest.mark.rule("D35")
def test_the_analysers_parameters_are_told_once() -> None:
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer()))
    told = Send(Both(SpeechControlParamsFrame(turn_params=TurnAnalyzerParams())))
    assert decided(turn, [(0, StartFrame()), (1, StartFrame())]) == [(0, told)]


@pytest.mark.rule("D35")
def test_a_prediction_is_measured() -> None:
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(Scripted(at_silence=False)))
    sent = [each.effect for _, each in of_kind(decided(turn, [S(0), E(1)]), Send)]
    assert sent == [MetricsFrame((TurnMetricsData("Scripted", False, 0.1, 0.0),))]


@pytest.mark.rule("D35")
def test_the_analyser_forgets_the_sound_when_the_turn_is_over() -> None:
    turn = turn_until(TurnAnalyzerUserTurnStopStrategy(Scripted(in_sound=4)))
    script = [S(0), F(0.01), *sound(0.02, 3), E(1), *sound(2, 3)]
    turn, decisions = play_turn(turn, script)
    assert [time for time, _ in of_kind(decisions, TurnStopped)] == [1.0]
    assert len(of_kind(decisions, Send)) == 1, "a fourth chunk would have been a second verdict"


def test_a_step_taken_again_from_an_older_value_gives_the_same() -> None:
    """As after a handler that failed: the judge has heard more than the value says."""
    waiting = turn_until(TurnAnalyzerUserTurnStopStrategy(Scripted(at_silence=False, in_sound=2)))
    turn, _ = play_turn(waiting, [S(0), F(0.5), E(1)], until=1.01)
    first, rest = sound(1.02, 2)
    once = turn.step(first[1], first[0])
    assert turn.step(first[1], first[0]) == once == (once[0], ())
    closed = once[0].step(rest[1], rest[0])
    assert [each for each in closed[1] if isinstance(each, TurnStopped)]
    assert once[0].step(rest[1], rest[0]) == closed


# --- a service's word


PROPOSED = ProposedUserStartedSpeakingFrame(), ProposedUserStoppedSpeakingFrame()
ANNOUNCED = UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()


def external(**options: bool) -> UserTurn:
    return turn_with([ExternalUserTurnStartStrategy()], [ExternalUserTurnStopStrategy(**options)])


@pytest.mark.rule("D37")
@pytest.mark.parametrize(
    ("script", "stop"),
    [
        pytest.param([(0, PROPOSED[0]), T(0.5), (1, PROPOSED[1])], (1.0, EXTERNAL), id="words before"),
        pytest.param([(0, PROPOSED[0]), (1, PROPOSED[1]), T(1.2)], (1.7, EXTERNAL), id="words behind"),
        pytest.param([(0, PROPOSED[0]), T(0.5), I(0.9), (1, PROPOSED[1])], (6.0, WATCHDOG), id="interim pending"),
        pytest.param(
            [(0, PROPOSED[0]), I(0.9), (1, PROPOSED[1]), T(1.2), T(1.6)], (2.1, EXTERNAL), id="words still coming"
        ),
        pytest.param([(0, PROPOSED[0]), (1, PROPOSED[1])], (6.0, WATCHDOG), id="no words"),
        pytest.param([(0, PROPOSED[0]), (1, PROPOSED[1]), T(1.2, " ")], (6.0, WATCHDOG), id="blank words"),
        pytest.param([(0, PROPOSED[0]), T(0.5), I(0.9, " "), (1, PROPOSED[1])], (1.0, EXTERNAL), id="blank interim"),
    ],
)
def test_a_proposed_end_waits_for_the_words(script: Script, stop: tuple[float, str | None]) -> None:
    assert stops(external(), script) == [stop]


@pytest.mark.rule("D37")
def test_a_proposed_end_is_enough_for_a_turn_that_does_not_wait_for_words() -> None:
    assert stops(external(wait_for_transcript=False), [(0, PROPOSED[0]), (1, PROPOSED[1])]) == [(1.0, EXTERNAL)]


@pytest.mark.rule("D37")
@pytest.mark.parametrize(("edges", "announce"), [(PROPOSED, True), (ANNOUNCED, False)])
def test_an_end_is_announced_by_who_did_not_hear_it_announced(edges: tuple[object, object], announce: bool) -> None:
    ((_, stopped),) = of_kind(decided(external(), [(0, edges[0]), T(0.5), (1, edges[1])]), TurnStopped)
    assert stopped.announce is announce


@pytest.mark.rule("D37")
def test_a_user_who_speaks_on_is_not_cut_short() -> None:
    script = [(0, PROPOSED[0]), (1, PROPOSED[1]), T(1.2), (1.4, PROPOSED[0]), (3, PROPOSED[1])]
    assert stops(external(), script) == [(3.0, EXTERNAL)]


# --- deferred, and judged by meaning


@pytest.mark.rule("D38", "D9")
def test_a_deferred_strategy_asks_for_an_answer_and_ends_nothing() -> None:
    turn = turn_until(DeferredUserTurnStopStrategy(SpeechTimeoutUserTurnStopStrategy()))
    decisions = decided(turn, [S(0), T(0.5), E(1)])
    assert of_kind(decisions, InferenceTriggered) == [(1.8, InferenceTriggered(SPEECH))]
    assert [(time, each.strategy) for time, each in of_kind(decisions, TurnStopped)] == [(6.8, WATCHDOG)]


@pytest.mark.rule("D38", "D9")
def test_what_was_answered_is_not_answered_again() -> None:
    turn = turn_until(DeferredUserTurnStopStrategy(SpeechTimeoutUserTurnStopStrategy()))
    decisions = decided(turn, [S(0), T(0.5), E(1), S(2), E(3), S(4), T(4.5), E(5)])
    assert [time for time, _ in of_kind(decisions, InferenceTriggered)] == [1.8, 5.8]


@pytest.mark.rule("D38", "D9")
@pytest.mark.parametrize(
    ("inner", "script", "triggers"),
    [
        (TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer()), [S(0), F(0.5), E(1), S(2), E(3)], [1]),
        (TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer()), [S(0), F(0.5), E(1), T(1.2)], [1, 1.8]),
        (SpeechTimeoutUserTurnStopStrategy(), [S(0), F(0.5), E(1), T(1.7)], [1.6, 1.8]),
        (ExternalUserTurnStopStrategy(), [S(0), F(0.5), E(1), (2, PROPOSED[1]), (4, PROPOSED[1])], [2]),
    ],
    ids=["analyser", "analyser, more words", "speech time-out, more words", "external"],
)
def test_each_answer_takes_words_of_its_own(inner: AnyStopStrategy, script: Script, triggers: list[float]) -> None:
    decisions = decided(turn_until(DeferredUserTurnStopStrategy(inner)), script)
    assert [time for time, _ in of_kind(decisions, InferenceTriggered)] == triggers


@pytest.mark.rule("D39", "D4")
@pytest.mark.parametrize(
    ("at", "stop"), [(2.0, (2.0, "ExternalCompletionUserTurnStopStrategy")), (0.5, (6.0, WATCHDOG))]
)
def test_somebody_may_judge_the_turn_complete_unless_the_user_speaks(at: float, stop: tuple[float, str | None]) -> None:
    turn = turn_until(ExternalCompletionUserTurnStopStrategy())
    assert stops(turn, [S(0), E(1), (at, UserTurnInferenceCompletedFrame())]) == [stop]


@pytest.mark.rule("D39")
def test_who_judges_a_turn_complete_asks_for_no_answer() -> None:
    turn = turn_until(ExternalCompletionUserTurnStopStrategy())
    ((_, stopped),) = of_kind(decided(turn, [S(0), T(0.5), E(1), (2, UserTurnInferenceCompletedFrame())]), TurnStopped)
    assert not stopped.triggers_inference


@pytest.mark.rule("D39a")
def test_a_mark_behind_the_end_of_the_turn_is_no_reason_to_wait() -> None:
    assert not of_kind(decided(filtering(), [(1, SHORT)]), Prompt)


def filtering() -> UserTurn:
    strategies = FilterIncompleteUserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()])
    return UserTurn.begin(UserTurnConfig(strategies, false_interruption_timeout=None))


@pytest.mark.rule("D39")
def test_the_models_are_told_of_the_marks_once() -> None:
    sent = [each.effect for _, each in of_kind(decided(filtering(), [(0, StartFrame()), (1, StartFrame())]), Send)]
    (told,) = [each.frame for each in sent if hasattr(each, "frame")]
    assert isinstance(told, LLMUpdateSettingsFrame)
    assert told.reach_inactive_services
    assert told.settings is not None
    assert told.settings["filter_incomplete_user_turns"] is True
    assert all(mark in told.settings["user_turn_completion_instructions"] for mark in "●◐○")


SHORT = LLMMarkerResponseFrame("◐", "◐", "incomplete_short")

ANSWERED = [S(0), T(0.5), E(1)]
"""At 1.8 an answer is asked for."""


@pytest.mark.rule("D39")
def test_a_complete_mark_ends_the_turn_without_another_answer() -> None:
    decisions = decided(filtering(), [*ANSWERED, (2.2, UserTurnInferenceCompletedFrame())])
    assert [time for time, _ in of_kind(decisions, InferenceTriggered)] == [1.8]
    ((time, stopped),) = of_kind(decisions, TurnStopped)
    assert (time, stopped.strategy) == (2.2, "LLMTurnCompletionUserTurnStopStrategy")
    assert not stopped.triggers_inference


@pytest.mark.rule("D39", "D39a", "D6")
@pytest.mark.parametrize(("kind", "seconds"), [("short", 5.0), ("long", 10.0)])
def test_after_an_incomplete_mark_the_user_is_waited_for_and_then_helped_on(kind: str, seconds: float) -> None:
    incomplete = LLMMarkerResponseFrame("", kind=f"incomplete_{kind}")
    decisions = decided(filtering(), [*ANSWERED, (2.2, incomplete)])
    config = UserTurnCompletionConfig()
    prompt = config.incomplete_short_prompt if kind == "short" else config.incomplete_long_prompt
    assert of_kind(decisions, Prompt) == [(2.2 + seconds, Prompt(prompt))]
    assert of_kind(decisions, Event) == [(2.2 + seconds + 5.0, Event("on_user_turn_stop_timeout"))], "not before"


@pytest.mark.rule("D39a")
@pytest.mark.parametrize("event", [S(4)[1], AnswerBegan()])
def test_the_waiting_ends_when_somebody_goes_on(event: object) -> None:
    decisions = decided(filtering(), [*ANSWERED, (2.2, SHORT), (4, event), E(5)])
    assert not of_kind(decisions, Prompt)


@pytest.mark.rule("D39a")
def test_a_mark_that_comes_while_the_user_speaks_is_stale() -> None:
    decisions = decided(filtering(), [*ANSWERED, S(2), (2.2, SHORT), E(20)], until=19)
    assert not of_kind(decisions, Prompt)
    decisions = decided(filtering(), [*ANSWERED, S(2), (2.2, UserTurnInferenceCompletedFrame()), E(20)], until=19)
    assert not of_kind(decisions, TurnStopped)


@pytest.mark.rule("D41")
def test_the_first_to_finalise_closes_and_the_others_begin_anew() -> None:
    turn = turn_until(SpeechTimeoutUserTurnStopStrategy(), TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer()))
    script = [S(0), F(0.5), E(1), S(5), E(6)]
    assert stops(turn, script) == [(1.0, ANALYZER), (11.0, WATCHDOG)]


@pytest.mark.rule("D10")
def test_a_stop_may_keep_quiet() -> None:
    quiet = SpeechTimeoutUserTurnStopStrategy(enable_user_speaking_frames=False)
    ((_, stopped),) = of_kind(decided(turn_until(quiet), ANSWERED), TurnStopped)
    assert not stopped.announce


def test_a_time_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="user_speech_timeout"):
        SpeechTimeoutUserTurnStopStrategy(-1)
    with pytest.raises(ValueError, match="incomplete_short_timeout"):
        LLMTurnCompletionUserTurnStopStrategy(UserTurnCompletionConfig(incomplete_short_timeout=0))

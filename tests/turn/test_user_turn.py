"""The user's turn: what opens and closes it, and what that does to the bot."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, strategies as st

from antiphon.actors import Both
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ExternalTurns,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMMarkerResponseFrame,
    LLMRunFrame,
    OutputResumeFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    SpeechControlParamsFrame,
    StartFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserMuteStartedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    UserTurnInferenceCompletedFrame,
    VADParams,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import (
    AnyStartStrategy,
    Backchannel,
    DeferredUserTurnStopStrategy,
    EmptyUserTurn,
    Event,
    Evidence,
    ExternalCompletionUserTurnStopStrategy,
    ExternalUserTurnStartStrategy,
    ExternalUserTurnStopStrategy,
    ExternalUserTurnStrategies,
    FalseInterruption,
    HideFromRest,
    InferenceTriggered,
    LLMTurnCompletionUserTurnStopStrategy,
    MinWordsUserTurnStartStrategy,
    Send,
    SilenceTurnAnalyzer,
    SpeechTimeoutUserTurnStopStrategy,
    StartTurn,
    StopTurn,
    StrategyDecision,
    Timer,
    TranscriptionUserTurnStartStrategy,
    TurnAnalyzerUserTurnStopStrategy,
    TurnClosed,
    TurnDecision,
    TurnFacts,
    TurnOpened,
    TurnStarted,
    TurnStopped,
    TurnTimer,
    UserIdle,
    UserTurn,
    UserTurnConfig,
    UserTurnStartStrategy,
    UserTurnStopStrategy,
    UserTurnStrategies,
    VADUserTurnStartStrategy,
    Warn,
)
from tests.turn.turns import E, F, I, S, Script, T, decided, of_kind, play_turn, starts, stops, turn_with

SPEECH = "SpeechTimeoutUserTurnStopStrategy"
VAD = "VADUserTurnStartStrategy"
WORDS = "TranscriptionUserTurnStartStrategy"
WATCHDOG = None

TIMEOUT = Event("on_user_turn_stop_timeout")


def usual(*, resume: float | None = None, allow_interruptions: bool = True) -> UserTurn:
    """Voice or words begin, 0.6 s of silence end; a transcript without a voice ends 0.6 s later."""
    stop = [SpeechTimeoutUserTurnStopStrategy()]
    return turn_with((), stop, resume=resume, allow_interruptions=allow_interruptions)


@attrs.frozen
class Notes(UserTurnStartStrategy[tuple[object, ...]]):
    """Keeps what it was shown."""

    hides: bool = False

    def begin(self) -> tuple[object, ...]:
        return ()

    def step(
        self, state: tuple[object, ...], event: object, now: float, facts: TurnFacts
    ) -> tuple[tuple[object, ...], tuple[StrategyDecision, ...]]:
        return (*state, event), (HideFromRest(),) if self.hides else ()


@attrs.frozen
class StopNotes(UserTurnStopStrategy[tuple[object, ...]]):
    """The same, of a stop strategy."""

    def begin(self) -> tuple[object, ...]:
        return ()

    def step(
        self, state: tuple[object, ...], event: object, now: float, facts: TurnFacts
    ) -> tuple[tuple[object, ...], tuple[StrategyDecision, ...]]:
        return (*state, event), ()


def shown(turn: UserTurn) -> list[tuple[object, ...]]:
    return [slot.state for slot in turn.slots]


# --- who is asked


@pytest.mark.rule("D1")
def test_every_frame_is_shown_to_start_strategies_until_one_hides_it_and_to_all_stop_strategies() -> None:
    turn, _ = turn_with([Notes(), Notes(hides=True), Notes()], [StopNotes(), StopNotes()]).step(LLMRunFrame(), 1.0)
    assert shown(turn) == [(LLMRunFrame(),), (LLMRunFrame(),), (), (LLMRunFrame(),), (LLMRunFrame(),)]


@pytest.mark.rule("D5")
def test_all_strategies_hear_of_the_turns_edges_whoever_decided_them() -> None:
    turn = turn_with([Notes(hides=True), VADUserTurnStartStrategy(), Notes()], [StopNotes()])
    turn, _ = play_turn(turn, [(0, EmulateUserStartedSpeakingFrame()), (1, EmulateUserStoppedSpeakingFrame())])
    notes = shown(turn)
    assert notes[0] == notes[2] == notes[3] == (TurnOpened(), TurnClosed())


@attrs.frozen
class Babbles(UserTurnStopStrategy[None]):
    """Says at each frame that the turn is over."""

    def begin(self) -> None: ...

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        return None, (StopTurn(), StopTurn())


@attrs.frozen
class Urges(UserTurnStartStrategy[None]):
    """Says at each frame that a turn begins."""

    def begin(self) -> None: ...

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        return None, (StartTurn(), StartTurn())


FRAMES: list[Frame] = [
    VADUserStartedSpeakingFrame(),
    VADUserStoppedSpeakingFrame(0.2),
    UserStartedSpeakingFrame(),
    UserStoppedSpeakingFrame(),
    ProposedUserStartedSpeakingFrame(),
    ProposedUserStoppedSpeakingFrame(),
    EmulateUserStartedSpeakingFrame(),
    EmulateUserStoppedSpeakingFrame(),
    TranscriptionFrame("yes"),
    TranscriptionFrame("mhm"),
    TranscriptionFrame("yes", finalized=True),
    InterimTranscriptionFrame("ye"),
    InterruptionFrame(1),
    BotStoppedSpeakingFrame(),
    UserTurnInferenceCompletedFrame(),
    UserMuteStartedFrame(),
]

STARTS: list[AnyStartStrategy] = [
    VADUserTurnStartStrategy(),
    TranscriptionUserTurnStartStrategy(),
    MinWordsUserTurnStartStrategy(2),
    ExternalUserTurnStartStrategy(),
    Urges(),
]
STOPS = [
    SpeechTimeoutUserTurnStopStrategy(),
    SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False),
    TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer()),
    ExternalUserTurnStopStrategy(),
    ExternalCompletionUserTurnStopStrategy(),
    Babbles(),
]

scripts = st.lists(st.tuples(st.floats(0, 30), st.sampled_from(FRAMES)), max_size=30)


@pytest.mark.rule("D2", "D6", "E38")
@given(
    script=scripts,
    start=st.lists(st.sampled_from(STARTS), min_size=1, max_size=3),
    stop=st.lists(st.sampled_from(STOPS), min_size=1, max_size=3),
    resume=st.sampled_from([None, 2.0]),
)
def test_whatever_strategies_say_turns_alternate_and_every_pause_is_decided(
    script: Script, start: list[AnyStartStrategy], stop: list[Babbles], resume: float | None
) -> None:
    turn = turn_with(start, stop, resume=resume)
    turn, decisions = play_turn(turn, script, until=1000.0)
    edges = [type(each) for _, each in decisions if isinstance(each, (TurnStarted, TurnStopped))]
    assert edges == ([TurnStarted, TurnStopped] * len(edges))[: len(edges)]
    assert not turn.is_open or turn.is_speaking, "the watch-dog closes what nobody else does"
    held = [each for _, each in decisions if isinstance(each, TurnStarted) and each.interrupt == "hold"]
    settled = [each for _, each in decisions if isinstance(each, (Evidence, FalseInterruption))]
    ended_otherwise = any(isinstance(frame, InterruptionFrame) for _, frame in script)
    assert len(held) - turn.is_held == len(settled) or ended_otherwise


# --- open and closed


@pytest.mark.rule("D3")
@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()),
        (UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()),
        (ProposedUserStartedSpeakingFrame(), ProposedUserStoppedSpeakingFrame()),
        (EmulateUserStartedSpeakingFrame(), EmulateUserStoppedSpeakingFrame()),
        (VADUserStartedSpeakingFrame(), UserMuteStartedFrame()),
    ],
)
def test_the_user_speaks_between_an_edge_and_its_like(start: Frame, stop: Frame) -> None:
    turn, _ = usual().step(start, 0.0)
    assert turn.is_speaking
    turn, _ = turn.step(stop, 1.0)
    assert not turn.is_speaking


@pytest.mark.rule("D4")
def test_a_stale_verdict_does_not_talk_over_the_user() -> None:
    turn = turn_with((), [ExternalCompletionUserTurnStopStrategy()])
    done = UserTurnInferenceCompletedFrame()
    assert stops(turn, [S(0), T(0.5), E(1), S(1.5), (1.6, done), E(2), (2.1, done)]) == [
        (2.1, "ExternalCompletionUserTurnStopStrategy")
    ]


@pytest.mark.rule("D43")
def test_a_turn_that_words_opened_knows_that_the_user_still_speaks() -> None:
    turn = turn_with([TranscriptionUserTurnStartStrategy()], [SpeechTimeoutUserTurnStopStrategy()])
    assert stops(turn, [S(0), T(0.5), E(9)]) == [(9.8, SPEECH)]


@pytest.mark.rule("D44")
def test_words_of_the_turn_before_do_not_end_this_one() -> None:
    turn = turn_with([VADUserTurnStartStrategy()], [SpeechTimeoutUserTurnStopStrategy()])
    assert stops(turn, [S(0), T(0.5), E(1), T(3, "late"), S(4), E(5)]) == [(1.8, SPEECH), (10.0, WATCHDOG)]
    assert stops(turn, [S(0), T(0.5), E(1), T(3, "late"), S(4), E(5), T(5.5)]) == [(1.8, SPEECH), (5.8, SPEECH)]


@pytest.mark.rule("D6")
@pytest.mark.parametrize(
    ("script", "closes"),
    [
        pytest.param([S(0), E(1)], 6.0, id="voice"),
        pytest.param([S(0), E(1), I(3)], 8.0, id="interim words are a sign, but no text"),
        pytest.param([S(0), E(1), I(3, " ")], 6.0, id="blank ones aren't"),
        pytest.param([S(0), E(1), (3, UserBackchannelFrame("mhm"))], 6.0, id="nor is a backchannel"),
        pytest.param([S(0), E(1), (3, BotStartedSpeakingFrame())], 6.0, id="nor what the bot does"),
        pytest.param([S(0), E(1), (3, UserStoppedSpeakingFrame())], 8.0, id="an edge is a sign, even of silence"),
        pytest.param([S(0), E(20)], 25.0, id="never while the user speaks"),
        pytest.param([S(0), E(1), S(3), E(4)], 9.0, id="voice again"),
    ],
)
def test_a_turn_without_a_sign_of_the_user_is_closed(script: Script, closes: float) -> None:
    decisions = decided(usual(), script)
    assert of_kind(decisions, Event) == [(closes, TIMEOUT)]
    is_told = any(isinstance(event, UserStoppedSpeakingFrame) for _, event in script)
    stopped = TurnStopped(None, announce=not is_told, triggers_inference=False)
    assert of_kind(decisions, TurnStopped) == [(closes, stopped)]


@pytest.mark.rule("D6")
def test_the_event_of_the_watch_dog_comes_before_the_close() -> None:
    decisions = [each for _, each in decided(usual(), [S(0), E(1)]) if not isinstance(each, TurnStarted)]
    assert decisions == [TIMEOUT, TurnStopped(None, triggers_inference=False)]


@pytest.mark.rule("D7", "D10")
@pytest.mark.parametrize(
    ("start", "allowed", "interrupt", "announce"),
    [
        (VADUserTurnStartStrategy(), True, "now", True),
        (VADUserTurnStartStrategy(enable_interruptions=False), True, "none", True),
        (VADUserTurnStartStrategy(), False, "none", True),
        (VADUserTurnStartStrategy(enable_user_speaking_frames=False), True, "now", False),
    ],
)
def test_a_start_says_what_it_does_to_the_bot_and_whether_it_is_told(
    start: AnyStartStrategy, allowed: bool, interrupt: str, announce: bool
) -> None:
    turn = turn_with([start], [], allow_interruptions=allowed)
    turn, decisions = play_turn(turn, [S(0)])
    ((_, started),) = of_kind(decisions, TurnStarted)
    assert (started.strategy, started.interrupt, started.announce) == (VAD, interrupt, announce)
    assert turn.may_interrupt is (interrupt == "now")


@pytest.mark.rule("D8")
def test_a_stop_says_on_whose_word_and_that_it_is_to_be_answered() -> None:
    assert of_kind(decided(usual(), [S(0), T(0.5), E(1)]), TurnStopped) == [
        (1.8, TurnStopped(SPEECH, announce=True, triggers_inference=True, is_false=False))
    ]


@attrs.frozen
class Completes(UserTurnStopStrategy[None]):
    """Has the turn judged complete, by a frame."""

    def begin(self) -> None: ...

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        sends = isinstance(event, TranscriptionFrame)
        return None, (Send(Both(UserTurnInferenceCompletedFrame())),) if sends else ()


@pytest.mark.rule("D8", "D9")
def test_what_was_answered_is_no_text_any_more() -> None:
    turn, _ = play_turn(usual(), [S(0), T(0.5), E(1)], until=1.5)
    assert turn.has_text
    turn, _ = play_turn(usual(), [S(0), T(0.5), E(1)])
    assert not turn.has_text
    deferred = DeferredUserTurnStopStrategy(SpeechTimeoutUserTurnStopStrategy())
    turn, _ = play_turn(turn_with((), [deferred]), [S(0), T(0.5), E(1)], until=2.0)
    assert turn.is_open and not turn.has_text


@attrs.frozen
class FactsNotes(UserTurnStartStrategy[TurnFacts]):
    """Keeps the facts that it was given last."""

    def begin(self) -> TurnFacts:
        return TurnFacts()

    def step(
        self, state: TurnFacts, event: object, now: float, facts: TurnFacts
    ) -> tuple[TurnFacts, tuple[StrategyDecision, ...]]:
        return facts, ()


@pytest.mark.rule("D1")
@pytest.mark.parametrize(
    ("frames", "facts"),
    [
        ([LLMRunFrame()], TurnFacts()),
        ([BotStartedSpeakingFrame()], TurnFacts(bot_is_speaking=True)),
        ([BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()], TurnFacts()),
        ([VADUserStartedSpeakingFrame()], TurnFacts(is_speaking=True, has_voice=True)),
        ([VADUserStartedSpeakingFrame(), UserMuteStartedFrame()], TurnFacts()),
        ([ProposedUserStartedSpeakingFrame()], TurnFacts(is_speaking=True)),
        ([EmulateUserStartedSpeakingFrame()], TurnFacts(is_open=True, is_speaking=True)),
        ([STTMetadataFrame("stt", 0.4)], TurnFacts(ttfs_p99_latency=0.4)),
        ([VADUserStoppedSpeakingFrame(0.3)], TurnFacts(stop_secs=0.3)),
        ([SpeechControlParamsFrame(VADParams(stop_secs=0.4))], TurnFacts(stop_secs=0.4)),
    ],
)
def test_a_strategy_is_told_what_the_turn_knows(frames: list[Frame], facts: TurnFacts) -> None:
    turn, _ = play_turn(turn_with([FactsNotes()]), [(1.0, frame) for frame in frames], until=1.0)
    assert turn.slots[0].state == facts


@pytest.mark.rule("D11")
def test_what_a_strategy_sends_the_turn_itself_has_received() -> None:
    turn = turn_with([TranscriptionUserTurnStartStrategy()], [Completes(), ExternalCompletionUserTurnStopStrategy()])
    decisions = [each for _, each in decided(turn, [T(1)]) if isinstance(each, (Send, TurnStopped))]
    assert [type(each) for each in decisions] == [Send, TurnStopped]


@attrs.frozen
class Echoes(UserTurnStopStrategy[None]):
    """Sends each frame again."""

    def begin(self) -> None: ...

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        return None, (Send(event),) if isinstance(event, Frame) else ()


def test_a_strategy_that_answers_itself_is_found_out() -> None:
    with pytest.raises(RuntimeError, match="another LLMRunFrame"):
        turn_with((), [Echoes()]).step(LLMRunFrame(), 0.0)


# --- other strategies


@pytest.mark.rule("D12")
def test_strategies_that_stay_know_what_they_knew() -> None:
    turn, _ = play_turn(usual(), [(0, StartFrame()), S(0), T(0.5), E(1)], until=1.0)
    same, decisions = turn.with_strategies(UserTurnStrategies((), [SpeechTimeoutUserTurnStopStrategy()]), 1.1)
    assert (attrs.evolve(same, is_chosen=turn.is_chosen), decisions) == (turn, ())


@pytest.mark.rule("D12")
def test_an_open_turn_stays_open_and_new_strategies_hear_of_it() -> None:
    turn, _ = play_turn(usual(), [(0, StartFrame()), S(0), T(0.5), E(1)], until=1.0)
    turn, decisions = turn.with_strategies(UserTurnStrategies([Notes()], [StopNotes()]), 1.1)
    assert turn.is_open
    assert shown(turn) == [(StartFrame(), TurnOpened())] * 2
    assert decisions == (Timer(None, TurnTimer(3, "wait")),), "what the old one waited for"


@attrs.frozen
class Announces(StopNotes):
    """Sends a frame when the session starts."""

    def step(
        self, state: tuple[object, ...], event: object, now: float, facts: TurnFacts
    ) -> tuple[tuple[object, ...], tuple[StrategyDecision, ...]]:
        state, decisions = StopNotes.step(self, state, event, now, facts)
        return state, (*decisions, Send(Both(LLMRunFrame()))) if isinstance(event, StartFrame) else decisions


@pytest.mark.rule("D12", "D11")
def test_what_a_new_strategy_sends_at_once_all_are_shown() -> None:
    turn, _ = turn_with([Notes()], [StopNotes()]).step(StartFrame(), 0.0)
    turn, decisions = turn.with_strategies(UserTurnStrategies([Notes()], [StopNotes(), Announces()]), 1.0)
    assert decisions == (Send(Both(LLMRunFrame())),)
    assert shown(turn) == [(StartFrame(), LLMRunFrame())] * 3


@pytest.mark.rule("D12", "D6")
def test_a_turn_that_was_waited_for_on_purpose_is_watched_again_by_others() -> None:
    waiting = turn_with((), [LLMTurnCompletionUserTurnStopStrategy()])
    script = [S(0), E(1), (2, LLMMarkerResponseFrame("", kind="incomplete_long"))]
    turn, _ = play_turn(waiting, script, until=2)
    watchdog = TurnTimer(0, "watch-dog")
    assert watchdog not in turn.armed
    turn, decisions = turn.with_strategies(UserTurnStrategies((), [StopNotes()]), 3.0)
    assert decisions[-1] == Timer(5.0, watchdog)


@pytest.mark.rule("D12")
def test_a_timer_of_a_strategy_that_is_gone_does_nothing() -> None:
    turn, _ = play_turn(usual(), [S(0), T(0.5), E(1)], until=1.0)
    turn, _ = turn.with_strategies(UserTurnStrategies([Notes()], [Babbles()]), 1.1)
    assert turn.step(TurnTimer(3, "wait"), 1.8) == (turn, ())


@pytest.mark.rule("D16", "D70")
def test_the_defaults_of_what_can_be_set() -> None:
    assert UserTurnConfig() == UserTurnConfig(
        strategies=None, user_turn_stop_timeout=5.0, false_interruption_timeout=2.0, allow_interruptions=True
    )
    assert UserIdle.begin() == UserIdle.begin(0.0)
    assert EmptyUserTurn().max_consecutive_recoveries == 1


@pytest.mark.rule("D13", "D80")
def test_the_default_is_voice_or_words_and_an_analyser() -> None:
    strategies = UserTurn.begin().strategies
    assert [each.name for each in strategies.start] == [VAD, WORDS]
    assert [each.name for each in strategies.stop] == ["TurnAnalyzerUserTurnStopStrategy"]
    assert UserTurnStrategies([], []) == UserTurnStrategies() == strategies


@pytest.mark.rule("D13")
def test_a_recommendation_replaces_the_default_but_not_what_was_chosen() -> None:
    recommended = ExternalUserTurnStrategies()
    assert UserTurn.begin().with_recommended(recommended, 0.0)[0].strategies == recommended
    chosen = usual()
    assert chosen.with_recommended(recommended, 0.0) == (chosen, ())
    once, _ = UserTurn.begin().with_recommended(recommended, 0.0)
    other = ExternalUserTurnStrategies(enable_interruptions=False)
    assert once.with_recommended(other, 1.0)[0].strategies == other


@pytest.mark.rule("D13")
@pytest.mark.parametrize("cuts", [True, False])
def test_what_services_recommend_is_to_leave_it_to_them(cuts: bool) -> None:
    turn, _ = UserTurn.begin().with_recommended(ExternalTurns(enable_interruptions=cuts), 0.0)
    assert turn.strategies == ExternalUserTurnStrategies(enable_interruptions=cuts)


@pytest.mark.rule("D13")
@pytest.mark.parametrize(
    ("mine", "recommended", "warned"),
    [
        (ExternalUserTurnStrategies(), ExternalUserTurnStrategies(enable_interruptions=False), True),
        (ExternalUserTurnStrategies(), ExternalUserTurnStrategies(), False),
        (
            ExternalUserTurnStrategies(enable_interruptions=False),
            ExternalUserTurnStrategies(enable_interruptions=False),
            False,
        ),
        (UserTurnStrategies(), ExternalUserTurnStrategies(enable_interruptions=False), False),
    ],
)
def test_one_who_would_interrupt_twice_is_warned(
    mine: UserTurnStrategies, recommended: UserTurnStrategies, warned: bool
) -> None:
    _, decisions = UserTurn.begin(UserTurnConfig(mine)).with_recommended(recommended, 0.0)
    assert [isinstance(each, Warn) for each in decisions] == [True] * warned


def test_without_transcripts_words_start_nothing_and_stops_do_not_wait_for_them() -> None:
    strategies, changed = UserTurnStrategies((), [SpeechTimeoutUserTurnStopStrategy()]).without_transcripts()
    assert [each.name for each in strategies.start] == [VAD]
    assert strategies.stop == (SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False),)
    assert changed == (WORDS, SPEECH)
    assert strategies.without_transcripts() == (strategies, ())


def test_without_transcripts_a_voice_begins_what_only_words_began() -> None:
    only_words = UserTurnStrategies([TranscriptionUserTurnStartStrategy()], [ExternalCompletionUserTurnStopStrategy()])
    assert only_words.without_transcripts()[0].start == (VADUserTurnStartStrategy(),)


def test_strategies_that_were_asked_for_stay_without_transcripts() -> None:
    asked = UserTurnStrategies([MinWordsUserTurnStartStrategy(2)], [ExternalCompletionUserTurnStopStrategy()])
    assert asked.without_transcripts() == (asked, ())


def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(TypeError, match="no start strategy"):
        UserTurnStrategies([VADUserTurnStartStrategy])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="no stop strategy"):
        UserTurnStrategies((), [VADUserTurnStartStrategy()])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="false_interruption_timeout"):
        UserTurnConfig(false_interruption_timeout=0)


@pytest.mark.parametrize(
    ("strategies", "looks"),
    [
        (UserTurnStrategies(), True),
        (ExternalUserTurnStrategies(), False),
        (UserTurnStrategies([TranscriptionUserTurnStartStrategy()], [ExternalUserTurnStopStrategy()]), False),
        (UserTurnStrategies([TranscriptionUserTurnStartStrategy()], [SpeechTimeoutUserTurnStopStrategy()]), True),
    ],
)
def test_a_turn_knows_whether_it_needs_voice_activity(strategies: UserTurnStrategies, looks: bool) -> None:
    assert UserTurn.begin(UserTurnConfig(strategies)).looks_at_voice is looks


# --- latency


@pytest.mark.rule("D42")
@pytest.mark.parametrize(("announced", "stop"), [([], 1.8), ([0.5], 1.6), ([0.5, 2.0], 2.8), ([0.0], 1.6)])
def test_the_latency_is_what_the_transcriber_announced_last_or_a_second(announced: list[float], stop: float) -> None:
    metadata = [(0.0, STTMetadataFrame("stt", latency)) for latency in announced]
    assert stops(usual(), [*metadata, S(0), T(0.5), E(1)]) == [(stop, SPEECH)]


@pytest.mark.rule("D42")
@pytest.mark.parametrize(
    ("stop_secs", "latency", "warned"), [(0.2, 1.0, 0), (0.5, 1.0, 1), (0.2, 0.2, 1), (0.2, 0.0, 0)]
)
def test_an_unusual_stop_is_warned_of_once_an_announcement(stop_secs: float, latency: float, warned: int) -> None:
    def edges(at: float) -> Script:
        return [
            (at, VADUserStartedSpeakingFrame()),
            (at + 1, VADUserStoppedSpeakingFrame(stop_secs)),
            (at + 1.1, VADUserStartedSpeakingFrame()),
            (at + 2, VADUserStoppedSpeakingFrame(stop_secs)),
        ]

    metadata = STTMetadataFrame("stt", latency)
    assert len(of_kind(decided(usual(), [(0, metadata), *edges(0)]), Warn)) == warned
    assert len(of_kind(decided(usual(), [(0, metadata), *edges(0), (20, metadata), *edges(20)]), Warn)) == 2 * warned


@pytest.mark.rule("D34", "D42")
def test_without_a_voice_the_parameters_say_how_long_its_silence_would_have_been() -> None:
    turn = turn_with((), [TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())])
    params = SpeechControlParamsFrame(vad_params=VADParams(stop_secs=0.5))
    assert stops(turn, [(0, params), T(1)]) == [(1.5, "TurnAnalyzerUserTurnStopStrategy")]


# --- emulated edges


ON = EmulateUserStartedSpeakingFrame()
OFF = EmulateUserStoppedSpeakingFrame()


@pytest.mark.rule("A4")
@pytest.mark.parametrize(
    ("script", "edges"),
    [
        pytest.param([(0, ON), T(1), (2, OFF)], [(0, 2)], id="the words came first"),
        pytest.param([(0, ON), (2, OFF), T(2.1)], [(0, 2.1)], id="the stop has overtaken them"),
        pytest.param([(0, ON), (2, OFF), I(2.1)], [(0, 7.1)], id="no words: the watch-dog"),
        pytest.param([(0, ON), (1, ON), T(1.5), (2, OFF)], [(0, 2)], id="already open"),
        pytest.param([(1, OFF)], [], id="nothing open"),
        pytest.param([S(0), T(1), (2, OFF), E(9)], [(0, 2)], id="whatever voice activity hears"),
    ],
)
def test_an_application_may_speak_for_the_user(script: Script, edges: list[tuple[float, float]]) -> None:
    turn = turn_with([VADUserTurnStartStrategy()], [ExternalCompletionUserTurnStopStrategy()])
    found = list(zip(starts(turn, script), [time for time, _ in stops(turn, script)], strict=True))
    assert found == edges


@pytest.mark.rule("A4")
@pytest.mark.parametrize(("allowed", "interrupt"), [(True, "now"), (False, "none")])
def test_an_emulated_start_interrupts_if_that_is_enabled(allowed: bool, interrupt: str) -> None:
    turn = usual(allow_interruptions=allowed)
    assert turn.step(ON, 0.0)[1][0] == TurnStarted(None, "now" if interrupt == "now" else "none")


# --- was it worth it


HELD = TurnStarted(VAD, "hold")
FALSE = [TurnStopped(None, triggers_inference=False, is_false=True), FalseInterruption()]


def told(turn: UserTurn, script: Script) -> list[tuple[float, TurnDecision]]:
    """Without what is only measured."""
    return [(time, each) for time, each in decided(turn, script) if not isinstance(each, Send)]


@pytest.mark.rule("E38")
@pytest.mark.parametrize(
    ("script", "at"),
    [
        pytest.param([S(0), E(1)], 3.0, id="nothing but a voice"),
        pytest.param([S(0), E(1), S(2), E(3)], 5.0, id="and another"),
        pytest.param([S(0), E(9)], 11.0, id="a long one: while it lasts nothing is decided"),
        pytest.param([S(0), E(1), T(1.5, " ")], 3.0, id="blank words"),
        pytest.param([S(0), E(1), I(1.5, "Mhm")], 3.0, id="an interim backchannel"),
        pytest.param([S(0), E(1), (2, UserMuteStartedFrame())], 3.0, id="a mute behind it"),
        pytest.param([S(0), (1, UserMuteStartedFrame())], 3.0, id="a mute in it"),
    ],
)
def test_a_voice_without_words_only_pauses_the_bot(script: Script, at: float) -> None:
    assert told(usual(resume=2.0), script) == [(0, HELD), *((at, each) for each in FALSE)]


@pytest.mark.rule("E38")
@pytest.mark.parametrize("words", [I(0.5), T(0.5), F(0.5), T(0.5, "mhm no")])
def test_words_are_evidence_at_once(words: tuple[float, object]) -> None:
    assert told(usual(resume=2.0), [S(0), words, E(1)])[:2] == [(0, HELD), (0.5, Evidence())]


@pytest.mark.rule("E38")
def test_words_that_come_late_close_a_turn_of_their_own() -> None:
    kinds = [type(each) for _, each in told(usual(resume=2.0), [S(0), E(1), T(3.5)])]
    assert kinds == [TurnStarted, TurnStopped, FalseInterruption, TurnStarted, TurnStopped]


@pytest.mark.rule("E38")
def test_a_turn_that_its_strategy_closes_without_words_was_false() -> None:
    stop = SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False)
    assert told(turn_with((), [stop], resume=2.0), [S(0), E(1)]) == [
        (0, HELD),
        (1.8, TurnStopped(SPEECH, is_false=True)),
        (1.8, FalseInterruption()),
    ]


@pytest.mark.rule("E38")
def test_a_close_with_words_is_evidence_before_it_is_a_close() -> None:
    stop = SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False)
    turn = turn_with([VADUserTurnStartStrategy()], [stop], resume=2.0)
    assert told(turn, [T(-1, "left over"), S(0), E(1)]) == [
        (0, HELD),
        (1.8, Evidence()),
        (1.8, TurnStopped(SPEECH)),
    ]


@pytest.mark.rule("E38", "D9")
def test_an_answer_that_is_asked_for_is_evidence_if_there_are_words() -> None:
    stop = DeferredUserTurnStopStrategy(SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False))
    turn = turn_with([VADUserTurnStartStrategy()], [stop], resume=2.0)
    assert told(turn, [T(-1, "left over"), S(0), E(1)])[:3] == [
        (0, HELD),
        (1.8, Evidence()),
        (1.8, InferenceTriggered(SPEECH)),
    ]
    assert told(turn, [S(0), E(1)])[1:] == [(1.8, InferenceTriggered(SPEECH)), *((3.0, each) for each in FALSE)]


@pytest.mark.rule("E38")
def test_what_was_gathered_before_a_false_interruption_stays() -> None:
    turn = turn_with([VADUserTurnStartStrategy()], [SpeechTimeoutUserTurnStopStrategy()], resume=2.0)
    turn, _ = play_turn(turn, [T(-1, "left over"), S(0), E(1)])
    assert turn.has_text


@pytest.mark.rule("E38")
@pytest.mark.parametrize(
    ("script", "at"),
    [
        ([(0, ProposedUserStartedSpeakingFrame()), (1, ProposedUserStoppedSpeakingFrame())], 3.0),
        ([(0, ON), (1, OFF)], 3.0),
        ([(0, ProposedUserStartedSpeakingFrame()), (1, UserMuteStartedFrame())], 3.0),
    ],
)
def test_proposed_and_emulated_starts_are_held_as_well(script: Script, at: float) -> None:
    turn = turn_with([ExternalUserTurnStartStrategy()], [ExternalUserTurnStopStrategy()], resume=2.0)
    decisions = told(turn, script)
    assert isinstance(decisions[0][1], TurnStarted) and decisions[0][1].interrupt == "hold"
    assert decisions[1:] == [(at, each) for each in FALSE]


@pytest.mark.rule("E38")
@pytest.mark.parametrize(
    "turn",
    [
        turn_with([TranscriptionUserTurnStartStrategy()], [], resume=2.0),
        turn_with([VADUserTurnStartStrategy(enable_interruptions=False)], [], resume=2.0),
        turn_with([VADUserTurnStartStrategy()], [], resume=None),
    ],
    ids=["words", "no interruptions", "off"],
)
def test_other_starts_hold_nothing(turn: UserTurn) -> None:
    ((_, started), *_) = of_kind(decided(turn, [S(0), T(1)]), TurnStarted)
    assert started.interrupt != "hold"


@pytest.mark.rule("E38")
def test_an_interruption_by_somebody_else_ends_the_pause() -> None:
    assert told(usual(resume=2.0), [S(0), (0.5, InterruptionFrame(1)), E(1)]) == [
        (0, HELD),
        (6.0, TIMEOUT),
        (6.0, TurnStopped(None, triggers_inference=False)),
    ]


@pytest.mark.rule("E38")
@pytest.mark.parametrize(
    ("last", "expected"),
    [(EndFrame(), [Send(Both(OutputResumeFrame()))]), (CancelFrame(), [])],
)
def test_at_the_end_an_undecided_pause_is_taken_back(last: Frame, expected: list[TurnDecision]) -> None:
    decisions = decided(usual(resume=2.0), [S(0), E(1), (1.5, last), T(1.6), S(2)])
    assert decisions == [(0, HELD), *((1.5, each) for each in expected)]


# --- backchannels


@pytest.mark.rule("D73")
@pytest.mark.parametrize("text", ["mhm", "Mhm.", "MM-HMM!", "uh huh", "aha, mhm"])
def test_a_backchannel_while_the_bot_is_paused_is_no_evidence(text: str) -> None:
    frame = TranscriptionFrame(text, user_id="u", timestamp="1970")
    decisions = told(usual(resume=2.0), [S(0), E(0.4), (0.6, frame)])
    assert decisions == [(0, HELD), (0.6, Backchannel(text, "1970", "u")), *((0.6, each) for each in FALSE)]


@pytest.mark.rule("D73", "E38")
def test_a_backchannel_is_decided_when_the_user_is_silent() -> None:
    decisions = told(usual(resume=2.0), [S(0), T(0.3, "mhm"), E(0.4)])
    assert [time for time, _ in decisions] == [0, 0.3, 0.4, 0.4]


@pytest.mark.rule("D73")
@pytest.mark.parametrize("words", [I(0.6, "mhm but"), T(0.6, "mhm but"), T(0.6, "mhmm")])
def test_any_other_word_is_evidence(words: tuple[float, object]) -> None:
    decisions = told(usual(resume=2.0), [S(0), T(0.3, "mhm"), words, E(1)])
    assert [type(each) for _, each in decisions[:3]] == [TurnStarted, Backchannel, Evidence]


@pytest.mark.rule("D73")
@pytest.mark.parametrize("turn", [usual(), usual(resume=2.0).step(InterruptionFrame(1), 0.0)[0]])
def test_mhm_is_a_word_when_nothing_is_undecided(turn: UserTurn) -> None:
    assert not of_kind(decided(turn, [T(0.5, "mhm")]), Backchannel)


@pytest.mark.rule("D73")
def test_which_words_are_backchannels_is_configured() -> None:
    def listens(*words: str) -> UserTurn:
        return UserTurn.begin(UserTurnConfig(backchannels=words))

    said = [S(0), E(0.4), T(0.6, "I see")]
    assert of_kind(decided(listens("i see"), said), Backchannel)
    assert not of_kind(decided(listens(), [S(0), E(0.4), T(0.6, "mhm")]), Backchannel)


@pytest.mark.rule("D73")
def test_a_backchannel_is_not_shown_to_the_strategies() -> None:
    turn = turn_with([Notes(), VADUserTurnStartStrategy()], [StopNotes()], resume=2.0)
    turn, _ = play_turn(turn, [S(0), T(0.3, "mhm"), I(0.4, "mhm")], until=1)
    assert not any(isinstance(event, (TranscriptionFrame, InterimTranscriptionFrame)) for event in shown(turn)[0])
    assert not any(isinstance(event, (TranscriptionFrame, InterimTranscriptionFrame)) for event in shown(turn)[2])


@pytest.mark.rule("D72")
def test_a_backchannel_of_a_service_opens_no_turn() -> None:
    assert decided(usual(resume=2.0), [(1, UserBackchannelFrame("mhm"))]) == []


# --- the golden ones: p99 1.0 s, and an analyser that calls every silence the end


GOLDEN = turn_with((), [TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())])


@pytest.mark.rule("D21", "D34")
def test_words_behind_the_end_open_a_turn_of_their_own() -> None:
    script = [S(0), T(0.7, "I want a table"), E(0.9), F(2.0, "for two")]
    assert starts(GOLDEN, script) == [0, 2.0]
    assert [time for time, _ in stops(GOLDEN, script)] == [1.7, 2.8]


@pytest.mark.rule("D8")
def test_after_the_session_has_ended_nothing_is_decided() -> None:
    turn, _ = play_turn(usual(), [S(0), T(0.5), E(1), (1.1, EndFrame())])
    assert turn.step(S(2)[1], 2.0) == (turn, ())
    assert not turn.armed and not turn.is_open

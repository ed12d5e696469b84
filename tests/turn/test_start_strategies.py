"""When a turn begins: the strategies, in exact times."""

from __future__ import annotations

import attrs
import pytest

from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
)
from antiphon.turn import (
    AnyStartStrategy,
    Backchannel,
    Event,
    Evidence,
    ExternalUserTurnStartStrategy,
    ExternalUserTurnStopStrategy,
    FalseInterruption,
    InterruptionPredictionUserTurnStartStrategy,
    MinWordsUserTurnStartStrategy,
    Rejected,
    SpeechTimeoutUserTurnStopStrategy,
    TranscriptionUserTurnStartStrategy,
    TurnFacts,
    TurnStarted,
    UserTurn,
    VADUserTurnStartStrategy,
    WakePhraseUserTurnStartStrategy,
)
from tests.turn.turns import Decided, E, I, S, Script, T, decided, of_kind, play_turn, starts, turn_with

BOT = (0.0, BotStartedSpeakingFrame())
"""The bot speaks."""

RATE = 16000
WINDOW = bytes(640)
LOUD = b"\x01" + bytes(639)


def turn_of(*start: AnyStartStrategy, resume: float | None = None) -> UserTurn:
    return turn_with(start, [SpeechTimeoutUserTurnStopStrategy()], resume=resume)


def begun(decisions: Decided) -> list[tuple[float, str | None]]:
    return [(time, started.strategy) for time, started in of_kind(decisions, TurnStarted)]


@pytest.mark.rule("D20")
def test_a_voice_begins_a_turn() -> None:
    assert begun(decided(turn_of(VADUserTurnStartStrategy()), [S(1), T(2), E(3)])) == [(1, "VADUserTurnStartStrategy")]


@pytest.mark.rule("D21")
@pytest.mark.parametrize(
    ("use_interim", "script", "start"),
    [(True, [I(1), T(2)], 1), (False, [I(1), T(2)], 2), (True, [T(2)], 2), (True, [I(1, " "), T(2)], 2)],
)
def test_words_begin_a_turn(use_interim: bool, script: Script, start: float) -> None:
    assert starts(turn_of(TranscriptionUserTurnStartStrategy(use_interim)), script) == [start]


@pytest.mark.rule("D21")
def test_the_words_that_begin_a_turn_are_its_own() -> None:
    turn, _ = play_turn(turn_of(TranscriptionUserTurnStartStrategy()), [T(1)], until=1.1)
    assert turn.is_open and turn.has_words


@pytest.mark.rule("D22")
@pytest.mark.parametrize(
    ("script", "start", "rejected"),
    [
        pytest.param([BOT, T(1, "no no no")], [1], [], id="enough"),
        pytest.param([BOT, T(1, "no no")], [], [1], id="too few"),
        pytest.param([BOT, T(1, "no no"), T(2, "no no")], [], [1, 2], id="they don't add up"),
        pytest.param([BOT, I(1, "no no no")], [1], [], id="interim"),
        pytest.param([BOT, I(1, "no no")], [], [], id="nothing of an interim transcript was kept"),
        pytest.param([T(1, "no")], [1], [], id="the bot is silent"),
        pytest.param([BOT, (0.5, BotStoppedSpeakingFrame()), T(1, "no")], [1], [], id="the bot was silent"),
        pytest.param([BOT, T(1, " ")], [], [], id="blank"),
    ],
)
def test_while_the_bot_speaks_a_turn_takes_several_words(
    script: Script, start: list[float], rejected: list[float]
) -> None:
    decisions = decided(turn_of(MinWordsUserTurnStartStrategy(3)), script)
    assert [time for time, _ in of_kind(decisions, TurnStarted)] == start
    assert [time for time, _ in of_kind(decisions, Rejected)] == rejected


@pytest.mark.rule("D22")
def test_interim_words_need_not_be_looked_at() -> None:
    turn = turn_of(MinWordsUserTurnStartStrategy(3, use_interim=False))
    assert starts(turn, [BOT, I(1, "no no no"), T(2, "no no no")]) == [2]


@pytest.mark.rule("D22")
def test_few_words_in_an_open_turn_are_not_thrown_away() -> None:
    script = [BOT, T(1, "no no no"), (1.1, BotStartedSpeakingFrame()), T(1.2, "yes")]
    decisions = decided(turn_of(MinWordsUserTurnStartStrategy(3)), script)
    assert not of_kind(decisions, Rejected)


@pytest.mark.rule("D22")
def test_a_turns_start_forgets_that_the_bot_spoke() -> None:
    script = [BOT, T(1, "no no no"), T(4, "yes")]
    assert starts(turn_of(MinWordsUserTurnStartStrategy(3)), script) == [1, 4]


@pytest.mark.rule("D22", "D21")
def test_few_words_that_another_strategy_takes_for_a_turn_stay() -> None:
    turn = turn_of(MinWordsUserTurnStartStrategy(3), TranscriptionUserTurnStartStrategy())
    decisions = decided(turn, [BOT, T(1, "no")])
    assert begun(decisions) == [(1, "TranscriptionUserTurnStartStrategy")]
    assert not of_kind(decisions, Rejected)


# --- wake phrase


def asleep(*, resume: float | None = None, **options: object) -> UserTurn:
    return turn_of(
        WakePhraseUserTurnStartStrategy(["Hey, Robin!", "computer"], **options),  # type: ignore[arg-type]
        VADUserTurnStartStrategy(),
        TranscriptionUserTurnStartStrategy(),
        resume=resume,
    )


def events(decisions: Decided) -> list[tuple[float, str]]:
    return [(time, each.name) for time, each in of_kind(decisions, Event) if each.name.startswith("on_wake")]


@pytest.mark.rule("D23")
def test_asleep_nothing_begins_a_turn() -> None:
    decisions = decided(asleep(), [S(1), I(1.2, "hey Robin"), T(1.5, "hey Rob"), E(2)])
    assert not of_kind(decisions, TurnStarted)
    assert of_kind(decisions, Rejected) == [(1.5, Rejected("WakePhraseUserTurnStartStrategy", "hey Rob"))]


@pytest.mark.rule("D23")
@pytest.mark.parametrize(
    "said",
    [["Hey Robin"], ["well, HEY robin, what's up?"], ["hey", "Robin."], ["oh", "computer"]],
)
def test_a_phrase_wakes_and_begins_a_turn(said: list[str]) -> None:
    decisions = decided(asleep(), [T(1.0 + index, text) for index, text in enumerate(said)])
    assert [time for time, _ in of_kind(decisions, TurnStarted)] == [float(len(said))]
    assert events(decisions)[0] == (len(said), "on_wake_phrase_detected")


@pytest.mark.rule("D23")
def test_asleep_a_blank_transcript_is_nothing_to_throw_away() -> None:
    assert not of_kind(decided(asleep(), [T(1, " ")]), Rejected)


@pytest.mark.rule("D22", "D23", "E38")
@pytest.mark.parametrize("turn", [turn_of(MinWordsUserTurnStartStrategy(2), resume=2.0), asleep(resume=2.0)])
def test_words_that_begin_a_turn_interrupt_at_once(turn: UserTurn) -> None:
    ((_, started),) = of_kind(decided(turn, [T(1, "hey robin")]), TurnStarted)
    assert started.interrupt == "now"


@pytest.mark.rule("D23")
def test_the_phrase_is_told_as_it_was_configured() -> None:
    decisions = decided(asleep(), [T(1, "hey robin")])
    assert of_kind(decisions, Event)[0] == (1, Event("on_wake_phrase_detected", ("Hey, Robin!",)))


@pytest.mark.rule("D23")
@pytest.mark.parametrize("said", ["computers", "hey you, Robin", "robin hey"])
def test_only_whole_words_in_their_order_are_a_phrase(said: str) -> None:
    assert not starts(asleep(), [T(1, said)])


@pytest.mark.rule("D23")
def test_what_was_said_long_ago_is_no_part_of_a_phrase() -> None:
    assert not starts(asleep(), [T(1, "hey"), T(2, "word " * 60), T(3, "robin")])
    assert not starts(asleep(), [T(1, "hey " + "x" * 250 + " robin")])


@pytest.mark.rule("D23")
def test_awake_the_others_decide_until_nobody_has_spoken_for_a_while() -> None:
    decisions = decided(asleep(), [T(1, "computer"), S(8), E(9), T(9.1), S(25), T(26)])
    assert begun(decisions) == [(1, "WakePhraseUserTurnStartStrategy"), (8, "VADUserTurnStartStrategy")]
    assert events(decisions) == [(1, "on_wake_phrase_detected"), (19.1, "on_wake_phrase_timeout")]


@pytest.mark.rule("D23")
def test_somebody_who_speaks_keeps_it_awake() -> None:
    decisions = decided(asleep(), [T(1, "computer"), *((1.0 + at, UserSpeakingFrame()) for at in range(20))])
    assert events(decisions)[1:] == [(30.0, "on_wake_phrase_timeout")]


@pytest.mark.rule("D23")
def test_a_single_activation_counts_from_the_phrase() -> None:
    decisions = decided(asleep(single_activation=True), [T(1, "computer"), S(8), E(9), T(9.1), S(12)])
    assert [time for time, _ in begun(decisions)] == [1, 8]
    assert events(decisions) == [(1, "on_wake_phrase_detected"), (11.0, "on_wake_phrase_timeout")]


@pytest.mark.rule("D23")
def test_words_of_an_open_turn_are_kept_when_it_falls_asleep() -> None:
    decisions = decided(asleep(single_activation=True), [T(1, "computer"), S(10.5), T(11.5, "go on"), E(12)])
    assert not of_kind(decisions, Rejected)


def test_a_phrase_has_words() -> None:
    with pytest.raises(ValueError, match="give at least one"):
        WakePhraseUserTurnStartStrategy(["?!"])


# --- a service's word


@pytest.mark.rule("D24")
@pytest.mark.parametrize(
    ("frame", "enabled", "start"),
    [
        (ProposedUserStartedSpeakingFrame(), True, ("now", True)),
        (ProposedUserStartedSpeakingFrame(), False, ("none", True)),
        (UserStartedSpeakingFrame(), True, ("none", False)),
    ],
)
def test_a_proposal_is_ours_to_announce_and_an_announcement_is_adopted(
    frame: object, enabled: bool, start: tuple[str, bool]
) -> None:
    turn = turn_of(ExternalUserTurnStartStrategy(enable_interruptions=enabled))
    ((_, started),) = of_kind(decided(turn, [(1, frame)], until=2), TurnStarted)
    assert (started.interrupt, started.announce) == start


@pytest.mark.rule("D14")
def test_a_proposal_that_a_strategy_resolves_is_resolved_here() -> None:
    proposals = ProposedUserStartedSpeakingFrame(), ProposedUserStoppedSpeakingFrame()
    both = turn_with([ExternalUserTurnStartStrategy()], [ExternalUserTurnStopStrategy()])
    start_only = turn_of(ExternalUserTurnStartStrategy())
    neither = turn_of()
    assert [[turn.resolves(each) for each in proposals] for turn in (both, start_only, neither)] == [
        [True, True],
        [True, False],
        [False, False],
    ]
    assert not both.resolves(UserStartedSpeakingFrame())


# --- prediction


@attrs.frozen
class ByLoudness:
    """Scores a window by its first sample."""

    def window_samples(self, sample_rate: int) -> int:
        return sample_rate // 50

    def open(self, sample_rate: int, heard: tuple[bytes, ...] = ()) -> ByLoudness.Judge:
        return self.Judge(heard)

    class Judge:
        def __init__(self, heard: tuple[bytes, ...]) -> None:
            self.heard = heard

        def judge(self, window: bytes) -> float:
            self.heard = (*self.heard, window)
            return window[0] / 2


def audio(at: float, sound: bytes) -> tuple[float, object]:
    return at, InputAudioRawFrame(sound, RATE)


@pytest.mark.rule("D25")
@pytest.mark.parametrize(
    ("script", "start"),
    [
        pytest.param([S(1), audio(1.1, LOUD), E(2)], [1.1], id="at the threshold"),
        pytest.param([S(1), audio(1.1, WINDOW), audio(1.2, LOUD), E(2)], [1.2], id="later"),
        pytest.param([S(1), audio(1.1, LOUD[:99]), audio(1.2, LOUD[99:]), E(2)], [1.2], id="in two pieces"),
        pytest.param([S(1), audio(1.1, WINDOW), E(2)], [], id="below"),
        pytest.param([audio(0.9, LOUD)], [], id="not armed"),
        pytest.param([S(1), E(2), audio(2.1, LOUD)], [], id="disarmed by the voice's end"),
        pytest.param([S(1), (1.1, BotStoppedSpeakingFrame()), audio(1.2, LOUD), E(2)], [], id="by the bot's end"),
    ],
)
def test_a_predicted_interruption_begins_a_turn(script: Script, start: list[float]) -> None:
    assert starts(turn_of(InterruptionPredictionUserTurnStartStrategy(ByLoudness())), script) == start


@pytest.mark.rule("D25")
def test_a_step_taken_again_from_an_older_value_gives_the_same() -> None:
    strategy = InterruptionPredictionUserTurnStartStrategy(ByLoudness())
    facts = TurnFacts()
    state, _ = strategy.step(strategy.begin(), S(1)[1], 1.0, facts)
    state, _ = strategy.step(state, InputAudioRawFrame(WINDOW, RATE), 1.1, facts)
    once = strategy.step(state, InputAudioRawFrame(WINDOW, RATE), 1.2, facts)
    assert strategy.step(state, InputAudioRawFrame(WINDOW, RATE), 1.2, facts) == once


@pytest.mark.rule("D25")
def test_one_voice_begins_one_turn() -> None:
    turn = turn_of(InterruptionPredictionUserTurnStartStrategy(ByLoudness()))
    script = [S(1), audio(1.1, LOUD), (1.2, InterruptionFrame()), E(2), T(2.1), audio(3, LOUD), S(4), audio(4.1, LOUD)]
    assert starts(turn, script) == [1.1, 4.1]


@pytest.mark.rule("D25", "D26")
def test_words_may_begin_the_turn_that_was_not_predicted() -> None:
    turn = turn_of(InterruptionPredictionUserTurnStartStrategy(ByLoudness()), TranscriptionUserTurnStartStrategy())
    assert begun(decided(turn, [S(1), audio(1.1, WINDOW), T(1.5), E(2)])) == [
        (1.5, "TranscriptionUserTurnStartStrategy")
    ]


@pytest.mark.rule("D26")
def test_the_first_to_fire_opens_the_turn() -> None:
    turn = turn_of(TranscriptionUserTurnStartStrategy(), VADUserTurnStartStrategy())
    assert begun(decided(turn, [I(1), S(1.1), T(2), E(3)])) == [(1, "TranscriptionUserTurnStartStrategy")]


# --- "mhm" while the bot speaks: voice from 0.0 to 0.4, transcript at 0.6


MHM: Script = [BOT, S(0.0), E(0.4), T(0.6, "mhm")]
WITHOUT_WORDS: Script = [BOT, S(0.0), E(0.4), (0.6, UserBackchannelFrame("mhm"))]

VAD, WORDS = VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()
PREDICTION = InterruptionPredictionUserTurnStartStrategy(ByLoudness())


def outcome(turn: UserTurn, script: Script) -> list[tuple[float, str]]:
    """What happens to the bot, and to the words."""
    names = {Evidence: "cut", FalseInterruption: "resumed", Backchannel: "not gathered", Rejected: "rejected"}
    found: list[tuple[float, str]] = []
    for time, each in decided(turn, script, until=3):
        if isinstance(each, TurnStarted):
            found.append((time, {"now": "cut", "hold": "held", "none": "goes on"}[each.interrupt]))
        elif type(each) in names:
            found.append((time, names[type(each)]))
    return found


@pytest.mark.rule("D81", "D73")
@pytest.mark.parametrize(
    ("start", "resume", "script", "expected"),
    [
        pytest.param([VAD, WORDS], None, MHM, [(0.0, "cut")], id="voice"),
        pytest.param(
            [VAD, WORDS], 2.0, MHM, [(0.0, "held"), (0.6, "not gathered"), (0.6, "resumed")], id="voice, resumed"
        ),
        pytest.param([VAD], 2.0, MHM[:3], [(0.0, "held"), (2.4, "resumed")], id="voice, no transcript"),
        pytest.param([VAD], 2.0, WITHOUT_WORDS, [(0.0, "held"), (2.4, "resumed")], id="voice, a backchannel frame"),
        pytest.param([WORDS], 2.0, MHM, [(0.6, "cut")], id="words"),
        pytest.param([WORDS], 2.0, WITHOUT_WORDS, [], id="words, a backchannel frame"),
        pytest.param([MinWordsUserTurnStartStrategy(3)], 2.0, MHM, [(0.6, "rejected")], id="three words"),
        pytest.param([WakePhraseUserTurnStartStrategy(["computer"]), VAD], 2.0, MHM, [(0.6, "rejected")], id="asleep"),
        pytest.param([ExternalUserTurnStartStrategy()], 2.0, MHM, [], id="external"),
        pytest.param([PREDICTION, WORDS], 2.0, MHM, [(0.6, "cut")], id="prediction, words"),
        pytest.param([PREDICTION], 2.0, MHM, [], id="prediction"),
    ],
)
def test_what_mhm_does_to_the_bot(
    start: list[AnyStartStrategy], resume: float | None, script: Script, expected: list[tuple[float, str]]
) -> None:
    assert outcome(turn_of(*start, resume=resume), script) == expected


@pytest.mark.rule("D81")
def test_awake_the_rest_of_the_list_decides_what_mhm_does() -> None:
    turn = turn_of(WakePhraseUserTurnStartStrategy(["computer"]), VAD, resume=2.0)
    expected = [(-5, "cut"), (0.0, "held"), (0.6, "not gathered"), (0.6, "resumed")]
    assert outcome(turn, [T(-5, "computer"), *MHM]) == expected


@pytest.mark.rule("D81")
def test_mhm_that_nobody_takes_for_a_turn_stays_gathered() -> None:
    turn, _ = play_turn(turn_of(PREDICTION), MHM)
    assert turn.has_text and not turn.is_open


def test_a_transcript_is_not_touched() -> None:
    frame = TranscriptionFrame("Hey Robin")
    asleep().step(frame, 1.0)
    assert frame == TranscriptionFrame("Hey Robin")

"""Whether the user is heard: frame by frame."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

import pytest
from hypothesis import given, strategies as st

from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EagerTranscriptionFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMRunFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import (
    AlwaysUserMuteStrategy,
    FalseInterruption,
    FirstSpeechUserMuteStrategy,
    FunctionCallUserMuteStrategy,
    MuteUntilFirstBotCompleteUserMuteStrategy,
    MuteVerdict,
    TurnStopped,
    UserMute,
    UserMuteStrategy,
    UserTurn,
)
from tests.turn.turns import of_kind, play_turn

BOT_ON, BOT_OFF = BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()
VOICE_ON, VOICE_OFF = VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()
WORDS = TranscriptionFrame("hello")

ALWAYS = AlwaysUserMuteStrategy()
CALLS = FunctionCallUserMuteStrategy()


def after(mute: UserMute, *frames: Frame) -> UserMute:
    for frame in frames:
        mute, _ = mute.step(frame, 0.0)
        hash(mute)
    return mute


def muted(*strategies: UserMuteStrategy[Any]) -> UserMute:
    return after(UserMute.begin(strategies or [ALWAYS]), StartFrame(), BOT_ON)


def is_suppressed(mute: UserMute, frame: Frame) -> bool:
    return mute.step(frame, 0.0)[1].is_suppressed


def edges(mute: UserMute, *frames: Frame) -> list[str | None]:
    """The edge at each frame."""
    found: list[str | None] = []
    for frame in frames:
        mute, verdict = mute.step(frame, 0.0)
        found.append(verdict.edge)
    return found


INPUT = [
    VOICE_ON,
    VOICE_OFF,
    ProposedUserStartedSpeakingFrame(),
    ProposedUserStoppedSpeakingFrame(),
    UserStartedSpeakingFrame(),
    UserStoppedSpeakingFrame(),
    InputAudioRawFrame(bytes(2), 16000),
    WORDS,
    InterimTranscriptionFrame("hel"),
    EagerTranscriptionFrame("hello"),
    UserBackchannelFrame("mhm"),
]
OTHERS = [
    StartFrame(),
    EndFrame(),
    CancelFrame(),
    InterruptionFrame(1),
    BOT_OFF,
    LLMRunFrame(),
    InputTextRawFrame("typed"),
    EmulateUserStartedSpeakingFrame(),
    EmulateUserStoppedSpeakingFrame(),
]


@pytest.mark.rule("D51")
@pytest.mark.parametrize("frame", INPUT, ids=lambda frame: type(frame).__name__)
def test_a_muted_user_is_not_heard(frame: Frame) -> None:
    assert is_suppressed(muted(), frame)
    assert not is_suppressed(UserMute.begin([ALWAYS]), frame)


@pytest.mark.rule("D50", "D51")
@pytest.mark.parametrize("frame", OTHERS, ids=lambda frame: type(frame).__name__)
def test_what_is_not_the_users_is_never_muted(frame: Frame) -> None:
    assert not is_suppressed(muted(), frame)


@pytest.mark.rule("D50")
def test_one_strategy_that_mutes_is_enough() -> None:
    calls = FunctionCallsStartedFrame((FunctionCallFromLLM("f", "c1", {}),))
    both = after(UserMute.begin([ALWAYS, CALLS]), BOT_ON, calls, BOT_OFF)
    assert both.is_muted
    assert not after(both, FunctionCallCancelFrame("f", "c1")).is_muted


@pytest.mark.rule("D52")
def test_each_edge_is_told_once() -> None:
    frames = (LLMRunFrame(), BOT_ON, BOT_ON, WORDS, BOT_OFF, BOT_OFF, BOT_ON)
    assert edges(UserMute.begin([ALWAYS]), *frames) == [None, "started", None, None, "stopped", None, "started"]


class Mutes(UserMuteStrategy[bool]):
    """From the first transcript to the second."""

    def begin(self) -> bool:
        return False

    def step(self, state: bool, frame: object) -> bool:
        return state ^ isinstance(frame, TranscriptionFrame)

    def is_muted(self, state: bool) -> bool:
        return state


@pytest.mark.rule("D51")
def test_what_mutes_passes_and_what_unmutes_is_still_suppressed() -> None:
    mute, first = UserMute.begin([Mutes()]).step(WORDS, 0.0)
    _, second = mute.step(WORDS, 1.0)
    assert (first.is_suppressed, first.edge) == (False, "started")
    assert (second.is_suppressed, second.edge) == (True, "stopped")


@pytest.mark.rule("D53")
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (ALWAYS, [False, True, False, True, False]),
        (FirstSpeechUserMuteStrategy(), [False, True, False, False, False]),
        (MuteUntilFirstBotCompleteUserMuteStrategy(), [True, True, False, False, False]),
    ],
    ids=["always", "first speech", "until the first is complete"],
)
def test_when_the_bots_speech_mutes(strategy: UserMuteStrategy[Any], expected: list[bool]) -> None:
    frames = [StartFrame(), BOT_ON, BOT_OFF, BOT_ON, BOT_OFF]
    mute, found = UserMute.begin([strategy]), []
    for frame in frames:
        mute, _ = mute.step(frame, 0.0)
        found.append(mute.is_muted)
    assert found == expected


@pytest.mark.rule("D53", "D52")
def test_who_is_muted_from_the_start_is_told_with_the_first_frame() -> None:
    mute = UserMute.begin([MuteUntilFirstBotCompleteUserMuteStrategy()])
    assert mute.step(StartFrame(), 0.0)[1] == MuteVerdict(edge="started")
    assert mute.step(WORDS, 0.0)[1] == MuteVerdict(is_suppressed=True, edge="started")


@pytest.mark.rule("D53")
@pytest.mark.parametrize(("frames", "is_muted"), [([ErrorFrame("e")], False), ([BOT_ON, ErrorFrame("e")], True)])
def test_a_failure_before_the_bots_first_sound_unmutes(frames: list[Frame], is_muted: bool) -> None:
    mute = UserMute.begin([MuteUntilFirstBotCompleteUserMuteStrategy()])
    assert after(mute, StartFrame(), *frames).is_muted is is_muted


def result(call_id: str, *, is_final: bool = True) -> Frame:
    properties = FunctionCallResultProperties(is_final=is_final)
    return FunctionCallResultFrame("f", call_id, {}, "ok", properties=properties)


@pytest.mark.rule("D53")
@pytest.mark.parametrize(
    ("frames", "is_muted"),
    [
        pytest.param([], True, id="running"),
        pytest.param([result("c1")], True, id="one of two"),
        pytest.param([result("c1"), result("c1")], True, id="one twice"),
        pytest.param([result("c1"), result("c2")], False, id="both"),
        pytest.param([result("c1"), FunctionCallCancelFrame("f", "c2")], False, id="one cancelled"),
        pytest.param([result("c1", is_final=False), result("c2")], False, id="an intermediate result counts"),
        pytest.param([result("c3"), FunctionCallCancelFrame("f", "c4")], True, id="unknown ones don't"),
    ],
)
def test_calls_mute_until_each_has_an_answer(frames: list[Frame], is_muted: bool) -> None:
    started = FunctionCallsStartedFrame(tuple(FunctionCallFromLLM("f", call_id, {}) for call_id in ("c1", "c2")))
    assert after(UserMute.begin([CALLS]), started, *frames).is_muted is is_muted


ON, OFF = EmulateUserStartedSpeakingFrame(), EmulateUserStoppedSpeakingFrame()


@pytest.mark.rule("D50")
@pytest.mark.parametrize(
    ("before", "suppressed"),
    [
        pytest.param([ON], False, id="between the edges"),
        pytest.param([ON, WORDS], False, id="more words"),
        pytest.param([ON, WORDS, OFF], True, id="behind them"),
        pytest.param([ON, OFF], False, id="the stop has overtaken the words"),
        pytest.param([ON, OFF, WORDS], True, id="which have come"),
        pytest.param([OFF], True, id="no start"),
    ],
)
def test_words_that_the_application_speaks_for_the_user_are_never_muted(before: list[Frame], suppressed: bool) -> None:
    assert is_suppressed(after(muted(), *before), WORDS) is suppressed


@pytest.mark.rule("D50")
def test_between_emulated_edges_a_voice_is_muted_all_the_same() -> None:
    assert is_suppressed(after(muted(), ON), VOICE_ON)


@pytest.mark.rule("D54")
def test_a_voice_that_muting_cuts_off_is_ended_before() -> None:
    _, verdict = after(UserMute.begin([ALWAYS]), VOICE_ON).step(BOT_ON, 3.0)
    assert verdict == MuteVerdict(edge="started", owed=VADUserStoppedSpeakingFrame(timestamp=3.0))
    _, verdict = after(UserMute.begin([ALWAYS]), VOICE_ON, VOICE_OFF).step(BOT_ON, 3.0)
    assert verdict.owed is None


@pytest.mark.rule("D54")
@pytest.mark.parametrize(
    ("frames", "suppressed"),
    [
        pytest.param([VOICE_ON, BOT_ON], True, id="while muted"),
        pytest.param([VOICE_ON, BOT_ON, BOT_OFF], True, id="when the mute is over"),
        pytest.param([BOT_ON, VOICE_ON, BOT_OFF], True, id="of a voice that began unheard"),
        pytest.param([VOICE_ON, BOT_ON, BOT_OFF, VOICE_ON], False, id="of the next voice"),
        pytest.param([VOICE_ON, BOT_ON, VOICE_OFF, BOT_OFF, VOICE_ON], False, id="of the next, the real one came"),
        pytest.param([], False, id="of a voice before our time"),
    ],
)
def test_the_real_end_of_a_voice_is_heard_once_at_most(frames: list[Frame], suppressed: bool) -> None:
    assert is_suppressed(after(UserMute.begin([ALWAYS]), *frames), VOICE_OFF) is suppressed


@pytest.mark.rule("D54")
def test_the_turn_ends_on_the_end_that_was_owed() -> None:
    _, decisions = play_turn(UserTurn.begin(), [(0.0, VOICE_ON), (1.0, VADUserStoppedSpeakingFrame(timestamp=1.0))])
    assert [time for time, _ in of_kind(decisions, FalseInterruption)] == [3.0]
    script = [(0.0, VOICE_ON), (0.5, WORDS), (1.0, VADUserStoppedSpeakingFrame(timestamp=1.0))]
    _, decisions = play_turn(UserTurn.begin(), script)
    assert [time for time, _ in of_kind(decisions, TurnStopped)] == [2.0]


def test_without_strategies_nothing_is_noted() -> None:
    mute = UserMute.begin()
    assert mute.step(VOICE_ON, 0.0) == (mute, MuteVerdict())


@pytest.mark.rule("D52", "D54")
@given(
    others=st.lists(st.sampled_from([BOT_ON, BOT_OFF, WORDS, ErrorFrame("e"), "voice", "voice", "voice"]), max_size=40),
    strategies=st.lists(
        st.sampled_from(
            [
                AlwaysUserMuteStrategy(),
                FirstSpeechUserMuteStrategy(),
                MuteUntilFirstBotCompleteUserMuteStrategy(),
            ]
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_voices_and_mutes_that_are_heard_of_begin_and_end_alternately(
    others: list[Frame | str], strategies: list[UserMuteStrategy[Any]]
) -> None:
    voice = cycle([VOICE_ON, VOICE_OFF])
    mute, heard, told = UserMute.begin(strategies), list[type](), list[str]()
    for each in others:
        frame = next(voice) if isinstance(each, str) else each
        mute, verdict = mute.step(frame, 0.0)
        if verdict.owed is not None:
            heard.append(VADUserStoppedSpeakingFrame)
        if verdict.edge is not None:
            told.append(verdict.edge)
        if frame in (VOICE_ON, VOICE_OFF) and not verdict.is_suppressed:
            heard.append(type(frame))
        assert not (mute.is_muted and mute.has_voice)
    assert heard == list(islice(cycle([VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame]), len(heard)))
    assert told == list(islice(cycle(["started", "stopped"]), len(told)))

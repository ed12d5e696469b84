"""Turns that are decided once for several pairs: through a session, in virtual time, and killed at each delivery."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from antiphon import Actor, Pipeline, actor, on
from antiphon.channels import (
    BotStartedSpeakingFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ExternalTurns,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    STTMetadataFrame,
    TextFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import (
    ExternalUserTurnStrategies,
    MinWordsUserTurnStartStrategy,
    SpeechTimeoutUserTurnStopStrategy,
    UserBackchannelMessage,
    UserTurnConfig,
    UserTurns,
    UserTurnStrategies,
)

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

ON, OFF = VADUserStartedSpeakingFrame(0.2), VADUserStoppedSpeakingFrame(0.2)
HELLO = TranscriptionFrame("Hello", user_id="caller")

SENTENCE: list[Item] = [ON, Sleep(0.5), HELLO, Sleep(0.5), OFF, Sleep(3.0)]
COUGH: list[Item] = [ON, Sleep(0.3), OFF, Sleep(5.0)]
MHM: list[Item] = [ON, Sleep(0.3), OFF, Sleep(0.2), TranscriptionFrame("mhm"), Sleep(5.0)]
TYPED_BY_VOICE: list[Item] = [
    EmulateUserStartedSpeakingFrame(),
    TranscriptionFrame("typed"),
    EmulateUserStoppedSpeakingFrame(),
    Sleep(1.0),
]

TURN = (UserStartedSpeakingFrame, UserStoppedSpeakingFrame)


@actor
class Cut(Actor):
    """Says when it was interrupted, behind what it passes on."""

    @on(InterruptionFrame)
    def tell(self, frame: InterruptionFrame) -> Frame:
        return TextFrame("cut")


def turns(
    strategies: UserTurnStrategies | None = None, *, resume: float | None = None, name: str = "user_turns"
) -> UserTurns:
    given = strategies or UserTurnStrategies((), [SpeechTimeoutUserTurnStopStrategy()])
    return UserTurns(UserTurnConfig(given, false_interruption_timeout=resume), name=name)


def left(trace: Trace, *kinds: type[Frame]) -> list[tuple[float, str]]:
    """What came out at the end, with its time."""
    return [
        (round(each.time, 6), type(each.frame).__name__)
        for each in trace.deliveries
        if each.receiver.name == "sink" and type(each.frame) in kinds
    ]


def heard(trace: Trace) -> list[tuple[float, str, tuple[object, ...]]]:
    return [(round(each.time, 6), each.name, each.payload) for each in trace.events]


@both
@pytest.mark.rule("D15", "D7", "D8")
def test_a_turn_is_announced_interrupts_and_is_heard_of(direct: bool) -> None:
    trace = play(Pipeline(turns(), Cut()), SENTENCE, direct=direct)
    assert left(trace, *TURN, TextFrame, TranscriptionFrame) == [
        (0.0, "UserStartedSpeakingFrame"),
        (0.0, "TextFrame"),
        (0.5, "TranscriptionFrame"),
        (1.8, "UserStoppedSpeakingFrame"),
    ]
    assert heard(trace) == [
        (0.0, "on_user_turn_started", ("VADUserTurnStartStrategy",)),
        (1.8, "on_user_turn_inference_triggered", ("SpeechTimeoutUserTurnStopStrategy",)),
        (1.8, "on_user_turn_stopped", ("SpeechTimeoutUserTurnStopStrategy",)),
    ]


@both
@pytest.mark.rule("D15")
def test_turn_frames_go_both_ways(direct: bool) -> None:
    trace = play(Pipeline(turns()), SENTENCE, direct=direct)
    assert [type(frame) for frame in trace.up if isinstance(frame, TURN)] == list(TURN)


@both
@pytest.mark.rule("D15", "D24")
def test_who_stands_behind_adopts_and_says_nothing_again(direct: bool) -> None:
    behind = turns(ExternalUserTurnStrategies(), name="behind")
    trace = play(Pipeline(turns(), behind, Cut()), SENTENCE, direct=direct)
    assert [name for _, name in left(trace, *TURN)] == [kind.__name__ for kind in TURN]
    assert len(left(trace, TextFrame)) == 1
    assert [name for _, name, _ in heard(trace)].count("on_user_turn_stopped") == 2
    adopted = [each for each in trace.events if each.address.name == "behind"]
    assert [each.name for each in adopted if each.name == "on_user_turn_started"] == ["on_user_turn_started"]


@both
@pytest.mark.rule("D14", "D15")
def test_a_proposal_goes_no_further_than_who_resolves_it(direct: bool) -> None:
    proposals: list[Item] = [
        ProposedUserStartedSpeakingFrame(),
        HELLO,
        Sleep(1.0),
        ProposedUserStoppedSpeakingFrame(),
        Sleep(3.0),
    ]
    proposed = (ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame)
    resolved = play(Pipeline(turns(ExternalUserTurnStrategies())), proposals, direct=direct)
    assert left(resolved, *proposed) == []
    assert left(resolved, *TURN) == [(0.0, "UserStartedSpeakingFrame"), (1.0, "UserStoppedSpeakingFrame")]
    passed = play(Pipeline(turns()), proposals, direct=direct)
    assert [name for _, name in left(passed, *proposed)] == [kind.__name__ for kind in proposed]


@both
@pytest.mark.rule("D15", "E38")
@pytest.mark.parametrize(("script", "at"), [(COUGH, 2.3), (MHM, 0.5)], ids=["cough", "mhm"])
def test_a_voice_without_words_only_pauses_the_bot(direct: bool, script: list[Item], at: float) -> None:
    trace = play(Pipeline(turns(resume=2.0), Cut()), script, direct=direct)
    assert left(trace, *TURN, OutputPauseFrame, OutputResumeFrame, TextFrame, TranscriptionFrame)[:4] == [
        (0.0, "UserStartedSpeakingFrame"),
        (0.0, "OutputPauseFrame"),
        (at, "UserStoppedSpeakingFrame"),
        (at, "OutputResumeFrame"),
    ]
    assert (at, "on_false_interruption", ()) in heard(trace)
    assert not left(trace, TextFrame)


@both
@pytest.mark.rule("D72", "D73")
def test_a_backchannel_goes_on_in_place_of_the_transcript(direct: bool) -> None:
    trace = play(Pipeline(turns(resume=2.0)), MHM, direct=direct)
    assert left(trace, TranscriptionFrame, UserBackchannelFrame) == [(0.5, "UserBackchannelFrame")]
    (payload,) = [payload for _, name, payload in heard(trace) if name == "on_user_backchannel"]
    assert payload == (UserBackchannelMessage("mhm", "1970-01-01T00:00:00.500+00:00"),)


@both
@pytest.mark.rule("D72")
def test_a_services_backchannel_is_told_and_passes(direct: bool) -> None:
    frame = UserBackchannelFrame("mhm", "caller", "1970-01-01")
    trace = play(Pipeline(turns(resume=2.0)), [frame, Sleep(1.0)], direct=direct)
    assert trace.down == (frame,)
    assert heard(trace) == [(0.0, "on_user_backchannel", (UserBackchannelMessage("mhm", "1970-01-01", "caller"),))]


@both
@pytest.mark.rule("D22", "D15")
def test_rejected_speech_is_told_and_goes_no_further(direct: bool) -> None:
    strategies = UserTurnStrategies([MinWordsUserTurnStartStrategy(3)])
    trace = play(Pipeline(turns(strategies)), [BotStartedSpeakingFrame(), HELLO, Sleep(1.0)], direct=direct)
    assert left(trace, TranscriptionFrame) == []
    assert heard(trace) == [(0.0, "on_user_speech_rejected", ("Hello", "MinWordsUserTurnStartStrategy"))]


@both
@pytest.mark.rule("A4")
def test_emulated_edges_are_swallowed_and_make_a_turn(direct: bool) -> None:
    trace = play(Pipeline(turns()), TYPED_BY_VOICE, direct=direct)
    assert [type(frame).__name__ for frame in trace.down] == [
        "UserStartedSpeakingFrame",
        "TranscriptionFrame",
        "UserStoppedSpeakingFrame",
    ]


@both
@pytest.mark.rule("D13")
def test_a_recommendation_is_taken(direct: bool) -> None:
    service = STTMetadataFrame("stt", user_turn_strategies=ExternalTurns())
    script: list[Item] = [service, ProposedUserStartedSpeakingFrame(), Sleep(1.0)]
    trace = play(Pipeline(UserTurns()), script, direct=direct)
    assert left(trace, ProposedUserStartedSpeakingFrame, UserStartedSpeakingFrame) == [
        (0.0, "UserStartedSpeakingFrame")
    ]


@both
def test_at_the_end_a_pause_is_taken_back_and_no_timer_goes_on(direct: bool) -> None:
    trace = play(Pipeline(turns(resume=2.0)), [ON, Sleep(0.1), OFF, EndFrame(), Sleep(30.0)], direct=direct)
    assert [type(frame).__name__ for frame in trace.down][-1] == "OutputResumeFrame"
    assert [name for _, name, _ in heard(trace)] == ["on_user_turn_started"]


SCRIPTS: list[Sequence[Item]] = [
    SENTENCE,
    [*SENTENCE, *COUGH],
    [*MHM, *SENTENCE],
    [*TYPED_BY_VOICE, InterimTranscriptionFrame("He"), *SENTENCE],
]


@both
@pytest.mark.parametrize("script", SCRIPTS, ids=["sentence", "cough", "mhm", "emulated"])
def test_a_kill_at_any_delivery_changes_nothing(direct: bool, script: Sequence[Item]) -> None:
    def pipeline() -> Pipeline:
        return Pipeline(turns(resume=2.0), Cut())

    whole = play(pipeline(), script, direct=direct)
    deliveries = len(whole.handled_by("user_turns")) - 1  # the last is CancelFrame, and what dies then stays dead
    assert deliveries > 5
    for at in range(2, deliveries + 1):  # the script begins behind StartFrame
        killed = play(pipeline(), [Kill("user_turns", at=at), *script], direct=direct)
        assert len(killed.restarts) == 1
        assert killed.down == whole.down, f"killed at {at}"
        assert heard(killed) == heard(whole), f"killed at {at}"


def test_a_frame_that_decides_nothing_passes_as_the_very_same_object() -> None:
    frame = TextFrame("hello")
    (passed,) = play(Pipeline(turns()), [frame]).down
    assert passed is frame


def test_its_state_is_a_value() -> None:
    trace = play(Pipeline(turns()), SENTENCE)
    turn = trace.durable["user_turns"]["current"]
    assert attrs.has(type(turn))
    assert hash(turn) is not None

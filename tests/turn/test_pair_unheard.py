"""What the user half doesn't hear, or hears and doesn't count: muted users, turns without words, "mhm"."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import Both
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EagerTranscriptionFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, Trace
from antiphon.turn import (
    AlwaysUserMuteStrategy,
    EmptyUserTurn,
    ExternalUserTurnStrategies,
    FirstSpeechUserMuteStrategy,
    FunctionCallUserMuteStrategy,
    MuteUntilFirstBotCompleteUserMuteStrategy,
    UserTurnStrategies,
    VADUserTurnStartStrategy,
)

from .pair_cast import (
    BETWEEN,
    RE,
    RS,
    START,
    STOP,
    X,
    announced,
    both,
    do,
    events,
    final,
    in_progress,
    replied,
    result_of,
    runs,
    said,
    sound,
    talk,
    told,
    written,
)

BOT, SILENT = BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()
ALWAYS: dict[str, Any] = {"user_mute_strategies": [AlwaysUserMuteStrategy()]}

# ---- mute

INPUT: list[Frame] = [
    START,
    STOP,
    ProposedUserStartedSpeakingFrame(),
    ProposedUserStoppedSpeakingFrame(),
    UserStartedSpeakingFrame(),
    UserStoppedSpeakingFrame(),
    InputAudioRawFrame(bytes(640), 16000, 1),
    TranscriptionFrame("hello"),
    InterimTranscriptionFrame("hello"),
    EagerTranscriptionFrame("hello"),
    UserBackchannelFrame("mhm"),
]


@pytest.mark.parametrize("frame", INPUT, ids=lambda each: type(each).__name__)
@pytest.mark.rule("D50", "D51")
@both
def test_a_muted_user_is_neither_heard_nor_passed_on(frame: Frame, direct: bool) -> None:
    trace = talk([BOT, frame, Sleep(8), SILENT, EndFrame()], direct=direct, **ALWAYS)
    assert written(trace) == []
    assert [name for name, _ in events(trace)] == ["on_user_mute_started", "on_user_mute_stopped"]
    assert not any(isinstance(each, type(frame)) for each in trace.down)


@pytest.mark.rule("D51")
@both
def test_an_interruption_is_not_input(direct: bool) -> None:
    trace = talk([BOT, RS, X("Hello"), InterruptionFrame()], direct=direct, **ALWAYS)
    assert trace.handled_by("user").count(InterruptionFrame(1)) == 1


@pytest.mark.rule("D50", "A4")
@both
def test_an_application_that_speaks_for_the_user_is_never_muted(direct: bool) -> None:
    words = [EmulateUserStartedSpeakingFrame(), TranscriptionFrame("hello"), EmulateUserStoppedSpeakingFrame()]
    trace = talk([BOT, *words, Sleep(1), TranscriptionFrame("too")], direct=direct, allow_interruptions=False, **ALWAYS)
    assert runs(trace) == [["hello"]]
    assert written(trace) == [("user", "hello")]


@pytest.mark.rule("D52")
@both
def test_each_edge_of_a_mute_is_told_once_and_the_frame_that_made_it_passes(direct: bool) -> None:
    trace = talk([BOT, BOT, SILENT, SILENT, BOT, SILENT], direct=direct, **ALWAYS)
    edges = (UserMuteStartedFrame, UserMuteStoppedFrame)
    assert [type(frame) for frame in trace.up if isinstance(frame, edges)] == [*edges] * 2
    assert [type(frame) for frame in trace.down if isinstance(frame, edges)] == [*edges] * 2
    assert sum(isinstance(frame, BotStartedSpeakingFrame) for frame in trace.down) == 3
    assert [name for name, _ in events(trace)] == ["on_user_mute_started", "on_user_mute_stopped"] * 2


HEARD_WHEN: list[tuple[Any, list[bool]]] = [
    (AlwaysUserMuteStrategy(), [True, False, True, False, True]),
    (FirstSpeechUserMuteStrategy(), [True, False, True, True, True]),
    (MuteUntilFirstBotCompleteUserMuteStrategy(), [False, False, True, True, True]),
]


@pytest.mark.parametrize(("strategy", "heard"), HEARD_WHEN, ids=lambda each: type(each).__name__)
@pytest.mark.rule("D53")
@both
def test_each_strategy_mutes_when_it_says(strategy: Any, heard: list[bool], direct: bool) -> None:
    """Words before the bot speaks, during its first speech, behind it, during the second, and behind that."""
    words = [final(text) for text in "abcde"]
    script = [words[0], BOT, words[1], SILENT, words[2], BOT, words[3], SILENT, words[4], EndFrame()]
    by_voice = UserTurnStrategies(start=[VADUserTurnStartStrategy()])
    trace = talk(script, direct=direct, user_mute_strategies=[strategy], user_turn_strategies=by_voice)
    assert written(trace) == [
        ("user", " ".join(text for text, is_heard in zip("abcde", heard, strict=True) if is_heard))
    ]


@pytest.mark.parametrize("settle", [result_of(), FunctionCallCancelFrame("look", "1")])
@pytest.mark.rule("D53")
@both
def test_calls_mute_until_each_is_settled(settle: Frame, direct: bool) -> None:
    mute: dict[str, Any] = {"user_mute_strategies": [FunctionCallUserMuteStrategy()]}
    trace = talk(
        [announced(), in_progress(), final("a"), settle, Sleep(1), final("b"), EndFrame()], direct=direct, **mute
    )
    assert [text for role, text in written(trace) if role == "user"] == ["b"]


@pytest.mark.rule("D53")
def test_something_that_fails_before_the_bot_speaks_unmutes() -> None:
    mute: dict[str, Any] = {"user_mute_strategies": [MuteUntilFirstBotCompleteUserMuteStrategy()]}
    trace = talk([final("a"), ErrorFrame("broken"), final("b"), EndFrame()], **mute)
    assert written(trace) == [("user", "b")]


@pytest.mark.parametrize("real_end", [[STOP, SILENT], [SILENT, STOP]], ids=["muted", "heard again"])
@pytest.mark.rule("D54")
@both
def test_a_voice_that_a_mute_cuts_off_is_ended_for_it_and_its_turn_with_it(real_end: list[Item], direct: bool) -> None:
    script = [START, final("hello"), Sleep(1), BOT, Sleep(1), *real_end, Sleep(1)]
    trace = talk(script, direct=direct, allow_interruptions=False, **ALWAYS)
    told_up = [
        type(frame) for frame in trace.up if isinstance(frame, (VADUserStoppedSpeakingFrame, UserMuteStartedFrame))
    ]
    assert told_up == [VADUserStoppedSpeakingFrame, UserMuteStartedFrame]
    (stopped,) = [event for event in trace.events if event.name == "on_user_turn_stopped"]
    assert (stopped.time, written(trace)) == (1, [("user", "hello")])
    assert sum(isinstance(frame, VADUserStoppedSpeakingFrame) for frame in trace.down) == 1


@pytest.mark.rule("D54")
@both
def test_so_is_a_voice_that_the_half_hears_itself(direct: bool) -> None:
    script = [*sound(0, 0.4), *sound(12000, 1.0), final("hello"), BOT, *sound(12000, 0.5), SILENT, *sound(0, 1.0)]
    trace = talk(script, direct=direct, allow_interruptions=False, **ALWAYS)
    edges = (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame, UserMuteStartedFrame)
    assert [type(frame) for frame in trace.up if isinstance(frame, edges)][:3] == [*edges]
    (stopped,) = [event for event in trace.events if event.name == "on_user_turn_stopped"]
    assert round(stopped.time, 2) == 1.4
    assert written(trace) == [("user", "hello")]


# ---- turns without words

COUGH: list[Item] = [START, Sleep(0.2), STOP, Sleep(6)]
RECOVERS: dict[str, Any] = {"empty_user_turn": EmptyUserTurn()}


@pytest.mark.rule("D70")
@both
def test_a_turn_without_words_is_told_of_and_writes_nothing(direct: bool) -> None:
    trace = talk([*replied("Hello"), BOT, SILENT, *COUGH], direct=direct, **RECOVERS)
    assert (written(trace), runs(trace)) == ([("assistant", "Hello")], [])
    assert told(trace, "on_user_turn_stopped") == [""]


CUT: list[list[Item]] = [[*said("hi")], [RS, X("Hello")], [BOT], [announced(), in_progress()], []]


@pytest.mark.parametrize("before", CUT, ids=["thinks", "answers", "speaks", "calls", "never spoke"])
@pytest.mark.rule("D71")
@both
def test_a_bot_that_was_cut_off_by_nothing_goes_on_once(before: list[Item], direct: bool) -> None:
    settle: list[Item] = [FunctionCallCancelFrame("look", "1")] if announced() in before else []
    script = [*before, START, *settle, Sleep(0.2), STOP, Sleep(6)]
    trace = talk(script, direct=direct, flush_timeout=1.0, **RECOVERS)
    assert [role for role, _ in written(trace)].count("developer") == 1
    again = talk([*script, *COUGH], direct=direct, flush_timeout=1.0, **RECOVERS)
    assert [role for role, _ in written(again)].count("developer") == 1


@pytest.mark.rule("D71")
@both
def test_words_begin_the_count_of_recoveries_anew(direct: bool) -> None:
    trace = talk([*COUGH, *said("hi"), *COUGH], direct=direct, **RECOVERS)
    assert [role for role, _ in written(trace)] == ["developer", "user", "developer"]


@pytest.mark.rule("D71")
@both
def test_nobody_is_recovered_who_is_muted_in_a_call_or_owed_a_run(direct: bool) -> None:
    quiet: dict[str, Any] = {"direct": direct, **RECOVERS}
    muted = talk([START, STOP, BOT, Sleep(6)], **{**quiet, **ALWAYS})
    in_call = talk([announced(), in_progress(), *COUGH], **quiet)
    for trace in (muted, in_call):
        assert runs(trace) == []
    assert "developer" not in [role for role, _ in written(muted)]
    off = talk([RS, X("Hello"), *COUGH, RE], allow_interruptions=False, **quiet)
    assert runs(off) == []


@pytest.mark.parametrize(("prompt", "count"), [(None, 0), ("Are you there?", 1)])
@pytest.mark.rule("D70", "D71")
def test_a_bot_that_waited_says_something_only_if_it_is_told_what(prompt: str | None, count: int) -> None:
    trace = talk([BOT, SILENT, *COUGH], empty_user_turn=EmptyUserTurn(idle_prompt=prompt))
    assert [text for _, text in written(trace)] == ([prompt] if prompt else [])
    assert len(runs(trace)) == count


# ---- "mhm"


@pytest.mark.rule("D72")
@both
def test_a_backchannel_is_told_of_passed_on_and_neither_written_nor_a_turn(direct: bool) -> None:
    trace = talk([UserBackchannelFrame("mhm", "u1"), Sleep(1), EndFrame()], direct=direct)
    ((name, (message,)),) = events(trace)
    assert (name, message.content, message.user_id) == ("on_user_backchannel", "mhm", "u1")
    assert any(isinstance(frame, UserBackchannelFrame) for frame in trace.down)
    assert written(trace) == []


HOLDS: dict[str, Any] = {"false_interruption_timeout": 2.0, **RECOVERS}
EDGES = (OutputPauseFrame, OutputResumeFrame)


def holds(trace: Trace) -> list[tuple[float, type]]:
    return [
        (round(each.time, 3), type(each.frame))
        for each in trace.deliveries
        if isinstance(each.frame, EDGES) and each.receiver.name == "sink"
    ]


@pytest.mark.rule("D73", "E38")
@both
def test_a_mhm_holds_the_bot_and_lets_it_go_on(direct: bool) -> None:
    spoken = [*said("hi"), RS, X("Hello"), BOT, Sleep(1)]
    script = [*spoken, START, Sleep(0.4), STOP, final("Mhm!"), Sleep(1), X(" you"), RE]
    trace = talk(script, direct=direct, **HOLDS)
    assert holds(trace)[-2:] == [(1.0, OutputPauseFrame), (1.4, OutputResumeFrame)]
    assert told(trace, "on_user_backchannel") == ["Mhm!"]
    assert [frame.text for frame in trace.down if isinstance(frame, UserBackchannelFrame)] == ["Mhm!"]
    assert written(trace) == [("user", "hi"), ("assistant", "Hello you")]
    assert len(events(trace, "on_false_interruption")) == 1


@pytest.mark.rule("D73")
@both
def test_another_word_is_evidence_and_is_gathered_whole(direct: bool) -> None:
    script = [RS, X("Hello"), START, final("mhm"), Sleep(0.1), final("mhm wait"), STOP, Sleep(1)]
    trace = talk(script, direct=direct, **HOLDS)
    assert written(trace) == [("assistant", "Hello"), ("user", "mhm wait")]
    assert events(trace, "on_false_interruption") == []


@pytest.mark.rule("D73")
def test_which_words_are_backchannels_can_be_said() -> None:
    held: list[Item] = [RS, X("Hello"), START, Sleep(0.2), STOP, final("genau"), Sleep(3)]
    assert ("user", "genau") in written(talk(held, **HOLDS))
    assert written(talk(held, backchannels=["genau"], **HOLDS)) == [("assistant", "Hello")]
    mhm: list[Item] = [RS, X("Hello"), START, Sleep(0.2), STOP, final("mhm"), Sleep(3)]
    assert ("user", "mhm") in written(talk(mhm, backchannels=[], **HOLDS))


@pytest.mark.rule("E38")
@both
def test_words_are_evidence_at_once_and_cut_the_bot(direct: bool) -> None:
    script = [
        RS,
        X("Hello"),
        Sleep(1),
        START,
        Sleep(0.5),
        InterimTranscriptionFrame("wa"),
        Sleep(0.5),
        final("wait"),
        STOP,
    ]
    trace = talk(script, direct=direct, **HOLDS)
    assert next(each.time for each in trace.deliveries if each.frame == InterruptionFrame(1)) == 1.5
    assert written(trace) == [("assistant", "Hello"), ("user", "wait")]


@pytest.mark.rule("E38")
@both
def test_while_the_user_is_audible_no_time_decides_and_then_two_seconds_do(direct: bool) -> None:
    trace = talk([RS, X("Hello"), START, Sleep(4), STOP, Sleep(4), RE], direct=direct, **HOLDS)
    assert holds(trace) == [(0.0, OutputPauseFrame), (6.0, OutputResumeFrame)]
    assert written(trace) == [("assistant", "Hello")]
    assert told(trace, "on_user_turn_stopped") == [""]
    assert runs(trace) == []


# ---- proposals


@pytest.mark.parametrize("frame", [ProposedUserStartedSpeakingFrame(), ProposedUserStoppedSpeakingFrame()])
@pytest.mark.rule("D14")
@both
def test_a_proposal_that_a_strategy_decides_on_goes_no_further_either_way(frame: Frame, direct: bool) -> None:
    external: dict[str, Any] = {"user_turn_strategies": ExternalUserTurnStrategies()}
    resolved = talk([Sleep(1), do(Both(frame)), Sleep(1)], between=[BETWEEN], direct=direct, **external)
    assert frame not in (*resolved.down, *resolved.up)
    passed = talk([Sleep(1), do(Both(frame)), Sleep(1)], between=[BETWEEN], direct=direct)
    assert frame in passed.down and frame in passed.up

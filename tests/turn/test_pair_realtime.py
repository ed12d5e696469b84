"""A model that hears and speaks by itself: what is written when, and what the modes change."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from antiphon import Address, Pipeline
from antiphon.channels import (
    BotStartedSpeakingFrame,
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    ExternalTurns,
    Frame,
    FunctionCallResultProperties,
    HeardFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContext,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMServiceMetadataFrame,
    OutputPauseFrame,
    ProposedUserStartedSpeakingFrame,
    RealtimeServiceMetadataFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import (
    AssistantHalf,
    ExternalUserTurnStrategies,
    RealtimeServiceModeConfig,
    SpeechTimeoutUserTurnStopStrategy,
    TranscriptionUserTurnStartStrategy,
    UserHalf,
    UserTurnStrategies,
    VADUserTurnStartStrategy,
)

from .pair_cast import (
    RE,
    RS,
    START,
    STOP,
    X,
    announced,
    both,
    events,
    final,
    in_progress,
    replied,
    result_of,
    runs,
    said,
    talk,
    told,
    written,
)

F_F = RealtimeServiceModeConfig()
F_T = RealtimeServiceModeConfig(turns_await_transcripts=True)
T_T = RealtimeServiceModeConfig(context_writes_await_turns=True, turns_await_transcripts=True)
T = TranscriptionFrame
REALTIME = LLMServiceMetadataFrame("s2s", is_realtime_service=True)


def realtime(script: Iterable[object], *, mode: Any = F_F, **more: Any) -> Trace:
    usual = {"user_turn_strategies": None, "vad": None}
    return talk(script, realtime_service_mode=mode, **{**usual, **more})


def writes(trace: Trace) -> list[tuple[float, str]]:
    """When each message was written, and its text."""
    return [
        (each.time, str(each.frame.context.messages[-1]["content"]))
        for each in trace.deliveries
        if each.receiver.name in ("source",) and isinstance(each.frame, ContextCommittedFrame)
    ]


# ---- the modes


@pytest.mark.rule("F1")
def test_writes_that_await_turns_which_await_nothing_are_refused_with_both_ways_out() -> None:
    with pytest.raises(ValueError, match=r"turns_await_transcripts=True.*context_writes_await_turns False"):
        RealtimeServiceModeConfig(context_writes_await_turns=True)
    assert RealtimeServiceModeConfig() == RealtimeServiceModeConfig(False, False)


def first_cause(trace: Trace) -> BaseException:
    error = trace.ended
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BaseException)
    return error


@pytest.mark.parametrize("mode", [F_F, F_T, "auto"])
@pytest.mark.rule("F2")
def test_a_user_half_alone_is_no_realtime_half(mode: Any) -> None:
    error = first_cause(play(Pipeline(UserHalf(LLMContext(), mode=mode, name="user")), [], limit=10))
    assert isinstance(error, RuntimeError)
    assert "no assistant half" in str(error)


@pytest.mark.parametrize("mode", [None, False, T_T])
@pytest.mark.rule("F2")
def test_but_may_be_one_of_a_cascade(mode: Any) -> None:
    assert play(Pipeline(UserHalf(LLMContext(), mode=mode, name="user")), [], limit=10).ended == "cancelled"


@pytest.mark.rule("F2")
@both
def test_halves_of_different_modes_fail_at_the_start(direct: bool) -> None:
    def start(users: Any, assistants: Any) -> Trace:
        user = UserHalf(LLMContext(), mode=users, assistant=Address("assistant"), name="user")
        assistant = AssistantHalf(Address("user"), mode=assistants, name="assistant")
        return play(Pipeline(user, assistant), [], direct=direct, limit=10)

    assert isinstance(first_cause(start(F_F, None)), RuntimeError)
    assert isinstance(first_cause(start(None, F_T)), RuntimeError)
    assert [start(*modes).ended for modes in ((False, None), (F_F, F_F))] == ["cancelled"] * 2


@pytest.mark.parametrize(
    ("mode", "is_realtime"), [(True, True), (False, False), (None, False), (F_F, True), (T_T, False)]
)
@pytest.mark.rule("F3")
def test_a_mode_may_be_a_configuration_or_yes_or_no(mode: Any, is_realtime: bool) -> None:
    trace = realtime([*said("hi"), Sleep(2), *replied("Hello"), EndFrame()], mode=mode)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello")]
    assert len(runs(trace)) == (0 if is_realtime else 1)


@pytest.mark.parametrize("announcement", [REALTIME, RealtimeServiceMetadataFrame("s2s")])
@pytest.mark.rule("F7")
@both
def test_an_announcement_switches_auto_on(announcement: Frame, direct: bool) -> None:
    trace = realtime([announcement, *said("hi"), Sleep(2), *replied("Hello")], mode="auto", direct=direct)
    assert runs(trace) == []
    assert told(trace, "on_user_turn_stopped") == [None]


@pytest.mark.rule("F7")
@both
def test_an_announcement_in_the_middle_of_a_turn_holds_from_the_next_one_on(direct: bool) -> None:
    script = [START, final("hi"), REALTIME, STOP, Sleep(2), *replied("Hello"), *said("more"), Sleep(2)]
    trace = realtime(script, mode="auto", direct=direct, user_turn_strategies=UserTurnStrategies(stop=[SPEECH]))
    assert runs(trace) == [["hi"]]
    assert told(trace, "on_user_turn_stopped") == ["hi", None]


@pytest.mark.rule("F7")
def test_an_announcement_in_the_middle_of_an_answer_holds_behind_it() -> None:
    trace = realtime([*said("hi"), Sleep(2), RS, X("Hello"), REALTIME, RE, Sleep(1), T("more"), Sleep(1)], mode="auto")
    assert writes(trace)[:2] == [(0.0, "hi"), (2.0, "Hello")]
    assert len(runs(trace)) == 1


SPEECH = SpeechTimeoutUserTurnStopStrategy()


@pytest.mark.rule("F7")
@both
def test_behind_the_announcement_nobody_is_held_back_any_more(direct: bool) -> None:
    trace = realtime([REALTIME, START, Sleep(1)], mode="auto", direct=direct, false_interruption_timeout=2.0)
    assert not any(isinstance(frame, OutputPauseFrame) for frame in trace.down)
    assert trace.durable["user"]["awaited"] == 1


@pytest.mark.rule("F7")
def test_auto_without_an_announcement_is_a_cascade() -> None:
    assert len(runs(realtime([*said("hi"), Sleep(2)], mode="auto"))) == 1


# ---- branch points


@pytest.mark.rule("F10", "K15")
@both
def test_a_transcript_writes_the_answer_before_it_and_is_gathered(direct: bool) -> None:
    trace = realtime([*replied("Hello"), Sleep(1), T("hi"), Sleep(1)], direct=direct)
    assert writes(trace)[0] == (1, "Hello")
    assert len(writes(trace)) == 1 + 1  # the second at the end of the play
    blank = realtime([*replied("Hello"), Sleep(1), T(" "), Sleep(1)], direct=direct)
    assert [time for time, _ in writes(blank)] == [2]


@pytest.mark.rule("F10")
def test_without_a_turn_the_first_transcript_tells_when_it_began() -> None:
    trace = realtime([T("hi", timestamp="then"), Sleep(1), T("you", timestamp="later"), RS])
    ((_, (message,)),) = events(trace, "on_user_turn_message_added")
    assert (message.content, message.timestamp) == ("hi you", "then")


@pytest.mark.rule("F11", "F12", "F18")
@both
def test_the_end_of_a_turn_is_an_event_and_neither_written_nor_run(direct: bool) -> None:
    trace = realtime([*said("hi"), Sleep(5), RS], direct=direct)
    assert [name for name, _ in events(trace)][:3] == [
        "on_user_turn_started",
        "on_user_turn_inference_triggered",
        "on_user_turn_stopped",
    ]
    assert told(trace, "on_user_turn_stopped") == [None]
    assert sum(isinstance(frame, UserStoppedSpeakingFrame) for frame in trace.down) == 1
    assert writes(trace) == [(5, "hi")]
    assert runs(trace) == []


@pytest.mark.rule("F13", "F20", "F17")
@both
def test_an_answer_begins_by_writing_what_was_said(direct: bool) -> None:
    trace = realtime([T("oh"), T("hi"), Sleep(1), RS], direct=direct)
    assert writes(trace) == [(1, "oh hi")]
    assert [name for name, _ in events(trace)] == [
        "on_user_turn_message_added",
        "on_assistant_turn_started",
        "on_assistant_turn_stopped",
    ]


@pytest.mark.rule("F20", "F25")
def test_without_transcripts_there_is_no_user_message() -> None:
    assert written(realtime([*replied("Hello"), EndFrame()])) == [("assistant", "Hello")]


@pytest.mark.rule("F14")
@both
def test_an_answer_that_ends_is_told_of_at_once_and_written_later(direct: bool) -> None:
    trace = realtime(
        [*replied("One"), Sleep(1), *replied("Two"), Sleep(1), T("hi"), Sleep(1), EndFrame()], direct=direct
    )
    assert writes(trace) == [(1, "One"), (2, "Two"), (3, "hi")]
    stops = [(event.time, event.payload[0]) for event in trace.events if event.name == "on_assistant_turn_stopped"]
    assert [(time, told.content, told.interrupted) for time, told in stops] == [(0, "One", False), (1, "Two", False)]  # type: ignore[attr-defined]


@pytest.mark.rule("F14")
@both
def test_an_answer_that_is_cut_is_written_at_once(direct: bool) -> None:
    trace = realtime([RS, X("Hello"), Sleep(1), InterruptionFrame(), Sleep(1)], direct=direct)
    assert writes(trace) == [(1, "Hello")]
    messages = [payload[0] for _, payload in events(trace, "on_assistant_message_added", "on_assistant_turn_stopped")]
    assert [message.interrupted for message in messages] == [True, True]


@pytest.mark.parametrize(("mode", "count"), [(F_F, 0), (F_T, 0), (T_T, 1), (None, 1)])
@pytest.mark.parametrize("wanted", [None, True])
@pytest.mark.rule("F15")
def test_a_realtime_service_takes_a_result_by_itself(mode: Any, count: int, wanted: bool | None) -> None:
    properties = FunctionCallResultProperties(run_llm=wanted)
    trace = realtime([announced(), in_progress(), result_of(properties=properties), Sleep(1)], mode=mode)
    assert written(trace) == [("assistant", "look"), ("tool", '"done"')]
    assert len(runs(trace)) == count


@pytest.mark.parametrize(("mode", "count"), [(F_F, 0), (F_T, 1), (T_T, 1)])
@pytest.mark.rule("F16")
def test_where_turns_do_not_await_transcripts_words_begin_none(mode: Any, count: int) -> None:
    assert len(events(realtime([T("hi"), Sleep(1)], mode=mode), "on_user_turn_started")) == count


@pytest.mark.parametrize(("mode", "stopped"), [(F_F, True), (F_T, False)])
@pytest.mark.rule("F16")
def test_nor_do_they_wait_for_words_to_end(mode: Any, stopped: bool) -> None:
    trace = realtime([START, Sleep(1), STOP, Sleep(3)], mode=mode)
    ((_, (strategy, _)),) = events(trace, "on_user_turn_stopped")
    assert (strategy is not None) is stopped  # None: the watch-dog's word


OWN = UserTurnStrategies(start=[VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()], stop=[SPEECH])


@pytest.mark.rule("F16")
def test_strategies_that_the_application_chose_are_changed_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "antiphon")
    realtime([])
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
    realtime([REALTIME, REALTIME], user_turn_strategies=OWN)
    (warning,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert "TranscriptionUserTurnStartStrategy" in warning and "SpeechTimeoutUserTurnStopStrategy" in warning


@pytest.mark.rule("F16", "F7")
@both
def test_what_a_service_recommends_is_taken_first_and_then_adapted(direct: bool) -> None:
    recommended = LLMServiceMetadataFrame("s2s", user_turn_strategies=OWN, is_realtime_service=True)
    trace = realtime([recommended, T("hi"), Sleep(1), START, STOP, Sleep(2)], mode="auto", direct=direct)
    assert len(events(trace, "on_user_turn_started")) == len(events(trace, "on_user_turn_stopped")) == 1


@pytest.mark.rule("D13")
@pytest.mark.parametrize("recommendation", [ExternalTurns(), ExternalUserTurnStrategies()])
def test_a_recommendation_holds_unless_the_application_has_chosen(recommendation: Any) -> None:
    metadata = STTMetadataFrame("stt", user_turn_strategies=recommendation)
    script: list[Item] = [metadata, START, Sleep(1), ProposedUserStartedSpeakingFrame(), Sleep(1)]
    at = [event.time for event in talk(script, user_turn_strategies=None).events]
    assert at == [1]
    assert [event.time for event in talk(script).events] == [0]


@pytest.mark.rule("F18")
def test_a_run_that_is_asked_for_is_pushed_also_to_a_realtime_service() -> None:
    note = LLMMessagesAppendFrame([{"role": "user", "content": "note"}], True)
    assert runs(realtime([LLMRunFrame(), note])) == [[], ["note"]]


@pytest.mark.rule("F18", "D71")
def test_a_turn_without_words_is_never_recovered() -> None:
    trace = talk([START, Sleep(1), STOP, Sleep(9)], realtime_service_mode=True, empty_user_turn=None, vad=None)
    assert (written(trace), runs(trace)) == ([], [])


# ---- late transcripts


@pytest.mark.parametrize(("window", "at"), [(None, 1.0), (0.5, 0.5)])
@pytest.mark.rule("F22", "K16")
@both
def test_late_words_are_one_message_at_the_end_of_the_window_and_before_the_answer(
    window: float | None, at: float, direct: bool
) -> None:
    script = [START, STOP, RS, X("Sure"), Sleep(0.2), T("Can you"), T("help?"), Sleep(2), RE, T("Thanks"), EndFrame()]
    trace = realtime(script, late_transcript_window=window, direct=direct)
    assert written(trace) == [("user", "Can you help?"), ("assistant", "Sure"), ("user", "Thanks")]
    assert writes(trace)[0] == (at, "Can you help?")


@pytest.mark.rule("F22")
def test_the_window_is_what_the_transcriber_has_announced() -> None:
    script: list[Item] = [STTMetadataFrame("stt", ttfs_p99_latency=0.4), START, STOP, RS, X("a"), T("hi"), Sleep(2)]
    assert writes(realtime(script))[0] == (0.4, "hi")


STRAGGLE: list[tuple[list[Item], str]] = [([RE], "ended"), ([InterruptionFrame()], "interrupted")]


@pytest.mark.parametrize(("end", "how"), STRAGGLE, ids=["ended", "interrupted"])
@pytest.mark.rule("F22", "K16")
@both
def test_stragglers_are_written_before_the_answer_when_that_is_over(end: list[Item], how: str, direct: bool) -> None:
    script = [START, STOP, RS, X("Sure"), Sleep(3), T("help"), Sleep(1), *end, Sleep(1), EndFrame()]
    trace = realtime(script, direct=direct)
    assert written(trace) == [("user", "help"), ("assistant", "Sure")]
    assert writes(trace)[0][0] == 4


@pytest.mark.parametrize("sign", [START, UserStartedSpeakingFrame(), ProposedUserStartedSpeakingFrame()])
@pytest.mark.rule("F22", "F23", "K16")
@both
def test_words_of_the_next_turn_wait_until_an_answer_that_nobody_cut_is_over(sign: Frame, direct: bool) -> None:
    script = [*[START, STOP], RS, X("Sure"), sign, T("Thanks"), Sleep(1), RE, Sleep(1), EndFrame()]
    trace = realtime(script, allow_interruptions=False, direct=direct)
    assert writes(trace) == [(1, "Sure"), (2, "Thanks")]


@pytest.mark.parametrize(("pause", "texts"), [(0.5, ["help", "Sure"]), (1.5, ["Sure", "help"])])
@pytest.mark.rule("F22", "F25")
@both
def test_without_turn_frames_and_voice_the_window_decides(pause: float, texts: list[str], direct: bool) -> None:
    trace = realtime([RS, X("Sure"), Sleep(pause), T("help"), Sleep(2), RE, Sleep(1), EndFrame()], direct=direct)
    assert [text for _, text in written(trace)] == texts
    assert events(trace, "on_user_turn_started", "on_user_turn_stopped") == []


@pytest.mark.rule("F21")
@both
def test_with_no_window_late_words_go_with_the_next_ones(direct: bool) -> None:
    script = [RS, X("Sure"), T("Can you help?"), X(", yes."), RE, T("Thanks"), EndFrame()]
    trace = realtime(script, late_transcript_window=0, direct=direct)
    assert written(trace) == [("assistant", "Sure, yes."), ("user", "Can you help? Thanks")]


@pytest.mark.rule("F22", "E11", "K16")
@both
def test_typed_text_is_never_late_and_goes_on_to_the_service(direct: bool) -> None:
    script = [START, STOP, RS, X("Sure"), InputTextRawFrame("typed"), Sleep(3), RE, Sleep(1), EndFrame()]
    trace = realtime(script, direct=direct)
    assert written(trace) == [("assistant", "Sure"), ("user", "typed")]
    assert InputTextRawFrame("typed") in trace.down
    assert runs(trace) == []


@pytest.mark.rule("F23")
@both
def test_words_that_cut_the_answer_stand_behind_what_was_heard_of_it(direct: bool) -> None:
    bot = BotStartedSpeakingFrame()
    script = [bot, RS, X("Hello"), START, T("wait"), Sleep(1), HeardFrame(1), Sleep(1), STOP, RS, EndFrame()]
    trace = realtime(script, direct=direct)
    assert written(trace) == [("assistant", "Hello"), ("user", "wait")]
    assert [time for time, _ in writes(trace)] == [1, 2]


@pytest.mark.rule("F24")
@both
def test_turn_frames_alone_write_nothing(direct: bool) -> None:
    script = [UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), *replied("Hello"), EndFrame()]
    external = {"user_turn_strategies": ExternalUserTurnStrategies()}
    trace = realtime(script, direct=direct, **external)
    assert written(trace) == [("assistant", "Hello")]
    assert told(trace, "on_user_turn_stopped") == [None]


# ---- announcements


@pytest.mark.parametrize(("mode", "count"), [(None, 1), (False, 0), ("auto", 0), (F_F, 0), (T_T, 0)])
@pytest.mark.rule("F26")
def test_a_realtime_service_without_a_mode_is_mentioned_once(
    mode: Any, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "antiphon")
    trace = realtime([REALTIME, RealtimeServiceMetadataFrame("s2s"), REALTIME], mode=mode)
    told_of = [each.getMessage() for each in caplog.records if each.levelno == logging.INFO]
    assert len(told_of) == count
    assert all("realtime_service_mode" in each and "on_user_message_added" in each for each in told_of)
    assert sum(isinstance(frame, (LLMServiceMetadataFrame, RealtimeServiceMetadataFrame)) for frame in trace.down) == 3


# ---- the end


@pytest.mark.parametrize("end", [EndFrame(), CancelFrame()], ids=["end", "cancel"])
@pytest.mark.rule("F30", "K16")
@both
def test_at_the_end_what_is_left_is_written_as_it_was_spoken(end: Frame, direct: bool) -> None:
    trace = realtime([*replied("Hello"), T("hi"), Sleep(1), end], direct=direct)
    assert written(trace) == [("assistant", "Hello"), ("user", "hi")]
    assert events(trace, "on_user_turn_stopped") == []
    assert written(realtime([end], direct=direct)) == []


@pytest.mark.parametrize(("end", "interrupted"), [(EndFrame(), False), (CancelFrame(), True)], ids=["end", "cancel"])
@pytest.mark.rule("F30", "F31", "K16")
@both
def test_at_the_end_of_an_open_answer_late_words_stand_before_it_and_new_ones_behind_it(
    end: Frame, interrupted: bool, direct: bool
) -> None:
    script = [START, STOP, RS, X("Sure"), T("help"), START, T("Thanks"), end]
    trace = realtime(script, allow_interruptions=False, direct=direct)
    assert written(trace) == [("user", "help"), ("assistant", "Sure"), ("user", "Thanks")]
    ((_, (message,)),) = events(trace, "on_assistant_message_added")
    assert message.interrupted is interrupted


# ---- the conversations


@pytest.mark.rule("F10", "F13", "F14")
@both
def test_a_call_stands_behind_the_users_words_and_the_answer_to_it_behind_that(direct: bool) -> None:
    script = [T("Weather?"), RS, X("Well"), announced(), in_progress(), RE, result_of(), RS, X("Sunny"), RE, T("Great")]
    trace = realtime([*script, EndFrame()], direct=direct)
    assert written(trace) == [
        ("user", "Weather?"),
        ("assistant", "Well"),
        ("assistant", "look"),
        ("tool", '"done"'),
        ("assistant", "Sunny"),
        ("user", "Great"),
    ]


@pytest.mark.rule("F12", "F16")
def test_a_turn_that_awaits_transcripts_ends_with_them_and_tells_none() -> None:
    script: list[Item] = [START, Sleep(1), STOP, Sleep(3), T("hi"), Sleep(1), *replied("Hello"), EndFrame()]
    trace = realtime(script, mode=F_T)
    (stopped,) = [event for event in trace.events if event.name == "on_user_turn_stopped"]
    assert stopped.time >= 4
    assert stopped.payload[1].content is None  # type: ignore[attr-defined]
    assert written(trace) == [("user", "hi"), ("assistant", "Hello")]


@pytest.mark.rule("F11", "F14")
@both
def test_cascade_writes_are_those_of_a_cascade(direct: bool) -> None:
    script = [*said("hi"), Sleep(2), *replied("Hello"), START, Sleep(0.3), STOP, Sleep(3), *said("more"), Sleep(3)]
    usual = {"direct": direct, "false_interruption_timeout": 2.0, "user_turn_strategies": OWN}
    one, other = realtime(script, mode=T_T, **usual), realtime(script, mode=None, **usual)
    assert written(one) == written(other)
    assert one.events == other.events
    assert runs(one) == runs(other)


# ---- kills


SPOKEN: list[object] = [
    *[START, STOP, RS, X("Sure"), Sleep(0.2), T("Can you"), Sleep(0.1), START, T("help?"), Sleep(1), X(" yes"), RE],
    *[Sleep(1), announced(), in_progress(), STOP, RS, X("Well"), result_of(), Sleep(0.1), InterruptionFrame()],
    *[Sleep(0.1), T("and"), InputTextRawFrame("typed"), RS, X("There"), RE, Sleep(3), EndFrame()],
]
"""Late words, a cut by voice, a call, a cut by the application, typed text, and an end."""
SWITCHED: list[object] = [
    *[START, final("hi"), REALTIME, STOP, Sleep(2), *replied("Hello"), *said("more"), Sleep(1), RS, X("yes"), RE],
    *[T("ok"), Sleep(2), EndFrame()],
]


@pytest.mark.parametrize(("script", "mode"), [(SPOKEN, F_F), (SWITCHED, "auto")], ids=["spoken", "switched"])
@pytest.mark.parametrize("half", ["user", "assistant"])
@pytest.mark.rule("K20")
@both
def test_a_kill_at_any_moment_changes_nothing(script: list[object], mode: Any, half: str, direct: bool) -> None:
    whole = realtime(script, mode=mode, direct=direct)
    assert len(written(whole)) >= 5
    handled = len(whole.handled_by(half))
    tried = 0
    for at in range(2, handled, 2):
        trace = realtime([Kill(half, at=at), *script], mode=mode, direct=direct)
        if not trace.restarts:
            continue  # before the script began, or as the session ended
        tried += 1
        assert written(trace) == written(whole), at
        assert trace.events == whole.events, at
        assert runs(trace) == runs(whole), at
    assert tried > handled // 2 - 8

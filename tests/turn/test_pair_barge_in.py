"""Cutting in: who begins an interruption, what it leaves, and what it changes nothing about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from antiphon import Actor, Immune, Interrupt, Pipeline, actor, child, on
from antiphon.actors import Effects
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotInterruptionFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InterruptionFrame,
    InterruptionTaskFrame,
    InterruptionWorkerFrame,
    LLMContext,
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    StartInterruptionFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, Trace, play
from antiphon.turn import UserTurnStrategies, VADUserTurnStartStrategy

from .golden import cascade
from .pair_cast import (
    BETWEEN,
    RE,
    RS,
    START,
    STOP,
    Mouth,
    X,
    both,
    do,
    events,
    final,
    pair_of,
    run_frames,
    runs,
    said,
    talk,
    told,
    written,
)

EDGES = (UserStartedSpeakingFrame, UserStoppedSpeakingFrame, BotStartedSpeakingFrame, BotStoppedSpeakingFrame)


def hello(context: LLMContext) -> Iterator[str]:
    yield "Hello my friend."


HI: list[Item] = [*said("hi"), Sleep(0.8)]
"""The bot has said "Hello my"."""


def epoch(trace: Trace) -> int:
    return max(
        (frame.epoch or 0 for frame in trace.handled_by("user") if isinstance(frame, InterruptionFrame)), default=0
    )


# ---- who begins


@actor
class Breaks(Actor):
    """Interrupts, each time in another way."""

    @on(LLMRunFrame)
    def cut(self, frame: LLMRunFrame) -> Effects:
        return Interrupt()

    @on(LLMMessagesAppendFrame)
    def cut_by_frame(self, frame: LLMMessagesAppendFrame) -> Effects:
        return InterruptionFrame()


BEGINS: list[Frame] = [
    START,
    InterruptionFrame(),
    InterruptionWorkerFrame(),
    BotInterruptionFrame(),
    InterruptionTaskFrame(),
    LLMRunFrame(),
    LLMMessagesAppendFrame([]),
]


@pytest.mark.parametrize("begin", BEGINS, ids=lambda each: type(each).__name__)
@pytest.mark.rule("B20")
@both
def test_a_turn_the_application_and_any_actor_can_begin_an_interruption(begin: Frame, direct: bool) -> None:
    pair = pair_of()
    pipeline = Pipeline(Breaks(), pair.user, Mouth(), pair.assistant)
    trace = play(pipeline, [RS, X("Hello"), Sleep(1), begin, Sleep(1)], direct=direct, limit=20)
    assert epoch(trace) == 1
    assert written(trace) == [("assistant", "Hello")]
    assert events(trace, "on_assistant_message_added")[0][1][0].interrupted is True


@pytest.mark.parametrize("begin", BEGINS[2:5], ids=lambda each: type(each).__name__)
@pytest.mark.rule("B20", "B45")
@both
def test_the_application_can_cut_the_bots_last_words_too(begin: Frame, direct: bool) -> None:
    trace = play(cascade(hello), [*HI, EndFrame(), Sleep(0.1), begin, Sleep(5)], direct=direct, limit=20)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my")]


# ---- what is left


@pytest.mark.rule("B23", "B25a")
@both
def test_the_users_words_and_what_is_to_be_done_survive_and_answers_do_not(direct: bool) -> None:
    """All of it is on its way when the user cuts in."""
    note = LLMMessagesAppendFrame([{"role": "developer", "content": "note"}])
    trace = talk(
        [(X("gone"), TranscriptionFrame("kept"), note, LLMRunFrame(), START), final("too"), STOP], direct=direct
    )
    assert [text for _, text in written(trace)] == ["note", "kept too"]


@pytest.mark.rule("B24", "A5", "E39", "A3")
@both
def test_speech_that_must_be_heard_is_heard_and_written_whole(direct: bool) -> None:
    pair = pair_of()
    sound = TTSAudioRawFrame(bytes(48000), "a", sample_rate=24000, interruptible=False)
    words = (
        TTSTextFrame(word, None, at * 300_000_000, context_id="a", interruptible=False)
        for at, word in enumerate(("Mind", "you"))
    )
    speech = (TTSStartedFrame("a", interruptible=False), *words, sound, TTSStoppedFrame("a", interruptible=False))
    pipeline = Pipeline(pair.user, BETWEEN, child(AudioOutput(name="output"), max_buffer=256), pair.assistant)
    script = [do(*map(Immune, speech)), Sleep(0.1), *said("wait"), Sleep(5)]
    trace = play(pipeline, script, direct=direct, limit=20)
    assert written(trace) == [("assistant", "Mind you"), ("user", "wait")]
    assert events(trace, "on_assistant_message_added")[0][1][0].interrupted is False
    (run,) = [each for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]
    assert round(run.time, 3) == 1


@pytest.mark.rule("B25a")
@both
def test_words_that_were_said_before_the_cut_lead_to_a_run_behind_it(direct: bool) -> None:
    trace = talk([(START, final("hi"), InterruptionFrame(), STOP), Sleep(1)], direct=direct)
    assert runs(trace) == [["hi"]]


@pytest.mark.rule("B26")
@both
def test_nothing_of_the_old_answer_leaves_the_model_behind_the_cut(direct: bool) -> None:
    trace = play(cascade(hello), [*said("hi"), Sleep(0.22), START, Sleep(5)], direct=direct, limit=20)
    assert not any(isinstance(frame, TTSTextFrame) for frame in trace.handled_by("assistant"))
    assert written(trace) == [("user", "hi")]


@pytest.mark.rule("B27", "D7")
@both
def test_the_turn_is_announced_before_it_interrupts(direct: bool) -> None:
    @actor
    class Notes(Actor):
        @on(UserStartedSpeakingFrame, TTSTextFrame)
        def note(self, frame: Frame) -> Frame:
            return frame

        @on(InterruptionFrame)
        def cut(self, frame: InterruptionFrame) -> None: ...

    trace = talk([RS, START, do(TTSTextFrame("new")), Sleep(1)], between=[BETWEEN, Notes(name="notes")], direct=direct)
    kinds = [type(frame) for frame in trace.handled_by("notes")]
    assert set(kinds[:2]) == {UserStartedSpeakingFrame, InterruptionFrame}
    assert kinds[2:] == [TTSTextFrame]


@pytest.mark.rule("B28")
@both
def test_two_interruptions_in_a_row_cut_once(direct: bool) -> None:
    trace = play(cascade(hello), [*HI, InterruptionFrame(), InterruptionFrame(), Sleep(5)], direct=direct, limit=20)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my")]
    assert [type(frame) for frame in trace.up if isinstance(frame, EDGES[2:])] == list(EDGES[2:])
    assert told(trace, "on_assistant_turn_stopped") == ["Hello my"]


@pytest.mark.rule("B29")
@both
def test_with_nothing_in_flight_nothing_changes(direct: bool) -> None:
    trace = play(cascade(hello), [InterruptionFrame(), Sleep(1), *HI, Sleep(5)], direct=direct, limit=20)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my friend.")]
    heard = [frame.epoch for frame in trace.handled_by("assistant") if isinstance(frame, HeardFrame)]
    assert heard[:2] == [1, 2]


OFF = {
    "by the session": {"allow_interruptions": False},
    "by the start": {
        "user_turn_strategies": UserTurnStrategies(start=[VADUserTurnStartStrategy(enable_interruptions=False)]),
    },
}


@pytest.mark.parametrize("off", OFF)
@pytest.mark.rule("B30")
@both
def test_where_interruptions_are_off_turns_flow_and_the_bot_goes_on(off: str, direct: bool) -> None:
    trace = talk(
        [*said("hi"), Sleep(2), RS, X("Hello"), *said("wait"), Sleep(2), X(" you"), RE, Sleep(1)],
        direct=direct,
        **OFF[off],
    )  # type: ignore[arg-type]
    assert epoch(trace) == 0
    assert [type(frame) for frame in trace.up if isinstance(frame, EDGES[:2])] == [*EDGES[:2]] * 2
    assert written(trace) == [("user", "hi"), ("assistant", "Hello you"), ("user", "wait")]
    assert len(run_frames(trace)) == 2


@pytest.mark.rule("B31")
@both
def test_who_answers_each_interruption_with_another_starts_no_loop(direct: bool) -> None:
    @actor
    class Analyst(Actor):
        @on(InterruptionFrame)
        def again(self, frame: InterruptionFrame) -> Effects:
            return [BotInterruptionFrame(), InterruptionTaskFrame()]

        @on(BotInterruptionFrame)
        def see(self, frame: BotInterruptionFrame) -> Frame:
            return frame

    trace = talk([*said("hi"), Sleep(1)], between=[Analyst(name="analyst")], direct=direct)
    assert epoch(trace) == 1
    assert runs(trace) == [["hi"]]


@pytest.mark.rule("B32")
@both
def test_the_older_name_of_an_interruption_is_one(direct: bool) -> None:
    trace = talk([RS, X("Hello"), StartInterruptionFrame(), Sleep(1)], direct=direct)
    assert written(trace) == [("assistant", "Hello")]
    assert [type(frame) for frame in trace.handled_by("user") if isinstance(frame, InterruptionFrame)] == [
        InterruptionFrame
    ]


@pytest.mark.rule("B33")
@both
def test_a_barge_in_is_over_at_the_instant_at_which_it_begins(direct: bool) -> None:
    trace = play(cascade(hello), [*HI, START, Sleep(3), final("wait"), STOP, Sleep(0.1)], direct=direct, limit=20)
    at = next(each.time for each in reversed(trace.deliveries) if isinstance(each.frame, VADUserStartedSpeakingFrame))
    those = (UserStartedSpeakingFrame, InterruptionFrame, HeardFrame, BotStoppedSpeakingFrame)
    for kind in those:
        assert any(isinstance(each.frame, kind) and each.time == at for each in trace.deliveries), kind
    assert written(trace)[:3] == [("user", "hi"), ("assistant", "Hello my"), ("user", "wait")]
    added = [event for event in trace.events if event.name == "on_assistant_message_added"]
    assert [event.time for event in added][:1] == [at]


# ---- an application that speaks for the user

ON, OFF_EDGE = EmulateUserStartedSpeakingFrame(), EmulateUserStoppedSpeakingFrame()


@pytest.mark.rule("A4", "A6")
@both
def test_an_application_may_speak_for_the_user(direct: bool) -> None:
    trace = talk([RS, X("Hello"), ON, TranscriptionFrame("wait"), OFF_EDGE, Sleep(1)], direct=direct)
    assert written(trace) == [("assistant", "Hello"), ("user", "wait")]
    assert runs(trace) == [["Hello", "wait"]]
    assert [type(frame) for frame in trace.up if isinstance(frame, EDGES[:2])] == [*EDGES[:2]]
    assert not any(isinstance(frame, (type(ON), type(OFF_EDGE))) for frame in trace.down)


@pytest.mark.rule("A4")
@both
def test_its_stop_waits_for_the_words_that_it_has_overtaken(direct: bool) -> None:
    trace = talk([(ON, TranscriptionFrame("wait"), OFF_EDGE), Sleep(1), START], direct=direct, vad=None)
    assert runs(trace) == [["wait"]]
    without = talk([ON, OFF_EDGE, Sleep(8)], direct=direct)
    assert told(without, "on_user_turn_stopped") == [""]
    assert events(without, "on_user_turn_stop_timeout") != []


@pytest.mark.rule("A4")
@both
def test_an_edge_that_fits_nowhere_is_ignored(direct: bool) -> None:
    trace = talk([OFF_EDGE, START, ON, final("hi"), STOP, Sleep(1), OFF_EDGE], direct=direct)
    assert [name for name, _ in events(trace, "on_user_turn_started", "on_user_turn_stopped")] == [
        "on_user_turn_started",
        "on_user_turn_stopped",
    ]


@pytest.mark.rule("A4")
def test_it_closes_a_turn_whatever_is_heard() -> None:
    trace = talk([START, final("hi"), OFF_EDGE, Sleep(1)])
    assert runs(trace) == [["hi"]]


@pytest.mark.rule("A6")
def test_the_short_forms_of_frames_are_enough() -> None:
    short: list[Item] = [
        VADUserStartedSpeakingFrame(),
        TranscriptionFrame(text="hi"),
        TTSStartedFrame(),
        TTSStoppedFrame(),
    ]
    assert written(talk([*short, EndFrame()])) == [("user", "hi")]

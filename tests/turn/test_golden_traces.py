"""The worked examples: each step of eight conversations, with direct delivery and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from antiphon import Both, Up
from antiphon.actors import Effect
from antiphon.actors.services.scripted import Call, Step
from antiphon.channels import (
    EndFrame,
    Frame,
    HeardFrame,
    LLMContext,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame as VADStart,
    VADUserStoppedSpeakingFrame as VADStop,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import UserTurnStoppedMessage

from .golden import by_handler, cascade, expected, lines_of, realtime, speech

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

START, STOP = VADStart(timestamp=0.0), VADStop(stop_secs=0.2)


def at(*moments: tuple[float, Frame | Kill]) -> list[Item]:
    """A script by absolute times."""
    script: list[Item] = []
    now = 0.0
    for time, item in moments:
        if time > now:
            script.append(Sleep(time - now))
            now = time
        script.append(item)
    return script


def final(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, finalized=True)


def hello(context: LLMContext) -> Iterator[Step | str]:
    yield "Hello my friend."


def assert_told(trace: Trace, text: str, *, failures: int = 0) -> None:
    assert len(trace.failures) == failures, trace.failures[0]
    wanted = expected(text)
    last = max(float(line.split()[0]) for lines in wanted.values() for line in lines)
    told = by_handler(lines_of(trace, until=last))
    for who in sorted({*told, *wanted}):
        assert told.get(who) == wanted.get(who), who


FIRST_TURN = """
    0.00 user VADUserStarted
    0.00 both UserStarted
    0.00 user Interruption(1)
    0.00 user Flushed(1)                 # nothing is open, and the bot never spoke
    0.00 assistant Heard(1)
    0.70 user Transcription(Hi there)
    0.90 user VADUserStopped
    0.90 both UserStopped
    0.90 assistant [1: user Hi there]
    0.90 llm LLMContext(v1, run 1)
"""
FIRST_WORDS = """
    1.10 assistant ResponseStart(run 1)
    1.10 user ResponseOpened(1, run 1)
    1.35 user BotStarted
    1.35 assistant TTSText(Hello)
    1.65 assistant TTSText(my)
"""
HI = [(0.0, START), (0.7, final("Hi there")), (0.9, STOP)]


@both
def test_a_normal_turn_and_an_end_while_the_bot_speaks(direct: bool) -> None:
    trace = play(cascade(hello), at(*HI, (1.5, EndFrame())), direct=direct, limit=10)
    assert trace.ended == "ended"
    assert_told(
        trace,
        f"""
        {FIRST_TURN}
        {FIRST_WORDS}
        1.50 user End
        1.95 assistant TTSText(friend.)
        2.25 user BotStopped
        2.25 assistant ResponseEnd(run 1)
        2.25 user Commit(Hello my friend.)
        2.25 user ResponseClosed(1, ended)
        2.25 assistant [2: assistant Hello my friend.]
        4.25 assistant End                   # two seconds of silence
        4.25 sink End
        """,
    )


BARGE_IN = """
    1.80 user VADUserStarted
    1.80 both UserStarted
    1.80 user Interruption(2)
    1.80 assistant Heard(2)
    1.80 user BotStopped
    1.80 user Commit(Hello my, interrupted)
    1.80 user ResponseClosed(1, interrupted)
    1.80 user Flushed(2)
    1.80 assistant [2: assistant Hello my]
    2.30 user Transcription(Wait)
    2.50 user VADUserStopped
    2.50 both UserStopped
    2.50 assistant [3: user Wait]
    2.50 llm LLMContext(v3, run 2)
"""
WAIT = [(1.8, START), (2.3, final("Wait")), (2.5, STOP)]


@both
def test_a_barge_in_with_word_times(direct: bool) -> None:
    trace = play(cascade(hello), at(*HI, *WAIT), direct=direct, limit=10)
    assert_told(trace, f"{FIRST_TURN}{FIRST_WORDS}{BARGE_IN}")


@both
def test_two_quick_messages_while_the_model_thinks_get_one_answer(direct: bool) -> None:
    script = at(*HI, (1.0, START), (1.4, final("and hurry")), (1.6, STOP))
    trace = play(cascade(hello), script, direct=direct, limit=10)
    assert_told(
        trace,
        f"""
        {FIRST_TURN}
        1.00 user VADUserStarted
        1.00 both UserStarted
        1.00 user Interruption(2)
        1.00 user Flushed(2)
        1.00 assistant Heard(2)
        1.40 user Transcription(and hurry)
        1.60 user VADUserStopped
        1.60 both UserStopped
        1.60 assistant [2: user and hurry]
        1.60 llm LLMContext(v2, run 2)
        1.80 assistant ResponseStart(run 2)
        1.80 user ResponseOpened(1, run 2)
        2.05 user BotStarted
        2.05 assistant TTSText(Hello)
        """,
    )


@both
def test_a_late_final_transcript_opens_a_turn_of_its_own(direct: bool) -> None:
    script = at(
        (0.0, START), (0.7, TranscriptionFrame("I want a table")), (0.9, STOP), (2.0, TranscriptionFrame("for two"))
    )
    trace = play(cascade(hello), script, direct=direct, limit=10)
    assert_told(
        trace,
        """
        0.00 user VADUserStarted
        0.00 both UserStarted
        0.00 user Interruption(1)
        0.00 user Flushed(1)
        0.00 assistant Heard(1)
        0.70 user Transcription(I want a table)
        0.90 user VADUserStopped
        1.70 both UserStopped                # 0.90 - 0.20 + 1.00
        1.70 assistant [1: user I want a table]
        1.70 llm LLMContext(v1, run 1)
        1.90 assistant ResponseStart(run 1)
        1.90 user ResponseOpened(1, run 1)
        2.00 user Transcription(for two)
        2.00 both UserStarted
        2.00 user Interruption(2)
        2.00 user ResponseClosed(1, interrupted)
        2.00 user Flushed(2)
        2.00 assistant Heard(2)
        2.80 both UserStopped                # no VAD stop in this turn: 2.00 + 1.00 - 0.20
        2.80 assistant [2: user for two]
        2.80 llm LLMContext(v2, run 2)
        """,
    )


async def slowly() -> str:
    await trio.sleep(2.0)
    return "done"


def one_moment(context: LLMContext) -> Iterator[Step | str]:
    yield "One moment."
    yield Call("look", {})


@both
def test_a_barge_in_while_a_call_runs(direct: bool) -> None:
    script = at(*HI, (2.3, START), (2.8, final("Forget it")), (3.0, STOP))
    trace = play(cascade(one_moment, {"look": slowly}), script, direct=direct, limit=10)
    assert_told(
        trace,
        f"""
        {FIRST_TURN}
        1.10 assistant ResponseStart(run 1)
        1.10 user ResponseOpened(1, run 1)
        1.20 user FunctionCallsStarted
        1.30 user BotStarted
        1.30 assistant TTSText(One)
        1.60 assistant TTSText(moment.)
        1.90 user BotStopped
        1.90 assistant FunctionCallInProgress
        1.90 user Commit(One moment.)
        1.90 user Commit(call entries)
        1.90 assistant [2: assistant One moment.]
        1.90 assistant [3: tool IN_PROGRESS]
        1.90 assistant ResponseEnd(run 1)
        1.90 user ResponseClosed(1, ended)
        2.30 user VADUserStarted
        2.30 both UserStarted
        2.30 user Interruption(2)
        2.30 user FunctionCallCancel
        2.30 user Commit(patch cancelled)
        2.30 assistant [4: tool CANCELLED]
        2.30 assistant Heard(2)
        2.30 user Flushed(2)
        2.80 user Transcription(Forget it)
        3.00 user VADUserStopped
        3.00 both UserStopped
        3.00 assistant [5: user Forget it]
        3.00 llm LLMContext(v5, run 2)
        """,
    )


@both
def test_a_false_interruption_is_resumed(direct: bool) -> None:
    script = at(*HI, (1.8, START), (2.1, STOP))
    trace = play(cascade(hello, false_interruption_timeout=2.0), script, direct=direct, limit=10)
    assert_told(
        trace,
        """
        0.00 user VADUserStarted
        0.00 both UserStarted
        0.00 output OutputPause
        0.70 user Transcription(Hi there)
        0.70 user Interruption(1)
        0.70 user Flushed(1)
        0.70 assistant Heard(1)
        0.90 user VADUserStopped
        0.90 both UserStopped
        0.90 assistant [1: user Hi there]
        0.90 llm LLMContext(v1, run 1)
        1.10 assistant ResponseStart(run 1)
        1.10 user ResponseOpened(1, run 1)
        1.35 user BotStarted
        1.35 assistant TTSText(Hello)
        1.65 assistant TTSText(my)
        1.80 user VADUserStarted
        1.80 both UserStarted
        1.80 output OutputPause
        1.80 user BotStopped
        2.10 user VADUserStopped
        4.10 both UserStopped
        4.10 output OutputResume
        4.10 user BotStarted
        4.24 assistant TTSText(friend.)
        4.54 user BotStopped
        4.54 assistant ResponseEnd(run 1)
        4.54 user Commit(Hello my friend.)
        4.54 user ResponseClosed(1, ended)
        4.54 assistant [2: assistant Hello my friend.]
        """,
    )
    assert [event.name for event in trace.events].count("on_false_interruption") == 1


def monday() -> tuple[tuple[float, tuple[Effect, ...]], ...]:
    """What the realtime model does, and when."""
    return (
        (0.0, (Both(ProposedUserStartedSpeakingFrame()),)),
        (0.9, (Both(ProposedUserStoppedSpeakingFrame()),)),
        (1.1, (LLMFullResponseStartFrame(),)),
        (1.2, speech("one", "Sure,", "yes.", seconds=2.0)),
        (1.4, (Up(TranscriptionFrame("Can you help?")),)),
        (1.71, (Both(ProposedUserStartedSpeakingFrame()),)),
        (2.2, (Both(ProposedUserStoppedSpeakingFrame()),)),
        (2.25, (Up(TranscriptionFrame("On Monday.")),)),
        (2.4, (LLMFullResponseStartFrame(),)),
        (2.5, (*speech("two", "Monday", "then.", seconds=0.6), TTSStoppedFrame("two"), LLMFullResponseEndFrame())),
    )


@both
def test_a_realtime_model_with_a_late_transcript_an_interruption_and_an_answer_that_is_written_at_the_end(
    direct: bool,
) -> None:
    trace = play(realtime(monday()), at((4.0, EndFrame())), direct=direct, limit=10)
    assert trace.ended == "ended"
    assert_told(
        trace,
        """
        0.00 user ProposedUserStarted
        0.00 both UserStarted
        0.00 user Interruption(1)
        0.00 user Flushed(1)
        0.00 assistant Heard(1)
        0.00 s2s Heard(1, 0.00 s)
        0.90 user ProposedUserStopped
        0.90 both UserStopped
        1.10 assistant ResponseStart(run None)
        1.10 user ResponseOpened(1, run None)
        1.20 user BotStarted
        1.20 assistant TTSText(Sure,)
        1.40 user Transcription(Can you help?)   # late: the window is open until 2.10
        1.50 assistant TTSText(yes.)
        1.71 user ProposedUserStarted
        1.71 both UserStarted
        1.71 user Interruption(2)
        1.71 assistant Heard(2)
        1.71 s2s Heard(2, 0.52 s)
        1.71 user BotStopped
        1.71 user Commit(Sure, yes., interrupted)
        1.71 user ResponseClosed(1, interrupted)
        1.71 user Flushed(2)
        1.71 assistant [1: user Can you help?]
        1.71 assistant [2: assistant Sure, yes.]
        2.20 user ProposedUserStopped
        2.20 both UserStopped
        2.25 user Transcription(On Monday.)
        2.40 assistant ResponseStart(run None)
        2.40 user ResponseOpened(2, run None)
        2.40 assistant [3: user On Monday.]
        2.50 user BotStarted
        2.50 assistant TTSText(Monday)
        2.80 assistant TTSText(then.)
        3.10 user BotStopped
        3.10 assistant ResponseEnd(run None)
        3.10 user Park(Monday then.)
        3.10 user ResponseClosed(2, ended)
        4.00 user End
        4.00 assistant [4: assistant Monday then.]
        6.00 assistant End
        6.00 sink End
        """,
    )
    told = [(event.name, *event.payload) for event in trace.events if "stopped" in event.name]
    assert [name for name, *_ in told] == [
        "on_user_turn_stopped",
        "on_assistant_turn_stopped",
        "on_user_turn_stopped",
        "on_assistant_turn_stopped",
    ]
    stopped = [event.payload[1] for event in trace.events if event.name == "on_user_turn_stopped"]
    assert all(isinstance(each, UserTurnStoppedMessage) and each.content is None for each in stopped)


@both
def test_an_assistant_half_that_dies_between_the_interruption_and_its_answer_changes_only_times(direct: bool) -> None:
    """It is back at once the first time; the second time, as it is told what was heard, after a second."""
    script = at(*HI, (1.7, Kill("assistant")), *WAIT)
    first = play(cascade(hello), script, direct=direct, limit=10)
    handled = first.handled_by("assistant")
    answer = next(at for at, frame in enumerate(handled, 1) if isinstance(frame, HeardFrame) and frame.epoch == 2)
    trace = play(cascade(hello), [*script, Kill("assistant", at=answer)], direct=direct, limit=10)
    assert [restart.delay for restart in trace.restarts] == [0.0, 1.0]
    assert_told(
        trace,
        f"""
        {FIRST_TURN}
        {FIRST_WORDS}
        1.80 user VADUserStarted
        1.80 both UserStarted
        1.80 user Interruption(2)
        1.80 user BotStopped
        1.80 assistant Heard(2)              # it dies, and is told again when it is back
        2.30 user Transcription(Wait)
        2.50 user VADUserStopped
        2.50 both UserStopped
        2.80 assistant Heard(2)
        2.80 user Commit(Hello my, interrupted)
        2.80 user ResponseClosed(1, interrupted)
        2.80 user Flushed(2)
        2.80 assistant [2: assistant Hello my]
        2.80 assistant [3: user Wait]
        2.80 llm LLMContext(v3, run 2)
        """,
        failures=2,
    )

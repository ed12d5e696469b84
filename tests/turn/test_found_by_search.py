"""What the search over random conversations has found, each by the smallest script that shows it."""

from __future__ import annotations

import pytest
import trio

from antiphon import Actor, Pipeline, Up, actor, child, on
from antiphon.actors.services.scripted import ScriptedLLM
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    InputTextRawFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Ear, Item, Sleep, Trace, play
from antiphon.turn import ExternalUserTurnStrategies, LLMContextAggregatorPair

STARTED, STOPPED = VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()
DELIVERY = pytest.mark.parametrize("direct", [True, False])


def says(*texts: str) -> list[Item]:
    """A turn of the user of half a second."""
    return [STARTED, Sleep(0.5), STOPPED, *(TranscriptionFrame(text, finalized=True) for text in texts)]


def written(trace: Trace) -> list[tuple[str, object]]:
    context = trace.durable["user"]["context"]
    assert isinstance(context, LLMContext)
    return [(message["role"], message.get("content")) for message in context.messages]


def runs(trace: Trace) -> list[LLMContextFrame]:
    return [frame for frame in trace.handled_by("llm") if isinstance(frame, LLMContextFrame)]


@DELIVERY
@pytest.mark.rule("E39", "K12")
def test_a_turn_that_interrupts_nothing_leaves_the_run_of_the_message_before_it(direct: bool) -> None:
    """Where the bot always speaks to its end, a cough must not keep it from answering what was said before the cough."""
    pair = LLMContextAggregatorPair(LLMContext(), allow_interruptions=False)
    llm = ScriptedLLM(lambda context: ["One two three four five six."], name="llm")
    pipeline = Pipeline(pair.user, llm, ScriptedTTS(name="tts"), AudioOutput(), pair.assistant)
    script = [*says("hi"), Sleep(0.8), *says("more"), Sleep(0.3), *says(), Sleep(10)]
    trace = play(pipeline, script, direct=direct, limit=60)
    answer = "assistant", "One two three four five six."
    assert written(trace) == [("user", "hi"), answer, ("user", "more"), answer]
    assert [len(run.context.messages) for run in runs(trace)] == [1, 3]


@DELIVERY
@pytest.mark.rule("D6", "D8")
def test_the_end_of_a_turn_that_somebody_else_has_announced_is_not_announced_again(direct: bool) -> None:
    """Nobody has heard words in it, so it stays open until the watch-dog looks."""
    pair = LLMContextAggregatorPair(LLMContext(), user_turn_strategies=ExternalUserTurnStrategies())
    script: list[Item] = [UserStartedSpeakingFrame(), Sleep(0.5), UserStoppedSpeakingFrame(), Sleep(10)]
    trace = play(Pipeline(pair.user, pair.assistant), script, direct=direct, limit=60)
    assert [event.time for event in trace.events if event.name == "on_user_turn_stopped"] == [5.5]
    assert trace.down == (UserStartedSpeakingFrame(), UserStoppedSpeakingFrame())
    assert trace.up == ()


@DELIVERY
@pytest.mark.rule("I6", "I38")
def test_sound_that_comes_soon_after_a_pause_is_not_handed_over_for_a_moment_that_is_past(direct: bool) -> None:
    """It isn't late, however short the time since the pause was."""
    ear = Ear()
    sound = TTSAudioRawFrame(b"\1\0" * 4800, "one", sample_rate=24000)
    script: list[Item] = [OutputPauseFrame(), Sleep(0.5), OutputResumeFrame(), Sleep(0.1), sound, Sleep(1)]
    play(Pipeline(AudioOutput(ear)), script, direct=direct, limit=60)
    assert ear.sounds[0] == pytest.approx((0.6, 0.62))


@DELIVERY
@pytest.mark.rule("F21", "K16")
def test_what_is_typed_keeps_its_place_among_what_is_said_where_nothing_counts_as_late(direct: bool) -> None:
    pair = LLMContextAggregatorPair(LLMContext(), realtime_service_mode=True, late_transcript_window=0, vad=None)
    script: list[Item] = [LLMFullResponseStartFrame(), InputTextRawFrame("typed"), TranscriptionFrame("said")]
    answer: list[Item] = [LLMTextFrame("Yes."), LLMFullResponseEndFrame(), LLMFullResponseStartFrame()]
    trace = play(Pipeline(pair.user, pair.assistant), [*script, *answer], direct=direct, limit=60)
    assert written(trace) == [("assistant", "Yes."), ("user", "typed said")]


@DELIVERY
@pytest.mark.rule("B43", "E32")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("at", "heard"),
    [(1.85, "One two three four five"), (2.15, "One two three four five six."), (9.0, "One two three four five six.")],
    ids=["in the middle", "in its last chunk", "behind it"],
)
def test_what_was_heard_of_a_unit_without_word_times_is_written_at_a_cancel(
    at: float, heard: str, seed: int, direct: bool
) -> None:
    """Its text goes on when its last chunk is over; a cancel in that chunk lets it go on in the cancel's own instant."""
    pair = LLMContextAggregatorPair(LLMContext())
    llm = ScriptedLLM(lambda context: ["One two three four five six."], name="llm")
    voice = ScriptedTTS(name="tts", word_times=False)
    pipeline = Pipeline(pair.user, llm, voice, AudioOutput(chunk=0.2), pair.assistant)
    script: list[Item] = [InputTextRawFrame("hi"), Sleep(at), CancelFrame()]
    trace = play(pipeline, script, direct=direct, seed=seed, limit=60)
    assert written(trace) == [("user", "hi"), ("assistant", heard)]


@actor
class Held(Actor):
    """Takes its first ordered frame, and gets on with none."""

    @on(ContextCommittedFrame)
    async def keep(self, frame: ContextCommittedFrame) -> None:
        await trio.sleep_forever()


@DELIVERY
@pytest.mark.rule("CH3", "E38")
def test_the_user_is_heard_though_nobody_behind_the_user_half_gets_on(direct: bool) -> None:
    """An output that is held waits for what the user half hears, so that one mustn't wait for its room."""
    pair = LLMContextAggregatorPair(LLMContext())
    notes = [LLMMessagesAppendFrame(({"role": "developer", "content": str(number)},)) for number in range(5)]
    script: list[Item] = [*notes, Sleep(1.0), *says("hi"), Sleep(1.0)]
    trace = play(Pipeline(pair.user, child(Held(), max_buffer=1), pair.assistant), script, direct=direct, limit=10)
    assert written(trace)[-1] == ("user", "hi")


@actor
class LateEar(Actor):
    """Tells only at its own end what was said."""

    @on(EndFrame)
    def tell(self, frame: EndFrame) -> Up:
        return Up(TranscriptionFrame("late words"))


@DELIVERY
@pytest.mark.parametrize("mode", [None, True])
@pytest.mark.rule("B45", "F30", "E40")
def test_words_that_are_told_behind_the_user_half_after_its_end_are_written_and_begin_nothing(
    direct: bool, mode: bool | None
) -> None:
    pair = LLMContextAggregatorPair(LLMContext(), realtime_service_mode=mode)
    trace = play(Pipeline(pair.user, LateEar(), pair.assistant), [EndFrame()], direct=direct, limit=10)
    assert written(trace) == [("user", "late words")]
    assert [event.name for event in trace.events] == ["on_user_turn_message_added", "on_user_turn_stopped"][
        : 1 + (mode is None)
    ]
    assert trace.ended == "ended"

"""What the bot says: when its turn begins, what of it is written and told, and what an interruption leaves of it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from antiphon import Actor, actor, on
from antiphon.actors import Effects
from antiphon.channels import (
    AggregatedTextFrame,
    AssistantImageRawFrame,
    BotStartedSpeakingFrame,
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMContextAssistantTimestampFrame,
    LLMContextAssistantTurnFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerFrame,
    LLMMessagesAppendFrame,
    LLMRunCancelFrame,
    LLMRunFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    LLMThoughtEndFrame,
    LLMThoughtStartFrame,
    LLMThoughtTextFrame,
    TextFrame,
    TranscriptionFrame,
    TranslationFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserFileRawFrame,
    UserImageRawFrame,
)
from antiphon.scenarios import Item, Sleep
from antiphon.turn import AssistantTurnStoppedMessage

from .pair_cast import (
    BETWEEN,
    RE,
    RS,
    START,
    STOP,
    Mouth,
    X,
    announced,
    both,
    context_of,
    do,
    events,
    final,
    in_progress,
    out,
    replied,
    runs,
    said,
    talk,
    told,
    written,
)

STOPPED, ADDED, STARTED = "on_assistant_turn_stopped", "on_assistant_message_added", "on_assistant_turn_started"


def speech(*words: str, context: str = "1", **more: Any) -> list[Item]:
    """What is spoken without a model."""
    texts = [TTSTextFrame(word, context_id=context, **more) for word in words]
    return [TTSStartedFrame(context, **more), *texts, TTSStoppedFrame(context)]


@pytest.mark.rule("E20")
@both
def test_a_response_opens_the_bots_turn_and_so_does_speech_without_one(direct: bool) -> None:
    assert len(events(talk([RS], direct=direct), STARTED)) == 1
    assert len(events(talk([TTSStartedFrame("1")], direct=direct), STARTED)) == 1
    assert events(talk([TTSStartedFrame("1", append_to_context=False)], direct=direct), STARTED) == []


@pytest.mark.rule("E20")
def test_further_syntheses_open_no_turn_but_a_further_response_closes_the_one_whose_end_was_lost() -> None:
    assert len(events(talk([RS, TTSStartedFrame("1"), TTSStartedFrame("2")]), STARTED)) == 1
    trace = talk([RS, X("One"), RS, X("Two"), RE])
    assert written(trace) == [("assistant", "One"), ("assistant", "Two")]
    assert [name for name, _ in events(trace, STARTED, STOPPED)] == [STARTED, STOPPED] * 2
    assert [payload[0] for _, payload in events(trace, STOPPED)] == [
        AssistantTurnStoppedMessage("One", False, time) for time in times(trace.events, STOPPED)[:1]
    ] + [AssistantTurnStoppedMessage("Two", False, time) for time in times(trace.events, STOPPED)[1:]]


def times(fired: Any, name: str) -> list[str]:
    return [each.payload[0].timestamp for each in fired if each.name == name]


@pytest.mark.rule("E21")
@both
def test_what_the_bot_says_is_gathered_in_its_order_and_what_others_say_is_not(direct: bool) -> None:
    raw = AggregatedTextFrame("three euros", raw_text=" 3€", includes_inter_frame_spaces=True)
    texts: list[Item] = [X("It"), X(" costs"), raw, X(""), TextFrame("now", append_to_context=False)]
    others = (TranscriptionFrame("a"), InterimTranscriptionFrame("b"), TranslationFrame("c"), InputTextRawFrame("d"))
    trace = talk([RS, *texts, do(*others), RE], between=[BETWEEN], direct=direct)
    assert written(trace) == [("assistant", "It costs 3€")]
    assert [frame.text for frame in trace.down if isinstance(frame, TextFrame)] == ["d", "a", "b", "c"]


@actor
class Voice(Actor):
    """Speaks what may be spoken: its text comes back as what was heard."""

    @on(LLMTextFrame)
    def speak(self, frame: LLMTextFrame) -> Effects:
        return frame if frame.skip_tts else [TTSTextFrame(frame.text.strip().upper())]


@pytest.mark.rule("E22")
def test_spoken_text_is_gathered_as_spoken_and_what_is_not_spoken_as_it_is() -> None:
    trace = talk([RS, X("Hello"), LLMTextFrame(" (smiles)", skip_tts=True), X(" you"), RE], between=[Voice()])
    assert written(trace) == [("assistant", "HELLO (smiles) YOU")]


ENDS: list[tuple[Frame, bool]] = [
    (RE, False),
    (LLMAssistantPushAggregationFrame(), False),
    (EndFrame(), False),
    (CancelFrame(), True),
    (InterruptionFrame(), True),
]


@pytest.mark.parametrize(("end", "interrupted"), ENDS, ids=lambda each: type(each).__name__)
@pytest.mark.rule("E23", "E41")
def test_an_answer_is_written_at_its_end_and_at_whatever_ends_it(end: Frame, interrupted: bool) -> None:
    trace = talk([RS, X("Hello"), end, Sleep(1)])
    assert written(trace) == [("assistant", "Hello")]
    (message,) = [payload[0] for _, payload in events(trace, ADDED)]
    assert (message.content, message.interrupted) == ("Hello", interrupted)


@pytest.mark.rule("E23")
def test_speech_without_a_response_is_written_when_that_is_asked_for() -> None:
    trace = talk([*speech("Hello", "you"), LLMAssistantPushAggregationFrame()])
    assert written(trace) == [("assistant", "Hello you")]
    assert told(trace, STOPPED) == ["Hello you"]


@pytest.mark.rule("E23", "E24")
@both
def test_what_was_said_before_an_image_stands_before_it_and_the_turn_goes_on(direct: bool) -> None:
    image = UserImageRawFrame(b"123", size=(1, 1), append_to_context=True, run_llm=False)
    trace = talk([RS, X("I see"), image, X("a dot"), RE], direct=direct)
    assert [role for role, _ in written(trace)] == ["assistant", "user", "assistant"]
    assert told(trace, ADDED) == ["I see", "a dot"]
    assert told(trace, STOPPED) == ["I see a dot"]


@pytest.mark.rule("E24", "E50")
@both
def test_a_message_is_told_of_by_frames_and_then_by_events_in_that_order(direct: bool) -> None:
    trace = talk([RS, X("Hello"), Sleep(1), RE], direct=direct)
    down = (LLMContextAssistantTimestampFrame, LLMContextAssistantTurnFrame, ContextCommittedFrame)
    assert {type(frame) for frame in trace.down if isinstance(frame, down)} == set(down)
    assert {type(frame) for frame in trace.up if isinstance(frame, down)} == set(down[1:])
    names = [name for name, _ in events(trace, STARTED, ADDED, STOPPED)]
    assert names == [STARTED, ADDED, STOPPED]
    news = next(frame for frame in trace.down if isinstance(frame, LLMContextAssistantTurnFrame))
    assert news == LLMContextAssistantTurnFrame("Hello", times(trace.events, STOPPED)[0])


@pytest.mark.rule("E24")
def test_an_answer_without_text_is_no_message_but_its_turn_is_over() -> None:
    trace = talk([RS, RE])
    assert written(trace) == []
    assert told(trace, STOPPED) == [""]
    assert events(trace, ADDED) == []


@pytest.mark.rule("E25")
def test_news_of_the_context_is_never_a_run() -> None:
    trace = talk(replied("Hello"))
    assert [frame.version for frame in trace.down if isinstance(frame, ContextCommittedFrame)] == [1]
    assert not any(isinstance(frame, LLMContextFrame) for frame in (*trace.down, *trace.up))


@pytest.mark.rule("E26")
def test_text_outside_an_answer_waits_for_the_next_one() -> None:
    assert written(talk([X("Oh, "), RS, X("hello"), RE])) == [("assistant", "Oh, hello")]
    assert written(talk([TTSTextFrame("Oh"), RS, X("hello"), RE])) == [("assistant", "Oh hello")]


@pytest.mark.parametrize("end", [InterruptionFrame(), EndFrame(), CancelFrame()], ids=lambda each: type(each).__name__)
@pytest.mark.rule("E26")
def test_but_not_beyond_an_interruption_or_the_end_and_that_is_reported(
    end: Frame, caplog: pytest.LogCaptureFixture
) -> None:
    trace = talk([X("Oh"), end, Sleep(1), *([RS, X("hello"), RE] if isinstance(end, InterruptionFrame) else [])])
    assert ("assistant", "Oh") not in written(trace)
    assert "'Oh'" in caplog.text


@pytest.mark.rule("E27")
@both
def test_a_mark_is_kept_for_the_model_and_told_to_nobody(direct: bool) -> None:
    trace = talk([RS, LLMMarkerFrame("✓", False), X("Hello"), RE], direct=direct)
    assert written(trace) == [("assistant", "✓ Hello")]
    assert (told(trace, ADDED), told(trace, STOPPED)) == (["Hello"], ["Hello"])
    assert [frame.text for frame in trace.down if isinstance(frame, LLMContextAssistantTurnFrame)] == ["Hello"]


@pytest.mark.rule("E27")
def test_a_mark_that_stands_alone_is_a_message_and_no_event() -> None:
    trace = talk([RS, LLMMarkerFrame("○"), RE, *replied("Hello")])
    assert written(trace) == [("assistant", "○"), ("assistant", "Hello")]
    assert told(trace, ADDED) == ["Hello"]
    only = talk([RS, LLMMarkerFrame("○", False), RE])
    assert (written(only), told(only, ADDED)) == ([("assistant", "○")], [])


@pytest.mark.rule("E28")
def test_a_backchannel_of_the_bot_is_told_once_a_segment_and_not_written() -> None:
    mhm = AggregatedTextFrame("mhm", text_type="backchannel", context_id="1", append_to_context=False)
    trace = talk([mhm, mhm, attrs.evolve(mhm, text="aha", context_id="2")])
    assert told(trace, "on_assistant_backchannel") == ["mhm", "aha"]
    assert written(trace) == []


THOUGHT: list[Item] = [LLMThoughtTextFrame("let me"), LLMThoughtTextFrame(" see")]


@pytest.mark.rule("E29")
@both
def test_a_thought_is_told_when_it_is_complete_and_kept_if_it_says_so(direct: bool) -> None:
    kept = [RS, LLMThoughtStartFrame(True, "some"), *THOUGHT, LLMThoughtEndFrame("signed"), X("Yes"), RE]
    trace = talk(kept, direct=direct)
    assert told(trace, "on_assistant_thought") == ["let me see"]
    messages = context_of(trace).messages
    assert messages[0]["llm"] == "some"
    assert dict(messages[0]["message"]) == {"type": "thought", "text": "let me see", "signature": "signed"}
    assert messages[1]["content"] == "Yes"
    forgotten = talk([RS, LLMThoughtStartFrame(), *THOUGHT, LLMThoughtEndFrame(), X("Yes"), RE], direct=direct)
    assert told(forgotten, "on_assistant_thought") == ["let me see"]
    assert written(forgotten) == [("assistant", "Yes")]


@pytest.mark.parametrize("end", [InterruptionFrame(), EndFrame()], ids=lambda each: type(each).__name__)
@pytest.mark.rule("E29", "E31")
def test_a_thought_that_is_cut_off_is_dropped(end: Frame) -> None:
    trace = talk([RS, LLMThoughtStartFrame(True), *THOUGHT, end, Sleep(1), LLMThoughtEndFrame()])
    assert written(trace) == []
    assert events(trace, "on_assistant_thought") == []


# ---- images and files


@pytest.mark.rule("E30")
def test_an_image_that_the_bot_shows_stands_where_it_comes() -> None:
    trace = talk([RS, X("Look"), AssistantImageRawFrame(b"123", size=(1, 1)), X("nice"), RE])
    assert [role for role, _ in written(trace)] == ["assistant"] * 3
    assert "image_url" in written(trace)[1][1]


@pytest.mark.parametrize(("run", "count"), [(None, 1), (True, 1), (False, 0)])
@pytest.mark.rule("E30")
def test_an_image_of_the_user_is_a_message_with_its_text_and_is_answered_unless_it_says_no(
    run: bool | None, count: int
) -> None:
    trace = talk([UserImageRawFrame(b"123", size=(1, 1), text="what is it?", append_to_context=True, run_llm=run)])
    assert len(runs(trace)) == count
    (message,) = context_of(trace).messages
    assert (message["role"], [part["type"] for part in message["content"]]) == ("user", ["text", "image_url"])


@pytest.mark.rule("E30")
def test_a_file_is_a_message_and_what_is_not_for_the_context_is_none() -> None:
    url = "https://example.org/a.pdf"
    trace = talk([UserFileRawFrame(url, type="url", filename="a.pdf", append_to_context=True)])
    assert "file_url" in written(trace)[0][1]
    assert len(runs(trace)) == 1
    aside = talk([UserFileRawFrame(url, type="url"), UserImageRawFrame(b"123", size=(1, 1))])
    assert (written(aside), runs(aside), out(aside)) == ([], [], [])


@pytest.mark.rule("E30a")
def test_the_assistant_half_swallows_what_is_for_it_and_passes_on_the_rest() -> None:
    its_own: list[Item] = [
        *replied("Hello"),
        LLMMarkerFrame("○"),
        LLMThoughtStartFrame(),
        *THOUGHT,
        LLMThoughtEndFrame(),
        LLMAssistantPushAggregationFrame(),
        announced(),
        in_progress(),
        AssistantImageRawFrame(b"123", size=(1, 1)),
        HeardFrame(0),
    ]
    asked = (LLMRunFrame(), LLMMessagesAppendFrame([]), LLMSetToolsFrame([]))
    news = (ContextCommittedFrame, LLMContextAssistantTimestampFrame, LLMContextAssistantTurnFrame, LLMContextFrame)
    trace = talk([*its_own, do(*asked)], between=[BETWEEN])
    assert [frame for frame in out(trace) if not isinstance(frame, news)] == []
    others = (
        TTSStartedFrame("1"),
        TTSAudioRawFrame(b"12", "1", sample_rate=24000),
        TTSStoppedFrame("1"),
        BotStartedSpeakingFrame(),
    )
    assert out(talk(others)) == [*others]


# ---- interruptions


BARGE_IN: list[Item] = [*said("hi"), RS, X("Hello"), X("my"), START, Sleep(0.1), final("wait"), STOP]


@pytest.mark.rule("E31", "E34")
@both
def test_what_was_heard_is_written_once_as_interrupted_and_before_what_cut_it(direct: bool) -> None:
    trace = talk(BARGE_IN, between=[Mouth()], direct=direct)
    assert written(trace)[:3] == [("user", "hi"), ("assistant", "Hello my"), ("user", "wait")]
    messages = [payload[0] for _, payload in events(trace, ADDED, STOPPED)]
    assert [(each.content, each.interrupted) for each in messages] == [("Hello my", True)] * 2


@pytest.mark.parametrize(("drop", "text"), [(False, "Hello my dear"), (True, "Hello my")])
@pytest.mark.rule("E32")
def test_the_end_of_a_sentence_without_word_times_is_estimated_or_left_out(drop: bool, text: str) -> None:
    trace = talk(BARGE_IN, between=[Mouth((("1", "dear"),))], drop_partial_sentence=drop)
    assert written(trace)[1] == ("assistant", text)


@pytest.mark.rule("E33")
@both
def test_of_an_answer_of_which_nothing_was_heard_nothing_is_written(direct: bool) -> None:
    trace = talk([*said("hi"), RS, START, final("wait"), STOP], between=[Mouth()], direct=direct)
    assert written(trace) == [("user", "hi"), ("user", "wait")]
    ((_, (message,)),) = events(trace, STOPPED)
    assert (message.content, message.interrupted) == ("", True)


@pytest.mark.rule("E33")
def test_what_was_not_heard_is_not_kept_for_later() -> None:
    trace = talk([*BARGE_IN, *replied("Yes")], between=[Mouth()])
    assert written(trace)[-1] == ("assistant", "Yes")


@pytest.mark.rule("E35")
@both
def test_what_was_heard_stands_before_the_call_of_the_same_answer(direct: bool) -> None:
    script = [*said("hi"), RS, X("Moment"), announced(), START, final("wait"), STOP]
    trace = talk(script, between=[Mouth()], direct=direct)
    texts = [("user", "hi"), ("assistant", "Moment"), ("assistant", "look"), ("tool", "CANCELLED"), ("user", "wait")]
    assert written(trace) == texts


@pytest.mark.rule("E36")
def test_a_turn_while_the_model_thinks_makes_a_second_user_message() -> None:
    trace = talk([*said("hi"), Sleep(0.1), *said("wait")])
    assert written(trace) == [("user", "hi"), ("user", "wait")]
    assert runs(trace)[-1] == ["hi", "wait"]


@pytest.mark.rule("E37")
@both
def test_a_new_run_ends_the_one_that_is_not_over(direct: bool) -> None:
    trace = talk([*said("hi"), (LLMRunFrame(), LLMRunFrame())], direct=direct, between=[BETWEEN])
    kinds = (LLMContextFrame, LLMRunCancelFrame)
    told_model = [(type(frame).__name__, frame.run_id) for frame in trace.down if isinstance(frame, kinds)]
    assert told_model == [
        ("LLMContextFrame", 1),
        ("LLMRunCancelFrame", 1),
        ("LLMContextFrame", 2),
        ("LLMRunCancelFrame", 2),
        ("LLMContextFrame", 3),
    ]


@pytest.mark.rule("E37")
def test_a_run_that_is_over_is_not_ended_again() -> None:
    answer: list[Item] = [LLMFullResponseStartFrame(run_id=1), X("Hello"), LLMFullResponseEndFrame(run_id=1)]
    trace = talk([*said("hi"), *answer, LLMRunFrame()])
    assert not any(isinstance(frame, LLMRunCancelFrame) for frame in trace.down)

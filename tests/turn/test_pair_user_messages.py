"""What the user says: when it is written, when it is answered, and what else is written at the user half."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import Actor, actor, on
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ContextCommittedFrame,
    EagerTranscriptionFrame,
    EndFrame,
    Frame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMContextUserTurnFrame,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    TranscriptionFrame,
    TranslationFrame,
)
from antiphon.scenarios import Item, Sleep, Trace
from antiphon.turn import (
    DeferredUserTurnStopStrategy,
    MinWordsUserTurnStartStrategy,
    SpeechTimeoutUserTurnStopStrategy,
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
    both,
    context_of,
    do,
    events,
    final,
    replied,
    run_frames,
    runs,
    said,
    talk,
    told,
    written,
)


@pytest.mark.rule("E1")
@both
def test_only_final_words_are_gathered_and_none_goes_on(direct: bool) -> None:
    script: list[Item] = [START, final(" "), InterimTranscriptionFrame("he"), EagerTranscriptionFrame("hell")]
    script += [TranslationFrame("bonjour"), final("hello"), STOP]
    trace = talk(script, direct=direct)
    assert written(trace) == [("user", "hello")]
    assert not any(isinstance(frame, (TranscriptionFrame, InterimTranscriptionFrame)) for frame in trace.down)
    assert not any(isinstance(frame, TranslationFrame) for frame in trace.down)


@pytest.mark.rule("E1")
def test_words_outside_a_turn_are_gathered_too() -> None:
    silent = UserTurnStrategies(start=[VADUserTurnStartStrategy()])
    trace = talk([final("by the way"), Sleep(1), *said("hello")], user_turn_strategies=silent)
    assert written(trace) == [("user", "by the way hello")]


@pytest.mark.rule("E2")
@both
def test_at_the_end_of_a_turn_one_message_is_written_told_of_and_answered_by_one_run(direct: bool) -> None:
    trace = talk(said("hello"), direct=direct)
    kinds = (ContextCommittedFrame, LLMContextUserTurnFrame, LLMContextFrame)
    assert [type(frame) for frame in trace.down if isinstance(frame, kinds)] == list(kinds)
    assert [type(frame) for frame in trace.up if isinstance(frame, kinds)] == list(kinds[:2])
    assert runs(trace) == [["hello"]]
    assert told(trace, "on_user_turn_message_added") == ["hello"]


@pytest.mark.rule("E2")
def test_without_words_nothing_is_written_and_nothing_runs() -> None:
    trace = talk([START, Sleep(0.5), STOP, Sleep(10)])
    assert (written(trace), runs(trace)) == ([], [])
    assert told(trace, "on_user_turn_stopped") == [""]
    assert told(trace, "on_user_turn_message_added") == []


@pytest.mark.rule("E3")
def test_pieces_of_one_turn_become_one_text() -> None:
    trace = talk([START, TranscriptionFrame("Hello"), Sleep(0.5), final("there"), STOP])
    assert written(trace) == [("user", "Hello there")]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([("Hello", False), ("", False), ("there", False)], "Hello there"),
        ([("Hel", True), ("lo", True)], "Hello"),
        ([("Hello", False), (" there", True)], "Hello there"),
        ([("Hello", False), ("there", True)], "Hello there"),
        ([(" Hello ", True), ("there ", False)], "Hello there"),
    ],
)
@pytest.mark.rule("E3")
def test_pieces_that_bring_their_spaces_stand_as_they_are(pieces: list[tuple[str, bool]], text: str) -> None:
    frames = [TranscriptionFrame(piece, includes_inter_frame_spaces=spaced) for piece, spaced in pieces]
    assert written(talk([START, *frames, STOP, Sleep(3)])) == [("user", text)]


@pytest.mark.rule("E4")
@both
def test_words_that_come_after_their_turn_begin_another_and_cut_the_answer_that_missed_them(direct: bool) -> None:
    trace = talk([*said("a table"), RS, X("Sure"), final("for two"), Sleep(5)], direct=direct)
    assert written(trace) == [("user", "a table"), ("assistant", "Sure"), ("user", "for two")]
    assert len(events(trace, "on_user_turn_started")) == 2


@pytest.mark.rule("E4")
def test_where_words_begin_no_turn_late_ones_wait_for_the_next_stop_or_the_end() -> None:
    by_voice = UserTurnStrategies(start=[VADUserTurnStartStrategy()])
    late: list[Item] = [*said("a table"), Sleep(1), final("for two"), Sleep(5)]
    assert runs(talk(late, user_turn_strategies=by_voice)) == [["a table"]]
    more = talk([*late, *said("please")], user_turn_strategies=by_voice)
    assert written(more) == [("user", "a table"), ("user", "for two please")]
    ended = talk([*late, EndFrame()], user_turn_strategies=by_voice)
    assert written(ended) == [("user", "a table"), ("user", "for two")]


DEFERRED = UserTurnStrategies(stop=[DeferredUserTurnStopStrategy(SpeechTimeoutUserTurnStopStrategy())])


@pytest.mark.rule("E5")
def test_each_trigger_writes_what_came_since_the_last_and_the_stop_tells_of_all() -> None:
    """The strategies only ask for answers, so the watch-dog ends the turn."""
    script: list[Item] = [START, final("I think"), STOP, Sleep(1), START, final("so"), STOP, Sleep(10)]
    trace = talk(script, user_turn_strategies=DEFERRED)
    assert written(trace) == [("user", "I think"), ("user", "so")]
    assert runs(trace) == [["I think"], ["I think", "so"]]
    assert told(trace, "on_user_turn_message_added") == ["I think", "so"]
    assert told(trace, "on_user_turn_stopped") == ["I think so"]
    assert len(events(trace, "on_user_turn_inference_triggered")) == 2


@pytest.mark.rule("E6")
def test_the_stop_tells_what_was_said_when_the_turn_began_and_by_whom() -> None:
    trace = talk([Sleep(5), START, Sleep(1), final("hello", user_id="u1"), STOP])
    early = talk([Sleep(4), START, Sleep(2), final("hello", user_id="u1"), STOP])
    strategy, message = stopped(trace)[0]
    assert strategy == "TurnAnalyzerUserTurnStopStrategy"
    assert (message.content, message.user_id) == ("hello", "u1")
    assert message.timestamp == _added(trace).timestamp > _added(early).timestamp


def stopped(trace: Trace) -> list[Any]:
    return [payload for _, payload in events(trace, "on_user_turn_stopped")]


def _added(trace: Trace, number: int = 0) -> Any:
    return events(trace, "on_user_turn_message_added")[number][1][0]


@pytest.mark.rule("E6")
def test_words_that_begin_a_turn_bear_its_time() -> None:
    first, second = talk([final("one"), Sleep(5)]), talk([Sleep(2), final("one"), Sleep(5), final("two"), Sleep(5)])
    assert _added(first).timestamp
    assert _added(second, 0).timestamp < _added(second, 1).timestamp
    assert _added(second, 1).timestamp == stopped(second)[1][1].timestamp


@pytest.mark.rule("E7")
def test_rejected_words_are_told_of_and_never_written() -> None:
    patient = UserTurnStrategies(start=[MinWordsUserTurnStartStrategy(3)])
    script: list[Item] = [BotStartedSpeakingFrame(), final("well"), Sleep(1), BotStoppedSpeakingFrame(), EndFrame()]
    trace = talk(script, user_turn_strategies=patient)
    assert written(trace) == []
    assert events(trace, "on_user_speech_rejected") == [
        ("on_user_speech_rejected", ("well", "MinWordsUserTurnStartStrategy"))
    ]


# ---- edits and runs that are asked for

NOTE = {"role": "user", "content": "note"}
LOOK: dict[str, Any] = {"name": "look", "description": "", "parameters": {}}
RING = {**LOOK, "name": "ring"}
SEARCH = {"type": "web_search"}


@pytest.mark.rule("E8")
def test_a_run_that_is_asked_for_takes_the_context_as_it_is() -> None:
    assert runs(talk([LLMRunFrame()])) == [[]]
    assert runs(talk([LLMRunFrame()], context=LLMContext([NOTE]))) == [["note"]]


def shout(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "content": each["content"].upper()} for each in messages]


EDITS: list[tuple[Any, list[str]]] = [
    (LLMMessagesAppendFrame, ["old", "note"]),
    (LLMMessagesUpdateFrame, ["note"]),
]


@pytest.mark.parametrize("run", [None, False, True])
@pytest.mark.parametrize(("kind", "texts"), EDITS)
@pytest.mark.rule("E8")
def test_an_edit_is_written_and_runs_only_if_it_says_so(kind: Any, texts: list[str], run: bool | None) -> None:
    trace = talk([kind([NOTE], run)], context=LLMContext([{"role": "user", "content": "old"}]))
    assert [text for _, text in written(trace)] == texts
    assert runs(trace) == ([texts] if run else [])
    assert not any(isinstance(frame, kind) for frame in trace.down)
    assert events(trace, "on_user_turn_message_added") == []


@pytest.mark.rule("E8")
def test_a_transformation_rewrites() -> None:
    trace = talk([LLMMessagesTransformFrame(shout, True)], context=LLMContext([NOTE]))
    assert written(trace) == [("user", "NOTE")]
    assert runs(trace) == [["NOTE"]]


@pytest.mark.rule("E8")
def test_tools_are_set_and_their_frame_goes_on_to_the_model_while_a_choice_does_not() -> None:
    trace = talk([LLMSetToolsFrame([LOOK]), LLMSetToolChoiceFrame("required")], between=[Swallow(name="swallow")])
    assert [tool["name"] for tool in context_of(trace).tools] == ["look"]
    assert context_of(trace).tool_choice == "required"
    assert [type(frame) for frame in trace.handled_by("swallow")] == [LLMSetToolsFrame]


@actor
class Swallow(Actor):
    """Takes what concerns tools away."""

    @on(LLMSetToolsFrame, LLMSetToolChoiceFrame)
    def take(self, frame: Frame) -> None: ...


@pytest.mark.rule("E8")
@both
def test_what_asks_for_edits_behind_the_model_is_written_in_its_order(direct: bool) -> None:
    asked = (
        LLMMessagesAppendFrame([NOTE]),
        LLMMessagesTransformFrame(shout),
        LLMSetToolChoiceFrame("none"),
        LLMRunFrame(),
    )
    trace = talk([do(*asked)], between=[BETWEEN], direct=direct)
    assert (written(trace), context_of(trace).tool_choice) == ([("user", "NOTE")], "none")
    assert runs(trace) == [["NOTE"]]


@pytest.mark.rule("E8")
def test_a_run_asked_for_behind_the_model_waits_until_the_user_has_spoken() -> None:
    trace = talk([START, do(LLMMessagesAppendFrame([NOTE], True)), Sleep(1), final("hello"), STOP], between=[BETWEEN])
    assert runs(trace) == [["note", "hello"]]


@pytest.mark.parametrize("notes", [True, False])
@pytest.mark.rule("E9")
@both
def test_the_model_is_told_once_of_tools_that_came_or_went_whoever_hears_of_it_first(notes: bool, direct: bool) -> None:
    here, there = LLMSetToolsFrame([LOOK, SEARCH]), LLMSetToolsFrame([RING])
    script: list[Item] = [here, Sleep(1), LLMSetToolsFrame([LOOK]), Sleep(1), do(there)]
    trace = talk(script, between=[BETWEEN], add_tool_change_messages=notes, direct=direct)
    told_of = [text for _, text in written(trace)]
    assert len(told_of) == (2 if notes else 0)
    assert all("look" in text for text in told_of) and all("ring" in text for text in told_of[1:])
    assert [tool["name"] for tool in context_of(trace).tools] == ["ring"]


@pytest.mark.rule("E9")
@both
def test_tools_that_pass_both_halves_are_set_once(direct: bool) -> None:
    """What came meanwhile isn't undone."""
    trace = talk([(LLMSetToolsFrame([LOOK]), LLMSetToolsFrame([RING]))], add_tool_change_messages=True, direct=direct)
    assert [tool["name"] for tool in context_of(trace).tools] == ["ring"]
    assert len(written(trace)) == 2
    assert context_of(trace).version == 2


@pytest.mark.rule("E10")
def test_a_context_from_outside_is_run_under_the_next_number_and_stays_outside() -> None:
    other = LLMContext([{"role": "user", "content": "other"}])
    trace = talk([*said("hello"), *replied("Hi"), LLMContextFrame(other)])
    assert runs(trace) == [["hello"], ["other"]]
    assert [frame.run_id for frame in run_frames(trace)] == [1, 2]
    assert written(trace) == [("user", "hello"), ("assistant", "Hi")]


@pytest.mark.rule("E10")
def test_what_a_run_was_given_never_changes() -> None:
    trace = talk([*said("hello"), *replied("Hi"), *said("more")])
    assert runs(trace) == [["hello"], ["hello", "Hi", "more"]]


# ---- typed text


@pytest.mark.rule("E11")
@both
def test_typed_text_cuts_the_answer_and_is_answered(direct: bool) -> None:
    trace = talk([*said("hello"), RS, X("Well"), InputTextRawFrame("stop"), Sleep(1)], direct=direct)
    assert written(trace) == [("user", "hello"), ("assistant", "Well"), ("user", "stop")]
    assert runs(trace)[1:] == [["hello", "Well", "stop"]]
    assert not any(isinstance(frame, InputTextRawFrame) for frame in trace.down)


@pytest.mark.rule("E11")
def test_typed_text_cuts_nobody_where_there_is_nothing_to_cut_or_interruptions_are_off() -> None:
    assert epochs(talk([InputTextRawFrame("hello")])) == 0
    talks = [*said("hello"), RS, X("Well"), InputTextRawFrame("stop"), Sleep(1)]
    off = talk([*talks, RE], allow_interruptions=False)
    assert epochs(off) == 0
    assert written(off) == [("user", "hello"), ("assistant", "Well"), ("user", "stop")]


def epochs(trace: Trace) -> object:
    return trace.durable["user"]["awaited"]


@pytest.mark.rule("E11")
def test_typed_text_leaves_what_is_being_said_to_its_own_turn() -> None:
    trace = talk([START, final("I say"), InputTextRawFrame("typed"), STOP])
    assert written(trace) == [("user", "typed"), ("user", "I say")]


@pytest.mark.rule("E11")
def test_typed_text_can_be_blank() -> None:
    assert written(talk([InputTextRawFrame(" ")])) == []

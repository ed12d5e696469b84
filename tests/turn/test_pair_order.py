"""The halves as actors: what one tells the other, what waits for what, and what a kill changes."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import Address, Both, Pipeline, To
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ContextCommittedFrame,
    ErrorFrame,
    FunctionCallCancelFrame,
    HeardFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMMessagesUpdateFrame,
    LLMRunCancelFrame,
    LLMRunFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import (
    DeferredUserTurnStopStrategy,
    EmptyUserTurn,
    SpeechTimeoutUserTurnStopStrategy,
    UserTurnStrategies,
)
from antiphon.turn.peer_messages import Commit, Flushed, ResponseClosed, ResponseOpened

from .pair_cast import (
    BETWEEN,
    RE,
    RS,
    START,
    STOP,
    X,
    announced,
    both,
    call,
    context_of,
    do,
    events,
    final,
    in_progress,
    pair_of,
    replied,
    result_of,
    run_frames,
    runs,
    said,
    sound,
    talk,
    told,
    written,
)

BOT, SILENT = BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()
NOTE = {"role": "developer", "content": "note"}
CUT_IN: list[Item] = [*said("hi"), BOT, RS, X("Hello"), START]
"""The output has spoken, so it will say what was heard of what the second turn cuts."""
UNCUT: dict[str, Any] = {"allow_interruptions": False}


def run_times(trace: Trace) -> list[float]:
    return [each.time for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]


def peer_messages(trace: Trace, *, at: float = 0.0) -> list[str]:
    """What the user half was told then, by kind."""
    kinds = (Commit, Flushed, ResponseOpened, ResponseClosed)
    those = [each for each in trace.deliveries if each.receiver.name == "user" and isinstance(each.frame, kinds)]
    return [
        each.frame.kind if isinstance(each.frame, Commit) else type(each.frame).__name__
        for each in those
        if each.time == at
    ]


# ---- who owns, who numbers


@pytest.mark.rule("K1")
@both
def test_the_assistant_half_has_a_copy_of_the_context(direct: bool) -> None:
    trace = talk([*said("hi"), *replied("Hello"), *said("more")], direct=direct)
    assert trace.durable["assistant"]["context"] == trace.durable["user"]["context"]


@pytest.mark.rule("K3", "K10")
def test_a_commit_is_written_once_and_in_the_order_told() -> None:
    first, second = (Commit(at, 1, "assistant text", [{"role": "assistant", "content": str(at)}]) for at in (1, 2))
    trace = talk([To(Address("user"), each) for each in (first, second, first, second)])
    assert written(trace) == [("assistant", "1"), ("assistant", "2")]
    assert context_of(trace).version == 2


@pytest.mark.rule("K4")
def test_each_turn_begins_another_exchange_and_a_response_belongs_to_its_runs() -> None:
    """So the answer to the first turn, opened late, is older than the second: that waits for it."""
    opened: list[Item] = [LLMFullResponseStartFrame(run_id=1), X("Hello")]
    trace = talk([*said("hi"), START, *opened, final("wait"), STOP, Sleep(1), RE], **UNCUT)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello"), ("user", "wait")]
    without_run = talk([*said("hi"), START, RS, X("Hello"), final("wait"), STOP, Sleep(1), RE], **UNCUT)
    assert written(without_run) == [("user", "hi"), ("user", "wait"), ("assistant", "Hello")]


# ---- interruptions


@pytest.mark.rule("K11", "K12", "E34")
@both
def test_a_turn_that_cut_in_is_written_and_answered_when_it_is_known_what_was_heard(direct: bool) -> None:
    trace = talk([*CUT_IN, final("wait"), STOP, Sleep(1), HeardFrame(2), Sleep(1)], direct=direct)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello"), ("user", "wait")]
    assert run_times(trace) == [0, 1]


@pytest.mark.rule("K11")
@both
def test_an_interruption_of_the_applications_is_waited_for_too(direct: bool) -> None:
    script: list[Item] = [BOT, RS, X("Hello"), InterruptionFrame(), LLMMessagesAppendFrame([NOTE]), Sleep(1)]
    trace = talk([*script, HeardFrame(1)], direct=direct)
    assert written(trace) == [("assistant", "Hello"), ("developer", "note")]


@pytest.mark.rule("K11a")
@both
def test_what_an_interruption_cut_is_told_in_one_go_and_in_its_order(direct: bool) -> None:
    trace = talk([*CUT_IN, announced(), Sleep(1), HeardFrame(2), Sleep(1)], direct=direct)
    assert peer_messages(trace, at=1) == ["assistant text", "ResponseClosed", "call entries", "Flushed"]


@pytest.mark.rule("K11b")
@both
def test_a_bot_that_never_spoke_is_cut_at_once_and_a_second_answer_adds_nothing(direct: bool) -> None:
    trace = talk([RS, X("Hello"), InterruptionFrame(), Sleep(1), HeardFrame(1, partial=[("1", "more")])], direct=direct)
    assert peer_messages(trace) == ["ResponseOpened", "assistant text", "ResponseClosed", "Flushed"]
    assert written(trace) == [("assistant", "Hello")]


@pytest.mark.rule("K11b", "B29")
@both
def test_with_nothing_open_an_interruption_is_only_answered(direct: bool) -> None:
    trace = talk([InterruptionFrame(), Sleep(1)], direct=direct)
    assert peer_messages(trace) == ["Flushed"]
    assert (written(trace), trace.events) == ([], ())


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.rule("K11c")
@both
def test_a_call_that_was_announced_is_entered_at_the_cut_and_never_again(cancelled: bool, direct: bool) -> None:
    cancel = FunctionCallCancelFrame("look", "1")
    before, after = ([cancel], []) if cancelled else ([], [cancel])
    script = [*CUT_IN, announced(), *before, HeardFrame(2), final("wait"), STOP, in_progress(), *after]
    trace = talk(script, direct=direct)
    entries = [("assistant", "look"), ("tool", "CANCELLED")]
    assert written(trace) == [("user", "hi"), ("assistant", "Hello"), *entries, ("user", "wait")]


@pytest.mark.rule("K11d", "E39")
@both
def test_speech_that_must_be_heard_goes_on_and_the_user_is_written_behind_it(direct: bool) -> None:
    spoken = TTSStartedFrame("a"), TTSTextFrame("Mind", context_id="a")
    heard = HeardFrame(2, going_on=("a",))
    rest = TTSTextFrame("you", context_id="a"), TTSStoppedFrame("a")
    script = [*said("hi"), BOT, *spoken, START, heard, final("wait"), STOP, Sleep(1), *rest]
    trace = talk(script, direct=direct)
    assert written(trace) == [("user", "hi"), ("assistant", "Mind you"), ("user", "wait")]
    assert run_times(trace) == [0, 1]
    assert events(trace, "on_assistant_message_added")[0][1][0].interrupted is False


@pytest.mark.rule("K12")
@both
def test_everything_that_came_behind_the_cut_waits_in_its_order_and_is_answered_once(direct: bool) -> None:
    waiting: list[Item] = [
        final("wait"),
        STOP,
        LLMMessagesAppendFrame([NOTE], True),
        InputTextRawFrame("typed"),
        LLMRunFrame(),
    ]
    trace = talk([*CUT_IN, *waiting, Sleep(1), HeardFrame(3), Sleep(1)], direct=direct)
    assert [text for _, text in written(trace)] == ["hi", "Hello", "wait", "note", "typed"]
    assert runs(trace) == [["hi"], ["hi", "Hello", "wait", "note", "typed"]]


@pytest.mark.rule("K12")
def test_a_trigger_inside_the_turn_waits_too() -> None:
    deferred = UserTurnStrategies(stop=[DeferredUserTurnStopStrategy(SpeechTimeoutUserTurnStopStrategy())])
    script: list[Item] = [*said("hi"), Sleep(8), BOT, RS, X("Hello"), START, final("wait"), STOP, Sleep(2)]
    trace = talk([*script, HeardFrame(2), Sleep(8)], user_turn_strategies=deferred)
    assert runs(trace) == [["hi"], ["hi", "Hello", "wait"]]


@pytest.mark.rule("K12")
@both
def test_a_further_turn_takes_over_the_run_of_one_that_waits_but_not_its_words(direct: bool) -> None:
    script = [*CUT_IN, final("wait"), STOP, START, Sleep(1), HeardFrame(3), Sleep(1), final("more"), STOP]
    trace = talk(script, direct=direct)
    assert [text for _, text in written(trace)] == ["hi", "Hello", "wait", "more"]
    assert run_times(trace) == [0, 2]


@pytest.mark.rule("K12", "D71")
@both
def test_a_cough_does_not_take_over_a_run_for_nothing(direct: bool) -> None:
    """The first turn's words wait for the cut as the second one begins, and that has no words."""
    script: list[Item] = [BOT, SILENT, *said("wait"), START, HeardFrame(2), STOP, Sleep(10)]
    trace = talk(script, direct=direct, empty_user_turn=EmptyUserTurn())
    assert [role for role, _ in written(trace)] == ["user", "developer"]
    assert len(runs(trace)) == 1


@pytest.mark.rule("K12", "E39")
@both
def test_a_cough_that_cuts_nobody_takes_over_no_run(direct: bool) -> None:
    script = [*said("hi"), RS, X("Hello"), *said("wait"), START, STOP, Sleep(10), RE, Sleep(1)]
    trace = talk(script, direct=direct, **UNCUT)
    assert runs(trace) == [["hi"], ["hi", "Hello", "wait"]]


@pytest.mark.rule("K12")
@both
def test_an_answer_to_an_interruption_that_never_comes_is_waited_for_so_long_and_missed_aloud(direct: bool) -> None:
    trace = talk([*CUT_IN, final("wait"), STOP, Sleep(20)], direct=direct)
    assert run_times(trace) == [0, 10]
    (error,) = [frame for frame in trace.up if isinstance(frame, ErrorFrame)]
    assert "HeardFrame" in error.error


@pytest.mark.rule("E39", "K12a", "B30")
@both
def test_words_that_cut_nobody_are_written_behind_the_answer_and_answered_once_together(direct: bool) -> None:
    script = [*said("hi"), RS, X("Hello"), *said("one"), *said("two"), Sleep(1), RE, Sleep(1)]
    trace = talk(script, direct=direct, **UNCUT)
    assert written(trace) == [("user", "hi"), ("assistant", "Hello"), ("user", "one"), ("user", "two")]
    assert runs(trace) == [["hi"], ["hi", "Hello", "one", "two"]]
    assert stopped_at(trace) == [0, 1, 1]


def stopped_at(trace: Trace) -> list[float]:
    return [event.time for event in trace.events if event.name == "on_user_turn_stopped"]


@pytest.mark.rule("K12a", "K13")
@both
def test_an_answer_that_has_not_begun_is_superseded_instead(direct: bool) -> None:
    trace = talk([*said("hi"), *said("wait")], direct=direct, **UNCUT)
    assert runs(trace) == [["hi"], ["hi", "wait"]]
    assert [frame.run_id for frame in trace.down if isinstance(frame, LLMRunCancelFrame)] == [1]


# ---- runs


def answer(run_id: int, *texts: str, failed: bool = False) -> list[Item]:
    return [
        LLMFullResponseStartFrame(run_id=run_id),
        *map(X, texts),
        LLMFullResponseEndFrame(run_id=run_id, failed=failed),
    ]


@pytest.mark.parametrize("over", [answer(1, "Hello"), [InterruptionFrame()]], ids=["answered", "interrupted"])
@pytest.mark.rule("K13")
@both
def test_a_run_is_over_with_its_answer_or_an_interruption(over: list[Item], direct: bool) -> None:
    trace = talk([*said("hi"), *over, Sleep(1), LLMRunFrame()], direct=direct)
    assert [frame.run_id for frame in run_frames(trace)] == [1, 2]
    assert not any(isinstance(frame, LLMRunCancelFrame) for frame in trace.down)


@pytest.mark.rule("K13")
def test_the_answer_of_an_older_run_ends_no_newer_one() -> None:
    trace = talk([*said("hi"), LLMRunFrame(), *answer(1, "Hello"), LLMRunFrame()])
    assert [frame.run_id for frame in trace.down if isinstance(frame, LLMRunCancelFrame)] == [1, 2]


CALL: list[Item] = [announced(), in_progress()]
BUSY: list[tuple[list[Item], list[Item]]] = [
    ([START], [STOP]),
    ([BOT], [SILENT]),
    ([RS], [RE]),
    ([BOT, InterruptionFrame()], [SILENT, HeardFrame(1)]),
]


@pytest.mark.parametrize(("busy", "idle"), BUSY, ids=["user speaks", "bot speaks", "response", "flush"])
@pytest.mark.rule("K14")
@both
def test_a_run_that_is_owed_waits_until_nobody_speaks(busy: list[Item], idle: list[Item], direct: bool) -> None:
    script = [*CALL, *busy, result_of(), Sleep(1), *idle, Sleep(10)]
    settings: dict[str, Any] = {"user_turn_stop_timeout": 1.0}
    trace = talk(script, direct=direct, **settings)
    (at,) = run_times(trace)
    assert at == (2 if idle == [STOP] else 1)
    assert runs(trace)[0][:2] == ["look", '"done"']


@pytest.mark.rule("K14")
def test_a_run_that_is_owed_waits_while_the_bot_is_held() -> None:
    script: list[Item] = [*CALL, BOT, START, SILENT, result_of(), Sleep(1), STOP, Sleep(10)]
    trace = talk(script, false_interruption_timeout=2.0)
    assert run_times(trace) == [3]


@pytest.mark.rule("K14")
@both
def test_several_wants_of_an_instant_are_one_run(direct: bool) -> None:
    calls = call(call_id="1"), call(call_id="2")
    script = [announced(*calls), *map(in_progress, calls), tuple(map(result_of, calls)), Sleep(1)]
    assert len(runs(talk(script, direct=direct))) == 1


# ---- calls


@pytest.mark.rule("K18")
@both
def test_a_call_that_both_halves_hear_of_is_written_once(direct: bool) -> None:
    script = [do(Both(announced()), Both(in_progress())), do(Both(result_of())), Sleep(1)]
    trace = talk(script, between=[BETWEEN], direct=direct)
    assert written(trace) == [("assistant", "look"), ("tool", '"done"')]


@pytest.mark.rule("K19")
def test_a_result_stands_where_its_call_stands_or_is_told_if_that_is_gone() -> None:
    trace = talk([*CALL, *said("hi"), result_of(), Sleep(1)])
    assert written(trace) == [("assistant", "look"), ("tool", '"done"'), ("user", "hi")]
    gone = talk([*CALL, LLMMessagesUpdateFrame([NOTE]), result_of(), Sleep(1)])
    assert [role for role, _ in written(gone)] == ["developer", "developer"]
    assert '\\"done\\"' in written(gone)[1][1]


# ---- kills


SPOKEN: list[Item] = [*sound(0, 0.4), *sound(12000, 1.0), final("hello"), *sound(0, 1.0), Sleep(4)]


@pytest.mark.rule("K20a")
def test_sound_that_was_not_judged_when_the_user_half_died_is_judged_again() -> None:
    def run(*kills: Kill) -> Trace:
        pair = pair_of()
        return play(Pipeline(pair.user, pair.assistant), [*kills, *SPOKEN], limit=60)

    whole = run()
    starts = [each.time for each in whole.deliveries if isinstance(each.frame, VADUserStartedSpeakingFrame)]
    assert starts
    handled = len([None for each in whole.deliveries if each.receiver.name == "user"])
    # The first two are handled before the script begins.
    for at in range(3, handled - 2, 5):
        trace = run(Kill("user", at=at))
        assert len(trace.restarts) == 1, at
        assert [(each.time, each.name) for each in trace.events] == [(each.time, each.name) for each in whole.events], (
            at
        )
        assert written(trace) == written(whole) == [("user", "hello")], at


@pytest.mark.rule("K20")
@both
def test_a_half_that_comes_back_tells_nothing_twice(direct: bool) -> None:
    script = [*said("hi"), *replied("Hello"), Kill("user"), Kill("assistant"), Sleep(1), *said("more"), Sleep(1)]
    trace = talk(script, direct=direct)
    assert len(trace.restarts) == 2
    assert told(trace, "on_user_turn_message_added") == ["hi", "more"]
    assert told(trace, "on_assistant_message_added") == ["Hello"]
    assert [frame.version for frame in trace.down if isinstance(frame, ContextCommittedFrame)] == [1, 2, 3]


# ---- failed answers


@pytest.mark.parametrize(("texts", "roles"), [((), ["user"]), (("Hello",), ["user", "assistant", "developer"])])
@pytest.mark.rule("K22")
@both
def test_an_answer_that_failed_is_asked_for_once_more(texts: tuple[str, ...], roles: list[str], direct: bool) -> None:
    failed = [*said("hi"), *answer(1, *texts, failed=True), Sleep(1)]
    trace = talk(failed, direct=direct)
    assert [role for role, _ in written(trace)] == roles
    assert len(runs(trace)) == 2
    again = talk([*failed, *answer(2, failed=True), Sleep(1)], direct=direct)
    assert len(runs(again)) == 2


@pytest.mark.rule("K22")
def test_an_answer_that_ends_begins_the_count_anew() -> None:
    script = [
        *said("hi"),
        *answer(1, failed=True),
        *answer(2, "Hello"),
        *said("more"),
        *answer(3, failed=True),
        Sleep(1),
    ]
    assert len(runs(talk(script))) == 4


@pytest.mark.rule("K22")
def test_a_failed_answer_is_left_to_the_turn_that_is_open_and_to_a_run_that_is_owed() -> None:
    assert len(runs(talk([*said("hi"), START, *answer(1, failed=True), final("more"), STOP], **UNCUT))) == 2
    owed = [*said("hi"), *CALL, LLMFullResponseStartFrame(run_id=1), result_of(), *answer(1, failed=True)[1:], Sleep(1)]
    assert len(runs(talk(owed))) == 2


@pytest.mark.rule("K22", "K13")
@both
def test_a_failed_answer_is_not_asked_for_again_when_a_newer_run_has_begun(direct: bool) -> None:
    trace = talk([*said("hi"), LLMRunFrame(), *answer(1, failed=True), *answer(2, "Hello"), Sleep(1)], direct=direct)
    assert len(runs(trace)) == 2
    assert written(trace) == [("user", "hi"), ("assistant", "Hello")]


@pytest.mark.rule("K22")
def test_what_was_heard_of_a_failed_answer_is_left_as_it_is_without_a_prompt() -> None:
    trace = talk([*said("hi"), *answer(1, "Hello", failed=True), Sleep(1)], failed_prompt=None)
    assert (written(trace), len(runs(trace))) == ([("user", "hi"), ("assistant", "Hello")], 1)

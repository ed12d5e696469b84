"""The marks before answers: read piece by piece, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    FunctionCallFromLLM,
    FunctionCallsStartedFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerFrame,
    LLMMarkerResponseFrame,
    LLMTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    UserTurnInferenceCompletedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Trace, play
from antiphon.turn import MarkedAnswer, TurnMarks

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

CALLS = FunctionCallsStartedFrame((FunctionCallFromLLM("f", "c1", {}),))


def answer(*pieces: str) -> list[Item]:
    return [LLMFullResponseStartFrame(), *map(LLMTextFrame, pieces), LLMFullResponseEndFrame()]


def spoken(trace: Trace) -> str:
    return "".join(frame.text for frame in trace.down if isinstance(frame, LLMTextFrame))


def marks(trace: Trace) -> list[tuple[str, bool]]:
    found = [frame for frame in trace.down if isinstance(frame, LLMMarkerFrame)]
    return [(frame.marker, frame.append_to_context_immediately) for frame in found]


def kinds(trace: Trace) -> list[str | None]:
    return [frame.kind for frame in trace.up if isinstance(frame, LLMMarkerResponseFrame)]


def completions(trace: Trace) -> int:
    return trace.up.count(UserTurnInferenceCompletedFrame())


@pytest.mark.rule("D39")
@pytest.mark.parametrize(
    ("pieces", "kind", "goes_on"),
    [
        (["● Hello", " there"], "complete", "Hello there"),
        ([" \n", "●", "  ", " Hello"], "complete", "Hello"),
        (["◐ Hello", " there"], "incomplete_short", ""),
        (["○"], "incomplete_long", ""),
        (["Hello ●"], "unmarked", "Hello ●"),
        ([" ", ""], "unread", ""),
    ],
)
def test_a_mark_is_read_however_the_text_is_cut(pieces: list[str], kind: str, goes_on: str) -> None:
    read, out = MarkedAnswer(), ""
    for piece in pieces:
        read, text = read.read(piece)
        out += text
    assert (read.kind, out) == (kind, goes_on)


@both
@pytest.mark.rule("D39", "D39a")
def test_a_whole_thought_is_answered(direct: bool) -> None:
    trace = play(Pipeline(TurnMarks()), answer("●", " Hello", " there"), direct=direct)
    assert (spoken(trace), marks(trace), completions(trace)) == ("Hello there", [("●", False)], 1)
    assert kinds(trace) == ["complete"]


@both
@pytest.mark.rule("D39", "D39a")
@pytest.mark.parametrize(("mark", "kind"), [("◐", "incomplete_short"), ("○", "incomplete_long")])
def test_an_incomplete_thought_is_not_answered(direct: bool, mark: str, kind: str) -> None:
    trace = play(Pipeline(TurnMarks()), answer(mark, " Go", " on"), direct=direct)
    assert (spoken(trace), marks(trace), completions(trace)) == ("", [(mark, True)], 0)
    assert kinds(trace) == [kind]


@pytest.mark.rule("D39a")
def test_a_mark_while_the_user_speaks_is_stale() -> None:
    trace = play(Pipeline(TurnMarks()), [VADUserStartedSpeakingFrame(), *answer("● Hello")])
    assert (spoken(trace), marks(trace), completions(trace)) == ("", [("◐", True)], 0)
    script = [VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame(), *answer("● Hello")]
    assert spoken(play(Pipeline(TurnMarks()), script)) == "Hello"


@pytest.mark.rule("D39a")
def test_a_call_counts_as_a_whole_thought() -> None:
    script: Sequence[Item] = [
        LLMFullResponseStartFrame(),
        CALLS,
        LLMTextFrame("One moment."),
        LLMFullResponseEndFrame(),
    ]
    trace = play(Pipeline(TurnMarks()), script)
    assert (spoken(trace), marks(trace), completions(trace)) == ("One moment.", [], 1)


@pytest.mark.rule("D39a")
@pytest.mark.parametrize(
    ("between", "second"),
    [
        ([], ""),
        ([VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()], "Again"),
        ([UserStartedSpeakingFrame()], "Again"),
        ([UserStoppedSpeakingFrame()], "Again"),
    ],
    ids=["nothing", "a voice", "a turn begins", "the turn is over"],
)
def test_one_thought_is_answered_once(between: list[Item], second: str) -> None:
    trace = play(Pipeline(TurnMarks()), [*answer("● First"), *between, *answer("● Again")])
    assert spoken(trace) == f"First{second}"


@pytest.mark.rule("D39a")
def test_what_a_call_gave_is_told() -> None:
    calling: list[Item] = [LLMFullResponseStartFrame(), CALLS, LLMFullResponseEndFrame()]
    assert spoken(play(Pipeline(TurnMarks()), [*calling, *answer("● Sunny")])) == "Sunny"


@pytest.mark.rule("D39a")
def test_an_answer_without_a_mark_is_spoken_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    trace = play(Pipeline(TurnMarks()), [*answer("Hello"), *answer("again")])
    assert (spoken(trace), completions(trace)) == ("Helloagain", 0)
    assert caplog.text.count("begins with no mark") == 1


@both
def test_a_kill_at_any_delivery_changes_nothing(direct: bool) -> None:
    script = [*answer("●", " Hello"), VADUserStartedSpeakingFrame(), *answer("● x"), VADUserStoppedSpeakingFrame()]
    whole = play(Pipeline(TurnMarks()), script, direct=direct)
    for at in range(1, len(whole.handled_by("turn_marks")) + 1):
        killed = play(Pipeline(TurnMarks()), [Kill("turn_marks", at=at), *script], direct=direct)
        assert len(killed.restarts) == 1
        assert killed.down == whole.down, f"killed at {at}"

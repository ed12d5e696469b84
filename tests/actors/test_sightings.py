"""Observers that want each frame once: what counts as one, and that nobody pays for what has gone."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from antiphon import Actor, Both, Delivery, Observer, Parallel, Pipeline, actor, on, open_session
from antiphon.actors import Effect, OncePerFrame
from antiphon.channels import BotStartedSpeakingFrame, Frame, StartFrame, TextFrame, UserSpeakingFrame
from antiphon.scenarios import Kill, TraceRecorder, play
from tests.actors.notes import Passes, both


@actor
class Looks(Actor):
    """Handles what comes, and lets it pass."""

    @on(UserSpeakingFrame, TextFrame, BotStartedSpeakingFrame)
    def look(self, frame: Frame) -> Frame:
        return frame


@actor
class Announces(Actor):
    """Says both ways that it has read a text."""

    @on(TextFrame)
    def read(self, frame: TextFrame) -> Iterator[Effect]:
        yield Both(BotStartedSpeakingFrame())
        yield frame


def told(pipeline: Pipeline, *script: Frame | Kill, direct: bool = True) -> list[object]:
    """The frames of which such an observer was told."""
    recorder = TraceRecorder()
    play(pipeline, script, observers=[OncePerFrame(recorder)], direct=direct)
    return [each.frame for each in recorder.deliveries if not isinstance(each.frame, StartFrame)]


@both
@pytest.mark.rule("J40")
def test_an_observer_may_hear_of_each_frame_once_however_many_handle_it(direct: bool) -> None:
    once, always = TraceRecorder(), TraceRecorder()
    pipeline = Pipeline(Looks(), Looks(), Looks())
    play(pipeline, [TextFrame("a"), UserSpeakingFrame()], observers=[OncePerFrame(once), always], direct=direct)
    kinds = [StartFrame, TextFrame, UserSpeakingFrame]
    assert [type(each.frame) for each in once.deliveries if type(each.frame) in kinds] == kinds
    assert [type(each.frame) for each in always.deliveries].count(TextFrame) == 4  # three actors, and the sink


@both
@pytest.mark.rule("J40")
def test_a_broadcast_is_one_frame(direct: bool) -> None:
    frames = told(Pipeline(Looks(), Announces(), Looks()), TextFrame("a"), direct=direct)
    assert sorted(type(frame).__name__ for frame in frames if frame != TextFrame("a")) == [
        "BotStartedSpeakingFrame",
        "CancelFrame",
    ]


def test_a_frame_in_all_branches_is_one() -> None:
    pipeline = Pipeline(Parallel(Pipeline(Looks()), Pipeline(Looks())))
    assert told(pipeline, TextFrame("a")).count(TextFrame("a")) == 1


def test_equal_frames_are_two_and_one_that_is_sent_again_counts_again() -> None:
    again = TextFrame("a")
    assert told(Pipeline(Looks()), TextFrame("a"), again, again).count(TextFrame("a")) == 3


def test_all_else_is_told_as_ever() -> None:
    recorder, bare = TraceRecorder(), TraceRecorder()
    play(Pipeline(Looks(name="looks")), [Kill("looks"), TextFrame("a")], observers=[OncePerFrame(recorder), bare])
    assert recorder.failures == bare.failures != []
    assert recorder.restarts == bare.restarts != []
    assert recorder.all[-1] == bare.all[-1] == "cancelled"


def test_an_observer_that_only_wants_deliveries_may_ask_too() -> None:
    class Counts:
        count = 0

        def delivered(self, delivery: Delivery) -> None:
            self.count += 1

    counts = Counts()
    trace = play(Pipeline(Passes()), [TextFrame("a")], observers=[OncePerFrame(counts)])  # type: ignore[arg-type]  # no Observer, but it has the method
    assert trace.ended == "cancelled"
    assert counts.count == 3  # StartFrame, the text, CancelFrame


async def test_frames_that_have_gone_are_not_kept() -> None:
    def kept() -> int:
        return sum(type(each) is TextFrame for each in gc.get_objects())

    before = kept()
    async with open_session(Pipeline(Looks(), Looks()), observers=[OncePerFrame(Observer())]) as session:
        for number in range(3000):
            await session.push(TextFrame(str(number)))
        await trio.testing.wait_all_tasks_blocked()
        assert kept() - before < 600


async def test_a_frame_that_still_travels_is_known_after_thousands_of_others() -> None:
    @actor
    class Holds(Actor):
        """Keeps its first text for a while."""

        @on(TextFrame)
        async def hold(self, frame: TextFrame) -> TextFrame:
            await released.wait()
            return frame

    released = trio.Event()
    recorder = TraceRecorder()
    async with open_session(Pipeline(Looks(), Holds(), Looks()), observers=[OncePerFrame(recorder)]) as session:
        await session.push(TextFrame("held"))
        # The recorder keeps what it hears of; without it nobody would hold the others.
        for _ in range(3000):
            await session.push(UserSpeakingFrame())
            recorder.deliveries[2:] = []
            recorder.all[2:] = []
        released.set()
        await trio.testing.wait_all_tasks_blocked()
    assert [each.frame for each in recorder.deliveries].count(TextFrame("held")) == 1

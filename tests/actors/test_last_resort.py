"""The last resort: whoever shields its waits from cancellation is ended all the same, and what can't be ended is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from antiphon import Actor, Pipeline, actor, child, on, open_session
from antiphon.actors import ActorKilled, Session
from antiphon.channels import CancelFrame, EndFrame, Frame, StartFrame
from antiphon.scenarios import Kill, Sleep, TraceRecorder, play
from tests.actors.notes import Alarm, Kept, Note, Order, Passes, both, texts

GRACE = 2.0


@actor
class Stubborn(Actor):
    """Shields a wait of 1000 seconds from cancellation, that many times one after the other, at one place."""

    where: str
    times: int = 1

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await self.wait("entering")
        yield
        await self.wait("leaving")

    @on(StartFrame)
    async def start(self, frame: StartFrame) -> None:
        await self.wait("start")

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        await self.wait("end")

    @on(CancelFrame)
    async def cancel(self, frame: CancelFrame) -> None:
        await self.wait("cancel")

    @on(Note)
    async def ordered(self, frame: Note) -> None:
        await self.wait("ordered")
        await self.push(frame)

    @on(Alarm)
    async def system(self, frame: Alarm) -> None:
        await self.wait("system")

    @on(Order)
    async def nursery(self, frame: Order) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.wait, "child")
            nursery.start_soon(self.wait, "child")
            await self.wait("child")

    @on(Kept)
    def task(self, frame: Kept) -> None:
        self.start_soon(self.wait, "task")

    async def wait(self, where: str) -> None:
        if where != self.where:
            return
        for time in range(self.times):
            with trio.CancelScope(shield=True):
                try:
                    await trio.sleep(1000)
                except ActorKilled:
                    if time == self.times - 1:
                        raise


WORK: tuple[Frame, ...] = (Note("x"), Alarm("x"), Order("x"), Kept("x"))
PLACES = ("entering", "leaving", "start", "ordered", "system", "child", "task")


async def seconds_to_end(pipeline: Pipeline, ending: str, direct: bool, recorder: TraceRecorder) -> float:
    """How long a session takes to end, seen from outside its block. Nothing of it may be left behind."""
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with open_session(pipeline, direct=direct, observers=[recorder]) as session:
        for frame in WORK:
            await session.push(frame)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        await (session.end() if ending == "end" else session.cancel())
    assert session.outcome == ("ended" if ending == "end" else "cancelled")
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    return trio.current_time() - began


@both
@pytest.mark.rule("LC4")
@pytest.mark.parametrize("times", [1, 2, 10])
@pytest.mark.parametrize(
    ("where", "ending"),
    [(where, ending) for where in PLACES for ending in ("end", "cancel")] + [("end", "end"), ("cancel", "cancel")],
)
async def test_whoever_shields_its_wait_is_ended_when_its_grace_is_over(
    where: str, ending: str, times: int, direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    recorder = TraceRecorder()
    pipeline = Pipeline(Passes(), child(Stubborn(where, times), grace=GRACE), Passes())
    # End waits for the grace of an actor that gets on with nothing, and then as long for it to leave.
    most = GRACE if ending == "cancel" else 2 * GRACE
    assert await seconds_to_end(pipeline, ending, direct, recorder) <= most + 0.01
    trace = recorder.trace(durable={}, ended="")
    assert trace.failures == ()
    if where != "entering":  # that one had been cancelled already, and nobody waits to say so
        assert {each.address.name for each in trace.stalls} == {"stubborn"}


@both
@pytest.mark.rule("LC4")
async def test_many_of_them_end_within_the_sum_of_their_graces(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    pipeline = Pipeline(*(child(Stubborn(where, 3), grace=GRACE) for where in PLACES), Passes())
    assert await seconds_to_end(pipeline, "cancel", direct, TraceRecorder()) <= GRACE * len(PLACES) + 0.01


@both
@pytest.mark.rule("LC4", "SU9")
@pytest.mark.parametrize("where", ["ordered", "system", "child", "task", "leaving"])
def test_a_restart_waits_no_longer_than_the_grace_for_it_either(where: str, direct: bool) -> None:
    stubborn = child(Stubborn(where, 2), grace=GRACE)
    trace = play(Pipeline(stubborn), [WORK, Sleep(1), Kill("stubborn"), Sleep(10)], direct=direct)
    assert [each.time for each in trace.restarts] == [pytest.approx(1 + GRACE)]
    assert len(trace.failures) == 1
    assert trace.ended == "cancelled"


@actor
class FailsInCleanup(Actor):
    """One task shields its wait, its sibling fails in its cleanup when that ends."""

    @on(Note)
    async def work(self, frame: Note) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.shield)
            nursery.start_soon(self.fail)

    async def shield(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1000)

    async def fail(self) -> None:
        try:
            await trio.sleep(1000)
        finally:
            raise OSError("the wire is gone")

    @on(Kept)
    def task(self, frame: Kept) -> None:
        self.start_soon(self.work, Note("in a task"))


@both
@pytest.mark.rule("LC4")
@pytest.mark.parametrize("frame", [Note("x"), Kept("x")])
@pytest.mark.parametrize("last", [EndFrame(), CancelFrame()])
def test_an_error_in_its_cleanup_ends_nothing_else(last: Frame, frame: Frame, direct: bool) -> None:
    trace = play(Pipeline(FailsInCleanup(), Passes()), [frame, last], direct=direct)
    assert trace.ended == ("ended" if isinstance(last, EndFrame) else "cancelled")


@both
@pytest.mark.rule("LC4")
@pytest.mark.parametrize("where", ["ordered", "task", "leaving", "cancel"])
async def test_whoever_shields_an_eleventh_wait_is_left_and_the_block_waits_for_it(
    where: str, direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """The session has ended, and says so; but Trio leaves no task behind, so its block can't be left."""
    ended: list[float] = []

    async def tell(session: Session) -> None:
        await session.wait()
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        async with open_session(Pipeline(child(Stubborn(where, 11), grace=GRACE)), direct=direct) as session:
            nursery.start_soon(tell, session)
            for frame in WORK:
                await session.push(frame)
            await trio.testing.wait_all_tasks_blocked()
            await session.cancel()
        assert ended[0] <= GRACE + 0.01
        assert trio.current_time() == pytest.approx(ended[0] + 1000)
        assert session.outcome == "cancelled"


@both
@pytest.mark.rule("LC4")
def test_the_frames_of_others_go_on_while_one_is_ended(direct: bool) -> None:
    pipeline = Pipeline(Passes(), Stubborn("system", 3), Passes(name="behind"))
    trace = play(pipeline, [Alarm("x"), (Note("1"), Note("2")), EndFrame()], direct=direct)
    assert texts(trace.down) == ["1", "2"]
    assert trace.ended == "ended"

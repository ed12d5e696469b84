"""`session.flush_pipeline`: a probe that comes back when all before it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from antiphon import Actor, Address, Down, Parallel, Pipeline, Session, Up, actor, on, open_session
from antiphon.actors import Effect, Killed
from antiphon.channels import (
    BotSpeakingFrame,
    Frame,
    FrameProcessorPauseUrgentFrame,
    FrameProcessorResumeFrame,
    PipelineFlushFrame,
)
from antiphon.scenarios import TraceRecorder
from antiphon.scenarios.explorer import run_explored

from .notes import Ask, Note, Order, Passes, Slow, both, texts

Body = Callable[[Session], Awaitable[None]]


def run(pipeline: Pipeline, body: Body, *, direct: bool, seed: int = 0, **options: Any) -> TraceRecorder:
    recorder = TraceRecorder()

    async def main() -> None:
        async with open_session(pipeline, observers=[recorder], direct=direct, **options) as session:
            await body(session)

    run_explored(seed, main)
    return recorder


def sunk(recorder: TraceRecorder) -> list[str]:
    return texts(each.frame for each in recorder.deliveries if each.receiver.name == "sink")


@both
@pytest.mark.rule("B49")
def test_it_waits_for_what_was_queued_before_and_for_nothing_else(direct: bool) -> None:
    async def body(session: Session) -> None:
        began = trio.current_time()
        assert await session.flush_pipeline()
        assert trio.current_time() == began
        for text in "abc":
            await session.push(Note(text))
        assert await session.flush_pipeline()
        assert trio.current_time() - began == pytest.approx(3.0 * 1.0 + 1.0)

    heard = run(Pipeline(Passes(), Slow(), Slow(), Passes()), body, direct=direct)
    assert sunk(heard) == ["a", "b", "c"]


@both
@pytest.mark.rule("B49")
def test_it_goes_down_up_and_down_and_is_seen_at_both_ends_only(direct: bool) -> None:
    async def body(session: Session) -> None:
        output = session.output
        assert await session.flush_pipeline()
        assert output.take() is None

    recorder = run(Pipeline(Passes(), Slow()), body, direct=direct)
    probes = [(each, each.frame) for each in recorder.deliveries if isinstance(each.frame, PipelineFlushFrame)]
    assert [(str(each.receiver), each.direction, frame.returning) for each, frame in probes] == [
        ("sink", "down", False),
        ("source", "up", True),
        ("sink", "down", True),
    ]
    assert {frame.flush_id for _, frame in probes} == {"flush-1"}


@actor
class Asks(Actor):
    """Sends an order up for each note that it gets."""

    @on(Note)
    def ask(self, frame: Note) -> Effect:
        return Up(Order(frame.text))


@actor
class Answers(Actor):
    """Works on an order from below, and sends down what came of it."""

    @on(Order)
    async def answer(self, frame: Order) -> None:
        await trio.sleep(2.0)
        await self.push(Down(Order("done")))


@both
@pytest.mark.rule("B49")
def test_it_waits_for_what_was_caused_upstream_and_for_what_came_down_of_that(direct: bool) -> None:
    async def body(session: Session) -> None:
        began = trio.current_time()
        await session.push(Note("x"))
        assert await session.flush_pipeline()
        assert trio.current_time() - began == pytest.approx(2.0)

    assert sunk(run(Pipeline(Answers(), Asks()), body, direct=direct)) == ["done"]


@both
@pytest.mark.rule("B49")
@pytest.mark.parametrize(("seconds", "drained"), [(4.9, True), (5.1, False)])
def test_it_gives_up_when_nothing_has_got_on_for_five_seconds(seconds: float, drained: bool, direct: bool) -> None:
    async def body(session: Session) -> None:
        for text in "abc":
            await session.push(Note(text))
        began = trio.current_time()
        assert await session.flush_pipeline() is drained
        assert trio.current_time() - began == pytest.approx(3 * seconds if drained else 5.0)

    run(Pipeline(Slow(seconds)), body, direct=direct, stall_timeout=None)


@both
@pytest.mark.rule("B49")
def test_how_long_it_bears_that_is_for_the_caller_to_say(direct: bool) -> None:
    async def body(session: Session) -> None:
        await session.push(Note("x"))
        began = trio.current_time()
        assert not await session.flush_pipeline(timeout=0.5)
        assert trio.current_time() - began == pytest.approx(0.5)
        assert await session.flush_pipeline(timeout=1.5)
        with pytest.raises(ValueError, match=r"flush_pipeline\(timeout=0\): these are seconds, more than 0"):
            await session.flush_pipeline(0)

    run(Pipeline(Slow()), body, direct=direct)


@both
@pytest.mark.rule("B49")
def test_a_bot_that_speaks_gets_on_and_a_timer_that_ticks_does_not(direct: bool) -> None:
    async def body(session: Session) -> None:
        async def every_second(what: Frame | Ask) -> None:
            while True:
                await trio.sleep(1)
                if isinstance(what, Ask):
                    await session.send(Address("passes"), what)
                else:
                    await session.push(what)

        for what, least in ((BotSpeakingFrame(), 20.0), (Ask("tick"), 5.0)):
            await session.push(Order("long"))
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(every_second, what)
                with trio.move_on_after(20.0):
                    assert not await session.flush_pipeline()
                nursery.cancel_scope.cancel()
            assert trio.current_time() - began == pytest.approx(least)
        await session.cancel()

    run(Pipeline(Slow(1000.0)), body, direct=direct, stall_timeout=None)


@both
@pytest.mark.rule("B49")
def test_two_at_once_are_told_apart(direct: bool) -> None:
    ended: list[tuple[str, float]] = []

    async def body(session: Session) -> None:
        async def flush(name: str) -> None:
            assert await session.flush_pipeline()
            ended.append((name, round(trio.current_time() - began, 3)))

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            await session.push(Note("1"))
            nursery.start_soon(flush, "one")
            await trio.sleep(0.5)
            await session.push(Note("2"))
            nursery.start_soon(flush, "two")

    recorder = run(Pipeline(Slow()), body, direct=direct)
    assert ended == [("one", 2.0), ("two", 2.0)] or ended == [("one", 1.0), ("two", 2.0)]
    frames = [each.frame for each in recorder.deliveries if isinstance(each.frame, PipelineFlushFrame)]
    assert sorted({each.flush_id for each in frames}) == ["flush-1", "flush-2"]
    assert len(frames) == 6


@both
@pytest.mark.rule("B49")
def test_the_slowest_branch_counts(direct: bool) -> None:
    async def body(session: Session) -> None:
        began = trio.current_time()
        await session.push(Note("x"))
        assert await session.flush_pipeline()
        assert trio.current_time() - began == pytest.approx(3.0)

    pipeline = Pipeline(Parallel(Pipeline(Passes()), Pipeline(), Pipeline(Slow(1.0), Slow(2.0))), Passes())
    recorder = run(pipeline, body, direct=direct)
    legs = [str(each.receiver) for each in recorder.deliveries if isinstance(each.frame, PipelineFlushFrame)]
    assert legs == ["sink", "source", "sink"]


@both
@pytest.mark.rule("B49")
@pytest.mark.parametrize("seed", range(20))
def test_an_actor_that_is_restarted_meanwhile_keeps_the_probe(seed: int, direct: bool) -> None:
    async def body(session: Session) -> None:
        await session.push(Note("a"))
        await session.push(Note("b"))
        async with trio.open_nursery() as nursery:

            async def kill() -> None:
                for _ in range(3):
                    await trio.sleep(0.3 + seed / 20)
                    session.kill("slow", Killed("by the test"))

            nursery.start_soon(kill)
            assert await session.flush_pipeline()
            nursery.cancel_scope.cancel()

    recorder = run(Pipeline(Passes(), Slow(), Passes()), body, direct=direct, seed=seed)
    assert sunk(recorder) == ["a", "b"]


@both
@pytest.mark.rule("B49")
def test_a_catch_all_cannot_swallow_the_probe_and_an_interruption_cannot_drop_it(direct: bool) -> None:
    @actor
    class Swallows(Actor):
        @on(Frame)
        def swallow(self, frame: Frame) -> None: ...

    async def body(session: Session) -> None:
        await session.push(Order("x"))

        async with trio.open_nursery() as nursery:

            async def interrupt() -> None:
                await trio.sleep(0.5)
                session.interrupt()

            nursery.start_soon(interrupt)
            began = trio.current_time()
            assert await session.flush_pipeline()
            assert trio.current_time() - began == pytest.approx(0.5)

    run(Pipeline(Slow(), Swallows()), body, direct=direct)


@both
@pytest.mark.rule("B49", "B10")
def test_a_paused_actor_holds_it(direct: bool) -> None:
    async def body(session: Session) -> None:
        await session.push(FrameProcessorPauseUrgentFrame(Address("passes")))
        await session.push(Note("x"))
        assert not await session.flush_pipeline()
        await session.push(FrameProcessorResumeFrame(Address("passes")))
        assert await session.flush_pipeline()

    assert sunk(run(Pipeline(Passes()), body, direct=direct)) == ["x"]


@both
@pytest.mark.rule("B49")
@pytest.mark.parametrize("how", ["cancel", "end"])
def test_when_the_session_ends_meanwhile_it_is_false_at_once(how: str, direct: bool) -> None:
    told: list[tuple[bool, float]] = []

    async def body(session: Session) -> None:
        async def flush() -> None:
            began = trio.current_time()
            told.append((await session.flush_pipeline(), trio.current_time() - began))

        async with trio.open_nursery() as nursery:
            await session.push(Note("x"))
            nursery.start_soon(flush)
            await trio.sleep(0.5)
            await getattr(session, how)()
        with pytest.raises(trio.ClosedResourceError, match="flush_pipeline: the session has ended"):
            await session.flush_pipeline()

    run(Pipeline(Slow()), body, direct=direct)
    assert len(told) == 1
    if how == "cancel":
        assert told == [(False, 0.5)]
    else:
        assert told[0][1] <= 1.0 + 1e-6


@both
@pytest.mark.rule("B49")
def test_whoever_no_longer_waits_leaves_nothing_behind(direct: bool) -> None:
    async def body(session: Session) -> None:
        await session.push(Note("x"))
        before = len(session.dispatcher.observers)
        with trio.move_on_after(0.5):
            await session.flush_pipeline()
        assert len(session.dispatcher.observers) == before

    assert sunk(run(Pipeline(Slow()), body, direct=direct)) == ["x"]

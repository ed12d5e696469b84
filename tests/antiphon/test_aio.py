"""Sessions inside asyncio programs: what crosses between the two loops, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, TypeVar

import anyio
import anyio.lowlevel
import pytest
import trio
import uvloop

import antiphon
from antiphon import Actor, Address, ConfigurationError, Pipeline, actor, child, durable, on
from antiphon.actors import Effects, Session
from antiphon.aio import open_session
from antiphon.channels import CancelFrame, Frame, InterruptionFrame, StartFrame
from antiphon.scenarios import TraceRecorder
from tests.actors.notes import Ask, Kept, Note, Order, Passes, texts

T = TypeVar("T")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Run(Protocol):
    """`asyncio.run`, on the loop of this test."""

    def __call__(self, main: Callable[[], Awaitable[T]]) -> T: ...


@pytest.fixture(scope="module", autouse=True)
def _old_objects() -> Iterator[None]:
    """What was there before isn't looked through after each test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No Trio run outlives a test, and asyncio has nothing to complain of: no task destroyed, no error unheard."""
    yield
    gc.collect()
    assert not trio.lowlevel.in_trio_run()
    records = [*caplog.get_records("call"), *caplog.records]
    assert not [each.getMessage() for each in records if each.levelno >= logging.ERROR]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    def run(main: Callable[[], Awaitable[T]]) -> T:
        async def all_of_it() -> T:
            async with asyncio.timeout(60):
                return await main()

        with asyncio.Runner(loop_factory=LOOPS[request.param], debug=True) as runner:
            return runner.run(all_of_it())

    return run


@actor
class Waits(Actor):
    """Begins with each order, and goes on when it is told to."""

    begun: trio.Event | None = None
    go_on: trio.Event | None = None

    @on(Order)
    async def work(self, frame: Order) -> None:
        if self.begun is not None:
            self.begun.set()
        await (trio.Event() if self.go_on is None else self.go_on).wait()
        await self.push(frame)


@actor
class Counts(Actor):
    """Counts what it gets, sends it up, and passes it on."""

    count: int = durable(0)

    @on(Note)
    def note(self, frame: Note) -> Effects:
        self.count += 1
        return [frame, antiphon.Up(Kept(frame.text))]

    @on(Ask)
    def ask(self, message: Ask) -> Effects:
        return Note(message.text)


@actor
class Breaks(Actor):
    """Fails at each order."""

    @on(Order)
    def fail(self, frame: Order) -> Effects:
        raise OSError("the bell is cracked")


def breaks() -> Pipeline:
    return Pipeline(Breaks(), max_restarts=0)


@actor
class HearsCancel(Actor):
    """Notes why the session was cancelled."""

    reasons: Callable[[str | None], object]

    @on(CancelFrame)
    def hear(self, frame: CancelFrame) -> None:
        self.reasons(frame.reason)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait, in asyncio, for what happens in Trio. Raises `TimeoutError` after a minute."""
    async with asyncio.timeout(60):
        for _ in iter(is_so, True):
            await asyncio.sleep(0)


def is_full(session: antiphon.aio.Session) -> bool:
    return session.statistics()[Address("waits")].overfill > 0


# ---- what goes in comes out


def test_what_is_pushed_comes_out_and_the_output_ends_with_the_session(run: Run) -> None:
    async def main() -> tuple[list[str], object]:
        async with open_session(Pipeline(Passes())) as session:
            output = session.output
            for text in "abc":
                await session.push(Note(text))
            await session.end()
            return texts([frame async for frame in output]), session.outcome

    assert run(main) == (["a", "b", "c"], "ended")


def test_a_push_to_idle_plain_handlers_is_handled_when_it_returns_and_no_loop_has_turned(run: Run) -> None:
    async def main() -> tuple[bool, list[str]]:
        async with open_session(Pipeline(Counts(), Passes())) as session:
            output = session.output
            turned = asyncio.Event()
            asyncio.get_running_loop().call_soon(turned.set)
            await session.push(Note("a"))
            frame = await anext(output)
            return turned.is_set(), texts([frame])

    assert run(main) == (False, ["a"])


def test_who_only_pushes_lets_others_have_the_loop(run: Run) -> None:
    async def main() -> bool:
        async with open_session(Pipeline(Passes())) as session:
            turned = asyncio.Event()
            asyncio.get_running_loop().call_soon(turned.set)
            for _ in range(17):
                await session.push(Note("a"))
            return turned.is_set()

    assert run(main)


def test_async_handlers_run_in_trio(run: Run) -> None:
    @actor
    class Asks(Actor):
        """Tells what sort of loop it runs in."""

        @on(Order)
        async def ask(self, frame: Order) -> None:
            await anyio.lowlevel.checkpoint()
            with trio.move_on_after(0.001):
                await trio.sleep_forever()
            await self.push(Note(anyio.get_cancelled_exc_class().__module__))

    async def main() -> list[str]:
        async with open_session(Pipeline(Asks())) as session:
            output = session.output
            await session.push(Order(""))
            return texts([await anext(output)])

    assert run(main) == [trio.Cancelled.__module__]


def test_what_a_plain_handler_starts_on_asyncios_side_runs_in_trio(run: Run) -> None:
    @actor
    class Starts(Actor):
        """Starts a task, which sends a note, and a timer, which sends another one."""

        @on(Order)
        def start(self, frame: Order) -> Effects:
            self.start_soon(self.later)
            return antiphon.After(0.01, Ask("timer"))

        async def later(self) -> None:
            await trio.lowlevel.checkpoint()
            await self.push(Note("task"))

        @on(Ask)
        def rings(self, message: Ask) -> Effects:
            return Note(message.text)

    async def main() -> list[str]:
        async with open_session(Pipeline(Starts())) as session:
            output = session.output
            await session.push(Order(""))
            return texts([await anext(output), await anext(output)])

    assert run(main) == ["task", "timer"]


def test_a_session_gives_its_values_and_takes_messages_in_both_directions(run: Run) -> None:
    async def main() -> None:
        async with open_session(Pipeline(Counts()), name="call") as session:
            output, upstream = session.output, session.upstream
            await session.send(Address("counts"), Ask("asked"))
            await session.push(Note("pushed"))
            await session.push(Note("up"), direction="up")
            assert texts([await anext(output), await anext(output)]) == ["asked", "pushed"]
            assert texts([await anext(upstream) for _ in range(3)]) == ["pushed", "up", "up"]
            assert session.durable(Address("counts"))["count"] == 2
            assert session.statistics()[Address("counts")].ordered == 0
            assert (session.name, session.outcome) == ("call", None)

    run(main)


def test_an_interruption_drops_what_waits_and_cuts_what_runs(run: Run) -> None:
    async def main() -> list[str]:
        begun = trio.Event()
        async with open_session(Pipeline(Waits(begun))) as session:
            output = session.output
            await session.push(Order("cut"))
            await session.push(Note("dropped"))
            await until(begun.is_set)
            session.interrupt()
            await session.push(Order("cut too"))
            await session.push(InterruptionFrame())
            await session.push(Note("kept"))
            await session.end()
            return texts([frame async for frame in output])

    assert run(main) == ["kept"]


def test_a_slow_pipeline_slows_its_source(run: Run) -> None:
    async def main() -> None:
        go_on = trio.Event()
        async with open_session(Pipeline(child(Waits(go_on=go_on), max_buffer=1))) as session:
            output = session.output
            pushing = asyncio.create_task(push_all(session, 5))
            await until(lambda: is_full(session))
            assert not pushing.done()
            go_on.set()
            await pushing
            assert texts([await anext(output) for _ in range(5)]) == list("01234")

    run(main)


async def together(*coroutines: Coroutine[object, object, object]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for each in coroutines:
            tasks.create_task(each)


async def push_all(session: antiphon.aio.Session, count: int) -> None:
    for number in range(count):
        await session.push(Order(str(number)))


@pytest.mark.rule("CH2")
def test_a_push_that_is_cancelled_while_it_waits_loses_nothing_and_is_not_overtaken(run: Run) -> None:
    async def main() -> list[str]:
        go_on, begun = trio.Event(), trio.Event()
        async with open_session(Pipeline(child(Waits(begun, go_on), max_buffer=1))) as session:
            output = session.output
            await session.push(Order("0"))
            await until(begun.is_set)
            await session.push(Order("1"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.push(Order("2")), 0.01)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await session.push(Order("3"))
            go_on.set()
            await session.push(Order("4"))
            return texts([await anext(output) for _ in range(5)])

    assert run(main) == list("01234")


def test_who_waits_for_room_in_a_session_that_ends_goes_on(run: Run) -> None:
    async def main() -> None:
        async with open_session(Pipeline(child(Waits(), max_buffer=1))) as session:
            pushing = asyncio.create_task(push_all(session, 5))
            await until(lambda: is_full(session))
            await session.cancel()
            with suppress(trio.ClosedResourceError):  # by the last ones, if they come later than the end
                await asyncio.wait_for(pushing, 60)
            with pytest.raises(trio.ClosedResourceError, match="the session has ended"):
                await session.push(Order("late"))

    run(main)


def test_a_reader_that_is_cancelled_has_taken_nothing(run: Run) -> None:
    async def main() -> list[str]:
        async with open_session(Pipeline(Passes())) as session:
            output = session.output
            readers = [asyncio.create_task(anext(output)) for _ in range(3)]
            await asyncio.sleep(0)
            readers[0].cancel()  # it waits
            await asyncio.sleep(0)
            await session.push(Note("a"))
            readers[1].cancel()  # it has been woken for the note
            return texts([await readers[2]])

    assert run(main) == ["a"]


def test_a_reader_that_waits_is_told_when_the_session_has_ended(run: Run) -> None:
    async def main() -> list[str]:
        async with open_session(Pipeline(Passes())) as session:
            reading = asyncio.create_task(read_all(session.output))
            await session.push(Note("a"))
            await until(lambda: not session.statistics()[Address("passes")].ordered)
            await asyncio.sleep(0)
            await session.end()
            return await asyncio.wait_for(reading, 60)

    assert run(main) == ["a"]


async def read_all(stream: antiphon.aio.Stream) -> list[str]:
    return texts([frame async for frame in stream])


def test_a_flush_waits_in_trio_for_what_was_pushed_before(run: Run) -> None:
    async def main() -> list[bool]:
        go_on = trio.Event()
        async with open_session(Pipeline(Waits(go_on=go_on))) as session:
            told = [await session.flush_pipeline()]
            await session.push(Order("a"))
            told.append(await session.flush_pipeline(0.01))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(session.flush_pipeline(), 0.01)
            asyncio.get_running_loop().call_soon(go_on.set)
            told.append(await session.flush_pipeline())
            with pytest.raises(ValueError, match="these are seconds"):
                await session.flush_pipeline(-1)
        with pytest.raises(trio.ClosedResourceError):
            await session.flush_pipeline()
        return told

    assert run(main) == [True, False, True]


# ---- mistakes


@pytest.mark.parametrize(
    "name", ["push", "send", "end", "cancel", "wait", "flush_pipeline", "interrupt", "statistics", "durable"]
)
def test_a_session_is_called_as_in_a_trio_program(name: str) -> None:
    ours, trios = getattr(antiphon.aio.Session, name), getattr(Session, name)
    assert inspect.signature(ours) == inspect.signature(trios)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(trios)


def test_open_session_takes_the_same_arguments_as_in_a_trio_program() -> None:
    assert inspect.signature(open_session).parameters == inspect.signature(antiphon.open_session).parameters


def test_a_pipeline_that_cannot_work_is_refused_before_the_block_begins(run: Run) -> None:
    async def main() -> None:
        both = Passes()
        with pytest.raises(ConfigurationError, match="twice"):
            async with open_session(Pipeline(both, both)):
                raise AssertionError("the block began")

    run(main)


def test_what_is_no_frame_or_no_message_is_refused_at_the_call(run: Run) -> None:
    async def main() -> None:
        async with open_session(Pipeline(Passes())) as session:
            with pytest.raises(TypeError, match="this is no frame"):
                await session.push(Ask("x"))  # type: ignore[arg-type]  # that is the mistake
            with pytest.raises(ValueError, match="'down' or 'up'"):
                await session.push(Note("x"), direction="sideways")  # type: ignore[arg-type]  # that is the mistake
            with pytest.raises(TypeError, match="which is mutable"):
                await session.send(Address("passes"), ["x"])

    run(main)


def test_in_a_thread_that_runs_trio_for_somebody_else_it_says_what_to_write(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        stop = trio.Event()
        trio.lowlevel.start_guest_run(
            stop.wait,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda result: over.set_result(result.unwrap()),
            host_uses_signal_set_wakeup_fd=True,
        )
        with pytest.raises(RuntimeError, match=r"In a Trio program write antiphon\.open_session"):
            async with open_session(Pipeline(Passes())):
                raise AssertionError("the block began")
        stop.set()
        await over

    run(main)


# ---- the end


def test_leaving_the_block_ends_the_session_when_all_that_was_queued_has_been_handled(run: Run) -> None:
    recorder = TraceRecorder()

    async def main() -> object:
        go_on = trio.Event()
        async with open_session(Pipeline(Waits(go_on=go_on)), observers=[recorder]) as session:
            await session.push(Order("a"))
            await session.push(Order("b"))
            asyncio.get_running_loop().call_soon(go_on.set)
        return session.outcome

    assert run(main) == "ended"
    assert texts(each.frame for each in recorder.deliveries if each.receiver.name == "sink") == ["a", "b"]


@pytest.mark.parametrize("leaves", [True, False], ids=["left", "ended"])
def test_an_end_gives_up_nobody_who_has_nothing_to_do(leaves: bool, run: Run) -> None:
    recorder = TraceRecorder()

    async def main() -> str:
        async with open_session(Pipeline(Passes(), Passes()), observers=[recorder]) as session:
            await session.push(Note("x"))
            if not leaves:
                await session.end()
        return str(session.outcome)

    assert run(main) == "ended"
    assert (recorder.stalls, recorder.dropped_ones) == ([], [])


def test_an_end_that_is_no_longer_waited_for_goes_on(run: Run) -> None:
    async def main() -> object:
        go_on = trio.Event()
        async with open_session(Pipeline(Waits(go_on=go_on))) as session:
            await session.push(Order("a"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.end(), 0.01)
            assert session.outcome is None
            go_on.set()
            await session.wait()
            return session.outcome

    assert run(main) == "ended"


def test_an_exception_of_the_block_cancels_the_session_and_comes_out_as_it_is(run: Run) -> None:
    reasons: list[str | None] = []
    error = LookupError("enough")

    async def main() -> None:
        try:
            async with open_session(Pipeline(Waits(), HearsCancel(reasons.append))) as session:
                await session.push(Order("a"))
                raise error
        finally:
            assert session.outcome == "cancelled"

    with pytest.raises(LookupError) as raised:
        run(main)
    assert raised.value is error
    assert reasons == ["LookupError"]


@actor
class Holds(Actor):
    """Holds out against a cancellation, longer than its grace if need be."""

    seconds: float
    begun: trio.Event

    @on(Order)
    async def hold(self, frame: Order) -> None:
        self.begun.set()
        with trio.CancelScope(shield=True):
            await trio.sleep(self.seconds)


def test_a_cancelled_task_ends_its_session_and_is_cancelled_when_that_has_ended(run: Run) -> None:
    reasons: list[str | None] = []

    async def call(begun: trio.Event) -> None:
        try:
            async with open_session(Pipeline(Holds(0.05, begun), HearsCancel(reasons.append))) as session:
                await session.push(Order("a"))
                await asyncio.Event().wait()
        finally:
            assert session.outcome == "cancelled"

    async def main() -> None:
        begun = trio.Event()
        task = asyncio.create_task(call(begun))
        await until(begun.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main)
    assert reasons == ["CancelledError"]


def test_more_cancellations_while_the_session_ends_change_nothing(run: Run) -> None:
    async def call(begun: trio.Event) -> None:
        try:
            async with open_session(Pipeline(Holds(0.05, begun))) as session:
                await session.push(Order("a"))
                await until(begun.is_set)
        finally:
            assert session.outcome == "cancelled"

    async def main() -> None:
        begun = trio.Event()
        task = asyncio.create_task(call(begun))
        await until(begun.is_set)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.005)
        assert task.cancelled()

    run(main)


@pytest.mark.parametrize("turns", range(12))
def test_a_task_may_be_cancelled_at_any_turn_of_the_loop(turns: int, run: Run) -> None:
    sessions: list[antiphon.aio.Session] = []

    async def call() -> None:
        async with open_session(Pipeline(Passes(), Waits())) as session:
            sessions.append(session)
            await session.push(Order("a"))
            await session.cancel()

    async def main() -> bool:
        task = asyncio.create_task(call())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert not trio.lowlevel.in_trio_run()
        return task.cancelled()

    assert run(main) or sessions
    assert all(session.outcome == "cancelled" for session in sessions)


def test_time_outs_and_task_groups_around_a_session_end_it_and_inside_it_they_do_not(run: Run) -> None:
    async def call() -> None:
        async with open_session(Pipeline(Passes())) as session:
            output = session.output
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(output)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.wait(), 0.01)
            async with asyncio.TaskGroup() as group:
                group.create_task(session.push(Note("a")))
                assert texts([await anext(output)]) == ["a"]
            await asyncio.Event().wait()

    async def fail() -> None:
        await asyncio.sleep(0.05)
        raise LookupError("enough")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(), 0.05)
        with pytest.raises(ExceptionGroup) as group:
            await together(call(), fail())
        assert [type(error) for error in group.value.exceptions] == [LookupError]

    run(main)


# ---- a session that fails


async def fails(after: Callable[[], Awaitable[object]]) -> None:
    async with open_session(breaks()) as session:
        await session.push(Order("a"))
        await after()


async def for_ever() -> None:
    await asyncio.Event().wait()


async def swallow() -> None:
    with suppress(asyncio.CancelledError):
        await for_ever()


async def raise_meanwhile() -> None:
    try:
        await for_ever()
    finally:
        raise LookupError("enough")


async def nothing() -> None: ...


@pytest.mark.parametrize("after", [for_ever, swallow, nothing])
def test_a_session_that_fails_cancels_its_block_and_raises_the_story(
    after: Callable[[], Awaitable[object]], run: Run
) -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as group:
            await fails(after)
        assert "actor 'breaks'" in str(group.value)
        assert group.value.subgroup(OSError) is not None
        task = asyncio.current_task()
        assert task is not None and task.cancelling() == 0
        await asyncio.sleep(0)

    run(main)


def test_what_the_block_raises_when_its_session_fails_is_raised_beside_the_story(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as group:
            await fails(raise_meanwhile)
        assert group.value.subgroup(OSError) is not None
        assert group.value.subgroup(LookupError) is not None

    run(main)


def test_a_task_group_around_a_session_that_fails_gets_the_story(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as group:
            await together(fails(for_ever), for_ever())
        assert group.value.subgroup(OSError) is not None

    run(main)


def test_a_time_out_in_which_a_session_fails_does_not_hide_the_story(run: Run) -> None:
    async def main() -> None:
        async def let_it_expire() -> None:
            try:
                await for_ever()
            finally:
                timeout.reschedule(asyncio.get_running_loop().time())
                await for_ever()

        with pytest.raises(ExceptionGroup) as group:
            async with asyncio.timeout(None) as timeout:
                await fails(let_it_expire)
        assert timeout.expired()
        assert group.value.subgroup(OSError) is not None

    run(main)


# ---- one guest run a thread


def test_sessions_of_a_thread_share_one_trio_run_which_ends_with_the_last(run: Run) -> None:
    tokens: list[trio.lowlevel.TrioToken] = []

    @actor
    class Tells(Actor):
        """Tells in which Trio run it is."""

        @on(StartFrame)
        def tell(self, frame: StartFrame) -> None:
            tokens.append(trio.lowlevel.current_trio_token())

    async def main() -> None:
        first, second = open_session(Pipeline(Tells())), open_session(Pipeline(Tells()))
        await first.__aenter__()
        await second.__aenter__()
        await first.__aexit__(None, None, None)
        assert trio.lowlevel.in_trio_run()
        await second.__aexit__(None, None, None)
        assert not trio.lowlevel.in_trio_run()
        async with open_session(Pipeline(Tells())):
            assert trio.lowlevel.in_trio_run()

    run(main)
    assert tokens[0] is tokens[1]
    assert tokens[0] is not tokens[2]


def test_one_loop_after_the_other_may_have_sessions_in_one_thread() -> None:
    async def main() -> list[str]:
        async with open_session(Pipeline(Passes())) as session:
            output = session.output
            await session.push(Note("a"))
            return texts([await anext(output)])

    assert [asyncio.run(main()), uvloop.run(main()), asyncio.run(main())] == [["a"]] * 3


def test_a_session_may_begin_at_any_turn_of_the_loop_while_the_last_one_ends(run: Run) -> None:
    async def call() -> object:
        async with open_session(Pipeline(Passes())) as session:
            await session.push(Note("a"))
        return session.outcome

    async def main() -> list[object]:
        outcomes: list[object] = []
        for turns in range(30):
            before = asyncio.create_task(call())
            for _ in range(turns):
                await asyncio.sleep(0)
            outcomes += [await call(), await before]
        return outcomes

    assert run(main) == ["ended"] * 60


def test_hundreds_of_sessions_run_beside_each_other(run: Run) -> None:
    async def call(number: int) -> bool:
        async with open_session(Pipeline(Counts(), Passes())) as session:
            output = session.output
            heard: list[str] = []
            for round_ in range(5):
                await session.push(Note(f"{number}/{round_}"))
                heard += texts([await anext(output)])
                await asyncio.sleep(0)
            return heard == [f"{number}/{round_}" for round_ in range(5)]

    async def main() -> list[bool]:
        return await asyncio.gather(*map(call, range(200)))

    assert all(run(main))


def test_each_thread_has_a_guest_of_its_own(run: Run) -> None:
    heard: list[list[str]] = []

    async def main() -> None:
        async with open_session(Pipeline(Passes())) as session:
            output = session.output
            await session.push(Note("a"))
            other.start()
            heard.append(texts([await anext(output)]))
            await asyncio.to_thread(other.join)

    async def beside() -> None:
        async with open_session(Pipeline(Passes())) as session:
            output = session.output
            await session.push(Note("b"))
            heard.append(texts([await anext(output)]))

    other = threading.Thread(target=run, args=[beside])
    run(main)
    assert sorted(heard) == [["a"], ["b"]]


def test_a_session_whose_block_nobody_leaves_ends_with_the_program(run: Run) -> None:
    blocks: list[AbstractAsyncContextManager[antiphon.aio.Session]] = []

    async def main() -> antiphon.aio.Session:
        blocks.append(open_session(Pipeline(Waits())))
        session = await blocks[0].__aenter__()
        await session.push(Order("a"))
        return session

    assert run(main).outcome == "cancelled"


def test_a_second_loop_in_the_middle_of_a_session_of_the_first_is_told_so() -> None:
    async def main() -> None:
        async with open_session(Pipeline(Passes())):
            raise AssertionError("the block began")

    async def begin() -> AbstractAsyncContextManager[antiphon.aio.Session]:
        block = open_session(Pipeline(Passes()))
        await block.__aenter__()
        return block

    async def leave() -> None:
        await block.__aexit__(None, None, None)

    with asyncio.Runner() as first:
        block = first.run(begin())
        with pytest.raises(RuntimeError, match="another asyncio loop of this thread has sessions"):
            asyncio.run(main())
        first.run(leave())


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "dropped"])
def test_a_session_in_a_generator_that_is_not_read_to_its_end_is_cancelled(is_closed: bool, run: Run) -> None:
    reasons: list[str | None] = []

    async def heard() -> AsyncGenerator[Frame]:
        async with open_session(Pipeline(HearsCancel(reasons.append), Passes())) as session:
            output = session.output
            await session.push(Note("a"))
            async for frame in output:
                yield frame

    async def main() -> None:
        frames = heard()
        assert texts([await anext(frames)]) == ["a"]
        if is_closed:
            await frames.aclose()
        else:
            del frames
            gc.collect()
        await until(lambda: not trio.lowlevel.in_trio_run())

    run(main)
    assert reasons == ["GeneratorExit"]


@pytest.mark.parametrize("factory", LOOPS.values(), ids=LOOPS)
def test_a_loop_that_is_closed_in_the_middle_leaves_nothing_for_the_next(
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    recorder = TraceRecorder()
    left: list[str] = []

    @actor
    class Leaves(Actor):
        """Tells when its lifespan is left."""

        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            yield
            left.append("left")

    async def main() -> str:
        async with open_session(Pipeline(Passes())):
            assert left == ["left"]
            return "next"

    async def abandoned() -> None:
        block = open_session(Pipeline(Waits(), Leaves()), observers=[recorder])
        session = await block.__aenter__()
        kept.append(block)
        await session.push(Order("a"))

    kept: list[object] = []
    loop = factory()
    loop.run_until_complete(abandoned())
    loop.close()
    assert asyncio.run(main()) == "next"
    kept.clear()


# ---- programs and signals

TOP = """
import asyncio
import sys
import uvloop
from contextlib import asynccontextmanager

import antiphon
from antiphon import Actor, Pipeline, actor


@actor
class Leaves(Actor):
    \"\"\"Tells this test when it has gone.\"\"\"

    @asynccontextmanager
    async def lifespan(self):
        yield
        print("left", flush=True)


async def main():
    async with antiphon.aio.open_session(Pipeline(Leaves())) as session:
        asyncio.get_running_loop().call_later(0.05, print, "ready")
        await session.wait()
"""


def interrupted(source: str) -> tuple[str, str]:
    """What a program prints when SIGINT comes while its session runs and nothing happens; and its errors."""
    argv = [sys.executable, "-u", "-X", "dev", "-c", TOP + textwrap.dedent(source)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
            program.send_signal(signal.SIGINT)
            return program.communicate(timeout=30)
        finally:
            program.kill()


@pytest.mark.parametrize("module", ["asyncio", "uvloop"])
def test_an_interrupt_from_the_keyboard_ends_the_program_and_its_session_cleanly(module: str) -> None:
    out, err = interrupted(f"""
    try:
        {module}.run(main())
    except KeyboardInterrupt:
        print("interrupted")
    """)
    assert (out, err) == ("left\ninterrupted\n", "")


def test_where_nobody_takes_the_signal_trio_does_and_the_session_ends_before_it_is_raised() -> None:
    out, err = interrupted("""
    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    try:
        loop.run_until_complete(task)
    except KeyboardInterrupt:
        print("interrupted")
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        print("cancelled")
    loop.close()
    """)
    assert (out, err) == ("left\ninterrupted\ncancelled\n", "")

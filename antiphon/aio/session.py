"""One conversation inside an asyncio program: the session lives in Trio, its block is asyncio's.

1. What needn't wait is done at once, on asyncio's side; Trio's loop is only woken where somebody waits in it.
2. Cancellations and failures cross both ways, but never as the other side's: Trio sees no `CancelledError`, asyncio no
   `trio.Cancelled`.
3. Whatever happens in the block, it is left when the session has ended, which the graces bound.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, cast

import trio

from .. import actors
from ..actors import Address, CellStatistics, Door, Observer, OnFailure, Pipeline
from ..channels import CancelFrame, Direction, EndFrame, Frame
from ._guest_run import GuestRun, join_guest_run

__all__ = ["Session", "Stream", "open_session"]


class Stream:
    """What leaves a session at one end: `async for frame in session.output`. Lifecycle frames aren't in it. Made by a
    session.

    Each frame goes to one reader. A reader that is cancelled while it waits has taken nothing.
    """

    def __init__(self, session: actors.Session, stream: actors.Stream) -> None:
        self._session = session
        self._stream = stream
        self._readers: deque[asyncio.Future[None]] = deque()
        stream.tell_of_arrivals(self._wake_one)

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        await give_way(self._session)  # before: once a frame is taken, no cancellation may come between
        while (frame := self._stream.take()) is None:
            if self._session.outcome is not None:
                raise StopAsyncIteration
            await self._arrival()
        return frame

    async def _arrival(self) -> None:
        reader = asyncio.get_running_loop().create_future()
        self._readers.append(reader)
        try:
            await reader
        except asyncio.CancelledError:
            if reader in self._readers:
                self._readers.remove(reader)
            else:
                self._wake_one()  # woken and cancelled: what arrived is for another one
            raise

    def _wake_one(self) -> None:
        while self._readers:
            reader = self._readers.popleft()
            if not (reader.done() or reader.get_loop().is_closed()):
                reader.set_result(None)
                break

    def wake_all(self) -> None:
        while self._readers:
            self._wake_one()


class Session:
    """A running pipeline, as `antiphon.Session`, for the tasks of an asyncio program. Made by `open_session`."""

    def __init__(self, guest: GuestRun) -> None:
        self._guest = guest
        self._session: actors.Session
        self._streams: dict[Direction, Stream] = {}
        self._block: _Block | None = _Block()
        self._opened: asyncio.Future[None] = guest.loop.create_future()
        self._closed: asyncio.Future[None] = guest.loop.create_future()
        self._failure: BaseException | None = None

    # ---- what a program calls

    @property
    def name(self) -> str | None:
        """As it was given to `open_session`."""
        return self._session.name

    @property
    def outcome(self) -> Literal["ended", "cancelled"] | BaseException | None:
        """How it ended: `"ended"`, `"cancelled"` or what it failed with; None while it runs."""
        return self._session.outcome

    async def push(self, frame: Frame, direction: Direction = "down") -> None:
        """Bring a frame in: at the head, going downstream, or at the end, going upstream.

        Waits while the first actor's ordered lane is full; cancelled then, the frame is in the lane already. Idle
        actors with plain handlers have handled it when this returns. EndFrame, CancelFrame and InterruptionFrame do
        what they say and aren't waited for.
        Raises `TypeError` for what isn't a frame, `trio.ClosedResourceError` when the session has ended.
        """
        full = self._session.put(frame, direction)
        for mailbox in full:
            await self._guest.wait(mailbox.wait_for_room)
        if not full:
            await give_way(self._session)

    async def send(self, address: Address, message: object) -> None:
        """Send a message to an actor: into its system lane, never refused. An unknown address is reported to
        observers as a drop.

        Raises `TypeError` for what is no address or no message, `trio.ClosedResourceError` when the session has ended.
        """
        self._session.post(address, message)
        await give_way(self._session)

    async def end(self, reason: str | None = None) -> None:
        """End when everything queued so far has been handled. Returns when the session has ended; cancelled while it
        waits, the end goes on.
        """
        self._session.begin_end(EndFrame(reason))
        await self.wait()

    async def cancel(self, reason: str | None = None) -> None:
        """End now; what is queued is dropped. Returns when the session has ended, within the sum of the actors'
        graces.
        """
        self._session.begin_cancel(CancelFrame(reason))
        await self.wait()

    async def wait(self) -> None:
        """Wait until the session has ended, by whomever."""
        await asyncio.wait((self._closed,))

    async def flush_pipeline(self, timeout: float = 5.0) -> bool:
        """Wait until all is done that was queued before, and all that this has caused upstream: a probe goes down, up and down
        again. True then; False when nothing has got on for `timeout` seconds (no ordered frame, and the bot doesn't speak),
        and as soon as the session has ended.

        What handlers of system frames and tasks still do isn't waited for. Of several branches the slowest counts.
        Raises `trio.ClosedResourceError` when the session has ended, `ValueError` for a timeout that isn't above 0.
        """
        flush = self._session.begin_flush(timeout)
        try:
            await self._guest.wait(flush.wait)
        finally:
            self._session.end_flush(flush)
        return flush.is_drained

    def interrupt(self) -> None:
        """Begin the next epoch: everything interruptible is cut and dropped, in one step."""
        self._session.interrupt()

    @property
    def output(self) -> Stream:
        """What leaves at the end. Once asked for, it must be read: at most 64 ordered frames wait, then the pipeline
        slows down.
        """
        return self._stream("down")

    @property
    def upstream(self) -> Stream:
        """What leaves at the head, going upstream."""
        return self._stream("up")

    def statistics(self) -> Mapping[Address, CellStatistics]:
        """For each address: busy since when and with what, and what waits there."""
        return self._session.statistics()

    def durable(self, address: Address) -> Mapping[str, Any]:
        """The durable values of an actor. Raises `KeyError` for an unknown address."""
        return self._session.durable(address)

    # ---- what the runtime calls

    async def open(self, opened: AbstractAsyncContextManager[actors.Session]) -> None:
        """Open the session in Trio. Raises what that raises; cancelled meanwhile, the session has been cancelled."""
        self._guest.nursery.start_soon(self._live, opened)
        try:
            await self._guest.until(self._opened)
        except asyncio.CancelledError:
            if not self._closed.done():
                self._session.begin_cancel(CancelFrame("CancelledError"))
                await self._guest.until(self._closed)
            raise
        if self._failure is not None:
            raise self._failure

    async def close(self, raised: BaseException | None) -> BaseException | None:
        """The block has been left, with what it raised: end the session. Returns what is to be raised."""
        session, block = self._session, self._block
        assert block is not None
        self._block = None
        if raised is not None:
            session.begin_cancel(CancelFrame(type(raised).__name__))
        elif session.outcome is None:
            session.begin_end(EndFrame())
        try:
            await self._guest.until(self._closed, lambda: session.begin_cancel(CancelFrame("CancelledError")))
        except asyncio.CancelledError as error:
            raised = raised or error
        failure = self._failure
        if failure is None:
            return raised
        if block.uncancel() and isinstance(raised, asyncio.CancelledError):
            raised = None
        if isinstance(raised, Exception):
            return BaseExceptionGroup(str(failure), [raised, failure])
        if raised is None or isinstance(raised, asyncio.CancelledError):
            return failure
        raised.__cause__ = failure
        return raised

    async def _live(self, opened: AbstractAsyncContextManager[actors.Session]) -> None:
        """In Trio: the session, from beginning to end."""
        try:
            async with opened as self._session:
                self._guest.settle(self._opened)
                await self._session.wait()
        except BaseException as error:
            self._has_closed(error)
            if contains_cancelled(error):
                raise
        else:
            self._has_closed(None)

    def _has_closed(self, failure: BaseException | None) -> None:
        self._failure = None if contains_cancelled(failure) else failure
        for stream in self._streams.values():
            stream.wake_all()
        if failure is not None and self._block is not None and self._opened.done():
            self._block.cancel()
        self._guest.settle(self._closed)
        self._guest.settle(self._opened)

    def _stream(self, direction: Direction) -> Stream:
        if direction not in self._streams:
            stream = self._session.output if direction == "down" else self._session.upstream
            self._streams[direction] = Stream(self._session, stream)
        return self._streams[direction]


class _Block:
    """The task that runs a session's block."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.is_cancelled = False
        """Whether the session has failed, so that there is nothing left to do in its block."""
        self._task = task
        self._cancelling = task.cancelling()

    def cancel(self) -> None:
        if not self._task.get_loop().is_closed():
            self.is_cancelled = self._task.cancel("the session has failed")

    def uncancel(self) -> bool:
        """Take that back. Whether nobody else has cancelled the task."""
        return self.is_cancelled and self._task.uncancel() <= self._cancelling


@asynccontextmanager
async def open_session(
    pipeline: Pipeline,
    *,
    name: str | None = None,
    sample_rates: tuple[int, int] = (16000, 24000),
    outside: Door | None = None,
    observers: Iterable[Observer] = (),
    direct: bool = True,
    seed: int | str | None = None,
    on_failure: OnFailure = "end",
    idle_timeout: float | None = None,
    stall_timeout: float | None = 5.0,
    heartbeat: float | None = None,
    setup_timeout: float | None = 20.0,
    start_timeout: float | None = 20.0,
    enable_metrics: bool = False,
    enable_usage_metrics: bool = False,
    report_only_initial_ttfb: bool = False,
) -> AsyncGenerator[Session]:
    """Bring a pipeline to life in an asyncio program; leaving the block ends it, an exception or a cancellation cancels
    it. Arguments are those of `antiphon.open_session`.

    Trio runs as a guest of the running loop, one for all sessions of the thread, from the first one's beginning to the
    last one's end. In any case the session has ended when the block is left, within the graces of its actors; then
    `CancelledError` goes on.
    Raises `ConfigurationError` for a pipeline that can't work, `RuntimeError` in a thread that runs Trio itself, and
    one `ExceptionGroup` with the whole story when an actor's failure couldn't be held; the block is cancelled then.
    """
    # No context manager around it: a loop that ends closes all async generators at once, and two in each other's way.
    guest = await join_guest_run()
    try:
        session = Session(guest)
        await session.open(
            actors.open_session(
                pipeline,
                name=name,
                sample_rates=sample_rates,
                outside=outside,
                observers=observers,
                direct=direct,
                seed=seed,
                on_failure=on_failure,
                idle_timeout=idle_timeout,
                stall_timeout=stall_timeout,
                heartbeat=heartbeat,
                setup_timeout=setup_timeout,
                start_timeout=start_timeout,
                enable_metrics=enable_metrics,
                enable_usage_metrics=enable_usage_metrics,
                report_only_initial_ttfb=report_only_initial_ttfb,
            )
        )
        raised: BaseException | None = None
        try:
            yield session
        except BaseException as error:
            raised = error
        if (left := await session.close(raised)) is not None:
            raise left
    finally:
        await guest.leave()


async def give_way(session: actors.Session) -> None:
    """Let others have the loop, if it is their turn."""
    if session.dispatcher.is_turn_over:
        session.dispatcher.begin_turn()
        await asyncio.sleep(0)


def contains_cancelled(error: BaseException | None) -> bool:
    """Whether it is, or holds, Trio's way of cancelling, which must get back to where it came from."""
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).subgroup(trio.Cancelled) is not None
    return isinstance(error, trio.Cancelled)

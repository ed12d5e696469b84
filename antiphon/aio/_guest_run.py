"""The Trio run of a thread in which asyncio has the loop: its guest, for as long as somebody uses it.

1. Both loops take turns in one thread. So what Trio calls sync may be called from asyncio's side, at any time but from
   inside a step of Trio's, and nothing here needs a lock.
2. Whoever uses the guest last ends it and waits for that: nothing of it is left for the thread's next loop. Should a
   loop be closed in the middle all the same, the next user drives its guest to the end first.
3. What asyncio's side waits for here is sure to come. A cancellation meanwhile is passed on, and raised when it has come.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Awaitable, Callable

import trio

__all__ = ["GuestRun", "join_guest_run"]


class GuestRun:
    """One run of Trio inside an asyncio loop. Made by `join_guest_run`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.users = 0
        self.nursery: trio.Nursery
        """There once the run is ready."""
        self.is_stopping = False
        self._stop = trio.Event()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._is_over = False
        # At most one step waits at any time. It is kept here, so that it isn't lost with a loop that is closed.
        self._steps: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._soon_from_a_thread,
            run_sync_soon_not_threadsafe=self._soon,
            done_callback=lambda result: self._ended(result.unwrap),
            host_uses_signal_set_wakeup_fd=True,
        )

    async def ready(self) -> None:
        """Wait until the nursery is open."""
        await self.until(self._ready)

    async def leave(self) -> None:
        """Use it no more. The last one to leave waits for its end."""
        self.users -= 1
        if not self.users:
            await self.stop()

    async def stop(self) -> None:
        """End the run, with all that is still in it, and wait for that."""
        self._begin_stop()
        await self.until(self._over)

    async def wait(self, until: Callable[[], Awaitable[None]]) -> None:
        """Wait, in Trio, until an async function returns that raises nothing. Cancelled, it is cancelled."""
        done: asyncio.Future[None] = self.loop.create_future()
        scope = trio.CancelScope()

        async def waiting() -> None:
            try:
                with scope:
                    await until()
            finally:
                self.settle(done)

        self.nursery.start_soon(waiting)
        await self.until(done, scope.cancel)

    async def until(self, done: asyncio.Future[None], when_cancelled: Callable[[], object] = lambda: None) -> None:
        """Wait for what is sure to come, or for the end of the whole run. Cancelled meanwhile: calls `when_cancelled`,
        waits on, and raises the cancellation afterwards.
        """
        cancelled: asyncio.CancelledError | None = None
        # Where the loop is closed, nobody can wait: the coroutine is being thrown away.
        while not (done.done() or self._is_over or self.loop.is_closed()):
            try:
                await asyncio.wait((done, self._over), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError as error:
                cancelled = error
                when_cancelled()
        if cancelled is not None:
            raise cancelled
        if self._is_over and not done.done() and not self.loop.is_closed():
            raise RuntimeError(
                "antiphon.aio: the Trio run of this thread has crashed; the loop's exception handler was told how"
            )

    def settle(self, done: asyncio.Future[None]) -> None:
        """Tell asyncio's side, if there is still one."""
        if not (done.done() or self.loop.is_closed()):
            done.set_result(None)

    def finish(self) -> None:
        """Drive the run to its end without its loop, which has been closed in the middle."""
        hooks = sys.get_asyncgen_hooks()  # Trio puts back those of the closed loop
        self._begin_stop()
        while not self._is_over:
            self._steps.get()()
        sys.set_asyncgen_hooks(*hooks)

    async def _main(self) -> None:
        interrupted: KeyboardInterrupt | None = None
        async with trio.open_nursery() as self.nursery:
            self.settle(self._ready)
            try:
                await self._stop.wait()
            except KeyboardInterrupt as error:  # Trio's own handler of SIGINT, where asyncio has none
                self.is_stopping = True
                interrupted = error
            self.nursery.cancel_scope.cancel()
        if interrupted is not None:
            raise interrupted

    def _begin_stop(self) -> None:
        self.is_stopping = True
        self._stop.set()

    def _ended(self, unwrap: Callable[[], None]) -> None:
        self._is_over = True
        _of_thread.guest = None
        self.settle(self._over)
        unwrap()  # a KeyboardInterrupt passes through asyncio's loop; anything else is our bug, and the loop tells it

    def _soon(self, step: Callable[[], object]) -> None:
        self._steps.put(step)
        if not self.loop.is_closed():
            self.loop.call_soon(self._step)

    def _soon_from_a_thread(self, step: Callable[[], object]) -> None:
        self._steps.put(step)
        try:
            self.loop.call_soon_threadsafe(self._step)
        except RuntimeError:
            if not self.loop.is_closed():
                raise

    def _step(self) -> None:
        self._steps.get_nowait()()


class _OfThread(threading.local):
    """What belongs to one thread, as a Trio run does."""

    guest: GuestRun | None = None


_of_thread = _OfThread()


async def join_guest_run() -> GuestRun:
    """The guest run of this thread, which begins with its first user. Whoever has joined must leave.

    Raises `RuntimeError` where another Trio run has the thread, or the guest of another loop.
    """
    loop = asyncio.get_running_loop()
    while (guest := _of_thread.guest) is not None and (guest.is_stopping or guest.loop is not loop):
        if guest.loop is loop:
            await guest.stop()
        elif guest.loop.is_closed():
            guest.finish()
        else:
            raise RuntimeError(
                "antiphon.aio: another asyncio loop of this thread has sessions that haven't ended. Leave their blocks first."
            )
    if guest is None:
        if trio.lowlevel.in_trio_run():
            raise RuntimeError(
                "antiphon.aio: this thread belongs to a Trio run already. In a Trio program write antiphon.open_session."
            )
        guest = _of_thread.guest = GuestRun(loop)
    guest.users += 1
    try:
        await guest.ready()
    except asyncio.CancelledError:
        await guest.leave()
        raise
    return guest

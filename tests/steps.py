"""A Trio program that plain code drives step by step: between two steps every task waits."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable

import attrs
import trio
import trio.testing

__all__ = ["Call", "Steps"]


@attrs.define(eq=False)
class Call:
    """One call of an async function in a task of its own."""

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, repr=False)
    has_ended: bool = False
    value: object = None
    error: Exception | None = None
    """What it raised."""
    was_cancelled: bool = False


class Steps:
    """The program. `close()` ends it."""

    def __init__(self) -> None:
        self._due: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._has_ended = False
        self._nursery: trio.Nursery | None = None
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._due.put,
            done_callback=self._end,
            host_uses_signal_set_wakeup_fd=True,
            clock=trio.testing.MockClock(),
        )
        self._go_on_until(lambda: self._nursery is not None)

    def start(self, run: Callable[..., Awaitable[object]], *arguments: object) -> Call:
        """Begin a call, and let all tasks go on until each has ended or waits."""
        call = Call()

        async def body() -> None:
            with call.scope:
                try:
                    call.value = await run(*arguments)
                except Exception as error:
                    call.error = error
            call.was_cancelled = call.scope.cancelled_caught
            call.has_ended = True

        assert self._nursery is not None
        self._nursery.start_soon(body)
        self.settle()
        return call

    def cancel(self, call: Call) -> None:
        """Cancel a call, and let all go on until each has ended or waits."""
        call.scope.cancel()
        self.settle()

    def settle(self) -> None:
        """Let all tasks go on until each has ended or waits."""
        settled: list[bool] = []

        async def rest() -> None:
            await trio.testing.wait_all_tasks_blocked()
            settled.append(True)

        assert self._nursery is not None
        self._nursery.start_soon(rest)
        self._go_on_until(lambda: bool(settled))

    def close(self) -> None:
        """End the program, cancelling what still waits."""
        assert self._nursery is not None
        self._nursery.cancel_scope.cancel()
        self._go_on_until(lambda: self._has_ended)

    async def _main(self) -> None:
        async with trio.open_nursery() as self._nursery:
            await trio.sleep_forever()

    def _end(self, outcome: object) -> None:
        self._has_ended = True

    def _go_on_until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._due.get(timeout=10)()

"""Frames counted at the far end of a pipeline on Trio."""

import attrs
import trio

__all__ = ["Arrivals"]


@attrs.define(eq=False)
class Arrivals:
    """Who waits for a frame is parked and woken, the cheapest way that Trio has."""

    count: int = 0
    _due: int = 0
    _waiter: trio.lowlevel.Task | None = None

    def arrived(self) -> None:
        self.count += 1
        if self._waiter is not None and self.count >= self._due:
            waiter, self._waiter = self._waiter, None
            trio.lowlevel.reschedule(waiter)

    async def until(self, due: int) -> None:
        if self.count < due:
            self._due, self._waiter = due, trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._forget)

    async def turn(self) -> None:
        await trio.lowlevel.checkpoint()

    def _forget(self, _: object) -> trio.lowlevel.Abort:
        self._waiter = None
        return trio.lowlevel.Abort.SUCCEEDED

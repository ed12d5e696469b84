"""Frames counted at the far end of a pipeline on asyncio or uvloop."""

import asyncio

import attrs

__all__ = ["Arrivals"]


@attrs.define(eq=False)
class Arrivals:
    """Who waits for a frame awaits a bare future, the cheapest way that asyncio has."""

    count: int = 0
    _due: int = 0
    _waiter: asyncio.Future[None] | None = None

    def arrived(self) -> None:
        self.count += 1
        if self._waiter is not None and self.count >= self._due:
            waiter, self._waiter = self._waiter, None
            waiter.set_result(None)

    async def until(self, due: int) -> None:
        if self.count < due:
            self._due, self._waiter = due, asyncio.get_running_loop().create_future()
            await self._waiter

    async def turn(self) -> None:
        await asyncio.sleep(0)

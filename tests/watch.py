"""An observer that a test in real time can wait on: it never sleeps, and what never happens fails after a minute."""

from __future__ import annotations

from collections.abc import Callable

import trio

from antiphon.actors import Delivery, Dropped, Failure, Restart, Stall
from antiphon.scenarios import TraceRecorder

__all__ = ["Watch"]


class Watch(TraceRecorder):
    """Keeps everything, and wakes whoever waits at each event."""

    def __init__(self) -> None:
        super().__init__()
        self._news = trio.lowlevel.ParkingLot()

    async def until(self, is_so: Callable[[], bool], *, within: float = 60.0) -> None:
        """Wait until it is so. Raises `trio.TooSlowError` when that takes too long, of the clock that runs."""
        with trio.fail_after(within):
            while not is_so():
                await self._news.park()

    def delivered(self, delivery: Delivery) -> None:
        super().delivered(delivery)
        self._news.unpark_all()

    def dropped(self, dropped: Dropped) -> None:
        super().dropped(dropped)
        self._news.unpark_all()

    def failed(self, failure: Failure) -> None:
        super().failed(failure)
        self._news.unpark_all()

    def restarted(self, restart: Restart) -> None:
        super().restarted(restart)
        self._news.unpark_all()

    def stalled(self, stall: Stall) -> None:
        super().stalled(stall)
        self._news.unpark_all()

    def ended(self, outcome: object) -> None:
        super().ended(outcome)
        self._news.unpark_all()

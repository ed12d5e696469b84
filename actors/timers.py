"""All timers of a session: one heap, one task. A timer is an actor's own message that comes later."""

from __future__ import annotations

import heapq
import math
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .cell import Cell


class Timer:
    """One armed message. Equal deadlines fire in order of arming."""

    __slots__ = ("cell", "deadline", "message", "number")

    def __init__(self, deadline: float, number: int, cell: Cell | None, message: object) -> None:
        self.deadline = deadline
        self.number = number
        self.cell = cell
        self.message = message

    def __lt__(self, other: Timer) -> bool:
        return (self.deadline, self.number) < (other.deadline, other.number)


class Timers:
    """`spawn` starts the task when the first timer is armed; it sleeps until the next deadline, for ever when there
    is none.
    """

    def __init__(self, spawn: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        self._spawn = spawn
        self._heap: list[Timer] = []
        self._numbers = count()
        self._scope: trio.CancelScope | None = None
        self._runs = False

    def arm(self, deadline: float, cell: Cell, message: object) -> Timer:
        timer = Timer(deadline, next(self._numbers), cell, message)
        heapq.heappush(self._heap, timer)
        if not self._runs:
            self._runs = True
            self._spawn(self._run)
        if self._heap[0] is timer:
            self._aim()
        return timer

    def disarm(self, timer: Timer) -> None:
        timer.cell = None
        if self._heap and self._heap[0] is timer:
            self._aim()

    def _aim(self) -> None:
        # A dead timer in front would wake the task, and in virtual time move the clock, for nothing.
        while self._heap and self._heap[0].cell is None:
            heapq.heappop(self._heap)
        if self._scope is not None:
            self._scope.deadline = self._heap[0].deadline if self._heap else math.inf

    async def _run(self) -> None:
        while True:
            with trio.CancelScope() as self._scope:
                self._aim()
                await trio.sleep_forever()
            self._scope = None
            now = trio.current_time()
            while self._heap and self._heap[0].deadline <= now:
                timer = heapq.heappop(self._heap)
                if timer.cell is not None:
                    timer.cell.fire(timer.message)

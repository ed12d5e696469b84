"""The tasks of one incarnation: what it started itself, and its async handlers. Each can be cut by itself; none outlives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import trio

from .last_resort import was_killed

if TYPE_CHECKING:
    from .cell import Cell
    from .hand import Hand


class Task:
    """One task, known before it runs, so that it can be cut at any time."""

    __slots__ = ("hand", "in_handler", "interruptible", "scope", "task")

    def __init__(self, hand: Hand | None = None, *, interruptible: bool = False, in_handler: bool = False) -> None:
        self.scope = trio.CancelScope()
        self.hand = hand
        self.interruptible = interruptible
        self.in_handler = in_handler
        self.task: trio.lowlevel.Task | None = None
        """Once it runs."""


class Tasks:
    """All tasks of a cell's incarnation. They run in the session's nursery: what they raise fails the actor, not it."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._running: set[Task] = set()
        self.hands: set[Hand] = set()
        """Async handlers that were settled before they had unwound."""
        self._ended = trio.lowlevel.ParkingLot()
        self._is_awaited = False

    @property
    def has_handlers_own(self) -> bool:
        """Whether a task runs that a handler started."""
        return any(task.in_handler for task in self._running)

    def spawn(self, run: Callable[[], Awaitable[None]], task: Task) -> None:
        self._running.add(task)
        self._cell.session.spawn(self._run, run, task)

    async def _run(self, run: Callable[[], Awaitable[None]], task: Task) -> None:
        cell = self._cell
        actor = cell.actor
        task.task = trio.lowlevel.current_task()
        try:
            with task.scope:
                await run()
        except Exception as error:
            if actor is cell.actor:
                cell.fail(error)
        except BaseException as error:
            if not was_killed(error):
                raise
        finally:
            self._running.discard(task)
            self.one_ended()
            if task.in_handler:
                cell.patience.note_progress()
                if not cell.is_down:
                    cell.dispatcher.schedule(cell)
                    cell.dispatcher.drain()

    def one_ended(self) -> None:
        if self._is_awaited and not (self._running or self.hands):
            self._ended.unpark_all()

    def cut_all(self) -> None:
        for task in tuple(self._running):
            if task.hand is not None:
                task.hand.cut = True
            task.scope.cancel()
        for hand in tuple(self.hands):
            hand.scope.cancel()

    def cut_interruptible(self, by: Hand | None) -> None:
        """Cut what an interruption cuts; not the task that began it."""
        for task in tuple(self._running):
            if task.interruptible and (task.hand is None or task.hand is not by):
                if task.hand is not None:
                    task.hand.cut = True
                task.scope.cancel()

    async def all_ended(self) -> None:
        while self._running or self.hands:
            self._is_awaited = True
            await self._ended.park()

    def those_left(self) -> Iterator[trio.lowlevel.Task]:
        """Trio's tasks of what still runs."""
        yield from (each.task for each in self._running if each.task is not None)
        yield from (each.task for each in self.hands)

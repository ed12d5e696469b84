"""How a session begins and ends: StartFrame, EndFrame and CancelFrame, carried from actor to actor.

The session carries them itself, so no handler can stop them. Where branches part, StartFrame and EndFrame enter all;
behind them StartFrame goes on with the first that has let it out, EndFrame with the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import trio

from ..channels.frames import CancelFrame, EndFrame, Frame, StartFrame, StopFrame
from .cell import Cell, Phase
from .node import Exit, Fork, Node

if TYPE_CHECKING:
    from .session import Session


AT_LEAST = 0.001
"""Seconds that an actor has for leaving, also when its grace is over."""


class Lifecycle:
    """Of one session."""

    def __init__(self, session: Session, start: StartFrame) -> None:
        self._session = session
        self._start = start
        self._to_start: set[Cell] = set()
        self._ending: EndFrame | StopFrame | None = None
        self._graces_left = 0.0
        """What of their sum hasn't been spent on actors that got on with nothing."""
        self.is_closing = False
        """Whether actors that fail now stay down: the session is being cancelled, or its actors leave."""

    # ---- beginning

    def begin(self) -> None:
        dispatcher = self._session.dispatcher
        for cell in dispatcher.cells:
            cell.begin()
        self._session.milestones.begin(self._start)
        self.start_from(dispatcher.source.down)
        dispatcher.drain()

    def start_from(self, node: Node) -> None:
        """StartFrame comes to a node."""
        node = _present(node)
        if isinstance(node, Exit):
            self._leave(node, self._start)
            self._session.milestones.started()
        elif isinstance(node, Fork):
            if node is node.forks.top:
                for inner in node.inner:
                    self.start_from(inner)
            elif not node.forks.has_started:
                node.forks.has_started = True
                self.start_from(node.down)
        elif isinstance(node, Cell):
            node.has_started = True
            if node.phase is Phase.ENTERED:
                node.start(self._start)
            else:
                self._to_start.add(node)

    def entered(self, cell: Cell) -> None:
        """A cell's lifespan has entered: it is started when all before it are."""
        if cell.starts_after is None and (cell in self._to_start or cell.has_started):
            self._to_start.discard(cell)
            cell.start(self._start)

    # ---- ending

    @property
    def is_ending(self) -> bool:
        """Whether the session drains, or is being cancelled."""
        return self._ending is not None or self.is_closing

    def begin_end(self, frame: EndFrame | StopFrame) -> None:
        if self._ending is None and not self.is_closing:
            self._ending = frame
            for cell in self._session.dispatcher.cells:
                cell.resume()  # here already: the way to an actor may lead through a full lane of a paused one
            self._graces_left = sum(cell.grace for cell in self._session.dispatcher.cells)
            self._end_at(self._session.dispatcher.source.down, frame)

    def pass_end(self, cell: Cell, frame: EndFrame | StopFrame) -> None:
        self._end_at(cell.down, frame)

    def give_up(self, cell: Cell) -> None:
        """An actor that gets on with nothing while the session ends is ended; EndFrame goes on without it."""
        self._graces_left -= cell.grace
        cell.abandon("cancelled")  # EndFrame goes on from there, if it had come
        self._session.spawn(cell.stop, min(cell.grace, max(self._graces_left, AT_LEAST)))
        self._session.dispatcher.drain()

    def _end_at(self, node: Node, frame: EndFrame | StopFrame) -> None:
        node = _present(node)
        if isinstance(node, Exit):
            self._leave(node, frame)
            self._session.spawn(self._close_after_end, frame)
        elif isinstance(node, Fork):
            forks = node.forks
            if node is forks.top:
                forks.ends_due = len(node.inner)
                for inner in node.inner:
                    self._end_at(inner, frame)
            else:
                forks.ends_due -= 1
                if not forks.ends_due:
                    self._end_at(node.down, frame)
        elif isinstance(node, Cell):
            node.mailbox.put_ordered(self._session.envelope(frame))
            node.patience.expect_end()
            self._session.dispatcher.schedule(node)

    async def _close_after_end(self, frame: EndFrame | StopFrame) -> None:
        if not self.is_closing:
            self.is_closing = True
            await self._leave_all({}, "finished", by=trio.current_time() + self._graces_left)
            self._session.milestones.finished(frame)
            await self._session.dispatcher.events.all_heard()
            self._session.finish("ended")

    def begin_cancel(self, frame: CancelFrame) -> None:
        if not self.is_closing:
            self.is_closing = True
            self._session.spawn(self._cancel, frame)

    async def _cancel(self, frame: CancelFrame) -> None:
        cells = self._session.dispatcher.cells
        milestones = self._session.milestones
        milestones.cancelling(frame)
        for cell in cells:
            cell.silence()
        spent: dict[Cell, float] = {}
        for cell in cells:
            began = trio.current_time()
            await cell.cancel(frame)
            spent[cell] = trio.current_time() - began
        self._leave(self._session.dispatcher.sink, frame)
        milestones.cancelled()
        await self._leave_all(spent, "cancelled")
        milestones.finished(frame)
        await self._session.dispatcher.events.all_heard()
        self._session.finish("cancelled")

    async def _leave_all(
        self, spent: Mapping[Cell, float], reason: Literal["finished", "cancelled"], *, by: float = math.inf
    ) -> None:
        """Leave the lifespans in reverse order. Until its own ends, an actor still takes the messages of those
        behind it; after EndFrame, one that has failed comes back for them.
        """
        cells = self._session.dispatcher.cells
        for cell in cells:
            cell.supervisor.forget(cell)
        for cell in reversed(cells):
            grace = min(cell.grace - spent.get(cell, 0.0), by - trio.current_time())
            until = trio.current_time() + max(grace, AT_LEAST)
            if not cell.is_gone:
                cell.finish_messages()
            if cell.is_missed and reason == "finished":
                with trio.move_on_at(until):
                    await cell.supervisor.bring_back(cell)
            await cell.stop(max(until - trio.current_time(), AT_LEAST))
            if not cell.is_gone:
                cell.abandon(reason)

    def _leave(self, end: Exit, frame: Frame) -> None:
        self._session.dispatcher.left(end, self._session.envelope(frame))


def _present(node: Node) -> Node:
    """The nearest node downstream that isn't gone."""
    while isinstance(node, Cell) and node.is_gone:
        node = node.down
    return node

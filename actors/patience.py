"""How long an actor may get on with nothing while its session ends; whoever gets on with nothing longer is given up.

1. Who waits for room in another actor isn't to blame: that one is on the clock meanwhile, and is given up first.
2. What counts as getting on: a handling or a task of a handler that ends, and room that was found.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from .last_resort import moment_passes
from .node import QUEUED, Node

if TYPE_CHECKING:
    from .cell import Cell


class Patience:
    """Of one cell."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._waits_for: list[Node] = []
        """Later nodes that have no room for what it has sent."""
        self._progress = 0.0
        self._allowed = -math.inf
        self._is_watched = False
        self.end_waits = False
        """Whether EndFrame waits in the mailbox."""

    def expect_end(self) -> None:
        """EndFrame waits in the mailbox: from now on the actor must get on."""
        self.end_waits = True
        self.be_watched()

    def be_watched(self) -> None:
        """The end waits for this actor, here or in one that waits for room here."""
        cell = self._cell
        if not (self._is_watched or cell.is_gone):
            self._is_watched = True
            cell.ordered.hold |= QUEUED
            self._progress = trio.current_time()
            cell.session.spawn(self._watch)

    def forget(self) -> None:
        """It has ended, or is being cancelled."""
        self.end_waits = self._is_watched = False

    def note_progress(self) -> None:
        if self._is_watched:
            self._progress = trio.current_time()

    def allow(self, seconds: float) -> None:
        self._allowed = max(self._allowed, trio.current_time() + seconds)

    def waits(self, node: Node) -> None:
        self._waits_for.append(node)

    def has_room(self, node: Node) -> None:
        self._waits_for.remove(node)
        self._progress = trio.current_time()

    def until(self) -> float:
        """The moment until which this actor may get on with nothing."""
        others = [moment for node in self._waits_for if (moment := node.patient_until()) > -math.inf]
        if others:
            return max(others)
        # Who isn't watched yet hasn't been asked to get on before now.
        since = self._progress if self._is_watched else trio.current_time()
        return max(since, self._allowed) + self._cell.grace

    async def _watch(self) -> None:
        cell = self._cell
        while self._is_watched and not cell.is_gone:
            if not (self.end_waits or cell.mailbox.waiting_senders):
                self._is_watched = False
                if not cell.has_ended:
                    cell.ordered.hold &= ~QUEUED
                return
            for node in self._waits_for:
                node.be_watched()
            moment = self.until()
            if trio.current_time() < moment:
                await trio.sleep_until(moment)
                await moment_passes()  # who gets on at this very moment still counts
                continue
            cell.tell_stall(trio.current_time() - self._progress, cell.busy()[1], is_given_up=True)
            cell.session.lifecycle.give_up(cell)
            return

"""How far a session has come, how long its beginning may take, and the events that tell the application of both.

1. One deadline at a time, that of the next milestone; at rest there is none, so no virtual clock is moved by it.
2. Who comes at the very moment of its deadline has come in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import trio

from ..channels.credentials import masked
from ..channels.frames import CancelFrame, EndFrame, ErrorFrame, StartFrame, StopFrame
from .delivery import Event
from .effects import Address
from .last_resort import moment_passes
from .pipeline import Pipeline

if TYPE_CHECKING:
    from .cell import Cell
    from .session import Session

__all__: list[str] = []

TROUBLE = ("on_setup_timeout", "on_pipeline_timeout")
"""What is fired though nobody listens."""
CANCEL_TIMEOUT = 20.0
"""Seconds in which CancelFrame should have come out at the end. pipecat's."""


class Milestones:
    """Of one session. Bounds are in seconds, None for none."""

    def __init__(
        self, session: Session, pipeline: Pipeline, *, setup_timeout: float | None, start_timeout: float | None
    ) -> None:
        self._session = session
        self._pipeline = pipeline
        self._setup_timeout = setup_timeout
        self._start_timeout = start_timeout
        self._address = Address(pipeline.name or "pipeline")
        self._start: StartFrame
        self._cancel: CancelFrame | None = None
        """On its way."""
        self._cancel_by = math.inf
        self._entering: set[Cell] = set()
        """Whose lifespan has never entered."""
        self._has_started = False
        self._deadline = math.inf
        self._scope: trio.CancelScope | None = None

    # ---- what has been reached

    def begin(self, start: StartFrame) -> None:
        """The actors have been begun; who has no `lifespan()` has entered already."""
        self._start = start
        self._entering = {cell for cell in self._session.dispatcher.cells if cell.is_entering}
        self._aim(self._setup_timeout if self._entering else self._start_timeout)

    def has_set_up(self, cell: Cell) -> None:
        """A lifespan has entered, or there will never be one."""
        if cell in self._entering:
            self._entering.remove(cell)
            if not self._entering and self._cancel is None:
                self._aim(None if self._has_started else self._start_timeout)

    def started(self) -> None:
        """StartFrame has come out at the end, though perhaps not of each branch yet."""
        self._has_started = True
        if not self._entering:
            self._aim(None)
        self._fire("on_pipeline_started", self._start)

    def cancelling(self, frame: CancelFrame) -> None:
        """CancelFrame sets out."""
        self._cancel = frame
        self._cancel_by = trio.current_time() + CANCEL_TIMEOUT
        self._aim(None)

    def cancel_waits(self) -> None:
        """An actor has it in an async handler. Only now is there something to look at: Trio is slow to forget a deadline."""
        if self._deadline == math.inf:
            self._aim(self._cancel_by - trio.current_time())

    def cancelled(self) -> None:
        """CancelFrame has come out at the end."""
        self._aim(None)

    def finished(self, frame: EndFrame | StopFrame | CancelFrame) -> None:
        """All actors have left."""
        self._fire("on_pipeline_finished", frame)

    # ---- what hasn't

    async def keep(self) -> None:
        """Look at the clock until somebody ends this."""
        while True:
            with trio.CancelScope(deadline=self._deadline) as self._scope:
                await trio.sleep_forever()
            self._scope = None
            await moment_passes()
            if trio.current_time() >= self._deadline:
                self._deadline = math.inf
                self._too_late()

    def _aim(self, seconds: float | None) -> None:
        self._deadline = math.inf if seconds is None else trio.current_time() + seconds
        if self._scope is not None:
            self._scope.deadline = self._deadline

    def _too_late(self) -> None:
        if self._cancel is not None:
            self._cancel_by = math.inf  # told once
            self._fire("on_pipeline_timeout", self._cancel)
        elif self._entering:
            self._fire("on_setup_timeout")
            why = f"its lifespan() hasn't entered within {self._setup_timeout:g} s"
            self._fail(self._entering, f"{why}: open there what is quick, or raise the session's setup_timeout")
        else:
            self._fire("on_pipeline_timeout", self._start)
            late = [cell for cell in self._session.dispatcher.cells if cell.holds_start]
            if not self._session.is_closing:
                self._aim(self._start_timeout)  # for those behind, if the session goes on
            why = f"it has had StartFrame and hasn't let it pass within {self._start_timeout:g} s"
            self._fail(late, f"{why}: start a task for what takes long, or raise the session's start_timeout")

    def _fail(self, late: Iterable[Cell], why: str) -> None:
        """Nobody could hold this failure by a restart, so it is the session's."""
        session = self._session
        if session.is_closing:
            return
        errors: list[Exception] = []
        cells = [cell for cell in session.dispatcher.cells if cell in late]
        for cell in cells:
            error = TimeoutError(f"{cell.address}: {why}")
            errors.append(error)
            cell.tell_failure(None, error)
            told = ErrorFrame(str(error), processor=cell.address.name, exception=error, category="late")
            session.send_from_place(cell, told)
        names = ", ".join(repr(cell.address.name) for cell in cells)
        session.escalate(ExceptionGroup(masked(f"the session failed: it couldn't start for {names}"), errors), cells)

    def _fire(self, name: str, *payload: object) -> None:
        listeners = self._pipeline.listeners(name)
        if not (listeners or name in TROUBLE):
            return  # a delivery at the end tells observers as much
        dispatcher = self._session.dispatcher
        event = Event(dispatcher.observers.now(), self._address, name, payload)
        dispatcher.observers.tell("fired", event)
        dispatcher.events.fire(event, self._session, listeners)

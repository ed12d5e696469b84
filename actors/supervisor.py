"""Who restarts whom, after how long, and when to give up. OTP's rules.

1. `child_failed` never waits and restarts nothing itself: a task of the supervisor does.
2. A restart in hand is superseded by one that takes in its actors, never run beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from ..channels.credentials import masked
from ..channels.frames import ErrorFrame
from .delivery import Delivery, Restart
from .errors import ConfigurationError, Unrecoverable

if TYPE_CHECKING:
    from .cell import Cell
    from .pipeline import Pipeline
    from .session import Session

HOPELESS = (Unrecoverable, ConfigurationError)
"""What no restart can heal."""


@attrs.frozen
class _Story:
    """One failure, as it will be told if nobody can hold it."""

    cell: Cell
    delivery: Delivery | None
    error: Exception
    time: float
    """Seconds of the supervisor's clock, which stands still in backoff."""

    @property
    def place(self) -> str:
        """Whose failure it was, and on what."""
        handling = "outside a handler" if self.delivery is None else f"while handling {self.delivery.frame!r}"
        return f"actor {self.cell.address.name!r}, {handling}"


@attrs.define(eq=False)
class _Repair:
    """A restart in hand."""

    cells: list[Cell]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


class Supervisor:
    """The supervisor of one pipeline of a session."""

    def __init__(self, session: Session, pipeline: Pipeline) -> None:
        self.session = session
        self.strategy = pipeline.strategy
        self.max_restarts = pipeline.max_restarts
        self.within = pipeline.within
        self.max_buffer = pipeline.max_buffer
        self.max_media = pipeline.max_media
        self.cells: list[Cell] = []
        self._counted: list[_Story] = []
        self._in_backoff = 0.0
        self._repairs: list[_Repair] = []

    def child_failed(self, cell: Cell, error: Exception, delivery: Delivery | None, *, is_new: bool) -> None:
        """A child went down. `is_new` False: it is the second failure of one frame, which counts once."""
        if self.session.is_closing:
            return
        story = _Story(cell, delivery, error, trio.current_time() - self._in_backoff)
        if cell.has_ended:
            cell.abandon("finished")
            self.session.spawn(self._bury, story)
            return
        recent = [each for each in self._counted if story.time - each.time <= self.within]
        if is_new:
            recent.append(story)
        self._counted = recent
        repair = _Repair(self._with(cell))
        for other in [each for each in self._repairs if not set(each.cells).isdisjoint(repair.cells)]:
            other.scope.cancel()
            self._repairs.remove(other)
            repair.cells = [each for each in self.cells if each in repair.cells or each in other.cells]
        for each in repair.cells:
            each.go_down()
        self._repairs.append(repair)
        self.session.spawn(self._repair, repair, story)

    def forget(self, cell: Cell) -> None:
        """Restart this child no more."""
        for repair in self._repairs:
            if cell in repair.cells:
                repair.cells.remove(cell)

    def _with(self, failed: Cell) -> list[Cell]:
        """Who is restarted with it, in order."""
        place = self.cells.index(failed)
        match self.strategy:
            case "one_for_one":
                those = [failed]
            case "one_for_all":
                those = self.cells
            case "rest_for_one":
                those = self.cells[place:]
        return [cell for cell in those if not cell.is_gone and not (cell is not failed and cell.has_ended)]

    async def _repair(self, repair: _Repair, story: _Story) -> None:
        with repair.scope:
            self._tell_upstream(story)
            if isinstance(story.error, HOPELESS) or len(self._counted) > self.max_restarts:
                self.session.escalate(self._whole_story(story))
                return
            for cell in tuple(reversed(repair.cells)):
                if repair.scope.cancel_called:
                    return  # superseded, perhaps by one that has begun a new incarnation already
                await cell.stop()
            delay = self._delay(story)
            if delay:
                await trio.sleep(delay)
                self._in_backoff += delay
            if repair.scope.cancel_called:
                return
            self._repairs.remove(repair)
            cells = [cell for cell in repair.cells if not cell.has_ended]
            for above, cell in zip([None, *cells], cells, strict=False):
                cell.starts_after = above
            for cell in cells:
                cell.begin()
                now = self.session.dispatcher.now()
                self.session.dispatcher.tell("restarted", Restart(cell.address, cell.incarnation, delay, now))
            self.session.dispatcher.drain()

    async def _bury(self, story: _Story) -> None:
        """What has ended isn't restarted."""
        self._tell_upstream(story)
        await story.cell.stop()

    def _delay(self, story: _Story) -> float:
        failures = sum(each.cell is story.cell for each in self._counted)
        chance = self.session.chance(f"backoff/{story.cell.address}/{story.cell.incarnation}")
        return story.cell.child.backoff.delay(failures, chance)

    def _tell_upstream(self, story: _Story) -> None:
        """One ErrorFrame from the failed actor's place; none about the handling of another."""
        if story.delivery is not None and isinstance(story.delivery.frame, ErrorFrame):
            return
        if self.session.outcome is not None:
            return  # nobody is there any more to be told
        what = "" if story.delivery is None else f" while handling {type(story.delivery.frame).__name__}"
        text = f"{story.cell.address} failed{what}: {type(story.error).__name__}: {story.error}"
        category = "unrecoverable" if isinstance(story.error, HOPELESS) else "actor failed"
        frame = ErrorFrame(text, processor=story.cell.address.name, exception=story.error, category=category)
        self.session.dispatcher.send_from_place(story.cell, frame)
        self.session.dispatcher.drain()

    def _whole_story(self, last: _Story) -> ExceptionGroup[Exception]:
        stories = [*(each for each in self._counted if each is not last), last]
        for each in stories:
            each.error.add_note(masked(f"in {each.place}"))
        first = stories[0]
        why = (
            "it can't heal"
            if isinstance(last.error, HOPELESS)
            else f"more than {self.max_restarts} restarts within {self.within:g} s"
        )
        told = (
            f"the session failed: {last.place}, {why}; the first cause was"
            f" {type(first.error).__name__}: {first.error} in {first.place}"
        )
        return ExceptionGroup(masked(told), [each.error for each in stories])

"""Who restarts whom, after how long, and when to give up. OTP's rules.

1. `child_failed` never waits and restarts nothing itself: a task of the supervisor does.
2. A restart in hand is superseded by one that takes in its actors, never run beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import trio

from ..channels.credentials import masked
from ..channels.frames import ErrorFrame
from .cell import Cell
from .delivery import Delivery, Restart
from .errors import ConfigurationError, Unrecoverable
from .pipeline import Child, Group

if TYPE_CHECKING:
    from .session import Session

HOPELESS = (Unrecoverable, ConfigurationError)
"""What no restart can heal."""


@attrs.frozen
class _Story:
    """One failure of a child, as it will be told if nobody can hold it."""

    unit: Cell | Supervisor
    error: Exception
    time: float
    """Seconds of the supervisor's clock, which stands still in backoff."""
    delivery: Delivery | None = None
    is_hopeless: bool = False

    @property
    def ended(self) -> Cell | None:
        """Who failed, if it had handled its end."""
        return self.unit if isinstance(self.unit, Cell) and self.unit.has_ended else None

    @property
    def is_final(self) -> bool:
        """Whether it doesn't come back."""
        return self.is_hopeless or self.unit.child.restart == "temporary"

    @property
    def place(self) -> str:
        """Whose failure it was, and on what."""
        if isinstance(self.unit, Supervisor):
            return self.unit.title
        handling = "outside a handler" if self.delivery is None else f"while handling {self.delivery.frame!r}"
        return f"actor {self.unit.address.name!r}, {handling}"


@attrs.define(eq=False)
class _Repair:
    """A restart in hand."""

    cells: list[Cell]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


class Supervisor:
    """The supervisor of one pipeline of a session, or of the branches of one `Parallel`."""

    def __init__(self, session: Session, group: Group, child: Child, parent: Supervisor | None) -> None:
        self.session = session
        self.child = child
        self.supervisor = parent
        self.title = self.title_of(group)
        self.strategy = group.strategy
        self.max_restarts = group.max_restarts
        self.within = group.within
        self.max_buffer = group.max_buffer
        self.max_media = group.max_media
        self.units: list[Cell | Supervisor] = []
        """Its children, in order."""
        self._counted: list[_Story] = []
        self._in_backoff = 0.0
        self._repairs: list[_Repair] = []

    @staticmethod
    def title_of(group: Group) -> str:
        """What it is called in errors."""
        return f"{type(group).__name__} {group.name!r}" if group.name else type(group).__name__

    def child_failed(self, cell: Cell, error: Exception, delivery: Delivery | None, *, is_new: bool) -> None:
        """A child went down. `is_new` False: it is the second failure of one frame, which counts once."""
        story = _Story(cell, error, self._clock(), delivery, isinstance(error, HOPELESS))
        if self.session.is_closing:
            self._count(story, is_new=is_new)
            if story.is_final:
                cell.abandon("finished")
            return  # else it comes back where it leaves, if something waits for it: `bring_back`
        self._tell_upstream(story)
        self._failed(story, is_new=is_new)

    def child_finished(self, cell: Cell) -> None:
        """A child has ended normally."""
        if self.session.is_closing:
            cell.abandon("finished")
            return
        error = RuntimeError(f"{cell.address} finishes, though it is permanent: say child(..., restart='transient')")
        story = _Story(cell, error, self._clock())
        if cell.child.restart == "permanent" and not cell.has_ended:
            self._failed(story, is_new=True)
        else:
            self._bury(story)

    def forget(self, cell: Cell) -> None:
        """Restart this child no more; a restart of nobody else is over."""
        supervisor: Supervisor | None = self
        while supervisor is not None:
            for repair in [each for each in supervisor._repairs if cell in each.cells]:
                repair.cells.remove(cell)
                if not repair.cells:
                    repair.scope.cancel()
                    supervisor._repairs.remove(repair)
            supervisor = supervisor.supervisor

    async def bring_back(self, cell: Cell) -> None:
        """A child that has failed while the session ends comes back to take the messages that wait for it: at once, since
        backoff would outlast it, and no more often than else.
        """
        while cell.is_missed and len(self._counted) <= self.max_restarts:
            if cell.is_down:
                await cell.stop()
                self._begin(cell, delay=0.0)
            self.session.dispatcher.drain()
            await cell.opened()
            cell.finish_messages()

    def _begin(self, cell: Cell, delay: float) -> None:
        cell.begin()
        observers = self.session.dispatcher.observers
        observers.tell("restarted", Restart(cell.address, cell.incarnation, delay, observers.now()))

    def _clock(self) -> float:
        return trio.current_time() - self._in_backoff

    def _failed(self, story: _Story, *, is_new: bool) -> None:
        ended = story.ended  # who has, is nobody's sibling any more
        if story.unit.child.restart == "temporary" and not story.is_hopeless:
            self._bury(story, passes=ended is None)
            return
        self._count(story, is_new=is_new)
        repair = _Repair(
            [ended] if ended else [cell for cell in cells_of(*self._with(story.unit)) if not cell.has_ended]
        )
        for other in self._superseded_by(repair):
            repair.cells = [each for each in cells_of(self) if each in repair.cells or each in other.cells]
        for cell in repair.cells:
            cell.go_down()
        self._repairs.append(repair)
        self.session.spawn(self._repair, repair, story)

    def _count(self, story: _Story, *, is_new: bool) -> None:
        self._counted = [each for each in self._counted if story.time - each.time <= self.within]
        if is_new:
            self._counted.append(story)

    def _superseded_by(self, repair: _Repair) -> Iterator[_Repair]:
        """End the restarts in hand that have an actor in common with this one, here and below."""
        for supervisor in (self, *_supervisors_below(self)):
            for other in [each for each in supervisor._repairs if not set(each.cells).isdisjoint(repair.cells)]:
                other.scope.cancel()
                supervisor._repairs.remove(other)
                yield other

    def _with(self, failed: Cell | Supervisor) -> list[Cell | Supervisor]:
        """Who is restarted with it, in order."""
        place = self.units.index(failed)
        match self.strategy:
            case "one_for_one":
                those = [failed]
            case "one_for_all":
                those = self.units
            case "rest_for_one":
                those = self.units[place:]
        return [unit for unit in those if unit is failed or any(not cell.is_gone for cell in cells_of(unit))]

    async def _repair(self, repair: _Repair, story: _Story) -> None:
        with repair.scope:
            self.session.dispatcher.drain()
            if repair.scope.cancel_called:
                return  # superseded, so it isn't this one's any more to give up
            if story.is_hopeless or len(self._counted) > self.max_restarts:
                if story.ended:
                    self._bury(story, passes=False)  # to end all for its sake would cut what others still have to say
                else:
                    self._escalate(story, repair)
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
            cells = [cell for cell in repair.cells if not cell.is_gone]
            for cell in [each for each in cells if self._goes_with_siblings(each, story.unit)]:
                cells.remove(cell)  # it goes down with its siblings, and isn't restarted with them
                cell.abandon("finished", passes=True)
            for above, cell in pairwise(cells):
                above.starts_before, cell.starts_after = cell, above
            for cell in cells:
                self._begin(cell, delay)
            self.session.dispatcher.drain()

    def _goes_with_siblings(self, cell: Cell, failed: Cell | Supervisor) -> bool:
        """Whether it, or a pipeline around it, is temporary: then another's restart ends it."""
        unit: Cell | Supervisor | None = cell
        while unit is not None and unit is not failed and unit is not self:
            if unit.child.restart == "temporary":
                return True
            unit = unit.supervisor
        return False

    def _escalate(self, story: _Story, repair: _Repair) -> None:
        """This is more than it can hold: it fails itself."""
        told = self._whole_story(story)
        self._counted.clear()
        if self.supervisor is None:
            if repair in self._repairs:
                self._repairs.remove(repair)
            self.session.escalate(told, repair.cells)
        else:
            above = self.supervisor
            above._failed(_Story(self, told, above._clock(), None, story.is_hopeless), is_new=True)

    def _bury(self, story: _Story, *, passes: bool = True) -> None:
        """What has ended isn't restarted."""
        cells = cells_of(story.unit)
        for cell in cells:
            cell.abandon("finished", passes=passes)

        async def stop() -> None:
            self.session.dispatcher.drain()
            for cell in reversed(cells):
                await cell.stop()

        self.session.spawn(stop)

    def _delay(self, story: _Story) -> float:
        failures = sum(each.unit is story.unit for each in self._counted)
        unit = story.unit
        what = f"{unit.address}/{unit.incarnation}" if isinstance(unit, Cell) else f"{unit.title}/{failures}"
        return unit.child.backoff.delay(failures, self.session.chance(f"backoff/{what}"))

    def _tell_upstream(self, story: _Story) -> None:
        """One ErrorFrame from the failed actor's place; none about the handling of another."""
        cell, delivery = story.unit, story.delivery
        if not isinstance(cell, Cell) or (delivery is not None and isinstance(delivery.frame, ErrorFrame)):
            return
        if self.session.outcome is not None:
            return  # nobody is there any more to be told
        what = "" if delivery is None else f" while handling {type(delivery.frame).__name__}"
        text = f"{cell.address} failed{what}: {type(story.error).__name__}: {story.error}"
        category = "unrecoverable" if story.is_hopeless else "actor failed"
        frame = ErrorFrame(text, processor=cell.address.name, exception=story.error, category=category)
        self.session.send_from_place(cell, frame)  # only put: nobody runs in the stack of who failed

    def _whole_story(self, last: _Story) -> ExceptionGroup[Exception]:
        stories = [*(each for each in self._counted if each is not last), last]
        for each in stories:
            each.error.add_note(masked(f"in {each.place}"))
        first = stories[0]
        why = (
            "it can't heal" if last.is_hopeless else f"more than {self.max_restarts} restarts within {self.within:g} s"
        )
        whose = "the session" if self.supervisor is None else self.title
        told = (
            f"{whose} failed: {last.place}, {why}; the first cause was"
            f" {type(first.error).__name__}: {first.error} in {first.place}"
        )
        return ExceptionGroup(masked(told), [each.error for each in stories])


def cells_of(*units: Cell | Supervisor) -> list[Cell]:
    """All cells below, in order, but those that are gone."""
    found: list[Cell] = []
    for unit in units:
        if isinstance(unit, Supervisor):
            found += cells_of(*unit.units)
        elif not unit.is_gone:
            found.append(unit)
    return found


def _supervisors_below(supervisor: Supervisor) -> Iterable[Supervisor]:
    for unit in supervisor.units:
        if isinstance(unit, Supervisor):
            yield unit
            yield from _supervisors_below(unit)

"""The policy of a realtime model, which hears and speaks by itself: what the user said is written when the answer begins, an
answer when the user's next words come. The model is never run for it.
"""

from __future__ import annotations

import attrs

from .peer_messages import Commit, Park, ResponseClosed
from .slots import Act, Heard, OpenResponse, Place, Slots, Step, StoppedDue, TriggeredDue, WriteCommit, WriteUser

__all__: list[str] = []


@attrs.frozen
class Realtime:
    """Each step gives the next slots and what is to be done. While an answer is open, what the user says waits behind it;
    what came late stands before it.
    """

    def transcribed(self, slots: Slots, heard: Heard, place: Place) -> Step:
        if slots.open is None:
            slots, acts = _write_parked(slots)
            return attrs.evolve(slots, gathered=(*slots.gathered, heard)), acts
        if place == "gathered":
            return attrs.evolve(slots, gathered=(*slots.gathered, heard)), ()
        if place == "late":
            return attrs.evolve(slots, late=(*slots.late, heard)), ()
        return attrs.evolve(slots, held=(*slots.held, heard)), ()

    def triggered(self, slots: Slots, strategy: str) -> Step:
        return slots, (TriggeredDue(strategy),)

    def stopped(self, slots: Slots, strategy: str | None) -> Step:
        return slots, (StoppedDue(strategy, None),)

    def opened(self, slots: Slots, response: OpenResponse) -> Step:
        slots, parked = _write_parked(slots)
        slots, gathered = _write_gathered(slots)
        return attrs.evolve(slots, open=response), (*parked, *gathered)

    def committed(self, slots: Slots, commit: Commit) -> Step:
        if commit.settlement is not None:
            return slots, (WriteCommit(commit),)
        slots, late = _write_late(slots)
        if commit.interrupted:
            slots = _go_on(attrs.evolve(slots, open=None))
            return slots, (*late, WriteCommit(commit))
        slots, parked = _write_parked(slots)
        return slots, (*late, *parked, WriteCommit(commit))

    def parked(self, slots: Slots, park: Park) -> Step:
        slots, late = _write_late(slots)
        slots, before = _write_parked(slots)
        slots, acts = _go_on_behind_parked(attrs.evolve(slots, parked=park, open=None))
        return slots, (*late, *before, *acts)

    def closed(self, slots: Slots, closed: ResponseClosed) -> Step:
        if slots.open is None or slots.open.response_id != closed.response_id:
            return slots, ()
        slots, late = _write_late(slots)
        slots, acts = _go_on_behind_parked(attrs.evolve(slots, open=None))
        return slots, (*late, *acts)

    def window_over(self, slots: Slots) -> Step:
        return _write_late(slots)

    def ended(self, slots: Slots) -> Step:
        slots, late = _write_late(slots)
        if slots.open is not None:
            return slots, late  # the rest follows when the assistant half has closed it
        slots, parked = _write_parked(slots)
        slots, gathered = _write_gathered(slots)
        return slots, (*late, *parked, *gathered)


def _go_on(slots: Slots) -> Slots:
    """The answer is over: what was said since is the user's next."""
    return attrs.evolve(slots, gathered=(*slots.gathered, *slots.held), held=())


def _go_on_behind_parked(slots: Slots) -> Step:
    if not slots.held:
        return slots, ()
    slots, acts = _write_parked(slots)
    return _go_on(slots), acts


def _write_late(slots: Slots) -> tuple[Slots, tuple[Act, ...]]:
    return (attrs.evolve(slots, late=()), (WriteUser(slots.late),)) if slots.late else (slots, ())


def _write_gathered(slots: Slots) -> tuple[Slots, tuple[Act, ...]]:
    return (attrs.evolve(slots, gathered=()), (WriteUser(slots.gathered),)) if slots.gathered else (slots, ())


def _write_parked(slots: Slots) -> tuple[Slots, tuple[Act, ...]]:
    return (attrs.evolve(slots, parked=None), (WriteCommit(slots.parked),)) if slots.parked is not None else (slots, ())

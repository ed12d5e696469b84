"""The policy of a cascade: recogniser, language model, synthesiser. A user's message is written when the turn is over, and the
model is run; an answer is written as the assistant half commits it.
"""

from __future__ import annotations

import attrs

from .joining import join
from .peer_messages import Commit, Park, ResponseClosed
from .slots import (
    Heard,
    OpenResponse,
    Place,
    RunDue,
    Slots,
    Step,
    StoppedDue,
    TriggeredDue,
    WriteCommit,
    WriteUser,
)

__all__: list[str] = []


@attrs.frozen
class Cascade:
    """Each step gives the next slots and what is to be done."""

    def transcribed(self, slots: Slots, heard: Heard, place: Place) -> Step:
        return attrs.evolve(slots, gathered=(*slots.gathered, heard)), ()

    def triggered(self, slots: Slots, strategy: str) -> Step:
        if not slots.gathered:
            return slots, (TriggeredDue(strategy),)
        segments = (*slots.segments, join(heard.part for heard in slots.gathered))
        acts = WriteUser(slots.gathered), RunDue("user turn"), TriggeredDue(strategy)
        return attrs.evolve(slots, gathered=(), segments=segments), acts

    def stopped(self, slots: Slots, strategy: str | None) -> Step:
        return _stop(slots, strategy)

    def opened(self, slots: Slots, response: OpenResponse) -> Step:
        return attrs.evolve(slots, open=response), ()

    def committed(self, slots: Slots, commit: Commit) -> Step:
        return slots, (WriteCommit(commit),)

    def parked(self, slots: Slots, park: Park) -> Step:
        return slots, (WriteCommit(park),)

    def closed(self, slots: Slots, closed: ResponseClosed) -> Step:
        is_this = slots.open is not None and slots.open.response_id == closed.response_id
        return attrs.evolve(slots, open=None) if is_this else slots, ()

    def window_over(self, slots: Slots) -> Step:
        return slots, ()

    def ended(self, slots: Slots) -> Step:
        return _stop(slots, None) if slots.gathered else (slots, ())


def _stop(slots: Slots, strategy: str | None) -> Step:
    """Write what is gathered; what was written of the turn before is part of what is told of it."""
    if not slots.gathered:
        told = StoppedDue(strategy, " ".join(slots.segments))
        return (attrs.evolve(slots, segments=()) if slots.segments else slots), (told,)
    text = join(heard.part for heard in slots.gathered)
    told = StoppedDue(strategy, " ".join((*slots.segments, text)))
    return attrs.evolve(slots, gathered=(), segments=()), (WriteUser(slots.gathered), RunDue("user turn"), told)

"""What an invariant says of a conversation that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import attrs

from ..trace import Trace
from .reading import Reading, Seen

__all__ = ["Complaint", "Finding", "Invariant"]


@attrs.frozen
class Complaint:
    """An invariant that doesn't hold, and where."""

    number: int
    """Of the invariant."""
    name: str
    """Of the invariant."""
    time: float
    """Seconds since the session began."""
    why: str
    frames: tuple[object, ...] = ()
    """What it is about: frames, messages, context messages."""

    def __str__(self) -> str:
        return f"{self.time:.3f} s: V{self.number} {self.name.replace('_', ' ')}: {self.why}"


@attrs.frozen
class Finding:
    """What an invariant has found: when, why, and what it is about."""

    time: float
    why: str
    frames: tuple[object, ...] = ()

    @classmethod
    def at(cls, delivery: Seen[object], why: str) -> Finding:
        """One that a delivery shows."""
        who = f"{delivery.receiver.name} was given {type(delivery.frame).__name__}"
        return cls(delivery.time, f"{why} ({who}, delivery {delivery.seq})", (delivery.frame,))


Rule: TypeAlias = Callable[..., Iterator[Finding]]


@attrs.frozen
class Invariant:
    """What holds in every conversation, or between two of them. Called with traces, it gives its complaints."""

    number: int
    rule: Rule
    """A function from one `Reading`, or from two, to what it finds."""
    traces: int = 1
    """How many it is about."""

    @property
    def name(self) -> str:
        return self.rule.__name__

    def __call__(
        self, *traces: Trace, user: str | None = None, assistant: str | None = None, output: str | None = None
    ) -> tuple[Complaint, ...]:
        """Raises `TypeError` for another number of traces than it is about."""
        if len(traces) != self.traces:
            raise TypeError(f"{self.name} is about {self.traces} trace(s), and was given {len(traces)}.")
        return self.of(*(Reading.of(each, user=user, assistant=assistant, output=output) for each in traces))

    def of(self, *conversations: Reading) -> tuple[Complaint, ...]:
        """The complaints of conversations that were read already."""
        found = self.rule(*conversations)
        return tuple(Complaint(self.number, self.name, each.time, each.why, each.frames) for each in found)

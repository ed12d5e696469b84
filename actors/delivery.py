"""What the runtime tells observers: one value for each thing that happens to a frame or an actor."""

from __future__ import annotations

from typing import Literal

import attrs

from ..channels.mailbox import Direction
from .effects import Address

__all__ = ["Delivery", "DropReason", "Dropped", "Event", "Failure", "Restart", "Stall"]

DropReason = Literal[
    "interrupted", "stale", "shed", "poison", "partial", "merged", "finished", "cancelled", "unknown address"
]


@attrs.frozen
class Delivery:
    """One handling of a frame or message by one actor, or its leaving at an end of the session."""

    seq: int
    """Counts the deliveries of a session, from 1."""
    time: float
    """Seconds since the session began."""
    sender: Address | None
    receiver: Address
    frame: object
    direction: Direction | None
    """None for messages, timers and the InterruptionFrame, which have no way to go."""
    epoch: int
    immune: bool


@attrs.frozen
class Dropped:
    """What will not be handled, and why. Its delivery has `seq` 0 when the handling never began."""

    delivery: Delivery
    reason: DropReason


@attrs.frozen
class Event:
    """An actor's event was fired."""

    time: float
    """Seconds since the session began."""
    address: Address
    """Whose event it is."""
    name: str
    payload: tuple[object, ...]


@attrs.frozen
class Failure:
    """An actor failed."""

    address: Address
    delivery: Delivery | None
    """What it was handling; None in a task, in `lifespan()`, or when it was failed from outside between two
    deliveries.
    """
    error: BaseException
    time: float
    """Seconds since the session began."""


@attrs.frozen
class Restart:
    """An actor is there again."""

    address: Address
    incarnation: int
    """1 after the first restart."""
    delay: float
    """Seconds that the supervisor waited."""
    time: float
    """Seconds since the session began."""


@attrs.frozen
class Stall:
    """An actor got on with nothing for its grace, or longer than the session bears."""

    address: Address
    since: float
    """Seconds since the session began: when the handler in hand began, or the last progress."""
    frame: object | None
    """What it is busy with, if it is a handler."""
    is_given_up: bool = False
    """Whether the session, which is ending, goes on without it."""

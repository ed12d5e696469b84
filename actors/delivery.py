"""What the runtime tells observers: one value for each thing that happens to a frame or an actor."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Literal

import attrs

from ..channels.mailbox import Direction
from .effects import Address
from .errors import ConfigurationError

__all__ = ["Delivery", "DropReason", "Dropped", "Failure", "Observer", "Restart", "Stall"]

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


class Observer:
    """Hears what happens in a session: plain methods, each called with one value, in order. They can't send.

    Inherit for the empty methods, or leave out what you don't need. An observer that raises is reported once, in
    the log `antiphon`, and removed.
    """

    def delivered(self, delivery: Delivery) -> None:
        """A handler begins, or a frame leaves at an end."""

    def dropped(self, dropped: Dropped) -> None:
        """Something will not be handled."""

    def failed(self, failure: Failure) -> None:
        """An actor failed."""

    def restarted(self, restart: Restart) -> None:
        """An actor is there again."""

    def stalled(self, stall: Stall) -> None:
        """An actor gets on with nothing."""

    def ended(self, outcome: object) -> None:
        """The session is over: `"ended"`, `"cancelled"`, or what it failed with."""


def checked_observers(observers: Iterable[Observer]) -> list[Observer]:
    """The observers as a list. Raises `ConfigurationError` for one that would never hear of anything."""
    if not isinstance(observers, Iterable):
        raise ConfigurationError(f"observers={observers!r}: these are several. Write observers=(observer,).")
    those = list(observers)
    told = [name for name in vars(Observer) if not name.startswith("_")]
    for observer in those:
        if isinstance(observer, type):
            raise ConfigurationError(f"observers: {observer.__name__} is a class. Write {observer.__name__}().")
        methods = [getattr(observer, name) for name in told if hasattr(observer, name)]
        if not methods:
            raise ConfigurationError(f"observers: {observer!r} has none of the methods {', '.join(told)}.")
        for method in filter(inspect.iscoroutinefunction, methods):
            raise ConfigurationError(
                f"observers: {method.__qualname__} is async, and nobody waits for it. Write `def`."
            )
    return those

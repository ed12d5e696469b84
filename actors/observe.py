"""Who hears what happens in a session, and what they are told."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

import trio

from ..channels.frames import InterruptionFrame
from ..channels.mailbox import Envelope
from .delivery import Delivery, Dropped, Event, Failure, Restart, Stall
from .effects import Address
from .errors import ConfigurationError

__all__ = ["Observer"]

_log = logging.getLogger("antiphon")


class Observer:
    """Hears what happens in a session: plain methods, each called with one value, in order. They can't send.

    Inherit for the empty methods, or leave out what you don't need. An observer that raises is reported once, in
    the log `antiphon`, and removed.
    """

    def delivered(self, delivery: Delivery) -> None:
        """A handler begins, or a frame leaves at an end."""

    def dropped(self, dropped: Dropped) -> None:
        """Something will not be handled."""

    def fired(self, event: Event) -> None:
        """An actor's event was fired."""

    def failed(self, failure: Failure) -> None:
        """An actor failed."""

    def restarted(self, restart: Restart) -> None:
        """An actor is there again."""

    def stalled(self, stall: Stall) -> None:
        """An actor gets on with nothing."""

    def ended(self, outcome: object) -> None:
        """The session is over: `"ended"`, `"cancelled"`, or what it failed with."""


class Observers(list[Observer]):
    """The observers of one session. What costs something is only done while there are any."""

    def __init__(self, observers: Iterable[Observer], *, virtual: bool) -> None:
        super().__init__(_checked(observers))
        # Trio's own clock, but for what it costs to ask it.
        self.clock = trio.current_time if virtual else time.perf_counter
        self.began = self.clock()
        self._wall_began = 0.0 if virtual else time.time()
        self._seq = 0

    def now(self) -> float:
        """Seconds since the session began."""
        return self.clock() - self.began

    def timestamp(self) -> str:
        """Now, as ISO 8601 in UTC. In virtual time sessions begin in 1970, so that a trace doesn't depend on the day."""
        moment = datetime.fromtimestamp(self._wall_began + self.now(), UTC)
        return moment.isoformat(timespec="milliseconds")

    def next_seq(self) -> int:
        """The number of the next delivery."""
        self._seq += 1
        return self._seq

    def delivery_of(self, envelope: Envelope, receiver: Address, seq: int) -> Delivery:
        direction = None if isinstance(envelope.frame, InterruptionFrame) else envelope.direction
        sender = cast("Address | None", envelope.sender)
        return Delivery(seq, self.now(), sender, receiver, envelope.frame, direction, envelope.epoch, envelope.immune)

    def tell(self, what: str, value: object) -> None:
        """Call this method of all. One that raises is reported once, and removed."""
        for observer in tuple(self):
            method = getattr(observer, what, None)
            if method is None:
                continue
            try:
                method(value)
            except Exception as error:
                self.remove(observer)
                # Not a warning: made an error by a filter, it would break the step in hand.
                _log.error(
                    "%s.%s raised %r and is no longer told: an observer must not fail.",
                    type(observer).__name__,
                    what,
                    error,
                    exc_info=error,
                )


def _checked(observers: Iterable[Observer]) -> list[Observer]:
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

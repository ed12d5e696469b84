"""What trackers of turns share: they watch a session as observers, and tell what they found by events.

1. A tracker belongs to one session. What it knows follows from the deliveries alone, so it works with any pipeline.
2. Nearly all deliveries are sound and text that tell nothing: a look into a table of types, and no more is done for them.
3. A frame counts where it is first seen: a copy that a slow actor handles later is no news.
"""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, overload

from ..actors import ConfigurationError, Delivery, Observer, Sightings
from ..channels import Frame

__all__ = ["KindOf", "Tracker"]

Listener = TypeVar("Listener", bound=Callable[..., Any])
Kind = TypeVar("Kind")

_log = logging.getLogger("antiphon")


class KindOf(dict[type, Kind | None], Generic[Kind]):
    """What a type of frame means; of a type that isn't named, what its nearest base means. None is nothing."""

    def __init__(self, kinds: Mapping[type[Frame], Kind | None]) -> None:
        super().__init__(kinds)
        self._named = dict(kinds)

    def __missing__(self, kind: type) -> Kind | None:
        found = next((self._named[base] for base in kind.__mro__ if base in self._named), None)
        self[kind] = found
        return found


class Tracker(Observer):
    """Watches a session and tells what it found: `tracker.on_event("on_...", handler)`, before the session.

    A handler is called as `handler(tracker, *payload)`, at once, in the session's own step: it is plain and quick, and what
    it raises is logged.
    """

    events: ClassVar[tuple[str, ...]] = ()
    """The names of the events."""

    def __init__(self, kinds: KindOf[Any]) -> None:
        self.kinds = kinds
        """Which frames matter now."""
        self.deadline = math.inf
        """When `wait` is to be called, with the first delivery then or later."""
        self._sightings = Sightings()
        self._listeners: dict[str, list[Callable[..., object]]] = {}

    @overload
    def on_event(self, name: str, handler: Listener) -> Listener: ...
    @overload
    def on_event(self, name: str) -> Callable[[Listener], Listener]: ...
    def on_event(self, name: str, handler: Any = None) -> Any:
        """Have a plain function called when this is found. Also as a decorator. Raises `ConfigurationError` for an event
        that there isn't, and for an async function: nobody waits for it; let it read from a memory channel.
        """
        told = f"{type(self).__name__}.on_event({name!r})"
        if name not in self.events:
            raise ConfigurationError(f"{told}: there is no such event. It has: {', '.join(self.events)}.")
        if handler is None:
            return lambda handler: self.on_event(name, handler)
        if not callable(handler) or inspect.iscoroutinefunction(handler):
            raise ConfigurationError(
                f"{told}: {handler!r} is no plain function. It is called in the session's own step and can't wait: write"
                " `def`, and hand over to a task by a memory channel's send_nowait."
            )
        self._listeners.setdefault(name, []).append(handler)
        return handler

    def delivered(self, delivery: Delivery) -> None:
        if delivery.time >= self.deadline:
            self.wait(delivery.time)
        kind = self.kinds[type(delivery.frame)]
        if kind is not None and self._sightings.is_first(delivery):
            self.see(kind, delivery)

    def see(self, kind: Any, delivery: Delivery) -> None:
        """A frame that matters, where it is first seen."""
        raise NotImplementedError(f"{type(self).__name__}.see: say what follows from a frame that matters.")

    def wait(self, time: float) -> None:
        """The deadline has come. A tracker that sets one says what follows."""
        self.deadline = math.inf

    def tell(self, name: str, *payload: object) -> None:
        """Call the handlers of an event."""
        for listener in self._listeners.get(name, ()):
            try:
                listener(self, *payload)
            except Exception as error:
                # The application's own code: neither the session nor the tracker may suffer from it.
                _log.error(
                    "%s's handler of %s raised %s: %s",
                    type(self).__name__,
                    name,
                    type(error).__name__,
                    error,
                    exc_info=error,
                )

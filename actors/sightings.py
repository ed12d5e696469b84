"""Which delivery of a frame is its first: for observers that want each frame once, however many actors handle it.

1. "The same frame" is the same object: a broadcast's twins are one, and so is what handlers pass on.
2. An object that comes to its first receiver again has been sent again (or is handled anew after a failure), and counts again.
3. What is remembered is as much as still travels, not all that ever did.
"""

from __future__ import annotations

import sys

from .delivery import Delivery
from .effects import Address
from .observe import Observer

__all__ = ["OncePerFrame", "Sightings"]

ROOM = 256
"""Of so many frames nobody asks whether they still travel."""

OURS = 2
"""References to a frame that only a memory of sightings has: its own, and the one that asks."""


class Sightings:
    """Remembers the frames that were seen, as long as anybody else holds them."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[object, Address]] = {}
        """Frames by identity, with their first receivers. While a frame is in here its identity is nobody else's."""
        self._room = ROOM

    def is_first(self, delivery: Delivery) -> bool:
        """Whether this frame, as sent now, is seen for the first time."""
        frame = delivery.frame
        seen = self._seen.get(id(frame))
        if seen is not None:
            return seen[1] == delivery.receiver
        if len(self._seen) >= self._room:
            self._forget()
        self._seen[id(frame)] = (frame, delivery.receiver)
        return True

    def _forget(self) -> None:
        """Forget what nobody else holds: it can't come again."""
        self._seen = {key: seen for key, seen in self._seen.items() if sys.getrefcount(seen[0]) > OURS}
        self._room = max(ROOM, 2 * len(self._seen))


class OncePerFrame(Observer):
    """Lets an observer hear of each frame once, at its first delivery: `observers=[OncePerFrame(MyObserver())]`.

    A broadcast is one frame. Without this an observer hears of every delivery. Of all else it hears as before, and what it
    raises removes it as any observer.
    """

    def __init__(self, observer: Observer) -> None:
        self._delivered = observer.delivered
        self._sightings = Sightings()
        for name in vars(Observer):
            if not name.startswith("_") and name != "delivered" and hasattr(observer, name):
                setattr(self, name, getattr(observer, name))

    def delivered(self, delivery: Delivery) -> None:
        if self._sightings.is_first(delivery):
            self._delivered(delivery)

"""Which delivery of a frame is its first: for observers that want each frame once, however many actors handle it.

1. "The same frame" is the same object: a broadcast's twins are one, and so is what handlers pass on.
2. An object that comes to its first receiver again has been sent again (or is handled anew after a failure), and counts again.
3. What is remembered is as much as still travels, not all that ever did.
"""

from __future__ import annotations

import sys

from .delivery import Delivery, Dropped, Failure, Restart, Stall
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

    A broadcast is one frame. Without this an observer hears of every delivery. Of all else it hears as before. What it
    raises removes it, as any observer.
    """

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._sightings = Sightings()

    def delivered(self, delivery: Delivery) -> None:
        if self._sightings.is_first(delivery):
            self.observer.delivered(delivery)

    def dropped(self, dropped: Dropped) -> None:
        self.observer.dropped(dropped)

    def failed(self, failure: Failure) -> None:
        self.observer.failed(failure)

    def restarted(self, restart: Restart) -> None:
        self.observer.restarted(restart)

    def stalled(self, stall: Stall) -> None:
        self.observer.stalled(stall)

    def ended(self, outcome: object) -> None:
        self.observer.ended(outcome)

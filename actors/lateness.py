"""How late the loop runs, and whether that is too late to take one more session.

1. A moment that was missed counts like one that was met. While the loop stands still no tick is taken, so the tick after
   it stands for all that it missed, each with its own lateness. Else a second's pause would count as one bad tick.
2. Here are numbers only: who ticks hands them in.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

import attrs

__all__ = ["Lateness"]

PERIOD = 0.017
"""Seconds between two ticks. It shares no divisor with the 20 ms of a piece of sound, so among sessions that all work in
that rhythm the ticks fall on each of its phases in turn.
"""
WINDOW = 5.0
"""Seconds that are remembered: a host that was late stays closed about as long."""
SHARE = 0.95
"""The quantile that decides. Above the limit means late for a quarter of a second within the window: one pause of the
garbage collector isn't that, a loop that has too much to do is it at once.
"""
RECOVERED = 0.5
"""The part of the limit below which a late loop is in time again, so that it doesn't swing at the limit."""


@attrs.frozen
class Lateness:
    """How late a loop ran in the last five seconds, in seconds."""

    p50: float
    p95: float
    """What decides whether a host takes one more session."""
    p99: float
    worst: float


class LatenessGauge:
    """The window, and the decision. It begins as a loop that was never late."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.is_late = False
        """Whether the lateness has been above the limit, and not yet below half of it."""
        size = round(WINDOW / PERIOD)
        self._window = deque([0.0] * size)
        self._sorted = [0.0] * size

    def add(self, late: float) -> None:
        """Take one tick that came so many seconds late, and the ticks that couldn't be taken meanwhile."""
        missed = min(int(late / PERIOD), len(self._window) - 1)
        for number in range(missed + 1):
            self._put(late - number * PERIOD)
        limit = self.limit * RECOVERED if self.is_late else self.limit
        self.is_late = self.quantile(SHARE) > limit

    def quantile(self, share: float) -> float:
        """The lateness, in seconds, that this share of the moments didn't exceed."""
        return self._sorted[max(math.ceil(share * len(self._sorted)) - 1, 0)]

    def lateness(self) -> Lateness:
        return Lateness(
            p50=self.quantile(0.5), p95=self.quantile(SHARE), p99=self.quantile(0.99), worst=self._sorted[-1]
        )

    def _put(self, late: float) -> None:
        # Kept sorted, so that a tick costs two searches and reading costs nothing.
        del self._sorted[bisect_left(self._sorted, self._window.popleft())]
        self._window.append(late)
        insort(self._sorted, late)

"""Whether one session disturbs the rest: how late a 5 ms ticker runs while a session in the same loop is flooded.

The flood is text through eight actors which all handle it, in bursts of 64, the next burst when the last one is out.
(Without that wait, which ours doesn't need, pipecat's queues grow for as long as the flood lasts, since nothing there
slows a source, and its ticker is late by seconds.)
"""

import attrs

from ..percentile import percentile
from ..stopwatch import queued_seconds

__all__ = ["PERIOD", "Ticks"]

PERIOD = 0.005
"""Seconds."""
QUIET = 0.00005
"""A tick before which the process stood longer in the queue for its core isn't counted."""
ENOUGH = 20
"""With fewer quiet ticks than this all are counted."""


@attrs.define
class Ticks:
    """How late each tick was, in seconds, and whether neighbours had a part in it."""

    _all: list[float] = attrs.Factory(list)
    _quiet: list[float] = attrs.Factory(list)
    _queued: float = attrs.Factory(queued_seconds)

    def note(self, lateness: float) -> None:
        """Call it at each tick."""
        queued, self._queued = self._queued, queued_seconds()
        self._all.append(lateness)
        if self._queued - queued < QUIET:
            self._quiet.append(lateness)

    def milliseconds(self, share: float) -> float:
        """The lateness that this share of the ticks doesn't exceed."""
        return percentile(self._quiet if len(self._quiet) >= ENOUGH else self._all, share) * 1e3

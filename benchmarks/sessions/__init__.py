"""How many sessions one core carries: the voice pipeline, fed with two audio frames (in and out) each 20 ms.

A number of sessions is carried if 99 of 100 frames come out less than 20 ms after the moment at which they were due to
go in; it has two tries. The search goes up by halves until that fails, then halves the gap until it is within 6 %.
"""

import gc
from collections.abc import Awaitable, Callable

import attrs

from ..percentile import percentile

__all__ = ["PERIOD", "Trial", "most_carried", "settle"]

PERIOD = 0.02
LATEST = 0.02
PRECISION = 1.06
TRIES = 2


@attrs.frozen
class Trial:
    """What was seen while a number of sessions ran."""

    latenesses: list[float]
    """Seconds, of each frame."""
    load: float
    """The share of the core that this process used."""

    @property
    def p99(self) -> float:
        return percentile(self.latenesses, 0.99)


async def most_carried(run: Callable[[int], Awaitable[Trial]], *, start: int, most: int) -> dict[str, float]:
    """The largest number of sessions carried; with it the lateness in ms and what one session takes of a core in %."""
    carried, refused, number = 0, most + 1, min(start, most)
    found: dict[str, float] = {"carried": 0.0}
    while carried < number < refused:
        trial = await passing(run, number)
        if trial is None:
            refused = number
        else:
            carried = number
            found = {"carried": number, "lateness": trial.p99 * 1e3, "share": trial.load / number * 100}
        if refused > most:
            number = min(int(carried * 1.5) + 1, most)
        elif refused > carried * PRECISION:
            number = (carried + refused) // 2
        else:
            break
    return found


async def passing(run: Callable[[int], Awaitable[Trial]], number: int) -> Trial | None:
    for _ in range(TRIES):
        trial = await run(number)
        if trial.p99 < LATEST:
            return trial
    return None


def settle() -> None:
    """Take what exists out of the collector's sight, as a server does once it has started.

    Else a full collection walks over all that was imported (60 ms or more in pipecat's process), which decides a
    window of some seconds and says nothing about sessions.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()

"""The time that a process had its core: neighbours on a busy machine don't count."""

from pathlib import Path
from time import perf_counter

__all__ = ["Stopwatch", "queued_seconds"]


class Stopwatch:
    """Like `perf_counter`, but it stands still while this process is ready to run and another one has the core.

    Starting and reading it takes microseconds, which aren't in what it tells.
    """

    def __init__(self) -> None:
        self._queued = queued_seconds()
        self._begun = perf_counter()

    def seconds(self) -> float:
        """Since it was made."""
        now = perf_counter()
        return now - self._begun - (queued_seconds() - self._queued)

    def microseconds(self, *, each: int = 1) -> float:
        """Since it was made, for each of so many operations."""
        return self.seconds() / each * 1e6


def queued_seconds() -> float:
    """How long the main thread of this process has waited for a core since it began; 0 where the system doesn't tell."""
    try:
        told = Path("/proc/self/schedstat").read_text()
    except FileNotFoundError:
        return 0.0
    return int(told.split()[1]) / 1e9

"""What is logged during a play: the log of a runtime whose time is virtual belongs to its trace."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__: list[str] = []

LOWEST = logging.INFO


class Listener(logging.Filter):
    """Keeps each line, and lets pass what would have passed without it."""

    def __init__(self, lowest: int) -> None:
        super().__init__()
        self.lowest = lowest
        self.lines: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= LOWEST:
            self.lines.append(f"{record.levelname} {record.getMessage()}")
        return record.levelno >= self.lowest


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """What the logger `antiphon` is given from INFO on, as `LEVEL text`, whatever it lets through to its handlers."""
    logger = logging.getLogger("antiphon")
    level = logger.level
    listener = Listener(logger.getEffectiveLevel())
    logger.addFilter(listener)
    logger.setLevel(min(LOWEST, listener.lowest))
    try:
        yield listener.lines
    finally:
        logger.setLevel(level)
        logger.removeFilter(listener)

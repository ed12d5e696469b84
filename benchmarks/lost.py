"""A measurement in which frames were lost, or took a shorter way, is no measurement."""

from typing import TypeVar

__all__ = ["LostFrames", "expect"]

CountT = TypeVar("CountT")


class LostFrames(Exception):
    """An actor handled another number of frames than were sent."""


def expect(counted: CountT, sent: CountT) -> None:
    """Raise `LostFrames` unless each actor counted what was sent."""
    if counted != sent:
        raise LostFrames(f"handled {counted} of {sent} frames: the subject is wrongly set up, so nothing was measured")

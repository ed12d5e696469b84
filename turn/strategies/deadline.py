"""Moments that are waited for, on the session clock, in seconds."""

from __future__ import annotations

from ...channels import VADUserStoppedSpeakingFrame

__all__: list[str] = []

RESOLUTION = 1e-6
"""Moments closer than this are one: a timer's own sums may fall short of the deadline by less."""


def has_come(deadline: float, now: float) -> bool:
    return now >= deadline - RESOLUTION


def until(deadline: float, now: float) -> float:
    """How long it still is, never less than nothing."""
    return max(0.0, deadline - now)


def silence_began(frame: VADUserStoppedSpeakingFrame, now: float) -> float:
    """When voice activity decided that speech had stopped: what the frame says, if that isn't to come yet."""
    return now if frame.timestamp is None else min(frame.timestamp, now)

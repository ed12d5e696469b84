"""What the tests of the rules send around: notes, and a few actors that treat them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import pytest
import trio

from antiphon import Actor, actor, on
from antiphon.actors import Effects
from antiphon.channels import DataFrame, Frame, SystemFrame, Uninterruptible, frame

__all__ = ["Alarm", "Ask", "Kept", "Note", "Order", "Passes", "Slow", "both", "texts"]

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
"""For what holds with direct delivery and without."""


@frame
class Note(DataFrame):
    """Ordered; an interruption drops it."""

    text: str


@frame
class Order(DataFrame):
    """Another ordered frame, for another handler."""

    text: str


@frame
class Kept(DataFrame, Uninterruptible):
    """Ordered; no interruption drops it."""

    text: str


@frame
class Alarm(SystemFrame):
    """Overtakes."""

    text: str


@attrs.frozen
class Ask:
    """A message."""

    text: str


@actor
class Passes(Actor):
    """Handles everything in plain handlers, and lets it go on."""

    @on(Note, Order, Kept, Alarm)
    def pass_on(self, frame: Frame) -> Effects:
        return frame


@actor
class Slow(Actor):
    """Takes its time with each ordered frame, then lets it go on."""

    seconds: float = 1.0
    log: Callable[[str], object] | None = None

    @on(Note, Order, Kept)
    async def work(self, frame: Note | Order | Kept) -> None:
        await trio.sleep(self.seconds)
        if self.log is not None:
            self.log(frame.text)
        await self.push(frame)


def texts(frames: Iterable[object]) -> list[str]:
    """The texts of what has one, in order."""
    return [frame.text for frame in frames if isinstance(frame, (Note, Order, Kept, Alarm, Ask))]

"""The two ways to send frames through a pipeline: one alone, and 64 at once. The same code measures all subjects."""

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Protocol, TypeVar

import attrs

from .setting import Size
from .stopwatch import Stopwatch

__all__ = ["BURST", "Arrivals", "Flight", "burst_microseconds", "one_in_flight"]

BURST = 64

FrameT = TypeVar("FrameT")


class Arrivals(Protocol):
    """How many frames came out at the far end; `trio_arrivals` and `asyncio_arrivals` are the two."""

    count: int

    async def until(self, due: int) -> None:
        """Wait until `due` frames have come out in all; not at all, if they have."""

    async def turn(self) -> None:
        """Let the loop turn once, as it does for each frame that a socket brings."""


@attrs.frozen
class Flight:
    """Microseconds a frame, one frame at a time."""

    through: float
    """From its making until it has come out at the far end."""
    turn: float
    """The same and the turn of the loop which precedes it: all that a frame costs."""


async def one_in_flight(
    push: Callable[[FrameT], Awaitable[None]], make: Callable[[], FrameT], arrivals: Arrivals, size: Size
) -> Flight:
    """Send frames one after the other, each when the one before is out."""
    for _ in range(size.frames // 10 + 1):
        await _send(1, push, make, arrivals)
    through = 0.0
    begun, watch = perf_counter(), Stopwatch()
    for _ in range(size.frames):
        await arrivals.turn()
        start = perf_counter()
        await _send(1, push, make, arrivals)
        through += perf_counter() - start
    turn = watch.microseconds(each=size.frames)
    # A neighbour takes its part of every moment alike.
    undisturbed = turn * size.frames / 1e6 / (perf_counter() - begun)
    return Flight(through=through * undisturbed / size.frames * 1e6, turn=turn)


async def burst_microseconds(
    push: Callable[[FrameT], Awaitable[None]], make: Callable[[], FrameT], arrivals: Arrivals, size: Size
) -> float:
    """Microseconds a frame costs when 64 are sent at once, the next 64 when these are out."""
    watch = Stopwatch()
    for _ in range(size.bursts):
        await arrivals.turn()
        await _send(BURST, push, make, arrivals)
    return watch.microseconds(each=size.bursts * BURST)


async def _send(
    count: int, push: Callable[[FrameT], Awaitable[None]], make: Callable[[], FrameT], arrivals: Arrivals
) -> None:
    due = arrivals.count + count
    for _ in range(count):
        await push(make())
    await arrivals.until(due)

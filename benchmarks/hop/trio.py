"""Hops between eight bare Trio tasks by memory channels: what a runtime costs that switches tasks at each hop."""

import trio

from ..flight import burst_microseconds, one_in_flight
from ..lost import expect
from ..setting import Setting
from ..trio_arrivals import Arrivals

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds a hop."""
    arrivals = Arrivals()
    passed = [0] * 7
    async with trio.open_nursery() as nursery:
        head, receive = trio.open_memory_channel[str](64)
        for place in range(7):
            send, following = trio.open_memory_channel[str](64)
            nursery.start_soon(pass_on, receive, send, passed, place)
            receive = following
        nursery.start_soon(take, receive, arrivals)
        async with head:
            flight = await one_in_flight(head.send, lambda: "hello", arrivals, setting.size)
            burst = await burst_microseconds(head.send, lambda: "hello", arrivals, setting.size)
    expect(passed, [arrivals.count] * 7)
    return {"async_one": flight.through / 8, "async_turn": flight.turn / 8, "async_burst": burst / 8}


async def pass_on(
    receive: trio.MemoryReceiveChannel[str], send: trio.MemorySendChannel[str], passed: list[int], place: int
) -> None:
    async with receive, send:
        async for text in receive:
            passed[place] += 1
            await send.send(text)


async def take(receive: trio.MemoryReceiveChannel[str], arrivals: Arrivals) -> None:
    async with receive:
        async for _ in receive:
            arrivals.arrived()

"""Bare Trio."""

from collections.abc import Awaitable, Callable

import trio

from ..setting import Setting
from ..stopwatch import Stopwatch

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds an operation."""
    repeats = setting.size.limits
    return {
        "turn": await turns(repeats, tasks=1),
        "switch": await turns(repeats // 10, tasks=100),
        "wake": await ping_pong(repeats),
        "channel_1": await channel(repeats, room=1),
        "channel_64": await channel(repeats, room=64),
        "spawn": await spawns(repeats),
        "scope": await scopes(repeats),
    }


async def turns(repeats: int, *, tasks: int) -> float:
    async def spin() -> None:
        for _ in range(repeats):
            await trio.lowlevel.checkpoint()

    return await timed(spin, operations=repeats, tasks=tasks)


async def ping_pong(repeats: int) -> float:
    """One parks, the other wakes it and parks: a hop by hand."""
    waiting: list[trio.lowlevel.Task] = []

    async def play() -> None:
        for _ in range(repeats):
            if waiting:
                trio.lowlevel.reschedule(waiting.pop())
            waiting.append(trio.lowlevel.current_task())
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)
        if waiting:
            trio.lowlevel.reschedule(waiting.pop())

    return await timed(play, operations=repeats, tasks=2)


async def channel(repeats: int, *, room: int) -> float:
    send, receive = trio.open_memory_channel[int](room)

    async def produce() -> None:
        async with send:
            for number in range(repeats):
                await send.send(number)

    async with receive, trio.open_nursery() as nursery:
        watch = Stopwatch()
        nursery.start_soon(produce)
        async for _ in receive:
            pass
        return watch.microseconds(each=repeats)


async def spawns(repeats: int) -> float:
    async def nothing() -> None:
        pass

    watch = Stopwatch()
    for _ in range(repeats // 100):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(nothing)
    return watch.microseconds(each=repeats // 100 * 100 or 1)


async def scopes(repeats: int) -> float:
    watch = Stopwatch()
    for _ in range(repeats):
        with trio.CancelScope():  # noqa: ASYNC100 - its cost is what is measured
            pass
    return watch.microseconds(each=repeats)


async def timed(play: Callable[[], Awaitable[None]], *, operations: int, tasks: int) -> float:
    watch = Stopwatch()
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(play)
    return watch.microseconds(each=operations * tasks)

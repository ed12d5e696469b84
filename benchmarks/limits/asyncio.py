"""Bare asyncio, and uvloop under it."""

import asyncio
from collections.abc import Callable, Coroutine

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
    }


async def turns(repeats: int, *, tasks: int) -> float:
    async def spin() -> None:
        for _ in range(repeats):
            await asyncio.sleep(0)

    return await timed(spin, operations=repeats, tasks=tasks)


async def ping_pong(repeats: int) -> float:
    """One awaits a future, the other sets it and awaits: a hop by hand."""
    waiting: list[asyncio.Future[None]] = []
    loop = asyncio.get_running_loop()

    async def play() -> None:
        for _ in range(repeats):
            if waiting:
                waiting.pop().set_result(None)
            future = loop.create_future()
            waiting.append(future)
            await future
        if waiting:
            waiting.pop().set_result(None)

    return await timed(play, operations=repeats, tasks=2)


async def channel(repeats: int, *, room: int) -> float:
    queue: asyncio.Queue[int] = asyncio.Queue(room)

    async def produce() -> None:
        for number in range(repeats):
            await queue.put(number)

    watch = Stopwatch()
    producing = asyncio.create_task(produce())
    for _ in range(repeats):
        await queue.get()
    await producing
    return watch.microseconds(each=repeats)


async def spawns(repeats: int) -> float:
    async def nothing() -> None:
        pass

    watch = Stopwatch()
    for _ in range(repeats // 100):
        await asyncio.gather(*(nothing() for _ in range(100)))
    return watch.microseconds(each=repeats // 100 * 100 or 1)


async def timed(play: Callable[[], Coroutine[object, object, None]], *, operations: int, tasks: int) -> float:
    watch = Stopwatch()
    await asyncio.gather(*(play() for _ in range(tasks)))
    return watch.microseconds(each=operations * tasks)

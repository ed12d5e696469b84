"""The last resort of ending: a task that shields itself from its cancellation is aborted in its wait.

It rests on a private name of Trio (`Task._attempt_abort`), looked up at each use; without it such a task can't be ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import trio

from .errors import ActorKilled

__all__: list[str] = []

TRIES = 10
CHECKPOINTS_OF_A_MOMENT = 16
"""Enough for what has just been woken to end."""


async def moment_passes() -> None:
    """Let all that is ready go on, a few steps far."""
    for _ in range(CHECKPOINTS_OF_A_MOMENT):
        await trio.lowlevel.checkpoint()


async def abort_waits(those_left: Callable[[], Iterable[trio.lowlevel.Task]]) -> None:
    """Raise `ActorKilled` in the waits of these tasks and their children, again at each new wait, at most ten times."""
    for _ in range(TRIES):
        await moment_passes()
        waiting = list(those_left())
        if not waiting:
            return
        for task in waiting:
            _abort(task)


def _abort(task: trio.lowlevel.Task) -> None:
    for nursery in task.child_nurseries:
        for child in tuple(nursery.child_tasks):
            _abort(child)
    attempt: Any = getattr(task, "_attempt_abort", None)
    if attempt is not None and getattr(task, "_abort_func", None) is not None:
        attempt(_raise)


def _raise() -> NoReturn:
    raise ActorKilled("its grace is over, and it shields its wait")


def was_killed(error: BaseException) -> bool:
    """Whether it is `ActorKilled`, perhaps together with errors of what ended with it: then it has done its work."""
    if isinstance(error, BaseExceptionGroup):
        killed, rest = error.split(ActorKilled)
        return killed is not None and (rest is None or isinstance(rest, Exception))
    return isinstance(error, ActorKilled)

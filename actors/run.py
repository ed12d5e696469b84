"""A script around one session: signals end it, and the exit code says how it went."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterable, Iterator

import trio

from .delivery import Observer
from .errors import ConfigurationError
from .outside import Door
from .pipeline import Pipeline
from .session import open_session

__all__ = ["run"]

ENDED, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def run(
    pipeline: Pipeline,
    *,
    name: str | None = None,
    sample_rates: tuple[int, int] = (16000, 24000),
    outside: Door | None = None,
    observers: Iterable[Observer] = (),
    direct: bool = True,
    seed: int | str | None = None,
) -> int:
    """Run a pipeline until it ends; SIGINT and SIGTERM cancel it. Arguments are those of `open_session`.

    Returns an exit code for `sys.exit`: 0 it ended, 1 it failed, 2 the pipeline can't work, 130 a signal interrupted
    it. What went wrong is on standard error.
    """
    signals: list[int] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            try:
                async with open_session(
                    pipeline,
                    name=name,
                    sample_rates=sample_rates,
                    outside=outside,
                    observers=observers,
                    direct=direct,
                    seed=seed,
                ) as session:
                    await nursery.start(_watch, session.cancel, signals)
                    await session.wait()
            finally:
                nursery.cancel_scope.cancel()

    try:
        trio.run(main, strict_exception_groups=True)
    except ExceptionGroup as group:
        misused, failed = group.split(ConfigurationError)
        if failed is not None:
            traceback.print_exception(failed)
            return FAILED
        assert misused is not None
        for error in _leaves(misused):
            print(f"antiphon: {error}", file=sys.stderr)
        return MISUSED
    return INTERRUPTED if signals else ENDED


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _watch(
    cancel: object, signals: list[int], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    assert callable(cancel)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        task_status.started()
        async for number in received:
            signals.append(number)
            await cancel(f"signal {signal.Signals(number).name}")

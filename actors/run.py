"""A script around one session: signals end it, and the exit code says how it went."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import cast

import trio

from ..channels.credentials import masked
from ..channels.frames import CancelFrame
from .errors import ConfigurationError
from .observe import Observer
from .outside import Door
from .pipeline import Pipeline
from .session import OnFailure, Session, open_session

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
    on_failure: OnFailure = "end",
    idle_timeout: float | None = 300.0,
    stall_timeout: float | None = 5.0,
    heartbeat: float | None = None,
    setup_timeout: float | None = 20.0,
    start_timeout: float | None = 20.0,
    enable_metrics: bool = False,
    enable_usage_metrics: bool = False,
    report_only_initial_ttfb: bool = False,
) -> int:
    """Run a pipeline until it ends; SIGINT and SIGTERM cancel it, and nobody speaking for 5 minutes
    does. Arguments are those of `open_session`.

    Returns an exit code for `sys.exit`: 0 it ended, 1 it failed, 2 the pipeline can't work, 130 a signal interrupted
    it. What went wrong is on standard error, without secrets; else nothing is printed.
    """
    signals: list[int] = []

    async def main() -> None:
        # Before the session, so that no signal finds nobody; the nursery around it, so that all signals are taken.
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            async with trio.open_nursery() as nursery:
                async with open_session(
                    pipeline,
                    name=name,
                    sample_rates=sample_rates,
                    outside=outside,
                    observers=observers,
                    direct=direct,
                    seed=seed,
                    on_failure=on_failure,
                    idle_timeout=idle_timeout,
                    stall_timeout=stall_timeout,
                    heartbeat=heartbeat,
                    setup_timeout=setup_timeout,
                    start_timeout=start_timeout,
                    enable_metrics=enable_metrics,
                    enable_usage_metrics=enable_usage_metrics,
                    report_only_initial_ttfb=report_only_initial_ttfb,
                ) as session:
                    nursery.start_soon(_watch, received, session, signals)
                    await session.wait()
                nursery.cancel_scope.cancel()

    try:
        trio.run(main, strict_exception_groups=True)
    except KeyboardInterrupt:
        return INTERRUPTED  # it came before the receiver was there, or after it had gone
    except ExceptionGroup as group:
        return tell(group)
    return INTERRUPTED if signals else ENDED


async def _watch(received: AsyncIterator[int], session: Session, signals: list[int]) -> None:
    async for number in received:
        signals.append(number)
        session.begin_cancel(CancelFrame(f"signal {signal.Signals(number).name}"))


def tell(group: ExceptionGroup[Exception]) -> int:
    """Say on standard error what went wrong. Returns the exit code."""
    _, failed = group.split(ConfigurationError)
    if failed is None:
        lines = ["\n  ".join([str(leaf), *getattr(leaf, "__notes__", ())]) for leaf in _leaves(group)]
        told = "".join(f"antiphon: {line}\n" for line in dict.fromkeys(lines))
    else:
        (story,) = group.exceptions  # without the nursery that it came through
        told = "".join(traceback.format_exception(story))
    print(masked(told), end="", file=sys.stderr)
    return MISUSED if failed is None else FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(each)
    else:
        yield error

"""Run a pipeline over a script, in virtual time, from a seed: the everyday form of a test."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias

import attrs
import trio
import trio.testing

from ..actors import Killed, NoDoor, Observer, Pipeline, Session, To, open_session
from ..channels.frames import Frame
from .explorer import next_deadline, run_explored
from .log_lines import log_lines
from .trace import Trace, TraceRecorder

__all__ = ["Item", "Kill", "Sleep", "play"]


@attrs.frozen
class Sleep:
    """Let virtual time pass."""

    seconds: float


@attrs.frozen
class Kill:
    """Fail an actor: here, or as its `at`-th delivery begins, counted from the start of the session."""

    name: str
    at: int | None = attrs.field(default=None, kw_only=True)


Item: TypeAlias = Frame | To | Sleep | Kill | tuple["Frame | To | Kill", ...]
"""What a script is made of. Items inside a tuple are pushed without a rest between them."""


def play(
    pipeline: Pipeline,
    script: Iterable[Item],
    *,
    seed: int | str = 0,
    direct: bool = True,
    limit: float = 3600.0,
    observers: Iterable[Observer] = (),
    setup_timeout: float | None = 20.0,
    start_timeout: float | None = 20.0,
    enable_metrics: bool = False,
    enable_usage_metrics: bool = False,
    report_only_initial_ttfb: bool = False,
) -> Trace:
    """Run a pipeline in virtual time over a script and tell what happened; never raises for what the pipeline does.

    Before each item the pipeline comes to rest: nothing is ready at that instant. After the last it runs until
    nothing is ready and no
    timer waits, or until `limit` virtual seconds have passed. Then it is cancelled, unless the script has ended it:
    an actor sees
    EndFrame only if the script holds one. The seed decides the order of tasks, the actors' randomness and the jitter
    of restarts. `setup_timeout` and what follows are those of `open_session`.
    Raises `ConfigurationError` for a pipeline that can't work and `TypeError` for an item that is none.
    """
    items = list(script)
    for item in items:
        for each in item if isinstance(item, tuple) else (item,):
            _check(each, in_tuple=isinstance(item, tuple))
    recorder = TraceRecorder()

    async def main() -> Trace:
        ended: str | BaseException = "cancelled"
        durable: dict[str, dict[str, object]] = {}
        session: Session | None = None
        try:
            async with open_session(
                pipeline,
                outside=NoDoor(),
                observers=(recorder, *observers),
                direct=direct,
                seed=seed,
                setup_timeout=setup_timeout,
                start_timeout=start_timeout,
                enable_metrics=enable_metrics,
                enable_usage_metrics=enable_usage_metrics,
                report_only_initial_ttfb=report_only_initial_ttfb,
            ) as session:
                began = trio.current_time()
                for item in items:
                    for each in item if isinstance(item, tuple) else (item,):
                        if isinstance(each, Kill) and each.at is not None:
                            session.kill_at(each.name, each.at)
                # A push may wait for room for ever.
                with trio.move_on_at(began + limit):
                    for item in items:
                        await trio.testing.wait_all_tasks_blocked()
                        if session.outcome is not None:
                            break
                        for each in item if isinstance(item, tuple) else (item,):
                            await _do(session, each)
                await _rest(session, began + limit)
                if session.outcome is None:
                    await session.cancel()
        except ExceptionGroup as error:
            if session is None or session.outcome is not error:
                raise
        assert session is not None
        ended = session.outcome if session.outcome is not None else "cancelled"
        durable = {address.name: dict(session.durable(address)) for address in session.statistics()}
        return recorder.trace(durable=durable, ended=ended, logged=lines)

    with log_lines() as lines:
        return run_explored(seed, main)


async def _do(session: Session, item: object) -> None:
    if session.outcome is not None:
        return
    if isinstance(item, Sleep):
        await trio.sleep(item.seconds)
    elif isinstance(item, Kill):
        if item.at is None:
            session.kill(item.name, Killed(f"{item.name} was failed by the script"))
    elif isinstance(item, To):
        await session.send(item.address, item.message)
    else:
        assert isinstance(item, Frame)
        await session.push(item)


async def _rest(session: Session, limit: float) -> None:
    """Until nothing is ready and nothing is due, or the limit."""
    while session.outcome is None:
        await trio.testing.wait_all_tasks_blocked()
        session.watch.let_sleep()
        moment = next_deadline()
        if moment == math.inf:
            return
        if moment > limit:
            return
        await trio.sleep_until(moment)


def _check(item: object, *, in_tuple: bool) -> None:
    if isinstance(item, (Frame, To, Kill)) or (isinstance(item, Sleep) and not in_tuple):
        return
    hint = " Sleep stands outside tuples." if isinstance(item, Sleep) else " A message travels by To(address, message)."
    raise TypeError(
        f"play: {item!r} is no item of a script: it holds frames, To, Sleep, Kill, and tuples of these but Sleep.{hint}"
    )

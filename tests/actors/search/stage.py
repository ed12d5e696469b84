"""Runs a plan: opens its session in virtual time, lets outside do its steps, and ends it."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import attrs
import trio
import trio.testing

from antiphon.actors import Killed, NoDoor, Parallel, Pipeline, Session, child, open_session
from antiphon.channels.frames import EndFrame
from antiphon.scenarios import Trace, TraceRecorder
from antiphon.scenarios.explorer import run_explored

from .log import Livelock, Log, Outcome, Pushed, Requested, Rested, short
from .plan import Plan, Step
from .players import player
from .tree import Knot

__all__ = ["PATIENCE", "Story", "alarm", "pipeline_of", "run"]

PATIENCE = 600.0
"""Virtual seconds after which a run counts as hanging."""
MOST_SECONDS = 60.0
"""Real ones; a run takes some milliseconds."""


@attrs.frozen
class Story:
    """What a run left behind."""

    plan: Plan
    log: Log
    trace: Trace
    hung: str | None
    """What it waited for in vain."""


def pipeline_of(plan: Plan, log: Log) -> Pipeline:
    players = [player(part, log) for part in plan.parts]

    def group(knot: Knot) -> Pipeline | Parallel:
        children = [
            child(
                players[each],
                restart=plan.parts[each].restart,
                max_buffer=plan.parts[each].max_buffer,
                grace=plan.parts[each].grace,
            )
            if isinstance(each, int)
            else child(group(each), restart=each.restart)
            for each in knot.children
        ]
        make: Any = Parallel if knot.kind == "parallel" else Pipeline
        made: Pipeline | Parallel = make(
            *children, name=knot.name or None, strategy=knot.strategy, max_restarts=knot.max_restarts
        )
        return made

    pipeline = group(plan.root)
    assert isinstance(pipeline, Pipeline)
    for part, each in zip(plan.parts, players, strict=True):
        log.book[part.name] = pipeline.addresses[id(each)].name
    return pipeline


def run(plan: Plan, seed: int | str, *, direct: bool, log: Log | None = None) -> Story:
    """Run a plan once; the seed orders the tasks."""
    log = Log() if log is None else log
    log.slips = {(name, number): times for name, number, times in plan.slips}
    pipeline = pipeline_of(plan, log)
    hung: str | None = None

    async def main() -> Trace:
        nonlocal hung
        recorder = TraceRecorder()
        session: Session | None = None
        try:
            async with open_session(
                pipeline,
                outside=NoDoor(),
                observers=(log, recorder),
                direct=direct,
                seed=seed,
                stall_timeout=None,
                setup_timeout=None,
                start_timeout=None,
            ) as session:
                log.began = trio.current_time()
                hung = await _conduct(session, plan, log)
        except ExceptionGroup as error:
            if session is None or session.outcome is not error:
                raise
        assert session is not None and session.outcome is not None
        durable = {short(address).name: dict(session.durable(address)) for address in session.statistics()}
        return recorder.trace(durable=durable, ended=session.outcome)

    with alarm():
        trace = run_explored(seed, main)
    return Story(plan, log, trace, hung)


@contextmanager
def alarm() -> Iterator[None]:
    """Ends a run that goes round without ever writing into its log, or that waits for nothing at all."""

    def ring(number: int, frame: object) -> NoReturn:
        raise Livelock(f"no end after {MOST_SECONDS} s of real time")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


async def _conduct(session: Session, plan: Plan, log: Log) -> str | None:
    for name, delivery in plan.kills:
        session.kill_at(log.address(name).name, delivery)
    with trio.move_on_after(PATIENCE) as limit:
        async with trio.open_nursery() as nursery:
            reader = trio.CancelScope()
            if plan.reader_pause is not None:
                nursery.start_soon(_read, session, plan.reader_pause, reader)
            async with trio.open_nursery() as pushers:
                for number, steps in enumerate(plan.outside):
                    pushers.start_soon(_come_from_outside, session, steps, log, number == 0)
            if plan.rests:
                await _rest(session, log)
            log.write(Requested(plan.ends, log.now()))
            await (session.end() if plan.ends == "end" else session.cancel())
            await session.wait()
    if limit.cancelled_caught:
        return (
            "the end of the session" if log.entries and isinstance(log.entries[-1], Outcome) else "its steps or its end"
        )
    return None


async def _read(session: Session, pause: float, scope: trio.CancelScope) -> None:
    with scope:
        async for _ in session.output:
            await trio.sleep(pause)


async def _come_from_outside(session: Session, steps: tuple[Step, ...], log: Log, looks: bool) -> None:
    for step in steps:
        if step.pause is not None:
            await trio.sleep(step.pause)
        if session.outcome is not None:
            return
        if looks and step.pause == 0.2:
            await trio.testing.wait_all_tasks_blocked()
            _look(session, log)
        try:
            with trio.move_on_after(5.0):
                await _do(session, step, log)
        except trio.ClosedResourceError:
            return


async def _do(session: Session, step: Step, log: Log) -> None:
    alive = trio.current_effective_deadline() > -math.inf and session.outcome is None
    match step.do:
        case "push":
            assert step.frame is not None
            log.write(Pushed(step.frame, step.direction, "", alive))
            await session.push(step.frame, step.direction)
        case "letter":
            assert step.message is not None
            log.write(Pushed(step.message, None, step.target, alive))
            await session.send(log.address(step.target), step.message)
        case "interrupt":
            if step.rings:
                log.bell.unpark_all()
            log.write(Requested("interrupt", log.now()))
            session.interrupt()
        case "ring":
            log.bell.unpark_all()
        case "kill":
            session.kill(log.address(step.target).name, Killed("from outside"))
            if step.also:
                session.kill(log.address(step.also).name, Killed("from outside"))
        case "end":
            log.write(Requested("end", log.now()))
            await session.push(EndFrame())


def _look(session: Session, log: Log) -> None:
    lanes = {short(address).name: (each.system, each.ordered) for address, each in session.statistics().items()}
    log.write(Rested(lanes, frozenset(log.pushing)))


async def _rest(session: Session, log: Log) -> None:
    """Until nothing happens for a while, whatever waits for ever."""
    await trio.sleep(30.0)
    await trio.testing.wait_all_tasks_blocked()
    if session.outcome is None:
        _look(session, log)

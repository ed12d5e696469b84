"""Code that never awaits, in a program that isn't Antiphon's: who tells of it, and that nobody does otherwise."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator

import pytest
import trio

import antiphon.aio
from antiphon import Actor, Host, Pipeline, actor, on, open_session
from antiphon.channels import TextFrame
from antiphon.scenarios import play

from .notes import Order


@actor
class Spins(Actor):
    """Keeps the loop until the log says that somebody has noticed, or for ten seconds."""

    noticed: threading.Event

    @on(Order)
    def spin(self, frame: Order) -> TextFrame:
        deadline = time.monotonic() + 10
        while not self.noticed.is_set() and time.monotonic() < deadline:
            pass
        return TextFrame("at last")


class Notices(logging.Handler):
    """Hears what is logged, in whichever thread."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []
        self.noticed = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())
        self.noticed.set()


@pytest.fixture
def log() -> Iterator[Notices]:
    notices = Notices()
    logging.getLogger("antiphon").addHandler(notices)
    yield notices
    logging.getLogger("antiphon").removeHandler(notices)


def assert_named(log: Notices) -> None:
    assert len(log.told) == 1, log.told  # once for a block, however long it lasts
    lines = log.told[0].splitlines()
    assert "the loop hasn't turned" in lines[0]
    assert any(line.endswith("in spin") and "test_blocked_loop.py" in line for line in lines)
    assert not any("unrolled_run" in line for line in lines), "Trio's own frames tell a reader nothing"


@pytest.mark.rule("LC4")
def test_an_embedded_session_names_code_that_never_awaits_and_goes_on_when_it_returns(log: Notices) -> None:
    async def main() -> None:
        async with open_session(Pipeline(Spins(log.noticed)), stall_timeout=0.2) as session:
            output = session.output
            await session.push(Order("x"))
            assert await anext(output) == TextFrame("at last")

    trio.run(main)
    assert_named(log)


@pytest.mark.rule("LC4")
def test_a_host_names_it_once_for_all_its_sessions(log: Notices) -> None:
    async def main() -> None:
        async with Host() as host:
            sessions = [await host.start(Pipeline(Spins(log.noticed)), stall_timeout=0.2) for _ in range(5)]
            await sessions[3].push(Order("x"))

    trio.run(main)
    assert_named(log)


@pytest.mark.rule("LC4")
def test_a_session_inside_asyncio_names_it_too(log: Notices) -> None:
    async def main() -> None:
        async with antiphon.aio.open_session(Pipeline(Spins(log.noticed)), stall_timeout=0.2) as session:
            await session.push(Order("x"))

    asyncio.run(main())
    assert_named(log)


def test_the_shortest_wish_of_a_loop_counts_and_none_is_never(log: Notices) -> None:
    async def main() -> None:
        async with (
            open_session(Pipeline(Spins(log.noticed)), stall_timeout=None) as session,
            open_session(Pipeline(), stall_timeout=60),
            open_session(Pipeline(), stall_timeout=0.2),
        ):
            await session.push(Order("x"))

    trio.run(main)
    assert_named(log)


def watchdogs() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "antiphon watchdog"]


def test_one_thread_looks_after_all_loops_and_ends_after_the_last(log: Notices) -> None:
    async def main() -> None:
        async with open_session(Pipeline(), stall_timeout=0.2), open_session(Pipeline(), stall_timeout=0.2):
            assert len(watchdogs()) == 1
            await trio.to_thread.run_sync(trio.run, another)

    async def another() -> None:
        async with open_session(Pipeline(), stall_timeout=0.2):
            assert len(watchdogs()) == 1

    trio.run(main)
    for thread in watchdogs():
        thread.join(10)
        assert not thread.is_alive()
    assert log.told == []


def test_in_virtual_time_no_thread_looks(log: Notices) -> None:
    for thread in watchdogs():
        thread.join(10)
    seen: list[int] = []

    @actor
    class Looks(Actor):
        @on(Order)
        def look(self, frame: Order) -> None:
            seen.append(len(watchdogs()))

    play(Pipeline(Looks()), [Order("x")])
    assert seen == [0]

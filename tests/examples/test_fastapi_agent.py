"""The agent of examples/fastapi_agent.py under uvicorn, called by real clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
import trio
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_and_wait

from examples.fastapi_agent import app
from tests.serving import program, serving

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

each_loop = pytest.mark.parametrize("factory", LOOPS.values(), ids=LOOPS)


async def ask(socket: ClientConnection, text: str) -> str:
    await socket.send(text)
    return str(await socket.recv())


async def listed(address: str) -> list[str]:
    """Who is on the line."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{address}/calls")
    return sorted(each["caller"] for each in answer.json()["calls"])


async def book(address: str, caller: str, *, people: str) -> str:
    """A whole call; the agent hangs up. Returns what it said last."""
    async with connect(f"ws://{address}/calls/{caller}") as socket:
        assert await ask(socket, "a table please") == "For how many people?"
        assert await ask(socket, people) == "On which day?"
        last = await ask(socket, "Friday")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return last


@each_loop
def test_fifty_callers_book_their_tables_at_once(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        async with serving(app) as address:
            people = ["two", "three", "four"]
            said = await asyncio.gather(
                *(book(address, f"caller-{number}", people=people[number % 3]) for number in range(50))
            )
            numbers = set()
            for index, last in enumerate(said):
                before, _, number = last.removesuffix(". Goodbye.").rpartition(" ")
                assert before == f"A table for {people[index % 3]} on Friday, number"
                numbers.add(int(number))
            assert numbers == set(range(1, 51))
            assert await listed(address) == []
        assert not trio.lowlevel.in_trio_run()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@each_loop
def test_the_page_lists_who_is_on_the_line(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        async with (
            serving(app) as address,
            connect(f"ws://{address}/calls/ann") as ann,
            connect(f"ws://{address}/calls/bob") as bob,
        ):
            for each in (ann, bob):
                assert await ask(each, "hello") == "I can only book tables. For how many people?"
            assert await listed(address) == ["ann", "bob"]
            await ann.close()
            async with asyncio.timeout(60):
                while await listed(address) != ["bob"]:
                    ...

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@each_loop
def test_a_server_that_exits_hangs_up_in_all_calls(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def hold(address: str, caller: str, has_begun: asyncio.Barrier) -> int | None:
        async with connect(f"ws://{address}/calls/{caller}") as socket:
            assert await ask(socket, "a table please") == "For how many people?"
            await has_begun.wait()
            await socket.wait_closed()
            return socket.close_code

    async def main() -> None:
        has_begun = asyncio.Barrier(51)
        async with asyncio.TaskGroup() as tasks:
            async with serving(app) as address:
                calls = [tasks.create_task(hold(address, f"caller-{number}", has_begun)) for number in range(50)]
                await has_begun.wait()
            assert not trio.lowlevel.in_trio_run()
        assert [call.result() for call in calls] == [1012] * 50  # the service restarts, says uvicorn

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_signal_to_the_server_ends_its_calls_and_the_program(loop: str) -> None:
    with (
        program("-m", "uvicorn", "examples.fastapi_agent:app", "--port", "0", "--loop", loop) as server,
        connect_and_wait(f"ws://{server.address}/calls/ann") as socket,
    ):
        socket.send("a table please")
        assert socket.recv() == "For how many people?"
        code, told = server.end()
        assert code in (0, -15)
        assert "Application shutdown complete" in told
        assert not [line for line in told.splitlines() if not line.startswith("INFO:")]

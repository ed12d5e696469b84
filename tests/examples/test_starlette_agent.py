"""The agent of examples/starlette_agent.py under uvicorn, heard by real clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import httpx
import pytest
import trio
import uvloop

import antiphon
from examples.starlette_agent import Server, app, chats
from tests.serving import program, serving

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
NO_LIMITS = httpx.Limits(max_connections=None)

each_loop = pytest.mark.parametrize("factory", LOOPS.values(), ids=LOOPS)


@asynccontextmanager
async def listening(client: httpx.AsyncClient, url: str) -> AsyncIterator[AsyncIterator[str]]:
    """The words of a chat that has begun."""

    async def words() -> AsyncGenerator[str]:
        async for line in lines:
            if line.startswith("data: "):
                yield line.removeprefix("data: ")

    async with client.stream("GET", url) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: ready"
        async with aclosing(words()) as heard:
            yield heard


async def chat(client: httpx.AsyncClient, url: str, *themes: str) -> list[str]:
    """Cut in with each theme while the agent talks about the one before. What it says once it has come to each."""
    told = []
    async with listening(client, url) as words:
        for theme in themes:
            assert (await client.post(url, content=theme)).status_code == 202
            heard, saying = [""], f"You said {theme}; well,".split()
            while heard[-len(saying) :] != saying:  # words that were on their way already
                heard.append(await anext(words))
            told.append(" ".join([await anext(words) for _ in saying]))
    return told


@each_loop
def test_fifty_people_chat_and_cut_in_at_once(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        async with serving(app) as address:
            async with httpx.AsyncClient(limits=NO_LIMITS, timeout=60) as client:
                told = await asyncio.gather(
                    *(
                        chat(client, f"http://{address}/chats/{number}", "the sea", f"the number {number}")
                        for number in range(50)
                    )
                )
            async with asyncio.timeout(60):
                for _ in iter(lambda: len(chats), 0):
                    await asyncio.sleep(0.005)
        assert told == [["You said the sea; well,", f"You said the number {number}; well,"] for number in range(50)]
        assert not trio.lowlevel.in_trio_run()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@each_loop
def test_a_chat_has_one_listener_and_is_gone_with_it(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        async with serving(app) as address, httpx.AsyncClient() as client:
            url = f"http://{address}/chats/ann"
            assert (await client.post(url, content="hello")).status_code == 404
            async with listening(client, url):
                assert (await client.get(url)).status_code == 409
                assert (await client.post(url, content="hello")).status_code == 202
            async with asyncio.timeout(60):
                while (await client.post(url, content="hello")).status_code != 404:
                    ...

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


async def hold(client: httpx.AsyncClient, url: str, has_begun: asyncio.Barrier) -> None:
    """Listen until the stream ends."""
    async with listening(client, url) as words:
        await client.post(url, content="the sea")
        await has_begun.wait()
        async for _ in words:
            pass


@each_loop
def test_a_server_that_exits_ends_the_chats(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        has_begun = asyncio.Barrier(51)
        async with httpx.AsyncClient(limits=NO_LIMITS, timeout=60) as client, asyncio.TaskGroup() as tasks:
            async with serving(app, server_class=Server) as address:
                for number in range(50):
                    tasks.create_task(hold(client, f"http://{address}/chats/{number}", has_begun))
                await has_begun.wait()
                sessions = list(chats.values())
            assert [session.outcome for session in sessions] == ["cancelled"] * 50
            assert not trio.lowlevel.in_trio_run()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@each_loop
def test_a_stream_that_the_server_cuts_ends_its_session(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    sessions: list[antiphon.aio.Session] = []

    async def main() -> None:
        has_begun = asyncio.Barrier(4)
        async with httpx.AsyncClient(limits=NO_LIMITS, timeout=60) as client:
            async with serving(app, timeout_graceful_shutdown=1) as address:
                streams = [
                    asyncio.create_task(hold(client, f"http://{address}/chats/{number}", has_begun))
                    for number in range(3)
                ]
                await has_begun.wait()
                sessions.extend(chats.values())
            for stream in streams:
                with pytest.raises(httpx.RemoteProtocolError):
                    await stream

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert [session.outcome for session in sessions] == ["cancelled"] * 3
    assert not trio.lowlevel.in_trio_run()


def test_a_signal_to_the_server_ends_its_chats_and_the_program() -> None:
    with (
        program("examples/starlette_agent.py", "0") as server,
        httpx.Client() as client,
        client.stream("GET", f"http://{server.address}/chats/ann") as answer,
    ):
        assert next(answer.iter_lines()) == "event: ready"
        code, told = server.end()
    assert code in (0, -15)
    assert "Application shutdown complete" in told
    assert not [line for line in told.splitlines() if not line.startswith("INFO:")]

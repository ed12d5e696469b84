"""The door as actors use it: connections that fail and heal, secrets, and a play that has none."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from antiphon import Actor, Backoff, Pipeline, actor, child, on, open_session, state
from antiphon.actors import LiveDoor, RemoteProtocolError, Unrecoverable, WebSocket, WebSocketClosed, check_response
from antiphon.channels import ErrorFrame, TextFrame
from antiphon.scenarios import play
from tests.watch import Watch

from .servers import (
    TEXT,
    Handler,
    Request,
    agree,
    answer,
    echo,
    frame,
    goes_on,
    open_files,
    read_request,
    serving,
    speaking,
)


@pytest.fixture(autouse=True)
def no_file_is_left() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before


@actor
class Speaker(Actor):
    """Sends each text to a server, and what that says goes on as text."""

    url: str
    options: dict[str, Any]
    fails_at: str | None = None

    websocket: WebSocket | None = state(None)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.outside.websocket(self.url, **self.options) as self.websocket:
            self.start_soon(self.listen, self.websocket)
            yield

    async def listen(self, websocket: WebSocket) -> None:
        async for data in websocket:
            await self.push(TextFrame(str(data)))

    @on(TextFrame)
    def speak(self, frame: TextFrame) -> None:
        assert self.websocket is not None
        count, audio = frame.text.split()
        for n in range(int(count)):
            self.websocket.send_nowait(f"{n}", audio=audio == "audio")
        if frame.text == self.fails_at:
            raise ValueError("after it has spoken")


NO_BACKOFF = Backoff(first=0.001, most=0.001)


def speaker(port: int, *, fails_at: str | None = None, max_restarts: int = 3, **options: Any) -> Pipeline:
    one = Speaker(f"ws://127.0.0.1:{port}/", options, fails_at)
    return Pipeline(child(one, backoff=NO_BACKOFF), max_restarts=max_restarts)


# ---- a WebSocket in an actor


async def test_a_plain_handler_feeds_it_and_a_task_hears_it() -> None:
    async with serving(echo) as port, open_session(speaker(port)) as session:
        await session.push(TextFrame("3 words"))
        output = session.output
        assert [(await anext(output)).text for _ in range(3)] == ["0", "1", "2"]  # type: ignore[attr-defined]  # only texts


async def test_a_handler_that_fails_has_sent_nothing() -> None:
    heard: list[object] = []

    async def listen(request: Request) -> None:
        websocket = await request.accept()
        while True:
            heard.append(await websocket.get_message())
            await websocket.send_message("heard")

    watch = Watch()
    async with (
        serving(speaking(listen)) as port,
        open_session(speaker(port, fails_at="2 words"), observers=[watch]) as session,
    ):
        output = session.output
        await session.push(TextFrame("2 words"))
        await watch.until(lambda: len(watch.failures) == 2)
        await session.push(TextFrame("1 words"))
        await anext(output)
    assert heard == ["0"]


async def test_too_much_fails_the_handler_that_sends_it() -> None:
    watch = Watch()
    async with serving(echo) as port, open_session(speaker(port, max_waiting=10), observers=[watch]) as session:
        await session.push(TextFrame("11 words"))
        await watch.until(lambda: len(watch.failures) == 2)
    assert [type(failure.error) for failure in watch.failures] == [trio.WouldBlock] * 2


async def test_shed_sound_is_reported_as_dropped() -> None:
    watch = Watch()
    async with serving(echo) as port, open_session(speaker(port, max_audio_bytes=4), observers=[watch]) as session:
        output = session.output
        await session.push(TextFrame("10 audio"))
        assert [(await anext(output)).text for _ in range(4)] == ["6", "7", "8", "9"]  # type: ignore[attr-defined]  # only texts
    shed = [dropped.delivery.frame for dropped in watch.dropped_ones if dropped.reason == "shed"]
    assert shed == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_a_lost_connection_is_a_failure_of_its_actor_which_gets_another() -> None:
    connections = 0

    async def hang_up_once(request: Request) -> None:
        nonlocal connections
        connections += 1
        websocket = await request.accept()
        await websocket.get_message()
        if connections == 1:
            await websocket.aclose(1011, "the model has crashed")
            return
        await websocket.send_message("here again")
        await websocket.get_message()

    watch = Watch()
    async with serving(speaking(hang_up_once)) as port, open_session(speaker(port), observers=[watch]) as session:
        output = session.output
        await session.push(TextFrame("1 words"))
        await watch.until(lambda: len(watch.restarts) == 1)
        await session.push(TextFrame("1 words"))
        assert await anext(output) == TextFrame("here again")
    (failure,) = watch.failures
    assert isinstance(failure.error, WebSocketClosed)
    assert "1011 INTERNAL_ERROR: the model has crashed" in str(failure.error)


@pytest.mark.parametrize(
    ("hangs_up", "says"),
    [(lambda websocket: websocket.aclose(4000, "no credit"), "4000: no credit"), (None, "dropped the connection")],
    ids=["closes", "drops"],
)
async def test_a_server_that_accepts_and_hangs_up_is_not_asked_for_ever(hangs_up: Any, says: str) -> None:
    connections = 0

    async def handle(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        if hangs_up is None:
            await agree(stream)
            return

        async def talk(request: Request) -> None:
            await hangs_up(await request.accept())

        await speaking(talk)(stream)

    async def run() -> None:
        async with serving(handle) as port, open_session(speaker(port, max_restarts=2)) as session:
            await session.wait()

    with pytest.raises(ExceptionGroup, match="more than 2 restarts within 5 s") as caught:
        await run()
    assert connections == 3
    assert caught.group_contains(WebSocketClosed, match=says)
    assert len(caught.value.exceptions) == 3


async def test_a_rejected_key_ends_the_session_at_once() -> None:
    connections = 0

    async def handle(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        await answer(401, b"no such key")(stream)

    async def run() -> None:
        async with serving(handle) as port, open_session(speaker(port)) as session:
            await session.wait()

    with pytest.raises(ExceptionGroup, match="it can't heal") as caught:
        await run()
    assert caught.group_contains(Unrecoverable, match="answered 401")
    assert connections == 1


async def test_a_server_that_is_busy_is_asked_again() -> None:
    statuses = [503, 429]

    async def handle(stream: trio.abc.Stream) -> None:
        if statuses:
            await answer(statuses.pop(), b"later")(stream)
        else:
            await echo(stream)

    watch = Watch()
    async with serving(handle) as port, open_session(speaker(port), observers=[watch]) as session:
        await watch.until(lambda: len(watch.restarts) == 2)
        await session.push(TextFrame("1 words"))
        assert await anext(session.output) == TextFrame("0")


async def test_what_the_door_is_told_holds_for_each_websocket() -> None:
    async with serving(echo) as port:
        pass
    door = LiveDoor(proxy=f"http://127.0.0.1:{port}")

    async def run() -> None:
        async with open_session(speaker(1, max_restarts=0), outside=door) as session:
            await session.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert caught.group_contains(RemoteProtocolError, match=rf"the proxy 127\.0\.0\.1:{port} can't be reached")


# ---- no secret is told

SECRET = "".join(["hunter2", "-", "q8w7e6"])  # in pieces, since a traceback shows this line
PATH = f"/v1?model=nova&key={SECRET}&xi-api-key={SECRET}"


async def _echoes_raw(stream: trio.abc.Stream) -> None:
    await stream.send_all(bytes(await stream.receive_some(65536)))
    await goes_on(stream)


async def _closes_with_the_key(request: Request) -> None:
    websocket = await request.accept()
    await websocket.aclose(1008, f"{SECRET} is no key of ours")


async def _drops(stream: trio.abc.Stream) -> None:
    await agree(stream)
    await stream.send_all(frame(TEXT, SECRET.encode()))


async def _agrees_with_anybody(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await stream.send_all(b"HTTP/1.1 101 Fine\r\n\r\n")
    await goes_on(stream)


@actor
class Tells(Actor):
    """Whose server makes it fail."""

    url: str

    @on(TextFrame)
    async def ask(self, frame: TextFrame) -> None:
        headers = {"Authorization": f"Bearer {SECRET}", "X-Session-Token": SECRET}
        if self.url.startswith("http"):
            async with self.outside.http.stream("POST", self.url, headers=headers, timeout=0.2) as response:
                await check_response(response)
                await response.aread()
        else:
            async with self.outside.websocket(
                self.url, headers=headers, subprotocols=["realtime", f"insecure-api-key.{SECRET}"], connect_timeout=0.2
            ) as websocket:
                assert SECRET not in repr(websocket)
                await websocket.receive()
                await websocket.receive()


@pytest.mark.parametrize("scheme", ["ws", "http"])
@pytest.mark.parametrize(
    "handle",
    [
        answer(401, f"{SECRET} is no key of ours".encode()),
        answer(500, f"{SECRET}".encode()),
        answer(200, b"hello", headers="Content-Length: 100\r\n"),
        _echoes_raw,
        _agrees_with_anybody,
        goes_on,
        speaking(_closes_with_the_key),
        _drops,
    ],
    ids=["401", "500", "half", "echo", "bad agreement", "stalls", "closes", "drops"],
)
async def test_no_error_and_no_log_tells_a_key(handle: Handler, scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    watch = Watch()
    upstream: list[object] = []

    async def run() -> None:
        async with serving(handle) as port:
            pipeline = Pipeline(Tells(f"{scheme}://me:{SECRET}@127.0.0.1:{port}{PATH}"), max_restarts=0)
            async with open_session(pipeline, observers=[watch]) as session, trio.open_nursery() as nursery:
                nursery.start_soon(_collect, session.upstream, upstream)
                await session.push(TextFrame("a"))
                await session.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert watch.failures, "the server did no harm"
    told = "".join(traceback.format_exception(caught.value))
    told += "".join(f"{failure.error!r} {failure.error}" for failure in watch.failures)
    told += "".join(f"{frame.error} {frame!r}" for frame in upstream if isinstance(frame, ErrorFrame))
    told += caplog.text
    assert SECRET not in told
    assert "127.0.0.1" in told


async def _collect(stream: AsyncIterator[object], into: list[object]) -> None:
    async for each in stream:
        into.append(each)


# ---- no world


def test_a_play_has_no_websocket_and_says_so() -> None:
    trace = play(Pipeline(Speaker(f"wss://host/listen?key={SECRET}", {})), [TextFrame("1 words")])
    told = str(trace.failures[0].error)
    assert "speaker: a play has no outside, so no WebSocket can be opened (wss://host/listen)" in told
    assert SECRET not in told


def test_a_play_has_no_http_and_says_so() -> None:
    trace = play(Pipeline(Tells("http://host/")), [TextFrame("a")])
    assert "tells: a play has no outside, so nothing can be asked over HTTP" in str(trace.failures[0].error)


def test_whoever_opens_nothing_loads_nothing_of_the_network() -> None:
    program = (
        "import sys, antiphon; print([name for name in ('httpx', 'trio_websocket', 'h11') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"

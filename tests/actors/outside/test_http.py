"""HTTP behind the door: an actor's own client, its errors and its end."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from antiphon import Actor, Pipeline, actor, on, open_session
from antiphon.actors import Outside, RemoteProtocolError, Unrecoverable, check_response
from antiphon.actors.outside.http import open_client
from antiphon.actors.outside.tls import tls_context
from antiphon.channels import LLMTextFrame, TextFrame
from tests.watch import Watch

from .servers import Handler, answer, goes_on, open_files, read_request, serving


@pytest.fixture(autouse=True)
def no_file_is_left() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(context=tls_context(None, None), proxy="") as client:
        yield client


# ---- the client


async def test_json_is_posted_and_answered(client: httpx.AsyncClient) -> None:
    seen: list[bytes] = []

    async def handle(stream: trio.abc.Stream) -> None:
        seen.append(await read_request(stream))
        await stream.send_all(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a": 42}')

    async with serving(handle) as port:
        response = await client.post(f"http://127.0.0.1:{port}/v1?x=1", json={"q": "ä"}, headers={"X-Model": "m"})
        assert response.json() == {"a": 42}
    assert seen[0].startswith(b"POST /v1?x=1 HTTP/1.1\r\n")
    assert b"X-Model: m\r\n" in seen[0]
    assert seen[0].endswith('{"q":"ä"}'.encode())


async def test_a_connection_is_used_again(client: httpx.AsyncClient) -> None:
    connections = 0

    async def handle(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(stream)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with serving(handle) as port:
        for _ in range(5):
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
        assert connections == 1


async def _drops_at_once(stream: trio.abc.Stream) -> None:
    await read_request(stream)


async def _says_garbage(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"220 mail.example.com ESMTP\r\n\r\n")
    await goes_on(stream)


@pytest.mark.parametrize(
    ("handle", "error", "says"),
    [
        (_drops_at_once, httpx.RemoteProtocolError, "dropped the connection"),
        (_says_garbage, httpx.RemoteProtocolError, "doesn't speak HTTP"),
        (goes_on, httpx.ReadTimeout, "sent nothing for too long"),
        (answer(200, b"ab", headers="Content-Length: 100\r\n"), httpx.RemoteProtocolError, "dropped the connection"),
    ],
)
async def test_a_bad_server_is_told_with_host_and_port(
    client: httpx.AsyncClient, handle: Handler, error: type[Exception], says: str
) -> None:
    async with serving(handle) as port:
        with pytest.raises(error, match=rf"^127\.0\.0\.1:{port}: .*{says}"):
            await client.get(f"http://127.0.0.1:{port}/", timeout=0.1)


async def test_a_body_that_stalls_ends_in_time(client: httpx.AsyncClient) -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await goes_on(stream)

    heard: list[bytes] = []

    async def read(url: str) -> None:
        async with client.stream("GET", url, timeout=0.1) as response:
            async for data in response.aiter_bytes():
                heard.append(data)

    async with serving(handle) as port:
        with pytest.raises(httpx.ReadTimeout, match=rf"^127\.0\.0\.1:{port}: sent nothing for too long"):
            await read(f"http://127.0.0.1:{port}/")
    assert heard == [b"abc"]


async def test_a_host_that_refuses_and_one_that_is_unknown_are_told(client: httpx.AsyncClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and doesn't listen
        port = taken.getsockname()[1]
        with pytest.raises(httpx.ConnectError, match=rf"^127\.0\.0\.1:{port}: can't be reached .*refused"):
            await client.get(f"http://127.0.0.1:{port}/")
    with pytest.raises(httpx.ConnectError, match=r"^nowhere\.invalid:443: can't be reached .*not known"):
        await client.get("https://nowhere.invalid/")


async def test_a_server_that_takes_nothing_does_not_hold_up_who_is_cancelled(client: httpx.AsyncClient) -> None:
    asked = trio.Event()

    async def handle(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1000)
        asked.set()
        await trio.sleep_forever()

    async with serving(handle) as port:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: client.post(f"http://127.0.0.1:{port}/", content=b"x" * 20_000_000))
                await asked.wait()
                nursery.cancel_scope.cancel()


# ---- answers that say no


async def checked(client: httpx.AsyncClient, url: str, *, streams: bool = False, **options: Any) -> None:
    if streams:
        async with client.stream("POST", url, **options) as response:
            await check_response(response)
    else:
        await check_response(await client.post(url, **options))


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("status", "error"), [(401, Unrecoverable), (403, Unrecoverable), (407, Unrecoverable)])
async def test_a_rejected_key_can_not_heal(
    client: httpx.AsyncClient, status: int, error: type[Exception], streams: bool
) -> None:
    async with serving(answer(status, b'{"error": "no such key"}')) as port:
        with pytest.raises(error, match=rf'^POST 127\.0\.0\.1/v1 answered {status} .*"no such key".*Check the key'):
            await checked(client, f"http://127.0.0.1:{port}/v1", streams=streams)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("status", [302, 404, 429, 500, 529])
async def test_another_refusal_may_heal(client: httpx.AsyncClient, status: int, streams: bool) -> None:
    async with serving(answer(status, b"too many\nrequests")) as port:
        with pytest.raises(RemoteProtocolError, match=rf"answered {status}.*: too many requests$"):
            await checked(client, f"http://127.0.0.1:{port}/v1", streams=streams)


async def test_of_a_long_refusal_the_beginning_is_told(client: httpx.AsyncClient) -> None:
    async with serving(answer(500, b"so sorry " * 100_000)) as port:
        with pytest.raises(RemoteProtocolError, match="so sorry so sorry") as caught:
            await checked(client, f"http://127.0.0.1:{port}/v1", streams=True)
    assert len(str(caught.value)) < 500


async def test_a_good_answer_passes_and_its_body_is_still_to_be_read(client: httpx.AsyncClient) -> None:
    async with serving(answer(201, b"hello")) as port, client.stream("POST", f"http://127.0.0.1:{port}/") as response:
        await check_response(response)
        assert await response.aread() == b"hello"


async def test_a_refusal_whose_body_never_ends_is_told_in_a_moment(
    client: httpx.AsyncClient, mock_clock: trio.testing.MockClock
) -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 500 No\r\nContent-Length: 10000\r\n\r\nso sorry")
        await goes_on(stream)

    async with serving(handle) as port:
        async with client.stream("GET", f"http://127.0.0.1:{port}/") as response:
            mock_clock.autojump_threshold = 0.05
            with pytest.raises(RemoteProtocolError, match="so sorry"):
                await check_response(response)
        assert trio.current_time() <= 1.0 + 1e-9


# ---- in an actor


@actor
class Model(Actor):
    """Asks for each text, and says what comes, piece by piece."""

    url: str
    opened: Callable[[httpx.AsyncClient], object] = lambda client: None

    @on(TextFrame)
    async def complete(self, frame: TextFrame) -> None:
        self.opened(self.outside.http)
        async with self.outside.http.stream("POST", self.url, json={"prompt": frame.text}) as response:
            await check_response(response)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    await self.push(LLMTextFrame(line.removeprefix("data: ")))


def events(*texts: str) -> bytes:
    """What an answer in server-sent events begins with."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(
        f"data: {text}\n\n".encode() for text in texts
    )


async def test_an_interruption_cuts_a_stream_and_closes_its_connection() -> None:
    gone = trio.Event()

    async def handle(stream: trio.abc.Stream) -> None:
        request = await read_request(stream)
        if b"first" in request:
            await stream.send_all(events("one", "two"))
            await goes_on(stream)
            gone.set()
        else:
            await stream.send_all(events("three"))

    watch = Watch()
    async with (
        serving(handle) as port,
        open_session(Pipeline(Model(f"http://127.0.0.1:{port}/")), observers=[watch]) as session,
    ):
        output = session.output
        await session.push(TextFrame("first"))
        assert [await anext(output), await anext(output)] == [LLMTextFrame("one"), LLMTextFrame("two")]
        session.interrupt()
        with trio.fail_after(20):
            await gone.wait()
        await session.push(TextFrame("second"))
        assert await anext(output) == LLMTextFrame("three")
    assert watch.failures == []


async def test_a_stream_that_breaks_off_is_a_failure_of_the_actor_and_the_next_one_has_a_client_of_its_own() -> None:
    asked = 0

    async def handle(stream: trio.abc.Stream) -> None:
        nonlocal asked
        await read_request(stream)
        asked += 1
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\ndata: one\n\r\n"
            + (b"" if asked == 1 else b"0\r\n\r\n")
        )

    clients: list[httpx.AsyncClient] = []
    watch = Watch()
    async with serving(handle) as port:
        pipeline = Pipeline(Model(f"http://127.0.0.1:{port}/", clients.append))
        async with open_session(pipeline, observers=[watch]) as session:
            output = session.output
            await session.push(TextFrame("a"))
            assert await anext(output) == LLMTextFrame("one")
            await watch.until(lambda: len(watch.restarts) == 1)
            await session.push(TextFrame("b"))
            assert await anext(output) == LLMTextFrame("one")
            assert [client.is_closed for client in clients] == [True, False]
    assert [type(failure.error) for failure in watch.failures] == [httpx.RemoteProtocolError]
    assert "dropped the connection" in str(watch.failures[0].error)
    assert clients[1].is_closed


async def test_a_rejected_key_ends_the_session_and_too_many_requests_does_not() -> None:
    statuses = [429, 401]

    async def handle(stream: trio.abc.Stream) -> None:
        await answer(statuses.pop(0), b"no")(stream)

    watch = Watch()

    async def run() -> None:
        async with (
            serving(handle) as port,
            open_session(Pipeline(Model(f"http://127.0.0.1:{port}/")), observers=[watch]) as session,
        ):
            await session.push(TextFrame("a"))
            await session.wait()

    with pytest.raises(ExceptionGroup, match="it can't heal") as caught:
        await run()
    assert caught.group_contains(Unrecoverable, match="answered 401")
    kinds: list[type[BaseException]] = [type(failure.error) for failure in watch.failures]
    assert kinds == [RemoteProtocolError, Unrecoverable]
    assert len(watch.restarts) == 1


async def test_an_incarnation_that_has_ended_opens_no_client() -> None:
    doors: list[Outside] = []

    @actor
    class Peeps(Actor):
        @on(TextFrame)
        def peep(self, frame: TextFrame) -> TextFrame:
            doors.append(self.outside)
            return frame

    async with open_session(Pipeline(Peeps())) as session:
        await session.push(TextFrame("a"))
    with pytest.raises(RuntimeError, match="peeps: this incarnation has ended"):
        doors[0].http  # noqa: B018  # looking is enough


# ---- secrets


SECRET = "hunter2-s3cr3t"


async def test_no_log_of_a_request_tells_its_key(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(answer(200, b"hello")) as port:
        await client.get(f"http://127.0.0.1:{port}/v1?key={SECRET}", headers={"Authorization": f"Bearer {SECRET}"})
    assert "HTTP Request: GET http://127.0.0.1" in caplog.text
    assert SECRET not in caplog.text

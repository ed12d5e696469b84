"""WebSockets: real servers on loopback, good ones and bad ones."""

from __future__ import annotations

import socket
import struct
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
import trio_websocket

from antiphon.actors import ConfigurationError, RemoteProtocolError, Unrecoverable, WebSocket, WebSocketClosed
from antiphon.actors.outside.websocket import WebSocketSettings
from antiphon.actors.outside.wire import open_websocket

from .servers import (
    CLOSE,
    PING,
    TEXT,
    Frames,
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


@asynccontextmanager
async def connected(handle: Handler, path: str = "/", **settings: Any) -> AsyncIterator[WebSocket]:
    """A WebSocket to a server of its own. A test that hangs fails."""
    async with serving(handle) as port:
        with trio.fail_after(20):
            async with open_websocket(f"ws://127.0.0.1:{port}{path}", WebSocketSettings(**settings)) as websocket:
                yield websocket


@pytest.fixture(autouse=True)
def no_file_is_left() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before


# ---- a server that behaves


async def test_text_and_bytes_come_back_as_they_were() -> None:
    async with connected(echo) as websocket:
        websocket.send_nowait("ä")
        websocket.send_nowait(b"\0\1")
        await websocket.send("b")
        assert [await websocket.receive() for _ in range(3)] == ["ä", b"\0\1", "b"]


async def test_what_is_sent_arrives_in_order_and_whole_though_it_is_more_than_a_socket_holds() -> None:
    sent = [bytes([n % 256]) * 997 * n for n in range(1, 200)]
    async with connected(echo) as websocket:
        for data in sent:
            await websocket.send(data)
        assert [await websocket.receive() for _ in sent] == sent


async def test_a_large_message_is_one_message() -> None:
    async with connected(speaking(_counts)) as websocket:
        websocket.send_nowait(b"x" * 900_000)
        assert await websocket.receive() == "900000"


async def _counts(request: Request) -> None:
    websocket = await request.accept()
    await websocket.send_message(str(len(await websocket.get_message())))
    await websocket.get_message()


async def test_the_server_sees_headers_path_query_and_user() -> None:
    seen: list[bytes] = []

    async def handle(stream: trio.abc.Stream) -> None:
        seen.append(await read_request(stream))
        await stream.send_all(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")

    async with serving(handle) as port:
        settings = WebSocketSettings(headers={"X-Model": "nova"}, subprotocols=["realtime", "beta"])
        with pytest.raises(RemoteProtocolError):
            async with open_websocket(f"ws://me:p%40ss@127.0.0.1:{port}/v1/listen?name=ä&b=1%202", settings):
                raise AssertionError("it was opened")
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "GET /v1/listen?name=%C3%A4&b=1%202 HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines
    assert "X-Model: nova" in lines
    assert "Sec-WebSocket-Protocol: realtime, beta" in lines
    assert "Authorization: Basic bWU6cEBzcw==" in lines


async def test_the_chosen_subprotocol_is_told() -> None:
    async def choose(request: Request) -> None:
        websocket = await request.accept(subprotocol=request.proposed_subprotocols[1])
        await websocket.get_message()

    async with connected(speaking(choose), subprotocols=("a", "b")) as websocket:
        assert websocket.subprotocol == "b"


async def test_what_was_queued_is_written_before_the_closing_frame() -> None:
    heard: list[object] = []

    async def listen(request: Request) -> None:
        websocket = await request.accept()
        try:
            while True:
                heard.append(await websocket.get_message())
        except trio_websocket.ConnectionClosed as error:
            heard.append(getattr(error.reason, "code", None))

    async with connected(speaking(listen)) as websocket:
        for n in range(50):
            websocket.send_nowait(str(n))
    assert heard == [*map(str, range(50)), 1000]


async def test_the_closing_code_and_reason_can_be_chosen_and_an_iteration_ends() -> None:
    closed: list[Any] = []

    async def listen(request: Request) -> None:
        websocket = await request.accept()
        try:
            await websocket.get_message()
        except trio_websocket.ConnectionClosed as error:
            closed.append(error.reason)

    async with connected(speaking(listen)) as websocket:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(websocket.aclose, 4001, "enough")
            assert [data async for data in websocket] == []
        with pytest.raises(WebSocketClosed, match="has been closed from here"):
            websocket.send_nowait("late")
    assert [(each.code, each.reason) for each in closed] == [(4001, "enough")]


async def test_a_ping_is_answered_though_nobody_receives() -> None:
    ponged = trio.Event()

    async def handle(request: Request) -> None:
        websocket = await request.accept()
        await websocket.send_message("nobody receives this")
        await websocket.ping(b"there?")
        ponged.set()
        await websocket.get_message()

    async with connected(speaking(handle)):
        await ponged.wait()


async def test_what_the_block_raises_comes_out_as_it_was() -> None:
    class Mine(Exception): ...

    with pytest.raises(Mine) as caught:
        async with connected(echo):
            raise Mine from KeyError("the cause")
    assert isinstance(caught.value.__cause__, KeyError)


# ---- servers that refuse


@pytest.mark.parametrize("status", [401, 403, 407])
async def test_a_rejected_key_can_not_heal(status: int) -> None:
    with pytest.raises(Unrecoverable, match=rf"^127\.0\.0\.1:\d+ answered {status} .*: no such key\. Check the key"):
        async with connected(answer(status, b"no such key")):
            raise AssertionError("it was opened")


@pytest.mark.parametrize("status", [200, 302, 404, 429, 500, 503])
async def test_another_refusal_may_heal(status: int) -> None:
    with pytest.raises(RemoteProtocolError, match=rf"^127\.0\.0\.1:\d+ answered {status} .*: not now$"):
        async with connected(answer(status, b"not now")):
            raise AssertionError("it was opened")


@pytest.mark.parametrize(
    "headers", ["", "Content-Length: 5000\r\n", "Transfer-Encoding: chunked\r\n"], ids=["no length", "cut", "chunked"]
)
async def test_a_status_is_understood_though_its_body_never_ends_well(headers: str) -> None:
    with pytest.raises(Unrecoverable, match="answered 401 Unauthorized"):
        async with connected(answer(401, b"no", headers=headers)):
            raise AssertionError("it was opened")


async def test_a_refusal_whose_body_stalls_is_told_in_a_moment(mock_clock: trio.testing.MockClock) -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nnot")
        mock_clock.autojump_threshold = 0.05
        await goes_on(stream)

    with pytest.raises(Unrecoverable, match="answered 403 Forbidden: not"):
        async with connected(handle):
            raise AssertionError("it was opened")
    assert trio.current_time() < 1.0


async def test_of_a_long_body_the_beginning_is_told() -> None:
    with pytest.raises(RemoteProtocolError, match="answered 500") as caught:
        async with connected(answer(500, b"so sorry " * 100_000)):
            raise AssertionError("it was opened")
    assert len(str(caught.value)) < 500
    assert "so sorry so sorry" in str(caught.value)


async def _says_nothing_and_goes(stream: trio.abc.Stream) -> None:
    await read_request(stream)


async def _says_half_and_goes(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await stream.send_all(b"HTTP/1.1 10")


async def _says_garbage(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"220 mail.example.com ESMTP\r\n")
    await goes_on(stream)


async def _agrees_wrongly(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await stream.send_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: bm90IHRoaXMga2V5\r\n\r\n"
    )
    await goes_on(stream)


async def _never_ends_its_head(stream: trio.abc.Stream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000)
    await goes_on(stream)


@pytest.mark.parametrize(
    ("handle", "says"),
    [
        (_says_nothing_and_goes, "closed the connection before it had answered"),
        (_says_half_and_goes, "closed the connection before it had answered"),
        (_says_garbage, "doesn't speak HTTP: it said '220 mail.example.com"),
        (_agrees_wrongly, "accepted, but with an answer that is no WebSocket's"),
        (_never_ends_its_head, "a head of more than 65536 bytes"),
    ],
)
async def test_a_bad_handshake_is_told(handle: Handler, says: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        async with connected(handle):
            raise AssertionError("it was opened")
    assert says in str(caught.value)
    assert str(caught.value).startswith("127.0.0.1:")


async def test_a_server_that_never_answers_is_given_up_after_the_time_out() -> None:
    with pytest.raises(RemoteProtocolError, match=r"opened no WebSocket within connect_timeout=0\.05 s"):
        async with connected(goes_on, connect_timeout=0.05):
            raise AssertionError("it was opened")


async def test_a_host_that_refuses_is_told_with_its_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and doesn't listen
        port = taken.getsockname()[1]
        with pytest.raises(RemoteProtocolError, match=rf"^127\.0\.0\.1:{port} can't be reached .*refused"):
            async with open_websocket(f"ws://127.0.0.1:{port}/", WebSocketSettings()):
                raise AssertionError("it was opened")


async def test_an_unknown_name_is_told_with_what_to_check() -> None:
    with pytest.raises(RemoteProtocolError, match=r"^nowhere\.invalid:443: the name isn't known .*Check the name"):
        async with open_websocket("wss://nowhere.invalid/", WebSocketSettings()):
            raise AssertionError("it was opened")


@pytest.mark.parametrize("url", ["https://host/", "host/path", "ws://", "ws://host:port/", "ws://[::1/"])
async def test_what_is_no_url_of_a_websocket_is_the_authors_mistake(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"wss://host/path"):
        async with open_websocket(url, WebSocketSettings()):
            raise AssertionError("it was opened")


@pytest.mark.parametrize(("name", "value"), [("X-Key", "abc\n"), ("X-Key", "kéy"), ("X Key", "abc"), ("X-Key", " a")])
async def test_a_header_that_http_does_not_allow_is_the_authors_mistake(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        async with open_websocket("ws://127.0.0.1:1/", WebSocketSettings(headers={name: value})):
            raise AssertionError("it was opened")
    assert repr(value) not in str(caught.value)


async def test_a_key_that_is_not_set_is_the_authors_mistake() -> None:
    headers: Any = {"Authorization": None}
    with pytest.raises(ConfigurationError, match=r"Authorization is NoneType, not str\. Is the key set\?"):
        async with open_websocket("ws://127.0.0.1:1/", WebSocketSettings(headers=headers)):
            raise AssertionError("it was opened")


# ---- servers that end badly


async def _fails_with_a_reason(request: Request) -> None:
    websocket = await request.accept()
    await websocket.send_message("last words")
    await websocket.aclose(1011, "the model is overloaded")


async def test_a_closing_with_a_reason_is_told_after_what_came_before() -> None:
    async with connected(speaking(_fails_with_a_reason)) as websocket:
        assert await websocket.receive() == "last words"
        with pytest.raises(WebSocketClosed, match="closed: 1011 INTERNAL_ERROR: the model is overloaded") as caught:
            await websocket.receive()
        assert (caught.value.code, caught.value.reason) == (1011, "the model is overloaded")
        # trio-websocket's own error would tell the reason as it came, perhaps with a key in it.
        assert "ConnectionClosed" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.host == websocket.host
        assert repr(websocket).endswith(", closed>")
        with pytest.raises(WebSocketClosed, match="1011"):
            await websocket.send("nobody is there")
        with pytest.raises(WebSocketClosed, match="1011"):
            websocket.send_nowait("nobody is there")


async def test_an_iteration_raises_what_ended_the_connection() -> None:
    heard: list[object] = []
    async with connected(speaking(_fails_with_a_reason)) as websocket:

        async def listen() -> None:
            async for data in websocket:
                heard.append(data)

        with pytest.raises(WebSocketClosed, match="1011"):
            await listen()
    assert heard == ["last words"]


def says(*data: bytes, resets: bool = False) -> Handler:
    """Agrees, sends these bytes, and hangs up."""

    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        await stream.send_all(b"".join(data))
        if resets:
            assert isinstance(stream, trio.SocketStream)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return handle


def says_and_stays(*data: bytes) -> Handler:
    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        await stream.send_all(b"".join(data))
        await goes_on(stream)

    return handle


@pytest.mark.parametrize(
    ("handle", "code", "told"),
    [
        (says(), 1006, "dropped the connection (1006)"),
        (says(resets=True), 1006, "broke the connection off (1006)"),
        (says(b"\x81\x7dhalf"), 1006, "dropped the connection (1006)"),
        (says(frame(TEXT, b"a", is_last=False)), 1006, "dropped the connection (1006)"),
        (says(frame(CLOSE, b"")), 1005, "closed: 1005"),
        (says(frame(CLOSE, struct.pack("!H", 4008) + b"too slow")), 4008, "closed: 4008: too slow"),
        (says_and_stays(frame(TEXT, b"a", reserved=4)), 1002, "closed: 1002 PROTOCOL_ERROR"),
        (says_and_stays(frame(3, b"a")), 1002, "closed: 1002 PROTOCOL_ERROR"),
        (says_and_stays(b"HTTP/1.1 200 OK\r\n\r\n"), 1002, "closed: 1002 PROTOCOL_ERROR"),
        (says_and_stays(frame(TEXT, b"\xff\xfe")), 1007, "closed: 1007 INVALID_FRAME_PAYLOAD_DATA"),
        (says_and_stays(frame(TEXT, b"x" * 2000)), 1009, "sent a message of more than max_message_bytes=1000 (1009)"),
        (
            says_and_stays(frame(TEXT, b"x" * 2000) + frame(PING, b"") + frame(TEXT, b"x" * 2000)),
            1009,
            "sent a message of more than max_message_bytes=1000 (1009)",
        ),
        (says(frame(CLOSE, struct.pack("!H", 4008)) + frame(PING, b"")), 4008, "closed: 4008"),
        (
            says_and_stays(frame(TEXT, b"x" * 600, is_last=False), frame(0, b"x" * 600)),
            1009,
            "sent a message of more than max_message_bytes=1000 (1009)",
        ),
    ],
)
async def test_a_bad_end_is_told(handle: Handler, code: int, told: str) -> None:
    async with connected(handle, max_message_bytes=1000) as websocket:
        with pytest.raises(WebSocketClosed) as caught:
            await websocket.receive()
    assert told in str(caught.value)
    assert websocket.host in str(caught.value)
    assert caught.value.code == code


async def test_a_ping_behind_the_closing_frame_does_no_harm(autojump_clock: trio.testing.MockClock) -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        async for opcode, payload in Frames(stream):
            if opcode == CLOSE:
                await stream.send_all(frame(PING, b"late") + frame(CLOSE, payload))

    autojump_clock.autojump_threshold = 0.2
    async with connected(handle) as websocket:
        websocket.send_nowait("hello")
    assert trio.current_time() == 0


async def test_a_server_that_reads_nothing_ends_the_connection_in_time() -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        await trio.sleep_forever()

    async with connected(handle, write_timeout=0.05) as websocket:
        websocket.send_nowait(b"x" * 20_000_000)
        with pytest.raises(WebSocketClosed, match=r"read nothing for write_timeout=0\.05 s") as caught:
            await websocket.receive()
        assert caught.value.code == 1006
        with pytest.raises(WebSocketClosed, match="read nothing"):
            websocket.send_nowait("more")


async def test_who_waits_for_room_hears_that_the_connection_has_ended() -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        await trio.sleep_forever()

    async with connected(handle, write_timeout=0.05, max_waiting=1) as websocket:

        async def send_for_ever() -> None:
            while True:
                await websocket.send(b"x" * 3_000_000)

        with pytest.raises(WebSocketClosed, match="read nothing"):
            await send_for_ever()


async def test_a_server_that_answers_no_ping_ends_the_connection_in_time() -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        await goes_on(stream)

    async with connected(handle, ping_interval=0.01, ping_timeout=0.05) as websocket:
        with pytest.raises(WebSocketClosed, match=r"didn't answer a ping within ping_timeout=0\.05 s"):
            await websocket.receive()


async def test_without_an_interval_nobody_is_pinged() -> None:
    seen: list[int] = []

    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        async for opcode, _ in Frames(stream):
            seen.append(opcode)
            if opcode == CLOSE:
                return

    async with connected(handle, ping_interval=None):
        pass
    assert seen == [CLOSE]


async def test_an_app_that_receives_late_loses_neither_its_messages_nor_its_connection() -> None:
    pinged = trio.Event()
    pings = 0

    async def handle(stream: trio.abc.Stream) -> None:
        nonlocal pings
        await agree(stream)
        # Answers to pings are queued behind these, in the network.
        await stream.send_all(b"".join(frame(TEXT, str(n).encode()) for n in range(2000)))
        async for opcode, payload in Frames(stream):
            if opcode == PING:
                pings += 1
                await stream.send_all(frame(10, payload))
                if pings == 5:
                    pinged.set()
            elif opcode == TEXT:
                await stream.send_all(frame(TEXT, b"still here"))

    async with connected(handle, ping_interval=0.01, ping_timeout=0.1, max_received=10) as websocket:
        await pinged.wait()
        assert websocket.closed is None
        assert [await websocket.receive() for _ in range(2000)] == [str(n) for n in range(2000)]
        await websocket.send("and you?")
        assert await websocket.receive() == "still here"


async def test_a_peer_that_pings_without_end_and_reads_no_answer_is_ended() -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await agree(stream)
        while True:
            await stream.send_all(frame(PING, b"p" * 125) * 500)

    async with connected(handle, write_timeout=0.1) as websocket:
        with pytest.raises(WebSocketClosed, match="read nothing"):
            await websocket.receive()


# ---- what waits to be written


async def _deaf(stream: trio.abc.Stream) -> None:
    await agree(stream)
    await trio.sleep_forever()


async def test_of_sound_that_is_not_read_the_oldest_is_shed_and_reported() -> None:
    shed: list[bytes] = []
    chunks = [bytes([n]) * 1000 for n in range(200)]
    async with serving(echo) as port:
        settings = WebSocketSettings(max_audio_bytes=10_000)
        async with open_websocket(f"ws://127.0.0.1:{port}/", settings, on_shed=shed.append) as websocket:
            for n, chunk in enumerate(chunks):
                websocket.send_nowait(chunk, audio=True)
                websocket.send_nowait(str(n))
            # Nothing has been written yet: this task hasn't waited.
            assert shed == chunks[:190]
            heard = [await websocket.receive() for _ in range(210)]
    assert [data for data in heard if isinstance(data, str)] == [str(n) for n in range(200)]
    assert [data for data in heard if isinstance(data, bytes)] == chunks[190:]


async def test_sound_inside_a_text_is_shed_too() -> None:
    shed: list[bytes] = []
    async with serving(echo) as port:
        settings = WebSocketSettings(max_audio_bytes=20)
        async with open_websocket(f"ws://127.0.0.1:{port}/", settings, on_shed=shed.append) as websocket:
            for n in range(5):
                websocket.send_nowait(f'{{"audio": {n}}}', audio=True)
            assert shed == [b'{"audio": %d}' % n for n in range(4)]
            assert await websocket.receive() == '{"audio": 4}'


async def test_anything_else_that_finds_it_full_fails_who_sends_it() -> None:
    async with connected(echo, max_waiting=3) as websocket:
        for n in range(3):
            websocket.send_nowait(str(n))
        with pytest.raises(trio.WouldBlock, match=r"127\.0\.0\.1:\d+ has left 3 messages unread"):
            websocket.send_nowait("3")
        await websocket.send("4")
        assert [await websocket.receive() for _ in range(4)] == ["0", "1", "2", "4"]


async def test_what_is_neither_text_nor_bytes_is_refused() -> None:
    async with connected(echo) as websocket:
        with pytest.raises(TypeError, match=r"json\.dumps"):
            websocket.send_nowait({"a": 1})  # type: ignore[arg-type]  # that is the point


async def test_a_send_that_is_cancelled_while_it_waits_for_room_has_queued_nothing() -> None:
    async with connected(echo, max_waiting=1) as websocket:
        websocket.send_nowait("a")
        with trio.CancelScope() as scope:
            scope.cancel()
            await websocket.send("b")
        await websocket.send("c")
        assert [await websocket.receive(), await websocket.receive()] == ["a", "c"]


async def test_cancelling_amid_a_large_message_leaves_the_next_connection_good(
    mock_clock: trio.testing.MockClock,
) -> None:
    began, first = trio.Event(), True

    async def handle(stream: trio.abc.Stream) -> None:
        nonlocal first
        if not first:
            await echo(stream)
            return
        first = False
        await agree(stream)
        await stream.receive_some(1000)  # a piece of the message, and no more
        began.set()
        await trio.sleep_forever()

    async with serving(handle) as port:
        url = f"ws://127.0.0.1:{port}/"
        with trio.CancelScope() as scope:
            async with open_websocket(url, WebSocketSettings()) as websocket:
                await websocket.send(b"x" * 20_000_000)
                await began.wait()
                mock_clock.autojump_threshold = 0
                scope.cancel()
                await websocket.receive()
        assert scope.cancelled_caught
        assert trio.current_time() <= 0.5 + 1e-9
        mock_clock.autojump_threshold = float("inf")
        async with open_websocket(url, WebSocketSettings()) as websocket:
            await websocket.send("good")
            assert await websocket.receive() == "good"


async def test_cancelling_who_sends_leaves_the_connection_good() -> None:
    async with connected(speaking(_counts)) as websocket:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(websocket.send, b"x" * 1_000_000)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert await websocket.receive() == "1000000"


@pytest.mark.parametrize("handle", [_deaf, echo], ids=["deaf", "polite"])
async def test_leaving_the_block_takes_half_a_second_at_most(
    mock_clock: trio.testing.MockClock, handle: Handler
) -> None:
    async with serving(handle) as port:
        async with open_websocket(f"ws://127.0.0.1:{port}/", WebSocketSettings()) as websocket:
            websocket.send_nowait("x")
            if handle is _deaf:
                mock_clock.autojump_threshold = 0
        assert trio.current_time() == pytest.approx(0.5 if handle is _deaf else 0.0)
        mock_clock.autojump_threshold = float("inf")

"""Servers on loopback for the tests of connections: good ones, and bad ones written byte by byte."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
import trio_websocket

from antiphon.actors.outside.unwrapped import unwrapped

__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "TEXT",
    "Frames",
    "Handler",
    "Request",
    "agree",
    "answer",
    "connect_proxy",
    "echo",
    "frame",
    "goes_on",
    "open_files",
    "read_request",
    "serving",
    "speaking",
]

Handler = Callable[[trio.abc.Stream], Awaitable[None]]
Request = trio_websocket.WebSocketRequest
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


@asynccontextmanager
async def serving(handle: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server for the time of the block; its port."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                if tls is None:
                    await handle(stream)
                else:
                    secured = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
                    await secured.do_handshake()
                    await handle(secured)
            except (trio.BrokenResourceError, trio_websocket.ConnectionClosed):
                pass  # the client has gone, or has found our certificate bad

    with unwrapped():
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, serve, 0)
            port = next(each for each in listeners if each.socket.family == trio.socket.AF_INET).socket.getsockname()[1]
            yield port
            nursery.cancel_scope.cancel()


def speaking(talk: Callable[[Request], Awaitable[None]]) -> Handler:
    """A handler that speaks WebSocket as it should."""

    async def handle(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, cast(Any, stream))
            await talk(request)
            nursery.cancel_scope.cancel()

    async def alone(stream: trio.abc.Stream) -> None:
        try:
            await handle(stream)
        except* trio_websocket.ConnectionClosed:
            pass

    return alone


async def _echo(request: Request) -> None:
    websocket = await request.accept()
    while True:
        await websocket.send_message(await websocket.get_message())


echo = speaking(_echo)


async def goes_on(stream: trio.abc.Stream) -> None:
    """Wait until the client has gone, whatever it says."""
    while await stream.receive_some(65536):
        pass


async def read_request(stream: trio.abc.Stream) -> bytes:
    """What an HTTP client asks: the head, and as much of a body as it announces."""
    request = b""
    while not (found := re.match(rb"(?s)(.*?)\r\n\r\n(.*)", request)) or len(found[2]) < length_in(found[1]):
        piece = await stream.receive_some(65536)
        if not piece:
            raise trio.BrokenResourceError("the client has gone")
        request += bytes(piece)
    return request


def length_in(head: bytes) -> int:
    found = re.search(rb"(?i)\ncontent-length: (\d+)", head)
    return int(found[1]) if found else 0


async def agree(stream: trio.abc.Stream) -> None:
    """Shake hands, and be free to do wrong afterwards."""
    head = await read_request(stream)
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
    assert key is not None
    digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    await stream.send_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def answer(status: int, body: bytes = b"", *, headers: str | None = None) -> Handler:
    """A handler that gives one answer of HTTP, and then waits for the client to go."""
    lines = f"Content-Length: {len(body)}\r\n" if headers is None else headers

    async def handle(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body)
        if headers is None:
            await goes_on(stream)

    return handle


def frame(opcode: int, payload: bytes, *, is_last: bool = True, reserved: int = 0) -> bytes:
    """A server's frame."""
    first = (0x80 if is_last else 0) | (reserved << 4) | opcode
    if len(payload) < 126:
        return bytes([first, len(payload)]) + payload
    return bytes([first, 126]) + struct.pack("!H", len(payload)) + payload


class Frames:
    """Opcode and payload of each frame that a client sends, until it goes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._data = b""

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> tuple[int, bytes]:
        while (found := self._next()) is None:
            piece = await self._stream.receive_some(65536)
            if not piece:
                raise StopAsyncIteration
            self._data += bytes(piece)
        return found

    def _next(self) -> tuple[int, bytes] | None:
        if len(self._data) < 6:
            return None
        length, start = self._data[1] & 0x7F, 2
        if length == 126:
            length, start = struct.unpack("!H", self._data[2:4])[0], 4
        if len(self._data) < start + 4 + length:
            return None
        opcode, mask = self._data[0] & 0x0F, self._data[start : start + 4]
        body = self._data[start + 4 : start + 4 + length]
        self._data = self._data[start + 4 + length :]
        return opcode, bytes(byte ^ mask[n % 4] for n, byte in enumerate(body))


def connect_proxy(seen: list[bytes], *, refuses: bytes | None = None) -> Handler:
    """A handler that is a proxy, notes what it is asked, and connects; or answers what it is told."""

    async def handle(stream: trio.abc.Stream) -> None:
        head = await read_request(stream)
        seen.append(head)
        if refuses is not None:
            await stream.send_all(refuses)
            await goes_on(stream)
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as other, trio.open_nursery() as nursery:
            await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            nursery.start_soon(_pass_on, stream, other)
            await _pass_on(other, stream)
            nursery.cancel_scope.cancel()

    return handle


async def _pass_on(source: trio.abc.Stream, target: trio.abc.Stream) -> None:
    try:
        while data := await source.receive_some(65536):
            await target.send_all(data)
    except trio.BrokenResourceError:
        pass  # one side has gone; the other is closed for it


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))

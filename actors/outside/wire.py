"""A WebSocket over the network: trio-websocket on top, a stream below, and one task between them that writes.

1. trio-websocket writes into a `_Line`, which never makes it wait: so a frame is whole, whoever is cancelled. The writer's task alone
   writes to the stream, and is only cancelled when the connection is closed. A piece that isn't taken in time ends the connection.
2. trio-websocket's own task reads, also when the app doesn't, until `max_received` messages wait. Then it stands still, the
   network slows the server down, and no pong is demanded, since it may be behind what isn't read.
3. Nothing here waits for the peer without a deadline, but `receive`.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import attrs
import h11
import trio
import trio_websocket
import wsproto.frame_protocol
import wsproto.utilities

from ...channels.credentials import masked, secrets_among
from ..errors import ConfigurationError, RemoteProtocolError
from .dialing import dial, read_answer, read_body
from .outgoing import Defer, Outgoing
from .proxies import basic, proxy_for
from .refusal import refusal
from .tls import tls_context
from .unwrapped import unwrapped
from .websocket import WebSocket, WebSocketClosed, WebSocketSettings

CLOSE_SECONDS = 0.5
"""For what is queued, the closing frames and their answers: half of an actor's grace."""
PIECE_BYTES = 64 * 1024
"""Written at a time. A large message on a slow network gets on piece by piece, each within the time-out."""
MAX_ANSWERS = 256
"""Answers to pings that wait to be written, before reading waits for it: a peer can't fill the memory with them."""
READ_BYTES = 64 * 1024
STANDSTILL_SECONDS = 0.01
"""Between two readings; more of it says that the app didn't receive."""


@attrs.frozen
class Target:
    """Where a WebSocket goes."""

    is_secure: bool
    host: str
    port: int
    resource: str = attrs.field(repr=False)
    """Path and query; keys may stand in it."""
    authorization: str | None = attrs.field(repr=False)

    @property
    def name(self) -> str:
        return f"{self._bracketed}:{self.port}"

    @property
    def header(self) -> str:
        """The value of the Host header."""
        return self._bracketed if self.port == (443 if self.is_secure else 80) else self.name

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @staticmethod
    def parse(url: str) -> Target:
        """Raises `ConfigurationError` for what is no URL of a WebSocket."""
        wrong = f"the URL of a WebSocket is wss://host/path (or ws://), not {masked(url)!r}"
        try:
            parts = urlsplit(url)
            port = parts.port
            host = (parts.hostname or "").encode("idna").decode()
        except ValueError:
            raise ConfigurationError(wrong) from None  # its text may hold a password
        if parts.scheme not in ("ws", "wss") or not host:
            raise ConfigurationError(wrong)
        is_secure = parts.scheme == "wss"
        resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        authorization = None
        if parts.username is not None:
            authorization = basic(unquote(parts.username), unquote(parts.password or ""))
        return Target(
            is_secure,
            host,
            port if port is not None else 443 if is_secure else 80,
            quote(resource, safe="/?:@!$&'()*+,;=%-._~[]"),
            authorization,
        )


def encode_headers(headers: Mapping[str, str] | Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as they are sent. Raises `ConfigurationError` for what HTTP doesn't allow, without the value."""
    encoded: list[tuple[bytes, bytes]] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigurationError(f"{masked(name)!r} is no name of an HTTP header")
        if not isinstance(value, str):
            raise ConfigurationError(f"the header {name} is {type(value).__name__}, not str. Is the key set?")
        if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?|", value):
            raise ConfigurationError(
                f"the header {name} has a value that HTTP doesn't allow: a line break, a space at an end, or what isn't"
                " ASCII. Was the key read from a file? `.strip()` it."
            )
        encoded.append((name.encode(), value.encode()))
    return encoded


def is_pong(data: bytes | bytearray | memoryview) -> bool:
    """Whether what is written is a frame that answers a ping; the request at the beginning isn't one either."""
    return data[:1] == b"\x8a"


class _Line(trio.abc.Stream):
    """The network as trio-websocket sees it."""

    def __init__(
        self, stream: trio.abc.Stream, host: str, news: trio.lowlevel.ParkingLot, secrets: tuple[str, ...]
    ) -> None:
        self.unwritten: deque[bytes] = deque()
        self.unwritten_bytes = 0
        """Those in the writer's hand among them."""
        self.answers = 0
        """Frames of them that answer to the peer's pings; they are queued by whoever reads."""
        self.room = trio.lowlevel.ParkingLot()
        self.is_accepted = False
        """Whether the server has agreed to speak WebSocket."""
        self.is_reading = False
        self.read_since = 0.0
        """When reading last went on after a standstill."""
        self.end = "dropped the connection"
        self._stream = stream
        self._host = host
        self._secrets = secrets
        self._news = news
        self._paused = 0.0
        self._is_deaf = False
        self._is_closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError("the WebSocket has been closed")
        if self._is_deaf:
            return  # what it said before is still to be read; an error here would end that
        self.unwritten.append(bytes(data))
        self.unwritten_bytes += len(data)
        self.answers += is_pong(data)
        self._news.unpark_all()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What comes. As long as the server hasn't agreed, it raises why not."""
        while self.answers > MAX_ANSWERS and not self._is_closed:
            await self.room.park()
        if self._is_closed:
            raise trio.ClosedResourceError("the WebSocket has been closed")
        if not self.is_accepted:
            return await self._read_agreement()
        if trio.current_time() - self._paused > STANDSTILL_SECONDS:
            self.read_since = trio.current_time()
        self.is_reading = True
        try:
            return bytes(await self._stream.receive_some(READ_BYTES))
        except trio.BrokenResourceError:
            self.end = "broke the connection off"
            raise
        finally:
            self.is_reading = False
            self._paused = trio.current_time()

    async def _read_agreement(self) -> bytes:
        answer = await read_answer(self._stream, self._host, secrets=self._secrets)
        if answer.status != 101:
            raise refusal(self._host, answer.status, await read_body(self._stream, answer), secrets=self._secrets)
        self.is_accepted = True
        self._paused = trio.current_time()
        return answer.head + answer.rest

    def take(self) -> bytes:
        """The next to be written; there must be one."""
        data = self.unwritten.popleft()
        self.answers -= is_pong(data)
        return data

    def written(self, size_bytes: int) -> None:
        self.unwritten_bytes -= size_bytes
        self.room.unpark_all()

    def forget(self) -> None:
        """Nothing will be written any more."""
        self._is_deaf = True
        self.unwritten.clear()
        self.unwritten_bytes = self.answers = 0
        self.room.unpark_all()

    async def aclose(self) -> None:
        """trio-websocket has done with it; who has opened the stream closes it."""
        self._is_closed = True
        self.room.unpark_all()


class _Wire:
    """One open WebSocket, its tasks, and how it ends."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        target: Target,
        settings: WebSocketSettings,
        outgoing: Outgoing[str | bytes],
        *,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self._headers = headers
        self._secrets = (
            *secrets_among((name.decode(), value.decode()) for name, value in headers),
            *secrets_among(parse_qsl(urlsplit(target.resource).query)),
            # A provider that is asked by browsers takes the key there, too.
            *(each for each in settings.subprotocols if len(each) >= 16),
        )
        self._stream = stream
        self._target = target
        self._settings = settings
        self._outgoing = outgoing
        self._line = _Line(stream, target.name, outgoing.news, self._secrets)
        self._connection: trio_websocket.WebSocketConnection
        self._failure: str | None = None
        """What we ended it for."""
        self._closing: trio.CancelScope | None = None
        self._is_ours_to_end = False
        self._is_unwritable = False

    async def open(self, nursery: trio.Nursery) -> str | None:
        """Come to an agreement with the server. Returns the subprotocol that it chose."""
        nursery.start_soon(self._write_all)
        self._connection = await nursery.start(self._read_all)
        if self._settings.ping_interval is not None:
            nursery.start_soon(self._keep_alive, self._settings.ping_interval)
        return self._connection.subprotocol

    @property
    def closed(self) -> WebSocketClosed | None:
        host = self._target.name
        said = self._connection.closed
        if self._failure is not None:
            return WebSocketClosed(f"{host} {self._failure}", code=1006, reason="", host=host)
        if said is not None:
            reason = masked(said.reason or "", *self._secrets)
            return WebSocketClosed(self._told(said.code, said.name, reason), code=said.code, reason=reason, host=host)
        if self._is_unwritable:
            return WebSocketClosed(f"{host} takes nothing any more (1006)", code=1006, reason="", host=host)
        return None

    def _told(self, code: int, name: str, reason: str) -> str:
        host = self._target.name
        if self._is_ours_to_end:
            return f"the connection to {host} has been closed from here"
        if code == wsproto.frame_protocol.CloseReason.ABNORMAL_CLOSURE:
            return f"{host} {self._line.end} ({code})"
        if code == wsproto.frame_protocol.CloseReason.MESSAGE_TOO_BIG and reason.startswith("Exceeded maximum"):
            return f"{host} sent a message of more than max_message_bytes={self._settings.max_message_bytes} ({code})"
        named = f" {name}" if name in wsproto.frame_protocol.CloseReason.__members__ else ""
        return f"the connection to {host} was closed: {code}{named}{f': {reason}' if reason else ''}"

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.get_message()
        except trio_websocket.ConnectionClosed:
            closed = self.closed
            assert closed is not None
            raise closed from None  # its own text has the reason unmasked

    async def aclose(self, code: int, reason: str) -> None:
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            while self._outgoing and self.closed is None:
                await self._outgoing.room.park()
            self._is_ours_to_end = self.closed is None or self._is_ours_to_end
            with trio.CancelScope() as self._closing:
                await self._connection.aclose(code, reason or None)
            while self._line.unwritten_bytes:
                await self._line.room.park()

    async def _abort(self, why: str) -> None:
        self._failure = why
        await trio.aclose_forcefully(self._stream)
        self._outgoing.room.unpark_all()

    # ---- the three tasks

    async def _read_all(
        self,
        task_status: trio.TaskStatus[trio_websocket.WebSocketConnection] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        target, settings = self._target, self._settings
        try:
            with unwrapped():
                async with trio.open_nursery() as nursery:
                    connection = await trio_websocket.wrap_client_stream(
                        nursery,
                        cast(Any, self._line),  # it takes any stream, whatever its annotation says
                        target.header,
                        target.resource,
                        subprotocols=settings.subprotocols,
                        extra_headers=self._headers,
                        message_queue_size=settings.max_received,
                        max_message_size=settings.max_message_bytes,
                    )
                    task_status.started(connection)
        except h11.LocalProtocolError:
            # Its text may hold the value of a header. It comes, too, when trio-websocket answers to an answer it can't bear.
            if self._line.is_accepted:
                raise RemoteProtocolError(
                    f"{target.name} accepted, but with an answer that is no WebSocket's"
                ) from None
            raise ConfigurationError(f"{target.name}: the headers given make no valid request") from None
        except wsproto.utilities.LocalProtocolError:
            # A ping behind a closing frame, ours or the peer's, can't be answered any more, and trio-websocket gives up reading.
            if self._closing is not None:
                self._closing.cancel()

    async def _write_all(self) -> None:
        while True:
            if self._line.unwritten:
                if not await self._write(memoryview(self._line.take())):
                    self._line.forget()
                    self._outgoing.room.unpark_all()
                    return
            elif self._outgoing:
                try:
                    await self._connection.send_message(self._outgoing.take())
                except trio_websocket.ConnectionClosed:
                    continue  # who receives hears how it ended; the answer to a closing frame is still to be written
            else:
                await self._outgoing.news.park()

    async def _write(self, data: memoryview) -> bool:
        """Whether the stream took it."""
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            try:
                with trio.move_on_after(self._settings.write_timeout) as limit:
                    await self._stream.send_all(piece)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._is_unwritable = True  # what it said before can still be read
                return False
            if limit.cancelled_caught:
                await self._abort(f"read nothing for write_timeout={self._settings.write_timeout:g} s")
                return False
            self._line.written(len(piece))
        return True

    async def _keep_alive(self, interval: float) -> None:
        """End a connection whose server doesn't answer pings. While reading stands still, no answer can be expected."""
        timeout = self._settings.ping_timeout
        for number in itertools.count():
            await trio.sleep(interval)
            began = trio.current_time()
            try:
                with trio.move_on_after(timeout) as limit:
                    await self._connection.ping(number.to_bytes(8, "big"))
            except trio_websocket.ConnectionClosed:
                return
            if limit.cancelled_caught and self._line.is_reading and self._line.read_since <= began:
                await self._abort(f"didn't answer a ping within ping_timeout={timeout:g} s")
                return


@asynccontextmanager
async def open_websocket(
    url: str,
    settings: WebSocketSettings,
    *,
    defer: Defer = lambda action: False,
    on_shed: Callable[[bytes], None] = lambda data: None,
) -> AsyncIterator[WebSocket]:
    """Connect, and keep the connection for the time of the block. Raises what `Outside.websocket` raises."""
    target = Target.parse(url)
    headers = encode_headers(settings.headers)
    if target.authorization is not None:
        headers.append((b"Authorization", target.authorization.encode()))
    outgoing: Outgoing[str | bytes] = Outgoing(
        target.name,
        defer=defer,
        on_shed=on_shed,
        max_waiting=settings.max_waiting,
        max_audio_bytes=settings.max_audio_bytes,
    )
    async with AsyncExitStack() as stack:
        with unwrapped():
            async with trio.open_nursery() as nursery:
                try:
                    with trio.fail_after(settings.connect_timeout):
                        stream = await _dial(target, settings)
                        stack.push_async_callback(trio.aclose_forcefully, stream)
                        wire = _Wire(stream, target, settings, outgoing, headers=headers)
                        subprotocol = await wire.open(nursery)
                except trio.TooSlowError as error:
                    raise RemoteProtocolError(
                        f"{target.name} opened no WebSocket within connect_timeout={settings.connect_timeout:g} s"
                    ) from error
                try:
                    yield WebSocket(wire, outgoing, host=target.name, subprotocol=subprotocol)
                finally:
                    await wire.aclose(1000, "")
                    nursery.cancel_scope.cancel()


async def _dial(target: Target, settings: WebSocketSettings) -> trio.abc.Stream:
    context = settings.ssl or tls_context(settings.ca_file, settings.certificate)
    proxy = proxy_for(is_secure=target.is_secure, host=target.host, port=target.port, chosen=settings.proxy)
    return await dial(target.host, target.port, is_secure=target.is_secure, context=context, proxy=proxy)


class _WithoutReasons(logging.Filter):
    """trio-websocket logs why a connection was closed, in the server's words; they may hold a key. The code remains."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                each.reason and each.reason.code if isinstance(each, trio_websocket.ConnectionClosed) else each
                for each in record.args
            )
        return True


logging.getLogger("trio-websocket").addFilter(_WithoutReasons())

"""A WebSocket as an actor has it: queued writing, waiting reading, and an end that says how it came.

This module loads nothing of the network; `wire.py` does, when a door opens the first one.
"""

from __future__ import annotations

import os
import ssl as ssl_module
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from ..errors import RemoteProtocolError
from .outgoing import MAX_AUDIO_BYTES, MAX_WAITING, Outgoing

if TYPE_CHECKING:
    from .tls import Certificate

__all__ = ["WebSocket", "WebSocketClosed", "WebSocketSettings"]

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""A minute and a half of 24,000 Hz sound; libraries' defaults are 1 MiB."""
MAX_RECEIVED = 256
"""Messages that were read and that nobody has received."""


class WebSocketClosed(RemoteProtocolError):
    """The connection has ended. The text says which and why; keys and tokens in it are masked."""

    def __init__(self, text: str, *, code: int, reason: str, host: str) -> None:
        super().__init__(text)
        self.code = code
        """The close code: 1000 a normal end, 1006 none at all (dropped), 1009 a message too large, 1011 the server failed..."""
        self.reason = reason
        """What the server said with it, masked."""
        self.host = host
        """Whom the connection was with, `host:port`."""


@attrs.frozen
class WebSocketSettings:
    """What `Outside.websocket` was given, for the door. Seconds and bytes."""

    headers: Mapping[str, str] | Sequence[tuple[str, str]] = attrs.field(default=(), repr=False)
    subprotocols: Sequence[str] = attrs.field(default=(), repr=False)
    ssl: ssl_module.SSLContext | None = None
    ca_file: str | os.PathLike[str] | None = None
    certificate: Certificate | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    connect_timeout: float = 10.0
    ping_interval: float | None = 20.0
    ping_timeout: float = 20.0
    write_timeout: float = 10.0
    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_received: int = attrs.field(default=MAX_RECEIVED, validator=attrs.validators.ge(1))
    max_waiting: int = attrs.field(default=MAX_WAITING, validator=attrs.validators.ge(1))
    max_audio_bytes: int = MAX_AUDIO_BYTES


class Wire(Protocol):
    """An open WebSocket, whichever library speaks it."""

    @property
    def closed(self) -> WebSocketClosed | None: ...

    async def receive(self) -> str | bytes: ...

    async def aclose(self, code: int, reason: str) -> None: ...


class WebSocket:
    """An open WebSocket. Made by `self.outside.websocket(url)`; iterate over it for what the server says."""

    def __init__(self, wire: Wire, outgoing: Outgoing[str | bytes], *, host: str, subprotocol: str | None) -> None:
        self.host = host
        """`host:port`."""
        self.subprotocol = subprotocol
        """The one that the server chose of those offered."""
        self._wire = wire
        self._outgoing = outgoing
        self._is_ours_to_end = False

    def __repr__(self) -> str:
        return f"<WebSocket to {self.host}{'' if self.closed is None else ', closed'}>"

    @property
    def closed(self) -> WebSocketClosed | None:
        """How the connection has ended; None while it is open. What came before the end can still be received."""
        return self._wire.closed

    def send_nowait(self, data: str | bytes, *, audio: bool = False) -> None:
        """Queue a message, text or binary. In a plain handler it is queued when the handler has ended well.

        `audio`: it carries sound, in whatever form. Of sound that waits, only the newest `max_audio_bytes` are kept: the oldest is shed and
        reported. Raises `trio.WouldBlock` when `max_waiting` other messages wait, for the server doesn't read any more,
        and `WebSocketClosed` when the connection has ended.
        """
        self._check(data)
        sound = (data.encode() if isinstance(data, str) else data) if audio else None
        self._outgoing.put(data, audio=sound)

    async def send(self, data: str | bytes) -> None:
        """Queue a message as soon as there is room; nothing of it is shed. Cancelled while it waits, it has queued nothing.

        Raises `WebSocketClosed` when the connection has ended.
        """
        await trio.lowlevel.checkpoint()
        self._check(data)
        while not self._outgoing.has_room:
            await self._outgoing.room.park()
            self._check(data)
        self._outgoing.put(data)

    async def receive(self) -> str | bytes:
        """The next message. Raises `WebSocketClosed` when the connection has ended and all that came before is received."""
        return await self._wire.receive()

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except WebSocketClosed:
            if self._is_ours_to_end:
                raise StopAsyncIteration from None
            raise

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection when what is queued has been written, within half a second. An iteration over it ends.

        Leaving the block does it, too, with code 1000.
        """
        self._is_ours_to_end = True
        await self._wire.aclose(code, reason)

    def _check(self, data: object) -> None:
        if not isinstance(data, (str, bytes)):
            raise TypeError(f"a WebSocket sends str or bytes, not {type(data).__name__}: json.dumps(...) makes a str")
        if self.closed is not None:
            raise self.closed

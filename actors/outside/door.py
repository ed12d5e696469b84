"""The one door through which everything enters and leaves, so that a session can be played without the world.

A `Door` is a session's; `actor.outside` is one actor's way through it, which knows whose handler is running and ends with the incarnation.
What speaks over the network is imported when a door first opens it: most plays, tests and tools never do.
"""

from __future__ import annotations

import os
import ssl as ssl_module
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import attrs

from .engine import Engine, open_engine
from .outgoing import MAX_AUDIO_BYTES, MAX_WAITING
from .websocket import MAX_MESSAGE_BYTES, MAX_RECEIVED, WebSocket, WebSocketSettings

if TYPE_CHECKING:
    import httpx

    from ..cell import Cell
    from .tls import Certificate

__all__ = ["Door", "LiveDoor", "NoDoor", "Outside"]


class Door(Protocol):
    """How a session reaches the world."""

    def engine(
        self, cell: Cell, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES
    ) -> AbstractAsyncContextManager[Engine]:
        """A child process that speaks frames."""
        ...

    def websocket(self, cell: Cell, url: str, settings: WebSocketSettings) -> AbstractAsyncContextManager[WebSocket]:
        """A connection to a WebSocket server."""
        ...

    def http(self, cell: Cell) -> httpx.AsyncClient:
        """A client for one incarnation, which closes it."""
        ...


@attrs.frozen
class LiveDoor:
    """The world as it is. What is given here holds for all WebSockets and HTTP of the session; one WebSocket may say otherwise."""

    ssl: ssl_module.SSLContext | None = attrs.field(default=None, kw_only=True)
    """Takes the place of the next two."""
    ca_file: str | os.PathLike[str] | None = attrs.field(default=None, kw_only=True)
    """A PEM file with the authorities to trust. Else SSL_CERT_FILE or SSL_CERT_DIR name them, else they are the usual ones."""
    certificate: Certificate | None = attrs.field(default=None, kw_only=True)
    """A PEM file with our certificate and its key, or a pair of files, for servers that want to know who we are."""
    proxy: str | None = attrs.field(default=None, kw_only=True, repr=False)
    """`http://user:password@host:port`; `""` for none. By default HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY decide."""

    def engine(
        self, cell: Cell, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES
    ) -> AbstractAsyncContextManager[Engine]:
        return open_engine(command, defer=cell.defer, on_shed=cell.report_shed, max_audio_bytes=max_audio_bytes)

    def websocket(self, cell: Cell, url: str, settings: WebSocketSettings) -> AbstractAsyncContextManager[WebSocket]:
        from .wire import open_websocket

        if settings.ssl is None and settings.ca_file is None and settings.certificate is None:
            settings = attrs.evolve(settings, ssl=self.ssl, ca_file=self.ca_file, certificate=self.certificate)
        if settings.proxy is None:
            settings = attrs.evolve(settings, proxy=self.proxy)
        return open_websocket(url, settings, defer=cell.defer, on_shed=cell.report_shed)

    def http(self, cell: Cell) -> httpx.AsyncClient:
        from .http import open_client
        from .tls import tls_context

        return open_client(context=self.ssl or tls_context(self.ca_file, self.certificate), proxy=self.proxy)


class NoDoor:
    """No world at all: what `play` gives."""

    def engine(
        self, cell: Cell, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES
    ) -> AbstractAsyncContextManager[Engine]:
        raise _closed(cell, f"no engine can be started ({' '.join(command)})")

    def websocket(self, cell: Cell, url: str, settings: WebSocketSettings) -> AbstractAsyncContextManager[WebSocket]:
        raise _closed(cell, f"no WebSocket can be opened ({url.partition('?')[0].rpartition('@')[2]})")

    def http(self, cell: Cell) -> httpx.AsyncClient:
        raise _closed(cell, "nothing can be asked over HTTP")


def _closed(cell: Cell, what: str) -> RuntimeError:
    return RuntimeError(
        f"{cell.address}: a play has no outside, so {what}. Leave the actor out of the play, or open a session."
    )


class Outside:
    """One actor's way to the world; `self.outside`."""

    def __init__(self, door: Door, cell: Cell) -> None:
        self._door = door
        self._cell = cell
        self._http: httpx.AsyncClient | None = None
        self._is_closed = False

    @asynccontextmanager
    async def engine(self, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES) -> AsyncIterator[Engine]:
        """Start a program that speaks frames on both pipes, for the time of the block: `async with self.outside.engine([...]) as engine`.

        Of sound that it doesn't read in time the newest `max_audio_bytes` wait.

        Best in `lifespan()`, so that a dead engine is a failure of the actor and the next incarnation starts another.
        Raises what `open_engine` raises.
        """
        async with self._door.engine(self._cell, command, max_audio_bytes=max_audio_bytes) as engine:
            # The session's statistics name the process while it runs.
            self._cell.engines.append(engine.pid)
            try:
                yield engine
            finally:
                self._cell.engines.remove(engine.pid)

    @asynccontextmanager
    async def websocket(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        ssl: ssl_module.SSLContext | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        certificate: Certificate | None = None,
        proxy: str | None = None,
        connect_timeout: float = 10.0,
        ping_interval: float | None = 20.0,
        ping_timeout: float = 20.0,
        write_timeout: float = 10.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_received: int = MAX_RECEIVED,
        max_waiting: int = MAX_WAITING,
        max_audio_bytes: int = MAX_AUDIO_BYTES,
    ) -> AsyncIterator[WebSocket]:
        """Connect to `wss://host/path` (or `ws://`) for the time of the block: `async with self.outside.websocket(url) as socket`.

        Best in `lifespan()` with a task that receives, so that a lost connection is a failure of the actor and the next incarnation
        opens another, after the supervisor's backoff. `ssl`, `ca_file`, `certificate`, `proxy`: as for `LiveDoor`.

        `connect_timeout`: for name, TCP, proxy, TLS and the server's consent together. A ping each `ping_interval` (None: never) must be
        answered within `ping_timeout`, and the server must go on reading within `write_timeout`; else the connection is ended.

        Of what comes `max_received` messages wait to be received; then nothing is read, so that the server must wait. As long as
        that lasts its pings aren't answered, and it may hang up; ours needn't be answered.

        Raises `Unrecoverable` when the server or a proxy answers 401, 403 or 407, `ConfigurationError` for a bad URL, header or file, and
        `RemoteProtocolError` for everything else that keeps the connection from being opened. No text tells a key.
        """
        settings = WebSocketSettings(
            headers=headers,
            subprotocols=subprotocols,
            ssl=ssl,
            ca_file=ca_file,
            certificate=certificate,
            proxy=proxy,
            connect_timeout=connect_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            write_timeout=write_timeout,
            max_message_bytes=max_message_bytes,
            max_received=max_received,
            max_waiting=max_waiting,
            max_audio_bytes=max_audio_bytes,
        )
        async with self._door.websocket(self._cell, url, settings) as websocket:
            yield websocket

    @property
    def http(self) -> httpx.AsyncClient:
        """An httpx client of this incarnation's own: opened when first asked for, closed when the incarnation has ended.

        It waits 10 s for a connection and 30 s for each piece of an answer (`timeout=` of a request says otherwise), holds at most 20
        connections, and keeps 10 idle ones for 60 s. An interruption that cuts a handler closes what it was reading. It follows no
        redirects: keys aren't carried elsewhere. `check_response` turns an answer that says no into the right failure.

        Raises `RuntimeError` when the incarnation has ended.
        """
        if self._http is None:
            if self._is_closed:
                raise RuntimeError(f"{self._cell.address}: this incarnation has ended, and its HTTP client with it")
            self._http = self._door.http(self._cell)
        return self._http

    # ---- what the runtime calls

    async def aclose(self) -> None:
        """The incarnation has ended. Waits for nobody."""
        self._is_closed = True
        if self._http is not None:
            await self._http.aclose()

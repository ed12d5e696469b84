"""HTTP for one actor: httpx on Trio, with bounded pools and times, errors that say whom they speak of, and closing that never waits.

1. Sockets are closed without a goodbye: httpcore shields closing from cancellation, and a peer that doesn't read must not hold up an
   interruption or an ending.
2. No text of an error or a log holds a secret of the request.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import httpcore
import httpx
import trio

from ...channels.credentials import masked
from .dialing import reason_of
from .proxies import Proxy, proxy_for
from .refusal import secrets_of

TIMEOUT = httpx.Timeout(connect=10.0, read=30.0, write=10.0, pool=10.0)
"""`read` is the silence between two pieces: a language model that thinks for longer is taken for dead."""
MAX_CONNECTIONS = 20
MAX_IDLE = 10
IDLE_SECONDS = 60.0
"""A turn of a conversation often comes within it, and finds the connection still open."""

TOLD: Mapping[type[Exception], tuple[type[httpx.TransportError], str]] = {
    httpcore.ConnectTimeout: (httpx.ConnectTimeout, "accepted no connection in time"),
    httpcore.ReadTimeout: (httpx.ReadTimeout, "sent nothing for too long"),
    httpcore.WriteTimeout: (httpx.WriteTimeout, "read nothing for too long"),
    httpcore.PoolTimeout: (httpx.PoolTimeout, f"all {MAX_CONNECTIONS} connections of this actor are in use"),
    httpcore.ConnectError: (httpx.ConnectError, "can't be reached"),
    httpcore.ReadError: (httpx.ReadError, "broke the connection off"),
    httpcore.WriteError: (httpx.WriteError, "broke the connection off"),
    httpcore.RemoteProtocolError: (httpx.RemoteProtocolError, "dropped the connection, or doesn't speak HTTP"),
    httpcore.ProxyError: (httpx.ProxyError, "the proxy refused to connect"),
    httpcore.UnsupportedProtocol: (httpx.UnsupportedProtocol, "the URL begins with http:// or https://"),
}
"""httpcore's errors, as httpx calls them and as we tell them."""


def open_client(*, context: ssl.SSLContext, proxy: str | None) -> httpx.AsyncClient:
    """A client; whoever opens it closes it by `aclose()`. `proxy` None: what the environment says."""
    return httpx.AsyncClient(transport=_Transport(context, proxy), timeout=TIMEOUT, trust_env=False)


@contextmanager
def _told(request: httpx.Request) -> Iterator[None]:
    """Errors in httpx's classes, with host and port in the text."""
    try:
        yield
    except httpcore.LocalProtocolError:
        # Its text may hold the value of a header.
        raise httpx.LocalProtocolError(
            f"{_name(request.url)}: a header of the request isn't valid. Was the key read from a file? `.strip()` it.",
            request=request,
        ) from None
    except tuple(TOLD) as error:
        kind, text = TOLD[type(error)]
        reason = masked(str(error), *secrets_of(request))
        raise kind(
            f"{_name(request.url)}: {text}{f' ({reason})' if reason else ''}", request=request
        ) from None  # its text isn't masked


def _name(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{_port(url)}"


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


class _Transport(httpx.AsyncBaseTransport):
    """From httpx to httpcore, by the proxy that is right for the host."""

    def __init__(self, context: ssl.SSLContext, proxy: str | None) -> None:
        self._context = context
        self._proxy = proxy
        self._pools: dict[Proxy | None, httpcore.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = request.url
        with _told(request):
            answer = await self._pool_to(url).handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=_Once(request.content) if isinstance(request.stream, httpx.ByteStream) else request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer, request),
            extensions=dict(answer.extensions),
        )

    def _pool_to(self, url: httpx.URL) -> httpcore.AsyncConnectionPool:
        proxy = proxy_for(is_secure=url.scheme == "https", host=url.host, port=_port(url), chosen=self._proxy)
        if proxy not in self._pools:
            self._pools[proxy] = self._pool(proxy)
        return self._pools[proxy]

    def _pool(self, proxy: Proxy | None) -> httpcore.AsyncConnectionPool:
        options: dict[str, Any] = {
            "ssl_context": self._context,
            "max_connections": MAX_CONNECTIONS,
            "max_keepalive_connections": MAX_IDLE,
            "keepalive_expiry": IDLE_SECONDS,
            "network_backend": _Backend(),
        }
        if proxy is None:
            return httpcore.AsyncConnectionPool(**options)
        if proxy.authorization is not None:
            options["proxy_headers"] = {"Proxy-Authorization": proxy.authorization}
        if proxy.scheme == "https":
            options["proxy_ssl_context"] = self._context
        return httpcore.AsyncHTTPProxy(proxy.url, **options)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


class _Once:
    """A body in one piece. It is no generator: Trio warns of one that a cancelled request has left half way."""

    def __init__(self, content: bytes) -> None:
        self._pieces = [content]

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


class _Body(httpx.AsyncByteStream):
    """What comes of an answer, piece by piece."""

    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _told(self._request):
            async for piece in self._answer.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    """Trio's sockets, which a simulation may replace."""

    def __init__(self) -> None:
        self._trio = cast(httpcore.AsyncNetworkBackend, httpcore.TrioBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with _reasoned():
            return _Stream(await self._trio.connect_tcp(host, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


@contextmanager
def _reasoned() -> Iterator[None]:
    """What the system said, in the error's own text: httpcore's pool takes the cause away."""
    try:
        yield
    except httpcore.ConnectError as error:
        raise httpcore.ConnectError(reason_of(error)) from error


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that is closed at once, whatever its peer does."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        with _reasoned():
            return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await self._stream.aclose()


class _Masking(logging.Filter):
    """httpx logs each URL, and httpcore the headers of each answer."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return True


# At import, since whoever logs before it is there logs what it would mask.
for _name_of_logger in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name_of_logger).addFilter(_Masking())

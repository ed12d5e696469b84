"""From a host's name to an open stream: TCP, through a proxy if need be, and TLS on it.

All sockets are Trio's, opened by its own functions, so simulated ones take their place. Errors say host and port, what was
wrong, and what to do; a supervisor's backoff may heal them.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import cast

import attrs
import trio

from ...channels.credentials import masked
from ..errors import RemoteProtocolError
from .proxies import Proxy
from .refusal import EXCERPT_BYTES, refusal

MAX_HEAD_BYTES = 64 * 1024
"""The head of an HTTP answer beyond it is garbage; h11 has the same limit."""
BODY_SECONDS = 0.5
"""How long the body of a refusal may take: it is only told."""


@attrs.frozen
class Answer:
    """The head of an HTTP answer."""

    status: int
    head: bytes
    rest: bytes
    """What came behind the head."""


async def dial(
    host: str, port: int, *, is_secure: bool, context: ssl.SSLContext, proxy: Proxy | None
) -> trio.abc.Stream:
    """An open stream to a host. Raises `RemoteProtocolError`, and `Unrecoverable` when a proxy rejects us."""
    async with AsyncExitStack() as failing:
        if proxy is None:
            stream = await _connect(host, port)
            failing.push_async_callback(trio.aclose_forcefully, stream)
        else:
            stream = await _connect(proxy.host, proxy.port, why="the proxy ")
            failing.push_async_callback(trio.aclose_forcefully, stream)
            if proxy.scheme == "https":
                stream = await _secured(stream, proxy.host, proxy.port, context)
            await _ask_proxy(stream, proxy, host, port)
        if is_secure:
            stream = await _secured(stream, host, port, context)
        failing.pop_all()
        return stream


async def _connect(host: str, port: int, *, why: str = "") -> trio.abc.Stream:
    try:
        return await trio.open_tcp_stream(host, port)
    except socket.gaierror as error:
        raise RemoteProtocolError(
            f"{why}{host}:{port}: the name isn't known ({error.strerror}). Check the name, and this machine's network."
        ) from error
    except OSError as error:
        raise RemoteProtocolError(
            f"{why}{host}:{port} can't be reached ({reason_of(error)}). Is it running, and may this machine connect to it?"
        ) from error


def reason_of(error: BaseException) -> str:
    """What the system said at first. Trio tells of several attempts in a group below its own error."""
    while (cause := error.__cause__) is not None:
        while isinstance(cause, BaseExceptionGroup):
            cause = cast("BaseExceptionGroup[BaseException]", cause).exceptions[0]
        error = cause
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate isn't trusted: {error.verify_message}"
        case OSError(strerror=str(said)):
            return said
        case _:
            return str(error)


async def _secured(stream: trio.abc.Stream, host: str, port: int, context: ssl.SSLContext) -> trio.abc.Stream:
    secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        reason = reason_of(error)
        hint = (
            "Name its authority by ca_file= or SSL_CERT_FILE."
            if "isn't trusted" in reason
            else "Does it speak TLS there?"
        )
        raise RemoteProtocolError(
            f"{host}:{port}: no secure connection ({reason or 'it broke off'}). {hint}"
        ) from error
    return secured


async def _ask_proxy(stream: trio.abc.Stream, proxy: Proxy, host: str, port: int) -> None:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode())
    except trio.BrokenResourceError as error:
        raise RemoteProtocolError(f"{proxy.name} broke off") from error
    answer = await read_answer(stream, proxy.name)
    if not 200 <= answer.status < 300:
        raise refusal(f"{proxy.name}, asked for {target},", answer.status, await read_body(stream, answer))


async def read_answer(stream: trio.abc.Stream, who: str, *, secrets: Iterable[str] = ()) -> Answer:
    """Read up to the end of an answer's head. Raises `RemoteProtocolError` for what is none."""
    received = b""
    while True:
        if not is_answer(received[:12]):
            # It may have sent back what we sent.
            said = masked(received[:2000].decode(errors="replace"), *secrets)
            raise RemoteProtocolError(f"{who} doesn't speak HTTP: it said {said[:80]!r}")
        end = received.find(b"\r\n\r\n")
        if end >= 0:
            return Answer(int(received[9:12]), received[: end + 4], received[end + 4 :])
        if len(received) > MAX_HEAD_BYTES:
            raise RemoteProtocolError(f"{who} answered with a head of more than {MAX_HEAD_BYTES} bytes")
        try:
            piece = await stream.receive_some(65536)
        except trio.BrokenResourceError as error:
            raise RemoteProtocolError(f"{who} broke the connection off before it had answered") from error
        if not piece:
            raise RemoteProtocolError(f"{who} closed the connection before it had answered")
        received += bytes(piece)


def is_answer(start: bytes) -> bool:
    """Whether what begins so may be an answer: version and status, twelve bytes when they are all there."""
    if len(start) < 12:
        return b"HTTP/1.".startswith(start[:7])
    return re.match(rb"HTTP/1\.[01] [1-9]\d\d", start) is not None


async def read_body(stream: trio.abc.Stream, answer: Answer) -> bytes:
    """The beginning of the body, as far as it comes within a moment."""
    said = re.search(rb"(?im)^content-length:\s*(\d+)", answer.head)
    wanted = min(int(said[1]) if said else EXCERPT_BYTES, EXCERPT_BYTES)
    body = answer.rest
    with trio.move_on_after(BODY_SECONDS):
        while len(body) < wanted:
            try:
                piece = await stream.receive_some(65536)
            except trio.BrokenResourceError:
                break  # the refusal itself has been heard
            if not piece:
                break
            body += bytes(piece)
    return body[:wanted]

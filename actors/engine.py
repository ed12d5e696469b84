"""A child process that speaks frames on both pipes: where code runs that would block the loop, hold the GIL, or crash.

A frame is a 4-byte big-endian length of what follows, a type byte (`J` a JSON object in UTF-8, `A` little-endian int16 PCM), and the body.
The program first says `{"ready": ...}`.

1. One writer task a process, and a write is never cancelled but by ending it: half a frame would spoil all that follow.
2. Whatever ends the connection ends the process: its input is closed, then it is terminated, then killed, each after a moment.
"""

from __future__ import annotations

import json
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import trio

from .errors import ConfigurationError, RemoteProtocolError, Unrecoverable

__all__ = ["Engine", "FrameReader", "WireMessage", "encode_frame", "open_engine"]

WireMessage: TypeAlias = "Mapping[str, Any] | bytes"
"""A JSON object, or sound."""

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""A length above it is garbage, not a frame: 16 MiB are six minutes of speech."""
MAX_WAITING = 1024
"""Frames that wait for a program that doesn't read."""
READY_SECONDS = 30.0
GOODBYE_SECONDS = 0.3
STDERR_KEPT = 4000


def encode_frame(data: WireMessage) -> bytes:
    """One frame, ready to be written."""
    kind, body = (b"A", data) if isinstance(data, bytes) else (b"J", json.dumps(data, separators=(",", ":")).encode())
    return (len(body) + 1).to_bytes(4, "big") + kind + body


class FrameReader:
    """Frames out of a stream of bytes, however it is cut."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def receive(self, data: bytes) -> list[WireMessage]:
        """The frames that are complete now. Raises `RemoteProtocolError` for what can't be one."""
        self._bytes += data
        found: list[WireMessage] = []
        while len(self._bytes) >= 4:
            length = int.from_bytes(self._bytes[:4], "big")
            if not 1 <= length <= MAX_FRAME_BYTES:
                raise RemoteProtocolError(
                    f"an engine announced a frame of {length} bytes: it printed something else on its output"
                )
            if len(self._bytes) < 4 + length:
                break
            kind, body = bytes(self._bytes[4:5]), bytes(self._bytes[5 : 4 + length])
            del self._bytes[: 4 + length]
            found.append(_decode(kind, body))
        return found


def _decode(kind: bytes, body: bytes) -> WireMessage:
    if kind == b"A":
        return body
    if kind != b"J":
        raise RemoteProtocolError(f"an engine sent a frame of type {kind!r}; there are J and A")
    try:
        data = json.loads(body)
    except ValueError as error:
        raise RemoteProtocolError(f"an engine sent what isn't JSON: {body[:80]!r}") from error
    if not isinstance(data, dict):
        raise RemoteProtocolError(f"an engine sent {body[:80]!r}; it is a JSON object that is wanted")
    return data


class Engine:
    """The connection to a running engine. Made by `self.outside.engine(command)`; iterate over it for what the program says."""

    def __init__(
        self,
        process: trio.Process,
        name: str,
        *,
        defer: Callable[[Callable[[], None]], bool],
        on_shed: Callable[[bytes], None],
        max_audio_bytes: int,
    ) -> None:
        self.name = name
        self.ready: Mapping[str, Any] = {}
        """What the program said when it was ready."""
        self._process = process
        self._defer = defer
        self._on_shed = on_shed
        self._max_audio_bytes = max_audio_bytes
        self._waiting: deque[WireMessage] = deque()
        self._audio_bytes = 0
        self._written = trio.lowlevel.ParkingLot()
        self._reader = FrameReader()
        self._received: deque[WireMessage] = deque()
        self._stderr = ""
        self._broken = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def send_nowait(self, data: WireMessage) -> None:
        """Queue a wire message for the program. In a plain handler it is queued when the handler has ended well.

        Sound that waits beyond the limit is shed oldest first and reported. Raises `trio.WouldBlock` when 1,024 other messages wait:
        the program doesn't read any more.
        """
        if not self._defer(lambda: self._queue(data)):
            self._queue(data)

    def _queue(self, data: WireMessage) -> None:
        if len(self._waiting) >= MAX_WAITING and not isinstance(data, bytes):
            raise trio.WouldBlock(f"the engine {self.name} has left {MAX_WAITING} messages unread")
        self._waiting.append(data)
        if isinstance(data, bytes):
            self._audio_bytes += len(data)
            while self._audio_bytes > self._max_audio_bytes:
                oldest = next(each for each in self._waiting if isinstance(each, bytes))
                if oldest is data:
                    break
                self._waiting.remove(oldest)
                self._audio_bytes -= len(oldest)
                self._on_shed(oldest)
        self._written.unpark()

    async def receive(self) -> WireMessage:
        """The next wire message. Raises `RemoteProtocolError` when the program has ended, and for garbage."""
        stdout = self._process.stdout
        assert stdout is not None
        while not self._received:
            data = await stdout.receive_some(65536)
            if not data:
                raise await self._ended()
            self._received.extend(self._reader.receive(bytes(data)))
        return self._received.popleft()

    def __aiter__(self) -> AsyncIterator[WireMessage]:
        return self

    async def __anext__(self) -> WireMessage:
        return await self.receive()

    async def _ended(self) -> Exception:
        with trio.move_on_after(GOODBYE_SECONDS):
            await self._process.wait()
        code = self._process.returncode
        how = (
            "closed its output"
            if code is None
            else f"was ended by signal {-code}"
            if code < 0
            else f"ended with exit code {code}"
        )
        said = f"; it said: {self._stderr.strip()}" if self._stderr.strip() else ""
        return RemoteProtocolError(f"the engine {self.name} {how}{said}")

    async def write_all(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        while True:
            while not self._waiting:
                await self._written.park()
            data = self._waiting.popleft()
            if isinstance(data, bytes):
                self._audio_bytes -= len(data)
            try:
                await stdin.send_all(encode_frame(data))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # who reads hears that the program has ended, and why

    async def keep_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        async for data in stderr:
            self._stderr = (self._stderr + bytes(data).decode(errors="replace"))[-STDERR_KEPT:]


@asynccontextmanager
async def open_engine(
    command: Sequence[str],
    *,
    defer: Callable[[Callable[[], None]], bool] = lambda action: False,
    on_shed: Callable[[bytes], None] = lambda data: None,
    max_audio_bytes: int = 5 * 2 * 48000,
) -> AsyncIterator[Engine]:
    """Start a program and wait until it says that it is ready; leaving the block ends it.

    Raises `ConfigurationError` when it can't be started, `Unrecoverable` when it says `{"error": ..., "fatal": true}` instead, and
    `RemoteProtocolError` when it says nothing within 30 seconds.
    """
    name = " ".join(str(word).rsplit("/", 1)[-1] for word in command[:3])
    try:
        process = await trio.lowlevel.open_process(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise ConfigurationError(f"the engine {name} can't be started: {error}. Is the program installed?") from error
    try:
        async with trio.open_nursery() as nursery:
            engine = Engine(process, name, defer=defer, on_shed=on_shed, max_audio_bytes=max_audio_bytes)
            nursery.start_soon(engine.keep_stderr)
            engine.ready = await _until_ready(engine)
            nursery.start_soon(engine.write_all)
            yield engine
            nursery.cancel_scope.cancel()
    finally:
        await _end(process)


async def _until_ready(engine: Engine) -> Mapping[str, Any]:
    with trio.move_on_after(READY_SECONDS):
        said = await engine.receive()
        if not isinstance(said, bytes) and "ready" in said:
            return said
        if not isinstance(said, bytes) and "error" in said:
            kind = Unrecoverable if said.get("fatal") else RemoteProtocolError
            raise kind(f"the engine {engine.name} can't work: {said['error']}")
        raise RemoteProtocolError(f"the engine {engine.name} didn't say that it is ready but {said!r}")
    raise RemoteProtocolError(f"the engine {engine.name} wasn't ready within {READY_SECONDS:g} s")


async def _end(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        await process.stdin.aclose()
        for insist in (process.terminate, process.kill):
            with trio.move_on_after(GOODBYE_SECONDS):
                await process.wait()
            if process.returncode is not None:
                break
            insist()
        await process.wait()
        await process.stdout.aclose()
        await process.stderr.aclose()

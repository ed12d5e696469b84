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

from ..errors import ConfigurationError, RemoteProtocolError, Unrecoverable
from .outgoing import MAX_AUDIO_BYTES, Defer, Outgoing
from .unwrapped import unwrapped

__all__ = ["Engine", "WireMessage", "open_engine"]

WireMessage: TypeAlias = "Mapping[str, Any] | bytes"
"""A JSON object, or sound."""

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""A length above it is garbage, not a frame: 16 MiB are six minutes of speech."""
READY_SECONDS = 30.0
GOODBYE_SECONDS = 0.3
"""Between two ways of ending a program, each less polite: two of them fit into an actor's grace."""
STDERR_KEPT = 4000


def encode_frame(data: WireMessage) -> bytes:
    """One frame, ready to be written. Raises `TypeError` for what JSON can't hold, `ValueError` for what is too large."""
    kind, body = (b"A", data) if isinstance(data, bytes) else (b"J", json.dumps(data, separators=(",", ":")).encode())
    if len(body) >= MAX_FRAME_BYTES:
        raise ValueError(
            f"a frame of {len(body) + 1} bytes: an engine takes at most {MAX_FRAME_BYTES}; send it in pieces"
        )
    return (len(body) + 1).to_bytes(4, "big") + kind + body


class FrameReader:
    """Frames out of a stream of bytes, however it is cut."""

    def __init__(self, speaker: str = "an engine") -> None:
        self._speaker = speaker
        self._bytes = bytearray()

    def receive(self, data: bytes) -> list[WireMessage]:
        """The frames that are complete now. Raises `RemoteProtocolError` for what can't be one."""
        self._bytes += data
        found: list[WireMessage] = []
        while len(self._bytes) >= 4:
            length = int.from_bytes(self._bytes[:4], "big")
            if not 1 <= length <= MAX_FRAME_BYTES:
                raise RemoteProtocolError(
                    f"{self._speaker} announced a frame of {length} bytes: it printed something else on its output"
                )
            if len(self._bytes) < 4 + length:
                break
            kind, body = bytes(self._bytes[4:5]), bytes(self._bytes[5 : 4 + length])
            del self._bytes[: 4 + length]
            found.append(self._decode(kind, body))
        return found

    def _decode(self, kind: bytes, body: bytes) -> WireMessage:
        if kind == b"A":
            return body
        if kind != b"J":
            raise RemoteProtocolError(f"{self._speaker} sent a frame of type {kind!r}; there are J and A")
        try:
            data = json.loads(body)
        except ValueError as error:
            raise RemoteProtocolError(f"{self._speaker} sent what isn't JSON: {body[:80]!r}") from error
        if not isinstance(data, dict):
            raise RemoteProtocolError(f"{self._speaker} sent {body[:80]!r}; it is a JSON object that is wanted")
        return data


class Engine:
    """The connection to a running engine. Made by `self.outside.engine(command)`; iterate over it for what the program says."""

    def __init__(
        self,
        process: trio.Process,
        name: str,
        *,
        defer: Defer,
        on_shed: Callable[[bytes], None],
        max_audio_bytes: int,
    ) -> None:
        self.name = name
        self.ready: Mapping[str, Any] = {}
        """What the program said when it was ready."""
        self._process = process
        self._outgoing: Outgoing[bytes] = Outgoing(
            f"the engine {name}", defer=defer, on_shed=on_shed, max_audio_bytes=max_audio_bytes
        )
        self._reader = FrameReader(f"the engine {name}")
        self._received: deque[WireMessage] = deque()
        self._stderr = ""
        self._stderr_ended = trio.Event()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send_nowait(self, data: WireMessage) -> None:
        """Queue a wire message for the program. In a plain handler it is queued when the handler has ended well.

        Sound that waits beyond the limit is shed oldest first and reported. Raises `trio.WouldBlock` when 1,024 other messages wait:
        the program doesn't read any more. Raises what `encode_frame` raises.
        """
        self._outgoing.put(encode_frame(data), audio=data if isinstance(data, bytes) else None)

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
            await self._stderr_ended.wait()
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
            while not self._outgoing:
                await self._outgoing.news.park()
            try:
                await stdin.send_all(self._outgoing.take())
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # who reads hears that the program has ended, and why

    async def keep_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        async for data in stderr:
            self._stderr = (self._stderr + bytes(data).decode(errors="replace"))[-STDERR_KEPT:]
        self._stderr_ended.set()


@asynccontextmanager
async def open_engine(
    command: Sequence[str],
    *,
    defer: Defer = lambda action: False,
    on_shed: Callable[[bytes], None] = lambda data: None,
    max_audio_bytes: int = MAX_AUDIO_BYTES,
) -> AsyncIterator[Engine]:
    """Start a program and wait until it says that it is ready; leaving the block ends it.

    Raises `ConfigurationError` when it can't be started, `Unrecoverable` when it says `{"error": ..., "fatal": true}` instead, and
    `RemoteProtocolError` when it says something else, ends, or says nothing within 30 seconds.
    """
    name = " ".join(str(word).rsplit("/", 1)[-1] for word in command[:3])
    try:
        process = await trio.lowlevel.open_process(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise ConfigurationError(f"the engine {name} can't be started: {error}. Is the program installed?") from error
    engine = Engine(process, name, defer=defer, on_shed=on_shed, max_audio_bytes=max_audio_bytes)
    try:
        with unwrapped():
            async with trio.open_nursery() as nursery:
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
    """Ask the program to end, by closing its input, then by two signals, the last of which nobody survives."""
    with trio.CancelScope(shield=True):
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        await process.stdin.aclose()
        for insist in (process.terminate, process.kill):
            with trio.move_on_after(GOODBYE_SECONDS):
                await process.wait()
            if process.returncode is not None:
                break
            insist()
        await process.wait()  # without a deadline: the kernel lets nobody survive the last signal
        await process.stdout.aclose()
        await process.stderr.aclose()

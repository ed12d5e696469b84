"""Speech synthesis without a network: espeak-ng, in an engine of its own, with the place of every word.

What is still to be said is a durable list, so an engine that dies in the middle of a sentence is replaced by one that
goes on with the next word.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import trio

from ...channels.frames import (
    Frame,
    FunctionCallInProgressFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from ..actor import Actor, actor, durable, on, state
from ..engine import Engine
from ..errors import Unrecoverable
from .sentences import split_sentences

__all__ = ["EspeakTTS"]

ENGINE = Path(__file__).parent.parent / "engines" / "espeak_engine.py"
CHUNK_SECONDS = 0.02


@attrs.frozen
class _Close:
    """The synthesis in hand is complete."""


_ToDo: TypeAlias = "str | Frame | _Close"


@attrs.frozen
class _Progress:
    """How far the first sentence of the list has been said."""

    position: int = 0
    """Characters of it whose words have left."""


@actor
class EspeakTTS(Actor):
    """Speaks LLM text sentence by sentence, and TTSSpeakFrame: TTSStarted, words (TTSTextFrame with `offset_ns`) and audio, TTSStopped.

    The text itself is consumed; its words come back with their times. Needs `antiphon[offline]`; the library is GPL-3
    and only ever loaded in the engine's process.
    """

    voice: str = "en-us"
    rate: int = attrs.field(default=160, kw_only=True)
    """Words a minute."""
    pitch: int = attrs.field(default=50, kw_only=True)
    """0 to 100."""
    gap: int = attrs.field(default=0, kw_only=True)
    """Silence between words, in 10 ms."""
    python: str = attrs.field(default=sys.executable, kw_only=True)
    """The interpreter that runs the engine."""

    gathered: str = durable("")
    """Text whose sentence may go on."""
    to_do: tuple[_ToDo, ...] = durable(())
    progress: _Progress = durable(_Progress())
    context_id: str | None = durable(None)
    """The synthesis that is open."""
    context_samples: int = durable(0)
    count: int = durable(0)

    engine: Engine | None = state(None)
    sample_rate: int = state(0)
    said: trio.MemoryReceiveChannel[Mapping[str, Any] | bytes] | None = state(None)
    catching_up: trio.Event | None = state(None)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.outside.engine([self.python, "-P", str(ENGINE)]) as self.engine:
            send, self.said = trio.open_memory_channel[Mapping[str, Any] | bytes](1000)
            self.start_soon(self._listen, self.engine, send)
            yield

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.sample_rate = frame.audio_out_sample_rate
        settings = {
            "voice": self.voice,
            "rate": self.rate,
            "pitch": self.pitch,
            "gap": self.gap,
            "sample_rate": self.sample_rate,
        }
        self._engine().send_nowait({"configure": settings})
        if self.to_do or self.context_id is not None:
            # The last incarnation died at work; its frame won't come again.
            self.catching_up = trio.Event()
            self.start_soon(self._catch_up, self.catching_up, interruptible=True)

    @on(LLMTextFrame)
    async def read(self, frame: LLMTextFrame) -> LLMTextFrame | None:
        if frame.skip_tts:
            return frame
        sentences, self.gathered = split_sentences(self.gathered + frame.text)
        if sentences:
            self.to_do = (*self.to_do, *sentences)
            await self._work()
        return None

    @on(LLMFullResponseEndFrame, FunctionCallInProgressFrame)
    async def finish(self, frame: Frame) -> None:
        rest = self.gathered.strip()
        self.gathered = ""
        self.to_do = (*self.to_do, *((rest,) if rest else ()), _Close(), frame)
        await self._work()

    @on(TTSSpeakFrame)
    async def speak(self, frame: TTSSpeakFrame) -> None:
        self.to_do = (*self.to_do, _Close(), frame.text, _Close())
        await self._work()

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None:
        self.gathered, self.to_do, self.progress = "", (), _Progress()
        self.context_id, self.context_samples = None, 0
        if self.catching_up is not None:
            self.catching_up.set()
        self._engine().send_nowait({"stop": None})

    async def _catch_up(self, done: trio.Event) -> None:
        try:
            await self._close()
            await self._work(waits=False)
        finally:
            done.set()

    async def _work(self, *, waits: bool = True) -> None:
        """Do what is to do, in order; each step leaves the list as it takes effect."""
        if waits and self.catching_up is not None:
            await self.catching_up.wait()
        while self.to_do:
            item = self.to_do[0]
            if isinstance(item, str):
                await self._say(item)
            elif isinstance(item, _Close):
                await self._close()
                self.to_do = self.to_do[1:]
            else:
                self.to_do = self.to_do[1:]
                await self.push(item)

    async def _close(self) -> None:
        context_id, self.context_id = self.context_id, None
        self.context_samples = 0
        if context_id is not None:
            await self.push(TTSStoppedFrame(context_id))

    async def _say(self, sentence: str) -> None:
        assert self.said is not None
        if self.context_id is None:
            self.count += 1
            self.context_id = f"espeak-{self.count}"
            await self.push(TTSStartedFrame(self.context_id))
        begun = self.progress.position
        self.count += 1
        request = str(self.count)
        self._engine().send_nowait({"say": sentence[begun:], "id": request})
        is_ours, first, rest = False, self.context_samples, b""
        while True:
            wire = await self.said.receive()
            if isinstance(wire, bytes):
                if is_ours:
                    rest = await self._send_audio(rest + wire)
            elif "started" in wire:
                is_ours = wire["started"] == request
            elif "word" in wire and wire["id"] == request:
                offset = round((first + wire["offset"]) * 1e9 / self.sample_rate)
                self.progress = _Progress(begun + wire["text_position"] + wire["length"])
                await self.push(TTSTextFrame(wire["word"], sentence, offset, context_id=self.context_id))
            elif wire.get("done") == request:
                break
        if rest:
            await self._send_audio(rest.ljust(self._chunk_bytes(), b"\0"))
        self.to_do, self.progress = self.to_do[1:], _Progress()

    async def _send_audio(self, audio: bytes) -> bytes:
        """Send whole chunks; what is short of one is given back."""
        size = self._chunk_bytes()
        whole = len(audio) - len(audio) % size
        for start in range(0, whole, size):
            self.context_samples += size // 2
            chunk = audio[start : start + size]
            await self.push(TTSAudioRawFrame(chunk, self.context_id, sample_rate=self.sample_rate))
        return audio[whole:]

    def _chunk_bytes(self) -> int:
        return 2 * round(CHUNK_SECONDS * self.sample_rate)

    async def _listen(self, engine: Engine, send: trio.MemorySendChannel[Mapping[str, Any] | bytes]) -> None:
        async for wire in engine:
            if not isinstance(wire, bytes) and "error" in wire and wire.get("fatal"):
                raise Unrecoverable(f"{self.address}: {wire['error']}")
            await send.send(wire)

    def _engine(self) -> Engine:
        assert self.engine is not None
        return self.engine

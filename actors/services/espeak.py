"""Speech synthesis without a network: espeak-ng, in an engine of its own, with the place of every word.

1. What is to be said, and what must keep its place among it, is a durable list. One task works it off; handlers only add to it.
2. Of the sentence in hand it is durable how much has left, in words and in sound. An engine that dies in the middle of it is
   replaced by one that says it again, from which that much is left out: no word is lost, and none said twice.
3. Before each step the task asks whether it has been cut: who gets room at the moment of an interruption isn't told.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import trio

from ...channels.frames import (
    ControlFrame,
    DataFrame,
    ErrorFrame,
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
    Uninterruptible,
)
from ..actor import Actor, actor, durable, on, state
from ..effects import Up
from ..errors import Unrecoverable
from ..outside import Engine, WireMessage
from .sentences import split_sentences

__all__ = ["EspeakTTS"]

ENGINE = Path(__file__).parent.parent / "engines" / "espeak_engine.py"
CHUNK_SECONDS = 0.02
SYNTHESIS_SECONDS = 5.0
"""How long the engine may take to say something, while the session ends."""


@attrs.frozen
class _Sentence:
    """Something to be said without a break."""

    id: str
    text: str
    append_to_context: bool = True


@attrs.frozen
class _Sent:
    """How much of a sentence has left."""

    words: int = 0
    chunks: int = 0


@attrs.frozen
class _Close:
    """The synthesis in hand is complete."""


_ToDo: TypeAlias = "_Sentence | Frame | _Close"


class _Synthesis:
    """What the engine has said of one sentence; it grows."""

    def __init__(self) -> None:
        self._wires: deque[WireMessage] = deque()
        self._news = trio.lowlevel.ParkingLot()

    def put(self, wire: WireMessage) -> None:
        self._wires.append(wire)
        self._news.unpark_all()

    async def next(self) -> WireMessage:
        while not self._wires:
            await self._news.park()
        return self._wires.popleft()


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
    of_epoch: int = durable(0)
    """The epoch in which the list began."""
    sent: _Sent = durable(_Sent())
    """Of the list's first sentence."""
    context_id: str | None = durable(None)
    """The synthesis that is open."""
    context_samples: int = durable(0)
    """Sound of its sentences that have left whole."""
    contexts: int = durable(0)
    count: int = durable(0)

    engine: Engine | None = state(None)
    sample_rate: int = state(0)
    asked: dict[str, _Synthesis] = state(dict[str, _Synthesis])
    """What the engine was asked to say and hasn't been used up."""
    task_number: int | None = state(None)
    """The number of the task that works the list off."""
    tasks_begun: int = state(0)
    done: trio.lowlevel.ParkingLot = state(trio.lowlevel.ParkingLot)
    """Who waits for the end of the list."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.outside.engine([self.python, "-P", str(ENGINE)]) as self.engine:
            self.start_soon(self._listen, self.engine)
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
        if self.of_epoch == self.epoch:
            # The last incarnation may have died at work. If an interruption has come since, its frame follows.
            self._go_on()

    @on(LLMTextFrame)
    def read(self, frame: LLMTextFrame) -> LLMTextFrame | None:
        if frame.skip_tts:
            return self._in_order(frame)
        sentences, self.gathered = split_sentences(self.gathered + frame.text)
        self._add(*map(self._sentence, sentences))
        return None

    @on(LLMFullResponseEndFrame, FunctionCallInProgressFrame)
    def finish(self, frame: LLMFullResponseEndFrame | FunctionCallInProgressFrame) -> None:
        rest, self.gathered = self.gathered.strip(), ""
        self._add(*([self._sentence(rest)] if rest else []), _Close(), frame)

    @on(TTSSpeakFrame)
    def speak(self, frame: TTSSpeakFrame) -> None:
        if frame.text.strip():
            sentence = attrs.evolve(self._sentence(frame.text.strip()), append_to_context=frame.append_to_context)
            self._add(_Close(), sentence, _Close())

    @on(DataFrame, ControlFrame)
    async def keep_in_order(self, frame: Frame) -> Frame:
        """What comes behind speech leaves behind it."""
        while self.to_do:
            await self.done.park()
        return frame

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None:
        self.gathered, self.sent, self.context_id, self.context_samples = "", _Sent(), None, 0
        self.to_do, self.task_number = tuple(each for each in self.to_do if isinstance(each, Uninterruptible)), None
        self.asked.clear()
        self.done.unpark_all()
        self._engine().send_nowait({"stop": None})
        self._go_on()

    def _sentence(self, text: str) -> _Sentence:
        self.count += 1
        return _Sentence(str(self.count), text)

    def _in_order(self, frame: LLMTextFrame) -> LLMTextFrame | None:
        if not self.to_do:
            return frame
        self._add(frame)
        return None

    def _add(self, *items: _ToDo) -> None:
        if items:
            self.to_do = (*self.to_do, *items)
            self._go_on()

    def _go_on(self) -> None:
        """See that the list is worked off."""
        self.of_epoch = self.epoch
        self._ask()
        if self.to_do and self.task_number is None:
            self.tasks_begun += 1
            self.task_number = self.tasks_begun
            self.start_soon(self._work, self.tasks_begun)

    def _ask(self) -> None:
        """Have the next two sentences synthesised: the one in hand, and one ahead."""
        sentences = [item for item in self.to_do if isinstance(item, _Sentence)]
        for sentence in sentences[:2]:
            if sentence.id not in self.asked:
                self.asked[sentence.id] = _Synthesis()
                self._engine().send_nowait({"say": sentence.text, "id": sentence.id})

    async def _work(self, number: int) -> None:
        """Do what is to do, in order; each step leaves the list as it takes effect."""
        while self.task_number == number and self.to_do:
            item = self.to_do[0]
            if isinstance(item, _Sentence):
                await self._say(item)
                continue
            self.to_do = self.to_do[1:]
            if isinstance(item, _Close):
                await self._close()
            else:
                await self.push(item)
            await trio.lowlevel.checkpoint_if_cancelled()
        if self.task_number == number:
            self.task_number = None
            self.done.unpark_all()

    async def _close(self) -> None:
        context_id, self.context_id = self.context_id, None
        self.context_samples = 0
        if context_id is not None:
            await self.push(TTSStoppedFrame(context_id))

    async def _say(self, sentence: _Sentence) -> None:
        synthesis = self.asked[sentence.id]
        if self.context_id is None:
            self.contexts += 1
            self.context_id = f"espeak-{self.contexts}"
            await self.push(TTSStartedFrame(self.context_id, sentence.append_to_context))
        made, rest = _Sent(), b""
        size = 2 * round(CHUNK_SECONDS * self.sample_rate)
        is_done = False
        while not is_done:
            self.allow(SYNTHESIS_SECONDS)
            wire = await synthesis.next()
            if isinstance(wire, bytes):
                rest += wire
            elif "word" in wire:
                made = attrs.evolve(made, words=made.words + 1)
                if made.words > self.sent.words:
                    await self._send(self._word(wire, sentence), words=1)
            elif "error" in wire:
                await self.push(Up(ErrorFrame(wire["error"], processor=str(self.address))))
            else:
                is_done = True
                rest = rest.ljust(-(-len(rest) // size) * size, b"\0")
            while len(rest) >= size:
                chunk, rest = rest[:size], rest[size:]
                made = attrs.evolve(made, chunks=made.chunks + 1)
                if made.chunks > self.sent.chunks:
                    frame = TTSAudioRawFrame(chunk, self.context_id, sample_rate=self.sample_rate)
                    await self._send(frame, chunks=1)
        await trio.lowlevel.checkpoint_if_cancelled()
        self.context_samples += self.sent.chunks * size // 2
        self.to_do, self.sent = self.to_do[1:], _Sent()
        del self.asked[sentence.id]
        self._ask()

    async def _send(self, frame: Frame, *, words: int = 0, chunks: int = 0) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self.sent = _Sent(self.sent.words + words, self.sent.chunks + chunks)
        await self.push(frame)

    def _word(self, wire: Mapping[str, Any], sentence: _Sentence) -> TTSTextFrame:
        offset = round((self.context_samples + wire["offset"]) * 1e9 / self.sample_rate)
        return TTSTextFrame(
            wire["word"],
            sentence.text,
            offset,
            context_id=self.context_id,
            append_to_context=sentence.append_to_context,
        )

    async def _listen(self, engine: Engine) -> None:
        speaking: _Synthesis | None = None
        async for wire in engine:
            if isinstance(wire, bytes):
                if speaking is not None:
                    speaking.put(wire)
            elif "started" in wire:
                speaking = self.asked.get(wire["started"])
            elif "error" in wire and wire.get("fatal"):
                raise Unrecoverable(f"{self.address}: {wire['error']}")
            elif (synthesis := self.asked.get(str(wire.get("id") or wire.get("done")))) is not None:
                synthesis.put(wire)

    def _engine(self) -> Engine:
        assert self.engine is not None
        return self.engine

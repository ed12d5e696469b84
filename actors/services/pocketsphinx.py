"""Speech recognition without a network: pocketsphinx, in an engine of its own.

What was said is decided per utterance: VAD frames bracket it.

1. The sound of each utterance is kept until its final has come, so an engine that dies in the middle of a word is replaced by one that
   hears it again, and says the same.
2. What the dead one had said and nobody handled yet isn't believed: its successor says it anew.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from ...channels.frames import (
    EndFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    StartFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from ...channels.frozen import freeze
from ..actor import Actor, actor, durable, on, state
from ..effects import To
from ..errors import ConfigurationError, Unrecoverable
from ..outside import Engine

__all__ = ["PocketsphinxSTT"]

ENGINE = Path(__file__).parent.parent / "engines" / "pocketsphinx_engine.py"
SAMPLE_RATE = 16000
BYTES_A_SECOND = 2 * SAMPLE_RATE
KEPT_SECONDS = 30.0
"""Of the sound without a final; only an engine that is far behind makes it matter."""
END_SECONDS = 5.0
"""How long the end of the session waits for finals."""


@attrs.frozen
class _Utterance:
    """One utterance whose final hasn't come."""

    id: str
    audio: tuple[bytes, ...] = attrs.field(repr=lambda audio: f"<{sum(map(len, audio))} bytes>")
    has_ended: bool = False
    lost: int = 0
    """Bytes of its beginning that aren't kept any more."""

    def with_sound(self, audio: bytes) -> _Utterance:
        """Longer by that; of what is too long to keep the beginning falls away."""
        kept, lost = (*self.audio, audio), self.lost
        over = sum(map(len, kept)) - round(KEPT_SECONDS * BYTES_A_SECOND)
        while over > 0:
            lost, over = lost + len(kept[0]), over - len(kept[0])
            kept = kept[1:]
        return attrs.evolve(self, audio=kept, lost=lost)

    def without(self, samples: int) -> _Utterance:
        """What is left behind so many samples of what the engine was given."""
        audio = b"".join(self.audio)[max(0, 2 * samples - self.lost) :]
        return attrs.evolve(self, audio=(audio,) if audio else (), lost=max(0, self.lost - 2 * samples))


@attrs.frozen
class _Heard:
    """To itself: what the engine said."""

    wire: Mapping[str, Any] = attrs.field(converter=freeze)
    engine: int
    """The process that said it."""


@actor
class PocketsphinxSTT(Actor):
    """Transcribes what VAD says is speech: InterimTranscriptionFrame as it goes, one TranscriptionFrame, finalized, at its end.

    Give it a JSGF `grammar` (its text), or a `language_model` (a path, or `"en-us"` for the one inside pocketsphinx). What is unlike
    anything in the grammar is rejected: then no transcript comes. Needs `antiphon[offline]` and sound at 16,000 Hz.
    Raises `ConfigurationError` for anything else.
    """

    grammar: str | None = None
    language_model: str | None = attrs.field(default=None, kw_only=True)
    words: dict[str, str] = attrs.field(factory=dict, kw_only=True)
    """Words that the dictionary lacks, with their phones: `{"zorp": "Z AO R P"}`."""
    threshold: float = attrs.field(default=0.5, kw_only=True)
    """The confidence, 0 to 1, below which an utterance is rejected."""
    pre_roll: float = attrs.field(default=0.5, kw_only=True)
    """Seconds before VAD's word that belong to the utterance: VAD needs a moment to be sure."""
    partials: bool = attrs.field(default=True, kw_only=True)
    """Whether to guess while the user speaks; without, it costs a third less."""
    longest: float = attrs.field(default=30.0, kw_only=True)
    """Seconds of sound after which an utterance is cut into two."""
    python: str = attrs.field(default=sys.executable, kw_only=True)
    """The interpreter that runs the engine."""

    before: tuple[bytes, ...] = durable(())
    """The last sound outside an utterance."""
    open: tuple[_Utterance, ...] = durable(())
    """Utterances without a final; the last one may still be going on."""
    count: int = durable(0)
    engine: Engine | None = state(None)
    finals: trio.lowlevel.ParkingLot = state(trio.lowlevel.ParkingLot)
    """Who waits for the next one."""

    def __attrs_post_init__(self) -> None:
        if (self.grammar is None) == (self.language_model is None):
            raise ConfigurationError(
                "PocketsphinxSTT: give it either a grammar (the text of a JSGF grammar) or a language_model."
            )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        command = [self.python, "-P", str(ENGINE)]
        # All that is kept may have to be said at once, to a new engine.
        room = round((KEPT_SECONDS + self.longest) * BYTES_A_SECOND)
        async with self.outside.engine(command, max_audio_bytes=room) as self.engine:
            configuration: dict[str, Any] = {
                "sample_rate": SAMPLE_RATE,
                "threshold": self.threshold,
                "longest": self.longest,
                "partials": self.partials,
            }
            if self.grammar is not None:
                configuration["grammar"] = self.grammar
            else:
                configuration["language_model"] = self.language_model
            if self.words:
                configuration["words"] = self.words
            self.engine.send_nowait({"configure": configuration})
            while "configured" not in (wire := await self._receive(self.engine)):
                assert wire
            self.open = tuple(attrs.evolve(utterance, lost=0) for utterance in self.open)
            for utterance in self.open:
                self._say_again(self.engine, utterance)
            self.start_soon(self._listen, self.engine)
            yield

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        if frame.audio_in_sample_rate != SAMPLE_RATE:
            raise Unrecoverable(
                f"{self.address} takes sound at {SAMPLE_RATE} Hz, the session has {frame.audio_in_sample_rate}."
                f" Open it with sample_rates=({SAMPLE_RATE}, ...)."
            )

    @on(InputAudioRawFrame)
    def hear(self, frame: InputAudioRawFrame) -> InputAudioRawFrame:
        if not self.open or self.open[-1].has_ended:
            self.before = _last(self.pre_roll, (*self.before, frame.audio))
        else:
            self.open = (*self.open[:-1], self.open[-1].with_sound(frame.audio))
            self._engine().send_nowait(frame.audio)
        return frame

    @on(VADUserStartedSpeakingFrame)
    def begin(self, frame: VADUserStartedSpeakingFrame) -> VADUserStartedSpeakingFrame:
        if not self.open or self.open[-1].has_ended:
            self.count += 1
            utterance = _Utterance(str(self.count), self.before)
            self.before, self.open = (), (*self.open, utterance)
            self._say_again(self._engine(), utterance)
        return frame

    @on(VADUserStoppedSpeakingFrame)
    def end(self, frame: VADUserStoppedSpeakingFrame) -> VADUserStoppedSpeakingFrame:
        self._end_utterance()
        return frame

    @on(_Heard)
    def tell(self, message: _Heard) -> TranscriptionFrame | InterimTranscriptionFrame | None:
        wire = message.wire
        if message.engine != self._engine().pid:
            return None
        if "partial" in wire:
            return InterimTranscriptionFrame(wire["partial"]) if wire["partial"] else None
        self.open = tuple(left for utterance in self.open if (left := _without_final(utterance, wire)) is not None)
        self.finals.unpark_all()
        return TranscriptionFrame(wire["final"], finalized=not wire.get("more"), result=wire) if wire["final"] else None

    @on(EndFrame)
    async def finish(self, frame: EndFrame) -> None:
        """The last words count, too."""
        self.allow(END_SECONDS)
        self._end_utterance()
        with trio.move_on_after(END_SECONDS):
            while self.open:
                await self.finals.park()

    def _end_utterance(self) -> None:
        if self.open and not self.open[-1].has_ended:
            ended = attrs.evolve(self.open[-1], has_ended=True)
            self.open = (*self.open[:-1], ended)
            self._engine().send_nowait({"utterance": "end", "id": ended.id})

    async def _listen(self, engine: Engine) -> None:
        while True:
            wire = await self._receive(engine)
            if "partial" in wire or "final" in wire:
                await self.push(To(self.address, _Heard(wire, engine.pid)))

    async def _receive(self, engine: Engine) -> Mapping[str, Any]:
        wire = await engine.receive()
        if isinstance(wire, bytes):
            return {}
        if "error" in wire and wire.get("fatal"):
            raise Unrecoverable(f"{self.address}: {wire['error']}")
        return wire

    def _engine(self) -> Engine:
        assert self.engine is not None
        return self.engine

    def _say_again(self, engine: Engine, utterance: _Utterance) -> None:
        engine.send_nowait({"utterance": "start", "id": utterance.id})
        for audio in utterance.audio:
            engine.send_nowait(audio)
        if utterance.has_ended:
            engine.send_nowait({"utterance": "end", "id": utterance.id})


def _last(seconds: float, chunks: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The newest chunks, at least that long together."""
    kept = 0
    for place in range(len(chunks) - 1, -1, -1):
        kept += len(chunks[place])
        if kept >= seconds * BYTES_A_SECOND:
            return chunks[place:]
    return chunks


def _without_final(utterance: _Utterance, wire: Mapping[str, Any]) -> _Utterance | None:
    """What is left of an utterance when a final has come: nothing, or the sound that the final doesn't cover."""
    if utterance.id != wire["id"]:
        return utterance
    return utterance.without(int(wire["samples"])) if wire.get("more") else None

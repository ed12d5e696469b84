"""Speech recognition without a network: pocketsphinx, in an engine of its own.

What was said is decided per utterance: VAD frames bracket it.

The engine is given utterances: a mark, sound, a mark. They are kept until their finals have come, so an engine that dies in the middle
of a word is replaced by one that hears it again, and says the same.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import attrs

from ...channels.frames import StartFrame
from ...channels.frozen import freeze
from ..actor import actor, durable, on, state
from ..effects import Effect
from ..errors import ConfigurationError, Unrecoverable
from ..outside import Engine
from .stt import KEPT_SECONDS, STTService
from .unanswered import Sound

__all__ = ["PocketsphinxSTT"]

ENGINE = Path(__file__).parent.parent / "engines" / "pocketsphinx_engine.py"
SAMPLE_RATE = 16000


@attrs.frozen
class _Begin:
    """A mark: the sound that follows belongs to this utterance."""

    id: str


@attrs.frozen
class _End:
    """A mark: nothing more of this utterance comes."""

    id: str


@actor
class PocketsphinxSTT(STTService):
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

    measured_latency: ClassVar[float | None] = 0.6
    """VAD's 0.2 s and 0.15 to 0.3 s for a sentence, on an idle machine; a busy one takes longer."""

    before: tuple[Sound, ...] = durable(())
    """The last sound outside an utterance."""
    utterance: str | None = durable(None)
    """The one that is going on."""
    count: int = durable(0)
    engine: Engine | None = state(None)

    def __attrs_post_init__(self) -> None:
        if (self.grammar is None) == (self.language_model is None):
            raise ConfigurationError(
                "PocketsphinxSTT: give it either a grammar (the text of a JSGF grammar) or a language_model."
            )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        command = [self.python, "-P", str(ENGINE)]
        # All that is kept may have to be said at once, to a new engine.
        room = round((KEPT_SECONDS + self.longest) * 2 * SAMPLE_RATE)
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
            self.connect()
            self.start_soon(self._listen, self.engine)
            yield

    @on(StartFrame)
    def announce(self, frame: StartFrame) -> list[Effect]:
        if frame.audio_in_sample_rate != SAMPLE_RATE:
            raise Unrecoverable(
                f"{self.address} takes sound at {SAMPLE_RATE} Hz, the session has {frame.audio_in_sample_rate}."
                f" Open it with sample_rates=({SAMPLE_RATE}, ...)."
            )
        return super().announce(frame)

    def take(self, sound: Sound) -> None:
        if self.utterance is None:
            self.before = _last(self.pre_roll, (*self.before, sound))
        else:
            self.say(sound)

    def voice_started(self) -> None:
        if self.utterance is None:
            self.count += 1
            self.utterance = str(self.count)
            before, self.before = self.before, ()
            for item in (_Begin(self.utterance), *before):
                self.say(item)

    def voice_stopped(self) -> None:
        utterance, self.utterance = self.utterance, None
        if utterance is not None:
            self.ask(_End(utterance))

    def give(self, item: Hashable) -> None:
        assert self.engine is not None
        match item:
            case Sound(audio):
                self.engine.send_nowait(audio)
            case _Begin(utterance):
                self.engine.send_nowait({"utterance": "start", "id": utterance})
            case _End(utterance):
                self.engine.send_nowait({"utterance": "end", "id": utterance})
            case _:
                raise AssertionError(f"{item!r} is nothing that the engine is given")

    def understand(self, wire: Mapping[str, Any]) -> tuple[Effect, ...]:
        if "partial" in wire:
            return self.interim(wire["partial"])
        text = wire["final"] or ""
        if wire.get("more"):
            return self.final(text, samples=wire["samples"], result=wire)
        return self.final(text, mark=_End(wire["id"]), result=wire)

    async def _listen(self, engine: Engine) -> None:
        while True:
            wire = await self._receive(engine)
            if "partial" in wire or "final" in wire:
                await self.push(self.answer(freeze(wire)))

    async def _receive(self, engine: Engine) -> Mapping[str, Any]:
        wire = await engine.receive()
        if isinstance(wire, bytes):
            return {}
        if "error" in wire and wire.get("fatal"):
            raise Unrecoverable(f"{self.address}: {wire['error']}")
        return wire


def _last(seconds: float, sounds: tuple[Sound, ...]) -> tuple[Sound, ...]:
    """The newest sounds without a gap between them, at least that long together."""
    kept = 0
    for place in range(len(sounds) - 1, -1, -1):
        kept += sounds[place].samples
        if kept >= seconds * SAMPLE_RATE or (place and sounds[place - 1].end != sounds[place].position):
            return sounds[place:]
    return sounds

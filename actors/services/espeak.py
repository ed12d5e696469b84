"""Speech synthesis without a network: espeak-ng, in an engine of its own, with the place of every word."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import attrs

from ...channels.frames import StartFrame
from ...channels.frozen import FrozenDict
from ..actor import actor, on, state
from ..errors import Unrecoverable
from ..outside import Engine
from .speech_request import Audio, Done, Failure, Word
from .speech_units import SpeechUnit
from .tts import TTSService

__all__ = ["EspeakTTS"]

ENGINE = Path(__file__).parent.parent / "engines" / "espeak_engine.py"
SETTINGS = ("voice", "rate", "pitch", "gap")


@actor
class EspeakTTS(TTSService):
    """Speaks LLM text sentence by sentence, and TTSSpeakFrame: TTSStarted, words (TTSTextFrame with `offset_ns`) and audio, TTSStopped.

    The text itself is consumed; its words come back with their times. Needs `antiphon[offline]`; the library is GPL-3
    and only ever loaded in the engine's process.
    """

    # An engine that dies is replaced by one that says the sentence again, sample for sample.
    is_repeatable: ClassVar[bool] = True
    settings_names: ClassVar[frozenset[str] | None] = frozenset(SETTINGS)

    voice: str = "en-us"
    rate: int = attrs.field(default=160, kw_only=True)
    """Words a minute."""
    pitch: int = attrs.field(default=50, kw_only=True)
    """0 to 100."""
    gap: int = attrs.field(default=0, kw_only=True)
    """Silence between words, in 10 ms."""
    python: str = attrs.field(default=sys.executable, kw_only=True)
    """The interpreter that runs the engine."""
    stop_frame_timeout: float = attrs.field(default=30.0, kw_only=True)
    """Seconds without any report, after which a context is taken to be complete. The engine always says when it is: this is for one
    that hangs, and longer than a loaded machine takes to start it.
    """

    engine: Engine | None = state(None)
    configured: dict[str, Any] = state(dict[str, Any])
    """The settings that the engine was last told."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.outside.engine([self.python, "-P", str(ENGINE)]) as self.engine:
            self.start_soon(self._listen, self.engine)
            yield

    @property
    def gives_word_times(self) -> bool:
        return True

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        super().start(frame)
        # A voice that doesn't exist is told before anybody calls.
        self._configure(self.changes)

    def ask(self, unit: SpeechUnit) -> None:
        self._configure(unit.settings)
        self._engine().send_nowait({"say": unit.speech, "id": unit.request_id})

    def cancel(self, request_id: str) -> None:
        self._engine().send_nowait({"stop": request_id})

    def _configure(self, changes: FrozenDict) -> None:
        settings = {name: getattr(self, name) for name in SETTINGS}
        settings |= {**changes, "sample_rate": self.sample_rate}
        if settings != self.configured:
            self.configured = settings
            self._engine().send_nowait({"configure": settings})

    async def _listen(self, engine: Engine) -> None:
        speaking = ""
        rate = self.sample_rate
        async for wire in engine:
            if isinstance(wire, bytes):
                self.hand_in(speaking, Audio(wire, rate))
            elif "started" in wire:
                speaking, rate = str(wire["started"]), int(wire["sample_rate"])
            elif "word" in wire:
                self.hand_in(str(wire["id"]), Word(wire["word"], wire["offset"] / rate))
            elif "error" in wire and wire.get("fatal"):
                raise Unrecoverable(f"{self.address}: {wire['error']}")
            elif "error" in wire and "id" in wire:
                self.hand_in(str(wire["id"]), Failure(wire["error"]))
            elif "done" in wire:
                self.hand_in(str(wire["done"]), Done())

    def _engine(self) -> Engine:
        assert self.engine is not None
        return self.engine

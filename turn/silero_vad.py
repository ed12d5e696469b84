"""Voice activity by Silero's detector: far surer than WebRTC's in noise, and too slow for a handler. It works in an engine of its own.

1. Sound passes at once, whatever the engine is at; its edges follow when it has been judged, in order.
2. Sound that hasn't been judged is durable, and so is what the detector must have heard before it: another engine goes on exactly.
3. Each engine's stream has a number. What a dead one had judged and nobody handled isn't believed.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from .. import actors
from ..actors import (
    After,
    ConfigurationError,
    Effect,
    Engine,
    RemoteProtocolError,
    To,
    Unrecoverable,
    actor,
    durable,
    on,
    state,
)
from ..channels import InputAudioRawFrame
from .vad import VAD
from .voice_analyzer import VoiceAnalyzer, VoiceJudge
from .voice_watch import AudioIdle

__all__ = ["SileroAnalyzer", "SileroVAD"]

ENGINE = Path(actors.__file__).parent / "engines" / "silero_engine.py"
SAMPLE_RATE = 16000
WINDOW = 512
"""Samples, 32 ms."""
SPAN = 64
"""Windows that the detector has heard at least: after two seconds it judges nearly as one that has heard everything."""
UNJUDGED_SECONDS = 8.0
"""Of sound that an engine is behind; then it is taken for stuck."""


@attrs.frozen
class SileroAnalyzer:
    """The windows of Silero's detector. It can't be opened in an actor, since a window takes 1 to 2.5 ms: `SileroVAD` has an engine."""

    def window_samples(self, sample_rate: int) -> int:
        if sample_rate != SAMPLE_RATE:
            raise ConfigurationError(
                f"Silero's voice detector can't work at {sample_rate} Hz, only at {SAMPLE_RATE} Hz: "
                f"set the input's rate, `open_session(..., sample_rates=({SAMPLE_RATE}, 24000))`, or resample before the VAD."
            )
        return WINDOW

    def open(self, sample_rate: int, heard: tuple[bytes, ...] = ()) -> VoiceJudge:
        raise ConfigurationError(
            "Silero's voice detector is too slow for an actor's handler: put `SileroVAD()` before the transcriber."
        )


class _Judged:
    """A judge of sound whose confidences are known already."""

    def __init__(self, confidences: Sequence[float], heard: tuple[bytes, ...]) -> None:
        self.heard = heard
        self._confidences = iter(confidences)

    def judge(self, window: bytes) -> float:
        self.heard = (*self.heard, window)
        if len(self.heard) == 2 * SPAN:  # as the engine: the younger detector has taken the elder's place
            self.heard = self.heard[SPAN:]
        return next(self._confidences)


@attrs.frozen
class _Answer:
    """To itself: the confidences of the windows in the oldest chunk that waits."""

    confidences: tuple[float, ...]
    stream: int


@actor
class SileroVAD(VAD):
    """`VAD` by Silero's detector, which needs `antiphon[silero]` and sound at 16,000 Hz; it costs a twentieth to a tenth of a core.

    Raises `ConfigurationError` at any other rate, and `Unrecoverable` when the detector isn't installed.
    """

    analyzer: VoiceAnalyzer = attrs.field(factory=SileroAnalyzer, init=False)
    command: Sequence[str] = attrs.field(default=(sys.executable, "-P", str(ENGINE)), kw_only=True)
    """Starts the engine."""

    waiting: tuple[bytes, ...] = durable(())
    """Chunks that haven't been judged."""
    stream: int = durable(0)
    engine: Engine | None = state(None)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        # All that is kept is said at once to a new engine: what was heard, and what waits.
        room = 2 * (2 * SPAN * WINDOW + round(2 * UNJUDGED_SECONDS * SAMPLE_RATE))
        async with self.outside.engine(self.command, max_audio_bytes=room) as self.engine:
            self._begin_stream()
            watch = self._watch()
            known = b"".join(watch.heard) + (watch.activity.rest if watch.activity is not None else b"")
            for audio in ((known,) if known else ()) + self.waiting:
                self._engine().send_nowait(audio)
            self.start_soon(self._listen, self._engine(), 1 if known else 0)
            yield

    @on(InputAudioRawFrame)
    def hear(self, frame: InputAudioRawFrame) -> InputAudioRawFrame:
        self.watch = self._watch().tuned_to(frame)
        self.waiting = (*self.waiting, frame.audio)
        self._engine().send_nowait(frame.audio)
        if sum(map(len, self.waiting)) > 2 * UNJUDGED_SECONDS * SAMPLE_RATE:
            self.waiting = ()
            self._begin_stream()
            self.start_soon(self._give_up, interruptible=False)
        return frame

    @on(_Answer)
    def tell(self, message: _Answer) -> tuple[Effect, ...]:
        if message.stream != self.stream or not self.waiting:
            return ()
        audio, *waiting = self.waiting
        self.waiting = tuple(waiting)
        watch = self._watch()
        self.watch, news = watch.judged(audio, _Judged(message.confidences, watch.heard), now=self.now)
        return news.effects

    @on(AudioIdle)
    def look(self, message: AudioIdle) -> tuple[Effect, ...]:
        if self.waiting:  # sound has come, and is being judged
            return (After(self.audio_idle_timeout, message),)
        was_speaking = self._watch().is_speaking
        effects = super().look(message)
        if was_speaking and not self._watch().is_speaking:
            self._begin_stream()
        return effects

    async def _listen(self, engine: Engine, known: int) -> None:
        stream = self.stream
        while True:
            wire = await engine.receive()
            if isinstance(wire, bytes) or "judged" not in wire:
                raise Unrecoverable(
                    f"{self.address}: {wire.get('error', wire) if not isinstance(wire, bytes) else wire!r}"
                )
            if known and wire["stream"] == stream:
                known -= 1  # the answer to what had been judged before
                continue
            await self.push(To(self.address, _Answer(tuple(wire["judged"]), wire["stream"])))

    async def _give_up(self) -> None:
        raise RemoteProtocolError(
            f"{self.address}: the engine is {UNJUDGED_SECONDS:g} s of sound behind; that sound is let go."
        )

    def _begin_stream(self) -> None:
        self.stream += 1
        self._engine().send_nowait({"stream": self.stream, "span": SPAN})

    def _engine(self) -> Engine:
        assert self.engine is not None
        return self.engine

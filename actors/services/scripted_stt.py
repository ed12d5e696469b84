"""A transcriber that hears what its script says: it fills a recogniser's seat without one, with times that are exact.

1. It behaves as a real one: it understands what it was given, as much of it as it got and no more, and takes its time to say so. Sound
   that is given again after a crash is understood again.
2. Times of a script are seconds of the user's sound, from the first sample on; latencies are seconds of the session.
"""

from __future__ import annotations

import enum
import heapq
import math
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, TypeAlias

import attrs
import trio

from ..actor import actor, durable, state
from ..effects import Effect
from ..errors import RemoteProtocolError
from .stt import FinalAsked, STTService
from .unanswered import Sound

__all__ = ["Finality", "ScriptedSTT", "ScriptedUtterance"]


class Finality(enum.Enum):
    """What makes a final of an utterance."""

    ASKED = "asked"
    """A stop of VAD asks for it; the answer is finalized, unless VAD hears the user again before it comes."""
    NEVER = "never"
    """It comes by itself, and nobody says that it is the last."""
    ALWAYS = "always"
    """It comes by itself, finalized."""
    TURN = "turn"
    """The same, between the proposals of a turn's start, as the sound begins, and of its stop."""


def _guesses(given: Iterable[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    return tuple(given)


@attrs.frozen
class ScriptedUtterance:
    """Words, and the stretch of sound that they are said in. Without all of its sound nobody understands it.

    Finals keep the order of their utterances. A final that is asked for in the middle of an utterance comes when that has been heard.
    """

    text: str
    start: float
    """Seconds of the user's sound."""
    stop: float
    latency: float = 0.3
    """From its end, or from when the final is asked for if that is later, to the final."""
    interims: tuple[tuple[float, str], ...] = attrs.field(default=(), converter=_guesses, kw_only=True)
    """Guesses: seconds of the user's sound, and the text that is said as soon as they are heard."""
    finality: Finality = attrs.field(default=Finality.ASKED, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"{self.text!r} is said from {self.start} to {self.stop} s: it ends after it begins.")


@attrs.frozen
class _Guess:
    """A wire message: an interim."""

    text: str


@attrs.frozen
class _Final:
    """A wire message: utterances of the script, and the mark that they answer."""

    utterances: tuple[ScriptedUtterance, ...]
    mark: FinalAsked | None = None


@attrs.frozen
class _Start:
    """A wire message: a turn begins."""


_Wire: TypeAlias = "_Guess | _Final | _Start | None"
"""None: the recogniser dies."""


class _Recogniser:
    """What one connection has heard, and what it is going to say, by when."""

    def __init__(self, script: Sequence[ScriptedUtterance], crashes: Sequence[float]) -> None:
        self.news = trio.lowlevel.ParkingLot()
        self._script = script
        self._crashes = crashes
        self._said: list[tuple[float, int, _Wire]] = []
        self._count = 0
        self._whole_from = math.inf
        """Since when it has heard everything, seconds of the user's sound."""
        self._heard_to = -math.inf
        self._last_due = -math.inf
        """When the last final comes; they keep their order."""
        self._open: tuple[ScriptedUtterance, ...] = ()
        """Utterances that it has heard, and whose final nobody has asked for."""
        self._asked: FinalAsked | None = None
        """What it was asked in the middle of an utterance."""

    def hear(self, start: float, stop: float, *, now: float) -> None:
        if abs(start - self._heard_to) > 1e-9:
            self._whole_from = start
        self._heard_to = stop
        if any(start < crash <= stop for crash in self._crashes):
            self._say(now, None)
        for utterance in self._script:
            if utterance.start < self._whole_from - 1e-9:
                continue
            if utterance.finality is Finality.TURN and start <= utterance.start < stop:
                self._say(now, _Start())
            for time, text in utterance.interims:
                if start < time <= stop:
                    self._say(now, _Guess(text))
            if start < utterance.stop <= stop:
                self._open = (*self._open, utterance)
                if utterance.finality is not Finality.ASKED:
                    self._conclude(None, now)
        if self._asked is not None:
            self.finalise(self._asked, now=now)

    def finalise(self, mark: FinalAsked, *, now: float) -> None:
        """Say the final of all that was heard; in the middle of an utterance, when that has been heard."""
        self._asked = mark if self._is_amid else None
        if self._asked is None:
            self._conclude(mark, now)

    @property
    def _is_amid(self) -> bool:
        return any(
            self._whole_from - 1e-9 <= utterance.start < self._heard_to < utterance.stop for utterance in self._script
        )

    def _conclude(self, mark: FinalAsked | None, now: float) -> None:
        utterances, self._open = self._open, ()
        self._last_due = max([self._last_due, now, *(now + utterance.latency for utterance in utterances)])
        self._say(self._last_due, _Final(utterances, mark))

    async def next(self) -> _Wire:
        """What it says next, when it does."""
        while True:
            if not self._said:
                await self.news.park()
                continue
            due = self._said[0][0]
            with trio.move_on_after(max(0.0, due - trio.current_time())):
                await self.news.park()
            if self._said[0][0] <= trio.current_time():
                return heapq.heappop(self._said)[2]

    def _say(self, due: float, wire: _Wire) -> None:
        self._count += 1
        heapq.heappush(self._said, (due, self._count, wire))
        self.news.unpark_all()


@actor
class ScriptedSTT(STTService):
    """Transcribes by a script. Each utterance is understood once its sound has been heard; muted sound isn't.

    `ScriptedSTT([ScriptedUtterance("hello", 0.5, 1.1)])`, behind a `VAD`, says `TranscriptionFrame("hello", finalized=True)` 0.3 s after
    VAD's stop.
    """

    script: Sequence[ScriptedUtterance] = ()
    crashes: Sequence[float] = attrs.field(default=(), kw_only=True)
    """Seconds of the user's sound at which the recogniser dies, each once, in rising order."""

    measured_latency: ClassVar[float | None] = 0.5
    """VAD's 0.2 s and the latency of an utterance."""

    died: int = durable(0)
    recogniser: _Recogniser | None = state(None)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.recogniser = _Recogniser(self.script, self.crashes[self.died : self.died + 1])
        self.connect()
        self.start_soon(self._listen, self.recogniser)
        yield

    @property
    def detects_turns(self) -> bool:
        return any(utterance.finality is Finality.TURN for utterance in self.script)

    def give(self, item: Hashable) -> None:
        assert self.recogniser is not None
        now = trio.current_time()
        match item:
            case Sound(position=int(position)) as sound:
                start, stop = position / self.sample_rate, (position + sound.samples) / self.sample_rate
                self.recogniser.hear(start, stop, now=now)
            case FinalAsked() as mark:
                self.recogniser.finalise(mark, now=now)
            case _:
                """Silence that keeps the connection alive."""

    def understand(self, wire: _Wire) -> Iterable[Effect]:
        match wire:
            case _Guess(text):
                return self.interim(text)
            case _Start():
                return self.propose_start()
            case _Final(utterances, mark):
                text = " ".join(utterance.text for utterance in utterances)
                if mark is not None:
                    return self.final(text, mark=mark)
                last = utterances[-1]
                is_last = last.finality in (Finality.ALWAYS, Finality.TURN)
                effects = self.final(text, until=round(last.stop * self.sample_rate), finalized=is_last)
                return (*effects, *self.propose_stop()) if last.finality is Finality.TURN else effects
            case _:
                raise AssertionError("who has died says nothing")

    async def _listen(self, recogniser: _Recogniser) -> None:
        while True:
            wire = await recogniser.next()
            if wire is None:
                self.died += 1
                raise RemoteProtocolError(f"{self.address}: the script lets the recogniser die here")
            await self.push(self.answer(wire))

"""A voice without a network or an engine: it fills a synthesiser's seat, and takes the same time for the same words each time.

It says nothing that anybody would understand: each word is one steady tone, another one for another word.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import ClassVar

import attrs
import trio

from ..actor import actor, state
from .speech_request import Audio, Done, Failure, Report, UnitDone, Word
from .speech_units import SpeechUnit
from .tts import TTSService

__all__ = ["ScriptedTTS", "tone_of"]


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@actor
class ScriptedTTS(TTSService):
    """Says each unit with exact times: its first sound `first_audio_secs` after it was asked, then `word_secs` of it for each word.

    Sound and words of a unit come all at once, unless `paced`.
    """

    ahead: ClassVar[int | None] = None

    first_audio_secs: float = attrs.field(default=0.1, kw_only=True)
    word_secs: float = attrs.field(default=0.3, kw_only=True)
    word_times: bool = attrs.field(default=True, kw_only=True)
    """Tell the words, with their times."""
    paced: bool = attrs.field(default=False, kw_only=True)
    """Each word comes when the one before it would have been said: in real time."""
    in_contexts: bool = attrs.field(default=False, kw_only=True)
    """As a service with one stream for each context; else each unit is a request of its own."""
    fails_at: str | None = attrs.field(default=None, kw_only=True)
    """A word at which it fails."""
    fails_for_good: bool = attrs.field(default=False, kw_only=True)
    silent_at: Iterable[str] = attrs.field(default=(), kw_only=True, converter=_strings)
    """Words that have no sound."""
    loses: Iterable[str] = attrs.field(default=(), kw_only=True, converter=_strings)
    """Words that it says but doesn't tell."""
    hangs_at: str | None = attrs.field(default=None, kw_only=True)
    """A word behind which it never says that it is done."""

    positions: dict[str, float] = state(dict[str, float])
    """Of each request, the seconds of sound that were made."""
    asked_in: dict[str, list[tuple[float, str]]] = state(dict[str, list[tuple[float, str]]])
    """For each context that is being said: what is still to be, and when its sound may begin."""
    finished: set[str] = state(set[str])

    @property
    def gives_word_times(self) -> bool:
        return self.word_times

    @property
    def streams_contexts(self) -> bool:
        return self.in_contexts

    def ask(self, unit: SpeechUnit) -> None:
        if not self.in_contexts:
            super().ask(unit)
            return
        is_idle = unit.request_id not in self.asked_in
        self.asked_in.setdefault(unit.request_id, []).append((self.now + self.first_audio_secs, unit.speech))
        if is_idle:
            super().ask(unit)

    def finish(self, context_id: str) -> None:
        self.finished.add(context_id)
        if context_id not in self.asked_in:
            self.hand_in(context_id, Done())

    async def synthesize(self, unit: SpeechUnit) -> None:
        if not self.in_contexts:
            await trio.sleep(self.first_audio_secs)
            await self._say(unit.speech, unit.request_id)
            self.positions.pop(unit.request_id, None)  # nothing is kept of one without a sound
            return
        texts = self.asked_in[unit.request_id]
        try:
            while texts:
                due, text = texts.pop(0)
                await trio.sleep(max(0.0, due - self.now))
                await self._say(text, unit.request_id)
                if not self.word_times:
                    self.hand_in(unit.request_id, UnitDone())
        finally:
            del self.asked_in[unit.request_id]
        if unit.request_id in self.finished:
            self.hand_in(unit.request_id, Done())

    async def _say(self, text: str, request_id: str) -> None:
        for word in text.split():
            if word == self.fails_at:
                self.hand_in(request_id, Failure(f"it can't say {word!r}", is_permanent=self.fails_for_good))
                await trio.sleep_forever()
            self.hand_in(request_id, *self._said(word, request_id))
            if word == self.hangs_at:
                await trio.sleep_forever()
            if self.paced:
                await trio.sleep(self.word_secs)

    def _said(self, word: str, request_id: str) -> list[Report]:
        """What comes of a word."""
        position = self.positions.get(request_id, 0.0)
        reports: list[Report] = []
        if self.word_times and word not in self.loses:
            reports.append(Word(word, position))
        if word not in self.silent_at:
            self.positions[request_id] = position + self.word_secs
            reports.append(Audio(tone_of(word, self.word_secs, self.sample_rate), self.sample_rate))
        return reports


def tone_of(word: str, seconds: float, sample_rate: int) -> bytes:
    """Sound of this duration, each sample of which is the word's own number."""
    level = 1000 + zlib.crc32(word.encode()) % 20000
    return level.to_bytes(2, "little", signed=True) * round(seconds * sample_rate)

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
    running: dict[str, int] = state(dict[str, int])
    finished: set[str] = state(set[str])

    @property
    def gives_word_times(self) -> bool:
        return self.word_times

    @property
    def streams_contexts(self) -> bool:
        return self.in_contexts

    async def synthesize(self, unit: SpeechUnit) -> None:
        request_id, words = unit.request_id, unit.speech.split()
        self.running[request_id] = self.running.get(request_id, 0) + 1
        await trio.sleep(self.first_audio_secs)
        for word in words:
            if word == self.fails_at:
                self.hand_in(request_id, Failure(f"it can't say {word!r}", is_permanent=self.fails_for_good))
                return
            self.hand_in(request_id, *self._said(word, request_id))
            if word == self.hangs_at:
                await trio.sleep_forever()
            if self.paced:
                await trio.sleep(self.word_secs)
        self.running[request_id] -= 1
        if self.in_contexts and not self.word_times:
            self.hand_in(request_id, UnitDone())
        if request_id in self.finished and not self.running[request_id]:
            self.hand_in(request_id, Done())

    def finish(self, context_id: str) -> None:
        self.finished.add(context_id)
        if not self.running.get(context_id):
            self.hand_in(context_id, Done())

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

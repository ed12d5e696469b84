"""What a synthesis service reports of one request, and what of it hasn't been used yet."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import attrs

__all__ = ["Audio", "Done", "Failure", "Report", "SpeechRequest", "UnitDone", "Word"]


@attrs.frozen
class Audio:
    """Sound, 16-bit little-endian mono; a sample may be split between two."""

    audio: bytes
    sample_rate: int
    """Hz, the same all over a request."""


@attrs.frozen
class Word:
    """A word, and where it begins."""

    text: str
    start: float
    """Seconds from the first sound of the request."""


@attrs.frozen
class UnitDone:
    """In a context: the sound of its oldest unit that wasn't complete is complete. For services that give no word times."""


@attrs.frozen
class Done:
    """Nothing more comes for this request."""


@attrs.frozen
class Failure:
    """It can't be said, or no further."""

    text: str
    is_permanent: bool = False
    """No request will ever be answered: a rejected key, a quota that is used up."""
    exception: BaseException | None = None


Report: TypeAlias = Audio | Word | UnitDone | Done | Failure


class SpeechRequest:
    """The answer to one request; it grows at one end and is used up at the other."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.first_audio_at: float | None = None
        self.rate = 0
        self.taken = 0
        """Samples used up."""
        self.words: deque[Word] = deque()
        self.words_taken = 0
        self.is_done = False
        self.is_finished = False
        """Whether the service knows that no more text comes."""
        self.failure: Failure | None = None
        self._audio = bytearray()
        self._borders: deque[int] = deque()
        """Samples of the request at which units end."""

    def put(self, report: Report, now: float) -> None:
        """Take what the service says at this session time."""
        match report:
            case Audio(audio, rate):
                self.rate = rate
                self._audio += audio
                if self.first_audio_at is None and audio:
                    self.first_audio_at = now
            case Word():
                self.words.append(report)
            case UnitDone():
                self._borders.append(self.taken + len(self._audio) // 2)
            case Done():
                self.is_done = True
            case Failure():
                self.failure = report
                self.is_done = True

    def chunk(self, seconds: float, *, filled: bool) -> bytes:
        """The next sound of this duration, which stays; less where it ends. Empty: more must come first.

        `filled`: what is short of it at the end is filled up with silence.
        """
        size = 2 * max(1, round(seconds * self.rate))
        left = len(self._audio) - len(self._audio) % 2
        if self._borders:
            left = min(left, 2 * (self._borders[0] - self.taken))
        if left >= size:
            return bytes(self._audio[:size])
        if left and (self.is_done or self._borders):
            return bytes(self._audio[:left]).ljust(size if filled else left, b"\0")
        return b""

    def take(self, chunk: bytes) -> None:
        """Use up what `chunk` gave."""
        self.taken += min(len(chunk), len(self._audio)) // 2
        del self._audio[: len(chunk)]

    def take_word(self) -> None:
        """Use up the first word."""
        self.words.popleft()
        self.words_taken += 1

    @property
    def is_used_up(self) -> bool:
        """Whether all of it has been used, and nothing more comes."""
        return self.is_done and len(self._audio) < 2

    @property
    def is_at_border(self) -> bool:
        """Whether what has been used is all of a unit."""
        return bool(self._borders) and self._borders[0] <= self.taken

    def pass_border(self) -> None:
        """Go on to the next unit."""
        self._borders.popleft()

"""What was heard of speech: how far its sound was played, and the text that goes with it.

1. Values and steps between them: no clock, no device, no actor. Positions are nanoseconds of one synthesis's sound.
2. A word counts as heard once the chunk that holds its beginning was played.
3. Text without word times is heard as far as its sound was. How long that would have been nobody knows before it has
   all come, so it is estimated.
"""

from __future__ import annotations

import re

import attrs

from ...channels.frames import Frame

__all__ = ["Cue", "Pace", "Speech", "put", "speech_of", "words_begun"]

FIRST_PACE = 15.0
"""Characters a second, before any unit of text was heard whole."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""What stands between spaces; in scripts that write none, a character."""


@attrs.frozen
class Pace:
    """How fast speech is: learned from units of text whose sound was heard whole."""

    characters: int = 0
    played: int = 0
    """Nanoseconds that they took."""

    def learned(self, text: str, played: int) -> Pace:
        return Pace(self.characters + len(text), self.played + played) if text and played > 0 else self

    def duration(self, text: str) -> float:
        """The nanoseconds that this text may take."""
        return len(text) * (self.played / self.characters if self.characters else 1e9 / FIRST_PACE)


@attrs.frozen
class Cue:
    """A frame that goes on when the sound at its position is played."""

    position: int
    frame: Frame


@attrs.frozen
class Speech:
    """One synthesis that isn't over."""

    context_id: str | None
    interruptible: bool = True
    has_begun: bool = False
    """Whether its bracket or its sound has come: before, only its text was announced."""
    played: int = 0
    cues: tuple[Cue, ...] = ()
    """Words, and what goes with them, whose time hasn't come; in the order of their positions."""
    is_timed: bool = False
    """Whether its words have times."""
    units: tuple[str, ...] = ()
    """Text that was announced and hasn't been heard whole."""
    unit_began: int = 0
    """The position at which the first of them began."""

    def begun(self, *, interruptible: bool) -> Speech:
        return attrs.evolve(self, has_begun=True, interruptible=interruptible)

    def advanced(self, nanoseconds: int, *, interruptible: bool) -> Speech:
        """Once more sound was played. Each chunk makes one of these."""
        return Speech(
            self.context_id,
            self.interruptible and interruptible,
            True,
            self.played + nanoseconds,
            self.cues,
            self.is_timed,
            self.units,
            self.unit_began,
        )

    def expecting(self, frame: Frame, position: int) -> Speech:
        cues = sorted((*self.cues, Cue(position, frame)), key=lambda cue: cue.position)
        return attrs.evolve(self, cues=tuple(cues), is_timed=True)

    def timed(self) -> Speech:
        return self if self.is_timed else attrs.evolve(self, is_timed=True)

    def announced(self, text: str) -> Speech:
        return attrs.evolve(self, units=(*self.units, text), unit_began=self.unit_began if self.units else self.played)

    def unit_heard(self) -> Speech:
        """Once text without times was reached: its sound lies before it."""
        return attrs.evolve(self, units=self.units[1:], unit_began=self.played)

    @property
    def has_due(self) -> bool:
        return bool(self.cues) and self.cues[0].position < self.played

    def due(self) -> tuple[Frame, ...]:
        """What goes on now. A position at the very end of the sound that was played isn't reached yet."""
        return tuple(cue.frame for cue in self.cues if cue.position < self.played)

    def without_due(self) -> Speech:
        return attrs.evolve(self, cues=tuple(cue for cue in self.cues if cue.position >= self.played))

    def partial(self, *, in_hand: int, pace: Pace) -> str:
        """What was heard of text without word times. `in_hand` is how much more of its sound had come, nanoseconds."""
        played = self.played - self.unit_began
        if self.is_timed or not self.units or played <= 0:
            return ""
        unit = self.units[0]
        total = max(pace.duration(unit), played + in_hand)
        return words_begun(unit, len(unit) * played / total)


def words_begun(text: str, end: float) -> str:
    """The words of a text that begin before this character."""
    heard = [word for word in _WORD.finditer(text) if word.start() < end]
    return text[heard[0].start() : heard[-1].end()] if heard else ""


def speech_of(speeches: tuple[Speech, ...], context_id: str | None) -> Speech:
    """The one of this synthesis, else a new one."""
    for speech in speeches:
        if speech.context_id == context_id:
            return speech
    return Speech(context_id)


def put(speeches: tuple[Speech, ...], changed: Speech) -> tuple[Speech, ...]:
    """With this one in its place, else at the end."""
    if len(speeches) == 1 and speeches[0].context_id == changed.context_id:
        return (changed,)
    if any(speech.context_id == changed.context_id for speech in speeches):
        return tuple(changed if speech.context_id == changed.context_id else speech for speech in speeches)
    return (*speeches, changed)

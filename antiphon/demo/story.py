"""What happened in a conversation, as values: for the transcript, the table of turns and the timeline."""

from __future__ import annotations

from typing import Literal

import attrs

from ..channels import UserBotLatencyMetricsData

__all__ = ["Moment", "Speech", "Story", "Word"]

Who = Literal["caller", "agent"]


@attrs.frozen
class Word:
    """One word of a speech."""

    text: str
    start: float
    """Seconds since the conversation began."""
    was_heard: bool = True
    """False for a word that was to be said when the speech was cut."""


@attrs.frozen
class Speech:
    """What one side said without the other between."""

    who: Who
    start: float
    """Seconds since the conversation began: the first sound."""
    end: float
    """The last sound."""
    words: tuple[Word, ...]
    was_interrupted: bool = False
    was_held: bool = False
    """Paused before its end, since the other side made a sound; cut later if it was interrupted, too."""
    understood: str | None = None
    """What the other side's recogniser made of it; None when it made nothing of it."""
    waited: UserBotLatencyMetricsData | None = None
    """How long the other side had waited for it, and for what; None where that wasn't measured."""

    @property
    def heard(self) -> str:
        """The words that were heard."""
        return " ".join(word.text for word in self.words if word.was_heard)

    @property
    def unheard(self) -> str:
        """The words that an interruption cut."""
        return " ".join(word.text for word in self.words if not word.was_heard)


@attrs.frozen
class Moment:
    """Something that happened at one time."""

    kind: Literal[
        "pause", "resume", "interruption", "call", "result", "failure", "restart", "turn", "over", "words", "written"
    ]
    time: float
    """Seconds since the conversation began."""
    about: str = ""
    """The name of the actor, or of the function, that it is about; or the words."""


@attrs.frozen
class Story:
    """A whole conversation."""

    speeches: tuple[Speech, ...]
    """In order of their beginning."""
    moments: tuple[Moment, ...]
    seconds: float
    """How long it lasted."""

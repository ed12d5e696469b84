"""Who tells a pause in a turn from its end: analysers hear the user and judge whether the turn is complete.

1. An analyser is configuration, a value; what it remembers of the sound is in the judge that it opens.
2. A judge says what it remembers as a value, so that another one opened with it goes on exactly where the first ended.
3. A batch analyser judges when the user falls silent, a streaming one at any sound; both give up at a long silence.
"""

from __future__ import annotations

from typing import Protocol

import attrs

__all__ = ["TurnAnalyzer", "TurnAnalyzerParams", "TurnJudge", "TurnVerdict"]


@attrs.frozen
class TurnAnalyzerParams:
    """How long an analyser listens, and how long it believes that more will come."""

    stop_secs: float = attrs.field(default=3.0, converter=float, validator=attrs.validators.gt(0))
    """Silence after speech that makes any turn complete."""
    pre_speech_ms: float = attrs.field(default=500, converter=float, validator=attrs.validators.ge(0))
    """How much of the sound before speech belongs to it."""
    max_duration_secs: float = attrs.field(default=8, converter=float, validator=attrs.validators.gt(0))
    """How much of the newest sound is looked at."""


@attrs.frozen
class TurnVerdict:
    """What an analyser thinks of the turn so far."""

    is_complete: bool
    probability: float
    """That the turn is complete, 0 to 1."""
    seconds: float = 0.0
    """How long the judging took."""


class TurnJudge(Protocol):
    """Judges one stream of sound, mono int16."""

    @property
    def heard(self) -> tuple[bytes, ...]:
        """What a judge that goes on in its place must have heard: another tuple whenever it has changed."""
        ...

    def hear(self, audio: bytes, is_speaking: bool) -> TurnVerdict | None:
        """Take a chunk of any length. A verdict when there is one now: a streaming analyser's, or that of a long silence."""
        ...

    def judge(self) -> TurnVerdict:
        """Whether the turn is complete; asked when the user has fallen silent."""
        ...

    def clear(self) -> None:
        """Forget the sound: the turn is over."""
        ...


class TurnAnalyzer(Protocol):
    """What a stop strategy needs to know of an analyser. An implementation is a frozen value."""

    @property
    def params(self) -> TurnAnalyzerParams: ...

    def open(self, sample_rate: int, heard: tuple[bytes, ...] = ()) -> TurnJudge:
        """A judge that has heard this. Raises `ConfigurationError` for a rate that it can't take."""
        ...

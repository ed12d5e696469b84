"""Nobody is heard until a wake phrase was said."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ...channels import (
    BotSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from ..words import holds_phrase, words_of
from .deadline import has_come, until
from .strategy import (
    Event,
    HideFromRest,
    RejectSpeech,
    StartTurn,
    StrategyDecision,
    TurnFacts,
    TurnOpened,
    UserTurnStartStrategy,
    Wait,
    Waited,
)

__all__ = ["WakePhraseUserTurnStartStrategy"]

MEMORY = 250
"""Characters of what was said that are searched for a phrase: one may be split over several transcripts."""

SIGNS = (
    UserSpeakingFrame,
    BotSpeakingFrame,
    VADUserStartedSpeakingFrame,
    TranscriptionFrame,
    InterimTranscriptionFrame,
    TurnOpened,
)
"""What shows that the conversation goes on."""


def _phrases(phrases: Iterable[str]) -> tuple[str, ...]:
    return (phrases,) if isinstance(phrases, str) else tuple(phrases)


def _check_phrases(strategy: object, field: attrs.Attribute[tuple[str, ...]], phrases: tuple[str, ...]) -> None:
    if not phrases or not all(map(words_of, phrases)):
        raise ValueError(
            f"WakePhraseUserTurnStartStrategy got the phrases {phrases!r}: give at least one, each with a word."
        )


@attrs.frozen
class Wakefulness:
    """Whether a phrase was said, and what was said since the last one."""

    awake_until: float | None = None
    """None while asleep."""
    memory: str = ""


@attrs.frozen
class WakePhraseUserTurnStartStrategy(UserTurnStartStrategy[Wakefulness]):
    """Asleep, it hides everything from the strategies behind it, until a final transcript holds one of the phrases: that
    begins a turn. Awake, it lets them decide, until nobody has spoken for `timeout`. Put it first.

    Events: `on_wake_phrase_detected(phrase)`, `on_wake_phrase_timeout()`. Raises `ValueError` for a phrase without words.
    """

    phrases: tuple[str, ...] = attrs.field(converter=_phrases, validator=_check_phrases)
    """Compared without case and punctuation, whole words."""
    timeout: float = attrs.field(default=10.0, converter=float, validator=attrs.validators.gt(0))
    """Seconds after the last sign of a conversation."""
    single_activation: bool = False
    """Count the seconds from the phrase on, whatever is said then."""

    def begin(self) -> Wakefulness:
        return Wakefulness()

    def step(
        self, state: Wakefulness, event: object, now: float, facts: TurnFacts
    ) -> tuple[Wakefulness, tuple[StrategyDecision, ...]]:
        if state.awake_until is None:
            return self._asleep(state, event, now)
        if isinstance(event, Waited):
            if has_come(state.awake_until, now):
                return Wakefulness(), (Event("on_wake_phrase_timeout"),)
            return state, (Wait(until(state.awake_until, now)),)
        if isinstance(event, SIGNS) and not self.single_activation:
            return Wakefulness(now + self.timeout), (Wait(self.timeout),)
        return state, ()

    def _asleep(
        self, state: Wakefulness, event: object, now: float
    ) -> tuple[Wakefulness, tuple[StrategyDecision, ...]]:
        if not isinstance(event, TranscriptionFrame) or not event.text.strip():
            return state, (HideFromRest(),)
        memory = f"{state.memory} {event.text}"[-MEMORY:]
        said = words_of(memory)
        for phrase in self.phrases:
            if holds_phrase(said, words_of(phrase)):
                detected = Event("on_wake_phrase_detected", (phrase,))
                awake = Wakefulness(now + self.timeout)
                return awake, (detected, StartTurn(has_words=True), Wait(self.timeout), HideFromRest())
        return Wakefulness(memory=memory), (RejectSpeech(), HideFromRest())

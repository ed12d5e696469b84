"""A turn is over when a service says so, and its words are there."""

from __future__ import annotations

import attrs

from ...channels import (
    Frame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from .deadline import has_come
from .strategy import (
    NO_WAIT,
    StopTurn,
    StrategyDecision,
    TurnClosed,
    TurnFacts,
    TurnOpened,
    TurnTriggered,
    UserTurnStopStrategy,
    Wait,
    Waited,
)

__all__ = ["ExternalUserTurnStopStrategy"]


@attrs.frozen
class Said:
    """What was transcribed of the turn, and who announces its end."""

    has_text: bool = False
    has_interim: bool = False
    """An interim transcript came whose final one is missing."""
    is_announced: bool = False
    """The service told everybody itself."""
    due: float | None = None
    """When it is looked at again."""


@attrs.frozen
class ExternalUserTurnStopStrategy(UserTurnStopStrategy[Said]):
    """A turn is over as a service proposes it, or has announced it, once its words are there. While they aren't, it is
    looked at again whenever no transcript has come for `timeout`.
    """

    timeout: float = attrs.field(default=0.5, converter=float, validator=attrs.validators.gt(0))
    """Seconds without a transcript."""
    wait_for_transcript: bool = True
    """Whether a turn without a transcript goes on."""

    @property
    def resolves(self) -> tuple[type[Frame], ...]:
        return (ProposedUserStoppedSpeakingFrame,)

    def begin(self) -> Said:
        return Said()

    def step(
        self, state: Said, event: object, now: float, facts: TurnFacts
    ) -> tuple[Said, tuple[StrategyDecision, ...]]:
        match event:
            case ProposedUserStoppedSpeakingFrame():
                return self._look(attrs.evolve(state, is_announced=False), now, facts)
            case UserStoppedSpeakingFrame():
                return self._look(attrs.evolve(state, is_announced=True), now, facts)
            case ProposedUserStartedSpeakingFrame() | UserStartedSpeakingFrame():
                return attrs.evolve(state, due=None), (NO_WAIT,)
            case TranscriptionFrame() if event.text.strip():
                return self._again(attrs.evolve(state, has_text=True, has_interim=False), now, facts)
            case InterimTranscriptionFrame() if event.text.strip():
                return self._again(attrs.evolve(state, has_interim=True), now, facts)
            case TurnTriggered():
                return attrs.evolve(state, has_text=False), ()
            case TurnOpened() | TurnClosed():
                return Said(), (NO_WAIT,)
            case Waited() if state.due is not None:
                return self._look(state, now, facts) if has_come(state.due, now) else (state, ())
            case _:
                return state, ()

    def _look(self, state: Said, now: float, facts: TurnFacts) -> tuple[Said, tuple[StrategyDecision, ...]]:
        is_there = not self.wait_for_transcript or (state.has_text and not state.has_interim)
        if is_there and facts.is_open and not facts.is_speaking:
            return state, (StopTurn(announce=not state.is_announced),)
        return self._again(state, now, facts)

    def _again(self, state: Said, now: float, facts: TurnFacts) -> tuple[Said, tuple[StrategyDecision, ...]]:
        if not facts.is_open or facts.is_speaking:
            return state, ()
        return attrs.evolve(state, due=now + self.timeout), (Wait(self.timeout),)

"""A turn begins when a service says so."""

from __future__ import annotations

import attrs

from ...channels import Frame, ProposedUserStartedSpeakingFrame, UserStartedSpeakingFrame
from .strategy import HideFromRest, StartTurn, StrategyDecision, TurnFacts, UserTurnStartStrategy

__all__ = ["ExternalUserTurnStartStrategy"]


@attrs.frozen
class ExternalUserTurnStartStrategy(UserTurnStartStrategy[None]):
    """A turn begins as a service proposes it. One that a service has announced itself is adopted: nothing is told again,
    and nobody is cut off a second time.
    """

    @property
    def resolves(self) -> tuple[type[Frame], ...]:
        return (ProposedUserStartedSpeakingFrame,)

    def begin(self) -> None:
        return None

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        match event:
            case ProposedUserStartedSpeakingFrame():
                return state, (StartTurn(), HideFromRest())
            case UserStartedSpeakingFrame():
                return state, (StartTurn(may_interrupt=False, announce=False), HideFromRest())
            case _:
                return state, ()

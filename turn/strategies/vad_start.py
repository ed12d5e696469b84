"""A turn begins with a voice."""

from __future__ import annotations

import attrs

from ...channels import VADUserStartedSpeakingFrame
from .strategy import HideFromRest, StartTurn, StrategyDecision, TurnFacts, UserTurnStartStrategy

__all__ = ["VADUserTurnStartStrategy"]


@attrs.frozen
class VADUserTurnStartStrategy(UserTurnStartStrategy[None]):
    """A turn begins when voice activity does."""

    @property
    def looks_at_voice(self) -> bool:
        return True

    def begin(self) -> None:
        return None

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        return state, (StartTurn(), HideFromRest()) if isinstance(event, VADUserStartedSpeakingFrame) else ()

"""A strategy that may ask for an answer, but not end the turn."""

from __future__ import annotations

from typing import Any

import attrs

from ...channels import Frame
from .strategy import StopTurn, StrategyDecision, TriggerInference, TurnFacts, UserTurnStopStrategy

__all__ = ["DeferredUserTurnStopStrategy"]


@attrs.frozen
class DeferredUserTurnStopStrategy(UserTurnStopStrategy[Any]):
    """Where the strategy inside would end the turn, what was said so far is answered, and the turn goes on: another
    strategy ends it. The state is the inner strategy's.
    """

    strategy: UserTurnStopStrategy[Any]

    @property
    def name(self) -> str:
        return self.strategy.name

    @property
    def resolves(self) -> tuple[type[Frame], ...]:
        return self.strategy.resolves

    @property
    def looks_at_voice(self) -> bool:
        return self.strategy.looks_at_voice

    def begin(self) -> Any:
        return self.strategy.begin()

    def step(self, state: Any, event: object, now: float, facts: TurnFacts) -> tuple[Any, tuple[StrategyDecision, ...]]:
        state, decisions = self.strategy.step(state, event, now, facts)
        return state, tuple(TriggerInference() if isinstance(each, StopTurn) else each for each in decisions)

    def without_transcripts(self) -> UserTurnStopStrategy[Any]:
        inner = self.strategy.without_transcripts()
        return self if inner is self.strategy else attrs.evolve(self, strategy=inner)

    def holds_watchdog(self, state: Any) -> bool:
        return self.strategy.holds_watchdog(state)

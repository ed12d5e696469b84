"""A turn begins with words."""

from __future__ import annotations

import attrs

from ...channels import InterimTranscriptionFrame, TranscriptionFrame
from .strategy import HideFromRest, StartTurn, StrategyDecision, TurnFacts, UserTurnStartStrategy

__all__ = ["TranscriptionUserTurnStartStrategy"]


@attrs.frozen
class TranscriptionUserTurnStartStrategy(UserTurnStartStrategy[None]):
    """A turn begins with a transcript: soft speech that voice activity missed still starts one."""

    use_interim: bool = True
    """Whether an interim transcript is enough."""

    def begin(self) -> None:
        return None

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        kinds = (TranscriptionFrame, InterimTranscriptionFrame) if self.use_interim else (TranscriptionFrame,)
        if isinstance(event, kinds) and event.text.strip():
            return state, (StartTurn(has_words=True), HideFromRest())
        return state, ()

"""A turn begins with enough words to mean it."""

from __future__ import annotations

import attrs

from ...channels import BotStartedSpeakingFrame, BotStoppedSpeakingFrame, InterimTranscriptionFrame, TranscriptionFrame
from .strategy import (
    HideFromRest,
    RejectSpeech,
    StartTurn,
    StrategyDecision,
    TurnFacts,
    TurnOpened,
    UserTurnStartStrategy,
)

__all__ = ["MinWordsUserTurnStartStrategy"]


@attrs.frozen
class MinWordsUserTurnStartStrategy(UserTurnStartStrategy[bool]):
    """While the bot speaks, only a transcript of several words begins a turn; fewer are thrown away. While it is silent
    one word is enough.

    Put it first, and alone where a voice mustn't begin a turn: what decides before it decides for it.
    """

    min_words: int = attrs.field(validator=attrs.validators.ge(1))
    """How many words one transcript must have to cut the bot off."""
    use_interim: bool = True
    """Whether an interim transcript is looked at."""

    def begin(self) -> bool:
        """The state is whether the bot has spoken since the last turn began, and still does."""
        return False

    def step(
        self, state: bool, event: object, now: float, facts: TurnFacts
    ) -> tuple[bool, tuple[StrategyDecision, ...]]:
        match event:
            case BotStartedSpeakingFrame():
                return True, ()
            case BotStoppedSpeakingFrame() | TurnOpened():
                return False, ()
            case TranscriptionFrame(text=text):
                return state, self._judge(text, state)
            case InterimTranscriptionFrame(text=text) if self.use_interim:
                return state, self._judge(text, state)
            case _:
                return state, ()

    def _judge(self, text: str, bot_is_speaking: bool) -> tuple[StrategyDecision, ...]:
        count = len(text.split())
        if count >= (self.min_words if bot_is_speaking else 1):
            return StartTurn(has_words=True), HideFromRest()
        return (RejectSpeech(),) if count else ()

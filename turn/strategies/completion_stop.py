"""A turn is over when somebody has judged its meaning complete: anybody, or the language model by a mark."""

from __future__ import annotations

import attrs

from ...actors import Down
from ...channels import (
    InterruptionFrame,
    LLMMarkerResponseFrame,
    LLMUpdateSettingsFrame,
    StartFrame,
    UserTurnInferenceCompletedFrame,
    VADUserStartedSpeakingFrame,
)
from .deadline import has_come, until
from .strategy import (
    NO_WAIT,
    Prompt,
    Send,
    StopTurn,
    StrategyDecision,
    TurnClosed,
    TurnFacts,
    TurnOpened,
    UserTurnStopStrategy,
    Wait,
    Waited,
)

__all__ = [
    "AnswerBegan",
    "ExternalCompletionUserTurnStopStrategy",
    "LLMTurnCompletionUserTurnStopStrategy",
    "UserTurnCompletionConfig",
]


@attrs.frozen
class ExternalCompletionUserTurnStopStrategy(UserTurnStopStrategy[None]):
    """A turn is over when a `UserTurnInferenceCompletedFrame` says that it was complete in meaning."""

    def begin(self) -> None:
        return None

    def step(
        self, state: None, event: object, now: float, facts: TurnFacts
    ) -> tuple[None, tuple[StrategyDecision, ...]]:
        if isinstance(event, UserTurnInferenceCompletedFrame):
            return state, (StopTurn(triggers_inference=False),)
        return state, ()


@attrs.frozen
class AnswerBegan:
    """The model's next response has begun. The turn is shown this where it learns of it."""


INSTRUCTIONS = """\
Begin every answer with one mark, and with nothing before it.
● when what the user has said is a whole thought: then a space, and your answer.
◐ when the user has stopped in the middle of a sentence and will go on at once: write the mark alone.
○ when the user needs time to think, or has asked for it: write the mark alone.
When you call a function the user's thought was whole, and no mark is needed."""

SHORT_PROMPT = (
    "The user stopped in the middle of a thought and hasn't gone on. Help them on in one short sentence, after ●."
)
LONG_PROMPT = (
    "The user wanted time to think and has been silent since. Ask gently whether they are still there, after ●."
)


@attrs.frozen
class UserTurnCompletionConfig:
    """What the model is told about marks, and how long a user who isn't done may be silent."""

    instructions: str = INSTRUCTIONS
    """What every language model is told. It has to teach the marks ●, ◐ and ○."""
    incomplete_short_timeout: float = attrs.field(default=5.0, converter=float, validator=attrs.validators.gt(0))
    """Seconds after ◐."""
    incomplete_long_timeout: float = attrs.field(default=10.0, converter=float, validator=attrs.validators.gt(0))
    """Seconds after ○."""
    incomplete_short_prompt: str = SHORT_PROMPT
    """What the model is asked for when those seconds are over."""
    incomplete_long_prompt: str = LONG_PROMPT


@attrs.frozen
class Patience:
    """How long the user is waited for, and what comes then."""

    due: float | None = None
    prompt: str = ""


@attrs.frozen
class LLMTurnCompletionUserTurnStopStrategy(UserTurnStopStrategy[Patience]):
    """The language model says by a mark before its answer whether the turn was complete. What it calls incomplete isn't
    answered: the turn stays open, and the model is asked to help on when the user stays silent. `TurnMarks`, behind the
    model, reads the marks.

    At the start every language model of the session, active or not, is told of the marks by an `LLMUpdateSettingsFrame`
    with the settings `filter_incomplete_user_turns` (True) and `user_turn_completion_instructions`.
    """

    config: UserTurnCompletionConfig = attrs.field(factory=UserTurnCompletionConfig)

    def begin(self) -> Patience:
        return Patience()

    def step(
        self, state: Patience, event: object, now: float, facts: TurnFacts
    ) -> tuple[Patience, tuple[StrategyDecision, ...]]:
        match event:
            case UserTurnInferenceCompletedFrame():
                return Patience(), (NO_WAIT, StopTurn(triggers_inference=False))
            case LLMMarkerResponseFrame(kind="incomplete_short" | "incomplete_long" as kind) if facts.is_open:
                return (state, ()) if facts.is_speaking else self._waiting(state, kind, now)
            case VADUserStartedSpeakingFrame() | InterruptionFrame() | AnswerBegan() | TurnOpened() | TurnClosed():
                return Patience(), (NO_WAIT,)
            case Waited() if state.due is not None:
                if has_come(state.due, now):
                    return Patience(), (Prompt(state.prompt),)
                return state, (Wait(until(state.due, now)),)
            case StartFrame():
                return state, (Send(Down(self._settings())),)
            case _:
                return state, ()

    def holds_watchdog(self, state: Patience) -> bool:
        return state.due is not None

    def _waiting(self, state: Patience, kind: str, now: float) -> tuple[Patience, tuple[StrategyDecision, ...]]:
        config = self.config
        seconds, prompt = config.incomplete_long_timeout, config.incomplete_long_prompt
        if kind == "incomplete_short":
            seconds, prompt = config.incomplete_short_timeout, config.incomplete_short_prompt
        return Patience(now + seconds, prompt), (Wait(seconds),)

    def _settings(self) -> LLMUpdateSettingsFrame:
        settings = {
            "filter_incomplete_user_turns": True,
            "user_turn_completion_instructions": self.config.instructions,
        }
        return LLMUpdateSettingsFrame(settings=settings, reach_inactive_services=True)

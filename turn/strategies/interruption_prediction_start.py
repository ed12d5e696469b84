"""A turn begins when a model hears that the user means to take it."""

from __future__ import annotations

import attrs

from ...channels import (
    BotStoppedSpeakingFrame,
    InputAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from ..voice_analyzer import VoiceAnalyzer, VoiceJudge
from .strategy import HideFromRest, StartTurn, StrategyDecision, TurnFacts, UserTurnStartStrategy

__all__ = ["InterruptionPredictionUserTurnStartStrategy"]


@attrs.frozen
class Listening:
    """The sound since a voice armed the model."""

    is_armed: bool = False
    sample_rate: int = 0
    rest: bytes = attrs.field(default=b"", repr=False)
    """What is short of a window."""
    heard: tuple[bytes, ...] = attrs.field(default=(), repr=False)
    judge: VoiceJudge | None = attrs.field(default=None, eq=False, repr=False)
    """Good for as long as it has heard just what the state says."""


@attrs.frozen
class InterruptionPredictionUserTurnStartStrategy(UserTurnStartStrategy[Listening]):
    """A voice arms the model; the first window of sound that it scores high enough begins a turn. Below, the sound begins
    none: a strategy behind this one may still do so.
    """

    predictor: VoiceAnalyzer
    """Its confidence is how likely this voice means to interrupt, 0 to 1."""
    threshold: float = attrs.field(
        default=0.5, validator=attrs.validators.and_(attrs.validators.ge(0), attrs.validators.le(1))
    )
    """The score from which on a turn begins, inclusive."""

    @property
    def looks_at_voice(self) -> bool:
        return True

    def begin(self) -> Listening:
        return Listening()

    def step(
        self, state: Listening, event: object, now: float, facts: TurnFacts
    ) -> tuple[Listening, tuple[StrategyDecision, ...]]:
        match event:
            case VADUserStartedSpeakingFrame():
                return Listening(is_armed=True), ()
            case VADUserStoppedSpeakingFrame() | BotStoppedSpeakingFrame():
                return Listening(), ()
            case InputAudioRawFrame() if state.is_armed:
                return self._score(state, event)
            case _:
                return state, ()

    def _score(self, state: Listening, frame: InputAudioRawFrame) -> tuple[Listening, tuple[StrategyDecision, ...]]:
        if frame.sample_rate != state.sample_rate:
            state = Listening(is_armed=True, sample_rate=frame.sample_rate)
        judge = state.judge
        if judge is None or judge.heard != state.heard:
            judge = self.predictor.open(state.sample_rate, state.heard)
        size = 2 * self.predictor.window_samples(state.sample_rate)
        sound = state.rest + frame.audio
        whole = len(sound) - len(sound) % size
        for start in range(0, whole, size):
            if judge.judge(sound[start : start + size]) >= self.threshold:
                return Listening(), (StartTurn(), HideFromRest())
        return Listening(True, state.sample_rate, sound[whole:], judge.heard, judge), ()

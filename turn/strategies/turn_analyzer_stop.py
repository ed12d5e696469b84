"""A turn is over when an analyser of the sound says so, and its words are there.

The verdict may come where the user falls silent, or later; the deadline for the transcript counts from where speech ended,
however long the analysis took.
"""

from __future__ import annotations

from typing import Any

import attrs

from ...actors import Both
from ...channels import (
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    MetricsFrame,
    SpeechControlParamsFrame,
    StartFrame,
    TranscriptionFrame,
    TurnMetricsData,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from ..turn_analyzer import TurnAnalyzer, TurnJudge, TurnVerdict
from .deadline import has_come, silence_began, until
from .strategy import (
    NO_WAIT,
    Send,
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

__all__ = ["TurnAnalyzerUserTurnStopStrategy"]


@attrs.frozen
class Analysis:
    """What the analyser has said of the turn, and what was transcribed of it."""

    has_text: bool = False
    is_final: bool = False
    is_complete: bool = False
    has_stopped: bool = False
    """Voice activity stopped in this turn."""
    due: float | None = None
    """When the transcript of the last speech is no longer waited for."""
    sample_rate: int = 16000
    """Hz, of the sound that came last, or will come first."""
    heard: tuple[bytes, ...] = attrs.field(default=(), repr=False)
    judge: TurnJudge | None = attrs.field(default=None, eq=False, repr=False)
    """Good for as long as it has heard just what the state says."""

    def without_turn(self, **sound: Any) -> Analysis:
        """As at the beginning of a turn; the sound stays, unless it is given."""
        return attrs.evolve(
            self, has_text=False, is_final=False, is_complete=False, has_stopped=False, due=None, **sound
        )


@attrs.frozen
class TurnAnalyzerUserTurnStopStrategy(UserTurnStopStrategy[Analysis]):
    """A turn is over when the analyser calls it complete and its transcript is final, or has had its time."""

    turn_analyzer: TurnAnalyzer
    wait_for_transcript: bool = True
    """Whether a turn without a transcript goes on."""

    @property
    def looks_at_voice(self) -> bool:
        return True

    def begin(self) -> Analysis:
        return Analysis()

    def step(
        self, state: Analysis, event: object, now: float, facts: TurnFacts
    ) -> tuple[Analysis, tuple[StrategyDecision, ...]]:
        match event:
            case InputAudioRawFrame():
                return self._hear(state, event, now, facts)
            case VADUserStartedSpeakingFrame():
                return attrs.evolve(state, is_complete=False, is_final=False, due=None), (NO_WAIT,)
            case VADUserStoppedSpeakingFrame():
                return self._judge(state, event, now, facts)
            case TranscriptionFrame() if event.text.strip():
                return self._look(self._with_text(state, event, now, facts), now, facts)
            case InterimTranscriptionFrame() if event.text.strip() and state.is_final:
                return self._look(attrs.evolve(state, is_final=False), now, facts)
            case TurnTriggered():
                return attrs.evolve(state, has_text=False, is_final=False), ()
            case TurnOpened():
                return state.without_turn(), (NO_WAIT,)
            case TurnClosed():
                return self._forget(state), (NO_WAIT,)
            case Waited():
                return self._look(state, now, facts)
            case StartFrame():
                told = Send(Both(SpeechControlParamsFrame(turn_params=self.turn_analyzer.params)))
                return attrs.evolve(state, sample_rate=event.audio_in_sample_rate), (told,)
            case _:
                return state, ()

    def _hear(
        self, state: Analysis, frame: InputAudioRawFrame, now: float, facts: TurnFacts
    ) -> tuple[Analysis, tuple[StrategyDecision, ...]]:
        if frame.sample_rate != state.sample_rate:
            state = attrs.evolve(state, sample_rate=frame.sample_rate, heard=(), judge=None)
        judge = self._judge_of(state)
        verdict = judge.hear(frame.audio, facts.has_voice)
        if judge is not state.judge or judge.heard is not state.heard:
            state = attrs.evolve(state, heard=judge.heard, judge=judge)
        if verdict is None:
            return state, ()
        return self._take(state, verdict, now, facts)

    def _judge(
        self, state: Analysis, frame: VADUserStoppedSpeakingFrame, now: float, facts: TurnFacts
    ) -> tuple[Analysis, tuple[StrategyDecision, ...]]:
        due = silence_began(frame, now) - frame.stop_secs + facts.ttfs_p99_latency
        judge = self._judge_of(state)
        verdict = judge.judge()
        state = attrs.evolve(state, has_stopped=True, due=due, heard=judge.heard, judge=judge)
        return self._take(state, verdict, now, facts)

    def _take(
        self, state: Analysis, verdict: TurnVerdict, now: float, facts: TurnFacts
    ) -> tuple[Analysis, tuple[StrategyDecision, ...]]:
        due = state.due
        if due is None:  # judged in the midst of sound: the transcript's time begins here
            due = now + max(0.0, facts.ttfs_p99_latency - facts.stop_secs)
        state = attrs.evolve(state, is_complete=verdict.is_complete, due=due)
        state, decisions = self._look(state, now, facts)
        return state, (Send(self._measured(verdict)), *decisions)

    def _with_text(self, state: Analysis, frame: TranscriptionFrame, now: float, facts: TurnFacts) -> Analysis:
        if state.has_stopped or facts.has_voice:
            return attrs.evolve(state, has_text=True, is_final=state.is_final or frame.finalized)
        # Nobody heard a voice, so nobody can judge it: the words count as complete once no more have come for a while.
        due = now + max(0.0, facts.ttfs_p99_latency - facts.stop_secs)
        return attrs.evolve(state, has_text=True, is_complete=True, due=due)

    def _look(self, state: Analysis, now: float, facts: TurnFacts) -> tuple[Analysis, tuple[StrategyDecision, ...]]:
        """Stop if it is time, or say when to look again."""
        if not state.is_complete or state.due is None or facts.is_speaking or not facts.is_open:
            return state, ()
        if not self.wait_for_transcript:
            return state, (StopTurn(),)
        if not state.has_text:
            return state, ()
        if state.is_final or has_come(state.due, now):
            return state, (StopTurn(),)
        return state, (Wait(until(state.due, now)),)

    def _forget(self, state: Analysis) -> Analysis:
        if state.judge is None and not state.heard:
            return state.without_turn()
        judge = self._judge_of(state)
        judge.clear()
        return state.without_turn(heard=judge.heard, judge=judge)

    def _judge_of(self, state: Analysis) -> TurnJudge:
        judge = state.judge
        if judge is not None and (judge.heard is state.heard or judge.heard == state.heard):
            return judge
        return self.turn_analyzer.open(state.sample_rate, state.heard)

    def _measured(self, verdict: TurnVerdict) -> MetricsFrame:
        measured = TurnMetricsData(
            type(self.turn_analyzer).__name__, verdict.is_complete, verdict.probability, 1000 * verdict.seconds
        )
        return MetricsFrame((measured,))

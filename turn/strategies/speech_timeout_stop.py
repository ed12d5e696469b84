"""A turn is over when the user has been silent for long enough, and the transcript has had its time.

Two waits begin where the user falls silent: for more speech, and for the words of the last. Both are deadlines in the
state, so the timer only says when to look.
"""

from __future__ import annotations

import attrs

from ...channels import (
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from .deadline import has_come, silence_began, until
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

__all__ = ["SpeechTimeoutUserTurnStopStrategy"]


@attrs.frozen
class Silence:
    """What is known of the pause since the user was last heard."""

    has_text: bool = False
    """Something of this turn was transcribed that isn't answered yet."""
    is_final: bool = False
    """The transcriber said that nothing more will come, and nothing has."""
    has_stopped: bool = False
    """Voice activity stopped in this turn."""
    speech_due: float | None = None
    """When more speech is no longer waited for; None while nothing is waited for."""
    transcript_due: float | None = None


@attrs.frozen
class SpeechTimeoutUserTurnStopStrategy(UserTurnStopStrategy[Silence]):
    """A turn is over after a silence of fixed length, once its transcript is there or has had its time."""

    user_speech_timeout: float = attrs.field(default=0.6, converter=float, validator=attrs.validators.ge(0))
    """Seconds of silence, counted from where voice activity stopped."""
    wait_for_transcript: bool = True
    """Whether a turn without a transcript goes on."""

    @property
    def looks_at_voice(self) -> bool:
        return True

    def begin(self) -> Silence:
        return Silence()

    def step(
        self, state: Silence, event: object, now: float, facts: TurnFacts
    ) -> tuple[Silence, tuple[StrategyDecision, ...]]:
        match event:
            case TurnOpened() | TurnClosed():
                return Silence(), (NO_WAIT,)
            case VADUserStartedSpeakingFrame():
                return Silence(has_text=state.has_text, has_stopped=state.has_stopped), (NO_WAIT,)
            case VADUserStoppedSpeakingFrame():
                began = silence_began(event, now)
                latency = max(0.0, facts.ttfs_p99_latency - event.stop_secs)
                heard = attrs.evolve(
                    state,
                    has_stopped=True,
                    speech_due=began + self.user_speech_timeout,
                    transcript_due=began + latency,
                )
                return self._look(heard, now, facts)
            case TranscriptionFrame() if event.text.strip():
                return self._look(self._with_text(state, event, now, facts), now, facts)
            case InterimTranscriptionFrame() if event.text.strip() and state.is_final:
                return self._look(attrs.evolve(state, is_final=False), now, facts)
            case TurnTriggered():
                return attrs.evolve(state, has_text=False, is_final=False), ()
            case Waited():
                return self._look(state, now, facts)
            case _:
                return state, ()

    def _with_text(self, state: Silence, frame: TranscriptionFrame, now: float, facts: TurnFacts) -> Silence:
        if state.has_stopped or facts.has_voice:
            return attrs.evolve(state, has_text=True, is_final=state.is_final or frame.finalized)
        # Nobody heard a voice, so the words themselves are the speech that must pause.
        return attrs.evolve(state, has_text=True, speech_due=now + self.user_speech_timeout, transcript_due=now)

    def _look(self, state: Silence, now: float, facts: TurnFacts) -> tuple[Silence, tuple[StrategyDecision, ...]]:
        """Stop if it is time, or say when to look again."""
        if state.speech_due is None or state.transcript_due is None or facts.is_speaking or not facts.is_open:
            return state, ()
        if self.wait_for_transcript and not state.has_text:
            return state, ()
        due = state.speech_due if state.is_final else max(state.speech_due, state.transcript_due)
        if has_come(due, now):
            return state, (StopTurn(),)
        return state, (Wait(until(due, now)),)

"""The user's turns, decided once for several pairs behind it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import ClassVar

import attrs

from ..actors import Actor, After, Both, Down, Effect, Fire, Interrupt, actor, durable, on
from ..channels import (
    CancelFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ExternalTurns,
    Frame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    ServiceMetadataFrame,
    StartFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from .events import UserBackchannelMessage
from .strategies import Event, Prompt, Send, UserTurnStrategies
from .turn_decisions import (
    Backchannel,
    Evidence,
    FalseInterruption,
    InferenceTriggered,
    Rejected,
    Timer,
    TurnDecision,
    TurnStarted,
    TurnStopped,
    TurnTimer,
    Warn,
)
from .user_turn import UserTurn, UserTurnConfig

__all__ = ["UserTurns"]

log = logging.getLogger("antiphon")


@actor
class UserTurns(Actor):
    """Decides when the user's turns begin and end, announces that, and interrupts. It keeps no context: pairs behind it,
    with `ExternalUserTurnStrategies`, adopt what it announces. Put it behind transcription.

    What the strategies reject, and what is only a backchannel, isn't passed on. Events: `on_user_turn_started(strategy)`,
    `on_user_turn_inference_triggered(strategy)`, `on_user_turn_stopped(strategy)`, `on_user_turn_stop_timeout()`,
    `on_false_interruption()`, `on_user_speech_rejected(text, strategy)`, `on_user_backchannel(message)`,
    and those of strategies.
    """

    events: ClassVar[tuple[str, ...]] = (
        "on_user_turn_started",
        "on_user_turn_inference_triggered",
        "on_user_turn_stopped",
        "on_user_turn_stop_timeout",
        "on_false_interruption",
        "on_user_speech_rejected",
        "on_user_backchannel",
        "on_wake_phrase_detected",
        "on_wake_phrase_timeout",
    )

    config: UserTurnConfig = attrs.field(factory=UserTurnConfig)

    current: UserTurn | None = durable(None)

    @property
    def turn(self) -> UserTurn:
        """As it is now."""
        return self.current if self.current is not None else UserTurn.begin(self.config)

    @on(StartFrame, EndFrame, CancelFrame, InterruptionFrame, TurnTimer)
    def note(self, event: Frame | TurnTimer) -> Iterator[Effect]:
        for decision in self._step(event):
            yield from self._do(decision)

    @on(EmulateUserStartedSpeakingFrame, EmulateUserStoppedSpeakingFrame)
    def take(self, frame: Frame) -> Iterator[Effect]:
        yield from self.note(frame)

    @on(Frame)
    def look(self, frame: Frame) -> Frame | Iterable[Effect]:
        passes_on = not self.turn.resolves(frame)
        decisions = self._step(frame)
        if not decisions and passes_on:
            return frame
        if any(isinstance(each, Backchannel) for each in decisions):
            passes_on = False
        if isinstance(frame, TranscriptionFrame) and any(isinstance(each, Rejected) for each in decisions):
            passes_on = False
        return self._answer(frame if passes_on else None, decisions)

    @on(ServiceMetadataFrame)
    def adopt(self, frame: ServiceMetadataFrame) -> Iterator[Effect]:
        yield frame
        decisions = self._step(frame)
        if isinstance(frame.user_turn_strategies, (UserTurnStrategies, ExternalTurns)):
            self.current, more = self.turn.with_recommended(frame.user_turn_strategies, self.now)
            decisions += more
        for decision in decisions:
            yield from self._do(decision)

    @on(UserBackchannelFrame)
    def hear_backchannel(self, frame: UserBackchannelFrame) -> Iterator[Effect]:
        yield self._backchannel(frame.text, frame.timestamp, frame.user_id)
        yield frame
        yield from self.note(frame)

    def _step(self, event: object) -> tuple[TurnDecision, ...]:
        self.current, decisions = self.turn.step(event, self.now)
        return decisions

    def _answer(self, frame: Frame | None, decisions: tuple[TurnDecision, ...]) -> Iterator[Effect]:
        """A turn begins before the words that began it, and ends behind those that ended it."""
        early = (TurnStarted, Evidence)
        for decision in decisions:
            if isinstance(decision, early):
                yield from self._do(decision)
        if frame is not None:
            yield frame
        for decision in decisions:
            if not isinstance(decision, early):
                yield from self._do(decision)

    def _do(self, decision: TurnDecision) -> Iterator[Effect]:
        match decision:
            case TurnStarted(strategy=strategy, interrupt=interrupt, announce=announce):
                if announce:
                    yield Both(UserStartedSpeakingFrame())
                if interrupt != "none":
                    yield Interrupt() if interrupt == "now" else Both(OutputPauseFrame())
                yield Fire("on_user_turn_started", strategy)
            case TurnStopped(strategy=strategy, announce=announce, triggers_inference=triggers):
                if announce:
                    yield Both(UserStoppedSpeakingFrame())
                if triggers and strategy is not None:
                    yield Fire("on_user_turn_inference_triggered", strategy)
                yield Fire("on_user_turn_stopped", strategy)
            case InferenceTriggered(strategy=strategy):
                yield Fire("on_user_turn_inference_triggered", strategy)
            case Evidence():
                yield Interrupt()
            case FalseInterruption():
                yield Fire("on_false_interruption")
                yield Both(OutputResumeFrame())
            case Rejected(strategy=strategy, text=text):
                yield Fire("on_user_speech_rejected", text, strategy)
            case Backchannel(text=text, timestamp=timestamp, user_id=user_id):
                yield Down(UserBackchannelFrame(text, user_id, timestamp))
                yield self._backchannel(text, timestamp, user_id)
            case Prompt(text=text):
                yield Down(LLMMessagesAppendFrame(({"role": "developer", "content": text},), run_llm=True))
            case Timer(seconds=seconds, message=message):
                yield After(seconds, message)
            case Event(name=name, payload=payload):
                yield Fire(name, *payload)
            case Send(effect=effect):
                yield effect
            case Warn(text=text):
                log.warning("%s: %s", self.address, text)

    def _backchannel(self, text: str, timestamp: str | None, user_id: str) -> Fire:
        return Fire("on_user_backchannel", UserBackchannelMessage(text, timestamp or self.timestamp, user_id))

"""Whose turn it is: what the turn decides is carried out here, in its order, and what the user says in it finds its place.

1. Whether and when something is written is the policy's; in which order, the context owner's.
2. What is told of a turn comes before what follows from it: the edge, then the interruption or the message, then the event.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator

import attrs

from ..actors import After, Both, Down, Effect, Interrupt, actor, durable, on
from ..channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    UserBackchannelFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from .empty_turn import recovery_prompt
from .events import UserBackchannelMessage
from .idle import IdleTimer, IdleWait, NothingToAnswer, UserIdle
from .joining import join
from .mode_keeper import ModeKeeper
from .mute import UserMute
from .pair_params import LLMUserAggregatorParams
from .slots import Act, Step, StoppedDue
from .strategies import AnswerBegan, Event, Prompt, Send
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

__all__: list[str] = []

log = logging.getLogger("antiphon")


@actor
class TurnKeeper(ModeKeeper):
    """Keeps the user's turn, and does what it decides."""

    params: LLMUserAggregatorParams = attrs.field(factory=LLMUserAggregatorParams, kw_only=True)

    turn: UserTurn | None = durable(None)
    mute: UserMute | None = durable(None)
    idle: UserIdle | None = durable(None)
    turn_timestamp: str = durable("")
    """When the user's turn began, ISO 8601."""
    user_id: str = durable("")
    bot_is_speaking: bool = durable(False)
    bot_has_spoken: bool = durable(False)
    """It has spoken to an end at least once."""
    is_paused: bool = durable(False)
    """The bot is held, until it is known whether the user has said anything."""
    calls: frozenset[str] = durable(frozenset())
    """Calls that aren't settled."""
    bot_waited: bool = durable(False)
    """When the user's turn began, the bot was waiting for it."""
    recoveries: int = durable(0)
    """Turns without words in a row that were answered by going on."""

    def begin_turns(self) -> None:
        """The session begins."""
        self.mute = UserMute.begin(self.params.user_mute_strategies)
        self.idle = UserIdle(self.params.user_idle_timeout)
        self.turn = UserTurn.begin(self.turn_config())

    def turn_config(self) -> UserTurnConfig:
        """What the application has chosen, as far as the mode lets it."""
        params = self.params
        return UserTurnConfig(
            params.user_turn_strategies,
            user_turn_stop_timeout=params.user_turn_stop_timeout,
            # A realtime service hears and answers by itself: there is nobody to hold back.
            false_interruption_timeout=None if self.writes_as_realtime() else params.false_interruption_timeout,
            backchannels=params.backchannels,
            allow_interruptions=params.allow_interruptions,
        )

    # ---- what the context owner asks

    def user_speaks(self) -> bool:
        return self.turn is not None and self.turn.is_open

    def somebody_speaks(self) -> bool:
        return self.bot_is_speaking or self.is_paused or self.user_speaks()

    def has_function_calls_in_progress(self) -> bool:
        return bool(self.calls)

    def switch(self) -> Iterator[Effect]:
        """Nobody is in the middle of a turn any more: change the mode, if that was waited for."""
        yield from ()

    # ---- what happens is shown

    def is_muted(self, frame: Frame) -> Generator[Effect, None, bool]:
        """Whether it must not be heard; what muting begins or ends is told on the way."""
        assert self.mute is not None
        if not self.mute.strategies:
            return False
        self.mute, verdict = self.mute.step(frame, self.now)
        if verdict.owed is not None:
            yield Both(verdict.owed)
            yield from self.consider(verdict.owed)
        if verdict.edge is not None:
            yield self.fire(f"on_user_mute_{verdict.edge}")
            edge = UserMuteStartedFrame() if verdict.edge == "started" else UserMuteStoppedFrame()
            yield Both(edge)
            yield from self.show_turn(edge)
            if verdict.edge == "started":
                self.forget_voice()
        return verdict.is_suppressed

    def forget_voice(self) -> None:
        """Muting begins; the stop of a voice that was heard has been told."""

    def consider(self, frame: Frame) -> Iterator[Effect]:
        """What follows from a frame, beside its going on."""
        self.note(frame)
        yield from self.show_turn(frame)
        yield from self.show_idle(frame)
        if isinstance(frame, BotStoppedSpeakingFrame):
            yield from self.pay_run()

    def note(self, frame: Frame) -> None:
        """What the half itself must know of it."""
        match frame:
            case BotStartedSpeakingFrame():
                self.bot_is_speaking = True
            case BotStoppedSpeakingFrame():
                self.bot_is_speaking, self.bot_has_spoken = False, True
            case FunctionCallsStartedFrame():
                self.calls |= {call.tool_call_id for call in frame.function_calls}
            case FunctionCallCancelFrame():
                self.calls -= {frame.tool_call_id}
            case FunctionCallResultFrame() if frame.properties is None or frame.properties.is_final:
                self.calls -= {frame.tool_call_id}
            case _:
                pass

    def show_turn(self, event: Frame | TurnTimer | AnswerBegan) -> Iterator[Effect]:
        """Show the turn what happened, and do what it decides."""
        if self.turn is not None and not self.has_ended:
            turn, decisions = self.turn.step(event, self.now)
            if turn is not self.turn:
                self.turn = turn
            if decisions:
                yield from self.carry_out(decisions)

    def show_idle(self, event: object) -> Iterator[Effect]:
        """Show it to who watches whether the user has fallen silent."""
        assert self.idle is not None
        idle, decisions = self.idle.step(event, self.now)
        if idle is not self.idle:
            self.idle = idle
        for decision in decisions:
            if isinstance(decision, IdleWait):
                yield After(decision.seconds, decision.message)
            else:
                yield self.fire(decision.name, *decision.payload)

    @on(TurnTimer)
    def wait_is_over(self, message: TurnTimer) -> Iterator[Effect]:
        yield from self.show_turn(message)

    @on(IdleTimer)
    def idle_is_over(self, message: IdleTimer) -> Iterator[Effect]:
        if not self.has_ended:
            yield from self.show_idle(message)

    @on(InterruptionFrame)
    def await_flush(self, frame: InterruptionFrame) -> Iterator[Effect]:
        assert self.turn is not None
        self.is_paused = False
        self.user_goes_on()
        yield from self.interruption_begins(self.epoch, by_user=self.turn.is_open)
        yield from self.show_turn(frame)
        yield from self.show_idle(frame)

    # ---- what the turn decides is done

    def carry_out(self, decisions: Iterable[TurnDecision]) -> Iterator[Effect]:
        """In their order."""
        for decision in decisions:
            match decision:
                case Timer():
                    yield After(decision.seconds, decision.message)
                case TurnStarted():
                    yield from self._start_turn(decision)
                case TurnStopped():
                    yield from self._stop_turn(decision)
                case InferenceTriggered():
                    yield from self.let_wait(self.stamped(self.policy().triggered(self.slots, decision.strategy)))
                case Rejected():
                    yield from self._reject(decision.strategy)
                case Evidence():
                    self.is_paused = False
                    yield from self.cut_off()
                case FalseInterruption():
                    self.is_paused = False
                    yield Down(OutputResumeFrame())
                    yield from self.show_idle(OutputResumeFrame())
                    yield self.fire("on_false_interruption")
                    yield from self.pay_run()
                case Backchannel():
                    yield Down(UserBackchannelFrame(decision.text, decision.user_id, decision.timestamp))
                    yield self.fire_backchannel(decision.text, decision.timestamp, decision.user_id)
                case Prompt():
                    yield from self.prompt(decision.text, "incomplete turn")
                case Send():
                    yield decision.effect
                case Event():
                    yield self.fire(decision.name, *decision.payload)
                case Warn():
                    log.warning("%s: %s", self.address, decision.text)

    def _start_turn(self, started: TurnStarted) -> Iterator[Effect]:
        self.exchange += 1
        self.turn_timestamp = self.timestamp
        if self.slots.segments:
            self.slots = attrs.evolve(self.slots, segments=())
        self.user_goes_on()
        thinks = self.latest_run.is_live or self.slots.open is not None or self.holds_run
        self.bot_waited = self.bot_has_spoken and not (self.bot_is_speaking or thinks or self.calls)
        edge = UserStartedSpeakingFrame()
        if started.announce:
            yield Both(edge)
        yield from self.show_idle(edge)
        if started.interrupt == "now":
            yield from self.cut_off()
        elif started.interrupt == "hold":
            self.is_paused = True
            pause = OutputPauseFrame()
            yield Down(pause)
            yield from self.show_idle(pause)
        yield self.fire("on_user_turn_started", started.strategy)

    def cut_off(self) -> Iterator[Effect]:
        """The user interrupts."""
        yield from self.interruption_begins(self.epoch + 1, by_user=True)
        yield Interrupt()

    def _stop_turn(self, stopped: TurnStopped) -> Iterator[Effect]:
        edge = UserStoppedSpeakingFrame()
        if stopped.announce:
            yield Both(edge)
        yield from self.show_idle(edge)
        if stopped.triggers_inference and stopped.strategy is not None:
            yield self.fire("on_user_turn_inference_triggered", stopped.strategy)
        gathered = self.slots.gathered
        has_text = bool(gathered or self.slots.segments)
        if stopped.is_false:
            # What was said before this turn isn't of it, and stays gathered.
            has_text, self.slots = False, attrs.evolve(self.slots, gathered=())
        acts = self.stamped(self.policy().stopped(self.slots, stopped.strategy))
        if stopped.is_false:
            self.slots = attrs.evolve(self.slots, gathered=gathered)
        yield from self.let_wait(acts)
        if has_text:
            self.recoveries = 0
        else:
            yield from self._recover(stopped)
        yield from self.pay_run()
        yield from self.switch()

    def _recover(self, stopped: TurnStopped) -> Iterator[Effect]:
        """A cough must not leave the bot mute: a turn without words that cut it off is answered by going on."""
        assert self.mute is not None and self.turn is not None
        prompt = recovery_prompt(
            self.params.empty_user_turn,
            has_cut=self.turn.may_interrupt and not self.bot_waited,
            recoveries=self.recoveries,
            is_muted=self.mute.is_muted,
            has_calls=bool(self.calls),
            owes_run=self.owes_run,
            is_false=stopped.is_false,
            is_realtime=self.writes_as_realtime(),
        )
        if prompt is not None:
            self.recoveries += 1
            yield from self.prompt(prompt, "empty turn")
        else:
            yield from self.show_idle(NothingToAnswer())

    def _reject(self, strategy: str) -> Iterator[Effect]:
        text = join(heard.part for heard in self.slots.gathered)
        self.slots = attrs.evolve(self.slots, gathered=())
        if text:
            yield self.fire("on_user_speech_rejected", text, strategy)

    def fire_backchannel(self, text: str, timestamp: str | None, user_id: str) -> Effect:
        """It was heard that the user listens."""
        told = UserBackchannelMessage(text, timestamp or self.timestamp, user_id)
        return self.fire("on_user_backchannel", told)

    def user_goes_on(self) -> None:
        """What is heard from now on doesn't belong to what the open answer answers."""
        if self.slots.open is not None and not self.slots.open.user_has_gone_on:
            self.slots = attrs.evolve(self.slots, open=attrs.evolve(self.slots.open, user_has_gone_on=True))

    def stamped(self, step: Step) -> tuple[Act, ...]:
        """Take a policy's step; what it tells of a turn is of the present one."""
        slots, acts = step
        if slots is not self.slots:
            self.slots = slots
        return tuple(
            [
                attrs.evolve(act, timestamp=self.turn_timestamp or self.timestamp, user_id=self.user_id)
                if isinstance(act, StoppedDue)
                else act
                for act in acts
            ]
        )

"""The user's turn: when it begins, when it is over, and whether what began it was worth cutting the bot off.

1. A turn is a frozen value, kept in one `durable` field. A step takes what happened and the time, and gives the next value and
   decisions, in the order in which they are to be done. It reads no clock and sends nothing.
2. Strategies say when; only this file opens and closes. So turns begin and end alternately, whatever strategies do.
3. Times are deadlines in the value; a timer only says when to look. One that comes too late, or too early, does no harm.

Who keeps a turn shows it every frame that it handles unmuted, the `UserMuteStartedFrame` that it sends, and every `TurnTimer`:

    self.turn, decisions = self.turn.step(frame, self.now)

A final transcript is gathered before the decisions are done, unless one of them is `Rejected` (then all that was gathered is
forgotten with it) or `Backchannel`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

import attrs

from ..actors import Both, Down, Effect, Immune, Up
from ..channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ExternalTurns,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    OutputResumeFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    SpeechControlParamsFrame,
    StartFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    UserMuteStartedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from .strategies import (
    Event,
    ExternalUserTurnStartStrategy,
    ExternalUserTurnStrategies,
    HideFromRest,
    Prompt,
    RejectSpeech,
    Send,
    StartTurn,
    StopTurn,
    StrategyDecision,
    TriggerInference,
    TurnClosed,
    TurnFacts,
    TurnOpened,
    TurnTriggered,
    UserTurnStartStrategy,
    UserTurnStopStrategy,
    UserTurnStrategies,
    UserTurnStrategy,
    Wait,
    Waited,
)
from .strategies.deadline import has_come, until
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
from .words import is_made_of

__all__ = ["UserTurn", "UserTurnConfig"]

BACKCHANNELS = ("mhm", "mm", "mm-hmm", "hmm", "uh-huh", "aha")

USUAL_STOP_SECS = 0.2
"""Seconds of silence that announced latencies were measured with."""

SPEAKS: Mapping[type, bool] = {
    VADUserStartedSpeakingFrame: True,
    UserStartedSpeakingFrame: True,
    ProposedUserStartedSpeakingFrame: True,
    EmulateUserStartedSpeakingFrame: True,
    VADUserStoppedSpeakingFrame: False,
    UserStoppedSpeakingFrame: False,
    ProposedUserStoppedSpeakingFrame: False,
    EmulateUserStoppedSpeakingFrame: False,
    UserMuteStartedFrame: False,
}
"""Whether the user is audible after such a frame."""

VOICE: Mapping[type, bool] = {
    VADUserStartedSpeakingFrame: True,
    VADUserStoppedSpeakingFrame: False,
    UserMuteStartedFrame: False,
}
"""Whether voice activity hears the user after such a frame."""

NOTED = (
    *SPEAKS,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterruptionFrame,
    SpeechControlParamsFrame,
    StartFrame,
    STTMetadataFrame,
)
"""What the turn itself learns from."""

EDGES = SPEAKS.keys() - {UserMuteStartedFrame}
"""What the watch-dog takes for a sign of life, beside words."""

MOST_SENT = 100
"""Frames that strategies may send in one step."""

WATCHDOG, DOUBT = TurnTimer(0, "watch-dog"), TurnTimer(0, "doubt")
"""The turn's own timers."""


Edge = TypeVar("Edge", StartTurn, StopTurn)


def _words(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(words)


@attrs.frozen
class UserTurnConfig:
    """What an application chooses of the user's turns."""

    strategies: UserTurnStrategies | None = None
    """None: the default, or what a service recommends."""
    user_turn_stop_timeout: float = attrs.field(default=5.0, converter=float, validator=attrs.validators.gt(0))
    """Seconds without a sign of the user after which an open turn is ended."""
    false_interruption_timeout: float | None = attrs.field(default=2.0)
    """Seconds without words after which a pause of the bot is taken back. None: a voice cuts the bot off at once."""
    backchannels: tuple[str, ...] = attrs.field(default=BACKCHANNELS, converter=_words)
    """What a user says who only listens, compared without case and punctuation."""
    allow_interruptions: bool = True
    """False: nobody is ever cut off."""

    @false_interruption_timeout.validator
    def _check(self, field: attrs.Attribute[float | None], seconds: float | None) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"{field.name}={seconds!r}: give seconds greater than 0, or None to turn it off.")


@attrs.frozen
class _Slot:
    """A strategy in force, and what it knows."""

    key: int
    strategy: UserTurnStrategy[Any]
    state: Any
    """Of the type that the strategy says; only the strategy looks into it."""


@attrs.frozen
class UserTurn:
    """All that is known of the user's turn. Made by `begin`."""

    config: UserTurnConfig
    strategies: UserTurnStrategies
    """Those in force."""
    is_chosen: bool
    """Whether the application chose them; then no service's recommendation replaces them."""
    slots: tuple[_Slot, ...] = attrs.field(default=(), repr=False)
    next_key: int = 1
    armed: frozenset[TurnTimer] = frozenset()

    facts: TurnFacts = attrs.field(factory=TurnFacts)
    """What strategies are told: open or closed, who speaks, how long a transcript takes."""
    may_interrupt: bool = False
    """Whether the turn that is open, or was last, began with the right to cut the bot off."""
    is_held: bool = False
    """Whether the bot is paused and it isn't decided yet whether it is cut off."""
    has_text: bool = False
    """Something was said that isn't written yet."""
    has_words: bool = False
    """Something was said in this turn."""
    ends_with_words: bool = False
    """An emulated stop has overtaken the words that it ends."""
    stop_is_told: bool = False
    """Whoever announced the turn that is open has announced its end, too; it only waits for words."""
    has_ended: bool = False
    """The session ends: no turn begins any more."""

    is_latency_checked: bool = True
    """Whether the latency was compared with the voice activity's parameters since it was announced."""
    started: StartFrame | None = None
    last_sign: float = -math.inf
    """When the watch-dog began to count anew."""
    fell_silent: float = -math.inf
    heard_backchannel: bool = False

    @classmethod
    def begin(cls, config: UserTurnConfig | None = None) -> UserTurn:
        """A session's first: closed."""
        config = config or UserTurnConfig()
        strategies = config.strategies or UserTurnStrategies()
        turn = cls(config, strategies, is_chosen=config.strategies is not None)
        return turn.with_strategies(strategies, 0.0, is_chosen=turn.is_chosen)[0]

    def step(self, event: object, now: float) -> tuple[UserTurn, tuple[TurnDecision, ...]]:
        """The turn after this frame, timer or event, and what is to be done. `now` is seconds on the session clock."""
        step = _Step(self, now)
        step.take(event)
        return step.turn, tuple(step.decisions)

    def with_strategies(
        self, strategies: UserTurnStrategies, now: float, *, is_chosen: bool = True
    ) -> tuple[UserTurn, tuple[TurnDecision, ...]]:
        """With others in force. Those that stay keep what they know; an open turn stays open."""
        step = _Step(self, now)
        step.replace(strategies, is_chosen=is_chosen)
        return step.turn, tuple(step.decisions)

    def with_recommended(
        self, recommended: UserTurnStrategies | ExternalTurns, now: float
    ) -> tuple[UserTurn, tuple[TurnDecision, ...]]:
        """With those that a service recommends in its metadata, unless the application has chosen its own."""
        strategies = (
            ExternalUserTurnStrategies(enable_interruptions=recommended.enable_interruptions)
            if isinstance(recommended, ExternalTurns)
            else recommended
        )
        if not self.is_chosen:
            return self.with_strategies(strategies, now, is_chosen=False)
        if _cuts_off(self.strategies) and _is_external(strategies) and not _cuts_off(strategies):
            return self, (Warn(OWN_INTERRUPTION),)
        return self, ()

    @property
    def is_open(self) -> bool:
        return self.facts.is_open

    @property
    def is_speaking(self) -> bool:
        """Whether the user is audible now."""
        return self.facts.is_speaking

    def resolves(self, frame: Frame) -> bool:
        """Whether a strategy decides on this proposal, so that it needn't go on."""
        return any(isinstance(frame, slot.strategy.resolves) for slot in self.slots)

    @property
    def looks_at_voice(self) -> bool:
        """Whether a strategy in force needs voice activity."""
        return any(slot.strategy.looks_at_voice for slot in self.slots)


OWN_INTERRUPTION = (
    "A service that cuts the bot off itself recommends strategies without interruptions, but yours interrupt as well: "
    "write ExternalUserTurnStrategies(enable_interruptions=False), or leave user_turn_strategies out."
)


def _is_external(strategies: UserTurnStrategies) -> bool:
    return any(isinstance(each, ExternalUserTurnStartStrategy) for each in strategies.start)


def _cuts_off(strategies: UserTurnStrategies) -> bool:
    return any(
        isinstance(each, ExternalUserTurnStartStrategy) and each.enable_interruptions for each in strategies.start
    )


@attrs.define
class _Step:
    """A step under way: the turn as it is by now, and what was decided."""

    turn: UserTurn
    """At first the one given; from the first change on, a copy of its own."""
    now: float
    decisions: list[TurnDecision] = attrs.Factory(list)
    is_sign: bool = False
    """Whether the watch-dog counts anew."""
    sent: list[Frame] = attrs.Factory(list)
    """What strategies have sent: the turn handles it, too."""
    rejection: Rejected | None = None
    has_changed: bool = False

    def take(self, event: object) -> None:
        if isinstance(event, (EndFrame, CancelFrame)):
            self._end(event)
        elif not self.turn.has_ended:
            self._take(event)
            self._take_sent()
            self._watch()

    def replace(self, strategies: UserTurnStrategies, *, is_chosen: bool) -> None:
        old = list(self.turn.slots)
        slots: list[_Slot] = []
        fresh: list[int] = []
        key = self.turn.next_key
        for strategy in (*strategies.start, *strategies.stop):
            kept = next((slot for slot in old if slot.strategy == strategy), None)
            if kept is not None:
                old.remove(kept)
                slots.append(kept)
                continue
            slots.append(_Slot(key, strategy, strategy.begin()))
            fresh.append(len(slots) - 1)
            key += 1
        for slot in old:
            for timer in sorted(
                (each for each in self.turn.armed if each.slot == slot.key), key=lambda each: each.name
            ):
                self._disarm(timer)
        self._set(strategies=strategies, is_chosen=is_chosen, slots=tuple(slots), next_key=key)
        for each in () if self.turn.has_ended else fresh:
            if self.turn.started is not None:
                self._show(each, self.turn.started)
            if self.turn.is_open:
                self._show(each, TurnOpened())
        self._take_sent()
        self._watch()

    # What happens, from the outside in.

    def _end(self, frame: EndFrame | CancelFrame) -> None:
        for timer in sorted(self.turn.armed, key=lambda each: (each.slot, each.name)):
            self._disarm(timer)
        if self.turn.is_held and isinstance(frame, EndFrame):
            self.decisions.append(Send(Both(OutputResumeFrame())))
        self._know(is_open=False)
        self._set(has_ended=True, is_held=False)

    def _take_sent(self) -> None:
        for _ in range(MOST_SENT):
            if not self.sent:
                return
            self._take(self.sent.pop(0))
        raise RuntimeError(
            f"A turn strategy answers each frame that it sends with another {type(self.sent[0]).__name__}: what it sends, it is"
            " shown as well. Let it send only in answer to frames of others."
        )

    def _take(self, event: object) -> None:
        match event:
            case TurnTimer():
                self._fire(event)
                return
            case StartFrame() if self.turn.started is not None:
                return  # of an actor that was restarted: the strategies have seen it
            case EmulateUserStartedSpeakingFrame():
                self._note(event)
                self._open(None, StartTurn(), enabled=True)
                return
            case EmulateUserStoppedSpeakingFrame():
                self._note(event)
                self._end_emulated()
                return
            case TranscriptionFrame() | InterimTranscriptionFrame() if self._is_backchannel(event.text):
                self.is_sign = True
                if isinstance(event, TranscriptionFrame):
                    self._set(heard_backchannel=True)
                    self.decisions.append(Backchannel(event.text, event.timestamp, event.user_id))
                return
            case _:
                self._note(event)
        self._show_all(UserTurnStartStrategy, event)
        if isinstance(event, (TranscriptionFrame, InterimTranscriptionFrame)) and event.text.strip():
            self._hear(event)
        self._show_all(UserTurnStopStrategy, event)

    def _is_backchannel(self, text: str) -> bool:
        return self.turn.is_held and is_made_of(text, self.turn.config.backchannels)

    def _note(self, event: object) -> None:
        """What the event itself says, before anybody decides."""
        if not isinstance(event, NOTED):
            return
        kind = type(event)
        if kind in EDGES:
            self.is_sign = True
        if (speaks := SPEAKS.get(kind)) is not None:
            if not speaks and (self.turn.is_speaking or kind in EDGES):
                self._set(fell_silent=self.now)
            self._know(is_speaking=speaks)
        if (voice := VOICE.get(kind)) is not None:
            self._know(has_voice=voice)
        match event:
            case VADUserStoppedSpeakingFrame(stop_secs=stop_secs) if stop_secs:
                self._know(stop_secs=stop_secs)
                self._check_latency()
            case SpeechControlParamsFrame(vad_params=params) if params is not None:
                self._know(stop_secs=params.stop_secs)
            case STTMetadataFrame(ttfs_p99_latency=latency):
                self._know(ttfs_p99_latency=latency)
                self._set(is_latency_checked=False)
            case BotStartedSpeakingFrame() | BotStoppedSpeakingFrame():
                self._know(bot_is_speaking=isinstance(event, BotStartedSpeakingFrame))
            case StartFrame():
                self._set(started=event)
            case InterruptionFrame():
                self._set(is_held=False)
            case UserStartedSpeakingFrame() | UserStoppedSpeakingFrame():
                self._set(stop_is_told=isinstance(event, UserStoppedSpeakingFrame))
            case _:
                pass

    def _check_latency(self) -> None:
        if self.turn.is_latency_checked:
            return
        self._set(is_latency_checked=True)
        stop_secs, latency = self.turn.facts.stop_secs, self.turn.facts.ttfs_p99_latency
        if stop_secs >= latency > 0:
            self.decisions.append(Warn(TOO_SHORT.format(stop_secs, latency)))
        elif stop_secs != USUAL_STOP_SECS:
            self.decisions.append(Warn(UNUSUAL.format(stop_secs, USUAL_STOP_SECS)))

    def _hear(self, frame: TranscriptionFrame | InterimTranscriptionFrame) -> None:
        """Words, after those had their say who may reject them."""
        self.is_sign = True
        rejection, self.rejection = self.rejection, None
        is_final = isinstance(frame, TranscriptionFrame)
        if rejection is not None and not self.turn.is_open:
            # Of an interim transcript nothing is kept, so there is only something to forget if there was before.
            if is_final or self.turn.has_text:
                self.decisions.append(rejection)
            self._set(has_text=False)
            return
        if self.turn.is_held:
            self._prove()
        if is_final:
            self._set(has_text=True, has_words=self.turn.is_open)
            if self.turn.ends_with_words:
                self._close(None, StopTurn())

    def _end_emulated(self) -> None:
        if not self.turn.is_open:
            return
        if self.turn.has_words:
            self._close(None, StopTurn())
        else:
            self._set(ends_with_words=True)

    # Strategies.

    def _show_all(self, kind: type[UserTurnStrategy[Any]], event: object) -> None:
        for place, slot in enumerate(self.turn.slots):
            if isinstance(slot.strategy, kind) and self._show(place, event) and not isinstance(event, StartFrame):
                return

    def _tell_all(self, edge: TurnOpened | TurnClosed | TurnTriggered) -> None:
        for place in range(len(self.turn.slots)):
            self._show(place, edge)

    def _show(self, place: int, event: object) -> bool:
        """Let a strategy see it, and do what it decides. True if it hides the event from those behind it."""
        slot = self.turn.slots[place]
        state, decided = slot.strategy.step(slot.state, event, self.now, self.turn.facts)
        if state is not slot.state:
            stepped = _Slot(slot.key, slot.strategy, state)
            self._set(slots=(*self.turn.slots[:place], stepped, *self.turn.slots[place + 1 :]))
        if not decided:
            return False
        is_edge = isinstance(event, (TurnOpened, TurnClosed, TurnTriggered))
        hides = False
        for each in decided:
            if isinstance(each, HideFromRest):
                hides = True
            # An edge can't be answered with another one: two strategies would never come to an end.
            elif not (is_edge and isinstance(each, (StartTurn, StopTurn, TriggerInference))):
                self._decide(slot, each, event)
        return hides

    def _decide(self, slot: _Slot, decision: StrategyDecision, event: object) -> None:
        strategy = slot.strategy
        match decision:
            case StartTurn() if isinstance(strategy, UserTurnStartStrategy):
                self._open(strategy.name, _announced(decision, strategy), enabled=strategy.enable_interruptions)
            case StopTurn() if self.turn.is_open and not self.turn.is_speaking:
                self._close(strategy.name, _announced(decision, strategy))
            case TriggerInference() if self.turn.is_open:
                self._trigger(strategy.name)
            case RejectSpeech():
                text = event.text if isinstance(event, (TranscriptionFrame, InterimTranscriptionFrame)) else ""
                self.rejection = Rejected(strategy.name, text)
            case Wait(seconds=seconds, name=name):
                self._arm(seconds, TurnTimer(slot.key, name))
            case Send(effect=effect):
                self.decisions.append(decision)
                self.sent += _frames_of(effect)
            case Event() | Prompt():
                self.decisions.append(decision)
            case StartTurn() | StopTurn() | TriggerInference():
                pass  # not for it to say, or not now

    # The turn's edges.

    def _open(self, strategy: str | None, start: StartTurn, *, enabled: bool) -> None:
        if self.turn.is_open:
            return
        config = self.turn.config
        may_interrupt = enabled and start.may_interrupt and config.allow_interruptions
        is_held = may_interrupt and not start.has_words and config.false_interruption_timeout is not None
        self._know(is_open=True)
        self._set(
            may_interrupt=may_interrupt,
            is_held=is_held,
            has_words=False,
            ends_with_words=False,
            heard_backchannel=False,
            stop_is_told=False,
            fell_silent=self.now,
        )
        interrupt: Literal["now", "hold", "none"] = "hold" if is_held else "now" if may_interrupt else "none"
        self.decisions.append(TurnStarted(strategy, interrupt, start.announce))
        self._tell_all(TurnOpened())

    def _close(self, strategy: str | None, stop: StopTurn) -> None:
        if self.turn.is_held and self.turn.has_text:
            self._prove()
        is_false = self.turn.is_held
        self._set(has_text=False)
        self._shut(TurnStopped(strategy, stop.announce, stop.triggers_inference, is_false))

    def _take_back(self) -> None:
        """There was nothing to interrupt for. What was gathered before the turn stays."""
        self._shut(TurnStopped(None, triggers_inference=False, is_false=True))

    def _shut(self, stopped: TurnStopped) -> None:
        self._know(is_open=False)
        if self.turn.stop_is_told:
            stopped = attrs.evolve(stopped, announce=False)
        self._set(is_held=False, has_words=False, ends_with_words=False)
        self.decisions.append(stopped)
        if stopped.is_false:
            self.decisions.append(FalseInterruption())
        self._tell_all(TurnClosed())

    def _trigger(self, strategy: str) -> None:
        if self.turn.is_held and self.turn.has_text:
            self._prove()
        self._set(has_text=False)
        self.is_sign = True
        self.decisions.append(InferenceTriggered(strategy))
        self._tell_all(TurnTriggered())

    def _prove(self) -> None:
        self._set(is_held=False)
        self.decisions.append(Evidence())

    # Time.

    def _watch(self) -> None:
        """Arm and disarm the turn's own timers as it has become."""
        turn, config = self.turn, self.turn.config
        if turn.is_held and turn.heard_backchannel and not turn.is_speaking:
            self._take_back()
            turn = self.turn
        if not turn.is_open or turn.is_speaking or self._is_patient():
            self._disarm(WATCHDOG)
        elif self.is_sign or WATCHDOG not in turn.armed:
            self._set(last_sign=self.now)
            self._arm(config.user_turn_stop_timeout, WATCHDOG)
        if not turn.is_held or turn.is_speaking:
            self._disarm(DOUBT)
        elif turn.fell_silent == self.now or DOUBT not in turn.armed:
            self._arm(config.false_interruption_timeout, DOUBT)

    def _is_patient(self) -> bool:
        return any(
            isinstance(slot.strategy, UserTurnStopStrategy) and slot.strategy.holds_watchdog(slot.state)
            for slot in self.turn.slots
        )

    def _fire(self, timer: TurnTimer) -> None:
        if timer not in self.turn.armed:
            return
        turn, config = self.turn, self.turn.config
        if timer.slot:
            self._set(armed=turn.armed - {timer})
            place = next(place for place, slot in enumerate(turn.slots) if slot.key == timer.slot)
            self._show(place, Waited(timer.name))
            return
        is_watchdog = timer == WATCHDOG
        timeout = config.user_turn_stop_timeout if is_watchdog else config.false_interruption_timeout or 0.0
        due = timeout + (turn.last_sign if is_watchdog else turn.fell_silent)
        if not has_come(due, self.now):
            self._arm(until(due, self.now), timer)
            return
        self._set(armed=turn.armed - {timer})
        if is_watchdog:
            self.decisions.append(Event("on_user_turn_stop_timeout"))
            self._close(None, StopTurn(triggers_inference=False))
        else:
            self._take_back()

    def _arm(self, seconds: float | None, timer: TurnTimer) -> None:
        if seconds is None:
            self._disarm(timer)
            return
        self._set(armed=self.turn.armed | {timer})
        self.decisions.append(Timer(seconds, timer))

    def _disarm(self, timer: TurnTimer) -> None:
        if timer in self.turn.armed:
            self._set(armed=self.turn.armed - {timer})
            self.decisions.append(Timer(None, timer))

    def _know(self, **changes: Any) -> None:
        self._set(facts=attrs.evolve(self.turn.facts, **changes))

    def _set(self, **changes: Any) -> None:
        # A step changes up to twenty values, and a new turn for each took most of its time. So it changes one of its own, in
        # place, which nobody else has before the step is over.
        if not self.has_changed:
            self.turn, self.has_changed = UserTurn(*_values_of(self.turn)), True
        for name, value in changes.items():
            object.__setattr__(self.turn, name, value)


_values_of = operator.attrgetter(*attrs.fields_dict(UserTurn))


TOO_SHORT = (
    "Voice activity waits {} s before speech has stopped, which is all that the transcriber takes ({} s): "
    "transcripts aren't waited for. Use VADParams(stop_secs=0.2), or announce a greater ttfs_p99_latency."
)
UNUSUAL = (
    "Voice activity waits {} s before speech has stopped, but transcribers announce their latency for {} s: "
    "measure yours with this setting, or use VADParams(stop_secs=0.2)."
)


def _announced(edge: Edge, strategy: UserTurnStrategy[Any]) -> Edge:
    """With turn frames only where the strategy lets them be sent."""
    return edge if strategy.enable_user_speaking_frames else attrs.evolve(edge, announce=False)


def _frames_of(effect: Effect) -> Iterable[Frame]:
    inner = effect.effect if isinstance(effect, Immune) else effect
    if isinstance(inner, (Up, Down, Both)):
        inner = inner.frame
    return (inner,) if isinstance(inner, Frame) else ()

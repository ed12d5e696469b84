"""The user half of the pair: before the language model, it hears the user, and knows whose turn it is.

1. What it hears goes three ways, in this order: on to whom it concerns, into what is gathered, and to the turn, whose decisions it
   carries out one by one.
2. Whether and when something is written is the policy's; in which order, the context owner's.
3. Every handler is plain, and all that it knows is durable: a kill at any delivery changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator
from typing import Any, ClassVar

import attrs

from ..actors import After, Both, Down, Effect, Interrupt, To, actor, durable, on, state
from ..channels import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    ExternalTurns,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerResponseFrame,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMServiceMetadataFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    RealtimeServiceMetadataFrame,
    ServiceMetadataFrame,
    SpeechControlParamsFrame,
    StartFrame,
    StopFrame,
    STTMetadataFrame,
    TextFrame,
    TranscriptionFrame,
    TranslationFrame,
    UserBackchannelFrame,
    UserIdleTimeoutUpdateFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    UserTurnInferenceCompletedFrame,
    VADParamsUpdateFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from .cascade import Cascade
from .context_owner import ContextOwner, EditDue
from .empty_turn import recovery_prompt
from .events import UserBackchannelMessage
from .idle import IdleTimer, IdleWait, NothingToAnswer, UserIdle
from .joining import Part, join
from .mute import UserMute
from .pair_params import LLMUserAggregatorParams
from .peer_messages import Edit, HalfStarted, Resolving, ResponseClosed, ResponseOpened
from .realtime import Realtime
from .realtime_mode import (
    HalvesDisagree,
    RealtimeMode,
    RealtimeServiceModeConfig,
    announces_realtime,
    config_in_force,
    needs_both_halves,
)
from .slots import Act, Heard, Place, Policy, RunDue, Step, StoppedDue, WriteUser
from .strategies import AnswerBegan, Event, Prompt, Send, UserTurnStrategies
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
from .voice_watch import AudioIdle, Ears, VoiceNews, VoiceWatch

__all__ = ["UserHalf"]

log = logging.getLogger("antiphon")

PROPOSALS = (ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame)


@attrs.frozen
class WindowOver:
    """To itself: no transcript that comes now belongs to what the answer answers."""

    response_id: int


@actor
class UserHalf(ContextOwner):
    """Knows whose turn it is, owns the context and starts the runs."""

    events: ClassVar[tuple[str, ...]] = (
        "on_user_turn_started",
        "on_user_turn_inference_triggered",
        "on_user_turn_stopped",
        "on_user_turn_stop_timeout",
        "on_user_turn_idle",
        "on_false_interruption",
        "on_user_speech_rejected",
        "on_user_turn_message_added",
        "on_user_mute_started",
        "on_user_mute_stopped",
        "on_user_backchannel",
        "on_wake_phrase_detected",
        "on_wake_phrase_timeout",
        "on_context_updated",
        # Without an assistant half, of what that would have told.
        "on_assistant_turn_started",
        "on_assistant_turn_stopped",
        "on_assistant_message_added",
    )
    event_aliases: ClassVar[dict[str, str]] = {"on_user_message_added": "on_user_turn_message_added"}

    params: LLMUserAggregatorParams = attrs.field(factory=LLMUserAggregatorParams, kw_only=True)
    mode: RealtimeMode = attrs.field(default=None, kw_only=True)

    turn: UserTurn | None = durable(None)
    mute: UserMute | None = durable(None)
    idle: UserIdle | None = durable(None)
    watch: VoiceWatch | None = durable(None)
    """The voice, if this half listens for it."""
    voice_comes_from_elsewhere: bool = durable(False)
    is_realtime: bool = durable(False)
    """A realtime service has announced itself."""
    has_switched: bool = durable(False)
    """In mode "auto": realtime from now on."""
    resolved: tuple[type[Frame], ...] = durable(())
    """Proposals that a strategy decides on, as the other half knows it."""
    tools_on_way: tuple[Any, ...] = durable(())
    """Tools that are set already, whose frame goes on to the other half."""
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
    has_voice_or_turns: bool = durable(False)
    """Whether the session has turn frames or voice activity."""
    ttfs_p99_latency: float = durable(1.0)

    ears: Ears = state(Ears)

    # ---- the session

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Iterator[Effect]:
        if self.has_begun:
            return
        self.begin()
        self._check_mode()
        self.mute = UserMute.begin(self.params.user_mute_strategies)
        self.idle = UserIdle(self.params.user_idle_timeout)
        self.turn = UserTurn.begin(self._turn_config())
        if isinstance(self.params.vad, VoiceWatch):
            self.watch, news = self.params.vad.started(frame.audio_in_sample_rate)
            yield from self._news(news)
        yield from self._adapt_to_mode()
        yield from self._tell_resolved()
        yield from self._turn(frame)

    def _check_mode(self) -> None:
        if self.assistant is None and needs_both_halves(self.mode):
            raise HalvesDisagree(
                f"{self.address} has realtime_service_mode={self.mode!r} but no assistant half: only that one hears when an answer"
                " begins. Use both halves of an LLMContextAggregatorPair, or False for a cascade."
            )

    @on(HalfStarted)
    def check_mode(self, message: HalfStarted) -> None:
        if (message.mode or None) != (self.mode or None):  # False is None by choice
            raise HalvesDisagree(
                f"{self.address} has realtime_service_mode={self.mode!r}, its assistant half {message.mode!r}: each would wait for"
                " the other to write. Give both the same, or make them by LLMContextAggregatorPair."
            )

    @on(EndFrame, CancelFrame)
    def end(self, frame: EndFrame | CancelFrame) -> Iterator[Effect]:
        if self.is_paused and isinstance(frame, EndFrame):
            self.is_paused = False
            yield Down(OutputResumeFrame())
        if self.watch is not None:
            yield After(None, AudioIdle())
        if self.slots.open is not None:
            yield After(None, WindowOver(self.slots.open.response_id))
        self.has_ended = True
        acts = self._stamped_step(self.policy().ended(self.slots))
        # Realtime: what comes before the open answer mustn't wait for its end.
        yield from self.do(acts) if self._is_realtime() and self.slots.open is not None else self.let_wait(acts)

    @on(StopFrame)
    def stop(self, frame: StopFrame) -> Iterator[Effect]:
        """The pair stays as it is, but what the bot says is let out."""
        if self.is_paused:
            self.is_paused = False
            yield Down(OutputResumeFrame())

    def _turn_config(self) -> UserTurnConfig:
        params = self.params
        return UserTurnConfig(
            params.user_turn_strategies,
            user_turn_stop_timeout=params.user_turn_stop_timeout,
            # A realtime service hears and answers by itself: there is nobody to hold back.
            false_interruption_timeout=None if self._is_realtime() else params.false_interruption_timeout,
            backchannels=params.backchannels,
            allow_interruptions=params.allow_interruptions,
        )

    # ---- sound

    @on(InputAudioRawFrame)
    def listen(self, frame: InputAudioRawFrame) -> Frame | Iterable[Effect] | None:
        assert self.mute is not None and self.turn is not None
        if self.mute.strategies:
            return self._listen_unless_muted(frame)
        self._open_ears()
        if self.watch is None and not self.turn.looks_at_voice:
            return frame
        return self._listen(frame)

    def _listen_unless_muted(self, frame: InputAudioRawFrame) -> Iterator[Effect]:
        if not (yield from self._is_muted(frame)):
            self._open_ears()
            yield from self._listen(frame)

    def _listen(self, frame: InputAudioRawFrame) -> Iterator[Effect]:
        yield frame
        if self.watch is not None:
            self.watch, news = self.watch.hear(frame, self.ears, now=self.now)
            yield from self._news(news)
        yield from self._turn(frame)

    def _open_ears(self) -> None:
        """Listen for voice, if somebody looks at it and nobody else does."""
        if self.watch is not None or self.voice_comes_from_elsewhere or self.params.vad != "auto":
            return  # first, since this is asked for each frame of sound
        assert self.turn is not None
        if self.turn.looks_at_voice:
            self.watch = VoiceWatch()

    @on(AudioIdle)
    def look_for_sound(self, message: AudioIdle) -> Iterator[Effect]:
        if self.watch is not None:
            self.watch, news = self.watch.idle(now=self.now)
            if news.warning is not None:
                log.warning("%s: %s", self.address, news.warning)
            yield from self._news(news)

    @on(VADParamsUpdateFrame)
    def change_vad(self, frame: VADParamsUpdateFrame) -> Iterator[Effect]:
        yield frame
        if self.watch is not None:
            self.watch, news = self.watch.with_params(frame.params)
            yield from self._news(news)

    def _news(self, news: VoiceNews) -> Iterator[Effect]:
        """What the half itself has heard counts as if it had come from before it."""
        yield from news.effects
        for frame in news.frames:
            if not (yield from self._is_muted(frame)):
                yield from self._consider(frame)

    @on(SpeechControlParamsFrame)
    def note_vad(self, frame: SpeechControlParamsFrame) -> Iterator[Effect]:
        if frame.vad_params is not None:
            self.voice_comes_from_elsewhere = True
        yield frame
        yield from self._turn(frame)

    # ---- what is heard and what happens, as it passes

    @on(
        VADUserStartedSpeakingFrame,
        VADUserStoppedSpeakingFrame,
        UserStartedSpeakingFrame,
        UserStoppedSpeakingFrame,
        UserSpeakingFrame,
        UserTurnInferenceCompletedFrame,
        BotStartedSpeakingFrame,
        BotStoppedSpeakingFrame,
        BotSpeakingFrame,
        FunctionCallsStartedFrame,
        FunctionCallInProgressFrame,
        FunctionCallResultFrame,
        FunctionCallCancelFrame,
        LLMFullResponseStartFrame,
        LLMFullResponseEndFrame,
        LLMMarkerResponseFrame,
        STTMetadataFrame,
        ErrorFrame,
        EagerEndOfTurnCancelFrame,
    )
    def pass_on(self, frame: Frame) -> Iterator[Effect]:
        if (yield from self._is_muted(frame)):
            return
        yield frame
        if isinstance(frame, ServiceMetadataFrame):
            yield from self._take_recommendation(frame)
            yield from self._adapt_to_mode()
        yield from self._consider(frame)

    @on(*PROPOSALS)
    def take_proposal(self, frame: Frame) -> Iterator[Effect]:
        if (yield from self._is_muted(frame)):
            return
        assert self.turn is not None
        if not self.turn.resolves(frame):
            yield frame
        yield from self._consider(frame)

    @on(EmulateUserStartedSpeakingFrame, EmulateUserStoppedSpeakingFrame, InterimTranscriptionFrame)
    def take(self, frame: Frame) -> Iterator[Effect]:
        if not (yield from self._is_muted(frame)):
            yield from self._consider(frame)

    @on(EagerTranscriptionFrame, TranslationFrame)
    def ignore(self, frame: TextFrame) -> None:
        """Nothing of them is ever written."""

    @on(UserBackchannelFrame)
    def hear_backchannel(self, frame: UserBackchannelFrame) -> Iterator[Effect]:
        if (yield from self._is_muted(frame)):
            return
        told = UserBackchannelMessage(frame.text, frame.timestamp or self.timestamp, frame.user_id)
        yield self.fire("on_user_backchannel", told)
        yield frame

    @on(TranscriptionFrame)
    def hear(self, frame: TranscriptionFrame) -> Iterator[Effect]:
        if (yield from self._is_muted(frame)) or not frame.text.strip():
            return
        assert self.turn is not None
        was_open = self.turn.is_open
        self.turn, decisions = self.turn.step(frame, self.now)
        begins = any(isinstance(decision, TurnStarted) for decision in decisions)
        if begins:
            self.turn_timestamp = self.timestamp
        if not any(isinstance(decision, Backchannel) for decision in decisions):
            # Words that begin a turn, or end it, are words of it.
            yield from self._gather(frame, is_of_turn=begins or was_open)
        yield from self._carry_out(decisions)
        yield from self._idle(frame)

    @on(InputTextRawFrame)
    def read(self, frame: InputTextRawFrame) -> Iterator[Effect]:
        if not frame.text.strip():
            return
        if self._is_realtime():
            place = self._place()  # what is typed is never late
            heard = Heard(Part(frame.text), timestamp=self.timestamp)
            yield from self._take_words(heard, "new" if place == "late" else place)
            yield frame
            return
        speaks = self.latest_run.is_live or self.slots.open is not None or self.bot_is_speaking
        if speaks and self.params.allow_interruptions and not self.has_ended:
            yield from self.interruption_begins(self.epoch + 1, by_user=True)
            yield Interrupt()
        self.exchange += 1
        heard = Heard(Part(frame.text.strip()), timestamp=self.timestamp)
        yield from self.let_wait((WriteUser((heard,)), RunDue("typed text")))

    @on(TurnTimer)
    def wait_is_over(self, message: TurnTimer) -> Iterator[Effect]:
        if not self.has_ended:
            yield from self._turn(message)

    @on(IdleTimer)
    def idle_is_over(self, message: IdleTimer) -> Iterator[Effect]:
        if not self.has_ended:
            yield from self._idle(message)

    @on(UserIdleTimeoutUpdateFrame)
    def change_idle(self, frame: UserIdleTimeoutUpdateFrame) -> Iterator[Effect]:
        yield frame
        yield from self._idle(frame)

    @on(InterruptionFrame)
    def await_flush(self, frame: InterruptionFrame) -> Iterator[Effect]:
        assert self.turn is not None
        self.is_paused = False
        self._user_has_gone_on()
        yield from self.interruption_begins(self.epoch, by_user=self.turn.is_open)
        yield from self._turn(frame)
        yield from self._idle(frame)

    # ---- edits and runs that are asked for here

    @on(LLMRunFrame)
    def run(self, frame: LLMRunFrame) -> Iterator[Effect]:
        yield from self.let_wait((RunDue("run frame"),))

    @on(LLMContextFrame)
    def run_this(self, frame: LLMContextFrame) -> Iterator[Effect]:
        yield from self.let_wait((RunDue(frame.reason or "context frame", frame.context),))

    @on(LLMMessagesAppendFrame)
    def append(self, frame: LLMMessagesAppendFrame) -> Iterator[Effect]:
        yield from self._change(Edit(append=frame.messages), run=bool(frame.run_llm))

    @on(LLMMessagesUpdateFrame)
    def update(self, frame: LLMMessagesUpdateFrame) -> Iterator[Effect]:
        yield from self._change(Edit(kind="update", update=frame.messages), run=bool(frame.run_llm))

    @on(LLMMessagesTransformFrame)
    def transform(self, frame: LLMMessagesTransformFrame) -> Iterator[Effect]:
        yield from self._change(Edit(kind="transform", transform=frame.transform), run=bool(frame.run_llm))

    @on(LLMSetToolsFrame)
    def set_tools(self, frame: LLMSetToolsFrame) -> Iterator[Effect]:
        notes = self.params.add_tool_change_messages
        edit = Edit(kind="tools", tools=frame.tools, notes_tools=notes)
        if self.assistant is not None:
            self.tools_on_way = (*self.tools_on_way, edit.tools)
        yield from self._change(edit, run=False)
        yield Down(frame)

    @on(Edit)
    def edit(self, message: Edit) -> Iterator[Effect]:
        if message.kind == "tools" and message.tools in self.tools_on_way:
            # The same frame, behind the model: set again, it would undo what came since.
            self.tools_on_way = self.tools_on_way[self.tools_on_way.index(message.tools) + 1 :]
            return
        yield from ContextOwner.edit(self, message)

    @on(LLMSetToolChoiceFrame)
    def set_tool_choice(self, frame: LLMSetToolChoiceFrame) -> Iterator[Effect]:
        yield from self._change(Edit(kind="tool choice", tool_choice=frame.tool_choice), run=False)

    def _change(self, edit: Edit, *, run: bool) -> Iterator[Effect]:
        yield from self.let_wait((EditDue(edit), *((RunDue("edit"),) if run else ())))

    # ---- services announce themselves

    @on(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame)
    def hear_of_model(self, frame: LLMServiceMetadataFrame | RealtimeServiceMetadataFrame) -> Iterator[Effect]:
        yield frame
        if announces_realtime(frame) and not self.is_realtime:
            self.is_realtime = True
            if self.mode is None:  # False is a choice
                self._recommend(frame.service_name)
        if isinstance(frame, ServiceMetadataFrame):
            yield from self._take_recommendation(frame)
        yield from self._switch()
        yield from self._adapt_to_mode()

    def _take_recommendation(self, frame: ServiceMetadataFrame) -> Iterator[Effect]:
        strategies = frame.user_turn_strategies
        if isinstance(strategies, (UserTurnStrategies, ExternalTurns)) and self.turn is not None:
            self.turn, decisions = self.turn.with_recommended(strategies, self.now)
            yield from self._carry_out(decisions)
            yield from self._tell_resolved()

    def _tell_resolved(self) -> Iterator[Effect]:
        """A proposal from between the halves goes both ways: the other half must know whether its twin goes on."""
        assert self.turn is not None
        resolved = tuple(kind for kind in PROPOSALS if self.turn.resolves(kind()))
        if self.assistant is not None and resolved != self.resolved:
            self.resolved = resolved
            yield To(self.assistant, Resolving(resolved))

    def _recommend(self, service: str) -> None:
        log.info(
            "%s: %s hears and speaks by itself. Pass realtime_service_mode='auto' (or True) to LLMContextAggregatorPair, so that the"
            " context is written as such a service speaks; on_user_message_added then tells what the user said.",
            self.address,
            service,
        )

    def _switch(self) -> Iterator[Effect]:
        """In mode "auto" an announcement holds from the next moment on in which nobody is in the middle of a turn."""
        if self.mode != "auto" or self.has_switched or not self.is_realtime:
            return
        if not (self.user_speaks() or self.slots.open is not None or self.slots.gathered):
            self.has_switched = True
            yield from self._adapt_to_mode()

    def _adapt_to_mode(self) -> Iterator[Effect]:
        """In realtime mode nobody is held back, and turns don't wait for transcripts, unless they are told to."""
        config = self._config()
        if config is None:
            return
        assert self.turn is not None
        self.turn = attrs.evolve(self.turn, config=self._turn_config())
        if config.turns_await_transcripts:
            return
        strategies, changed = self.turn.strategies.without_transcripts()
        if not changed:
            return
        level = logging.WARNING if self.turn.is_chosen else logging.DEBUG
        log.log(
            level,
            "%s: in realtime mode turns don't wait for transcripts: changed %s.",
            self.address,
            ", ".join(changed),
        )
        self.turn, decisions = self.turn.with_strategies(strategies, self.now, is_chosen=self.turn.is_chosen)
        yield from self._carry_out(decisions)
        yield from self._tell_resolved()

    # ---- what the context owner asks

    def policy(self) -> Policy:
        return Realtime() if self._is_realtime() else Cascade()

    def _is_realtime(self) -> bool:
        config = self._config()
        return config is not None and not config.context_writes_await_turns

    def _config(self) -> RealtimeServiceModeConfig | None:
        return config_in_force(self.mode, is_announced=self.has_switched)

    def somebody_speaks(self) -> bool:
        return self.user_speaks() or self.bot_is_speaking or self.is_paused

    def has_function_calls_in_progress(self) -> bool:
        return bool(self.calls)

    def user_speaks(self) -> bool:
        return self.turn is not None and self.turn.is_open

    @on(ResponseOpened)
    def opened(self, message: ResponseOpened) -> Iterator[Effect]:
        yield from self._turn(AnswerBegan())
        yield from ContextOwner.opened(self, message)
        if self._is_realtime() and self._window() > 0 and not self.has_ended:
            yield After(self._window(), WindowOver(message.response_id))

    @on(ResponseClosed)
    def closed(self, message: ResponseClosed) -> Iterator[Effect]:
        yield from ContextOwner.closed(self, message)
        yield from self._switch()

    @on(WindowOver)
    def end_window(self, message: WindowOver) -> Iterator[Effect]:
        if self.slots.open is not None and self.slots.open.response_id == message.response_id:
            yield from self.let(self.policy().window_over(self.slots))

    # ---- the three ways

    def _is_muted(self, frame: Frame) -> Generator[Effect, None, bool]:
        """Whether it must not be heard; what muting begins or ends is told on the way."""
        assert self.mute is not None
        self.mute, verdict = self.mute.step(frame, self.now)
        if verdict.owed is not None:
            yield Both(verdict.owed)
            yield from self._consider(verdict.owed)
        if verdict.edge is not None:
            yield self.fire(f"on_user_mute_{verdict.edge}")
            edge = UserMuteStartedFrame() if verdict.edge == "started" else UserMuteStoppedFrame()
            yield Both(edge)
            yield from self._turn(edge)
            if verdict.edge == "started" and self.watch is not None:
                self.watch, _ = self.watch.reset(now=self.now)  # its stop is the one that was owed
        return verdict.is_suppressed

    def _idle(self, event: object) -> Iterator[Effect]:
        """Show it to who watches whether the user has fallen silent."""
        assert self.idle is not None
        self.idle, decisions = self.idle.step(event, self.now)
        for decision in decisions:
            if isinstance(decision, IdleWait):
                yield After(decision.seconds, decision.message)
            else:
                yield self.fire(decision.name, *decision.payload)

    def _consider(self, frame: Frame) -> Iterator[Effect]:
        """What follows from a frame, beside its going on."""
        self._note(frame)
        yield from self._turn(frame)
        yield from self._idle(frame)
        if isinstance(frame, BotStoppedSpeakingFrame):
            yield from self.pay_run()

    def _note(self, frame: Frame) -> None:
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
            case STTMetadataFrame():
                self.ttfs_p99_latency = frame.ttfs_p99_latency
            case VADUserStartedSpeakingFrame() | UserStartedSpeakingFrame() | ProposedUserStartedSpeakingFrame():
                self.has_voice_or_turns = True
                self._user_has_gone_on()
            case _:
                pass

    def _turn(self, event: Frame | TurnTimer | AnswerBegan) -> Iterator[Effect]:
        """Show the turn what happened, and do what it decides."""
        if self.turn is not None and not self.has_ended:
            self.turn, decisions = self.turn.step(event, self.now)
            yield from self._carry_out(decisions)

    def _carry_out(self, decisions: Iterable[TurnDecision]) -> Iterator[Effect]:
        for decision in decisions:
            match decision:
                case TurnStarted():
                    yield from self._start_turn(decision)
                case TurnStopped():
                    yield from self._stop_turn(decision)
                case InferenceTriggered():
                    yield from self.let_wait(self._stamped_step(self.policy().triggered(self.slots, decision.strategy)))
                case Rejected():
                    yield from self._reject(decision.strategy)
                case Evidence():
                    self.is_paused = False
                    yield from self._interrupt()
                case FalseInterruption():
                    self.is_paused = False
                    yield Down(OutputResumeFrame())
                    yield from self._idle(OutputResumeFrame())
                    yield self.fire("on_false_interruption")
                    yield from self.pay_run()
                case Backchannel():
                    yield Down(UserBackchannelFrame(decision.text, decision.user_id, decision.timestamp))
                    told = UserBackchannelMessage(decision.text, decision.timestamp or self.timestamp, decision.user_id)
                    yield self.fire("on_user_backchannel", told)
                case Prompt():
                    yield from self.prompt(decision.text, "incomplete turn")
                case Send():
                    yield decision.effect
                case Timer():
                    yield After(decision.seconds, decision.message)
                case Event():
                    yield self.fire(decision.name, *decision.payload)
                case Warn():
                    log.warning("%s: %s", self.address, decision.text)

    def _start_turn(self, started: TurnStarted) -> Iterator[Effect]:
        self.exchange += 1
        self.turn_timestamp = self.timestamp
        self.slots = attrs.evolve(self.slots, segments=())
        self._user_has_gone_on()
        thinks = self.latest_run.is_live or self.slots.open is not None or self.holds_run
        self.bot_waited = self.bot_has_spoken and not (self.bot_is_speaking or thinks or self.calls)
        if started.announce:
            yield Both(UserStartedSpeakingFrame())
        yield from self._idle(UserStartedSpeakingFrame())
        if started.interrupt == "now":
            yield from self._interrupt()
        elif started.interrupt == "hold":
            self.is_paused = True
            yield Down(OutputPauseFrame())
            yield from self._idle(OutputPauseFrame())
        yield self.fire("on_user_turn_started", started.strategy)

    def _interrupt(self) -> Iterator[Effect]:
        yield from self.interruption_begins(self.epoch + 1, by_user=True)
        yield Interrupt()

    def _stop_turn(self, stopped: TurnStopped) -> Iterator[Effect]:
        if stopped.announce:
            yield Both(UserStoppedSpeakingFrame())
        yield from self._idle(UserStoppedSpeakingFrame())
        if stopped.triggers_inference and stopped.strategy is not None:
            yield self.fire("on_user_turn_inference_triggered", stopped.strategy)
        has_text = bool(join(heard.part for heard in self.slots.gathered)) or bool(self.slots.segments)
        if stopped.is_false:
            # What was said before this turn isn't of it, and stays gathered.
            has_text, gathered = False, self.slots.gathered
            self.slots = attrs.evolve(self.slots, gathered=())
            acts = self._stamped_step(self.policy().stopped(self.slots, stopped.strategy))
            self.slots = attrs.evolve(self.slots, gathered=gathered)
        else:
            acts = self._stamped_step(self.policy().stopped(self.slots, stopped.strategy))
        yield from self.let_wait(acts)
        if has_text:
            self.recoveries = 0
        else:
            yield from self._recover(stopped)
        yield from self.pay_run()
        yield from self._switch()

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
            is_realtime=self._is_realtime(),
        )
        if prompt is not None:
            self.recoveries += 1
            yield from self.prompt(prompt, "empty turn")
        else:
            yield from self._idle(NothingToAnswer())

    def _reject(self, strategy: str) -> Iterator[Effect]:
        text = join(heard.part for heard in self.slots.gathered)
        self.slots = attrs.evolve(self.slots, gathered=())
        if text:
            yield self.fire("on_user_speech_rejected", text, strategy)

    def _gather(self, frame: TranscriptionFrame, *, is_of_turn: bool) -> Iterator[Effect]:
        self.user_id = frame.user_id or self.user_id
        timestamp = self.turn_timestamp if is_of_turn else frame.timestamp or self.timestamp
        heard = Heard(Part(frame.text, frame.includes_inter_frame_spaces), frame.user_id, timestamp)
        yield from self._take_words(heard, self._place())

    def _take_words(self, heard: Heard, place: Place) -> Iterator[Effect]:
        yield from self.let(self.policy().transcribed(self.slots, heard, place))

    def _place(self) -> Place:
        """Realtime: where a transcript belongs that comes while an answer is open."""
        response = self.slots.open
        if self.params.late_transcript_window == 0:
            return "gathered"
        if response is None or response.user_has_gone_on:
            return "new"
        is_in_time = self.has_voice_or_turns or self.now - response.opened_at <= self._window()
        return "late" if is_in_time else "new"

    def _window(self) -> float:
        window = self.params.late_transcript_window
        return self.ttfs_p99_latency if window is None else window

    def _user_has_gone_on(self) -> None:
        if self.slots.open is not None and not self.slots.open.user_has_gone_on:
            self.slots = attrs.evolve(self.slots, open=attrs.evolve(self.slots.open, user_has_gone_on=True))

    def _stamped_step(self, step: Step) -> tuple[Act, ...]:
        """Take a policy's step; what it tells of a turn is of the present one."""
        slots, acts = step
        self.slots = slots
        return tuple(
            attrs.evolve(act, timestamp=self.turn_timestamp or self.timestamp, user_id=self.user_id)
            if isinstance(act, StoppedDue)
            else act
            for act in acts
        )

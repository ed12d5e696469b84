"""The user half of the pair: before the language model, it hears the user, and knows whose turn it is.

1. What it hears goes three ways, in this order: on to whom it concerns, into what is gathered, and to the turn, whose decisions
   are carried out one by one (turn_keeper.py).
2. Whether and when something is written is the policy's (cascade.py, realtime.py); in which order, the context owner's.
3. Every handler is plain, and all that it knows is durable: a kill at any delivery changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import attrs

from ..actors import After, Down, Effect, actor, durable, on
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
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerResponseFrame,
    OutputResumeFrame,
    ProposedUserStartedSpeakingFrame,
    StartFrame,
    StopFrame,
    TextFrame,
    TranscriptionFrame,
    TranslationFrame,
    UserBackchannelFrame,
    UserIdleTimeoutUpdateFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    UserTurnInferenceCompletedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from .context_owner import ContextOwner
from .joining import Part
from .peer_messages import ResponseClosed, ResponseOpened
from .slots import Heard, Place, RunDue, WriteUser
from .strategies import AnswerBegan
from .turn_decisions import Backchannel, TurnStarted
from .voice_listener import VoiceListener

__all__ = ["UserHalf"]


@attrs.frozen
class WindowOver:
    """To itself: no transcript that comes now belongs to what the answer answers."""

    response_id: int


@actor
class UserHalf(VoiceListener):
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
    waits_for_room: ClassVar[bool] = False
    """An output that is held gets on only when this half has heard whether the user says anything."""

    has_voice_or_turns: bool = durable(False)
    """Whether the session has turn frames or voice activity."""

    # ---- the session

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Iterator[Effect]:
        if self.has_begun:
            return
        self.begin()
        self.check_mode()
        self.begin_turns()
        yield from self.begin_listening(frame.audio_in_sample_rate)
        yield from self.adapt_to_mode()
        yield from self.tell_resolved()
        yield from self.show_turn(frame)

    @on(EndFrame, CancelFrame)
    def end(self, frame: EndFrame | CancelFrame) -> Iterator[Effect]:
        if self.is_paused and isinstance(frame, EndFrame):
            self.is_paused = False
            yield Down(OutputResumeFrame())
        yield from self.end_listening()
        if self.slots.open is not None:
            yield After(None, WindowOver(self.slots.open.response_id))
        self.has_ended = True
        acts = self.stamped(self.policy().ended(self.slots))
        # Realtime: what comes before the open answer mustn't wait for its end.
        yield from self.do(acts) if self.writes_as_realtime() and self.slots.open is not None else self.let_wait(acts)

    @on(StopFrame)
    def stop(self, frame: StopFrame) -> Iterator[Effect]:
        """The pair stays as it is, but what the bot says is let out."""
        if self.is_paused:
            self.is_paused = False
            yield Down(OutputResumeFrame())

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
        ErrorFrame,
        EagerEndOfTurnCancelFrame,
    )
    def pass_on(self, frame: Frame) -> Iterator[Effect]:
        if not (yield from self.is_muted(frame)):
            yield frame
            yield from self.consider(frame)

    @on(EmulateUserStartedSpeakingFrame, EmulateUserStoppedSpeakingFrame, InterimTranscriptionFrame)
    def take(self, frame: Frame) -> Iterator[Effect]:
        if not (yield from self.is_muted(frame)):
            yield from self.consider(frame)

    @on(EagerTranscriptionFrame, TranslationFrame)
    def ignore(self, frame: TextFrame) -> None:
        """Nothing of them is ever written."""

    @on(UserBackchannelFrame)
    def hear_backchannel(self, frame: UserBackchannelFrame) -> Iterator[Effect]:
        if not (yield from self.is_muted(frame)):
            yield self.fire_backchannel(frame.text, frame.timestamp, frame.user_id)
            yield frame

    @on(UserIdleTimeoutUpdateFrame)
    def change_idle(self, frame: UserIdleTimeoutUpdateFrame) -> Iterator[Effect]:
        yield frame
        yield from self.show_idle(frame)

    def note(self, frame: Frame) -> None:
        super().note(frame)
        if isinstance(frame, (VADUserStartedSpeakingFrame, UserStartedSpeakingFrame, ProposedUserStartedSpeakingFrame)):
            self.has_voice_or_turns = True
            self.user_goes_on()

    # ---- words

    @on(TranscriptionFrame)
    def hear(self, frame: TranscriptionFrame) -> Iterator[Effect]:
        if (yield from self.is_muted(frame)) or not frame.text.strip():
            return
        if self.has_ended:
            # A realtime model, behind this half, may still tell what was said: it is written, and begins nothing.
            heard = Heard(Part(frame.text, frame.includes_inter_frame_spaces), frame.user_id, self.timestamp)
            yield from self._gather(heard, "new")
            yield from self.rest_at_end()
            return
        assert self.turn is not None
        was_open = self.turn.is_open
        self.turn, decisions = self.turn.step(frame, self.now)
        kinds = {type(decision) for decision in decisions}
        begins = TurnStarted in kinds
        if begins:
            self.turn_timestamp = self.timestamp
        if Backchannel not in kinds:
            # Words that begin a turn, or end it, are words of it.
            self.user_id = frame.user_id or self.user_id
            timestamp = self.turn_timestamp if begins or was_open else frame.timestamp or self.timestamp
            heard = Heard(Part(frame.text, frame.includes_inter_frame_spaces), frame.user_id, timestamp)
            yield from self._gather(heard, self._place())
        yield from self.carry_out(decisions)
        yield from self.show_idle(frame)

    @on(InputTextRawFrame)
    def read(self, frame: InputTextRawFrame) -> Iterator[Effect]:
        if not frame.text.strip():
            return
        if self.writes_as_realtime():
            place = self._place()  # what is typed is never late
            heard = Heard(Part(frame.text), timestamp=self.timestamp)
            yield from self._gather(heard, "new" if place == "late" else place)
            yield frame
            return
        speaks = self.latest_run.is_live or self.slots.open is not None or self.bot_is_speaking
        if speaks and self.params.allow_interruptions and not self.has_ended:
            yield from self.cut_off()
        self.exchange += 1
        heard = Heard(Part(frame.text.strip()), timestamp=self.timestamp)
        yield from self.let_wait((WriteUser((heard,)), RunDue("typed text")))

    def _gather(self, heard: Heard, place: Place) -> Iterator[Effect]:
        yield from self.let(self.policy().transcribed(self.slots, heard, place))

    def _place(self) -> Place:
        """Realtime: where a transcript belongs that comes while an answer is open."""
        response = self.slots.open
        if self.params.late_transcript_window == 0:
            return "gathered"
        if response is None or response.user_has_gone_on:
            return "new"
        is_in_time = self.has_voice_or_turns or self.now - response.opened_at <= self._window
        return "late" if is_in_time else "new"

    @property
    def _window(self) -> float:
        """Seconds after the beginning of an answer within which a transcript belongs before it."""
        window = self.params.late_transcript_window
        return self.ttfs_p99_latency if window is None else window

    # ---- answers

    @on(ResponseOpened)
    def opened(self, message: ResponseOpened) -> Iterator[Effect]:
        yield from self.show_turn(AnswerBegan())
        yield from ContextOwner.opened(self, message)
        if self.writes_as_realtime() and self._window > 0 and not self.has_ended:
            yield After(self._window, WindowOver(message.response_id))

    @on(ResponseClosed)
    def closed(self, message: ResponseClosed) -> Iterator[Effect]:
        yield from ContextOwner.closed(self, message)
        yield from self.switch()

    @on(WindowOver)
    def end_window(self, message: WindowOver) -> Iterator[Effect]:
        if self.slots.open is not None and self.slots.open.response_id == message.response_id:
            yield from self.let(self.policy().window_over(self.slots))

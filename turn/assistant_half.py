"""The assistant half of the pair: behind the output, it gathers what was heard of the bot and what became of its calls.

1. It writes nothing: it says to the user half what is to be written, in the order in which it was heard.
2. What an interruption cut is said in one transaction, which ends with `Flushed`: text, then the entries of calls, then that the
   answer is closed. It waits for nobody.
3. Every handler is plain, and all that it knows is durable.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import ClassVar

import attrs

from ..actors import After, Both, Down, Effect, Fire, actor, durable, on
from ..channels import (
    AssistantImageRawFrame,
    BotStartedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    HeardFrame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMContextAssistantTimestampFrame,
    LLMContextAssistantTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerFrame,
    TextFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserFileRawFrame,
    UserImageRawFrame,
)
from .answer import NOT_OURS, Gathered, Response, is_backchannel, segment_of
from .attachments import file_message, image_message
from .calls import CallFrame, Calls, CallStep, Write
from .context_replica import ContextReplica
from .events import AssistantBackchannelMessage
from .peer_messages import Flushed, Outcome, Park, ResponseClosed, ResponseOpened, RunWanted
from .turn_decisions import Warn

__all__ = ["AssistantHalf"]

log = logging.getLogger("antiphon")


@attrs.frozen
class FlushNow:
    """To itself: nothing was ever heard of the bot, so no HeardFrame will come."""

    epoch: int


@actor
class AssistantHalf(ContextReplica):
    """Gathers what the bot says, and tells the user half what is to be written. Its `context` is a replica."""

    events: ClassVar[tuple[str, ...]] = (
        "on_assistant_turn_started",
        "on_assistant_turn_stopped",
        "on_assistant_message_added",
        "on_assistant_thought",
        "on_assistant_backchannel",
        "on_image_for_call",
        "on_summary_applied",
    )

    gathered: Gathered = durable(Gathered())
    responses: int = durable(0)
    calls: Calls = durable(Calls())
    backchannels: frozenset[str | None] = durable(frozenset())
    """Segments whose backchannel has been told of."""
    bot_has_spoken: bool = durable(False)
    flushed: int = durable(0)

    # ---- an answer

    @on(LLMFullResponseStartFrame)
    def open(self, frame: LLMFullResponseStartFrame) -> Iterator[Effect]:
        if self.response is not None:
            yield from self._close("ended")  # its end got lost
        self.calls = self.calls.without_old()
        yield self._open(frame.run_id)

    @on(TTSStartedFrame)
    def begin_speech(self, frame: TTSStartedFrame) -> Iterator[Effect]:
        yield frame
        if self.response is None:
            if not frame.append_to_context:
                return
            yield self._open(None, is_speech_of_its_own=True)
        assert self.response is not None
        self.response = self.response.with_speech(frame.context_id)

    @on(TTSStoppedFrame)
    def end_speech(self, frame: TTSStoppedFrame) -> Iterator[Effect]:
        yield frame
        if self.response is not None and frame.context_id in self.response.going_on:
            self.response = self.response.without_speech(frame.context_id)
            if not self.response.going_on:
                yield from self._close("ended")

    @on(TextFrame)
    def gather(self, frame: TextFrame) -> Iterator[Effect]:
        if is_backchannel(frame) and (segment := segment_of(frame)) not in self.backchannels:
            self.backchannels |= {segment}
            told = AssistantBackchannelMessage(frame.text.strip(), self.timestamp)
            yield Fire("on_assistant_backchannel", told, view=self.view())
        if frame.append_to_context:
            self.gathered = self.gathered.with_text(frame)

    @on(*NOT_OURS)
    def pass_on(self, frame: TextFrame) -> Frame:
        return frame

    @on(LLMMarkerFrame)
    def mark(self, frame: LLMMarkerFrame) -> Iterator[Effect]:
        if frame.append_to_context_immediately:
            yield self.commit("marker", {"role": "assistant", "content": frame.marker})
        else:
            self.gathered = self.gathered.with_mark(frame.marker)

    @on(LLMFullResponseEndFrame)
    def end_response(self, frame: LLMFullResponseEndFrame) -> Iterator[Effect]:
        if self.response is not None and not self.response.is_speech_of_its_own:
            yield from self._close("failed" if frame.failed else "ended")

    @on(LLMAssistantPushAggregationFrame)
    def write(self, frame: LLMAssistantPushAggregationFrame) -> Iterator[Effect]:
        if self.response is not None and self.response.is_speech_of_its_own:
            yield from self._close("ended")
        else:
            yield from self._write_text(interrupted=False)

    # ---- interruptions

    @on(BotStartedSpeakingFrame)
    def note(self, frame: BotStartedSpeakingFrame) -> Frame:
        self.bot_has_spoken = True
        return frame

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> After | None:
        self.thought = None
        # Without an output that speaks nobody says what was heard: then it is what has come so far.
        return None if self.bot_has_spoken else After(0, FlushNow(self.epoch))

    @on(FlushNow)
    def flush_unheard(self, message: FlushNow) -> Iterator[Effect]:
        # The news that it speaks may have come meanwhile: then its HeardFrame will.
        if not self.bot_has_spoken:
            yield from self._flush(message.epoch, frozenset())

    @on(HeardFrame)
    def flush(self, frame: HeardFrame) -> Iterator[Effect]:
        if frame.epoch > self.flushed:
            if not self.params.drop_partial_sentence:
                self.gathered = self.gathered.with_heard(frame.partial)
            yield from self._flush(frame.epoch, frozenset(frame.going_on))

    def _flush(self, epoch: int, going_on: frozenset[str | None]) -> Iterator[Effect]:
        if epoch <= self.flushed:
            return
        self.flushed = epoch
        if self.response is not None and self.response.contexts & going_on:
            # What may not be interrupted is said to its end; the rest of the answer is over.
            self.response = attrs.evolve(self.response, going_on=self.response.contexts & going_on)
            self.gathered, goes_on = self.gathered.parted(going_on)
            yield from self._write_text(interrupted=True)
            yield from self._enter_all()
            self.gathered = goes_on
        else:
            yield from self._close("interrupted")
            yield from self._enter_all()
            self._forget_stray()
        yield self.tell(Flushed(epoch))

    # ---- the end

    @on(EndFrame)
    def end(self, frame: EndFrame) -> Iterator[Effect]:
        yield from self._end("ended")

    @on(CancelFrame)
    def cancel(self, frame: CancelFrame) -> Iterator[Effect]:
        yield from self._end("interrupted")

    def _end(self, outcome: Outcome) -> Iterator[Effect]:
        self.thought = None
        yield from self._close(outcome)
        yield from self._enter_all()
        yield from self._take(self.calls.over())
        self._forget_stray()
        if self.flushed < self.epoch:
            self.flushed = self.epoch  # no HeardFrame comes any more
            yield self.tell(Flushed(self.epoch))

    # ---- calls

    @on(FunctionCallsStartedFrame, FunctionCallInProgressFrame, FunctionCallResultFrame, FunctionCallCancelFrame)
    def follow_call(self, frame: CallFrame) -> Iterator[Effect]:
        # A realtime service takes the result by itself.
        yield from self._take(self.calls.step(frame, self.context, may_run=not self.is_in_realtime()))

    def _enter_all(self) -> Iterator[Effect]:
        yield from self._take(self.calls.entered(self.calls.unentered()))

    def _take(self, step: CallStep) -> Iterator[Effect]:
        self.calls, news = step
        for each in news:
            match each:
                case Write():
                    if each.kind == "call entries":  # what was said before the calls stands before them
                        yield from self._write_text(interrupted=False)
                    yield self.commit(each.kind, *each.messages, settlement=each.settlement, on_written=each.on_written)
                case RunWanted():
                    yield self.tell(each)
                case Warn():
                    log.warning("%s: %s", self.address, each.text)

    # ---- images and files

    @on(UserImageRawFrame, UserFileRawFrame)
    def take_attachment(self, frame: UserImageRawFrame | UserFileRawFrame) -> Iterator[Effect]:
        if isinstance(frame, UserImageRawFrame) and (call := self.calls.asking_for(frame)) is not None:
            assert frame.request is not None
            self.calls = self.calls.shown(call, frame)
            yield Fire("on_image_for_call", frame.request.result_callback, view=self.view())
            return
        if not frame.append_to_context:
            return
        message = image_message(frame) if isinstance(frame, UserImageRawFrame) else file_message(frame)
        yield from self._write_text(interrupted=False)
        yield self.commit("image", message)
        if frame.run_llm is not False:
            yield self.tell(RunWanted("attachment"))

    @on(AssistantImageRawFrame)
    def show(self, frame: AssistantImageRawFrame) -> Iterator[Effect]:
        yield from self._write_text(interrupted=False)
        yield self.commit("image", image_message(frame, role="assistant"))

    # ---- what is said to the user half

    def _open(self, run_id: int | None, *, is_speech_of_its_own: bool = False) -> Effect:
        self.responses += 1
        self.response = Response(self.responses, run_id, self.timestamp, is_speech_of_its_own)
        self.backchannels = frozenset()
        return self.tell(ResponseOpened(self.response.id, run_id, self.response.timestamp))

    def _close(self, outcome: Outcome) -> Iterator[Effect]:
        """Write what is left of an answer, and say that it is over."""
        if self.response is None and self.gathered.was_heard:
            yield self._open(None)  # its beginning was dropped by the interruption, while nobody was here to take it
        if self.response is None:
            return
        if self.is_in_realtime() and outcome != "interrupted":
            yield from self._write_text(interrupted=False, parks=True)
        else:
            yield from self._write_text(interrupted=outcome == "interrupted")
        response, self.response = self.response, None
        yield self.tell(ResponseClosed(response.id, outcome, response.run_id, response.content, response.timestamp))

    def _forget_stray(self) -> None:
        """Text that nobody has heard and that belongs to no answer waits for the next one, but not beyond this."""
        if self.gathered.parts:
            log.warning("%s: text outside an answer is dropped: %r", self.address, self.gathered.text)
            self.gathered = attrs.evolve(self.gathered, parts=())

    def _write_text(self, *, interrupted: bool, parks: bool = False) -> Iterator[Effect]:
        """What is gathered, as one message. Outside an answer it waits for the next one."""
        response, gathered = self.response, self.gathered
        if response is None or not gathered:
            return
        text, content = gathered.text, gathered.content
        self.response, self.gathered = response.with_segment(text), Gathered()
        if parks:
            self.commits += 1
            yield self.tell(Park(self.commits, response.id, content, response.timestamp, text))
        else:
            message = {"role": "assistant", "content": content}
            yield self.commit("assistant text", message, interrupted=interrupted, told=text)
        yield Down(LLMContextAssistantTimestampFrame(self.timestamp))
        if text:
            yield Both(LLMContextAssistantTurnFrame(text, response.timestamp))

    def has_function_calls_in_progress(self) -> bool:
        return self.calls.are_in_progress

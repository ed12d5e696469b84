"""The assistant half of the pair: behind the output, it gathers what was heard of the bot and what became of its calls.

1. It writes nothing: it says to the user half what is to be written, in the order in which it was heard.
2. What an interruption cut is said in one transaction, which ends with `Flushed`: text, then the entries of calls, then that the
   answer is closed. It waits for nobody.
3. Every handler is plain, and all that it knows is durable.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import attrs

from ..actors import Actor, Address, After, Both, Down, Effect, Fire, To, actor, durable, on
from ..channels import (
    AggregatedTextFrame,
    AssistantImageRawFrame,
    BotStartedSpeakingFrame,
    CancelFrame,
    EagerTranscriptionFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    HeardFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMContext,
    LLMContextAssistantTimestampFrame,
    LLMContextAssistantTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerFrame,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMServiceMetadataFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMThoughtEndFrame,
    LLMThoughtStartFrame,
    LLMThoughtTextFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    RealtimeServiceMetadataFrame,
    StartFrame,
    TextFrame,
    TranscriptionFrame,
    TranslationFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserBackchannelFrame,
    UserFileRawFrame,
    UserImageRawFrame,
)
from .attachments import file_message, image_message
from .call_entries import call_messages, place_of, result_text
from .events import AssistantBackchannelMessage, AssistantThoughtMessage, HalfView
from .joining import Part, join
from .pair_params import LLMAssistantAggregatorParams
from .peer_messages import (
    Commit,
    CommitKind,
    Committed,
    Edit,
    Flushed,
    HalfStarted,
    Outcome,
    Park,
    Resolving,
    ResponseClosed,
    ResponseOpened,
    RunWanted,
    Settlement,
)
from .realtime_mode import RealtimeMode, announces_realtime, config_in_force

__all__ = ["AssistantHalf"]

log = logging.getLogger("antiphon")


@attrs.frozen
class Response:
    """An answer, from its first sign until nothing more of it will come."""

    id: int
    run_id: int | None
    timestamp: str
    is_speech_of_its_own: bool = False
    """Nobody ran the model for it: the application spoke."""
    contexts: frozenset[str | None] = frozenset()
    """Its syntheses so far."""
    going_on: frozenset[str | None] = frozenset()
    """After an interruption: those that may not be interrupted. With the last one it is over."""
    segments: tuple[str, ...] = ()
    """What of it is written already."""


@attrs.frozen
class Call:
    """A call until it is both entered and settled."""

    call: FunctionCallFromLLM
    is_entered: bool = False
    is_running: bool = False
    """Its FunctionCallInProgressFrame has come."""
    settlement: Settlement | None = None
    run: RunWanted | None = None
    """What its outcome asks for."""
    on_written: Any = None
    """Called when its result stands in the context."""
    image: UserImageRawFrame | None = None
    """What it has asked for, and will stand behind its result."""


@attrs.frozen
class Thought:
    """Reasoning that isn't complete."""

    append_to_context: bool
    llm: str | None
    parts: tuple[Part, ...] = ()


@attrs.frozen
class FlushNow:
    """To itself: nothing was ever heard of the bot, so no HeardFrame will come."""

    epoch: int


NOT_OURS = (
    TranscriptionFrame,
    InterimTranscriptionFrame,
    EagerTranscriptionFrame,
    TranslationFrame,
    UserBackchannelFrame,
    InputTextRawFrame,
)
"""Text frames that aren't the bot's."""


@actor
class AssistantHalf(Actor):
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

    user: Address
    params: LLMAssistantAggregatorParams = attrs.field(factory=LLMAssistantAggregatorParams, kw_only=True)
    mode: RealtimeMode = attrs.field(default=None, kw_only=True)

    context: LLMContext = durable(LLMContext())
    parts: tuple[Part, ...] = durable(())
    response: Response | None = durable(None)
    responses: int = durable(0)
    commits: int = durable(0)
    calls: tuple[Call, ...] = durable(())
    thought: Thought | None = durable(None)
    marks: tuple[str, ...] = durable(())
    """What is written before the text in hand, and isn't part of it for anybody but the model."""
    backchannels: frozenset[str | None] = durable(frozenset())
    """Segments whose backchannel has been told of."""
    bot_has_spoken: bool = durable(False)
    flushed: int = durable(0)
    is_realtime: bool = durable(False)
    """A realtime service has announced itself."""
    resolved: tuple[type[Frame], ...] = durable(())
    """Proposals that the user half decides on: they go no further."""

    # ---- an answer

    @on(LLMFullResponseStartFrame)
    def open(self, frame: LLMFullResponseStartFrame) -> Iterator[Effect]:
        if self.response is not None:
            yield from self._close("ended")  # its end got lost
        # Calls of earlier answers are done with when both sides of them are: their frames can't come any more.
        self.calls = tuple(call for call in self.calls if call.settlement is None or not call.is_entered)
        yield self._open(frame.run_id)

    @on(TTSStartedFrame)
    def begin_speech(self, frame: TTSStartedFrame) -> Iterator[Effect]:
        yield frame
        if self.response is None:
            if not frame.append_to_context:
                return
            yield self._open(None, is_speech_of_its_own=True)
        assert self.response is not None
        self.response = attrs.evolve(self.response, contexts=self.response.contexts | {frame.context_id})

    @on(TTSStoppedFrame)
    def end_speech(self, frame: TTSStoppedFrame) -> Iterator[Effect]:
        yield frame
        response = self.response
        if response is not None and frame.context_id in response.going_on:
            self.response = attrs.evolve(response, going_on=response.going_on - {frame.context_id})
            if not self.response.going_on:
                yield from self._close("ended")

    @on(TextFrame)
    def gather(self, frame: TextFrame) -> Iterator[Effect]:
        if isinstance(frame, AggregatedTextFrame) and frame.text_type == "backchannel" and frame.text.strip():
            segment = getattr(frame, "segment_id", None) or frame.context_id
            if segment not in self.backchannels:
                self.backchannels |= {segment}
                told = AssistantBackchannelMessage(frame.text.strip(), self.timestamp)
                yield Fire("on_assistant_backchannel", told, view=self._view())
        if not frame.append_to_context:
            return
        text, context_id = frame.text, None
        if isinstance(frame, AggregatedTextFrame):
            text, context_id = frame.raw_text or frame.text, frame.context_id
        if text:
            is_heard = isinstance(frame, TTSTextFrame)
            self.parts = (*self.parts, Part(text, frame.includes_inter_frame_spaces, context_id, is_heard))

    @on(*NOT_OURS)
    def pass_on(self, frame: TextFrame) -> Frame:
        return frame

    @on(LLMFullResponseEndFrame)
    def end_response(self, frame: LLMFullResponseEndFrame) -> Iterator[Effect]:
        if self.response is not None and not self.response.is_speech_of_its_own:
            yield from self._close("failed" if frame.failed else "ended")

    @on(LLMAssistantPushAggregationFrame)
    def write(self, frame: LLMAssistantPushAggregationFrame) -> Iterator[Effect]:
        if self.response is not None and self.response.is_speech_of_its_own:
            yield from self._close("ended")
        else:
            yield from self._commit_text(interrupted=False)

    @on(LLMMarkerFrame)
    def mark(self, frame: LLMMarkerFrame) -> Iterator[Effect]:
        if frame.append_to_context_immediately:
            yield self._commit("marker", {"role": "assistant", "content": frame.marker})
        else:
            self.marks = (*self.marks, frame.marker)

    # ---- reasoning

    @on(LLMThoughtStartFrame)
    def begin_thought(self, frame: LLMThoughtStartFrame) -> None:
        self.thought = Thought(frame.append_to_context, frame.llm)

    @on(LLMThoughtTextFrame)
    def think(self, frame: LLMThoughtTextFrame) -> None:
        if self.thought is not None:
            part = Part(frame.text, frame.includes_inter_frame_spaces)
            self.thought = attrs.evolve(self.thought, parts=(*self.thought.parts, part))

    @on(LLMThoughtEndFrame)
    def end_thought(self, frame: LLMThoughtEndFrame) -> Iterator[Effect]:
        thought, self.thought = self.thought, None
        if thought is None:
            return
        text = join(thought.parts)
        if thought.append_to_context:
            message = {"type": "thought", "text": text, "signature": frame.signature}
            yield self._commit("thought", {"role": "assistant", "llm": thought.llm, "message": message})
        yield Fire("on_assistant_thought", AssistantThoughtMessage(text, self.timestamp), view=self._view())

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
            partial = () if self.params.drop_partial_sentence else frame.partial
            self.parts += tuple(Part(text, context_id=context, is_heard=True) for context, text in partial)
            yield from self._flush(frame.epoch, frozenset(frame.going_on))

    def _flush(self, epoch: int, going_on: frozenset[str | None]) -> Iterator[Effect]:
        if epoch <= self.flushed:
            return
        self.flushed = epoch
        response = self.response
        if response is not None and response.contexts & going_on:
            # What may not be interrupted is said to its end; the rest of the answer is over.
            self.response = attrs.evolve(response, going_on=response.contexts & going_on)
            heard = tuple(part for part in self.parts if part.context_id not in going_on)
            goes_on = tuple(part for part in self.parts if part.context_id in going_on)
            self.parts = heard
            yield from self._commit_text(interrupted=True)
            self.parts = goes_on
            yield from self._enter_all()
        else:
            yield from self._close("interrupted")
            yield from self._enter_all()
            self._forget_stray()
        yield self._tell(Flushed(epoch))

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
        yield from self._settle_rest()
        self._forget_stray()
        if self.flushed < self.epoch:
            self.flushed = self.epoch  # no HeardFrame comes any more
            yield self._tell(Flushed(self.epoch))

    # ---- calls

    @on(FunctionCallsStartedFrame)
    def announce(self, frame: FunctionCallsStartedFrame) -> None:
        known = {call.call.tool_call_id for call in self.calls}
        self.calls += tuple(Call(call) for call in frame.function_calls if call.tool_call_id not in known)

    @on(FunctionCallInProgressFrame)
    def enter(self, frame: FunctionCallInProgressFrame) -> Iterator[Effect]:
        call = self._call(frame.tool_call_id)
        if call is None and place_of(self.context, frame.tool_call_id) is not None:
            log.warning("%s: %s stands in the context already; it isn't entered again.", self.address, _named(frame))
            return
        if call is None:
            made = FunctionCallFromLLM(
                frame.function_name,
                frame.tool_call_id,
                frame.arguments,
                cancel_on_interruption=frame.cancel_on_interruption,
                group_id=frame.group_id,
            )
            call = Call(made)
            self.calls += (call,)
        self._replace(attrs.evolve(call, is_running=True))
        if not call.is_entered:
            yield from self._commit_text(interrupted=False)
            yield from self._enter(frozenset({frame.tool_call_id}))

    @on(FunctionCallResultFrame)
    def settle(self, frame: FunctionCallResultFrame) -> Iterator[Effect]:
        call = self._call(frame.tool_call_id)
        if call is None or call.settlement is not None:
            log.warning(
                "%s: a result came for %s, which isn't in progress; it is ignored.", self.address, _named(frame)
            )
            return
        properties = frame.properties
        if properties is not None and not properties.is_final:
            yield from self._tell_news(call, frame)
            return
        is_async = not call.call.cancel_on_interruption
        settlement = Settlement(frame.tool_call_id, "result", result_text(frame.result), is_async)
        wants = RunWanted("function call result", (frame.tool_call_id,)) if self._result_runs(call, frame) else None
        callback = None if properties is None else properties.on_context_updated
        call = attrs.evolve(call, settlement=settlement, run=wants, on_written=callback)
        self._replace(call)
        if call.is_entered:
            yield from self._tell_settled(call)
            self._forget_done()

    @on(FunctionCallCancelFrame)
    def cancel_call(self, frame: FunctionCallCancelFrame) -> Iterator[Effect]:
        call = self._call(frame.tool_call_id)
        if call is None or call.settlement is not None:
            log.warning("%s: %s was cancelled, which isn't in progress.", self.address, _named(frame))
            return
        settlement = Settlement(frame.tool_call_id, "cancelled", is_async=not call.call.cancel_on_interruption)
        runs = frame.run_llm and not self._siblings_run(call) and not self._is_realtime()
        wants = RunWanted("function call cancelled", (frame.tool_call_id,)) if runs else None
        call = attrs.evolve(call, settlement=settlement, run=wants, image=None)
        self._replace(call)
        if call.is_entered:
            yield from self._tell_settled(call)
            self._forget_done()

    def _tell_settled(self, call: Call) -> Iterator[Effect]:
        yield self._commit("call result", settlement=call.settlement, on_written=call.on_written)
        wants = call.run
        if call.image is not None:
            yield self._commit("image", image_message(call.image))
            wants = RunWanted("image for a call") if call.image.run_llm is not False else wants
        if wants is not None:
            yield self._tell(wants)

    def _tell_news(self, call: Call, frame: FunctionCallResultFrame) -> Iterator[Effect]:
        if call.call.cancel_on_interruption or not frame.result:
            why = "it is empty" if not frame.result else "only calls that an interruption doesn't cancel can have any"
            log.warning("%s: news of %s are ignored: %s.", self.address, _named(frame), why)
            return
        news = Settlement(frame.tool_call_id, "news", result_text(frame.result), True)
        yield self._commit("developer", settlement=news)

    def _result_runs(self, call: Call, frame: FunctionCallResultFrame) -> bool:
        """Whether the model is to be run on a result."""
        if self._is_realtime():
            return False  # such a service takes the result by itself
        asked = frame.properties.run_llm if frame.properties is not None else None
        if asked is None:
            asked = frame.run_llm
        return not self._siblings_run(call) if asked is None else asked

    def _siblings_run(self, call: Call) -> bool:
        """Whether another call of the same answer isn't settled."""
        group = call.call.group_id
        return group is not None and any(
            other.call.group_id == group and other.settlement is None and other.call is not call.call
            for other in self.calls
        )

    def _enter_all(self) -> Iterator[Effect]:
        yield from self._enter(frozenset(call.call.tool_call_id for call in self.calls if not call.is_entered))

    def _enter(self, call_ids: frozenset[str]) -> Iterator[Effect]:
        """Write the entries of these calls, with what has become of them already."""
        those = [call for call in self.calls if call.call.tool_call_id in call_ids and not call.is_entered]
        if not those:
            return
        is_cancelled = [call.settlement is not None and call.settlement.kind == "cancelled" for call in those]
        entries = call_messages((call.call, cancelled) for call, cancelled in zip(those, is_cancelled, strict=True))
        yield self._commit("call entries", *entries)
        for call, cancelled in zip(those, is_cancelled, strict=True):
            self._replace(attrs.evolve(call, is_entered=True))
            if call.settlement is not None and not cancelled:
                yield from self._tell_settled(call)
            elif call.run is not None:
                yield self._tell(call.run)
        self._forget_done()

    def _settle_rest(self) -> Iterator[Effect]:
        """The session is over, and whoever ran these calls has told nothing of them: it died, or was given up."""
        for call in self.calls:
            if call.settlement is None:
                is_async = not call.call.cancel_on_interruption
                yield self._commit(
                    "call result", settlement=Settlement(call.call.tool_call_id, "cancelled", is_async=is_async)
                )
        self.calls = ()

    def _call(self, call_id: str) -> Call | None:
        return next((call for call in self.calls if call.call.tool_call_id == call_id), None)

    def _replace(self, call: Call) -> None:
        call_id = call.call.tool_call_id
        self.calls = tuple(call if each.call.tool_call_id == call_id else each for each in self.calls)

    def _forget_done(self) -> None:
        """A settled call is remembered until its InProgress has come: that mustn't enter it again."""
        self.calls = tuple(
            call for call in self.calls if not (call.is_entered and call.is_running and call.settlement is not None)
        )

    # ---- images and files

    @on(UserImageRawFrame, UserFileRawFrame)
    def take_attachment(self, frame: UserImageRawFrame | UserFileRawFrame) -> Iterator[Effect]:
        if isinstance(frame, UserImageRawFrame) and (call := self._asking_call(frame)) is not None:
            assert frame.request is not None
            self._replace(attrs.evolve(call, image=frame))
            yield Fire("on_image_for_call", frame.request.result_callback, view=self._view())
            return
        if not frame.append_to_context:
            return
        message = image_message(frame) if isinstance(frame, UserImageRawFrame) else file_message(frame)
        yield from self._commit_text(interrupted=False)
        yield self._commit("image", message)
        if frame.run_llm is not False:
            yield self._tell(RunWanted("attachment"))

    def _asking_call(self, frame: UserImageRawFrame) -> Call | None:
        """The call in progress that has asked for this image, and gets it as its result."""
        request = frame.request
        if request is None or request.tool_call_id is None or request.result_callback is None:
            return None
        call = self._call(request.tool_call_id)
        return call if call is not None and call.settlement is None else None

    @on(AssistantImageRawFrame)
    def show(self, frame: AssistantImageRawFrame) -> Iterator[Effect]:
        yield from self._commit_text(interrupted=False)
        yield self._commit("image", image_message(frame, role="assistant"))

    # ---- edits that come this way

    @on(LLMMessagesAppendFrame)
    def append(self, frame: LLMMessagesAppendFrame) -> Effect:
        return self._tell(Edit(append=frame.messages, run=bool(frame.run_llm)))

    @on(LLMMessagesUpdateFrame)
    def update(self, frame: LLMMessagesUpdateFrame) -> Effect:
        return self._tell(Edit(kind="update", update=frame.messages, run=bool(frame.run_llm)))

    @on(LLMMessagesTransformFrame)
    def transform(self, frame: LLMMessagesTransformFrame) -> Effect:
        return self._tell(Edit(kind="transform", transform=frame.transform, run=bool(frame.run_llm)))

    @on(LLMSetToolsFrame)
    def set_tools(self, frame: LLMSetToolsFrame) -> Effect:
        return self._tell(Edit(kind="tools", tools=frame.tools, notes_tools=self.params.add_tool_change_messages))

    @on(LLMSetToolChoiceFrame)
    def set_tool_choice(self, frame: LLMSetToolChoiceFrame) -> Effect:
        return self._tell(Edit(kind="tool choice", tool_choice=frame.tool_choice))

    @on(LLMRunFrame)
    def run(self, frame: LLMRunFrame) -> Effect:
        return self._tell(RunWanted("run frame"))

    # ---- the other half

    @on(Committed)
    def keep(self, message: Committed) -> None:
        self.context = message.context

    @on(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame)
    def hear_of_service(self, frame: LLMServiceMetadataFrame | RealtimeServiceMetadataFrame) -> Frame:
        self.is_realtime = self.is_realtime or announces_realtime(frame)
        return frame

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Effect:
        return self._tell(HalfStarted(self.mode))

    @on(Resolving)
    def learn(self, message: Resolving) -> None:
        self.resolved = message.kinds

    @on(ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame)
    def pass_unless_resolved(self, frame: Frame) -> Frame | None:
        return None if isinstance(frame, self.resolved) else frame

    def _is_realtime(self) -> bool:
        config = config_in_force(self.mode, is_announced=self.is_realtime)
        return config is not None and not config.context_writes_await_turns

    # ---- what is said to it

    def _open(self, run_id: int | None, *, is_speech_of_its_own: bool = False) -> Effect:
        self.responses += 1
        self.response = Response(self.responses, run_id, self.timestamp, is_speech_of_its_own)
        self.backchannels = frozenset()
        return self._tell(ResponseOpened(self.response.id, run_id, self.response.timestamp))

    def _close(self, outcome: Outcome) -> Iterator[Effect]:
        """Write what is left of an answer, and say that it is over."""
        if self.response is None and any(part.is_heard for part in self.parts):
            yield self._open(None)  # its beginning was dropped by the interruption, while nobody was here to take it
        response = self.response
        if response is None:
            return
        if self._is_realtime() and outcome != "interrupted":
            yield from self._park()
        else:
            yield from self._commit_text(interrupted=outcome == "interrupted")
        assert self.response is not None
        content = " ".join(self.response.segments)
        self.response = None
        yield self._tell(ResponseClosed(response.id, outcome, response.run_id, content, response.timestamp))

    def _forget_stray(self) -> None:
        """Text that nobody has heard and that belongs to no answer waits for the next one, but not beyond this."""
        if self.parts:
            log.warning("%s: text outside an answer is dropped: %r", self.address, join(self.parts))
            self.parts = ()

    def _commit_text(self, *, interrupted: bool) -> Iterator[Effect]:
        """What is gathered, as one message. Outside an answer it waits for the next one."""
        response = self.response
        text = join(self.parts)
        if response is None or not (text or self.marks):
            return
        message = {"role": "assistant", "content": self._take_text(response, text)}
        yield self._commit("assistant text", message, interrupted=interrupted, response=response, told=text)
        yield from self._news_of(text, response)

    def _park(self) -> Iterator[Effect]:
        response = self.response
        text = join(self.parts)
        if response is None or not (text or self.marks):
            return
        self.commits += 1
        yield self._tell(Park(self.commits, response.id, self._take_text(response, text), response.timestamp, text))
        yield from self._news_of(text, response)

    def _take_text(self, response: Response, text: str) -> str:
        content = " ".join([*self.marks, *([text] if text else [])])
        self.parts, self.marks = (), ()
        if text:
            self.response = attrs.evolve(response, segments=(*response.segments, text))
        return content

    def _news_of(self, text: str, response: Response) -> Iterator[Effect]:
        yield Down(LLMContextAssistantTimestampFrame(self.timestamp))
        if text:
            yield Both(LLMContextAssistantTurnFrame(text, response.timestamp))

    def _commit(
        self,
        kind: CommitKind,
        *messages: object,
        settlement: Settlement | None = None,
        interrupted: bool = False,
        response: Response | None = None,
        on_written: object = None,
        told: str = "",
    ) -> Effect:
        self.commits += 1
        of = response if response is not None else self.response
        commit = Commit(
            self.commits,
            None if of is None else of.id,
            kind,
            messages,
            settlement,
            interrupted,
            None if of is None else of.timestamp,
            on_written,
            told,
        )
        return self._tell(commit)

    def _tell(self, message: object) -> To:
        return To(self.user, message)

    def _view(self) -> HalfView:
        return HalfView(self.address, self.context, any(call.settlement is None for call in self.calls))


def _named(frame: FunctionCallInProgressFrame | FunctionCallResultFrame | FunctionCallCancelFrame) -> str:
    return f"{frame.function_name} ({frame.tool_call_id})"

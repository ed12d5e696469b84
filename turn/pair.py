"""The context-aggregator pair: a user half before the language model, an assistant half after the output.

1. The user half owns the context and starts every run; the assistant half says what was heard. They exchange messages, never a lock.
2. What an interruption cut is written before the words that interrupted it: until `Flushed` has come the user half holds its writes.
3. Every handler is plain, so a transaction, and all that a half knows is durable: a kill at any delivery changes nothing.
"""

from __future__ import annotations

import json
from typing import Literal

import attrs

from ..actors import Actor, Address, After, Both, Down, Effect, Interrupt, To, actor, durable, on
from ..channels import (
    BotStartedSpeakingFrame,
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    HeardFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMRunFrame,
    TextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from .peer_messages import Commit, Flushed, Patch, ResponseClosed, ResponseOpened, RunWanted

__all__ = ["AssistantHalf", "LLMContextAggregatorPair", "UserHalf"]

IN_PROGRESS, CANCELLED = "IN_PROGRESS", "CANCELLED"


@attrs.frozen
class _TurnTimeout:
    """To itself: the user has been silent long enough, whatever was transcribed."""


@attrs.frozen
class _FlushNow:
    """To itself: nothing was ever heard of the bot, so no HeardFrame will come."""

    epoch: int


@attrs.frozen
class _Held:
    """A user message, or a run, that waits for the flush."""

    text: str | None


@actor
class UserHalf(Actor):
    """Owns the context: writes what the user said and what the assistant half commits, and starts the runs."""

    context: LLMContext
    turn_timeout: float = attrs.field(default=1.0, kw_only=True)
    """Seconds of silence after which a turn ends without a transcript that could still come."""

    current: LLMContext | None = durable(None)
    gathered: tuple[str, ...] = durable(())
    in_turn: bool = durable(False)
    is_speaking: bool = durable(False)
    awaited: int = durable(0)
    """The newest epoch whose flush must come before anything is written."""
    flushed: int = durable(0)
    held: tuple[_Held, ...] = durable(())
    run_id: int = durable(0)
    is_live: bool = durable(False)
    """Whether the last run isn't over."""
    owes_run: bool = durable(False)
    """A run is to follow as soon as nobody speaks."""
    has_cut: bool = durable(False)
    """Whether the turn cut an answer off."""
    has_recovered: bool = durable(False)
    """Whether the last turn without words was answered by going on: one in a row is."""
    has_retried: bool = durable(False)
    """Whether the last answer failed: one in a row is asked for once more."""
    has_ended: bool = durable(False)

    @on(VADUserStartedSpeakingFrame)
    def begin(self, frame: VADUserStartedSpeakingFrame) -> list[Effect]:
        self.is_speaking = True
        return [frame, After(None, _TurnTimeout()), *self._begin_turn()]

    @on(VADUserStoppedSpeakingFrame)
    def pause(self, frame: VADUserStoppedSpeakingFrame) -> list[Effect]:
        self.is_speaking = False
        return [frame, After(self.turn_timeout, _TurnTimeout())] if self.in_turn else [frame]

    @on(InterimTranscriptionFrame)
    def ignore(self, frame: InterimTranscriptionFrame) -> None: ...

    @on(TranscriptionFrame)
    def hear(self, frame: TranscriptionFrame) -> list[Effect]:
        if not frame.text.strip():
            return []
        effects = self._begin_turn()
        self.gathered = (*self.gathered, frame.text.strip())
        return effects if self.is_speaking else [*effects, *self._end_turn()]

    @on(_TurnTimeout)
    def give_up_waiting(self, message: _TurnTimeout) -> list[Effect]:
        return self._end_turn() if self.in_turn and not self.is_speaking else []

    @on(InterruptionFrame)
    def await_flush(self, frame: InterruptionFrame) -> None:
        self.awaited = max(self.awaited, self.epoch)
        self.is_live = False

    @on(LLMRunFrame)
    def run(self, frame: LLMRunFrame) -> list[Effect]:
        return self._write_or_hold(None)

    @on(Commit)
    def commit(self, message: Commit) -> list[Effect]:
        return self._write(self._context().append(*message.messages))

    @on(Patch)
    def patch(self, message: Patch) -> list[Effect]:
        return self._write(self._context().with_tool_result(message.tool_call_id, message.content))

    @on(ResponseOpened)
    def opened(self, message: ResponseOpened) -> None: ...

    @on(ResponseClosed)
    def closed(self, message: ResponseClosed) -> list[Effect]:
        if message.run_id in (None, self.run_id):
            self.is_live = False
            if message.outcome == "failed" and not self.has_retried:
                self.has_retried, self.owes_run = True, True
            elif message.outcome == "ended":
                self.has_retried = False
        return self._run_if_owed()

    @on(RunWanted)
    def want(self, message: RunWanted) -> list[Effect]:
        self.owes_run = True
        return self._run_if_owed()

    @on(Flushed)
    def release(self, message: Flushed) -> list[Effect]:
        self.flushed = max(self.flushed, message.epoch)
        if self.flushed < self.awaited:
            return []
        held, self.held = self.held, ()
        effects: list[Effect] = []
        for each in held:
            if each.text is not None:
                effects += self._write_user(each.text)
            self.owes_run = True
        return [*effects, *self._run_if_owed()]

    @on(EndFrame, CancelFrame)
    def end(self, frame: Frame) -> list[Effect]:
        text = " ".join(self.gathered)
        self.gathered, self.has_ended = (), True
        if not text:
            return []
        if self.flushed < self.awaited:
            # It is written when the flush has come: what the assistant half says until the very end is taken.
            self.held = (*self.held, _Held(text))
            return []
        return self._write_user(text)

    def _context(self) -> LLMContext:
        return self.current if self.current is not None else self.context

    def _begin_turn(self) -> list[Effect]:
        if self.in_turn or self.has_ended:
            return []
        self.in_turn, self.has_cut = True, self.is_live
        # A turn drops the runs that wait for a flush, as it would have cut them, but none of the messages.
        self.held = tuple(each for each in self.held if each.text is not None)
        # An interruption begins the next epoch; what is written from here on waits for its flush.
        self.awaited, self.is_live = self.epoch + 1, False
        return [Both(UserStartedSpeakingFrame()), Interrupt()]

    def _end_turn(self) -> list[Effect]:
        text = " ".join(self.gathered)
        self.in_turn, self.gathered = False, ()
        effects: list[Effect] = [After(None, _TurnTimeout()), Both(UserStoppedSpeakingFrame())]
        if text:
            self.has_recovered = False
            return [*effects, *self._write_or_hold(text)]
        if self.has_cut and not self.has_recovered:
            # A cough must not leave the bot mute: it goes on.
            self.has_recovered, self.owes_run = True, True
        return [*effects, *self._run_if_owed()]

    def _write_or_hold(self, text: str | None) -> list[Effect]:
        if self.flushed < self.awaited:
            self.held = (*self.held, _Held(text))
            return []
        if text is None:
            return self._run()
        return [*self._write_user(text), *self._run()]

    def _write_user(self, text: str) -> list[Effect]:
        return self._write(self._context().append({"role": "user", "content": text}))

    def _write(self, context: LLMContext) -> list[Effect]:
        self.current = context
        return [Both(ContextCommittedFrame(context, context.version))]

    def _run_if_owed(self) -> list[Effect]:
        waits = self.in_turn or self.is_live or self.flushed < self.awaited
        return self._run() if self.owes_run and not waits else []

    def _run(self) -> list[Effect]:
        if self.has_ended:
            return []
        effects: list[Effect] = [Down(LLMRunCancelFrame(self.run_id))] if self.is_live else []
        self.run_id, self.is_live, self.owes_run = self.run_id + 1, True, False
        return [*effects, Down(LLMContextFrame(self._context(), run_id=self.run_id))]


@actor
class AssistantHalf(Actor):
    """Gathers what was heard of the bot and what its calls gave, and says so to the user half."""

    user: Address

    parts: tuple[str, ...] = durable(())
    is_open: bool = durable(False)
    run_id: int | None = durable(None)
    bot_has_spoken: bool = durable(False)
    flushed: int = durable(0)
    announced: tuple[FunctionCallFromLLM, ...] = durable(())
    """Calls whose entries aren't written yet: they stand behind what is said before them."""
    entered: frozenset[str] = durable(frozenset())
    cancelled: frozenset[str] = durable(frozenset())
    """Those of the announced ones that won't run."""

    @on(LLMFullResponseStartFrame)
    def open(self, frame: LLMFullResponseStartFrame) -> list[Effect]:
        effects = self._close("ended") if self.is_open else []
        self.is_open, self.run_id = True, frame.run_id
        return [*effects, self._tell(ResponseOpened(frame.run_id))]

    @on(TextFrame)
    def gather(self, frame: TextFrame) -> None:
        if frame.append_to_context and frame.text:
            spaced = frame.includes_inter_frame_spaces or not self.parts
            self.parts = (*self.parts, frame.text if spaced else f" {frame.text}")

    @on(LLMFullResponseEndFrame)
    def end(self, frame: LLMFullResponseEndFrame) -> list[Effect]:
        return self._close("failed" if frame.failed else "ended")

    @on(BotStartedSpeakingFrame)
    def note(self, frame: BotStartedSpeakingFrame) -> Frame:
        self.bot_has_spoken = True
        return frame

    @on(InterruptionFrame)
    def interrupted(self, frame: InterruptionFrame) -> After | None:
        # Without an output that speaks nobody says what was heard: then it is what has come so far.
        return None if self.bot_has_spoken else After(0, _FlushNow(self.epoch))

    @on(_FlushNow)
    def flush_unheard(self, message: _FlushNow) -> list[Effect]:
        # The news that it speaks may have come meanwhile: then its HeardFrame will.
        return [] if self.bot_has_spoken else self._flush(message.epoch)

    @on(HeardFrame)
    def flush(self, frame: HeardFrame) -> list[Effect]:
        if frame.epoch <= self.flushed:
            return []
        for _, text in frame.partial:
            self.parts = (*self.parts, f" {text}" if self.parts else text)
        return self._flush(frame.epoch)

    @on(EndFrame)
    def finish(self, frame: EndFrame) -> list[Effect]:
        return self._close("ended")

    @on(CancelFrame)
    def stop(self, frame: CancelFrame) -> list[Effect]:
        return self._close("interrupted")

    @on(FunctionCallsStartedFrame)
    def announce(self, frame: FunctionCallsStartedFrame) -> Frame:
        self.announced = (*self.announced, *frame.function_calls)
        return frame

    @on(FunctionCallInProgressFrame)
    def enter(self, frame: FunctionCallInProgressFrame) -> list[Effect]:
        return [*self._commit_text(interrupted=False), *self._enter({frame.tool_call_id})]

    @on(FunctionCallResultFrame)
    def settle(self, frame: FunctionCallResultFrame) -> list[Effect]:
        content = frame.error or (frame.result if isinstance(frame.result, str) else json.dumps(frame.result))
        effects = [*self._enter({frame.tool_call_id}), *self._patch(frame.tool_call_id, content)]
        if frame.run_llm is not False and frame.tool_call_id in self.entered:
            effects.append(self._tell(RunWanted("function call result")))
        return effects

    @on(FunctionCallCancelFrame)
    def cancel_call(self, frame: FunctionCallCancelFrame) -> list[Effect]:
        if any(call.tool_call_id == frame.tool_call_id for call in self.announced):
            self.cancelled |= {frame.tool_call_id}
            return []
        return self._patch(frame.tool_call_id, CANCELLED)

    def _flush(self, epoch: int) -> list[Effect]:
        if epoch <= self.flushed:
            return []
        self.flushed = epoch
        return [*self._close("interrupted"), self._tell(Flushed(epoch))]

    def _close(self, outcome: Literal["ended", "interrupted", "failed"]) -> list[Effect]:
        """Write what is left of an answer: what was heard, then its calls."""
        effects = self._commit_text(interrupted=outcome == "interrupted")
        effects += self._enter({call.tool_call_id for call in self.announced})
        if self.is_open:
            self.is_open = False
            effects.append(self._tell(ResponseClosed(self.run_id, outcome)))
        return effects

    def _commit_text(self, *, interrupted: bool) -> list[Effect]:
        text = "".join(self.parts).strip()
        self.parts = ()
        return [self._tell(Commit(({"role": "assistant", "content": text},), interrupted))] if text else []

    def _enter(self, call_ids: set[str]) -> list[Effect]:
        """Write the entries of calls that were announced and aren't entered yet: the call, and a place for its result."""
        calls = tuple(call for call in self.announced if call.tool_call_id in call_ids)
        if not calls:
            return []
        self.announced = tuple(call for call in self.announced if call not in calls)
        written = {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.tool_call_id,
                    "type": "function",
                    "function": {"name": call.function_name, "arguments": json.dumps(call.arguments)},
                }
                for call in calls
            ],
        }
        places = [
            {
                "role": "tool",
                "tool_call_id": call.tool_call_id,
                "content": CANCELLED if call.tool_call_id in self.cancelled else IN_PROGRESS,
            }
            for call in calls
        ]
        self.entered |= {call.tool_call_id for call in calls}
        self.cancelled -= self.entered
        return [self._tell(Commit((written, *places)))]

    def _patch(self, call_id: str, content: str) -> list[Effect]:
        # A call that nobody announced has no place in the context, and nobody waits for its result.
        return [self._tell(Patch(call_id, content))] if call_id in self.entered else []

    def _tell(self, message: object) -> To:
        return To(self.user, message)


class LLMContextAggregatorPair:
    """The two halves over one context: `.user` stands before the language model, `.assistant` after the output."""

    def __init__(self, context: LLMContext, *, turn_timeout: float = 1.0) -> None:
        self.user = UserHalf(context, turn_timeout=turn_timeout, name="user")
        self.assistant = AssistantHalf(self.user.address, name="assistant")

"""A copy of the conversation's context, kept behind the output, and what is said from there to the context's owner.

1. Nothing is written here: what shall be written is asked for, each commit with a number of its own, and edits that come this
   way go on to the owner among them, in their order.
2. The copy is as old as the owner's last word. Nobody waits for the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ..actors import Actor, Address, Effect, Fire, To, actor, durable, on
from ..channels import (
    Frame,
    LLMContext,
    LLMRunFrame,
    LLMServiceMetadataFrame,
    LLMThoughtEndFrame,
    LLMThoughtStartFrame,
    LLMThoughtTextFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    RealtimeServiceMetadataFrame,
    StartFrame,
)
from .answer import Response
from .edits import EDITS, EditFrame, edit_of
from .events import AssistantThoughtMessage, HalfView
from .pair_params import LLMAssistantAggregatorParams
from .peer_messages import Commit, CommitKind, Committed, HalfStarted, Resolving, RunWanted
from .realtime_mode import RealtimeMode, announces_realtime, config_in_force
from .thought import Thought

__all__: list[str] = []


@actor
class ContextReplica(Actor):
    """Tells the owner, and hears from it."""

    user: Address
    """Who owns the context."""
    params: LLMAssistantAggregatorParams = attrs.field(factory=LLMAssistantAggregatorParams, kw_only=True)
    mode: RealtimeMode = attrs.field(default=None, kw_only=True)

    context: LLMContext = durable(LLMContext())
    commits: int = durable(0)
    response: Response | None = durable(None)
    """The answer that what is committed is of."""
    thought: Thought | None = durable(None)
    is_realtime: bool = durable(False)
    """A realtime service has announced itself."""
    resolved: tuple[type[Frame], ...] = durable(())
    """Proposals that the owner decides on: they go no further."""

    def tell(self, message: object) -> To:
        return To(self.user, message)

    def commit(self, kind: CommitKind, *messages: object, **more: Any) -> Effect:
        """Ask for this to be written. What else is given by name is a field of `Commit`."""
        self.commits += 1
        of = self.response
        response_id, timestamp = (None, None) if of is None else (of.id, of.timestamp)
        return self.tell(Commit(self.commits, response_id, kind, messages, timestamp=timestamp, **more))

    def view(self) -> HalfView:
        """What a handler of an event is shown."""
        return HalfView(self.address, self.context, self.has_function_calls_in_progress())

    def has_function_calls_in_progress(self) -> bool:
        """Whether a call isn't settled."""
        return False

    def is_in_realtime(self) -> bool:
        """Whether the model hears and speaks by itself, and the context is written as it does."""
        config = config_in_force(self.mode, is_announced=self.is_realtime)
        return config is not None and not config.context_writes_await_turns

    # ---- the owner

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Effect:
        return self.tell(HalfStarted(self.mode))

    @on(Committed)
    def keep(self, message: Committed) -> None:
        self.context = message.context

    @on(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame)
    def hear_of_service(self, frame: LLMServiceMetadataFrame | RealtimeServiceMetadataFrame) -> Frame:
        self.is_realtime = self.is_realtime or announces_realtime(frame)
        return frame

    @on(Resolving)
    def learn(self, message: Resolving) -> None:
        self.resolved = message.kinds

    @on(ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame)
    def pass_unless_resolved(self, frame: Frame) -> Frame | None:
        return None if isinstance(frame, self.resolved) else frame

    # ---- what belongs to no answer

    @on(*EDITS)
    def edit(self, frame: EditFrame) -> Effect:
        return self.tell(edit_of(frame, notes_tools=self.params.add_tool_change_messages))

    @on(LLMRunFrame)
    def run(self, frame: LLMRunFrame) -> Effect:
        return self.tell(RunWanted("run frame"))

    @on(LLMThoughtStartFrame)
    def begin_thought(self, frame: LLMThoughtStartFrame) -> None:
        self.thought = Thought.begun(frame)

    @on(LLMThoughtTextFrame)
    def think(self, frame: LLMThoughtTextFrame) -> None:
        if self.thought is not None:
            self.thought = self.thought.with_text(frame)

    @on(LLMThoughtEndFrame)
    def end_thought(self, frame: LLMThoughtEndFrame) -> Iterator[Effect]:
        thought, self.thought = self.thought, None
        if thought is None:
            return
        if thought.append_to_context:
            yield self.commit("thought", thought.message(frame.signature))
        yield Fire("on_assistant_thought", AssistantThoughtMessage(thought.text, self.timestamp), view=self.view())

"""Changes of the context and runs that an application asks for by frames, where the owner of the context stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ..actors import Down, Effect, actor, durable, on
from ..channels import (
    LLMContextFrame,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
)
from .context_owner import ContextOwner, EditDue
from .peer_messages import Edit
from .slots import RunDue

__all__: list[str] = []


@actor
class EditedContextOwner(ContextOwner):
    """Each waits its turn behind what is to be written already."""

    notes_tools: bool = attrs.field(default=False, kw_only=True)
    """Whether the model is told in words which tools came and went."""

    tools_on_way: tuple[Any, ...] = durable(())
    """Tools that are set already, whose frame goes on to the other half."""

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

    @on(LLMSetToolChoiceFrame)
    def set_tool_choice(self, frame: LLMSetToolChoiceFrame) -> Iterator[Effect]:
        yield from self._change(Edit(kind="tool choice", tool_choice=frame.tool_choice), run=False)

    @on(LLMSetToolsFrame)
    def set_tools(self, frame: LLMSetToolsFrame) -> Iterator[Effect]:
        edit = Edit(kind="tools", tools=frame.tools, notes_tools=self.notes_tools)
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

    def _change(self, edit: Edit, *, run: bool) -> Iterator[Effect]:
        yield from self.let_wait((EditDue(edit), *((RunDue("edit"),) if run else ())))

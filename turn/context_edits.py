"""Changes of the context and runs that an application asks for by frames, where the owner of the context stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ..actors import Down, Effect, actor, durable, on
from ..channels import LLMContextFrame, LLMRunFrame, LLMSetToolsFrame
from .context_owner import ContextOwner, EditDue
from .edits import EDITS, EditFrame, edit_of
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

    @on(*EDITS)
    def change(self, frame: EditFrame) -> Iterator[Effect]:
        edit = edit_of(frame, notes_tools=self.notes_tools)
        sets_tools = isinstance(frame, LLMSetToolsFrame)
        if sets_tools and self.assistant is not None:
            self.tools_on_way = (*self.tools_on_way, edit.tools)
        yield from self.let_wait((EditDue(edit), *((RunDue("edit"),) if edit.run else ())))
        if sets_tools:
            yield Down(frame)  # for a model that hears and speaks by itself

    @on(Edit)
    def edit(self, message: Edit) -> Iterator[Effect]:
        if message.kind == "tools" and message.tools in self.tools_on_way:
            # The same frame, behind the model: set again, it would undo what came since.
            self.tools_on_way = self.tools_on_way[self.tools_on_way.index(message.tools) + 1 :]
            return
        yield from ContextOwner.edit(self, message)

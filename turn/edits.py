"""Edits of a context: which one a frame asks for, what it makes of the context, and what the model is told of tools that came
and went.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from ..channels import (
    LLMContext,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
)
from .call_entries import mended
from .peer_messages import Edit

__all__: list[str] = []

EditFrame: TypeAlias = (
    LLMMessagesAppendFrame
    | LLMMessagesUpdateFrame
    | LLMMessagesTransformFrame
    | LLMSetToolsFrame
    | LLMSetToolChoiceFrame
)
EDITS = (
    LLMMessagesAppendFrame,
    LLMMessagesUpdateFrame,
    LLMMessagesTransformFrame,
    LLMSetToolsFrame,
    LLMSetToolChoiceFrame,
)


def edit_of(frame: EditFrame, *, notes_tools: bool) -> Edit:
    """What a frame asks for. `notes_tools`: a note tells the model of tools that came and went."""
    match frame:
        case LLMMessagesAppendFrame():
            return Edit(append=frame.messages, run=bool(frame.run_llm))
        case LLMMessagesUpdateFrame():
            return Edit(kind="update", update=frame.messages, run=bool(frame.run_llm))
        case LLMMessagesTransformFrame():
            return Edit(kind="transform", transform=frame.transform, run=bool(frame.run_llm))
        case LLMSetToolsFrame():
            return Edit(kind="tools", tools=frame.tools, notes_tools=notes_tools)
        case LLMSetToolChoiceFrame():
            return Edit(kind="tool choice", tool_choice=frame.tool_choice)


@attrs.frozen
class Edited:
    """The next context, and the calls that had to be taken out of it to keep it well formed."""

    context: LLMContext
    orphans: tuple[str, ...] = ()


def edited(context: LLMContext, edit: Edit) -> Edited:
    """The next version. Raises `TypeError` for messages that are none."""
    match edit.kind:
        case "append":
            made = context.append(*(edit.append or ()))
        case "update":
            made = context.replace(edit.update or ())
        case "transform":
            made = context.replace(edit.transform(context.to_messages()))
        case "tools":
            made = context.with_tools(edit.tools)
            if edit.notes_tools and (text := _change_of_tools(context.tools, made.tools)):
                noted = made.append({"role": "developer", "content": text})
                made = attrs.evolve(noted, version=made.version)
        case "tool choice":
            made = context.with_tool_choice(edit.tool_choice)
    whole = mended(made)
    return Edited(whole.context, whole.orphans)


def _change_of_tools(before: Iterable[Any], after: Iterable[Any]) -> str | None:
    """What the model is told, or None when the same tools are there."""
    old, new = tool_names(before), tool_names(after)
    added, removed = sorted(new - old), sorted(old - new)
    told = [f"you can now call {', '.join(added)}"] if added else []
    told += [f"you can no longer call {', '.join(removed)}"] if removed else []
    return f"From now on {' and '.join(told)}." if told else None


def tool_names(tools: Iterable[Any]) -> frozenset[str]:
    """The names of standard tools: schemas and functions; a provider's own ones aren't looked at."""
    return frozenset(name for name in map(_name_of, tools) if name)


def _name_of(tool: Any) -> str | None:
    if isinstance(tool, Mapping):
        function = tool.get("function", tool)
        name = function.get("name") if isinstance(function, Mapping) else None
        return name if isinstance(name, str) and ("parameters" in function or "properties" in function) else None
    name = getattr(tool, "name", None) or getattr(tool, "__name__", None)
    return name if isinstance(name, str) else None

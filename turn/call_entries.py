"""What stands in a context for a call: the assistant's message with the call, and behind it the tool's with its outcome.

1. Each call has exactly one tool message, right behind the message that makes it.
2. A call whose answer isn't waited for (async) settles in its place while the conversation stands still there; later, by a
   note of its own at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ..channels import FunctionCallFromLLM, LLMContext, thaw
from .peer_messages import Settlement

__all__: list[str] = []

IN_PROGRESS, COMPLETED, CANCELLED = "IN_PROGRESS", "COMPLETED", "CANCELLED"

ASYNC_TOOL = "async_tool"
"""The `type` of what a tool message or a note says of a call that nobody waits for."""


def call_messages(calls: Iterable[tuple[FunctionCallFromLLM, bool]]) -> tuple[dict[str, Any], ...]:
    """The entries of calls, with whether each was cancelled already: one message that makes them all, and a place for each
    outcome.
    """
    those = list(calls)
    if not those:
        return ()
    made = {"role": "assistant", "tool_calls": [_written(call) for call, _ in those]}
    return (made, *(_place(call, is_cancelled=is_cancelled) for call, is_cancelled in those))


def _written(call: FunctionCallFromLLM) -> dict[str, Any]:
    arguments = json.dumps(thaw(call.arguments), ensure_ascii=False)
    return {
        "id": call.tool_call_id,
        "type": "function",
        "function": {"name": call.function_name, "arguments": arguments},
    }


def _place(call: FunctionCallFromLLM, *, is_cancelled: bool) -> dict[str, Any]:
    content = CANCELLED if is_cancelled else IN_PROGRESS
    if not call.cancel_on_interruption and not is_cancelled:
        told = f"{call.function_name} runs in the background; its result will follow in a message of its own or here."
        content = note(call.tool_call_id, "running", description=told)
    return {"role": "tool", "tool_call_id": call.tool_call_id, "content": content}


def note(tool_call_id: str, status: str, **more: object) -> str:
    """What is said of a call that nobody waits for."""
    told = {"type": ASYNC_TOOL, "status": status, "tool_call_id": tool_call_id, **more}
    return json.dumps(told, ensure_ascii=False)


def result_text(result: object) -> str:
    """A result as a tool message holds it."""
    return json.dumps(thaw(result), ensure_ascii=False) if result else COMPLETED


def settled(context: LLMContext, settlement: Settlement) -> LLMContext:
    """The next version, with this outcome of a call."""
    place = place_of(context, settlement.tool_call_id)
    match settlement.kind:
        case "result" if place is not None and (not settlement.is_async or _stands_still(context, place)):
            return context.with_tool_result(settlement.tool_call_id, settlement.content)
        case "result":
            return _noted(context, settlement, "finished")
        case "news":
            return _noted(context, settlement, "running")
        case "cancelled":
            if place is not None and not settlement.is_async:
                return context.with_tool_result(settlement.tool_call_id, CANCELLED)
            return _noted(context, settlement, "cancelled")


def place_of(context: LLMContext, tool_call_id: str) -> int | None:
    """The index of a call's tool message."""
    messages = enumerate(context.messages)
    return next(
        (at for at, each in messages if each["role"] == "tool" and each.get("tool_call_id") == tool_call_id), None
    )


def _noted(context: LLMContext, settlement: Settlement, status: str) -> LLMContext:
    more = {} if settlement.kind == "cancelled" else {"result": settlement.content}
    return context.append({"role": "developer", "content": note(settlement.tool_call_id, status, **more)})


def _stands_still(context: LLMContext, place: int) -> bool:
    """Whether nobody has spoken since, notes of other calls aside."""
    return not any(
        each["role"] in ("user", "developer") and not _is_note(each) for each in context.messages[place + 1 :]
    )


def _is_note(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return (
        message["role"] == "developer" and isinstance(content, str) and content.startswith(f'{{"type": "{ASYNC_TOOL}"')
    )


@attrs.frozen
class Mended:
    """A context in which each call has its tool message and each tool message its call."""

    context: LLMContext
    orphans: tuple[str, ...]
    """The ids of calls that lacked one or the other, and were removed."""


def mended(context: LLMContext) -> Mended:
    """Remove what an edit has orphaned; tool messages stand right behind the message that makes their calls."""
    made = {call["id"] for message in context.messages for call in message.get("tool_calls", ())}
    outcomes = {each["tool_call_id"]: each for each in context.messages if each["role"] == "tool"}
    kept: list[Any] = []
    for message in context.messages:
        if message["role"] == "tool":
            continue
        calls = [call for call in message.get("tool_calls", ()) if call["id"] in outcomes]
        if "tool_calls" not in message:
            kept.append(message)
            continue
        if calls:
            kept.append({**message, "tool_calls": calls})
        elif message.get("content"):
            kept.append({key: value for key, value in message.items() if key != "tool_calls"})
        kept += [outcomes[call["id"]] for call in calls]
    orphans = tuple(sorted(made.symmetric_difference(outcomes)))
    messages = LLMContext(kept).messages
    if messages == context.messages:
        return Mended(context, ())
    return Mended(attrs.evolve(context, messages=messages), orphans)

"""What holds of the context: each version stands on the one before it, and each call in it has its outcome."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...channels import (
    ContextCommittedFrame,
    FunctionCallFromLLM,
    FunctionCallsStartedFrame,
    LLMContext,
    LLMContextFrame,
    LLMContextSummaryResultFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
)
from ...turn.call_entries import ASYNC_TOOL, IN_PROGRESS
from ...turn.peer_messages import Committed, Edit
from .complaint import Finding
from .reading import Reading, pairs

__all__: list[str] = []

Message = Mapping[str, Any]


def prefix(told: Reading) -> Iterator[Finding]:
    """What stands in the context stays where it is, but for edits and for what becomes of a call."""
    edits = rewritings(told)
    used = 0
    for before, after in pairs(told.versions):
        if _stays(before.context.messages, after.context.messages):
            continue
        if used < sum(edit < (after.seen.seq if after.seen is not None else edit + 1) for edit in edits):
            used += 1
            continue
        yield Finding(
            after.time if after.seen is not None else told.ends_at,
            f"version {after.number} doesn't begin with version {before.number}, and nobody has edited it",
            (before.context, after.context),
        )


def rewritings(told: Reading) -> list[int]:
    """The numbers of the deliveries that may have changed what stood in the context."""
    edits = told.select(
        LLMMessagesUpdateFrame, LLMMessagesTransformFrame, LLMContextSummaryResultFrame, Edit, at=told.user
    ) + told.select(LLMContextSummaryResultFrame, at=told.assistant)
    return sorted(
        each.seq
        for each in edits
        if not isinstance(each.frame, Edit) or each.frame.update is not None or each.frame.transform is not None
    )


def _stays(before: tuple[Message, ...], after: tuple[Message, ...]) -> bool:
    return len(before) <= len(after) and all(map(_is_same, before, after))


def _is_same(before: Message, after: Message) -> bool:
    """Also a tool message that has got another content."""
    if before == after:
        return True
    is_patch = before["role"] == after["role"] == "tool" and before.get("tool_call_id") == after.get("tool_call_id")
    return is_patch and {**before, "content": ""} == {**after, "content": ""}


def versions(told: Reading) -> Iterator[Finding]:
    """Versions count up by one; whoever sees one sees the same, and never an older one after it."""
    known = {version.number: version.context for version in told.versions}
    newest: dict[tuple[str, object, type], int] = {}
    for context, delivery in told.sightings:
        if isinstance(delivery.frame, (ContextCommittedFrame, Committed)) and delivery.frame.version != context.version:
            yield Finding.at(delivery, f"it says version {delivery.frame.version} and holds {context.version}")
    for context, delivery in (*told.sightings, *_snapshots(told)):
        same = known.get(context.version)
        if same is not None and same != context:
            yield Finding.at(delivery, f"it is another version {context.version} than the one that was written")
        if known and context.version > max(known):
            yield Finding.at(delivery, f"version {context.version} was never written")
        channel = (delivery.receiver.name, delivery.direction, type(delivery.frame))
        if context.version < newest.get(channel, 0):
            yield Finding.at(delivery, f"version {context.version} came after {newest[channel]}")
        newest[channel] = max(newest.get(channel, 0), context.version)
    lost = {
        each.delivery.frame.version
        for each in told.trace.dropped
        if isinstance(each.delivery.frame, (ContextCommittedFrame, Committed))
    }
    for before, after in pairs(told.versions):
        if missing := set(range(before.number + 1, after.number)) - lost:
            time = after.time if after.seen is not None else told.ends_at
            yield Finding(time, f"after version {before.number} came {after.number}: {sorted(missing)} never did")


def _snapshots(told: Reading) -> Iterator[tuple[LLMContext, Any]]:
    """The owner's own, in the frames that run the model; not what an application wants run."""
    foreign = {id(each.frame.context) for each in told.select(LLMContextFrame, at=told.user)}
    for each in told.select(LLMContextFrame, by=told.user):
        if not each.frame.speculation and id(each.frame.context) not in foreign:
            yield each.frame.context, each


def calls_have_outcomes(told: Reading) -> Iterator[Finding]:
    """Each call in the context has its outcome right behind it, and none is open in the end."""
    for version in told.versions:
        time = version.time if version.seen is not None else told.ends_at
        for why in _faults(version.context.messages):
            yield Finding(time, f"in version {version.number} {why}", (version.context,))
    context = told.context
    if context is None or told.is_broken_off or not told.assistant:
        return
    announced = {call.tool_call_id for call in _announced(told)}
    final = _final_notes(context.messages)
    for message in context.messages:
        call_id = message.get("tool_call_id")
        if message["role"] != "tool" or call_id not in announced:
            continue
        content = str(message.get("content"))
        if content == IN_PROGRESS:
            yield Finding(told.ends_at, f"the call {call_id} is still in progress in the end", (message,))
        elif _status(content) == "running" and final[call_id] != 1:
            yield Finding(
                told.ends_at,
                f"the call {call_id} runs beside, and has {final[call_id]} outcomes in the end",
                (message,),
            )


def _announced(told: Reading) -> Iterator[FunctionCallFromLLM]:
    for each in told.select(FunctionCallsStartedFrame, at=told.assistant):
        yield from each.frame.function_calls


def _final_notes(messages: Iterable[Message]) -> Counter[object]:
    """How often what has become of a call is told behind it, by call."""
    return Counter(
        _note(str(message.get("content"))).get("tool_call_id")
        for message in messages
        if message["role"] == "developer" and _status(str(message.get("content"))) in ("finished", "cancelled")
    )


def _status(content: str) -> object:
    return _note(content).get("status")


def _note(content: str) -> Mapping[str, Any]:
    """What a note tells of a call that nobody waits for; nothing if it is none."""
    if not content.startswith(f'{{"type": "{ASYNC_TOOL}"'):
        return {}
    told = json.loads(content)
    return told if isinstance(told, dict) else {}


def snapshots_are_well_formed(told: Reading) -> Iterator[Finding]:
    """What the model is given has one outcome for each call, right behind it, and no id twice."""
    for each in told.select(LLMContextFrame, by=told.user):
        for why in _faults(each.frame.context.messages):
            yield Finding.at(each, why)


def _faults(messages: tuple[Message, ...]) -> Iterator[str]:
    """What is wrong with the calls in a context."""
    seen: set[object] = set()
    open_calls: list[object] = []
    for message in messages:
        if message["role"] == "tool":
            call_id = message.get("tool_call_id")
            if call_id not in open_calls:
                yield f"the outcome of {call_id} doesn't stand behind its call"
            else:
                open_calls.remove(call_id)
            continue
        if open_calls:
            yield f"the calls {open_calls} have no outcome right behind them"
            open_calls = []
        for call in message.get("tool_calls", ()):
            if call["id"] in seen:
                yield f"the id {call['id']} stands there twice"
            seen.add(call["id"])
            open_calls.append(call["id"])
    if open_calls:
        yield f"the calls {open_calls} have no outcome right behind them"

"""What holds of the runs of the model and of the functions that it calls."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from ...channels import (
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputTextRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMRunCancelFrame,
    LLMRunFrame,
    LLMTextFrame,
)
from ...turn.call_entries import CANCELLED, IN_PROGRESS, result_text
from ...turn.peer_messages import Edit, ResponseClosed, RunWanted
from .complaint import Finding
from .context import rewritings
from .reading import ENDS, Reading, Seen, content_of, sender_of
from .spoken import is_realtime, squeezed

__all__: list[str] = []


def settled_once(told: Reading) -> Iterator[Finding]:
    """A call begins once at most and has one outcome, a result or that it was cancelled; a result stands in the context."""
    announced = {
        call.tool_call_id
        for each in told.select(FunctionCallsStartedFrame, at=told.assistant)
        for call in each.frame.function_calls
    }
    began: dict[str, Seen[FunctionCallInProgressFrame]] = {}
    settled: dict[str, Seen[Frame]] = {}
    for each in told.select(
        FunctionCallInProgressFrame, FunctionCallResultFrame, FunctionCallCancelFrame, at=told.assistant
    ):
        match each.frame:
            case FunctionCallInProgressFrame(tool_call_id=call_id):
                if call_id in began:
                    yield Finding.at(each, f"the call {call_id} began twice")
                elif isinstance(getattr(settled.get(call_id), "frame", None), FunctionCallResultFrame):
                    yield Finding.at(each, f"the call {call_id} began after its result")
                began[call_id] = each  # type: ignore[assignment]  # narrowed by its frame
            case FunctionCallResultFrame(tool_call_id=call_id, properties=properties):
                if call_id not in announced or (properties is not None and not properties.is_final):
                    continue
                if call_id in settled:
                    yield Finding.at(each, f"the call {call_id} had its outcome at {settled[call_id].time:.3f} s")
                if call_id not in began:
                    yield Finding.at(each, f"the call {call_id} has a result and never began")
                settled[call_id] = each
            case FunctionCallCancelFrame(tool_call_id=call_id):
                if call_id in announced and call_id in settled:
                    yield Finding.at(each, f"the call {call_id} had its outcome at {settled[call_id].time:.3f} s")
                settled[call_id] = each
            case _:
                pass
    yield from _lost_results(told, settled)


def _lost_results(told: Reading, settled: Mapping[str, Seen[Frame]]) -> Iterator[Finding]:
    context, end = told.context, told.end_at(told.assistant)
    if context is None or told.is_broken_off or rewritings(told):
        return
    content = {each["tool_call_id"]: str(each.get("content")) for each in context.messages if each["role"] == "tool"}
    for call_id, each in settled.items():
        if not isinstance(each.frame, FunctionCallResultFrame) or each.seq > end:
            continue
        result = result_text(each.frame.result)
        is_noted = any(
            message["role"] == "developer" and call_id in str(message.get("content")) for message in context.messages
        )
        if content.get(call_id) != result and not is_noted:
            there = content.get(call_id, "nothing")
            yield Finding.at(each, f"the call {call_id} gave {result}, and the context holds {there}")
        elif content.get(call_id) in (IN_PROGRESS, CANCELLED) and not is_noted:
            yield Finding.at(each, f"the call {call_id} has a result, and is {content[call_id]} in the context")


def one_live_run(told: Reading) -> Iterator[Finding]:
    """The model works on one run at a time; their ids grow, and text stands between the brackets of its run."""
    given: dict[str, list[Seen[LLMContextFrame]]] = {}
    models = {sender_of(each) for each in told.select(LLMFullResponseStartFrame)}
    for each in told.select(LLMContextFrame):
        if each.frame.run_id is not None and each.receiver.name not in (told.user, *ENDS):
            given.setdefault(each.receiver.name, []).append(each)
    for model, runs in given.items():
        if models & given.keys() and model not in models:
            continue  # it only passes there
        for one, other in itertools.pairwise(runs):
            before, after = one.frame.run_id, other.frame.run_id
            assert before is not None and after is not None
            if after <= before:
                yield Finding.at(other, f"run {after} came after run {before}")
            elif not _is_over(told, one, by=other.seq):
                yield Finding.at(other, f"run {after} began while run {before} was live")
        yield from _outside_brackets(told, model)


def _is_over(told: Reading, run: Seen[LLMContextFrame], *, by: int) -> bool:
    run_id = run.frame.run_id
    is_cut = any(epoch > run.epoch and step.seq < by for epoch, step in told.steps.items())
    ends: list[Seen[object]] = [
        *(each for each in told.select(LLMRunCancelFrame, by=told.user) if each.frame.run_id == run_id),
        *(each for each in told.select(LLMFullResponseEndFrame) if each.frame.run_id == run_id),
        *(each for each in told.select(ResponseClosed, at=told.user) if each.frame.run_id == run_id),
    ]
    return is_cut or any(each.seq < by for each in ends)


def _outside_brackets(told: Reading, model: str) -> Iterator[Finding]:
    """Where a model's text goes first, it comes between a start and an end, and answers come in the order of runs."""
    newest: dict[str, int] = {}
    is_open: dict[str, bool] = {}
    sees_starts = {each.receiver for each in told.select(LLMFullResponseStartFrame, by=model)}
    sees_ends = {each.receiver for each in told.select(LLMFullResponseEndFrame, by=model)}
    for each in told.select(LLMFullResponseStartFrame, LLMFullResponseEndFrame, LLMTextFrame, by=model):
        frame, to = each.frame, each.receiver.name
        if isinstance(frame, LLMFullResponseStartFrame):
            run_id = frame.run_id
            if run_id is not None and run_id <= newest.get(to, run_id - 1):
                yield Finding.at(each, f"the answer to run {run_id} began after that to run {newest[to]}")
            newest[to] = max(newest.get(to, 0), run_id or 0)
            is_open[to] = True
        elif isinstance(frame, LLMFullResponseEndFrame):
            is_open[to] = False
        elif not is_open.get(to, True) and each.receiver in sees_starts & sees_ends:
            yield Finding.at(each, "text of the model came outside an answer")


def no_unasked_run(told: Reading) -> Iterator[Finding]:
    """Each run of the model has a cause of its own."""
    causes = _causes(told)
    used: Counter[str] = Counter()
    seen: set[int] = set()
    for each in told.select(LLMContextFrame, by=told.user):
        run_id = each.frame.run_id
        if run_id is None or run_id in seen or each.receiver.name == told.user:
            continue
        seen.add(run_id)
        reason = each.frame.reason or "none"
        if reason in ("user turn", "typed text") and is_realtime(told):
            yield Finding.at(each, f"run {run_id} is for a {reason}, which a realtime service answers by itself")
        used[reason] += 1
        if reason == "incomplete turn":
            continue  # a strategy's own judgement, of which nothing is to be seen
        known = causes.get(reason, lambda: [asked.seq for asked in told.select(LLMContextFrame, at=told.user)])()
        there = sum(seq <= each.seq for seq in known)
        if used[reason] > there:
            yield Finding.at(
                each, f"run {run_id} is the {used[reason]}. for the reason {reason!r}, and {there} had come"
            )


def _causes(told: Reading) -> Mapping[str, Callable[[], list[int]]]:
    """By a run's reason, the numbers of the deliveries that may be its cause."""
    edits = (LLMMessagesAppendFrame, LLMMessagesUpdateFrame, LLMMessagesTransformFrame)

    def of_events(name: str, *, empty: bool) -> list[int]:
        return [
            each.cause.seq
            for each in told.told
            if each.event.name == name
            and each.cause is not None
            and not (empty and squeezed(content_of(each.event.payload[-1]) or ""))
        ]

    return {
        "user turn": lambda: of_events("on_user_turn_message_added", empty=False),
        "empty turn": lambda: of_events("on_user_turn_stopped", empty=True),
        "typed text": lambda: [each.seq for each in told.select(InputTextRawFrame, at=told.user)],
        "run frame": lambda: [each.seq for each in told.select(LLMRunFrame, at=told.user)],
        "edit": lambda: [each.seq for each in told.select(*edits, at=told.user) if getattr(each.frame, "run_llm", 0)],
        "owed": lambda: [
            each.seq
            for each in told.select(RunWanted, Edit, at=told.user)
            if isinstance(each.frame, RunWanted) or getattr(each.frame, "run", False)
        ],
        "failed answer": lambda: [
            each.seq for each in told.select(ResponseClosed, at=told.user) if each.frame.outcome == "failed"
        ],
    }

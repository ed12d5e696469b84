"""The calls of a language model that aren't settled: which wait, which run, and who may start next.

1. Values: each step gives the next ledger, and what it decided. A call that has been taken out is settled; nothing that
   comes later finds it, so nothing is settled twice.
2. Calls that run one by one keep the order in which they were announced; the others start at once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

import attrs

from ...channels import FunctionCallFromLLM

__all__ = ["CallLedger", "OpenCall", "Stage", "choose", "unique_id"]


class Stage(enum.Enum):
    WAITING = "waiting"
    RUNNING = "running"


@attrs.frozen
class OpenCall:
    """A call that was announced and isn't settled."""

    call: FunctionCallFromLLM
    one_by_one: bool = False
    """It waits until the one before it is settled."""
    timeout: float | None = None
    """Seconds from its start."""
    fault: str | None = None
    """Why it can't run: what the model wrote isn't valid."""
    stage: Stage = Stage.WAITING

    @property
    def id(self) -> str:
        return self.call.tool_call_id


@attrs.frozen
class CallLedger:
    """The calls of one language model, oldest first."""

    calls: tuple[OpenCall, ...] = ()

    def add(self, *calls: OpenCall) -> CallLedger:
        return CallLedger((*self.calls, *calls))

    def find(self, tool_call_id: str) -> OpenCall | None:
        return next((each for each in self.calls if each.id == tool_call_id), None)

    def start(self) -> tuple[CallLedger, tuple[OpenCall, ...]]:
        """Mark as running what may start now, and tell which."""
        is_taken = any(each.one_by_one and each.stage is Stage.RUNNING for each in self.calls)
        calls: list[OpenCall] = []
        started: list[OpenCall] = []
        for each in self.calls:
            if each.stage is Stage.WAITING and not (each.one_by_one and is_taken):
                is_taken = is_taken or each.one_by_one
                each = attrs.evolve(each, stage=Stage.RUNNING)
                started.append(each)
            calls.append(each)
        return CallLedger(tuple(calls)), tuple(started)

    def without(self, calls: Iterable[OpenCall]) -> CallLedger:
        """These are settled."""
        ids = {each.id for each in calls}
        return CallLedger(tuple(each for each in self.calls if each.id not in ids))

    def where(self, wanted: Callable[[FunctionCallFromLLM], bool]) -> tuple[OpenCall, ...]:
        return tuple(each for each in self.calls if wanted(each.call))


def choose(calls: Iterable[OpenCall], tool_call_id: object) -> OpenCall | str:
    """Which of a function's calls the model means to cancel, or why that can't be told."""
    running = {each.id: each for each in calls}
    if not running:
        return "no such call is running"
    if tool_call_id is not None:
        return running.get(str(tool_call_id)) or f"no call {tool_call_id} is running; running: {', '.join(running)}"
    if len(running) > 1:
        return f"several calls are running, say which by its tool_call_id: {', '.join(running)}"
    (call,) = running.values()
    return call


def unique_id(wanted: str | None, name: str, taken: Iterable[str]) -> str:
    """The id that the provider gave a call, or one like it if it gave none, or one that another call has."""
    used = set(taken)
    first = wanted or f"call_{name}"
    number, found = 1, first
    while found in used:
        number += 1
        found = f"{first}_{number}"
    return found

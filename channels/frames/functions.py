"""Functions that the model calls: accepted, running, settled, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..context import LLMContext
from ..frozen import freeze
from .frame import ControlFrame, DataFrame, SystemFrame, Uninterruptible, frame, json_field

__all__ = [
    "ExternalFunctionCallCancelFrame",
    "ExternalFunctionCallInProgressFrame",
    "ExternalFunctionCallResultFrame",
    "ExternalFunctionCallsStartedFrame",
    "FunctionCallCancelFrame",
    "FunctionCallFromLLM",
    "FunctionCallInProgressFrame",
    "FunctionCallResultFrame",
    "FunctionCallResultProperties",
    "FunctionCallsStartedFrame",
]


@attrs.frozen
class FunctionCallFromLLM:
    """One call as the model wrote it."""

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any] = attrs.field(converter=freeze)
    context: LLMContext | None = None
    """The snapshot that the model saw."""
    cancel_on_interruption: bool = True
    group_id: str | None = None
    """Calls of one response share it."""


@attrs.frozen
class FunctionCallResultProperties:
    """What is to happen with a result."""

    run_llm: bool | None = None
    """Run the model on it; None leaves that to the pair."""
    on_context_updated: Callable[[], object] | None = None
    """Called when the result stands in the context."""
    is_final: bool = True
    """False for news of a call that goes on."""


def _calls(calls: Iterable[FunctionCallFromLLM]) -> tuple[FunctionCallFromLLM, ...]:
    return tuple(calls)


@frame
class FunctionCallsStartedFrame(SystemFrame):
    """Calls were accepted and are about to run."""

    function_calls: tuple[FunctionCallFromLLM, ...] = attrs.field(converter=_calls)


@frame
class FunctionCallInProgressFrame(ControlFrame, Uninterruptible):
    """One call runs."""

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any] = attrs.field(converter=freeze)
    cancel_on_interruption: bool = False
    group_id: str | None = None


@frame
class FunctionCallResultFrame(DataFrame, Uninterruptible):
    """A call's result, final or on the way."""

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any] = attrs.field(converter=freeze)
    result: Any = json_field()
    run_llm: bool | None = None
    properties: FunctionCallResultProperties | None = None
    error: str | None = None


@frame
class FunctionCallCancelFrame(SystemFrame):
    """A call was cancelled."""

    function_name: str
    tool_call_id: str
    run_llm: bool = False


@frame
class ExternalFunctionCallsStartedFrame(SystemFrame):
    """Calls are about to run elsewhere; for observers only."""

    function_calls: tuple[FunctionCallFromLLM, ...] = attrs.field(converter=_calls)


@frame
class ExternalFunctionCallInProgressFrame(SystemFrame):
    """A call runs elsewhere; for observers only."""

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any] = attrs.field(converter=freeze)
    cancel_on_interruption: bool = False
    group_id: str | None = None


@frame
class ExternalFunctionCallResultFrame(SystemFrame):
    """The result of a call made elsewhere; for observers only."""

    function_name: str
    tool_call_id: str
    arguments: Mapping[str, Any] = attrs.field(converter=freeze)
    result: Any = json_field()
    run_llm: bool | None = None
    properties: FunctionCallResultProperties | None = None
    error: str | None = None
    is_final: bool = True


@frame
class ExternalFunctionCallCancelFrame(SystemFrame):
    """A call made elsewhere was cancelled; for observers only."""

    function_name: str
    tool_call_id: str
    run_llm: bool = False

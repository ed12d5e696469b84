"""What a model may call: functions by their schemas, and tools that only one provider knows.

1. A context's `tools` may hold all of it side by side; `ToolsSchema.of` is the one place that tells what is what.
2. These are values. Who runs a function, and when it is cancelled, is decided elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import attrs

from .direct_function import describe
from .frozen import FrozenDict, freeze, thaw

__all__ = ["CustomTool", "FunctionSchema", "ToolOptions", "ToolsSchema", "tool_options"]

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = "__antiphon_tool_options__"
"""The attribute of a function that `@tool_options` has decorated."""

_MARKS = {"description", "parameters", "properties"}
"""Beside its name a function has one of these."""


def _names(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen
class FunctionSchema:
    """A function as the model is told of it."""

    name: str
    description: str = ""
    properties: Mapping[str, Any] = attrs.field(factory=FrozenDict, converter=freeze)
    """A JSON schema for each parameter."""
    required: tuple[str, ...] = attrs.field(default=(), converter=_names)
    handler: Callable[..., Any] | None = None
    """What runs when it is called: gets `FunctionCallParams`. None: it is registered with the model's actor."""
    is_direct: bool = False
    """The handler takes the arguments by keyword behind `params`."""

    @classmethod
    def of(cls, function: Callable[..., Any]) -> FunctionSchema:
        """The schema of a direct function, from its signature and docstring.

        Raises `TypeError` for what can't be one: it is async, and its first parameter is `params`.
        """
        told = describe(function)
        return cls(told.name, told.description, told.properties, told.required, function, True)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters as one JSON schema: fresh dicts, which the caller may change."""
        return {"type": "object", "properties": thaw(self.properties), "required": list(self.required)}


@attrs.frozen
class CustomTool:
    """A tool in a provider's own form, such as its web search."""

    tool: Mapping[str, Any] = attrs.field(converter=freeze)
    llm: str | None = None
    """The provider that it is shown to; None: whichever is there."""


def _standard(tools: Iterable[object]) -> tuple[FunctionSchema, ...]:
    return tuple(tool if isinstance(tool, FunctionSchema) else FunctionSchema.of(cast(Any, tool)) for tool in tools)


def _custom(tools: Mapping[str, Iterable[Mapping[str, Any]]] | Iterable[CustomTool]) -> tuple[CustomTool, ...]:
    if isinstance(tools, Mapping):
        by_provider = cast("Mapping[str, Iterable[Mapping[str, Any]]]", tools)
        return tuple(CustomTool(tool, llm) for llm, several in by_provider.items() for tool in several)
    return tuple(tools)


@attrs.frozen
class ToolsSchema:
    """All tools of a context, in one form for every provider."""

    standard_tools: tuple[FunctionSchema, ...] = attrs.field(default=(), converter=_standard)
    """Given as schemas or direct functions."""
    custom_tools: tuple[CustomTool, ...] = attrs.field(default=(), converter=_custom)
    """Given one by one, or as `{"google": [{"google_search": {}}]}`."""

    @classmethod
    def of(cls, tools: object) -> ToolsSchema:
        """What a context or an `LLMSetToolsFrame` holds, told apart. Of two functions of one name the later counts.

        A dict is a function if it has a name beside a description, `properties` or `parameters`, perhaps all of it
        below `function`; any other is a custom tool. Raises `TypeError` for what is no tool.
        """
        standard: dict[str, FunctionSchema] = {}
        custom: list[CustomTool] = []
        for tool in _flat(tools):
            if isinstance(tool, CustomTool):
                custom.append(tool)
            else:
                standard[tool.name] = tool
        return cls(tuple(standard.values()), tuple(custom))

    @property
    def names(self) -> frozenset[str]:
        """Of all functions."""
        return frozenset(tool.name for tool in self.standard_tools)

    def custom_for(self, llm: str) -> list[dict[str, Any]]:
        """The custom tools that this provider is shown, as fresh dicts."""
        return [thaw(each.tool) for each in self.custom_tools if each.llm in (None, llm)]


def _flat(tools: object) -> Iterable[FunctionSchema | CustomTool]:
    match tools:
        case None:
            return
        case ToolsSchema():
            yield from tools.standard_tools
            yield from tools.custom_tools
        case FunctionSchema() | CustomTool():
            yield tools
        case Mapping():
            yield _from_dict(cast("Mapping[str, Any]", tools))
        case list() | tuple():
            for tool in cast("Iterable[object]", tools):
                yield from _flat(tool)
        case _ if callable(tools):
            yield FunctionSchema.of(tools)
        case _:
            raise TypeError(
                f"{tools!r} is no tool: give a FunctionSchema, a dict, an async function whose first parameter is `params`,"
                " or a CustomTool."
            )


def _from_dict(tool: Mapping[str, Any]) -> FunctionSchema | CustomTool:
    inner = tool.get("function")
    if isinstance(inner, Mapping):
        tool = cast("Mapping[str, Any]", inner)
    is_function = tool.get("type", "function") == "function" and isinstance(tool.get("name"), str)
    if not is_function or not _MARKS & tool.keys():
        return CustomTool(tool)
    schema = tool.get("parameters", tool)
    return FunctionSchema(
        tool["name"], tool.get("description", ""), schema.get("properties", {}), schema.get("required", ())
    )


@attrs.frozen
class ToolOptions:
    """How calls of a function are treated; None: not said here."""

    cancel_on_interruption: bool | None = None
    """Whether an interruption cancels a call; by default it does."""
    timeout_secs: float | None = None
    """Seconds that a call may run; by default what the model's actor says."""
    cancellable_by_llm: bool | None = None
    """Whether the model may cancel a call that no interruption cancels; by default not."""

    @classmethod
    def of(cls, function: Callable[..., Any] | None) -> ToolOptions:
        """What `@tool_options` said of this function."""
        if isinstance(function, functools.partial):
            return cls.of(function.func)
        return cast(ToolOptions, getattr(function, _OPTIONS, None) or cls())

    def over(self, other: ToolOptions) -> ToolOptions:
        """These, and what they don't say from the other."""
        return ToolOptions(
            other.cancel_on_interruption if self.cancel_on_interruption is None else self.cancel_on_interruption,
            other.timeout_secs if self.timeout_secs is None else self.timeout_secs,
            other.cancellable_by_llm if self.cancellable_by_llm is None else self.cancellable_by_llm,
        )


def tool_options(
    *,
    cancel_on_interruption: bool | None = None,
    timeout_secs: float | None = None,
    cancellable_by_llm: bool | None = None,
) -> Callable[[Function], Function]:
    """Say beside a function how its calls are treated; what is said where it is registered holds over this."""
    options = ToolOptions(cancel_on_interruption, timeout_secs, cancellable_by_llm)

    def mark(function: Function) -> Function:
        setattr(function, _OPTIONS, options)
        return function

    return mark

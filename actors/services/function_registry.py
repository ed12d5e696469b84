"""Which function runs for a call: what was registered, and what the context's tools bring along.

1. Values: each change gives the next registry. What tools bring is laid over it for as long as they are advertised.
2. A name that was registered holds over the same name among the tools.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

import attrs

from ...channels import FunctionSchema, ToolOptions, ToolsSchema, thaw
from ..errors import ConfigurationError

__all__ = ["FunctionRegistry", "RegisteredFunction"]

_log = logging.getLogger("antiphon")

CANCEL = "cancel_"
"""Begins the names of the built-in tools by which a model cancels its calls."""


@attrs.frozen
class RegisteredFunction:
    """A function that runs when the model calls it."""

    name: str | None
    """None: for every name that nobody else has."""
    handler: Callable[..., Any]
    options: ToolOptions = attrs.field(factory=ToolOptions)
    is_direct: bool = False
    """It takes the arguments by keyword behind `params`."""

    @classmethod
    def of(cls, name: str | None, handler: Callable[..., Any], options: ToolOptions) -> RegisteredFunction:
        """With what stands beside the function itself. Raises `ConfigurationError` for what can't be called."""
        if not callable(handler):
            raise ConfigurationError(
                f"the handler of {name!r} is {handler!r}: give a function, `async def name(params)`."
            )
        return cls(name, handler, options.over(ToolOptions.of(handler)))

    @classmethod
    def direct(cls, function: Callable[..., Any], options: ToolOptions) -> RegisteredFunction:
        """A direct function. Raises `ConfigurationError` for one that isn't."""
        try:
            name = FunctionSchema.of(function).name
        except TypeError as error:
            raise ConfigurationError(str(error)) from error
        return cls(name, function, options.over(ToolOptions.of(function)), True)

    @property
    def cancel_on_interruption(self) -> bool:
        return self.options.cancel_on_interruption is not False

    @property
    def is_cancellable_by_llm(self) -> bool:
        """Only what no interruption cancels goes on while the model speaks, and can be called off by it."""
        return self.options.cancellable_by_llm is True and not self.cancel_on_interruption

    async def run(self, params: Any, arguments: Any) -> Any:
        """Call it, wait if it is to be waited for, and give what it returned."""
        result = self.handler(params, **thaw(arguments)) if self.is_direct else self.handler(params)
        return await result if inspect.isawaitable(result) else result


@attrs.frozen
class FunctionRegistry:
    """The functions of one language model."""

    functions: tuple[RegisteredFunction, ...] = ()
    """Registered by name; no two of one name."""
    refused: frozenset[tuple[str, Callable[..., Any]]] = frozenset()
    """Unregistered: the same handler under the same name isn't taken from tools again."""
    advertised: tuple[RegisteredFunction, ...] = ()
    """What the present tools bring."""

    def register(self, function: RegisteredFunction) -> FunctionRegistry:
        """With this function in place of any other of its name.

        Raises `ConfigurationError` for the name of a built-in tool.
        """
        for each in self.functions:
            if each.is_cancellable_by_llm and each.name is not None and function.name == CANCEL + each.name:
                raise ConfigurationError(
                    f"{function.name!r} is the built-in tool by which the model cancels {each.name!r}. Choose another name."
                )
        others = tuple(each for each in self.functions if each.name != function.name)
        refused = self.refused - {(function.name or "", function.handler)}
        return attrs.evolve(self, functions=(*others, function), refused=refused)

    def unregister(self, name: str | None) -> FunctionRegistry:
        """Without the function of that name, registered or brought by tools. A name that isn't there changes nothing."""
        gone = [each for each in (*self.functions, *self.advertised) if each.name == name]
        return FunctionRegistry(
            tuple(each for each in self.functions if each.name != name),
            self.refused | {(name or "", each.handler) for each in gone},
            tuple(each for each in self.advertised if each.name != name),
        )

    def with_tools(self, tools: ToolsSchema) -> FunctionRegistry:
        """With the handlers that these tools bring, in place of what other tools brought."""
        brought = tuple(
            RegisteredFunction(tool.name, tool.handler, ToolOptions.of(tool.handler), tool.is_direct)
            for tool in tools.standard_tools
            if tool.handler is not None and (tool.name, tool.handler) not in self.refused
        )
        return attrs.evolve(self, advertised=brought)

    def find(self, name: str) -> RegisteredFunction | None:
        """What runs for a call of that name: the one registered by it, the one the tools bring, or the one for all."""
        for function in (*self.functions, *self.advertised):
            if function.name == name:
                return function
        return next((each for each in self.functions if each.name is None), None)

    def cancelled_by(self, name: str) -> str | None:
        """The function whose calls the built-in tool of that name cancels; None when it is no such tool."""
        target = name.removeprefix(CANCEL)
        if target == name or self._has(name):
            return None
        function = self.find(target)
        return target if function is not None and function.name == target and function.is_cancellable_by_llm else None

    def offered(self, tools: ToolsSchema) -> ToolsSchema:
        """The tools, and for each function among them that the model may cancel a tool to do so.

        A function of our own that has the name of such a tool already keeps it, with a warning in the log.
        """
        cancels: list[FunctionSchema] = []
        for tool in tools.standard_tools:
            function = self.find(tool.name)
            if function is None or function.name != tool.name or not function.is_cancellable_by_llm:
                continue
            if CANCEL + tool.name in tools.names or self._has(CANCEL + tool.name):
                _log.warning(
                    "%s can't be cancelled by the model: a tool of yours is called %s%s", tool.name, CANCEL, tool.name
                )
            else:
                cancels.append(_cancel_tool(tool.name))
        return attrs.evolve(tools, standard_tools=(*tools.standard_tools, *cancels)) if cancels else tools

    def _has(self, name: str) -> bool:
        return any(each.name == name for each in (*self.functions, *self.advertised))


def _cancel_tool(name: str) -> FunctionSchema:
    return FunctionSchema(
        CANCEL + name,
        f"Cancel a call of {name} that is still running.",
        {
            "tool_call_id": {
                "type": "string",
                "description": "The id of the call. It may be left out when only one is running.",
            }
        },
    )

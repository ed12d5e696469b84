"""What the language model knows of the conversation: an immutable snapshot, handed on in frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .frozen import FrozenDict, Message, freeze, freeze_all, thaw

__all__ = ["LLMContext"]


class _Frozen(tuple[Any, ...]):
    """Values that were looked at. The next version takes them over unseen: a long conversation costs no more than a short one."""

    __slots__ = ()


def _freeze_messages(messages: Iterable[Message]) -> tuple[FrozenDict, ...]:
    if type(messages) is _Frozen:
        return messages
    frozen = freeze_all(messages)
    for index, message in enumerate(frozen):
        if not isinstance(message, FrozenDict) or not isinstance(message.get("role"), str):
            raise TypeError(f'context message {index} is {message!r}: write {{"role": "user", "content": "hello"}}.')
    return _Frozen(frozen)


def _freeze_tools(tools: Any) -> tuple[Any, ...]:
    """One tool or several: schemas as dicts, or hashable values, e.g. functions."""
    if tools is None or type(tools) is _Frozen:
        return tools or ()
    several = issubclass(type(tools), Iterable) and not issubclass(type(tools), Mapping)
    return _Frozen(freeze_all(tools if several else (tools,)))


@attrs.frozen
class LLMContext:
    """A snapshot of the conversation. It never changes: each change makes the next version.

    Messages have the form that chat completion interfaces share, as immutable dicts and tuples, e.g.
    `context.messages[0]["role"]`.
    """

    # Not hashed: whatever is sent to an actor is, and a context goes along in each turn. The version tells them apart.
    messages: tuple[FrozenDict, ...] = attrs.field(default=(), converter=_freeze_messages, hash=False)
    """`{"role": "system" | "developer" | "user" | "assistant" | "tool", ...}`, oldest first."""
    tools: tuple[Any, ...] = attrs.field(default=(), converter=_freeze_tools)
    """What the model may call: JSON schemas, or whatever else the language model's service takes."""
    tool_choice: object = attrs.field(default=None, converter=freeze)
    """`"none"`, `"auto"`, `"required"`, a dict that names a tool, or None for the service's default."""
    version: int = attrs.field(default=0, kw_only=True)
    """Grows by one with each change."""

    @classmethod
    def from_messages(cls, messages: Iterable[Message], *, tools: Any = (), tool_choice: object = None) -> LLMContext:
        """A new context with these messages. Raises `TypeError` for one that is no dict with a role."""
        return cls(messages, tools, tool_choice)

    def to_messages(self) -> list[dict[str, Any]]:
        """The messages as fresh dicts and lists, which the caller may change."""
        return [thaw(message) for message in self.messages]

    def append(self, *messages: Message) -> LLMContext:
        """The next version, with these messages at its end."""
        return self._next(messages=_Frozen(self.messages + _freeze_messages(messages)))

    def replace(self, messages: Iterable[Message]) -> LLMContext:
        """The next version, with these messages in place of all."""
        return self._next(messages=_freeze_messages(messages))

    def with_tools(self, tools: Any) -> LLMContext:
        """The next version, with these tools."""
        return self._next(tools=tools)

    def with_tool_choice(self, tool_choice: object) -> LLMContext:
        """The next version, with this tool choice."""
        return self._next(tool_choice=tool_choice)

    def with_tool_result(self, tool_call_id: str, content: str) -> LLMContext:
        """The next version, in which the tool message of that call has this content.

        Raises `LookupError` if there is no tool message of that call.
        """
        for index, message in enumerate(self.messages):
            if message["role"] == "tool" and message.get("tool_call_id") == tool_call_id:
                patched = freeze({**message, "content": content})
                return self._next(messages=(*self.messages[:index], patched, *self.messages[index + 1 :]))
        raise LookupError(f"the context has no tool message for the call {tool_call_id!r}.")

    def last_message(self, role: str) -> FrozenDict | None:
        """The newest message of that role, if there is one."""
        return next((message for message in reversed(self.messages) if message["role"] == role), None)

    def to_json(self) -> str:
        """Messages, tool choice and version as JSON, for logs. Raises `TypeError` for what JSON can't hold."""
        return json.dumps({"messages": self.messages, "tool_choice": self.tool_choice, "version": self.version})

    def _next(self, **changes: Any) -> LLMContext:
        return attrs.evolve(self, version=self.version + 1, **changes)

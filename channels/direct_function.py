"""What a direct function says of itself: a schema for the model, read from its signature and docstring.

1. A direct function is `async def name(params, ...)`; what stands behind `params` is what the model fills in.
2. A type that this table doesn't know is any value. A wrong guess would make the model refuse what the function takes.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import attrs

_SIMPLE: Mapping[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    list: {"type": "array"},
    None: {"type": "null"},
    types.NoneType: {"type": "null"},
}

_SECTION = re.compile(
    r"(args|arguments|parameters|params|returns?|raises|yields?|examples?|notes?|attributes|see also|warnings?):\s*$",
    re.I,
)
_OF_PARAMETERS = {"args", "arguments", "parameters", "params"}
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_FIELD = re.compile(r":(?:(param|parameter|arg|argument)\s+(?:[^:]*?\s)?(\w+)|\w+(?:\s[^:]*)?)\s*:\s*(.*)")


@attrs.frozen
class Description:
    """What a schema is made of."""

    name: str
    description: str
    properties: Mapping[str, Any]
    required: tuple[str, ...]


def describe(function: Callable[..., Any]) -> Description:
    """Read a direct function. Raises `TypeError` for what can't be one."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or not inspect.iscoroutinefunction(function):
        raise TypeError(f"{function!r} is no direct function: write `async def name(params, ...)`.")
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    if not parameters or parameters[0].name != "params":
        raise TypeError(
            f"{name}: the first parameter of a direct function is `params`. Write `async def {name}(params, ...)`."
        )
    text, texts = described(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(
                f"{name}: {parameter.name} is positional-only, but the model's arguments are named. Drop the `/`."
            )
        schema = schema_for(_resolved(function, parameter))
        if parameter.name in texts:
            schema["description"] = texts[parameter.name]
        properties[parameter.name] = schema
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return Description(name, text, properties, tuple(required))


def _resolved(function: Callable[..., Any], parameter: inspect.Parameter) -> object:
    """The type that an annotation means, also one written as a string."""
    if parameter.annotation is parameter.empty:
        return Any
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        hints = typing.get_type_hints(holder, globalns=getattr(inspect.unwrap(function), "__globals__", {}))
    except NameError:
        return Any  # a name that only type checkers import
    return hints[parameter.name]


def schema_for(hint: object) -> dict[str, Any]:
    """The JSON schema of a type; `{}`, which is any value, for one that the table doesn't know."""
    if isinstance(hint, type | None) and hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    if typing.is_typeddict(hint):
        return _of_typed_dict(cast(type, hint))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_for(each) for each in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_for(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_for(arguments[1])}
    return {}


def _of_typed_dict(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    wanted: frozenset[str] = getattr(kind, "__required_keys__", frozenset())
    return {
        "type": "object",
        "properties": {name: schema_for(hint) for name, hint in hints.items()},
        "required": [name for name in hints if name in wanted],
    }


def described(docstring: str) -> tuple[str, dict[str, str]]:
    """A docstring's text, and what it says of each parameter, as Google or Sphinx write it."""
    text: list[str] = []
    texts: dict[str, str] = {}
    for kind, name, line in _lines(docstring):
        if kind == "text":
            text.append(line)
        elif kind == "parameter":
            texts[name] = f"{texts.get(name, '')} {line}".strip()
    return "\n".join(text).strip(), texts


def _lines(docstring: str) -> Iterator[tuple[str, str, str]]:
    """Each line with what it belongs to: the text, a parameter with its name, or something else."""
    kind, name, depth = "text", "", 0
    in_section = False
    for line in docstring.splitlines():
        bare, indent = line.strip(), len(line) - len(line.lstrip())
        if section := _SECTION.match(bare):
            kind, name, in_section, depth = "other", "", section[1].lower() in _OF_PARAMETERS, 0
            continue
        if field := _FIELD.match(bare):
            kind, name, in_section, bare = "parameter" if field[1] else "other", field[2] or "", False, field[3]
        elif in_section and bare:
            depth = depth or indent
            if indent < depth or not indent:
                kind, name, in_section = "text", "", False
            elif indent == depth and (entry := _ENTRY.match(bare)):
                kind, name, bare = "parameter", entry[1], entry[2]
        elif kind == "other" and bare and not indent and not in_section and not name:
            # Behind a section: text that isn't indented is the docstring's own again.
            kind = "text"
        yield kind, name, bare if kind != "text" else line.rstrip()

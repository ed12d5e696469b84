"""What is checked when a class of actors is made, so that a mistake speaks before a call is taken.

Each complaint names the class, the handler or field, and what to write instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from .effects import OBEYED
from .errors import ConfigurationError

HANDLES = "__antiphon_handles__"
"""The attribute of a method that `@on` has marked: the types that it handles."""
KIND = "antiphon"
"""The key in a field's metadata of `state` and `durable`."""

_MAY_OVERRIDE = ("name", "lifespan", "events", "event_aliases", "waits_for_room")


def check_types(types: tuple[object, ...], handler: Callable[..., object]) -> None:
    """Whether `@on` names types."""
    if not types or not all(isinstance(kind, type) for kind in types):
        given = ", ".join(map(repr, types))
        raise ConfigurationError(
            f"{handler.__qualname__}: @on({given}) names no types. Write e.g. `@on(TextFrame)` or `@on(TextFrame, TTSTextFrame)`."
        )


def _check_kind(cls: type, name: str, kind: type) -> None:
    if issubclass(kind, OBEYED):
        raise ConfigurationError(
            f"{cls.__name__}.{name} handles {kind.__name__}, but that is for no handler: the runtime holds the ordered lane of"
            " the actor that the frame names, and lets it go. Leave the handler out."
        )


def check_class(cls: type, base: type) -> None:
    """Whether the class leaves alone what every actor has from its base."""
    if "__init__" in cls.__dict__:
        raise ConfigurationError(
            f"{cls.__name__}.__init__: a restart makes an actor anew from its fields. Write fields instead, e.g."
            " `language: str` and `heard: int = state(0)`."
        )
    for name in [*cls.__dict__, *inspect.get_annotations(cls)]:
        if name in base.__dict__ and not name.startswith("__") and name not in _MAY_OVERRIDE:
            raise ConfigurationError(f"{cls.__name__}.{name}: every actor has a {name} already. Choose another name.")
    span = cls.__dict__.get("lifespan")
    if inspect.iscoroutinefunction(span) or inspect.isasyncgenfunction(span):
        raise ConfigurationError(
            f"{cls.__name__}.lifespan is no context manager. Write `@asynccontextmanager` above `async def lifespan(self)`."
        )


def check_defaults(cls: type, fields: Iterable[attrs.Attribute[Any]]) -> None:
    """Whether no `state` default would be shared, and each `durable` one is immutable."""
    for field in fields:
        kind: str | None = field.metadata.get(KIND)
        default: Any = field.default
        made = isinstance(default, attrs.Factory)  # type: ignore[arg-type]  # attrs says that it is a function
        if kind is None or default is attrs.NOTHING or (kind == "state" and made):
            continue
        value = default.factory() if made else default
        try:
            hash(value)
        except TypeError as error:
            if kind == "state":
                why, write = "restarts would share it", f"state({type(value).__name__}), which makes one for each"
            else:
                why, write = "a rollback couldn't restore it", "an immutable value, e.g. durable(()) or a frozen class"
            raise ConfigurationError(
                f"{cls.__name__}.{field.name}: the {kind} default {value!r} is mutable, {why}. Write {write}."
            ) from error


def collect_handlers(cls: type) -> dict[type, Callable[..., Any]]:
    """The handlers of a class by what they handle, its bases' included."""
    names: dict[type, str] = {}
    for base in reversed(cls.__mro__):
        # A static or class method hides the mark of its function.
        own = {name: getattr(method, "__func__", method) for name, method in base.__dict__.items()}
        marked = {name: getattr(method, HANDLES) for name, method in own.items() if hasattr(method, HANDLES)}
        # A method that is defined anew handles what its own @on says; without one, what it did before.
        names = {kind: name for kind, name in names.items() if name not in marked}
        here: dict[type, str] = {}
        for name, kinds in marked.items():
            for kind in kinds:
                if here.setdefault(kind, name) != name:
                    raise ConfigurationError(
                        f"{cls.__name__} has two handlers for {kind.__name__}: {here[kind]} and {name}. Keep one of them."
                    )
        names |= here
    for kind, name in names.items():
        _check_kind(cls, name, kind)
        _check_handler(cls, name, kind)
    return {kind: getattr(cls, name) for kind, name in names.items()}


def _check_handler(cls: type, name: str, kind: type) -> None:
    where = f"{cls.__name__}.{name} handles {kind.__name__}"
    method = inspect.getattr_static(cls, name)
    if not inspect.isfunction(method):
        raise ConfigurationError(
            f"{where} but is a {type(method).__name__}: a handler is a method. Write `def {name}(self, frame)`."
        )
    if inspect.isasyncgenfunction(method):
        raise ConfigurationError(
            f"{where} but is an async generator, which can't be cut safely. Write `await self.push(...)` instead of `yield`."
        )
    signature = inspect.signature(method)
    try:
        signature.bind("self", "frame")
    except TypeError as error:
        prefix = "async " if inspect.iscoroutinefunction(method) else ""
        raise ConfigurationError(
            f"{where} but can't be called with a frame ({error}): it is `{prefix}def {name}{signature}`."
            f" Write `{prefix}def {name}(self, frame)`."
        ) from None

"""Values of JSON made immutable, so that frames and contexts can hold what providers and users speak in.

1. `freeze` is the only way in: everything below the result is immutable and hashable.
2. `thaw` is the only way out: it gives fresh dicts and lists, which the caller may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeAlias, cast

__all__ = ["FrozenDict", "Message", "freeze", "freeze_all", "thaw"]

Message: TypeAlias = Mapping[str, Any]
"""A context message as providers write it: `{"role": "user", "content": "hello"}`."""


class FrozenDict(dict[str, Any]):
    """A dict that can't change: hashable, equal to a dict of the same items, and `json.dumps` takes it as it is."""

    __slots__ = ("_hash",)
    _hash: int

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none, since it can change
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(frozenset(self.items()))
            return self._hash

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return FrozenDict, (dict(self),)


def _refuse(self: FrozenDict, *_arguments: object, **_named: object) -> NoReturn:
    raise TypeError("a FrozenDict can't be changed: build a new one with `freeze({**old, key: value})`.")


for _change in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(FrozenDict, _change, _refuse)


def freeze(value: Any) -> Any:
    """The value with each dict a `FrozenDict` and each list a tuple; other hashable values stay what they are.

    Raises `TypeError` for a key that isn't a string and for a value that can change, and names its place.
    """
    return _freeze(value, "value")


def freeze_all(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each of the values frozen, as a tuple. Raises `TypeError` for a single dict or string: surely a mistake."""
    if isinstance(values, str | bytes | Mapping):
        kind = type(cast(object, values)).__name__
        raise TypeError(f"expected a list of values, got one {kind}: write `[value]`.")
    return tuple(_freeze(value, f"value[{index}]") for index, value in enumerate(values))


def thaw(value: Any) -> Any:
    """The value with fresh dicts and lists in place of frozen dicts and tuples."""
    kind = cast(type[object], type(value))
    if issubclass(kind, FrozenDict):
        return {key: thaw(each) for key, each in value.items()}
    if issubclass(kind, tuple):
        return [thaw(each) for each in value]
    return value


FROZEN = {FrozenDict, str, int, float, bool, bytes, type(None)}
"""What is most of each message, and needs no look."""


def _freeze(value: Any, place: str) -> Any:
    # The class is asked, not the value: a checker that narrows `Any` would only know less of what is inside.
    kind = cast(type[object], type(value))
    if kind in FROZEN:
        return value
    if issubclass(kind, FrozenDict):
        return value
    if kind is dict or issubclass(kind, Mapping):
        return _freeze_mapping(value, place)
    if issubclass(kind, list | tuple):
        return tuple(_freeze(each, f"{place}[{index}]") for index, each in enumerate(value))
    if issubclass(kind, set):
        return frozenset(value)
    if issubclass(kind, bytearray | memoryview):
        return bytes(value)
    return _hashable(value, place)


def _freeze_mapping(mapping: Mapping[Any, Any], place: str) -> FrozenDict:
    for key in mapping:
        if not isinstance(key, str):
            raise TypeError(f"{place} has the key {key!r}: keys must be strings, as in JSON.")
    return FrozenDict({key: _freeze(value, f"{place}[{key!r}]") for key, value in mapping.items()})


def _hashable(value: Any, place: str) -> Any:
    try:
        hash(value)
    except TypeError as error:
        kind = type(value).__name__
        raise TypeError(f"{place} is a {kind}, which can change: give a frozen, hashable value.") from error
    return value

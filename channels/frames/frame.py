"""What a frame is: a frozen value of one kind, made by the decorator `@frame`.

1. A frame has fields and equality, nothing else. Time, sender and epoch belong to its delivery.
2. The kinds say how a frame queues: `SystemFrame` overtakes, `DataFrame` and `ControlFrame` keep order.
3. Nothing here may cost time when a frame is made: checks happen when a class is made.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import attrs

from ..frozen import freeze

__all__ = [
    "ControlFrame",
    "DataFrame",
    "Frame",
    "SystemFrame",
    "Uninterruptible",
    "UninterruptibleFrame",
    "frame",
]

Class = TypeVar("Class", bound=type)

BY_NAME_BELOW = {"antiphon": "by name below"}
"""Metadata of a field that says `kw_only`, for type checkers, but whose own class takes it by position, too."""

_MUTABLE = (list, dict, set, bytearray)


def json_field(*, default: object = attrs.NOTHING) -> Any:
    """A field that holds JSON, or anything else that `freeze` takes, made immutable."""
    return attrs.field(default=default, converter=freeze)


def short_bytes(value: bytes | None) -> str:
    """Bytes for a `repr`: how many, and a check sum (CRC-32), the same in each process."""
    if not isinstance(value, bytes):
        return repr(value)
    return f"<{len(value)} bytes {zlib.crc32(value):08x}>"


if TYPE_CHECKING:
    # Checkers know attrs by its own names; under these `attrs.evolve(frame, ...)` has types, too.
    from attrs import frozen as frame
else:

    def frame(cls: Class) -> Class:
        """Make a class of frames: `attrs.frozen(slots=True)`, whose instances hash by value.

        What a class adds to its base may be given by position; so may the base's first field. The other inherited fields
        are keyword-only. A class that adds nothing takes what its base takes. Raises `TypeError` for a mutable default.
        """
        return attrs.frozen(slots=True, init=True, weakref_slot=False, field_transformer=_arrange)(cls)


def _refuse_undecorated(self: object, *_arguments: object, **_named: object) -> NoReturn:
    name = type(self).__name__
    raise TypeError(f"{name} subclasses a frame but isn't one itself: write @frame above `class {name}`.")


def _arrange(cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """The fields as `@frame` takes them; runs once a class."""
    own = [_checked(cls, field) for field in fields if not _is_inherited(field)]
    inherited = [field for field in fields if _is_inherited(field)]
    if not any(field.init and not field.kw_only for field in own):
        return inherited + own
    must_follow = any(field.default is attrs.NOTHING and not field.kw_only for field in own)
    return [_placed(field, index, must_follow) for index, field in enumerate(inherited)] + own


def _is_inherited(field: attrs.Attribute[Any]) -> bool:
    return bool(field.inherited)  # type: ignore[attr-defined]  # attrs has it, its stub hasn't


def _placed(field: attrs.Attribute[Any], index: int, must_follow: bool) -> attrs.Attribute[Any]:
    # A first field with a default can't stand before one without, so it yields its place.
    stays = index == 0 and not (must_follow and field.default is not attrs.NOTHING)
    return field if stays or field.kw_only else field.evolve(kw_only=True)


def _checked(cls: type, field: attrs.Attribute[Any]) -> attrs.Attribute[Any]:
    default = field.default
    # `attrs.Factory` is typed as a function, so its instances are told by what they have.
    value = getattr(default, "factory", default)
    if value in _MUTABLE if isinstance(value, type) else isinstance(value, _MUTABLE):
        raise TypeError(
            f"{cls.__name__}.{field.name} has a mutable default: a frame holds a tuple, bytes or a frozen value."
        )
    if field.metadata == BY_NAME_BELOW:
        field = field.evolve(kw_only=False)
    if field.type in (bytes, "bytes") and field.repr is True:
        return field.evolve(repr=short_bytes)
    return field


class _Checked:
    """Sees each class that is derived from a frame."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        # attrs makes a slotted class anew, from the old one's dict: this is then the second call for it.
        if "__attrs_attrs__" in cls.__dict__:
            return
        if "__init__" in cls.__dict__:
            raise TypeError(
                f"{cls.__name__} defines __init__, but a frame's is made by @frame. "
                "Declare fields; convert in a classmethod."
            )
        cls.__init__ = _refuse_undecorated  # type: ignore[method-assign]


@frame
class Frame(_Checked):
    """Base of all that travels through a pipeline."""


@frame
class SystemFrame(Frame):
    """A frame with a lane of its own: it overtakes the ordered ones, never waits, and no interruption drops it."""


@frame
class DataFrame(Frame):
    """An ordered frame that carries content. An interruption drops it."""


@frame
class ControlFrame(Frame):
    """An ordered frame that says what to do. An interruption drops it."""


class Uninterruptible:
    """Mixin of ordered frames that no interruption drops: `class EndFrame(ControlFrame, Uninterruptible)`."""

    __slots__ = ()


UninterruptibleFrame = Uninterruptible
"""Legacy name."""

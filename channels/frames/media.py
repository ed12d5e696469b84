"""Images, files, application messages and keys, in and out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import attrs

from .frame import DataFrame, SystemFrame, frame, json_field, short_bytes

__all__ = [
    "AssistantImageRawFrame",
    "InputDTMFFrame",
    "InputFileRawFrame",
    "InputImageRawFrame",
    "InputTransportMessageFrame",
    "OutputDTMFFrame",
    "OutputDTMFUrgentFrame",
    "OutputImageRawFrame",
    "OutputTransportMessageFrame",
    "OutputTransportMessageUrgentFrame",
    "SpriteFrame",
    "URLImageRawFrame",
    "UserFileRawFrame",
    "UserImageRawFrame",
    "UserImageRequestFrame",
]

KEYS = frozenset("0123456789*#")
"""The keys of a telephone."""


def _size(size: Iterable[int]) -> tuple[int, int]:
    width, height = size
    return width, height


def _keys(keys: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(keys)


def _known_key(frame: object, field: attrs.Attribute[Any], value: str | None) -> None:
    if value is not None and value not in KEYS:
        raise ValueError(f"{type(frame).__name__}.{field.name} is {value!r}: a key is one of 0 to 9, * and #.")


def _known_keys(frame: object, field: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for key in value:
        _known_key(frame, field, key)


@frame
class InputImageRawFrame(SystemFrame):
    """An image from the user's camera."""

    image: bytes = attrs.field(repr=short_bytes)
    size: tuple[int, int] = attrs.field(converter=_size)
    """Width and height, pixels."""
    format: str | None = None
    """`"RGB"`, `"JPEG"`..."""
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class UserImageRawFrame(InputImageRawFrame):
    """An image of a given participant, perhaps the answer to a request."""

    size: tuple[int, int] = attrs.field(converter=_size, kw_only=True)
    """Width and height, pixels."""
    format: str | None = attrs.field(default=None, kw_only=True)
    user_id: str = ""
    text: str | None = None
    append_to_context: bool | None = None
    request: UserImageRequestFrame | None = None
    run_llm: bool | None = None
    """None means yes."""


@frame
class InputFileRawFrame(SystemFrame):
    """A file from the client."""

    file: str = attrs.field(repr=lambda file: repr(file if len(file) <= 200 else file[:200] + "..."))
    """A data URL or a URL."""
    type: str = "bytes"
    """`"bytes"` or `"url"`."""
    filename: str | None = None
    format: str | None = None
    """MIME type."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class UserFileRawFrame(InputFileRawFrame):
    """A file of a given participant."""

    type: str = attrs.field(default="bytes", kw_only=True)
    filename: str | None = attrs.field(default=None, kw_only=True)
    format: str | None = attrs.field(default=None, kw_only=True)
    user_id: str = ""
    text: str | None = None
    append_to_context: bool | None = None
    custom_options: Any = json_field(default=None)
    run_llm: bool | None = None
    """None means yes."""


@frame
class InputTransportMessageFrame(SystemFrame):
    """An application message from the client."""

    message: Any = json_field()
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class InputDTMFFrame(SystemFrame):
    """A key that the user pressed."""

    button: str = attrs.field(validator=_known_key)
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class UserImageRequestFrame(SystemFrame):
    """Asks the input for an image."""

    user_id: str
    text: str | None = None
    append_to_context: bool | None = None
    video_source: str | None = None
    function_name: str | None = None
    tool_call_id: str | None = None
    result_callback: Callable[..., object] | None = None
    context: Hashable | None = attrs.field(default=None, kw_only=True)
    """Legacy."""


@frame
class OutputImageRawFrame(DataFrame):
    """An image to show."""

    image: bytes = attrs.field(repr=short_bytes)
    size: tuple[int, int] = attrs.field(converter=_size)
    """Width and height, pixels."""
    format: str | None = None
    """`"RGB"`, `"JPEG"`..."""
    sync_with_audio: bool = False
    """Show it after the audio before it."""
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class URLImageRawFrame(OutputImageRawFrame):
    """An image with the address that it is from."""

    size: tuple[int, int] = attrs.field(converter=_size, kw_only=True)
    """Width and height, pixels."""
    format: str | None = attrs.field(default=None, kw_only=True)
    sync_with_audio: bool = attrs.field(default=False, kw_only=True)
    url: str | None = None


@frame
class AssistantImageRawFrame(OutputImageRawFrame):
    """An image that the bot made."""

    size: tuple[int, int] = attrs.field(converter=_size, kw_only=True)
    """Width and height, pixels."""
    format: str | None = attrs.field(default=None, kw_only=True)
    sync_with_audio: bool = attrs.field(default=False, kw_only=True)
    original_data: bytes | None = attrs.field(default=None, repr=short_bytes)
    original_mime_type: str | None = None


def _images(images: Iterable[OutputImageRawFrame]) -> tuple[OutputImageRawFrame, ...]:
    return tuple(images)


@frame
class SpriteFrame(DataFrame):
    """An animation, shown at the camera's frame rate."""

    images: tuple[OutputImageRawFrame, ...] = attrs.field(converter=_images)
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class OutputTransportMessageFrame(DataFrame):
    """An application message to the client, after the audio before it."""

    message: Any = json_field()
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class OutputTransportMessageUrgentFrame(SystemFrame):
    """An application message to the client, at once."""

    message: Any = json_field()
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class OutputDTMFFrame(DataFrame):
    """Key tones to send, after the audio before them."""

    button: str | None = attrs.field(default=None, validator=_known_key)
    buttons: tuple[str, ...] = attrs.field(default=(), converter=_keys, validator=_known_keys)
    """Several keys, e.g. `"12#"`."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class OutputDTMFUrgentFrame(SystemFrame):
    """Key tones to send at once."""

    button: str | None = attrs.field(default=None, validator=_known_key)
    buttons: tuple[str, ...] = attrs.field(default=(), converter=_keys, validator=_known_keys)
    """Several keys, e.g. `"12#"`."""
    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)

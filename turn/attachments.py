"""Images and files as context messages."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from ..channels import AssistantImageRawFrame, UserFileRawFrame, UserImageRawFrame

__all__: list[str] = []

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
"""Raw formats: bytes for each pixel."""
PNG_COLOURS = {1: 0, 3: 2, 4: 6}


def image_message(frame: UserImageRawFrame | AssistantImageRawFrame, *, role: str = "user") -> dict[str, Any]:
    """The message that shows an image. What is raw becomes PNG; a format that is no raw one is taken for what the bytes are in."""
    original = frame.original_data if isinstance(frame, AssistantImageRawFrame) else None
    if original is not None:
        assert isinstance(frame, AssistantImageRawFrame)
        data, mime = original, frame.original_mime_type or "image/jpeg"
    elif (channels := CHANNELS.get((frame.format or "RGB").upper())) is not None:
        data, mime = png(frame.image, frame.size, channels), "image/png"
    else:
        name = (frame.format or "").lower()
        data, mime = frame.image, name if "/" in name else f"image/{name}"
    url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    text = frame.text if isinstance(frame, UserImageRawFrame) else None
    words = [{"type": "text", "text": text}] if text else []
    return {"role": role, "content": [*words, {"type": "image_url", "image_url": {"url": url}}]}


def file_message(frame: UserFileRawFrame) -> dict[str, Any]:
    """The message that hands over a file."""
    key = "file_url" if frame.type == "url" else "file_data"
    told = {"filename": frame.filename, "mime_type": frame.format}
    file = {key: frame.file, **{name: value for name, value in told.items() if value is not None}}
    words = [{"type": "text", "text": frame.text}] if frame.text else []
    return {"role": "user", "content": [*words, {"type": "file", "file": file}]}


def png(image: bytes, size: tuple[int, int], channels: int) -> bytes:
    """Raw pixels, 8 bits a channel, row by row from the top, as PNG (ISO/IEC 15948). Raises `ValueError` for too few or many bytes."""
    width, height = size
    row = width * channels
    if len(image) != row * height:
        raise ValueError(
            f"an image of {width} by {height} with {channels} channels has {row * height} bytes, not {len(image)}."
        )
    rows = b"".join(b"\0" + image[start : start + row] for start in range(0, len(image), row))
    head = struct.pack(">IIBBBBB", width, height, 8, PNG_COLOURS[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

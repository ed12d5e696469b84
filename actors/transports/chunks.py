"""Sound cut into whole chunks: pieces of any length wait until there is enough of them.

Values only. A piece isn't copied when a chunk is cut off it: its beginning moves.
"""

from __future__ import annotations

import attrs

from ...channels.frames import OutputAudioRawFrame

__all__ = ["Chunk", "Piece", "Pieces", "filled", "firm", "take"]


@attrs.frozen
class Piece:
    """Sound of one frame, or what is left of it."""

    audio: bytes = attrs.field(repr=lambda audio: f"<{len(audio)} bytes>")
    """Mono, at the device's rate and loudness."""
    frame: OutputAudioRawFrame
    """What it is the sound of."""
    start: int = 0
    """Bytes that are gone."""

    @property
    def size(self) -> int:
        """Bytes that are left."""
        return len(self.audio) - self.start


Pieces = tuple[Piece, ...]


@attrs.frozen
class Chunk:
    """Sound to be handed over at once."""

    audio: bytes
    frame: OutputAudioRawFrame
    """What it is the sound of; where two frames meet, the later one."""
    interruptible: bool
    """Whether no sample of it must be heard."""


def take(pieces: Pieces, size: int) -> tuple[Chunk | None, Pieces]:
    """The first `size` bytes and what is left; None and all of it while there is less. There is a piece.

    A frame that is one chunk goes on as it came: the whole of its bytes is that very object.
    """
    first = pieces[0]
    if first.size == size:
        return Chunk(first.audio[first.start :], first.frame, first.frame.interruptible), pieces[1:]
    sound, interruptible, missing = [], True, size
    for index, piece in enumerate(pieces):
        end = min(piece.start + missing, len(piece.audio))
        sound.append(piece.audio[piece.start : end])
        interruptible &= piece.frame.interruptible
        missing -= end - piece.start
        if not missing:
            rest = () if end == len(piece.audio) else (Piece(piece.audio, piece.frame, end),)
            whole = sound[0] if len(sound) == 1 else b"".join(sound)
            return Chunk(whole, piece.frame, interruptible), (*rest, *pieces[index + 1 :])
    return None, pieces


def filled(pieces: Pieces, size: int) -> Pieces:
    """With silence at the end that makes the last chunk a whole one."""
    missing = -sum(piece.size for piece in pieces) % size
    return (*pieces, Piece(bytes(missing), pieces[-1].frame)) if missing else pieces


def firm(pieces: Pieces) -> Pieces:
    """What an interruption leaves: sound that must be heard."""
    return tuple(piece for piece in pieces if not piece.frame.interruptible)

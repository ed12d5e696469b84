"""The one door through which everything enters and leaves, so that a session can be played without the world.

A `Door` is a session's; `actor.outside` is one actor's way through it, which knows whose handler is running.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from .engine import MAX_AUDIO_BYTES, Engine, open_engine

if TYPE_CHECKING:
    from .cell import Cell

__all__ = ["Door", "LiveDoor", "NoDoor", "Outside"]


class Door(Protocol):
    """How a session reaches the world."""

    def engine(
        self, cell: Cell, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES
    ) -> AbstractAsyncContextManager[Engine]:
        """A child process that speaks frames."""
        ...


class LiveDoor:
    """The world as it is."""

    def engine(
        self, cell: Cell, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES
    ) -> AbstractAsyncContextManager[Engine]:
        return open_engine(command, defer=cell.defer, on_shed=cell.report_shed, max_audio_bytes=max_audio_bytes)


class NoDoor:
    """No world at all: what `play` gives."""

    def engine(
        self, cell: Cell, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES
    ) -> AbstractAsyncContextManager[Engine]:
        raise RuntimeError(
            f"{cell.address}: a play has no outside, so no engine can be started ({' '.join(command)})."
            " Leave the actor out of the play, or open a session."
        )


class Outside:
    """One actor's way to the world; `self.outside`."""

    def __init__(self, door: Door, cell: Cell) -> None:
        self._door = door
        self._cell = cell

    @asynccontextmanager
    async def engine(self, command: Sequence[str], *, max_audio_bytes: int = MAX_AUDIO_BYTES) -> AsyncIterator[Engine]:
        """Start a program that speaks frames on both pipes, for the time of the block: `async with self.outside.engine([...]) as engine`.

        Of sound that it doesn't read in time the newest `max_audio_bytes` wait.

        Best in `lifespan()`, so that a dead engine is a failure of the actor and the next incarnation starts another.
        Raises what `open_engine` raises.
        """
        async with self._door.engine(self._cell, command, max_audio_bytes=max_audio_bytes) as engine:
            # The session's statistics name the process while it runs.
            self._cell.engines.append(engine.pid)
            try:
                yield engine
            finally:
                self._cell.engines.remove(engine.pid)

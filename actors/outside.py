"""The one door through which everything enters and leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cell import Cell
__all__ = ["Door", "LiveDoor", "NoDoor", "Outside"]


class Door: ...


class LiveDoor(Door): ...


class NoDoor(Door): ...


class Outside:
    def __init__(self, door: Door, cell: Cell) -> None: ...

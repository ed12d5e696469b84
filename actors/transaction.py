"""What a plain handler has changed beside its effects, so that it can be undone: durable values, and what it asked to be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actor import Actor


class Transaction:
    """Of one plain handler; made when it first changes something."""

    __slots__ = ("_actor", "_before", "deferred")

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._before: dict[str, Any] = {}
        self.deferred: list[Callable[[], None]] = []
        """Done when the handler can't fail any more."""

    def note(self, name: str) -> None:
        """A durable value is about to change."""
        if name not in self._before:
            self._before[name] = getattr(self._actor, name)

    def check(self) -> None:
        check_durables(self._actor, self._before)

    def undo(self) -> None:
        for name, value in self._before.items():
            object.__setattr__(self._actor, name, value)

    def commit(self) -> None:
        for action in self.deferred:
            action()


def check_durables(actor: Actor, names: Iterable[str]) -> None:
    """Raises `TypeError` for a value that could change behind a rollback's back."""
    for name in names:
        value = getattr(actor, name)
        try:
            hash(value)
        except TypeError as error:
            raise TypeError(
                f"{actor.address}: durable {name} was set to {value!r}, which is mutable."
                " Assign a tuple or another frozen value."
            ) from error

"""Events: what an application hears of an actor, outside the actor's loops.

1. Firing is an effect, so it belongs to the transaction that fires: what is undone has fired nothing.
2. Handlers of one actor's events run one after the other, in the order fired, in a task of the session: a slow one delays
   no frame, and none is lost when its actor dies.
"""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs
import trio

from ..channels.credentials import masked
from .delivery import Event
from .effects import Address
from .errors import ConfigurationError

__all__ = ["ActorView"]

HANDLERS_GRACE = 1.0
"""Seconds that handlers of events may still take when the actors have left."""

Listener = Callable[..., Any]

_log = logging.getLogger("antiphon")


@attrs.frozen
class ActorView:
    """What a handler of an event is given of the actor: its address and, as attributes, its durable values as they were
    when it fired, e.g. `view.context`.
    """

    address: Address
    _values: Mapping[str, Any] = attrs.field(repr=False, hash=False)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(sorted(self._values))
            raise AttributeError(f"{self.address} keeps no durable {name!r}; there are: {known}") from None


@attrs.frozen
class _Call:
    event: Event
    listener: Listener
    view: object


class Events:
    """Of one session."""

    def __init__(self, spawn: Callable[..., None]) -> None:
        self._spawn = spawn
        self._calls: dict[str, deque[_Call]] = {}
        """By actor, what its handlers have yet to hear. A key means that a task works it off."""
        self._idle = trio.lowlevel.ParkingLot()

    def fire(self, event: Event, view: object, listeners: Sequence[Listener]) -> None:
        """Have them called, in the order of what one address has fired."""
        if not listeners:
            return
        calls = [_Call(event, listener, view) for listener in listeners]
        name = event.address.name
        if name in self._calls:
            self._calls[name] += calls
        else:
            self._calls[name] = deque(calls)
            self._spawn(self._work_off, name)

    async def all_heard(self) -> None:
        """Wait until all handlers have run, or their time is over."""
        with trio.move_on_after(HANDLERS_GRACE):
            while self._calls:
                await self._idle.park()
        for name, calls in self._calls.items():
            _log.error(
                "handlers of %s's events haven't returned %g s after the end: %d more are not called",
                name,
                HANDLERS_GRACE,
                len(calls),
            )

    async def _work_off(self, name: str) -> None:
        calls = self._calls[name]
        while calls:
            call = calls.popleft()
            try:
                result = call.listener(call.view, *call.event.payload)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:
                # The application's own code, outside every actor: nobody could be restarted for it.
                told = masked("".join(str(error)))
                _log.error(
                    "%s's handler of %s raised %s: %s",
                    name,
                    call.event.name,
                    type(error).__name__,
                    told,
                    exc_info=error,
                )
        del self._calls[name]
        if not self._calls:
            self._idle.unpark_all()


def check_listener(
    where: str, name: str, handler: object, *, events: Collection[str], aliases: Mapping[str, str] | None = None
) -> str:
    """Which event is meant by a name. `handler` None is yet to come. Raises `ConfigurationError` for an event that isn't
    there, and for what can't be called.
    """
    aliases = aliases or {}
    meant = aliases.get(name, name)
    if meant not in events:
        known = ", ".join((*events, *aliases)) or "none"
        raise ConfigurationError(f"{where}.on_event({name!r}): there is no such event. It has: {known}.")
    if handler is not None and not callable(handler):
        raise ConfigurationError(f"{where}.on_event({name!r}, {handler!r}): give it a function to call.")
    return meant

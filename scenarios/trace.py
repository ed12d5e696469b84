"""What happened in a run, as values, and its fingerprint: the same seed gives the same trace, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from ..actors import Address, Delivery, Dropped, Event, Failure, Observer, Restart, Stall
from ..channels.frames import CancelFrame, EndFrame, Frame, InterruptionFrame, StartFrame, StopFrame

__all__ = ["Trace", "TraceRecorder"]

_LIFECYCLE = (StartFrame, EndFrame, StopFrame, CancelFrame, InterruptionFrame)


@attrs.frozen
class Trace:
    """What a play saw."""

    down: tuple[Frame, ...]
    """What left at the end, in order; no lifecycle frames, no InterruptionFrame."""
    up: tuple[Frame, ...]
    """What left at the head, going upstream."""
    deliveries: tuple[Delivery, ...]
    dropped: tuple[Dropped, ...]
    failures: tuple[Failure, ...]
    restarts: tuple[Restart, ...]
    events: tuple[Event, ...]
    """Events that the actors fired."""
    durable: Mapping[str, Mapping[str, object]]
    """The durable values at the end, by actor name."""
    ended: str | BaseException
    """`"ended"`, `"cancelled"`, or what the session failed with."""
    stalls: tuple[Stall, ...] = ()
    history: tuple[object, ...] = ()
    """All that was told, deliveries, drops, events and the rest, in the order in which it happened."""
    logged: tuple[str, ...] = ()
    """What the logger `antiphon` was given from INFO on, as `LEVEL text`; the digest doesn't hold it."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical trace, in hexadecimal. Made when somebody asks: it takes as long as the run."""
        return digest_of([*self.history, self.durable, self.ended])

    def handled_by(self, name: str) -> tuple[object, ...]:
        """The frames and messages whose handling an actor began, in order."""
        return tuple(each.frame for each in self.deliveries if each.receiver.name == name)


class TraceRecorder(Observer):
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.dropped_ones: list[Dropped] = []
        self.events: list[Event] = []
        self.failures: list[Failure] = []
        self.restarts: list[Restart] = []
        self.stalls: list[Stall] = []
        self.all: list[object] = []

    def delivered(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.all.append(delivery)

    def dropped(self, dropped: Dropped) -> None:
        self.dropped_ones.append(dropped)
        self.all.append(dropped)

    def fired(self, event: Event) -> None:
        self.events.append(event)
        self.all.append(event)

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.all.append(failure)

    def restarted(self, restart: Restart) -> None:
        self.restarts.append(restart)
        self.all.append(restart)

    def stalled(self, stall: Stall) -> None:
        self.stalls.append(stall)
        self.all.append(stall)

    def ended(self, outcome: object) -> None:
        self.all.append(outcome)

    def trace(
        self,
        *,
        durable: Mapping[str, Mapping[str, object]],
        ended: str | BaseException,
        logged: Iterable[str] = (),
    ) -> Trace:
        """All of it as a `Trace`."""
        return Trace(
            down=self._out_at("sink"),
            up=self._out_at("source"),
            deliveries=tuple(self.deliveries),
            dropped=tuple(self.dropped_ones),
            failures=tuple(self.failures),
            restarts=tuple(self.restarts),
            events=tuple(self.events),
            durable=durable,
            ended=ended,
            stalls=tuple(self.stalls),
            history=tuple(self.all),
            logged=tuple(logged),
        )

    def _out_at(self, end: str) -> tuple[Frame, ...]:
        return tuple(
            each.frame
            for each in self.deliveries
            if each.receiver.name == end and isinstance(each.frame, Frame) and not isinstance(each.frame, _LIFECYCLE)
        )


def digest_of(values: object) -> str:
    """SHA-256 of values in a canonical form that is the same in each process.

    Fields by `repr`, bytes by length and hash, callables by qualified name, exceptions and what has no `repr` of its own by
    type, times in integer microseconds.
    """
    sha = hashlib.sha256()
    for piece in _canonical(values):
        sha.update(piece.encode())
        sha.update(b"\n")
    return sha.hexdigest()


def _canonical(value: Any) -> Iterator[str]:
    if isinstance(value, bytes):
        yield f"bytes {len(value)} {hashlib.sha256(value).hexdigest()}"
    elif isinstance(value, BaseException):
        yield f"error {type(value).__qualname__}"
    elif isinstance(value, Address):
        yield f"address {value.name}"
    elif isinstance(value, type) or (isinstance(value, Callable) and not attrs.has(type(value))):  # type: ignore[arg-type]  # a protocol at run time
        yield f"callable {getattr(value, '__qualname__', type(value).__qualname__)}"
    elif attrs.has(type(value)):
        yield f"({type(value).__qualname__}"
        for field in attrs.fields(type(value)):
            if not field.eq:
                continue  # kept beside the value, not part of it
            inner = getattr(value, field.name)
            yield field.name
            if field.name in ("time", "delay", "since") and isinstance(inner, float):
                yield str(round(inner * 1e6))
            else:
                yield from _canonical(inner)
        yield ")"
    elif isinstance(value, Mapping):
        yield "{"
        for key, inner in sorted(value.items(), key=lambda pair: repr(pair[0])):
            yield from _canonical(key)
            yield from _canonical(inner)
        yield "}"
    elif isinstance(value, (list, tuple)):
        yield "["
        for inner in value:
            yield from _canonical(inner)
        yield "]"
    elif isinstance(value, (set, frozenset)):
        yield "set"
        yield from sorted("|".join(_canonical(inner)) for inner in value)
    elif getattr(type(value), "__repr__", None) is object.__repr__:
        yield f"object {type(value).__qualname__}"  # its repr would name a place in memory
    else:
        yield repr(value)

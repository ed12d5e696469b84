"""A trace as a conversation: who is who, what was really handled, what was written when.

1. What a failed handler had in hand and was given again counts once: the handling that failed has not been.
2. What the trace doesn't hold is empty here, and whoever needs it says nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar, cast

import attrs

from ...actors import Address, Delivery, Event, Failure, Restart
from ...channels import (
    BotStartedSpeakingFrame,
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InterruptionFrame,
    LLMContext,
    StartFrame,
    StopFrame,
    SystemFrame,
)
from ...turn.peer_messages import Commit, Committed, Flushed, Park, ResponseClosed, ResponseOpened
from ..trace import Trace

__all__ = ["Reading"]

Lane = Literal["system", "ordered"]
T = TypeVar("T")
F = TypeVar("F", covariant=True)


class Seen(Protocol[F]):
    """A `Delivery` whose frame's type is known."""

    @property
    def seq(self) -> int: ...
    @property
    def time(self) -> float: ...
    @property
    def sender(self) -> Address | None: ...
    @property
    def receiver(self) -> Address: ...
    @property
    def frame(self) -> F: ...
    @property
    def direction(self) -> str | None: ...
    @property
    def epoch(self) -> int: ...
    @property
    def immune(self) -> bool: ...


@attrs.frozen
class Version:
    """A version of the context, and when it was first seen."""

    number: int
    context: LLMContext
    seen: Delivery | None
    """None for the last one, if only the durable values hold it."""

    @property
    def time(self) -> float:
        return math.inf if self.seen is None else self.seen.time


@attrs.frozen
class Told:
    """An event, and what its actor was handling when it fired."""

    event: Event
    cause: Delivery | None


@attrs.frozen
class Reading:
    """A trace, and who is who in it."""

    trace: Trace
    user: str = ""
    """The name of the pair's user half; empty where nobody behaves like one."""
    assistant: str = ""
    """The name of the pair's assistant half."""
    output: str = ""
    """The name of the actor that plays, and says when the bot speaks."""

    @classmethod
    def of(
        cls, trace: Trace, *, user: str | None = None, assistant: str | None = None, output: str | None = None
    ) -> Reading:
        """Read a trace. Who isn't named is found by what it sends and is sent."""
        to_user = (Flushed, ResponseOpened, ResponseClosed, Commit, Park)
        return cls(
            trace,
            user or _receiver(trace, to_user) or _sender(trace, (ContextCommittedFrame, Committed)),
            assistant or _receiver(trace, (Committed,)) or _sender(trace, to_user),
            output or _sender(trace, (HeardFrame,)) or _sender(trace, (BotStartedSpeakingFrame,)),
        )

    # ---- what was handled

    @cached_property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Those whose handling didn't fail, or had effects before it did; in order."""
        partial = {each.delivery.seq for each in self.trace.dropped if each.reason == "partial"}
        failed = {each.delivery.seq for each in self.trace.failures if each.delivery is not None}
        void = failed - partial | self._repeated()
        return tuple(each for each in self.trace.deliveries if each.seq not in void)

    def _repeated(self) -> set[int]:
        """What was in the hands of an actor's other loop, or of a sibling, as it was restarted, and was handled again."""
        restarts: dict[str, list[float]] = {}
        for restart in self.trace.restarts:
            restarts.setdefault(restart.address.name, []).append(restart.time)

        def was_restarted(name: str, since: float, until: float) -> bool:
            return any(since <= time <= until for time in restarts[name])

        found: set[int] = set()
        last: dict[tuple[str, Lane], Delivery] = {}
        for each in self.trace.deliveries:
            name = each.receiver.name
            if name not in restarts or name in (self.user, self.assistant) or isinstance(each.frame, StartFrame):
                continue
            key = name, lane_of(each)
            before = last.get(key)
            if before is not None and is_same(before, each) and was_restarted(name, before.time, each.time):
                found.add(before.seq)
            last[key] = each
        return found

    @cached_property
    def _by_type(self) -> Mapping[type, list[Delivery]]:
        found: dict[type, list[Delivery]] = {}
        for each in self.deliveries:
            found.setdefault(type(each.frame), []).append(each)
        return found

    def select(self, *kinds: type[T], by: str | None = None, at: str | None = None) -> list[Seen[T]]:
        """The deliveries of frames and messages of these types, sent by one actor and handled by another, in order."""
        those = (each for kind, of_kind in self._by_type.items() if issubclass(kind, kinds) for each in of_kind)
        wanted = (
            each for each in those if (by is None or sender_of(each) == by) and (at is None or each.receiver.name == at)
        )
        return cast("list[Seen[T]]", sorted(wanted, key=lambda each: each.seq))

    # ---- when

    @cached_property
    def steps(self) -> Mapping[int, Delivery]:
        """For each epoch the first that was seen of the interruption that began it."""
        found: dict[int, Delivery] = {}
        for each in self.trace.deliveries:
            if isinstance(each.frame, InterruptionFrame) and each.frame.epoch is not None:
                found.setdefault(each.frame.epoch, each)
        return found

    @cached_property
    def ends_at(self) -> float:
        """When the last thing happened."""
        return max((each.time for each in self.trace.deliveries), default=0.0)

    @cached_property
    def is_broken_off(self) -> bool:
        """Whether the session failed, or a half of the pair was down as it ended: then what is missing then is no wonder."""
        down: dict[str, bool] = {}
        for each in self.trace.history:
            if isinstance(each, (Failure, Restart)):
                down[each.address.name] = isinstance(each, Failure)
        is_down = any(down.get(name, False) for name in (self.user, self.assistant))
        return is_down or isinstance(self.trace.ended, BaseException)

    @cached_property
    def is_stopped(self) -> bool:
        """Whether the session has ended, and the pair hasn't: what waits to be written is kept."""
        return bool(self.select(StopFrame))

    def end_at(self, name: str) -> float:
        """The number of the delivery with which an actor's session ended; infinity if it hasn't."""
        return min((each.seq for each in self.select(EndFrame, CancelFrame, at=name)), default=math.inf)

    @cached_property
    def downtimes(self) -> tuple[tuple[float, float], ...]:
        """From when to when somebody was down. What passes by such an actor waits there, and nobody tells of it."""
        since: dict[str, float] = {}
        found: list[tuple[float, float]] = []
        for each in self.trace.history:
            if isinstance(each, Failure):
                since.setdefault(each.address.name, each.time)
            elif isinstance(each, Restart):
                found.append((since.pop(each.address.name, each.time), each.time))
        return (*found, *((time, math.inf) for time in since.values()))

    @property
    def is_delayed(self) -> bool:
        """Whether somebody came back later than at once: then what follows comes later, too."""
        return any(each.delay > 0 for each in self.trace.restarts)

    # ---- the context

    @cached_property
    def sightings(self) -> tuple[tuple[LLMContext, Delivery], ...]:
        """Each time that the context was sent by whoever owns it, in order."""
        return tuple(
            (each.frame.context, each)
            for each in self.deliveries
            if isinstance(each.frame, (ContextCommittedFrame, Committed))
        )

    @cached_property
    def versions(self) -> tuple[Version, ...]:
        """The versions of the context that were seen, by number."""
        found: dict[int, Version] = {}
        for context, delivery in self.sightings:
            found.setdefault(context.version, Version(context.version, context, delivery))
        last = self.durable(self.user, "context", LLMContext)
        if last is not None:
            found.setdefault(last.version, Version(last.version, last, None))
        return tuple(found[number] for number in sorted(found))

    @property
    def context(self) -> LLMContext | None:
        """As it was in the end."""
        return self.versions[-1].context if self.versions else None

    def durable(self, name: str, field: str, kind: type[T]) -> T | None:
        """A durable value at the end, if that actor has one of this name and type."""
        value = self.trace.durable.get(name, {}).get(field)
        return value if isinstance(value, kind) else None

    # ---- events

    @cached_property
    def told(self) -> tuple[Told, ...]:
        """The events of both halves, which the user half fires in the order of its writing, with what it was handling."""
        found: list[Told] = []
        cause: Delivery | None = None
        halves = {self.user, self.assistant} - {""}
        for each in self.trace.history:
            if isinstance(each, Delivery) and each.receiver.name == self.user:
                cause = each
            elif isinstance(each, Event) and each.address.name in halves:
                found.append(Told(each, cause))
        return tuple(found)

    def events(self, name: str) -> list[Event]:
        """The events of this name of both halves, in order."""
        return [each for each in self._of_the_halves() if each.name == name]

    @property
    def has_events(self) -> bool:
        """Whether the halves have told of anything."""
        return bool(self._of_the_halves())

    def _of_the_halves(self) -> list[Event]:
        halves = {self.user, self.assistant} - {""}
        return [each for each in self.trace.events if each.address.name in halves]


def lane_of(delivery: Seen[object]) -> Lane:
    """Messages and timers travel with system frames."""
    frame = delivery.frame
    return "system" if isinstance(frame, SystemFrame) or not isinstance(frame, Frame) else "ordered"


def sender_of(delivery: Seen[object]) -> str | None:
    return None if delivery.sender is None else delivery.sender.name


def is_same(one: Seen[object], other: Seen[object]) -> bool:
    """Whether both may be handlings of one sending."""
    return (
        one.frame is other.frame
        and one.sender == other.sender
        and one.direction == other.direction
        and one.epoch == other.epoch
    )


def content_of(value: Any) -> str | None:
    """The text of a context message or of an event's message."""
    content = value.get("content") if isinstance(value, Mapping) else getattr(value, "content", None)
    return content if isinstance(content, str) else None


def pairs(versions: tuple[Version, ...]) -> Iterator[tuple[Version, Version]]:
    """Each version with the one before it."""
    return itertools.pairwise(versions)


ENDS = ("source", "sink")
"""The ends of a session, where a script speaks for somebody."""


def _receiver(trace: Trace, kinds: tuple[type, ...]) -> str:
    those = (each.receiver.name for each in trace.deliveries if isinstance(each.frame, kinds))
    return next((name for name in those if name not in ENDS), "")


def _sender(trace: Trace, kinds: tuple[type, ...]) -> str:
    those = (each.sender.name for each in trace.deliveries if isinstance(each.frame, kinds) and each.sender is not None)
    return next((name for name in those if name not in ENDS), "")

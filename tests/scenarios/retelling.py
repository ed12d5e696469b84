"""Traces told otherwise than they happened: a real one, edited as a whole, so that it is still one story."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from antiphon.actors import Delivery, Dropped, Event, Failure, Restart, Stall
from antiphon.scenarios import Trace, TraceRecorder

Change = Callable[[Any], Iterable[object]]


def retold(
    trace: Trace, change: Change = lambda each: [each], *, durable: Mapping[str, Mapping[str, object]] | None = None
) -> Trace:
    """The trace, with what `change` gives for each thing in its history in place of that. Deliveries are numbered anew, and
    `durable` replaces values by actor.
    """
    recorder = TraceRecorder()
    seqs: dict[int, int] = {}
    tell: dict[type, Callable[[Any], None]] = {
        Delivery: recorder.delivered,
        Dropped: recorder.dropped,
        Event: recorder.fired,
        Failure: recorder.failed,
        Restart: recorder.restarted,
        Stall: recorder.stalled,
    }
    for each in trace.history:
        for item in change(each):
            told: Any = item
            if isinstance(item, Delivery):
                told = attrs.evolve(item, seq=len(recorder.deliveries) + 1)
                seqs[item.seq] = told.seq
            elif isinstance(item, (Dropped, Failure)) and item.delivery is not None:
                seq = seqs.get(item.delivery.seq, 0)
                told = attrs.evolve(item, delivery=attrs.evolve(item.delivery, seq=seq))
            tell.get(type(told), recorder.ended)(told)
    values = {name: {**fields, **(durable or {}).get(name, {})} for name, fields in trace.durable.items()}
    return recorder.trace(durable=values, ended=trace.ended, logged=trace.logged)


def without(trace: Trace, gone: Callable[[Any], bool]) -> Trace:
    """The trace without these things."""
    return retold(trace, lambda each: [] if gone(each) else [each])


def moved(trace: Trace, these: Callable[[Any], bool], *, behind: Callable[[Any], bool]) -> Trace:
    """The trace in which these things happened later, or earlier: right behind the first of others, at its time."""
    taken: list[Any] = [each for each in trace.history if these(each)]
    assert taken, "nothing to move"
    left = [each for each in trace.history if not these(each)]
    place = next(at for at, each in enumerate(left) if behind(each))
    then: Any = left[place]
    later = [attrs.evolve(each, time=then.time) for each in taken]
    history = (*left[: place + 1], *later, *left[place + 1 :])
    return retold(attrs.evolve(trace, history=history))


def changed(trace: Trace, kind: type, change: Callable[[Any], object], *, at: str | None = None) -> Trace:
    """The trace in which frames and messages of this type were others, wherever or for one who handled them."""

    def other(each: Any) -> Iterable[object]:
        if isinstance(each, Delivery) and isinstance(each.frame, kind) and at in (None, each.receiver.name):
            return [attrs.evolve(each, frame=change(each.frame))]
        return [each]

    return retold(trace, other)


def with_more(trace: Trace, item: Callable[[Any], object], *, behind: Callable[[Any], bool]) -> Trace:
    """The trace in which something else happened, right behind the first of these."""
    found = False

    def more(each: Any) -> Iterable[object]:
        nonlocal found
        if found or not behind(each):
            return [each]
        found = True
        return [each, item(each)]

    told = retold(trace, more)
    assert found, "nowhere to put it"
    return told


def is_at(name: str, kind: type, **fields: object) -> Callable[[Any], bool]:
    """Whether something is the handling, by that actor, of a frame or message of that type with these fields."""

    def matches(each: Any) -> bool:
        return (
            isinstance(each, Delivery)
            and each.receiver.name == name
            and isinstance(each.frame, kind)
            and all(getattr(each.frame, field) == value for field, value in fields.items())
        )

    return matches


def is_event(name: str, content: str | None = None) -> Callable[[Any], bool]:
    """Whether something is an event of that name, with that content."""

    def matches(each: Any) -> bool:
        return (
            isinstance(each, Event)
            and each.name == name
            and (content is None or getattr(each.payload[-1], "content", None) == content)
        )

    return matches

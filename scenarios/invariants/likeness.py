"""What two conversations have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...channels import LLMContextFrame
from ..trace import Trace
from .complaint import Finding
from .conversation import Conversation
from .spoken import heard

__all__: list[str] = []


def same_as_cascade(realtime: Conversation, cascade: Conversation) -> Iterator[Finding]:
    """A realtime mode in which both turns and writes wait is no other than none: the context and the events are the same.

    The second is the same conversation without a realtime mode.
    """
    yield from _same_context(realtime, cascade)
    yield from _same_events(realtime, cascade)


def kill_safe(killed: Conversation, calm: Conversation) -> Iterator[Finding]:
    """A half of the pair that dies and is back at once changes nothing: not the context, the runs, the events, the words.

    The second is the same conversation without the kills. Says nothing where somebody came back later than at once, or
    died of the end itself, from which nobody comes back.
    """
    if killed.is_delayed or killed.is_broken_off:
        return
    yield from _same_context(killed, calm)
    yield from _same("runs", killed, _runs(killed), _runs(calm))
    yield from _same_events(killed, calm)
    yield from _same("words heard", killed, _words(killed), _words(calm))


def determinism(one: Conversation, other: Conversation) -> Iterator[Finding]:
    """One seed, one trace. The second is the same conversation played again."""
    if one.trace.digest == other.trace.digest:
        return
    yield Finding(_parting(one.trace, other.trace), "both have the same seed, and here they part")


def _parting(one: Trace, other: Trace) -> float:
    """When two traces first differ."""
    those = zip(one.deliveries, other.deliveries, strict=False)
    return next((mine.time for mine, its in those if repr(mine) != repr(its)), 0.0)


def noise_is_nothing(disturbed: Conversation, calm: Conversation) -> Iterator[Finding]:
    """An interruption that was none changes nothing but times: the context and the words heard are the same.

    The second is the same conversation without the noise.
    """
    yield from _same_context(disturbed, calm)
    yield from _same("words heard", disturbed, _words(disturbed), _words(calm))


def _same_context(one: Conversation, other: Conversation) -> Iterator[Finding]:
    mine, its = (_by_instant(each) for each in (one, other))
    yield from _same("messages", one, mine, its)


def _by_instant(told: Conversation) -> list[object]:
    """The messages in the end. Those of one instant may come from two who know nothing of each other, so they are sorted."""
    messages = told.context.messages if told.context is not None else ()
    written: dict[float, list[str]] = {}
    for place, message in enumerate(messages):
        seen = (each.time for each in told.versions if len(each.context.messages) > place)
        written.setdefault(round(min(told.ends_at, *seen), 6), []).append(repr(message))
    return [text for texts in written.values() for text in sorted(texts)]


def _same_events(one: Conversation, other: Conversation) -> Iterator[Finding]:
    """By their names: what happens in two places at one instant is told in either order."""
    mine, its = (
        sorted(
            ((each.event.address.name, each.event.name, each.event.payload) for each in told.told),
            key=lambda each: each[:2],
        )
        for told in (one, other)
    )
    yield from _same("events", one, mine, its)


def _runs(told: Conversation) -> list[object]:
    found: dict[int, object] = {}
    for each in told.select(LLMContextFrame, by=told.user):
        if each.frame.run_id is not None:
            found.setdefault(each.frame.run_id, sorted(map(repr, each.frame.context.messages)))
    return list(found.items())


def _words(told: Conversation) -> list[str]:
    return [each.text for each in heard(told)]


def _same(what: str, told: Conversation, mine: Sequence[object], its: Sequence[object]) -> Iterator[Finding]:
    if list(mine) == list(its):
        return
    place = next((at for at, (one, other) in enumerate(zip(mine, its, strict=False)) if one != other), None)
    if place is None:
        place = min(len(mine), len(its))
    one, other = (those[place] if place < len(those) else "nothing" for those in (mine, its))
    yield Finding(told.ends_at, f"the {what} differ at the {place + 1}.: {one!r} here, {other!r} there", (one, other))

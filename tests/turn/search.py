"""What is looked for in random conversations: whatever is wrong with one, and whatever a kill of the pair's halves changes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import attrs

from antiphon.actors import Failure
from antiphon.channels import CancelFrame, EndFrame, LLMContext, LLMContextFrame, StopFrame
from antiphon.scenarios import Conversation, Ear, Kill, conversation
from antiphon.scenarios.invariants import check
from antiphon.turn.peer_messages import ResponseOpened

from .complaints import Played, complaints, play

__all__ = ["complaints_about", "complaints_about_kills"]


def complaints_about(seed: int, *, direct: bool, failures: list[Failure] | None = None) -> Iterator[str]:
    """What is wrong with the conversation of that seed. `failures` gets those of its actors."""
    played = play(conversation(seed), direct=direct)
    if failures is not None:
        failures += played.trace.failures
    yield from complaints(played)
    yield from (f"V{each.number}: {each}" for each in check(played.trace, without=not_meant_here(played.conversation)))


def not_meant_here(made: Conversation) -> tuple[int, ...]:
    """The invariants that suppose what isn't so: V21, that the voice says each word and tells it."""
    return (21,) if made.fault is not None else ()


def complaints_about_kills(seed: int, *, direct: bool, failures: list[Failure] | None = None) -> Iterator[str]:
    """What changes when a half of the pair, or both, are killed at any delivery, and are back at once: nothing may.

    A Cancel is left out. What is told of a call that it meets in mid-air depends on who hears of it first.
    """
    quiet = undisturbed(conversation(seed))
    before = played_with(quiet, (), direct=direct)
    kills = kills_in(before, random.Random(f"kills {seed}"))
    after = played_with(quiet, kills, direct=direct)
    if failures is not None:
        failures += after.trace.failures
    if has_raced(before) or has_raced(after):
        return
    for what, value in essence(before).items():
        if (other := essence(after)[what]) != value:
            yield f"V31: killed {kills}, {what} is {other!r} instead of {value!r}"


def undisturbed(made: Conversation) -> Conversation:
    """Nobody is killed, nobody cancels it, and nobody takes his time: for how long depends on the order within an instant."""
    calm = made.without_kills()
    script = tuple(item for item in calm.script if not isinstance(item, CancelFrame))
    return attrs.evolve(calm, script=script, lag=None)


def played_with(made: Conversation, kills: tuple[Kill, ...], *, direct: bool) -> Played:
    ear = Ear()
    return Played(made, made.play(direct=direct, kills=kills, immediate=True, device=ear), ear)


def kills_in(played: Played, chance: random.Random) -> tuple[Kill, ...]:
    """Kills of the user half, of the assistant half, or of both, somewhere; also when it has ended already."""
    counts = {"user": 0, "assistant": 0}
    ends = {"user": 2, "assistant": 2}
    for each in played.trace.deliveries:
        name = each.receiver.name
        if isinstance(each.frame, CancelFrame):
            break
        if name in counts:
            counts[name] += 1
            if isinstance(each.frame, (EndFrame, StopFrame)):
                ends[name] = counts[name]
    names = chance.choice((("user",), ("assistant",), ("user", "assistant")))
    firsts = chance.choice(({"user": 2, "assistant": 2}, {"user": 2, "assistant": 2}, ends))  # the end is short
    return tuple(Kill(name, at=chance.randint(firsts[name], max(firsts[name], counts[name]))) for name in names)


def has_raced(played: Played) -> bool:
    """Whether a run that was owed began in an instant in which an answer opened as well, or another run began. Whether the answer was
    open already, and so whether the run waited for its end, is then up to who ran first.
    """
    runs = [
        (each.time, each.frame.reason)
        for each in played.trace.deliveries
        if isinstance(each.frame, LLMContextFrame) and each.receiver.name in ("llm", "s2s")
    ]
    begun = [each.time for each in played.trace.deliveries if isinstance(each.frame, ResponseOpened)]
    begun += [time for time, _ in runs]
    return any(reason == "owed" and begun.count(time) > 1 for time, reason in runs)


def in_order(context: LLMContext) -> tuple[object, object]:
    """All that is written, and apart from it what the model is told by the way: of such news and of words that come in one instant
    either may be first.
    """
    told = [message for message in context.messages if message["role"] == "developer"]
    return [message for message in context.messages if message["role"] != "developer"], sorted(map(repr, told))


def texts(context: LLMContext) -> list[tuple[str, object]]:
    """What was said. Which of two outcomes of calls that come at one instant a run has seen isn't settled by anything."""
    return [
        (message["role"], message["content"])
        for message in context.messages
        if message["role"] in ("user", "assistant") and "content" in message
    ]


def essence(played: Played) -> dict[str, object]:
    """What no kill may change."""
    trace = played.trace
    runs = {
        delivery.frame.run_id: texts(delivery.frame.context)
        for delivery in trace.deliveries
        if isinstance(delivery.frame, LLMContextFrame) and delivery.receiver.name in ("llm", "s2s")
    }
    told: dict[str, list[object]] = {}  # which of two kinds of events comes first in an instant isn't settled either
    for each in trace.events:
        if each.address.name in ("user", "assistant"):
            # A callback is another one in each play.
            told.setdefault(each.name, []).append(tuple(value for value in each.payload if not callable(value)))
    return {
        "the context": in_order(played.context),
        "what the model was run with": runs,
        "what the events told": told,
        "what was heard": list(played.ear.heard),
    }

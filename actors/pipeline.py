"""What a session is made of: actors in order, and how each is supervised. Values only; a session brings them to life."""

from __future__ import annotations

from math import inf
from typing import Literal

import attrs

from .actor import Actor, is_actor_class, snake_case
from .effects import Address
from .errors import ConfigurationError

__all__ = ["Backoff", "Child", "Pipeline", "Strategy", "child"]

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")


@attrs.frozen
class Backoff:
    """How long a supervisor waits before a restart. The first after a quiet time is immediate, the next waits
    `first` seconds.
    """

    first: float = 0.1
    factor: float = 2.0
    most: float = 5.0
    jitter: float = 0.2
    """The part of the delay that chance adds or takes."""

    def __attrs_post_init__(self) -> None:
        for name, least, most in (("first", 0, inf), ("factor", 1, inf), ("most", 0, inf), ("jitter", 0, 1)):
            _check_number("Backoff", name, getattr(self, name), least=least, most=most)

    def delay(self, failures: int, chance: float) -> float:
        """Seconds before the restart after that many recent failures. `chance` is between 0 and 1."""
        if failures < 2:
            return 0.0
        return min(self.most, self.first * self.factor ** min(failures - 2, 50)) * (1 + self.jitter * (2 * chance - 1))


@attrs.frozen(eq=False)
class Child:
    """An actor and how its supervisor treats it. Made by `child(...)`."""

    actor: Actor
    grace: float = 1.0
    max_buffer: int | None = None
    backoff: Backoff = attrs.field(factory=Backoff)

    def __attrs_post_init__(self) -> None:
        where = f"child({type(_check_actor('child', self.actor)).__name__}(...))"
        _check_number(where, "grace", self.grace, above=0)
        if self.grace == inf:
            raise ConfigurationError(f"{where}: grace={self.grace!r} would let a session never end. Give it seconds.")
        if self.max_buffer is not None:
            _check_number(where, "max_buffer", self.max_buffer, least=1, whole=True)
        if not isinstance(self.backoff, Backoff):
            raise ConfigurationError(f"{where}: backoff={self.backoff!r} is no Backoff. Write e.g. Backoff(first=0.5).")


def child(actor: Actor, *, grace: float = 1.0, max_buffer: int | None = None, backoff: Backoff | None = None) -> Child:
    """An actor with a say in how it is supervised.

    `grace`: seconds for which it may get on with nothing while the session ends, and for leaving `lifespan()`.
    `max_buffer`: the bound of its ordered lane; None is the pipeline's. `backoff`: None is `Backoff()`. Raises `ConfigurationError`.
    """
    return Child(actor, grace, max_buffer, Backoff() if backoff is None else backoff)


class Pipeline:
    """Actors in the order in which frames go downstream, and their supervisor. It can be opened many times: the
    actors are templates.

    `strategy`: who is restarted with a failed actor: `one_for_one`, `one_for_all` or `rest_for_one` (those after it).
    More than `max_restarts` `within` seconds are a failure of the pipeline. `max_buffer`: downstream frames that
    wait in an actor's
    ordered lane. `max_media`: seconds of sound that may wait beyond it. Raises `ConfigurationError` for what can't
    be opened.
    """

    def __init__(
        self,
        *actors: Actor | Child,
        name: str | None = None,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        within: float = 5.0,
        max_buffer: int = 64,
        max_media: float = 5.0,
    ) -> None:
        if strategy not in STRATEGIES:
            raise ConfigurationError(f"Pipeline: strategy={strategy!r} isn't one of {', '.join(STRATEGIES)}.")
        _check_number("Pipeline", "max_restarts", max_restarts, least=0, whole=True)
        _check_number("Pipeline", "within", within, above=0)
        _check_number("Pipeline", "max_buffer", max_buffer, least=1, whole=True)
        _check_number("Pipeline", "max_media", max_media, above=0)
        if name is not None:
            _check_name("Pipeline", name)
        self.children = tuple(_as_child(each, place) for place, each in enumerate(actors, 1))
        self.name = name
        self.strategy: Strategy = strategy
        self.max_restarts = max_restarts
        self.within = within
        self.max_buffer = max_buffer
        self.max_media = max_media
        self.addresses = _name_children(self)


def _as_child(given: object, place: int) -> Child:
    return given if isinstance(given, Child) else Child(_check_actor(f"Pipeline, number {place}", given))


def _check_actor(where: str, given: object) -> Actor:
    if isinstance(given, Actor) and is_actor_class(type(given)):
        return given
    if isinstance(given, Actor):
        why = f"{type(given).__name__} is no class of actors yet. Write @actor above `class {type(given).__name__}`."
    elif isinstance(given, type):
        why = f"{given.__name__} is a class. Write {given.__name__}()."
    elif isinstance(given, Pipeline):
        why = "a Pipeline can't stand in another one yet. Write its actors here, or `*its_actors`."
    elif isinstance(given, (list, tuple)):
        why = f"{given!r} holds actors. Write a star before it: Pipeline(*actors)."
    else:
        why = f"{given!r} is no actor. Write an instance of a class with @actor."
    raise ConfigurationError(f"{where}: {why}")


def _check_number(
    where: str,
    name: str,
    value: object,
    *,
    least: float = -inf,
    above: float = -inf,
    most: float = inf,
    whole: bool = False,
) -> None:
    if isinstance(value, int if whole else (int, float)) and least <= value <= most and value > above:
        return
    kind = "a whole number" if whole else "a number"
    least_of_all = f"more than {above}" if above > -inf else f"at least {least}"
    most_of_all = f" and at most {most}" if most < inf else ""
    raise ConfigurationError(f"{where}: {name}={value!r}, but it is {kind}, {least_of_all}{most_of_all}.")


def _check_name(where: str, name: object) -> None:
    if not isinstance(name, str) or not name or "/" in name:
        raise ConfigurationError(f"{where}: name={name!r}, but a name is text, not empty, without a slash.")


def _name_children(pipeline: Pipeline) -> tuple[Address, ...]:
    """The addresses: `name=`, or the class in snake case with `_2` for the second, inside a named pipeline
    `outer/inner`.
    """
    seen: set[int] = set()
    taken: set[str] = {"source", "sink"}
    for each in pipeline.children:
        if id(each.actor) in seen:
            raise ConfigurationError(
                f"Pipeline: the same {type(each.actor).__name__} stands in it twice. An instance is one actor: make another."
            )
        seen.add(id(each.actor))
        explicit = each.actor.name
        if explicit is None:
            continue
        where = f"Pipeline: {type(each.actor).__name__}"
        _check_name(where, explicit)
        if explicit in taken:
            raise ConfigurationError(f"{where}: name={explicit!r} is taken already. Give it another.")
        taken.add(explicit)
    addresses: list[Address] = []
    for each in pipeline.children:
        name = each.actor.name
        if name is None:
            base = snake_case(type(each.actor).__name__)
            name, number = base, 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
        addresses.append(Address(f"{pipeline.name}/{name}" if pipeline.name else name))
    return tuple(addresses)

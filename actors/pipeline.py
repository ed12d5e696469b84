"""What a session is made of: actors in order, and how each is supervised. Values only; a session brings them to life."""

from __future__ import annotations

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

    first: float = attrs.field(default=0.1, converter=float, validator=attrs.validators.ge(0))
    factor: float = attrs.field(default=2.0, converter=float, validator=attrs.validators.ge(1))
    most: float = attrs.field(default=5.0, converter=float, validator=attrs.validators.ge(0))
    jitter: float = attrs.field(
        default=0.2, converter=float, validator=attrs.validators.and_(attrs.validators.ge(0), attrs.validators.le(1))
    )
    """The part of the delay that chance adds or takes."""

    def delay(self, failures: int, chance: float) -> float:
        """Seconds before the restart after that many recent failures. `chance` is between 0 and 1."""
        if failures < 2:
            return 0.0
        return min(self.most, self.first * self.factor ** (failures - 2)) * (1 + self.jitter * (2 * chance - 1))


@attrs.frozen(eq=False)
class Child:
    """An actor and how its supervisor treats it. Made by `child(...)`."""

    actor: Actor
    grace: float = 1.0
    max_buffer: int | None = None
    backoff: Backoff = Backoff()


def child(actor: Actor, *, grace: float = 1.0, max_buffer: int | None = None, backoff: Backoff = Backoff()) -> Child:
    # frozen
    """An actor with a say in how it is supervised.

    `grace`: seconds for which it may get on with nothing while the session ends, and for leaving `lifespan()`.
    `max_buffer`: the bound of its ordered lane; None is the pipeline's. Raises `ConfigurationError`.
    """
    if not isinstance(actor, Actor):
        raise ConfigurationError(f"child({actor!r}): this is no actor. Write child(MyActor(), ...).")
    if not grace > 0:
        raise ConfigurationError(f"child({type(actor).__name__}, grace={grace!r}): the grace is more than 0 seconds.")
    if max_buffer is not None and max_buffer < 1:
        raise ConfigurationError(f"child({type(actor).__name__}, max_buffer={max_buffer!r}): a lane holds at least 1.")
    return Child(actor, float(grace), max_buffer, backoff)


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
            raise ConfigurationError(f"Pipeline(strategy={strategy!r}): it is one of {', '.join(STRATEGIES)}.")
        if max_restarts < 0 or not within > 0:
            raise ConfigurationError(
                f"Pipeline(max_restarts={max_restarts!r}, within={within!r}): at least 0, and more than 0 seconds."
            )
        if max_buffer < 1 or not max_media > 0:
            raise ConfigurationError(
                f"Pipeline(max_buffer={max_buffer!r}, max_media={max_media!r}): at least 1, and more than 0 seconds."
            )
        self.children = tuple(_as_child(each, place) for place, each in enumerate(actors, 1))
        self.name = name
        self.strategy: Strategy = strategy
        self.max_restarts = max_restarts
        self.within = within
        self.max_buffer = max_buffer
        self.max_media = max_media
        self.addresses = _name_children(self)


def _as_child(given: object, place: int) -> Child:
    made = given if isinstance(given, Child) else Child(given) if isinstance(given, Actor) else None
    if made is None:
        kind = (
            f"{given.__name__} is a class: write {given.__name__}()"
            if isinstance(given, type)
            else f"{given!r} is no actor"
        )
        raise ConfigurationError(f"Pipeline: number {place}, {kind}.")
    if not is_actor_class(type(made.actor)):
        name = type(made.actor).__name__
        raise ConfigurationError(f"Pipeline: {name} is no actor class yet. Write @actor above `class {name}`.")
    return made


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
        if explicit in taken or "/" in explicit or not explicit:
            why = "that name is taken" if explicit in taken else "a name isn't empty and has no slash"
            raise ConfigurationError(
                f"Pipeline: {type(each.actor).__name__}(name={explicit!r}): {why}. Give it another."
            )
        taken.add(explicit)
    addresses = []
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

"""What a session is made of: actors in order, branches, and how each is supervised. Values only; a session brings them to life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, overload

import attrs

from .actor import Actor, is_actor_class, snake_case
from .effects import Address
from .errors import ConfigurationError
from .events import check_listener

__all__ = ["Backoff", "Child", "Parallel", "Pipeline", "RestartKind", "Strategy", "child"]

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
RestartKind = Literal["permanent", "transient", "temporary"]
RESTARTS = ("permanent", "transient", "temporary")
Listener = TypeVar("Listener", bound=Callable[..., Any])


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
    """An actor, or a pipeline inside another one, and how its supervisor treats it. Made by `child(...)`."""

    of: Actor | Group
    restart: RestartKind = "permanent"
    grace: float = 1.0
    max_buffer: int | None = None
    backoff: Backoff = attrs.field(factory=Backoff)

    def __attrs_post_init__(self) -> None:
        where = f"child({type(_check_child('child', self.of)).__name__}(...))"
        if self.restart not in RESTARTS:
            raise ConfigurationError(f"{where}: restart={self.restart!r} isn't one of {', '.join(RESTARTS)}.")
        _check_number(where, "grace", self.grace, above=0)
        if self.grace == inf:
            raise ConfigurationError(f"{where}: grace={self.grace!r} would let a session never end. Give it seconds.")
        if self.max_buffer is not None:
            _check_number(where, "max_buffer", self.max_buffer, least=1, whole=True)
        if isinstance(self.of, Group) and (self.grace != 1.0 or self.max_buffer is not None):
            raise ConfigurationError(f"{where}: grace and max_buffer belong to actors. Give them to its children.")
        if not isinstance(self.backoff, Backoff):
            raise ConfigurationError(f"{where}: backoff={self.backoff!r} is no Backoff. Write e.g. Backoff(first=0.5).")


def child(
    actor: Actor | Group,
    *,
    restart: RestartKind = "permanent",
    grace: float = 1.0,
    max_buffer: int | None = None,
    backoff: Backoff | None = None,
) -> Child:
    """An actor, or a pipeline, with a say in how it is supervised.

    `restart`: `permanent`, always; `transient`, after a failure but not after `Finish()`; `temporary`, never: once it is
    gone, frames pass it by. `grace`: seconds for which it may get on with nothing while the session ends, and for
    leaving `lifespan()`. `max_buffer`: the bound of its ordered lane; None is the pipeline's. `backoff`: None is
    `Backoff()`. Raises `ConfigurationError`.
    """
    return Child(actor, restart, grace, max_buffer, Backoff() if backoff is None else backoff)


class Group:
    """What a pipeline and a set of branches have in common: children, and how they are supervised."""

    def __init__(
        self,
        children: tuple[Child, ...],
        name: str | None,
        strategy: Strategy,
        max_restarts: int,
        within: float,
        max_buffer: int,
        max_media: float,
    ) -> None:
        where = type(self).__name__
        if strategy not in STRATEGIES:
            raise ConfigurationError(f"{where}: strategy={strategy!r} isn't one of {', '.join(STRATEGIES)}.")
        _check_number(where, "max_restarts", max_restarts, least=0, whole=True)
        _check_number(where, "within", within, above=0)
        _check_number(where, "max_buffer", max_buffer, least=1, whole=True)
        _check_number(where, "max_media", max_media, above=0)
        if name is not None:
            _check_name(where, name)
        self.children = children
        self.name = name
        self.strategy: Strategy = strategy
        self.max_restarts = max_restarts
        self.within = within
        self.max_buffer = max_buffer
        self.max_media = max_media
        self.addresses = _name_actors(self)
        """Of its actors, in order, by the identity of the template."""


class Pipeline(Group):
    """Actors in the order in which frames go downstream, and their supervisor. It can be opened many times: the
    actors are templates. A pipeline may stand in another one, as a supervisor of its own.

    `strategy`: who is restarted with a failed actor: `one_for_one`, `one_for_all` or `rest_for_one` (those after it).
    More than `max_restarts` `within` seconds are a failure of the pipeline. `max_buffer`: downstream frames that
    wait in an actor's ordered lane. `max_media`: seconds of sound that may wait beyond it. `Pipeline()` lets everything
    pass. Raises `ConfigurationError` for what can't be opened.
    """

    events: ClassVar[tuple[str, ...]] = (
        "on_pipeline_started",
        "on_setup_timeout",
        "on_pipeline_timeout",
        "on_pipeline_finished",
    )
    """What is told of each session that is opened with it."""

    def __init__(
        self,
        *actors: Actor | Group | Child,
        name: str | None = None,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        within: float = 5.0,
        max_buffer: int = 64,
        max_media: float = 5.0,
    ) -> None:
        children = tuple(_as_child("Pipeline", each, place) for place, each in enumerate(actors, 1))
        super().__init__(children, name, strategy, max_restarts, within, max_buffer, max_media)
        self._listeners: dict[str, list[Callable[..., Any]]] = {}

    @overload
    def on_event(self, name: str, handler: Listener) -> Listener: ...
    @overload
    def on_event(self, name: str) -> Callable[[Listener], Listener]: ...
    def on_event(self, name: str, handler: Any = None) -> Any:
        """Have a function called, plain or async, in each session that is opened with this pipeline. Also as a decorator.

        - `on_pipeline_started`, `handler(session, frame)`: StartFrame has come out at the end.
        - `on_setup_timeout`, `handler(session)`: `setup_timeout` is over, and there are actors whose `lifespan()` hasn't
          entered. The session fails.
        - `on_pipeline_timeout`, `handler(session, frame)`: StartFrame hasn't come out within `start_timeout`, and the session
          fails; or CancelFrame hasn't within 20 s.
        - `on_pipeline_finished`, `handler(session, frame)`: all actors have left, however it came to that. The frame is the
          EndFrame, StopFrame or CancelFrame that they had.

        Handlers run in the order of what they hear of, in a task of the session, so none of them may wait for its end: say
        `await session.push(EndFrame())` rather than `session.end()`. The last may take a second. What they raise is logged.
        Raises `ConfigurationError` for an event that there isn't, and when a session is opened in which this pipeline stands
        inside another one.
        """
        check_listener(type(self).__name__, name, handler, events=self.events)
        if handler is None:
            return lambda handler: self.on_event(name, handler)
        self._listeners.setdefault(name, []).append(handler)
        return handler

    def listeners(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Who hears of that event."""
        return tuple(self._listeners.get(name, ()))

    @property
    def is_listened_to(self) -> bool:
        """Whether anybody hears of any event."""
        return bool(self._listeners)


class Parallel(Group):
    """Branches side by side, each a `Pipeline`, and their supervisor: each branch gets each frame.

    What passes through several branches as the very same object comes out once. Ordered frames of different branches
    have no order among each other. Arguments as a Pipeline's. Raises `ConfigurationError` without a branch, or for one
    that is no Pipeline.
    """

    def __init__(
        self,
        *branches: Pipeline | Child,
        name: str | None = None,
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        within: float = 5.0,
        max_buffer: int = 64,
        max_media: float = 5.0,
    ) -> None:
        children = tuple(_as_child("Parallel", each, place) for place, each in enumerate(branches, 1))
        if not children:
            raise ConfigurationError(
                "Parallel: it has no branch, so nothing would come out. Write Parallel(Pipeline(...), ...)."
            )
        for place, each in enumerate(children, 1):
            if not isinstance(each.of, Pipeline):
                kind = type(each.of).__name__
                raise ConfigurationError(
                    f"Parallel, branch {place}: {kind} is no Pipeline. Write Pipeline({kind}(...))."
                )
        super().__init__(children, name, strategy, max_restarts, within, max_buffer, max_media)


_Given: TypeAlias = "Actor | Group | Child"


def _as_child(where: str, given: _Given, place: int) -> Child:
    return given if isinstance(given, Child) else Child(_check_child(f"{where}, number {place}", given))


def _check_child(where: str, given: object) -> Actor | Group:
    if isinstance(given, Group) or (isinstance(given, Actor) and is_actor_class(type(given))):
        return given
    if isinstance(given, Actor):
        why = f"{type(given).__name__} is no class of actors yet. Write @actor above `class {type(given).__name__}`."
    elif isinstance(given, type):
        why = f"{given.__name__} is a class. Write {given.__name__}()."
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


def _actors_of(group: Group, prefix: str = "") -> Iterator[tuple[str, Actor]]:
    """All actors of a tree, in order, and what stands before their names."""
    prefix = f"{prefix}{group.name}/" if group.name else prefix
    for each in group.children:
        if isinstance(each.of, Group):
            yield from _actors_of(each.of, prefix)
        else:
            yield prefix, each.of


def _name_actors(group: Group) -> dict[int, Address]:
    """The addresses: `name=`, or the class in snake case with `_2` for the second, inside a named pipeline
    `outer/inner`.
    """
    where = type(group).__name__
    actors = list(_actors_of(group))
    seen: set[int] = set()
    taken: set[str] = {"source", "sink"}
    for prefix, each in actors:
        kind = type(each).__name__
        if id(each) in seen:
            raise ConfigurationError(
                f"{where}: the same {kind} stands in it twice. An instance is one actor: make another."
            )
        seen.add(id(each))
        if each.name is not None:
            _check_name(f"{where}: {kind}", each.name)
            if prefix + each.name in taken:
                raise ConfigurationError(f"{where}: {kind}: name={each.name!r} is taken already. Give it another.")
            taken.add(prefix + each.name)
    addresses: dict[int, Address] = {}
    for prefix, each in actors:
        name = prefix + (each.name or snake_case(type(each).__name__))
        if each.name is None:
            base, number = name, 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
        addresses[id(each)] = Address(name)
    return addresses

"""The shape of a plan's pipeline: which parts stand in which pipelines and branches, and where frames go from each place.

1. A plan without a tree is one line of parts. Names of knots are unlike, and parts stand in the order of the tree.
2. Nothing here knows the runtime: `ways` is its own answer to who gets what.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Literal

import attrs

from antiphon.actors import RestartKind, Strategy

__all__ = ["Copies", "Exit", "Knot", "Shape", "Way", "grow"]

STRATEGIES: tuple[Strategy, ...] = ("one_for_one", "one_for_all", "rest_for_one")


@attrs.frozen
class Knot:
    """A pipeline, or branches, each of which is a pipeline."""

    kind: Literal["pipeline", "parallel"]
    name: str
    children: tuple[int | Knot, ...]
    """Parts by their number."""
    strategy: Strategy = "one_for_one"
    max_restarts: int = 1000
    restart: RestartKind = "permanent"
    """As a child of the one around it."""

    @property
    def parts(self) -> tuple[int, ...]:
        """All parts in it."""
        return tuple(
            part for each in self.children for part in ((each,) if isinstance(each, int) else each.parts)
        )  # fmt: skip

    @property
    def knots(self) -> tuple[Knot, ...]:
        """It and all below."""
        return (self, *(knot for each in self.children if isinstance(each, Knot) for knot in each.knots))


class _Grower:
    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"p{self.count}"

    def line(self, parts: list[int], depth: int) -> tuple[int | Knot, ...]:
        children: list[int | Knot] = []
        rest = list(parts)
        while rest:
            taken = rest[: self.random.randint(1, len(rest))]
            wraps = self.random.random() if depth else 1.0
            if wraps < 0.3:
                children.append(self.knot("pipeline", self.line(taken, depth - 1)))
            elif wraps < 0.75:
                children.append(self.parallel(taken, depth - 1))
            else:
                taken = taken[:1]
                children += taken
            del rest[: len(taken)]
        if depth and self.random.random() < 0.15:
            children.insert(self.random.randint(0, len(children)), self.parallel([], depth - 1))
        return tuple(children)

    def parallel(self, parts: list[int], depth: int) -> Knot:
        number = self.random.choice((1, 2, 2, 2, 3))
        cuts = sorted(self.random.randint(0, len(parts)) for _ in range(number - 1))
        branches = [parts[first:last] for first, last in zip([0, *cuts], [*cuts, len(parts)], strict=True)]
        return self.knot("parallel", tuple(self.knot("pipeline", self.line(each, depth)) for each in branches))

    def knot(self, kind: Literal["pipeline", "parallel"], children: tuple[int | Knot, ...]) -> Knot:
        return Knot(
            kind,
            self.name(),
            children,
            self.random.choice(STRATEGIES),
            max_restarts=0 if self.random.random() < 0.05 else 1000,
            restart=self.random.choice(("permanent", "permanent", "transient", "temporary")),
        )


def grow(parts: int, chance: random.Random, strategy: Strategy, max_restarts: int) -> Knot:
    """A tree over that many parts, at most three levels deep."""
    grower = _Grower(chance)
    children = grower.line(list(range(parts)), 3)
    if not any(isinstance(each, Knot) for each in children):
        children = (grower.parallel(list(range(parts)), 1),)
    return Knot("pipeline", "", children, strategy, max_restarts)


class Exit:
    """An end of the pipeline."""

    def __init__(self, name: str) -> None:
        self.name = name


@attrs.define(eq=False)
class _Fork:
    """One side of branches."""

    name: str
    inner: list[_Spot] = attrs.field(factory=list)
    up: _Spot | None = None
    down: _Spot | None = None
    enters: str = "down"


@attrs.define(eq=False)
class _Place:
    part: int
    up: _Spot | None = None
    down: _Spot | None = None


_Spot = _Fork | _Place | Exit


@attrs.define(eq=False)
class Copies:
    """All copies of one frame that entered branches. The first that comes to the end of its branch goes on."""

    fork: str
    has_come_out: bool = False
    merged: int = 0
    """Copies that came later."""


@attrs.frozen(eq=False)
class Way:
    """From a place to one receiver: a part, an end, or the end of a branch, where copies meet."""

    receiver: int | Exit | Copies
    passed: tuple[object, ...] = ()
    """Parts by number and forks by name, in order; what is the same for two ways is one copy yet."""
    tokens: tuple[Copies, ...] = ()
    """What the frame carries when it comes there, the innermost last."""
    entered: tuple[Copies, ...] = ()
    """On this way."""
    has_come_out: bool = False
    """Of branches: nobody knows of which."""

    @property
    def is_adjacent(self) -> bool:
        return not (self.passed or self.has_come_out)


class Shape:
    """A tree as places, linked as frames go."""

    def __init__(self, root: Knot) -> None:
        self.root = root
        self.places: dict[int, _Place] = {}
        self._forks: dict[str, tuple[_Fork, _Fork]] = {}
        self.source, self.sink = Exit("source"), Exit("sink")
        self._first: _Spot = self.sink
        self._last = self._line(root, self.source)
        self._link(self._last, self.sink)

    @property
    def has_branches(self) -> bool:
        return bool(self._forks)

    def _link(self, above: _Spot, below: _Spot) -> None:
        if isinstance(above, Exit):
            self._first = below
        else:
            above.down = below
        if not isinstance(below, Exit):
            below.up = above

    def _line(self, knot: Knot, above: _Spot) -> _Spot:
        for each in knot.children:
            if isinstance(each, int):
                place = self.places[each] = _Place(each)
                self._link(above, place)
                above = place
            elif each.kind == "pipeline":
                above = self._line(each, above)
            else:
                above = self._branches(each, above)
        return above

    def _branches(self, knot: Knot, above: _Spot) -> _Spot:
        top, bottom = self._forks[knot.name] = _Fork(knot.name), _Fork(knot.name, enters="up")
        self._link(above, top)
        for branch in knot.children:
            assert isinstance(branch, Knot)
            top.down = bottom
            last = self._line(branch, top)
            top.inner.append(top.down)
            bottom.inner.append(last)
            assert not isinstance(last, Exit)
            if last is not top:
                last.down = bottom
        return bottom

    def ways(
        self, place: int | None, direction: str, handles: Callable[[int], bool], tokens: tuple[Copies, ...] = ()
    ) -> list[Way]:
        """Where a frame goes that leaves a part, or comes in at an end (None), with those tokens."""
        spot: _Spot | None
        if place is not None:
            spot = self.places[place].down if direction == "down" else self.places[place].up
        else:
            spot = self._first if direction == "down" else self._last
        return list(self._go(spot, direction, handles, Way(self.sink, tokens=tokens)))

    def _go(self, spot: _Spot | None, direction: str, handles: Callable[[int], bool], way: Way) -> Iterator[Way]:
        assert spot is not None
        if isinstance(spot, Exit):
            yield attrs.evolve(way, receiver=spot)
        elif isinstance(spot, _Place):
            if handles(spot.part):
                yield attrs.evolve(way, receiver=spot.part)
            else:
                after = spot.down if direction == "down" else spot.up
                yield from self._go(after, direction, handles, attrs.evolve(way, passed=(*way.passed, spot.part)))
        elif spot.enters == direction:
            copies = Copies(spot.name)
            for number, inner in enumerate(spot.inner):
                inside = attrs.evolve(
                    way,
                    passed=(*way.passed, (spot.name, number)),
                    tokens=(*way.tokens, copies),
                    entered=(*way.entered, copies),
                )
                yield from self._go(inner, direction, handles, inside)
        elif way.tokens and way.tokens[-1].fork == spot.name:
            yield attrs.evolve(way, receiver=way.tokens[-1], tokens=way.tokens[:-1])
        else:
            after = spot.down if direction == "down" else spot.up
            yield from self._go(after, direction, handles, attrs.evolve(way, passed=(*way.passed, spot.name)))

    def ways_on(self, way: Way, direction: str, handles: Callable[[int], bool]) -> list[Way]:
        """Where a copy goes that has come out as the first."""
        assert isinstance(way.receiver, Copies)
        top, bottom = self._forks[way.receiver.fork]
        after = bottom.down if direction == "down" else top.up
        passed = (*way.passed, way.receiver.fork)
        return list(self._go(after, direction, handles, attrs.evolve(way, passed=passed, has_come_out=True)))

    def before(self, part: int | Exit) -> set[int]:
        """Whom EndFrame must have left before it comes there."""
        found: set[int] = set()
        spot: _Spot | None = self._last if isinstance(part, Exit) else self.places[part].up
        waiting = [spot]
        seen: set[int] = set()
        while waiting:
            spot = waiting.pop()
            if spot is None or isinstance(spot, Exit) or id(spot) in seen:
                continue
            seen.add(id(spot))
            if isinstance(spot, _Place):
                found.add(spot.part)
                waiting.append(spot.up)
            else:
                waiting += spot.inner if spot.enters == "up" else [spot.up]
        return found

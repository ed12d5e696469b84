"""Random branches, and what must come out of them: each frame once for the copies that were let go on, and all else besides.

Equal frames come again and again, and branches make equal ones anew, so whoever joins by equality is found out.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import attrs
import trio

from antiphon.actors import Actor, Effects, Parallel, Pipeline, Up, actor, on
from antiphon.channels.frames import Frame
from antiphon.scenarios import play

from .plan import Note, Shout, Vow, Word

__all__ = ["complaints_about_branches"]


def complaints_about_branches(seed: int | str, *, direct: bool) -> list[str]:
    """Play random branches, and tell what came out of them or was dropped against the rule. A complaint begins with it."""
    chance = random.Random(f"branches/{seed}")
    nodes = (compose_branches(chance),)
    frames = [chance.choice((Word, Word, Vow, Shout, Note))(chance.randrange(TAGS), 0) for _ in range(8)]
    script = [tuple(frames)] if chance.random() < 0.5 else frames
    merged: Counter[Frame] = Counter()
    down = expected(nodes, [Copy(each) for each in frames], merged)
    mirrored = [Copy(Word(each.frame.tag, each.frame.energy)) for each in down if isinstance(each.frame, Note)]
    up = expected(reversed_nodes(nodes), mirrored, merged)
    trace = play(Pipeline(*built(nodes), Mirror()), script, seed=seed, direct=direct)
    dropped = [each.delivery.frame for each in trace.dropped if each.reason == "merged"]
    return [
        *_differences("left at the end", [each.frame for each in down if not isinstance(each.frame, Note)], trace.down),
        *_differences("left at the head", [each.frame for each in up], trace.up),
        *_differences("was merged", merged.elements(), dropped),
    ]


Treatment = Literal["pass", "anew", "twice", "other", "swallow"]
TREATMENTS: tuple[Treatment, ...] = ("pass", "pass", "pass", "anew", "twice", "other", "swallow")
Handled = Word | Vow | Shout


def made_of(frame: Handled, treatment: Treatment) -> list[Handled]:
    """What an actor sends for a frame: itself, an equal one, itself twice, another one, nothing."""
    match treatment:
        case "pass":
            return [frame]
        case "anew":
            return [attrs.evolve(frame)]
        case "twice":
            return [frame, frame]
        case "other":
            return [attrs.evolve(frame, energy=frame.energy + 1)]
        case "swallow":
            return []


@actor
class Treats(Actor):
    """Does with a frame what its tag says, in a plain handler."""

    treatments: tuple[Treatment, ...]

    @on(Word, Vow, Shout)
    def treat(self, frame: Handled) -> Effects:
        made = made_of(frame, self.treatments[frame.tag])
        return made[0] if len(made) == 1 else made or None


@actor
class TreatsLater(Actor):
    """The same in an async handler."""

    treatments: tuple[Treatment, ...]
    seconds: float

    @on(Word, Vow, Shout)
    async def treat(self, frame: Handled) -> None:
        await trio.sleep(self.seconds)
        for each in made_of(frame, self.treatments[frame.tag]):
            await self.push(each)


@actor
class Mirror(Actor):
    """Stands behind all branches, and sends a Word up for each Note."""

    @on(Note)
    def turn(self, frame: Note) -> Effects:
        return Up(Word(frame.tag, frame.energy))


@attrs.frozen
class Node:
    """An actor, with its treatments; branches; or, with neither, nothing that handles anything."""

    treatments: tuple[Treatment, ...] = ()
    seconds: float | None = None
    """None: in a plain handler."""
    branches: tuple[tuple[Node, ...], ...] = ()


TAGS = 3


def compose_nodes(chance: random.Random, depth: int) -> tuple[Node, ...]:
    """The actors and branches of one pipeline."""
    return tuple(_compose_node(chance, depth) for _ in range(chance.choice((0, 1, 1, 2))))


def _compose_node(chance: random.Random, depth: int) -> Node:
    if depth and chance.random() < 0.3:
        return compose_branches(chance, depth - 1)
    treatments = tuple(chance.choice(TREATMENTS) for _ in range(TAGS))
    return Node(treatments, chance.choice((None, None, 0.0, 0.1)))


def compose_branches(chance: random.Random, depth: int = 1) -> Node:
    return Node(branches=tuple(compose_nodes(chance, depth) for _ in range(chance.randint(1, 4))))


def built(nodes: Iterable[Node]) -> list[Actor | Parallel]:
    return [_built(node) for node in nodes]


def _built(node: Node) -> Actor | Parallel:
    if node.branches:
        return Parallel(*(Pipeline(*built(branch)) for branch in node.branches))
    return Treats(node.treatments) if node.seconds is None else TreatsLater(node.treatments, node.seconds)


@attrs.frozen
class Copy:
    """A frame on its way, by the rule."""

    frame: Frame
    is_copy: bool = False
    """Whether it is still the very object that went into the branches around it."""


def expected(nodes: tuple[Node, ...], copies: list[Copy], merged: Counter[Frame]) -> list[Copy]:
    """What comes out of nodes, in the order in which frames meet them; counts what their joins must drop."""
    for node in nodes:
        copies = [out for each in copies for out in _expected(node, each, merged)]
    return copies


def _expected(node: Node, copy: Copy, merged: Counter[Frame]) -> list[Copy]:
    frame = copy.frame
    if node.branches:
        return _joined(node, copy, merged)
    if not isinstance(frame, (Word, Vow, Shout)):
        return [copy]
    made = made_of(frame, node.treatments[frame.tag])
    # Only the very object, and the first time.
    return [Copy(each, copy.is_copy and number == 0 and each is frame) for number, each in enumerate(made)]


def _joined(node: Node, copy: Copy, merged: Counter[Frame]) -> list[Copy]:
    outs = [out for branch in node.branches for out in expected(branch, [Copy(copy.frame, True)], merged)]
    others = [Copy(out.frame) for out in outs if not out.is_copy]
    let_go_on = len(outs) - len(others)
    merged[copy.frame] += max(let_go_on - 1, 0)
    return [copy, *others] if let_go_on else others


def reversed_nodes(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """As frames that go up meet them."""
    return tuple(
        attrs.evolve(node, branches=tuple(reversed_nodes(branch) for branch in node.branches)) for node in nodes[::-1]
    )


def _differences(what: str, due: Iterable[object], found: Iterable[object]) -> Iterable[str]:
    is_due, is_found = Counter(due), Counter(found)
    for frame in {**is_due, **is_found}:
        if is_due[frame] != is_found[frame]:
            yield f"PA2: {frame} {what} {is_found[frame]} times, not {is_due[frame]}"

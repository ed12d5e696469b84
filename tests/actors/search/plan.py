"""A random session as values: who handles what and how, what comes from outside and when. Made from a seed, run by `stage`.

1. A plan decides everything that a run may vary but the order of tasks, so one plan can be run with direct delivery
   and without.
2. Every plan comes to an end: what is made from a frame, a message or a timer has less energy, and nothing is made
   with none.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal

import attrs

from antiphon.actors import RestartKind, Strategy
from antiphon.channels.frames import (
    CancelFrame,
    ControlFrame,
    DataFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    SystemFrame,
    Uninterruptible,
    frame,
)

from .tree import Knot, grow

__all__ = [
    "Act",
    "Handling",
    "Letter",
    "Life",
    "Note",
    "Part",
    "Plan",
    "Shout",
    "Step",
    "Tick",
    "Vow",
    "Word",
    "compose",
    "compose_line",
    "compose_small",
    "grown",
]


@frame
class Word(DataFrame):
    tag: int
    energy: int


@frame
class Note(ControlFrame):
    tag: int
    energy: int


@frame
class Vow(DataFrame, Uninterruptible):
    tag: int
    energy: int


@frame
class Shout(SystemFrame):
    tag: int
    energy: int


@attrs.frozen
class Letter:
    """A message from actor to actor."""

    tag: int
    energy: int


@attrs.frozen
class Tick:
    """A message that a timer brings. Equal ones re-arm each other."""

    number: int
    energy: int


FRAMES: tuple[type[Word] | type[Note] | type[Vow] | type[Shout], ...] = (Word, Note, Vow, Shout)

Do = Literal[
    "pass", "send", "letter", "arm", "disarm", "interrupt", "task", "assign", "spoil", "raise", "bad", "sleep", "pause",
    "wait", "ring", "hang", "stumble", "finish",
]  # fmt: skip
Way = Literal["on", "up", "down", "both"]


@attrs.frozen
class Act:
    """One thing that a handler does."""

    do: Do
    kind: type[Word] | type[Note] | type[Vow] | type[Shout] = Word
    """Of what "send" makes."""
    way: Way = "on"
    immune: bool = False
    target: str = ""
    """Who gets the "letter"."""
    number: int = 0
    """Which timer; or how often "raise", "bad" and "stumble" happen for one and the same frame."""
    seconds: float = 0.0
    at: int | None = None
    """In an async handler: send it in the name of the present epoch (0) or of an older one (1)."""
    acts: tuple[Act, ...] = ()
    """What the "task" does."""
    interruptible: bool | None = None


@attrs.frozen
class Handling:
    """How an actor handles one kind of frame or message."""

    is_async: bool
    form: Literal["one", "list", "generator"]
    """How effects are given: what is one alone isn't put into a list; an async handler pushes unless it is "list"."""
    scripts: tuple[tuple[Act, ...], ...]
    """Which of them, the frame's tag says."""


@attrs.frozen
class Life:
    """What an actor's `lifespan()` does."""

    enter: float = 0.0
    """Seconds; infinity is for ever."""
    leave: float = 0.0
    fails: int = 0
    """How many incarnations fail on entering."""
    acts: tuple[Act, ...] = ()
    """Of a task that it starts."""


@attrs.frozen
class Part:
    """One actor."""

    name: str
    index: int
    handlings: Mapping[type, Handling]
    max_buffer: int = 64
    grace: float = 1.0
    life: Life | None = None
    restart: RestartKind = "permanent"


@attrs.frozen
class Step:
    """One thing that comes from outside, after a pause of that many seconds (0: others get their turn; None: at once)."""

    do: Literal["push", "letter", "interrupt", "ring", "kill", "end"]
    pause: float | None = None
    frame: Word | Note | Vow | Shout | None = None
    direction: Literal["down", "up"] = "down"
    target: str = ""
    message: Letter | None = None
    also: str = ""
    """Who is killed right after the target."""
    rings: bool = False
    """Whether who waits has waited long enough just before the interruption comes."""


@attrs.frozen
class Plan:
    """One session, whole."""

    parts: tuple[Part, ...]
    outside: tuple[tuple[Step, ...], ...]
    """A task for each."""
    strategy: Strategy = "one_for_one"
    max_restarts: int = 1000
    ends: Literal["end", "cancel"] = "end"
    rests: bool = True
    """Whether the pipeline comes to rest before it ends."""
    kills: tuple[tuple[str, int], ...] = ()
    """Actors that fail as their n-th delivery begins."""
    slips: tuple[tuple[str, int, int], ...] = ()
    """Actors whose handler of the n-th thing that they begin raises at its end, that often for this thing."""
    reader_pause: float | None = None
    """Somebody reads `session.output`, with this pause between two frames; None: nobody does."""

    tree: Knot | None = None
    """Which pipelines and branches the parts stand in; None: all in one."""

    @property
    def root(self) -> Knot:
        """The tree, also of a plan that has none."""
        parts = tuple(range(len(self.parts)))
        return self.tree or Knot("pipeline", "", parts, self.strategy, self.max_restarts)

    @property
    def graces(self) -> float:
        """Their sum, in seconds."""
        return sum(part.grace for part in self.parts)


PAUSES = (0.01, 0.05, 0.1, 0.3)


class _Composer:
    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(f"plan/{seed}")
        self.names: tuple[str, ...] = ()
        self.subject = self.random.choices(("all", "turns", "crashes", "endings", "room"), (6, 3, 3, 2, 2))[0]
        """Of what there is more than else."""
        self.has_crashes = self.has_interruptions = self.hangs = True

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def plan(self) -> Plan:
        number = self.random.choice((1, 2, 2, 3, 3, 4, 4, 5))
        self.names = tuple("abcdefg"[:number])
        self.has_crashes = self.maybe({"all": 0.6, "crashes": 1.0, "endings": 0.5}.get(self.subject, 0.2))
        self.has_interruptions = self.maybe({"all": 0.8, "turns": 1.0}.get(self.subject, 0.5))
        self.hangs = self.maybe({"all": 0.3, "endings": 0.6}.get(self.subject, 0.1))
        parts = tuple(self.part(index) for index in range(number))
        steps = [self.step(tag) for tag in range(1, self.random.randint(4, 24))]
        tasks = self.random.choice((1, 1, 2, 3))
        outside = tuple(tuple(steps[first::tasks]) for first in range(tasks))
        return Plan(
            parts,
            outside,
            strategy=self.random.choice(("one_for_one", "one_for_all", "rest_for_one", "rest_for_one")),
            max_restarts=3 if self.maybe(0.1) else 1000,
            ends=self.random.choice(("end", "end", "cancel")),
            rests=self.subject != "endings" and self.maybe(0.6),
            kills=tuple(
                (self.random.choice(self.names), self.random.randint(1, 12))
                for _ in range(self.random.choice((0, 1, 2)) if self.has_crashes else 0)
            ),
            reader_pause=self.random.choice((0.0, 0.02)) if self.maybe(0.15) else None,
        )

    def part(self, index: int) -> Part:
        handlings: dict[type, Handling] = {}
        for kind in FRAMES:
            if self.maybe(0.65):
                handlings[kind] = self.handling(kind)
        gated = {"turns": 0.2, "crashes": 0.8}.get(self.subject, 0.5)
        for other, chance in ((Letter, 0.85), (Tick, 0.9), (InterruptionFrame, gated)):
            if self.maybe(chance):
                handlings[other] = self.handling(other)
        for lifecycle in (StartFrame, EndFrame, CancelFrame):
            if self.maybe(0.5 if self.subject == "endings" else 0.2):
                handlings[lifecycle] = self.handling(lifecycle)
        if self.subject == "endings" and self.maybe(0.3):
            acts = tuple(self.filled(do) for do in self.random.choices(("send", "letter", "sleep", "assign"), k=2))
            handlings[EndFrame] = Handling(True, "one", ((*acts, Act("hang" if self.maybe(0.5) else "pause")),))
        if self.maybe(0.8):
            # So that the model sees it pass.
            handlings.setdefault(EndFrame, Handling(False, "one", ((),)))
        return Part(
            self.names[index],
            index,
            handlings,
            max_buffer=1 if self.subject == "room" else self.random.choice((1, 1, 2, 8)),
            grace=self.random.choice((0.5, 1.0)),
            life=self.life() if self.maybe(0.2) else None,
        )

    def living_part(self, index: int) -> Part:
        """Of an actor whose coming and going others can see."""
        part = self.part(index)
        handlings = dict(part.handlings)
        if self.maybe(0.6):
            handlings[StartFrame] = self.handling(StartFrame)
        life = Life(self.random.choice((0.0, 0.05)), self.random.choice((0.0, 0.05))) if self.maybe(0.5) else None
        return attrs.evolve(part, handlings=handlings, life=life)

    def life(self) -> Life:
        return Life(
            enter=self.random.choice((0.0, 0.0, 0.05)),
            leave=self.random.choice((0.0, 0.0, 0.1, 9.0)),
            fails=self.random.choice((0, 0, 0, 1)) if self.has_crashes else 0,
            acts=self.task_acts(Word) if self.maybe(0.6) else (),
        )

    def handling(self, kind: type) -> Handling:
        often = {"turns": (Word, Vow), "crashes": (InterruptionFrame,)}.get(self.subject, ())
        is_async = self.maybe(0.8 if kind in often else 0.4)
        scripts = tuple(self.script(kind, is_async) for _ in range(self.random.choice((1, 2, 3))))
        if is_async and self.subject == "turns":
            # What ends with a wait may be cut when that is over already.
            scripts = tuple((*script[:2], self.filled("wait")) for script in scripts)
        if is_async and kind in (InterruptionFrame, EndFrame) and self.maybe(0.5):
            scripts = tuple((self.filled("sleep"), *script) for script in scripts)
        return Handling(is_async, self.random.choice(("one", "list", "generator")), scripts)

    def script(self, kind: type, is_async: bool) -> tuple[Act, ...]:
        acts = [self.act(kind, is_async) for _ in range(self.random.choice((0, 1, 1, 2, 2, 3, 4)))]
        # Most handlers of frames let something go on, or little would ever come far.
        if issubclass(kind, Frame) and self.maybe(0.6):
            acts.insert(self.random.randint(0, len(acts)), Act("pass"))
        passes = [place for place, act in enumerate(acts) if act.do == "pass"]
        return tuple(act for place, act in enumerate(acts) if act.do != "pass" or place == passes[0])

    def act(self, kind: type, is_async: bool) -> Act:
        choices: list[tuple[Do, int]] = [
            ("pass", 3),
            ("send", 24 if self.subject == "room" else 8),
            ("letter", 3),
            ("arm", 3),
            ("disarm", 1),
        ]
        choices += [("task", 2), ("assign", 2), ("ring", 1)]
        if self.has_interruptions:
            choices.append(("interrupt", 2))
        if self.has_crashes:
            choices += [("raise", 5 if self.subject == "crashes" else 2), ("bad", 1), ("spoil", 1)]
        if is_async:
            choices += [("sleep", 5), ("pause", 3), ("wait", 2)]
            if self.hangs:
                choices.append(("hang", 8 if issubclass(kind, (EndFrame, CancelFrame)) else 1))
            if self.has_crashes:
                choices.append(("stumble", 1))
        do = self.random.choices([each for each, _ in choices], [weight for _, weight in choices])[0]
        return self.filled(do)

    def filled(self, do: Do) -> Act:
        return Act(
            do,
            kind=self.random.choice(FRAMES),
            # Answers to what comes from below fill the lane of whoever waits for them.
            way=self.random.choice(
                ("on", "up", "down", "down") if self.subject == "room" else ("on", "on", "on", "up", "down", "both")
            ),
            immune=self.maybe(0.2),
            target=self.random.choice((*self.names, *self.names, "nobody")),
            number=self.random.choice((1, 1, 2)),
            seconds=self.random.choice(PAUSES),
            at=self.random.choice((0, 1)) if self.maybe(0.15) else None,
            acts=self.task_acts(Word) if do == "task" else (),
            interruptible=self.random.choice((None, None, False, True)),
        )

    def task_acts(self, kind: type) -> tuple[Act, ...]:
        choices: list[Do] = ["send", "send", "letter", "sleep", "sleep", "pause", "assign"]
        if self.has_interruptions:
            choices.append("interrupt")
        if self.has_crashes:
            choices.append("raise")
        if self.hangs:
            choices.append("hang")
        return tuple(self.filled(self.random.choice(choices)) for _ in range(self.random.randint(1, 4)))

    def step(self, tag: int) -> Step:
        turns = self.subject == "turns"
        pause = self.random.choice(
            (None, None, 0.01, 0.01) if turns else (None, None, None, 0.0, 0.0, 0.01, 0.05, 0.2)
        )  # fmt: skip
        crashes = self.subject == "crashes"
        if crashes and self.maybe(0.3):
            pause = None  # several at once
        interruptions = 10 if turns or crashes else 3
        kills, endings = (10, 0.2) if crashes else (6, 2) if self.subject == "endings" else (2, 0.2)
        do: Literal["push", "letter", "interrupt", "ring", "kill", "end"]
        do = self.random.choices(
            ("push", "letter", "interrupt", "ring", "kill", "end"),
            (20, 3, interruptions, 10 if turns else 2, kills, endings),
        )[0]
        if (do == "kill" and not self.has_crashes) or (do == "interrupt" and not self.has_interruptions):
            do = "push"
        target = self.random.choice((*self.names, *self.names, "nobody"))
        if do == "push":
            kinds = (Word, Vow) if turns else (Word, Word, *FRAMES)
            made = self.random.choice(kinds)(
                tag, self.random.choice((1, 2, 2) if self.subject == "room" else (0, 1, 1, 2))
            )
            return Step("push", pause, made, direction="up" if self.maybe(0.2) else "down")
        if do == "letter":
            return Step("letter", pause, target=target, message=Letter(tag, self.random.choice((0, 1))))
        if do == "kill":
            also = self.random.choice(self.names) if crashes and self.maybe(0.5) else ""
            return Step("kill", pause, target=self.random.choice(self.names), also=also)
        return Step(do, pause, rings=self.maybe(0.6 if turns else 0.2))


def compose(seed: int | str) -> Plan:
    """The plan of a seed: all that the runtime offers, mixed. Each third grows a tree."""
    plan = _Composer(seed).plan()
    return grown(plan, seed) if isinstance(seed, int) and seed % 3 == 0 else plan


def grown(plan: Plan, seed: int | str) -> Plan:
    """The plan with its parts in a tree, some of them of another kind than permanent, some of which finish."""
    chance = random.Random(f"tree/{seed}")
    tree = grow(len(plan.parts), chance, plan.strategy, plan.max_restarts)
    return attrs.evolve(plan, parts=tuple(_grown_part(part, chance) for part in plan.parts), tree=tree)


def _grown_part(part: Part, chance: random.Random) -> Part:
    restart: RestartKind = chance.choice(("permanent", "permanent", "transient", "temporary"))
    handlings = dict(part.handlings)
    for kind, handling in part.handlings.items():
        if chance.random() < 0.12:
            scripts = list(handling.scripts)
            number = chance.randrange(len(scripts))
            acts = list(scripts[number])
            tasks = [place for place, act in enumerate(acts) if act.do == "task"]
            if tasks and chance.random() < 0.5:
                task = acts[tasks[0]]
                acts[tasks[0]] = attrs.evolve(task, acts=(*task.acts, Act("finish")))
            else:
                acts.insert(chance.randint(0, len(acts)), Act("finish"))
            scripts[number] = tuple(acts)
            handlings[kind] = attrs.evolve(handling, scripts=tuple(scripts))
    life = part.life
    if life is not None and life.acts and chance.random() < 0.3:
        life = attrs.evolve(life, acts=(*life.acts, Act("finish")))
    return attrs.evolve(part, handlings=handlings, restart=restart, life=life)


def compose_line(seed: int | str) -> Plan:
    """A plan in which one lane is used, everything goes downstream and nothing answers: only Words that are passed,
    split, swallowed, by handlers that may wait.
    """
    composer = _Composer(f"line/{seed}")
    composer.has_crashes = composer.has_interruptions = composer.hangs = False
    number = composer.random.randint(1, 5)
    composer.names = tuple("abcdefg"[:number])

    def act(is_async: bool) -> Act:
        do: Do = composer.random.choice(("send", "send", "assign", *(("sleep", "pause") if is_async else ())))
        return attrs.evolve(composer.filled(do), kind=Word, way=composer.random.choice(("on", "down")))

    def script(is_async: bool) -> tuple[Act, ...]:
        acts = [act(is_async) for _ in range(composer.random.randint(0, 3))]
        if composer.maybe(0.7):
            acts.insert(composer.random.randint(0, len(acts)), Act("pass"))
        return tuple(acts)

    def part(index: int) -> Part:
        is_async = composer.maybe(0.4)
        scripts = tuple(script(is_async) for _ in range(3))
        handling = Handling(is_async, composer.random.choice(("one", "list", "generator")), scripts)
        handlings: dict[type, Handling] = {Word: handling} if composer.maybe(0.8) else {}
        return Part(composer.names[index], index, handlings, max_buffer=composer.random.choice((1, 2, 8)))

    steps = tuple(
        Step("push", composer.random.choice((None, None, 0.0, 0.01)), Word(tag, composer.random.choice((0, 1, 2))))
        for tag in range(1, composer.random.randint(4, 30))
    )
    return Plan(tuple(part(index) for index in range(number)), (steps,))


def compose_small(seed: int | str, *, quiet: float = 0.0) -> Plan:
    """A plan of at most 4 actors and 12 frames in which nobody fails by itself, and many see StartFrame or have a
    `lifespan()`. Before about every other frame nothing comes for `quiet` seconds.
    """
    composer = _Composer(f"small/{seed}")
    composer.subject = "all"
    composer.has_crashes = composer.hangs = False
    composer.names = tuple("abcd"[: composer.random.randint(1, 4)])
    parts = tuple(composer.living_part(index) for index in range(len(composer.names)))
    steps = tuple(composer.step(tag) for tag in range(1, composer.random.randint(3, 12)))
    if quiet:
        steps = tuple(attrs.evolve(step, pause=quiet) if composer.maybe(0.5) else step for step in steps)
    return Plan(parts, (tuple(step for step in steps if step.do != "end"),), max_restarts=3)

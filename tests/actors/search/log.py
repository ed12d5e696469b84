"""What the actors of a search write down themselves, in one order with what an observer is told.

An entry is written when its author knows it, before the runtime can do anything about it: what a plain handler yields
stands here when it has ended without an error, what an async one pushes stands here before the push.
"""

from __future__ import annotations

import attrs
import trio

from antiphon.actors import Address, Delivery, Dropped, Failure, Observer, Restart, Stall

from .plan import Act

__all__ = [
    "Assigned",
    "Began",
    "Entered",
    "Entry",
    "Finished",
    "Livelock",
    "Log",
    "Outcome",
    "Pushed",
    "Requested",
    "Rested",
    "Sent",
    "Work",
    "short",
]


class Livelock(BaseException):
    """A run does far more than its plan has energy for."""


MOST_ENTRIES = 40_000
MOST_CRASHES = 25


@attrs.define(eq=False, repr=False)
class Work:
    """One handler at work on one frame, or one task."""

    actor: str
    item: object
    """What is handled; of a task, None."""
    is_async: bool
    interruptible: bool = False
    """Of a task: whether an interruption cuts it."""
    parent: Work | None = None
    in_life: bool = False
    number: int = 0
    """For tags: how many things this actor has had in hand."""
    made: int = 0
    """How many frames and messages it has made."""

    def __repr__(self) -> str:
        return f"{self.actor}#{self.number} {'a task' if self.item is None else self.item!r}"


@attrs.frozen
class Began:
    work: Work
    sender: Address | None
    before: int = 0
    """How many things the actor's `state` says that it had begun before."""


@attrs.frozen(repr=False)
class Sent:
    """An effect. `is_certain` is False when its author is cancelled already and only hasn't heard of it."""

    work: Work
    act: Act
    item: object
    is_certain: bool
    time: float
    at: int | None = None
    """The epoch in whose name it is sent, if that was set."""
    epoch: int | None = None
    """What `self.epoch` said then, of what was pushed."""

    def __repr__(self) -> str:
        act = self.act
        how = f"{act.do} {act.target}" if act.do == "letter" else f"{act.do} {act.way}{' immune' if act.immune else ''}"
        item = "" if act.do == "interrupt" else f" {self.item!r}"
        how += "" if self.at is None else f" at {self.at}"
        return f"Sent by {self.work}: {how}{item}{'' if self.is_certain else ' (cancelled)'} {self.time:.3f} s"


@attrs.frozen
class Started:
    """A task was asked for."""

    task: Work
    is_certain: bool


@attrs.frozen
class Assigned:
    """A durable value changed."""

    work: Work
    before: tuple[int, ...]
    after: tuple[int, ...]
    is_certain: bool


@attrs.frozen
class Finished:
    """How a handler or a task left: `cut` by a cancellation, `raised`, or `done`."""

    work: Work
    how: str


@attrs.frozen
class Entered:
    """An actor's lifespan: `enter`, `entered`, `leave`, `left`."""

    actor: str
    what: str


@attrs.frozen
class Pushed:
    """Something came from outside."""

    item: object
    direction: str | None
    target: str
    is_certain: bool


@attrs.frozen
class Requested:
    """Outside asked for something: `interrupt`, `end`, `cancel`."""

    what: str
    time: float


@attrs.frozen
class Rested:
    """Nothing is ready at this instant. `lanes`: what waits in each actor's system and ordered lane."""

    lanes: dict[str, tuple[int, int]]
    pushing: frozenset[Work] = frozenset()
    """Who waits for room in a push."""


@attrs.frozen
class Outcome:
    """How the session ended."""

    outcome: object
    time: float


Entry = (
    Began | Sent | Started | Assigned | Finished | Entered | Pushed | Requested | Rested | Outcome
    | Delivery | Dropped | Failure | Restart | Stall
)  # fmt: skip


class Log(Observer):
    """The entries of one run, in order; also an observer."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.tries: dict[object, int] = {}
        self.lives: dict[str, int] = {}
        self.numbers: dict[str, int] = {}
        self.begun: dict[str, int] = {}
        self.slips: dict[tuple[str, int], int] = {}
        """How often a handler still raises at its end: by actor and the number of what it has begun."""
        self.slipping: dict[str, tuple[object, int]] = {}
        """What each actor has slipped on, and how often it still will."""
        self.book: dict[str, str] = {}
        """The whole addresses of parts."""
        self.began = 0.0
        self.crashes = 0
        self.pushing: set[Work] = set()
        """Who is inside a push, which only waits for room."""
        self.bell = trio.lowlevel.ParkingLot()
        """Whom it wakes has waited long enough, whatever cuts him before he runs."""

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)
        if len(self.entries) > MOST_ENTRIES:
            raise Livelock(f"{MOST_ENTRIES} entries and no end")

    def address(self, name: str) -> Address:
        """Of a part, wherever it stands."""
        return Address(self.book.get(name, name))

    def delivered(self, delivery: Delivery) -> None:
        self.write(_named_short(delivery))

    def dropped(self, dropped: Dropped) -> None:
        self.write(attrs.evolve(dropped, delivery=_named_short(dropped.delivery)))

    def failed(self, failure: Failure) -> None:
        delivery = None if failure.delivery is None else _named_short(failure.delivery)
        self.write(attrs.evolve(failure, address=short(failure.address), delivery=delivery))

    def restarted(self, restart: Restart) -> None:
        self.write(attrs.evolve(restart, address=short(restart.address)))

    def stalled(self, stall: Stall) -> None:
        self.write(attrs.evolve(stall, address=short(stall.address)))

    def ended(self, outcome: object) -> None:
        self.write(Outcome(outcome, self.now()))

    def may_crash(self, wants: bool) -> bool:
        """Whether one more crash is allowed: what each incarnation sends anew could crash its actor for ever."""
        self.crashes += wants
        return wants and self.crashes <= MOST_CRASHES

    def slips_on(self, actor: str, item: object) -> bool:
        """Whether the handler that begins with this now raises at its end."""
        number = self.count(self.begun, actor)
        if (actor, number) in self.slips:
            self.slipping[actor] = (item, self.slips[actor, number])
        slipped, times = self.slipping.get(actor, (None, 0))
        if slipped is not item or not times:
            return False
        self.slipping[actor] = (item, times - 1)
        return True

    def now(self) -> float:
        return trio.current_time() - self.began

    def count(self, what: dict[str, int], actor: str) -> int:
        what[actor] = what.get(actor, 0) + 1
        return what[actor]


def short(address: Address) -> Address:
    """Without the pipelines around it: names of parts are unlike."""
    return Address(address.name.rsplit("/", 1)[-1])


def _named_short(delivery: Delivery) -> Delivery:
    sender = None if delivery.sender is None else short(delivery.sender)
    return attrs.evolve(delivery, sender=sender, receiver=short(delivery.receiver))

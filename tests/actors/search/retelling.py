"""What must have happened, worked out from what the actors wrote down: a model of the rules that knows nothing of the runtime.

1. It keeps its own epoch, its own lanes, its own stamps, and follows each sending to its end.
2. It goes through the entries once, in order. What contradicts it becomes a complaint that begins with the rule's ID.
3. Its facts about each beginning of a handler (`Begin`) are judged in `rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import attrs

from antiphon.actors import Delivery, Dropped, Failure, Killed, Restart, Stall
from antiphon.channels.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    StopFrame,
    SystemFrame,
    Uninterruptible,
)

from .log import (
    Assigned,
    Began,
    Entered,
    Entry,
    Finished,
    Outcome,
    Pushed,
    Requested,
    Rested,
    Sent,
    Started,
    Work,
)
from .plan import Act, Part, Tick
from .stage import Story
from .tree import Copies, Exit, Knot, Shape, Way

__all__ = ["Account", "Begin", "Sending", "retell"]

LIFECYCLE = (StartFrame, EndFrame, StopFrame, CancelFrame)


@attrs.define(eq=False)
class Sending:
    """One thing on its way to one receiver."""

    number: int
    """Of the entry by which it was sent: the order of what one sender sends."""
    item: object
    sender: str | None
    direction: str | None
    receiver: str
    stamp: int
    immune: bool
    state: str = "waiting"
    """`waiting`, `handled`, `ended`, or `due: reason` for one that must be dropped with that reason."""
    dropped: str | None = None
    """Why, if it was."""
    failures: int = 0
    was_returned: bool = False
    """To the front of its lane, when its actor went down."""
    was_sent_with_interruption: bool = False
    """By a handler that interrupted afterwards, in the same step: it may have left before that."""
    may_be_missing: bool = False
    is_lifecycle: bool = False
    is_of_life: bool = False
    is_adjacent: bool = False
    """Nobody stands between, so it can only wait in its receiver's own lane."""
    way: Way | None = None
    """Of a frame: what it passes, and which branches it has been in."""
    root: object = None
    """Of which sending it is a copy, if branches made several of one."""

    @property
    def is_system(self) -> bool:
        return not isinstance(self.item, Frame) or isinstance(self.item, SystemFrame)

    @property
    def lane(self) -> str:
        return "system" if self.is_system else "ordered"

    def __str__(self) -> str:
        immune = ", immune" if self.immune else ""
        return f"{self.item!r} from {self.sender} to {self.receiver} ({self.direction}, epoch {self.stamp}{immune}; {self.state})"


@attrs.frozen
class Begin:
    """The moment when an actor began to handle something."""

    number: int
    sending: Sending
    epoch: int
    """The session's, by the model."""
    waits_in_system_lane: tuple[Sending, ...]
    is_system_busy: bool
    """Whether an async handler of the system lane runs at this actor."""
    gate: int
    """The epoch of the last interruption that the actor has handled."""
    handles_interruptions: bool


@attrs.define(eq=False)
class _Running:
    """A handler at work."""

    sending: Sending
    began_epoch: int
    stamp: int | None
    work: Work | None = None
    has_effect: bool = False
    """Whether it has sent or assigned anything."""
    has_sent_on: bool = False
    """The very object in hand: what it sends of it from now on is its own."""
    finishes: bool = False
    is_cut: bool = False
    is_settled: bool = False
    """Its actor went down meanwhile, and what becomes of its frame is decided."""


@attrs.define(eq=False)
class _Actor:
    part: Part
    running: dict[str, _Running] = attrs.field(factory=dict)
    """By lane."""
    is_down: bool = False
    is_entering: bool = False
    has_ended: bool = False
    is_given_up: bool = False
    is_gone: bool = False
    """It has finished, or is temporary and has failed: frames pass it by."""
    has_start: bool = False
    has_life: bool = False
    """It has entered its lifespan and hasn't begun to leave it."""
    begun: int = 0
    """How many things this incarnation has begun."""
    awaits_end: bool = False
    """EndFrame was in hand when another took this actor down: it is handled again."""
    gate: int = 0
    memory: tuple[int, ...] = ()
    has_vague_memory: bool = False
    """It assigned while the session ended, and may have gone already."""

    def handles(self, item: object) -> bool:
        return type(item) in self.part.handlings


@attrs.define
class Account:
    """What the model found."""

    sendings: list[Sending] = attrs.field(factory=list)
    begins: list[Begin] = attrs.field(factory=list)
    complaints: list[str] = attrs.field(factory=list)
    closing_since: float = math.inf
    """When the session was told to end, or had to."""
    closing_entry: int = 1 << 60
    cancelled_since: float = math.inf
    last_progress: float = 0.0
    """When an actor last got on with something."""
    has_stalled: bool = False
    """Whether an actor was ended because it got on with nothing."""
    is_vague: bool = False
    """Whether there came a point from which the model couldn't tell any more what must follow."""


def retell(story: Story) -> Account:
    """Go through a story, and tell what contradicts the rules."""
    teller = _Teller(story)
    for number, entry in enumerate(story.log.entries):
        teller.number = number
        teller.take(entry)
    teller.close()
    return teller.account


class _Teller:
    def __init__(self, story: Story) -> None:
        self.story = story
        self.account = Account()
        self.number = 0
        self.has_ended = False
        self.time = 0.0
        self.epoch = 0
        self.actors = {part.name: _Actor(part, is_entering=part.life is not None) for part in story.plan.parts}
        self.order = [self.actors[part.name] for part in story.plan.parts]
        self.shape = Shape(story.plan.root)
        self.open: dict[object, list[Sending]] = {}
        """What hasn't ended, by what tells it apart."""
        self.ways: dict[tuple[str | None, str | None], list[Sending]] = {}
        """What is ordered and hasn't ended, by sender and direction, in the order of sending."""
        self.tasks: dict[Work, _Running] = {}
        self.timers: dict[tuple[str, Tick], float] = {}
        self.interruptions: dict[str, list[Sending]] = {name: [] for name in self.actors}
        self.is_closing = False
        self.batch: list[Sending] = []
        """What the handler whose effects are being told has sent so far."""
        self.uncertain_timers: set[tuple[str, Tick]] = set()
        """Armed again at the very moment when they came."""
        self.owing: dict[Work, str] = {}
        """Who has overfilled whose lane with a push, and waits until something has left it."""
        self.failures = 0
        self.start = StartFrame()
        self.has_started = False
        self.is_vague = False
        """The model can't tell any more what must follow, and says nothing."""

    def complain(self, rule: str, text: str) -> None:
        if self.is_vague:
            return
        self.account.complaints.append(f"{rule}: {text} [entry {self.number}, {self.time:.3f} s]")

    # ---- entries

    def take(self, entry: Entry) -> None:
        # Who reads what leaves gets it later.
        is_read = self.story.plan.reader_pause is not None and isinstance(entry, Delivery)
        if self.has_ended and not is_read and isinstance(entry, (Delivery, Dropped, Failure, Restart, Stall)):
            self.complain("LC5", f"told after the session's end: {entry}")
        if isinstance(entry, (Sent, Assigned, Started, Finished)):
            self.check_room(entry)
        elif isinstance(entry, (Dropped, Failure, Restart, Stall, Requested)):
            self.owing.clear()  # there may be room now, or nobody who waits
        match entry:
            case Delivery():
                self.batch = []
                self.time = entry.time
                self.delivered(entry)
            case Began():
                self.began(entry)
            case Sent():
                self.time = entry.time
                self.sent(entry)
            case Finished():
                self.finished(entry)
                if not entry.work.is_async:
                    self.account.last_progress = self.time
            case Dropped():
                self.dropped(entry)
            case Pushed():
                self.pushed(entry)
            case Failure():
                self.time = entry.time
                self.failed(entry)
            case Restart():
                self.time = entry.time
                actor = self.actors[entry.address.name]
                if actor.is_gone:
                    self.complain("SU9", f"{entry.address} is gone, and was restarted")
                elif not actor.is_down:
                    self.complain("SU1", f"{entry.address} was restarted without having failed")
                actor.is_down = actor.has_start = False
                actor.begun = 0
                actor.is_entering = actor.part.life is not None
            case Entered():
                self.lived(self.actors[entry.actor], entry.what)
            case Started():
                self.started(entry)
            case Assigned():
                self.assigned(entry)
            case Requested():
                self.time = entry.time
                if entry.what == "interrupt":
                    self.interrupt(None)
                else:
                    self.begin_closing(entry.what == "cancel")
            case Rested():
                self.rested(entry)
            case Stall():
                self.stalled(self.actors[entry.address.name], entry)
            case Outcome():
                self.time = entry.time
                self.has_ended = True

    def lived(self, actor: _Actor, what: str) -> None:
        """An actor enters or leaves its lifespan. At the session's end they leave in reverse order."""
        actor.is_entering = what == "enter"
        if what != "left":
            actor.has_life = what == "entered"
        if what != "leave" or self.account.closing_since == math.inf or actor.is_down or self.account.has_stalled:
            return
        for other in self.order[actor.part.index + 1 :]:
            if other.has_life and not other.is_down:
                self.complain("LC2", f"{actor.part.name} leaves its lifespan before {other.part.name}")

    def stalled(self, actor: _Actor, stall: Stall) -> None:
        if self.account.closing_since == math.inf:
            return
        self.account.has_stalled = True
        # Perhaps before EndFrame has come to it: others wait for room there.
        actor.is_given_up = actor.is_given_up or stall.is_given_up

    def begin_closing(self, by_cancel: bool) -> None:
        if self.has_ended:
            return
        if self.account.closing_since == math.inf:
            self.account.closing_since, self.account.closing_entry = self.time, self.number
        if by_cancel:
            self.account.cancelled_since = min(self.account.cancelled_since, self.time)
            for actor in self.order:
                actor.gate = 1 << 60  # Cancel waits for nothing, not for interruptions either
        self.is_closing = self.is_closing or by_cancel

    # ---- sending

    def send(
        self,
        item: object,
        sender: str | None,
        direction: str | None,
        receiver: str,
        stamp: int,
        *,
        immune: bool,
        is_adjacent: bool,
    ) -> Sending:
        sending = Sending(
            self.number, item, sender, direction, receiver, stamp, immune, is_adjacent=is_adjacent
        )  # fmt: skip
        self.account.sendings.append(sending)
        alike = self.open.setdefault(self.key(item, sender, direction, receiver), [])
        for earlier in alike:
            # Sent anew, so what was sent after a cut went nowhere.
            if earlier.may_be_missing and not isinstance(item, Tick):
                earlier.state = "ended"
        alike.append(sending)
        if not sending.is_system:
            self.ways.setdefault((sender, direction), []).append(sending)
        if not sending.is_system and not immune and stamp < self.epoch:
            sending.state = "due: stale"
        return sending

    @staticmethod
    def key(item: object, sender: str | None, direction: str | None, receiver: str) -> object:
        if isinstance(item, Tick):
            return (item, receiver)
        return (type(item), getattr(item, "tag", None), sender, direction)

    def handles(self, item: object) -> Callable[[int], bool]:
        return lambda part: self.order[part].handles(item) and not self.order[part].is_gone

    def send_frame(
        self,
        item: object,
        sender: str,
        place: int | None,
        direction: str,
        stamp: int,
        *,
        immune: bool,
        tokens: tuple[Copies, ...] = (),
    ) -> list[Sending]:
        """To all who get it: one, or several where branches part."""
        root = object()
        ways = self.shape.ways(place, direction, self.handles(item), tokens)
        if stamp < self.epoch and not immune and not isinstance(item, SystemFrame):
            del ways[1:]  # refused at once
        sendings: list[Sending] = []
        for way in ways:
            sending = self.send(
                item, sender, direction, self.name_of(way), stamp, immune=immune, is_adjacent=way.is_adjacent
            )
            sending.way, sending.root = way, root
            sendings.append(sending)
        return sendings

    def name_of(self, way: Way) -> str:
        match way.receiver:
            case Exit():
                return way.receiver.name
            case Copies():
                return way.receiver.fork
            case part:
                return self.order[part].part.name

    def pushed(self, entry: Pushed) -> None:
        if not entry.is_certain:
            return
        if entry.direction is None:
            self.letter(entry.item, None, entry.target)
            return
        immune = isinstance(entry.item, (Uninterruptible, SystemFrame))
        sender = "source" if entry.direction == "down" else "sink"
        self.send_frame(entry.item, sender, None, entry.direction, self.epoch, immune=immune)

    def letter(self, item: object, sender: str | None, target: str) -> Sending:
        actor = self.actors.get(target)
        sending = self.send(item, sender, None, target, self.epoch, immune=True, is_adjacent=True)
        if actor is None or not actor.handles(item):
            sending.state = "due: unknown address"
        if actor is not None and actor.is_gone:
            sending.state = "due: finished"
        return sending

    def sent(self, entry: Sent) -> None:
        running = self.running_of(entry.work)
        if running is not None and running.is_cut:
            if entry.is_certain:
                self.complain("IN1", f"{entry.work.actor} was cut and goes on to send {entry.item!r}")
            return
        if running is not None and running.is_settled and entry.is_certain:
            self.complain("SU5", f"{entry.work} outlives its incarnation and sends {entry.item!r}")
        if not entry.is_certain or (running is None and entry.work.item is not None):
            # Only messages may still leave whom others' failure or the end has cut.
            if entry.act.do == "letter":
                self.letter(entry.item, entry.work.actor, entry.act.target).may_be_missing = True
            return
        self.note_effect(entry.work)
        act, actor = entry.act, self.actors[entry.work.actor]
        name = entry.work.actor
        if entry.epoch is not None and entry.epoch != self.stamp_of(running):
            self.complain("IN2", f"{name} sees the epoch {entry.epoch}, but works at {self.stamp_of(running)}")
        if act.do == "interrupt":
            for sending in self.batch:
                sending.was_sent_with_interruption = True
            self.interrupt(entry.work, entry.at)
        elif act.do == "letter":
            self.letter(entry.item, name, act.target)
        elif act.do in ("arm", "disarm"):
            assert isinstance(entry.item, Tick)
            self.arm(name, entry.item, act)
        elif act.do == "finish":
            if entry.work.item is None:
                self.finish(actor)  # said by a task, at once
            elif running is not None:
                running.finishes = True
        else:
            stamp = self.stamp_of(running) if entry.at is None else entry.at
            immune = act.immune or isinstance(entry.item, (Uninterruptible, SystemFrame))
            tokens: tuple[Copies, ...] = ()
            passes = act.do == "pass" and running is not None and not running.has_sent_on
            if passes:
                assert running is not None
                running.has_sent_on = True
                tokens = running.sending.way.tokens if running.sending.way is not None else ()
            for direction in self.directions(act, running):
                sendings = self.send_frame(
                    entry.item, name, actor.part.index, direction, stamp, immune=immune, tokens=tokens
                )
                if actor.has_ended and not passes:
                    self.refuse(sendings)
                self.batch += sendings
                if entry.epoch is not None:
                    for sending in sendings:
                        self.note_room(entry.work, sending)

    def refuse(self, sendings: list[Sending]) -> None:
        """Nothing leaves an actor that has ended: what it sends is dropped there, once."""
        sendings[0].state = "due: finished"
        for other in sendings[1:]:
            other.state = "ended"

    def stamp_of(self, running: _Running | None) -> int:
        """Of what a handler or a task sends now."""
        return self.epoch if running is None or running.stamp is None else running.stamp

    def note_effect(self, work: Work | None) -> None:
        """What a handler's task does comes from the handler's frame, too."""
        while work is not None:
            running = self.running_of(work)
            if running is not None:
                running.has_effect = True
            work = work.parent if work.item is None else None

    def directions(self, act: Act, running: _Running | None) -> tuple[str, ...]:
        if act.do == "pass" or act.way == "on":
            item = None if running is None else running.sending.item
            its = None if running is None or isinstance(item, InterruptionFrame) else running.sending.direction
            return (its or "down",)
        return ("down", "up") if act.way == "both" else (act.way,)

    def running_of(self, work: Work) -> _Running | None:
        """The handler or task; None for a task of `lifespan`."""
        if work.item is None:
            return self.tasks.get(work)
        return next((each for each in self.actors[work.actor].running.values() if each.work is work), None)

    # ---- room

    def note_room(self, work: Work, sending: Sending) -> None:
        """Whether a push has to wait: more than the bound wait at the next actor, and nothing that will pass it unseen."""
        is_ordered = work.item is None or self.actors[work.actor].running.get("ordered") is self.running_of(work)
        receiver = self.actors.get(sending.receiver)
        if (
            receiver is None
            or self.shape.has_branches
            or not (is_ordered and sending.is_adjacent)
            or sending.is_system
            or sending.direction == "up"
        ):
            return
        waiting = [each for each in self.ways[sending.sender, "down"] if each.state == "waiting"]
        place = receiver.part.index
        if sum(each.receiver == sending.receiver for each in waiting) > receiver.part.max_buffer and not any(
            each.state == "waiting" and self.place_of(each.sender or "source") < place < self.place_of(each.receiver)
            for (_, direction), way in self.ways.items()
            if direction == "down"
            for each in way
        ):
            self.owing[work] = sending.receiver

    def check_room(self, entry: Sent | Assigned | Started | Finished) -> None:
        work = entry.task.parent if isinstance(entry, Started) else entry.work
        if work is None or work not in self.owing:
            return
        receiver = self.owing.pop(work)
        if not isinstance(entry, Finished) or entry.how == "done":
            self.complain("CH2", f"{work} goes on, though the lane of {receiver} is overfull and nothing has left it")

    # ---- timers

    def arm(self, name: str, tick: Tick, act: Act) -> None:
        before = self.timers.pop((name, tick), None)
        if before is not None and before <= self.time + 1e-9:
            fired = self.fire(name, tick, self.epoch)
            # At the very moment, either may have come first.
            if abs(before - self.time) < 1e-9:
                self.uncertain_timers.add((name, tick))
            fired.may_be_missing = (name, tick) in self.uncertain_timers
        if act.do == "arm":
            self.timers[name, tick] = self.time + act.seconds

    def fire(self, name: str, tick: Tick, epoch: int) -> Sending:
        sending = self.send(tick, name, None, name, epoch, immune=True, is_adjacent=False)
        if not self.actors[name].handles(tick):
            sending.state = "due: unknown address"
        return sending

    def check_order_of_arming(self, name: str, tick: Tick, moment: float) -> None:
        """Timers of one moment come in the order in which they were armed."""
        for (whose, other), when in self.timers.items():
            if other == tick and whose == name:
                return
            if (name, other) in self.uncertain_timers:
                continue  # it may have come already, as the one before it
            if whose == name and when == moment and self.actors[name].handles(other):
                self.complain(
                    "AD3", f"{tick} of {name} comes before {other}, which was armed earlier for the same moment"
                )

    # ---- handling

    def find(self, delivery: Delivery, *, is_drop: bool = False) -> Sending | None:
        """The open sending that a delivery is about."""
        receiver = delivery.receiver.name
        sender = None if delivery.sender is None else delivery.sender.name
        item = delivery.frame
        if isinstance(item, InterruptionFrame):
            known = self.interruptions.get(receiver, [])
            return next((each for each in known if each.item == item and each.state != "ended"), None)
        unended = [
            each
            for each in self.open.get(self.key(item, sender, delivery.direction, receiver), ())
            if each.state != "ended"
        ]
        here = [each for each in unended if each.receiver == receiver] or unended
        if delivery.seq and is_drop:
            return next(iter(here), None)  # what was begun is older than what waits
        unended = here
        waiting = [each for each in unended if each.state not in ("handled", "cut by the end")]
        if isinstance(item, Tick) and not waiting:
            moment = self.timers.get((receiver, item))
            if moment is not None and moment <= delivery.time + 1e-9:
                self.check_order_of_arming(receiver, item, moment)
                del self.timers[receiver, item]
                return self.fire(receiver, item, delivery.epoch)
        return next(iter((*waiting, *unended)), None)

    def find_dropped(self, entry: Dropped) -> Sending | None:
        """What was dropped, wherever it was on its way; with it all copies that would have been made of it."""
        delivery, reason = entry.delivery, entry.reason
        place = delivery.receiver.name
        if delivery.seq or delivery.direction is None or isinstance(delivery.frame, InterruptionFrame):
            return self.find(delivery, is_drop=True)
        if reason == "merged":
            return self.merge(delivery)
        alike = self.on_way(delivery)
        there = self.actors[place].part.index if place in self.actors else place
        passing = [each for each in alike if each.receiver == place or there in self.passed(each)]
        if not passing:
            passing = self.let_out(alike, place, there)
        chosen = next(
            (each for those in (passing, alike) for each in those if each.state == f"due: {reason}"),
            next(iter((*passing, *alike)), None),
        )
        if chosen is None:
            return self.find(delivery, is_drop=True)
        is_beyond = chosen not in passing and place != chosen.sender
        if is_beyond and chosen.way is not None and isinstance(chosen.way.receiver, Copies):
            # Another than thought has come out before, and this one is where that one was thought to be.
            chosen.way.receiver.has_come_out = True
        if chosen.receiver != place:
            passed = self.passed(chosen)
            all_of_it = 0 if place == chosen.sender else len(passed)
            self.end_copies(chosen, passed.index(there) + 1 if there in passed else all_of_it)
        return chosen

    def on_way(self, delivery: Delivery) -> list[Sending]:
        """What is like it, from the same sender, and not in hand."""
        sender = None if delivery.sender is None else delivery.sender.name
        key = self.key(delivery.frame, sender, delivery.direction, delivery.receiver.name)
        return [
            each
            for each in self.open.get(key, ())
            if each.way is not None and each.state not in ("ended", "handled", "cut by the end")
        ]

    @staticmethod
    def passed(sending: Sending) -> tuple[object, ...]:
        return () if sending.way is None else sending.way.passed

    def is_anybodys_guess(self, delivery: Delivery) -> bool:
        """Whether several copies from one sender could have come this way, through more than one set of branches: then
        it may be another than the model thought that has come out before.
        """
        sender = None if delivery.sender is None else delivery.sender.name
        return self.may_be_mistaken(self.key(delivery.frame, sender, delivery.direction, delivery.receiver.name))

    def may_be_mistaken(self, key: object) -> bool:
        ways = [each.way for each in self.open.get(key, ()) if each.way is not None]
        branches = {copies for way in ways for copies in (*way.tokens, *way.entered)}
        return len(branches) > 1 and any(way.has_come_out for way in ways)

    def end_copies(self, sending: Sending, length: int) -> None:
        """All that would have come of the copy that had passed so much of this way."""
        prefix = self.passed(sending)[:length]
        for each in self.account.sendings:
            if each is not sending and each.root is sending.root and self.passed(each)[:length] == prefix:
                each.state = "ended"

    def merge(self, delivery: Delivery) -> Sending | None:
        """A copy that comes to the end of its branch later than another."""
        fork = delivery.receiver.name
        for sending in self.on_way(delivery):
            if sending.receiver == fork and sending.way is not None and isinstance(sending.way.receiver, Copies):
                sending.way.receiver.merged += 1
                return sending
        # It may have come out of branches inside before.
        alike = self.on_way(delivery)
        found = self.let_out(alike, fork, None)
        if found and found[0].way is not None and isinstance(found[0].way.receiver, Copies):
            found[0].way.receiver.merged += 1
            return found[0]
        self.is_vague = self.is_vague or self.is_anybodys_guess(delivery)
        self.complain("PA2", f"merged at {fork}, but no copy was on its way there: {delivery.frame!r}")
        return None

    def let_out(self, alike: list[Sending], place: str, there: object) -> list[Sending]:
        """Of copies at the ends of their branches: let that one go on which can have come to this place by now, of
        several the nearest. If it was another in truth, that one can still go on later.
        """
        for forks in range(1, 12):
            if found := self.let_out_of(forks, alike, place, there):
                return found
        return []

    def let_out_of(self, forks: int, alike: list[Sending], place: str, there: object) -> list[Sending]:
        for sending in alike:
            way = sending.way
            if way is None or not isinstance(way.receiver, Copies) or way.receiver.has_come_out:
                continue
            assert sending.direction is not None
            way.receiver.has_come_out = True
            first, *more = self.shape.ways_on(way, sending.direction, self.handles(sending.item))
            before = sending.receiver
            sendings = [sending, *(self.copy_of(sending) for _ in more)]
            for copy, after in zip(sendings, (first, *more), strict=True):
                copy.receiver, copy.way, copy.is_adjacent = self.name_of(after), after, False
            found = [each for each in sendings if each.receiver == place or there in self.passed(each)]
            if forks > 1:
                found = found or self.let_out_of(forks - 1, sendings, place, there)
            if found:
                return found
            # It wasn't this one.
            for copy in sendings[1:]:
                copy.state = "ended"
                self.account.sendings.remove(copy)
            sending.receiver, sending.way = before, way
            way.receiver.has_come_out = False
        return []

    def copy_of(self, sending: Sending) -> Sending:
        copy = attrs.evolve(sending)
        self.account.sendings.append(copy)
        self.open[self.key(sending.item, sending.sender, sending.direction, sending.receiver)].append(copy)
        return copy

    def delivered(self, delivery: Delivery) -> None:
        item, receiver = delivery.frame, delivery.receiver.name
        if isinstance(item, ErrorFrame):
            return
        actor = self.actors.get(receiver)
        if isinstance(item, LIFECYCLE):
            if actor is None and isinstance(item, StartFrame):
                if self.has_started:
                    self.complain("SU5", "StartFrame leaves a second time: an incarnation has passed on its own")
                self.has_started = True
            if isinstance(item, EndFrame) and receiver == "sink":
                self.check_end_before(self.shape.sink, receiver)
            if actor is not None:
                # Cancel waits for nothing: what was cut by it may still unwind.
                lane = (
                    "cancel"
                    if isinstance(item, CancelFrame)
                    else "ordered"
                    if isinstance(item, (EndFrame, StopFrame))
                    else "system"
                )
                sending = Sending(
                    self.number, item, None, "down", receiver, delivery.epoch, immune=True, is_lifecycle=True
                )
                self.begin(actor, lane, sending, delivery)
            return
        if isinstance(item, Frame) and delivery.direction is not None:
            alike = self.on_way(delivery)
            if alike and not any(each.receiver == receiver for each in alike):
                self.let_out(alike, receiver, None)
        sending_found = self.find(delivery)
        if sending_found is None or sending_found.state != "waiting" or sending_found.receiver != receiver:
            self.is_vague = self.is_vague or self.is_anybodys_guess(delivery)
        if sending_found is None or sending_found.state != "waiting":
            # What left at an end before an interruption of the same step is no complaint.
            if sending_found is not None and sending_found.was_sent_with_interruption and actor is None:
                sending_found.state = "ended"
                return
            if sending_found is not None and sending_found.state == "handled":
                self.complain("CH5", f"handled twice: {sending_found}")
            else:
                self.complain("CH5", f"{receiver} got what wasn't on its way: {item!r}, {sending_found}")
            return
        sending = sending_found
        self.compare(sending, delivery)
        self.check_way(sending)
        sending.item = item  # equal, and from here on the very object
        if actor is None:
            if not sending.immune and sending.stamp < self.epoch:
                self.complain("IN3", f"left the session too late: {sending}, now epoch {self.epoch}")
            sending.state = "ended"
            return
        self.begin(actor, sending.lane, sending, delivery)

    def check_way(self, sending: Sending) -> None:
        """An ordered frame passes nobody at whom something waits that its sender sent that way before."""
        if sending.is_system or sending.is_adjacent or self.shape.has_branches:
            return
        way = self.ways[sending.sender, sending.direction]
        way[:] = [each for each in way if each.state != "ended"]
        sign = 1 if sending.direction == "down" else -1
        for each in way:
            is_nearer = sign * self.place_of(each.receiver) < sign * self.place_of(sending.receiver)
            if each.number < sending.number and each.state == "waiting" and is_nearer and not each.may_be_missing:
                self.complain("DL10", f"{sending} has passed {each}")

    def place_of(self, name: str) -> int:
        return -1 if name == "source" else len(self.order) if name == "sink" else self.actors[name].part.index

    def compare(self, sending: Sending, delivery: Delivery) -> None:
        if delivery.receiver.name != sending.receiver:
            self.complain("DL1", f"{sending} was handled by {delivery.receiver}")
        self.compare_stamp(sending, delivery)
        if delivery.immune != sending.immune:
            self.complain("IN5", f"{sending}: immune is {delivery.immune}")

    def begin(self, actor: _Actor, lane: str, sending: Sending, delivery: Delivery) -> None:
        name = actor.part.name
        if lane in actor.running:
            self.complain("DL3", f"{name} begins {sending.item!r} while {actor.running[lane].sending} is in hand")
        if actor.is_down or actor.is_gone:
            self.complain("SU1", f"{name} is down and begins {sending.item!r}")
        if actor.is_entering:
            self.complain("LC2", f"{name} hasn't entered its lifespan and begins {sending.item!r}")
        if not (actor.has_start or isinstance(sending.item, StartFrame)) and StartFrame in actor.part.handlings:
            self.complain("PA3", f"{name} begins {sending.item!r} before StartFrame")
        waiting = tuple(
            each
            for each in (*self.waiting_in_system_lane(name), *self.interruptions[name])
            if each.state == "waiting" and each is not sending and not each.may_be_missing
        )
        system = actor.running.get("system") or actor.running.get("cancel")
        is_busy = system is not None and actor.part.handlings[type(system.sending.item)].is_async
        begin = Begin(
            self.number, attrs.evolve(sending), self.epoch, waiting, is_busy, actor.gate, actor.handles(InterruptionFrame(0))
        )  # fmt: skip
        if not self.is_vague:
            self.account.begins.append(begin)
        sending.state = "handled"
        if lane == "ordered":
            self.owing = {work: receiver for work, receiver in self.owing.items() if receiver != name}
        self.account.last_progress = self.time
        item = sending.item
        is_immune_handler = lane == "ordered" and sending.immune
        stamp = None if is_immune_handler else sending.stamp if lane == "ordered" else self.epoch
        actor.running[lane] = _Running(sending, self.epoch, stamp)
        if isinstance(item, StartFrame):
            if actor.has_start:
                self.complain("SU5", f"{name} gets StartFrame twice in one incarnation")
            actor.has_start = True
        elif not actor.has_start and actor.handles(self.start):
            self.complain("SU5", f"{name} begins {item!r}, and hasn't had StartFrame")
        if isinstance(item, EndFrame):
            actor.awaits_end = False
            self.check_end(actor, waiting, system)
            self.check_end_before(actor.part.index, name)

    def check_end(self, actor: _Actor, waiting: tuple[Sending, ...], system: _Running | None) -> None:
        """An actor takes EndFrame once, when it has nothing else in its system lane and no handler's task."""
        name = actor.part.name
        tasks = [
            work
            for work, task in self.tasks.items()
            if work.actor == name and not (work.in_life or task.is_cut or task.is_settled)
        ]
        if actor.has_ended:
            self.complain("LC3", f"{name} gets EndFrame, and has had it")
        elif waiting or system is not None or tasks:
            self.complain("LC3", f"{name} takes EndFrame before its {waiting or system or tasks}")

    def check_end_before(self, place: int | Exit, name: str) -> None:
        """EndFrame comes when all before have let it go on, in each branch."""
        for part in self.shape.before(place):
            other = self.order[part]
            if EndFrame in other.part.handlings and not (other.has_ended or other.is_given_up or other.is_gone):
                self.complain("PA3", f"EndFrame is at {name} before {other.part.name} has let it go on")

    def waiting_in_system_lane(self, name: str) -> Iterator[Sending]:
        """What is known to wait in an actor's own system lane."""
        for sendings in self.open.values():
            for each in sendings:
                if each.receiver == name and each.is_system and each.is_adjacent:
                    yield each

    def began(self, entry: Began) -> None:
        work = entry.work
        self.account.last_progress = self.time
        if work.item is None:
            if work not in self.tasks:
                self.complain("SU2", f"{work!r} of {work.parent} runs, whose handler has asked for none")
            return
        actor = self.actors[work.actor]
        if entry.before != actor.begun:
            self.complain("SU5", f"{work.actor} has begun {actor.begun} things, but its state says {entry.before}")
        actor.begun += 1
        running = next(
            (each for each in actor.running.values() if each.sending.item is work.item and each.work is None), None
        )
        if running is None:
            self.complain("DL1", f"{work.actor} handles {work.item!r}, of which there was no delivery")
            return
        running.work = work
        sender = None if entry.sender is None else entry.sender.name
        if not running.sending.is_lifecycle and sender != running.sending.sender:
            self.complain("DL1", f"{work.actor} sees the sender {sender} of {running.sending}")

    def started(self, entry: Started) -> None:
        if not entry.is_certain:
            return
        running = None if entry.task.parent is None else self.running_of(entry.task.parent)
        # A task has its handler's stamp, or that of the moment where the handler has none.
        stamp = (
            None if entry.task.in_life else self.epoch if running is None or running.stamp is None else running.stamp
        )
        task = Sending(self.number, None, None, None, entry.task.actor, 0, immune=False, is_of_life=entry.task.in_life)
        self.tasks[entry.task] = _Running(task, self.epoch, stamp, entry.task)

    def assigned(self, entry: Assigned) -> None:
        actor = self.actors[entry.work.actor]
        running = self.running_of(entry.work)
        if running is None or running.is_settled:
            return  # what a dead incarnation still writes down, nobody sees
        if not entry.is_certain and self.account.closing_since < math.inf:
            actor.has_vague_memory = True
        if entry.before != actor.memory and not actor.has_vague_memory:
            self.complain("SU2", f"{entry.work.actor} remembers {entry.before}, but had assigned {actor.memory}")
        self.note_effect(entry.work)
        actor.memory = entry.after

    def finished(self, entry: Finished) -> None:
        self.account.last_progress = self.time
        work, how = entry.work, entry.how
        if work.item is None:
            self.tasks.pop(work, None)
            return
        actor = self.actors[work.actor]
        running = self.running_of(work)
        if running is None:
            return
        lane = next(lane for lane, each in actor.running.items() if each is running)
        sending = running.sending
        if how == "raised" and not running.is_settled and not (self.is_closing and self.is_unheard()):
            return  # what follows is told by the failure
        del actor.running[lane]
        if running.is_settled:
            return
        if how == "cut" and not running.is_cut and not self.is_closing and not self.may_be_ending(actor):
            self.complain("IN7", f"{work.actor} was cut for no reason while handling {sending}")
        if isinstance(sending.item, (EndFrame, StopFrame)) and how == "done":
            actor.has_ended = True
        if isinstance(sending.item, InterruptionFrame) and how == "done":
            actor.gate = max(actor.gate, sending.stamp)
        # What the session's end cuts may have been returned to its lane, and is dropped there; whom it cut too late to be
        # heard of has ended well all the same.
        is_cut_by_end = how != "done" or (self.is_closing and work.is_async)
        sending.state = "cut by the end" if is_cut_by_end and not running.is_cut else "ended"
        if running.finishes:
            self.finish(actor)

    def is_unheard(self) -> bool:
        """Whether what was raised here is no failure: Cancel had cut the handler."""
        entries = self.story.log.entries
        return not isinstance(entries[min(self.number + 1, len(entries) - 1)], Failure)

    def may_be_ending(self, actor: _Actor) -> bool:
        return actor.is_given_up or self.account.closing_since < math.inf

    # ---- interruptions

    def interrupt(self, by: Work | None, at: int | None = None) -> None:
        """The interruption step, as the rules tell it."""
        if by is not None and self.account.closing_since < math.inf:
            actor = self.actors[by.actor]
            if EndFrame not in actor.part.handlings or self.is_closing:
                self.is_vague = True  # it may have ended
            if actor.has_ended:
                return
        own = None if by is None else self.running_of(by)
        if own is not None:
            in_hand = own.sending.item
            answers = isinstance(in_hand, InterruptionFrame) and in_hand.epoch == self.epoch
            # A task of `lifespan` belongs to no turn: it asks at the present moment.
            begun = self.epoch if own.sending.is_of_life else own.began_epoch
            merges = (begun if at is None else at) < self.epoch
            if answers or merges:
                own.began_epoch = self.epoch
                if own.stamp is not None:
                    own.stamp = self.epoch
                return
        self.epoch += 1
        if own is not None:
            own.began_epoch = self.epoch
            if own.stamp is not None:
                own.stamp = self.epoch
        for sendings in self.open.values():
            for sending in sendings:
                if sending.state == "waiting" and not sending.is_system and not sending.immune:
                    sending.state = "due: interrupted"
        for actor in self.order:
            running = actor.running.get("ordered")
            if running is not None and running is not own and not running.sending.immune and not running.is_settled:
                running.is_cut = True
                running.sending.state = "ended"
            self.lay_interruption(actor, None if by is None else by.actor)
        for work, task in self.tasks.items():
            if work.interruptible and task is not own:
                task.is_cut = True

    def lay_interruption(self, actor: _Actor, sender: str | None) -> None:
        name = actor.part.name
        if not actor.handles(InterruptionFrame(0)) or actor.is_given_up or actor.is_gone:
            return
        for waiting in self.interruptions[name]:
            if waiting.state == "waiting":
                waiting.state = "due: merged"
        item = InterruptionFrame(self.epoch)
        sending = Sending(self.number, item, sender, None, name, self.epoch, immune=True, is_adjacent=True)
        self.account.sendings.append(sending)
        self.interruptions[name] = [each for each in self.interruptions[name] if each.state != "ended"]
        self.interruptions[name].append(sending)
        # It may have left already.
        sending.may_be_missing = self.is_closing or (
            self.account.closing_since < math.inf and (actor.has_ended or EndFrame not in actor.part.handlings)
        )

    # ---- drops

    def dropped(self, entry: Dropped) -> None:
        delivery, reason = entry.delivery, entry.reason
        item = delivery.frame
        if isinstance(item, EndFrame) and delivery.receiver.name in self.actors:
            self.actors[delivery.receiver.name].is_given_up = True
            self.actors[delivery.receiver.name].awaits_end = False
        if isinstance(item, (*LIFECYCLE, ErrorFrame)):
            return
        if isinstance(item, Tick) and self.actors[delivery.receiver.name].is_gone:
            if (waiting := self.find(delivery, is_drop=True)) is not None:
                waiting.state = "ended"
            return  # its timer ran until it was gone, which is a moment later than the model has it
        sending = self.find_dropped(entry)
        if isinstance(item, InterruptionFrame) and self.actors[delivery.receiver.name].is_gone:
            if sending is not None:
                sending.state = "ended"
            return
        if sending is None:
            if reason == "finished" and self.account.closing_since < math.inf:
                return  # by one that the end has cut and that hasn't heard of it yet
            self.is_vague = self.is_vague or self.is_anybodys_guess(delivery)
            self.complain("CH5", f"dropped, but not on its way: {item!r} at {delivery.receiver}, {reason}")
            return
        self.compare_stamp(sending, delivery)
        expected = sending.state
        sending.state, sending.dropped = "ended", reason
        if expected in (f"due: {reason}", "cut by the end"):
            return
        if expected in ("due: finished", "due: unknown address") and self.has_left(delivery.receiver.name):
            return  # a message to one that is going, or gone
        if reason == "merged" and (expected == "waiting" or sending.was_sent_with_interruption):
            return
        if reason in ("finished", "cancelled"):
            if isinstance(item, InterruptionFrame) and sending.receiver in self.actors:
                receiver = self.actors[sending.receiver]
                receiver.gate = max(receiver.gate, sending.stamp)  # Cancel waits for nothing
            if self.account.closing_since == math.inf:
                self.complain("CH5", f"dropped as {reason} before the session ends: {sending}")
            return
        if (reason, expected) == ("partial", "handled") and self.may_be_ending(self.actors[sending.receiver]):
            return
        # One that was sent too late by an actor that has ended, or waits where its receiver has gone.
        if expected == "due: finished" and reason == "stale":
            return
        if {expected, reason} == {"due: interrupted", "stale"} and sending.was_sent_with_interruption:
            return
        self.complain("CH5", f"dropped as {reason}, but was {expected}: {sending}")

    def has_left(self, name: str) -> bool:
        return name in self.actors and self.actors[name].is_gone

    def compare_stamp(self, sending: Sending, delivery: Delivery) -> None:
        # The model can't know in which epoch a timer came; its stamp decides nothing.
        if delivery.epoch != sending.stamp and not isinstance(sending.item, Tick):
            self.complain("IN2", f"{sending} is stamped {delivery.epoch}")

    # ---- failures

    def failed(self, failure: Failure) -> None:
        name = failure.address.name
        actor = self.actors[name]
        if actor.is_down or actor.is_gone:
            # Only leaving `lifespan` may still fail.
            return
        self.failures += 1
        if self.failures > self.story.plan.max_restarts:
            self.is_vague = True  # it may have escalated
        if self.account.closing_since < math.inf and not all(EndFrame in each.part.handlings for each in self.order):
            self.is_vague = True  # whom EndFrame has passed isn't restarted
        blamed = not isinstance(failure.error, Killed)
        failing = None
        if failure.delivery is not None:
            item = failure.delivery.frame
            failing = next((each for each in actor.running.values() if each.sending.item is item), None)
            if failing is None:
                self.complain("SU4", f"{name} failed with {item!r}, which it didn't have in hand")
            killed_within = not blamed and failing is not None and failing.work is not None
            if isinstance(item, (EndFrame, StopFrame)) and not killed_within:
                # It passes after a failure, too: this actor has ended, and takes nobody with it.
                actor.has_ended = actor.is_given_up = True
        for running in list(actor.running.values()):
            self.settle(actor, running, blamed=blamed and running is failing)
        actor.is_given_up = actor.is_given_up or actor.has_ended
        if actor.part.restart == "temporary" and not (actor.has_ended or self.is_closing):
            self.leave(actor)
        else:
            self.go_down_with(actor)

    def finish(self, actor: _Actor) -> None:
        """It ends by itself."""
        if actor.is_down or actor.is_gone:
            return
        if self.account.closing_since < math.inf:
            self.is_vague = True
        if actor.part.restart == "permanent" and not actor.has_ended:
            self.failures += 1
            if self.failures > self.story.plan.max_restarts:
                self.is_vague = True
            self.go_down_with(actor)
        else:
            self.leave(actor)

    def go_down(self, actor: _Actor) -> None:
        for running in list(actor.running.values()):
            self.settle(actor, running, blamed=False)
        for work, task in self.tasks.items():
            if work.actor == actor.part.name:
                task.is_settled = True

    def go_down_with(self, actor: _Actor) -> None:
        """All who are restarted with it; of them those go for good who are temporary."""
        knot, place = self.around(actor)
        if knot.max_restarts == 0:
            self.is_vague = True  # it escalates, a moment later
        for other, is_doomed in self.group(actor, knot, place):
            if is_doomed:
                self.leave(other)
            elif not other.is_down:
                self.go_down(other)
                other.is_down = True

    def leave(self, actor: _Actor) -> None:
        """It is gone: frames that wait for it pass it by, messages have nobody to go to."""
        self.go_down(actor)
        actor.is_gone, actor.is_down, actor.awaits_end = True, False, False
        name, place = actor.part.name, actor.part.index
        for key in [each for each in self.timers if each[0] == name]:
            if self.timers[key] <= self.time + 1e-9:
                self.is_vague = True  # it may just have come
            del self.timers[key]
        for interruption in self.interruptions[name]:
            if interruption.state == "waiting":
                interruption.state, interruption.may_be_missing = "due: finished", True
        for sending in list(self.account.sendings):
            if sending.receiver != name or sending.state != "waiting" or isinstance(sending.item, InterruptionFrame):
                continue
            if sending.direction is None:
                sending.state = "due: finished"
            elif sending.way is not None:
                self.pass_by(sending, sending.way, place)

    def pass_by(self, sending: Sending, way: Way, place: int) -> None:
        assert sending.direction is not None
        first, *more = self.shape.ways(place, sending.direction, self.handles(sending.item), way.tokens)
        for after in (first, *more):
            longer = attrs.evolve(
                after,
                passed=(*way.passed, place, *after.passed),
                entered=(*way.entered, *after.entered),
                has_come_out=way.has_come_out,
            )
            copy = sending if after is first else self.copy_of(sending)
            copy.receiver, copy.way, copy.is_adjacent, copy.failures = self.name_of(longer), longer, False, 0

    def around(self, actor: _Actor) -> tuple[Knot, int]:
        """The pipeline in which it stands, and where."""
        part = actor.part.index
        return next(
            (knot, knot.children.index(part)) for knot in self.story.plan.root.knots if part in knot.children
        )  # fmt: skip

    def group(self, actor: _Actor, knot: Knot, place: int) -> Iterator[tuple[_Actor, bool]]:
        """Who goes down with it, and whether for good."""
        if self.is_closing or actor.has_ended:
            yield actor, False
            return
        children = knot.children
        those = {"one_for_one": children[place : place + 1], "one_for_all": children, "rest_for_one": children[place:]}
        for child in those[knot.strategy]:
            for part, is_temporary in self.kinds(child):
                other = self.order[part]
                if other is actor:
                    yield other, False
                elif not (other.is_gone or other.has_ended or other.is_given_up):
                    yield other, is_temporary

    def kinds(self, child: int | Knot, around: bool = False) -> Iterator[tuple[int, bool]]:
        """All parts of a child, and whether they, or what is around them, are temporary."""
        if isinstance(child, int):
            yield child, around or self.order[child].part.restart == "temporary"
        else:
            for each in child.children:
                yield from self.kinds(each, around or child.restart == "temporary")

    def settle(self, actor: _Actor, running: _Running, *, blamed: bool) -> None:
        lane = next(lane for lane, each in actor.running.items() if each is running)
        sending = running.sending
        is_async = actor.part.handlings[type(sending.item)].is_async
        running.is_settled = True
        # A handler that waits hears of it later; nothing it does then counts.
        del actor.running[lane]
        if sending.is_lifecycle:
            # EndFrame passes, unless nothing has come of it and it isn't this actor that failed.
            if isinstance(sending.item, EndFrame):
                actor.has_ended = actor.has_ended or running.has_effect
                actor.awaits_end = not actor.has_ended
            return
        if running.is_cut:
            return
        if self.is_closing:
            sending.state = "cut by the end"
            return
        if is_async and running.has_effect:
            sending.state = "due: partial"
            if isinstance(sending.item, InterruptionFrame):
                actor.gate = max(actor.gate, sending.stamp)
            return
        sending.failures += blamed
        if sending.failures > 1:
            sending.state = "due: poison"
            if isinstance(sending.item, InterruptionFrame):
                actor.gate = max(actor.gate, sending.stamp)
        elif not sending.is_system and not sending.immune and sending.stamp < self.epoch:
            sending.state = "due: interrupted"
        else:
            sending.state = "waiting"
            sending.was_returned = True

    # ---- rest and end

    def rested(self, entry: Rested) -> None:
        """At rest something waits only where somebody is stuck."""
        if any(actor.is_down or actor.is_entering for actor in self.order) or self.account.closing_since < math.inf:
            return
        stuck = -1
        for actor in self.order:
            system, ordered = entry.lanes[actor.part.name]
            in_hand = actor.running.get("system")
            if in_hand is not None:
                if isinstance(in_hand.sending.item, StartFrame):
                    return
                if isinstance(in_hand.sending.item, InterruptionFrame) or actor.handles(InterruptionFrame(0)):
                    stuck = actor.part.index
            elif system:
                self.complain("CH3", f"nothing goes on, and {system} wait in the system lane of {actor.part.name}")
            if "ordered" in actor.running and actor.running["ordered"].work not in entry.pushing:
                stuck = actor.part.index
        if self.story.plan.reader_pause is None:
            for work in entry.pushing:
                if self.actors[work.actor].part.index >= stuck:
                    self.complain("CH3", f"nobody later is stuck, and {work} waits for room")
        for actor in self.order[stuck + 1 :]:
            _, ordered = entry.lanes[actor.part.name]
            if ordered:
                self.complain("CH3", f"nothing goes on, and {ordered} wait in the ordered lane of {actor.part.name}")

    def close(self) -> None:
        self.account.is_vague = self.is_vague
        end = min(self.account.closing_since, self.time)
        for sending in self.account.sendings:
            key = self.key(sending.item, sending.sender, sending.direction, sending.receiver)
            if self.may_be_mistaken(key):
                continue
            if sending.state == "waiting" and not sending.may_be_missing:
                self.complain("CH5", f"lost: {sending}")
            elif sending.state.startswith("due") and not (sending.was_sent_with_interruption or sending.may_be_missing):
                self.complain("CH5", f"never told of: {sending}")
        mistaken = {
            copies
            for key, sendings in self.open.items()
            if self.may_be_mistaken(key)
            for each in sendings
            if each.way is not None
            for copies in (*each.way.tokens, *each.way.entered, each.way.receiver)
        }
        for sending in self.account.sendings:
            copies = sending.way.receiver if sending.way is not None else None
            if isinstance(copies, Copies) and copies.merged and not (copies.has_come_out or copies in mistaken):
                self.complain("PA2", f"merged at {copies.fork}, and none has come out: {sending}")
        for (name, tick), moment in self.timers.items():
            if moment < end and self.actors[name].handles(tick) and (name, tick) not in self.uncertain_timers:
                self.complain("SU5", f"the timer {tick} of {name}, due at {moment:.3f} s, never came")
        for name, actor in self.actors.items():
            if actor.awaits_end and not self.is_closing:
                self.complain("LC3", f"{name} had EndFrame in hand when another failed, and never got it again")
            kept = self.story.trace.durable[name]["memory"]
            if kept != actor.memory and not actor.has_vague_memory:
                self.complain("SU2", f"at the end {name} remembers {kept}, but had assigned {actor.memory}")

"""A cell: what belongs to an address and outlives its actor. Mailbox, timers, durable values, and its life.

1. An actor fails by itself: `fail` marks it down and tells the supervisor, whose own task does the rest. Nothing is
   restarted in a sender's stack.
2. A plain handler runs in one step, so nothing sees it half done; what it changed is undone if it fails.
3. What leads to an actor's end asks `is_down` first: whatever comes second changes nothing.
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import trio

from ..channels.frames import CancelFrame, EndFrame, FrameProcessorPauseFrame, InterruptionFrame, StartFrame, StopFrame
from ..channels.mailbox import DOWN, Envelope, Mailbox
from .actor import Actor, Route, fresh, has_lifespan
from .delivery import Delivery, Failure, Stall
from .dispatch import Dispatcher
from .effects import LIFECYCLE, PAUSES, Address, After
from .errors import Killed
from .hand import Hand, hand_of, in_hand
from .last_resort import abort_waits, was_killed
from .node import BLOCKED, BUSY, CLOGGED, CLOSED, GATED, PAUSED, QUEUED, Lane, Node, Payer, Token
from .outside import Outside
from .patience import Patience
from .runner import attend
from .tasks import Task, Tasks
from .timers import Timer
from .transaction import Transaction

if TYPE_CHECKING:
    from .pipeline import Child
    from .session import Session
    from .supervisor import Supervisor


class Phase(enum.Enum):
    DOWN = "down"
    ENTERING = "entering"
    ENTERED = "entered"
    STARTING = "starting"
    OPEN = "open"
    GONE = "gone"


class Cell(Node):
    """One address of a session."""

    def __init__(
        self, session: Session, child: Child, template: Actor, address: Address, index: int, supervisor: Supervisor
    ) -> None:
        super().__init__(address, index, type(template)._routes)
        self.session = session
        self.dispatcher: Dispatcher = session.dispatcher
        self.child = child
        self.template = template
        self.supervisor = supervisor
        self.grace = child.grace
        on_drop = self._report_drop if self.dispatcher.observers else None
        self.mailbox: Mailbox = Mailbox(
            child.max_buffer or supervisor.max_buffer, max_media=supervisor.max_media, on_drop=on_drop
        )
        self.system = Lane(self.mailbox.system, CLOSED)
        self.ordered = Lane(self.mailbox.ordered, CLOSED)
        self.phase = Phase.DOWN
        self.is_down = True
        self.is_gone = False
        self.actor = template
        self.incarnation = -1
        self.is_scheduled = False
        self.in_hand: Envelope | None = None
        """What a plain handler handles at this very moment."""
        self.transaction: Transaction | None = None
        """Of that handler, once it has changed something."""
        self.engines: list[int] = []
        """The processes that its actor has running."""
        self.begun: Delivery | None = None
        """The last one, if anybody is told."""
        self.kill_at: set[int] = set()
        self._deliveries = 0
        self.has_ended = False
        """Whether it has handled its end: nothing leaves it any more but errors, metrics and messages."""
        self.timers: dict[object, Timer] = {}
        self.saved: dict[str, Any] = {}
        self.tasks = Tasks(self)
        self._passes = False
        """Once it is gone: whether frames that it would have handled pass by."""
        self._clogs: list[Node] = []
        self.patience = Patience(self)
        self.has_started = False
        """Whether StartFrame has come to this place: then each incarnation gets it as soon as it has entered."""
        self._start_passed = False
        self.starts_after: Cell | None = None
        """In a restart of several: who must have handled StartFrame first."""
        self.starts_before: Cell | None = None
        self._stops_by = math.inf
        self._life: Task | None = None
        self._leave: trio.Event
        self._left: trio.Event
        self._opened: trio.Event

    # ---- life

    def begin(self) -> None:
        """Bring the next incarnation to life: a new instance of the same configuration with the durable values."""
        assert self.phase is Phase.DOWN, self.phase
        self.incarnation += 1
        self._stops_by = math.inf
        self._opened = trio.Event()
        self.phase, self.is_down = Phase.ENTERING, False
        self.actor = fresh(self.template)
        for name, value in self.saved.items():
            object.__setattr__(self.actor, name, value)
        self.actor._cell = self
        if has_lifespan(type(self.actor)):
            self._leave, self._left, self._life = trio.Event(), trio.Event(), Task()
            self.session.spawn(self._live, self._life)
        else:
            self._entered()

    async def _live(self, life: Task) -> None:
        actor, leave, left = self.actor, self._leave, self._left
        in_hand.set(None)
        life.task = trio.lowlevel.current_task()
        try:
            # It may have gone down before it had begun.
            if self.phase is Phase.ENTERING:
                with life.scope:
                    async with actor.lifespan():
                        if self.phase is Phase.ENTERING and actor is self.actor:
                            self._entered()
                            self.dispatcher.drain()
                            await leave.wait()
                            await self.tasks.all_ended()
        except BaseException as error:
            if isinstance(error, Exception):
                if actor is self.actor and not self.is_down:
                    self.fail(error)
                else:
                    self.tell_failure(None, error)
            elif not was_killed(error):
                raise
        finally:
            life.task = None
            left.set()

    @property
    def is_entering(self) -> bool:
        """Whether its `lifespan()` has begun to enter, and hasn't."""
        return self.phase is Phase.ENTERING

    def _entered(self) -> None:
        self.phase = Phase.ENTERED
        self.session.milestones.has_set_up(self)
        self.session.lifecycle.entered(self)

    def start(self, frame: StartFrame) -> None:
        """Let the incarnation handle StartFrame, before anything else."""
        self.phase = Phase.STARTING
        self.mailbox.put_system(self.session.envelope(frame), first=True)
        self.system.hold &= ~CLOSED
        self.dispatcher.schedule(self)

    def _let_next_start(self) -> None:
        cell, self.starts_before = self.starts_before, None
        if cell is not None:
            cell.starts_after = None
            if cell.phase is Phase.ENTERED:
                self.session.lifecycle.entered(cell)

    async def opened(self) -> None:
        """Wait until the incarnation has handled StartFrame, or is down again."""
        await self._opened.wait()

    async def stop(self, grace: float | None = None) -> None:
        """End the incarnation: cut what runs, leave `lifespan()`, within the grace. The cell stays, its mailbox
        fills.
        """
        self.go_down()
        # Asked twice, it still ends by the first moment.
        self._stops_by = min(self._stops_by, trio.current_time() + (self.grace if grace is None else grace))
        life = self._life
        with trio.move_on_at(self._stops_by) as limit:
            if life is not None:
                self._leave.set()
                await self._left.wait()
            await self.tasks.all_ended()
        if limit.cancelled_caught and not (life is not None and life.scope.cancel_called):
            self.tell_stall(self.grace, None)
        if limit.cancelled_caught:
            if life is not None:
                life.scope.cancel()
            await abort_waits(self.tasks_left)
        if self.actor._outside is not None:
            await self.actor._outside.aclose()

    def tasks_left(self) -> list[trio.lowlevel.Task]:
        """Trio's tasks of what still runs of this actor."""
        own = [self._life.task] if self._life is not None and self._life.task is not None else []
        return [*own, *self.tasks.those_left()]

    def go_down(self) -> None:
        """Nothing is begun any more; what was in hand is settled, all tasks are cut."""
        if self.is_down:
            return
        self.saved = self.durables()
        if self.phase is Phase.ENTERING and self._life is not None:
            # Whoever waits for it to leave needn't wait until it has entered.
            self._life.scope.cancel()
        waiting = self.system.waiting
        if self.phase is Phase.STARTING and waiting and isinstance(waiting[0].frame, StartFrame):
            self.mailbox.take_system()  # the next incarnation gets one of its own
        self.phase, self.is_down = Phase.DOWN, True
        self._opened.set()
        for lane in (self.ordered, self.system):
            lane.hold |= CLOSED
            if lane.hand is not None:
                self._settle(lane.hand, blamed=False)
        self.tasks.cut_all()

    def finish(self, *, at_end: bool = False) -> None:
        """The actor has done its work; `at_end`, with the handler of EndFrame or StopFrame."""
        if not self.is_down:
            if at_end:
                self._mark_ended()
            self.go_down()
            self.supervisor.child_finished(self)

    def abandon(self, reason: str, *, passes: bool = False) -> None:
        """The address has no actor any more: what waits and what comes is dropped, or passes by."""
        self.go_down()
        self.phase, self.is_gone, self._passes = Phase.GONE, True, passes
        self.supervisor.forget(self)
        ends: list[EndFrame | StopFrame] = []
        if passes:
            self._let_pass()
        else:
            ends += [each.frame for each in self.ordered.waiting if isinstance(each.frame, (EndFrame, StopFrame))]
            self.mailbox.clear(reason)
        self.mailbox.release_senders()
        for message in list(self.timers):
            self.disarm(message)
        self.session.milestones.has_set_up(self)
        self.pass_start()
        self._let_next_start()
        for frame in ends:
            if not self.session.is_closing:
                self.session.lifecycle.pass_end(self, frame)

    def _let_pass(self) -> None:
        """What waits goes on, in its order; messages have nobody to go to."""
        mailbox = self.mailbox
        while mailbox.system or mailbox.ordered:
            envelope = mailbox.take_system() if mailbox.system else mailbox.take_ordered()
            frame = envelope.frame
            if isinstance(frame, (EndFrame, StopFrame)):
                self.session.lifecycle.pass_end(self, frame)
            elif envelope.direction is None:
                self.dispatcher.drop(envelope, "finished", self.address)
            else:
                envelope.failures = 0  # they were this actor's, the next one has its own
                self.dispatcher.put(envelope, self.down if envelope.direction is DOWN else self.up, None)

    # ---- the mailbox

    def keep(self, envelope: Envelope, route: Route, payer: Payer | None) -> None:
        """Queue what can't be handled at once. `payer` sent it and waits if that is too much."""
        if self.is_gone:
            if route.handler is None or route.is_obeyed or self._passes:
                self.dispatcher.put(envelope, self.down if envelope.direction is DOWN else self.up, payer)
            else:
                self.dispatcher.drop(envelope, "finished", self.address)
            return
        mailbox = self.mailbox
        if route.is_system:
            mailbox.put_system(envelope)
        else:
            mailbox.put_ordered(envelope)
            if payer is not None and envelope.direction is DOWN and mailbox.is_overfull:
                payer.overfilled(self)
        if not self.is_scheduled:
            self.dispatcher.schedule(self)

    def next(self) -> tuple[Lane, Route] | None:
        """Which lane's first envelope may be begun now, and how it is handled."""
        lane = self.system
        if lane.waiting:
            if not lane.hold & BLOCKED:
                frame = lane.waiting[0].frame
                if self.phase is Phase.STARTING and not isinstance(frame, StartFrame):
                    return None
                return lane, self.routes[type(frame)]
            # A system frame goes first, but for one that waits behind a system handler.
            if not lane.hold & BUSY:
                return None
        lane = self.ordered
        if lane.waiting and not lane.hold & BLOCKED:
            route = self.routes[type(lane.waiting[0].frame)]
            if not route.is_lifecycle or self.is_drained:
                return lane, route
        return None

    def take(self, lane: Lane) -> Envelope:
        return self.mailbox.take_system() if lane is self.system else self.mailbox.take_ordered()

    # ---- pauses

    def obey(self, envelope: Envelope) -> Envelope | None:
        """Be paused, or go on, by what was taken from a lane, if it names this actor. Returns what is to be carried on."""
        frame = cast("FrameProcessorPauseFrame", envelope.frame)
        named = frame.processor
        if not (isinstance(named, Address) and self.dispatcher.resolve(named) is self):
            return envelope
        try:
            if self.dispatcher.observers:
                self.note_begin(envelope)
        except Killed as error:
            self.fail(error, envelope, system=not isinstance(frame, FrameProcessorPauseFrame))
            return None
        if isinstance(envelope.token, Token):
            envelope.token.spend()
        if not isinstance(frame, PAUSES):
            self.resume()
        elif not self.session.lifecycle.is_ending:
            self.ordered.hold |= PAUSED
        return None

    def resume(self) -> None:
        """No pause holds the ordered lane any more."""
        if self.ordered.hold & PAUSED:
            self.ordered.hold &= ~PAUSED
            self.dispatcher.schedule(self)

    def _report_drop(self, envelope: Envelope, reason: str) -> None:
        self.dispatcher.drop(envelope, cast(Any, reason), self.address)

    # ---- failure

    def fail(
        self, error: Exception, envelope: Envelope | None = None, *, system: bool = False, hand: Hand | None = None
    ) -> None:
        """The actor failed. Its frame, if any, goes back to its lane once; a second failure drops it as poison."""
        if self.is_down:
            return
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]  # a nursery's wrapping
        blamed = not isinstance(error, Killed)
        delivery = self._delivery_in_hand(envelope, hand)
        self.tell_failure(delivery, error)
        poisoned = False
        if blamed and envelope is not None and isinstance(envelope.frame, (EndFrame, StopFrame)):
            self._mark_ended()
        if hand is not None:
            poisoned = self._settle(hand, blamed=blamed)
        elif envelope is not None:
            poisoned = self._return(envelope, delivery, system=system, blamed=blamed)
        self.go_down()
        self.supervisor.child_failed(self, error, delivery, is_new=not poisoned)

    def kill(self, error: Exception) -> None:
        """Fail from outside. What is in hand is told with it, but not blamed."""
        self.fail(error, hand=self.ordered.hand or self.system.hand)

    def tell_failure(self, delivery: Delivery | None, error: Exception) -> None:
        observers = self.dispatcher.observers
        observers.tell("failed", Failure(self.address, delivery, error, observers.now()))

    def _delivery_in_hand(self, envelope: Envelope | None, hand: Hand | None) -> Delivery | None:
        """As observers were told of it when its handler began."""
        envelope = hand.envelope if hand is not None else envelope
        if envelope is None:
            return None
        begun = hand.begun if hand is not None else self.begun
        if begun is None or not self.dispatcher.observers:
            return self.dispatcher.observers.delivery_of(envelope, self.address, 0)
        return begun

    def _return(self, envelope: Envelope, delivery: Delivery | None, *, system: bool, blamed: bool) -> bool:
        """Put back what was in hand, to be handled again. True when it was dropped as poison."""
        frame = envelope.frame
        if isinstance(frame, (StartFrame, CancelFrame)):
            return False  # each incarnation gets one of its own; and Cancel is handled once
        if isinstance(frame, (EndFrame, StopFrame)) and self.has_ended:
            return False  # it passes by itself
        if blamed:
            envelope.failures += 1
            if envelope.failures > 1:
                self._ungate(frame, envelope.epoch)
                self.dispatcher.drop(envelope, "poison", self.address, begun=delivery)
                return True
        self.mailbox.put_back(envelope, system=system)
        return False

    def _settle(self, hand: Hand, *, blamed: bool) -> bool:
        """Decide what becomes of an async handler's frame when its actor goes down. True when it was dropped as
        poison.
        """
        hand.dead = True
        self.tasks.hands.add(hand)
        envelope = hand.envelope
        assert envelope is not None
        self.release(hand)
        if hand.cut:
            return False
        if hand.sent or hand.assigned:
            self._ungate(envelope.frame, envelope.epoch)
            if not isinstance(envelope.frame, LIFECYCLE):
                self.dispatcher.drop(envelope, "partial", self.address, begun=hand.begun)
            elif isinstance(envelope.frame, (EndFrame, StopFrame)) and not self.has_ended:
                # Another's failure took its actor down; it passes by itself all the same.
                self._mark_ended()
                self.lifecycle_handled(envelope.frame)
            return False
        return self._return(envelope, hand.begun, system=not hand.waits, blamed=blamed)

    def release(self, hand: Hand) -> bool:
        """Free the lane of a handler. False when it was free of it already."""
        lane = hand.lane
        if lane.hand is not hand:
            return False
        lane.hand = None
        lane.hold &= ~BUSY
        return True

    def assigning(self, instance: Actor, name: str) -> None:
        """A durable value is about to change: note the old one, to restore it if the handler fails."""
        if instance is not self.actor:
            return
        if self.in_hand is not None:
            self._changes().note(name)
        elif (hand := hand_of(self)) is not None:
            hand.root.assigned = True
            if hand.root.starter is not None:
                hand.root.starter.assigned = True

    def defer(self, action: Callable[[], None]) -> bool:
        """In a plain handler: do it when the handler has ended well. False when none runs."""
        if self.in_hand is None:
            return False
        self._changes().deferred.append(action)
        return True

    def _changes(self) -> Transaction:
        if self.transaction is None:
            self.transaction = Transaction(self.actor)
        return self.transaction

    # ---- what a handling begins and ends with

    def note_begin(self, envelope: Envelope, hand: Hand | None = None) -> None:
        """Tell that a handler begins; raises `Killed` if it is to fail there."""
        observers = self.dispatcher.observers
        self._deliveries += 1
        self.begun = observers.delivery_of(envelope, self.address, observers.next_seq())
        if hand is not None:
            hand.begun = self.begun
        observers.tell("delivered", self.begun)
        if self._deliveries in self.kill_at:
            raise Killed(f"{self.address} was failed from outside as its delivery {self._deliveries} began")

    def handled(self, frame: object, epoch: int) -> None:
        """What every handling ends with, plain or async, where somebody waits for that: the ordered lane is held."""
        self._ungate(frame, epoch)
        self.patience.note_progress()

    def _ungate(self, frame: object, epoch: int) -> None:
        """Frames of the newest epoch may be begun, when its InterruptionFrame is done with; an older one frees
        nothing.
        """
        if self.ordered.hold & GATED and isinstance(frame, InterruptionFrame) and epoch >= self.mailbox.epoch:
            self.ordered.hold &= ~GATED

    def end_handled(self, frame: object) -> None:
        """The handler of EndFrame or StopFrame is done, and its last effect is on its way: nothing new leaves it any more."""
        if isinstance(frame, (EndFrame, StopFrame)) and not self.is_down:
            self._mark_ended()

    def lifecycle_handled(self, frame: object) -> None:
        """StartFrame, EndFrame and StopFrame pass by themselves, after the handler's effects, after a failure too."""
        if isinstance(frame, StartFrame):
            if self.phase is Phase.STARTING:
                self.phase = Phase.OPEN
                self.ordered.hold &= ~CLOSED
                self._opened.set()
                self.dispatcher.schedule(self)
            self.pass_start()
            self._let_next_start()
        elif isinstance(frame, (EndFrame, StopFrame)) and self.has_ended:
            # Who was killed as it began with it hasn't ended, and gets it again.
            self.patience.end_waits = False
            self.session.lifecycle.pass_end(self, frame)

    @property
    def holds_start(self) -> bool:
        """Whether StartFrame has come here and hasn't gone on."""
        return self.has_started and not self._start_passed and not self.is_gone

    def pass_start(self) -> None:
        if self.has_started and not self._start_passed and not (self.is_gone and self.session.is_closing):
            self._start_passed = True
            self.session.lifecycle.start_from(self.down)

    def _mark_ended(self) -> None:
        self.has_ended = True
        self.ordered.hold |= QUEUED
        self.system.hold |= QUEUED

    @property
    def is_drained(self) -> bool:
        """Whether EndFrame may be taken: nothing of the system lane, and no task of a handler, is left."""
        return not (self.system.waiting or self.system.hold & BUSY or self.tasks.has_handlers_own)

    # ---- the interruption step

    def interrupt(self, frame: InterruptionFrame, epoch: int, by: Hand | None) -> None:
        self.mailbox.interrupt(epoch)
        hand = self.ordered.hand
        if hand is not None and hand is not by and not hand.cut:
            assert hand.envelope is not None
            if not hand.envelope.immune and (hand.epoch is None or hand.epoch < epoch):
                hand.cut = True
                hand.scope.cancel()
        self.tasks.cut_interruptible(by)
        if self.routes[InterruptionFrame].handler is None or self.is_gone:
            return
        waiting = self.system.waiting
        place = 0
        if waiting:
            # Two wait where one was returned by a failure.
            for older in [each for each in waiting if isinstance(each.frame, InterruptionFrame)]:
                waiting.remove(older)
                self.dispatcher.drop(older, "merged", self.address)
            place = 1 if waiting and isinstance(waiting[0].frame, StartFrame) else 0
        sender = None if by is None else by.cell.address
        waiting.insert(place, Envelope(frame, sender, None, epoch, True))
        self.ordered.hold |= GATED

    # ---- room

    def overfilled(self, node: Node) -> None:
        """What this actor's plain handler sent has overfilled a later lane: nothing ordered is taken before there is
        room.
        """
        mailbox = node.mailbox
        if node.index <= self.index or mailbox is None or not mailbox.is_overfull:
            return  # an earlier one, or an interruption has made room meanwhile
        if not self.actor.waits_for_room:
            return
        self._clogs.append(node)
        self.patience.waits(node)
        self.ordered.hold |= CLOGGED

        def go_on() -> None:
            if node in self._clogs:
                self._clogs.remove(node)
                self.patience.has_room(node)
                if not self._clogs:
                    self.ordered.hold &= ~CLOGGED
                    self.dispatcher.schedule(self)

        mailbox.call_when_room(go_on)

    async def wait_for_room(self, node: Node) -> None:
        """For a handler or a task of this actor."""
        assert node.mailbox is not None
        self.patience.waits(node)
        try:
            await node.mailbox.wait_for_room()
        finally:
            self.patience.has_room(node)

    @property
    def is_missed(self) -> bool:
        """Whether its actor has failed and isn't back yet, and messages or system frames wait for it."""
        return self.has_started and self.phase not in (Phase.OPEN, Phase.GONE) and bool(self.system.waiting)

    # ---- what an actor and its session ask for

    def busy(self) -> tuple[float | None, object | None]:
        """Since when a handler waits, in seconds of the session, and what it has in hand."""
        hand = self.ordered.hand or self.system.hand
        if hand is None or hand.envelope is None:
            return None, None
        return hand.since - self.dispatcher.observers.began, hand.envelope.frame

    def durables(self) -> dict[str, Any]:
        if self.is_down or self.incarnation < 0:
            return dict(self.saved)
        return {name: getattr(self.actor, name) for name in self.actor._durables}

    def make_random(self) -> random.Random:
        return random.Random(f"{self.session.seed}/{self.address}/{self.incarnation}")

    def make_outside(self) -> Outside:
        return self.session.make_outside(self)

    def report_shed(self, data: bytes) -> None:
        """Sound that waited too long for the world was thrown away."""
        self._report_drop(Envelope(data, self.address, None, self.dispatcher.epoch), "shed")

    def tell_stall(self, seconds: float, frame: object, *, is_given_up: bool = False) -> None:
        """It gets on with nothing for so many seconds already."""
        observers = self.dispatcher.observers
        observers.tell("stalled", Stall(self.address, observers.now() - seconds, frame, is_given_up))

    def be_watched(self) -> None:
        self.patience.be_watched()

    def patient_until(self) -> float:
        return self.patience.until()

    # ---- timers

    def arm(self, after: After) -> None:
        self.disarm(after.message)
        if after.seconds is not None:
            deadline = trio.current_time() + after.seconds
            self.timers[after.message] = self.session.timers.arm(deadline, self, after.message)

    def disarm(self, message: object) -> None:
        timer = self.timers.pop(message, None)
        if timer is not None:
            self.session.timers.disarm(timer)

    def fire(self, message: object) -> None:
        self.timers.pop(message, None)
        self.dispatcher.message(self.address, message, self.address)
        self.dispatcher.drain()

    # ---- ending

    def silence(self) -> None:
        """Cancel waits for nothing: what is queued is dropped, what runs is cut."""
        if self.is_gone:
            return
        self.mailbox.clear("cancelled")
        self.mailbox.release_senders()
        self._clogs.clear()
        self.ordered.hold &= ~(CLOGGED | GATED | PAUSED)
        for hand in (self.ordered.hand, self.system.hand):
            if hand is not None:
                # Its lane stays busy until it has unwound: two handlers never run in one lane.
                hand.cut = hand.dead = True
                self.tasks.hands.add(hand)
        self.supervisor.forget(self)
        self.tasks.cut_all()

    async def cancel(self, frame: CancelFrame) -> None:
        """Let the actor see CancelFrame, within its grace; before it, what those before it have just said at theirs."""
        self.patience.forget()
        self._take_last_words()
        route = self.routes[type(frame)]
        if route.handler is not None and self.phase is Phase.OPEN:
            envelope = self.session.envelope(frame)
            if route.is_async:
                await self._attend_cancel(route, envelope)
            else:
                self.dispatcher.serve(self, route, envelope)
            self.dispatcher.drain()
        self._mark_ended()

    async def _attend_cancel(self, route: Route, envelope: Envelope) -> None:
        task, has_ended = Task(), trio.Event()
        self.session.milestones.cancel_waits()

        async def body() -> None:
            assert task.task is not None
            try:
                # In a lane of its own: what was cut may not have unwound yet.
                lane = Lane(self.system.waiting, 0)
                await attend(self, lane, route, envelope, scope=task.scope, task=task.task)
            finally:
                has_ended.set()

        self.tasks.spawn(body, task)
        with trio.move_on_after(self.grace):
            await has_ended.wait()
        task.scope.cancel()

    def _take_last_words(self) -> None:
        """Take what plain handlers can take of what has come since all fell silent. What comes of it isn't waited for."""
        for _ in range(len(self.system.waiting) + len(self.ordered.waiting)):
            found = self.next()
            if found is None or found[1].is_async:
                break
            self.dispatcher.serve(self, found[1], self.take(found[0]))

    def finish_messages(self) -> None:
        """Take what plain handlers can take of the system lane: an actor behind this one may just have sent its last
        words.
        """
        while (found := self.next()) is not None and found[0] is self.system and not found[1].is_async:
            self.dispatcher.serve(self, found[1], self.take(self.system))
            self.dispatcher.drain()

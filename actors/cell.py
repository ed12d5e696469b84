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
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

import trio

from ..channels.frames import CancelFrame, EndFrame, InterruptionFrame, StartFrame, StopFrame
from ..channels.mailbox import DOWN, Envelope, Mailbox
from .actor import Actor, fresh, has_lifespan
from .delivery import Delivery, Failure, Stall
from .dispatch import Dispatcher, Exit
from .effects import LIFECYCLE, Address, After
from .errors import Killed
from .hand import Hand, hand_of, in_hand
from .lane import BUSY, CLOGGED, CLOSED, GATED, SLOW, Lane
from .outside import Outside
from .tasks import Task, Tasks
from .timers import Timer

if TYPE_CHECKING:
    from .pipeline import Child
    from .session import Session
    from .supervisor import Supervisor

CHECKPOINTS_OF_A_MOMENT = 16
"""Enough for a handler that wakes together with its grace to end."""


class Phase(enum.Enum):
    DOWN = "down"
    ENTERING = "entering"
    ENTERED = "entered"
    STARTING = "starting"
    OPEN = "open"
    GONE = "gone"


class Cell:
    """One address of a session."""

    def __init__(
        self,
        session: Session,
        dispatcher: Dispatcher,
        child: Child,
        address: Address,
        index: int,
        supervisor: Supervisor,
    ) -> None:
        self.session = session
        self.dispatcher = dispatcher
        self.child = child
        self.address = address
        self.index = index
        self.supervisor = supervisor
        self.grace = child.grace
        self.routes = type(child.actor)._routes
        self.mailbox = Mailbox(
            child.max_buffer or supervisor.max_buffer,
            max_media=supervisor.max_media,
            on_drop=lambda envelope, reason: dispatcher.drop(envelope, cast(Any, reason), address),
        )
        self.system = Lane(self, self.mailbox.system, is_system=True)
        self.ordered = Lane(self, self.mailbox.ordered, is_system=False)
        self.up: Cell | Exit = dispatcher.source
        self.down: Cell | Exit = dispatcher.sink
        self.phase = Phase.DOWN
        self.actor: Actor = child.actor
        self.incarnation = -1
        self.is_scheduled = False
        self.in_hand: Envelope | None = None
        """What a plain handler handles at this very moment."""
        self.engines: list[int] = []
        """The processes that its actor has running."""
        self.journal: dict[str, Any] = {}
        self.deferred: list[Callable[[], None]] = []
        self.deliveries = 0
        self.begun: Delivery | None = None
        """The last one, if anybody is told."""
        self.kill_at: set[int] = set()
        self.has_ended = False
        self.timers: dict[object, Timer] = {}
        self.saved: dict[str, Any] = {}
        self.progress = 0.0
        self.allowed = -math.inf
        self._clogs: list[Cell | Exit] = []
        self._waits_for: list[Cell | Exit] = []
        self.tasks = Tasks(self)
        self._leave: trio.Event | None = None
        self._left: trio.Event | None = None
        self.has_started = False
        """Whether StartFrame has come to this place: then each incarnation gets it as soon as it has entered."""
        self._start_passed = False
        self.starts_after: Cell | None = None
        """In a restart of several: who must have handled StartFrame first."""
        self._waits_for_end = False
        self._stops_by = math.inf
        self._life: Task | None = None

    # ---- life

    @property
    def is_gone(self) -> bool:
        return self.phase is Phase.GONE

    @property
    def is_down(self) -> bool:
        return self.phase in (Phase.DOWN, Phase.GONE)

    def begin(self) -> None:
        """Bring the next incarnation to life: a new instance of the same configuration with the durable values."""
        assert self.phase is Phase.DOWN, self.phase
        self.incarnation += 1
        self._stops_by = math.inf
        self.phase = Phase.ENTERING
        self.actor = fresh(self.child.actor)
        for name, value in self.saved.items():
            object.__setattr__(self.actor, name, value)
        self.actor._cell = self
        if has_lifespan(type(self.actor)):
            self._leave, self._left, self._life = trio.Event(), trio.Event(), Task(None)
            self.session.spawn(self._live, self._life)
        else:
            self._entered()

    async def _live(self, life: Task) -> None:
        assert self._leave is not None and self._left is not None
        actor, leave, left = self.actor, self._leave, self._left
        if self.phase is not Phase.ENTERING:
            # It went down before it had begun.
            left.set()
            return
        in_hand.set(None)
        try:
            with life.scope:
                async with actor.lifespan():
                    if self.phase is Phase.ENTERING and actor is self.actor:
                        self._entered()
                        self.dispatcher.drain()
                        await leave.wait()
                        await self.tasks.all_ended()
        except Exception as error:
            if actor is self.actor and not self.is_down:
                self.fail(error)
            else:
                self.dispatcher.tell("failed", Failure(self.address, None, error, self.dispatcher.now()))
        finally:
            left.set()

    def _entered(self) -> None:
        self.phase = Phase.ENTERED
        self.session.entered(self)

    def start(self, frame: StartFrame) -> None:
        """Let the incarnation handle StartFrame, before anything else."""
        self.phase = Phase.STARTING
        self.mailbox.put_system(
            Envelope(frame, self.dispatcher.source.address, DOWN, self.dispatcher.epoch, True), first=True
        )
        self.system.hold &= ~CLOSED
        self.dispatcher.schedule(self)

    def _let_next_start(self) -> None:
        for cell in self.supervisor.cells:
            if cell.starts_after is self:
                cell.starts_after = None
                if cell.phase is Phase.ENTERED:
                    self.session.entered(cell)

    def _open(self) -> None:
        self.phase = Phase.OPEN
        self.ordered.hold &= ~CLOSED
        if self._clogs:
            self.ordered.wake()
        self.dispatcher.schedule(self)

    async def stop(self, grace: float | None = None) -> None:
        """End the incarnation: cut what runs, leave `lifespan()`, within the grace. The cell stays, its mailbox
        fills.
        """
        self.go_down()
        # Asked twice, it still ends by the first moment.
        self._stops_by = min(self._stops_by, trio.current_time() + (self.grace if grace is None else grace))
        with trio.move_on_at(self._stops_by) as limit:
            if self._leave is not None and self._left is not None and self._life is not None:
                self._leave.set()
                await self._left.wait()
            await self.tasks.all_ended()
        if limit.cancelled_caught and not (self._life is not None and self._life.scope.cancel_called):
            self.dispatcher.tell("stalled", Stall(self.address, self.dispatcher.now() - self.grace, None))
            if self._life is not None:
                self._life.scope.cancel()
        if self.actor._outside is not None:
            await self.actor._outside.aclose()

    def go_down(self) -> None:
        """Nothing is begun any more; what was in hand is settled, all tasks are cut."""
        if self.is_down:
            return
        self.saved = self.durables()
        if self.phase is Phase.ENTERING and self._life is not None:
            # Whoever waits for it to leave needn't wait until it has entered.
            self._life.scope.cancel()
        if (
            self.phase is Phase.STARTING
            and self.system.waiting
            and isinstance(self.system.waiting[0].frame, StartFrame)
        ):
            self.mailbox.take_system()  # the next incarnation gets one of its own
        self.phase = Phase.DOWN
        for lane in (self.ordered, self.system):
            lane.hold |= CLOSED
            if lane.hand is not None:
                self._settle(lane.hand, blamed=False)
        self.tasks.cut_all()

    def abandon(self, reason: str) -> None:
        """The address has no actor any more: what waits is dropped, what comes passes by or is dropped."""
        self.go_down()
        self.phase = Phase.GONE
        self.supervisor.forget(self)
        self.mailbox.clear(reason)
        self.mailbox.release_senders()
        for message in list(self.timers):
            self.disarm(message)
        if self.has_started and not self._start_passed and not self.session.is_closing:
            self._start_passed = True
            self.session.started(self)
        self._let_next_start()

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
        self.dispatcher.tell("failed", Failure(self.address, delivery, error, self.dispatcher.now()))
        poisoned = False
        if envelope is not None and isinstance(envelope.frame, (EndFrame, StopFrame)):
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

    def _delivery_in_hand(self, envelope: Envelope | None, hand: Hand | None) -> Delivery | None:
        """As observers were told of it when its handler began."""
        envelope = hand.envelope if hand is not None else envelope
        if envelope is None:
            return None
        begun = hand.begun if hand is not None else self.begun
        if begun is None or not self.dispatcher.observers:
            return self.dispatcher.delivery_of(envelope, self.address, self.dispatcher.seq)
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
                self._ungate(envelope)
                self.dispatcher.drop(envelope, "poison", self.address, begun=delivery)
                return True
        self.mailbox.put_back(envelope, system=system)
        return False

    def _settle(self, hand: Hand, *, blamed: bool) -> bool:
        """Decide what becomes of an async handler's frame when its actor goes down. True when it was dropped as
        poison.
        """
        hand.dead = True
        envelope = hand.envelope
        assert envelope is not None
        (self.ordered if hand.waits else self.system).release(hand)
        if hand.cut:
            return False
        if hand.sent or hand.assigned:
            self._ungate(envelope)
            if not isinstance(envelope.frame, LIFECYCLE):
                self.dispatcher.drop(envelope, "partial", self.address, begun=hand.begun)
            elif isinstance(envelope.frame, (EndFrame, StopFrame)) and not self.has_ended:
                # Another's failure took its actor down; it passes by itself all the same.
                self.lifecycle_handled(envelope)
            return False
        return self._return(envelope, hand.begun, system=not hand.waits, blamed=blamed)

    # ---- plain handlers

    def assigning(self, instance: Actor, name: str) -> None:
        """A durable value is about to change: note the old one, to restore it if the handler fails."""
        if instance is not self.actor:
            return
        if self.in_hand is not None:
            self.journal.setdefault(name, getattr(instance, name))
        elif (hand := hand_of(self)) is not None:
            hand.root.assigned = True
            if hand.root.starter is not None:
                hand.root.starter.assigned = True

    def check_durables(self, names: Iterable[str]) -> None:
        """Raises `TypeError` for a value that could change behind a rollback's back."""
        for name in names:
            value = getattr(self.actor, name)
            try:
                hash(value)
            except TypeError as error:
                raise TypeError(
                    f"{self.address}: durable {name} was set to {value!r}, which is mutable. Assign a tuple or another frozen value."
                ) from error

    def do_deferred(self) -> None:
        """Do what a plain handler asked for beside its effects, once it can't fail any more."""
        deferred, self.deferred = self.deferred, []
        for action in deferred:
            action()

    def rollback(self) -> None:
        for name, value in self.journal.items():
            object.__setattr__(self.actor, name, value)
        self.journal.clear()
        self.deferred.clear()

    # ---- what a handling ends with

    @property
    def is_starting(self) -> bool:
        return self.phase is Phase.STARTING

    @property
    def is_drained(self) -> bool:
        """Whether EndFrame may be taken: nothing of the system lane, and no task of a handler, is left."""
        return not (self.system.waiting or self.system.hold & BUSY or self.tasks.has_handlers_own)

    def handled(self, envelope: Envelope) -> None:
        """What every handling ends with, plain or async."""
        self._ungate(envelope)
        self.note_progress()

    def note_progress(self) -> None:
        if self._waits_for_end:
            self.progress = trio.current_time()

    def _ungate(self, envelope: Envelope) -> None:
        """Frames of the newest epoch may be begun, when its InterruptionFrame is done with; an older one frees
        nothing.
        """
        if isinstance(envelope.frame, InterruptionFrame) and envelope.epoch >= self.mailbox.epoch:
            self.ordered.hold &= ~GATED

    def lifecycle_handled(self, envelope: Envelope) -> None:
        """StartFrame, EndFrame and StopFrame pass by themselves, after the handler's effects, after a failure too."""
        frame = envelope.frame
        if isinstance(frame, CancelFrame):
            return
        if isinstance(frame, StartFrame):
            if self.phase is Phase.STARTING:
                self._open()
            if not self._start_passed:
                self._start_passed = True
                self.session.started(self)
            self._let_next_start()
            return
        self._waits_for_end = False
        self._mark_ended()
        assert isinstance(frame, (EndFrame, StopFrame))
        self.session.pass_end(self, frame)

    def _mark_ended(self) -> None:
        """From now on nothing leaves this actor but errors, metrics and messages."""
        self.has_ended = True
        self.ordered.hold |= SLOW
        self.system.hold |= SLOW

    # ---- the interruption step

    def interrupt(self, epoch: int, by: Hand | None) -> None:
        self.mailbox.interrupt(epoch)
        self.ordered.cut(epoch, by)
        self.tasks.cut_interruptible(by)
        route = self.routes[InterruptionFrame]
        if route.handler is None or self.is_gone:
            return
        frame = InterruptionFrame(epoch)
        # Two wait where one was returned by a failure.
        for waiting in [each for each in self.system.waiting if isinstance(each.frame, InterruptionFrame)]:
            self.system.waiting.remove(waiting)
            self.dispatcher.drop(waiting, "merged", self.address)
        sender = None if by is None else by.cell.address
        envelope = Envelope(frame, sender, None, epoch, True)
        first = self.system.waiting[0].frame if self.system.waiting else None
        self.system.waiting.insert(1 if isinstance(first, StartFrame) else 0, envelope)
        self.ordered.hold |= GATED

    # ---- room

    def clog(self, node: Cell | Exit) -> None:
        """What this actor's plain handler sent has overfilled a later lane: take nothing ordered before there is
        room.
        """
        self._clogs.append(node)
        self.ordered.hold |= CLOGGED
        self.ordered.wake()

    async def wait_until_unclogged(self) -> None:
        while self._clogs:
            await self.wait_for_room(self._clogs[0])
            self._clogs.pop(0)
        self.ordered.hold &= ~CLOGGED

    async def wait_for_room(self, node: Cell | Exit) -> None:
        assert node.mailbox is not None
        self._waits_for.append(node)
        try:
            await node.mailbox.wait_for_room()
        finally:
            self._waits_for.remove(node)
            self.progress = trio.current_time()

    # ---- what an actor and its session ask for

    def busy(self) -> tuple[float | None, object | None]:
        """Since when a handler waits, in seconds of the session, and what it has in hand."""
        hand = self.ordered.hand or self.system.hand
        if hand is None or hand.envelope is None:
            return None, None
        return hand.since - self.dispatcher.began, hand.envelope.frame

    def durables(self) -> dict[str, Any]:
        if self.is_down or self.incarnation < 0:
            return dict(self.saved)
        return {name: getattr(self.actor, name) for name in self.actor._durables}

    def make_random(self) -> random.Random:
        return random.Random(f"{self.session.seed}/{self.address}/{self.incarnation}")

    def make_outside(self) -> Outside:
        return self.session.make_outside(self)

    def defer(self, action: Callable[[], None]) -> bool:
        """In a plain handler: do it when the handler has ended well. False when none runs."""
        if self.in_hand is None:
            return False
        self.deferred.append(action)
        return True

    def report_shed(self, data: bytes) -> None:
        """Sound that waited too long for the world was thrown away."""
        self.dispatcher.drop(Envelope(data, self.address, None, self.dispatcher.epoch), "shed", self.address)

    def allow(self, seconds: float) -> None:
        self.allowed = max(self.allowed, trio.current_time() + seconds)

    # ---- timers

    def arm(self, after: After) -> None:
        self.disarm(after.message)
        if after.seconds is not None:
            self.timers[after.message] = self.session.timers.arm(
                trio.current_time() + after.seconds, self, after.message
            )

    def disarm(self, message: object) -> None:
        entry = self.timers.pop(message, None)
        if entry is not None:
            self.session.timers.disarm(entry)

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
        self.ordered.hold &= ~(CLOGGED | GATED)
        for hand in (self.ordered.hand, self.system.hand):
            if hand is not None:
                # Its lane stays busy until it has unwound: two handlers never run in one lane.
                hand.cut = hand.dead = True
        self.supervisor.forget(self)
        self.tasks.cut_all()

    async def cancel(self, envelope: Envelope) -> None:
        """Let the actor see CancelFrame, within its grace."""
        self._waits_for_end = False
        route = self.routes[type(envelope.frame)]
        if route.handler is not None and self.phase is Phase.OPEN:
            if route.is_async:
                with trio.move_on_after(self.grace):
                    await self.system.attend(route, envelope)
            else:
                self.dispatcher.handle_taken(self, route, envelope)
            self.dispatcher.drain()
        self._mark_ended()

    def finish_messages(self) -> None:
        """Take what plain handlers can take of the system lane: an actor behind this one may just have sent its last
        words.
        """
        while self.system.next() is not None and self.dispatcher.serve(self):
            self.dispatcher.drain()

    def expect_end(self) -> None:
        """EndFrame waits in the mailbox: from now on the actor must get on."""
        if not self._waits_for_end:
            self._waits_for_end = True
            self.progress = trio.current_time()
            self.session.spawn(self._watch_end)

    def patience(self) -> float:
        """The moment until which this actor may get on with nothing. Who waits for room has the patience of whom it
        waits for, too.
        """
        others = [node.patience() for node in self._waits_for if isinstance(node, Cell)]
        return max(self.progress, self.allowed, *others) + self.grace

    async def _watch_end(self) -> None:
        while self._waits_for_end and not self.is_gone:
            moment = self.patience()
            if trio.current_time() < moment:
                await trio.sleep_until(moment)
                # Who gets on at this very moment still counts: let it.
                for _ in range(CHECKPOINTS_OF_A_MOMENT):
                    await trio.lowlevel.checkpoint()
                continue
            self.dispatcher.tell("stalled", Stall(self.address, self.progress - self.dispatcher.began, self.busy()[1]))
            self.session.give_up(self)
            return

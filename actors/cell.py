"""A cell: what belongs to an address and outlives its actor. Mailbox, timers, durable values, and the loops that
serve the mailbox.

1. An actor fails by itself: `fail` marks it down and tells the supervisor, whose own task does the rest. Nothing is
   restarted in a sender's stack.
2. At most one handler runs in a lane. A plain one runs in one step, so nothing sees it half done.
3. Whatever ends a handler (its end, a cut, a failure, a stop) goes through `_release`, so that no lane stays busy
   for ever.
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import trio

from ..channels.frames import CancelFrame, EndFrame, InterruptionFrame, StartFrame, StopFrame, SystemFrame
from ..channels.mailbox import DOWN, Envelope, Mailbox
from .actor import Actor, Route, fresh, has_lifespan
from .delivery import Delivery, Failure, Stall
from .dispatch import BUSY, CLOGGED, CLOSED, GATED, SLOW, Dispatcher, Exit, Hand
from .effects import LIFECYCLE, Address, After, Effect, To, effects_of
from .errors import Killed
from .outside import Outside
from .timers import Timer

if TYPE_CHECKING:
    from .pipeline import Child
    from .session import Session
    from .supervisor import Supervisor

__all__ = ["Cell", "Phase"]

CHECKPOINTS_OF_A_MOMENT = 16
"""Enough for a handler that wakes together with its grace to end."""

_in_hand: ContextVar[Hand | None] = ContextVar("in_hand", default=None)


class Phase(enum.Enum):
    DOWN = "down"
    ENTERING = "entering"
    ENTERED = "entered"
    STARTING = "starting"
    OPEN = "open"
    GONE = "gone"


class Task:
    """One task of an incarnation: a loop, its lifespan's, or a handler's."""

    __slots__ = ("hand", "in_handler", "interruptible", "scope")

    def __init__(self, hand: Hand | None, *, interruptible: bool = False, in_handler: bool = False) -> None:
        self.scope = trio.CancelScope()
        self.hand = hand
        self.interruptible = interruptible
        self.in_handler = in_handler


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
        # The same deques, one attribute nearer: the walk looks at each hop.
        self.system = self.mailbox.system
        self.ordered = self.mailbox.ordered
        self.up: Cell | Exit = dispatcher.source
        self.down: Cell | Exit = dispatcher.sink
        self.system_hold = self.ordered_hold = CLOSED
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
        self._hands: dict[bool, Hand] = {}
        self._clogs: list[Cell | Exit] = []
        self._waits_for: list[Cell | Exit] = []
        self._parked: dict[bool, trio.lowlevel.Task] = {}
        self._has_loop: dict[bool, Task] = {}
        self._cut_scope: trio.CancelScope | None = None
        self._tasks: set[Task] = set()
        self._quiet: trio.lowlevel.ParkingLot = trio.lowlevel.ParkingLot()
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
        _in_hand.set(None)
        try:
            with life.scope:
                async with actor.lifespan():
                    if self.phase is Phase.ENTERING and actor is self.actor:
                        self._entered()
                        self.dispatcher.drain()
                        await leave.wait()
                        await self._all_ended()
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
        self.system_hold &= ~CLOSED
        self.dispatcher.schedule(self)

    def _let_next_start(self) -> None:
        for cell in self.supervisor.cells:
            if cell.starts_after is self:
                cell.starts_after = None
                if cell.phase is Phase.ENTERED:
                    self.session.entered(cell)

    def _open(self) -> None:
        self.phase = Phase.OPEN
        self.ordered_hold &= ~CLOSED
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
            await self._all_ended()
        if limit.cancelled_caught and not (self._life is not None and self._life.scope.cancel_called):
            self.dispatcher.tell("stalled", Stall(self.address, self.dispatcher.now() - self.grace, None))
            if self._life is not None:
                self._life.scope.cancel()

    def go_down(self) -> None:
        """Nothing is begun any more; what was in hand is settled, all tasks are cut."""
        if self.is_down:
            return
        self.saved = self.durables()
        if self.phase is Phase.ENTERING and self._life is not None:
            # Whoever waits for it to leave needn't wait until it has entered.
            self._life.scope.cancel()
        self.phase = Phase.DOWN
        self.system_hold |= CLOSED
        self.ordered_hold |= CLOSED
        for hand in list(self._hands.values()):
            self._settle(hand, blamed=False)
        self.cut_tasks()

    def cut_tasks(self) -> None:
        for task in tuple(self._tasks):
            task.scope.cancel()

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
        self.fail(error, hand=self._hands.get(False) or self._hands.get(True))

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
        self._release(hand)
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
        elif (hand := self._find_hand()) is not None:
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

    # ---- what is next

    def next_system(self) -> Route | None:
        """The route of the system lane's first envelope, if it may be begun now."""
        if not self.system or self.system_hold & (CLOSED | BUSY):
            return None
        envelope = self.system[0]
        if self.phase is Phase.STARTING and not isinstance(envelope.frame, StartFrame):
            return None
        return self.routes[type(envelope.frame)]

    def next_ordered(self) -> Route | None:
        """The same for the ordered lane: only when no system frame could go first, and none of a new epoch before
        its InterruptionFrame.
        """
        if not self.ordered or self.ordered_hold & (CLOSED | BUSY | CLOGGED | GATED):
            return None
        if self.system and not self.system_hold & BUSY:
            return None
        envelope = self.ordered[0]
        route = self.routes[type(envelope.frame)]
        if route.is_lifecycle and not self._is_drained():
            return None
        return route

    def _is_drained(self) -> bool:
        return not (self.system or self.system_hold & BUSY or any(task.in_handler for task in self._tasks))

    def handled(self, envelope: Envelope) -> None:
        """What every handling ends with, plain or async."""
        self._ungate(envelope)
        if self._waits_for_end:
            self.progress = trio.current_time()

    def _ungate(self, envelope: Envelope) -> None:
        """Frames of the newest epoch may be begun, when its InterruptionFrame is done with; an older one frees
        nothing.
        """
        if isinstance(envelope.frame, InterruptionFrame) and envelope.epoch >= self.mailbox.epoch:
            self.ordered_hold &= ~GATED

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
        self.ordered_hold |= SLOW
        self.system_hold |= SLOW

    # ---- the interruption step

    def interrupt(self, epoch: int, by: Hand | None) -> None:
        self.mailbox.interrupt(epoch)
        hand = self._hands.get(False)
        if hand is not None and hand is not by and not hand.cut:
            assert hand.envelope is not None and self._cut_scope is not None
            if not hand.envelope.immune and (hand.epoch is None or hand.epoch < epoch):
                hand.cut = True
                self._cut_scope.cancel()
        for task in tuple(self._tasks):
            if task.interruptible and (task.hand is None or task.hand is not by):
                if task.hand is not None:
                    task.hand.cut = True
                task.scope.cancel()
        route = self.routes[InterruptionFrame]
        if route.handler is None or self.is_gone:
            return
        frame = InterruptionFrame(epoch)
        # Two wait where one was returned by a failure.
        for waiting in [each for each in self.system if isinstance(each.frame, InterruptionFrame)]:
            self.system.remove(waiting)
            self.dispatcher.drop(waiting, "merged", self.address)
        sender = None if by is None else by.cell.address
        envelope = Envelope(frame, sender, None, epoch, True)
        if self.system and isinstance(self.system[0].frame, StartFrame):
            self.system.insert(1, envelope)
        else:
            self.system.appendleft(envelope)
        self.ordered_hold |= GATED

    # ---- loops and async handlers

    def wake(self) -> None:
        """See that the loops do what can be done now."""
        if self._clogs or self.next_ordered() is not None:
            self._wake_loop(system=False)
        if self.next_system() is not None:
            self._wake_loop(system=True)

    def _wake_loop(self, *, system: bool) -> None:
        task = self._parked.pop(system, None)
        if task is not None:
            trio.lowlevel.reschedule(task)
        elif system not in self._has_loop and not self.is_down:
            self._has_loop[system] = loop = Task(None)
            self._spawn(self._serve_system if system else self._serve_ordered, loop)

    async def _park(self, *, system: bool) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked.pop(system, None)
            return trio.lowlevel.Abort.SUCCEEDED

        self._parked[system] = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _serve_system(self) -> None:
        dispatcher = self.dispatcher
        while True:
            await dispatcher.breathe()
            route = self.next_system()
            if route is None:
                await self._park(system=True)
                continue
            envelope = self.mailbox.take_system()
            if route.is_async:
                await self._attend(route, envelope, ordered=False)
            else:
                dispatcher.handle_taken(self, route, envelope)
            dispatcher.drain()

    async def _serve_ordered(self) -> None:
        while True:
            # One scope for many handlers: to open one costs as much as four hops.
            with trio.CancelScope() as self._cut_scope:
                await self._serve_ordered_until_cut()

    async def _serve_ordered_until_cut(self) -> None:
        dispatcher = self.dispatcher
        while True:
            await dispatcher.breathe()
            if self._clogs:
                await self._wait_for_clogs()
            route = self.next_ordered()
            if route is None:
                await self._park(system=False)
                continue
            envelope = self.mailbox.take_ordered()
            if route.is_async:
                was_cut = await self._attend(route, envelope, ordered=True)
                dispatcher.drain()
                # A cut that came too late, when the handler had ended without another wait, must not hit the next
                # frame.
                if was_cut:
                    return
            else:
                dispatcher.handle_taken(self, route, envelope)
                dispatcher.drain()

    async def _attend(self, route: Route, envelope: Envelope, *, ordered: bool) -> bool:
        """Run an async handler. True when an interruption cut it."""
        dispatcher = self.dispatcher
        assert route.handler is not None
        hand = dispatcher.hand_for(self, envelope, ordered=ordered)
        hand.since = trio.current_time()
        hand.under = self._hands.get(not ordered)
        self._hands[not ordered] = hand
        if ordered:
            self.ordered_hold |= BUSY
        else:
            self.system_hold |= BUSY
            # An ordered frame may be begun now: a system handler only blocks it while it hasn't begun. But not in
            # this step, where it would come first.
            self.wake()
        _in_hand.set(hand)
        actor = self.actor
        effects: tuple[Effect, ...] = ()
        try:
            dispatcher.begin_async(self, hand)
            result = await route.handler(actor, envelope.frame)
            if hand.assigned and dispatcher.virtual and not hand.dead:
                self.check_durables(actor._durables)
            if result is not None and not (hand.dead or hand.cut):
                effects = effects_of(result, self.address, route.handler, envelope.frame)
        except Exception as error:
            if not hand.dead:
                self.fail(error, envelope, hand=hand)
                if route.is_lifecycle:
                    self.lifecycle_handled(envelope)
        finally:
            _in_hand.set(None)
            if not hand.dead:
                self._after(route, envelope, hand, effects)
            elif self._release(hand):
                dispatcher.schedule(self)
        return hand.cut

    def _after(self, route: Route, envelope: Envelope, hand: Hand, effects: tuple[Effect, ...]) -> None:
        """The handler has ended: let happen what it returned. Whatever the last effect sets off finds it done with,
        as it would if a mailbox lay between.
        """
        dispatcher = self.dispatcher
        dispatcher.put_all(hand, effects[:-1])
        hand.dead = True
        self._release(hand)
        self.handled(envelope)
        for node in dispatcher.apply(hand, effects[-1:]):
            self.clog(node)
        if route.is_lifecycle:
            self.lifecycle_handled(envelope)
        dispatcher.schedule(self)

    def _release(self, hand: Hand) -> bool:
        """Free the lane of a handler. False when it was free of it already."""
        ordered = hand.waits
        current = self._hands.get(not ordered)
        if current is not hand:
            if current is not None and current.under is hand:
                current.under = None
            return False
        if hand.under is not None:
            self._hands[not ordered] = hand.under
            return False
        del self._hands[not ordered]
        if ordered:
            self.ordered_hold &= ~BUSY
        else:
            self.system_hold &= ~BUSY
        return True

    # ---- room

    def clog(self, node: Cell | Exit) -> None:
        """What this actor's plain handler sent has overfilled a later lane: take nothing ordered before there is
        room.
        """
        self._clogs.append(node)
        self.ordered_hold |= CLOGGED
        self._wake_loop(system=False)

    async def _wait_for_clogs(self) -> None:
        while self._clogs:
            await self._wait_for_room(self._clogs[0])
            self._clogs.pop(0)
        self.ordered_hold &= ~CLOGGED

    async def _wait_for_room(self, node: Cell | Exit) -> None:
        assert node.mailbox is not None
        self._waits_for.append(node)
        try:
            await node.mailbox.wait_for_room()
        finally:
            self._waits_for.remove(node)
            self.progress = trio.current_time()

    # ---- what an actor calls

    def _find_hand(self) -> Hand | None:
        hand = _in_hand.get()
        return hand if hand is not None and hand.cell is self else None

    def sender(self) -> Address | None:
        if self.in_hand is not None:
            return cast("Address | None", self.in_hand.sender)
        hand = self._find_hand()
        return None if hand is None or hand.envelope is None else cast("Address | None", hand.envelope.sender)

    def epoch(self) -> int:
        if self.in_hand is not None:
            ordered = self.in_hand.direction is not None and not isinstance(self.in_hand.frame, SystemFrame)
            return self.in_hand.epoch if ordered and not self.in_hand.immune else self.dispatcher.epoch
        hand = self._find_hand()
        return self.dispatcher.epoch if hand is None or hand.epoch is None else hand.epoch

    def busy(self) -> tuple[float | None, object | None]:
        """Since when a handler waits, in seconds of the session, and what it has in hand."""
        hand = self._hands.get(False) or self._hands.get(True)
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

    def push(self, actor: Actor, effects: tuple[Effect, ...]) -> Coroutine[Any, Any, None]:
        # Not async itself: a plain handler that forgets to await must hear of it, too.
        if self.in_hand is not None:
            raise RuntimeError(
                f"{self.address}: push() in a plain handler. It never waits: `yield` or `return` the effect instead."
            )
        return self._push(actor, effects)

    async def _push(self, actor: Actor, effects: tuple[Effect, ...]) -> None:
        hand = self._find_hand()
        if hand is None:
            hand = Hand(self, None, direction=None, began=self.dispatcher.epoch, epoch=None, waits=True)
        if actor is not self.actor:
            await trio.lowlevel.checkpoint_if_cancelled()
            raise trio.BrokenResourceError(f"{self.address}: this incarnation has ended, it can't send any more")
        if hand.root.cut or self.is_down:
            # What is cut or has failed sends only messages any more; its next wait tells it so.
            effects = () if hand.root.cut else tuple(effect for effect in effects if isinstance(effect, To))
        overfull = self.dispatcher.push(hand, effects)
        for node in overfull:
            await self._wait_for_room(node)
        if overfull:
            return
        if hand.root.cut or self.is_down:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await self.dispatcher.breathe()

    def start_task(
        self,
        actor: Actor,
        run: Callable[..., Awaitable[object]],
        arguments: tuple[object, ...],
        interruptible: bool | None,
    ) -> None:
        if actor is not self.actor or self.is_down:
            raise RuntimeError(f"{self.address}: this incarnation has ended, it can't start tasks any more")
        if not callable(run):
            raise TypeError(
                f"{self.address}: start_soon({run!r}) needs an async function. Write start_soon(function, argument...)."
            )
        plain = self.in_hand is not None
        hand = None if plain else self._find_hand()
        starter = None if hand is None else hand.root.starter or hand.root
        in_handler = plain or starter is not None
        epoch = self.epoch()

        def begin() -> None:
            # A plain handler's own Interrupt() has happened by now, and its tasks belong to the new turn.
            stamp = (self.dispatcher.epoch if plain else epoch) if in_handler else None
            mine = Hand(self, None, direction=None, began=self.dispatcher.epoch, epoch=stamp, waits=True)
            mine.starter = starter
            cut = in_handler if interruptible is None else interruptible

            async def body() -> None:
                _in_hand.set(mine if in_handler else None)
                await run(*arguments)

            self._spawn(body, Task(mine, interruptible=cut, in_handler=in_handler))

        if plain:
            self.deferred.append(begin)
        else:
            begin()

    @contextmanager
    def at(self, epoch: int) -> Iterator[None]:
        hand = self._find_hand()
        envelope = None if hand is None else hand.envelope
        there = Hand(
            self,
            envelope,
            direction=hand.direction if hand else None,
            began=epoch,
            epoch=epoch,
            waits=hand.waits if hand else True,
            of=hand.root if hand else None,
        )
        token = _in_hand.set(there)
        try:
            yield
        finally:
            _in_hand.reset(token)

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

    # ---- tasks

    def _spawn(self, run: Callable[[], Awaitable[None]], task: Task) -> None:
        self._tasks.add(task)
        self.session.spawn(self._run, run, task)

    async def _run(self, run: Callable[[], Awaitable[None]], task: Task) -> None:
        actor = self.actor
        try:
            with task.scope:
                await run()
        except Exception as error:
            if actor is self.actor:
                self.fail(error)
        finally:
            self._tasks.discard(task)
            for system in (True, False):
                if self._has_loop.get(system) is task:
                    del self._has_loop[system]
            if not self._tasks:
                self._quiet.unpark_all()
            if task.in_handler:
                if self._waits_for_end:
                    self.progress = trio.current_time()
                if not self.is_down:
                    self.dispatcher.schedule(self)
                    self.dispatcher.drain()

    async def _all_ended(self) -> None:
        while self._tasks:
            await self._quiet.park()

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
        self.ordered_hold &= ~(CLOGGED | GATED)
        for hand in self._hands.values():
            # Its lane stays busy until it has unwound: two handlers never run in one lane.
            hand.cut = hand.dead = True
        for task in self._tasks:
            if task.hand is not None:
                task.hand.cut = True
        self.supervisor.forget(self)
        self.cut_tasks()

    async def cancel(self, envelope: Envelope) -> None:
        """Let the actor see CancelFrame, within its grace."""
        self._waits_for_end = False
        route = self.routes[type(envelope.frame)]
        if route.handler is not None and self.phase is Phase.OPEN:
            if route.is_async:
                with trio.move_on_after(self.grace):
                    await self._attend(route, envelope, ordered=False)
            else:
                self.dispatcher.handle_taken(self, route, envelope)
            self.dispatcher.drain()
        self._mark_ended()

    def finish_messages(self) -> None:
        """Take what plain handlers can take of the system lane: an actor behind this one may just have sent its last
        words.
        """
        while self.next_system() is not None and self.dispatcher.serve(self):
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

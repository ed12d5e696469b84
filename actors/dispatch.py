"""How a frame gets from one actor to the next: the walk, the session's epoch, and the interruption step.

1. Nothing here awaits. What may wait is told the node whose lane is overfull, and waits itself.
2. All effects of a handler are in mailboxes before any of their receivers runs; only the last one goes on in the
   same step. So direct delivery
   gives no order that mailboxes couldn't have given, and the walk is a loop, never a recursion.
3. An idle actor's plain handler is run by whoever delivers to it. That is only speed: with `direct` off the same
   code runs in the actors' own loops.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

import trio

from ..channels.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    MetricsFrame,
    SystemFrame,
)
from ..channels.mailbox import DOWN, UP, Direction, Envelope, Mailbox
from .actor import OutRoutes, Route
from .delivery import Delivery, Dropped, DropReason, Failure, Observer, Restart, Stall
from .effects import (
    FRAME_TYPES,
    LIFECYCLE,
    Address,
    After,
    Both,
    Down,
    Effect,
    Immune,
    Interrupt,
    To,
    Up,
    effects_of,
    fault_of,
)
from .errors import Killed
from .hand import Hand
from .lane import BUSY, SLOW, Lane

if TYPE_CHECKING:
    from .cell import Cell

HANDLERS_A_TURN = 16
"""Handlers run before others get the loop: a checkpoint costs 5 us, a hop 0.2 (measured)."""
TURN_SECONDS = 0.001
"""The same in time, for slow handlers; in virtual time no clock decides."""

_log = logging.getLogger("antiphon")


class Exit:
    """One end of a session: what comes here has left the pipeline."""

    def __init__(self, address: Address, index: int) -> None:
        self.address = address
        self.index = index
        self.routes = OutRoutes()
        self.system = self.ordered = Lane(None, deque(), is_system=False)  # type: ignore[arg-type]
        self.system.hold = 0
        self.up = self.down = self
        self.mailbox: Mailbox | None = None
        """There once somebody reads what leaves; then it has a bound."""
        self.readers: trio.lowlevel.ParkingLot = trio.lowlevel.ParkingLot()
        self.on_arrival: Callable[[], object] = lambda: None
        """For readers that aren't Trio tasks."""


class Dispatcher:
    """The part of a session that all its cells share."""

    def __init__(self, *, direct: bool, virtual: bool, observers: Iterable[Observer]) -> None:
        self.direct = direct
        self.virtual = virtual
        self.epoch = 0
        self.seq = 0
        self.cells: list[Cell] = []
        self.book: dict[str, Cell] = {}
        self.templates: dict[int, Cell] = {}
        self.began = trio.current_time()
        self.source = Exit(Address("source"), -1)
        self.sink = Exit(Address("sink"), 0)
        self.observers = list(observers)
        self.steps = HANDLERS_A_TURN
        """Handlers that may still run before others get the loop."""
        self.last_walk = 1
        """Handlers that the last frame pushed in has met: the next shall find a turn that is long enough, since a walk
        that has to stop costs two task switches."""
        self.on_request: Callable[[Frame], None] = lambda frame: None
        """Hears of frames that ask something of the session, when they reach an end."""
        self._slice_left = TURN_SECONDS
        self._slice_end = 0.0
        self._ready: deque[Cell] = deque()

    # ---- sending

    def send(self, frame: Frame, direction: Direction) -> Cell | Exit | None:
        """Bring a frame in at an end. Returns the node whose lane it overfilled, if any."""
        facts = FRAME_TYPES[type(frame)]
        assert facts is not None
        end = self.source if direction is DOWN else self.sink
        envelope = Envelope(frame, end.address, direction, self.epoch, facts[1])
        self._begin_step()
        before = self.steps
        overfull = self._carry(envelope, self._first(direction))
        self._end_step()
        # Counted like a handler: who only pushes must let others have the loop, too.
        self.steps = min(self.steps, before - 1)
        self.last_walk = before - self.steps
        return overfull

    def _begin_step(self) -> None:
        if not self.virtual:
            self._slice_end = time.perf_counter() + self._slice_left

    def _end_step(self) -> None:
        """Run what has become ready, and count the time against the turn: idle time between two steps isn't."""
        if self._ready:
            self.drain()
        if not self.virtual:
            self._slice_left = self._slice_end - time.perf_counter()
            if self._slice_left < 0:
                self.steps = 0

    def message(self, address: Address, message: object, sender: Address | None) -> None:
        """Put a message into an actor's system lane."""
        envelope = Envelope(message, sender, None, self.epoch, True)
        cell = self.resolve(address)
        if cell is None or cell.is_gone or cell.routes[type(message)].handler is None:
            self.drop(envelope, "unknown address" if cell is None or not cell.is_gone else "finished", address)
            return
        cell.mailbox.put_system(envelope)
        self.schedule(cell)

    def resolve(self, address: Address) -> Cell | None:
        if address.template is not None and (cell := self.templates.get(id(address.template))) is not None:
            return cell
        return self.book.get(address.name)

    def push(self, hand: Hand, effects: tuple[Effect, ...]) -> list[Cell | Exit]:
        """Let effects of an async handler or a task happen. Returns the later nodes whose lanes they overfilled."""
        for effect in effects:
            if fault := fault_of(effect, None if hand.envelope is None else hand.envelope.frame):
                raise TypeError(f"{hand.cell.address}: {type(hand.cell.actor).__name__}.push() was given {fault}")
        self._begin_step()
        before = self.steps
        overfull = self.apply(hand, effects)
        self.steps = min(self.steps, before - 1)
        self._end_step()
        return overfull

    def apply(self, hand: Hand, effects: Sequence[Effect]) -> list[Cell | Exit]:
        """Let effects happen in one step: all are put before anybody runs, but for the last, which may go on at once."""
        overfull = []
        for number, effect in enumerate(effects, 1):
            node = self._let_happen(hand, effect, last=number == len(effects))
            if node is not None:
                overfull.append(node)
        return overfull

    def _let_happen(self, hand: Hand, effect: Effect, *, last: bool) -> Cell | Exit | None:
        cell = hand.cell
        immune = False
        if isinstance(effect, Immune):
            immune = True
            effect = effect.effect
        frame = effect.frame if isinstance(effect, (Up, Down, Both)) else effect
        if isinstance(frame, Frame) and FRAME_TYPES[type(frame)] is None:
            # What is in hand passes by itself, and an interruption has no direction.
            if isinstance(frame, InterruptionFrame) and not (hand.envelope and frame is hand.envelope.frame):
                self._interrupt_by(hand)
            return None
        if isinstance(effect, Frame):
            return self._send_from(hand, effect, hand.direction, immune, last)
        hand.has_sent()
        if isinstance(effect, Down):
            return self._send_from(hand, effect.frame, DOWN, immune, last)
        if isinstance(effect, Up):
            return self._send_from(hand, effect.frame, UP, immune, last)
        if isinstance(effect, Both):
            overfull = self._send_from(hand, effect.frame, DOWN, immune, False)
            return self._send_from(hand, effect.frame, UP, immune, last) or overfull
        if isinstance(effect, To):
            self.message(effect.address, effect.message, cell.address)
        elif isinstance(effect, After):
            cell.arm(effect)
        else:
            assert isinstance(effect, Interrupt)
            self._interrupt_by(hand)
        return None

    def _send_from(
        self, hand: Hand, frame: Frame, direction: Direction, immune: bool, last: bool
    ) -> Cell | Exit | None:
        hand.has_sent()
        cell = hand.cell
        facts = FRAME_TYPES[type(frame)]
        assert facts is not None
        epoch = self.epoch if hand.epoch is None else hand.epoch
        envelope = Envelope(frame, cell.address, direction, epoch, immune or facts[1])
        if cell.has_ended and not isinstance(frame, (ErrorFrame, MetricsFrame)):
            self.drop(envelope, "finished", cell.address)
            return None
        node = cell.down if direction is DOWN else cell.up
        overfull = self._carry(envelope, node) if last else self._put_on_the_way(envelope, node)
        # Only for a later one does anybody wait: else a wait could close a circle.
        return overfull if overfull is not None and hand.waits and overfull.index > cell.index else None

    # ---- the walk

    def _carry(self, envelope: Envelope, node: Cell | Exit) -> Cell | Exit | None:
        """Walk on until somebody keeps the envelope. Returns the node that the *first* sender overfilled; later
        senders are clogged here.

        This loop is the hot path: an actor passed by costs 0.1 us, a plain handler that returns one frame about 0.5.
        """
        if not envelope.immune and envelope.epoch < self.epoch:
            self.drop(envelope, "stale", node.address)
            return None
        walker: Cell | None = None
        waits = True
        down = envelope.direction is DOWN
        kind = type(envelope.frame)
        while True:
            route = node.routes[kind]
            lane = node.system if route.is_system else node.ordered
            if not (lane.hold or lane.waiting):
                if route.handler is None:
                    if route.is_out:
                        return self._leave(node, envelope, walker, waits)  # type: ignore[arg-type]  # an end's route
                    node = node.down if down else node.up
                    continue
                if (
                    route.is_direct
                    and self.direct
                    and self.steps > 0
                    and (route.is_system or not node.system.waiting or node.system.hold & BUSY)
                ):
                    walker = node  # type: ignore[assignment]  # only cells have handlers
                    result = self.perform(walker, route, envelope)  # type: ignore[arg-type]
                    if result is None:
                        return None
                    # The envelope goes on with what the handler made of its frame.
                    envelope, kind, waits = result, type(result.frame), not route.is_system
                    down = envelope.direction is DOWN
                    node = node.down if down else node.up
                    continue
            return self._keep(node, route, envelope, walker, waits)  # type: ignore[arg-type]  # ends keep nothing

    def _put_on_the_way(self, envelope: Envelope, node: Cell | Exit) -> Cell | Exit | None:
        """As `_carry`, but whoever handles it doesn't run yet."""
        if not envelope.immune and envelope.epoch < self.epoch:
            self.drop(envelope, "stale", node.address)
            return None
        kind = type(envelope.frame)
        while True:
            route = node.routes[kind]
            if route.is_out:
                return self._leave(node, envelope, None, True)  # type: ignore[arg-type]  # an end's route
            lane = node.system if route.is_system else node.ordered
            if lane.hold or lane.waiting or route.handler is not None:
                return self._keep(node, route, envelope, None, True)  # type: ignore[arg-type]  # ends keep nothing
            node = node.down if envelope.direction is DOWN else node.up

    def _keep(self, cell: Cell, route: Route, envelope: Envelope, walker: Cell | None, waits: bool) -> Cell | None:
        if cell.is_gone:
            if route.handler is None:
                return cast("Cell | None", self._carry(envelope, cell.down if envelope.direction is DOWN else cell.up))
            self.drop(envelope, "finished", cell.address)
            return None
        mailbox = cell.mailbox
        if route.is_system:
            mailbox.put_system(envelope)
            lane = cell.system
        else:
            mailbox.put_ordered(envelope)
            lane = cell.ordered
        if not route.is_async:
            self.schedule(cell)
        elif not lane.hold & ~SLOW:
            lane.wake()
        if route.is_system or envelope.direction is not DOWN or not mailbox.is_overfull or not waits:
            return None
        if walker is None:
            return cell
        if cell.index > walker.index:
            walker.clog(cell)
        return None

    def leave(self, end: Exit, envelope: Envelope) -> None:
        """Let the session's own frame leave at an end."""
        self._leave(end, envelope, None, False)

    def send_from_place(self, cell: Cell, frame: Frame) -> None:
        """Send a frame upstream from a cell's place, whether it has an actor or not."""
        self._put_on_the_way(Envelope(frame, cell.address, UP, self.epoch, True), cell.up)

    def _leave(self, end: Exit, envelope: Envelope, walker: Cell | None, waits: bool) -> Exit | None:
        frame = envelope.frame
        assert isinstance(frame, Frame)
        mailbox = end.mailbox
        if mailbox is None or isinstance(frame, LIFECYCLE):
            self._tell_delivered(end.address, envelope)
            self.on_request(frame)
            return None
        (mailbox.put_system if isinstance(frame, SystemFrame) else mailbox.put_ordered)(envelope)
        end.readers.unpark()
        end.on_arrival()
        if isinstance(frame, SystemFrame) or envelope.direction is not DOWN or not mailbox.is_overfull or not waits:
            return None
        if walker is not None:
            walker.clog(end)
            return None
        return end

    def taken(self, end: Exit, envelope: Envelope) -> None:
        """Somebody read what left at an end."""
        self._tell_delivered(end.address, envelope)
        assert isinstance(envelope.frame, Frame)
        self.on_request(envelope.frame)
        self.drain()

    # ---- handling

    def perform(self, cell: Cell, route: Route, envelope: Envelope) -> Envelope | None:
        """Run a plain handler as a transaction. Returns its last effect, if that is a frame, ready to be carried on."""
        self.steps -= 1
        if not (self.virtual or self.steps & 3) and time.perf_counter() > self._slice_end:
            self.steps = 0
        self.seq += 1
        cell.in_hand = envelope
        try:
            if self.observers:
                self._begin(cell, envelope)
            result = route.handler(cell.actor, envelope.frame)  # type: ignore[misc]  # only called for routes with one
            facts = FRAME_TYPES[type(result)]
            if facts is None and result is not None:
                effects = effects_of(result, cell.address, route.handler, envelope.frame)  # type: ignore[arg-type]  # as above
            else:
                effects = ()
            if self.virtual and cell.journal:
                cell.check_durables(cell.journal)
        except Exception as error:
            cell.in_hand = None
            cell.rollback()
            cell.fail(error, envelope, system=route.is_system or envelope.direction is None)
            return None
        cell.in_hand = None
        if cell.journal:
            cell.journal.clear()
        if facts is None or cell.has_ended:
            if facts is not None:
                effects = (cast(Frame, result),)
            after = self._apply_plain(cell, route, envelope, effects) if effects else None
            if cell.deferred:
                cell.do_deferred()
            return after
        if cell.deferred:
            cell.do_deferred()
        # The fast form, `return frame`: the same envelope goes on.
        envelope.frame = result
        envelope.sender = cell.address
        if envelope.direction is None:
            envelope.direction = DOWN
        if route.is_system or envelope.immune:
            envelope.epoch = self.epoch
        envelope.immune = facts[1]
        envelope.failures = 0
        return envelope

    def _apply_plain(
        self, cell: Cell, route: Route, envelope: Envelope, effects: tuple[Effect, ...]
    ) -> Envelope | None:
        ordered = not route.is_system and envelope.direction is not None
        hand = self.hand_for(cell, envelope, ordered=ordered)
        *firsts, last = effects
        self.put_all(hand, firsts)
        immune = isinstance(last, Immune)
        inner = last.effect if isinstance(last, Immune) else last
        direction = hand.direction
        if isinstance(inner, Both) and FRAME_TYPES[type(inner.frame)] is not None:
            self.put_all(hand, (Immune(Down(inner.frame)) if immune else Down(inner.frame),))
            inner = Up(inner.frame)
            last = Immune(inner) if immune else inner
        if isinstance(inner, (Up, Down)):
            direction = UP if isinstance(inner, Up) else DOWN
            inner = inner.frame
        facts = FRAME_TYPES[type(inner)] if isinstance(inner, Frame) else None
        if facts is None or cell.has_ended:
            self._let_happen(hand, last, last=True)
            return None
        assert isinstance(inner, Frame)
        stamp = self.epoch if hand.epoch is None else hand.epoch
        return Envelope(inner, cell.address, direction, stamp, immune or facts[1])

    def put_all(self, hand: Hand, effects: Iterable[Effect]) -> None:
        for effect in effects:
            node = self._let_happen(hand, effect, last=False)
            if node is not None:
                hand.cell.clog(node)

    def hand_for(self, cell: Cell, envelope: Envelope, *, ordered: bool) -> Hand:
        """What a handler has in hand: it decides the stamp and the direction of what it sends."""
        if ordered and not envelope.immune:
            epoch: int | None = envelope.epoch
        elif ordered:
            epoch = None
        else:
            epoch = self.epoch
        direction = None if isinstance(envelope.frame, InterruptionFrame) else envelope.direction
        return Hand(cell, envelope, direction, epoch, ordered)

    def serve(self, cell: Cell) -> bool:
        """Handle the next envelope of a cell's mailbox, if a plain handler or nobody is to handle it. False when there is
        none: it waits, or a loop handles it.
        """
        lane = cell.system
        route = lane.next()
        if route is None:
            lane = cell.ordered
            route = lane.next()
        if route is None:
            return False
        if route.is_async:
            lane.wake()
            return False
        self.handle_taken(cell, route, lane.take())
        return True

    def handle_taken(self, cell: Cell, route: Route, envelope: Envelope) -> None:
        """Handle, by a plain handler or by passing it on, what was taken from a mailbox; then see what is next."""
        ordered = not route.is_system and envelope.direction is not None
        after: Envelope | None
        if route.handler is not None:
            # A plain handler's envelope goes on with what it made; of these we must know afterwards what they were.
            is_needed = route.is_lifecycle or envelope.direction is None
            after = self.perform(cell, route, envelope.copy() if is_needed else envelope)
        elif route.is_lifecycle:
            after = None
        else:
            after = envelope
        if not cell.is_down:
            cell.handled(envelope)
        if after is not None:
            node = cell.down if after.direction is DOWN else cell.up
            overfull = self._carry(after, node)
            if overfull is not None and ordered and overfull.index > cell.index:
                cell.clog(overfull)
        if route.is_lifecycle:
            cell.lifecycle_handled(envelope)
        self.schedule(cell)

    def schedule(self, cell: Cell) -> None:
        """See that what a cell may begin is begun: soon in this step, or by its loops."""
        if cell.is_scheduled:
            return
        if self.direct and self.steps > 0:
            cell.is_scheduled = True
            self._ready.append(cell)
        else:
            self._wake(cell)

    def _wake(self, cell: Cell) -> None:
        for lane in (cell.system, cell.ordered):
            if lane.next() is not None:
                lane.wake()

    def drain(self) -> None:
        """Run the plain handlers that are ready, while this turn lasts; the rest goes to the actors' loops.

        Whoever comes from outside a handler (a loop, a task, a timer, the session) ends its step with this; what a
        handler causes never does.
        """
        ready = self._ready
        while ready:
            cell = ready.popleft()
            cell.is_scheduled = False
            if self.steps > 0:
                self.serve(cell)
            else:
                self._wake(cell)

    @property
    def is_turn_over(self) -> bool:
        """Whether a frame like the last one that was pushed in might have to stop on its way."""
        return self.steps < self.last_walk

    def begin_turn(self) -> None:
        """A new turn begins: others had the loop, or will have it at once."""
        self.steps = HANDLERS_A_TURN
        self._slice_left = TURN_SECONDS

    async def breathe(self) -> None:
        """Let others have the loop; a new turn begins."""
        self.begin_turn()
        await trio.lowlevel.checkpoint()
        if not self.virtual:
            self._slice_end = time.perf_counter() + TURN_SECONDS

    # ---- the interruption step

    def _interrupt_by(self, hand: Hand) -> None:
        if hand.cell.has_ended:
            return  # it would cut what others still have to say
        hand.has_sent()
        in_hand = None if hand.envelope is None else hand.envelope.frame
        answers = isinstance(in_hand, InterruptionFrame) and in_hand.epoch == self.epoch
        if not answers and hand.began >= self.epoch:
            self.interrupt(hand.root)
        # Who asked for what another has done meanwhile moves on with it.
        for each in (hand, hand.root):
            each.began = self.epoch
            if each.epoch is not None:
                each.epoch = self.epoch

    def interrupt(self, by: Hand | None = None) -> None:
        """Begin the next epoch, in one step: no await, so nothing can slip in between."""
        self.epoch += 1
        for end in (self.source, self.sink):
            if end.mailbox is not None:
                end.mailbox.interrupt(self.epoch)
        for cell in self.cells:
            cell.interrupt(self.epoch, by)
        for cell in self.cells:
            if cell.system.waiting or cell.ordered.waiting:
                self.schedule(cell)

    # ---- telling

    def now(self) -> float:
        """Seconds since the session began."""
        return trio.current_time() - self.began

    def delivery_of(self, envelope: Envelope, receiver: Address, seq: int) -> Delivery:
        direction = None if isinstance(envelope.frame, InterruptionFrame) else envelope.direction
        return Delivery(
            seq,
            self.now(),
            cast("Address | None", envelope.sender),
            receiver,
            envelope.frame,
            direction,
            envelope.epoch,
            envelope.immune,
        )

    def _begin(self, cell: Cell, envelope: Envelope) -> None:
        cell.deliveries += 1
        cell.begun = self.delivery_of(envelope, cell.address, self.seq)
        self.tell("delivered", cell.begun)
        if cell.deliveries in cell.kill_at:
            raise Killed(f"{cell.address} was failed from outside as its delivery {cell.deliveries} began")

    def begin_async(self, cell: Cell, hand: Hand) -> None:
        self.seq += 1
        self.steps -= 1
        if self.observers:
            assert hand.envelope is not None
            try:
                self._begin(cell, hand.envelope)
            finally:
                hand.begun = cell.begun

    def _tell_delivered(self, receiver: Address, envelope: Envelope) -> None:
        self.seq += 1
        if self.observers:
            self.tell("delivered", self.delivery_of(envelope, receiver, self.seq))

    def drop(self, envelope: Envelope, reason: DropReason, receiver: Address, *, begun: Delivery | None = None) -> None:
        """Tell that something is handled no more; `begun` if a handler had begun with it."""
        if self.observers:
            self.tell("dropped", Dropped(begun or self.delivery_of(envelope, receiver, 0), reason))

    def tell(self, what: str, value: Delivery | Dropped | Failure | Restart | Stall | object) -> None:
        for observer in tuple(self.observers):
            method = getattr(observer, what, None)
            if method is None:
                continue
            try:
                method(value)
            except Exception as error:
                self.observers.remove(observer)
                # Not a warning: made an error by a filter, it would break the step in hand.
                _log.error(
                    "%s.%s raised %r and is no longer told: an observer must not fail.",
                    type(observer).__name__,
                    what,
                    error,
                    exc_info=error,
                )

    def _first(self, direction: Direction) -> Cell | Exit:
        if direction is DOWN:
            return self.cells[0] if self.cells else self.sink
        return self.cells[-1] if self.cells else self.source

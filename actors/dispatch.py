"""How a frame gets from one actor to the next: the walk, what a handler's effects do, and the interruption step.

1. Nothing here awaits but `breathe`. What may wait is told whose lane is overfull, and waits itself.
2. All effects of a handler are in mailboxes before any of their receivers runs; only the last one goes on in the same
   step. So direct delivery gives no order that mailboxes couldn't have given, and the walk is a loop, never a recursion.
3. Whoever comes from outside a handler (a runner, a task, a timer, the session) ends its step with `drain`: what has
   become ready is run there or by a runner, never forgotten.
"""

from __future__ import annotations

import logging
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import trio

from ..channels.frames import EndFrame, Frame, InterruptionFrame, InterruptionWorkerFrame, StopFrame
from ..channels.mailbox import DOWN, UP, Answer, Direction, Envelope
from .actor import Route
from .delivery import Delivery, Dropped, DropReason, Event
from .effects import (
    FRAME_TYPES,
    Address,
    After,
    Both,
    Down,
    Effect,
    Finish,
    Fire,
    Immune,
    Interrupt,
    To,
    Up,
    effects_of,
    fault_of,
)
from .events import Events
from .hand import Hand
from .node import BUSY, Exit, Node, Payer
from .observe import Observers
from .runner import Runner

if TYPE_CHECKING:
    from .cell import Cell
    from .watch import Watch

_log = logging.getLogger("antiphon")

HANDLERS_A_TURN = 16
"""Handlers run before others get the loop: a checkpoint costs 5 us, a hop 0.5 (measured)."""
WAYS: Mapping[type, tuple[Direction, ...]] = {Up: (UP,), Down: (DOWN,), Both: (DOWN, UP)}
TURN_SECONDS = 0.001
"""The same in time, for slow handlers; in virtual time no clock decides."""


class Dispatcher:
    """The part of a session that all its cells share."""

    def __init__(
        self,
        observers: Observers,
        *,
        direct: bool,
        virtual: bool,
        seed: int | str,
        spawn: Callable[..., None],
    ) -> None:
        self.direct = direct
        self.virtual = virtual
        self.observers = observers
        self.spawn = spawn
        self.epoch = 0
        self.cells: list[Cell] = []
        self.book: dict[str, Cell] = {}
        self.templates: dict[int, Cell] = {}
        self.source = Exit(self, Address("source"), -1)
        self.sink = Exit(self, Address("sink"), 0)
        self.steps = HANDLERS_A_TURN
        """Handlers that may still run before others get the loop."""
        self.active_at = observers.clock()
        """When somebody last spoke."""
        self.watch: Watch
        self.is_over = False
        """Whether the session has ended, and nobody runs any more."""
        self.last_walk = 1
        """Handlers that the last frame pushed in has met: the next shall find a turn that is long enough, since a walk
        that has to stop costs two task switches."""
        self.on_request: Callable[[Frame], None] = lambda frame: None
        """Hears of frames that ask something of the session, when they reach an end."""
        self._slice_left = TURN_SECONDS
        self._slice_end = math.inf
        self.ready: deque[Cell] = deque()
        """Who may have something to begin."""
        self.due: deque[Cell] = deque()
        """Whose next handler is async, so that only a runner can run it."""
        # In virtual time without direct delivery the seed also decides who is next, so that every order is tried.
        self._chance = random.Random(f"{seed}/order") if virtual and not direct else None
        self.events = Events(spawn)
        self._idle: list[Runner] = []
        self._called = False

    # ---- sending

    def send(self, frame: Frame, direction: Direction, payer: Payer) -> None:
        """Bring a frame in at an end."""
        facts = FRAME_TYPES[type(frame)]
        assert facts is not None
        end, node = (self.source, self.source.down) if direction is DOWN else (self.sink, self.sink.up)
        if facts[2]:
            self.active_at = self.observers.clock()
        steps = self._begin_step()
        self.carry(Envelope(frame, end.address, direction, self.epoch, facts[1]), node, payer)
        self._end_step(steps, is_first=False)
        self.last_walk = steps - self.steps

    def push(self, hand: Hand, effects: Sequence[Effect]) -> None:
        """Let effects of an async handler or a task happen."""
        steps = self._begin_step()
        cell = hand.cell
        is_first = not hand.sent
        facts = FRAME_TYPES[type(effects[0])] if len(effects) == 1 else None
        if facts is not None:
            if facts[2]:
                self.active_at = self.observers.clock()
            hand.has_sent()
            envelope = hand.envelope_for(effects[0], None, facts[1])  # type: ignore[arg-type]  # only frames have facts
        else:
            for effect in effects:
                in_hand = None if hand.envelope is None else hand.envelope.frame
                if fault := fault_of(effect, in_hand, cell.actor.events):
                    raise TypeError(f"{cell.address}: {type(cell.actor).__name__}.push() was given {fault}")
            envelope = self.happen(hand, effects)
            if hand.root.finishes and hand.root.envelope is None:
                cell.finish()  # said by a task, so no handler's end is waited for
        if envelope is not None:
            node = cell.down if envelope.direction is DOWN else cell.up
            self.carry(envelope, node, hand if hand.waits else None)
        self._end_step(steps, is_first=is_first)

    def message(self, address: Address, message: object, sender: Address | None) -> None:
        """Put a message into an actor's system lane."""
        envelope = Envelope(message, sender, None, self.epoch, True)
        cell = self.resolve(address)
        if cell is None or cell.is_gone or cell.routes[type(message)].handler is None:
            self.drop(envelope, "unknown address" if cell is None or not cell.is_gone else "finished", address)
            return
        cell.mailbox.put_system(envelope)
        self.schedule(cell)

    def drop(self, envelope: Envelope, reason: DropReason, receiver: Address, *, begun: Delivery | None = None) -> None:
        """Tell that something is handled no more; `begun` if a handler had begun with it."""
        if self.observers:
            delivery = begun or self.observers.delivery_of(envelope, receiver, 0)
            self.observers.tell("dropped", Dropped(delivery, reason))

    def resolve(self, address: Address) -> Cell | None:
        if address.template is not None and (cell := self.templates.get(id(address.template))) is not None:
            return cell
        return self.book.get(address.name)

    # ---- the walk

    def carry(self, envelope: Envelope, node: Node, payer: Payer | None) -> None:
        """Walk on until somebody keeps the envelope. `payer` sent it, and later senders each pay for what they send.

        This loop is the hot path: an actor passed by costs 0.1 us, a plain handler that returns one frame about 0.5.
        """
        if envelope.epoch < self.epoch and not envelope.immune:
            self.drop(envelope, "stale", node.address)
            return
        kind = type(envelope.frame)
        down = envelope.direction is DOWN
        while True:
            route = node.routes[kind]
            lane = node.system if route.is_system else node.ordered
            if lane.hold or lane.waiting:
                break
            if route.handler is None:
                node = node.down if down else node.up
            elif (
                route.is_direct
                and self.direct
                and self.steps > 0
                and (route.is_system or not node.system.waiting or node.system.hold & BUSY)
            ):
                frame = envelope.frame
                made = self.perform(node, route, envelope)  # type: ignore[arg-type]  # only cells have handlers
                if made is None:
                    return
                payer = None if route.is_system else node  # type: ignore[assignment]  # as above
                if made is not envelope or made.frame is not frame:
                    envelope, kind, down = made, type(made.frame), made.direction is DOWN
                node = node.down if down else node.up
            else:
                break
        node.keep(envelope, route, payer)

    def put(self, envelope: Envelope, node: Node, payer: Payer | None) -> None:
        """As `carry`, but whoever handles it doesn't run yet."""
        if envelope.epoch < self.epoch and not envelope.immune:
            self.drop(envelope, "stale", node.address)
            return
        kind = type(envelope.frame)
        while True:
            route = node.routes[kind]
            lane = node.system if route.is_system else node.ordered
            if lane.hold or lane.waiting or route.handler is not None:
                node.keep(envelope, route, payer)
                return
            node = node.down if envelope.direction is DOWN else node.up

    def left(self, end: Exit, envelope: Envelope) -> None:
        """A frame has left at an end, or somebody has read it there."""
        self.steps -= 1
        if self.observers:
            self.observers.tell(
                "delivered", self.observers.delivery_of(envelope, end.address, self.observers.next_seq())
            )
        assert isinstance(envelope.frame, Frame)
        if type(envelope) is not Answer or not isinstance(envelope.frame, InterruptionWorkerFrame):
            self.on_request(envelope.frame)

    # ---- handling

    def perform(self, cell: Cell, route: Route, envelope: Envelope) -> Envelope | None:
        """Run a plain handler as a transaction. Returns its last effect, if that is a frame, ready to be carried on."""
        self.steps -= 1
        if not self.steps & 3 and perf_counter() > self._slice_end:
            self.steps = 0
        frame = envelope.frame
        effects: Sequence[Effect] = ()
        hand: Hand | None = None
        cell.in_hand = envelope
        try:
            if self.observers:
                cell.note_begin(envelope)
            result = route.handler(cell.actor, frame)  # type: ignore[misc]  # only called for routes with one
            facts = route.facts if result is frame else FRAME_TYPES[type(result)]
            if facts is None and result is not None:
                effects = effects_of(result, cell.address, route.handler, frame, cell.actor.events)  # type: ignore[arg-type]  # as above
            if cell.transaction is not None and self.virtual:
                cell.transaction.check()
        except Exception as error:
            cell.in_hand = None
            if cell.transaction is not None:
                cell.transaction.undo()
                cell.transaction = None
            cell.fail(error, envelope, system=route.is_system or envelope.direction is None)
            return None
        cell.in_hand = None
        if facts is not None and (not cell.has_ended or result is frame):
            # The fast form, `return frame`: the same envelope goes on.
            if envelope.immune:
                envelope.epoch = self.epoch  # also of what has no turn of its own: system frames and messages
            if result is not frame:
                envelope.frame = result
                envelope.token = None
                if facts[2]:
                    self.active_at = self.observers.clock()
            envelope.immune = facts[1]
            envelope.sender = cell.address
            made: Envelope | None = envelope
        elif result is None:
            made = None
        else:
            hand = Hand.for_handler(cell, envelope, ordered=not route.is_system and envelope.direction is not None)
            made = self.happen(hand, effects if facts is None else (result,))
            for node in hand.overfull:
                cell.overfilled(node)
        if cell.transaction is not None:
            done, cell.transaction = cell.transaction, None
            done.commit()
        if hand is not None and hand.finishes:
            cell.handled(frame, envelope.epoch)
            cell.finish(at_end=isinstance(frame, (EndFrame, StopFrame)))
        return made

    def happen(self, hand: Hand, effects: Sequence[Effect]) -> Envelope | None:
        """Let checked effects happen, in order. The last one, if it sends a frame, is returned, to be carried on."""
        last: Envelope | None = None
        for effect in effects:
            facts = FRAME_TYPES[type(effect)]
            if facts is not None:
                # The usual one, first.
                last = self._then(hand, last, effect, None, facts[1], facts[2])  # type: ignore[arg-type]  # only frames have facts
                continue
            immune = isinstance(effect, Immune)
            inner = effect.effect if isinstance(effect, Immune) else effect
            ways: tuple[Direction | None, ...] = (None,)
            if type(inner) in WAYS:
                ways = WAYS[type(inner)]
                inner = inner.frame  # type: ignore[union-attr]  # as its type says
            if isinstance(inner, Frame):
                facts = FRAME_TYPES[type(inner)]
                if facts is not None:
                    for way in ways:
                        last = self._then(hand, last, inner, way, immune or facts[1], facts[2])
                    continue
                if not isinstance(inner, InterruptionFrame) or (hand.envelope and inner is hand.envelope.frame):
                    continue  # what is in hand passes by itself
                inner = Interrupt()
            if last is not None:
                self._put_for(hand, last)
                last = None
            self._do(hand, inner)
        if last is not None and hand.root.finishes:
            # It goes before what its actor lets pass once it has ended, and whoever goes down with it begins it later.
            self._put_for(hand, last)
            last = None
        return last

    def _then(
        self,
        hand: Hand,
        last: Envelope | None,
        frame: Frame,
        direction: Direction | None,
        immune: bool,
        is_activity: bool,
    ) -> Envelope | None:
        if last is not None:
            self._put_for(hand, last)
        if is_activity:
            self.active_at = self.observers.clock()
        hand.has_sent()
        return hand.envelope_for(frame, direction, immune)

    def _put_for(self, hand: Hand, envelope: Envelope) -> None:
        cell = hand.cell
        self.put(envelope, cell.down if envelope.direction is DOWN else cell.up, hand if hand.waits else None)

    def _do(self, hand: Hand, effect: object) -> None:
        """An effect that sends no frame."""
        match effect:
            case To():
                self.message(effect.address, effect.message, hand.cell.address)
            case After():
                hand.cell.arm(effect)
            case Finish():
                hand.root.finishes = True
            case Fire():
                self._fire(hand.cell, effect)
            case _:
                assert isinstance(effect, Interrupt)
                self._interrupt_by(hand)
                return
        hand.has_sent()

    def _fire(self, cell: Cell, fired: Fire) -> None:
        of = cell if fired.of is None else self.resolve(fired.of)
        if of is None:
            _log.error(
                "%s fired %s of %s, and no actor of this session has that address", cell.address, fired.name, fired.of
            )
            return
        listeners = of.template.listeners(fired.name)
        if not listeners and not self.observers:
            return
        event = Event(self.observers.now(), of.address, fired.name, fired.payload)
        self.observers.tell("fired", event)
        self.events.fire(of, fired, event, listeners)

    def serve(self, cell: Cell, route: Route, envelope: Envelope) -> None:
        """Handle, by a plain handler or by passing it on, what was taken from a mailbox; then see what is next."""
        frame, epoch = envelope.frame, envelope.epoch
        made: Envelope | None = envelope
        payer: Payer | None = None if route.is_system or envelope.direction is None else cell
        if route.handler is not None:
            made = self.perform(cell, route, envelope)
            if made is envelope:
                # What came of a message goes down, and what came of a second try is new.
                envelope.direction = envelope.direction or DOWN
                envelope.failures = 0
                if type(frame) is InterruptionFrame and frame.epoch == self.epoch:
                    made = Answer(envelope.frame, envelope.sender, envelope.direction, envelope.epoch, envelope.immune)
        elif route.is_lifecycle:
            made = None
        if cell.ordered.hold and not cell.is_down:
            cell.handled(frame, epoch)
        if route.is_lifecycle:
            cell.end_handled(frame)
        if made is not None:
            self.carry(made, cell.down if made.direction is DOWN else cell.up, payer)
        if route.is_lifecycle:
            cell.lifecycle_handled(frame)
        if cell.system.waiting or cell.ordered.waiting:
            self.schedule(cell)

    # ---- who is next

    def schedule(self, cell: Cell) -> None:
        """See that what a cell may begin is begun, in this step or by a runner."""
        if not cell.is_scheduled:
            cell.is_scheduled = True
            self.ready.append(cell)

    def drain(self) -> None:
        """Run the plain handlers that are ready, while this turn lasts; the rest is left to a runner."""
        ready = self.ready
        while ready and self.steps > 0 and self.direct:
            cell = ready.popleft()
            found = cell.next()
            if found is None:
                cell.is_scheduled = False
            elif found[1].is_async:
                self.due.append(cell)
            else:
                cell.is_scheduled = False
                self.serve(cell, found[1], cell.take(found[0]))
        if ready or self.due:
            self.call_runner()

    def next_ready(self) -> Cell | None:
        """Whom a runner serves next."""
        ready = self.ready
        if self._chance is not None and ready:
            ready.rotate(self._chance.randrange(len(ready)))
        cell = ready.popleft() if ready else self.due.popleft() if self.due else None
        if cell is not None:
            cell.is_scheduled = False
        return cell

    def call_runner(self) -> None:
        """Let a runner look what is ready, if none has been called yet."""
        if not self._called and (self.ready or self.due) and not self.is_over:
            self._called = True
            if self._idle:
                self._idle.pop().wake()
            else:
                self.spawn(Runner(self).run)

    def answers(self) -> None:
        """A called runner has come, and begins a turn's work."""
        self._called = False
        self._begin_step()

    def rests(self, runner: Runner) -> None:
        self._idle.append(runner)

    # ---- turns

    @property
    def is_turn_over(self) -> bool:
        """Whether a frame like the last one that was pushed in might have to stop on its way."""
        return self.steps < self.last_walk

    def begin_turn(self) -> None:
        """A new turn begins: others had the loop, or will have it at once."""
        self.steps = HANDLERS_A_TURN if self._chance is None else self._chance.randint(1, HANDLERS_A_TURN)
        self._slice_left = TURN_SECONDS

    async def breathe(self) -> None:
        """Let others have the loop; a new turn begins."""
        self.begin_turn()
        await trio.lowlevel.checkpoint()
        self._begin_step()

    def _begin_step(self) -> int:
        if not self.virtual:
            self._slice_end = perf_counter() + self._slice_left
        return self.steps

    def _end_step(self, steps: int, *, is_first: bool) -> None:
        """Run what has become ready, and count the time against the turn: idle time between two steps isn't.

        What only queues counts like a handler, but for a handler's first: who only pushes must let others have the loop.
        """
        if self.ready:
            self.drain()
        if self.steps == steps and not is_first:
            self.steps -= 1
        if not self.virtual:
            self._slice_left = self._slice_end - perf_counter()
            if self._slice_left < 0:
                self.steps = 0

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
        frame = InterruptionFrame(self.epoch)
        for cell in self.cells:
            cell.interrupt(frame, self.epoch, by)
        for cell in self.cells:
            if cell.system.waiting or cell.ordered.waiting:
                self.schedule(cell)

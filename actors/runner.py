"""A runner: one of the few tasks that run what a sender can't. All actors of a session share them.

1. A handler that waits keeps its runner; whoever else is ready is served by the next one. So a session has as many
   runners as handlers wait at once, and one more.
2. One cancel scope for many handlers, since to open one costs as much as ten hops. It is left after each cut, so a cut
   that came too late, when its handler had ended without another wait, never hits the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..channels.mailbox import DOWN, Envelope
from .actor import Route
from .effects import Effect, effects_of
from .hand import Hand, in_hand
from .last_resort import was_killed
from .node import BUSY, Lane
from .transaction import check_durables

if TYPE_CHECKING:
    from .cell import Cell
    from .dispatch import Dispatcher


class Runner:
    """`run` is the body of its task."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._scope = trio.CancelScope()
        self._task: trio.lowlevel.Task

    def wake(self) -> None:
        trio.lowlevel.reschedule(self._task)

    async def run(self) -> None:
        self._task = trio.lowlevel.current_task()
        self._dispatcher.answers()
        while True:
            try:
                with trio.CancelScope() as self._scope:
                    await self._serve_until_cut()
            except BaseException as error:
                if not was_killed(error):
                    raise

    async def _serve_until_cut(self) -> None:
        dispatcher = self._dispatcher
        was_cut = False
        while not was_cut:
            if dispatcher.steps <= 0:
                await dispatcher.breathe()
            cell = dispatcher.next_ready()
            if cell is None:
                in_hand.set(None)
                dispatcher.rests(self)
                await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)
                dispatcher.answers()
                continue
            found = cell.next()
            if found is None:
                continue
            lane, route = found
            envelope = cell.take(lane)
            if route.is_async:
                was_cut = await attend(cell, lane, route, envelope, scope=self._scope, task=self._task)
            else:
                dispatcher.serve(cell, route, envelope)


async def attend(
    cell: Cell, lane: Lane, route: Route, envelope: Envelope, *, scope: trio.CancelScope, task: trio.lowlevel.Task
) -> bool:
    """Run an async handler in this task, and keep its lane busy. `scope` is what cuts it. True when it was."""
    dispatcher = cell.dispatcher
    handler = route.handler
    assert handler is not None
    is_system = lane is not cell.ordered
    hand = Hand.for_handler(cell, envelope, ordered=not is_system)
    hand.lane, hand.scope, hand.task = lane, scope, task
    hand.since = dispatcher.observers.clock()
    lane.hold |= BUSY
    lane.hand = hand
    if dispatcher.watch.sleeps:
        dispatcher.watch.wake()
    if is_system and cell.ordered.waiting:
        # A system handler blocks ordered frames only while it hasn't begun.
        dispatcher.schedule(cell)
    if dispatcher.ready or dispatcher.due:
        dispatcher.call_runner()  # whoever else is ready doesn't wait for this handler
    dispatcher.steps -= 1
    in_hand.set(hand)
    actor = cell.actor
    effects: tuple[Effect, ...] = ()
    try:
        if dispatcher.observers:
            cell.note_begin(envelope, hand)
        result = await handler(actor, envelope.frame)
        if hand.assigned and dispatcher.virtual and not hand.dead:
            check_durables(actor, actor._durables)
        if result is not None and not (hand.dead or hand.cut):
            effects = effects_of(result, cell.address, handler, envelope.frame, cell.actor.events)
    except Exception as error:
        if not hand.dead:
            cell.fail(error, envelope, hand=hand)
            if route.is_lifecycle:
                cell.lifecycle_handled(envelope.frame)
    finally:
        was_dead = hand.dead
        if was_dead:
            _unwound(cell, hand)
        else:
            _end(cell, route, hand, envelope, effects)
    return was_dead or hand.cut


def _end(cell: Cell, route: Route, hand: Hand, envelope: Envelope, effects: tuple[Effect, ...]) -> None:
    """The handler has ended: let happen what it returned. Whatever the last effect sets off finds it done with, as it
    would if a mailbox lay between.
    """
    dispatcher = cell.dispatcher
    last = dispatcher.happen(hand, effects) if effects else None
    hand.dead = True
    lane = hand.lane
    lane.hand = None
    lane.hold &= ~BUSY
    if cell.ordered.hold:
        cell.handled(envelope.frame, envelope.epoch)
    if route.is_lifecycle:
        cell.end_handled(envelope.frame)
    if last is not None:
        dispatcher.carry(last, cell.down if last.direction is DOWN else cell.up, hand if hand.waits else None)
    for node in hand.overfull:
        cell.overfilled(node)
    if route.is_lifecycle:
        cell.lifecycle_handled(envelope.frame)
    if hand.finishes:
        cell.finish()
    if cell.system.waiting or cell.ordered.waiting:
        dispatcher.schedule(cell)


def _unwound(cell: Cell, hand: Hand) -> None:
    """A handler that was given up before has ended at last."""
    cell.tasks.hands.discard(hand)
    cell.tasks.one_ended()
    if cell.release(hand):
        cell.dispatcher.schedule(cell)

"""One lane of a cell: why its first envelope may not be begun, and the loop that begins what no sender can.

1. At most one handler runs in a lane; the loop awaits it, so the next begins when it has ended.
2. Whatever ends an async handler (its end, a cut, a failure, a stop) goes through `release`: no lane stays busy for ever.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from ..channels.frames import StartFrame
from ..channels.mailbox import Envelope
from .actor import Route
from .effects import Effect, effects_of
from .hand import Hand, in_hand
from .tasks import Task

if TYPE_CHECKING:
    from .cell import Cell

# Why a lane isn't free; held together as bits, because the walk asks at each hop.
CLOSED: Final = 1  # no incarnation that has handled its StartFrame
BUSY: Final = 2  # an async handler of this lane runs
CLOGGED: Final = 4  # what its last plain handler sent has overfilled a later lane
GATED: Final = 8  # an InterruptionFrame waits to be handled
SLOW: Final = 16  # may be handled, but not by a sender: the actor is ending


class Lane:
    """The system lane of a cell, or its ordered one."""

    __slots__ = ("_cell", "_loop", "_parked", "_scope", "hand", "hold", "is_system", "waiting")

    def __init__(self, cell: Cell, waiting: deque[Envelope], *, is_system: bool) -> None:
        self._cell = cell
        self.waiting = waiting
        """The mailbox's own."""
        self.is_system = is_system
        self.hold = CLOSED
        self.hand: Hand | None = None
        """Of the async handler that runs."""
        self._loop: Task | None = None
        self._parked: trio.lowlevel.Task | None = None
        self._scope = trio.CancelScope()
        """What an interruption cuts."""

    def next(self) -> Route | None:
        """The route of the first envelope, if that may be begun now."""
        if not self.waiting or self.hold & ~SLOW:
            return None
        cell = self._cell
        frame = self.waiting[0].frame
        route = cell.routes[type(frame)]
        if self.is_system:
            return None if cell.is_starting and not isinstance(frame, StartFrame) else route
        # A system frame goes first, but for one that waits behind a system handler.
        if cell.system.waiting and not cell.system.hold & BUSY:
            return None
        return None if route.is_lifecycle and not cell.is_drained else route

    def take(self) -> Envelope:
        mailbox = self._cell.mailbox
        return mailbox.take_system() if self.is_system else mailbox.take_ordered()

    def cut(self, epoch: int, by: Hand | None) -> None:
        """Cut the handler of an interruptible frame of an older epoch."""
        hand = self.hand
        if hand is None or hand is by or hand.cut:
            return
        assert hand.envelope is not None
        if not hand.envelope.immune and (hand.epoch is None or hand.epoch < epoch):
            hand.cut = True
            self._scope.cancel()

    def wake(self) -> None:
        """See that the loop looks what can be begun."""
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)
        elif self._loop is None and not self._cell.is_down:
            self._loop = Task()
            self._cell.tasks.spawn(self._serve, self._loop)

    async def _park(self) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._parked = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _serve(self) -> None:
        loop = self._loop
        try:
            while True:
                # One scope for many handlers: to open one costs as much as four hops.
                with trio.CancelScope() as self._scope:
                    await self._serve_until_cut()
        finally:
            if self._loop is loop:
                self._loop = None

    async def _serve_until_cut(self) -> None:
        cell = self._cell
        dispatcher = cell.dispatcher
        while True:
            if dispatcher.steps <= 0:
                await dispatcher.breathe()
            if self.hold & CLOGGED:
                await cell.wait_until_unclogged()
            route = self.next()
            if route is None:
                await self._park()
                continue
            envelope = self.take()
            if route.is_async:
                was_cut = await self.attend(route, envelope)
            else:
                was_cut = False
                dispatcher.handle_taken(cell, route, envelope)
            dispatcher.drain()
            # A cut that came too late, when the handler had ended without another wait, must not hit the next frame.
            if was_cut:
                return

    async def attend(self, route: Route, envelope: Envelope) -> bool:
        """Run an async handler. True when an interruption cut it."""
        cell = self._cell
        dispatcher = cell.dispatcher
        handler = route.handler
        assert handler is not None
        hand = dispatcher.hand_for(cell, envelope, ordered=not self.is_system)
        hand.under, self.hand = self.hand, hand
        hand.since = trio.current_time()
        self.hold |= BUSY
        if self.is_system and cell.ordered.waiting:
            # An ordered frame may be begun now: a system handler blocks it only while it hasn't begun. But not in this
            # step, where it would come first.
            cell.ordered.wake()
        in_hand.set(hand)
        actor = cell.actor
        effects: tuple[Effect, ...] = ()
        try:
            dispatcher.begin_async(cell, hand)
            result = await handler(actor, envelope.frame)
            if hand.assigned and dispatcher.virtual and not hand.dead:
                cell.check_durables(actor._durables)
            if result is not None and not (hand.dead or hand.cut):
                effects = effects_of(result, cell.address, handler, envelope.frame)
        except Exception as error:
            if not hand.dead:
                cell.fail(error, envelope, hand=hand)
                if route.is_lifecycle:
                    cell.lifecycle_handled(envelope)
        finally:
            in_hand.set(None)
            if not hand.dead:
                self._end(route, envelope, hand, effects)
            elif self.release(hand):
                dispatcher.schedule(cell)
        return hand.cut

    def _end(self, route: Route, envelope: Envelope, hand: Hand, effects: tuple[Effect, ...]) -> None:
        """The handler has ended: let happen what it returned. Whatever the last effect sets off finds it done with, as
        it would if a mailbox lay between.
        """
        cell = self._cell
        dispatcher = cell.dispatcher
        if effects:
            dispatcher.put_all(hand, effects[:-1])
        hand.dead = True
        self.release(hand)
        cell.handled(envelope)
        if effects:
            for node in dispatcher.apply(hand, effects[-1:]):
                cell.clog(node)
        if route.is_lifecycle:
            cell.lifecycle_handled(envelope)
        if self.is_system:
            # An ordered frame may have waited for this.
            dispatcher.schedule(cell)

    def release(self, hand: Hand) -> bool:
        """Free the lane of a handler. False when it was free of it already."""
        if self.hand is not hand:
            if self.hand is not None and self.hand.under is hand:
                self.hand.under = None
            return False
        self.hand = hand.under
        if hand.under is not None:
            return False
        self.hold &= ~BUSY
        return True

"""What stands between and around cells: the ends of a session, and the two forks of each `Parallel`.

1. A node is somewhere for frames to go: a walk asks its lanes first, and hands over by `keep` what can't be handled at once.
2. A fork never runs a handler: it only puts. So each frame has entered all branches before the next one enters any.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import trio

from ..channels.frames import Frame, HeartbeatFrame, PipelineFlushFrame, SystemFrame
from ..channels.mailbox import DOWN, Direction, Envelope, Mailbox
from .actor import Route, Routes
from .effects import Address

if TYPE_CHECKING:
    from .dispatch import Dispatcher
    from .hand import Hand

# Why a lane isn't free; held together as bits, because the walk asks at each hop.
CLOSED: Final = 1  # no incarnation that has handled its StartFrame
BUSY: Final = 2  # an async handler of this lane runs
CLOGGED: Final = 4  # what its last plain handler sent has overfilled a later lane
GATED: Final = 8  # an InterruptionFrame waits to be handled
PAUSED: Final = 32  # a pause frame has named the actor, no resume frame since
BLOCKED: Final = CLOSED | BUSY | CLOGGED | GATED | PAUSED
QUEUED: Final = 16  # may be handled, but not by a sender: the actor is ending; or it is a node that keeps everything


class Payer(Protocol):
    """Who sent something, and waits if that has overfilled a lane."""

    def overfilled(self, node: Node) -> None: ...


class Lane:
    """One of the two lanes of a node, as a walk sees it."""

    __slots__ = ("hand", "hold", "waiting")

    def __init__(self, waiting: deque[Envelope], hold: int) -> None:
        self.waiting = waiting
        """The mailbox's own."""
        self.hold = hold
        self.hand: Hand | None = None
        """Of the async handler that runs."""


class Node:
    """A place on the way of frames."""

    system: Lane
    ordered: Lane

    def __init__(self, address: Address, index: int, routes: Routes) -> None:
        self.address = address
        self.index = index
        """Its place in the order of the pipeline; waits only point to a higher one."""
        self.routes = routes
        self.up = self.down = self
        self.mailbox: Mailbox | None = None

    def keep(self, envelope: Envelope, route: Route, payer: Payer | None) -> None:
        """Take what comes: queue it, let it out, or pass it on."""
        raise NotImplementedError

    def be_watched(self) -> None:
        """While the session ends: somebody waits for this node to get on."""

    def patient_until(self) -> float:
        """The moment until which it may get on with nothing; minus infinity where nobody is to be given up."""
        return -math.inf


class _Stop(Node):
    """A node that handles nothing: each frame that comes is kept."""

    def __init__(self, dispatcher: Dispatcher, address: Address, index: int) -> None:
        super().__init__(address, index, Routes({}))
        self.dispatcher = dispatcher
        self.system = self.ordered = Lane(deque(), QUEUED)


class Exit(_Stop):
    """One end of a session: what comes here has left the pipeline."""

    def __init__(self, dispatcher: Dispatcher, address: Address, index: int) -> None:
        super().__init__(dispatcher, address, index)
        # `mailbox` is there once somebody reads what leaves; then it has a bound.
        self.readers = trio.lowlevel.ParkingLot()
        self.on_arrival: Callable[[], object] = lambda: None
        """For readers that aren't Trio tasks."""

    def keep(self, envelope: Envelope, route: Route, payer: Payer | None) -> None:
        frame, mailbox = envelope.frame, self.mailbox
        assert isinstance(frame, Frame)
        if mailbox is None or route.is_lifecycle or isinstance(frame, (HeartbeatFrame, PipelineFlushFrame)):
            self.dispatcher.left(self, envelope)
            return
        (mailbox.put_system if isinstance(frame, SystemFrame) else mailbox.put_ordered)(envelope)
        self.readers.unpark()
        self.on_arrival()
        if payer is not None and envelope.direction is DOWN and not route.is_system and mailbox.is_overfull:
            payer.overfilled(self)


class Token:
    """Shared by all copies of a frame that entered a `Parallel`: the first one out ends it."""

    __slots__ = ("forks", "is_spent", "outer")

    def __init__(self, forks: Forks, outer: object) -> None:
        self.forks = forks
        self.outer = outer
        """Of the Parallel around this one, to be carried again outside."""
        self.is_spent = False

    def lets_out(self) -> bool:
        """A copy has come: whether it goes on."""
        was_spent, self.is_spent = self.is_spent, True
        return not was_spent

    def spend(self) -> None:
        """One of the copies goes no further, so none shall: here and in the branches around."""
        token: object = self
        while isinstance(token, Token):
            token.is_spent = True
            token = token.outer


class Muster(Token):
    """Of a frame that goes on with its last copy."""

    __slots__ = ("due",)

    def __init__(self, forks: Forks, outer: object) -> None:
        super().__init__(forks, outer)
        self.due = len(forks.top.inner)

    def lets_out(self) -> bool:
        self.due -= 1
        return not self.due


class Forks:
    """The two forks of one `Parallel`: `top` splits what goes down and joins what goes up, `bottom` the other way round."""

    def __init__(self, dispatcher: Dispatcher, name: str, index: int) -> None:
        self.top = Fork(dispatcher, Address(name), index, self)
        self.bottom = Fork(dispatcher, Address(name), index, self)
        self.has_started = False
        self.ends_due = 0
        """Branches that have yet to let EndFrame out."""
        self.leaving: list[tuple[Fork, Envelope, Payer | None]] | None = None
        """While a frame enters the branches: what leaves by those in which nobody handles it."""


class Fork(_Stop):
    """One of them."""

    def __init__(self, dispatcher: Dispatcher, address: Address, index: int, forks: Forks) -> None:
        super().__init__(dispatcher, address, index)
        self.forks = forks
        self.inner: list[Node] = []
        """The nearest node of each branch."""

    def keep(self, envelope: Envelope, route: Route, payer: Payer | None) -> None:
        enters: Direction = DOWN if self is self.forks.top else "up"
        if envelope.direction == enters:
            self._split(envelope, payer)
        elif self.forks.leaving is not None:
            self.forks.leaving.append((self, envelope, payer))
        else:
            self._join(envelope, payer)

    def _split(self, envelope: Envelope, payer: Payer | None) -> None:
        forks = self.forks
        make = Muster if isinstance(envelope.frame, PipelineFlushFrame) else Token
        shared = make(forks, envelope.token)
        leaving: list[tuple[Fork, Envelope, Payer | None]] = []
        forks.leaving = leaving
        for node in self.inner:
            copy = envelope.copy()
            copy.token = shared
            self.dispatcher.put(copy, node, payer)
        # Only now, since what leaves may reach an end and ask the session for something that enters the branches, too.
        forks.leaving = None
        for fork, each, its_payer in leaving:
            fork._join(each, its_payer)

    def _join(self, envelope: Envelope, payer: Payer | None) -> None:
        token = envelope.token
        if isinstance(token, Token) and token.forks is self.forks:
            envelope.token = token.outer
            if not token.lets_out():
                self.dispatcher.drop(envelope, "merged", self.address)
                return
        self.dispatcher.put(envelope, self.down if envelope.direction is DOWN else self.up, payer)

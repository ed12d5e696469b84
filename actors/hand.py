"""What a handler or a task has in hand, and what an actor may do meanwhile: push, start tasks, name an epoch.

A plain handler's hand is the cell's `in_hand`; an async handler and a task carry theirs in a context variable, so that
what they start finds it, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import trio

from ..channels.frames import ErrorFrame, Frame, InterruptionFrame, MetricsFrame, SystemFrame
from ..channels.mailbox import DOWN, Answer, Direction, Envelope
from .effects import Address, Effect, To
from .tasks import Task

if TYPE_CHECKING:
    from .actor import Actor
    from .cell import Cell
    from .delivery import Delivery
    from .node import Lane, Node


class Hand:
    """One handling, or one task."""

    # What is rarely set stands in the class: a hand is made for each async handler.
    sent = assigned = cut = dead = finishes = has_passed = False
    overfull: list[Node] | tuple[()] = ()
    """Later nodes whose lanes it has overfilled and has not waited for yet."""
    of: Hand | None = None
    """Whose fate this one shares, which only sets another epoch."""
    starter: Hand | None = None
    """Of the handler that started this task."""
    begun: Delivery | None = None
    """As observers were told. This and what follows is only an async handler's."""
    lane: Lane
    """That it keeps busy."""
    since: float
    scope: trio.CancelScope
    """What cuts it."""
    task: trio.lowlevel.Task

    def __init__(
        self, cell: Cell, envelope: Envelope | None, direction: Direction | None, epoch: int | None, waits: bool
    ) -> None:
        self.cell = cell
        self.envelope = envelope
        self.direction: Direction = direction or DOWN
        self.began = cell.dispatcher.epoch
        """The session's epoch when it began."""
        self.epoch = epoch
        """The stamp of what it sends; None: the epoch at that moment."""
        self.waits = waits
        """Whether it waits for room: handlers of system frames and messages don't."""

    @classmethod
    def for_handler(cls, cell: Cell, envelope: Envelope, *, ordered: bool) -> Hand:
        """What a handler has in hand: it decides the stamp and the direction of what it sends."""
        if not ordered:
            epoch: int | None = cell.dispatcher.epoch
        else:
            epoch = None if envelope.immune else envelope.epoch
        return cls(cell, envelope, envelope.direction, epoch, ordered)

    @property
    def root(self) -> Hand:
        """The one that is cut, and from which something has come."""
        return self if self.of is None else self.of

    def has_sent(self) -> None:
        """Something has come of the work in hand."""
        root = self if self.of is None else self.of
        root.sent = True
        if root.starter is not None:
            root.starter.sent = True

    def envelope_for(self, frame: Frame, direction: Direction | None, immune: bool) -> Envelope | None:
        """The frame, ready to be sent; None when its actor has ended and may not send it any more. What is in hand may
        still pass, as it passes where nobody handles it.
        """
        cell = self.cell
        epoch = cell.dispatcher.epoch if self.epoch is None else self.epoch
        kind = Answer if self._answers(frame) else Envelope
        envelope = kind(frame, cell.address, direction or self.direction, epoch, immune)
        if self.envelope is not None and frame is self.envelope.frame:
            # The very object in hand, the first time, is still a copy of what went into the branches.
            envelope.token, self.envelope.token = self.envelope.token, None
        if cell.has_ended and not (isinstance(frame, (ErrorFrame, MetricsFrame)) or self._passes(envelope)):
            cell.dispatcher.drop(envelope, "finished", cell.address)
            return None
        return envelope

    def _passes(self, envelope: Envelope) -> bool:
        """Whether this is what is in hand, going on where it was going; for an actor that has ended."""
        in_hand, root = self.envelope, self.root
        if in_hand is None or envelope.frame is not in_hand.frame or envelope.direction != in_hand.direction:
            return False
        is_first, root.has_passed = not root.has_passed, True
        return is_first

    def _answers(self, frame: Frame) -> bool:
        """Whether this is sent because of the interruption that is being handled."""
        if self.envelope is None:
            return False
        if type(self.envelope) is Answer:
            return frame is self.envelope.frame
        in_hand = self.envelope.frame
        return type(in_hand) is InterruptionFrame and in_hand.epoch == self.cell.dispatcher.epoch

    def overfilled(self, node: Node) -> None:
        # Only for a later one does anybody wait: else a wait could close a circle.
        if node.index > self.cell.index:
            self.overfull = [*self.overfull, node]


in_hand: ContextVar[Hand | None] = ContextVar("in_hand", default=None)


def hand_of(cell: Cell) -> Hand | None:
    """What the running async handler or task of this cell has in hand."""
    hand = in_hand.get()
    return hand if hand is not None and hand.cell is cell else None


def sender_of(cell: Cell) -> Address | None:
    """Who sent what is being handled."""
    envelope = envelope_of(cell)
    return None if envelope is None else envelope.sender  # type: ignore[return-value]  # the runtime puts addresses


def direction_of(cell: Cell) -> Direction | None:
    """Where what is being handled was going."""
    envelope = envelope_of(cell)
    return None if envelope is None else envelope.direction


def envelope_of(cell: Cell) -> Envelope | None:
    """What is being handled, if anything is."""
    envelope = cell.in_hand
    if envelope is None:
        hand = hand_of(cell)
        envelope = None if hand is None else hand.envelope
    return envelope


def epoch_of(cell: Cell) -> int:
    """The stamp of what is sent now."""
    envelope = cell.in_hand
    if envelope is not None:
        is_bound = envelope.direction is not None and not isinstance(envelope.frame, SystemFrame)
        return envelope.epoch if is_bound and not envelope.immune else cell.dispatcher.epoch
    hand = hand_of(cell)
    return cell.dispatcher.epoch if hand is None or hand.epoch is None else hand.epoch


def push(cell: Cell, actor: Actor, effects: tuple[Effect, ...]) -> Coroutine[Any, Any, None]:
    """Let effects happen. Not async itself: a plain handler that forgets to await must hear of it, too."""
    if cell.in_hand is not None:
        raise RuntimeError(
            f"{cell.address}: push() in a plain handler. It never waits: `yield` or `return` the effect instead."
        )
    return _push(cell, actor, effects)


async def _push(cell: Cell, actor: Actor, effects: tuple[Effect, ...]) -> None:
    dispatcher = cell.dispatcher
    hand = in_hand.get()
    if hand is None or hand.cell is not cell:
        hand = Hand(cell, None, None, None, True)
    root = hand if hand.of is None else hand.of
    if actor is not cell.actor:
        await trio.lowlevel.checkpoint_if_cancelled()
        raise trio.BrokenResourceError(f"{cell.address}: this incarnation has ended, it can't send any more")
    if root.cut or cell.is_down:
        # What is cut or has failed sends only messages any more; its next wait tells it so.
        dispatcher.push(hand, () if root.cut else tuple(effect for effect in effects if isinstance(effect, To)))
        await trio.lowlevel.checkpoint_if_cancelled()
        return
    dispatcher.push(hand, effects)
    if hand.overfull:
        overfull, hand.overfull = hand.overfull, ()
        for node in overfull:
            await cell.wait_for_room(node)
    elif root.cut or cell.is_down:
        await trio.lowlevel.checkpoint_if_cancelled()
    elif dispatcher.steps <= 0:
        await dispatcher.breathe()


def start_task(
    cell: Cell,
    actor: Actor,
    run: Callable[..., Awaitable[object]],
    arguments: tuple[object, ...],
    interruptible: bool | None,
) -> None:
    """Run a task of this incarnation; in a plain handler, when that has ended well."""
    if actor is not cell.actor or cell.is_down:
        raise RuntimeError(f"{cell.address}: this incarnation has ended, it can't start tasks any more")
    if not callable(run):
        raise TypeError(
            f"{cell.address}: start_soon({run!r}) needs an async function. Write start_soon(function, argument...)."
        )
    is_plain = cell.in_hand is not None
    hand = None if is_plain else hand_of(cell)
    starter = None if hand is None else hand.root.starter or hand.root
    in_handler = is_plain or starter is not None
    epoch = epoch_of(cell)

    def begin() -> None:
        # A plain handler's own Interrupt() has happened by now, and its tasks belong to the new turn.
        stamp = (cell.dispatcher.epoch if is_plain else epoch) if in_handler else None
        mine = Hand(cell, None, None, stamp, True)
        mine.starter = starter

        async def body() -> None:
            in_hand.set(mine if in_handler else None)
            await run(*arguments)

        cut = in_handler if interruptible is None else interruptible
        cell.tasks.spawn(body, Task(mine, interruptible=cut, in_handler=in_handler))

    if not cell.defer(begin):
        begin()


@contextmanager
def at(cell: Cell, epoch: int) -> Iterator[None]:
    """What is pushed inside carries this stamp."""
    hand = hand_of(cell)
    if hand is None:
        there = Hand(cell, None, None, epoch, True)
    else:
        there = Hand(cell, hand.envelope, hand.direction, epoch, hand.waits)
        there.of = hand.root
    there.began = epoch
    token = in_hand.set(there)
    try:
        yield
    finally:
        in_hand.reset(token)

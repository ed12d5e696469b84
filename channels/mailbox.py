"""One receiver's mailbox: two lanes, and what may pass from a dead turn into a live one.

1. Only a sender waits, and only for room in the ordered lane; what it sent is in the lane already while it waits.
2. An envelope leaves exactly once: taken, or dropped with a reason. Every `return` below is one of the two.
3. Nothing here awaits but `wait_for_room`, `PrioritySendChannel.send` and `PriorityReceiveChannel.receive`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Generic, Literal, Self, TypeVar

import attrs
import trio

from .frames import Frame, SystemFrame, Uninterruptible

__all__ = [
    "DOWN",
    "UP",
    "Direction",
    "Envelope",
    "Mailbox",
    "MailboxStatistics",
    "PriorityReceiveChannel",
    "PrioritySendChannel",
    "open_priority_channel",
]

T = TypeVar("T")

Direction = Literal["down", "up"]
DOWN: Final = "down"
UP: Final = "up"

MAX_PIECES = 256
"""Media pieces that may wait where media is shed; images have no length in seconds."""


class Envelope:
    """A frame or a message on its way, with what belongs to the sending and not to the value.

    Made for each sending and reused along a walk, so it is mutable and never leaves the runtime; observers see a
    `Delivery`.
    """

    __slots__ = ("direction", "epoch", "failures", "frame", "immune", "seconds", "sender")

    def __init__(
        self,
        frame: object,
        sender: object = None,
        direction: Direction | None = DOWN,
        epoch: int = 0,
        immune: bool = False,
    ) -> None:
        self.frame = frame
        self.sender = sender
        self.direction: Direction | None = direction
        self.epoch = epoch
        self.immune = immune
        self.failures = 0
        self.seconds: float | None = None

    def __repr__(self) -> str:
        return f"<Envelope {self.frame!r} from {self.sender} {self.direction} epoch {self.epoch}{' immune' if self.immune else ''}>"


class _MediaTypes(dict[type, bool]):
    """Whether a type carries sound or pictures, which may be shed when they come too late."""

    def __missing__(self, kind: type) -> bool:
        known = self[kind] = issubclass(kind, Frame) and any(
            name in ("audio", "image") for base in kind.__mro__ for name in getattr(base, "__annotations__", {})
        )
        return known


_IS_MEDIA = _MediaTypes()


def media_seconds(frame: object) -> float | None:
    """Seconds of sound in a frame, 0.0 for a picture, None for what isn't media and is never shed."""
    if not _IS_MEDIA[type(frame)]:
        return None
    audio = getattr(frame, "audio", None)
    if not audio:
        return 0.0
    samples = len(audio) / 2 / getattr(frame, "num_channels", 1)
    return samples / getattr(frame, "sample_rate", 16000)


class Mailbox:
    """Two lanes: `system`, unbounded and first; `ordered`, bounded in what goes downstream. Arguments beyond the
    bound are the session's.

    `max_media` is seconds of sound that may wait in the system lane, or above the bound of the ordered one.
    `on_drop(envelope, reason)` hears of each envelope that leaves without being taken.
    """

    __slots__ = (
        "_downstream",
        "_media_pieces",
        "_media_seconds",
        "_on_drop",
        "_senders",
        "epoch",
        "max_buffer",
        "max_media",
        "ordered",
        "system",
    )

    def __init__(
        self,
        max_buffer: int,
        *,
        max_media: float = 5.0,
        epoch: int = 0,
        on_drop: Callable[[Envelope, str], None] = lambda envelope, reason: None,
    ) -> None:
        if max_buffer < 1:
            raise ValueError(
                f"max_buffer is at least 1, not {max_buffer!r}: a lane without room could never take a frame"
            )
        self.system: deque[Envelope] = deque()
        self.ordered: deque[Envelope] = deque()
        self.epoch = epoch
        self.max_buffer = max_buffer
        self.max_media = max_media
        self._downstream = 0
        self._media_pieces = 0
        self._media_seconds = 0.0
        self._senders = trio.lowlevel.ParkingLot()
        self._on_drop = on_drop

    def accepts(self, envelope: Envelope) -> bool:
        """Whether the envelope may still be taken: immune, or not of a turn that an interruption ended."""
        return envelope.immune or envelope.epoch >= self.epoch

    @property
    def is_overfull(self) -> bool:
        """Whether more downstream envelopes wait in the ordered lane than its bound: who sent the last one should
        wait.
        """
        return self._downstream > self.max_buffer

    @property
    def is_full(self) -> bool:
        """Whether one more downstream envelope would be above the bound."""
        return self._downstream >= self.max_buffer

    @property
    def waiting_senders(self) -> int:
        """How many tasks wait for room."""
        return len(self._senders)

    @property
    def overfill(self) -> int:
        """By how many downstream envelopes the bound is exceeded."""
        return max(0, self._downstream - self.max_buffer)

    def put_system(self, envelope: Envelope, *, first: bool = False) -> None:
        """Queue in the system lane; `first` in front of all that waits there."""
        if first:
            self.system.appendleft(envelope)
            return
        self.system.append(envelope)
        if _IS_MEDIA[type(envelope.frame)]:
            self._count_media(envelope)
            while self._media_pieces > 1 and (self._media_pieces > MAX_PIECES or self._media_seconds > self.max_media):
                self._shed_system()

    def put_ordered(self, envelope: Envelope) -> bool:
        """Queue in the ordered lane, also beyond the bound. False when it came too late and was dropped as `stale`."""
        if not (envelope.immune or envelope.epoch >= self.epoch):
            self._on_drop(envelope, "stale")
            return False
        self.ordered.append(envelope)
        if envelope.direction is DOWN:
            self._downstream += 1
            if self._downstream > self.max_buffer and _IS_MEDIA[type(envelope.frame)]:
                self._shed_ordered()
        return True

    def put_back(self, envelope: Envelope, *, system: bool) -> None:
        """Return to the front of its lane what was taken and nothing came of."""
        if system:
            self.system.appendleft(envelope)
            if _IS_MEDIA[type(envelope.frame)]:
                self._count_media(envelope)
        elif self.accepts(envelope):
            self.ordered.appendleft(envelope)
            if envelope.direction is DOWN:
                self._downstream += 1
        else:
            self._on_drop(envelope, "interrupted")

    def take_system(self) -> Envelope:
        """The first envelope of the system lane. Raises `IndexError` when it is empty."""
        envelope = self.system.popleft()
        if envelope.seconds is not None:
            self._uncount_media(envelope)
        return envelope

    def take_ordered(self) -> Envelope:
        """The first envelope of the ordered lane. Raises `IndexError` when it is empty."""
        envelope = self.ordered.popleft()
        if envelope.direction is DOWN:
            self._downstream -= 1
            if self._senders:
                self._wake_senders()
        return envelope

    def interrupt(self, epoch: int) -> None:
        """Begin an epoch: what is interruptible and older leaves the ordered lane, and is refused from now on."""
        # The epoch moves before the lane is emptied, so nothing outdated can be put in between.
        self.epoch = epoch
        if not self.ordered:
            return
        waiting = list(self.ordered)
        self._refill(envelope for envelope in waiting if self.accepts(envelope))
        for envelope in waiting:
            if not self.accepts(envelope):
                self._on_drop(envelope, "interrupted")

    def clear(self, reason: str) -> None:
        """Drop all that waits, in order, the system lane first."""
        left = [*self.system, *self.ordered]
        self.system.clear()
        self._media_pieces, self._media_seconds = 0, 0.0
        self._refill(())
        for envelope in left:
            self._on_drop(envelope, reason)

    async def wait_for_room(self) -> None:
        """Wait while the ordered lane is over its bound; senders go on in the order in which they came.

        Cancelled, nothing is undone: what was sent is in the lane.
        """
        if self.is_overfull:
            await self._senders.park()

    def release_senders(self) -> None:
        """Let all senders go on, whatever waits: the receiver has ended for good."""
        self._senders.unpark_all()

    def _wake_senders(self) -> None:
        # With n waiting senders the last n envelopes are theirs: the first goes on when the rest fits beside the
        # others'.
        while self._senders and self._downstream - len(self._senders) < self.max_buffer:
            self._senders.unpark()

    def _refill(self, kept: Iterable[Envelope]) -> None:
        self.ordered.clear()
        self.ordered.extend(kept)
        self._downstream = sum(envelope.direction is DOWN for envelope in self.ordered)
        if self._senders:
            self._wake_senders()

    def _count_media(self, envelope: Envelope) -> None:
        envelope.seconds = media_seconds(envelope.frame) or 0.0
        self._media_pieces += 1
        self._media_seconds += envelope.seconds

    def _uncount_media(self, envelope: Envelope) -> None:
        assert envelope.seconds is not None
        self._media_pieces -= 1
        # Sums of floats drift; an empty lane sets them right.
        self._media_seconds = self._media_seconds - envelope.seconds if self._media_pieces else 0.0
        envelope.seconds = None

    def _shed_system(self) -> None:
        """Drop the oldest media of the system lane."""
        oldest = next(envelope for envelope in self.system if envelope.seconds is not None)
        self.system.remove(oldest)
        self._uncount_media(oldest)
        self._on_drop(oldest, "shed")

    def _shed_ordered(self) -> None:
        """Drop the oldest media that waits above the bound, until what is left of it there is within `max_media`."""
        above: list[tuple[Envelope, float]] = []
        position = 0
        for envelope in self.ordered:
            position += envelope.direction is DOWN
            if position > self.max_buffer and (seconds := media_seconds(envelope.frame)) is not None:
                above.append((envelope, seconds))
        total = sum(seconds for _, seconds in above)
        shed: list[Envelope] = []
        for envelope, seconds in above[:-1]:
            if total <= self.max_media and len(above) - len(shed) <= MAX_PIECES:
                break
            shed.append(envelope)
            total -= seconds
        if shed:
            gone = set(map(id, shed))
            self._refill([envelope for envelope in self.ordered if id(envelope) not in gone])
            for envelope in shed:
                self._on_drop(envelope, "shed")


@attrs.frozen
class MailboxStatistics:
    """What waits in a channel, and who has it open."""

    system: int
    """Frames in the system lane."""
    ordered: int
    """Frames in the ordered lane."""
    max_buffer: int
    open_send_channels: int
    open_receive_channels: int
    tasks_waiting_send: int
    tasks_waiting_receive: int


class _Shared:
    """What all clones of one channel's two ends have in common."""

    __slots__ = ("mailbox", "open_receivers", "open_senders", "receivers")

    def __init__(self, max_buffer: int) -> None:
        self.mailbox = Mailbox(max_buffer)
        self.receivers = trio.lowlevel.ParkingLot()
        self.open_senders = 0
        self.open_receivers = 0

    def statistics(self) -> MailboxStatistics:
        return MailboxStatistics(
            system=len(self.mailbox.system),
            ordered=len(self.mailbox.ordered),
            max_buffer=self.mailbox.max_buffer,
            open_send_channels=self.open_senders,
            open_receive_channels=self.open_receivers,
            tasks_waiting_send=self.mailbox.waiting_senders,
            tasks_waiting_receive=len(self.receivers),
        )


class PrioritySendChannel(trio.abc.SendChannel[T], Generic[T]):
    """The sending end; `clone()` for more senders. Made by `open_priority_channel`."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._closed = False
        shared.open_senders += 1

    def statistics(self) -> MailboxStatistics:
        return self._shared.statistics()

    def send_nowait(self, value: T) -> None:
        """Queue a value without waiting.

        Raises `trio.WouldBlock` when the ordered lane is full (nothing is queued then), `trio.ClosedResourceError`
        when this end
        is closed, `trio.BrokenResourceError` when no receiver is left.
        """
        self._check()
        mailbox = self._shared.mailbox
        if not isinstance(value, SystemFrame) and mailbox.is_full:
            raise trio.WouldBlock
        self._put(value)

    async def send(self, value: T) -> None:
        """Queue a value; wait while the ordered lane is over its bound.

        Cancelled at entry, nothing was sent; cancelled while it waits for room, the value is queued already. Raises
        like
        `send_nowait`, and `trio.BrokenResourceError` too when the last receiver goes while it waits.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check()
        self._put(value)
        mailbox = self._shared.mailbox
        if isinstance(value, SystemFrame) or not mailbox.is_overfull:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        await mailbox.wait_for_room()
        if not self._shared.open_receivers:
            raise trio.BrokenResourceError("the last receiver went while this value waited for it")

    def clone(self) -> Self:
        """Another sending end of the same channel; the channel ends for receivers when all are closed."""
        if self._closed:
            raise trio.ClosedResourceError
        return type(self)(self._shared)

    def close(self) -> None:
        """Close this end. Receivers still get what is queued."""
        if self._closed:
            return
        self._closed = True
        self._shared.open_senders -= 1
        if not self._shared.open_senders:
            self._shared.receivers.unpark_all()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this end of the channel is closed")
        if not self._shared.open_receivers:
            raise trio.BrokenResourceError("nobody receives any more")

    def _put(self, value: T) -> None:
        envelope = Envelope(value, immune=isinstance(value, Uninterruptible))
        if isinstance(value, SystemFrame):
            self._shared.mailbox.put_system(envelope)
        else:
            self._shared.mailbox.put_ordered(envelope)
        self._shared.receivers.unpark()


class PriorityReceiveChannel(trio.abc.ReceiveChannel[T], Generic[T]):
    """The receiving end: all system frames first, then the ordered lane. Made by `open_priority_channel`."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._closed = False
        shared.open_receivers += 1

    def statistics(self) -> MailboxStatistics:
        return self._shared.statistics()

    def receive_nowait(self) -> T:
        """The next value.

        Raises `trio.WouldBlock` when there is none, `trio.EndOfChannel` when there will be none,
        `trio.ClosedResourceError`
        when this end is closed.
        """
        if self._closed:
            raise trio.ClosedResourceError("this end of the channel is closed")
        mailbox = self._shared.mailbox
        if mailbox.system:
            return mailbox.take_system().frame  # type: ignore[return-value]  # only T's are put in
        if mailbox.ordered:
            return mailbox.take_ordered().frame  # type: ignore[return-value]
        if not self._shared.open_senders:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def receive(self) -> T:
        """The next value; wait for one. Cancelled, nothing is lost. Raises like `receive_nowait`, but for
        `trio.WouldBlock`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                value = self.receive_nowait()
            except trio.WouldBlock:
                await self._shared.receivers.park()
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return value

    def clone(self) -> Self:
        """Another receiving end of the same channel: each value goes to one of them."""
        if self._closed:
            raise trio.ClosedResourceError
        return type(self)(self._shared)

    def close(self) -> None:
        """Close this end. With the last one what is queued is discarded, and waiting senders hear of it."""
        if self._closed:
            return
        self._closed = True
        self._shared.open_receivers -= 1
        # A task that waits in `receive` on this very end must hear that it is closed.
        self._shared.receivers.unpark_all()
        if not self._shared.open_receivers:
            self._shared.mailbox.clear("closed")
            self._shared.mailbox.release_senders()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_priority_channel(max_buffer: int) -> tuple[PrioritySendChannel[T], PriorityReceiveChannel[T]]:
    """A channel with two lanes: system frames are received first and never wait; all else in order, at most
    `max_buffer` of it.

    The ends follow `trio.abc.SendChannel` and `trio.abc.ReceiveChannel`. Raises `ValueError` when `max_buffer` is
    less than 1.
    """
    shared = _Shared(max_buffer)
    return PrioritySendChannel[T](shared), PriorityReceiveChannel[T](shared)

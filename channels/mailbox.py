"""One receiver's mailbox: two lanes, and what may pass from a dead turn into a live one.

1. Only a sender waits, and only for room in the ordered lane; what it sent is in the lane already while it waits.
2. An envelope leaves exactly once: taken, or dropped with a reason. Every `return` below is one of the two.
3. Nothing here awaits but `wait_for_room`. Who can't await, a plain handler's actor, leaves word (`call_when_room`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Literal, cast

import trio

from .frames import InputAudioRawFrame, InputImageRawFrame, OutputAudioRawFrame, OutputImageRawFrame, SpriteFrame

__all__ = ["DOWN", "UP", "Direction", "Envelope", "Mailbox"]

Direction = Literal["down", "up"]
DOWN: Final = "down"
UP: Final = "up"

MAX_PIECES = 256
"""Media pieces that may wait where media is shed; pictures have no length in seconds."""

_SOUND = (InputAudioRawFrame, OutputAudioRawFrame)
_PICTURES = (InputImageRawFrame, OutputImageRawFrame, SpriteFrame)


class Envelope:
    """A frame or a message on its way, with what belongs to the sending and not to the value.

    Made for each sending and reused along a walk, so it is mutable and never leaves the runtime; observers see a
    `Delivery`.
    """

    __slots__ = ("direction", "epoch", "failures", "frame", "immune", "length", "sender", "token")

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
        self.length: int | None = None
        """Microseconds of sound while it is counted as media of a system lane."""
        self.token: object = None
        """What all copies of one frame share that went into the branches of a Parallel."""

    def copy(self) -> Envelope:
        """The same again, as sent; it hasn't been counted in a lane."""
        return type(self)(self.frame, self.sender, self.direction, self.epoch, self.immune)

    def __repr__(self) -> str:
        return f"<Envelope {self.frame!r} from {self.sender} {self.direction} epoch {self.epoch}{' immune' if self.immune else ''}>"


class Answer(Envelope):
    """What a handler of the present epoch's InterruptionFrame has sent: it asks for no further interruption."""

    __slots__ = ()


class _MediaTypes(dict[type, bool]):
    """Whether a type carries sound or pictures, which may be shed when they come too late."""

    def __missing__(self, kind: type) -> bool:
        known = self[kind] = issubclass(kind, (*_SOUND, *_PICTURES))
        return known


_IS_MEDIA = _MediaTypes()


def _length_of(media: object) -> int:
    """Microseconds of sound, 0 for a picture. Whole numbers, since sums of floats drift."""
    if not isinstance(media, _SOUND):
        return 0
    return len(media.audio) * 500_000 // (media.sample_rate * media.num_channels or 1)


class Mailbox:
    """Two lanes: `system`, unbounded and first; `ordered`, bounded in what goes downstream. Arguments beyond the
    bound are the session's.

    `max_media` is seconds of sound that may wait in the system lane, or above the bound of the ordered one.
    `on_drop(envelope, reason)` hears of each envelope that leaves without being taken, if anybody wants to know.
    """

    __slots__ = (
        "_downstream",
        "_max_length",
        "_media_length",
        "_media_pieces",
        "_on_drop",
        "_waiting",
        "epoch",
        "max_buffer",
        "ordered",
        "system",
    )

    def __init__(
        self,
        max_buffer: int,
        *,
        max_media: float = 5.0,
        epoch: int = 0,
        on_drop: Callable[[Envelope, str], None] | None = None,
    ) -> None:
        if not isinstance(max_buffer, int) or max_buffer < 1:
            raise ValueError(
                f"max_buffer is a whole number, at least 1, not {max_buffer!r}: a lane without room takes no frame"
            )
        self.system: deque[Envelope] = deque()
        self.ordered: deque[Envelope] = deque()
        self.epoch = epoch
        self.max_buffer = max_buffer
        self._max_length = max_media * 1e6
        self._downstream = 0
        self._media_pieces = 0
        self._media_length = 0
        self._waiting: deque[Callable[[], None]] = deque()
        """What lets each waiting sender go on, in the order in which they came."""
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
        return len(self._waiting)

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
            while self._media_pieces > 1 and self._is_too_much(self._media_pieces, self._media_length):
                self._shed_system()

    def put_ordered(self, envelope: Envelope) -> bool:
        """Queue in the ordered lane, also beyond the bound. False when it came too late and was dropped as `stale`."""
        if not (envelope.immune or envelope.epoch >= self.epoch):
            self._drop((envelope,), "stale")
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
            self._drop((envelope,), "interrupted")

    def take_system(self) -> Envelope:
        """The first envelope of the system lane. Raises `IndexError` when it is empty."""
        envelope = self.system.popleft()
        if envelope.length is not None:
            self._uncount_media(envelope)
        return envelope

    def take_ordered(self) -> Envelope:
        """The first envelope of the ordered lane. Raises `IndexError` when it is empty."""
        envelope = self.ordered.popleft()
        if envelope.direction is DOWN:
            self._downstream -= 1
            if self._waiting:
                self._wake_senders()
        return envelope

    def interrupt(self, epoch: int) -> None:
        """Begin an epoch: what is interruptible and older leaves the ordered lane, and is refused from now on."""
        assert epoch > self.epoch, (epoch, self.epoch)
        # The epoch moves before the lane is emptied, so nothing outdated can be put in between.
        self.epoch = epoch
        if not self.ordered:
            return
        waited = tuple(self.ordered)
        kept = [envelope for envelope in waited if envelope.immune or envelope.epoch >= epoch]
        if len(kept) < len(waited):
            self._refill(kept)
            if self._on_drop is not None:
                self._drop((each for each in waited if not (each.immune or each.epoch >= epoch)), "interrupted")

    def clear(self, reason: str) -> None:
        """Drop all that waits, in order, the system lane first."""
        left = [*self.system, *self.ordered]
        self.system.clear()
        self._media_pieces = self._media_length = 0
        self._refill(())
        self._drop(left, reason)

    async def wait_for_room(self) -> None:
        """Wait while the ordered lane is over its bound; senders go on in the order in which they came.

        Cancelled, nothing is undone: what was sent is in the lane.
        """
        if not self.is_overfull:
            return
        go_on = partial(trio.lowlevel.reschedule, trio.lowlevel.current_task())

        def abort(_: object) -> trio.lowlevel.Abort:
            self._waiting.remove(go_on)
            return trio.lowlevel.Abort.SUCCEEDED

        self._waiting.append(go_on)
        await trio.lowlevel.wait_task_rescheduled(abort)

    def call_when_room(self, go_on: Callable[[], None]) -> None:
        """As `wait_for_room`, for a sender that isn't a task: it is called, once, when it may go on."""
        self._waiting.append(go_on)

    def release_senders(self) -> None:
        """Let all senders go on, whatever waits: the receiver has ended for good."""
        while self._waiting:
            self._waiting.popleft()()

    def _wake_senders(self) -> None:
        # With n waiting senders the last n envelopes are theirs: the first goes on when the rest fits beside the
        # others'.
        while self._waiting and self._downstream - len(self._waiting) < self.max_buffer:
            self._waiting.popleft()()

    def _drop(self, envelopes: Iterable[Envelope], reason: str) -> None:
        if self._on_drop is not None:
            for envelope in envelopes:
                self._on_drop(envelope, reason)

    def _refill(self, kept: Iterable[Envelope]) -> None:
        self.ordered.clear()
        self.ordered.extend(kept)
        self._downstream = sum(envelope.direction is DOWN for envelope in self.ordered)
        if self._waiting:
            self._wake_senders()

    def _is_too_much(self, pieces: int, length: int) -> bool:
        return pieces > MAX_PIECES or length > self._max_length

    def _count_media(self, envelope: Envelope) -> None:
        envelope.length = _length_of(envelope.frame)
        self._media_pieces += 1
        self._media_length += envelope.length

    def _uncount_media(self, envelope: Envelope) -> None:
        self._media_pieces -= 1
        self._media_length -= cast(int, envelope.length)
        envelope.length = None

    def _shed_system(self) -> None:
        """Drop the oldest media of the system lane."""
        oldest = next(envelope for envelope in self.system if envelope.length is not None)
        self.system.remove(oldest)
        self._uncount_media(oldest)
        self._drop((oldest,), "shed")

    def _shed_ordered(self) -> None:
        """Drop the oldest media that waits above the bound, until what is left of it there isn't too much."""
        above: list[Envelope] = []
        position = 0
        for envelope in self.ordered:
            position += envelope.direction is DOWN
            if position > self.max_buffer and _IS_MEDIA[type(envelope.frame)]:
                above.append(envelope)
        lengths = deque(_length_of(envelope.frame) for envelope in above)
        total = sum(lengths)
        while len(lengths) > 1 and self._is_too_much(len(lengths), total):
            total -= lengths.popleft()
        shed = above[: len(above) - len(lengths)]
        if shed:
            gone = set(map(id, shed))
            self._refill([envelope for envelope in self.ordered if id(envelope) not in gone])
            self._drop(shed, "shed")

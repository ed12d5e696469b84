"""A mailbox as a Trio channel: a sending and a receiving end, each with clones.

1. The ends keep the habits of Trio's memory channels, errors and checkpoints included. One is ours: a value is queued
   first and waited for afterwards, so a cancelled wait loses nothing and can't be overtaken.
2. A receiver that waits is handed its value at once, so nobody who comes later can take it away.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import attrs
import trio

from .frames import SystemFrame
from .mailbox import Envelope, Mailbox

__all__ = ["MailboxStatistics", "PriorityReceiveChannel", "PrioritySendChannel", "open_priority_channel"]

T = TypeVar("T")


class _OpenPriorityChannel:
    """`open_priority_channel(8)`, or with the type of what travels, `open_priority_channel[Frame](8)`, as Trio's is."""

    def __getitem__(self, kind: type[T]) -> Callable[[int], tuple[PrioritySendChannel[T], PriorityReceiveChannel[T]]]:
        return self

    def __call__(self, max_buffer: int) -> tuple[PrioritySendChannel[Any], PriorityReceiveChannel[Any]]:
        """A channel with two lanes: system frames come out first and never wait; all else keeps its order, and at most
        `max_buffer` of it waits without making its senders wait.

        Media that comes too late is shed as in any mailbox: beyond 5 s of it, or 256 pieces, the oldest first. Raises
        `ValueError` when `max_buffer` is less than 1.
        """
        both = _Both(Mailbox(max_buffer))
        return PrioritySendChannel(both), PriorityReceiveChannel(both)


open_priority_channel = _OpenPriorityChannel()


@attrs.frozen
class MailboxStatistics:
    """What waits in a channel, and who has it open."""

    system: int
    """Values in the system lane."""
    ordered: int
    """Values in the ordered lane, those of waiting senders included."""
    max_buffer: int
    open_send_channels: int
    open_receive_channels: int
    tasks_waiting_send: int
    tasks_waiting_receive: int


class _Both:
    """What all ends of one channel have in common."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.send_channels = 0
        self.receive_channels = 0
        self.sending: dict[trio.CancelScope, object] = {}
        """Around each wait for room, the end on which it waits."""
        self.receiving: dict[trio.lowlevel.Task, object] = {}
        """Who waits for a value, in the order in which they came, and the end on which each waits."""
        self.handed: dict[trio.lowlevel.Task, object] = {}
        """The value for a receiver that has been woken and hasn't run yet."""


class _End:
    """What both ends do alike."""

    def __init__(self, both: _Both) -> None:
        self._both = both
        self._closed = False
        self._count(1)

    def statistics(self) -> MailboxStatistics:
        both = self._both
        return MailboxStatistics(
            system=len(both.mailbox.system),
            ordered=len(both.mailbox.ordered),
            max_buffer=both.mailbox.max_buffer,
            open_send_channels=both.send_channels,
            open_receive_channels=both.receive_channels,
            tasks_waiting_send=both.mailbox.waiting_senders,
            tasks_waiting_receive=len(both.receiving),
        )

    def clone(self) -> Self:
        """Another such end of the same channel. Raises `trio.ClosedResourceError` when this one is closed."""
        self._check_open()
        return type(self)(self._both)

    def close(self) -> None:
        """Close this end; a call that waits on it raises `trio.ClosedResourceError`. With the last sending end the
        channel ends once it is empty; with the last receiving end what is queued is discarded.
        """
        if not self._closed:
            self._closed = True
            self._count(-1)
            self._closing()

    async def aclose(self) -> None:
        """`close()`, and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this end of the channel is closed")

    def _count(self, change: int) -> None:
        raise NotImplementedError

    def _closing(self) -> None:
        raise NotImplementedError


class PrioritySendChannel(_End, trio.abc.SendChannel[T], Generic[T]):
    """The sending end; `clone()` for more senders. Made by `open_priority_channel`."""

    def send_nowait(self, value: T) -> None:
        """Queue a value without waiting.

        Raises `trio.WouldBlock` when the ordered lane is full (nothing is queued then), `trio.ClosedResourceError`
        when this end is closed, `trio.BrokenResourceError` when no receiver is left.
        """
        self._check_open()
        if self._both.receive_channels and not isinstance(value, SystemFrame) and self._both.mailbox.is_full:
            raise trio.WouldBlock
        self._put(value)

    async def send(self, value: T) -> None:
        """Queue a value; wait while the ordered lane is over its bound.

        Cancelled at entry, nothing was sent; cancelled while it waits for room, the value is queued already. Raises
        `trio.ClosedResourceError` and `trio.BrokenResourceError` as `send_nowait`, and also when this end is closed,
        or the last receiver goes, while it waits.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._put(value)
        both = self._both
        if isinstance(value, SystemFrame) or not both.mailbox.is_overfull:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        with trio.CancelScope() as wait:
            both.sending[wait] = self
            try:
                await both.mailbox.wait_for_room()
            finally:
                del both.sending[wait]
        if wait.cancelled_caught:
            self._check_connected()

    def _put(self, value: T) -> None:
        self._check_connected()
        both = self._both
        if both.receiving:
            # Whoever waits found both lanes empty, so nothing is overtaken.
            task = next(iter(both.receiving))
            del both.receiving[task]
            both.handed[task] = value
            trio.lowlevel.reschedule(task)
        elif isinstance(value, SystemFrame):
            both.mailbox.put_system(Envelope(value))
        else:
            both.mailbox.put_ordered(Envelope(value))

    def _check_connected(self) -> None:
        self._check_open()
        if not self._both.receive_channels:
            raise trio.BrokenResourceError("nobody receives any more")

    def _count(self, change: int) -> None:
        self._both.send_channels += change

    def _closing(self) -> None:
        for wait in [wait for wait, end in self._both.sending.items() if end is self]:
            wait.cancel()
        if not self._both.send_channels:
            while self._both.receiving:
                trio.lowlevel.reschedule(self._both.receiving.popitem()[0])


class PriorityReceiveChannel(_End, trio.abc.ReceiveChannel[T], Generic[T]):
    """The receiving end; `clone()` for more receivers, of which each value goes to one. Made by
    `open_priority_channel`.
    """

    def receive_nowait(self) -> T:
        """The next value.

        Raises `trio.WouldBlock` when there is none, `trio.EndOfChannel` when there will be none,
        `trio.ClosedResourceError` when this end is closed.
        """
        self._check_open()
        mailbox = self._both.mailbox
        if mailbox.system:
            return cast(T, mailbox.take_system().frame)
        if mailbox.ordered:
            return cast(T, mailbox.take_ordered().frame)
        if not self._both.send_channels:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def receive(self) -> T:
        """The next value; wait for one, first come, first served. Cancelled, nothing is lost.

        Raises `trio.EndOfChannel` and `trio.ClosedResourceError` as `receive_nowait`, also while it waits.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            value = self.receive_nowait()
        except trio.WouldBlock:
            return await self._wait()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return value

    async def _wait(self) -> T:
        both = self._both
        task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            del both.receiving[task]
            return trio.lowlevel.Abort.SUCCEEDED

        both.receiving[task] = self
        await trio.lowlevel.wait_task_rescheduled(abort)
        if task in both.handed:
            return cast(T, both.handed.pop(task))
        # Woken with nothing: this end is closed, or the last sender went. It raises which.
        return self.receive_nowait()

    def _count(self, change: int) -> None:
        self._both.receive_channels += change

    def _closing(self) -> None:
        both = self._both
        for task in [task for task, end in both.receiving.items() if end is self]:
            del both.receiving[task]
            trio.lowlevel.reschedule(task)
        if not both.receive_channels:
            # Before the lanes are emptied, which would tell the waiting senders that there is room.
            for wait in list(both.sending):
                wait.cancel()
            both.mailbox.clear("closed")

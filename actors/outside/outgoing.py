"""What waits to be written to a connection: bounded, old sound shed first, and nothing of a handler that fails.

1. Whether there is room is judged when a message is put, where a failure is the sender's own; it is queued when the handler has ended.
2. Only sound is ever shed. A message that finds it full fails who sends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import attrs
import trio

Data = TypeVar("Data")

Defer: TypeAlias = Callable[[Callable[[], None]], bool]
"""In a plain handler: does it when the handler has ended well. False when none runs."""

MAX_WAITING = 1024
"""Messages that wait for a peer that doesn't read."""
MAX_AUDIO_BYTES = 5 * 2 * 48000
"""Sound that waits for such a peer: 15 s at 16,000 Hz."""


@attrs.frozen(eq=False)
class _Waiting(Generic[Data]):
    """One message that hasn't been written."""

    data: Data
    audio: bytes | None
    """Its sound; None when it carries none."""

    @property
    def size_bytes(self) -> int:
        return 0 if self.audio is None else len(self.audio)


class Outgoing(Generic[Data]):
    """The messages that wait for one connection's writer."""

    def __init__(
        self,
        peer: str,
        *,
        defer: Defer,
        on_shed: Callable[[bytes], None],
        max_waiting: int = MAX_WAITING,
        max_audio_bytes: int = MAX_AUDIO_BYTES,
    ) -> None:
        self.news = trio.lowlevel.ParkingLot()
        """Where the writer waits for something to write."""
        self.room = trio.lowlevel.ParkingLot()
        """Where others wait for the writer to take something."""
        self._peer = peer
        self._defer = defer
        self._on_shed = on_shed
        self._max_waiting = max_waiting
        self._max_audio_bytes = max_audio_bytes
        self._waiting: deque[_Waiting[Data]] = deque()
        self._audio_bytes = 0
        self._messages = 0
        """Those without sound, of a handler that hasn't ended yet among them."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        return self._messages < self._max_waiting

    def put(self, data: Data, *, audio: bytes | None = None) -> None:
        """Queue a message; in a plain handler when that has ended well. Raises `trio.WouldBlock` when it is full."""
        audio = audio or None
        waiting = _Waiting(data, audio)
        if audio is None:
            if not self.has_room:
                raise trio.WouldBlock(f"{self._peer} has left {self._max_waiting} messages unread")
            self._messages += 1
        if not self._defer(lambda: self._append(waiting)):
            self._append(waiting)

    def take(self) -> Data:
        """The next message; there must be one."""
        waiting = self._waiting.popleft()
        self._audio_bytes -= waiting.size_bytes
        self._messages -= waiting.audio is None
        self.room.unpark_all()
        return waiting.data

    def _append(self, waiting: _Waiting[Data]) -> None:
        self._waiting.append(waiting)
        self._audio_bytes += waiting.size_bytes
        while self._audio_bytes > self._max_audio_bytes:
            oldest = next(each for each in self._waiting if each.audio)
            if oldest is waiting:
                break
            self._waiting.remove(oldest)
            self._audio_bytes -= oldest.size_bytes
            assert oldest.audio is not None
            self._on_shed(oldest.audio)
        self.news.unpark_all()

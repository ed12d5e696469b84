"""A probe that is sent down, up and down again through a session: when it is back, all that was queued before it is done,
and so is all that this has caused upstream.

1. A leg ends when the probe comes out at an end; the next one is only put on its way there, since its coming out may be
   part of another's step.
2. The session gets on while ordered frames are handled or the bot speaks. That the user speaks, or timers run, is no
   reason to wait on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from ..channels.frames import BotSpeakingFrame, Frame, HeartbeatFrame, PipelineFlushFrame, SystemFrame
from ..channels.mailbox import DOWN, UP, Direction, Envelope
from .delivery import Delivery, Dropped, Restart
from .observe import Observer

if TYPE_CHECKING:
    from .dispatch import Dispatcher
    from .node import Node

__all__: list[str] = []

LEGS: Final[tuple[tuple[Direction, bool], ...]] = ((DOWN, False), (UP, True), (DOWN, True))
"""The direction of the probe, and whether it is returning: no two are the same."""


class Flush(Observer):
    """One probe, and who waits for it. It observes the session meanwhile."""

    def __init__(self, dispatcher: Dispatcher, number: int, timeout: float) -> None:
        self.flush_id = f"flush-{number}"
        self.is_drained = False
        self._dispatcher = dispatcher
        self._timeout = timeout
        self._leg = 0
        self._progress = trio.current_time()
        self._is_over = trio.Event()

    def begin(self) -> None:
        """Send the probe on its first leg."""
        self._dispatcher.observers.append(self)
        self._dispatcher.send(self._probe(), DOWN, self)

    async def wait(self) -> None:
        """Until the probe is back, the session has ended, or nothing has got on for so long."""
        try:
            while not self._is_over.is_set():
                until = self._progress + self._timeout
                if trio.current_time() >= until:
                    return
                with trio.move_on_at(until):
                    await self._is_over.wait()
        finally:
            if self in self._dispatcher.observers:
                self._dispatcher.observers.remove(self)

    def end(self) -> None:
        """The session has ended."""
        self._is_over.set()

    def arrived(self, envelope: Envelope) -> None:
        """The probe has come out at an end."""
        frame = envelope.frame
        assert isinstance(frame, PipelineFlushFrame)
        if self._leg == len(LEGS) or (envelope.direction, frame.returning) != LEGS[self._leg]:
            return
        self._progress = trio.current_time()
        self._leg += 1
        if self._leg == len(LEGS):
            self.is_drained = True
            self._is_over.set()
            return
        dispatcher = self._dispatcher
        direction = LEGS[self._leg][0]
        end = dispatcher.source if direction is DOWN else dispatcher.sink
        probe = Envelope(self._probe(), end.address, direction, dispatcher.epoch, True)
        dispatcher.put(probe, end.down if direction is DOWN else end.up, None)

    def _probe(self) -> PipelineFlushFrame:
        return PipelineFlushFrame(self.flush_id, self._dispatcher.source.address, LEGS[self._leg][1])

    def overfilled(self, node: Node) -> None:
        """A probe waits like any frame, and nobody waits for room for it."""

    # ---- what it hears

    def delivered(self, delivery: Delivery) -> None:
        self._note(delivery.frame)

    def dropped(self, dropped: Dropped) -> None:
        self._note(dropped.delivery.frame)

    def restarted(self, restart: Restart) -> None:
        self._progress = trio.current_time()

    def _note(self, frame: object) -> None:
        is_ordered = isinstance(frame, Frame) and not isinstance(frame, (SystemFrame, HeartbeatFrame))
        if is_ordered or isinstance(frame, BotSpeakingFrame):
            self._progress = trio.current_time()

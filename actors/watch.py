"""What a session keeps an eye on, while it runs: actors that are busy too long, frames that don't come out, silence.

1. Nothing here costs anything per frame but a look at a flag; the clock is asked when a task of this file wakes.
2. A look in vain moves no virtual clock: a play that rests lets the watch sleep (`let_sleep`).
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, cast

import trio

from ..channels.frames import CancelFrame, FrameProcessorPauseFrame, HeartbeatFrame
from ..channels.mailbox import DOWN, Envelope
from .delivery import Stall
from .effects import Address
from .hand import Hand
from .node import Node

if TYPE_CHECKING:
    from .session import Session

__all__: list[str] = []

HEARTBEATS_MISSED = 10
"""Periods without a heartbeat at the sink that are reported."""

_log = logging.getLogger("antiphon")


class Watch:
    """Of one session. Each of the three is off when its seconds are None."""

    def __init__(
        self, session: Session, *, stall_timeout: float | None, heartbeat: float | None, idle_timeout: float | None
    ) -> None:
        self._session = session
        self._stall_timeout = stall_timeout
        self._heartbeat = heartbeat
        self._idle_timeout = idle_timeout
        self.sleeps = stall_timeout is not None
        """Whether nobody looks for stalls: whoever begins an async handler wakes it."""
        self._has_begun = False
        self._scope = trio.CancelScope()
        self._told: set[Hand] = set()
        self._beat: HeartbeatFrame | None = None
        """On its way."""
        self._last_beat = 0.0
        self._missed: set[object] = set()
        """Whom pauses named and didn't meet."""

    def begin(self) -> None:
        if self._heartbeat is not None:
            self._session.spawn(self._send_heartbeats, self._heartbeat)
        if self._idle_timeout is not None:
            self._session.spawn(self._wait_for_silence, self._idle_timeout)

    # ---- stalls

    def wake(self) -> None:
        """An async handler begins."""
        self.sleeps = False
        if self._has_begun:
            self._aim()
        else:
            self._has_begun = True
            self._session.spawn(self._look_for_stalls)

    def let_sleep(self) -> None:
        """Nobody needs to be watched, if no async handler runs."""
        if self._has_begun and not self.sleeps and self._next_moment() == math.inf:
            self.sleeps = True
            self._scope.deadline = math.inf

    def _aim(self) -> None:
        self._scope.deadline = self._next_moment()

    def _hands(self) -> list[Hand]:
        """All async handlers that run and haven't been told of."""
        hands = [lane.hand for cell in self._session.dispatcher.cells for lane in (cell.system, cell.ordered)]
        return [hand for hand in hands if hand is not None and hand not in self._told]

    def _next_moment(self) -> float:
        assert self._stall_timeout is not None
        observers = self._session.dispatcher.observers
        since = min((hand.since for hand in self._hands()), default=math.inf)
        return since - observers.clock() + trio.current_time() + self._stall_timeout

    async def _look_for_stalls(self) -> None:
        assert self._stall_timeout is not None
        dispatcher = self._session.dispatcher
        while True:
            with trio.CancelScope() as self._scope:
                self._aim()
                await trio.sleep_forever()
            self._told = {hand for hand in self._told if not hand.dead}
            for hand in self._hands():
                # A microsecond less, since one clock was reckoned into the other.
                if dispatcher.observers.clock() - hand.since >= self._stall_timeout - 1e-6:
                    self._stalled(hand, self._stall_timeout)
            dispatcher.drain()
            if self._next_moment() == math.inf:
                self.sleeps = True

    def _stalled(self, hand: Hand, seconds: float) -> None:
        self._told.add(hand)
        cell, envelope = hand.cell, hand.envelope
        assert envelope is not None
        cell.tell_stall(cell.dispatcher.observers.clock() - hand.since, envelope.frame)
        if not hand.waits and not hand.cut:
            # Nothing else of its system lane gets on meanwhile, interruptions included.
            frame = type(envelope.frame).__name__
            cell.fail(
                TimeoutError(
                    f"{cell.address} was busy for {seconds:g} s in its system handler of {frame}: start a task for what"
                    " takes long, or raise the session's stall_timeout"
                ),
                hand=hand,
            )

    # ---- heartbeats

    def arrived(self, frame: HeartbeatFrame) -> None:
        """A heartbeat has come out at the sink."""
        if frame is self._beat:
            self._beat = None
            self._last_beat = trio.current_time()

    def overfilled(self, node: Node) -> None:
        """A heartbeat waits like any frame; its absence is what tells."""

    async def _send_heartbeats(self, period: float) -> None:
        dispatcher = self._session.dispatcher
        self._last_beat = told = trio.current_time()
        epoch = dispatcher.epoch
        while not self._session.is_closing:
            # One at a time: in a pipeline that stands still they mustn't heap up. An interruption drops it.
            if self._beat is None or epoch != dispatcher.epoch:
                epoch = dispatcher.epoch
                self._beat = HeartbeatFrame(round(dispatcher.observers.now() * 1e9))
                dispatcher.send(self._beat, DOWN, self)
            await trio.sleep(period)
            now = trio.current_time()
            since = max(self._last_beat, told)
            if self._beat is not None and now - since >= HEARTBEATS_MISSED * period - 1e-6:
                told = now
                silence = now - self._last_beat
                _log.warning("no heartbeat has come through the pipeline for %.1f s", silence)
                began = dispatcher.observers.now() - silence
                dispatcher.observers.tell("stalled", Stall(dispatcher.sink.address, began, self._beat))

    # ---- pauses

    def pause_missed(self, envelope: Envelope) -> None:
        """A frame that pauses or resumes has left at an end: say so, once an address, if it can't have met whom it names."""
        frame = cast(FrameProcessorPauseFrame, envelope.frame)
        named, what = frame.processor, type(frame).__name__
        if named in self._missed:
            return
        dispatcher = self._session.dispatcher
        cell = dispatcher.resolve(named) if isinstance(named, Address) else None
        if cell is None:
            known = ", ".join(dispatcher.book)
            told = "no actor of this session has that address" if isinstance(named, Address) else "that is no Address"
            _log.warning("%s names %r, and %s. There are: %s.", what, named, told, known or "none")
        else:
            sender = dispatcher.resolve(cast(Address, envelope.sender))
            came = sender.index if sender is not None else -1 if envelope.direction is DOWN else dispatcher.sink.index
            if cell.index > came if envelope.direction is DOWN else cell.index < came:
                return  # a copy that left by another branch, or its actor is gone
            other = "up" if envelope.direction is DOWN else "down"
            _log.warning(
                "%s names %s, and went %s from %s without meeting it. Send it %s, or by session.push.",
                what, named, envelope.direction, envelope.sender, other,
            )  # fmt: skip
        self._missed.add(named)

    # ---- silence

    async def _wait_for_silence(self, seconds: float) -> None:
        dispatcher = self._session.dispatcher
        observers = dispatcher.observers
        while True:
            left = dispatcher.active_at + seconds - observers.clock()
            if left <= 1e-6:
                break
            await trio.sleep(left)
        self._session.begin_cancel(CancelFrame(f"nobody has spoken for {seconds:g} s"))

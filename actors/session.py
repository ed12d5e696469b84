"""One conversation: a pipeline brought to life in a Trio program, and ended whatever happens.

1. All tasks of a session live in one nursery, shielded from outside: a cancellation from there becomes the session's
   own, which ends within the graces.
2. What a program calls stands first, what the runtime calls below. How it begins and ends is `lifecycle`'s.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import attrs
import trio

from ..channels.frames import (
    CancelFrame,
    CancelWorkerFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    HeartbeatFrame,
    InterruptionFrame,
    InterruptionWorkerFrame,
    PipelineFlushFrame,
    StartFrame,
    StopFrame,
    StopWorkerFrame,
)
from ..channels.mailbox import DOWN, UP, Direction, Envelope, Mailbox
from .blocked_loop import named_when_blocked
from .build import build
from .cell import Cell
from .dispatch import Dispatcher
from .effects import FRAME_TYPES, OBEYED, Address, check_address, fault_of_message, remedy_for
from .errors import ConfigurationError
from .flush import Flush
from .lifecycle import Lifecycle
from .milestones import Milestones
from .node import Exit, Node
from .observe import Observer, Observers
from .outside import Door, LiveDoor, Outside
from .pipeline import Pipeline
from .timers import Timers
from .watch import Watch

__all__ = ["CellStatistics", "OnFailure", "Session", "Stream", "open_session"]

Ended = Literal["ended", "cancelled"]
OnFailure = Literal["end", "cancel", "continue"]

OUTPUT_BUFFER = 64


@attrs.frozen
class CellStatistics:
    """What one address is doing."""

    busy_since: float | None
    """Seconds since the session began; None when no handler waits."""
    frame: object | None
    """What that handler has in hand."""
    system: int
    """Frames and messages that wait in the system lane."""
    ordered: int
    """Frames that wait in the ordered lane."""
    overfill: int
    """Downstream frames of the ordered lane above its bound."""
    incarnation: int
    """0 for the first."""
    engines: tuple[int, ...]
    """Process ids of its child processes."""


class Stream:
    """What leaves a session at one end: `async for frame in session.output`. Lifecycle frames aren't in it."""

    def __init__(self, session: Session, end: Exit) -> None:
        self._session = session
        self._end = end

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        await trio.lowlevel.checkpoint_if_cancelled()
        while (frame := self.take()) is None:
            if self._session.outcome is not None:
                raise StopAsyncIteration
            await self._end.readers.park()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return frame

    # ---- what the runtime calls

    def take(self) -> Frame | None:
        """The next frame, if there is one."""
        mailbox = self._end.mailbox
        assert mailbox is not None
        if not (mailbox.system or mailbox.ordered):
            return None
        envelope = mailbox.take_system() if mailbox.system else mailbox.take_ordered()
        self._session.dispatcher.left(self._end, envelope)
        self._session.dispatcher.drain()
        return cast(Frame, envelope.frame)

    def tell_of_arrivals(self, hear: Callable[[], object]) -> None:
        """Call `hear` in the very step in which a frame arrives: for a reader that is no Trio task."""
        self._end.on_arrival = hear


class _Pusher:
    """Who pushes from outside: told whose lane it has overfilled, and waits for all of them."""

    __slots__ = ("full",)

    def __init__(self) -> None:
        self.full: list[Mailbox] = []

    def overfilled(self, node: Node) -> None:
        assert node.mailbox is not None
        self.full.append(node.mailbox)


class Session:
    """A running pipeline. Made by `open_session`."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        name: str | None,
        outside: Door,
        observers: Iterable[Observer],
        direct: bool,
        seed: int | str,
        virtual: bool,
        on_failure: OnFailure,
        idle_timeout: float | None,
        stall_timeout: float | None,
        heartbeat: float | None,
        setup_timeout: float | None,
        start_timeout: float | None,
        start: StartFrame,
    ) -> None:
        self.name = name
        self.seed = seed
        self.outcome: Ended | BaseException | None = None
        """How it ended; None while it runs."""
        self.dispatcher = Dispatcher(
            Observers(observers, virtual=virtual),
            direct=direct,
            virtual=virtual,
            seed=seed,
            spawn=self.spawn,
        )
        self.dispatcher.on_request = self._asked_at_an_end
        self.watch = self.dispatcher.watch = Watch(
            self, stall_timeout=stall_timeout, heartbeat=heartbeat, idle_timeout=idle_timeout
        )
        self.timers = Timers(self.spawn)
        self.lifecycle = Lifecycle(self, start)
        self.milestones = Milestones(self, pipeline, setup_timeout=setup_timeout, start_timeout=start_timeout)
        self.on_failed: Callable[[], None] = lambda: None
        self._on_failure = on_failure
        self._outside = outside
        self._nursery: trio.Nursery
        self._ended = trio.Event()
        self._failure: ExceptionGroup[Exception] | None = None
        self._streams: dict[Direction, Stream] = {}
        self._flushes: dict[str, Flush] = {}
        self._flushed = 0
        build(self, pipeline)

    # ---- what a program calls

    async def push(self, frame: Frame, direction: Direction = "down") -> None:
        """Bring a frame in: at the head, going downstream, or at the end, going upstream.

        Waits while the first actor's ordered lane is full. EndFrame, CancelFrame and InterruptionFrame do what they
        say and aren't waited for.
        Raises `TypeError` for what isn't a frame, `trio.ClosedResourceError` when the session has ended.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        full = self.put(frame, direction)
        for mailbox in full:
            await mailbox.wait_for_room()
        if not full and self.dispatcher.is_turn_over:
            await self.dispatcher.breathe()

    def _do_what_it_says(self, frame: Frame) -> None:
        if isinstance(frame, InterruptionFrame):
            self.interrupt()
        elif isinstance(frame, (EndFrame, StopFrame)):
            self.begin_end(frame)
        elif isinstance(frame, CancelFrame):
            self.begin_cancel(frame)
        else:
            raise TypeError("session.push(StartFrame()): the session sends it itself, when it is opened")

    async def send(self, address: Address, message: object) -> None:
        """Send a message to an actor: into its system lane, never refused. An unknown address is reported to
        observers as a drop.

        Raises `TypeError` for what is no address or no message, `trio.ClosedResourceError` when the session has ended.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self.post(address, message)
        if self.dispatcher.steps <= 0:
            await self.dispatcher.breathe()

    async def end(self, reason: str | None = None) -> None:
        """End when everything queued so far has been handled. Returns when the session has ended; cancelled while it
        waits, the end goes on.
        """
        self.begin_end(EndFrame(reason))
        await self._ended.wait()

    async def cancel(self, reason: str | None = None) -> None:
        """End now; what is queued is dropped. Returns when the session has ended, within the sum of the actors'
        graces.
        """
        self.begin_cancel(CancelFrame(reason))
        await self._ended.wait()

    async def wait(self) -> None:
        """Wait until the session has ended, by whomever."""
        await self._ended.wait()

    async def flush_pipeline(self, timeout: float = 5.0) -> bool:
        """Wait until all is done that was queued before, and all that this has caused upstream: a probe goes down, up and down
        again. True then; False when nothing has got on for `timeout` seconds (no ordered frame, and the bot doesn't speak),
        and as soon as the session has ended.

        What handlers of system frames and tasks still do isn't waited for. Of several branches the slowest counts.
        Raises `trio.ClosedResourceError` when the session has ended, `ValueError` for a timeout that isn't above 0.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        flush = self.begin_flush(timeout)
        try:
            await flush.wait()
        finally:
            self.end_flush(flush)
        return flush.is_drained

    def interrupt(self) -> None:
        """Begin the next epoch: everything interruptible is cut and dropped, in one step."""
        self.dispatcher.interrupt()
        self.dispatcher.drain()

    @property
    def output(self) -> Stream:
        """What leaves at the end. Once asked for, it must be read: at most 64 ordered frames wait, then the pipeline
        slows down.
        """
        return self._open_stream(DOWN)

    @property
    def upstream(self) -> Stream:
        """What leaves at the head, going upstream."""
        return self._open_stream(UP)

    def statistics(self) -> Mapping[Address, CellStatistics]:
        """For each address: busy since when and with what, and what waits there."""
        found: dict[Address, CellStatistics] = {}
        for cell in self.dispatcher.cells:
            since, frame = cell.busy()
            found[cell.address] = CellStatistics(
                busy_since=since,
                frame=frame,
                system=len(cell.system.waiting),
                ordered=len(cell.ordered.waiting),
                overfill=cell.mailbox.overfill,
                incarnation=max(cell.incarnation, 0),
                engines=tuple(cell.engines),
            )
        return found

    def durable(self, address: Address) -> Mapping[str, Any]:
        """The durable values of an actor. Raises `KeyError` for an unknown address."""
        check_address("session.durable", address)
        cell = self.dispatcher.resolve(address)
        if cell is None:
            raise KeyError(f"no actor at {address} in this session; there are {', '.join(self.dispatcher.book)}")
        return cell.durables()

    # ---- what the runtime calls

    @property
    def is_closing(self) -> bool:
        """Whether actors that fail now stay down."""
        return self.lifecycle.is_closing

    def put(self, frame: Frame, direction: Direction = "down") -> list[Mailbox]:
        """Bring a frame in, as `push` does, from outside any Trio task. Returns the mailboxes that have no room for
        more: whoever put the frame should wait for room there.
        """
        if direction not in (DOWN, UP):
            raise ValueError(f"session.push(..., direction={direction!r}): it is 'down' or 'up'")
        if FRAME_TYPES[type(frame)] is None and not isinstance(frame, Frame):
            raise TypeError(f"session.push({frame!r}): this is no frame. {remedy_for(frame, say='session.send')}")
        self._check_open("push")
        pusher = _Pusher()
        if FRAME_TYPES[type(frame)] is None:
            self._do_what_it_says(frame)
        else:
            self.dispatcher.send(frame, DOWN if direction == DOWN else UP, pusher)
        return pusher.full

    def post(self, address: Address, message: object) -> None:
        """Send a message, as `send` does, from outside any Trio task."""
        check_address("session.send", address)
        self._check_open("send")
        if fault := fault_of_message(message):
            raise TypeError(f"session.send({address}, ...): {fault}")
        self.dispatcher.message(address, message, None)
        self.dispatcher.drain()

    def begin_end(self, frame: EndFrame | StopFrame) -> None:
        """As `end`, without waiting."""
        self.lifecycle.begin_end(frame)
        self.dispatcher.drain()

    def begin_flush(self, timeout: float) -> Flush:
        """Send a probe round; whoever waits for it calls `end_flush` afterwards."""
        self._check_open("flush_pipeline")
        if not timeout > 0:
            raise ValueError(f"session.flush_pipeline(timeout={timeout!r}): these are seconds, more than 0.")
        self._flushed += 1
        flush = Flush(self.dispatcher, self._flushed, timeout)
        self._flushes[flush.flush_id] = flush
        flush.begin()
        return flush

    def end_flush(self, flush: Flush) -> None:
        """Nobody waits for this probe any more."""
        self._flushes.pop(flush.flush_id, None)

    def begin_cancel(self, frame: CancelFrame) -> None:
        """As `cancel`, without waiting."""
        self.lifecycle.begin_cancel(frame)

    def spawn(self, run: Callable[..., Awaitable[object]], *arguments: object) -> None:
        self._nursery.start_soon(run, *arguments)

    def chance(self, what: str) -> float:
        """A number between 0 and 1 that depends on the seed and on what it is for."""
        return random.Random(f"{self.seed}/{what}").random()

    def make_outside(self, cell: Cell) -> Outside:
        return Outside(self._outside, cell)

    def envelope(self, frame: Frame) -> Envelope:
        """For a frame of the session's own, which travels from actor to actor by itself."""
        return Envelope(frame, self.dispatcher.source.address, DOWN, self.dispatcher.epoch, True)

    def send_from_place(self, cell: Cell, frame: Frame) -> None:
        """Send a frame upstream from a cell's place, whether it has an actor or not."""
        self.dispatcher.put(Envelope(frame, cell.address, UP, self.dispatcher.epoch, True), cell.up, None)

    def kill(self, name: str, error: Exception) -> None:
        """Fail an actor from outside, to see what becomes of it. Raises `KeyError` for an unknown name."""
        self._cell_named(name).kill(error)

    def kill_at(self, name: str, delivery: int) -> None:
        """Fail an actor as its n-th delivery begins."""
        self._cell_named(name).kill_at.add(delivery)

    def _cell_named(self, name: str) -> Cell:
        cell = self.dispatcher.book.get(name)
        if cell is None:
            raise KeyError(f"no actor {name!r} in this session; there are {', '.join(self.dispatcher.book)}")
        return cell

    def escalate(self, failure: ExceptionGroup[Exception], cells: Iterable[Cell]) -> None:
        """Nobody below can hold this failure of those cells: `on_failure` says what follows."""
        if self._on_failure == "continue":
            for cell in tuple(cells):
                cell.abandon("finished")
                self.spawn(cell.stop)
            self.dispatcher.drain()
        elif not self.is_closing:
            if self._on_failure == "end":
                self._failure = failure
            self.lifecycle.begin_cancel(CancelFrame(str(failure)))

    async def live(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until the session has ended. Whoever cancels this from outside must cancel the session instead."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as self._nursery:
                self.lifecycle.begin()
                self.watch.begin()
                task_status.started()
                await self.milestones.keep()

    def finish(self, how: Ended) -> None:
        """All actors have left."""
        self.outcome = self._failure or how
        self.dispatcher.is_over = True
        if self._failure is not None:
            self.on_failed()
        self.dispatcher.observers.tell("ended", self.outcome)
        for end in (self.dispatcher.source, self.dispatcher.sink):
            end.readers.unpark_all()
            if end.mailbox is not None:
                end.mailbox.release_senders()
        for flush in self._flushes.values():
            flush.end()
        self._ended.set()
        self._nursery.cancel_scope.cancel()

    # ---- the ends

    def _asked_at_an_end(self, envelope: Envelope) -> None:
        frame = cast(Frame, envelope.frame)
        match frame:
            case InterruptionWorkerFrame():
                self.dispatcher.interrupt()
            case EndWorkerFrame():
                self.lifecycle.begin_end(EndFrame(frame.reason))
            case StopWorkerFrame():
                self.lifecycle.begin_end(StopFrame())
            case CancelWorkerFrame():
                self.begin_cancel(CancelFrame(frame.reason))
            case ErrorFrame(fatal=True):
                self.begin_cancel(CancelFrame(frame.error))
            case HeartbeatFrame():
                self.watch.arrived(frame)
            case PipelineFlushFrame():
                if (flush := self._flushes.get(frame.flush_id)) is not None:
                    flush.arrived(envelope)
            case _ if isinstance(frame, OBEYED):
                self.watch.pause_missed(envelope)
            case _:
                pass

    def _open_stream(self, direction: Direction) -> Stream:
        if direction not in self._streams:
            end = self.dispatcher.sink if direction is DOWN else self.dispatcher.source

            def on_drop(envelope: Envelope, reason: str) -> None:
                self.dispatcher.drop(envelope, cast(Any, reason), end.address)

            end.mailbox = Mailbox(OUTPUT_BUFFER, epoch=self.dispatcher.epoch, on_drop=on_drop)
            self._streams[direction] = Stream(self, end)
        return self._streams[direction]

    def _check_open(self, wanted: str) -> None:
        if self.outcome is not None:
            raise trio.ClosedResourceError(f"session.{wanted}: the session has ended")


@asynccontextmanager
async def open_session(
    pipeline: Pipeline,
    *,
    name: str | None = None,
    sample_rates: tuple[int, int] = (16000, 24000),
    outside: Door | None = None,
    observers: Iterable[Observer] = (),
    direct: bool = True,
    seed: int | str | None = None,
    on_failure: OnFailure = "end",
    idle_timeout: float | None = None,
    stall_timeout: float | None = 5.0,
    heartbeat: float | None = None,
    setup_timeout: float | None = 20.0,
    start_timeout: float | None = 20.0,
    enable_metrics: bool = False,
    enable_usage_metrics: bool = False,
    report_only_initial_ttfb: bool = False,
) -> AsyncIterator[Session]:
    """Bring a pipeline to life; leaving the block ends it, an exception or a cancellation cancels it.

    The session need not have started when the block begins: what is pushed waits. Raises `ConfigurationError` for a
    pipeline that can't work.

    - `sample_rates`: Hz of the sound that comes in and goes out.
    - `outside`: the door to the world, live by default.
    - `observers`: they hear of every delivery.
    - `direct`: off, no handler runs in its sender's step.
    - `seed`: of the actors' randomness.
    - `on_failure`: what follows a failure that no supervisor could hold. `end`: the block is cancelled and one
      `ExceptionGroup` with the whole story raised. `cancel`: the session is cancelled. `continue`: it goes on without
      the actor, and what that would handle is dropped as `finished`.
    - `idle_timeout`: seconds after which it is cancelled when neither user nor bot has spoken; None is never.
    - `stall_timeout`: seconds after which a busy actor is reported to observers (`stalled`); it fails if it is a system
      handler that is busy, for then not even an interruption reaches it. Code that keeps the loop to itself for so long
      can't be ended; where it stands is logged, with its stack. None is never.
    - `heartbeat`: every so many seconds a HeartbeatFrame goes through the pipeline, and it is reported when none has
      come out for ten times as long. None is never.
    - `setup_timeout`: seconds in which the `lifespan()` of every actor must have entered. `start_timeout`: seconds, from
      then on, in which StartFrame must have come out at the end. If not, that is a failure of the actors that are late,
      for which `on_failure` says what follows, and the pipeline's `on_setup_timeout` or `on_pipeline_timeout` is fired.
      None is no bound.
    - `enable_metrics`: services send MetricsFrame with the times that they take; with `enable_usage_metrics`, with what
      they use. `report_only_initial_ttfb`: of the times to a first byte, each tells only its first.
    """
    if not isinstance(pipeline, Pipeline):
        raise ConfigurationError(
            f"open_session({pipeline!r}): give it a Pipeline, e.g. open_session(Pipeline(MyActor()))."
        )
    if not (len(sample_rates) == 2 and all(isinstance(rate, int) and rate > 0 for rate in sample_rates)):
        raise ConfigurationError(f"open_session: sample_rates={sample_rates!r}. Write Hz in, Hz out: (16000, 24000).")
    for wanted, seconds in (
        ("idle_timeout", idle_timeout),
        ("stall_timeout", stall_timeout),
        ("heartbeat", heartbeat),
        ("setup_timeout", setup_timeout),
        ("start_timeout", start_timeout),
    ):
        if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
            raise ConfigurationError(f"open_session: {wanted}={seconds!r}. Write seconds, more than 0, or None.")
    if on_failure not in ("end", "cancel", "continue"):
        raise ConfigurationError(f"open_session: on_failure={on_failure!r} isn't one of end, cancel, continue.")
    session = Session(
        pipeline,
        name=name,
        outside=LiveDoor() if outside is None else outside,
        observers=observers,
        direct=direct,
        seed=random.randrange(2**63) if seed is None else seed,
        virtual=is_virtual(),
        on_failure=on_failure,
        idle_timeout=idle_timeout,
        stall_timeout=stall_timeout,
        heartbeat=heartbeat,
        setup_timeout=setup_timeout,
        start_timeout=start_timeout,
        start=StartFrame(
            *sample_rates,
            enable_metrics=enable_metrics,
            enable_usage_metrics=enable_usage_metrics,
            report_only_initial_ttfb=report_only_initial_ttfb,
        ),
    )
    await trio.lowlevel.checkpoint_if_cancelled()
    raised: BaseException | None = None
    body = trio.CancelScope()
    session.on_failed = body.cancel
    watched = None if session.dispatcher.virtual else stall_timeout
    with named_when_blocked(watched):
        async with trio.open_nursery() as outer:
            # Half begun it couldn't be ended: `live` shields itself, and begins without a wait.
            with trio.CancelScope(shield=True):
                await outer.start(session.live)
            with body:
                try:
                    yield session
                except BaseException as error:
                    raised = error
                    session.begin_cancel(CancelFrame(type(error).__name__))
                    if isinstance(error, (trio.Cancelled, GeneratorExit)):
                        raise
                else:
                    if session.outcome is None:
                        session.begin_end(EndFrame())
                        try:
                            await session.wait()
                        except trio.Cancelled:
                            session.begin_cancel(CancelFrame("cancelled"))
                            raise
    if isinstance(session.outcome, BaseException):
        if isinstance(raised, Exception):
            raise BaseExceptionGroup(str(session.outcome), [raised, session.outcome])
        raise session.outcome
    if raised is not None:
        raise raised


def is_virtual() -> bool:
    """Whether the running clock is a simulated one, so that no wall clock may decide anything."""
    return not isinstance(trio.lowlevel.current_clock(), _system_clock())


def _system_clock() -> type:
    from trio._core._run import SystemClock

    return SystemClock

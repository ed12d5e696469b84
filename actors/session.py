"""One conversation: a pipeline brought to life in a Trio program, and ended whatever happens.

1. All tasks of a session live in one nursery, shielded from outside: a cancellation from there becomes the session's
   own, which ends within the graces.
2. StartFrame, EndFrame and CancelFrame are carried by the session from actor to actor, so no handler can stop them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import attrs
import trio

from ..channels.frames import (
    CancelFrame,
    CancelWorkerFrame,
    EndFrame,
    EndWorkerFrame,
    Frame,
    InterruptionFrame,
    InterruptionWorkerFrame,
    StartFrame,
    StopFrame,
    StopWorkerFrame,
)
from ..channels.mailbox import DOWN, UP, Direction, Envelope, Mailbox
from .actor import Actor, fields_of
from .cell import Cell, Phase
from .delivery import Observer, checked_observers
from .dispatch import Dispatcher, Exit
from .effects import FRAME_TYPES, Address, check_address, fault_of_message, remedy_for
from .errors import ConfigurationError
from .outside import Door, LiveDoor, Outside
from .pipeline import Pipeline
from .supervisor import Supervisor
from .timers import Timers

__all__ = ["CellStatistics", "Session", "Stream", "open_session"]

Ended = Literal["ended", "cancelled"]

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
        self._session.dispatcher.taken(self._end, envelope)
        return cast(Frame, envelope.frame)

    def tell_of_arrivals(self, hear: Callable[[], object]) -> None:
        """Call `hear` in the very step in which a frame arrives: for a reader that is no Trio task."""
        self._end.on_arrival = hear


class Session:
    """A running pipeline. Made by `open_session`."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        name: str | None,
        sample_rates: tuple[int, int],
        outside: Door,
        observers: Iterable[Observer],
        direct: bool,
        seed: int | str,
        virtual: bool,
    ) -> None:
        self.name = name
        self.seed = seed
        self.outcome: Ended | BaseException | None = None
        """How it ended; None while it runs."""
        self.is_closing = False
        """Whether actors that fail now stay down: the session is being cancelled, or its actors leave."""
        self.dispatcher = Dispatcher(direct=direct, virtual=virtual, observers=checked_observers(observers))
        self.dispatcher.on_request = self._asked_at_an_end
        self.timers = Timers(self.spawn)
        self._outside = outside
        self._nursery: trio.Nursery
        self._start = StartFrame(*sample_rates)
        self._ended = trio.Event()
        self._ending: EndFrame | StopFrame | None = None
        self._end_reached = trio.Event()
        self._failure: ExceptionGroup[Exception] | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self._to_start: set[Cell] = set()
        self._streams: dict[Direction, Stream] = {}
        self._build(pipeline)

    # ---- what a program calls

    async def push(self, frame: Frame, direction: Direction = "down") -> None:
        """Bring a frame in: at the head, going downstream, or at the end, going upstream.

        Waits while the first actor's ordered lane is full. EndFrame, CancelFrame and InterruptionFrame do what they
        say and aren't waited for.
        Raises `TypeError` for what isn't a frame, `trio.ClosedResourceError` when the session has ended.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        mailbox = self.put(frame, direction)
        if mailbox is not None:
            await mailbox.wait_for_room()
        elif self.dispatcher.is_turn_over:
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

    def put(self, frame: Frame, direction: Direction = "down") -> Mailbox | None:
        """Bring a frame in, as `push` does, from outside any Trio task. Returns the mailbox that has no room for more,
        if any: whoever put the frame should wait for room there.
        """
        if direction not in (DOWN, UP):
            raise ValueError(f"session.push(..., direction={direction!r}): it is 'down' or 'up'")
        if FRAME_TYPES[type(frame)] is None and not isinstance(frame, Frame):
            raise TypeError(f"session.push({frame!r}): this is no frame. {remedy_for(frame, say='session.send')}")
        self._check_open("push")
        if FRAME_TYPES[type(frame)] is None:
            self._do_what_it_says(frame)
            return None
        node = self.dispatcher.send(frame, DOWN if direction == DOWN else UP)
        return None if node is None else node.mailbox

    def post(self, address: Address, message: object) -> None:
        """Send a message, as `send` does, from outside any Trio task."""
        check_address("session.send", address)
        self._check_open("send")
        if fault := fault_of_message(message):
            raise TypeError(f"session.send({address}, ...): {fault}")
        self.dispatcher.message(address, message, None)
        self.dispatcher.drain()

    def spawn(self, run: Callable[..., Awaitable[object]], *arguments: object) -> None:
        self._nursery.start_soon(run, *arguments)

    def chance(self, what: str) -> float:
        """A number between 0 and 1 that depends on the seed and on what it is for."""
        return random.Random(f"{self.seed}/{what}").random()

    def make_outside(self, cell: Cell) -> Outside:
        return Outside(self._outside, cell)

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

    def entered(self, cell: Cell) -> None:
        """A cell's lifespan has entered: it is started when all before it are."""
        if cell.starts_after is None and (cell in self._to_start or cell.has_started):
            self._to_start.discard(cell)
            cell.start(self._start)

    def started(self, cell: Cell) -> None:
        """StartFrame has left a cell for the first time."""
        self._start_from(cell.down)

    def begin_end(self, frame: EndFrame | StopFrame) -> None:
        if self._ending is None and not self.is_closing:
            self._ending = frame
            self._hand_end(self.dispatcher.cells[0] if self.dispatcher.cells else self.dispatcher.sink, frame)
            self.dispatcher.drain()

    def pass_end(self, cell: Cell, frame: EndFrame | StopFrame) -> None:
        self._hand_end(cell.down, frame)

    def begin_cancel(self, frame: CancelFrame) -> None:
        if not self.is_closing:
            self.is_closing = True
            self.spawn(self._cancel, frame)

    def escalate(self, failure: ExceptionGroup[Exception]) -> None:
        """Nobody below can hold this failure: the session ends with it."""
        if not self.is_closing:
            self._failure = failure
            self.begin_cancel(CancelFrame(str(failure)))

    def give_up(self, cell: Cell) -> None:
        """An actor that gets on with nothing while the session ends is ended; EndFrame goes on without it."""
        cell.supervisor.forget(cell)
        frame = self._ending
        assert frame is not None
        cell.abandon("cancelled")
        self.spawn(cell.stop)
        if not cell.has_ended:  # else its handler had begun, and EndFrame has gone on by itself
            self._hand_end(cell.down, frame)
        self.dispatcher.drain()

    # ---- beginning

    def _build(self, pipeline: Pipeline) -> None:
        dispatcher = self.dispatcher
        supervisor = Supervisor(self, pipeline)
        for place, (each, address) in enumerate(zip(pipeline.children, pipeline.addresses, strict=True)):
            cell = Cell(self, dispatcher, each, address, place, supervisor)
            supervisor.cells.append(cell)
            dispatcher.cells.append(cell)
            dispatcher.book[address.name] = cell
            dispatcher.templates[id(each.actor)] = cell
        cells = dispatcher.cells
        for above, below in itertools.pairwise(cells):
            above.down, below.up = below, above
        dispatcher.sink.index = len(cells)
        for cell in cells:
            self._check_references(cell.child.actor)

    def _check_references(self, template: Actor) -> None:
        for field in fields_of(type(template)):
            where = f"{type(template).__name__}.{field.name}"
            for found in _references_in(getattr(template, field.name)) if field.init else ():
                if isinstance(found, Actor):
                    raise ConfigurationError(
                        f"{where} holds an actor, {found!r}, but actors know each other by address. Write its `.address`."
                    )
                is_known = (
                    found.name in self.dispatcher.book
                    if found.template is None
                    else id(found.template) in self.dispatcher.templates
                )
                if not is_known:
                    raise ConfigurationError(
                        f"{where} holds {found!r}, and no actor of this pipeline has that address."
                        f" There are: {', '.join(self.dispatcher.book)}."
                    )

    async def live(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until the session has ended. Whoever cancels this from outside must cancel the session instead."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as self._nursery:
                self._begin()
                task_status.started()
                await trio.sleep_forever()

    def _begin(self) -> None:
        cells = self.dispatcher.cells
        for cell in cells:
            cell.begin()
        self._start_from(cells[0] if cells else self.dispatcher.sink)
        self.dispatcher.drain()

    def _start_from(self, node: Cell | Exit) -> None:
        while isinstance(node, Cell) and node.is_gone:
            node = node.down
        if isinstance(node, Exit):
            self.dispatcher.leave(
                node, Envelope(self._start, self.dispatcher.source.address, DOWN, self.dispatcher.epoch, True)
            )
            return
        node.has_started = True
        if node.phase is Phase.ENTERED:
            node.start(self._start)
        else:
            self._to_start.add(node)

    # ---- ending

    def _hand_end(self, node: Cell | Exit, frame: EndFrame | StopFrame) -> None:
        while isinstance(node, Cell) and node.is_gone:
            node = node.down
        envelope = Envelope(frame, self.dispatcher.source.address, DOWN, self.dispatcher.epoch, True)
        if isinstance(node, Exit):
            self.dispatcher.leave(node, envelope)
            self.spawn(self._close_after_end)
            return
        node.mailbox.put_ordered(envelope)
        node.expect_end()
        self.dispatcher.schedule(node)

    async def _close_after_end(self) -> None:
        if self.is_closing:
            return
        self.is_closing = True
        await self._leave_all({}, "finished")
        self._finish("ended")

    async def _cancel(self, frame: CancelFrame) -> None:
        cells = self.dispatcher.cells
        for cell in cells:
            cell.silence()
        spent: dict[Cell, float] = {}
        for cell in cells:
            began = trio.current_time()
            await cell.cancel(Envelope(frame, self.dispatcher.source.address, DOWN, self.dispatcher.epoch, True))
            spent[cell] = trio.current_time() - began
        self.dispatcher.leave(
            self.dispatcher.sink, Envelope(frame, self.dispatcher.source.address, DOWN, self.dispatcher.epoch, True)
        )
        await self._leave_all(spent, "cancelled")
        self._finish(self._failure or "cancelled")

    async def _leave_all(self, spent: Mapping[Cell, float], reason: Literal["finished", "cancelled"]) -> None:
        """Leave the lifespans in reverse order. Until its own ends, an actor still takes the messages of those
        behind it.
        """
        for cell in self.dispatcher.cells:
            cell.supervisor.forget(cell)
        for cell in reversed(self.dispatcher.cells):
            if not cell.is_gone:
                cell.finish_messages()
            await cell.stop(max(cell.grace - spent.get(cell, 0.0), 0.001))
            if not cell.is_gone:
                cell.abandon(reason)

    def _finish(self, outcome: Ended | BaseException) -> None:
        self.outcome = outcome
        if isinstance(outcome, BaseException):
            self.on_failure()
        self.dispatcher.tell("ended", outcome)
        for end in (self.dispatcher.source, self.dispatcher.sink):
            end.readers.unpark_all()
            if end.mailbox is not None:
                end.mailbox.release_senders()
        self._ended.set()
        self._nursery.cancel_scope.cancel()

    # ---- the ends

    def _asked_at_an_end(self, frame: Frame) -> None:
        if isinstance(frame, InterruptionWorkerFrame):
            self.dispatcher.interrupt()
        elif isinstance(frame, EndWorkerFrame):
            self.begin_end(EndFrame(frame.reason))
        elif isinstance(frame, StopWorkerFrame):
            self.begin_end(StopFrame())
        elif isinstance(frame, CancelWorkerFrame):
            self.begin_cancel(CancelFrame(frame.reason))

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
) -> AsyncIterator[Session]:
    """Bring a pipeline to life; leaving the block ends it, an exception or a cancellation cancels it.

    `sample_rates`: Hz of the sound that comes in and goes out. `outside`: the door to the world, live by default.
    `observers` hear of every delivery.
    `direct` off: no handler runs in its sender's step. `seed`: of the actors' randomness. The session need not have
    started when the block begins:
    what is pushed waits. Raises `ConfigurationError` for a pipeline that can't work, and one `ExceptionGroup` with
    the whole story when an actor's failure
    couldn't be held; the block is cancelled then.
    """
    if not isinstance(pipeline, Pipeline):
        raise ConfigurationError(
            f"open_session({pipeline!r}): give it a Pipeline, e.g. open_session(Pipeline(MyActor()))."
        )
    if not (len(sample_rates) == 2 and all(isinstance(rate, int) and rate > 0 for rate in sample_rates)):
        raise ConfigurationError(f"open_session: sample_rates={sample_rates!r}. Write Hz in, Hz out: (16000, 24000).")
    session = Session(
        pipeline,
        name=name,
        sample_rates=sample_rates,
        outside=LiveDoor() if outside is None else outside,
        observers=observers,
        direct=direct,
        seed=random.randrange(2**63) if seed is None else seed,
        virtual=is_virtual(),
    )
    raised: BaseException | None = None
    body = trio.CancelScope()
    session.on_failure = body.cancel
    async with trio.open_nursery() as outer:
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


def _references_in(value: object) -> Iterator[Address | Actor]:
    """Whom a value of configuration refers to, also inside tuples, lists, sets and dicts."""
    if isinstance(value, (Address, Actor)):
        yield value
    elif isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value)
        yield from _references_in([*items.keys(), *items.values()])
    elif isinstance(value, (tuple, list, set, frozenset)):
        for each in cast("Iterable[object]", value):
            yield from _references_in(each)


def is_virtual() -> bool:
    """Whether the running clock is a simulated one, so that no wall clock may decide anything."""
    return not isinstance(trio.lowlevel.current_clock(), _system_clock())


def _system_clock() -> type:
    from trio._core._run import SystemClock

    return SystemClock

"""Ending ends: each way to end a session, with an actor stuck in each way, within the graces, and nothing is left behind.

1. A `Way` is how a session is ended, a `Stuck` is what keeps it from ending; each is tried with each.
2. The first half runs in virtual time, in several orders of tasks; the second with real child processes.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from antiphon import (
    Actor,
    Address,
    After,
    Backoff,
    Pipeline,
    Session,
    To,
    Unrecoverable,
    actor,
    child,
    on,
    open_session,
    state,
)
from antiphon.actors import Delivery, Effects, Engine, Killed, NoDoor
from antiphon.channels import CancelFrame, EndFrame, Frame, StartFrame, TextFrame
from antiphon.scenarios import TraceRecorder
from antiphon.scenarios.explorer import run_explored
from tests.actors.notes import Alarm, Ask, Kept, Note, Order, Passes, Slow, both, texts
from tests.actors.programs import ECHO, READS_NOTHING, READY, STUBBORN, children, command_of, open_files
from tests.actors.search.stage import alarm
from tests.watch import Watch

LATER = 0.25
"""Seconds after which somebody loses patience with a session that drains."""


# ---- the ways to end


class Enough(Exception):
    """What a block raises."""


@attrs.frozen(eq=False)
class Way:
    """How a session is ended."""

    name: str
    go: Callable[[Session, trio.CancelScope], Awaitable[None]]
    """The last thing that its block does. The scope is around the block."""
    outcome: str
    drains: bool = False
    """Whether EndFrame is all that is asked for."""
    begins_draining: bool = False
    """Whether EndFrame comes first, so that the session may have drained before it is cancelled."""

    def __str__(self) -> str:
        return self.name


async def push_end(session: Session, scope: trio.CancelScope) -> None:
    await session.push(EndFrame())
    await session.wait()


async def push_cancel(session: Session, scope: trio.CancelScope) -> None:
    await session.push(CancelFrame())
    await session.wait()


async def leave(session: Session, scope: trio.CancelScope) -> None: ...


async def fail(session: Session, scope: trio.CancelScope) -> None:
    raise Enough


async def be_cancelled(session: Session, scope: trio.CancelScope) -> None:
    scope.cancel()
    await session.wait()


async def leave_and_be_cancelled(session: Session, scope: trio.CancelScope) -> None:
    scope.deadline = trio.current_time() + LATER


async def end_and_cancel(session: Session, scope: trio.CancelScope) -> None:
    with trio.move_on_after(LATER):
        await session.end()
    await session.cancel()


async def fail_an_actor_for_good(session: Session, scope: trio.CancelScope) -> None:
    session.kill("first", Unrecoverable("no key"))
    await trio.sleep_forever()


WAYS = (
    Way("EndFrame", push_end, "ended", drains=True),
    Way("leaving the block", leave, "ended", drains=True),
    Way("CancelFrame", push_cancel, "cancelled"),
    Way("an exception in the block", fail, "cancelled"),
    Way("a cancellation from outside", be_cancelled, "cancelled"),
    Way("a cancellation while it drains", leave_and_be_cancelled, "cancelled", begins_draining=True),
    Way("CancelFrame while it drains", end_and_cancel, "cancelled", begins_draining=True),
    Way("a failure that can't heal", fail_an_actor_for_good, "failed"),
)
each_way = pytest.mark.parametrize("way", WAYS, ids=str)


# ---- what it is stuck in


@actor
class Blocks(Actor):
    """Blocks as long as its frames and its configuration say, in each kind of handler; arms a timer."""

    entering: float = 0.0
    leaving: float = 0.0

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await trio.sleep(self.entering)
        yield
        await trio.sleep(self.leaving)

    @on(Order)
    async def wait_in_ordered(self, frame: Order) -> None:
        await trio.sleep(float(frame.text))

    @on(Alarm)
    async def wait_in_system(self, frame: Alarm) -> None:
        await trio.sleep(float(frame.text))

    @on(Ask)
    async def wait_in_message(self, message: Ask) -> None:
        await trio.sleep(float(message.text))

    @on(Note)
    def arm(self, frame: Note) -> Effects:
        return After(1e6, Ask(frame.text))

    @on(Kept)
    def start_task(self, frame: Kept) -> None:
        self.start_soon(trio.sleep, float(frame.text), interruptible=False)


@actor
class BlocksIn(Actor):
    """Blocks for ever in its handlers of some lifecycle frames."""

    kinds: tuple[type[Frame], ...]

    @on(StartFrame, EndFrame, CancelFrame)
    async def see(self, frame: Frame) -> None:
        if isinstance(frame, self.kinds):
            await trio.sleep_forever()


@actor
class HasTasks(Actor):
    """Has many tasks: of its lifespan and of handlers, some of which take a while to unwind."""

    unwinds: float = 0.3

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        for _ in range(3):
            self.start_soon(self.work)
        yield

    @on(Note)
    def start(self, frame: Note) -> None:
        for _ in range(3):
            self.start_soon(self.work)
            self.start_soon(self.work, interruptible=False)

    async def work(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(self.unwinds, shield=True):
                await trio.sleep_forever()


@actor
class Pours(Actor):
    """Sends more than fits, out of each kind of handler and a task."""

    @on(Note)
    def pour(self, frame: Note) -> Effects:
        return [Order("inf")] * 5

    @on(Kept)
    async def pour_and_wait(self, frame: Kept) -> None:
        for _ in range(5):
            await self.push(Order("inf"))

    @on(Alarm)
    def start(self, frame: Alarm) -> None:
        self.start_soon(self.pour_in_a_task)

    async def pour_in_a_task(self) -> None:
        for _ in range(5):
            await self.push(Order("inf"))


GRACE = 2.0
FOREVER = "inf"


@attrs.frozen(eq=False)
class Stuck:
    """What keeps a session from ending, and what brings it there."""

    name: str
    actors: tuple[Actor, ...]
    script: tuple[Frame | To | Killed, ...] = ()
    """A kill fails the actor named `stuck`."""
    is_open: bool = False
    """Whether somebody has asked for `session.output`, and doesn't read it."""
    drains_at_once: bool = False
    """Whether EndFrame has passed all actors at once."""
    ends_at_once: bool = False
    """Whether nothing takes time at the end, either."""

    def __str__(self) -> str:
        return self.name

    def pipeline(self) -> Pipeline:
        backoff = Backoff(first=1e9, most=1e9)
        middle = (child(each, grace=GRACE, max_buffer=1, backoff=backoff) for each in self.actors)
        return Pipeline(child(Passes(name="first"), grace=1.0), *middle, child(Passes(name="last"), grace=0.5))

    @property
    def graces(self) -> float:
        """Their sum, in seconds."""
        return 1.0 + GRACE * len(self.actors) + 0.5


def blocks(*, entering: float = 0.0, leaving: float = 0.0) -> Actor:
    return Blocks(entering, leaving, name="stuck")


def to_it(text: str) -> To:
    return To(Address("stuck"), Ask(text))


KILL = Killed("from outside")
FULL = tuple(Order(FOREVER) for _ in range(4))

SITUATIONS = (
    Stuck("nothing", (blocks(),), drains_at_once=True, ends_at_once=True),
    Stuck("a timer", (blocks(),), (Note("0"),), drains_at_once=True, ends_at_once=True),
    Stuck("an ordered handler", (blocks(),), (Order(FOREVER),)),
    Stuck("a handler of a system frame", (blocks(),), (Alarm(FOREVER),)),
    Stuck("a handler of a message", (blocks(),), (to_it(FOREVER),)),
    Stuck("an ordered handler, after three that end", (blocks(),), (*(Order("1.5") for _ in range(3)), Order(FOREVER))),
    Stuck("an ordered handler, and then leaving", (blocks(leaving=math.inf),), (Order(FOREVER),)),
    Stuck("handlers in both lanes", (blocks(),), (Order(FOREVER), Alarm(FOREVER))),
    Stuck("its handler of StartFrame", (BlocksIn((StartFrame,), name="stuck"),)),
    Stuck("its handlers of EndFrame and CancelFrame", (BlocksIn((EndFrame, CancelFrame), name="stuck"),)),
    Stuck("a task", (blocks(),), (Kept(FOREVER),)),
    Stuck("many tasks that unwind slowly", (HasTasks(name="stuck"),), (Note("x"),)),
    Stuck("tasks of its lifespan", (HasTasks(name="stuck"),), drains_at_once=True),
    Stuck("entering", (blocks(entering=math.inf),), (Order("0"), to_it("0"))),
    Stuck("leaving", (blocks(leaving=math.inf),), drains_at_once=True),
    Stuck("backoff", (blocks(),), (KILL, KILL, Order("0"))),
    Stuck(
        "backoff, with a full mailbox",
        (blocks(),),
        (KILL, KILL, *(Order("0") for _ in range(4))),
    ),
    Stuck("leaving before a restart", (blocks(leaving=1.9),), (KILL, Order("0"))),
    Stuck("handlers of two actors", (Blocks(), blocks()), (Order(FOREVER), to_it(FOREVER))),
    Stuck("a full mailbox, and session.push waits", (blocks(),), FULL),
    Stuck(
        "a full mailbox, and a plain handler's actor waits",
        (Pours(), blocks()),
        (Note("x"), Note("x")),
    ),
    Stuck(
        "a full mailbox, and an async handler waits",
        (Pours(), blocks()),
        (Kept("x"), Kept("x")),
    ),
    Stuck("a full mailbox, and a task waits", (Pours(), blocks()), (Alarm("x"), Alarm("x"))),
    Stuck(
        "a full mailbox of an actor that is still entering",
        (Pours(), blocks(entering=math.inf)),
        (Kept("x"),),
    ),
    Stuck(
        "an end that nobody reads, and session.push waits",
        (blocks(),),
        tuple(TextFrame(str(n)) for n in range(70)),
        is_open=True,
        drains_at_once=True,
        ends_at_once=True,
    ),
    Stuck(
        "an end that nobody reads",
        (Passes(name="stuck"),),
        tuple(Note(str(n)) for n in range(140)),
        is_open=True,
    ),
)
each_situation = pytest.mark.parametrize("stuck", SITUATIONS, ids=str)


@attrs.frozen
class Ending:
    """How a session ended."""

    session: Session
    recorder: TraceRecorder
    asked: float
    """The moment at which it was asked to end, in virtual seconds."""
    took: float
    """Seconds until its block was left and all who had waited for it went on."""
    tasks_more: int
    """Trio tasks that are left of it."""

    @property
    def since_progress(self) -> float:
        """Seconds from the last thing that any actor began, or from when it was asked to end, to the end."""
        begun = [each.time for each in self.recorder.deliveries if not isinstance(each.frame, LIFECYCLE)]
        return self.asked + self.took - max(self.asked, *begun, 0.0)


LIFECYCLE = (StartFrame, EndFrame, CancelFrame)
SEEDS = range(5)


@cache
def endings(way: Way, stuck: Stuck, direct: bool) -> tuple[Ending, ...]:
    """One for each of a few orders of tasks. Several tests ask for the same."""
    return tuple(end(way, stuck, seed=seed, direct=direct) for seed in SEEDS)


def end(way: Way, stuck: Stuck, *, seed: int, direct: bool) -> Ending:
    """Bring a session to where it is stuck, and end it, in virtual time."""

    async def main() -> Ending:
        recorder = TraceRecorder()
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as senders:
            opened = open_session(stuck.pipeline(), outside=NoDoor(), observers=(recorder,), direct=direct, seed=seed)
            session, asked = await end_by(way, opened, lambda session: bring_there(session, stuck, senders))
        took = trio.current_time() - asked
        return Ending(session, recorder, asked, took, trio.lowlevel.current_statistics().tasks_living - before)

    with alarm():
        return run_explored(seed, main)


async def end_by(
    way: Way, opened: AbstractAsyncContextManager[Session], prepare: Callable[[Session], Awaitable[None]]
) -> tuple[Session, float]:
    """Open a session, prepare it, end it. Returns it with the moment at which it was asked to end."""
    session: Session | None = None
    asked = math.inf
    try:
        with trio.CancelScope() as scope:
            async with opened as session:
                await prepare(session)
                asked = trio.current_time() + (LATER if way.begins_draining else 0.0)
                await way.go(session, scope)
    except Enough:
        assert way.go is fail
    except ExceptionGroup as error:
        if session is None or session.outcome is not error:
            raise
    assert session is not None
    return session, asked


async def bring_there(session: Session, stuck: Stuck, senders: trio.Nursery) -> None:
    if stuck.is_open:
        assert session.output
    await trio.testing.wait_all_tasks_blocked()
    for item in stuck.script:
        if isinstance(item, Killed):
            session.kill("stuck", item)
        elif isinstance(item, To):
            await session.send(item.address, item.message)
        else:
            # In tasks of their own, which go on when the session has ended: some wait for room until then.
            senders.start_soon(session.push, item)
        await trio.testing.wait_all_tasks_blocked()


@both
@each_way
@each_situation
@pytest.mark.rule("LC3", "LC4", "B48")
def test_however_a_session_is_ended_it_has_ended_within_the_graces(way: Way, stuck: Stuck, direct: bool) -> None:
    for seed, ending in enumerate(endings(way, stuck, direct)):
        took = ending.since_progress if way.drains else ending.took
        assert took <= stuck.graces + 1e-6, f"seed {seed}"


@both
@each_way
@each_situation
@pytest.mark.rule("LC4", "B46")
def test_its_outcome_is_what_was_asked_for_and_the_last_that_is_told(way: Way, stuck: Stuck, direct: bool) -> None:
    expected = "ended" if way.begins_draining and stuck.drains_at_once else way.outcome
    for seed, ending in enumerate(endings(way, stuck, direct)):
        outcome = ending.session.outcome
        assert outcome == expected or (expected == "failed" and isinstance(outcome, ExceptionGroup)), f"seed {seed}"
        assert ending.recorder.all[-1] is outcome, f"seed {seed}"


@both
@each_way
@each_situation
@pytest.mark.rule("LC4")
def test_it_leaves_no_task(way: Way, stuck: Stuck, direct: bool) -> None:
    assert [ending.tasks_more for ending in endings(way, stuck, direct)] == [0] * len(SEEDS)


@both
@each_situation
def test_the_end_takes_time_just_where_something_is_stuck(stuck: Stuck, direct: bool) -> None:
    for ending in endings(WAYS[0], stuck, direct):
        assert (ending.took == 0.0) is stuck.ends_at_once


@actor
class Shields(Actor):
    """Waits for long where nothing can cancel it."""

    where: str

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        yield
        await self.wait_in("leaving")

    @on(Note)
    async def work(self, frame: Note) -> None:
        self.start_soon(self.wait_in, "a task")
        await self.wait_in("a handler")

    async def wait_in(self, place: str) -> None:
        if place == self.where:
            with trio.CancelScope(shield=True):
                await trio.sleep(1000)


@pytest.mark.rule("LC4")
@pytest.mark.parametrize("where", ["a handler", "a task", "leaving"])
@pytest.mark.parametrize("way", [way for way in WAYS if way.name in ("EndFrame", "CancelFrame")], ids=str)
def test_an_actor_that_shields_its_waits_is_ended_too(where: str, way: Way) -> None:
    stuck = Stuck(where, (Shields(where, name="stuck"),), (Note("x"),))
    assert end(way, stuck, seed=0, direct=True).took <= 2 * stuck.graces


# ---- with real child processes


@actor
class Speaks(Actor):
    """Has an engine as long as it lives, and gives it what it can't take at once."""

    command: tuple[str, ...]
    listens: bool
    engine: Engine | None = state(None)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.outside.engine(self.command) as self.engine:
            if self.listens:
                self.start_soon(self.listen, self.engine)
            yield

    async def listen(self, engine: Engine) -> None:
        async for _ in engine:
            pass

    @on(Note)
    def speak(self, frame: Note) -> None:
        assert self.engine is not None
        self.engine.send_nowait(bytes(200_000))


@attrs.frozen
class Running:
    """An engine, and what it is at when the session ends."""

    name: str
    lines: str
    script: tuple[Note | Killed, ...] = ()
    is_ready: bool = True
    """Whether the end waits until it is."""
    listens: bool = True

    def __str__(self) -> str:
        return self.name


NEVER_READY = "while True: time.sleep(1)\n"
TALKS = READY + "while True: say(bytes(1000))\n"
ENGINES = (
    Running("idle", ECHO),
    Running("being started", ECHO, is_ready=False),
    Running("never ready", NEVER_READY, is_ready=False),
    Running("deaf", READS_NOTHING, (Note("x"),)),
    Running("refusing to die", STUBBORN, (Note("x"),)),
    Running("refusing to die, after its actor was killed", STUBBORN, (KILL,)),
    Running("talking to nobody", TALKS, listens=False),
    Running("of an actor in backoff", ECHO, (KILL, KILL)),
)


@pytest.mark.rule("LC4")
@pytest.mark.parametrize("way", [way for way in WAYS if way.go in (push_end, push_cancel, fail, be_cancelled)], ids=str)
@pytest.mark.parametrize("running", ENGINES, ids=str)
async def test_no_child_process_and_no_file_is_left(running: Running, way: Way, tmp_path: Path) -> None:
    watch = Watch()
    stuck = Stuck("", (Speaks(tuple(command_of(tmp_path, running.lines)), running.listens, name="stuck"),))

    async def prepare(session: Session) -> None:
        if not running.is_ready:
            return
        await watch.until(lambda: bool(started(watch)))
        for item in running.script:
            if isinstance(item, Killed):
                session.kill("stuck", item)
            else:
                await session.push(item)
            await trio.testing.wait_all_tasks_blocked()

    before = left()
    with trio.fail_after(60):
        session, asked = await end_by(way, open_session(stuck.pipeline(), observers=[watch]), prepare)
    assert left() == before
    assert trio.current_time() - asked <= 2 * stuck.graces
    assert session.outcome is not None


def started(watch: Watch) -> list[Delivery]:
    """StartFrame has left the session only when each actor has started."""
    return [each for each in watch.deliveries if each.receiver.name == "sink" and isinstance(each.frame, StartFrame)]


def left() -> tuple[set[int], int, int]:
    """The child processes, how many files are open, and how many Trio tasks live."""
    return children(), open_files(), trio.lowlevel.current_statistics().tasks_living


# ---- entered where everything is cancelled already


@pytest.mark.rule("LC4")
def test_a_session_opened_in_a_cancelled_scope_is_over_at_once() -> None:
    async def main() -> bool:
        with trio.CancelScope() as scope:
            scope.cancel()
            async with open_session(Pipeline(Blocks())):
                raise AssertionError("the block has begun")
        return scope.cancelled_caught

    with alarm():
        assert run_explored(0, main)


@both
@pytest.mark.rule("LC3", "LC4")
def test_who_waits_behind_two_full_lanes_is_given_its_grace_from_the_end_on(direct: bool) -> None:
    recorder = TraceRecorder()

    async def main() -> None:
        lanes = [child(Passes(), max_buffer=64), child(Passes(), max_buffer=1), child(Slow(0.4), max_buffer=1)]
        async with open_session(Pipeline(*lanes), observers=[recorder], direct=direct) as session:
            await trio.sleep(10)
            for number in range(8):
                with trio.move_on_after(0.01):  # it is in the lane, and needn't be waited for
                    await session.push(Note(str(number)))

    run_explored(0, main)
    assert (recorder.stalls, recorder.dropped_ones) == ([], [])
    assert texts(each.frame for each in recorder.deliveries if each.receiver.name == "sink") == list("01234567")

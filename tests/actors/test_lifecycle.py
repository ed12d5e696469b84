"""How a session begins and ends: lifecycle frames, lifespans, draining, and what leaves at the ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from antiphon import (
    Actor,
    Address,
    After,
    Both,
    Down,
    Immune,
    Interrupt,
    Parallel,
    Pipeline,
    To,
    Up,
    actor,
    child,
    on,
    open_session,
)
from antiphon.actors import Effects
from antiphon.channels import (
    CancelFrame,
    CancelWorkerFrame,
    ControlFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    MetricsFrame,
    StartFrame,
    StopFrame,
    SystemFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, TraceRecorder, play
from antiphon.scenarios.explorer import run_explored
from tests.actors.notes import Alarm, Ask, Kept, Note, Order, Passes, Slow, both, texts


def at_end(trace: Trace, kind: type) -> list[float]:
    """When frames of a kind left at the end of the pipeline."""
    return [each.time for each in trace.deliveries if each.receiver.name == "sink" and isinstance(each.frame, kind)]


def who_saw(trace: Trace, kind: type) -> list[str]:
    return [each.receiver.name for each in trace.deliveries if isinstance(each.frame, kind)]


@actor
class Sees(Actor):
    """Handles each lifecycle frame in a plain handler, in the way its configuration says."""

    how: Callable[[Frame], Effects] = lambda frame: None

    @on(StartFrame, EndFrame, StopFrame, CancelFrame)
    def see(self, frame: Frame) -> Effects:
        return self.how(frame)


@actor
class SeesLater(Actor):
    """The same in an async handler."""

    seconds: float = 0.5

    @on(StartFrame, EndFrame, StopFrame, CancelFrame)
    async def see(self, frame: Frame) -> None:
        await trio.sleep(self.seconds)


@actor
class SeesBases(Actor):
    """Handles the base classes of lifecycle frames, and swallows what it gets."""

    @on(SystemFrame, ControlFrame, Frame)
    def swallow(self, frame: Frame) -> None: ...


@actor
class SeesNothing(Actor):
    """No handler at all."""


def fail_to_end(frame: Frame) -> Effects:
    if not isinstance(frame, StartFrame):
        raise ValueError(f"no {type(frame).__name__} for me")
    return None


class FailsOnce:
    """Fails on the first frame that it gets."""

    def __init__(self) -> None:
        self.has_failed = False

    def __call__(self, frame: Frame) -> Effects:
        if not self.has_failed:
            self.has_failed = True
            raise ValueError(f"no {type(frame).__name__} for me")
        return None


# ---- LC1


@both
@pytest.mark.rule("LC1")
@pytest.mark.parametrize("how", [lambda frame: None, lambda frame: frame, Down, Up, fail_to_end], ids=range(5))
@pytest.mark.parametrize("kind", [EndFrame, StopFrame, CancelFrame])
def test_nobody_can_stop_a_lifecycle_frame_and_each_passes_once(
    kind: type[Frame], how: Callable[[Frame], Effects], direct: bool
) -> None:
    trace = play(Pipeline(Sees(how), SeesBases(), Sees()), [kind()], direct=direct)
    assert who_saw(trace, kind) == ["sees", "sees_2", "sink"]
    assert [each for each in who_saw(trace, StartFrame) if each != "sees"][-2:] == ["sees_2", "sink"]
    assert len(trace.failures) == (how is fail_to_end)


@both
@pytest.mark.rule("LC1")
def test_a_handler_of_a_base_class_gets_neither_lifecycle_frames_nor_interruptions(direct: bool) -> None:
    trace = play(Pipeline(SeesBases()), [InterruptionFrame(), Alarm("x"), EndFrame()], direct=direct)
    assert trace.handled_by("sees_bases") == (Alarm("x"),)


@both
@pytest.mark.rule("LC1")
@pytest.mark.parametrize(
    ("last", "kinds"), [(EndFrame(), (StartFrame, EndFrame)), (CancelFrame(), (StartFrame, CancelFrame))]
)
def test_the_handlers_effects_go_before_the_lifecycle_frame(last: Frame, kinds: tuple[type, ...], direct: bool) -> None:
    trace = play(Pipeline(Sees(lambda frame: Note(type(frame).__name__)), Sees()), [last], direct=direct)
    left = [each.frame for each in trace.deliveries if each.receiver.name == "sink"]
    names = [frame.text if isinstance(frame, Note) else type(frame) for frame in left]
    for kind in kinds:
        # Two actors say the frame's name; the first one's word for StartFrame waits until the second has started.
        assert names.index(kind.__name__) < names.index(kind) or kind is StartFrame
        assert names.count(kind) == 1


@both
@pytest.mark.rule("LC1")
def test_a_lifecycle_frame_passes_after_its_handler_failed(direct: bool) -> None:
    trace = play(Pipeline(Sees(FailsOnce()), Sees()), [Note("x"), EndFrame()], direct=direct)
    assert trace.ended == "ended"
    assert sorted(who_saw(trace, StartFrame)) == ["sees", "sees", "sees_2", "sink"]
    assert texts(trace.down) == ["x"]


@both
@pytest.mark.rule("LC1", "SU10")
@pytest.mark.parametrize("kind", [EndFrame, StopFrame])
def test_an_actor_that_fails_at_its_end_is_not_restarted_and_its_error_is_told(kind: type[Frame], direct: bool) -> None:
    trace = play(Pipeline(Passes(), Sees(fail_to_end), SeesLater(), Sees()), [kind()], direct=direct)
    assert who_saw(trace, kind) == ["sees", "sees_later", "sees_2", "sink"]
    assert trace.restarts == ()
    assert [type(frame) for frame in trace.up] == [ErrorFrame]
    assert trace.ended == "ended"


@pytest.mark.rule("SU10")
def test_the_error_of_the_last_actor_at_its_end_is_told_too_in_each_order_of_tasks() -> None:
    for seed in range(20):
        trace = play(Pipeline(Sees(fail_to_end)), [EndFrame()], seed=seed)
        assert [type(frame) for frame in trace.up] == [ErrorFrame], f"seed {seed}"


# ---- LC2


@actor
class Lives(Actor):
    """Takes its time to enter and to leave, and logs it with the time."""

    log: Callable[[tuple[str, str, float]], object]
    enter: float = 0.0
    leave: float = 0.0

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.tell("entering")
        await trio.sleep(self.enter)
        self.tell("entered")
        yield
        self.tell("leaving")
        await trio.sleep(self.leave)
        self.tell("left")

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.tell("start")

    @on(Note, Alarm, Ask)
    def take(self, frame: Frame) -> None:
        self.tell("frame")

    def tell(self, what: str) -> None:
        self.log((str(self.address), what, round(trio.current_time(), 3)))


@both
@pytest.mark.rule("LC2", "B40")
def test_lifespans_enter_together_start_comes_in_order_and_they_leave_in_reverse(direct: bool) -> None:
    log: list[tuple[str, str, float]] = []
    pipeline = Pipeline(
        Lives(log.append, enter=2.0, leave=0.5, name="a"),
        Lives(log.append, enter=1.0, leave=0.5, name="b"),
        Lives(log.append, name="c"),
    )
    play(pipeline, [Sleep(5)], direct=direct)
    assert {each for each in log if each[1] == "entering"} == {(name, "entering", 0.0) for name in "abc"}
    assert [each for each in log if each[1] == "entered"] == [
        ("c", "entered", 0.0),
        ("b", "entered", 1.0),
        ("a", "entered", 2.0),
    ]
    assert [each for each in log if each[1] == "start"] == [(name, "start", 2.0) for name in "abc"]
    assert log[-6:] == [
        ("c", "leaving", 5.0),
        ("c", "left", 5.0),
        ("b", "leaving", 5.0),
        ("b", "left", 5.5),
        ("a", "leaving", 5.5),
        ("a", "left", 6.0),
    ]


@both
@pytest.mark.rule("LC2")
def test_an_actor_that_fails_at_its_end_or_is_given_up_leaves_its_lifespan_too(direct: bool) -> None:
    log: list[tuple[str, str, float]] = []
    pipeline = Pipeline(
        FailsAtEnd(log.append, leave=0.5, name="a"),
        BlocksAtEnd(log.append, leave=0.5, name="b"),
        Lives(log.append, leave=0.5, name="c"),
    )
    play(pipeline, [EndFrame()], direct=direct)
    assert sorted(each for each in log if each[1] == "left") == [
        ("a", "left", 0.5),
        ("b", "left", 1.5),
        ("c", "left", 1.5),
    ]


@both
@pytest.mark.rule("LC2", "B4")
def test_frames_wait_until_the_lifespan_has_entered_and_start_comes_first(direct: bool) -> None:
    log: list[tuple[str, str, float]] = []
    pipeline = Pipeline(Lives(log.append, name="quick"), Lives(log.append, enter=1.0, name="slow"))
    ask = To(Address("slow"), Ask("x"))
    play(pipeline, [ask, Alarm("x"), Sleep(0.5), ask], direct=direct)
    assert [each for each in log if each[0] == "slow"][:5] == [
        ("slow", "entering", 0.0),
        ("slow", "entered", 1.0),
        ("slow", "start", 1.0),
        ("slow", "frame", 1.0),
        ("slow", "frame", 1.0),
    ]


@actor
class FailsAtEnd(Lives):
    """Fails as it handles EndFrame."""

    @on(EndFrame)
    def end(self, frame: EndFrame) -> None:
        raise OSError("no end")


@actor
class BlocksAtEnd(Lives):
    """Doesn't finish its handler of EndFrame."""

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        await trio.sleep_forever()


@actor
class FailsToEnter(Actor):
    """Fails to enter or to leave."""

    when: str

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        if self.when == "enter":
            raise OSError("no way in")
        yield
        raise OSError("no way out")

    @on(StartFrame, Note)
    def take(self, frame: Frame) -> Effects:
        return frame


@both
@pytest.mark.rule("LC2")
def test_a_failure_to_enter_is_a_failure_of_the_actor(direct: bool) -> None:
    trace = play(Pipeline(FailsToEnter("enter")), [Note("x")], direct=direct)
    assert len(trace.failures) == 4
    assert [each.incarnation for each in trace.restarts] == [1, 2, 3]
    assert isinstance(trace.ended, ExceptionGroup)
    assert trace.handled_by("fails_to_enter") == ()


@both
@pytest.mark.rule("LC2")
def test_a_failure_to_leave_is_reported_and_ends_nothing(direct: bool) -> None:
    trace = play(Pipeline(FailsToEnter("leave")), [Note("x"), EndFrame()], direct=direct)
    assert [str(each.error) for each in trace.failures] == ["no way out"]
    assert trace.restarts == ()
    assert trace.ended == "ended"


@both
@pytest.mark.rule("LC2")
def test_leaving_takes_at_most_the_actors_grace(direct: bool) -> None:
    log: list[tuple[str, str, float]] = []
    pipeline = Pipeline(
        Lives(log.append, leave=0.5, name="a"), child(Lives(log.append, leave=100.0, name="b"), grace=2.0)
    )
    trace = play(pipeline, [EndFrame()], direct=direct)
    assert [each for each in log if each[1] in ("leaving", "left")] == [
        ("b", "leaving", 0.0),
        ("a", "leaving", 2.0),
        ("a", "left", 2.5),
    ]
    assert trace.ended == "ended"


# ---- LC3


@actor
class SaysGoodbye(Actor):
    """Sends something as it handles EndFrame, and doesn't finish."""

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        await self.push(Note("goodbye"))
        await trio.sleep_forever()


@both
@pytest.mark.rule("LC1", "LC3")
def test_the_end_passes_an_actor_that_is_given_up_once_whatever_it_has_sent(direct: bool) -> None:
    trace = play(Pipeline(SaysGoodbye(), Sees()), [EndFrame()], direct=direct)
    assert who_saw(trace, EndFrame) == ["says_goodbye", "sees", "sink"]
    assert texts(trace.down) == ["goodbye"]


@actor
class Busy(Actor):
    """Works as each order says: with a task, a system handler, an ordered one."""

    @on(Order)
    async def ordered(self, frame: Order) -> None:
        await trio.sleep(float(frame.text))
        await self.push(Kept("ordered"))

    @on(Alarm)
    async def system(self, frame: Alarm) -> None:
        await trio.sleep(float(frame.text))
        await self.push(Kept("system"))

    @on(Note)
    def task(self, frame: Note) -> None:
        self.start_soon(self.work, float(frame.text))

    async def work(self, seconds: float) -> None:
        await trio.sleep(seconds)
        await self.push(Kept("task"))


@both
@pytest.mark.rule("LC3")
@pytest.mark.parametrize("work", [Order("0.5"), Alarm("0.5"), Note("0.5")])
def test_end_waits_for_handlers_for_the_system_lane_and_for_tasks(work: Frame, direct: bool) -> None:
    trace = play(Pipeline(Busy(), Passes()), [work, EndFrame()], direct=direct)
    assert at_end(trace, Kept) == [0.5]
    assert at_end(trace, EndFrame) == [0.5]
    assert trace.ended == "ended"


@both
@pytest.mark.rule("LC3", "B41")
@pytest.mark.parametrize("work", [Order("100"), Alarm("100"), Note("100")])
def test_an_actor_that_finishes_nothing_for_its_grace_is_ended(work: Frame, direct: bool) -> None:
    trace = play(Pipeline(child(Busy(), grace=2.0), Passes()), [work, Sleep(1), EndFrame()], direct=direct)
    assert at_end(trace, EndFrame) == [3.0]
    assert trace.down == ()
    assert trace.ended == "ended"
    assert [each.address.name for each in trace.stalls] == ["busy"]


@both
@pytest.mark.rule("LC3")
@pytest.mark.parametrize("seed", range(10))
def test_who_is_done_at_the_very_moment_of_its_grace_is_not_ended(seed: int, direct: bool) -> None:
    trace = play(Pipeline(Busy()), [(Order("1"), Order("1"), EndFrame())], direct=direct, seed=seed)
    assert texts(trace.down) == ["ordered", "ordered"]


@both
@pytest.mark.rule("LC3")
def test_an_actor_that_gets_on_may_take_longer_than_its_grace_altogether(direct: bool) -> None:
    script: list[Item] = [tuple(Order("0.8") for _ in range(10)), EndFrame()]
    trace = play(Pipeline(Busy()), script, direct=direct)
    assert len(trace.down) == 10
    assert at_end(trace, EndFrame) == [pytest.approx(8.0)]


@actor
class Plays(Actor):
    """Knows how long it will take, and says so."""

    allowed: float

    @on(Order)
    async def play(self, frame: Order) -> None:
        self.allow(self.allowed)
        await trio.sleep(float(frame.text))
        await self.push(frame)


@both
@pytest.mark.rule("LC3")
def test_who_is_ended_before_it_has_entered_keeps_nobody_else_from_starting(direct: bool) -> None:
    log: list[tuple[str, str, float]] = []
    pipeline = Pipeline(Lives(log.append, enter=1e6, name="a"), Lives(log.append, enter=1e6, name="b"), Sees())
    trace = play(pipeline, [EndFrame()], direct=direct)
    assert who_saw(trace, StartFrame) == ["sees", "sink"]
    assert who_saw(trace, EndFrame) == ["sees", "sink"]
    assert at_end(trace, EndFrame) == [2.0]


@both
@pytest.mark.rule("LC3")
@pytest.mark.parametrize(("seconds", "left"), [("4.5", 4.5), ("100", 5.0)])
def test_an_actor_may_ask_for_more_time(seconds: str, left: float, direct: bool) -> None:
    trace = play(Pipeline(Plays(allowed=4.0)), [(Order(seconds), EndFrame())], direct=direct)
    assert at_end(trace, EndFrame) == [left]
    assert texts(trace.down) == (["4.5"] if seconds == "4.5" else [])


@both
@pytest.mark.rule("LC3")
def test_cancel_waits_for_nothing(direct: bool) -> None:
    script: list[Item] = [Order("100"), Order("1"), Note("100"), Sleep(1), CancelFrame()]
    trace = play(Pipeline(Busy(), Passes()), script, direct=direct)
    assert at_end(trace, CancelFrame) == [1.0]
    assert trace.down == ()
    assert trace.ended == "cancelled"


@both
@pytest.mark.rule("LC3")
def test_a_full_pipeline_drains_at_the_end(direct: bool) -> None:
    pipeline = Pipeline(*(child(Slow(seconds=0.3, name=name), max_buffer=1) for name in "abc"))
    script: list[Item] = [tuple(Note(str(number)) for number in range(9)), EndFrame()]
    trace = play(pipeline, script, direct=direct)
    assert texts(trace.down) == list("012345678")
    assert trace.ended == "ended"


# ---- LC5


@pytest.mark.rule("LC5")
async def test_what_leaves_is_read_from_output_and_upstream_without_lifecycle_frames(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_session(Pipeline(SendsBothWays())) as session:
        output, upstream = session.output, session.upstream
        await session.push(Order("1"))
        assert (await anext(output), await anext(upstream)) == (Note("1"), Kept("1"))
        await session.push(InterruptionFrame())
        await session.push(Order("2"))
        await session.end()
        assert [frame async for frame in output] == [Note("2")]
        assert [frame async for frame in upstream] == [Kept("2")]


@actor
class SendsBothWays(Actor):
    """A note down and a kept one up."""

    @on(Order)
    def send(self, frame: Order) -> Effects:
        return [Down(Note(frame.text)), Up(Kept(frame.text))]


@both
@pytest.mark.rule("LC5")
async def test_an_open_end_slows_the_pipeline_and_a_closed_one_does_not(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_session(Pipeline(child(Passes(), max_buffer=1)), direct=direct) as session:
        for number in range(200):
            await session.push(Note(str(number)))
        await trio.testing.wait_all_tasks_blocked()
        output = session.output
        sent = 0
        with trio.move_on_after(1):
            for number in range(200):
                await session.push(Note(str(number)))
                sent = number + 1
        assert 64 <= sent <= 67
        assert await anext(output) == Note("0")
        await session.cancel()


@pytest.mark.rule("LC5")
@pytest.mark.parametrize("seed", range(60))
def test_what_has_left_is_read_after_the_end_too_and_wakes_nobody(seed: int) -> None:
    """Something was on its way up when the session ended, and its receiver had its turn still before it."""

    async def main() -> list[Frame]:
        async with open_session(Pipeline(Passes(), Slow(), SaysGoodbyeUpwards()), direct=False, seed=seed) as session:
            output = session.output
            for number in range(5):
                await session.push(Note(str(number)))
            await session.end()
            return [frame async for frame in output]

    assert texts(run_explored(seed, main)) == list("01234")


@actor
class SaysGoodbyeUpwards(Actor):
    """Sends something up at its end."""

    @on(EndFrame)
    def end(self, frame: EndFrame) -> Effects:
        return Up(Note("goodbye"))


@pytest.mark.rule("LC5")
async def test_a_session_hears_frames_in_both_directions(autojump_clock: trio.testing.MockClock) -> None:
    recorder = TraceRecorder()
    async with open_session(Pipeline(Passes()), observers=[recorder]) as session:
        await session.push(Note("down"))
        await session.push(Note("up"), direction="up")
        await session.push(Kept("up"), "up")
    assert [(each.receiver.name, each.frame) for each in recorder.deliveries if texts([each.frame])] == [
        ("passes", Note("down")),
        ("sink", Note("down")),
        ("passes", Note("up")),
        ("source", Note("up")),
        ("passes", Kept("up")),
        ("source", Kept("up")),
    ]


@both
@pytest.mark.rule("LC5")
@pytest.mark.parametrize(("frame", "ended"), [(EndWorkerFrame(), "ended"), (CancelWorkerFrame(), "cancelled")])
@pytest.mark.parametrize("up", [True, False])
def test_a_request_that_reaches_an_end_ends_the_session(frame: Frame, ended: str, up: bool, direct: bool) -> None:
    script: list[Item] = [Order("x"), Sleep(1), Note("too late")]
    trace = play(Pipeline(Asks(frame, up), Sees()), script, direct=direct)
    assert trace.ended == ended
    assert who_saw(trace, EndFrame if ended == "ended" else CancelFrame) == ["sees", "sink"]


@actor
class Asks(Actor):
    """Sends a frame up or down at an order."""

    frame: Frame
    up: bool

    @on(Order)
    def ask(self, order: Order) -> Effects:
        return Up(self.frame) if self.up else Down(self.frame)


# ---- LC6


@actor
class TalksOn(Actor):
    """Goes on talking after it has handled EndFrame."""

    what: Any

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.start_soon(self.talk)
        yield

    @on(EndFrame, CancelFrame)
    def end(self, frame: Frame) -> None: ...

    async def talk(self) -> None:
        await trio.sleep(1.5)
        await self.push(self.what)


@actor
class EndsSlowly(Actor):
    """Takes a second to handle EndFrame."""

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        await trio.sleep(0.9)

    @on(Ask)
    def hear(self, message: Ask) -> None: ...


@both
@pytest.mark.rule("LC6")
@pytest.mark.parametrize(
    ("what", "leaves"),
    [
        (Note("x"), False),
        (Kept("x"), False),
        (Alarm("x"), False),
        (Up(Note("x")), False),
        (MetricsFrame(()), True),
        (ErrorFrame("x"), True),
    ],
)
def test_after_end_only_errors_and_metrics_leave_an_actor(what: Any, leaves: bool, direct: bool) -> None:
    script: list[Item] = [Sleep(1), EndFrame()]
    trace = play(Pipeline(TalksOn(what), EndsSlowly(), EndsSlowly()), script, direct=direct)
    assert trace.ended == "ended"
    frame = what.frame if isinstance(what, Up) else what
    assert [each.reason for each in trace.dropped if each.delivery.frame == frame] == ([] if leaves else ["finished"])
    assert (frame in trace.down + trace.up) is leaves


@actor
class Repeats(Actor):
    """Answers each frame as its configuration says, by effects."""

    how: Callable[[Any], Effects]

    @on(Note, Kept, Alarm)
    def hear(self, frame: Frame) -> Effects:
        return self.how(frame)


@actor
class RepeatsLater(Actor):
    """The same, pushing."""

    how: Callable[[Any], Any]

    @on(Note, Kept, Alarm)
    async def hear(self, frame: Frame) -> None:
        effects = self.how(frame)
        await self.push(*(effects if isinstance(effects, tuple) else (effects,)))


@actor
class GoodbyeUp(Actor):
    """Sends a frame upstream from its EndFrame handler, when those before it have ended."""

    what: Frame

    @on(EndFrame)
    def end(self, frame: EndFrame) -> Effects:
        return Up(self.what)


ANSWERS = (Note("new"), Kept("new"), Alarm("new"))


@both
@pytest.mark.rule("LC6")
@pytest.mark.parametrize("kind", [Repeats, RepeatsLater])
@pytest.mark.parametrize("what", [Note("x"), Kept("x"), Alarm("x")])
@pytest.mark.parametrize(
    ("how", "out", "held"),
    [
        (lambda frame: frame, 1, 0),
        (lambda frame: (frame,), 1, 0),
        (lambda frame: Up(frame), 1, 0),
        (lambda frame: Immune(frame), 1, 0),
        (lambda frame: (*ANSWERS, frame, *ANSWERS), 1, 6),
        (lambda frame: attrs.evolve(frame), 0, 1),
        (lambda frame: (frame, frame), 1, 1),
        (lambda frame: Down(frame), 0, 1),
        (lambda frame: Both(frame), 1, 1),
    ],
    ids=["returned", "yielded", "up", "immune", "among new ones", "an equal one", "twice", "turned round", "both ways"],
)
def test_what_an_ended_actor_hands_on_unchanged_passes_as_it_does_where_nobody_handles_it(
    kind: Any, what: Frame, how: Callable[[Any], Any], out: int, held: int, direct: bool
) -> None:
    trace = play(Pipeline(kind(how), GoodbyeUp(what)), [EndFrame()], direct=direct)
    assert trace.ended == "ended"
    assert texts(trace.up) == ["x"] * out
    assert [each.reason for each in trace.dropped] == ["finished"] * held


@both
@pytest.mark.rule("LC6", "PA2")
def test_what_passes_ended_actors_in_two_branches_leaves_once(direct: bool) -> None:
    """Both branches have a handler that hands it on, so both copies come to the join."""
    branches = Parallel(*(Pipeline(Repeats(lambda frame: frame), name=name) for name in ("a", "b")))
    trace = play(Pipeline(branches, GoodbyeUp(Note("x"))), [EndFrame()], direct=direct)
    assert texts(trace.up) == ["x"]
    assert [each.reason for each in trace.dropped] == ["merged"]


@both
@pytest.mark.rule("LC6")
def test_after_end_an_actor_cuts_nobody(direct: bool) -> None:
    pipeline = Pipeline(TalksOn(Interrupt()), child(Slow(seconds=3.0), grace=9.0))
    trace = play(pipeline, [Note("goodbye"), EndFrame()], direct=direct)
    assert texts(trace.down) == ["goodbye"]


@both
@pytest.mark.rule("LC6")
def test_after_end_an_actor_may_still_send_messages(direct: bool) -> None:
    pipeline = Pipeline(EndsSlowly(name="first"), TalksOn(To(Address("first"), Ask("x"))), EndsSlowly(), EndsSlowly())
    trace = play(pipeline, [EndFrame()], direct=direct)
    assert Ask("x") in trace.handled_by("first")


@both
@pytest.mark.rule("LC6")
def test_messages_to_an_actor_are_handled_until_the_session_has_ended(direct: bool) -> None:
    pipeline = Pipeline(EndsSlowly(name="first"), LastWords())
    trace = play(pipeline, [EndFrame()], direct=direct)
    assert trace.handled_by("first")[-1] == Ask("goodbye")


@actor
class LastWords(Actor):
    """Says goodbye from its EndFrame handler."""

    @on(EndFrame)
    def end(self, frame: EndFrame) -> Effects:
        return [To(Address("first"), Ask("goodbye")), After(1, Ask("never"))]

    @on(Ask)
    def hear(self, message: Ask) -> None: ...


# ---- who opens and ends


async def test_a_session_that_has_ended_takes_nothing_more(autojump_clock: trio.testing.MockClock) -> None:
    async with open_session(Pipeline(Passes())) as session:
        await session.end()
        with pytest.raises(trio.ClosedResourceError):
            await session.push(Note("x"))
        with pytest.raises(trio.ClosedResourceError):
            await session.send(Address("passes"), Ask("x"))
        await session.end()
        await session.cancel()


async def test_leaving_the_block_ends_the_session_and_drains_it(autojump_clock: trio.testing.MockClock) -> None:
    recorder = TraceRecorder()
    async with open_session(Pipeline(Slow(seconds=0.5)), observers=[recorder]) as session:
        for number in range(5):
            await session.push(Note(str(number)))
    assert session.outcome == "ended"
    assert len([each for each in recorder.deliveries if each.receiver.name == "sink" and texts([each.frame])]) == 5


@both
def test_play_ends_by_cancelling_and_only_a_script_ends(direct: bool) -> None:
    assert play(Pipeline(Sees()), [], direct=direct).ended == "cancelled"
    trace = play(Pipeline(Sees()), [EndFrame()], direct=direct)
    assert (trace.ended, who_saw(trace, CancelFrame)) == ("ended", [])


@both
def test_play_goes_on_until_no_timer_waits_or_the_limit(direct: bool) -> None:
    trace = play(Pipeline(Ticks()), [Order("3")], direct=direct)
    assert [each.time for each in trace.deliveries if isinstance(each.frame, Ask)] == [1.0, 2.0, 3.0]
    trace = play(Pipeline(Ticks()), [Order("1000")], direct=direct, limit=5.5)
    assert len([each for each in trace.deliveries if isinstance(each.frame, Ask)]) == 5


@actor
class Ticks(Actor):
    """Ticks each second, as often as told."""

    @on(Order)
    def begin(self, frame: Order) -> Effects:
        return After(1, Ask(frame.text))

    @on(Ask)
    def tick(self, message: Ask) -> Effects:
        left = int(message.text) - 1
        return After(1, Ask(str(left))) if left else None


@both
def test_play_ends_at_its_limit_even_while_a_push_waits_for_room(direct: bool) -> None:
    pipeline = Pipeline(child(Slow(seconds=1e9), max_buffer=1))
    trace = play(pipeline, [tuple(Note(str(number)) for number in range(5))], direct=direct, limit=10.0)
    assert trace.ended == "cancelled"
    assert trace.deliveries[-1].time == 10.0


@both
def test_kill_at_strikes_as_the_nth_delivery_begins(direct: bool) -> None:
    trace = play(Pipeline(Passes()), [Kill("passes", at=2), *(Note(text) for text in "123")], direct=direct)
    assert texts(trace.handled_by("passes")) == ["1", "2", "2", "3"]
    assert texts(trace.down) == ["1", "2", "3"]
    assert [each.delivery.frame for each in trace.failures if each.delivery] == [Note("2")]


# ---- an end, and a sibling's failure by its last word


@actor
class LastWord(Actor):
    """Has a last word at its end, and takes its time to leave."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        yield
        await trio.sleep(0.5)

    @on(EndFrame)
    def say(self, frame: EndFrame) -> Note:
        return Note("goodbye")


@both
@pytest.mark.rule("SU9", "LC1")
def test_who_has_handled_its_end_is_not_stopped_when_its_last_word_fails_a_sibling(direct: bool) -> None:
    pipeline = Pipeline(LastWord(), Passes(name="fails"), strategy="one_for_all")
    trace = play(pipeline, [Kill("fails", at=1), EndFrame()], direct=direct)
    assert [(str(each.address), each.time) for each in trace.restarts] == [("fails", 0.0)]
    assert texts(trace.down) == ["goodbye"]

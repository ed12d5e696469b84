"""Branches: what enters them in which order, what comes out once, and how a session begins and ends around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from antiphon import (
    Actor,
    Both,
    Down,
    Finish,
    Immune,
    Interrupt,
    Parallel,
    Pipeline,
    Up,
    actor,
    child,
    on,
    open_session,
    state,
)
from antiphon.actors import Effects
from antiphon.channels import (
    CancelFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    StopFrame,
)
from antiphon.scenarios import Kill, Sleep, Trace, TraceRecorder, play
from tests.actors.notes import Alarm, Kept, Note, Order, Passes, Slow, both, texts

KINDS = pytest.mark.parametrize("kind", [Note, Kept, Alarm])
"""Ordered, ordered and immune, system."""


def dropped(trace: Trace) -> list[tuple[str, str]]:
    return [(texts([each.delivery.frame])[0], each.reason) for each in trace.dropped]


def merged(trace: Trace) -> list[str]:
    return [text for text, reason in dropped(trace) if reason == "merged"]


def received(trace: Trace, *names: str) -> list[tuple[str, str]]:
    """Who began what with a text, in order."""
    return [
        (each.receiver.name, texts([each.frame])[0])
        for each in trace.deliveries
        if each.receiver.name in names and texts([each.frame])
    ]


def who_saw(trace: Trace, kind: type) -> list[str]:
    return [each.receiver.name for each in trace.deliveries if isinstance(each.frame, kind)]


def at_end(trace: Trace, kind: type) -> list[float]:
    return [each.time for each in trace.deliveries if each.receiver.name == "sink" and isinstance(each.frame, kind)]


@actor
class Nothing(Actor):
    """No handler at all."""


@actor
class PassesLater(Actor):
    """Lets everything go on, in async handlers."""

    @on(Note, Order, Kept, Alarm)
    async def pass_on(self, frame: Frame) -> None:
        await self.push(frame)


@actor
class Does(Actor):
    """Does with each frame what its configuration says, in a plain handler."""

    how: Callable[[Any], Effects]

    @on(Note, Kept, Alarm)
    def do(self, frame: Frame) -> Effects:
        return self.how(frame)


@actor
class DoesLater(Actor):
    """The same in an async handler, which pushes each effect by itself."""

    how: Callable[[Any], Any]

    @on(Note, Kept, Alarm)
    async def do(self, frame: Frame) -> None:
        for effect in self.how(frame):
            await self.push(effect)


@actor
class ReturnsLater(Actor):
    """The same in an async handler, which returns them."""

    how: Callable[[Any], Effects]

    @on(Note, Kept, Alarm)
    async def do(self, frame: Frame) -> Effects:
        return self.how(frame)


DOERS = pytest.mark.parametrize("does", [Does, DoesLater, ReturnsLater])


# ---- PA1


@actor
class Asks(Actor):
    """Sends several frames at once."""

    @on(Order)
    def ask(self, frame: Order) -> Effects:
        return [Note(text) for text in frame.text]


@both
@pytest.mark.rule("PA1", "B11")
@pytest.mark.parametrize("passes", [Passes, PassesLater])
def test_each_branch_gets_each_frame_in_order(passes: type[Actor], direct: bool) -> None:
    pipeline = Pipeline(Parallel(*(Pipeline(passes(name=name), Passes()) for name in "abc")))
    trace = play(pipeline, [tuple(Note(str(number)) for number in range(9))], direct=direct)
    for name in "abc":
        assert texts(trace.handled_by(name)) == list("012345678")
    assert texts(trace.down) == list("012345678")
    assert sorted(merged(trace)) == sorted(list("012345678") * 2)


@both
@pytest.mark.rule("PA1")
@pytest.mark.parametrize("reply", [Note, Kept, Alarm])
def test_what_a_branch_answers_to_a_frame_enters_the_others_after_it(reply: type[Any], direct: bool) -> None:
    """The first branch sends something up, which comes down again: the second has the frame itself by then."""

    def answer(frame: Any) -> Effects:
        return [frame, Up(reply(f"{frame.text} again"))] if frame.text == "x" else frame

    def turn(frame: Any) -> Effects:
        return Down(frame)

    pipeline = Pipeline(Does(turn, name="turns"), Parallel(Pipeline(Does(answer)), Pipeline(Passes(name="b"))))
    trace = play(pipeline, [reply("x")], direct=direct)
    assert received(trace, "b") == [("b", "x"), ("b", "x again")]


@both
@pytest.mark.rule("PA1")
def test_a_frame_has_entered_all_branches_before_another_enters_any(direct: bool) -> None:
    """What leaves the empty branch comes back up at once, and still enters the last branch behind the frame."""

    def back(frame: Any) -> Effects:
        return Up(Kept(f"{frame.text} back")) if "back" not in frame.text else frame

    pipeline = Pipeline(Parallel(Pipeline(), Pipeline(Passes(name="a")), Pipeline(Passes(name="b"))), Does(back))
    trace = play(pipeline, [(Kept("1"), Kept("2"))], direct=direct)
    for name in "ab":
        got = [text for _, text in received(trace, name)]
        assert got.index("1") < got.index("1 back")
        assert got.index("2") < got.index("2 back")
        assert got.index("1") < got.index("2")


@both
@pytest.mark.rule("PA1")
def test_who_interrupts_in_one_branch_finds_the_frame_in_all_others(direct: bool) -> None:
    def cut(frame: Any) -> Effects:
        return [Interrupt(), Kept("cut")]

    pipeline = Pipeline(Parallel(Pipeline(Does(cut, name="a")), Pipeline(Slow(name="b")), Pipeline(Slow(name="c"))))
    trace = play(pipeline, [Note("x")], direct=direct)
    assert "stale" not in [each.reason for each in trace.dropped]
    assert texts(trace.down) == ["cut"]


@both
@pytest.mark.rule("PA1")
def test_a_request_that_leaves_by_an_empty_branch_ends_the_session_after_it_has_entered_all(direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(), Pipeline(HearsOfTheEnd())))
    trace = play(pipeline, [EndWorkerFrame()], direct=direct)
    kinds = [type(each.frame) for each in trace.deliveries if each.receiver.name == "hears_of_the_end"]
    assert kinds == [EndWorkerFrame, EndFrame]
    assert trace.ended == "ended"


@actor
class HearsOfTheEnd(Actor):
    """Hears that somebody wants the session to end, and that it ends."""

    @on(EndWorkerFrame, EndFrame)
    def hear(self, frame: Frame) -> Effects:
        return frame


@both
@pytest.mark.rule("PA1")
def test_what_is_sent_with_a_request_goes_before_the_end_that_it_asks_for(direct: bool) -> None:
    pipeline = Pipeline(HearsOfTheEnd(), Does(lambda frame: [EndWorkerFrame(), frame]))
    trace = play(pipeline, [Note("goodbye")], direct=direct)
    assert texts(trace.down) == ["goodbye"]
    assert trace.ended == "ended"


@both
@pytest.mark.rule("PA1")
@pytest.mark.parametrize("slow", [0, 1, 2])
def test_a_slow_branch_slows_the_source_and_nothing_deadlocks(slow: int, direct: bool) -> None:
    branches = [Pipeline(child(Slow(seconds=1.0) if number == slow else Passes(), max_buffer=1)) for number in range(3)]
    pipeline = Pipeline(child(Passes(name="first"), max_buffer=1), Parallel(*branches))
    trace = play(pipeline, [tuple(Note(str(number)) for number in range(8)), EndFrame()], direct=direct)
    times = [each.time for each in trace.deliveries if each.receiver.name == "first" and texts([each.frame])]
    assert times[-1] >= 4.0
    assert texts(trace.handled_by("slow")) == list("01234567")
    assert texts(trace.down) == list("01234567")
    assert trace.ended == "ended"


@both
@pytest.mark.rule("PA1")
def test_two_slow_branches_are_as_slow_as_the_slower_one(direct: bool) -> None:
    pipeline = Pipeline(
        Parallel(
            Pipeline(child(Slow(seconds=1.0), max_buffer=1)),
            Pipeline(child(Slow(seconds=3.0), max_buffer=1, grace=4.0)),
            Pipeline(),
        ),
        child(Slow(seconds=0.5), max_buffer=1),
    )
    trace = play(pipeline, [tuple(Note(str(number)) for number in range(6)), EndFrame()], direct=direct)
    assert texts(trace.down) == list("012345")
    assert trace.deliveries[-1].time == pytest.approx(18.0)


@both
@pytest.mark.rule("PA1")
async def test_an_open_end_behind_branches_slows_the_source(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    pipeline = Pipeline(Parallel(Pipeline(child(Passes(), max_buffer=1)), Pipeline()))
    async with open_session(pipeline, direct=direct) as session:
        output = session.output
        sent = 0
        with trio.move_on_after(1):
            for number in range(200):
                await session.push(Note(str(number)))
                sent = number + 1
        assert 64 <= sent <= 68
        assert [(await anext(output)) for _ in range(3)] == [Note("0"), Note("1"), Note("2")]
        await session.cancel()


# ---- PA2


@both
@KINDS
@pytest.mark.rule("PA2", "B11")
def test_what_passes_through_several_branches_comes_out_once(kind: type[Any], direct: bool) -> None:
    parallel = Parallel(Pipeline(), Pipeline(Nothing()), Pipeline(Passes()), Pipeline(PassesLater(), Passes()))
    trace = play(Pipeline(parallel, Passes(name="behind")), [kind("x")], direct=direct)
    assert texts(trace.handled_by("behind")) == ["x"]
    assert texts(trace.down) == ["x"]
    assert merged(trace) == ["x"] * 3


@both
@KINDS
@DOERS
@pytest.mark.rule("PA2")
@pytest.mark.parametrize(
    ("how", "left"),
    [
        (lambda frame: [frame], ["x"]),
        (lambda frame: [Down(frame)], ["x"]),
        (lambda frame: [Immune(frame)], ["x"]),
        (lambda frame: [frame, frame], ["x", "x"]),
        (lambda frame: [attrs.evolve(frame)], ["x", "x"]),
        (lambda frame: [attrs.evolve(frame), frame], ["x", "x"]),
        (lambda frame: [Note("other"), frame], ["other", "x"]),
        (lambda frame: [], ["x"]),
    ],
    ids=["on", "down", "immune", "twice", "equal", "equal and on", "other and on", "swallowed"],
)
def test_only_the_very_object_and_only_the_first_time_is_a_copy(
    how: Callable[[Any], Effects], left: list[str], does: type[Any], kind: type[Any], direct: bool
) -> None:
    trace = play(Pipeline(Parallel(Pipeline(does(how)), Pipeline(Passes()))), [kind("x")], direct=direct)
    assert sorted(texts(trace.down)) == left
    # What entered twice and what the branch made itself come to as many, let out or merged.
    assert len(trace.down) + len(merged(trace)) == 1 + len(list(how(kind("x")) or ()))  # type: ignore[arg-type]


@both
@DOERS
@pytest.mark.rule("PA2")
def test_equality_plays_no_part(does: type[Any], direct: bool) -> None:
    def renew(frame: Any) -> list[Frame]:
        return [attrs.evolve(frame)]

    trace = play(
        Pipeline(Parallel(Pipeline(does(renew)), Pipeline(does(renew)))), [Note("x"), Note("x")], direct=direct
    )
    assert texts(trace.down) == ["x"] * 4
    assert merged(trace) == []


@both
@pytest.mark.rule("PA2")
@pytest.mark.parametrize(("how", "left"), [(lambda frame: frame, 1), (attrs.evolve, 2), (lambda frame: Down(frame), 1)])
def test_the_same_holds_for_what_is_returned_alone(how: Callable[[Any], Effects], left: int, direct: bool) -> None:
    trace = play(Pipeline(Parallel(Pipeline(Does(how), Passes()), Pipeline())), [Note("x")], direct=direct)
    assert len(trace.down) == left
    assert len(merged(trace)) == 2 - left


@both
@DOERS
@pytest.mark.rule("PA2")
@pytest.mark.parametrize(("direction", "wrap"), [("up", Up), ("both", Both)])
def test_a_frame_turned_round_in_a_branch_leaves_at_the_head(
    direction: str, wrap: Callable[[Frame], Any], does: type[Any], direct: bool
) -> None:
    """Sent down first, it is the copy that went down; the one that goes up is its sender's own, and comes out, too."""
    trace = play(Pipeline(Parallel(Pipeline(does(lambda frame: [wrap(frame)])))), [Note("x")], direct=direct)
    assert texts(trace.up) == ["x"]
    assert texts(trace.down) == (["x"] if direction == "both" else [])


@both
@pytest.mark.rule("PA2")
def test_copies_that_leave_at_different_sides_are_still_one_frame(direct: bool) -> None:
    turned = Pipeline(Does(lambda frame: Up(frame)))
    trace = play(Pipeline(Parallel(turned, Pipeline(Slow()))), [Note("x")], direct=direct)
    assert (texts(trace.up), texts(trace.down), merged(trace)) == (["x"], [], ["x"])
    slow = Pipeline(Slow(), Does(lambda frame: Up(frame)))
    trace = play(Pipeline(Parallel(slow, Pipeline())), [Note("x")], direct=direct)
    assert (texts(trace.up), texts(trace.down), merged(trace)) == ([], ["x"], ["x"])


@both
@KINDS
@pytest.mark.rule("PA2")
def test_what_comes_up_from_behind_enters_all_branches_and_leaves_once(kind: type[Any], direct: bool) -> None:
    sends = Does(lambda frame: Up(attrs.evolve(frame, text=f"{frame.text} up")))
    pipeline = Pipeline(
        Passes(name="before"), Parallel(Pipeline(Passes(name="a")), Pipeline(PassesLater(name="b"))), sends
    )
    trace = play(pipeline, [kind("x")], direct=direct)
    for name in ("a", "b", "before"):
        assert texts(trace.handled_by(name)) == ["x", "x up"]
    assert texts(trace.up) == ["x up"]
    assert merged(trace) == ["x", "x up"]


@both
@pytest.mark.rule("PA2")
async def test_what_is_pushed_in_at_the_end_goes_up_through_all_branches(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    recorder = TraceRecorder()
    pipeline = Pipeline(Parallel(Pipeline(Passes(name="a"), Passes(name="b")), Pipeline(Passes(name="c")), Pipeline()))
    async with open_session(pipeline, direct=direct, observers=[recorder]) as session:
        await session.push(Note("x"), direction="up")
        await trio.testing.wait_all_tasks_blocked()  # the end, on its way down, would overtake it
    got = [each.receiver.name for each in recorder.deliveries if each.frame == Note("x")]
    assert sorted(got) == ["a", "b", "c", "source"]
    assert got.index("b") < got.index("a")
    assert dropped(recorder.trace(durable={}, ended="ended")) == [("x", "merged")] * 2


@both
@KINDS
@pytest.mark.rule("PA2")
@pytest.mark.parametrize("passes", [Passes, PassesLater])
def test_branches_inside_branches_let_a_frame_out_once(passes: type[Actor], kind: type[Any], direct: bool) -> None:
    inner = Parallel(Pipeline(passes(name="a")), Pipeline(passes(name="b")), Pipeline())
    outer = Parallel(Pipeline(passes(name="c"), inner, passes(name="d")), Pipeline(Parallel(Pipeline(), Pipeline())))
    trace = play(Pipeline(outer, passes(name="e")), [kind("x")], direct=direct)
    assert sorted(name for name, _ in received(trace, *"abcde", "sink")) == ["a", "b", "c", "d", "e", "sink"]
    assert len(merged(trace)) == 4


@both
@pytest.mark.rule("PA2")
def test_one_parallel_after_the_other_each_lets_a_frame_out_once(direct: bool) -> None:
    pipeline = Pipeline(*(Parallel(Pipeline(Passes()), Pipeline(), Pipeline()) for _ in range(10)))
    trace = play(pipeline, [Note("x"), Note("y")], direct=direct)
    assert texts(trace.down) == ["x", "y"]
    assert len(merged(trace)) == 40


@both
@pytest.mark.rule("PA2", "SU2")
def test_a_frame_that_is_handled_again_after_a_crash_is_still_a_copy(direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(Passes(name="a")), Pipeline(Passes(name="b"))))
    trace = play(pipeline, [Kill("a", at=1), Note("x")], direct=direct)
    assert texts(trace.handled_by("a")) == ["x", "x"]
    assert texts(trace.down) == ["x"]
    assert merged(trace) == ["x"]


@both
@pytest.mark.rule("PA2")
def test_a_frame_sent_on_by_a_task_is_no_copy_any_more(direct: bool) -> None:
    trace = play(Pipeline(Parallel(Pipeline(SendsOnByATask()), Pipeline())), [Note("x")], direct=direct)
    assert texts(trace.down) == ["x", "x"]


@actor
class SendsOnByATask(Actor):
    """Sends a frame on when its handler has ended."""

    @on(Note)
    def take(self, frame: Note) -> None:
        self.start_soon(self.push, frame)


# ---- PA3


@both
@pytest.mark.rule("PA3", "B11")
def test_a_system_frame_leaves_when_it_first_arrives(direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(SlowAlarm()), Pipeline(Passes())))
    trace = play(pipeline, [Alarm("x"), Sleep(5)], direct=direct)
    assert at_end(trace, Alarm) == [0.0]
    assert merged(trace) == ["x"]


@actor
class SlowAlarm(Actor):
    """Takes its time with system frames."""

    @on(Alarm)
    async def take(self, frame: Alarm) -> None:
        await trio.sleep(2)
        await self.push(frame)


@actor
class Starts(Actor):
    """Says what it begins with; takes its time to enter and to start."""

    enter: float = 0.0
    starting: float = 0.0

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await trio.sleep(self.enter)
        yield

    @on(StartFrame)
    async def start(self, frame: StartFrame) -> None:
        await trio.sleep(self.starting)
        await self.push(Alarm(f"{self.address} starts"))

    @on(Note, Alarm, EndFrame)
    def take(self, frame: Frame) -> Effects:
        return frame


@both
@pytest.mark.rule("PA3", "B11")
def test_start_enters_all_branches_and_leaves_with_the_first(direct: bool) -> None:
    quick, slow = Starts(name="quick"), Starts(starting=2.0, name="slow")
    pipeline = Pipeline(Parallel(Pipeline(slow), Pipeline(quick)), Starts(name="behind"))
    trace = play(pipeline, [Sleep(5)], direct=direct)
    starts = [(each.receiver.name, each.time) for each in trace.deliveries if isinstance(each.frame, StartFrame)]
    assert sorted(starts) == [("behind", 0.0), ("quick", 0.0), ("sink", 0.0), ("slow", 0.0)]
    assert starts.index(("quick", 0.0)) < starts.index(("behind", 0.0))


@both
@pytest.mark.rule("PA3")
def test_start_leaves_the_session_once(direct: bool) -> None:
    branches = [Pipeline(Starts(enter=float(seconds))) for seconds in range(3)]
    trace = play(Pipeline(Parallel(*branches), Parallel(*(Pipeline() for _ in range(3)))), [Sleep(5)], direct=direct)
    assert at_end(trace, StartFrame) == [0.0]


@both
@pytest.mark.rule("PA3")
@pytest.mark.parametrize("where", ["branch", "before", "behind"])
def test_start_comes_before_anything_else_everywhere(where: str, direct: bool) -> None:
    late = {name: 1.0 if name == where else 0.0 for name in ("before", "branch", "behind")}
    pipeline = Pipeline(
        Starts(enter=late["before"], name="before"),
        Parallel(
            Pipeline(Starts(enter=late["branch"], name="a")), Pipeline(Starts(starting=0.5, name="b")), Pipeline()
        ),
        Starts(enter=late["behind"], name="behind"),
    )
    trace = play(pipeline, [(Note("x"), Alarm("y")), Sleep(3), EndFrame()], direct=direct)
    for name in ("before", "a", "b", "behind"):
        frames = [each.frame for each in trace.deliveries if each.receiver.name == name]
        assert isinstance(frames[0], StartFrame), name
        assert isinstance(frames[-1], EndFrame), name
    assert texts(frame for frame in trace.down if isinstance(frame, Note)) == ["x"]


@both
@pytest.mark.rule("PA3", "LC3", "B11")
@pytest.mark.parametrize("kind", [EndFrame, StopFrame])
def test_the_end_leaves_when_each_branch_has_let_it_out(kind: type[Frame], direct: bool) -> None:
    branches = [Pipeline(child(Slow(seconds=seconds), grace=9.0)) for seconds in (1.0, 3.0)]
    pipeline = Pipeline(Parallel(*branches, Pipeline(), Pipeline(Nothing())), Passes(name="behind"))
    trace = play(pipeline, [(Note("x"), kind())], direct=direct)
    assert at_end(trace, kind) == [3.0]
    assert texts(trace.handled_by("behind")) == ["x"]
    assert trace.ended == "ended"


@both
@pytest.mark.rule("PA3", "LC4", "B11")
@pytest.mark.parametrize("frame", [Note("x"), Order("x"), Alarm("x")])
def test_the_end_waits_no_longer_than_the_grace_for_a_branch_that_blocks(frame: Frame, direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(child(Blocks(), grace=2.0), Passes()), Pipeline(Passes())))
    trace = play(pipeline, [frame, Sleep(1), EndFrame()], direct=direct)
    assert at_end(trace, EndFrame) == [3.0]
    assert trace.ended == "ended"


@actor
class Blocks(Actor):
    """Never gets done with anything."""

    @on(Note, Alarm)
    async def block(self, frame: Frame) -> None:
        await trio.sleep_forever()

    @on(Order)
    def leave_a_task(self, frame: Order) -> None:
        self.start_soon(trio.sleep_forever)


def fail(frame: Frame) -> Effects:
    raise OSError("no more")


@actor
class FailsAtEnd(Actor):
    """Fails at its end."""

    @on(EndFrame)
    def end(self, frame: EndFrame) -> None:
        raise OSError("no end")


@both
@pytest.mark.rule("PA3", "LC1", "B11")
def test_the_end_passes_a_branch_that_is_gone_or_fails_at_its_end(direct: bool) -> None:
    gone = Pipeline(child(Does(fail), restart="temporary"))
    done = Pipeline(child(Does(lambda frame: Finish()), restart="transient"))
    pipeline = Pipeline(Parallel(gone, done, Pipeline(FailsAtEnd()), Pipeline(Passes(name="passes"))))
    trace = play(pipeline, [Note("x"), Note("y"), EndFrame()], direct=direct)
    assert trace.ended == "ended"
    assert texts(trace.handled_by("passes")) == ["x", "y"]
    assert texts(trace.down) == ["x", "y"]
    assert len(who_saw(trace, EndFrame)) == 2  # one that fails, and the sink
    assert [each.address.name for each in trace.restarts] == ["fails_at_end"]


@both
@pytest.mark.rule("PA3", "LC4")
def test_cancel_ends_all_branches_whatever_they_do(direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(Blocks()), Pipeline(Slow(seconds=9.0))), Passes())
    trace = play(pipeline, [Note("x"), CancelFrame()], direct=direct)
    assert trace.ended == "cancelled"
    assert trace.down == ()


# ---- what holds around branches as elsewhere


@actor
class Hears(Actor):
    """Hears of interruptions, and works."""

    heard: int = state(0)

    @on(InterruptionFrame)
    def hear(self, frame: InterruptionFrame) -> Effects:
        return Immune(Note(f"{self.address} hears"))

    @on(Note)
    async def work(self, frame: Note) -> None:
        await trio.sleep(2)
        await self.push(frame)


@both
@pytest.mark.rule("PA3", "IN1")
def test_an_interruption_reaches_every_branch_and_cuts_what_works_there(direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(Hears(name="a")), Pipeline(Hears(name="b"))), Hears(name="c"))
    trace = play(pipeline, [(Note("1"), Note("2")), Sleep(1), InterruptionFrame()], direct=direct)
    hearers = [each.receiver.name for each in trace.deliveries if isinstance(each.frame, InterruptionFrame)]
    assert sorted(hearers) == ["a", "b", "c"]
    assert sorted(dropped(trace)) == [("2", "interrupted")] * 2
    assert "1" not in texts(trace.down)
    assert "2" not in texts(trace.down)


@actor
class SendsLate(Actor):
    """Interrupts, and says then something of the turn before."""

    up: bool = False

    @on(Order)
    async def send(self, frame: Order) -> None:
        before = self.epoch
        await self.push(Interrupt())
        with self.at(before):
            await self.push(Up(Note("late")) if self.up else Down(Note("late")))
            await self.push(Immune(Up(Note("immune")) if self.up else Down(Note("immune"))))


@both
@pytest.mark.rule("PA2", "IN3")
@pytest.mark.parametrize("place", ["before", "inside", "behind"])
@pytest.mark.parametrize("up", [True, False])
def test_stale_frames_are_refused_at_the_split_and_at_the_join(place: str, up: bool, direct: bool) -> None:
    late = SendsLate(up=up)
    branches = Parallel(Pipeline(*([late] if place == "inside" else [])), Pipeline())
    before, behind = ([late] if place == here else [] for here in ("before", "behind"))
    trace = play(Pipeline(*before, branches, *behind), [Order("x")], direct=direct)
    assert [each for each in dropped(trace) if each[1] == "stale"] == [("late", "stale")]
    assert texts(trace.up + trace.down).count("immune") == 1
    assert "late" not in texts(trace.up + trace.down)


@both
@pytest.mark.rule("PA2", "SU10")
def test_an_error_in_a_branch_goes_up_and_leaves_once(direct: bool) -> None:
    pipeline = Pipeline(Passes(), Parallel(Pipeline(Passes(), Does(fail)), Pipeline(Passes())), max_restarts=9)
    trace = play(pipeline, [Note("x")], direct=direct)
    assert [type(frame) for frame in trace.up] == [ErrorFrame] * 2
    assert [each.reason for each in trace.dropped] == ["poison"]
    assert texts(trace.down) == ["x"]


@both
@pytest.mark.rule("PA1", "SU1")
def test_a_branch_whose_actor_is_down_keeps_its_frames_and_the_others_go_on(direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(Starts(enter=2.0, name="a")), Pipeline(Passes(name="b"))))
    trace = play(pipeline, [Sleep(3), Kill("a"), Note("x"), Note("y")], direct=direct)
    times = {name: [each.time for each in trace.deliveries if each.receiver.name == name][-1] for name in "ab"}
    assert times == {"a": 5.0, "b": 3.0}
    assert texts(trace.down) == ["a starts", "x", "y", "a starts"]

"""Failure: what is redelivered and what is dropped, who restarts whom and when, and what ends the session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from antiphon import (
    Actor,
    Address,
    After,
    Backoff,
    Down,
    Pipeline,
    To,
    Unrecoverable,
    Up,
    actor,
    child,
    durable,
    on,
    open_session,
    state,
)
from antiphon.actors import Effects
from antiphon.channels import CancelFrame, ErrorFrame, FatalErrorFrame, Frame, StartFrame, TextFrame
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from tests.actors.notes import Alarm, Ask, Kept, Note, Order, Passes, both, texts


def dropped(trace: Trace) -> list[tuple[str, str]]:
    return [(texts([each.delivery.frame])[0], each.reason) for each in trace.dropped]


def restarts(trace: Trace) -> list[tuple[str, int, float]]:
    return [(each.address.name, each.incarnation, each.time) for each in trace.restarts]


class Crash(Exception):
    """What the actors here fail with."""


class Times:
    """True the first few times that it is asked about a text; shared by all incarnations."""

    def __init__(self, count: int = 1, only: str | None = None) -> None:
        self.count = count
        self.only = only

    def __call__(self, text: str) -> bool:
        if self.only not in (None, text) or not self.count:
            return False
        self.count -= 1
        return True


class OnceEach:
    """True the first time that it is asked about each text."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __call__(self, text: str) -> bool:
        is_new = text not in self.asked
        self.asked.add(text)
        return is_new


def always(text: str) -> bool:
    return True


@actor
class Fragile(Actor):
    """Fails when its configuration says so, after it has done all that a plain handler may ask for."""

    fails: Callable[[str], bool]
    count: int = durable(0)
    seen: int = state(0)

    @on(Note, Kept, Alarm)
    def take(self, frame: Note | Kept | Alarm) -> Any:
        self.count += 1
        self.seen += 1
        self.start_soon(self.tell, frame.text)
        yield After(1, Ask(f"timer {frame.text}"))
        yield Note(f"{frame.text} {self.count} {self.seen}")
        if self.fails(frame.text):
            raise Crash(frame.text)

    @on(Ask)
    def hear(self, message: Ask) -> None: ...

    async def tell(self, text: str) -> None:
        await self.push(Kept(f"task {text}"))


# ---- SU1


@both
@pytest.mark.rule("SU1")
def test_a_failure_never_reaches_the_sender(direct: bool) -> None:
    trace = play(Pipeline(Asks(), Fragile(always)), [Order("x")], direct=direct)
    assert {each.address.name for each in trace.failures} == {"fragile"}
    assert trace.handled_by("asks") == (Order("x"),)
    assert texts(trace.up) == ["sent all"]


@actor
class Asks(Actor):
    """Sends a note and goes on."""

    @on(Order)
    async def ask(self, frame: Order) -> None:
        await self.push(Down(Note("1")))
        await self.push(Up(Kept("sent all")))


@both
@pytest.mark.rule("SU1")
def test_frames_for_a_failed_actor_wait_until_it_is_back(direct: bool) -> None:
    fragile = child(Fragile(Times(1, "1")), backoff=Backoff(first=1.0, jitter=0.0))
    script: list[Item] = [Kill("fragile"), Kill("fragile"), Note("2"), Note("3"), Sleep(0.5), Note("4")]
    trace = play(Pipeline(fragile), script, direct=direct)
    assert [each.time for each in trace.deliveries if each.receiver.name == "fragile"][:3] == [1.0, 1.0, 1.0]
    assert texts(trace.handled_by("fragile"))[:3] == list("234")


@both
@pytest.mark.rule("SU1", "SU4")
def test_a_failure_and_what_it_drops_name_the_delivery_that_failed(direct: bool) -> None:
    fails = TwoLoops(), Fragile(always), FragileLater(Times(1, "push"))
    script: list[Item] = [(Note("x"), Alarm("1")), Note("push"), Note("y"), Sleep(3), Kill("fragile_later")]
    trace = play(Pipeline(*fails, Passes(), max_restarts=99), script, direct=direct)
    told = [each.delivery for each in trace.failures if each.delivery is not None]
    assert len(told) > 4
    assert all(delivery in trace.deliveries for delivery in told)
    assert all(each.delivery in trace.deliveries for each in trace.dropped if each.reason in ("poison", "partial"))


@both
@pytest.mark.rule("SU4")
def test_a_kill_tells_what_was_in_hand(direct: bool) -> None:
    trace = play(Pipeline(FragileLater(Times(0))), [Note("x"), Sleep(0.5), Kill("fragile_later")], direct=direct)
    assert [each.delivery for each in trace.failures] == [trace.deliveries[1]]
    assert trace.deliveries[1].frame == Note("x")


# ---- SU2


@both
@pytest.mark.rule("SU2")
@pytest.mark.parametrize("kind", [Note, Kept, Alarm])
def test_a_plain_handler_that_raises_has_done_nothing_and_gets_its_frame_again(kind: type[Any], direct: bool) -> None:
    trace = play(Pipeline(Fragile(Times(1, "b"))), [kind("a"), kind("b")], direct=direct)
    assert texts(trace.handled_by("fragile")) == ["a", "b", "b", "timer a", "timer b"]
    # The durable count goes on, the state begins anew; each frame's effects happened once.
    assert sorted(texts(trace.down)) == ["a 1 1", "b 2 1", "task a", "task b"]
    assert trace.durable["fragile"] == {"count": 2}


@both
@pytest.mark.rule("SU2")
def test_the_frame_goes_back_to_the_front_of_its_lane(direct: bool) -> None:
    script: list[Item] = [tuple(Note(text) for text in "abcd")]
    trace = play(Pipeline(Fragile(Times(1, "b"))), script, direct=direct)
    assert texts(frame for frame in trace.handled_by("fragile") if isinstance(frame, Note)) == list("abbcd")


@both
@pytest.mark.rule("SU2")
def test_a_message_and_a_timer_are_handled_again_too(direct: bool) -> None:
    script: list[Item] = [To(Address("hears"), Ask("a")), To(Address("hears"), Ask("b")), Note("later")]
    trace = play(Pipeline(Hears(OnceEach())), script, direct=direct)
    assert texts(trace.handled_by("hears")) == ["a", "a", "b", "b", "later", "timer", "timer"]
    assert trace.durable["hears"] == {"heard": ("a", "b", "timer")}


@actor
class Hears(Actor):
    """Keeps what it hears; fails as told."""

    fails: Callable[[str], bool]
    heard: tuple[str, ...] = durable(())

    @on(Ask)
    def hear(self, message: Ask) -> None:
        self.heard = (*self.heard, message.text)
        if self.fails(message.text):
            raise Crash(message.text)

    @on(Note)
    def later(self, frame: Note) -> Effects:
        return After(1, Ask("timer"))


@actor
class KeepsMutable(Actor):
    """Assigns a list to a durable field."""

    kept: Any = durable(())

    @on(Note)
    def plain(self, frame: Note) -> None:
        self.kept = [frame.text]

    @on(Order)
    async def later(self, frame: Order) -> None:
        self.kept = [frame.text]


@both
@pytest.mark.rule("SU2")
@pytest.mark.parametrize(("frame", "reason"), [(Note("x"), "poison"), (Order("x"), "partial")])
def test_a_mutable_durable_value_fails_the_handler_in_virtual_time(frame: Frame, reason: str, direct: bool) -> None:
    trace = play(Pipeline(KeepsMutable()), [frame], direct=direct)
    assert {type(each.error) for each in trace.failures} == {TypeError}
    assert "kept" in str(trace.failures[0].error)
    assert dropped(trace) == [("x", reason)]


@pytest.mark.rule("SU2")
def test_a_mutable_durable_default_is_refused_at_definition() -> None:
    with pytest.raises(Exception, match=r"Bad\.kept.*mutable"):

        @actor
        class Bad(Actor):
            kept: Any = durable([])


# ---- SU3


@actor
class FragileLater(Actor):
    """An async handler that does what its frame says, then fails."""

    fails: Callable[[str], bool]
    count: int = durable(0)

    @on(Note)
    async def take(self, frame: Note) -> None:
        await trio.sleep(1)
        match frame.text:
            case "push":
                await self.push(Kept("pushed"))
            case "message":
                await self.push(To(Address("passes"), Ask("x")))
            case "timer":
                await self.push(After(1, Ask("x")))
            case "durable":
                self.count += 1
            case "task":
                self.start_soon(self.push, Kept("pushed"))
                await trio.sleep(1)
            case "child":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.push, Kept("pushed"))
            case _:
                pass
        if self.fails(frame.text):
            raise Crash(frame.text)

    @on(Ask)
    def hear(self, message: Ask) -> None: ...


@both
@pytest.mark.rule("SU3")
def test_an_async_handler_that_has_done_nothing_gets_its_frame_again(direct: bool) -> None:
    trace = play(Pipeline(FragileLater(Times(1))), [(Note("x"), Note("y"))], direct=direct)
    assert texts(trace.handled_by("fragile_later")) == ["x", "x", "y"]
    assert trace.dropped == ()


@both
@pytest.mark.rule("SU3")
@pytest.mark.parametrize("what", ["push", "message", "timer", "durable", "task", "child"])
def test_an_async_handler_that_has_done_something_loses_its_frame_as_partial(what: str, direct: bool) -> None:
    trace = play(Pipeline(FragileLater(Times(1)), Passes()), [(Note(what), Note("y"))], direct=direct)
    assert texts(trace.handled_by("fragile_later"))[:2] == [what, "y"]
    assert (what, "partial") in dropped(trace)
    assert trace.durable["fragile_later"] == {"count": int(what == "durable")}


# ---- SU4


@both
@pytest.mark.rule("SU4", "B12")
def test_a_second_failure_on_a_frame_drops_it_as_poison(direct: bool) -> None:
    trace = play(Pipeline(Fragile(Times(99, "b"))), [(Note("a"), Note("b"), Note("c"))], direct=direct)
    assert texts(frame for frame in trace.handled_by("fragile") if isinstance(frame, Note)) == list("abbc")
    assert dropped(trace) == [("b", "poison")]
    assert [str(each.error) for each in trace.failures] == ["b", "b"]


@actor
class TwoLoops(Actor):
    """A slow ordered handler, and a system handler that fails."""

    @on(Note)
    async def work(self, frame: Note) -> None:
        await trio.sleep(1)
        await self.push(frame)

    @on(Alarm)
    async def fail(self, frame: Alarm) -> None:
        await trio.sleep(0.1)
        raise Crash(frame.text)


@both
@pytest.mark.rule("SU4")
def test_the_other_loops_frame_in_hand_has_no_failure_counted(direct: bool) -> None:
    script: list[Item] = [Note("x"), Alarm("1"), Sleep(2)]
    trace = play(Pipeline(TwoLoops(), max_restarts=10), script, direct=direct)
    # The alarm fails twice, and each time the note goes back with it.
    assert dropped(trace) == [("1", "poison")]
    assert texts(trace.handled_by("two_loops")).count("x") >= 2
    assert texts(trace.down) == ["x"]


@both
@pytest.mark.rule("SU4", "SU9")
def test_a_siblings_failure_is_not_counted_to_the_frame_in_hand(direct: bool) -> None:
    pipeline = Pipeline(
        FragileLater(Times(0)), child(TwoLoops(), backoff=Backoff(first=0.0)), strategy="one_for_all", max_restarts=10
    )
    shaken: list[Item] = [Sleep(0.9), Kill("two_loops")] * 4
    script: list[Item] = [Note("x"), *shaken, Sleep(9)]
    trace = play(pipeline, script, direct=direct)
    assert texts(trace.handled_by("fragile_later")).count("x") == 5
    assert trace.dropped == ()


@both
@pytest.mark.rule("SU4")
def test_a_kill_from_outside_is_nobodys_failure(direct: bool) -> None:
    script: list[Item] = [*(Kill("fragile", at=number) for number in range(1, 6)), Note("x")]
    trace = play(Pipeline(Fragile(Times(0)), max_restarts=10), script, direct=direct)
    assert texts(trace.handled_by("fragile"))[:6] == ["x"] * 6
    assert trace.dropped == ()
    assert "x 1 1" in texts(trace.down)


# ---- SU5


@actor
class Keeps(Actor):
    """Has some of everything."""

    kept: int = durable(0)
    made: int = state(0)
    rolls: tuple[float, ...] = durable(())

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.start_soon(self.work)
        yield

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.rolls = (*self.rolls, self.random.random())

    @on(Note)
    def count(self, frame: Note) -> Effects:
        self.kept += 1
        self.made += 1
        return [After(5, Ask(frame.text)), Kept(f"{self.kept} {self.made}")]

    @on(Ask)
    def fire(self, message: Ask) -> Effects:
        return Kept(f"timer {message.text} {self.made}")

    async def work(self) -> None:
        await trio.sleep(3)
        await self.push(Kept("worked"))


@both
@pytest.mark.rule("SU5")
def test_a_restart_keeps_durable_values_timers_and_mailbox_and_loses_state_and_tasks(direct: bool) -> None:
    trace = play(Pipeline(Keeps()), [Note("a"), Sleep(1), Kill("keeps"), Note("b")], direct=direct)
    said = [(texts([each.frame])[0], each.time) for each in trace.deliveries if isinstance(each.frame, Kept)]
    assert said == [("1 1", 0.0), ("2 1", 1.0), ("worked", 4.0), ("timer a 1", 5.0), ("timer b 1", 6.0)]


@both
@pytest.mark.rule("SU5")
def test_each_incarnation_sees_start_first_and_does_not_pass_it_on(direct: bool) -> None:
    trace = play(Pipeline(Passes(), Keeps(), Keeps()), [Note("a"), Kill("keeps"), Note("b")], direct=direct)
    kinds = [type(frame) for frame in trace.handled_by("keeps") if not isinstance(frame, Ask)]
    assert kinds == [StartFrame, Note, StartFrame, Note]
    assert sum(isinstance(frame, StartFrame) for frame in trace.handled_by("keeps_2")) == 1
    assert sum(isinstance(each.frame, StartFrame) for each in trace.deliveries if each.receiver.name == "sink") == 1


@both
@pytest.mark.rule("SU5")
def test_randomness_comes_from_the_seed_the_name_and_the_incarnation(direct: bool) -> None:
    def rolls(seed: int) -> list[object]:
        trace = play(Pipeline(Keeps(), Keeps()), [Kill("keeps")], seed=seed, direct=direct)
        return [trace.durable[name]["rolls"] for name in ("keeps", "keeps_2")]

    first: Any = rolls(1)
    assert first == rolls(1)
    assert first != rolls(2)
    assert len({*first[0], *first[1]}) == 3


@both
@pytest.mark.rule("SU5")
async def test_durable_values_can_be_read_from_the_session(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    template = Hears(Times(0))
    async with open_session(Pipeline(template), direct=direct) as session:
        await session.send(Address("hears"), Ask("x"))
        await trio.testing.wait_all_tasks_blocked()
        assert session.durable(Address("hears")) == {"heard": ("x",)}
        assert session.durable(template.address) == {"heard": ("x",)}
        with pytest.raises(KeyError, match="nobody"):
            session.durable(Address("nobody"))


# ---- SU6


@both
@pytest.mark.rule("SU6")
def test_the_first_restart_is_immediate_and_the_next_ones_back_off(direct: bool) -> None:
    script: list[Item] = [
        Kill("passes"),
        Sleep(0.5),
        Kill("passes"),
        Sleep(0.5),
        Kill("passes"),
        Sleep(0.5),
        Kill("passes"),
    ]
    trace = play(Pipeline(Passes(), max_restarts=9), [*script, Sleep(2), Note("x")], direct=direct)
    delays = [each.delay for each in trace.restarts]
    assert delays[0] == 0.0
    for delay, expected in zip(delays[1:], [0.1, 0.2, 0.4], strict=True):
        assert expected * 0.8 <= delay <= expected * 1.2
    assert [each.time for each in trace.restarts] == [
        pytest.approx(0.5 * number + delay) for number, delay in enumerate(delays)
    ]
    assert len({delay / expected for delay, expected in zip(delays[1:], [0.1, 0.2, 0.4], strict=True)}) == 3
    assert texts(trace.down) == ["x"]


@both
@pytest.mark.rule("SU6")
def test_backoff_is_the_childs_and_grows_to_its_most(direct: bool) -> None:
    slow = child(Passes(), backoff=Backoff(first=1.0, factor=3.0, most=4.0, jitter=0.0))
    again: list[Item] = [Kill("passes"), Sleep(10)]
    script: list[Item] = [Kill("passes"), Sleep(0.01), *again, *again, *again, *again]
    trace = play(Pipeline(slow, max_restarts=9, within=60.0), script, direct=direct)
    assert [each.delay for each in trace.restarts] == [0.0, 1.0, 3.0, 4.0, 4.0]


@both
@pytest.mark.rule("SU6")
def test_after_a_quiet_time_the_next_restart_is_immediate_again(direct: bool) -> None:
    script: list[Item] = [Kill("passes"), Sleep(1), Kill("passes"), Sleep(6), Kill("passes")]
    trace = play(Pipeline(Passes()), script, direct=direct)
    assert [each.delay > 0 for each in trace.restarts] == [False, True, False]


@both
@pytest.mark.rule("SU6")
def test_more_failures_than_max_restarts_within_the_time_escalate(direct: bool) -> None:
    kills: list[Item] = [Kill("passes"), Sleep(1)]
    assert play(Pipeline(Passes()), kills * 3, direct=direct).ended == "cancelled"
    trace = play(Pipeline(Passes()), kills * 4, direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    assert len(trace.restarts) == 3
    assert play(Pipeline(Passes()), [Kill("passes"), Sleep(2.5)] * 9, direct=direct).ended == "cancelled"
    assert isinstance(play(Pipeline(Passes(), max_restarts=0), kills, direct=direct).ended, ExceptionGroup)


@both
@pytest.mark.rule("SU6")
def test_a_poisoned_frame_counts_once(direct: bool) -> None:
    pipeline = Pipeline(Fragile(always), max_restarts=3)
    trace = play(pipeline, [Note("a"), Sleep(1), Note("b"), Sleep(1), Note("c")], direct=direct)
    assert [each.reason for each in trace.dropped] == ["poison"] * 3
    assert trace.ended == "cancelled"
    trace = play(pipeline, [Note("a"), Sleep(1), Note("b"), Sleep(1), Note("c"), Sleep(1), Note("d")], direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)


@both
@pytest.mark.rule("SU6")
def test_time_in_backoff_is_no_quiet_time(direct: bool) -> None:
    slow = child(Passes(), backoff=Backoff(first=10.0, factor=1.0, most=10.0, jitter=0.0))
    again: list[Item] = [Kill("passes"), Sleep(11)]
    trace = play(Pipeline(slow), [Kill("passes"), *again, *again, *again], direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)


# ---- SU7, SU8


@both
@pytest.mark.rule("SU7", "B47")
def test_what_nobody_can_hold_ends_the_session_with_actor_frame_and_first_cause(direct: bool) -> None:
    pipeline = Pipeline(Passes(), Fragile(always), max_restarts=1)
    trace = play(pipeline, [Note("first"), Note("second"), Note("third")], direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    assert all(word in str(trace.ended) for word in ["fragile", "second", "first"])
    assert isinstance(trace.ended.exceptions[0], Crash)
    assert str(trace.ended.exceptions[0]) == "first"
    assert "third" not in texts(trace.handled_by("passes"))


@pytest.mark.rule("SU7")
async def test_the_failure_is_raised_out_of_the_session_and_its_block_is_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def converse() -> None:
        async with open_session(Pipeline(Fragile(always), max_restarts=0)) as session:
            await session.push(Note("x"))
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup, match=r"fragile.*Note\(text='x'\)") as raised:
        await converse()
    assert raised.group_contains(Crash, match="x")


@both
@pytest.mark.rule("SU7", "B47")
@pytest.mark.parametrize("error", [FatalErrorFrame("no line"), ErrorFrame("no line", fatal=True)])
def test_an_error_that_says_it_is_fatal_cancels_the_session(error: Frame, direct: bool) -> None:
    trace = play(Pipeline(SeesErrors(), Reports(error)), [Note("x"), Sleep(1), Note("late")], direct=direct)
    assert trace.ended == "cancelled"
    assert trace.handled_by("sees_errors") == (error,)
    assert [each.frame for each in trace.deliveries if each.receiver.name == "sink"][-1] == CancelFrame("no line")
    assert trace.handled_by("reports") == (Note("x"),)


@both
@pytest.mark.rule("B47")
def test_an_error_that_does_not_say_so_ends_nothing(direct: bool) -> None:
    script: list[Item] = [Note("x"), Sleep(1), Note("y")]
    trace = play(Pipeline(Reports(ErrorFrame("no line"))), script, direct=direct)
    assert trace.handled_by("reports") == (Note("x"), Note("y"))


@actor
class Reports(Actor):
    """Tells of an error at each note."""

    error: Frame

    @on(Note)
    def report(self, frame: Note) -> Effects:
        return Up(self.error)


@both
@pytest.mark.rule("SU8")
def test_what_cannot_heal_escalates_at_once(direct: bool) -> None:
    trace = play(Pipeline(Hopeless()), [Note("x"), Note("y")], direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    assert isinstance(trace.ended.exceptions[0], Unrecoverable)
    assert trace.handled_by("hopeless") == (Note("x"),)
    assert trace.restarts == ()


@actor
class Hopeless(Actor):
    """Has the wrong key."""

    @on(Note)
    def refuse(self, frame: Note) -> None:
        raise Unrecoverable("the key was rejected: set another")


# ---- SU9


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [("one_for_one", ["b"]), ("one_for_all", ["a", "b", "c"]), ("rest_for_one", ["b", "c"])],
)
def test_a_strategy_says_who_is_restarted_with_the_failed_actor(
    strategy: Any, restarted: list[str], direct: bool
) -> None:
    pipeline = Pipeline(Keeps(name="a"), Keeps(name="b"), Keeps(name="c"), strategy=strategy)
    trace = play(pipeline, [Kill("b"), Note("x")], direct=direct)
    assert [each.address.name for each in trace.restarts] == restarted
    starts = [each.receiver.name for each in trace.deliveries if isinstance(each.frame, StartFrame)]
    assert starts == ["a", "b", "c", "sink", *restarted]
    assert [each.incarnation for each in trace.restarts] == [1] * len(restarted)


@actor
class Tells(Actor):
    """Logs how it enters and leaves."""

    log: Callable[[str], object]
    enter: float = 0.0

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await trio.sleep(self.enter)
        self.log(f"+{self.address}")
        yield
        self.log(f"-{self.address}")

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.log(f"start {self.address}")

    @on(Note, Alarm)
    def take(self, frame: Note | Alarm) -> Effects:
        if frame.text == f"fail {self.address}":
            raise Crash(frame.text)
        return frame


@both
@pytest.mark.rule("SU9")
def test_a_group_stops_in_reverse_and_starts_in_order(direct: bool) -> None:
    log: list[str] = []
    pipeline = Pipeline(
        Tells(log.append, name="a", enter=0.3),
        Tells(log.append, name="b"),
        Tells(log.append, name="c"),
        strategy="one_for_all",
    )
    trace = play(pipeline, [Sleep(1), Kill("b"), Sleep(1)], direct=direct)
    assert log[6:9] == ["-c", "-b", "-a"]
    assert log[12:15] == ["start a", "start b", "start c"]
    assert log[15:] == ["-c", "-b", "-a"]
    assert trace.ended == "cancelled"


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_failures_of_several_actors_in_one_step_end_well(strategy: Any, direct: bool) -> None:
    log: list[str] = []
    names = ["a", "b", "c"]
    for first in names:
        for second in names:
            pipeline = Pipeline(*(Tells(log.append, name=name) for name in names), strategy=strategy, max_restarts=9)
            script: list[Item] = [(Alarm(f"fail {first}"), Note(f"fail {second}"), Note("x")), Sleep(9), Note("y")]
            trace = play(pipeline, script, direct=direct)
            assert trace.ended == "cancelled", (first, second)
            assert texts(trace.down)[-1:] == ["y"], (first, second)
            kills = play(pipeline, [(Kill(first), Kill(second), Note("x")), Sleep(9), Note("y")], direct=direct)
            assert texts(kills.down) == ["x", "y"], (first, second)


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_failure_during_a_restart_is_taken_in(strategy: Any, direct: bool) -> None:
    log: list[str] = []
    pipeline = Pipeline(
        Tells(log.append, name="a", enter=0.5),
        Tells(log.append, name="b", enter=0.5),
        strategy=strategy,
        max_restarts=9,
    )
    script: list[Item] = [
        Sleep(1),
        Kill("b"),
        Sleep(0.2),
        Kill("a"),
        Sleep(0.05),
        Kill("b"),
        Kill("a"),
        Note("x"),
        Sleep(9),
    ]
    trace = play(pipeline, script, direct=direct)
    assert texts(trace.down) == ["x"]
    assert trace.ended == "cancelled"
    assert log[-2:] == ["-b", "-a"]


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("ending", ["end", "cancel", "leave"])
async def test_a_session_ends_well_during_a_restart(
    ending: str, direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    backoff = Backoff(first=60.0, most=60.0)
    pipeline = Pipeline(child(Fragile(always), backoff=backoff, grace=2.0), Passes(), max_restarts=9)
    async with open_session(pipeline, direct=direct) as session:
        await session.push(Note("a"))
        await session.push(Note("b"))
        await session.push(Note("c"))
        await trio.sleep(1)
        if ending != "leave":
            await getattr(session, ending)()
    assert session.outcome == ("cancelled" if ending == "cancel" else "ended")
    assert trio.current_time() <= 4.0


# ---- SU10


@both
@pytest.mark.rule("SU10", "B12")
def test_each_failure_makes_one_error_frame_upstream_from_the_failed_place(direct: bool) -> None:
    pipeline = Pipeline(SeesErrors(), Fragile(Times(1)), SeesErrors())
    trace = play(pipeline, [Note("x")], direct=direct)
    (error,) = (each for each in trace.deliveries if each.receiver.name == "sees_errors")
    assert isinstance(error.frame, ErrorFrame)
    assert (error.sender, error.direction) == (Address("fragile"), "up")
    assert error.frame.processor == "fragile" and isinstance(error.frame.exception, Crash)
    assert trace.handled_by("sees_errors_2") == ()
    assert trace.up == (error.frame,)


@actor
class SeesErrors(Actor):
    """Lets errors pass; fails on them if told to."""

    fails: bool = False

    @on(ErrorFrame)
    def see(self, frame: ErrorFrame) -> Effects:
        if self.fails:
            raise Crash("an error too much")
        return frame


@both
@pytest.mark.rule("SU10")
def test_a_failure_on_an_error_frame_makes_none(direct: bool) -> None:
    pipeline = Pipeline(SeesErrors(), SeesErrors(fails=True), Fragile(Times(1)))
    trace = play(pipeline, [Note("x")], direct=direct)
    assert [each.address.name for each in trace.failures] == ["fragile", "sees_errors_2", "sees_errors_2"]
    assert trace.handled_by("sees_errors") == ()
    assert trace.up == ()


@both
@pytest.mark.rule("SU10")
def test_failures_of_several_actors_in_one_step_make_an_error_frame_each(direct: bool) -> None:
    pipeline = Pipeline(Passes(), Passes(), strategy="rest_for_one")
    trace = play(pipeline, [(Kill("passes_2"), Kill("passes"))], direct=direct)
    assert {frame.processor for frame in trace.up if isinstance(frame, ErrorFrame)} == {"passes_2", "passes"}
    assert len(trace.up) == 2


@both
@pytest.mark.rule("SU1", "SU10")
def test_a_task_that_raises_fails_its_actor(direct: bool) -> None:
    trace = play(Pipeline(TaskFails()), [Order("x"), Sleep(2), Note("y")], direct=direct)
    assert [(each.address.name, each.delivery, str(each.error)) for each in trace.failures] == [
        ("task_fails", None, "x")
    ]
    assert [each.incarnation for each in trace.restarts] == [1]
    assert texts(trace.down) == ["y"]


@actor
class TaskFails(Actor):
    """Starts a task that fails."""

    @on(Order)
    def begin(self, frame: Order) -> None:
        self.start_soon(self.fail, frame.text)

    async def fail(self, text: str) -> None:
        await trio.sleep(1)
        raise Crash(text)


def test_the_story_of_a_session_that_failed_shows_no_secret() -> None:
    @actor
    class Rejected(Actor):
        @on(TextFrame)
        def ask(self, frame: TextFrame) -> None:
            raise Unrecoverable("401 for api_key=abcdef1234567890")

    trace = play(Pipeline(Rejected()), [TextFrame("hello")])
    assert isinstance(trace.ended, ExceptionGroup)
    assert "abcdef1234567890" not in trace.ended.message
    assert "api_key=***" in trace.ended.message

"""What a delivery is, in which order effects happen, and when a handler may begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import trio

from antiphon import (
    Actor,
    Address,
    After,
    Both,
    Delivery,
    Down,
    Immune,
    Pipeline,
    To,
    Up,
    actor,
    child,
    durable,
    on,
    open_session,
    state,
)
from antiphon.actors import Effect, Effects
from antiphon.channels import ErrorFrame, Frame, InterruptionFrame, StartFrame
from antiphon.scenarios import Sleep, Trace, play
from tests.actors.notes import Alarm, Ask, Kept, Note, Order, Passes, Slow, both, texts


def hops(trace: Trace, frame: object) -> list[tuple[str, str]]:
    """From whom to whom a frame went."""
    return [(str(each.sender), each.receiver.name) for each in trace.deliveries if each.frame == frame]


def errors(trace: Trace) -> list[BaseException]:
    return [each.error for each in trace.failures]


@actor
class Obeys(Actor):
    """Lets what its configuration makes of an order happen, in a plain handler."""

    effects: Callable[[Order], Effects] = lambda frame: None

    @on(Order)
    def obey(self, frame: Order) -> Effects:
        return self.effects(frame)


@actor
class ObeysLater(Actor):
    """The same from an async handler, by push."""

    effects: Callable[[Order], Effects] = lambda frame: None

    @on(Order)
    async def obey(self, frame: Order) -> None:
        for effect in self.effects(frame):  # type: ignore[union-attr]  # the tests give lists
            await self.push(effect)


@actor
class Hears(Actor):
    """Takes messages and alarms, and swallows them."""

    @on(Ask, Alarm)
    def hear(self, frame: Ask | Alarm) -> None: ...


# ---- DL1


@both
@pytest.mark.rule("DL1")
def test_a_delivery_is_made_where_a_frame_is_handled_or_leaves_and_names_who_sent_it(direct: bool) -> None:
    trace = play(Pipeline(Hears(), Passes(), Hears(name="idle"), Passes(), Hears()), [Note("x")], direct=direct)
    assert hops(trace, Note("x")) == [("source", "passes"), ("passes", "passes_2"), ("passes_2", "sink")]


@both
@pytest.mark.rule("DL1")
def test_a_frame_that_goes_up_leaves_at_the_source(direct: bool) -> None:
    trace = play(Pipeline(Hears(), Passes(), Obeys(lambda frame: Up(Note(frame.text)))), [Order("x")], direct=direct)
    assert hops(trace, Note("x")) == [("obeys", "passes"), ("passes", "source")]
    assert {each.direction for each in trace.deliveries if each.frame == Note("x")} == {"up"}
    assert trace.up == (Note("x"),)


@both
@pytest.mark.rule("DL1", "B13")
def test_deliveries_are_numbered_in_the_order_in_which_handlers_begin(direct: bool) -> None:
    trace = play(Pipeline(Passes(), Slow(), Passes()), [(Note("1"), Alarm("2"), Note("3"))], direct=direct)
    numbers = [each.seq for each in trace.deliveries]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [each.time for each in trace.deliveries] == sorted(each.time for each in trace.deliveries)


@both
@pytest.mark.rule("DL1")
def test_a_delivery_tells_time_direction_epoch_and_immunity(direct: bool) -> None:
    trace = play(Pipeline(Passes()), [Sleep(2.5), Note("x"), Kept("y")], direct=direct)
    first, second = (each for each in trace.deliveries if each.receiver == Address("passes"))
    assert first == Delivery(first.seq, 2.5, Address("source"), Address("passes"), Note("x"), "down", 0, False)
    assert second.immune


# ---- DL2


@both
@pytest.mark.rule("DL2")
@pytest.mark.parametrize("count", [1, 2, 40])
def test_on_one_lane_without_answers_the_deliveries_are_those_of_queues(count: int, direct: bool) -> None:
    def run(direct: bool) -> list[tuple[str, object]]:
        double = Obeys(lambda frame: [Order(frame.text + "a"), Order(frame.text + "b")])
        pipeline = Pipeline(double, Obeys(lambda frame: frame), Hears())
        trace = play(pipeline, [tuple(Order(str(number)) for number in range(count))], direct=direct)
        return [(each.receiver.name, each.frame) for each in trace.deliveries]

    by_actor: dict[str, list[object]] = {}
    for receiver, frame in run(direct):
        by_actor.setdefault(receiver, []).append(frame)
    expected: dict[str, list[object]] = {}
    for receiver, frame in run(not direct):
        expected.setdefault(receiver, []).append(frame)
    assert by_actor == expected


# ---- DL3, DL5, DL9


@actor
class Answers(Actor):
    """Answers each note at once, upstream."""

    @on(Note)
    def answer(self, frame: Note) -> Effects:
        return [Up(Note(f"re {frame.text}")), frame]


@actor
class Sends(Actor):
    """Sends three notes; logs answers."""

    @on(Order)
    def send(self, frame: Order) -> Iterator[Effect]:
        for text in "123":
            yield Note(text)

    @on(Note)
    def take(self, frame: Note) -> None: ...


@both
@pytest.mark.rule("DL3")
def test_an_answer_overtakes_nothing_that_its_cause_was_sent_with(direct: bool) -> None:
    trace = play(Pipeline(Sends(), Answers(), Passes()), [(Order("go"), Order("again"))], direct=direct)
    assert texts(trace.down) == list("123123")
    assert texts(trace.handled_by("answers")) == list("123123")
    answers = [frame for frame in trace.handled_by("sends") if isinstance(frame, Note)]
    assert texts(answers) == ["re 1", "re 2", "re 3"] * 2


@actor
class Interjects(Actor):
    """Sends an alarm up between two notes down."""

    @on(Order)
    def interject(self, frame: Order) -> Effects:
        return [Note("1"), Up(Alarm("!")), Note("2")]


@actor
class Echoes(Actor):
    """Sends each alarm back down as a note."""

    @on(Alarm)
    def echo(self, frame: Alarm) -> Effects:
        return Down(Note(frame.text))


@both
@pytest.mark.rule("DL3", "DL5")
def test_none_of_a_plain_handlers_frames_is_overtaken_by_what_they_cause(direct: bool) -> None:
    trace = play(Pipeline(Echoes(), Interjects(), Passes()), [Order("go")], direct=direct)
    assert texts(trace.down) == ["1", "2", "!"]


@both
@pytest.mark.rule("DL3")
def test_the_last_effect_is_carried_in_a_loop_however_long_the_pipeline(direct: bool) -> None:
    trace = play(Pipeline(*(Passes() for _ in range(400))), [Note("x")], direct=direct)
    assert trace.down == (Note("x"),)
    assert len(hops(trace, Note("x"))) == 401


@actor
class Bounces(Actor):
    """Sends a note back whence it came, one less."""

    up: bool = True

    @on(Order)
    def bounce(self, frame: Order) -> Effects:
        left = int(frame.text) - 1
        if left < 0:
            return Down(Note("done"))
        return Up(Order(str(left))) if self.up else Down(Order(str(left)))


@both
@pytest.mark.rule("DL3")
def test_a_frame_may_bounce_between_two_actors_thousands_of_times(direct: bool) -> None:
    trace = play(Pipeline(Bounces(up=False), Bounces()), [Order("5000")], direct=direct)
    assert trace.down == (Note("done"),)
    assert not trace.failures


@both
@pytest.mark.rule("DL5")
def test_a_system_handler_cannot_overtake_the_frames_of_a_plain_one_beyond_the_bound(direct: bool) -> None:
    make = Obeys(lambda frame: [Note(str(number)) for number in range(5)])
    alarms = Echoes(name="alarms")
    pipeline = Pipeline(alarms, make, child(Slow(), max_buffer=1))
    trace = play(pipeline, [Order("go"), Sleep(0.1), Alarm("!")], direct=direct)
    assert texts(trace.down) == [*"01234", "!"]


@both
@pytest.mark.rule("DL9", "B6")
def test_both_sends_down_first_then_up(direct: bool) -> None:
    trace = play(Pipeline(Obeys(lambda frame: Both(Note(frame.text)))), [Order("x")], direct=direct)
    assert [each.receiver.name for each in trace.deliveries if each.frame == Note("x")] == ["sink", "source"]
    assert (trace.down, trace.up) == ((Note("x"),), (Note("x"),))


@both
@pytest.mark.rule("DL9")
def test_both_from_an_async_handler_sends_down_first_then_up(direct: bool) -> None:
    trace = play(Pipeline(ObeysLater(lambda frame: [Both(Note(frame.text))])), [Order("x")], direct=direct)
    assert [each.receiver.name for each in trace.deliveries if each.frame == Note("x")] == ["sink", "source"]


@both
@pytest.mark.rule("DL9")
def test_immune_both_is_immune_both_ways(direct: bool) -> None:
    trace = play(Pipeline(Obeys(lambda frame: Immune(Both(Note(frame.text))))), [Order("x")], direct=direct)
    assert [each.immune for each in trace.deliveries if each.frame == Note("x")] == [True, True]


@both
@pytest.mark.rule("DL9")
def test_what_is_added_travels_in_the_order_in_which_it_is_yielded(direct: bool) -> None:
    trace = play(Pipeline(Obeys(lambda frame: [Note("before"), frame, Note("after")])), [Order("x")], direct=direct)
    assert texts(trace.down) == ["before", "x", "after"]


# ---- DL4


@actor
class Sees(Actor):
    """A plain handler for each kind; an order is answered to oneself first by an alarm from below."""

    @on(Order, Note, Alarm, Ask)
    def see(self, frame: Frame) -> None: ...


@both
@pytest.mark.rule("DL4")
def test_what_waits_in_the_system_lane_is_begun_before_what_waits_in_the_ordered_one(direct: bool) -> None:
    effects: list[Effect] = [Order("1"), Note("2"), Alarm("3"), To(Address("sees"), Ask("4"))]
    trace = play(Pipeline(Obeys(lambda frame: effects), Sees()), [Order("go")], direct=direct)
    assert texts(trace.handled_by("sees")) == ["3", "4", "1", "2"]


@actor
class SlowAlarms(Actor):
    """An async handler for alarms, plain ones for the rest."""

    @on(Alarm)
    async def wait(self, frame: Alarm) -> None:
        await trio.sleep(1)

    @on(Note)
    def take(self, frame: Note) -> Effects:
        return frame


@both
@pytest.mark.rule("DL4")
def test_ordered_frames_go_on_while_an_async_system_handler_waits_even_if_more_system_frames_wait(
    direct: bool,
) -> None:
    trace = play(Pipeline(SlowAlarms()), [Alarm("1"), Alarm("2"), Note("x")], direct=direct)
    (left,) = (each for each in trace.deliveries if each.receiver.name == "sink" and each.frame == Note("x"))
    assert left.time == 0.0


# ---- DL6


@actor
class Spins(Actor):
    """Sends itself messages for ever."""

    count: int = state(0)

    @on(Order)
    def begin(self, frame: Order) -> Effects:
        return To(self.address, Ask("again"))

    @on(Ask)
    def again(self, message: Ask) -> Effects:
        self.count += 1
        return To(self.address, message) if self.count < 1000 else None


class CountsInOneStep(trio.abc.Instrument):
    """An observer that counts what one task does without letting others have the loop."""

    def __init__(self) -> None:
        self.count = self.total = self.most = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count = 0

    def delivered(self, delivery: Delivery) -> None:
        self.count += 1
        self.total += 1
        self.most = max(self.most, self.count)


@both
@pytest.mark.rule("DL6")
async def test_others_get_the_loop_after_at_most_sixteen_handlers(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    counts = CountsInOneStep()
    async with open_session(Pipeline(Spins()), observers=cast(Any, [counts]), direct=direct) as session:
        await trio.testing.wait_all_tasks_blocked()
        counts.count = 0
        trio.lowlevel.add_instrument(counts)
        await session.push(Order("go"))
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(counts)
    assert counts.total > 1000
    assert counts.most == 16


@actor
class PushesOnly(Actor):
    """An async handler that pushes without any other wait."""

    @on(Order)
    async def pour(self, frame: Order) -> None:
        for _ in range(500):
            await self.push(Up(Note("x")))


@both
@pytest.mark.rule("DL6")
@pytest.mark.parametrize("who", ["handler", "session"])
async def test_whoever_only_pushes_lets_others_have_the_loop(
    who: str, direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    counts = CountsInOneStep()
    async with open_session(Pipeline(PushesOnly()), observers=cast(Any, [counts]), direct=direct) as session:
        await trio.testing.wait_all_tasks_blocked()
        counts.count = 0
        trio.lowlevel.add_instrument(counts)
        for frame in [Order("go")] if who == "handler" else [Note("x")] * 500:
            await session.push(frame)
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(counts)
    assert counts.total > 500
    assert counts.most <= 16


# ---- DL7


@actor
class Fails(Actor):
    """A plain handler whose effects are a good one and a bad one."""

    bad: Any = None
    tried: Any = durable(())

    @on(Order)
    def obey(self, frame: Order) -> Any:
        self.tried = (*self.tried, frame.text)
        return [Note("good"), To(Address("passes"), Ask("good")), After(1, Ask("good")), self.bad]


@both
@pytest.mark.rule("DL7")
@pytest.mark.parametrize("bad", [Ask("bare"), "text", 3, Down(cast(Any, Ask("x"))), StartFrame()])
def test_an_effect_that_is_none_fails_the_handler_and_nothing_has_happened(bad: object, direct: bool) -> None:
    trace = play(Pipeline(Passes(), Fails(bad=bad), Passes()), [Order("x")], direct=direct)
    assert [type(error) for error in errors(trace)] == [TypeError, TypeError]
    assert trace.down == ()
    assert not any(isinstance(each.frame, Ask) for each in trace.deliveries)
    assert trace.durable["fails"] == {"tried": ()}
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(Order("x"), "poison")]


@both
@pytest.mark.rule("DL7")
def test_a_bare_message_is_told_to_say_to(direct: bool) -> None:
    trace = play(Pipeline(Fails(bad=Ask("bare"))), [Order("x")], direct=direct)
    assert "To(" in str(errors(trace)[0]) and "fails" in str(errors(trace)[0])


@actor
class FailsLater(Actor):
    """An async handler that pushes or returns something bad."""

    bad: Any = None
    pushes: bool = False

    @on(Order)
    async def obey(self, frame: Order) -> Any:
        if self.pushes:
            await self.push(self.bad)
        return [Note("good"), self.bad]


@both
@pytest.mark.rule("DL7")
@pytest.mark.parametrize("pushes", [True, False])
def test_a_bad_effect_fails_an_async_handler_too(pushes: bool, direct: bool) -> None:
    trace = play(Pipeline(FailsLater(bad=Ask("bare"), pushes=pushes)), [Order("x")], direct=direct)
    assert [type(error) for error in errors(trace)] == [TypeError, TypeError]
    assert trace.down == ()
    assert [each.reason for each in trace.dropped] == ["poison"]


@both
@pytest.mark.rule("DL7")
def test_a_mutable_message_is_no_message(direct: bool) -> None:
    trace = play(Pipeline(Hears(), Fails(bad=To(Address("hears"), ["x"]))), [Order("x")], direct=direct)
    assert [type(error) for error in errors(trace)] == [TypeError, TypeError]


# ---- DL8


@actor
class PushesInPlain(Actor):
    """Says push where it must yield."""

    @on(Order)
    def obey(self, frame: Order) -> None:
        self.push(frame)  # type: ignore[unused-coroutine]  # the mistake


@both
@pytest.mark.rule("DL8")
def test_push_in_a_plain_handler_raises_at_once_and_says_to_yield(direct: bool) -> None:
    trace = play(Pipeline(PushesInPlain()), [Order("x")], direct=direct)
    assert "yield" in str(errors(trace)[0])
    assert trace.down == ()


@pytest.mark.rule("DL8")
def test_push_outside_a_session_raises_at_once() -> None:
    with pytest.raises(Exception, match="session"):
        Passes().push(Note("x"))  # type: ignore[unused-coroutine]  # the mistake


@actor
class PushesFromEverywhere(Actor):
    """Pushes a bare frame from where the order says."""

    @on(Note)
    async def by_child(self, frame: Note) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.push, Kept("from a child task"))

    @on(Order)
    async def by_task(self, frame: Order) -> None:
        self.start_soon(self.say, "from a task")

    @on(Ask)
    async def by_message(self, message: Ask) -> None:
        await self.say(message.text)

    @on(Alarm)
    async def by_timer(self, frame: Alarm) -> None:
        await self.push(After(0, Ask("from a timer")))

    @on(InterruptionFrame)
    async def by_interruption(self, frame: InterruptionFrame) -> None:
        await self.say("from an interruption")

    async def say(self, text: str) -> None:
        await self.push(Kept(text))


@both
@pytest.mark.rule("DL8")
@pytest.mark.parametrize(
    ("cause", "down", "up"),
    [
        (Note("x"), [], ["from a child task"]),
        (Order("x"), ["from a task"], []),
        (Alarm("x"), ["from a timer"], []),
    ],
)
def test_a_bare_frame_goes_where_the_frame_in_hand_was_going_else_down(
    cause: Frame, down: list[str], up: list[str], direct: bool
) -> None:
    trace = play(Pipeline(PushesFromEverywhere(), TurnsBack(cause)), [Kept("go")], direct=direct)
    assert (texts(trace.down), texts(trace.up)) == (down, up)


@actor
class TurnsBack(Actor):
    """Sends a frame up when told to."""

    frame: Frame

    @on(Kept)
    def turn(self, frame: Kept) -> Effects:
        return Up(self.frame) if frame.text == "go" else frame


@both
@pytest.mark.rule("DL8")
def test_a_bare_frame_from_a_message_goes_down(direct: bool) -> None:
    pipeline = Pipeline(PushesFromEverywhere())
    trace = play(pipeline, [To(Address("pushes_from_everywhere"), Ask("from a message"))], direct=direct)
    assert (texts(trace.down), trace.up) == (["from a message"], ())


@both
@pytest.mark.rule("DL8")
def test_a_bare_frame_from_an_interruption_goes_down(direct: bool) -> None:
    trace = play(Pipeline(PushesFromEverywhere()), [InterruptionFrame()], direct=direct)
    assert (texts(trace.down), trace.up) == (["from an interruption"], ())


# ---- DL10


@actor
class TakesOrders(Actor):
    """Handles orders, slowly; notes and alarms pass."""

    @on(Order)
    async def work(self, frame: Order) -> None:
        await trio.sleep(1)
        await self.push(frame)


@both
@pytest.mark.rule("DL10")
def test_a_frame_without_a_handler_waits_in_its_place_and_passes_in_its_turn(direct: bool) -> None:
    trace = play(Pipeline(TakesOrders()), [(Note("0"), Order("1"), Note("2"), Alarm("!"), Order("3"))], direct=direct)
    out = [each for each in trace.deliveries if each.receiver.name == "sink" and texts([each.frame])]
    expected = [("0", 0.0), ("!", 0.0), ("1", 1.0), ("2", 1.0), ("3", 2.0)]
    assert sorted((texts([each.frame])[0], each.time) for each in out) == sorted(expected)
    assert texts(frame for frame in trace.down if not isinstance(frame, Alarm)) == list("0123")
    assert hops(trace, Note("2")) == [("source", "sink")]


@both
@pytest.mark.rule("DL10")
def test_what_waits_to_pass_is_dropped_by_an_interruption_like_any_other(direct: bool) -> None:
    trace = play(Pipeline(TakesOrders()), [Order("1"), Note("2"), Kept("3"), InterruptionFrame()], direct=direct)
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(Note("2"), "interrupted")]
    assert trace.down == (Kept("3"),)


@both
@pytest.mark.rule("DL10")
async def test_what_waits_to_pass_is_counted_by_the_bound(direct: bool, autojump_clock: trio.testing.MockClock) -> None:
    async with open_session(Pipeline(child(TakesOrders(), max_buffer=2)), direct=direct) as session:
        await session.push(Order("1"))
        await trio.testing.wait_all_tasks_blocked()
        await session.push(Note("2"))
        await session.push(Note("3"))
        assert trio.current_time() == 0.0
        await session.push(Note("4"))
        assert trio.current_time() == 1.0


@both
@pytest.mark.rule("DL10")
def test_errors_go_up_past_actors_that_have_no_handler_for_them(direct: bool) -> None:
    trace = play(Pipeline(Hears(), Obeys(lambda frame: Up(ErrorFrame("broken")))), [Order("x")], direct=direct)
    assert trace.up == (ErrorFrame("broken"),)

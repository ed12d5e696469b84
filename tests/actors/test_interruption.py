"""Epochs and interruptions: what is cut, what is dropped, what is refused, and what isn't."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

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
    durable,
    on,
    open_session,
    state,
)
from antiphon.actors import Effect, Effects
from antiphon.channels import EndWorkerFrame, Frame, InterruptionFrame, InterruptionWorkerFrame
from antiphon.scenarios import Item, Kill, Sleep, Trace, TraceRecorder, play
from tests.actors.notes import Alarm, Ask, Kept, Note, Order, Passes, Slow, both, texts


def dropped(trace: Trace) -> list[tuple[str, str]]:
    return [(texts([each.delivery.frame])[0], each.reason) for each in trace.dropped]


def epochs(trace: Trace, frame: object) -> list[int]:
    """The stamps with which a frame left at the end."""
    return [each.epoch for each in trace.deliveries if each.frame == frame and each.receiver.name == "sink"]


def interruptions(trace: Trace, name: str) -> list[int | None]:
    return [frame.epoch for frame in trace.handled_by(name) if isinstance(frame, InterruptionFrame)]


@actor
class Cuts(Actor):
    """Interrupts at each alarm, in the way its configuration says."""

    how: Callable[[], Effects] = Interrupt

    @on(Alarm)
    def cut(self, frame: Alarm) -> Effects:
        return self.how()


@actor
class Forgets(Actor):
    """Handles interruptions and notes, in plain handlers."""

    epochs_seen: tuple[int, ...] = durable(())

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None:
        self.epochs_seen = (*self.epochs_seen, self.epoch)

    @on(Note, Order, Kept, Alarm)
    def take(self, frame: Frame) -> Effects:
        return frame


@actor
class SlowToForget(Actor):
    """Takes a second for each interruption."""

    @on(InterruptionFrame)
    async def forget(self, frame: InterruptionFrame) -> None:
        await trio.sleep(1)

    @on(Note, Kept)
    def take(self, frame: Note | Kept) -> Effects:
        return frame


# ---- IN1


WAYS: list[Callable[[], Effects]] = [
    Interrupt,
    InterruptionFrame,
    lambda: Down(InterruptionFrame()),
    lambda: Up(InterruptionFrame()),
    lambda: Both(InterruptionFrame()),
    lambda: Immune(InterruptionFrame()),
]


@both
@pytest.mark.rule("IN1", "B21")
@pytest.mark.parametrize("how", WAYS)
def test_an_interruption_reaches_each_actor_once_whoever_asks_and_however(
    how: Callable[[], Effects], direct: bool
) -> None:
    pipeline = Pipeline(Forgets(), Cuts(how), Forgets(), Passes())
    trace = play(pipeline, [Alarm("cut")], direct=direct)
    assert not trace.failures
    assert [interruptions(trace, name) for name in ("forgets", "forgets_2", "passes")] == [[1], [1], []]
    assert (trace.down, trace.up) == ((), ())


@both
@pytest.mark.rule("IN1", "B21")
@pytest.mark.parametrize("way", [InterruptionFrame(), Alarm("interrupt")])
def test_an_interruption_cuts_drops_and_tells_in_one_step(way: Frame, direct: bool) -> None:
    pipeline = Pipeline(Cuts(), child(Slow(), max_buffer=8), Forgets())
    trace = play(pipeline, [(Note("1"), Note("2"), Kept("3"), Order("4")), Sleep(0.5), way, Note("5")], direct=direct)
    assert dropped(trace) == [("2", "interrupted"), ("4", "interrupted")]
    assert texts(trace.down) == ["3", "5"]
    assert {each.time for each in trace.deliveries if isinstance(each.frame, InterruptionFrame)} == {0.5}
    # The cut handler had a second to go; the next frame begins at once.
    assert [each.time for each in trace.deliveries if each.frame == Kept("3")][:2] == [0.5, 1.5]


@both
@pytest.mark.rule("IN1")
def test_the_interruption_frame_has_no_direction_and_the_new_epoch(direct: bool) -> None:
    trace = play(Pipeline(Cuts(), Forgets()), [Alarm("a"), Alarm("b")], direct=direct)
    told = [each for each in trace.deliveries if isinstance(each.frame, InterruptionFrame)]
    assert [(each.frame, each.direction, each.epoch) for each in told] == [
        (InterruptionFrame(1), None, 1),
        (InterruptionFrame(2), None, 2),
    ]


@actor
class PassesItOn(Actor):
    """Tries to pass the InterruptionFrame on."""

    how: Callable[[Frame], Effects]

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> Effects:
        return self.how(frame)


@both
@pytest.mark.rule("IN1", "IN6", "B21")
@pytest.mark.parametrize("how", [lambda frame: frame, Down, Up, lambda frame: None, lambda frame: Interrupt()])
def test_nobody_passes_an_interruption_on_and_nobody_can_swallow_it(
    how: Callable[[Frame], Effects], direct: bool
) -> None:
    trace = play(Pipeline(PassesItOn(how), Forgets()), [InterruptionFrame()], direct=direct)
    assert not trace.failures
    assert interruptions(trace, "passes_it_on") == [1]
    assert interruptions(trace, "forgets") == [1]


@actor
class Blocked(Actor):
    """Has a system handler that takes its time, and one for interruptions."""

    @on(Alarm)
    async def block(self, frame: Alarm) -> None:
        await trio.sleep(1)

    @on(InterruptionFrame, Ask)
    def take(self, frame: object) -> None: ...


@both
@pytest.mark.rule("IN1")
def test_the_interruption_frame_lies_in_front_of_the_system_lane_and_a_newer_one_replaces_it(direct: bool) -> None:
    ask = To(Address("blocked"), Ask("x"))
    script: list[Item] = [Alarm("block"), ask, InterruptionFrame(), ask, InterruptionFrame()]
    trace = play(Pipeline(Blocked()), script, direct=direct)
    assert trace.handled_by("blocked") == (Alarm("block"), InterruptionFrame(2), Ask("x"), Ask("x"))
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(InterruptionFrame(1), "merged")]


@actor
class HasTasks(Actor):
    """Starts a task of each kind at an order, and one in its lifespan; each says after a second that it wasn't cut."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.start_soon(self.tell, "lifespan, None")
        self.start_soon(self.tell, "lifespan, True", interruptible=True)
        yield

    @on(Order)
    def begin(self, frame: Order) -> None:
        self.start_soon(self.tell, "plain, None")
        self.start_soon(self.tell, "plain, False", interruptible=False)

    @on(Kept)
    async def begin_later(self, frame: Kept) -> None:
        self.start_soon(self.tell, "async, None")
        self.start_soon(self.tell, "async, True", interruptible=True)
        self.start_soon(self.tell, "async, False", interruptible=False)

    @on(Alarm)
    async def begin_in_system(self, frame: Alarm) -> None:
        self.start_soon(self.tell, "system, None")

    async def tell(self, text: str) -> None:
        await trio.sleep(1)
        await self.push(Kept(text))


@both
@pytest.mark.rule("IN1")
def test_an_interruption_cuts_the_tasks_that_are_interruptible(direct: bool) -> None:
    script: list[Item] = [Order("x"), Kept("x"), Alarm("x"), Sleep(0.5), InterruptionFrame()]
    trace = play(Pipeline(HasTasks()), script, direct=direct)
    assert sorted(texts(trace.down)) == ["async, False", "lifespan, None", "plain, False"]


@both
@pytest.mark.rule("IN1")
def test_without_an_interruption_all_tasks_go_on(direct: bool) -> None:
    trace = play(Pipeline(HasTasks()), [Order("x"), Kept("x"), Alarm("x")], direct=direct)
    assert len(trace.down) == 8


@both
@pytest.mark.rule("IN1")
def test_an_actor_that_is_restarting_handles_the_interruption_when_it_is_back(direct: bool) -> None:
    script: list[Item] = [Kill("forgets"), Kill("forgets"), Note("old"), InterruptionFrame(), Note("new")]
    trace = play(Pipeline(Forgets()), script, direct=direct)
    assert trace.handled_by("forgets")[-2:] == (InterruptionFrame(1), Note("new"))


@both
@pytest.mark.rule("IN1")
def test_a_request_that_reaches_an_end_interrupts(direct: bool) -> None:
    trace = play(Pipeline(Forgets()), [InterruptionWorkerFrame()], direct=direct)
    assert interruptions(trace, "forgets") == [1]


@actor
class Repeats(Actor):
    """Answers each interruption by asking for one, in the way its configuration says."""

    how: Callable[[Frame], Effects]
    frame: Frame = InterruptionWorkerFrame()

    @on(InterruptionFrame)
    def again(self, frame: InterruptionFrame) -> Effects:
        return self.how(self.frame)


@actor
class Forwards(Actor):
    """Sees requests on their way, and lets them go on as part of more."""

    @on(InterruptionWorkerFrame)
    def see(self, frame: InterruptionWorkerFrame) -> Effects:
        return [Note("seen"), frame]


ANSWERS: list[Callable[[Frame], Effects]] = [
    lambda frame: frame,
    lambda frame: [frame],
    lambda frame: [Note("more"), Up(frame)],
    lambda frame: Both(frame),
    lambda frame: Immune(frame),
]


@both
@pytest.mark.parametrize("how", ANSWERS)
@pytest.mark.rule("B31")
def test_who_answers_each_interruption_by_asking_for_one_begins_no_loop(
    how: Callable[[Frame], Effects], direct: bool
) -> None:
    inside = Parallel(Pipeline(Repeats(how, name="repeats"), Forwards()), Pipeline(Passes()))
    trace = play(Pipeline(Forwards(), inside, Passes()), [InterruptionFrame(), Sleep(1)], direct=direct, limit=10)
    assert interruptions(trace, "repeats") == [1]
    assert any(isinstance(frame, InterruptionWorkerFrame) for frame in (*trace.up, *trace.down))


@both
@pytest.mark.rule("B31")
def test_but_other_requests_of_its_and_later_ones_are_heard(direct: bool) -> None:
    ending = play(Pipeline(Repeats(Down, EndWorkerFrame())), [InterruptionFrame(), Sleep(1)], direct=direct, limit=10)
    assert ending.ended == "ended"
    repeats = Repeats(Down, name="repeats")
    later: list[Item] = [InterruptionFrame(), Sleep(1), InterruptionWorkerFrame(), Sleep(1)]
    assert interruptions(play(Pipeline(repeats), later, direct=direct, limit=10), "repeats") == [1, 2]


# ---- IN2


@actor
class Stamps(Actor):
    """Begins work in one epoch and sends a note when the next has begun, a second later."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.start_soon(self.later, "lifespan")
        yield

    @on(Alarm)
    async def system(self, frame: Alarm) -> None:
        await self.later("system")

    @on(Ask)
    async def message(self, message: Ask) -> None:
        if message.text == "task":
            self.start_soon(self.later, "task", interruptible=False)
        else:
            await self.later("message")

    @on(Kept)
    async def immune(self, frame: Kept) -> None:
        await self.later("immune")

    async def later(self, text: str) -> None:
        before = self.epoch
        await trio.sleep(1)
        await self.push(Immune(Order(f"{text} {before} {self.epoch}")))
        await self.push(Note(text))


@both
@pytest.mark.rule("IN2", "IN3")
@pytest.mark.parametrize(
    ("begin", "told", "is_stale"),
    [
        (Alarm("x"), "system 0 0", True),
        (To(Address("stamps"), Ask("x")), "message 0 0", True),
        (To(Address("stamps"), Ask("task")), "task 0 0", True),
        (Kept("x"), "immune 0 1", False),
        (Sleep(0), "lifespan 0 1", False),
    ],
)
def test_what_is_sent_carries_the_epoch_of_what_it_was_begun_for(
    begin: Item, told: str, is_stale: bool, direct: bool
) -> None:
    trace = play(Pipeline(Stamps()), [begin, InterruptionFrame()], direct=direct)
    assert told in texts(trace.down)
    name = told.split()[0]
    assert ((name, "stale") in dropped(trace)) is is_stale
    assert (epochs(trace, Note(name)) == [1]) is not is_stale


@both
@pytest.mark.rule("IN2")
def test_a_plain_handler_stamps_with_the_epoch_of_its_frame(direct: bool) -> None:
    trace = play(Pipeline(Passes(), Passes()), [InterruptionFrame(), InterruptionFrame(), Note("x")], direct=direct)
    assert [each.epoch for each in trace.deliveries if each.frame == Note("x")] == [2, 2, 2]


@both
@pytest.mark.rule("IN2")
def test_what_a_plain_handler_sends_after_its_own_interrupt_belongs_to_the_new_epoch(direct: bool) -> None:
    pipeline = Pipeline(Cuts(lambda: [Note("old"), Interrupt(), Note("new"), Alarm("!")]), Slow(), Forgets())
    trace = play(pipeline, [Alarm("cut")], direct=direct)
    assert dropped(trace) == [("old", "interrupted")]
    assert epochs(trace, Note("new")) == [1]


@actor
class CutsLater(Actor):
    """Interrupts in an async handler of whatever kind, and goes on; tells its epoch before and after."""

    @on(Note, Alarm, Kept, Ask)
    async def cut(self, frame: Note | Alarm | Kept | Ask) -> None:
        before = self.epoch
        await self.push(Interrupt())
        after = self.epoch
        await trio.sleep(0.5)
        await self.push(Order(f"{before} {after} {self.epoch}"))


@both
@pytest.mark.rule("IN2", "IN6")
@pytest.mark.parametrize("frame", [Note("x"), Alarm("x"), Kept("x"), To(Address("cuts_later"), Ask("x"))])
def test_a_handler_that_interrupts_is_not_cut_and_moves_to_the_new_epoch(frame: Item, direct: bool) -> None:
    trace = play(Pipeline(CutsLater(), Forgets()), [frame], direct=direct)
    assert texts(trace.down) == ["0 1 1"]
    assert interruptions(trace, "forgets") == [1]


@actor
class AnswersAt(Actor):
    """A reader that names the epoch of the request that it answers."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.start_soon(self.read)
        yield

    async def read(self) -> None:
        await trio.sleep(1)
        with self.at(0):
            await self.push(Note("to the old request"))
            await self.push(Kept(f"epoch {self.epoch}"))
        with self.at(1):
            await self.push(Note("to the new request"))
        await self.push(Note(f"epoch {self.epoch}"))


@both
@pytest.mark.rule("IN2")
def test_a_reader_may_name_the_epoch_that_it_answers(direct: bool) -> None:
    trace = play(Pipeline(AnswersAt()), [InterruptionFrame()], direct=direct)
    assert dropped(trace) == [("to the old request", "stale")]
    assert texts(trace.down) == ["epoch 0", "to the new request", "epoch 1"]


@actor
class CutsAt(Actor):
    """Interrupts, sends and waits while it names an epoch."""

    tries: int = durable(0)

    @on(Note)
    async def cut(self, frame: Note) -> None:
        with self.at(self.epoch):
            await self.push(Interrupt())
            await trio.sleep(0.5)
            await self.push(Order(f"went on in {self.epoch}"))

    @on(Order)
    async def send(self, frame: Order) -> None:
        with self.at(self.epoch):
            await self.push(Kept("sent"))
            await trio.sleep(100)

    @on(Kept)
    async def after_a_cut(self, frame: Kept) -> None: ...


@both
@pytest.mark.rule("IN6")
def test_a_handler_that_interrupts_while_it_names_an_epoch_is_not_cut(direct: bool) -> None:
    trace = play(Pipeline(CutsAt()), [Note("x")], direct=direct)
    assert texts(trace.down) == ["went on in 1"]


@both
@pytest.mark.rule("SU3")
def test_what_was_sent_while_an_epoch_was_named_makes_the_frame_partial(direct: bool) -> None:
    trace = play(Pipeline(CutsAt()), [Order("x"), Sleep(1), Kill("cuts_at")], direct=direct)
    assert dropped(trace) == [("x", "partial")]
    assert texts(trace.down) == ["sent"]


# ---- IN3


@both
@pytest.mark.rule("IN3")
async def test_what_waits_at_an_open_end_is_dropped_by_an_interruption(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    recorder = TraceRecorder()
    async with open_session(Pipeline(), observers=[recorder], direct=direct) as session:
        output = session.output
        for frame in [Note("old"), Kept("old"), InterruptionFrame(), Note("new")]:
            await session.push(frame)
        await session.end()
        assert [frame async for frame in output] == [Kept("old"), Note("new")]
    assert [(each.delivery.frame, each.reason) for each in recorder.dropped_ones] == [(Note("old"), "interrupted")]


@both
@pytest.mark.rule("IN3", "B25")
def test_a_frame_whose_sender_waits_for_room_dies_with_its_turn(direct: bool) -> None:
    pipeline = Pipeline(Waits(), child(Slow(seconds=10), max_buffer=1))
    trace = play(pipeline, [Order("x"), Sleep(1), InterruptionFrame()], direct=direct)
    assert dropped(trace) == [("1", "interrupted"), ("2", "interrupted")]


@actor
class Waits(Actor):
    """Sends more than there is room for."""

    @on(Order)
    async def send(self, frame: Order) -> None:
        for text in "0123":
            await self.push(Note(text))


@actor
class TellsLate(Actor):
    """Sends a message from a turn that an interruption has ended."""

    @on(Alarm)
    async def tell(self, frame: Alarm) -> None:
        await trio.sleep(1)
        await self.push(To(Address("hears"), Ask("late")))


@actor
class Hears(Actor):
    """Says in which epoch it heard a message."""

    @on(Ask)
    def hear(self, message: Ask) -> Effects:
        return Note(f"{message.text} {self.epoch}")


@both
@pytest.mark.rule("IN3")
def test_a_message_is_never_refused_and_its_handler_works_at_the_current_epoch(direct: bool) -> None:
    trace = play(Pipeline(TellsLate(), Hears()), [Alarm("x"), InterruptionFrame()], direct=direct)
    assert texts(trace.down) == ["late 1"]
    assert epochs(trace, Note("late 1")) == [1]


@both
@pytest.mark.rule("IN3", "IN3a", "B25", "B25b")
@pytest.mark.parametrize(
    ("effect", "arrives"), [(Note("x"), False), (Kept("x"), True), (Immune(Note("x")), True), (Alarm("x"), True)]
)
def test_only_what_is_interruptible_is_refused_for_its_stamp(effect: Effect, arrives: bool, direct: bool) -> None:
    trace = play(Pipeline(SaysLate(effect), Passes()), [Alarm("go"), InterruptionFrame()], direct=direct)
    assert texts(trace.down) == (["x"] if arrives else [])
    assert dropped(trace) == ([] if arrives else [("x", "stale")])


@actor
class SaysLate(Actor):
    """Sends from a turn that an interruption has ended."""

    effect: Effect

    @on(Alarm)
    async def say(self, frame: Alarm) -> None:
        await trio.sleep(1)
        await self.push(self.effect)


# ---- IN4


@both
@pytest.mark.rule("IN4", "IN3a", "B25b")
def test_no_frame_of_the_new_epoch_is_begun_before_the_interruption_is_handled(direct: bool) -> None:
    trace = play(Pipeline(Cuts(), SlowToForget()), [Alarm("cut"), (Note("1"), Kept("2"))], direct=direct)
    begun = [(each.frame, each.time) for each in trace.deliveries if each.receiver.name == "slow_to_forget"]
    assert begun == [(InterruptionFrame(1), 0.0), (Note("1"), 1.0), (Kept("2"), 1.0)]


@both
@pytest.mark.rule("IN4")
def test_an_actor_that_fails_on_an_interruption_still_forgets_before_the_next_frame(direct: bool) -> None:
    trace = play(Pipeline(Forgets()), [Kill("forgets", at=1), (InterruptionFrame(), Note("x"))], direct=direct)
    assert trace.handled_by("forgets") == (InterruptionFrame(1), InterruptionFrame(1), Note("x"))


@actor
class NeverForgets(Actor):
    """Fails on each interruption."""

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None:
        raise ValueError("I never forget")

    @on(Note)
    def take(self, frame: Note) -> Effects:
        return frame


@both
@pytest.mark.rule("IN4")
def test_a_handler_of_interruptions_may_send_a_frame(direct: bool) -> None:
    trace = play(Pipeline(Says()), [InterruptionFrame(), Note("x")], direct=direct)
    assert texts(trace.down) == ["interrupted", "x"]
    assert epochs(trace, Note("interrupted")) == [1]


@actor
class Says(Actor):
    """Tells of each interruption by a frame of its own."""

    @on(InterruptionFrame)
    def say(self, frame: InterruptionFrame) -> Effects:
        return Note("interrupted")

    @on(Note)
    def take(self, frame: Note) -> Effects:
        return frame


@both
@pytest.mark.rule("IN4")
def test_an_interruption_dropped_as_poison_opens_the_gate(direct: bool) -> None:
    trace = play(Pipeline(NeverForgets()), [InterruptionFrame(), Note("x")], direct=direct)
    assert [each.reason for each in trace.dropped] == ["poison"]
    assert texts(trace.down) == ["x"]


# ---- IN5


@actor
class Retells(Actor):
    """Makes a note of everything kept."""

    @on(Kept)
    def retell(self, frame: Kept) -> Effects:
        return Note(frame.text)

    @on(Order)
    def protect(self, frame: Order) -> Effects:
        return Immune(Note(frame.text))


@both
@pytest.mark.rule("IN5", "A3")
def test_immunity_is_not_inherited(direct: bool) -> None:
    script: list[Item] = [Note("busy"), Kept("x"), Order("y"), InterruptionFrame()]
    trace = play(Pipeline(Retells(), Slow(), Passes(), Slow()), script, direct=direct)
    assert ("x", "interrupted") in dropped(trace)
    assert [each.immune for each in trace.deliveries if each.frame == Note("y")] == [True, False, False, False]


@both
@pytest.mark.rule("IN5", "A3")
def test_one_delivery_can_be_immune_by_itself(direct: bool) -> None:
    trace = play(Pipeline(Retells(), Slow()), [Note("busy"), Order("y"), InterruptionFrame()], direct=direct)
    assert texts(trace.down) == ["y"]


# ---- IN6


@both
@pytest.mark.rule("IN6")
@pytest.mark.parametrize("frame", [Alarm("x"), Kept("x"), To(Address("uncut"), Ask("x"))])
def test_handlers_of_system_frames_messages_and_immune_frames_are_never_cut(frame: Item, direct: bool) -> None:
    trace = play(Pipeline(Uncut()), [frame, Sleep(0.5), InterruptionFrame()], direct=direct)
    assert texts(trace.down) == ["done"]


@actor
class Uncut(Actor):
    """Says that it wasn't cut."""

    @on(Alarm, Kept, Ask)
    async def work(self, frame: object) -> None:
        await trio.sleep(1)
        await self.push(Kept("done"))


@actor
class TwoMinds(Actor):
    """Interrupts a second after each alarm or message began."""

    @on(Alarm)
    async def once(self, frame: Alarm) -> None:
        await trio.sleep(1)
        await self.push(Interrupt())
        await self.push(Note(f"alarm {self.epoch}"))

    @on(Kept)
    async def twice(self, frame: Kept) -> None:
        self.start_soon(self.cut, interruptible=False)
        self.start_soon(self.cut, interruptible=False)

    async def cut(self) -> None:
        await trio.sleep(1)
        await self.push(Interrupt())
        await self.push(Note(f"task {self.epoch}"))


@both
@pytest.mark.rule("IN6")
def test_two_interruptions_begun_in_one_epoch_are_one(direct: bool) -> None:
    trace = play(Pipeline(TwoMinds(), TwoMinds(), Forgets()), [(Alarm("x"), Kept("x"))], direct=direct)
    assert interruptions(trace, "forgets") == [1]
    assert "task 1" in texts(trace.down)
    trace = play(Pipeline(Cuts(), Forgets()), [Alarm("1"), Alarm("2")], direct=direct)
    assert interruptions(trace, "forgets") == [1, 2]


@both
@pytest.mark.rule("IN6")
def test_an_interrupt_while_the_present_interruption_is_handled_does_nothing(direct: bool) -> None:
    trace = play(Pipeline(Agrees(), Agrees(), Forgets()), [InterruptionFrame(), Note("x")], direct=direct)
    assert interruptions(trace, "forgets") == [1]
    assert epochs(trace, Note("x")) == [1]


@actor
class Agrees(Actor):
    """Answers each interruption with another."""

    @on(InterruptionFrame)
    async def agree(self, frame: InterruptionFrame) -> None:
        await self.push(Interrupt())
        await self.push(InterruptionFrame())


# ---- IN7


@actor
class EndsJustInTime(Actor):
    """Its handler for notes is let go in the very step that interrupts."""

    gate: trio.Event = state(trio.Event)
    effects: tuple[Effect, ...] = ()

    @on(Note)
    async def wait(self, frame: Note) -> Effects:
        await self.gate.wait()
        return self.effects

    @on(Alarm)
    def let_go(self, frame: Alarm) -> Effects:
        self.gate.set()
        return Interrupt()

    @on(Kept)
    async def work(self, frame: Kept) -> None:
        await trio.sleep(1)
        await self.push(frame)


@both
@pytest.mark.rule("IN7")
def test_a_cut_that_comes_too_late_does_not_hit_the_next_frame(direct: bool) -> None:
    trace = play(Pipeline(EndsJustInTime()), [Note("x"), Kept("next"), Alarm("now")], direct=direct)
    assert texts(trace.down) == ["next"]


@both
@pytest.mark.rule("IN1", "IN7")
def test_a_handler_cut_too_late_sends_nothing_of_the_old_turn(direct: bool) -> None:
    effects = (Kept("late"), To(Address("hears"), Ask("late")), After(1, Ask("late")), Interrupt())
    pipeline = Pipeline(EndsJustInTime(effects=effects), Hears(), Forgets())
    trace = play(pipeline, [Note("x"), Alarm("now")], direct=direct)
    assert trace.down == ()
    assert interruptions(trace, "forgets") == [1]


@actor
class Counts(Actor):
    """Works on each note for as long as it says, and cleans up when it is cut."""

    @on(Note)
    async def work(self, frame: Note) -> None:
        try:
            await trio.sleep(float(frame.text))
        finally:
            with trio.move_on_after(0.5, shield=True):
                await trio.sleep(0.2)
        await self.push(frame)


@both
@pytest.mark.rule("IN7")
def test_after_many_cuts_each_next_frame_is_handled_whole(direct: bool) -> None:
    script: list[Item] = []
    for number in range(10):
        script += [Note("5"), Sleep(0.1 * number), InterruptionFrame(), Note("0.1"), Sleep(1)]
    trace = play(Pipeline(Counts()), script, direct=direct)
    assert texts(trace.down) == ["0.1"] * 10

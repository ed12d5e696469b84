"""Lanes, bounds and room: who overtakes, who waits, what is shed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from antiphon import Actor, Address, After, Down, Interrupt, Pipeline, To, Up, actor, child, on, open_session
from antiphon.actors import Effect, Effects
from antiphon.channels import (
    Frame,
    InputAudioRawFrame,
    InputImageRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from antiphon.scenarios import Item, Sleep, TraceRecorder, play
from tests.actors.notes import Alarm, Ask, Kept, Note, Order, Passes, Slow, both, texts

SECOND = bytes(32000)
"""One second of sound at 16 kHz."""


@actor
class Splits(Actor):
    """Makes several notes of an order."""

    count: int = 5

    @on(Order)
    def split(self, frame: Order) -> Iterator[Effect]:
        for number in range(self.count):
            yield Note(f"{frame.text}{number}")


@both
@pytest.mark.rule("CH1", "B1")
def test_frames_of_one_sender_stay_in_order_in_each_lane(direct: bool) -> None:
    script = tuple(kind(str(number)) for number in range(5) for kind in (Note, Alarm))
    trace = play(Pipeline(Passes(), Slow(seconds=0.1), Passes()), [script], direct=direct)
    assert texts(frame for frame in trace.down if isinstance(frame, Note)) == list("01234")
    assert texts(frame for frame in trace.down if isinstance(frame, Alarm)) == list("01234")


@both
@pytest.mark.rule("CH1", "B2")
def test_a_system_frame_overtakes_an_ordered_one_that_waits(direct: bool) -> None:
    trace = play(Pipeline(Slow(), Passes()), [(Note("first"), Note("second"), Alarm("fire"))], direct=direct)
    assert texts(trace.down) == ["fire", "first", "second"]


@both
@pytest.mark.rule("CH1", "B1")
async def test_frames_up_and_down_share_the_ordered_lane_in_order_of_arrival(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    handled: list[str] = []
    async with open_session(Pipeline(Slow(seconds=0.5, log=handled.append)), direct=direct) as session:
        await trio.testing.wait_all_tasks_blocked()
        for number, direction in enumerate(["down", "up", "up", "down", "up", "down"]):
            await session.push(Note(str(number)), "up" if direction == "up" else "down")
    assert handled == list("012345")


@both
@pytest.mark.rule("CH2")
async def test_a_wait_for_room_that_is_cancelled_loses_nothing_and_keeps_the_order(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    recorder = TraceRecorder()
    pipeline = Pipeline(child(Slow(seconds=10), max_buffer=1, grace=20.0))
    async with open_session(pipeline, observers=[recorder], direct=direct) as session:
        await trio.testing.wait_all_tasks_blocked()
        await session.push(Note("in hand"))
        await trio.testing.wait_all_tasks_blocked()
        await session.push(Note("in the lane"))
        for number in range(3):
            with trio.move_on_after(1) as limit:
                await session.push(Note(f"cut {number}"))
            assert limit.cancelled_caught
        assert session.statistics()[Address("slow")].overfill == 3
    handled = [each.frame for each in recorder.deliveries if each.receiver.name == "slow"]
    assert texts(handled) == ["in hand", "in the lane", "cut 0", "cut 1", "cut 2"]


@actor
class Chatters(Actor):
    """Sends notes upstream, then one down, from a task."""

    @on(StartFrame)
    def begin(self, frame: StartFrame) -> None:
        self.start_soon(self.talk)

    async def talk(self) -> None:
        for number in range(10):
            await self.push(Up(Note(str(number))))
        await self.push(Down(Note("done")))


@both
@pytest.mark.rule("CH2", "CH3", "B7")
def test_the_bound_counts_only_what_goes_down(direct: bool) -> None:
    trace = play(Pipeline(child(Slow(), max_buffer=1), Chatters()), [], direct=direct)
    (done,) = (each for each in trace.deliveries if each.receiver.name == "sink" and texts([each.frame]))
    assert done.time == 0.0
    assert len(trace.up) == 10


@both
@pytest.mark.rule("CH3")
async def test_session_push_waits_for_room_in_the_first_actor(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    times = []
    async with open_session(Pipeline(child(Slow(), max_buffer=2)), direct=direct) as session:
        await trio.testing.wait_all_tasks_blocked()
        for number in range(6):
            await session.push(Note(str(number)))
            times.append(trio.current_time())
            await trio.testing.wait_all_tasks_blocked()
    assert times == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]


@actor
class Pours(Actor):
    """Pours notes, from where its configuration says, and logs when each was sent."""

    where: str = "ordered"
    count: int = 4

    @on(Order)
    async def ordered(self, frame: Order) -> None:
        await self.pour()

    @on(Alarm)
    async def system(self, frame: Alarm) -> None:
        if self.where == "task":
            self.start_soon(self.pour)
        elif self.where == "timer":
            await self.push(After(0, Ask("pour")))
        else:
            await self.pour()

    @on(Ask)
    async def message(self, message: Ask) -> None:
        await self.pour()

    async def pour(self) -> None:
        for number in range(self.count):
            await self.push(Note(str(number)))
        await self.push(Up(Alarm("poured")))


@both
@pytest.mark.rule("CH3", "B7")
@pytest.mark.parametrize(
    ("where", "first", "time"),
    [
        ("ordered", Order("pour"), 2.0),
        ("task", Alarm("pour"), 2.0),
        ("system", Alarm("pour"), 0.0),
        ("timer", Alarm("pour"), 0.0),
        ("message", To(Address("pours"), Ask("pour")), 0.0),
    ],
)
def test_ordered_handlers_and_tasks_wait_for_room_and_others_never(
    where: str, first: Frame | To, time: float, direct: bool
) -> None:
    trace = play(Pipeline(Pours(where), child(Slow(), max_buffer=1)), [first], direct=direct)
    (poured,) = (each.time for each in trace.deliveries if each.frame == Alarm("poured"))
    assert poured == time
    assert texts(trace.down) == list("0123")


@both
@pytest.mark.rule("CH3", "DL5")
def test_a_plain_handler_puts_all_at_once_and_takes_its_next_frame_when_there_is_room(direct: bool) -> None:
    pipeline = Pipeline(Splits(count=5), child(Slow(), max_buffer=2))
    trace = play(pipeline, [(Order("a"), Order("b"))], direct=direct)
    begun = [(each.time, each.frame) for each in trace.deliveries if each.receiver.name == "splits"]
    # One of five in hand, two above the bound: the second order begins when the third note does.
    assert begun == [(0.0, Order("a")), (2.0, Order("b"))]
    assert texts(trace.down) == [f"{order}{number}" for order in "ab" for number in range(5)]


@actor
class TakesBack(Actor):
    """Makes more notes of an order than the next lane holds; those of a wrong one it takes back at once."""

    @on(Order)
    def split(self, frame: Order) -> Iterator[Effect]:
        for number in range(3):
            yield Note(f"{frame.text}{number}")
        if frame.text == "wrong":
            yield Interrupt()


@both
@pytest.mark.rule("CH3", "IN1")
def test_who_has_emptied_the_lane_that_it_filled_waits_for_no_room_there(direct: bool) -> None:
    trace = play(Pipeline(TakesBack(), child(Slow(), max_buffer=1)), [Order("wrong"), Order("right")], direct=direct)
    assert texts(trace.down) == ["right0", "right1", "right2"]


@actor
class Floods(Actor):
    """Answers what comes from below with more than its lane holds."""

    @on(Alarm)
    def answer(self, frame: Alarm) -> Effects:
        return [Down(Note(str(number))) for number in range(5)]


@actor
class AsksAbove(Actor):
    """Asks the actor above, whose answers fill its own lane while it is busy."""

    @on(Order)
    async def ask(self, frame: Order) -> None:
        await self.push(Up(Alarm("more")))
        await self.push(Down(Note("asked")))

    @on(Note)
    async def take(self, frame: Note) -> Effects:
        return frame


@both
@pytest.mark.rule("CH3")
def test_nobody_waits_for_room_in_an_earlier_actor_or_in_its_own_lane(direct: bool) -> None:
    trace = play(Pipeline(Floods(), child(AsksAbove(), max_buffer=1)), [Order("go")], direct=direct)
    assert texts(trace.down) == ["asked", *"01234"]
    assert trace.deliveries[-1].time == 0.0


@actor
class Deaf(Actor):
    """Blocked in a system handler, and in an ordered one if asked to."""

    seconds: float = 4.0

    @on(Alarm, Order)
    async def block(self, frame: Frame) -> None:
        await trio.sleep(self.seconds)

    @on(InputAudioRawFrame, InputImageRawFrame, OutputAudioRawFrame, Note)
    def hear(self, frame: Frame) -> Effects:
        return frame

    @on(Ask)
    def listen(self, message: Ask) -> None: ...


def sound(number: int) -> InputAudioRawFrame:
    return InputAudioRawFrame(SECOND, 16000, pts=number)


@both
@pytest.mark.rule("CH4", "CH5")
def test_sound_beyond_five_seconds_in_a_system_lane_is_shed_oldest_first(direct: bool) -> None:
    script: list[Item] = [Alarm("block"), tuple(sound(number) for number in range(8))]
    trace = play(Pipeline(Deaf()), script, direct=direct)
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(sound(n), "shed") for n in range(3)]
    assert trace.down == tuple(sound(number) for number in range(3, 8))


@both
@pytest.mark.rule("CH4")
def test_how_much_media_may_wait_is_the_pipelines(direct: bool) -> None:
    script: list[Item] = [Alarm("block"), tuple(sound(number) for number in range(8))]
    trace = play(Pipeline(Deaf(), max_media=2.0), script, direct=direct)
    assert trace.down == (sound(6), sound(7))


@both
@pytest.mark.rule("CH4")
def test_at_most_256_pictures_wait_in_a_system_lane(direct: bool) -> None:
    pictures = tuple(InputImageRawFrame(b"p", (1, number)) for number in range(1, 301))
    trace = play(Pipeline(Deaf()), [Alarm("block"), pictures], direct=direct)
    assert trace.down == pictures[-256:]


@both
@pytest.mark.rule("CH4")
def test_nothing_but_media_is_shed_from_a_system_lane(direct: bool) -> None:
    asks = tuple(To(Address("deaf"), Ask(str(number))) for number in range(1000))
    trace = play(Pipeline(Deaf()), [Alarm("block"), asks], direct=direct)
    assert [frame for frame in trace.handled_by("deaf") if isinstance(frame, Ask)] == [each.message for each in asks]
    assert not trace.dropped


@actor
class Sings(Actor):
    """Sends a second of sound for each number, from a handler that never waits."""

    count: int = 10

    @on(Alarm)
    def sing(self, frame: Alarm) -> Iterator[Effect]:
        for number in range(self.count):
            yield OutputAudioRawFrame(SECOND, 16000, pts=number)
            yield Note(str(number))


@both
@pytest.mark.rule("CH4")
def test_sound_in_an_ordered_lane_is_shed_only_above_the_bound(direct: bool) -> None:
    pipeline = Pipeline(Sings(count=10), child(Deaf(), max_buffer=4), max_media=3.0)
    trace = play(pipeline, [Order("block"), Alarm("sing")], direct=direct)
    numbers = [frame.pts for frame in trace.down if isinstance(frame, OutputAudioRawFrame)]
    assert numbers == [0, 1, 7, 8, 9]
    assert {each.reason for each in trace.dropped} == {"shed"}
    assert texts(trace.down) == list("0123456789")


@both
@pytest.mark.rule("CH4")
async def test_the_overfill_is_in_the_statistics(direct: bool, autojump_clock: trio.testing.MockClock) -> None:
    async with open_session(Pipeline(Splits(count=7), child(Slow(), max_buffer=4)), direct=direct) as session:
        await session.push(Order("a"))
        await trio.testing.wait_all_tasks_blocked()
        slow = session.statistics()[Address("slow")]
        assert (slow.busy_since, slow.frame, slow.system, slow.ordered, slow.overfill) == (0.0, Note("a0"), 0, 6, 2)


@actor
class Wreck(Actor):
    """Does what each order says."""

    @on(Order)
    def obey(self, frame: Order) -> Effects:
        if frame.text == "crash":
            raise ValueError(frame.text)
        return frame

    @on(Note)
    async def half(self, frame: Note) -> None:
        if frame.text == "half":
            await self.push(Kept("said"))
            raise ValueError(frame.text)
        await trio.sleep(1)

    @on(Alarm)
    async def alarm(self, frame: Alarm) -> None:
        await trio.sleep(5)

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None: ...


@actor
class Cuts(Actor):
    """Interrupts at each order to cut, and pushes stale things."""

    @on(Alarm)
    async def cut(self, frame: Alarm) -> None:
        if frame.text == "cut":
            await self.push(Interrupt())
        elif frame.text == "stale":
            with self.at(-1):
                await self.push(Note("stale"))
        else:
            await self.push(frame)


@both
@pytest.mark.rule("CH5", "B8")
@pytest.mark.parametrize(
    ("reason", "script", "dropped"),
    [
        ("interrupted", [Note("a"), Note("b"), Alarm("cut")], [Note("b")]),
        ("stale", [Alarm("stale")], [Note("stale")]),
        ("poison", [Order("crash")], [Order("crash")]),
        ("partial", [Note("half")], [Note("half")]),
        ("merged", [Alarm("busy"), Alarm("cut"), Alarm("cut")], [InterruptionFrame(1)]),
        ("cancelled", [(Order("x"), Note("a"), Note("b"), Note("c"))], [Note("b"), Note("c")]),
        ("unknown address", [To(Address("nobody"), Ask("x"))], [Ask("x")]),
    ],
)
def test_what_is_dropped_says_why(reason: str, script: list[Item], dropped: list[object], direct: bool) -> None:
    pipeline = Pipeline(Cuts(), Wreck())
    trace = play(pipeline, script, direct=direct, limit=0.5 if reason == "cancelled" else 100)
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(frame, reason) for frame in dropped]


@both
@pytest.mark.rule("CH5", "B8")
def test_each_frame_is_handled_once_or_dropped_once(direct: bool) -> None:
    script: list[Item] = [
        Note("1"),
        (Order("crash"), Note("half"), Note("2")),
        Sleep(5),
        Note("3"),
        Note("4"),
        Alarm("cut"),
        Note("5"),
    ]
    trace = play(Pipeline(Cuts(), Wreck()), script, direct=direct)
    assert texts(trace.handled_by("wreck")) == ["1", "crash", "crash", "half", "2", "3", "5"]
    assert [(texts([each.delivery.frame]), each.reason) for each in trace.dropped] == [
        (["crash"], "poison"),
        (["half"], "partial"),
        (["4"], "interrupted"),
    ]


@both
@pytest.mark.rule("CH3", "IN1")
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_who_overfills_a_lane_and_empties_it_by_an_interruption_waits_for_nobody(kind: str, direct: bool) -> None:
    sends = SendsAndInterrupts() if kind == "plain" else SendsAndInterruptsLater()
    script: list[Item] = [Order("busy"), Kept("1"), Sleep(1), Kept("2"), Sleep(1), Kept("3")]
    trace = play(Pipeline(sends, child(Slow(seconds=100), max_buffer=1)), script, direct=direct, limit=10)
    assert texts(trace.handled_by(str(sends.address))) == ["1", "2", "3"]


@actor
class SendsAndInterrupts(Actor):
    """Sends a few notes, and then thinks better of it."""

    @on(Kept)
    def send(self, frame: Kept) -> Effects:
        return [*(Note(text) for text in "abc"), Interrupt()]


@actor
class SendsAndInterruptsLater(Actor):
    """The same in an async handler."""

    @on(Kept)
    async def send(self, frame: Kept) -> Effects:
        return [*(Note(text) for text in "abc"), Interrupt()]

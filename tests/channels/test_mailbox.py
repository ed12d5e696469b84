"""One receiver's mailbox, against a model that keeps plain lists, and the sentences of its rules one by one."""

from __future__ import annotations

from typing import Literal

import attrs
import pytest
import trio
import trio.testing
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from antiphon.channels import (
    DOWN,
    UP,
    Direction,
    Envelope,
    Frame,
    InputAudioRawFrame,
    InputImageRawFrame,
    Mailbox,
    OutputAudioRawFrame,
    OutputImageRawFrame,
    SystemFrame,
    TextFrame,
    UserStartedSpeakingFrame,
)
from tests.steps import Call, Steps

Lane = Literal["system", "ordered"]

RATE = 16000


def heard(seconds: float) -> InputAudioRawFrame:
    return InputAudioRawFrame(bytes(2 * round(RATE * seconds)), RATE)


def spoken(seconds: float) -> OutputAudioRawFrame:
    return OutputAudioRawFrame(bytes(2 * round(RATE * seconds)), RATE)


def seen() -> InputImageRawFrame:
    return InputImageRawFrame(b"image", (1, 1))


def shown() -> OutputImageRawFrame:
    return OutputImageRawFrame(b"image", (1, 1))


# --- the model


@attrs.define(eq=False)
class Sent:
    """What the model knows of an envelope. Two are never equal, so that none is taken for another."""

    envelope: Envelope
    lane: Lane
    counts: bool
    """Whether it counts for the bound."""
    milliseconds: int | None
    """Of media; None for what is never shed."""
    is_counted: bool = False
    """Whether it is media that the system lane counts."""
    sender: Call | None = None

    @property
    def epoch(self) -> int:
        return self.envelope.epoch

    @property
    def immune(self) -> bool:
        return self.envelope.immune


@attrs.define
class Model:
    """Two lists and three sentences: what is too old leaves, media beyond a limit leaves oldest first, and at most as
    many senders wait as frames stand above the bound.
    """

    bound: int
    milliseconds: int
    pieces: int = 256
    epoch: int = 0
    system: list[Sent] = attrs.field(factory=list)
    ordered: list[Sent] = attrs.field(factory=list)
    dropped: list[tuple[Sent, str]] = attrs.field(factory=list)
    waiting: list[Call] = attrs.field(factory=list)

    @property
    def downstream(self) -> int:
        return sum(sent.counts for sent in self.ordered)

    @property
    def excess(self) -> int:
        return max(0, self.downstream - self.bound)

    def put(self, sent: Sent) -> None:
        if sent.lane == "ordered" and not sent.immune and sent.epoch < self.epoch:
            self.dropped.append((sent, "stale"))
        elif sent.lane == "ordered":
            self.ordered.append(sent)
            if sent.milliseconds is not None and self.excess:
                self.shed([each for place, each in enumerate(self.ordered) if self.stands_above(place)], self.ordered)
        else:
            self.system.append(sent)
            if sent.milliseconds is not None:
                sent.is_counted = True
                self.shed([each for each in self.system if each.is_counted], self.system)

    def stands_above(self, place: int) -> bool:
        before = sum(each.counts for each in self.ordered[: place + 1])
        return before > self.bound and self.ordered[place].milliseconds is not None

    def shed(self, media: list[Sent], lane: list[Sent]) -> None:
        while len(media) > 1 and (
            len(media) > self.pieces or sum(each.milliseconds or 0 for each in media) > self.milliseconds
        ):
            oldest = media.pop(0)
            lane.remove(oldest)
            self.dropped.append((oldest, "shed"))
            self.let_go()

    def take(self, lane: list[Sent]) -> Sent:
        sent = lane.pop(0)
        sent.is_counted = False
        if sent.counts:
            self.let_go()
        return sent

    def put_back(self, sent: Sent) -> None:
        if sent.lane == "system":
            sent.is_counted = sent.milliseconds is not None
            self.system.insert(0, sent)
        elif sent.immune or sent.epoch >= self.epoch:
            self.ordered.insert(0, sent)
        else:
            self.dropped.append((sent, "interrupted"))

    def interrupt(self) -> None:
        self.epoch += 1
        old = [sent for sent in self.ordered if not sent.immune and sent.epoch < self.epoch]
        self.ordered = [sent for sent in self.ordered if sent not in old]
        self.dropped += [(sent, "interrupted") for sent in old]
        self.let_go()

    def clear(self) -> None:
        self.dropped += [(sent, "cancelled") for sent in (*self.system, *self.ordered)]
        self.system, self.ordered = [], []
        self.let_go()

    def let_go(self) -> None:
        self.waiting = self.waiting[max(0, len(self.waiting) - self.excess) :]


class MailboxMachine(RuleBasedStateMachine):
    """Everything that can be done to a mailbox, in any order, with real tasks that wait for room."""

    taken = Bundle("taken")

    @initialize(bound=st.sampled_from([1, 2, 8]), milliseconds=st.sampled_from([60, 5000]))
    def open(self, bound: int, milliseconds: int) -> None:
        self.steps = Steps()
        self.dropped: list[tuple[Envelope, str]] = []
        self.mailbox = Mailbox(bound, max_media=milliseconds / 1000, on_drop=self.drop)
        self.model = Model(bound, milliseconds)
        self.calls: list[Call] = []
        self.number = 0

    def drop(self, envelope: Envelope, reason: str) -> None:
        self.dropped.append((envelope, reason))

    def put(self, frame: Frame, milliseconds: int | None, direction: Direction, epoch: int, immune: bool) -> Sent:
        envelope = Envelope(frame, None, direction, epoch, immune)
        lane: Lane = "system" if isinstance(frame, SystemFrame) else "ordered"
        sent = Sent(envelope, lane, counts=lane == "ordered" and direction is DOWN, milliseconds=milliseconds)
        if lane == "system":
            self.mailbox.put_system(envelope)
        else:
            expected = immune or epoch >= self.model.epoch
            assert self.mailbox.put_ordered(envelope) is expected
        self.model.put(sent)
        return sent

    @rule(
        direction=st.sampled_from([DOWN, DOWN, UP]),
        age=st.integers(0, 2),
        immune=st.booleans(),
        milliseconds=st.sampled_from([None, None, 0, 20, 40]),
    )
    def ordered_comes(self, direction: Direction, age: int, immune: bool, milliseconds: int | None) -> None:
        self.number += 1
        frame: Frame
        if milliseconds is None:
            frame = TextFrame(str(self.number))
        else:
            frame = spoken(milliseconds / 1000) if milliseconds else shown()
        self.put(frame, milliseconds, direction, max(0, self.model.epoch - age), immune)

    @rule(milliseconds=st.sampled_from([None, 0, 20, 40]))
    def system_comes(self, milliseconds: int | None) -> None:
        if milliseconds is None:
            self.put(UserStartedSpeakingFrame(), None, DOWN, 0, True)
        else:
            self.put(heard(milliseconds / 1000) if milliseconds else seen(), milliseconds, DOWN, 0, True)

    @rule(count=st.integers(90, 130))
    def a_flood_of_pictures_comes(self, count: int) -> None:
        for _ in range(count):
            self.put(seen(), 0, DOWN, 0, True)

    @rule()
    def sender_comes_and_waits_for_room(self) -> None:
        self.number += 1

        async def send() -> None:
            self.put(TextFrame(str(self.number)), None, DOWN, self.model.epoch, False)
            await self.mailbox.wait_for_room()

        # The model's put happens in the task; whether it waits is then known.
        call = self.steps.start(send)
        if self.model.excess:
            self.model.waiting.append(call)
        self.calls.append(call)

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def waiting_sender_is_cancelled(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.model.waiting))
        self.model.waiting.remove(call)
        self.steps.cancel(call)
        assert call.was_cancelled

    @precondition(lambda self: self.model.system)
    @rule(target=taken)
    def system_is_taken(self) -> Sent:
        sent = self.model.take(self.model.system)
        assert self.mailbox.take_system() is sent.envelope
        return sent

    @precondition(lambda self: self.model.ordered)
    @rule(target=taken)
    def ordered_is_taken(self) -> Sent:
        sent = self.model.take(self.model.ordered)
        assert self.mailbox.take_ordered() is sent.envelope
        return sent

    @rule(sent=taken)
    def what_was_taken_is_put_back(self, sent: Sent) -> None:
        if (
            sent in self.model.system
            or sent in self.model.ordered
            or any(sent is each for each, _ in self.model.dropped)
        ):
            return
        self.mailbox.put_back(sent.envelope, system=sent.lane == "system")
        self.model.put_back(sent)

    @rule()
    def interruption_comes(self) -> None:
        self.model.interrupt()
        self.mailbox.interrupt(self.model.epoch)

    @rule()
    def all_is_dropped(self) -> None:
        self.mailbox.clear("cancelled")
        self.model.clear()

    @rule()
    def receiver_goes_for_good(self) -> None:
        self.mailbox.release_senders()
        self.model.waiting.clear()

    @invariant()
    def lanes_hold_what_the_model_holds(self) -> None:
        assert list(self.mailbox.system) == [sent.envelope for sent in self.model.system]
        assert list(self.mailbox.ordered) == [sent.envelope for sent in self.model.ordered]

    @invariant()
    def drops_are_the_models_in_its_order(self) -> None:
        assert self.dropped == [(sent.envelope, reason) for sent, reason in self.model.dropped]

    @invariant()
    def no_dead_turn_waits(self) -> None:
        assert all(self.mailbox.accepts(envelope) for envelope in self.mailbox.ordered)

    @invariant()
    def counts_are_right(self) -> None:
        assert self.mailbox.overfill == self.model.excess
        assert self.mailbox.is_overfull == (self.model.downstream > self.model.bound)
        assert self.mailbox.is_full == (self.model.downstream >= self.model.bound)

    @invariant()
    def those_wait_who_should(self) -> None:
        self.steps.settle()
        assert [call for call in self.calls if not call.has_ended] == self.model.waiting
        assert self.mailbox.waiting_senders == len(self.model.waiting)

    @invariant()
    def nobody_waits_while_there_is_room(self) -> None:
        assert self.mailbox.is_overfull or not self.mailbox.waiting_senders

    def teardown(self) -> None:
        if hasattr(self, "steps"):
            self.steps.close()


MailboxMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_a_mailbox_does_what_the_model_does = pytest.mark.rule("CH1", "CH2", "CH4")(MailboxMachine.TestCase)


# --- the sentences one by one


def mailbox(bound: int = 64) -> tuple[Mailbox, list[tuple[object, str]]]:
    dropped: list[tuple[object, str]] = []
    return Mailbox(bound, on_drop=lambda envelope, reason: dropped.append((envelope.frame, reason))), dropped


def put(box: Mailbox, *frames: Frame, direction: Direction = DOWN, epoch: int = 0, immune: bool = False) -> None:
    for frame in frames:
        envelope = Envelope(frame, None, direction, epoch, immune)
        if isinstance(frame, SystemFrame):
            box.put_system(envelope)
        else:
            box.put_ordered(envelope)


def ordered(box: Mailbox) -> list[object]:
    return [envelope.frame for envelope in box.ordered]


@pytest.mark.rule("CH1")
def test_frames_that_go_up_and_down_share_the_ordered_lane_in_order_of_arrival() -> None:
    box, _ = mailbox()
    put(box, TextFrame("1"))
    put(box, TextFrame("2"), direction=UP)
    put(box, TextFrame("3"))
    assert ordered(box) == [TextFrame("1"), TextFrame("2"), TextFrame("3")]


@pytest.mark.rule("CH2")
def test_the_bound_counts_only_downstream_frames_of_the_ordered_lane() -> None:
    box, _ = mailbox(1)
    put(box, TextFrame("up"), TextFrame("up"), direction=UP)
    put(box, UserStartedSpeakingFrame(), UserStartedSpeakingFrame())
    assert not box.is_full


@pytest.mark.rule("CH2")
async def test_a_wait_for_room_that_is_cancelled_loses_nothing_and_is_not_overtaken() -> None:
    box, _ = mailbox(1)
    put(box, TextFrame("1"), TextFrame("2"))
    with trio.move_on_after(0):
        await box.wait_for_room()
    put(box, TextFrame("3"))
    assert ordered(box) == [TextFrame("1"), TextFrame("2"), TextFrame("3")]


@pytest.mark.rule("CH2")
async def test_senders_go_on_in_the_order_in_which_they_came() -> None:
    box, _ = mailbox(1)
    gone: list[int] = []

    async def send(number: int) -> None:
        put(box, TextFrame(str(number)))
        await box.wait_for_room()
        gone.append(number)

    put(box, TextFrame("0"))
    async with trio.open_nursery() as nursery:
        for number in range(1, 5):
            nursery.start_soon(send, number)
            await trio.testing.wait_all_tasks_blocked()
        for number in range(1, 5):
            box.take_ordered()
            await trio.testing.wait_all_tasks_blocked()
            assert gone == list(range(1, number + 1))


@pytest.mark.rule("CH4")
def test_five_seconds_of_sound_may_wait_in_a_system_lane_and_no_more() -> None:
    box, dropped = mailbox()
    put(box, *[heard(0.02)] * 250)
    assert dropped == []
    put(box, heard(0.02))
    assert dropped == [(heard(0.02), "shed")]


@pytest.mark.rule("CH4")
def test_256_pictures_may_wait_in_a_system_lane_and_no_more() -> None:
    box, dropped = mailbox()
    put(box, *[seen()] * 256)
    assert dropped == []
    put(box, seen())
    assert dropped == [(seen(), "shed")]


@pytest.mark.rule("CH4")
def test_sound_above_the_bound_of_an_ordered_lane_is_shed_beyond_five_seconds_oldest_first() -> None:
    box, dropped = mailbox(1)
    put(box, spoken(4.0), spoken(1.0), TextFrame("kept"), spoken(2.0), spoken(3.0))
    assert dropped == [(spoken(1.0), "shed")]
    assert ordered(box) == [spoken(4.0), TextFrame("kept"), spoken(2.0), spoken(3.0)]


@pytest.mark.rule("CH4")
def test_sound_within_the_bound_of_an_ordered_lane_is_never_shed() -> None:
    box, dropped = mailbox(10)
    put(box, *[spoken(4.0)] * 10)
    assert dropped == []


@pytest.mark.rule("CH4")
def test_what_isnt_media_is_never_shed() -> None:
    box, dropped = mailbox(1)
    put(box, *[TextFrame("text")] * 1000, *[UserStartedSpeakingFrame()] * 1000)
    assert dropped == []
    assert box.overfill == 999


def test_a_single_piece_longer_than_the_limit_is_kept() -> None:
    box, dropped = mailbox()
    put(box, heard(6.0))
    assert dropped == []


def test_a_later_frame_of_a_dead_turn_is_refused_and_an_immune_one_isnt() -> None:
    box, dropped = mailbox()
    box.interrupt(1)
    put(box, TextFrame("late"), epoch=0)
    put(box, TextFrame("immune"), epoch=0, immune=True)
    assert dropped == [(TextFrame("late"), "stale")]
    assert ordered(box) == [TextFrame("immune")]


@pytest.mark.parametrize("bound", [0, -1, 1.5, float("nan"), float("inf"), "64", None])
def test_a_bound_below_one_or_no_whole_number_is_refused(bound: int) -> None:
    with pytest.raises(ValueError, match="max_buffer is a whole number, at least 1"):
        Mailbox(bound)

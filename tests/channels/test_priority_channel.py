"""The public channel: Trio's habits, with two lanes."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs
import pytest
import trio
import trio.testing
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from antiphon.channels import (
    DataFrame,
    Frame,
    MailboxStatistics,
    PriorityReceiveChannel,
    PrioritySendChannel,
    SystemFrame,
    frame,
    open_priority_channel,
)
from tests.steps import Call, Steps

pytestmark = pytest.mark.rule("CH6")


@frame
class Note(DataFrame):
    text: str


@frame
class Alarm(SystemFrame):
    text: str


def open_channel(max_buffer: int) -> tuple[PrioritySendChannel[Frame], PriorityReceiveChannel[Frame]]:
    return open_priority_channel(max_buffer)


async def test_what_is_received_is_first_the_system_lane_then_the_ordered_one() -> None:
    send, receive = open_channel(8)
    for value in [Note("1"), Alarm("1"), Note("2"), Alarm("2")]:
        await send.send(value)
    assert [await receive.receive() for _ in range(4)] == [Alarm("1"), Alarm("2"), Note("1"), Note("2")]


@pytest.mark.parametrize("max_buffer", [0, -1])
def test_a_lane_without_room_is_refused(max_buffer: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        open_priority_channel(max_buffer)


async def test_a_system_frame_is_sent_without_a_wait_when_the_ordered_lane_is_full() -> None:
    send, receive = open_channel(1)
    send.send_nowait(Note("1"))
    with pytest.raises(trio.WouldBlock):
        send.send_nowait(Note("2"))
    send.send_nowait(Alarm("!"))
    assert receive.receive_nowait() == Alarm("!")
    assert receive.receive_nowait() == Note("1")
    with pytest.raises(trio.WouldBlock):
        receive.receive_nowait()


async def test_a_send_cancelled_while_it_waits_for_room_has_sent(autojump_clock: trio.testing.MockClock) -> None:
    send, receive = open_channel(1)
    await send.send(Note("1"))
    with trio.move_on_after(1) as limit:
        await send.send(Note("2"))
    assert limit.cancelled_caught
    assert [receive.receive_nowait(), receive.receive_nowait()] == [Note("1"), Note("2")]


async def test_a_send_cancelled_at_entry_has_sent_nothing() -> None:
    send, receive = open_channel(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await send.send(Note("1"))
    assert scope.cancelled_caught
    with pytest.raises(trio.WouldBlock):
        receive.receive_nowait()


async def test_a_receive_that_is_cancelled_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    send, receive = open_channel(1)
    with trio.move_on_after(1):
        await receive.receive()
    await send.send(Note("1"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await receive.receive()
    assert await receive.receive() == Note("1")


async def test_a_send_waits_until_there_is_room() -> None:
    send, receive = open_channel(1)
    sent: list[str] = []

    async def fill() -> None:
        for text in "123":
            await send.send(Note(text))
            sent.append(text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fill)
        await trio.testing.wait_all_tasks_blocked()
        assert sent == ["1"]
        assert await receive.receive() == Note("1")
        await trio.testing.wait_all_tasks_blocked()
        assert sent == ["1", "2"]
        assert await receive.receive() == Note("2")
    assert sent == ["1", "2", "3"]


@pytest.mark.parametrize(
    "call",
    [
        lambda send, receive: send.send(Note("2")),
        lambda send, receive: send.send(Alarm("!")),
        lambda send, receive: receive.receive(),
        lambda send, receive: send.aclose(),
        lambda send, receive: receive.aclose(),
    ],
)
async def test_each_call_is_a_checkpoint(
    call: Callable[[PrioritySendChannel[Frame], PriorityReceiveChannel[Frame]], Awaitable[object]],
) -> None:
    send, receive = open_channel(8)
    send.send_nowait(Note("1"))
    with trio.testing.assert_checkpoints():
        await call(send, receive)


async def test_a_call_that_fails_is_a_checkpoint_for_cancellation() -> None:
    send, receive = open_channel(8)
    send.close()
    receive.close()
    with trio.CancelScope() as scope:
        scope.cancel()
        await send.send(Note("1"))
    assert scope.cancelled_caught


async def test_the_channel_ends_when_the_last_sender_has_closed_and_all_is_received() -> None:
    send, receive = open_channel(8)
    other = send.clone()
    await send.send(Note("1"))
    await send.aclose()
    await other.send(Alarm("!"))
    other.close()
    assert [value async for value in receive] == [Alarm("!"), Note("1")]
    with pytest.raises(trio.EndOfChannel):
        receive.receive_nowait()


async def test_a_waiting_receiver_hears_that_the_last_sender_has_closed() -> None:
    send, receive = open_channel(8)

    async def wait() -> None:
        with pytest.raises(trio.EndOfChannel):
            await receive.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        send.close()


async def test_a_sender_hears_that_the_last_receiver_has_closed() -> None:
    send, receive = open_channel(1)
    other = receive.clone()
    await send.send(Note("1"))

    async def wait() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await send.send(Note("2"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        receive.close()
        await trio.testing.wait_all_tasks_blocked()
        await other.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await send.send(Note("3"))
    with pytest.raises(trio.BrokenResourceError):
        send.send_nowait(Alarm("!"))


async def test_a_closed_end_says_so() -> None:
    send, receive = open_channel(1)
    send.close()
    receive.close()
    with pytest.raises(trio.ClosedResourceError):
        await send.send(Note("1"))
    with pytest.raises(trio.ClosedResourceError):
        send.send_nowait(Note("1"))
    with pytest.raises(trio.ClosedResourceError):
        send.clone()
    with pytest.raises(trio.ClosedResourceError):
        await receive.receive()
    with pytest.raises(trio.ClosedResourceError):
        receive.clone()


async def test_a_waiting_receiver_hears_that_its_own_end_is_closed() -> None:
    _send, receive = open_channel(1)

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await receive.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        receive.close()


async def test_each_value_goes_to_one_of_the_receivers() -> None:
    send, receive = open_channel(8)
    got: list[Frame] = []

    async def take(end: trio.abc.ReceiveChannel[Frame]) -> None:
        async for value in end:
            got.append(value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, receive)
        nursery.start_soon(take, receive.clone())
        async with send:
            for number in range(20):
                await send.send(Note(str(number)))
    assert sorted(value.text for value in got if isinstance(value, Note)) == sorted(map(str, range(20)))


async def test_the_ends_are_trios_channels_and_work_as_context_managers() -> None:
    send, receive = open_channel(1)
    assert isinstance(send, trio.abc.SendChannel)
    assert isinstance(receive, trio.abc.ReceiveChannel)
    with send.clone(), receive:
        await send.send(Note("1"))
        assert await receive.receive() == Note("1")
    with pytest.raises(trio.BrokenResourceError):
        await send.send(Note("2"))


async def test_a_waiting_sender_hears_that_its_own_end_is_closed() -> None:
    send, receive = open_channel(1)
    other = send.clone()
    await send.send(Note("1"))

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await send.send(Note("2"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        other.close()
        await trio.testing.wait_all_tasks_blocked()
        assert send.statistics().tasks_waiting_send == 1
        send.close()
    assert [receive.receive_nowait(), receive.receive_nowait()] == [Note("1"), Note("2")]


async def test_a_send_whose_value_was_received_is_done_though_the_receiver_goes_at_once() -> None:
    send, receive = open_channel(1)
    await send.send(Note("1"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send.send, Note("2"))
        await trio.testing.wait_all_tasks_blocked()
        assert [receive.receive_nowait(), receive.receive_nowait()] == [Note("1"), Note("2")]
        receive.close()


async def test_receivers_take_turns() -> None:
    send, receive = open_channel(1)
    got: list[tuple[str, Frame]] = []

    async def take(name: str) -> None:
        for _ in range(3):
            got.append((name, await receive.receive()))

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(take, name)
            await trio.testing.wait_all_tasks_blocked()
        for number in range(9):
            await send.send(Note(str(number)))
            await trio.testing.wait_all_tasks_blocked()
    assert [name for name, _ in got] == [*"abcabcabc"]


async def test_what_a_waiting_receiver_is_to_get_nobody_takes_away() -> None:
    send, receive = open_channel(1)
    got: list[Frame] = []

    async def take() -> None:
        got.append(await receive.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        send.send_nowait(Note("1"))
        with pytest.raises(trio.WouldBlock):
            receive.receive_nowait()
    assert got == [Note("1")]


async def test_a_value_that_was_handed_over_survives_a_cancellation_that_comes_too_late() -> None:
    send, receive = open_channel(1)
    got: list[Frame] = []

    async def take() -> None:
        got.append(await receive.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        send.send_nowait(Note("1"))
        nursery.cancel_scope.cancel()
    assert got == [Note("1")]


async def test_statistics_tell_what_waits_and_who() -> None:
    send, receive = open_channel(1)
    with send.clone(), receive.clone() as third, third.clone():
        send.send_nowait(Alarm("!"))
        async with trio.open_nursery() as nursery:
            for text in "12":
                nursery.start_soon(send.send, Note(text))
            await trio.testing.wait_all_tasks_blocked()
            told = receive.statistics()
            nursery.cancel_scope.cancel()
    assert told == MailboxStatistics(
        system=1,
        ordered=2,
        max_buffer=1,
        open_send_channels=2,
        open_receive_channels=3,
        tasks_waiting_send=1,
        tasks_waiting_receive=0,
    )


End: TypeAlias = PrioritySendChannel[Frame] | PriorityReceiveChannel[Frame]


@attrs.define(eq=False)
class Waiting:
    """A call that waits, and the end on which it waits."""

    call: Call
    end: End


class ChannelMachine(RuleBasedStateMachine):
    """Everything that can be done to a channel, by any number of ends and tasks. The model: two lanes and two queues
    of those who wait.
    """

    @initialize(bound=st.sampled_from([1, 2, 8]))
    def open(self, bound: int) -> None:
        self.steps = Steps()
        self.bound = bound
        send, receive = open_channel(bound)
        self.senders, self.receivers = [send], [receive]
        self.system: deque[Frame] = deque()
        self.ordered: deque[Frame] = deque()
        self.sending: list[Waiting] = []
        self.receiving: list[Waiting] = []
        self.closed: list[End] = []
        self.number = 0

    @property
    def ends(self) -> list[End]:
        return [*self.senders, *self.receivers]

    def a_value(self, is_system: bool) -> Frame:
        self.number += 1
        return Alarm(str(self.number)) if is_system else Note(str(self.number))

    def ended(self, call: Call, error: type[Exception] | None = None) -> None:
        assert call.has_ended
        assert not call.was_cancelled
        assert type(call.error) is (error or type(None))

    def expect_put(self, value: Frame) -> None:
        """What becomes of a value that is sent: who waits longest gets it, else it waits itself."""
        if self.receiving:
            lucky = self.receiving.pop(0)
            self.steps.settle()
            self.ended(lucky.call)
            assert lucky.call.value is value
        else:
            (self.system if isinstance(value, Alarm) else self.ordered).append(value)

    def expect_taken(self) -> Frame:
        """The value that is next; at most as many senders wait on as values stand above the bound."""
        if self.system:
            return self.system.popleft()
        value = self.ordered.popleft()
        self.let_senders_go()
        return value

    def let_senders_go(self) -> None:
        self.steps.settle()
        excess = max(0, len(self.ordered) - self.bound)
        while len(self.sending) > excess:
            self.ended(self.sending.pop(0).call)

    @property
    def is_empty(self) -> bool:
        return not (self.system or self.ordered)

    @precondition(lambda self: self.senders)
    @rule(data=st.data(), is_system=st.booleans())
    def send(self, data: st.DataObject, is_system: bool) -> None:
        end = data.draw(st.sampled_from(self.senders))
        value = self.a_value(is_system)
        call = self.steps.start(end.send, value)
        if not self.receivers:
            self.ended(call, trio.BrokenResourceError)
            return
        self.expect_put(value)
        if not is_system and len(self.ordered) > self.bound:
            assert not call.has_ended
            self.sending.append(Waiting(call, end))
        else:
            self.ended(call)

    @precondition(lambda self: self.senders)
    @rule(data=st.data(), is_system=st.booleans())
    def send_nowait(self, data: st.DataObject, is_system: bool) -> None:
        end = data.draw(st.sampled_from(self.senders))
        value = self.a_value(is_system)
        if not self.receivers:
            with pytest.raises(trio.BrokenResourceError):
                end.send_nowait(value)
        elif not is_system and len(self.ordered) >= self.bound:
            with pytest.raises(trio.WouldBlock):
                end.send_nowait(value)
        else:
            end.send_nowait(value)
            self.expect_put(value)

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        end = data.draw(st.sampled_from(self.receivers))
        call = self.steps.start(end.receive)
        if not self.is_empty:
            self.ended(call)
            assert call.value is self.expect_taken()
        elif not self.senders:
            self.ended(call, trio.EndOfChannel)
        else:
            assert not call.has_ended
            self.receiving.append(Waiting(call, end))

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def receive_nowait(self, data: st.DataObject) -> None:
        end = data.draw(st.sampled_from(self.receivers))
        if not self.is_empty:
            value = end.receive_nowait()
            assert value is self.expect_taken()
        else:
            with pytest.raises(trio.WouldBlock if self.senders else trio.EndOfChannel):
                end.receive_nowait()

    @precondition(lambda self: self.sending or self.receiving)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([*self.sending, *self.receiving]))
        self.steps.cancel(one.call)
        assert one.call.was_cancelled
        (self.sending if one in self.sending else self.receiving).remove(one)

    @precondition(lambda self: self.senders or self.receivers)
    @rule(data=st.data())
    def clone(self, data: st.DataObject) -> None:
        end = data.draw(st.sampled_from(self.ends))
        if isinstance(end, PrioritySendChannel):
            self.senders.append(end.clone())
        else:
            self.receivers.append(end.clone())

    @precondition(lambda self: self.senders)
    @rule(data=st.data())
    def close_a_sending_end(self, data: st.DataObject) -> None:
        end = data.draw(st.sampled_from(self.senders))
        self.senders.remove(end)
        self.closed.append(end)
        end.close()
        self.steps.settle()
        for each in [each for each in self.sending if each.end is end]:
            self.sending.remove(each)
            self.ended(each.call, trio.ClosedResourceError)
        if not self.senders:
            for waiting in self.receiving:
                self.ended(waiting.call, trio.EndOfChannel)
            self.receiving.clear()

    @precondition(lambda self: self.receivers)
    @rule(data=st.data())
    def close_a_receiving_end(self, data: st.DataObject) -> None:
        end = data.draw(st.sampled_from(self.receivers))
        self.receivers.remove(end)
        self.closed.append(end)
        end.close()
        self.steps.settle()
        for each in [each for each in self.receiving if each.end is end]:
            self.receiving.remove(each)
            self.ended(each.call, trio.ClosedResourceError)
        if not self.receivers:
            self.system.clear()
            self.ordered.clear()
            for waiting in self.sending:
                self.ended(waiting.call, trio.BrokenResourceError)
            self.sending.clear()

    @precondition(lambda self: self.closed)
    @rule(data=st.data())
    def use_a_closed_end(self, data: st.DataObject) -> None:
        end = data.draw(st.sampled_from(self.closed))
        end.close()
        if isinstance(end, PrioritySendChannel):
            call = self.steps.start(end.send, self.a_value(is_system=False))
        else:
            call = self.steps.start(end.receive)
        self.ended(call, trio.ClosedResourceError)
        with pytest.raises(trio.ClosedResourceError):
            end.clone()

    @invariant()
    def statistics_tell_what_the_model_tells(self) -> None:
        for end in self.ends[:1]:
            assert end.statistics() == MailboxStatistics(
                system=len(self.system),
                ordered=len(self.ordered),
                max_buffer=self.bound,
                open_send_channels=len(self.senders),
                open_receive_channels=len(self.receivers),
                tasks_waiting_send=len(self.sending),
                tasks_waiting_receive=len(self.receiving),
            )

    @invariant()
    def nobody_else_has_ended(self) -> None:
        self.steps.settle()
        assert not any(each.call.has_ended for each in (*self.sending, *self.receiving))

    def teardown(self) -> None:
        if hasattr(self, "steps"):
            self.steps.close()


ChannelMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_a_channel_does_what_the_model_does = ChannelMachine.TestCase

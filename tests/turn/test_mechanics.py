"""The runtime's rules as a conversation needs them: order, ends, and what a realtime model is told. Most of them are proven where
the runtime's own are, in tests/actors/; here stands what only shows with a voice, a bot and a context.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from antiphon import Actor, Address, Both, Interrupt, Pipeline, To, Up, actor, child, durable, on, open_session
from antiphon.actors import Delivery, Effects, Failure
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InputTextRawFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMServiceMetadataFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    StartFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, TraceRecorder, conversation, play
from antiphon.turn import LLMContextAggregatorPair, RealtimeServiceModeConfig
from tests.actors.notes import Alarm, Note, Order, Passes, Slow, both
from tests.actors.transports.speech import Device, at_once, synthesis
from tests.seeds import seeds

from .golden import realtime, speech
from .pair_cast import context_of, written

# ---- order


@actor
class TakesASecond(Actor):
    """Takes a second with each frame, and tells from when to when."""

    tell: Callable[[tuple[str, float, float]], object]

    @on(Note, Alarm)
    async def work(self, frame: Note | Alarm) -> None:
        began = trio.current_time()
        await trio.sleep(1)
        self.tell((frame.text, began, trio.current_time()))


@both
@pytest.mark.rule("B2", "B3")
def test_a_system_frame_waits_for_no_ordered_one_and_two_of_a_lane_never_overlap(direct: bool) -> None:
    spans: list[tuple[str, float, float]] = []
    play(Pipeline(TakesASecond(spans.append)), [(Note("1"), Note("2"), Alarm("a"), Alarm("b"))], direct=direct)
    assert sorted(spans) == [("1", 0.0, 1.0), ("2", 1.0, 2.0), ("a", 0.0, 1.0), ("b", 1.0, 2.0)]


@actor
class Swallows(Actor):
    """Takes orders, and sends nothing."""

    @on(Order)
    def take(self, frame: Order) -> None: ...


@both
@pytest.mark.rule("B5")
@pytest.mark.parametrize("up", [False, True])
async def test_what_nobody_handles_passes_as_the_very_object_and_what_is_answered_by_nothing_is_gone(
    up: bool, direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    frame = TextFrame("hi")
    async with open_session(Pipeline(Passes(), Swallows(), Passes()), direct=direct) as session:
        stream = session.upstream if up else session.output
        for each in (Order("x"), frame):
            await session.push(each, "up" if up else "down")
        await session.end()
        left = [each async for each in stream]
    assert len(left) == 1 and left[0] is frame


@actor
class Tells(Actor):
    """Tells both ways of each order."""

    @on(Order)
    def tell(self, frame: Order) -> Effects:
        return Both(Note(frame.text))


@both
@pytest.mark.rule("B6")
def test_what_has_no_neighbour_to_go_to_has_left_and_is_no_drop(direct: bool) -> None:
    trace = play(Pipeline(Tells()), [Order("x")], direct=direct)
    assert [each.receiver.name for each in trace.deliveries if each.frame == Note("x")] == ["sink", "source"]
    assert trace.dropped == () and trace.failures == ()


SYNTHESIS = (TTSStartedFrame, TTSAudioRawFrame, TTSStoppedFrame)


@attrs.define
class Brackets:
    """What one who handles has seen of answers and syntheses."""

    answer: int | None = None
    """The epoch of the answer that is open."""
    opened: set[str | None] = attrs.Factory(set)
    closed: set[str | None] = attrs.Factory(set)

    def fault(self, each: Delivery) -> str | None:
        """What stands where it shouldn't."""
        match each.frame:
            case LLMFullResponseStartFrame():
                is_nested, self.answer = self.answer == each.epoch, each.epoch
                return "an answer in an answer" if is_nested else None
            case LLMFullResponseEndFrame():
                is_open, self.answer = self.answer is not None, None
                return None if is_open else "an end without a beginning"
            case LLMTextFrame():
                return None if self.answer is not None else "text outside"
            case TTSStartedFrame(context_id=context):
                self.opened.add(context)
            case TTSAudioRawFrame(context_id=context) if context not in self.opened or context in self.closed:
                return f"sound outside of {context}"
            case TTSStoppedFrame(context_id=context):
                self.closed.add(context)
                return None if context in self.opened else f"{context} stops before it starts"
        return None


def misplaced(trace: Trace) -> list[str]:
    """Frames outside of their brackets, at whoever handles them. An answer of an earlier epoch may have been left open.

    An output isn't asked about answers: it handles their ends and lets their beginnings pass.
    """
    seen: dict[str, Brackets] = {}
    return [
        f"{each.time:.3f} {each.receiver.name}: {fault}"
        for each in trace.deliveries
        if each.direction == "down"
        and (each.receiver.name != "output" or isinstance(each.frame, SYNTHESIS))
        and (fault := seen.setdefault(each.receiver.name, Brackets()).fault(each)) is not None
    ]


@both
@pytest.mark.rule("B9")
def test_brackets_stand_around_what_is_theirs_at_each_actor_of_the_cast(direct: bool) -> None:
    faults = {
        seed: found
        for seed in seeds(40, each_counts=20)
        if (found := misplaced(conversation(seed).play(direct=direct)))
    }
    assert not faults


@actor
class Holds(Actor):
    """Lets the beginning of an answer wait, as nobody should."""

    @on(LLMFullResponseStartFrame)
    def hold(self, frame: LLMFullResponseStartFrame) -> None:
        self.start_soon(self.send_later, frame)

    async def send_later(self, frame: LLMFullResponseStartFrame) -> None:
        await trio.sleep(1)
        await self.push(frame)


def test_an_actor_that_changes_the_order_is_found() -> None:
    answer = [LLMFullResponseStartFrame(), LLMTextFrame("hi"), LLMFullResponseEndFrame()]
    trace = play(Pipeline(Holds(), Sees()), answer)
    assert misplaced(trace) == [
        f"0.000 {who}: {what}" for what in ("text outside", "an end without a beginning") for who in ("sees", "sink")
    ]


@actor
class Sees(Actor):
    """Lets an answer pass."""

    @on(LLMFullResponseStartFrame, LLMTextFrame, LLMFullResponseEndFrame)
    def see(self, frame: Frame) -> Frame:
        return frame


# ---- beginning and end


@actor
class Opens(Actor):
    """Takes its time to open, and tells when it is opened and closed."""

    tell: Callable[[tuple[str, str]], object]
    seconds: float = 0.0
    shields: bool = attrs.field(default=False, kw_only=True)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        with trio.CancelScope(shield=self.shields):
            await trio.sleep(self.seconds)
        self.tell((self.address.name, "opened"))
        try:
            yield
        finally:
            self.tell((self.address.name, "closed"))


@both
@pytest.mark.rule("B43a")
@pytest.mark.parametrize(("shields", "seconds"), [(False, 0.0), (True, 2.0)])
async def test_a_cancel_ends_a_session_that_never_got_ready_and_closes_what_was_opened(
    shields: bool, seconds: float, direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    told: list[tuple[str, str]] = []
    recorder = TraceRecorder()
    stuck = child(Opens(told.append, math.inf, shields=shields, name="b"), grace=2.0)
    pipeline = Pipeline(Opens(told.append, name="a"), stuck, Opens(told.append, name="c"))
    async with open_session(pipeline, observers=[recorder], direct=direct) as session:
        await trio.sleep(20)
        assert not any(
            isinstance(each.frame, StartFrame) and each.receiver.name == "sink" for each in recorder.deliveries
        )
        began = trio.current_time()
        await session.cancel()
    assert trio.current_time() - began == pytest.approx(seconds)
    assert session.outcome == "cancelled"
    assert sorted(told) == [("a", "closed"), ("a", "opened"), ("c", "closed"), ("c", "opened")]


@both
@pytest.mark.rule("B46")
@pytest.mark.parametrize(
    ("asked", "outcome", "seconds"),
    [
        ((EndFrame("1"), EndFrame("2")), "ended", 0.9),
        ((EndFrame("1"), CancelFrame("2")), "cancelled", 0.0),
        ((CancelFrame("1"), EndFrame("2")), "cancelled", 0.0),
        ((CancelFrame("1"), CancelFrame("2")), "cancelled", 0.0),
    ],
    ids=["end-end", "end-cancel", "cancel-end", "cancel-cancel"],
)
def test_a_session_ends_once_however_often_it_is_asked_and_a_cancel_wins(
    asked: tuple[Frame, ...], outcome: str, seconds: float, direct: bool
) -> None:
    trace = play(Pipeline(Slow(seconds=0.9)), [Note("x"), asked], direct=direct)
    ends = [
        (type(each.frame), each.time)
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, (EndFrame, CancelFrame))
    ]
    assert trace.ended == outcome
    assert ends == [(EndFrame if outcome == "ended" else CancelFrame, seconds)]
    assert [each for each in trace.history if each == outcome] == [outcome]


@both
@pytest.mark.rule("B41")
def test_an_end_waits_for_all_that_is_to_be_played_however_long_and_for_the_silence_behind_it(direct: bool) -> None:
    device = Device()
    output = child(AudioOutput(device, name="output"), grace=1.0, max_buffer=1000)
    trace = play(Pipeline(output, Passes()), at_once(*synthesis(8.0), EndFrame()), direct=direct)
    (end,) = (
        each.time for each in trace.deliveries if isinstance(each.frame, EndFrame) and each.receiver.name == "sink"
    )
    assert end == pytest.approx(8.0 + 2.0)
    assert sum(len(sound) for _, sound in device.chunks if any(sound)) == 2 * 24000 * 8
    assert trace.ended == "ended"


@actor
class Breaks(Actor):
    """Fails once, at an order."""

    has_failed: bool = durable(False)

    @on(Order)
    async def fail(self, frame: Order) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise OSError("no line")


@both
@pytest.mark.rule("J33")
def test_an_observer_hears_of_beginning_and_end_of_errors_and_of_what_leaves_on_either_side(direct: bool) -> None:
    script: list[Item] = [Note("down"), To(Address("asks"), Say("up")), Order("x"), Sleep(1), EndFrame("bye")]
    trace = play(Pipeline(Asks(), Breaks()), script, direct=direct)
    told = [line for each in trace.history if (line := outline(each))]
    assert told == ["sink StartFrame", "sink down", "source up", "no line", "source ErrorFrame", "sink bye", "ended"]


@attrs.frozen
class Say:
    """A message."""

    text: str


@actor
class Asks(Actor):
    """Says upstream what it is told to."""

    @on(Say)
    def say(self, message: Say) -> Effects:
        return Up(Note(message.text))


def outline(told: Any) -> str | None:
    """What an application that watches a session would want to know."""
    if isinstance(told, Failure):
        return str(told.error)
    if isinstance(told, Delivery):
        if told.receiver.name not in ("source", "sink"):
            return None
        what = getattr(told.frame, "text", None) or getattr(told.frame, "reason", None) or type(told.frame).__name__
        return f"{told.receiver.name} {what}"
    return told if isinstance(told, str) else None


# ---- a realtime model


SPEECH = (LLMFullResponseStartFrame, LLMFullResponseEndFrame, TTSStartedFrame, TTSTextFrame, TTSAudioRawFrame)


def sent_by_model(trace: Trace) -> list[Delivery]:
    """What the model sends, at whoever takes it from it."""
    return [each for each in trace.deliveries if each.sender == Address("s2s") and each.direction is not None]


@both
@pytest.mark.rule("L8")
def test_a_realtime_model_announces_itself_first_tells_words_up_and_speaks_down_in_one_epoch_an_answer(
    direct: bool,
) -> None:
    """In the conversations of the search: that is what the pair and the output are tried with."""
    talks = [made.without_kills() for made in map(conversation, seeds(60, each_counts=20)) if made.hears_and_speaks]
    assert talks
    for made in talks:
        sent = sent_by_model(made.play(direct=direct))
        for way in ("up", "down"):
            assert isinstance(next(each.frame for each in sent if each.direction == way), LLMServiceMetadataFrame)
        ways = {
            (type(each.frame), each.direction) for each in sent if isinstance(each.frame, (*SPEECH, TranscriptionFrame))
        }
        assert ways <= {(TranscriptionFrame, "up"), *((kind, "down") for kind in SPEECH)}, made.seed
        epochs = {(each.frame.context_id, each.epoch) for each in sent if isinstance(each.frame, TTSAudioRawFrame)}
        assert len(epochs) == len({context for context, _ in epochs}), made.seed


@both
@pytest.mark.rule("L8")
def test_a_realtime_model_is_told_how_much_of_a_cut_answer_was_heard_which_is_what_is_written(direct: bool) -> None:
    script = (
        (1.0, (LLMFullResponseStartFrame(), *speech("one", "Yes", "we", "are", "open", "now.", seconds=1.5))),
        (1.7, (Interrupt(),)),
    )
    trace = play(realtime(script), [Sleep(3)], direct=direct, limit=10)
    heard = next(frame for frame in trace.handled_by("s2s") if isinstance(frame, HeardFrame))
    ((context, ns),) = heard.played
    assert context == "one" and 0.7 <= ns / 1e9 <= 0.7 + 0.02
    assert written(trace) == [("assistant", "Yes we are")]  # said at 0.0, 0.3 and 0.6 s of it


@actor
class Remembers(Actor):
    """Stands where a realtime model does: it has what it was last told, which is what it would begin a connection with."""

    context: LLMContext | None = durable(None)
    texts: tuple[str, ...] = durable(())

    @on(LLMContextFrame, ContextCommittedFrame)
    def learn(self, frame: LLMContextFrame | ContextCommittedFrame) -> Effects:
        self.context = frame.context
        return frame

    @on(LLMSetToolsFrame)
    def take_tools(self, frame: LLMSetToolsFrame) -> Effects:
        return frame

    @on(InputTextRawFrame)
    def read(self, frame: InputTextRawFrame) -> Effects:
        self.texts = (*self.texts, frame.text)
        return frame


LOOK = {"name": "look", "description": "looks"}
NOTE: dict[str, Any] = {"role": "developer", "content": "be short"}


@both
@pytest.mark.rule("L9")
def test_a_realtime_model_is_given_whole_contexts_each_change_and_the_tools_again_after_a_kill(direct: bool) -> None:
    begun = LLMContext(({"role": "system", "content": "be kind"},), tools=(LOOK,))
    pair = LLMContextAggregatorPair(begun, realtime_service_mode=RealtimeServiceModeConfig())
    pipeline = Pipeline(pair.user, Remembers(name="s2s"), pair.assistant, max_restarts=9)

    def known(*items: Item) -> tuple[LLMContext, Trace]:
        trace = play(pipeline, [LLMRunFrame(), Sleep(1), *items], direct=direct, limit=30)
        context = trace.durable["s2s"]["context"]
        assert isinstance(context, LLMContext)
        return context, trace

    first, _ = known()
    assert (first.messages, first.tools) == (begun.messages, begun.tools)
    changes: list[Item] = [
        LLMMessagesAppendFrame((NOTE,)),
        LLMSetToolsFrame(({"name": "fetch"},)),
        LLMSetToolChoiceFrame("none"),
        InputTextRawFrame("hi"),
    ]
    kills: list[list[Item]] = [[], [Kill("s2s"), Sleep(1), LLMRunFrame(), Sleep(1)]]
    for kill in kills:
        last, trace = known(*changes, Sleep(1), *kill, EndFrame())
        assert last == context_of(trace)
        assert [message["content"] for message in last.messages] == ["be kind", "be short", "hi"]
        assert LLMSetToolsFrame(({"name": "fetch"},)) in trace.handled_by("s2s")
        assert trace.durable["s2s"]["texts"] == ("hi",)

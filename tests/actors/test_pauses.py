"""Pauses: an actor whose ordered lane is held, by a frame that names it, until another one lets it go."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from antiphon import (
    Actor,
    Address,
    ConfigurationError,
    Interrupt,
    Parallel,
    Pipeline,
    Session,
    To,
    Up,
    actor,
    child,
    durable,
    on,
    open_session,
)
from antiphon.actors import Effect, Killed
from antiphon.channels import (
    CancelFrame,
    EndFrame,
    Frame,
    FrameProcessorPauseFrame,
    FrameProcessorPauseUrgentFrame,
    FrameProcessorResumeFrame,
    FrameProcessorResumeUrgentFrame,
    InterruptionFrame,
    StopFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, TraceRecorder, play
from antiphon.scenarios.explorer import run_explored
from tests.seeds import seeds

from .notes import Alarm, Ask, Kept, Note, Order, Passes, both, texts

A, B, C = Address("a"), Address("b"), Address("c")
PAUSES = (FrameProcessorPauseFrame, FrameProcessorPauseUrgentFrame)
RESUMES = (FrameProcessorResumeFrame, FrameProcessorResumeUrgentFrame)
every_pause = pytest.mark.parametrize("pause", PAUSES)
every_resume = pytest.mark.parametrize("resume", RESUMES)


@actor
class Hears(Actor):
    """Passes notes on in a plain handler, notes alarms and messages, and breaks at `bad`."""

    heard: tuple[str, ...] = durable(())

    @on(Note, Kept)
    def note(self, frame: Note | Kept) -> Frame:
        if frame.text == "bad":
            raise ValueError("bad")
        self.heard = (*self.heard, frame.text)
        return frame

    @on(Alarm, Ask)
    def alarm(self, frame: Alarm | Ask) -> None:
        self.heard = (*self.heard, type(frame).__name__)

    @on(InterruptionFrame)
    def fall_silent(self, frame: InterruptionFrame) -> None:
        self.heard = (*self.heard, "cut")


@actor
class HearsLater(Actor):
    """The same, and takes its time for each."""

    seconds: float = 1.0

    @on(Note, Kept)
    async def note(self, frame: Note | Kept) -> Frame:
        await trio.sleep(self.seconds)
        return frame


def line(middle: Any = None) -> Pipeline:
    return Pipeline(Passes(name="a"), middle or Hears(name="b"), Passes(name="c"))


def heard(trace: Trace, name: str = "b") -> Any:
    return trace.durable[name]["heard"]


def left_at(trace: Trace) -> list[tuple[str, float]]:
    return [
        (each.frame.text, each.time)
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, (Note, Kept))
    ]


@both
@pytest.mark.rule("B10")
@every_pause
@every_resume
def test_a_paused_actor_keeps_its_ordered_frames_and_goes_on_with_them_in_order(
    pause: Any, resume: Any, direct: bool
) -> None:
    script = [Note("1"), pause(B), Note("2"), Kept("3"), Note("4"), Sleep(3), resume(B), Note("5")]
    trace = play(line(), script, direct=direct)
    assert left_at(trace) == [("1", 0.0), ("2", 3.0), ("3", 3.0), ("4", 3.0), ("5", 3.0)]
    assert (trace.dropped, trace.failures) == ((), ())
    # It is told where it is obeyed, and goes no further.
    assert [each.receiver for each in trace.deliveries if isinstance(each.frame, (pause, resume))] == [B, B]


@both
@pytest.mark.rule("B10")
def test_a_pause_in_order_lets_through_what_came_before_it_and_an_urgent_one_does_not(direct: bool) -> None:
    notes = (Note("1"), Note("2"), Note("3"))
    ordered = play(line(HearsLater(name="b")), [(*notes, FrameProcessorPauseFrame(B), Note("4"))], direct=direct)
    assert left_at(ordered) == [("1", 1.0), ("2", 2.0), ("3", 3.0)]
    urgent = play(line(HearsLater(name="b")), [notes, FrameProcessorPauseUrgentFrame(B)], direct=direct)
    # What it has in hand it ends.
    assert left_at(urgent) == [("1", 1.0)]


@both
@pytest.mark.rule("B10")
@every_pause
def test_system_frames_and_messages_are_handled_during_a_pause(pause: Any, direct: bool) -> None:
    trace = play(line(), [pause(B), Note("x"), Alarm("!"), To(B, Ask("?"))], direct=direct)
    assert (heard(trace), texts(trace.down)) == (("Alarm", "Ask"), [])


@both
@pytest.mark.rule("B10")
def test_what_only_passes_waits_too_and_the_other_direction_with_it(direct: bool) -> None:
    recorder = TraceRecorder()

    async def main() -> list[str]:
        async with open_session(line(), observers=[recorder], direct=direct) as session:
            await session.push(FrameProcessorPauseUrgentFrame(B))
            await trio.sleep(1)
            await session.push(Order("down"))  # Hears has no handler for it
            await session.push(Order("up"), "up")
            await trio.sleep(1)
            before = texts(each.frame for each in recorder.deliveries if each.receiver.name in ("source", "sink"))
            await session.push(FrameProcessorResumeFrame(B), "up")
            await trio.sleep(1)
        return before

    assert "down" not in (before := run_explored(0, main)) and "up" not in before
    out = [each.frame for each in recorder.deliveries if each.receiver.name in ("source", "sink")]
    assert sorted(texts(each for each in out if isinstance(each, Order))) == ["down", "up"]


@both
@pytest.mark.rule("B10")
@pytest.mark.parametrize("last", [EndFrame(), StopFrame()])
@every_pause
def test_an_end_lifts_the_pause_and_drains_what_was_held(pause: Any, last: Frame, direct: bool) -> None:
    script: Any = [pause(B), Note("1"), Note("2"), pause(C), Sleep(1), last]
    trace = play(line(), script, direct=direct)
    assert trace.ended == "ended"
    assert left_at(trace) == [("1", 1.0), ("2", 1.0)]
    assert (trace.dropped, trace.stalls) == ((), ())


@both
@pytest.mark.rule("B10")
def test_an_end_reaches_a_paused_actor_though_its_lane_is_full_and_nobody_is_given_up(direct: bool) -> None:
    recorder = TraceRecorder()

    async def main() -> None:
        paused = child(HearsLater(name="b"), max_buffer=1)
        async with open_session(line(paused), observers=[recorder], direct=direct) as session:
            await session.push(FrameProcessorPauseUrgentFrame(B))
            async with trio.open_nursery() as nursery:
                for number in range(6):
                    nursery.start_soon(session.push, Note(str(number)))
                await trio.sleep(10)
                assert session.statistics()[B].ordered >= 1
                await session.end()

    run_explored(0, main)
    sunk = [each.frame for each in recorder.deliveries if each.receiver.name == "sink"]
    assert sorted(texts(each for each in sunk if isinstance(each, Note))) == list("012345")
    assert (recorder.stalls, recorder.dropped_ones) == ([], [])


@both
@pytest.mark.rule("B10")
@every_pause
def test_a_pause_that_comes_while_the_session_ends_holds_nothing(pause: Any, direct: bool) -> None:
    trace = play(line(HearsLater(name="b")), [(Note("1"), pause(C), Note("2"), EndFrame())], direct=direct)
    assert (trace.ended, [text for text, _ in left_at(trace)], trace.dropped) == ("ended", ["1", "2"], ())


@both
@pytest.mark.rule("B10")
@every_pause
def test_a_cancel_ends_a_paused_session_at_once(pause: Any, direct: bool) -> None:
    trace = play(line(), [pause(B), Note("1"), Sleep(1), CancelFrame()], direct=direct)
    assert (trace.ended, trace.deliveries[-1].time) == ("cancelled", 1.0)
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(Note("1"), "cancelled")]


@both
@pytest.mark.rule("B10")
def test_a_pause_belongs_to_the_address_and_outlives_its_actor(direct: bool) -> None:
    script: list[Item] = [FrameProcessorPauseFrame(B), Note("1"), Kill("b"), Note("2"), Sleep(5)]
    assert texts(play(line(), script, direct=direct).down) == []
    trace = play(line(), [*script, FrameProcessorResumeFrame(B)], direct=direct)
    assert left_at(trace) == [("1", 5.0), ("2", 5.0)]
    assert len(trace.restarts) == 1


@both
@pytest.mark.rule("B10")
@pytest.mark.parametrize("at", range(1, 7))
@every_pause
@every_resume
def test_a_kill_at_any_moment_loses_no_pause_and_no_resume(pause: Any, resume: Any, at: int, direct: bool) -> None:
    script = [Kept("1"), pause(B), Kept("2"), Sleep(3), resume(B), Kept("3"), Kill("b", at=at)]
    trace = play(line(), script, direct=direct)
    assert [text for text, _ in left_at(trace)] == ["1", "2", "3"]
    assert dict(left_at(trace))["2"] == 3.0
    assert trace.dropped == ()


@both
@pytest.mark.rule("B10", "IN1")
def test_an_interruption_drops_what_is_held_and_ends_no_pause(direct: bool) -> None:
    script: list[Item] = [FrameProcessorPauseFrame(B), Note("1"), Kept("2"), InterruptionFrame(), Note("3"), Sleep(3)]
    trace = play(line(), [*script, FrameProcessorResumeFrame(B)], direct=direct)
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(Note("1"), "interrupted")]
    assert left_at(trace) == [("2", 3.0), ("3", 3.0)]
    assert heard(trace) == ("cut", "2", "3")


@both
@pytest.mark.rule("B10")
def test_a_pause_holds_back_the_source_when_the_lane_is_full(direct: bool) -> None:
    recorder = TraceRecorder()

    async def main() -> int:
        pushed = 0
        async with open_session(
            Pipeline(child(Hears(name="b"), max_buffer=2)), observers=[recorder], direct=direct
        ) as session:
            await session.push(FrameProcessorPauseUrgentFrame(B))
            with trio.move_on_after(5):
                for pushed in range(10):
                    await session.push(Note(str(pushed)))
            await session.push(FrameProcessorResumeUrgentFrame(B))
        return pushed

    assert run_explored(0, main) == 2
    sunk = [each.frame for each in recorder.deliveries if each.receiver.name == "sink"]
    assert texts(each for each in sunk if isinstance(each, Note)) == ["0", "1", "2"]


@both
@pytest.mark.rule("B10")
@every_pause
@every_resume
@pytest.mark.parametrize("first", [True, False])
def test_a_pause_finds_its_actor_in_a_branch_and_holds_no_other(
    first: bool, pause: Any, resume: Any, direct: bool
) -> None:
    branches = [Pipeline(Hears(name="b")), Pipeline(Hears(name="c"))]
    pipeline = Pipeline(Passes(name="a"), Parallel(*(branches if first else reversed(branches))))
    trace = play(pipeline, [pause(B), Note("1"), Sleep(2), resume(B)], direct=direct)
    assert [(str(each.receiver), each.time) for each in trace.deliveries if each.frame == Note("1")] == [
        ("a", 0.0),
        ("c", 0.0),
        ("sink", 0.0),
        ("b", 2.0),
    ]
    assert trace.logged == ()


@both
@pytest.mark.rule("B10")
@every_pause
def test_a_pause_passes_every_other_actor_in_its_place_and_nobody_can_keep_it(pause: Any, direct: bool) -> None:
    @actor
    class Swallows(Actor):
        @on(Frame)
        async def keep(self, frame: Frame) -> None:
            await trio.sleep(1)

    trace = play(Pipeline(Swallows(), Hears(name="b"), Passes()), [Note("0"), pause(B)], direct=direct)
    obeyed = [(str(each.receiver), each.time) for each in trace.deliveries if isinstance(each.frame, pause)]
    assert obeyed == [("b", 1.0 if pause is FrameProcessorPauseFrame else 0.0)]


@both
@pytest.mark.rule("B10")
@every_pause
def test_an_actor_pauses_one_above_it_and_one_below_it(pause: Any, direct: bool) -> None:
    @actor
    class Pauses(Actor):
        @on(Ask)
        def pause(self, message: Ask) -> Iterator[Effect]:
            yield Up(pause(A))
            yield pause(C)

    pipeline = Pipeline(Hears(name="a"), Pauses(), Hears(name="c"))
    ask = To(Address("pauses"), Ask("now"))
    trace = play(pipeline, [Note("1"), ask, Note("2")], direct=direct)
    assert heard(trace, "a") == heard(trace, "c") == ("1",)
    resumed = play(pipeline, [ask, Note("2"), FrameProcessorResumeFrame(A)], direct=direct)
    assert (heard(resumed, "a"), heard(resumed, "c")) == (("2",), ())


@both
@pytest.mark.rule("B10")
def test_a_template_asked_for_its_address_is_paused_by_it(direct: bool) -> None:
    one, other = Hears(), Hears()
    trace = play(Pipeline(one, other), [FrameProcessorPauseFrame(other.address), Note("1")], direct=direct)
    assert (heard(trace, "hears"), heard(trace, "hears_2")) == (("1",), ())


@both
@pytest.mark.rule("B10")
@pytest.mark.parametrize("kind", [*PAUSES, *RESUMES])
def test_a_pause_of_nobody_is_told_once(kind: Any, direct: bool) -> None:
    nobody = Address("nobody")
    trace = play(line(), [kind(nobody), kind(nobody), kind("b"), Note("1")], direct=direct)
    assert trace.logged == (
        f"WARNING {kind.__name__} names Address('nobody'), and no actor of this session has that address."
        " There are: a, b, c.",
        f"WARNING {kind.__name__} names 'b', and that is no Address. There are: a, b, c.",
    )
    assert texts(trace.down)[-1:] == ["1"]


@both
@pytest.mark.rule("B10")
def test_a_pause_that_goes_the_wrong_way_is_told(direct: bool) -> None:
    @actor
    class Pauses(Actor):
        @on(Alarm)
        def pause(self, frame: Alarm) -> Effect:
            return FrameProcessorPauseFrame(A)

    trace = play(Pipeline(Hears(name="a"), Pauses(name="b")), [Alarm("!")], direct=direct)
    assert trace.logged == ()  # Hears keeps the alarm
    trace = play(Pipeline(Passes(name="a"), Pauses(name="b")), [Alarm("!"), Alarm("!")], direct=direct)
    assert trace.logged == (
        "WARNING FrameProcessorPauseFrame names a, and went down from b without meeting it. Send it up, or by"
        " session.push.",
    )


@both
@pytest.mark.rule("B10")
def test_a_pause_goes_by_actors_that_are_gone(direct: bool) -> None:
    broken = child(Hears(name="a"), restart="temporary")
    trace = play(
        Pipeline(broken, Hears(name="b")), [Note("bad"), FrameProcessorPauseFrame(B), Note("1")], direct=direct
    )
    assert heard(trace) == ()
    # Nobody could hold its failure, and the session goes on.
    recorder = TraceRecorder()

    async def main() -> None:
        pipeline = Pipeline(Hears(name="a"), Hears(name="b"), max_restarts=0)
        async with open_session(pipeline, observers=[recorder], on_failure="continue", direct=direct) as session:
            await session.push(Kept("bad"))
            await trio.sleep(1)
            await session.push(FrameProcessorPauseFrame(B))

    run_explored(0, main)
    assert [str(each.receiver) for each in recorder.deliveries if isinstance(each.frame, FrameProcessorPauseFrame)] == [
        "b"
    ]
    one = play(Pipeline(broken, Hears(name="b")), [Note("bad"), FrameProcessorPauseFrame(A), Note("1")], direct=direct)
    assert heard(one) == ("1",)


@pytest.mark.rule("B10")
@pytest.mark.parametrize("kind", [*PAUSES, *RESUMES])
def test_a_pause_is_for_no_handler_and_no_message(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"Bad.hold handles {kind.__name__}, but that is for no handler"):

        @actor
        class Bad(Actor):
            @on(kind)
            def hold(self, frame: Frame) -> None: ...

    trace = play(Pipeline(Sends(kind(A)), name=None), [Note("1")])
    assert "It travels as a frame, to the actor that it names." in str(trace.failures[0].error)


@actor
class Sends(Actor):
    what: Any

    @on(Note)
    def send(self, frame: Note) -> Effect:
        return To(A, self.what)


@both
@pytest.mark.rule("B10", "IN1")
def test_an_interruption_by_a_paused_actor_is_a_step_like_any(direct: bool) -> None:
    @actor
    class Interrupts(Actor):
        @on(Alarm)
        def interrupt(self, frame: Alarm) -> Effect:
            return Interrupt()

    script = [FrameProcessorPauseFrame(B), Note("1"), Alarm("!"), Note("2"), FrameProcessorResumeFrame(B)]
    trace = play(Pipeline(Passes(name="a"), Interrupts(name="b"), Passes(name="c")), script, direct=direct)
    assert texts(trace.down) == ["2"]


# ---- all of it at random


def random_line(chance: random.Random) -> Pipeline:
    """Up to four actors a, b, c, d, each quick or slow, some in branches, with narrow lanes."""

    def one(name: str) -> Any:
        made = chance.choice((Hears(name=name), HearsLater(0.1, name=name), Passes(name=name)))
        return child(made, max_buffer=chance.choice((1, 2, 64)))

    a, b, c, d = (one(name) for name in "abcd")
    if chance.random() < 0.3:
        return Pipeline(a, Parallel(Pipeline(b, max_restarts=99), Pipeline(c, max_restarts=99)), d, max_restarts=99)
    return Pipeline(a, b, c, d, max_restarts=99)


def random_script(chance: random.Random) -> list[Item]:
    script: list[Item] = []
    for number in range(chance.randint(3, 14)):
        named = Address(chance.choice("abcd"))
        frames: list[Any] = [chance.choice((*PAUSES, *RESUMES))(named), Note(f"{number}"), Note(f"{number}+")]
        chance.shuffle(frames)
        script.append(tuple(frames[: chance.randint(1, 3)]))
        if chance.random() < 0.4:
            script.append(Sleep(chance.choice((0.0, 0.5, 3.0))))
        if chance.random() < 0.15:
            script.append(Kill(named.name))
    return script


@both
@pytest.mark.rule("B10", "CH1", "CH5")
def test_whatever_is_paused_and_resumed_nothing_is_lost_and_no_order_changes(direct: bool) -> None:
    for seed in seeds(150):
        chance = random.Random(f"pauses/{seed}")
        pipeline, script = random_line(chance), random_script(chance)
        recorder = TraceRecorder()
        asked: list[float] = []

        async def main(
            pipeline: Pipeline = pipeline,
            script: list[Item] = script,
            recorder: TraceRecorder = recorder,
            asked: list[float] = asked,
        ) -> object:
            async with open_session(pipeline, observers=[recorder], direct=direct) as session:
                await _conduct(session, script)
                asked.append(session.dispatcher.observers.now())
                await session.end()
            return session.outcome

        assert run_explored(seed, main) == "ended", seed
        assert not recorder.stalls, seed
        notes = [each for item in script if isinstance(item, tuple) for each in item if isinstance(each, Note)]
        kinds = {each.reason for each in recorder.dropped_ones}
        assert kinds <= {"merged", "partial"}, (seed, kinds)
        partial = {each.delivery.frame for each in recorder.dropped_ones if each.reason == "partial"}
        sunk = [each.frame for each in recorder.deliveries if each.receiver.name == "sink" and each.frame in notes]
        assert sunk == [note for note in notes if note in sunk], (seed, texts(sunk))
        assert set(notes) - set(sunk) <= partial, (seed, texts(sunk))
        _check_held(recorder, asked[0], seed)


async def _conduct(session: Session, script: list[Item]) -> None:
    """Do what the script says; a push waits for a second at most, since the resume may only come later."""
    for item in script:
        if isinstance(item, Sleep):
            await trio.sleep(item.seconds)
        elif isinstance(item, Kill):
            session.kill(item.name, Killed("by the script"))
        else:
            for frame in item if isinstance(item, tuple) else ():
                with trio.move_on_after(1.0):  # cancelled while it waits for room, a push has put its frame
                    await session.push(frame)  # type: ignore[arg-type]  # the scripts here hold frames


def _check_held(recorder: TraceRecorder, ending: float, seed: int) -> None:
    """Nobody begins an ordered frame between its pause and its resume, until the session ends."""
    held: set[str] = set()
    for each in recorder.deliveries:
        if each.time >= ending:
            return
        if each.receiver.name == "sink":
            continue
        if isinstance(each.frame, PAUSES):
            held.add(each.receiver.name)
        elif isinstance(each.frame, RESUMES):
            held.discard(each.receiver.name)
        else:
            assert not (isinstance(each.frame, Note) and each.receiver.name in held), (seed, each)

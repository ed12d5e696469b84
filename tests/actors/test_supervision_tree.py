"""Pipelines inside pipelines: names, who is restarted with whom at which level, what is told, and who ends by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from antiphon import (
    Actor,
    Address,
    Backoff,
    ConfigurationError,
    Finish,
    Parallel,
    Pipeline,
    To,
    Unrecoverable,
    actor,
    child,
    durable,
    on,
    open_session,
    state,
)
from antiphon.actors import Child, Effects, Killed
from antiphon.channels import CancelFrame, EndFrame, ErrorFrame, Frame, InterruptionFrame, StartFrame, StopFrame
from antiphon.scenarios import Item, Kill, Sleep, Trace, TraceRecorder, play
from tests.actors.notes import Alarm, Ask, Note, Order, Passes, both, texts

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
LONG = 1000.0


class Crash(Exception):
    """What the actors here fail with."""


@actor
class Keeps(Actor):
    """Keeps each text, fails at those that its configuration names, and lets everything go on."""

    fails_at: tuple[str, ...] = ()
    kept: tuple[str, ...] = durable(())
    seen: int = state(0)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None: ...

    @on(Note)
    def keep(self, frame: Note) -> Effects:
        if frame.text in self.fails_at:
            raise Crash(frame.text)
        self.kept = (*self.kept, frame.text)
        self.seen += 1
        return frame

    @on(Ask)
    def hear(self, message: Ask) -> None:
        if message.text == "fail":
            raise Crash(message.text)


def keeps(names: str, **settings: Any) -> list[Keeps]:
    return [Keeps(name=name, **settings) for name in names]


def restarted(trace: Trace) -> list[str]:
    return [each.address.name for each in trace.restarts]


def dropped(trace: Trace) -> list[tuple[str, str]]:
    return [(texts([each.delivery.frame])[0], each.reason) for each in trace.dropped if texts([each.delivery.frame])]


def run(pipeline: Pipeline, script: list[Item], *, on_failure: Any, direct: bool) -> Trace:
    """As `play`, with a choice of what a failure that nobody holds does."""
    recorder = TraceRecorder()

    async def main() -> object:
        try:
            async with open_session(
                pipeline, observers=[recorder], direct=direct, seed=0, on_failure=on_failure
            ) as session:
                for item in script:
                    await trio.testing.wait_all_tasks_blocked()
                    for each in item if isinstance(item, tuple) else (item,):
                        if isinstance(each, Sleep):
                            await trio.sleep(each.seconds)
                        elif isinstance(each, Kill):
                            session.kill(each.name, Killed("by the script"))
                        elif isinstance(each, To):
                            await session.send(each.address, each.message)
                        elif session.outcome is None:
                            await session.push(each)
                await trio.testing.wait_all_tasks_blocked()
                if session.outcome is None:
                    await session.end()
        except ExceptionGroup as error:
            return error
        return session.outcome

    ended = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return recorder.trace(durable={}, ended=ended)  # type: ignore[arg-type]  # as the session has it


# ---- AD1, AD2


@pytest.mark.rule("AD2")
def test_actors_inside_a_named_pipeline_are_called_outer_and_inner() -> None:
    parallel = Parallel(Pipeline(Keeps(), name="left"), Pipeline(Keeps(), Keeps()), name="both")
    pipeline = Pipeline(Keeps(), Pipeline(Keeps(), Pipeline(Keeps(name="own"), name="deep"), name="talk"), parallel)
    trace = play(pipeline, [Note("x")])
    names = [each.receiver.name for each in trace.deliveries if each.frame == Note("x")]
    assert sorted(names) == [
        "both/keeps", "both/keeps_2", "both/left/keeps", "keeps", "sink", "talk/deep/own", "talk/keeps",
    ]  # fmt: skip


@pytest.mark.rule("AD2")
def test_pipelines_without_a_name_share_the_names_around_them() -> None:
    trace = play(Pipeline(Pipeline(Keeps()), Pipeline(Pipeline(Keeps())), Keeps()), [Note("x")])
    assert sorted(trace.durable) == ["keeps", "keeps_2", "keeps_3"]


@pytest.mark.rule("AD2")
def test_an_outermost_name_stands_before_all_others() -> None:
    trace = play(Pipeline(Pipeline(Keeps(), name="inner"), Keeps(), name="outer"), [Note("x")])
    assert sorted(trace.durable) == ["outer/inner/keeps", "outer/keeps"]


@both
@pytest.mark.rule("AD2")
def test_an_address_inside_a_pipeline_is_found_by_its_name_and_by_its_template(direct: bool) -> None:
    there = Keeps()
    script: list[Item] = [To(Address("inner/keeps"), Ask("by name")), To(there.address, Ask("by template"))]
    trace = play(Pipeline(Pipeline(there, name="inner")), script, direct=direct)
    assert texts(trace.handled_by("inner/keeps")) == ["by name", "by template"]


@pytest.mark.rule("AD1")
@pytest.mark.parametrize(
    "build",
    [
        lambda one: Pipeline(one, Pipeline(one)),
        lambda one: Pipeline(Pipeline(one), Pipeline(Pipeline(one))),
        lambda one: Pipeline(Parallel(Pipeline(one), Pipeline(one))),
        lambda one: Pipeline(Parallel(Pipeline(one), Pipeline()), child(one)),
        lambda one: Pipeline(child(Pipeline(child(one))), one),
    ],
)
def test_the_same_object_twice_is_an_error_wherever_it_stands(build: Callable[[Keeps], Pipeline]) -> None:
    with pytest.raises(ConfigurationError, match="the same Keeps stands in it twice"):
        build(Keeps())


@pytest.mark.rule("AD1")
def test_the_same_pipeline_twice_is_an_error_too() -> None:
    inner = Pipeline(Keeps())
    with pytest.raises(ConfigurationError, match="the same Keeps stands in it twice"):
        Pipeline(inner, inner)


@pytest.mark.rule("AD2")
def test_a_name_taken_inside_another_pipeline_of_that_name_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="name='x' is taken already"):
        Pipeline(Pipeline(Keeps(name="x"), name="a"), Pipeline(Keeps(name="x"), name="a"))


# ---- SU9: what is restarted with what


@both
@pytest.mark.rule("SU9")
def test_a_failure_that_a_pipeline_can_hold_concerns_nobody_outside(direct: bool) -> None:
    inner = Pipeline(*keeps("bc"), strategy="one_for_all")
    trace = play(Pipeline(*keeps("a"), inner, *keeps("d"), strategy="one_for_all"), [Kill("c")], direct=direct)
    assert restarted(trace) == ["b", "c"]


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("outer", STRATEGIES)
@pytest.mark.parametrize("inner", STRATEGIES)
@pytest.mark.parametrize("kind", ["pipeline", "parallel"])
def test_the_strategy_of_each_level_says_who_is_restarted(kind: str, inner: Any, outer: Any, direct: bool) -> None:
    """The first failure is held inside, the second isn't: the whole pipeline in the middle fails."""

    def middle() -> Pipeline | Parallel:
        settings: dict[str, Any] = {"strategy": inner, "max_restarts": 1, "within": LONG}
        if kind == "pipeline":
            return Pipeline(*keeps("bcd"), **settings)
        return Parallel(*(Pipeline(each, max_restarts=0) for each in keeps("bcd")), **settings)

    held = {"one_for_one": ["c"], "one_for_all": ["b", "c", "d"], "rest_for_one": ["c", "d"]}
    above = {"one_for_one": list("bcd"), "one_for_all": list("abcde"), "rest_for_one": list("bcde")}
    pipeline = Pipeline(*keeps("a"), middle(), *keeps("e"), strategy=outer)
    trace = play(pipeline, [Kill("c"), Sleep(1)], direct=direct)
    assert restarted(trace) == held[inner]
    trace = play(pipeline, [Kill("c"), Sleep(1), Kill("c"), Sleep(1)], direct=direct)
    assert restarted(trace) == held[inner] + above[outer]
    starts = [each.receiver.name for each in trace.deliveries if isinstance(each.frame, StartFrame)]
    assert starts[-len(above[outer]) :] == above[outer]
    assert trace.ended == "cancelled"


@both
@pytest.mark.rule("SU9", "SU5")
def test_mailboxes_and_durable_values_survive_the_restart_of_a_pipeline(direct: bool) -> None:
    inner = Pipeline(*keeps("ab"), max_restarts=0)
    outer = Pipeline(child(inner, backoff=Backoff(first=1.0, jitter=0.0)), max_restarts=9)
    script: list[Item] = [Note("1"), Kill("a"), Note("2"), Kill("b"), Note("3"), Note("4"), Sleep(3), Note("5")]
    trace = play(outer, script, direct=direct)
    assert [(each.address.name, each.time) for each in trace.restarts] == [
        ("a", 0.0), ("b", 0.0), ("a", 1.0), ("b", 1.0),
    ]  # fmt: skip
    assert texts(trace.down) == list("12345")
    assert trace.durable == {"a": {"kept": tuple("12345")}, "b": {"kept": tuple("12345")}}
    assert [each.time for each in trace.deliveries if each.frame == Note("4")] == [1.0, 1.0, 1.0]


@actor
class Lives(Actor):
    """Tells how it enters and leaves."""

    log: Callable[[str], object]
    enter: float = 0.0
    leave: float = 0.0

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await trio.sleep(self.enter)
        self.log(f"+{self.address}")
        yield
        await trio.sleep(self.leave)
        self.log(f"-{self.address}")

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.log(f"start {self.address}")


@both
@pytest.mark.rule("SU9")
def test_a_pipeline_that_is_restarted_stops_in_reverse_and_starts_in_order(direct: bool) -> None:
    log: list[str] = []
    deep = Pipeline(Lives(log.append, enter=0.5, name="b"), Lives(log.append, name="c"))
    inner = Pipeline(Lives(log.append, name="a"), deep, Lives(log.append, name="d"), max_restarts=0)
    play(Pipeline(inner), [Sleep(1), Kill("a"), Sleep(2)], direct=direct)
    again = log[8:]
    assert again[:4] == ["-d", "-c", "-b", "-a"]
    assert [each for each in again if each.startswith("start")][:4] == [f"start {name}" for name in "abcd"]


# ---- SU6, SU7: level by level


def nested(depth: int, inner: Pipeline | Keeps, **settings: Any) -> Pipeline:
    pipeline = Pipeline(inner, name="level1", **settings)
    for number in range(2, depth + 1):
        pipeline = Pipeline(pipeline, name=f"level{number}", **settings)
    return pipeline


@both
@pytest.mark.rule("SU6", "SU7", "SU9")
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_each_level_holds_its_own_number_of_failures(depth: int, direct: bool) -> None:
    pipeline = nested(depth, Keeps(), max_restarts=1, within=LONG)
    name = "/".join([*(f"level{number}" for number in range(depth, 0, -1)), "keeps"])
    kill: list[Item] = [Kill(name), Sleep(7)]
    assert play(pipeline, kill * (2**depth - 1), direct=direct).ended == "cancelled"
    trace = play(pipeline, kill * 2**depth, direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    assert len(trace.restarts) == 2**depth - 1


def leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error


@both
@pytest.mark.rule("SU7")
def test_the_whole_story_is_told_level_by_level_down_to_actor_frame_and_first_cause(direct: bool) -> None:
    talk = Pipeline(*keeps("ab", fails_at=("x",)), name="talk", max_restarts=1, within=LONG)
    outer = Pipeline(*keeps("c"), talk, max_restarts=1, within=LONG)
    script: list[Item] = [To(Address("talk/a"), Ask("fail")), Sleep(1), Note("x"), Sleep(1)]
    trace = play(outer, script * 2, direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    session = trace.ended
    assert str(session).startswith("the session failed: Pipeline 'talk', more than 1 restarts within 1000 s")
    first, second = session.exceptions
    assert isinstance(first, ExceptionGroup)
    assert isinstance(second, ExceptionGroup)
    assert all("Pipeline 'talk'" in each.__notes__[0] for each in (first, second))
    assert "Pipeline 'talk' failed: actor 'talk/a', while handling" in str(first)
    assert "the first cause was Crash: fail in actor 'talk/a', while handling Ask(text='fail')" in str(first)
    assert all(isinstance(each, Crash) for each in leaves(session))
    assert next(each.__notes__ for each in leaves(first)) == ["in actor 'talk/a', while handling Ask(text='fail')"]
    assert {note for each in leaves(session) for note in each.__notes__} == {
        "in actor 'talk/a', while handling Ask(text='fail')",
        "in actor 'talk/a', while handling Note(text='x')",
    }


@actor
class Hopeless(Actor):
    """Has the wrong key."""

    @on(Note)
    def refuse(self, frame: Note) -> None:
        raise Unrecoverable("the key was rejected")


@both
@pytest.mark.rule("SU7", "SU8")
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_what_cannot_heal_goes_through_all_levels_at_once(restart: Any, direct: bool) -> None:
    pipeline = Pipeline(child(Hopeless(), restart=restart))
    for number in range(9):
        pipeline = Pipeline(Parallel(child(pipeline, restart=restart)) if number % 2 else child(pipeline))
    trace = play(pipeline, [Note("x")], direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    assert [type(each) for each in leaves(trace.ended)] == [Unrecoverable]
    assert "the key was rejected" in str(trace.ended)
    assert trace.restarts == ()
    assert trace.deliveries[-1].time == 0.0


# ---- SU9: kinds of children


@both
@pytest.mark.rule("SU8", "SU9")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("group", [False, True])
def test_a_temporary_child_that_fails_is_gone_alone_and_frames_pass_it_by(
    group: bool, strategy: Any, direct: bool
) -> None:
    fails = Keeps(name="b", fails_at=("x",))
    gone = child(Pipeline(fails, max_restarts=0) if group else fails, restart="temporary")
    trace = play(
        Pipeline(*keeps("a"), gone, *keeps("c"), strategy=strategy), [*map(Note, "wxyz"), EndFrame()], direct=direct
    )
    assert restarted(trace) == []
    assert [each.address.name for each in trace.failures] == ["b"]
    assert texts(trace.down) == list("wxyz")
    assert trace.durable["b"] == {"kept": ("w",)}
    assert len([each for each in trace.up if isinstance(each, ErrorFrame)]) == 1
    assert trace.ended == "ended"


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("group", [False, True])
def test_a_temporary_child_goes_down_with_its_siblings_and_does_not_come_back(
    group: bool, strategy: Any, direct: bool
) -> None:
    c = Keeps(name="c")
    temporary = child(Pipeline(Keeps(name="b"), c) if group else c, restart="temporary")
    pipeline = Pipeline(*keeps("a"), temporary, *keeps("d"), strategy=strategy)
    trace = play(pipeline, [Note("1"), Kill("a"), Note("2"), EndFrame()], direct=direct)
    assert restarted(trace) == ["a", "d"]
    assert trace.durable["c"] == {"kept": ("1",)}
    assert texts(trace.down) == ["1", "2"]
    assert trace.ended == "ended"


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_transient_child_is_restarted_after_a_failure_and_with_its_siblings(strategy: Any, direct: bool) -> None:
    b = child(Keeps(name="b"), restart="transient")
    pipeline = Pipeline(*keeps("a"), b, strategy=strategy)
    trace = play(pipeline, [Kill("b"), Sleep(1)], direct=direct)
    assert restarted(trace) == (["a", "b"] if strategy == "one_for_all" else ["b"])
    trace = play(pipeline, [Kill("a"), Sleep(1)], direct=direct)
    assert restarted(trace) == (["a"] if strategy == "one_for_one" else ["a", "b"])


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_who_is_gone_is_not_restarted_with_its_siblings(strategy: Any, direct: bool) -> None:
    done = child(Finishes("plain", name="b"), restart="transient")
    pipeline = Pipeline(*keeps("a"), Pipeline(done), *keeps("c"), strategy=strategy)
    trace = play(pipeline, [Note("stop"), Kill("a"), Sleep(1), Note("x")], direct=direct)
    assert restarted(trace) == ["a", "c"]
    assert texts(trace.down) == ["bye", "x"]


# ---- SU8: Finish


@actor
class Finishes(Actor):
    """Lets frames go on until it is told to stop, in the way its configuration says."""

    how: str
    count: int = durable(0)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        if self.how == "lifespan task":
            self.start_soon(self.stop_later)
        if self.how == "entering":
            await self.push(Finish())
        yield
        if self.how == "leaving":
            await self.push(Finish())

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Effects:
        return Finish() if self.how == "start" else None

    @on(EndFrame, StopFrame)
    def end(self, frame: Frame) -> Effects:
        return Finish() if self.how == "end" else None

    @on(Note, Alarm)
    def take(self, frame: Note | Alarm) -> Effects:
        self.count += 1
        if frame.text != "stop":
            return frame
        if self.how == "task":
            self.start_soon(self.stop)
            return Note("bye")
        return [Finish(), Note("bye")] if self.how == "plain" else [Note("bye"), Finish()]

    @on(Order)
    async def take_later(self, frame: Order) -> Effects:
        self.count += 1
        if frame.text != "stop":
            return frame
        if self.how == "pushed":
            await self.push(Finish())
            await self.push(Order("bye"))
            return None
        if self.how == "pushed with it":
            await self.push(Order("bye"), Finish())
            return None
        return [Finish(), Order("bye")]

    @on(Ask)
    def hear(self, message: Ask) -> Effects:
        return Finish()

    async def stop(self) -> None:
        await self.push(Finish())
        raise AssertionError("what has finished goes on")

    async def stop_later(self) -> None:
        await trio.sleep(1)
        await self.stop()


KINDS_OF_END = pytest.mark.parametrize("restart", ["transient", "temporary"])


@both
@KINDS_OF_END
@pytest.mark.rule("SU8")
@pytest.mark.parametrize(
    ("kind", "how"),
    [(Note, "plain"), (Note, "plain, last"), (Order, "pushed"), (Order, "pushed with it"), (Order, "returned")],
)
def test_who_finishes_has_said_its_last_and_what_waits_behind_it_passes_by_in_order(
    kind: type[Any], how: str, restart: Any, direct: bool
) -> None:
    pipeline = Pipeline(child(Finishes(how), restart=restart), Passes(name="behind"))
    trace = play(pipeline, [tuple(map(kind, ("1", "stop", "2", "3", "4"))), kind("5"), EndFrame()], direct=direct)
    assert texts(trace.down) == ["1", "bye", "2", "3", "4", "5"]
    assert trace.durable["finishes"] == {"count": 2}
    assert not (trace.dropped or trace.restarts or trace.failures or trace.up)
    assert trace.ended == "ended"


@both
@KINDS_OF_END
@pytest.mark.rule("SU8")
def test_a_task_that_finishes_ends_its_actor_at_once(restart: Any, direct: bool) -> None:
    pipeline = Pipeline(child(Finishes("task"), restart=restart))
    trace = play(pipeline, [Note("1"), Note("stop"), Note("2"), EndFrame()], direct=direct)
    assert texts(trace.down) == ["1", "bye", "2"]
    assert trace.durable["finishes"] == {"count": 2}
    assert trace.failures == ()
    assert trace.ended == "ended"


@both
@KINDS_OF_END
@pytest.mark.rule("SU8")
@pytest.mark.parametrize("how", ["lifespan task", "entering", "start", "leaving", "end"])
@pytest.mark.parametrize("last", [EndFrame, StopFrame, CancelFrame])
def test_an_actor_may_finish_anywhere_in_its_life(last: type[Frame], how: str, restart: Any, direct: bool) -> None:
    pipeline = Pipeline(*keeps("a"), child(Finishes(how), restart=restart), *keeps("b"), strategy="one_for_all")
    trace = play(pipeline, [Note("1"), Sleep(3), Note("2"), last()], direct=direct)
    assert texts(trace.down) == ["1", "2"]
    assert trace.durable["finishes"] == {"count": {"entering": 0, "start": 0, "lifespan task": 1}.get(how, 2)}
    assert not (trace.failures or trace.restarts)
    assert trace.ended == ("cancelled" if last is CancelFrame else "ended")


@both
@KINDS_OF_END
@pytest.mark.rule("SU8", "LC3")
@pytest.mark.parametrize(("kind", "how"), [(Note, "plain"), (Order, "pushed"), (Order, "returned")])
@pytest.mark.parametrize("last", [EndFrame, StopFrame])
def test_the_end_that_waits_behind_who_finishes_goes_on(
    last: type[Frame], kind: type[Any], how: str, restart: Any, direct: bool
) -> None:
    pipeline = Pipeline(Passes(), child(Finishes(how), restart=restart), Passes(name="behind"))
    trace = play(pipeline, [(kind("stop"), kind("1"), last())], direct=direct)
    assert texts(trace.down) == ["bye", "1"]
    assert trace.deliveries[-1].time == 0.0
    assert trace.ended == "ended"


@both
@KINDS_OF_END
@pytest.mark.rule("SU8", "CH5")
def test_messages_for_who_has_finished_are_dropped_as_finished(restart: Any, direct: bool) -> None:
    ask = To(Address("finishes"), Ask("x"))
    trace = play(Pipeline(child(Finishes(""), restart=restart)), [(ask, ask), ask], direct=direct)
    assert len(trace.handled_by("finishes")) == 2  # StartFrame, and the first
    assert [each.reason for each in trace.dropped] == ["finished"] * 2


@both
@pytest.mark.rule("SU8", "SU6")
def test_a_permanent_actor_that_finishes_is_restarted_and_it_counts(direct: bool) -> None:
    pipeline = Pipeline(Finishes("plain"), max_restarts=2)
    trace = play(pipeline, [(Note("stop"), Note("1")), Sleep(1), Note("stop"), Sleep(1)], direct=direct)
    assert [each.incarnation for each in trace.restarts] == [1, 2]
    assert texts(trace.down) == ["bye", "1", "bye"]
    assert trace.durable["finishes"] == {"count": 3}
    assert trace.failures == ()
    trace = play(pipeline, [Note("stop"), Sleep(1)] * 3, direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    assert "finishes, though it is permanent: say child(..., restart='transient')" in str(trace.ended)


@both
@pytest.mark.rule("SU8", "DL2")
@pytest.mark.parametrize(("kind", "how"), [(Note, "plain"), (Order, "returned")])
def test_whoever_is_restarted_with_one_that_finishes_begins_its_last_word_in_its_next_life(
    kind: type[Any], how: str, direct: bool
) -> None:
    trace = play(Pipeline(Finishes(how), Counts(), strategy="one_for_all"), [kind("stop")], direct=direct)
    assert len(trace.restarts) == 2
    assert texts(trace.handled_by("counts")) == ["bye"]
    assert trace.durable["counts"] == {"starts": 2, "starts_before": 2}


@actor
class Counts(Actor):
    """Counts how often it has begun before its first frame."""

    starts: int = durable(0)
    starts_before: int = durable(0)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.starts += 1

    @on(Note, Order)
    def take(self, frame: Frame) -> None:
        self.starts_before = self.starts


@both
@pytest.mark.rule("SU8", "IN4")
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_who_finishes_as_it_hears_of_an_interruption_goes_on_after_its_restart(kind: str, direct: bool) -> None:
    finishes = FinishesAtInterruption() if kind == "plain" else FinishesAtInterruptionLater()
    trace = play(Pipeline(finishes), [InterruptionFrame(), Sleep(1), Note("x")], direct=direct)
    assert len(trace.restarts) == 1
    assert texts(trace.down) == ["x"]


@actor
class FinishesAtInterruption(Passes):
    """Has done its work when it is interrupted."""

    @on(InterruptionFrame)
    def stop(self, frame: InterruptionFrame) -> Effects:
        return Finish()


@actor
class FinishesAtInterruptionLater(Passes):
    """The same in an async handler."""

    @on(InterruptionFrame)
    async def stop(self, frame: InterruptionFrame) -> Effects:
        return Finish()


@both
@pytest.mark.rule("SU8", "IN1")
def test_a_finish_that_was_pushed_holds_also_when_its_handler_is_cut(direct: bool) -> None:
    pipeline = Pipeline(child(FinishesAndWaits(), restart="transient"))
    trace = play(pipeline, [Note("1"), Sleep(1), InterruptionFrame(), Note("2")], direct=direct)
    assert trace.handled_by("finishes_and_waits") == (Note("1"),)
    assert texts(trace.down) == ["2"]


@actor
class FinishesAndWaits(Actor):
    """Says that it has done its work, and isn't done with the frame in hand yet."""

    @on(Note)
    async def take(self, frame: Note) -> None:
        await self.push(Finish())
        await trio.sleep(9)


@both
@pytest.mark.rule("SU8", "SU4")
@pytest.mark.parametrize("restart", ["permanent", "temporary"])
def test_a_frame_that_passes_whom_it_has_failed_is_new_to_the_next(restart: Any, direct: bool) -> None:
    """The next one that fails with it gets it again, as anybody would."""
    fails = FailsOnce(OnceOnly())
    pipeline = Pipeline(child(FailsOnce(OnceOnly()), restart="temporary"), child(fails, restart=restart), *keeps("c"))
    trace = play(pipeline, [Note("x")], direct=direct)
    assert len(trace.failures) == 2
    assert texts(trace.down) == ["x"]
    assert len(trace.handled_by("fails_once_2")) == (2 if restart == "permanent" else 1)


class OnceOnly:
    """Fails the first time."""

    def __init__(self) -> None:
        self.has_failed = False

    def __call__(self) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise Crash("once")


@actor
class FailsOnce(Actor):
    """Fails at its first frame."""

    fail: Callable[[], None]

    @on(Note)
    def take(self, frame: Note) -> Effects:
        self.fail()
        return frame


@both
@pytest.mark.rule("SU8")
@pytest.mark.parametrize("last", [EndFrame, StopFrame])
def test_to_finish_with_the_end_is_no_failure(last: type[Frame], direct: bool) -> None:
    pipeline = Pipeline(*keeps("a"), Finishes("end"), *keeps("b"), strategy="one_for_all", max_restarts=0)
    trace = play(pipeline, [Note("1"), last()], direct=direct)
    assert trace.restarts == ()
    assert trace.ended == "ended"


# ---- SU7: on_failure


@both
@pytest.mark.rule("SU7", "B47")
def test_by_default_a_failure_that_nobody_holds_ends_the_session_with_its_story(direct: bool) -> None:
    trace = run(Pipeline(Keeps(("x",)), max_restarts=0), [Note("x"), Note("y")], on_failure="end", direct=direct)
    assert isinstance(trace.ended, ExceptionGroup)
    assert texts(trace.down) == []


@both
@pytest.mark.rule("SU7", "B47")
def test_on_failure_cancel_cancels_the_session_and_raises_nothing(direct: bool) -> None:
    trace = run(Pipeline(Keeps(("x",)), max_restarts=0), [Note("x"), Note("y")], on_failure="cancel", direct=direct)
    assert trace.ended == "cancelled"
    assert texts(trace.down) == []


@both
@pytest.mark.rule("SU7", "CH5", "B47")
def test_on_failure_continue_goes_on_without_the_actor_and_drops_what_it_alone_would_handle(direct: bool) -> None:
    pipeline = Pipeline(*keeps("a"), Keeps(("x",), name="b"), Passes(), max_restarts=0)
    script: list[Item] = [Note("w"), (Note("x"), Note("y")), Order("z"), Note("!"), To(Address("b"), Ask("?"))]
    trace = run(pipeline, script, on_failure="continue", direct=direct)
    assert texts(trace.down) == ["w", "z"]
    assert texts(trace.handled_by("a")) == ["w", "x", "y", "!"]
    assert dropped(trace) == [(text, "finished") for text in ("x", "y", "!", "?")]
    assert trace.restarts == ()
    assert trace.ended == "ended"


@both
@pytest.mark.rule("SU7")
@pytest.mark.parametrize(
    ("strategy", "left"), [("one_for_one", ["a", "c"]), ("rest_for_one", ["a"]), ("one_for_all", [])]
)
def test_on_failure_continue_goes_on_without_those_too_that_belong_to_it(
    strategy: Any, left: list[str], direct: bool
) -> None:
    inner = Pipeline(Keeps(("x",), name="b"), max_restarts=0)
    pipeline = Pipeline(*keeps("a"), inner, *keeps("c"), max_restarts=0, strategy=strategy)
    trace = run(
        pipeline, [Note("x"), *(To(Address(name), Ask("?")) for name in "abc")], on_failure="continue", direct=direct
    )
    heard = [each.receiver.name for each in trace.deliveries if each.frame == Ask("?")]
    assert heard == left
    assert trace.ended == "ended"


@both
@pytest.mark.rule("SU7", "LC3")
@pytest.mark.parametrize("last", [EndFrame, StopFrame])
@pytest.mark.parametrize("slow", [True, False])
def test_the_end_that_waits_for_who_is_given_up_goes_on_without_it(slow: bool, last: type[Frame], direct: bool) -> None:
    fails = FailsLater() if slow else Keeps(("x",), name="fails_later")
    pipeline = Pipeline(*keeps("a"), fails, *keeps("b"), max_restarts=0)
    trace = run(pipeline, [(Note("1"), Note("x"), last())], on_failure="continue", direct=direct)
    assert trace.ended == "ended"
    assert trace.deliveries[-1].time <= 1.0
    assert [each.reason for each in trace.dropped if each.delivery.frame == Note("x")] == ["finished"]


@actor
class FailsLater(Actor):
    """Fails half a second after it has got an x."""

    @on(Note)
    async def take(self, frame: Note) -> Effects:
        if frame.text == "x":
            await trio.sleep(0.5)
            raise Crash(frame.text)
        return frame


@both
@pytest.mark.rule("SU7")
def test_after_it_has_gone_on_without_one_another_failure_is_held_as_before(direct: bool) -> None:
    pipeline = Pipeline(*keeps("ab"), max_restarts=1, within=LONG)
    script: list[Item] = [Kill("a"), Sleep(1), Kill("a"), Sleep(1), Kill("b"), Sleep(1), Note("x")]
    trace = run(pipeline, script, on_failure="continue", direct=direct)
    assert restarted(trace) == ["a", "b"]
    assert trace.ended == "ended"


# ---- deep, wide, and at a bad moment


@both
@pytest.mark.rule("SU9", "DL1")
def test_ten_levels_deep_a_frame_passes_and_a_failure_is_repaired(direct: bool) -> None:
    pipeline = Pipeline(*keeps("a"))
    for number in range(10):
        pipeline = Pipeline(Passes(), Parallel(pipeline, Pipeline()) if number % 3 == 0 else pipeline, Passes())
    trace = play(pipeline, [Note("1"), Kill("a"), Note("2"), EndFrame()], direct=direct)
    assert texts(trace.handled_by("a")) == ["1", "2"]
    assert texts(trace.down) == ["1", "2"]
    assert restarted(trace) == ["a"]
    assert trace.ended == "ended"


@both
@pytest.mark.rule("SU9", "DL1", "DL3")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_hundred_actors_in_one_pipeline(strategy: Any, direct: bool) -> None:
    pipeline = Pipeline(*(Keeps() for _ in range(200)), strategy=strategy)
    trace = play(pipeline, [Note("1"), Kill("keeps_101"), Note("2"), EndFrame()], direct=direct)
    assert texts(trace.down) == ["1", "2"]
    assert len(trace.restarts) == {"one_for_one": 1, "one_for_all": 200, "rest_for_one": 100}[strategy]
    assert all(kept == {"kept": ("1", "2")} for kept in trace.durable.values())
    assert trace.ended == "ended"


@both
@pytest.mark.rule("SU9")
@pytest.mark.parametrize("first", ["b", "c"])
@pytest.mark.parametrize("second", ["a", "b", "c", "d"])
@pytest.mark.parametrize("pause", [0.1, 0.6, 1.2])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("outer", STRATEGIES)
def test_a_failure_during_a_restart_at_another_level_ends_well(
    outer: Any, depth: int, pause: float, second: str, first: str, direct: bool
) -> None:
    log: list[str] = []
    a, b, c, d = (Lives(log.append, enter=0.5, leave=0.5, name=name) for name in "abcd")
    inner = Pipeline(b, c, strategy="one_for_all", max_restarts=1, within=LONG)
    pipeline = Pipeline(a, inner if depth == 1 else Pipeline(inner), d, strategy=outer, max_restarts=9, within=LONG)
    script: list[Item] = [Sleep(1), Kill(first), Sleep(pause), Kill(second), Sleep(20), Note("x"), EndFrame()]
    trace = play(pipeline, script, direct=direct)
    assert trace.ended == "ended"
    assert texts(trace.down) == ["x"]
    for name in "abcd":
        own = [each for each in log if each.endswith(name)]
        assert own[-1] == f"-{name}", name  # all came back, and left in the end
        assert own.count(f"start {name}") >= 1
        # Two incarnations of one actor never live side by side.
        alive = 0
        for each in own:
            alive += {"+": 1, "-": -1}.get(each[0], 0)
            assert alive in (0, 1), own


@both
@pytest.mark.rule("SU7", "SU9")
@pytest.mark.parametrize("kills", ["ca", "ac", "cba", "cc"])
def test_who_fails_inside_just_before_all_is_restarted_around_it_gives_up_nothing_more(
    kills: str, direct: bool
) -> None:
    log: list[str] = []
    a, b, c = (Lives(log.append, leave=0.5, name=name) for name in "abc")
    inner = Pipeline(b, c, strategy="one_for_all", max_restarts=0)
    pipeline = Pipeline(a, Pipeline(inner), strategy="one_for_all", max_restarts=2)
    together = tuple(Kill(name) for name in kills)
    trace = play(pipeline, [Sleep(1), together, Sleep(5), Note("x"), EndFrame()], direct=direct)
    assert trace.ended == "ended"
    assert texts(trace.down) == ["x"]
    assert [each.address.name for each in trace.restarts] == list("abc" if "a" in kills else "bc")


@both
@pytest.mark.rule("SU9", "LC4")
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.7, 1.2])
@pytest.mark.parametrize("last", [EndFrame, CancelFrame])
def test_an_end_or_a_cancellation_during_the_restart_of_a_pipeline_ends_well(
    last: type[Frame], moment: float, direct: bool
) -> None:
    log: list[str] = []
    lives = [Lives(log.append, enter=0.5, leave=0.5, name=name) for name in "abcd"]
    inner = Pipeline(*lives[1:3], max_restarts=0)
    pipeline = Pipeline(lives[0], Parallel(inner, Pipeline(lives[3])), strategy="one_for_all")
    trace = play(pipeline, [Sleep(1), Kill("b"), Sleep(moment), last()], direct=direct)
    assert trace.ended == ("cancelled" if last is CancelFrame else "ended")
    assert all(log.count(f"+{name}") == log.count(f"-{name}") for name in "abcd")


@both
@pytest.mark.rule("SU9", "PA3")
@pytest.mark.parametrize(("strategy", "names"), [("one_for_one", "b"), ("one_for_all", "abc"), ("rest_for_one", "bc")])
def test_branches_are_restarted_as_the_strategy_of_their_parallel_says(strategy: Any, names: str, direct: bool) -> None:
    branches: list[Pipeline | Child] = [Pipeline(each, max_restarts=0) for each in keeps("abc")]
    trace = play(
        Pipeline(Parallel(*branches, strategy=strategy)), [Note("1"), Kill("b"), Note("2"), EndFrame()], direct=direct
    )
    assert restarted(trace) == list(names)
    assert texts(trace.down) == ["1", "2"]
    assert all(kept == {"kept": ("1", "2")} for kept in trace.durable.values())
    assert trace.ended == "ended"

"""How a session comes to its beginning and its end: the bounds of both, and what the application is told of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

import antiphon
from antiphon import Actor, ConfigurationError, Host, Parallel, Pipeline, Session, actor, child, on, open_session
from antiphon.actors import Event, OnFailure
from antiphon.channels import CancelFrame, EndFrame, ErrorFrame, Frame, StartFrame, StopFrame
from antiphon.scenarios import Sleep, Trace, TraceRecorder, play
from antiphon.scenarios.explorer import run_explored

from .notes import Note, Passes, both, texts


@actor
class Opens(Actor):
    """Takes its time to enter, and for its frames of lifecycle."""

    tell: Callable[[str], object] = lambda what: None
    enter: float = 0.0
    start: float = 0.0
    cancel: float = 0.0

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await trio.sleep(self.enter)
        self.tell(f"{self.address} opened")
        yield
        self.tell(f"{self.address} closed")

    @on(StartFrame)
    async def begin(self, frame: StartFrame) -> None:
        await trio.sleep(self.start)

    @on(CancelFrame)
    async def stop(self, frame: CancelFrame) -> None:
        await trio.sleep(self.cancel)


Heard = list[tuple[Any, ...]]


def listened(*actors: Any, heard: Heard, name: str | None = None) -> Pipeline:
    """A pipeline all of whose events are written down: name, seconds, frame."""
    pipeline = Pipeline(*actors, name=name)

    def note(event: str) -> Callable[..., None]:
        def hear(session: Session, *payload: object) -> None:
            assert isinstance(session, Session)
            heard.append((event, round(session.dispatcher.observers.now(), 6), *payload))

        return hear

    for event in Pipeline.events:
        pipeline.on_event(event, note(event))
    return pipeline


def names_of(events: tuple[Event, ...]) -> list[tuple[str, float]]:
    return [(each.name, each.time) for each in events]


def run(pipeline: Pipeline, body: Callable[[Session], Any], **options: Any) -> tuple[Trace, BaseException | None]:
    """Open a session in virtual time, with a body."""
    recorder = TraceRecorder()

    async def main() -> tuple[Trace, BaseException | None]:
        raised: BaseException | None = None
        session: Session | None = None
        try:
            async with open_session(pipeline, observers=[recorder], stall_timeout=None, **options) as session:
                await body(session)
        except ExceptionGroup as error:
            raised = error
        assert session is not None and session.outcome is not None
        return recorder.trace(durable={}, ended=session.outcome), raised

    return run_explored(0, main)


async def wait(session: Session) -> None:
    await session.wait()


# ---- the beginning


@both
@pytest.mark.rule("B40")
def test_a_session_whose_actor_never_gets_ready_fails_by_its_name_and_closes_what_was_opened(direct: bool) -> None:
    heard: Heard = []
    told: list[str] = []
    pipeline = listened(
        Opens(told.append, name="a"), Opens(told.append, enter=math.inf, name="b"), Opens(told.append, name="c"),
        heard=heard,
    )  # fmt: skip
    trace, raised = run(pipeline, wait, direct=direct)
    assert names_of(trace.events) == [("on_setup_timeout", 20.0), ("on_pipeline_finished", pytest.approx(20.0))]
    assert [each[:2] for each in heard] == names_of(trace.events)
    assert isinstance(heard[-1][-1], CancelFrame)
    assert isinstance(raised, ExceptionGroup)
    assert str(raised) == "the session failed: it couldn't start for 'b' (1 sub-exception)"
    assert [str(each) for each in raised.exceptions] == [
        "b: its lifespan() hasn't entered within 20 s: open there what is quick, or raise the session's setup_timeout"
    ]
    assert trace.ended is raised
    assert [each.address.name for each in trace.failures] == ["b"]
    assert [frame.processor for frame in trace.up if isinstance(frame, ErrorFrame)] == ["b"]
    assert sorted(told) == ["a closed", "a opened", "c closed", "c opened"]


@both
@pytest.mark.rule("B40")
@pytest.mark.parametrize(("timeout", "seconds"), [(3.0, 3.0), (None, None)])
def test_the_bound_of_the_setup_is_the_sessions_to_choose(
    timeout: float | None, seconds: float | None, direct: bool
) -> None:
    trace = play(Pipeline(Opens(enter=1000.0)), [Sleep(100)], setup_timeout=timeout, direct=direct)
    if seconds is None:
        assert (trace.ended, trace.events) == ("cancelled", ())
    else:
        assert isinstance(trace.ended, ExceptionGroup)
        assert names_of(trace.events) == [("on_setup_timeout", 3.0)]


@both
@pytest.mark.rule("B40")
def test_who_gets_ready_at_the_last_moment_is_in_time(direct: bool) -> None:
    heard: Heard = []
    trace = play(listened(Opens(enter=20.0), heard=heard), [Note("x"), Sleep(30), EndFrame()], direct=direct)
    assert trace.ended == "ended"
    assert texts(trace.down) == ["x"]
    assert heard == [
        ("on_pipeline_started", 20.0, StartFrame()),
        ("on_pipeline_finished", 30.0, EndFrame()),
    ]


@both
@pytest.mark.rule("B40")
def test_a_start_frame_that_does_not_come_out_fails_the_session_by_the_name_of_who_has_it(direct: bool) -> None:
    heard: Heard = []
    pipeline = listened(Opens(enter=5.0, name="a"), Opens(start=math.inf, name="b"), Passes(), heard=heard)
    trace, raised = run(pipeline, wait, direct=direct)
    # The bound begins when all have entered.
    assert names_of(trace.events) == [("on_pipeline_timeout", 25.0), ("on_pipeline_finished", 25.0)]
    assert heard[0] == ("on_pipeline_timeout", 25.0, StartFrame())
    assert isinstance(raised, ExceptionGroup)
    assert [str(each) for each in raised.exceptions] == [
        "b: it has had StartFrame and hasn't let it pass within 20 s: start a task for what takes long, or raise the"
        " session's start_timeout"
    ]


@both
@pytest.mark.rule("B40")
@pytest.mark.parametrize("timeout", [7.0, None])
def test_the_bound_of_the_start_is_the_sessions_to_choose(timeout: float | None, direct: bool) -> None:
    async def body(session: Session) -> None:
        await trio.sleep(100)
        assert timeout is None
        await session.cancel()

    trace, raised = run(Pipeline(Opens(start=math.inf)), body, start_timeout=timeout, direct=direct)
    assert names_of(trace.events) == ([] if timeout is None else [("on_pipeline_timeout", 7.0)])
    assert (raised is None) == (timeout is None)


@both
@pytest.mark.rule("B40", "SU7")
def test_a_session_that_goes_on_after_failures_starts_without_those_that_are_late(direct: bool) -> None:
    heard: Heard = []
    pipeline = listened(Opens(enter=math.inf), Opens(start=math.inf), Opens(start=math.inf), Passes(), heard=heard)

    async def body(session: Session) -> None:
        await trio.sleep(100)
        await session.push(Note("x"))
        await session.end()

    trace, raised = run(pipeline, body, on_failure="continue", direct=direct)
    assert raised is None
    assert [each[:2] for each in heard] == [
        ("on_setup_timeout", 20.0),
        ("on_pipeline_timeout", 40.0),
        ("on_pipeline_timeout", 60.0),
        ("on_pipeline_started", 60.0),
        ("on_pipeline_finished", 100.0),
    ]
    assert texts(trace.down) == ["x"]


@both
@pytest.mark.rule("B40", "SU7")
@pytest.mark.parametrize("on_failure", ["end", "cancel"])
def test_what_follows_a_beginning_that_is_late_is_for_on_failure_to_say(on_failure: OnFailure, direct: bool) -> None:
    trace, raised = run(Pipeline(Opens(enter=math.inf)), wait, on_failure=on_failure, direct=direct)
    assert (raised is None) == (on_failure == "cancel")
    assert trace.ended == (raised or "cancelled")


@both
@pytest.mark.rule("B40")
def test_a_branch_that_never_gets_ready_is_late_though_start_has_come_out_by_another(direct: bool) -> None:
    heard: Heard = []
    pipeline = listened(
        Parallel(Pipeline(Passes()), Pipeline(Opens(enter=math.inf, name="stuck"))), Passes(), heard=heard
    )
    _, raised = run(pipeline, wait, direct=direct)
    assert [each[:2] for each in heard] == [
        ("on_pipeline_started", 0.0),
        ("on_setup_timeout", 20.0),
        ("on_pipeline_finished", 20.0),
    ]
    assert "'stuck'" in str(raised)


@both
@pytest.mark.rule("B40")
def test_an_actor_that_is_gone_before_it_was_ready_is_not_waited_for(direct: bool) -> None:
    @actor
    class CannotOpen(Actor):
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            await trio.sleep(1.0)
            raise OSError("no device")
            yield

    pipeline = Pipeline(child(CannotOpen(), restart="temporary"), Opens(start=10.0))

    async def body(session: Session) -> None:
        await trio.sleep(100)

    trace, raised = run(pipeline, body, direct=direct)
    assert (raised, trace.ended, trace.events) == (None, "ended", ())


@both
@pytest.mark.rule("B40")
def test_a_play_rests_at_once_when_all_has_begun(direct: bool) -> None:
    recorder = TraceRecorder()
    trace = play(Pipeline(Opens(enter=2.0)), [Note("x")], observers=[recorder], direct=direct)
    ended_at = max(each.time for each in trace.deliveries)
    assert (trace.ended, ended_at) == ("cancelled", 2.0)


# ---- the end


@both
@pytest.mark.rule("B43")
def test_a_cancel_that_does_not_come_out_is_told_once_and_the_end_comes_all_the_same(direct: bool) -> None:
    heard: Heard = []
    slow = [child(Opens(cancel=math.inf, name=name), grace=9.0) for name in "abcdef"]

    async def body(session: Session) -> None:
        await trio.sleep(1)
        await session.cancel("enough")

    trace, _ = run(listened(*slow, heard=heard), body, direct=direct)
    assert heard == [
        ("on_pipeline_started", 0.0, StartFrame()),
        ("on_pipeline_timeout", 21.0, CancelFrame("enough")),
        ("on_pipeline_finished", heard[-1][1], CancelFrame("enough")),
    ]
    assert heard[-1][1] == pytest.approx(55.0, abs=0.1)
    assert trace.ended == "cancelled"


@both
@pytest.mark.rule("B43")
@pytest.mark.parametrize("last", [EndFrame("over"), StopFrame(), CancelFrame("enough")])
def test_an_end_is_told_with_its_frame_when_all_have_left(last: Frame, direct: bool) -> None:
    heard: Heard = []
    told: list[str] = []
    pipeline = listened(Opens(told.append), heard=heard)
    pipeline.on_event("on_pipeline_finished", lambda session, frame: told.append("finished"))
    play(pipeline, [last], direct=direct)
    assert heard[-1] == ("on_pipeline_finished", 0.0, last)
    assert told == ["opens opened", "opens closed", "finished"]


@both
@pytest.mark.rule("B43")
def test_the_end_is_told_when_the_block_raises_and_when_an_actor_fails(direct: bool) -> None:
    heard: Heard = []

    @actor
    class Breaks(Actor):
        @on(Note)
        def break_down(self, frame: Note) -> None:
            raise ValueError("no")

    async def body(session: Session) -> None:
        raise LookupError("the block's own")

    with pytest.raises(LookupError):
        run(listened(Passes(), heard=heard), body, direct=direct)
    assert [each[0] for each in heard] == ["on_pipeline_started", "on_pipeline_finished"]
    heard.clear()
    pipeline = listened(child(Breaks(), restart="temporary"), heard=heard)
    pipeline.max_restarts = 0
    play(pipeline, [Note("x")], direct=direct)
    assert [each[0] for each in heard] == ["on_pipeline_started", "on_pipeline_finished"]


@both
@pytest.mark.rule("B43a")
def test_a_cancel_before_the_start_is_told_as_an_end_without_a_beginning(direct: bool) -> None:
    heard: Heard = []

    async def body(session: Session) -> None:
        await trio.sleep(1)
        await session.cancel()

    trace, raised = run(listened(Opens(enter=math.inf), heard=heard), body, direct=direct)
    assert heard == [("on_pipeline_finished", 1.0, CancelFrame())]
    assert (raised, trace.ended) == (None, "cancelled")


# ---- how it is told


@both
def test_the_application_may_begin_the_conversation_when_all_is_ready(direct: bool) -> None:
    pipeline = Pipeline(Opens(enter=3.0), Passes(), name="bot")

    @pipeline.on_event("on_pipeline_started")
    async def greet(session: Session, frame: StartFrame) -> None:
        await session.push(Note("hello"))

    trace = play(pipeline, [], direct=direct)
    assert texts(trace.down) == ["hello"]
    assert [(str(each.address), each.name, each.time) for each in trace.events] == [("bot", "on_pipeline_started", 3.0)]


def test_nobody_registers_for_an_event_that_there_is_not() -> None:
    with pytest.raises(
        ConfigurationError, match=r"Pipeline.on_event\('on_began'\): there is no such event. It has: on_pip"
    ):
        Pipeline().on_event("on_began", print)
    with pytest.raises(ConfigurationError, match="give it a function to call"):
        Pipeline().on_event("on_pipeline_started", 3)  # type: ignore[call-overload]  # what this test is about


def test_a_pipeline_inside_another_one_has_no_session_to_tell_of() -> None:
    inner = Pipeline(Passes(), name="inner")
    inner.on_event("on_pipeline_started", lambda session, frame: None)
    play(inner, [])
    with pytest.raises(ConfigurationError, match="Pipeline 'inner' stands inside another one"):
        play(Pipeline(inner), [])


@pytest.mark.parametrize("which", ["setup_timeout", "start_timeout"])
@pytest.mark.parametrize("seconds", [0, -1.0, "long"])
def test_a_bound_is_in_seconds(which: Any, seconds: Any) -> None:
    options = {which: seconds}
    with pytest.raises(ConfigurationError, match=f"{which}={seconds!r}. Write seconds, more than 0, or None."):
        play(Pipeline(), [], **options)


@pytest.mark.rule("B40")
def test_all_ways_to_open_a_session_know_the_bounds() -> None:
    late: Any = {"setup_timeout": 0.01, "start_timeout": None}

    async def in_asyncio() -> None:
        async with antiphon.aio.open_session(Pipeline(Opens(enter=math.inf)), **late) as session:
            await session.wait()

    async def hosted() -> object:
        async with Host() as host:
            session = await host.start(Pipeline(Opens(enter=math.inf)), **late)
            await session.wait()
            return session.outcome

    with pytest.raises(ExceptionGroup, match="it couldn't start for 'opens'"):
        asyncio.run(in_asyncio())
    assert "it couldn't start for 'opens'" in str(run_explored(0, hosted))
    assert antiphon.run(Pipeline(Opens(enter=math.inf)), **late) == 1

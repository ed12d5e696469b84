"""Events: what an application hears of an actor, when, and what it can do to it (nothing)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import trio

from antiphon import Actor, Address, ConfigurationError, Fire, Pipeline, actor, durable, on, open_session
from antiphon.actors import Effect, Event
from antiphon.channels import EndFrame, TextFrame
from antiphon.scenarios import Kill, Sleep, play

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])


@actor
class Counts(Actor):
    """Fires what it counts."""

    events: ClassVar[tuple[str, ...]] = ("on_counted", "on_end")
    event_aliases: ClassVar[dict[str, str]] = {"on_number": "on_counted"}
    count: int = durable(0)

    @on(TextFrame)
    def read(self, frame: TextFrame) -> Iterator[Effect]:
        self.count += 1
        yield frame
        yield Fire("on_counted", frame.text, self.count)
        if frame.text == "bad":
            raise ValueError("this one is bad")

    @on(EndFrame)
    def end(self, frame: EndFrame) -> Effect:
        return Fire("on_end")


@both
@pytest.mark.rule("EV1")
def test_handlers_hear_the_payload_and_the_values_of_the_moment_in_the_order_fired(direct: bool) -> None:
    heard: list[Any] = []
    counts = Counts(name="counts")

    @counts.on_event("on_counted")
    async def slow(view: Any, text: str, count: int) -> None:
        await trio.sleep(5 - count)
        heard.append(("slow", text, count, view.count, view.address, trio.current_time()))

    counts.on_event("on_number", lambda view, text, count: heard.append(("quick", text, count, view.count)))
    trace = play(Pipeline(counts), [(TextFrame("a"), TextFrame("b"))], direct=direct)
    assert trace.down == (TextFrame("a"), TextFrame("b"))
    assert trace.events == (
        Event(0.0, Address("counts"), "on_counted", ("a", 1)),
        Event(0.0, Address("counts"), "on_counted", ("b", 2)),
    )
    began = heard[0][-1] - 4
    assert heard == [
        ("slow", "a", 1, 1, Address("counts"), began + 4),
        ("quick", "a", 1, 1),
        ("slow", "b", 2, 2, Address("counts"), began + 7),
        ("quick", "b", 2, 2),
    ]


@both
@pytest.mark.rule("EV2")
def test_what_a_failed_handler_fired_is_never_heard_and_a_second_try_fires_anew(direct: bool) -> None:
    heard: list[object] = []
    counts = Counts()
    counts.on_event("on_counted", lambda view, text, count: heard.append((text, count)))
    trace = play(Pipeline(counts), [TextFrame("bad"), TextFrame("good")], direct=direct)
    assert [each.reason for each in trace.dropped] == ["poison"]
    assert heard == [("good", 1)]
    assert len(trace.events) == 1


@both
@pytest.mark.rule("EV3")
def test_what_was_fired_is_heard_though_its_actor_dies_and_at_the_end_of_the_session(direct: bool) -> None:
    heard: list[object] = []
    counts = Counts(name="counts")

    @counts.on_event("on_counted")
    async def slow(view: object, text: str, count: int) -> None:
        await trio.sleep(1)
        heard.append(text)

    counts.on_event("on_end", lambda view: heard.append("end"))
    trace = play(
        Pipeline(counts), [(TextFrame("a"), Kill("counts"), TextFrame("b")), Sleep(2.5), EndFrame()], direct=direct
    )
    assert trace.ended == "ended"
    assert heard == ["a", "b", "end"]


@pytest.mark.rule("EV3")
def test_handlers_that_never_return_are_cut_a_second_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    counts = Counts(name="counts")

    @counts.on_event("on_counted")
    async def for_ever(view: object, text: str, count: int) -> None:
        await trio.sleep_forever()

    trace = play(Pipeline(counts), [TextFrame("a"), TextFrame("b"), EndFrame()])
    assert trace.ended == "ended"
    assert "handlers of counts's events haven't returned 1 s after the end: 1 more are not called" in caplog.text


@pytest.mark.rule("EV4")
def test_a_handler_that_raises_is_logged_and_fails_nobody(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    counts = Counts(name="counts")

    @counts.on_event("on_counted")
    def breaks(view: object, text: str, count: int) -> None:
        heard.append(text)
        raise KeyError(text)

    with caplog.at_level(logging.ERROR, "antiphon"):
        trace = play(Pipeline(counts), [TextFrame("a"), TextFrame("b")])
    assert heard == ["a", "b"]
    assert not trace.failures
    assert caplog.text.count("counts's handler of on_counted raised KeyError") == 2


@actor
class Speaks(Actor):
    """Fires another's event."""

    of: Address

    @on(TextFrame)
    def read(self, frame: TextFrame) -> Iterator[Effect]:
        yield Fire("on_counted", frame.text, 7, of=self.of, view="a view")


@both
@pytest.mark.rule("EV5")
def test_an_actor_may_fire_anothers_event_with_a_view_of_its_own(direct: bool) -> None:
    heard: list[object] = []
    counts = Counts(name="counts")
    counts.on_event("on_counted", lambda view, text, count: heard.append((view, text, count)))
    trace = play(Pipeline(Speaks(counts.address), counts), [TextFrame("x")], direct=direct)
    assert heard == [("a view", "x", 7)]
    assert [str(each.address) for each in trace.events] == ["counts"]


@pytest.mark.rule("EV6")
def test_an_event_that_the_class_does_not_have_is_refused_where_it_is_said() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"Counts.on_event\('on_count'\): there is no such event. It has: on_counted, on_end, on_number",
    ):
        Counts().on_event("on_count", print)
    with pytest.raises(ConfigurationError, match="give it a function to call"):
        Counts().on_event("on_counted", 3)  # type: ignore[call-overload]  # the mistake that it is about

    @actor
    class Undeclared(Actor):
        @on(TextFrame)
        def read(self, frame: TextFrame) -> Effect:
            return Fire("on_anything")

    trace = play(Pipeline(Undeclared()), [TextFrame("x")])
    assert "doesn't list that event" in str(trace.failures[0].error)


@pytest.mark.rule("EV6")
async def test_registering_with_a_running_actor_is_refused() -> None:
    said: list[str] = []

    @actor
    class Registers(Actor):
        events: ClassVar[tuple[str, ...]] = ("on_x",)

        @on(TextFrame)
        def read(self, frame: TextFrame) -> None:
            try:
                self.on_event("on_x", print)
            except ConfigurationError as error:
                said.append(str(error))

    async with open_session(Pipeline(Registers())) as session:
        await session.push(TextFrame("x"))
    assert "before the session" in said[0]


@pytest.mark.rule("EV1")
def test_each_session_of_a_template_tells_the_same_handlers() -> None:
    heard: list[str] = []
    counts = Counts()
    counts.on_event("on_counted", lambda view, text, count: heard.append(f"{text}{count}"))
    pipeline = Pipeline(counts)
    play(pipeline, [TextFrame("a")])
    play(pipeline, [TextFrame("b")])
    assert heard == ["a1", "b1"]


def test_a_view_names_what_it_has() -> None:
    counts = Counts(name="counts")
    views: list[Any] = []
    counts.on_event("on_counted", lambda view, *_: views.append(view))
    play(Pipeline(counts), [TextFrame("a")])
    with pytest.raises(AttributeError, match="counts keeps no durable 'total'; there are: count"):
        _ = views[0].total

"""Templates, names, addresses, timers and observers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest
import trio

from antiphon import (
    Actor,
    Address,
    After,
    ConfigurationError,
    Down,
    Pipeline,
    To,
    Up,
    actor,
    durable,
    on,
    open_session,
    state,
)
from antiphon.actors import Effect, Effects, Observer
from antiphon.channels import Frame, StartFrame
from antiphon.scenarios import Item, Kill, Sleep, TraceRecorder, play
from tests.actors.notes import Alarm, Ask, Kept, Note, Order, Passes, both, texts


@actor
class Collects(Actor):
    """Mutates its configuration, which it shouldn't, and says what it has become."""

    words: list[str] = attrs.field(factory=list)
    table: dict[str, list[str]] = attrs.field(factory=dict)
    log: Callable[[object], object] = print
    kept: int = durable(0)
    count: int = state(0)

    @on(Note)
    def collect(self, frame: Note) -> Effects:
        self.words.append(frame.text)
        self.table.setdefault("words", []).append(frame.text)
        self.kept += 1
        self.count += 1
        self.log(frame.text)
        return Note(f"{','.join(self.words)} {','.join(self.table['words'])} {self.kept} {self.count}")


# ---- AD1


@both
@pytest.mark.rule("AD1")
def test_a_pipeline_can_be_opened_many_times_and_its_actors_stay_as_they_were(direct: bool) -> None:
    seen: list[object] = []
    template = Collects(words=["a"], table={"words": ["a"]}, log=seen.append)
    pipeline = Pipeline(template)
    for _ in range(2):
        assert texts(play(pipeline, [Note("b")], direct=direct).down) == ["a,b a,b 1 1"]
    assert (template.words, template.table, template.kept, template.count) == (["a"], {"words": ["a"]}, 0, 0)
    assert seen == ["b", "b"]


@both
@pytest.mark.rule("AD1")
def test_configuration_is_copied_at_each_start_too(direct: bool) -> None:
    template = Collects(words=["a"], table={"words": ["a"]}, log=id)
    trace = play(Pipeline(template), [Note("b"), Kill("collects"), Note("c")], direct=direct)
    assert texts(trace.down) == ["a,b a,b 1 1", "a,c a,c 2 1"]


@pytest.mark.rule("AD1")
async def test_two_sessions_of_one_pipeline_share_nothing(autojump_clock: trio.testing.MockClock) -> None:
    pipeline = Pipeline(Collects(log=id))
    async with open_session(pipeline) as one, open_session(pipeline) as other:
        outputs = one.output, other.output
        await one.push(Note("one"))
        await other.push(Note("other"))
        assert [await anext(output) for output in outputs] == [Note("one one 1 1"), Note("other other 1 1")]


@actor
class Calls(Actor):
    """Calls what it was given, by name."""

    functions: dict[str, tuple[Callable[[str], object], ...]]

    @on(Note)
    def call(self, frame: Note) -> None:
        for function in self.functions.pop(frame.text):
            function(frame.text)


class Diary:
    """Something of the application's."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def write(self, text: str) -> None:
        self.pages.append(text)


@both
@pytest.mark.rule("AD1")
def test_what_a_container_of_the_configuration_holds_is_shared_methods_and_their_objects_too(direct: bool) -> None:
    diary = Diary()
    template = Calls({"a": (diary.write, diary.write)})
    for _ in range(2):
        play(Pipeline(template), [Note("a")], direct=direct)
    assert diary.pages == ["a"] * 4


@pytest.mark.rule("AD1")
def test_the_same_actor_twice_in_one_pipeline_is_an_error() -> None:
    passes = Passes()
    with pytest.raises(ConfigurationError, match="Passes"):
        Pipeline(passes, passes)


# ---- AD2


@actor
class LLMContextUser(Actor):
    """Only for its name."""


@both
@pytest.mark.rule("AD2")
def test_names_are_given_or_the_class_in_snake_case_and_counted(direct: bool) -> None:
    pipeline = Pipeline(
        Passes(), Passes(name="mine"), Passes(), LLMContextUser(), Passes(name="passes_3"), Passes(), LLMContextUser()
    )
    trace = play(pipeline, [], direct=direct)
    assert list(trace.durable) == [
        "passes",
        "mine",
        "passes_2",
        "llm_context_user",
        "passes_3",
        "passes_4",
        "llm_context_user_2",
    ]


@both
@pytest.mark.rule("AD2")
def test_inside_a_named_pipeline_names_have_its_name_in_front(direct: bool) -> None:
    trace = play(Pipeline(Passes(), Passes(name="mine"), name="outer"), [Note("x")], direct=direct)
    assert [each.receiver.name for each in trace.deliveries if each.frame == Note("x")] == [
        "outer/passes",
        "outer/mine",
        "sink",
    ]


@pytest.mark.rule("AD2")
def test_one_name_twice_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigurationError, match="mine"):
        Pipeline(Passes(name="mine"), Passes(name="mine"))


@actor
class Tells(Actor):
    """Sends each order's text to whom its configuration says."""

    whom: Address | None = None

    @on(Order)
    def tell(self, frame: Order) -> Effects:
        return To(self.whom or Address("hears"), Ask(frame.text))


@actor
class Hears(Actor):
    """Says what it hears, from whom, and its own name."""

    @on(Ask)
    def hear(self, message: Ask) -> Effects:
        return Note(f"{message.text} from {self.sender} to {self.address}")


@both
@pytest.mark.rule("AD2")
def test_an_address_exists_from_construction_and_tells_actors_of_one_class_apart(direct: bool) -> None:
    first, second = Hears(), Hears()
    trace = play(Pipeline(Tells(second.address), first, second), [Order("x")], direct=direct)
    assert texts(trace.down) == ["x from tells to hears_2"]
    assert first.address.name == "hears"
    assert Hears(name="mine").address == Address("mine")


@both
@pytest.mark.rule("AD2")
def test_a_script_may_send_to_a_templates_address(direct: bool) -> None:
    first, second = Hears(), Hears()
    trace = play(Pipeline(first, second), [To(second.address, Ask("x")), To(first.address, Ask("y"))], direct=direct)
    assert texts(trace.down) == ["x from None to hears_2", "y from None to hears"]


@actor
class Directed(Actor):
    """Says where what it handles was going."""

    @on(Note)
    async def tell(self, frame: Note) -> None:
        await self.push(Kept(f"{frame.text} {self.direction}"))

    @on(Ask)
    def tell_of_a_message(self, message: Ask) -> Effects:
        return Kept(f"{message.text} {self.direction}")


@actor
class Echoes(Actor):
    """Sends each frame back as well."""

    @on(Note)
    def echo(self, frame: Note) -> Effects:
        return Up(frame)


@both
def test_a_handler_knows_which_way_its_frame_was_going(direct: bool) -> None:
    trace = play(
        Pipeline(Directed(), Passes(), Echoes()),
        [Note("x"), To(Address("directed"), Ask("y"))],
        direct=direct,
    )
    assert texts(trace.down) == ["x down", "y None"]
    trace = play(Pipeline(Directed(), Turns(), Echoes()), [Order("x")], direct=direct)
    assert texts(trace.up) == ["x up"]
    assert Directed().direction is None


@actor
class Turns(Actor):
    """Makes a note that comes back."""

    @on(Order)
    def note(self, frame: Order) -> Effects:
        return Down(Note(frame.text))


@both
@pytest.mark.rule("AD2", "AD4")
def test_a_frame_may_be_a_message_too(direct: bool) -> None:
    trace = play(Pipeline(Passes(), Passes()), [To(Address("passes"), Note("x"))], direct=direct)
    assert [(str(each.sender), each.direction) for each in trace.deliveries if each.frame == Note("x")] == [
        ("None", None),
        ("passes", "down"),
        ("passes_2", "down"),
    ]


@both
@pytest.mark.rule("AD2")
def test_the_sender_of_a_message_can_be_answered(direct: bool) -> None:
    trace = play(Pipeline(Answers(), Inquires()), [Order("x")], direct=direct)
    assert trace.handled_by("inquires") == (Order("x"), Ask("answer to x"))


@actor
class Inquires(Actor):
    """Asks the other."""

    @on(Order)
    def inquire(self, frame: Order) -> Effects:
        return To(Address("answers"), Ask(frame.text))

    @on(Ask)
    def take(self, message: Ask) -> None: ...


@actor
class Answers(Actor):
    """Answers whoever asks."""

    @on(Ask)
    def answer(self, message: Ask) -> Effects:
        assert self.sender is not None
        return To(self.sender, Ask(f"answer to {message.text}"))


@both
@pytest.mark.rule("AD2")
def test_an_address_is_looked_up_in_the_senders_session(direct: bool) -> None:
    template = Hears(name="ours")
    trace = play(Pipeline(Tells(Address("ours")), Hears(name="ours")), [Order("x")], direct=direct)
    assert texts(trace.down) == ["x from tells to ours"]
    trace = play(Pipeline(template), [To(Address("theirs"), Ask("x"))], direct=direct)
    assert [each.reason for each in trace.dropped] == ["unknown address"]


@both
@pytest.mark.rule("AD2")
def test_a_message_that_nobody_handles_there_is_dropped(direct: bool) -> None:
    trace = play(Pipeline(Passes()), [To(Address("passes"), Ask("x"))], direct=direct)
    assert [(each.delivery.frame, each.reason) for each in trace.dropped] == [(Ask("x"), "unknown address")]


@actor
class Names(Actor):
    """Says who sent what is in hand."""

    @on(Note, StartFrame)
    def tell(self, frame: Frame) -> Effects:
        return Kept(str(self.sender))

    @on(Order)
    async def later(self, frame: Order) -> None:
        await trio.sleep(1)
        await self.push(Kept(str(self.sender)))
        self.start_soon(self.task)

    async def task(self) -> None:
        await self.push(Kept(str(self.sender)))


@both
@pytest.mark.rule("AD2")
def test_the_sender_is_known_in_plain_and_async_handlers_and_nobody_in_tasks(direct: bool) -> None:
    trace = play(Pipeline(Passes(), Names()), [Note("x"), Order("x")], direct=direct)
    assert texts(trace.down) == ["source", "passes", "passes", "None"]


# ---- AD3


@actor
class Clocks(Actor):
    """Arms what each order says: seconds and a text; a text alone is disarmed."""

    @on(Order)
    def arm(self, frame: Order) -> list[Effect]:
        pairs = [part.split() for part in frame.text.split(",")]
        return [After(float(pair[1]) if len(pair) > 1 else None, Ask(pair[0])) for pair in pairs]

    @on(Ask)
    def ring(self, message: Ask) -> Effects:
        return Note(message.text)


def rings(script: list[Item], direct: bool) -> list[tuple[str, float]]:
    trace = play(Pipeline(Clocks()), script, direct=direct)
    return [
        (texts([each.frame])[0], each.time)
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, Note)
    ]


@both
@pytest.mark.rule("AD3")
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([Order("a 1")], [("a", 1.0)]),
        ([Order("a 2,b 1")], [("b", 1.0), ("a", 2.0)]),
        ([Order("a 1"), Sleep(0.5), Order("a 1")], [("a", 1.5)]),
        ([Order("a 1,a 2,a 0.5")], [("a", 0.5)]),
        ([Order("a 1,b 1,c 1,a 1")], [("b", 1.0), ("c", 1.0), ("a", 1.0)]),
        ([Order("a 1,b 1"), Order("a")], [("b", 1.0)]),
        ([Order("a")], []),
        ([Order("a 1"), Sleep(2), Order("a 1")], [("a", 1.0), ("a", 3.0)]),
        ([Order("a 0")], [("a", 0.0)]),
        ([Order("a 1"), Sleep(0.5), Order("b 0.5")], [("a", 1.0), ("b", 1.0)]),
    ],
)
def test_an_equal_message_is_armed_anew_and_equal_times_ring_in_order_of_arming(
    script: list[Item], expected: list[tuple[str, float]], direct: bool
) -> None:
    assert rings(script, direct) == expected


@both
@pytest.mark.rule("AD3")
def test_a_timer_belongs_to_the_actor_that_armed_it(direct: bool) -> None:
    trace = play(Pipeline(Clocks(), Arms()), [Order("a 1"), Alarm("a")], direct=direct)
    assert [(each.receiver.name, each.time) for each in trace.deliveries if each.frame == Ask("a")] == [
        ("clocks", 1.0),
        ("arms", 2.0),
    ]


@actor
class Arms(Actor):
    """Another that arms equal messages."""

    @on(Alarm)
    def arm(self, frame: Alarm) -> Effects:
        return After(2, Ask(frame.text))

    @on(Ask)
    def ring(self, message: Ask) -> None: ...


@pytest.mark.rule("AD3")
def test_a_timer_in_the_past_is_refused() -> None:
    with pytest.raises(ValueError, match="past"):
        After(-1, Ask("x"))


# ---- AD4


@both
@pytest.mark.rule("AD4", "B13")
def test_messages_and_timers_make_deliveries_without_direction(direct: bool) -> None:
    trace = play(Pipeline(Clocks(), Tells(Address("clocks"))), [Order("a 1")], direct=direct)
    (timer,) = (each for each in trace.deliveries if isinstance(each.frame, Ask))
    assert (timer.sender, timer.receiver, timer.direction) == (Address("clocks"), Address("clocks"), None)
    trace = play(Pipeline(Tells(), Hears()), [Order("x"), To(Address("hears"), Ask("y"))], direct=direct)
    told, sent = (each for each in trace.deliveries if isinstance(each.frame, Ask))
    assert (told.sender, told.receiver, told.direction) == (Address("tells"), Address("hears"), None)
    assert sent.sender is None


class Watches(Observer):
    """An observer that logs the kind of all it is told, and fails at one kind."""

    def __init__(self, log: list[str], name: str, fails_at: str | None = None) -> None:
        self.log = log
        self.name = name
        self.fails_at = fails_at

    def tell(self, what: str) -> None:
        self.log.append(f"{self.name} {what}")
        if what == self.fails_at:
            raise LookupError("an observer must not fail")

    def delivered(self, value: object) -> None:
        self.tell("delivered")

    def dropped(self, value: object) -> None:
        self.tell("dropped")

    def failed(self, value: object) -> None:
        self.tell("failed")

    def restarted(self, value: object) -> None:
        self.tell("restarted")

    def stalled(self, value: object) -> None:
        self.tell("stalled")

    def ended(self, value: object) -> None:
        self.tell(f"ended {value}")


@actor
class Crashes(Actor):
    """Fails on each note."""

    @on(Note)
    def crash(self, frame: Note) -> None:
        raise ValueError(frame.text)


@both
@pytest.mark.rule("AD4")
def test_observers_are_told_of_everything_in_order(direct: bool) -> None:
    log: list[str] = []
    play(Pipeline(Crashes()), [Note("x")], direct=direct, observers=[Watches(log, "a"), Watches(log, "b")])
    assert [entry.removeprefix("a ") for entry in log if entry.startswith("a ")] == [
        "delivered",  # StartFrame leaves
        *["delivered", "failed"],
        *["delivered", "restarted"],  # the ErrorFrame leaves
        *["delivered", "failed", "dropped"],
        *["delivered", "restarted"],
        "delivered",  # CancelFrame leaves
        "ended cancelled",
    ]
    assert log[0::2] == [entry.replace("b ", "a ") for entry in log[1::2]]


@both
@pytest.mark.rule("AD4", "J40")
@pytest.mark.parametrize("fails_at", ["delivered", "dropped", "failed", "restarted", "ended cancelled"])
def test_an_observer_that_raises_is_reported_once_and_removed(
    fails_at: str, direct: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    watches = [Watches(log, "bad", fails_at), Watches(log, "good")]
    with caplog.at_level(logging.ERROR):
        trace = play(Pipeline(Crashes(), Passes()), [Note("x"), Order("y")], direct=direct, observers=watches)
    assert texts(trace.down) == ["y"]
    assert log.count(f"bad {fails_at}") == 1
    assert log.count("good failed") == 2
    assert ["Watches" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.rule("AD4")
async def test_what_an_observer_lacks_is_not_called(autojump_clock: trio.testing.MockClock) -> None:
    class Counts:
        count = 0

        def delivered(self, value: object) -> None:
            self.count += 1

    counts = Counts()
    async with open_session(Pipeline(Crashes()), observers=cast(Any, [counts])) as session:
        await session.push(Note("x"))
    assert counts.count > 2


# ---- statistics


@both
async def test_statistics_tell_for_each_address_what_it_is_doing(
    direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    recorder = TraceRecorder()
    async with open_session(Pipeline(Passes(), Naps()), observers=[recorder], direct=direct) as session:
        await trio.sleep(2)
        for frame in [Note("1"), Note("2"), Alarm("!"), Alarm("?")]:
            await session.push(frame)
        await trio.testing.wait_all_tasks_blocked()
        idle, busy = session.statistics().values()
        assert list(session.statistics()) == [Address("passes"), Address("naps")]
        assert (idle.busy_since, idle.frame, idle.system, idle.ordered, idle.overfill) == (None, None, 0, 0, 0)
        assert (busy.busy_since, busy.frame, busy.system, busy.ordered, busy.overfill) == (2.0, Note("1"), 1, 1, 0)
        await session.cancel()


@actor
class Naps(Actor):
    """Sleeps at everything."""

    @on(Note, Alarm)
    async def nap(self, frame: Frame) -> None:
        await trio.sleep(10)

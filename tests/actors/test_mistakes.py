"""Mistakes speak at once: each is refused where it is made, by an error that names it and says what to write."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing

from antiphon import (
    Actor,
    Address,
    After,
    Backoff,
    Both,
    ConfigurationError,
    Down,
    Immune,
    Interrupt,
    Observer,
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
from antiphon.channels import CancelFrame, EndFrame, InterruptionFrame, StartFrame, TextFrame, TranscriptionFrame
from antiphon.scenarios import play


@actor
class Echo(Actor):
    """Sends on what it gets."""

    @on(TextFrame)
    def echo(self, frame: TextFrame) -> TextFrame:
        return frame


# --- when a class of actors is made


def takes_nothing() -> None:
    @actor
    class Shout(Actor):
        @on(TextFrame)
        def shout(self) -> None: ...


def takes_two() -> None:
    @actor
    class Shout(Actor):
        @on(TextFrame)
        async def shout(self, frame: TextFrame, loudness: int) -> None: ...


def needs_a_keyword() -> None:
    @actor
    class Shout(Actor):
        @on(TextFrame)
        def shout(self, frame: TextFrame, *, loudness: int) -> None: ...


def is_a_static_method() -> None:
    @actor
    class Shout(Actor):
        @staticmethod
        @on(TextFrame)
        def shout(frame: TextFrame) -> None: ...


def overrides_with_a_wrong_signature() -> None:
    @actor
    class Louder(Echo):
        def echo(self) -> None: ...  # type: ignore[override]  # the mistake


def overrides_with_no_method() -> None:
    @actor
    class Mute(Echo):
        echo = None  # type: ignore[assignment]  # the mistake


def is_an_async_generator() -> None:
    @actor
    class Shout(Actor):
        @on(TextFrame)
        async def shout(self, frame: TextFrame) -> AsyncIterator[TextFrame]:
            yield frame


def has_two_handlers_for_one_type() -> None:
    @actor
    class Shout(Actor):
        @on(TextFrame)
        def shout(self, frame: TextFrame) -> None: ...

        @on(TranscriptionFrame, TextFrame)
        def whisper(self, frame: TextFrame) -> None: ...


def names_no_types() -> None:
    class Shout(Actor):
        @on()
        def shout(self, frame: TextFrame) -> None: ...


def forgets_the_parentheses() -> None:
    class Shout(Actor):
        def shout(self, frame: TextFrame) -> None: ...

        on(cast(Any, shout))


def names_an_instance() -> None:
    class Shout(Actor):
        @on(cast(Any, TextFrame("hello")))
        def shout(self, frame: TextFrame) -> None: ...


def names_a_union() -> None:
    class Shout(Actor):
        @on(cast(Any, TextFrame | TranscriptionFrame))
        def shout(self, frame: TextFrame) -> None: ...


def has_a_mutable_state_default() -> None:
    @actor
    class Shout(Actor):
        heard: list[str] = state([])


def has_a_mutable_durable_default() -> None:
    @actor
    class Shout(Actor):
        heard: dict[str, str] = durable({})


def has_a_durable_factory_of_what_is_mutable() -> None:
    @actor
    class Shout(Actor):
        heard: deque[str] = durable(deque)


def has_a_field_without_a_type() -> None:
    @actor
    class Shout(Actor):
        punctuation: str = "!"
        shouted = state(0)


def has_an_init_of_its_own() -> None:
    @actor
    class Shout(Actor):
        def __init__(self, punctuation: str) -> None: ...


def takes_a_name_that_every_actor_has() -> None:
    @actor
    class Shout(Actor):
        @on(TextFrame)
        def push(self, frame: TextFrame) -> None: ...  # type: ignore[override]  # the mistake


def has_a_field_that_every_actor_has() -> None:
    @actor
    class Shout(Actor):
        random: int = 3  # type: ignore[assignment]  # the mistake


def has_a_lifespan_that_is_no_context_manager() -> None:
    @actor
    class Shout(Actor):
        async def lifespan(self) -> AsyncIterator[None]:  # type: ignore[override]  # the mistake
            yield


def decorates_what_is_no_actor() -> None:
    class Shout: ...

    actor(cast(Any, Shout))


@pytest.mark.parametrize(
    ("define", "told"),
    [
        (takes_nothing, ["Shout.shout handles TextFrame", "def shout(self)", "Write `def shout(self, frame)`"]),
        (takes_two, ["Shout.shout handles TextFrame", "'loudness'", "Write `async def shout(self, frame)`"]),
        (needs_a_keyword, ["Shout.shout handles TextFrame", "'loudness'", "Write `def shout(self, frame)`"]),
        (is_a_static_method, ["Shout.shout handles TextFrame", "staticmethod", "Write `def shout(self, frame)`"]),
        (overrides_with_a_wrong_signature, ["Louder.echo handles TextFrame", "Write `def echo(self, frame)`"]),
        (overrides_with_no_method, ["Mute.echo handles TextFrame", "NoneType", "Write `def echo(self, frame)`"]),
        (is_an_async_generator, ["Shout.shout handles TextFrame", "async generator", "Write `await self.push(...)`"]),
        (has_two_handlers_for_one_type, ["Shout has two handlers for TextFrame", "shout and whisper", "Keep one"]),
        (names_no_types, ["Shout.shout: @on() names no types", "Write e.g. `@on(TextFrame)`"]),
        (forgets_the_parentheses, ["Shout.shout: @on() names no types", "Write e.g. `@on(TextFrame)`"]),
        (names_an_instance, ["Shout.shout: @on(TextFrame(", "Write e.g. `@on(TextFrame)`"]),
        (names_a_union, ["Shout.shout: @on(", "Write e.g. `@on(TextFrame)` or `@on(TextFrame, "]),
        (has_a_mutable_state_default, ["Shout.heard", "mutable", "Write state(list)"]),
        (has_a_mutable_durable_default, ["Shout.heard", "mutable", "durable(())"]),
        (has_a_durable_factory_of_what_is_mutable, ["Shout.heard", "mutable", "durable(())"]),
        (has_a_field_without_a_type, ["Shout: a field has a type", "`heard: int = state(0)`", "shouted"]),
        (has_an_init_of_its_own, ["Shout.__init__", "Write fields instead"]),
        (takes_a_name_that_every_actor_has, ["Shout.push", "Choose another name"]),
        (has_a_field_that_every_actor_has, ["Shout.random", "Choose another name"]),
        (has_a_lifespan_that_is_no_context_manager, ["Shout.lifespan", "Write `@asynccontextmanager`"]),
        (decorates_what_is_no_actor, ["Shout", "Write `class X(Actor)`"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mistake_in_a_class_speaks_when_the_class_is_made(define: Callable[[], None], told: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        define()
    for words in told:
        assert words in str(error.value)


# --- when a pipeline is made


class Undecorated(Echo):
    """Has no @actor."""


ONE = Echo()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Pipeline(ONE, Echo(), ONE), ["the same Echo stands in it twice", "make another"]),
        (lambda: Pipeline(ONE, child(ONE)), ["the same Echo stands in it twice", "make another"]),
        (lambda: Pipeline(Echo(name="a"), Echo(name="a")), ["Echo: name='a' is taken", "Give it another"]),
        (lambda: Pipeline(Echo(name="source")), ["Echo: name='source' is taken", "Give it another"]),
        (lambda: Pipeline(Echo(name="a/b")), ["Echo: name='a/b'", "without a slash"]),
        (lambda: Pipeline(Echo(name="")), ["Echo: name=''", "not empty"]),
        (lambda: Pipeline(Echo(name=cast(Any, 3))), ["Echo: name=3", "a name is text"]),
        (lambda: Pipeline(name="a/b"), ["Pipeline: name='a/b'", "without a slash"]),
        (lambda: Pipeline(Undecorated()), ["number 1: Undecorated", "Write @actor above `class Undecorated`"]),
        (lambda: Pipeline(ONE, cast(Any, Echo)), ["number 2: Echo is a class", "Write Echo()"]),
        (lambda: Pipeline(Pipeline(ONE), ONE), ["the same Echo stands in it twice", "make another"]),
        (lambda: Parallel(), ["Parallel: it has no branch", "Write Parallel(Pipeline(...), ...)"]),
        (lambda: Parallel(cast(Any, Echo())), ["Parallel, branch 1: Echo is no Pipeline", "Write Pipeline(Echo(...))"]),
        (lambda: child(Echo(), restart=cast(Any, "never")), ["child(Echo(...)): restart='never'", "temporary"]),
        (lambda: child(Pipeline(), grace=2), ["child(Pipeline(...)): grace and max_buffer belong to actors"]),
        (lambda: Pipeline(cast(Any, [Echo()])), ["number 1: ", "Write a star before it"]),
        (lambda: Pipeline(cast(Any, print)), ["number 1: ", "is no actor", "Write an instance"]),
        (lambda: Pipeline(max_buffer=0), ["Pipeline: max_buffer=0", "a whole number, at least 1"]),
        (lambda: Pipeline(max_buffer=cast(Any, 2.5)), ["Pipeline: max_buffer=2.5", "a whole number, at least 1"]),
        (lambda: Pipeline(max_media=0), ["Pipeline: max_media=0", "more than 0"]),
        (lambda: Pipeline(max_restarts=-1), ["Pipeline: max_restarts=-1", "at least 0"]),
        (lambda: Pipeline(max_restarts=cast(Any, "3")), ["Pipeline: max_restarts='3'", "a whole number"]),
        (lambda: Pipeline(within=0), ["Pipeline: within=0", "more than 0"]),
        (lambda: Pipeline(within=math.nan), ["Pipeline: within=nan", "more than 0"]),
        (lambda: Pipeline(strategy=cast(Any, "all_for_one")), ["Pipeline: strategy='all_for_one'", "one_for_all"]),
        (lambda: child(cast(Any, Echo)), ["child: Echo is a class", "Write Echo()"]),
        (lambda: child(Echo(), grace=0), ["child(Echo(...)): grace=0", "more than 0"]),
        (lambda: child(Echo(), grace=math.inf), ["child(Echo(...)): grace=inf", "never end"]),
        (lambda: child(Echo(), grace=cast(Any, "1")), ["child(Echo(...)): grace='1'", "a number"]),
        (lambda: child(Echo(), max_buffer=0), ["child(Echo(...)): max_buffer=0", "at least 1"]),
        (lambda: child(Echo(), backoff=cast(Any, 0.5)), ["child(Echo(...)): backoff=0.5", "Write e.g. Backoff("]),
        (lambda: Backoff(first=-1), ["Backoff: first=-1", "at least 0"]),
        (lambda: Backoff(factor=0.5), ["Backoff: factor=0.5", "at least 1"]),
        (lambda: Backoff(most=cast(Any, None)), ["Backoff: most=None", "a number"]),
        (lambda: Backoff(jitter=2), ["Backoff: jitter=2", "at most 1"]),
    ],
)
def test_a_mistake_in_a_pipeline_speaks_when_it_is_made(make: Callable[[], object], told: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        make()
    for words in told:
        assert words in str(error.value)


# --- when a session is opened


@actor
class Asks(Actor):
    """Knows others by what its field holds."""

    other: object = None


@pytest.mark.parametrize(
    "held",
    [
        Address("nobody"),
        (Address("echo"), Address("nobody")),
        [Address("nobody")],
        {"first": Address("nobody")},
        ((Address("echo"), frozenset([Address("nobody")])),),
    ],
)
def test_an_address_that_the_session_does_not_hold_is_refused_at_the_start(held: object) -> None:
    with pytest.raises(ConfigurationError, match=r"Asks\.other .*Address\('nobody'\).* There are: asks, echo"):
        play(Pipeline(Asks(held), Echo()), [])


def test_the_address_of_an_actor_that_stands_in_no_pipeline_is_refused_though_another_has_its_name() -> None:
    with pytest.raises(ConfigurationError, match=r"Asks\.other .*Address\('echo'\)"):
        play(Pipeline(Asks(Echo().address), Echo()), [])


def test_an_actor_in_place_of_its_address_is_refused_at_the_start() -> None:
    echo = Echo()
    with pytest.raises(ConfigurationError, match=r"Asks\.other holds an actor.* Write its `\.address`"):
        play(Pipeline(Asks((echo,)), echo), [])


class Deaf:
    """Has no method that an observer has."""


class Waits:
    """An observer that can't be waited for."""

    async def delivered(self, delivery: object) -> None: ...


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"observers": Observer()}, "Write observers=(observer,)"),
        ({"observers": [Observer]}, "Observer is a class. Write Observer()"),
        ({"observers": [Deaf()]}, "none of the methods delivered, dropped"),
        ({"observers": [Waits()]}, "Waits.delivered is async, and nobody waits for it. Write `def`"),
        ({"sample_rates": (0, 24000)}, "Write Hz in, Hz out"),
        ({"sample_rates": (16000,)}, "Write Hz in, Hz out"),
    ],
)
async def test_a_mistake_in_a_sessions_options_speaks_when_it_is_opened(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        async with open_session(Pipeline(), **options):
            pass
    assert told in str(error.value)


async def test_a_session_of_what_is_no_pipeline_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Pipeline\(MyActor\(\)\)"):
        async with open_session(cast(Any, Echo())):
            pass


# --- when a session is asked for something


@attrs.frozen
class Question:
    """A message."""

    text: str


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (
            lambda session: session.push("hello"),
            ["session.push('hello')", "no frame", "session.send(address, message)"],
        ),
        (lambda session: session.push(TextFrame), ["session.push(", "write TextFrame(...)"]),
        (lambda session: session.push(StartFrame()), ["session.push(StartFrame())", "the session sends it itself"]),
        (lambda session: session.send("echo", Question("?")), ["session.send('echo', ...)", 'Write Address("user")']),
        (lambda session: session.send(ONE, Question("?")), ["session.send(Echo", "Write the actor's `.address`"]),
        (lambda session: session.send(Address("echo"), ["?"]), ["['?']", "mutable", "@attrs.frozen"]),
        (lambda session: session.send(Address("echo"), EndFrame()), ["EndFrame", "as a message", "EndWorkerFrame()"]),
    ],
)
async def test_a_mistake_in_what_a_session_is_asked_speaks_at_the_call(
    ask: Callable[[Any], Any], told: list[str]
) -> None:
    async with open_session(Pipeline(Echo())) as session:
        with pytest.raises(TypeError) as error:
            await ask(session)
        for words in told:
            assert words in str(error.value)


async def test_a_direction_that_is_none_is_refused() -> None:
    async with open_session(Pipeline()) as session:
        with pytest.raises(ValueError, match="'down' or 'up'"):
            await session.push(TextFrame("x"), direction=cast(Any, "sideways"))


async def test_durable_values_of_an_unknown_actor_are_refused_with_those_that_there_are() -> None:
    async with open_session(Pipeline(Echo())) as session:
        with pytest.raises(KeyError, match=r"no actor at nobody .* there are echo"):
            session.durable(Address("nobody"))


# --- when a handler sends something


@actor
class Sends(Actor):
    """Sends what it is told to, in each way that there is."""

    what: Callable[[], Any]
    how: str = "yield"

    @on(TextFrame)
    def send(self, frame: TextFrame) -> Iterator[Any]:
        yield self.what()

    @on(TranscriptionFrame)
    async def send_by_push(self, frame: TranscriptionFrame) -> None:
        await self.push(self.what())


BAD: list[tuple[Callable[[], Any], list[str]]] = [
    (lambda: Question("?"), ["Question(text='?')", "neither a frame nor an effect", "say To(address, message)"]),
    (lambda: "hello", ["'hello'", "neither a frame nor an effect"]),
    (lambda: None, ["None", "neither a frame nor an effect"]),
    (lambda: TextFrame, ["TextFrame", "a class: write TextFrame(...)"]),
    (lambda: Up(cast(Any, "hello")), ["Up(frame='hello')", "'hello' is no frame"]),
    (lambda: Both(cast(Any, Question("?"))), ["Both(", "is no frame", "say To(address, message)"]),
    (lambda: Up(cast(Any, Immune(TextFrame("x")))), ["Up(", "is no frame", "Write Immune outside: Immune(Up(frame))"]),
    (lambda: Immune(cast(Any, To(Address("echo"), 1))), ["Immune(", "Immune holds a frame, Up, Down or Both"]),
    (lambda: Immune(cast(Any, Interrupt())), ["Immune(", "Immune holds a frame, Up, Down or Both"]),
    (lambda: To(Address("echo"), ["?"]), ["['?']", "mutable", "@attrs.frozen"]),
    (lambda: After(1, {"a": 1}), ["{'a': 1}", "mutable", "@attrs.frozen"]),
    (lambda: To(Address("echo"), EndFrame()), ["EndFrame", "as a message", "EndWorkerFrame()"]),
    (lambda: To(Address("echo"), InterruptionFrame()), ["InterruptionFrame", "as a message", "Interrupt()"]),
    (lambda: StartFrame(), ["StartFrame", "The session sends it"]),
    (lambda: EndFrame(), ["EndFrame", "send EndWorkerFrame()"]),
    (lambda: Down(CancelFrame()), ["CancelFrame", "send CancelWorkerFrame()"]),
]


@pytest.mark.rule("DL7")
@pytest.mark.parametrize(("what", "told"), BAD)
def test_what_is_no_effect_fails_the_handler_that_yielded_it_by_name(what: Callable[[], Any], told: list[str]) -> None:
    trace = play(Pipeline(Sends(what), Echo()), [TextFrame("x")])
    for words in ["sends: Sends.send sent ", *told]:
        assert words in str(trace.failures[0].error)


@pytest.mark.rule("DL7")
@pytest.mark.parametrize(("what", "told"), BAD)
def test_what_is_no_effect_is_refused_by_push(what: Callable[[], Any], told: list[str]) -> None:
    trace = play(Pipeline(Sends(what), Echo()), [TranscriptionFrame("x")])
    for words in ["sends: Sends.push() was given ", *told]:
        assert words in str(trace.failures[0].error)


@pytest.mark.parametrize(
    ("make", "kind", "told"),
    [
        (lambda: To(cast(Any, "user"), 1), TypeError, ["To('user', ...)", 'Write Address("user")']),
        (lambda: To(cast(Any, ONE), 1), TypeError, ["To(Echo", "Write the actor's `.address`"]),
        (lambda: Address(cast(Any, 3)), TypeError, ["Address(3)", 'Address("user")']),
        (lambda: After(-1, 1), ValueError, ["After(-1, ...)", "0 or more"]),
        (lambda: After(math.nan, 1), ValueError, ["After(nan, ...)", "0 or more"]),
        (lambda: After(cast(Any, "1"), 1), TypeError, ["After('1', ...)", "a number"]),
    ],
)
def test_a_mistake_in_an_effect_speaks_when_it_is_made(
    make: Callable[[], object], kind: type[Exception], told: list[str]
) -> None:
    with pytest.raises(kind) as error:
        make()
    for words in told:
        assert words in str(error.value)


@actor
class Returns(Actor):
    """A plain handler that returns what a function makes."""

    make: Callable[[Actor, TextFrame], Any]

    @on(TextFrame)
    def answer(self, frame: TextFrame) -> Any:
        return self.make(self, frame)


async def later(myself: Actor, frame: TextFrame) -> TextFrame:
    return frame


def yields_and_returns(myself: Actor, frame: TextFrame) -> Any:
    if frame.text != "x":
        yield frame
    return frame


async def yields_later(myself: Actor, frame: TextFrame) -> AsyncIterator[TextFrame]:
    yield frame


def pushes(myself: Actor, frame: TextFrame) -> None:
    myself.push(frame)  # type: ignore[unused-coroutine]  # the mistake


def starts_a_coroutine(myself: Actor, frame: TextFrame) -> None:
    coroutine = later(myself, frame)
    try:
        myself.start_soon(cast(Any, coroutine))
    finally:
        coroutine.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (later, ["returns: Returns.answer sent a coroutine", "Make it `async def`"]),
        (
            yields_and_returns,
            ["returns: Returns.answer yields, so what it returns is lost", "Write `yield ...; return`"],
        ),
        (yields_later, ["returns: Returns.answer sent <async_generator", "neither a frame nor an effect"]),
        (pushes, ["returns: push() in a plain handler", "`yield` or `return` the effect instead"]),
        (starts_a_coroutine, ["returns: start_soon(<coroutine", "Write start_soon(function, argument...)"]),
    ],
)
def test_a_mistake_in_a_plain_handler_fails_it_by_name(make: Callable[..., Any], told: list[str]) -> None:
    trace = play(Pipeline(Returns(make)), [TextFrame("x")])
    for words in told:
        assert words in str(trace.failures[0].error)
    assert trace.down == ()


@pytest.mark.parametrize(
    "use",
    [
        lambda myself: myself.push(TextFrame("x")),
        lambda myself: myself.start_soon(trio.sleep, 1),
        lambda myself: myself.allow(1),
        lambda myself: myself.random,
        lambda myself: myself.outside,
        lambda myself: myself.epoch,
        lambda myself: myself.now,
        lambda myself: myself.at(1).__enter__(),
    ],
)
def test_what_needs_a_session_says_so_outside_one(use: Callable[[Actor], object]) -> None:
    with pytest.raises(ConfigurationError, match=r"Echo\.\w+ needs a session: .*play\(\) the pipeline"):
        use(Echo())


@actor
class OpensBadly(Actor):
    """Its `lifespan` pushes what is no effect."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await self.push(cast(Any, "hello"))
        yield


def test_a_mistake_in_a_lifespan_fails_the_actor_by_name() -> None:
    trace = play(Pipeline(OpensBadly()), [])
    assert "opens_badly: OpensBadly.push() was given 'hello'" in str(trace.failures[0].error)


@pytest.mark.parametrize("item", ["hello", TextFrame, Question("?"), 3])
def test_what_is_no_item_of_a_script_is_refused_before_it_is_played(item: object) -> None:
    with pytest.raises(TypeError, match="is no item of a script"):
        play(Pipeline(), [cast(Any, item)])

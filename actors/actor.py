"""An actor: configuration, state, and handlers by type.

1. Everything that can be known when a class is made is checked then: a mistake in a handler speaks before a call is
   taken.
2. An instance that a pipeline is made of is a template: sessions make their own from its configuration.
"""

from __future__ import annotations

import copy
import inspect
import random as random_module
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, dataclass_transform, overload

import attrs

from ..channels.frames import Frame, InterruptionFrame, PipelineFlushFrame, SystemFrame
from ..channels.mailbox import Direction
from . import hand as hands
from .definition import HANDLES, KIND, check_class, check_defaults, check_types, collect_handlers
from .effects import FRAME_TYPES, LIFECYCLE, OBEYED, Address, Effect, effects_of
from .errors import ConfigurationError
from .events import check_listener

if TYPE_CHECKING:
    from .cell import Cell
    from .outside import Outside

__all__ = ["Actor", "actor", "durable", "on", "state"]

T = TypeVar("T")
ActorClass = TypeVar("ActorClass", bound="type[Actor]")
Handler = TypeVar("Handler", bound=Callable[..., Any])
Listener = TypeVar("Listener", bound=Callable[..., Any])

_BY_NAME_ONLY = (*LIFECYCLE, InterruptionFrame, PipelineFlushFrame)


def on(*types: type) -> Callable[[Handler], Handler]:
    """Make a method the handler of frames or messages of these types and their subclasses.

    The most specific handler in a frame's MRO gets it. StartFrame, EndFrame, StopFrame, CancelFrame, InterruptionFrame and
    PipelineFlushFrame go only to handlers that name them, not to one for a base class. Frames that pause and resume are
    for none.
    """
    if len(types) == 1 and inspect.isfunction(types[0]):
        check_types((), types[0])  # `@on` without its parentheses

    def mark(handler: Handler) -> Handler:
        check_types(types, handler)
        setattr(handler, HANDLES, (*getattr(handler, HANDLES, ()), *types))
        return handler

    return mark


@overload
def state(default: Callable[[], T], *, init: Literal[False] = False) -> T: ...
@overload
def state(default: T, *, init: Literal[False] = False) -> T: ...
def state(default: Any, *, init: Literal[False] = False) -> Any:
    """A field that begins anew at every restart: a value, or something to call for one, as `state(list)`."""
    if callable(default):
        return attrs.field(factory=default, init=False, repr=False, metadata={KIND: "state"})
    return attrs.field(default=default, init=False, repr=False, metadata={KIND: "state"})


@overload
def durable(default: Callable[[], T], *, init: Literal[False] = False) -> T: ...
@overload
def durable(default: T, *, init: Literal[False] = False) -> T: ...
def durable(default: Any, *, init: Literal[False] = False) -> Any:
    """A field that survives a restart. Its values are immutable (hashable): change it by assigning another one."""
    options: dict[str, Any] = {"init": False, "repr": False, "on_setattr": _assign, "metadata": {KIND: "durable"}}
    return attrs.field(factory=default, **options) if callable(default) else attrs.field(default=default, **options)


def _assign(instance: Actor, attribute: attrs.Attribute[Any], value: Any) -> Any:
    cell = instance._cell
    if cell is None:
        return value
    if cell.transaction is not None and instance is cell.actor:
        cell.transaction.note(attribute.name)  # a plain handler's, and not its first
    else:
        cell.assigning(instance, attribute.name)
    return value


class Route:
    """How one class of actors treats one type of frame or message."""

    __slots__ = ("facts", "handler", "is_async", "is_direct", "is_lifecycle", "is_obeyed", "is_system")

    def __init__(self, kind: type, handler: Callable[..., Any] | None) -> None:
        self.handler = handler
        self.is_async = handler is not None and inspect.iscoroutinefunction(handler)
        self.is_lifecycle = issubclass(kind, LIFECYCLE)
        self.is_system = issubclass(kind, SystemFrame) or not issubclass(kind, Frame)
        self.is_obeyed = issubclass(kind, OBEYED)
        self.facts = FRAME_TYPES[kind]
        # A sender may run this handler itself.
        self.is_direct = handler is not None and not self.is_async and not self.is_lifecycle and not self.is_obeyed


class Routes(dict[type, Route]):
    """The routes of a class, found once a type."""

    def __init__(self, handlers: dict[type, Callable[..., Any]]) -> None:
        self.handlers = handlers

    def __missing__(self, kind: type) -> Route:
        if issubclass(kind, OBEYED):
            # A handler, so that no walk goes past a cell without asking it.
            route = self[kind] = Route(kind, _pass_on)
            return route
        special = next((one for one in _BY_NAME_ONLY if issubclass(kind, one)), None)
        bases = kind.__mro__ if special is None else [base for base in kind.__mro__ if issubclass(base, special)]
        handler = next((self.handlers[base] for base in bases if base in self.handlers), None)
        route = self[kind] = Route(kind, handler)
        return route


@dataclass_transform(field_specifiers=(attrs.field, state, durable))
def _base(cls: ActorClass) -> ActorClass:
    try:
        return attrs.define(eq=False, slots=True, on_setattr=None, auto_attribs=True)(cls)
    except attrs.exceptions.UnannotatedAttributeError as error:
        raise ConfigurationError(
            f"{cls.__name__}: a field has a type. Write e.g. `heard: int = state(0)`. {error}"
        ) from None


@_base
class Actor:
    """Base of all actors. Decorate subclasses with `@actor`.

    Fields are configuration, the same after every restart; `state(...)` fields begin anew; `durable(...)` fields
    survive.
    """

    name: str | None = attrs.field(default=None, kw_only=True)
    """How others reach it, `Address(name)`; by default its class in snake case."""
    _cell: Cell | None = attrs.field(default=None, init=False, repr=False)
    _address: Address | None = attrs.field(default=None, init=False, repr=False)
    _random: random_module.Random | None = attrs.field(default=None, init=False, repr=False)
    _outside: Outside | None = attrs.field(default=None, init=False, repr=False)
    _listeners: dict[str, list[Callable[..., Any]]] | None = attrs.field(default=None, init=False, repr=False)
    """Of a template: who hears of its events."""
    events: ClassVar[tuple[str, ...]] = ()
    """The names of the events that it fires."""
    event_aliases: ClassVar[Mapping[str, str]] = {}
    """Other names of events, and the name that is meant."""
    waits_for_room: ClassVar[bool] = True
    """Whether its plain handlers of ordered frames wait until those behind it have room. False is for who sends little, and must go
    on hearing even if nobody behind it gets on.
    """
    _routes: ClassVar[Routes] = Routes({})
    _durables: ClassVar[tuple[str, ...]] = ()

    @property
    def address(self) -> Address:
        """How others reach this actor."""
        if self._cell is not None:
            return self._cell.address
        if self._address is None:
            self._address = Address(self.name or snake_case(type(self).__name__), template=self)
        return self._address

    @property
    def sender(self) -> Address | None:
        """Who sent what is being handled; None when that is nobody: a task, `lifespan()`, a test."""
        return None if self._cell is None else hands.sender_of(self._cell)

    @property
    def direction(self) -> Direction | None:
        """The way of the frame in hand, `"down"` or `"up"`; None for what has none: messages, tasks, an InterruptionFrame."""
        return None if self._cell is None else hands.direction_of(self._cell)

    @property
    def epoch(self) -> int:
        """The epoch that stamps what is sent from here; each interruption begins another."""
        return hands.epoch_of(self._in_session("epoch"))

    @property
    def now(self) -> float:
        """Seconds since the session began."""
        return self._in_session("now").dispatcher.observers.now()

    @property
    def timestamp(self) -> str:
        """Now, as ISO 8601 in UTC, for people and models. In virtual time sessions begin in 1970."""
        return self._in_session("timestamp").dispatcher.observers.timestamp()

    @property
    def random(self) -> random_module.Random:
        """Randomness from the session's seed, this actor's name and its incarnation."""
        if self._random is None:
            self._random = self._in_session("random").make_random()
        return self._random

    @property
    def outside(self) -> Outside:
        """The door through which everything enters and leaves: sockets, HTTP, child processes."""
        if self._outside is None:
            self._outside = self._in_session("outside").make_outside()
        return self._outside

    @overload
    def on_event(self, name: str, handler: Listener) -> Listener: ...
    @overload
    def on_event(self, name: str) -> Callable[[Listener], Listener]: ...
    def on_event(self, name: str, handler: Any = None) -> Any:
        """Have a function called, plain or async, when this actor fires the event: `handler(view, *payload)`. Also as a
        decorator, `@actor.on_event("on_...")`. On the template, before a session is made of it; it holds for each.

        The first argument is a read-only view of the actor: its durable values, as they were when the event was fired. Handlers
        run in the order fired, outside the actor's loops; what they raise is logged. Raises `ConfigurationError` for an event
        that the actor doesn't have.
        """
        cls = type(self)
        if self._cell is not None:
            raise ConfigurationError(
                f"{cls.__name__}.on_event({name!r}): this instance runs in a session. Register with the one that the pipeline is"
                " made of, before the session."
            )
        meant = check_listener(cls.__name__, name, handler, events=cls.events, aliases=cls.event_aliases)
        if handler is None:
            return lambda handler: self.on_event(name, handler)
        if self._listeners is None:
            self._listeners = {}
        self._listeners.setdefault(meant, []).append(handler)
        return handler

    def listeners(self, name: str) -> tuple[Callable[..., Any], ...]:
        """Who hears of that event."""
        return () if self._listeners is None else tuple(self._listeners.get(name, ()))

    def lifespan(self) -> AbstractAsyncContextManager[object]:
        """Around the actor's life: what it opens here is there before the first frame and closed after the last."""
        return _nothing()

    def push(self, *effects: Effect) -> Coroutine[Any, Any, None]:
        """Let an effect happen now, from an async handler or a task; several happen in one step, none of them alone.

        A bare frame goes where the frame in hand was going, else downstream. Waits while the ordered lane of the
        receiver downstream is full. Raises `TypeError` for what isn't an effect, and already when called, without an
        `await`: `RuntimeError` in a plain handler (yield the effect), `ConfigurationError` outside a session.
        """
        return hands.push(self._in_session("push"), self, effects)

    def start_soon(
        self, run: Callable[..., Awaitable[object]], *arguments: object, interruptible: bool | None = None
    ) -> None:
        """Run a task that ends with this incarnation; what it raises fails the actor.

        Started in a handler it is cut by an interruption of that turn, unless `interruptible` is False; started in
        `lifespan()` or by such a task it isn't, unless it is True.
        """
        hands.start_task(self._in_session("start_soon"), self, run, arguments, interruptible)

    @contextmanager
    def at(self, epoch: int) -> Iterator[None]:
        """What is pushed inside carries this epoch's stamp: that of the request which it answers."""
        with hands.at(self._in_session("at"), epoch):
            yield

    def allow(self, seconds: float) -> None:
        """While the session ends: this actor may take that much longer than its grace, counted from now."""
        self._in_session("allow").patience.allow(seconds)

    def handle(self, frame: object) -> tuple[Effect, ...]:
        """The effects of the plain handler for this frame or message: a pure step, to test an actor without a session.

        Without a handler a frame passes: the only effect is the frame itself. Raises `TypeError` for an async
        handler, and for a message without handler.
        """
        route = type(self)._routes[type(frame)]
        if route.is_async:
            raise TypeError(f"{type(self).__name__} handles {type(frame).__name__} in an async handler: play() it.")
        if route.handler is None:
            if isinstance(frame, Frame):
                return (frame,)
            raise TypeError(f"{type(self).__name__} has no handler for the message {frame!r}")
        return effects_of(route.handler(self, frame), self.address, route.handler, frame, self.events)

    def _in_session(self, wanted: str) -> Cell:
        if self._cell is None:
            raise ConfigurationError(
                f"{type(self).__name__}.{wanted} needs a session: this instance is the template that a pipeline is made of."
                " Use it in handlers and tasks, or play() the pipeline."
            )
        return self._cell


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


def _pass_on(actor: Actor, frame: Frame) -> Frame:
    """What anybody does with a pause that names another actor."""
    return frame


@dataclass_transform(field_specifiers=(attrs.field, state, durable))
def actor(cls: ActorClass) -> ActorClass:
    """Make a class of actors: `attrs.define` underneath, handlers collected.

    Raises `ConfigurationError` for what can't work, such as a handler that takes no frame or a mutable default.
    """
    if not (isinstance(cls, type) and issubclass(cls, Actor)):
        raise ConfigurationError(f"@actor decorates subclasses of Actor; {cls!r} isn't one. Write `class X(Actor)`.")
    check_class(cls, Actor)
    made = _base(cls)
    fields = fields_of(made)
    check_defaults(made, fields)
    made._routes = Routes(collect_handlers(made))
    made._durables = tuple(field.name for field in fields if field.metadata.get(KIND) == "durable")
    return made


def is_actor_class(cls: type) -> bool:
    """Whether `@actor` made this very class."""
    return "_routes" in cls.__dict__


def fields_of(cls: type[Actor]) -> tuple[attrs.Attribute[Any], ...]:
    """Its fields. Type checkers see a dataclass here, since `@actor` is no name of attrs'."""
    return cast("tuple[attrs.Attribute[Any], ...]", attrs.fields(cast(Any, cls)))


def has_lifespan(cls: type[Actor]) -> bool:
    return cls.lifespan is not Actor.lifespan


CONTAINERS = (list, dict, set, bytearray)
"""What an actor might change in its configuration, so that each instance gets its own."""


def copied(container: Any) -> Any:
    """The same containers once more, at any depth, with the very objects that they hold."""
    # `deepcopy` copies whatever it isn't told to be copied already: a callable's object, too, with all that hangs on it.
    shared: dict[int, object] = {}
    seen: set[int] = set()
    inside: list[Any] = [container]
    while inside:
        each = inside.pop()
        if not isinstance(each, (*CONTAINERS, tuple, frozenset)):
            shared[id(each)] = each
        elif id(each) not in seen and not isinstance(each, bytearray):
            seen.add(id(each))
            inside += [*each, *each.values()] if isinstance(each, dict) else each
    return copy.deepcopy(container, shared)


def fresh(template: Actor) -> Any:
    """A new instance of the same configuration. Lists, dicts and sets are copied deeply; other objects are shared."""
    values: dict[str, Any] = {}
    for field in fields_of(type(template)):
        if field.init:
            value = getattr(template, field.name)
            values[field.alias or field.name] = copied(value) if isinstance(value, CONTAINERS) else value
    return type(template)(**values)


def snake_case(name: str) -> str:
    """`DeepgramSTT` as `deepgram_stt`, `LLMContextUser` as `llm_context_user`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()

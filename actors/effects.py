"""What a handler may return, yield or push: values that say what is to happen.

An effect is inert. It does nothing until its actor's handler has ended (plain) or pushed it (async), so a test can
read it and a trace can show it. All effects of a handler are checked before the first of them happens.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from types import GeneratorType
from typing import Any, TypeAlias, cast

import attrs

from ..channels.frames import (
    BotSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    StartFrame,
    StopFrame,
    SystemFrame,
    TranscriptionFrame,
    Uninterruptible,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
)

__all__ = ["Address", "After", "Both", "Down", "Effect", "Effects", "Finish", "Fire", "Immune", "Interrupt", "To", "Up"]


@attrs.frozen(repr=False)
class Address:
    """The name by which one actor of a session reaches another, e.g. `Address("user")`, or `Address("outer/inner")`
    inside a named pipeline.
    """

    name: str
    template: object = attrs.field(default=None, eq=False, kw_only=True)
    """The actor that this address was asked from, if any: two actors of one class differ by it before a session has
    named them.
    """

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f'Address({self.name!r}): an address is a name. Write e.g. Address("user").')

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Address({self.name!r})"


@attrs.frozen
class Up:
    """Send the frame upstream, towards the source."""

    frame: Frame


@attrs.frozen
class Down:
    """Send the frame downstream, towards the sink."""

    frame: Frame


@attrs.frozen
class Both:
    """Send the frame both ways: two effects, downstream first."""

    frame: Frame


@attrs.frozen
class Immune:
    """The effect, but no interruption drops what it sends. It holds for this one sending; what is made of the frame
    later isn't immune by it.
    """

    effect: Frame | Up | Down | Both


@attrs.frozen
class To:
    """Send a message, any frozen value, to another actor: in its system lane, never refused. Unknown addresses are
    reported as drops.
    """

    address: Address
    message: object

    def __attrs_post_init__(self) -> None:
        check_address("To", self.address)


@attrs.frozen
class After:
    """Get an own message after `seconds`. An equal message still waiting is re-armed; `seconds` None disarms it."""

    seconds: float | None
    message: object

    def __attrs_post_init__(self) -> None:
        if self.seconds is None:
            return
        if not isinstance(self.seconds, (int, float)):
            raise TypeError(f"After({self.seconds!r}, ...): seconds are a number, or None to disarm.")
        if not self.seconds >= 0:
            raise ValueError(f"After({self.seconds!r}, ...): a timer can't fire in the past. Seconds are 0 or more.")


@attrs.frozen
class Interrupt:
    """Begin the next epoch: everything interruptible of the present one is cut and dropped, in every actor of the
    session, in one step.
    """


@attrs.frozen
class Finish:
    """The actor has done its work: it ends normally, when the handler in hand has ended; said by a task, at once.

    A permanent child is restarted; past a transient or temporary one frames go by from then on.
    """


@attrs.frozen(init=False)
class Fire:
    """Let an event be heard: handlers that the application has registered by `actor.on_event(name, handler)` are called as
    `handler(view, *payload)`, outside the actor's loops. The name is one of those that the actor's class lists in `events`.
    """

    name: str
    payload: tuple[object, ...]
    of: Address | None = None
    """Another actor of this session, whose event it is."""
    view: object = None
    """What handlers get as their first argument; by default an `ActorView` of the actor."""

    def __init__(self, name: str, *payload: object, of: Address | None = None, view: object = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f'Fire({name!r}, ...): an event has a name. Write e.g. Fire("on_user_turn_started").')
        if of is not None:
            check_address("Fire", of)
        self.__attrs_init__(name, payload, of, view)


Effect: TypeAlias = Frame | Up | Down | Both | Immune | To | After | Interrupt | Finish | Fire
Effects: TypeAlias = Effect | Iterable[Effect] | None
"""What a handler returns."""

EFFECTS = (Frame, Up, Down, Both, Immune, To, After, Interrupt, Finish, Fire)

LIFECYCLE = (StartFrame, EndFrame, StopFrame, CancelFrame)


ACTIVITY = (
    BotSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    UserSpeakingFrame,
    UserStartedSpeakingFrame,
)
"""Frames that tell that somebody speaks: a session without them is idle."""


class _FrameTypes(dict[type, "tuple[bool, bool, bool] | None"]):
    """For a type: whether its frames overtake, whether they are immune, whether they tell that somebody speaks; None for
    what can't be sent by itself.
    """

    def __missing__(self, kind: type) -> tuple[bool, bool, bool] | None:
        facts = None
        if issubclass(kind, Frame) and not issubclass(kind, (*LIFECYCLE, InterruptionFrame)):
            is_immune = issubclass(kind, (Uninterruptible, SystemFrame))
            facts = issubclass(kind, SystemFrame), is_immune, issubclass(kind, ACTIVITY)
        self[kind] = facts
        return facts


FRAME_TYPES = _FrameTypes()


def effects_of(
    result: Effects, address: Address, handler: Callable[..., object], in_hand: object, events: Collection[str]
) -> tuple[Effect, ...]:
    """What a handler returned, as checked effects; a generator is run to its end. `events` are those of its actor.

    Raises what the generator raises, and `TypeError` for what isn't an effect.
    """
    effects: tuple[Effect, ...]
    if result is None:
        return ()
    if isinstance(result, GeneratorType):
        effects = tuple(_run(cast("Generator[Effect, None, object]", result), address, handler))
    elif isinstance(result, (*EFFECTS, str, bytes)) or not isinstance(result, Iterable):
        effects = (result,)
    else:
        effects = tuple(result)
    for effect in effects:
        if fault := fault_of(effect, in_hand, events):
            raise TypeError(f"{address}: {handler.__qualname__} sent {fault}")
    return effects


def _run(
    effects: Generator[Effect, None, object], address: Address, handler: Callable[..., object]
) -> Iterator[Effect]:
    returned = yield from effects
    if returned is not None:
        raise TypeError(
            f"{address}: {handler.__qualname__} yields, so what it returns is lost: {returned!r}. Write `yield ...; return`."
        )


def fault_of(effect: object, in_hand: object, events: Collection[str]) -> str | None:
    """What is wrong with what was sent, and what to write instead; None for an effect that may happen. `in_hand` is
    the frame that is being handled, `events` what its actor may fire.
    """
    if FRAME_TYPES[type(effect)] is not None:
        return None  # the usual one, first
    inner = effect.effect if isinstance(effect, Immune) else effect
    if isinstance(inner, (Up, Down, Both)):
        inner = inner.frame
        if FRAME_TYPES[type(inner)] is not None:
            return None
        if not isinstance(inner, Frame):
            return f"{effect!r}, but {inner!r} is no frame. {remedy_for(inner)}"
    if isinstance(inner, Frame):
        # What passes by itself may be sent on by its handler, too: it makes no difference.
        if FRAME_TYPES[type(inner)] is None and inner is not in_hand and not isinstance(inner, InterruptionFrame):
            return f"{effect!r}. {remedy_for(inner)}"
        return None
    if isinstance(effect, (To, After)):
        return fault_of_message(effect.message)
    if isinstance(effect, Fire):
        if effect.of is not None or effect.name in events:
            return None
        return f"{effect!r}, but its class doesn't list that event. Write `events = ({effect.name!r},)` there."
    if isinstance(effect, (Interrupt, Finish)):
        return None
    if inspect.iscoroutine(effect):
        effect.close()
        return "a coroutine. Make it `async def`, or call no async function in it."
    if isinstance(effect, Immune):
        return f"{effect!r}: Immune holds a frame, Up, Down or Both."
    return f"{effect!r}, which is neither a frame nor an effect. {remedy_for(effect)}"


def fault_of_message(message: object) -> str | None:
    """What is wrong with a message; None for one that may be sent."""
    try:
        hash(message)
    except TypeError:
        return f"the message {message!r}, which is mutable. A message is a frozen value, e.g. of a class with @attrs.frozen."
    if isinstance(message, (*LIFECYCLE, InterruptionFrame)):
        return f"{message!r} as a message. {remedy_for(message)}"
    return None


def check_address(where: str, address: object) -> None:
    """Raises `TypeError` for what isn't an address."""
    if not isinstance(address, Address):
        has_one = isinstance(getattr(type(address), "address", None), property)
        write = "the actor's `.address`" if has_one else 'Address("user")'
        raise TypeError(f"{where}({address!r}, ...): this is no address. Write {write}.")


def remedy_for(sent: Any, *, say: str = "To") -> str:
    """What to write instead; `say` is the way to send a message."""
    match sent:
        case type():
            return f"It is a class: write {sent.__name__}(...)."
        case StartFrame():
            return "The session sends it, once, to each actor."
        case InterruptionFrame():
            return "Say Interrupt()."
        case CancelFrame():
            return "It belongs to the session: to cancel that from an actor, send CancelWorkerFrame()."
        case EndFrame() | StopFrame():
            return (
                f"It belongs to the session: to end that from an actor, send {type(sent).__name__[:-5]}WorkerFrame()."
            )
        case Immune():
            return "Write Immune outside: Immune(Up(frame))."
        case _:
            return f"To send a message to an actor, say {say}(address, message)."

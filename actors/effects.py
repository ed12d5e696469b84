"""What a handler may return, yield or push: values that say what is to happen.

An effect is inert. It does nothing until its actor's handler has ended (plain) or pushed it (async), so a test can
read it and a trace can show it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import attrs

from ..channels.frames import Frame

__all__ = ["Address", "After", "Both", "Down", "Effect", "Effects", "Immune", "Interrupt", "To", "Up"]


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


@attrs.frozen
class After:
    """Get an own message after `seconds`. An equal message still waiting is re-armed; `seconds` None disarms it."""

    seconds: float | None
    message: object

    def __attrs_post_init__(self) -> None:
        if self.seconds is not None and not self.seconds >= 0:
            raise ValueError(
                f"After({self.seconds!r}, ...): a timer can't fire in the past; seconds are >= 0, or None to disarm"
            )


@attrs.frozen
class Interrupt:
    """Begin the next epoch: everything interruptible of the present one is cut and dropped, in every actor of the
    session, in one step.
    """


Effect: TypeAlias = Frame | Up | Down | Both | Immune | To | After | Interrupt
Effects: TypeAlias = Effect | Iterable[Effect] | None
"""What a handler returns."""

EFFECTS = (Frame, Up, Down, Both, Immune, To, After, Interrupt)

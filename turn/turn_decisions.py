"""What a step of the user's turn decides: values, done in their order by the actor that keeps the turn."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from .strategies import Event, Prompt, Send

__all__ = [
    "Backchannel",
    "Evidence",
    "FalseInterruption",
    "InferenceTriggered",
    "Rejected",
    "Timer",
    "TurnDecision",
    "TurnStarted",
    "TurnStopped",
    "TurnTimer",
    "Warn",
]


@attrs.frozen(cache_hash=True)
class TurnTimer:
    """To the turn, through the actor that keeps it: look whether it is time. Equal ones re-arm."""

    slot: int
    """Whose: 0 is the turn's own, others are strategies'."""
    name: str


# The decisions. `Send`, `Event` and `Prompt` are a strategy's own and pass through.


@attrs.frozen
class TurnStarted:
    """The user's turn has begun: note the time, tell everybody, cut the bot off."""

    strategy: str | None
    """Whose word it was; None for an emulated start."""
    interrupt: Literal["now", "hold", "none"]
    """`"hold"`: only pause the output, until `Evidence` or `FalseInterruption` comes."""
    announce: bool = True
    """False if turn frames have been sent by others, or shall not be sent."""


@attrs.frozen
class TurnStopped:
    """The user's turn is over: tell everybody, write what is gathered and answer it."""

    strategy: str | None
    """Whose word it was; None for the watch-dog, an emulated stop, and a false interruption."""
    announce: bool = True
    triggers_inference: bool = True
    """Whether this is an inference trigger, too, whose event comes first."""
    is_false: bool = False
    """`FalseInterruption` follows: nothing is written and nothing recovered."""


@attrs.frozen
class InferenceTriggered:
    """Write what is gathered and answer it; the turn stays open."""

    strategy: str


@attrs.frozen
class Rejected:
    """What is gathered wasn't meant for the bot, the transcript in hand included: forget it."""

    strategy: str
    text: str
    """The transcript in hand."""


@attrs.frozen
class Evidence:
    """The user does say something: the interruption that was held takes place now."""


@attrs.frozen
class FalseInterruption:
    """It was nothing: the bot goes on where it was paused."""


@attrs.frozen
class Backchannel:
    """The final transcript in hand only says that the user listens: it isn't gathered."""

    text: str
    timestamp: str | None
    user_id: str


@attrs.frozen
class Timer:
    """Show the turn this message in so many seconds. An equal one that waits is armed anew; None disarms it."""

    seconds: float | None
    message: TurnTimer


@attrs.frozen
class Warn:
    """Say this in the log."""

    text: str


TurnDecision: TypeAlias = (
    TurnStarted
    | TurnStopped
    | InferenceTriggered
    | Rejected
    | Evidence
    | FalseInterruption
    | Backchannel
    | Send
    | Timer
    | Event
    | Prompt
    | Warn
)

"""A turn in which nothing was said: whether the bot, which it cut off, goes on."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

__all__ = ["EmptyTurnCause", "EmptyUserTurn", "empty_turn_cause", "recovery"]

EmptyTurnCause: TypeAlias = Literal["interrupted", "idle"]

INTERRUPTED_PROMPT = (
    "A noise cut you off, but the user said nothing. Go on where you stopped, without saying anything twice."
)


@attrs.frozen
class EmptyUserTurn:
    """What follows a turn without words. A prompt is written as a developer message and answered; None: nothing follows."""

    interrupted_prompt: str | None = INTERRUPTED_PROMPT
    """After a turn that cut the bot off, or kept it from an answer."""
    idle_prompt: str | None = None
    """After one while the bot waited for the user anyway."""
    max_consecutive_recoveries: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    """How often in a row; a turn with words begins the count anew."""


def recovery(
    config: EmptyUserTurn,
    cause: EmptyTurnCause,
    *,
    recoveries: int,
    is_muted: bool = False,
    calls_in_progress: bool = False,
    owes_run: bool = False,
    is_false: bool = False,
    is_realtime: bool = False,
) -> str | None:
    """The prompt to write and answer after a turn without words; None for nothing.

    The cause is what `empty_turn_cause` says. `recoveries` is how many have followed each other. Nothing follows while the
    user is muted or calls are in progress, where a run is owed anyway, after a false interruption, and in realtime mode.
    """
    if is_muted or calls_in_progress or owes_run or is_false or is_realtime:
        return None
    if recoveries >= config.max_consecutive_recoveries:
        return None
    return config.interrupted_prompt if cause == "interrupted" else config.idle_prompt


def empty_turn_cause(*, may_interrupt: bool, bot_waited: bool) -> EmptyTurnCause:
    """Whether a turn without words cut the bot off.

    `may_interrupt`: interruptions were enabled for its start. `bot_waited`: the bot had finished a speech before it, and
    neither thought, spoke nor waited for a call.
    """
    return "interrupted" if may_interrupt and not bot_waited else "idle"

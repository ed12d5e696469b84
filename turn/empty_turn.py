"""A turn in which nothing was said: whether the bot, which it cut off, goes on."""

from __future__ import annotations

import attrs

__all__ = ["EmptyUserTurn", "recovery_prompt"]

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


def recovery_prompt(
    config: EmptyUserTurn | None,
    *,
    has_cut: bool,
    recoveries: int,
    is_muted: bool = False,
    has_calls: bool = False,
    owes_run: bool = False,
    is_false: bool = False,
    is_realtime: bool = False,
) -> str | None:
    """The prompt to write and answer after a turn without words; None: nothing follows.

    `has_cut`: interruptions were enabled for its start, and the bot didn't wait for the user: it thought, spoke, was in a
    call, or had never yet finished a speech. `recoveries`: how many have followed each other. Nothing follows while the user
    is muted, with calls in progress, where a run is owed anyway, after a false interruption, and in realtime mode.
    """
    if config is None or is_muted or has_calls or owes_run or is_false or is_realtime:
        return None
    if recoveries >= config.max_consecutive_recoveries:
        return None
    return config.interrupted_prompt if has_cut else config.idle_prompt

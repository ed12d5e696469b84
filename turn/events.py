"""What the pair's events hand to the application."""

from __future__ import annotations

import attrs

from ..actors import Address
from ..channels import LLMContext

__all__ = [
    "AssistantBackchannelMessage",
    "AssistantThoughtMessage",
    "AssistantTurnStoppedMessage",
    "HalfView",
    "UserBackchannelMessage",
    "UserTurnMessageAddedMessage",
    "UserTurnStoppedMessage",
]


@attrs.frozen
class HalfView:
    """What a handler is given of a half of the pair: read-only, as it was when the event was fired."""

    address: Address
    context: LLMContext
    """The conversation, with all that was written until then."""
    has_function_calls_in_progress: bool = False


@attrs.frozen
class UserTurnStoppedMessage:
    """The user's turn is over."""

    content: str | None
    """What the user said in it, `""` for nothing; None when it isn't written at the end of turns (realtime)."""
    timestamp: str
    """When the turn began, ISO 8601."""
    user_id: str = ""


@attrs.frozen
class UserTurnMessageAddedMessage:
    """A message of the user stands in the context."""

    content: str
    timestamp: str
    """When the turn began, ISO 8601."""
    user_id: str = ""


@attrs.frozen
class UserBackchannelMessage:
    """The user said "mhm": heard, and not answered."""

    content: str
    timestamp: str
    """ISO 8601."""
    user_id: str = ""


@attrs.frozen
class AssistantTurnStoppedMessage:
    """An answer is over, or a message of the assistant stands in the context."""

    content: str
    """What was heard of it."""
    interrupted: bool
    timestamp: str
    """When the assistant's turn began, ISO 8601."""


@attrs.frozen
class AssistantThoughtMessage:
    """The model has reasoned."""

    content: str
    timestamp: str
    """ISO 8601."""


@attrs.frozen
class AssistantBackchannelMessage:
    """The bot says "mhm" while the user speaks."""

    content: str
    timestamp: str
    """ISO 8601."""

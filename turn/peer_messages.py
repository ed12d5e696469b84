"""What the two halves of the pair say to each other. Values: each travels by `To`, in the system lane, in order, and is never refused."""

from __future__ import annotations

from typing import Literal

import attrs

from ..channels.frozen import Message, freeze_all


def _messages(messages: object) -> tuple[Message, ...]:
    return freeze_all(messages)  # type: ignore[arg-type]  # anything iterable


@attrs.frozen
class ResponseOpened:
    """The assistant begins to answer."""

    run_id: int | None


@attrs.frozen
class Commit:
    """Write these context messages now."""

    messages: tuple[Message, ...] = attrs.field(converter=_messages)
    interrupted: bool = False


@attrs.frozen
class Patch:
    """Write this as the content of a call's tool message."""

    tool_call_id: str
    content: str


@attrs.frozen
class ResponseClosed:
    """Nothing more of this answer will come."""

    run_id: int | None
    outcome: Literal["ended", "interrupted", "failed"]


@attrs.frozen
class Flushed:
    """All that the interruption of this epoch cut has been committed."""

    epoch: int


@attrs.frozen
class RunWanted:
    """A call's result asks for a run."""

    reason: str

"""What the two halves of the pair say to each other. Values: each travels by `To`, in the system lane, in order, and is
never refused.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from ..channels import Frame, LLMContext
from ..channels.frozen import Message, freeze, freeze_all
from .realtime_mode import RealtimeMode

CommitKind: TypeAlias = Literal[
    "assistant text", "call entries", "call result", "thought", "image", "marker", "developer"
]
Outcome: TypeAlias = Literal["ended", "interrupted", "failed"]


def _messages(messages: object) -> tuple[Message, ...]:
    return freeze_all(messages)  # type: ignore[arg-type]  # anything iterable


@attrs.frozen
class HalfStarted:
    """The assistant half is there, and works in this mode."""

    mode: RealtimeMode


@attrs.frozen
class Resolving:
    """The user half decides on these proposals: they go no further."""

    kinds: tuple[type[Frame], ...]


@attrs.frozen
class ResponseOpened:
    """The assistant begins to answer: what the user has said stands before it."""

    response_id: int
    run_id: int | None
    """None for what nobody ran the model for: speech of the application, a realtime service's own answer."""
    timestamp: str
    """ISO 8601."""


@attrs.frozen
class Settlement:
    """What has become of a call."""

    tool_call_id: str
    kind: Literal["result", "news", "cancelled"]
    content: str = ""
    is_async: bool = False
    """Nobody waits for it: an interruption doesn't cancel it."""


@attrs.frozen
class Commit:
    """Write this now."""

    commit_id: int
    """Grows by one with each; the same one is never written twice."""
    response_id: int | None
    kind: CommitKind
    messages: tuple[Message, ...] = attrs.field(default=(), converter=_messages)
    settlement: Settlement | None = None
    interrupted: bool = False
    timestamp: str | None = None
    """When the assistant's turn began, ISO 8601."""
    on_written: Any = attrs.field(default=None)
    """Called when it stands in the context."""
    told: str = ""
    """Of assistant text, what the application is told: without marks."""


@attrs.frozen
class Park:
    """Write this text of the assistant before the next thing that is said."""

    commit_id: int
    response_id: int
    text: str
    timestamp: str
    told: str = ""
    """The text without marks: what the application is told of it."""


@attrs.frozen
class ResponseClosed:
    """Nothing more of this answer will come."""

    response_id: int
    outcome: Outcome
    run_id: int | None = None
    content: str = ""
    """All that was heard of it, without marks."""
    timestamp: str | None = None
    """When the assistant's turn began, ISO 8601."""


@attrs.frozen
class Flushed:
    """All that was cut by the interruption that began this epoch has been committed."""

    epoch: int


@attrs.frozen
class RunWanted:
    """A call's outcome, or an edit, asks for a run."""

    reason: str
    tool_call_ids: tuple[str, ...] = ()


@attrs.frozen
class Edit:
    """A change of the context. Exactly one of the first five is given."""

    append: tuple[Message, ...] | None = attrs.field(default=None, converter=attrs.converters.optional(_messages))
    update: tuple[Message, ...] | None = attrs.field(default=None, converter=attrs.converters.optional(_messages))
    transform: Any = None
    tools: Any = attrs.field(default=None, converter=freeze)
    tool_choice: Any = attrs.field(default=None, converter=freeze)
    kind: Literal["append", "update", "transform", "tools", "tool choice"] = "append"
    run: bool = False
    notes_tools: bool = False
    """Whether a note tells the model of tools that came and went."""


@attrs.frozen
class Committed:
    """The context as it is now: the replica's next state. Nobody waits for it."""

    version: int
    context: LLMContext
    commit_ids: tuple[int, ...] = ()

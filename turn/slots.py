"""What the user half keeps until its place in the context has come, and what a policy decides to do with it.

Both policies, cascade and realtime, are functions from these values to these values.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import attrs

from ..channels import LLMContext
from .joining import Part
from .peer_messages import Commit, Park, ResponseClosed

__all__: list[str] = []


@attrs.frozen
class Heard:
    """A final transcript, or typed text."""

    part: Part
    user_id: str = ""
    timestamp: str = ""
    """ISO 8601."""


@attrs.frozen
class OpenResponse:
    """An answer that has begun and isn't closed."""

    response_id: int
    run_id: int | None
    exchange: int
    """Which exchange of user and bot it belongs to."""
    opened_at: float
    """Seconds of the session."""
    user_has_gone_on: bool = False
    """A new turn of the user, or an interruption, has begun since."""


@attrs.frozen
class Slots:
    """What waits for its place."""

    gathered: tuple[Heard, ...] = ()
    """What the user has said and isn't written; nothing of it is blank."""
    late: tuple[Heard, ...] = ()
    """Realtime: transcripts of what the open answer answers."""
    held: tuple[Heard, ...] = ()
    """Realtime: transcripts of what the user has said since, while the answer is still open."""
    parked: Park | None = None
    """Realtime: an answer that is over and will be written before what is said next."""
    open: OpenResponse | None = None
    segments: tuple[str, ...] = ()
    """What of the open turn was written already."""


@attrs.frozen
class WriteUser:
    """One message of the user."""

    heard: tuple[Heard, ...]


@attrs.frozen
class WriteCommit:
    """What the assistant half asks to be written."""

    commit: Commit | Park


@attrs.frozen
class RunDue:
    """A run of the model."""

    reason: str
    context: LLMContext | None = None
    """The snapshot to run, if it isn't the context's own."""


@attrs.frozen
class TriggeredDue:
    """The event on_user_turn_inference_triggered."""

    strategy: str


@attrs.frozen
class StoppedDue:
    """The event on_user_turn_stopped."""

    strategy: str | None
    content: str | None
    timestamp: str = ""
    user_id: str = ""


Act: TypeAlias = WriteUser | WriteCommit | RunDue | TriggeredDue | StoppedDue
Place: TypeAlias = Literal["late", "new", "gathered"]
"""Where a transcript belongs, that comes while an answer is open: to what that answers, to what the user says since, or, where
nobody asks, to whatever is gathered.
"""
Step: TypeAlias = tuple[Slots, tuple[Act, ...]]


class Policy(Protocol):
    """When what is written, and when the model is run."""

    def transcribed(self, slots: Slots, heard: Heard, place: Place) -> Step:
        """A final transcript came."""
        ...

    def triggered(self, slots: Slots, strategy: str) -> Step:
        """Somebody judged that the model should answer already; the turn goes on."""
        ...

    def stopped(self, slots: Slots, strategy: str | None) -> Step:
        """The user's turn is over."""
        ...

    def opened(self, slots: Slots, response: OpenResponse) -> Step: ...

    def committed(self, slots: Slots, commit: Commit) -> Step: ...

    def parked(self, slots: Slots, park: Park) -> Step: ...

    def closed(self, slots: Slots, closed: ResponseClosed) -> Step: ...

    def window_over(self, slots: Slots) -> Step:
        """No transcript that comes now is late any more."""
        ...

    def ended(self, slots: Slots) -> Step:
        """The session ends."""
        ...

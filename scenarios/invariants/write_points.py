"""What holds of the moments at which a conversation with a realtime service is written."""

from __future__ import annotations

from collections.abc import Iterator

from ...channels import (
    CancelFrame,
    EndFrame,
    InputTextRawFrame,
    TranscriptionFrame,
)
from ...turn.context_owner import FlushTimeout
from ...turn.peer_messages import Commit, Flushed, Park, ResponseClosed, ResponseOpened
from ...turn.user_half import WindowOver
from .complaint import Finding
from .reading import Reading
from .spoken import is_realtime, written

__all__: list[str] = []

ENDS = (EndFrame, CancelFrame, Flushed, FlushTimeout)
"""What may let the rest be written, when the session is over."""
USER_IS_WRITTEN_AT = (ResponseOpened, WindowOver, Park, ResponseClosed, Commit, *ENDS)
ASSISTANT_IS_WRITTEN_AT = (
    TranscriptionFrame,
    InputTextRawFrame,
    ResponseOpened,
    Commit,
    Park,
    ResponseClosed,
    *ENDS,
)


def realtime_write_points(told: Reading) -> Iterator[Finding]:
    """With a realtime service the user is written when an answer begins or ends, the bot when somebody speaks next."""
    if not is_realtime(told):
        return
    for each in written(told):
        cause = each.told.cause
        allowed = USER_IS_WRITTEN_AT if each.is_of_user else ASSISTANT_IS_WRITTEN_AT
        if cause is not None and cause.seq > told.end_at(told.user):
            continue  # what comes so late begins nothing, and is written at once
        if cause is not None and not isinstance(cause.frame, allowed):
            who = "the user" if each.is_of_user else "the bot"
            why = f"a message of {who} was written at {type(cause.frame).__name__}"
            yield Finding(each.event.time, why, (each.event, cause.frame))

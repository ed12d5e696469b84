"""What holds when a session is over."""

from __future__ import annotations

from collections.abc import Iterator

from ...channels import CancelFrame, EndFrame, StopFrame
from ...turn.joining import join
from ...turn.slots import Slots, WriteCommit, WriteUser
from .complaint import Finding
from .reading import Reading, lane_of

__all__: list[str] = []


def nothing_is_left(told: Reading) -> Iterator[Finding]:
    """A session that was ended comes to its end, nothing leaves it afterwards, and nothing waits to be written; a session
    that was stopped keeps what waits.
    """
    ends = told.select(EndFrame, StopFrame, CancelFrame, at="sink")
    for each in told.deliveries if ends else ():
        is_late = each.receiver.name == "sink" and each.seq > ends[0].seq and lane_of(each) == "ordered"
        if is_late and not isinstance(each.frame, (EndFrame, StopFrame, CancelFrame)):
            yield Finding.at(each, f"it left after {type(ends[0].frame).__name__}")
    if told.is_broken_off:
        return
    if ends and told.trace.ended not in ("ended", "cancelled"):
        yield Finding(told.ends_at, f"the session ended as {told.trace.ended!r}")
    if not told.is_stopped:
        yield from _unwritten(told)


def _unwritten(told: Reading) -> Iterator[Finding]:
    slots = told.durable(told.user, "slots", Slots)
    if slots is not None:
        for name in ("gathered", "late", "held"):
            if text := join(heard.part for heard in getattr(slots, name)):
                yield Finding(told.ends_at, f"the user said {text!r}, which was never written")
        if slots.parked is not None:
            yield Finding(told.ends_at, f"the bot said {slots.parked.text!r}, which was never written")
    for held in told.durable(told.user, "held", tuple) or ():
        for act in held.acts:
            if isinstance(act, (WriteUser, WriteCommit)):
                yield Finding(told.ends_at, "a message waited to be written, and never was", (act,))
    if text := join(told.durable(told.assistant, "parts", tuple) or ()):
        yield Finding(told.ends_at, f"the bot was heard to say {text!r}, which was never written")

"""What holds of what an application is told: by events, and in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...channels import (
    LLMMessagesAppendFrame,
    LLMServiceMetadataFrame,
    RealtimeServiceMetadataFrame,
)
from ...turn.peer_messages import Commit, Edit
from ...turn.realtime_mode import announces_realtime
from .complaint import Finding
from .context import rewritings
from .reading import Reading, content_of
from .spoken import is_realtime, squeezed, written

__all__: list[str] = []


def events_are_writes(told: Reading) -> Iterator[Finding]:
    """Each message of either side is told of once, as it was written and in that order; turns tell their words, or none do."""
    if told.context is not None and told.has_events and not rewritings(told):
        for role, is_user in (("user", True), ("assistant", False)):
            yield from _compared(told, role, is_user=is_user)
    stopped = told.events("on_user_turn_stopped")
    kinds = {content_of(each.payload[-1]) is None for each in stopped}
    if len(kinds) == 2 and not told.select(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame, at=told.user):
        yield Finding(stopped[-1].time, "some turns told their words when they stopped, others none", tuple(stopped))


def _compared(told: Reading, role: str, *, is_user: bool) -> Iterator[Finding]:
    assert told.context is not None
    events = [each for each in written(told) if each.is_of_user is is_user]
    first = told.versions[0].context
    messages = [each for each in told.context.messages if each["role"] == role and "tool_calls" not in each]
    at_start = sum(each["role"] == role and "tool_calls" not in each for each in first.messages) if first.version else 0
    texts = [squeezed(content_of(each) or "") for each in messages]
    matched: set[int] = set()
    place = len(texts)
    for each in reversed(events):
        found = next((at for at in range(place - 1, -1, -1) if texts[at].endswith(each.text)), None)
        if found is None:
            why = f"{each.event.name} told {content_of(each.event.payload[0])!r}, which isn't in the context there"
            yield Finding(each.event.time, why, (each.event,))
            continue
        matched.add(found)
        place = found
    edited = _appended(told, role)
    for at, message in enumerate(messages):
        if at in matched or at < at_start or not isinstance(message.get("content"), str):
            continue
        if edited[texts[at]] > 0:
            edited[texts[at]] -= 1
        elif is_user or not _is_of_no_turn(told, texts[at]):
            yield Finding(told.ends_at, f"no event tells of {message['content']!r}, which was written", (message,))


def _appended(told: Reading, role: str) -> Counter[str]:
    """What the application has put into the context."""
    found: Counter[str] = Counter()
    appended = [each.frame.messages for each in told.select(LLMMessagesAppendFrame, at=told.user)]
    appended += [each.frame.append or () for each in told.select(Edit, at=told.user)]
    for message in (message for messages in appended for message in messages):
        if message["role"] == role:
            found[squeezed(content_of(message) or "")] += 1
    return found


def _is_of_no_turn(told: Reading, text: str) -> bool:
    """Marks and the like, which the assistant half writes beside what was heard."""
    return any(
        each.frame.kind != "assistant text"
        and any(squeezed(content_of(message) or "") == text for message in each.frame.messages)
        for each in told.select(Commit, at=told.user)
    )


RECOMMENDATION = "realtime_service_mode="
"""What the line of the log holds that recommends the mode."""


def recommended_once(told: Reading) -> Iterator[Finding]:
    """The realtime mode is recommended once at most, and only where a realtime service has announced itself unasked for."""
    lines = [line for line in told.trace.logged if line.startswith("INFO") and RECOMMENDATION in line]
    if not lines:
        return
    if len(lines) > 1:
        yield Finding(told.ends_at, f"the realtime mode was recommended {len(lines)} times", tuple(lines))
    announced = told.select(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame)
    if not any(announces_realtime(each.frame) for each in announced):
        yield Finding(told.ends_at, "the realtime mode was recommended, and no realtime service is there", tuple(lines))
    if is_realtime(told):
        yield Finding(told.ends_at, "the realtime mode was recommended, and is in force", tuple(lines))

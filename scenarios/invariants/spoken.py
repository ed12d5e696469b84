"""What was said and what was heard, as the trace tells it, to be compared with what was written.

Texts are compared without spaces: how pieces are joined is nobody's concern here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs

from ...actors import Event
from ...channels import (
    AggregatedTextFrame,
    CancelFrame,
    EagerTranscriptionFrame,
    Frame,
    HeardFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerFrame,
    TextFrame,
    TranscriptionFrame,
    TranslationFrame,
    TTSTextFrame,
    UserBackchannelFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
)
from ...turn.answer import Gathered
from ...turn.context_owner import FlushTimeout
from ...turn.peer_messages import Commit, HalfStarted, Park
from ...turn.realtime_mode import config_in_force
from ...turn.slots import Slots, WriteCommit, WriteUser
from .reading import Reading, Seen, Told, content_of

__all__: list[str] = []


@attrs.frozen
class Said:
    """A piece of what was said or heard."""

    text: str
    """Without spaces."""
    time: float
    seq: int
    may_be_missing: bool = False


@attrs.frozen
class Edge:
    """Something began or ended."""

    is_start: bool
    time: float
    """When it was first seen, by anybody."""
    delivery: Seen[Frame]


def squeezed(text: str) -> str:
    return "".join(text.split())


def channels(told: Reading, started: type[Frame], stopped: type[Frame], *, by: str) -> Iterator[list[Seen[Frame]]]:
    """What an actor has sent of two kinds, for each who handles both: in one lane, so in the order of sending.

    If nobody has, for each who handles either; but nothing where one gets the starts and another the stops.
    """
    found: dict[tuple[object, ...], list[Seen[Frame]]] = {}
    for each in told.select(started, stopped, by=by):
        destination = getattr(each.frame, "transport_destination", None)
        found.setdefault((each.receiver.name, each.direction, destination), []).append(each)
    sees_both = [those for those in found.values() if len({isinstance(each.frame, started) for each in those}) == 2]
    are_of_one_kind = len({isinstance(each.frame, started) for those in found.values() for each in those}) == 1
    yield from sees_both or (found.values() if are_of_one_kind else ())


def edges(told: Reading, started: type[Frame], stopped: type[Frame], *, by: str) -> list[Edge]:
    """The edges that an actor has sent, with the time at which each was first seen by anybody."""
    those = told.select(started, stopped, by=by)
    first: dict[tuple[int, int], float] = {}
    for each, key in _numbered(those):
        first[key] = min(each.time, first.get(key, math.inf))
    longest = max(channels(told, started, stopped, by=by), key=len, default=None)
    if longest is None:
        seen: dict[tuple[int, int], Seen[Frame]] = {}
        for each, key in _numbered(those):
            seen.setdefault(key, each)
        return [Edge(isinstance(each.frame, started), first[key], each) for key, each in seen.items()]
    return [Edge(isinstance(each.frame, started), first[key], each) for each, key in _numbered(longest)]


def _numbered(those: Iterable[Seen[Frame]]) -> Iterator[tuple[Seen[Frame], tuple[int, int]]]:
    """Each with what is the same wherever the same sending is handled: which object, and the how manieth time."""
    counts: Counter[tuple[object, ...]] = Counter()
    for each in those:
        at = id(each.frame), each.receiver.name, each.direction
        counts[at] += 1
        yield each, (id(each.frame), counts[at])


def mutes(told: Reading) -> list[tuple[float, float]]:
    """From when to when the user was muted."""
    found: list[tuple[float, float]] = []
    for edge in edges(told, UserMuteStartedFrame, UserMuteStoppedFrame, by=told.user):
        if edge.is_start:
            found.append((edge.time, math.inf))
        elif found:
            found[-1] = (found[-1][0], edge.time)
    return found


def is_realtime(told: Reading) -> bool:
    """Whether what is said is written as a realtime service speaks, and not at the end of turns."""
    modes = [each.frame.mode for each in told.select(HalfStarted, at=told.user)]
    if modes:
        has_switched = told.durable(told.user, "has_switched", bool) or False
        config = config_in_force(modes[-1], is_announced=has_switched)
        return config is not None and not config.context_writes_await_turns
    stopped = told.events("on_user_turn_stopped")
    return bool(told.select(Park, at=told.user)) or any(content_of(each.payload[-1]) is None for each in stopped)


def kept(told: Reading) -> str:
    """What waits to be written in a session that was stopped, without spaces."""
    if not told.is_stopped:
        return ""
    slots = told.durable(told.user, "slots", Slots) or Slots()
    heard = [*slots.gathered, *slots.late, *slots.held]
    commits: list[Commit | Park] = [slots.parked] if slots.parked is not None else []
    for held in told.durable(told.user, "held", tuple) or ():
        heard += [each for act in held.acts if isinstance(act, WriteUser) for each in act.heard]
        commits += [act.commit for act in held.acts if isinstance(act, WriteCommit)]
    gathered = told.durable(told.assistant, "gathered", Gathered) or Gathered()
    parts = [*(each.part for each in heard), *gathered.parts]
    return squeezed(" ".join([*(part.text for part in parts), *(commit.told for commit in commits)]))


def said(told: Reading) -> list[Said]:
    """The final transcripts, in order. What was thrown away for a reason that the trace tells may be missing."""
    end = told.end_at(told.user)
    muted = mutes(told)
    waits = kept(told)
    thrown_away = [squeezed(str(each.payload[0])) for each in told.events("on_user_speech_rejected")]
    nods = [squeezed(content_of(each.payload[0]) or "") for each in told.events("on_user_backchannel")]
    found: list[Said] = []
    for each in told.select(TranscriptionFrame, at=told.user):
        text = squeezed(each.frame.text)
        if not text:
            continue
        may_be_missing = (
            each.seq > end
            or any(start <= each.time <= stop for start, stop in muted)
            or any(text in other for other in thrown_away)
            or text in nods
            or text in waits
        )
        found.append(Said(text, each.time, each.seq, may_be_missing))
    return found


def typed(told: Reading) -> list[Said]:
    """What the user has written."""
    those = told.select(InputTextRawFrame, at=told.user)
    waits = kept(told)
    return [Said(text, each.time, each.seq, text in waits) for each in those if (text := squeezed(each.frame.text))]


def heard(told: Reading) -> list[Said]:
    """What of the bot's text has reached the assistant half, which is what was heard; in order.

    Text outside an answer that nobody spoke, and what came as the session was cancelled, may be missing.
    """
    found: list[Said] = []
    is_open = False
    flushed = -1
    cancelled = min((each.time for each in told.select(CancelFrame)), default=math.inf)
    end = told.end_at(told.assistant)
    waits = kept(told)
    for each in told.select(
        TextFrame, HeardFrame, LLMFullResponseStartFrame, LLMFullResponseEndFrame, at=told.assistant
    ):
        frame = each.frame
        may_be_missing = each.time >= cancelled or each.seq > end
        if isinstance(frame, (LLMFullResponseStartFrame, LLMFullResponseEndFrame)):
            is_open = isinstance(frame, LLMFullResponseStartFrame)
        elif isinstance(frame, HeardFrame):
            # What the output says at a cancel is of an epoch that may be flushed already.
            if frame.epoch > flushed or each.time >= cancelled:
                flushed = max(flushed, frame.epoch)
                texts = [squeezed(text) for _, text in frame.partial]
                found += [Said(text, each.time, each.seq, may_be_missing) for text in texts if text]
        elif isinstance(frame, TextFrame) and frame.append_to_context and not isinstance(frame, OF_THE_USER):
            text = frame.text
            if isinstance(frame, AggregatedTextFrame):
                text = frame.raw_text or text
            if squeezed(text):
                may_be_missing = may_be_missing or not (is_open or isinstance(frame, TTSTextFrame))
                may_be_missing = may_be_missing or squeezed(text) in waits
                found.append(Said(squeezed(text), each.time, each.seq, may_be_missing))
    return found


OF_THE_USER = (
    TranscriptionFrame,
    InterimTranscriptionFrame,
    EagerTranscriptionFrame,
    TranslationFrame,
    UserBackchannelFrame,
    InputTextRawFrame,
)


@attrs.frozen
class Written:
    """A message of a half that was written, as its event tells."""

    text: str
    """Without spaces."""
    told: Told

    @property
    def event(self) -> Event:
        return self.told.event

    @property
    def is_of_user(self) -> bool:
        return "user" in self.told.event.name


def written(told: Reading) -> list[Written]:
    """What was written of either side, in the order of writing; without marks."""
    marks = [squeezed(each.frame.marker) for each in told.select(LLMMarkerFrame, at=told.assistant)]
    found: list[Written] = []
    for each in told.told:
        if each.event.name not in ("on_user_turn_message_added", "on_assistant_message_added"):
            continue
        text = squeezed(content_of(each.event.payload[0]) or "")
        if "assistant" in each.event.name:
            while mark := next((mark for mark in marks if mark and text.startswith(mark)), None):
                text = text.removeprefix(mark)
        found.append(Written(text, each))
    return found


def first_of(pieces: Sequence[Said], texts: Sequence[str]) -> list[Said | None]:
    """For each text, which follow each other, the piece with which it begins; None where it isn't found."""
    whole = "".join(piece.text for piece in pieces)
    found: list[Said | None] = []
    at = 0
    for text in texts:
        place = whole.find(text, at)
        found.append(None if place < 0 or not text else _piece_at(pieces, place))
        at = at if place < 0 else place + len(text)
    return found


def _piece_at(pieces: Sequence[Said], place: int) -> Said | None:
    end = 0
    for piece in pieces:
        end += len(piece.text)
        if place < end:
            return piece
    return None


@attrs.frozen
class Mismatch:
    """Where what was written isn't what was said."""

    said: Said | None
    """What should stand there; None: nothing."""
    there: str
    """What stands there."""


def mismatch(whole: str, pieces: Sequence[Said], *, is_cut_off: bool = False) -> Mismatch | None:
    """Whether a text is made of these pieces, all of them and in order, but for those that may be missing."""
    reached = {0}
    for piece in pieces:
        after = {place + len(piece.text) for place in reached if whole.startswith(piece.text, place)}
        if piece.may_be_missing or is_cut_off:
            after |= reached
        if not after:
            return Mismatch(piece, whole[max(reached) :])
        reached = after
    return None if len(whole) in reached else Mismatch(None, whole[max(reached) :])


def gave_up_the_flush(told: Reading) -> bool:
    """Whether the user half has given up waiting for the other one: then it can't keep the order."""
    return bool(told.select(FlushTimeout, at=told.user))

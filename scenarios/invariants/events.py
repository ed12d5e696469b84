"""What holds of what an application is told, and of the clocks of turns and of silence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from ...channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputTextRawFrame,
    InterimTranscriptionFrame,
    LLMMessagesAppendFrame,
    LLMServiceMetadataFrame,
    MetricsFrame,
    ProcessingMetricsData,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    RealtimeServiceMetadataFrame,
    TranscriptionFrame,
    TTFBMetricsData,
    UserBotLatencyMetricsData,
    UserIdleTimeoutUpdateFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    UserTurnInferenceCompletedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from ...turn.context_owner import FlushTimeout
from ...turn.idle import UserIdle
from ...turn.peer_messages import Commit, Edit, Flushed, Park, ResponseClosed, ResponseOpened
from ...turn.realtime_mode import announces_realtime
from ...turn.strategies import UserTurnStopStrategy
from ...turn.user_half import WindowOver
from ...turn.user_turn import UserTurn
from .complaint import Finding
from .context import rewritings
from .conversation import Conversation, Seen, content_of
from .spoken import edges, is_realtime, squeezed, written

__all__: list[str] = []

EPSILON = 1e-6


# ---- events and writes


def events_are_writes(told: Conversation) -> Iterator[Finding]:
    """Each message of either side is told of once, as it was written and in that order; turns tell their words, or none do."""
    if told.context is not None and told.trace.events and not rewritings(told):
        for role, is_user in (("user", True), ("assistant", False)):
            yield from _compared(told, role, is_user=is_user)
    stopped = told.events("on_user_turn_stopped")
    kinds = {content_of(each.payload[-1]) is None for each in stopped}
    if len(kinds) == 2 and not told.select(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame, at=told.user):
        yield Finding(stopped[-1].time, "some turns told their words when they stopped, others none", tuple(stopped))


def _compared(told: Conversation, role: str, *, is_user: bool) -> Iterator[Finding]:
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


def _appended(told: Conversation, role: str) -> Counter[str]:
    """What the application has put into the context."""
    found: Counter[str] = Counter()
    appended = [each.frame.messages for each in told.select(LLMMessagesAppendFrame, at=told.user)]
    appended += [each.frame.append or () for each in told.select(Edit, at=told.user)]
    for message in (message for messages in appended for message in messages):
        if message["role"] == role:
            found[squeezed(content_of(message) or "")] += 1
    return found


def _is_of_no_turn(told: Conversation, text: str) -> bool:
    """Marks and the like, which the assistant half writes beside what was heard."""
    return any(
        each.frame.kind != "assistant text"
        and any(squeezed(content_of(message) or "") == text for message in each.frame.messages)
        for each in told.select(Commit, at=told.user)
    )


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


def realtime_write_points(told: Conversation) -> Iterator[Finding]:
    """With a realtime service the user is written when an answer begins or ends, the bot when somebody speaks next."""
    if not is_realtime(told):
        return
    for each in written(told):
        cause = each.told.cause
        allowed = USER_IS_WRITTEN_AT if each.is_of_user else ASSISTANT_IS_WRITTEN_AT
        if cause is not None and not isinstance(cause.frame, allowed):
            who = "the user" if each.is_of_user else "the bot"
            why = f"a message of {who} was written at {type(cause.frame).__name__}"
            yield Finding(each.event.time, why, (each.event, cause.frame))


RECOMMENDATION = "realtime_service_mode="
"""What the line of the log holds that recommends the mode."""


def recommended_once(told: Conversation) -> Iterator[Finding]:
    """The realtime mode is recommended once at most, and only where a realtime service has announced itself unasked for."""
    lines = [line for line in told.trace.logged if line.startswith("INFO") and RECOMMENDATION in line]
    if not lines:
        return
    if len(lines) > 1:
        yield Finding(told.ends_at, f"the realtime mode was recommended {len(lines)} times", tuple(lines))
    announced = told.select(LLMServiceMetadataFrame, RealtimeServiceMetadataFrame, at=told.user)
    if not any(announces_realtime(each.frame) for each in announced):
        yield Finding(told.ends_at, "the realtime mode was recommended, and no realtime service is there", tuple(lines))
    if is_realtime(told):
        yield Finding(told.ends_at, "the realtime mode was recommended, and is in force", tuple(lines))


# ---- clocks


def idle_honesty(told: Conversation) -> Iterator[Finding]:
    """The user is told to be idle only after the whole of a silence in which nothing else was going on."""
    idle = told.durable(told.user, "idle", UserIdle)
    timeout = 0.0 if idle is None or told.select(UserIdleTimeoutUpdateFrame, at=told.user) else idle.timeout
    bot = edges(told, BotStartedSpeakingFrame, BotStoppedSpeakingFrame, by=told.output)
    user = edges(told, UserStartedSpeakingFrame, UserStoppedSpeakingFrame, by=told.user)
    spans = [
        *(("the bot spoke", *span) for span in _spans([(each.is_start, each.time) for each in bot])),
        *(("the user's turn was open", *span) for span in _spans([(each.is_start, each.time) for each in user])),
        *(("a call ran", *span) for span in _calls(told)),
    ]
    armings = [each.time for each in (*bot, *user) if not each.is_start]
    armings += [each.time for each in told.select(UserIdleTimeoutUpdateFrame, at=told.user)]
    last = -math.inf
    for event in told.events("on_user_turn_idle"):
        if told.output and not any(each.is_start and each.time <= event.time for each in bot):
            yield Finding(event.time, "the user was said to be idle before the bot had spoken", (event,))
        for what, start, stop in spans:
            if start < event.time - EPSILON and stop > event.time - timeout + EPSILON:
                why = f"the user was said to be idle, but {what} from {start:.3f} s to {stop:.3f} s"
                yield Finding(event.time, why, (event,))
        if not any(last <= time <= event.time for time in armings):
            yield Finding(event.time, f"the user was said to be idle twice since {last:.3f} s", (event,))
        last = event.time


def _spans(those: list[tuple[bool, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for is_start, time in those:
        if is_start:
            found.append((time, math.inf))
        elif found:
            found[-1] = (found[-1][0], time)
    return found


def _calls(told: Conversation) -> list[tuple[float, float]]:
    began = {
        call.tool_call_id: each.time
        for each in told.select(FunctionCallsStartedFrame, at=told.user)
        for call in each.frame.function_calls
    }
    ended: dict[str, float] = {}
    for each in told.select(FunctionCallResultFrame, FunctionCallCancelFrame, at=told.user):
        match each.frame:
            case FunctionCallResultFrame(properties=properties) if properties is not None and not properties.is_final:
                pass
            case FunctionCallResultFrame(tool_call_id=call_id) | FunctionCallCancelFrame(tool_call_id=call_id):
                ended.setdefault(call_id, each.time)
            case _:
                pass
    return [(time, ended.get(call_id, math.inf)) for call_id, time in began.items()]


SPEAKS: dict[type[Frame], bool] = {
    VADUserStartedSpeakingFrame: True,
    VADUserStoppedSpeakingFrame: False,
    UserStartedSpeakingFrame: True,
    UserStoppedSpeakingFrame: False,
    ProposedUserStartedSpeakingFrame: True,
    ProposedUserStoppedSpeakingFrame: False,
    EmulateUserStartedSpeakingFrame: True,
    EmulateUserStoppedSpeakingFrame: False,
}
SIGNS = (*SPEAKS, TranscriptionFrame, InterimTranscriptionFrame, UserTurnInferenceCompletedFrame, UserMuteStoppedFrame)


def no_turn_for_ever(told: Conversation) -> Iterator[Finding]:
    """No turn stays open longer than the watch-dog bears while nothing is heard of the user."""
    turn = told.durable(told.user, "turn", UserTurn)
    if turn is None or told.is_delayed or any(_is_patient(slot.strategy) for slot in turn.slots):
        return
    timeout = turn.config.user_turn_stop_timeout
    signs: list[Seen[Frame]] = told.select(*SIGNS, at=told.user)
    own = told.select(VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame, by=told.user)
    signs = sorted((*signs, *own), key=lambda each: (each.time, each.seq))
    muted = [each.time for each in told.select(UserMuteStartedFrame, by=told.user)]
    answered = [each.time for each in told.events("on_user_turn_inference_triggered")]
    ends = [each.time for each in told.select(EndFrame, CancelFrame, at=told.user)]
    user = edges(told, UserStartedSpeakingFrame, UserStoppedSpeakingFrame, by=told.user)
    for start, stop in _spans([(each.is_start, each.time) for each in user]):
        until = min(stop, told.ends_at, *ends)
        inside = [each for each in signs if each.time < until - EPSILON]
        speaks = [SPEAKS[type(each.frame)] for each in inside if type(each.frame) in SPEAKS]
        is_muted = any(time < until for time in muted)
        if speaks and speaks[-1] and not is_muted:
            continue
        last = max(
            [start, *(each.time for each in inside), *(time for time in (*muted, *answered) if time < until - EPSILON)]
        )
        if until - last > timeout + EPSILON:
            yield Finding(until, f"a turn was open until {until:.3f} s, and nothing was heard since {last:.3f} s")


def _is_patient(strategy: object) -> bool:
    """Whether it may hold the watch-dog back."""
    is_own = type(strategy).__dict__.get("holds_watchdog") is not None
    return isinstance(strategy, UserTurnStopStrategy) and is_own


# ---- measurements


def latency_sums(told: Conversation) -> Iterator[Finding]:
    """The parts of a wait add up to what was waited, and no time is less than nothing."""
    stops = told.select(VADUserStoppedSpeakingFrame)
    speaks = told.select(BotStartedSpeakingFrame)
    seen: set[int] = set()
    for each in told.select(MetricsFrame):
        if id(each.frame) in seen:
            continue
        seen.add(id(each.frame))
        for data in each.frame.data:
            if isinstance(data, (TTFBMetricsData, ProcessingMetricsData)) and data.value < 0:
                yield Finding.at(each, f"{data.processor} measured {data.value:g} s")
            if not isinstance(data, UserBotLatencyMetricsData):
                continue
            parts = {part: getattr(data, part) for part in PARTS}
            if abs(sum(parts.values()) - data.value) > 1e-5:
                yield Finding.at(each, f"the parts are {sum(parts.values()):.6f} s, and the wait {data.value:.6f} s")
            waits = {
                round(spoke.time - (stop.time if stop.frame.timestamp is None else stop.frame.timestamp), 5)
                + stop.frame.stop_secs
                for spoke in speaks
                for stop in stops
                if stop.seq < spoke.seq <= each.seq
            }
            if stops and not any(abs(wait - data.value) < 1e-4 for wait in waits):
                yield Finding.at(each, f"nobody has waited {data.value:.6f} s for the bot")


PARTS = (
    "endpointing",
    "transcription",
    "turn_detection",
    "inference",
    "functions",
    "aggregation",
    "synthesis",
    "pipeline",
)

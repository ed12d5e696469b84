"""What holds of time: how long silence and turns may last, and what waits are made of."""

from __future__ import annotations

import math
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
    InterimTranscriptionFrame,
    MetricsFrame,
    ProcessingMetricsData,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StopFrame,
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
from ...turn.idle import UserIdle
from ...turn.strategies import UserTurnStopStrategy
from ...turn.user_turn import UserTurn
from .complaint import Finding
from .reading import Reading, Seen
from .spoken import edges

__all__: list[str] = []

EPSILON = 1e-6


def idle_honesty(told: Reading) -> Iterator[Finding]:
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
    armings += [event.time for event in told.events("on_user_turn_stopped")]  # which somebody else may have announced
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


def _calls(told: Reading) -> list[tuple[float, float]]:
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


def no_turn_for_ever(told: Reading) -> Iterator[Finding]:
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
    ends = [each.time for each in told.select(EndFrame, StopFrame, CancelFrame, at=told.user)]
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


def latency_sums(told: Reading) -> Iterator[Finding]:
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

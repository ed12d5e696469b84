"""Whether the user has been silent for too long: in exact times."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    UserIdleTimeoutUpdateFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.turn import Event, IdleTimer, IdleWait, NothingToAnswer, UserIdle

IDLE = Event("on_user_turn_idle")


def bot(start: float, stop: float) -> list[tuple[float, object]]:
    return [(start, BotStartedSpeakingFrame()), (stop, BotStoppedSpeakingFrame())]


def user(start: float, stop: float, *, words: bool = True) -> list[tuple[float, object]]:
    edges: list[tuple[float, object]] = [(start, UserStartedSpeakingFrame()), (stop, UserStoppedSpeakingFrame())]
    return edges if words else [*edges, (stop, NothingToAnswer())]


def calls(at: float, *call_ids: str) -> tuple[float, Frame]:
    return at, FunctionCallsStartedFrame(tuple(FunctionCallFromLLM("f", call_id, {}) for call_id in call_ids))


def result(at: float, call_id: str, *, is_final: bool = True) -> tuple[float, Frame]:
    properties = FunctionCallResultProperties(is_final=is_final)
    return at, FunctionCallResultFrame("f", call_id, {}, "ok", properties=properties)


def timeout(at: float, seconds: float) -> tuple[float, Frame]:
    return at, UserIdleTimeoutUpdateFrame(seconds)


def idle_at(script: Sequence[tuple[float, object]], *, timeout: float = 5.0) -> list[float]:
    """When the event comes; the watch's own timer comes at its time."""
    idle, rest, found = UserIdle.begin(timeout), sorted(script, key=lambda item: item[0]), list[float]()
    armed: tuple[float, object] | None = None
    while rest or armed is not None:
        if armed is not None and (not rest or armed[0] < rest[0][0]):
            (now, event), armed = armed, None
        else:
            now, event = rest.pop(0)
        idle, decisions = idle.step(event, now)
        hash(idle)
        for decision in decisions:
            if isinstance(decision, IdleWait):
                armed = None if decision.seconds is None else (now + decision.seconds, decision.message)
            else:
                assert decision == IDLE
                found.append(now)
    return found


@pytest.mark.rule("D60", "D61", "D62", "D63", "D64")
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(bot(1, 2), [7], id="once, after the bot"),
        pytest.param([*bot(1, 2), *bot(9, 10)], [7, 15], id="again, after the bot again"),
        pytest.param([*bot(1, 2), *bot(4, 5)], [10], id="the bot goes on"),
        pytest.param([], [], id="nothing"),
        pytest.param(user(1, 2), [], id="no bot yet"),
        pytest.param(user(1, 2, words=False), [], id="nor after a turn without words"),
        pytest.param([*bot(1, 2), *user(4, 5)], [], id="the user speaks"),
        pytest.param([*bot(1, 3), *user(2, 4)], [], id="the user speaks already"),
        pytest.param([*bot(1, 2), *user(4, 5, words=False)], [10], id="the user says nothing"),
        pytest.param([*bot(1, 6), *user(4, 5, words=False)], [11], id="the user says nothing while the bot speaks"),
        pytest.param([*bot(1, 3), calls(2, "c")], [], id="a call runs"),
        pytest.param([*bot(1, 2), calls(3, "c")], [], id="a call begins"),
        pytest.param([*bot(1, 4), calls(2, "c"), result(3, "c")], [9], id="a call has run"),
        pytest.param([*bot(1, 5), calls(2, "c", "d"), result(3, "c")], [], id="one of two calls has run"),
        pytest.param([*bot(1, 5), calls(2, "c"), result(3, "c", is_final=False)], [], id="an intermediate result"),
        pytest.param([*bot(1, 5), calls(2, "c", "d"), result(3, "c"), result(4, "c")], [], id="one result twice"),
        pytest.param(
            [*bot(1, 5), calls(2, "c", "d"), result(3, "c"), (4, FunctionCallCancelFrame("f", "d"))],
            [10],
            id="the other cancelled",
        ),
        pytest.param([*bot(1, 5), result(2, "c"), calls(3, "d"), result(4, "d")], [10], id="never below nothing"),
        pytest.param([*bot(1, 2), timeout(4, 9)], [13], id="a running timer begins anew"),
        pytest.param([*bot(1, 2), timeout(4, 0)], [], id="turned off"),
        pytest.param([*bot(1, 2), timeout(4, 0), timeout(5, 3)], [8], id="and on, while the bot waits"),
        pytest.param([*bot(1, 2), timeout(8, 3)], [7, 11], id="armed, while the bot waits"),
        pytest.param([timeout(1, 3)], [], id="not before it has spoken"),
        pytest.param([*bot(1, 6), timeout(4, 3)], [9], id="not while it speaks"),
        pytest.param([*bot(1, 20), timeout(4, 3)], [23], id="however long it speaks"),
        pytest.param([*bot(1, 2), (3, EndFrame())], [], id="the end"),
        pytest.param([*bot(1, 2), (3, CancelFrame()), timeout(4, 1)], [], id="cancelled"),
        pytest.param([(1, BotStartedSpeakingFrame()), (2, OutputPauseFrame()), (2, BotStoppedSpeakingFrame())], [], id="paused"),
        pytest.param(
            [
                (1, BotStartedSpeakingFrame()),
                (2, OutputPauseFrame()),
                (2, BotStoppedSpeakingFrame()),
                *user(2, 3, words=False),
                (3, OutputResumeFrame()),
                *bot(3, 4),
            ],
            [9],
            id="resumed",
        ),
        pytest.param([(0, OutputPauseFrame()), (1, InterruptionFrame(1)), *bot(2, 3)], [8], id="cut"),
    ],
)  # fmt: skip
def test_the_user_is_idle_when_the_bot_waits_for_long_enough(
    script: Sequence[tuple[float, object]], expected: list[float]
) -> None:
    assert idle_at(script) == expected


@pytest.mark.rule("D60")
def test_nobody_watches_without_a_timeout() -> None:
    assert idle_at(bot(1, 2), timeout=0.0) == []


@pytest.mark.rule("D62")
def test_a_watch_can_be_turned_on() -> None:
    assert idle_at([*bot(1, 2), timeout(3, 5)], timeout=0.0) == [8]


@pytest.mark.rule("D61")
def test_a_timer_that_comes_too_late_or_too_early_does_no_harm() -> None:
    idle = UserIdle.begin(5.0)
    assert idle.step(IdleTimer(), 1.0) == (idle, ())
    for at, frame in bot(1, 2):
        idle, _ = idle.step(frame, at)
    assert idle.step(IdleTimer(), 3.0) == (idle, (IdleWait(4.0),))

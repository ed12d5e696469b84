"""A user's turn on its own: a script of frames with their times in, decisions with theirs out. Time is virtual."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import attrs

from antiphon.channels import (
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import (
    AnyStartStrategy,
    AnyStopStrategy,
    Timer,
    TurnAnalyzerParams,
    TurnDecision,
    TurnStarted,
    TurnStopped,
    TurnTimer,
    TurnVerdict,
    UserTurn,
    UserTurnConfig,
    UserTurnStrategies,
)

Decision = TypeVar("Decision")

Script = Sequence[tuple[float, object]]
Decided = list[tuple[float, TurnDecision]]

STOP_SECS = 0.2


def S(at: float) -> tuple[float, Frame]:
    """Voice activity starts."""
    return at, VADUserStartedSpeakingFrame(STOP_SECS, at)


def E(at: float) -> tuple[float, Frame]:
    """Voice activity stops."""
    return at, VADUserStoppedSpeakingFrame(STOP_SECS, at)


def T(at: float, text: str = "well then") -> tuple[float, Frame]:
    """A final transcript."""
    return at, TranscriptionFrame(text)


def F(at: float, text: str = "well then") -> tuple[float, Frame]:
    """A final transcript behind which nothing more comes."""
    return at, TranscriptionFrame(text, finalized=True)


def I(at: float, text: str = "well") -> tuple[float, Frame]:  # noqa: E743  # as in the tables
    """An interim transcript."""
    return at, InterimTranscriptionFrame(text)


def turn_with(
    start: Iterable[AnyStartStrategy] = (),
    stop: Iterable[AnyStopStrategy] = (),
    *,
    resume: float | None = None,
    stop_timeout: float = 5.0,
    allow_interruptions: bool = True,
) -> UserTurn:
    """With these strategies; without resumption, unless a time-out for it is given."""
    return UserTurn.begin(
        UserTurnConfig(
            UserTurnStrategies(start, stop),
            user_turn_stop_timeout=stop_timeout,
            false_interruption_timeout=resume,
            allow_interruptions=allow_interruptions,
        )
    )


def play_turn(turn: UserTurn, script: Script, *, until: float = 100.0) -> tuple[UserTurn, Decided]:
    """Show it everything at its time, and its timers at theirs. What it asked to arm must be what it believes is armed."""
    rest = sorted(script, key=lambda item: item[0])
    timers: dict[TurnTimer, float] = {}
    decided: Decided = []
    while rest or timers:
        timer = min(timers, key=lambda each: timers[each]) if timers else None
        if timer is not None and (not rest or timers[timer] < rest[0][0]):
            now, event = timers.pop(timer), cast(object, timer)
        else:
            now, event = rest.pop(0)
        if now > until:
            break
        turn, decisions = turn.step(event, now)
        hash(turn)
        for decision in decisions:
            if not isinstance(decision, Timer):
                decided.append((round(now, 6), decision))
            elif decision.seconds is None:
                del timers[decision.message]
            else:
                timers[decision.message] = now + decision.seconds
        assert turn.armed == frozenset(timers)
    return turn, decided


def decided(turn: UserTurn, script: Script, *, until: float = 100.0) -> Decided:
    return play_turn(turn, script, until=until)[1]


def of_kind(decisions: Decided, kind: type[Decision]) -> list[tuple[float, Decision]]:
    return [(time, each) for time, each in decisions if isinstance(each, kind)]


def starts(turn: UserTurn, script: Script) -> list[float]:
    return [time for time, _ in of_kind(decided(turn, script), TurnStarted)]


def stops(turn: UserTurn, script: Script) -> list[tuple[float, str | None]]:
    """When the turn was closed, and on whose word."""
    return [(time, stopped.strategy) for time, stopped in of_kind(decided(turn, script), TurnStopped)]


@attrs.frozen
class Scripted:
    """An analyser that calls a turn complete by what it is told; it counts the chunks it hears."""

    at_silence: bool = True
    """Its verdict where the user falls silent."""
    in_sound: int | None = None
    """Complete at this chunk of sound of the turn."""
    params: TurnAnalyzerParams = attrs.field(factory=TurnAnalyzerParams)

    def open(self, sample_rate: int, heard: tuple[bytes, ...] = ()) -> ScriptedJudge:
        return ScriptedJudge(self, heard)


class ScriptedJudge:
    def __init__(self, analyzer: Scripted, heard: tuple[bytes, ...]) -> None:
        self._analyzer = analyzer
        self.heard = heard

    def hear(self, audio: bytes, is_speaking: bool) -> TurnVerdict | None:
        self.heard = (*self.heard, audio)
        return TurnVerdict(True, 1.0) if len(self.heard) == self._analyzer.in_sound else None

    def judge(self) -> TurnVerdict:
        return TurnVerdict(self._analyzer.at_silence, 0.9 if self._analyzer.at_silence else 0.1)

    def clear(self) -> None:
        self.heard = ()

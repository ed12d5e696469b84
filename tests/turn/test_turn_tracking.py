"""Conversation turns, seen from outside: frames go through a session, and the tracker tells what they made."""

from __future__ import annotations

import itertools
import logging

import pytest

from antiphon import Actor, Backoff, Both, ConfigurationError, Interrupt, Pipeline, actor, child, on
from antiphon.actors import Effect
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from antiphon.turn import TurnTracker
from antiphon.turn.turn_tracking import NEXT, ConversationTurns, Phase, Sight, TurnEnded
from tests.actors.notes import both

SPOKEN: tuple[Item, ...] = (BotStartedSpeakingFrame(), Sleep(1.0), BotStoppedSpeakingFrame())


@actor
class Hears(Actor):
    """Handles what a tracker looks at, as the actors of a pipeline do."""

    @on(UserStartedSpeakingFrame, BotStartedSpeakingFrame, BotStoppedSpeakingFrame, OutputPauseFrame)
    def hear(self, frame: Frame) -> Frame:
        return frame

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> None: ...


@actor
class CutsIn(Actor):
    """Announces the user's turn and cuts the bot off, in one step."""

    interrupts_first: bool = False

    @on(VADUserStartedSpeakingFrame)
    def begin(self, frame: VADUserStartedSpeakingFrame) -> list[Effect]:
        announced = Both(UserStartedSpeakingFrame())
        return [Interrupt(), announced] if self.interrupts_first else [announced, Interrupt()]


@actor
class Speaks(Actor):
    """Stops when it is cut, as an output does."""

    @on(BotStartedSpeakingFrame)
    def begin(self, frame: BotStartedSpeakingFrame) -> Effect:
        return Both(frame)

    @on(InterruptionFrame)
    def stop(self, frame: InterruptionFrame) -> Effect:
        return Both(BotStoppedSpeakingFrame())


def turns(*script: Item, direct: bool = True, pipeline: Pipeline | None = None) -> list[tuple[object, ...]]:
    """What the tracker told: `(number,)` for a beginning, `(number, seconds, was_interrupted)` for an end."""
    tracker = TurnTracker()
    told: list[tuple[object, ...]] = []
    tracker.on_event("on_turn_started", lambda tracker, number: told.append((number,)))
    tracker.on_event("on_turn_ended", lambda tracker, number, seconds, cut: told.append((number, seconds, cut)))
    play(pipeline or Pipeline(Hears(), Hears()), script, direct=direct, observers=[tracker])
    return told


@both
@pytest.mark.rule("J41")
def test_the_first_turn_begins_with_the_session_and_ends_with_it_interrupted(direct: bool) -> None:
    assert turns(Sleep(3), EndFrame(), direct=direct) == [(1,), (1, 3.0, True)]
    assert turns(Sleep(3), direct=direct) == [(1,), (1, 3.0, True)]


@both
@pytest.mark.rule("J41")
def test_a_user_who_starts_after_the_bot_has_spoken_begins_the_next_turn(direct: bool) -> None:
    script: list[Item] = [Sleep(1), *SPOKEN, Sleep(2), UserStartedSpeakingFrame(), Sleep(1), EndFrame()]
    assert turns(*script, direct=direct) == [(1,), (1, 4.0, False), (2,), (2, 1.0, True)]


@both
@pytest.mark.rule("J41")
def test_a_user_who_starts_before_the_bot_has_spoken_stays_in_the_turn(direct: bool) -> None:
    script: list[Item] = [
        Sleep(1),
        UserStartedSpeakingFrame(),
        Sleep(1),
        UserStartedSpeakingFrame(),
        Sleep(1),
        EndFrame(),
    ]
    assert turns(*script, direct=direct) == [(1,), (1, 3.0, True)]


@both
@pytest.mark.parametrize("speaks_first", [True, False], ids=["stop seen first", "start seen first"])
@pytest.mark.parametrize("interrupts_first", [True, False], ids=["cut, then announced", "announced, then cut"])
@pytest.mark.rule("J41")
def test_a_user_who_cuts_the_bot_off_interrupts_the_turn(
    direct: bool, interrupts_first: bool, speaks_first: bool
) -> None:
    cuts_in = CutsIn(interrupts_first)
    pipeline = Pipeline(Speaks(), cuts_in, Hears()) if speaks_first else Pipeline(cuts_in, Hears(), Speaks(), Hears())
    script: list[Item] = [
        Sleep(1),
        BotStartedSpeakingFrame(),
        Sleep(0.5),
        VADUserStartedSpeakingFrame(),
        Sleep(2),
        EndFrame(),
    ]
    told = turns(*script, direct=direct, pipeline=pipeline)
    assert told == [(1,), (1, 1.5, True), (2,), (2, 2.0, True)]


@pytest.mark.rule("J41")
def test_on_a_live_clock_the_epoch_tells_that_the_user_had_started_before_the_cut() -> None:
    def ended(epoch: int) -> object:
        turns, _ = ConversationTurns().step(Sight.STARTED, 0.0)
        turns, _ = turns.step(Sight.BOT_STARTED, 1.0)
        turns, _ = turns.cut(2.0, epoch=7)
        turns, _ = turns.step(Sight.BOT_STOPPED, 2.0001)
        return turns.user_started(2.0003, epoch)[1][0]

    assert ended(epoch=6) == TurnEnded(1, 2.0003, was_interrupted=True)
    assert ended(epoch=7) == TurnEnded(1, 2.0003, was_interrupted=False)


@both
@pytest.mark.rule("J41")
def test_a_bot_that_is_cut_by_somebody_else_is_not_cut_by_the_user_who_speaks_later(direct: bool) -> None:
    pipeline = Pipeline(Hears(), Speaks(), Hears())
    script: list[Item] = [
        BotStartedSpeakingFrame(),
        Sleep(1),
        InterruptionFrame(),
        Sleep(1),
        UserStartedSpeakingFrame(),
        EndFrame(),
    ]
    assert turns(*script, direct=direct, pipeline=pipeline)[:2] == [(1,), (1, 2.0, False)]


@both
@pytest.mark.rule("J41")
def test_a_user_who_speaks_while_the_bot_goes_on_interrupts_the_turn_too(direct: bool) -> None:
    script: list[Item] = [
        BotStartedSpeakingFrame(),
        Sleep(1),
        UserStartedSpeakingFrame(),
        Sleep(2),
        BotStoppedSpeakingFrame(),
    ]
    assert turns(*script, direct=direct) == [(1,), (1, 1.0, True), (2,), (2, 2.0, True)]


@both
@pytest.mark.rule("J41")
def test_a_turn_is_over_when_the_bot_has_been_silent_for_two_and_a_half_seconds(direct: bool) -> None:
    script: list[Item] = [*SPOKEN, Sleep(2.6), UserStartedSpeakingFrame(), Sleep(1), EndFrame()]
    assert turns(*script, direct=direct) == [(1,), (1, 3.5, False), (2,), (2, 1.0, True)]


@both
@pytest.mark.rule("J41")
def test_a_bot_that_goes_on_sooner_goes_on_with_its_turn(direct: bool) -> None:
    script: list[Item] = [*SPOKEN, Sleep(2.4), *SPOKEN, Sleep(2.4), EndFrame()]
    assert turns(*script, direct=direct) == [(1,), (1, 6.8, True)]


@pytest.mark.rule("J41")
def test_any_delivery_at_the_deadline_tells_that_a_turn_is_over() -> None:
    told: list[float] = []
    tracker = TurnTracker()
    tracker.on_event("on_turn_ended", lambda tracker, number, seconds, cut: told.append(seconds))
    heard: list[bool] = []
    sound: list[tuple[Item, ...]] = [(Sleep(0.02), InputAudioRawFrame(bytes(640), 16000)) for _ in range(130)]
    script: list[Item] = [*SPOKEN, *itertools.chain.from_iterable(sound)]

    @actor
    class Notes(Actor):
        @on(InputAudioRawFrame)
        def note(self, frame: InputAudioRawFrame) -> None:
            heard.append(bool(told))

    play(Pipeline(Notes()), script, observers=[tracker])
    assert told == [pytest.approx(3.5)]
    assert heard.index(True) in (124, 125)


@both
@pytest.mark.rule("J41")
def test_speech_that_is_only_held_decides_nothing_until_it_goes_on_or_is_cut(direct: bool) -> None:
    held: list[Item] = [
        BotStartedSpeakingFrame(),
        Sleep(1),
        (UserStartedSpeakingFrame(), OutputPauseFrame(), BotStoppedSpeakingFrame()),
        Sleep(3),
    ]
    resumed: list[Item] = [*held, (OutputResumeFrame(), BotStartedSpeakingFrame()), Sleep(1), EndFrame()]
    assert turns(*resumed, direct=direct) == [(1,), (1, 5.0, True)]
    cut: list[Item] = [*held, InterruptionFrame(), Sleep(1), EndFrame()]
    assert turns(*cut, direct=direct) == [(1,), (1, 1.0, True), (2,), (2, 4.0, True)]


def test_the_bot_speaks_until_it_has_stopped_everywhere() -> None:
    script: list[Item] = [
        (BotStartedSpeakingFrame(), BotStartedSpeakingFrame(transport_destination="room")),
        Sleep(1),
        BotStoppedSpeakingFrame(),
        Sleep(3),
        BotStoppedSpeakingFrame(transport_destination="room"),
        Sleep(1),
        UserStartedSpeakingFrame(),
        EndFrame(),
    ]
    assert turns(*script)[:2] == [(1,), (1, 5.0, False)]


def test_a_copy_that_a_restarting_actor_handles_late_is_no_news() -> None:
    slow = child(Hears(name="slow"), backoff=Backoff(first=2.0, factor=1, most=2.0, jitter=0))
    pipeline = Pipeline(Hears(), slow, Hears())
    spoken = (BotStartedSpeakingFrame(), BotStoppedSpeakingFrame())
    script: list[Item] = [Kill("slow"), Kill("slow"), spoken, Sleep(6), UserStartedSpeakingFrame()]
    assert turns(*script, pipeline=pipeline)[:2] == [(1,), (1, 2.5, False)]


def test_an_actor_that_comes_back_begins_no_turn() -> None:
    assert turns(Sleep(1), Kill("hears"), Sleep(1), EndFrame()) == [(1,), (1, 2.0, True)]


def test_each_phase_can_be_reached_and_left_but_the_last() -> None:
    reached = {phase for row in NEXT.values() for phase, _ in row.values()}
    assert reached == set(Phase) - {Phase.BEFORE}
    assert {phase for phase, row in NEXT.items() if not row} == {Phase.OVER}
    assert all(Sight.ENDED in row for phase, row in NEXT.items() if phase not in (Phase.BEFORE, Phase.OVER))


# ---- registering


def test_an_event_that_there_is_not_is_refused_and_the_others_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no such event\. It has: on_turn_started, on_turn_ended"):
        TurnTracker().on_event("on_turn_begun", print)


def test_an_async_handler_is_refused_for_nobody_would_wait_for_it() -> None:
    async def handle(tracker: TurnTracker, number: int) -> None: ...

    with pytest.raises(ConfigurationError, match="is no plain function"):
        TurnTracker().on_event("on_turn_started", handle)


def test_a_handler_that_raises_is_logged_and_the_others_hear_all(caplog: pytest.LogCaptureFixture) -> None:
    tracker = TurnTracker()
    numbers: list[int] = []

    @tracker.on_event("on_turn_started")
    def fail(tracker: TurnTracker, number: int) -> None:
        raise LookupError("enough")

    tracker.on_event("on_turn_started", lambda tracker, number: numbers.append(number))
    with caplog.at_level(logging.ERROR):
        play(Pipeline(Hears()), [*SPOKEN, UserStartedSpeakingFrame()], observers=[tracker])
    assert numbers == [1, 2]
    assert "TurnTracker's handler of on_turn_started raised LookupError: enough" in caplog.text

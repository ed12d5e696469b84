"""How answers end, as an actor behind the output counts them."""

from __future__ import annotations

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    BotStartedSpeakingFrame,
    CancelWorkerFrame,
    HeardFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from examples.interruption_counter import SCRIPT, InterruptionCounter, conversation, main, says, told

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

STARTED: list[Item] = [LLMFullResponseStartFrame(), BotStartedSpeakingFrame()]


def counted(trace: Trace) -> tuple[object, ...]:
    counter = trace.durable["counter"]
    return counter["whole"], counter["cut_after"], counter["unheard"]


def alone(*script: Item) -> tuple[object, ...]:
    return counted(play(Pipeline(InterruptionCounter(name="counter")), script, limit=60))


def test_the_example_tells_what_it_counted(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out.splitlines() == [
        "answers heard to the end   2 of 3 (67%)",
        "cut off while speaking     1, after 0.94 s",
        "cut off before a sound     1",
    ]


def test_a_conversation_without_answers_is_told_as_well() -> None:
    assert list(told(0, (), 0)) == [
        "answers heard to the end   0 of 0",
        "cut off while speaking     0",
        "cut off before a sound     0",
    ]


@both
def test_interruptions_are_the_same_however_frames_are_delivered(direct: bool) -> None:
    assert counted(play(conversation(), SCRIPT, limit=60, direct=direct)) == (2, (0.94,), 1)


def test_no_kill_changes_a_count() -> None:
    calm = play(conversation(), SCRIPT, limit=60)
    for at in range(1, len(calm.handled_by("counter")) + 1):
        killed = play(conversation(), [Kill("counter", at=at), *SCRIPT], limit=60)
        assert len(killed.restarts) == 1
        assert counted(killed) == counted(calm), f"killed at delivery {at}"


@both
def test_a_session_that_is_cancelled_in_an_answer_interrupts_nobody(direct: bool) -> None:
    script = [*says("What is there to eat?"), Sleep(1.5), CancelWorkerFrame()]
    assert counted(play(conversation(), script, limit=60, direct=direct)) == (0, (), 0)


def test_an_interruption_in_silence_counts_nothing() -> None:
    assert alone(InterruptionFrame(), HeardFrame(1, (), (), ())) == (0, (), 0)


def test_a_response_that_only_calls_a_function_is_no_answer() -> None:
    assert alone(LLMFullResponseStartFrame(), LLMFullResponseEndFrame()) == (0, (), 0)


def test_speech_that_no_interruption_cuts_is_heard_to_its_end() -> None:
    script = [*STARTED, InterruptionFrame(), HeardFrame(1, (), (), ("1",)), LLMFullResponseEndFrame()]
    assert alone(*script) == (1, (), 0)


def test_all_syntheses_of_an_answer_count_for_its_seconds() -> None:
    heard = HeardFrame(1, (("1", 1_500_000_000), ("2", 250_000_000)), (), ())
    assert alone(*STARTED, InterruptionFrame(), heard) == (0, (1.75,), 0)

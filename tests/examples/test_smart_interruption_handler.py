"""What cuts the bot off, and what doesn't."""

from __future__ import annotations

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InterimTranscriptionFrame,
    LLMContext,
    TextFrame,
    TranscriptionFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from examples.smart_interruption_handler import CASES, MENU, StopWords, conversation, main, says

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])


def script(text: str) -> list[Item]:
    return [*says("What can I eat?"), Sleep(1.6), *says(text), Sleep(6.0), EndFrame()]


def written(trace: Trace) -> list[str]:
    context = trace.durable["user"]["context"]
    assert isinstance(context, LLMContext)
    return [str(message["content"]) for message in context.messages[1:]]


def alone(*script: Item) -> Trace:
    return play(Pipeline(StopWords()), script, limit=60)


def words(trace: Trace) -> list[str]:
    return [frame.text for frame in trace.down if isinstance(frame, TextFrame)]


def test_the_example_tells_what_came_of_each_sound(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out.splitlines() == [
        "a cough",
        "  heard to the end",
        "a hum,      'Mhm.'",
        "  heard to the end",
        "an order,   'Stop!'",
        "  cut off: 'We have onion soup, a'",
        "a question, 'Is the soup hot?'",
        "  cut off: 'We have onion soup, a lemon tart'",
        "  then: 'Is the soup hot?' 'Of course.'",
        "both,       'Wait, is the soup hot?'",
        "  cut off: 'We have onion soup, a'",
        "  then: 'Wait, is the soup hot?' 'Of course.'",
    ]


@both
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("a cough", [MENU]),
        ("a hum", [MENU]),
        ("an order", ["We have onion soup, a"]),
        ("both", ["We have onion soup, a", "Wait, is the soup hot?", "Of course."]),
    ],
)
def test_only_words_that_matter_cut_the_bot_off(case: str, expected: list[str], direct: bool) -> None:
    assert written(play(conversation(), script(CASES[case]), limit=60, direct=direct)) == expected


@pytest.mark.parametrize("case", ["an order", "both"])
def test_no_kill_changes_what_is_heard_and_written(case: str) -> None:
    calm = play(conversation(), script(CASES[case]), limit=60)
    for at in range(1, len(calm.handled_by("stop_words")) + 1):
        killed = play(conversation(), [Kill("stop_words", at=at), *script(CASES[case])], limit=60)
        assert len(killed.restarts) == 1
        assert written(killed) == written(calm), f"killed at delivery {at}"


def test_an_order_to_be_silent_goes_no_further() -> None:
    heard = [InterimTranscriptionFrame("stop"), BotStoppedSpeakingFrame(), TranscriptionFrame("Stop, stop!")]
    assert words(alone(BotStartedSpeakingFrame(), *heard)) == []


def test_what_follows_an_order_goes_on_whole() -> None:
    heard = [InterimTranscriptionFrame("stop"), TranscriptionFrame("Stop, which wine?")]
    assert words(alone(BotStartedSpeakingFrame(), *heard)) == ["Stop, which wine?"]


def test_a_stop_word_into_silence_is_a_word_like_any() -> None:
    spoken: list[Item] = [BotStartedSpeakingFrame(), Sleep(1.0), BotStoppedSpeakingFrame()]
    assert words(alone(*spoken, TranscriptionFrame("Wait."))) == ["Wait."]
    assert words(alone(BotStartedSpeakingFrame(), TranscriptionFrame("stop"), BotStoppedSpeakingFrame())) == []

"""An application that speaks for a user who is muted."""

from __future__ import annotations

import pytest

from antiphon import Pipeline
from antiphon.channels import (
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    InputTextRawFrame,
    InputTransportMessageFrame,
    LLMRunFrame,
    TranscriptionFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from examples.emulated_user_input import SCRIPT, WebPage, conversation, happened, main, says, sends, written

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

GREETING = "Welcome! Let me tell you how this all began, a hundred years ago, in a small kitchen."
BUTTON = "Book a table."
FOR_THE_USER = (
    InputTransportMessageFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    TranscriptionFrame,
    InputTextRawFrame,
)
GREETED: list[Item] = [LLMRunFrame(), Sleep(1.5)]


def turns(trace: Trace) -> list[str]:
    return [line for line in happened(trace) if "turn" in line]


WHOLE = [
    "assistant: Welcome! Let me tell you how this all",
    "user: Book a table.",
    "assistant: Where may I write to? Please",
    "user: ann@example.org",
    "assistant: Thank you, a letter is on its way.",
    "user: Is the soup hot?",
    "assistant: It is hot.",
]
TURNS = [
    " 2.50 s  the user's turn begins",
    " 2.50 s  the user's turn is over",
    " 4.50 s  the user's turn begins",
    " 6.00 s  the user's turn is over",
]


def test_the_example_tells_the_turns_and_the_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    lines = capsys.readouterr().out.splitlines()
    blank = lines.index("")
    assert [line for line in lines[:blank] if "turn" in line] == TURNS
    assert lines[:2] == [" 0.33 s  microphone off", TURNS[0]]
    assert lines[blank + 1 :] == WHOLE


@both
def test_the_conversation_is_the_same_however_frames_are_delivered(direct: bool) -> None:
    trace = play(conversation(), SCRIPT, limit=60, direct=direct)
    assert (turns(trace), list(written(trace))) == (TURNS, WHOLE)


def test_no_kill_changes_what_is_written() -> None:
    calm = play(conversation(), SCRIPT, limit=60)
    for name in ("web_page", "user"):
        for at, frame in enumerate(calm.handled_by(name), 1):
            if isinstance(frame, FOR_THE_USER):
                killed = play(conversation(), [Kill(name, at=at), *SCRIPT], limit=60)
                assert len(killed.restarts) == 1
                assert list(written(killed)) == list(written(calm)), f"{name} killed at {frame}"


@both
def test_a_muted_user_is_not_heard_but_his_button_is(direct: bool) -> None:
    spoken = play(conversation(), [*GREETED, *says(BUTTON), Sleep(9.0)], limit=60, direct=direct)
    assert list(written(spoken)) == [f"assistant: {GREETING}"]
    pressed = play(conversation(), [*GREETED, sends(button=BUTTON), Sleep(9.0)], limit=60, direct=direct)
    assert list(written(pressed))[1:] == [
        f"user: {BUTTON}",
        "assistant: Where may I write to? Please fill in the form below.",
    ]


@both
def test_a_form_that_is_opened_and_closed_again_only_holds_the_bot(direct: bool) -> None:
    script = [*GREETED, sends(form="open"), Sleep(1.0), EmulateUserStoppedSpeakingFrame(), Sleep(12.0)]
    trace = play(conversation(), script, limit=60, direct=direct)
    assert list(written(trace)) == [f"assistant: {GREETING}"]
    assert "on_false_interruption" in [event.name for event in trace.events]


def test_what_is_typed_is_answered_without_a_turn() -> None:
    trace = play(conversation(), [*GREETED, sends(chat="Is the soup hot?"), Sleep(4.0)], limit=60)
    assert turns(trace) == []
    assert list(written(trace))[1:] == ["user: Is the soup hot?", "assistant: It is hot."]


def test_a_page_is_translated_and_what_it_does_not_know_goes_on() -> None:
    page = Pipeline(WebPage())
    messages = [sends(form="open"), sends(form="sent", text="hi"), sends(chat="yes"), sends(colour="red")]
    assert play(page, messages, limit=60).down == (
        EmulateUserStartedSpeakingFrame(),
        EmulateUserStartedSpeakingFrame(),
        TranscriptionFrame("hi", finalized=True),
        EmulateUserStoppedSpeakingFrame(),
        InputTextRawFrame("yes"),
        InputTransportMessageFrame({"colour": "red"}),
    )

"""A script's conversation, as a function of the context."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from antiphon.actors import ConfigurationError
from antiphon.actors.services.scripted import Call, Hangup, Intent, Pause, Say, Script, Slot, Step, reply
from antiphon.channels import LLMContext

PAGE = Path(__file__).parents[3] / "docs" / "scripted-model.md"
BOOKING = Script.from_toml(PAGE.read_text().split('"""')[1])
ROBOT = Script.from_toml(
    """
    [slots.direction]
    values = { forward = "forward", backward = "backward", back = "backward" }
    [slots.distance]
    values = { one = 1, two = 2, ten = 10 }
    default = 1
    [intents.move]
    heard = ["go {direction} {distance} meters|metres", "go {direction}"]
    call = "move"
    done = "Moved {direction} by {distance}, {result}."
    """
)
FRIDAY = "a table for four on friday at seven"
CONFIRM = "A table for four on Friday at seven. Is that right?"


def user(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


def called(result: object, name: str = "book_table") -> list[dict[str, Any]]:
    """A call's two entries."""
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    content = result if isinstance(result, str) else json.dumps(result)
    return [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "1", "content": content}]


def steps(messages: list[dict[str, Any]], script: Script = BOOKING) -> tuple[Step, ...]:
    return reply(script, LLMContext.from_messages(messages))


def said(messages: list[dict[str, Any]], script: Script = BOOKING) -> str:
    return "".join(step.text for step in steps(messages, script) if isinstance(step, Say))


def test_before_anybody_spoke_it_opens() -> None:
    assert steps([]) == (
        Say("Harbour restaurant, good evening."),
        Pause(0.3),
        Say(" For how many people is the table?"),
    )


def test_a_system_message_is_nobodys_speech() -> None:
    assert steps([{"role": "system", "content": "Be kind."}]) == steps([])


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (["four"], "On which day?"),
        (["Four!"], "On which day?"),
        (["for four", "Friday"], "At what time?"),
        (["friday"], "For how many people?"),
        (["on friday at seven"], "For how many people?"),
        ([FRIDAY], CONFIRM),
        (["at seven", "four", "friday"], CONFIRM),
        (["for four", "friday", "half past six"], "A table for four on Friday at six thirty. Is that right?"),
        (["for four", "friday", "six"], "A table for four on Friday at six. Is that right?"),
        (["six of us at six", "friday"], "A table for six on Friday at six. Is that right?"),
        (["two", "no three people", "friday at seven"], "A table for three on Friday at seven. Is that right?"),
        (["not two people three people friday at seven"], "A table for three on Friday at seven. Is that right?"),
    ],
)
def test_slots_are_filled_in_any_order(texts: list[str], answer: str) -> None:
    assert said(user(*texts)) == answer


@pytest.mark.parametrize(
    ("correction", "answer"),
    [
        ("no", "What shall I change?"),
        ("no five people", "A table for five on Friday at seven. Is that right?"),
        ("saturday", "A table for four on Saturday at seven. Is that right?"),
        ("yes but on saturday", "A table for four on Saturday at seven. Is that right?"),
        ("not friday, saturday", "A table for four on Saturday at seven. Is that right?"),
        ("make it eight o'clock", "A table for four on Friday at eight. Is that right?"),
        ("five", "A table for five on Friday at seven. Is that right?"),
        ("six", f"Sorry, I didn't get that. {CONFIRM}"),
    ],
)
def test_a_correction_is_taken_and_asked_about_anew(correction: str, answer: str) -> None:
    assert said(user(FRIDAY, correction)) == answer


def test_yes_calls_the_function() -> None:
    assert steps(user(FRIDAY, "yes please")) == (
        Say("One moment."),
        Call("book_table", {"people": 4, "day": "Friday", "time": "19:00"}),
    )


def test_a_request_to_repeat_repeats() -> None:
    assert said(user(FRIDAY, "pardon")) == CONFIRM
    assert said(user(FRIDAY, "pardon", "could you say that again")) == CONFIRM


def test_the_opening_is_repeated_whole() -> None:
    assert said(user("pardon")) == BOOKING.opening.replace("{pause 0.3}", "")


def test_what_is_not_understood_is_asked_again_in_other_words() -> None:
    texts = ["for four", "er", "hum", "what a day"]
    assert [said(user(*texts[: count + 1])) for count in range(1, 4)] == [
        "Sorry, I didn't get that. On which day?",
        "I still didn't understand. On which day?",
        "I still didn't understand. On which day?",
    ]


def test_understanding_begins_the_complaints_anew() -> None:
    assert said(user("er", "er", "four", "er")) == "Sorry, I didn't get that. On which day?"


def test_the_result_is_told_and_the_session_ends() -> None:
    assert steps([*user(FRIDAY, "yes"), *called({"number": 17})]) == (
        Say("Your table is booked, the number is 17. Goodbye."),
        Hangup(),
    )


def test_a_failure_is_told_and_another_wish_is_taken() -> None:
    failed = [*user(FRIDAY, "yes"), *called({"error": "we are full"})]
    assert steps(failed) == (Say("I'm sorry, we are full. Another time, perhaps?"),)
    assert said([*failed, *user("at eight")]) == "A table for four on Friday at eight. Is that right?"


def test_while_the_function_runs_it_asks_for_patience() -> None:
    running = [*user(FRIDAY, "yes"), *called("IN_PROGRESS"), *user("hello")]
    assert said(running) == "One moment, please."


def test_a_cancelled_call_is_asked_for_again() -> None:
    cancelled = [*user(FRIDAY, "yes"), *called("CANCELLED")]
    assert said([*cancelled, *user("what")]) == f"Sorry, I didn't get that. {CONFIRM}"
    assert steps([*cancelled, *user("yes")])[-1] == Call("book_table", {"people": 4, "day": "Friday", "time": "19:00"})


def test_an_answer_that_was_cut_before_its_call_has_not_called() -> None:
    assert said(user(FRIDAY, "yes", "wait on saturday")) == "A table for four on Saturday at seven. Is that right?"


def test_after_the_end_it_still_says_goodbye() -> None:
    done = [*user(FRIDAY, "yes"), *called({"number": 17}), *user("bye")]
    assert steps(done) == (Say("Goodbye."), Hangup())


def test_what_the_assistant_is_heard_to_say_changes_nothing() -> None:
    """An answer that was cut is shorter in the context; the conversation goes on all the same."""
    cut = [*user("for four"), {"role": "assistant", "content": "On wh"}, *user("friday")]
    assert said(cut) == "At what time?"


@pytest.mark.parametrize("role", ["assistant", "developer"])
def test_asked_to_run_again_it_says_the_last_thing_again(role: str) -> None:
    assert said([*user("for four"), {"role": role, "content": "Go on where you stopped."}]) == "On which day?"


def test_parts_of_a_message_are_read_together() -> None:
    parts = [{"type": "text", "text": "for four"}, {"type": "image_url", "image_url": {}}]
    assert said([{"role": "user", "content": parts}]) == "On which day?"


def test_a_command_calls_at_once() -> None:
    assert steps(user("go forward ten meters"), ROBOT) == (Call("move", {"direction": "forward", "distance": 10}),)


@pytest.mark.parametrize("text", ["please go back ten metres now", "GO BACKWARD, TEN METERS"])
def test_a_command_is_found_among_other_words(text: str) -> None:
    assert steps(user(text), ROBOT) == (Call("move", {"direction": "backward", "distance": 10}),)


def test_a_default_stands_for_what_was_not_said() -> None:
    assert steps(user("go forward"), ROBOT) == (Call("move", {"direction": "forward", "distance": 1}),)


def test_a_second_command_does_not_remember_the_first() -> None:
    again = [*user("go forward ten meters"), *called("COMPLETED", "move"), *user("go back")]
    assert steps(again, ROBOT) == (Call("move", {"direction": "backward", "distance": 1}),)


def test_values_are_told_after_the_call_too() -> None:
    assert said([*user("go forward ten meters"), *called("COMPLETED", "move")], ROBOT) == "Moved forward by ten, ."


def test_a_word_inside_a_word_is_not_heard() -> None:
    assert said(user("forwards fourteen"), BOOKING).startswith("Sorry")


def test_arguments_may_be_named_and_fixed() -> None:
    script = Script(
        slots={"who": Slot(["ann", "bob"])},
        intents={"greet": Intent("greet {who}", call="say", arguments={"to": "{who}", "loud": True})},
    )
    assert steps(user("greet Bob"), script) == (Call("say", {"to": "bob", "loud": True}),)


def test_an_intent_without_a_call_is_answered_when_all_is_known() -> None:
    script = Script(
        slots={"who": Slot(["ann", "bob"], ask="Whom?")},
        intents={"greet": Intent("greet", slots="who", confirm="{who}?", done="Hello {who}!")},
    )
    assert [said(user(*texts), script) for texts in (["greet"], ["greet", "ann"], ["greet", "ann", "yes"])] == [
        "Whom?",
        "ann?",
        "Hello ann!",
    ]


@given(st.lists(st.sampled_from(["four", "friday", "at seven", "yes", "no", "pardon", "er", "bye", "not four"])))
def test_the_answer_follows_from_the_context_alone(texts: list[str]) -> None:
    """Nothing is remembered from call to call, and nothing that is said can break it."""
    context = LLMContext.from_messages(user(*texts))
    assert reply(BOOKING, context) == reply(BOOKING, context)
    assert reply(BOOKING, context)


GOOD = {"slots": {"who": {"values": ["ann"], "ask": "Who?"}}, "intents": {"greet": {"heard": ["greet"], "done": "Hi."}}}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"start": "meet"}, "start names the intent 'meet', which isn't there; there are 'greet'"),
        ({"unclear": []}, "unclear is empty"),
        ({"opening": "Hello {whom}"}, "opening quotes {whom}, which isn't a slot; there are 'who'"),
        ({"slots": {"who": {"values": []}}}, "slot 'who' has no values"),
        ({"slots": {"who": {"values": ["a"], "heard": ["is it"]}}}, "a phrase of a slot holds {value}, once"),
        ({"intents": {"greet": {"done": "Hi."}}}, "nothing that it is heard in"),
        ({"intents": {"greet": {"heard": ["greet {her}"], "done": "Hi."}}}, "the slot 'her', which isn't there"),
        ({"intents": {"greet": {"heard": ["greet"]}}}, "neither calls nor says anything"),
        ({"intents": {"greet": {"heard": ["greet"], "done": "Hi {you}"}}}, "done of intent 'greet' quotes {you}"),
        (
            {
                "slots": {"who": {"values": ["ann"]}},
                "intents": {"greet": {"heard": ["greet", "greet {who}"], "done": "Hi."}},
            },
            "slot 'who' may be missing in 'greet'",
        ),
        (
            {"intents": {"greet": {"heard": ["greet"], "call": "greet", "arguments": {"to": "{who}"}}}},
            "an argument of intent 'greet' is '{who}', which isn't one of its slots",
        ),
    ],
)
def test_a_script_that_can_not_work_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        Script(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("opening = ", "the script is no TOML document"),
        ("openning = 'Hello'", "the script has a wrong entry: .*openning"),
        ("[intents.a]\nheard = ['a']\ndune = 'Hi.'", "the script has a wrong entry: .*dune"),
    ],
)
def test_toml_that_is_no_script_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        Script.from_toml(text)


def test_a_script_is_loaded_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "script.toml").write_text('opening = "Hello."')
    assert Script.load(tmp_path / "script.toml") == Script(opening="Hello.")

"""The agent of the demo is understood by its caller: the true voice, the true ears, no air between them but what is put there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from antiphon.actors.services.text_aggregation import split_sentences
from antiphon.demo import callers
from antiphon.demo.agent import RATE, SAMPLE_RATE, VOICE, booking_script
from tests.actors.engines.program import Program

pytestmark = [pytest.mark.needs("pocketsphinx"), pytest.mark.needs("espeakng-loader")]

SCRIPT = booking_script()
CONFIRM = "A table for {people} on {day} at {time}. Is that right?"
WISHED = CONFIRM.format(people="four people", day="Friday", time="half past seven")
SAID = [
    SCRIPT.opening,
    *SCRIPT.unclear,
    *(slot.ask for slot in SCRIPT.slots.values()),
    *(intent.change for intent in SCRIPT.intents.values() if intent.confirm),
    *(intent.done for intent in SCRIPT.intents.values()),
    WISHED,
]
"""All that the agent says in a call that goes as it should, or nearly."""
TABLES = [
    ("one person", "Monday", "six o'clock"),
    ("two people", "Tuesday", "half past six"),
    ("three people", "Wednesday", "quarter to seven"),
    ("five people", "Thursday", "quarter past eight"),
    ("six people", "Saturday", "twelve o'clock"),
    ("seven people", "Sunday", "half past nine"),
    ("eight people", "Friday", "quarter to ten"),
    ("ten people", "Saturday", "eight o'clock"),
]


@pytest.fixture(scope="module")
def mouth() -> Iterator[Program]:
    with Program("espeak") as program:
        program.send({"configure": {"voice": VOICE, "rate": RATE, "sample_rate": SAMPLE_RATE}})
        program.last("configured")
        yield program


@pytest.fixture(scope="module")
def ears() -> Iterator[Program]:
    grammar = (callers.HERE / "caller.jsgf").read_text()
    with Program("pocketsphinx") as program:
        program.send({"configure": {"grammar": grammar, "threshold": callers.THRESHOLD, "partials": False}})
        program.last("configured")
        yield program


Samples = npt.NDArray[np.float64]


def say(mouth: Program, text: str) -> Samples:
    """The text as the agent's voice says it: sentence by sentence."""
    sentences, rest = split_sentences(text)
    mouth.send(*({"say": sentence, "id": sentence} for sentence in (*sentences, rest) if sentence))
    sound = bytearray()
    for _ in range(len(sentences) + bool(rest)):
        sound += b"".join(wire for wire in mouth.until("done") if isinstance(wire, bytes))
    return np.frombuffer(bytes(sound), "<i2").astype(np.float64)


def hear(ears: Program, sound: Samples, *, before: float = 0.4, after: float = 0.5) -> str | None:
    """What is understood of it, with that much silence around it."""
    parts = [np.zeros(round(before * SAMPLE_RATE)), sound, np.zeros(round(after * SAMPLE_RATE))]
    audio = np.clip(np.rint(np.concatenate(parts)), -32768, 32767).astype("<i2").tobytes()
    ears.send({"utterance": "start", "id": "u"}, audio, {"utterance": "end", "id": "u"})
    final: str | None = ears.last("final")["final"]
    return final


def plain(text: str) -> str:
    return " ".join("".join(letter for letter in text.lower() if letter.isalpha() or letter in " '").split())


SAID_TEXTS = [text for text in dict.fromkeys(SAID) if text and "{" not in text]


@pytest.mark.parametrize("text", SAID_TEXTS)
def test_the_caller_understands_the_agent(mouth: Program, ears: Program, text: str) -> None:
    assert hear(ears, say(mouth, text)) == plain(text)


@pytest.mark.parametrize("text", SAID_TEXTS)
def test_the_caller_understands_the_agent_from_afar(mouth: Program, ears: Program, text: str) -> None:
    """A fifth as loud, in a little noise, cut into otherwise."""
    sound = 0.2 * say(mouth, text)
    noise = np.random.default_rng(len(text)).normal(0, 8, len(sound))
    assert hear(ears, (sound + noise)[100:], before=0.1, after=0.13) == plain(text)


def test_every_sentence_is_understood_by_itself(mouth: Program, ears: Program) -> None:
    """The caller's ears may take a pause between two sentences for the end."""
    for text in SAID_TEXTS:
        sentences, rest = split_sentences(text)
        for sentence in (*sentences, rest):
            if sentence and sentence != "Good evening.":
                assert hear(ears, say(mouth, sentence)) == plain(sentence)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_any_table_is_understood_when_it_is_read_back(
    mouth: Program, ears: Program, table: tuple[str, str, str]
) -> None:
    people, day, time = table
    text = CONFIRM.format(people=people, day=day, time=time)
    assert hear(ears, say(mouth, text)) == plain(text)


def test_an_answer_that_was_cut_is_not_taken_for_another(mouth: Program, ears: Program) -> None:
    """After a second of it the caller speaks, and the agent falls silent in the middle of a word."""
    offer = say(mouth, SCRIPT.slots["people"].ask)
    for seconds in (0.9, 1.1, 1.3, 1.5):
        heard = hear(ears, offer[: round(seconds * SAMPLE_RATE)])
        assert heard is None or not any(reply.heard in heard for reply in callers.REPLIES), heard

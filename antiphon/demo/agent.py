"""The agent of the demo: it takes a table booking by voice, without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from ..actors import Pipeline
from ..actors.services.espeak import EspeakTTS
from ..actors.services.pocketsphinx import PocketsphinxSTT
from ..actors.services.scripted import Intent, Script, ScriptedLLM, Slot
from ..actors.transports.audio_input import AudioInput
from ..actors.transports.audio_output import AudioOutput
from ..actors.transports.devices import AudioSink, AudioSource
from ..channels import LLMContext, VADParams
from ..turn import (
    VAD,
    LLMContextAggregatorPair,
    SilenceTurnAnalyzer,
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStrategies,
)

__all__ = ["SAMPLE_RATE", "Booking", "agent_pipeline", "booking_script"]

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LOOKUP_SECONDS = 3.0
"""How long the restaurant's book takes to tell what is free: half of it while the agent says that it is looking."""
SAMPLE_RATE = 16000
"""Of all sound in the demo, Hz: what the recogniser hears at."""
VOICE, RATE = "en-us+f2", 150
"""The voice of espeak-ng, and its words a minute, that pocketsphinx understands best."""
HEARING = VADParams(start_secs=0.12, stop_secs=0.4, min_volume=0.5)
"""The pauses in the caller's clips are shorter than a fifth of a second; sound that comes late makes them longer."""


@attrs.frozen
class Booking:
    """A table, as the agent writes it down."""

    people: int
    day: str
    time: str
    """24 hours, `"19:30"`."""

    def __str__(self) -> str:
        return f"{self.people} people on {self.day} at {self.time}"


def booking_script() -> Script:
    """What the agent says. Its sentences are those of `caller.jsgf`, so that the caller understands them."""
    return Script(
        opening="Good evening. This is the Blue Door restaurant. How can I help you?",
        unclear=("Sorry, I did not understand. Please say that again.",),
        slots={
            "people": Slot(
                values=_counts(),
                heard=("{value}",),
                ask="With pleasure. We are open every day from five until eleven in the evening,"
                " and on Sundays we also serve lunch from noon until three. How many people are coming?",
            ),
            "day": Slot(values=DAYS, heard=("on {value}",), ask="On which day would you like to come?"),
            "time": Slot(values=_times(), heard=("at {value}",), ask="At what time would you like to come?"),
        },
        intents={
            "book": Intent(
                heard=("a table",),
                slots=("people", "day", "time"),
                confirm="A table for {people} on {day} at {time}. Is that right?",
                change="Let us begin again. How many people are coming?",
                say="Let me see what is free.",
                call="book",
                done="Your table is booked. Thank you and goodbye.",
                hangup=True,
            ),
            "repeat": Intent(heard=("pardon", "repeat that", "say that again"), done="{prompt}"),
            "goodbye": Intent(heard=("goodbye",), done="Thank you and goodbye.", hangup=True),
        },
    )


def agent_pipeline(
    source: AudioSource, sink: AudioSink, book: Callable[[Booking], None], *, ends_with_source: bool = False
) -> Pipeline:
    """`book` hears of each booking, once a table has been looked for.

    With `ends_with_source` the session ends a while after the source's last sound.
    """

    async def write_down(people: int, day: str, time: str) -> str:
        await trio.sleep(LOOKUP_SECONDS)
        book(Booking(people, day, time))
        return "booked"

    # Flite's voices have too little melody to hear from it whether a sentence is over: here a pause is the end.
    ends = UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())])
    pair = LLMContextAggregatorPair(LLMContext(), user_turn_strategies=ends)
    return Pipeline(
        AudioInput(source, end_when_silent=8.0 if ends_with_source else None, name="input"),
        VAD(HEARING, name="vad"),
        PocketsphinxSTT((Path(__file__).parent / "agent.jsgf").read_text(), name="stt"),
        pair.user,
        ScriptedLLM(
            booking_script(), functions={"book": write_down}, first_token_secs=0.1, token_secs=0.02, name="llm"
        ),
        EspeakTTS(VOICE, rate=RATE, name="tts"),
        AudioOutput(sink, end_silence=0.3, name="output"),
        pair.assistant,
    )


def _counts() -> dict[str, int]:
    counts = {"one person": 1}
    for number, word in enumerate(NUMBERS[1:10], 2):
        counts |= {f"{word} people": number, f"{word} persons": number, f"{word} of us": number}
    return counts


def _times() -> dict[str, str]:
    """The times of a restaurant's evening, and lunch: noon until eleven at night."""
    times: dict[str, str] = {}
    for number, word in enumerate(NUMBERS, 1):
        hour = number if number == 12 else number + 12
        before = hour - 1 if hour != 12 else 11
        times |= {
            f"{word} o'clock": f"{hour}:00",
            f"quarter past {word}": f"{hour}:15",
            f"half past {word}": f"{hour}:30",
            f"{word} thirty": f"{hour}:30",
            f"quarter to {word}": f"{before}:45",
        }
    return times

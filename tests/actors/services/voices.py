"""What the tests of speech share: answers of a model, an output that plays in real time, and what was said."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import trio

from antiphon import Actor, Pipeline, actor, on
from antiphon.actors import Effects
from antiphon.actors.services.scripted_tts import ScriptedTTS, tone_of
from antiphon.channels import (
    AggregatedTextFrame,
    AggregatedTextProgressFrame,
    ErrorFrame,
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Trace, play

__all__ = [
    "RATE",
    "Paces",
    "both",
    "errors",
    "response",
    "shape",
    "shown",
    "sounds",
    "speak",
    "times",
    "voice",
    "words",
    "words_heard",
]

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
RATE = 24000
"""Of the session's output, where a test doesn't say otherwise."""


def response(text: str) -> list[Frame]:
    """A model's answer, a word a token."""
    tokens = [word if place == 0 else f" {word}" for place, word in enumerate(text.split(" "))]
    return [LLMFullResponseStartFrame(), *map(LLMTextFrame, tokens), LLMFullResponseEndFrame()]


def voice(**options: object) -> ScriptedTTS:
    return ScriptedTTS(name="tts", **options)  # type: ignore[arg-type]  # any of its options


@actor
class Paces(Actor):
    """An output of sorts: sound takes its time, and what stands behind it waits."""

    @on(TTSAudioRawFrame)
    async def play(self, frame: TTSAudioRawFrame) -> Effects:
        await trio.sleep(frame.num_frames / frame.sample_rate)
        return frame


def speak(
    script: Iterable[Item], *, direct: bool = True, seed: int = 0, paces: bool = False, **options: object
) -> Trace:
    """What a scripted voice makes of it."""
    return play(Pipeline(voice(**options), *([Paces()] if paces else [])), script, direct=direct, seed=seed)


def words(frames: Iterable[Frame]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, TTSTextFrame)]


def words_heard(trace: Trace) -> list[tuple[float, str]]:
    """Words with the moment at which they left."""
    return [
        (round(each.time, 3), each.frame.text)
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, TTSTextFrame)
    ]


def times(trace: Trace, kind: type[Frame]) -> list[float]:
    """When frames of a kind left."""
    return [
        round(each.time, 3)
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, kind)
    ]


def sounds(frames: Iterable[Frame], *spoken: str) -> list[tuple[str, float]]:
    """Of which words there is sound, and how many seconds in a row."""
    names = {tone_of(word, 1 / RATE, RATE): word for word in spoken}
    found: list[tuple[str, float]] = []
    for frame in frames:
        if not isinstance(frame, TTSAudioRawFrame):
            continue
        samples = [frame.audio[place : place + 2] for place in range(0, len(frame.audio), 2)]
        for sample in samples:
            name = names.get(sample, "?")
            if found and found[-1][0] == name:
                found[-1] = (name, found[-1][1] + 1 / RATE)
            else:
                found.append((name, 1 / RATE))
    return [(name, round(seconds, 4)) for name, seconds in found]


def shown(frames: Iterable[Frame]) -> list[AggregatedTextFrame]:
    """Units of text that aren't words of speech."""
    return [f for f in frames if isinstance(f, AggregatedTextFrame) and not isinstance(f, TTSTextFrame)]


def shape(frames: Iterable[Frame]) -> list[str]:
    """The kinds of frames in order, without repetitions and without what is only shown."""
    kinds = [
        type(frame).__name__.removesuffix("Frame").removesuffix("Raw")
        for frame in frames
        if isinstance(frame, TTSTextFrame) or not isinstance(frame, (AggregatedTextFrame, AggregatedTextProgressFrame))
    ]
    return [kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] != kind]


def errors(trace: Trace) -> list[str]:
    return [frame.error for frame in trace.up if isinstance(frame, ErrorFrame)]

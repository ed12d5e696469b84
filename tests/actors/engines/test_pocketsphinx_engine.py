"""pocketsphinx as an engine, from outside: speech in; text out, or a rejection."""

from __future__ import annotations

import itertools
import os
import time
import tomllib
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import antiphon.demo

from .program import Program, Wire

pytestmark = pytest.mark.needs("pocketsphinx")

DEMO = Path(antiphon.demo.__file__).parent
CLIPS = {
    name: text
    for name, text in tomllib.loads((DEMO / "clips" / "clips.toml").read_text()).items()
    if not text.startswith("(")  # a noise
}
MUMBLE = Path(__file__).parents[3] / "examples" / "mumble.wav"
TESTDATA = Path("/usr/share/pocketsphinx/test/data")
BOOKING = (DEMO / "agent.jsgf").read_text()
MOVES = """#JSGF V1.0;
grammar moves;
public <move> = go (forward | backward) <distance> (meter | meters) | turn (left | right);
<distance> = one | two | three | four | five | six | seven | eight | nine | ten;
"""
RATE = 16000
names = itertools.count()


@pytest.fixture(scope="module")
def booking() -> Iterator[Program]:
    """One engine for the tests that leave it as it was."""
    with configured(grammar=BOOKING) as program:
        yield program


@pytest.fixture
def program() -> Iterator[Program]:
    with Program("pocketsphinx") as program:
        yield program


def configured(**settings: Any) -> Program:
    program = Program("pocketsphinx")
    program.send({"configure": settings})
    program.last("configured")
    return program


def hear(program: Program, sound: bytes, chunk: int = 640) -> Mapping[str, Any]:
    """The final of an utterance."""
    return heard(program, sound, chunk)[-1]


def heard(program: Program, sound: bytes, chunk: int = 640) -> list[Mapping[str, Any]]:
    """All that an engine says of an utterance."""
    name = f"u{next(names)}"
    program.send({"utterance": "start", "id": name})
    program.send(*(sound[start : start + chunk] for start in range(0, len(sound), chunk)))
    program.send({"utterance": "end", "id": name})
    wires: list[Mapping[str, Any]] = []
    # A final that was cut has others after it.
    while not wires or wires[-1].get("more") is not False:
        wires.append(program.last("partial", "final", "error"))
        assert wires[-1].get("id") == name, wires
    return wires


def read(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return bytes(file.readframes(file.getnframes()))


def clip(name: str) -> bytes:
    """A clip of the demo's caller, with a silence of 0.3 s around it."""
    silence = bytes(2 * RATE * 3 // 10)
    return silence + read(DEMO / "clips" / f"{name}.wav") + silence


def pcm(samples: npt.NDArray[np.float64]) -> bytes:
    return bytes(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())


def plain(text: str) -> str:
    return " ".join("".join(letter for letter in text.lower() if letter.isalpha() or letter in " '").split())


# --- what it understands


def test_it_says_that_it_is_ready_before_it_is_configured(program: Program) -> None:
    ready = program.receive()
    assert isinstance(ready, dict)
    assert ready["ready"]["engine"] == "pocketsphinx"
    assert ready["ready"]["sample_rate"] == RATE


@pytest.mark.parametrize("name", CLIPS)
def test_each_clip_of_the_demo_is_understood(booking: Program, name: str) -> None:
    final = hear(booking, clip(name))
    assert final["final"] == plain(CLIPS[name])
    assert final["reason"] is None
    assert final["confidence"] >= 0.5
    assert final["samples"] == len(clip(name)) // 2


@pytest.mark.parametrize("volume", [0.05, 0.3, 1.6])
def test_the_volume_does_not_matter(booking: Program, volume: float) -> None:
    loud = np.frombuffer(clip("people"), "<i2") * volume
    assert hear(booking, pcm(loud))["final"] == "a table for four people please"


@pytest.mark.needs("pocketsphinx-testdata")
def test_a_human_voice_is_understood() -> None:
    with configured(grammar=MOVES) as program:
        assert hear(program, (TESTDATA / "goforward.raw").read_bytes())["final"] == "go forward ten meters"


@pytest.mark.needs("pocketsphinx-testdata")
def test_a_language_model_can_take_the_grammar_s_place() -> None:
    with configured(language_model="en-us", partials=False) as program:
        final = hear(program, (TESTDATA / "goforward.raw").read_bytes())
        assert "forward ten meters" in final["guess"]


def test_words_that_the_dictionary_lacks_can_be_added() -> None:
    grammar = "#JSGF V1.0;\ngrammar g;\npublic <x> = a zorp for fohr peepel please;\n"
    words = {"zorp": "T EY B AH L", "fohr": "F AO R", "peepel": "P IY P AH L"}
    with configured(grammar=grammar, words=words) as program:
        assert hear(program, clip("people"))["final"] == "a zorp for fohr peepel please"


def test_partials_are_how_the_final_begins(booking: Program) -> None:
    *partials, final = heard(booking, clip("table"))
    assert partials
    for partial in partials:
        assert final["final"].startswith(partial["partial"])


def test_partials_can_be_left_out() -> None:
    with configured(grammar=BOOKING, partials=False) as program:
        assert [wire.get("final") for wire in heard(program, clip("people"))] == ["a table for four people please"]


# --- the same sound, the same text


@pytest.mark.parametrize("chunk", [2, 318, 3200, 200_000])
def test_how_the_sound_is_cut_changes_nothing(booking: Program, chunk: int) -> None:
    sound = clip("time")
    expected = said(heard(booking, sound))
    assert said(heard(booking, sound, chunk)) == expected


@pytest.mark.parametrize("before", ["noise", "loud speech", "silence", "nothing"])
def test_what_was_heard_before_changes_nothing(booking: Program, before: str) -> None:
    with configured(grammar=BOOKING) as fresh:
        expected = said(heard(fresh, clip("people")))
    noise = np.random.default_rng(1).normal(0, 9000, 2 * RATE)
    earlier = {
        "noise": pcm(noise),
        "loud speech": pcm(np.frombuffer(clip("goodbye"), "<i2") * 3.0),
        "silence": bytes(RATE),
        "nothing": b"",
    }
    hear(booking, earlier[before])
    assert said(heard(booking, clip("people"))) == expected


def test_an_engine_killed_anywhere_in_an_utterance_is_replaced_by_one_that_says_the_same(booking: Program) -> None:
    sound = clip("people")
    expected = said(heard(booking, sound))
    program = configured(grammar=BOOKING)
    for part in range(1, 11):
        offset = len(sound) * part // 11 // 2 * 2
        with program:
            program.send({"utterance": "start", "id": "killed"}, sound[:offset])
            program.process.kill()
        # The one that takes its place is killed next.
        program = configured(grammar=BOOKING)
        assert said(heard(program, sound)) == expected, f"killed after {offset} bytes"
    with program:
        pass


def said(wires: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [{key: value for key, value in wire.items() if key != "id"} for wire in wires]


def test_sound_is_caught_up_with_faster_than_it_was_said(booking: Program) -> None:
    sound = clip("people") * 4
    began = time.monotonic()
    hear(booking, sound, len(sound))
    assert time.monotonic() - began < len(sound) / 2 / RATE


def test_an_utterance_that_is_too_long_is_cut_into_finals_that_cover_it_all() -> None:
    sound = clip("people") + clip("day")
    with configured(grammar=BOOKING, longest=len(clip("people")) / 2 / RATE) as program:
        finals = [wire for wire in heard(program, sound) if "final" in wire]
    assert [final["final"] for final in finals] == ["a table for four people please", "on friday"]
    assert [final["more"] for final in finals] == [True, False]
    assert sum(final["samples"] for final in finals) == len(sound) // 2


# --- what it rejects


def noises() -> Iterator[tuple[str, bytes]]:
    """What a microphone hears besides words. Made here, the same each time."""
    random = np.random.default_rng(7)
    for level in (100, 1000, 8000):
        yield f"hiss {level}", pcm(random.normal(0, level, RATE))
    time_ = np.arange(RATE) / RATE
    yield "hum", pcm(6000 * np.sin(2 * np.pi * 100 * time_) + 2000 * np.sin(2 * np.pi * 200 * time_))
    yield "beep", pcm(8000 * np.sin(2 * np.pi * 1000 * time_))
    click = np.zeros(RATE)
    click[::4000] = 20000
    yield "clicks", pcm(click)
    for count in (1, 2, 3):
        yield f"{count} coughs", pcm(cough(random, count))
    for pitch in (100, 140, 200):
        yield f"mhm at {pitch} Hz", pcm(mhm(random, pitch))


def cough(random: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Bursts of noise with a hard beginning that fade in a fifth of a second."""
    parts = [random.normal(0, 15, RATE // 4)]
    for _ in range(count):
        decay = np.exp(-np.arange(RATE // 5) / (RATE // 22))
        burst = np.convolve(random.normal(0, 1, RATE // 5), np.hanning(9), "same")
        parts += [9000 * burst / np.abs(burst).max() * decay, random.normal(0, 15, RATE // 8)]
    return np.concatenate([*parts, random.normal(0, 15, RATE // 4)])


def mhm(random: np.random.Generator, pitch: float) -> npt.NDArray[np.float64]:
    """Two hums through a closed mouth, the second higher."""

    def hum(seconds: float, hertz: float) -> npt.NDArray[np.float64]:
        phase = 2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE
        waves = [np.sin(k * phase) / k**1.6 * (1.0 if k * hertz < 400 else 0.3) for k in range(1, 14)]
        return np.asarray(6000 * sum(waves) * np.sqrt(np.hanning(len(phase))), np.float64)

    quiet = RATE // 5
    sound = np.concatenate(
        [np.zeros(quiet), hum(0.25, pitch), np.zeros(quiet // 3), hum(0.35, pitch * 1.2), np.zeros(quiet)]
    )
    return np.asarray(sound + random.normal(0, 15, len(sound)), np.float64)


NOISES = dict(noises())


@pytest.mark.parametrize("name", NOISES)
def test_a_noise_is_no_word(booking: Program, name: str) -> None:
    wires = heard(booking, NOISES[name])
    assert [wire.get("final", "partial") for wire in wires] == [None], wires


@pytest.mark.parametrize(
    "sound",
    [b"", bytes(2), bytes(2 * RATE), pcm(np.full(RATE, 3.0))],
    ids=["none", "a sample", "zeros", "direct current"],
)
def test_silence_is_no_word(booking: Program, sound: bytes) -> None:
    final = hear(booking, sound)
    assert (final["final"], final["reason"]) == (None, "silence")


def test_mumbling_is_no_word(booking: Program) -> None:
    samples = np.frombuffer(read(MUMBLE), "<i2")
    # Each of the five things mumbled by itself; silences of 1.6 s keep them apart.
    loud = np.flatnonzero(np.abs(samples) > 200)
    for part in np.split(loud, np.flatnonzero(np.diff(loud) > RATE) + 1):
        final = hear(booking, samples[max(0, part[0] - RATE // 4) : part[-1] + RATE // 4].tobytes())
        assert final["final"] is None, final


@pytest.mark.parametrize("name", ["table", "day", "yes", "goodbye"])
def test_what_is_outside_the_grammar_is_rejected_with_what_it_came_nearest_to(name: str) -> None:
    with configured(grammar=MOVES) as program:
        wires = heard(program, clip(name))
    assert len(wires) == 1
    assert wires[0]["final"] is None
    assert wires[0]["reason"] in ("unlike", "no match")
    assert (wires[0]["guess"] is None) == (wires[0]["reason"] == "no match")


@pytest.mark.needs("pocketsphinx-testdata")
@pytest.mark.parametrize("path", ["goforward.raw", "something.raw", "numbers.raw"])
def test_a_human_voice_outside_the_grammar_is_rejected(booking: Program, path: str) -> None:
    assert hear(booking, (TESTDATA / path).read_bytes())["final"] is None


def test_the_threshold_decides(booking: Program) -> None:
    confidence = hear(booking, clip("people"))["confidence"]
    with configured(grammar=BOOKING, threshold=confidence + 0.01, partials=False) as program:
        final = hear(program, clip("people"))
    assert final["final"] is None
    assert final["guess"] == "a table for four people please"


# --- what is wrong

GRAMMAR = "#JSGF V1.0;\ngrammar g;\npublic <x> = go | stop;\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "needs a grammar (JSGF text) or a language_model"),
        ({"grammar": GRAMMAR, "language_model": "en-us"}, "and not both"),
        ({"grammar": GRAMMAR, "sample_rate": 8000}, "sample_rate is 8000"),
        ({"grammar": GRAMMAR, "volume": 3}, "doesn't know volume"),
        ({"grammar": GRAMMAR, "threshold": 3}, "threshold is 3"),
        ({"grammar": GRAMMAR, "partials": 1}, "partials is 1, of the wrong type"),
        ({"grammar": GRAMMAR, "longest": 0.1}, "longest is 0.1 seconds"),
        ({"grammar": GRAMMAR, "words": {"go": 3}}, "both sides text"),
        ({"grammar": GRAMMAR, "words": {"zorp": "Q X"}}, "Unknown phone Q"),
        ({"grammar": GRAMMAR.replace("stop", "xyzzy")}, "The word 'xyzzy' is missing in the dictionary"),
        ({"grammar": GRAMMAR.replace("stop", "<y>")}, "Undefined rule in RHS: <g.y>"),
        ({"grammar": GRAMMAR.replace("public", "")}, "No public rules found"),
        ({"grammar": "go or stop"}, "syntax error"),
        ({"language_model": "/nowhere/model.lm"}, "/nowhere/model.lm"),
        ({"grammar": GRAMMAR, "acoustic_model": "/nowhere"}, "/nowhere"),
    ],
    ids=str,
)
def test_a_wrong_configuration_is_refused_by_name(program: Program, settings: Mapping[str, Any], expected: str) -> None:
    program.last("ready")
    assert expected in program.refuses({"configure": settings})


@pytest.mark.parametrize(
    ("wires", "expected"),
    [
        ([bytes(640)], "Sound outside of an utterance"),
        ([{"utterance": "end", "id": "a"}], "while no utterance is open"),
        ([{"utterance": "start"}], "makes no sense"),
        ([{"utterance": "start", "id": 3}], "makes no sense"),
        ([{"utterance": "start", "id": "a"}, {"utterance": "start", "id": "b"}], "while utterance 'a' is open"),
        ([{"utterance": "start", "id": "a"}, {"utterance": "end", "id": "b"}], "while utterance 'a' is open"),
        ([{"utterance": "start", "id": "a"}, b"abc"], "3 bytes of sound: not whole 16-bit samples"),
        ([{"say": "hello", "id": "a"}], "makes no sense"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(wires: list[Wire], expected: str) -> None:
    with configured(grammar=GRAMMAR, partials=False) as program:
        assert expected in program.refuses(*wires)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xff\xff\xffJ{}", "A frame of 4,294,967,295 bytes"),
        (b"\0\x10\0\x01A", "A frame of 1,048,577 bytes"),
        (b"\0\0\0\0", "A frame of 0 bytes"),
        (b"\0\0\0\x05J{{{{", "isn't JSON"),
        (b"\0\0\0\x03J12", "must hold a JSON object"),
        (b"\0\0\0\x03Axx", "The first frame must be J"),
        (b"\0\0\0\x03Xyz", "The first frame must be J"),
        (b"\0\0\0\x03J{}", "The first frame must be J"),
    ],
)
def test_garbage_is_refused(program: Program, data: bytes, expected: str) -> None:
    program.last("ready")
    program.send_bytes(data)
    assert expected in program.refused()


@pytest.mark.parametrize("begun", [b"", b"\0\0", b"\0\0\0\x20J{"])
def test_the_end_of_its_input_ends_it(program: Program, begun: bytes) -> None:
    program.send_bytes(begun)
    program.hang_up()
    program.until("nothing")
    assert program.ended() == (0, "")


def test_the_end_of_its_input_ends_it_in_the_middle_of_an_utterance() -> None:
    with configured(grammar=GRAMMAR) as program:
        program.send({"utterance": "start", "id": "a"}, clip("people"))
        program.hang_up()
        program.until("nothing")
        assert program.ended() == (0, "")


def test_a_key_pressed_in_the_terminal_does_not_end_it() -> None:
    with configured(grammar=GRAMMAR, partials=False) as program:
        program.interrupt()
        assert hear(program, b"")["reason"] == "silence"


def test_without_pocketsphinx_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pocketsphinx.py").write_text("raise ImportError('no such thing here')\n")
    with Program("pocketsphinx", environment={**os.environ, "PYTHONPATH": str(tmp_path)}) as program:
        assert "antiphon[offline]" in program.refused(code=3)

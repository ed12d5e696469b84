"""espeak-ng as an engine, from outside: text in; words and sound out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from antiphon.actors.engines.espeak_engine import Resampler

from .program import Program, Wire

pytestmark = pytest.mark.needs("espeakng-loader")

LONG = "one two three four five six seven eight nine ten " * 60
TEXTS = [
    "Hello there. How many people, please? Ten.",
    "— well, 7:30 – or half-past seven!  Café été — né?",  # noqa: RUF001
    "don't  you’re “quoted” 日本 ok",  # noqa: RUF001
    "  a\nb\tc ",
    "...",
    "",
    "a — ",
    "3,50 € and 100 % at user@example.org",
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Program]:
    """One engine for the tests that leave it as it was."""
    with Program("espeak") as program:
        program.last("ready")
        yield program


@pytest.fixture
def program() -> Iterator[Program]:
    with Program("espeak") as program:
        yield program


def say(program: Program, text: str, name: str = "a", **settings: Any) -> list[Wire]:
    """All that comes of saying a text."""
    program.send({"configure": settings}, {"say": text, "id": name})
    program.last("configured")
    return program.until("done", "stopped", "error")


def alone(text: str, **settings: Any) -> list[Wire]:
    """As `say`, in an engine that has said nothing before: espeak's sound depends a little on what it said last."""
    with Program("espeak") as program:
        program.last("ready")
        return say(program, text, **settings)


def words(wires: list[Wire]) -> list[Mapping[str, Any]]:
    return [wire for wire in wires if not isinstance(wire, bytes) and "word" in wire]


def samples(wires: list[Wire]) -> int:
    return sum(len(wire) // 2 for wire in wires if isinstance(wire, bytes))


def test_it_says_that_it_is_ready_before_anything_is_asked(program: Program) -> None:
    ready = program.receive()
    assert isinstance(ready, dict)
    assert ready["ready"]["engine"] == "espeak-ng"
    assert ready["ready"]["sample_rate"] == 22050


def test_a_text_is_started_then_said_then_done(shared: Program) -> None:
    wires = say(shared, "Hello there.", sample_rate=16000)
    assert wires[0] == {"started": "a", "sample_rate": 16000}
    assert wires[-1] == {"done": "a", "samples": samples(wires)}
    assert samples(wires) > 8000


@pytest.mark.parametrize("rate", [16000, 22050, 24000])
def test_a_word_is_told_before_its_sound(shared: Program, rate: int) -> None:
    sent = 0
    for wire in say(shared, TEXTS[0] + " " + TEXTS[0], sample_rate=rate):
        if isinstance(wire, bytes):
            sent += len(wire) // 2
        elif "word" in wire:
            assert wire["offset"] >= sent


@pytest.mark.parametrize("text", TEXTS)
def test_the_words_are_the_text(shared: Program, text: str) -> None:
    told = words(say(shared, text))
    assert " ".join(word["word"] for word in told).split() == text.split()


@pytest.mark.parametrize("text", TEXTS)
def test_a_word_s_place_is_where_it_stands_in_the_text(shared: Program, text: str) -> None:
    for word in words(say(shared, text)):
        begin = word["text_position"]
        assert text[begin : begin + word["length"]] == word["word"]


def test_offsets_grow_and_lie_within_the_sound(shared: Program) -> None:
    wires = say(shared, TEXTS[0] * 3, sample_rate=24000)
    offsets = [word["offset"] for word in words(wires)]
    assert offsets == sorted(offsets)
    assert offsets[-1] < samples(wires)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_the_sound_is_as_long_at_any_rate(shared: Program, rate: int) -> None:
    native, other = (alone("How many people are coming?", sample_rate=each) for each in (22050, rate))
    assert abs(samples(other) - samples(native) * rate / 22050) < 1


def test_no_frame_is_longer_than_sixty_milliseconds(shared: Program) -> None:
    wires = say(shared, TEXTS[0], sample_rate=24000)
    assert max(len(wire) // 2 for wire in wires if isinstance(wire, bytes)) <= 0.06 * 24000


def test_the_same_requests_sound_the_same_in_every_process() -> None:
    assert alone(TEXTS[0]) == alone(TEXTS[0])


def test_settings_hold_for_what_is_said_after_them(shared: Program) -> None:
    shared.send({"configure": {"rate": 300}}, {"say": "one two three", "id": "fast"})
    shared.send({"configure": {"rate": 100}}, {"say": "one two three", "id": "slow"})
    fast, slow = samples(shared.until("done")), samples(shared.until("done"))
    shared.send({"configure": {"rate": 175}})
    shared.last("configured")
    assert slow > 2 * fast


def test_a_stop_cuts_what_is_being_said(shared: Program) -> None:
    shared.send({"say": LONG, "id": "long"})
    shared.until("word")
    shared.send({"stop": "long"})
    wires = shared.until("stopped", "done")
    assert wires[-1] == {"stopped": "long"}
    # The pipe holds 64 KiB, and what had been said went into it; the text has 7 MiB.
    assert samples(wires) < 100_000


def test_after_a_stop_the_next_text_is_said_whole(shared: Program) -> None:
    shared.send({"say": LONG, "id": "long"}, {"stop": "long"}, {"say": "hello", "id": "next"})
    wires = shared.until("done")
    assert isinstance(wires[-1], dict) and wires[-1]["done"] == "next"
    assert [word["word"] for word in words(wires) if word["id"] == "next"] == ["hello"]


def test_a_stop_of_nothing_in_particular_takes_back_all_that_was_asked(shared: Program) -> None:
    shared.send(*({"say": LONG, "id": name} for name in "abc"), {"stop": None}, {"say": "hello", "id": "d"})
    ended = [
        wire for wire in shared.until("done") if not isinstance(wire, bytes) and ("stopped" in wire or "done" in wire)
    ]
    assert sorted(wire["stopped"] for wire in ended[:-1]) == ["a", "b", "c"]
    assert ended[-1]["done"] == "d"


def test_a_stop_of_what_is_done_is_answered_by_nothing(shared: Program) -> None:
    say(shared, "hello", "a")
    shared.send({"stop": "a"}, {"say": "hello", "id": "b"})
    wire = shared.receive()
    assert isinstance(wire, dict) and wire["started"] == "b"
    shared.until("done")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"configure": {"voice": "klingonese"}}, "no voice 'klingonese'"),
        ({"configure": {"voice": "en-us+nobody"}}, "no voice 'en-us+nobody'"),
        ({"configure": {"speed": 3}}, "doesn't know speed"),
        ({"configure": {"rate": 1000}}, "rate is 1000; it must be a whole number from 80 to 450"),
        ({"configure": 3}, "configure must hold an object"),
        ({"say": "hello"}, "say (with text and id)"),
        ({"say": 3, "id": "a"}, "say (with text and id)"),
        ({"sing": "hello"}, "isn't configure, say"),
        (b"\0\0", "only J frames"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(program: Program, message: Wire, expected: str) -> None:
    assert expected in program.refuses(message)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xff\xff\xffJ{}", "A frame of 4,294,967,295 bytes"),
        (b"\0\0\0\0", "A frame of 0 bytes"),
        (b"\0\0\0\x05J{{{{", "isn't JSON"),
        (b"\0\0\0\x03J12", "must hold a JSON object"),
        (b"\0\0\0\x03J\xff\xff", "isn't JSON"),
    ],
)
def test_garbage_is_refused(program: Program, data: bytes, expected: str) -> None:
    program.send_bytes(data)
    assert expected in program.refused()


@pytest.mark.parametrize("begun", [b"", b"\0\0", b"\0\0\0\x20J{"])
def test_the_end_of_its_input_ends_it(program: Program, begun: bytes) -> None:
    program.send_bytes(begun)
    program.hang_up()
    program.until("nothing")
    assert program.ended() == (0, "")


def test_the_end_of_its_input_ends_it_while_nobody_reads_what_it_says(program: Program) -> None:
    program.send({"say": LONG, "id": "long"})
    program.hang_up()
    assert program.ended() == (0, "")


def test_nobody_s_listening_ends_it(program: Program) -> None:
    program.last("ready")
    assert program.process.stdout is not None
    program.process.stdout.close()
    program.send({"say": LONG, "id": "long"})
    assert program.ended() == (0, "")


def test_a_key_pressed_in_the_terminal_does_not_end_it(program: Program) -> None:
    program.last("ready")
    program.interrupt()
    wire = say(program, "hello")[-1]
    assert isinstance(wire, dict) and wire["done"] == "a"


def test_without_espeak_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('no such thing here')\n")
    with Program("espeak", environment={**os.environ, "PYTHONPATH": str(tmp_path)}) as program:
        assert "antiphon[offline]" in program.refused(code=3)


# --- the resampler


def tone(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray[Any, np.dtype[np.int16]]:
    phase = 2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate
    return np.asarray(np.rint(12000 * np.sin(phase)), np.int16)


@pytest.mark.parametrize("target", [16000, 24000, 48000])
@pytest.mark.parametrize("hertz", [100, 1000, 5000, 6500])
def test_a_tone_stays_the_tone_it_is(target: int, hertz: int) -> None:
    resampler = Resampler(22050, target)
    made = np.concatenate([resampler.feed(tone(hertz, 22050)), resampler.flush()])
    wanted = tone(hertz, target)[: len(made)]
    middle = slice(len(made) // 5, -len(made) // 5)
    error = np.abs(made[middle].astype(int) - wanted[middle]).max()
    assert error <= 3, f"{error} of 12,000"


def test_a_tone_too_high_for_the_new_rate_is_silenced() -> None:
    resampler = Resampler(22050, 16000)
    made = np.concatenate([resampler.feed(tone(9000, 22050)), resampler.flush()])
    assert np.abs(made[1000:-1000]).max() <= 12


@pytest.mark.parametrize("size", [1, 7, 160, 1323])
def test_however_sound_is_cut_it_is_the_same_at_the_new_rate(size: int) -> None:
    sound = np.random.default_rng(3).integers(-20000, 20000, 5000).astype(np.int16)
    whole, cut = Resampler(22050, 24000), Resampler(22050, 24000)
    at_once = np.concatenate([whole.feed(sound), whole.flush()])
    pieces = [cut.feed(sound[start : start + size]) for start in range(0, len(sound), size)]
    assert np.array_equal(at_once, np.concatenate([*pieces, cut.flush()]))

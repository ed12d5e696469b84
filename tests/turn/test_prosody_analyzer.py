"""The turn analyser that is always there: melodies made for the test, what it keeps, and a voice of espeak's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from antiphon.actors import ConfigurationError
from antiphon.turn import Prosody, ProsodyTurnAnalyzer, TurnAnalyzerParams, TurnJudge, TurnVerdict, prosody_of
from scripts.turn_figures import by_espeak, in_a_room

CHUNK = 0.02
END = TurnVerdict(is_complete=True, probability=1.0)
Samples = npt.NDArray[np.float64]


def voice(*tones: tuple[float, float], rate: int = 16000, syllable: float = 0.2, last: float = 0.2) -> Samples:
    """A voice that glides between these pitches, in Hz, at these seconds, with a dip between syllables; then 0.25 s of silence."""
    times, hertz = zip(*tones, strict=True)
    time = np.arange(round(times[-1] * rate)) / rate
    phase = 2 * np.pi * np.cumsum(np.interp(time, times, hertz)) / rate
    hum = sum((np.sin(harmonic * phase) / harmonic for harmonic in range(1, 8)), np.zeros(len(time)))
    dips = np.arange(times[-1] - last, 0, -syllable)
    loudness = np.ones(len(time))
    for dip in dips:
        loudness *= 1 - 0.9 * np.exp(-(((time - dip) / 0.02) ** 2))
    sound = np.concatenate([0.1 * hum * loudness, np.zeros(rate // 4)])
    return sound + np.random.default_rng(1).standard_normal(len(sound)) * 0.001


def chunks(sound: Samples, rate: int = 16000) -> list[bytes]:
    audio = np.round(sound * 32767).astype("<i2").tobytes()
    size = 2 * round(CHUNK * rate)
    return [audio[start : start + size] for start in range(0, len(audio), size)]


def heard(sound: Samples, *, rate: int = 16000) -> TurnJudge:
    """A judge that has heard this, the last 0.25 s as silence."""
    judge = ProsodyTurnAnalyzer().open(rate)
    pieces = chunks(sound, rate)
    for number, piece in enumerate(pieces):
        judge.hear(piece, is_speaking=0 < number < len(pieces) - 2)
    return judge


FALLING = voice((0, 130), (0.5, 150), (0.9, 140), (1.4, 95), last=0.45)
LEVEL = voice((0, 130), (0.5, 140), (1.4, 138))


def test_a_voice_that_falls_and_slows_down_is_done() -> None:
    assert heard(FALLING).judge().is_complete


def test_a_voice_that_stays_level_and_hurries_on_is_not_done() -> None:
    assert not heard(LEVEL).judge().is_complete


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_the_melody_is_the_same_at_any_rate(rate: int) -> None:
    said = prosody_of(voice((0, 130), (0.5, 150), (0.9, 140), (1.4, 95), rate=rate, last=0.45), rate)
    assert said.speech_secs == pytest.approx(1.4, abs=0.05)
    assert said.fall == pytest.approx(12 * np.log2(145 / 97), abs=1.0)
    assert said.end_slope == pytest.approx(12 * np.log2(95 / 119) / 0.25, rel=0.25)
    assert said.final_secs == pytest.approx(0.45, abs=0.05)


@pytest.mark.parametrize("volume", [0.02, 0.2, 1.0])
def test_volume_changes_little(volume: float) -> None:
    # What is fainter is nearer to the noise, which is in it.
    assert heard(volume * FALLING).judge().probability == pytest.approx(heard(FALLING).judge().probability, abs=0.1)


@pytest.mark.parametrize(
    "sound", [np.zeros(16000), np.zeros(10), np.random.default_rng(1).standard_normal(16000) * 0.1]
)
def test_where_there_is_no_melody_a_pause_is_an_end(sound: Samples) -> None:
    assert prosody_of(sound, 16000).voiced_share == 0
    assert heard(sound).judge() == TurnVerdict(is_complete=True, probability=0.5)


def test_with_a_threshold_of_nothing_every_pause_is_an_end() -> None:
    judge = ProsodyTurnAnalyzer(threshold=0).open(16000, heard(LEVEL).heard)
    assert judge.judge().is_complete


def test_nothing_was_said_in_nothing() -> None:
    assert prosody_of(np.zeros(0), 16000) == prosody_of(np.zeros(32000), 16000) == Prosody()


# ---- what it keeps


@pytest.mark.parametrize("stop_secs", [1.0, 3.0])
def test_a_long_silence_is_an_end_once(stop_secs: float) -> None:
    judge = ProsodyTurnAnalyzer(TurnAnalyzerParams(stop_secs=stop_secs)).open(16000)
    spoken = [judge.hear(piece, is_speaking=True) for piece in chunks(LEVEL)]
    silent = [judge.hear(bytes(640), is_speaking=False) for _ in range(200)]
    assert not any(spoken)
    assert [number for number, verdict in enumerate(silent, 1) if verdict] == [round(stop_secs / CHUNK)]
    assert [verdict for verdict in silent if verdict] == [END]


def test_silence_before_speech_is_no_end() -> None:
    judge = ProsodyTurnAnalyzer().open(16000)
    assert not any(judge.hear(bytes(640), is_speaking=False) for _ in range(500))
    assert sum(map(len, judge.heard)) <= 1.03 * 16000  # half a second is kept


def test_the_newest_sound_of_a_long_turn_is_kept() -> None:
    judge = ProsodyTurnAnalyzer(TurnAnalyzerParams(max_duration_secs=2.0)).open(16000)
    for _ in range(500):
        judge.hear(bytes(640), is_speaking=True)
    assert 2.5 * 32000 <= sum(len(entry) - 1 for entry in judge.heard) <= 2.52 * 32000


def test_another_judge_goes_on_where_the_first_ended() -> None:
    sounds = [
        *((piece, True) for piece in chunks(FALLING)[:-2]),
        *((bytes(640), False) for _ in range(155)),
        *((piece, True) for piece in chunks(LEVEL)[:-2]),
        *((bytes(640), False) for _ in range(10)),
    ]
    analyzer = ProsodyTurnAnalyzer()
    steady, renewed = analyzer.open(16000), analyzer.open(16000)
    for piece, is_speaking in sounds:
        renewed = analyzer.open(16000, renewed.heard)
        assert renewed.hear(piece, is_speaking) == steady.hear(piece, is_speaking)
        assert renewed.heard == steady.heard
    assert renewed.judge() == steady.judge()


def test_what_is_cleared_is_forgotten() -> None:
    judge = heard(LEVEL)
    judge.clear()
    assert judge.heard == ()
    assert judge.judge() == TurnVerdict(is_complete=True, probability=0.5)


def test_a_rate_below_a_telephones_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="can't work at 4000 Hz, only from 8000 Hz on"):
        ProsodyTurnAnalyzer().open(4000)


@pytest.mark.needs("espeakng-loader")
def test_of_a_synthetic_voice_most_ends_and_most_cuts_are_told_apart() -> None:
    """How many of which kind, over many voices, is told by the script that made the weights."""
    said = list(by_espeak([("en-us+f2", 190, 55)]))
    taken = {True: list[bool](), False: list[bool]()}
    for number, phrase in enumerate(said):
        if phrase.kind in ("sentence", "cut off"):
            sound = in_a_room(phrase.samples, np.random.default_rng(number))
            taken[phrase.is_complete].append(heard(sound).judge().is_complete)
    assert np.mean(taken[True]) > 0.75
    assert np.mean(taken[False]) < 0.3

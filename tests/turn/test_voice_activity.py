"""The VAD's states as pure steps: windows in, edges out."""

from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from antiphon.actors import ConfigurationError
from antiphon.channels import VADParams
from antiphon.turn import VADState, VoiceActivity, VoiceEdge, WebRTCAnalyzer, loudness
from antiphon.turn.voice_activity import EDGES, NEXT, Window

QUIET, STARTING, SPEAKING, STOPPING = VADState
STARTED, STOPPED = VoiceEdge
RATE = 16000
WINDOW = 640
"""Bytes of 20 ms."""
LOUD = (np.full(320, 8000, "<i2") * np.tile([1, -1], 160).astype("<i2")).tobytes()
FAINT = (np.full(320, 20, "<i2") * np.tile([1, -1], 160).astype("<i2")).tobytes()


@attrs.define
class Scripted:
    """A judge that was told what to say: "x" is voice, "." is none, and the last goes on for ever."""

    said: str
    heard: tuple[bytes, ...] = ()

    def judge(self, window: bytes) -> float:
        said, self.said = self.said[0], self.said[1:] or self.said
        return 1.0 if said == "x" else 0.0


def activity(**params: float) -> VoiceActivity:
    """Nothing heard yet, of a stream whose volume is never in the way."""
    return VoiceActivity(VADParams(**{"min_volume": 0.0, **params}), WINDOW, 0.02)


def run(said: str, **params: float) -> list[tuple[VADState, VoiceEdge | None]]:
    """The state after each window, and the edge that it made."""
    now, judge, seen = activity(**params), Scripted(said), []
    for _ in said:
        now, edges = now.hear(LOUD, judge)
        assert len(edges) <= 1
        seen.append((now.state, edges[0] if edges else None))
    return seen


def states(said: str, **params: float) -> str:
    letters = {QUIET: "q", STARTING: "s", SPEAKING: "S", STOPPING: "p"}
    return "".join(letters[state] for state, _ in run(said, **params))


def test_each_state_decides_on_each_kind_of_window() -> None:
    assert {state: set(row) for state, row in NEXT.items()} == {state: set(Window) for state in VADState}


def test_each_state_can_be_reached() -> None:
    assert {after for row in NEXT.values() for after in row.values()} == set(VADState)


def test_each_step_between_silence_and_speech_is_an_edge() -> None:
    steps = {(before, after) for before, row in NEXT.items() for after in row.values()}
    silent, audible = {QUIET, STARTING}, {SPEAKING, STOPPING}
    crossing = {(a, b) for a, b in steps if (a in silent) != (b in silent)}
    assert set(EDGES) == crossing
    assert all((edge is STARTED) == (after in audible) for (_, after), edge in EDGES.items())


@pytest.mark.rule("C2")
def test_voice_that_lasts_start_secs_is_speech() -> None:
    assert states("xxxx", start_secs=0.06) == "ssSS"


@pytest.mark.rule("C2")
def test_voice_that_breaks_off_earlier_is_nothing() -> None:
    assert run("xx.xx.", start_secs=0.06)[-1] == (QUIET, None)
    assert not [edge for _, edge in run("xx.xx.", start_secs=0.06) if edge]


@pytest.mark.rule("C2")
def test_the_count_begins_anew_after_a_break() -> None:
    assert states("xx.xxx", start_secs=0.06) == "ssqssS"


@pytest.mark.rule("C3")
def test_silence_that_lasts_stop_secs_ends_speech() -> None:
    assert states("x...x", start_secs=0.02, stop_secs=0.06) == "SppqS"


@pytest.mark.rule("C3")
def test_a_shorter_pause_ends_nothing() -> None:
    assert states("x..x..x", start_secs=0.02, stop_secs=0.06) == "SppSppS"


@pytest.mark.rule("C2")
@pytest.mark.parametrize("start_secs", [0.0, 0.02])
def test_with_no_time_to_last_one_window_is_enough(start_secs: float) -> None:
    assert run("x", start_secs=start_secs) == [(SPEAKING, STARTED)]


@pytest.mark.rule("C1")
def test_a_window_is_voiced_when_the_confidence_equals_its_threshold() -> None:
    assert run("x", start_secs=0, confidence=1.0) == [(SPEAKING, STARTED)]


@pytest.mark.rule("C1")
def test_what_is_too_faint_is_not_voiced() -> None:
    now = activity(min_volume=0.6, start_secs=0.02)
    now, edges = now.hear(FAINT * 100, Scripted("x"))
    assert (now.state, edges) == (QUIET, ())


@pytest.mark.rule("C1")
def test_a_window_is_voiced_when_the_volume_equals_its_threshold() -> None:
    volume = activity().hear(LOUD, Scripted("x"))[0].volume
    assert activity(min_volume=volume, start_secs=0).hear(LOUD, Scripted("x"))[0].state is SPEAKING
    assert activity(min_volume=volume + 1e-9, start_secs=0).hear(LOUD, Scripted("x"))[0].state is QUIET


@pytest.mark.rule("C1")
def test_the_volume_rises_by_a_fifth_of_what_is_missing() -> None:
    now, seen = activity(), []
    for _ in range(3):
        now, _ = now.hear(LOUD, Scripted("x"))
        seen.append(now.volume)
    level = loudness(8000.0**2)
    assert seen == pytest.approx([level * 0.2, level * 0.36, level * 0.488])


@pytest.mark.parametrize(("amplitude", "expected"), [(0, 0.0), (32768, 1.0), (100, 0.597), (1000, 0.797), (3, 0.292)])
def test_loudness_is_a_hundredth_for_each_decibel(amplitude: int, expected: float) -> None:
    assert loudness(float(amplitude**2)) == pytest.approx(expected, abs=0.001)


@pytest.mark.rule("C5")
@given(st.text("x.", min_size=1, max_size=200), st.floats(0, 0.1), st.floats(0, 0.1))
def test_starts_and_stops_alternate_start_first(said: str, start_secs: float, stop_secs: float) -> None:
    edges = [edge for _, edge in run(said, start_secs=start_secs, stop_secs=stop_secs) if edge]
    assert edges == ([STARTED, STOPPED] * len(edges))[: len(edges)]


@pytest.mark.rule("C4")
@given(st.lists(st.integers(0, 3000), max_size=40), st.integers(0, 2**32))
def test_how_sound_is_cut_into_chunks_changes_nothing(sizes: list[int], seed: int) -> None:
    """Also an odd number of bytes may end a chunk."""
    random = np.random.default_rng(seed)
    sound = noise_and_hum(random, 60)
    analyzer = WebRTCAnalyzer()
    params = VADParams(start_secs=0.04, stop_secs=0.04)
    at_once = VoiceActivity(params, WINDOW, 0.02).hear(sound, analyzer.open(RATE))
    now, judge, position = VoiceActivity(params, WINDOW, 0.02), analyzer.open(RATE), 0
    edges: list[VoiceEdge] = []
    for size in [*sizes, len(sound)]:
        now, more = now.hear(sound[position : position + size], judge)
        position += size
        edges += more
    assert (now, tuple(edges)) == at_once


@pytest.mark.rule("C7")
@pytest.mark.parametrize(("said", "edges"), [("x", (STOPPED,)), ("x.", (STOPPED,)), (".", ())])
def test_lost_sound_ends_speech_only(said: str, edges: tuple[VoiceEdge, ...]) -> None:
    now, _ = activity(start_secs=0.02).hear(LOUD * len(said), Scripted(said))
    assert now.lost() == (activity(start_secs=0.02), edges)


@pytest.mark.rule("C8")
def test_new_parameters_begin_from_quiet_and_keep_the_volume() -> None:
    now, _ = activity(start_secs=0.02).hear(LOUD * 3, Scripted("x"))
    changed, edges = now.with_params(VADParams(start_secs=0.04))
    assert (changed.state, changed.count, changed.volume, edges) == (QUIET, 0, now.volume, (STOPPED,))


def test_what_is_known_is_a_hashable_value() -> None:
    now, _ = activity().hear(LOUD + b"\0", Scripted("x"))
    assert hash(now) == hash(attrs.evolve(now))


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 48000])
def test_webrtc_judges_twenty_milliseconds(rate: int) -> None:
    analyzer = WebRTCAnalyzer()
    assert analyzer.window_samples(rate) * 50 == rate
    assert analyzer.open(rate).judge(bytes(rate // 50 * 2)) == 0.0


@pytest.mark.parametrize("rate", [11025, 22050, 24000, 44100, 0])
def test_webrtc_refuses_other_rates(rate: int) -> None:
    with pytest.raises(ConfigurationError, match=f"can't work at {rate} Hz"):
        WebRTCAnalyzer().open(rate)


@pytest.mark.parametrize("at", [1, 99, 100, 101, 150, 199, 200, 201, 250, 333, 399, 400])
def test_a_judge_that_takes_over_judges_the_same(at: int) -> None:
    sound = noise_and_hum(np.random.default_rng(7), 450)
    windows = [sound[start : start + WINDOW] for start in range(0, len(sound), WINDOW)]
    first = WebRTCAnalyzer().open(RATE)
    undisturbed = [first.judge(window) for window in windows]
    second = WebRTCAnalyzer().open(RATE)
    before = [second.judge(window) for window in windows[:at]]
    third = WebRTCAnalyzer().open(RATE, second.heard)
    assert before + [third.judge(window) for window in windows[at:]] == undisturbed
    assert 0 < sum(undisturbed) < len(windows), "the sound must hold both"


def test_what_a_judge_remembers_is_bounded() -> None:
    judge = WebRTCAnalyzer().open(RATE)
    for _ in range(1000):
        judge.judge(bytes(WINDOW))
        assert len(judge.heard) < 200


@pytest.mark.needs("pocketsphinx-testdata")
def test_a_spoken_command_is_one_stretch_of_speech() -> None:
    recorded = Path("/usr/share/pocketsphinx/test/data/goforward.raw").read_bytes()
    now, judge, seen = VoiceActivity(VADParams(stop_secs=0.3), WINDOW, 0.02), WebRTCAnalyzer().open(RATE), []
    for index in range(0, len(recorded), WINDOW):
        now, edges = now.hear(recorded[index : index + WINDOW], judge)
        seen += [(edge, index / WINDOW * 0.02) for edge in edges]
    (started, begin), (stopped, end) = seen
    assert (started, stopped) == (STARTED, STOPPED)
    assert begin == pytest.approx(0.7, abs=0.15)
    assert end == pytest.approx(2.65, abs=0.15)


def noise_and_hum(random: np.random.Generator, windows: int) -> bytes:
    """Stretches of faint noise and of a voice-like hum, in turn, as int16."""
    samples = windows * 320
    time = np.arange(samples) / RATE
    hum = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20)) * 3000
    gate = np.repeat(random.integers(0, 2, windows // 10 + 1), 3200)[:samples]
    return (hum * gate + random.standard_normal(samples) * 60).astype("<i2").tobytes()

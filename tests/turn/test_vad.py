"""The VAD as an actor: sound passes, edges go both ways, and nothing is forgotten."""

from itertools import pairwise

import numpy as np
import pytest

from antiphon import Pipeline
from antiphon.channels import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    SpeechControlParamsFrame,
    UserSpeakingFrame,
    VADParams,
    VADParamsUpdateFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import VAD

RATE = 16000
EDGES = (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame)


def sound(seconds: float, amplitude: float, *, rate: int = RATE) -> bytes:
    """A hum like a voice's, with the faint noise of a room."""
    time = np.arange(round(seconds * rate)) / rate
    hum = sum((np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20)), np.zeros(len(time)))
    noise = np.random.default_rng(1).standard_normal(len(time)) * 30
    return (hum * amplitude + noise).astype("<i2").tobytes()


def paced(audio: bytes, *, chunk: float = 0.02, rate: int = RATE) -> list[Item]:
    """Frames of that length, each followed by it in time."""
    size = 2 * round(chunk * rate)
    frames = [InputAudioRawFrame(audio[start : start + size], rate) for start in range(0, len(audio), size)]
    return [item for frame in frames for item in (frame, Sleep(chunk))]


def speech(seconds: float) -> list[Item]:
    return paced(sound(seconds, 4000))


def silence(seconds: float) -> list[Item]:
    return paced(sound(seconds, 0))


def edges(trace: Trace) -> list[type[Frame]]:
    return [type(frame) for frame in trace.down if isinstance(frame, EDGES)]


def times(trace: Trace, kind: type[VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame]) -> list[float]:
    found = [frame.timestamp for frame in trace.down if isinstance(frame, kind)]
    return [time for time in found if time is not None]


SENTENCE = [*silence(0.4), *speech(1.0), *silence(0.6)]


@pytest.mark.rule("C5")
def test_a_sentence_is_one_start_and_one_stop() -> None:
    assert edges(play(Pipeline(VAD()), SENTENCE)) == list(EDGES)


@pytest.mark.rule("C5")
def test_edges_go_both_ways() -> None:
    trace = play(Pipeline(VAD()), SENTENCE)
    assert [frame for frame in trace.up if isinstance(frame, EDGES)] == [
        frame for frame in trace.down if isinstance(frame, EDGES)
    ]


@pytest.mark.rule("C5")
def test_an_edge_comes_when_voice_or_silence_has_lasted() -> None:
    trace = play(Pipeline(VAD(VADParams(start_secs=0.1, stop_secs=0.3))), SENTENCE)
    (started,), (stopped,) = times(trace, EDGES[0]), times(trace, EDGES[1])
    assert 0.5 <= started <= 0.7
    assert 1.7 <= stopped <= 1.9


@pytest.mark.rule("C12")
def test_sound_passes_on_unchanged() -> None:
    trace = play(Pipeline(VAD()), SENTENCE)
    assert [frame for frame in trace.down if isinstance(frame, InputAudioRawFrame)] == [
        item for item in SENTENCE if isinstance(item, InputAudioRawFrame)
    ]


@pytest.mark.rule("C6")
def test_while_the_user_speaks_a_sign_goes_out_at_most_each_period() -> None:
    trace = play(Pipeline(VAD(speech_activity_period=0.25)), SENTENCE)
    signs = [
        each.time for each in trace.deliveries if each.receiver.name == "sink" and type(each.frame) is UserSpeakingFrame
    ]
    assert 3 <= len(signs) <= 5
    assert min(later - earlier for earlier, later in pairwise(signs)) >= 0.25 - 1e-9


@pytest.mark.rule("C6")
def test_without_speech_no_sign_goes_out() -> None:
    assert UserSpeakingFrame() not in play(Pipeline(VAD()), silence(1.0)).down


@pytest.mark.rule("C4")
@pytest.mark.parametrize("chunk", [0.005, 0.01, 0.03, 0.1])
def test_the_edges_do_not_depend_on_the_size_of_frames(chunk: float) -> None:
    audio = sound(0.4, 0) + sound(1.0, 4000) + sound(0.8, 0)
    trace = play(Pipeline(VAD()), paced(audio, chunk=chunk))
    assert edges(trace) == list(EDGES)
    expected = times(play(Pipeline(VAD()), paced(audio)), EDGES[0])
    assert times(trace, EDGES[0]) == pytest.approx(expected, abs=chunk + 0.02)


@pytest.mark.rule("C7")
def test_sound_that_fails_to_come_ends_speech(caplog: pytest.LogCaptureFixture) -> None:
    trace = play(Pipeline(VAD()), speech(1.0))
    assert edges(trace) == list(EDGES)
    assert times(trace, EDGES[1]) == [pytest.approx(0.98 + 1.0)]
    assert "no sound for 1.0 s" in caplog.text


@pytest.mark.rule("C7")
def test_sound_that_comes_again_must_be_speech_anew() -> None:
    trace = play(Pipeline(VAD()), [*speech(1.0), Sleep(2.0), *speech(1.0), *silence(0.5)])
    assert edges(trace) == list(EDGES) * 2


@pytest.mark.rule("C7")
def test_in_silence_nothing_happens_when_sound_fails_to_come() -> None:
    assert edges(play(Pipeline(VAD()), [*SENTENCE, Sleep(5.0)])) == list(EDGES)


@pytest.mark.rule("C7")
def test_the_watch_can_be_turned_off() -> None:
    assert edges(play(Pipeline(VAD(audio_idle_timeout=0)), [*speech(1.0), Sleep(60.0)])) == [EDGES[0]]


@pytest.mark.rule("C8")
def test_the_parameters_are_told_at_the_start() -> None:
    trace = play(Pipeline(VAD(VADParams(stop_secs=0.5))), [])
    assert trace.down == trace.up == (SpeechControlParamsFrame(vad_params=VADParams(stop_secs=0.5)),)


@pytest.mark.rule("C8")
def test_an_update_is_told_and_holds() -> None:
    update = VADParamsUpdateFrame(VADParams(min_volume=1.0))
    trace = play(Pipeline(VAD()), [update, *SENTENCE])
    assert SpeechControlParamsFrame(vad_params=update.params) in trace.up
    assert edges(trace) == []


@pytest.mark.rule("C8")
def test_an_update_while_the_user_speaks_stops_speech_with_the_next_sound() -> None:
    update = VADParamsUpdateFrame(VADParams(min_volume=1.0))
    rest = play(Pipeline(VAD()), [*speech(1.0), update])
    assert edges(rest)[:1] == [EDGES[0]]
    trace = play(Pipeline(VAD()), [*speech(1.0), update, Sleep(0.5), *speech(0.2)])
    assert edges(trace) == list(EDGES)
    assert times(trace, EDGES[1]) == [pytest.approx(1.5)]


@pytest.mark.rule("C9")
@pytest.mark.parametrize("last", [EndFrame(), CancelFrame()])
def test_after_the_end_no_edge_comes(last: Frame) -> None:
    assert edges(play(Pipeline(VAD()), [*speech(1.0), last, Sleep(5.0)])) == [EDGES[0]]


def test_a_rate_that_the_analyzer_can_not_take_is_refused() -> None:
    trace = play(Pipeline(VAD()), [InputAudioRawFrame(bytes(882), 22050)])
    assert "can't work at 22050 Hz" in str(trace.failures[0].error)


def test_stereo_is_refused() -> None:
    trace = play(Pipeline(VAD()), [InputAudioRawFrame(bytes(640), RATE, 2)])
    assert "2 channels but takes mono" in str(trace.failures[0].error)


@pytest.mark.parametrize("at", [2, 5, 21, 30, 34, 40, 55, 70, 75, 80, 90, 99])
def test_a_kill_changes_nothing_but_the_moment(at: int) -> None:
    """The first restart is immediate, so even the times stay."""
    undisturbed = play(Pipeline(VAD()), SENTENCE)
    killed = play(Pipeline(VAD()), [Kill("vad", at=at), *SENTENCE])
    assert len(killed.restarts) == 1
    assert killed.down == undisturbed.down
    assert [frame for frame in killed.up if not isinstance(frame, ErrorFrame)] == list(undisturbed.up)


def test_a_kill_in_the_pause_of_lost_sound_changes_nothing() -> None:
    undisturbed = play(Pipeline(VAD()), [*speech(1.0), Sleep(3.0)])
    killed = play(Pipeline(VAD()), [*speech(1.0), Sleep(0.3), Kill("vad"), Sleep(3.0)])
    assert killed.down == undisturbed.down

"""The input in virtual time: pace, the end of a source, and restarts."""

from __future__ import annotations

import numpy as np
import pytest

from antiphon import Pipeline
from antiphon.actors import ConfigurationError
from antiphon.actors.transports.audio_input import AudioInput
from antiphon.actors.transports.devices import ArraySource
from antiphon.channels import EndWorkerFrame, InputAudioRawFrame, InterruptionFrame
from antiphon.scenarios import Item, Kill, Sleep, Trace, play

RATE = 16000
"""Of a play's input, Hz."""
COUNTING = np.arange(RATE // 2, dtype="<i2")
"""Half a second in which no sample is like another."""


def run(*script: Item, end_when_silent: float | None = None, limit: float = 3600.0) -> Trace:
    source = ArraySource(COUNTING, RATE)
    return play(Pipeline(AudioInput(source, end_when_silent=end_when_silent, name="input")), script, limit=limit)


def heard(trace: Trace) -> list[tuple[float, InputAudioRawFrame]]:
    return [
        (round(each.time, 6), each.frame)
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, InputAudioRawFrame)
    ]


def sound(trace: Trace) -> bytes:
    return b"".join(frame.audio for _, frame in heard(trace))


def test_sound_comes_in_chunks_of_20_ms_each_when_it_is_over() -> None:
    frames = heard(run())
    assert [time for time, _ in frames] == [round(0.02 * n, 6) for n in range(1, 26)]
    assert {(len(frame.audio), frame.sample_rate, frame.num_channels) for _, frame in frames} == {(640, RATE, 1)}


def test_all_of_the_source_comes_once() -> None:
    assert sound(run()) == COUNTING.tobytes()


def test_the_last_chunk_is_filled_with_silence() -> None:
    trace = play(Pipeline(AudioInput(ArraySource(COUNTING[:500], RATE))), [])
    assert sound(trace) == COUNTING[:500].tobytes() + bytes(2 * 140)


def test_a_source_of_another_rate_comes_at_the_sessions() -> None:
    trace = play(Pipeline(AudioInput(ArraySource(np.full(22050, 1000, "<i2"), 22050))), [])
    samples = np.frombuffer(sound(trace), "<i2")
    assert len(samples) == RATE
    assert np.all(abs(samples[100:-100] - 1000) < 10)


def test_a_source_without_an_end_given_keeps_the_session_open() -> None:
    trace = run(Sleep(10.0))
    assert trace.ended == "cancelled"
    assert EndWorkerFrame not in map(type, trace.down)


def test_after_the_last_sound_silence_comes_and_then_the_end() -> None:
    trace = run(Sleep(10.0), end_when_silent=1.0)
    assert trace.ended == "ended"
    assert sound(trace) == COUNTING.tobytes() + bytes(2 * RATE)
    (end,) = [each.time for each in trace.deliveries if isinstance(each.frame, EndWorkerFrame)]
    assert end == pytest.approx(1.5)


def test_without_silence_the_end_comes_with_the_last_sound() -> None:
    trace = run(Sleep(10.0), end_when_silent=0.0)
    assert trace.ended == "ended"
    assert sound(trace).rstrip(b"\0") == COUNTING.tobytes().rstrip(b"\0")


def test_an_interruption_changes_nothing() -> None:
    trace = run(Sleep(0.1), InterruptionFrame(), Sleep(0.1), InterruptionFrame(), Sleep(1.0), end_when_silent=0.1)
    assert sound(trace) == COUNTING.tobytes() + bytes(2 * RATE // 10)
    assert trace.ended == "ended"


def test_a_kill_loses_no_sound_and_delays_none() -> None:
    trace = run(Sleep(0.11), Kill("input"), Sleep(10.0), end_when_silent=0.1)
    assert len(trace.restarts) == 1
    assert heard(trace) == heard(run(Sleep(10.0), end_when_silent=0.1))


def test_after_a_restart_that_took_its_time_the_lost_time_is_made_up_for() -> None:
    trace = run(Sleep(0.11), Kill("input"), Sleep(0.02), Kill("input"), Sleep(10.0), end_when_silent=0.1)
    assert len(trace.restarts) == 2
    assert sound(trace) == COUNTING.tobytes() + bytes(2 * RATE // 10)
    assert max(time for time, _ in heard(trace)) == 0.6, "the last sound comes when it would have come anyway"


def test_a_kill_in_the_silence_at_the_end_does_not_begin_it_anew() -> None:
    trace = run(Sleep(1.0), Kill("input"), Sleep(10.0), end_when_silent=1.0)
    (end,) = [each.time for each in trace.deliveries if isinstance(each.frame, EndWorkerFrame)]
    assert end == pytest.approx(1.5)


def test_a_source_that_can_not_play_ends_the_session_at_once() -> None:
    class Broken(ArraySource):
        def open(self, sample_rate: int) -> None:
            raise ConfigurationError("no such device")

    trace = play(Pipeline(AudioInput(Broken(COUNTING, RATE))), [])
    assert isinstance(trace.ended, BaseException)
    assert [str(failure.error) for failure in trace.failures] == ["no such device"]

"""Who speaks: brackets of syntheses, streams that may hold silence, gaps that are bridged, and stops that never came."""

from __future__ import annotations

import numpy as np
import pytest

from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InterruptionFrame,
    OutputPauseFrame,
    SpeechOutputAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from antiphon.scenarios import Item, Kill, Sleep
from tests.actors.notes import both
from tests.actors.transports.speech import RATE, Device, at_once, audio, brackets, run, synthesis

STARTED, STOPPED = BotStartedSpeakingFrame, BotStoppedSpeakingFrame


def stream(seconds: float, *, value: int) -> list[SpeechOutputAudioRawFrame]:
    """Of speech, in frames of 20 ms."""
    sound = np.full(RATE // 50, value, "<i2").tobytes()
    return [SpeechOutputAudioRawFrame(sound, RATE) for _ in range(round(seconds * 50))]


def merging(seconds: float) -> AudioOutput:
    return AudioOutput(Device(), merge_gap=seconds, name="output")


@pytest.mark.rule("I20", "I21")
def test_a_stream_speaks_where_it_is_not_silent_until_it_is_silent_for_long() -> None:
    silence, voice = stream(0.4, value=20), stream(0.2, value=21)
    trace = run(at_once(*silence, *voice, *stream(0.34, value=0), *voice, *stream(1.0, value=0)))
    # The last voice ends at 1.14; then more than 0.35 s, in chunks of 0.02.
    assert brackets(trace) == [(0.4, STARTED), (1.5, STOPPED)]


@pytest.mark.rule("I21")
def test_how_long_a_stream_has_been_silent_survives_a_kill() -> None:
    voice = stream(0.1, value=500)
    script: list[Item] = [*at_once(*voice, *stream(1.0, value=0)), Sleep(0.3), Kill("output")]
    assert brackets(run(script)) == [(0.0, STARTED), (0.46, STOPPED)]


@pytest.mark.rule("I21")
def test_speech_that_nobody_ends_is_over_three_seconds_behind_its_last_sound() -> None:
    trace = run(
        [
            *at_once(TTSStartedFrame("a"), *audio(0.5)),
            Sleep(2.0),
            *at_once(*audio(0.1)),
            Sleep(10.0),
            *at_once(*audio(0.1), EndFrame()),
        ]
    )
    assert brackets(trace) == [(0.0, STARTED), (5.1, STOPPED), (12.0, STARTED), (12.1, STOPPED)]


@pytest.mark.rule("I21")
def test_that_holds_after_a_kill_too() -> None:
    trace = run([*at_once(TTSStartedFrame("a"), *audio(0.5)), Sleep(1.0), Kill("output"), Sleep(5.0)])
    assert brackets(trace) == [(0.0, STARTED), (3.5, STOPPED)]


@pytest.mark.rule("I25")
@both
def test_a_gap_shorter_than_the_one_to_be_bridged_is_no_stop(direct: bool) -> None:
    script: list[Item] = [*at_once(*synthesis(0.2)), Sleep(0.6), *at_once(*synthesis(0.2, context="b")), Sleep(5.0)]
    assert brackets(run(script, output=merging(0.5), direct=direct)) == [(0.0, STARTED), (1.3, STOPPED)]
    assert brackets(run(script, output=merging(0.3), direct=direct)) == [
        (0.0, STARTED),
        (0.5, STOPPED),
        (0.6, STARTED),
        (1.1, STOPPED),
    ]


@pytest.mark.rule("I25")
@pytest.mark.parametrize("last", [InterruptionFrame(), OutputPauseFrame(), EndFrame()], ids=["cut", "pause", "end"])
def test_what_ends_speaking_ends_it_within_a_gap_too(last: InterruptionFrame | OutputPauseFrame | EndFrame) -> None:
    trace = run([*at_once(*synthesis(0.2)), Sleep(0.3), last, Sleep(5.0)], output=merging(0.5))
    assert brackets(trace) == [(0.0, STARTED), (0.3, STOPPED)]


@pytest.mark.rule("I25")
def test_speech_that_must_be_heard_is_over_in_the_gap_behind_it() -> None:
    script = at_once(*synthesis(0.2, interruptible=False))
    trace = run([*script, Sleep(0.3), InterruptionFrame()], output=merging(0.5))
    assert brackets(trace) == [(0.0, STARTED), (0.3, STOPPED)]


@pytest.mark.rule("I25", "I38")
def test_no_gap_is_bridged_during_a_pause() -> None:
    script: list[Item] = [*at_once(*synthesis(0.2, interruptible=False)), Sleep(0.1), OutputPauseFrame(), Sleep(5.0)]
    assert brackets(run(script, output=merging(0.5))) == [(0.0, STARTED), (0.2, STOPPED)]


@pytest.mark.rule("I21")
def test_a_kill_in_the_last_chunk_of_a_sound_loses_no_stop() -> None:
    """Its own sound is played while a stop is in hand: from then on it isn't given back."""
    sound = audio(0.03, piece=0.03)
    for moment in (0.0, 0.01, 0.025, 0.03, 0.035):
        script: list[Item] = [
            *at_once(TTSStartedFrame("a"), *sound, TTSStoppedFrame("a")),
            Sleep(moment),
            Kill("output"),
        ]
        trace = run([*script, Sleep(1.0)])
        assert len(trace.restarts) == 1, moment
        assert brackets(trace) == [(0.0, STARTED), (0.04, STOPPED)], moment

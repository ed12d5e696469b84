"""Pauses: speech is held at a sample and goes on there, whatever else happens meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from antiphon import Pipeline
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    HeardFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from tests.actors.notes import both
from tests.actors.transports.speech import (
    RATE,
    Device,
    Immunity,
    at_once,
    audio,
    brackets,
    heard_of,
    leaving,
    of_kind,
    only,
    run,
    synthesis,
    word,
    words_of,
)

STARTED, STOPPED = BotStartedSpeakingFrame, BotStoppedSpeakingFrame
HELLO = [word("Hello", 0.0), word("my", 0.3), word("friend.", 0.6)]


@pytest.mark.rule("I38")
@both
def test_speech_is_held_at_a_sample_and_goes_on_at_the_next(direct: bool) -> None:
    device = Device()
    script: list[Item] = [
        Sleep(1.35),
        *at_once(*synthesis(0.9, *HELLO), LLMFullResponseEndFrame()),
        Sleep(0.45),
        OutputPauseFrame(),
        Sleep(2.3),
        OutputResumeFrame(),
    ]
    trace = run(script, device=device, direct=direct)
    assert words_of(trace) == [(1.35, "Hello"), (1.65, "my"), (4.24, "friend.")]
    assert brackets(trace) == [(1.35, STARTED), (1.8, STOPPED), (4.1, STARTED), (4.54, STOPPED)]
    assert only(trace, LLMFullResponseEndFrame)[0] == 4.54
    assert [at for at, _ in device.chunks if 1.7 < at < 4.2] == [
        1.71,
        1.73,
        1.75,
        1.77,
        1.79,
        4.1,
        4.12,
        4.14,
        4.16,
        4.18,
    ]
    assert np.count_nonzero(device.samples) == round(0.9 * RATE)


@pytest.mark.rule("I38")
def test_a_pause_within_one_long_frame_holds_it_where_it_is() -> None:
    device = Device()
    sound = np.arange(1, RATE + 1, dtype="<i2").tobytes()
    script: list[Item] = [
        *at_once(TTSStartedFrame("a"), TTSAudioRawFrame(sound, "a", sample_rate=RATE), TTSStoppedFrame("a")),
        Sleep(0.11),
        OutputPauseFrame(),
        Sleep(1.0),
        OutputResumeFrame(),
    ]
    trace = run(script, device=device)
    assert b"".join(chunk for _, chunk in device.chunks) == sound
    assert brackets(trace) == [(0.0, STARTED), (0.11, STOPPED), (1.11, STARTED), (1.99, STOPPED)]


@pytest.mark.rule("I38")
def test_a_pause_shorter_than_the_cushion_is_not_caught_up() -> None:
    device = Device()
    script = [*at_once(*synthesis(0.2)), Sleep(0.05), OutputPauseFrame(), Sleep(0.1), OutputResumeFrame()]
    run(script, device=device)
    assert [at for at, _ in device.chunks] == [0.0, 0.02, 0.04, 0.15, 0.17, 0.19, 0.21, 0.23, 0.25, 0.27]


@pytest.mark.rule("I38")
def test_a_pause_within_the_chunk_in_hand_costs_no_time() -> None:
    device = Device()
    script = [*at_once(*synthesis(0.1)), Sleep(0.045), OutputPauseFrame(), Sleep(0.005), OutputResumeFrame()]
    trace = run(script, device=device)
    assert [at for at, _ in device.chunks] == [0.0, 0.02, 0.04, 0.06, 0.08]
    assert brackets(trace) == [(0.0, STARTED), (0.045, STOPPED), (0.06, STARTED), (0.1, STOPPED)]


@pytest.mark.rule("I38")
def test_a_pause_before_any_sound_delays_the_first_chunk() -> None:
    device = Device()
    script = [OutputPauseFrame(), *at_once(*synthesis(0.1, word("one", 0.0))), Sleep(1.0), OutputResumeFrame()]
    trace = run(script, device=device)
    assert brackets(trace) == [(1.0, STARTED), (1.1, STOPPED)]
    assert words_of(trace) == [(1.0, "one")]


@pytest.mark.rule("I38")
def test_two_pauses_are_one() -> None:
    script: list[Item] = [*at_once(*synthesis(0.2)), Sleep(0.05), OutputPauseFrame(), Sleep(0.1), OutputPauseFrame()]
    trace = run([*script, Sleep(0.1), OutputResumeFrame()])
    assert brackets(trace) == [(0.0, STARTED), (0.05, STOPPED), (0.25, STARTED), (0.39, STOPPED)]


@pytest.mark.rule("I38")
@both
def test_an_interruption_ends_a_pause_and_what_was_held_is_never_heard(direct: bool) -> None:
    device = Device()
    script: list[Item] = [
        *at_once(*synthesis(1.0, *HELLO)),
        Sleep(0.31),
        OutputPauseFrame(),
        Sleep(1.0),
        InterruptionFrame(),
    ]
    trace = run([*script, *at_once(*synthesis(0.1, context="b"))], device=device, direct=direct)
    assert heard_of(trace) == HeardFrame(1, (("a", 320_000_000),))
    assert words_of(trace) == [(0.0, "Hello"), (0.3, "my")]
    assert brackets(trace) == [(0.0, STARTED), (0.31, STOPPED), (1.31, STARTED), (1.41, STOPPED)]


@pytest.mark.rule("I38")
def test_speech_that_must_be_heard_goes_on_through_a_pause_and_what_follows_it_is_held() -> None:
    device = Device()
    script: list[Item] = [
        *at_once(*synthesis(0.2, word("Important.", 0.1), interruptible=False), *synthesis(0.1, context="b")),
        Sleep(0.05),
        OutputPauseFrame(),
        Sleep(1.0),
        OutputResumeFrame(),
    ]
    trace = run(script, device=device)
    assert words_of(trace) == [(0.1, "Important.")]
    assert brackets(trace) == [(0.0, STARTED), (0.2, STOPPED), (1.05, STARTED), (1.15, STOPPED)]


@pytest.mark.rule("I38")
def test_no_sign_of_speaking_goes_out_while_it_is_held() -> None:
    script: list[Item] = [*at_once(*synthesis(1.0)), Sleep(0.31), OutputPauseFrame(), Sleep(5.0), OutputResumeFrame()]
    signs = [time for time, _ in leaving(run(script), BotSpeakingFrame)]
    assert signs == [0.0, 0.2, 5.31, 5.51, 5.71, 5.91]


@pytest.mark.rule("I38")
def test_who_pauses_and_ends_resumes_first_and_all_is_heard() -> None:
    """The user half does so at EndFrame. The system lane overtakes, so the end finds the pause over."""
    device = Device()
    script: list[Item] = [*at_once(*synthesis(0.5)), Sleep(0.11), OutputPauseFrame(), Sleep(3.0)]
    trace = run([*script, *at_once(OutputResumeFrame(), EndFrame())], device=device)
    assert trace.ended == "ended"
    assert np.count_nonzero(device.samples) == round(0.5 * RATE)
    assert [each.time for each in trace.deliveries if isinstance(each.frame, EndFrame)][-1] == pytest.approx(5.49)


@pytest.mark.rule("I38")
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.5, 1.2])
def test_a_pause_survives_a_kill_and_so_does_what_it_holds(moment: float) -> None:
    def script(kill: list[Item]) -> list[Item]:
        sound = TTSAudioRawFrame(np.arange(1, RATE + 1, dtype="<i2").tobytes(), "a", sample_rate=RATE)
        return [
            *at_once(TTSStartedFrame("a"), *HELLO, sound, TTSStoppedFrame("a")),
            Sleep(0.1),
            OutputPauseFrame(),
            Sleep(moment),
            *kill,
            Sleep(1.2 - moment),
            OutputResumeFrame(),
        ]

    device, killed_device = Device(), Device()
    undisturbed = run(script([]), device=device)
    killed = run(script([Kill("output")]), device=killed_device)
    assert len(killed.restarts) == 1
    assert killed_device.chunks == device.chunks
    assert (words_of(killed), brackets(killed)) == (words_of(undisturbed), brackets(undisturbed))


@pytest.mark.rule("I31a", "I38")
def test_words_with_moments_are_as_late_as_the_pause_was_long() -> None:
    said = [
        TTSTextFrame(text, context_id="a", pts=round(at * 1e9))
        for text, at in [("one", 0.0), ("two", 0.15), ("three", 0.25)]
    ]
    script: list[Item] = [
        *at_once(*synthesis(0.4, *said)),
        Sleep(0.11),
        OutputPauseFrame(),
        Sleep(2.0),
        OutputResumeFrame(),
    ]
    assert words_of(run(script)) == [(0.0, "one"), (2.14, "two"), (2.24, "three")]


def test_pauses_and_resumes_go_on_to_what_stands_behind() -> None:
    trace = play(Pipeline(Immunity(), AudioOutput(name="output")), [OutputPauseFrame(), OutputResumeFrame()])
    assert of_kind(trace, OutputPauseFrame, OutputResumeFrame) == [OutputPauseFrame(), OutputResumeFrame()]


def test_sound_that_comes_while_it_is_held_is_played_behind_what_was_held() -> None:
    device = Device()
    script: list[Item] = [
        *at_once(*audio(0.1, value=1)),
        Sleep(0.03),
        OutputPauseFrame(),
        *at_once(*audio(0.1, value=2)),
    ]
    run([*script, Sleep(1.0), OutputResumeFrame()], device=device)
    assert device.samples[device.samples != 0].tolist() == [1] * 2400 + [2] * 2400

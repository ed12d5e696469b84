"""Outputs side by side: each destination has its own time, its own device and its own speaking state."""

from __future__ import annotations

import logging

import attrs
import numpy as np
import pytest

from antiphon import Parallel, Pipeline
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.actors.transports.side_output import SideOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    OutputAudioRawFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    OutputTransportMessageFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VolumeFrame,
)
from antiphon.scenarios import Item, Sleep, Trace, play
from tests.actors.notes import both
from tests.actors.transports.speech import (
    RATE,
    Device,
    at_once,
    audio,
    leaving,
    of_kind,
    only,
    run,
    synthesis,
    word,
    words_of,
)

STARTED, STOPPED = BotStartedSpeakingFrame, BotStoppedSpeakingFrame


class Stage:
    """Two devices, and the outputs that play on them."""

    def __init__(self) -> None:
        self.main, self.side = Device(), Device()

    def run(self, script: list[Item], *, direct: bool = True) -> Trace:
        outputs = Parallel(
            Pipeline(AudioOutput(self.main, others=("side",), name="output")),
            Pipeline(SideOutput(self.side, destination="side", name="side")),
        )
        return play(Pipeline(outputs), script, direct=direct)


def to_side(frames: list[Frame]) -> list[Frame]:
    return [
        attrs.evolve(frame, transport_destination="side") if isinstance(frame, OutputAudioRawFrame) else frame
        for frame in frames
    ]


def brackets_of(trace: Trace, destination: str | None) -> list[tuple[float, type[Frame]]]:
    return [
        (time, type(frame))
        for time, frame in leaving(trace, STARTED, STOPPED)
        if isinstance(frame, (STARTED, STOPPED)) and frame.transport_destination == destination
    ]


@pytest.mark.rule("I35")
@both
def test_each_destination_has_its_own_time(direct: bool) -> None:
    stage = Stage()
    trace = stage.run(at_once(*audio(0.5), *to_side(audio(0.5, value=7))), direct=direct)
    assert [at for at, _ in stage.main.chunks] == [at for at, _ in stage.side.chunks]
    assert (set(stage.main.samples.tolist()), set(stage.side.samples.tolist())) == ({1000}, {7})
    assert len(of_kind(trace, TTSAudioRawFrame)) == 50


@pytest.mark.rule("I35", "I23")
@both
def test_each_destination_has_its_own_brackets(direct: bool) -> None:
    trace = Stage().run(at_once(*synthesis(0.5), *to_side(synthesis(0.2, context="b"))), direct=direct)
    assert brackets_of(trace, None) == [(0.0, STARTED), (0.5, STOPPED)]
    assert brackets_of(trace, "side") == [(0.0, STARTED), (0.2, STOPPED)]


@pytest.mark.rule("I35")
def test_an_interruption_reaches_all_and_what_was_heard_is_told_once() -> None:
    stage = Stage()
    trace = stage.run(
        [*at_once(*synthesis(0.5), *to_side(synthesis(0.5, context="b"))), Sleep(0.11), InterruptionFrame(), Sleep(1.0)]
    )
    assert brackets_of(trace, None) == brackets_of(trace, "side") == [(0.0, STARTED), (0.11, STOPPED)]
    assert len(stage.main.chunks) == len(stage.side.chunks) == 6
    # The last one is told as the play is cancelled.
    assert of_kind(trace, HeardFrame) == [HeardFrame(1, (("a", 120_000_000),)), HeardFrame(1)]


@pytest.mark.rule("I35")
def test_a_pause_reaches_all() -> None:
    stage = Stage()
    script: list[Item] = [
        *at_once(*synthesis(0.5), *to_side(synthesis(0.5, context="b"))),
        Sleep(0.11),
        OutputPauseFrame(),
    ]
    trace = stage.run([*script, Sleep(1.0), OutputResumeFrame()])
    assert (
        brackets_of(trace, None)
        == brackets_of(trace, "side")
        == [(0.0, STARTED), (0.11, STOPPED), (1.11, STARTED), (1.49, STOPPED)]
    )


@pytest.mark.rule("I35", "I4")
def test_what_stands_behind_sound_does_not_slip_by_beside_it() -> None:
    trace = Stage().run(at_once(*synthesis(0.5, word("one", 0.4)), LLMFullResponseEndFrame()))
    assert words_of(trace) == [(0.4, "one")]
    assert [time for time, _ in leaving(trace, TTSStoppedFrame, LLMFullResponseEndFrame)] == [0.5, 0.5]


@pytest.mark.rule("I35", "I9")
def test_loudness_is_everybody_s_and_goes_on_once() -> None:
    stage = Stage()
    trace = stage.run(at_once(VolumeFrame(0.5), *audio(0.02), *to_side(audio(0.02))))
    assert set(stage.main.samples.tolist()) == set(stage.side.samples.tolist()) == {500}
    assert of_kind(trace, VolumeFrame) == [VolumeFrame(0.5)]


@pytest.mark.rule("I35")
def test_a_message_goes_on_once_from_its_own_destination() -> None:
    message = OutputTransportMessageFrame("hi", transport_destination="side")
    assert of_kind(Stage().run([message]), OutputTransportMessageFrame) == [message]


@pytest.mark.rule("I35")
@both
def test_the_end_waits_for_all_destinations(direct: bool) -> None:
    stage = Stage()
    trace = stage.run(at_once(*synthesis(0.1), *to_side(synthesis(1.0, context="b")), EndFrame()), direct=direct)
    assert trace.ended == "ended"
    assert np.count_nonzero(stage.side.samples) == RATE
    assert stage.main.is_closed and stage.side.is_closed


@pytest.mark.rule("I35")
def test_sound_for_a_destination_that_nobody_plays_is_dropped_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = Device()
    with caplog.at_level(logging.WARNING):
        trace = run(at_once(*to_side(audio(0.1)), *audio(0.02)), device=device)
    assert len(device.chunks) == len(of_kind(trace, TTSAudioRawFrame)) == 1
    (record,) = caplog.records
    assert "nobody plays what goes to the destination 'side'" in record.message


@pytest.mark.rule("I35")
def test_a_stop_of_one_destination_s_speech_ends_no_other_s() -> None:
    trace = Stage().run(at_once(*audio(0.5), *to_side(audio(0.1, context="b")), TTSStoppedFrame("b"), *audio(0.1)))
    assert brackets_of(trace, "side") == [(0.0, STARTED), (0.1, STOPPED)]
    assert brackets_of(trace, None) == [(0.0, STARTED), (3.6, STOPPED)]


@pytest.mark.rule("I35")
def test_words_spoken_at_another_destination_go_on_with_their_stop() -> None:
    trace = Stage().run(at_once(*to_side(synthesis(0.2, word("there", 0.1, context="b"), context="b"))))
    assert [frame.text for frame in of_kind(trace, TTSTextFrame) if isinstance(frame, TTSTextFrame)] == ["there"]


def test_frames_upstream_pass_once() -> None:
    trace = Stage().run([*at_once(*audio(0.02))])
    assert [type(frame) for frame in trace.up].count(STARTED) == 1
    assert only(trace, STARTED)[0] == 0.0

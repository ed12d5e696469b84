"""The output and its device: loudness, a device that fails, has no room or takes messages, and none at all."""

from __future__ import annotations

import numpy as np
import pytest
import trio

from antiphon import Unrecoverable
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    HeardFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    OutputTransportReadyFrame,
    StopFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    VolumeFrame,
    VolumeGainFrame,
)
from antiphon.scenarios import Item, Kill, Sleep
from tests.actors.transports.speech import (
    Device,
    at_once,
    audio,
    brackets,
    heard_of,
    leaving,
    of_kind,
    run,
    synthesis,
    word,
    words_of,
)

STARTED, STOPPED = BotStartedSpeakingFrame, BotStoppedSpeakingFrame


class Frail(Device):
    """Refuses the sound that is due while `fails` says so."""

    def __init__(self, begin: float, end: float) -> None:
        super().__init__()
        self.begin, self.end = begin, end

    def write(self, audio: bytes, at: float) -> None:
        assert self._began is not None
        if self.begin <= at - self._began < self.end:
            raise BrokenPipeError("nobody listens")
        super().write(audio, at)


class Narrow(Device):
    """Has room again so many seconds after each chunk; never, after `last` of them."""

    def __init__(self, seconds: float, *, last: int = 1000) -> None:
        super().__init__()
        self.seconds, self.last = seconds, last

    async def room(self) -> None:
        if len(self.chunks) >= self.last:
            await trio.sleep_forever()
        if self.chunks:
            await trio.sleep(self.seconds)


class Telling(Device):
    """Takes messages, too."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[float, object]] = []

    def send(self, message: object) -> None:
        assert self._began is not None
        self.messages.append((round(trio.current_time() - self._began, 6), message))


# ---- loudness


@pytest.mark.rule("I9")
def test_volume_and_gain_change_in_order_with_the_sound() -> None:
    device = Device()
    trace = run(
        at_once(
            *audio(0.04),
            VolumeFrame(0.5),
            *audio(0.04),
            VolumeGainFrame(3.0),
            *audio(0.04),
            VolumeFrame(1.0),
            *audio(0.02),
        ),
        device=device,
    )
    assert [int(np.frombuffer(chunk, "<i2")[0]) for _, chunk in device.chunks] == [1000] * 2 + [500] * 2 + [
        1500
    ] * 2 + [3000]
    assert leaving(trace, VolumeFrame, VolumeGainFrame) == [
        (0.04, VolumeFrame(0.5)),
        (0.08, VolumeGainFrame(3.0)),
        (0.12, VolumeFrame(1.0)),
    ]


@pytest.mark.rule("I9")
def test_loudness_changes_at_a_sample_and_not_at_a_chunk() -> None:
    device = Device()
    half = TTSAudioRawFrame(np.full(240, 1000, "<i2").tobytes(), "a", sample_rate=24000)
    run(at_once(half, VolumeFrame(0.1), half), device=device)
    assert device.samples.tolist() == [1000] * 240 + [100] * 240


@pytest.mark.rule("I9")
def test_loudness_survives_an_interruption_and_a_kill() -> None:
    device = Device()
    script: list[Item] = [VolumeFrame(0.5), VolumeGainFrame(0.5), InterruptionFrame(), Kill("output")]
    run([*script, *at_once(*audio(0.02))], device=device)
    assert set(device.samples.tolist()) == {250}


@pytest.mark.rule("I5", "I9")
def test_what_goes_on_is_what_was_played() -> None:
    device = Device()
    output = AudioOutput(device, volume=0.5, name="output")
    trace = run(at_once(*synthesis(0.04)), output=output)
    passed = [frame.audio for frame in of_kind(trace, TTSAudioRawFrame) if isinstance(frame, TTSAudioRawFrame)]
    assert b"".join(passed) == device.audio
    assert set(device.samples.tolist()) == {500}


# ---- no sound


@pytest.mark.rule("I7")
def test_without_audio_nobody_speaks_and_text_flows() -> None:
    device = Device()
    output = AudioOutput(device, enabled=False, name="output")
    script: list[Item] = [*at_once(*synthesis(1.0, word("one", 0.0), word("two", 0.9))), InterruptionFrame()]
    trace = run(script, output=output)
    assert device.chunks == []
    assert brackets(trace) == []
    assert of_kind(trace, BotSpeakingFrame, TTSAudioRawFrame) == []
    assert words_of(trace) == [(0.0, "one"), (0.0, "two")]
    assert leaving(trace, TTSStartedFrame, TTSStoppedFrame) == [
        (0.0, TTSStartedFrame("a")),
        (0.0, TTSStoppedFrame("a")),
    ]
    assert heard_of(trace) == HeardFrame(1)


@pytest.mark.rule("I7")
def test_without_audio_the_end_needs_no_silence() -> None:
    trace = run([EndFrame()], output=AudioOutput(Device(), enabled=False, name="output"))
    assert [each.time for each in trace.deliveries if isinstance(each.frame, EndFrame)][-1] == 0.0


# ---- a device that fails


@pytest.mark.rule("I8")
def test_sound_that_the_device_refuses_was_not_heard_and_time_goes_on() -> None:
    device = Frail(0.09, 0.19)
    script: list[Item] = [
        *at_once(*synthesis(0.4, word("one", 0.05), word("two", 0.15))),
        Sleep(0.39),
        InterruptionFrame(),
    ]
    trace = run(script, device=device)
    # Five of twenty chunks are missing, so the second word's beginning is reached five chunks later.
    assert [at for at, _ in device.chunks][4:6] == [0.08, 0.2]
    assert len(of_kind(trace, TTSAudioRawFrame)) == 15
    assert heard_of(trace).played == (("a", 300_000_000),)
    assert words_of(trace) == [(0.04, "one"), (0.24, "two")]


@pytest.mark.rule("I8")
def test_of_refusals_in_a_row_one_error_goes_up() -> None:
    trace = run(at_once(*synthesis(0.4)), device=Frail(0.09, 0.19))
    (error,) = [frame for frame in trace.up if isinstance(frame, ErrorFrame)]
    assert (
        error.error
        == "output: Frail refused sound, which is lost: BrokenPipeError('nobody listens'). The next is tried again."
    )
    assert not error.fatal


@pytest.mark.rule("I8")
def test_a_device_without_room_for_too_long_is_lost_and_the_session_decides() -> None:
    device = Narrow(0.0, last=5)
    trace = run(at_once(*synthesis(1.0)), device=device)
    assert len(device.chunks) == 5
    assert isinstance(trace.ended, BaseExceptionGroup)
    (failure,) = trace.failures
    assert isinstance(failure.error, Unrecoverable)
    assert failure.time == pytest.approx(10.1)
    assert "Narrow has taken no sound for 10 seconds" in str(failure.error)


@pytest.mark.rule("I6", "I8")
def test_a_device_that_is_merely_slow_gets_all_in_its_time() -> None:
    device = Narrow(0.03)
    run(at_once(*synthesis(0.2)), device=device)
    assert len(device.chunks) == 10
    assert np.all(device.samples == 1000)


@pytest.mark.rule("I8", "I30")
def test_an_interruption_while_the_device_has_no_room_lets_nothing_slip_behind_it() -> None:
    device = Narrow(0.0, last=5)
    trace = run([*at_once(*synthesis(1.0)), Sleep(1.0), InterruptionFrame()], device=device)
    assert heard_of(trace).played == (("a", 100_000_000),)
    assert trace.ended == "cancelled"


# ---- ready, messages, stop


@pytest.mark.rule("I36")
def test_it_says_once_that_it_is_ready() -> None:
    trace = run([Kill("output"), Sleep(1.0)])
    assert len(trace.restarts) == 1
    assert [frame for frame in trace.up if isinstance(frame, OutputTransportReadyFrame)] == [
        OutputTransportReadyFrame()
    ]


@pytest.mark.rule("I37")
def test_messages_are_sent_behind_the_sound_before_them_and_urgent_ones_at_once() -> None:
    device = Telling()
    late, urgent = OutputTransportMessageFrame({"n": 1}), OutputTransportMessageUrgentFrame({"n": 2})
    trace = run([*at_once(*audio(0.1), late), Sleep(0.05), urgent], device=device)
    assert device.messages == [(0.05, urgent.message), (0.1, late.message)]
    assert leaving(trace, OutputTransportMessageFrame, OutputTransportMessageUrgentFrame) == [(0.1, late)]


@pytest.mark.rule("I37")
def test_a_device_that_takes_no_messages_leaves_them_to_others() -> None:
    late, urgent = OutputTransportMessageFrame({"n": 1}), OutputTransportMessageUrgentFrame({"n": 2})
    trace = run(at_once(*audio(0.1), late, urgent))
    assert leaving(trace, OutputTransportMessageFrame, OutputTransportMessageUrgentFrame) == [
        (0.0, urgent),
        (0.1, late),
    ]


@pytest.mark.rule("I37")
def test_an_urgent_message_is_sent_during_a_pause() -> None:
    device = Telling()
    run([*at_once(*audio(0.1)), OutputPauseFrame(), OutputTransportMessageUrgentFrame("now")], device=device)
    assert device.messages == [(0.0, "now")]


def test_a_stop_drains_and_leaves_the_device_open() -> None:
    device = Device()
    trace = run(at_once(TTSStartedFrame("a"), *audio(0.1), StopFrame()), device=device)
    assert brackets(trace) == [(0.0, STARTED), (0.1, STOPPED)]
    assert len(device.chunks) == 5
    assert not device.is_closed

"""What a watch knows and tells, step by step, whoever holds it."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from antiphon.channels import (
    Frame,
    InputAudioRawFrame,
    SpeechControlParamsFrame,
    UserSpeakingFrame,
    VADParams,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import Ears, VoiceWatch
from tests.turn.test_vad import RATE, sound

CHUNK = 640
STARTED, STOPPED = VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame


def heard(
    watch: VoiceWatch, audio: bytes, ears: Callable[[], Ears], *, rate: int = RATE
) -> tuple[VoiceWatch, list[Frame]]:
    """The watch after this sound, a frame every 20 ms, and what it told."""
    told: list[Frame] = []
    for number, start in enumerate(range(0, len(audio), CHUNK)):
        frame = InputAudioRawFrame(audio[start : start + CHUNK], rate)
        watch, news = watch.hear(frame, ears(), now=number * 0.02)
        told += news.frames
    return watch, told


def edges(told: list[Frame]) -> list[type[Frame]]:
    return [type(frame) for frame in told if not isinstance(frame, UserSpeakingFrame)]


def test_ears_that_are_new_at_each_frame_hear_the_same() -> None:
    audio = sound(0.4, 0) + sound(1.0, 4000) + sound(3.0, 0) + sound(1.0, 3000) + sound(0.5, 0)
    ears = Ears()
    assert heard(VoiceWatch(), audio, Ears) == heard(VoiceWatch(), audio, lambda: ears)


def test_the_same_ears_hear_another_watch_from_its_beginning() -> None:
    """As after a step that was rolled back, or for another stream."""
    audio = sound(0.3, 0) + sound(0.6, 4000)
    ears = Ears()
    once = heard(VoiceWatch(), audio, lambda: ears)
    assert heard(VoiceWatch(), audio, lambda: ears) == once
    at_half_the_rate = heard(VoiceWatch(), audio, lambda: ears, rate=8000)
    assert at_half_the_rate == heard(VoiceWatch(), audio, Ears, rate=8000)


def test_a_reset_tells_the_stop_that_is_owed_and_waits_for_speech_anew() -> None:
    ears = Ears()
    watch, told = heard(VoiceWatch(), sound(0.2, 0) + sound(0.6, 4000), lambda: ears)
    assert watch.is_speaking
    watch, news = watch.reset(now=9.0)
    assert news.frames == (STOPPED(0.2, 9.0),)
    assert not watch.is_speaking
    _, again = heard(watch, sound(0.6, 4000), lambda: ears)
    assert edges(told) == edges(again) == [STARTED]


def test_a_reset_in_silence_tells_nothing() -> None:
    watch, _ = heard(VoiceWatch(), sound(0.4, 0), Ears)
    assert watch.reset(now=1.0)[1].frames == ()
    assert VoiceWatch().reset(now=1.0)[1].frames == ()


@pytest.mark.rule("C8")
def test_what_an_update_owes_is_told_once() -> None:
    watch, _ = heard(VoiceWatch(), sound(0.2, 0) + sound(0.6, 4000), Ears)
    watch, news = watch.with_params(VADParams(min_volume=1.0))
    assert news.frames == (SpeechControlParamsFrame(vad_params=VADParams(min_volume=1.0)),)
    _, told = heard(watch, sound(0.4, 4000), Ears)
    assert edges(told) == [STOPPED]


@pytest.mark.rule("C8")
def test_the_parameters_are_told_once_however_often_the_actor_starts() -> None:
    watch, news = VoiceWatch().started(RATE)
    assert news.frames == (SpeechControlParamsFrame(vad_params=VADParams()),)
    assert watch.started(RATE) == (watch, attrs.evolve(news, frames=()))


@pytest.mark.rule("C7")
def test_while_sound_comes_the_timer_is_armed_for_what_is_left() -> None:
    watch, _ = heard(VoiceWatch(), sound(0.2, 0) + sound(0.6, 4000), Ears)
    assert watch.last_audio == pytest.approx(0.78)
    assert watch.idle(now=1.3) == (watch, attrs.evolve(watch.idle(now=1.3)[1], frames=(), warning=None))
    assert watch.idle(now=1.3)[1].look_in == pytest.approx(0.48)
    after, news = watch.idle(now=1.78 + 1e-9)
    assert not after.is_speaking
    assert edges(list(news.frames)) == [STOPPED]
    assert news.look_in is None

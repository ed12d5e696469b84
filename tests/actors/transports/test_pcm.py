"""Sound as bytes."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

from antiphon.actors.transports.pcm import (
    Resampler,
    Sound,
    duration,
    interleaved,
    mono,
    read_wav,
    resampled,
    rms,
    scaled,
    write_wav,
)

PAIRS = [(8000, 16000), (16000, 8000), (24000, 16000), (16000, 24000), (22050, 24000), (48000, 16000), (24000, 48000)]
pairs = pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)


def tone(frequency: float, rate: int, seconds: float = 1.0, amplitude: float = 10000.0) -> bytes:
    time = np.arange(round(seconds * rate)) / rate
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * time)).astype("<i2").tobytes()


def array(audio: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(audio, "<i2").astype(np.float64)


@pairs
def test_a_tone_stays_that_tone(rate_in: int, rate_out: int) -> None:
    """Within the rounding of int16 and the filter's 80 dB, away from the sudden beginning and end."""
    made = array(resampled(tone(440, rate_in), rate_in, rate_out))
    expected = array(tone(440, rate_out))
    edge = rate_out // 20
    assert np.abs(made - expected)[edge:-edge].max() <= 3


@pairs
def test_the_length_is_kept_to_the_next_sample(rate_in: int, rate_out: int) -> None:
    for samples in (0, 1, 7, 160, 441, 1000):
        assert len(resampled(bytes(2 * samples), rate_in, rate_out)) // 2 == -(-samples * rate_out // rate_in)


@pairs
def test_a_constant_stays_that_constant(rate_in: int, rate_out: int) -> None:
    made = array(resampled(np.full(rate_in, 12345, "<i2").tobytes(), rate_in, rate_out))
    edge = rate_out // 20
    assert set(made[edge:-edge]) == {12345}


@pytest.mark.parametrize(("rate_in", "rate_out"), [(16000, 8000), (48000, 16000), (24000, 16000)])
def test_what_the_lower_rate_can_not_hold_is_gone(rate_in: int, rate_out: int) -> None:
    made = resampled(tone(rate_out * 0.52, rate_in), rate_in, rate_out)
    assert rms(made[rate_out // 5 : -rate_out // 5]) < 10000 / 2**0.5 * 10 ** (-70 / 20)


@pairs
def test_four_fifths_of_the_lower_rates_band_pass(rate_in: int, rate_out: int) -> None:
    sound = tone(min(rate_in, rate_out) * 0.4, rate_in)
    assert rms(resampled(sound, rate_in, rate_out)[rate_out // 5 : -rate_out // 5]) == pytest.approx(7071, rel=0.01)


@settings(max_examples=40)
@given(st.sampled_from(PAIRS), st.lists(st.integers(0, 700), max_size=12), st.integers(0, 2**32))
def test_chunks_give_the_very_bytes_of_the_whole(rates: tuple[int, int], sizes: list[int], seed: int) -> None:
    sound = np.random.default_rng(seed).integers(-32768, 32768, sum(sizes)).astype("<i2").tobytes()
    resampler, made, position = Resampler(*rates), b"", 0
    for size in sizes:
        made += resampler.resample(sound[2 * position : 2 * (position + size)])
        position += size
    assert made + resampler.flush() == resampled(sound, *rates)


def test_all_but_a_few_milliseconds_come_at_once() -> None:
    made = Resampler(24000, 16000).resample(tone(440, 24000, seconds=0.1))
    assert duration(made, 16000) > 0.1 - 0.004


def test_after_the_tail_another_sound_begins() -> None:
    resampler = Resampler(24000, 16000)
    resampler.resample(tone(440, 24000))
    resampler.flush()
    assert resampler.resample(tone(300, 24000)) + resampler.flush() == resampled(tone(300, 24000), 24000, 16000)


def test_after_a_reset_nothing_of_the_old_sound_is_heard() -> None:
    resampler = Resampler(24000, 16000)
    resampler.resample(tone(440, 24000))
    resampler.reset()
    assert set(resampler.resample(bytes(2400)) + resampler.flush()) == {0}


def test_equal_rates_pass_sound_as_it_is() -> None:
    resampler = Resampler(16000, 16000)
    assert (resampler.resample(b"\1\2\3\4"), resampler.flush()) == (b"\1\2\3\4", b"")


def test_a_loud_sound_is_clipped_and_does_not_wrap_round() -> None:
    square = np.repeat(np.array([32767, -32768] * 50, "<i2"), 80).tobytes()
    made = array(resampled(square, 16000, 24000))
    assert made.max() == 32767
    assert np.sign(made[60:120]).min() > 0


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes are no whole int16 samples"):
        Resampler(8000, 16000).resample(b"abc")


@pytest.mark.parametrize("rates", [(0, 16000), (16000, -1)])
def test_a_rate_that_is_not_positive_is_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a rate is positive"):
        Resampler(*rates)


def test_rms_of_a_square_wave_is_its_amplitude() -> None:
    assert rms(np.array([100, -100] * 8, "<i2").tobytes()) == 100


def test_no_sound_has_no_rms() -> None:
    assert rms(b"") == 0


def test_scaling_clips() -> None:
    assert array(scaled(np.array([1000, 30000, -30000], "<i2").tobytes(), 2)).tolist() == [2000, 32767, -32768]


def test_mono_is_the_mean_of_the_channels() -> None:
    assert array(mono(np.array([100, 300, 32767, 32767], "<i2").tobytes(), 2)).tolist() == [200, 32767]


def test_half_a_frame_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="no whole frames of 2"):
        mono(bytes(6), 2)


def test_channels_are_interleaved_and_the_shorter_ends_in_silence() -> None:
    left, right = np.array([1, 2, 3], "<i2").tobytes(), np.array([9], "<i2").tobytes()
    assert array(interleaved(left, right)).tolist() == [1, 9, 2, 0, 3, 0]


def test_a_wav_file_gives_back_what_was_written(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", bytes(range(8)), 22050, 2)
    assert read_wav(tmp_path / "a.wav") == Sound(bytes(range(8)), 22050, 2)


def test_a_wav_file_of_other_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "eight.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"abc")
    with pytest.raises(ValueError, match="has 8-bit samples"):
        read_wav(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"hello world, this is no sound"])
def test_a_file_that_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.wav").write_bytes(content)
    with pytest.raises(ValueError, match=r"no\.wav is no WAV file"):
        read_wav(tmp_path / "no.wav")

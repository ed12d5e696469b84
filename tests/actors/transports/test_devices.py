"""Sources and sinks, and the air between two sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from antiphon.actors import ConfigurationError
from antiphon.actors.transports import pcm
from antiphon.actors.transports.devices import Air, ArraySink, ArraySource, NullSink, WavSink, WavSource
from antiphon.scenarios.explorer import run_explored

RATE = 16000


def ones(samples: int) -> bytes:
    return np.ones(samples, "<i2").tobytes()


@given(st.lists(st.integers(1, 3000), max_size=20))
def test_an_array_is_read_once_and_whole_however_it_is_cut(sizes: list[int]) -> None:
    audio = np.arange(10_000, dtype="<i2")
    source = ArraySource(audio, RATE)
    source.open(RATE)
    read = b""
    for size in sizes:
        piece = source.read(size)
        if piece is None:
            break
        assert len(piece) == 2 * size
        read += piece
    length = min(len(read), audio.nbytes)
    assert read[:length] == audio.tobytes()[:length]
    assert not read[length:].strip(b"\0")


def test_a_source_that_is_opened_again_goes_on_where_it_is() -> None:
    source = ArraySource(np.arange(100, dtype="<i2"), RATE)
    source.open(RATE)
    source.read(60)
    source.open(RATE)
    assert source.read(40) == np.arange(60, 100, dtype="<i2").tobytes()
    assert source.read(1) is None


def test_bytes_are_taken_too() -> None:
    source = ArraySource(ones(10), RATE)
    source.open(RATE)
    assert source.read(10) == ones(10)


def test_a_file_is_mixed_and_resampled(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    pcm.write_wav(path, pcm.interleaved(ones(8000) * 1, ones(8000)), 8000, num_channels=2)
    source = WavSource(path)
    source.open(RATE)
    audio = source.read(RATE)
    assert audio is not None
    assert np.all(np.frombuffer(audio, "<i2")[100:-100] == 1)
    assert source.read(1) is None


@pytest.mark.parametrize("content", [None, b"", b"Hello, world" * 10, b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_wav_file_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "sound.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"sound\.wav can't be played: .*WAV file of 16-bit PCM"):
        WavSource(path)


async def test_a_sink_keeps_sound_at_its_time(autojump_clock: trio.testing.MockClock) -> None:
    sink = ArraySink()
    sink.open(RATE)
    began = trio.current_time()
    sink.write(ones(160), began + 0.5)
    sink.write(ones(160), began + 0.51)
    sink.write(ones(160), began + 1.0)
    assert sink.samples.tolist() == [0] * 8000 + [1] * 320 + [0] * 7680 + [1] * 160


async def test_a_sink_that_is_opened_again_goes_on(autojump_clock: trio.testing.MockClock) -> None:
    sink = ArraySink()
    sink.open(RATE)
    sink.write(ones(160), trio.current_time())
    await trio.sleep(1.0)
    sink.open(RATE)
    sink.write(ones(160), trio.current_time())
    assert sink.samples.tolist() == [1] * 160 + [0] * (RATE - 160) + [1] * 160


async def test_sound_that_follows_on_has_no_gap_whenever_it_begins(mock_clock: trio.testing.MockClock) -> None:
    sink = ArraySink()
    sink.open(RATE)
    for _ in range(200):
        mock_clock.jump(0.7371)
        before = np.count_nonzero(sink.samples)
        at = trio.current_time()
        for _ in range(50):
            sink.write(ones(320), at)
            at += 320 / RATE
        assert np.count_nonzero(sink.samples[-50 * 320 :]) == 50 * 320
        assert np.count_nonzero(sink.samples) == before + 50 * 320
        mock_clock.jump(1.0)


async def test_a_file_is_written_when_the_sink_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    sink = WavSink(path)
    sink.open(RATE)
    sink.write(ones(160), trio.current_time())
    assert not path.exists()
    sink.close()
    assert pcm.read_wav(path).sample_rate == RATE


def test_the_null_sink_takes_everything() -> None:
    sink = NullSink()
    sink.open(RATE)
    sink.write(b"", 0.0)
    sink.close()


# ---- the air


async def listen(air: Air, seconds: float) -> bytes:
    """Read in real time, as an input does."""
    heard = b""
    due = trio.current_time()
    for _ in range(round(seconds / 0.02)):
        due += 0.02
        await trio.sleep_until(due)
        heard += air.read(320) or b""
    return heard


async def speak(air: Air, *, after: float, chunks: int, late: float = 0.0) -> None:
    """Write in real time, as an output does."""
    await trio.sleep(after)
    due = trio.current_time()
    await trio.sleep(late)
    for _ in range(chunks):
        await trio.sleep_until(due)
        air.write(ones(320), due)
        due += 0.02


def overheard(*, after: float, chunks: int, late: float = 0.0, delay: float = 0.12, seed: int = 0) -> list[int]:
    async def main() -> bytes:
        air = Air(delay=delay)
        air.open(RATE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: speak(air, after=after, chunks=chunks, late=late))
            return await listen(air, 2.0)

    return [int(sample) for sample in np.frombuffer(run_explored(seed, main), "<i2")]


@pytest.mark.parametrize("seed", range(5))
def test_what_one_speaks_the_other_hears_a_moment_later(seed: int) -> None:
    heard = overheard(after=0.5, chunks=10, seed=seed)
    # The delay counts from when a sound is spoken to when its chunk comes, which is 20 ms long.
    begin = heard.index(1)
    assert begin == pytest.approx((0.5 + 0.12 - 0.02) * RATE, abs=321)
    assert heard[begin : begin + 3200] == [1] * 3200
    assert sum(heard) == 3200


def test_silence_is_heard_where_nobody_speaks() -> None:
    assert overheard(after=5.0, chunks=1) == [0] * 2 * RATE


@pytest.mark.parametrize("late", [0.05, 0.1, 0.3])
def test_sound_that_comes_too_late_is_heard_late_and_not_lost(late: float) -> None:
    heard = overheard(after=0.5, chunks=10, late=late)
    begin = heard.index(1)
    assert heard[begin : begin + 3200] == [1] * 3200
    assert sum(heard) == 3200


async def test_two_sessions_of_different_rates_have_no_common_air() -> None:
    air = Air()
    air.open(16000)
    air.open(16000)
    with pytest.raises(ConfigurationError, match="carries 16000 Hz; the other session has 8000 Hz"):
        air.open(8000)

"""The output in virtual time: pace, words, brackets, cuts, crashes and the end."""

from __future__ import annotations

from itertools import groupby, pairwise
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio

from antiphon import Actor, After, Interrupt, Pipeline, actor, child, on
from antiphon.actors.transports import pcm
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.actors.transports.devices import WavSink
from antiphon.channels import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    HeardFrame,
    HeartbeatFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from tests.actors.transports.speech import (
    RATE,
    SIZE,
    Device,
    at_once,
    audio,
    brackets,
    heard_of,
    leaving,
    only,
    run,
    synthesis,
    word,
    words_of,
)
from tests.seeds import seeds

# ---- pace


@pytest.mark.rule("I6")
def test_sound_is_handed_over_chunk_by_chunk_each_when_the_one_before_is_over() -> None:
    device = Device()
    trace = run(at_once(*synthesis(0.1)), device=device)
    assert [at for at, _ in device.chunks] == [0.0, 0.02, 0.04, 0.06, 0.08]
    assert [time for time, _ in leaving(trace, TTSAudioRawFrame)] == [0.0, 0.02, 0.04, 0.06, 0.08]


@pytest.mark.rule("I5")
def test_sound_passes_on_when_it_was_played() -> None:
    frames = audio(0.1)
    trace = run(at_once(*frames))
    assert [frame for frame in trace.down if isinstance(frame, TTSAudioRawFrame)] == frames


@pytest.mark.rule("I1")
@pytest.mark.parametrize("samples", [100, 480, 481, 1000, 4800])
def test_however_sound_is_cut_the_device_gets_the_same_whole_chunks(samples: int) -> None:
    sound = np.arange(4800, dtype="<i2").tobytes()
    pieces = [sound[start : start + 2 * samples] for start in range(0, len(sound), 2 * samples)]
    device = Device()
    frames = [TTSAudioRawFrame(piece, "a", sample_rate=RATE) for piece in pieces]
    run(at_once(TTSStartedFrame("a"), *frames, TTSStoppedFrame("a")), device=device)
    assert device.audio == sound
    assert {len(chunk) for _, chunk in device.chunks} == {SIZE}


@pytest.mark.rule("I2")
def test_where_a_synthesis_ends_the_last_chunk_is_filled_with_silence() -> None:
    device = Device()
    trace = run(
        at_once(TTSStartedFrame("a"), TTSAudioRawFrame(b"\1\1" * 500, "a", sample_rate=RATE), TTSStoppedFrame("a")),
        device=device,
    )
    assert [chunk for _, chunk in device.chunks] == [b"\1\1" * 480, b"\1\1" * 20 + bytes(2 * 460)]
    # Its end is told when the filled chunk is over.
    assert brackets(trace) == [(0.0, BotStartedSpeakingFrame), (0.04, BotStoppedSpeakingFrame)]


@pytest.mark.rule("I1")
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_sound_of_another_rate_is_resampled_whole(rate: int) -> None:
    time = np.arange(rate // 2) / rate
    sound = np.rint(8000 * np.sin(2 * np.pi * 440 * time)).astype("<i2").tobytes()
    size = 2 * rate // 50
    frames = [
        TTSAudioRawFrame(sound[start : start + size], "a", sample_rate=rate) for start in range(0, len(sound), size)
    ]
    device = Device()
    trace = run(at_once(TTSStartedFrame("a"), *frames, TTSStoppedFrame("a")), device=device)
    assert device.audio.rstrip(b"\0") == pcm.resampled(sound, rate, RATE).rstrip(b"\0")
    passed = [frame for frame in trace.down if isinstance(frame, TTSAudioRawFrame)]
    assert {(frame.sample_rate, frame.num_channels, frame.context_id) for frame in passed} == {(RATE, 1, "a")}


def test_two_channels_become_one() -> None:
    device = Device()
    stereo = np.array([[100, 300]] * 480, "<i2").tobytes()
    trace = run([OutputAudioRawFrame(stereo, RATE, 2)], device=device)
    assert device.audio == np.full(480, 200, "<i2").tobytes()
    assert [frame for frame in trace.down if isinstance(frame, OutputAudioRawFrame)] == [
        OutputAudioRawFrame(device.audio, RATE, 1)
    ]


def test_after_a_pause_the_next_sound_begins_at_once() -> None:
    device = Device()
    run([*at_once(*audio(0.04)), Sleep(1.0), *at_once(*audio(0.04))], device=device)
    assert [at for at, _ in device.chunks] == [0.0, 0.02, 1.0, 1.02]
    assert np.count_nonzero(device.samples) == 4 * 480
    assert len(device.samples) == round(1.04 * RATE)


@pytest.mark.rule("I6")
def test_sound_that_is_merely_late_joins_the_one_before_without_a_gap() -> None:
    device = Device()
    run([*at_once(*audio(0.04)), Sleep(0.15), *at_once(*audio(0.2))], device=device)
    assert np.all(device.samples == 1000)


@pytest.mark.rule("I6")
def test_frames_behind_sound_take_effect_when_it_is_over() -> None:
    trace = run(at_once(*audio(0.1), TTSTextFrame("untimed"), TTSStoppedFrame("b")))
    assert words_of(trace) == [(0.1, "untimed")]
    assert only(trace, TTSStoppedFrame)[0] == 0.1


def test_a_full_pipeline_slows_its_source_down_and_nothing_is_lost() -> None:
    device = Device()
    trace = run(at_once(*synthesis(10.0)), device=device)
    assert len(device.chunks) == 500
    assert only(trace, TTSStoppedFrame)[0] == 10.0


# ---- words


@pytest.mark.rule("I31a")
def test_a_word_is_released_with_the_chunk_that_holds_its_beginning() -> None:
    words = [word("one", 0.0), word("two", 0.03), word("three", 0.04), word("four", 0.0999)]
    trace = run(at_once(*synthesis(0.2, *words)))
    assert words_of(trace) == [(0.0, "one"), (0.02, "two"), (0.04, "three"), (0.08, "four")]


@pytest.mark.rule("I31a")
def test_a_word_goes_by_what_was_played_and_not_by_the_clock() -> None:
    script = [*at_once(TTSStartedFrame("a"), word("late", 0.05), *audio(0.04)), Sleep(2.0), *at_once(*audio(0.04))]
    assert words_of(run(script)) == [(2.0, "late")]


@pytest.mark.rule("I31a")
def test_words_of_a_synthesis_that_waits_behind_another_wait_too() -> None:
    trace = run(at_once(*synthesis(0.1, word("a", 0.0)), *synthesis(0.1, word("b", 0.0, context="b"), context="b")))
    assert words_of(trace) == [(0.0, "a"), (0.1, "b")]


def test_a_word_beyond_the_end_of_its_sound_was_heard_with_it() -> None:
    trace = run(at_once(*synthesis(0.1, word("in", 0.0), word("beyond", 0.11))))
    assert words_of(trace) == [(0.0, "in"), (0.1, "beyond")]
    kinds = [type(frame) for frame in trace.down if isinstance(frame, (TTSTextFrame, TTSStoppedFrame))]
    assert kinds == [TTSTextFrame, TTSTextFrame, TTSStoppedFrame]


def test_two_equal_words_are_two_words() -> None:
    trace = run(at_once(*synthesis(0.1, word("no", 0.0), word("no", 0.0))))
    assert words_of(trace) == [(0.0, "no"), (0.0, "no")]


# ---- who speaks


@pytest.mark.rule("I20")
def test_speaking_begins_with_the_first_chunk_and_ends_with_the_last_both_ways() -> None:
    trace = run([TTSStartedFrame("a"), Sleep(1.0), *at_once(*audio(0.1), TTSStoppedFrame("a"))])
    expected = [(1.0, BotStartedSpeakingFrame), (1.1, BotStoppedSpeakingFrame)]
    assert brackets(trace) == expected
    up = leaving(trace, BotStartedSpeakingFrame, BotStoppedSpeakingFrame, end="source")
    assert [(time, type(frame)) for time, frame in up] == expected


@pytest.mark.rule("I25")
def test_each_synthesis_has_its_own_brackets() -> None:
    trace = run(at_once(*synthesis(0.1), *synthesis(0.1, context="b")))
    assert [kind for _, kind in brackets(trace)] == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame] * 2


@pytest.mark.rule("I24")
def test_a_synthesis_without_sound_has_none() -> None:
    assert brackets(run(at_once(*synthesis(0.0)))) == []


@pytest.mark.rule("I20")
def test_sound_that_is_no_speech_has_none() -> None:
    device = Device()
    assert brackets(run([OutputAudioRawFrame(bytes(SIZE), RATE)], device=device)) == []
    assert len(device.chunks) == 1


@pytest.mark.rule("I22")
def test_while_it_speaks_a_sign_goes_out_each_fifth_of_a_second() -> None:
    signs = [time for time, _ in leaving(run(at_once(*synthesis(1.0))), BotSpeakingFrame)]
    assert signs == [0.0, 0.2, 0.4, 0.6, 0.8]


# ---- interruptions


@pytest.mark.rule("I30")
def test_an_interruption_silences_it_within_a_chunk() -> None:
    device = Device()
    trace = run([*at_once(*synthesis(1.0)), Sleep(0.11), InterruptionFrame()], device=device)
    assert [at for at, _ in device.chunks] == [0.0, 0.02, 0.04, 0.06, 0.08, 0.1]
    assert brackets(trace) == [(0.0, BotStartedSpeakingFrame), (0.11, BotStoppedSpeakingFrame)]
    assert leaving(trace, TTSStoppedFrame) == []


@pytest.mark.rule("I31")
def test_then_it_says_what_was_heard_behind_the_last_word_both_ways() -> None:
    words = [word("one", 0.0), word("two", 0.1), word("three", 0.12)]
    trace = run([*at_once(*synthesis(1.0, *words)), Sleep(0.11), InterruptionFrame()])
    told = [frame for frame in trace.down if isinstance(frame, (TTSTextFrame, HeardFrame))]
    assert told[:3] == [words[0], words[1], HeardFrame(1, (("a", 120_000_000),))]
    assert heard_of(trace, end="source") == told[2]


@pytest.mark.rule("I30")
def test_words_that_were_not_heard_never_come_nor_does_the_rest_of_a_chunk() -> None:
    device = Device()
    odd = TTSAudioRawFrame(b"\1\1" * 500, "a", sample_rate=RATE)
    script = [*at_once(TTSStartedFrame("a"), word("late", 0.5), odd), Sleep(0.1), InterruptionFrame()]
    trace = run([*script, Sleep(0.1), *at_once(*synthesis(0.1, context="b"))], device=device)
    assert words_of(trace) == []
    assert [chunk for _, chunk in device.chunks] == [b"\1\1" * 480] + [np.full(480, 1000, "<i2").tobytes()] * 5


@pytest.mark.rule("I31")
def test_a_chunk_in_hand_counts_as_heard() -> None:
    script = [
        Sleep(1.2),
        *at_once(*synthesis(0.6, word("Sure,", 0.0), word("yes.", 0.3))),
        Sleep(0.51),
        InterruptionFrame(),
    ]
    trace = run(script)
    assert words_of(trace) == [(1.2, "Sure,"), (1.5, "yes.")]
    assert leaving(trace, HeardFrame, end="source")[0] == (1.71, HeardFrame(1, (("a", 520_000_000),)))
    assert brackets(trace) == [(1.2, BotStartedSpeakingFrame), (1.71, BotStoppedSpeakingFrame)]


@pytest.mark.rule("I30")
def test_with_nothing_to_cut_it_says_so_all_the_same() -> None:
    trace = run([InterruptionFrame()])
    assert heard_of(trace) == HeardFrame(1, ())
    assert brackets(trace) == []


def test_after_an_interruption_it_plays_on() -> None:
    trace = run([*at_once(*synthesis(1.0)), Sleep(0.1), InterruptionFrame(), *at_once(*synthesis(0.1, context="b"))])
    assert [kind for _, kind in brackets(trace)] == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame] * 2


@attrs.frozen
class Cut:
    """To itself."""


@actor
class CutsIn(Actor):
    """Interrupts at a time, from a timer: at the very moment at which a chunk may be due."""

    seconds: float

    @on(StartFrame)
    def start(self, frame: StartFrame) -> After:
        return After(self.seconds, Cut())

    @on(Cut)
    def cut(self, message: Cut) -> Interrupt:
        return Interrupt()


@pytest.mark.rule("I30")
def test_an_interruption_at_the_moment_at_which_a_chunk_is_due_lets_nothing_slip_behind_it() -> None:
    """A quarter of a second is exact in binary, so that both come due at once, in an order that the seed decides."""
    counts = set()
    for seed in seeds(60, each_counts=10):
        device = Device()
        output = AudioOutput(device, chunk=0.25, name="output")
        script = at_once(*synthesis(2.0, word("one", 0.0), word("two", 0.5)))
        trace = play(Pipeline(CutsIn(0.5), output), script, seed=seed)
        heard = heard_of(trace)
        assert dict(heard.played) == {"a": len(device.chunks) * 250_000_000}, seed
        told = [frame for frame in trace.down if isinstance(frame, (TTSTextFrame, HeardFrame))]
        assert told.index(heard) == len(words_of(trace)), seed
        assert [kind for _, kind in brackets(trace)] == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame], seed
        assert trace.durable["output"]["is_speaking"] is False, seed
        counts.add(len(device.chunks))
    assert counts == {2, 3}, "the seeds have tried only one order"


@actor
class Slow(Actor):
    """Takes a second over each sound."""

    @on(TTSAudioRawFrame)
    async def ponder(self, frame: TTSAudioRawFrame) -> TTSAudioRawFrame:
        await trio.sleep(1.0)
        return frame


def test_an_interruption_at_the_moment_at_which_room_comes_lets_nothing_slip_behind_it() -> None:
    """Whoever waits for room and gets it is awake already, and isn't told of a cut in the same instant."""
    for seed in seeds(60, each_counts=10):
        device = Device()
        output = AudioOutput(device, chunk=0.25, name="output")
        pipeline = Pipeline(CutsIn(1.0), output, child(Slow(), max_buffer=1))
        speech = TTSAudioRawFrame(bytes(2 * 2 * RATE), "a", sample_rate=RATE)
        trace = play(pipeline, at_once(TTSStartedFrame("a"), speech), seed=seed)
        assert dict(heard_of(trace).played) == {"a": len(device.chunks) * 250_000_000}, seed
        assert [kind for _, kind in brackets(trace)] == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame], seed


# ---- crashes


def test_a_kill_while_a_chunk_plays_loses_nothing_that_waits() -> None:
    """The first restart is immediate, so not even the time changes."""
    words = [word("one", 0.0), word("two", 0.1), word("three", 0.3)]
    script = at_once(*synthesis(0.5, *words))
    device, killed_device = Device(), Device()
    undisturbed = run([*script, Sleep(0.11)], device=device)
    killed = run([*script, Sleep(0.11), Kill("output")], device=killed_device)
    assert len(killed.restarts) == 1
    assert killed_device.chunks == device.chunks
    assert killed.down == undisturbed.down


@pytest.mark.parametrize("at", range(2, 32))
def test_a_kill_at_any_delivery_loses_at_most_the_chunk_in_hand(at: int) -> None:
    """The first delivery is StartFrame, before a script begins."""
    words = [word("one", 0.0), word("two", 0.1), word("three", 0.3)]
    device, killed_device = Device(), Device()
    undisturbed = run(at_once(*synthesis(0.5, *words)), device=device)
    killed = run([Kill("output", at=at), *at_once(*synthesis(0.5, *words))], device=killed_device)
    assert len(killed.restarts) == 1
    assert len(device.chunks) - len(killed_device.chunks) <= 1
    assert words_of(killed) == words_of(undisturbed)
    assert brackets(killed) == brackets(undisturbed)


@pytest.mark.rule("I23")
def test_after_kills_with_delay_speaking_still_alternates_and_no_word_is_lost() -> None:
    words = [word(str(n), n / 10) for n in range(10)]
    script: list[Item] = [*at_once(*synthesis(1.0, *words))]
    for _ in range(3):
        script += [Sleep(0.2), Kill("output")]
    trace = run(script)
    assert len(trace.restarts) == 3
    assert [text for _, text in words_of(trace)] == [each.text for each in words]
    assert [kind for _, kind in brackets(trace)] == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]


# ---- the end


@pytest.mark.rule("B41")
def test_at_the_end_all_is_played_and_silence_follows() -> None:
    device = Device()
    trace = run([*at_once(*synthesis(0.5), EndFrame())], device=device)
    assert trace.ended == "ended"
    assert len(device.samples) == round(2.5 * RATE)
    assert np.count_nonzero(device.samples) == round(0.5 * RATE)
    assert device.is_closed


@pytest.mark.rule("I21")
def test_at_the_end_of_open_speech_the_bot_stops_before_the_silence() -> None:
    trace = run([*at_once(TTSStartedFrame("a"), *audio(0.1), EndFrame())])
    assert brackets(trace) == [(0.0, BotStartedSpeakingFrame), (0.1, BotStoppedSpeakingFrame)]
    assert [each.time for each in trace.deliveries if isinstance(each.frame, EndFrame)][-1] == pytest.approx(2.1)


def test_the_silence_at_the_end_can_be_left_out() -> None:
    device = Device()
    run([*at_once(*synthesis(0.1), EndFrame())], output=AudioOutput(device, end_silence=0.0, name="output"))
    assert len(device.samples) == round(0.1 * RATE)


@pytest.mark.rule("B43")
def test_cancel_tells_what_was_heard() -> None:
    device = Device()
    words = [word("one", 0.0), word("two", 0.5)]
    trace = run([*at_once(*synthesis(1.0, *words)), Sleep(0.11), CancelFrame()], device=device)
    assert trace.ended == "cancelled"
    told = [frame for frame in trace.handled_by("sink") if isinstance(frame, (TTSTextFrame, HeardFrame))]
    assert told == [words[0], HeardFrame(0, (("a", 120_000_000),))]
    assert [kind for _, kind in brackets(trace)] == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]
    assert device.is_closed


def test_a_file_is_written_with_its_pauses(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    script = [*at_once(*synthesis(0.5)), Sleep(1.5), *at_once(*synthesis(0.5, context="b")), Sleep(1.0), EndFrame()]
    play(Pipeline(AudioOutput(WavSink(path), end_silence=0.0)), script)
    sound = pcm.read_wav(path)
    samples = np.frombuffer(sound.audio, "<i2")
    assert (sound.sample_rate, sound.num_channels) == (RATE, 1)
    assert [(bool(value), len(list(run))) for value, run in groupby(samples)] == [
        (True, RATE // 2),
        (False, RATE),
        (True, RATE // 2),
    ]


def test_other_frames_pass_in_order_with_the_sound() -> None:
    trace = run(at_once(*audio(0.1), HeartbeatFrame(0)))
    times = [time for time, _ in leaving(trace, TTSAudioRawFrame, HeartbeatFrame)]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert only(trace, HeartbeatFrame)[0] == 0.08


def test_a_response_ends_when_its_sound_is_over() -> None:
    assert only(run(at_once(*audio(0.1), LLMFullResponseEndFrame())), LLMFullResponseEndFrame)[0] == 0.1

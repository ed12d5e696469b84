"""The offline voice, with its real engine: words, order, cuts and kills. Nothing paces it here, so it is as fast as it can."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio

from antiphon import Pipeline, Session, open_session
from antiphon.actors import Killed, Unrecoverable
from antiphon.actors.services.espeak import EspeakTTS
from antiphon.channels import (
    AggregatedTextFrame,
    AggregatedTextProgressFrame,
    Frame,
    FunctionCallInProgressFrame,
    HeardFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from tests.watch import Watch

pytestmark = pytest.mark.needs("espeakng-loader")

RATE = 16000
CALL = FunctionCallInProgressFrame("book", "call_1", {})
FIRST, SECOND = "This is the first sentence, and it is long.", "The second one is shorter."


def response(text: str) -> list[Frame]:
    """A model's answer, a word a token."""
    words = text.split(" ")
    tokens = [word if place == 0 else f" {word}" for place, word in enumerate(words)]
    return [LLMFullResponseStartFrame(), *map(LLMTextFrame, tokens), LLMFullResponseEndFrame()]


class Speaking:
    """A session with nothing but the voice in it."""

    def __init__(self, session: Session, watch: Watch) -> None:
        self.session = session
        self.watch = watch
        self.heard: list[Frame] = []
        self._output = aiter(session.output)

    async def push(self, *frames: Frame) -> None:
        for frame in frames:
            await self.session.push(frame)

    async def hear_until(self, is_last: Callable[[Frame], bool]) -> list[Frame]:
        """Read what leaves; unread, 64 frames wait and then the voice does."""
        with trio.fail_after(60):
            while True:
                frame = await anext(self._output)
                self.heard.append(frame)
                if is_last(frame):
                    return self.heard

    async def hear(self, count: int) -> list[Frame]:
        goal = len(self.heard) + count
        return await self.hear_until(lambda _: len(self.heard) == goal)

    def pids(self) -> tuple[int, ...]:
        return next(each.engines for address, each in self.session.statistics().items() if address.name == "tts")


@asynccontextmanager
async def speaking(**options: object) -> AsyncIterator[Speaking]:
    watch = Watch()
    tts = EspeakTTS("en-us", name="tts", **options)  # type: ignore[arg-type]  # any of its options
    async with open_session(Pipeline(tts), sample_rates=(RATE, RATE), observers=[watch]) as session:
        yield Speaking(session, watch)


def is_end(frame: Frame) -> bool:
    return isinstance(frame, LLMFullResponseEndFrame)


async def said(*frames: Frame, last: Callable[[Frame], bool] = is_end) -> list[Frame]:
    async with speaking() as voice, trio.open_nursery() as nursery:
        nursery.start_soon(voice.push, *frames)
        return await voice.hear_until(last)


def words(frames: list[Frame]) -> list[str]:
    return [frame.text for frame in frames if isinstance(frame, TTSTextFrame)]


def sound(frames: list[Frame]) -> bytes:
    return b"".join(frame.audio for frame in frames if isinstance(frame, TTSAudioRawFrame))


def shape(frames: list[Frame]) -> list[str]:
    """The kinds of frames in order, without repetitions and what is only shown."""
    shown = (AggregatedTextFrame, AggregatedTextProgressFrame)
    heard = [frame for frame in frames if isinstance(frame, TTSTextFrame) or not isinstance(frame, shown)]
    kinds = [type(frame).__name__.removesuffix("Frame").removesuffix("Raw") for frame in heard]
    return [kind for place, kind in enumerate(kinds) if place == 0 or kinds[place - 1] != kind]


# ---- what it says


async def test_an_answer_is_spoken_in_brackets_words_with_their_sound() -> None:
    frames = await said(*response("One."))
    assert shape(frames) == [
        "LLMFullResponseStart",
        "TTSStarted",
        "TTSText",
        "TTSAudio",
        "TTSStopped",
        "LLMFullResponseEnd",
    ]
    (context,) = {frame.context_id for frame in frames if isinstance(frame, (TTSStartedFrame, TTSAudioRawFrame))}
    assert context is not None
    assert max(abs(np.frombuffer(sound(frames), "<i2"))) > 1000


async def test_its_words_joined_are_the_text() -> None:
    text = f"{FIRST} {SECOND} And a - rest, without an end"
    assert " ".join(words(await said(*response(text)))) == text


async def test_words_have_their_places_in_the_sound_of_the_whole_answer() -> None:
    frames = await said(*response(f"{FIRST} {SECOND}"))
    offsets = [frame.offset_ns or 0 for frame in frames if isinstance(frame, TTSTextFrame)]
    assert offsets == sorted(offsets)
    seconds = len(sound(frames)) / 2 / RATE
    # The second sentence begins behind the first: with more than a third of the words it has a third of the time.
    assert 0.4 < offsets[words(frames).index("The")] / 1e9 / seconds < 0.8
    assert offsets[-1] / 1e9 < seconds


async def test_sound_comes_in_whole_chunks_at_the_sessions_rate() -> None:
    frames = [frame for frame in await said(*response(FIRST)) if isinstance(frame, TTSAudioRawFrame)]
    assert {(len(frame.audio), frame.sample_rate, frame.num_channels) for frame in frames} == {(640, RATE, 1)}


async def test_a_word_leaves_before_its_sound() -> None:
    played = 0.0
    for frame in await said(*response(FIRST)):
        if isinstance(frame, TTSTextFrame):
            assert frame.offset_ns is not None
            assert frame.offset_ns / 1e9 >= played - 0.02
        elif isinstance(frame, TTSAudioRawFrame):
            played += 0.02


async def test_a_call_closes_the_synthesis_and_keeps_its_place_behind_it() -> None:
    start, *tokens, end = response("One moment.")
    frames = await said(start, *tokens, CALL, LLMTextFrame("Thank you."), end)
    assert shape(frames) == [
        "LLMFullResponseStart",
        *["TTSStarted", "TTSText", "TTSAudio", "TTSText", "TTSAudio", "TTSStopped", "FunctionCallInProgress"],
        *["TTSStarted", "TTSText", "TTSAudio", "TTSText", "TTSAudio", "TTSStopped", "LLMFullResponseEnd"],
    ]


async def test_what_comes_behind_speech_leaves_behind_it() -> None:
    last = TextFrame("behind")
    frames = await said(TTSSpeakFrame(SECOND), last, last=lambda frame: frame is last)
    assert shape(frames)[-3:] == ["TTSStopped", "LLMAssistantPushAggregation", "Text"]
    assert words(frames) == SECOND.split()


async def test_text_that_is_not_to_be_spoken_passes_in_order() -> None:
    silent = LLMTextFrame("print()", skip_tts=True)
    frames = await said(LLMTextFrame("Look here. Now"), silent, LLMTextFrame(" go."), LLMFullResponseEndFrame())
    assert words(frames) == ["Look", "here.", "Now", "go."]
    assert silent in frames[frames.index(next(frame for frame in frames if isinstance(frame, TTSAudioRawFrame))) :]


async def test_a_speak_frame_has_a_synthesis_of_its_own() -> None:
    frames = await said(
        TTSSpeakFrame("Hello.", append_to_context=False), TTSSpeakFrame("There."), TextFrame("end"), last=is_text
    )
    started = [(frame.append_to_context) for frame in frames if isinstance(frame, TTSStartedFrame)]
    assert started == [False, True]
    assert [frame.append_to_context for frame in frames if isinstance(frame, TTSTextFrame)] == started
    assert len({frame.context_id for frame in frames if isinstance(frame, TTSTextFrame)}) == 2


def is_text(frame: Frame) -> bool:
    return type(frame) is TextFrame


async def test_an_empty_answer_is_silent() -> None:
    assert shape(await said(*response(""))) == ["LLMFullResponseStart", "LLMFullResponseEnd"]
    assert shape(await said(TTSSpeakFrame(" "), TextFrame("end"), last=is_text)) == ["Text"]


async def test_at_the_end_all_is_said_first() -> None:
    async with speaking() as voice:
        heard: list[Frame] = []

        async def listen() -> None:
            async for frame in voice.session.output:
                heard.append(frame)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await voice.push(*response(f"{FIRST} {SECOND}"))
            await voice.session.end()
    assert words(heard) == f"{FIRST} {SECOND}".split()
    assert isinstance(heard[-1], LLMFullResponseEndFrame)


async def test_one_sentence_is_synthesised_ahead_and_not_more(tmp_path: Path) -> None:
    asked, python = tmp_path / "asked", tmp_path / "python"
    python.write_text(f'#!/bin/sh\ntee {asked} | {sys.executable} "$@"\n')
    python.chmod(0o755)
    async with speaking(python=str(python)) as voice:
        await voice.push(*response(f"{FIRST} {SECOND} Third sentence. Fourth sentence. Rest."))
        await voice.hear(10)
        assert [text in asked.read_text() for text in (FIRST, SECOND, "Third", "Fourth")] == [True, True, False, False]
        await voice.hear_until(is_end)
        assert "Fourth" in asked.read_text()


async def test_a_voice_that_does_not_exist_ends_the_session_and_says_so() -> None:
    async def talk() -> None:
        async with open_session(Pipeline(EspeakTTS("nowhere"))) as session:
            await session.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await talk()
    assert caught.group_contains(Unrecoverable, match="nowhere")


# ---- interruptions


async def test_after_an_interruption_nothing_more_of_the_old_speech_comes_and_the_next_answer_is_whole() -> None:
    async with speaking() as voice:
        await voice.push(*response(f"{FIRST} {SECOND}"))
        await voice.hear(30)
        old = next(frame.context_id for frame in voice.heard if isinstance(frame, TTSStartedFrame))
        pids = voice.pids()
        await voice.push(InterruptionFrame())
        before = len(voice.heard)
        await voice.push(*response("Of course."))
        after = (await voice.hear_until(is_end))[before:]
        assert shape(after)[:3] == ["LLMFullResponseStart", "TTSStarted", "TTSText"]
        assert words(after) == ["Of", "course."]
        assert old not in {frame.context_id for frame in after if isinstance(frame, (TTSTextFrame, TTSAudioRawFrame))}
        assert next(frame.offset_ns for frame in after if isinstance(frame, TTSTextFrame)) == 0
        assert voice.pids() == pids


async def test_a_call_that_waited_behind_cut_speech_leaves_once_without_the_speech() -> None:
    """The call can't be interrupted, but the speech before it can."""
    async with speaking() as voice:
        start, *tokens, _ = response(f"{FIRST} {SECOND}")
        await voice.push(start, *tokens, CALL)
        await voice.hear(30)
        await voice.push(InterruptionFrame())
        before = len(voice.heard)
        await voice.push(*response("Of course."))
        after = (await voice.hear_until(is_end))[before:]
        assert [frame for frame in after if isinstance(frame, FunctionCallInProgressFrame)] == [CALL]
        assert words(after) == ["Of", "course."]


async def test_the_cut_comes_at_any_moment() -> None:
    """Each round the interruption strikes a few frames later; the round after it must be whole."""
    async with speaking() as voice:
        for count in range(1, 60, 4):
            await voice.push(*response(f"{FIRST} {SECOND}"))
            await voice.hear(count)
            await voice.push(InterruptionFrame())
            before = len(voice.heard)
            await voice.push(*response("Yes."))
            after = (await voice.hear_until(is_end))[before:]
            assert words(after) == ["Yes."], count
        assert voice.watch.failures == []


# ---- kills


@pytest.fixture(scope="module")
def undisturbed() -> list[Frame]:
    async def main() -> list[Frame]:
        return await said(*response(f"{FIRST} {SECOND}"))

    return trio.run(main)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 25, 60, 100, 170, 200])
async def test_a_synthesiser_killed_in_mid_sentence_loses_no_word_and_says_none_twice(
    undisturbed: list[Frame], count: int
) -> None:
    assert count < len(undisturbed)
    async with speaking() as voice:
        await voice.watch.until(lambda: bool(voice.pids()))
        await voice.push(*response(f"{FIRST} {SECOND}"))
        if count:
            await voice.hear(count)
        for pid in voice.pids():
            os.kill(pid, signal.SIGKILL)
        await voice.watch.until(lambda: bool(voice.watch.restarts))
        check_said_once(await voice.hear_until(is_end), undisturbed)


@pytest.mark.parametrize("count", [1, 3, 30, 100, 170])
async def test_nor_does_a_voice_that_is_failed_itself(undisturbed: list[Frame], count: int) -> None:
    async with speaking() as voice:
        await voice.push(*response(f"{FIRST} {SECOND}"))
        await voice.hear(count)
        voice.session.kill("tts", Killed("by the test"))
        check_said_once(await voice.hear_until(is_end), undisturbed)
        assert len(voice.watch.restarts) == 1


def check_said_once(frames: list[Frame], undisturbed: list[Frame]) -> None:
    """espeak says a sentence that is its first a few milliseconds shorter than one that isn't."""
    assert words(frames) == words(undisturbed)
    assert brackets(frames) == brackets(undisturbed)
    assert abs(len(sound(frames)) - len(sound(undisturbed))) <= 2 * 640


def brackets(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if isinstance(frame, (TTSStartedFrame, TTSStoppedFrame))]


async def test_an_interruption_while_the_voice_is_down_is_not_forgotten(undisturbed: list[Frame]) -> None:
    async with speaking() as voice:
        await voice.push(*response(f"{FIRST} {SECOND}"))
        await voice.hear(10)
        before = len(voice.heard)
        voice.session.kill("tts", Killed("by the test"))
        await voice.push(InterruptionFrame(), *response("Yes."))
        after = (await voice.hear_until(is_end))[before:]
        assert words(after) == ["Yes."]


async def test_what_comes_behind_speech_stays_behind_it_over_a_kill() -> None:
    async with speaking() as voice:
        last = TextFrame("behind")
        await voice.push(TTSSpeakFrame(FIRST), last)
        await voice.hear(20)
        voice.session.kill("tts", Killed("by the test"))
        frames = await voice.hear_until(lambda frame: frame is last)
        assert words(frames) == FIRST.split()
        assert shape(frames)[-3:] == ["TTSStopped", "LLMAssistantPushAggregation", "Text"]


async def test_frames_that_travel_upstream_pass() -> None:
    heard = HeardFrame(0)
    async with speaking() as voice:
        upstream = aiter(voice.session.upstream)
        await voice.session.push(heard, direction="up")
        with trio.fail_after(60):
            assert await anext(upstream) is heard

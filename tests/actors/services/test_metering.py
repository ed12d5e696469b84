"""What services measure, through services of a few lines each, with exact times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import trio

from antiphon import Actor, Pipeline, actor, durable, on, state
from antiphon.actors import Effect
from antiphon.actors.services.metering import Meter, leading_silence
from antiphon.channels import (
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    LLMThoughtTextFrame,
    LLMTokenUsage,
    LLMUsageMetricsData,
    MetricsData,
    MetricsFrame,
    ProcessingMetricsData,
    StartFrame,
    STTUsageMetricsData,
    TextAggregationMetricsData,
    TranscriptionFrame,
    TTFAMetricsData,
    TTFATMetricsData,
    TTFBMetricsData,
    TTSAudioRawFrame,
    TTSUsageMetricsData,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from tests.actors.notes import both

USAGE = LLMTokenUsage(10, 3, 13)


@actor
class Model(Actor):
    """Thinks for 0.2 s, hides its reasoning for 0.3 s, then writes three words, 0.1 s each, or calls."""

    calls: bool = False
    meter: Meter = state(Meter)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.meter.start(frame, self.address.name, "model-1")

    @on(LLMContextFrame)
    async def answer(self, frame: LLMContextFrame) -> None:
        key = frame.run_id
        self.meter.received(key, self.now)
        await trio.sleep(0.05)
        self.meter.asked(key, self.now)
        await trio.sleep(0.2)
        await self.push(*self.meter.output(key, self.now), LLMThoughtTextFrame("well"))
        await trio.sleep(0.3)
        if self.calls:
            await self.push(*self.meter.visible(key, self.now), FunctionCallsStartedFrame(()))
        for word in ("Yes,", " my", " friend."):
            await self.push(*self.meter.visible(key, self.now), LLMTextFrame(word))
            await trio.sleep(0.1)
        await self.push(*self.meter.tokens(USAGE), *self.meter.done(key, self.now), LLMFullResponseEndFrame())

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None:
        self.meter.cancelled()


@actor
class Voice(Actor):
    """Gathers a sentence; 0.1 s later there is sound, which begins with 30 ms of silence."""

    text: str = durable("")
    meter: Meter = state(Meter)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.meter.start(frame, self.address.name)

    @on(LLMTextFrame)
    async def read(self, frame: LLMTextFrame) -> None:
        self.meter.token("1", self.now)
        self.text += frame.text
        if not self.text.endswith("."):
            return
        await self.push(*self.meter.sentence("1", self.now), *self.meter.characters(len(self.text)))
        self.meter.asked("1", self.now)
        await trio.sleep(0.1)
        for audio in (bytes(640), bytes(320) + tone(0.01), tone(0.02)):
            await self.push(*self.meter.audio("1", audio, 16000, self.now), TTSAudioRawFrame(audio, sample_rate=16000))
        await self.push(*self.meter.done("1", self.now))


@actor
class Ear(Actor):
    """Transcribes what it is told to have heard."""

    meter: Meter = state(Meter)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.meter.start(frame, self.address.name)

    @on(VADUserStartedSpeakingFrame)
    def begin(self, frame: VADUserStartedSpeakingFrame) -> Iterator[Effect]:
        yield frame
        yield from self.meter.speech_began()

    @on(VADUserStoppedSpeakingFrame)
    def end(self, frame: VADUserStoppedSpeakingFrame) -> None:
        self.meter.speech_ended(self.now - frame.stop_secs)

    @on(TranscriptionFrame)
    def hear(self, frame: TranscriptionFrame) -> Iterator[Effect]:
        yield frame
        yield from self.meter.transcribed(self.now, is_last=frame.finalized)
        yield from self.meter.sound(1.5)


def tone(seconds: float) -> bytes:
    return np.full(round(seconds * 16000), 3000, "<i2").tobytes()


def run(number: int = 1) -> LLMContextFrame:
    return LLMContextFrame(LLMContext(), run_id=number)


def measured(trace: Trace) -> list[MetricsData]:
    """All that was measured, in order."""
    return [data for frame in trace.down if isinstance(frame, MetricsFrame) for data in frame.data]


def metrics(pipeline: Pipeline, script: Iterable[Item], **options: Any) -> list[MetricsData]:
    return measured(play(pipeline, script, **{"enable_metrics": True, "enable_usage_metrics": True, **options}))


@both
@pytest.mark.rule("J42", "J43")
def test_a_language_model_tells_its_times_and_its_tokens(direct: bool) -> None:
    assert metrics(Pipeline(Model(name="llm")), [run()], direct=direct) == [
        TTFBMetricsData("llm", 0.2, model="model-1"),
        TTFATMetricsData("llm", 0.5, 0.3, model="model-1"),
        LLMUsageMetricsData("llm", USAGE, model="model-1"),
        ProcessingMetricsData("llm", 0.85, model="model-1"),
    ]


@pytest.mark.rule("J42")
def test_a_call_is_an_answer_as_visible_as_a_token() -> None:
    (found,) = [
        data for data in metrics(Pipeline(Model(calls=True, name="llm")), [run()]) if isinstance(data, TTFATMetricsData)
    ]
    assert found == TTFATMetricsData("llm", 0.5, 0.3, model="model-1")


@both
@pytest.mark.rule("J42", "J43")
def test_a_synthesis_tells_when_it_could_be_heard_and_how_long_a_sentence_took(direct: bool) -> None:
    script: list[Item] = [LLMTextFrame("Yes,"), Sleep(0.25), LLMTextFrame(" friend.")]
    assert metrics(Pipeline(Voice(name="tts")), script, direct=direct) == [
        TextAggregationMetricsData("tts", 0.25),
        TTSUsageMetricsData("tts", 12),
        TTFBMetricsData("tts", 0.1),
        TTFAMetricsData("tts", 0.13, 0.03),
        ProcessingMetricsData("tts", 0.35),
    ]


@both
@pytest.mark.rule("J42", "J43")
def test_a_transcription_is_timed_from_the_end_of_speech_to_its_last_final(direct: bool) -> None:
    script: list[Item] = [
        VADUserStartedSpeakingFrame(),
        Sleep(1),
        VADUserStoppedSpeakingFrame(0.2),
        Sleep(0.3),
        TranscriptionFrame("a table"),
        Sleep(0.4),
        TranscriptionFrame("for two"),
        Sleep(5),
        VADUserStartedSpeakingFrame(),
        Sleep(1),
        VADUserStoppedSpeakingFrame(0.2),
        Sleep(0.1),
        TranscriptionFrame("please", finalized=True),
        VADUserStartedSpeakingFrame(),
    ]
    sound = STTUsageMetricsData("stt", 1.5)
    assert metrics(Pipeline(Ear(name="stt")), script, direct=direct) == [
        sound,
        sound,
        TTFBMetricsData("stt", 0.9),
        TTFBMetricsData("stt", 0.3),
        sound,
    ]


@both
@pytest.mark.rule("J42")
def test_a_request_that_is_interrupted_has_no_value(direct: bool) -> None:
    script: list[Item] = [run(1), Sleep(0.1), InterruptionFrame(), run(2)]
    found = metrics(Pipeline(Model(name="llm")), script, direct=direct)
    assert [data for data in found if isinstance(data, TTFBMetricsData)] == [
        TTFBMetricsData("llm", 0.2, model="model-1")
    ]


@pytest.mark.rule("J42")
def test_a_request_that_dies_with_its_actor_is_timed_anew() -> None:
    found = metrics(Pipeline(Model(name="llm")), [run(1), Sleep(0.1), Kill("llm")])
    assert [data for data in found if isinstance(data, TTFBMetricsData)] == [
        TTFBMetricsData("llm", 0.2, model="model-1")
    ]


@pytest.mark.rule("J42")
def test_a_session_may_want_only_the_first_time_to_a_first_byte() -> None:
    script: list[Item] = [run(1), Sleep(5), run(2)]
    found = metrics(Pipeline(Model(name="llm")), script, report_only_initial_ttfb=True)
    assert [type(data) for data in found].count(TTFBMetricsData) == 1
    assert [type(data) for data in found].count(TTFATMetricsData) == 2


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"enable_metrics": False, "enable_usage_metrics": False}, set[type]()),
        ({"enable_metrics": False}, {LLMUsageMetricsData}),
        ({"enable_usage_metrics": False}, {TTFBMetricsData, TTFATMetricsData, ProcessingMetricsData}),
    ],
)
@pytest.mark.rule("J43")
def test_nothing_is_measured_that_the_session_does_not_want(options: dict[str, bool], kinds: set[type]) -> None:
    assert {type(data) for data in metrics(Pipeline(Model()), [run()], **options)} == kinds


@pytest.mark.parametrize("wanted", [True, False])
def test_a_meter_keeps_nothing_of_what_is_done_or_unwanted(wanted: bool) -> None:
    meter = Meter()
    meter.start(StartFrame(enable_metrics=wanted), "llm")
    for key in range(10):
        meter.asked(key, 1.0)
        meter.token(key, 1.0)
        meter.visible(key, 2.0)
        meter.done(key, 3.0)
    assert meter.done(3, 4.0) == ()
    assert meter.visible(3, 4.0) == ()


@pytest.mark.rule("J42")
def test_what_comes_of_a_request_after_it_was_cancelled_has_no_value() -> None:
    meter = Meter()
    meter.start(StartFrame(enable_metrics=True), "tts")
    for key in ("a", "b", "c"):
        meter.asked(key, 1.0)
    meter.cancelled("a")
    assert meter.output("a", 2.0) == ()
    assert meter.output("b", 2.0) != ()
    meter.cancelled()
    assert meter.output("c", 2.0) == ()


@pytest.mark.parametrize(
    ("audio", "samples"), [(bytes(200), None), (bytes(200) + tone(0.01), 100), (tone(0.01), 0), (b"", None)]
)
def test_silence_is_counted_up_to_the_first_sample_that_is_heard(audio: bytes, samples: int | None) -> None:
    assert leading_silence(audio) == samples


def test_the_loudest_negative_sample_is_no_silence() -> None:
    assert leading_silence(np.array([0, -32768], "<i2").tobytes()) == 1

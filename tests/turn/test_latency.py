"""What the user waits for, seen from outside: frames at their times go through a session, and the tracker adds up."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import attrs
import pytest
import trio

from antiphon import Actor, Pipeline, actor, durable, on
from antiphon.actors.services.scripted import ScriptedLLM
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    Frame,
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    OutputResumeFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserBotLatencyMetricsData,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from antiphon.turn import LatencyMetrics, LatencyTracker, LLMContextAggregatorPair, TurnTracker
from antiphon.turn.latency import LAST, NEXT, Part, Stage
from tests.actors.notes import both
from tests.seeds import seeds

STOP_SECS = 0.2
CONTEXT = LLMContext()


@actor
class Cuts(Actor):
    """Handles interruptions, as actors of a pipeline do."""

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> None: ...


@attrs.frozen
class Heard:
    """What the tracker told."""

    totals: tuple[float, ...]
    breakdowns: tuple[UserBotLatencyMetricsData, ...]
    first_speech: tuple[float, ...]

    @property
    def parts(self) -> dict[str, float]:
        """Those of the only breakdown that aren't 0."""
        (data,) = self.breakdowns
        return parts_of(data)


def parts_of(data: UserBotLatencyMetricsData) -> dict[str, float]:
    told = {part.value: getattr(data, part.value) for part in Part}
    return {name: seconds for name, seconds in told.items() if seconds}


def heard(*timeline: tuple[float, Frame], direct: bool = True) -> Heard:
    """Frames by their times, in seconds, through a session."""
    tracker = LatencyTracker()
    totals: list[float] = []
    breakdowns: list[UserBotLatencyMetricsData] = []
    first: list[float] = []
    tracker.on_event("on_latency_measured", lambda tracker, seconds: totals.append(seconds))
    tracker.on_event("on_latency_breakdown", lambda tracker, data: breakdowns.append(data))
    tracker.on_event("on_first_bot_speech_latency", lambda tracker, seconds: first.append(seconds))
    play(Pipeline(Cuts(), Cuts()), script_of(timeline), direct=direct, observers=[tracker])
    return Heard(tuple(totals), tuple(breakdowns), tuple(first))


def script_of(timeline: Iterable[tuple[float, Frame]]) -> Iterator[Item]:
    now = 0.0
    for time, frame in timeline:
        if time > now:
            yield Sleep(time - now)
            now = time
        yield frame


def stop(time: float) -> tuple[float, Frame]:
    """VAD's stop."""
    return time, VADUserStoppedSpeakingFrame(STOP_SECS, time)


def asked() -> LLMContextFrame:
    return LLMContextFrame(CONTEXT)


def audio() -> TTSAudioRawFrame:
    return TTSAudioRawFrame(bytes(640), sample_rate=16000)


def turn() -> list[tuple[float, Frame]]:
    """A user's turn that begins at 0.1; the speech ends at 0.7, and words have come by then."""
    return [
        (0.1, VADUserStartedSpeakingFrame()),
        (0.1, UserStartedSpeakingFrame()),
        (0.5, TranscriptionFrame("a table")),
        stop(0.9),
    ]


def answer(asked_at: float) -> list[tuple[float, Frame]]:
    """What a cascade does: 0.2 s of thinking, 0.15 s to a sentence, 0.1 s to its sound, 0.05 s to the loudspeaker."""
    return [
        (asked_at, asked()),
        (asked_at + 0.2, LLMFullResponseStartFrame()),
        (asked_at + 0.2, LLMTextFrame("With")),
        (asked_at + 0.3, LLMTextFrame(" pleasure.")),
        (asked_at + 0.35, TTSStartedFrame()),
        (asked_at + 0.45, audio()),
        (asked_at + 0.47, audio()),
        (asked_at + 0.5, BotStartedSpeakingFrame()),
    ]


ANSWER = {"inference": 0.2, "aggregation": 0.15, "synthesis": 0.1, "pipeline": 0.05}


@both
@pytest.mark.rule("J44", "J45")
def test_each_moment_of_the_wait_belongs_to_what_the_user_waited_for(direct: bool) -> None:
    told = heard(
        *turn(), (1.2, TranscriptionFrame("for two")), (1.5, UserStoppedSpeakingFrame()), *answer(1.6), direct=direct
    )
    assert told.totals == (1.4,)  # from 0.7 to 2.1
    (data,) = told.breakdowns
    assert data == UserBotLatencyMetricsData(
        "latency",
        value=1.4,
        endpointing=0.2,
        transcription=0.3,
        turn_detection=0.3,
        inference=0.2,
        aggregation=0.15,
        synthesis=0.1,
        pipeline=0.15,  # 0.1 to the model, 0.05 to the loudspeaker
    )


@both
@pytest.mark.rule("J44")
def test_words_that_came_before_the_end_of_speech_are_not_waited_for(direct: bool) -> None:
    told = heard(*turn(), (1.2, UserStoppedSpeakingFrame()), *answer(1.2), direct=direct)
    assert told.parts == {"endpointing": 0.2, "turn_detection": 0.3, **ANSWER}


@pytest.mark.rule("J44")
def test_guesses_and_blank_words_are_no_transcripts() -> None:
    blank = [(1.0, InterimTranscriptionFrame("for")), (1.1, TranscriptionFrame(" "))]
    told = heard(*turn(), *blank, (1.2, UserStoppedSpeakingFrame()), *answer(1.2))
    assert told.parts == {"endpointing": 0.2, "turn_detection": 0.3, **ANSWER}


@both
@pytest.mark.rule("J44")
def test_functions_and_each_run_of_the_model_have_their_times(direct: bool) -> None:
    call = FunctionCallFromLLM("book", "c1", {}, CONTEXT)
    calling = [
        (1.0, asked()),
        (1.25, FunctionCallsStartedFrame((call,))),
        (1.75, FunctionCallResultFrame("book", "c1", {}, "booked")),
    ]
    told = heard(*turn(), (0.9, UserStoppedSpeakingFrame()), *calling, *answer(1.75), direct=direct)
    expected = {**ANSWER, "endpointing": 0.2, "functions": 0.5, "inference": 0.45, "pipeline": 0.15}
    assert told.parts == expected
    assert told.totals == (1.55,)


@pytest.mark.rule("J44")
def test_a_sentence_is_whole_when_it_is_told_to_be_spoken() -> None:
    told = heard(
        *turn(),
        (0.9, UserStoppedSpeakingFrame()),
        (0.9, asked()),
        (1.0, LLMTextFrame("Yes.")),
        (1.1, AggregatedTextFrame("Yes.", will_be_spoken=True)),
        (1.1, TTSStartedFrame()),
        (1.4, audio()),
        (1.4, BotStartedSpeakingFrame()),
    )
    assert told.parts == {"endpointing": 0.2, "inference": 0.1, "aggregation": 0.1, "synthesis": 0.3}


@pytest.mark.rule("J44")
def test_a_model_that_hears_for_itself_is_waited_for_from_the_judgement_on_with_words_or_without() -> None:
    spoken = [
        (1.6, LLMFullResponseStartFrame()),
        (1.6, TTSStartedFrame()),
        (1.7, audio()),
        (1.8, BotStartedSpeakingFrame()),
    ]
    with_words = heard(*turn(), (1.0, UserStoppedSpeakingFrame()), *spoken)
    without = heard(
        *(each for each in turn() if not isinstance(each[1], TranscriptionFrame)),
        (1.0, UserStoppedSpeakingFrame()),
        *spoken,
    )
    assert with_words == without
    assert without.parts == {
        "endpointing": 0.2,
        "turn_detection": 0.1,
        "inference": 0.6,
        "synthesis": 0.1,
        "pipeline": 0.1,
    }


@both
@pytest.mark.rule("J44")
def test_a_turn_without_words_is_not_measured(direct: bool) -> None:
    wordless = [each for each in turn() if not isinstance(each[1], TranscriptionFrame)]
    recovered = heard(*wordless, (1.2, UserStoppedSpeakingFrame()), *answer(1.2), direct=direct)
    prompted = heard(
        *wordless, (1.2, UserStoppedSpeakingFrame()), (2.0, TTSStartedFrame()), (2.0, BotStartedSpeakingFrame())
    )
    assert recovered.totals == prompted.totals == ()


@both
@pytest.mark.rule("J44")
def test_speech_that_begins_anew_ends_the_measurement(direct: bool) -> None:
    again = [(1.1, VADUserStartedSpeakingFrame()), (1.2, BotStartedSpeakingFrame())]
    assert heard(*turn(), *again, direct=direct).totals == ()
    assert heard(*turn(), *again[:1], stop(2.0), (2.0, UserStoppedSpeakingFrame()), *answer(2.0)).totals == (0.7,)


@pytest.mark.rule("J44")
def test_speech_that_was_only_held_and_goes_on_answers_nothing() -> None:
    told = heard(
        *turn(), (2.0, UserStoppedSpeakingFrame()), (2.0, OutputResumeFrame()), (2.0, BotStartedSpeakingFrame())
    )
    assert told.totals == ()


@both
@pytest.mark.rule("J44")
def test_a_turn_is_measured_once(direct: bool) -> None:
    first = [*turn(), (1.0, UserStoppedSpeakingFrame()), *answer(1.0)]
    pause = [(2.0, BotStoppedSpeakingFrame()), (2.5, BotStartedSpeakingFrame())]
    mhm = [
        (3.0, VADUserStartedSpeakingFrame()),
        stop(3.5),
        (4.0, BotStoppedSpeakingFrame()),
        (4.5, BotStartedSpeakingFrame()),
    ]
    assert heard(*first, *pause, *mhm, direct=direct).totals == (0.8,)
    second = [
        (5.0, UserStartedSpeakingFrame()),
        (5.0, VADUserStartedSpeakingFrame()),
        (5.5, TranscriptionFrame("no")),
        stop(6.0),
        (6.0, UserStoppedSpeakingFrame()),
    ]
    assert heard(*first, *pause, *mhm, *second, *answer(6.0), direct=direct).totals == (0.8, 0.7)


@both
@pytest.mark.rule("J44")
def test_what_an_interruption_makes_void_is_the_pipelines_and_the_sum_stays(direct: bool) -> None:
    late = [
        (1.5, TranscriptionFrame("for two")),
        (1.5, UserStartedSpeakingFrame()),
        (1.5, InterruptionFrame()),
        (1.7, UserStoppedSpeakingFrame()),
    ]
    told = heard(*turn(), (1.0, UserStoppedSpeakingFrame()), *answer(1.0)[:-2], *late, *answer(1.7), direct=direct)
    assert told.totals == (1.5,)
    assert told.parts == {**ANSWER, "endpointing": 0.2, "turn_detection": 0.3, "pipeline": 0.55}


@pytest.mark.rule("J44")
def test_words_of_one_turn_are_not_the_next_ones() -> None:
    first = [*turn(), (1.0, UserStoppedSpeakingFrame()), *answer(1.0)]
    cough = [
        (3.0, VADUserStartedSpeakingFrame()),
        (3.0, UserStartedSpeakingFrame()),
        stop(3.5),
        (4.0, UserStoppedSpeakingFrame()),
    ]
    assert heard(*first, *cough, *answer(4.0)).totals == (0.8,)


@pytest.mark.rule("J44")
def test_what_the_user_cannot_be_waiting_for_is_no_milestone() -> None:
    told = heard(
        *turn(),
        (1.0, LLMContextFrame(CONTEXT, speculation=True)),
        (1.2, UserStoppedSpeakingFrame()),
        (1.2, asked()),
        (1.3, LLMTextFrame("\n")),
        (1.4, LLMTextFrame("(thinks)", skip_tts=True)),
        (1.5, LLMTextFrame("Yes.")),
        (1.6, AggregatedTextFrame("print(1)")),
        (1.7, TTSStartedFrame()),
        (1.8, audio()),
        (1.8, BotStartedSpeakingFrame()),
    )
    assert told.parts == {
        "endpointing": 0.2,
        "turn_detection": 0.3,
        "inference": 0.3,
        "aggregation": 0.2,
        "synthesis": 0.1,
    }


@pytest.mark.rule("J44")
def test_a_stop_without_a_time_of_its_own_has_that_of_its_delivery() -> None:
    told = heard((0.9, VADUserStoppedSpeakingFrame(STOP_SECS)), (1.5, BotStartedSpeakingFrame()))
    assert told.parts == {"endpointing": 0.2, "pipeline": 0.6}


@pytest.mark.rule("J44")
def test_without_announced_turns_the_voice_and_the_bot_are_enough() -> None:
    told = heard((0.1, VADUserStartedSpeakingFrame()), stop(0.9), (1.5, BotStartedSpeakingFrame()))
    assert told.parts == {"endpointing": 0.2, "pipeline": 0.6}


@both
@pytest.mark.rule("J44")
def test_the_first_speech_is_measured_from_the_clients_arrival(direct: bool) -> None:
    told = heard(
        (0.5, ClientConnectedFrame()), (1.3, BotStartedSpeakingFrame()), (2.0, BotStartedSpeakingFrame()), direct=direct
    )
    assert told.first_speech == (0.8,)
    assert told.totals == ()


@pytest.mark.rule("J44")
def test_the_first_speech_is_not_measured_when_the_user_spoke_first() -> None:
    told = heard((0.5, ClientConnectedFrame()), (0.6, VADUserStartedSpeakingFrame()), (1.3, BotStartedSpeakingFrame()))
    assert told.first_speech == ()


@actor
class Says(Actor):
    """Speaks each answer at its end: a tenth of a second later there is sound."""

    text: str = durable("")

    @on(LLMTextFrame)
    def read(self, frame: LLMTextFrame) -> None:
        self.text += frame.text

    @on(LLMFullResponseEndFrame)
    async def say(self, frame: LLMFullResponseEndFrame) -> None:
        await self.push(TTSStartedFrame("1"))
        await trio.sleep(0.1)
        for _ in range(10):
            await self.push(TTSAudioRawFrame(bytes(960), "1", sample_rate=24000))
        await self.push(TTSTextFrame(self.text, offset_ns=0, context_id="1"), TTSStoppedFrame("1"), frame)


def agent() -> Pipeline:
    pair = LLMContextAggregatorPair(LLMContext())
    llm = ScriptedLLM(lambda context: ["Hello my friend."], first_token_secs=0.2, token_secs=0.05)
    return Pipeline(pair.user, llm, Says(), AudioOutput(end_silence=0.0), pair.assistant)


def says(words: str, at: float) -> list[Item]:
    """A user who speaks for 0.7 s, from then on."""
    return [
        VADUserStartedSpeakingFrame(0.2, at),
        Sleep(0.7),
        TranscriptionFrame(words, finalized=True),
        Sleep(0.2),
        VADUserStoppedSpeakingFrame(STOP_SECS, at + 0.9),
    ]


@both
@pytest.mark.rule("J44", "J45")
def test_a_whole_agent_is_measured_without_being_asked(direct: bool) -> None:
    tracker = LatencyTracker()
    told: list[UserBotLatencyMetricsData] = []
    tracker.on_event("on_latency_breakdown", lambda tracker, data: told.append(data))
    trace = play(agent(), [*says("Hi there", 0.0), Sleep(5.0)], direct=direct, observers=[tracker])
    began = next(each.time for each in trace.deliveries if isinstance(each.frame, BotStartedSpeakingFrame))
    (data,) = told
    assert data.value == pytest.approx(began - 0.7)
    parts = parts_of(data)
    assert sum(parts.values()) == pytest.approx(data.value)
    assert (parts["endpointing"], parts["inference"], parts["synthesis"]) == (0.2, 0.2, 0.1)
    assert parts["aggregation"] > 0.09  # two more words
    assert "pipeline" not in parts


@both
@pytest.mark.rule("J41")
def test_the_turn_of_an_agent_that_is_cut_off_ends_when_the_user_started(direct: bool) -> None:
    alone = play(agent(), [*says("Hi there", 0.0), Sleep(4.0)], direct=direct)
    bot = next(each.time for each in alone.deliveries if isinstance(each.frame, BotStartedSpeakingFrame))
    for moment in (0.05, 0.1, 0.15):  # it speaks for 0.2 s
        user = bot + moment
        ended: list[tuple[int, float, bool]] = []
        tracker = TurnTracker()
        tracker.on_event("on_turn_ended", lambda tracker, *turn, ended=ended: ended.append(turn))
        play(
            agent(),
            [*says("Hi there", 0.0), Sleep(user - 0.9), *says("Wait", user), Sleep(4.0)],
            direct=direct,
            observers=[tracker],
        )
        number, seconds, was_interrupted = ended[0]
        assert (number, was_interrupted) == (1, True), f"{moment} s into the answer"
        assert seconds == pytest.approx(user), f"{moment} s into the answer"


@both
@pytest.mark.rule("J44")
def test_the_waits_are_metrics_where_the_session_wants_metrics(direct: bool) -> None:
    def sent(*, wanted: bool) -> tuple[list[UserBotLatencyMetricsData], list[object]]:
        told: list[UserBotLatencyMetricsData] = []
        tracker = LatencyTracker()
        tracker.on_event("on_latency_breakdown", lambda tracker, data: told.append(data))
        pipeline = Pipeline(LatencyMetrics(tracker, name="metrics"), agent())
        script: list[Item] = [*says("Hi there", 0.0), Sleep(4.0), *says("And you?", 4.9), Sleep(4.0)]
        script += [BotStartedSpeakingFrame(), Kill("metrics"), BotStartedSpeakingFrame()]  # which answer nobody
        trace = play(pipeline, script, direct=direct, observers=[tracker], enable_metrics=wanted)
        frames = [each.frame for each in trace.deliveries if isinstance(each.frame, MetricsFrame)]
        found = [data for frame in frames for data in frame.data if isinstance(data, UserBotLatencyMetricsData)]
        return told, list(found)

    told, found = sent(wanted=True)
    assert len(told) == 2
    assert found == told
    assert sent(wanted=False)[1] == []


@both
@pytest.mark.rule("J40")
def test_trackers_change_nothing(direct: bool) -> None:
    script = [*says("Hi there", 0.0), Sleep(1.6), *says("Wait", 2.5), Sleep(5.0)]
    alone = play(agent(), script, direct=direct)
    watched = play(agent(), script, direct=direct, observers=[LatencyTracker(), TurnTracker()])
    assert watched.digest == alone.digest


@pytest.mark.rule("J44", "J45")
def test_whatever_the_times_are_the_parts_are_exact_and_add_up_to_the_wait() -> None:
    for seed in seeds(100, each_counts=20):
        dice = random.Random(seed)
        spans: dict[Part, float] = {
            part: dice.randrange(1, 2_000_000) / 1e6 for part in Part if part is not Part.ENDPOINTING
        }
        time = 5.0
        timeline: list[tuple[float, Frame]] = [(0.0, VADUserStartedSpeakingFrame()), stop(time)]
        for part, frame in (
            (Part.TRANSCRIPTION, TranscriptionFrame("so")),
            (Part.TURN_DETECTION, UserStoppedSpeakingFrame()),
            (Part.PIPELINE, asked()),
            (Part.INFERENCE, LLMTextFrame("so")),
            (Part.AGGREGATION, TTSStartedFrame()),
            (Part.SYNTHESIS, audio()),
            (None, BotStartedSpeakingFrame()),
        ):
            time += 0.0 if part is None else spans[part]
            timeline.append((time, frame))
        (data,) = heard(*timeline, direct=bool(seed % 2)).breakdowns
        told = {part: round(getattr(data, part.value) * 1e6) for part in Part}
        assert sum(told.values()) == round(data.value * 1e6) == round((time - 5.0 + STOP_SECS) * 1e6), f"seed {seed}"
        for part, span in spans.items():
            if part is not Part.FUNCTIONS:
                # A time is rounded at either end.
                assert abs(told[part] - round(span * 1e6)) <= 1, f"seed {seed}: {part}"


ANYTHING = (
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    LLMFullResponseStartFrame,
    TTSStartedFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterruptionFrame,
    OutputResumeFrame,
    ClientConnectedFrame,
    lambda: TranscriptionFrame("so"),
    lambda: LLMTextFrame("so"),
    lambda: LLMContextFrame(CONTEXT),
    lambda: FunctionCallsStartedFrame(()),
    lambda: FunctionCallResultFrame("book", "c1", {}, "booked"),
    lambda: TTSAudioRawFrame(bytes(640), sample_rate=16000),
)


@pytest.mark.rule("J44")
def test_in_whatever_order_frames_come_the_parts_of_a_wait_add_up_and_none_is_negative() -> None:
    measured = 0
    for seed in seeds(100, each_counts=20):
        dice = random.Random(seed)
        time, ended, timeline = 1.0, 0.0, list[tuple[float, Frame]]()
        began: list[tuple[float, float]] = []
        for _ in range(60):
            time += dice.choice((0.0, 0.02, dice.randrange(1, 500_000) / 1e6))
            frame: Frame = dice.choice(ANYTHING)()
            if isinstance(frame, VADUserStoppedSpeakingFrame):
                frame, ended = stop(time)[1], time - STOP_SECS
            elif isinstance(frame, BotStartedSpeakingFrame):
                began.append((time, ended))
            timeline.append((time, frame))
        told = heard(*timeline, direct=bool(seed % 2))
        waits = {round(1e6 * (bot - user)) for bot, user in began}
        for data in told.breakdowns:
            parts = [round(1e6 * getattr(data, part.value)) for part in Part]
            assert min(parts) >= 0, f"seed {seed}: {data}"
            assert sum(parts) == round(1e6 * data.value), f"seed {seed}: {data}"
            assert any(abs(sum(parts) - wait) <= 1 for wait in waits), f"seed {seed}: {data}"
            measured += 1
    assert measured > 50


def test_each_stage_can_be_reached_and_knows_what_it_is_waiting_for() -> None:
    reached = {stage for row in NEXT.values() for _, stage in row.values()} | {Stage.ENDED, Stage.WORDLESS}
    assert reached == set(Stage)
    assert set(LAST) == set(Stage) - {Stage.IDLE, Stage.WORDLESS}

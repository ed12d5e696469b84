"""What every transcriber does, shown by the one that follows a script: exact times, crashes, mutes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import pytest

from antiphon import Pipeline
from antiphon.actors import Effect, actor, durable
from antiphon.actors.services.scripted_stt import Finality, ScriptedSTT, ScriptedUtterance
from antiphon.actors.services.stt import STTService
from antiphon.actors.services.unanswered import Sound, Unanswered
from antiphon.channels import (
    EndFrame,
    ExternalTurns,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    MetricsData,
    MetricsFrame,
    ProcessingMetricsData,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    ServiceSwitcherRequestMetadataFrame,
    STTMetadataFrame,
    STTMuteFrame,
    STTUsageMetricsData,
    TranscriptionFrame,
    TTFBMetricsData,
    UserAudioRawFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play

RATE = 16000
CHUNK = 0.02
STARTED = VADUserStartedSpeakingFrame(0.2)
STOPPED = VADUserStoppedSpeakingFrame(0.2)
BOTH_WAYS = pytest.mark.parametrize("direct", [True, False])


def sound(seconds: float) -> list[Item]:
    frame = InputAudioRawFrame(bytes(2 * round(CHUNK * RATE)), RATE)
    return [frame, Sleep(CHUNK)] * round(seconds / CHUNK)


def at(times: dict[float, Frame | Kill], *, until: float) -> list[Item]:
    """Sound all the time, and these items between, at these seconds."""
    script: list[Item] = []
    for step in range(round(until / CHUNK)):
        script += [item for time, item in times.items() if round(time / CHUNK) == step]
        script += sound(CHUNK)
    return script


def heard(trace: Trace) -> list[tuple[float, str, bool]]:
    """The finals that left, with their times."""
    return [
        (round(each.time, 3), each.frame.text, each.frame.finalized)
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, TranscriptionFrame)
    ]


def words(trace: Trace) -> list[str]:
    return [text for _, text, _ in heard(trace)]


HELLO = ScriptedUtterance("hello", 0.5, 1.1)
EDGES: dict[float, Frame | Kill] = {0.7: STARTED, 1.3: STOPPED}


# ---- finals


@BOTH_WAYS
@pytest.mark.rule("L1")
def test_a_stop_asks_for_the_final_and_its_answer_is_finalized(direct: bool) -> None:
    trace = play(Pipeline(ScriptedSTT([HELLO])), at(EDGES, until=2.0), direct=direct)
    assert heard(trace) == [(1.6, "hello", True)]


@BOTH_WAYS
@pytest.mark.rule("L1")
def test_a_start_withdraws_what_was_asked(direct: bool) -> None:
    trace = play(Pipeline(ScriptedSTT([HELLO])), at({**EDGES, 1.5: STARTED}, until=2.0), direct=direct)
    assert heard(trace) == [(1.6, "hello", False)]


@pytest.mark.rule("L1")
def test_the_answer_to_what_was_asked_last_is_finalized() -> None:
    script = [HELLO, ScriptedUtterance("you", 1.6, 1.9, latency=0.1)]
    trace = play(Pipeline(ScriptedSTT(script)), at({**EDGES, 1.5: STARTED, 2.1: STOPPED}, until=3.0))
    assert heard(trace) == [(1.6, "hello", False), (2.2, "you", True)]


@pytest.mark.rule("L1")
def test_guesses_come_before_the_final() -> None:
    script = [ScriptedUtterance("hello you", 0.5, 1.1, interims=[(0.8, "hell"), (1.0, "hello")])]
    trace = play(Pipeline(ScriptedSTT(script)), at(EDGES, until=2.0))
    texts = [frame for frame in trace.down if isinstance(frame, (InterimTranscriptionFrame, TranscriptionFrame))]
    assert texts == [
        InterimTranscriptionFrame("hell"),
        InterimTranscriptionFrame("hello"),
        TranscriptionFrame("hello you", finalized=True),
    ]


@pytest.mark.parametrize(("finality", "finalized"), [(Finality.NEVER, False), (Finality.ALWAYS, True)])
def test_a_final_that_nobody_asks_for_comes_by_itself(finality: Finality, finalized: bool) -> None:
    script = [ScriptedUtterance("hello", 0.5, 1.1, finality=finality)]
    assert heard(play(Pipeline(ScriptedSTT(script)), sound(2.0))) == [(1.38, "hello", finalized)]


def test_a_final_that_is_asked_for_in_the_middle_of_an_utterance_comes_behind_it() -> None:
    trace = play(Pipeline(ScriptedSTT([HELLO])), at({0.7: STARTED, 0.9: STOPPED}, until=2.0))
    assert heard(trace) == [(1.38, "hello", True)]


def test_whose_sound_it_is_stands_in_the_transcript() -> None:
    frame = UserAudioRawFrame(bytes(2 * RATE), sample_rate=RATE, user_id="u1")
    trace = play(Pipeline(ScriptedSTT([ScriptedUtterance("hello", 0.0, 1.0)])), [frame, STOPPED])
    assert [each.user_id for each in trace.down if isinstance(each, TranscriptionFrame)] == ["u1"]


@pytest.mark.rule("L1")
def test_at_the_end_of_the_session_the_last_words_count() -> None:
    trace = play(Pipeline(ScriptedSTT([HELLO])), [*at({0.7: STARTED}, until=1.2), EndFrame()])
    assert words(trace) == ["hello"]
    assert trace.ended == "ended"


def test_the_end_of_the_session_waits_for_nobody_when_nothing_was_said() -> None:
    trace = play(Pipeline(ScriptedSTT([HELLO])), [*sound(0.1), STARTED, *sound(0.1), STOPPED, EndFrame()])
    assert max(each.time for each in trace.deliveries) == pytest.approx(0.2)


# ---- what it announces, and measures


def announced(frames: tuple[Frame, ...]) -> list[STTMetadataFrame]:
    return [frame for frame in frames if isinstance(frame, STTMetadataFrame)]


@pytest.mark.rule("L1")
def test_the_latency_is_announced_both_ways_once_and_when_asked() -> None:
    stt = ScriptedSTT(ttfs_p99_latency=0.7, name="stt")
    asked = [ServiceSwitcherRequestMetadataFrame(), ServiceSwitcherRequestMetadataFrame("stt")]
    of_another = ServiceSwitcherRequestMetadataFrame("tts")
    trace = play(Pipeline(stt), [Kill("stt"), Sleep(1.0), *asked, of_another])
    assert announced(trace.down) == announced(trace.up) == [STTMetadataFrame("stt", 0.7)] * 3
    assert [frame for frame in trace.down if not isinstance(frame, STTMetadataFrame)] == [*asked, of_another]


@actor
class Unmeasured(STTService):
    def give(self, item: Hashable) -> None: ...


@pytest.mark.rule("L1")
def test_an_unknown_latency_is_announced_as_a_second_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    trace = play(Pipeline(Unmeasured()), [])
    assert announced(trace.down) == [STTMetadataFrame("unmeasured", 1.0)]
    assert "give ttfs_p99_latency" in caplog.text


def measured(script: Iterable[Item], **options: Any) -> list[MetricsData]:
    """What is told of times and usage."""
    trace = play(Pipeline(ScriptedSTT([HELLO], name="stt")), script, **options)
    return [data for frame in trace.down if isinstance(frame, MetricsFrame) for data in frame.data]


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.rule("J42", "J43")
def test_the_time_from_the_end_of_speech_to_the_final_is_measured_and_the_sound_that_was_given(direct: bool) -> None:
    script = [*at(EDGES, until=2.0), EndFrame()]
    found = measured(script, enable_metrics=True, enable_usage_metrics=True, direct=direct)
    assert found[:2] == [ProcessingMetricsData("stt", 0.3), TTFBMetricsData("stt", 0.5)]
    assert {type(data) for data in found[2:]} == {STTUsageMetricsData}
    assert sum(data.value for data in found[2:] if isinstance(data, STTUsageMetricsData)) == pytest.approx(2.0)


@pytest.mark.rule("J42")
def test_a_final_that_may_not_be_the_last_is_measured_when_the_user_speaks_again_or_the_session_ends() -> None:
    heard = attrs.evolve(HELLO, finality=Finality.NEVER)
    for last in (VADUserStartedSpeakingFrame(), EndFrame()):
        trace = play(Pipeline(ScriptedSTT([heard], name="stt")), [*at(EDGES, until=2.0), last], enable_metrics=True)
        told = [frame.data[0] for frame in trace.down if isinstance(frame, MetricsFrame)]
        assert [type(data) for data in told].count(TTFBMetricsData) == 1
        (when,) = (each.time for each in trace.deliveries if each.frame == MetricsFrame((told[-1],)))
        assert round(when, 3) == 2.0


@pytest.mark.rule("J43")
def test_a_transcriber_measures_nothing_that_nobody_wants() -> None:
    assert measured(at(EDGES, until=2.0)) == []


# ---- turns of its own

TURN = ScriptedUtterance("hello", 0.5, 1.1, finality=Finality.TURN)
PROPOSALS = (ProposedUserStartedSpeakingFrame, TranscriptionFrame, ProposedUserStoppedSpeakingFrame)


@BOTH_WAYS
@pytest.mark.rule("L3")
@pytest.mark.parametrize("crashes", [[], [0.52], [1.0], [1.2]])
def test_who_detects_turns_proposes_each_once_around_its_transcript(crashes: list[float], direct: bool) -> None:
    trace = play(Pipeline(ScriptedSTT([TURN], crashes=crashes)), sound(3.0), direct=direct)
    assert len(trace.restarts) == len(crashes)
    assert [type(frame) for frame in trace.down if isinstance(frame, PROPOSALS)] == list(PROPOSALS)
    assert [type(frame) for frame in trace.up if isinstance(frame, PROPOSALS)] == [PROPOSALS[0], PROPOSALS[2]]
    assert not [each for each in trace.deliveries if isinstance(each.frame, InterruptionFrame)]


@pytest.mark.rule("L3")
@pytest.mark.parametrize("should_interrupt", [True, False])
def test_who_detects_turns_recommends_to_take_them_from_it(should_interrupt: bool) -> None:
    trace = play(Pipeline(ScriptedSTT([TURN], should_interrupt=should_interrupt)), [])
    (metadata,) = announced(trace.down)
    assert metadata.user_turn_strategies == ExternalTurns(enable_interruptions=should_interrupt)
    (others,) = announced(play(Pipeline(ScriptedSTT([HELLO])), []).down)
    assert others.user_turn_strategies is None


@pytest.mark.rule("D55", "L3")
def test_a_muted_service_proposes_nothing() -> None:
    trace = play(Pipeline(ScriptedSTT([TURN])), at({0.1: STTMuteFrame(True), 1.6: STTMuteFrame(False)}, until=3.0))
    assert not [frame for frame in trace.down if isinstance(frame, PROPOSALS)]


@pytest.mark.rule("D55", "L3")
def test_a_mute_in_the_middle_of_a_turn_ends_it() -> None:
    mutes: dict[float, Frame | Kill] = {0.8: STTMuteFrame(True), 1.6: STTMuteFrame(False)}
    script = [TURN, ScriptedUtterance("again", 2.0, 2.2, finality=Finality.TURN)]
    trace = play(Pipeline(ScriptedSTT(script)), at(mutes, until=3.0))
    started, transcript, stopped = PROPOSALS
    proposed = [type(frame) for frame in trace.down if isinstance(frame, PROPOSALS)]
    assert proposed == [started, stopped, started, transcript, stopped]


# ---- crashes


@BOTH_WAYS
@pytest.mark.rule("L1a")
def test_after_a_crash_words_are_late_and_not_lost(direct: bool) -> None:
    pipeline = Pipeline(ScriptedSTT([HELLO], crashes=[1.0]))
    trace = play(pipeline, at(EDGES, until=2.0), direct=direct)
    assert len(trace.restarts) == 1
    assert heard(trace) == [(1.6, "hello", True)]
    late = play(Pipeline(ScriptedSTT([HELLO], crashes=[1.4])), at(EDGES, until=2.0), direct=direct)
    assert heard(late) == [(1.68, "hello", True)]


@pytest.mark.rule("L1a")
@pytest.mark.parametrize("finality", Finality)
def test_a_kill_at_any_delivery_loses_no_word_and_says_none_twice(finality: Finality) -> None:
    script = [
        ScriptedUtterance("one", 0.1, 0.3, finality=finality),
        ScriptedUtterance("two", 0.4, 0.6, finality=finality, latency=0.1),
    ]
    says = at({0.2: STARTED, 0.36: STOPPED, 0.5: STARTED, 0.7: STOPPED}, until=1.2)
    undisturbed = play(Pipeline(ScriptedSTT(script, name="stt")), says)
    count = sum(each.receiver.name == "stt" for each in undisturbed.deliveries)
    assert words(undisturbed) == ["one", "two"]
    for number in range(1, count + 1):
        killed = play(Pipeline(ScriptedSTT(script, name="stt")), [Kill("stt", at=number), *says])
        assert words(killed) == ["one", "two"], number
        assert [flag for *_, flag in heard(killed)][-1] is (finality is not Finality.NEVER), number


@pytest.mark.rule("L1a")
def test_of_long_speech_without_a_final_the_last_half_minute_is_given_again() -> None:
    script = [ScriptedUtterance("lost", 1.0, 2.0), ScriptedUtterance("kept", 20.0, 21.0)]
    trace = play(Pipeline(ScriptedSTT(script, crashes=[40.0])), [STARTED, *sound(41.0), STOPPED])
    assert words(trace) == ["kept"]


@pytest.mark.rule("L1a")
def test_while_nobody_speaks_little_is_kept() -> None:
    trace = play(Pipeline(ScriptedSTT([HELLO], name="stt")), at(EDGES, until=30.0))
    assert cast(Unanswered, trace.durable["stt"]["unanswered"]).samples <= 3.02 * RATE


# ---- mutes


@pytest.mark.rule("D55", "L2")
@pytest.mark.parametrize(
    ("mute", "unmute"),
    [(STTMuteFrame(True), STTMuteFrame(False)), (UserMuteStartedFrame(), UserMuteStoppedFrame())],
)
def test_muted_sound_becomes_no_transcript_and_what_comes_after_does(mute: Frame, unmute: Frame) -> None:
    again = ScriptedUtterance("again", 2.0, 2.5)
    edges = {**EDGES, 2.2: STARTED, 2.7: STOPPED}
    trace = play(Pipeline(ScriptedSTT([HELLO, again])), at({0.9: mute, **edges, 1.6: unmute}, until=4.0))
    assert heard(trace) == [(3.0, "again", True)]
    assert [frame for frame in trace.down if isinstance(frame, type(mute))][:1] == [mute]


@pytest.mark.rule("D55")
def test_two_mutes_end_with_the_last_of_them() -> None:
    mutes: dict[float, Frame | Kill] = {
        0.1: STTMuteFrame(True),
        0.2: UserMuteStartedFrame(),
        0.3: STTMuteFrame(False),
    }
    assert words(play(Pipeline(ScriptedSTT([HELLO])), at({**mutes, **EDGES}, until=2.0))) == []
    unmuted = at({**mutes, 0.4: UserMuteStoppedFrame(), **EDGES}, until=2.0)
    assert words(play(Pipeline(ScriptedSTT([HELLO])), unmuted)) == ["hello"]


@pytest.mark.rule("L2")
def test_what_was_said_before_the_mute_is_transcribed() -> None:
    trace = play(Pipeline(ScriptedSTT([HELLO])), at({0.7: STARTED, 1.2: STTMuteFrame(True)}, until=2.0))
    assert heard(trace) == [(1.5, "hello", True)]


@pytest.mark.rule("D55")
def test_a_mute_survives_a_crash() -> None:
    trace = play(
        Pipeline(ScriptedSTT([HELLO], name="stt")),
        at({0.1: STTMuteFrame(True), 0.2: Kill("stt"), **EDGES}, until=2.0),
    )
    assert words(trace) == []


# ---- keeping a connection


@actor
class Guesser(STTService):
    """A recogniser that takes whatever it is given for a word of thanks."""

    given: tuple[tuple[float, bool], ...] = durable(())
    """When, and whether it was the user's."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.connect()
        yield

    def give(self, item: Hashable) -> None:
        if isinstance(item, Sound):
            self.given = (*self.given, (round(self.now, 3), item.position is not None))
            self.start_soon(self._thank)

    def understand(self, wire: str) -> tuple[Effect, ...]:
        return self.final(wire)

    async def _thank(self) -> None:
        await self.push(self.answer("thank you"))


@pytest.mark.rule("L2")
@BOTH_WAYS
def test_a_connection_is_kept_alive_by_silence_that_becomes_no_transcript(direct: bool) -> None:
    stt = Guesser(keep_alive_secs=4.0, ttfs_p99_latency=0, name="stt")
    trace = play(Pipeline(stt), [*sound(0.04), Sleep(9.0), *sound(0.04), EndFrame()], direct=direct)
    given = [(0.0, True), (0.02, True), (4.02, False), (8.02, False), (9.04, True), (9.06, True)]
    assert trace.durable["stt"]["given"] == tuple(given)
    assert [time for time, *_ in heard(trace)] == [time for time, is_voice in given if is_voice]
    assert trace.ended == "ended"

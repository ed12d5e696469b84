"""What an interruption leaves of speech, and what may not be interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings, strategies as st

from antiphon import Immune, Pipeline, actor, on
from antiphon.actors import Actor, Effects
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.services.text_aggregation import Pattern, PatternAggregator
from antiphon.channels import (
    AggregatedTextFrame,
    AggregatedTextProgressFrame,
    BotBackchannelFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ControlFrame,
    DataFrame,
    Frame,
    FunctionCallInProgressFrame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
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
from antiphon.scenarios import Item, Sleep, Trace, play
from tests.actors.services.voices import Paces, both, response, shape, sounds, speak, times, voice, words

OLD, NEW = "This is the old answer. It is long.", "Yes of course."
CALL = FunctionCallInProgressFrame("book", "call_1", {})
CUT = InterruptionFrame()
WAYS = [{"paced": True}, {"paced": True, "in_contexts": True}, {"paces": True}, {"word_times": False, "paces": True}]
ways = pytest.mark.parametrize("options", WAYS, ids=["paced", "in contexts", "paces", "without word times"])


def after_the_cut(trace: Trace, *, epoch: int = 1) -> list[Frame]:
    """What left in the turn that an interruption began."""
    return [
        each.frame
        for each in trace.deliveries
        if each.receiver.name == "sink" and each.epoch >= epoch and isinstance(each.frame, (DataFrame, ControlFrame))
    ]


# ---- what is cut


@both
@ways
@pytest.mark.rule("H40", "H43", "H44")
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.25, 0.4, 1.0])
def test_of_a_cut_answer_nothing_more_comes_and_the_next_one_is_whole(
    moment: float, options: Any, direct: bool
) -> None:
    trace = speak([*response(OLD), Sleep(moment), CUT, *response(NEW)], direct=direct, **options)
    after = after_the_cut(trace)
    assert " ".join(words(after)) == NEW
    assert [name for name, _ in sounds(after, *OLD.split(), *NEW.split())] == NEW.split()
    assert len({getattr(frame, "context_id", None) for frame in after} - {None}) == 1
    assert trace.failures == ()


@both
@pytest.mark.rule("H40")
def test_text_whose_sentence_went_on_is_forgotten(direct: bool) -> None:
    marks = PatternAggregator((Pattern("code", "<code>", "</code>", "aggregate"),))
    open_mark = [LLMFullResponseStartFrame(), LLMTextFrame("Look <code>x = "), CUT]
    trace = speak([*open_mark, *response(NEW)], aggregator=marks, direct=direct)
    assert " ".join(words(trace.down)) == NEW


@both
@pytest.mark.rule("H40")
def test_the_service_is_told_of_each_request_that_is_cut(direct: bool) -> None:
    cancelled: list[str] = []
    script: list[Item] = [*response("One two. Three four."), Sleep(0.2), CUT, *response("Five.")]
    trace = play(Pipeline(Records(cancelled.append, name="tts", paced=True)), script, direct=direct)
    assert cancelled == ["tts-1", "tts-2"]
    assert words(after_the_cut(trace)) == ["Five."]


@actor
class Records(ScriptedTTS):
    """Writes down what is cancelled, and that it connected again."""

    heard: Callable[[str], None] = print

    def cancel(self, request_id: str) -> None:
        self.heard(request_id)
        super().cancel(request_id)

    def reconnect(self) -> None:
        self.heard("reconnect")


@both
@pytest.mark.rule("H40")
def test_what_waited_between_contexts_is_dropped_but_for_what_no_interruption_drops(direct: bool) -> None:
    start, *tokens, end = response("One two.")
    trace = speak([start, *tokens, CALL, end, TextFrame("x"), Sleep(0.2), CUT], paced=True, direct=direct)
    assert shape(after_the_cut(trace)) == ["FunctionCallInProgress"]


@both
@pytest.mark.rule("H43")
def test_a_cut_context_stays_open(direct: bool) -> None:
    trace = speak([*response(OLD), Sleep(0.5), CUT, Sleep(10)], paced=True, direct=direct)
    assert any(isinstance(frame, TTSStartedFrame) for frame in trace.down)
    assert not any(isinstance(frame, TTSStoppedFrame) for frame in trace.down)


@both
@pytest.mark.rule("H44")
def test_sound_of_a_cut_request_that_still_comes_is_ignored(direct: bool) -> None:
    trace = play(
        Pipeline(Deaf(name="tts", paced=True)),
        [*response(OLD), Sleep(0.2), CUT, *response(NEW)],
        direct=direct,
    )
    after = after_the_cut(trace)
    assert [name for name, _ in sounds(after, *OLD.split(), *NEW.split())] == NEW.split()
    assert " ".join(words(after)) == NEW


@actor
class Deaf(ScriptedTTS):
    """Goes on with what is cancelled."""

    def cancel(self, request_id: str) -> None: ...


@both
@pytest.mark.rule("H29")
def test_contexts_that_are_cut_before_their_first_sound_are_no_errors(direct: bool) -> None:
    once: list[Item] = [*response(OLD), Sleep(0.05), CUT]
    script = once * 5
    trace = speak([*script, *response(NEW)], direct=direct)
    assert " ".join(words(trace.down)) == NEW
    assert trace.up == ()


@both
@pytest.mark.rule("H30")
def test_an_interruption_lets_go_what_waited_behind_speech(direct: bool) -> None:
    script: list[Item] = [*response(OLD), Sleep(0.2), CUT, *response(NEW)]
    trace = speak(script, paced=True, pause_frame_processing=True, direct=direct)
    assert " ".join(words(after_the_cut(trace))) == NEW
    begun = [each.time for each in trace.deliveries if isinstance(each.frame, LLMFullResponseStartFrame)]
    assert 0.2 in begun


# ---- what may not be interrupted

WARNING = "Please hold the line."
ALARM = TTSSpeakFrame(WARNING, interruptible=False)


@actor
class Warns(Actor):
    """Sends what mustn't be interrupted, as it must be sent."""

    @on(TTSSpeakFrame)
    def warn(self, frame: TTSSpeakFrame) -> Effects:
        return frame if frame.interruptible else Immune(frame)


def speak_on(script: list[Item], *, direct: bool, paces: bool = False, **options: Any) -> Trace:
    return play(Pipeline(Warns(), voice(**options), *([Paces()] if paces else [])), script, direct=direct)


@both
@pytest.mark.rule("H41", "A5", "B24")
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.2, 0.5])
@ways
def test_speech_that_may_not_be_interrupted_goes_on_with_its_words(moment: float, options: Any, direct: bool) -> None:
    trace = speak_on([ALARM, Sleep(moment), CUT, *response(NEW)], direct=direct, **options)
    assert " ".join(words(trace.down)) == f"{WARNING} {NEW}"
    assert [name for name, _ in sounds(trace.down, *WARNING.split(), *NEW.split())] == [*WARNING.split(), *NEW.split()]
    one = ["TTSStarted", "TTSText", "TTSAudio", "TTSStopped"]
    kinds = shape(trace.down)
    assert (kinds.count("TTSStopped"), kinds.count("LLMAssistantPushAggregation")) == (2, 1), one


@both
@pytest.mark.rule("B24", "A5")
def test_each_frame_of_it_says_that_it_may_not_be_and_is_sent_immune(direct: bool) -> None:
    trace = speak_on([ALARM, BotBackchannelFrame("Mhm.")], direct=direct)
    own = [
        each
        for each in trace.deliveries
        if each.receiver.name == "sink"
        and isinstance(each.frame, (AggregatedTextFrame, TTSStartedFrame, TTSStoppedFrame, TTSAudioRawFrame))
    ]
    assert own and all(each.immune for each in own)
    assert {getattr(each.frame, "interruptible", None) for each in own} == {False}
    progress = [each.immune for each in trace.deliveries if isinstance(each.frame, AggregatedTextProgressFrame)]
    assert progress and all(progress)
    written = [each.immune for each in trace.deliveries if isinstance(each.frame, LLMAssistantPushAggregationFrame)]
    assert written and all(written)


@both
@pytest.mark.rule("H41")
def test_interruptible_speech_around_it_is_cut(direct: bool) -> None:
    trace = speak_on(
        [TTSSpeakFrame("One two three four."), ALARM, TTSSpeakFrame("Never."), Sleep(0.5), CUT, *response(NEW)],
        paced=True,
        direct=direct,
    )
    assert " ".join(words(trace.down)) == f"One two {WARNING} {NEW}"


# ---- services whose requests can't be cancelled


@actor
class OneStream(Records):
    """A service that can only be stopped by connecting anew."""

    has_contexts: ClassVar[bool] = False


@both
@pytest.mark.rule("H42")
@pytest.mark.parametrize(
    ("script", "reconnects"),
    [
        ([*response(OLD), Sleep(0.2), CUT], 1),
        ([*response(OLD), CUT], 1),
        ([CUT], 0),
        ([LLMFullResponseStartFrame(), LLMTextFrame("Not yet"), CUT], 0),
        ([*response(NEW), Sleep(5), CUT], 0),
        ([ALARM, Sleep(0.2), CUT], 0),
        ([ALARM, *response(OLD), Sleep(0.2), CUT], 1),
    ],
    ids=["speaking", "asked", "idle", "gathering", "said", "uninterruptible", "behind uninterruptible"],
)
def test_without_requests_of_their_own_a_cut_connects_anew_if_there_is_something_to_cut(
    script: list[Item], reconnects: int, direct: bool
) -> None:
    heard: list[str] = []
    tts = OneStream(heard.append, name="tts", paced=True)
    trace = play(Pipeline(Warns(), tts), [*script, *response(NEW)], direct=direct)
    assert heard.count("reconnect") == reconnects
    if ALARM in script:
        assert " ".join(words(trace.down)).startswith(WARNING)
    assert " ".join(words(trace.down)).endswith(NEW)


@both
@pytest.mark.rule("H42")
def test_what_the_output_still_plays_is_cut_at_the_service_as_well(direct: bool) -> None:
    heard: list[str] = []
    tts = OneStream(heard.append, name="tts")
    script: list[Item] = [LLMFullResponseStartFrame(), LLMTextFrame("One. "), LLMTextFrame("Two"), Sleep(0.2)]
    script += [BotStartedSpeakingFrame(), CUT, BotStoppedSpeakingFrame(), CUT, LLMFullResponseEndFrame()]
    play(Pipeline(tts), script, direct=direct)
    assert heard.count("reconnect") == 1


# ---- any moment

ANSWERS = ["One two three. Four.", "Five six.", "Seven eight nine ten. Eleven twelve. Thirteen."]


@pytest.mark.rule("H40", "H43", "H44", "H41")
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*ANSWERS, "cut", "warn", "call"]),
            st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.77]),
        ),
        max_size=14,
    ),
    st.sampled_from(WAYS),
    st.booleans(),
    st.integers(0, 3),
)
def test_whatever_is_cut_contexts_stay_whole_and_in_order(
    plan: list[str | float], options: Any, direct: bool, seed: int
) -> None:
    script: list[Item] = []
    for part in plan:
        match part:
            case float(seconds):
                script.append(Sleep(seconds))
            case "cut":
                script.append(CUT)
            case "warn":
                script.append(ALARM)
            case "call":
                script.append(CALL)
            case str(answer):
                script += response(answer)
    stages = dict(options)
    paces = [Paces()] if stages.pop("paces", False) else []
    trace = play(Pipeline(Warns(), voice(**stages), *paces), script, direct=direct, seed=seed)
    assert trace.failures == ()
    warned = [word for word in words(trace.down) if word in (*WARNING.split(), WARNING)]
    assert " ".join(warned) == " ".join([WARNING] * plan.count("warn"))
    assert sum(frame == CALL for frame in trace.down) == plan.count("call")
    open_id = None
    for each in trace.deliveries:
        if each.receiver.name != "sink":
            continue
        frame = each.frame
        if isinstance(frame, TTSStartedFrame):
            open_id = frame.context_id
        elif isinstance(frame, (TTSTextFrame, TTSAudioRawFrame, TTSStoppedFrame)):
            assert frame.context_id == open_id
    assert times(trace, TTSStoppedFrame) == sorted(times(trace, TTSStoppedFrame))

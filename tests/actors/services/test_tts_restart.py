"""A voice that dies in mid-sentence: what is said, and what is told of it, before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings, strategies as st

from antiphon import Immune, Pipeline, actor, on
from antiphon.actors import Actor, Effects
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.services.speech_request import Failure
from antiphon.actors.services.speech_units import (
    OpenContext,
    Said,
    SpeechContext,
    SpeechUnit,
    cut_after_said,
    cut_by_duration,
)
from antiphon.channels import (
    AggregatedTextProgressFrame,
    EndFrame,
    Frame,
    FunctionCallInProgressFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TextFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from tests.actors.services.voices import Paces, both, errors, response, shape, shown, sounds, voice, words

pytestmark = pytest.mark.rule("H45")

ANSWER = "One two three four. Five six seven. Eight nine."
KILL = Kill("tts")
MOMENTS = [0.0, 0.05, 0.1, 0.25, 0.4, 0.41, 1.0, 1.31, 2.2, 2.79]
WAYS = [{}, {"in_contexts": True}, {"word_times": False}, {"word_times": False, "in_contexts": True}]
NAMES = ["by unit", "in contexts", "by unit, without times", "in contexts, without times"]
ways = pytest.mark.parametrize("options", WAYS, ids=NAMES)


def killed(script: list[Item], *, direct: bool = True, paces: bool = False, seed: int = 0, **options: Any) -> Trace:
    options = options if paces else {"paced": True, **options}
    return play(Pipeline(voice(**options), *([Paces()] if paces else [])), script, direct=direct, seed=seed)


def brackets_are_whole(frames: tuple[Frame, ...]) -> bool:
    """Each context begins once and ends once, before the next one begins."""
    ids: list[str | None] = []
    is_open = False
    for frame in frames:
        if isinstance(frame, TTSStartedFrame):
            if is_open or frame.context_id in ids:
                return False
            ids.append(frame.context_id)
            is_open = True
        elif isinstance(frame, TTSStoppedFrame):
            if not is_open or frame.context_id != ids[-1]:
                return False
            is_open = False
    return not is_open


@both
@ways
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("paces", [False, True], ids=["paced", "paces"])
def test_no_word_is_lost_and_none_is_told_twice(moment: float, paces: bool, options: Any, direct: bool) -> None:
    script: list[Item] = [*response(ANSWER), Sleep(moment), KILL, Sleep(20)]
    trace = killed(script, direct=direct, paces=paces, **options)
    assert " ".join(words(trace.down)) == ANSWER
    assert brackets_are_whole(trace.down)
    assert sum(isinstance(frame, LLMFullResponseEndFrame) for frame in trace.down) == 1
    assert shape(trace.down)[-2:] == ["TTSStopped", "LLMFullResponseEnd"]
    assert len(trace.restarts) == 1


@both
@pytest.mark.parametrize("in_contexts", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("paces", [False, True], ids=["paced", "paces"])
def test_with_word_times_only_the_word_in_hand_is_said_again(
    moment: float, paces: bool, in_contexts: bool, direct: bool
) -> None:
    script: list[Item] = [*response(ANSWER), Sleep(moment), KILL]
    trace = killed(script, direct=direct, in_contexts=in_contexts, paces=paces)
    said = sounds(trace.down, *ANSWER.split())
    assert [name for name, _ in said] == ANSWER.split()
    assert all(seconds >= 0.3 for _, seconds in said)
    again = round(sum(seconds for _, seconds in said) - 9 * 0.3, 4)
    # Who tells each word as it comes hasn't told where the last one ends.
    assert again < 0.3 if paces else again <= 0.3


@both
@pytest.mark.parametrize("moment", [0.25, 1.0])
def test_the_context_is_closed_and_the_rest_is_said_in_another(moment: float, direct: bool) -> None:
    trace = killed([*response(ANSWER), Sleep(moment), KILL], direct=direct)
    (_, first), (_, second) = sorted(
        (place, frame.context_id) for place, frame in enumerate(trace.down) if isinstance(frame, TTSStartedFrame)
    )
    told = [(f.context_id, f.offset_ns) for f in trace.down if isinstance(f, TTSTextFrame)]
    assert {context_id for context_id, _ in told} == {first, second}
    assert min(offset or 0 for context_id, offset in told if context_id == second) <= 0.3 * 1e9
    assert errors(trace) != []  # of the restart alone


@both
@ways
def test_a_sentence_is_shown_once_and_its_progress_goes_on(options: Any, direct: bool) -> None:
    trace = killed([*response(ANSWER), Sleep(0.85), KILL], direct=direct, **options)
    assert [unit.text for unit in shown(trace.down)] == ["One two three four.", "Five six seven.", "Eight nine."]
    progress = [frame for frame in trace.down if isinstance(frame, AggregatedTextProgressFrame)]
    assert all(frame.accumulated_text + frame.remaining_text == frame.text for frame in progress)
    assert {frame.text for frame in progress} == {"One two three four.", "Five six seven.", "Eight nine."}
    assert len({frame.segment_id for frame in progress}) == 3


@actor
class Repeats(ScriptedTTS):
    """The same text gives the same sound."""

    is_repeatable: ClassVar[bool] = True


@both
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("word_times", [True, False])
def test_a_service_that_repeats_itself_goes_on_where_it_was(moment: float, word_times: bool, direct: bool) -> None:
    pipeline = Pipeline(Repeats(name="tts", word_times=word_times, paced=True))
    script: list[Item] = [*response(ANSWER), Sleep(moment), KILL]
    trace = play(pipeline, script, direct=direct)
    undisturbed = play(pipeline, response(ANSWER), direct=direct)
    ours, theirs = ([f for f in t.down if not isinstance(f, TTSTextFrame)] for t in (trace, undisturbed))
    assert ours == theirs
    told = [(f.text, f.offset_ns) for f in trace.down if isinstance(f, TTSTextFrame)]
    assert told == [(f.text, f.offset_ns) for f in undisturbed.down if isinstance(f, TTSTextFrame)]


@both
@ways
def test_text_that_was_gathered_outlives_its_voice(options: Any, direct: bool) -> None:
    start, *tokens, end = response("One two three. And so")
    trace = killed([start, *tokens[:2], KILL, Sleep(1), *tokens[2:], KILL, Sleep(1), end], direct=direct, **options)
    assert " ".join(words(trace.down)) == "One two three. And so"


@both
def test_tokens_go_on_where_they_were(direct: bool) -> None:
    start, *tokens, end = response("One two three four. And so")
    for moment in (0.0, 0.2, 0.5, 0.75, 1.0):
        script: list[Item] = [start, *tokens[:3], Sleep(moment), KILL, Sleep(0.3), *tokens[3:], end]
        trace = killed(script, direct=direct, text_aggregation="token", in_contexts=True)
        assert " ".join(words(trace.down)) == "One two three four. And so", moment


@both
@ways
def test_an_interruption_while_it_is_down_is_not_forgotten(options: Any, direct: bool) -> None:
    script: list[Item] = [*response(ANSWER), Sleep(0.5), (KILL, InterruptionFrame(), *response("Yes."))]
    trace = killed(script, direct=direct, **options)
    assert words(trace.down)[-1] == "Yes."
    assert words(trace.down)[:-1] == ANSWER.split()[: len(words(trace.down)) - 1] or not options.get("word_times", True)
    assert "nine." not in words(trace.down)


@actor
class Records(ScriptedTTS):
    """Writes down what it is asked for."""

    asked_for: Callable[[str], None] = print

    def ask(self, unit: SpeechUnit) -> None:
        self.asked_for(unit.speech)
        super().ask(unit)


@both
@pytest.mark.rule("H40")
def test_what_was_cut_while_it_was_down_is_not_asked_for_again(direct: bool) -> None:
    asked: list[str] = []
    script: list[Item] = [TTSSpeakFrame("Old."), (KILL, InterruptionFrame()), TTSSpeakFrame("New.")]
    play(Pipeline(Records(asked.append, name="tts")), script, direct=direct)
    assert asked == ["Old.", "New."]


@both
@ways
@pytest.mark.rule("H41")
@pytest.mark.parametrize("moment", [0.05, 0.25, 0.5, 1.0])
def test_speech_that_may_not_be_interrupted_survives_a_kill_and_a_cut(
    moment: float, options: Any, direct: bool
) -> None:
    alarm = TTSSpeakFrame("Please hold the line.", interruptible=False)
    script: list[Item] = [alarm, Sleep(moment), (KILL, InterruptionFrame()), *response("Yes.")]
    trace = play(Pipeline(Warns(), voice(paced=True, **options)), script, direct=direct)
    assert " ".join(words(trace.down)) == "Please hold the line. Yes."


@actor
class Warns(Actor):
    """Sends what mustn't be interrupted, as it must be sent."""

    @on(TTSSpeakFrame)
    def warn(self, frame: TTSSpeakFrame) -> Effects:
        return Immune(frame)


@both
@ways
@pytest.mark.rule("H22")
def test_what_waits_behind_speech_stays_there(options: Any, direct: bool) -> None:
    call = FunctionCallInProgressFrame("book", "call_1", {})
    start, *tokens, end = response("One two.")
    others = [call, end, TextFrame("x")]
    trace = killed([start, *tokens, *others, Sleep(0.2), KILL], direct=direct, **options)
    assert list(trace.down[-3:]) == others


@both
@ways
@pytest.mark.rule("H22")
def test_a_session_that_ends_meanwhile_ends_behind_the_rest(options: Any, direct: bool) -> None:
    for moment in (0.05, 0.25, 1.0):
        trace = killed([*response(ANSWER), EndFrame(), Sleep(moment), KILL], direct=direct, paces=True, **options)
        assert (" ".join(words(trace.down)), trace.ended) == (ANSWER, "ended"), moment


@actor
class Drops(ScriptedTTS):
    """A service whose connection is lost when it is told so."""

    @on(TextFrame)
    def drop(self, frame: TextFrame) -> None:
        if type(frame) is TextFrame:
            self.hand_in(None, Failure("the connection was closed"))


@both
@pytest.mark.parametrize("in_contexts", [False, True])
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.25, 0.7])
@pytest.mark.rule("H31")
def test_a_connection_that_is_lost_costs_no_word_either(moment: float, in_contexts: bool, direct: bool) -> None:
    tts = Drops(name="tts", paced=True, in_contexts=in_contexts)
    start, *tokens, end = response("One two three. Four.")
    script: list[Item] = [start, *tokens, end, Sleep(moment), LLMTextFrame(""), TextFrame("now")]
    trace = play(Pipeline(tts), script, direct=direct)
    assert " ".join(words(trace.down)) == "One two three. Four."
    assert brackets_are_whole(trace.down)
    assert errors(trace) == ["tts: the connection was closed"]
    assert trace.failures == ()


# ---- any moment

PARTS = st.one_of(
    st.sampled_from([ANSWER, "Ten. Eleven", "kill", "kill"]), st.sampled_from([0.0, 0.05, 0.13, 0.3, 0.77, 1.9])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PARTS, max_size=14), st.sampled_from(WAYS), st.booleans(), st.booleans(), st.integers(0, 3))
def test_whenever_it_is_killed_all_is_told_once(
    plan: list[str | float], options: Any, paces: bool, direct: bool, seed: int
) -> None:
    script: list[Item] = []
    for part in plan:
        match part:
            case float(seconds):
                script.append(Sleep(seconds))
            case "kill":
                script += [KILL, Sleep(10)]  # so that a supervisor doesn't have enough of it
            case str(answer):
                script += response(answer)
    trace = killed(script, direct=direct, paces=paces, seed=seed, **options)
    assert " ".join(words(trace.down)) == " ".join(part for part in plan if isinstance(part, str) and part != "kill")
    assert brackets_are_whole(trace.down)


@pytest.mark.parametrize("options", WAYS, ids=NAMES)
def test_each_delivery_may_be_its_last(options: Any) -> None:
    script: list[Item] = [*response(ANSWER), TTSSpeakFrame("Ten eleven."), *response("Twelve.")]
    deliveries = len(killed(script, **options).handled_by("tts"))
    for at in range(1, deliveries + 1):
        trace = killed([*script, Kill("tts", at=at)], **options)
        assert " ".join(words(trace.down)) == f"{ANSWER} Ten eleven. Twelve.", at
        assert brackets_are_whole(trace.down), at


# ---- where it is cut

CONTEXT = SpeechContext("c", 0)


def unit(text: str, speech: str | None = None) -> SpeechUnit:
    return SpeechUnit("u", CONTEXT, text, text if speech is None else speech, "u")


def test_the_rest_begins_with_the_first_word_whose_sound_had_not_all_left() -> None:
    opened = OpenContext(CONTEXT, 1000, 400)
    said = Said("u", samples=400, place=7, told=7, last_place=3, next_start=None)
    rest = cut_after_said(unit("One two three."), said, opened.samples)
    assert rest is not None
    assert (rest.text, rest.before, rest.told) == ("two three.", "One ", 3)
    whole = cut_after_said(unit("One two three."), Said("u", place=7, told=7, last_place=3, next_start=400), 400)
    assert whole is not None
    assert (whole.text, whole.before, whole.told) == ("three.", "One two ", 0)
    assert cut_after_said(unit("One."), Said("u", place=4, told=4, next_start=9), 9) is None


def test_without_word_times_the_rest_begins_at_the_nearest_word() -> None:
    number, heard, rest = cut_by_duration([unit("abc def ghi"), unit("x")], 1.0, characters_per_second=6.0)
    assert (number, heard, rest and rest.text) == (0, "abc def", "ghi")
    number, heard, rest = cut_by_duration([unit("abc"), unit("def ghi")], 1.0, characters_per_second=6.0)
    assert (number, heard, rest and rest.text) == (1, "def", "ghi")
    assert cut_by_duration([unit("abc")], 9.0, characters_per_second=6.0) == (0, "abc", None)

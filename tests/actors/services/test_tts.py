"""What every synthesiser does, by one that follows a script: what it says, and where that stands among what others send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from antiphon import Actor, Address, ConfigurationError, Pipeline, actor, on
from antiphon.actors import Effects, Fire, To, Up
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.services.speech_units import SpeechUnit
from antiphon.actors.services.text_aggregation import Pattern, PatternAggregator, PatternMatch
from antiphon.actors.services.text_filters import MarkdownFilter
from antiphon.channels import (
    AggregatedTextFrame,
    AggregatedTextProgressFrame,
    BotBackchannelFrame,
    EndFrame,
    Frame,
    FunctionCallInProgressFrame,
    HeardFrame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    MetricsData,
    MetricsFrame,
    ProcessingMetricsData,
    TextAggregationMetricsData,
    TextFrame,
    TranscriptionFrame,
    TTFAMetricsData,
    TTFBMetricsData,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
    TTSUsageMetricsData,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from tests.actors.services.voices import (
    both,
    errors,
    response,
    shape,
    shown,
    sounds,
    speak,
    times,
    voice,
    words,
    words_heard,
)

CALL = FunctionCallInProgressFrame("book", "call_1", {})
START, END = LLMFullResponseStartFrame(), LLMFullResponseEndFrame()


@attrs.frozen
class Settings:
    """Of a service, as its own value."""

    voice: str | None = None
    rate: int | None = None


@actor
class Records(ScriptedTTS):
    """Writes down what it is asked for, and in which voice."""

    asked_for: Callable[[tuple[str, object]], None] = print

    def ask(self, unit: SpeechUnit) -> None:
        self.asked_for((unit.speech, unit.settings.get("voice")))
        super().ask(unit)


@attrs.frozen
class Ask:
    """To `Asks`: send it now."""


@actor
class Asks(Actor):
    """Sends a frame upstream."""

    what: Frame

    @on(Ask)
    def ask(self, message: Ask) -> Effects:
        return Up(self.what)


# ---- text in


@both
@pytest.mark.rule("H1")
def test_a_sentence_is_asked_for_when_its_end_is_certain_and_the_rest_with_the_response(direct: bool) -> None:
    start, *tokens, end = response("It is. Over now")
    trace = speak([start, *tokens[:2], Sleep(1), tokens[2], Sleep(1), tokens[3], Sleep(1), end], direct=direct)
    assert words_heard(trace) == [(1.1, "It"), (1.1, "is."), (3.1, "Over"), (3.1, "now")]


@both
@pytest.mark.rule("H1")
@pytest.mark.parametrize("last", [END, CALL, EndFrame()], ids=["end", "call", "EndFrame"])
def test_what_is_gathered_is_said_when_no_more_comes(last: Frame, direct: bool) -> None:
    trace = speak([START, LLMTextFrame("One moment"), last], direct=direct)
    assert words(trace.down) == ["One", "moment"]
    assert last is trace.down[-1] or trace.ended == "ended"


@both
@pytest.mark.rule("H2")
def test_tokens_are_asked_for_as_they_come_and_told_by_sentence(direct: bool) -> None:
    start, *tokens, end = response(" \n Hello you. And me.")
    trace = speak(
        [start, *(each for token in tokens for each in (token, Sleep(1))), end],
        text_aggregation="token",
        in_contexts=True,
        direct=direct,
    )
    assert words_heard(trace) == [(2.1, "Hello"), (3.1, "you."), (4.1, "And"), (5.1, "me.")]
    assert [unit.text for unit in shown(trace.down)] == ["Hello you.", "And me."]
    assert len({frame.segment_id for frame in trace.down if isinstance(frame, TTSTextFrame)}) == 2


@both
@pytest.mark.rule("H2", "H7")
def test_speech_between_tokens_ends_their_sentence(direct: bool) -> None:
    start, *tokens, end = response("One two three four.")
    trace = speak(
        [start, *tokens[:2], TTSSpeakFrame("Wait."), *tokens[2:], end],
        text_aggregation="token",
        in_contexts=True,
        direct=direct,
    )
    assert words(trace.down) == ["One", "two", "Wait.", "three", "four."]


@pytest.mark.rule("H2")
def test_tokens_are_only_for_services_that_take_text_in_pieces() -> None:
    with pytest.raises(ConfigurationError, match="whole units"):
        voice(text_aggregation="token")


@both
@pytest.mark.rule("H3", "H8")
@pytest.mark.parametrize("text", ["", " ", "\n\n", "***", "<br/>"])
def test_of_text_in_which_nothing_is_to_be_said_nothing_comes(text: str, direct: bool) -> None:
    trace = speak(
        [*response(text), TTSSpeakFrame(text), TextFrame("x")], text_filters=[MarkdownFilter()], direct=direct
    )
    assert shape(trace.down) == ["LLMFullResponseStart", "LLMFullResponseEnd", "Text"]
    assert errors(trace) == []


SKIPPED = PatternAggregator((Pattern("code", "<code>", "</code>", "aggregate"), Pattern("note", "[", "]", "remove")))


@both
@pytest.mark.rule("H5")
def test_text_of_a_type_that_is_skipped_is_shown_in_its_place_and_not_said(direct: bool) -> None:
    trace = speak(
        response("Look: <code>x = 1</code> There it is."),
        aggregator=SKIPPED,
        skip_text_types=["code"],
        direct=direct,
    )
    assert words(trace.down) == ["Look:", "There", "it", "is."]
    place = next(place for place, frame in enumerate(trace.down) if shown([frame]) and frame.skip_tts)  # type: ignore[attr-defined]  # a text
    code = trace.down[place]
    assert isinstance(code, AggregatedTextFrame)
    assert (code.text, code.text_type, code.raw_text, code.append_to_context) == (
        *("x = 1", "code", "<code>x = 1</code>"),
        True,
    )
    assert (words(trace.down[:place]), words(trace.down[place:])) == (["Look:"], ["There", "it", "is."])


@both
@pytest.mark.rule("H5")
def test_skipped_text_before_which_nothing_is_said_is_shown_at_once(direct: bool) -> None:
    trace = speak(response("<code>x</code> So."), aggregator=SKIPPED, skip_text_types=["code"], direct=direct)
    assert times(trace, AggregatedTextFrame)[0] == 0.0
    assert shown(trace.down)[0].text_type == "code"


@both
@pytest.mark.rule("H4")
def test_what_stands_between_marks_is_told_as_an_event(direct: bool) -> None:
    trace = speak(response("Yes [sad] <code>x</code>."), aggregator=SKIPPED, direct=direct)
    assert words(trace.down) == ["Yes", "x", "."]
    told = [event.payload for event in trace.events]
    assert told == [(PatternMatch("note", "sad", "[sad]"),), (PatternMatch("code", "x", "<code>x</code>"),)]
    assert Fire("on_text_matched").name in voice().events


@both
@pytest.mark.rule("H6")
def test_what_is_changed_for_the_voice_is_shown_and_written_as_it_was(direct: bool) -> None:
    trace = speak(
        response("**Pay** $5 [here](http://x.y)."),
        text_filters=[MarkdownFilter()],
        text_transforms={"*": lambda text: text.replace("$5", "five dollars")},
        direct=direct,
    )
    assert [name for name, _ in sounds(trace.down, "Pay", "five", "dollars", "here.")] == [
        *["Pay", "five", "dollars", "here."]
    ]
    assert words(trace.down) == ["**Pay**", "$5", "[here](http://x.y)."]
    assert [unit.text for unit in shown(trace.down)] == ["**Pay** $5 [here](http://x.y)."]


@both
@pytest.mark.rule("H7")
def test_an_answer_that_is_not_to_be_spoken_waits_behind_speech_and_comes_in_order(direct: bool) -> None:
    silent = [
        LLMFullResponseStartFrame(skip_tts=True),
        LLMTextFrame("Only read.", skip_tts=True),
        LLMTextFrame(" this"),
        LLMFullResponseEndFrame(skip_tts=True),
    ]
    script = response("Hear me.")
    trace = speak([(*script, *silent)], direct=direct)
    assert words(trace.down) == ["Hear", "me."]
    assert list(trace.down[-len(silent) :]) == silent
    assert list(speak(silent, direct=direct).down) == silent


@both
@pytest.mark.rule("H7")
def test_what_the_user_said_is_not_spoken(direct: bool) -> None:
    trace = speak([TranscriptionFrame("Hello."), TextFrame("There.")], direct=direct)
    assert shape(trace.down) == ["Transcription", "Text"]


@both
@pytest.mark.rule("H7", "H20", "H21")
def test_speech_in_the_middle_of_a_response_has_a_context_of_its_own_in_its_place(direct: bool) -> None:
    start, *tokens, end = response("One two. Three four. Five")
    trace = speak([start, *tokens[:3], TTSSpeakFrame("Wait."), *tokens[3:], end], direct=direct)
    assert words(trace.down) == ["One", "two.", "Wait.", "Three", "four.", "Five"]
    spoken = ["TTSStarted", *["TTSText", "TTSAudio"] * 2]
    assert shape(trace.down) == [
        "LLMFullResponseStart",
        *[*spoken, "TTSStopped"],
        *["TTSStarted", "TTSText", "TTSAudio", "TTSStopped"],
        *[*spoken, *["TTSText", "TTSAudio"], "TTSStopped"],
        "LLMFullResponseEnd",
    ]
    assert len({frame.context_id for frame in trace.down if isinstance(frame, TTSStartedFrame)}) == 3


@both
def test_a_unit_that_was_cut_out_before_is_said_as_it_is(direct: bool) -> None:
    given_unit = AggregatedTextFrame("Hi. You.", text_type="greeting")
    trace = speak([START, LLMTextFrame("Well"), given_unit, LLMTextFrame("Bye."), END], direct=direct)
    assert [(unit.text, unit.text_type) for unit in shown(trace.down)] == [
        *[("Well", "sentence"), ("Hi. You.", "greeting"), ("Bye.", "sentence")]
    ]


# ---- order out


@both
@pytest.mark.rule("H20", "H24")
def test_a_response_is_one_context_whose_units_are_shown_before_they_are_said(direct: bool) -> None:
    trace = speak(response("Hello you. Bye."), direct=direct)
    kinds = [type(frame).__name__ for frame in trace.down if not isinstance(frame, TTSAudioRawFrame)]
    progress = "AggregatedTextProgressFrame"
    assert kinds == [
        "LLMFullResponseStartFrame",
        *["AggregatedTextFrame", "TTSStartedFrame", "TTSTextFrame", progress, "TTSTextFrame", progress],
        *["AggregatedTextFrame", "TTSTextFrame", progress, "TTSStoppedFrame"],
        "LLMFullResponseEndFrame",
    ]
    assert all(unit.will_be_spoken and not unit.append_to_context for unit in shown(trace.down))
    ids = {getattr(frame, "context_id", "none") for frame in trace.down} - {"none"}
    assert len(ids) == 1


@both
@pytest.mark.rule("H20", "H22")
def test_a_call_ends_the_context_and_stands_behind_it(direct: bool) -> None:
    trace = speak([START, LLMTextFrame("One moment."), CALL, LLMTextFrame("Thanks."), END], direct=direct)
    spoken = ["TTSStarted", "TTSText", "TTSAudio"]
    assert shape(trace.down) == [
        "LLMFullResponseStart",
        *[*spoken, "TTSText", "TTSAudio", "TTSStopped"],
        "FunctionCallInProgress",
        *[*spoken, "TTSStopped"],
        "LLMFullResponseEnd",
    ]


@both
@pytest.mark.rule("H20")
def test_each_unit_may_have_a_context_of_its_own(direct: bool) -> None:
    trace = speak(response("One. Two."), reuse_context_id_within_turn=False, direct=direct)
    assert [type(f) for f in trace.down if isinstance(f, (TTSStartedFrame, TTSStoppedFrame))] == [
        *[TTSStartedFrame, TTSStoppedFrame] * 2
    ]


@both
@pytest.mark.rule("H21")
@pytest.mark.parametrize("in_contexts", [False, True])
def test_contexts_play_in_the_order_of_request_though_the_later_one_is_quicker(in_contexts: bool, direct: bool) -> None:
    script = [TTSSpeakFrame("A very long one."), TTSSpeakFrame("Short.")]
    trace = speak([tuple(script)], paced=True, in_contexts=in_contexts, direct=direct)
    assert words(trace.down) == ["A", "very", "long", "one.", "Short."]
    open_id = None
    for frame in trace.down:
        if isinstance(frame, TTSStartedFrame):
            assert open_id is None
            open_id = frame.context_id
        elif isinstance(frame, TTSStoppedFrame):
            assert frame.context_id == open_id
            open_id = None
        elif isinstance(frame, (TTSTextFrame, TTSAudioRawFrame)):
            assert frame.context_id == open_id


@both
@pytest.mark.rule("H22")
@pytest.mark.parametrize("paces", [False, True])
def test_frames_of_others_keep_their_place_among_contexts(paces: bool, direct: bool) -> None:
    first, second = TextFrame("first"), TextFrame("second")
    trace = speak(
        [(*response("One two."), first, TTSSpeakFrame("Three."), second, EndFrame())], paces=paces, direct=direct
    )
    order = [f.text for f in trace.down if isinstance(f, TTSTextFrame) or f in (first, second)]
    assert order == ["One", "two.", "first", "Three.", "second"]
    assert trace.ended == "ended"


@both
@pytest.mark.rule("H21", "H22")
def test_a_frame_of_others_in_the_middle_of_a_response_waits_for_the_end_of_its_context(direct: bool) -> None:
    start, *tokens, end = response("One two. Three four.")
    other = TextFrame("other")
    trace = speak([start, *tokens[:3], other, Sleep(0.5), *tokens[3:], end], direct=direct)
    assert shape(trace.down)[-3:] == ["TTSStopped", "Text", "LLMFullResponseEnd"]
    assert words(trace.down) == ["One", "two.", "Three", "four."]


@both
@pytest.mark.rule("H22")
def test_what_goes_up_and_what_overtakes_pass_at_once(direct: bool) -> None:
    """Something asked for behind the voice is answered while it speaks."""
    heard = HeardFrame(0)
    script: list[Item] = [*response("One two."), Sleep(0.2), To(Address("asks"), Ask()), Sleep(0.2), MetricsFrame(())]
    trace = play(Pipeline(voice(paced=True), Asks(heard, name="asks")), script, direct=direct)
    assert [each.time for each in trace.deliveries if each.frame == heard and each.receiver.name == "source"] == [0.2]
    assert times(trace, MetricsFrame) == [0.4]
    assert times(trace, TTSStoppedFrame) == [0.7]


@both
@pytest.mark.rule("H23")
def test_without_word_times_a_units_text_stands_behind_its_sound(direct: bool) -> None:
    trace = speak(response("Hello you. Bye now."), word_times=False, direct=direct)
    assert shape(trace.down)[1:-1] == ["TTSStarted", *["TTSAudio", "TTSText"] * 2, "TTSStopped"]
    told = [frame for frame in trace.down if isinstance(frame, TTSTextFrame)]
    assert [(frame.text, frame.offset_ns) for frame in told] == [("Hello you.", None), ("Bye now.", None)]


@both
@pytest.mark.rule("H24")
@pytest.mark.parametrize("in_contexts", [False, True])
def test_each_word_has_its_place_in_the_sound_of_its_context(in_contexts: bool, direct: bool) -> None:
    trace = speak([Sleep(2), *response("Hello my friend. And you?")], in_contexts=in_contexts, direct=direct)
    told = [frame for frame in trace.down if isinstance(frame, TTSTextFrame)]
    assert [(frame.text, frame.offset_ns) for frame in told] == [
        *[("Hello", 0), ("my", 300_000_000), ("friend.", 600_000_000), ("And", 900_000_000), ("you?", 1_200_000_000)]
    ]
    assert [frame.pts for frame in told] == [2_100_000_000 + (frame.offset_ns or 0) for frame in told]


@both
@pytest.mark.rule("H24")
def test_words_of_the_next_context_come_when_the_sound_of_this_one_is_over(direct: bool) -> None:
    trace = speak([(TTSSpeakFrame("One two."), TTSSpeakFrame("Three."))], direct=direct)
    assert [frame.pts for frame in trace.down if isinstance(frame, TTSTextFrame)] == [
        *[100_000_000, 400_000_000, 700_000_000]
    ]
    assert [frame.offset_ns for frame in trace.down if isinstance(frame, TTSTextFrame)] == [0, 300_000_000, 0]


@both
@pytest.mark.rule("H24")
def test_words_wait_for_their_sound(direct: bool) -> None:
    trace = speak(response("One two."), paced=True, direct=direct)
    assert words_heard(trace) == [(0.1, "One"), (0.4, "two.")]


@both
@pytest.mark.rule("H24")
@pytest.mark.parametrize("word_times", [True, False])
def test_what_was_said_of_a_sentence_and_what_is_left_are_the_sentence(word_times: bool, direct: bool) -> None:
    trace = speak(response("Hello my friend. Bye."), word_times=word_times, direct=direct)
    progress = [frame for frame in trace.down if isinstance(frame, AggregatedTextProgressFrame)]
    told = [frame for frame in trace.down if isinstance(frame, TTSTextFrame)]
    assert [frame.segment_id for frame in progress] == [frame.segment_id for frame in told]
    assert all(frame.accumulated_text + frame.remaining_text == frame.text for frame in progress)
    assert {frame.text for frame in progress} == {"Hello my friend.", "Bye."}
    assert all(frame.accumulated_text.endswith(word.text) for frame, word in zip(progress, told, strict=True))


@both
@pytest.mark.rule("H25")
@pytest.mark.parametrize("in_contexts", [False, True])
def test_words_that_the_service_loses_are_told_all_the_same(in_contexts: bool, direct: bool) -> None:
    trace = speak(
        response("One two three. Four five."), loses=["two", "three.", "five."], in_contexts=in_contexts, direct=direct
    )
    assert " ".join(words(trace.down)) == "One two three. Four five."


@both
@pytest.mark.rule("H25")
def test_languages_without_spaces_bring_their_own(direct: bool) -> None:
    trace = speak(response("你好。再见。"), direct=direct)
    told = [frame for frame in trace.down if isinstance(frame, TTSTextFrame)]
    assert all(frame.includes_inter_frame_spaces for frame in told)
    assert "".join(frame.text for frame in told) == "你好。再见。"


TEXT = st.lists(
    st.sampled_from(["one", "two", "three.", "four,", "five!", "six-seven", "(eight)", "Dr.", "$9.50"]),
    min_size=1,
    max_size=12,
)


@pytest.mark.rule("H26")
@settings(max_examples=40, deadline=None)
@given(TEXT, st.booleans(), st.booleans(), st.booleans(), st.sets(st.sampled_from(["one", "two", "three.", "(eight)"])))
def test_the_words_of_a_response_are_its_text(
    text: list[str], word_times: bool, in_contexts: bool, paces: bool, lost: set[str]
) -> None:
    trace = speak(
        response(" ".join(text)), word_times=word_times, in_contexts=in_contexts, loses=sorted(lost), paces=paces
    )
    assert "".join(" ".join(words(trace.down)).split()) == "".join(text)
    assert shape(trace.down)[-2:] == ["TTSStopped", "LLMFullResponseEnd"]


@both
@pytest.mark.rule("H27")
@pytest.mark.parametrize("in_contexts", [False, True])
def test_a_context_of_which_nothing_comes_for_too_long_is_complete(in_contexts: bool, direct: bool) -> None:
    trace = speak(response("One two."), hangs_at="two.", in_contexts=in_contexts, direct=direct)
    assert words(trace.down) == ["One", "two."]
    assert times(trace, TTSStoppedFrame) == [3.1]
    assert times(trace, LLMFullResponseEndFrame) == [3.1]


@both
@pytest.mark.rule("H27")
def test_a_response_that_goes_on_too_late_goes_on_in_another_context(direct: bool) -> None:
    trace = speak(
        [START, LLMTextFrame("One. "), LLMTextFrame("Two"), Sleep(5), LLMTextFrame(" three."), END], direct=direct
    )
    assert times(trace, TTSStoppedFrame) == [3.1, 5.1]
    assert words(trace.down) == ["One.", "Two", "three."]


@both
@pytest.mark.rule("H27")
def test_sound_that_comes_after_all_is_said_in_another_context(direct: bool) -> None:
    trace = speak([*response("One two."), Sleep(10), EndFrame()], first_audio_secs=5.0, direct=direct)
    assert times(trace, TTSStoppedFrame) == [3.0, 5.0]
    assert words_heard(trace) == [(5.0, "One"), (5.0, "two.")]
    assert sounds(trace.down, "One", "two.") == [("One", 0.3), ("two.", 0.3)]
    assert len(errors(trace)) == 1


# ---- speak frames


@both
@pytest.mark.rule("H28")
def test_speech_outside_a_response_is_written_when_it_was_said(direct: bool) -> None:
    trace = speak([TTSSpeakFrame("Hello you.")], direct=direct)
    assert shape(trace.down)[-2:] == ["TTSStopped", "LLMAssistantPushAggregation"]
    inside = speak([START, TTSSpeakFrame("Hello."), END], direct=direct)
    assert not any(isinstance(frame, LLMAssistantPushAggregationFrame) for frame in inside.down)


@both
@pytest.mark.rule("H28")
def test_speech_that_is_not_to_be_written_says_so(direct: bool) -> None:
    trace = speak([TTSSpeakFrame("Hello you.", append_to_context=False)], direct=direct)
    marks = [f.append_to_context for f in trace.down if isinstance(f, (TTSStartedFrame, TTSTextFrame))]
    assert marks == [False, False, False]
    assert not any(isinstance(frame, LLMAssistantPushAggregationFrame) for frame in trace.down)


@both
def test_a_backchannel_is_spoken_and_not_written(direct: bool) -> None:
    trace = speak([BotBackchannelFrame("Mhm.")], direct=direct)
    assert [(unit.text, unit.text_type) for unit in shown(trace.down)] == [("Mhm.", "backchannel")]
    assert [f.append_to_context for f in trace.down if isinstance(f, TTSTextFrame)] == [False]


# ---- errors


@both
@pytest.mark.rule("H29")
def test_silent_contexts_are_errors_and_too_many_in_a_row_are_the_end_of_it(direct: bool) -> None:
    script = [TTSSpeakFrame("Quiet."), TTSSpeakFrame("Loud.")] * 2 + [TTSSpeakFrame("Quiet.")] * 3
    trace = speak([*script, TTSSpeakFrame("Loud.")], silent_at=["Quiet."], direct=direct)
    assert len(errors(trace)) == 5 + 1
    assert "isn't asked any more" in errors(trace)[-1]
    assert words(trace.down) == ["Loud.", "Loud."]
    never = speak([TTSSpeakFrame("Quiet.")] * 5, silent_at=["Quiet."], max_consecutive_zero_audio_contexts=0)
    assert len(errors(never)) == 5


@both
@pytest.mark.rule("H30")
@pytest.mark.parametrize("options", [{}, {"silent_at": ["One", "two."]}, {"fails_at": "two."}])
def test_behind_a_response_nothing_more_is_taken_while_contexts_are_open(options: Any, direct: bool) -> None:
    script = [*response("One two."), *response("Three.")]
    trace = speak([tuple(script)], paced=True, pause_frame_processing=True, direct=direct, **options)
    begun = [each.time for each in trace.deliveries if each.frame == START and each.receiver.name == "tts"]
    assert begun[1] == times(trace, TTSStoppedFrame)[0]
    assert words(trace.down)[-1] == "Three."


@both
@pytest.mark.rule("H31")
@pytest.mark.parametrize("in_contexts", [False, True])
def test_what_fails_ends_its_context_and_what_follows_is_said_in_another(in_contexts: bool, direct: bool) -> None:
    trace = speak(
        response("One two bad three. Four."), fails_at="bad", in_contexts=in_contexts, paced=True, direct=direct
    )
    assert words(trace.down) == ["One", "two", "Four."]
    assert shape(trace.down) == [
        "LLMFullResponseStart",
        *["TTSStarted", "TTSText", "TTSAudio", "TTSText", "TTSAudio", "TTSStopped"],
        *["TTSStarted", "TTSText", "TTSAudio", "TTSStopped"],
        "LLMFullResponseEnd",
    ]
    assert errors(trace) == ["tts: it can't say 'bad'"]


@both
@pytest.mark.rule("H31")
def test_of_a_service_that_is_of_no_use_only_brackets_are_left(direct: bool) -> None:
    trace = speak(
        [*response("One bad. Two."), Sleep(1), *response("Three."), TTSSpeakFrame("Four.")],
        fails_at="bad.",
        fails_for_good=True,
        paced=True,
        direct=direct,
    )
    assert words(trace.down) == ["One"]
    assert shape(trace.down)[-4:] == ["TTSStopped", "LLMFullResponseEnd", "LLMFullResponseStart", "LLMFullResponseEnd"]
    assert len(errors(trace)) == 2


# ---- settings


@both
@pytest.mark.rule("H32")
def test_settings_hold_for_what_is_asked_later_and_those_of_others_pass(direct: bool) -> None:
    mine = TTSUpdateSettingsFrame(settings={"voice": "b"})
    by_name = TTSUpdateSettingsFrame(Settings(voice="c"), service=Address("tts"))
    others = [TTSUpdateSettingsFrame(settings={"voice": "x"}, service="other"), LLMUpdateSettingsFrame()]
    script = [(TTSSpeakFrame("One."), mine, TTSSpeakFrame("Two."), by_name, *others, TTSSpeakFrame("Three."))]
    asked: list[tuple[str, object]] = []
    trace = play(Pipeline(Records(asked.append, name="tts")), script, direct=direct)
    assert asked == [("One.", None), ("Two.", "b"), ("Three.", "c")]
    assert [frame for frame in trace.down if isinstance(frame, (TTSUpdateSettingsFrame, LLMUpdateSettingsFrame))] == [
        *others
    ]


# ---- what is measured


@actor
class OneByOne(ScriptedTTS):
    """Asks for a unit when the one before has been said; what it has said, it can say again."""

    ahead: ClassVar[int | None] = 1
    is_repeatable: ClassVar[bool] = True


def measured(script: list[Item], tts: ScriptedTTS | None = None, *, direct: bool = True) -> list[MetricsData]:
    """What is told of times and usage in a session that wants both."""
    pipeline = Pipeline(tts or voice())
    trace = play(pipeline, script, direct=direct, enable_metrics=True, enable_usage_metrics=True, limit=60)
    return [data for frame in trace.down if isinstance(frame, MetricsFrame) for data in frame.data]


@both
@pytest.mark.rule("J42", "J43")
def test_each_request_is_measured_with_its_characters_and_of_a_response_how_long_its_first_sentence_took(
    direct: bool,
) -> None:
    script: list[Item] = [START, LLMTextFrame("It"), Sleep(0.25), LLMTextFrame(" is. Now"), LLMTextFrame(" go."), END]
    assert measured(script, OneByOne(paced=True, name="tts"), direct=direct) == [
        TextAggregationMetricsData("tts", 0.25),
        TTSUsageMetricsData("tts", 6),
        TTFBMetricsData("tts", 0.1),
        TTFAMetricsData("tts", 0.1, 0.0),
        ProcessingMetricsData("tts", 0.7),
        TTSUsageMetricsData("tts", 7),
        TTFBMetricsData("tts", 0.1),
        TTFAMetricsData("tts", 0.1, 0.0),
        ProcessingMetricsData("tts", 0.7),
    ]


@both
@pytest.mark.rule("J42", "J43")
def test_a_stream_for_a_context_is_one_request_whose_characters_are_those_of_all_its_units(direct: bool) -> None:
    script: list[Item] = [*response("It is. Now go."), Sleep(3)]
    for how in ("sentence", "token"):
        found = measured(script, voice(in_contexts=True, text_aggregation=how), direct=direct)
        kinds = [type(data) for data in found]
        assert [kinds.count(each) for each in (TTFBMetricsData, TTFAMetricsData, ProcessingMetricsData)] == [1, 1, 1]
        assert sum(data.value for data in found if isinstance(data, TTSUsageMetricsData)) == len("It is.Now go.")


@both
@pytest.mark.rule("J42")
def test_a_request_that_was_interrupted_before_its_sound_has_no_values(direct: bool) -> None:
    script: list[Item] = [*response("One."), Sleep(0.05), InterruptionFrame(), Sleep(1), *response("Two."), Sleep(1)]
    kinds = [type(data) for data in measured(script, direct=direct)]
    assert kinds.count(TTFBMetricsData) == kinds.count(TTFAMetricsData) == kinds.count(ProcessingMetricsData) == 1


@pytest.mark.rule("J42")
def test_a_request_that_is_made_again_in_the_middle_of_its_sound_has_no_values() -> None:
    script: list[Item] = [*response("One two three four."), Sleep(0.6), Kill("tts"), Sleep(5)]
    kinds = [type(data) for data in measured(script, OneByOne(paced=True, name="tts"))]
    assert kinds.count(TTFBMetricsData) == 1
    assert kinds.count(ProcessingMetricsData) == 0


@both
@pytest.mark.rule("J43")
@pytest.mark.parametrize("cut", [[InterruptionFrame()], [END], [START]], ids=["interrupted", "ended", "replaced"])
def test_the_time_to_a_first_sentence_is_that_of_its_own_response(cut: list[Frame], direct: bool) -> None:
    before: list[Item] = [START, LLMTextFrame("It"), Sleep(0.75), *cut]
    script: list[Item] = [*before, START, LLMTextFrame("We"), Sleep(0.25), LLMTextFrame(" go. Now"), END, Sleep(1)]
    gathered = [data for data in measured(script, direct=direct) if isinstance(data, TextAggregationMetricsData)]
    assert gathered[-1] == TextAggregationMetricsData("tts", 0.25)


@pytest.mark.rule("J43")
def test_a_synthesis_measures_nothing_that_nobody_wants() -> None:
    assert not [frame for frame in speak(response("One.")).down if isinstance(frame, MetricsFrame)]

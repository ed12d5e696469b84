"""Text at the output: when it goes on, and what of it was heard where words have no times."""

from __future__ import annotations

import pytest

from antiphon import Actor, Immune, Pipeline, actor, on
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    AggregatedTextProgressFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMTextFrame,
    OutputImageRawFrame,
    OutputTransportMessageFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from tests.actors.notes import both
from tests.actors.transports.speech import (
    RATE,
    Device,
    at_once,
    audio,
    brackets,
    heard_of,
    leaving,
    of_kind,
    only,
    run,
    synthesis,
    unit,
    untimed,
    word,
    words_of,
)

STARTED, STOPPED = BotStartedSpeakingFrame, BotStoppedSpeakingFrame
SENTENCE = "I can offer you a table for two."
"""Thirty-two characters; at fifteen a second they take 2.13 s."""


def at(text: str, seconds: float, *, context: str | None = "a") -> TTSTextFrame:
    """A word with a moment on the session's clock."""
    return TTSTextFrame(text, context_id=context, pts=round(seconds * 1e9))


def spoken(text: str, seconds: float, *, context: str = "a") -> list[Frame]:
    """A unit without word times, as a synthesiser sends it: announced, its sound, itself."""
    return [
        unit(text, context=context),
        *audio(seconds, context=context, piece=0.1 if seconds < 1 else 0.8),
        untimed(text, context=context),
    ]


# ---- behind the sound


@pytest.mark.rule("I4", "I6")
def test_text_without_times_goes_on_when_the_sound_before_it_is_over() -> None:
    trace = run(at_once(*spoken("One.", 0.1), *spoken("Two.", 0.1), TTSStoppedFrame("a")))
    assert words_of(trace) == [(0.1, "One."), (0.2, "Two.")]


@pytest.mark.rule("I4")
def test_text_that_is_not_spoken_keeps_its_place_behind_the_sound() -> None:
    trace = run(at_once(*audio(0.1), LLMTextFrame("code", skip_tts=True)))
    assert only(trace, LLMTextFrame)[0] == 0.1


@pytest.mark.rule("I31")
def test_what_has_gone_on_is_immune() -> None:
    trace = run(
        [
            *at_once(word("timed", 0.0), *audio(0.02)),
            *at_once(untimed("untimed"), TextFrame("plain")),
            at("moment", 0.0),
        ]
    )
    immune = {
        each.frame.text: each.immune
        for each in trace.deliveries
        if each.receiver.name == "sink" and isinstance(each.frame, TextFrame)
    }
    assert immune == {"timed": True, "untimed": True, "plain": True, "moment": True}


def test_what_the_user_types_overtakes() -> None:
    trace = run(at_once(*audio(0.2), InputTextRawFrame("hi")))
    assert only(trace, InputTextRawFrame)[0] == 0.0


def test_progress_goes_on_with_the_word_that_it_tells_of() -> None:
    progress = AggregatedTextProgressFrame("s", "a", accumulated_text="one", remaining_text="two")
    trace = run(at_once(TTSStartedFrame("a"), word("one", 0.05), progress, word("two", 0.1), *audio(0.2)))
    assert leaving(trace, TTSTextFrame, AggregatedTextProgressFrame)[:2] == [
        (0.04, word("one", 0.05)),
        (0.04, progress),
    ]


# ---- moments on the session's clock


@pytest.mark.rule("I31a")
def test_a_word_with_a_moment_waits_for_it_and_for_its_speech() -> None:
    script: list[Item] = [Sleep(1.0), *at_once(at("early", 0.5), at("on time", 1.35), TTSStartedFrame("a")), Sleep(0.3)]
    trace = run([*script, *at_once(*audio(0.5))])
    assert words_of(trace) == [(1.3, "early"), (1.35, "on time")]


@pytest.mark.rule("I31a")
def test_a_word_with_both_goes_by_what_was_played() -> None:
    both_times = TTSTextFrame("late", offset_ns=50_000_000, context_id="a", pts=10_000_000)
    trace = run([*at_once(TTSStartedFrame("a"), both_times, *audio(0.04)), Sleep(2.0), *at_once(*audio(0.04))])
    assert words_of(trace) == [(2.0, "late")]


@pytest.mark.rule("I31a")
def test_a_word_with_a_moment_beyond_its_speech_was_heard_with_it() -> None:
    trace = run(at_once(*synthesis(0.1, at("beyond", 5.0))))
    assert words_of(trace) == [(0.1, "beyond")]


@pytest.mark.rule("I32")
def test_frames_with_moments_go_on_in_their_order_ties_in_order_of_arrival_late_ones_at_once() -> None:
    image = OutputImageRawFrame(b"\0\0\0", (1, 1), pts=200_000_000)
    message = OutputTransportMessageFrame({"n": 1}, pts=300_000_000)
    frames = [
        TextFrame("c", pts=300_000_000),
        message,
        TextFrame("b", pts=250_000_000),
        image,
        TextFrame("late", pts=0),
    ]
    trace = run([Sleep(0.1), *at_once(*frames)])
    assert leaving(trace, TextFrame, OutputImageRawFrame, OutputTransportMessageFrame) == [
        (0.1, frames[4]),
        (0.2, image),
        (0.25, frames[2]),
        (0.3, frames[0]),
        (0.3, message),
    ]


@pytest.mark.rule("I32")
def test_moments_are_kept_while_sound_plays() -> None:
    trace = run(
        at_once(*audio(0.1), TextFrame("soon", pts=25_000_000), *audio(0.4), TextFrame("later", pts=333_000_000))
    )
    assert leaving(trace, TextFrame) == [
        (0.08, TextFrame("soon", pts=25_000_000)),
        (0.48, TextFrame("later", pts=333_000_000)),
    ]


@pytest.mark.rule("I32")
@both
def test_the_end_waits_for_all_moments(direct: bool) -> None:
    trace = run(at_once(*synthesis(0.1), TextFrame("last", pts=5_000_000_000), EndFrame()), direct=direct)
    assert leaving(trace, TextFrame) == [(5.0, TextFrame("last", pts=5_000_000_000))]
    assert trace.ended == "ended"
    assert [each.time for each in trace.deliveries if isinstance(each.frame, EndFrame)][-1] == pytest.approx(7.0)


@pytest.mark.rule("I32")
def test_at_the_end_a_word_whose_speech_never_came_was_not_heard() -> None:
    trace = run(at_once(at("never", 1.0), TextFrame("plain", pts=500_000_000), EndFrame()))
    assert [frame for _, frame in leaving(trace, TextFrame)] == [TextFrame("plain", pts=500_000_000)]
    assert trace.ended == "ended"


@pytest.mark.rule("I30", "I33")
def test_an_interruption_drops_what_waits_and_keeps_what_may_not_be_interrupted() -> None:
    firm = TTSTextFrame("firm", pts=500_000_000, interruptible=False)
    script: list[Item] = [*at_once(firm, TextFrame("gone", pts=400_000_000)), *at_once(*audio(0.02, context=None))]
    trace = run([*script, Sleep(0.1), InterruptionFrame()])
    assert leaving(trace, TextFrame) == [(0.5, firm)]


@pytest.mark.rule("I33")
def test_moments_survive_a_kill() -> None:
    trace = run([TextFrame("kept", pts=500_000_000), Sleep(0.1), Kill("output")])
    assert leaving(trace, TextFrame) == [(0.5, TextFrame("kept", pts=500_000_000))]


# ---- heard without word times


@pytest.mark.rule("E32")
@both
def test_a_unit_that_is_cut_was_heard_as_far_as_its_sound_by_fifteen_characters_a_second(direct: bool) -> None:
    script: list[Item] = [
        *at_once(unit(SENTENCE), TTSStartedFrame("a"), *audio(3.0, piece=0.1), untimed(SENTENCE)),
        Sleep(1.01),
    ]
    trace = run([*script, InterruptionFrame()], direct=direct)
    # 1.02 s are 15.3 characters: "a" begins at the sixteenth.
    assert heard_of(trace) == HeardFrame(1, (("a", 1_020_000_000),), (("a", "I can offer you"),))
    assert words_of(trace) == []


@pytest.mark.rule("E32")
def test_afterwards_the_pace_is_that_of_the_units_before() -> None:
    script: list[Item] = [
        *at_once(TTSStartedFrame("a"), *spoken(SENTENCE, 6.4), *spoken(SENTENCE, 6.4)),
        Sleep(6.4 + 1.01),
    ]
    trace = run([*script, InterruptionFrame()])
    # Five characters a second, so 5.1 of them.
    assert words_of(trace) == [(6.4, SENTENCE)]
    assert heard_of(trace).partial == (("a", "I can"),)


@pytest.mark.rule("E32")
def test_the_pace_is_of_the_session_and_survives_a_kill() -> None:
    script: list[Item] = [
        *at_once(TTSStartedFrame("a"), *spoken(SENTENCE, 6.4), TTSStoppedFrame("a")),
        Sleep(7.0),
        Kill("output"),
    ]
    again = at_once(TTSStartedFrame("b"), *spoken(SENTENCE, 6.4, context="b"))
    trace = run([*script, *again, Sleep(1.01), InterruptionFrame()])
    assert heard_of(trace).partial == (("b", "I can"),)


@pytest.mark.rule("E32")
def test_sound_that_is_at_hand_is_counted_when_it_is_longer_than_the_estimate() -> None:
    whole = TTSAudioRawFrame(bytes(2 * 8 * RATE), "a", sample_rate=RATE)
    trace = run([*at_once(unit(SENTENCE), TTSStartedFrame("a"), whole), Sleep(4.01), InterruptionFrame()])
    # Half of the eight seconds at hand.
    assert heard_of(trace).partial == (("a", "I can offer you a"),)


@pytest.mark.rule("E32", "I31")
def test_a_unit_whose_sound_was_all_handed_over_goes_on_whole_at_the_interruption() -> None:
    trace = run(
        [*at_once(unit("One."), TTSStartedFrame("a"), *audio(0.1), untimed("One.")), Sleep(0.09), InterruptionFrame()]
    )
    assert of_kind(trace, TTSTextFrame, HeardFrame)[:2] == [untimed("One."), HeardFrame(1, (("a", 100_000_000),))]


@actor
class AllImmune(Actor):
    """Sends everything so that no interruption drops it, whatever it says of itself."""

    @on(TextFrame, TTSStartedFrame, TTSAudioRawFrame)
    def send(self, frame: Frame) -> Immune:
        return Immune(frame)


@pytest.mark.rule("I31")
def test_text_that_went_on_at_an_interruption_and_was_sent_immune_goes_on_once() -> None:
    script: list[Item] = [*at_once(unit("One."), TTSStartedFrame("a"), *audio(0.1), untimed("One.")), Sleep(0.09)]
    trace = play(Pipeline(AllImmune(), AudioOutput(name="output")), [*script, InterruptionFrame()])
    assert words_of(trace) == [(0.09, "One.")]


@pytest.mark.rule("E32")
def test_text_before_its_sound_was_not_heard() -> None:
    script: list[Item] = [
        *at_once(*synthesis(0.1), unit("Two.", context="b"), untimed("Two.", context="b")),
        Sleep(0.09),
    ]
    trace = run([*script, InterruptionFrame()])
    assert words_of(trace) == []
    assert heard_of(trace).partial == ()


@pytest.mark.rule("E32")
def test_with_word_times_nothing_is_partial() -> None:
    script: list[Item] = [*at_once(unit(SENTENCE), *synthesis(2.0, word("I", 0.0), word("can", 0.5))), Sleep(1.01)]
    trace = run([*script, InterruptionFrame()])
    assert heard_of(trace) == HeardFrame(1, (("a", 1_020_000_000),))


@pytest.mark.rule("B43", "E32")
def test_cancel_tells_what_was_heard_of_a_unit() -> None:
    trace = run([*at_once(unit(SENTENCE), TTSStartedFrame("a"), *audio(3.0, piece=0.1)), Sleep(1.01), CancelFrame()])
    (heard,) = [frame for frame in trace.handled_by("sink") if isinstance(frame, HeardFrame)]
    assert heard == HeardFrame(0, (("a", 1_020_000_000),), (("a", "I can offer you"),))
    assert brackets(trace) == [(0.0, STARTED), (1.01, STOPPED)]


@pytest.mark.rule("B43")
def test_cancel_says_so_when_nothing_was_open() -> None:
    trace = run([CancelFrame()])
    assert [frame for frame in trace.handled_by("sink") if isinstance(frame, HeardFrame)] == [HeardFrame(0)]


# ---- speech that must be heard


@pytest.mark.rule("I3", "I21", "I30")
@both
def test_speech_that_must_be_heard_plays_on_through_an_interruption(direct: bool) -> None:
    device = Device()
    words = [
        word("Do", 0.0, interruptible=False),
        word("not", 0.1, interruptible=False),
        word("move.", 0.2, interruptible=False),
    ]
    speech = at_once(*synthesis(0.5, *words, interruptible=False))
    trace = run([*speech, Sleep(0.11), InterruptionFrame()], device=device, direct=direct)
    assert heard_of(trace) == HeardFrame(1, going_on=("a",))
    assert words_of(trace) == [(0.0, "Do"), (0.1, "not"), (0.2, "move.")]
    assert len(device.chunks) == 25
    assert brackets(trace) == [(0.0, STARTED), (0.5, STOPPED)]
    assert len(of_kind(trace, TTSAudioRawFrame)) == 25


@pytest.mark.rule("I30")
def test_what_is_cut_and_what_goes_on_are_told_apart() -> None:
    """The cut one hasn't stopped, and the next has begun."""
    script = at_once(TTSStartedFrame("a"), *audio(0.1), *synthesis(0.5, context="b", interruptible=False))
    trace = run([*script, Sleep(0.21), InterruptionFrame()])
    assert heard_of(trace) == HeardFrame(1, (("a", 100_000_000),), going_on=("b",))
    assert brackets(trace) == [(0.0, STARTED), (0.6, STOPPED)]


@pytest.mark.rule("I30")
def test_speech_that_must_be_heard_and_waits_behind_what_is_cut_comes_at_once() -> None:
    device = Device()
    script = at_once(*synthesis(1.0), *synthesis(0.2, context="b", value=7, interruptible=False))
    trace = run([*script, Sleep(0.11), InterruptionFrame()], device=device)
    assert brackets(trace) == [(0.0, STARTED), (0.11, STOPPED), (0.12, STARTED), (0.32, STOPPED)]
    assert [chunk[0] for _, chunk in device.chunks].count(7) == 10


@pytest.mark.rule("I3")
def test_a_chunk_that_holds_one_sample_that_must_be_heard_must_be_heard() -> None:
    device = Device()
    firm = TTSAudioRawFrame(b"\1\1" * 500, "a", sample_rate=RATE, interruptible=False)
    soft = TTSAudioRawFrame(b"\2\2" * 480, "a", sample_rate=RATE)
    trace = run([*at_once(firm, soft)], device=device)
    assert [chunk for _, chunk in device.chunks] == [b"\1\1" * 480, b"\1\1" * 20 + b"\2\2" * 460]
    passed = [
        each for each in trace.deliveries if each.receiver.name == "sink" and isinstance(each.frame, TTSAudioRawFrame)
    ]
    assert [each.immune for each in passed] == [True, True]
    assert [
        frame.interruptible for frame in of_kind(trace, TTSAudioRawFrame) if isinstance(frame, TTSAudioRawFrame)
    ] == [
        False,
        False,
    ]


@pytest.mark.rule("I3")
def test_the_end_of_a_sound_that_must_be_heard_survives_an_interruption() -> None:
    device = Device()
    firm = TTSAudioRawFrame(b"\1\1" * 500, "a", sample_rate=RATE, interruptible=False)
    script: list[Item] = [*at_once(TTSStartedFrame("a", interruptible=False), firm), Sleep(0.5), InterruptionFrame()]
    run([*script, TTSStoppedFrame("a", interruptible=False)], device=device)
    assert [chunk for _, chunk in device.chunks] == [b"\1\1" * 480, b"\1\1" * 20 + bytes(2 * 460)]

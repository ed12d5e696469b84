"""The pair in a whole cascade, in virtual time: what is written, in which order, and which runs follow.

The model and the output are the real ones; a voice that takes a fifth of a second a word stands for the synthesiser.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import trio

from antiphon import Actor, Both, Immune, Pipeline, actor, child, durable, on
from antiphon.actors import Effects
from antiphon.actors.services.scripted import Call, Pause, ScriptedLLM, Step
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    ExternalTurns,
    Frame,
    FunctionCallResultFrame,
    HeardFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    LLMTextFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import LLMContextAggregatorPair, UserTurnMessageAddedMessage, UserTurnStoppedMessage
from tests.seeds import seeds

RATE = 24000
WORD = 0.2
"""Seconds of a spoken word."""
STARTED, STOPPED = VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()

ANSWERS = {
    "": "Good evening.",
    "hi": "Hello my friend how are you today?",
    "wait": "I wait.",
    "more": "Here you are.",
    "done": "It is done.",
}


def answer(context: LLMContext) -> Iterator[Step | str]:
    """Answers the last user message; "call" is answered by words and a function, whose result is reported."""
    last = context.messages[-1] if context.messages else {"role": "user", "content": ""}
    user = context.last_message("user")
    said = user["content"].split()[-1] if user else ""
    if last["role"] == "tool":
        yield ANSWERS["done"]
    elif said == "call":
        yield "One moment please."
        yield Call("work", {"by": 2})
    elif said == "think":
        yield Pause(1.0)
        yield "I think so."
    else:
        yield ANSWERS[said]


@actor
class Voice(Actor):
    """Speaks each token as a word."""

    spoken: int = durable(0)
    context: int = durable(0)

    @on(LLMFullResponseStartFrame)
    def begin(self, frame: LLMFullResponseStartFrame) -> Effects:
        self.context, self.spoken = self.context + 1, 0
        return [frame, TTSStartedFrame(self._id())]

    @on(LLMTextFrame)
    def say(self, frame: LLMTextFrame) -> Iterator[Frame]:
        offset = round(self.spoken * WORD * 1e9)
        self.spoken += 1
        yield TTSTextFrame(frame.text.strip(), None, offset, context_id=self._id())
        for _ in range(round(WORD / 0.02)):
            yield TTSAudioRawFrame(bytes(2 * RATE // 50), self._id(), sample_rate=RATE)

    @on(LLMFullResponseEndFrame)
    def end(self, frame: LLMFullResponseEndFrame) -> Effects:
        return [TTSStoppedFrame(self._id()), frame]

    def _id(self) -> str:
        return f"voice-{self.context}"


async def work(by: int) -> dict[str, int]:
    """The function: it takes half a second."""
    await trio.sleep(0.5)
    return {"worked": by}


def cascade(*, output: bool = True) -> Pipeline:
    pair = LLMContextAggregatorPair(LLMContext(), false_interruption_timeout=None)
    actors = [pair.user, ScriptedLLM(answer, {"work": work}, name="llm"), Voice(name="tts")]
    return Pipeline(
        *actors,
        *([AudioOutput(name="output")] if output else []),
        child(pair.assistant, max_buffer=256),
        max_restarts=9,
    )


def final(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, finalized=True)


def turn(*texts: str, seconds: float = 0.5) -> list[Item]:
    """The user speaks; the final comes a moment after the silence."""
    return [STARTED, Sleep(seconds), STOPPED, Sleep(0.1), *(TranscriptionFrame(text, finalized=True) for text in texts)]


def run(script: list[Item], *, seed: int = 0, output: bool = True) -> Trace:
    return play(cascade(output=output), script, seed=seed, limit=60.0)


def context_of(trace: Trace) -> LLMContext:
    context = trace.durable["user"]["context"]
    assert isinstance(context, LLMContext)
    return context


def written(trace: Trace) -> list[tuple[str, str]]:
    """The context: role and text; a call's entry is told by its functions."""
    return [
        (
            message["role"],
            " ".join(call["function"]["name"] for call in message["tool_calls"])
            if "tool_calls" in message
            else message["content"],
        )
        for message in context_of(trace).messages
    ]


def runs(trace: Trace) -> list[list[str]]:
    """What each run was given, as the texts of its messages."""
    frames = [each for each in trace.handled_by("llm") if isinstance(each, LLMContextFrame)]
    ids = [frame.run_id for frame in frames]
    assert ids == sorted(set(ids), key=ids.index), "a run was given twice"
    return [[str(message.get("content", "call")) for message in frame.context.messages] for frame in frames]


def versions(trace: Trace) -> list[int]:
    return [
        each.frame.version
        for each in trace.deliveries
        if each.receiver.name == "source" and isinstance(each.frame, ContextCommittedFrame)
    ]


# ---- turns and answers


@pytest.mark.parametrize("seed", range(10))
def test_a_turn_becomes_a_user_message_a_run_and_what_was_heard_of_the_answer(seed: int) -> None:
    trace = run([*turn("hi"), Sleep(10)], seed=seed)
    assert written(trace) == [("user", "hi"), ("assistant", ANSWERS["hi"])]
    assert runs(trace) == [["hi"]]
    assert versions(trace) == [1, 2]


def test_the_agent_may_speak_first() -> None:
    trace = run([LLMRunFrame(), Sleep(5), *turn("hi"), Sleep(10)])
    assert written(trace) == [("assistant", "Good evening."), ("user", "hi"), ("assistant", ANSWERS["hi"])]


def test_the_edges_of_a_turn_go_both_ways_and_guesses_no_further() -> None:
    trace = run([STARTED, InterimTranscriptionFrame("h"), Sleep(0.5), STOPPED, final("hi"), Sleep(10)])
    for frames in (trace.down, trace.up):
        edges = [
            type(frame) for frame in frames if isinstance(frame, (UserStartedSpeakingFrame, UserStoppedSpeakingFrame))
        ]
        assert edges == [UserStartedSpeakingFrame, UserStoppedSpeakingFrame]
    assert not any(isinstance(frame, (InterimTranscriptionFrame, TranscriptionFrame)) for frame in trace.down)


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
def test_the_run_of_a_turn_that_ends_in_the_moment_of_its_own_interruption_is_not_lost(direct: bool) -> None:
    """A held bot is cut by the first words, and they end the turn."""
    pair = LLMContextAggregatorPair(LLMContext())
    pipeline = Pipeline(pair.user, ScriptedLLM(answer, name="llm"), pair.assistant)
    trace = play(pipeline, [STARTED, STOPPED, final("hi"), Sleep(5)], direct=direct)
    assert written(trace) == [("user", "hi"), ("assistant", ANSWERS["hi"])]
    assert len(runs(trace)) == 1


def test_a_transcriber_that_proposes_turns_and_says_so_decides_them() -> None:
    """Its voice activity is no start any more."""
    announced = STTMetadataFrame("stt", user_turn_strategies=ExternalTurns(enable_interruptions=False))
    proposed: list[Item] = [ProposedUserStartedSpeakingFrame(), Sleep(0.5), TranscriptionFrame("hi")]
    trace = run(
        [announced, STARTED, Sleep(0.5), STOPPED, Sleep(6), *proposed, ProposedUserStoppedSpeakingFrame(), Sleep(10)]
    )
    edges = [
        type(frame) for frame in trace.up if isinstance(frame, (UserStartedSpeakingFrame, UserStoppedSpeakingFrame))
    ]
    assert edges == [UserStartedSpeakingFrame, UserStoppedSpeakingFrame]
    assert not any(isinstance(each.frame, InterruptionFrame) for each in trace.deliveries)
    assert written(trace) == [("user", "hi"), ("assistant", ANSWERS["hi"])]


def test_finals_of_one_turn_become_one_message() -> None:
    speech: list[Item] = [STARTED, Sleep(0.5), TranscriptionFrame("oh"), Sleep(0.5), STOPPED]
    assert written(run([*speech, final("hi"), Sleep(10)]))[0] == ("user", "oh hi")


def test_a_pause_inside_a_sentence_that_was_not_understood_yet_does_not_end_the_turn() -> None:
    first: list[Item] = [STARTED, Sleep(0.5), STOPPED, Sleep(0.3)]
    second: list[Item] = [STARTED, TranscriptionFrame("oh"), Sleep(0.5), STOPPED]
    trace = run([*first, *second, final("hi"), Sleep(10)])
    assert written(trace)[0] == ("user", "oh hi")
    assert len(runs(trace)) == 1


def test_a_final_that_comes_after_its_turn_begins_another() -> None:
    trace = run([STARTED, Sleep(0.5), STOPPED, Sleep(3), final("hi"), Sleep(10)])
    assert written(trace) == [("user", "hi"), ("assistant", ANSWERS["hi"])]


def test_a_turn_without_words_writes_nothing_and_runs_nothing() -> None:
    trace = run([*turn("hi"), Sleep(10), STARTED, Sleep(0.5), STOPPED, Sleep(6), *turn(" "), Sleep(6)])
    assert written(trace) == [("user", "hi"), ("assistant", ANSWERS["hi"])]
    assert runs(trace) == [["hi"]]
    edges = [type(f) for f in trace.up if isinstance(f, (UserStartedSpeakingFrame, UserStoppedSpeakingFrame))]
    assert edges == [UserStartedSpeakingFrame, UserStoppedSpeakingFrame] * 3


# ---- interruptions


@pytest.mark.rule("IN1")
@pytest.mark.parametrize("seed", range(10))
def test_what_was_heard_of_a_cut_answer_stands_before_the_users_next_message(seed: int) -> None:
    trace = run([*turn("hi"), Sleep(0.75), *turn("wait"), Sleep(10)], seed=seed)
    assert written(trace) == [
        ("user", "hi"),
        ("assistant", "Hello my friend"),
        ("user", "wait"),
        ("assistant", "I wait."),
    ]
    assert runs(trace) == [["hi"], ["hi", "Hello my friend", "wait"]]


def heard_words(trace: Trace) -> list[str]:
    return [frame.text for frame in trace.handled_by("assistant") if isinstance(frame, TTSTextFrame)]


@pytest.mark.parametrize("after", [0.2, 0.25, 0.4, 0.6, 1.0, 1.5, 1.79])
def test_the_cut_message_equals_the_words_heard(after: float) -> None:
    trace = run([*turn("hi"), Sleep(after), *turn("wait"), Sleep(10)])
    words = heard_words(trace)
    heard = " ".join(words[: len(words) - 2])
    assert written(trace) == [
        ("user", "hi"),
        *([("assistant", heard)] if heard else []),
        ("user", "wait"),
        ("assistant", "I wait."),
    ]
    assert ANSWERS["hi"].startswith(heard)


@pytest.mark.parametrize("seed", range(5))
def test_a_user_message_waits_for_what_was_heard_however_late_that_comes(seed: int) -> None:
    """The assistant half is down as the user cuts in, speaks one word and is understood: K.3's third trace."""
    script: list[Item] = [*turn("hi"), Sleep(0.75), Kill("assistant"), Sleep(0.01), Kill("assistant")]
    trace = run([*script, STARTED, STOPPED, final("wait"), Sleep(10)], seed=seed)
    assert len(trace.restarts) == 2
    assert written(trace) == [
        ("user", "hi"),
        ("assistant", "Hello my friend"),
        ("user", "wait"),
        ("assistant", "I wait."),
    ]
    assert runs(trace)[-1] == ["hi", "Hello my friend", "wait"]


@pytest.mark.parametrize("seed", range(10))
def test_two_quick_turns_are_two_messages_and_one_answer(seed: int) -> None:
    trace = run([*turn("hi"), Sleep(0.05), *turn("wait"), Sleep(10)], seed=seed)
    assert written(trace) == [("user", "hi"), ("user", "wait"), ("assistant", "I wait.")]
    assert heard_words(trace) == ["I", "wait."]


def test_a_turn_that_begins_while_the_last_ones_message_waits_takes_over_its_run() -> None:
    script: list[Item] = [*turn("hi"), Sleep(0.75), Kill("assistant"), Sleep(0.01), Kill("assistant")]
    two: list[Item] = [STARTED, STOPPED, final("more"), STARTED, Sleep(1), STOPPED]
    trace = run([*script, *two, final("wait"), Sleep(10)])
    assert written(trace)[2:] == [("user", "more"), ("user", "wait"), ("assistant", "I wait.")]
    assert len(runs(trace)) == 2


def test_without_an_output_what_came_counts_as_heard() -> None:
    trace = run([*turn("think"), Sleep(1.35), *turn("wait"), Sleep(10)], output=False)
    assert written(trace) == [
        ("user", "think"),
        ("assistant", "I think so."),
        ("user", "wait"),
        ("assistant", "I wait."),
    ]


def test_an_interruption_by_the_application_keeps_what_was_heard() -> None:
    trace = run([*turn("hi"), Sleep(0.75), InterruptionFrame(), Sleep(5), *turn("wait"), Sleep(10)])
    assert written(trace)[:3] == [("user", "hi"), ("assistant", "Hello my friend"), ("user", "wait")]


def test_a_cough_does_not_leave_the_bot_mute() -> None:
    """It goes on once, and isn't asked again by the next cough."""
    cough: list[Item] = [STARTED, Sleep(0.2), STOPPED]
    trace = run([*turn("hi"), Sleep(0.75), *cough, Sleep(5.4), *cough, Sleep(10)])
    assert len(runs(trace)) == 2
    assert [role for role, _ in written(trace)] == ["user", "assistant", "developer", "assistant"]
    assert written(trace)[:2] == [("user", "hi"), ("assistant", "Hello my friend")]
    thinking = run([*turn("think"), Sleep(0.5), *cough, Sleep(10)])
    assert [role for role, _ in written(thinking)] == ["user", "developer", "assistant"]
    assert written(thinking)[-1] == ("assistant", "I think so.")


def test_a_cough_after_the_answer_is_over_runs_nothing() -> None:
    trace = run([*turn("hi"), Sleep(5), STARTED, Sleep(0.2), STOPPED, Sleep(5)])
    assert len(runs(trace)) == 1


# ---- calls


ENTRIES = [("assistant", "work"), ("tool", '{"worked": 2}')]


@pytest.mark.parametrize("seed", range(10))
def test_a_call_stands_behind_the_words_before_it_and_its_result_brings_one_run(seed: int) -> None:
    trace = run([*turn("call"), Sleep(10)], seed=seed)
    assert written(trace) == [
        ("user", "call"),
        ("assistant", "One moment please."),
        *ENTRIES,
        ("assistant", "It is done."),
    ]
    assert len(runs(trace)) == 2
    assert runs(trace)[1][-1] == '{"worked": 2}'


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("after", [0.3, 0.5, 0.7])
def test_a_call_cut_before_its_words_were_heard_stands_behind_those_that_were_and_is_cancelled(
    seed: int, after: float
) -> None:
    """Its announcement has overtaken the words; the call itself still waits behind them."""
    trace = run([*turn("call"), Sleep(after), *turn("wait"), Sleep(10)], seed=seed)
    words = heard_words(trace)
    heard = " ".join(words[: len(words) - 2])
    assert heard
    assert written(trace) == [
        ("user", "call"),
        ("assistant", heard),
        ("assistant", "work"),
        ("tool", "CANCELLED"),
        ("user", "wait"),
        ("assistant", "I wait."),
    ]
    assert len(runs(trace)) == 2


def test_a_result_that_comes_while_the_user_speaks_is_answered_with_the_users_words() -> None:
    """A call that no interruption cancels."""
    pair = LLMContextAggregatorPair(LLMContext(), false_interruption_timeout=None)
    llm = ScriptedLLM(answer, {"work": work}, cancel_on_interruption=False, name="llm")
    pipeline = Pipeline(pair.user, llm, Voice(name="tts"), AudioOutput(name="output"), pair.assistant)
    trace = play(pipeline, [*turn("call"), Sleep(0.5), *turn("wait", seconds=2.0), Sleep(10)], limit=60)
    assert written(trace)[2:] == [*ENTRIES, ("user", "wait"), ("assistant", "I wait.")]
    assert len(runs(trace)) == 2


def test_a_result_that_comes_during_a_turn_without_words_is_answered_after_it() -> None:
    pair = LLMContextAggregatorPair(LLMContext(), false_interruption_timeout=None)
    llm = ScriptedLLM(answer, {"work": work}, cancel_on_interruption=False, name="llm")
    pipeline = Pipeline(pair.user, llm, Voice(name="tts"), AudioOutput(name="output"), pair.assistant)
    script = [*turn("call"), Sleep(0.5), STARTED, Sleep(2.0), STOPPED, Sleep(10)]
    trace = play(pipeline, script, limit=60)
    assert written(trace)[2:] == [*ENTRIES, ("assistant", "It is done.")]
    assert len(runs(trace)) == 2


def test_a_result_of_a_call_that_nobody_began_changes_nothing() -> None:
    stray = FunctionCallResultFrame("work", "call_9", {}, "done")
    trace = run([*turn("hi"), Sleep(5), stray, Sleep(1)])
    assert written(trace) == [("user", "hi"), ("assistant", ANSWERS["hi"])]


# ---- failed answers


def test_an_answer_whose_model_died_is_asked_for_once_more() -> None:
    trace = run([*turn("think"), Sleep(0.5), Kill("llm"), Sleep(10)])
    assert len(runs(trace)) == 2
    assert written(trace) == [("user", "think"), ("assistant", "I think so.")]


def test_but_only_once_in_a_row() -> None:
    trace = run([*turn("think"), Sleep(0.5), Kill("llm"), Sleep(0.5), Kill("llm"), Sleep(10), *turn("wait"), Sleep(10)])
    assert len(runs(trace)) == 3
    assert written(trace) == [("user", "think"), ("user", "wait"), ("assistant", "I wait.")]


def test_what_was_heard_of_a_failed_answer_is_kept() -> None:
    trace = run([*turn("hi"), Sleep(0.3), Kill("llm"), Sleep(10)])
    texts = written(trace)
    assert texts[0] == ("user", "hi")
    assert ANSWERS["hi"].startswith(texts[1][1])
    assert [role for role, _ in texts[2:]] == ["developer", "assistant"]
    assert texts[3] == ("assistant", ANSWERS["hi"])


def test_a_failed_answer_that_a_turn_has_followed_is_not_asked_for_again() -> None:
    trace = run([*turn("think"), Sleep(0.5), (Kill("llm"), STARTED), Sleep(0.3), STOPPED, final("wait"), Sleep(10)])
    assert written(trace) == [("user", "think"), ("user", "wait"), ("assistant", "I wait.")]
    assert len(runs(trace)) == 2


# ---- the end


def test_at_the_end_the_bot_finishes_and_it_is_written() -> None:
    trace = run([*turn("hi"), Sleep(0.5), EndFrame()])
    assert trace.ended == "ended"
    assert written(trace) == [("user", "hi"), ("assistant", ANSWERS["hi"])]


def test_at_the_end_of_an_open_turn_its_words_are_written_and_no_run_follows() -> None:
    trace = run([STARTED, final("hi"), EndFrame()])
    assert written(trace) == [("user", "hi")]
    assert runs(trace) == []


def test_at_the_end_words_that_cut_in_stand_behind_what_they_cut() -> None:
    trace = run([*turn("hi"), Sleep(0.75), (STARTED, final("wait"), EndFrame())])
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my friend"), ("user", "wait")]


@pytest.mark.parametrize("seed", range(5))
def test_cancelled_in_mid_speech_what_was_heard_is_written(seed: int) -> None:
    trace = run([*turn("hi"), Sleep(0.75), CancelFrame()], seed=seed)
    assert trace.ended == "cancelled"
    assert written(trace) == [("user", "hi"), ("assistant", "Hello my friend")]


@pytest.mark.parametrize("seed", range(5))
def test_cancelled_after_an_interruption_too(seed: int) -> None:
    """Both cuts have the same epoch, but other words."""
    trace = run([*turn("hi"), Sleep(0.75), *turn("wait"), Sleep(0.5), CancelFrame()], seed=seed)
    assert written(trace)[-2:] == [("user", "wait"), ("assistant", "I wait.")]


def test_cancelled_in_an_open_turn_its_words_are_written() -> None:
    trace = run([STARTED, final("hi"), CancelFrame()])
    assert written(trace) == [("user", "hi")]


def test_cancelled_in_a_call_the_context_says_so() -> None:
    trace = run([*turn("call"), Sleep(0.5), CancelFrame()])
    assert written(trace)[:1] == [("user", "call")]
    assert written(trace)[1][0] == "assistant"
    assert written(trace)[2:] == [("assistant", "work"), ("tool", "CANCELLED")]


# ---- kills


RICH: list[Item] = [
    *turn("hi"),
    Sleep(0.75),
    *turn("call"),
    Sleep(4),
    *turn("call"),
    Sleep(0.5),
    STARTED,
    Sleep(0.5),
    TranscriptionFrame("oh"),
    STOPPED,
    final("more"),
    Sleep(0.05),
    *turn("wait"),
    Sleep(5),
]
"""A barge-in, a call, a call that is cut, two finals in one turn, two quick turns."""


@pytest.fixture(scope="module")
def undisturbed() -> Trace:
    return run(RICH)


def test_the_rich_conversation_is_what_it_should_be(undisturbed: Trace) -> None:
    assert written(undisturbed) == [
        ("user", "hi"),
        ("assistant", "Hello my friend"),
        ("user", "call"),
        ("assistant", "One moment please."),
        *ENTRIES,
        ("assistant", "It is done."),
        ("user", "call"),
        ("assistant", "One moment"),
        ("assistant", "work"),
        ("tool", "CANCELLED"),
        ("user", "oh more"),
        ("user", "wait"),
        ("assistant", "I wait."),
    ]


@pytest.mark.parametrize("name", ["user", "assistant"])
def test_a_kill_of_either_half_at_any_delivery_changes_nothing(undisturbed: Trace, name: str) -> None:
    """The first restart is immediate, so not even what was heard of a cut answer differs."""
    deliveries = itertools.takewhile(lambda each: not isinstance(each.frame, CancelFrame), undisturbed.deliveries)
    count = sum(each.receiver.name == name for each in deliveries)
    assert count > 40
    # The first one is StartFrame, before the script begins; who fails as the play ends isn't restarted.
    for at in range(2, count):
        trace = run([Kill(name, at=at), *RICH])
        assert len(trace.restarts) == 1, at
        assert written(trace) == written(undisturbed), at
        assert runs(trace) == runs(undisturbed), at
        assert versions(trace) == versions(undisturbed), at


ENDS: dict[str, list[Item]] = {
    "the bot speaks": [*turn("hi"), Sleep(0.5), EndFrame()],
    "the user cuts in": [*turn("hi"), Sleep(0.75), (STARTED, final("wait"), EndFrame())],
    "a call works": [*turn("call"), Sleep(1.0), EndFrame()],
}


def from_its_end_on(trace: Trace, name: str) -> range:
    """The numbers of its deliveries from EndFrame on."""
    taken = trace.handled_by(name)
    return range(next(at for at, frame in enumerate(taken, 1) if isinstance(frame, EndFrame)), len(taken) + 1)


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)
@pytest.mark.rule("K17", "K20")
def test_a_kill_of_either_half_or_both_as_they_end_or_later_changes_nothing(script: list[Item], direct: bool) -> None:
    quiet = play(cascade(), script, direct=direct, limit=60.0)
    assert quiet.ended == "ended"
    late = [Kill(name, at=at) for name in ("user", "assistant") for at in from_its_end_on(quiet, name)]
    for kills in [*((kill,) for kill in late), *[*itertools.combinations(late, 2)][::9]]:
        trace = play(cascade(), [*kills, *script], direct=direct, limit=60.0)
        assert trace.ended == "ended", kills
        assert len(trace.failures) == len(kills), kills
        assert written(trace) == written(quiet), kills
        assert [(each.name, each.payload) for each in trace.events] == [
            (each.name, each.payload) for each in quiet.events
        ], kills


def test_kills_of_both_halves_with_delays_keep_every_word_in_order() -> None:
    """Restarts that take time let more be heard, but lose nothing and never put an answer behind who cut it."""
    for seed in seeds(20, each_counts=20):
        script: list[Item] = []
        for place, item in enumerate(RICH):
            script.append(item)
            if place % 7 == seed % 7:
                script += [Kill("user" if (place + seed) % 2 else "assistant")]
        trace = run(script, seed=seed)
        context = written(trace)
        said = " ".join(text for role, text in context if role == "user")
        assert said == "hi call call oh more wait", (seed, context)
        for place, (role, text) in enumerate(context):
            if role == "tool":
                assert context[place - 1] == ("assistant", "work"), (seed, context)
                assert text in ('{"worked": 2}', "CANCELLED"), (seed, context)
        assert context[-1] == ("assistant", "I wait."), (seed, context)
        assert versions(trace) == list(range(1, len(versions(trace)) + 1)), seed


def test_a_half_that_comes_back_does_not_take_a_bot_that_spoke_for_one_that_did_not() -> None:
    """The interruption overtakes the news of its speaking, which waits in the same mailbox."""

    @actor
    class Output(Actor):
        """Says that it speaks, and what was heard, in the same instant."""

        @on(LLMTextFrame)
        def speak(self, frame: LLMTextFrame) -> Effects:
            return [Both(BotStartedSpeakingFrame()), Immune(TTSTextFrame(frame.text.strip()))]

        @on(InterruptionFrame)
        def cut(self, frame: InterruptionFrame) -> Effects:
            return [Both(HeardFrame(self.epoch))]

    pair = LLMContextAggregatorPair(LLMContext(), false_interruption_timeout=None)
    pipeline = Pipeline(pair.user, Output(name="output"), pair.assistant)
    for seed in seeds(20, each_counts=20):
        down: list[Item] = [Kill("assistant"), Sleep(0.001), Kill("assistant")]
        said = (LLMFullResponseStartFrame(), LLMTextFrame("Hello"), STARTED, TranscriptionFrame("wait"), STOPPED)
        trace = play(pipeline, [*down, said, TranscriptionFrame("wait"), Sleep(5)], seed=seed)
        assert written(trace) == [("assistant", "Hello"), ("user", "wait wait")], seed


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("begin", [[STARTED, Sleep(0.5), STOPPED, Sleep(0.1)], []], ids=["voice", "words"])
def test_a_message_bears_the_time_at_which_its_turn_began(begin: list[Item], direct: bool) -> None:
    script = [Sleep(1), *begin, final("hi"), Sleep(5), *begin, final("wait"), Sleep(5)]
    trace = play(cascade(), script, limit=60.0, direct=direct)
    added, stopped = (
        [
            message.timestamp
            for event in trace.events
            for message in event.payload
            if event.name == f"on_user_turn_{name}"
            and isinstance(message, (UserTurnMessageAddedMessage, UserTurnStoppedMessage))
        ]
        for name in ("message_added", "stopped")
    )
    assert added == stopped
    assert [text[17:23] for text in added] == (["01.000", "06.600"] if begin else ["01.000", "06.000"])

"""What hurts people who build voice agents, each as a conversation in which it doesn't happen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from antiphon import Actor, Parallel, Pipeline, actor, child, on
from antiphon.actors.services.scripted import Call, Step
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    LLMContext,
    LLMContextFrame,
    LLMTextFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Sleep, Trace, play

from .golden import RATE, cascade
from .test_golden_traces import HI, START, STOP, at, final, hello

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
moments = pytest.mark.parametrize("moment", [1.0, 1.2, 1.36, 1.5, 1.66, 1.8, 2.0, 2.2, 2.3, 3.0])
"""When the user cuts in: while the model thinks, answers, while the bot speaks, and after it."""

WORDS = ("Hello", "my", "friend.")


def context_of(trace: Trace) -> LLMContext:
    context = trace.durable["user"]["context"]
    assert isinstance(context, LLMContext)
    return context


def told(trace: Trace) -> list[tuple[str, str]]:
    """Role and text of each message; a call is told by its functions."""
    return [
        (
            message["role"],
            " ".join(call["function"]["name"] for call in message["tool_calls"])
            if "tool_calls" in message
            else message["content"],
        )
        for message in context_of(trace).messages
    ]


def heard(trace: Trace, *, until: float = 1e9) -> list[str]:
    """The words that the output let pass, so those whose sound has begun."""
    return [
        each.frame.text
        for each in trace.deliveries
        if isinstance(each.frame, TTSTextFrame) and each.receiver.name == "assistant" and each.time <= until
    ]


def assert_well_formed(trace: Trace) -> None:
    """In each request each call has exactly one tool message, right behind the message that makes it."""
    requests = [each.frame.context for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]
    for context in [*requests, context_of(trace)]:
        waiting: list[str] = []
        for message in context.messages:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop(0), context
                continue
            assert not waiting, context
            waiting = [call["id"] for call in message.get("tool_calls", ())]
        assert not waiting, context


def wait_at(moment: float) -> list[tuple[float, object]]:
    return [(moment, START), (moment + 0.5, final("Wait")), (moment + 0.7, STOP)]


@both
@moments
def test_the_interrupted_part_of_an_answer_comes_before_the_message_that_interrupted_it(
    moment: float, direct: bool
) -> None:
    trace = play(cascade(hello), at(*HI, *wait_at(moment)), direct=direct, limit=10)  # type: ignore[arg-type]
    said = heard(trace, until=moment)
    first = [("assistant", " ".join(said))] if said else []
    assert told(trace)[: 2 + len(first)] == [("user", "Hi there"), *first, ("user", "Wait")]


@both
@moments
def test_heard_words_are_never_lost_nor_unheard_ones_kept(moment: float, direct: bool) -> None:
    trace = play(cascade(hello), at(*HI, *wait_at(moment)), direct=direct, limit=10)  # type: ignore[arg-type]
    written = [text for role, text in told(trace) if role == "assistant"]
    assert " ".join(written).split() == heard(trace)
    assert heard(trace, until=moment) == list(WORDS[: len(heard(trace, until=moment))])


@both
@pytest.mark.parametrize("pause", [0.05, 0.1, 0.15, 0.19])
def test_two_quick_messages_get_one_answer(pause: float, direct: bool) -> None:
    second = 0.9 + pause
    script = at(*HI, (second, START), (second + 0.3, final("and hurry")), (second + 0.5, STOP))
    trace = play(cascade(hello), script, direct=direct, limit=10)
    assert told(trace) == [("user", "Hi there"), ("user", "and hurry"), ("assistant", "Hello my friend.")]
    assert heard(trace) == list(WORDS)


async def look() -> str:
    await trio.sleep(1.0)
    return "found"


def looks_once(context: LLMContext) -> Iterator[Step | str]:
    if any(message["role"] == "tool" for message in context.messages):
        yield "There it is."
    else:
        yield "One moment."
        yield Call("look", {})


@both
@pytest.mark.parametrize("moment", [1.15, 1.2, 1.25, 1.4, 1.7, 1.9, 1.95, 2.2, 2.25, 2.3, 2.9, 3.0])
def test_a_call_in_flight_at_an_interruption_has_exactly_one_result(moment: float, direct: bool) -> None:
    trace = play(cascade(looks_once, {"look": look}), at(*HI, *wait_at(moment)), direct=direct, limit=10)  # type: ignore[arg-type]
    settled = [
        each.frame
        for each in trace.deliveries
        if isinstance(each.frame, (FunctionCallResultFrame, FunctionCallCancelFrame))
        and each.receiver.name == "assistant"
    ]
    tools = [message for message in context_of(trace).messages if message["role"] == "tool"]
    assert len({message["tool_call_id"] for message in tools}) == len(tools) == len(settled)
    assert all(message["content"] in ('"found"', "CANCELLED") for message in tools)
    assert_well_formed(trace)


@both
def test_when_the_user_speaks_during_a_call_the_next_request_is_well_formed(direct: bool) -> None:
    slow = cascade(looks_once, {"look": look}, allow_interruptions=False)
    trace = play(slow, at(*HI, (2.0, START), (2.2, final("Still there?")), (2.4, STOP)), direct=direct, limit=10)
    assert_well_formed(trace)
    assert [role for role, _ in told(trace)][:4] == ["user", "assistant", "assistant", "tool"]
    assert ("user", "Still there?") in told(trace)
    assert dict(told(trace))["tool"] == '"found"'


@both
def test_text_and_a_call_in_one_answer_lose_no_word(direct: bool) -> None:
    trace = play(cascade(looks_once, {"look": look}), at(*HI), direct=direct, limit=10)
    assert told(trace) == [
        ("user", "Hi there"),
        ("assistant", "One moment."),
        ("assistant", "look"),
        ("tool", '"found"'),
        ("assistant", "There it is."),
    ]
    assert heard(trace) == ["One", "moment.", "There", "it", "is."]


@both
@moments
def test_the_bot_is_said_to_speak_exactly_while_its_sound_leaves(moment: float, direct: bool) -> None:
    trace = play(cascade(hello), at(*HI, *wait_at(moment)), direct=direct, limit=10)  # type: ignore[arg-type]
    speaks = False
    until = 0.0
    for each in trace.deliveries:
        if each.receiver.name != "sink":
            continue
        match each.frame:
            case BotStartedSpeakingFrame():
                assert not speaks, each.time
                speaks = True
            case BotStoppedSpeakingFrame():
                assert speaks, each.time
                assert each.time <= until + 0.021, "it is said to speak when its sound is over"
                speaks = False
            case TTSAudioRawFrame(audio=audio):
                assert speaks, each.time
                until = each.time + len(audio) / 2 / RATE
            case _:
                pass
    assert not speaks


@both
@pytest.mark.parametrize("late", [0.0, 0.1, 0.5, 0.79, 0.8, 0.81, 1.0, 2.0, 3.0])
def test_no_final_transcript_is_swallowed_or_doubled(late: float, direct: bool) -> None:
    script = at((0.0, START), (0.5, TranscriptionFrame("one")), (0.9, STOP), (0.9 + late, TranscriptionFrame("two")))
    trace = play(cascade(hello), script, direct=direct, limit=15)
    said = " ".join(text for role, text in told(trace) if role == "user")
    assert said == "one two"


@both
@pytest.mark.parametrize("noise", ["mhm", "Uh-huh.", None])
def test_a_mhm_and_a_cough_do_not_end_the_agents_turn_and_it_goes_on(noise: str | None, direct: bool) -> None:
    words = [(2.0, final(noise))] if noise else []
    script = at(*HI, (1.8, START), (1.95, STOP), *words)
    trace = play(cascade(hello, false_interruption_timeout=2.0), script, direct=direct, limit=15)
    assert told(trace) == [("user", "Hi there"), ("assistant", "Hello my friend.")]
    assert heard(trace) == list(WORDS)
    assert len([each for each in trace.deliveries if isinstance(each.frame, LLMContextFrame)]) == 1


@both
@pytest.mark.parametrize("moment", [1.2, 1.36, 1.5, 1.8, 2.2])
def test_after_a_false_interruption_the_same_sound_goes_on(moment: float, direct: bool) -> None:
    quiet = play(cascade(hello, false_interruption_timeout=2.0), at(*HI), direct=direct, limit=15)
    noise = at(*HI, (moment, START), (moment + 0.1, STOP))
    trace = play(cascade(hello, false_interruption_timeout=2.0), noise, direct=direct, limit=15)
    assert told(trace) == told(quiet)
    assert heard(trace) == heard(quiet)
    assert sound(trace) == sound(quiet)


def sound(trace: Trace) -> bytes:
    frames = (each.frame for each in trace.deliveries if each.receiver.name == "sink")
    return b"".join(frame.audio for frame in frames if isinstance(frame, TTSAudioRawFrame))


@actor
class Blocks(Actor):
    """Never lets go of the first text."""

    @on(TextFrame)
    async def hold(self, frame: TextFrame) -> None:
        await trio.sleep_forever()


@both
def test_an_end_behind_a_branch_that_is_blocked_still_ends(direct: bool) -> None:
    pipeline = Pipeline(Parallel(Pipeline(child(Blocks(), grace=0.5)), Pipeline()), cascade(hello))
    script: list[Item] = [LLMTextFrame("stuck"), *at(*HI), Sleep(0.5), EndFrame()]
    trace = play(pipeline, script, direct=direct, limit=30)
    assert trace.ended == "ended"

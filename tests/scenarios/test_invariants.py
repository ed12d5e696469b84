"""The invariants: each accepts what really happened in conversations, and refuses one that was told otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from antiphon import Actor, Address, Backoff, Pipeline, actor, child, on
from antiphon.actors import Delivery, Dropped, Stall, To
from antiphon.actors.services.scripted import ScriptedLLM
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ContextCommittedFrame,
    EndFrame,
    FunctionCallResultFrame,
    HeardFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    MetricsFrame,
    ProposedUserStoppedSpeakingFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserBotLatencyMetricsData,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, invariants, play
from antiphon.scenarios.cast import Begin, SeededS2S
from antiphon.turn import (
    AlwaysUserMuteStrategy,
    ExternalUserTurnStrategies,
    LatencyMetrics,
    LatencyTracker,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    RealtimeServiceModeConfig,
)
from antiphon.turn.joining import Part
from antiphon.turn.peer_messages import Committed, ResponseClosed
from antiphon.turn.slots import Heard, Slots
from antiphon.turn.user_turn import UserTurn
from tests.seeds import seeds
from tests.turn.golden import SpeaksByItself, cascade, realtime
from tests.turn.test_golden_traces import HI, START, STOP, WAIT, at, final, hello, monday, one_moment, slowly
from tests.turn.test_pair import RICH, STARTED, STOPPED, Voice, answer, run, turn, work

from .retelling import changed, is_at, is_event, moved, retold, with_more, without

both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])


# ---- conversations as they happened


@functools.cache
def greeting(direct: bool = True) -> Trace:
    return play(cascade(hello), at(*HI, (1.5, EndFrame())), direct=direct, limit=10)


@functools.cache
def barge_in(direct: bool = True) -> Trace:
    return play(cascade(hello), at(*HI, *WAIT), direct=direct, limit=10)


@functools.cache
def quick_turns(direct: bool = True) -> Trace:
    return play(cascade(hello), at(*HI, (1.0, START), (1.4, final("and hurry")), (1.6, STOP)), direct=direct, limit=10)


@functools.cache
def late_words(direct: bool = True) -> Trace:
    script = at((0.0, START), (0.7, TranscriptionFrame("I want")), (0.9, STOP), (2.0, TranscriptionFrame("for two")))
    return play(cascade(hello), script, direct=direct, limit=10)


@functools.cache
def cut_call(direct: bool = True) -> Trace:
    script = at(*HI, (2.3, START), (2.8, final("Forget it")), (3.0, STOP))
    return play(cascade(one_moment, {"look": slowly}), script, direct=direct, limit=10)


@functools.cache
def cough(direct: bool = True) -> Trace:
    script = at(*HI, (1.8, START), (2.1, STOP))
    return play(cascade(hello, false_interruption_timeout=2.0), script, direct=direct, limit=10)


@functools.cache
def calm(direct: bool = True) -> Trace:
    return play(cascade(hello, false_interruption_timeout=2.0), at(*HI), direct=direct, limit=10)


@functools.cache
def by_itself(direct: bool = True) -> Trace:
    """A realtime model."""
    return play(realtime(monday()), at((4.0, EndFrame())), direct=direct, limit=10)


@functools.cache
def slow_assistant(direct: bool = True) -> Trace:
    """The assistant half dies between an interruption and its answer, and is back after a second."""
    script = at(*HI, (1.7, Kill("assistant")), *WAIT)
    handled = play(cascade(hello), script, direct=direct, limit=10).handled_by("assistant")
    answer = next(at for at, frame in enumerate(handled, 1) if isinstance(frame, HeardFrame) and frame.epoch == 2)
    return play(cascade(hello), [*script, Kill("assistant", at=answer)], direct=direct, limit=10)


@functools.cache
def rich(direct: bool = True) -> Trace:
    """A barge-in, a call, a call that is cut, two finals in one turn, two quick turns."""
    return play(of_the_pair(), RICH, direct=direct, limit=60)


def of_the_pair(*more: Actor, **settings: Any) -> Pipeline:
    pair = LLMContextAggregatorPair(LLMContext(), false_interruption_timeout=None, **settings)
    llm = ScriptedLLM(answer, {"work": work}, name="llm")
    output = child(AudioOutput(name="output"), max_buffer=256)
    return Pipeline(pair.user, llm, Voice(name="tts"), output, child(pair.assistant, max_buffer=256), *more)


@functools.cache
def one_call(direct: bool = True) -> Trace:
    return play(of_the_pair(), [*turn("call"), Sleep(10)], direct=direct, limit=60)


@functools.cache
def muted(direct: bool = True) -> Trace:
    """The user talks into the bot's answer, and is muted then."""
    params = LLMUserAggregatorParams(user_mute_strategies=[AlwaysUserMuteStrategy()])
    script = [*turn("hi"), Sleep(0.75), *turn("wait"), Sleep(3), *turn("more"), Sleep(5)]
    return play(of_the_pair(user_params=params), script, direct=direct, limit=60)


@functools.cache
def idle(direct: bool = True) -> Trace:
    params = LLMUserAggregatorParams(user_idle_timeout=3.0)
    return play(of_the_pair(user_params=params), [*turn("hi"), Sleep(10)], direct=direct, limit=60)


@functools.cache
def wordless(direct: bool = True) -> Trace:
    return play(of_the_pair(), [*turn("hi"), Sleep(5), STARTED, Sleep(0.5), STOPPED, Sleep(6)], direct=direct, limit=60)


@functools.cache
def measured(direct: bool = True) -> Trace:
    tracker = LatencyTracker()
    script: list[Item] = [VADUserStartedSpeakingFrame(0.2, 0.0), Sleep(0.7), final("hi"), Sleep(0.2)]
    script += [VADUserStoppedSpeakingFrame(0.2, 0.9), Sleep(5)]
    return play(
        of_the_pair(LatencyMetrics(tracker, name="metrics")),
        script,
        direct=direct,
        limit=60,
        observers=[tracker],
        enable_metrics=True,
    )


def asked_for_all(config: RealtimeServiceModeConfig | None) -> Trace:
    """A cascade, with a realtime mode in which both turns and writes wait, or with none."""
    return play(
        of_the_pair(realtime_service_mode=config), [*turn("hi"), Sleep(0.75), *turn("wait"), Sleep(5)], limit=60
    )


@functools.cache
def recommended() -> Trace:
    """A realtime model, and nobody has asked for its mode."""
    pair = LLMContextAggregatorPair(LLMContext())
    return play(
        Pipeline(pair.user, SpeaksByItself(monday(), name="s2s"), AudioOutput(name="output"), pair.assistant),
        [Sleep(4)],
        limit=10,
    )


@functools.cache
def cut_unheard(direct: bool = True) -> Trace:
    """A realtime model is cut before it has said a word: neither an answer nor a turn tells that it is one."""
    pair = LLMContextAggregatorPair(LLMContext(), realtime_service_mode=RealtimeServiceModeConfig(), vad=None)
    s2s = SeededS2S(0, name="s2s")
    begin, cut = To(s2s.address, Begin()), InterruptionFrame()
    script: list[Item] = [final("one"), begin, final("two"), cut, final("three"), begin, final("four"), cut, Sleep(1)]
    pipeline = Pipeline(pair.user, s2s, AudioOutput(name="output"), pair.assistant)
    return play(pipeline, script, direct=direct, limit=10)


@functools.cache
def announced_twice(direct: bool = True) -> Trace:
    """The user begins to speak, says no word, begins again, and says some while the bot speaks: all that is one turn."""
    strategies = ExternalUserTurnStrategies(enable_interruptions=False)
    begins, ends = UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()
    script = at((0.0, begins), (0.5, ends), (1.0, LLMRunFrame()), (1.4, begins), (1.45, final("hi")), (1.5, ends))
    return play(of_the_pair(user_turn_strategies=strategies), script, direct=direct, limit=20)


@functools.cache
def dies_speaking(direct: bool = True) -> Trace:
    """The voice dies while it is heard and isn't back at the end: it has seen the bot begin to speak, others see it stop."""
    pair = LLMContextAggregatorPair(LLMContext())
    llm, voice = ScriptedLLM(answer, name="llm"), child(ScriptedTTS(name="tts"), backoff=Backoff(first=3.0))
    pipeline = Pipeline(pair.user, llm, voice, AudioOutput(name="output"), pair.assistant)
    return play(pipeline, [*turn("hi"), Kill("tts"), Sleep(0.75), Kill("tts")], direct=direct, limit=4)


CONVERSATIONS = [
    greeting,
    barge_in,
    quick_turns,
    late_words,
    cut_call,
    cough,
    calm,
    by_itself,
    slow_assistant,
    rich,
    one_call,
    muted,
    idle,
    wordless,
    measured,
    cut_unheard,
    announced_twice,
    dies_speaking,
]


@both
@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.__name__)
def test_a_real_conversation_breaks_none(conversation: Callable[[bool], Trace], direct: bool) -> None:
    trace = conversation(direct)
    assert len(trace.deliveries) > 30
    assert invariants.check(trace) == ()


@pytest.mark.parametrize("name", ["user", "assistant", "llm", "tts", "output"])
def test_no_kill_breaks_one(name: str) -> None:
    for number in seeds(5, each_counts=20):
        trace = run([Kill(name, at=3 + 17 * number), *RICH], seed=number)
        assert invariants.check(trace) == (), number


def test_kills_of_both_halves_with_delays_break_none() -> None:
    for seed in seeds(7, each_counts=20):
        script: list[Item] = []
        for place, item in enumerate(RICH):
            script.append(item)
            if place % 7 == seed % 7:
                script += [Kill("user" if (place + seed) % 2 else "assistant")]
        assert invariants.check(run(script, seed=seed)) == (), seed


# ---- conversations as they must not happen


def is_version(number: int) -> Callable[[Any], bool]:
    kinds = (Committed, ContextCommittedFrame)
    return lambda each: isinstance(each, Delivery) and isinstance(each.frame, kinds) and each.frame.version == number


def with_context(trace: Trace, change: Callable[[LLMContext], LLMContext], *, since: int = 0) -> Trace:
    """The trace in which the owner's context was another, from a version on."""

    def other(context: LLMContext) -> LLMContext:
        return change(context) if context.version >= since else context

    def told(each: Any) -> list[object]:
        if isinstance(each, Delivery) and isinstance(each.frame, (Committed, ContextCommittedFrame)):
            return [attrs.evolve(each, frame=attrs.evolve(each.frame, context=other(each.frame.context)))]
        return [each]

    last = trace.durable["user"]["context"]
    assert isinstance(last, LLMContext)
    return retold(trace, told, durable={"user": {"context": other(last)}})


def with_messages(context: LLMContext, change: Callable[[dict[str, Any]], dict[str, Any]]) -> LLMContext:
    return attrs.evolve(context, messages=[change(dict(message)) for message in context.messages])


def rewritten(context: LLMContext) -> LLMContext:
    return with_messages(context, lambda message: {**message, "content": str(message.get("content")).upper()})


def still_running(context: LLMContext) -> LLMContext:
    return with_messages(
        context, lambda message: {**message, "content": "IN_PROGRESS"} if message["role"] == "tool" else message
    )


def told_otherwise(trace: Trace, name: str, content: str, *contents: str) -> Trace:
    """The trace in which an event told other contents."""

    def other(each: Any) -> list[object]:
        if not is_event(name, content)(each):
            return [each]
        return [
            attrs.evolve(each, payload=(*each.payload[:-1], attrs.evolve(each.payload[-1], content=new)))
            for new in contents
        ]

    return retold(trace, other)


def again(trace: Trace, these: Callable[[Any], bool], **changes: Any) -> Trace:
    """The trace in which the first of these happened once more in the end."""
    first: Any = next(each for each in trace.history if these(each))
    last = trace.deliveries[-1]
    return with_more(
        trace, lambda each: attrs.evolve(first, time=last.time, **changes), behind=lambda each: each is last
    )


def overslept(trace: Trace, *, timeout: float) -> Trace:
    """The trace of a session whose turns should have been over sooner."""
    turn = trace.durable["user"]["turn"]
    assert isinstance(turn, UserTurn)
    config = attrs.evolve(turn.config, user_turn_stop_timeout=timeout)
    return retold(trace, durable={"user": {"turn": attrs.evolve(turn, config=config)}})


def into_the_mute(trace: Trace) -> Trace:
    """The trace in which the user was muted while the first transcript came."""
    words = next(each for each in trace.deliveries if is_at("user", TranscriptionFrame)(each))
    from_user: dict[str, Any] = {"sender": Address("user"), "receiver": Address("source"), "direction": "up"}
    started = attrs.evolve(words, frame=UserMuteStartedFrame(), time=words.time - 0.1, **from_user)
    stopped = attrs.evolve(words, frame=UserMuteStoppedFrame(), time=words.time + 0.1, **from_user)
    return retold(trace, lambda each: [started, each, stopped] if each is words else [each])


def mismeasured(frame: MetricsFrame) -> MetricsFrame:
    return MetricsFrame(
        tuple(
            attrs.evolve(each, inference=each.inference + 0.5) if isinstance(each, UserBotLatencyMetricsData) else each
            for each in frame.data
        )
    )


def twin_late(trace: Trace) -> Trace:
    """The trace in which the news that the bot speaks reached the assistant half behind its second word."""
    second = [each for each in trace.deliveries if is_at("assistant", TTSTextFrame)(each)][1]
    return moved(trace, is_at("assistant", BotStartedSpeakingFrame), behind=lambda each: each is second)


def swapped(trace: Trace, these: Callable[[Any], bool]) -> Trace:
    """The trace in which the first two of these came the other way round."""
    one, other = [each for each in trace.history if these(each)][:2]
    frames = {id(one): other, id(other): one}
    return retold(
        trace,
        lambda each: [attrs.evolve(each, frame=frames[id(each)].frame)] if id(each) in frames else [each],  # type: ignore[attr-defined]
    )


def dropped_words(trace: Trace) -> Trace:
    words = next(each for each in trace.deliveries if is_at("user", TranscriptionFrame)(each))
    return with_more(
        trace, lambda each: Dropped(attrs.evolve(words, seq=0), "interrupted"), behind=lambda each: each is words
    )


def never_again(trace: Trace) -> Trace:
    """The trace in which what an actor was failed with isn't handled again."""
    failed = next(each.delivery for each in trace.failures if each.delivery is not None)
    return without(
        trace,
        lambda each: isinstance(each, Delivery) and each.frame is failed.frame and each.seq > failed.seq,
    )


def played(each: Any) -> bool:
    """Whether something is speech that left the output."""
    return is_any(TTSAudioRawFrame)(each) and each.sender.name == "output"


def is_run(number: int) -> Callable[[Any], bool]:
    return is_at("llm", LLMContextFrame, run_id=number)


def without_outcomes(frame: LLMContextFrame) -> LLMContextFrame:
    context = attrs.evolve(frame.context, messages=[each for each in frame.context.messages if each["role"] != "tool"])
    return attrs.evolve(frame, context=context)


def is_end_of_run(number: int) -> Callable[[Any], bool]:
    def matches(each: Any) -> bool:
        kinds = (LLMFullResponseEndFrame, ResponseClosed)
        return isinstance(each, Delivery) and isinstance(each.frame, kinds) and each.frame.run_id == number

    return matches


def is_any(kind: type, **fields: object) -> Callable[[Any], bool]:
    return lambda each: isinstance(each, Delivery) and is_at(each.receiver.name, kind, **fields)(each)


ADDED, ANSWERED = "on_user_turn_message_added", "on_assistant_message_added"

BROKEN: list[Any] = [
    pytest.param(1, rich, lambda t: with_context(t, rewritten, since=4), marks=pytest.mark.rule("V1")),
    pytest.param(2, rich, lambda t: without(t, is_version(3)), marks=pytest.mark.rule("V2")),
    pytest.param(
        2, rich, lambda t: changed(t, LLMContextFrame, lambda f: attrs.evolve(f, context=rewritten(f.context)))
    ),
    pytest.param(2, rich, lambda t: swapped(t, is_at("source", ContextCommittedFrame)), id="2-backwards"),
    pytest.param(
        3,
        barge_in,
        lambda t: moved(t, is_event(ANSWERED, "Hello my"), behind=is_event(ADDED, "Wait")),
        marks=pytest.mark.rule("V3"),
    ),
    pytest.param(
        3,
        slow_assistant,
        lambda t: moved(
            t,
            is_event(ADDED, "Wait"),
            behind=lambda each: is_at("user", VADUserStoppedSpeakingFrame)(each) and each.time > 1,
        ),
        id="3-early",
    ),
    pytest.param(
        3,
        cut_call,
        lambda t: moved(t, is_event(ANSWERED, "One moment."), behind=is_at("user", ResponseClosed)),
        id="3-call",
    ),
    pytest.param(
        4,
        barge_in,
        lambda t: changed(t, TranscriptionFrame, lambda f: attrs.evolve(f, text=f.text + " please")),
        marks=pytest.mark.rule("V4"),
    ),
    pytest.param(4, barge_in, lambda t: without(t, is_at("user", TranscriptionFrame, text="Wait")), id="4-invented"),
    pytest.param(4, barge_in, lambda t: without(t, is_event(ADDED, "Wait")), id="4-lost"),
    pytest.param(4, barge_in, lambda t: told_otherwise(t, ADDED, "Wait", "Wait", "Wait"), id="4-twice"),
    pytest.param(5, rich, lambda t: told_otherwise(t, ADDED, "oh more", "oh", "more"), marks=pytest.mark.rule("V5")),
    pytest.param(
        6,
        barge_in,
        lambda t: told_otherwise(t, ANSWERED, "Hello my", "Hello my friend."),
        marks=pytest.mark.rule("V6"),
    ),
    pytest.param(6, barge_in, lambda t: told_otherwise(t, ANSWERED, "Hello my", "Hello"), id="6-forgotten"),
    pytest.param(
        6,
        greeting,
        lambda t: changed(t, TTSTextFrame, lambda f: attrs.evolve(f, offset_ns=f.offset_ns + 10**9), at="assistant"),
        id="6-unheard",
    ),
    pytest.param(
        6,
        barge_in,
        lambda t: without(t, is_at("assistant", TTSTextFrame, text="my")),
        id="6-lost",
    ),
    pytest.param(7, barge_in, lambda t: again(t, played), marks=pytest.mark.rule("V7")),
    pytest.param(
        7,
        barge_in,
        lambda t: again(t, lambda each: is_at("assistant", TTSTextFrame)(each) and each.sender.name == "output"),
        id="7-word",
    ),
    pytest.param(8, rich, lambda t: again(t, is_run(1)), marks=pytest.mark.rule("V8")),
    pytest.param(8, barge_in, lambda t: without(t, is_at("assistant", InterruptionFrame, epoch=1)), id="8-untold"),
    pytest.param(9, barge_in, dropped_words, marks=pytest.mark.rule("V9")),
    pytest.param(10, slow_assistant, never_again, marks=pytest.mark.rule("V10")),
    pytest.param(11, rich, lambda t: swapped(t, is_at("assistant", Committed)), marks=pytest.mark.rule("V11")),
    pytest.param(
        11,
        rich,
        lambda t: swapped(
            t, lambda e: is_at("source", UserStartedSpeakingFrame)(e) or is_at("source", UserStoppedSpeakingFrame)(e)
        ),
        id="11-twins",
    ),
    pytest.param(12, greeting, twin_late, marks=pytest.mark.rule("V12")),
    pytest.param(13, cut_call, lambda t: with_context(t, still_running), marks=pytest.mark.rule("V13")),
    pytest.param(
        14, one_call, lambda t: again(t, is_at("assistant", FunctionCallResultFrame)), marks=pytest.mark.rule("V14")
    ),
    pytest.param(
        14,
        one_call,
        lambda t: with_context(
            t, lambda c: with_messages(c, lambda m: {**m, "content": "CANCELLED"} if m["role"] == "tool" else m)
        ),
        id="14-forgotten",
    ),
    pytest.param(15, one_call, lambda t: changed(t, LLMContextFrame, without_outcomes), marks=pytest.mark.rule("V15")),
    pytest.param(16, one_call, lambda t: without(t, is_end_of_run(1)), marks=pytest.mark.rule("V16")),
    pytest.param(16, rich, lambda t: swapped(t, is_at("llm", LLMContextFrame)), id="16-backwards"),
    pytest.param(
        17,
        rich,
        lambda t: changed(t, LLMContextFrame, lambda f: attrs.evolve(f, reason="run frame")),
        marks=pytest.mark.rule("V17"),
    ),
    pytest.param(
        17,
        one_call,
        lambda t: changed(t, LLMContextFrame, lambda f: attrs.evolve(f, reason="user turn")),
        id="17-twice",
    ),
    pytest.param(18, barge_in, lambda t: without(t, is_any(BotStoppedSpeakingFrame)), marks=pytest.mark.rule("V18")),
    pytest.param(19, greeting, lambda t: without(t, is_any(BotStartedSpeakingFrame)), marks=pytest.mark.rule("V19")),
    pytest.param(19, barge_in, lambda t: without(t, lambda each: played(each) and each.time < 2), id="19-silent"),
    pytest.param(
        19,
        barge_in,
        lambda t: moved(
            t,
            lambda each: is_any(BotStoppedSpeakingFrame)(each) and each.time < 2,
            behind=is_at("user", TranscriptionFrame, text="Wait"),
        ),
        id="19-cut",
    ),
    pytest.param(
        20,
        greeting,
        lambda t: changed(t, TTSAudioRawFrame, lambda f: attrs.evolve(f, context_id="another"), at="output"),
        marks=pytest.mark.rule("V20"),
    ),
    pytest.param(
        21,
        one_call,
        lambda t: without(t, is_at("assistant", TTSTextFrame, text="please.")),
        marks=pytest.mark.rule("V21"),
    ),
    pytest.param(22, barge_in, into_the_mute, marks=pytest.mark.rule("V22")),
    pytest.param(
        23,
        by_itself,
        lambda t: told_otherwise(t, ADDED, "On Monday.", "On Monday.", ""),
        marks=pytest.mark.rule("V23"),
    ),
    pytest.param(23, by_itself, lambda t: without(t, is_at("user", TranscriptionFrame)), id="23-unsaid"),
    pytest.param(
        24,
        by_itself,
        lambda t: moved(t, is_event(ADDED, "Can you help?"), behind=is_at("user", ProposedUserStoppedSpeakingFrame)),
        marks=pytest.mark.rule("V24"),
    ),
    pytest.param(26, barge_in, lambda t: without(t, is_event(ADDED, "Wait")), marks=pytest.mark.rule("V26")),
    pytest.param(26, barge_in, lambda t: told_otherwise(t, ANSWERED, "Hello my", "Hello you"), id="26-otherwise"),
    pytest.param(27, recommended, lambda t: attrs.evolve(t, logged=t.logged * 2), marks=pytest.mark.rule("V27")),
    pytest.param(
        28,
        idle,
        lambda t: moved(t, is_event("on_user_turn_idle"), behind=is_at("user", BotStoppedSpeakingFrame)),
        marks=pytest.mark.rule("V28"),
    ),
    pytest.param(
        28, idle, lambda t: retold(t, lambda e: [e, e] if is_event("on_user_turn_idle")(e) else [e]), id="28-twice"
    ),
    pytest.param(29, wordless, lambda t: overslept(t, timeout=1.0), marks=pytest.mark.rule("V29")),
    pytest.param(
        30,
        greeting,
        lambda t: with_more(
            t, lambda each: attrs.evolve(each, frame=TextFrame("late")), behind=is_at("sink", EndFrame)
        ),
        marks=pytest.mark.rule("V30"),
    ),
    pytest.param(
        30,
        greeting,
        lambda t: retold(t, durable={"user": {"slots": Slots(gathered=(Heard(Part("and more")),))}}),
        id="30-unwritten",
    ),
    pytest.param(
        33,
        greeting,
        lambda t: attrs.evolve(t, stalls=(Stall(Address("user"), 1.0, TextFrame("hm")),)),
        marks=pytest.mark.rule("V33"),
    ),
    pytest.param(36, measured, lambda t: changed(t, MetricsFrame, mismeasured), marks=pytest.mark.rule("V36")),
]


@pytest.mark.parametrize(("number", "conversation", "spoil"), BROKEN)
def test_an_invariant_refuses_a_conversation_that_breaks_it(
    number: int, conversation: Callable[[], Trace], spoil: Callable[[Trace], Trace]
) -> None:
    trace, invariant = conversation(), invariants.ALL[number]
    assert invariant(trace) == ()
    assert invariant(retold(trace)) == (), "the retelling itself must change nothing"
    complaints = invariant(spoil(trace))
    assert complaints
    assert all(each.number == number and each.why and str(each) for each in complaints)


# ---- between two


@functools.cache
def killed() -> Trace:
    return run([Kill("user", at=20), *RICH])


def as_in_another_world(trace: Trace) -> Trace:
    return with_context(trace, rewritten)


LIKE: list[Any] = [
    pytest.param(
        25,
        lambda: asked_for_all(RealtimeServiceModeConfig(turns_await_transcripts=True, context_writes_await_turns=True)),
        lambda: asked_for_all(None),
        as_in_another_world,
        marks=pytest.mark.rule("V25"),
    ),
    pytest.param(31, killed, lambda: run(RICH), as_in_another_world, marks=pytest.mark.rule("V31")),
    pytest.param(31, killed, lambda: run(RICH), lambda t: without(t, is_event("on_user_turn_started")), id="31-events"),
    pytest.param(31, killed, lambda: run(RICH), lambda t: without(t, is_run(2)), id="31-runs"),
    pytest.param(
        31,
        killed,
        lambda: run(RICH),
        lambda t: without(t, is_at("assistant", TTSTextFrame, text="Hello")),
        id="31-words",
    ),
    pytest.param(32, barge_in, barge_in.__wrapped__, lambda t: without(t, played), marks=pytest.mark.rule("V32")),
    pytest.param(34, cough, calm, as_in_another_world, marks=pytest.mark.rule("V34")),
    pytest.param(
        34, cough, calm, lambda t: without(t, is_at("assistant", TTSTextFrame, text="friend.")), id="34-words"
    ),
]


@pytest.mark.parametrize(("number", "one", "other", "spoil"), LIKE)
def test_two_conversations_have_in_common_what_they_should(
    number: int, one: Callable[[], Trace], other: Callable[[], Trace], spoil: Callable[[Trace], Trace]
) -> None:
    assert invariants.compare(one(), other(), number) == ()
    complaints = invariants.compare(one(), spoil(other()), number)
    assert [each.number for each in complaints][:1] == [number]


def test_a_half_that_comes_back_late_is_not_compared() -> None:
    """What follows may then come later, so more may be heard."""
    assert invariants.compare(slow_assistant(), rich(), 31) == ()


# ---- in front of somebody else's agent


def test_the_halves_and_the_output_are_found_by_what_they_do_or_named() -> None:
    pair = LLMContextAggregatorPair(LLMContext(), false_interruption_timeout=None)
    inner = Pipeline(
        pair.user, ScriptedLLM(answer, {"work": work}), Voice(), AudioOutput(), pair.assistant, name="agent"
    )
    trace = play(Pipeline(inner), [*turn("hi"), Sleep(0.75), *turn("wait"), Sleep(5)], limit=60)
    told = invariants.Reading.of(trace)
    assert (told.user, told.assistant, told.output) == ("agent/user", "agent/assistant", "agent/audio_output")
    assert invariants.check(trace) == ()
    spoilt = without(trace, is_event(ADDED, "wait"))
    assert {each.number for each in invariants.check(spoilt)} >= {4, 26}
    assert invariants.check(spoilt, user="agent/user", without=range(37)) == ()


@actor
class Echo(Actor):
    """No pair, no output."""

    @on(TextFrame)
    def say(self, frame: TextFrame) -> Iterator[TextFrame]:
        yield frame
        yield attrs.evolve(frame, text=frame.text.upper())


def test_where_nobody_converses_nothing_is_said() -> None:
    trace = play(Pipeline(Echo()), [TextFrame("hello"), Kill("echo"), TextFrame("bye"), EndFrame()], limit=10)
    assert invariants.check(trace) == ()
    assert invariants.check(play(Pipeline(), [])) == ()


def test_a_complaint_tells_the_moment_the_reason_and_what_it_is_about() -> None:
    (complaint, *_) = invariants.check(told_otherwise(barge_in(), ANSWERED, "Hello my", "Hello you"))
    assert str(complaint).startswith("2.250 s: V6 heard only: ") or complaint.number == 6
    assert complaint.name == "heard_only"
    assert complaint.time > 0


@pytest.mark.parametrize("number", sorted(invariants.ALL))
def test_an_invariant_says_how_many_traces_it_is_about(number: int) -> None:
    invariant = invariants.ALL[number]
    assert invariant.number == number
    with pytest.raises(TypeError, match=f"is about {invariant.traces}"):
        invariant(*[greeting()] * (3 - invariant.traces))

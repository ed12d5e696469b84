"""Models for random conversations: what they say, call and break at follows from a seed and the number of the answer.

1. An answer's plan is a pure function, so it is the same whoever is killed meanwhile, and whatever is made of it.
2. Each word is said once in a conversation: `B3w1` is the second word of the third answer. So whatever is heard, written or lost
   can be told apart.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
import trio

from ..actors import Actor, After, Both, Down, Effect, Up, actor, durable, on, state
from ..actors.services.function_calls import FunctionCaller, FunctionCallParams, RequestedCall
from ..actors.services.llm import Answer, AnswerFailed, LLMService
from ..actors.services.scripted_tts import tone_of
from ..channels import (
    ControlFrame,
    DataFrame,
    EndFrame,
    Frame,
    FunctionCallResultProperties,
    HeardFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMServiceMetadataFrame,
    StartFrame,
    StopFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserImageRawFrame,
    UserImageRequestFrame,
)

__all__ = [
    "AnswerPlan",
    "Begin",
    "CallPlan",
    "Camera",
    "Ear",
    "Emit",
    "Forget",
    "Lag",
    "Remark",
    "SeededLLM",
    "SeededS2S",
    "answer_plan",
]

Outcome: TypeAlias = Literal["result", "nothing", "raises", "never", "news", "image", "image and result"]

FUNCTIONS: dict[str, dict[str, Any]] = {
    "look": {},
    "fetch": {"timeout_secs": 1.5},
    "book": {"cancel_on_interruption": False},
    "order": {"cancel_on_interruption": False, "timeout_secs": 1.5},
}
"""What the models may call, and how: an interruption cancels the first two."""
OUTCOMES: tuple[Outcome, ...] = (
    "result",
    "result",
    "result",
    "nothing",
    "raises",
    "never",
    "news",
    "image",
    "image and result",
)
RATE = 24000
WORD_SECS = 0.2


@attrs.frozen
class CallPlan:
    """A call and what becomes of it."""

    function: str
    outcome: Outcome
    seconds: float
    """Until then it works."""
    run_llm: bool | None
    """What its result says about a run of the model."""


@attrs.frozen
class AnswerPlan:
    """All of an answer."""

    thinks: float
    """Seconds before the first word."""
    words: tuple[tuple[str, float], ...]
    """And the seconds after each."""
    calls: tuple[CallPlan, ...]
    breaks: bool
    """The provider breaks off when all this is said."""
    gap: float = 0.0
    """Seconds between the beginning of the answer and the first sound, where a model speaks by itself."""


def answer_plan(seed: int, number: int, *, may_call: bool) -> AnswerPlan:
    """What the answer of that number is in the conversation of that seed."""
    chance = random.Random(f"conversation {seed}, answer {number}")
    count = chance.choice((0, 1, 2, 3, 4, 6, 9, 14))
    words = tuple(
        (f"B{number}w{at}" + ("." if at == count - 1 or chance.random() < 0.2 else ""), _pause(chance))
        for at in range(count)
    )
    calls = tuple(_call(chance) for _ in range(chance.choice((0, 0, 1, 1, 2, 3))))
    thinks, breaks, gap = chance.uniform(0.05, 0.6), chance.random() < 0.08, chance.uniform(0.01, 0.3)
    return AnswerPlan(thinks, words, calls if may_call else (), breaks, gap)


def _pause(chance: random.Random) -> float:
    return chance.uniform(0.5, 1.5) if chance.random() < 0.05 else chance.uniform(0.01, 0.08)


def _call(chance: random.Random) -> CallPlan:
    outcome: Outcome = chance.choice(OUTCOMES)
    return CallPlan(
        chance.choice(tuple(FUNCTIONS)), outcome, chance.uniform(0.0, 2.5), chance.choice((None, None, True, False))
    )


async def _work(params: FunctionCallParams) -> None:
    """Any of the functions: it does what its arguments say."""
    plan = CallPlan(**params.arguments)
    properties = FunctionCallResultProperties(run_llm=plan.run_llm)
    if plan.outcome == "news":
        await trio.sleep(plan.seconds / 2)
        await params.result_callback({"news": params.tool_call_id}, attrs.evolve(properties, is_final=False))
    if plan.outcome.startswith("image"):
        name, call_id, callback = params.function_name, params.tool_call_id, params.result_callback
        request = UserImageRequestFrame("user", function_name=name, tool_call_id=call_id, result_callback=callback)
        await params.push(Up(request))
    await trio.sleep(plan.seconds)
    if plan.outcome == "image":
        return  # the image brings the result
    if plan.outcome == "raises":
        raise ValueError(f"{params.tool_call_id} doesn't work")
    if plan.outcome == "never":
        return
    await params.result_callback(None if plan.outcome == "nothing" else {"of": params.tool_call_id}, properties)


def _requested(calls: tuple[CallPlan, ...], number: int) -> tuple[RequestedCall, ...]:
    return tuple(
        RequestedCall(call.function, attrs.asdict(call), f"call_{number}_{at}") for at, call in enumerate(calls)
    )


def _may_call(context: LLMContext, number: int) -> bool:
    """Nobody calls for ever: a result brings no calls, nor does anything late in a conversation."""
    last = context.messages[-1]["role"] if context.messages else "user"
    return last == "user" and number <= 12


@attrs.frozen
class Emit:
    """To a model: it tells this. A speech-to-speech model has heard it."""

    effects: tuple[Effect, ...]


@actor
class SeededLLM(LLMService):
    """A language model whose answer to each run follows from the seed and the run's number."""

    seed: int

    def __attrs_post_init__(self) -> None:
        for name, options in FUNCTIONS.items():
            self.register_function(name, _work, **options)

    @on(Emit)
    def tell(self, message: Emit) -> tuple[Effect, ...]:
        return message.effects

    async def respond(self, context: LLMContext, answer: Answer) -> None:
        number = context.version if answer.run_id is None else answer.run_id
        plan = answer_plan(self.seed, number, may_call=_may_call(context, number))
        await trio.sleep(plan.thinks)
        for at, (word, pause) in enumerate(plan.words):
            await answer.text(word if at == 0 else f" {word}")
            await trio.sleep(pause)
        if plan.breaks:
            raise AnswerFailed("it breaks off")
        for call in _requested(plan.calls, number):
            answer.call(call.function_name, call.arguments, call.tool_call_id)


# ---- a model that hears and speaks by itself


@attrs.frozen
class Begin:
    """To a speech-to-speech model: now it answers, unless it does already."""

    run_id: int | None = None
    """Of the run that asks for it."""


@attrs.frozen
class _Say:
    """To itself: it is time for this word; behind the last one, for the end."""

    number: int
    at: int


@attrs.frozen
class _Saying:
    """The answer that it gives."""

    number: int
    run_id: int | None
    plan: AnswerPlan
    has_begun: bool = False
    """It was heard."""

    @property
    def context_id(self) -> str:
        return f"speech-{self.number}"


@actor
class SeededS2S(FunctionCaller):
    """A model that hears and speaks by itself: what its answers are follows from the seed, when it gives them from the script."""

    seed: int
    word_times: bool = attrs.field(default=True, kw_only=True)
    """Whether each word comes with its time, or a whole sentence behind its sound."""
    strategies: Any = attrs.field(default=None, kw_only=True)
    """What it recommends to find the user's turns by."""

    saying: _Saying | None = durable(None)
    answers: int = durable(0)
    has_told: bool = durable(False)
    silent: trio.Event | None = state(None)
    """The session's end waits for this."""

    def __attrs_post_init__(self) -> None:
        for name, options in FUNCTIONS.items():
            self.register_function(name, _work, **options)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Iterator[Effect]:
        yield from super().start(frame)
        if not self.has_told:
            self.has_told = True
            yield Both(
                LLMServiceMetadataFrame(
                    str(self.address), user_turn_strategies=self.strategies, is_realtime_service=True
                )
            )

    @on(Emit)
    def tell(self, message: Emit) -> tuple[Effect, ...]:
        return message.effects

    @on(Begin)
    def begin(self, message: Begin) -> Iterator[Effect]:
        yield from self._begin(message.run_id)

    @on(InputTextRawFrame)
    def read(self, frame: InputTextRawFrame) -> Iterator[Effect]:
        yield frame
        yield After(0.05, Begin())

    @on(LLMContextFrame)
    def run(self, frame: LLMContextFrame) -> Iterator[Effect]:
        # What the user's turn brings is news of the context: the user has been heard already.
        if frame.reason != "user turn":
            yield After(0.05, Begin(frame.run_id))

    @on(LLMRunCancelFrame)
    def cancel_run(self, frame: LLMRunCancelFrame) -> Iterator[Effect]:
        yield frame
        yield After(None, Begin(frame.run_id))
        if self.saying is not None and self.saying.run_id == frame.run_id:
            yield from self._stop(self.saying)
            yield Down(LLMFullResponseEndFrame(run_id=frame.run_id))

    def _begin(self, run_id: int | None) -> Iterator[Effect]:
        if self.saying is not None:
            return
        self.answers += 1
        plan = answer_plan(self.seed, self.answers, may_call=self.answers <= 12)
        self.saying = _Saying(self.answers, run_id, plan)
        yield Down(LLMFullResponseStartFrame(run_id=run_id))
        yield After(plan.gap, _Say(self.answers, 0))

    @on(_Say)
    def say(self, message: _Say) -> Iterator[Effect]:
        saying = self.saying
        if saying is None or saying.number != message.number:
            return
        words, context = saying.plan.words, saying.context_id
        if message.at == len(words):
            yield from self._end(saying)
            return
        word, pause = words[message.at]
        if message.at == 0:
            self.saying = attrs.evolve(saying, has_begun=True)
            yield Down(TTSStartedFrame(context))
        if self.word_times:
            offset = round(message.at * WORD_SECS * 1e9)
            yield Down(TTSTextFrame(word, None, offset, context_id=context))
        for _ in range(round(WORD_SECS / 0.1)):
            yield Down(TTSAudioRawFrame(tone_of(word, 0.1, RATE), context, sample_rate=RATE))
        if not self.word_times and word.endswith("."):
            yield Down(TTSTextFrame(_sentence(words, message.at), context_id=context))
        yield After(pause, _Say(message.number, message.at + 1))

    def _end(self, saying: _Saying) -> Iterator[Effect]:
        yield from self._stop(saying)
        failed = saying.plan.breaks
        if not failed:
            yield from self.begin_calls(_requested(saying.plan.calls, saying.number), None)
        yield Down(LLMFullResponseEndFrame(run_id=saying.run_id, failed=failed))

    def _stop(self, saying: _Saying) -> Iterator[Effect]:
        self._fall_silent()
        if saying.has_begun:
            yield Down(TTSStoppedFrame(saying.context_id))

    @on(InterruptionFrame)
    def interrupted(self, frame: InterruptionFrame) -> Iterator[Effect]:
        self._fall_silent()
        yield from super().interrupted(frame)

    @on(EndFrame, StopFrame)
    async def end(self, frame: EndFrame | StopFrame) -> None:
        if self.saying is not None:
            self.silent = trio.Event()
            self.allow(sum(pause for _, pause in self.saying.plan.words) + 1.0)
            await self.silent.wait()
        await super().end(frame)

    def _fall_silent(self) -> None:
        self.saying = None
        if self.silent is not None:
            self.silent.set()

    @on(HeardFrame)
    def truncate(self, frame: HeardFrame) -> Frame:
        return frame


def _sentence(words: tuple[tuple[str, float], ...], last: int) -> str:
    """The sentence that ends with that word."""
    first = max((at + 1 for at in range(last) if words[at][0].endswith(".")), default=0)
    return " ".join(word for word, _ in words[first : last + 1])


# ---- what an application makes of a context


@attrs.frozen
class Forget:
    """A transform of a context: what was said last is left, behind it a note."""

    note: str
    left: int = 3
    """How many messages."""

    def __call__(self, messages: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        return [*messages[-self.left :], {"role": "developer", "content": self.note}]


@attrs.frozen
class Remark:
    """A transform of a context: a note before all, and one behind."""

    note: str

    def __call__(self, messages: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        note = {"role": "developer", "content": self.note}
        return [note, *(each for each in messages if each != note), note]


# ---- who stands beside


@attrs.frozen
class _Taken:
    """To itself: the image that was asked for is there."""

    frame: UserImageRawFrame


@actor
class Camera(Actor):
    """Answers each request with an image, now sooner, now later."""

    @on(UserImageRequestFrame)
    def take(self, frame: UserImageRequestFrame) -> Iterator[Effect]:
        yield frame
        seconds = random.Random(f"image for {frame.tool_call_id}").uniform(0.0, 1.0)
        yield After(seconds, _Taken(UserImageRawFrame(b"123", size=(1, 1), user_id=frame.user_id, request=frame)))

    @on(_Taken)
    def give(self, message: _Taken) -> Effect:
        return Down(message.frame)


@actor
class Lag(Actor):
    """Lets nothing pass in order without a wait, now and then."""

    most: float = 0.3
    """Seconds."""

    @on(DataFrame, ControlFrame)
    async def hold(self, frame: Frame) -> None:
        if self.random.random() < 0.2:
            await trio.sleep(self.random.uniform(0.0, self.most))
        await self.push(frame)

    @on(InputTextRawFrame)
    def let_pass(self, frame: InputTextRawFrame) -> Frame:
        """It is a system frame, and nobody may wait behind it."""
        return frame


# ---- who listens


class Ear:
    """A device that knows each word by its sound, and when it was first heard."""

    def __init__(self) -> None:
        self.heard: dict[int, float] = {}
        """The tones that were heard, and the second of the session in which each was first, in order."""
        self.sounds: list[tuple[float, float]] = []
        """When each chunk of sound was handed over, and when it was over, seconds of the session."""
        self._began: float | None = None

    def open(self, sample_rate: int) -> None:
        if self._began is None:
            self._began = trio.current_time()

    def write(self, audio: bytes, at: float) -> None:
        assert self._began is not None
        samples = np.frombuffer(audio, "<i2")
        changes = np.flatnonzero(np.diff(samples)) + 1
        levels = [int(level) for level in samples[[0, *changes]] if level]
        for level in levels:
            self.heard.setdefault(level, at - self._began)
        if levels:
            over = at - self._began + len(samples) / RATE
            self.sounds.append((trio.current_time() - self._began, over))

    def close(self) -> None: ...

    def has_heard(self, word: str) -> bool:
        """Whether any of this word was heard."""
        return _tone(word) in self.heard

    def when(self, word: str) -> float:
        """When its first sound was heard, seconds of the session. Raises `KeyError` for a word that wasn't."""
        return self.heard[_tone(word)]


def _tone(word: str) -> int:
    return int.from_bytes(tone_of(word, 1 / RATE, RATE), "little", signed=True)

"""Turns of ours: the pair as it comes, but that a voice cuts the answer at once, as pipecat's does; then as it comes, when a voice
only holds it.
"""

from collections.abc import Iterator
from statistics import median

import attrs
import trio

from antiphon import Actor, Both, Pipeline, actor, durable, on, open_session
from antiphon.actors import Effect, Session
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    HeardFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputPauseFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import (
    LLMContextAggregatorPair,
    SilenceTurnAnalyzer,
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStrategies,
)

from ..lost import expect
from ..setting import Setting
from ..stopwatch import Stopwatch
from ..trio_arrivals import Arrivals
from . import REST, TOKENS

__all__ = ["measure"]


@attrs.define(eq=False)
class Timed:
    """What is awaited, and when it came."""

    arrivals: Arrivals = attrs.field(factory=Arrivals)
    watch: Stopwatch = attrs.field(factory=Stopwatch)
    times: list[float] = attrs.field(factory=list[float])

    def start(self) -> None:
        self.watch = Stopwatch()

    def came(self) -> None:
        self.times.append(self.watch.microseconds())
        self.arrivals.arrived()


@attrs.define(eq=False)
class Times:
    """All that is taken."""

    contexts: Timed = attrs.field(factory=Timed)
    tokens: Timed = attrs.field(factory=Timed)
    spoken: Arrivals = attrs.field(factory=Arrivals)
    """Answers that have said all their tokens."""
    silenced: Timed = attrs.field(factory=Timed)


@actor
class Model(Actor):
    """Says its tokens one by one, and then goes on thinking until it is cut."""

    times: Times

    @on(LLMContextFrame)
    async def answer(self, frame: LLMContextFrame) -> None:
        self.times.contexts.came()
        await self.push(LLMFullResponseStartFrame(run_id=frame.run_id))
        tokens = self.times.tokens
        for _ in range(TOKENS):
            await trio.lowlevel.checkpoint()
            due = tokens.arrivals.count + 1
            tokens.start()
            await self.push(LLMTextFrame("word "))
            await tokens.arrivals.until(due)
        self.times.spoken.arrived()
        await trio.sleep(1000)


@actor
class Synthesiser(Actor):
    times: Times

    @on(LLMTextFrame)
    def read(self, frame: LLMTextFrame) -> LLMTextFrame:
        self.times.tokens.came()
        return frame


@actor
class Speaker(Actor):
    """Speaks from the first token on."""

    times: Times
    is_speaking: bool = durable(False)

    @on(LLMTextFrame)
    def speak(self, frame: LLMTextFrame) -> Iterator[Effect]:
        if not self.is_speaking:
            self.is_speaking = True
            yield Both(BotStartedSpeakingFrame())
        yield frame

    @on(OutputPauseFrame)
    def hold(self, frame: OutputPauseFrame) -> Iterator[Effect]:
        yield from self._fall_silent()

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> Iterator[Effect]:
        yield Both(HeardFrame(self.epoch))
        yield from self._fall_silent()

    def _fall_silent(self) -> Iterator[Effect]:
        if self.is_speaking:
            self.is_speaking = False
            self.times.silenced.came()
            yield Both(BotStoppedSpeakingFrame())


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds, medians of one round."""
    cut = await conversation(setting, holds=False)
    held = await conversation(setting, holds=True)
    ended, token = median(cut.contexts.times), median(cut.tokens.times)
    silenced = median(cut.silenced.times)
    return {
        "ended": ended,
        "token": token,
        "cut": silenced,
        "held": median(held.silenced.times),
        "sum": ended + token + silenced,
    }


async def conversation(setting: Setting, *, holds: bool) -> Times:
    times, turns = Times(), setting.size.interruptions
    ends = UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())])
    timeout = 2.0 if holds else None
    pair = LLMContextAggregatorPair(
        LLMContext(), user_turn_strategies=ends, vad=None, false_interruption_timeout=timeout
    )
    pipeline = Pipeline(pair.user, Model(times), Synthesiser(times), Speaker(times), pair.assistant)
    async with open_session(pipeline) as session:
        for turn in range(1, turns + 1):
            await speak(session, times, turn)
        await session.cancel()
    expect((times.contexts.arrivals.count, len(times.tokens.times)), (turns, turns * TOKENS))
    expect(len(times.silenced.times), turns - 1)
    return times


async def speak(session: Session, times: Times, turn: int) -> None:
    times.silenced.start()
    await session.push(VADUserStartedSpeakingFrame())
    await times.silenced.arrivals.until(turn - 1)
    await session.push(InterimTranscriptionFrame("hello"))
    await session.push(VADUserStoppedSpeakingFrame(0.2))
    await trio.sleep(REST)
    times.contexts.start()
    await session.push(TranscriptionFrame("hello there", finalized=True))
    await times.spoken.until(turn)
    await trio.sleep(REST)

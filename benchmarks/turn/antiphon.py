"""Turns of ours: the pair as it comes, but that a voice cuts the answer at once, as pipecat's does; then as it comes, when a voice
only holds it.
"""

from collections.abc import Iterator
from statistics import median
from typing import ClassVar

import attrs
import trio

from antiphon import Actor, After, Both, Down, Interrupt, Pipeline, To, actor, durable, on, open_session, state
from antiphon.actors import Address, Effect, Fire, Session
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ContextCommittedFrame,
    HeardFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputPauseFrame,
    StartFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import (
    AssistantHalf,
    LLMContextAggregatorPair,
    SilenceTurnAnalyzer,
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStrategies,
)
from antiphon.turn.peer_messages import Committed

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
class Teller(Actor):
    """In the place of the user half: at the end of a turn it tells as much, and has decided nothing. What it takes is what the
    runtime takes.
    """

    events: ClassVar[tuple[str, ...]] = ("on_turn_end",)

    assistant: Address
    effects: tuple[Effect, ...] = state(())

    @on(StartFrame)
    def prepare(self, frame: StartFrame) -> None:
        context = LLMContext().append({"role": "user", "content": "hello there"})
        self.effects = (
            After(None, Waited()),
            Both(UserStoppedSpeakingFrame()),
            Fire("on_turn_end", "strategy"),
            Both(ContextCommittedFrame(context, context.version)),
            To(self.assistant, Committed(context.version, context)),
            Both(LLMContextUserTurnFrame("hello there", "")),
            Down(LLMContextFrame(context, run_id=1)),
            Fire("on_turn_end", "message"),
            Fire("on_turn_end", "strategy", "message"),
        )

    @on(VADUserStartedSpeakingFrame)
    def begin(self, frame: VADUserStartedSpeakingFrame) -> Interrupt:
        return Interrupt()

    @on(InterimTranscriptionFrame)
    def ignore(self, frame: InterimTranscriptionFrame) -> None: ...

    @on(TranscriptionFrame)
    def tell(self, frame: TranscriptionFrame) -> tuple[Effect, ...]:
        return self.effects


@attrs.frozen
class Waited:
    """To itself; nothing waits for it."""


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
    cut = await conversation(setting, pair(holds=False))
    held = await conversation(setting, pair(holds=True))
    assistant = AssistantHalf(Address("user"), name="assistant")
    told = await conversation(setting, (Teller(assistant.address, name="user"), assistant))
    ended, token = median(cut.contexts.times), median(cut.tokens.times)
    silenced = median(cut.silenced.times)
    return {
        "ended": ended,
        "told": median(told.contexts.times),
        "token": token,
        "cut": silenced,
        "held": median(held.silenced.times),
        "sum": ended + token + silenced,
    }


def pair(*, holds: bool) -> tuple[Actor, Actor]:
    """The halves; `holds`: a voice only pauses the answer at first."""
    ends = UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())])
    timeout = 2.0 if holds else None
    halves = LLMContextAggregatorPair(
        LLMContext(), user_turn_strategies=ends, vad=None, false_interruption_timeout=timeout
    )
    return halves.user, halves.assistant


async def conversation(setting: Setting, halves: tuple[Actor, Actor]) -> Times:
    times, turns = Times(), setting.size.interruptions
    user, assistant = halves
    pipeline = Pipeline(user, Model(times), Synthesiser(times), Speaker(times), assistant)
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

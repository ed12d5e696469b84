"""Turns of pipecat: its aggregator pair, with an analyser that takes each silence for an end, as ours has."""
# mypy: disable-error-code="import-not-found,misc"
# pyright: reportMissingImports=false

import asyncio
from statistics import median

from pipecat.audio.turn.base_turn_analyzer import BaseTurnAnalyzer, BaseTurnParams, EndOfTurnState
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_stop.turn_analyzer_user_turn_stop_strategy import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from ..asyncio_arrivals import Arrivals
from ..lost import expect
from ..pipecat_session import open_session
from ..setting import Setting
from ..stopwatch import Stopwatch
from . import REST, TOKENS

__all__ = ["measure"]


class Silence(BaseTurnAnalyzer):
    """Each silence is the end of the turn."""

    @property
    def speech_triggered(self) -> bool:
        return False

    @property
    def params(self) -> BaseTurnParams:
        return BaseTurnParams()

    def append_audio(self, buffer: bytes, is_speech: bool) -> EndOfTurnState:
        return EndOfTurnState.INCOMPLETE

    async def analyze_end_of_turn(self) -> tuple[EndOfTurnState, None]:
        return EndOfTurnState.COMPLETE, None

    def clear(self) -> None: ...


class Timed:
    """What is awaited, and when it came."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self.watch = Stopwatch()
        self.times: list[float] = []

    def start(self) -> None:
        self.watch = Stopwatch()

    def came(self) -> None:
        self.times.append(self.watch.microseconds())
        self.arrivals.arrived()


class Times:
    """All that is taken."""

    def __init__(self) -> None:
        self.contexts, self.tokens, self.silenced = Timed(), Timed(), Timed()
        self.spoken = Arrivals()


class Model(FrameProcessor):
    """Says its tokens one by one, and then goes on thinking until it is cut."""

    def __init__(self, times: Times) -> None:
        super().__init__()
        self.times = times

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        self.times.contexts.came()
        await self.push_frame(LLMFullResponseStartFrame())
        tokens = self.times.tokens
        for _ in range(TOKENS):
            await asyncio.sleep(0)
            due = tokens.arrivals.count + 1
            tokens.start()
            await self.push_frame(LLMTextFrame("word "))
            await tokens.arrivals.until(due)
        self.times.spoken.arrived()
        await asyncio.sleep(1000)


class Synthesiser(FrameProcessor):
    """Takes tokens, and passes them on."""

    def __init__(self, times: Times) -> None:
        super().__init__()
        self.times = times

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self.times.tokens.came()
        await self.push_frame(frame, direction)


class Speaker(FrameProcessor):
    """Speaks from the first token on."""

    def __init__(self, times: Times) -> None:
        super().__init__()
        self.times = times
        self.is_speaking = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame) and not self.is_speaking:
            self.is_speaking = True
            await self.broadcast_frame(BotStartedSpeakingFrame)
        elif isinstance(frame, InterruptionFrame) and self.is_speaking:
            self.is_speaking = False
            self.times.silenced.came()
            await self.broadcast_frame(BotStoppedSpeakingFrame)
        await self.push_frame(frame, direction)


async def measure(setting: Setting) -> dict[str, float]:
    """Microseconds, medians of one round."""
    times, turns = Times(), setting.size.interruptions
    ends = UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(turn_analyzer=Silence())])
    pair = LLMContextAggregatorPair(LLMContext(), user_params=LLMUserAggregatorParams(user_turn_strategies=ends))
    processors = [pair.user(), Model(times), Synthesiser(times), Speaker(times), pair.assistant()]
    async with open_session(processors, lean=setting.lean) as worker:
        for turn in range(1, turns + 1):
            await speak(worker, times, turn)
        await worker.queue_frame(InterruptionFrame())
        await times.silenced.arrivals.until(turns)
    expect((times.contexts.arrivals.count, len(times.tokens.times)), (turns, turns * TOKENS))
    expect(len(times.silenced.times), turns)
    ended, token, silenced = (
        median(timed.times[: turns - 1 if timed is times.silenced else None])
        for timed in (times.contexts, times.tokens, times.silenced)
    )
    return {"ended": ended, "token": token, "cut": silenced, "held": silenced, "sum": ended + token + silenced}


async def speak(worker: PipelineWorker, times: Times, turn: int) -> None:
    times.silenced.start()
    await worker.queue_frame(VADUserStartedSpeakingFrame())
    await times.silenced.arrivals.until(turn - 1)
    await worker.queue_frame(InterimTranscriptionFrame("hello", "", ""))
    await worker.queue_frame(VADUserStoppedSpeakingFrame(0.2))
    await asyncio.sleep(REST)
    times.contexts.start()
    await worker.queue_frame(TranscriptionFrame("hello there", "", "", finalized=True))
    await times.spoken.until(turn)
    await asyncio.sleep(REST)

"""Many sessions of ours in one process and one Trio run."""

from collections import deque
from contextlib import AsyncExitStack
from functools import partial
from time import perf_counter, process_time

import attrs
import trio

from antiphon import Session, open_session
from antiphon.channels import InputAudioRawFrame, TTSAudioRawFrame

from ..lost import expect
from ..setting import Setting
from ..tally import Tally
from ..voice import INPUT, OUTPUT
from ..voice.actors import voice_pipeline
from . import PERIOD, Trial, most_carried, settle

__all__ = ["measure"]


@attrs.define(eq=False)
class Due:
    """When the frames under way were due, and how late those were that came out."""

    latenesses: list[float]
    input: deque[float] = attrs.Factory(deque)
    output: deque[float] = attrs.Factory(deque)

    def heard(self) -> None:
        self.latenesses.append(perf_counter() - self.input.popleft())

    def played(self) -> None:
        self.latenesses.append(perf_counter() - self.output.popleft())


async def measure(setting: Setting) -> dict[str, float]:
    """The number of sessions, with the lateness and the load at that number."""
    return await most_carried(
        partial(trial_of, setting), start=int(setting.hint or 300), most=setting.size.most_sessions
    )


async def trial_of(setting: Setting, number: int) -> Trial:
    latenesses: list[float] = []
    async with AsyncExitStack() as stack:
        fed = []
        for _ in range(number):
            due = Due(latenesses)
            pipeline = voice_pipeline(Tally(), heard=due.heard, played=due.played)
            fed.append((await stack.enter_async_context(open_session(pipeline)), due))
        settle()
        start, used = perf_counter() + 0.1, process_time()
        ticks = int(setting.size.window / PERIOD)
        async with trio.open_nursery() as nursery:
            for place, (session, due) in enumerate(fed):
                nursery.start_soon(feed, session, due, start + PERIOD * place / number, ticks)
        load = (process_time() - used) / (perf_counter() - start)
    expect(len(latenesses), 2 * ticks * number)
    return Trial(latenesses, load=load)


async def feed(session: Session, due: Due, start: float, ticks: int) -> None:
    for tick in range(ticks):
        moment = start + tick * PERIOD
        await trio.sleep(max(0.0, moment - perf_counter()))
        due.input.append(moment)
        await session.push(InputAudioRawFrame(INPUT, sample_rate=16000))
        due.output.append(moment)
        await session.push(TTSAudioRawFrame(OUTPUT, sample_rate=24000))

"""The demo's conversation: an agent's session and a caller's, with air between them, recorded, told, and disturbed if asked to."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import attrs
import trio

from ..actors import Address, Killed, Pipeline, Session, open_session
from ..actors.transports.devices import Air, AudioSource, WavSource
from ..channels import LLMRunFrame
from .agent import SAMPLE_RATE, Booking, agent_pipeline
from .callers import caller_pipeline
from .recording import Recording
from .story import Story
from .storyteller import Storyteller
from .trace_file import TraceFile
from .transcript import Transcript

__all__ = ["KillAt", "Outcome", "Plan", "hold"]


@attrs.frozen
class KillAt:
    """Fail an actor at a time: its engine's process is killed, or the actor itself if it has none."""

    name: str
    seconds: float


@attrs.frozen
class Plan:
    """What the demo is to do."""

    out: Path
    caller: Path | None = None
    """A recording to play to the agent instead of the caller who listens."""
    is_deaf: bool = False
    """The agent hears nothing."""
    kills: tuple[KillAt, ...] = ()
    limit: float = 100.0
    """Seconds after which nobody waits any more."""


@attrs.frozen
class Outcome:
    """How the conversation went."""

    story: Story
    booking: Booking | None
    """What was booked, taken from recognised speech."""
    messages: tuple[Mapping[str, object], ...]
    """The agent's context at the end."""
    is_late: bool
    """Whether the limit ended it."""


class _Silence:
    """A microphone that is switched off."""

    def open(self, sample_rate: int) -> None: ...

    def read(self, samples: int) -> bytes:
        return bytes(2 * samples)


async def hold(plan: Plan, transcript: Transcript) -> Outcome:
    """Hold the conversation, in real time, and write `conversation.wav` and `trace.jsonl` into `plan.out`."""
    bookings: list[Booking] = []
    to_caller, to_agent = Air(), Air()
    recording = Recording(SAMPLE_RATE, caller=to_agent, agent=to_caller)
    teller = Storyteller(transcript, began=recording.began)
    source: AudioSource = to_agent
    if plan.is_deaf:
        source = _Silence()
    elif plan.caller is not None:
        source = _Heard(WavSource(plan.caller), recording)
    agent = agent_pipeline(source, recording.agent, bookings.append, ends_with_source=plan.caller is not None)
    rates = (SAMPLE_RATE, SAMPLE_RATE)
    is_late = False
    with TraceFile(plan.out / "trace.jsonl", began=recording.began) as trace:
        teller.latency.on_event("on_latency_breakdown", trace.waited)
        async with open_session(
            agent,
            name="agent",
            sample_rates=rates,
            observers=[trace, teller.latency, teller.agent],
            enable_metrics=True,
            enable_usage_metrics=True,
        ) as session:
            await session.push(LLMRunFrame())  # the agent speaks first
            async with trio.open_nursery() as nursery:
                for kill in plan.kills:
                    nursery.start_soon(_kill, session, kill, recording.began)
                if plan.caller is None:
                    nursery.start_soon(_call, caller_pipeline(to_caller, recording.caller), teller, session)
                with trio.move_on_after(plan.limit) as limit:
                    await session.wait()
                is_late = limit.cancelled_caught
                if is_late:
                    await session.cancel("the conversation took too long")
                nursery.cancel_scope.cancel()
            context = session.durable(Address("user"))["context"]
    recording.save(plan.out / "conversation.wav")
    messages = () if context is None else tuple(context.to_messages())
    return Outcome(teller.story(), bookings[-1] if bookings else None, messages, is_late)


async def _call(pipeline: Pipeline, teller: Storyteller, agent: Session) -> None:
    """The caller's session. When the caller hangs up, the agent's ends."""
    rates = (SAMPLE_RATE, SAMPLE_RATE)
    async with open_session(pipeline, name="caller", sample_rates=rates, observers=[teller.caller]) as session:
        await session.wait()
    await agent.end("the caller has hung up")


async def _kill(session: Session, kill: KillAt, began: float) -> None:
    await trio.sleep_until(began + kill.seconds)
    pids = session.statistics()[Address(kill.name)].engines
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    if not pids:
        session.kill(kill.name, Killed(f"{kill.name} was failed by --kill"))


class _Heard:
    """A source whose sound is on the recording, too."""

    def __init__(self, source: AudioSource, recording: Recording) -> None:
        self._source = source
        self._recording = recording

    def open(self, sample_rate: int) -> None:
        self._source.open(sample_rate)
        self._recording.caller.open(sample_rate)

    def read(self, samples: int) -> bytes | None:
        audio = self._source.read(samples)
        if audio is not None:
            self._recording.caller.write(audio, trio.current_time())
        return audio

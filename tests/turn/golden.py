"""Whole conversations whose every step is known: the cast, and a trace told as lines.

`script → user → llm → tts → output → assistant → sink`. Each line is `time  who  what`: who handled it, in virtual seconds. For each
one who handles, the order is exact; what happens at one instant in two places may happen in either order.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from antiphon import Actor, After, Backoff, Both, Pipeline, actor, child, on
from antiphon.actors import Delivery, Effect
from antiphon.actors.services.scripted import ScriptedLLM, Step
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    HeardFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMServiceMetadataFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Trace
from antiphon.turn import (
    ExternalUserTurnStrategies,
    LLMContextAggregatorPair,
    RealtimeServiceModeConfig,
    SilenceTurnAnalyzer,
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStrategies,
)
from antiphon.turn.peer_messages import (
    Commit,
    Committed,
    Flushed,
    Park,
    ResponseClosed,
    ResponseOpened,
    RunWanted,
)

RATE = 24000
WORD_NS = 300_000_000


@attrs.frozen
class Now:
    """To itself: it is time for this."""

    at: float
    effects: tuple[Effect, ...]


@actor
class SpeaksByItself(Actor):
    """A realtime model, which hears and speaks by itself: it does what its script says, and proposes the turns."""

    script: tuple[tuple[float, tuple[Effect, ...]], ...]

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Iterator[Effect]:
        yield Both(
            LLMServiceMetadataFrame("s2s", user_turn_strategies=ExternalUserTurnStrategies(), is_realtime_service=True)
        )
        for seconds, effects in self.script:
            yield After(seconds, Now(seconds, effects))

    @on(Now)
    def go_on(self, message: Now) -> tuple[Effect, ...]:
        return message.effects

    @on(HeardFrame)
    def truncate(self, frame: HeardFrame) -> Frame:
        return frame


def realtime(script: tuple[tuple[float, tuple[Effect, ...]], ...], **settings: Any) -> Pipeline:
    """A pair around a realtime model."""
    pair = LLMContextAggregatorPair(LLMContext(), realtime_service_mode=RealtimeServiceModeConfig(), **settings)
    output = child(AudioOutput(name="output"), max_buffer=256)
    return Pipeline(pair.user, SpeaksByItself(script, name="s2s"), output, pair.assistant)


def speech(context: str, *words: str, seconds: float) -> tuple[Effect, ...]:
    """A synthesis as a model sends it: all at once."""
    return (
        TTSStartedFrame(context),
        *(TTSTextFrame(word, None, at * WORD_NS, context_id=context) for at, word in enumerate(words)),
        TTSAudioRawFrame(bytes(2 * round(RATE * seconds)), context, sample_rate=RATE),
    )


Script = Callable[[LLMContext], Iterable[Step | str]]


def cascade(answer: Script, functions: Mapping[str, Callable[..., Any]] | None = None, **settings: Any) -> Pipeline:
    """The usual cast, with the defaults but for `false_interruption_timeout`."""
    pair = LLMContextAggregatorPair(
        LLMContext(),
        user_turn_strategies=UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())]),
        **{"false_interruption_timeout": None, **settings},
    )
    llm = ScriptedLLM(answer, functions or {}, first_token_secs=0.2, token_secs=0.05, name="llm")
    output = AudioOutput(name="output")
    return Pipeline(
        pair.user,
        llm,
        ScriptedTTS(name="tts"),
        child(output, max_buffer=256),
        child(pair.assistant, backoff=Backoff(first=1.0, jitter=0.0)),
        max_restarts=9,
    )


# ---- a trace as lines

BOTH_WAYS: dict[type, str] = {
    UserStartedSpeakingFrame: "UserStarted",
    UserStoppedSpeakingFrame: "UserStopped",
}
PEER = ("Flushed", "Response", "Commit(", "Park", "RunWanted")
"""Of what the user half handles: what the assistant half has sent."""
HANDLED: dict[str, dict[type, Callable[[Any], str]]] = {
    "user": {
        BotStartedSpeakingFrame: lambda f: "BotStarted",
        BotStoppedSpeakingFrame: lambda f: "BotStopped",
        VADUserStartedSpeakingFrame: lambda f: "VADUserStarted",
        VADUserStoppedSpeakingFrame: lambda f: "VADUserStopped",
        ProposedUserStartedSpeakingFrame: lambda f: "ProposedUserStarted",
        ProposedUserStoppedSpeakingFrame: lambda f: "ProposedUserStopped",
        TranscriptionFrame: lambda f: f"Transcription({f.text})",
        InterruptionFrame: lambda f: f"Interruption({f.epoch})",
        FunctionCallsStartedFrame: lambda f: "FunctionCallsStarted",
        FunctionCallCancelFrame: lambda f: "FunctionCallCancel",
        EndFrame: lambda f: "End",
        CancelFrame: lambda f: "Cancel",
        Flushed: lambda m: f"Flushed({m.epoch})",
        ResponseOpened: lambda m: f"ResponseOpened({m.response_id}, run {m.run_id})",
        ResponseClosed: lambda m: f"ResponseClosed({m.response_id}, {m.outcome})",
        Commit: lambda m: f"Commit({_told(m)})",
        Park: lambda m: f"Park({m.text})",
        RunWanted: lambda m: "RunWanted",
    },
    "llm": {
        LLMContextFrame: lambda f: f"LLMContext(v{f.context.version}, run {f.run_id})",
        LLMRunCancelFrame: lambda f: f"LLMRunCancel({f.run_id})",
    },
    "s2s": {HeardFrame: lambda f: f"Heard({f.epoch}, {sum(ns for _, ns in f.played) / 1e9:.2f} s)"},
    "output": {OutputPauseFrame: lambda f: "OutputPause", OutputResumeFrame: lambda f: "OutputResume"},
    "assistant": {
        HeardFrame: lambda f: f"Heard({f.epoch})",
        LLMFullResponseStartFrame: lambda f: f"ResponseStart(run {f.run_id})",
        LLMFullResponseEndFrame: lambda f: f"ResponseEnd(run {f.run_id})",
        TTSTextFrame: lambda f: f"TTSText({f.text})",
        FunctionCallInProgressFrame: lambda f: "FunctionCallInProgress",
        FunctionCallResultFrame: lambda f: "FunctionCallResult",
        EndFrame: lambda f: "End",
        CancelFrame: lambda f: "Cancel",
        Committed: lambda m: f"[{m.version}: {_message(m.context.messages[-1])}]",
    },
    "sink": {EndFrame: lambda f: "End"},
}


def _told(commit: Commit) -> str:
    if commit.settlement is not None:
        return f"patch {commit.settlement.kind}"
    told = commit.kind if commit.kind != "assistant text" else str(commit.messages[0]["content"])
    return f"{told}, interrupted" if commit.interrupted else told


def _message(message: Mapping[str, Any]) -> str:
    return f"{message['role']} {message.get('content', 'calls')}"


def lines_of(trace: Trace, *, until: float) -> list[str]:
    """What the trace tells up to this moment or its being cancelled, in the order in which it happened."""
    those = itertools.takewhile(
        lambda each: each.time < until + 0.005 and not isinstance(each.frame, CancelFrame), trace.deliveries
    )
    return [line for each in those if (line := _line(each)) is not None]


def _line(delivery: Delivery) -> str | None:
    who, frame = delivery.receiver.name, delivery.frame
    if who == "source" and delivery.direction == "up" and (kind := BOTH_WAYS.get(type(frame))) is not None:
        return f"{delivery.time:.2f} both {kind}"
    tell = HANDLED.get(who, {}).get(type(frame))
    return None if tell is None else f"{delivery.time:.2f} {who} {tell(frame)}"


def by_handler(lines: Iterable[str]) -> dict[str, list[str]]:
    """For each one who handles, and for frames and messages apart: what in which order."""
    told: dict[str, list[str]] = {}
    for line in lines:
        time, who, what = line.split(" ", 2)
        if "patch" in what:
            who = "outcomes of calls"  # which come from the model, and may come before or behind what the output tells
        elif who == "user" and what.startswith(PEER):
            who = "peer messages"
        elif what.startswith("["):
            who = "writes"
        elif who == "user" and what.startswith(("Bot", "FunctionCall")):
            who = "news"
        told.setdefault(who, []).append(f"{time} {what}")
    return told


def expected(text: str) -> dict[str, list[str]]:
    """The lines of a golden trace; what stands in `# ...` is for the reader."""
    lines = [re.sub(r"\s+#.*$", "", line).strip() for line in text.strip().splitlines()]
    return by_handler(re.sub(r"\s+", " ", line) for line in lines if line)

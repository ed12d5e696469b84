"""The pair alone: frames pushed at the head pass the user half and reach the assistant half, so a script may speak for
everybody, the model and the output too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import attrs
import pytest

from antiphon import Actor, Address, Both, Pipeline, To, actor, on
from antiphon.actors import Effect, Effects
from antiphon.channels import (
    BotStartedSpeakingFrame,
    Frame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    HeardFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    SpeechControlParamsFrame,
    TranscriptionFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, Trace, play
from antiphon.turn import (
    LLMContextAggregatorPair,
    SilenceTurnAnalyzer,
    TurnAnalyzerUserTurnStopStrategy,
    UserTurnStrategies,
)

START, STOP = VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame(stop_secs=0.2)
both = pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])

RS, RE = LLMFullResponseStartFrame(), LLMFullResponseEndFrame()

RoleText = tuple[str, str]


def X(text: str) -> LLMTextFrame:
    """A piece of an answer."""
    return LLMTextFrame(text)


def final(text: str, **more: Any) -> TranscriptionFrame:
    """What was said; no more of it will come."""
    return TranscriptionFrame(text, finalized=True, **more)


def said(text: str) -> list[Item]:
    """A turn of the user, at one instant."""
    return [START, final(text), STOP]


def sound(level: int, seconds: float) -> list[Item]:
    """A tone of a voice's pitch, or silence, in pieces of 20 ms."""
    samples = b"".join(int(level * ((at % 160) - 80) / 80).to_bytes(2, "little", signed=True) for at in range(320))
    piece = InputAudioRawFrame(samples, 16000, 1)
    return [each for _ in range(round(seconds / 0.02)) for each in (piece, Sleep(0.02))]


def replied(*texts: str) -> list[Item]:
    """A whole answer."""
    return [RS, *map(X, texts), RE]


def pair_of(context: LLMContext | None = None, **settings: Any) -> LLMContextAggregatorPair:
    """A pair whose turns end with the voice, if their words are there; an interruption is one at once."""
    usual = {
        "user_turn_strategies": UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(SilenceTurnAnalyzer())]),
        "false_interruption_timeout": None,
        "empty_user_turn": None,
    }
    return LLMContextAggregatorPair(LLMContext() if context is None else context, **{**usual, **settings})


def talk(
    script: Iterable[object],
    *,
    between: Iterable[Actor] = (),
    context: LLMContext | None = None,
    direct: bool = True,
    seed: int = 0,
    limit: float = 60.0,
    **settings: Any,
) -> Trace:
    """The script, through a pair with these actors between its halves."""
    pair = pair_of(context, **settings)
    pipeline = Pipeline(pair.user, *between, pair.assistant, max_restarts=9)
    return play(pipeline, cast("list[Item]", list(script)), direct=direct, seed=seed, limit=limit)


# ---- who stands between the halves


@attrs.frozen
class Do:
    """To whoever stands between: do this."""

    effects: tuple[Effect, ...]


@actor
class Between(Actor):
    """Stands where the model, the voice and the output do, and does what it is told."""

    @on(Do)
    def do(self, message: Do) -> tuple[Effect, ...]:
        return message.effects


BETWEEN = Between(name="between")


def do(*effects: Effect) -> To:
    """From between the halves."""
    return To(Address("between"), Do(effects))


@actor
class Mouth(Actor):
    """An output: each piece of text is heard when it comes. From the second interruption on it says what more was heard."""

    partial: tuple[tuple[str, str], ...] = ()
    going_on: tuple[str, ...] = ()

    @on(LLMTextFrame)
    def speak(self, frame: LLMTextFrame) -> Effects:
        return [Both(BotStartedSpeakingFrame()), TTSTextFrame(frame.text.strip(), context_id="1")]

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> Effects:
        return Both(HeardFrame(self.epoch, (), self.partial if self.epoch > 1 else (), self.going_on))


# ---- calls


def call(name: str = "look", call_id: str = "1", *, sync: bool = True, group: str | None = None) -> FunctionCallFromLLM:
    return FunctionCallFromLLM(name, call_id, {}, cancel_on_interruption=sync, group_id=group)


def announced(*calls: FunctionCallFromLLM) -> FunctionCallsStartedFrame:
    return FunctionCallsStartedFrame(calls or (call(),))


def in_progress(of: FunctionCallFromLLM | None = None) -> FunctionCallInProgressFrame:
    of = of or call()
    return FunctionCallInProgressFrame(
        of.function_name,
        of.tool_call_id,
        of.arguments,
        cancel_on_interruption=of.cancel_on_interruption,
        group_id=of.group_id,
    )


def result_of(of: FunctionCallFromLLM | None = None, result: object = "done", **more: Any) -> FunctionCallResultFrame:
    of = of or call()
    return FunctionCallResultFrame(of.function_name, of.tool_call_id, of.arguments, result, **more)


# ---- what came of it


def context_of(trace: Trace) -> LLMContext:
    context = trace.durable["user"]["context"]
    assert isinstance(context, LLMContext)
    return context


def written(trace: Trace) -> list[RoleText]:
    """The context: role and text; a call's entry is told by its functions."""
    return [(message["role"], _text(message)) for message in context_of(trace).messages]


def _text(message: Any) -> str:
    if "tool_calls" in message:
        return " ".join(call["function"]["name"] for call in message["tool_calls"])
    return str(message.get("content", ""))


def runs(trace: Trace) -> list[list[str]]:
    """What each run was given, as the texts of its messages."""
    return [[_text(message) for message in frame.context.messages] for frame in run_frames(trace)]


def run_frames(trace: Trace) -> list[LLMContextFrame]:
    return [frame for frame in trace.down if isinstance(frame, LLMContextFrame)]


def out(trace: Trace) -> list[Frame]:
    """What left at the end, but for what strategies tell of themselves."""
    return [frame for frame in trace.down if not isinstance(frame, SpeechControlParamsFrame)]


def events(trace: Trace, *names: str) -> list[tuple[str, tuple[Any, ...]]]:
    """Those of these names, with what they tell; without names, all."""
    return [(event.name, event.payload) for event in trace.events if not names or event.name in names]


def told(trace: Trace, name: str) -> list[Any]:
    """The contents of what the events of this name tell."""
    return [_content(event.payload[-1]) for event in trace.events if event.name == name]


def _content(payload: Any) -> Any:
    return payload.content

"""What a conversation is doing, as one value that a crash doesn't change: `python examples/conversation_state_tracker.py`.

`Conversation` is frozen, and its `step` is pure: a table says what each frame changes. The actor only keeps the value, durable, and
fires `on_state_changed(before, after, seconds)`. It stands between the output and the assistant half, where an answer ends when
it was heard, and not when it was made.

The example holds the conversation again and again, each time with the actor killed at another of its deliveries: the events are
the same.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import attrs
import trio

from antiphon import Actor, Fire, Pipeline, actor, durable, on
from antiphon.actors import Effect
from antiphon.actors.services.scripted import Call, ScriptedLLM, Step
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from antiphon.turn import LLMContextAggregatorPair


class State(enum.Enum):
    """What a conversation is doing."""

    IDLE = "idle"
    USER_SPEAKS = "user speaks"
    THINKING = "thinking"
    BOT_SPEAKS = "bot speaks"
    TOOL_CALL = "tool call"
    ENDED = "ended"


CHANGES: Mapping[type[Frame], Mapping[str, bool]] = {
    UserStartedSpeakingFrame: {"user_speaks": True},
    UserStoppedSpeakingFrame: {"user_speaks": False},
    LLMContextUserTurnFrame: {"model_thinks": True},  # the user's words are written, and the model is given them
    LLMFullResponseStartFrame: {"model_thinks": True},
    LLMFullResponseEndFrame: {"model_thinks": False},
    InterruptionFrame: {"model_thinks": False},
    BotStartedSpeakingFrame: {"bot_speaks": True},
    BotStoppedSpeakingFrame: {"bot_speaks": False, "model_thinks": False},
    EndFrame: {"has_ended": True},
    CancelFrame: {"has_ended": True},
}
"""What a frame says. Calls are counted apart."""


@attrs.frozen
class Conversation:
    """What is known. Several things may be so at once: the `state` is the first of them, in its own order."""

    has_ended: bool = False
    user_speaks: bool = False
    bot_speaks: bool = False
    calls: frozenset[str] = frozenset()
    """Functions that run."""
    model_thinks: bool = False

    @property
    def state(self) -> State:
        for state, is_so in (
            (State.ENDED, self.has_ended),
            (State.USER_SPEAKS, self.user_speaks),
            (State.BOT_SPEAKS, self.bot_speaks),
            (State.TOOL_CALL, self.calls),
            (State.THINKING, self.model_thinks),
        ):
            if is_so:
                return state
        return State.IDLE

    def step(self, frame: Frame) -> Conversation:
        """What is known after this frame."""
        match frame:
            case FunctionCallsStartedFrame():
                started = {call.tool_call_id for call in frame.function_calls}
                return attrs.evolve(self, calls=self.calls | started)
            case FunctionCallResultFrame() if frame.properties is None or frame.properties.is_final:
                # The model is told the result. Another answer of it comes, unless it waits for more.
                calls = self.calls - {frame.tool_call_id}
                return attrs.evolve(self, calls=calls, model_thinks=not calls)
            case FunctionCallCancelFrame():
                return attrs.evolve(self, calls=self.calls - {frame.tool_call_id})
            case _:
                return attrs.evolve(self, **CHANGES.get(type(frame), {}))


@actor
class ConversationStateTracker(Actor):
    """Keeps what the conversation is doing."""

    events: ClassVar[tuple[str, ...]] = ("on_state_changed",)

    conversation: Conversation = durable(Conversation())

    @on(*CHANGES, FunctionCallsStartedFrame, FunctionCallResultFrame, FunctionCallCancelFrame)
    def follow(self, frame: Frame) -> Iterator[Effect]:
        before = self.conversation.state
        self.conversation = self.conversation.step(frame)
        after = self.conversation.state
        if not isinstance(frame, (InterruptionFrame, EndFrame, CancelFrame)):  # these reach everybody by themselves
            yield frame
        if after is not before:
            yield Fire("on_state_changed", before, after, self.now)


# ---- a conversation


def answer(context: LLMContext) -> Iterator[Step | str]:
    """What the model says next."""
    if context.messages[-1]["role"] == "tool":
        yield "We have a table by the window."
    else:
        yield "Let me see."
        yield Call("find_table")


async def find_table() -> str:
    await trio.sleep(2.5)
    return "by the window"


def conversation() -> Pipeline:
    """A waiter who has to look into his book."""
    pair = LLMContextAggregatorPair(LLMContext())
    llm = ScriptedLLM(answer, {"find_table": find_table}, name="llm")
    tracker = ConversationStateTracker(name="tracker")
    return Pipeline(pair.user, llm, ScriptedTTS(name="tts"), AudioOutput(name="output"), tracker, pair.assistant)


def says(text: str) -> list[Item]:
    """What voice detection and recogniser make of it."""
    voice = [VADUserStartedSpeakingFrame(), Sleep(0.8), VADUserStoppedSpeakingFrame()]
    return [*voice, Sleep(0.1), TranscriptionFrame(text, finalized=True)]


SCRIPT: list[Item] = [*says("A table, please."), Sleep(5.0), *says("Is it quiet there?"), Sleep(8.0), EndFrame()]


def changes(trace: Trace) -> list[tuple[State, float]]:
    """When which state began."""
    told = [event.payload for event in trace.events if event.name == "on_state_changed"]
    return [(after, seconds) for _, after, seconds in told]


def that_lasted(changes: Iterable[tuple[State, float]]) -> Iterator[str]:
    """A line for each state, but for those that were over in the instant in which they began."""
    listed = list(changes)
    ends = [*(seconds for _, seconds in listed[1:]), float("inf")]
    for (state, seconds), end in zip(listed, ends, strict=True):
        if end > seconds:
            yield f"{seconds:5.2f} s  {state.value}"


def main() -> None:
    calm = play(conversation(), SCRIPT, limit=60)
    print(*that_lasted(changes(calm)), sep="\n")
    # The last is EndFrame: nobody is restarted for that.
    deliveries = range(1, len(calm.handled_by("tracker")))
    killed = [play(conversation(), [Kill("tracker", at=at), *SCRIPT], limit=60) for at in deliveries]
    same = [trace for trace in killed if changes(trace) == changes(calm)]
    print(f"killed at each of its {len(deliveries)} deliveries before the end: the same states {len(same)} times")


if __name__ == "__main__":
    main()

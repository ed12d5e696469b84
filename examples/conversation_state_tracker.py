"""What a conversation is doing, as one value that a crash doesn't change: `python examples/conversation_state_tracker.py`.

`Conversation` is frozen, and its `step` is pure: two tables say what a frame begins and what it ends. The actor only keeps the
value, durable, and fires `on_state_changed(before, after, seconds)`. It stands between the output and the assistant half, where
an answer ends when it was heard, and not when it was made.

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
    """What a conversation is doing. When several are so at once, the first of them counts."""

    ENDED = "ended"
    USER_SPEAKS = "user speaks"
    BOT_SPEAKS = "bot speaks"
    TOOL_CALL = "tool call"
    THINKING = "thinking"
    IDLE = "idle"


BEGINS: Mapping[type[Frame], State] = {
    UserStartedSpeakingFrame: State.USER_SPEAKS,
    BotStartedSpeakingFrame: State.BOT_SPEAKS,
    LLMContextUserTurnFrame: State.THINKING,  # the user's words are written, and the model is given them
    LLMFullResponseStartFrame: State.THINKING,
    EndFrame: State.ENDED,
    CancelFrame: State.ENDED,
}
"""What begins with a frame."""

ENDS: Mapping[type[Frame], frozenset[State]] = {
    UserStoppedSpeakingFrame: frozenset({State.USER_SPEAKS}),
    BotStoppedSpeakingFrame: frozenset({State.BOT_SPEAKS, State.THINKING}),
    LLMFullResponseEndFrame: frozenset({State.THINKING}),
    InterruptionFrame: frozenset({State.THINKING}),
}
"""What is over with a frame."""


@attrs.frozen
class Conversation:
    """What is known of it."""

    going_on: frozenset[State] = frozenset()
    calls: frozenset[str] = frozenset()
    """Functions that run, by the ids of their calls."""

    @property
    def state(self) -> State:
        """What counts."""
        return next((state for state in State if state in self.going_on), State.IDLE)

    def step(self, frame: Frame) -> Conversation:
        """What is known after this frame."""
        match frame:
            case FunctionCallsStartedFrame():
                return self._with_calls(self.calls | {call.tool_call_id for call in frame.function_calls})
            case FunctionCallCancelFrame():
                return self._with_calls(self.calls - {frame.tool_call_id})
            case FunctionCallResultFrame() if frame.properties is None or frame.properties.is_final:
                known = self._with_calls(self.calls - {frame.tool_call_id})
                return known if known.calls else known._with(State.THINKING)  # the last one: the model answers
            case _ if type(frame) in BEGINS:
                return self._with(BEGINS[type(frame)])
            case _:
                return attrs.evolve(self, going_on=self.going_on - ENDS.get(type(frame), frozenset()))

    def _with(self, state: State) -> Conversation:
        return attrs.evolve(self, going_on=self.going_on | {state})

    def _with_calls(self, calls: frozenset[str]) -> Conversation:
        going_on = self.going_on | {State.TOOL_CALL} if calls else self.going_on - {State.TOOL_CALL}
        return Conversation(going_on, calls)


@actor
class ConversationStateTracker(Actor):
    """Keeps what the conversation is doing."""

    events: ClassVar[tuple[str, ...]] = ("on_state_changed",)

    conversation: Conversation = durable(Conversation())

    @on(*BEGINS, *ENDS, FunctionCallsStartedFrame, FunctionCallResultFrame, FunctionCallCancelFrame)
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
    voice: list[Item] = [VADUserStartedSpeakingFrame(), Sleep(0.8), VADUserStoppedSpeakingFrame()]
    return [*voice, Sleep(0.1), TranscriptionFrame(text, finalized=True)]


SCRIPT: list[Item] = [*says("A table, please."), Sleep(5.0), *says("Is it quiet there?"), Sleep(8.0), EndFrame()]


def changes(trace: Trace) -> list[tuple[State, float]]:
    """When which state began."""
    told: list[tuple[State, float]] = []
    for event in trace.events:
        match event.name, event.payload:
            case "on_state_changed", (_, State() as after, float(seconds)):
                told.append((after, seconds))
    return told


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

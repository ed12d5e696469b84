"""An assistant half without a user half: it has a context of its own, and the model is before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ..actors import Effect, Up, actor, durable, on
from ..channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMContext,
    StartFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from .assistant_half import AssistantHalf
from .callbacks import call_back, call_back_without_result
from .context_owner import ContextOwner
from .pair_params import LLMAssistantAggregatorParams
from .peer_messages import HalfStarted

__all__ = ["LoneAssistant"]


class LoneAssistant:
    """For a pipeline whose user messages are written by somebody else, or by nobody: `.context` keeps the conversation and runs
    the model upstream, `.assistant` writes what the bot says. They stand side by side, behind the output.

        alone = LoneAssistant(LLMContext())
        Pipeline(llm, tts, output, alone.context, alone.assistant)
    """

    def __init__(
        self, context: LLMContext, *, params: LLMAssistantAggregatorParams | None = None, name: str = "assistant"
    ) -> None:
        self.context = ContextKeeper(context, name=f"{name}_context")
        self.assistant = AssistantHalf(self.context.address, params=params or LLMAssistantAggregatorParams(), name=name)
        self.context.assistant = self.assistant.address
        self.context.on_event("on_context_updated", call_back)
        self.assistant.on_event("on_image_for_call", call_back_without_result)


@actor
class ContextKeeper(ContextOwner):
    """Keeps the context of an assistant half that is alone, and starts its runs."""

    events: ClassVar[tuple[str, ...]] = ("on_context_updated",)

    user_is_speaking: bool = durable(False)
    bot_is_speaking: bool = durable(False)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.begin()

    @on(HalfStarted)
    def greet(self, message: HalfStarted) -> None:
        """Its mode is ours: a cascade's."""

    @on(EndFrame, CancelFrame)
    def end(self, frame: EndFrame | CancelFrame) -> None:
        self.has_ended = True

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> Iterator[Effect]:
        yield from self.interruption_begins(self.epoch, by_user=self.user_is_speaking)

    @on(UserStartedSpeakingFrame, UserStoppedSpeakingFrame, BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
    def note(self, frame: Frame) -> Iterator[Effect]:
        yield frame
        match frame:
            case UserStartedSpeakingFrame() | UserStoppedSpeakingFrame():
                self.user_is_speaking = isinstance(frame, UserStartedSpeakingFrame)
            case _:
                self.bot_is_speaking = isinstance(frame, BotStartedSpeakingFrame)
        yield from self.pay_run()

    def to_model(self, frame: Frame) -> Effect:
        return Up(frame)

    def user_speaks(self) -> bool:
        return self.user_is_speaking

    def somebody_speaks(self) -> bool:
        return self.user_is_speaking or self.bot_is_speaking

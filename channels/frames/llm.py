"""A language model's runs, its context, and what changes them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import attrs

from ..context import LLMContext
from ..frozen import Message, freeze_all
from .frame import ControlFrame, DataFrame, SystemFrame, Uninterruptible, frame, json_field

__all__ = [
    "ContextCommittedFrame",
    "LLMAssistantPushAggregationFrame",
    "LLMConfigureOutputFrame",
    "LLMContextAssistantTimestampFrame",
    "LLMContextAssistantTurnFrame",
    "LLMContextFrame",
    "LLMContextSummaryRequestFrame",
    "LLMContextSummaryResultFrame",
    "LLMContextUserTurnFrame",
    "LLMEnablePromptCachingFrame",
    "LLMFullResponseEndFrame",
    "LLMFullResponseStartFrame",
    "LLMMarkerFrame",
    "LLMMarkerResponseFrame",
    "LLMMessagesAppendFrame",
    "LLMMessagesTransformFrame",
    "LLMMessagesUpdateFrame",
    "LLMRunCancelFrame",
    "LLMRunFrame",
    "LLMSetToolChoiceFrame",
    "LLMSetToolsFrame",
    "LLMSummarizeContextFrame",
    "LLMThoughtEndFrame",
    "LLMThoughtStartFrame",
    "LLMThoughtTextFrame",
    "VisionFullResponseEndFrame",
    "VisionFullResponseStartFrame",
]


def _messages(messages: Iterable[Message]) -> tuple[Message, ...]:
    return freeze_all(messages)


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frame
class LLMContextFrame(DataFrame):
    """Run inference on this snapshot."""

    context: LLMContext
    speculation: bool = False
    """The turn may not be over: the answer may be thrown away."""
    run_id: int | None = None
    reason: str | None = None
    """What asked for the run, e.g. `"user_turn"`."""


@frame
class ContextCommittedFrame(DataFrame, Uninterruptible):
    """The context was written; never a run."""

    context: LLMContext
    version: int


@frame
class LLMRunFrame(DataFrame):
    """Run the model with the context as it stands."""


@frame
class LLMRunCancelFrame(SystemFrame):
    """Stop that run."""

    run_id: int


@frame
class LLMFullResponseStartFrame(ControlFrame):
    """A response begins."""

    skip_tts: bool | None = None
    """Don't speak it; None leaves that to what was configured."""
    run_id: int | None = None


@frame
class LLMFullResponseEndFrame(ControlFrame):
    """The response is complete, or has failed."""

    skip_tts: bool | None = None
    run_id: int | None = None
    failed: bool = False


@frame
class VisionFullResponseStartFrame(LLMFullResponseStartFrame):
    """A vision model's response begins."""


@frame
class VisionFullResponseEndFrame(LLMFullResponseEndFrame):
    """A vision model's response is complete, or has failed."""


@frame
class LLMMarkerFrame(DataFrame):
    """A short mark for the context, never spoken."""

    marker: str
    append_to_context_immediately: bool = True


@frame
class LLMMarkerResponseFrame(DataFrame):
    """Diagnosis: which mark a response had."""

    raw: str
    marker: str | None = None
    kind: str | None = None
    markers: tuple[str, ...] = attrs.field(default=(), converter=_strings)


@frame
class LLMThoughtStartFrame(ControlFrame):
    """The model begins to reason."""

    append_to_context: bool = False
    llm: str | None = None
    """Which model's form a thought in the context has."""


@frame
class LLMThoughtTextFrame(DataFrame):
    """A piece of the model's reasoning."""

    text: str
    includes_inter_frame_spaces: bool = True
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""


@frame
class LLMThoughtEndFrame(ControlFrame):
    """The model has reasoned."""

    signature: Any = json_field(default=None)
    """The provider's proof of the thought, given back to it later."""


@frame
class LLMContextUserTurnFrame(DataFrame, Uninterruptible):
    """A user message was written."""

    text: str
    timestamp: str | None = None
    """ISO 8601."""


@frame
class LLMContextAssistantTurnFrame(DataFrame, Uninterruptible):
    """An assistant turn was written."""

    text: str
    timestamp: str | None = None
    """ISO 8601."""


@frame
class LLMContextAssistantTimestampFrame(DataFrame, Uninterruptible):
    """When the assistant message was written."""

    timestamp: str
    """ISO 8601."""


@frame
class LLMAssistantPushAggregationFrame(ControlFrame):
    """Write what the assistant half holds."""


@frame
class LLMMessagesAppendFrame(DataFrame, Uninterruptible):
    """Appends messages to the context."""

    messages: Sequence[Message] = attrs.field(converter=_messages)
    """Kept as a tuple of immutable dicts."""
    run_llm: bool | None = None


@frame
class LLMMessagesUpdateFrame(DataFrame, Uninterruptible):
    """Puts these messages in place of all."""

    messages: Sequence[Message] = attrs.field(converter=_messages)
    """Kept as a tuple of immutable dicts."""
    run_llm: bool | None = None


@frame
class LLMMessagesTransformFrame(DataFrame, Uninterruptible):
    """Rewrites the messages."""

    transform: Callable[[list[dict[str, Any]]], Iterable[Message]]
    """Takes fresh dicts, which it may change; gives all messages."""
    run_llm: bool | None = None


@frame
class LLMSetToolsFrame(DataFrame, Uninterruptible):
    """Changes what the model may call."""

    tools: Any = json_field(default=None)
    """One schema, or several, or functions; None means none."""


@frame
class LLMSetToolChoiceFrame(DataFrame, Uninterruptible):
    """Changes which tools the model must or may use."""

    tool_choice: Any = json_field(default=None)
    """`"none"`, `"auto"`, `"required"`, or a dict that names a tool."""


@frame
class LLMEnablePromptCachingFrame(DataFrame, Uninterruptible):
    """Turns the caching of prompts on or off."""

    enable: bool


@frame
class LLMConfigureOutputFrame(DataFrame, Uninterruptible):
    """Says whether the model's text is spoken from now on."""

    skip_tts: bool


@frame
class LLMSummarizeContextFrame(ControlFrame, Uninterruptible):
    """Summarise the context now."""

    config: Hashable | None = None


@frame
class LLMContextSummaryRequestFrame(ControlFrame, Uninterruptible):
    """Asks the model for a summary."""

    request_id: str
    context: LLMContext
    min_messages_to_keep: int
    """The newest messages that stay as they are."""
    target_context_tokens: int
    summarization_prompt: str
    summarization_timeout: float | None = None
    """Seconds."""


@frame
class LLMContextSummaryResultFrame(ControlFrame, Uninterruptible):
    """The summary, or why there is none."""

    request_id: str
    summary: str
    last_summarized_index: int
    """Index of the last message that it covers."""
    error: str | None = None

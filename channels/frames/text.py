"""Words: what the user said or typed, what the model writes, what the bot says."""

from __future__ import annotations

from typing import Any

import attrs

from .frame import BY_NAME_BELOW, DataFrame, SystemFrame, Uninterruptible, frame, json_field

__all__ = [
    "AggregatedTextFrame",
    "AggregatedTextProgressFrame",
    "EagerTranscriptionFrame",
    "InputTextRawFrame",
    "InterimTranscriptionFrame",
    "LLMTextFrame",
    "TTSTextFrame",
    "TextFrame",
    "TranscriptionFrame",
    "TranslationFrame",
    "UserBackchannelFrame",
    "VisionTextFrame",
]


@frame
class TextFrame(DataFrame):
    """A piece of text."""

    text: str
    skip_tts: bool | None = attrs.field(default=None, kw_only=True, metadata=BY_NAME_BELOW)
    """Don't speak it; None leaves that to what was configured."""
    includes_inter_frame_spaces: bool = attrs.field(default=False, kw_only=True, metadata=BY_NAME_BELOW)
    """The text brings its own spaces: pieces are joined without more."""
    append_to_context: bool = attrs.field(default=True, kw_only=True, metadata=BY_NAME_BELOW)
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""


@frame
class LLMTextFrame(TextFrame):
    """Tokens as the language model writes them."""

    includes_inter_frame_spaces: bool = attrs.field(default=True, kw_only=True)


@frame
class VisionTextFrame(LLMTextFrame):
    """Tokens of a vision model."""


@frame
class AggregatedTextFrame(TextFrame):
    """A unit cut out of the stream of text, e.g. a sentence."""

    text_type: str = attrs.field(default="sentence", kw_only=True, metadata=BY_NAME_BELOW)
    """`"sentence"`, `"word"`, `"token"`, `"backchannel"`, or one of the application's own."""
    context_id: str | None = attrs.field(default=None, kw_only=True, metadata=BY_NAME_BELOW)
    """The synthesis that it belongs to."""
    raw_text: str | None = attrs.field(default=None, kw_only=True, metadata=BY_NAME_BELOW)
    """The text as the model wrote it, where that differs."""
    will_be_spoken: bool = attrs.field(default=False, kw_only=True, metadata=BY_NAME_BELOW)
    """A synthesiser has taken it."""
    interruptible: bool = attrs.field(default=True, kw_only=True)
    """False for speech that must be heard to its end; it is then sent immune."""


@frame
class TTSTextFrame(AggregatedTextFrame):
    """Text that is being spoken. `pts` is the start of the word."""

    segment_id: str | None = None
    """The unit of text that it is part of."""
    offset_ns: int | None = None
    """Start of the word within the audio of its synthesis, nanoseconds."""


@frame
class AggregatedTextProgressFrame(DataFrame):
    """How far a unit of text has been spoken."""

    segment_id: str
    context_id: str | None = None
    text: str = ""
    text_type: str = "sentence"
    accumulated_text: str = ""
    """Spoken so far."""
    remaining_text: str = ""
    """Still to come."""


@frame
class TranscriptionFrame(TextFrame, Uninterruptible):
    """What the user said: a final segment."""

    user_id: str = ""
    timestamp: str | None = None
    """ISO 8601; None means the time of handling."""
    language: str | None = None
    result: Any = json_field(default=None)
    """The provider's own result, frozen."""
    finalized: bool = False
    """The provider confirmed that nothing more of this utterance will come."""


@frame
class InterimTranscriptionFrame(TextFrame, Uninterruptible):
    """What the user seems to be saying; it may be revised."""

    user_id: str = ""
    timestamp: str | None = None
    """ISO 8601; None means the time of handling."""
    language: str | None = None
    result: Any = json_field(default=None)
    """The provider's own result, frozen."""


@frame
class EagerTranscriptionFrame(TextFrame, Uninterruptible):
    """The transcript of a predicted end of turn."""

    user_id: str = ""
    timestamp: str | None = None
    """ISO 8601; None means the time of handling."""
    language: str | None = None
    result: Any = json_field(default=None)
    """The provider's own result, frozen."""


@frame
class TranslationFrame(TextFrame, Uninterruptible):
    """What the user said, translated."""

    user_id: str = ""
    timestamp: str | None = None
    """ISO 8601; None means the time of handling."""
    language: str | None = None


@frame
class UserBackchannelFrame(TextFrame, Uninterruptible):
    """A short "mhm" of the user, in place of a transcript; it never enters the context."""

    user_id: str = ""
    timestamp: str | None = None
    """ISO 8601; None means the time of handling."""


@frame
class InputTextRawFrame(SystemFrame, TextFrame):
    """Text that the user typed."""

"""Measurements that a `MetricsFrame` carries: one value each, named after what was measured."""

from __future__ import annotations

import attrs

__all__ = [
    "LLMTokenUsage",
    "LLMUsageMetricsData",
    "MetricsData",
    "ProcessingMetricsData",
    "STTUsageMetricsData",
    "TTFAMetricsData",
    "TTFATMetricsData",
    "TTFBMetricsData",
    "TTSUsageMetricsData",
    "TextAggregationMetricsData",
    "TurnMetricsData",
    "UserBotLatencyMetricsData",
]


@attrs.frozen
class MetricsData:
    """Whose measurement it is."""

    processor: str
    """The actor's name."""
    model: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class TTFBMetricsData(MetricsData):
    """Time from a request to the first byte of its answer."""

    value: float
    """Seconds."""


@attrs.frozen
class TTFATMetricsData(MetricsData):
    """Time from a request to the first of a language model's answer that isn't hidden reasoning: a token or a call."""

    value: float
    """Seconds."""
    thinking: float = 0.0
    """Seconds of it after the first output of any kind."""


@attrs.frozen
class TTFAMetricsData(MetricsData):
    """Time from a request to the first audible sample of its speech."""

    value: float
    """Seconds."""
    leading_silence: float = 0.0
    """Seconds of silence before that sample, in the sound itself."""


@attrs.frozen
class ProcessingMetricsData(MetricsData):
    """Time from the start of a request's handling to its end."""

    value: float
    """Seconds."""


@attrs.frozen
class TextAggregationMetricsData(MetricsData):
    """Time from the first token to the first whole sentence."""

    value: float
    """Seconds."""


@attrs.frozen
class LLMTokenUsage:
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


@attrs.frozen
class LLMUsageMetricsData(MetricsData):
    """What a run of the language model used."""

    value: LLMTokenUsage


@attrs.frozen
class TTSUsageMetricsData(MetricsData):
    """What a synthesis used."""

    value: int
    """Characters."""


@attrs.frozen
class STTUsageMetricsData(MetricsData):
    """What a transcription used."""

    value: float
    """Seconds of sound."""


@attrs.frozen
class TurnMetricsData(MetricsData):
    """What a turn analyser predicted."""

    is_complete: bool
    probability: float
    """That the turn is complete, 0 to 1."""
    e2e_processing_time_ms: float = 0.0


@attrs.frozen(kw_only=True)
class UserBotLatencyMetricsData(MetricsData):
    """How long the user waited for the bot's voice, and for what: the parts add up to it, to the microsecond. Seconds."""

    value: float
    """From the end of the user's speech to the beginning of the bot's."""
    endpointing: float = 0.0
    """Until the silence was long enough to be the end of speech."""
    transcription: float = 0.0
    """From there to the last transcript."""
    turn_detection: float = 0.0
    """From there until the turn was judged to be over."""
    inference: float = 0.0
    """The language model's first words, or its call; with calls, of each of its runs."""
    functions: float = 0.0
    """The functions that it called."""
    aggregation: float = 0.0
    """From its first words to something that can be spoken: a sentence."""
    synthesis: float = 0.0
    """From there to the first sound."""
    pipeline: float = 0.0
    """All the rest: on the way between actors, waiting for the output, and what an interruption made void."""

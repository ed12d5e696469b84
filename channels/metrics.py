"""Measurements that a `MetricsFrame` carries: one value each, named after what was measured."""

from __future__ import annotations

import attrs

__all__ = [
    "LLMTokenUsage",
    "LLMUsageMetricsData",
    "MetricsData",
    "ProcessingMetricsData",
    "TTFBMetricsData",
    "TTSUsageMetricsData",
    "TextAggregationMetricsData",
    "TurnMetricsData",
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
class TurnMetricsData(MetricsData):
    """What a turn analyser predicted."""

    is_complete: bool
    probability: float
    """That the turn is complete, 0 to 1."""
    e2e_processing_time_ms: float = 0.0

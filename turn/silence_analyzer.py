"""The simplest turn analyser: a pause is the end."""

from __future__ import annotations

import attrs

from .turn_analyzer import TurnAnalyzerParams, TurnJudge, TurnVerdict

__all__ = ["SilenceTurnAnalyzer"]


@attrs.frozen
class SilenceTurnAnalyzer:
    """Calls a turn complete whenever the user falls silent; it doesn't look at the sound."""

    params: TurnAnalyzerParams = attrs.field(factory=TurnAnalyzerParams)

    def open(self, sample_rate: int, heard: tuple[bytes, ...] = ()) -> TurnJudge:
        return _EverySilence()


class _EverySilence:
    heard: tuple[bytes, ...] = ()

    def hear(self, audio: bytes, is_speaking: bool) -> TurnVerdict | None:
        return None

    def judge(self) -> TurnVerdict:
        return TurnVerdict(is_complete=True, probability=1.0)

    def clear(self) -> None:
        pass

"""Which strategies decide: a start list and a stop list, the first that fires wins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import attrs

from ..prosody_analyzer import ProsodyTurnAnalyzer
from .completion_stop import LLMTurnCompletionUserTurnStopStrategy, UserTurnCompletionConfig
from .deferred_stop import DeferredUserTurnStopStrategy
from .external_start import ExternalUserTurnStartStrategy
from .external_stop import ExternalUserTurnStopStrategy
from .strategy import UserTurnStartStrategy, UserTurnStopStrategy
from .transcription_start import TranscriptionUserTurnStartStrategy
from .turn_analyzer_stop import TurnAnalyzerUserTurnStopStrategy
from .vad_start import VADUserTurnStartStrategy

__all__ = [
    "AnyStartStrategy",
    "AnyStopStrategy",
    "ExternalUserTurnStrategies",
    "FilterIncompleteUserTurnStrategies",
    "UserTurnStrategies",
    "default_start_strategies",
    "default_stop_strategies",
]

AnyStartStrategy: TypeAlias = UserTurnStartStrategy[Any]
AnyStopStrategy: TypeAlias = UserTurnStopStrategy[Any]


def default_start_strategies() -> tuple[AnyStartStrategy, ...]:
    """A voice begins a turn; so do words of somebody whom voice activity didn't hear."""
    return VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()


def default_stop_strategies() -> tuple[AnyStopStrategy, ...]:
    """An analyser of the sound ends it: the one that is always there."""
    return (TurnAnalyzerUserTurnStopStrategy(ProsodyTurnAnalyzer()),)


def _starts(strategies: Iterable[AnyStartStrategy] | None) -> tuple[AnyStartStrategy, ...]:
    given = tuple(strategies or ())
    if wrong := [each for each in given if not isinstance(each, UserTurnStartStrategy)]:
        raise TypeError(
            f"{wrong[0]!r} is no start strategy: derive it from UserTurnStartStrategy, and make an instance."
        )
    return given or default_start_strategies()


def _stops(strategies: Iterable[AnyStopStrategy] | None) -> tuple[AnyStopStrategy, ...]:
    given = tuple(strategies or ())
    if wrong := [each for each in given if not isinstance(each, UserTurnStopStrategy)]:
        raise TypeError(f"{wrong[0]!r} is no stop strategy: derive it from UserTurnStopStrategy, and make an instance.")
    return given or default_stop_strategies()


@attrs.frozen
class UserTurnStrategies:
    """Who begins and who ends the user's turns. None or an empty list means the default.

    Raises `TypeError` for what isn't a strategy of that kind.
    """

    start: tuple[AnyStartStrategy, ...] = attrs.field(default=None, converter=_starts)
    stop: tuple[AnyStopStrategy, ...] = attrs.field(default=None, converter=_stops)

    def without_transcripts(self) -> tuple[UserTurnStrategies, tuple[str, ...]]:
        """Those for a session whose turns don't wait for transcripts, and the names of those that are gone or changed."""
        gone = [each for each in self.start if isinstance(each, TranscriptionUserTurnStartStrategy)]
        start = tuple(each for each in self.start if each not in gone) or (VADUserTurnStartStrategy(),)
        stop = tuple(each.without_transcripts() for each in self.stop)
        changed = [each for each, other in zip(self.stop, stop, strict=True) if each != other]
        return UserTurnStrategies(start, stop), tuple(each.name for each in [*gone, *changed])


def ExternalUserTurnStrategies(*, enable_interruptions: bool = True, timeout: float = 0.5) -> UserTurnStrategies:
    """A service begins and ends the turns; `timeout` is the stop strategy's."""
    return UserTurnStrategies(
        start=(ExternalUserTurnStartStrategy(enable_interruptions=enable_interruptions),),
        stop=(ExternalUserTurnStopStrategy(timeout=timeout),),
    )


def FilterIncompleteUserTurnStrategies(
    start: Iterable[AnyStartStrategy] | None = None,
    stop: Iterable[AnyStopStrategy] | None = None,
    *,
    config: UserTurnCompletionConfig | None = None,
) -> UserTurnStrategies:
    """The stop strategies only ask for an answer; the language model says whether the turn was complete."""
    completion = LLMTurnCompletionUserTurnStopStrategy(config or UserTurnCompletionConfig())
    return UserTurnStrategies(_starts(start), (*map(DeferredUserTurnStopStrategy, _stops(stop)), completion))

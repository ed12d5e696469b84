"""What can be set of the two halves of the pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import attrs

from .empty_turn import EmptyUserTurn
from .mute import UserMuteStrategy
from .strategies import UserTurnStrategies
from .user_turn import BACKCHANNELS
from .voice_watch import VoiceWatch

__all__ = ["LLMAssistantAggregatorParams", "LLMUserAggregatorParams"]

FAILED_PROMPT = "Your answer broke off after what you have said last. Go on from there, without saying it again."


def _strategies(those: Iterable[UserMuteStrategy[Any]]) -> tuple[UserMuteStrategy[Any], ...]:
    return tuple(those)


@attrs.frozen
class LLMUserAggregatorParams:
    """Of the user half."""

    user_turn_strategies: UserTurnStrategies | None = None
    """None: a turn begins with voice or a transcript, and ends when the turn analyser says so."""
    user_mute_strategies: tuple[UserMuteStrategy[Any], ...] = attrs.field(default=(), converter=_strategies)
    user_turn_stop_timeout: float = 5.0
    """Seconds without a sign of the user after which an open turn is over."""
    user_idle_timeout: float = 0.0
    """Seconds of silence after the bot has spoken until on_user_turn_idle; 0 is never."""
    vad: VoiceWatch | Literal["auto"] | None = "auto"
    """Who listens for voice: the half itself, by this watch; "auto": by webrtcvad, if a strategy looks at voice and nobody
    before the half listens already; None: nobody here.
    """
    empty_user_turn: EmptyUserTurn | None = attrs.field(factory=EmptyUserTurn)
    """What becomes of a turn without words that cut the bot off."""
    false_interruption_timeout: float | None = 2.0
    """Seconds after the end of a voice without words, after which a bot that was held speaks on; None cuts it at once."""
    backchannels: tuple[str, ...] = attrs.field(default=BACKCHANNELS, converter=tuple)
    """Words that don't interrupt a bot that was held."""
    allow_interruptions: bool = True
    """False: the bot always speaks to its end."""
    late_transcript_window: float | None = None
    """Realtime: seconds after the beginning of an answer within which a transcript belongs before it; None: what the
    transcriber announced; 0: such transcripts go with the next ones.
    """
    flush_timeout: float = 10.0
    """Seconds after which the half stops waiting for what an interruption cut."""
    failed_prompt: str | None = FAILED_PROMPT
    """What the model is told after an answer that failed in the middle; None: it isn't run again."""
    add_tool_change_messages: bool = False
    """Whether the model is told in words which tools came and went."""


@attrs.frozen
class LLMAssistantAggregatorParams:
    """Of the assistant half."""

    add_tool_change_messages: bool = False
    """Whether the model is told in words which tools came and went."""
    drop_partial_sentence: bool = False
    """Whether a sentence without word times that was cut off is left out, instead of cut at the estimated word."""

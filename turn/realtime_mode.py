"""Whether the language model is one that hears and speaks by itself, and what that changes."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ..actors import ConfigurationError, Unrecoverable
from ..channels import Frame, LLMServiceMetadataFrame, RealtimeServiceMetadataFrame

__all__ = [
    "HalvesDisagree",
    "RealtimeMode",
    "RealtimeServiceModeConfig",
    "announces_realtime",
    "config_in_force",
    "config_of",
    "needs_both_halves",
]


class HalvesDisagree(Unrecoverable, RuntimeError):
    """The halves of a pair can't work together as they are: one is missing, or each is told another mode."""


@attrs.frozen
class RealtimeServiceModeConfig:
    """For a realtime service. By default the user's words are written when its answer begins, an answer when the user's next
    words come, and turns don't wait for transcripts.

    Raises `ValueError` for writes that await turns which don't await transcripts: such turns end before their words are there.
    """

    context_writes_await_turns: bool = False
    """Write as in a cascade: the user's message at the end of the turn, an answer at its end."""
    turns_await_transcripts: bool = False
    """A turn ends only when its transcript is there."""

    def __attrs_post_init__(self) -> None:
        if self.context_writes_await_turns and not self.turns_await_transcripts:
            raise ValueError(
                "RealtimeServiceModeConfig(context_writes_await_turns=True, turns_await_transcripts=False): a turn would be"
                " written before its transcript has come. Set turns_await_transcripts=True as well, or leave"
                " context_writes_await_turns False."
            )


RealtimeMode: TypeAlias = RealtimeServiceModeConfig | Literal["auto", False] | None
"""None: a cascade, perhaps for want of a choice; False: a cascade. "auto": realtime as soon as a service announces that it is."""


def config_of(mode: object) -> RealtimeMode:
    """What users may write: a configuration, True (the default one), False or None (a cascade), or "auto"."""
    if mode is True:
        return RealtimeServiceModeConfig()
    if mode is False:
        return False
    if mode is None:
        return None
    if mode == "auto":
        return "auto"
    if isinstance(mode, RealtimeServiceModeConfig):
        return mode
    raise ConfigurationError(
        f"realtime_service_mode={mode!r}: write RealtimeServiceModeConfig(...), True, False, None or 'auto'."
    )


def config_in_force(mode: RealtimeMode, *, is_announced: bool) -> RealtimeServiceModeConfig | None:
    """The configuration that holds, or None for a cascade."""
    if mode == "auto":
        return RealtimeServiceModeConfig() if is_announced else None
    return mode or None


def needs_both_halves(mode: RealtimeMode) -> bool:
    """Whether the user half writes, or may come to write, by what the assistant half tells it."""
    return mode == "auto" or (isinstance(mode, RealtimeServiceModeConfig) and not mode.context_writes_await_turns)


def announces_realtime(frame: Frame) -> bool:
    """Whether a service says that it is a realtime one."""
    if isinstance(frame, LLMServiceMetadataFrame):
        return frame.is_realtime_service
    return isinstance(frame, RealtimeServiceMetadataFrame)

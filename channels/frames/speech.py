"""Speech to be synthesised, its brackets, and what was heard of it."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .frame import BY_NAME_BELOW, ControlFrame, DataFrame, SystemFrame, Uninterruptible, frame

__all__ = [
    "BotBackchannelFrame",
    "HeardFrame",
    "OutputPauseFrame",
    "OutputResumeFrame",
    "TTSSpeakFrame",
    "TTSStartedFrame",
    "TTSStoppedFrame",
]


@frame
class TTSSpeakFrame(DataFrame):
    """Say this."""

    text: str
    append_to_context: bool = attrs.field(default=True, kw_only=True, metadata=BY_NAME_BELOW)
    text_type: str = attrs.field(default="sentence", kw_only=True, metadata=BY_NAME_BELOW)
    interruptible: bool = attrs.field(default=True, kw_only=True)
    """False for speech that must be heard to its end; send it immune."""
    pts: int | None = attrs.field(default=None, kw_only=True)
    """Presentation time, nanoseconds on the session clock."""


@frame
class BotBackchannelFrame(TTSSpeakFrame, Uninterruptible):
    """A short acknowledgement while the user speaks."""

    append_to_context: bool = attrs.field(default=False, kw_only=True)
    text_type: str = attrs.field(default="backchannel", kw_only=True)


@frame
class TTSStartedFrame(ControlFrame):
    """One synthesis begins."""

    context_id: str | None = None
    append_to_context: bool = True
    interruptible: bool = attrs.field(default=True, kw_only=True)


@frame
class TTSStoppedFrame(ControlFrame):
    """One synthesis is complete."""

    context_id: str | None = None
    interruptible: bool = attrs.field(default=True, kw_only=True)


def _pairs_of_ns(pairs: Iterable[tuple[str | None, int]]) -> tuple[tuple[str | None, int], ...]:
    return tuple((context_id, played) for context_id, played in pairs)


def _pairs_of_text(pairs: Iterable[tuple[str | None, str]]) -> tuple[tuple[str | None, str], ...]:
    return tuple((context_id, text) for context_id, text in pairs)


def _contexts(context_ids: Iterable[str | None]) -> tuple[str | None, ...]:
    return tuple(context_ids)


@frame
class HeardFrame(ControlFrame, Uninterruptible):
    """What was heard of cut speech is complete: this stands behind the last text that the output released."""

    epoch: int
    """The epoch that cut the speech off."""
    played: tuple[tuple[str | None, int], ...] = attrs.field(default=(), converter=_pairs_of_ns)
    """For each synthesis, how much of its audio was played, nanoseconds."""
    partial: tuple[tuple[str | None, str], ...] = attrs.field(default=(), converter=_pairs_of_text)
    """For each synthesis, text that was heard but not released as words."""
    going_on: tuple[str | None, ...] = attrs.field(default=(), converter=_contexts)
    """Syntheses that may not be interrupted and play on."""


@frame
class OutputPauseFrame(SystemFrame):
    """Hold the playing where it is."""


@frame
class OutputResumeFrame(SystemFrame):
    """Play on where it was held."""

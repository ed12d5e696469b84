"""What a service that detects the user's turns itself recommends: to take them from it."""

from __future__ import annotations

import attrs

__all__ = ["ExternalTurns"]


@attrs.frozen
class ExternalTurns:
    """A recommendation in `ServiceMetadataFrame.user_turn_strategies`: turns begin and end as the service says."""

    enable_interruptions: bool = True
    """Whether a turn's beginning is to cut the bot off."""

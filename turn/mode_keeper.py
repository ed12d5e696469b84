"""Which policy holds: that of a cascade, or that of a realtime model, which hears and speaks by itself."""

from __future__ import annotations

import logging

import attrs

from ..actors import actor, durable, on
from ..channels import LLMServiceMetadataFrame, RealtimeServiceMetadataFrame
from .cascade import Cascade
from .context_edits import EditedContextOwner
from .peer_messages import HalfStarted
from .realtime import Realtime
from .realtime_mode import (
    HalvesDisagree,
    RealtimeMode,
    RealtimeServiceModeConfig,
    announces_realtime,
    config_in_force,
    needs_both_halves,
)
from .slots import Policy

__all__: list[str] = []

log = logging.getLogger("antiphon")

CASCADE, REALTIME = Cascade(), Realtime()


@actor
class ModeKeeper(EditedContextOwner):
    """Knows the mode that was asked for, and what the model has said of itself."""

    mode: RealtimeMode = attrs.field(default=None, kw_only=True)

    is_realtime: bool = durable(False)
    """A realtime service has announced itself."""
    has_switched: bool = durable(False)
    """In mode "auto": realtime from now on."""

    def policy(self) -> Policy:
        return REALTIME if self.writes_as_realtime() else CASCADE

    def writes_as_realtime(self) -> bool:
        """Whether the context is written as the model speaks, not as the user's turns end."""
        config = self.config()
        return config is not None and not config.context_writes_await_turns

    def config(self) -> RealtimeServiceModeConfig | None:
        """What holds now; None for a cascade."""
        return config_in_force(self.mode, is_announced=self.has_switched)

    @property
    def may_switch(self) -> bool:
        """In mode "auto" an announcement holds from the next moment on in which nobody is in the middle of a turn."""
        if self.mode != "auto" or self.has_switched or not self.is_realtime:
            return False
        return not (self.user_speaks() or self.slots.open is not None or self.slots.gathered)

    def check_mode(self) -> None:
        """Raises `HalvesDisagree` if there is nobody to tell when an answer begins."""
        if self.assistant is None and needs_both_halves(self.mode):
            raise HalvesDisagree(
                f"{self.address} has realtime_service_mode={self.mode!r} but no assistant half: only that one hears when an answer"
                " begins. Use both halves of an LLMContextAggregatorPair, or False for a cascade."
            )

    @on(HalfStarted)
    def compare_modes(self, message: HalfStarted) -> None:
        if (message.mode or None) != (self.mode or None):  # False is None by choice
            raise HalvesDisagree(
                f"{self.address} has realtime_service_mode={self.mode!r}, its assistant half {message.mode!r}: each would wait for"
                " the other to write. Give both the same, or make them by LLMContextAggregatorPair."
            )

    def note_model(self, frame: LLMServiceMetadataFrame | RealtimeServiceMetadataFrame) -> None:
        """What the model says of itself."""
        if not announces_realtime(frame) or self.is_realtime:
            return
        self.is_realtime = True
        if self.mode is None:  # False is a choice
            log.info(
                "%s: %s hears and speaks by itself. Pass realtime_service_mode='auto' (or True) to LLMContextAggregatorPair, so that"
                " the context is written as such a service speaks; on_user_message_added then tells what the user said.",
                self.address,
                frame.service_name,
            )

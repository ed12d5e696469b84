"""Who speaks, who may, and who is about to: turns, voice activity, mutes."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from ..vad_params import VADParams
from .frame import ControlFrame, SystemFrame, Uninterruptible, frame

__all__ = [
    "BotSpeakingFrame",
    "BotStartedSpeakingFrame",
    "BotStoppedSpeakingFrame",
    "EagerEndOfTurnCancelFrame",
    "EmulateUserStartedSpeakingFrame",
    "EmulateUserStoppedSpeakingFrame",
    "ProposedUserStartedSpeakingFrame",
    "ProposedUserStoppedSpeakingFrame",
    "STTMuteFrame",
    "SpeechControlParamsFrame",
    "UserIdleTimeoutUpdateFrame",
    "UserMuteStartedFrame",
    "UserMuteStoppedFrame",
    "UserSpeakingFrame",
    "UserStartedSpeakingFrame",
    "UserStoppedSpeakingFrame",
    "UserTurnInferenceCompletedFrame",
    "VADParamsUpdateFrame",
    "VADUserStartedSpeakingFrame",
    "VADUserStoppedSpeakingFrame",
]


@frame
class UserStartedSpeakingFrame(SystemFrame):
    """The user's turn began."""


@frame
class UserStoppedSpeakingFrame(SystemFrame):
    """The user's turn ended."""


@frame
class UserSpeakingFrame(SystemFrame):
    """The user is audibly speaking; repeated."""


@frame
class VADUserStartedSpeakingFrame(SystemFrame):
    """Voice was detected, and has lasted."""

    start_secs: float = 0.0
    """How long it had lasted."""
    timestamp: float | None = None
    """Session time of the decision; None means the time of handling."""


@frame
class VADUserStoppedSpeakingFrame(SystemFrame):
    """Silence was detected, and has lasted."""

    stop_secs: float = 0.0
    """How long it had lasted."""
    timestamp: float | None = None
    """Session time of the decision; None means the time of handling."""


@frame
class ProposedUserStartedSpeakingFrame(SystemFrame):
    """A service proposes that the user's turn began."""


@frame
class ProposedUserStoppedSpeakingFrame(ControlFrame, Uninterruptible):
    """A service proposes that the user's turn ended; ordered after its final transcript."""


@frame
class EmulateUserStartedSpeakingFrame(SystemFrame):
    """Begins a user's turn without audio."""


@frame
class EmulateUserStoppedSpeakingFrame(SystemFrame):
    """Ends a user's turn without audio."""


@frame
class EagerEndOfTurnCancelFrame(SystemFrame):
    """A predicted end of turn is withdrawn."""


@frame
class UserTurnInferenceCompletedFrame(SystemFrame):
    """Someone judged the user's turn complete in meaning."""


@frame
class UserMuteStartedFrame(SystemFrame):
    """User input is suppressed from now on."""


@frame
class UserMuteStoppedFrame(SystemFrame):
    """User input is heard again."""


@frame
class STTMuteFrame(SystemFrame):
    """Stops or restarts transcription."""

    mute: bool


@frame
class UserIdleTimeoutUpdateFrame(SystemFrame):
    """Changes how long the user may be silent."""

    timeout: float
    """Seconds; 0 turns the watch off."""


@frame
class BotStartedSpeakingFrame(SystemFrame):
    """The bot's first audible sound is about to leave the output."""

    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class BotStoppedSpeakingFrame(SystemFrame):
    """The bot's last audible sound has left the output."""

    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class BotSpeakingFrame(SystemFrame):
    """The bot is audibly speaking; repeated."""

    transport_source: str | None = attrs.field(default=None, kw_only=True)
    transport_destination: str | None = attrs.field(default=None, kw_only=True)


@frame
class SpeechControlParamsFrame(SystemFrame):
    """The parameters that VAD and turn analyser work with now."""

    vad_params: VADParams | None = None
    turn_params: Hashable | None = None


@frame
class VADParamsUpdateFrame(ControlFrame, Uninterruptible):
    """Changes the VAD's parameters."""

    params: VADParams

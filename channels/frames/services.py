"""Services announcing themselves, taking new settings, being switched, and measuring."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import attrs

from ..frozen import freeze
from ..metrics import MetricsData
from .frame import BY_NAME_BELOW, ControlFrame, SystemFrame, Uninterruptible, frame

__all__ = [
    "FilterControlFrame",
    "FilterEnableFrame",
    "FilterUpdateSettingsFrame",
    "LLMServiceMetadataFrame",
    "LLMUpdateSettingsFrame",
    "ManuallySwitchServiceFrame",
    "MetricsFrame",
    "MixerControlFrame",
    "MixerEnableFrame",
    "MixerUpdateSettingsFrame",
    "RealtimeServiceMetadataFrame",
    "STTMetadataFrame",
    "STTUpdateSettingsFrame",
    "ServiceMetadataFrame",
    "ServiceSwitcherFrame",
    "ServiceSwitcherRequestMetadataFrame",
    "ServiceUpdateSettingsFrame",
    "TTSUpdateSettingsFrame",
]


@frame
class ServiceMetadataFrame(SystemFrame):
    """A service announces itself, at the start and when asked."""

    service_name: str
    user_turn_strategies: Hashable | None = attrs.field(default=None, kw_only=True, metadata=BY_NAME_BELOW)
    """The strategies that suit it."""


@frame
class STTMetadataFrame(ServiceMetadataFrame):
    """A transcriber announces itself."""

    ttfs_p99_latency: float = 0.0
    """Seconds from the end of speech to the final transcript, 99th percentile."""


@frame
class LLMServiceMetadataFrame(ServiceMetadataFrame):
    """A language model announces itself."""

    is_realtime_service: bool = False
    """It hears and speaks itself."""


@frame
class RealtimeServiceMetadataFrame(SystemFrame):
    """A speech-to-speech model announces itself."""

    service_name: str
    emits_user_turn_frames: bool = True


@frame
class ServiceSwitcherRequestMetadataFrame(ControlFrame, Uninterruptible):
    """Asks a service to announce itself again."""

    service: Hashable | None = None


@frame
class ServiceSwitcherFrame(ControlFrame, Uninterruptible):
    """Base of what changes the active service."""


@frame
class ManuallySwitchServiceFrame(ServiceSwitcherFrame, Uninterruptible):
    """Makes that service the active one."""

    service: Hashable


@frame
class ServiceUpdateSettingsFrame(ControlFrame, Uninterruptible):
    """Changes a service's settings while it runs."""

    delta: Hashable | None = None
    """What changes, as the service's own settings value."""
    settings: Mapping[str, Any] | None = attrs.field(default=None, converter=freeze)
    """What changes, by name: the legacy form."""
    service: Hashable | None = None
    """The name or address of the one meant; None means any of the kind."""
    reach_inactive_services: bool = False


@frame
class LLMUpdateSettingsFrame(ServiceUpdateSettingsFrame, Uninterruptible):
    """Changes a language model's settings."""


@frame
class TTSUpdateSettingsFrame(ServiceUpdateSettingsFrame, Uninterruptible):
    """Changes a synthesiser's settings."""


@frame
class STTUpdateSettingsFrame(ServiceUpdateSettingsFrame, Uninterruptible):
    """Changes a transcriber's settings."""


def _measurements(data: Iterable[MetricsData]) -> tuple[MetricsData, ...]:
    return tuple(data)


@frame
class MetricsFrame(SystemFrame):
    """Measurements."""

    data: tuple[MetricsData, ...] = attrs.field(converter=_measurements)


@frame
class MixerControlFrame(ControlFrame, Uninterruptible):
    """Base of what controls the background mixer."""


@frame
class MixerUpdateSettingsFrame(MixerControlFrame, Uninterruptible):
    """Changes the mixer's settings."""

    settings: Mapping[str, Any] = attrs.field(converter=freeze)


@frame
class MixerEnableFrame(MixerControlFrame, Uninterruptible):
    """Turns the mixer on or off."""

    enable: bool


@frame
class FilterControlFrame(ControlFrame, Uninterruptible):
    """Base of what controls the input's audio filter."""


@frame
class FilterUpdateSettingsFrame(FilterControlFrame, Uninterruptible):
    """Changes the filter's settings."""

    settings: Mapping[str, Any] = attrs.field(converter=freeze)


@frame
class FilterEnableFrame(FilterControlFrame, Uninterruptible):
    """Turns the filter on or off."""

    enable: bool

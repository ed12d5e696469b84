"""Beginning, end and failure of a session, probes, and actors told to hold."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from ..credentials import masked
from .frame import BY_NAME_BELOW, ControlFrame, SystemFrame, Uninterruptible, frame

__all__ = [
    "BotConnectedFrame",
    "BotInterruptionFrame",
    "CancelFrame",
    "CancelTaskFrame",
    "CancelWorkerFrame",
    "ClientConnectedFrame",
    "EndFrame",
    "EndTaskFrame",
    "EndWorkerFrame",
    "ErrorFrame",
    "FatalErrorFrame",
    "FrameProcessorPauseFrame",
    "FrameProcessorPauseUrgentFrame",
    "FrameProcessorResumeFrame",
    "FrameProcessorResumeUrgentFrame",
    "HeartbeatFrame",
    "InputTransportStartAudioStreamingFrame",
    "InterruptionFrame",
    "InterruptionTaskFrame",
    "InterruptionWorkerFrame",
    "OutputTransportReadyFrame",
    "PipelineFlushFrame",
    "StartFrame",
    "StartInterruptionFrame",
    "StopFrame",
    "StopTaskFrame",
    "StopWorkerFrame",
    "TaskFrame",
    "TaskSystemFrame",
    "WorkerFrame",
    "WorkerSystemFrame",
]


@frame
class StartFrame(SystemFrame):
    """The first frame that an actor sees."""

    audio_in_sample_rate: int = 16000
    """Hz."""
    audio_out_sample_rate: int = 24000
    """Hz."""
    enable_metrics: bool = False
    enable_usage_metrics: bool = False
    enable_tracing: bool = False
    report_only_initial_ttfb: bool = False
    tracing_context: Hashable | None = None


@frame
class EndFrame(ControlFrame, Uninterruptible):
    """The session ends after everything that was queued before this."""

    reason: str | None = None


@frame
class StopFrame(ControlFrame, Uninterruptible):
    """The session's loop ends after everything that was queued before this; actors stay connected."""


@frame
class CancelFrame(SystemFrame):
    """The session ends now; what is queued is dropped."""

    reason: str | None = None


@frame
class InterruptionFrame(SystemFrame):
    """The bot's output has been cut. It lies at the front of an actor's system lane and travels no further."""

    epoch: int | None = None
    """The epoch that began; the interruption fills it."""


@frame
class StartInterruptionFrame(InterruptionFrame):
    """Legacy name of `InterruptionFrame`, with the same effect."""


@frame
class WorkerFrame(ControlFrame):
    """Base of requests to the session that keep their place in the order."""


@frame
class WorkerSystemFrame(SystemFrame):
    """Base of requests to the session that overtake."""


@frame
class EndWorkerFrame(WorkerFrame, Uninterruptible):
    """Asks the session to send EndFrame."""

    reason: str | None = None


@frame
class StopWorkerFrame(WorkerFrame, Uninterruptible):
    """Asks the session to send StopFrame."""


@frame
class CancelWorkerFrame(WorkerSystemFrame):
    """Asks the session to send CancelFrame, at once."""

    reason: str | None = None


@frame
class InterruptionWorkerFrame(WorkerSystemFrame):
    """Asks the session for an interruption."""


@frame
class BotInterruptionFrame(InterruptionWorkerFrame):
    """Legacy request for an interruption."""


TaskFrame = WorkerFrame
TaskSystemFrame = WorkerSystemFrame
EndTaskFrame = EndWorkerFrame
StopTaskFrame = StopWorkerFrame
CancelTaskFrame = CancelWorkerFrame
InterruptionTaskFrame = InterruptionWorkerFrame


@frame
class ErrorFrame(SystemFrame):
    """Something failed."""

    error: str = attrs.field(converter=masked)
    """What was wrong, where, and what to do; keys and tokens are masked."""
    fatal: bool = attrs.field(default=False, kw_only=True, metadata=BY_NAME_BELOW)
    """The session ends."""
    processor: Hashable | None = attrs.field(default=None, kw_only=True)
    """The actor's name or address."""
    exception: BaseException | None = attrs.field(default=None, kw_only=True)
    category: str | None = attrs.field(default=None, kw_only=True)
    """Who must act, e.g. `"application"`, `"service"`, `"network"`."""


@frame
class FatalErrorFrame(ErrorFrame):
    """Legacy error that ends the session."""

    fatal: bool = attrs.field(default=True, kw_only=True)


@frame
class HeartbeatFrame(ControlFrame):
    """A probe that must come out at the sink."""

    timestamp: int
    """Nanoseconds on the session clock."""


@frame
class PipelineFlushFrame(ControlFrame, Uninterruptible):
    """A probe that travels down, up and down again.

    When it ends, everything that was queued before it is done, and so is all that this caused upstream.
    """

    flush_id: str
    origin: Hashable | None = None
    returning: bool = False


@frame
class FrameProcessorPauseFrame(ControlFrame, Uninterruptible):
    """Hold that actor's ordered lane, from its place in the order on. System frames and messages are handled meanwhile.

    It does so for any actor on its way, which needs no handler for it, and goes no further. An end of the session lifts it.
    """

    processor: Hashable
    """Its address."""


@frame
class FrameProcessorPauseUrgentFrame(SystemFrame):
    """Hold that actor's ordered lane now."""

    processor: Hashable
    """Its address."""


@frame
class FrameProcessorResumeFrame(SystemFrame):
    """Release that actor's ordered lane: held frames run in the order of arrival."""

    processor: Hashable


@frame
class FrameProcessorResumeUrgentFrame(SystemFrame):
    """Release that actor's ordered lane: held frames run in the order of arrival."""

    processor: Hashable


@frame
class BotConnectedFrame(SystemFrame):
    """The bot joined the transport."""


@frame
class ClientConnectedFrame(SystemFrame):
    """A client joined the transport."""


@frame
class OutputTransportReadyFrame(ControlFrame, Uninterruptible):
    """The output can take frames."""


@frame
class InputTransportStartAudioStreamingFrame(ControlFrame, Uninterruptible):
    """Start to read audio from the source."""

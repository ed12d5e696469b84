"""The wait of each turn as a metric among the others, for clients and exporters that read MetricsFrames."""

from __future__ import annotations

from collections.abc import Iterator

from ..actors import Actor, Down, Effect, actor, durable, on
from ..channels import BotStartedSpeakingFrame, MetricsFrame, StartFrame
from .latency import LatencyTracker

__all__ = ["LatencyMetrics"]


@actor
class LatencyMetrics(Actor):
    """Sends each wait that a tracker measured as a MetricsFrame, downstream, when the session has `enable_metrics`.

    It stands anywhere in the pipeline of the session that the tracker observes. An observer hears of a frame before its
    handler begins: so the wait is known when the bot's start comes by.
    """

    tracker: LatencyTracker
    """Asked, never told anything."""

    is_wanted: bool = durable(False)
    sent: int = durable(0)
    """How many of the tracker's measurements have gone out."""

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.is_wanted = frame.enable_metrics

    @on(BotStartedSpeakingFrame)
    def send(self, frame: BotStartedSpeakingFrame) -> Iterator[Effect]:
        yield frame
        latest = self.tracker.latest
        if self.is_wanted and latest is not None and self.tracker.count > self.sent:
            self.sent = self.tracker.count
            yield Down(MetricsFrame((latest,)))

"""Whether the user is audibly speaking: windows of sound in, started and stopped out.

1. Every transition is in `NEXT`. A step takes values and gives values; it reads no clock.
2. Thresholds are examined once a window, never once a chunk: how sound is cut into frames changes nothing.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

import attrs
import numpy as np

from ..channels import VADParams
from .voice_analyzer import VoiceJudge

__all__ = ["VADParams", "VADState", "VoiceActivity", "VoiceEdge", "loudness"]


class VADState(enum.Enum):
    """Where the user is between silence and speech."""

    QUIET = "quiet"
    STARTING = "starting"
    """Voice, but not long enough to be speech."""
    SPEAKING = "speaking"
    STOPPING = "stopping"
    """Silence, but not long enough to be the end."""


class Window(enum.Enum):
    """What a window adds: voice or none, and whether that has now lasted."""

    VOICED = "voiced"
    VOICED_LONG = "voiced long"
    UNVOICED = "unvoiced"
    UNVOICED_LONG = "unvoiced long"


class VoiceEdge(enum.Enum):
    """What becomes a frame."""

    STARTED = "started"
    STOPPED = "stopped"


QUIET, STARTING, SPEAKING, STOPPING = VADState

NEXT: Mapping[VADState, Mapping[Window, VADState]] = {
    QUIET: {
        Window.VOICED: STARTING,
        Window.VOICED_LONG: SPEAKING,
        Window.UNVOICED: QUIET,
        Window.UNVOICED_LONG: QUIET,
    },
    STARTING: {
        Window.VOICED: STARTING,
        Window.VOICED_LONG: SPEAKING,
        Window.UNVOICED: QUIET,
        Window.UNVOICED_LONG: QUIET,
    },
    SPEAKING: {
        Window.VOICED: SPEAKING,
        Window.VOICED_LONG: SPEAKING,
        Window.UNVOICED: STOPPING,
        Window.UNVOICED_LONG: QUIET,
    },
    STOPPING: {
        Window.VOICED: SPEAKING,
        Window.VOICED_LONG: SPEAKING,
        Window.UNVOICED: STOPPING,
        Window.UNVOICED_LONG: QUIET,
    },
}

EDGES: Mapping[tuple[VADState, VADState], VoiceEdge] = {
    (QUIET, SPEAKING): VoiceEdge.STARTED,
    (STARTING, SPEAKING): VoiceEdge.STARTED,
    (SPEAKING, QUIET): VoiceEdge.STOPPED,
    (STOPPING, QUIET): VoiceEdge.STOPPED,
}

SMOOTHING = 0.2
"""How much of the newest loudness enters the volume; the rest is what it was."""

LOUDNESS_SECS = 0.2
"""How far the rolling window of the loudness looks back: about a syllable."""


def loudness(mean_square: float) -> float:
    """A loudness from 0 to 1, a hundredth for each decibel: 0 at -110 dBFS and below, 1 at -10 dBFS and above.

    `mean_square` is that of int16 samples. A full-scale square wave has 0 dBFS. Speech near a microphone lies at -35 to
    -15 dBFS, which is 0.75 to 0.95; the noise of a quiet room and line at -70 to -55, which is 0.4 to 0.55. The default
    threshold of 0.6 is -50 dBFS, an amplitude of about 100.
    """
    if mean_square <= 0.0:
        return 0.0
    decibels = 10.0 * math.log10(mean_square / 32768.0**2)
    return min(1.0, max(0.0, (decibels + 110.0) / 100.0))


@attrs.frozen
class VoiceActivity:
    """What is known of one stream of sound, mono int16. Each step gives the next value."""

    params: VADParams
    window_bytes: int
    window_secs: float
    state: VADState = QUIET
    count: int = 0
    """Windows in a row that were voiced (STARTING) or unvoiced (STOPPING)."""
    volume: float = 0.0
    """The smoothed loudness, 0 to 1."""
    rest: bytes = attrs.field(default=b"", repr=lambda rest: f"<{len(rest)} bytes>")
    """What is short of a window; it waits for the next chunk."""
    squares: tuple[float, ...] = attrs.field(default=(), repr=False)
    """The mean squares of the last windows, for the loudness."""

    def hear(self, audio: bytes, judge: VoiceJudge) -> tuple[VoiceActivity, tuple[VoiceEdge, ...]]:
        """What is known after this chunk, of any length, and the edges in it, oldest first."""
        sound = self.rest + audio
        whole = len(sound) - len(sound) % self.window_bytes
        activity = self
        edges: list[VoiceEdge] = []
        for start in range(0, whole, self.window_bytes):
            activity, edge = activity._judged(sound[start : start + self.window_bytes], judge)
            if edge is not None:
                edges.append(edge)
        return attrs.evolve(activity, rest=sound[whole:]), tuple(edges)

    def lost(self) -> tuple[VoiceActivity, tuple[VoiceEdge, ...]]:
        """What is known after the sound failed to come: nothing. Speech has stopped."""
        edges = () if EDGES.get((self.state, QUIET)) is None else (EDGES[self.state, QUIET],)
        return VoiceActivity(self.params, self.window_bytes, self.window_secs), edges

    def with_params(self, params: VADParams) -> tuple[VoiceActivity, tuple[VoiceEdge, ...]]:
        """From quiet again, with these parameters; the volume stays. Speech has stopped."""
        edges = () if EDGES.get((self.state, QUIET)) is None else (EDGES[self.state, QUIET],)
        return attrs.evolve(self, params=params, state=QUIET, count=0), edges

    def _judged(self, window: bytes, judge: VoiceJudge) -> tuple[VoiceActivity, VoiceEdge | None]:
        squares = (*self.squares, mean_square(window))[-max(1, round(LOUDNESS_SECS / self.window_secs)) :]
        loud = loudness(sum(squares) / len(squares))
        volume = SMOOTHING * loud + (1.0 - SMOOTHING) * self.volume
        confidence = judge.judge(window)
        voiced = confidence >= self.params.confidence and volume >= self.params.min_volume
        count = self._run(voiced)
        then = NEXT[self.state][self._kind(voiced, count)]
        if then in (QUIET, SPEAKING):
            count = 0
        activity = attrs.evolve(self, state=then, count=count, volume=volume, squares=squares)
        return activity, EDGES.get((self.state, then))

    def _run(self, voiced: bool) -> int:
        """The count with this window: it matters on the way from one side to the other, and is 0 elsewhere."""
        if self.state in (QUIET, STARTING):
            return self.count + 1 if voiced else 0
        return 0 if voiced else self.count + 1

    def _kind(self, voiced: bool, count: int) -> Window:
        seconds = self.params.start_secs if voiced else self.params.stop_secs
        is_long = count >= round(seconds / self.window_secs)
        if voiced:
            return Window.VOICED_LONG if is_long else Window.VOICED
        return Window.UNVOICED_LONG if is_long else Window.UNVOICED


def mean_square(window: bytes) -> float:
    """Of int16 samples, exactly."""
    samples = np.frombuffer(window, "<i2").astype(np.int64)
    return int(np.dot(samples, samples)) / len(samples)

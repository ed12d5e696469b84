"""What the tests of the outputs say: speech in frames, a device that notes it, and what left at the ends."""

from __future__ import annotations

import numpy as np

from antiphon import Actor, Immune, Pipeline, actor, on
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.actors.transports.devices import ArraySink
from antiphon.channels import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    HeardFrame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Trace, play

__all__ = [
    "CHUNK",
    "RATE",
    "SIZE",
    "Device",
    "Immunity",
    "at_once",
    "audio",
    "brackets",
    "heard_of",
    "leaving",
    "of_kind",
    "only",
    "run",
    "synthesis",
    "unit",
    "untimed",
    "word",
    "words_of",
]

RATE = 24000
"""Of a play's output, Hz."""
CHUNK = 0.02
SIZE = 2 * 480


class Device(ArraySink):
    """Notes when each chunk comes, and for when."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[tuple[float, bytes]] = []
        self.is_closed = False

    def write(self, audio: bytes, at: float) -> None:
        assert self._began is not None
        self.chunks.append((round(at - self._began, 6), audio))
        super().write(audio, at)

    def close(self) -> None:
        self.is_closed = True


def audio(
    seconds: float,
    *,
    context: str | None = "a",
    value: int = 1000,
    rate: int = RATE,
    interruptible: bool = True,
    piece: float = CHUNK,
) -> list[Frame]:
    """Speech in frames of `piece` seconds."""
    count = round(seconds / piece)
    sound = np.full(round(piece * rate), value, "<i2").tobytes()
    return [TTSAudioRawFrame(sound, context, sample_rate=rate, interruptible=interruptible) for _ in range(count)]


def word(text: str, seconds: float, *, context: str = "a", interruptible: bool = True) -> TTSTextFrame:
    offset = round(seconds * 1e9)
    return TTSTextFrame(text, "a sentence", offset, context_id=context, interruptible=interruptible)


def synthesis(
    seconds: float, *words: TTSTextFrame, context: str = "a", value: int = 1000, interruptible: bool = True
) -> list[Frame]:
    """A whole one."""
    return [
        TTSStartedFrame(context, interruptible=interruptible),
        *words,
        *audio(seconds, context=context, value=value, interruptible=interruptible),
        TTSStoppedFrame(context, interruptible=interruptible),
    ]


def unit(text: str, *, context: str = "a") -> AggregatedTextFrame:
    """Text that is going to be spoken."""
    return AggregatedTextFrame(text, context_id=context, will_be_spoken=True, append_to_context=False)


def untimed(text: str, *, context: str = "a") -> TTSTextFrame:
    """A unit of text behind its sound."""
    return TTSTextFrame(text, context_id=context)


@actor
class Immunity(Actor):
    """Sends what may not be interrupted so that it isn't, as a synthesiser does."""

    @on(OutputAudioRawFrame, TTSStartedFrame, TTSStoppedFrame, TTSTextFrame)
    def send(self, frame: OutputAudioRawFrame | TTSStartedFrame | TTSStoppedFrame | TTSTextFrame) -> Frame | Immune:
        return frame if frame.interruptible else Immune(frame)


def at_once(*frames: Frame) -> list[Item]:
    return [frames]


def run(
    script: list[Item],
    *,
    device: Device | None = None,
    output: AudioOutput | None = None,
    direct: bool = True,
    seed: int = 0,
    limit: float = 3600.0,
) -> Trace:
    output = output or AudioOutput(device or Device(), name="output")
    return play(Pipeline(Immunity(), output), script, direct=direct, seed=seed, limit=limit)


def leaving(trace: Trace, *kinds: type[Frame], end: str = "sink") -> list[tuple[float, Frame]]:
    return [
        (round(each.time, 6), each.frame)
        for each in trace.deliveries
        if each.receiver.name == end and isinstance(each.frame, kinds)
    ]


def words_of(trace: Trace) -> list[tuple[float, str]]:
    return [(time, frame.text) for time, frame in leaving(trace, TTSTextFrame) if isinstance(frame, TTSTextFrame)]


def brackets(trace: Trace) -> list[tuple[float, type[Frame]]]:
    return [(time, type(frame)) for time, frame in leaving(trace, BotStartedSpeakingFrame, BotStoppedSpeakingFrame)]


def heard_of(trace: Trace, *, end: str = "sink") -> HeardFrame:
    """What was heard when speech was first cut; the end of each play cuts, too."""
    first = leaving(trace, HeardFrame, end=end)[0][1]
    assert isinstance(first, HeardFrame)
    return first


def of_kind(trace: Trace, *kinds: type[Frame]) -> list[Frame]:
    """What left at the end, in order."""
    return [frame for _, frame in leaving(trace, *kinds)]


def only(trace: Trace, kind: type[Frame]) -> tuple[float, Frame]:
    (found,) = leaving(trace, kind)
    return found

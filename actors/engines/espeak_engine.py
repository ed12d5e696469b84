"""espeak-ng as an engine: text in; sound out, with the place of every word in it. A program of its own, since the library is GPL-3.

Start it as `[sys.executable, "-P", PATH]`. Both pipes carry frames: a length (4 bytes, big-endian, of what follows it: type
byte and body), a type byte, a body. `J` is a JSON object in UTF-8, `A` is sound: 16-bit little-endian mono PCM.
A frame sent to it has at most 1 MiB.

| to the engine | means |
|---|---|
| `J {"configure": {...}}` | for what is said after it; may come again; unset keys keep their value; see below |
| `J {"say": TEXT, "id": ID}` | speak, after what was asked before; ID is a string |
| `J {"stop": ID}` | don't speak that, or no further; `{"stop": null}`: nothing of all that was asked so far |

| configure | means |
|---|---|
| `voice` | espeak's name, with a variant after `+`: `"en-us"`, `"en-us+f2"` |
| `rate` | words a minute, 80 to 450: 175 |
| `pitch`, `range`, `volume` | 0 to 100, 0 to 100, 0 to 200: 50, 50, 100 |
| `gap` | silence between words, in 10 ms: 0 |
| `sample_rate` | Hz of the sound that comes out, 8000 to 48000: 22050 |

| from the engine | means |
|---|---|
| `J {"ready": {"engine": "espeak-ng", "version": V, "sample_rate": 22050}}` | first of all, unasked |
| `J {"configured": {...}}` | the settings in force from here on |
| `J {"started": ID, "sample_rate": HZ}` | what follows is of ID, until it is done or stopped |
| `J {"word": TEXT, "id": ID, "offset": N, "text_position": P, "length": L}` | this word begins at sample N; always before its sound |
| `A` | sound of the ID that started last, at most 60 ms |
| `J {"done": ID, "samples": N}` | all of it was said, in N samples |
| `J {"stopped": ID}` | answers a stop, one for each ID that it stopped; no sound of it comes after this |
| `J {"error": TEXT, "fatal": false, "id": ID}` | it can't be said; `done` follows |
| `J {"error": TEXT, "fatal": true}` | what was wrong, what to do; the engine ends |

The words of an ID are its text, cut at white space: joined by spaces they give it again. `text_position` and `length` count
characters (code points) of the text. What espeak doesn't speak (a dash by itself) goes with the word after it, or before it
at the end. A stop of what is done already is answered by nothing. The same requests in the same order give the same sound.

Exit codes: 0 its stdin ended, 1 a bug in here, 2 a wrong configuration or frame, 3 something isn't installed.

**Two threads.** The main one speaks: espeak is global state, so one thing is said at a time, and its callback runs in that
thread. The other one reads stdin, so that a stop or the end of stdin is seen in the middle of a word.
"""

import contextlib
import ctypes
import importlib
import json
import os
import re
import signal
import struct
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import gcd
from typing import Any, BinaryIO, NoReturn, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

__all__ = ["main"]

LARGEST = 1 << 20
"""Bytes of a frame, type byte and body: an hour of speech; more is a peer that has lost its place in the stream."""
CHUNK = 0.06
"""Seconds of sound in a frame, at most."""

Json = dict[str, Any]
Samples = npt.NDArray[np.int16]


class Refused(Exception):
    """The engine can't go on, and whoever started it must do something: what, is in the text; `code` is the exit code."""

    def __init__(self, text: str, code: int = 2) -> None:
        super().__init__(text)
        self.code = code


# --- the pipes


@dataclass(frozen=True, slots=True)
class Pipes:
    """Frames in, frames out. Both threads write."""

    source: BinaryIO
    sink: BinaryIO
    writing: threading.Lock = field(default_factory=threading.Lock)

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        """Type and body of each frame, until the other side closes its end, be it in the middle of a frame."""
        while len(head := self.source.read(4)) == 4:
            (length,) = struct.unpack(">I", head)
            if not 1 <= length <= LARGEST:
                raise Refused(f"A frame of {length:,} bytes: it must be 1 to {LARGEST:,}. Is the stream out of step?")
            frame = self.source.read(length)
            if len(frame) < length:
                return
            yield frame[:1], frame[1:]

    def say(self, message: Json) -> None:
        self.write(b"J" + json.dumps(message).encode())

    def sound(self, samples: Samples) -> None:
        self.write(b"A" + samples.astype("<i2").tobytes())

    def write(self, frame: bytes) -> None:
        with self.writing:
            self.sink.write(struct.pack(">I", len(frame)) + frame)
            self.sink.flush()


def standard_pipes() -> Pipes:
    """Stdin and stdout; what a library prints from now on goes to stderr, where it can't be taken for a frame."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Pipes(sys.stdin.buffer, sink)


def parse(kind: bytes, body: bytes) -> Json:
    """The JSON object of a `J` frame."""
    if kind != b"J":
        raise Refused(f"A frame of type {kind!r}; only J frames can be sent here.")
    try:
        message = json.loads(body)
    except ValueError as error:
        raise Refused(f"A J frame that isn't JSON ({error}): {body[:80]!r}") from error
    if not isinstance(message, dict):
        raise Refused(f"A J frame must hold a JSON object, not {body[:80]!r}")
    return cast(Json, message)


# --- what was asked for

LIMITS: Mapping[str, tuple[int, int, int]] = {
    "rate": (80, 450, 175),
    "pitch": (0, 100, 50),
    "range": (0, 100, 50),
    "volume": (0, 200, 100),
    "gap": (0, 1000, 0),
    "sample_rate": (8000, 48000, 22050),
}
"""Least, most and default of each number in `configure`."""

DEFAULTS: Json = {"voice": "en-us", **{name: default for name, (_, _, default) in LIMITS.items()}}


def merged(settings: Json, given: object) -> Json:
    """The settings with the given ones put in, checked."""
    if not isinstance(given, dict):
        raise Refused(f"configure must hold an object, not {given!r}")
    settings = {**settings, **{name: value for name, value in cast(Json, given).items() if value is not None}}
    for name, value in settings.items():
        if name == "voice":
            if not isinstance(value, str) or not value:
                raise Refused(f"voice is {value!r}; it must be a name such as 'en-us+f2'.")
        elif name not in LIMITS:
            raise Refused(f"configure doesn't know {name}; it takes voice, {', '.join(LIMITS)}.")
        else:
            least, most, _ = LIMITS[name]
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise Refused(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")
    return settings


# --- sound at another rate


class Resampler:
    """Sound at another rate, chunk by chunk: the sum is the same however it is cut, without a click, a gap or a shift."""

    REACH = 24
    """Zeros of the sinc on each side: 80 dB of attenuation, and 1 ms held back."""

    def __init__(self, source: int, target: int) -> None:
        divisor = gcd(source, target)
        self.up, self.down = target // divisor, source // divisor
        self.taps = self._taps()
        self.half = self.taps.shape[1] // 2
        self._held = np.zeros(self.half, np.float64)
        self._start = -self.half
        """Position, in source samples, of the first that is held."""
        self._came = self._gone = 0

    def _taps(self) -> npt.NDArray[np.float64]:
        """A filter for each of the `up` phases. Row p, column k: the weight of source sample k - half + 1 for output at p / up."""
        # Below the lower of both Nyquist frequencies, or what is above it would come back as a whistle.
        cut = 0.94 * min(1.0, self.up / self.down)
        half = int(np.ceil(self.REACH / cut))
        distance = np.arange(1 - half, half + 1)[None, :] - np.arange(self.up)[:, None] / self.up
        window = np.i0(9.0 * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, 1))) / np.i0(9.0)
        taps: npt.NDArray[np.float64] = np.sinc(cut * distance) * window
        taps /= taps.sum(axis=1, keepdims=True)
        return taps

    def feed(self, samples: Samples) -> Samples:
        self._came += len(samples)
        self._held = np.concatenate([self._held, samples])
        return self._drain(self._start + len(self._held) - self.half)

    def flush(self) -> Samples:
        """What was held back; the resampler is done after it."""
        self._held = np.concatenate([self._held, np.zeros(self.half + 1)])
        return self._drain(self._came)

    def _drain(self, before: int) -> Samples:
        """The output whose place in the source is before `before`."""
        stop = max(self._gone, -(-before * self.up // self.down))
        places = np.arange(self._gone, stop, dtype=np.int64) * self.down
        whole, phase = places // self.up, places % self.up
        if len(whole) == 0:
            return np.zeros(0, np.int16)
        first = whole - self.half + 1 - self._start
        windows = np.lib.stride_tricks.sliding_window_view(self._held, self.taps.shape[1])
        made = np.sum(windows[first] * self.taps[phase], axis=1)
        self._gone = stop
        needless = int(stop * self.down // self.up) - self.half + 1 - self._start
        self._held = self._held[needless:]
        self._start += needless
        samples: Samples = np.clip(np.rint(made), -32768, 32767).astype(np.int16)
        return samples


# --- words


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text: what stands between white space."""

    text: str
    position: int


class Words:
    """The words of a text, in the order that espeak says them, each once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans = [found.span() for found in re.finditer(r"\S+", text)]
        self._next = 0

    def at(self, position: int) -> Word | None:
        """The words not said yet, up to the one that has this character; None when they were said."""
        count = sum(start <= position for start, _ in self._spans)
        return self._take(count)

    def rest(self) -> Word | None:
        return self._take(len(self._spans))

    def _take(self, count: int) -> Word | None:
        if count <= self._next:
            return None
        start, stop = self._spans[self._next][0], self._spans[count - 1][1]
        self._next = count
        return Word(self._text[start:stop], start)


# --- espeak


class _Number(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class Event(ctypes.Structure):
    """espeak's `espeak_EVENT`."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Number),
    )


END_OF_LIST, WORD = 0, 1
SYNCHRONOUS, UTF8, BY_CHARACTER = 2, 1, 1
RATE, VOLUME, PITCH, RANGE, GAP = 1, 2, 3, 4, 7
PARAMETERS = {"rate": RATE, "volume": VOLUME, "pitch": PITCH, "range": RANGE, "gap": GAP}
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


class Loader(Protocol):
    """What we use of espeakng_loader, which has no types."""

    def get_library_path(self) -> str: ...
    def get_data_path(self) -> str: ...


Hear: TypeAlias = Callable[[Samples, list[tuple[int, int]]], bool]
"""Gets a stretch of sound, and the words that begin in it or later (text position, sample); says whether to go on."""


class Espeak:
    """The library: global state, so there is one in a process, and one thread calls it."""

    def __init__(self) -> None:
        try:
            loader = cast(Loader, importlib.import_module("espeakng_loader"))
            self._library = ctypes.CDLL(loader.get_library_path())
            self._data = loader.get_data_path()
        except (ImportError, OSError, RuntimeError) as error:
            raise Refused(
                f"espeakng_loader isn't installed ({error}): pip install 'antiphon[offline]'", code=3
            ) from error
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.sample_rate: int = self._library.espeak_Initialize(SYNCHRONOUS, int(CHUNK * 1000), self._data.encode(), 0)
        if self.sample_rate <= 0:
            raise Refused(f"espeak-ng can't use its data in {self._data}: install espeakng-loader anew.", code=3)
        self.version = cast(bytes, self._library.espeak_Info(None)).decode()
        self._hear: Hear | None = None
        self._error: BaseException | None = None
        self._callback = CALLBACK(self._called)  # kept: ctypes frees it otherwise, while espeak still calls it
        self._library.espeak_SetSynthCallback(self._callback)

    def use(self, settings: Json) -> None:
        voice = cast(str, settings["voice"])
        _, _, variant = voice.partition("+")
        # espeak takes an unknown variant in silence; the voice itself it refuses.
        known = not variant or os.path.isfile(os.path.join(self._data, "voices", "!v", variant))
        if not known or self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise Refused(f"espeak-ng has no voice {voice!r}; `en-us` and `en-us+f2` are two of its names.")
        for name, number in PARAMETERS.items():
            self._library.espeak_SetParameter(number, settings[name], 0)

    def speak(self, text: str, hear: Hear) -> bool:
        """Say it all, or as long as `hear` wants to hear. False: espeak refused the text."""
        data = text.encode()
        self._hear = hear
        # Its breath is random, from the clock unless told otherwise.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        code: int = self._library.espeak_Synth(data, len(data) + 1, 0, BY_CHARACTER, 0, UTF8, None, None)
        self._library.espeak_Synchronize()
        if self._error is not None:
            raise self._error
        return code == 0

    def _called(self, wave: Any, count: int, events: Any) -> int:
        words: list[tuple[int, int]] = []
        index = 0
        while events[index].type != END_OF_LIST:
            if events[index].type == WORD:
                words.append((events[index].text_position - 1, events[index].sample))
            index += 1
        samples = np.ctypeslib.as_array(wave, (count,)).copy() if wave and count > 0 else np.zeros(0, np.int16)
        assert self._hear is not None
        try:
            return 0 if self._error is None and self._hear(samples, words) else 1
        except BaseException as error:  # C can't carry it; `speak` raises it
            self._error = error
            return 1


# --- the program


@dataclass(frozen=True, slots=True)
class Say:
    """Something to be said, under settings of its own."""

    text: str
    name: str
    settings: Json


@dataclass(slots=True)
class Wanted:
    """What is still to be done; the reader puts in and takes back, the speaker takes out."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    waiting: deque[Say | Json] = field(default_factory=lambda: deque[Say | Json]())
    """A `Say`; or settings, which are reported when their turn comes."""
    speaking: str | None = None
    stopped: bool = False
    """Whether what is being said must end."""
    error: Refused | None = None
    over: bool = False

    def put(self, item: "Say | Json") -> None:
        with self.changed:
            self.waiting.append(item)
            self.changed.notify()

    def next(self) -> "Say | Json | None":
        """Wait for something to do; None when there won't be any."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or self.error or self.over)
            if self.error is not None:
                raise self.error
            if self.over:
                return None
            item = self.waiting.popleft()
            self.speaking = item.name if isinstance(item, Say) else None
            self.stopped = False
            return item

    def stop(self, name: str | None) -> list[str]:
        """Take back what waits, and end what is being said; gives the names of those that won't begin."""
        with self.changed:
            dropped = [item.name for item in self.waiting if isinstance(item, Say) and name in (None, item.name)]
            kept = [item for item in self.waiting if not (isinstance(item, Say) and item.name in dropped)]
            self.waiting.clear()
            self.waiting.extend(kept)
            if self.speaking is not None and name in (None, self.speaking):
                self.stopped = True
            return dropped

    def end(self, error: Refused | None = None) -> None:
        with self.changed:
            self.error, self.over, self.stopped = error, error is None, True
            self.changed.notify()


def read(pipes: Pipes, wanted: Wanted) -> None:
    """Stdin, to its end. Runs in a thread of its own."""
    settings = DEFAULTS
    try:
        for kind, body in pipes.frames():
            message = parse(kind, body)
            match message:
                case {"configure": given}:
                    settings = merged(settings, given)
                    wanted.put(settings)
                case {"say": str(text), "id": str(name)}:
                    wanted.put(Say(text, name, settings))
                case {"stop": str() | None as name}:
                    for dropped in wanted.stop(name):
                        pipes.say({"stopped": dropped})
                case _:
                    raise Refused(f"{json.dumps(message)[:200]} isn't configure, say (with text and id) or stop.")
    except Refused as refused:
        wanted.end(refused)
    except BrokenPipeError:
        os._exit(0)
    except BaseException:
        # The speaker would go on, deaf to a stop and to the end of stdin.
        traceback.print_exc()
        os._exit(1)
    else:
        # The speaker may be stuck in a write that nobody reads.
        os._exit(0)


def speak(say: Say, espeak: Espeak, wanted: Wanted, pipes: Pipes) -> None:
    """Say one thing, or as much of it as is wanted."""
    rate = cast(int, say.settings["sample_rate"])
    resampler = Resampler(espeak.sample_rate, rate) if rate != espeak.sample_rate else None
    words = Words(say.text)
    largest = int(CHUNK * rate)
    made = 0

    def write(samples: Samples) -> None:
        nonlocal made
        for chunk in np.array_split(samples, -(-len(samples) // largest)) if len(samples) else ():
            pipes.sound(chunk)
        made += len(samples)

    def tell(word: Word | None, offset: int) -> None:
        if word is not None:
            place = {"offset": offset, "text_position": word.position, "length": len(word.text)}
            pipes.say({"word": word.text, "id": say.name, **place})

    def hear(samples: Samples, begun: list[tuple[int, int]]) -> bool:
        if wanted.stopped:
            return False
        for position, sample in begun:
            tell(words.at(position), max(made, sample * rate // espeak.sample_rate))
        write(resampler.feed(samples) if resampler else samples)
        return True

    pipes.say({"started": say.name, "sample_rate": rate})
    if not espeak.speak(say.text, hear):
        pipes.say({"error": f"espeak-ng refused {say.text[:80]!r}", "fatal": False, "id": say.name})
    if not wanted.stopped:
        if resampler:
            write(resampler.flush())
        tell(words.rest(), made)
    with wanted.changed:
        stopped, wanted.speaking = wanted.stopped, None
    pipes.say({"stopped": say.name} if stopped else {"done": say.name, "samples": made})


def converse(pipes: Pipes) -> None:
    """Speak the protocol until the other side hangs up."""
    espeak = Espeak()
    ready = {"engine": "espeak-ng", "version": espeak.version, "sample_rate": espeak.sample_rate}
    pipes.say({"ready": ready})
    wanted = Wanted()
    threading.Thread(target=read, args=(pipes, wanted), daemon=True).start()
    in_force: Json = {}
    while (item := wanted.next()) is not None:
        settings = item.settings if isinstance(item, Say) else item
        if settings is not in_force:
            espeak.use(settings)
            in_force = settings
        if isinstance(item, Say):
            speak(item, espeak, wanted, pipes)
        else:
            pipes.say({"configured": settings})


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

"""pocketsphinx as an engine: speech in, text out, or a rejection. A program of its own, since the recogniser holds the GIL.

Start it as `[sys.executable, "-P", PATH]`. Both pipes carry frames: a length (4 bytes, big-endian, of what follows it: type
byte and body), a type byte, a body. `J` is a JSON object in UTF-8, `A` is sound: 16-bit little-endian mono PCM at 16,000 Hz.
A frame sent to it has at most 1 MiB.

| to the engine | means |
|---|---|
| `J {"configure": {...}}` | first, once; see below |
| `J {"utterance": "start", "id": ID}` | the sound that follows belongs to utterance ID, a string |
| `A` | sound in chunks of any size, inside an utterance |
| `J {"utterance": "end", "id": ID}` | nothing more comes: say the final |

| configure | means |
|---|---|
| `grammar` or `language_model` | the text of a JSGF grammar; or a path, `"en-us"` for the model inside pocketsphinx |
| `sample_rate` | 16000; there is no other |
| `words` | {word: phones}, what the dictionary lacks: `{"zorp": "Z AO R P"}` |
| `threshold` | finals below this confidence are rejected, 0.5 |
| `partials` | whether to say any, true; without, it costs a third less |
| `longest` | seconds of an utterance after which a final is said, 30.0 |
| `acoustic_model`, `dictionary` | paths, instead of those inside pocketsphinx |

| from the engine | means |
|---|---|
| `J {"ready": {"engine": "pocketsphinx", "version": V, "sample_rate": 16000}}` | first of all, unasked |
| `J {"configured": {"seconds": N}}` | the models are loaded; what was sent meanwhile has waited |
| `J {"partial": TEXT, "id": ID}` | what it would be so far: said when it changes and is believed |
| `J {"final": TEXT, "id": ID, ...}` | what was said; `TEXT` is null if it is rejected |
| `J {"error": TEXT, "fatal": true}` | what was wrong, what to do; the engine ends |

| final has also | means |
|---|---|
| `confidence` | 0.0 to 1.0; 0.5 is the border |
| `reason` | null; or why it is rejected: `"silence"` (there is no speech), `"no match"` (the grammar has no path for it), `"unlike"` |
| `guess` | the best path, also if what was said is too unlike it; or null |
| `samples` | how much sound it covers |
| `more` | true: it was cut at `longest`, and the next final of this ID covers what follows |

Exit codes: 0 its stdin ended, 1 a bug in here, 2 a wrong configuration or frame, 3 something isn't installed.

**A final depends on its utterance alone**, not on earlier ones or on how the sound was cut: the whole utterance is decoded
anew when it ends, with its own cepstral mean. The decoders of partials start afresh in each, and get blocks of one size. So
a new engine that gets the sound again says the same.

**Rejection.** A grammar makes words of anything. So another decoder writes down the phones, free of any grammar, and two
things are asked: how much better do free phones fit than the words, and how far are those phones from the words' own?
`docs/speech-offline.md` has the measurements.
"""

import contextlib
import importlib
import itertools
import json
import math
import operator
import os
import random
import signal
import struct
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, BinaryIO, NoReturn, Protocol, cast

__all__ = ["main"]

SAMPLE_RATE = 16000
LARGEST = 1 << 20
"""Bytes of a frame, type byte and body. 32 s of sound; more is a peer that has lost its place in the stream."""

SHORTEST = 1600
"""Samples. What is shorter than 0.1 s holds no word, and has too few frames for a mean."""
FAINTEST = 30.0
"""Root mean square of a tenth of a second, of 32,768: -61 dB. Where all is fainter nobody speaks, and zeros look like anything."""
FALL = 0.03
"""Share of the loudest 10 ms, -30 dB: what is fainter before the first word and after the last isn't part of them."""
MARGIN = 2400
"""Samples left there. With more silence around it, a short word is drowned in the mean of the silence: `yes` was rejected."""
BLOCK = 1600
"""Samples that the partials' decoders get at a time, whatever chunks the sound came in."""
LOOK = 3200
"""Samples between two looks at the partial result."""
HEAD = 8000
"""Samples from whose mean the partials' decoders start. Without it the beginning is misheard: "eight on friday"."""

Json = dict[str, Any]


class Refused(Exception):
    """The engine can't go on, and whoever started it must do something: `remedy` is in the text, `code` is the exit code."""

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


def parse(body: bytes) -> Json:
    """The JSON object of a `J` frame."""
    try:
        message = json.loads(body)
    except ValueError as error:
        raise Refused(f"A J frame that isn't JSON ({error}): {body[:80]!r}") from error
    if not isinstance(message, dict):
        raise Refused(f"A J frame must hold a JSON object, not {body[:80]!r}")
    return cast(Json, message)


# --- what was asked for


@dataclass(frozen=True, slots=True)
class Settings:
    """The `configure` message, checked."""

    grammar: str | None
    language_model: str | None
    words: Mapping[str, str]
    threshold: float
    partials: bool
    longest: int
    """Samples."""
    acoustic_model: str | None
    dictionary: str | None

    @classmethod
    def from_json(cls, given: object) -> "Settings":
        left: Json = dict(cast(Json, given)) if isinstance(given, dict) else {}
        rate = left.pop("sample_rate", SAMPLE_RATE)
        if rate != SAMPLE_RATE:
            raise Refused(
                f"sample_rate is {rate!r}; the acoustic model hears {SAMPLE_RATE} Hz only: resample the sound before it comes here."
            )
        words = take(left, "words", dict, {})
        if not all(isinstance(word, str) and isinstance(phones, str) for word, phones in words.items()):
            raise Refused('words must be {"word": "P HH OW N Z"}: both sides text.')
        settings = cls(
            grammar=take(left, "grammar", str, None),
            language_model=take(left, "language_model", str, None),
            words=words,
            threshold=float(take(left, "threshold", (int, float), 0.5)),
            partials=take(left, "partials", bool, True),
            longest=int(take(left, "longest", (int, float), 30.0) * SAMPLE_RATE),
            acoustic_model=take(left, "acoustic_model", str, None),
            dictionary=take(left, "dictionary", str, None),
        )
        if left:
            raise Refused(
                f"configure doesn't know {', '.join(sorted(left))}; the module's docstring lists what it takes."
            )
        if (settings.grammar is None) == (settings.language_model is None):
            raise Refused(
                "configure needs a grammar (JSGF text) or a language_model (a path, or 'en-us'), and not both."
            )
        if not 0 <= settings.threshold <= 1:
            raise Refused(f"threshold is {settings.threshold}; it must be 0.0 to 1.0.")
        if settings.longest < HEAD:
            raise Refused(f"longest is {settings.longest / SAMPLE_RATE} seconds; it must be 0.5 or more.")
        return settings


def take(left: Json, key: str, kind: type | tuple[type, ...], default: Any) -> Any:
    """Remove a setting; None counts as not given."""
    value = left.pop(key, None)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Refused(f"{key} is {value!r}, of the wrong type.")
    return value


# --- the recogniser


class Hypothesis(Protocol):
    hypstr: str


class Piece(Protocol):
    """A word or a phone, and where it is: both frames included."""

    word: str
    start_frame: int
    end_frame: int
    ascore: float


class Decoder(Protocol):
    """What we use of `pocketsphinx.Decoder`."""

    def reinit_feat(self) -> None: ...
    def start_utt(self) -> None: ...
    def process_raw(self, data: bytes, /, *, full_utt: bool = False) -> int: ...
    def end_utt(self) -> None: ...
    def hyp(self) -> Hypothesis | None: ...
    def seg(self) -> Iterable[Piece]: ...
    def get_cmn(self) -> str: ...
    def set_cmn(self, cmn: str) -> None: ...
    def add_word(self, word: str, phones: str, update: bool) -> int: ...
    def lookup_word(self, word: str) -> str | None: ...
    def add_jsgf_string(self, name: str, jsgf: str) -> None: ...
    def activate_search(self, name: str) -> None: ...


class Library(Protocol):
    """What we use of pocketsphinx, which has no types."""

    Decoder: Callable[..., Decoder]

    def get_model_path(self, subpath: str) -> str: ...
    def set_loglevel(self, level: str) -> None: ...


def library() -> Library:
    return cast(Library, importlib.import_module("pocketsphinx"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A word or a phone over the frames `start` to `stop` (10 ms each, `stop` not included)."""

    name: str
    start: int
    stop: int
    score: float
    """Logarithm of its acoustic likelihood, base 1.0001, relative to the best of each frame."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a decoder made of some sound."""

    text: str | None
    stretches: Sequence[Stretch]


def result(decoder: Decoder) -> Heard:
    hypothesis = decoder.hyp()
    if hypothesis is None:
        return Heard(None, ())
    stretches = [
        Stretch(
            piece.word, piece.start_frame, piece.end_frame + 1, math.log(max(piece.ascore, 1e-300)) / math.log(1.0001)
        )
        for piece in decoder.seg()
        if piece.start_frame >= 0 and piece.end_frame >= piece.start_frame
    ]
    return Heard(hypothesis.hypstr or None, [stretch for stretch in stretches if stretch.name != "(NULL)"])


def begin(decoder: Decoder, mean: str | None = None) -> None:
    """Begin an utterance as if it were the first. The removal of noise would go on with its estimate from the last one."""
    decoder.reinit_feat()
    if mean is not None:
        decoder.set_cmn(mean)
    decoder.start_utt()


def decode(decoder: Decoder, sound: bytes) -> Heard:
    """The sound as one whole: its mean is taken over all of it."""
    begin(decoder)
    decoder.process_raw(with_hiss(sound), full_utt=True)
    decoder.end_utt()
    return result(decoder)


_random = random.Random(0)
HISS = [_random.choice((-1, 0, 1)) for _ in range(BLOCK)]
"""Laid under all sound. Zeros, which no microphone gives but a program does, are so far from everything that they spoil the mean
of the rest. It is the same in each utterance, for the same sound must give the same text."""


def with_hiss(sound: bytes) -> bytes:
    """Sound from the beginning of a block, of 0.1 s each."""
    samples = array("h", sound)
    mixed = (
        max(-32768, min(32767, sample + hiss)) for sample, hiss in zip(samples, itertools.cycle(HISS), strict=False)
    )
    return array("h", mixed).tobytes()


# --- belief

QUIET = {"<sil>", "<s>", "</s>", "[NOISE]", "[SPEECH]", "SIL", "+NSN+", "+SPN+"}
"""Stretches that aren't speech, in words and in phones."""

COSTLY = 75.0
"""Score per frame by which free phones may fit better than the words, if the phones are the words' own."""
DISTANT = 0.75
"""Share of phones that may differ, if they fit no better. Measured, like `COSTLY`: see docs/speech-offline.md."""

ALIKE = [
    set(phones.split())
    for phones in (
        "P B", "T D DH TH", "K G", "F V TH", "S Z", "SH ZH CH JH", "M N NG", "L R W", "IY IH Y EY", "EH AE AH EY",
        "AA AO AH OW", "UW UH OW W", "AY AA", "AW AA OW", "ER R AH",
    )
]  # fmt: skip
"""Phones that the free decoder mistakes for each other; such a mistake counts half."""


def confidence(words: Heard, phones: Heard, spoken: Sequence[str]) -> float:
    """How much the sound is like the words, 0.0 to 1.0; 0.5 is the border.

    `spoken` are the phones of the words by the dictionary.
    """
    first, last = speech_span([*words.stretches, *phones.stretches])
    cost = (score_in(phones, first, last) - score_in(words, first, last)) / (last - first)
    free = [stretch.name for stretch in phones.stretches if stretch.name not in QUIET]
    distance = phone_distance(spoken, free) / max(len(spoken), len(free))
    return min(1.0, math.exp2(-(cost / COSTLY + distance / DISTANT)))


def speech_span(stretches: Iterable[Stretch]) -> tuple[int, int]:
    speech = [stretch for stretch in stretches if stretch.name not in QUIET]
    return min(stretch.start for stretch in speech), max(stretch.stop for stretch in speech)


def score_in(heard: Heard, first: int, last: int) -> float:
    """The score of some frames; a stretch that reaches beyond them counts by its share."""
    total = 0.0
    for stretch in heard.stretches:
        inside = min(stretch.stop, last) - max(stretch.start, first)
        if inside > 0:
            total += stretch.score * inside / (stretch.stop - stretch.start)
    return total


def phone_distance(one: Sequence[str], other: Sequence[str]) -> float:
    """Edit distance, where alike phones cost half."""
    row = [float(column) for column in range(len(other) + 1)]
    for count, phone in enumerate(one, 1):
        above, row = row, [float(count)]
        for column, heard in enumerate(other, 1):
            row.append(min(above[column - 1] + swap_cost(phone, heard), above[column] + 1, row[-1] + 1))
    return row[-1]


def swap_cost(one: str, other: str) -> float:
    if one == other:
        return 0.0
    return 0.5 if any(one in alike and other in alike for alike in ALIKE) else 1.0


# --- an utterance


@dataclass(frozen=True, slots=True)
class Models:
    """The decoders: two for finals, which see the whole utterance, and two for partials, which follow it (None: no partials)."""

    words: Decoder
    phones: Decoder
    live_words: Decoder | None
    live_phones: Decoder | None

    def spoken(self, words: Heard) -> list[str]:
        """The phones of the words, as the dictionary has them."""
        said = (self.words.lookup_word(stretch.name) for stretch in words.stretches if stretch.name not in QUIET)
        return [phone for phones in said if phones for phone in phones.split()]

    def believe(self, words: Heard, phones: Heard) -> float:
        spoken = self.spoken(words)
        heard = any(stretch.name not in QUIET for stretch in phones.stretches)
        return confidence(words, phones, spoken) if spoken and heard else 0.0


@dataclass(slots=True)
class Utterance:
    """The sound of an utterance, and how far its partials are."""

    name: str
    models: Models
    settings: Settings
    sound: bytearray = field(default_factory=bytearray)
    followed: int = 0
    """Bytes that the partials' decoders have had, or needn't have."""
    first: int | None = None
    """Where they began, in bytes; None: not yet."""
    said: str = ""

    def listen(self, sound: bytes) -> Iterator[Json]:
        self.sound += sound
        longest = 2 * self.settings.longest
        while len(self.sound) >= longest:
            rest = bytes(self.sound[longest:])
            del self.sound[longest:]
            yield from self.follow()
            yield self.conclude(more=True)
            self.sound = bytearray(rest)
        yield from self.follow()

    def follow(self) -> Iterator[Json]:
        """Partials of the sound that came. Costs about as much for each sample, however long the utterance is."""
        words, phones = self.models.live_words, self.models.live_phones
        if words is None or phones is None or not self.begin(words, phones):
            return
        assert self.first is not None
        while len(self.sound) - self.followed >= 2 * BLOCK:
            block = with_hiss(bytes(self.sound[self.followed : self.followed + 2 * BLOCK]))
            words.process_raw(block)
            phones.process_raw(block)
            self.followed += len(block)
            known = self.followed - self.first
            if known >= 2 * HEAD and known % (2 * LOOK) == 0:
                yield from self.look(words, phones)

    def begin(self, words: Decoder, phones: Decoder) -> bool:
        """Start the partials' decoders when enough is there of the first word; says whether they run."""
        if self.first is not None:
            return True
        # Silence before the first word would be most of the mean.
        while len(self.sound) - self.followed >= 2 * BLOCK:
            if loudest(bytes(self.sound[self.followed : self.followed + 2 * BLOCK])) >= FAINTEST:
                break
            self.followed += 2 * BLOCK
        first = max(0, self.followed - 2 * BLOCK)
        if len(self.sound) < first + 2 * HEAD:
            return False
        decode(self.models.phones, bytes(self.sound[first : first + 2 * HEAD]))
        for decoder in (words, phones):
            begin(decoder, self.models.phones.get_cmn())
        self.first = self.followed = first
        return True

    def look(self, words: Decoder, phones: Decoder) -> Iterator[Json]:
        heard = result(words)
        # A partial may interrupt somebody, so it must be surer than a final: 0.59 where a final needs 0.5.
        if (
            heard.text
            and heard.text != self.said
            and self.models.believe(heard, result(phones)) >= self.settings.threshold**0.75
        ):
            self.said = heard.text
            yield {"partial": heard.text, "id": self.name}

    def conclude(self, *, more: bool = False) -> Json:
        """The final of all sound so far; the utterance is empty after it."""
        if self.first is not None:
            for decoder in (self.models.live_words, self.models.live_phones):
                assert decoder is not None
                decoder.end_utt()
        sound = bytes(self.sound)
        self.sound.clear()
        self.followed, self.first, self.said = 0, None, ""
        return {**self.verdict(sound), "id": self.name, "samples": len(sound) // 2, "more": more}

    def verdict(self, sound: bytes) -> Json:
        if len(sound) < 2 * SHORTEST or loudest(sound) < FAINTEST:
            return rejection("silence")
        sound = trimmed(sound)
        phones = decode(self.models.phones, sound)
        if all(stretch.name in QUIET for stretch in phones.stretches):
            return rejection("silence")
        words = decode(self.models.words, sound)
        if words.text is None:
            return rejection("no match")
        belief = round(self.models.believe(words, phones), 3)
        if belief < self.settings.threshold:
            return {**rejection("unlike"), "confidence": belief, "guess": words.text}
        return {"final": words.text, "confidence": belief, "reason": None, "guess": words.text}


def loudest(sound: bytes) -> float:
    """Root mean square of the loudest tenth of a second."""
    return max(levels(sound, BLOCK))


def trimmed(sound: bytes) -> bytes:
    """The sound from the first word to the last, as far as loudness tells, with a margin."""
    step = 160
    level = levels(sound, step)
    least = max(level) * FALL
    loud = [place for place, each in enumerate(level) if each > least]
    return sound[2 * max(0, loud[0] * step - MARGIN) : 2 * ((loud[-1] + 1) * step + MARGIN)]


def levels(sound: bytes, step: int) -> list[float]:
    """Root mean squares of stretches of so many samples."""
    samples = array("h", sound)
    stretches = (samples[at : at + step] for at in range(0, len(samples), step))
    return [math.sqrt(sum(map(operator.mul, each, each)) / len(each)) for each in stretches]


def rejection(reason: str) -> Json:
    return {"final": None, "confidence": 0.0, "reason": reason, "guess": None}


# --- loading


def load(settings: Settings) -> Models:
    """Load everything; raises `Refused` with pocketsphinx's own words when a model or the grammar is no good."""
    pocketsphinx = library()
    # Whole sound: every Gaussian mixture is computed, so that scores of words and of phones mean the same.
    whole: Json = {"cmn": "batch", "compallsen": True, "topn": 2}
    live: Json = {"cmn": "live", "ds": 2, "topn": 2}
    models, failure = None, None
    with complaints() as said:
        pocketsphinx.set_loglevel("ERROR")
        try:
            models = Models(
                words=word_decoder(settings, whole),
                phones=phone_decoder(settings, whole),
                live_words=word_decoder(settings, live) if settings.partials else None,
                live_phones=phone_decoder(settings, live) if settings.partials else None,
            )
        except (RuntimeError, ValueError) as error:
            failure = error
        finally:
            pocketsphinx.set_loglevel("FATAL")
    # A rule that is used and not defined is only logged, and then nothing is ever understood.
    if models is None or errors_of(said):
        raise Refused(f"pocketsphinx refuses the configuration: {errors_of(said) or failure}") from failure
    return models


def word_decoder(settings: Settings, how: Json) -> Decoder:
    pocketsphinx = library()
    model = settings.language_model
    if model == "en-us":
        model = pocketsphinx.get_model_path("en-us/en-us.lm.bin")
    searched: Json = {"bestpath": False} if settings.grammar is not None else {}
    decoder = pocketsphinx.Decoder(
        hmm=settings.acoustic_model or pocketsphinx.get_model_path("en-us/en-us"),
        dict=settings.dictionary or pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
        lm=model,
        **searched,
        **how,
    )
    for word, phones in settings.words.items():
        decoder.add_word(word, phones, True)
    if settings.grammar is not None:
        decoder.add_jsgf_string("grammar", settings.grammar)
        decoder.activate_search("grammar")
    return decoder


def phone_decoder(settings: Settings, how: Json) -> Decoder:
    pocketsphinx = library()
    return pocketsphinx.Decoder(
        hmm=settings.acoustic_model or pocketsphinx.get_model_path("en-us/en-us"),
        allphone=pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin"),
        lw=2.0,
        # Narrower than usual gives the same phones for less; at 1e-10 it loses its way in long utterances.
        beam=1e-20,
        pbeam=1e-20,
        **how,
    )


@contextlib.contextmanager
def complaints() -> Generator[list[str]]:
    """What is written to stderr meanwhile, by C too; a list of lines that is filled at the end."""
    lines: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            log.seek(0)
            lines += log.read().decode(errors="replace").splitlines()


def errors_of(lines: Iterable[str]) -> str:
    """pocketsphinx's errors, without the lines of C they come from."""
    found = [line.split("ERROR:", 1)[1].split(":", 1)[-1].strip() for line in lines if "ERROR:" in line]
    advice = (
        ' (a word that the dictionary lacks belongs into "words", with its phones)'
        if "missing" in " ".join(found)
        else ""
    )
    return "; ".join(found) + advice


# --- the program


def greeting() -> Json:
    try:
        library()
    except ImportError as error:
        raise Refused(f"pocketsphinx isn't installed ({error}): pip install 'antiphon[offline]'", code=3) from error
    return {"ready": {"engine": "pocketsphinx", "version": version("pocketsphinx"), "sample_rate": SAMPLE_RATE}}


def configured(frames: Iterator[tuple[bytes, bytes]]) -> Settings | None:
    """The first message; None if there never was one."""
    for kind, body in frames:
        message = parse(body) if kind == b"J" else {}
        if "configure" not in message:
            raise Refused(f'The first frame must be J {{"configure": {{...}}}}, not {kind + body[:80]!r}')
        return Settings.from_json(message["configure"])
    return None


def converse(pipes: Pipes) -> None:
    """Speak the protocol until the other side hangs up."""
    pipes.say(greeting())
    frames = pipes.frames()
    settings = configured(frames)
    if settings is None:
        return
    began = time.monotonic()
    models = load(settings)
    pipes.say({"configured": {"seconds": round(time.monotonic() - began, 3)}})
    utterance: Utterance | None = None
    for kind, body in frames:
        if kind == b"A":
            if utterance is None or len(body) % 2:
                raise Refused(
                    "Sound outside of an utterance: begin one first."
                    if utterance is None
                    else f"{len(body)} bytes of sound: not whole 16-bit samples."
                )
            for message in utterance.listen(body):
                pipes.say(message)
        elif kind == b"J":
            utterance = bracket(utterance, parse(body), models, settings, pipes)
        else:
            raise Refused(f"A frame of type {kind!r}; there are J and A.")


def bracket(
    open_one: Utterance | None, message: Json, models: Models, settings: Settings, pipes: Pipes
) -> Utterance | None:
    """Begin or end an utterance; gives the one that is open now."""
    name = message.get("id")
    match message.get("utterance"):
        case "start" if open_one is None and isinstance(name, str):
            return Utterance(name, models, settings)
        case "end" if open_one is not None and name == open_one.name:
            pipes.say(open_one.conclude())
            return None
        case _:
            now = f"utterance {open_one.name!r} is open" if open_one else "no utterance is open"
            raise Refused(
                f"{json.dumps(message)[:200]} makes no sense while {now}. "
                'Say {"utterance": "start", "id": "..."}, then sound, then {"utterance": "end"} with the same id.'
            )


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
    # Without a goodbye: the decoders' memory needn't be tidied up.
    os._exit(code)


if __name__ == "__main__":
    main()

"""How well `ProsodyTurnAnalyzer` tells the end of a turn from a pause in it, over phrases that it makes: a table, and the time it takes.

    python scripts/turn_figures.py [--fit]

`--fit` finds the weights anew: it prints what they achieve on each voice when fitted to the others, and the weights of all. The
phrases are spoken by espeak-ng (`pip install 'antiphon[offline]'`) and flite (`apt-get install flite`), at several rates, volumes and
levels of noise. Sentences and questions are complete. Incomplete are clauses cut at their comma, sentences cut between two words, and
clauses cut behind an "uhm". They are synthetic voices, which stand in for people.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from antiphon.actors.transports import pcm
from antiphon.turn.prosody import Prosody, prosody_of
from antiphon.turn.prosody_analyzer import CLUES, likelihood

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "actors" / "engines" / "espeak_engine.py"
HUMAN = Path("/usr/share/pocketsphinx/test/data/goforward.raw")
RATE = 16000

Samples: TypeAlias = npt.NDArray[np.float64]

SENTENCES = (
    "I would like to book a table for two.", "We are coming on Friday.", "My name is Robert Miller.", "No, thank you.",
    "It arrives at half past seven.", "Yes, that is right.", "I don't know.", "That would be great.", "Yes.", "Okay.",
    "She went to the market to buy some fresh apples.", "Please call me back tomorrow morning.", "Goodbye.",
    "Turn off the lights in the kitchen.", "The train was late again.", "Three of us will have the soup.",
    "My order number is four seven two.", "I forgot my password.",
)  # fmt: skip
QUESTIONS = (
    "Can I have a table for two?", "What time do you open?", "Is it going to rain tomorrow?", "Where is the station?",
    "Do you have anything cheaper?", "How much does it cost?", "Could you repeat that?", "Are you still there?",
)  # fmt: skip
CLAUSES = (
    "If you have a table for two, we would like to come on Friday.", "First of all, I want to change my address.",
    "I was thinking about Friday, but Saturday would be fine too.", "Well, I am not so sure about that.",
    "When the train is late, I usually take the bus.", "My name is Robert, and my number is four seven two.",
    "I would like the soup, the salad, and a glass of water.", "Because it was raining, we stayed at home all day.",
    "She went to the market, but it was closed.", "To be honest, I forgot my password.",
)  # fmt: skip
HESITATIONS = (
    "I would like to uhm, maybe later.", "Let me think uh, maybe later.", "My number is uhm, maybe later.",
    "Maybe on uh, maybe later.", "It was uhm, maybe later.",
)  # fmt: skip
CUTS = (
    "I would like to book a table for two people.", "Can you tell me when the next train to London leaves.",
    "My telephone number is four seven two nine one one.", "We want to come on Friday at half past seven.",
    "She went to the market because she needed some apples.", "I think that the blue one is better than the red one.",
    "Please send the invoice to my new address in Boston.", "Turn off the light in the kitchen and the hall.",
)  # fmt: skip
WHOLE: Mapping[str, Sequence[str]] = {"sentence": SENTENCES, "question": QUESTIONS}
BROKEN: Mapping[str, Sequence[str]] = {"clause": CLAUSES, "hesitation": HESITATIONS}
"""At their first comma."""
CUT_AFTER = (3, 4, 5, 6, 8)
"""Words."""
ESPEAK = (
    ("en-us", 175, 50), ("en-us+m3", 150, 45), ("en-us+f2", 190, 55), ("en-gb-x-rp", 175, 50), ("en-us+m1", 130, 50),
    ("en-gb-x-rp+f4", 160, 60), ("en-us+m7", 210, 40), ("en-gb-x-rp+m5", 185, 35), ("en-us+f5", 170, 65),
    ("en-gb-scotland", 165, 50),
)  # fmt: skip
"""Voice, words a minute, pitch."""
FLITE = ("slt", "rms", "awb", "kal16")


class Phrase(NamedTuple):
    """Something said, and whether it was the end."""

    kind: str
    is_complete: bool
    voice: str
    text: str
    samples: Samples


class Espeak:
    """The engine, asked for one text after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(ENGINE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._until("ready")

    def configure(self, voice: str, rate: int, pitch: int) -> None:
        self._send({"configure": {"voice": voice, "rate": rate, "pitch": pitch, "sample_rate": RATE}})
        self._until("configured")

    def say(self, text: str) -> tuple[Samples, list[int]]:
        """The sound, and at which sample each word begins."""
        self._send({"say": text, "id": "1"})
        sound, words = self._until("done")
        return np.frombuffer(sound, "<i2") / 32768.0, words

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _send(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        body = b"J" + json.dumps(message).encode()
        self._process.stdin.write(len(body).to_bytes(4, "big") + body)
        self._process.stdin.flush()

    def _until(self, key: str) -> tuple[bytes, list[int]]:
        assert self._process.stdout is not None
        sound, words = b"", list[int]()
        while True:
            length = int.from_bytes(self._process.stdout.read(4), "big")
            frame = self._process.stdout.read(length)
            if frame[:1] == b"A":
                sound += frame[1:]
                continue
            message = json.loads(frame[1:])
            if "error" in message:
                raise SystemExit(f"turn_figures: {message['error']}")
            if "word" in message:
                words.append(message["offset"])
            if key in message:
                return sound, words


def flite(text: str, voice: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        return np.frombuffer(pcm.read_wav(path).audio, "<i2") / 32768.0


# --- the phrases


def phrases() -> Iterator[Phrase]:
    for number, phrase in enumerate((*by_espeak(), *by_flite()), 1):
        yield phrase._replace(samples=in_a_room(phrase.samples, np.random.default_rng(number)))


def by_espeak(voices: Sequence[tuple[str, int, int]] = ESPEAK) -> Iterator[Phrase]:
    espeak = Espeak()
    for voice, rate, pitch in voices:
        name = f"espeak {voice}"
        espeak.configure(voice, rate, pitch)
        for kind, texts in WHOLE.items():
            for text in texts:
                yield Phrase(kind, True, name, text, espeak.say(text)[0])
        for kind, texts in BROKEN.items():
            for text in texts:
                samples, words = espeak.say(text)
                said = text.partition(",")[0]
                yield Phrase(kind, False, name, said, samples[: words[len(said.split())]])
        for text in CUTS:
            samples, words = espeak.say(text)
            for count in CUT_AFTER:
                yield Phrase("cut off", False, name, f"{text} after {count}", faded(samples[: words[count]]))
    espeak.end()


def by_flite() -> Iterator[Phrase]:
    for voice in FLITE:
        name = f"flite {voice}"
        for kind, texts in WHOLE.items():
            for text in texts:
                yield Phrase(kind, True, name, text, flite(text, voice))
        for kind, texts in BROKEN.items():
            for text in texts:
                samples = flite(text, voice)
                pause = longest_pause(samples)
                if pause is not None:
                    yield Phrase(kind, False, name, text.partition(",")[0], samples[:pause])
        for text in CUTS:
            samples = trimmed(flite(text, voice))
            for count in CUT_AFTER[:3]:
                part = samples[: len(samples) * count // len(text.split())]
                yield Phrase("cut off", False, name, f"{text} after {count}", faded(part))


def trimmed(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[: loud[-1] + 1]


def faded(samples: Samples) -> Samples:
    """Ended within 20 ms, as nobody ends: with a click it would be known by that."""
    size = min(len(samples), RATE // 50)
    return np.concatenate([samples[:-size], samples[-size:] * np.linspace(1, 0, size)])


def longest_pause(samples: Samples) -> int | None:
    """Where the longest silence inside begins; None if none lasts 80 ms."""
    hop = RATE // 100
    level = np.sqrt(np.square(samples[: len(samples) // hop * hop]).reshape(-1, hop).mean(axis=1))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], level < 0.03 * level.max(), [0]]).astype(int)))
    pauses = [(stop - start, start) for start, stop in edges.reshape(-1, 2) if start > 5 and stop < len(level)]
    length, start = max(pauses, default=(0, 0))
    return int(start) * hop if length > 8 else None


def in_a_room(samples: Samples, random: np.random.Generator) -> Samples:
    """With silence around it, at some volume and with some noise."""
    samples = trimmed(samples)
    samples = samples / np.sqrt(np.square(samples).mean()) * 10 ** (random.uniform(-34, -20) / 20)
    samples = np.concatenate([np.zeros(RATE // 4), samples, np.zeros(round(RATE * random.uniform(0.2, 0.3)))])
    noise = random.standard_normal(len(samples)) * 10 ** (random.uniform(-75, -55) / 20)
    return np.round(np.clip(samples + noise, -1, 1) * 32767) / 32768


# --- what is found


def table(all_of: Sequence[Phrase], taken: Sequence[bool]) -> Iterator[str]:
    yield "| said | phrases | taken for complete | for incomplete |"
    yield "|---|---|---|---|"
    for kind in dict.fromkeys(phrase.kind for phrase in all_of):
        own = [is_taken for phrase, is_taken in zip(all_of, taken, strict=True) if phrase.kind == kind]
        yield f"| {kind} | {len(own)} | {sum(own)} | {len(own) - sum(own)} |"


def fitted(clues: Samples, is_complete: npt.NDArray[np.bool_], weights: Samples) -> Samples:
    """Weights of a logistic regression, the constant first; by Newton's method."""
    mean, spread = clues.mean(axis=0), clues.std(axis=0)
    table_of = np.column_stack([np.ones(len(clues)), (clues - mean) / spread])
    found = np.zeros(table_of.shape[1])
    held = np.diag([0.0, *[1.0] * (len(found) - 1)])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-table_of @ found))
        bend = table_of.T @ ((weights * likely * (1 - likely))[:, None] * table_of) + held
        found += np.linalg.solve(bend, table_of.T @ (weights * (is_complete - likely)) - held @ found)
    slopes: Samples = found[1:] / spread
    return np.concatenate([[found[0] - (slopes * mean).sum()], slopes])


def fit(all_of: Sequence[Phrase], prosodies: Sequence[Prosody]) -> None:
    clues = np.array([[clue.of(prosody) for clue in CLUES] for prosody in prosodies])
    is_complete = np.array([phrase.is_complete for phrase in all_of])
    voices = np.array([phrase.voice for phrase in all_of])
    is_flite = np.char.startswith(voices, "flite")
    # Both programs weigh the same; and a turn cut short weighs less than one that goes on for 3 s, as 2 to 3.
    weights = np.where(is_flite, 0.5 / is_flite.mean(), 0.5 / (~is_flite).mean())
    weights *= np.where(is_complete, 1.5 / is_complete.mean(), 1 / (~is_complete).mean()) / 2
    taken = np.zeros(len(all_of), bool)
    for voice in sorted(set(voices)):
        own = voices == voice
        found = fitted(clues[~own], is_complete[~own], weights[~own])
        taken[own] = found[0] + clues[own] @ found[1:] >= 0
        print(f"{voice}: {(taken[own] == is_complete[own]).mean():.0%} right, fitted to the others")
    print("\nEach voice by the weights of the others:\n", *table(all_of, taken.tolist()), sep="\n")
    found = fitted(clues, is_complete, weights)
    print("\nWeights of all:", f"constant {found[0]:.3f}", *map("{0.name} {1:.3f}".format, CLUES, found[1:]), sep="\n")


def main() -> int:
    print(__doc__.partition("\n")[0], "\n")
    all_of = list(phrases())
    began = time.process_time()
    prosodies = [prosody_of(phrase.samples, RATE) for phrase in all_of]
    took = (time.process_time() - began) / len(all_of)
    if "--fit" in sys.argv[1:]:
        fit(all_of, prosodies)
        return 0
    print(*table(all_of, [likelihood(prosody) >= 0.5 for prosody in prosodies]), sep="\n")
    print(f"\n{1000 * took:.2f} ms of a core each")
    if HUMAN.is_file():
        human = np.frombuffer(HUMAN.read_bytes(), "<i2") / 32768.0
        likely = likelihood(prosody_of(np.concatenate([human, np.zeros(RATE // 4)]), RATE))
        print(f'A man\'s "go forward ten meters": {likely:.0%} likely to be complete')
    return 0


if __name__ == "__main__":
    sys.exit(main())

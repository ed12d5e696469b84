"""Makes the caller's clips and `examples/mumble.wav` anew: `python -m antiphon.demo.make_clips` in a checkout.

Needs Debian's flite (`apt-get install flite`), whose voice `slt` is the caller's and `rms` the mumbler's. The same flite gives the
same bytes. The files are committed, so only who changes a text in `clips/clips.toml` runs this.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
import wave
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["main"]

Samples: TypeAlias = npt.NDArray[np.float64]

SAMPLE_RATE = 16000
CLIPS = Path(__file__).with_name("clips")
MUMBLE = Path(__file__).resolve().parents[2] / "examples" / "mumble.wav"
MUMBLED = ("uh, hmm.", "mm hmm.", "we, uh, hmm, I dunno, whatever.", "hmm hmm hmm.", "oh, never mind, uh.")
PHONES = {"mhm": "pau ax m m hh ah m m pau"}
"""Of words that flite would spell, in its own phones."""
UNHURRIED = "duration_stretch=1.15"
"""How they are spoken."""
MARGIN = 0.08
"""Seconds of silence left before and after a clip's words."""


def main() -> int:
    if shutil.which("flite") is None:
        print("make_clips: flite isn't installed: apt-get install flite", file=sys.stderr)
        return 2
    texts = tomllib.loads((CLIPS / "clips.toml").read_text())
    for name, text in texts.items():
        if text.startswith("("):
            write(CLIPS / f"{name}.wav", cough())
        else:
            write(CLIPS / f"{name}.wav", trimmed(flite(text, voice="slt", phones=PHONES.get(name))))
    write(MUMBLE, mumble())
    size = sum(path.stat().st_size for path in CLIPS.glob("*.wav"))
    print(f"{len(texts)} clips, {size:,} bytes; {MUMBLE.name}, {MUMBLE.stat().st_size:,} bytes")
    return 0


def cough() -> Samples:
    """Twice a burst of air through a throat, which is noise and no word."""
    silence = np.zeros(round(MARGIN * SAMPLE_RATE))
    return np.concatenate([silence, burst(0.3, seed=3), silence, burst(0.34, seed=13), silence])


def burst(seconds: float, *, seed: int) -> Samples:
    """Noise between 150 and 3,500 Hz, which breaks out and dies away."""
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    spectrum[(frequencies < 150) | (frequencies > 3500)] = 0
    noise = np.fft.irfft(spectrum, count)
    time = np.linspace(0, 1, count)
    loudness = np.exp(-5 * time) * (1 - np.exp(-60 * time))
    sound: Samples = 14000 * loudness * noise / np.abs(noise).max()
    return sound


def mumble() -> Samples:
    """Somebody who speaks behind his hand and says nothing, with a silence of 1.6 s around each."""
    silence = np.zeros(round(1.6 * SAMPLE_RATE))
    parts = [silence]
    for text in MUMBLED:
        parts += [0.7 * muffled(trimmed(flite(text, voice="rms"))), silence]
    return np.concatenate(parts)


def muffled(samples: Samples) -> Samples:
    """Without what is above 900 Hz, as through a hand."""
    distance = np.arange(-80, 81) * 2 * 900 / SAMPLE_RATE
    taps = np.sinc(distance) * np.hanning(len(distance))
    through: Samples = np.convolve(samples, taps / taps.sum(), "same").astype(np.float64)
    return through


def flite(text: str, *, voice: str, phones: str | None = None) -> Samples:
    """The text, or the phones, as one of flite's voices says it."""
    what = ["-t", text] if phones is None else ["--setf", UNHURRIED, "-p", phones]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["flite", "-voice", voice, *what, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)


def trimmed(samples: Samples) -> Samples:
    """The words, with `MARGIN` of what is around them."""
    loud = np.flatnonzero(np.abs(samples) > 300)
    margin = round(MARGIN * SAMPLE_RATE)
    return samples[max(0, loud[0] - margin) : loud[-1] + margin]


def write(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    sys.exit(main())

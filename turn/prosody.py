"""How somebody's last words sounded: pitch, loudness and lengths, as a few numbers.

Pure functions over samples. Loudness and pitch are measured each 10 ms, pitch over the last second of speech only.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

__all__ = ["Prosody", "prosody_of"]

Samples: TypeAlias = npt.NDArray[np.float64]

HOP_SECS = 0.01
WINDOW_SECS = 0.04
"""Nearly three periods of the lowest voice."""
LOOK_BACK_SECS = 1.2
"""How much of the last speech is looked at for its melody: a few syllables."""
PITCH_RATE = 4000
"""Hz, about: a tenth of a semitone can still be told, between two lags, and a judgement takes half a millisecond less than at 8,000."""
LOWEST, HIGHEST = 70.0, 400.0
"""Hz of a voice."""
PERIODIC = 0.5
"""Of the autocorrelation, from which a frame is voiced."""
RANGE_DECIBELS = 26.0
"""Below the loud frames: what is fainter isn't speech any more."""
ABOVE_NOISE_DECIBELS = 9.0
SILENT_DECIBELS = -75.0
"""Of full scale: nothing is taken for speech below that."""

DIP_DECIBELS = 6.0
"""Between two syllables."""


@attrs.frozen
class Prosody:
    """The end of an utterance. Semitones are relative to the speaker's middle in it, decibels to the loud frames."""

    speech_secs: float = 0.0
    """From its first sound to its last, pauses in it included."""
    end_pitch: float = 0.0
    """Of the last 0.08 s that were voiced, semitones."""
    end_slope: float = 0.0
    """Of the last 0.25 s that were voiced, semitones a second."""
    fall: float = 0.0
    """From the highest of the last 0.6 s that were voiced to the end, semitones."""
    above_low: float = 0.0
    """Of the end, above the speaker's low, semitones."""
    decay: float = 0.0
    """Of the last 0.2 s, below the loud frames, decibels."""
    final_secs: float = 0.0
    """From the last dip in loudness, or the last pause, to the end: the last syllable, 0.6 s at most."""
    tail_secs: float = 0.0
    """From the last voiced frame to the end."""
    voiced_share: float = 0.0
    """Of the last 0.5 s."""


NOTHING = Prosody()


def prosody_of(samples: Samples, sample_rate: int) -> Prosody:
    """Of sound from -1 to 1, at 8,000 Hz or more, that ends in the silence behind the utterance. Without speech all is 0."""
    hop = round(HOP_SECS * sample_rate)
    level = _levels(samples, hop)
    if len(level) < 10:
        return NOTHING
    loud = float(np.percentile(level, 95))
    noise = float(np.percentile(level, 10))
    least = max(SILENT_DECIBELS, loud - RANGE_DECIBELS, min(noise + ABOVE_NOISE_DECIBELS, loud - 10.0))
    # A frame among frames: a click isn't speech.
    is_speech = np.convolve(level > least, np.ones(3), "same") >= 2.5
    found = np.flatnonzero(is_speech)
    if len(found) == 0:
        return NOTHING
    first, last = int(found[0]) - 1, int(found[-1]) + 2
    step = max(1, sample_rate // PITCH_RATE)
    begin = max(first, last - round(LOOK_BACK_SECS / HOP_SECS))
    pitch = _pitch(_slowed(samples[begin * hop : last * hop], step), sample_rate / step)
    spoken = level[first:last]
    return attrs.evolve(
        _melody(pitch),
        speech_secs=(last - first) * HOP_SECS,
        decay=loud - float(spoken[-20:].mean()),
        final_secs=_final_syllable(spoken[-60:]) * HOP_SECS,
    )


def _levels(samples: Samples, hop: int) -> Samples:
    """Decibels of full scale, of each frame."""
    count = len(samples) // hop
    frames = samples[: count * hop].reshape(count, hop)
    decibels: Samples = 10.0 * np.log10(np.einsum("ij,ij->i", frames, frames) / hop + 1e-12)
    return decibels


def _slowed(samples: Samples, step: int) -> Samples:
    """One sample for each `step`, their mean."""
    count = len(samples) // step
    total: Samples = sum((samples[place : count * step : step] for place in range(step)), np.zeros(count))
    return total / step


def _pitch(sound: Samples, rate: float) -> Samples:
    """Semitones above 1 Hz of each frame, nan where it isn't voiced; by autocorrelation."""
    hop, window = round(HOP_SECS * rate), round(WINDOW_SECS * rate)
    if len(sound) < window:
        return np.empty(0)
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    shortest, longest = round(rate / HIGHEST), round(rate / LOWEST)
    lags = np.arange(shortest, longest + 1)
    size = 1 << (window + longest).bit_length()
    spectrum = np.fft.rfft(frames, size)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)
    # Fewer samples overlap at a longer lag; and of two alike the shorter is the period, not twice it.
    weight = (1 - 0.15 * lags / longest) / (1 - lags / window)
    likeness = correlation[:, shortest : longest + 1] * weight / (correlation[:, :1] + 1e-12)
    best = np.clip(likeness.argmax(axis=1), 1, len(lags) - 2)
    row = np.arange(len(frames))
    before, here, after = (likeness[row, best + shift] for shift in (-1, 0, 1))
    # Between two lags, by a parabola through three points.
    bend = np.minimum(before - 2 * here + after, -1e-9)
    period = (lags[best] + np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) / rate
    semitones: Samples = np.where(here >= PERIODIC, -12 * np.log2(period), np.nan)
    return semitones


def _melody(pitch: Samples) -> Prosody:
    voiced = np.flatnonzero(~np.isnan(pitch))
    if len(voiced) < 5:
        return NOTHING
    tones = pitch[voiced]
    # What is far off is a mistake of the autocorrelation, mostly by an octave.
    good = np.abs(tones - np.median(tones)) < 9
    voiced, tones = voiced[good], tones[good]
    if len(voiced) < 5:
        return NOTHING
    middle = float(np.median(tones))
    end = float(np.median(tones[-8:]))
    late = voiced > voiced[-1] - 25
    return Prosody(
        end_pitch=end - middle,
        end_slope=_slope(voiced[late] * HOP_SECS, tones[late]),
        fall=float(np.percentile(tones[voiced > voiced[-1] - 60], 95)) - end,
        above_low=end - float(np.percentile(tones, 10)),
        tail_secs=(len(pitch) - 1 - int(voiced[-1])) * HOP_SECS,
        voiced_share=float((voiced > len(pitch) - 50).sum()) / 50,
    )


def _slope(times: Samples, tones: Samples) -> float:
    """Semitones a second; a few frames say nothing, and none may say too much."""
    if len(times) < 4:
        return 0.0
    centred = times - times.mean()
    return float(np.clip((centred * tones).sum() / (centred * centred).sum(), -40, 40))


def _final_syllable(level: Samples) -> int:
    """Frames since the last dip between two humps; all of them without a dip."""
    smooth = np.convolve(np.pad(level, 2, "edge"), np.ones(5) / 5, "valid")
    hump = float(smooth[-1])
    dip: tuple[float, int] | None = None
    for place in range(len(smooth) - 1, -1, -1):
        now = float(smooth[place])
        if dip is None:
            hump = max(hump, now)
            dip = (now, place) if now < hump - DIP_DECIBELS else None
        elif now > dip[0] + DIP_DECIBELS:
            return len(smooth) - dip[1]
        else:
            dip = min(dip, (now, place))
    return len(smooth)

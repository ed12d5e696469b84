"""How voice activity is detected: the parameters that frames carry between the VAD and whoever asks it to change."""

from __future__ import annotations

import attrs

__all__ = ["VADParams"]

_share = attrs.validators.and_(attrs.validators.ge(0.0), attrs.validators.le(1.0))
_seconds = attrs.validators.ge(0.0)


@attrs.frozen(init=False)
class VADParams:
    """Thresholds of voice and the times they must hold. An alias and its parameter can't both be given."""

    confidence: float = attrs.field(default=0.7, converter=float, validator=_share)
    """The analyser's confidence from which a window may be voice, 0 to 1, inclusive. Alias `threshold`."""
    start_secs: float = attrs.field(default=0.2, converter=float, validator=_seconds)
    """How long voice must last before the user speaks. Alias `min_speech_duration_ms`."""
    stop_secs: float = attrs.field(default=0.2, converter=float, validator=_seconds)
    """How long silence must last before the user has stopped. Alias `min_silence_duration_ms`."""
    min_volume: float = attrs.field(default=0.6, converter=float, validator=_share)
    """The smoothed volume from which a window may be voice, 0 to 1, inclusive."""

    def __init__(
        self,
        confidence: float | None = None,
        start_secs: float | None = None,
        stop_secs: float | None = None,
        min_volume: float | None = None,
        *,
        threshold: float | None = None,
        min_speech_duration_ms: float | None = None,
        min_silence_duration_ms: float | None = None,
    ) -> None:
        given = {
            "confidence": _either("confidence", confidence, "threshold", threshold),
            "start_secs": _either("start_secs", start_secs, "min_speech_duration_ms", _of_ms(min_speech_duration_ms)),
            "stop_secs": _either("stop_secs", stop_secs, "min_silence_duration_ms", _of_ms(min_silence_duration_ms)),
            "min_volume": min_volume,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        self.__attrs_init__(**chosen)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def _either(name: str, value: float | None, alias: str, by_alias: float | None) -> float | None:
    if value is not None and by_alias is not None:
        raise TypeError(f"VADParams got both {name} and its alias {alias}: give one of them.")
    return by_alias if value is None else value


def _of_ms(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000

"""What a service measures of its requests: times and usage, as frames to send.

A meter is the service's own, `meter: Meter = state(Meter)`, told of what happens as it happens; what it returns goes out with
the rest, `await self.push(*self.meter.output(run_id, self.now))`.

1. Nothing is kept or returned unless the session wants it: `StartFrame.enable_metrics` for times, `enable_usage_metrics` for
   usage.
2. A request that is cut or dies has no value: the meter forgets it, by `cancelled` or with its actor.
3. It reads no clock and sends nothing: times come from `self.now`, and are seconds of the session.
"""

from __future__ import annotations

from collections.abc import Hashable

import attrs
import numpy as np

from ...channels.frames import MetricsFrame, StartFrame
from ...channels.metrics import (
    LLMTokenUsage,
    LLMUsageMetricsData,
    MetricsData,
    ProcessingMetricsData,
    STTUsageMetricsData,
    TextAggregationMetricsData,
    TTFAMetricsData,
    TTFATMetricsData,
    TTFBMetricsData,
    TTSUsageMetricsData,
)

__all__ = ["Meter", "leading_silence"]

AUDIBLE = 100
"""An amplitude of int16 that is heard: -50 dBFS, the VAD's own border between noise and voice."""

Told = tuple[MetricsFrame, ...]


@attrs.define
class _Request:
    """What is known of one."""

    received: float
    """When the service began to handle it."""
    asked: float | None = None
    first: float | None = None
    """When the first output of any kind came."""
    is_shown: bool = False
    silence: float | None = 0.0
    """Seconds of silence before the first audible sample, so far; None when that has come."""
    token: float | None = None
    """When the first token to be spoken came."""
    has_sentence: bool = False


class Meter:
    """Of one service. Requests are told apart by keys of the service's choice, e.g. run ids.

    With `report_only_initial_ttfb` a service that was restarted tells its first TTFB again.
    """

    def __init__(self) -> None:
        self.name = ""
        self.model: str | None = None
        self.wants_times = False
        self.wants_usage = False
        self._only_initial_ttfb = False
        self._has_told_ttfb = False
        self._requests: dict[Hashable, _Request] = {}
        self._speech_ended: float | None = None
        """When the user's speech ended that is being transcribed."""
        self._last_final: float | None = None

    def start(self, frame: StartFrame, name: str, model: str | None = None) -> None:
        """Learn what the session wants, and whose measurements these are: the actor's name, and the model's."""
        self.name, self.model = name, model
        self.wants_times, self.wants_usage = frame.enable_metrics, frame.enable_usage_metrics
        self._only_initial_ttfb = frame.report_only_initial_ttfb

    # ---- times of requests

    def received(self, key: Hashable, now: float) -> None:
        """The service begins to handle it. Only needed where that isn't when it is sent."""
        if self.wants_times:
            self._requests[key] = _Request(now)

    def asked(self, key: Hashable, now: float) -> None:
        """The request is sent; sent once more, it counts from then on."""
        if self.wants_times:
            request = self._requests.setdefault(key, _Request(now))
            request.asked, request.first = now, None

    def output(self, key: Hashable, now: float) -> Told:
        """Something of the answer has come, hidden reasoning included, mere acknowledgements not: the first is TTFB."""
        request = self._requests.get(key)
        if request is None or request.asked is None or request.first is not None:
            return ()
        request.first = now
        return self._ttfb(now - request.asked)

    def visible(self, key: Hashable, now: float) -> Told:
        """A token or a call of a language model has come that isn't hidden reasoning: the first is TTFAT, too."""
        told = self.output(key, now)
        request = self._requests.get(key)
        if request is None or request.asked is None or request.first is None or request.is_shown:
            return told
        request.is_shown = True
        data = TTFATMetricsData(self.name, seconds(now - request.asked), seconds(now - request.first), model=self.model)
        return (*told, *self._frame(data))

    def audio(self, key: Hashable, audio: bytes, sample_rate: int, now: float) -> Told:
        """Sound has come, mono int16: the first is TTFB, the first audible sample is TTFA."""
        told = self.output(key, now)
        request = self._requests.get(key)
        if request is None or request.asked is None or request.first is None or request.silence is None:
            return told
        silent = leading_silence(audio)
        silence = request.silence + (len(audio) // 2 if silent is None else silent) / sample_rate
        if silent is None:
            request.silence = silence
            return told
        request.silence = None
        data = TTFAMetricsData(
            self.name, seconds(request.first - request.asked + silence), seconds(silence), model=self.model
        )
        return (*told, *self._frame(data))

    def token(self, key: Hashable, now: float) -> None:
        """Text to be spoken has come that isn't a whole sentence yet, for all that is known."""
        if self.wants_times:
            request = self._requests.setdefault(key, _Request(now))
            request.token = now if request.token is None else request.token

    def sentence(self, key: Hashable, now: float) -> Told:
        """A sentence is whole: the first is the time that it took to gather one."""
        request = self._requests.get(key)
        if request is None or request.token is None or request.has_sentence:
            return ()
        request.has_sentence = True
        return self._frame(TextAggregationMetricsData(self.name, seconds(now - request.token), model=self.model))

    def done(self, key: Hashable, now: float) -> Told:
        """The request has been handled, and is forgotten: the time that it took altogether."""
        request = self._requests.pop(key, None)
        if request is None:
            return ()
        return self._frame(ProcessingMetricsData(self.name, seconds(now - request.received), model=self.model))

    def cancelled(self, key: Hashable | None = None) -> None:
        """It was cut and has no value; without a key, all that were under way."""
        if key is None:
            self._requests.clear()
        else:
            self._requests.pop(key, None)

    # ---- times of transcripts

    def speech_began(self) -> Told:
        """The user speaks: what came of the speech before is complete, and its last transcript is TTFB."""
        ended, final = self._speech_ended, self._last_final
        self._speech_ended = self._last_final = None
        return () if ended is None or final is None else self._ttfb(final - ended)

    def speech_ended(self, at: float) -> None:
        """The user has stopped, at this time: that of VAD's stop, less the silence that it took."""
        if self.wants_times:
            self._speech_ended, self._last_final = at, None

    def transcribed(self, now: float, *, is_last: bool) -> Told:
        """A final transcript has come. Without knowing that it is the last, it is told when the user speaks again."""
        if self._speech_ended is None:
            return ()
        self._last_final = now
        return self.speech_began() if is_last else ()

    # ---- usage

    def tokens(self, usage: LLMTokenUsage) -> Told:
        """A language model's run used so much."""
        return self._frame(LLMUsageMetricsData(self.name, usage, model=self.model)) if self.wants_usage else ()

    def characters(self, count: int) -> Told:
        """So many characters were given to a synthesis."""
        return self._frame(TTSUsageMetricsData(self.name, count, model=self.model)) if self.wants_usage else ()

    def sound(self, span: float) -> Told:
        """So many seconds of sound were given to a transcription."""
        return self._frame(STTUsageMetricsData(self.name, seconds(span), model=self.model)) if self.wants_usage else ()

    def _ttfb(self, span: float) -> Told:
        if self._only_initial_ttfb and self._has_told_ttfb:
            return ()
        self._has_told_ttfb = True
        return self._frame(TTFBMetricsData(self.name, seconds(span), model=self.model))

    def _frame(self, data: MetricsData) -> Told:
        return (MetricsFrame((data,)),)


def seconds(span: float) -> float:
    """To the microsecond: a virtual clock's spans are then exact."""
    return round(span, 6)


def leading_silence(audio: bytes) -> int | None:
    """How many samples, mono int16, come before the first audible one. None if none is."""
    heard = np.flatnonzero(np.abs(np.frombuffer(audio, "<i2").astype(np.int32)) >= AUDIBLE)
    return int(heard[0]) if len(heard) else None

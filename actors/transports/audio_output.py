"""The output: plays what comes in real time, and knows what of it was heard.

1. Its queue is its mailbox. It takes a frame when that is due, so a crash loses at most the chunk in hand and an interruption the rest.
2. What is handed to the device, what is said about it and where it stands change in one step, without a wait between: no cut can part them.
   Before each such step it asks whether it has been cut: who gets room at the moment of an interruption isn't told.
3. A word counts as heard once the chunk that holds its beginning was handed to the device.
4. The device gets whole chunks only. What is short of one waits for more, and is filled up with silence where its sound ends.
"""

from __future__ import annotations

import math

import attrs
import trio

from ...channels.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    HeardFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from ..actor import Actor, actor, durable, on, state
from ..effects import Both, Effect, Immune
from .devices import AudioSink, NullSink
from .pcm import Resampler, mono

__all__ = ["AudioOutput"]

SPEAKING_SIGN_SECONDS = 0.2


@attrs.frozen
class _Rest:
    """Sound that is short of a chunk."""

    audio: bytes
    frame: OutputAudioRawFrame
    """What it is the end of."""


@actor
class AudioOutput(Actor):
    """Plays audio frames on a device, chunk by chunk, and passes them on when they were played.

    Words (`TTSTextFrame` with `offset_ns`) pass on, immune, when they are heard; words not heard at an interruption never do. Then
    HeardFrame goes both ways, behind the last word. BotStartedSpeaking and BotStoppedSpeaking tell when speech leaves the device.
    """

    device: AudioSink = attrs.field(factory=NullSink)
    chunk: float = attrs.field(default=0.02, kw_only=True)
    """Seconds of sound handed over at once."""
    cushion: float = attrs.field(default=0.2, kw_only=True)
    """How late a chunk may be handed over, in seconds, and still join the one before without a gap: what a device's
    buffer holds. A later one begins anew."""
    end_silence: float = attrs.field(default=2.0, kw_only=True)
    """Seconds of silence after the last sound before the session ends."""

    is_speaking: bool = durable(False)
    due: float = durable(-math.inf)
    """When the next chunk may be handed over: the end of the last one."""
    played: tuple[tuple[str | None, int], ...] = durable(())
    """For each synthesis that isn't over, the nanoseconds handed over."""
    words: tuple[TTSTextFrame, ...] = durable(())
    """Words whose time hasn't come."""
    signed: float = durable(-math.inf)
    """When BotSpeaking last went out."""
    rest: _Rest | None = durable(None)
    sample_rate: int = state(0)
    resampler: Resampler | None = state(None)
    resampled: OutputAudioRawFrame | None = state(None)
    """The last frame that went through the resampler."""

    @on(StartFrame)
    def start(self, frame: StartFrame) -> None:
        self.sample_rate = frame.audio_out_sample_rate
        self.device.open(self.sample_rate)

    @on(OutputAudioRawFrame)
    async def play(self, frame: OutputAudioRawFrame) -> None:
        audio = self._at_our_rate(frame)
        if self.rest is not None:
            audio = self.rest.audio + audio
        await self._play_chunks(audio, frame)

    @on(TTSStartedFrame)
    async def begin(self, frame: TTSStartedFrame) -> TTSStartedFrame:
        await self._play_rest()
        await self._wait_until_due()
        self.played = (*self.played, (frame.context_id, 0))
        return frame

    @on(TTSTextFrame)
    async def expect(self, frame: TTSTextFrame) -> tuple[Effect, ...]:
        if frame.offset_ns is None:
            await self._wait_until_due()
            return (Immune(frame),)
        self.words = (*self.words, frame)
        return self._release(frame.context_id)

    @on(TTSStoppedFrame)
    async def finish(self, frame: TTSStoppedFrame) -> tuple[Effect, ...]:
        await self._play_rest()
        await self._wait_until_due()
        # A word beyond the end of its sound, by the synthesiser's rounding, was heard with it.
        late = tuple(word for word in self.words if word.context_id == frame.context_id)
        self.words = tuple(word for word in self.words if word.context_id != frame.context_id)
        self.played = tuple(each for each in self.played if each[0] != frame.context_id)
        return (*map(Immune, late), *self._stop_speaking(), frame)

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> tuple[Effect, ...]:
        return self._report(self.epoch)

    @on(CancelFrame)
    def cancel(self, frame: CancelFrame) -> tuple[Effect, ...]:
        self.device.close()
        return self._report(self.epoch)

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        await self._play_rest()
        await self._wait_until_due()
        await self.push(*self._stop_speaking())
        if self.end_silence:
            self.allow(self.end_silence)
            self._begin_anew()
            self.device.write(bytes(2 * round(self.end_silence * self.sample_rate)), self.due)
            await trio.sleep_until(self.due + self.end_silence)
        self.device.close()

    async def _play_chunks(self, audio: bytes, frame: OutputAudioRawFrame) -> None:
        """Play whole chunks, each when it is due; what is short of one waits."""
        size = self._chunk_bytes()
        whole = len(audio) - len(audio) % size
        rest = _Rest(audio[whole:], frame) if whole < len(audio) else None
        if not whole:
            self.rest = rest
        for start in range(0, whole, size):
            await self._wait_until_due()
            left = rest if start + size == whole else None
            if left is not self.rest:
                self.rest = left
            await self.push(*self._hand_over(audio[start : start + size], frame))

    async def _play_rest(self) -> None:
        """What is short of a chunk, and what the resampler still holds, belong to the sound that ends here."""
        tail = b"" if self.resampler is None else self.resampler.flush()
        self.resampler = None
        frame = self.resampled if self.rest is None else self.rest.frame
        audio = tail if self.rest is None else self.rest.audio + tail
        if audio and frame is not None:
            size = self._chunk_bytes()
            await self._play_chunks(audio.ljust(-(-len(audio) // size) * size, b"\0"), frame)

    async def _wait_until_due(self) -> None:
        if self.due > trio.current_time():
            await trio.sleep_until(self.due)
        await trio.lowlevel.checkpoint_if_cancelled()

    def _chunk_bytes(self) -> int:
        return 2 * round(self.chunk * self.sample_rate)

    def _begin_anew(self) -> None:
        """After a pause the next sound begins now; when merely late, it joins the last one without a gap."""
        now = trio.current_time()
        if now - self.due > self.cushion:
            self.due = now

    def _hand_over(self, audio: bytes, frame: OutputAudioRawFrame) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        is_speech = isinstance(frame, TTSAudioRawFrame)
        if is_speech and not self.is_speaking:
            self.is_speaking = True
            effects.append(Both(BotStartedSpeakingFrame()))
        self._begin_anew()
        at = self.due
        self.device.write(audio, at)
        seconds = len(audio) / 2 / self.sample_rate
        self.due = at + seconds
        if isinstance(frame, TTSAudioRawFrame):
            self._count(frame.context_id, seconds)
            effects.extend(self._release(frame.context_id))
            # Half a chunk less: sums of chunks aren't exact.
            if at - self.signed > SPEAKING_SIGN_SECONDS - self.chunk / 2:
                self.signed = at
                effects.append(Both(BotSpeakingFrame()))
        if audio is not frame.audio:
            frame = attrs.evolve(frame, audio=audio, sample_rate=self.sample_rate, num_channels=1)
        effects.append(frame)
        return tuple(effects)

    def _count(self, context_id: str | None, seconds: float) -> None:
        before = dict(self.played)
        before[context_id] = before.get(context_id, 0) + round(seconds * 1e9)
        self.played = tuple(before.items())

    def _release(self, context_id: str | None) -> tuple[Effect, ...]:
        """The words of a synthesis whose beginning has been handed over, off the list."""
        position = dict(self.played).get(context_id, 0)
        heard = tuple(word for word in self.words if word.context_id == context_id and (word.offset_ns or 0) < position)
        if heard:
            self.words = tuple(word for word in self.words if word not in heard)
        return tuple(map(Immune, heard))

    def _report(self, epoch: int) -> tuple[Effect, ...]:
        """What was heard of the speech that is cut."""
        heard = HeardFrame(epoch, self.played)
        self.played, self.words, self.rest, self.resampler = (), (), None, None
        return (Both(heard), *self._stop_speaking())

    def _stop_speaking(self) -> tuple[Effect, ...]:
        if not self.is_speaking:
            return ()
        self.is_speaking = False
        return (Both(BotStoppedSpeakingFrame()),)

    def _at_our_rate(self, frame: OutputAudioRawFrame) -> bytes:
        audio = mono(frame.audio, frame.num_channels) if frame.num_channels != 1 else frame.audio
        if frame.sample_rate == self.sample_rate:
            return audio
        if self.resampler is None or self.resampler.rate_in != frame.sample_rate:
            self.resampler = Resampler(frame.sample_rate, self.sample_rate)
        self.resampled = frame
        return self.resampler.resample(audio)

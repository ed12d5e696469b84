"""A player: hands sound to a device at the pace of sound, holds it and lets it go on.

1. Its queue is its mailbox. It takes a frame when that is due, so a crash loses at most the chunk in hand and an interruption the rest.
2. What is handed to the device, what is said about it and where it stands change in one step, without a wait between: no cut can part them.
   Before each such step it asks whether it has been cut: who gets room at the moment of an interruption isn't told.
3. The device gets whole chunks only. What is short of one waits for more, and is filled up with silence where its sound ends.
4. Nothing durable changes before the first chunk of a frame has been handed over: until then a kill gives the frame back.
   From then on what is left of it is durable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias

import attrs
import trio

from ...channels.frames import (
    ErrorFrame,
    Frame,
    OutputAudioRawFrame,
    OutputImageRawFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    SpriteFrame,
    StartFrame,
    TTSStoppedFrame,
    VolumeFrame,
    VolumeGainFrame,
)
from ..actor import actor, durable, on, state
from ..effects import Effect, Immune, Up
from ..errors import Unrecoverable
from .bot_speech import BotSpeech
from .chunks import Chunk, Piece, Pieces, filled, firm, take
from .devices import AudioSink, NullSink, PatientSink
from .pcm import Resampler, mono, scaled

__all__ = ["AudioPlayer"]

Addressed: TypeAlias = (
    OutputAudioRawFrame
    | OutputImageRawFrame
    | SpriteFrame
    | OutputTransportMessageFrame
    | OutputTransportMessageUrgentFrame
)
"""What says where it is played, shown or sent."""

REFUSALS = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
"""What a device may raise that can't take what it is given."""


@actor
class AudioPlayer(BotSpeech):
    """Plays the audio frames of one destination on a device, chunk by chunk, and passes them on when they were played.

    What `AudioOutput` and `SideOutput` share. Raises `Unrecoverable` when the device takes nothing for `write_timeout`.
    """

    device: AudioSink = attrs.field(factory=NullSink)
    enabled: bool = attrs.field(default=True, kw_only=True)
    """False: sound is dropped, and nobody speaks; text goes on at once."""
    cushion: float = attrs.field(default=0.2, kw_only=True)
    """How late a chunk may be handed over, in seconds, and still join the one before without a gap: what a device's
    buffer holds. A later one begins anew."""
    volume: float = attrs.field(default=1.0, kw_only=True)
    """A factor to the samples, until a VolumeFrame says another."""
    end_silence: float = attrs.field(default=2.0, kw_only=True)
    """Seconds of silence after the last sound before the session ends."""
    write_timeout: float = attrs.field(default=10.0, kw_only=True)
    """Seconds until a device that has no room counts as lost."""

    pieces: Pieces = durable(())
    """Sound taken that isn't handed over."""
    told_volume: float | None = durable(None)
    """What the last VolumeFrame said."""
    gain: float = durable(1.0)
    cut_epoch: int = durable(0)
    """That of the last interruption that was handled."""
    behind: Frame | None = durable(None)
    """What follows `pieces`, once their playing has begun in its own handling."""
    sample_rate: int = state(0)
    resampler: Resampler | None = state(None)
    resampled: OutputAudioRawFrame | None = state(None)
    """The last frame that went through the resampler."""
    patient: PatientSink | None = state(None)
    """The device, if it says when it has room."""
    resumed: trio.Event | None = state(None)
    """Somebody waits for the pause's end."""
    is_failing: bool = state(False)
    """The device refused the last chunk."""
    settled: trio.Event | None = state(None)
    """Set when what the incarnation before had in hand is over."""
    is_settling: bool = state(False)

    @on(StartFrame)
    def start(self, frame: StartFrame) -> tuple[Effect, ...]:
        self.sample_rate = frame.audio_out_sample_rate
        if self.enabled:
            self.device.open(self.sample_rate)
        self.patient = self.device if isinstance(self.device, PatientSink) else None
        if self.behind is not None or sum(piece.size for piece in self.pieces) >= self._chunk_bytes():
            self.settled = trio.Event()
            # An interruption that came meanwhile lies in the mailbox, and what it cuts doesn't go on.
            if self.epoch == self.cut_epoch:
                self._begin_to_settle(self.settled)
        return ()

    @on(OutputAudioRawFrame)
    async def play(self, frame: OutputAudioRawFrame) -> None:
        if self._takes(frame) and self.enabled:
            if self.settled is not None:
                await self.settled.wait()
            if audio := self._as_played(frame):
                await self._play_chunks((*self.pieces, Piece(audio, frame)))

    @on(TTSStoppedFrame)
    async def stop(self, frame: TTSStoppedFrame) -> tuple[Effect, ...]:
        return await self._follow_sound(frame)

    @on(VolumeFrame, VolumeGainFrame)
    async def set_loudness(self, frame: VolumeFrame | VolumeGainFrame) -> tuple[Effect, ...]:
        await self._wait_until_settled()
        await self._wait_until_due()
        if isinstance(frame, VolumeFrame):
            self.told_volume = frame.volume
        else:
            self.gain = frame.gain
        return self._passed(frame)

    @on(OutputPauseFrame)
    def pause(self, frame: OutputPauseFrame) -> Iterable[Effect]:
        if self.paused_since is None:
            self.paused_since = trio.current_time()
        if not self._must_be_heard():
            yield from self._stop_speaking()
        yield from self._passed(frame)

    @on(OutputResumeFrame)
    def resume(self, frame: OutputResumeFrame) -> Iterable[Effect]:
        self._end_pause()
        yield from self._passed(frame)

    def _passed(self, frame: Frame) -> tuple[Effect, ...]:
        """What goes on of a frame that this actor was told."""
        return (frame,)

    def _take_effect(self, frame: Frame) -> tuple[Effect, ...]:
        """What happens at a frame that stands behind sound, once this is over."""
        return (*self._end_speaking(), *self._passed(frame))

    def _takes(self, frame: Addressed) -> bool:
        """Whether it is addressed to this destination."""
        if frame.transport_destination == self.destination:
            return True
        self._turn_away(frame.transport_destination)
        return False

    def _turn_away(self, destination: str | None) -> None:
        """Somebody else plays this, or nobody."""

    async def _follow_sound(self, frame: Frame) -> tuple[Effect, ...]:
        """Play the sound before a frame to its end; then what the frame does."""
        await self._wait_until_settled()
        await self._play_rest(frame)
        await self._wait_until_due()
        if self.behind is frame:
            self.behind = None
        return self._take_effect(frame)

    def _begin_to_settle(self, settled: trio.Event) -> None:
        self.is_settling = True
        self.start_soon(self._settle, settled, interruptible=False)

    async def _settle(self, settled: trio.Event) -> None:
        """After a restart: what the incarnation before had in hand goes on, before anything else does."""
        behind = self.behind
        if behind is None:
            await self._play_chunks(self.pieces)
        else:
            await self._play_chunks(filled(self.pieces, self._chunk_bytes()), behind)
            await self._wait_until_due()
            if self.behind is behind:
                self.behind = None
                await self.push(*self._take_effect(behind))
        self.settled = None
        settled.set()

    async def _wait_until_settled(self) -> None:
        if self.settled is not None:
            await self.settled.wait()

    async def _play_chunks(self, pieces: Pieces, behind: Frame | None = None) -> None:
        """Play whole chunks, each when it is due; what is short of one waits."""
        size, epoch = self._chunk_bytes(), self.cut_epoch
        while pieces:
            chunk, left = take(pieces, size)
            if chunk is None:
                break
            await self._wait_for_device(chunk.interruptible)
            if chunk.interruptible and self.cut_epoch != epoch:
                # Left from before a restart, in the hands of a task that isn't cut.
                pieces, behind, epoch = firm(pieces), self.behind, self.cut_epoch
                continue
            if left or self.pieces:
                self.pieces = left
                # A frame may last longer than an end is patient: each chunk of it says that the next one takes its time.
                self.allow(self.chunk)
            if behind is not None and self.behind is not behind:
                self.behind = behind
            await self.push(*self._hand_over(chunk))
            pieces = self.pieces
        if pieces is not self.pieces:
            self.pieces = pieces

    async def _play_rest(self, behind: Frame | None = None) -> None:
        """What is short of a chunk, and what the resampler still holds, belong to the sound that ends here."""
        tail = b"" if self.resampler is None else self.resampler.flush()
        self.resampler = None
        pieces = self.pieces
        if tail and self.resampled is not None:
            pieces = (*pieces, Piece(self._loud(tail), self.resampled))
        if pieces:
            await self._play_chunks(filled(pieces, self._chunk_bytes()), behind)

    async def _play_out(self) -> tuple[Effect, ...]:
        """Before the end: all of the sound; then nobody speaks."""
        await self._wait_until_settled()
        await self._play_rest()
        await self._wait_until_due()
        return self._stop_speaking()

    async def _fall_silent(self) -> None:
        """The silence that a device gets behind the last sound, so that this is heard to its end."""
        if self.end_silence and self.enabled:
            self.allow(self.end_silence)
            if self.patient is not None:
                await self._wait_for_room(self.patient)
            self._begin_anew()
            error = self._write(bytes(2 * round(self.end_silence * self.sample_rate)), self.due)
            if error is not None:
                await self.push(*self._refused(error))
            await trio.sleep_until(self.due + self.end_silence)

    async def _wait_until_due(self) -> None:
        if self.due > trio.current_time():
            await trio.sleep_until(self.due)
        await trio.lowlevel.checkpoint_if_cancelled()

    async def _wait_for_device(self, interruptible: bool) -> None:
        """Until a chunk may be handed over: the one before is over, nothing is paused, and the device has room."""
        while True:
            await self._wait_until_due()
            if self._is_held(interruptible):
                self.resumed = trio.Event()
                await self.resumed.wait()
                continue
            if self.patient is None:
                return
            await self._wait_for_room(self.patient)
            if not self._is_held(interruptible):
                await trio.lowlevel.checkpoint_if_cancelled()
                return

    async def _wait_for_room(self, device: PatientSink) -> None:
        self.allow(self.write_timeout)
        with trio.move_on_after(self.write_timeout) as scope:
            await device.room()
        if scope.cancelled_caught:
            raise Unrecoverable(
                f"{self.address}: {type(self.device).__name__} has taken no sound for {self.write_timeout:g} seconds."
                " Whoever should hear it is gone: reconnect the device, or end the session."
            )

    def _chunk_bytes(self) -> int:
        return 2 * round(self.chunk * self.sample_rate)

    def _begin_anew(self) -> None:
        """After a pause the next sound begins now; when merely late, it joins the last one without a gap."""
        now = trio.current_time()
        if now - self.due > self.cushion:
            self.due = now

    def _hand_over(self, chunk: Chunk) -> tuple[Effect, ...]:
        self._begin_anew()
        at, audio, frame = self.due, chunk.audio, chunk.frame
        seconds = len(audio) / 2 / self.sample_rate
        self.due = at + seconds
        error = self._write(audio, at)
        if error is not None:
            return self._refused(error)
        effects = (*self._speak(frame, audio, at), *self._heard(frame, seconds))
        if audio is not frame.audio or chunk.interruptible is not frame.interruptible:
            frame = attrs.evolve(
                frame,
                audio=audio,
                sample_rate=self.sample_rate,
                num_channels=1,
                interruptible=chunk.interruptible,
            )
        return (*effects, frame if chunk.interruptible else Immune(frame))

    def _write(self, audio: bytes, at: float) -> Exception | None:
        """Hand sound to the device; why it refused it."""
        try:
            self.device.write(audio, at)
        except REFUSALS as error:
            return error
        if self.is_failing:
            self.is_failing = False
        return None

    def _refused(self, error: Exception) -> tuple[Effect, ...]:
        """Of refusals in a row the first is reported: there may be fifty in a second."""
        if self.is_failing:
            return ()
        self.is_failing = True
        return (Up(ErrorFrame(self._not_taken("sound", error), processor=self.address, exception=error)),)

    def _not_taken(self, what: str, error: Exception) -> str:
        device = type(self.device).__name__
        return f"{self.address}: {device} refused {what}, which is lost: {error!r}. The next is tried again."

    def _heard(self, frame: OutputAudioRawFrame, seconds: float) -> tuple[Effect, ...]:
        """What follows from sound that was handed over."""
        return ()

    def _is_held(self, interruptible: bool) -> bool:
        return self.paused_since is not None and interruptible

    def _end_pause(self) -> None:
        if self.paused_since is None:
            return
        held_from, now = max(self.due, self.paused_since), trio.current_time()
        self.paused_since = None
        self._held(max(self.due, now) - held_from)
        if self.due < now:
            # The next sound begins when it comes, not where it would have: to catch up would be to skip.
            self.due = -math.inf
        if self.resumed is not None:
            self.resumed.set()

    def _held(self, seconds: float) -> None:
        """A pause is over, in which sound didn't go on for so long."""

    def _cut(self) -> tuple[Effect, ...]:
        """At an interruption: only what must be heard is left."""
        self.cut_epoch = self.epoch
        self._end_pause()
        self.pieces = firm(self.pieces)
        if self.resampled is not None and self.resampled.interruptible:
            self.resampler = self.resampled = None
        if self.behind is not None and getattr(self.behind, "interruptible", True):
            self.behind = None
        if self.settled is not None and not self.is_settling:
            self._begin_to_settle(self.settled)
        return () if self._must_be_heard() else self._stop_speaking()

    def _as_played(self, frame: OutputAudioRawFrame) -> bytes:
        """The frame's sound in mono, at the device's rate and loudness."""
        audio = mono(frame.audio, frame.num_channels) if frame.num_channels != 1 else frame.audio
        if frame.sample_rate != self.sample_rate:
            if self.resampler is None or self.resampler.rate_in != frame.sample_rate:
                self.resampler = Resampler(frame.sample_rate, self.sample_rate)
            self.resampled = frame
            audio = self.resampler.resample(audio)
        return self._loud(audio)

    def _loud(self, audio: bytes) -> bytes:
        factor = (self.volume if self.told_volume is None else self.told_volume) * self.gain
        return audio if factor == 1.0 else scaled(audio, factor)

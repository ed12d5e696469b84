"""An output for one more destination, in a branch beside the first: it has its own mailbox, so its own time and its own speaking state.

`Parallel(Pipeline(AudioOutput(speaker, others=("music",))), Pipeline(SideOutput(line, destination="music")))`
"""

from __future__ import annotations

from collections.abc import Iterable

from ...channels.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputImageRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    SpriteFrame,
    StopFrame,
    TTSStoppedFrame,
)
from ..actor import actor, on
from ..effects import Effect
from .audio_player import Addressed, AudioPlayer

__all__ = ["SideOutput"]


@actor
class SideOutput(AudioPlayer):
    """Plays the audio frames of one destination, and lets nothing else through its branch: the other branch does.

    Words and what was heard of them are the `AudioOutput`'s, which plays what has no destination.
    """

    @on(Frame)
    def leave(self, frame: Frame) -> None:
        """It goes by in the other branch."""

    @on(OutputImageRawFrame, SpriteFrame, OutputTransportMessageFrame, OutputTransportMessageUrgentFrame)
    def let_by(self, frame: Addressed) -> Addressed | None:
        """What is addressed to the same destination, for what stands behind."""
        return frame if self._takes(frame) else None

    async def stop(self, frame: TTSStoppedFrame) -> tuple[Effect, ...]:
        return await super().stop(frame) if self._has_spoken(frame.context_id) else ()

    @on(InterruptionFrame)
    def cut(self, frame: InterruptionFrame) -> tuple[Effect, ...]:
        return self._cut()

    @on(CancelFrame)
    def cancel(self, frame: CancelFrame) -> Iterable[Effect]:
        if self.enabled:
            self.device.close()
        return self._stop_speaking()

    @on(StopFrame)
    async def halt(self, frame: StopFrame) -> None:
        await self.push(*await self._play_out())

    @on(EndFrame)
    async def end(self, frame: EndFrame) -> None:
        await self.push(*await self._play_out())
        await self._fall_silent()
        if self.enabled:
            self.device.close()

    def _passed(self, frame: Frame) -> tuple[Effect, ...]:
        return ()

"""Whether sound still comes in: a stall is a fault of the line or of the client, and nobody else would say so.

It only warns. What to make of silence is the VAD's business.
"""

from __future__ import annotations

import logging

import attrs

from ...channels.frames import CancelFrame, EndFrame, Frame, InputAudioRawFrame, StopFrame
from ..actor import Actor, actor, durable, on
from ..effects import After, Effect

__all__ = ["SoundWatch"]

_log = logging.getLogger("antiphon")


@attrs.frozen
class _Look:
    """To itself: look whether sound has come."""


@actor
class SoundWatch(Actor):
    """Stands behind an input whose sound comes from elsewhere, and warns in the log when it fails to come.

    Once for each stall, from the first frame on.
    """

    timeout: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    """How long sound may fail to come, seconds."""

    last: float | None = durable(None)
    """When sound last came, while it is waited for."""

    @on(InputAudioRawFrame)
    def hear(self, frame: InputAudioRawFrame) -> Frame | tuple[Effect, ...]:
        is_awaited, self.last = self.last is not None, self.now
        return frame if is_awaited else (frame, After(self.timeout, _Look()))

    @on(_Look)
    def look(self, message: _Look) -> After | None:
        assert self.last is not None
        left = self.last + self.timeout - self.now
        if left > 0:
            return After(left, message)
        _log.warning("%s: no sound has come in for %g s", self.address, self.timeout)
        self.last = None
        return None

    @on(EndFrame, StopFrame, CancelFrame)
    def end(self, frame: Frame) -> After:
        return After(None, _Look())

"""The actors of a usual voice pipeline, as far as audio goes: the first hears, the last hears and plays, six between
have other work.
"""

from collections.abc import Callable

from antiphon import Actor, Pipeline, actor, on
from antiphon.channels import InputAudioRawFrame, LLMTextFrame, TTSAudioRawFrame

from ..tally import Tally

__all__ = ["voice_pipeline"]


@actor
class Ear(Actor):
    tally: Tally

    @on(InputAudioRawFrame)
    def hear(self, frame: InputAudioRawFrame) -> InputAudioRawFrame:
        self.tally.handled += 1
        return frame


@actor
class Thinker(Actor):
    tally: Tally

    @on(LLMTextFrame)
    def think(self, frame: LLMTextFrame) -> LLMTextFrame:
        self.tally.handled += 1
        return frame


@actor
class Mouth(Actor):
    heard: Callable[[], None]
    played: Callable[[], None]

    @on(InputAudioRawFrame)
    def hear(self, frame: InputAudioRawFrame) -> None:
        self.heard()

    @on(TTSAudioRawFrame)
    def play(self, frame: TTSAudioRawFrame) -> None:
        self.played()


def voice_pipeline(tally: Tally, *, heard: Callable[[], None], played: Callable[[], None]) -> Pipeline:
    """Eight actors; `tally` counts the input audio that the first one handled."""
    return Pipeline(Ear(tally), *(Thinker(Tally()) for _ in range(6)), Mouth(heard, played))

"""How long the bot speaks, where it pauses, how long it lets people wait: `python examples/bot_speech_monitor.py`.

`BotStartedSpeakingFrame` and `BotStoppedSpeakingFrame` come from the output, when sound leaves it and when it doesn't any more. The
monitor puts them together with the end of the user's turn, and warns, by an event, as soon as the bot has spoken for too long
without a break. The warning is a timer: it survives a crash of the monitor, as all that it knows does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import attrs
import trio

from antiphon import Actor, After, Fire, Pipeline, actor, durable, on
from antiphon.actors import ActorView, Effect
from antiphon.actors.services.scripted import Call, ScriptedLLM, Step
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    LLMContext,
    OutputResumeFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, play
from antiphon.turn import LLMContextAggregatorPair


@attrs.frozen
class Speech:
    """What the bot said without a break. Times are seconds since the session began."""

    began: float
    ended: float | None = None
    """None while it goes on."""
    waited: float | None = None
    """From the end of the user's turn to the beginning, seconds, if this is the first of an answer."""
    paused: float | None = None
    """From the end of the speech before, seconds, if the answer had one."""


@attrs.frozen
class TooLong:
    """To itself: the bot has spoken for as long as it may."""


@actor
class BotSpeechMonitor(Actor):
    """Measures the bot's speech. Stands between the output and the assistant half.

    Event: `on_long_speech(seconds)`, once for a speech that is longer than `limit`, while it goes on.
    """

    events: ClassVar[tuple[str, ...]] = ("on_long_speech",)

    limit: float = 20.0
    """Seconds that one speech may last."""
    speeches: tuple[Speech, ...] = durable(())
    asked_at: float | None = durable(None)
    """When the user's turn ended that isn't answered yet."""

    @on(UserStoppedSpeakingFrame)
    def ask(self, frame: UserStoppedSpeakingFrame) -> Frame:
        self.asked_at = self.now
        return frame

    @on(OutputResumeFrame)
    def go_on(self, frame: OutputResumeFrame) -> Frame:
        """That turn was a cough: what comes now is no answer to it."""
        self.asked_at = None
        return frame

    @on(BotStartedSpeakingFrame)
    def begin(self, frame: BotStartedSpeakingFrame) -> Iterator[Effect]:
        waited = paused = None
        if self.asked_at is not None:
            waited = self.now - self.asked_at
        elif self.speeches and self.speeches[-1].ended is not None:
            paused = self.now - self.speeches[-1].ended
        self.speeches = (*self.speeches, Speech(self.now, waited=waited, paused=paused))
        self.asked_at = None
        yield frame
        yield After(self.limit, TooLong())

    @on(BotStoppedSpeakingFrame)
    def end(self, frame: BotStoppedSpeakingFrame) -> Iterator[Effect]:
        if self.speeches:
            *before, last = self.speeches
            self.speeches = (*before, attrs.evolve(last, ended=self.now))
        yield frame
        yield After(None, TooLong())

    @on(TooLong)
    def warn(self, message: TooLong) -> Fire:
        return Fire("on_long_speech", self.now - self.speeches[-1].began)


# ---- a conversation


def answer(context: LLMContext) -> Iterator[Step | str]:
    """What the model says next."""
    last = context.messages[-1]
    if last["role"] == "tool":
        yield "We have onion soup."
    elif "wine" in str(last["content"]):
        yield "There is a red one, which is light, and a white one, which isn't, and one that nobody has ever asked for."
    else:
        yield "Let me see."
        yield Call("ask_the_kitchen")


async def ask_the_kitchen() -> str:
    await trio.sleep(2.5)
    return "onion soup"


def conversation(monitor: BotSpeechMonitor) -> Pipeline:
    """A waiter who has to ask about the soup, and knows too much about wine."""
    pair = LLMContextAggregatorPair(LLMContext())
    llm = ScriptedLLM(answer, {"ask_the_kitchen": ask_the_kitchen}, name="llm")
    return Pipeline(pair.user, llm, ScriptedTTS(name="tts"), AudioOutput(name="output"), monitor, pair.assistant)


def says(text: str) -> list[Item]:
    """What voice detection and recogniser make of it."""
    voice: list[Item] = [VADUserStartedSpeakingFrame(), Sleep(0.8), VADUserStoppedSpeakingFrame()]
    return [*voice, Sleep(0.1), TranscriptionFrame(text, finalized=True)]


SCRIPT: list[Item] = [
    *says("What is there to eat?"),
    Sleep(7.0),
    *says("And what wine?"),
    Sleep(9.0),
    EndFrame(),
]


def told(speeches: tuple[Speech, ...]) -> Iterator[str]:
    """A line for each."""
    for speech in speeches:
        ended = speech.began if speech.ended is None else speech.ended
        if speech.waited is not None:
            before = f"after {speech.waited:.2f} s of waiting"
        elif speech.paused is not None:
            before = f"after a pause of {speech.paused:.2f} s"
        else:
            before = "unasked"
        yield f"{speech.began:5.2f} s: spoke for {ended - speech.began:.2f} s, {before}"


def main() -> None:
    monitor = BotSpeechMonitor(limit=5.0, name="monitor")

    @monitor.on_event("on_long_speech")
    def warn(view: ActorView, seconds: float) -> None:
        print(f"warning: the bot has spoken for {seconds:.0f} s without a break")

    trace = play(conversation(monitor), SCRIPT, limit=60)
    speeches = trace.durable["monitor"]["speeches"]
    assert isinstance(speeches, tuple)
    print(*told(speeches), sep="\n")


if __name__ == "__main__":
    main()

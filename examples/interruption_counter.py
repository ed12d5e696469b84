"""How often the bot is cut off, after how many seconds, and how much is heard to its end: `python examples/interruption_counter.py`.

Two frames tell that behind the output, and no clock is needed. `LLMFullResponseEndFrame` comes out only when all of an answer was
heard; an interruption drops it. `HeardFrame` follows each interruption, and its `played` says to the sample what was heard of
what was cut: nothing, if the bot was silent. So coughs that only hold the bot aren't counted, and silence isn't either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from antiphon import Actor, Pipeline, actor, durable, on
from antiphon.actors.services.scripted import ScriptedLLM
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    EndFrame,
    HeardFrame,
    InterruptionFrame,
    LLMContext,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, play
from antiphon.turn import LLMContextAggregatorPair

Answer: TypeAlias = Literal["none", "silent", "audible"]


@actor
class InterruptionCounter(Actor):
    """Counts the model's answers by how they ended. Stands between the output and the assistant half."""

    whole: int = durable(0)
    """Answers that were heard to their end."""
    cut_after: tuple[float, ...] = durable(())
    """For each answer that was cut off, the seconds that were heard of it."""
    unheard: int = durable(0)
    """Answers that were cut off before their first sound."""
    answer: Answer = durable("none")
    """The one under way."""
    is_cut: bool = durable(False)
    """An interruption has come; what was heard will be told."""

    @on(LLMFullResponseStartFrame)
    def begin(self, frame: LLMFullResponseStartFrame) -> LLMFullResponseStartFrame:
        self.answer = "silent"
        return frame

    @on(BotStartedSpeakingFrame)
    def speak(self, frame: BotStartedSpeakingFrame) -> BotStartedSpeakingFrame:
        if self.answer == "silent":
            self.answer = "audible"
        return frame

    @on(LLMFullResponseEndFrame)
    def end(self, frame: LLMFullResponseEndFrame) -> LLMFullResponseEndFrame:
        if self.answer == "audible":
            self.whole += 1
        self.answer = "none"
        return frame

    @on(InterruptionFrame)
    def expect(self, frame: InterruptionFrame) -> None:
        self.is_cut = True

    @on(HeardFrame)
    def count(self, frame: HeardFrame) -> HeardFrame:
        """Also sent when a session is cancelled, which is no interruption."""
        if self.is_cut and self.answer == "silent":
            self.unheard += 1
            self.answer = "none"
        elif self.is_cut and frame.played:
            self.cut_after += (sum(ns for _, ns in frame.played) / 1e9,)
            self.answer = "none"
        self.is_cut = False
        return frame


# ---- a conversation


def conversation() -> Pipeline:
    """A waiter who knows the menu."""
    pair = LLMContextAggregatorPair(LLMContext())
    llm = ScriptedLLM(lambda context: ["We have onion soup, a lemon tart and cheese."], name="llm")
    output = AudioOutput(name="output")
    return Pipeline(
        pair.user, llm, ScriptedTTS(name="tts"), output, InterruptionCounter(name="counter"), pair.assistant
    )


def sound(seconds: float) -> list[Item]:
    return [VADUserStartedSpeakingFrame(), Sleep(seconds), VADUserStoppedSpeakingFrame()]


def says(text: str) -> list[Item]:
    """What voice detection and recogniser make of it."""
    return [*sound(0.8), Sleep(0.1), TranscriptionFrame(text, finalized=True)]


SCRIPT: list[Item] = [
    *says("What is there to eat?"),
    Sleep(4.0),
    *says("And what else?"),
    Sleep(1.5),
    *says("No, to drink!"),  # one second into the answer
    Sleep(0.3),
    *says("I mean wine."),  # before the bot has said a word
    Sleep(1.5),
    *sound(0.3),  # a cough, which holds the bot and doesn't cut it off
    Sleep(6.0),
    EndFrame(),
]


def told(whole: int, cut_after: tuple[float, ...], unheard: int) -> Iterator[str]:
    """What there is to know, in lines."""
    audible = whole + len(cut_after)
    seconds = ", ".join(f"{each:.2f} s" for each in cut_after)
    yield f"answers heard to the end   {whole} of {audible}" + (f" ({whole / audible:.0%})" if audible else "")
    yield f"cut off while speaking     {len(cut_after)}" + (f", after {seconds}" if seconds else "")
    yield f"cut off before a sound     {unheard}"


def main() -> None:
    counted = play(conversation(), SCRIPT, limit=60).durable["counter"]
    whole, cut_after, unheard = counted["whole"], counted["cut_after"], counted["unheard"]
    assert isinstance(whole, int) and isinstance(cut_after, tuple) and isinstance(unheard, int)
    print(*told(whole, cut_after, unheard), sep="\n")


if __name__ == "__main__":
    main()

"""Only words that matter cut the bot off: `python examples/smart_interruption_handler.py`.

Two things do it. The pair begins a turn over the bot's speech only with three words or more (`MinWordsUserTurnStartStrategy`), so
no cough and no "mhm" even makes it pause. And `StopWords`, before the pair, lets a few words interrupt at once: as soon as the
recogniser guesses them. Those words alone are an order to be silent, so the model doesn't hear of them.

With the default strategies a voice *holds* the bot until it is clear whether it said anything: see `false_interruption_timeout` and
`backchannels` of the pair. That reacts sooner, and stumbles at each cough.
"""

from __future__ import annotations

from collections.abc import Iterator

from antiphon import Actor, Interrupt, Pipeline, actor, durable, on
from antiphon.actors import Effect
from antiphon.actors.services.scripted import ScriptedLLM
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InterimTranscriptionFrame,
    LLMContext,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, play
from antiphon.turn import LLMContextAggregatorPair, MinWordsUserTurnStartStrategy, UserTurnStrategies

STOP_WORDS = frozenset({"stop", "wait", "silence"})


def words_of(text: str) -> list[str]:
    """Lower case, without what is neither letter nor digit."""
    return "".join(char if char.isalnum() else " " for char in text.lower()).split()


@actor
class StopWords(Actor):
    """Lets some words cut the bot off while it speaks. Stands between the recogniser and the pair."""

    words: frozenset[str] = STOP_WORDS
    bot_is_speaking: bool = durable(False)
    was_stopped: bool = durable(False)
    """The words heard since have not come to their end."""

    @on(BotStartedSpeakingFrame)
    def note_start(self, frame: BotStartedSpeakingFrame) -> BotStartedSpeakingFrame:
        self.bot_is_speaking = True
        return frame

    @on(BotStoppedSpeakingFrame)
    def note_stop(self, frame: BotStoppedSpeakingFrame) -> BotStoppedSpeakingFrame:
        self.bot_is_speaking = False
        return frame

    @on(InterimTranscriptionFrame, TranscriptionFrame)
    def listen(self, frame: InterimTranscriptionFrame | TranscriptionFrame) -> Iterator[Effect]:
        heard = words_of(frame.text)
        stops = bool(heard) and heard[0] in self.words
        if stops and self.bot_is_speaking:
            yield Interrupt()
            self.was_stopped = True
        if not (self.was_stopped and self.words.issuperset(heard)):
            yield frame  # there is more to it than an order to be silent
        if isinstance(frame, TranscriptionFrame):
            self.was_stopped = False


# ---- what is said into an answer

MENU = "We have onion soup, a lemon tart and the cheese of the day."


def conversation() -> Pipeline:
    """A waiter who is hard to stop."""
    pair = LLMContextAggregatorPair(
        LLMContext(), user_turn_strategies=UserTurnStrategies(start=[MinWordsUserTurnStartStrategy(min_words=3)])
    )
    llm = ScriptedLLM(lambda context: [MENU if len(context.messages) == 1 else "Of course."], name="llm")
    return Pipeline(StopWords(), pair.user, llm, ScriptedTTS(name="tts"), AudioOutput(name="output"), pair.assistant)


def says(text: str) -> list[Item]:
    """What voice detection and recogniser make of it: the first word is guessed early. A cough has no words."""
    if not text:
        return [VADUserStartedSpeakingFrame(), Sleep(0.3), VADUserStoppedSpeakingFrame()]
    guess, words = InterimTranscriptionFrame(text.split()[0]), TranscriptionFrame(text, finalized=True)
    voice: list[Item] = [Sleep(0.3), guess, Sleep(0.5), VADUserStoppedSpeakingFrame()]
    return [VADUserStartedSpeakingFrame(), *voice, Sleep(0.1), words]


def written(text: str) -> list[str]:
    """The menu as far as it was heard, with this said into it after a second; and what was said afterwards, by both."""
    script = [*says("What can I eat?"), Sleep(1.6), *says(text), Sleep(6.0), EndFrame()]
    context = play(conversation(), script, limit=60).durable["user"]["context"]
    assert isinstance(context, LLMContext)
    return [str(message["content"]) for message in context.messages[1:]]


CASES = {
    "a cough": "",
    "a hum": "Mhm.",
    "an order": "Stop!",
    "a question": "Is the soup hot?",
    "both": "Wait, is the soup hot?",
}


def main() -> None:
    for what, text in CASES.items():
        menu, *then = written(text)
        print(f"{what + ',':11} {text!r}" if text else what)
        print("  heard to the end" if menu == MENU else f"  cut off: {menu!r}")
        if then:
            print("  then:", *map(repr, then))


if __name__ == "__main__":
    main()

"""Whose turn it was, from when to when, and who was cut off: `python examples/turn_tracker.py`.

`Turns` stands between the output and the assistant half. There the edges of both pass, once each, and an end of the session
comes after the last sound. What it knows is one durable value: a crash loses nothing, and other actors can be told of it.

Take `antiphon.turn.TurnTracker` for exchanges, a question with its answer, told by events as they happen: it observes a session
from outside, so it needs no place in the pipeline. Take an actor like this one when the pipeline itself is to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import attrs

from antiphon import Actor, Pipeline, actor, durable, on
from antiphon.actors.services.scripted import ScriptedLLM
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    HeardFrame,
    InterruptionFrame,
    LLMContext,
    OutputPauseFrame,
    OutputResumeFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, play
from antiphon.turn import LLMContextAggregatorPair

Speaker: TypeAlias = Literal["user", "bot"]


@attrs.frozen
class Turn:
    """One turn of one of the two. Times are seconds since the session began."""

    number: int
    """Counts from 1, for both together."""
    speaker: Speaker
    began: float
    ended: float | None = None
    """None while it goes on."""
    was_interrupted: bool = False
    """The user cut the bot off, or the session ended in the middle."""


def begin(turns: tuple[Turn, ...], speaker: Speaker, now: float) -> tuple[Turn, ...]:
    """With a turn that begins, unless that speaker's goes on."""
    if any(turn.speaker == speaker and turn.ended is None for turn in turns):
        return turns
    return (*turns, Turn(len(turns) + 1, speaker, now))


def end(turns: tuple[Turn, ...], speaker: Speaker, now: float) -> tuple[Turn, ...]:
    """With that speaker's turn over."""
    return tuple(
        attrs.evolve(turn, ended=now) if turn.speaker == speaker and turn.ended is None else turn for turn in turns
    )


def cut(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """With the bot's last turn cut off."""
    last = max((turn.number for turn in turns if turn.speaker == "bot"), default=0)
    return tuple(attrs.evolve(turn, was_interrupted=True) if turn.number == last else turn for turn in turns)


def take_back(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Without the user's last turn, which was a cough; the bot, if that stopped it, goes on."""
    if not turns or turns[-1].speaker != "user":
        return turns
    *before, cough = turns
    return tuple(
        attrs.evolve(turn, ended=None)
        if turn.speaker == "bot" and turn.ended is not None and turn.ended >= cough.began
        else turn
        for turn in before
    )


@actor
class Turns(Actor):
    """Keeps the turns of a conversation; `session.durable("turns")["turns"]` reads them at any time."""

    turns: tuple[Turn, ...] = durable(())
    in_doubt: bool = durable(False)
    """The bot is held, and it isn't known yet whether the user has said anything."""

    @on(UserStartedSpeakingFrame)
    def user_begins(self, frame: UserStartedSpeakingFrame) -> UserStartedSpeakingFrame:
        self.turns = begin(self.turns, "user", self.now)
        return frame

    @on(UserStoppedSpeakingFrame)
    def user_ends(self, frame: UserStoppedSpeakingFrame) -> UserStoppedSpeakingFrame:
        self.turns = end(self.turns, "user", self.now)
        return frame

    @on(BotStartedSpeakingFrame)
    def bot_begins(self, frame: BotStartedSpeakingFrame) -> BotStartedSpeakingFrame:
        self.turns = begin(self.turns, "bot", self.now)
        return frame

    @on(BotStoppedSpeakingFrame)
    def bot_ends(self, frame: BotStoppedSpeakingFrame) -> BotStoppedSpeakingFrame:
        self.turns = end(self.turns, "bot", self.now)
        return frame

    @on(OutputPauseFrame)
    def doubt(self, frame: OutputPauseFrame) -> OutputPauseFrame:
        self.in_doubt = True
        return frame

    @on(OutputResumeFrame)
    def go_on(self, frame: OutputResumeFrame) -> OutputResumeFrame:
        if self.in_doubt:
            self.turns, self.in_doubt = take_back(self.turns), False
        return frame

    @on(InterruptionFrame)
    def believe(self, frame: InterruptionFrame) -> None:
        self.in_doubt = False

    @on(HeardFrame)
    def interrupt(self, frame: HeardFrame) -> HeardFrame:
        if frame.played:  # else nothing was being said
            self.turns = cut(self.turns)
        return frame

    @on(EndFrame, CancelFrame)
    def close(self, frame: EndFrame | CancelFrame) -> None:
        self.turns = tuple(
            attrs.evolve(turn, ended=self.now, was_interrupted=True) if turn.ended is None else turn
            for turn in self.turns
        )


# ---- a conversation


def conversation() -> Pipeline:
    """A waiter who knows the menu."""
    pair = LLMContextAggregatorPair(LLMContext())
    llm = ScriptedLLM(lambda context: ["We have onion soup, a lemon tart and cheese."], name="llm")
    return Pipeline(pair.user, llm, ScriptedTTS(name="tts"), AudioOutput(name="output"), Turns(), pair.assistant)


def sound(seconds: float) -> list[Item]:
    return [VADUserStartedSpeakingFrame(), Sleep(seconds), VADUserStoppedSpeakingFrame()]


def says(text: str) -> list[Item]:
    """What voice detection and recogniser make of it."""
    return [*sound(0.8), Sleep(0.1), TranscriptionFrame(text, finalized=True)]


SCRIPT: list[Item] = [
    *says("What is there to eat?"),
    Sleep(2.0),
    *sound(0.3),  # a cough: the bot is held for a moment, and goes on
    Sleep(5.5),
    *says("Say that again, please."),
    Sleep(2.0),
    *says("Thank you, the soup."),
    Sleep(5.0),
    EndFrame(),
]


def told(turns: tuple[Turn, ...]) -> Iterator[str]:
    """A line for each."""
    for turn in turns:
        ended = "now" if turn.ended is None else f"{turn.ended:5.2f} s"
        how = "  interrupted" if turn.was_interrupted else ""
        yield f"{turn.number}. {turn.speaker:4}  {turn.began:5.2f} to {ended}{how}"


def main() -> None:
    trace = play(conversation(), SCRIPT, limit=60)
    turns = trace.durable["turns"]["turns"]
    assert isinstance(turns, tuple)
    print(*told(turns), sep="\n")


if __name__ == "__main__":
    main()

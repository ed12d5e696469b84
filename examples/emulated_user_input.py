"""An application that speaks for the user, a web page with a form and buttons: `python examples/emulated_user_input.py`.

`WebPage` turns what the page sends into the user's turns. `EmulateUserStartedSpeakingFrame` begins one: the bot is held, as by
a voice. `TranscriptionFrame` is what is said in it, `EmulateUserStoppedSpeakingFrame` ends it, and the model answers. These are
the application's own word, so they count even while the user is muted, as here, where nobody listens to the microphone while the
bot speaks.

What is typed into a chat needs no turn: `InputTextRawFrame` cuts the bot off, is written, and is answered.
"""

from __future__ import annotations

from collections.abc import Iterator

from antiphon import Actor, Pipeline, actor, on
from antiphon.actors.services.scripted import ScriptedLLM
from antiphon.actors.services.scripted_tts import ScriptedTTS
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    Frame,
    InputTextRawFrame,
    InputTransportMessageFrame,
    LLMContext,
    LLMRunFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Sleep, Trace, play
from antiphon.turn import AlwaysUserMuteStrategy, LLMContextAggregatorPair


@actor
class WebPage(Actor):
    """Speaks for the user as a web page says. Stands between the transport and the pair.

    The page's messages: `{"form": "open"}` when somebody begins to fill it in, `{"form": "sent", "text": ...}`, `{"button": label}`,
    `{"chat": text}`. Others go on.
    """

    @on(InputTransportMessageFrame)
    def listen(self, frame: InputTransportMessageFrame) -> Iterator[Frame]:
        match frame.message:
            case {"form": "open"}:
                yield EmulateUserStartedSpeakingFrame()
            case {"form": "sent", "text": str(text)} | {"button": str(text)}:
                yield EmulateUserStartedSpeakingFrame()  # does nothing in a turn that is open
                yield TranscriptionFrame(text, finalized=True)
                yield EmulateUserStoppedSpeakingFrame()
            case {"chat": str(text)}:
                yield InputTextRawFrame(text)
            case _:
                yield frame


# ---- a conversation


def answer(context: LLMContext) -> Iterator[str]:
    """What the model says next."""
    asked = str(context.messages[-1]["content"]) if context.messages else ""
    if not asked:
        yield "Welcome! Let me tell you how this all began, a hundred years ago, in a small kitchen."
    elif "@" in asked:
        yield "Thank you, a letter is on its way."
    elif "soup" in asked:
        yield "It is hot."
    else:
        yield "Where may I write to? Please fill in the form below."


def conversation() -> Pipeline:
    """A waiter whom nobody can talk into while he speaks; but there is a page beside him."""
    pair = LLMContextAggregatorPair(LLMContext(), user_mute_strategies=[AlwaysUserMuteStrategy()])
    llm = ScriptedLLM(answer, name="llm")
    return Pipeline(WebPage(), pair.user, llm, ScriptedTTS(name="tts"), AudioOutput(name="output"), pair.assistant)


def sends(**message: str) -> InputTransportMessageFrame:
    """What the transport makes of a message from the page."""
    return InputTransportMessageFrame(message)


def says(text: str) -> list[Item]:
    """What voice detection and recogniser make of it."""
    voice: list[Item] = [VADUserStartedSpeakingFrame(), Sleep(0.4), VADUserStoppedSpeakingFrame()]
    return [*voice, Sleep(0.1), TranscriptionFrame(text, finalized=True)]


SCRIPT: list[Item] = [
    LLMRunFrame(),  # the bot greets
    Sleep(1.5),
    *says("Hello? Can you hear me?"),  # muted: nobody hears it
    Sleep(0.5),
    sends(button="Book a table."),  # this is heard
    Sleep(2.0),
    sends(form="open"),  # the bot is silent, and waits for the form
    Sleep(1.5),
    sends(form="sent", text="ann@example.org"),
    Sleep(4.0),
    sends(chat="Is the soup hot?"),
    Sleep(3.0),
    EndFrame(),
]


TELLS = {
    "on_user_mute_started": "microphone off",
    "on_user_mute_stopped": "microphone on",
    "on_user_turn_started": "the user's turn begins",
    "on_user_turn_stopped": "the user's turn is over",
}


def happened(trace: Trace) -> Iterator[str]:
    """A line for each edge of a turn and of the mute."""
    for event in trace.events:
        if event.name in TELLS:
            yield f"{event.time:5.2f} s  {TELLS[event.name]}"


def written(trace: Trace) -> Iterator[str]:
    """A line for each message of the conversation."""
    context = trace.durable["user"]["context"]
    assert isinstance(context, LLMContext)
    for message in context.messages:
        yield f"{message['role']}: {message['content']}"


def main() -> None:
    trace = play(conversation(), SCRIPT, limit=60)
    print(*happened(trace), "", *written(trace), sep="\n")


if __name__ == "__main__":
    main()

"""A robot that obeys spoken commands, without a network: `python examples/go_forward.py command.wav`.

The recogniser knows a grammar of commands, a scripted model turns a command into the call of a Python function, and a voice answers.
"""

from __future__ import annotations

import sys

import antiphon
from antiphon.actors.services.espeak import EspeakTTS
from antiphon.actors.services.pocketsphinx import PocketsphinxSTT
from antiphon.actors.services.scripted import Script, ScriptedLLM
from antiphon.actors.transports.audio_input import AudioInput
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.actors.transports.devices import AudioSink, AudioSource, WavSink, WavSource
from antiphon.channels import LLMContext
from antiphon.turn import VAD, LLMContextAggregatorPair

GRAMMAR = """
#JSGF V1.0;
grammar commands;
public <command> = go <direction> <distance> (meter | meters) | stop;
<direction> = forward | backward;
<distance> = one | two | three | four | five | ten | twenty;
"""

SCRIPT = """
unclear = ["I can only go, and stop."]

[slots.direction]
values = ["forward", "backward"]
ask = "Which way?"

[slots.distance]
values = { one = 1, two = 2, three = 3, four = 4, five = 5, ten = 10, twenty = 20 }
ask = "How far?"

[intents.move]
heard = ["go {direction} {distance} meter|meters"]
call = "move"
done = "I went {direction} {distance} meters."

[intents.stop]
heard = ["stop"]
done = "I stopped."
"""


def move(direction: str, distance: int) -> str:
    """What a robot would do here."""
    print(f"move(direction={direction!r}, distance={distance})", flush=True)
    return "ok"


def robot(source: AudioSource, sink: AudioSink) -> antiphon.Pipeline:
    """Hears commands from the source and answers on the sink; ends a while after the source has."""
    pair = LLMContextAggregatorPair(LLMContext())
    return antiphon.Pipeline(
        AudioInput(source, end_when_silent=2.5, name="input"),
        VAD(),
        PocketsphinxSTT(GRAMMAR, name="stt"),
        pair.user,
        ScriptedLLM(Script.from_toml(SCRIPT), functions={"move": move}, name="llm"),
        EspeakTTS("en-us+f2", rate=150, name="tts"),
        AudioOutput(sink, end_silence=0.2, name="output"),
        pair.assistant,
    )


if __name__ == "__main__":
    sys.exit(antiphon.run(robot(WavSource(sys.argv[1]), WavSink("answer.wav")), sample_rates=(16000, 16000)))

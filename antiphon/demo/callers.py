"""Who calls: a pipeline with ears of its own, and what this caller wants."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ..actors import Pipeline
from ..actors.services.pocketsphinx import PocketsphinxSTT
from ..actors.transports import pcm
from ..actors.transports.audio_input import AudioInput
from ..actors.transports.audio_output import AudioOutput
from ..actors.transports.devices import AudioSink, AudioSource
from ..channels import VADParams
from ..turn import VAD
from .agent import Booking
from .caller import Aside, Caller, Clip, Reply

__all__ = ["WISH", "caller_pipeline", "load_clips"]

HERE = Path(__file__).parent
THRESHOLD = 0.4
"""The recogniser has never heard a voice like espeak's, and is less sure of what it hears rightly."""
HEARING = VADParams(start_secs=0.12, stop_secs=0.35, min_volume=0.5)
"""The agent's longest pause between two sentences is a fifth of a second."""

WISH = Booking(4, "Friday", "19:30")
READ_BACK = "a table for four people on friday at half past seven"
"""How the caller's recogniser writes the wish down."""

REPLIES = (
    Reply(READ_BACK, "yes"),
    Reply("is that right", "wrong"),
    Reply("thank you and goodbye", None),
    Reply("your table is booked", "goodbye"),
    Reply("at what time would you like to come", "time"),
    Reply("on which day would you like to come", "day"),
    Reply("how many people are coming", "people"),
    Reply("how can i help you", "table"),
)
"""What the caller says when it has understood a phrase of the agent's; the first that stands in what it heard."""


def caller_pipeline(source: AudioSource, sink: AudioSink) -> Pipeline:
    """The caller who wants `WISH`: hears the source and speaks on the sink."""
    return Pipeline(
        AudioInput(source, name="ears"),
        VAD(HEARING, name="vad"),
        PocketsphinxSTT((HERE / "caller.jsgf").read_text(), threshold=THRESHOLD, partials=False, name="stt"),
        Caller(
            REPLIES,
            load_clips(),
            asides=(Aside("mhm", 1.2), Aside("cough", 1.2), Aside("people", 1.0, counts=True)),
            again=("i did not understand", "please say that again"),
            name="caller",
        ),
        AudioOutput(sink, end_silence=0.0, name="output"),
    )


def load_clips() -> dict[str, Clip]:
    """The recorded clips by name, with what is said in them."""
    texts = tomllib.loads((HERE / "clips" / "clips.toml").read_text())
    clips: dict[str, Clip] = {}
    for name, text in texts.items():
        sound = pcm.read_wav(HERE / "clips" / f"{name}.wav")
        clips[name] = Clip(text, sound.audio, sound.sample_rate)
    return clips

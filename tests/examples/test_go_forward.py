"""A human voice from Debian's test data gives a command; the robot moves and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import Pipeline, open_session
from antiphon.actors.services.pocketsphinx import PocketsphinxSTT
from antiphon.actors.transports.audio_input import AudioInput
from antiphon.actors.transports.devices import ArraySink, ArraySource
from antiphon.channels import FunctionCallResultFrame, TranscriptionFrame
from antiphon.scenarios import TraceRecorder
from antiphon.turn import VAD
from examples.go_forward import robot

COMMAND = Path("/usr/share/pocketsphinx/test/data/goforward.raw")
"""Debian's pocketsphinx-testdata: a man says "go forward ten meters", 16 kHz mono int16."""

ANSWERS = """
#JSGF V1.0;
grammar answers;
public <answer> = i went (forward | backward) (one | two | three | four | five | ten | twenty) meters | i stopped;
"""


def command() -> bytes:
    return COMMAND.read_bytes()


async def understood(audio: bytes) -> list[str]:
    """What a recogniser makes of sound at 16 kHz."""
    recorder = TraceRecorder()
    listener = Pipeline(
        AudioInput(ArraySource(audio, 16000), end_when_silent=2.0), VAD(), PocketsphinxSTT(ANSWERS, threshold=0.0)
    )
    async with open_session(listener, sample_rates=(16000, 16000), observers=[recorder]) as session:
        await session.wait()
    return [
        d.frame.text
        for d in recorder.deliveries
        if isinstance(d.frame, TranscriptionFrame) and d.receiver.name == "sink"
    ]


@pytest.mark.needs("pocketsphinx-testdata", "pocketsphinx", "espeakng-loader")
async def test_a_spoken_command_becomes_a_call_and_is_answered_aloud() -> None:
    recorder, answer = TraceRecorder(), ArraySink()
    pipeline = robot(ArraySource(command(), 16000), answer)
    async with open_session(pipeline, sample_rates=(16000, 16000), observers=[recorder]) as session:
        await session.wait()
    calls = [d.frame for d in recorder.deliveries if isinstance(d.frame, FunctionCallResultFrame)]
    assert {(call.function_name, dict(call.arguments).__repr__()) for call in calls} == {
        ("move", "{'direction': 'forward', 'distance': 10}")
    }
    assert await understood(answer.audio) == ["i went forward ten meters"]

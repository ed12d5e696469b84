"""Whatever happens to a transcriber, each word is said once and in order: a search over scripts, edges, crashes and kills."""

from __future__ import annotations

import random

import attrs
import pytest

from antiphon import Pipeline
from antiphon.actors.services.scripted_stt import Finality, ScriptedSTT, ScriptedUtterance
from antiphon.channels import (
    EndFrame,
    InputAudioRawFrame,
    STTMuteFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, play
from tests.seeds import seeds

RATE = 16000
CHUNK = 0.1


@attrs.frozen
class Plan:
    """A few utterances, VAD's word of them, and what goes wrong."""

    script: tuple[ScriptedUtterance, ...]
    crashes: tuple[float, ...]
    items: tuple[Item, ...]
    words: tuple[str, ...]
    """Those that are to come."""


def planned(chance: random.Random) -> Plan:
    script: list[ScriptedUtterance] = []
    edges: list[tuple[float, Item]] = []
    words: list[str] = []
    time = 0.2
    finality = chance.choice(list(Finality))
    for number in range(chance.randint(1, 4)):
        start = time + chance.choice((0.1, 0.3, 1.0))
        stop = start + chance.choice((0.2, 0.5, 1.5))
        latency = chance.choice((0.0, 0.15, 0.6))
        script.append(ScriptedUtterance(f"w{number}", start, stop, latency=latency, finality=finality))
        edges += [(start + 0.1, VADUserStartedSpeakingFrame(0.1)), (stop + 0.1, VADUserStoppedSpeakingFrame(0.1))]
        is_muted = chance.random() < 0.2
        if is_muted:
            edges += [(start + 0.1, STTMuteFrame(True)), (stop + 0.1, STTMuteFrame(False))]
        else:
            words.append(f"w{number}")
        time = stop + 0.1
    end = time + 1.0
    edges += [(chance.uniform(0, end), Kill("stt")) for _ in range(chance.randint(0, 2))]
    edges.sort(key=lambda edge: edge[0])
    crashes = sorted(chance.uniform(0, time) for _ in range(chance.randint(0, 1)))
    items: list[Item] = []
    for step in range(round(end / CHUNK)):
        while edges and edges[0][0] <= step * CHUNK + 1e-9:
            items.append(edges.pop(0)[1])
        items += [InputAudioRawFrame(bytes(2 * round(CHUNK * RATE)), RATE), Sleep(CHUNK)]
    items += [item for _, item in edges]
    if chance.random() < 0.5:
        items.append(EndFrame())
    return Plan(tuple(script), tuple(crashes), tuple(items), tuple(words))


@pytest.mark.rule("L1a", "L2")
def test_each_word_is_said_once_and_in_order() -> None:
    for seed in seeds(150, each_counts=5):
        chance = random.Random(seed)
        plan = planned(chance)
        stt = ScriptedSTT(plan.script, crashes=plan.crashes, name="stt")
        trace = play(Pipeline(stt, max_restarts=10), plan.items, seed=seed, direct=chance.random() < 0.5)
        said = [frame.text for frame in trace.down if isinstance(frame, TranscriptionFrame)]
        assert " ".join(said).split() == list(plan.words), f"seed {seed}: {plan}"

"""The command `antiphon demo` as a person runs it: in a process of its own, in real time, judged by what it leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pytest

from antiphon.actors.transports import pcm
from antiphon.demo.agent import LOOKUP_SECONDS

pytestmark = pytest.mark.needs("pocketsphinx", "espeakng-loader")

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [str(Path(sys.executable).with_name("antiphon")), "demo"]
SILENT = 30
"""Samples below this amplitude are no sound: the recorded clips hiss a little."""


@attrs.frozen
class Run:
    """One conversation that was held."""

    out: Path
    code: int
    said: str

    @property
    def verdict(self) -> str:
        return self.said.strip().splitlines()[-1]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "trace.jsonl").read_text().splitlines()]

    def sound(self) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16], int]:
        """The caller's samples, the agent's, and how many there are in a second."""
        tape = pcm.read_wav(self.out / "conversation.wav")
        both = np.frombuffer(tape.audio, "<i2").reshape(-1, 2)
        return both[:, 0], both[:, 1], tape.sample_rate


def hold(folder: Path, **conversations: list[str]) -> dict[str, Run]:
    """Hold conversations side by side, as many as there are cores to bear it."""
    started = {}
    for name, options in conversations.items():
        out = folder / name
        log = (folder / f"{name}.txt").open("w")
        process = subprocess.Popen(
            [*COMMAND, "--out", str(out), *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "160"},
        )
        started[name] = (process, out, log)
    done = {}
    for name, (process, out, log) in started.items():
        code = process.wait(timeout=120)
        log.close()
        done[name] = Run(out, code, (folder / f"{name}.txt").read_text())
    return done


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("demos")
    booked = hold(folder, undisturbed=[], killed=["--kill", "stt@4.0"])
    failed = hold(folder, mumbled=["--caller", "examples/mumble.wav"], deaf=["--deaf"])
    return {**booked, **failed}


def pauses(run: Run) -> list[float]:
    """When the agent's speech was held: at a hum, at a cough, and when the caller cut in."""
    events = run.events()
    stops = [
        event["time"] for event in events if event.get("type") == "BotStoppedSpeakingFrame" and event["to"] == "sink"
    ]
    held = [event["time"] for event in events if event.get("type") == "OutputPauseFrame" and event["to"] == "output"]
    return [time for time in held if any(0 <= stop - time < 0.1 for stop in stops)]


def cut_in(run: Run) -> float:
    """When the caller cut the agent's speech: the first interruption of which something had been heard."""
    events = run.events()
    epoch = next(
        event["fields"]["epoch"]
        for event in events
        if event.get("type") == "HeardFrame" and event["fields"].get("played") and event["to"] == "assistant"
    )
    return next(
        float(event["time"])
        for event in events
        if event.get("type") == "InterruptionFrame"
        and event["to"] == "output"
        and event["fields"].get("epoch") == epoch
    )


def test_the_table_is_booked(runs: dict[str, Run]) -> None:
    run = runs["undisturbed"]
    assert (run.code, run.verdict) == (0, "Booked: 4 people on Friday at 19:30."), run.said


def test_the_agent_is_silent_one_chunk_after_it_was_interrupted(runs: dict[str, Run]) -> None:
    run = runs["undisturbed"]
    _, agent, rate = run.sound()
    # It is held when the caller is heard, and cut as soon as that was more than a sound.
    time = max(pause for pause in pauses(run) if pause <= cut_in(run))
    assert np.abs(agent[round((time - 0.3) * rate) : round(time * rate)]).max() > SILENT, "nothing was cut"
    after = agent[round((time + 0.02) * rate) : round((time + 1.0) * rate)]
    assert np.abs(after).max() <= SILENT


def test_the_agent_is_silent_half_a_second_after_the_callers_first_sound(runs: dict[str, Run]) -> None:
    run = runs["undisturbed"]
    caller, agent, rate = run.sound()
    time = cut_in(run)
    loud = np.flatnonzero(np.abs(caller) > SILENT) / rate
    # The caller's speech around the cut began where no sound had been for a second.
    before = loud[loud <= time]
    pauses = np.flatnonzero(np.diff(before) > 1.0)
    began = float(before[pauses[-1] + 1])
    after = agent[round((began + 0.5) * rate) : round((began + 1.0) * rate)]
    assert np.abs(after).max() <= SILENT


def test_for_a_hum_and_a_cough_the_agent_only_pauses(runs: dict[str, Run]) -> None:
    run = runs["undisturbed"]
    held = pauses(run)
    resumed = [
        event["time"]
        for event in run.events()
        if event.get("type") == "OutputResumeFrame" and event["to"] == "output" and event["time"] > held[0]
    ]
    _, agent, rate = run.sound()
    # On a slow machine the hum's word comes when the agent has gone on, and is a turn then; a cough never is one.
    assert resumed
    for each in resumed:
        assert np.abs(agent[round(each * rate) : round((each + 0.3) * rate)]).max() > SILENT
    assert "caller     mhm" in run.said and "(coughs)" in run.said


def test_the_agent_says_that_it_looks_for_a_table_and_answers_when_it_has_found_one(runs: dict[str, Run]) -> None:
    run = runs["undisturbed"]
    times = {
        event["type"]: event["time"]
        for event in run.events()
        if event.get("type") in ("FunctionCallInProgressFrame", "FunctionCallResultFrame") and event["to"] == "tts"
    }
    asked, found = times["FunctionCallInProgressFrame"], times["FunctionCallResultFrame"]
    assert found - asked == pytest.approx(LOOKUP_SECONDS, abs=0.5)
    _, agent, rate = run.sound()
    loud = np.flatnonzero(np.abs(agent) > SILENT) / rate
    while_it_looks = loud[(loud > asked) & (loud < found)]
    assert len(while_it_looks), "it says nothing"
    assert while_it_looks.max() < found - 0.5, "it doesn't wait"
    assert loud[loud > found].min() < found + 1.5, "it doesn't answer"


def test_the_interrupted_message_holds_the_words_that_were_heard(runs: dict[str, Run]) -> None:
    heard: list[str] = []
    commits: list[tuple[str, str]] = []
    for event in runs["undisturbed"].events():
        if event.get("to") == "assistant" and event.get("type") == "LLMFullResponseStartFrame":
            heard = []
        elif event.get("to") == "assistant" and event.get("type") == "TTSTextFrame":
            heard.append(event["fields"]["text"])
        elif event.get("to") == "user" and event.get("type") == "Commit" and event["fields"].get("interrupted"):
            commits.append((event["fields"]["messages"][0]["content"], " ".join(heard)))
    assert commits
    for written, said in commits:
        assert written == said


def test_each_answer_tells_what_the_caller_waited_for_in_parts_that_add_up(runs: dict[str, Run]) -> None:
    run = runs["undisturbed"]
    waits = [event for event in run.events() if event["event"] == "waited"]
    assert len(waits) >= 3  # on a slow machine a turn may be judged before its words have come: then it has none
    for wait in waits:
        parts = {name: value for name, value in wait.items() if name not in ("time", "event", "processor", "value")}
        assert sum(parts.values()) == pytest.approx(wait["value"], abs=1e-6)
        assert parts["endpointing"] > 0.399
        assert parts["inference"] >= 0.1
    table = run.said.partition("What the caller waited for, in seconds:")[2].split("\n\n")[1].splitlines()
    assert len(table) == 1 + len(waits)
    for line in table[1:]:
        total, *parts_told = [float(number) for number in re.findall(r"\d+\.\d\d", line)]
        assert sum(parts_told) == pytest.approx(total)


def test_a_recogniser_that_is_killed_costs_nothing_but_time(runs: dict[str, Run]) -> None:
    run = runs["killed"]
    assert (run.code, run.verdict) == (0, "Booked: 4 people on Friday at 19:30."), run.said
    assert "stt        restarted" in run.said


def test_the_timeline_shows_the_restart(runs: dict[str, Run]) -> None:
    picture = (runs["killed"].out / "timeline.svg").read_text()
    assert "1 failure, 1 restart" in picture


def test_a_mumbling_caller_gets_no_table(runs: dict[str, Run]) -> None:
    run = runs["mumbled"]
    assert (run.code, run.verdict) == (1, "Not booked: the agent understood nothing of what the caller said."), run.said


def test_a_deaf_agent_books_nothing_and_says_why(runs: dict[str, Run]) -> None:
    run = runs["deaf"]
    assert (run.code, run.verdict) == (1, "Not booked: the agent heard nothing, for it is deaf (--deaf)."), run.said


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--kill", "stt"], "write NAME@SECONDS"),
        (["--kill", "brain@4"], "the actors are input, vad, stt"),
        (["--caller", "nobody.wav"], "is no file"),
        (["--loud"], "unrecognized arguments"),
    ],
)
def test_a_wrong_option_is_explained(options: list[str], complaint: str) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert complaint in done.stderr

"""Runs the rounds: a child process for each subject of a figure, one of them at work at a time, in turn."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import attrs

from .environment import ROOT
from .figures import Figure
from .setting import Setting, Size
from .spread import Spread
from .subjects import Subject

__all__ = ["BrokenSubject", "Measured", "measure_figure"]


class BrokenSubject(Exception):
    """A child ended without an answer; what it printed stands above."""


@attrs.frozen
class Measured:
    """All rounds of one subject in one figure."""

    rows: Mapping[str, Spread]
    queued: float
    """The share of its time for which it was ready but another process had the core.

    Much of it, and the numbers are the neighbours'.
    """


@attrs.frozen
class Answer:
    """One round, as the child tells it."""

    rows: Mapping[str, float]
    seconds: float
    queued: float


@attrs.define
class Child:
    """A subject's process."""

    figure: Figure
    subject: Subject
    _process: "subprocess.Popen[str]"

    def answer(self, setting: Setting) -> Answer:
        with suppress(BrokenPipeError):
            print(json.dumps(attrs.asdict(setting)), file=self._pipe(self._process.stdin), flush=True)
        line = self._pipe(self._process.stdout).readline()
        if not line:
            # It can't be asked again; the traceback has gone to the terminal.
            raise BrokenSubject(f"{self.subject.key} broke in {self.figure.name}: see its traceback above")
        return Answer(**json.loads(line))

    def _pipe(self, pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def measure_figure(
    figure: Figure,
    subjects: Sequence[Subject],
    size: Size,
    *,
    rounds: int,
    pipecat_python: Path | None,
    tell: Callable[[str], None],
) -> dict[str, Measured | None]:
    """Interleave the rounds of all `subjects` that the figure has; by subject what they measured, None for one
    that broke.
    """
    subjects = [subject for subject in subjects if subject in figure.subjects]
    answers: dict[str, list[Answer]] = {subject.key: [] for subject in subjects}
    broken: set[str] = set()
    for children in children_of_rounds(figure, subjects, rounds=rounds, pipecat_python=pipecat_python):
        for child in children:
            key = child.subject.key
            if key in broken:
                continue
            try:
                answer = child.answer(Setting(size, lean=child.subject.lean, hint=hint_from(answers[key])))
            except BrokenSubject as error:
                broken.add(key)
                tell(str(error))
            else:
                answers[key].append(answer)
                tell(f"{figure.name}: {key}, round {len(answers[key])} of {rounds}, {answer.seconds:.1f} s")
    return {key: None if key in broken else together(each) for key, each in answers.items()}


def hint_from(answers: Sequence[Answer]) -> float | None:
    return answers[-1].rows.get("carried") if answers else None


def together(answers: Sequence[Answer]) -> Measured:
    return Measured(
        rows={key: Spread(tuple(answer.rows[key] for answer in answers)) for key in answers[0].rows},
        queued=sum(answer.queued for answer in answers) / sum(answer.seconds for answer in answers),
    )


def children_of_rounds(
    figure: Figure, subjects: Sequence[Subject], *, rounds: int, pipecat_python: Path | None
) -> Iterator[list[Child]]:
    """For each round the children that answer it: the same through all rounds, or new ones each time."""
    for _ in range(rounds if figure.fresh else 1):
        with ExitStack() as stack:
            children = [stack.enter_context(started(figure, subject, pipecat_python)) for subject in subjects]
            for _ in range(1 if figure.fresh else rounds):
                yield children


@contextmanager
def started(figure: Figure, subject: Subject, pipecat_python: Path | None) -> Iterator[Child]:
    python = pipecat_python if subject.foreign else Path(sys.executable)
    assert python is not None, "a foreign subject wants pipecat's environment"
    command = [str(python), "-m", "benchmarks.child", figure.name, subject.module, subject.loop]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Child(figure, subject, process)
        finally:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()

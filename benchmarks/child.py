"""One subject's side of one figure, in a process of its own: `python -m benchmarks.child FIGURE SUBJECT LOOP`.

It runs a round for each line of JSON on its standard input and answers with a line of JSON; the end of its input ends
it. It imports nothing that the other environment lacks.
"""

import gc
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import IO, Any

from .setting import Setting, Size
from .stopwatch import queued_seconds

__all__ = ["serve"]


def run_on(loop: str, measure: Callable[[Setting], Awaitable[dict[str, float]]], setting: Setting) -> dict[str, float]:
    """Run `measure` in a fresh event loop: trio, asyncio or uvloop, each imported only by the child that uses it."""
    if loop == "trio":
        return importlib.import_module("trio").run(measure, setting)  # type: ignore[no-any-return]
    return importlib.import_module(loop).run(measure(setting))  # type: ignore[no-any-return]


def setting_from(line: str) -> Setting:
    wire: dict[str, Any] = json.loads(line)
    size = wire.pop("size")
    return Setting(size=Size(**{**size, "closed": tuple(size["closed"])}), **wire)


def serve(figure: str, subject: str, loop: str, *, answers: IO[str]) -> None:
    """Answer each line of the standard input with one round: its numbers, its seconds and those it stood in the
    queue for the core.
    """
    measure = importlib.import_module(f"benchmarks.{figure}.{subject}").measure
    for line in sys.stdin:
        gc.collect()
        begun, queued = perf_counter(), queued_seconds()
        rows = run_on(loop, measure, setting_from(line))
        answer = {"rows": rows, "seconds": perf_counter() - begun, "queued": queued_seconds() - queued}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    # All subjects share the last core, so that they meet the same neighbours and the parent isn't one of them.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # What a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # pipecat logs to the terminal from DEBUG on, unless told otherwise: that would measure the terminal.
    os.environ["LOGURU_AUTOINIT"] = "0"
    serve(*sys.argv[1:4], answers=answers)


if __name__ == "__main__":
    main()

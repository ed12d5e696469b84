"""A Trio scheduler that a seed decides: each run takes another legal order of tasks, and the same seed the same one.

It rests on private names of Trio (`_ALLOW_DETERMINISTIC_SCHEDULING`, `_r`, `GLOBAL_RUN_CONTEXT`), checked at each
use against the versions tested.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
import trio.testing
from trio._core import _run as trio_run

T = TypeVar("T")

TESTED_TRIO = ("0.35",)
_NEEDED = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r", "GLOBAL_RUN_CONTEXT")


class _Explorer(random.Random):
    """Trio asks it to shuffle each batch of ready tasks, its only decision about order. To reach every interleaving
    it also holds some back for the next batch.
    """

    def shuffle(self, x: Any) -> None:
        super().shuffle(x)
        kept = 1 + sum(self.random() < 0.5 for _ in range(len(x) - 1))
        if kept < len(x):
            trio_run.GLOBAL_RUN_CONTEXT.runner.runq.extend(x[:-kept])
            del x[:-kept]


def run_explored(seed: int | str, main: Callable[[], Awaitable[T]]) -> T:
    """Run a Trio program in virtual time, its tasks ordered by the seed. Raises `RuntimeError` when this Trio can't
    be ordered.
    """
    missing = [name for name in _NEEDED if not hasattr(trio_run, name)]
    if missing:
        raise RuntimeError(
            f"virtual time needs Trio's private {', '.join(missing)}, which Trio {trio.__version__} doesn't have."
            f" Tested with Trio {', '.join(TESTED_TRIO)}."
        )
    # Any: Trio declares the first Final, and it is what we come to change.
    private: Any = trio_run
    before = private._ALLOW_DETERMINISTIC_SCHEDULING, private._r
    private._ALLOW_DETERMINISTIC_SCHEDULING, private._r = True, _Explorer(f"explore/{seed}")
    try:
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        private._ALLOW_DETERMINISTIC_SCHEDULING, private._r = before


def next_deadline() -> float:
    """The next moment at which anything of the running program is due, in its clock; infinity when nothing is."""
    return float(trio_run.GLOBAL_RUN_CONTEXT.runner.deadlines.next_deadline())

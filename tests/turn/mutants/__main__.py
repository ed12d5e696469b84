"""Plants mistakes into copies of the turn layer, one into each, and lets the search over random conversations find them.

    python -m tests.turn.mutants [NAME ...] [--seeds 1000] [--side-by-side 2]

As `python -m tests.mutants`, which does this for the runtime.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.mutants.__main__ import Trials, main
from tests.mutants.mistakes import mistakes

__all__ = ["CONVERSATIONS"]

CONVERSATIONS = Trials(
    program="tests.turn.mutants",
    subject="the turn layer",
    mistakes=mistakes(Path(__file__).with_name("mistakes.toml"), search="conversations"),
    search="conversations",
    story="tests.turn.story",
    gap=(
        "Let scenarios/conversations.py do more often what {rule} is about, or let an invariant, or tests/turn/complaints.py,"
        " look at it."
    ),
    seeds=1000,
)

if __name__ == "__main__":
    sys.exit(main(trials=CONVERSATIONS))

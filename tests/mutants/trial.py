"""The search over sessions in a copy of the packages: a program, started by `hunt` in the copy's folder.

    python -m tests.mutants.trial FOLDER sessions|branches|conversations FIRST COUNT

1. It ends before the first session when the packages it has imported aren't those in FOLDER.
2. It says what it does, one JSON object a line: `{"ready": true}`; before each session `{"seed": ..., "delivery": ...}`;
   and at last `{"rule": ..., "complaint": ...}`, whose rule is null when all seeds are through.
3. What the runtime raises is found like a broken rule, but not what shows that the mistake itself is miswritten.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import antiphon
import antiphon.actors
import antiphon.channels
import antiphon.scenarios
import antiphon.turn
from antiphon.actors import Failure
from tests.actors.search.branches import complaints_about_branches
from tests.actors.search.log import Log
from tests.actors.search.plan import compose
from tests.actors.search.rules import complaints
from tests.actors.search.stage import run
from tests.turn.search import complaints_about, complaints_about_kills

__all__: list[str] = []

Search = Callable[[int, bool, Log], Iterable[str]]


def _conversations(seed: int, direct: bool, log: Log) -> Iterator[str]:
    failures: list[Failure] = []
    try:
        yield from complaints_about(seed, direct=direct, failures=failures)
        if direct:
            yield from complaints_about_kills(seed, direct=direct, failures=failures)
    finally:
        log.entries += failures  # what shows that a mistake is miswritten counts, however early it was found


SEARCHES: dict[str, Search] = {
    "sessions": lambda seed, direct, log: complaints(run(compose(seed), seed, direct=direct, log=log)),
    "branches": lambda seed, direct, log: complaints_about_branches(seed, direct=direct),
    "conversations": _conversations,
}
"""What looks for rules that a session breaks; it leaves in the log what the session told."""

MISWRITTEN = (NameError, ImportError, SyntaxError)


def main() -> None:
    folder, search = Path(sys.argv[1]), SEARCHES[sys.argv[2]]
    first, count = int(sys.argv[3]), int(sys.argv[4])
    for package in (antiphon, antiphon.actors, antiphon.channels, antiphon.scenarios, antiphon.turn):
        if not Path(str(package.__file__)).resolve().is_relative_to(folder.resolve()):
            sys.exit(f"{package.__name__} was imported from {package.__file__}, not from {folder}")
    logging.disable(logging.ERROR)
    say(ready=True)
    for seed in range(first, first + count):
        for delivery in ("direct", "queued"):
            say(seed=seed, delivery=delivery)
            found = complaint_of(search, seed, direct=delivery == "direct")
            if found is not None:
                say(rule=found.split(":")[0], complaint=found)
                return
    say(rule=None, complaint="")


def complaint_of(search: Search, seed: int, *, direct: bool) -> str | None:
    """What is wrong with one session, if anything."""
    log = Log()
    try:
        found = next(iter([*search(seed, direct, log)]), None)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or is_miswritten(error):
            raise
        found = f"crash: the runtime raised {error!r}"
    for entry in log.entries:
        if isinstance(entry, Failure) and is_miswritten(entry.error):
            raise entry.error
    return found


def is_miswritten(error: BaseException) -> bool:
    """Whether it comes from how a mistake is written, not from what it does."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_miswritten, error.exceptions))
    return isinstance(error, MISWRITTEN)


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()

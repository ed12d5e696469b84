"""Plants mistakes into copies of the runtime, one into each, and lets the search over sessions find them.

    python -m tests.mutants [NAME ...] [--seeds 500] [--side-by-side 2]

Prints a table: the mistake, the rule that it breaks, what the search found broken, and after how many seeds. The last row
is the runtime as it is, in which nothing may be found. Exit code 1 when a mistake survives or no longer applies.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

import attrs
import trio

from .hunt import Broken, Verdict, hunt
from .mistakes import Misfit, Mistake, mistakes

__all__ = ["SESSIONS", "Trials", "main"]

SIDE_BY_SIDE = 2


@attrs.frozen(eq=False)
class Trials:
    """A set of mistakes, and the search that is to find them."""

    program: str
    """How it is started: the name of a module."""
    subject: str
    """Where the mistakes are planted, in words."""
    mistakes: Mapping[str, Mistake]
    search: str
    """Which one looks through the code as it is."""
    story: str
    """The module that tells what a seed of it does."""
    gap: str
    """What to do when a mistake survives."""
    seeds: int
    """After so many a mistake has survived."""


SESSIONS = Trials(
    program="tests.mutants",
    subject="the runtime",
    mistakes=mistakes(),
    search="sessions",
    story="tests.actors.search",
    gap="Let the plans of tests/actors/search do more often what {rule} is about, or its model look at it.",
    seeds=500,
)


def main(arguments: Sequence[str] | None = None, trials: Trials = SESSIONS) -> int:
    known = trials.mistakes
    parser = argparse.ArgumentParser(
        prog=f"python -m {trials.program}", description=f"Plants mistakes into {trials.subject}, and searches for them."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="those mistakes only; --list names all")
    parser.add_argument("--seeds", type=int, default=trials.seeds, help="after so many a mistake has survived")
    parser.add_argument("--side-by-side", type=int, default=SIDE_BY_SIDE, metavar="N", help="searches at once")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/rules/README.md")
    parser.add_argument("--list", action="store_true", help="print the mistakes, and do nothing")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no mistake {', '.join(unknown)}; --list names all")
    if options.list:
        for mistake in known.values():
            print(f"{mistake.name} ({mistake.rule}): {mistake.says}")
        return 0
    wanted = [known[name] for name in options.names] or [*known.values()]
    began = time.monotonic()
    verdicts, failures = trio.run(_hunt_all, [*wanted, None], trials.search, options.seeds, options.side_by_side)
    print(f"\n{(page if options.markdown else table)(verdicts)}\n\n{time.monotonic() - began:.0f} s")
    failures += [wrong for verdict in verdicts if (wrong := what_is_wrong(verdict, trials))]
    for failure in failures:
        print(f"\n{failure}")
    return 1 if failures else 0


async def _hunt_all(
    wanted: Sequence[Mistake | None], search: str, seeds: int, side_by_side: int
) -> tuple[list[Verdict], list[str]]:
    """The verdicts, in order, and the mistakes that couldn't be tried."""
    verdicts: dict[int, Verdict] = {}
    failures: list[str] = []
    room = trio.CapacityLimiter(side_by_side)

    async def one(place: int, mistake: Mistake | None) -> None:
        async with room:
            try:
                verdicts[place] = verdict = await hunt(mistake, search=search, seeds=seeds)
            except (Misfit, Broken) as error:
                failures.append(str(error))
                return
        print(f"==> {row(verdict)}" + (f"\n    {verdict.complaint}" if verdict.rule else ""), flush=True)

    async with trio.open_nursery() as nursery:
        for place, mistake in enumerate(wanted):
            nursery.start_soon(one, place, mistake)
    return [verdicts[place] for place in sorted(verdicts)], failures


def what_is_wrong(verdict: Verdict, trials: Trials) -> str | None:
    """Whether a verdict is a failure, in words."""
    if verdict.mistake is None:
        if verdict.rule is None:
            return None
        return (
            f"Without a mistake a rule is broken, so this says nothing about the mistakes: {verdict.complaint}\n"
            f"Tell its story by `python -m {trials.story} {verdict.again}`."
        )
    if verdict.rule is not None:
        return None
    return (
        f"{verdict.mistake.name} survives {verdict.seeds} seeds: {verdict.mistake.says}\n"
        f"{trials.gap.format(rule=verdict.mistake.rule)}"
    )


def table(verdicts: Sequence[Verdict]) -> str:
    return "\n".join([f"{'mistake':<48} {'breaks':<7} {'found':<7} {'seeds':>5}", *map(row, verdicts)])


def page(verdicts: Sequence[Verdict]) -> str:
    """The same for the docs."""
    rows = [
        f"| {verdict.mistake.says} | {verdict.mistake.rule} | {verdict.rule or 'nothing'} | {verdict.seeds} |"
        for verdict in verdicts
        if verdict.mistake is not None
    ]
    return "\n".join(["| mistake | breaks | found | seeds |", "|---|---|---|---|", *rows])


def row(verdict: Verdict) -> str:
    name, rule = ("none", "-") if verdict.mistake is None else (verdict.mistake.name, verdict.mistake.rule)
    return f"{name:<48} {rule:<7} {verdict.rule or '-':<7} {verdict.seeds:>5}"


if __name__ == "__main__":
    sys.exit(main())

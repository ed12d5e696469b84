"""The demo as a person sees it: a live transcript, a table of turns, the files, and a verdict."""

from __future__ import annotations

import argparse
import shutil
import sys

import trio

from ..actors import ConfigurationError
from .callers import WISH
from .conversation import KillAt, Outcome, Plan, hold
from .timeline import timeline_svg
from .transcript import Transcript, turns_table
from .waits_table import waits_table

__all__ = ["show"]


def show(options: argparse.Namespace) -> int:
    """Hold the conversation and tell it. Returns the exit code."""
    plan = Plan(
        out=options.out,
        caller=options.caller,
        is_deaf=options.deaf,
        kills=tuple(KillAt(name, seconds) for name, seconds in options.kill),
    )
    width = shutil.get_terminal_size().columns
    transcript = Transcript(sys.stdout, is_terminal=sys.stdout.isatty(), width=width)
    try:
        outcome = trio.run(hold, plan, transcript)
    except KeyboardInterrupt:
        return 130
    except ConfigurationError as error:
        print(f"antiphon demo: {error}", file=sys.stderr)
        return 2
    finally:
        transcript.close()
    return _tell(plan, outcome, width)


def _tell(plan: Plan, outcome: Outcome, width: int) -> int:
    (plan.out / "timeline.svg").write_text(timeline_svg(outcome.story), encoding="utf-8")
    print()
    print(turns_table(outcome.story, width))
    if waits := waits_table(outcome.story, width):
        print(f"What the caller waited for, in seconds:\n\n{waits}")
    for name in ("conversation.wav", "trace.jsonl", "timeline.svg"):
        print(f"  {plan.out / name}")
    print()
    reason = _what_is_wrong(plan, outcome)
    print(f"Booked: {outcome.booking}." if reason is None else f"Not booked: {reason}.")
    return 0 if reason is None else 1


def _what_is_wrong(plan: Plan, outcome: Outcome) -> str | None:
    """Why the caller hasn't got its wish; None if it has."""
    if outcome.booking is not None:
        return None if outcome.booking == WISH else f"the agent booked {outcome.booking}, the caller wished {WISH}"
    understood = [
        speech.understood for speech in outcome.story.speeches if speech.who == "caller" and speech.understood
    ]
    if plan.is_deaf:
        return "the agent heard nothing, for it is deaf (--deaf)"
    if not understood:
        return "the agent understood nothing of what the caller said"
    late = ", and time ran out" if outcome.is_late else ""
    return f"the conversation ended before all was known; the agent understood: {'; '.join(understood)}{late}"

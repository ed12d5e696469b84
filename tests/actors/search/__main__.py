"""Repeats one seed and tells its story: `.venv/bin/python -m tests.actors.search SEED direct|queued [FIRST LAST]`.

Prints the plan, the entries (those from FIRST to LAST), and what is wrong with them.
"""

import argparse

from .log import Entry, Log
from .plan import Act, Plan, compose
from .rules import complaints
from .stage import run
from .tree import Knot


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.actors.search", description="Repeats one seed of the search."
    )
    parser.add_argument("seed", type=int)
    parser.add_argument("delivery", choices=("direct", "queued"))
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("last", type=int, nargs="?", default=1 << 60)
    options = parser.parse_args()
    plan = compose(options.seed)
    tell_plan(plan)
    log = Log()
    try:
        story = run(plan, options.seed, direct=options.delivery == "direct", log=log)
    finally:
        for number, entry in enumerate(log.entries):
            if options.first <= number <= options.last:
                print(number, tell(entry))
    for complaint in complaints(story):
        print(complaint)


def tell_plan(plan: Plan) -> None:
    for part in plan.parts:
        print(f"{part.name}: holds {part.max_buffer}, grace {part.grace}, {part.life or 'no lifespan'}")
        for kind, handling in part.handlings.items():
            acts = " / ".join(", ".join(map(tell_act, script)) for script in handling.scripts)
            print(f"    {kind.__name__}: {'async' if handling.is_async else 'plain'} {handling.form}: {acts}")
    print(tell_knot(plan.root, plan))
    print(f"{plan.strategy}, {plan.max_restarts} restarts, kills {plan.kills}, {plan.ends} after rest: {plan.rests}")


def tell_knot(knot: Knot, plan: Plan) -> str:
    children = (
        f"{plan.parts[each].name} {plan.parts[each].restart}" if isinstance(each, int) else tell_knot(each, plan)
        for each in knot.children
    )
    return f"{knot.kind} {knot.name}({', '.join(children)}; {knot.strategy}, {knot.max_restarts}, {knot.restart})"


def tell_act(act: Act) -> str:
    if act.do == "send":
        return f"{act.kind.__name__} {act.way}{' immune' if act.immune else ''}"
    if act.do == "task":
        return f"task({', '.join(map(tell_act, act.acts))}; interruptible={act.interruptible})"
    return f"{act.do} {act.target}" if act.do == "letter" else act.do


def tell(entry: Entry) -> str:
    """One line; what an actor wrote itself is indented."""
    text = repr(entry)
    for long in ("Work(", "Address(", "Act("):
        text = text.replace(long, "(")
    return text if type(entry).__module__.startswith("antiphon") else f"    {text}"


if __name__ == "__main__":
    main()

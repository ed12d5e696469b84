"""Tells the story of one random conversation: `.venv/bin/python -m tests.turn.story SEED [direct|queued] [FIRST LAST]`.

Prints its settings and script, then who handled what between these seconds, what was heard, what stands in the context, and
what is wrong with it.
"""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Iterator
from typing import Any

import attrs

from antiphon.actors import Delivery
from antiphon.channels import OutputAudioRawFrame
from antiphon.scenarios import Conversation, Sleep, conversation

from .complaints import Played, complaints, play

LONG = re.compile(r"(LLMContext)\(messages=.*?version=(\d+)\)")
PLAIN = re.compile(r",? ?\w+=(None|False|True|''|0\.0|\(\))(?=[,)])")
"""What most frames don't say."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.turn.story", description="Tells a random conversation.")
    parser.add_argument("seed", type=int)
    parser.add_argument("delivery", choices=("direct", "queued"), nargs="?", default="direct")
    parser.add_argument("first", type=float, nargs="?", default=0.0)
    parser.add_argument("last", type=float, nargs="?", default=1e9)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    made = conversation(options.seed)
    print("\n".join(plan(made)))
    played = play(made, direct=options.delivery == "direct")
    print("\n".join(story(played, options.first, options.last)))
    for complaint in complaints(played):
        print(complaint)


def plan(made: Conversation) -> Iterator[str]:
    """Settings, and the script with its moments."""
    for field in attrs.fields(Conversation):
        if field.name != "script":
            yield f"{field.name}: {getattr(made, field.name)}"
    now = 0.0
    for item in made.script:
        if isinstance(item, Sleep):
            now += item.seconds
        else:
            yield f"    {now:8.3f}  {short(item)}"


def story(played: Played, first: float = 0.0, last: float = 1e9) -> Iterator[str]:
    """Deliveries, events and failures in order, and what has come of them."""
    for each in played.trace.history:
        time = getattr(each, "time", first)
        if first <= time <= last and not is_sound(each):
            yield f"{time:8.3f}  {told(each)}"
    yield f"heard: {played.ear.heard}"
    for message in played.context.messages:
        yield f"    {dict(message)}"
    yield f"{played.trace.ended}, version {played.context.version}"


def is_sound(each: object) -> bool:
    return isinstance(each, Delivery) and isinstance(each.frame, OutputAudioRawFrame)


def told(each: Any) -> str:
    if not isinstance(each, Delivery):
        return short(each)
    way = {"down": "v", "up": "^", None: " "}[each.direction]
    sender = "" if each.sender is None else each.sender.name
    mark = "!" if each.immune else " "
    return f"{sender:>9} {way} {each.receiver.name:<9} {each.epoch}{mark} {short(each.frame)}"


def short(value: object) -> str:
    """One line of it, without what says nothing."""
    return PLAIN.sub("", LONG.sub(r"\1(\2)", repr(value)))[:300]


if __name__ == "__main__":
    main()

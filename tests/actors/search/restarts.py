"""Who is restarted with whom, after how long, and when a supervisor gives up: worked out from the failures alone."""

from __future__ import annotations

import math

from antiphon.actors import Backoff, Failure, Restart
from antiphon.channels.frames import EndFrame, StopFrame

from .log import Finished, Requested
from .stage import Story

__all__ = ["WITHIN", "misjudged"]

WITHIN = 5.0
"""Seconds: a failure that is longer ago doesn't count any more."""
BACKOFF = Backoff()


def misjudged(story: Story) -> list[str]:
    """What the supervisor did against the rules. For runs in which one failure is repaired before the next comes."""
    names = [part.name for part in story.plan.parts]
    entries = story.log.entries
    ended: set[str] = set()
    counted: list[tuple[str, float]] = []
    in_backoff = 0.0
    found: list[str] = []
    has_given_up = False
    for place, entry in enumerate(entries):
        if isinstance(entry, Finished) and isinstance(entry.work.item, (EndFrame, StopFrame)):
            ended.add(entry.work.actor)
        if isinstance(entry, Requested) and entry.what == "cancel":
            break
        if not isinstance(entry, Failure):
            continue
        name = entry.address.name
        if entry.delivery is not None and isinstance(entry.delivery.frame, (EndFrame, StopFrame)):
            ended.add(name)
        if name in ended:
            continue
        until = next((i for i in range(place + 1, len(entries)) if isinstance(entries[i], Failure)), len(entries))
        restarts = [each for each in entries[place:until] if isinstance(each, Restart)]
        now = entry.time - in_backoff
        counted = [(who, when) for who, when in counted if now - when <= WITHIN + 1e-9]
        counted.append((name, now))
        if len(counted) > story.plan.max_restarts:
            has_given_up = True
            if restarts:
                found.append(f"SU6: {name} was restarted after {len(counted)} failures within {WITHIN} s")
            break
        delay = expected_delay(sum(who == name for who, _ in counted))
        group = [each for each in together(story.plan.strategy, names, name) if each == name or each not in ended]
        if [restart.address.name for restart in restarts] != group:
            got = [restart.address.name for restart in restarts]
            found.append(f"SU9: {name} failed under {story.plan.strategy}, and {got} were restarted, not {group}")
        for restart in restarts:
            if not delay * 0.8 - 1e-9 <= restart.delay <= delay * 1.2 + 1e-9:
                found.append(
                    f"SU6: {name} failed, and waited {restart.delay} s; {delay} s are due, a fifth more or less"
                )
            if abs(restart.time - entry.time - restart.delay) > 1e-6:
                found.append(f"SU6: {restart} after a failure at {entry.time} s: the delay isn't what was waited")
        in_backoff += restarts[0].delay if restarts else 0.0
    if has_given_up != isinstance(story.trace.ended, BaseException):
        found.append(
            f"SU7: the session ended with {story.trace.ended!r}, but by {counted} it should have failed: {has_given_up}"
        )
    return found


def expected_delay(failures: int) -> float:
    """Seconds before the restart after that many recent failures of one actor, without jitter."""
    return 0.0 if failures < 2 else min(BACKOFF.most, BACKOFF.first * math.pow(BACKOFF.factor, failures - 2))


def together(strategy: str, names: list[str], failed: str) -> list[str]:
    """Who goes down with it."""
    match strategy:
        case "one_for_all":
            return names
        case "rest_for_one":
            return names[names.index(failed) :]
        case _:
            return [failed]

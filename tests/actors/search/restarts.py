"""Who is restarted with whom, after how long, and when a supervisor gives up: worked out from the failures alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from antiphon.actors import Backoff, Delivery, Dropped, Failure, Killed, Restart, Stall
from antiphon.channels.frames import EndFrame, ErrorFrame, StartFrame, StopFrame

from .log import Began, Entered, Entry, Finished, Requested
from .plan import Part
from .stage import Story

__all__ = ["WITHIN", "misjudged"]

WITHIN = 5.0
"""Seconds: a failure that is longer ago doesn't count any more."""
BACKOFF = Backoff()


def misjudged(story: Story) -> list[str]:
    """What the supervisor did against the rules. Judged as long as one failure is repaired before the next comes."""
    names = [part.name for part in story.plan.parts]
    parts = {part.name: part for part in story.plan.parts}
    entries = story.log.entries
    ended: set[str] = set()
    counted: list[tuple[str, float]] = []
    blamed: set[tuple[str, int]] = set()
    in_backoff = 0.0
    found = untold(entries)
    has_given_up = ends_unseen = False
    for place, entry in enumerate(entries):
        if isinstance(entry, Finished) and isinstance(entry.work.item, (EndFrame, StopFrame)):
            ended.add(entry.work.actor)
        if isinstance(entry, Requested):
            if entry.what == "cancel":
                break
            ends_unseen = ends_unseen or not all(EndFrame in part.handlings for part in parts.values())
        if not isinstance(entry, Failure):
            continue
        name = entry.address.name
        is_of_end = entry.delivery is not None and isinstance(entry.delivery.frame, (EndFrame, StopFrame))
        if is_of_end and not isinstance(entry.error, Killed):
            ended.add(name)
        until = next((i for i in range(place + 1, len(entries)) if isinstance(entries[i], Failure)), len(entries))
        window = entries[place:until]
        restarts = [each for each in window if isinstance(each, Restart)]
        now = entry.time - in_backoff
        counted = [(who, when) for who, when in counted if now - when <= WITHIN + 1e-9]
        if not is_second(entry, blamed):
            counted.append((name, now))
        if name in ended:
            # It comes back alone, unless it was too often or its session was quicker; nobody fails for its sake.
            restarted = [each.address.name for each in restarts]
            if restarted not in ([], [name]) or (restarts and len(counted) > story.plan.max_restarts):
                found.append(f"SU9: {name} had ended and failed, and {restarted} were restarted")
            in_backoff += sum(each.delay for each in restarts)
            continue
        if len(counted) > story.plan.max_restarts:
            has_given_up = True
            if restarts:
                found.append(f"SU6: {name} was restarted after {len(counted)} failures within {WITHIN} s")
            break
        if not restarts and until < len(entries):
            return found  # the next failure came first: they may be repaired together
        if ends_unseen:
            return found  # whom EndFrame has passed without a handler is restarted alone
        if any(isinstance(each, Stall) and each.is_given_up for each in window):
            return found  # the session ends, and its grace for that actor was over before the backoff was
        if any(cuts_its_end(each) for each in window):
            return found  # so is whose EndFrame went on when its handler was cut, if something had come of it
        delay = expected_delay(sum(who == name for who, _ in counted))
        group = [each for each in together(story.plan.strategy, names, name) if each == name or each not in ended]
        if [restart.address.name for restart in restarts] != group:
            got = [restart.address.name for restart in restarts]
            found.append(f"SU9: {name} failed under {story.plan.strategy}, and {got} were restarted, not {group}")
        stopping = sum(life.leave for each in group if (life := parts[each].life) is not None)
        for restart in restarts:
            if not delay * 0.8 - 1e-9 <= restart.delay <= delay * 1.2 + 1e-9:
                found.append(
                    f"SU6: {name} failed, and waited {restart.delay} s; {delay} s are due, a fifth more or less"
                )
            if not -1e-6 <= restart.time - entry.time - restart.delay <= stopping + 1e-6:
                found.append(f"SU6: {restart} after a failure at {entry.time} s: the delay isn't what was waited")
        stops = window[: window.index(restarts[0])] if restarts else ()
        found += [*stopped_out_of_order(stops, group), *started_out_of_order(window, group, parts)]
        in_backoff += restarts[0].delay if restarts else 0.0
    if has_given_up != isinstance(story.trace.ended, BaseException):
        found.append(
            f"SU7: the session ended with {story.trace.ended!r}, but by {counted} it should have failed: {has_given_up}"
        )
    return found


def cuts_its_end(entry: Entry) -> bool:
    return isinstance(entry, Finished) and entry.how != "done" and isinstance(entry.work.item, (EndFrame, StopFrame))


def is_second(failure: Failure, blamed: set[tuple[str, int]]) -> bool:
    """Whether it is the second failure on one frame, which counts with the first as one. Notes the first."""
    if failure.delivery is None or isinstance(failure.error, Killed) or isinstance(failure.delivery.frame, StartFrame):
        return False
    on = (failure.address.name, id(failure.delivery.frame))
    if on in blamed:
        return True
    blamed.add(on)
    return False


def untold(entries: Sequence[Entry]) -> list[str]:
    """SU10: each failure makes one ErrorFrame, from the failed actor's place. One on EndFrame, or later, may come too
    late for that: the session may have ended.
    """
    failures: Counter[str] = Counter()
    late: Counter[str] = Counter()
    told: Counter[str] = Counter()
    has_passed = False
    for entry in entries:
        if isinstance(entry, Failure):
            failures[entry.address.name] += 1
            late[entry.address.name] += has_passed or (
                entry.delivery is not None and isinstance(entry.delivery.frame, EndFrame)
            )
        delivery = entry.delivery if isinstance(entry, Dropped) else entry
        if isinstance(delivery, Delivery):
            has_passed = has_passed or (delivery.receiver.name == "sink" and isinstance(delivery.frame, EndFrame))
            if isinstance(delivery.frame, ErrorFrame) and delivery.sender is not None:
                told[delivery.sender.name] += 1
    if failures - late <= told <= failures:
        return []
    return [f"SU10: the failures {dict(failures)} were told as {dict(told)}"]


def stopped_out_of_order(window: Sequence[Entry], group: Sequence[str]) -> list[str]:
    """SU9: those restarted together stop in reverse order, one when the other has."""
    left = [(each.actor, each.what) for each in window if isinstance(each, Entered) and each.what in ("leave", "left")]
    due = [(name, what) for name in reversed(group) for what in ("leave", "left") if (name, what) in left]
    return [] if left == due else [f"SU9: {group} stopped in this order: {left}"]


def started_out_of_order(window: Sequence[Entry], group: Sequence[str], parts: Mapping[str, Part]) -> list[str]:
    """SU9: those restarted together get StartFrame in order, one when the others before have handled it."""
    begun: dict[str, int] = {}
    done: dict[str, int] = {}
    for place, entry in enumerate(window):
        if isinstance(entry, Entered) and entry.what == "entered" and StartFrame not in parts[entry.actor].handlings:
            done[entry.actor] = place
        if isinstance(entry, (Began, Finished)) and isinstance(entry.work.item, StartFrame):
            (begun if isinstance(entry, Began) else done)[entry.work.actor] = place
    return [
        f"SU9: {name} got StartFrame before {above} was through with it"
        for place, name in enumerate(group)
        for above in group[:place]
        if name in begun
        and (StartFrame in parts[above].handlings or parts[above].life is not None)
        and done.get(above, math.inf) > begun[name]
    ]


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

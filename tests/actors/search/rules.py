"""The rules as functions over a story and what the model made of it. Each returns complaints that begin with the rule's ID."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable

from antiphon.channels.frames import InterruptionFrame

from .log import Outcome
from .plan import Letter, Tick
from .retelling import Account, Begin, retell
from .stage import Story

__all__ = ["RULES", "complaints"]


def fifo(story: Story, account: Account) -> list[str]:
    """CH1: one sender's things in one lane are begun in the order in which they were sent."""
    found = []
    latest: dict[tuple[str | None, str, str], tuple[int, object]] = defaultdict(lambda: (-1, None))
    for begin in account.begins:
        sending = begin.sending
        if sending.is_lifecycle or isinstance(sending.item, (InterruptionFrame, Tick)):
            continue
        if sending.way is not None and sending.way.has_come_out:
            continue  # it may have come by another branch
        lane = "messages" if isinstance(sending.item, Letter) else sending.lane
        key = (sending.sender, sending.receiver, lane)
        before, item = latest[key]
        if sending.number < before:
            found.append(f"CH1: {sending} was begun after {item!r}, which was sent later [entry {begin.number}]")
        latest[key] = max((before, item), (sending.number, sending.item), key=lambda pair: pair[0])
    return found


def splits(story: Story, account: Account) -> list[str]:
    """PA1: frames enter all branches in one order."""
    orders: dict[tuple[str, str, str | None, str], list[object]] = defaultdict(list)
    known: dict[object, Begin] = {}
    for begin in account.begins:
        sending = begin.sending
        if sending.way is None or sending.way.has_come_out:
            continue
        for copies in sending.way.entered:
            order = orders[copies.fork, sending.receiver, sending.direction, sending.lane]
            if copies not in order:
                order.append(copies)
                known[copies] = begin
    found = []
    for (fork, receiver, direction, lane), order in orders.items():
        for (other_fork, other, other_direction, other_lane), other_order in orders.items():
            if (fork, direction, lane) != (other_fork, other_direction, other_lane) or receiver >= other:
                continue
            one = [each for each in order if each in other_order]
            two = [each for each in other_order if each in order]
            found += [
                f"PA1: {known[first].sending} entered {fork} in another order at {receiver} and {other}"
                for first, second in zip(one, two, strict=True)
                if first is not second
            ][:1]
    return found


def system_first(story: Story, account: Account) -> list[str]:
    """DL4: no ordered frame is begun while something waits in the system lane, unless its loop is inside an async handler."""
    return [
        f"DL4: {begin.sending} was begun while {begin.waits_in_system_lane[0]} waits [entry {begin.number}]"
        for begin in account.begins
        if not begin.sending.is_system and begin.waits_in_system_lane and not begin.is_system_busy
    ]


def no_dead_turn(story: Story, account: Account) -> list[str]:
    """IN3: nothing interruptible is begun whose epoch is over."""
    return [
        f"IN3: {begin.sending} was begun in epoch {begin.epoch} [entry {begin.number}]"
        for begin in account.begins
        if not begin.sending.is_system and not begin.sending.immune and begin.sending.stamp < begin.epoch
    ]


def gate(story: Story, account: Account) -> list[str]:
    """IN4: nothing ordered of an epoch is begun before the actor has handled that epoch's InterruptionFrame."""
    return [
        f"IN4: {begin.sending} was begun, but the last interruption handled there is of epoch {begin.gate} [entry {begin.number}]"
        for begin in account.begins
        if begin.handles_interruptions and not begin.sending.is_system and begin.sending.stamp > begin.gate
    ]


def interruption_first(story: Story, account: Account) -> list[str]:
    """IN1: nothing of the system lane is begun before an InterruptionFrame that waits there, but what a failure has returned."""
    return [
        f"IN1: {begin.sending} was begun while {waiting} waits [entry {begin.number}]"
        for begin in account.begins
        if begin.sending.is_system and not (begin.sending.is_lifecycle or begin.sending.was_returned)
        for waiting in begin.waits_in_system_lane
        if isinstance(waiting.item, InterruptionFrame) and not isinstance(begin.sending.item, InterruptionFrame)
    ]


def drained(story: Story, account: Account) -> list[str]:
    """LC3: what went downstream before EndFrame came is handled, where everybody gets on."""
    if account.cancelled_since < math.inf or account.has_stalled or account.is_vague:
        return []
    return [
        f"LC3: {sending} was dropped as {sending.dropped}, though it was sent before EndFrame"
        for sending in account.sendings
        if sending.dropped in ("finished", "cancelled")
        and sending.number < account.closing_entry
        and not sending.is_system
        and sending.direction == "down"
    ]


def ends(story: Story, account: Account) -> list[str]:
    """LC4: a session ends: cancelled within the sum of the graces, else within twice that after the last progress."""
    if story.hung is not None:
        return [f"CH3: the run hangs, waiting for {story.hung}"]
    graces, cancelled = story.plan.graces, account.cancelled_since
    end = next(entry.time for entry in reversed(story.log.entries) if isinstance(entry, Outcome))
    if cancelled < math.inf:
        if end - cancelled <= graces + 0.01:
            return []
        return [f"LC4: cancelled at {cancelled:.3f} s, it ended at {end:.3f} s; the graces are {graces} s"]
    since = max(account.closing_since, account.last_progress)
    if account.closing_since < end and end - since > 2 * graces + 0.01:
        return [f"LC4: nothing got on after {since:.3f} s, and it ended at {end:.3f} s; the graces are {graces} s"]
    return []


def conserved(story: Story, account: Account) -> list[str]:
    """CH5, and all that the model found on its way."""
    return account.complaints


RULES: tuple[Callable[[Story, Account], list[str]], ...] = (
    conserved,
    fifo,
    splits,
    system_first,
    no_dead_turn,
    gate,
    interruption_first,
    drained,
    ends,
)


def complaints(story: Story) -> list[str]:
    """All that is wrong with a story."""
    account = retell(story)
    return [complaint for rule in RULES for complaint in rule(story, account)]

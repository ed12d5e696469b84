"""What holds of the ways that frames go: of lanes, epochs and interruptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from ...actors import Delivery, DropReason
from ...channels import (
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    Frame,
    HeardFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMRunCancelFrame,
    OutputAudioRawFrame,
    StartFrame,
    StopFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSTextFrame,
    Uninterruptible,
)
from ...turn.peer_messages import Commit, Committed, Flushed, Park, ResponseOpened
from .complaint import Finding
from .reading import Lane, Reading, Seen, is_same, lane_of, sender_of

__all__: list[str] = []


def no_cut_sound_leaves(told: Reading) -> Iterator[Finding]:
    """Behind an interruption nothing of what it cut leaves the output."""
    cuts = {each.frame.epoch or 0: each.seq for each in told.select(InterruptionFrame, at=told.output)}
    for each in told.select(OutputAudioRawFrame, by=told.output):
        cut = min((seq for epoch, seq in cuts.items() if epoch > each.epoch), default=each.seq)
        if cut < each.seq and not is_immune(each):
            yield Finding.at(each, f"sound of epoch {each.epoch} left the output after the interruption that cut it")
    for receiver in {each.receiver.name for each in told.select(HeardFrame, by=told.output)}:
        yield from _goes_on_behind_a_cut(told, receiver)


def _goes_on_behind_a_cut(told: Reading, receiver: str) -> Iterator[Finding]:
    cut: dict[str | None, int] = {}
    for each in told.select(HeardFrame, TTSStartedFrame, TTSTextFrame, TTSAudioRawFrame, by=told.output, at=receiver):
        match each.frame:
            case HeardFrame(epoch=epoch, played=played, going_on=going_on):
                cut |= {context: epoch for context, _ in played if context and context not in going_on}
            case TTSStartedFrame(context_id=context):
                cut.pop(context, None)
            case (
                TTSTextFrame(context_id=context, interruptible=True)
                | TTSAudioRawFrame(context_id=context, interruptible=True)
            ) if context in cut:
                yield Finding.at(each, f"{context} went on after the interruption {cut[context]} that cut it")
            case _:
                pass


def no_stale_handling(told: Reading) -> Iterator[Finding]:
    """Nobody handles what belongs to a turn that is cut, nor what belongs to the next one before being told of the cut."""
    epoch = 0
    knows: dict[str, int] = {
        each.receiver.name: 0 for each in told.trace.deliveries if isinstance(each.frame, InterruptionFrame)
    }
    for each in told.trace.deliveries:
        frame = each.frame
        if isinstance(frame, InterruptionFrame):
            if frame.epoch is not None:
                epoch = max(epoch, frame.epoch)
                knows[each.receiver.name] = max(knows[each.receiver.name], frame.epoch)
        elif lane_of(each) == "ordered":
            if each.epoch < epoch and not is_immune(each):
                yield Finding.at(each, f"it is of epoch {each.epoch}, and epoch {epoch} had begun")
            if each.epoch > knows.get(each.receiver.name, each.epoch):
                yield Finding.at(each, f"it is of epoch {each.epoch}, of which {each.receiver.name} didn't know yet")


def is_immune(delivery: Seen[object]) -> bool:
    return delivery.immune or isinstance(delivery.frame, Uninterruptible)


def immune_survives(told: Reading) -> Iterator[Finding]:
    """What may not be interrupted is never dropped because something was."""
    for each in told.trace.dropped:
        if each.reason in ("interrupted", "stale") and is_immune(each.delivery):
            yield Finding.at(each.delivery, f"it may not be interrupted, and was dropped as {each.reason}")


def conservation(told: Reading) -> Iterator[Finding]:
    """Each delivery ends in one way, and one that failed its actor is handled again or told as dropped."""
    last = 0
    for each in told.trace.deliveries:
        if each.seq <= last:
            yield Finding.at(each, f"it stands behind delivery {last}")
        last = max(last, each.seq)
    begun = {each.seq: each for each in told.trace.deliveries}
    for seq, count in Counter(each.delivery.seq for each in told.trace.dropped if each.delivery.seq).items():
        delivery = begun.get(seq)
        if delivery is None:
            yield Finding(told.ends_at, f"delivery {seq} was dropped, and never begun")
        elif count > 1:
            yield Finding.at(delivery, f"it was dropped {count} times")
    for dropped in told.trace.dropped:
        if dropped.reason not in get_args(DropReason):
            yield Finding.at(dropped.delivery, f"it was dropped for no known reason: {dropped.reason}")
    for failure in told.trace.failures:
        failed = failure.delivery
        if failed is None or told.is_broken_off or isinstance(failed.frame, PASS_BY_THEMSELVES):
            continue
        is_cut = any(epoch > failed.epoch and step.time >= failed.time for epoch, step in told.steps.items())
        if not _goes_on(told, failed) and (is_immune(failed) or not is_cut):
            yield Finding.at(failed, "its handler failed, and it was neither handled again nor dropped")


PASS_BY_THEMSELVES = (StartFrame, EndFrame, StopFrame, CancelFrame)
"""Of these an actor that fails in them is not told again."""


def _goes_on(told: Reading, failed: Delivery) -> bool:
    again = (
        each.seq > failed.seq and each.receiver == failed.receiver and is_same(each, failed)
        for each in told.trace.deliveries
    )
    dropped = (
        each.delivery.seq == failed.seq
        or (each.delivery.receiver == failed.receiver and each.delivery.frame is failed.frame)
        for each in told.trace.dropped
    )
    return any(again) or any(dropped)


def fifo(told: Reading) -> Iterator[Finding]:
    """What one actor sends another in one lane is handled in the order in which it was sent."""
    yield from _counted(told)
    yield from _twins(told)


def _counted(told: Reading) -> Iterator[Finding]:
    """Frames and messages that their sender counts."""
    latest: dict[tuple[str | None, str, str], int] = {}
    for each in told.deliveries:
        count = _count_of(each.frame)
        if count is None:
            continue
        kind = "commit" if isinstance(each.frame, (Commit, Park)) else type(each.frame).__name__
        channel = (sender_of(each), each.receiver.name, kind)
        before = latest.get(channel, count)
        if count < before:
            yield Finding.at(each, f"{kind} {count} was handled after {before}")
        latest[channel] = max(before, count)


def _count_of(frame: object) -> int | None:
    match frame:
        case Commit(commit_id=count) | Park(commit_id=count):
            return count
        case Committed(version=count) | ContextCommittedFrame(version=count):
            return count
        case ResponseOpened(response_id=count):
            return count
        case Flushed(epoch=count):
            return count
        case LLMContextFrame(run_id=int(count)) | LLMRunCancelFrame(run_id=int(count)):
            return count
        case _:
            return None


def _twins(told: Reading) -> Iterator[Finding]:
    """What was sent both ways was sent in one order."""
    ways: dict[tuple[str, Lane], dict[str, list[Delivery]]] = {}
    for each in told.deliveries:
        sender = sender_of(each)
        if sender is not None and isinstance(each.frame, Frame) and each.direction is not None:
            lists = ways.setdefault((sender, lane_of(each)), {})
            lists.setdefault(f"{each.direction} {each.receiver.name}", []).append(each)
    for lists in ways.values():
        names = sorted(lists)
        for at, one in enumerate(names):
            for other in names[at + 1 :]:
                if one.split(" ")[0] != other.split(" ")[0]:
                    yield from _differences(lists[one], lists[other])


def _differences(one: list[Delivery], other: list[Delivery]) -> Iterator[Finding]:
    here, there = (Counter(id(each.frame) for each in those) for those in (one, other))
    places = {id(each.frame): at for at, each in enumerate(other)}
    latest: Delivery | None = None
    for each in one:
        if here[id(each.frame)] != 1 or there[id(each.frame)] != 1:
            continue
        if latest is not None and places[id(each.frame)] < places[id(latest.frame)]:
            yield Finding.at(each, f"it was handled after {type(latest.frame).__name__}, but sent before it")
        latest = each


def system_first(told: Reading) -> Iterator[Finding]:
    """A half of the pair, or the output, takes no ordered frame while a system frame waits there.

    These three never wait in a handler of a system frame, and it is supposed that nobody between them does. That a frame
    waits is known by its twin, which somebody else has handled already.
    """
    looked_at = {told.user, told.assistant, told.output} - {""}
    sent: dict[tuple[int, str | None], Delivery] = {}
    for each in told.deliveries:
        if isinstance(each.frame, SystemFrame):
            sent.setdefault((id(each.frame), sender_of(each)), each)
    counts = Counter((id(each.frame), each.receiver.name) for each in told.deliveries)
    waited: dict[str, list[tuple[Delivery, Delivery]]] = {}
    for each in told.deliveries:
        name, first = each.receiver.name, sent.get((id(each.frame), sender_of(each)))
        if name not in looked_at or first is None or first.time >= each.time:
            continue
        if any(since <= each.time and first.time <= until for since, until in told.downtimes):
            continue
        is_twin = first.direction != each.direction and counts[id(each.frame), name] == 1
        if is_twin and counts[id(each.frame), first.receiver.name] == 1:
            waited.setdefault(name, []).append((first, each))
    for each in told.deliveries:
        if lane_of(each) != "ordered":
            continue
        for first, handled in waited.get(each.receiver.name, ()):
            if first.time < each.time and first.seq < each.seq < handled.seq:
                yield Finding.at(each, f"{type(handled.frame).__name__} waited there since {first.time:.3f} s")


def nobody_waits_in_a_circle(told: Reading) -> Iterator[Finding]:
    """No half of the pair ever waits in a handler: so nobody waits for one that waits for it."""
    for stall in told.trace.stalls:
        if stall.address.name in (told.user, told.assistant):
            why = f"{stall.address} was busy with {type(stall.frame).__name__} since {stall.since:.3f} s"
            yield Finding(stall.since, why, (stall.frame,))

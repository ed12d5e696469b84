"""The invariants by their numbers, and how traces are held against them."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ..trace import Trace
from .channels import (
    conservation,
    fifo,
    immune_survives,
    no_cut_sound_leaves,
    no_stale_handling,
    nobody_waits_in_a_circle,
    system_first,
)
from .clocks import idle_honesty, latency_sums, no_turn_for_ever
from .complaint import Complaint, Invariant
from .context import calls_have_outcomes, prefix, snapshots_are_well_formed, versions
from .conversation import Conversation
from .endings import nothing_is_left
from .events import events_are_writes, recommended_once
from .likeness import determinism, kill_safe, noise_is_nothing, same_as_cascade
from .runs import no_unasked_run, one_live_run, settled_once
from .speech import edges_alternate, speaking_is_sound, syntheses_are_apart, text_round_trip
from .words import (
    every_transcript_once,
    heard_only,
    muted_is_deaf,
    no_words_no_message,
    one_message_a_turn,
    spoken_order,
)
from .write_points import realtime_write_points

__all__ = ["ALL", "check", "compare"]

ALL: Mapping[int, Invariant] = {
    each.number: each
    for each in (
        Invariant(1, prefix),
        Invariant(2, versions),
        Invariant(3, spoken_order),
        Invariant(4, every_transcript_once),
        Invariant(5, one_message_a_turn),
        Invariant(6, heard_only),
        Invariant(7, no_cut_sound_leaves),
        Invariant(8, no_stale_handling),
        Invariant(9, immune_survives),
        Invariant(10, conservation),
        Invariant(11, fifo),
        Invariant(12, system_first),
        Invariant(13, calls_have_outcomes),
        Invariant(14, settled_once),
        Invariant(15, snapshots_are_well_formed),
        Invariant(16, one_live_run),
        Invariant(17, no_unasked_run),
        Invariant(18, edges_alternate),
        Invariant(19, speaking_is_sound),
        Invariant(20, syntheses_are_apart),
        Invariant(21, text_round_trip),
        Invariant(22, muted_is_deaf),
        Invariant(23, no_words_no_message),
        Invariant(24, realtime_write_points),
        Invariant(25, same_as_cascade, traces=2),
        Invariant(26, events_are_writes),
        Invariant(27, recommended_once),
        Invariant(28, idle_honesty),
        Invariant(29, no_turn_for_ever),
        Invariant(30, nothing_is_left),
        Invariant(31, kill_safe, traces=2),
        Invariant(32, determinism, traces=2),
        Invariant(33, nobody_waits_in_a_circle),
        Invariant(34, noise_is_nothing, traces=2),
        Invariant(36, latency_sums),
    )
}
"""The invariants by their numbers: V1 is `ALL[1]`. Each is called with a trace, those between two with both."""


def check(
    trace: Trace,
    *,
    user: str | None = None,
    assistant: str | None = None,
    output: str | None = None,
    without: Container[int] = (),
) -> tuple[Complaint, ...]:
    """What a trace breaks of the invariants that are about one, by their numbers; nothing if all hold.

    `user`, `assistant` and `output` are names of actors; None finds them. `without` are numbers of invariants that aren't
    meant to hold here.
    """
    told = Conversation.of(trace, user=user, assistant=assistant, output=output)
    those = (each for number, each in ALL.items() if each.traces == 1 and number not in without)
    return tuple(complaint for each in those for complaint in each.of(told))


def compare(
    trace: Trace,
    other: Trace,
    *numbers: int,
    user: str | None = None,
    assistant: str | None = None,
    output: str | None = None,
) -> tuple[Complaint, ...]:
    """What two traces should have in common and haven't, by the invariants with these numbers: what each supposes of the
    two stands in its docstring. Raises `KeyError` for a number that is none, and `TypeError` for one about a single trace.
    """
    return tuple(
        complaint
        for number in numbers
        for complaint in ALL[number](trace, other, user=user, assistant=assistant, output=output)
    )

"""What a recogniser hasn't answered, by values alone."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from antiphon.actors.services.unanswered import Sound, Unanswered

RATE = 16000


def seconds(*numbers: int) -> Unanswered:
    """A second of sound each, whose bytes tell its number."""
    kept = Unanswered()
    for number in numbers:
        kept = kept.with_item(Sound(bytes([number]) * 2 * RATE, number * RATE), longest=30 * RATE)
    return kept


def told(kept: Unanswered) -> list[object]:
    """Of a sound its number and its length in seconds, of a mark itself."""
    return [(item.audio[0], item.samples / RATE) if isinstance(item, Sound) else item for item in kept.items]


@pytest.mark.rule("L1a")
def test_sound_that_is_too_long_to_keep_loses_its_beginning_only() -> None:
    kept = seconds(*range(40))
    assert told(kept) == [(number, 1.0) for number in range(10, 40)]
    # An answer to what is gone and five seconds more leaves the rest.
    assert told(kept.without(15 * RATE)) == [(number, 1.0) for number in range(15, 40)]
    # A new recogniser knows nothing of what is gone.
    assert told(kept.given_anew().without(15 * RATE)) == [(number, 1.0) for number in range(25, 40)]


def test_marks_stay_when_their_sound_is_too_old() -> None:
    kept = Unanswered().with_item("begin", longest=2)
    for number in range(5):
        kept = kept.with_item(Sound(bytes([number]) * 2, number), longest=2)
    assert [item.audio[0] if isinstance(item, Sound) else item for item in kept.items] == ["begin", 3, 4]


def test_an_answer_cuts_a_sound_in_two() -> None:
    kept = seconds(0, 1).with_item("mark", longest=30 * RATE).without(RATE // 2)
    assert told(kept) == [(0, 0.5), (1, 1.0), "mark"]
    assert kept.items[0] == Sound(bytes(RATE), RATE // 2)


def test_an_answer_to_a_position_leaves_what_is_behind_it() -> None:
    kept = seconds(0, 1, 5).with_item("mark", longest=30 * RATE)
    assert told(kept.until(round(1.25 * RATE))) == [(1, 0.75), (5, 1.0), "mark"]
    assert told(kept.until(3 * RATE)) == [(5, 1.0), "mark"]
    assert kept.until(0) == kept
    assert told(kept.until(9 * RATE)) == ["mark"]


def test_an_answer_to_a_mark_leaves_what_is_behind_it() -> None:
    longest = 30 * RATE
    kept = seconds(0).with_item("first", longest=longest).with_item(Sound(b"\1\1", RATE), longest=longest)
    kept = kept.with_item("second", longest=longest)
    assert [item for item in kept.through("first").items if isinstance(item, str)] == ["second"]
    assert kept.through("second") == Unanswered()
    assert kept.through("third") == kept


def test_silence_of_ours_is_no_voice_and_counts_like_sound() -> None:
    kept = Unanswered().with_item(Sound(bytes(20), None), longest=RATE)
    assert not kept.has_voice
    assert kept.without(10) == Unanswered()
    assert kept.with_item(Sound(bytes(20), 0), longest=RATE).until(4).items == (Sound(bytes(12), 4),)


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(0, 80), st.integers(1, 40))
def test_what_is_counted_is_what_is_there(sizes: list[int], answered: int, longest: int) -> None:
    kept, position = Unanswered(), 0
    for size in sizes:
        kept = kept.with_item(Sound(bytes(2 * size), position), longest=longest)
        position += size
    for left in (kept, kept.without(answered), kept.until(answered)):
        assert left.samples == sum(item.samples for item in left.items if isinstance(item, Sound))
    # However it is answered, what is left is the same: everything behind that sample, as far as it is kept.
    assert kept.without(answered).items == kept.until(answered).items

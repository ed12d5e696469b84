"""What was heard of speech, as values: words that have begun, the pace of a voice, and moments that wait."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from antiphon.actors.transports.agenda import Agenda
from antiphon.actors.transports.chunks import Piece, Pieces, filled, firm, take
from antiphon.actors.transports.playout import Pace, Speech, words_begun
from antiphon.channels import OutputAudioRawFrame, TextFrame

SIZE = 8


def pieces_of(lengths: list[int], *, firm_ones: frozenset[int] = frozenset()) -> Pieces:
    sound = np.arange(sum(lengths), dtype="<u1").tobytes()
    starts = np.cumsum([0, *lengths])[:-1].tolist()
    return tuple(
        Piece(sound[start : start + length], OutputAudioRawFrame(b"", 8000, interruptible=index not in firm_ones))
        for index, (start, length) in enumerate(zip(starts, lengths, strict=True))
    )


def all_chunks(pieces: Pieces) -> tuple[list[bytes], list[bool], Pieces]:
    sound: list[bytes] = []
    interruptible: list[bool] = []
    while pieces:
        chunk, pieces = take(pieces, SIZE)
        if chunk is None:
            break
        sound.append(chunk.audio)
        interruptible.append(chunk.interruptible)
    return sound, interruptible, pieces


@pytest.mark.rule("I1")
@given(st.lists(st.integers(1, 40), max_size=8))
def test_however_sound_is_cut_into_pieces_the_chunks_are_the_same(lengths: list[int]) -> None:
    pieces = pieces_of(lengths)
    sound, _, left = all_chunks(pieces)
    whole = b"".join(piece.audio for piece in pieces)
    assert b"".join(sound) == whole[: len(whole) - len(whole) % SIZE]
    assert b"".join(piece.audio[piece.start :] for piece in left) == whole[len(b"".join(sound)) :]
    assert {len(chunk) for chunk in sound} <= {SIZE}


@pytest.mark.rule("I3")
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.frozensets(st.integers(0, 7)))
def test_a_chunk_is_interruptible_if_all_its_samples_are(lengths: list[int], firm_ones: frozenset[int]) -> None:
    _, found, _ = all_chunks(filled(pieces_of(lengths, firm_ones=firm_ones), SIZE))
    owners = [index for index, length in enumerate(lengths) for _ in range(length)]
    expected = [not firm_ones & set(owners[start : start + SIZE]) for start in range(0, len(owners), SIZE)]
    assert found[: len(expected)] == expected


def test_a_piece_that_is_a_chunk_is_that_very_object() -> None:
    (piece,) = pieces_of([SIZE])
    chunk, left = take((piece,), SIZE)
    assert chunk is not None
    assert chunk.audio is piece.audio
    assert left == ()


def test_what_must_be_heard_is_left_of_pieces() -> None:
    pieces = pieces_of([3, 4, 5], firm_ones=frozenset({1}))
    assert firm(pieces) == (pieces[1],)


@pytest.mark.rule("E32")
@pytest.mark.parametrize(
    ("end", "heard"),
    [
        (0, ""),
        (0.1, "Hello"),
        (6, "Hello"),
        (6.1, "Hello my"),
        (9.0, "Hello my"),
        (9.1, "Hello my friend."),
        (99, "Hello my friend."),
    ],
)
def test_words_that_have_begun_were_heard(end: float, heard: str) -> None:
    assert words_begun("Hello my friend.", end) == heard


@pytest.mark.rule("E32")
def test_where_no_spaces_are_written_a_character_is_a_word() -> None:
    assert words_begun("こんにちは、世界", 2.5) == "こんに"


@pytest.mark.rule("E32")
@given(st.text(alphabet="ab .", max_size=30), st.floats(0, 40))
def test_what_was_heard_is_the_beginning_of_the_text(text: str, end: float) -> None:
    assert text.lstrip().startswith(words_begun(text, end))


@pytest.mark.rule("E32")
def test_a_voice_s_pace_is_all_characters_by_all_their_time() -> None:
    pace = Pace().learned("a" * 10, 1_000_000_000).learned("b" * 20, 5_000_000_000)
    assert pace.duration("c" * 5) == 1_000_000_000
    assert Pace().duration("c" * 15) == 1_000_000_000


@pytest.mark.rule("E32")
def test_the_pace_of_a_unit_begins_where_the_one_before_ended() -> None:
    speech = Speech("a").announced("one two").begun(interruptible=True).advanced(500_000_000, interruptible=True)
    speech = speech.unit_heard().announced("three four").advanced(100_000_000, interruptible=True)
    # A tenth of a second is 1.5 characters.
    assert speech.partial(in_hand=0, pace=Pace()) == "three"
    assert speech.partial(in_hand=0, pace=Pace(100, 1_000_000_000)) == "three four"


@pytest.mark.rule("I32")
def test_moments_are_in_their_order_and_ties_in_the_order_of_arrival() -> None:
    agenda = Agenda().with_frame(TextFrame("b"), 2e9).with_frame(TextFrame("a"), 1e9).with_frame(TextFrame("c"), 2e9)
    assert agenda.next(0.0) == 1.0
    assert agenda.last(0.0) == 2.0
    due, left = agenda.split(lambda frame: True, now=2e9)
    assert due == (TextFrame("a"), TextFrame("b"), TextFrame("c"))
    assert not left

"""Text that comes in pieces, cut into units."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from antiphon.actors.services.text_aggregation import (
    Gathered,
    Pattern,
    PatternAggregator,
    PatternMatch,
    Piece,
    SentenceAggregator,
    TextAggregator,
    first_token,
    split_sentences,
)


def gather(aggregator: TextAggregator, *pieces: str) -> Gathered:
    """All that comes of some pieces, the end included."""
    found: list[Piece] = []
    matches: list[PatternMatch] = []
    rest = ""
    for piece in pieces:
        gathered = aggregator.add(rest, piece)
        found += gathered.pieces
        matches += gathered.matches
        rest = gathered.rest
    last = aggregator.flush(rest)
    return Gathered((*found, *last.pieces), last.rest, (*matches, *last.matches))


def texts(gathered: Gathered) -> list[str]:
    return [piece.text for piece in gathered.pieces]


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, place = [], 0
    for size in [*sizes, len(text)]:
        pieces.append(text[place : place + size])
        place += size
    return pieces


# ---- sentences


@pytest.mark.rule("H1")
@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello. How are you? Fine! And", ["Hello.", "How are you?", "Fine!"]),
        ("Well… no. x", ["Well…", "no."]),
        ("It costs $29.95 or 3.5 % more. x", ["It costs $29.95 or 3.5 % more."]),
        ("Dr. Smith met Mrs. Jones, i.e. his aunt. x", ["Dr. Smith met Mrs. Jones, i.e. his aunt."]),
        ("Albert I. Douglas came. x", ["Albert I. Douglas came."]),
        ("So do I. The others left. x", ["So do I.", "The others left."]),
        ("At 5 p.m. sharp. At 6 p.m. We left. x", ["At 5 p.m. sharp.", "At 6 p.m.", "We left."]),
        ("No. That is wrong. x", ["No.", "That is wrong."]),
        ("It is No. 5. x", ["It is No. 5."]),
        ('He said "Go." She (his wife.) went. x', ['He said "Go."', "She (his wife.)", "went."]),
        ("你好。再见！", ["你好。", "再见！"]),  # noqa: RUF001  # full-width ends are what it is about
        ("Wait...\n\nWhat?! x", ["Wait...", "What?!"]),
        ("www.example.com is up. x", ["www.example.com is up."]),
        ("no end at all", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_pause(text: str, sentences: list[str]) -> None:
    assert list(split_sentences(text)[0]) == sentences


@pytest.mark.rule("H1")
def test_an_end_counts_once_the_next_word_has_begun() -> None:
    assert split_sentences("It costs $29.") == ((), "It costs $29.")
    assert split_sentences("It is over. ") == ((), "It is over. ")
    assert split_sentences("It is over. N") == (("It is over.",), " N")


@pytest.mark.rule("H1")
def test_where_the_beginning_of_the_next_word_does_not_decide_its_end_does() -> None:
    assert split_sentences("So do I. The") == ((), "So do I. The")
    assert split_sentences("So do I. The ") == (("So do I.",), " The ")
    assert split_sentences("Albert I. Theodor ") == ((), "Albert I. Theodor ")


@pytest.mark.rule("H3")
def test_a_sentence_has_no_space_around_it_and_what_is_blank_is_none() -> None:
    assert texts(gather(SentenceAggregator(), "\n\nHello. ", " \n ", "There.\n")) == ["Hello.", "There."]
    assert texts(gather(SentenceAggregator(), " ", "\n")) == []


@pytest.mark.rule("H2")
def test_only_space_before_the_first_word_of_a_synthesis_is_left_out_of_its_tokens() -> None:
    assert [first_token("", " Hi"), first_token(" \n", " "), first_token("Hi", " there")] == ["Hi", "", " there"]


PIECES = [*"aN5 .!?\"')。\n", "Dr", "No", "I. ", "The ", "etc"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
SIZES = st.lists(st.integers(1, 7), max_size=60)


@given(TEXTS, SIZES)
def test_however_text_is_cut_the_sentences_are_the_same(text: str, sizes: list[int]) -> None:
    said: list[str] = []
    rest = ""
    for piece in cut(text, sizes):
        sentences, rest = split_sentences(rest + piece)
        said += sentences
    whole, left = split_sentences(text)
    assert (said, rest) == (list(whole), left)


@given(TEXTS)
def test_no_character_but_space_is_lost(text: str) -> None:
    sentences, rest = split_sentences(text)
    assert "".join("".join((*sentences, rest)).split()) == "".join(text.split())


# ---- patterns

SPELL = Pattern("spell", "<spell>", "</spell>")
NOTE = Pattern("note", "[[", "]]", "remove")
CODE = Pattern("code", "<code>", "</code>", "aggregate")
ALL = PatternAggregator((SPELL, NOTE, CODE))


@pytest.mark.rule("H4")
def test_no_sentence_ends_between_marks_though_they_come_in_pieces() -> None:
    pieces = ["Call <sp", "ell>A. B. The", " C.</sp", "ell> now. Bye", "."]
    assert texts(gather(ALL, *pieces)) == ["Call <spell>A. B. The C.</spell> now.", "Bye."]
    assert texts(gather(SentenceAggregator(), *pieces)) != texts(gather(ALL, *pieces))


@pytest.mark.rule("H4")
def test_what_a_pattern_removes_is_gone_and_told_once() -> None:
    found = gather(ALL, "I [[th", "ink. No.]]", "agree. [[x]] Bye.")
    assert texts(found) == ["I agree.", "Bye."]
    assert found.matches == (PatternMatch("note", "think. No.", "[[think. No.]]"), PatternMatch("note", "x", "[[x]]"))


@pytest.mark.rule("H4")
def test_what_a_pattern_aggregates_is_a_unit_of_its_own() -> None:
    found = gather(ALL, "Look here: <code>a. B = 1\n</code>That is. all")
    assert found.pieces == (
        Piece("Look here:"),
        Piece("a. B = 1", "code", "<code>a. B = 1\n</code>"),
        Piece("That is."),
        Piece("all"),
    )
    assert [match.text_type for match in found.matches] == ["code"]


@pytest.mark.rule("H4")
def test_what_a_pattern_keeps_is_told_once_with_its_sentence() -> None:
    found = gather(ALL, "It is <spell>x</spell>. Fine. ", "Then <spell>y</spell>")
    assert [match.text for match in found.matches] == ["x", "y"]


@pytest.mark.rule("H4")
@pytest.mark.parametrize(
    ("text", "left"),
    [("Say <spell>a, B", ["Say <spell>a, B"]), ("Say [[a. B", ["Say"]), ("Say <code>a. B", ["Say"])],
)
def test_of_what_nothing_closes_only_what_is_kept_is_left(text: str, left: list[str]) -> None:
    assert texts(gather(ALL, text)) == left


MARKED = st.lists(
    st.sampled_from([*"aN. ", "<spell>", "</spell>", "[[", "]]", "<code>", "</code>", "No. ", "5"]), max_size=40
).map("".join)


@given(MARKED, SIZES)
def test_however_text_is_cut_the_units_are_the_same(text: str, sizes: list[int]) -> None:
    assert gather(ALL, *cut(text, sizes)) == gather(ALL, text)

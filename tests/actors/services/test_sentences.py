"""Text that comes in pieces, cut into sentences."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from antiphon.actors.services.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello. How are you? Fine! And", ["Hello.", "How are you?", "Fine!"]),
        ("Well… no. x", ["Well…", "no."]),
        ("It costs $29.95 or 3.5 % more. x", ["It costs $29.95 or 3.5 % more."]),
        ("Dr. Smith met Mrs. Jones, i.e. his aunt. x", ["Dr. Smith met Mrs. Jones, i.e. his aunt."]),
        ("Albert I. Douglas came. x", ["Albert I. Douglas came."]),
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


def test_an_end_counts_once_the_next_word_has_begun() -> None:
    assert split_sentences("It costs $29.") == ((), "It costs $29.")
    assert split_sentences("It is over. ") == ((), "It is over. ")
    assert split_sentences("It is over. N") == (("It is over.",), " N")


PIECES = [*"aN5 .!?\"')。\n", "Dr", "No"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@given(TEXTS, st.lists(st.integers(1, 7), max_size=60))
def test_however_text_is_cut_the_sentences_are_the_same(text: str, sizes: list[int]) -> None:
    said: list[str] = []
    rest, place = "", 0
    for size in [*sizes, len(text)]:
        sentences, rest = split_sentences(rest + text[place : place + size])
        said += sentences
        place += size
    whole, left = split_sentences(text)
    assert (said, rest) == (list(whole), left)


@given(TEXTS)
def test_no_character_but_space_is_lost(text: str) -> None:
    sentences, rest = split_sentences(text)
    assert "".join("".join((*sentences, rest)).split()) == "".join(text.split())

"""A synthesiser's words, found in the text that they were made of."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from antiphon.actors.services.word_times import (
    Fit,
    fit_word,
    has_no_spaces,
    nearest_border,
    place_in_text,
    split_at,
)


def told(text: str, *words: str, speech: str | None = None) -> list[str]:
    """The pieces of the text that words tell, and what is left at the end."""
    speech = text if speech is None else speech
    pieces: list[str] = []
    place = begin = 0
    for word in words:
        fit = fit_word(speech, place, word)
        if fit is None:
            pieces.append(f"?{word}")
            continue
        place = fit.end
        end = place_in_text(text, speech, place)
        pieces += [text[begin:end].strip()] if text[begin:end].strip() else []
        begin = max(begin, end)
    return [*pieces, f"+{text[begin:].strip()}"] if text[begin:].strip() else pieces


@pytest.mark.rule("H24")
@pytest.mark.parametrize(
    ("text", "words", "pieces"),
    [
        ("Hello, my friend.", ["Hello", "my", "friend"], ["Hello,", "my", "friend."]),
        ("Hello, my friend.", ["hello,", " my", "FRIEND."], ["Hello,", "my", "friend."]),
        ("Hello , you", ["Hello", ",", " ", "you"], ["Hello", ", you"]),
        ("Hello, you", ["Hello", ",", "you"], ["Hello,", "you"]),
        ("twenty-one", ["twenty", "one"], ["twenty-", "one"]),
        ("你好。再见", ["你", "好", "再见"], ["你", "好。", "再见"]),
        ("- a 'quoted' word", ["a", "quoted", "word"], ["- a", "'quoted'", "word"]),
    ],
)
def test_what_is_told_is_the_texts_own_words(text: str, words: list[str], pieces: list[str]) -> None:
    assert told(text, *words) == pieces


@pytest.mark.rule("H25")
def test_a_lost_word_is_told_with_the_next_one_and_the_last_ones_are_left() -> None:
    assert told("one two three four five", "one", "three", "four") == ["one", "two three", "four", "+five"]


@pytest.mark.rule("H25")
def test_a_word_far_behind_is_not_told_before_those_between() -> None:
    assert told("a b c d e f g h", "a", "h", "b") == ["a", "b", "+c d e f g h"]


@pytest.mark.rule("H25")
def test_a_word_that_fits_nothing_is_none_of_the_texts() -> None:
    assert told("I have $5 left.", "I", "have", "five", "dollars", "left") == [
        *["I", "have", "?five", "?dollars", "$5 left."]
    ]


@pytest.mark.rule("H25")
def test_a_word_may_run_over_the_end_of_the_text() -> None:
    assert fit_word("Go to Ber", 6, "Berlin") == Fit(9, "lin")
    assert fit_word("Go to Ber", 2, "xyz") is None


@pytest.mark.rule("H6")
@pytest.mark.parametrize(
    ("text", "speech", "words", "pieces"),
    [
        ("**Hello** my *friend*", "Hello my friend", ["Hello", "my", "friend"], ["**Hello**", "my", "*friend*"]),
        ("I pay $5 now", "I pay five dollars now", ["I", "pay", "five", "dollars", "now"], ["I", "pay", "$5", "now"]),
        ("Our AI helps", "Our A I helps", ["Our", "A", "I", "helps"], ["Our", "AI", "helps"]),
        ("See [it](http://x.y) -", "See it", ["See", "it"], ["See", "[it](http://x.y) -"]),
    ],
)
def test_words_of_what_is_said_tell_the_words_as_they_were_written(
    text: str, speech: str, words: list[str], pieces: list[str]
) -> None:
    assert told(text, *words, speech=speech) == pieces


WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba.", "c,", "(d)", "e-f"]), min_size=1, max_size=12)


@pytest.mark.rule("H26")
@given(WORDS, st.lists(st.booleans(), min_size=12, max_size=12))
def test_whatever_words_are_lost_the_pieces_joined_are_the_text(words: list[str], kept: list[bool]) -> None:
    text = " ".join(words)
    pieces = told(text, *(word for word, is_kept in zip(words, kept, strict=False) if is_kept))
    mine = [piece.removeprefix("+") for piece in pieces if not piece.startswith("?")]
    assert "".join(" ".join(mine).split()) == "".join(text.split())


@pytest.mark.rule("H25")
def test_languages_without_spaces_are_known() -> None:
    assert [has_no_spaces(text) for text in ("你好", "こんにちは", "สวัสดี", "hello", "안녕 하세요")] == [
        *[True, True, True, False, False]
    ]


@pytest.mark.rule("H45")
def test_without_word_times_speech_is_cut_at_the_nearest_word() -> None:
    text = "one two three"
    assert [nearest_border(text, characters) for characters in (0, 2, 6, 99)] == [0, 3, 7, 13]
    assert split_at([text], 0.5, characters_per_second=None) == (0, 7)  # 7.5 characters
    assert split_at(["abc", "def ghi"], 1.0, characters_per_second=6.0) == (1, 3)
    assert split_at(["abc"], 9.0, characters_per_second=6.0) == (0, 3)

"""What is changed of a text before it is spoken."""

from __future__ import annotations

from collections.abc import Hashable

import attrs
import pytest

from antiphon.actors.services.text_filters import MarkdownFilter, speech_of

pytestmark = pytest.mark.rule("H6")


def said(*texts: str, filters: MarkdownFilter | None = None) -> list[str]:
    memory: Hashable = None
    found: list[str] = []
    for text in texts:
        words, memory = (filters or MarkdownFilter()).filter(text, memory)
        found.append(words.strip())
    return found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("**Hello**, *my* ***friend***.", "Hello, my friend."),
        ("__Hello__, _my_ ~~old~~ friend.", "Hello, my old friend."),
        ("# A title", "A title"),
        ("- one\n- two", "one\ntwo"),
        ("> quoted", "quoted"),
        ("See [the page](http://x.y/z) now.", "See the page now."),
        ("![a cat](cat.png)", "a cat"),
        ("Call `f(x)` first.", "Call f(x) first."),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("| day | time |\n|---|---|\n| Monday | noon |", "day, time.\n\nMonday, noon."),
        ("a<br/>b", "ab"),
    ],
)
def test_markdown_is_read_without_its_marks(text: str, words: str) -> None:
    assert said(text) == [words]


def test_code_and_tables_are_left_out_if_wanted() -> None:
    code = "Look: ```python\nx = 1\n``` Done."
    assert said(code) == ["Look: x = 1\n Done."]
    assert said(code, filters=MarkdownFilter(filter_code=True)) == ["Look:  Done."]
    assert said("| a | b |", filters=MarkdownFilter(filter_tables=True)) == [""]


def test_a_block_of_code_may_go_over_several_texts() -> None:
    assert said("```\nx.", "y.", "``` End.", filters=MarkdownFilter(filter_code=True)) == ["", "", "End."]


@attrs.frozen
class Counting:
    """A filter that numbers its texts."""

    def filter(self, text: str, memory: Hashable) -> tuple[str, Hashable]:
        number = memory + 1 if isinstance(memory, int) else 1
        return f"{number} {text}", number


def test_transforms_come_before_filters_the_types_own_before_that_of_all() -> None:
    transforms = {"card": lambda text: text + "c", "*": lambda text: text + "*"}
    speech, memories = speech_of("x", "card", (), filters=[Counting()], transforms=transforms)
    assert (speech, memories) == ("1 xc*", (1,))
    assert speech_of("y", "sentence", memories, filters=[Counting()], transforms=transforms) == ("2 y*", (2,))

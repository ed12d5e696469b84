"""The picture is asked as a reader sees it: which texts and bars there are, and where."""

import math
import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import attrs
import pytest

from antiphon.demo.lettering import picture_width
from antiphon.demo.story import Moment, Speech, Story, Word
from antiphon.demo.timeline import timeline_svg
from tests.antiphon.demo.stories import BOOKING, CROWDED, speech
from tests.seeds import seeds

SVG = "{http://www.w3.org/2000/svg}"


@attrs.frozen
class Box:
    """What a text or a rectangle covers."""

    text: str
    about: str
    styles: frozenset[str]
    left: float
    right: float
    y: float


def boxes(story: Story, *styles: str) -> list[Box]:
    """The texts and rectangles that have these styles, in the picture's order."""
    found = []
    for group in ET.fromstring(timeline_svg(story)).iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title") or ""
        found += [box(element, title) for element in group if element.tag in (f"{SVG}text", f"{SVG}rect")]
    return [each for each in found if each.styles.issuperset(styles)]


def box(element: ET.Element, about: str) -> Box:
    styles = frozenset(element.get("class", "").split())
    text = element.text or ""
    x, y = float(element.get("x", 0)), float(element.get("y", 0))
    if element.tag == f"{SVG}rect":
        return Box("", about, styles, x, x + float(element.get("width", 0)), y)
    width = 1.1 * picture_width(text, 11.0) if "mark" in styles else picture_width(text, 12.5)
    return Box(text, about, styles, *((x - width, x) if "left" in styles else (x, x + width)), y)


def overlaps(found: list[Box]) -> list[tuple[str, str]]:
    ordered = sorted(found, key=lambda each: (each.y, each.left))
    return [(one.text, two.text) for one, two in pairwise(ordered) if one.y == two.y and two.left < one.right]


def crowd(seed: int) -> Story:
    """A conversation at random: fast and slow words, many cuts, times that contradict each other."""
    dice = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyzWM"
    speeches = []
    for _ in range(dice.randint(0, 14)):
        start = dice.uniform(0, 40)
        times = sorted(start + dice.choice([0.0, dice.uniform(0, 5)]) for _ in range(dice.randint(0, 25)))
        words = ["".join(dice.choices(letters, k=dice.randint(1, 30))) for _ in times]
        cut = dice.randint(0, len(times))
        said = tuple(Word(word, time, index < cut) for index, (word, time) in enumerate(zip(words, times, strict=True)))
        speeches.append(
            Speech(dice.choice(["caller", "agent"]), start, start + dice.uniform(0, 6), said, cut < len(times))
        )
    moments = [
        Moment(
            dice.choice(["interruption", "failure", "restart"]), dice.uniform(0, 45), dice.choice(["stt", "assistant"])
        )
        for _ in range(dice.randint(0, 10))
    ]
    return Story(tuple(sorted(speeches, key=lambda each: each.start)), tuple(moments), dice.uniform(0, 45))


@pytest.mark.parametrize("story", [BOOKING, CROWDED], ids=["booking", "crowded"])
def test_each_heard_word_is_told_once(story: Story) -> None:
    heard = [word.text for each in story.speeches for word in each.words if word.was_heard]
    told = [each.about.rpartition(",")[0] for each in boxes(story, "heard")]
    assert sorted(told) == sorted(heard)


@pytest.mark.parametrize("story", [BOOKING, CROWDED], ids=["booking", "crowded"])
def test_no_two_words_overlap(story: Story) -> None:
    assert overlaps(boxes(story, "word")) == []


@pytest.mark.parametrize("story", [BOOKING, CROWDED], ids=["booking", "crowded"])
def test_no_two_marks_overlap(story: Story) -> None:
    assert overlaps(boxes(story, "mark")) == []


def test_nothing_overlaps_or_leaves_the_picture_whatever_the_times_are() -> None:
    for seed in seeds(60, each_counts=10):
        story = crowd(seed)
        words, marks = boxes(story, "word"), boxes(story, "mark")
        assert overlaps(words) == overlaps(marks) == [], f"seed {seed}"
        assert all(each.left >= 0 and each.right <= 1280 for each in words + marks), f"seed {seed}"
        heard = [word for each in story.speeches for word in each.words if word.was_heard]
        assert len([each for each in words if "heard" in each.styles]) == len(heard), f"seed {seed}"
        assert len(marks) == len(story.moments), f"seed {seed}"


def test_a_word_stands_at_its_time() -> None:
    story = Story((speech("agent", 2.0, "one"), speech("agent", 7.0, "two")), (), 10.0)
    one, two = boxes(story, "heard")
    grid = [float(x) for x in re.findall(r'class="grid" d="M ([\d.]+)', timeline_svg(story))]
    assert (one.left, two.left) == (grid[2], grid[7])


def test_an_unheard_word_is_told_apart() -> None:
    story = Story((speech("agent", 0.0, "For how", unheard="many people?"),), (), 5.0)
    assert [each.text for each in boxes(story, "word", "unheard")] == ["many", "people?"]
    assert [each.text for each in boxes(story, "word", "heard")] == ["For", "how"]


def test_an_unheard_word_never_stands_between_words_that_were_heard() -> None:
    cut = speech("agent", 0.0, "For how", unheard="many people, madam?")
    story = Story((cut, speech("agent", 0.9, "A table for four")), (), 5.0)
    words = sorted(boxes(story, "word"), key=lambda each: (each.y, each.left))
    first_line = ["heard" in each.styles for each in words if each.y == words[0].y]
    assert first_line == sorted(first_line, reverse=True)


def test_of_many_unheard_words_the_number_is_told() -> None:
    story = Story((speech("agent", 0.0, "So", unheard="word " * 100),), (), 5.0)
    assert len(boxes(story, "word", "unheard")) == 24
    assert [each.text for each in boxes(story, "quiet") if each.text.startswith("+")] == ["+ 76 words"]


def test_what_was_cut_is_hatched_from_the_cut_to_the_next_speech_at_most() -> None:
    cut = speech("agent", 0.0, "For how", unheard="many people may I reserve the table?")
    story = Story((cut, speech("agent", 2.0, "Four.")), (), 5.0)
    (hatched,) = boxes(story, "cut")
    first, second = (each for each in boxes(story, "agent") if not each.text)
    assert (hatched.left, hatched.right) == (first.right, second.left)


def test_a_speech_across_the_end_of_a_row_goes_on_in_the_next() -> None:
    story = Story((speech("caller", 9.0, "one two three four five six seven"),), (), 20.0)
    first, second = (each for each in boxes(story, "caller") if not each.text)
    assert first.y < second.y and second.left < first.left


@pytest.mark.parametrize("seconds", [0.0, 0.2, 8.0, 10.0, 20.0, 45.0, 90.0, 600.0])
def test_rows_hold_the_conversation_and_none_is_empty(seconds: float) -> None:
    svg = timeline_svg(Story((), (), seconds))
    labels = [int(label) for label in re.findall(r'class="quiet second"[^>]*>(\d+)<', svg)]
    rows = svg.count('class="row"')
    assert max(labels) >= seconds
    assert rows == max(math.ceil(seconds / 10), 1)
    assert (max(labels) - max(labels) / rows) <= seconds


def test_an_interruption_is_a_line_across_both_lanes() -> None:
    story = Story(BOOKING.speeches, (Moment("interruption", 9.75),), BOOKING.seconds)
    ((top, bottom),) = re.findall(r'class="line interruption" d="M [\d.]+ ([\d.]+) V ([\d.]+)"', timeline_svg(story))
    (mark,) = boxes(story, "mark", "interruption")
    lanes = [each.y for each in boxes(story, "track")]
    assert len([y for y in lanes if float(top) <= y <= float(bottom)]) == 2
    assert mark.text == "cut in 9.8 s"


def test_a_failure_and_a_restart_name_the_actor_and_the_time() -> None:
    story = Story((), (Moment("failure", 4.0, "stt"), Moment("restart", 4.02, "stt")), 9.0)
    assert [each.text for each in boxes(story, "mark")] == ["stt failed 4.0 s", "stt restarted 4.0 s"]


def test_pauses_and_calls_are_told() -> None:
    moments = (Moment("pause", 1.0), Moment("resume", 2.0), Moment("call", 4.0, "book"), Moment("result", 7.0, "book"))
    story = Story((), moments, 9.0)
    told = [each.text for each in boxes(story, "mark")]
    assert told == ["paused 1.0 s", "goes on 2.0 s", "calls book 4.0 s", "book returned 7.0 s"]
    assert "9.0 s, 0 turns, 1 pause, 1 call" in timeline_svg(story)


def test_turns_and_what_is_written_are_told_where_a_story_has_them() -> None:
    moments = (
        Moment("turn", 1.0),
        Moment("words", 2.0, "hello there"),
        Moment("written", 2.0, "question"),
        Moment("over", 2.5),
    )
    story = Story((speech("caller", 1.0, "hello there"),), moments, 9.0)
    told = [each.text for each in boxes(story, "mark")]
    assert told == ["turn begins 1.0 s", "heard as “hello there” 2.0 s", "question written 2.0 s", "turn is over 2.5 s"]
    assert "9.0 s</text>" in timeline_svg(story), "speeches aren't counted as turns where turns are told"


def test_a_long_legend_goes_on_in_a_second_line_and_leaves_the_picture_nowhere() -> None:
    kinds = (
        "pause",
        "resume",
        "interruption",
        "call",
        "result",
        "failure",
        "restart",
        "turn",
        "over",
        "words",
        "written",
    )
    story = Story((), tuple(Moment(kind, 1.0) for kind in kinds), 9.0)  # type: ignore[arg-type]  # a tuple of literals
    svg = timeline_svg(story, "Everything")
    legend = [box(each, "") for each in ET.fromstring(svg).findall(f"{SVG}text") if each.get("class") == "quiet"]
    assert "Everything" in svg
    assert max(each.right for each in legend) <= 1280
    assert len({each.y for each in legend}) > 2


def test_a_moment_at_the_very_end_is_drawn_with_its_label_on_the_left() -> None:
    story = Story((), (Moment("restart", 20.0, "output"),), 20.0)
    (mark,) = boxes(story, "mark", "left")
    assert mark.right <= 1280


def test_the_legend_explains_only_what_is_there() -> None:
    plain = timeline_svg(Story((speech("agent", 0.0, "Hello"),), (), 2.0))
    crowded = timeline_svg(CROWDED)
    for words in ("words that were cut", "the caller cut in", "an actor failed", "an actor was restarted"):
        assert words in crowded and words not in plain


def test_words_that_come_together_are_drawn_one_by_one() -> None:
    together = Speech("caller", 1.0, 4.0, (Word("a table for four", 1.0),))
    found = boxes(Story((together,), (), 5.0), "heard")
    assert [each.text for each in found] == ["a", "table", "for", "four"]
    assert [each.left for each in found] == sorted(each.left for each in found)


def test_a_long_word_is_shortened_and_told_in_full_when_pointed_at() -> None:
    name = "Donaudampfschifffahrtsgesellschaftskapitän"
    (word,) = boxes(Story((speech("caller", 0.0, name),), (), 2.0), "heard")
    assert word.text == "Donaudampfschifffahrt…"
    assert name in word.about


def test_text_is_escaped_and_what_xml_forbids_is_left_out() -> None:
    nasty = '</text><script>alert("1")</script>&\x00\x1b\ud800\ufffe'
    svg = timeline_svg(
        Story(
            (attrs.evolve(speech("caller", 0.0, nasty), understood=nasty),),
            (Moment("failure", 1.0, nasty),),
            2.0,
        )
    )
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(svg.encode()).iter()}
    assert tags == {"svg", "title", "desc", "style", "defs", "pattern", "g", "rect", "path", "text"}


def test_nothing_is_fetched_from_outside() -> None:
    addresses = re.findall(r"https?://[^\"\s]+|url\([^)]*\)|@import|href", timeline_svg(CROWDED))
    assert set(addresses) == {"http://www.w3.org/2000/svg", "url(#hatching)"}


def test_dark_surroundings_get_colours_of_their_own() -> None:
    light, dark = timeline_svg(BOOKING).split("@media (prefers-color-scheme: dark)")
    for style in (".paper", ".caller", ".agent", ".unheard", "text.interruption", "text.failure", "text.restart"):
        assert re.search(rf"{re.escape(style)}[^{{}}]*{{", light) and re.search(rf"{re.escape(style)}[^{{}}]*{{", dark)


def test_the_same_story_gives_the_same_picture() -> None:
    assert timeline_svg(CROWDED) == timeline_svg(attrs.evolve(CROWDED))


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_a_time_that_is_no_number_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="Give seconds since the conversation began"):
        timeline_svg(Story((), (), seconds))

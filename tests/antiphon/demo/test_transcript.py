"""The transcript is read where it is read in life: on a small terminal of our own, or from a plain stream."""

import io
import re

import attrs
import pytest

from antiphon.demo.lettering import cells, wrapped
from antiphon.demo.story import Speech, Story, Word
from antiphon.demo.transcript import Transcript, response_time, turns_table
from tests.antiphon.demo.stories import BOOKING, CROWDED, speech


@attrs.define
class Clock:
    """Seconds as a test sets them."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@attrs.define
class Desk:
    """A transcript, its clock and its stream."""

    is_terminal: bool = False
    width: int = 80
    clock: Clock = attrs.field(factory=Clock, init=False)
    stream: io.StringIO = attrs.field(factory=io.StringIO, init=False)
    transcript: Transcript = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.transcript = Transcript(self.stream, is_terminal=self.is_terminal, width=self.width, clock=self.clock)

    def at(self, seconds: float) -> Transcript:
        self.clock.seconds = seconds
        return self.transcript

    @property
    def raw(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        """What a reader sees, without colours."""
        return screen(self.raw, self.width) if self.is_terminal else self.raw.splitlines()


def screen(raw: str, width: int) -> list[str]:
    """What a terminal of this width shows after these characters. Knows no more than the transcript may use."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Za-z]|.", raw, re.DOTALL):
        if part == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif part == "\r":
            column = 0
        elif re.fullmatch(r"\x1b\[\d+A", part):
            row -= int(part[2:-1])
            assert row >= 0, "the cursor left the terminal at the top"
        elif part == "\x1b[J":
            rows[row:] = [rows[row][:column]]
        elif re.fullmatch(r"\x1b\[\d*m", part):
            pass
        else:
            assert not part.startswith("\x1b"), f"an escape code that this terminal doesn't know: {part!r}"
            assert column < width, f"the terminal would wrap this itself: {rows[row]!r}"
            rows[row] = rows[row][:column].ljust(column) + part + rows[row][column + 1 :]
            column += cells(part)
    return [each.rstrip() for each in rows]


def converse(desk: Desk) -> None:
    """A question, a failure meanwhile, and an answer that is cut."""
    desk.at(1.0).caller_partial("a table")
    desk.at(1.5).caller_partial("a table for four")
    desk.at(1.6).failed("stt", "EngineError: it ended with -9")
    desk.at(1.7).restarted("stt")
    desk.at(2.0).caller_said("a table for four")
    desk.at(3.0).agent_word("With")
    desk.at(3.3).agent_word("pleasure.")
    desk.at(3.6).caller_partial("friday")
    desk.at(3.7).interrupted(3.7)
    desk.at(3.8).agent_ended()
    desk.at(4.5).caller_said("friday")
    desk.at(5.0).note("the caller hung up")


CONVERSATION = [
    "  1.6  stt        failed: EngineError: it ended with -9",
    "  1.7  stt        restarted",
    "  1.0  caller     a table for four",
    "  3.0  agent      With pleasure. --",
    "  3.7  caller     cut in",
    "  3.6  caller     friday",
    "  5.0  note       the caller hung up",
]


@pytest.fixture(autouse=True)
def _colours_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_plain_stream_gets_each_line_when_it_is_complete() -> None:
    desk = Desk()
    converse(desk)
    assert desk.lines == CONVERSATION


def test_a_plain_stream_gets_no_escape_codes() -> None:
    desk = Desk()
    converse(desk)
    assert "\x1b" not in desk.raw and "\r" not in desk.raw


def test_a_plain_stream_gets_nothing_of_what_is_unfinished() -> None:
    desk = Desk()
    desk.at(1.0).caller_partial("a table")
    desk.at(1.2).agent_word("Wel-")
    assert desk.raw == ""


def test_a_terminal_ends_up_with_the_same_lines() -> None:
    desk = Desk(is_terminal=True)
    converse(desk)
    assert desk.lines == [*CONVERSATION, ""]


def test_a_terminal_shows_what_is_being_said_in_one_place() -> None:
    desk = Desk(is_terminal=True)
    for text in ("a", "a table", "a table for", "a cable for four"):
        desk.at(1.0).caller_partial(text)
    assert desk.lines == ["  1.0  caller     a cable for four"]


def test_two_who_speak_at_once_have_a_line_each() -> None:
    desk = Desk(is_terminal=True)
    desk.at(1.0).agent_word("Welcome")
    desk.at(1.4).caller_partial("hello")
    desk.at(1.5).agent_word("to")
    assert desk.lines == ["  1.0  agent      Welcome to", "  1.4  caller     hello"]


def test_a_long_text_is_wrapped_and_still_updated_in_place() -> None:
    desk = Desk(is_terminal=True, width=40)
    for word in ["We", "have", "room", "for", "up", "to", "twelve", "guests,", "inside", "or", "on", "the", "terrace"]:
        desk.at(2.0).agent_word(word)
    desk.at(5.0).failed("tts", "gone")
    assert desk.lines == [
        "  5.0  tts        failed: gone",
        "  2.0  agent      We have room for up",
        "                  to twelve guests,",
        "                  inside or on the",
        "                  terrace",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    desk = Desk(is_terminal=True, width=max(width, 31))
    for each in CROWDED.speeches:
        desk.at(each.start).caller_partial(each.heard)
        desk.at(each.end).caller_said(each.heard)
    assert all(cells(line) < desk.width for line in desk.lines)


def test_a_partial_text_is_dim_and_a_final_one_is_not() -> None:
    partial, final = Desk(is_terminal=True), Desk(is_terminal=True)
    partial.at(1.0).caller_partial("hello")
    final.at(1.0).caller_said("hello")
    assert "\x1b[2mhello" in partial.raw and "\x1b[2m" not in final.raw


def test_no_color_leaves_a_terminal_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    desk = Desk(is_terminal=True)
    converse(desk)
    assert not re.search(r"\x1b\[\d*m", desk.raw)
    assert desk.lines == [*CONVERSATION, ""]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_others_wrote_cannot_steer_the_terminal(is_terminal: bool) -> None:
    desk = Desk(is_terminal=is_terminal)
    desk.at(1.0).caller_said("one\x1b[2J\ntwo\r\x07three")
    assert desk.lines[0] == "  1.0  caller     one [2J two three"


def test_what_the_stream_cannot_write_is_replaced() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Transcript(stream, is_terminal=False, width=80, clock=Clock()).caller_said("Käse")
    assert raw.getvalue().decode("ascii").strip() == "0.0  caller     K?se"


def test_an_answer_that_was_cut_comes_before_the_cut() -> None:
    desk = Desk()
    desk.at(1.0).agent_word("For")
    desk.at(1.5).interrupted(1.5)
    assert desk.lines == []
    desk.at(1.6).agent_ended()
    assert desk.lines == ["  1.0  agent      For --", "  1.5  caller     cut in"]


def test_an_answer_that_is_held_ends_its_line_and_begins_another_when_it_goes_on() -> None:
    desk = Desk()
    desk.at(1.0).agent_word("We")
    desk.at(1.5).agent_held()
    desk.at(2.0).caller_said("mhm")
    desk.at(2.1).agent_word("are")
    desk.at(2.5).agent_ended()
    assert desk.lines[:3] == ["  1.0  agent      We ..", "  2.0  caller     mhm", "  2.1  agent      are"]


def test_a_cut_before_the_first_word_is_told_at_once() -> None:
    desk = Desk()
    desk.at(1.6).interrupted(1.5)
    assert desk.lines == ["  1.5  caller     cut in"]


def test_the_end_of_an_agent_that_said_nothing_is_no_line() -> None:
    desk = Desk()
    desk.at(1.0).agent_ended()
    assert desk.raw == ""


def test_closing_keeps_what_the_agent_said_and_drops_a_guess() -> None:
    desk = Desk(is_terminal=True)
    desk.at(1.0).agent_word("Good-")
    desk.at(1.5).caller_partial("mhm")
    desk.transcript.close()
    assert desk.lines == ["  1.0  agent      Good-", ""]


def test_a_clock_may_be_set_later() -> None:
    desk = Desk()
    desk.transcript.clock = Clock(seconds=7.0)
    desk.transcript.note("it begins")
    assert desk.lines == ["  7.0  note       it begins"]


# --- the table of turns


def table(*speeches: Speech, width: int = 80) -> list[str]:
    return turns_table(Story(speeches, (), 60.0), width).splitlines()


def test_the_table_tells_who_what_when_and_how_soon() -> None:
    assert turns_table(BOOKING, 80).splitlines() == [
        "turn  who              when  response  what",
        "   1  agent     0.4 - 4.5 s         -  Good evening, this is the Golden Lion.",
        "                                       How can I help you?",
        "   2  caller    5.2 - 7.6 s     0.7 s  I'd like to book a table, please.",
        "   3  agent     8.4 - 9.8 s     0.8 s  With pleasure. For how --",
        "                                         [not heard: many people may I reserve",
        "                                         the table? We have room for up to",
        "                                         twelve, inside or on the terrace.]",
        "   4  caller   9.4 - 10.4 s    cut in  For four people.",
        "   5  agent   11.3 - 15.4 s     0.9 s  A table for four. On which day would you",
        "                                       like to come?",
        "   6  caller  15.9 - 17.3 s     0.5 s  On Friday at eight.",
        "   7  agent   18.2 - 21.3 s     0.9 s  Four people, Friday, eight o'clock. It",
        "                                       is booked. Goodbye!",
    ]


@pytest.mark.parametrize("width", [52, 80, 120])
def test_the_table_keeps_to_its_width(width: int) -> None:
    assert all(cells(line) < width for line in turns_table(CROWDED, width).splitlines())


def test_the_table_of_nothing_is_its_titles() -> None:
    assert table() == ["turn  who  when  response  what"]


def test_what_the_agent_misunderstood_is_told() -> None:
    caller = speech("caller", 1.0, "For four people.", understood="for forty people")
    assert table(caller)[-1].strip() == "[understood: for forty people]"


def test_what_the_agent_did_not_understand_at_all_is_told() -> None:
    assert table(speech("caller", 1.0, "mhm"))[-1].strip() == "[understood: nothing]"


def test_a_noise_has_no_words() -> None:
    assert table(Speech("agent", 1.0, 1.5, ()))[-1].endswith("(no words)")


def test_who_is_held_goes_on_and_what_came_meanwhile_is_no_cut() -> None:
    held = Speech("agent", 1.0, 2.0, (Word("We", 1.0),), was_held=True)
    rows = table(held, speech("caller", 1.8, "Mhm.", understood="mhm"), speech("agent", 3.0, "are open."))
    assert [row.split("s", 1)[1].split() for row in rows[1:]] == [
        ["-", "We", ".."],
        ["meanwhile", "Mhm."],
        ["goes", "on", "are", "open."],
    ]


def test_who_was_held_and_then_cut_was_cut() -> None:
    cut = Speech("agent", 1.0, 2.0, (Word("We", 1.0),), was_interrupted=True, was_held=True)
    rows = table(cut, speech("caller", 1.8, "Stop."), speech("agent", 3.0, "Yes?"))
    assert rows[1].endswith("We --") and "cut in" in rows[2] and "0.9 s" in rows[-1]


def answer(*speeches: Speech) -> float | None:
    """The response time of the last."""
    return response_time(Story(speeches, (), 60.0), len(speeches) - 1)


def spoken(start: float, end: float, *, is_callers: bool, was_interrupted: bool = False) -> Speech:
    return Speech("caller" if is_callers else "agent", start, end, (Word("so", start),), was_interrupted)


def test_a_response_time_runs_from_the_end_of_the_others_speech() -> None:
    assert answer(spoken(1.0, 2.0, is_callers=True), spoken(2.5, 4.0, is_callers=False)) == 0.5


def test_who_cuts_in_has_a_negative_response_time() -> None:
    assert answer(spoken(1.0, 4.0, is_callers=False), spoken(3.0, 5.0, is_callers=True)) == -1.0


def test_who_speaks_first_answers_nothing() -> None:
    assert answer(spoken(1.0, 4.0, is_callers=False)) is None


def test_who_goes_on_by_itself_answers_nothing() -> None:
    mhm = spoken(2.0, 2.2, is_callers=True)
    assert answer(spoken(1.0, 4.0, is_callers=False), mhm, spoken(5.0, 6.0, is_callers=False)) is None


def test_who_was_cut_answers_the_one_who_cut_in() -> None:
    cut = spoken(1.0, 4.0, is_callers=False, was_interrupted=True)
    assert answer(cut, spoken(3.0, 3.5, is_callers=True), spoken(4.5, 6.0, is_callers=False)) == 1.0


# --- how much room a text takes


def test_wide_characters_take_two_columns_and_accents_none() -> None:
    assert [cells(text) for text in ("ab", "日本", "e\u0301")] == [2, 4, 1]


@pytest.mark.parametrize("width", [1, 2, 5, 11, 80])
def test_wrapping_loses_no_letter(width: int) -> None:
    text = "Donaudampfschifffahrt 日本語 to a far and very distant shore"
    lines = wrapped(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cells(line) <= max(width, 2) for line in lines)

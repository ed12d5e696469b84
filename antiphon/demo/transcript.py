"""A conversation in a terminal: each line as it comes to be, and afterwards the table of its turns.

1. What is finished is written once and stays. What is still being said stands in the lines below it, and only those are
   written again; a stream that is no terminal gets finished lines alone.
2. Texts come from recognisers, models and errors: nothing of them reaches the terminal but what can be printed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

import attrs

from .lettering import cells, printable, wrapped
from .story import Speech, Story

__all__ = ["Transcript", "response_time", "turns_table"]

RESET, DIM = "\x1b[0m", "\x1b[2m"
COLOURS = {
    "caller": "\x1b[36m",
    "agent": "\x1b[32m",
    "failed": "\x1b[31m",
    "restarted": "\x1b[35m",
    "cut in": "\x1b[33m",
}
CLEAR_BELOW = "\x1b[J"
CUT = " --"
"""Stands where an answer was cut."""
HELD = " .."
"""Stands where an answer was held, to go on or to be cut."""
NARROWEST = 12
"""No text is wrapped into less, however narrow the terminal is."""


@attrs.frozen
class _Line:
    """One entry: it is as many lines of the terminal as its text needs."""

    time: float
    speaker: str
    text: str
    colour: str = ""
    is_partial: bool = False


class Transcript:
    """Writes a conversation on a stream while it goes on.

    `clock` tells the seconds since the conversation began; it may be set later. Without one they count from here.
    A line's time is when its first word came.
    """

    def __init__(
        self, stream: TextIO, *, is_terminal: bool, width: int, clock: Callable[[], float] | None = None
    ) -> None:
        made = time.monotonic()
        self.clock = clock or (lambda: time.monotonic() - made)
        self._stream = stream
        self._is_terminal = is_terminal
        self._is_coloured = is_terminal and not os.environ.get("NO_COLOR")
        self._width = width
        self._caller: _Line | None = None
        self._agent: _Line | None = None
        self._cut_in: _Line | None = None
        self._drawn = 0
        """How many lines of the terminal hold what is still being said."""

    def caller_partial(self, text: str) -> None:
        """What the recogniser makes of the caller so far."""
        began = self._caller.time if self._caller else self.clock()
        self._caller = _Line(began, "caller", text, COLOURS["caller"], is_partial=True)
        self._redraw()

    def caller_said(self, text: str) -> None:
        """What the recogniser made of the caller in the end."""
        began = self._caller.time if self._caller else self.clock()
        self._caller = None
        self._finish(_Line(began, "caller", text, COLOURS["caller"]))

    def agent_word(self, text: str) -> None:
        """A word of the agent's was heard."""
        said, began = (f"{self._agent.text} ", self._agent.time) if self._agent else ("", self.clock())
        self._agent = _Line(began, "agent", said + text, COLOURS["agent"])
        self._redraw()

    def agent_ended(self) -> None:
        """The agent has stopped, cut or not; does nothing when it had said nothing."""
        agent, cut_in, self._agent, self._cut_in = self._agent, self._cut_in, None, None
        if agent and cut_in:
            self._finish(attrs.evolve(agent, text=agent.text + CUT), cut_in)
        elif agent:
            self._finish(agent)

    def agent_held(self) -> None:
        """The agent pauses, for the caller made a sound; its line ends here whatever becomes of it."""
        agent, self._agent = self._agent, None
        if agent:
            self._finish(attrs.evolve(agent, text=agent.text + HELD))

    def interrupted(self, time: float) -> None:
        """The caller cut in then. If the agent was heard, its line ends, cut, with `agent_ended`."""
        line = _Line(time, "caller", "cut in", COLOURS["cut in"])
        if self._agent is None:
            self._finish(line)
        elif self._cut_in is None:
            self._cut_in = line
            self._redraw()

    def failed(self, actor: str, error: str) -> None:
        self._finish(_Line(self.clock(), actor, f"failed: {error}", COLOURS["failed"]))

    def restarted(self, actor: str) -> None:
        self._finish(_Line(self.clock(), actor, "restarted", COLOURS["restarted"]))

    def note(self, text: str) -> None:
        """Something about the conversation that nobody in it said."""
        self._finish(_Line(self.clock(), "note", text, DIM))

    def close(self) -> None:
        """Finish what the agent was saying; forget what the recogniser hadn't made up its mind about."""
        self._caller = None
        self.agent_ended()
        self._redraw()

    def _finish(self, *lines: _Line) -> None:
        self._erase()
        for line in lines:
            self._write("".join(f"{row}\n" for row in self._rows(line)))
        self._draw()

    def _redraw(self) -> None:
        self._erase()
        self._draw()

    def _erase(self) -> None:
        if self._drawn:
            # The cursor stands at the end of the last of them.
            up = f"\x1b[{self._drawn - 1}A" if self._drawn > 1 else ""
            self._write(f"\r{up}{CLEAR_BELOW}")
            self._drawn = 0

    def _draw(self) -> None:
        if self._is_terminal:
            rows = [row for line in self._open_lines() for row in self._rows(line)]
            self._write("\n".join(rows))
            self._drawn = len(rows)
        self._stream.flush()

    def _open_lines(self) -> list[_Line]:
        lines = [line for line in (self._agent, self._cut_in, self._caller) if line]
        return sorted(lines, key=lambda line: line.time)

    def _rows(self, line: _Line) -> Iterator[str]:
        head = f"{line.time:5.1f}  {printable(line.speaker):<9}  "
        # One column stays free: a terminal whose last column is written may or may not begin a new line.
        rows = wrapped(line.text, max(self._width - cells(head) - 1, NARROWEST))
        for number, row in enumerate(rows):
            start = head if number == 0 else " " * cells(head)
            if self._is_coloured:
                yield f"{line.colour}{start}{DIM if line.is_partial else ''}{row}{RESET}"
            else:
                yield f"{start}{row}".rstrip()

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))


def turns_table(story: Story, width: int) -> str:
    """Who said what, when, and how soon after the other; plain text, `width` columns at most where that is possible.

    A speech that began before the other had ended "cut in", or came "meanwhile" if the other "goes on". What an interruption
    cut stands below what was heard, and so does what the agent understood of the caller where that isn't what was said.
    """
    titles = ("turn", "who", "when", "response")
    rows = [
        (f"{index + 1}", speech.who, f"{speech.start:.1f} - {speech.end:.1f} s", _response(story, index))
        for index, speech in enumerate(story.speeches)
    ]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    indent = sum(widths) + 2 * len(widths)
    room = max(width - indent - 1, NARROWEST)
    lines = [_row(titles, widths) + "what"]
    for values, speech in zip(rows, story.speeches, strict=True):
        first, *others = _what(speech, room)
        lines += [_row(values, widths) + first, *(" " * indent + text for text in others)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def response_time(story: Story, index: int) -> float | None:
    """Seconds from the end of the other's speech to the start of this one; negative when this one cut in.

    None when this one answers nothing: nobody spoke before, or its own side spoke last, of its own accord.
    """
    speech = story.speeches[index]
    before = story.speeches[:index]
    other = next((each for each in reversed(before) if each.who != speech.who), None)
    own = next((each for each in reversed(before) if each.who == speech.who), None)
    if other is None or (own is not None and own.end > other.end and not own.was_interrupted):
        return None
    return speech.start - other.end


def _response(story: Story, index: int) -> str:
    seconds = response_time(story, index)
    speech, before = story.speeches[index], story.speeches[:index]
    own = next((each for each in reversed(before) if each.who == speech.who), None)
    if own is not None and own.was_held and not own.was_interrupted:
        return "goes on"
    if seconds is None:
        return "-"
    if seconds >= 0:
        return f"{seconds:.1f} s"
    other = next(each for each in reversed(before) if each.who != speech.who)
    return "meanwhile" if other.was_held and not other.was_interrupted else "cut in"


def _row(values: Sequence[str], widths: Sequence[int]) -> str:
    turn, who, when, response = values
    return f"{turn:>{widths[0]}}  {who:<{widths[1]}}  {when:>{widths[2]}}  {response:>{widths[3]}}  "


def _what(speech: Speech, room: int) -> list[str]:
    heard = printable(speech.heard) or "(no words)"
    end = CUT if speech.was_interrupted else HELD if speech.was_held else ""
    lines = wrapped(heard + end, room)
    if speech.unheard:
        lines += _told_apart("not heard", speech.unheard, room)
    if speech.who == "caller" and _letters(speech.understood or "") != _letters(heard):
        lines += _told_apart("understood", speech.understood or "nothing", room)
    return lines


def _told_apart(label: str, text: str, room: int) -> list[str]:
    return [f"  {line}" for line in wrapped(f"[{label}: {text}]", max(room, NARROWEST) - 2)]


def _letters(text: str) -> list[str]:
    """What a recogniser would get right of it: the words, without capitals and punctuation."""
    kept = "".join(character if character.isalnum() or character == "'" else " " for character in text.casefold())
    return kept.split()

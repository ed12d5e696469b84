"""Draws docs/pictures/turn-*.svg: the conversations that docs/who-may-speak.md plays, each as a timeline.

python -m scripts.turn_pictures            # draw them; `make fix` does it
python -m scripts.turn_pictures --check    # say which aren't what the page plays; exit code 1 if any isn't
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from antiphon.actors import Delivery, Dropped, Event, Failure, Restart
from antiphon.channels import (
    CancelFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from antiphon.demo.story import Moment, Speech, Story, Word
from antiphon.demo.storyteller import Storyteller
from antiphon.demo.timeline import timeline_svg
from antiphon.demo.transcript import Transcript
from antiphon.scenarios import Trace
from scripts.run_page import blocks_in

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "who-may-speak.md"
FOLDER = ROOT / "docs" / "pictures"

TITLES = {
    "normal": "A turn, and its answer",
    "barge-in": "Cutting in",
    "late-transcript": "Words that come late",
    "false-interruption": "It was nothing",
    "tool-call": "While something is looked up",
    "realtime": "A model that hears and speaks",
}
STARTS = VADUserStartedSpeakingFrame, ProposedUserStartedSpeakingFrame
STOPS = VADUserStoppedSpeakingFrame, ProposedUserStoppedSpeakingFrame
REST = 0.5
"""Seconds of silence that a picture ends with."""


class Retold(Storyteller):
    """Tells from a trace what the demo's storyteller would have told of a live conversation."""

    def __init__(self) -> None:
        self.time = 0.0
        super().__init__(Transcript(io.StringIO(), is_terminal=False, width=80), began=0.0)

    def now(self) -> float:
        return self.time

    def hear(self, each: object) -> None:
        match each:
            case Delivery():
                self.time = each.time
                self.agent.delivered(each)
            case Dropped():
                self.time = each.delivery.time
                self.agent.dropped(each)
            case Failure():
                self.agent.failed(each)
            case Restart():
                self.agent.restarted(each)
            case _:
                pass


def played() -> dict[str, Trace]:
    """What the page has played, by name."""
    namespace: dict[str, dict[str, Trace]] = {}
    for block in blocks_in(PAGE.read_text()):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(PAGE), "exec"), namespace)
    return namespace["played"]


def story_of(trace: Trace) -> Story:
    """The conversation as it was heard, when the user's turn was open, and when what was written."""
    teller = Retold()
    history = [
        each for each in trace.history if not (isinstance(each, Delivery) and isinstance(each.frame, CancelFrame))
    ]
    for each in history:
        teller.hear(each)
    told = teller.story()
    caller = tuple(speeches(history))
    agent = tuple(attrs.evolve(each, understood=None) for each in told.speeches)
    moments = (*told.moments, *(moment for each in history if (moment := moment_of(each)) is not None))
    ends = [*(each.end for each in (*caller, *agent)), *(moment.time for moment in moments)]
    everything = sorted((*caller, *agent), key=lambda each: each.start)
    return Story(tuple(everything), tuple(sorted(moments, key=lambda each: each.time)), max(ends) + REST)


def speeches(history: Sequence[object]) -> Iterator[Speech]:
    """What the caller says: a stretch of sound, and the words that are told of it, spread over it."""
    stretches: list[tuple[float, float]] = []
    words: dict[int, str] = {}
    began: float | None = None
    for each in history:
        if not isinstance(each, Delivery) or each.receiver.name != "user":
            continue
        if isinstance(each.frame, STARTS):
            began = each.time
        elif isinstance(each.frame, STOPS) and began is not None:
            stretches.append((began, each.time))
        elif isinstance(each.frame, TranscriptionFrame):
            words[len(stretches) - 1] = each.frame.text
    for number, (start, end) in enumerate(stretches):
        text = words.get(number)
        yield Speech("caller", start, end, () if text is None else (Word(text, start),), understood=text)


def moment_of(each: object) -> Moment | None:
    if isinstance(each, Delivery) and isinstance(each.frame, TranscriptionFrame) and each.receiver.name == "user":
        return Moment("words", each.time, each.frame.text)
    if not isinstance(each, Event):
        return None
    match each.name:
        case "on_user_turn_started":
            return Moment("turn", each.time)
        case "on_user_turn_stopped":
            return Moment("over", each.time)
        case "on_user_turn_message_added":
            return Moment("written", each.time, "question")
        case "on_assistant_message_added":
            return Moment("written", each.time, "answer")
        case _:
            return None


def pictures() -> Mapping[Path, str]:
    """Each picture's place and text. Raises `KeyError` for a conversation that the page doesn't play, or plays without a title."""
    traces = played()
    return {
        FOLDER / f"turn-{name}.svg": timeline_svg(story_of(traces[name]), TITLES[name]) for name in {**TITLES, **traces}
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draws the pictures of docs/who-may-speak.md.")
    parser.add_argument("--check", action="store_true", help="draw nothing; say what is out of date")
    checks = parser.parse_args(argv).check
    outdated = [path for path, text in pictures().items() if not path.exists() or path.read_text() != text]
    if not checks:
        for path, text in pictures().items():
            path.write_text(text)
        return 0
    for path in outdated:
        print(f"{path.relative_to(ROOT)} isn't what docs/who-may-speak.md plays: `make fix`")
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())

"""An actor by itself: which handler gets what, the pure step, and a randomness of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from antiphon import Actor, Address, After, Both, Interrupt, Pipeline, To, Up, actor, on, state
from antiphon.actors import Effect
from antiphon.channels import (
    EndFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    SystemFrame,
    TextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
)
from antiphon.scenarios import Sleep, Trace, play


@attrs.frozen
class Question:
    """A message."""

    text: str


@attrs.frozen
class LoudQuestion(Question):
    """A message of a more special kind."""


# --- which handler


@actor
class Tags(Actor):
    """Says which of its handlers got a frame."""

    @on(TextFrame)
    def of_text(self, frame: TextFrame) -> TextFrame:
        return TextFrame("text")

    @on(TranscriptionFrame)
    def of_transcripts(self, frame: TranscriptionFrame) -> TextFrame:
        return TextFrame("transcript")

    @on(Question)
    def of_questions(self, message: Question) -> TextFrame:
        return TextFrame(type(message).__name__)


@actor
class TagsAnew(Tags):
    """Defines one handler anew, without a word on what it handles."""

    def of_text(self, frame: TextFrame) -> TextFrame:
        return TextFrame("text anew")


@actor
class TagsElsewhere(Tags):
    """Handles the same frames by a method of another name."""

    @on(TextFrame)
    def other(self, frame: TextFrame) -> TextFrame:
        return TextFrame("elsewhere")


@actor
class TagsOther(Tags):
    """Defines a handler anew for other frames."""

    @on(UserStartedSpeakingFrame)
    def of_text(self, frame: Any) -> TextFrame:
        return TextFrame("other")


@pytest.mark.parametrize(
    ("tags", "given", "sent"),
    [
        (Tags(), TextFrame("x"), TextFrame("text")),
        (Tags(), TranscriptionFrame("x"), TextFrame("transcript")),
        (Tags(), LoudQuestion("?"), TextFrame("LoudQuestion")),
        (TagsAnew(), TextFrame("x"), TextFrame("text anew")),
        (TagsAnew(), TranscriptionFrame("x"), TextFrame("transcript")),
        (TagsElsewhere(), TextFrame("x"), TextFrame("elsewhere")),
        (TagsOther(), UserStartedSpeakingFrame(), TextFrame("other")),
        (TagsOther(), TextFrame("x"), TextFrame("x")),
        (TagsOther(), TranscriptionFrame("x"), TextFrame("transcript")),
    ],
)
def test_the_most_specific_handler_that_the_class_or_its_bases_name_gets_it(
    tags: Actor, given: object, sent: Frame
) -> None:
    assert tags.handle(given) == (sent,)


def test_a_base_class_keeps_its_handlers_when_a_subclass_defines_others() -> None:
    assert Tags().handle(UserStartedSpeakingFrame()) == (UserStartedSpeakingFrame(),)


@actor
class TakesAll(Actor):
    """Takes whatever it gets."""

    taken: list[object] = state(list)

    @on(Frame, SystemFrame)
    def take(self, frame: Frame) -> None:
        self.taken.append(frame)


@pytest.mark.rule("LC1")
@pytest.mark.parametrize("frame", [StartFrame(), EndFrame(), InterruptionFrame()])
def test_a_handler_of_a_base_class_gets_no_lifecycle_frame_and_no_interruption(frame: Frame) -> None:
    takes = TakesAll()
    takes.handle(frame)
    assert takes.taken == []


# --- the pure step


@actor
class Answers(Actor):
    """Gives its effects in each form that there is."""

    heard: int = state(0)

    @on(TextFrame)
    def answer(self, frame: TextFrame) -> Iterator[Effect]:
        self.heard += 1
        yield Up(frame)
        yield Both(TextFrame(str(self.heard)))
        yield To(Address("user"), Question("?"))
        yield After(1, Question("later"))
        yield Interrupt()

    @on(Question)
    def listen(self, message: Question) -> list[Effect]:
        return [TextFrame(message.text)] * 2

    @on(UserStartedSpeakingFrame)
    def swallow(self, frame: UserStartedSpeakingFrame) -> None: ...

    @on(EndFrame)
    async def leave(self, frame: EndFrame) -> None: ...


@pytest.mark.parametrize(
    ("given", "effects"),
    [
        (
            TextFrame("x"),
            (
                Up(TextFrame("x")),
                Both(TextFrame("1")),
                To(Address("user"), Question("?")),
                After(1, Question("later")),
                Interrupt(),
            ),
        ),
        (Question("x"), (TextFrame("x"), TextFrame("x"))),
        (UserStartedSpeakingFrame(), ()),
        (StartFrame(), (StartFrame(),)),
    ],
)
def test_one_step_of_a_plain_handler_gives_its_effects_without_a_session(given: object, effects: object) -> None:
    assert Answers().handle(given) == effects


def test_a_step_changes_the_actors_state() -> None:
    answers = Answers()
    answers.handle(TextFrame("x"))
    assert answers.handle(TextFrame("x"))[1] == Both(TextFrame("2"))


def test_a_step_has_no_sender() -> None:
    assert Answers().sender is None


@actor
class SaysNonsense(Actor):
    """Sends a message without an address."""

    @on(TextFrame)
    def answer(self, frame: TextFrame) -> Any:
        return Question("?")


def test_a_step_refuses_what_a_session_would() -> None:
    with pytest.raises(TypeError, match=r"says_nonsense: SaysNonsense\.answer sent .* say To\(address, message\)"):
        SaysNonsense().handle(TextFrame("x"))


def test_a_step_of_an_async_handler_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Answers handles EndFrame in an async handler: play\(\) it"):
        Answers().handle(EndFrame())


def test_a_step_with_a_message_that_nobody_handles_is_refused() -> None:
    with pytest.raises(TypeError, match="Tags has no handler for the message 3"):
        Tags().handle(3)


# --- randomness


@actor
class Draws(Actor):
    """Draws three numbers for each frame."""

    @on(TextFrame)
    def draw(self, frame: TextFrame) -> Iterator[Effect]:
        yield TranscriptionFrame(" ".join(str(self.random.randrange(10**9)) for _ in range(3)), self.address.name)


def drawn(trace: Trace) -> list[str]:
    return [frame.text for frame in trace.down if isinstance(frame, TranscriptionFrame)]


@pytest.mark.rule("SU5")
def test_what_one_actor_draws_changes_nothing_for_another() -> None:
    alone = drawn(play(Pipeline(Draws(name="b")), [TextFrame("x")], seed=1))
    beside = drawn(play(Pipeline(TakesQuestions(), Draws(name="b")), [TextFrame("x")], seed=1))
    assert alone == beside


@actor
class TakesQuestions(Actor):
    """Draws a number when it begins."""

    @on(StartFrame)
    def begin(self, frame: StartFrame) -> None:
        self.random.random()


def test_the_timestamp_is_the_session_clock_as_a_date() -> None:
    seen: list[str] = []

    @actor
    class Stamps(Actor):
        @on(TextFrame)
        def stamp(self, frame: TextFrame) -> None:
            seen.append(self.timestamp)

    play(Pipeline(Stamps()), [Sleep(61.5), TextFrame("x")])
    assert seen == ["1970-01-01T00:01:01.500+00:00"]

"""The marks before a language model's answers: whether what the user said was a whole thought.

1. `MarkedAnswer` reads one answer, piece by piece; it is a value, and each step gives the next one.
2. Until the mark is known nothing of an answer goes on. Behind an incomplete mark nothing of it ever does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import attrs

from ..actors import Actor, Both, Down, Effect, Up, actor, durable, on
from ..channels import (
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMarkerFrame,
    LLMMarkerResponseFrame,
    LLMTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    UserTurnInferenceCompletedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

__all__ = ["MarkedAnswer", "TurnMarks"]

log = logging.getLogger("antiphon")

Kind: TypeAlias = Literal["complete", "incomplete_short", "incomplete_long"]

MARKS: Mapping[str, Kind] = {"●": "complete", "◐": "incomplete_short", "○": "incomplete_long"}


@attrs.frozen
class MarkedAnswer:
    """One answer, as far as it has come."""

    kind: Kind | Literal["unread", "unmarked"] = "unread"
    mark: str | None = None
    begun: bool = False
    """Something of it, behind the mark, has gone on."""

    @property
    def is_spoken(self) -> bool:
        """Whether what comes now goes on."""
        return self.kind in ("complete", "unmarked")

    def read(self, text: str) -> tuple[MarkedAnswer, str]:
        """The answer with this piece of text, and what of it goes on."""
        if self.kind == "unread":
            text = text.lstrip()
            if not text:
                return self, ""
            kind = MARKS.get(text[0])
            if kind is None:
                return MarkedAnswer("unmarked", begun=True), text
            return MarkedAnswer(kind, text[0]).read(text[1:])
        if not self.is_spoken:
            return self, ""
        if not self.begun:
            text = text.lstrip()
        return attrs.evolve(self, begun=self.begun or bool(text)), text

    def called(self) -> MarkedAnswer:
        """The answer calls functions: then the thought was whole."""
        return MarkedAnswer("complete") if self.kind == "unread" else self

    def withdrawn(self) -> MarkedAnswer:
        """The user speaks again, so the thought wasn't whole after all."""
        return MarkedAnswer("incomplete_short", "◐")


@actor
class TurnMarks(Actor):
    """Reads the marks that `LLMTurnCompletionUserTurnStopStrategy` has models write. Put it right behind the model.

    A whole thought: a `UserTurnInferenceCompletedFrame` goes up, and the answer goes on without its mark. Otherwise the
    answer ends here. Each mark is told both ways by `LLMMarkerResponseFrame`, its kind `"complete"`, `"incomplete_short"` or
    `"incomplete_long"`, and written by `LLMMarkerFrame`. An answer without a mark is spoken, with one warning a session.
    """

    answer: MarkedAnswer | None = durable(None)
    """The one that is open; None between answers."""
    user_speaks: bool = durable(False)
    has_answered: bool = durable(False)
    """A whole thought was answered since the user, or the user's turn, last began or ended."""
    has_warned: bool = durable(False)

    @on(LLMFullResponseStartFrame)
    def open(self, frame: LLMFullResponseStartFrame) -> Frame:
        self.answer = MarkedAnswer()
        return frame

    @on(LLMFullResponseEndFrame)
    def close(self, frame: LLMFullResponseEndFrame) -> Frame:
        self.answer = None
        return frame

    @on(LLMTextFrame)
    def read(self, frame: LLMTextFrame) -> Iterator[Effect]:
        if self.answer is None:
            yield frame
            return
        before = self.answer
        self.answer, text = before.read(frame.text)
        if before.kind == "unread" and self.answer.kind != "unread":
            yield from self._judge(frame.text)
        if text and self.answer.is_spoken:
            yield frame if text == frame.text else attrs.evolve(frame, text=text)

    @on(FunctionCallsStartedFrame)
    def call(self, frame: FunctionCallsStartedFrame) -> Iterator[Effect]:
        if self.answer is not None and self.answer.kind == "unread":
            self.answer = self.answer.called()
            yield from self._judge("")
        yield frame

    @on(VADUserStartedSpeakingFrame)
    def start(self, frame: VADUserStartedSpeakingFrame) -> Frame:
        self.user_speaks, self.has_answered = True, False
        return frame

    @on(VADUserStoppedSpeakingFrame)
    def stop(self, frame: VADUserStoppedSpeakingFrame) -> Frame:
        self.user_speaks = False
        return frame

    @on(UserStartedSpeakingFrame, UserStoppedSpeakingFrame)
    def turn(self, frame: Frame) -> Frame:
        self.has_answered = False
        return frame

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> None:
        self.answer = None

    def _judge(self, raw: str) -> Iterator[Effect]:
        """The mark is known: tell it."""
        assert self.answer is not None
        if self.answer.kind == "unmarked":
            if not self.has_warned:
                self.has_warned = True
                log.warning(
                    "%s: an answer begins with no mark but %r, so it is spoken. Does the model take `LLMUpdateSettingsFrame`?",
                    self.address,
                    raw,
                )
            return
        if self.answer.kind == "complete" and self.answer.mark is not None and (self.user_speaks or self.has_answered):
            self.answer = self.answer.withdrawn()
        mark = self.answer.mark
        yield Both(LLMMarkerResponseFrame(raw, mark, self.answer.kind, tuple(MARKS)))
        if self.answer.kind == "complete":
            self.has_answered = mark is not None
            yield Up(UserTurnInferenceCompletedFrame())
        if mark is not None:
            yield Down(LLMMarkerFrame(mark, append_to_context_immediately=self.answer.kind != "complete"))

"""Watches both sessions of a conversation: tells it live, and afterwards as a `Story`."""

from __future__ import annotations

from typing import cast

import attrs
import trio

from ..actors import Delivery, Dropped, Failure, Observer, Restart
from ..channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    TranscriptionFrame,
    TTSTextFrame,
    UserBotLatencyMetricsData,
    masked,
)
from ..turn import LatencyTracker
from .story import Moment, Speech, Story, Who, Word
from .transcript import Transcript

__all__ = ["Storyteller"]


@attrs.define
class _Speech:
    """A speech as it goes on."""

    start: float
    words: list[Word] = attrs.field(factory=list[Word])
    was_interrupted: bool = False
    waited: UserBotLatencyMetricsData | None = None


@attrs.define(eq=False)
class _Side:
    """What is known of one speaker."""

    who: Who
    planned: list[TTSTextFrame] = attrs.field(factory=list[TTSTextFrame])
    """Words that have come to the output and weren't heard yet."""
    speech: _Speech | None = None
    speeches: list[Speech] = attrs.field(factory=list[Speech])
    understood: list[tuple[float, str]] = attrs.field(factory=list[tuple[float, str]])
    """What the other side made of it, and when."""
    waited: UserBotLatencyMetricsData | None = None
    """How long the other side had waited when the next speech begins."""
    is_held: bool = False
    """Whether it has paused, and nothing is decided."""


class Storyteller:
    """Gives each session an observer; all times are seconds since it was made."""

    def __init__(self, transcript: Transcript, *, began: float) -> None:
        self._transcript = transcript
        transcript.clock = self.now
        self._began = began
        self.callers_side, self.agents_side = _Side("caller"), _Side("agent")
        self._moments: list[Moment] = []
        self.agent = _AgentObserver(self, self.agents_side)
        self.caller = _Ear(self, self.callers_side)
        self.latency = LatencyTracker()
        """Of the agent's session; it stands before `agent`, so that a wait is known when the speech begins."""
        self.latency.on_event("on_latency_breakdown", self.agent_was_waited_for)

    def now(self) -> float:
        return trio.current_time() - self._began

    def story(self) -> Story:
        """All that was said so far."""
        speeches = [
            self._told(side, speech) for side in (self.callers_side, self.agents_side) for speech in side.speeches
        ]
        return Story(tuple(sorted(speeches, key=lambda each: each.start)), tuple(self._moments), self.now())

    def _told(self, side: _Side, speech: Speech) -> Speech:
        later = [each.start for each in side.speeches if each.start > speech.start]
        until = min(later, default=float("inf"))
        texts = [text for time, text in side.understood if speech.start < time <= until]
        return attrs.evolve(speech, understood=" ".join(texts) or None)

    # ---- what the observers hear

    def began_speaking(self, side: _Side) -> None:
        side.speech = _Speech(self.now(), waited=side.waited)
        side.waited = None

    def agent_was_waited_for(self, tracker: object, data: UserBotLatencyMetricsData) -> None:
        """The speech that begins now is one that the caller waited for."""
        self.agents_side.waited = data

    def planned_word(self, side: _Side, frame: TTSTextFrame) -> None:
        side.planned.append(frame)

    def heard_word(self, side: _Side, frame: TTSTextFrame) -> None:
        if frame in side.planned:
            side.planned.remove(frame)
        if side.speech is not None:
            side.speech.words.append(Word(frame.text, self.now()))
        if side.who == "agent":
            self._transcript.agent_word(frame.text)

    def interrupted(self, side: _Side) -> None:
        now, was_held = self.now(), side.is_held
        cut = tuple(Word(frame.text, now, was_heard=False) for frame in side.planned)
        side.planned.clear()
        side.is_held = False
        if side.speech is not None:
            side.speech.was_interrupted = True
            side.speech.words.extend(cut)
        elif was_held and side.speeches and side.speeches[-1].was_held:
            speech = side.speeches[-1]
            cut = tuple(attrs.evolve(word, start=speech.end) for word in cut)
            side.speeches[-1] = attrs.evolve(speech, was_interrupted=True, words=(*speech.words, *cut))
        else:
            return
        self._moments.append(Moment("interruption", now))
        self._transcript.interrupted(now)

    def held(self, side: _Side) -> None:
        """The output pauses; where it was speaking, the speech ends here and may go on as another."""
        side.is_held = True
        if side.speech is not None:
            self._moments.append(Moment("pause", self.now()))

    def resumed(self, side: _Side) -> None:
        if side.is_held and side.speeches and side.speeches[-1].was_held:
            self._moments.append(Moment("resume", self.now()))
            self._transcript.note("the agent goes on")
        side.is_held = False

    def called(self, frame: FunctionCallInProgressFrame) -> None:
        self._moments.append(Moment("call", self.now(), frame.function_name))
        self._transcript.note(f"the agent calls {frame.function_name}")

    def returned(self, frame: FunctionCallResultFrame) -> None:
        self._moments.append(Moment("result", self.now(), frame.function_name))
        self._transcript.note(f"{frame.function_name} returned {frame.result}")

    def stopped_speaking(self, side: _Side) -> None:
        if side.speech is None:
            return
        speech, side.speech = side.speech, None
        side.speeches.append(
            Speech(
                side.who,
                speech.start,
                self.now(),
                tuple(speech.words),
                was_interrupted=speech.was_interrupted,
                was_held=side.is_held,
                waited=speech.waited,
            )
        )
        if side.who == "agent" and side.is_held:
            self._transcript.agent_held()
        elif side.who == "agent":
            self._transcript.agent_ended()

    def understood(self, side: _Side, text: str) -> None:
        side.understood.append((self.now(), text))
        if side.who == "caller":
            self._transcript.caller_said(text)

    def guessed(self, side: _Side, text: str) -> None:
        if side.who == "caller":
            self._transcript.caller_partial(text)

    def failed(self, failure: Failure) -> None:
        self._moments.append(Moment("failure", self.now(), failure.address.name))
        self._transcript.failed(failure.address.name, masked(str(failure.error)))

    def restarted(self, restart: Restart) -> None:
        self._moments.append(Moment("restart", self.now(), restart.address.name))
        self._transcript.restarted(restart.address.name)


class _Ear(Observer):
    """An observer of one side's session: what its output plays."""

    def __init__(self, teller: Storyteller, side: _Side) -> None:
        self.teller = teller
        self.side = side

    def delivered(self, delivery: Delivery) -> None:
        frame, receiver = delivery.frame, delivery.receiver.name
        if isinstance(frame, TTSTextFrame):
            if receiver == "output":
                self.teller.planned_word(self.side, frame)
            elif receiver in ("assistant", "sink"):
                self.teller.heard_word(self.side, frame)
        elif isinstance(frame, BotStartedSpeakingFrame) and receiver == "sink":
            self.teller.began_speaking(self.side)
        elif isinstance(frame, BotStoppedSpeakingFrame) and receiver == "sink":
            self.teller.stopped_speaking(self.side)
        elif isinstance(frame, InterruptionFrame) and receiver == "output":
            self.teller.interrupted(self.side)
        elif isinstance(frame, OutputPauseFrame) and receiver == "output":
            self.teller.held(self.side)
        elif isinstance(frame, OutputResumeFrame) and receiver == "output":
            self.teller.resumed(self.side)
        elif isinstance(frame, FunctionCallInProgressFrame) and receiver == "tts":
            self.teller.called(frame)
        elif isinstance(frame, FunctionCallResultFrame) and receiver == "assistant":
            self.teller.returned(frame)
        elif isinstance(frame, TranscriptionFrame) and receiver in ("user", "caller"):
            self.teller.understood(self.other(), frame.text)
        elif isinstance(frame, InterimTranscriptionFrame) and receiver == "user":
            self.teller.guessed(self.other(), frame.text)

    def other(self) -> _Side:
        return self.teller.callers_side if self.side.who == "agent" else self.teller.agents_side


class _AgentObserver(_Ear):
    """The agent's session tells of crashes, too."""

    def failed(self, failure: Failure) -> None:
        self.teller.failed(failure)

    def restarted(self, restart: Restart) -> None:
        self.teller.restarted(restart)

    def dropped(self, dropped: Dropped) -> None:
        frame = dropped.delivery.frame
        was_cut = isinstance(frame, TTSTextFrame) and dropped.reason in ("interrupted", "stale")
        speaks = self.side.speech is not None or self.side.is_held
        if was_cut and speaks and frame not in self.side.planned:
            self.side.planned.append(cast(TTSTextFrame, frame))

"""What the user waits for: from the end of its speech to the bot's voice, in parts that add up.

1. Every transition is in `NEXT`, with the part to which the time until then is booked; what isn't there changes nothing. So
   each moment of the wait belongs to exactly one part, whatever happens.
2. Times are whole microseconds on the session's clock, so that sums are exact.
3. Nothing is asked of services: the milestones are frames that any pipeline sends.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import ClassVar

import attrs

from ..actors import Delivery
from ..channels import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    ClientConnectedFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputResumeFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSTextFrame,
    UserBotLatencyMetricsData,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from .tracker import KindOf, Tracker

__all__ = ["LatencyTracker"]


class Part(enum.Enum):
    """What the user waits for. The values are fields of `UserBotLatencyMetricsData`."""

    ENDPOINTING = "endpointing"
    TRANSCRIPTION = "transcription"
    TURN_DETECTION = "turn_detection"
    INFERENCE = "inference"
    FUNCTIONS = "functions"
    AGGREGATION = "aggregation"
    SYNTHESIS = "synthesis"
    PIPELINE = "pipeline"


class Stage(enum.Enum):
    """How far the answer has come."""

    IDLE = "idle"
    """Nobody waits, or what follows isn't an answer."""
    ENDED = "ended"
    """The user has stopped."""
    WORDED = "worded"
    """And words of it have come since."""
    JUDGED = "judged"
    """The turn is over."""
    WORDLESS = "wordless"
    """The turn is over, and no words of it have come: only a model that hears for itself answers."""
    THINKING = "thinking"
    """The model was asked."""
    CALLING = "calling"
    """Functions run."""
    WRITING = "writing"
    """The model writes, and nothing is spoken yet."""
    SYNTHESISING = "synthesising"
    SOUNDING = "sounding"
    """There is sound, on its way to the output."""


class Sight(enum.Enum):
    """What is seen."""

    VAD_STARTED = "voice"
    VAD_STOPPED = "no voice"
    USER_STARTED = "user started"
    TRANSCRIBED = "transcribed"
    JUDGED = "judged"
    ASKED = "asked"
    OPENED = "opened"
    WROTE = "wrote"
    CALLED = "called"
    RETURNED = "returned"
    TO_BE_SPOKEN = "to be spoken"
    SOUNDED = "sounded"
    BOT_STARTED = "bot started"
    CUT = "cut"
    RESUMED = "resumed"
    CONNECTED = "connected"


Row = Mapping[Sight, tuple[Part, Stage]]

ANSWERED: Row = {
    Sight.WROTE: (Part.INFERENCE, Stage.WRITING),
    Sight.CALLED: (Part.INFERENCE, Stage.CALLING),
    Sight.TO_BE_SPOKEN: (Part.INFERENCE, Stage.SYNTHESISING),
    Sight.SOUNDED: (Part.INFERENCE, Stage.SOUNDING),
}
"""What a model does that was asked."""

NEXT: Mapping[Stage, Row] = {
    Stage.IDLE: {},
    Stage.ENDED: {
        Sight.TRANSCRIBED: (Part.TRANSCRIPTION, Stage.WORDED),
        Sight.JUDGED: (Part.TURN_DETECTION, Stage.JUDGED),
        Sight.ASKED: (Part.TURN_DETECTION, Stage.THINKING),
    },
    Stage.WORDED: {
        Sight.TRANSCRIBED: (Part.TRANSCRIPTION, Stage.WORDED),
        Sight.JUDGED: (Part.TURN_DETECTION, Stage.JUDGED),
        Sight.ASKED: (Part.TURN_DETECTION, Stage.THINKING),
    },
    Stage.JUDGED: {
        Sight.ASKED: (Part.PIPELINE, Stage.THINKING),
        Sight.OPENED: (Part.INFERENCE, Stage.THINKING),  # a model that hears for itself: nobody asks it
        Sight.CALLED: (Part.INFERENCE, Stage.CALLING),
        Sight.TO_BE_SPOKEN: (Part.PIPELINE, Stage.SYNTHESISING),  # the application's own words
        Sight.SOUNDED: (Part.PIPELINE, Stage.SOUNDING),
    },
    Stage.WORDLESS: {
        Sight.TRANSCRIBED: (Part.TRANSCRIPTION, Stage.WORDED),
        Sight.OPENED: (Part.INFERENCE, Stage.THINKING),
        Sight.ASKED: (Part.PIPELINE, Stage.IDLE),
        Sight.TO_BE_SPOKEN: (Part.PIPELINE, Stage.IDLE),
        Sight.SOUNDED: (Part.PIPELINE, Stage.IDLE),
        Sight.BOT_STARTED: (Part.PIPELINE, Stage.IDLE),
    },
    Stage.THINKING: {
        Sight.ASKED: (Part.INFERENCE, Stage.THINKING),  # once more: the answer had failed, or is superseded
        **ANSWERED,
    },
    Stage.CALLING: {
        Sight.RETURNED: (Part.FUNCTIONS, Stage.CALLING),
        Sight.ASKED: (Part.PIPELINE, Stage.THINKING),
        Sight.WROTE: (Part.FUNCTIONS, Stage.WRITING),
        Sight.TO_BE_SPOKEN: (Part.FUNCTIONS, Stage.SYNTHESISING),
        Sight.SOUNDED: (Part.FUNCTIONS, Stage.SOUNDING),
    },
    Stage.WRITING: {
        Sight.ASKED: (Part.INFERENCE, Stage.THINKING),
        Sight.CALLED: (Part.AGGREGATION, Stage.CALLING),
        Sight.TO_BE_SPOKEN: (Part.AGGREGATION, Stage.SYNTHESISING),
        Sight.SOUNDED: (Part.SYNTHESIS, Stage.SOUNDING),
    },
    Stage.SYNTHESISING: {
        Sight.ASKED: (Part.INFERENCE, Stage.THINKING),
        Sight.SOUNDED: (Part.SYNTHESIS, Stage.SOUNDING),
    },
    Stage.SOUNDING: {},
}

LAST: Mapping[Stage, Part] = {
    Stage.ENDED: Part.PIPELINE,
    Stage.WORDED: Part.PIPELINE,
    Stage.JUDGED: Part.PIPELINE,
    Stage.THINKING: Part.INFERENCE,
    Stage.CALLING: Part.FUNCTIONS,
    Stage.WRITING: Part.SYNTHESIS,
    Stage.SYNTHESISING: Part.SYNTHESIS,
    Stage.SOUNDING: Part.PIPELINE,
}
"""To which part the time is booked in which the bot began to speak; in the other stages it doesn't answer."""

OF_THE_ANSWER = (Part.INFERENCE, Part.FUNCTIONS, Part.AGGREGATION, Part.SYNTHESIS)
ANSWERING = (Stage.THINKING, Stage.CALLING, Stage.WRITING, Stage.SYNTHESISING, Stage.SOUNDING)


@attrs.frozen
class LatencyWatch:
    """What is known of one wait. Times in microseconds."""

    stage: Stage = Stage.IDLE
    since: int = 0
    """Up to when the time is booked."""
    parts: Mapping[Part, int] = attrs.field(factory=dict[Part, int], hash=False)
    has_words: bool = False
    """Whether words have come that no turn has taken yet."""
    turn: int = 0
    """Counts the user's turns, where they are announced."""
    measured: int | None = None
    """The turn whose wait was measured."""

    def stopped(self, time: int, *, began: int) -> LatencyWatch:
        """The user's speech has ended at `began`, which is known now."""
        if self.turn and self.turn == self.measured:
            return self
        parts = {Part.ENDPOINTING: time - began}
        return attrs.evolve(self, stage=Stage.ENDED, since=time, parts=parts)

    def spoken(self, time: int) -> tuple[LatencyWatch, Mapping[Part, int] | None]:
        """The bot begins to speak. The parts, if it answers."""
        if self.stage not in LAST:
            return self.step(Sight.BOT_STARTED, time), None
        done = self._book(LAST[self.stage], time, Stage.IDLE)
        return attrs.evolve(done, measured=self.turn), done.parts

    def step(self, sight: Sight, time: int) -> LatencyWatch:
        """After that sight."""
        match sight:
            case Sight.VAD_STARTED | Sight.RESUMED:
                return attrs.evolve(self, stage=Stage.IDLE)
            case Sight.USER_STARTED:
                return attrs.evolve(self, turn=self.turn + 1)
            case Sight.CUT:
                return self._discarded(time) if self.stage in ANSWERING else self
            case Sight.JUDGED:
                watch = attrs.evolve(self, has_words=False)
                return watch._go(sight, time) if self.has_words else watch._go(sight, time, wordless=True)
            case Sight.TRANSCRIBED:
                return attrs.evolve(self, has_words=True)._go(sight, time)
            case _:
                return self._go(sight, time)

    def _go(self, sight: Sight, time: int, *, wordless: bool = False) -> LatencyWatch:
        if sight not in NEXT[self.stage]:
            return self
        part, stage = NEXT[self.stage][sight]
        return self._book(part, time, Stage.WORDLESS if wordless and stage is Stage.JUDGED else stage)

    def _book(self, part: Part, time: int, stage: Stage) -> LatencyWatch:
        parts = {**self.parts, part: self.parts.get(part, 0) + time - self.since}
        return attrs.evolve(self, stage=stage, since=time, parts=parts)

    def _discarded(self, time: int) -> LatencyWatch:
        """The answer so far is void, and the user goes on waiting: for words, or a judgement."""
        kept = {part: spent for part, spent in self.parts.items() if part not in OF_THE_ANSWER}
        void = time - self.since + sum(self.parts.values()) - sum(kept.values())
        parts = {**kept, Part.PIPELINE: kept.get(Part.PIPELINE, 0) + void}
        return attrs.evolve(self, stage=Stage.WORDED, since=time, parts=parts)


KINDS: Mapping[type[Frame], Sight | None] = {
    VADUserStartedSpeakingFrame: Sight.VAD_STARTED,
    VADUserStoppedSpeakingFrame: Sight.VAD_STOPPED,
    UserStartedSpeakingFrame: Sight.USER_STARTED,
    UserStoppedSpeakingFrame: Sight.JUDGED,
    TranscriptionFrame: Sight.TRANSCRIBED,
    LLMContextFrame: Sight.ASKED,
    LLMFullResponseStartFrame: Sight.OPENED,
    LLMTextFrame: Sight.WROTE,
    FunctionCallsStartedFrame: Sight.CALLED,
    FunctionCallResultFrame: Sight.RETURNED,
    FunctionCallCancelFrame: Sight.RETURNED,
    AggregatedTextFrame: Sight.TO_BE_SPOKEN,
    TTSTextFrame: None,
    TTSStartedFrame: Sight.TO_BE_SPOKEN,
    TTSAudioRawFrame: Sight.SOUNDED,
    BotStartedSpeakingFrame: Sight.BOT_STARTED,
    InterruptionFrame: Sight.CUT,
    OutputResumeFrame: Sight.RESUMED,
    ClientConnectedFrame: Sight.CONNECTED,
}
OFTEN = (LLMTextFrame, TTSAudioRawFrame)
"""Frames that are many, and tell nothing while nobody waits."""

WHILE_WAITING = KindOf(KINDS)
WHILE_IDLE = KindOf({**KINDS, **dict.fromkeys(OFTEN, None)})


class LatencyTracker(Tracker):
    """Measures what the user waits for the bot's voice, and for what: `open_session(..., observers=[tracker])`.

    Once in each of the user's turns: from the end of speech (VAD's stop, less the silence that it took) to
    BotStartedSpeakingFrame. Speech that begins anew ends the measurement, a turn without words too, an interruption discards
    what was collected of the answer: that time is the pipeline's.
    Events: `on_latency_measured(seconds)`, then `on_latency_breakdown(UserBotLatencyMetricsData)`;
    `on_first_bot_speech_latency(seconds)` from ClientConnectedFrame, once, unless the user spoke first.
    """

    events: ClassVar[tuple[str, ...]] = (
        "on_latency_measured",
        "on_latency_breakdown",
        "on_first_bot_speech_latency",
    )

    def __init__(self, *, name: str = "latency") -> None:
        super().__init__(WHILE_IDLE)
        self.name = name
        """Whose measurement it is, in the breakdown."""
        self.watch = LatencyWatch()
        """What is known of the present wait."""
        self.latest: UserBotLatencyMetricsData | None = None
        """The last measurement."""
        self.count = 0
        """How many there were."""
        self._connected: int | None = None
        """When the client came."""
        self._anybody_spoke = False

    def see(self, kind: Sight, delivery: Delivery) -> None:
        frame, time = delivery.frame, microseconds(delivery.time)
        match frame:
            case VADUserStoppedSpeakingFrame():
                stamp = delivery.time if frame.timestamp is None else frame.timestamp
                self.watch = self.watch.stopped(time, began=microseconds(stamp - frame.stop_secs))
            case BotStartedSpeakingFrame():
                self._first_speech(time)
                self.watch, parts = self.watch.spoken(time)
                if parts is not None:
                    self._measured(parts)
            case ClientConnectedFrame():
                if self._connected is None and not self._anybody_spoke:
                    self._connected = time
            case _ if is_empty(frame):
                pass
            case _:
                if kind in (Sight.VAD_STARTED, Sight.USER_STARTED):
                    self._anybody_spoke = True
                self.watch = self.watch.step(kind, time)
        self.kinds = WHILE_IDLE if self.watch.stage is Stage.IDLE else WHILE_WAITING

    def _first_speech(self, time: int) -> None:
        if self._connected is not None and not self._anybody_spoke:
            self.tell("on_first_bot_speech_latency", (time - self._connected) / 1e6)
        self._anybody_spoke = True

    def _measured(self, parts: Mapping[Part, int]) -> None:
        data = self.latest = metrics(self.name, parts)
        self.count += 1
        self.tell("on_latency_measured", data.value)
        self.tell("on_latency_breakdown", data)


def is_empty(frame: object) -> bool:
    """Whether it tells nothing: blank text, text that isn't spoken, a run on a guess."""
    match frame:
        case TranscriptionFrame():
            return not frame.text.strip()
        case LLMTextFrame():
            return not frame.text.strip() or bool(frame.skip_tts)
        case AggregatedTextFrame():
            return not frame.will_be_spoken
        case LLMContextFrame():
            return frame.speculation
        case _:
            return False


def metrics(name: str, parts: Mapping[Part, int]) -> UserBotLatencyMetricsData:
    """The parts, in microseconds, as a metric."""

    def of(part: Part) -> float:
        return parts.get(part, 0) / 1e6

    return UserBotLatencyMetricsData(
        name,
        value=sum(parts.values()) / 1e6,
        endpointing=of(Part.ENDPOINTING),
        transcription=of(Part.TRANSCRIPTION),
        turn_detection=of(Part.TURN_DETECTION),
        inference=of(Part.INFERENCE),
        functions=of(Part.FUNCTIONS),
        aggregation=of(Part.AGGREGATION),
        synthesis=of(Part.SYNTHESIS),
        pipeline=of(Part.PIPELINE),
    )


def microseconds(seconds: float) -> int:
    return round(seconds * 1e6)

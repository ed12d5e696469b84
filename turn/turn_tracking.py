"""Conversation turns: the user speaks, the bot answers, and which of them ended how.

1. Every transition is in `NEXT`; what isn't there changes nothing. `ConversationTurns` takes values and gives values.
2. Times are those of the deliveries. What a deadline decides is told with the first delivery at it or later, with the
   deadline's own time.
3. A user who starts while the bot speaks ends a turn, unless the bot's speech is only held: then it is decided when that is.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import attrs

from ..actors import Delivery
from ..channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    StartFrame,
    StopFrame,
    UserStartedSpeakingFrame,
)
from .tracker import KindOf, Tracker

__all__ = ["TurnTracker"]

BOT_SILENCE_SECS = 2.5
"""How long the bot may pause before its turn is over."""
SAME_STEP_SECS = 0.1
"""What follows from a user's start has been seen so soon after it, at the latest."""


class Phase(enum.Enum):
    """What a conversation is in."""

    BEFORE = "before"
    OPEN = "open"
    """A turn in which the bot hasn't spoken."""
    SPEAKING = "speaking"
    UNDECIDED = "undecided"
    """The user has started while the bot spoke; whether the bot is cut or only held will be seen at once."""
    HELD = "held"
    """The bot's speech is held; whether it goes on isn't decided."""
    SPOKEN = "spoken"
    """The bot has spoken, and may go on."""
    CLOSED = "closed"
    """The last turn is over, and no other has begun."""
    OVER = "over"


class Sight(enum.Enum):
    """What is seen."""

    STARTED = "started"
    USER_STARTED = "user started"
    BOT_STARTED = "bot started"
    BOT_STOPPED = "bot stopped"
    CUT = "cut"
    HELD = "held"
    RESUMED = "resumed"
    LATE = "late"
    """The phase has lasted as long as it may."""
    ENDED = "ended"


class Told(enum.Enum):
    """What follows for the turns."""

    NOTHING = "nothing"
    BEGIN = "begin"
    END = "end"
    CHANGE = "change"
    """One ends and the next begins, when the user started."""


NEXT: Mapping[Phase, Mapping[Sight, tuple[Phase, Told]]] = {
    Phase.BEFORE: {
        Sight.STARTED: (Phase.OPEN, Told.BEGIN),
    },
    Phase.OPEN: {
        Sight.BOT_STARTED: (Phase.SPEAKING, Told.NOTHING),
        Sight.ENDED: (Phase.OVER, Told.END),
    },
    Phase.SPEAKING: {
        Sight.USER_STARTED: (Phase.UNDECIDED, Told.NOTHING),
        Sight.BOT_STOPPED: (Phase.SPOKEN, Told.NOTHING),
        Sight.ENDED: (Phase.OVER, Told.END),
    },
    Phase.UNDECIDED: {
        Sight.CUT: (Phase.OPEN, Told.CHANGE),
        Sight.BOT_STOPPED: (Phase.OPEN, Told.CHANGE),
        Sight.LATE: (Phase.OPEN, Told.CHANGE),  # nobody cuts the bot: it speaks on, into the user's turn
        Sight.HELD: (Phase.HELD, Told.NOTHING),
        Sight.ENDED: (Phase.OVER, Told.END),
    },
    Phase.HELD: {
        Sight.CUT: (Phase.OPEN, Told.CHANGE),
        Sight.RESUMED: (Phase.SPEAKING, Told.NOTHING),
        Sight.ENDED: (Phase.OVER, Told.END),
    },
    Phase.SPOKEN: {
        Sight.USER_STARTED: (Phase.OPEN, Told.CHANGE),
        Sight.BOT_STARTED: (Phase.SPEAKING, Told.NOTHING),
        Sight.LATE: (Phase.CLOSED, Told.END),
        Sight.ENDED: (Phase.OVER, Told.END),
    },
    Phase.CLOSED: {
        Sight.USER_STARTED: (Phase.OPEN, Told.BEGIN),
        Sight.ENDED: (Phase.OVER, Told.NOTHING),
    },
    Phase.OVER: {},
}

LASTS: Mapping[Phase, float] = {Phase.UNDECIDED: SAME_STEP_SECS, Phase.SPOKEN: BOT_SILENCE_SECS}
"""How long a phase may last, seconds; the others for ever."""


@attrs.frozen
class TurnStarted:
    """A conversation turn began."""

    number: int
    """Counts from 1."""
    time: float
    """Seconds since the session began."""


@attrs.frozen
class TurnEnded:
    """A conversation turn is over."""

    number: int
    seconds: float
    """How long it lasted, to the microsecond."""
    was_interrupted: bool
    """The user cut the bot off, or the session ended in the middle of it."""


Fact: TypeAlias = TurnStarted | TurnEnded


@attrs.frozen
class ConversationTurns:
    """What is known of the turns so far. Each step gives the next value, and the facts."""

    phase: Phase = Phase.BEFORE
    number: int = 0
    began: float = 0.0
    """When the turn began."""
    deadline: float = math.inf
    """When the phase has lasted long enough."""
    user_at: float = 0.0
    """When the user last started, as far as that matters."""
    cut_at: float = -math.inf
    """When an interruption last came while the bot spoke."""
    cut_epoch: int = 0
    """The epoch that it began."""

    def cut(self, time: float, epoch: int) -> tuple[ConversationTurns, tuple[Fact, ...]]:
        """After an interruption."""
        turns = attrs.evolve(self, cut_at=time, cut_epoch=epoch) if self.phase is Phase.SPEAKING else self
        return turns.step(Sight.CUT, time)

    def user_started(self, time: float, epoch: int) -> tuple[ConversationTurns, tuple[Fact, ...]]:
        """After a start of the user's, announced in that epoch."""
        # Announced before the interruption, or in its instant: then it is the user who cut the bot off.
        has_cut = epoch < self.cut_epoch or time == self.cut_at
        return self.step(Sight.USER_STARTED, time, has_cut=has_cut)

    def wait(self, time: float) -> tuple[ConversationTurns, tuple[Fact, ...]]:
        """When that time has come."""
        return self.step(Sight.LATE, self.deadline) if time >= self.deadline else (self, ())

    def step(self, sight: Sight, time: float, *, has_cut: bool = False) -> tuple[ConversationTurns, tuple[Fact, ...]]:
        """After that sight. `has_cut`: the user's start has stopped the bot."""
        if sight not in NEXT[self.phase]:
            return self, ()
        phase, told = NEXT[self.phase][sight]
        user_at = time if sight is Sight.USER_STARTED else self.user_at
        turns = attrs.evolve(self, phase=phase, deadline=time + LASTS.get(phase, math.inf), user_at=user_at)
        match told:
            case Told.NOTHING:
                return turns, ()
            case Told.BEGIN:
                return turns._begin(time)
            case Told.END:
                return turns, (turns._ended(time, was_interrupted=sight is Sight.ENDED),)
            case Told.CHANGE:
                was_interrupted = has_cut or self.phase is not Phase.SPOKEN
                ended = turns._ended(user_at, was_interrupted=was_interrupted)
                turns, begun = turns._begin(user_at)
                return turns, (ended, *begun)

    def _begin(self, time: float) -> tuple[ConversationTurns, tuple[Fact, ...]]:
        turns = attrs.evolve(self, number=self.number + 1, began=time)
        return turns, (TurnStarted(turns.number, time),)

    def _ended(self, time: float, *, was_interrupted: bool) -> TurnEnded:
        return TurnEnded(self.number, round(time - self.began, 6), was_interrupted)


KINDS = KindOf(
    {
        StartFrame: Sight.STARTED,
        UserStartedSpeakingFrame: Sight.USER_STARTED,
        BotStartedSpeakingFrame: Sight.BOT_STARTED,
        BotStoppedSpeakingFrame: Sight.BOT_STOPPED,
        InterruptionFrame: Sight.CUT,
        OutputPauseFrame: Sight.HELD,
        OutputResumeFrame: Sight.RESUMED,
        EndFrame: Sight.ENDED,
        StopFrame: Sight.ENDED,
        CancelFrame: Sight.ENDED,
    }
)


class TurnTracker(Tracker):
    """Numbers the turns of a conversation: `open_session(..., observers=[tracker])`.

    The first turn begins with the session. A turn ends when the user starts to speak after the bot has spoken, or while it
    speaks (interrupted); when the bot has been silent for 2.5 s; and with the session (interrupted).
    Events: `on_turn_started(number)`, `on_turn_ended(number, seconds, was_interrupted)`.
    """

    events: ClassVar[tuple[str, ...]] = ("on_turn_started", "on_turn_ended")

    def __init__(self) -> None:
        super().__init__(KINDS)
        self.turns = ConversationTurns()
        """What is known so far."""
        self._speaking: set[str | None] = set()
        """The destinations where the bot speaks."""

    def wait(self, time: float) -> None:
        self._tell(self.turns.wait(time))

    def see(self, kind: Sight, delivery: Delivery) -> None:
        frame, time = delivery.frame, delivery.time
        match frame:
            case InterruptionFrame():
                self._tell(self.turns.cut(time, delivery.epoch))
            case UserStartedSpeakingFrame():
                self._tell(self.turns.user_started(time, delivery.epoch))
            case BotStartedSpeakingFrame():
                self._speaking.add(frame.transport_destination)
                self._tell(self.turns.step(kind, time))
            case BotStoppedSpeakingFrame():
                self._speaking.discard(frame.transport_destination)
                if not self._speaking:
                    self._tell(self.turns.step(kind, time))
            case _:
                self._tell(self.turns.step(kind, time))

    def _tell(self, step: tuple[ConversationTurns, tuple[Fact, ...]]) -> None:
        self.turns, facts = step
        self.deadline = self.turns.deadline
        for fact in facts:
            match fact:
                case TurnStarted():
                    self.tell("on_turn_started", fact.number)
                case TurnEnded():
                    self.tell("on_turn_ended", fact.number, fact.seconds, fact.was_interrupted)

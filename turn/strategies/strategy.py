"""What a turn strategy is: a rule that says when the user's turn begins, or ends.

1. A strategy is configuration, a frozen value. What it knows is its state, another one, made by `begin`.
2. `step` is pure: it gets the state, what happened, and the time, and gives the next state and what it decides. It reads no
   clock, sends nothing, and keeps nothing back, so a turn can be tried, rolled back and restored like any value.
3. What the whole turn knows (is it open, who speaks) comes in as facts: no strategy keeps its own idea of it.

Derive from `UserTurnStartStrategy` or `UserTurnStopStrategy` to write one:

    @attrs.frozen
    class GreetingStart(UserTurnStartStrategy[None]):
        "A turn begins with a greeting."

        def begin(self) -> None: ...

        def step(self, state, event, now, facts):
            if isinstance(event, TranscriptionFrame) and event.text.lower().startswith("hello"):
                return state, (StartTurn(), HideFromRest())
            return state, ()
"""

from __future__ import annotations

from typing import Any, Generic, TypeAlias, TypeVar, cast

import attrs

from ...actors import Effect
from ...channels import Frame

__all__ = [
    "Event",
    "HideFromRest",
    "Prompt",
    "RejectSpeech",
    "Send",
    "StartTurn",
    "StopTurn",
    "StrategyDecision",
    "TriggerInference",
    "TurnClosed",
    "TurnFacts",
    "TurnOpened",
    "TurnTriggered",
    "UserTurnStartStrategy",
    "UserTurnStopStrategy",
    "UserTurnStrategy",
    "Wait",
    "Waited",
]

State = TypeVar("State")


@attrs.frozen
class TurnFacts:
    """What the turn knows when a strategy is asked, the event in hand included."""

    is_open: bool = False
    """Whether the user's turn is open."""
    is_speaking: bool = False
    """Whether the user is audible now, whoever says so."""
    has_voice: bool = False
    """Whether voice activity says so."""
    bot_is_speaking: bool = False
    ttfs_p99_latency: float = 1.0
    """Seconds from the end of speech to its final transcript, 99th percentile, as the transcriber announced it."""
    stop_secs: float = 0.2
    """Seconds of silence after which voice activity says that speech has stopped."""


# What a strategy may be shown beside frames.


@attrs.frozen
class TurnOpened:
    """The user's turn begins, whoever said so."""


@attrs.frozen
class TurnClosed:
    """The user's turn is over, whoever said so."""


@attrs.frozen
class TurnTriggered:
    """What was said so far is written and answered; the turn goes on."""


@attrs.frozen
class Waited:
    """The time of that wait is over."""

    name: str


# What a strategy may decide.


@attrs.frozen
class StartTurn:
    """The user's turn begins."""

    may_interrupt: bool = True
    """False if the bot must not be cut off, whatever the strategy's configuration says."""
    announce: bool = True
    """False if others have been told already."""
    has_words: bool = False
    """Whether it was words that were heard, not only a voice."""


@attrs.frozen
class StopTurn:
    """The user's turn is over."""

    announce: bool = True
    """False if others have been told already."""
    triggers_inference: bool = True
    """False if it was only waited for that somebody else called complete what is answered already."""


@attrs.frozen
class TriggerInference:
    """Answer what was said so far; the turn goes on."""


@attrs.frozen
class RejectSpeech:
    """What was said wasn't meant for the bot: forget it, what was gathered before it included."""


@attrs.frozen
class HideFromRest:
    """The strategies behind this one aren't shown the event."""


@attrs.frozen
class Wait:
    """Show the strategy `Waited(name)` in so many seconds. It replaces a wait of that name; None ends it."""

    seconds: float | None
    name: str = "wait"


NO_WAIT = Wait(None)
"""There is nothing to wait for; harmless where nothing was."""


@attrs.frozen
class Send:
    """Do this as the actor that keeps the turn. A frame in it has been shown to the turn already."""

    effect: Effect


@attrs.frozen
class Event:
    """Let the application hear of this."""

    name: str
    payload: tuple[object, ...] = ()


@attrs.frozen
class Prompt:
    """Write this as a developer message and let the model answer."""

    text: str


StrategyDecision: TypeAlias = (
    StartTurn | StopTurn | TriggerInference | RejectSpeech | HideFromRest | Wait | Send | Event | Prompt
)


@attrs.frozen
class UserTurnStrategy(Generic[State]):
    """Base of start and stop strategies. Its name, for events, is its class's."""

    enable_user_speaking_frames: bool = attrs.field(default=True, kw_only=True)
    """Whether turns that this strategy begins or ends are announced by turn frames."""

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def resolves(self) -> tuple[type[Frame], ...]:
        """Proposals that this strategy decides on, so that nobody behind has to."""
        return ()

    @property
    def looks_at_voice(self) -> bool:
        """Whether it needs voice activity."""
        return False

    def begin(self) -> State:
        """What it knows at first: an immutable value."""
        raise NotImplementedError(f"{self.name}.begin() is missing: return the state to begin with.")

    def step(
        self, state: State, event: object, now: float, facts: TurnFacts
    ) -> tuple[State, tuple[StrategyDecision, ...]]:
        """What it knows after this, and what it decides. `event` is a frame, or one of the events of this module.

        The session's StartFrame comes first, once, also to a strategy that is put in later. `now` is in seconds on the session
        clock. What it sends it is shown as well. To `TurnOpened`, `TurnClosed` and `TurnTriggered` it can't answer with
        another edge of the turn. Frames of audio come often: return the very same state when nothing has changed.
        """
        raise NotImplementedError(f"{self.name}.step() is missing: return the next state and a tuple of decisions.")


@attrs.frozen
class UserTurnStartStrategy(UserTurnStrategy[State]):
    """Says when the user's turn begins."""

    enable_interruptions: bool = attrs.field(default=True, kw_only=True)
    """Whether a turn that this strategy begins cuts the bot off."""


@attrs.frozen
class UserTurnStopStrategy(UserTurnStrategy[State]):
    """Says when the user's turn is over."""

    def without_transcripts(self) -> UserTurnStopStrategy[State]:
        """The strategy for a session whose turns don't wait for transcripts; itself if it never does."""
        if "wait_for_transcript" not in attrs.fields_dict(type(self)):
            return self
        strategy: Any = self
        return cast("UserTurnStopStrategy[State]", attrs.evolve(strategy, wait_for_transcript=False))

    def holds_watchdog(self, state: State) -> bool:
        """Whether it waits for the user on purpose, so that the watch-dog must not end the turn."""
        return False

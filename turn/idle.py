"""Whether the user has been silent for too long after the bot spoke.

1. An idle watch is a frozen value, kept in one `durable` field. The deadline is in it: a timer only says when to look.
2. The user is waited for when the bot has spoken, and nobody speaks, thinks or computes now. Anything else ends the waiting.

Who keeps it shows it every frame, its own turn edges (as the frames that it sends) and every `IdleTimer`.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ..channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    OutputPauseFrame,
    OutputResumeFrame,
    UserIdleTimeoutUpdateFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from .strategies import Event
from .strategies.deadline import has_come, until

__all__ = ["IdleDecision", "IdleTimer", "IdleWait", "NothingToAnswer", "UserIdle"]


@attrs.frozen
class IdleTimer:
    """To the watch, through the actor that keeps it: look whether it is time."""


@attrs.frozen
class IdleWait:
    """Show the watch an `IdleTimer` in so many seconds, in place of one that waits; None: not at all."""

    seconds: float | None
    message: IdleTimer = IdleTimer()


@attrs.frozen
class NothingToAnswer:
    """The turn that has just ended had no words, and nothing is said for it. The watch is shown this after its end."""


IdleDecision: TypeAlias = IdleWait | Event


@attrs.frozen
class UserIdle:
    """What is known of the waiting for the user. Made by `begin`."""

    timeout: float = attrs.field(default=0.0, converter=float)
    """Seconds; 0 or less: nobody watches."""
    due: float | None = None
    """When the user has been silent for too long; None while nobody waits."""
    bot_has_spoken: bool = False
    bot_is_speaking: bool = False
    bot_is_paused: bool = False
    is_turn_open: bool = False
    calls: frozenset[str] = frozenset()
    """The ids of those in progress."""
    has_ended: bool = False

    @classmethod
    def begin(cls, timeout: float = 0.0) -> UserIdle:
        """A session's first: the bot hasn't spoken yet. `timeout` is in seconds; 0 turns the watch off."""
        return cls(timeout)

    @property
    def waits(self) -> bool:
        """Whether it is the user's turn to speak."""
        busy = self.bot_is_speaking or self.bot_is_paused or self.is_turn_open or self.calls or self.has_ended
        return self.bot_has_spoken and not busy

    def step(self, event: object, now: float) -> tuple[UserIdle, tuple[IdleDecision, ...]]:
        """The watch after this, and what is to be done; the event is `on_user_turn_idle`. `now` is seconds on the session
        clock.
        """
        match event:
            case BotStartedSpeakingFrame():
                return attrs.evolve(self, bot_has_spoken=True, bot_is_speaking=True)._stopped()
            case BotStoppedSpeakingFrame():
                return attrs.evolve(self, bot_is_speaking=False)._started(now)
            case UserStartedSpeakingFrame():
                return attrs.evolve(self, is_turn_open=True)._stopped()
            case UserStoppedSpeakingFrame():
                return attrs.evolve(self, is_turn_open=False), ()
            case OutputPauseFrame():
                return attrs.evolve(self, bot_is_paused=True)._stopped()
            case OutputResumeFrame() | InterruptionFrame():
                return attrs.evolve(self, bot_is_paused=False), ()
            case FunctionCallsStartedFrame(function_calls=calls):
                return attrs.evolve(self, calls=self.calls | {call.tool_call_id for call in calls})._stopped()
            case FunctionCallResultFrame(properties=properties) if properties is not None and not properties.is_final:
                return self, ()
            case FunctionCallResultFrame(tool_call_id=call_id) | FunctionCallCancelFrame(tool_call_id=call_id):
                return attrs.evolve(self, calls=self.calls - {call_id}), ()
            case UserIdleTimeoutUpdateFrame(timeout=timeout):
                return attrs.evolve(self, timeout=timeout)._started(now)
            case NothingToAnswer():
                return self._started(now)
            case EndFrame() | CancelFrame():
                return attrs.evolve(self, has_ended=True)._stopped()
            case IdleTimer() if self.due is not None:
                if has_come(self.due, now):
                    return attrs.evolve(self, due=None), (Event("on_user_turn_idle"),)
                return self, (IdleWait(until(self.due, now)),)
            case _:
                return self, ()

    def _started(self, now: float) -> tuple[UserIdle, tuple[IdleDecision, ...]]:
        """Count from now on, if it is the user's turn to speak."""
        if self.timeout <= 0 or not self.waits:
            return self._stopped()
        return attrs.evolve(self, due=now + self.timeout), (IdleWait(self.timeout),)

    def _stopped(self) -> tuple[UserIdle, tuple[IdleDecision, ...]]:
        if self.due is None:
            return self, ()
        return attrs.evolve(self, due=None), (IdleWait(None),)

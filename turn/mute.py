"""Whether the user is heard at all.

1. A mute is a frozen value, kept in one `durable` field; strategies are values too, and pure.
2. A frame is judged by what held before it: the one that mutes passes, the one that unmutes is still suppressed.
3. A voice that was heard to begin is heard to end, even if that is said for it: nobody waits for a muted user.

Who keeps it asks about every frame first:

    self.mute, verdict = self.mute.step(frame, self.now)

and does, in this order: the owed frame, if any, sent both ways and handled as if received; the event and the frame of an edge;
then, unless it is suppressed, the frame itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Literal, TypeVar

import attrs

from ..channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EagerTranscriptionFrame,
    EmulateUserStartedSpeakingFrame,
    EmulateUserStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

__all__ = [
    "AlwaysUserMuteStrategy",
    "FirstSpeechUserMuteStrategy",
    "FunctionCallUserMuteStrategy",
    "MuteUntilFirstBotCompleteUserMuteStrategy",
    "MuteVerdict",
    "UserMute",
    "UserMuteStrategy",
]

State = TypeVar("State")

TRANSCRIPTS = (TranscriptionFrame, InterimTranscriptionFrame, EagerTranscriptionFrame)

INPUT = (
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    InputAudioRawFrame,
    *TRANSCRIPTS,
    UserBackchannelFrame,
)
"""What a muted user can't do."""

NEVER_SHOWN = (StartFrame, EndFrame, CancelFrame)


@attrs.frozen
class UserMuteStrategy(Generic[State]):
    """Base of mute strategies: configuration, a frozen value."""

    def begin(self) -> State:
        """What it knows at first: an immutable value."""
        raise NotImplementedError(f"{type(self).__name__}.begin() is missing: return the state to begin with.")

    def step(self, state: State, frame: object) -> State:
        """What it knows after this frame. It sees all but StartFrame, EndFrame and CancelFrame."""
        raise NotImplementedError(f"{type(self).__name__}.step() is missing: return the next state.")

    def is_muted(self, state: State) -> bool:
        """Whether the user is muted, as far as this strategy goes."""
        raise NotImplementedError(f"{type(self).__name__}.is_muted() is missing: return True or False.")


@attrs.frozen
class AlwaysUserMuteStrategy(UserMuteStrategy[bool]):
    """The user is muted while the bot speaks."""

    def begin(self) -> bool:
        return False

    def step(self, state: bool, frame: object) -> bool:
        match frame:
            case BotStartedSpeakingFrame():
                return True
            case BotStoppedSpeakingFrame():
                return False
            case _:
                return state

    def is_muted(self, state: bool) -> bool:
        return state


FirstSpeech = Literal["to come", "going on", "over"]


@attrs.frozen
class FirstSpeechUserMuteStrategy(UserMuteStrategy[FirstSpeech]):
    """The user is muted while the bot speaks for the first time."""

    def begin(self) -> FirstSpeech:
        return "to come"

    def step(self, state: FirstSpeech, frame: object) -> FirstSpeech:
        match state, frame:
            case "to come", BotStartedSpeakingFrame():
                return "going on"
            case "going on", BotStoppedSpeakingFrame():
                return "over"
            case _:
                return state

    def is_muted(self, state: FirstSpeech) -> bool:
        return state == "going on"


@attrs.frozen
class MuteUntilFirstBotCompleteUserMuteStrategy(UserMuteStrategy[FirstSpeech]):
    """The user is muted from the start until the bot has spoken for the first time; or until something fails before that,
    for then it may never speak.
    """

    def begin(self) -> FirstSpeech:
        return "to come"

    def step(self, state: FirstSpeech, frame: object) -> FirstSpeech:
        match state, frame:
            case "to come", BotStartedSpeakingFrame():
                return "going on"
            case ("to come", ErrorFrame()) | (_, BotStoppedSpeakingFrame()):
                return "over"
            case _:
                return state

    def is_muted(self, state: FirstSpeech) -> bool:
        return state != "over"


@attrs.frozen
class FunctionCallUserMuteStrategy(UserMuteStrategy[frozenset[str]]):
    """The user is muted while functions run: until each call has got a result, if only an intermediate one, or was cancelled."""

    def begin(self) -> frozenset[str]:
        """The state is the ids of the calls that run."""
        return frozenset()

    def step(self, state: frozenset[str], frame: object) -> frozenset[str]:
        match frame:
            case FunctionCallsStartedFrame(function_calls=calls):
                return state | {call.tool_call_id for call in calls}
            case FunctionCallResultFrame(tool_call_id=call_id) | FunctionCallCancelFrame(tool_call_id=call_id):
                return state - {call_id}
            case _:
                return state

    def is_muted(self, state: frozenset[str]) -> bool:
        return bool(state)


@attrs.frozen
class MuteVerdict:
    """What is to be done about a frame."""

    is_suppressed: bool = False
    """Neither handle it nor pass it on."""
    edge: Literal["started", "stopped"] | None = None
    """The user is muted from now on, or heard again: the event and the frame of that name."""
    owed: VADUserStoppedSpeakingFrame | None = None
    """Before that: the end of a voice whose real end won't be heard."""


HEARD = MuteVerdict()
SUPPRESSED = MuteVerdict(is_suppressed=True)

Emulated = Literal["no", "begun", "with words", "overtaken"]

SPOKEN_FOR: Mapping[Emulated, Mapping[type, Emulated]] = {
    "no": {EmulateUserStartedSpeakingFrame: "begun"},
    "begun": {TranscriptionFrame: "with words", EmulateUserStoppedSpeakingFrame: "overtaken"},
    "with words": {EmulateUserStartedSpeakingFrame: "begun", EmulateUserStoppedSpeakingFrame: "no"},
    # The stop has overtaken the words that it ends: they are still to be let through.
    "overtaken": {EmulateUserStartedSpeakingFrame: "begun", TranscriptionFrame: "no"},
}
"""How far the application has spoken for the user. Other frames change nothing."""


@attrs.frozen
class UserMute:
    """Whether the user is muted, and what is needed to tell. Made by `begin`."""

    strategies: tuple[UserMuteStrategy[Any], ...] = ()
    states: tuple[Any, ...] = ()
    """Each of the type that its strategy says."""
    is_muted: bool = False
    """Whether the user is muted, as has been told."""
    emulated: Emulated = "no"
    """Whether the application speaks for the user: its words are never muted."""
    has_voice: bool = False
    """Voice activity was heard to begin, and not to end."""
    ignores_stop: bool = False
    """The next end of a voice is of one that nobody heard begin, or whose end has been told."""

    @classmethod
    def begin(cls, strategies: Iterable[UserMuteStrategy[Any]] = ()) -> UserMute:
        """Nothing has happened. A strategy that mutes from the start does so from the first frame on."""
        chosen = tuple(strategies)
        return cls(chosen, tuple(strategy.begin() for strategy in chosen))

    def step(self, frame: object, now: float) -> tuple[UserMute, MuteVerdict]:
        """The mute after this frame, and what is to be done. `now` is seconds on the session clock."""
        if not self.strategies:
            return self, HEARD
        mute, verdict = self._judged(frame)
        states = mute.states
        if not isinstance(frame, NEVER_SHOWN):
            stepped = tuple(each.step(state, frame) for each, state in zip(mute.strategies, states, strict=True))
            states = states if all(new is old for new, old in zip(stepped, states, strict=True)) else stepped
        if states is not mute.states:
            mute = attrs.evolve(mute, states=states)
        is_muted = mute._is_wanted()
        if is_muted == mute.is_muted:
            return mute, verdict
        mute = attrs.evolve(mute, is_muted=is_muted)
        if not is_muted:
            return mute, attrs.evolve(verdict, edge="stopped")
        if not mute.has_voice:
            return mute, attrs.evolve(verdict, edge="started")
        mute = attrs.evolve(mute, has_voice=False, ignores_stop=True)
        return mute, attrs.evolve(verdict, edge="started", owed=VADUserStoppedSpeakingFrame(timestamp=now))

    def _is_wanted(self) -> bool:
        return any(each.is_muted(state) for each, state in zip(self.strategies, self.states, strict=True))

    def _judged(self, frame: object) -> tuple[UserMute, MuteVerdict]:
        """By what held before the frame."""
        emulated = SPOKEN_FOR[self.emulated].get(type(frame), self.emulated)
        mute = self if emulated == self.emulated else attrs.evolve(self, emulated=emulated)
        is_suppressed = isinstance(frame, INPUT) and self._is_wanted()
        if isinstance(frame, TRANSCRIPTS) and self.emulated != "no":
            is_suppressed = False
        match frame:
            case VADUserStartedSpeakingFrame():
                mute = attrs.evolve(mute, has_voice=not is_suppressed, ignores_stop=is_suppressed)
            case VADUserStoppedSpeakingFrame():
                is_suppressed = is_suppressed or self.ignores_stop
                mute = attrs.evolve(mute, has_voice=False, ignores_stop=False)
            case _:
                pass
        return mute, SUPPRESSED if is_suppressed else HEARD

"""What is wrong with a conversation that was played: sentences that begin with the invariant's name.

It is told from the trace, and from what an ear has heard of it: every word is said once, so nothing needs to be guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from antiphon.actors import Delivery, Event, Killed
from antiphon.channels import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ContextCommittedFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMTextFrame,
    OutputPauseFrame,
    TranscriptionFrame,
    TTSTextFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Conversation, Ear, Trace
from antiphon.scenarios.conversations import LIMIT
from antiphon.turn.peer_messages import ResponseClosed, ResponseOpened

__all__ = ["Played", "complaints", "play"]

PATIENCE = 6.0
"""Seconds within which words that were written are shown to the model, if only with what follows them."""
ADDED = "on_user_turn_message_added", "on_assistant_message_added"
WORD = re.compile(r"[a-zA-Z]\d+(?:p\d+)?w\d+\.?")


@attrs.frozen
class Played:
    """A conversation, what came of it, and what was heard."""

    conversation: Conversation
    trace: Trace
    ear: Ear

    @property
    def context(self) -> LLMContext:
        context = self.trace.durable["user"]["context"]
        assert isinstance(context, LLMContext)
        return context


def play(conversation: Conversation, *, direct: bool = True) -> Played:
    ear = Ear()
    return Played(conversation, conversation.play(direct=direct, device=ear), ear)


def complaints(played: Played) -> list[str]:
    """All of them, the plainest first."""
    return [complaint for rule in RULES for complaint in rule(played)]


# ---- the end


def ends(played: Played) -> Iterator[str]:
    trace = played.trace
    for failure in trace.failures:
        if not isinstance(failure.error, Killed):
            yield f"crash: {failure.address} raised {failure.error!r} at {failure.time:.3f}"
    if not isinstance(trace.ended, str):
        yield f"ends: the session failed: {trace.ended!r}"
    if trace.deliveries and trace.deliveries[-1].time > LIMIT - 1:
        yield "ends: it never comes to rest"
    for each in trace.deliveries:
        if each.receiver.name == "source" and isinstance(each.frame, ErrorFrame) and "swallowed" in each.frame.error:
            yield f"flush: {each.frame.error} at {each.time:.3f}"


# ---- what is written


def user_words(played: Played) -> Iterator[str]:
    """Each word that was handled stands in the user's messages exactly once, and nothing else does."""
    written = Counter(word for message in spoken_by(played.context, "user") for word in words(message))
    expected = dict.fromkeys(word for each in handled_words(played) for word in words(each.text))
    for word in expected:
        if written[word] != 1:
            yield f"transcripts: {word} was handled, and is written {written[word]} times"
    for word in written:
        if word not in expected:
            yield f"transcripts: {word} is written, and was not handled or came from a muted user"


def bot_words(played: Played) -> Iterator[str]:
    """What was heard of the bot is written, once and in order, and nothing else is."""
    written = [word for message in spoken_by(played.context, "assistant") for word in words(message)]
    for word, count in Counter(written).items():
        if count > 1:
            yield f"heard: {word} is written {count} times"
    told = told_words(played)
    # Without times a word is cut by an estimate.
    slack = 0 if played.conversation.word_times else 1
    missing = [word for word in told if played.ear.has_heard(word) and word not in written]
    unheard = [word for word in written if not played.ear.has_heard(word)]
    for of, lost in by_answer(missing).items():
        if len(lost) > slack:
            yield f"heard: {lost} of {of} were heard, and aren't written"
    for of, more in by_answer(unheard).items():
        if len(more) > slack:
            yield f"heard: {more} of {of} are written, and weren't heard"
    for of, those in by_answer(written).items():
        places = [place_of(word) for word in those]
        if places != sorted(places):
            yield f"heard: the words of {of} are written as {those}"


# ---- calls


def calls(played: Played) -> Iterator[str]:
    """What became of a call is told."""
    text = " ".join(str(message.get("content")) for message in played.context.messages)
    for each in deliveries_of(played.trace, "assistant"):
        frame = each.frame
        if not isinstance(frame, FunctionCallResultFrame) or not frame.result:
            continue
        is_final = frame.properties is None or frame.properties.is_final
        if is_final and f'"{frame.tool_call_id}"' not in text and '"error"' not in text:
            yield f"calls: the result of {frame.tool_call_id} is lost"


# ---- runs


def runs(played: Played) -> Iterator[str]:
    """Their numbers grow; what a run says doesn't leave the model when the next has begun; each snapshot is whole."""
    newest = 0
    user_turns: set[int] = set()
    for each in played.trace.deliveries:
        frame = each.frame
        if isinstance(frame, LLMContextFrame) and each.receiver.name in ("llm", "s2s"):
            assert frame.run_id is not None
            if frame.run_id < newest:
                yield f"runs: {frame.run_id} begins behind {newest}"
            if frame.run_id != newest and frame.reason == "user turn":
                if frame.context.version in user_turns:
                    yield f"runs: run {frame.run_id} answers what another one answers already"
                user_turns.add(frame.context.version)
                if not any(message["role"] in ("user", "developer") for message in frame.context.messages[-1:]):
                    yield f"runs: run {frame.run_id} answers words that it isn't shown"
            newest = max(newest, frame.run_id)
        elif isinstance(frame, LLMTextFrame) and each.sender is not None and each.sender.name == "llm":
            for word in words(frame.text):
                if int(word[1:].split("w")[0]) < newest:
                    yield f"runs: {word} leaves at {each.time:.3f}, when run {newest} has begun"


def answered(played: Played) -> Iterator[str]:
    """Words written while the session goes on are answered."""
    conversation = played.conversation
    if conversation.hears_and_speaks:
        return
    shown = {
        word
        for each in played.trace.deliveries
        if isinstance(each.frame, LLMContextFrame) and each.receiver.name == "llm"
        for message in spoken_by(each.frame.context, "user")
        for word in words(message)
    }
    over = moment_of_end(played)
    added = [each for each in played.trace.events if each.name == "on_user_turn_message_added"]
    for event in added:
        message: Any = event.payload[0]
        lost = [word for word in words(message.content) if word not in shown]
        if lost and event.time < over - PATIENCE:
            yield f"runs: {lost[0]} was written at {event.time:.3f}, and never shown to the model"


# ---- events and edges


def events(played: Played) -> Iterator[str]:
    """One for each message, in order."""
    told = [str(getattr(event.payload[0], "content", "")) for event in played.trace.events if event.name in ADDED]
    written = [
        str(message["content"])
        for message in played.context.messages
        if message["role"] in ("user", "assistant") and "tool_calls" not in message and message.get("content")
    ]
    if told != written:
        yield f"events: told were {told}, written {written}"


def events_after_writes(played: Played) -> Iterator[str]:
    """Whoever hears of a message finds it in the context."""
    texts: list[str] = []
    for each in played.trace.history:
        if isinstance(each, Delivery):
            if each.receiver.name == "user" and isinstance(each.frame, (EndFrame, CancelFrame)):
                return  # nothing is sent any more of what is written
            if each.receiver.name == "source" and isinstance(each.frame, ContextCommittedFrame):
                context = each.frame.context
                texts = [*spoken_by(context, "user"), *spoken_by(context, "assistant")]
        elif isinstance(each, Event) and each.name in ADDED:
            content = str(getattr(each.payload[0], "content", ""))
            if content not in texts:
                yield f"events: {content} was told at {each.time:.3f}, before it was written"


def speaking(played: Played) -> Iterator[str]:
    """The bot speaks as long as it is heard, and says so."""
    trace = played.trace
    if any(restart.delay or restart.address.name == "output" for restart in trace.restarts):
        return
    cuts = {
        each.time
        for each in deliveries_of(trace, "output")
        if isinstance(each.frame, (InterruptionFrame, OutputPauseFrame, CancelFrame))
    }
    said = [
        (each.time, isinstance(each.frame, BotStartedSpeakingFrame))
        for each in deliveries_of(trace, "sink")
        if isinstance(each.frame, (BotStartedSpeakingFrame, BotStoppedSpeakingFrame))
    ]
    for began, ended in played.ear.sounds:
        speaks = [is_start for time, is_start in said if time <= began + 1e-6]
        if not speaks or not speaks[-1]:
            yield f"speaking: sound was heard at {began:.3f}, and the bot didn't speak"
        for time, is_start in said:
            if not is_start and began + 1e-6 < time < ended - 1e-6 and time not in cuts:
                yield f"speaking: the bot stopped at {time:.3f}, and was heard until {ended:.3f}"


def left_open(played: Played) -> Iterator[str]:
    """In a session that nobody ends each turn comes to an end."""
    conversation = played.conversation
    if conversation.edges == "announced" or any(
        isinstance(each, (EndFrame, CancelFrame)) for each in conversation.script
    ):
        return
    is_open = False
    for each in deliveries_of(played.trace, "source"):
        if isinstance(each.frame, (UserStartedSpeakingFrame, UserStoppedSpeakingFrame)):
            is_open = isinstance(each.frame, UserStartedSpeakingFrame)
    if is_open:
        yield "edges: a turn never ends"


def edges(played: Played) -> Iterator[str]:
    """Beginnings and ends alternate."""
    pairs: dict[str, tuple[type[Frame], type[Frame]]] = {
        "bot": (BotStartedSpeakingFrame, BotStoppedSpeakingFrame),
        "mute": (UserMuteStartedFrame, UserMuteStoppedFrame),
    }
    if played.conversation.edges != "announced":
        pairs["turn"] = UserStartedSpeakingFrame, UserStoppedSpeakingFrame
    for name, (started, stopped) in pairs.items():
        is_open = False
        for each in played.trace.deliveries:
            if each.receiver.name != "source":
                continue
            if isinstance(each.frame, started):
                if is_open:
                    yield f"edges: {name} begins twice, the second time at {each.time:.3f}"
                is_open = True
            elif isinstance(each.frame, stopped):
                if not is_open:
                    yield f"edges: {name} ends at {each.time:.3f} without a beginning"
                is_open = False


def responses(played: Played) -> Iterator[str]:
    """Answers open and close one by one."""
    now: int | None = None
    last = 0
    for each in deliveries_of(played.trace, "user"):
        if isinstance(each.frame, ResponseOpened) and each.frame.response_id != now:
            if now is not None:
                yield f"responses: {each.frame.response_id} opens before {now} has closed"
            now = each.frame.response_id
            if now <= last:
                yield f"responses: {now} opens behind {last}"
            last = now
        elif isinstance(each.frame, ResponseClosed):
            if each.frame.response_id not in (now, last):
                yield f"responses: {each.frame.response_id} closes, and {now} is open"
            now = None
    if now is not None and isinstance(played.trace.ended, str):
        yield f"responses: {now} never closes"


RULES = (
    ends,
    user_words,
    bot_words,
    calls,
    runs,
    answered,
    events,
    events_after_writes,
    speaking,
    left_open,
    edges,
    responses,
)


# ---- what a trace holds


def words(text: str) -> list[str]:
    return WORD.findall(text)


def place_of(word: str) -> int:
    return int(word.rstrip(".").split("w")[-1])


def by_answer(those: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in those:
        found.setdefault(word.split("w")[0], []).append(word)
    return found


def spoken_by(context: LLMContext, role: str) -> list[str]:
    return [
        str(message["content"])
        for message in context.messages
        if message["role"] == role and "tool_calls" not in message and message.get("content")
    ]


def deliveries_of(trace: Trace, name: str) -> Iterator[Delivery]:
    return (each for each in trace.deliveries if each.receiver.name == name)


def handled_words(played: Played) -> Iterator[TranscriptionFrame | InputTextRawFrame]:
    """What reached the user half while the user wasn't muted, once each."""
    is_muted = False
    seen: set[str] = set()
    for each in played.trace.deliveries:
        frame = each.frame
        if each.receiver.name == "source" and isinstance(frame, (UserMuteStartedFrame, UserMuteStoppedFrame)):
            is_muted = isinstance(frame, UserMuteStartedFrame)
        elif each.receiver.name == "user" and isinstance(frame, (TranscriptionFrame, InputTextRawFrame)):
            heard = isinstance(frame, InputTextRawFrame) or not is_muted
            if heard and frame.text not in seen:
                seen.add(frame.text)
                yield frame


def told_words(played: Played) -> list[str]:
    """The words that the voice says and that are meant for the context, in order."""
    found: dict[str, None] = {}
    for each in deliveries_of(played.trace, "output"):
        if isinstance(each.frame, TTSTextFrame) and each.frame.append_to_context:
            found.update(dict.fromkeys(words(each.frame.text)))
    return list(found)


def moment_of_end(played: Played) -> float:
    """When the user half began no more runs."""
    those = (
        each.time for each in deliveries_of(played.trace, "user") if isinstance(each.frame, (EndFrame, CancelFrame))
    )
    return next(those, 0.0)

"""What is wrong with a conversation that was played: sentences that begin with the invariant's name.

It is told from the trace, and from what an ear has heard of it: every word is said once, so nothing needs to be guessed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from antiphon.actors import Address, Delivery, Event, Killed
from antiphon.actors.services.scripted_tts import tone_of
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
    LLMMessagesTransformFrame,
    LLMMessagesUpdateFrame,
    LLMTextFrame,
    OutputPauseFrame,
    StopFrame,
    TranscriptionFrame,
    TTSTextFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from antiphon.scenarios import Conversation, Ear, Sleep, Trace
from antiphon.scenarios.cast import Forget, Remark
from antiphon.scenarios.conversations import LIMIT
from antiphon.scenarios.invariants.reading import Reading
from antiphon.scenarios.invariants.spoken import kept
from antiphon.turn.peer_messages import ResponseClosed, ResponseOpened

__all__ = ["Played", "complaints", "play"]

PATIENCE = 6.0
"""Seconds within which words that were written are shown to the model, if only with what follows them."""
ASSISTANT = Address("assistant")
ENDS = EndFrame, StopFrame, CancelFrame
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
    """Each word that was handled is written in one message of the user, or told to be rejected, or, in a session that was
    stopped, kept to be written; nothing else is.
    """
    written = Counter(word for text in told_of(played, ADDED[0]) for word in words(text))
    rejected = Counter(word for text in told_of(played, "on_user_speech_rejected") for word in words(text))
    expected = dict.fromkeys(word for each in handled_words(played) for word in words(each.text))
    waits = kept_words(played)
    for word in expected:
        if written[word] + rejected[word] + waits.count(word) != 1:
            times = f"{written[word]} times" + (f", rejected {rejected[word]} times" if rejected[word] else "")
            yield f"transcripts: {word} was handled, and is written {times}"
    for word in written:
        if word not in expected:
            yield f"transcripts: {word} is written, and was not handled or came from a muted user"


def bot_words(played: Played) -> Iterator[str]:
    """What was heard of the bot is written, once and in order, and nothing else is; in a session that was stopped, it may be
    kept to be written.
    """
    written = [word for text in told_of(played, ADDED[1]) for word in words(text)]
    for word, count in Counter(written).items():
        if count > 1:
            yield f"heard: {word} is written {count} times"
    told = told_words(played)
    # Without times a word is cut by an estimate.
    slack = 0 if played.conversation.word_times else 1
    waits = [*kept_words(played), *cancelled_words(played)]
    unsure = confused_words(played)
    missing = [word for word in told if played.ear.has_heard(word) and word not in (*written, *waits, *unsure)]
    unheard = [word for word in written if not (played.ear.has_heard(word) or may_be_unheard(played, word))]
    for of, lost in by_answer(missing).items():
        if len(lost) > slack and not was_cancelled_without_assistant(played):
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
    """What became of a call is told, if only until the context is rewritten."""
    contexts = [played.context, *(each for each in contexts_of(played) if rewritings(played))]
    text = " ".join(str(message.get("content")) for context in contexts for message in context.messages)
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
    waits = is_held_up(played)
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
            for word in words(frame.text) if not waits else ():
                if int(word[1:].split("w")[0]) < newest:
                    yield f"runs: {word} leaves at {each.time:.3f}, when run {newest} has begun"


def is_held_up(played: Played) -> bool:
    """Whether what has left may wait before somebody: then it is seen later than it left."""
    conversation = played.conversation
    return conversation.small_lanes or conversation.lag is not None or any(each.delay for each in played.trace.restarts)


def answered(played: Played) -> Iterator[str]:
    """Words written while the session goes on are answered, unless the context is rewritten without them."""
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
    kept = {word for text in spoken_by(played.context, "user") for word in words(text)}
    over = moment_of_end(played)
    added = [each for each in played.trace.events if each.name == "on_user_turn_message_added"]
    for event in added:
        message: Any = event.payload[0]
        lost = [word for word in words(message.content) if word in kept - shown]
        if lost and event.time < over - PATIENCE:
            yield f"runs: {lost[0]} was written at {event.time:.3f}, and never shown to the model"


# ---- events and edges


def events(played: Played) -> Iterator[str]:
    """One for each message, in order. Where the context was rewritten, for each message behind the note about that."""
    told = told_of(played, *ADDED)
    messages = played.context.messages
    notes = rewritings(played)
    behind = max((at for at, each in enumerate(messages, 1) if each.get("content") in notes), default=0)
    written = [
        message["content"]
        for message in messages[behind:]
        if message["role"] in ("user", "assistant") and isinstance(message.get("content"), str)
    ]
    if (told[len(told) - len(written) :] if notes else told) != written:
        yield f"events: told were {told}, written {written}"


def events_after_writes(played: Played) -> Iterator[str]:
    """Whoever hears of a message finds it in the context, unless that is rewritten in the same instant."""
    texts: set[str] = set()
    stopped = moment_of_stop(played)
    for each in played.trace.history:
        if isinstance(each, Delivery):
            if each.receiver.name == "user" and isinstance(each.frame, ENDS):
                return  # nothing is sent any more of what is written
            if each.receiver.name == "source" and isinstance(each.frame, ContextCommittedFrame):
                context = each.frame.context
                texts |= {*spoken_by(context, "user"), *spoken_by(context, "assistant")}
        elif isinstance(each, Event) and each.name in ADDED and each.time < stopped:
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
        if ended <= began:
            continue  # it came late, for a moment that was past
        before = [is_start for time, is_start in said if time < began - 1e-6]
        meanwhile = [is_start for time, is_start in said if abs(time - began) <= 1e-6]
        if not any([*before[-1:], *meanwhile]):
            yield f"speaking: sound was heard at {began:.3f}, and the bot didn't speak"
        for time, is_start in said:
            if not is_start and began + 1e-6 < time < ended - 1e-6 and time not in cuts:
                yield f"speaking: the bot stopped at {time:.3f}, and was heard until {ended:.3f}"


def left_open(played: Played) -> Iterator[str]:
    """In a session that nobody ends each turn comes to an end."""
    conversation = played.conversation
    if conversation.edges == "announced" or any(isinstance(each, ENDS) for each in conversation.script):
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
    is_over = isinstance(played.trace.ended, str) and moment_of_stop(played) == math.inf
    if now is not None and is_over and not was_cancelled_without_assistant(played):
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
        if message["role"] == role and isinstance(message.get("content"), str)
    ]


def told_of(played: Played, *names: str) -> list[str]:
    """What events of these names have told, in order."""
    those = (each.payload[0] for each in played.trace.events if each.name in names)
    return [str(getattr(told, "content", told)) for told in those]


def contexts_of(played: Played) -> Iterator[LLMContext]:
    """The versions of the context that left the pipeline."""
    for each in deliveries_of(played.trace, "source"):
        if isinstance(each.frame, ContextCommittedFrame):
            yield each.frame.context


def rewritings(played: Played) -> set[str]:
    """The notes that stand last in a context that was rewritten."""
    found: set[str] = set()
    for each in played.trace.deliveries:
        if isinstance(each.frame, LLMMessagesUpdateFrame):
            found.add(str(each.frame.messages[-1]["content"]))
        elif isinstance(each.frame, LLMMessagesTransformFrame):
            assert isinstance(each.frame.transform, (Forget, Remark))
            found.add(each.frame.transform.note)
    return found


def deliveries_of(trace: Trace, name: str) -> Iterator[Delivery]:
    return (each for each in trace.deliveries if each.receiver.name == name)


def kept_words(played: Played) -> list[str]:
    """What waits to be written in a session that was stopped."""
    return words(kept(Reading.of(played.trace, user="user", assistant="assistant")))


def cancelled_words(played: Played) -> list[str]:
    """What the output let go on in the very moment of a Cancel, and the assistant half, which had ended, didn't take."""
    moment = next((each.time for each in played.trace.deliveries if isinstance(each.frame, CancelFrame)), math.inf)
    those = (each.delivery for each in played.trace.dropped if each.delivery.time >= moment)
    texts = (each.frame.text for each in those if isinstance(each.frame, TTSTextFrame) and each.receiver == ASSISTANT)
    return [word for text in texts for word in words(text)]


def was_cancelled_without_assistant(played: Played) -> bool:
    """Whether the assistant half was down when a Cancel came, which brings nobody back: the open answer stays so."""
    told = Reading.of(played.trace, user="user", assistant="assistant")
    moment = next((each.time for each in played.trace.deliveries if isinstance(each.frame, CancelFrame)), math.inf)
    return any(since <= moment <= until for since, until in told.downtimes if moment < math.inf)


def confused_words(played: Played) -> set[str]:
    """Those that sound like another word of the same conversation, so that nobody knows which of them was heard."""
    texts = (
        each.frame.text for each in played.trace.deliveries if isinstance(each.frame, (TTSTextFrame, LLMTextFrame))
    )
    by_sound: dict[bytes, set[str]] = {}
    for word in {word for text in texts for word in words(text)}:
        by_sound.setdefault(tone_of(word, 0.1, 100), set()).add(word)
    return {word for alike in by_sound.values() if len(alike) > 1 for word in alike}


def may_be_unheard(played: Played, word: str) -> bool:
    """Whether the voice was at fault there: it has no sound for the word, or broke off, and what it hasn't told is told then."""
    if played.conversation.fault is None:
        return False
    fault, at = played.conversation.fault
    knows_where = played.conversation.word_times and fault != "hangs at"
    return word == at if knows_where else word.split("w")[0] == at.split("w")[0]


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
    those = (each.time for each in deliveries_of(played.trace, "user") if isinstance(each.frame, ENDS))
    return min((*those, moment_of_stop(played)), default=0.0)


def moment_of_stop(played: Played) -> float:
    """When the session was stopped: it passes by the user half, of which nothing leaves any more."""
    now = 0.0
    for item in played.conversation.script:
        if isinstance(item, StopFrame):
            return now
        now += item.seconds if isinstance(item, Sleep) else 0.0
    return math.inf

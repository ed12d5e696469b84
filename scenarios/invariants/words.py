"""What holds of the words: each of the user's is written once, each of the bot's if it was heard, in the order of speaking."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator

from ...channels import (
    CancelFrame,
    EmulateUserStartedSpeakingFrame,
    FunctionCallInProgressFrame,
    HeardFrame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from ...turn.peer_messages import Commit, Flushed
from .complaint import Finding
from .context import rewritings
from .reading import Reading
from .spoken import (
    Mismatch,
    Said,
    Written,
    edges,
    first_of,
    gave_up_the_flush,
    heard,
    is_realtime,
    mismatch,
    mutes,
    said,
    squeezed,
    typed,
    written,
)

__all__: list[str] = []


def spoken_order(told: Reading) -> Iterator[Finding]:
    """Who began to speak first stands first, and what was cut off stands before what cut it off."""
    if gave_up_the_flush(told):
        return
    yield from _answers_before_their_replies(told)
    yield from _words_before_their_calls(told)
    if not is_realtime(told):
        yield from _nothing_before_the_flush(told)


def _answers_before_their_replies(told: Reading) -> Iterator[Finding]:
    """What was heard of the bot before a turn of the user began stands before what was said in that turn."""
    those = written(told)
    of_user = [each for each in those if each.is_of_user]
    of_bot = [each for each in those if not each.is_of_user]
    began = {
        id(each): piece
        for pieces, group in ((_all_said(told), of_user), (heard(told), of_bot))
        for each, piece in zip(group, first_of(pieces, [each.text for each in group]), strict=True)
    }
    # A service may say more than once that the user begins to speak: the turn began when the first of it was heard.
    turns = [event.time for event in told.events("on_user_turn_started")]
    for place, each in enumerate(those):
        words = began[id(each)]
        if not each.is_of_user or words is None:
            continue
        # Words that came late may begin a turn themselves: they belong before the answer all the same.
        limit = math.nextafter(words.time, -math.inf) if is_realtime(told) else words.time
        turn = max((time for time in turns if time <= limit), default=-math.inf)
        for later in those[place + 1 :]:
            speech = began[id(later)]
            if not later.is_of_user and speech is not None and speech.time < turn:
                why = (
                    f"the bot began at {speech.time:.3f} s to say {_content(later)!r}, the user's turn began at"
                    f" {turn:.3f} s, but {_content(each)!r} was written first"
                )
                yield Finding(later.event.time, why, (each.event, later.event))


def _words_before_their_calls(told: Reading) -> Iterator[Finding]:
    """What was heard before a call began stands before the call's entry, where that was written for its beginning."""
    of_bot = [each for each in written(told) if not each.is_of_user]
    firsts = first_of(heard(told), [each.text for each in of_bot])
    entries = [each for each in told.select(Commit, at=told.user) if each.frame.kind == "call entries"]
    for began in told.select(FunctionCallInProgressFrame, at=told.assistant):
        call_id = began.frame.tool_call_id
        entry = next((each.seq for each in entries if call_id in _calls_in(each.frame)), -1)
        if entry < began.seq:
            continue
        for each, words in zip(of_bot, firsts, strict=True):
            cause = each.told.cause
            if words is not None and cause is not None and words.seq < began.seq and cause.seq > entry:
                why = f"{_content(each)!r} was heard before the call {call_id} began, and written behind it"
                yield Finding(each.event.time, why, (each.event, began.frame))


def _calls_in(commit: Commit) -> set[object]:
    return {call["id"] for message in commit.messages for call in message.get("tool_calls", ())}


def _all_said(told: Reading) -> list[Said]:
    return sorted((*said(told), *typed(told)), key=lambda each: each.seq)


def _content(each: Written) -> str:
    return str(getattr(each.event.payload[0], "content", ""))


def _nothing_before_the_flush(told: Reading) -> Iterator[Finding]:
    """From an interruption until all that it cut is written, nothing of the user is."""
    if not told.assistant or told.is_broken_off:
        return
    flushes = told.select(Flushed, at=told.user)
    for cut in told.select(InterruptionFrame, at=told.user):
        end = next(
            (each.seq for each in flushes if each.seq > cut.seq and each.frame.epoch >= (cut.frame.epoch or 0)),
            math.inf,
        )
        for each in written(told):
            cause = each.told.cause
            if not each.is_of_user or cause is None:
                continue
            if cut.seq < cause.seq < end:
                why = f"{_content(each)!r} was written before what the interruption {cut.frame.epoch} had cut"
                yield Finding(each.event.time, why, (each.event,))


def every_transcript_once(told: Reading) -> Iterator[Finding]:
    """Each final transcript is part of one message of the user, in order, and nothing else is."""
    those = [each for each in written(told) if each.is_of_user]
    found = _mismatch(told, those, said(told))
    if found is not None:
        yield _of(found, told, "the user said")
    if not rewritings(told) and told.context is not None:
        left = Counter(squeezed(str(each.get("content"))) for each in told.context.messages if each["role"] == "user")
        for each in those:
            left[each.text] -= 1
            if left[each.text] < 0:
                yield Finding(
                    each.event.time, f"{_content(each)!r} was written, and isn't in the context", (each.event,)
                )


def _mismatch(told: Reading, those: list[Written], pieces: list[Said]) -> Mismatch | None:
    """What is typed is a message of its own, or part of what is said, before or behind words that came late."""
    by_hand = typed(told)
    whole = "".join(each.text for each in those)
    with_typed = sorted((*pieces, *by_hand), key=lambda each: each.seq)
    found = mismatch(whole, with_typed, is_cut_off=told.is_broken_off)
    if found is None or not by_hand:
        return found
    left = Counter(each.text for each in by_hand)
    spoken: list[str] = []
    for each in those:
        if left[each.text] > 0:
            left[each.text] -= 1
        else:
            spoken.append(each.text)
    rest = "".join(spoken)
    for text in left.elements():
        rest = rest.replace(text, "", 1)
    return mismatch(rest, pieces, is_cut_off=told.is_broken_off)


def _of(found: Mismatch, told: Reading, who: str) -> Finding:
    there = f"there is {found.there[:60]!r}" if found.there else "there is nothing"
    if found.said is None:
        return Finding(told.ends_at, f"more was written than {who}: {found.there[:60]!r}")
    why = f"{who} {found.said.text!r}, which should be written next, and {there} (delivery {found.said.seq})"
    return Finding(found.said.time, why)


def one_message_a_turn(told: Reading) -> Iterator[Finding]:
    """A turn is written as one message, or as many as it was answered in; one without words isn't."""
    if is_realtime(told):
        return
    by_hand = Counter(each.text for each in typed(told))
    triggers = 0
    messages: list[str] = []
    for each in told.told:
        event = each.event
        if event.name == "on_user_turn_inference_triggered":
            triggers += 1
        elif event.name == "on_user_turn_message_added":
            text = squeezed(event.payload[0].content)  # type: ignore[attr-defined]  # this event's payload
            if by_hand[text] > 0:
                by_hand[text] -= 1
            else:
                messages.append(text)
        elif event.name == "on_user_turn_stopped":
            content = squeezed(event.payload[-1].content or "")  # type: ignore[attr-defined]  # this event's payload
            if "".join(messages) != content:
                yield Finding(event.time, f"the turn was {content!r}, and {messages} were written", (event,))
            if len(messages) > max(1, triggers):
                why = f"{len(messages)} messages were written for a turn that was answered {triggers} times"
                yield Finding(event.time, why, (event,))
            triggers = max(0, triggers - max(1, len(messages)))
            messages = []


def heard_only(told: Reading) -> Iterator[Finding]:
    """What is written of the bot is what was heard of it: all of that, in order, and nothing else."""
    those = [each for each in written(told) if not each.is_of_user]
    pieces = heard(told)
    if told.assistant and told.trace.events:
        found = mismatch("".join(each.text for each in those), pieces, is_cut_off=told.is_broken_off)
        if found is not None:
            yield _of(found, told, "of the bot was heard")
    yield from _unheard(told)
    yield from _lost(told)


def _unheard(told: Reading) -> Iterator[Finding]:
    """Words that the output let go on before their sound was played."""
    played: dict[str, list[tuple[float, float]]] = {}
    for sound in told.select(TTSAudioRawFrame, by=told.output):
        if sound.frame.context_id is not None and sound.direction == "down":
            seconds = sound.frame.num_frames / sound.frame.sample_rate
            played.setdefault(sound.frame.context_id, []).append((sound.time, seconds))
    stopped = {each.frame.context_id: each.time for each in reversed(told.select(TTSStoppedFrame, by=told.output))}
    for each in told.select(TTSTextFrame, by=told.output):
        context, offset = each.frame.context_id, each.frame.offset_ns
        if offset is None or context not in played or stopped.get(context, math.inf) <= each.time:
            continue
        so_far = sum(seconds for time, seconds in played[context] if time <= each.time + 1e-6)
        if offset / 1e9 > so_far + 1e-6:
            why = (
                f"{each.frame.text!r} begins at {offset / 1e9:.3f} s of {context}, of which {so_far:.3f} s were played"
            )
            yield Finding.at(each, why)


def _lost(told: Reading) -> Iterator[Finding]:
    """Words whose sound was played before an interruption, and that the output never let go on."""
    cancelled = min((each.time for each in told.select(CancelFrame)), default=math.inf)
    released = {id(each.frame) for each in told.select(TTSTextFrame, by=told.output)}
    released |= {id(each.delivery.frame) for each in told.trace.dropped}
    reported: set[int] = set()
    for cut in told.select(HeardFrame, by=told.output):
        for context, played in cut.frame.played if cut.time < cancelled else ():
            for word in told.select(TTSTextFrame, at=told.output):
                frame = word.frame
                is_heard = frame.context_id == context and frame.offset_ns is not None and frame.offset_ns < played
                if is_heard and word.seq < cut.seq and id(frame) not in released | reported:
                    reported.add(id(frame))
                    yield Finding.at(word, f"it was heard, {played / 1e9:.3f} s of {context} were, and never went on")


def muted_is_deaf(told: Reading) -> Iterator[Finding]:
    """Nothing that a muted user says is written, nor begins a turn."""
    if told.select(EmulateUserStartedSpeakingFrame, at=told.user):
        return  # the application speaks for the user, which no mute keeps it from
    muted = mutes(told)
    those = [each for each in written(told) if each.is_of_user]
    pieces = said(told)
    deaf = [each for each in pieces if not any(start < each.time < stop for start, stop in muted)]
    if len(deaf) < len(pieces) and _mismatch(told, those, pieces) is None:
        found = _mismatch(told, those, deaf)
        if found is not None:
            time = next((each.time for each in pieces if each not in deaf), told.ends_at)
            yield Finding(time, f"what a muted user said was written: {found.there[:60]!r}")
    for edge in edges(told, UserStartedSpeakingFrame, UserStoppedSpeakingFrame, by=told.user):
        if edge.is_start and any(start < edge.time < stop for start, stop in muted):
            yield Finding.at(edge.delivery, "a turn of a muted user began")


def no_words_no_message(told: Reading) -> Iterator[Finding]:
    """No message of the user is empty, and none is written that no words have come for."""
    pieces = _all_said(told)
    counts = itertools.count(1)
    for each in written(told):
        if not each.is_of_user:
            continue
        count = next(counts)
        if not each.text:
            yield Finding(each.event.time, "a message without words was written", (each.event,))
        elif each.told.cause is not None:
            cause = each.told.cause.seq
            if sum(piece.seq <= cause for piece in pieces) < count:
                yield Finding(each.event.time, f"{_content(each)!r} was written, and nobody had said it", (each.event,))

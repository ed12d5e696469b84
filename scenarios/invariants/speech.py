"""What holds of the edges of speaking, and of what the synthesiser and the output make of a text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from ...channels import (
    BotBackchannelFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    OutputPauseFrame,
    SpeechOutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from ...turn.words import words_of
from .complaint import Finding
from .conversation import ENDS, Conversation, Seen, sender_of
from .spoken import channels, edges

__all__: list[str] = []

FALLBACK = 3.0
"""Seconds without sound after which the bot doesn't speak, whatever was announced."""
LATENESS = 0.25
"""Seconds that a chunk may be seen late: what a device's buffer holds, and a chunk."""


def edges_alternate(told: Conversation) -> Iterator[Finding]:
    """Starts and stops alternate, a start first: of turns, voice, bot, mute, syntheses and answers."""
    sent: tuple[tuple[type[Frame], type[Frame], str], ...] = (
        (UserStartedSpeakingFrame, UserStoppedSpeakingFrame, told.user),
        (UserMuteStartedFrame, UserMuteStoppedFrame, told.user),
        (BotStartedSpeakingFrame, BotStoppedSpeakingFrame, told.output),
    )
    for started, stopped, sender in sent:
        for those in channels(told, started, stopped, by=sender):
            yield from _alternate(those, started)
    voice = told.select(VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame, at=told.user)
    yield from _alternate(voice, VADUserStartedSpeakingFrame)
    yield from _syntheses(told)
    yield from _answers(told)


def _alternate(those: Iterable[Seen[object]], started: type) -> Iterator[Finding]:
    is_on = False
    for each in those:
        is_start = isinstance(each.frame, started)
        if is_start == is_on:
            yield Finding.at(each, "a start came after a start" if is_start else "a stop came without a start")
        is_on = is_start


def _syntheses(told: Conversation) -> Iterator[Finding]:
    began: set[str] = set()
    over: set[str] = set()
    for each in told.select(TTSStartedFrame, TTSStoppedFrame, at=told.output):
        if sender_of(each) in ENDS:
            continue
        context = getattr(each.frame, "context_id", None)
        if context is None:
            continue
        if isinstance(each.frame, TTSStartedFrame):
            if context in began:
                yield Finding.at(each, f"the synthesis {context} began twice")
            began.add(context)
        else:
            if context in over or context not in began:
                yield Finding.at(each, f"the synthesis {context} was over {'twice' if context in over else 'unbegun'}")
            over.add(context)


def _answers(told: Conversation) -> Iterator[Finding]:
    open_one: Seen[Frame] | None = None
    for each in told.select(LLMFullResponseStartFrame, LLMFullResponseEndFrame, at=told.assistant):
        if isinstance(each.frame, LLMFullResponseEndFrame):
            open_one = None
            continue
        if open_one is not None and open_one.epoch == each.epoch:
            yield Finding.at(each, f"an answer began inside the one of {open_one.time:.3f} s")
        open_one = each


def speaking_is_sound(told: Conversation) -> Iterator[Finding]:
    """The bot speaks while its speech leaves the output, and at no other time."""
    chunks = [
        each
        for each in told.select(TTSAudioRawFrame, SpeechOutputAudioRawFrame, by=told.output)
        if each.direction == "down"
    ]
    if not chunks or told.is_delayed or _are_held_up(chunks):
        return
    spans: list[tuple[float, float]] = []
    for edge in edges(told, BotStartedSpeakingFrame, BotStoppedSpeakingFrame, by=told.output):
        if edge.is_start:
            spans.append((edge.time, math.inf))
        elif spans:
            spans[-1] = (spans[-1][0], edge.time)
    for each in chunks:
        is_speech = isinstance(each.frame, TTSAudioRawFrame)
        if is_speech and not any(start <= each.time + 1e-6 and each.time <= stop + LATENESS for start, stop in spans):
            yield Finding.at(each, "speech left while the bot wasn't said to speak")
    cuts = [each.time for each in told.select(InterruptionFrame, OutputPauseFrame, at=told.output)]
    for start, stop in spans:
        inside = [each for each in chunks if start - 1e-6 <= each.time <= stop + LATENESS]
        ends = [start, *(each.time + _seconds(each.frame) for each in inside)]
        begins = [*(each.time for each in inside), min(stop, told.ends_at)]
        for end, begin in zip(ends, begins, strict=True):
            cut = min((time for time in cuts if end - LATENESS < time < begin), default=math.inf)
            if begin - end > FALLBACK + LATENESS or begin - max(end, cut) > LATENESS:
                yield Finding(
                    end, f"the bot was said to speak from {start:.3f} s on, and no sound left until {begin:.3f} s"
                )
        if not inside and stop > start + LATENESS:
            yield Finding(start, f"the bot was said to speak from {start:.3f} s to {stop:.3f} s, and no sound left")


def _are_held_up(chunks: Sequence[Seen[OutputAudioRawFrame]]) -> bool:
    """Whether somebody behind the output took sound in heaps: then when it was played can't be told."""
    return any(
        one.time == other.time and one.frame is not other.frame and one.receiver == other.receiver
        for one, other in itertools.pairwise(chunks)
    )


def _seconds(frame: OutputAudioRawFrame) -> float:
    return frame.num_frames / frame.sample_rate


def syntheses_are_apart(told: Conversation) -> Iterator[Finding]:
    """Between the brackets of a synthesis the output is given nothing of another, and words in the order of their times."""
    current: str | None = None
    epoch = 0
    times: dict[tuple[str, str], int] = {}
    for each in told.select(TTSStartedFrame, TTSStoppedFrame, TTSAudioRawFrame, TTSTextFrame, at=told.output):
        frame = each.frame
        context = getattr(frame, "context_id", None)
        if context is None or sender_of(each) in ENDS:
            continue
        if each.epoch > epoch:
            current, epoch = None, each.epoch
        if current is not None and context != current and each.epoch == epoch:
            yield Finding.at(each, f"it is of {context}, and {current} isn't over")
        match frame:
            case TTSStartedFrame():
                current = context
            case TTSStoppedFrame():
                current = None
            case TTSTextFrame(offset_ns=offset, pts=pts):
                for kind, time in (("offset_ns", offset), ("pts", pts)):
                    if time is not None and time < times.get((context, kind), time):
                        yield Finding.at(each, f"{frame.text!r} has an earlier {kind} than the word before it")
                    if time is not None:
                        times[context, kind] = time
            case _:
                pass


def text_round_trip(told: Conversation) -> Iterator[Finding]:
    """What the model said in an answer that wasn't cut is what was spoken of it."""
    if not told.select(TTSTextFrame, at=told.assistant) or told.select(LLMConfigureOutputFrame):
        return
    may_hold_more = bool(told.select(TTSSpeakFrame, BotBackchannelFrame))
    cancelled = {each.frame.run_id for each in told.select(LLMRunCancelFrame)}
    for start, end in _whole_answers(told):
        run_id = start.frame.run_id
        if run_id in cancelled or start.frame.skip_tts or _is_disturbed(told, start.time, end.time):
            continue
        said = _words_of_run(told, run_id)
        spoken = [
            word
            for each in told.select(TTSTextFrame, at=told.assistant)
            if start.seq < each.seq < end.seq
            for word in words_of(each.frame.raw_text or each.frame.text)
        ]
        if said is None:
            continue
        if not _holds(spoken, said) or (len(spoken) > len(said) and not may_hold_more):
            yield Finding.at(end, f"the model said {' '.join(said)!r}, and {' '.join(spoken)!r} was spoken")


def _whole_answers(
    told: Conversation,
) -> Iterator[tuple[Seen[LLMFullResponseStartFrame], Seen[LLMFullResponseEndFrame]]]:
    """Those that came to their end, at the assistant half."""
    starts = {each.frame.run_id: each for each in told.select(LLMFullResponseStartFrame, at=told.assistant)}
    for end in told.select(LLMFullResponseEndFrame, at=told.assistant):
        start = starts.get(end.frame.run_id)
        if end.frame.run_id is None or start is None or end.frame.failed:
            continue
        if not any(start.seq < step.seq < end.seq for step in told.steps.values()):
            yield start, end


def _is_disturbed(told: Conversation, start: float, end: float) -> bool:
    failures = [each.time for each in told.trace.failures] + [each.time for each in told.select(ErrorFrame)]
    return any(start <= time <= end for time in failures)


def _words_of_run(told: Conversation, run_id: int | None) -> list[str] | None:
    """What the model said in a run, where its text went first; None if that wasn't seen, or not all of it is spoken."""
    is_open = False
    text = ""
    models = {
        (each.sender, each.receiver)
        for each in told.select(LLMFullResponseStartFrame)
        if each.frame.run_id == run_id and each.receiver.name != told.assistant
    }
    if not models:
        return None
    model, first = min(models, key=lambda each: _first_seq(told, run_id, each))
    for each in told.select(LLMFullResponseStartFrame, LLMTextFrame, LLMFullResponseEndFrame):
        if (each.sender, each.receiver) != (model, first):
            continue
        if isinstance(each.frame, LLMTextFrame):
            if is_open and each.frame.skip_tts:
                return None
            text += each.frame.text if is_open else ""
        else:
            is_open = isinstance(each.frame, LLMFullResponseStartFrame) and each.frame.run_id == run_id
    return list(words_of(text)) if text.strip() else None


def _first_seq(told: Conversation, run_id: int | None, way: tuple[object, object]) -> int:
    return min(
        each.seq
        for each in told.select(LLMFullResponseStartFrame)
        if each.frame.run_id == run_id and (each.sender, each.receiver) == way
    )


def _holds(words: list[str], wanted: list[str]) -> bool:
    """Whether the wanted words stand among these in their order."""
    those = iter(words)
    return all(word in those for word in wanted)

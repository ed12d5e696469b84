"""A conversation written down: what is heard, what is said, which functions are called. The pure half of `ScriptedLLM`.

1. `reply` is a function of script and context. It reads the whole conversation anew each time and remembers nothing.
2. A mistake in a script is a `ConfigurationError` when the script is made, never a surprise in a call.
"""

from __future__ import annotations

import enum
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs

from ...channels import FrozenDict, LLMContext, freeze
from ..errors import ConfigurationError

__all__ = ["Call", "Hangup", "Intent", "Pause", "Say", "Script", "Slot", "Step", "reply"]


@attrs.frozen
class Say:
    """Write this text, token by token."""

    text: str


@attrs.frozen
class Pause:
    """Be silent in the middle of a response."""

    seconds: float = attrs.field(converter=float, validator=attrs.validators.ge(0))


@attrs.frozen
class Call:
    """Call a function."""

    function: str
    arguments: FrozenDict = attrs.field(factory=FrozenDict, converter=freeze)


@attrs.frozen
class Hangup:
    """Ask the session to end, after everything said so far."""


Step: TypeAlias = Say | Pause | Call | Hangup


def _values(values: Mapping[str, Any] | Iterable[str]) -> FrozenDict:
    """What is said for a value, and the value: a list's elements stand for themselves."""
    pairs = cast(Mapping[str, Any], values if isinstance(values, Mapping) else {value: value for value in values})
    return FrozenDict({phrase: freeze(value) for phrase, value in pairs.items()})


def _by_words(slot: Slot) -> FrozenDict:
    return FrozenDict({" ".join(words_of(phrase)): value for phrase, value in slot.values.items()})


def _phrases(phrases: str | Iterable[str]) -> tuple[str, ...]:
    return (phrases,) if isinstance(phrases, str) else tuple(phrases)


@attrs.frozen
class Slot:
    """Something to find out."""

    values: FrozenDict = attrs.field(converter=_values)
    """What is heard, in words, and the value that it means. The first words of a value are those that are said."""
    heard: tuple[str, ...] = attrs.field(default=(), converter=_phrases)
    """Phrases that give it wherever they are heard, with `{value}` in them. The bare words do when it was asked for."""
    ask: str = ""
    """The question."""
    default: object = attrs.field(default=None, converter=freeze)
    """The value when none was heard; None asks."""

    by_words: FrozenDict = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_by_words, takes_self=True)
    )
    """The values by what is heard for them, without case and punctuation."""

    def spoken(self, value: object) -> str:
        return next((words for words, each in self.values.items() if each == value), str(value))


@attrs.frozen
class Intent:
    """Something that the user may want. With neither slots nor a call it is just answered with `done`."""

    heard: tuple[str, ...] = attrs.field(default=(), converter=_phrases)
    """Phrases, anywhere in what is heard. `{slot}` in one stands for a value of that slot, `a|b` for either word."""
    slots: tuple[str, ...] = attrs.field(default=(), converter=_phrases)
    """What must be found out, in the order of asking; the slots in `heard` come first if they aren't named here."""
    confirm: str = ""
    """Asked when all is known; yes goes on. Empty asks nothing."""
    change: str = "What shall I change?"
    """Said after no, when no other value came with it."""
    call: str = ""
    """The function to call when all is known."""
    arguments: FrozenDict | None = attrs.field(default=None, converter=freeze)
    """Of the call: `"{slot}"` for a slot's value, else the value itself. By default each slot by its name."""
    say: str = ""
    """Said before the call."""
    done: str = ""
    """Said at the end. `{result}` is the function's result, `{result.name}` one of its items."""
    failed: str = "Sorry, that didn't work."
    """Said when the function failed, or its result has an `error`, which is `{error}` here."""
    hangup: bool = False
    """The session is asked to end after `done`."""

    @property
    def all_slots(self) -> tuple[str, ...]:
        in_phrases = (name for phrase in self.heard for name in PLACEHOLDER.findall(phrase))
        return tuple(dict.fromkeys((*self.slots, *in_phrases)))


PLACEHOLDER = re.compile(r"\{(\w+)\}")
TEMPLATE = re.compile(r"\{(pause\s+[\d.]+|[\w.]+)\}")
KNOWN = ("prompt", "question")
"""What each text may quote: the last thing said, and what was asked."""


def _slots(slots: Mapping[str, Slot | Mapping[str, Any]]) -> Mapping[str, Slot]:
    return FrozenDict({name: each if isinstance(each, Slot) else Slot(**each) for name, each in slots.items()})


def _intents(intents: Mapping[str, Intent | Mapping[str, Any]]) -> Mapping[str, Intent]:
    return FrozenDict({name: each if isinstance(each, Intent) else Intent(**each) for name, each in intents.items()})


@attrs.frozen
class Script:
    """A whole conversation. `{slot}` in a text is that slot's value in words, `{pause 0.5}` half a second of silence.

    Raises `ConfigurationError` for what can't work: a name that isn't there, a slot that nobody could ever ask for.
    """

    opening: str = ""
    """Said when the model runs before anybody spoke."""
    start: str = ""
    """The intent that the user is taken to have from the beginning."""
    unclear: tuple[str, ...] = attrs.field(default=("Sorry, I didn't understand. {question}",), converter=_phrases)
    """Said when nothing was understood; at each further time in a row the next, at last the last."""
    wait: str = "One moment, please."
    """Said when the user speaks while a function runs."""
    yes: tuple[str, ...] = attrs.field(default=("yes", "yeah", "yep", "right", "correct", "sure"), converter=_phrases)
    no: tuple[str, ...] = attrs.field(default=("no", "nope", "wrong", "not right", "not correct"), converter=_phrases)
    slots: Mapping[str, Slot] = attrs.field(factory=FrozenDict, converter=_slots)
    intents: Mapping[str, Intent] = attrs.field(factory=FrozenDict, converter=_intents)

    def __attrs_post_init__(self) -> None:
        for complaint in _complaints(self):
            raise ConfigurationError(f"the script can't work: {complaint}")

    @classmethod
    def from_toml(cls, text: str) -> Script:
        """The script in a TOML document. Raises `ConfigurationError` for what is no TOML, or no script."""
        try:
            return cls(**tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"the script is no TOML document: {error}.") from error
        except TypeError as error:
            raise ConfigurationError(f"the script has a wrong entry: {error}.") from error

    @classmethod
    def load(cls, path: str | Path) -> Script:
        """The script in a TOML file."""
        return cls.from_toml(Path(path).read_text())

    @property
    def functions(self) -> frozenset[str]:
        """The names of the functions that it may call."""
        return frozenset(intent.call for intent in self.intents.values() if intent.call)


def reply(script: Script, context: LLMContext) -> tuple[Step, ...]:
    """What the model does next in this conversation.

    Everything follows from the messages, so a model that begins anew in the middle of a conversation goes on in it.
    """
    state, steps = _begin(script)
    for message in context.messages:
        match message:
            case {"role": "user"}:
                state, steps = _hear(script, state, _text_of(message))
            case {"role": "assistant", "tool_calls": [_, *_]}:
                state, steps = attrs.evolve(state, stage=Stage.CALLING), (Say(script.wait),)
            case {"role": "tool"}:
                state, steps = _settle(script, state, str(message.get("content", "")))
            case {"role": "assistant" | "developer"}:
                steps = _spoken(script, state, "{prompt}")
            case _:
                pass
    return steps


class Stage(enum.Enum):
    """What the model waits for."""

    IDLE = "idle"
    ASKING = "asking"
    CONFIRMING = "confirming"
    CALLING = "calling"


@attrs.frozen
class _State:
    """Where a conversation stands."""

    stage: Stage = Stage.IDLE
    intent: str = ""
    values: FrozenDict = attrs.field(factory=FrozenDict)
    asked: str = ""
    """The slot that was asked for."""
    prompt: str = ""
    """What was said last, complaints aside."""
    misses: int = 0
    """How often in a row nothing was understood."""


_Turn: TypeAlias = tuple[_State, tuple[Step, ...]]


def _begin(script: Script) -> _Turn:
    state, steps = _proceed(script, _State(intent=script.start)) if script.start else (_State(), ())
    if not script.opening:
        return state, steps
    steps = _spoken(script, state, script.opening)
    return _said(state, script.opening, steps), steps


def _hear(script: Script, state: _State, text: str) -> _Turn:
    """The conversation after the user said this."""
    words = words_of(text)
    if state.stage is Stage.CALLING:
        return state, _spoken(script, state, script.wait)
    name = _intent_in(script, words)
    wanted = script.intents[name] if name else None
    if wanted is not None and name != state.intent and (wanted.all_slots or wanted.call):
        state = _State(intent=name, prompt=state.prompt)
    found = _values_in(script, state, words)
    if found or (wanted is not None and name == state.intent):
        return _proceed(script, attrs.evolve(state, values=FrozenDict({**state.values, **found}), misses=0))
    if wanted is not None:
        steps = _spoken(script, state, wanted.done)
        return _said(attrs.evolve(state, misses=0), wanted.done, steps), (*steps, *_hangup(wanted))
    if state.stage is Stage.CONFIRMING:
        intent = script.intents[state.intent]
        if _contains(words, script.yes) and not _contains(words, script.no):
            return _act(script, state)
        if _contains(words, script.no):
            return attrs.evolve(state, misses=0), _spoken(script, state, intent.change)
    complaint = script.unclear[min(state.misses, len(script.unclear) - 1)]
    return attrs.evolve(state, misses=state.misses + 1), _spoken(script, state, complaint)


def _proceed(script: Script, state: _State) -> _Turn:
    """Ask for what is missing, have it confirmed, or do it."""
    intent = script.intents[state.intent]
    missing = [name for name in intent.all_slots if name not in state.values and script.slots[name].default is None]
    if missing:
        state, text = attrs.evolve(state, stage=Stage.ASKING, asked=missing[0]), script.slots[missing[0]].ask
    elif intent.confirm:
        state, text = attrs.evolve(state, stage=Stage.CONFIRMING, asked=""), intent.confirm
    else:
        return _act(script, attrs.evolve(state, stage=Stage.CONFIRMING, asked=""))
    steps = _spoken(script, state, text)
    return _said(state, text, steps), steps


def _act(script: Script, state: _State) -> _Turn:
    """Everything is known: call the function, or just say that it is done.

    The stage changes when the call stands in the context: an answer that is cut before calls nothing.
    """
    intent = script.intents[state.intent]
    if not intent.call:
        steps = _spoken(script, state, intent.done)
        return _said(_State(), intent.done, steps), (*steps, *_hangup(intent))
    known = {name: state.values.get(name, script.slots[name].default) for name in intent.all_slots}
    arguments = known if intent.arguments is None else _filled(intent.arguments, known)
    steps = (*_spoken(script, state, intent.say), Call(intent.call, arguments))
    return attrs.evolve(state, misses=0), steps


def _settle(script: Script, state: _State, content: str) -> _Turn:
    """The conversation after a tool message, whose content is a note that the call runs, or what became of it."""
    if content == "IN_PROGRESS" or not state.intent:
        return state, _spoken(script, state, script.wait)
    intent = script.intents[state.intent]
    if content == "CANCELLED":
        state = attrs.evolve(state, stage=Stage.CONFIRMING)
        return state, _spoken(script, state, "{question}")
    result = None if content == "COMPLETED" else _parsed(content)
    error = _item(result, "error")
    quoted: dict[str, object] = {"result": "" if result is None else result, "error": error or ""}
    if error:
        state = attrs.evolve(state, stage=Stage.CONFIRMING)
        steps = _spoken(script, state, intent.failed, quoted)
        return _said(state, intent.failed, steps), steps
    steps = _spoken(script, state, intent.done, quoted)
    return _said(_State(), intent.done, steps), (*steps, *_hangup(intent))


def _hangup(intent: Intent) -> tuple[Step, ...]:
    return (Hangup(),) if intent.hangup else ()


def _said(state: _State, template: str, steps: Iterable[Step]) -> _State:
    """A complaint or a repetition doesn't take the place of what it quotes."""
    if any(f"{{{name}}}" in template for name in KNOWN):
        return state
    return attrs.evolve(state, prompt="".join(step.text for step in steps if isinstance(step, Say)))


# --- what is heard


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("\u2019", "'"))


def _contains(words: Sequence[str], phrases: Iterable[str]) -> bool:
    heard = f" {' '.join(words)} "
    return any(f" {' '.join(words_of(phrase))} " in heard for phrase in phrases)


def _intent_in(script: Script, words: Sequence[str]) -> str:
    """The intent whose phrase is the longest in these words."""
    heard = " ".join(words)
    found = [
        (len(match.group().split()), name)
        for name, intent in script.intents.items()
        for phrase in intent.heard
        for match in _expression(script, phrase).finditer(heard)
    ]
    return max(found, key=lambda each: each[0], default=(0, ""))[1]


@attrs.frozen
class _Found:
    """A value in what was heard."""

    slot: str
    value: Any
    start: int
    end: int
    rank: tuple[int, int, bool]
    """Words of the value, words of the phrase round it, whether it was asked for: more is surer."""


def _values_in(script: Script, state: _State, words: Sequence[str]) -> dict[str, Any]:
    """The values that these words give to the slots of the intent. Of two for one slot the later holds."""
    heard = " ".join(words)
    taken: list[_Found] = []
    for found in sorted(_candidates(script, state, heard), key=lambda each: each.rank, reverse=True):
        if all(found.end <= other.start or found.start >= other.end for other in taken):
            taken.append(found)
    taken.sort(key=lambda each: each.start)
    return {each.slot: each.value for each in taken if not re.search(r"(^| )not $", heard[: each.start])}


def _candidates(script: Script, state: _State, heard: str) -> Iterator[_Found]:
    if not state.intent:
        return
    intent = script.intents[state.intent]
    for name in intent.all_slots:
        slot = script.slots[name]
        phrases = [phrase.replace("{value}", f"{{{name}}}") for phrase in slot.heard]
        phrases += [phrase for phrase in intent.heard if f"{{{name}}}" in phrase]
        for phrase in [*phrases, f"{{{name}}}"]:
            is_bare = phrase == f"{{{name}}}"
            for match in _expression(script, phrase).finditer(heard):
                said = match[name]
                if is_bare and name != state.asked and not _is_only_of(script, intent, name, said):
                    continue
                rank = len(said.split()), len(match.group().split()), name == state.asked
                yield _Found(name, slot.by_words[said], match.start(name), match.end(name), rank)


def _is_only_of(script: Script, intent: Intent, name: str, said: str) -> bool:
    return all(said not in script.slots[other].by_words for other in intent.all_slots if other != name)


def _expression(script: Script, phrase: str) -> re.Pattern[str]:
    """A phrase as an expression over words with single spaces. `re` keeps the last 512 that it compiled."""
    parts: list[str] = []
    for part in phrase.split():
        if placeholder := PLACEHOLDER.fullmatch(part):
            name = placeholder[1]
            values = sorted(script.slots[name].by_words, key=len, reverse=True)
            group = "|".join(map(re.escape, values))
            parts.append(f"(?P<{name}>{group})")
        else:
            words = [" ".join(words_of(word)) for word in part.split("|")]
            parts.append(f"(?:{'|'.join(map(re.escape, words))})")
    return re.compile(rf"(?<!\S){' '.join(parts)}(?!\S)")


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part["text"]) for part in content if "text" in part)


# --- what is said


def _spoken(
    script: Script, state: _State, template: str, quoted: Mapping[str, object] | None = None
) -> tuple[Step, ...]:
    """A text with its values filled in, as steps."""
    steps: list[Step] = []
    position, text = 0, ""
    for match in TEMPLATE.finditer(template):
        text += template[position : match.start()]
        position = match.end()
        if match[1].startswith("pause"):
            steps += [Say(text)] if text else []
            steps.append(Pause(float(match[1].split()[1])))
            text = ""
        else:
            text += _quote(script, state, match[1], quoted or {})
    text += template[position:]
    return (*steps, Say(text.strip() if not steps else text.rstrip())) if text.strip() else tuple(steps)


def _quote(script: Script, state: _State, name: str, quoted: Mapping[str, object]) -> str:
    first, *rest = name.split(".")
    if first in quoted:
        value = quoted[first]
        for name_of_item in rest:
            value = _item(value, name_of_item)
        return "" if value is None else str(value)
    if name == "prompt":
        return state.prompt
    if name == "question":
        return _question(script, state)
    slot = script.slots[name]
    return slot.spoken(state.values.get(name, slot.default)) if name in state.values or slot.default is not None else ""


def _item(value: Any, name: str) -> Any:
    return value.get(name) if issubclass(type(value), dict) else None


def _question(script: Script, state: _State) -> str:
    match state.stage:
        case Stage.ASKING:
            template = script.slots[state.asked].ask
        case Stage.CONFIRMING:
            template = script.intents[state.intent].confirm
        case _:
            return ""
    return "".join(step.text for step in _spoken(script, state, template) if isinstance(step, Say))


def _filled(arguments: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known.get(_slot_in(argument), argument) for name, argument in arguments.items()}


def _slot_in(argument: object) -> str:
    """The slot whose value an argument is to be."""
    placeholder = PLACEHOLDER.fullmatch(argument) if isinstance(argument, str) else None
    return placeholder[1] if placeholder else ""


def _parsed(content: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError:
        return content


# --- what can't work


def _complaints(script: Script) -> Iterator[str]:
    if script.start and script.start not in script.intents:
        yield f"start names the intent {script.start!r}, which isn't there; there are {_list(script.intents)}."
    if not script.unclear:
        yield "unclear is empty; give at least one text."
    for name, slot in script.slots.items():
        if not slot.values:
            yield f"slot {name!r} has no values."
        for phrase in slot.heard:
            if PLACEHOLDER.findall(phrase) != ["value"]:
                yield f"slot {name!r} is heard in {phrase!r}; a phrase of a slot holds {{value}}, once."
        yield from _unknown(script, f"the question of slot {name!r}", slot.ask, KNOWN)
    for name, intent in script.intents.items():
        yield from _complaints_of(script, name, intent)
    for place, text in (
        ("opening", script.opening),
        ("wait", script.wait),
        *(("unclear", each) for each in script.unclear),
    ):
        yield from _unknown(script, place, text, KNOWN)


def _complaints_of(script: Script, name: str, intent: Intent) -> Iterator[str]:
    if not intent.heard and name != script.start:
        yield f"intent {name!r} has nothing that it is heard in, and isn't the start; give it `heard`."
    for slot in intent.all_slots:
        if slot not in script.slots:
            yield f"intent {name!r} has the slot {slot!r}, which isn't there; there are {_list(script.slots)}."
            return
        always = intent.heard and all(f"{{{slot}}}" in phrase for phrase in intent.heard) and name != script.start
        if not always and not script.slots[slot].ask and script.slots[slot].default is None:
            yield f"slot {slot!r} may be missing in {name!r}; give it a question, `ask`, or a `default`."
    if not (intent.call or intent.done):
        yield f"intent {name!r} neither calls nor says anything; give it `call` or `done`."
    for argument in () if intent.arguments is None else intent.arguments.values():
        if (slot := _slot_in(argument)) and slot not in intent.all_slots:
            yield f"an argument of intent {name!r} is {argument!r}, which isn't one of its slots."
    for place in ("confirm", "change", "say"):
        yield from _unknown(script, f"{place} of intent {name!r}", getattr(intent, place), KNOWN)
    for place in ("done", "failed"):
        yield from _unknown(script, f"{place} of intent {name!r}", getattr(intent, place), (*KNOWN, "result", "error"))


def _unknown(script: Script, place: str, text: str, known: Iterable[str]) -> Iterator[str]:
    for name in TEMPLATE.findall(text):
        if not name.startswith("pause ") and name.split(".")[0] not in {*known, *script.slots}:
            yield f"{place} quotes {{{name}}}, which isn't a slot; there are {_list(script.slots)}."


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"

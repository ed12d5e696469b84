"""A language model that follows a script: it fills a model's seat without a network, and answers the same each time.

1. It behaves as a real one: context in; tokens and calls out, with the time that they take; cut by an interruption.
2. What it says follows from the context alone.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import trio

from ...channels import EndWorkerFrame, LLMContext
from ..actor import actor
from ..errors import ConfigurationError
from .function_calls import FunctionCallParams
from .llm import Answer, LLMService
from .script import Call, Hangup, Intent, Pause, Say, Script, Slot, Step, reply

__all__ = ["Call", "Hangup", "Intent", "Pause", "Say", "Script", "ScriptedLLM", "Slot", "Step", "reply"]

Scripted: TypeAlias = Script | Callable[[LLMContext], Iterable[Step | str]]
"""A script, or a function from the context to what comes next; a string is said."""


@actor
class ScriptedLLM(LLMService):
    """Answers each LLMContextFrame by its script. Functions of the script are called with keyword arguments.

    A function may be async or plain, and returns what JSON can hold; what it raises becomes a result with an `error`.
    Functions that want more are registered, as with any language model.
    Raises `ConfigurationError` for a script that calls a function which isn't given.
    """

    script: Scripted
    functions: Mapping[str, Callable[..., Any]] = attrs.field(factory=dict[str, Callable[..., Any]])
    first_token_secs: float = attrs.field(default=0.2, kw_only=True)
    """From the context to the first token: thinking."""
    token_secs: float = attrs.field(default=0.03, kw_only=True)
    """Between tokens. A token is a word with the space before it."""
    last_secs: float | None = attrs.field(default=None, kw_only=True)
    """From the last token to the calls and the end of the response; None: as between tokens."""
    cancel_on_interruption: bool = attrs.field(default=True, kw_only=True)
    """Whether an interruption cancels the calls of `functions` that run."""

    def __attrs_post_init__(self) -> None:
        for name, function in self.functions.items():
            self.register_function(name, _by_keyword(function), cancel_on_interruption=self.cancel_on_interruption)
        wanted = self.script.functions if isinstance(self.script, Script) else frozenset[str]()
        if missing := sorted(name for name in wanted if self.functions_known.find(name) is None):
            raise ConfigurationError(
                f"the script calls {', '.join(missing)}, which ScriptedLLM wasn't given: pass functions={{{missing[0]!r}: ...}}."
            )

    async def respond(self, context: LLMContext, answer: Answer) -> None:
        steps = self._steps(context)
        await trio.sleep(self.first_token_secs)
        await self._say(steps, answer)
        run = context.version if answer.run_id is None else answer.run_id
        calls = [step for step in steps if isinstance(step, Call)]
        for number, call in enumerate(calls, 1):
            answer.call(call.function, call.arguments, f"call_{run}_{number}")
        if Hangup() in steps:
            answer.follow(EndWorkerFrame("the script has come to its end"))

    def _steps(self, context: LLMContext) -> tuple[Step, ...]:
        if isinstance(self.script, Script):
            return reply(self.script, context)
        return tuple(Say(step) if isinstance(step, str) else step for step in self.script(context))

    async def _say(self, steps: Iterable[Step], answer: Answer) -> None:
        pieces = list(_pieces(steps))
        last_secs = self.token_secs if self.last_secs is None else self.last_secs
        last = max((index for index, piece in enumerate(pieces) if isinstance(piece, str)), default=None)
        for index, piece in enumerate(pieces):
            if isinstance(piece, str):
                await answer.text(piece)
                await trio.sleep(last_secs if index == last else self.token_secs)
            else:
                await answer.open()  # a pause is one in the middle of a response
                await trio.sleep(piece)


def tokens(text: str) -> list[str]:
    """The text in pieces: words with the space before them."""
    return re.findall(r"\s*\S+", text)


def _pieces(steps: Iterable[Step]) -> Iterator[str | float]:
    """Tokens, and the seconds of pauses between them."""
    space = ""
    for step in steps:
        match step:
            case Say(text):
                yield from tokens(text if text[:1].isspace() else space + text)
                space = " "
            case Pause(seconds):
                yield seconds
            case _:
                pass


def _by_keyword(function: Callable[..., Any]) -> Callable[[FunctionCallParams], Awaitable[None]]:
    """A function of the script as a handler: whatever it returns is the result, None as well."""

    async def handle(params: FunctionCallParams) -> None:
        result = function(**params.arguments)
        await params.result_callback(await result if inspect.isawaitable(result) else result)

    return handle

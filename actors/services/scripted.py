"""A language model that follows a script: it fills a model's seat without a network, and answers the same each time.

1. It behaves as a real one: context in; tokens and calls out, with the time that they take; cut by an interruption.
2. What it says follows from the context alone. Durable is only what it has begun and must close after a restart.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import trio

from ...channels import (
    CancelFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMTextFrame,
    StartFrame,
    freeze,
    thaw,
)
from ..actor import Actor, actor, durable, on, state
from ..effects import Both, Effect, Up
from ..errors import ConfigurationError
from .script import Call, Hangup, Intent, Pause, Say, Script, Slot, Step, reply

__all__ = ["Call", "Hangup", "Intent", "Pause", "Say", "Script", "ScriptedLLM", "Slot", "Step", "reply"]

Scripted: TypeAlias = Script | Callable[[LLMContext], Iterable[Step | str]]
"""A script, or a function from the context to what comes next; a string is said."""


@attrs.frozen
class _Run:
    """A response of which something has left."""

    run_id: int | None
    epoch: int


@actor
class ScriptedLLM(Actor):
    """Answers each LLMContextFrame by its script. Functions of the script are called with keyword arguments.

    A function may be async or plain, and returns what JSON can hold; what it raises becomes a result with an `error`.
    Raises `ConfigurationError` for a script that calls a function which isn't given.
    """

    script: Scripted
    functions: Mapping[str, Callable[..., Any]] = attrs.field(factory=dict[str, Callable[..., Any]])
    first_token_secs: float = attrs.field(default=0.2, kw_only=True)
    """From the context to the first token: thinking."""
    token_secs: float = attrs.field(default=0.03, kw_only=True)
    """Between tokens. A token is a word with the space before it."""
    cancel_on_interruption: bool = attrs.field(default=True, kw_only=True)
    """Whether an interruption cancels the calls that run."""

    open_run: _Run | None = durable(None)
    calls: tuple[FunctionCallFromLLM, ...] = durable(())
    """Announced and not settled."""
    cancelled_run: int = durable(0)
    """The newest run that was cancelled: what comes of it and of older ones is dropped."""
    running: _Run | None = state(None)
    run_scope: trio.CancelScope | None = state(None)
    call_scopes: dict[str, trio.CancelScope] = state(dict[str, trio.CancelScope])

    def __attrs_post_init__(self) -> None:
        wanted = self.script.functions if isinstance(self.script, Script) else frozenset[str]()
        if missing := wanted - set(self.functions):
            names = ", ".join(sorted(missing))
            raise ConfigurationError(
                f"the script calls {names}, which ScriptedLLM wasn't given: pass functions={{{names.split(', ')[0]!r}: ...}}."
            )

    @on(StartFrame)
    def close(self, frame: StartFrame) -> Iterator[Effect]:
        """After a restart: what the last incarnation had begun has failed."""
        run, self.open_run = self.open_run, None
        if run is not None and run.epoch == self.epoch:
            yield LLMFullResponseEndFrame(run_id=run.run_id, failed=True)
        yield from self._cancel_calls()

    @on(LLMContextFrame)
    async def answer(self, frame: LLMContextFrame) -> None:
        if frame.run_id is not None and frame.run_id <= self.cancelled_run:
            return
        self.running = _Run(frame.run_id, self.epoch)
        steps = self._steps(frame.context)
        with trio.CancelScope() as self.run_scope:
            await trio.sleep(self.first_token_secs)
            await self._open(frame)
            await self._say(steps)
            await self._call([step for step in steps if isinstance(step, Call)], frame)
        last: list[Frame] = [LLMFullResponseEndFrame(run_id=frame.run_id)] if self.open_run is not None else []
        if Hangup() in steps and not self.run_scope.cancelled_caught:
            last.append(EndWorkerFrame("the script has come to its end"))
        # What is pushed has left, whatever happens while this waits for room: so nothing is open any more.
        self.running = self.open_run = None
        await self.push(*last)

    @on(LLMRunCancelFrame)
    def cancel_run(self, frame: LLMRunCancelFrame) -> LLMRunCancelFrame:
        self.cancelled_run = max(self.cancelled_run, frame.run_id)
        if self.running is not None and self.running.run_id == frame.run_id and self.run_scope is not None:
            self.run_scope.cancel()
        return frame

    @on(InterruptionFrame)
    def forget(self, frame: InterruptionFrame) -> Iterator[Effect]:
        """The answer has been cut by the interruption itself: it has no end."""
        self.open_run = None
        if self.cancel_on_interruption:
            yield from self._cancel_calls()

    @on(EndFrame, CancelFrame)
    def end(self, frame: Frame) -> Iterator[Effect]:
        yield from self._cancel_calls()

    def _steps(self, context: LLMContext) -> tuple[Step, ...]:
        if isinstance(self.script, Script):
            return reply(self.script, context)
        return tuple(Say(step) if isinstance(step, str) else step for step in self.script(context))

    async def _say(self, steps: Iterable[Step]) -> None:
        space = ""
        for step in steps:
            match step:
                case Say(text):
                    for token in tokens(text if text[:1].isspace() else space + text):
                        await self.push(LLMTextFrame(token))
                        await trio.sleep(self.token_secs)
                    space = " "
                case Pause(seconds):
                    await trio.sleep(seconds)
                case _:
                    pass

    async def _open(self, frame: LLMContextFrame) -> None:
        self.open_run = self.running
        await self.push(LLMFullResponseStartFrame(run_id=frame.run_id))

    async def _call(self, calls: Iterable[Call], frame: LLMContextFrame) -> None:
        """Announce all calls of a response, then run them side by side."""
        run = frame.context.version if frame.run_id is None else frame.run_id
        group = f"group_{run}"
        announced = tuple(
            FunctionCallFromLLM(
                call.function, f"call_{run}_{number}", call.arguments, frame.context, self.cancel_on_interruption, group
            )
            for number, call in enumerate(calls, 1)
        )
        if not announced:
            return
        self.calls += announced
        # The tasks begin when this one waits next, so after the news; an interruption of that wait finds them started.
        for call in announced:
            self.start_soon(self._perform, call, interruptible=False)
        await self.push(Both(FunctionCallsStartedFrame(announced)), *(Both(in_progress(call)) for call in announced))

    async def _perform(self, call: FunctionCallFromLLM) -> None:
        result, error = None, None
        with trio.CancelScope() as scope:
            self.call_scopes[call.tool_call_id] = scope
            result, error = await self._result(call)
        self.call_scopes.pop(call.tool_call_id, None)
        # Whoever cancelled it has settled it.
        if call not in self.calls:
            return
        self.calls = tuple(each for each in self.calls if each != call)
        settled = FunctionCallResultFrame(call.function_name, call.tool_call_id, call.arguments, result, error=error)
        failed = ErrorFrame(error, processor=str(self.address), category="application") if error else None
        await self.push(*([Up(failed)] if failed else []), Both(settled))

    async def _result(self, call: FunctionCallFromLLM) -> tuple[Any, str | None]:
        """What the function returned, or an error for the model and a text that tells more."""
        function = self.functions.get(call.function_name)
        if function is None:
            return {"error": f"{call.function_name} isn't available"}, f"no function {call.function_name!r} was given"
        try:
            result = function(**thaw(call.arguments))
            if inspect.isawaitable(result):
                result = await result
            frozen = freeze(result)
            json.dumps(frozen)
        except Exception as error:  # the function is the application's, and its failure an answer to the model
            return {"error": str(error) or type(error).__name__}, f"{call.function_name} failed: {error!r}"
        return frozen, None

    def _cancel_calls(self) -> Iterator[Effect]:
        calls, self.calls = self.calls, ()
        for call in calls:
            if (scope := self.call_scopes.get(call.tool_call_id)) is not None:
                scope.cancel()
            yield Both(FunctionCallCancelFrame(call.function_name, call.tool_call_id))


def tokens(text: str) -> list[str]:
    """The text in pieces: words with the space before them."""
    return re.findall(r"\s*\S+", text)


def in_progress(call: FunctionCallFromLLM) -> FunctionCallInProgressFrame:
    return FunctionCallInProgressFrame(
        call.function_name, call.tool_call_id, call.arguments, call.cancel_on_interruption, call.group_id
    )

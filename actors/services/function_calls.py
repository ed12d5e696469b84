"""The calls of one language model: announced, run, and settled exactly once, whatever is interrupted or dies.

1. What may start and what is settled is decided by the ledger, a durable value. Tasks only run functions.
2. A function's task belongs to the actor, not to a turn: no interruption cuts it unless its call is cancelled. So it is
   started from `lifespan()`, and a subclass with a lifespan of its own enters this one first.
3. What is sent of a call is immune, so it is never refused for being late.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Protocol, cast

import attrs
import trio

from ...channels import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    FrozenDict,
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContext,
    StartFrame,
    StopFrame,
    ToolOptions,
    ToolsSchema,
    freeze,
    masked,
    thaw,
)
from ..actor import Actor, actor, durable, on, state
from ..effects import Address, After, Both, Effect, Fire, Up
from ..errors import ConfigurationError
from ..outside import Outside
from .call_ledger import CallLedger, OpenCall, Stage, choose, unique_id
from .function_registry import FunctionRegistry, RegisteredFunction

__all__ = [
    "CancelFunctionCalls",
    "FunctionCallParams",
    "FunctionCaller",
    "RegisterFunction",
    "RequestedCall",
    "SettleFunctionCall",
    "UnregisterFunction",
]

_log = logging.getLogger("antiphon")

PATIENCE = 30.0
"""Seconds after which a call without a time-out that still isn't settled is mentioned in the log, once."""


def json_value(value: Any) -> Any:
    """The value frozen. Raises `TypeError` for what JSON can't hold: the model couldn't read it."""
    frozen = freeze(value)
    json.dumps(frozen)
    return frozen


class ResultCallback(Protocol):
    """Hands over a call's result."""

    def __call__(self, result: Any, properties: FunctionCallResultProperties | None = None) -> Awaitable[None]: ...


@attrs.frozen
class FunctionCallParams:
    """What a function is told of the call that it serves."""

    function_name: str
    tool_call_id: str
    arguments: dict[str, Any]
    """Fresh: the function may change it."""
    llm: Address
    """The model's actor."""
    context: LLMContext | None
    """What the model saw when it called."""
    result_callback: ResultCallback
    """Settles the call, from the function itself or later; with `is_final=False` in the properties it is news of it.
    Returning a value does the same. Raises `TypeError` for a result that JSON can't hold."""
    app_resources: Any = None
    """What the application gave the model's actor for its functions."""
    _caller: FunctionCaller | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def outside(self) -> Outside:
        """The door to the world. Raises `ConfigurationError` for params that were made by hand."""
        return self._in_session("outside").outside

    async def push(self, *effects: Effect) -> None:
        """Let the model's actor do something, such as say a word while the function works.

        Raises `ConfigurationError` for params that were made by hand.
        """
        await self._in_session("push").push(*effects)

    def _in_session(self, wanted: str) -> FunctionCaller:
        if self._caller is None:
            raise ConfigurationError(f"params.{wanted} needs a session: give caller=, an actor with {wanted}.")
        return self._caller


@attrs.frozen
class RequestedCall:
    """A call as the model wrote it."""

    function_name: str
    arguments: Mapping[str, Any] | str = attrs.field(factory=FrozenDict, converter=freeze)
    """JSON, perhaps still as text."""
    tool_call_id: str | None = None
    """None: the provider gives none."""


@attrs.frozen
class CancelFunctionCalls:
    """Message to a model's actor: cancel these calls, by default all. No run follows."""

    tool_call_ids: tuple[str, ...] | None = None


@attrs.frozen
class SettleFunctionCall:
    """Message to a model's actor: here is a call's result, from whoever has it."""

    tool_call_id: str
    result: object = attrs.field(default=None, converter=json_value)
    properties: FunctionCallResultProperties | None = None


@attrs.frozen
class RegisterFunction:
    """Message to a model's actor: this function runs from now on, also after a restart."""

    function: RegisteredFunction


@attrs.frozen
class UnregisterFunction:
    """Message to a model's actor: the function of that name doesn't run any more."""

    name: str | None


@attrs.frozen
class _Due:
    """A call has run for as long as it may, or for remarkably long."""

    tool_call_id: str


@actor
class FunctionCaller(Actor):
    """What language models, and models that hear and speak, have in common: functions, and the calls of them."""

    events: ClassVar[tuple[str, ...]] = ("on_function_calls_started", "on_function_calls_cancelled")

    function_call_timeout_secs: float | None = attrs.field(default=None, kw_only=True)
    """Seconds that a call may run, where nothing else is said; None: no limit."""
    run_in_parallel: bool = attrs.field(default=True, kw_only=True)
    """Whether calls run side by side, or one after the other in the order in which they came."""
    group_parallel_tools: bool = attrs.field(default=True, kw_only=True)
    """Whether the calls of one response share a `group_id`: then the model runs once, on all results."""
    settle_secs: float = attrs.field(default=1.0, kw_only=True)
    """How long the session's end waits for calls that still run; then they are cancelled."""
    app_resources: Any = attrs.field(default=None, kw_only=True)
    """For the functions, as `params.app_resources`."""
    registry: FunctionRegistry = attrs.field(default=FunctionRegistry(), kw_only=True, repr=False)
    """What `register_function` and `register_direct_function` have registered."""

    ledger: CallLedger = durable(CallLedger())
    """Announced and not settled."""
    registered: FunctionRegistry | None = durable(None)
    """In place of `registry`, once something was registered in the session."""
    ids: frozenset[str] = durable(frozenset())
    """Of all calls so far: the context learns of a call later than the next one may come."""
    groups: int = durable(0)
    tools: ToolsSchema = state(ToolsSchema())
    """What is advertised at present."""
    scopes: dict[str, trio.CancelScope] = state(dict[str, trio.CancelScope])
    """What cuts the functions that run, by call."""
    starts: trio.MemorySendChannel[str] | None = state(None)
    settled: trio.lowlevel.ParkingLot = state(trio.lowlevel.ParkingLot)
    """Who waits for calls to be settled."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        send, receive = trio.open_memory_channel[str](math.inf)
        with send, receive:
            self.starts = send
            self.start_soon(self._start_tasks, receive)
            yield

    # ---- registration

    def register_function(
        self,
        function_name: str | None,
        handler: Callable[[FunctionCallParams], Any],
        *,
        cancel_on_interruption: bool | None = None,
        timeout_secs: float | None = None,
        cancellable_by_llm: bool | None = None,
    ) -> None:
        """Let a function run when the model calls that name; None: any name that nobody else has.

        `handler(params)` is async or plain. What it returns, or gives to `params.result_callback`, is the result. On a
        template, before its sessions; in a session send `RegisterFunction`. Raises `ConfigurationError` for what isn't
        callable and for the name of a built-in tool.
        """
        options = ToolOptions(cancel_on_interruption, timeout_secs, cancellable_by_llm)
        self.registry = self.registry.register(RegisteredFunction.of(function_name, handler, options))

    def register_direct_function(
        self,
        function: Callable[..., Any],
        *,
        cancel_on_interruption: bool | None = None,
        timeout_secs: float | None = None,
        cancellable_by_llm: bool | None = None,
    ) -> None:
        """Let `async def name(params, ...)` run when the model calls its name, with the arguments by keyword.

        Raises `ConfigurationError` for what is no such function.
        """
        options = ToolOptions(cancel_on_interruption, timeout_secs, cancellable_by_llm)
        self.registry = self.registry.register(RegisteredFunction.direct(function, options))

    def unregister_function(self, function_name: str | None) -> None:
        """Forget a function; tools that bring the same one don't bring it back."""
        self.registry = self.registry.unregister(function_name)

    @property
    def functions_known(self) -> FunctionRegistry:
        """What runs at present: registered, and brought by the tools that are advertised."""
        return (self.registry if self.registered is None else self.registered).with_tools(self.tools)

    @on(RegisterFunction)
    def add_function(self, message: RegisterFunction) -> None:
        self.registered = self.functions_known.register(message.function)

    @on(UnregisterFunction)
    def remove_function(self, message: UnregisterFunction) -> None:
        self.registered = self.functions_known.unregister(message.name)

    # ---- what begins and ends calls

    def begin_calls(self, requested: Iterable[RequestedCall], context: LLMContext | None) -> tuple[Effect, ...]:
        """Announce the calls of one response, and start those that needn't wait. The effects are to be sent at once."""
        calls = self._opened(tuple(requested), context)
        if not calls:
            return ()
        self.ledger = self.ledger.add(*calls)
        announced = tuple(each.call for each in calls)
        told = tuple(each for each in announced if self.functions_known.cancelled_by(each.function_name) is None)
        return (
            *([Fire("on_function_calls_started", told)] if told else []),
            Both(FunctionCallsStartedFrame(announced)),
            *self._start_calls(),
        )

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Iterator[Effect]:
        """After a restart: the functions that ran have died with the last incarnation."""
        yield from self._cancel(self.ledger.calls)

    @on(InterruptionFrame)
    def interrupted(self, frame: InterruptionFrame) -> Iterator[Effect]:
        yield from self._cancel(self.ledger.where(lambda call: call.cancel_on_interruption))

    @on(EndFrame, StopFrame)
    async def end(self, frame: EndFrame | StopFrame) -> None:
        if self.ledger.calls:
            self.allow(self.settle_secs)
            with trio.move_on_after(self.settle_secs):
                while self.ledger.calls:
                    await self.settled.park()
            await self.push(*self._cancel(self.ledger.calls))

    @on(CancelFrame)
    def stop(self, frame: CancelFrame) -> Iterator[Effect]:
        yield from self._cancel(self.ledger.calls)

    @on(CancelFunctionCalls)
    def cancel_function_calls(self, message: CancelFunctionCalls) -> Iterator[Effect]:
        wanted = message.tool_call_ids
        yield from self._cancel(self.ledger.where(lambda call: wanted is None or call.tool_call_id in wanted))

    @on(SettleFunctionCall)
    def settle(self, message: SettleFunctionCall) -> Iterator[Effect]:
        yield from self._result(message.tool_call_id, message.result, message.properties)

    @on(_Due)
    def call_time(self, message: _Due) -> Iterator[Effect]:
        each = self.ledger.find(message.tool_call_id)
        if each is not None and each.timeout is not None:
            yield from self._cancel((each,), run_llm=True)
        elif each is not None:
            _log.warning(
                "%s: the call %s of %s isn't settled after %g s. Give a result, or register it with timeout_secs.",
                self.address,
                each.id,
                each.call.function_name,
                PATIENCE,
            )

    # ---- decisions

    def _opened(self, requested: tuple[RequestedCall, ...], context: LLMContext | None) -> tuple[OpenCall, ...]:
        """The calls as they are announced: each with an id of its own, its options, and what is wrong with it."""
        group = None
        if self.group_parallel_tools and requested:
            self.groups += 1
            group = f"{self.address}-{self.groups}"
        taken = {*_ids_in(context), *self.ids}
        calls: list[OpenCall] = []
        for each in requested:
            arguments, fault = _arguments(each)
            function = self._function_for(each.function_name)
            call_id = unique_id(each.tool_call_id, each.function_name, taken)
            taken.add(call_id)
            call = FunctionCallFromLLM(
                each.function_name,
                call_id,
                arguments,
                context,
                function is None or function.cancel_on_interruption,
                group,
            )
            timeout = None if function is None else function.options.timeout_secs
            timeout = self.function_call_timeout_secs if timeout is None else timeout
            calls.append(OpenCall(call, one_by_one=not self.run_in_parallel, timeout=timeout, fault=fault))
        self.ids |= {each.id for each in calls}
        return tuple(calls)

    def _function_for(self, name: str) -> RegisteredFunction | None:
        function = self.functions_known.find(name)
        if function is None and self.functions_known.cancelled_by(name) is None:
            if name in self.tools.names:
                _log.error("%s: the tools advertise %s, but nobody has registered it", self.address, name)
            else:
                _log.warning("%s: the model calls %s, which no tool is called", self.address, name)
        return function

    def _start_calls(self) -> Iterator[Effect]:
        self.ledger, started = self.ledger.start()
        for each in started:
            self.scopes[each.id] = trio.CancelScope()
            assert self.starts is not None
            # Its task begins when this one waits next, so behind the news.
            self.starts.send_nowait(each.id)
            yield Both(in_progress(each.call))
            yield After(PATIENCE if each.timeout is None else each.timeout, _Due(each.id))

    def _result(
        self,
        tool_call_id: str,
        result: Any,
        properties: FunctionCallResultProperties | None = None,
        *,
        error: str | None = None,
    ) -> Iterator[Effect]:
        each = self.ledger.find(tool_call_id)
        if each is None:
            _log.warning("%s: the call %s is settled already; another result is ignored", self.address, tool_call_id)
            return
        is_final = properties is None or properties.is_final
        if each.stage is Stage.WAITING:
            # Somebody else has its result already, or news of it: then it needn't run any more.
            if not is_final:
                _log.warning("%s: the call %s hasn't begun; news of it is ignored", self.address, tool_call_id)
                return
            yield Both(in_progress(each.call))
        yield Both(
            FunctionCallResultFrame(
                each.call.function_name,
                each.id,
                each.call.arguments,
                result,
                properties=properties,
                error=error,
            )
        )
        if is_final:
            yield from self._take_out((each,))
            yield from self._start_calls()

    def _cancel(self, calls: tuple[OpenCall, ...], *, run_llm: bool = False) -> Iterator[Effect]:
        if not calls:
            return
        for each in calls:
            if (scope := self.scopes.get(each.id)) is not None:
                scope.cancel()
            yield Both(FunctionCallCancelFrame(each.call.function_name, each.id, run_llm))
        yield Fire("on_function_calls_cancelled", tuple(each.call for each in calls))
        yield from self._take_out(calls)
        yield from self._start_calls()

    def _take_out(self, calls: tuple[OpenCall, ...]) -> Iterator[Effect]:
        self.ledger = self.ledger.without(calls)
        self.settled.unpark_all()
        for each in calls:
            yield After(None, _Due(each.id))

    # ---- tasks

    async def _start_tasks(self, starts: trio.MemoryReceiveChannel[str]) -> None:
        async for tool_call_id in starts:
            self.start_soon(self._perform, tool_call_id)

    async def _perform(self, tool_call_id: str) -> None:
        each, scope = self.ledger.find(tool_call_id), self.scopes.get(tool_call_id)
        if each is None or scope is None:
            return  # settled before it had begun
        try:
            with scope:
                await self._run(each)
        except Exception as error:  # the function is the application's, and its failure an answer to the model
            await self._fail(each, _cause(error))
        finally:
            self.scopes.pop(tool_call_id, None)

    async def _run(self, each: OpenCall) -> None:
        name = each.call.function_name
        function = self.functions_known.find(name)
        target = self.functions_known.cancelled_by(name)
        if each.fault is not None:
            await self._fail(each, ValueError(each.fault))
        elif target is not None:
            await self.push(*self._cancel_for_model(each, target))
        elif function is None:
            missing = f"{name} isn't available"
            await self.push(*self._result(each.id, FrozenDict({"error": missing}), error=missing))
        else:
            params = self._params(each)
            result = await function.run(params, each.call.arguments)
            if result is not None:
                await params.result_callback(result)

    def _params(self, each: OpenCall) -> FunctionCallParams:
        async def settle(result: Any, properties: FunctionCallResultProperties | None = None) -> None:
            await self.push(*self._result(each.id, json_value(result), properties))

        return FunctionCallParams(
            each.call.function_name,
            each.id,
            thaw(each.call.arguments),
            self.address,
            each.call.context,
            settle,
            self.app_resources,
            self,
        )

    async def _fail(self, each: OpenCall, error: Exception) -> None:
        """Tell the application, and give the model a text in place of a result."""
        name = each.call.function_name
        told = ErrorFrame(
            f"{name} failed: {error!r}", processor=str(self.address), exception=error, category="application"
        )
        effects: tuple[Effect, ...] = ()
        if self.ledger.find(each.id) is not None:
            text = masked(str(error)) or type(error).__name__
            effects = tuple(self._result(each.id, FrozenDict({"error": text}), error=told.error))
        await self.push(Up(told), *effects)

    def _cancel_for_model(self, each: OpenCall, target: str) -> Iterator[Effect]:
        running = self.ledger.where(lambda call: call.function_name == target)
        chosen = choose(running, each.call.arguments.get("tool_call_id"))
        if isinstance(chosen, str):
            answer = FrozenDict({"error": chosen})
        else:
            yield from self._cancel((chosen,))
            answer = FrozenDict({"cancelled": chosen.id})
        yield from self._result(each.id, answer, FunctionCallResultProperties(run_llm=True))


def in_progress(call: FunctionCallFromLLM) -> FunctionCallInProgressFrame:
    return FunctionCallInProgressFrame(
        call.function_name, call.tool_call_id, call.arguments, call.cancel_on_interruption, call.group_id
    )


def _arguments(call: RequestedCall) -> tuple[Mapping[str, Any], str | None]:
    """The arguments, and what is wrong with them."""
    if isinstance(call.arguments, Mapping):
        return call.arguments, None
    try:
        found: object = json.loads(call.arguments or "{}")
    except ValueError as error:
        return FrozenDict(), f"the arguments are no valid JSON: {error}"
    if not isinstance(found, dict):
        return FrozenDict(), "the arguments are no JSON object"
    return cast("dict[str, Any]", found), None


def _ids_in(context: LLMContext | None) -> Iterator[str]:
    for message in () if context is None else context.messages:
        for call in message.get("tool_calls", ()):
            yield call["id"]


def _cause(error: Exception) -> Exception:
    """What is inside a nursery's wrapping."""
    inside = _inside(error)
    return _cause(inside[0]) if len(inside) == 1 else error


def _inside(error: object) -> Sequence[Exception]:
    return cast("ExceptionGroup[Exception]", error).exceptions if isinstance(error, ExceptionGroup) else ()

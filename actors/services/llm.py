"""What every language model's actor shares: one request at a time, from a context to an answer in its brackets.

1. A concrete service writes `respond`: it asks its provider and gives what comes to the answer. Everything else is here.
2. Nothing durable is assigned before something leaves, so that a context whose answer hasn't begun is handled again after
   a crash, unseen.
3. An answer is sent downstream whichever way its context came, and what ends it is one step: calls, End, and what follows.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, cast

import attrs
import trio

from ...channels import (
    ErrorFrame,
    Frame,
    FrozenDict,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
    LLMServiceMetadataFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    LLMThoughtEndFrame,
    LLMThoughtStartFrame,
    LLMThoughtTextFrame,
    LLMTokenUsage,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    ServiceSwitcherRequestMetadataFrame,
    ServiceUpdateSettingsFrame,
    StartFrame,
    ToolsSchema,
    freeze,
)
from ..actor import actor, durable, on, state
from ..effects import Both, Down, Effect, Fire, Up
from ..errors import RemoteProtocolError, Unrecoverable
from .function_calls import FunctionCaller, RequestedCall
from .metering import Meter

__all__ = ["Answer", "AnswerFailed", "LLMService", "LLMSettings"]

_log = logging.getLogger("antiphon")


class AnswerFailed(Exception):
    """The provider doesn't give this answer: it is overloaded, refuses the request, or broke off. The next may well come."""

    def __init__(self, text: str, *, category: str = "service") -> None:
        super().__init__(text)
        self.category = category
        """Of the ErrorFrame."""


@attrs.frozen
class LLMSettings:
    """What a request is made with; None: the provider's default. A service with more settings adds them in a subclass."""

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    extra: Mapping[str, Any] = attrs.field(factory=FrozenDict, converter=freeze)
    """Goes into the request as it is."""


@attrs.frozen
class _Run:
    """A response that isn't closed."""

    run_id: int | None
    epoch: int
    has_opened: bool = True
    """Whether its Start has left."""


class Answer:
    """The answer to one context, as a service writes it. Nothing of it leaves any more once its run was cancelled."""

    def __init__(self, service: LLMService, frame: LLMContextFrame) -> None:
        self.context = frame.context
        self.run_id = frame.run_id
        self.tools = ToolsSchema()
        """What is shown to the model: the context's tools, and those by which it cancels calls."""
        self._service = service
        self.patience = trio.CancelScope()
        self.calls: list[RequestedCall] = []
        self.behind: list[Frame] = []
        self.used: LLMTokenUsage | None = None
        self._measured: list[MetricsFrame] = []
        """What is to be told with the next thing that leaves."""
        self._thinks = False

    async def open(self) -> None:
        """The response begins, though nothing is said yet; the first output does it by itself."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self.note_output()
        await self._service.push(*self.opening())

    async def text(self, text: str) -> None:
        """The next piece of what is said. Empty text is nothing."""
        if text:
            self._note_visible()
            skip = self._service.skip_tts
            await self.push(*self.end_of_thought(), LLMTextFrame(text, skip_tts=skip))

    async def thought(self, text: str) -> None:
        """The next piece of the model's reasoning."""
        if text:
            await self.push(*self._start_of_thought(), LLMThoughtTextFrame(text))

    async def end_thought(self, signature: object = None) -> None:
        """The reasoning is complete; without this it is when text follows, or the end."""
        await self.push(*self._start_of_thought(), *self.end_of_thought(signature))

    def call(self, function_name: str, arguments: Mapping[str, Any] | str, tool_call_id: str | None = None) -> None:
        """The model calls a function; all calls of an answer are announced at its end. JSON may still be text."""
        self.note_output()
        self._note_visible()
        self.calls.append(RequestedCall(function_name, arguments, tool_call_id))

    def usage(self, usage: LLMTokenUsage) -> None:
        """What the request has used; the last one counts."""
        self.used = usage

    def follow(self, *frames: Frame) -> None:
        """These leave right behind the answer's end, if it comes to its end."""
        self.behind += frames

    async def push(self, *frames: Frame) -> None:
        """Anything else that belongs into the answer, downstream."""
        if frames:
            # Who was cancelled at this very moment isn't told by a push: it doesn't look before it has sent.
            await trio.lowlevel.checkpoint_if_cancelled()
            self.note_output()
            self._measured += self._service.meter.output(self, self._service.now)
            await self._service.push(*self.opening(), *map(Down, frames))

    # ---- what the runtime calls

    def note_output(self) -> None:
        self.patience.deadline = math.inf
        self._service.allow(self._service.patience_secs)

    def opening(self) -> Iterator[Effect]:
        service = self._service
        measured, self._measured = self._measured, []
        yield from map(Down, measured)
        if not service.is_open:
            service.open_run = _Run(self.run_id, service.epoch)
            yield Down(LLMFullResponseStartFrame(service.skip_tts, self.run_id))

    def _note_visible(self) -> None:
        self._measured += self._service.meter.visible(self, self._service.now)

    def _start_of_thought(self) -> Iterator[Frame]:
        if not self._thinks:
            self._thinks = True
            yield LLMThoughtStartFrame(self._service.thoughts_in_context, self._service.provider)

    def end_of_thought(self, signature: object = None) -> Iterator[Frame]:
        if self._thinks:
            self._thinks = False
            yield LLMThoughtEndFrame(signature)


@actor
class LLMService(FunctionCaller):
    """Base of the actors that ask a language model. A subclass writes `respond`."""

    events: ClassVar[tuple[str, ...]] = (*FunctionCaller.events, "on_completion_timeout")
    provider: ClassVar[str | None] = None
    """Whose form of messages and tools it speaks, e.g. `"anthropic"`."""
    thoughts_in_context: ClassVar[bool] = False
    """Whether the model wants its reasoning back."""
    failures: ClassVar[tuple[type[Exception], ...]] = (AnswerFailed, RemoteProtocolError)
    """What `respond` raises when only this answer has failed. A service on HTTP adds `httpx.HTTPError`."""
    timeouts: ClassVar[tuple[type[Exception], ...]] = (TimeoutError, trio.TooSlowError)
    """The same, for a provider that is too slow. A service on HTTP adds `httpx.TimeoutException`."""

    settings: LLMSettings = attrs.field(factory=LLMSettings, kw_only=True)
    retry_on_timeout: bool = attrs.field(default=False, kw_only=True)
    """Whether a request without any output after `retry_timeout_secs` is given up and made again, once."""
    retry_timeout_secs: float = attrs.field(default=5.0, kw_only=True)
    patience_secs: float = attrs.field(default=10.0, kw_only=True)
    """How long the session's end waits for the next output of an answer that was asked for before."""

    open_run: _Run | None = durable(None)
    """The response that has something outside and isn't closed."""
    cancelled_run: int = durable(0)
    """The newest run that was cancelled: what comes of it and of older ones is dropped."""
    skip_tts: bool | None = durable(None)
    """Whether what is said isn't spoken, as last configured."""
    changes: FrozenDict = durable(FrozenDict())
    """Settings that were changed in the session, by name."""
    has_started: bool = durable(False)
    deaths: int = durable(0)
    """Restarts since an answer last began."""
    answering: Answer | None = state(None)
    scope: trio.CancelScope | None = state(None)
    """Around the request."""
    meter: Meter = state(Meter)

    async def respond(self, context: LLMContext, answer: Answer) -> None:
        """Ask the provider and give the answer what comes: `await answer.text("Hello")`, `answer.call(...)`.

        Returns when the provider has said all. It is cancelled by an interruption, by the run's cancellation and by a
        time-out, so what it opens it opens in a `with`. Raises one of `failures` or `timeouts` when this answer fails,
        `Unrecoverable` when none will ever come; anything else is a failure of the actor.
        """
        raise NotImplementedError(
            f"{type(self).__name__} answers nothing: write `async def respond(self, context, answer)`."
        )

    @property
    def is_open(self) -> bool:
        """Whether the Start of a response has left, and not its End."""
        return self.open_run is not None and self.open_run.has_opened

    @property
    def present_settings(self) -> LLMSettings:
        """The settings with what was changed in the session."""
        return attrs.evolve(self.settings, **self.changes)

    # ---- one answer

    @on(LLMContextFrame)
    async def answer(self, frame: LLMContextFrame) -> None:
        if self._is_cancelled(frame.run_id):
            return
        self.answering = answer = Answer(self, frame)
        self.allow(self.patience_secs)
        self.meter.model = self.present_settings.model
        last: list[Effect] = []
        with trio.CancelScope() as self.scope:
            last = await self._asked(answer)
            await trio.lowlevel.checkpoint_if_cancelled()
            # From here on nothing waits until all has been sent.
            last = [*answer.opening(), *self._ending(answer, last)]
        if self.scope.cancelled_caught:
            self.meter.cancelled(answer)
            last = [Down(LLMFullResponseEndFrame(self.skip_tts, answer.run_id))] if self.is_open else []
        self.answering = self.scope = None
        if self.open_run is not None:
            self.open_run, self.deaths = None, 0
        await self.push(*last)

    async def _asked(self, answer: Answer) -> list[Effect]:
        """Let the provider answer; the effects that tell how that failed, or none."""
        try:
            self.tools = _tools_of(answer.context)
            answer.tools = self.functions_known.offered(self.tools)
            await self._respond(answer)
        except self.timeouts as error:
            fired = Fire("on_completion_timeout")
            return [fired, self._error(f"the provider is too slow: {error!r}", error, "service")]
        except self.failures as error:
            return [self._error(str(error), error, getattr(error, "category", "service"))]
        except Unrecoverable:
            raise
        except Exception:
            if self.open_run is None and self.deaths:
                # The second death on one context: the runtime would drop it, and nobody would hear of it again.
                self._owe_end(answer)
            raise
        return []

    async def _respond(self, answer: Answer) -> None:
        self.meter.asked(answer, self.now)
        if self.retry_on_timeout:
            with trio.move_on_after(self.retry_timeout_secs) as answer.patience:
                await self.respond(answer.context, answer)
            if not answer.patience.cancelled_caught:
                return
            self._owe_end(answer)
            self.allow(self.patience_secs)
            await self.push(Fire("on_completion_timeout"))
            self.meter.asked(answer, self.now)
        await self.respond(answer.context, answer)

    def _owe_end(self, answer: Answer) -> None:
        """The context won't be handled again: if the actor dies now, its next incarnation opens and closes the response."""
        answer.calls.clear()
        self.open_run = _Run(answer.run_id, self.epoch, has_opened=False)

    def _ending(self, answer: Answer, failed: list[Effect]) -> Iterator[Effect]:
        yield from failed
        yield from map(Down, answer.end_of_thought())
        if not failed:
            yield from self.begin_calls(answer.calls, answer.context)
        yield from map(Down, self.meter.done(answer, self.now))
        if answer.used is not None:
            yield from map(Down, self.meter.tokens(answer.used))
        yield Down(LLMFullResponseEndFrame(self.skip_tts, answer.run_id, failed=bool(failed)))
        if not failed:
            yield from map(Down, answer.behind)

    def _error(self, text: str, error: Exception, category: str) -> Effect:
        return Up(
            ErrorFrame(f"{self.address}: {text}", processor=str(self.address), exception=error, category=category)
        )

    # ---- what cuts an answer

    @on(LLMRunCancelFrame)
    def cancel_run(self, frame: LLMRunCancelFrame) -> LLMRunCancelFrame:
        self.cancelled_run = max(self.cancelled_run, frame.run_id)
        if self.answering is not None and self.scope is not None and self.answering.run_id == frame.run_id:
            self.scope.cancel()
        return frame

    def _is_cancelled(self, run_id: int | None) -> bool:
        return run_id is not None and run_id <= self.cancelled_run

    @on(InterruptionFrame)
    def interrupted(self, frame: InterruptionFrame) -> Iterator[Effect]:
        """The answer has been cut by the interruption itself: it has no end."""
        self.open_run = None
        self.meter.cancelled()
        yield from super().interrupted(frame)

    # ---- begin, settings, tools

    @on(StartFrame)
    def start(self, frame: StartFrame) -> Iterator[Effect]:
        self.meter.start(frame, str(self.address), self.present_settings.model)
        yield from self._close()
        yield from super().start(frame)
        if not self.has_started:
            self.has_started = True
            yield self._metadata()
        else:
            self.deaths += 1

    def _close(self) -> Iterator[Effect]:
        """What the last incarnation had open has failed, unless an interruption or a cancellation came first."""
        run, self.open_run = self.open_run, None
        if run is not None and run.epoch == self.epoch:
            if not run.has_opened:
                yield Down(LLMFullResponseStartFrame(self.skip_tts, run.run_id))
            failed = not self._is_cancelled(run.run_id)
            yield Down(LLMFullResponseEndFrame(self.skip_tts, run.run_id, failed=failed))

    def _metadata(self) -> Effect:
        return Both(LLMServiceMetadataFrame(str(self.address)))

    @on(ServiceSwitcherRequestMetadataFrame)
    def announce(self, frame: ServiceSwitcherRequestMetadataFrame) -> Iterator[Effect]:
        if frame.service is None or self._is_meant(frame.service):
            yield self._metadata()
        if not self._is_meant(frame.service):
            yield frame

    @on(LLMConfigureOutputFrame)
    def configure(self, frame: LLMConfigureOutputFrame) -> None:
        self.skip_tts = frame.skip_tts

    @on(LLMSetToolsFrame)
    def set_tools(self, frame: LLMSetToolsFrame) -> LLMSetToolsFrame:
        self.tools = ToolsSchema.of(frame.tools)
        return frame

    @on(LLMUpdateSettingsFrame)
    def change_settings(self, frame: LLMUpdateSettingsFrame) -> LLMUpdateSettingsFrame | None:
        if frame.service is not None and not self._is_meant(frame.service):
            return frame
        self.changes = FrozenDict({**self.changes, **self._changed_by(frame)})
        return None

    @on(ServiceUpdateSettingsFrame)
    def change_named(self, frame: ServiceUpdateSettingsFrame) -> ServiceUpdateSettingsFrame | None:
        if not self._is_meant(frame.service):
            return frame
        self.changes = FrozenDict({**self.changes, **self._changed_by(frame)})
        return None

    def _changed_by(self, frame: ServiceUpdateSettingsFrame) -> dict[str, Any]:
        """What the frame says of settings that there are; of others there is a warning in the log."""
        wanted = {**_differences(frame.delta), **(frame.settings or {})}
        known = {field.name for field in attrs.fields(type(self.settings))}
        for name in sorted(wanted.keys() - known):
            _log.warning("%s has no setting %s; there are %s", self.address, name, ", ".join(sorted(known)))
        return {name: value for name, value in wanted.items() if name in known}

    def _is_meant(self, service: object) -> bool:
        return service == self.address or service == str(self.address)


def _tools_of(context: LLMContext) -> ToolsSchema:
    try:
        return ToolsSchema.of(context.tools)
    except TypeError as error:
        raise AnswerFailed(f"the context's tools can't be used: {error}", category="application") from error


def _differences(delta: object) -> Mapping[str, Any]:
    """What a settings value changes: the fields that differ from a fresh one's."""
    if delta is None or isinstance(delta, Mapping):
        return cast("Mapping[str, Any]", delta or {})
    fresh: Iterable[Any] = attrs.fields(type(delta))  # type: ignore[arg-type]  # a settings value is one of attrs'
    plain = type(delta)()
    return {
        field.name: getattr(delta, field.name)
        for field in fresh
        if getattr(delta, field.name) != getattr(plain, field.name)
    }

"""Calls of the model, as the assistant half knows them: announced, entered in the context, settled; and what is written of each.

1. `Calls` is a frozen value, kept in one `durable` field. A step gives the next one, and what is to be told, in order.
2. The entry comes first: what has become of a call waits until that is written.
3. A call is settled once. It is remembered until its InProgress has come as well: that mustn't enter it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

import attrs

from ..channels import (
    FunctionCallCancelFrame,
    FunctionCallFromLLM,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    LLMContext,
    UserImageRawFrame,
)
from .attachments import image_message
from .call_entries import call_messages, place_of, result_text
from .peer_messages import CommitKind, RunWanted, Settlement
from .turn_decisions import Warn

__all__: list[str] = []


@attrs.frozen
class Call:
    """A call until it is both entered and settled."""

    call: FunctionCallFromLLM
    is_entered: bool = False
    is_running: bool = False
    """Its FunctionCallInProgressFrame has come."""
    settlement: Settlement | None = None
    run: RunWanted | None = None
    """What its outcome asks for."""
    on_written: Any = None
    """Called when its result stands in the context."""
    image: UserImageRawFrame | None = None
    """What it has asked for, and will stand behind its result."""

    @property
    def id(self) -> str:
        return self.call.tool_call_id

    @property
    def is_async(self) -> bool:
        """Whether nobody waits for it: an interruption doesn't cancel it."""
        return not self.call.cancel_on_interruption

    @property
    def is_cancelled(self) -> bool:
        return self.settlement is not None and self.settlement.kind == "cancelled"


@attrs.frozen
class Write:
    """Commit this."""

    kind: CommitKind
    messages: tuple[object, ...] = ()
    settlement: Settlement | None = None
    on_written: Any = None


CallNews: TypeAlias = Write | RunWanted | Warn
CallStep: TypeAlias = "tuple[Calls, tuple[CallNews, ...]]"
CallFrame: TypeAlias = (
    FunctionCallsStartedFrame | FunctionCallInProgressFrame | FunctionCallResultFrame | FunctionCallCancelFrame
)


@attrs.frozen
class Calls:
    """Those of which something may still come."""

    those: tuple[Call, ...] = ()

    def find(self, call_id: str | None) -> Call | None:
        return next((call for call in self.those if call.id == call_id), None)

    @property
    def are_in_progress(self) -> bool:
        """Whether one isn't settled."""
        return any(call.settlement is None for call in self.those)

    def without_old(self) -> Calls:
        """A new answer begins: what is entered and settled is done with, its frames can't come any more."""
        return Calls(tuple(call for call in self.those if call.settlement is None or not call.is_entered))

    def step(self, frame: CallFrame, context: LLMContext, *, may_run: bool) -> CallStep:
        """What a frame of calls changes. `may_run`: the model is to be run where an outcome asks for it."""
        match frame:
            case FunctionCallsStartedFrame():
                return self._announced(frame.function_calls), ()
            case FunctionCallInProgressFrame():
                return self._running(frame, context)
            case FunctionCallResultFrame():
                return self._result(frame, may_run=may_run)
            case FunctionCallCancelFrame():
                return self._cancelled(frame, may_run=may_run)

    # ---- it begins

    def _announced(self, calls: Iterable[FunctionCallFromLLM]) -> Calls:
        return Calls((*self.those, *(Call(call) for call in calls if self.find(call.tool_call_id) is None)))

    def _running(self, frame: FunctionCallInProgressFrame, context: LLMContext) -> CallStep:
        call_id = frame.tool_call_id
        if self.find(call_id) is None and place_of(context, call_id) is not None:
            return self, (Warn(f"{_named(frame)} stands in the context already; it isn't entered again."),)
        made = FunctionCallFromLLM(
            frame.function_name,
            call_id,
            frame.arguments,
            cancel_on_interruption=frame.cancel_on_interruption,
            group_id=frame.group_id,
        )
        calls = self._announced((made,))
        running = (attrs.evolve(call, is_running=True) for call in calls.those if call.id == call_id)
        return calls._with(*running).entered({call_id})

    def unentered(self) -> frozenset[str]:
        """The ids of those without an entry."""
        return frozenset(call.id for call in self.those if not call.is_entered)

    def entered(self, call_ids: Collection[str]) -> CallStep:
        """Write the entries of these, with what has become of them already."""
        those = [call for call in self.those if call.id in call_ids and not call.is_entered]
        if not those:
            return self, ()
        told: list[CallNews] = [
            Write("call entries", call_messages((call.call, call.is_cancelled) for call in those)),
        ]
        for call in those:
            if call.settlement is not None and not call.is_cancelled:
                told += _outcome(call)
            elif call.run is not None:
                told.append(call.run)
        return self._with(*(attrs.evolve(call, is_entered=True) for call in those))._without_done(), tuple(told)

    # ---- it ends

    def _result(self, frame: FunctionCallResultFrame, *, may_run: bool) -> CallStep:
        call = self.find(frame.tool_call_id)
        if call is None or call.settlement is not None:
            return self, (Warn(f"a result came for {_named(frame)}, which isn't in progress; it is ignored."),)
        properties = frame.properties
        if properties is not None and not properties.is_final:
            return self, (_news(call, frame),)
        asked = properties.run_llm if properties is not None else None
        asked = frame.run_llm if asked is None else asked
        runs = not self._has_siblings(call) if asked is None else asked
        return self._settled(
            attrs.evolve(
                call,
                settlement=Settlement(call.id, "result", result_text(frame.result), call.is_async),
                run=RunWanted("function call result", (call.id,)) if runs and may_run else None,
                on_written=None if properties is None else properties.on_context_updated,
            )
        )

    def _cancelled(self, frame: FunctionCallCancelFrame, *, may_run: bool) -> CallStep:
        call = self.find(frame.tool_call_id)
        if call is None or call.settlement is not None:
            return self, (Warn(f"{_named(frame)} was cancelled, which isn't in progress."),)
        runs = frame.run_llm and not self._has_siblings(call) and may_run
        return self._settled(
            attrs.evolve(
                call,
                settlement=Settlement(call.id, "cancelled", is_async=call.is_async),
                run=RunWanted("function call cancelled", (call.id,)) if runs else None,
                image=None,
            )
        )

    def over(self) -> CallStep:
        """The session is over, and whoever ran the rest has told nothing of it: it died, or was given up."""
        return Calls(), tuple(
            Write("call result", settlement=Settlement(call.id, "cancelled", is_async=call.is_async))
            for call in self.those
            if call.settlement is None
        )

    # ---- images

    def asking_for(self, image: UserImageRawFrame) -> Call | None:
        """The call in progress that has asked for this image, and gets it as its result."""
        request = image.request
        if request is None or request.result_callback is None:
            return None
        call = self.find(request.tool_call_id)
        return call if call is not None and call.settlement is None else None

    def shown(self, call: Call, image: UserImageRawFrame) -> Calls:
        """It stands behind the call's result, when that comes."""
        return self._with(attrs.evolve(call, image=image))

    # ----

    def _settled(self, call: Call) -> CallStep:
        calls = self._with(call)
        return (calls._without_done(), _outcome(call)) if call.is_entered else (calls, ())

    def _has_siblings(self, call: Call) -> bool:
        """Whether another call of the same answer isn't settled."""
        group = call.call.group_id
        return group is not None and any(
            other.call.group_id == group and other.settlement is None and other.id != call.id for other in self.those
        )

    def _with(self, *changed: Call) -> Calls:
        by_id = {call.id: call for call in changed}
        return Calls(tuple(by_id.get(call.id, call) for call in self.those))

    def _without_done(self) -> Calls:
        return Calls(
            tuple(
                call for call in self.those if not (call.is_entered and call.is_running and call.settlement is not None)
            )
        )


def _outcome(call: Call) -> tuple[CallNews, ...]:
    """What has become of it, an image it has asked for, and the run that follows."""
    written = Write("call result", settlement=call.settlement, on_written=call.on_written)
    if call.image is None:
        return (written,) if call.run is None else (written, call.run)
    wants = RunWanted("image for a call") if call.image.run_llm is not False else call.run
    image = Write("image", (image_message(call.image),))
    return (written, image) if wants is None else (written, image, wants)


def _news(call: Call, frame: FunctionCallResultFrame) -> CallNews:
    if not frame.result:
        return Warn(f"news of {_named(frame)} are ignored: it is empty.")
    if not call.is_async:
        return Warn(
            f"news of {_named(frame)} are ignored: only calls that an interruption doesn't cancel can have any."
        )
    return Write("developer", settlement=Settlement(call.id, "news", result_text(frame.result), is_async=True))


def _named(frame: FunctionCallInProgressFrame | FunctionCallResultFrame | FunctionCallCancelFrame) -> str:
    return f"{frame.function_name} ({frame.tool_call_id})"

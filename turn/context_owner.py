"""The owner of a conversation's context: it alone writes, and it alone starts runs of the model.

1. What the assistant half commits is written as it comes. What comes from the user waits for two things, in its order: until all
   that an interruption cut has been committed, and until an answer is over that the user didn't interrupt.
2. One run is live at most: a new one cancels an older one first. A run that a call's result asks for waits until nobody speaks.
3. What is written is told in the same transaction: first the context, then frames, then a run, then events.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import attrs

from ..actors import Actor, Address, After, Both, Down, Effect, Fire, To, Up, actor, durable, on
from ..channels import (
    ContextCommittedFrame,
    ErrorFrame,
    Frame,
    LLMContext,
    LLMContextFrame,
    LLMContextUserTurnFrame,
    LLMRunCancelFrame,
)
from .call_entries import settled
from .cascade import Cascade
from .edits import edited
from .events import AssistantTurnStoppedMessage, HalfView, UserTurnMessageAddedMessage, UserTurnStoppedMessage
from .joining import join
from .peer_messages import Commit, Committed, Edit, Flushed, Park, ResponseClosed, ResponseOpened, RunWanted
from .slots import Act, OpenResponse, Policy, RunDue, Slots, Step, StoppedDue, TriggeredDue, WriteCommit, WriteUser

__all__: list[str] = []

log = logging.getLogger("antiphon")


@attrs.frozen
class EditDue:
    """A change of the context that waits its turn."""

    edit: Edit


@attrs.frozen
class Held:
    """What waits for its turn, all together."""

    acts: tuple[Act | EditDue, ...]
    exchange: int


@attrs.frozen
class Run:
    """The newest run of the model."""

    id: int = 0
    exchange: int = 0
    is_live: bool = False


@attrs.frozen
class RunOwed:
    """To itself: nothing of this instant is on its way any more."""


@attrs.frozen
class FlushTimeout:
    """To itself: the assistant half hasn't answered."""

    epoch: int


@actor
class ContextOwner(Actor):
    """Writes the context and starts the runs."""

    start_context: LLMContext
    assistant: Address | None = attrs.field(default=None, kw_only=True)
    """The assistant half; None when there is none to wait for."""
    flush_timeout: float = attrs.field(default=10.0, kw_only=True)
    failed_prompt: str | None = attrs.field(default=None, kw_only=True)

    context: LLMContext = durable(LLMContext())
    has_begun: bool = durable(False)
    slots: Slots = durable(Slots())
    exchange: int = durable(0)
    """Grows with each turn of the user."""
    held: tuple[Held, ...] = durable(())
    awaited: int = durable(0)
    """The newest epoch whose flush must come before anything of the user is written."""
    flushed: int = durable(0)
    last_commit: int = durable(0)
    latest_run: Run = durable(Run())
    owes_run: bool = durable(False)
    has_retried: bool = durable(False)
    """The last answer failed, and was asked for once more."""
    has_ended: bool = durable(False)

    # ---- what others ask of it; UserHalf knows the answers

    def policy(self) -> Policy:
        """When what is written."""
        return Cascade()

    def somebody_speaks(self) -> bool:
        """Whether a run that is owed must wait."""
        return False

    def has_function_calls_in_progress(self) -> bool:
        """Whether a call isn't settled."""
        return False

    def user_speaks(self) -> bool:
        """Whether the user's turn is open."""
        return False

    def to_model(self, frame: Frame) -> Effect:
        """The way to the language model."""
        return Down(frame)

    def begin(self) -> None:
        """The session begins, or the actor is back."""
        if not self.has_begun:
            self.has_begun, self.context = True, self.start_context

    # ---- the assistant half

    @on(ResponseOpened)
    def opened(self, message: ResponseOpened) -> Iterator[Effect]:
        is_ours = message.run_id is not None and message.run_id == self.latest_run.id
        exchange = self.latest_run.exchange if is_ours else self.exchange
        response = OpenResponse(message.response_id, message.run_id, exchange, self.now)
        yield from self.let(self.policy().opened(self.slots, response))
        yield self.fire_of_assistant("on_assistant_turn_started")

    @on(Commit)
    def commit(self, message: Commit) -> Iterator[Effect]:
        if message.commit_id > self.last_commit:
            self.last_commit = message.commit_id
            yield from self.let(self.policy().committed(self.slots, message))

    @on(Park)
    def park(self, message: Park) -> Iterator[Effect]:
        if message.commit_id > self.last_commit:
            self.last_commit = message.commit_id
            yield from self.let(self.policy().parked(self.slots, message))
            yield from self.rest_at_end()

    @on(ResponseClosed)
    def closed(self, message: ResponseClosed) -> Iterator[Effect]:
        yield from self.let(self.policy().closed(self.slots, message))
        told = AssistantTurnStoppedMessage(
            message.content, message.outcome == "interrupted", message.timestamp or self.timestamp
        )
        yield self.fire_of_assistant("on_assistant_turn_stopped", told)
        if message.run_id is not None and message.run_id == self.latest_run.id:
            self.latest_run = attrs.evolve(self.latest_run, is_live=False)
        yield from self.rest_at_end()
        if message.outcome == "failed":
            yield from self._retry(message)
        elif message.outcome == "ended":
            self.has_retried = False
        yield from self.release()
        yield from self.pay_run()

    @on(Flushed)
    def flush(self, message: Flushed) -> Iterator[Effect]:
        self.flushed = max(self.flushed, message.epoch)
        if not self.is_flush_awaited:
            yield After(None, FlushTimeout(self.awaited))
            yield from self.release()
            yield from self.pay_run()

    @on(FlushTimeout)
    def give_up_flush(self, message: FlushTimeout) -> Iterator[Effect]:
        if not self.is_flush_awaited or message.epoch < self.awaited:
            return
        told = (
            f"{self.address}: no answer to the interruption of epoch {message.epoch} for {self.flush_timeout:g} s. An actor"
            " between the halves of the pair swallowed HeardFrame: let it pass."
        )
        yield Up(ErrorFrame(told, processor=str(self.address)))
        self.flushed = self.awaited
        if self.slots.open is not None:  # it was cut, whatever becomes of the news
            yield from self.let(
                self.policy().closed(self.slots, ResponseClosed(self.slots.open.response_id, "interrupted"))
            )
        yield from self.release()
        yield from self.pay_run()

    @on(Edit)
    def edit(self, message: Edit) -> Iterator[Effect]:
        """One that met the assistant half: it stands where it came among what that has committed."""
        yield from self.do((EditDue(message),))
        if message.run:
            yield from self.want_run(RunWanted("edit"))

    @on(RunWanted)
    def want_run(self, message: RunWanted) -> Iterator[Effect]:
        self.owes_run = True
        yield from self.pay_run()

    def _retry(self, message: ResponseClosed) -> Iterator[Effect]:
        """An answer that failed is asked for once more, unless something else is asked already."""
        if self.has_retried or self.owes_run or self.held or self.user_speaks():
            return
        self.has_retried = True
        if message.content and self.failed_prompt is not None:
            yield from self.prompt(self.failed_prompt, "failed answer")
        elif not message.content:
            yield from self.let_wait((RunDue("failed answer"),))

    # ---- interruptions

    @property
    def is_flush_awaited(self) -> bool:
        return self.assistant is not None and self.flushed < self.awaited

    def interruption_begins(self, epoch: int, *, by_user: bool) -> Iterator[Effect]:
        """All that is committed until the flush belongs before what comes now. Whoever has begun it is told of it once more,
        and holds what followed already.
        """
        if epoch <= self.awaited:
            return
        self.latest_run = attrs.evolve(self.latest_run, is_live=False)
        self.drop_held_runs()
        if not by_user:
            self.owes_run = False
        if self.is_flush_awaited:
            yield After(None, FlushTimeout(self.awaited))
        self.awaited = epoch
        if self.assistant is not None:
            yield After(self.flush_timeout, FlushTimeout(epoch))

    @property
    def holds_run(self) -> bool:
        """Whether a run waits for its turn."""
        return any(isinstance(act, RunDue) for each in self.held for act in each.acts)

    def drop_held_runs(self) -> None:
        """The interruption would have cut them. Never a message."""
        kept = (
            attrs.evolve(each, acts=tuple(act for act in each.acts if not isinstance(act, RunDue)))
            for each in self.held
        )
        self.held = tuple(each for each in kept if each.acts)

    # ---- writing

    def let(self, step: Step) -> Iterator[Effect]:
        """Take a policy's step at once."""
        slots, acts = step
        if slots is not self.slots:
            self.slots = slots
        if acts:
            yield from self.do(acts)

    def let_wait(self, acts: tuple[Act | EditDue, ...]) -> Iterator[Effect]:
        """Do this as soon as it is its turn, behind what waits already."""
        if not acts:
            return
        held = Held(acts, self.exchange)
        if not self.held and not self.is_flush_awaited and not self._must_wait(held):
            yield from self.do(acts)
        else:
            self.held = (*self.held, held)
            yield from self.release()

    def prompt(self, text: str, reason: str) -> Iterator[Effect]:
        """Tell the model something and let it answer."""
        edit = Edit(append=({"role": "developer", "content": text},))
        yield from self.let_wait((EditDue(edit), RunDue(reason)))

    def release(self) -> Iterator[Effect]:
        """Do what waits, as far as its turn has come."""
        if self.is_flush_awaited:
            return
        acts: list[Act | EditDue] = []
        while self.held and not self._must_wait(self.held[0]):
            acts += self.held[0].acts
            self.held = self.held[1:]
        yield from self.do(acts)

    def _must_wait(self, held: Held) -> bool:
        """An answer that isn't cut is heard to its end before the user's next words are answered."""
        response = self.slots.open
        is_words = any(isinstance(act, WriteUser) for act in held.acts)
        return is_words and response is not None and response.exchange < held.exchange

    def rest_at_end(self) -> Iterator[Effect]:
        """After the end: what had to follow the answer that was still open."""
        if self.has_ended and self.slots.open is None:
            yield from self.let(self.policy().ended(self.slots))

    def do(self, acts: Iterable[Act | EditDue]) -> Iterator[Effect]:
        """Write, then run once if any of it asks for that, then tell."""
        fires: list[Effect] = []
        run: RunDue | None = None
        for act in acts:
            match act:
                case WriteUser():
                    yield from self._write_user(act, fires)
                case WriteCommit():
                    yield from self._write_commit(act.commit, fires)
                case EditDue():
                    yield from self._edit(act.edit)
                case RunDue():
                    run = act
                case TriggeredDue():
                    fires.append(self.fire("on_user_turn_inference_triggered", act.strategy))
                case StoppedDue():
                    fires.append(self._stopped(act))
        if run is not None:
            yield from self.run_now(run)
        yield from fires

    def _write_user(self, act: WriteUser, fires: list[Effect]) -> Iterator[Effect]:
        text = join(heard.part for heard in act.heard)
        timestamp = act.heard[0].timestamp
        user_id = next((heard.user_id for heard in act.heard if heard.user_id), "")
        yield from self.write(self.context.append({"role": "user", "content": text}))
        yield Both(LLMContextUserTurnFrame(text, timestamp))
        fires.append(self.fire("on_user_turn_message_added", UserTurnMessageAddedMessage(text, timestamp, user_id)))

    def _write_commit(self, commit: Commit | Park, fires: list[Effect]) -> Iterator[Effect]:
        if isinstance(commit, Park):
            message = {"role": "assistant", "content": commit.text}
            yield from self.write(self.context.append(message), commit.commit_id)
            fires += self._message_added(commit.told, commit.timestamp, interrupted=False)
            return
        context = self.context if not commit.messages else self.context.append(*commit.messages)
        if commit.settlement is not None:
            context = settled(context, commit.settlement)
        yield from self.write(context, commit.commit_id)
        fires += self._message_added(commit.told, commit.timestamp or "", interrupted=commit.interrupted)
        if commit.on_written is not None:
            fires.append(self.fire("on_context_updated", commit.on_written))

    def _edit(self, edit: Edit) -> Iterator[Effect]:
        result = edited(self.context, edit)
        if result.orphans:
            log.warning("%s: an edit left %s without its other half; removed.", self.address, ", ".join(result.orphans))
        yield from self.write(result.context)

    def write(self, context: LLMContext, *commit_ids: int) -> Iterator[Effect]:
        """The next version of the context."""
        self.context = context
        yield Both(ContextCommittedFrame(context, context.version))
        if self.assistant is not None:
            yield To(self.assistant, Committed(context.version, context, commit_ids))

    # ---- runs

    def pay_run(self) -> Iterator[Effect]:
        """A run that is owed starts when nobody speaks, behind all that this instant still brings."""
        if self.owes_run and self._may_pay():
            yield After(0, RunOwed())

    @on(RunOwed)
    def pay_run_now(self, message: RunOwed) -> Iterator[Effect]:
        if self.owes_run and self._may_pay():
            yield from self.run_now(RunDue("owed"))

    def _may_pay(self) -> bool:
        waits = self.is_flush_awaited or self.held or self.slots.open is not None or self.somebody_speaks()
        return not waits and not self.has_ended

    def run_now(self, due: RunDue) -> Iterator[Effect]:
        """Start the next run; one that isn't over ends first."""
        if self.has_ended:
            return
        if self.latest_run.is_live:
            yield self.to_model(LLMRunCancelFrame(self.latest_run.id))
        self.latest_run = Run(self.latest_run.id + 1, self.exchange, is_live=True)
        if self.owes_run:
            self.owes_run = False
            yield After(None, RunOwed())
        context = self.context if due.context is None else due.context
        yield self.to_model(LLMContextFrame(context, run_id=self.latest_run.id, reason=due.reason))

    # ---- events

    def fire(self, name: str, *payload: object) -> Fire:
        """An event of this half, for a view of it as it is now."""
        return Fire(name, *payload, view=HalfView(self.address, self.context, self.has_function_calls_in_progress()))

    def fire_of_assistant(self, name: str, *payload: object) -> Fire:
        """An event of the other half, told here because here it is known what stands before it."""
        if self.assistant is None:
            return self.fire(name, *payload)
        view = HalfView(self.assistant, self.context, self.has_function_calls_in_progress())
        return Fire(name, *payload, of=self.assistant, view=view)

    def _message_added(self, text: str, timestamp: str, *, interrupted: bool) -> Iterator[Fire]:
        if text:
            told = AssistantTurnStoppedMessage(text, interrupted, timestamp)
            yield self.fire_of_assistant("on_assistant_message_added", told)

    def _stopped(self, act: StoppedDue) -> Fire:
        told = UserTurnStoppedMessage(act.content, act.timestamp, act.user_id)
        return self.fire("on_user_turn_stopped", act.strategy, told)

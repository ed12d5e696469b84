"""A search for a conversation in which a call is lost, run twice, or settled twice; or a response isn't closed."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import trio

from antiphon import Address, Pipeline, To, actor
from antiphon.actors.services.function_calls import CancelFunctionCalls, FunctionCallParams, SettleFunctionCall
from antiphon.actors.services.llm import Answer, AnswerFailed, LLMService
from antiphon.channels import (
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContext,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunCancelFrame,
)
from antiphon.scenarios import Item, Kill, Sleep, Trace, play
from tests.seeds import seeds

STARTED, RUNNING, RESULT, CANCELLED = CALLS = (
    FunctionCallsStartedFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallCancelFrame,
)
START, END = LLMFullResponseStartFrame, LLMFullResponseEndFrame
PACES = (0.0, 0.25, 0.5, 1.0, 2.0)


@actor
class Caller(LLMService):
    """Says and does what the user's message names, at the pace that it names."""

    async def respond(self, context: LLMContext, answer: Answer) -> None:
        for number, word in enumerate(context.messages[-1]["content"].split()):
            kind, _, value = word.partition(":")
            if kind == "wait":
                await trio.sleep(float(value))
            elif kind == "say":
                await answer.text(value)
            elif kind == "fail":
                raise AnswerFailed(value)
            elif kind == "break":
                raise ZeroDivisionError(value)
            else:
                # As with some providers, ids begin anew in each response.
                answer.call(value, {}, f"call{number}")


@attrs.frozen
class Plan:
    """A model with its functions, and what comes to it."""

    options: dict[str, Any]
    functions: dict[str, tuple[str, float, dict[str, Any]]]
    script: Sequence[Item]


def plan(seed: int) -> Plan:
    chance = random.Random(seed)
    functions = {
        name: (
            chance.choice(("returns", "returns", "raises", "calls back", "gives nothing")),
            chance.choice(PACES),
            {
                "cancel_on_interruption": chance.random() < 0.6,
                "timeout_secs": chance.choice((None, 0.5, 1.0)),
                "cancellable_by_llm": chance.random() < 0.3,
            },
        )
        for name in ("a", "b", "c")
    }
    options: dict[str, Any] = {"run_in_parallel": chance.random() < 0.5, "retry_on_timeout": chance.random() < 0.3}
    script = [item for number in range(chance.randint(3, 9)) for item in moment(chance, number)]
    if chance.random() < 0.7:
        script.append(chance.choice((EndFrame(), CancelFrame())))
    return Plan(options, functions, script)


def moment(chance: random.Random, number: int) -> list[Item]:
    """Something that comes to the model, and how long nothing follows."""
    llm = Address("llm")
    some_id = f"call{chance.randint(0, 3)}"
    coming: list[Any] = [
        *[context(chance, number)] * 4,
        *[InterruptionFrame()] * 2,
        LLMRunCancelFrame(max(number - 1, 0)),
        To(llm, CancelFunctionCalls(chance.choice((None, (some_id,))))),
        To(llm, SettleFunctionCall(some_id, "settled")),
        Kill("llm"),
        (InterruptionFrame(), Kill("llm")),
        (Kill("llm"), InterruptionFrame()),
        Kill("llm", at=chance.randint(1, 20)),
    ]
    return [chance.choice(coming), Sleep(chance.choice(PACES))]


def context(chance: random.Random, number: int) -> LLMContextFrame:
    words = ["say:word", "wait:0.25", "wait:6", "call:a", "call:a", "call:b", "call:c", "call:cancel_a", "call:nobody"]
    said = chance.choices(words, weights=[4, 4, 1, 2, 2, 2, 2, 1, 1], k=chance.randint(1, 5))
    if chance.random() < 0.1:
        said.append(chance.choice(("fail:so", "break:so")))
    return LLMContextFrame(LLMContext.from_messages([{"role": "user", "content": " ".join(said)}]), run_id=number)


def follow(plan: Plan, *, direct: bool, seed: int) -> tuple[Trace, list[str]]:
    """The trace, and the ids of the calls that functions were run for."""
    ran: list[str] = []
    llm = Caller(name="llm", **plan.options)
    for name, (manner, seconds, options) in plan.functions.items():

        async def function(params: FunctionCallParams, manner: str = manner, seconds: float = seconds) -> str | None:
            ran.append(params.tool_call_id)
            await trio.sleep(seconds)
            if manner == "raises":
                raise LookupError("nothing there")
            if manner == "calls back":
                await params.result_callback("called back")
                await trio.sleep(seconds)
            return "returned" if manner == "returns" else None

        llm.register_function(name, function, **options)
    return play(Pipeline(llm, max_restarts=99), plan.script, direct=direct, seed=seed, limit=300.0), ran


def faults(trace: Trace, ran: list[str]) -> list[str]:
    """What must not be."""
    seen: list[Any] = [frame for frame in trace.down if isinstance(frame, CALLS)]
    announced = [call.tool_call_id for frame in seen if isinstance(frame, STARTED) for call in frame.function_calls]
    found = [f"{call} is announced twice" for call, count in Counter(announced).items() if count > 1]
    found += [f"{call} was run twice" for call, count in Counter(ran).items() if count > 1]
    found += [f"{call} was run but not announced" for call in set(ran) - set(announced)]
    allowed = [[RUNNING, RESULT], [RUNNING, CANCELLED], [CANCELLED]]
    if died_at_its_end(trace):
        allowed += [[], [RUNNING]]
    for call in announced:
        own = [type(frame) for frame in seen if not isinstance(frame, STARTED) and frame.tool_call_id == call]
        if own not in allowed:
            found.append(f"{call} has {[kind.__name__ for kind in own]}")
    if seen != [frame for frame in trace.up if isinstance(frame, CALLS)]:
        found.append("what was told upstream differs from what was told downstream")
    cancelled = [call.tool_call_id for event in trace.events for call in told(event) if "cancelled" in event.name]
    if cancelled != [frame.tool_call_id for frame in seen if isinstance(frame, CANCELLED)]:
        found.append(f"the application heard that these were cancelled: {cancelled}")
    return found + faults_of_brackets(trace)


def died_at_its_end(trace: Trace) -> bool:
    """Whether the model's actor failed in the very instant in which the session ended: it stays down then."""
    ends = {each.time for each in trace.deliveries if isinstance(each.frame, EndFrame | CancelFrame)}
    return any(failure.time in ends for failure in trace.failures)


def told(event: Any) -> Sequence[Any]:
    return event.payload[0] if event.payload else ()


def faults_of_brackets(trace: Trace) -> list[str]:
    """A response is closed before the next one opens, unless an interruption closed it."""
    at_the_end = [each for each in trace.deliveries if each.receiver.name == "sink"]
    found: list[str] = []
    opened: tuple[int | None, int] | None = None
    for each in at_the_end:
        if isinstance(each.frame, START):
            if opened is not None and opened[1] == each.epoch:
                found.append(f"run {each.frame.run_id} opens inside run {opened[0]}")
            opened = each.frame.run_id, each.epoch
        elif isinstance(each.frame, END):
            if opened != (each.frame.run_id, each.epoch):
                found.append(f"run {each.frame.run_id} closes, but {opened} is open")
            opened = None
    return found


@pytest.mark.rule("G10", "G20", "G24", "G26", "L4", "L5a")
@pytest.mark.parametrize("direct", [True, False])
def test_whatever_comes_each_call_is_settled_once_and_each_response_closed(direct: bool) -> None:
    kinds: Counter[type[Frame]] = Counter()
    for seed in seeds(150, each_counts=5):
        trace, ran = follow(plan(seed), direct=direct, seed=seed)
        assert isinstance(trace.ended, str), (seed, trace.ended)
        assert faults(trace, ran) == [], seed
        kinds.update(type(frame) for frame in trace.down)
    assert min(kinds[kind] for kind in (*CALLS, START, END)) > 50, kinds

"""An agent that books tables, inside a FastAPI app: each WebSocket is a call, and a page lists the calls.

python examples/fastapi_agent.py        # then connect to ws://127.0.0.1:8000/calls/ann and type
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import uvicorn
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect

import antiphon
from antiphon import Actor, Pipeline, actor, on
from antiphon.actors.services.scripted import Script, ScriptedLLM
from antiphon.channels import (
    DataFrame,
    LLMContext,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    frame,
)
from antiphon.turn import LLMContextAggregatorPair

SCRIPT = """
unclear = ["I can only book tables. {question}"]
start = "book"

[slots.people]
ask = "For how many people?"
values = { two = 2, three = 3, four = 4 }

[slots.day]
ask = "On which day?"
values = ["Friday", "Saturday"]

[intents.book]
heard = ["a table"]
slots = ["people", "day"]
call = "book_table"
done = "A table for {people} on {day}, number {result}. Goodbye."
hangup = true
"""


@frame
class Said(DataFrame):
    """A whole answer, as the caller reads it."""

    text: str


@actor
class Writer(Actor):
    """Joins the model's tokens into the answer that the caller reads."""

    text: str = antiphon.state("")

    @on(LLMFullResponseStartFrame)
    def begin(self, frame: LLMFullResponseStartFrame) -> LLMFullResponseStartFrame:
        self.text = ""
        return frame

    @on(LLMTextFrame)
    def write(self, frame: LLMTextFrame) -> LLMTextFrame:
        self.text += frame.text
        return frame

    @on(LLMFullResponseEndFrame)
    def end(self, frame: LLMFullResponseEndFrame) -> Iterator[Said | LLMFullResponseEndFrame]:
        if self.text:
            yield Said(self.text)
        yield frame


@attrs.define
class Restaurant:
    """What all calls of the app share."""

    calls: dict[str, antiphon.aio.Session] = attrs.field(factory=dict[str, antiphon.aio.Session])
    tables: int = 0

    def book_table(self, people: int, day: str) -> int:
        self.tables += 1
        return self.tables

    def agent(self) -> Pipeline:
        pair = LLMContextAggregatorPair(LLMContext())
        model = ScriptedLLM(
            Script.from_toml(SCRIPT),
            {"book_table": self.book_table},
            name="llm",
            first_token_secs=0.01,
            token_secs=0.001,
        )
        return Pipeline(pair.user, model, Writer(), pair.assistant)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Restaurant]]:
    yield {"restaurant": Restaurant()}


app = FastAPI(lifespan=lifespan)


@app.websocket("/calls/{caller}")
async def call(socket: WebSocket, caller: str) -> None:
    """One call, from the greeting of the socket until either side hangs up."""
    restaurant: Restaurant = socket.state.restaurant
    await socket.accept()
    async with antiphon.aio.open_session(restaurant.agent(), name=caller) as session:
        restaurant.calls[caller] = session
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(speak(session, socket))
                await listen(session, socket)
        finally:
            del restaurant.calls[caller]


async def listen(session: antiphon.aio.Session, socket: WebSocket) -> None:
    """Until the caller hangs up, or the agent has."""
    async for text in socket.iter_text():
        await session.push(TranscriptionFrame(text))
    await session.cancel("the caller has hung up")


async def speak(session: antiphon.aio.Session, socket: WebSocket) -> None:
    """Until the session has ended."""
    try:
        async for frame in session.output:
            if isinstance(frame, Said):
                await socket.send_text(frame.text)
        await socket.close()
    except (WebSocketDisconnect, RuntimeError):  # the caller was quicker
        await session.cancel("the caller has hung up")


@app.get("/calls")
async def calls(request: Request) -> dict[str, list[dict[str, Any]]]:
    """Who is on the line, and how much was said."""
    restaurant: Restaurant = request.state.restaurant
    return {
        "calls": [
            {"caller": caller, "waiting": sum(each.system + each.ordered for each in session.statistics().values())}
            for caller, session in restaurant.calls.items()
        ]
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=8000)

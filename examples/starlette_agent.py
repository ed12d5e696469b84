"""A chat over server-sent events, inside a Starlette app: the agent talks on until somebody says something else.

python examples/starlette_agent.py
curl -N http://127.0.0.1:8000/chats/ann                                # what the agent says, as it says it
curl -d 'about the sea' http://127.0.0.1:8000/chats/ann                # cuts in, from another terminal
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Iterator

import trio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import antiphon
from antiphon import Actor, Interrupt, Pipeline, actor, durable, on
from antiphon.actors import Effect
from antiphon.channels import DataFrame, SystemFrame, frame


@frame
class Remark(SystemFrame):
    """What somebody says to the agent."""

    text: str


@frame
class Theme(DataFrame):
    """What the agent shall talk about."""

    text: str


@frame
class Word(DataFrame):
    """A word of the agent."""

    text: str


@actor
class Listener(Actor):
    """Takes each remark as a new theme, and cuts off what is being said about the last one."""

    remarks: int = durable(0)

    @on(Remark)
    def listen(self, frame: Remark) -> Iterator[Effect]:
        self.remarks += 1
        yield Interrupt()
        yield Theme(frame.text)


@actor
class Talker(Actor):
    """Talks about its theme, word by word and for ever."""

    pause: float = 0.05
    """Seconds between two words."""

    @on(Theme)
    async def talk(self, frame: Theme) -> None:
        while True:
            for word in f"You said {frame.text}; well,".split():
                await self.push(Word(word))
                await trio.sleep(self.pause)


chats: dict[str, antiphon.aio.Session] = {}


async def listen(request: Request) -> Response:
    """A new chat, for as long as somebody listens."""
    name = request.path_params["name"]
    if name in chats:
        return PlainTextResponse(f"{name} is in use\n", status_code=409)
    return StreamingResponse(said(name), media_type="text/event-stream")


async def said(name: str) -> AsyncIterator[str]:
    # When the listener goes, Starlette cancels this, and with it the session.
    async with antiphon.aio.open_session(Pipeline(Listener(), Talker()), name=name) as session:
        chats[name] = session
        try:
            yield "event: ready\ndata:\n\n"
            async for frame in session.output:
                if isinstance(frame, Word):
                    yield f"data: {frame.text}\n\n"
        finally:
            del chats[name]


async def remark(request: Request) -> Response:
    """Say something in a chat that goes on."""
    session = chats.get(request.path_params["name"])
    if session is None:
        return PlainTextResponse("nobody listens there\n", status_code=404)
    await session.push(Remark((await request.body()).decode()))
    return Response(status_code=202)


app = Starlette(
    routes=[
        Route("/chats/{name}", listen, methods=["GET"]),
        Route("/chats/{name}", remark, methods=["POST"]),
    ]
)


class Server(uvicorn.Server):
    """Ends the chats when it shall stop. A stream has no end of its own, and uvicorn would wait for it."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for session in list(chats.values()):
            await session.cancel("the server stops")
        await super().shutdown(sockets)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    Server(uvicorn.Config(app, host="127.0.0.1", port=port)).run()

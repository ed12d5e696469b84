"""Many agents in one process: each connection is a call, each line what its caller says.

`python examples/host_of_agents.py 7000`, then `nc 127.0.0.1 7000` in as many terminals as you like. SIGTERM lets the
running calls end; who calls meanwhile, or when too many do, is told why not.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Iterator

import trio

from antiphon import Actor, Host, HostBusy, Pipeline, Session, actor, durable, on
from antiphon.channels import EndFrame, EndWorkerFrame, Frame, TextFrame, TranscriptionFrame


@actor
class Agent(Actor):
    """Says back what it hears, and says goodbye when it is told so or must end."""

    heard: int = durable(0)

    @on(TranscriptionFrame)
    def answer(self, frame: TranscriptionFrame) -> Iterator[Frame]:
        self.heard += 1
        if frame.text == "bye":
            yield EndWorkerFrame()
        else:
            yield TextFrame(f"{self.heard}. You said: {frame.text}")

    @on(EndFrame)
    def part(self, frame: EndFrame) -> TextFrame:
        return TextFrame("Goodbye.")


async def serve(host: Host, port: int) -> None:
    """Take calls until cancelled, which the host does when its last session has ended."""
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    print(f"listening on port {listeners[0].socket.getsockname()[1]}", flush=True)
    await trio.serve_listeners(functools.partial(take, host), listeners)


async def take(host: Host, stream: trio.SocketStream) -> None:
    """One call. It ends with its session, and its session with it."""
    try:
        session = await host.start(Pipeline(Agent()))
    except HostBusy as busy:
        await say(stream, f"503 {busy}")
        return
    output = session.output
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, stream, session)
            async for frame in output:
                if isinstance(frame, TextFrame):
                    await say(stream, frame.text)
            nursery.cancel_scope.cancel()
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # the caller has hung up
    finally:
        await session.cancel("the call is over")


async def listen(stream: trio.SocketStream, session: Session) -> None:
    async for line in lines(stream):
        await session.push(TranscriptionFrame(line))
    await session.end("the caller has hung up")


async def lines(stream: trio.SocketStream) -> AsyncIterator[str]:
    rest = b""
    async for data in stream:
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").strip()


async def say(stream: trio.SocketStream, text: str) -> None:
    await stream.send_all(text.encode() + b"\n")


if __name__ == "__main__":
    sys.exit(Host(max_sessions=100, drain=20).run(functools.partial(serve, port=int(sys.argv[1]))))

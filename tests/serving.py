"""An ASGI application under uvicorn, in the loop of the test that talks to it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import uvicorn

__all__ = ["Program", "program", "serving"]

RUNNING = re.compile(r"running on http://([\d.]+:\d+)")


@asynccontextmanager
async def serving(
    app: Any, *, server_class: type[uvicorn.Server] = uvicorn.Server, **options: Any
) -> AsyncIterator[str]:
    """Serve on a free port of the loopback; the value is `host:port`. Leaving the block asks the server to exit and
    waits for that. Options are uvicorn's.
    """
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", **options)
    server = server_class(config)
    serves = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        for _ in iter(lambda: server.started or serves.done(), True):
            await asyncio.sleep(0)
    try:
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await serves


@attrs.frozen
class Program:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    """`host:port`."""

    def end(self) -> tuple[int, str]:
        """SIGTERM: its exit code, and what it still said."""
        self.process.send_signal(signal.SIGTERM)
        _, told = self.process.communicate(timeout=60)
        return self.process.returncode, told


@contextmanager
def program(*argv: str) -> Iterator[Program]:
    """Run a Python program that serves by uvicorn on a free port of the loopback."""
    command = [sys.executable, "-X", "dev", *argv]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr)
            found = next(filter(None, map(RUNNING.search, lines)), None)
            assert found is not None, f"{' '.join(argv)} didn't start"
            yield Program(process, found[1])
        finally:
            process.kill()

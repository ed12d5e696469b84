"""The server as a program of its own, its callers on real sockets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trio
import trio.testing

from antiphon import Host
from examples.host_of_agents import take

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "host_of_agents.py"


@contextmanager
def server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program and its port, once it listens."""
    argv = [sys.executable, str(PROGRAM), "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline().removeprefix("listening on port "))
        finally:
            process.kill()


class Caller:
    """One connection, line by line."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self._socket.makefile("rw")

    def say(self, text: str) -> str:
        """What is answered; nothing when the call is over."""
        self._file.write(f"{text}\n")
        self._file.flush()
        return self.hear()

    def hear(self) -> str:
        return self._file.readline().removesuffix("\n")

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *of_the_error: object) -> None:
        self._socket.close()
        with suppress(ConnectionError):  # what couldn't be said any more
            self._file.close()


def refusal(port: int) -> str:
    """What a caller is told who isn't taken; nothing when he is."""
    with Caller(port) as caller:
        try:
            answer = caller.say("hello")
        except ConnectionError:  # refused before his word was read
            answer = ""
    return answer if answer.startswith("503") else ""


def test_callers_are_answered_side_by_side_and_a_signal_lets_them_finish() -> None:
    with server() as (process, port), Caller(port) as first, Caller(port) as second:
        assert first.say("hello") == "1. You said: hello"
        assert second.say("hi") == "1. You said: hi"
        assert first.say("again") == "2. You said: again"
        process.send_signal(signal.SIGTERM)
        while not (told := refusal(port)):
            pass  # the signal is still on its way
        assert told.startswith("503 the host takes no more sessions: it drains since")
        assert second.say("bye") == "Goodbye."
        assert second.hear() == ""
        assert first.say("still there?") == "3. You said: still there?"
        assert first.say("bye") == "Goodbye."
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (130, "", "")


async def test_a_caller_who_hangs_up_ends_the_session(autojump_clock: trio.testing.MockClock) -> None:
    async with Host() as host:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:
            stream = await trio.testing.open_stream_to_socket_listener(listeners[0])
            nursery.start_soon(trio.serve_listeners, lambda stream: take(host, stream), listeners)
            await stream.send_all(b"hello\n")
            assert await stream.receive_some() == b"1. You said: hello\n"
            (session,) = host.sessions.values()
            await stream.aclose()
            await session.wait()
            nursery.cancel_scope.cancel()

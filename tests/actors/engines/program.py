"""An engine as its user sees it: a child process, two pipes, and frames."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import antiphon.actors.engines

__all__ = ["Program", "Wire"]

ENGINES = Path(antiphon.actors.engines.__file__).parent
PATIENCE = 300.0
"""Seconds after which an engine that is still running is killed, so that a test fails and doesn't hang."""

Wire: TypeAlias = "Mapping[str, Any] | bytes"


class Program:
    """A running engine."""

    def __init__(
        self, name: str, *, flags: Sequence[str] = ("-P",), environment: Mapping[str, str] | None = None
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *flags, str(ENGINES / f"{name}_engine.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self._watch = threading.Timer(PATIENCE, self.process.kill)
        self._watch.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._watch.cancel()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def send(self, *data: Wire) -> None:
        for each in data:
            kind, body = (b"A", each) if isinstance(each, bytes) else (b"J", json.dumps(each).encode())
            self.send_bytes((len(body) + 1).to_bytes(4, "big") + kind + body)

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hang_up(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def receive(self) -> Wire | None:
        """The next wire message; None: there will be none."""
        assert self.process.stdout is not None
        head = self.process.stdout.read(4)
        if len(head) < 4:
            return None
        frame = self.process.stdout.read(int.from_bytes(head, "big"))
        assert frame[:1] in (b"J", b"A"), frame[:80]
        return frame[1:] if frame[:1] == b"A" else json.loads(frame[1:])

    def until(self, *keys: str) -> list[Wire]:
        """All wire messages up to one that has any of these keys, or to the end."""
        found: list[Wire] = []
        for wire in self:
            found.append(wire)
            if not isinstance(wire, bytes) and any(key in wire for key in keys):
                break
        return found

    def last(self, *keys: str) -> Mapping[str, Any]:
        """The first message with any of these keys."""
        found = self.until(*keys)
        assert found and not isinstance(found[-1], bytes) and any(key in found[-1] for key in keys), (
            found[-3:],
            self.ended(),
        )
        return found[-1]

    def __iter__(self) -> Iterator[Wire]:
        while (wire := self.receive()) is not None:
            yield wire

    def ended(self) -> tuple[int, str]:
        """Wait for its end: the exit code, and what it wrote to stderr."""
        assert self.process.stderr is not None
        error = self.process.stderr.read().decode()
        return self.process.wait(), error

    def refuses(self, *data: Wire) -> str:
        """The error that it ends with when it gets this, with exit code 2."""
        self.send(*data)
        return self.refused()

    def refused(self, code: int = 2) -> str:
        error = self.last("error")
        assert error["fatal"] is True
        ended, said = self.ended()
        assert ended == code
        assert "Traceback" not in said
        return str(error["error"])

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

"""Small programs that are the engines of tests, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

__all__ = [
    "ECHO",
    "READS_NOTHING",
    "READY",
    "STUBBORN",
    "children",
    "command_of",
    "is_alive",
    "open_files",
]

SPEAK = """
import json, os, signal, struct, sys, time

def say(data):
    body = b"A" + data if isinstance(data, bytes) else b"J" + json.dumps(data).encode()
    os.write(1, struct.pack(">I", len(body)) + body)

def hear():
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        sys.exit(0)
    frame = sys.stdin.buffer.read(struct.unpack(">I", head)[0])
    return json.loads(frame[1:]) if frame[:1] == b"J" else frame[1:]
"""
READY = 'say({"ready": {"engine": "test"}})\n'
ECHO = READY + "while True: say(hear())\n"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "while True: time.sleep(1)\n"
READS_NOTHING = READY + "while True: time.sleep(1)\n"


def command_of(folder: Path, lines: str) -> list[str]:
    """The command of a program that ends with these lines."""
    path = folder / "engine.py"
    path.write_text(SPEAK + lines)
    return [sys.executable, "-S", str(path)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> set[int]:
    """The child processes of this one, also those that have ended and that nobody has waited for."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            # The name, in parentheses, may hold anything; the parent stands second behind it.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.add(int(stat.parent.name))
    return found

"""Plants a mistake into a copy of the packages, and follows the search there until it has found it, or has ended."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import attrs
import trio

from .mistakes import Mistake, copy_packages, plant

__all__ = ["Broken", "Verdict", "hunt"]

PATIENCE = 30.0
"""Seconds for one session, which takes some milliseconds; a search that is silent for longer hangs."""


class Broken(Exception):
    """The search didn't run, so it says nothing about the mistake."""


@attrs.frozen
class Verdict:
    """What a search made of a mistake."""

    mistake: Mistake | None
    seeds: int
    """How many were tried, with direct delivery and without; the last one found it."""
    rule: str | None
    """What it found: a rule's ID, `crash` or `hangs`; None: nothing."""
    complaint: str = ""
    again: str = ""
    """What the last session was, as arguments of `tests.actors.search`."""


async def hunt(
    mistake: Mistake | None, *, seeds: int, search: str = "sessions", first: int = 0, patience: float = PATIENCE
) -> Verdict:
    """Search a copy of the packages with this mistake in it; None: with none. Each seed is tried in both ways of delivery.

    `search` is for None: a mistake says itself which one shall find it. `patience` is in seconds of real time. Raises
    `Misfit` when the mistake doesn't apply, and `Broken` when the search didn't run with it.
    """
    with tempfile.TemporaryDirectory(prefix="antiphon-mutant-") as name:
        folder = Path(name)
        copy_packages(folder)
        if mistake is not None:
            plant(mistake, folder)
        return await _follow(mistake, search, folder, first, seeds, patience)


async def _follow(
    mistake: Mistake | None, search: str, folder: Path, first: int, seeds: int, patience: float
) -> Verdict:
    said: dict[str, Any] = {}
    """What the search said last, by its key."""
    hangs = False
    if mistake is not None:
        search = mistake.search
    with (folder / "errors").open("wb") as errors:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "tests.mutants.trial", str(folder), search, str(first), str(seeds)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=errors,
        )
        assert process.stdout is not None
        try:
            async for line in _lines(process.stdout, patience):
                said |= json.loads(line)
        except trio.TooSlowError:
            hangs = True
        finally:
            process.kill()
            with trio.move_on_after(5.0, shield=True):
                await process.wait()
    if "seed" not in said or ("rule" not in said and not hangs):
        named = "without a mistake" if mistake is None else f"with {mistake.name}"
        told = (folder / "errors").read_text(errors="replace").strip() or f"exit code {process.returncode}"
        raise Broken(f"The search didn't run {named}: {told}")
    tried = said["seed"] - first + 1
    again = f"{said['seed']} {said['delivery']}"
    if hangs:
        return Verdict(mistake, tried, "hangs", f"silent for {patience:g} s, and ended from outside", again)
    return Verdict(mistake, tried, said["rule"], said["complaint"], again)


async def _lines(stream: trio.abc.ReceiveStream, patience: float) -> AsyncIterator[bytes]:
    """Whole lines. Raises `trio.TooSlowError` when nothing comes for that many seconds."""
    left = b""
    while True:
        with trio.fail_after(patience):
            data = await stream.receive_some()
        if not data:
            return
        *lines, left = (left + data).split(b"\n")
        for line in lines:
            yield line

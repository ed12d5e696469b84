"""The demo with an actor killed in each, as many side by side as there are cores. Exit code 0 when each still books the table.

    python scripts/kills.py [NAME@SECONDS ...]

What each printed, and its files, stay in `antiphon-demo/kills/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "antiphon-demo" / "kills"
KILLS = ("stt@4.0", "tts@6.0", "llm@5.0", "user@3.0", "assistant@7.0", "output@6.5")


class Ran(NamedTuple):
    """One demo, from outside."""

    kill: str
    code: int
    seconds: float
    verdict: str
    """Its last line."""


def run(kill: str) -> Ran:
    folder = RESULTS / kill
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "antiphon.cli", "demo", "--kill", kill, "--out", str(folder)]
    print(f"==> antiphon demo --kill {kill}", flush=True)
    began = time.monotonic()
    # Some time beyond the demo's own limit: one that hangs fails, and doesn't keep the others waiting.
    try:
        ended = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150
        )
        code, printed = ended.returncode, ended.stdout
    except subprocess.TimeoutExpired as error:
        printed = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        code, printed = -1, f"{printed}\nIt didn't end within 150 s."
    (folder / "printed.txt").write_text(printed)
    lines = printed.strip().splitlines()
    return Ran(kill, code, time.monotonic() - began, lines[-1] if lines else "It printed nothing.")


def table(all_ran: Iterable[Ran]) -> str:
    lines = [f"{'kill':<14} {'exit':>4} {'seconds':>8}  verdict"]
    lines += [f"{ran.kill:<14} {ran.code:>4} {ran.seconds:>8.1f}  {ran.verdict}" for ran in all_ran]
    return "\n".join(lines)


def main() -> int:
    kills = sys.argv[1:] or KILLS
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        all_ran = list(pool.map(run, kills))
    print(f"\n{table(all_ran)}")
    failed = [ran.kill for ran in all_ran if ran.code != 0]
    if failed:
        print(
            f"\nNot booked: {', '.join(failed)}. See {RESULTS.relative_to(ROOT)}/NAME@SECONDS/printed.txt and timeline.svg there."
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

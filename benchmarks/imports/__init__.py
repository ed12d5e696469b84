"""How long the imports take, each in a fresh interpreter, compiled files in place.

The runtime is what a session needs; the bot is what a spoken conversation needs: transport, VAD, turns, context, a
language model's service.
"""

import os
import subprocess
import sys

__all__ = ["milliseconds"]

TIMED = "import sys, time; begun = time.perf_counter(); {}; print((time.perf_counter() - begun) * 1e3)"


def milliseconds(statement: str) -> float:
    """How long an import statement takes in a new interpreter of this environment, the second time it is run there."""
    # -I: nothing from the current folder; without the variable, compiled files are written and found.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-I", "-c", TIMED.format(statement)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])

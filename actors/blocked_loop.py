"""Names the code that keeps a program's loop to itself, with its stack, on standard error.

Code that never awaits can be ended by nobody, and nothing in the loop could even tell of it. `faulthandler` writes from
outside: its watchdog is no Python thread, and needs nothing that the code could hold. There is one for a process, so only
a program's own `run` uses it, never a session that is embedded in another program.
"""

from __future__ import annotations

import faulthandler
import sys

import trio

__all__: list[str] = []


async def name_what_blocks(seconds: float, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Until cancelled. Once the loop hasn't turned for so long, the stacks of all threads are written, once."""
    try:
        sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        task_status.started()
        return  # standard error is no file, so there is nowhere to write to
    try:
        faulthandler.dump_traceback_later(seconds)
        task_status.started()
        while True:
            await trio.sleep(seconds / 4)
            faulthandler.dump_traceback_later(seconds)
    finally:
        faulthandler.cancel_dump_traceback_later()

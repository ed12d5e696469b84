"""Who is measured: ours, bare Trio, and pipecat in the forms in which people run it."""

import attrs

__all__ = ["ANTIPHON", "ASYNCIO", "DEFAULT", "LEAN", "LEAN_UVLOOP", "SUBJECTS", "TRIO", "UVLOOP", "Subject"]


@attrs.frozen
class Subject:
    """One column of the table."""

    key: str
    title: str
    module: str
    """The module in a figure's folder that measures it."""
    loop: str
    """trio, asyncio or uvloop."""
    foreign: bool = False
    """Runs in pipecat's environment, not in ours."""
    lean: bool = True
    """pipecat without RTVI, turn tracking and idle observers, which a user gets unless he says otherwise."""


ANTIPHON = Subject("antiphon", "Antiphon", module="antiphon", loop="trio")
LEAN = Subject("pipecat", "pipecat, lean", module="pipecat", loop="asyncio", foreign=True)
LEAN_UVLOOP = Subject("pipecat-uvloop", "pipecat, lean, uvloop", module="pipecat", loop="uvloop", foreign=True)
DEFAULT = Subject("pipecat-default", "pipecat as it comes", module="pipecat", loop="asyncio", foreign=True, lean=False)
TRIO = Subject("trio", "bare Trio", module="trio", loop="trio")
ASYNCIO = Subject("asyncio", "bare asyncio", module="asyncio", loop="asyncio", foreign=True)
UVLOOP = Subject("uvloop", "bare uvloop", module="asyncio", loop="uvloop", foreign=True)

SUBJECTS = (ANTIPHON, LEAN, LEAN_UVLOOP, DEFAULT, TRIO, ASYNCIO, UVLOOP)

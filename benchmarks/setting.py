"""What a measurement is told: how much to do, and the subject's options. It is what travels from the parent to the
child.
"""

import attrs

__all__ = ["FULL", "QUICK", "TINY", "Setting", "Size"]


@attrs.frozen
class Size:
    """How much one round does. Chosen so that a full run ends within ten minutes."""

    frames: int
    """Frames sent one at a time, for each row."""
    bursts: int
    """Bursts of 64 frames, for each row."""
    interruptions: int
    window: float
    """Seconds for which the sessions of one trial are watched, and the ticker."""
    most_sessions: int
    """The search for the number of sessions stops here."""
    lives: int
    """Sessions opened and ended one after the other."""
    idle: int
    """Sessions open at once when their memory is weighed."""
    closed: tuple[int, int]
    """Memory is weighed after so many closed sessions, and again after so many; ours only, see `memory`."""
    limits: int
    """Repeats of each bare operation."""


FULL = Size(
    frames=3000,
    bursts=100,
    interruptions=100,
    window=2.0,
    most_sessions=4000,
    lives=100,
    idle=200,
    closed=(1000, 10_000),
    limits=20_000,
)
QUICK = Size(
    frames=1500,
    bursts=50,
    interruptions=40,
    window=1.2,
    most_sessions=4000,
    lives=50,
    idle=100,
    closed=(300, 1500),
    limits=5000,
)
TINY = Size(
    frames=20, bursts=2, interruptions=3, window=0.1, most_sessions=2, lives=2, idle=2, closed=(2, 4), limits=20
)


@attrs.frozen
class Setting:
    """One round of one subject."""

    size: Size
    lean: bool = True
    """pipecat only: without RTVI, turn tracking and idle observers; else as a user gets it."""
    hint: float | None = None
    """The number of sessions that an earlier round found, where the next search begins."""

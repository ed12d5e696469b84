"""What is measured, with the aims: how many times better than pipecat (lean, on asyncio), and where it makes sense an
absolute bound.
"""

import attrs

from .subjects import ANTIPHON, ASYNCIO, DEFAULT, LEAN, LEAN_UVLOOP, TRIO, UVLOOP, Subject

__all__ = ["FIGURES", "Figure", "Row"]

RUNTIMES = (ANTIPHON, LEAN, LEAN_UVLOOP, DEFAULT)


@attrs.frozen
class Row:
    """One number."""

    key: str
    title: str
    unit: str
    times: float | None = None
    """We aim at being so many times better than pipecat, lean, on asyncio."""
    bound: float | None = None
    """We aim at this value or a better one."""
    more_is_better: bool = False


@attrs.frozen
class Figure:
    """What one folder measures."""

    name: str
    title: str
    rows: tuple[Row, ...]
    subjects: tuple[Subject, ...] = RUNTIMES
    rounds: int = 5
    fresh: bool = False
    """Each round wants a new process."""


FIGURES = (
    Figure(
        "voice",
        "An audio frame through eight actors, of which one or two handle it",
        (
            Row("output_one", "output audio, one in flight", "us", times=20),
            Row("input_one", "input audio, one in flight", "us", times=14),
            Row("output_burst", "output audio, bursts of 64, a frame", "us", times=30),
            Row("input_burst", "input audio, bursts of 64, a frame", "us"),
            Row("output_turn", "output audio, one in flight, with the loop's turn", "us"),
            Row("input_turn", "input audio, one in flight, with the loop's turn", "us"),
        ),
    ),
    Figure(
        "hop",
        "A hop: eight actors which all handle the frame",
        (
            Row("plain_one", "plain handlers that return it, one in flight", "us", times=15),
            Row("plain_burst", "plain handlers that return it, bursts of 64", "us", times=30),
            Row("generator_one", "generators that yield it, one in flight", "us"),
            Row("generator_burst", "generators that yield it, bursts of 64", "us"),
            Row("async_one", "async handlers that push it, one in flight", "us", times=2.5),
            Row("async_burst", "async handlers that push it, bursts of 64", "us", times=10),
        ),
        subjects=(*RUNTIMES, TRIO),
    ),
    Figure(
        "interruption",
        "An interruption: the fourth of eight actors asleep in a handler, 200 frames before it",
        (
            Row("handled_p50", "all eight have handled it, median", "us", times=5),
            Row("handled_p99", "all eight have handled it, 99th percentile", "us", times=5),
            Row("fresh_p50", "then a fresh frame to the end, median", "us", times=4),
            Row("fresh_p99", "then a fresh frame to the end, 99th percentile", "us"),
            Row("async_handled_p50", "the same with async handlers in all: handled, median", "us"),
            Row("async_handled_p99", "the same with async handlers in all: handled, 99th percentile", "us"),
            Row("async_fresh_p50", "the same with async handlers in all: fresh frame, median", "us"),
        ),
        rounds=4,
    ),
    Figure(
        "turn",
        "A turn: what the runtime and the pair take of it",
        (
            Row("ended", "from the final transcript to the context at the model", "us", times=20),
            Row("told", "the same way for an actor that decides nothing: what a half tells is ready", "us"),
            Row("token", "from a token of the model's to the synthesiser", "us", times=20),
            Row("cut", "from the user's voice to an output that is cut", "us", times=20),
            Row("held", "the same as it comes: ours is held until there are words", "us"),
            Row("sum", "the first three together", "us", times=20, bound=1000),
        ),
        rounds=3,
    ),
    Figure(
        "sessions",
        "Sessions on one core: eight actors, two audio frames each 20 ms",
        (
            Row(
                "carried",
                "most sessions with 99 % of frames less than 20 ms late",
                "sessions",
                bound=500,
                more_is_better=True,
            ),
            Row("share", "of the core for each of them", "%"),
            Row("lateness", "99th percentile of lateness at that number", "ms"),
        ),
        rounds=2,
    ),
    Figure(
        "life",
        "A session's start and end",
        (
            Row("start", "start, until StartFrame has passed all eight", "ms", times=4),
            Row("end", "end, until nothing of it runs", "ms", times=2),
        ),
    ),
    Figure(
        "memory",
        "Memory of idle sessions",
        (
            Row("idle", "resident, a session", "kB", bound=80),
            Row("kept", "of it kept by the process when all have ended", "kB"),
        ),
        rounds=3,
        fresh=True,
    ),
    Figure(
        "residue",
        "Memory that a closed session leaves",
        (Row("left", "resident, a session (ours from 1,000 to 10,000, pipecat from 100 to 1,000)", "kB", bound=0.1),),
        subjects=(ANTIPHON, LEAN, DEFAULT),
        rounds=2,
        fresh=True,
    ),
    Figure(
        "imports",
        "Imports in a fresh interpreter",
        (
            Row("runtime", "the runtime", "ms", bound=230, times=4),
            Row("bot", "what a bot needs without a network", "ms", bound=450, times=4),
        ),
        subjects=(ANTIPHON, LEAN),
    ),
    Figure(
        "ticker",
        "A 5 ms ticker while another session is flooded",
        (
            Row("p50", "lateness, median", "ms"),
            Row("p99", "lateness, 99th percentile", "ms", bound=0.5),
            Row("flood", "frames of the flood that came out", "per s", more_is_better=True),
        ),
    ),
    Figure(
        "limits",
        "The bare loops, for comparison",
        (
            Row("turn", "a turn of the loop, one task", "us"),
            Row("switch", "a switch among 100 ready tasks", "us"),
            Row("wake", "one task wakes another and waits", "us"),
            Row("channel_1", "a value through a channel (queue) of 1", "us"),
            Row("channel_64", "a value through a channel (queue) of 64", "us"),
            Row("spawn", "a task, from start to end", "us"),
            Row("scope", "a cancel scope, entered and left", "us"),
        ),
        subjects=(TRIO, ASYNCIO, UVLOOP),
        rounds=3,
    ),
)

"""`antiphon demo`: a caller books a table by voice, on this machine alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main"]

EPILOG = """\
The agent (actors input, vad, stt, user, llm, tts, output, assistant) takes a table booking. The caller understands it
with a recogniser of its own and answers by recorded clips. Into the agent's second answer it says "mhm" and coughs, for which
the agent only pauses, and then cuts in. Before the table is booked the agent looks it up. In --out afterwards:
conversation.wav (caller left, agent right), trace.jsonl, timeline.svg.

exit codes: 0 the table is booked as the caller wished; 1 it isn't, and the last line says why; 2 used wrongly; 130 interrupted
"""


def main(argv: Sequence[str]) -> int:
    """Run the demo with these arguments. Returns the exit code."""
    options = _parser().parse_args(argv)
    missing = [name for name in ("espeakng_loader", "pocketsphinx") if not _is_installed(name)]
    if missing:
        print(f"antiphon demo: {' and '.join(missing)} missing. Install antiphon[offline].", file=sys.stderr)
        return 2
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"antiphon demo: --out {options.out} can't be made: {error}", file=sys.stderr)
        return 2
    from .show import show

    return show(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="antiphon demo",
        description="A caller books a table by voice, on this machine alone: no key, no network, no sound card.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out = Path("antiphon-demo")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"where the results go; {out}/ by default")
    parser.add_argument(
        "--caller", type=_wav, metavar="FILE.wav", help="play this to the agent instead of the caller who listens"
    )
    parser.add_argument("--deaf", action="store_true", help="the agent hears nothing, to see how that ends")
    parser.add_argument(
        "--kill",
        action="append",
        default=[],
        type=_kill,
        metavar="NAME@SECONDS",
        help="kill that actor's engine at that time, or fail the actor if it has none; may come several times",
    )
    return parser


ACTORS = ("input", "vad", "stt", "user", "llm", "tts", "output", "assistant")


def _kill(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("@")
    try:
        at = float(seconds)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME@SECONDS, e.g. stt@4.0") from None
    if name not in ACTORS or at < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: the actors are {', '.join(ACTORS)}; seconds are 0 or more")
    return name, at


def _wav(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is no file")
    return path


def _is_installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


# Libraries of linear algebra start threads that cost more than the small products here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

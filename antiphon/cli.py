"""The command `antiphon`: finds the subcommand, loads only its module, and hands it the rest of the line.

A subcommand is a module with `main(argv: Sequence[str]) -> int`. It parses its own options, and what it returns is the
command's exit code.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import cast

import attrs

__all__ = ["main"]


@attrs.frozen
class Subcommand:
    """Where a subcommand lives and what it is for, known without loading it."""

    module: str
    """Name inside this package."""
    purpose: str
    """One line, for the list that `--help` prints."""

    @property
    def full_name(self) -> str:
        return f"{__package__}.{self.module}"

    def load(self) -> Callable[[Sequence[str]], int]:
        return cast(Callable[[Sequence[str]], int], importlib.import_module(self.full_name).main)


SUBCOMMANDS = {
    "demo": Subcommand("demo", "a caller books a table by voice: no key, no network, no sound card"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand. Returns what it returns; raises `SystemExit(2)` when there is none such."""
    arguments = sys.argv[1:] if argv is None else argv
    own, rest = _split(arguments)
    name = _parser().parse_args(own).subcommand
    return SUBCOMMANDS[name].load()(rest)


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What is ours, up to the subcommand's name, and what is the subcommand's."""
    for index, argument in enumerate(arguments):
        if not argument.startswith("-"):
            return arguments[: index + 1], arguments[index + 1 :]
    return arguments, ()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="antiphon", description="Real-time voice agents made of actors.")
    parser.add_argument("--version", action="version", version=f"antiphon {version('antiphon')}")
    subcommands = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)
    for name, subcommand in SUBCOMMANDS.items():
        subcommands.add_parser(name, help=subcommand.purpose, add_help=False)
    parser.epilog = "`antiphon SUBCOMMAND --help` tells what a subcommand takes."
    return parser


if __name__ == "__main__":
    sys.exit(main())

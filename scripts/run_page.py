"""Runs the Python blocks of one page of the documentation, in order, in one namespace.

    python scripts/run_page.py docs/tutorial/first.md

A block whose preceding line is `<!-- not run: reason -->` is only compiled. Tracebacks show the lines of the page.
`blocks_in` reads the page; tests/test_docs.py uses it for blocks of commands too.
"""

import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import attrs

__all__ = ["Block", "blocks_in", "run"]

FENCE = re.compile(r"^( *)(`{3,})\s*(\w*)\s*$")
REMARK = re.compile(r"<!--\s*(not run:\s*\S.*|run)\s*-->$")


@attrs.frozen
class Block:
    """What stands between two fences."""

    language: str
    """The word behind the fence; empty without one."""
    text: str
    line: int
    """Of the first line between the fences."""
    remark: str
    """`run`, `not run: reason`, or nothing."""

    @property
    def is_run(self) -> bool:
        return not self.remark.startswith("not run")


def blocks_in(page: str) -> Iterator[Block]:
    """The fenced blocks of a page. Raises `ValueError` when the last one isn't closed."""
    lines = page.splitlines()
    remark = ""
    opened: tuple[str, str, str, int] | None = None
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if opened is None and fence:
            opened = fence[1], fence[2], fence[3], number + 1
        elif opened is None:
            found = REMARK.search(line.strip())
            # A blank line may stand between the remark and its block.
            remark = found[1] if found else remark if not line.strip() else ""
        elif fence and not fence[3] and len(fence[2]) >= len(opened[1]):
            indent, _, language, start = opened
            text = "".join(f"{inside.removeprefix(indent)}\n" for inside in lines[start - 1 : number - 1])
            yield Block(language, text, start, remark)
            opened, remark = None, ""
    if opened is not None:
        raise ValueError(f"the block that begins on line {opened[3]} has no closing fence")


def run(page: Path) -> int:
    """Run a page; the exit code says whether it got to its end."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_in(page.read_text()):
        if block.language == "python":
            # Empty lines in front make the line numbers those of the page.
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            if block.is_run:
                try:
                    exec(code, namespace)
                except Exception:
                    traceback.print_exc()
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))

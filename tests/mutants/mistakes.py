"""The mistakes of `mistakes.toml`, and how one is planted into a copy of the packages."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import attrs

__all__ = ["ROOT", "Edit", "Misfit", "Mistake", "copy_packages", "mistakes", "plant"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("antiphon", "actors", "channels", "scenarios", "turn")
FOUND_IN = Path(__file__).with_name("mistakes.toml")


class Misfit(Exception):
    """A mistake that can't be planted into the code as it is now."""


@attrs.frozen
class Edit:
    """One place that is written otherwise: whole lines, which stand in the file exactly once."""

    file: str
    """From the root of the checkout."""
    before: str
    after: str


@attrs.frozen
class Mistake:
    """One way in which the runtime could be wrong."""

    name: str
    rule: str
    """The ID of the rule that it breaks."""
    says: str
    edits: tuple[Edit, ...]
    search: str = "sessions"
    """Which one shall find it: `sessions`, `branches`, or `conversations`."""


def mistakes(source: Path = FOUND_IN, *, search: str = "sessions") -> dict[str, Mistake]:
    """All of a file, by name, in its order; `search` is that of those which name none.

    Raises `ValueError` for a name that stands twice.
    """
    found: dict[str, Mistake] = {}
    for entry in tomllib.loads(source.read_text())["mistake"]:
        if entry["name"] in found:
            raise ValueError(f"{source.name}: {entry['name']} stands there twice. Give one of them another name.")
        edits = tuple(Edit(**edit) for edit in entry.pop("edit"))
        found[entry["name"]] = Mistake(**{"search": search, **entry}, edits=edits)
    return found


def copy_packages(folder: Path) -> None:
    """Copy what a search needs: the packages as they are, their links kept, and a link to the tests, which stay ours."""
    for name in PACKAGES:
        # Nothing compiled: two texts of one length and one moment couldn't be told apart.
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").symlink_to(ROOT / "tests")


def plant(mistake: Mistake, folder: Path) -> None:
    """Make the mistake in a copy. Raises `Misfit` when a text isn't found, or not only once, or is no Python then."""
    for edit in mistake.edits:
        path = folder / edit.file
        if not path.is_file():
            raise Misfit(f"{mistake.name}: there is no file {edit.file}. Name the one where its code stands now.")
        text = path.read_text()
        # A whole first line: what only ends like it is something else.
        count = f"\n{text}".count(f"\n{edit.before}")
        if count != 1:
            raise Misfit(
                f"{mistake.name}: its text stands {count} times in {edit.file}, not once."
                f" Write the mistake anew for the code as it is now:\n{edit.before}"
            )
        changed = f"\n{text}".replace(f"\n{edit.before}", f"\n{edit.after}")[1:]
        try:
            compile(changed, edit.file, "exec")
        except SyntaxError as error:
            raise Misfit(f"{mistake.name}: with it {edit.file} is no Python: {error}. Correct its `after`.") from error
        path.write_text(changed)

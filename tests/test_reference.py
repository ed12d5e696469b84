"""The reference is what the docstrings say, and each public name stands in it."""

from pathlib import Path

import pytest

from scripts import reference
from tests.test_surface import PACKAGES, surface

ROOT = Path(__file__).resolve().parent.parent

SMALL = '''\
"""A module for the tests of the reference."""

import attrs

Way = "down"
"""Where it goes."""


@attrs.frozen
class Point:
    """A place.

    Nothing moves it.
    """

    x: float
    """Metres."""
    y: float | None = 0.0
    label: str = attrs.field(default="", kw_only=True)
    _hidden: int = attrs.field(default=0)

    def shifted(self, by: float, *, twice: bool = False) -> "Point":
        """Another place."""

    def undocumented(self) -> None: ...

    # ---- what the runtime calls

    def move(self) -> None:
        """Not for users."""


def where(point: Point) -> str:
    """Its name."""
'''


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.py"
    path.write_text(SMALL)
    return path


def test_the_reference_is_up_to_date() -> None:
    wrong = reference.outdated()
    assert not wrong, "\n".join(
        [*wrong, "A docstring or a public name has changed: run `make fix`, and commit docs/reference/."]
    )


@pytest.mark.parametrize("package", ["antiphon", *PACKAGES])
def test_each_public_name_stands_in_the_reference(package: str) -> None:
    pages = reference.pages()
    text = "".join(pages.values())
    names = [
        name for name in surface(ROOT / package / "__init__.py") if f"{name}.md" not in pages
    ]  # else it is a package
    assert not [name for name in names if f"`{name}`" not in text]


@pytest.mark.parametrize("folder", ["services", "transports"])
def test_each_module_that_is_imported_by_name_stands_in_the_reference(folder: str) -> None:
    text = reference.pages()[f"{folder}.md"]
    modules = [path.stem for path in (ROOT / "actors" / folder).glob("*.py") if "\n__all__" in path.read_text()]
    assert modules
    assert not [name for name in modules if f"`antiphon.actors.{folder}.{name}`" not in text]


def test_each_frame_has_a_row() -> None:
    text = reference.pages()["frames.md"]
    frames = surface(ROOT / "channels" / "frames" / "__init__.py")
    assert not [name for name in frames if f"`{name}`" not in text]


def test_a_class_is_told_with_its_fields_and_methods(small: Path) -> None:
    assert reference.section(reference.find(small, "Point")) == (
        "### `Point`\n\n"
        "```text\nPoint(x, y=0.0, *, label='')\n```\n\n"
        "A place.\n\nNothing moves it.\n\n"
        "| field | type | meaning |\n| --- | --- | --- |\n"
        "| `x` | `float` | Metres. |\n| `y` | `float \\| None` |  |\n| `label` | `str` |  |\n\n"
        "#### `shifted`\n\n```text\nshifted(by: float, *, twice: bool = False) -> Point\n```\n\nAnother place.\n\n"
    )


def test_a_function_and_a_value_are_told(small: Path) -> None:
    assert "where(point: Point) -> str\n```\n\nIts name.\n" in reference.section(reference.find(small, "where"))
    assert "Way = 'down'\n```\n\nWhere it goes.\n" in reference.section(reference.find(small, "Way"))


def test_a_name_that_is_nowhere_is_an_error_that_names_the_module() -> None:
    with pytest.raises(LookupError, match=r"channels/mailbox.py has no Nobody"):
        reference.find(ROOT / "channels" / "mailbox.py", "Nobody")


def test_no_block_of_the_reference_is_taken_for_a_program() -> None:
    """Signatures aren't code that runs; `text` keeps them out of the run of the pages."""
    fences = {line for page in reference.pages().values() for line in page.splitlines() if line.startswith("```")}
    assert fences <= {"```", "```text"}

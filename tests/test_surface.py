"""A package's names are those its modules promise: a public name is written down twice, or a test fails.

Modules promise by `__all__`; what only siblings use isn't in it. The package's `__init__` re-exports each name by hand,
`from .mailbox import Mailbox as Mailbox`, or lists it in its own `__all__`. Services, transports, processors, engines
aren't re-exported: whoever wants one names its module. The invariants are, but as a module, since they are used by it:
`invariants.check(trace)`.
"""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import antiphon

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["actors", "channels", "scenarios", "turn"]
AIO = ROOT / "antiphon" / "aio"
BY_NAME_ONLY = {"engines", "processors", "services", "transports"}
BY_MODULE = {"invariants"}


def surface(file: Path) -> set[str]:
    """What an `__init__` offers."""
    tree = ast.parse(file.read_text())
    return promised(file) or {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }


def promised(file: Path) -> set[str]:
    """What a module's `__all__` names; nothing without one."""
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return set(ast.literal_eval(value))
            case _:
                pass
    return set()


def parts(folder: Path) -> Iterator[Path]:
    """The public modules of a package, a subpackage standing for its own."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("_") or path.name in BY_NAME_ONLY or path.is_symlink():
            continue
        if path.suffix == ".py":
            yield path
        elif (path / "__init__.py").is_file():
            yield path / "__init__.py"


def names_of(part: Path) -> set[str]:
    if part.parent.name in BY_MODULE and part.name == "__init__.py":
        return {part.parent.name}
    return surface(part) if part.name == "__init__.py" else promised(part)


def packages() -> list[Path]:
    """The four and aio, and each subpackage whose names they offer."""
    tops = [*(ROOT / name for name in PACKAGES), AIO]
    return [*tops, *(part.parent for top in tops for part in parts(top) if part.name == "__init__.py")]


@pytest.mark.parametrize("package", packages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_offers_what_its_modules_promise(package: Path) -> None:
    by_module = {part: names_of(part) for part in parts(package)}
    offered = surface(package / "__init__.py")
    expected = set().union(*by_module.values())
    missing = {name: part.relative_to(ROOT) for part, names in by_module.items() for name in names - offered}
    assert not missing, f"{package.name}/__init__.py doesn't re-export: {missing}"
    assert offered == expected, f"no __all__ in {package.name}/ promises: {sorted(offered - expected)}"


@pytest.mark.parametrize("package", ["antiphon", "antiphon.aio", *(f"antiphon.{name}" for name in PACKAGES)])
def test_each_offered_name_is_there(package: str) -> None:
    file = (AIO if package == "antiphon.aio" else ROOT / package.removeprefix("antiphon.")) / "__init__.py"
    module = importlib.import_module(package)
    assert not [name for name in surface(file) if not hasattr(module, name)]


def test_the_front_door_offers_only_what_a_package_behind_it_offers() -> None:
    behind = set().union(*(surface(ROOT / name / "__init__.py") for name in PACKAGES))
    own = {path.stem for path in (ROOT / "antiphon").glob("*") if not path.is_symlink()}
    assert surface(ROOT / "antiphon" / "__init__.py") <= behind | own | {"__version__"}


def test_aio_is_imported_when_it_is_asked_for_and_asyncio_not_before() -> None:
    program = """
import sys
import antiphon
assert "asyncio" not in sys.modules, "import antiphon imports asyncio"
assert callable(antiphon.aio.open_session)
assert "asyncio" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        antiphon.nothing_of_ours  # noqa: B018  # asking is what is tried

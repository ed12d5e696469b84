"""The rules of the house that no checker knows. Each test says why it is one."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "antiphon": ROOT / "antiphon",
    "antiphon.actors": ROOT / "actors",
    "antiphon.channels": ROOT / "channels",
    "antiphon.scenarios": ROOT / "scenarios",
    "antiphon.turn": ROOT / "turn",
}
BESIDE = [ROOT / name for name in ("tests", "scripts", "examples", "benchmarks", "docs")]
NOT_OURS = re.compile(r"\.venv|\.git$|\.hypothesis|\.\w+_cache|__pycache__|build|dist|antiphon-demo|.*\.egg-info")


@cache
def ours(folder: Path = ROOT) -> tuple[Path, ...]:
    """Every file that belongs to the project, in this checkout, links aside."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or NOT_OURS.match(path.name):
            continue
        found += ours(path) if path.is_dir() else [path]
    return tuple(found)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def sources(*folders: Path) -> list[Path]:
    return [path for folder in folders if folder.is_dir() for path in ours(folder) if path.suffix == ".py"]


def texts() -> Iterator[tuple[str, int, str]]:
    """Each line of each text file: its file's name, its number, itself."""
    for path in ours():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            yield str(path.relative_to(ROOT)), number, line


def lines_with(pattern: str) -> list[str]:
    return [f"{name}:{number}: {line.strip()}" for name, number, line in texts() if re.search(pattern, line)]


def dotted(path: Path) -> str:
    """The import name of a module of ours, or what it would be from the root of the checkout."""
    for package, folder in sorted(PACKAGES.items(), key=lambda item: len(item[0]), reverse=True):
        if path.is_relative_to(folder):
            return ".".join([package, *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__")
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


# --- names


def defined_names(path: Path) -> Iterator[tuple[int, str]]:
    """What a module itself names: classes, functions, arguments, variables, attributes."""
    for node in ast.walk(parsed(path)):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case _:
                pass


def words(name: str) -> set[str]:
    """The words of an identifier, singular and plural alike: `WorkerFrames` and `worker_frame` have the same."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {word.lower().removesuffix("s") for word in found}


def test_our_names_use_our_words() -> None:
    """One word, one meaning. A frame isn't a packet, an actor isn't a processor or a worker, a lane isn't a queue.

    Frames and what they carry keep the names that the field knows them by.
    """
    channels = PACKAGES["antiphon.channels"]
    of_the_field = {*ours(channels / "frames"), channels / "metrics.py"}
    others = {"packet", "processor", "queue", "worker"}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources(*PACKAGES.values())
        if path not in of_the_field
        for line, name in defined_names(path)
        if others & words(name)
    ]
    assert not found, "Say frame, actor, lane or mailbox in these names:\n" + "\n".join(found)


def test_a_module_is_named_after_what_is_inside() -> None:
    """`utils` has room for everything, so nobody finds anything in it."""
    empty = {"util", "utils", "helper", "helpers", "common", "misc", "base", "shared", "lib", "core"}
    found = [
        str(path.relative_to(ROOT))
        for path in sources(*PACKAGES.values(), *BESIDE)
        if {path.stem.strip("_"), path.parent.name} & empty
    ]
    assert not found, "Name these after what a reader looks for in them: " + ", ".join(found)


# --- what no file may hold


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's business; a pinned host breaks every mirror."""
    hosts = [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("yarnpkg", "com"), ("anaconda", "org")]
    found = lines_with("|".join(re.escape(".".join(host)) for host in hosts))
    assert not found, "Leave the host out:\n" + "\n".join(found)


def test_no_file_names_a_path_of_one_machine() -> None:
    """A home or a checkout's place exists nowhere else."""
    homes = "|".join(["root", "work", "home", "Users"])
    found = lines_with(rf"(?<![\w.$)}}~-])/({homes})/(?!<)")
    assert not found, "Find it from where the file stands, or take it as an argument:\n" + "\n".join(found)


def test_nothing_is_left_to_do_in_a_comment() -> None:
    """What is to be done is done, or stands where work is planned."""
    marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
    found = lines_with(rf"\b({'|'.join(marks)})\b")
    assert not found, "Do it, or take it out:\n" + "\n".join(found)


# --- imports


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, a relative import resolved; of `from a import b` both `a` and `a.b`."""
    own = dotted(path).split(".")
    package = own if path.name == "__init__.py" else own[:-1]
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                above = package[: len(package) - node.level + 1] if node.level else []
                start = ".".join([*above, *([node.module] if node.module else [])])
                yield start
                yield from (f"{start}.{alias.name}" for alias in node.names)
            case _:
                pass


def test_imports_inside_the_packages_are_relative() -> None:
    """A package that names itself absolutely can be loaded twice, under two names, with two of each class."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(*PACKAGES.values())
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "antiphon")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "antiphon" for alias in node.names))
    ]
    assert not found, "Write `from ..channels import ...`: " + ", ".join(found)


def test_the_runtime_knows_no_threads_and_no_other_loop() -> None:
    """Its promises, one order from one seed, hold only while Trio alone decides who runs next.

    One file may: who looks at a loop that doesn't turn can't be in it, and it decides nothing.
    """
    foreign = {"asyncio", "concurrent", "multiprocessing", "queue", "sched", "selectors", "threading"}
    actors = PACKAGES["antiphon.actors"]
    runtime = [*sources(PACKAGES["antiphon.channels"], actors / "outside"), *sorted(actors.glob("*.py"))]
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in runtime
        for name in imported(path)
        if name.split(".")[0] in foreign and (path.name, name) != ("blocked_loop.py", "threading")
    ]
    assert not found, "Use Trio: " + ", ".join(found)


def test_no_module_is_dead() -> None:
    """A module that nobody imports is one that nobody tests, reads or misses.

    Programs are named by those who start them: a command in `antiphon/cli.py`, an engine by its service, a script of
    pyproject.toml or the Makefile.
    """
    everything = sources(*PACKAGES.values(), *BESIDE)
    wanted = {name for path in everything for name in imported(path) if dotted(path) != name}
    strings = {
        node.value
        for path in sources(*PACKAGES.values(), ROOT / "tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"].values()
    started = strings | {f"{string}.py" for string in strings} | {script.split(":")[0] for script in scripts}
    dead = [
        str(path.relative_to(ROOT))
        for path in sources(*PACKAGES.values())
        if path.name not in {"__init__.py", "__main__.py"}
        and dotted(path) not in wanted
        and not {dotted(path), path.stem, path.name} & started
    ]
    assert not dead, "Import these, test them, or delete them: " + ", ".join(dead)


# --- the tests of the tests of the house


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("WorkerFrame", {"worker", "frame"}),
        ("max_queues", {"max", "queue"}),
        ("_LLMPacket", {"llm", "packet"}),
        ("queued", {"queued"}),
    ],
)
def test_the_words_of_a_name(name: str, found: set[str]) -> None:
    assert words(name) == found


def test_every_package_is_looked_at() -> None:
    assert {path.name for path in PACKAGES.values() if (path / "__init__.py") in ours(path)} == {
        "actors",
        "antiphon",
        "channels",
        "scenarios",
        "turn",
    }

"""What looks runnable in the documentation runs.

1. A `python` block is run, with the blocks before it on its page; `<!-- not run: reason -->` above it only compiles it.
2. A `console` block (commands begin with `$ `) or `sh` block (each line is one) is looked through: the target, the
   subcommand, its options, the file must exist. `<!-- run -->` above it runs its commands in the checkout.
3. A link to a file of ours leads to a file.
"""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from scripts.run_page import Block, blocks_in

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN_PAGE = ROOT / "scripts" / "run_page.py"
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)|(?:src|href)=\"([^\":#]+)\"")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def run_python(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RUN_PAGE, page], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@each_page
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    ran = run_python(page, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@each_page
def test_the_commands_of_a_page_exist(page: Path) -> None:
    wrong = [f"{page.name}:{block.line}: {complaint}" for block in blocks_of(page) for complaint in look_through(block)]
    assert not wrong, "\n".join(wrong)


@each_page
def test_the_commands_that_a_page_wants_run_do_run(page: Path) -> None:
    for block in blocks_of(page):
        if block.remark == "run":
            for command in commands_in(block):
                path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
                ran = subprocess.run(
                    command,
                    shell=True,
                    cwd=ROOT,
                    env={"PATH": path},
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=False,
                )
                assert ran.returncode == 0, f"{page.name}:{block.line}: {command}\n{ran.stdout}{ran.stderr}"


@each_page
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    without_code = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    links = [one or other for one, other in LINK.findall(without_code)]
    assert not [link for link in links if not (page.parent / link).exists()]


# --- commands


def blocks_of(page: Path) -> Iterator[Block]:
    return blocks_in(page.read_text())


def commands_in(block: Block) -> list[str]:
    """The commands of a block; a line that ends in a backslash goes on."""
    lines = block.text.replace("\\\n", " ").splitlines()
    match block.language:
        case "console":
            return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        case "sh" | "bash" | "shell":
            return [line for line in lines if line.strip() and not line.startswith("#")]
        case _:
            return []


def look_through(block: Block) -> list[str]:
    """What is wrong with a block's commands."""
    if not block.is_run:
        return []
    return [
        f"`{command}`: {complaint}"
        for command in commands_in(block)
        for complaint in look_at(shlex.split(command, comments=True))
    ]


def look_at(command: list[str]) -> list[str]:
    """What is wrong with one command. Raises nothing: an unknown program is a complaint too."""
    while command and re.fullmatch(r"\w+=\S*", command[0]):
        command = command[1:]
    if not command:
        return []
    program, *arguments = command
    look = PROGRAMS.get(Path(program).name)
    if look is None:
        return [f"tests/test_docs.py doesn't know how to look at {program}; teach it in PROGRAMS"]
    return look(arguments)


def look_at_make(arguments: list[str]) -> list[str]:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = [argument for argument in arguments if "=" not in argument and not argument.startswith("-")]
    return [f"the Makefile has no target {target}" for target in wanted if target not in targets]


def look_at_antiphon(arguments: list[str]) -> list[str]:
    known = [argument for argument in arguments[:1] if not argument.startswith("-")]
    told = help_of(*known)
    if told is None:
        return [f"there is no subcommand {known[0]}"]
    options = {argument.split("=")[0] for argument in arguments if argument.startswith("-")}
    files = [argument for argument in arguments[1:] if argument.startswith("examples/")]
    return [f"it has no option {option}" for option in sorted(options) if option not in told] + missing(files)


@cache
def help_of(*subcommand: str) -> frozenset[str] | None:
    """The options that `--help` tells of; None when the command is unknown."""
    ran = subprocess.run(
        [sys.executable, "-m", "antiphon.cli", *subcommand, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return frozenset(re.findall(r"(?<![\w-])--?[a-z][\w-]*", ran.stdout)) if ran.returncode == 0 else None


def look_at_files(arguments: list[str]) -> list[str]:
    # A file of sound without a folder is the reader's own.
    return missing([argument for argument in arguments if "/" in argument or argument.endswith((".py", ".md"))])


def look_at_python(arguments: list[str]) -> list[str]:
    if arguments[:1] == ["-m"]:
        module = ROOT / arguments[1].split(".")[0]
        return [] if arguments[1] in {"pip", "venv"} or module.is_dir() else [f"there is no module {arguments[1]}"]
    return look_at_files(arguments)


def missing(paths: list[str]) -> list[str]:
    return [f"there is no {path}" for path in (path.split("::")[0] for path in paths) if not (ROOT / path).exists()]


def look_at_pytest(arguments: list[str]) -> list[str]:
    """The files are there, and so are the tests named behind `::`."""
    wrong = look_at_files(arguments)
    for file, _, test in (argument.partition("::") for argument in arguments):
        if test and (ROOT / file).is_file():
            names = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name")}
            wrong += [] if test.split("[")[0].split("::")[-1] in names else [f"{file} has no test {test}"]
    return wrong


def look_at_nothing(arguments: list[str]) -> list[str]:
    return []


PROGRAMS: Mapping[str, Callable[[list[str]], list[str]]] = {
    "antiphon": look_at_antiphon,
    "apt-get": look_at_nothing,
    "cd": look_at_nothing,
    "flite": look_at_nothing,
    "git": look_at_nothing,
    "make": look_at_make,
    "pip": look_at_nothing,
    "pytest": look_at_pytest,
    "python": look_at_python,
    "python3": look_at_python,
    "run": look_at_nothing,
    "uv": look_at_nothing,
}


# --- the reader of pages

SMALL = """\
# A page

```python
x = 1
```

<!-- not run: it would wait for ever -->
```python
while True: pass
```

- an item

  ```python
  assert x == 1
  ```

```console
$ make demo
booked
$ antiphon demo --out DIR
```

```
nothing
```
"""


def test_a_page_is_its_blocks_in_order() -> None:
    assert [(block.language, block.line, block.is_run) for block in blocks_in(SMALL)] == [
        ("python", 4, True),
        ("python", 9, False),
        ("python", 15, True),
        ("console", 19, True),
        ("", 25, True),
    ]


def test_the_commands_of_a_console_stand_behind_dollars() -> None:
    assert [command for block in blocks_in(SMALL) for command in commands_in(block)] == [
        "make demo",
        "antiphon demo --out DIR",
    ]


def test_blocks_share_a_namespace_and_unrun_ones_are_not_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(SMALL)
    assert run_python(page, tmp_path).returncode == 0


@pytest.mark.parametrize(
    "block", ["```python\n1 / 0\n```", "<!-- not run: why -->\n```python\n1 1\n```", "```python\n"]
)
def test_a_page_with_a_mistake_fails(block: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(block)
    assert run_python(page, tmp_path).returncode != 0


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "antiphon nothing",
        "antiphon --nothing",
        "python scripts/nothing.py",
        "pytest tests/test_docs.py::test_nothing",
        "nothing --at all",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    assert look_at(shlex.split(command))


@pytest.mark.parametrize(
    "command",
    ["make test SEEDS=5000", "antiphon --version", "CI=1 pytest tests/test_docs.py::test_a_page_with_a_mistake_fails"],
)
def test_a_command_that_exists_is_passed(command: str) -> None:
    assert not look_at(shlex.split(command))

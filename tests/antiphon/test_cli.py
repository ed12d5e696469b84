"""The command `antiphon`, from outside."""

import subprocess
import sys
from importlib.metadata import version

import pytest


def antiphon(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "antiphon.cli", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_each_subcommand() -> None:
    assert "demo" in antiphon("--help").stdout


def test_version_is_the_installed_one() -> None:
    assert antiphon("--version").stdout.strip() == f"antiphon {version('antiphon')}"


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("--nothing",)])
def test_a_line_that_cannot_be_understood_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert antiphon(*arguments).returncode == 2


def test_help_loads_no_subcommand() -> None:
    program = (
        "import sys; from antiphon.cli import main\n"
        "try: main(['--help'])\n"
        "finally: assert not [name for name in sys.modules if name.startswith('antiphon.demo')]"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")

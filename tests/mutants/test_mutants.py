"""The mistakes still apply, in the runtime and in the turn layer, and the searches find some of them; `make mutants` tries all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.turn.mutants.__main__ import CONVERSATIONS

from .__main__ import SESSIONS, Trials
from .hunt import Broken, hunt
from .mistakes import ROOT, Edit, Misfit, Mistake, copy_packages, plant

SOME = {
    SESSIONS: ("the_gate_is_left_out", "a_redelivery_after_a_send", "busy_is_released_too_early"),
    CONVERSATIONS: ("a_flush_is_dropped", "text_is_kept_when_it_was_written", "gathered_text_dies_with_the_half"),
}
SEEDS = {SESSIONS: 200, CONVERSATIONS: 50}
"""After so many at most each of them is found."""
ALL = [pytest.param(each, id=each.name) for trials in SOME for each in trials.mistakes.values()]
BOTH = pytest.mark.parametrize("trials", SOME, ids=lambda trials: trials.program)
MAILBOX = "channels/mailbox.py"
PUT = "    def put_ordered(self, envelope: Envelope) -> bool:\n"


def mistake(*edits: tuple[str, str, str]) -> Mistake:
    return Mistake("planted", "CH1", "For a test.", tuple(Edit(*edit) for edit in edits))


@pytest.mark.parametrize("one", ALL)
def test_each_mistake_can_be_planted_and_changes_only_its_files(one: Mistake, tmp_path: Path) -> None:
    copy_packages(tmp_path)
    plant(one, tmp_path)
    changed = {
        str(path.relative_to(tmp_path))
        for folder in ("actors", "channels", "scenarios", "turn")
        for path in (tmp_path / folder).rglob("*.py")
        if path.read_text() != (ROOT / path.relative_to(tmp_path)).read_text()
    }
    assert changed == {edit.file for edit in one.edits}


@BOTH
def test_each_mistake_breaks_a_rule_of_the_rules(trials: Trials) -> None:
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "rules").glob("*.md"))
    unknown = {each.name: each.rule for each in trials.mistakes.values() if f"- **{each.rule}** " not in pages}
    assert not unknown


@BOTH
def test_the_docs_tell_of_each_mistake(trials: Trials) -> None:
    rows = (ROOT / "docs" / "rules" / "README.md").read_text().splitlines()
    missing = [
        each.name
        for each in trials.mistakes.values()
        if not any(f"| {each.says} | {each.rule} |" in row for row in rows)
    ]
    assert not missing, f"Put the table in that `python -m {trials.program} --markdown` prints"


@pytest.mark.parametrize(("trials", "name"), [(trials, name) for trials, names in SOME.items() for name in names])
async def test_the_search_finds_a_mistake(trials: Trials, name: str) -> None:
    verdict = await hunt(trials.mistakes[name], seeds=SEEDS[trials])
    assert verdict.rule is not None, f"{name} survives {verdict.seeds} seeds"
    assert verdict.rule not in ("crash", "hangs"), verdict.complaint


@BOTH
async def test_where_there_is_no_mistake_nothing_is_found(trials: Trials) -> None:
    seeds = SEEDS[trials] // 10
    verdict = await hunt(None, search=trials.search, seeds=seeds)
    assert (verdict.rule, verdict.seeds) == (None, seeds)


# ---- what could make the search say more than it knows


def test_a_text_that_is_gone_is_a_misfit(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    with pytest.raises(Misfit, match=r"stands 0 times in channels/mailbox\.py"):
        plant(mistake((MAILBOX, "    no line of ours\n", "")), tmp_path)


def test_a_text_that_stands_twice_is_a_misfit(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    with pytest.raises(Misfit, match=r"stands [2-9] times"):
        plant(mistake((MAILBOX, "            return\n", "")), tmp_path)


def test_a_file_that_is_gone_is_a_misfit(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    with pytest.raises(Misfit, match=r"no file channels/nowhere\.py"):
        plant(mistake(("channels/nowhere.py", "a\n", "b\n")), tmp_path)


def test_what_is_no_python_is_a_misfit(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    with pytest.raises(Misfit, match="is no Python"):
        plant(mistake((MAILBOX, PUT, "    def put_ordered(\n")), tmp_path)


async def test_a_mistake_that_cannot_be_imported_is_broken_and_not_found() -> None:
    with pytest.raises(Broken, match="ModuleNotFoundError"):
        await hunt(mistake((MAILBOX, "import trio\n", "import trio, nowhere\n")), seeds=1)


async def test_a_mistake_with_an_unknown_name_is_broken_and_not_found() -> None:
    with pytest.raises(Broken, match="NameError"):
        await hunt(mistake((MAILBOX, PUT, f"{PUT}        nowhere\n")), seeds=5)


async def test_a_search_that_hangs_is_ended_and_counts_as_found() -> None:
    verdict = await hunt(mistake((MAILBOX, PUT, f"{PUT}        while True: pass\n")), seeds=5, patience=3.0)
    assert (verdict.rule, verdict.complaint) == ("hangs", "silent for 3 s, and ended from outside")


def test_a_search_that_has_imported_other_packages_says_so_and_searches_nothing(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.mutants.trial", str(tmp_path), "sessions", "0", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert re.search("antiphon was imported from .*, not from", ran.stderr)
    assert (ran.returncode, ran.stdout) == (1, "")

"""The mistakes still apply, and the search finds some of them; `make mutants` tries all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .hunt import Broken, hunt
from .mistakes import ROOT, Edit, Misfit, Mistake, copy_packages, mistakes, plant

ALL = mistakes()
SOME = ("the_gate_is_left_out", "a_redelivery_after_a_send", "busy_is_released_too_early")
MAILBOX = "channels/mailbox.py"
PUT = "    def put_ordered(self, envelope: Envelope) -> bool:\n"


def mistake(*edits: tuple[str, str, str]) -> Mistake:
    return Mistake("planted", "CH1", "For a test.", tuple(Edit(*edit) for edit in edits))


@pytest.mark.parametrize("name", ALL)
def test_each_mistake_can_be_planted_and_changes_only_its_files(name: str, tmp_path: Path) -> None:
    copy_packages(tmp_path)
    plant(ALL[name], tmp_path)
    changed = {
        str(path.relative_to(tmp_path))
        for folder in ("actors", "channels", "scenarios", "turn")
        for path in (tmp_path / folder).rglob("*.py")
        if path.read_text() != (ROOT / path.relative_to(tmp_path)).read_text()
    }
    assert changed == {edit.file for edit in ALL[name].edits}


def test_each_mistake_breaks_a_rule_of_the_rules() -> None:
    pages = "\n".join(page.read_text() for page in (ROOT / "docs" / "rules").glob("*.md"))
    unknown = {each.name: each.rule for each in ALL.values() if f"- **{each.rule}** " not in pages}
    assert not unknown


def test_the_docs_tell_of_each_mistake() -> None:
    rows = (ROOT / "docs" / "rules" / "README.md").read_text().splitlines()
    missing = [each.name for each in ALL.values() if not any(f"| {each.says} | {each.rule} |" in row for row in rows)]
    assert not missing, "Put the table in that `python -m tests.mutants --markdown` prints"


@pytest.mark.parametrize("name", SOME)
async def test_the_search_finds_a_mistake(name: str) -> None:
    verdict = await hunt(ALL[name], seeds=200)
    assert verdict.rule is not None, f"{name} survives {verdict.seeds} seeds"
    assert re.match(r"[A-Z]+\d", verdict.rule), verdict.complaint


async def test_where_there_is_no_mistake_nothing_is_found() -> None:
    verdict = await hunt(None, seeds=20)
    assert (verdict.rule, verdict.seeds) == (None, 20)


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

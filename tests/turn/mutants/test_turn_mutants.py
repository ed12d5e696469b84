"""The mistakes of the turn layer still apply, and the search over conversations finds some of them; `make mutants` tries all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.hunt import hunt
from tests.mutants.mistakes import ROOT, copy_packages, plant

from .__main__ import CONVERSATIONS

ALL = CONVERSATIONS.mistakes
SOME = ("a_flush_is_dropped", "text_is_kept_when_it_was_written", "gathered_text_dies_with_the_half")


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
    assert not missing, "Put the table in that `python -m tests.turn.mutants --markdown` prints"


@pytest.mark.parametrize("name", SOME)
async def test_the_search_finds_a_mistake(name: str) -> None:
    verdict = await hunt(ALL[name], seeds=50)
    assert verdict.rule is not None, f"{name} survives {verdict.seeds} seeds"
    assert verdict.rule != "crash", verdict.complaint


async def test_where_there_is_no_mistake_nothing_is_found() -> None:
    verdict = await hunt(None, search="conversations", seeds=5)
    assert (verdict.rule, verdict.seeds) == (None, 5)

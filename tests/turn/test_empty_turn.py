"""A turn without words."""

import pytest

from antiphon.turn import EmptyUserTurn, recovery_prompt

GO_ON = EmptyUserTurn().interrupted_prompt
BOTH = EmptyUserTurn("go on", "still there?", max_consecutive_recoveries=2)


@pytest.mark.rule("D70")
def test_by_default_a_bot_that_was_cut_off_goes_on_once() -> None:
    assert EmptyUserTurn() == EmptyUserTurn(GO_ON, idle_prompt=None, max_consecutive_recoveries=1)
    assert recovery_prompt(EmptyUserTurn(), has_cut=True, recoveries=0) == GO_ON
    assert recovery_prompt(EmptyUserTurn(), has_cut=True, recoveries=1) is None
    assert recovery_prompt(EmptyUserTurn(), has_cut=False, recoveries=0) is None


@pytest.mark.rule("D70", "D71")
@pytest.mark.parametrize(
    ("has_cut", "recoveries", "prompt"),
    [(True, 0, "go on"), (True, 1, "go on"), (True, 2, None), (False, 0, "still there?"), (False, 2, None)],
)
def test_what_follows_is_configured(has_cut: bool, recoveries: int, prompt: str | None) -> None:
    assert recovery_prompt(BOTH, has_cut=has_cut, recoveries=recoveries) == prompt


@pytest.mark.rule("D71")
@pytest.mark.parametrize("why", ["is_muted", "has_calls", "owes_run", "is_false", "is_realtime"])
def test_nothing_follows_where_something_else_does(why: str) -> None:
    assert recovery_prompt(BOTH, has_cut=True, recoveries=0, **{why: True}) is None


@pytest.mark.rule("D70")
def test_recovery_can_be_turned_off() -> None:
    assert recovery_prompt(None, has_cut=True, recoveries=0) is None
    assert recovery_prompt(EmptyUserTurn(None), has_cut=True, recoveries=0) is None

"""Random branches, some inside others, with direct delivery and without: what goes through as the very same object comes out once."""

from __future__ import annotations

import pytest

from tests.seeds import seeds

from .branches import complaints_about_branches


@pytest.mark.rule("PA2")
@pytest.mark.parametrize("delivery", ["direct", "queued"])
def test_the_very_same_object_comes_out_once_and_all_else_besides(delivery: str) -> None:
    for seed in seeds(200):
        found = complaints_about_branches(seed, direct=delivery == "direct")
        assert not found, f"seed {seed}, {delivery}: {found[0]}"

"""How many seeds a search tries: as many as the test says, or as many as `make test SEEDS=5000` asks for."""

import os

__all__ = ["seeds"]


def seeds(count: int) -> range:
    """The seeds of one search. Put the seed into each assertion's message, so that a failure can be repeated."""
    return range(int(os.environ.get("ANTIPHON_SEEDS") or count))

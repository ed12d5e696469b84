"""How many seeds a search tries: as many as the test says, or as many as `make test SEEDS=5000` asks for."""

import os

__all__ = ["seeds"]


def seeds(count: int, *, each_counts: int = 1) -> range:
    """The seeds of one search. Put the seed into each assertion's message, so that a failure can be repeated.

    `each_counts`: as how many, when SEEDS asks for more. For whole conversations, which take that much longer than the
    small random pipelines that SEEDS is thought for.
    """
    asked = int(os.environ.get("ANTIPHON_SEEDS") or 0)
    return range(max(count, asked // each_counts) if asked else count)

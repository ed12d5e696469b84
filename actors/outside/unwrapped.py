"""A connection's nursery is nobody's business: what its block raises comes out as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unwrapped() -> Iterator[None]:
    """Around a nursery whose tasks raise nothing beside what its block raises."""
    try:
        yield
    except ExceptionGroup as group:
        match group.exceptions:
            case (only,):
                raise only from only.__cause__
            case _:
                raise

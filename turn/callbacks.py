"""What the application has given to be called, called in the session's task for events: it delays no frame."""

from __future__ import annotations

import inspect
from collections.abc import Callable

__all__: list[str] = []


async def call_back(view: object, callback: Callable[[], object]) -> None:
    """A call's result stands in the context now."""
    result = callback()
    if inspect.isawaitable(result):
        await result


async def call_back_without_result(view: object, result_callback: Callable[[object], object]) -> None:
    """The image that a call has asked for is there: its own result says no more than that."""
    result = result_callback(None)
    if inspect.isawaitable(result):
        await result

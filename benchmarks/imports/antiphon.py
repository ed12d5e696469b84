"""Imports of ours: the front door, and all that the offline demo needs."""

from ..setting import Setting
from . import milliseconds

__all__ = ["measure"]


async def measure(setting: Setting) -> dict[str, float]:
    """Milliseconds."""
    return {"runtime": milliseconds("import antiphon"), "bot": milliseconds("import antiphon.demo")}

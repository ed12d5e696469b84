"""The front door of Antiphon, an actor-model runtime for real-time voice agents.

The packages behind it: `antiphon.channels` (what travels), `antiphon.actors` (who handles it), `antiphon.turn` (who may
speak) and `antiphon.scenarios` (how it is played, searched and proved). `antiphon.aio` holds sessions for asyncio
programs; it is imported when it is first asked for.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from .actors import (
    Actor as Actor,
    Address as Address,
    After as After,
    Backoff as Backoff,
    Both as Both,
    ConfigurationError as ConfigurationError,
    Delivery as Delivery,
    Down as Down,
    Finish as Finish,
    Fire as Fire,
    Host as Host,
    HostBusy as HostBusy,
    Immune as Immune,
    Interrupt as Interrupt,
    Observer as Observer,
    Parallel as Parallel,
    Pipeline as Pipeline,
    Session as Session,
    To as To,
    Unrecoverable as Unrecoverable,
    Up as Up,
    actor as actor,
    child as child,
    durable as durable,
    on as on,
    open_session as open_session,
    run as run,
    state as state,
)

if TYPE_CHECKING:
    from . import aio as aio


def __getattr__(name: str) -> ModuleType:
    # Not before: a Trio program has no use for asyncio, whose import takes a while.
    if name == "aio":
        return import_module(".aio", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

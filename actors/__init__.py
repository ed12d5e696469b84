"""Who handles what travels: actors, their supervisors, pipelines and sessions."""

from .actor import Actor as Actor, actor as actor, durable as durable, on as on, state as state
from .delivery import (
    Delivery as Delivery,
    Dropped as Dropped,
    DropReason as DropReason,
    Failure as Failure,
    Observer as Observer,
    Restart as Restart,
    Stall as Stall,
)
from .effects import (
    Address as Address,
    After as After,
    Both as Both,
    Down as Down,
    Effect as Effect,
    Effects as Effects,
    Immune as Immune,
    Interrupt as Interrupt,
    To as To,
    Up as Up,
)
from .engine import Engine as Engine, WireMessage as WireMessage, open_engine as open_engine
from .errors import (
    ConfigurationError as ConfigurationError,
    Killed as Killed,
    LocalProtocolError as LocalProtocolError,
    RemoteProtocolError as RemoteProtocolError,
    Unrecoverable as Unrecoverable,
)
from .host import (
    Host as Host,
    HostBusy as HostBusy,
    HostStatistics as HostStatistics,
    Refusal as Refusal,
    SessionOptions as SessionOptions,
)
from .lateness import Lateness as Lateness
from .outside import Door as Door, LiveDoor as LiveDoor, NoDoor as NoDoor, Outside as Outside
from .pipeline import Backoff as Backoff, Child as Child, Pipeline as Pipeline, Strategy as Strategy, child as child
from .run import run as run
from .session import (
    CellStatistics as CellStatistics,
    Session as Session,
    Stream as Stream,
    open_session as open_session,
)

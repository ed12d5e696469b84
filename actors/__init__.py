"""Who handles what travels: actors, their supervisors, pipelines and sessions."""

from .actor import Actor as Actor, actor as actor, durable as durable, on as on, state as state
from .delivery import (
    Delivery as Delivery,
    Dropped as Dropped,
    DropReason as DropReason,
    Event as Event,
    Failure as Failure,
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
    Finish as Finish,
    Fire as Fire,
    Immune as Immune,
    Interrupt as Interrupt,
    To as To,
    Up as Up,
)
from .errors import (
    ActorKilled as ActorKilled,
    ConfigurationError as ConfigurationError,
    Killed as Killed,
    LocalProtocolError as LocalProtocolError,
    RemoteProtocolError as RemoteProtocolError,
    Unrecoverable as Unrecoverable,
)
from .events import ActorView as ActorView
from .host import (
    Host as Host,
    HostBusy as HostBusy,
    HostStatistics as HostStatistics,
    Refusal as Refusal,
    SessionOptions as SessionOptions,
)
from .lateness import Lateness as Lateness
from .observe import Observer as Observer
from .outside import (
    Door as Door,
    Engine as Engine,
    LiveDoor as LiveDoor,
    NoDoor as NoDoor,
    Outside as Outside,
    WebSocket as WebSocket,
    WebSocketClosed as WebSocketClosed,
    WebSocketSettings as WebSocketSettings,
    WireMessage as WireMessage,
    check_response as check_response,
    open_engine as open_engine,
)
from .pipeline import (
    Backoff as Backoff,
    Child as Child,
    Parallel as Parallel,
    Pipeline as Pipeline,
    RestartKind as RestartKind,
    Strategy as Strategy,
    child as child,
)
from .run import run as run
from .session import (
    CellStatistics as CellStatistics,
    OnFailure as OnFailure,
    Session as Session,
    Stream as Stream,
    open_session as open_session,
)
from .sightings import OncePerFrame as OncePerFrame, Sightings as Sightings

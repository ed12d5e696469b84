"""The one door through which an actor reaches the world: child processes, WebSockets, HTTP."""

from .door import Door as Door, LiveDoor as LiveDoor, NoDoor as NoDoor, Outside as Outside
from .engine import Engine as Engine, WireMessage as WireMessage, open_engine as open_engine
from .refusal import check_response as check_response
from .websocket import (
    WebSocket as WebSocket,
    WebSocketClosed as WebSocketClosed,
    WebSocketSettings as WebSocketSettings,
)

"""How a pipeline is tried out: plays in virtual time, traces, and the search for a broken rule."""

from . import invariants as invariants
from .play import Item as Item, Kill as Kill, Sleep as Sleep, play as play
from .trace import Trace as Trace, TraceRecorder as TraceRecorder

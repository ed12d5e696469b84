"""What goes wrong, by who must act: the author, the peer, or us.

An error says what was wrong, where, and what to do.
"""

__all__ = ["ActorKilled", "ConfigurationError", "Killed", "LocalProtocolError", "RemoteProtocolError", "Unrecoverable"]


class ConfigurationError(Exception):
    """The author of an actor or a pipeline wrote something that can't work; raised at definition or start, before a
    call is taken.
    """


class RemoteProtocolError(Exception):
    """A provider or an engine said what its protocol doesn't allow; the supervisor decides what follows."""


class LocalProtocolError(Exception):
    """We said, or were about to say, what a protocol doesn't allow: a defect of ours."""


class Unrecoverable(Exception):
    """A failure that can't heal by trying again: a rejected key, a missing model. The supervisor escalates it at
    once.
    """


class Killed(Exception):
    """An actor was failed from outside, to see what becomes of it. It is nobody's failure: the frame in hand isn't
    blamed.
    """


class ActorKilled(BaseException):
    """Raised in a wait that is shielded from cancellation, when the grace of its actor is over: nothing else ends it."""

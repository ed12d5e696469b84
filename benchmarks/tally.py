"""What an actor of ours handled, counted outside it: configuration that isn't a list, dict or set is shared."""

import attrs

__all__ = ["Tally"]


@attrs.define(eq=False)
class Tally:
    """A number that outlives the actor which counts."""

    handled: int = 0

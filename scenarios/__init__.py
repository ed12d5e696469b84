"""How a pipeline is tried out: plays in virtual time, traces, and the search for a broken rule."""

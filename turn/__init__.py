"""Who may speak: voice activity, the beginning and the end of turns, and the pair that keeps the context."""

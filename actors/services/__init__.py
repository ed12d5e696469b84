"""Speech and language services, one module for each vendor or engine."""

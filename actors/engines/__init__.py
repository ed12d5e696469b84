"""Stand-alone programs that run as child processes. They import nothing of this package."""

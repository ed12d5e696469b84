"""What an audio frame costs in a usual voice pipeline: eight actors, most of which have nothing to do with it.

Input audio (a system frame) is handled by the first and the last, output audio (a data frame) by the last.
"""

INPUT = bytes(640)
"""20 ms at 16 kHz."""
OUTPUT = bytes(960)
"""20 ms at 24 kHz."""

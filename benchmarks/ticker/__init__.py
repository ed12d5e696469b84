"""Whether one session disturbs the rest: how late a 5 ms ticker runs while a session in the same loop is flooded.

The flood is text through eight actors which all handle it, in bursts of 64, the next burst when the last one is out.
(Without that wait, which ours doesn't need, pipecat's queues grow for as long as the flood lasts, since nothing there
slows a source, and its ticker is late by seconds.)
"""

PERIOD = 0.005
"""Seconds."""

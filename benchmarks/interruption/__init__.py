"""How long an interruption takes: eight actors, the fourth asleep in a handler, 200 frames waiting before it.

Two times are taken, each after 20 ms of rest, so with the cold caches of a live call: until all eight have handled the
interruption (in ours an InterruptionFrame handler, in pipecat its own reset of the processor), and from then until a
fresh frame has come out at the end.
"""

QUEUED = 200
REST = 0.02

"""How long an interruption takes: eight actors, the fourth asleep in a handler, 200 frames waiting before it.

Two times are taken: until all eight have handled the interruption (in ours an InterruptionFrame handler, in pipecat its
own reset of the processor), and from then until a fresh frame has come out at the end. Each follows 50 ms of rest: what
was queued has settled, and the caches are as cold as in a live call.
"""

QUEUED = 200
REST = 0.05

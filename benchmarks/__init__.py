"""How fast the runtime is, beside pipecat and beside Trio alone, in one run.

`python -m benchmarks` measures and prints; `docs/benchmarks.md` holds what it printed last. Nothing here is asserted
by a test: a speed is a measurement, not a rule.

1. Subjects run in child processes, one at a time, on the same core. Ours never imports pipecat, nor the reverse.
2. Rounds are interleaved (A B C A B C), so that a disturbance of the machine meets all subjects alike.
3. A figure is a folder. In it stands a module for each subject, named after it, whose `measure(setting)` gives one
number for each row of the figure; it raises when a frame was lost, so a fast mistake is no result.
"""

"""How long a session of eight actors takes to start, and to end.

It has started when its StartFrame has passed all actors; it has ended when all that it started is over. One frame
passes between the two.
"""

"""What a closed session leaves behind: the growth of the process's resident memory, divided by the sessions opened,
used and ended meanwhile.

It begins after many sessions, so that what is made once is made.
"""

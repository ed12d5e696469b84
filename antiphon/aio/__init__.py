"""Sessions inside asyncio programs: FastAPI, Starlette, anything on asyncio's loop or on uvloop.

Trio runs as a guest of the loop, in the same thread: one guest run for all sessions of a thread. What a session does is
the same as in a Trio program; only what the program calls is asyncio's.
"""

from .session import Session as Session, Stream as Stream, open_session as open_session

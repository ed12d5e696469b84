"""Names the code that keeps a loop to itself, with its stack.

Code that never awaits can be ended by nobody, and nothing in its loop could even tell of it. So a thread looks from
outside, one for the whole process, while any session is watched: it asks each loop for an answer, and logs where the
loop's thread stands when none has come in time. Code that doesn't even let another thread run (a regular expression
that runs away) is told of when it returns.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import attrs
import trio

__all__: list[str] = []

LOOKS = 4
"""How often each loop is asked within the seconds that it has to answer."""

LINGERS = 1.0
"""Seconds within which the thread ends after the last session. Not at once: another may begin."""

_log = logging.getLogger("antiphon")


@attrs.define(eq=False)
class _Watched:
    """A session's wish to be told. Sessions of one loop are asked together."""

    seconds: float
    token: trio.lowlevel.TrioToken
    thread: int


@attrs.define(eq=False)
class _Question:
    asked: float
    is_answered: bool = False
    is_told: bool = False

    def answer(self) -> None:
        self.is_answered = True


class _Watchdog:
    """Invariant: while `_watched` isn't empty, its thread runs or is about to end because it was empty a moment ago, and
    then `_thread` is None under the lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: set[_Watched] = set()
        self._thread: threading.Thread | None = None
        self._news = threading.Event()

    def add(self, watched: _Watched) -> None:
        with self._lock:
            self._watched.add(watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="antiphon watchdog", daemon=True)
                self._thread.start()
            else:
                self._news.set()  # it may have to look sooner

    def remove(self, watched: _Watched) -> None:
        with self._lock:
            self._watched.discard(watched)

    def _look(self) -> None:
        questions: dict[trio.lowlevel.TrioToken, _Question] = {}
        while True:
            with self._lock:
                self._news.clear()
                loops: dict[trio.lowlevel.TrioToken, _Watched] = {}
                for watched in self._watched:
                    known = loops.get(watched.token)
                    if known is None or watched.seconds < known.seconds:
                        loops[watched.token] = watched
                if not loops:
                    self._thread = None
                    return
            questions = {token: question for token, question in questions.items() if token in loops}
            for watched in loops.values():
                self._ask(questions, watched)
            self._news.wait(min(LINGERS, *(watched.seconds / LOOKS for watched in loops.values())))

    def _ask(self, questions: dict[trio.lowlevel.TrioToken, _Question], watched: _Watched) -> None:
        now = time.monotonic()
        question = questions.get(watched.token)
        if question is None or question.is_answered:
            question = questions[watched.token] = _Question(now)
            try:
                watched.token.run_sync_soon(question.answer)
            except trio.RunFinishedError:
                self.remove(watched)
        elif now - question.asked >= watched.seconds and not question.is_told:
            question.is_told = True
            frame = sys._current_frames().get(watched.thread)
            _log.error(
                "for %.1f s the loop hasn't turned: code that never awaits keeps it, and no session of this loop can go"
                " on or end. Move what takes long to a thread (trio.to_thread.run_sync). It stands here:\n%s",
                now - question.asked,
                "".join(_stack(frame)).rstrip(),
            )


def _stack(frame: FrameType | None) -> list[str]:
    """Without the loop's own frames, which stand above every task's."""
    summary = traceback.extract_stack(frame)
    last = max((at for at, each in enumerate(summary) if each.name == "unrolled_run"), default=-1)
    return traceback.format_list(summary[last + 1 :])


_watchdog = _Watchdog()


@contextmanager
def named_when_blocked(seconds: float | None) -> Iterator[None]:
    """While in the block, code that keeps the running loop for so long is logged with its stack. None is never."""
    if seconds is None:
        yield
        return
    watched = _Watched(seconds, trio.lowlevel.current_trio_token(), threading.get_ident())
    _watchdog.add(watched)
    try:
        yield
    finally:
        _watchdog.remove(watched)

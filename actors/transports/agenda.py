"""Frames that wait for their moment on the session's clock.

A value: who waits, in the order of their moments, ties in the order of arrival. Moments are nanoseconds, as `pts` is.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...channels.frames import Frame

__all__ = ["Agenda", "Appointment"]

ROUNDING = 1000.0
"""Nanoseconds. A clock of seconds that is this much short of a moment has reached it."""


@attrs.frozen
class Appointment:
    """A frame and when it goes on."""

    moment: float
    frame: Frame


@attrs.frozen
class Agenda:
    """All that wait."""

    appointments: tuple[Appointment, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.appointments)

    def with_frame(self, frame: Frame, moment: float) -> Agenda:
        added = (*self.appointments, Appointment(moment, frame))
        return Agenda(tuple(sorted(added, key=lambda each: each.moment)))

    def split(self, goes: Callable[[Frame], bool], *, now: float | None = None) -> tuple[tuple[Frame, ...], Agenda]:
        """Those that may go and, if `now` is given, whose moment has come; and the others."""
        going = [
            each for each in self.appointments if (now is None or each.moment <= now + ROUNDING) and goes(each.frame)
        ]
        return tuple(each.frame for each in going), Agenda(
            tuple(each for each in self.appointments if each not in going)
        )

    def later(self, which: Callable[[Frame], bool], nanoseconds: float) -> Agenda:
        """With some of the moments moved."""
        moved = [
            Appointment(each.moment + nanoseconds, each.frame) if which(each.frame) else each
            for each in self.appointments
        ]
        return Agenda(tuple(sorted(moved, key=lambda each: each.moment)))

    def next(self, now: float) -> float | None:
        """Seconds to the next moment that is still to come."""
        ahead = [each.moment - now for each in self.appointments if each.moment > now + ROUNDING]
        return min(ahead) / 1e9 if ahead else None

    def last(self, now: float) -> float:
        """Seconds until the last moment has come."""
        return max((each.moment - now for each in self.appointments), default=0.0) / 1e9

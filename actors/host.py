"""Many sessions in one process: who is admitted, what a failure costs the others, and how all of them end.

1. Each session has a task in the host's nursery, and what fails in it stays there: it is logged and counted, and whoever
   waits for that session finds it in `session.outcome`.
2. The stages go one way. One task, `_wind_down`, walks through them; `end` and `cancel` only cut its waiting short.
3. A place is taken before the first await of its session and left after the last, so no more than `max_sessions` ever
   are between the two.
"""

from __future__ import annotations

import enum
import logging
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Literal, Protocol, TypedDict, Unpack, cast

import attrs
import trio

from ..channels.credentials import masked
from .errors import ConfigurationError
from .lateness import PERIOD, RECOVERED, SHARE, WINDOW, Lateness, LatenessGauge
from .observe import Observer
from .outside import Door
from .pipeline import Pipeline
from .run import ENDED, INTERRUPTED, tell
from .session import OnFailure, Session, open_session

__all__ = ["Host", "HostBusy", "HostStatistics", "Refusal", "SessionOptions"]

Refusal = Literal["draining", "full", "late"]
"""Why a host takes no more: it ends, it has `max_sessions`, or its loop runs late."""

IDLE_TIMEOUT = 300.0
"""Seconds in which nobody speaks, after which a session of a host is over."""

_log = logging.getLogger("antiphon")


class HostBusy(Exception):
    """A host takes no more sessions now. A server answers 503, or sends the caller to another host."""

    def __init__(self, reason: Refusal, told: str) -> None:
        super().__init__(reason, told)
        self.reason: Refusal = reason
        self.told = told

    def __str__(self) -> str:
        return f"the host takes no more sessions: {self.told}"


class SessionOptions(TypedDict, total=False):
    """What `Host.start` hands on to `open_session`, beside the name."""

    sample_rates: tuple[int, int]
    outside: Door | None
    observers: Iterable[Observer]
    direct: bool
    seed: int | str | None
    on_failure: OnFailure
    idle_timeout: float | None
    """Without it, 300 s."""
    stall_timeout: float | None
    heartbeat: float | None
    setup_timeout: float | None
    start_timeout: float | None
    enable_metrics: bool
    enable_usage_metrics: bool
    report_only_initial_ttfb: bool


@attrs.frozen
class HostStatistics:
    """What a host has done so far, and what it is doing. Times are seconds since it began."""

    time: float
    """When this was asked."""
    sessions: Mapping[str, float]
    """The running ones by name, and when each was admitted."""
    admitted: int
    refused: Mapping[Refusal, int]
    ended: int
    """Sessions that ended by an EndFrame."""
    cancelled: int
    failed: int
    lateness: Lateness
    is_late: bool
    """Whether it refuses for that."""
    draining_since: float | None
    """None while it admits sessions."""

    @property
    def running(self) -> int:
        """How many sessions run."""
        return len(self.sessions)


class _Stage(enum.IntEnum):
    """What a host does. It never goes back."""

    NEW = 0
    OPEN = 1
    DRAINING = 2
    """Sessions may end by themselves."""
    ENDING = 3
    CANCELLING = 4
    ENDED = 5


class _Finish(Protocol):
    """`Session.end` or `Session.cancel`."""

    def __call__(self, session: Session, reason: str | None, /) -> Awaitable[None]: ...


@attrs.define(eq=False)
class _Place:
    """One of the host's `max_sessions`."""

    name: str
    since: float
    session: Session | None = None
    """None while it is being opened."""


class Host:
    """Runs many sessions in one process: `async with Host(max_sessions=50) as host`, then `await host.start(pipeline)`.

    It refuses a session beyond `max_sessions`, and any while the loop runs later than `max_lateness` seconds: a
    session more would be heard by all of them. It is in time again when the lateness is below half of that; it
    looks at the last five seconds.
    Draining, it lets sessions end by themselves for `drain` seconds, then sends each an EndFrame, and cancels what
    hasn't ended `end_within` seconds later. Leaving the block doesn't wait for them to end by themselves; an exception
    or a cancellation cancels them. In any case nothing of them is left after the block.
    Raises `ConfigurationError` for a number that can't work, and when a host is entered twice.
    """

    def __init__(
        self,
        *,
        max_sessions: int | None = None,
        max_lateness: float = 0.020,
        drain: float = 30.0,
        end_within: float = 10.0,
    ) -> None:
        if max_sessions is not None and max_sessions < 1:
            raise ConfigurationError(f"Host(max_sessions={max_sessions!r}): it is 1 or more, or None for no limit.")
        if not max_lateness > 0:
            raise ConfigurationError(f"Host(max_lateness={max_lateness!r}): it is in seconds and above 0, e.g. 0.02.")
        for name, seconds in (("drain", drain), ("end_within", end_within)):
            if not seconds >= 0:
                raise ConfigurationError(f"Host({name}={seconds!r}): it is in seconds and not below 0.")
        self._max_sessions = max_sessions
        self._drain = drain
        self._end_within = end_within
        self._gauge = LatenessGauge(max_lateness)
        self._stage = _Stage.NEW
        self._life: AbstractAsyncContextManager[None]
        self._nursery: trio.Nursery
        self._began = 0.0
        self._places: dict[str, _Place] = {}
        self._left = trio.lowlevel.ParkingLot()
        self._numbered = 0
        self._admitted = 0
        self._refused: Counter[Refusal] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._reason: str | None = None
        self._draining_since: float | None = None
        self._for_them_to_end = trio.CancelScope()
        self._for_the_end_frame = trio.CancelScope()
        self._has_ended = trio.Event()

    # ---- sessions

    async def start(self, pipeline: Pipeline, *, name: str | None = None, **options: Unpack[SessionOptions]) -> Session:
        """Open a session that the host owns, and return it running. The options are those of `open_session`.

        `name` tells it from the others that run here; `session-1` and so on without one. If it fails, that is
        logged, counted, and found in `session.outcome` after `await session.wait()`; nothing else comes of it.
        Cancelled at its entry it has opened nothing; once it opens, it isn't cancelled any more.
        Raises `HostBusy` with the reason when the host takes no more, `ValueError` when a running session has the
        name, and `ConfigurationError` for a pipeline that can't work.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        place = self._take_place(name)
        # Opening is a few steps that wait for nobody; cancelled between them, the session would have no owner.
        with trio.CancelScope(shield=True):
            session = await self._nursery.start(self._hold, place, pipeline, options)
        return cast(Session, session)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions that run, by name. `host.sessions[name].statistics()` tells what its actors are doing."""
        return {name: place.session for name, place in self._running().items() if place.session is not None}

    @property
    def lateness(self) -> float:
        """Seconds: 95 % of the moments of the last five seconds weren't later. Above `max_lateness` no session is
        admitted.
        """
        return self._gauge.quantile(SHARE)

    def statistics(self) -> HostStatistics:
        """What it has done so far, and what it is doing."""
        running = self._running()
        return HostStatistics(
            time=self._now(),
            sessions={name: place.since for name, place in running.items() if place.session is not None},
            admitted=self._admitted,
            refused=dict(self._refused),
            ended=self._outcomes["ended"],
            cancelled=self._outcomes["cancelled"],
            failed=self._outcomes["failed"],
            lateness=self._gauge.lateness(),
            is_late=self._gauge.is_late,
            draining_since=self._draining_since,
        )

    def _take_place(self, name: str | None) -> _Place:
        if self._stage is _Stage.NEW:
            raise ConfigurationError(
                "host.start: the host isn't running. Write `async with Host() as host:` around it."
            )
        running = self._running()
        if name is not None and name in running:
            raise ValueError(f"host.start(..., name={name!r}): a session of that name is running. Choose another.")
        if self._stage > _Stage.OPEN:
            raise self._refusal("draining")
        if self._max_sessions is not None and len(running) >= self._max_sessions:
            raise self._refusal("full")
        if self._gauge.is_late:
            raise self._refusal("late")
        place = _Place(name if name is not None else self._new_name(running), self._now())
        self._places[place.name] = place
        return place

    def _refusal(self, reason: Refusal) -> HostBusy:
        self._refused[reason] += 1
        if reason == "full":
            return HostBusy(reason, f"{len(self._places)} are running, max_sessions={self._max_sessions}")
        if reason == "late":
            return HostBusy(
                reason,
                f"the loop runs {self.lateness * 1000:.0f} ms late, max_lateness={self._gauge.limit * 1000:g} ms"
                f" ({SHARE:.0%} of the last {WINDOW:g} s); it admits again below"
                f" {self._gauge.limit * RECOVERED * 1000:g} ms",
            )
        since = self._draining_since
        told = "it has ended" if self._stage is _Stage.ENDED or since is None else f"it drains since {since:.1f} s"
        return HostBusy(reason, told)

    def _new_name(self, taken: Mapping[str, _Place]) -> str:
        while True:
            self._numbered += 1
            name = f"session-{self._numbered}"
            if name not in taken:
                return name

    async def _hold(
        self,
        place: _Place,
        pipeline: Pipeline,
        options: SessionOptions,
        task_status: trio.TaskStatus[Session] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """One session's life. What goes wrong before it runs is told to who starts it."""
        options.setdefault("idle_timeout", IDLE_TIMEOUT)
        try:
            async with open_session(pipeline, name=place.name, **options) as session:
                if self._stage > _Stage.DRAINING:
                    raise self._refusal("draining")  # those that run have had their EndFrame already
                self._admitted += 1
                place.session = session
                task_status.started(session)
                await session.wait()
        except ExceptionGroup as failure:
            if place.session is None:
                raise
            _log.error("session %r failed: %s", place.name, masked(str(failure)))
        finally:
            self._leave(place)

    def _running(self) -> Mapping[str, _Place]:
        """The places of sessions that haven't ended. A session ends a few steps before its task does."""
        for place in tuple(self._places.values()):
            if place.session is not None and place.session.outcome is not None:
                self._leave(place)
        return self._places

    def _leave(self, place: _Place) -> None:
        if self._places.get(place.name) is not place:
            return  # left already, and perhaps another session's by now
        del self._places[place.name]
        if place.session is not None:
            outcome = place.session.outcome
            self._outcomes[outcome if isinstance(outcome, str) else "failed"] += 1
        self._left.unpark_all()

    # ---- the end

    async def drain(self, reason: str | None = None) -> None:
        """Admit nobody any more and let the sessions end by themselves; then `end`. Returns when all have ended.
        Cancelled while it waits, the draining goes on.
        """
        self.begin_drain(reason)
        await self._has_ended.wait()

    async def end(self, reason: str | None = None) -> None:
        """Admit nobody any more and send each session an EndFrame; what hasn't ended after `end_within` seconds is
        cancelled. Returns when all have ended. Cancelled while it waits, the ending goes on.
        """
        self.begin_drain(reason)
        self._for_them_to_end.cancel()
        await self._has_ended.wait()

    async def cancel(self, reason: str | None = None) -> None:
        """Admit nobody any more and cancel all sessions. Returns when all have ended, within the longest sum of their
        actors' graces.
        """
        self.begin_cancel(reason)
        await self._has_ended.wait()

    async def wait(self) -> None:
        """Wait until the host has ended, by whomever."""
        await self._has_ended.wait()

    def begin_drain(self, reason: str | None = None) -> None:
        """As `drain`, but nobody waits. Raises `ConfigurationError` when the host isn't running."""
        if self._stage is _Stage.NEW:
            raise ConfigurationError("host: it isn't running yet. Write `async with Host() as host:` around it.")
        if self._stage is not _Stage.OPEN:
            return
        self._stage = _Stage.DRAINING
        self._reason = reason
        self._draining_since = self._now()
        self._for_them_to_end.deadline = trio.current_time() + self._drain
        self._nursery.start_soon(self._wind_down)

    def begin_cancel(self, reason: str | None = None) -> None:
        """As `cancel`, but nobody waits."""
        self.begin_drain(reason)
        if self._stage < _Stage.CANCELLING and reason is not None:
            self._reason = reason
        self._for_them_to_end.cancel()
        self._for_the_end_frame.cancel()

    async def _wind_down(self) -> None:
        with self._for_them_to_end:
            await self._all_left()
        self._stage = _Stage.ENDING
        if not self._for_the_end_frame.cancel_called:
            self._for_the_end_frame.deadline = trio.current_time() + self._end_within
            with self._for_the_end_frame:
                await self._finish_each(Session.end)
        self._stage = _Stage.CANCELLING
        await self._finish_each(Session.cancel)
        self._stage = _Stage.ENDED
        self._has_ended.set()

    async def _finish_each(self, finish: _Finish) -> None:
        async with trio.open_nursery() as nursery:
            for session in self.sessions.values():
                nursery.start_soon(finish, session, self._reason)
            await self._all_left()
            nursery.cancel_scope.cancel()

    async def _all_left(self) -> None:
        while self._running():
            await self._left.park()

    # ---- the block

    async def __aenter__(self) -> Host:
        if self._stage is not _Stage.NEW:
            raise ConfigurationError("Host: one host is entered once. Make another one.")
        self._life = self._live()
        await self._life.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._life.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        raised: BaseException | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                self._began = trio.current_time()
                self._stage = _Stage.OPEN
                self._nursery.start_soon(self._tick)
                try:
                    yield
                    await self.end()
                except BaseException as error:
                    raised = error
                    if isinstance(error, (trio.Cancelled, GeneratorExit)):
                        raise
                finally:
                    # From here on nobody is admitted. What still runs is cancelled with its task, within its graces.
                    self._stage = _Stage.CANCELLING
                    self._nursery.cancel_scope.cancel()
        finally:
            self._stage = _Stage.ENDED
            self._has_ended.set()
        if raised is not None:
            raise raised

    async def _tick(self) -> None:
        due = trio.current_time()
        while True:
            due += PERIOD
            await trio.sleep_until(due)
            late = trio.current_time() - due
            due += late // PERIOD * PERIOD  # the gauge counts the ticks that are skipped
            was_late = self._gauge.is_late
            self._gauge.add(late)
            if self._gauge.is_late and not was_late:
                _log.warning(
                    "the host's loop runs %.0f ms late with %d sessions: it refuses others",
                    self.lateness * 1000,
                    len(self._places),
                )
            elif was_late and not self._gauge.is_late:
                _log.info("the host's loop is in time again: it takes sessions")

    def _now(self) -> float:
        return trio.current_time() - self._began

    # ---- as a program

    def run(self, main: Callable[[Host], Awaitable[object]]) -> int:
        """Be a program: run `main(host)` until it returns, then end the sessions.

        SIGINT and SIGTERM drain the host, while `main` goes on until the last session has ended; it must answer those
        who come meanwhile. A second signal cancels the sessions at once.
        Returns an exit code for `sys.exit`: 0 it returned, 1 it failed, 2 something can't work as it is configured,
        130 a signal interrupted it. What went wrong is on standard error, without secrets. A session that fails
        changes none of this.
        """
        signals: list[int] = []

        async def program() -> None:
            # As in `antiphon.run`: the receiver before the host, so that no signal finds nobody.
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
                async with trio.open_nursery() as nursery:
                    async with self:
                        nursery.start_soon(self._obey, received, signals)
                        with trio.CancelScope() as serving:
                            nursery.start_soon(self._cancel_at_end, serving)
                            await main(self)
                    nursery.cancel_scope.cancel()

        try:
            trio.run(program, strict_exception_groups=True)
        except KeyboardInterrupt:
            return INTERRUPTED  # it came before the receiver was there, or after it had gone
        except ExceptionGroup as group:
            return tell(group)
        return INTERRUPTED if signals else ENDED

    async def _obey(self, received: AsyncIterator[int], signals: list[int]) -> None:
        async for number in received:
            signals.append(number)
            reason = f"signal {signal.Signals(number).name}"
            if len(signals) == 1:
                self.begin_drain(reason)
            else:
                self.begin_cancel(reason)

    async def _cancel_at_end(self, serving: trio.CancelScope) -> None:
        await self.wait()
        serving.cancel()

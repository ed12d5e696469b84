"""Many sessions in one process: admission, what a failure costs the others, draining, and that nothing is left."""

from __future__ import annotations

import gc
import logging
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import trio
import trio.testing

from antiphon import Actor, Address, ConfigurationError, Host, HostBusy, Pipeline, actor, child, on
from antiphon.actors import Effects, HostStatistics, Observer, Session
from antiphon.channels import CancelFrame, EndFrame, EndWorkerFrame, StartFrame
from antiphon.scenarios.explorer import run_explored
from tests.actors.notes import Kept, Note, Passes, texts
from tests.actors.test_run import Outcome, begun, outcome_of, run
from tests.seeds import seeds
from tests.watch import Watch


@actor
class Echo(Actor):
    """Says each note again, and fails on a bad one."""

    @on(Note)
    def say(self, frame: Note) -> Effects:
        if frame.text == "bad":
            raise LookupError("api_key=abcd1234efgh isn't known")
        return Kept(frame.text)


@actor
class Leaves(Actor):
    """Asks for the end of its session after a while."""

    seconds: float

    @on(StartFrame)
    def begin(self, frame: StartFrame) -> None:
        self.start_soon(self.leave)

    async def leave(self) -> None:
        await trio.sleep(self.seconds)
        await self.push(EndWorkerFrame())


@actor
class Blocks(Actor):
    """Waits for ever in its first handler, and asks for as much time at the end of the session as it is told."""

    wants: float = 0.0

    @on(Note)
    async def block(self, frame: Note) -> None:
        self.allow(self.wants)
        await trio.sleep_forever()


@actor
class Hears(Actor):
    """Tells how it was asked to end, and when."""

    tell: Callable[[object], object]

    @on(EndFrame, CancelFrame)
    def hear(self, frame: EndFrame | CancelFrame) -> None:
        self.tell((type(frame).__name__, frame.reason, trio.current_time()))


class Ends(Observer):
    """Tells how a session ended."""

    def __init__(self, tell: Callable[[object], object]) -> None:
        self._tell = tell

    def ended(self, outcome: object) -> None:
        self._tell(outcome)


def in_virtual_time(main: Callable[[], Awaitable[Any]], *, count: int = 3) -> None:
    """Run it in several orders of its tasks. What takes an hour waits for ever."""

    async def within_an_hour() -> None:
        with trio.fail_after(3600):
            await main()

    for seed in seeds(count, each_counts=50):
        try:
            run_explored(seed, within_an_hour)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


async def blocked(host: Host, *, wants: float = 0.0, grace: float = 1.0, **options: Any) -> Session:
    """A session whose only actor waits for ever."""
    session = await host.start(Pipeline(child(Blocks(wants), grace=grace)), **options)
    await session.push(Note("x"))
    return session


def counts(told: HostStatistics) -> tuple[int, int, int, int]:
    return told.running, told.ended, told.cancelled, told.failed


# ---- many


def test_two_hundred_sessions_talk_at_once_and_the_failure_of_one_is_its_own() -> None:
    pipeline = Pipeline(Passes(), Echo(), max_restarts=0)

    async def caller(host: Host, number: int, heard: dict[int, list[str]], outcomes: dict[int, object]) -> None:
        session = await host.start(pipeline, name=f"call-{number}")
        output = session.output
        for turn in range(5):
            await trio.sleep(number % 7 / 100)
            is_bad = number == 77 and turn == 2
            if session.outcome is None:
                await session.push(Note("bad" if is_bad else f"{number}/{turn}"))
        await session.end()
        heard[number] = texts([frame async for frame in output])
        outcomes[number] = session.outcome

    async def main() -> None:
        heard: dict[int, list[str]] = {}
        outcomes: dict[int, object] = {}
        async with Host(max_sessions=200) as host:
            async with trio.open_nursery() as nursery:
                for number in range(200):
                    nursery.start_soon(caller, host, number, heard, outcomes)
            assert counts(host.statistics()) == (0, 199, 0, 1)
            assert host.statistics().admitted == 200
        failed = outcomes.pop(77)
        assert isinstance(failed, ExceptionGroup) and "LookupError" in str(failed)
        assert set(outcomes.values()) == {"ended"}
        assert heard.pop(77) == ["77/0", "77/1"]
        assert all(said == [f"{number}/{turn}" for turn in range(5)] for number, said in heard.items())

    in_virtual_time(main, count=2)


def test_a_failed_session_is_logged_without_secrets_and_its_observers_and_waiters_know(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        outcomes: list[object] = []
        async with Host() as host:
            other = await host.start(Pipeline(Passes()))
            session = await host.start(Pipeline(Echo(), max_restarts=0), name="call", observers=[Ends(outcomes.append)])
            await session.push(Note("bad"))
            await session.wait()
            assert isinstance(session.outcome, ExceptionGroup)
            assert outcomes == [session.outcome]
            assert counts(host.statistics()) == (1, 0, 0, 1)
            assert other.outcome is None
        assert other.outcome == "ended"

    run_explored(0, main)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert "session 'call' failed: the session failed: actor 'echo'" in line
    assert "api_key=***" in line and "abcd1234efgh" not in line


def living() -> Counter[str]:
    """What the collector can't free, by type."""
    gc.collect()
    return Counter(type(each).__qualname__ for each in gc.get_objects())


def test_a_thousand_sessions_one_after_the_other_leave_nothing_behind() -> None:
    async def some(host: Host, count: int) -> None:
        for number in range(count):
            session = await host.start(Pipeline(Passes(), Echo(), max_restarts=0))
            await session.push(Note("bad" if number % 50 == 0 else "x"))
            await (session.cancel() if number % 3 == 0 else session.end())
        del session
        await trio.testing.wait_all_tasks_blocked()

    async def main() -> None:
        async with Host() as host:
            await some(host, 100)
            before = living()
            await some(host, 1000)
            grown = living() - before
            assert not {"Session", "Cell", "Echo", "Place"} & set(grown)
            assert grown.total() < 100, grown  # Trio forgets deadlines in batches; one object a session would be 1000
            assert host.statistics().admitted == 1100

    logging.disable()  # what a test's log keeps of the failed ones isn't meant
    try:
        run_explored(0, main)
    finally:
        logging.disable(logging.NOTSET)


# ---- admission


def test_a_full_host_refuses_and_takes_another_as_soon_as_one_has_ended() -> None:
    async def main() -> None:
        async with Host(max_sessions=2) as host:
            first = await host.start(Pipeline(Passes()))
            await host.start(Pipeline(Passes()))
            with pytest.raises(HostBusy, match=r"no more sessions: 2 are running, max_sessions=2$") as refused:
                await host.start(Pipeline(Passes()))
            assert refused.value.reason == "full"
            await first.end()
            await host.start(Pipeline(Passes()))
            told = host.statistics()
            assert (told.running, told.admitted, told.refused) == (2, 3, {"full": 1})

    in_virtual_time(main)


def test_no_more_than_the_host_has_places_for_begin_at_once() -> None:
    async def main() -> None:
        async with Host(max_sessions=3) as host:
            refused: list[str] = []

            async def call() -> None:
                try:
                    await host.start(Pipeline(Passes()))
                except HostBusy as busy:
                    refused.append(busy.reason)

            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(call)
            assert refused == ["full"] * 7
            assert len(host.sessions) == 3

    in_virtual_time(main, count=10)


def test_a_late_host_refuses_until_it_has_been_in_time_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "antiphon")

    async def main() -> None:
        clock = cast(trio.testing.MockClock, trio.lowlevel.current_clock())
        async with Host() as host:
            running = await host.start(Pipeline(Passes()))
            await trio.sleep(1)
            assert host.lateness == 0.0
            clock.jump(0.5)
            await trio.sleep(0.1)
            assert 0.2 < host.lateness < 0.5
            with pytest.raises(
                HostBusy, match=r"runs 2\d\d ms late, max_lateness=20 ms \(95% of the last 5 s\)"
            ) as late:
                await host.start(Pipeline(Passes()))
            assert late.value.reason == "late"
            told = host.statistics()
            assert told.is_late and told.refused == {"late": 1}
            assert told.lateness.p50 == 0.0 and 0.4 < told.lateness.worst <= 0.5
            assert running.outcome is None
            await trio.sleep(4)
            with pytest.raises(HostBusy):
                await host.start(Pipeline(Passes()))
            await trio.sleep(1)
            await host.start(Pipeline(Passes()))

    in_virtual_time(main, count=2)
    told = [record.getMessage() for record in caplog.records if "loop" in record.getMessage()]
    assert [line.split(":")[1] for line in told] == [" it refuses others", " it takes sessions"] * (len(told) // 2)
    assert told


class Heard(logging.Handler):
    """Tells a Trio program of a line in the log."""

    def __init__(self, *parts: str) -> None:
        super().__init__()
        self.events = {part: trio.Event() for part in parts}

    def emit(self, record: logging.LogRecord) -> None:
        for part, event in self.events.items():
            if part in record.getMessage():
                event.set()


@actor
class Burns(Actor):
    """Holds the loop for a third of a second again and again, until it is told to stop."""

    @on(Note)
    def begin(self, frame: Note) -> None:
        self.start_soon(self.burn, interruptible=True)

    async def burn(self) -> None:
        while True:
            until = time.perf_counter() + 0.35
            while time.perf_counter() < until:
                pass
            await trio.lowlevel.checkpoint()


async def test_a_session_that_holds_the_real_loop_closes_the_host_until_it_has_gone() -> None:
    log, heard = logging.getLogger("antiphon"), Heard("it refuses others", "it takes sessions")
    level = log.level
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    try:
        # Far above what a busy machine adds by itself.
        with trio.fail_after(120):
            async with Host(max_lateness=0.2) as host:
                flood = await host.start(Pipeline(Burns()))
                await flood.push(Note("x"))
                await heard.events["it refuses others"].wait()
                assert host.lateness > 0.2
                with pytest.raises(HostBusy, match="ms late"):
                    await host.start(Pipeline(Passes()))
                await flood.cancel()
                await heard.events["it takes sessions"].wait()
                other = await host.start(Pipeline(Passes()))
            assert other.outcome == "ended"
    finally:
        log.removeHandler(heard)
        log.setLevel(level)


def test_sessions_have_names_that_are_unique_among_the_running() -> None:
    async def main() -> None:
        async with Host() as host:
            sessions = [await host.start(Pipeline(Passes()), name=name) for name in (None, "session-2", None, "call")]
            assert [session.name for session in sessions] == ["session-1", "session-2", "session-3", "call"]
            assert list(host.sessions) == ["session-1", "session-2", "session-3", "call"]
            with pytest.raises(ValueError, match=r"host.start\(..., name='call'\): a session of that name is running"):
                await host.start(Pipeline(Passes()), name="call")
            assert host.sessions["call"] is sessions[3]
            await sessions[3].cancel()
            again = await host.start(Pipeline(Passes()), name="call")
            await trio.sleep(1)
            assert host.sessions["call"] is again

    in_virtual_time(main)


def test_the_statistics_tell_who_runs_since_when_and_what_each_actor_does() -> None:
    async def main() -> None:
        await trio.sleep(100)  # its times are the host's own
        async with Host() as host:
            await trio.sleep(2)
            await blocked(host, name="call")
            await trio.sleep(3)
            told = host.statistics()
            assert (told.time, told.sessions, told.draining_since) == (5.0, {"call": 2.0}, None)
            doing = host.sessions["call"].statistics()[Address("blocks")]
            assert (doing.busy_since, doing.frame) == (0.0, Note("x"))

    in_virtual_time(main)


def test_a_pipeline_that_cannot_work_is_told_to_who_starts_it_and_takes_no_place() -> None:
    @actor
    class Asks(Actor):
        whom: Address = Address("nobody")

    async def main() -> None:
        async with Host(max_sessions=1) as host:
            with pytest.raises(ConfigurationError, match="no actor of this pipeline has that address"):
                await host.start(Pipeline(Asks()))
            with pytest.raises(ConfigurationError, match="give it a Pipeline"):
                await host.start(cast(Any, Passes()))
            assert host.statistics().admitted == 0
            await host.start(Pipeline(Passes()))

    in_virtual_time(main)


def test_a_start_that_is_cancelled_leaves_no_session() -> None:
    async def main() -> None:
        async with Host() as host:
            with trio.CancelScope() as scope:
                scope.cancel()
                await host.start(Pipeline(Passes()))
            assert scope.cancelled_caught
            assert counts(host.statistics())[0] == 0

    in_virtual_time(main)


def test_the_options_of_a_session_reach_it() -> None:
    async def main() -> None:
        watch = Watch()
        async with Host() as host:
            session = await host.start(
                Pipeline(Passes()), seed=7, sample_rates=(8000, 48000), observers=[watch], direct=False
            )
            assert session.seed == 7
            await session.end()
        (start,) = {each.frame for each in watch.deliveries if isinstance(each.frame, StartFrame)}
        assert start == StartFrame(8000, 48000)

    in_virtual_time(main)


# ---- the end


def test_draining_lets_sessions_end_by_themselves_then_sends_the_end_then_cancels() -> None:
    async def main() -> None:
        heard: list[object] = []
        async with Host(drain=30, end_within=10) as host:
            by_itself = await host.start(Pipeline(Hears(heard.append), Leaves(20)))
            late = await host.start(Pipeline(Hears(heard.append), Leaves(1000)))
            stubborn = await host.start(Pipeline(Hears(heard.append), child(Blocks(1000), grace=2)))
            await stubborn.push(Note("x"))
            ended: dict[str, float] = {}

            async def wait(name: str, session: Session) -> None:
                await session.wait()
                ended[name] = trio.current_time()

            async with trio.open_nursery() as nursery:
                for name, session in (("by itself", by_itself), ("late", late), ("stubborn", stubborn)):
                    nursery.start_soon(wait, name, session)
                await trio.sleep(5)
                await host.drain("no more today")
            assert ended["by itself"] == 20
            assert ended["late"] == pytest.approx(35, abs=1.01)  # its task has its grace
            assert ended["stubborn"] == pytest.approx(45, abs=2.01)
            assert [session.outcome for session in (by_itself, late, stubborn)] == ["ended", "ended", "cancelled"]
            assert heard == [
                ("EndFrame", None, 20.0),
                ("EndFrame", "no more today", 35.0),
                ("EndFrame", "no more today", 35.0),
                ("CancelFrame", "no more today", 45.0),
            ]
            told = host.statistics()
            assert (counts(told), told.draining_since) == ((0, 2, 1, 0), 5.0)

    in_virtual_time(main)


def test_draining_is_over_as_soon_as_the_last_session_has_ended() -> None:
    async def main() -> None:
        async with Host(drain=1000) as host:
            for seconds in (3, 7, 5):
                await host.start(Pipeline(Leaves(seconds)))
            await host.drain()
            assert trio.current_time() == 7
            await host.drain()
            await host.wait()
            assert trio.current_time() == 7

    in_virtual_time(main)


def test_a_draining_host_refuses_and_so_does_one_that_has_ended() -> None:
    async def main() -> None:
        host = Host()
        async with host, trio.open_nursery() as nursery:
            await host.start(Pipeline(Leaves(10)))
            await trio.sleep(3)
            nursery.start_soon(host.drain)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(HostBusy, match=r"it drains since 3\.0 s$") as refused:
                await host.start(Pipeline(Passes()))
            assert refused.value.reason == "draining"
        with pytest.raises(HostBusy, match="it has ended"):
            await host.start(Pipeline(Passes()))
        assert host.statistics().refused == {"draining": 2}

    in_virtual_time(main)


def test_a_session_that_is_opened_while_the_host_ends_is_refused_or_ended_with_the_others() -> None:
    calls = refusals = 0

    async def main() -> None:
        async with Host(drain=0, end_within=0) as host:

            async def call() -> None:
                nonlocal calls, refusals
                calls += 1
                try:
                    session = await host.start(Pipeline(Passes()))
                except HostBusy:
                    refusals += 1
                else:
                    await session.wait()
                    assert session.outcome is not None

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(call)
                await trio.lowlevel.checkpoint()
                nursery.start_soon(host.drain)
            assert host.sessions == {}
            assert sum(counts(host.statistics())) == host.statistics().admitted

    in_virtual_time(main, count=50)
    assert 0 < refusals < calls  # both were met


def test_cancelling_a_host_ends_its_draining_at_once() -> None:
    async def main() -> None:
        heard: list[object] = []
        async with Host(drain=1000) as host, trio.open_nursery() as nursery:
            session = await host.start(Pipeline(Hears(heard.append)))
            nursery.start_soon(host.drain)
            await trio.sleep(3)
            await host.cancel("enough")
            assert (trio.current_time(), session.outcome) == (3.0, "cancelled")
        assert heard == [("CancelFrame", "enough", 3.0)]

    in_virtual_time(main)


def test_cancelling_a_host_that_ends_its_sessions_cancels_them() -> None:
    async def main() -> None:
        async with Host(end_within=1000) as host, trio.open_nursery() as nursery:
            session = await blocked(host, wants=1000)
            nursery.start_soon(host.end)
            await trio.sleep(3)
            await host.cancel()
            assert trio.current_time() <= 4.01
            assert session.outcome == "cancelled"

    in_virtual_time(main)


@pytest.mark.parametrize("how", [Host.drain, Host.end])
def test_a_host_goes_on_ending_when_who_waits_for_it_is_cancelled(how: Callable[[Host], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Host(drain=2) as host:
            session = await host.start(Pipeline(Leaves(1)))
            with trio.move_on_after(0):
                await how(host)
            await host.wait()
            assert session.outcome == "ended"
            assert trio.current_time() <= 1

    in_virtual_time(main)


def test_leaving_the_block_ends_the_sessions_without_waiting_for_them_to_end_by_themselves() -> None:
    async def main() -> None:
        heard: list[object] = []
        async with Host(drain=1000, end_within=5) as host:
            obedient = await host.start(Pipeline(Hears(heard.append)))
            slow = await blocked(host, wants=1000)
            await trio.sleep(1)
        assert (obedient.outcome, slow.outcome) == ("ended", "cancelled")
        assert heard == [("EndFrame", None, 1.0)]
        assert trio.current_time() <= 1 + 5 + 1.01

    in_virtual_time(main)


@pytest.mark.parametrize("grace", [0.5, 3.0])
def test_an_exception_in_the_block_cancels_the_sessions_and_comes_out_as_it_is(grace: float) -> None:
    async def main() -> None:
        session: Session | None = None
        error = LookupError("no line")
        try:
            async with Host(drain=1000, end_within=1000) as host:
                session = await blocked(host, wants=1000, grace=grace)
                raise error
        except LookupError as caught:
            assert caught is error  # noqa: PT017
        assert session is not None and session.outcome == "cancelled"
        assert trio.current_time() <= grace + 0.01
        assert counts(host.statistics()) == (0, 0, 1, 0)
        await host.wait()

    in_virtual_time(main)


@pytest.mark.parametrize("leaves", [True, False])
def test_a_cancellation_from_outside_cancels_the_sessions_and_leaves_no_task(leaves: bool) -> None:
    async def main() -> None:
        before = trio.lowlevel.current_statistics().tasks_living
        sessions: list[Session] = []
        with trio.move_on_after(5) as scope:
            async with Host(drain=1000, end_within=1000) as host:
                for _ in range(3):
                    sessions.append(await blocked(host, wants=1000))
                if not leaves:
                    await trio.sleep_forever()
        assert scope.cancelled_caught
        assert [session.outcome for session in sessions] == ["cancelled"] * 3
        assert trio.current_time() <= 6.01
        assert trio.lowlevel.current_statistics().tasks_living == before

    in_virtual_time(main)


def test_a_host_that_does_not_run_says_what_to_write() -> None:
    async def main() -> None:
        host = Host()
        with pytest.raises(ConfigurationError, match="Write `async with Host"):
            await host.start(Pipeline(Passes()))
        with pytest.raises(ConfigurationError, match="Write `async with Host"):
            await host.drain()
        async with host:
            pass
        with pytest.raises(ConfigurationError, match="entered once"):
            async with host:
                pass

    in_virtual_time(main)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_sessions": 0}, r"Host\(max_sessions=0\): it is 1 or more"),
        ({"max_lateness": 0}, r"Host\(max_lateness=0\): it is in seconds and above 0"),
        ({"max_lateness": float("nan")}, r"Host\(max_lateness=nan\)"),
        ({"drain": -1}, r"Host\(drain=-1\): it is in seconds and not below 0"),
        ({"end_within": -1}, r"Host\(end_within=-1\)"),
    ],
)
def test_a_number_that_cannot_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Host(**options)


# ---- as a program

TWO = """
from antiphon import Host
from antiphon.channels import CancelFrame

@actor
class Hears(Actor):
    name_of_it: str

    @on(EndFrame, CancelFrame)
    def hear(self, frame):
        print(self.name_of_it, type(frame).__name__, frame.reason, flush=True)

async def main(host):
    try:
        await host.start(Pipeline(Hears("first")))
        print("ready", flush=True)
        await trio.sleep_forever()
    finally:
        print("main leaves with", len(host.sessions), flush=True)
"""


def test_a_program_whose_main_returns_ends_its_sessions_and_gives_0() -> None:
    source = TWO.replace("await trio.sleep_forever()", "") + "sys.exit(Host(drain=1000).run(main))"
    assert run(source) == Outcome(0, "ready\nmain leaves with 1\nfirst EndFrame None\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_sessions_after_their_time_then_main_and_gives_130(number: signal.Signals) -> None:
    with begun(TWO + "sys.exit(Host(drain=0.2).run(main))") as process:
        process.send_signal(number)
        told = f"first EndFrame signal {number.name}\nmain leaves with 0\n"
        assert outcome_of(process) == Outcome(130, told, "")


def test_after_a_signal_main_goes_on_and_new_sessions_are_refused() -> None:
    source = """
    from antiphon import Host, HostBusy

    async def main(host):
        session = await host.start(Pipeline(Tells()))
        while not host.statistics().draining_since:
            await trio.sleep(0.01)
        try:
            await host.start(Pipeline(Talks()))
        except HostBusy as busy:
            print(busy.reason, flush=True)
        await session.end()
        await trio.sleep_forever()

    sys.exit(Host(drain=1000).run(main))
    """
    with begun(source) as process:
        process.send_signal(signal.SIGTERM)
        assert outcome_of(process) == Outcome(130, "draining\n", "")


def test_a_second_signal_cancels_the_sessions_at_once() -> None:
    source = TWO + "sys.exit(Host(drain=1000).run(main))"
    source = source.replace(
        "await trio.sleep_forever()",
        """
        while not host.statistics().draining_since:
            await trio.sleep(0.01)
        print("draining", flush=True)
        await trio.sleep_forever()
""",
    )
    with begun(source) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "draining\n"
        process.send_signal(signal.SIGINT)
        assert outcome_of(process) == Outcome(130, "first CancelFrame signal SIGINT\nmain leaves with 0\n", "")


def test_a_main_that_fails_gives_1_and_is_told_without_secrets() -> None:
    source = """
    from antiphon import Host

    async def main(host):
        await host.start(Pipeline(Talks(ends=False)))
        raise OSError("no port for token=abcd1234efgh")

    sys.exit(Host().run(main))
    """
    outcome = run(source)
    assert (outcome.code, outcome.out) == (1, "")
    assert "OSError: no port for token=***" in outcome.err


def test_a_main_that_starts_what_cannot_work_gives_2() -> None:
    source = """
    from antiphon import Host

    async def main(host):
        await host.start(Talks())

    sys.exit(Host().run(main))
    """
    outcome = run(source)
    assert outcome.code == 2
    assert outcome.err.startswith("antiphon: open_session(Talks(") and outcome.err.count("\n") == 1


def test_a_session_that_fails_changes_nothing_of_the_programs_code() -> None:
    source = """
    from antiphon import Host

    @actor
    class Breaks(Actor):
        @on(TextFrame)
        def read(self, frame):
            raise LookupError("no page")

    async def main(host):
        session = await host.start(Pipeline(Talks(ends=False), Breaks(), max_restarts=0))
        await session.wait()
        print(type(session.outcome).__name__)

    sys.exit(Host().run(main))
    """
    outcome = run(source)
    assert (outcome.code, outcome.out) == (0, "ExceptionGroup\n")

"""A script around one session, run as a program of its own: exit codes, signals, and what stands on standard error."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest

TOP = """
import sys
from contextlib import asynccontextmanager

import trio

import antiphon
from antiphon import Actor, Address, After, Pipeline, actor, child, on
from antiphon.channels import EndFrame, EndWorkerFrame, StartFrame, TextFrame


@actor
class Talks(Actor):
    \"\"\"Says a word when it begins, then an end.\"\"\"

    word: str = "hello"
    ends: bool = True

    @on(StartFrame)
    def begin(self, frame):
        yield TextFrame(self.word)
        if self.ends:
            yield EndWorkerFrame()


@actor
class Tells(Actor):
    \"\"\"Tells this test that it is there.\"\"\"

    @on(StartFrame)
    def begin(self, frame):
        print("ready", flush=True)
"""


def program(source: str) -> list[str]:
    return [sys.executable, "-c", TOP + textwrap.dedent(source)]


@attrs.frozen
class Outcome:
    code: int
    out: str
    err: str


def run(source: str) -> Outcome:
    done = subprocess.run(program(source), capture_output=True, text=True, timeout=30)
    return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def begun(source: str) -> Iterator[subprocess.Popen[str]]:
    """The program, once it has said that it is ready."""
    with subprocess.Popen(program(source), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def outcome_of(child: subprocess.Popen[str]) -> Outcome:
    out, err = child.communicate(timeout=20)
    return Outcome(child.returncode, out, err)


def test_a_session_that_ends_gives_0_and_prints_nothing() -> None:
    assert run("sys.exit(antiphon.run(Pipeline(Talks())))") == Outcome(0, "", "")


FAILS = """
@actor
class Breaks(Actor):
    @on(TextFrame)
    def read(self, frame):
        raise LookupError("no page for " + frame.text)

sys.exit(antiphon.run(Pipeline(Talks({word!r}, ends=False), Breaks(), max_restarts=0)))
"""


@pytest.mark.parametrize(
    "words",
    [
        "actor 'breaks'",
        "TextFrame(text='hello'",
        "the first cause was LookupError: no page for hello",
        "in read",
    ],
)
def test_a_session_that_fails_gives_1_and_the_story_tells_actor_frame_and_first_cause(words: str) -> None:
    outcome = run(FAILS.format(word="hello"))
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err


def test_a_story_holds_no_secret() -> None:
    outcome = run(FAILS.format(word="api_key=abcd1234efgh"))
    assert outcome.code == 1
    assert "abcd1234efgh" not in outcome.err
    assert "api_key=***" in outcome.err


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            """
            @actor
            class Asks(Actor):
                other: Address = Address("nobody")

            sys.exit(antiphon.run(Pipeline(Asks())))
            """,
            "antiphon: Asks.other holds Address('nobody'), and no actor of this pipeline has that address. There are: asks.\n",
        ),
        (
            "sys.exit(antiphon.run(Talks()))",
            "antiphon: open_session(Talks(name=None, word='hello', ends=True)): give it a Pipeline,"
            " e.g. open_session(Pipeline(MyActor())).\n",
        ),
    ],
)
def test_a_pipeline_that_cannot_work_gives_2_and_one_line_that_says_why(source: str, told: str) -> None:
    assert run(source) == Outcome(2, "", told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_130_and_nothing_is_printed(number: signal.Signals) -> None:
    with begun("sys.exit(antiphon.run(Pipeline(Tells())))") as child:
        child.send_signal(number)
        assert outcome_of(child) == Outcome(130, "", "")


def test_a_signal_that_comes_while_a_lifespan_enters_gives_130_and_nothing_is_printed() -> None:
    source = """
    @actor
    class EntersForEver(Actor):
        @asynccontextmanager
        async def lifespan(self):
            print("ready", flush=True)
            await trio.sleep_forever()
            yield

    sys.exit(antiphon.run(Pipeline(EntersForEver())))
    """
    with begun(source) as child:
        child.send_signal(signal.SIGINT)
        assert outcome_of(child) == Outcome(130, "", "")


LEAVES_WHEN_TOLD = """
@actor
class LeavesWhenTold(Actor):
    @asynccontextmanager
    async def lifespan(self):
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                print("leaving", flush=True)
                await trio.to_thread.run_sync(sys.stdin.readline)

sys.exit(antiphon.run(Pipeline(child(LeavesWhenTold(), grace=20), Tells())))
"""


def test_a_second_signal_while_the_session_ends_changes_nothing() -> None:
    argv = program(LEAVES_WHEN_TOLD)
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            assert child.stdout is not None and child.stdin is not None
            assert child.stdout.readline() == "ready\n"
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "leaving\n"
            child.send_signal(signal.SIGINT)
            child.send_signal(signal.SIGTERM)
            assert outcome_of(child) == Outcome(130, "", "")
        finally:
            child.kill()


def test_a_signal_ends_an_actor_that_blocks_within_its_grace() -> None:
    source = """
    @actor
    class Blocks(Actor):
        @on(TextFrame)
        async def block(self, frame):
            print("ready", flush=True)
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.05)

    sys.exit(antiphon.run(Pipeline(Talks(ends=False), child(Blocks(), grace=5))))
    """
    with begun(source) as child:
        child.send_signal(signal.SIGINT)
        assert outcome_of(child) == Outcome(130, "", "")


def test_a_signal_tells_the_actors_why_the_session_is_cancelled() -> None:
    source = """
    from antiphon.channels import CancelFrame

    @actor
    class Hears(Actor):
        @on(StartFrame)
        def begin(self, frame):
            print("ready", flush=True)

        @on(CancelFrame)
        def hear(self, frame):
            print(frame.reason, flush=True)

    sys.exit(antiphon.run(Pipeline(Hears())))
    """
    with begun(source) as child:
        child.send_signal(signal.SIGTERM)
        assert outcome_of(child) == Outcome(130, "signal SIGTERM\n", "")


@pytest.mark.rule("LC4")
def test_code_that_never_awaits_is_named_with_its_stack() -> None:
    source = """
    @actor
    class Spins(Actor):
        @on(TextFrame)
        def spin(self, frame):
            while True:
                pass

    sys.exit(antiphon.run(Pipeline(Tells(), Talks(), Spins()), stall_timeout=0.5))
    """
    with begun(source) as child:
        limit = threading.Timer(20, child.kill)
        limit.start()
        assert child.stderr is not None
        told = next((line for line in child.stderr if line.rstrip().endswith("in spin")), "nothing, within 20 s")
        limit.cancel()
    assert told.startswith("  File "), told


def test_a_program_whose_loop_turns_hears_nothing_of_stacks() -> None:
    done = run("sys.exit(antiphon.run(Pipeline(Talks()), stall_timeout=0.5))")
    assert (done.code, done.err) == (0, "")

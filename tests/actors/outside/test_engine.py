"""Engines: real child processes, good ones and bad ones."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from antiphon import Actor, Pipeline, actor, on, open_session, state
from antiphon.actors import ConfigurationError, Engine, RemoteProtocolError, Unrecoverable
from antiphon.actors.outside.engine import FrameReader, WireMessage, encode_frame, open_engine
from antiphon.channels import StartFrame, TextFrame
from antiphon.scenarios import play
from tests.actors.programs import ECHO, READS_NOTHING, READY, STUBBORN, command_of, is_alive, open_files
from tests.watch import Watch

Program = Callable[[str], list[str]]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes the command of a program that ends with these lines."""

    return partial(command_of, tmp_path)


# ---- frames


def test_frames_are_read_however_they_are_cut() -> None:
    stream = encode_frame({"a": 1}) + encode_frame(b"\1\2") + encode_frame({"b": [None]})
    for size in range(1, len(stream)):
        reader = FrameReader()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [frame for piece in pieces for frame in reader.receive(piece)] == [{"a": 1}, b"\1\2", {"b": [None]}]


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (b"Hello, world", "announced a frame of 1214606444 bytes"),
        (bytes(4), "announced a frame of 0 bytes"),
        (b"\0\0\0\3Xab", "type b'X'"),
        (b"\0\0\0\3J{]", "isn't JSON: b'{]'"),
        (b"\0\0\0\3J[]", "JSON object"),
    ],
)
def test_what_is_no_frame_is_refused(stream: bytes, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match="engine") as caught:
        FrameReader().receive(stream)
    assert says in str(caught.value)


def test_a_frame_beyond_the_limit_is_not_even_made() -> None:
    with pytest.raises(ValueError, match="send it in pieces"):
        encode_frame(bytes(16 * 1024 * 1024))


# ---- a program that behaves


async def test_a_ready_program_answers_and_has_said_what_it_is(program: Program) -> None:
    async with open_engine(program(ECHO)) as engine:
        assert engine.ready == {"ready": {"engine": "test"}}
        engine.send_nowait({"a": "ä"})
        engine.send_nowait(b"\1\2\3\4")
        assert [await engine.receive(), await engine.receive()] == [{"a": "ä"}, b"\1\2\3\4"]


async def test_iterating_gives_what_the_program_says(program: Program) -> None:
    said: list[WireMessage] = []
    async with open_engine(program(READY + "say({'n': 1}); say(b'\\1\\2'); say({'n': 2}); hear()\n")) as engine:
        async for data in engine:
            said.append(data)
            if len(said) == 3:
                break
    assert said == [{"n": 1}, b"\1\2", {"n": 2}]


async def test_what_is_sent_arrives_in_order_and_whole_though_it_is_more_than_a_pipe_holds(program: Program) -> None:
    sent = [bytes([n % 256]) * 2 * n for n in range(1, 600)]
    async with open_engine(program(ECHO)) as engine:
        for audio in sent:
            engine.send_nowait(audio)
        assert [await engine.receive() for _ in sent] == sent


async def test_a_message_is_what_it_was_when_it_was_sent(program: Program) -> None:
    message = {"n": 1}
    async with open_engine(program(ECHO)) as engine:
        engine.send_nowait(message)
        message["n"] = 2
        assert await engine.receive() == {"n": 1}


async def test_what_json_can_not_hold_is_refused_when_it_is_sent(program: Program) -> None:
    async with open_engine(program(ECHO)) as engine:
        with pytest.raises(TypeError, match="JSON"):
            engine.send_nowait({"n": object()})


async def test_leaving_the_block_leaves_no_process_and_no_file(program: Program) -> None:
    before = open_files()
    async with open_engine(program(ECHO)) as engine:
        assert is_alive(engine.pid)
    assert not is_alive(engine.pid)
    assert open_files() == before


async def test_what_the_block_raises_comes_out_as_it_was(program: Program) -> None:
    class Mine(Exception): ...

    with pytest.raises(Mine) as caught:
        async with open_engine(program(ECHO)) as engine:
            raise Mine from KeyError("the cause")
    assert isinstance(caught.value.__cause__, KeyError)
    assert not is_alive(engine.pid)


# ---- programs that don't


async def test_a_program_that_is_not_there_is_the_authors_mistake() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere can't be started.*Is the program installed\?"):
        async with open_engine(["/nowhere"]):
            pass


@pytest.mark.parametrize(
    ("lines", "error", "says"),
    [
        ("print('Hello, world', flush=True); time.sleep(60)\n", RemoteProtocolError, "printed something else"),
        ("say({'hello': 1}); time.sleep(60)\n", RemoteProtocolError, "didn't say that it is ready but {'hello': 1}"),
        ("say(b'ab'); time.sleep(60)\n", RemoteProtocolError, "didn't say that it is ready but b'ab'"),
        ("say({'error': 'busy'})\n", RemoteProtocolError, "can't work: busy"),
        ("say({'error': 'no model', 'fatal': True})\n", Unrecoverable, "can't work: no model"),
        ("sys.exit('no library')\n", RemoteProtocolError, "ended with exit code 1; it said: no library"),
        ("os.kill(os.getpid(), 9)\n", RemoteProtocolError, "was ended by signal 9"),
        ("os.close(1); time.sleep(60)\n", RemoteProtocolError, "closed its output"),
        ("os.write(1, bytes([0, 0, 0, 99, 74])); sys.exit(3)\n", RemoteProtocolError, "ended with exit code 3"),
    ],
)
async def test_a_bad_beginning_is_told(program: Program, lines: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        async with open_engine(program(lines)):
            raise AssertionError("it was ready")
    assert says in str(caught.value)
    assert "engine.py" in str(caught.value)


async def test_a_program_that_is_never_ready_is_given_up_after_half_a_minute(
    program: Program, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(RemoteProtocolError, match="wasn't ready within 30 s"):
        async with open_engine(program("while True: time.sleep(1)\n")):
            raise AssertionError("it was ready")
    assert 30 <= trio.current_time() <= 31


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("hear(); print('garbage')\n", "printed something else"),
        ("hear(); os.write(1, (1 << 30).to_bytes(4, 'big')); time.sleep(60)\n", "a frame of 1073741824 bytes"),
        ("hear(); sys.exit(4)\n", "ended with exit code 4"),
        ("hear(); raise ValueError('lost my place')\n", "ValueError: lost my place"),
        ("hear(); os.kill(os.getpid(), signal.SIGSEGV)\n", "ended by signal 11"),
    ],
)
async def test_a_bad_end_is_told_with_what_the_program_said_last(program: Program, lines: str, says: str) -> None:
    async with open_engine(program(READY + lines)) as engine:
        engine.send_nowait({})
        with pytest.raises(RemoteProtocolError) as caught:
            await engine.receive()
    assert says in str(caught.value)


async def test_of_much_that_a_program_writes_as_errors_the_end_is_kept_and_it_never_blocks(program: Program) -> None:
    lines = READY + "hear(); sys.stderr.write('x' * 1_000_000 + ' the end'); sys.stderr.flush(); sys.exit(1)\n"
    async with open_engine(program(lines)) as engine:
        engine.send_nowait({})
        with pytest.raises(RemoteProtocolError, match=r"x the end$") as caught:
            await engine.receive()
    assert len(str(caught.value)) < 5000


async def test_writing_to_a_dead_program_fails_nobody_but_who_reads(program: Program) -> None:
    async with open_engine(program(ECHO)) as engine:
        os.kill(engine.pid, signal.SIGKILL)
        for _ in range(100):
            engine.send_nowait(bytes(2000))
        with pytest.raises(RemoteProtocolError, match="was ended by signal 9"):
            await engine.receive()


async def test_of_sound_that_is_not_read_the_oldest_is_shed_and_reported(program: Program) -> None:
    shed: list[bytes] = []
    chunks = [bytes([n]) * 1000 for n in range(200)]
    async with open_engine(program(READS_NOTHING), on_shed=shed.append, max_audio_bytes=10_000) as engine:
        for chunk in chunks:
            engine.send_nowait(chunk)
        # Nothing has been written yet: this task hasn't waited.
        assert shed == chunks[:190]


async def test_messages_between_the_sound_are_never_shed(program: Program) -> None:
    async with open_engine(program(ECHO), max_audio_bytes=2000) as engine:
        for n in range(100):
            engine.send_nowait({"n": n})
            engine.send_nowait(bytes([n]) * 1000)
        said = [await engine.receive() for _ in range(102)]
    assert [data for data in said if not isinstance(data, bytes)] == [{"n": n} for n in range(100)]
    assert [data for data in said if isinstance(data, bytes)] == [b"\x62" * 1000, b"\x63" * 1000]


async def test_one_piece_of_sound_beyond_the_limit_is_sent_all_the_same(program: Program) -> None:
    async with open_engine(program(ECHO), max_audio_bytes=10) as engine:
        engine.send_nowait(bytes(1000))
        assert await engine.receive() == bytes(1000)


async def test_a_program_that_leaves_its_messages_unread_is_told_of(program: Program) -> None:
    async with open_engine(program(READS_NOTHING)) as engine:
        for _ in range(1024):
            engine.send_nowait({})
        with pytest.raises(trio.WouldBlock, match="has left 1024 messages unread"):
            engine.send_nowait({})


@pytest.mark.parametrize(
    ("lines", "within"), [(ECHO, 0.0), (READS_NOTHING, 0.6), (STUBBORN, 0.6)], ids=["polite", "deaf", "stubborn"]
)
async def test_a_program_is_ended_within_an_actors_grace(
    program: Program, mock_clock: trio.testing.MockClock, lines: str, within: float
) -> None:
    async with open_engine(program(lines)) as engine:
        if within:
            # Only now: until here waiting for the program must not make time pass.
            mock_clock.autojump_threshold = 0
        began = trio.current_time()
    assert not is_alive(engine.pid)
    assert trio.current_time() - began <= within + 1e-9


async def test_a_cancelled_block_ends_its_program_too(program: Program) -> None:
    with trio.CancelScope() as scope:
        async with open_engine(program(ECHO)) as engine:
            scope.cancel()
            await engine.receive()
    assert not is_alive(engine.pid)


# ---- in an actor


@actor
class Speaker(Actor):
    """Gives each text to its engine, and what the engine says goes on as text."""

    command: tuple[str, ...]
    fails_at: str | None = None

    engine: Engine | None = state(None)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with self.outside.engine(self.command) as self.engine:
            self.start_soon(self.listen, self.engine)
            yield

    async def listen(self, engine: Engine) -> None:
        async for wire in engine:
            await self.push(TextFrame(str(wire)))

    @on(TextFrame)
    def speak(self, frame: TextFrame) -> None:
        assert self.engine is not None
        count = int(frame.text)
        for n in range(count):
            self.engine.send_nowait({"n": n})
        if frame.text == self.fails_at:
            raise ValueError("after it has spoken")


async def test_an_actors_engine_is_in_the_statistics_and_ends_with_the_session(program: Program) -> None:
    async with open_session(Pipeline(Speaker(tuple(program(ECHO))))) as session:
        await session.push(TextFrame("1"))
        async for frame in session.output:
            assert frame == TextFrame("{'n': 0}")
            break
        ((_, statistics),) = session.statistics().items()
        (pid,) = statistics.engines
        assert is_alive(pid)
    assert not is_alive(pid)


async def test_a_killed_engine_is_a_failure_of_its_actor_which_gets_another(program: Program) -> None:
    watch = Watch()
    async with open_session(Pipeline(Speaker(tuple(program(ECHO)))), observers=[watch]) as session:
        frames = aiter(session.output)
        pids: list[int] = []
        for count in (1, 2):
            await session.push(TextFrame("1"))
            assert await anext(frames) == TextFrame("{'n': 0}")
            ((_, statistics),) = session.statistics().items()
            pids += statistics.engines
            os.kill(pids[-1], signal.SIGKILL)
            await watch.until(lambda count=count: len(watch.restarts) == count)  # type: ignore[misc]  # a lambda with a default
    assert len(set(pids)) == 2
    assert ["was ended by signal 9" in str(failure.error) for failure in watch.failures] == [True, True]
    assert not any(map(is_alive, pids))


async def test_too_many_messages_fail_the_handler_that_sends_them(program: Program) -> None:
    watch = Watch()
    async with open_session(Pipeline(Speaker(tuple(program(READS_NOTHING)))), observers=[watch]) as session:
        await session.push(TextFrame("1025"))
        await watch.until(lambda: len(watch.failures) == 2)
        await session.push(TextFrame("1"))
    assert [type(failure.error) for failure in watch.failures] == [trio.WouldBlock] * 2
    assert [dropped.reason for dropped in watch.dropped_ones] == ["poison"]


async def test_a_handler_that_fails_has_sent_nothing(program: Program, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    lines = READY + f"while True: open({str(noted)!r}, 'a').write(f'{{hear()}}\\n'); say({{}})\n"
    watch = Watch()
    pipeline = Pipeline(Speaker(tuple(program(lines)), fails_at="2"))
    async with open_session(pipeline, observers=[watch]) as session:
        frames = aiter(session.output)
        await session.push(TextFrame("2"))
        await watch.until(lambda: len(watch.failures) == 2)
        await session.push(TextFrame("1"))
        await anext(frames)
    assert noted.read_text() == "{'n': 0}\n"


async def test_shed_sound_is_reported_as_dropped(program: Program) -> None:
    @actor
    class Pours(Actor):
        command: tuple[str, ...]
        engine: Engine | None = state(None)

        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            async with self.outside.engine(self.command, max_audio_bytes=1000) as self.engine:
                yield

        @on(TextFrame)
        def pour(self, frame: TextFrame) -> TextFrame:
            assert self.engine is not None
            for n in range(3):
                self.engine.send_nowait(bytes([n]) * 1000)
            return frame

    watch = Watch()
    async with open_session(Pipeline(Pours(tuple(program(READS_NOTHING)))), observers=[watch]) as session:
        frames = aiter(session.output)
        await session.push(TextFrame("now"))
        await anext(frames)
    assert [(each.reason, each.delivery.frame) for each in watch.dropped_ones] == [
        ("shed", bytes(1000)),
        ("shed", b"\1" * 1000),
    ]


async def test_a_session_with_a_stubborn_engine_ends_within_the_grace_of_its_actor(
    program: Program, mock_clock: trio.testing.MockClock
) -> None:
    watch = Watch()
    async with open_session(Pipeline(Speaker(tuple(program(STUBBORN)))), observers=[watch]) as session:
        await watch.until(lambda: any(isinstance(each.frame, StartFrame) for each in watch.deliveries))
        ((_, statistics),) = session.statistics().items()
        mock_clock.rate = 0.2  # a second of grace is five of the machine, which may be busy
        began = trio.current_time()
        await session.cancel()
        assert 0.6 <= trio.current_time() - began < 1.0
    assert watch.stalls == []
    assert not is_alive(statistics.engines[0])


def test_a_play_has_no_engines() -> None:
    trace = play(Pipeline(Speaker(("anything",))), [])
    assert isinstance(trace.ended, BaseException)
    assert "a play has no outside" in str(trace.failures[0].error)

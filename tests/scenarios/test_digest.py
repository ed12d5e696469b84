"""One seed, one trace: the digest is the same in each process, whatever its hashes are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs

from antiphon.scenarios.trace import digest_of

PROGRAM = """
import trio
from antiphon import Actor, After, Interrupt, Pipeline, To, Up, actor, durable, on
from antiphon.channels import InputTextRawFrame, TextFrame
from antiphon.scenarios import Kill, Sleep, play

@actor
class Echo(Actor):
    seen: frozenset[str] = durable(frozenset())

    @on(TextFrame)
    async def echo(self, frame):
        self.seen |= {frame.text}
        await trio.sleep(self.random.random())
        await self.push(frame)
        await self.push(Up(TextFrame(f"{self.random.random()}")))

    @on(InputTextRawFrame)
    def cut(self, frame):
        yield After(0.3, frame.text)
        yield Interrupt()

    @on(str)
    def late(self, message):
        yield TextFrame(f"late {message}")

script = [TextFrame(letter) for letter in "abcdef"] + [InputTextRawFrame("stop"), Kill("echo"), Sleep(1), TextFrame("g")]
for seed in (1, 2):
    print(play(Pipeline(Echo(), Echo(), Echo()), script, seed=seed).digest)
"""


def digests(hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )
    return done.stdout.split()


def test_equal_seeds_give_equal_digests_in_processes_with_different_hashes() -> None:
    first, second, third = (digests(hash_seed) for hash_seed in ("0", "1", "4242"))
    assert first == second == third


def test_another_seed_gives_another_trace() -> None:
    one, two = digests("0")
    assert one != two


def test_an_object_that_tells_only_where_it_lies_does_not_change_a_digest() -> None:
    class Judge: ...

    assert digest_of([Judge()]) == digest_of([Judge()])
    assert digest_of([Judge()]) != digest_of([object()])


@attrs.frozen
class Remembers:
    """A value with something kept beside it, which is no part of it."""

    number: int
    cache: object = attrs.field(factory=object, eq=False, repr=False)


def test_what_is_no_part_of_a_value_is_not_in_the_digest() -> None:
    assert digest_of(Remembers(1)) == digest_of(Remembers(1))
    assert digest_of(Remembers(1)) != digest_of(Remembers(2))

"""Actors that play the parts of a plan, and write down what they do."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import trio

from antiphon.actors import (
    Actor,
    After,
    Both,
    Down,
    Effect,
    Effects,
    Finish,
    Immune,
    Interrupt,
    To,
    Up,
    actor,
    durable,
    on,
    state,
)
from antiphon.channels.frames import Frame, InterruptionFrame

from .log import Assigned, Began, Entered, Entry, Finished, Log, Sent, Started, Work, short
from .plan import Act, Letter, Note, Part, Shout, Tick, Vow, Word

__all__ = ["Mishap", "player"]

SENDS = ("pass", "send", "letter", "arm", "disarm", "interrupt", "finish")


class Mishap(Exception):
    """A crash of the plan."""


@actor
class Player(Actor):
    """Does what its part says."""

    part: Part
    log: Log
    memory: tuple[int, ...] = durable(())
    begun: int = state(0)


def player(part: Part, log: Log) -> Player:
    """The actor of a part."""
    modes = tuple(
        sorted(((kind, each.is_async) for kind, each in part.handlings.items()), key=lambda pair: pair[0].__name__)
    )
    return _class_for(modes, part.life is not None)(part, log, name=part.name)


@cache
def _class_for(modes: tuple[tuple[type, bool], ...], has_life: bool) -> type[Player]:
    members: dict[str, Any] = {"__module__": __name__, "__annotations__": {}}
    for kind, is_async in modes:
        members[f"handle_{kind.__name__}"] = on(kind)(_async_handler() if is_async else _plain_handler())
    if has_life:
        members["lifespan"] = _live
    return actor(type("SomePlayer", (Player,), members))


def _plain_handler() -> Callable[[Player, object], Effects]:
    def handle(self: Player, item: object) -> Effects:
        return _play_plain(self, item)

    return handle


def _async_handler() -> Callable[[Player, object], Any]:
    async def handle(self: Player, item: object) -> Effects:
        return await _play(self, item)

    return handle


# ---- plain handlers


def _play_plain(self: Player, item: object) -> Effects:
    effects = _effects(self, item)
    form = self.part.handlings[type(item)].form
    if form == "generator":
        return effects
    given = list(effects)
    return given if form == "list" or len(given) > 1 else given[0] if given else None


def _effects(self: Player, item: object) -> Iterator[Effect]:
    log = self.log
    work, acts, tries, slips = _begin(self, item, is_async=False)
    entries: list[Entry] = []
    started: list[Entry] = []
    for act in acts:
        if act.do in ("raise", "bad", "spoil") and log.may_crash(tries <= act.number):
            log.write(Finished(work, "raised"))
            if act.do == "raise":
                raise Mishap(f"{work.actor}, try {tries}")
            if act.do == "bad":
                yield Letter(0, 0)  # type: ignore[misc]  # a bare message is no effect
            else:
                self.memory = [0]  # type: ignore[assignment]  # mutable, so not durable
            return
        if act.do == "assign":
            before = self.memory
            self.memory = (*before, work.number)
            entries.append(Assigned(work, before, self.memory, True))
        elif act.do == "ring":
            log.bell.unpark_all()
        elif act.do == "task":
            task = _task(self, work, act)
            started.append(Started(task, True))
            self.start_soon(_perform_task, self, task, act.acts, interruptible=act.interruptible)
        elif act.do in SENDS and (made := _make(self, work, act)) is not None:
            entries.append(Sent(work, act, made, True, log.now()))
            yield _effect(log, act, made)
    if slips:
        log.write(Finished(work, "raised"))
        raise Mishap(f"{work.actor} slips on {item!r}")
    # A plain handler's tasks start when its effects have happened.
    for entry in (*entries, *started):
        log.write(entry)
    log.write(Finished(work, "done"))


# ---- async handlers


async def _play(self: Player, item: object) -> Effects:
    log = self.log
    work, acts, tries, slips = _begin(self, item, is_async=True)
    try:
        returned = await _perform(self, work, acts, tries)
        if slips:
            raise Mishap(f"{work.actor} slips on {item!r}")
    except trio.Cancelled:
        if any(act.do == "stumble" and log.may_crash(tries <= act.number) for act in acts):
            log.write(Finished(work, "raised"))
            raise Mishap(f"{work.actor} stumbles") from None
        log.write(Finished(work, "cut"))
        raise
    except Exception:
        log.write(Finished(work, "raised"))
        raise
    for act, made in returned:
        log.write(Sent(work, act, made, _is_alive(), log.now()))
    log.write(Finished(work, "done"))
    return [_effect(log, act, made) for act, made in returned] or None


async def _perform(self: Player, work: Work, acts: tuple[Act, ...], tries: int) -> list[tuple[Act, object]]:
    """Do what the acts say. Returns what the handler will return instead of pushing it."""
    log = self.log
    handling = None if work.item is None else self.part.handlings[type(work.item)]
    pushes = handling is None or handling.form != "list"
    returned: list[tuple[Act, object]] = []
    for act in acts:
        match act.do:
            case "raise" if log.may_crash(tries <= act.number):
                raise Mishap(f"{work.actor}, try {tries}")
            case "bad" if log.may_crash(tries <= act.number):
                await self.push(Letter(0, 0))  # type: ignore[arg-type]  # a bare message is no effect
            case "sleep":
                await trio.sleep(act.seconds)
            case "pause":
                await trio.lowlevel.checkpoint()
            case "ring":
                log.bell.unpark_all()
            case "wait":
                with trio.move_on_after(act.seconds):
                    await log.bell.park()
            case "hang":
                await trio.sleep_forever()
            case "assign":
                before = self.memory
                # Written first: the assignment holds at once.
                log.write(Assigned(work, before, (*before, work.number), _is_alive()))
                self.memory = (*before, work.number)
            case "task":
                task = _task(self, work, act)
                alive = _is_alive()
                log.write(Started(task, alive))
                if alive:
                    self.start_soon(_perform_task, self, task, act.acts, interruptible=act.interruptible)
            case do if do in SENDS:
                made = _make(self, work, act)
                if made is None:
                    continue
                if not pushes:
                    returned.append((act, made))
                    continue
                epoch = self.epoch
                if act.at is None:
                    log.write(Sent(work, act, made, _is_alive(), log.now(), None, epoch))
                    await _push(self, work, _effect(log, act, made))
                    continue
                at = max(epoch - act.at, 0)
                with self.at(at):
                    log.write(Sent(work, act, made, _is_alive(), log.now(), at, epoch))
                    await _push(self, work, _effect(log, act, made))
            case _:
                pass
    return returned


async def _push(self: Player, work: Work, effect: Effect) -> None:
    self.log.pushing.add(work)
    try:
        await self.push(effect)
    finally:
        self.log.pushing.discard(work)


async def _perform_task(self: Player, task: Work, acts: tuple[Act, ...]) -> None:
    self.log.write(Began(task, None))
    key = (task.actor, acts)
    self.log.tries[key] = tries = self.log.tries.get(key, 0) + 1
    try:
        await _perform(self, task, acts, tries)
    except trio.Cancelled:
        self.log.write(Finished(task, "cut"))
        raise
    except Exception:
        self.log.write(Finished(task, "raised"))
        raise
    self.log.write(Finished(task, "done"))


def _task(self: Player, parent: Work | None, act: Act) -> Work:
    log, name = self.log, self.part.name
    interruptible = parent is not None if act.interruptible is None else act.interruptible
    return Work(name, None, True, interruptible, parent, parent is None, log.count(log.numbers, name))


def _is_alive() -> bool:
    """Whether nobody has cancelled what runs here."""
    return trio.current_effective_deadline() > -math.inf


# ---- life


@asynccontextmanager
async def _live(self: Player) -> AsyncIterator[None]:
    life, log, name = self.part.life, self.log, self.part.name
    assert life is not None
    log.write(Entered(name, "enter"))
    await _sleep(life.enter)
    if log.count(log.lives, name) <= life.fails:
        raise Mishap(f"{name} can't enter")
    if life.acts:
        act = Act("task", acts=life.acts)
        task = _task(self, None, act)
        log.write(Started(task, True))
        self.start_soon(_perform_task, self, task, act.acts)
    log.write(Entered(name, "entered"))
    yield
    log.write(Entered(name, "leave"))
    await _sleep(life.leave)
    log.write(Entered(name, "left"))


async def _sleep(seconds: float) -> None:
    if seconds == math.inf:
        await trio.sleep_forever()
    elif seconds:
        await trio.sleep(seconds)


# ---- what both do


def _begin(self: Player, item: object, *, is_async: bool) -> tuple[Work, tuple[Act, ...], int, bool]:
    """What is at work, what it does, the how manieth time, and whether it raises at its end."""
    log, name = self.log, self.part.name
    work = Work(name, item, is_async, number=log.count(log.numbers, name))
    log.write(Began(work, None if self.sender is None else short(self.sender), self.begun))
    self.begun += 1
    slips = log.slips_on(name, item)
    scripts = self.part.handlings[type(item)].scripts
    tag = getattr(item, "tag", 0)
    key = (name, type(item), tag, getattr(item, "number", 0))
    log.tries[key] = tries = log.tries.get(key, 0) + 1
    return work, scripts[tag % len(scripts)], tries, slips


def _make(self: Player, work: Work, act: Act) -> object | None:
    """The frame or message of an act; None when nothing is made, for want of energy."""
    if act.do == "pass":
        return work.item if isinstance(work.item, (Word, Note, Vow, Shout)) else None
    if act.do == "finish":
        return act if self.log.may_crash(True) else None
    source = work
    while source.item is None and source.parent is not None:
        source = source.parent
    energy = getattr(source.item, "energy", 1)
    # What an interruption starts may not interrupt: it would go on for ever.
    if energy < 1 or (act.do == "interrupt" and isinstance(source.item, InterruptionFrame) and source is not work):
        return None
    if act.do == "interrupt":
        return act
    if act.do in ("arm", "disarm"):
        return Tick(act.number, energy - 1)
    work.made += 1
    # Unlike all other tags, and the same in each run of a plan as far as the same things happen.
    tag = getattr(work.item, "tag", None) or 1_000_000_000 + work.number
    tag = (tag * 8 + self.part.index) * 16 + work.made
    return Letter(tag, energy - 1) if act.do == "letter" else act.kind(tag, energy - 1)


def _effect(log: Log, act: Act, made: object) -> Effect:
    if act.do == "interrupt":
        return Interrupt()
    if act.do == "finish":
        return Finish()
    if act.do == "letter":
        return To(log.address(act.target), made)
    if act.do in ("arm", "disarm"):
        return After(act.seconds if act.do == "arm" else None, made)
    assert isinstance(made, Frame)
    if act.do == "pass" or act.way == "on":
        return Immune(made) if act.immune else made
    effect = Up(made) if act.way == "up" else Down(made) if act.way == "down" else Both(made)
    return Immune(effect) if act.immune else effect

"""Brings a pipeline to its place in a session: a cell for each actor, a supervisor for each pipeline, and the ways between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from .actor import Actor, fields_of
from .cell import Cell
from .effects import Address
from .errors import ConfigurationError
from .node import Forks, Node
from .pipeline import Child, Group, Parallel, Pipeline
from .supervisor import Supervisor

if TYPE_CHECKING:
    from .session import Session


def build(session: Session, pipeline: Pipeline) -> None:
    """Raises `ConfigurationError` for a pipeline that can't work."""
    dispatcher = session.dispatcher
    builder = _Builder(session, pipeline.addresses)
    supervisor = builder.supervisor(Child(pipeline), None)
    _link(builder.line(supervisor, pipeline, dispatcher.source), dispatcher.sink)
    dispatcher.sink.index = len(dispatcher.cells)
    for cell in dispatcher.cells:
        _check_references(session, cell.template)


class _Builder:
    def __init__(self, session: Session, addresses: Mapping[int, Address]) -> None:
        self.session = session
        self.addresses = addresses

    def supervisor(self, child: Child, parent: Supervisor | None) -> Supervisor:
        assert isinstance(child.of, Group)
        if parent is not None and isinstance(child.of, Pipeline) and child.of.is_listened_to:
            raise ConfigurationError(
                f"{Supervisor.title_of(child.of)} stands inside another one, so its events are never fired: they tell of a"
                " session. Say on_event of the pipeline that is opened."
            )
        made = Supervisor(self.session, child.of, child, parent)
        if parent is not None:
            parent.units.append(made)
        return made

    def line(self, supervisor: Supervisor, pipeline: Group, above: Node) -> Node:
        """The children of a pipeline, one after the other, behind `above`. Returns the last node."""
        for child in pipeline.children:
            if not isinstance(child.of, Group):
                node: Node = self.cell(supervisor, child, child.of)
                _link(above, node)
                above = node
            elif isinstance(child.of, Parallel):
                above = self.branches(self.supervisor(child, supervisor), child.of, above)
            else:
                above = self.line(self.supervisor(child, supervisor), child.of, above)
        return above

    def branches(self, supervisor: Supervisor, parallel: Parallel, above: Node) -> Node:
        forks = Forks(self.session.dispatcher, parallel.name or "parallel", len(self.session.dispatcher.cells))
        _link(above, forks.top)
        for child in parallel.children:
            assert isinstance(child.of, Pipeline)
            last = self.line(self.supervisor(child, supervisor), child.of, forks.top)
            is_empty = last is forks.top
            forks.top.inner.append(forks.bottom if is_empty else forks.top.down)
            forks.bottom.inner.append(last)
            if not is_empty:
                last.down = forks.bottom
        forks.bottom.index = len(self.session.dispatcher.cells)
        return forks.bottom

    def cell(self, supervisor: Supervisor, child: Child, template: Actor) -> Cell:
        dispatcher = self.session.dispatcher
        cell = Cell(self.session, child, template, self.addresses[id(template)], len(dispatcher.cells), supervisor)
        supervisor.units.append(cell)
        dispatcher.cells.append(cell)
        dispatcher.book[cell.address.name] = cell
        dispatcher.templates[id(template)] = cell
        return cell


def _link(above: Node, below: Node) -> None:
    above.down = below
    below.up = above


def _check_references(session: Session, template: Actor) -> None:
    book, templates = session.dispatcher.book, session.dispatcher.templates
    for field in fields_of(type(template)):
        where = f"{type(template).__name__}.{field.name}"
        for found in _references_in(getattr(template, field.name)) if field.init else ():
            if isinstance(found, Actor):
                raise ConfigurationError(
                    f"{where} holds an actor, {found!r}, but actors know each other by address. Write its `.address`."
                )
            if found.name not in book if found.template is None else id(found.template) not in templates:
                raise ConfigurationError(
                    f"{where} holds {found!r}, and no actor of this pipeline has that address."
                    f" There are: {', '.join(book)}."
                )


def _references_in(value: object) -> Iterator[Address | Actor]:
    """Whom a value of configuration refers to, also inside tuples, lists, sets and dicts."""
    if isinstance(value, (Address, Actor)):
        yield value
    elif isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value)
        yield from _references_in([*items.keys(), *items.values()])
    elif isinstance(value, (tuple, list, set, frozenset)):
        for each in cast("Iterable[object]", value):
            yield from _references_in(each)

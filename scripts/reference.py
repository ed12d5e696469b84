"""Writes docs/reference/ from the docstrings: a page for each package, one for frames, services, transports, engines.

    python scripts/reference.py            # write the pages; `make fix` does it
    python scripts/reference.py --check    # say which pages are out of date; exit code 1 if any is

It reads the source and imports nothing, so the pages are the same on each machine and for each Python.

What a page tells of a class: its public fields and properties, and its public methods that have a docstring. Methods
below a line `# ---- what the runtime calls` are nobody else's, and no page tells of them.
"""

import argparse
import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import attrs

__all__ = ["Definition", "find", "main", "offered", "outdated", "pages", "section"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
WIDTH = 100
"""A signature longer than this is written an argument a line."""

NOTE = "<!-- Written by scripts/reference.py from the docstrings. Change those, then run `make fix`. -->\n"


# --- finding what a name means


@attrs.frozen(eq=False)
class Definition:
    """Where a name gets its meaning."""

    name: str
    path: Path
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign
    doc: str
    """The docstring, or the string below an assignment."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def documented(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement with the string that stands below it, if any; those inside an `if` count as well."""
    for number, node in enumerate(body):
        if isinstance(node, ast.If):
            yield from documented(node.body)
            yield from documented(node.orelse)
            continue
        match body[number + 1 : number + 2]:
            case [ast.Expr(value=ast.Constant(value=str(text)))]:
                yield node, " ".join(text.split())
            case _:
                yield node, ""


@cache
def find(path: Path, name: str) -> Definition:
    """The definition of a name that a module has or imports from one of ours. Raises `LookupError` without one."""
    imports: list[tuple[ast.ImportFrom, str]] = []
    assigned: Definition | None = None
    for node, below in documented(parsed(path).body):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if node.name == name:
                if not is_overload(node):
                    return Definition(name, path, node, ast.get_docstring(node) or "")
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                if target == name:
                    assigned = Definition(name, path, node, below)
            case ast.ImportFrom():
                imports += [(node, alias.name) for alias in node.names if (alias.asname or alias.name) == name]
            case _:
                pass
    if assigned is not None:
        return assigned
    for node, original in imports:
        if node.level:
            return find(imported_path(path, node), original)
    raise LookupError(f"{path.relative_to(ROOT)} has no {name}, and imports none from a module of ours.")


def imported_path(path: Path, node: ast.ImportFrom) -> Path:
    """The file of a relative import."""
    folder = path.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    target = folder.joinpath(*(node.module or "").split("."))
    return (target / "__init__.py" if target.is_dir() else target.with_suffix(".py")).resolve()


def offered(init: Path) -> list[str]:
    """The names that a package's `__init__` re-exports, or that a module's `__all__` promises."""
    for node in parsed(init).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return [
        alias.asname or alias.name
        for node in parsed(init).body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    ]


def is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return "overload" in decorators(node)


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[str]:
    """The names of the decorators, without their arguments."""
    return [ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]


def bases_of(found: Definition) -> Iterator[Definition]:
    """The classes of ours that a class is derived from, nearest first, each as often as it is met."""
    assert isinstance(found.node, ast.ClassDef)
    for base in found.node.bases:
        name = ast.unparse(base).split("[")[0]
        try:
            above = find(found.path, name)
        except LookupError:
            continue
        if isinstance(above.node, ast.ClassDef):
            yield above
            yield from bases_of(above)


def parts_of(found: Definition) -> list[ast.ClassDef]:
    """A class, and before it those of its bases that no module offers: on the page they are the same."""
    hidden = [base for base in bases_of(found) if base.name not in offered(base.path)]
    return [each.node for each in (*reversed(hidden), found) if isinstance(each.node, ast.ClassDef)]


# --- fields


@attrs.frozen
class Field:
    """One field of a class."""

    name: str
    type: str
    default: str | None
    by_name: bool
    kind: str
    """`durable`, `state`, `made` for what isn't given, or nothing."""
    doc: str

    @property
    def is_public(self) -> bool:
        return not self.name.startswith("_")


def fields_of(node: ast.ClassDef) -> list[Field]:
    """The public fields that a class itself declares, an enum's members among them."""
    found: list[Field] = []
    for statement, doc in documented(node.body):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                if not ast.unparse(annotation).startswith("ClassVar"):
                    found.append(field(name, ast.unparse(annotation).strip("'\""), value, doc))
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_enum(node):
                found.append(Field(name, "", ast.unparse(value), False, "", doc))
            case _:
                pass
    return [each for each in found if each.is_public]


def is_enum(node: ast.ClassDef) -> bool:
    return any("Enum" in ast.unparse(base) for base in node.bases)


def field(name: str, type_: str, value: ast.expr | None, doc: str) -> Field:
    if not isinstance(value, ast.Call):
        return Field(name, type_, None if value is None else ast.unparse(value), False, "", doc)
    function = ast.unparse(value.func)
    options = {each.arg: each.value for each in value.keywords if each.arg}
    default = options.get("default", value.args[0] if value.args and function in ("state", "durable") else None)
    text = None if default is None else ast.unparse(default)
    if "factory" in options:
        factory = ast.unparse(options["factory"])
        text = "{}" if factory.startswith("dict") else "[]" if factory.startswith("list") else f"{factory}()"
    if function not in ("attrs.field", "json_field", "state", "durable"):
        text = ast.unparse(value)
    if function == "json_field" and type_ == "Any":
        type_ = "JSON"
    by_name = "kw_only" in options and ast.unparse(options["kw_only"]) == "True"
    # Said for type checkers: the class itself takes it by position as well.
    by_name = by_name and "BY_NAME_BELOW" not in ast.unparse(value)
    is_made = "init" in options and ast.unparse(options["init"]) == "False"
    kind = function if function in ("state", "durable") else "made" if is_made else ""
    return Field(name, type_, text, by_name, kind, doc)


def in_words(field_: Field) -> str:
    """A field as it stands in a signature."""
    return field_.name if field_.default is None else f"{field_.name}={field_.default}"


# --- signatures


def laid_out(before: str, arguments: Sequence[str], after: str) -> str:
    line = f"{before}({', '.join(arguments)}){after}"
    if len(line) <= WIDTH:
        return line
    return f"{before}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){after}"


def function_signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, *, is_method: bool) -> str:
    given = node.args
    static = "staticmethod" in decorators(node)
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    arguments = [argument(each, default) for each, default in zip(positional, defaults, strict=True)]
    if is_method and not static:
        arguments = arguments[1:]
    if given.vararg:
        arguments.append("*" + argument(given.vararg, None))
    elif given.kwonlyargs:
        arguments.append("*")
    arguments += [argument(each, default) for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        arguments.append("**" + argument(given.kwarg, None))
    before = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    if "asynccontextmanager" in decorators(node):
        before = "async with "
    elif "contextmanager" in decorators(node):
        before = "with "
    returned = "" if node.returns is None else ast.unparse(node.returns).strip("'\"")
    if before.endswith("with "):
        returned = returned.partition("[")[2].removesuffix("]")
        after = f" as {returned}" if returned != "None" else ""
    else:
        after = f" -> {returned}" if returned else ""
    return laid_out(before + name, arguments, after)


def argument(given: ast.arg, default: ast.expr | None) -> str:
    text = given.arg
    if given.annotation is not None:
        text += ": " + ast.unparse(given.annotation).strip("'\"")
    if default is not None:
        text += f" = {ast.unparse(default)}" if given.annotation is not None else f"={ast.unparse(default)}"
    return text


def class_signature(found: Definition) -> str | None:
    """How an instance is made; None for what users don't make."""
    node = found.node
    assert isinstance(node, ast.ClassDef)
    if "Made by" in found.doc:
        return None
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            signature = function_signature(each, found.name, is_method=True)
            return signature.removesuffix(" -> None")
    makers = {"attrs.frozen", "attrs.define", "actor"}
    if not makers & set(decorators(node)):
        return None
    declared = {each.name: each for part in parts_of(found) for each in fields_of(part)}
    init = [each for each in declared.values() if not each.kind]
    ordered = [in_words(each) for each in init if not each.by_name]
    named = [in_words(each) for each in init if each.by_name]
    return laid_out(found.name, [*ordered, *(["*", *named] if named else [])], "")


# --- pages


def code(text: str) -> str:
    """Text as code inside a table's cell."""
    return f"`{text}`".replace("|", "\\|")


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def fenced(text: str) -> str:
    return f"```text\n{text}\n```\n\n"


def paragraph(text: str) -> str:
    return f"{text.strip()}\n\n" if text.strip() else ""


def section(found: Definition) -> str:
    """What a page says about one name."""
    head = f"### `{found.name}`\n\n"
    match found.node:
        case ast.ClassDef():
            return head + class_section(found)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return head + fenced(function_signature(found.node, found.name, is_method=False)) + paragraph(found.doc)
        case ast.Assign(value=ast.Call(func=ast.Name(id=maker), args=[])):
            # An instance of a class that is called like a function.
            call = next(
                each
                for each in class_body(find(found.path, maker))
                if isinstance(each, ast.FunctionDef) and each.name == "__call__"
            )
            return (
                head
                + fenced(function_signature(call, found.name, is_method=True))
                + paragraph(ast.get_docstring(call) or "")
            )
        case ast.Assign(value=value) | ast.AnnAssign(value=value):
            assert value is not None
            return head + fenced(f"{found.name} = {ast.unparse(value)}") + paragraph(found.doc)


def class_body(found: Definition) -> Sequence[ast.stmt]:
    assert isinstance(found.node, ast.ClassDef)
    return found.node.body


def class_section(found: Definition) -> str:
    node = found.node
    assert isinstance(node, ast.ClassDef)
    bases = [ast.unparse(base) for base in node.bases]
    known = ", ".join(f"`{base}`" for base in bases if base not in ("Actor", "Protocol"))
    signature = class_signature(found)
    text = fenced(signature) if signature is not None else ""
    text += paragraph(found.doc)
    text += paragraph(f"A subclass of {known}." if known and not is_enum(node) else "")
    text += paragraph("A protocol: whatever has these methods will do." if is_protocol(node) else "")
    if "actor" in decorators(node):
        handled = ", ".join(f"`{kind}`" for kind in handled_by(found) if not kind.startswith("_"))
        text += paragraph(f"Handles {handled}." if handled else "")
    shown = [each for each in fields_of(node) if each.kind != "state" and (each.doc or each.kind != "durable")]
    if is_enum(node):
        text += table(["member", "meaning"], ([code(each.name), cell(each.doc)] for each in shown))
    elif shown:
        rows = ([code(each.name), code(each.type), cell(with_kind(each))] for each in shown)
        text += table(["field", "type", "meaning"], rows)
    return text + "".join(map(method, methods_of(found)))


def methods_of(found: Definition) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The methods and properties that a page tells of."""
    assert isinstance(found.node, ast.ClassDef)
    handlers = {each.name for each in handlers_in(found.node)}
    lines = found.path.read_text().splitlines()
    own = range(found.node.lineno, (found.node.end_lineno or 0) + 1)
    end = next((n for n in own if lines[n - 1].strip() == "# ---- what the runtime calls"), own.stop)
    for each in found.node.body:
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) or each.lineno > end:
            continue
        told = ast.get_docstring(each) or "property" in decorators(each) or is_protocol(found.node)
        if told and not each.name.startswith("_") and each.name not in handlers and not is_overload(each):
            yield each


def is_protocol(node: ast.ClassDef) -> bool:
    return "Protocol" in [ast.unparse(base) for base in node.bases]


def with_kind(field_: Field) -> str:
    return f"Durable. {field_.doc}" if field_.kind == "durable" else field_.doc


def handlers_in(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and "on" in decorators(each):
            yield each


def handled_by(found: Definition) -> list[str]:
    """The types that an actor's handlers name, in order."""
    own = [
        ast.unparse(kind)
        for part in parts_of(found)
        for handler in handlers_in(part)
        for decorator in handler.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "on"
        for kind in decorator.args
    ]
    return list(dict.fromkeys(own))


def method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    doc = paragraph(ast.get_docstring(node) or "")
    if "property" in decorators(node):
        returned = "" if node.returns is None else ": " + ast.unparse(node.returns).strip("'\"")
        return f"#### `{node.name}`\n\n" + fenced(f"{node.name}{returned}") + doc
    return f"#### `{node.name}`\n\n" + fenced(function_signature(node, node.name, is_method=True)) + doc


def first_paragraph(path: Path) -> str:
    return (ast.get_docstring(parsed(path)) or "").partition("\n\n")[0]


def first_sentence(text: str) -> str:
    """Up to the first full stop before a capital letter; `e.g.` ends no sentence."""
    joined = " ".join(text.partition("\n\n")[0].split())
    found = re.search(r"\.(?= [A-Z])", joined)
    return joined if found is None else joined[: found.end()]


def module_sections(paths: Iterable[Path], names: Sequence[str], *, init: Path) -> str:
    """A section for each module that defines some of the names, in the order of their definition."""
    by_path: dict[Path, list[Definition]] = {path: [] for path in paths}
    for name in names:
        found = find(init, name)
        if found.path in by_path:
            by_path[found.path].append(found)
    text = ""
    for path, found_here in by_path.items():
        if found_here:
            text += f"## {path.stem.replace('_', ' ')}\n\n" + paragraph(first_paragraph(path))
            text += "".join(map(section, sorted(found_here, key=lambda each: each.node.lineno)))
    return text


@cache
def package_page(folder: str) -> str:
    """A package's names, by the modules that define them."""
    init = ROOT / folder / "__init__.py"
    title = folder.replace("/", ".").removeprefix("antiphon.")
    names = [name for name in offered(init) if not (init.parent / name / "__init__.py").is_file()]
    text = f"# antiphon.{title}\n\n{NOTE}\n" + paragraph(ast.get_docstring(parsed(init)) or "")
    paths = [find(init, name).path for name in names]
    own = [path for path in dict.fromkeys(paths) if path.is_relative_to(ROOT / folder) and not is_frames(path)]
    if folder == "channels":
        text += "The frames have [a page of their own](frames.md).\n\n"
    foreign = [f"`{name}`" for name in names if not find(init, name).path.is_relative_to(ROOT / folder)]
    if foreign:
        text += f"It offers {', '.join(foreign)} of another package as well.\n\n"
    return text + module_sections(own, names, init=init)


def is_frames(path: Path) -> bool:
    return path.parent == ROOT / "channels" / "frames"


def front_page() -> str:
    """The names of the front door, and where each is told of."""
    init = ROOT / "antiphon" / "__init__.py"
    rows = []
    for name in sorted(offered(init), key=str.lower):
        found = find(init, name)
        folder = found.path.relative_to(ROOT).parts[0]
        rows.append([f"[`{name}`]({folder}.md#{anchor(package_page(folder), name)})", cell(first_sentence(found.doc))])
    return (
        f"# antiphon\n\n{NOTE}\n"
        + paragraph(ast.get_docstring(parsed(init)) or "")
        + "What most agents are made of comes from here: `from antiphon import Actor, actor, on`.\n\n"
        + table(["name", "what it is"], rows)
    )


def anchor(page: str, name: str) -> str:
    """What leads to a name's heading on a page: lower case, with a number where others have the same."""
    same = [each for each in re.findall(r"^(#+) `?(\w+)`?$", page, re.MULTILINE) if each[1].lower() == name.lower()]
    place = same.index(("###", name))
    return f"{name.lower()}-{place}" if place else name.lower()


def kind_of(found: Definition) -> str:
    """A frame's kind, in one word, and whether no interruption drops it."""
    lines = [found.name, *(base.name for base in bases_of(found))]
    kind = next((kind for kind in ("System", "Data", "Control") if f"{kind}Frame" in lines), "")
    immune = kind != "System" and "Uninterruptible" in lines
    return f"{kind.lower() or 'any'}{', immune' if immune else ''}"


def frame_row(found: Definition) -> list[str]:
    assert isinstance(found.node, ast.ClassDef)
    lines = []
    for each in fields_of(found.node):
        declared = f"{each.name}: {each.type}" + ("" if each.default is None else f" = {each.default}")
        note = "; by name" if each.by_name else ""
        lines.append(f"{code(declared)}{note}" + (f": {cell(each.doc)}" if each.doc else ""))
    inherited = [base.name for base in bases_of(found) if isinstance(base.node, ast.ClassDef) and fields_of(base.node)]
    if inherited:
        lines.append(f"and those of `{inherited[0]}`")
    return [f"`{found.name}`", kind_of(found), "<br>".join(lines), cell(found.doc)]


FRAMES_INTRO = """\
The catalogue, by subject. All of them come from `antiphon.channels`.

- *Kind* says how a frame queues. A *system* frame has a lane of its own and overtakes; no interruption drops it.
  *Data* and *control* frames keep order, and an interruption drops them, unless they are *immune*.
- A field without a default must be given. What a class declares itself may be given by position, unless it says
  *by name*; so may the first field of the class that it is derived from. Its other inherited fields are given by name.
- Sound is little-endian int16 PCM, channels interleaved. Times are seconds and rates Hz, unless the field says
  otherwise.

"""


def frames_page() -> str:
    """Each frame in a table of its subject: kind, fields, meaning."""
    init = ROOT / "channels" / "frames" / "__init__.py"
    by_path: dict[Path, list[Definition]] = {}
    for name in offered(init):
        found = find(init, name)
        by_path.setdefault(found.path, []).append(found)
    text = f"# Frames\n\n{NOTE}\n{FRAMES_INTRO}"
    first = ROOT / "channels" / "frames" / "frame.py"
    for path in [first, *sorted(by_path.keys() - {first})]:
        found_here = sorted(by_path[path], key=lambda each: each.node.lineno)
        frames = [each for each in found_here if is_frame(each)]
        others = [each for each in found_here if not is_frame(each)]
        aliases = [each for each in others if isinstance(each.node, ast.Assign)]
        text += f"## {'what a frame is' if path == first else path.stem}\n\n" + paragraph(first_paragraph(path))
        text += table(["frame", "kind", "fields", "meaning"], map(frame_row, frames))
        for alias in aliases:
            assert isinstance(alias.node, ast.Assign)
            text += f"`{alias.name}` is a legacy name of `{ast.unparse(alias.node.value)}`.\n\n"
        text += "".join(section(each) for each in others if each not in aliases)
    return text


def is_frame(found: Definition) -> bool:
    return isinstance(found.node, ast.ClassDef) and "frame" in decorators(found.node)


def folder_page(folder: str, title: str) -> str:
    """The modules of a folder whose names aren't re-exported: each is imported by its own name."""
    text = f"# {title}\n\n{NOTE}\n" + paragraph(ast.get_docstring(parsed(ROOT / folder / "__init__.py")) or "")
    text += "A name is imported from its module, which this page names above it.\n\n"
    for path in sorted((ROOT / folder).glob("*.py")):
        names = [] if path.name == "__init__.py" else offered_by_module(path)
        if names:
            text += f"## `antiphon.{folder.replace('/', '.')}.{path.stem}`\n\n" + paragraph(first_paragraph(path))
            found = [find(path, name) for name in names]
            others = [f"`{each.name}`" for each in found if each.path != path]
            text += paragraph(f"It offers {', '.join(others)} as well." if others else "")
            own = sorted((each for each in found if each.path == path), key=lambda each: each.node.lineno)
            text += "".join(map(section, own))
    return text


def offered_by_module(path: Path) -> list[str]:
    has_all = any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in parsed(path).body
    )
    return offered(path) if has_all else []


def engines_page() -> str:
    """What each engine says of itself: its wire messages and exit codes."""
    text = f"# Engines\n\n{NOTE}\n" + paragraph(ast.get_docstring(parsed(ROOT / "actors/engines/__init__.py")) or "")
    text += "Services start them; [how to write one](../how-to/write-a-service-with-an-engine.md).\n\n"
    for path in sorted((ROOT / "actors" / "engines").glob("*_engine.py")):
        text += f"## `{path.relative_to(ROOT)}`\n\n" + paragraph(ast.get_docstring(parsed(path)) or "")
    return text


def index_page(made: Mapping[str, str]) -> str:
    rows = [[f"[{page_title(text)}]({name})", cell(first_sentence(text.split(NOTE)[1]))] for name, text in made.items()]
    return f"# Reference\n\n{NOTE}\nEach public name, from its docstring.\n\n" + table(["page", "holds"], rows)


def page_title(text: str) -> str:
    return text.splitlines()[0].removeprefix("# ")


PAGES: Mapping[str, Callable[[], str]] = {
    "antiphon.md": front_page,
    "frames.md": frames_page,
    "channels.md": lambda: package_page("channels"),
    "actors.md": lambda: package_page("actors"),
    "turn.md": lambda: package_page("turn"),
    "scenarios.md": lambda: package_page("scenarios"),
    "invariants.md": lambda: package_page("scenarios/invariants"),
    "aio.md": lambda: package_page("antiphon/aio"),
    "services.md": lambda: folder_page("actors/services", "Services"),
    "transports.md": lambda: folder_page("actors/transports", "Transports"),
    "engines.md": engines_page,
}


def pages() -> dict[str, str]:
    """Each page's file name and text."""
    made = {name: write() for name, write in PAGES.items()}
    return {name: text.rstrip() + "\n" for name, text in {"README.md": index_page(made), **made}.items()}


def outdated() -> list[str]:
    """What in docs/reference/ isn't what the docstrings say, one line each."""
    made = pages()
    there = {path.name: path.read_text() for path in FOLDER.glob("*")} if FOLDER.is_dir() else {}
    wrong = [f"docs/reference/{name} is out of date" for name in made if there.get(name) != made[name]]
    return wrong + [f"docs/reference/{name} is written by nobody" for name in sorted(there.keys() - made.keys())]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Writes docs/reference/ from the docstrings.")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is out of date")
    if parser.parse_args(argv).check:
        wrong = outdated()
        print("\n".join(wrong) or "docs/reference/ is up to date")
        return 1 if wrong else 0
    made = pages()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

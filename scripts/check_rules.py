"""Compares the rules of docs/rules/ with the tests that carry their IDs, and tells what lacks a test.

    python scripts/check_rules.py           # what is missing or unknown; exit code 1 if anything is
    python scripts/check_rules.py --list    # each rule with its tests

A rule is a list item that begins with its ID in bold, `- **CH1** text`. One that ends with `(deferred: reason)` needs
no test yet.
A test carries its ID as a literal, `@pytest.mark.rule("CH1")`, so this reads the source and runs nothing.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

__all__ = ["Rule", "carried_in", "complaints", "listing", "main", "rules_in"]

ROOT = Path(__file__).resolve().parent.parent
HEAD = re.compile(r"- \*\*([A-Z]{1,3}\d+[a-z]?)\*\*\s+(.*)")
DEFERRED = re.compile(r"\(deferred: ([^)]+)\)$")


@attrs.frozen
class Rule:
    """One rule, as a page of docs/rules/ states it."""

    id: str
    text: str
    """On one line, without the ID."""
    place: str
    """Page and line."""

    @property
    def deferred(self) -> str | None:
        """Why it needs no test yet, or None."""
        found = DEFERRED.search(self.text)
        return found[1] if found else None


@attrs.frozen
class CarriedId:
    """The ID that one test carries."""

    id: str
    place: str


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Rules without a test, and tests of unknown rules.")
    parser.add_argument("--list", action="store_true", help="print each rule with its tests")
    options = parser.parse_args(argv)
    rules = [
        rule
        for page in sorted((ROOT / "docs" / "rules").glob("*.md"))
        for rule in rules_in(page.read_text(), page=str(page.relative_to(ROOT)))
    ]
    carried = [
        found
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for found in carried_in(file.read_text(), file=str(file.relative_to(ROOT)))
    ]
    if options.list:
        print("\n".join(listing(rules, carried)))
    found = complaints(rules, carried)
    for complaint in found:
        print(complaint)
    if not found:
        deferred = sum(rule.deferred is not None for rule in rules)
        print(f"{len(rules)} rules: {len(rules) - deferred} tested, {deferred} deferred.")
    return 1 if found else 0


def rules_in(text: str, *, page: str) -> Iterator[Rule]:
    """The rules of a page. A rule goes on over the indented lines below it; code between fences isn't read."""
    lines = text.splitlines()
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= line.startswith("```")
        head = HEAD.match(line)
        if head and not fenced:
            below = _indented(lines[number:])
            yield Rule(head[1], " ".join([head[2].strip(), *below]), f"{page}:{number}")


def carried_in(source: str, *, file: str) -> Iterator[CarriedId]:
    """The IDs in calls of `pytest.mark.rule`, wherever these stand: at a test, in `pytestmark`, in a parameter."""
    for node in ast.walk(ast.parse(source, file)):
        match node:
            case ast.Call(func=ast.Attribute(attr="rule", value=ast.Attribute(attr="mark"))):
                for argument in node.args:
                    place = f"{file}:{node.lineno}"
                    if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                        raise ValueError(
                            f"{place}: the ID of a rule must be a literal string, since it is read, not run"
                        )
                    yield CarriedId(argument.value, place)


def complaints(rules: Iterable[Rule], carried: Iterable[CarriedId]) -> list[str]:
    """What is wrong, a line each."""
    known: dict[str, Rule] = {}
    found = []
    for rule in rules:
        if rule.id in known:
            found.append(
                f"{rule.place}: {rule.id} stands already at {known[rule.id].place}. Give one of them another ID."
            )
        known.setdefault(rule.id, rule)
    tests = _by_id(carried)
    for rule in known.values():
        if rule.id not in tests and rule.deferred is None:
            found.append(
                f'{rule.place}: {rule.id} has no test. Mark one with @pytest.mark.rule("{rule.id}"), '
                "or end the rule with `(deferred: reason)`."
            )
    for id, places in tests.items():
        if id not in known:
            found.append(
                f"{', '.join(places)}: there is no rule {id} in docs/rules/. Correct the ID or write the rule."
            )
    return found


def listing(rules: Iterable[Rule], carried: Iterable[CarriedId]) -> Iterator[str]:
    """A line for each rule: where its tests are, or what it waits for."""
    tests = _by_id(carried)
    for rule in rules:
        untested = f"deferred: {rule.deferred}" if rule.deferred else "no test"
        yield f"{rule.id}  {', '.join(tests.get(rule.id, [])) or untested}"


def _by_id(carried: Iterable[CarriedId]) -> Mapping[str, list[str]]:
    tests: dict[str, list[str]] = {}
    for found in carried:
        tests.setdefault(found.id, []).append(found.place)
    return tests


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("  ") or line.lstrip().startswith("- "):
            return
        yield line.strip()


if __name__ == "__main__":
    sys.exit(main())

"""The check that ties the rules to their tests, tried on small pages and tests."""

import pytest

from scripts.check_rules import carried_in, complaints, listing, rules_in

PAGE = """\
# Channels
Some words on **CH0**, which is no rule.

- **CH1** There are two lanes.
- **CH2** The bound counts
  downstream frames. (deferred: comes with
  the next layer)
- **CH3a** Nobody waits in a circle.

```
- **CH9** in a fence
```
"""


def marked(*ids: str) -> str:
    return "import pytest\n" + "\n".join(f'@pytest.mark.rule("{id}")\ndef test_{id}() -> None: ...' for id in ids)


def check(*ids: str, page: str = PAGE) -> list[str]:
    return complaints(rules_in(page, page="page.md"), carried_in(marked(*ids), file="test_it.py"))


def test_a_rule_is_a_list_item_that_begins_with_its_id() -> None:
    assert [rule.id for rule in rules_in(PAGE, page="page.md")] == ["CH1", "CH2", "CH3a"]


def test_a_rule_goes_on_over_indented_lines() -> None:
    rule = list(rules_in(PAGE, page="page.md"))[1]
    assert rule.text == "The bound counts downstream frames. (deferred: comes with the next layer)"


def test_all_is_well_when_each_rule_has_a_test_or_a_reason() -> None:
    assert check("CH1", "CH3a") == []


def test_a_rule_without_a_test_is_named_with_its_place() -> None:
    (complaint,) = check("CH1")
    assert complaint.startswith("page.md:8: CH3a has no test")


def test_a_test_of_an_unknown_rule_is_named_with_its_place() -> None:
    (complaint,) = check("CH1", "CH3a", "CH7")
    assert complaint.startswith("test_it.py:6: there is no rule CH7")


def test_an_id_that_stands_twice_is_named() -> None:
    (complaint,) = check("CH1", "CH3a", page=PAGE + "- **CH1** Again.\n")
    assert complaint.startswith("page.md:13: CH1 stands already at page.md:4")


def test_ids_are_found_in_parameters_and_in_whole_modules() -> None:
    source = 'pytestmark = pytest.mark.rule("A1")\ncase = pytest.param(1, marks=pytest.mark.rule("B1", "B2"))'
    assert [found.id for found in carried_in(source, file="test_it.py")] == ["A1", "B1", "B2"]


def test_an_id_that_is_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a literal"):
        list(carried_in("pytest.mark.rule(name)", file="test_it.py"))


def test_a_rule_of_a_state_machine_is_no_rule_of_ours() -> None:
    assert (
        list(carried_in("@rule(epoch=1)\ndef late(self): ...\n@stateful.rule('X')\ndef f(self): ...", file="t.py"))
        == []
    )


def test_the_list_names_each_rule_with_its_tests_or_what_it_waits_for() -> None:
    lines = listing(rules_in(PAGE, page="page.md"), carried_in(marked("CH1", "CH1", "CH3a"), file="test_it.py"))
    assert list(lines) == [
        "CH1  test_it.py:2, test_it.py:4",
        "CH2  deferred: comes with the next layer",
        "CH3a  test_it.py:6",
    ]

"""JSON made immutable."""

import json
import pickle

import pytest
from hypothesis import given, strategies as st

from antiphon.channels import FrozenDict, freeze, thaw

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(documents)
def test_freezing_and_thawing_gives_the_document_back(document: object) -> None:
    assert thaw(freeze(document)) == document


@given(documents)
def test_what_is_frozen_can_be_hashed_and_pickled(document: object) -> None:
    frozen = freeze(document)
    assert hash(pickle.loads(pickle.dumps(frozen))) == hash(frozen)


def test_json_takes_what_is_frozen() -> None:
    assert json.dumps(freeze({"a": [1, {"b": None}]})) == '{"a": [1, {"b": null}]}'


@pytest.mark.parametrize("change", ["d['a'] = 2", "del d['a']", "d.clear()", "d.update(b=1)", "d.pop('a')", "d |= {}"])
def test_a_frozen_dict_refuses_each_change(change: str) -> None:
    with pytest.raises(TypeError, match="can't be changed"):
        exec(change, {}, {"d": FrozenDict({"a": 1})})


def test_a_value_that_can_change_is_refused_by_its_place() -> None:
    class Box:
        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(TypeError, match=r"value\['a'\]\[1\] is a Box"):
        freeze({"a": [0, Box()]})


def test_a_key_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="keys must be strings"):
        freeze({1: "one"})

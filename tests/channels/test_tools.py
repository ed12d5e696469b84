"""What a model may call: told apart, put into one form, and read from a function's signature."""

import functools
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import pytest

from antiphon.channels import (
    CustomTool,
    FunctionSchema,
    LLMContext,
    LLMSetToolsFrame,
    ToolOptions,
    ToolsSchema,
    tool_options,
)

WEATHER = FunctionSchema("weather", "Tells it.", {"city": {"type": "string"}}, ["city"])


async def weather(params: object, city: str, days: int = 1) -> None:
    """Tells the weather.

    Of any city.

    Args:
        city: Where, in the words
            of the user.
        days (int): How many.

    Returns:
        Nothing.
    """


class Place(TypedDict):
    name: str
    floor: NotRequired[int]


class Loose(TypedDict, total=False):
    name: str


# ---- what a context may hold


@pytest.mark.rule("G1")
@pytest.mark.parametrize(
    "tool",
    [
        {
            "name": "weather",
            "description": "Tells it.",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells it.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            },
        },
        WEATHER,
        [WEATHER],
        ToolsSchema([WEATHER]),
        LLMContext(tools=[WEATHER]).tools,
        LLMSetToolsFrame([WEATHER]).tools,
    ],
    ids=["schema", "wire form", "value", "list", "tools schema", "context", "frame"],
)
def test_a_function_is_the_same_in_whatever_form_it_was_given(tool: object) -> None:
    assert ToolsSchema.of(tool) == ToolsSchema([WEATHER])


@pytest.mark.rule("G1")
def test_a_direct_function_is_advertised_with_itself_as_its_handler() -> None:
    (schema,) = ToolsSchema.of([weather]).standard_tools
    assert (schema.name, schema.handler, schema.is_direct) == ("weather", weather, True)


@pytest.mark.rule("G1")
def test_a_tool_of_one_provider_is_shown_to_that_one_only() -> None:
    tools = ToolsSchema.of(ToolsSchema([weather], {"google": [{"google_search": {}}]}))
    assert tools.custom_for("google") == [{"google_search": {}}]
    assert tools.custom_for("anthropic") == []


@pytest.mark.parametrize("tool", [{"google_search": {}}, {"type": "web_search_20250305", "name": "web_search"}])
def test_a_dict_that_is_no_function_goes_as_it_is_to_whoever_is_there(tool: dict[str, Any]) -> None:
    assert ToolsSchema.of([tool]) == ToolsSchema(custom_tools=[CustomTool(tool)])
    assert ToolsSchema.of([tool]).custom_for("anyone") == [tool]


def test_of_two_functions_of_one_name_the_later_counts() -> None:
    other = FunctionSchema("weather", "Another.")
    assert ToolsSchema.of([WEATHER, other]).standard_tools == (other,)


def test_no_tools_are_no_tools() -> None:
    assert ToolsSchema.of(None) == ToolsSchema.of(()) == ToolsSchema()


def test_what_is_no_tool_is_refused() -> None:
    with pytest.raises(TypeError, match="'weather' is no tool: give a FunctionSchema"):
        ToolsSchema.of(["weather"])


def test_the_parameters_are_one_schema_which_the_caller_may_change() -> None:
    parameters = WEATHER.parameters
    assert parameters == {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    parameters["properties"]["city"]["type"] = "integer"
    assert WEATHER.parameters["properties"]["city"]["type"] == "string"


# ---- direct functions


@pytest.mark.rule("G2")
def test_a_direct_function_tells_its_name_text_parameters_and_which_are_required() -> None:
    schema = FunctionSchema.of(weather)
    assert schema == FunctionSchema(
        "weather",
        "Tells the weather.\n\nOf any city.",
        {
            "city": {"type": "string", "description": "Where, in the words of the user."},
            "days": {"type": "integer", "description": "How many."},
        },
        ["city"],
        weather,
        True,
    )


@pytest.mark.rule("G2")
def test_a_docstring_in_the_manner_of_sphinx_is_read_too() -> None:
    async def book(params: object, people: int, day: str) -> None:
        """Books a table.

        :param int people: How many.
        :param day: On which day,
            as a word.
        :returns: Nothing.
        """

    schema = FunctionSchema.of(book)
    assert schema.description == "Books a table."
    assert [schema.properties[name]["description"] for name in ("people", "day")] == [
        "How many.",
        "On which day, as a word.",
    ]


@pytest.mark.rule("G2")
def test_a_method_is_a_direct_function_without_its_self() -> None:
    class Kitchen:
        async def order(self, params: object, dish: str) -> None:
            """Orders."""

    assert list(FunctionSchema.of(Kitchen().order).properties) == ["dish"]
    assert list(FunctionSchema.of(Kitchen.order).properties) == ["dish"]


async def no_params() -> None: ...


async def other_first(city: str) -> None: ...


async def by_position(params: object, city: str, /) -> None: ...


def plain(params: object) -> None: ...


@pytest.mark.rule("G2")
@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (no_params, "no_params: the first parameter of a direct function is `params`"),
        (other_first, "other_first: the first parameter of a direct function is `params`"),
        (by_position, "by_position: city is positional-only"),
        (plain, "is no direct function: write `async def name"),
    ],
)
def test_what_can_not_be_a_direct_function_is_refused(function: Callable[..., Any], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        FunctionSchema.of(function)


@pytest.mark.rule("G3")
@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (dict, {"type": "object"}),
        (list, {"type": "array"}),
        (None, {"type": "null"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (str | int, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (list[str | None], {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}),
        (
            Place,
            {
                "type": "object",
                "properties": {"name": {"type": "string"}, "floor": {"type": "integer"}},
                "required": ["name"],
            },
        ),
        (Loose, {"type": "object", "properties": {"name": {"type": "string"}}, "required": []}),
        (set[int], {}),
        (object, {}),
        ("int", {"type": "integer"}),
        ("Decimal", {}),
    ],
    ids=str,
)
def test_a_type_has_its_json_schema_and_an_unknown_one_is_any_value(hint: object, schema: dict[str, Any]) -> None:
    async def function(params, value) -> None:  # type: ignore[no-untyped-def]  # the hint is what is tried
        ...

    function.__annotations__["value"] = hint
    assert FunctionSchema.of(function).parameters["properties"] == {"value": schema}


@pytest.mark.rule("G3")
def test_a_parameter_without_a_hint_is_any_value() -> None:
    async def function(params, value) -> None:  # type: ignore[no-untyped-def]  # without a hint
        ...

    assert FunctionSchema.of(function).properties == {"value": {}}


# ---- options


@pytest.mark.rule("G6")
def test_what_is_said_where_a_function_is_registered_holds_over_what_stands_beside_it() -> None:
    @tool_options(cancel_on_interruption=False, timeout_secs=5.0)
    async def order(params: object) -> None: ...

    said = ToolOptions(timeout_secs=2.0).over(ToolOptions.of(order))
    assert said == ToolOptions(cancel_on_interruption=False, timeout_secs=2.0)


def test_options_are_found_through_a_method_and_through_a_partial() -> None:
    class Kitchen:
        @tool_options(timeout_secs=5.0)
        async def order(self, params: object) -> None: ...

    assert ToolOptions.of(Kitchen().order).timeout_secs == 5.0
    assert ToolOptions.of(functools.partial(Kitchen().order)).timeout_secs == 5.0
    assert ToolOptions.of(None) == ToolOptions()

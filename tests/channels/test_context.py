"""The context: immutable snapshots, one version after the other."""

import pytest

from antiphon.channels import LLMContext, Message

HELLO = {"role": "user", "content": "hello"}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "move", "arguments": "{}"}}],
}
RUNNING = {"role": "tool", "tool_call_id": "1", "content": "IN_PROGRESS"}


def test_messages_come_out_as_they_went_in() -> None:
    messages: list[Message] = [HELLO, CALL, RUNNING]
    assert LLMContext.from_messages(messages).to_messages() == messages


def test_a_message_that_came_out_can_be_changed_without_changing_the_context() -> None:
    context = LLMContext.from_messages([CALL])
    context.to_messages()[0]["tool_calls"].clear()
    assert context == LLMContext.from_messages([CALL])


def test_a_message_that_went_in_can_be_changed_without_changing_the_context() -> None:
    message = {"role": "user", "content": "hello"}
    context = LLMContext.from_messages([message])
    message["content"] = "bye"
    assert context.messages[0]["content"] == "hello"


def test_a_message_inside_can_not_be_changed() -> None:
    with pytest.raises(TypeError, match="can't be changed"):
        LLMContext.from_messages([HELLO]).messages[0]["content"] = "bye"


def test_append_gives_the_next_version_and_leaves_the_old_one() -> None:
    first = LLMContext.from_messages([HELLO])
    second = first.append({"role": "assistant", "content": "hi"}, HELLO)
    assert (first.version, len(first.messages), second.version, len(second.messages)) == (0, 1, 1, 3)


def test_replace_gives_the_next_version_with_other_messages() -> None:
    context = LLMContext.from_messages([HELLO]).replace([RUNNING])
    assert (context.version, context.to_messages()) == (1, [RUNNING])


def test_tools_and_tool_choice_make_the_next_version() -> None:
    context = LLMContext().with_tools([{"name": "move"}]).with_tool_choice("required")
    assert (context.version, context.tools, context.tool_choice) == (2, ({"name": "move"},), "required")


def test_a_tool_result_takes_the_place_of_its_note() -> None:
    context = LLMContext.from_messages([CALL, RUNNING, HELLO]).with_tool_result("1", "done")
    assert [message.get("content") for message in context.messages] == [None, "done", "hello"]


def test_a_tool_result_without_its_message_is_refused() -> None:
    with pytest.raises(LookupError, match="no tool message for the call '2'"):
        LLMContext.from_messages([CALL, RUNNING]).with_tool_result("2", "done")


def test_equal_contexts_hash_alike() -> None:
    assert len({LLMContext.from_messages([HELLO, CALL]), LLMContext.from_messages([HELLO, CALL])}) == 1


def test_the_last_message_of_a_role_is_found() -> None:
    context = LLMContext.from_messages([HELLO, CALL, {"role": "user", "content": "bye"}, RUNNING])
    assert context.last_message("user") == {"role": "user", "content": "bye"}
    assert context.last_message("system") is None


@pytest.mark.parametrize("message", ["hello", {"content": "hello"}, {"role": 3}, 7])
def test_what_is_no_message_is_refused(message: object) -> None:
    with pytest.raises(TypeError, match="context message 1"):
        LLMContext.from_messages([HELLO, message])  # type: ignore[list-item]


def test_one_message_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match=r"write `\[value\]`"):
        LLMContext.from_messages(HELLO)  # type: ignore[arg-type]


def test_the_next_version_takes_over_what_was_looked_at_and_looks_at_the_rest() -> None:
    context = LLMContext.from_messages([{"role": "user", "content": "hello"}], tools=[{"type": "function"}])
    following = context.append({"role": "user", "content": ["bye"]}).with_tool_choice("auto")
    assert following.messages[0] is context.messages[0]
    assert following.tools is context.tools
    assert following == LLMContext(
        ({"role": "user", "content": "hello"}, {"role": "user", "content": ("bye",)}),
        ({"type": "function"},),
        "auto",
        version=2,
    )
    with pytest.raises(TypeError, match="context message"):
        context.append({"content": "nobody's"})

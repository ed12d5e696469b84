"""The context-aggregator pair: a user half before the language model, an assistant half after the output, over one context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from ..channels import LLMContext
from .assistant_half import AssistantHalf
from .callbacks import call_back, call_back_without_result
from .pair_params import LLMAssistantAggregatorParams, LLMUserAggregatorParams
from .realtime_mode import RealtimeServiceModeConfig, config_of
from .user_half import UserHalf

__all__ = ["LLMContextAggregatorPair"]


class LLMContextAggregatorPair:
    """The two halves: `.user` stands before the language model, `.assistant` after the output.

        pair = LLMContextAggregatorPair(LLMContext())
        Pipeline(input, stt, pair.user, llm, tts, output, pair.assistant)

    `realtime_service_mode`: for a model that hears and speaks by itself, `"auto"`, True, or a `RealtimeServiceModeConfig`; False or
    None for a cascade. What else is given by name is a field of `LLMUserAggregatorParams` or `LLMAssistantAggregatorParams`, and
    wins over `user_params` and `assistant_params`.
    Raises `ConfigurationError` for a mode that is none, `TypeError` for a setting that there isn't.
    """

    def __init__(
        self,
        context: LLMContext,
        *,
        user_params: LLMUserAggregatorParams | None = None,
        assistant_params: LLMAssistantAggregatorParams | None = None,
        realtime_service_mode: RealtimeServiceModeConfig | bool | str | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        mode = config_of(realtime_service_mode)
        _check(settings)
        params = _with_settings(user_params or LLMUserAggregatorParams(), settings)
        prefix = "" if name is None else f"{name}_"
        self.user = UserHalf(
            context,
            params=params,
            mode=mode,
            flush_timeout=params.flush_timeout,
            failed_prompt=params.failed_prompt,
            notes_tools=params.add_tool_change_messages,
            name=f"{prefix}user",
        )
        self.assistant = AssistantHalf(
            self.user.address,
            params=_with_settings(assistant_params or LLMAssistantAggregatorParams(), settings),
            mode=mode,
            name=f"{prefix}assistant",
        )
        # Each knows the other's address, and an address is asked from an actor that is made already.
        self.user.assistant = self.assistant.address
        self.user.on_event("on_context_updated", call_back)
        self.assistant.on_event("on_image_for_call", call_back_without_result)


Params = TypeVar("Params", LLMUserAggregatorParams, LLMAssistantAggregatorParams)


def _with_settings(params: Params, settings: Mapping[str, Any]) -> Params:
    known = attrs.fields_dict(type(params))
    return attrs.evolve(params, **{name: value for name, value in settings.items() if name in known})


def _check(settings: Mapping[str, Any]) -> None:
    known = {**attrs.fields_dict(LLMUserAggregatorParams), **attrs.fields_dict(LLMAssistantAggregatorParams)}
    if unknown := [name for name in settings if name not in known]:
        raise TypeError(
            f"LLMContextAggregatorPair({unknown[0]}=...): there is no such setting. There are: {', '.join(known)}."
        )

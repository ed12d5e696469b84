"""Reasoning of the model, until it is complete."""

from __future__ import annotations

from typing import Any

import attrs

from ..channels import LLMThoughtStartFrame, LLMThoughtTextFrame
from .joining import Part, join

__all__: list[str] = []


@attrs.frozen
class Thought:
    """What has come of it so far."""

    append_to_context: bool
    llm: str | None
    """Whose it is: no other model is shown it."""
    parts: tuple[Part, ...] = ()

    @classmethod
    def begun(cls, frame: LLMThoughtStartFrame) -> Thought:
        return cls(frame.append_to_context, frame.llm)

    def with_text(self, frame: LLMThoughtTextFrame) -> Thought:
        part = Part(frame.text, frame.includes_inter_frame_spaces)
        return attrs.evolve(self, parts=(*self.parts, part))

    @property
    def text(self) -> str:
        return join(self.parts)

    def message(self, signature: object) -> dict[str, Any]:
        """What its own model is shown of it."""
        message = {"type": "thought", "text": self.text, "signature": signature}
        return {"role": "assistant", "llm": self.llm, "message": message}

"""`trace.jsonl`: what happened in the agent's session, an event a line, in seconds since the recording began."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import attrs
import trio

from ..actors import Address, Delivery, Dropped, Failure, Observer, Restart, Stall
from ..channels import Frame, UserBotLatencyMetricsData, masked

__all__ = ["TraceFile"]


class TraceFile(Observer):
    """An observer that writes. Sound is told by its length; audio frames on their way in aren't written at all."""

    def __init__(self, path: Path, *, began: float) -> None:
        self._began = began
        self._file = path.open("w", encoding="utf-8")
        self._write("began", {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def delivered(self, delivery: Delivery) -> None:
        if not _is_input(delivery):
            self._write("delivered", _told(delivery))

    def dropped(self, dropped: Dropped) -> None:
        self._write("dropped", {"reason": dropped.reason, **_told(dropped.delivery)})

    def failed(self, failure: Failure) -> None:
        self._write(
            "failed",
            {"actor": failure.address.name, "error": masked(f"{type(failure.error).__name__}: {failure.error}")},
        )

    def restarted(self, restart: Restart) -> None:
        self._write(
            "restarted", {"actor": restart.address.name, "incarnation": restart.incarnation, "delay": restart.delay}
        )

    def stalled(self, stall: Stall) -> None:
        self._write("stalled", {"actor": stall.address.name})

    def waited(self, tracker: object, data: UserBotLatencyMetricsData) -> None:
        """What the caller waited for before the answer that begins."""
        self._write("waited", _plain(data))

    def ended(self, outcome: object) -> None:
        self._write("ended", {"outcome": outcome if isinstance(outcome, str) else repr(outcome)})

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        if not self._file.closed:
            time = round(trio.current_time() - self._began, 6)
            self._file.write(json.dumps({"time": time, "event": event, **fields}, ensure_ascii=False) + "\n")


def _is_input(delivery: Delivery) -> bool:
    return type(delivery.frame).__name__ in ("InputAudioRawFrame", "UserSpeakingFrame")


def _told(delivery: Delivery) -> dict[str, Any]:
    frame = delivery.frame
    return {
        "seq": delivery.seq,
        "from": None if delivery.sender is None else delivery.sender.name,
        "to": delivery.receiver.name,
        "kind": "frame" if isinstance(frame, Frame) else "message",
        "type": type(frame).__name__,
        "direction": delivery.direction,
        "epoch": delivery.epoch,
        "immune": delivery.immune,
        "fields": _plain(frame),
    }


def _plain(value: object) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, Address):
        return value.name
    if not isinstance(value, type) and attrs.has(type(value)):
        found: dict[str, Any] = {}
        for field in attrs.fields(cast(Any, type(value))):
            inner = getattr(value, field.name)
            if inner != field.default and not field.name.startswith("_"):
                found[field.name] = _plain(inner)
        return found
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in cast(list[object], value)]
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in cast(dict[object, object], value).items()}
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)

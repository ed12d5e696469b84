"""Texts of errors without the secrets that providers and libraries put into them."""

from __future__ import annotations

import re

__all__ = ["masked"]

_MASK = "***"

# What stands before a secret stays, so that a reader sees which one it was.
_SECRETS = (
    re.compile(r"(?i)(\b(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(
        r"(?i)((?:api[-_ ]?key|token|secret|password|signature|credential)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)}]{4,}"
    ),
    re.compile(r"(://[^/\s:@]+:)[^/\s@]+(?=@)"),
    re.compile(r"(\b(?:sk|pk|rk|gsk|xai)[-_])[A-Za-z0-9_-]{8,}"),
)


def masked(text: str) -> str:
    """The text with keys, tokens and passwords replaced by `***`. It finds the usual forms, not every secret."""
    for secret in _SECRETS:
        text = secret.sub(lambda found: found.group(1) + _MASK, text)
    return text

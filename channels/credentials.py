"""Texts of errors without the secrets that providers and libraries put into them."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["masked", "secrets_among"]

_MASK = "***"

_NAMES = r"api[-_ ]?key|subscription[-_ ]?key|token|secret|password|signature|credential"

# What stands before a secret stays, so that a reader sees which one it was.
_SECRETS = (
    re.compile(r"(?i)(\b(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    # A header, as HTTP writes it, in a dict or as a pair.
    re.compile(
        r"(?i)(\b(?:proxy-)?authorization[\"']?\s*[=:,]\s*(?:b?[\"'])?)(?!(?:bearer|basic|token)\s)[^\s\"',;)}\]]{4,}"
    ),
    re.compile(rf"(?i)((?:{_NAMES})(?:[\"']?\s*[=:]|[\"']\s*,)\s*(?:b?[\"'])?)[^\s\"'&,;)}}]{{4,}}"),
    # The query of a URL, where even `key` and `auth` are secrets.
    re.compile(rf"(?i)([?&][\w.-]*(?:key|auth|sig|pwd|{_NAMES})=)[^&\s\"'<>,;)]+"),
    re.compile(r"(://[^/\s:@]+:)[^/\s@]+(?=@)"),
    re.compile(r"(://)[^/\s:@?#\"']+(?=@)"),
    re.compile(r"(\b(?:sk|pk|rk|gsk|xai)[-_])[A-Za-z0-9_-]{8,}"),
    re.compile(r"(\bAIza)[A-Za-z0-9_-]{20,}"),
    re.compile(r"(\beyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
)


_SECRET_NAME = re.compile(rf"(?i)key|auth|cookie|sig|pwd|{_NAMES}")


def masked(text: str, *known: str) -> str:
    """The text with keys, tokens and passwords replaced by `***`. It finds those known, and the usual forms of others."""
    for value in known:
        text = text.replace(value, _MASK)
    for secret in _SECRETS:
        text = secret.sub(lambda found: found.group(1) + _MASK, text)
    return text


def secrets_among(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The secret values of headers or of a URL's query, going by their names; without `Bearer` before them."""
    values = (value.split()[-1] for name, value in pairs if _SECRET_NAME.search(name) and value.strip())
    return tuple(value for value in values if len(value) >= 4)

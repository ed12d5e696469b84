"""What it means for us when a server says no: whether trying again can help, and how it is told without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

import trio

from ...channels.credentials import masked, secrets_among
from ..errors import RemoteProtocolError, Unrecoverable

if TYPE_CHECKING:
    import httpx

__all__ = ["check_response"]

HOPELESS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
"""A key that is rejected now is rejected after a restart too."""
EXCERPT_BYTES = 2000
"""Read of the body of a refusal; providers say there what was wrong."""
EXCERPT_CHARACTERS = 300
EXCERPT_SECONDS = 1.0


def refusal(who: str, status: int, body: bytes, *, secrets: Iterable[str] = ()) -> Exception:
    """The error for an answer that isn't the wanted one: `Unrecoverable` for a rejected key."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    # Masked before it is cut, so that no half of a secret is left.
    said = " ".join(masked(body.decode(errors="replace"), *secrets).split())
    excerpt = f": {said[:EXCERPT_CHARACTERS]}{'…' if len(said) > EXCERPT_CHARACTERS else ''}" if said else ""
    if status in HOPELESS:
        return Unrecoverable(f"{who} answered {status}{phrase}{excerpt}. Check the key, and what it is allowed to do.")
    return RemoteProtocolError(f"{who} answered {status}{phrase}{excerpt}")


async def check_response(response: httpx.Response) -> None:
    """Let an answer of 2xx pass, also one whose body hasn't been read, as inside `self.outside.http.stream(...)`.

    Raises `Unrecoverable` for 401, 403 and 407 (a rejected key doesn't heal), and `RemoteProtocolError` for any other status, with the
    beginning of the body. Keys and tokens are masked.
    """
    if response.is_success:
        return
    body = b""
    with trio.move_on_after(EXCERPT_SECONDS) as limit:
        if response.is_stream_consumed or response.is_closed:
            body = response.content
        else:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) >= EXCERPT_BYTES:
                    limit.cancel()  # not `break`: that would leave httpx's generators to the collector
    request = response.request
    who = masked(f"{request.method} {request.url.host}{request.url.path}")
    raise refusal(who, response.status_code, body[:EXCERPT_BYTES], secrets=secrets_of(request))


def secrets_of(request: httpx.Request) -> tuple[str, ...]:
    """The keys that a request carries: a server may send back what it was sent."""
    return secrets_among((*request.headers.multi_items(), *request.url.params.multi_items()))

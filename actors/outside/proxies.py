"""Through which proxy a host is reached: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as httpx and curl read them."""

from __future__ import annotations

import base64
import urllib.request
from urllib.parse import unquote, urlsplit

import attrs

from ...channels.credentials import masked
from ..errors import ConfigurationError


@attrs.frozen
class Proxy:
    """An HTTP proxy that connects us by CONNECT."""

    scheme: str
    host: str
    port: int
    authorization: str | None = attrs.field(default=None, repr=False)
    """The value of its Proxy-Authorization header."""

    @property
    def name(self) -> str:
        return f"the proxy {self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Without what is secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @staticmethod
    def parse(url: str) -> Proxy:
        """Raises `ConfigurationError` for what is no HTTP proxy."""
        wrong = f"the proxy {masked(url)!r}: write http://host:port, or https://host:port"
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError:
            raise ConfigurationError(wrong) from None  # its text would tell the password
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{wrong}. Other kinds, such as SOCKS, aren't supported.")
        authorization = None
        if parts.username is not None:
            authorization = basic(unquote(parts.username), unquote(parts.password or ""))
        return Proxy(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), authorization)


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def proxy_for(*, is_secure: bool, host: str, port: int, chosen: str | None = None) -> Proxy | None:
    """The proxy to a host: the one `chosen`, none for `""`, else what the environment says at this moment."""
    if chosen is not None:
        return Proxy.parse(chosen) if chosen else None
    said = urllib.request.getproxies()
    url = said.get("https" if is_secure else "http") or said.get("all")
    if not url or is_exempt(host, port, said.get("no", "")):
        return None
    return Proxy.parse(url)


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host: itself, a domain above it, `*`, with a port or without."""
    host = host.lower()
    for entry in (each.strip().lower() for each in no_proxy.split(",")):
        name = entry
        if entry.startswith("["):
            name, _, wanted_port = entry[1:].partition("]")
            wanted_port = wanted_port.removeprefix(":")
        elif entry.count(":") == 1:
            name, _, wanted_port = entry.partition(":")
        else:
            wanted_port = ""
        if wanted_port and wanted_port != str(port):
            continue
        if name == "*" or (name and (host == name.lstrip(".") or host.endswith("." + name.lstrip(".")))):
            return True
    return False

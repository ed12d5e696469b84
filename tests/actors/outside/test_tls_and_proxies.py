"""Encrypted connections and proxies, for WebSockets and HTTP alike."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing
import trustme

from antiphon.actors import ConfigurationError, LiveDoor, RemoteProtocolError, Unrecoverable
from antiphon.actors.outside.http import open_client
from antiphon.actors.outside.proxies import is_exempt
from antiphon.actors.outside.tls import tls_context
from antiphon.actors.outside.websocket import WebSocketSettings
from antiphon.actors.outside.wire import open_websocket

from .servers import answer, connect_proxy, echo, serving


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_context(
    authority: trustme.CA, name: str = "127.0.0.1", *, wants_certificate: bool = False
) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if wants_certificate:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def echoes(url: str, **settings: Any) -> None:
    """Open a WebSocket, and have a message come back."""
    async with open_websocket(url, WebSocketSettings(**settings)) as websocket:
        await websocket.send("hello")
        assert await websocket.receive() == "hello"


async def asks(url: str, *, proxy: str | None = None, **tls: Any) -> httpx.Response:
    client = open_client(context=tls_context(tls.get("ca_file"), tls.get("certificate")), proxy=proxy)
    async with client:
        return await client.get(url)


# ---- TLS


async def test_a_server_whose_authority_is_named_is_trusted(authority: trustme.CA, ca_file: str) -> None:
    async with serving(echo, tls=server_context(authority)) as port:
        await echoes(f"wss://127.0.0.1:{port}/", ca_file=ca_file)
    async with serving(answer(200, b"hello"), tls=server_context(authority)) as port:
        assert (await asks(f"https://127.0.0.1:{port}/", ca_file=ca_file)).text == "hello"


async def test_the_authority_may_stand_in_the_environment(
    authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    async with serving(echo, tls=server_context(authority)) as port:
        await echoes(f"wss://127.0.0.1:{port}/")
    async with serving(answer(200, b"hello"), tls=server_context(authority)) as port:
        assert (await asks(f"https://127.0.0.1:{port}/")).text == "hello"


async def test_a_context_may_be_given(authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with serving(echo, tls=server_context(authority)) as port:
        await echoes(f"wss://127.0.0.1:{port}/", ssl=context)


async def test_who_is_not_trusted_is_told_with_what_to_do(authority: trustme.CA) -> None:
    async with serving(echo, tls=server_context(authority)) as port:
        with pytest.raises(RemoteProtocolError, match=rf"127\.0\.0\.1:{port}: .*isn't trusted: .*ca_file="):
            await echoes(f"wss://127.0.0.1:{port}/")
        with pytest.raises(httpx.ConnectError, match=rf"127\.0\.0\.1:{port}: .*isn't trusted: "):
            await asks(f"https://127.0.0.1:{port}/")


async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, ca_file: str) -> None:
    async with serving(echo, tls=server_context(authority, "other.example.com")) as port:
        with pytest.raises(RemoteProtocolError, match=r"isn't trusted: IP address mismatch"):
            await echoes(f"wss://127.0.0.1:{port}/", ca_file=ca_file)


async def test_a_server_without_tls_is_told() -> None:
    async def handle(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(handle) as port:
        with pytest.raises(RemoteProtocolError, match=r"Does it speak TLS there\?"):
            await echoes(f"wss://127.0.0.1:{port}/")


async def test_a_server_that_wants_to_know_us_gets_our_certificate(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    own = authority.issue_cert("caller@example.com")
    both, chain, key = tmp_path / "both.pem", tmp_path / "chain.pem", tmp_path / "key.pem"
    own.private_key_and_cert_chain_pem.write_to_path(both)
    own.cert_chain_pems[0].write_to_path(chain)
    own.private_key_pem.write_to_path(key)
    async with serving(echo, tls=server_context(authority, wants_certificate=True)) as port:
        url = f"wss://127.0.0.1:{port}/"
        await echoes(url, ca_file=ca_file, certificate=both)
        await echoes(url, ca_file=ca_file, certificate=(chain, key))
        with pytest.raises(RemoteProtocolError):
            await echoes(url, ca_file=ca_file)


async def test_a_server_that_takes_nothing_holds_up_nobody_who_is_cancelled(
    authority: trustme.CA, ca_file: str
) -> None:
    asked = trio.Event()

    async def handle(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1000)
        asked.set()
        await trio.sleep_forever()

    client = open_client(context=tls_context(ca_file, None), proxy="")
    async with serving(handle, tls=server_context(authority)) as port, client:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: client.post(f"https://127.0.0.1:{port}/", content=b"x" * 20_000_000))
                await asked.wait()
                await trio.testing.wait_all_tasks_blocked(0.05)
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize("settings", [{"ca_file": "/nowhere.pem"}, {"certificate": "/nowhere.pem"}])
async def test_a_file_that_is_not_there_is_the_authors_mistake(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"(ca_file|certificate)=.*/nowhere\.pem.*It names a PEM file"):
        await echoes("wss://127.0.0.1:1/", **settings)


async def test_a_bad_file_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE='/nowhere\.pem'"):
        await echoes("wss://127.0.0.1:1/")


# ---- proxies


async def _over_websocket(url: str, **options: Any) -> None:
    await echoes(url.replace("http", "ws", 1), **options)


async def _over_http(url: str, **options: Any) -> None:
    assert (await asks(url, **options)).text == "hello"


@pytest.mark.parametrize(("over", "handle"), [(_over_websocket, echo), (_over_http, answer(200, b"hello"))])
async def test_a_proxy_connects_us_to_what_is_encrypted(
    authority: trustme.CA, ca_file: str, over: Callable[..., Awaitable[None]], handle: Any
) -> None:
    seen: list[bytes] = []
    async with (
        serving(handle, tls=server_context(authority)) as port,
        serving(connect_proxy(seen)) as proxy,
    ):
        await over(f"https://127.0.0.1:{port}/?q", ca_file=ca_file, proxy=f"http://me:p%40ss@127.0.0.1:{proxy}")
    (head,) = seen
    assert head.startswith(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in head
    assert b"?q" not in head


async def test_a_proxy_connects_a_websocket_without_tls() -> None:
    seen: list[bytes] = []
    async with serving(echo) as port, serving(connect_proxy(seen)) as proxy:
        await echoes(f"ws://127.0.0.1:{port}/", proxy=f"http://127.0.0.1:{proxy}")
    assert len(seen) == 1


async def test_the_proxy_itself_may_be_encrypted(authority: trustme.CA, ca_file: str) -> None:
    seen: list[bytes] = []
    async with (
        serving(echo, tls=server_context(authority)) as port,
        serving(connect_proxy(seen), tls=server_context(authority)) as proxy,
    ):
        await echoes(f"wss://127.0.0.1:{port}/", ca_file=ca_file, proxy=f"https://127.0.0.1:{proxy}")
    assert len(seen) == 1


async def test_http_without_tls_asks_the_proxy_itself() -> None:
    seen: list[bytes] = []
    async with serving(connect_proxy(seen, refuses=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")) as proxy:
        assert (await asks("http://api.example.com/x", proxy=f"http://127.0.0.1:{proxy}")).text == "hello"
    assert seen[0].startswith(b"GET http://api.example.com/x HTTP/1.1\r\n")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    seen: list[bytes] = []
    async with serving(echo) as port, serving(connect_proxy(seen)) as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        await echoes(f"ws://127.0.0.1:{port}/")
        assert len(seen) == 1
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        await echoes(f"ws://127.0.0.1:{port}/")
        assert len(seen) == 1
        monkeypatch.delenv("NO_PROXY")
        await echoes(f"ws://127.0.0.1:{port}/", proxy="")
        assert len(seen) == 1


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_it"),
    [
        ("", "example.com", False),
        ("*", "example.com", True),
        ("example.com", "example.com", True),
        ("example.com", "api.example.com", True),
        (".example.com", "api.example.com", True),
        ("example.com", "wwwexample.com", False),
        ("example.com:443", "example.com", True),
        ("example.com:80", "example.com", False),
        ("a, Example.COM ,b", "EXAMPLE.com", True),
        ("[::1]:443,::2", "::1", True),
        ("[::1]:443,::2", "::2", True),
        ("com", "example.org", False),
    ],
)
def test_who_needs_no_proxy(no_proxy: str, host: str, is_it: bool) -> None:
    assert is_exempt(host, 443, no_proxy) is is_it


@pytest.mark.parametrize(
    ("refuses", "error", "says"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", Unrecoverable, "answered 407 Proxy Authentication Required"),
        (b"HTTP/1.1 502 No\r\nContent-Length: 4\r\n\r\ndown", RemoteProtocolError, "answered 502 Bad Gateway: down"),
        (b"SSH-2.0-OpenSSH\r\n", RemoteProtocolError, "doesn't speak HTTP"),
    ],
)
async def test_a_proxy_that_refuses_is_told(refuses: bytes, error: type[Exception], says: str) -> None:
    async with serving(connect_proxy([], refuses=refuses)) as proxy:
        with pytest.raises(error, match=rf"the proxy 127\.0\.0\.1:{proxy}.*{says}"):
            await echoes("wss://api.example.com/", proxy=f"http://127.0.0.1:{proxy}")


async def test_a_proxy_that_is_not_there_is_told() -> None:
    async with serving(echo) as port:
        pass
    with pytest.raises(RemoteProtocolError, match=rf"^the proxy 127\.0\.0\.1:{port} can't be reached"):
        await echoes("wss://api.example.com/", proxy=f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("proxy", ["socks5://host:1080", "http://", "http://host:port"])
async def test_what_is_no_http_proxy_is_the_authors_mistake(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="write http://host:port"):
        await echoes("wss://api.example.com/", proxy=proxy)


def test_a_door_does_not_show_its_proxys_password() -> None:
    assert "hunter2" not in repr(LiveDoor(proxy="http://me:hunter2@proxy:3128"))


async def test_no_socket_of_ours_needs_the_system() -> None:
    """Simulated sockets take the place of all of them: neither a name nor a connection goes past Trio's hooks."""
    asked: list[object] = []

    class Resolver(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: Any, port: Any, *rest: Any, **more: Any) -> Any:
            asked.append(host)
            return [(trio.socket.AF_INET, trio.socket.SOCK_STREAM, 6, "", ("203.0.113.1", port))]

        async def getnameinfo(self, *anything: Any) -> Any:
            raise NotImplementedError

    class Factory(trio.abc.SocketFactory):
        def socket(self, *anything: Any) -> Any:
            raise OSError(0, "a simulated network that is down")

    trio.socket.set_custom_hostname_resolver(Resolver())
    trio.socket.set_custom_socket_factory(Factory())
    with pytest.raises(RemoteProtocolError, match="a simulated network that is down"):
        await echoes("wss://api.example.com/")
    with pytest.raises(httpx.ConnectError, match="a simulated network that is down"):
        await asks("https://api.example.org/")
    assert asked == [b"api.example.com", b"api.example.org"]

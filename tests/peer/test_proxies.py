"""The way through a proxy: what is asked of it, and what it may answer."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing

from peer.dial import dial
from peer.errors import ConnectionFailed
from peer.proxies import MAX_HEAD_BYTES, PROXY_TIMEOUT, open_through
from peer.proxy_settings import Proxy, choose_proxy, parse_proxy
from relay.protocol.close_reasons import CloseReason

pytestmark = [pytest.mark.sockets]
Handler = Callable[[trio.SocketStream], Awaitable[None]]
BASIC = base64.b64encode(b"ana:a b:c").decode()


@asynccontextmanager
async def proxy_of(
    handler: Handler, kind: str = "http", user: str = "", password: str = ""
) -> AsyncIterator[Proxy]:
    """A proxy on loopback that treats whoever connects by `handler`."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await handler(stream)
        except trio.BrokenResourceError:
            pass  # the client has left
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield Proxy(kind, "127.0.0.1", listeners[0].socket.getsockname()[1], user, password)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("proxy.lan", Proxy("http", "proxy.lan", 8080)),
        ("http://proxy.lan:3128/", Proxy("http", "proxy.lan", 3128)),
        ("http://ana:a%20b%3Ac@[::1]:1", Proxy("http", "::1", 1, "ana", "a b:c")),
        ("socks5h://proxy.lan", Proxy("socks5", "proxy.lan", 1080)),
        ("socks://proxy.lan:9050", Proxy("socks5", "proxy.lan", 9050)),
        ("https://proxy.lan", None),
        ("socks4://proxy.lan", None),
        ("http://", None),
        ("http://proxy.lan:99999", None),
        ("http://[", None),
    ],
)
def test_addresses_of_proxies(address: str, proxy: Proxy | None) -> None:
    assert parse_proxy(address) == proxy


def test_a_proxy_does_not_show_its_password() -> None:
    assert "geheim" not in repr(parse_proxy("http://ana:geheim@proxy.lan"))


SETTINGS = {"http": "http://plain:1", "https": "http://secure:2", "all": "socks5://every:3"}


@pytest.mark.parametrize(
    ("scheme", "settings", "host"),
    [
        ("http", SETTINGS, "plain"),
        ("ws", SETTINGS, "plain"),
        ("wss", SETTINGS, "secure"),
        ("https", {"all": "socks5://every:3"}, "every"),
        ("https", {"http": "http://plain:1"}, None),
        ("https", {}, None),
    ],
)
def test_the_proxy_of_the_scheme_is_taken(scheme: str, settings: dict[str, str], host: str | None) -> None:
    chosen = choose_proxy(scheme, "relay.example", settings, is_bypassed=False)
    assert (chosen.host if chosen else None) == host


@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "127.8.0.1", "::1"])
def test_this_computer_needs_no_proxy(host: str) -> None:
    assert choose_proxy("http", host, SETTINGS, is_bypassed=False) is None


def test_the_environment_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://secure:2")
    monkeypatch.setenv("no_proxy", "example.org")
    assert choose_proxy("https", "relay.example") == Proxy("http", "secure", 2)
    assert choose_proxy("https", "help.example.org") is None


@pytest.mark.parametrize(("host", "target"), [("relay.example", "relay.example:443"), ("::2", "[::2]:443")])
async def test_connect_asks_for_the_relay_with_the_credentials(host: str, target: str) -> None:
    asked = []

    async def let_through(stream: trio.SocketStream) -> None:
        asked.append(bytes(await stream.receive_some()))
        await stream.send_all(b"HTTP/1.1 200 OK\r\nVia: x\r\n")
        await stream.send_all(b"\r\n")
        await stream.send_all(await stream.receive_some())

    async with proxy_of(let_through, user="ana", password="a b:c") as proxy:
        stream = await open_through(proxy, host, 443)
        await stream.send_all(b"hello")
        assert await stream.receive_some() == b"hello"
        await stream.aclose()
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {BASIC}\r\n\r\n"
    assert asked == [head.encode()]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants a name"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not let"),
        (b"HTTP/1.1 2\r\n\r\n", "as one"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "as one"),
        (b"HTTP/1.1 200 OK\r\n", "as one"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly bytes", "as one"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES, "as one"),
        (b"", "as one"),
    ],
)
async def test_what_else_a_proxy_answers_is_refused(answer: bytes, words: str) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)

    async with proxy_of(handle) as proxy:
        with pytest.raises(ConnectionFailed, match=words):
            await open_through(proxy, "relay.example", 443)


async def test_a_silent_proxy_is_left(autojump_clock: trio.testing.MockClock) -> None:
    async def say_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    begun = trio.current_time()
    async with proxy_of(say_nothing) as proxy:
        with pytest.raises(ConnectionFailed, match="does not answer"):
            await open_through(proxy, "relay.example", 443)
    assert trio.current_time() - begun == PROXY_TIMEOUT


def socks(*turns: tuple[bytes, bytes]) -> Handler:
    """A SOCKS5 proxy that expects and answers exactly this, then echoes."""

    async def handle(stream: trio.SocketStream) -> None:
        for expected, answer in turns:
            received = b""
            while len(received) < len(expected):
                received += await stream.receive_some(len(expected) - len(received))
            assert received == expected
            await stream.send_all(answer)
        await stream.send_all(await stream.receive_some())

    return handle


NAME = b"\x03\x0drelay.example\x01\xbb"
OK_V4 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"
OK_NAME = b"\x05\x00\x00\x03\x01a\x00\x50"


@pytest.mark.parametrize(
    ("host", "user", "turns"),
    [
        ("relay.example", "", [(b"\x05\x01\x00", b"\x05\x00"), (b"\x05\x01\x00" + NAME, OK_V4)]),
        (
            "10.0.0.1",
            "",
            [(b"\x05\x01\x00", b"\x05\x00"), (b"\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb", OK_NAME)],
        ),
        (
            "relay.example",
            "ana",
            [
                (b"\x05\x02\x00\x02", b"\x05\x02"),
                (b"\x01\x03ana\x05a b:c", b"\x01\x00"),
                (b"\x05\x01\x00" + NAME, OK_V4),
            ],
        ),
    ],
)
async def test_socks_by_name_and_address(host: str, user: str, turns: list[tuple[bytes, bytes]]) -> None:
    async with proxy_of(socks(*turns), "socks5", user, "a b:c") as proxy:
        stream = await open_through(proxy, host, 443)
        await stream.send_all(b"hello")
        assert await stream.receive_some() == b"hello"
        await stream.aclose()


@pytest.mark.parametrize(
    ("user", "turns", "words"),
    [
        ("", [(b"\x05\x01\x00", b"\x05\xff")], "wants a name"),
        ("", [(b"\x05\x01\x00", b"\x05\x02")], "wants a name"),
        ("", [(b"\x05\x01\x00", b"\x04\x00")], "as one"),
        ("", [(b"\x05\x01\x00", b"\x05\x00"), (b"\x05\x01\x00" + NAME, b"\x05\x02\x00\x01")], "does not let"),
        ("", [(b"\x05\x01\x00", b"\x05\x00"), (b"\x05\x01\x00" + NAME, b"\x05\x00\x00\x09")], "as one"),
        ("ana", [(b"\x05\x02\x00\x02", b"\x05\x02"), (b"\x01\x03ana\x05a b:c", b"\x01\x01")], "wants a name"),
    ],
)
async def test_a_socks_proxy_that_says_no(user: str, turns: list[tuple[bytes, bytes]], words: str) -> None:
    async with proxy_of(socks(*turns), "socks5", user, "a b:c") as proxy:
        with pytest.raises(ConnectionFailed, match=words):
            await open_through(proxy, "relay.example", 443)


async def test_where_the_proxy_fails_the_direct_way_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """And if that is closed too, the proxy's reason is told: a person can do something about it."""
    tried: list[str] = []

    async def refuse(proxy: Proxy, host: str, port: int) -> trio.SocketStream:
        tried.append(f"{proxy.host} {host}")
        raise ConnectionFailed(CloseReason.DEAD, "The proxy says no.")

    monkeypatch.setattr("peer.dial.open_through", refuse)
    monkeypatch.setattr("peer.dial.choose_proxy", lambda scheme, host: Proxy("http", "proxy.lan", 1))

    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async with proxy_of(hang_up) as relay:
        with pytest.raises(ConnectionFailed, match="hung up"):
            await dial(f"http://127.0.0.1:{relay.port}", "/tunnel/host")
    with pytest.raises(ConnectionFailed, match="The proxy says no"):
        await dial(f"http://127.0.0.1:{relay.port}", "/tunnel/host")
    assert tried == ["proxy.lan 127.0.0.1"] * 2

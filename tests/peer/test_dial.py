"""Dialling: what answers may be anything; all that goes wrong is a `ConnectionFailed` with a sentence."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from peer.dial import MAX_ANSWER_BYTES, dial, limit_unsent
from peer.errors import ConnectionFailed
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import SUBPROTOCOL
from relay.protocol.upgrade import server_response
from tests.helpers.transports import make_certificate, make_tls_contexts

pytestmark = [pytest.mark.sockets]
Handler = Callable[[trio.abc.Stream], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that gives `handler` whoever connects."""

    async def serve(stream: trio.SocketStream) -> None:
        wrapped = stream if context is None else trio.SSLStream(stream, context, server_side=True)
        try:
            await handler(wrapped)
        except trio.BrokenResourceError:
            pass  # the client has left
        finally:
            await trio.aclose_forcefully(wrapped)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def answering(answer: bytes) -> Handler:
    async def handle(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.receive_some()

    return handle


async def upgrade(stream: trio.abc.Stream) -> None:
    request = bytes(await stream.receive_some())
    head = {line.partition(b": ")[0].lower(): line.partition(b": ")[2] for line in request.split(b"\r\n")}
    await stream.send_all(server_response(head[b"sec-websocket-key"], SUBPROTOCOL) + b"first bytes")
    await stream.receive_some()


async def failure(origin: str, **options: ssl.SSLContext) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as caught, trio.fail_after(10):
        await dial(origin, "/tunnel/viewer", **options)
    return caught.value


async def test_a_relay_is_reached_and_nothing_it_said_is_lost() -> None:
    async with listening(upgrade) as port:
        stream, first_bytes = await dial(f"ws://127.0.0.1:{port}", "/tunnel/viewer")
        assert first_bytes == b"first bytes"
        await stream.aclose()


async def test_a_relay_is_reached_over_tls(tmp_path: Path) -> None:
    server_context, client_context = make_tls_contexts(tmp_path)
    async with listening(upgrade, server_context) as port:
        stream, first_bytes = await dial(
            f"https://127.0.0.1:{port}", "/tunnel/viewer", ssl_context=client_context
        )
        assert first_bytes == b"first bytes"
        await trio.aclose_forcefully(stream)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="this system has no such option")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_the_kernel_holds_unsent_can_be_limited(scheme: str, tmp_path: Path) -> None:
    server_context, client_context = make_tls_contexts(tmp_path)
    async with listening(upgrade, server_context if scheme == "https" else None) as port:
        stream, _ = await dial(f"{scheme}://127.0.0.1:{port}", "/tunnel/host", ssl_context=client_context)
        limit_unsent(stream, 20_000)
        tcp = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
        assert isinstance(tcp, trio.SocketStream)
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 20_000
        await trio.aclose_forcefully(stream)
        limit_unsent(stream, 30_000)  # closed: to no effect


@pytest.mark.parametrize("has_usual", [False, True])
async def test_443_is_tried_before_the_port_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_usual: bool
) -> None:
    server_context, client_context = make_tls_contexts(tmp_path)
    tried: list[int] = []
    async with listening(upgrade, server_context) as port:

        async def open_tcp(scheme: str, host: str, wanted: int) -> trio.SocketStream:
            tried.append(wanted)
            if wanted == 443 and not has_usual:
                raise ConnectionRefusedError
            return await trio.open_tcp_stream("127.0.0.1", port)

        monkeypatch.setattr("peer.dial._open_tcp", open_tcp)
        monkeypatch.setattr("peer.dial.is_this_computer", lambda host: False)
        stream, first_bytes = await dial("wss://127.0.0.1:8443", "/tunnel/host", ssl_context=client_context)
        await trio.aclose_forcefully(stream)
    assert first_bytes == b"first bytes"
    assert tried == ([443] if has_usual else [443, 8443])


async def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    server_context, _ = make_tls_contexts(tmp_path)
    async with listening(upgrade, server_context) as port:
        failed = await failure(f"wss://127.0.0.1:{port}")
    assert failed.close_reason is CloseReason.REFUSED
    assert "not trusted" in str(failed)


async def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, ["another.example"])
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    client_context = ssl.create_default_context(cafile=certificate)
    async with listening(upgrade, server_context) as port:
        failed = await failure(f"https://localhost:{port}", ssl_context=client_context)
    assert "not trusted" in str(failed)


async def test_tls_where_there_is_none_cannot_be_reached(tmp_path: Path) -> None:
    async with listening(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        failed = await failure(f"https://127.0.0.1:{port}")
    assert failed.close_reason is CloseReason.DEAD


async def test_a_closed_port_cannot_be_reached() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        failed = await failure(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert failed.close_reason is CloseReason.DEAD


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", CloseReason.DEAD),
        (b"SSH-2.0-OpenSSH\r\n\r\n", CloseReason.BAD_WEBSOCKET),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", CloseReason.REFUSED),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", CloseReason.LIMIT),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal.example\r\n\r\n", CloseReason.BAD_WEBSOCKET),
        (server_response(b"A" * 24, SUBPROTOCOL), CloseReason.BAD_WEBSOCKET),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_ANSWER_BYTES, CloseReason.TOO_LARGE),
    ],
    ids=["nothing", "ssh", "forbidden", "busy", "portal", "wrong key", "endless"],
)
async def test_whatever_else_answers_is_a_failure(answer: bytes, reason: CloseReason) -> None:
    async with listening(answering(answer) if answer else hang_up) as port:
        failed = await failure(f"http://127.0.0.1:{port}")
    assert failed.close_reason is reason


async def hang_up(stream: trio.abc.Stream) -> None:
    await stream.receive_some()


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "relay.example",
        "ftp://relay.example",
        "http://",
        "http://h:99999",
        "http://[::1",
        "http://h:x",
        "http:///p",
    ],
)
async def test_what_is_no_address_is_refused_before_dialling(origin: str) -> None:
    failed = await failure(origin)
    assert failed.close_reason is CloseReason.REFUSED


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "\u2603" * 70])
async def test_a_name_that_cannot_be_asked_for_cannot_be_reached(host: str) -> None:
    assert (await failure(f"http://{host}:1")).close_reason in (CloseReason.DEAD, CloseReason.REFUSED)


async def test_cancelling_closes_the_socket() -> None:
    is_asked, is_left = trio.Event(), trio.Event()

    async def never_answer(stream: trio.abc.Stream) -> None:
        while await stream.receive_some():
            is_asked.set()
        is_left.set()

    async with listening(never_answer) as port, trio.open_nursery() as nursery:
        nursery.start_soon(dial, f"http://127.0.0.1:{port}", "/tunnel/host")
        await is_asked.wait()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True), trio.fail_after(5):
            await is_left.wait()
    assert is_left.is_set()

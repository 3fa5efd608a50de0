"""Real sockets: the accept loop, TLS, drain, and clients that are not ours."""

import errno
import gc
import json
import resource
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import httpx
import pytest
import trio
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from relay.http import (
    FrontDoor,
    FrontDoorEvent,
    Receive,
    Scope,
    Send,
    Slot,
    UpgradeRequest,
    serve_front_door,
)
from relay.http.front_door import _Shortage
from relay.http.heads import RequestHead
from relay.transport import Accepted, Acceptor, ServerTls, Transport
from tests.helpers.transports import make_server_tls
from tests.http.test_upgrades import SWITCHING, echo_handler, upgrade
from tests.http.visitor import GET, Tally, answer, echo_app, hello_app, make_door

pytestmark = pytest.mark.sockets


class Running:
    """A front door on a port of its own."""

    def __init__(self, port: int, stop: trio.Event, listeners: list[trio.SocketListener]) -> None:
        self.port = port
        self.stop = stop
        self.listeners = listeners
        self.has_ended = trio.Event()

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


@asynccontextmanager
async def open_front_door(door: FrontDoor, tls: ServerTls | None = None) -> AsyncIterator[Running]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    running = Running(listeners[0].socket.getsockname()[1], trio.Event(), listeners)

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_front_door(listeners, door, tls=tls, stop_accepting=running.stop, task_status=task_status)
        running.has_ended.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        with trio.fail_after(20):
            yield running
        nursery.cancel_scope.cancel()
    assert door.admission.statistics().unproven.held == 0
    assert door.admission.statistics().connections.held == 0


async def read_to_end(stream: trio.abc.ReceiveStream) -> bytes:
    data = b""
    try:
        while piece := await stream.receive_some():
            data += piece
    except trio.BrokenResourceError:
        pass
    return data


async def read_until(stream: trio.abc.ReceiveStream, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = await stream.receive_some()
        assert piece, data
        data += piece
    return data


async def test_httpx_talks_to_the_app_over_one_kept_connection() -> None:
    clients: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        clients.append(scope["client"])
        assert scope["server"][0] == "127.0.0.1"
        await echo_app(scope, receive, send)

    async with open_front_door(make_door(app)) as running, httpx.AsyncClient() as client:
        for body in (b"one", b"x" * 200_000):
            found = await client.post(f"http://127.0.0.1:{running.port}/a", content=body)
            assert (found.status_code, found.content) == (200, body)
    assert len(clients) == 2
    assert clients[0] == clients[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_talks_to_the_app() -> None:
    async with open_front_door(make_door(echo_app)) as running:
        found = await trio.run_process(
            ["curl", "-sSi", "--max-time", "10", "-d", "a=b", f"http://127.0.0.1:{running.port}/x"],
            capture_stdout=True,
        )
        assert found.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
        assert found.stdout.endswith(b"\r\n\r\na=b")
        # Refused at the head: curl must see the 413, not a reset.
        options = ["-w", "%{http_code}", "-H", "Expect: 100-continue", "--data-binary", "@-"]
        found = await trio.run_process(
            ["curl", "-sS", "--max-time", "10", *options, f"http://127.0.0.1:{running.port}/x"],
            stdin=bytes(2_000_000),
            capture_stdout=True,
        )
        assert found.stdout.endswith(b"413")


async def test_client_that_pushes_too_much_content_still_reads_the_refusal() -> None:
    async with open_front_door(make_door(echo_app)) as running:
        stream = await running.connect()
        async with stream:
            await stream.send_all(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + bytes(500_000)
            )
            assert (await read_to_end(stream)).startswith(b"HTTP/1.1 413 ")


async def test_tls_is_served_and_named_in_the_scheme(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["scheme"].encode())

    server_tls, client_context = make_server_tls(tmp_path)
    async with (
        open_front_door(make_door(app), server_tls) as running,
        httpx.AsyncClient(verify=client_context) as client,
    ):
        assert (await client.get(f"https://127.0.0.1:{running.port}/")).text == "https"


async def test_plain_http_on_a_tls_port_is_closed_without_an_answer(tmp_path: Path) -> None:
    tally = Tally()
    server_tls, client_context = make_server_tls(tmp_path)
    async with open_front_door(make_door(hello_app, tally=tally), server_tls) as running:
        async with await running.connect() as stream:
            await stream.send_all(GET)
            assert b"HTTP" not in await read_to_end(stream)
        async with httpx.AsyncClient(verify=client_context) as client:
            assert (await client.get(f"https://127.0.0.1:{running.port}/")).status_code == 200
    assert tally[FrontDoorEvent.HANDSHAKE_FAILURE] == 1


async def test_tls_handshake_that_does_not_come_is_closed_in_time(tmp_path: Path) -> None:
    tally = Tally()
    server_tls, _ = make_server_tls(tmp_path)
    door = make_door(hello_app, tally=tally, head_timeout=0.05)
    async with open_front_door(door, server_tls) as running, await running.connect() as stream:
        assert await read_to_end(stream) == b""
    assert tally == {FrontDoorEvent.HANDSHAKE_FAILURE: 1}


async def test_tls_on_a_plain_port_is_refused() -> None:
    tally = Tally()
    async with open_front_door(make_door(hello_app, tally=tally)) as running:
        stream = trio.SSLStream(await running.connect(), ssl.create_default_context(), server_hostname="a")
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()
        await trio.aclose_forcefully(stream)
    assert tally[FrontDoorEvent.BAD_REQUEST] == 1


@pytest.mark.parametrize("is_tls", [False, True])
async def test_upgrade_on_the_second_request_gets_its_early_bytes(is_tls: bool, tmp_path: Path) -> None:
    server_tls, client_context = make_server_tls(tmp_path)
    door = make_door(hello_app, upgrades={"/tunnel": echo_handler})
    async with open_front_door(door, server_tls if is_tls else None) as running:
        stream: trio.abc.Stream = await running.connect()
        if is_tls:
            stream = trio.SSLStream(stream, client_context, server_hostname="localhost")
        async with stream:
            await stream.send_all(GET)
            await read_until(stream, b"\r\n\r\n/")
            await stream.send_all(upgrade() + b"early")
            assert await read_until(stream, b"early") == SWITCHING + b"early"
            await stream.send_all(b"late")
            assert await read_until(stream, b"late") == b"late"


async def test_connections_above_the_cap_are_turned_away_and_others_live() -> None:
    tally = Tally()
    door = make_door(hello_app, tally=tally, max_unproven=2)
    async with open_front_door(door) as running:
        proven = await running.connect()
        await proven.send_all(GET)
        await read_until(proven, b"\r\n\r\n/")
        strangers = [await running.connect() for _ in range(2)]
        refused = await running.connect()
        found = await read_to_end(refused)
        assert found.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5\r\n" in found
        assert json.loads(found.partition(b"\r\n\r\n")[2])["status"] == 503
        await proven.send_all(GET)
        await read_until(proven, b"\r\n\r\n/")
        for stranger in strangers:
            await stranger.send_all(GET)
            await read_until(stranger, b"\r\n\r\n/")
        late = await running.connect()
        await late.send_all(GET)
        await read_until(late, b"\r\n\r\n/")
        for stream in (proven, *strangers, refused, late):
            await stream.aclose()
    assert tally[FrontDoorEvent.REFUSED_LIMIT] == 1


async def test_connections_above_the_rate_of_an_address_are_told_when_to_return() -> None:
    door = make_door(hello_app, connection_burst=1, connections_per_second=0.01)
    async with open_front_door(door) as running, await running.connect() as stream:
        await stream.send_all(GET)
        await read_until(stream, b"\r\n\r\n/")
        async with await running.connect() as other:
            found = await read_to_end(other)
    assert found.startswith(b"HTTP/1.1 429 ")
    assert b"Retry-After: 100\r\n" in found


async def test_connections_above_a_limit_are_closed_without_a_handshake(tmp_path: Path) -> None:
    tally = Tally()
    server_tls, _ = make_server_tls(tmp_path)
    door = make_door(hello_app, tally=tally, max_connections_per_address=1)
    async with (
        open_front_door(door, server_tls) as running,
        await running.connect(),
        await running.connect() as refused,
    ):
        assert await read_to_end(refused) == b""
    assert tally[FrontDoorEvent.REFUSED_LIMIT] == 1


async def test_crashing_app_harms_no_other_connection() -> None:
    numbers: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        numbers.append(get_contextvars()["socket"])
        if scope["path"] == "/crash":
            raise LookupError("crash")
        await answer(send, scope["path"].encode())

    with capture_logs() as logs:
        async with open_front_door(make_door(app)) as running, await running.connect() as other:
            await other.send_all(GET)
            await read_until(other, b"\r\n\r\n/")
            async with await running.connect() as stream:
                await stream.send_all(GET.replace(b"/ ", b"/crash "))
                assert (await read_to_end(stream)).startswith(b"HTTP/1.1 500 ")
            await other.send_all(GET)
            await read_until(other, b"\r\n\r\n/")
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["the app failed"]
    assert len(numbers) == 3
    assert len(set(numbers)) == 2  # two connections: what is logged for one of them says which


async def test_drain_stops_accepting_finishes_requests_and_returns() -> None:
    is_reached, may_answer = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_reached.set()
        await may_answer.wait()
        await answer(send, b"done")

    async with open_front_door(make_door(app)) as running:
        idle, busy = await running.connect(), await running.connect()
        await busy.send_all(GET)
        await is_reached.wait()
        running.stop.set()
        assert await read_to_end(idle) == b""
        await idle.aclose()
        with pytest.raises(OSError, match="attempts to connect"):
            await running.connect()
        assert not running.has_ended.is_set()
        may_answer.set()
        assert (await read_to_end(busy)).endswith(b"\r\n\r\ndone")
        await busy.aclose()
        await running.has_ended.wait()


async def test_upgraded_connection_keeps_nothing_that_only_http_needed() -> None:
    kept: list[object] = []

    def handler(request: UpgradeRequest) -> Awaitable[None]:
        return talk(request.transport)

    async def talk(transport: Transport) -> None:
        await transport.send_all(SWITCHING)
        await transport.receive_some()
        gc.collect()
        kinds = (UpgradeRequest, RequestHead, Slot, h11.Connection)
        kept.extend(thing for thing in gc.get_objects() if isinstance(thing, kinds))
        await transport.send_all(b"x")

    door = make_door(hello_app, upgrades={"/tunnel": handler})
    async with open_front_door(door) as running, await running.connect() as stream:
        await stream.send_all(upgrade())
        await read_until(stream, SWITCHING)
        await stream.send_all(b"count")
        await read_until(stream, b"x")
    assert kept == []


async def test_drain_waits_for_upgraded_connections() -> None:
    async with open_front_door(make_door(hello_app, upgrades={"/tunnel": echo_handler})) as running:
        async with await running.connect() as stream:
            await stream.send_all(upgrade())
            await read_until(stream, SWITCHING)
            running.stop.set()
            await stream.send_all(b"on")
            assert await read_until(stream, b"on") == b"on"
            assert not running.has_ended.is_set()
        await running.has_ended.wait()


def starve(monkeypatch: pytest.MonkeyPatch, failures: list[OSError]) -> None:
    """Has every listener fail to accept at first."""

    class StarvedAcceptor(Acceptor):
        async def wait(self) -> None:
            if failures:
                await trio.lowlevel.checkpoint()
            else:
                await super().wait()

        def accept_now(self) -> Accepted | None:
            if failures:
                raise failures.pop()
            return super().accept_now()

    monkeypatch.setattr("relay.http.front_door.Acceptor", StarvedAcceptor)


@pytest.mark.slow
async def test_accept_loop_survives_want_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    door = make_door(hello_app, tally=tally)
    (real,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    failures = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, "File table overflow")]
    starve(monkeypatch, failures)
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: serve_front_door([real], door, stop_accepting=trio.Event()))
            port = real.socket.getsockname()[1]
            with trio.fail_after(10):
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(GET)
                    await read_until(stream, b"\r\n\r\n/")
            nursery.cancel_scope.cancel()
    assert tally[FrontDoorEvent.ACCEPT_ERROR] == 2
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "cannot accept connections"
    ]


async def test_connections_leave_the_reserved_descriptors_free(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    limit = 1 << 20
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, 1 << 20))
    with capture_logs() as logs:
        async with open_front_door(make_door(hello_app, tally=tally, reserved_descriptors=8)) as running:
            async with await running.connect() as first:
                await first.send_all(GET)
                await read_until(first, b"\r\n\r\n/")
                limit = 8  # as if the table were as good as full
                for _ in range(2):
                    async with await running.connect() as refused:
                        found = await read_to_end(refused)
                        assert found.startswith(b"HTTP/1.1 503 ")
                        assert b"Retry-After: 5\r\n" in found
                await first.send_all(GET)
                await read_until(first, b"\r\n\r\n/")
            limit = 1 << 20
            async with await running.connect() as late:
                await late.send_all(GET)
                await read_until(late, b"\r\n\r\n/")
    assert tally[FrontDoorEvent.REFUSED_DESCRIPTORS] == 2
    assert [entry["event"] for entry in logs] == ["cannot accept connections", "accepting connections again"]


async def test_shortage_of_descriptors_is_not_over_at_its_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 0
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, 1 << 20))
    shortage = _Shortage(make_door(hello_app, reserved_descriptors=8))
    with capture_logs() as logs, socket.socket() as sock:
        for free, is_short in ((7, True), (8, False), (7, True), (11, False), (12, False), (7, True)):
            limit = sock.fileno() + 1 + free
            shortage.look()
            assert shortage.concerns(sock) is is_short
    events = ["cannot accept connections", "accepting connections again", "cannot accept connections"]
    assert [entry["event"] for entry in logs] == events


async def test_unlimited_descriptors_are_never_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with socket.socket() as sock:
        assert not _Shortage(make_door(hello_app)).concerns(sock)


async def test_broken_listener_is_not_mistaken_for_want_of_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (real,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    starve(monkeypatch, [OSError(errno.EINVAL, "Invalid argument")])
    with pytest.RaisesGroup(OSError, flatten_subgroups=True):
        await serve_front_door([real], make_door(hello_app), stop_accepting=trio.Event())
    assert real.socket.fileno() == -1


async def test_client_that_resets_at_once_leaves_nothing_behind() -> None:
    tally = Tally()
    async with open_front_door(make_door(hello_app, tally=tally)) as running:
        for _ in range(20):
            stream = await running.connect()
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            await stream.aclose()
        async with await running.connect() as stream:
            await stream.send_all(GET)
            await read_until(stream, b"\r\n\r\n/")
    assert tally[FrontDoorEvent.CONNECTION_ERROR] == 0


async def test_handler_that_forgets_to_close_leaves_no_open_socket() -> None:
    async def handler(request: UpgradeRequest) -> None:
        await request.transport.send_all(SWITCHING)

    door = make_door(hello_app, upgrades={"/tunnel": handler})
    async with open_front_door(door) as running, await running.connect() as stream:
        await stream.send_all(upgrade())
        assert await read_to_end(stream) == SWITCHING


async def test_h11_client_reads_a_streamed_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(50):
            await send({"type": "http.response.body", "body": bytes([number]) * 10_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with open_front_door(make_door(app)) as running, await running.connect() as stream:
        client = h11.Connection(h11.CLIENT)
        await stream.send_all(client.send(h11.Request(method="GET", target="/", headers=[("host", "a")])))
        client.send(h11.EndOfMessage())
        body = b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                client.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Data):
                body += event.data
        assert body == b"".join(bytes([number]) * 10_000 for number in range(50))

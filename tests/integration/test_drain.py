"""A relay that is asked to stop: it drains, in order and in time, whoever does not cooperate."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from peer.errors import StreamClosed
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import SUBPROTOCOL, Channel, Open
from relay.protocol.links import encode_base64url
from relay.protocol.streams import stream_id
from relay.protocol.upgrade import client_request, make_key
from technician.attaching import attach
from technician.errors import RelayUnreachable
from tests.helpers.process_house import (
    ProcessHouse,
    attach_raw,
    exchange,
    next_notice,
    open_control,
    open_process,
)
from tests.helpers.relays import activate, echo

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

TIMEOUT = 2.0
"""Seconds that `RelayProcess` gives a relay to drain."""
SLACK = 3.0
"""Seconds for a slow machine to end a process: the store is closed, Python shuts down."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ProcessHouse]:
    async with open_process(tmp_path) as it:
        yield it


@asynccontextmanager
async def stopped(house: ProcessHouse, *, within: float) -> AsyncIterator[None]:
    """Send SIGTERM before the block; the relay must have ended well `within` seconds of that."""
    started = trio.current_time()
    house.process.send(signal.SIGTERM)
    yield
    code = await trio.to_thread.run_sync(house.process.wait_gone)
    assert code == 0, house.process.logs
    assert trio.current_time() - started < within + SLACK
    assert "Traceback" not in house.process.logs


async def connect_idle(house: ProcessHouse) -> trio.SocketStream:
    """A client that keeps its connection after a request."""
    stream = await trio.open_tcp_stream(*house.address)
    await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
    return stream


async def read_to_end(stream: trio.SocketStream) -> bytes:
    """Everything until the relay hangs up."""
    got = b""
    with trio.fail_after(10):
        async for piece in stream:
            got += piece
    return got


async def test_peers_are_told_when_to_come_back_and_nobody_is_waited_for(house: ProcessHouse) -> None:
    active = await activate(house)
    async with active.host.connected() as host, trio.open_nursery() as nursery:
        nursery.start_soon(echo, active, host)
        async with attach(house.relay, active.id, [Channel.CONTROL]) as viewer:
            sealed = await open_control(viewer, active)
            await exchange(sealed, 10)
            async with await connect_idle(house) as idle, stopped(house, within=TIMEOUT / 2):
                for tunnel in (host, viewer):
                    assert (await next_notice(tunnel, "move")).fields == {"within": TIMEOUT}
                    assert await tunnel.wait_closed() is CloseReason.GOING_AWAY
                with pytest.raises(StreamClosed) as cut:
                    await sealed.receive()
                assert cut.value.close_reason is CloseReason.GOING_AWAY
                assert await read_to_end(idle) == b""
                with pytest.raises(OSError, match="connect"):
                    await trio.open_tcp_stream(*house.address)
        nursery.cancel_scope.cancel()


async def test_nothing_new_is_begun_once_it_drains(house: ProcessHouse) -> None:
    """Of requests whose heads had begun to come: the port is closed, so there are no others."""
    authority = house.origin.partition("://")[2]
    body = json.dumps({"invite": encode_base64url(bytes(16)), "customer_email": "ana@b.example"})
    requests = [
        f"GET /healthz HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode(),
        f"POST /api/v1/sessions HTTP/1.1\r\nHost: {authority}\r\nCookie: {house.relay.cookie}\r\n"
        "X-Adhoc-Csrf: 1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode(),
        client_request(authority, "/tunnel/host", make_key(), SUBPROTOCOL),
    ]
    async with AsyncExitStack() as stack:
        streams = []
        for request in requests:
            stream = await stack.enter_async_context(await trio.open_tcp_stream(*house.address))
            await stream.send_all(request[:10])
            streams.append(stream)
        # A whole request on a connection opened after them: the relay has read their beginnings.
        idle = await stack.enter_async_context(await connect_idle(house))
        async with stopped(house, within=TIMEOUT):
            assert await read_to_end(idle) == b""
            for stream, request in zip(streams, requests, strict=True):
                await stream.send_all(request[10:])
                assert (await read_to_end(stream)).startswith(b"HTTP/1.1 503 ")
    async with open_process(house.process.data.parent) as again:
        assert await again.relay.sessions(include_ended=True) == []


async def test_deadline_holds_with_a_stalled_peer_and_a_request_that_never_ends(
    house: ProcessHouse,
) -> None:
    active = await activate(house)
    async with (
        active.host.connected() as host,
        attach_raw(house, active, receive_buffer=8192) as (viewer, _, number),
        await trio.open_tcp_stream(*house.address) as half,
    ):
        await viewer.send(Open(stream_id(number, 1), Channel.CONTROL, 4 << 20, {}))
        stream = await host.incoming.receive()
        await stream.accept({})
        for _ in range(32):  # 2 MiB, more than the kernel keeps for a viewer that does not read
            await stream.send(bytes(60_000))
        await half.send_all(b"GET / HTTP/1.1\r\n")
        await house.wait_counted(lambda count: count > 100_000, "relay_queued_bytes")
        async with stopped(house, within=TIMEOUT):
            assert await host.wait_closed() is CloseReason.GOING_AWAY


async def test_drain_does_not_wait_for_a_mail_server_that_is_silent(tmp_path: Path) -> None:
    connected = trio.Event()

    async def say_nothing(stream: trio.SocketStream) -> None:
        connected.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, say_nothing, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        url = f"smtp://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with open_process(tmp_path, "--smtp-url", url, "--mail-from", "relay@a.example") as house:

            async def prepare() -> None:
                with pytest.raises(RelayUnreachable):
                    await house.relay.prepare("ana@b.example", mail=True)

            async with trio.open_nursery() as asking:
                asking.start_soon(prepare)
                await connected.wait()
                async with stopped(house, within=TIMEOUT):
                    pass
        nursery.cancel_scope.cancel()


async def test_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with (
        open_process(tmp_path, "--shutdown-timeout", "60") as house,
        await trio.open_tcp_stream(*house.address) as half,
    ):
        await half.send_all(b"GET / HTTP/1.1\r\n")  # waited for, up to the deadline of heads
        async with await connect_idle(house) as idle, stopped(house, within=0):
            assert await read_to_end(idle) == b""
            house.process.send(signal.SIGTERM)

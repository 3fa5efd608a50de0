"""Peers that stall, vanish or dawdle at a real relay, and strangers in crowds: it notices, and others go on.

The relay runs in a process of its own, with shorter deadlines where the real ones would take a minute; that
the real ones are what SECURITY says is tested over memory, with a clock that jumps.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from peer.errors import StreamClosed
from peer.tunnel import Stream, Tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Accept, Channel, Close, Data, Open
from relay.protocol.streams import stream_id
from relay.protocol.websocket import CloseReceived, Ping
from technician.attaching import attach
from tests.helpers.far_end import FarEnd
from tests.helpers.process_house import (
    ProcessHouse,
    attach_raw,
    exchange,
    exchanging,
    next_notice,
    open_control,
    open_pair,
    open_process,
    vanish,
)
from tests.helpers.relays import ActiveSession, activate
from tests.helpers.transports import make_certificate

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

STALL_TIMEOUT = 1.0
SHORT = {
    "peer": {
        "ping_interval": 0.3,
        "dead_timeout": 1.5,
        "stall_timeout": STALL_TIMEOUT,
        "close_timeout": 0.5,
    },
    "tunnels": {"hello_timeout": 1.0, "housekeeping_interval": 0.1},
    "front_door": {"head_timeout": 1.0},
}
SMALL_BUFFER = 8192
"""Bytes in the kernel of a viewer that reads slowly, or not at all."""
CREDIT = 8 << 20
STEP_BYTES = 4_000
"""What a viewer on a slow line takes at a time."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ProcessHouse]:
    async with open_process(tmp_path, tuning=SHORT) as it:
        yield it


# Peers


async def serve_viewers(active: ActiveSession, tunnel: Tunnel) -> None:
    """A host that echoes sealed streams, and floods those that are opened without a handshake."""

    async def serve(stream: Stream) -> None:
        with contextlib.suppress(StreamClosed):
            if stream.params:
                sealed = await active.host.accept(stream)
                while data := await sealed.receive():
                    await sealed.send(data)
            else:
                await stream.accept({})
                while True:
                    await stream.send(bytes(60_000))

    async with trio.open_nursery() as nursery:
        async for stream in tunnel.incoming:
            nursery.start_soon(serve, stream)


async def open_flood(viewer: FarEnd, number: int) -> None:
    """Open a stream that the host floods, as far as `CREDIT` goes."""
    stream = stream_id(number, 1)
    await viewer.send(Open(stream, Channel.CONTROL, CREDIT, {}))
    while not isinstance(event := await viewer.read(), Accept):
        assert event is not None


async def test_viewer_that_reads_nothing_is_closed_as_stalled_and_another_goes_on(
    house: ProcessHouse,
) -> None:
    active = await activate(house)
    async with active.host.connected() as host, trio.open_nursery() as nursery:
        nursery.start_soon(serve_viewers, active, host)
        async with attach(house.relay, active.id, [Channel.CONTROL]) as tunnel:
            good = await open_control(tunnel, active)
            async with (
                exchanging(good),
                attach_raw(house, active, receive_buffer=SMALL_BUFFER) as (bad, _, number),
            ):
                await open_flood(bad, number)
                detached = await next_notice(host, "detached")
        assert detached.fields == {"viewer": number}
        await house.wait_sample("relay_teardowns_total", 1, role="viewer", reason="stalled")
        nursery.cancel_scope.cancel()


async def test_viewer_on_a_slow_line_is_not_taken_for_a_stalled_one(house: ProcessHouse) -> None:
    """A batch takes longer than the stall deadline on its line, but bytes move all the time."""
    active = await activate(house)
    async with active.host.connected() as host, trio.open_nursery() as nursery:
        nursery.start_soon(serve_viewers, active, host)
        async with attach_raw(house, active, receive_buffer=SMALL_BUFFER) as (slow, _, number):
            await open_flood(slow, number)
            rate, duration = 80_000, 4 * STALL_TIMEOUT
            started = trio.current_time()
            read = 0
            while read < rate * duration:
                # Not message by message: between two of them it would rest nearly as long as a stalled one.
                piece = await slow.pipe.receive_some(STEP_BYTES)
                assert piece
                slow.events += slow.codec.receive_data(piece)
                while slow.events:
                    event = await slow.read()
                    assert isinstance(event, Data | Ping), event  # and no CLOSE
                read += len(piece)
                await slow.pipe.send_all(slow.codec.encode_pong(b"still here"))
                await trio.sleep_until(started + read / rate)  # the line's speed, not a wait for something
        nursery.cancel_scope.cancel()


async def test_viewer_whose_network_is_gone_is_found_by_pings(house: ProcessHouse) -> None:
    active = await activate(house)
    async with (
        active.host.connected() as host,
        attach_raw(house, active) as (_, handle, number),
    ):
        await next_notice(host, "attached")
        vanish(handle)
        detached = await next_notice(host, "detached")
        assert detached.fields == {"viewer": number}
        await house.wait_sample("relay_teardowns_total", 1, role="viewer", reason="dead")
        assert host.close_reason is None  # it was as silent, but answered pings


async def test_host_whose_network_is_gone_is_found_by_pings(house: ProcessHouse) -> None:
    active = await activate(house)
    async with attach(house.relay, active.id, [Channel.CONTROL]) as viewer:
        async with house.connect("host") as (far, handle):
            await far.send(active.host.hello())
            await next_notice(viewer, "host_online")
            vanish(handle)
            await next_notice(viewer, "host_offline")
            await house.wait_sample("relay_teardowns_total", 1, role="host", reason="dead")
            assert viewer.close_reason is None
        async with active.host.connected():
            await next_notice(viewer, "host_online")


# Strangers that are slow


async def test_heads_that_trickle_are_refused_in_time_and_a_pair_goes_on(house: ProcessHouse) -> None:
    active = await activate(house)

    async def trickle() -> None:
        async with await trio.open_tcp_stream(*house.address) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\n")
            answer = b""
            with trio.fail_after(10):
                while not answer:
                    with trio.move_on_after(0.2):
                        answer = bytes(await stream.receive_some())
                        break
                    await stream.send_all(b"X-Slow: 1\r\n")
            assert answer.startswith(b"HTTP/1.1 408 ")

    async with open_pair(house, active) as sealed, exchanging(sealed), trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(trickle)
    await house.wait_sample("relay_front_door_events_total", 50, event="slow_request")


async def test_peers_that_do_not_say_hello_are_closed_in_time_and_a_pair_goes_on(
    house: ProcessHouse,
) -> None:
    active = await activate(house)

    async def say_nothing() -> None:
        async with house.connect("viewer") as (far, _):
            with trio.fail_after(10):
                *_, close, end = await far.read_all()
            assert close == Close(0, CloseReason.HANDSHAKE_TIMEOUT)
            assert isinstance(end, CloseReceived)

    async with open_pair(house, active) as sealed, exchanging(sealed), trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(say_nothing)
    await house.wait_sample("relay_handshake_failures_total", 50, reason="handshake_timeout")
    await house.wait_sample("relay_connections", 0, role="handshaking")


async def test_tls_handshakes_that_do_not_come_are_closed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    async with open_process(tmp_path, *options, tuning=SHORT) as house:
        active = await activate(house)

        async def say_nothing() -> None:
            async with await trio.open_tcp_stream(*house.address) as stream:
                with trio.fail_after(10), contextlib.suppress(trio.BrokenResourceError):
                    assert await stream.receive_some() == b""

        async with open_pair(house, active) as sealed, exchanging(sealed), trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(say_nothing)
        await house.wait_sample("relay_front_door_events_total", 50, event="handshake_failure")


# Crowds; they meet the real limits (`FrontDoorSettings`).

CROWD = 2000
MAX_UNPROVEN = 512
MAX_OF_ONE_ADDRESS = 128
MAX_GROWTH_BYTES = 4 << 20


async def storm(house: ProcessHouse, addresses: Sequence[str], *, max_let_in: int) -> Counter[bytes]:
    """Connect from all addresses at once and say nothing; hang up when all but `max_let_in` were answered.

    Returns:
        How many heard which status.
    """
    heard: Counter[bytes] = Counter()

    async def come(address: str) -> None:
        sock = trio.socket.socket()
        await sock.bind((address, 0))
        await sock.connect(house.address)
        async with trio.SocketStream(sock) as stream:
            heard[(await stream.receive_some())[9:12]] += 1
            if heard.total() == len(addresses) - max_let_in:
                nursery.cancel_scope.cancel()
            await trio.sleep_forever()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for address in addresses:
                nursery.start_soon(come, address)
    return heard


async def test_storm_from_many_addresses_is_bounded_and_leaves_nothing_behind(tmp_path: Path) -> None:
    addresses = [f"127.{10 + n // 62500}.{n // 250 % 250}.{1 + n % 250}" for n in range(CROWD)]
    async with open_process(tmp_path) as house:
        active = await activate(house)
        async with open_pair(house, active) as sealed:
            descriptors = await house.sample("relay_descriptors")
            sizes = []
            for number in (1, 2, 3):
                async with exchanging(sealed, at_least=100):
                    heard = await storm(house, addresses, max_let_in=MAX_UNPROVEN)
                assert heard == {b"503": CROWD - MAX_UNPROVEN}
                refused = number * (CROWD - MAX_UNPROVEN)
                await house.wait_sample("relay_front_door_events_total", refused, event="refused_limit")
                await house.wait_sample("relay_descriptors", descriptors)
                sizes.append(house.process.resident_bytes)
        async with open_pair(house, active) as sealed:  # newcomers are welcome again
            await exchange(sealed, 1)
    # The first storm makes the allocator ask for memory that it keeps; the next ones must do with it.
    assert sizes[2] - sizes[0] < MAX_GROWTH_BYTES


async def test_upgrades_without_hello_are_bounded_in_all(tmp_path: Path) -> None:
    """An upgrade leaves the front door's limits; what comes before HELLO has one of its own."""
    most = 20
    tuning = {"tunnels": {"max_handshaking": most, "hello_timeout": 60}}
    async with open_process(tmp_path, tuning=tuning) as house:
        active = await activate(house)
        async with open_pair(house, active) as sealed, AsyncExitStack() as crowd:
            for number in range(most):
                await crowd.enter_async_context(house.connect("host", source=f"127.8.0.{number + 1}"))
            with pytest.raises(AssertionError, match=r"HTTP/1\.1 503 "):
                async with house.connect("host", source="127.8.1.1"):
                    pass
            await exchange(sealed, 10)
            await house.wait_sample("relay_handshake_failures_total", 1, reason="limit")
        await house.wait_sample("relay_connections", 0, role="handshaking")
        async with open_pair(house, active) as sealed:
            await exchange(sealed, 1)


async def test_storm_from_one_address_takes_no_place_from_others(tmp_path: Path) -> None:
    async with open_process(tmp_path) as house:
        active = await activate(house)
        async with open_pair(house, active) as sealed, exchanging(sealed, at_least=100):
            heard = await storm(house, ["127.9.9.9"] * CROWD, max_let_in=MAX_OF_ONE_ADDRESS)
        assert heard == {b"429": CROWD - MAX_OF_ONE_ADDRESS}
        async with house.connect("viewer", source="127.9.9.10"):
            pass
        await house.wait_sample(
            "relay_front_door_events_total", CROWD - MAX_OF_ONE_ADDRESS, event="refused_limit"
        )

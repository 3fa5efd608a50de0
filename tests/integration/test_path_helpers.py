"""The proxy that makes paths longer and the cables that are slow and lossy do what they say."""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.helpers.delay_proxy import DelayProxy
from tests.helpers.namespaces import NEAR_ADDRESS, Cable, Unavailable, check_available, open_cable

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

ROUND_TRIP = 0.1


async def _echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)
    await stream.send_eof()


@asynccontextmanager
async def echo_through_proxy(bytes_per_second: float | None = None) -> AsyncIterator[trio.SocketStream]:
    """A connection through a proxy to a server that sends back what it gets."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, _echo, 0)
        upstream = ("127.0.0.1", listeners[0].socket.getsockname()[1])
        proxy = await trio.to_thread.run_sync(DelayProxy, upstream, ROUND_TRIP, bytes_per_second)
        try:
            async with await trio.open_tcp_stream(*proxy.address) as stream:
                yield stream
        finally:
            proxy.__exit__(None, None, None)
        nursery.cancel_scope.cancel()


async def receive_exactly(stream: trio.SocketStream, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        piece = await stream.receive_some()
        assert piece
        received += piece
    return bytes(received)


async def test_every_byte_comes_back_after_the_round_trip_and_not_before() -> None:
    async with echo_through_proxy() as stream:
        for _ in range(3):
            sent_at = time.monotonic()
            await stream.send_all(b"x")
            await receive_exactly(stream, 1)
            assert ROUND_TRIP <= time.monotonic() - sent_at < 2 * ROUND_TRIP


async def test_without_a_rate_much_more_than_a_buffer_is_under_way_at_a_time() -> None:
    data = bytes(range(256)) * (16 << 12)  # 16 MiB
    async with echo_through_proxy() as stream, trio.open_nursery() as nursery:
        started = time.monotonic()
        nursery.start_soon(stream.send_all, data)
        assert await receive_exactly(stream, len(data)) == data
    # 64 KiB a round trip, which is what a proxy with common buffers carries, would take 25 s.
    assert time.monotonic() - started < 2.0


async def test_a_rate_is_kept_to() -> None:
    async with echo_through_proxy(1_000_000) as stream, trio.open_nursery() as nursery:
        started = time.monotonic()
        nursery.start_soon(stream.send_all, bytes(500_000))
        await receive_exactly(stream, 500_000)
    assert time.monotonic() - started == pytest.approx(0.5 + ROUND_TRIP, rel=0.25)


async def test_an_end_arrives_behind_the_data() -> None:
    async with echo_through_proxy() as stream:
        await stream.send_all(b"last")
        await stream.send_eof()
        assert await receive_exactly(stream, 4) == b"last"
        assert await stream.receive_some() == b""


def _ping(cable: Cable, count: int) -> int:
    """How many of `count` datagrams were lost on their way from the far end to the near one or back."""
    command = [*cable.far, "python3", "-c", _PING, NEAR_ADDRESS, str(count)]
    near = [*cable.near, "python3", "-c", _PONG, NEAR_ADDRESS]
    with subprocess.Popen(near, stdout=subprocess.PIPE) as answering:
        assert answering.stdout is not None
        answering.stdout.readline()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        answering.kill()
    return int(done.stdout)


_PONG = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 5000))
print(flush=True)
while True:
    sock.sendto(*sock.recvfrom(2000))
"""
_PING = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(0.02)
lost = 0
for number in range(int(sys.argv[2])):
    sock.sendto(number.to_bytes(4, "big"), (sys.argv[1], 5000))
    try:
        while int.from_bytes(sock.recv(2000), "big") != number:
            pass
    except TimeoutError:
        lost += 1
print(lost)
"""


@pytest.fixture
def cable() -> Iterator[Cable]:
    try:
        with open_cable(bits_per_second=20e6, loss_percent=5) as it:
            yield it
    except Unavailable as exc:
        pytest.skip(str(exc))


def namespaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


def test_a_lossy_cable_loses_its_share_each_way(cable: Cable) -> None:
    assert 40 <= _ping(cable, 1000) <= 160  # 97.5 of 1000 are expected, 9.4 is the standard deviation


def test_nothing_of_a_cable_is_left_behind() -> None:
    try:
        check_available()
    except Unavailable as exc:
        pytest.skip(str(exc))
    with open_cable() as cable:
        names = [cable.near[-1], cable.far[-1]]
        assert all(name in namespaces() for name in names)
    assert not any(name in namespaces() for name in names)

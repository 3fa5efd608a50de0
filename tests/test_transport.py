"""One contract for every transport, then what only sockets and TLS can get wrong."""

import errno
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import cast

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

import relay.transport.base
from relay.errors import PeerGone
from relay.transport import (
    MEMORY_BYTES,
    UNSENT_BYTES,
    Acceptor,
    Chunk,
    SocketTransport,
    TlsTransport,
    Transport,
    memory_transport_pair,
)
from relay.transport.sockets import RETRANSMISSION_FLOOR
from tests.helpers.transports import (
    open_socket_pair,
    open_socket_transports,
    open_tls_transports,
    receive_exactly,
    switched_transport_pair,
)

# More than both kernel buffers of a loopback connection can grow to.
FLOOD = bytes(32 << 20)

KINDS = [
    "memory",
    "switched",
    pytest.param("socket", marks=pytest.mark.sockets),
    pytest.param("tls", marks=pytest.mark.sockets),
    pytest.param("tls-to-compiled", marks=pytest.mark.sockets),
    pytest.param("compiled-to-tls", marks=pytest.mark.sockets),
]
SOCKET_KINDS = KINDS[2:]

Pair = tuple[Transport, Transport]


@pytest.fixture(params=KINDS)
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    ends: Pair
    match request.param:
        case "memory":
            ends = memory_transport_pair()
        case "switched":
            ends = switched_transport_pair()
        case "socket":
            ends = await open_socket_transports()
        case "tls":
            ends = await open_tls_transports(tmp_path)
        case _:
            ends = await open_tls_transports(tmp_path, is_compiled=True)
            if request.param == "compiled-to-tls":
                ends = ends[1], ends[0]
    yield ends
    for end in ends:
        end.abort()


async def receive_until_end(transport: Transport) -> bytes:
    received = bytearray()
    while data := await transport.receive_some():
        received += data
    return bytes(received)


async def send_for_ever(transport: Transport) -> None:
    while True:
        await transport.send_all(FLOOD)


async def expect_peer_gone_receiving(transport: Transport) -> None:
    with pytest.raises(PeerGone):
        await transport.receive_some()


async def expect_peer_gone_flooding(transport: Transport) -> None:
    with pytest.raises(PeerGone):
        await send_for_ever(transport)


# Bytes


async def test_bytes_arrive_whole_and_in_order_both_ways_at_once(pair: Pair) -> None:
    one, other = pair
    there, back = os.urandom(1_500_000), os.urandom(1_500_000)
    received: dict[str, bytes] = {}

    async def receive(transport: Transport, name: str) -> None:
        received[name] = await receive_exactly(transport, 1_500_000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.send_all, there)
        nursery.start_soon(other.send_all, back)
        nursery.start_soon(receive, other, "there")
        nursery.start_soon(receive, one, "back")
    assert received == {"there": there, "back": back}


async def test_pieces_sent_without_waiting_arrive_whole_and_what_is_left_goes_on(pair: Pair) -> None:
    one, other = pair
    piece = os.urandom(200_000)
    sent = bytearray()
    left: list[Chunk] = []
    while not left:
        sent += piece
        left = one.send_piece(piece)
    received = bytearray()
    while len(received) < len(sent):
        data = other.receive_some_now(70_000)
        if data is None:
            await other.wait_to_receive()
            continue
        assert 0 < len(data) <= 70_000
        received += data
        if left:
            left = one.send_now(left)
    assert received == sent
    assert not left
    assert other.receive_some_now() is None


async def test_what_can_leave_at_once_is_sent_without_a_checkpoint(pair: Pair) -> None:
    one, other = pair
    with trio.CancelScope() as scope:
        scope.cancel()
        await one.send_promptly([b"at ", b"once"])
        await one.send_promptly(b"!")
    assert not scope.cancelled_caught
    assert await receive_exactly(other, 8) == b"at once!"
    with pytest.raises(trio.TooSlowError), trio.fail_after(0.05):
        await one.send_promptly(FLOOD)
    with pytest.raises(PeerGone):
        one.send_piece(b"no more")
    with pytest.raises(PeerGone):
        await one.send_promptly(b"no more")


async def test_bytes_put_back_come_first_without_waiting(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"later")
    other.unread(b"first")
    assert other.receive_some_now(3) == b"fir"
    assert other.receive_some_now() == b"st"
    assert await receive_exactly(other, 5) == b"later"


@pytest.mark.parametrize("count", [0, 1, 5000, 60_000, 200_000])
async def test_whoever_expects_much_is_woken_when_all_of_it_has_come(pair: Pair, count: int) -> None:
    one, other = pair
    received = 0

    async def receive_all() -> None:
        nonlocal received
        while received < count:
            other.expect(count - received)
            await other.wait_to_receive()
            received += len(other.receive_some_now() or b"")
        other.expect(0)
        await other.wait_to_receive()
        assert other.receive_some_now() == b"!"

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive_all)
            for start in range(0, count, 7000):
                await one.send_all(bytes(min(7000, count - start)))
            while received < count:
                await trio.lowlevel.checkpoint()
            await one.send_all(b"!")


async def test_the_end_is_learnt_of_whatever_was_expected(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"too little")
    assert await receive_exactly(other, 10) == b"too little"
    other.expect(60_000)

    async def read_end() -> None:
        while (data := other.receive_some_now()) is None:
            await other.wait_to_receive()
        assert data == b""
        await other.aclose()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_end)
            await one.aclose()
    other.expect(60_000)  # to no effect on what is closed


@pytest.mark.sockets
async def test_a_large_frame_wakes_its_reader_only_when_most_of_it_is_there() -> None:
    one, other = await open_socket_transports()
    other.expect(30_000)
    woken: list[int] = []
    assert other.receive_some_now() is None  # so that it has to wait

    async def receive() -> None:
        await other.wait_to_receive()
        woken.append(len(other.receive_some_now() or b""))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        for _ in range(20):
            await one.send_all(bytes(1400))
        await wait_all_tasks_blocked(0.01)
        assert woken == []
        other.expect(0)  # for example to see whether anything comes at all
        await wait_all_tasks_blocked(0.01)
    assert woken == [28_000]
    for end in (one, other):
        end.abort()


async def test_who_receives_without_waiting_learns_of_the_end(pair: Pair) -> None:
    one, other = pair

    async def read_end() -> None:
        while (data := other.receive_some_now()) is None:
            await other.wait_to_receive()
        assert data == b""
        await other.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_end)
        await one.aclose()
    with pytest.raises(PeerGone):
        other.receive_some_now()
    with pytest.raises(PeerGone):
        other.receive_now(memoryview(bytearray(8)))
    with pytest.raises(PeerGone):
        await other.wait_to_receive()


@pytest.mark.parametrize(
    "chunks",
    [
        [b"one", bytearray(b"two"), b"", memoryview(b"three")],
        [b"header", bytes(range(256)) * 1000, b"header", bytes(range(255)) * 1000],
        [b"%d " % index for index in range(3000)],
        [bytes([index % 256]) * 3000 for index in range(1500)],
    ],
    ids=["kinds", "large", "many-small", "more-than-one-sendmsg"],
)
async def test_chunks_arrive_as_if_joined(pair: Pair, chunks: list[Chunk]) -> None:
    one, other = pair
    expected = b"".join(chunks)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.send_all, tuple(chunks))
        assert await receive_exactly(other, len(expected)) == expected


async def test_no_more_is_received_than_asked_for(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"12345")
    assert await other.receive_some(2) == b"12"
    assert await other.receive_some(2) == b"34"
    assert await other.receive_some(2) == b"5"


async def test_sending_nothing_sends_nothing(pair: Pair) -> None:
    one, other = pair
    await one.send_all([])
    await one.send_all(b"")
    await one.send_all([b"", b"x"])
    assert await other.receive_some() == b"x"


async def test_what_was_put_back_comes_first(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"third")
    other.unread(b"second")
    other.unread(b"first ")
    assert await other.receive_some(8) == b"first se"
    assert await other.receive_some() == b"cond"
    assert await other.receive_some() == b"third"


async def test_a_sender_waits_while_nobody_receives(pair: Pair) -> None:
    one, other = pair
    is_sent = trio.Event()

    async def send() -> None:
        await one.send_all(FLOOD)
        is_sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await wait_all_tasks_blocked(0.01)
        assert not is_sent.is_set()
        assert await receive_exactly(other, len(FLOOD)) == FLOOD


async def test_every_call_is_a_checkpoint(pair: Pair) -> None:
    one, other = pair
    with assert_checkpoints():
        await one.send_all(b"data")
    with assert_checkpoints():
        await one.send_all([])
    with assert_checkpoints():
        await other.receive_some(2)
    other.unread(b"x")
    with assert_checkpoints():
        await other.receive_some()
    await other.receive_some()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.aclose)
        assert await receive_until_end(other) == b""
        with assert_checkpoints():
            assert await other.receive_some() == b""
        with assert_checkpoints():
            await other.aclose()
    with assert_checkpoints():
        await other.aclose()


async def test_the_peer_has_an_address(pair: Pair) -> None:
    host, port = pair[0].peer_address
    assert host in ("memory", "127.0.0.1")
    assert port > 0
    assert pair[0].is_tls == isinstance(pair[0], TlsTransport)


# One task in each direction


async def test_a_second_receiver_is_a_bug(pair: Pair) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_peer_gone_receiving, pair[0])
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await pair[0].receive_some()
        pair[0].abort()


async def test_a_second_receiver_is_a_bug_while_the_first_has_only_begun(pair: Pair) -> None:
    first = cast("Coroutine[object, None, None]", pair[0].wait_to_receive())
    first.send(None)  # as far as its first checkpoint
    with pytest.raises(trio.BusyResourceError):
        await pair[0].wait_to_receive()
    first.close()


async def test_a_second_sender_is_a_bug(pair: Pair) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_peer_gone_flooding, pair[0])
        await wait_all_tasks_blocked(0.01)
        with pytest.raises(trio.BusyResourceError):
            await pair[0].send_all(b"x")
        pair[0].abort()


# Endings


async def test_what_was_sent_before_a_close_is_received_and_then_the_end_again_and_again(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"last words")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.aclose)
        assert await receive_until_end(other) == b"last words"
        assert await other.receive_some() == b""
        await other.aclose()


async def test_a_late_abort_does_not_take_back_what_a_close_has_sent(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"last words")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.aclose)
        await wait_all_tasks_blocked(0.01)
        received = await receive_until_end(other)
        await other.aclose()
    one.abort()
    assert received == b"last words"


@pytest.mark.parametrize("is_graceful", [True, False], ids=["aclose", "abort"])
async def test_closing_wakes_our_own_receiver_and_sender(
    pair: Pair, is_graceful: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay.transport.base, "CLOSE_TIMEOUT", 0.02)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_peer_gone_receiving, pair[0])
        nursery.start_soon(expect_peer_gone_flooding, pair[0])
        await wait_all_tasks_blocked(0.01)
        if is_graceful:
            await pair[0].aclose()
        else:
            pair[0].abort()


async def test_nothing_goes_through_a_closed_transport(pair: Pair) -> None:
    pair[0].unread(b"never read")
    pair[0].abort()
    await expect_peer_gone_receiving(pair[0])
    with pytest.raises(PeerGone):
        await pair[0].send_all(b"x")
    await pair[0].aclose()
    pair[0].abort()


@pytest.mark.parametrize("expect", [expect_peer_gone_receiving, expect_peer_gone_flooding])
async def test_the_other_sides_abort_is_no_proper_end(
    pair: Pair, expect: Callable[[Transport], Awaitable[None]]
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect, pair[1])
        await wait_all_tasks_blocked(0.01)
        pair[0].abort()


async def test_sending_to_a_closed_peer_ends(pair: Pair) -> None:
    one, other = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.aclose)
        await receive_until_end(other)
        await other.aclose()
    await expect_peer_gone_flooding(other)


async def test_both_sides_may_close_at_once(pair: Pair) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair[0].aclose)
        nursery.start_soon(pair[1].aclose)
    await expect_peer_gone_receiving(pair[0])
    await expect_peer_gone_receiving(pair[1])


# Cancellation


async def test_a_cancelled_receive_loses_nothing(pair: Pair) -> None:
    one, other = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.receive_some)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await one.send_all(b"kept")
    with trio.CancelScope() as scope:
        scope.cancel()
        await other.receive_some()
    assert scope.cancelled_caught
    assert await other.receive_some() == b"kept"


async def test_after_a_cancelled_send_only_receiving_goes_on(pair: Pair) -> None:
    one, other = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.send_all, FLOOD)
        await wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    with pytest.raises(PeerGone, match="did not finish"):
        await one.send_all(b"more")
    await other.send_all(b"still here")
    assert await one.receive_some() == b"still here"


async def test_a_cancelled_close_closes_all_the_same(pair: Pair) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await pair[0].aclose()
    await expect_peer_gone_receiving(pair[0])
    with suppress(PeerGone):
        await receive_until_end(pair[1])
    await expect_peer_gone_flooding(pair[1])


# Real sockets


@pytest.mark.parametrize("pair", SOCKET_KINDS, indirect=True)
async def test_last_words_reach_a_peer_that_is_still_sending(pair: Pair) -> None:
    """Without lingering, its unread bytes would make the kernel reset the connection."""
    one, other = pair
    await other.send_all(bytes(10_000))
    await one.send_all(b"last words")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.aclose)
        await other.send_all(bytes(10_000))
        await wait_all_tasks_blocked(0.01)
        assert await receive_until_end(other) == b"last words"
        await other.aclose()


@pytest.mark.parametrize("pair", SOCKET_KINDS, indirect=True)
async def test_a_close_does_not_wait_for_ever(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay.transport.base, "CLOSE_TIMEOUT", 0.02)
    with trio.fail_after(5):
        await pair[0].aclose()
    await expect_peer_gone_receiving(pair[0])


@pytest.mark.parametrize("pair", SOCKET_KINDS, indirect=True)
async def test_an_abort_cuts_a_close_short(pair: Pair) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair[0].aclose)
        await wait_all_tasks_blocked(0.01)
        pair[0].abort()
        await expect_peer_gone_flooding(pair[1])


@pytest.mark.sockets
async def test_a_socket_that_is_no_longer_connected_is_refused_and_closed() -> None:
    dialled, accepted = await open_socket_pair()
    dialled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    dialled.close()
    await trio.lowlevel.wait_readable(accepted)
    with pytest.raises(PeerGone) as info:
        SocketTransport(accepted)
    assert isinstance(info.value.__cause__, OSError)
    assert accepted.fileno() == -1


@pytest.mark.sockets
async def test_bytes_read_before_come_first() -> None:
    dialled, accepted = await open_socket_pair()
    transport = SocketTransport(accepted, already_read=b"GET ")
    await dialled.send(b"/")
    assert await transport.receive_some() == b"GET "
    assert await transport.receive_some() == b"/"
    transport.abort()
    dialled.close()


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("option", "expected"),
    [("TCP_NODELAY", 1), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES), ("TCP_USER_TIMEOUT", 30_000)],
)
async def test_the_kernel_is_told_to_hold_little_and_to_give_up_in_time(option: str, expected: int) -> None:
    number = getattr(socket, option, None)
    if number is None:
        pytest.skip(f"no {option} on this platform")
    dialled, accepted = await open_socket_pair()
    with socket.socket(fileno=os.dup(accepted.fileno())) as same:
        transport = SocketTransport(accepted)
        assert bool(same.getsockopt(socket.IPPROTO_TCP, number)) == bool(expected)
        if expected > 1:
            assert same.getsockopt(socket.IPPROTO_TCP, number) == expected
        transport.abort()
    dialled.close()


@pytest.mark.sockets
@pytest.mark.skipif(sys.platform != "linux", reason="TCP_RTO_MIN_US is Linux's")
async def test_the_kernel_is_told_to_send_again_soon() -> None:
    option = 45  # <linux/tcp.h>
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    try:
        listener.socket.getsockopt(socket.IPPROTO_TCP, option)
    except OSError:
        pytest.skip("this kernel does not know TCP_RTO_MIN_US")
    with closing(Acceptor(listener)) as acceptor, listener.socket, socket.socket() as dialled:
        dialled.connect(listener.socket.getsockname())
        await acceptor.wait()
        early = acceptor.accept_now()  # may have connected before the listener had its options
        assert acceptor.accept_now() is None
        with socket.create_connection(listener.socket.getsockname()):
            await acceptor.wait()
            late = acceptor.accept_now()
            for accepted in (early, late):
                assert accepted is not None
                with accepted.sock as sock:
                    assert sock.getsockopt(socket.IPPROTO_TCP, option) == RETRANSMISSION_FLOOR * 1e6


@pytest.mark.sockets
async def test_accepted_connections_have_address_and_options_of_any_other() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    dialled = [socket.create_connection(listener.socket.getsockname()) for _ in range(3)]
    with closing(Acceptor(listener)) as acceptor:
        await acceptor.wait()
        accepted = [acceptor.accept_now() for _ in dialled]
        assert acceptor.accept_now() is None
        # Who comes later may have them from the listener.
        dialled.append(socket.create_connection(listener.socket.getsockname()))
        await acceptor.wait()
        accepted.append(acceptor.accept_now())
    assert listener.socket.fileno() >= 0
    for ours in accepted:
        assert ours is not None
        assert ours.sock.gettimeout() == 0
        assert ours.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for option, expected in (("TCP_NOTSENT_LOWAT", UNSENT_BYTES), ("TCP_USER_TIMEOUT", 30_000)):
            if hasattr(socket, option):
                assert ours.sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, option)) == expected
        transport = SocketTransport(ours.sock, peer_address=ours.address)
        assert transport.peer_address == ours.address == ours.sock.getpeername()
        assert transport.local_address() == listener.socket.getsockname()
        transport.abort()
        assert transport.local_address() is None
    assert {ours.address for ours in accepted if ours} == {sock.getsockname() for sock in dialled}
    for sock in dialled:
        sock.close()
    listener.socket.close()


@pytest.mark.sockets
async def test_a_connection_that_was_broken_off_before_it_was_accepted_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    errors = [OSError(errno.ECONNABORTED, "aborted"), OSError(errno.EPROTO, "protocol error")]

    class Breaking(socket.socket):
        def accept(self) -> tuple[socket.socket, tuple[str, int]]:
            if errors:
                raise errors.pop()
            return super().accept()

    with closing(Acceptor(listener)) as acceptor, socket.socket() as dialled:
        raw = acceptor._sock
        breaking = Breaking(raw.family, raw.type, raw.proto, fileno=raw.detach())
        breaking.setblocking(False)
        monkeypatch.setattr(acceptor, "_sock", breaking)
        dialled.connect(listener.socket.getsockname())
        await acceptor.wait()
        accepted = acceptor.accept_now()
        assert accepted is not None
        assert accepted.address == dialled.getsockname()
        accepted.sock.close()
        dialled.close()
        errors.append(OSError(errno.EMFILE, "too many"))
        with pytest.raises(OSError, match="too many"):
            acceptor.accept_now()
    listener.socket.close()


# The pair with switches


async def test_a_stalled_end_fills_the_others_buffer_and_loses_nothing() -> None:
    one, other = switched_transport_pair(capacity_bytes=1000)
    received: list[bytes] = []

    async def receive() -> None:
        received.append(await receive_exactly(other, 3000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        other.stall()
        other.stall()
        nursery.start_soon(one.send_all, b"x" * 3000)
        await wait_all_tasks_blocked()
        assert received == []
        other.resume()
    assert received == [b"x" * 3000]


async def test_a_broken_connection_is_gone_at_both_ends_even_stalled() -> None:
    one, other = switched_transport_pair()
    other.stall()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_peer_gone_receiving, one)
        nursery.start_soon(expect_peer_gone_receiving, other)
        await wait_all_tasks_blocked()
        one.break_connection()
    with pytest.raises(PeerGone):
        await other.send_all(b"x")


async def test_a_memory_pair_holds_as_much_as_it_says() -> None:
    one, _ = memory_transport_pair()
    with trio.fail_after(1):
        await one.send_all(bytes(MEMORY_BYTES))
    with trio.move_on_after(0.01) as scope:
        await one.send_all(b"x")
    assert scope.cancelled_caught

"""First looks: a waiting connection's bytes are looked at in the event loop, before its task wakes."""

import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from relay.errors import PeerGone
from relay.peer_connection import PeerConnection, PeerSettings, Relaying
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Close, Credit, Data, Notice, encode_frame
from relay.protocol.runs import Run, take_runs
from relay.protocol.streams import Priority
from relay.protocol.websocket import Pong, WebSocketCodec
from relay.transport import RECEIVE_BYTES, Transport, open_first_looks
from tests.helpers.far_end import FarEnd
from tests.helpers.transports import open_socket_transports, open_tls_transports, receive_exactly

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's"),
]

STREAM = 1 << 16 | 1
DATA = encode_frame(Data(STREAM, b"click"))
Pair = tuple[Transport, Transport]


@pytest.fixture
async def asked() -> AsyncIterator[None]:
    """The event loop of the test asks for first looks."""
    with open_first_looks() as is_possible:
        assert is_possible, "Trio is made differently: see relay/transport/first_looks.py"
        yield


@pytest.fixture(params=["socket", "tls", "tls-compiled"])
async def pair(request: pytest.FixtureRequest, asked: None, tmp_path: Path) -> AsyncIterator[Pair]:
    ends: Pair
    if request.param == "socket":
        ends = await open_socket_transports()
    else:
        far, near = await open_tls_transports(tmp_path, is_compiled=request.param == "tls-compiled")
        ends = near, far
    yield ends
    for end in ends:
        end.abort()


class Reader:
    """A task that waits for bytes, and a look that sees them first.

    Attributes:
        keeps: whether the look lets the task wait on.
        looked: what the look has read.
        woken: what the task was left, each time that it woke.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.keeps: Callable[[], bool] = lambda: True
        self.looked: list[bytes] = []
        self.woken: list[bytes | None] = []
        self.seen = trio.Event()
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))

    async def run(self) -> None:
        self.transport.look_first(self._look)
        count = None
        while count != 0:
            await self.transport.wait_to_receive()
            count = self.transport.receive_now(self._buffer)
            self.woken.append(None if count is None else bytes(self._buffer[:count]))
            self._tell()

    def _look(self) -> bool:
        count = self.transport.receive_now(self._buffer)
        self.looked.append(bytes(self._buffer[: count or 0]))
        self._tell()
        return self.keeps() and self.transport.is_drained

    def _tell(self) -> None:
        self.seen.set()
        self.seen = trio.Event()


async def start_waiting(nursery: trio.Nursery, reader: Reader) -> None:
    """Start a reader, up to where it finds nothing and waits."""
    nursery.start_soon(reader.run)
    while not reader.woken:
        await reader.seen.wait()
    await trio.testing.wait_all_tasks_blocked()
    reader.woken.clear()


async def test_what_a_look_has_dealt_with_does_not_wake_the_task(pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    async with trio.open_nursery() as nursery:
        await start_waiting(nursery, reader)
        for word in (b"one", b"two", b"three"):
            await far.send_all(word)
            await reader.seen.wait()
        assert reader.looked == [b"one", b"two", b"three"]
        assert reader.woken == []
        nursery.cancel_scope.cancel()


async def test_what_a_look_leaves_wakes_the_task(pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    reader.keeps = lambda: False
    async with trio.open_nursery() as nursery:
        await start_waiting(nursery, reader)
        await far.send_all(b"one")
        while not reader.woken:
            await reader.seen.wait()
        assert reader.looked == [b"one"]
        assert reader.woken == [None]
        nursery.cancel_scope.cancel()


async def test_the_end_is_seen_by_the_task(pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    async with trio.open_nursery() as nursery:
        await start_waiting(nursery, reader)
        reader.keeps = lambda: bool(reader.looked[-1])
        nursery.start_soon(far.aclose)
        while not reader.woken:
            await reader.seen.wait()
        assert (reader.looked, reader.woken) == ([b""], [b""])
        await near.aclose()


async def test_more_than_one_read_can_take_is_all_read(pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    sent = os.urandom(3 * RECEIVE_BYTES + 5)
    async with trio.open_nursery() as nursery:
        await start_waiting(nursery, reader)
        nursery.start_soon(far.send_all, sent)
        while sum(map(len, reader.looked)) + sum(len(data or b"") for data in reader.woken) < len(sent):
            await reader.seen.wait()
        nursery.cancel_scope.cancel()


async def test_no_look_is_taken_while_nobody_waits(pair: Pair) -> None:
    near, far = pair
    looks: list[None] = []

    def look() -> bool:
        looks.append(None)
        return False

    near.look_first(look)
    assert near.receive_now(memoryview(bytearray(1))) is None  # from here on it is drained
    await far.send_all(b"one")
    for _ in range(3):
        await trio.testing.wait_all_tasks_blocked()
    assert looks == []
    near.look_first(None)
    assert await near.receive_some() == b"one"
    assert looks == []


async def test_a_look_may_break_the_connection_off(pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)

    def break_off() -> bool:
        near.abort()
        return True

    reader.keeps = break_off
    with pytest.RaisesGroup(PeerGone):
        async with trio.open_nursery() as nursery:
            await start_waiting(nursery, reader)
            await far.send_all(b"one")
    assert reader.looked == [b"one"]


async def test_a_descriptor_that_is_used_again_is_not_looked_at_for_the_one_before(asked: None) -> None:
    near, far = await open_socket_transports()
    reader = Reader(near)
    number = near._sock.fileno()
    one, other = socket.socketpair()
    with pytest.RaisesGroup(PeerGone):
        async with trio.open_nursery() as nursery:
            await start_waiting(nursery, reader)
            near.abort()
            os.dup2(one.fileno(), number)  # with no checkpoint in between: the reader has not woken yet
    again = socket.socket(fileno=number)
    again.setblocking(False)
    other.send(b"for somebody else")
    await trio.lowlevel.wait_readable(again)
    assert again.recv(100) == b"for somebody else"
    assert reader.looked == []
    for sock in (one, again, other):
        sock.close()
    far.abort()


# What a peer's connection does with its looks


class Scene:
    """A connection that runs in the background and waits, and its peer.

    Attributes:
        forwarded: DATA it has handed over.
        received: its other messages.
        ended: how `run` ended.
        steps: names of tasks that took a step.
    """

    def __init__(self, peer: PeerConnection, far: FarEnd) -> None:
        self.peer = peer
        self.far = far
        self.forwarded: list[bytes] = []
        self.received: list[bytes] = []
        self.ended: list[CloseReason] = []
        self.steps: list[str] = []
        self.forward: Callable[[Run], None] = lambda run: self.forwarded.append(run.wire)

    async def run(self) -> None:
        self.ended.append(await self.peer.run(self.received.append, lambda run: self.forward(run)))

    async def send(self, *messages: bytes) -> None:
        """Messages of the peer's, in one piece."""
        await self.far.pipe.send_all(b"".join(map(self.far.codec.encode_binary, messages)))

    async def wait_for_data(self, count: int) -> None:
        """Let the event loop go on until so many runs were forwarded."""
        await self.wait_until(lambda: len(self.forwarded) == count)

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Let the event loop go on until something has happened."""
        while not is_so():
            await trio.lowlevel.checkpoint()


class Steps(trio.abc.Instrument):
    """Writes down which tasks take a step."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._names.append(task.name)


@asynccontextmanager
async def scene(pair: Pair) -> AsyncIterator[Scene]:
    near, far = pair
    async with trio.open_nursery() as nursery:
        codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 21, take_runs=take_runs)
        peer = PeerConnection(near, codec, number=1, settings=PeerSettings(), relaying=Relaying(nursery))
        it = Scene(peer, FarEnd(far))
        nursery.start_soon(it.run, name="receiver")
        await it.send(DATA)  # found without a look: a first read is always tried
        await it.wait_for_data(1)
        await trio.testing.wait_all_tasks_blocked()
        it.forwarded.clear()
        steps = Steps(it.steps)
        trio.lowlevel.add_instrument(steps)
        try:
            yield it
        finally:
            trio.lowlevel.remove_instrument(steps)
        nursery.cancel_scope.cancel()


async def test_a_lone_frame_is_forwarded_before_any_task_wakes(pair: Pair) -> None:
    async with scene(pair) as it:
        for count in (1, 2, 3):
            await it.send(DATA)
            await it.wait_for_data(count)
        assert "receiver" not in it.steps


async def test_a_sign_of_life_wakes_nobody(pair: Pair) -> None:
    async with scene(pair) as it:
        before = it.peer._last_heard
        await it.far.pipe.send_all(it.far.codec.encode_pong())
        await it.wait_until(lambda: it.peer._last_heard > before)
        assert "receiver" not in it.steps


async def test_a_ping_is_answered_before_any_task_wakes(pair: Pair) -> None:
    async with scene(pair) as it:
        await it.far.pipe.send_all(it.far.codec.encode_ping(b"still there?"))
        assert await it.far.read() == Pong(b"still there?")
        assert "receiver" not in it.steps


async def test_lone_credit_is_taken_before_any_task_wakes(pair: Pair) -> None:
    credit = encode_frame(Credit(STREAM, 1 << 20))
    async with scene(pair) as it:
        await it.send(credit)
        await it.wait_until(lambda: it.received == [credit])
        assert "receiver" not in it.steps


async def test_other_frames_are_for_the_task(pair: Pair) -> None:
    notice = encode_frame(Notice("n", {}))
    async with scene(pair) as it:
        await it.send(notice)
        await it.wait_until(lambda: it.received == [notice])
        assert "receiver" in it.steps


async def test_frames_that_are_no_data_are_for_the_task(pair: Pair) -> None:
    credit = encode_frame(Credit(STREAM, 5))
    async with scene(pair) as it:
        await it.send(DATA, credit, DATA)
        await it.wait_for_data(2)
        assert it.received == [credit]
        assert "receiver" in it.steps


@pytest.mark.parametrize("is_forwarded", [False, True], ids=["in the codec", "in the tunnel"])
async def test_who_breaks_the_protocol_is_told_so(pair: Pair, is_forwarded: bool) -> None:
    def refuse(run: Run) -> None:
        raise RemoteProtocolError("too much", CloseReason.CREDIT_EXCEEDED)

    expected = CloseReason.CREDIT_EXCEEDED if is_forwarded else CloseReason.TEXT_MESSAGE
    async with scene(pair) as it:
        it.forward = refuse
        if is_forwarded:
            await it.send(DATA)
        else:
            await it.far.pipe.send_all(b"\x81\x80\0\0\0\0")
        assert await it.far.read() == Close(0, expected)
        it.far.pipe.abort()
        await it.wait_until(lambda: bool(it.ended))
        assert it.ended == [expected]


async def test_who_hangs_up_is_gone(pair: Pair) -> None:
    async with scene(pair) as it:
        it.far.pipe.abort()
        await it.wait_until(lambda: bool(it.ended))
        assert it.ended == [CloseReason.DEAD]


async def test_our_own_failure_leaves_by_the_task_and_the_loop_goes_on(pair: Pair) -> None:
    def fail(run: Run) -> None:
        raise ZeroDivisionError

    with pytest.RaisesGroup(ZeroDivisionError):
        async with scene(pair) as it:
            it.forward = fail
            await it.send(DATA)
            await trio.sleep_forever()
    await trio.lowlevel.checkpoint()


async def test_what_the_other_peers_socket_does_not_take_goes_on_without_the_look(pair: Pair) -> None:
    large = encode_frame(Data(STREAM, os.urandom(50_000)))
    near, far = await open_socket_transports()
    async with scene(pair) as it, trio.open_nursery() as nursery:
        codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 21)
        other = PeerConnection(near, codec, number=2, settings=PeerSettings(), relaying=Relaying(nursery))
        nursery.start_soon(other.run, it.received.append, it.forward)
        await trio.testing.wait_all_tasks_blocked()

        def pass_on(run: Run) -> None:
            it.forwarded.append(run.wire)
            other.queue_data(Priority.FILES, STREAM, run.wire)

        it.forward = pass_on
        while other.queued_bytes < 3 * len(large):
            await it.send(large)
            await it.wait_for_data(len(it.forwarded) + 1)
        assert await receive_exactly(far, sum(map(len, it.forwarded))) == b"".join(it.forwarded)
        far.abort()
        await it.send(DATA)
        await it.wait_until(lambda: other.close_reason is not None)
        assert other.close_reason is CloseReason.DEAD
        assert it.peer.close_reason is None
        nursery.cancel_scope.cancel()


async def test_where_nobody_asks_the_task_wakes_itself(tmp_path: Path) -> None:
    for pair in (await open_socket_transports(), await open_tls_transports(tmp_path)):
        async with scene(pair) as it:
            await it.send(DATA)
            await it.wait_for_data(1)
            assert "receiver" in it.steps
        for end in pair:
            end.abort()


async def test_only_one_at_a_time_may_ask(asked: None) -> None:
    with open_first_looks() as is_possible:
        assert not is_possible

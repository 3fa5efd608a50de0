"""One peer's WebSocket: sending, closing, dying, stalling. Over memory, with a clock that jumps."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from relay.errors import PeerGone
from relay.peer_connection import (
    LARGE_PIECE_BYTES,
    MAX_QUEUED_BYTES,
    MESSAGES_A_TURN,
    PeerConnection,
    PeerSettings,
    Relaying,
)
from relay.protocol.batching import MAX_BATCH_BYTES
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Close, Data, Frame, Notice, decode_frame, encode_frame
from relay.protocol.runs import Run, take_runs
from relay.protocol.streams import MAX_CONTROL_BYTES, Priority
from relay.protocol.websocket import CloseReceived, Ping, WebSocketCodec
from relay.transport import MEMORY_BYTES, Chunk, memory_transport_pair
from tests.helpers.far_end import FarEnd
from tests.helpers.transports import open_socket_transports

STREAM = 1 << 16 | 1
SETTINGS = PeerSettings()


@dataclass
class Running:
    """A connection that runs in the background, and what it handed over."""

    relaying: Relaying
    peer: PeerConnection
    far: FarEnd
    received: list[bytes] = field(default_factory=list)
    forwarded: list[Run] = field(default_factory=list)
    ended: list[CloseReason] = field(default_factory=list)


def connected(nursery: trio.Nursery, relaying: Relaying | None = None) -> tuple[PeerConnection, FarEnd]:
    """A connection that does not run yet, whose senders run in `nursery`, and its peer."""
    near, far = memory_transport_pair()
    codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 21, take_runs=take_runs)
    relaying = relaying or Relaying(nursery)
    return PeerConnection(near, codec, number=1, settings=SETTINGS, relaying=relaying), FarEnd(far)


def on_wire(frame: Frame) -> bytes:
    """As it goes out to a peer."""
    codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 21)
    return codec.encode_binary(encode_frame(frame))


def look_after(peer: PeerConnection) -> None:
    """As the relay's housekeeping does about once a second."""
    if peer.next_check <= trio.current_time():
        peer.check_health(trio.current_time())


def forward_nothing(run: Run) -> None:
    raise AssertionError("there is no DATA here")


@asynccontextmanager
async def running(
    receive: Callable[[bytes], Awaitable[None] | None] | None = None,
) -> AsyncIterator[Running]:
    async with trio.open_nursery() as nursery:
        relaying = Relaying(nursery)
        state = Running(relaying, *connected(nursery, relaying))

        async def run() -> None:
            state.ended.append(await state.peer.run(receive or state.received.append, state.forwarded.append))

        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        yield state
        nursery.cancel_scope.cancel()


async def test_frames_and_data_reach_the_peer_in_order_of_priority(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as it:
        large = on_wire(Data(STREAM, bytes(5000)))
        with it.relaying:
            it.peer.queue_data(Priority.FILES, STREAM, large)
            it.peer.queue_data(Priority.INPUT, STREAM + 1, on_wire(Data(STREAM + 1, b"click")))
            it.peer.queue_frame(Notice("n", {}))
        got = [await it.far.read() for _ in range(3)]
    assert got == [Notice("n", {}), Data(STREAM + 1, b"click"), Data(STREAM, bytes(5000))]


async def test_what_is_large_leaves_at_once_if_nothing_waits_and_in_order_else(
    autojump_clock: trio.testing.MockClock,
) -> None:
    small, large = (Data(STREAM, bytes(size)) for size in (10, LARGE_PIECE_BYTES))
    async with running() as it:
        with it.relaying:
            it.peer.queue_data(Priority.FILES, STREAM, on_wire(large))
            assert it.peer.queued_bytes == len(on_wire(large)) - MEMORY_BYTES  # what did not go at once
            it.peer.queue_data(Priority.FILES, STREAM, on_wire(small))
            it.peer.queue_data(Priority.FILES, STREAM, on_wire(large))
            assert it.peer.queued_bytes > LARGE_PIECE_BYTES
        got = [await it.far.read() for _ in range(3)]
    assert got == [large, small, large]


async def test_messages_are_handed_over_in_order(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        for number in range(3):
            await it.far.send(Notice(f"n{number}", {}))
        await trio.testing.wait_all_tasks_blocked()
        assert [decode_frame(message) for message in it.received] == [Notice(f"n{i}", {}) for i in range(3)]


async def test_what_receive_returns_is_awaited_before_the_next_message(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log: list[str] = []

    async def decide(message: bytes) -> None:
        log.append("begin")
        await trio.sleep(1)
        log.append("end")

    async with running(decide) as it:
        await it.far.pipe.send_all(it.far.codec.encode_binary(b"1") + it.far.codec.encode_binary(b"2"))
        await trio.sleep(5)
    assert log == ["begin", "end", "begin", "end"]


async def test_a_closed_peer_hears_the_reason_and_its_last_words_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as it:
        with it.relaying:
            it.peer.queue_data(Priority.SCREEN, STREAM, on_wire(Data(STREAM, b"stale picture")))
            it.peer.close(CloseReason.EXPIRED, Notice("ended", {"reason": "expired"}))
            it.peer.close(CloseReason.DEAD)
            it.peer.queue_frame(Notice("too late", {}))
            it.peer.queue_data(Priority.SCREEN, STREAM, b"too late")
            it.peer.queue_stream_close(Priority.SCREEN, STREAM, CloseReason.DONE)
        assert await it.far.read_all() == [
            Notice("ended", {"reason": "expired"}),
            Close(0, CloseReason.EXPIRED),
            CloseReceived(4002, "expired"),
        ]
        await trio.testing.wait_all_tasks_blocked()
    assert it.ended == [CloseReason.EXPIRED]


async def test_nothing_is_received_any_more_once_closed(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        await it.far.send(Notice("early", {}))
        await trio.testing.wait_all_tasks_blocked()
        it.peer.close(CloseReason.REVOKED)
        assert it.far.pipe.send_now([it.far.codec.encode_binary(encode_frame(Notice("late", {})))]) == []
        await trio.sleep(1)
        assert len(it.received) == 1


async def test_a_protocol_error_closes_with_its_reason(autojump_clock: trio.testing.MockClock) -> None:
    def receive(message: bytes) -> None:
        raise RemoteProtocolError("no", CloseReason.CREDIT_EXCEEDED)

    async with running(receive) as it:
        await it.far.send(Notice("n", {}))
        assert (await it.far.read_all())[0] == Close(0, CloseReason.CREDIT_EXCEEDED)


async def test_broken_websocket_framing_closes_with_its_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as it:
        await it.far.pipe.send_all(b"\xff\xff\xff\xff")
        assert (await it.far.read_all())[0] == Close(0, CloseReason.BAD_WEBSOCKET)


async def test_a_text_message_is_refused_by_name(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        await it.far.pipe.send_all(b"\x81\x82\x00\x00\x00\x00hi")
        assert (await it.far.read_all())[0] == Close(0, CloseReason.TEXT_MESSAGE)


async def test_a_peer_that_hangs_up_is_an_ordinary_end(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        await it.far.pipe.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert it.ended == [CloseReason.DEAD]


async def test_a_close_frame_is_an_ordinary_end(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        await it.far.pipe.send_all(it.far.codec.encode_close(1000, "bye"))
        await it.far.read_all()
        await trio.testing.wait_all_tasks_blocked()
        assert it.ended == [CloseReason.NORMAL]


async def test_pings_are_answered_and_sent(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        await it.far.pipe.send_all(it.far.codec.encode_ping(b"are you there"))
        assert getattr(await it.far.read(), "payload", None) == b"are you there"
        await trio.sleep(SETTINGS.ping_interval * 1.2)
        look_after(it.peer)
        assert await it.far.read() == Ping(b"")


async def test_an_idle_peer_is_pinged_and_seldom_looked_after(autojump_clock: trio.testing.MockClock) -> None:
    checks, pings = 0, 0
    async with running() as it:
        for _ in range(3600):
            await trio.sleep(1)
            if it.peer.next_check <= trio.current_time():
                checks += 1
                before = it.peer._next_ping
                it.peer.check_health(trio.current_time())
                if it.peer._next_ping != before:
                    assert await it.far.read() == Ping(b"")
                    pings += 1
            await it.far.pipe.send_all(it.far.codec.encode_pong())
        assert it.peer.close_reason is None
    assert 3600 / 26 < pings < 3600 / 15  # every 20 s, a fifth more or less, by a clock of seconds
    assert pings <= checks < 3 * pings


async def test_a_silent_peer_is_dead_after_its_timeout(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        await trio.sleep(SETTINGS.dead_timeout - 1)
        look_after(it.peer)
        assert it.peer.close_reason is None
        await trio.sleep(2)
        look_after(it.peer)
        look_after(it.peer)
        assert it.peer.close_reason is CloseReason.DEAD


@pytest.mark.sockets
@pytest.mark.slow
async def test_a_large_frame_that_comes_slowly_keeps_its_peer_alive(nursery: trio.Nursery) -> None:
    """The kernel is told to wake us when all of it is there: longer than a silent peer may live."""
    near, far = await open_socket_transports()
    codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 21, take_runs=take_runs)
    settings = PeerSettings(dead_timeout=0.6)
    peer = PeerConnection(near, codec, number=1, settings=settings, relaying=Relaying(nursery))
    forwarded: list[Run] = []
    nursery.start_soon(peer.run, lambda message: None, forwarded.append)
    client = WebSocketCodec(is_client=True, max_message_bytes=1 << 21)
    frame = client.encode_binary(encode_frame(Data(STREAM, bytes(60_000))))
    for start in range(0, len(frame), 2000):
        await far.send_all(frame[start : start + 2000])
        await trio.sleep(0.05)
        look_after(peer)
        assert peer.close_reason is None
    assert [run.frames for run in forwarded] == [1]
    while peer.close_reason is None:
        await trio.sleep(0.05)
        look_after(peer)
    assert peer.close_reason is CloseReason.DEAD
    far.abort()
    near.abort()


async def test_a_peer_that_reads_nothing_is_stalled_and_let_go(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as it:
        for _ in range(64):
            it.peer.queue_data(Priority.FILES, STREAM, on_wire(Data(STREAM, bytes(60_000))))
        assert it.peer.queued_bytes > 62 * 60_000
        await trio.sleep(SETTINGS.stall_timeout + 1)
        await it.far.send(Notice("alive, but not reading", {}))
        await trio.sleep(0.1)
        look_after(it.peer)
        assert it.peer.close_reason is CloseReason.STALLED
        await trio.sleep(SETTINGS.close_timeout + 0.1)
        assert it.ended == [CloseReason.STALLED]


async def test_a_peer_that_reads_slowly_is_not_stalled(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        for _ in range(20):
            it.peer.queue_data(Priority.FILES, STREAM, on_wire(Data(STREAM, bytes(60_000))))
        for _ in range(20):
            await trio.sleep(SETTINGS.stall_timeout * 0.9)
            await it.far.pipe.receive_some(10_000)
            await it.far.send(Notice("alive", {}))
            await trio.testing.wait_all_tasks_blocked()
            look_after(it.peer)
        assert it.peer.close_reason is None
        assert it.peer.queued_bytes > 10 * 60_000


async def test_what_one_read_causes_leaves_in_one_send(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as it:
        sends: list[int] = []
        transport = it.peer._transport
        send_now = transport.send_now

        def count(chunks: list[Chunk]) -> list[Chunk]:
            sends.append(len(chunks))
            return send_now(chunks)

        monkeypatch.setattr(transport, "send_now", count)
        pings = b"".join(it.far.codec.encode_ping(b"%d" % number) for number in range(5))
        await it.far.pipe.send_all(pings)
        assert [getattr(await it.far.read(), "payload", None) for _ in range(5)] == [
            b"0",
            b"1",
            b"2",
            b"3",
            b"4",
        ]
        assert sends == [5]


async def test_lone_frames_are_passed_on_at_once_and_in_order_when_the_socket_is_full(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async with running() as it:
        source, far = connected(nursery, it.relaying)

        def forward(run: Run) -> None:
            it.peer.queue_data(Priority.FILES, run.stream, run.wire)
            queued.append(it.peer.queued_bytes)

        queued: list[int] = []
        nursery.start_soon(source.run, it.received.append, forward)
        frames = [Data(STREAM, bytes([number]) * 40_000) for number in range(4)]
        await far.send(frames[0])
        await trio.testing.wait_all_tasks_blocked()
        assert queued == [0]
        for frame in frames[1:]:
            await far.send(frame)
            await trio.testing.wait_all_tasks_blocked()
        size = len(on_wire(frames[0]))
        assert queued[1:] == [size * number - MEMORY_BYTES for number in range(2, 5)]
        it.peer.queue_frame(Notice("urgent", {}))
        got = [await it.far.read() for _ in range(5)]
        assert got == [frames[0], frames[1], Notice("urgent", {}), frames[2], frames[3]]
        await trio.testing.wait_all_tasks_blocked()
        assert it.peer.queued_bytes == 0
        await far.pipe.aclose()


async def test_a_lone_frame_to_a_peer_that_is_gone_hurts_nobody(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    async with running() as it:
        source, far = connected(nursery, it.relaying)
        nursery.start_soon(
            source.run,
            it.received.append,
            lambda run: it.peer.queue_data(Priority.INPUT, run.stream, run.wire),
        )
        await trio.testing.wait_all_tasks_blocked()
        it.far.pipe.abort()
        await far.send(Data(STREAM, b"click"))
        await trio.testing.wait_all_tasks_blocked()
        assert it.ended == [CloseReason.DEAD]
        await far.send(Data(STREAM, b"click"))
        await trio.testing.wait_all_tasks_blocked()
        assert source.close_reason is None
        await far.pipe.aclose()


async def test_data_comes_in_runs_and_everything_else_in_between(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as it:
        await it.far.send(
            Data(STREAM, b"1"),
            Data(STREAM, b"2"),
            Notice("n", {}),
            Data(STREAM, b"3"),
            Data(STREAM + 1, b"4"),
        )
        await trio.testing.wait_all_tasks_blocked()
        assert [(run.stream, run.frames) for run in it.forwarded] == [
            (STREAM, 2),
            (STREAM, 1),
            (STREAM + 1, 1),
        ]
        assert [decode_frame(message) for message in it.received] == [Notice("n", {})]
        assert it.forwarded[0].wire == on_wire(Data(STREAM, b"1")) + on_wire(Data(STREAM, b"2"))


async def test_frames_without_credit_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        for _ in range(3 * MAX_CONTROL_BYTES // 1000):
            it.peer.queue_control(bytes(1000))
        assert it.peer.close_reason is CloseReason.STALLED


async def test_the_first_message_is_waited_for_through_pings(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    peer, far = connected(nursery)
    await far.pipe.send_all(
        far.codec.encode_ping() + far.codec.encode_binary(b"first") + far.codec.encode_binary(b"x")
    )
    assert await peer.receive_first() == b"first"
    await peer.refuse(CloseReason.REFUSED)
    assert [type(event).__name__ for event in await far.read_all()] == ["Close", "CloseReceived"]


async def test_the_answer_to_the_upgrade_goes_out_whole_on_a_narrow_path_too(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    near, far = memory_transport_pair(7)
    codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 21, take_runs=take_runs)
    peer = PeerConnection(near, codec, number=1, settings=SETTINGS, relaying=Relaying(nursery))
    answer, received = bytes(range(100)), bytearray()

    async def read_then_speak() -> None:
        while len(received) < len(answer):
            received.extend(await far.receive_some())
        await far.send_all(FarEnd(far).codec.encode_binary(b"first"))

    nursery.start_soon(read_then_speak)
    assert await peer.receive_first(answer) == b"first"
    assert received == answer


async def test_messages_that_came_with_the_first_are_not_lost(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    peer, far = connected(nursery)
    await far.pipe.send_all(far.codec.encode_binary(b"first") + far.codec.encode_binary(b"second"))
    await far.pipe.send_all(far.codec.encode_close(1000))
    received: list[bytes] = []
    assert await peer.receive_first() == b"first"
    assert await peer.run(received.append, forward_nothing) is CloseReason.NORMAL
    assert received == [b"second"]


async def test_a_peer_that_hangs_up_before_its_first_message_is_gone(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    peer, far = connected(nursery)
    await far.pipe.aclose()
    with pytest.raises(PeerGone):
        await peer.receive_first()


async def test_the_first_message_has_a_deadline_and_the_answer_goes_before_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    peer, far = connected(nursery)
    with pytest.raises(trio.TooSlowError):
        await peer.receive_first(b"answer", deadline=trio.current_time() + 5)
    assert trio.current_time() == pytest.approx(5, abs=0.01)
    assert await far.pipe.receive_some() == b"answer"
    await peer.refuse(CloseReason.HANDSHAKE_TIMEOUT)
    assert await far.read() == Close(0, CloseReason.HANDSHAKE_TIMEOUT)


async def test_a_cancelled_connection_starts_nothing_any_more(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as it:
        pass
    it.peer.queue_frame(Notice("nobody sends this", {}))
    it.peer.close(CloseReason.GOING_AWAY)
    assert it.ended == []


async def test_what_receive_breaks_can_still_be_told_to_the_peer(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    def receive(message: bytes) -> None:
        raise ZeroDivisionError

    near, far = connected(nursery)
    await far.send(Notice("n", {}))
    with pytest.raises(ZeroDivisionError):
        await near.run(receive, forward_nothing)
    await near.refuse(CloseReason.INTERNAL)
    assert await far.read_all() == [Close(0, CloseReason.INTERNAL), CloseReceived(4018, "internal")]


@pytest.mark.parametrize("is_cancelled", [True, False] * 5)  # the order within a tick is chance
async def test_whoever_sends_to_a_connection_that_breaks_is_not_hurt(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, is_cancelled: bool
) -> None:
    def receive(message: bytes) -> None:
        raise ZeroDivisionError

    near, far = connected(nursery)
    ended = trio.Event()

    async def run() -> None:
        try:
            await near.run(receive, forward_nothing)
        except* ZeroDivisionError:
            pass
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        scope = await nursery.start(in_scope, run)
        await trio.testing.wait_all_tasks_blocked()
        if is_cancelled:
            scope.cancel()
        else:
            await far.send(Notice("n", {}))
        while not ended.is_set():
            near.queue_frame(Notice("from another connection's task", {}))
            await trio.lowlevel.checkpoint()


async def in_scope(
    run: Callable[[], Awaitable[None]], task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    with trio.CancelScope() as scope:
        task_status.started(scope)
        await run()


async def test_a_connection_closed_before_it_runs_hands_nothing_over(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = connected(nursery)
    await far.pipe.send_all(far.codec.encode_binary(b"hello") + far.codec.encode_binary(b"too late"))
    assert await near.receive_first() == b"hello"
    near.close(CloseReason.EXPIRED)
    received: list[bytes] = []
    assert await near.run(received.append, forward_nothing) is CloseReason.EXPIRED
    assert received == []
    assert await far.read_all() == [Close(0, CloseReason.EXPIRED), CloseReceived(4002, "expired")]


async def test_a_connection_closed_before_its_first_message_waits_no_longer(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = connected(nursery)
    async with trio.open_nursery() as nursery:

        async def receive_first() -> None:
            with pytest.raises(PeerGone) as caught:
                await near.receive_first()
            assert caught.value.close_reason is CloseReason.GOING_AWAY
            await near.refuse(CloseReason.GOING_AWAY)

        nursery.start_soon(receive_first)
        await trio.testing.wait_all_tasks_blocked()
        near.close(CloseReason.GOING_AWAY, Notice("move", {"within": 1}))
    assert await far.read_all() == [
        Notice("move", {"within": 1}),
        Close(0, CloseReason.GOING_AWAY),
        CloseReceived(4010, "going_away"),
    ]


async def test_a_peer_that_grants_credit_and_reads_next_to_nothing_is_let_go(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as it:
        message = on_wire(Data(STREAM, bytes(60_000)))
        sent = 0
        while it.peer.close_reason is None:
            it.peer.queue_data(Priority.SCREEN, STREAM, message)
            sent += len(message)
            if sent % 16 == 0:  # just enough not to look stalled
                await it.far.pipe.receive_some(60_000)
        assert it.peer.close_reason is CloseReason.STALLED
        assert MAX_QUEUED_BYTES < sent < MAX_QUEUED_BYTES * 1.2
        assert it.peer.queued_bytes < 2 * MAX_BATCH_BYTES


async def test_a_flood_of_tiny_messages_leaves_others_their_turn(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    seen: list[int] = []
    count = 10 * MESSAGES_A_TURN
    near, far = connected(nursery)
    await far.pipe.send_all(far.codec.encode_binary(b"") * count)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        nursery.start_soon(near.run, lambda message: seen.append(turns), forward_nothing)
        while len(seen) < count:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert max(Counter(seen).values()) <= 2 * MESSAGES_A_TURN  # the order within a tick is chance

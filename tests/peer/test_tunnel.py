"""A peer's end of the tunnel against a scripted relay: admission, streams, credit, endings, hostility."""

import math

import pytest
import trio
import trio.testing

from peer.errors import ConnectionFailed, NotAdmitted, StreamClosed
from peer.tunnel import (
    CLOSE_TIMEOUT,
    CONNECT_TIMEOUT,
    DEAD_TIMEOUT,
    MAX_INCOMING,
    MAX_NOTICES,
    MAX_STREAM_NUMBER,
    MAX_STREAMS,
    PING_INTERVAL,
    Stream,
    Tunnel,
    open_tunnel,
)
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError
from relay.protocol.frames import (
    MAX_FILES_PAYLOAD_BYTES,
    MAX_PAYLOAD_BYTES,
    Accept,
    Channel,
    Close,
    Credit,
    Data,
    Fields,
    Frame,
    Hello,
    Notice,
    Open,
    Role,
    Welcome,
    encode_data,
    encode_frame,
)
from relay.protocol.streams import INITIAL_WINDOW_BYTES, MAX_CONTROL_BYTES, MAX_GROWTH_BYTES
from relay.protocol.websocket import CloseReceived, Ping, Pong
from tests.helpers.scripted_relay import FIRST_STREAM, ScriptedRelay, admitted, dialled_in_memory, hello_of

GOODBYE = [Close(0, CloseReason.NORMAL), CloseReceived(1000, "normal")]


async def open_stream(tunnel: Tunnel, relay: ScriptedRelay, *, credit: int = 1000) -> Stream:
    """A viewer's stream that the far end has accepted."""
    opened: list[Stream] = []

    async def open_it() -> None:
        opened.append(await tunnel.open_stream(Channel.CONTROL, {"nonce": b"n"}))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_it)
        frame = await relay.read()
        assert isinstance(frame, Open)
        await relay.send(Accept(frame.stream, credit, {"share": b"s"}))
    return opened[0]


async def incoming(tunnel: Tunnel, relay: ScriptedRelay, *, credit: int = 1000) -> Stream:
    """A stream that a viewer opens at this host."""
    await relay.send(Open(FIRST_STREAM, Channel.CONTROL, credit, {"nonce": b"n"}))
    return await tunnel.incoming.receive()


# Admission


async def test_hello_is_answered_by_welcome(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        assert tunnel.welcome["viewer"] == FIRST_STREAM >> 16
        assert tunnel.close_reason is None
    assert await relay.read_all() == GOODBYE


@pytest.mark.parametrize("reason", [CloseReason.REFUSED, CloseReason.BAD_VERSION, CloseReason.LIMIT])
async def test_a_refusal_is_the_relays_own_word(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, reason: CloseReason
) -> None:
    relay = dialled_in_memory(monkeypatch)
    await relay.send(Close(0, reason))
    with pytest.raises(NotAdmitted) as caught:
        await entered("host")
    assert caught.value.close_reason is reason
    assert await relay.read_all() == [hello_of("host")]


async def entered(role: Role) -> None:
    async with open_tunnel("http://relay", hello_of(role)):
        pass


FIRST_ANSWERS: dict[str, tuple[bytes, CloseReason]] = {
    "not msgpack": (b"\xc1", CloseReason.BAD_FRAME),
    "a notice": (encode_frame(Notice("move", {"within": 1})), CloseReason.OUT_OF_ORDER),
    "a stream's close": (encode_frame(Close(FIRST_STREAM, CloseReason.DONE)), CloseReason.OUT_OF_ORDER),
    "no viewer number": (encode_frame(Welcome({})), CloseReason.BAD_FRAME),
    "a viewer number of another type": (encode_frame(Welcome({"viewer": True})), CloseReason.BAD_FRAME),
    "viewer number 0": (encode_frame(Welcome({"viewer": 0})), CloseReason.BAD_FRAME),
    "too large a viewer number": (encode_frame(Welcome({"viewer": 1 << 16})), CloseReason.BAD_FRAME),
}


@pytest.mark.parametrize("name", FIRST_ANSWERS)
async def test_another_first_answer_is_a_failed_connection(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    answer, reason = FIRST_ANSWERS[name]
    relay = dialled_in_memory(monkeypatch)
    await relay.pipe.send_all(relay.codec.encode_binary(answer))
    with pytest.raises(ConnectionFailed) as caught:
        await entered("viewer")
    assert not isinstance(caught.value, NotAdmitted)
    assert caught.value.close_reason is reason


async def test_a_websocket_close_before_welcome_is_a_failed_connection(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay = dialled_in_memory(monkeypatch)
    await relay.pipe.send_all(relay.codec.encode_close(CloseReason.GOING_AWAY.ws_code))
    with pytest.raises(ConnectionFailed) as caught:
        await entered("viewer")
    assert caught.value.close_reason is CloseReason.GOING_AWAY


async def test_a_relay_that_hangs_up_or_never_answers_is_a_failed_connection(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay = dialled_in_memory(monkeypatch)
    await relay.pipe.aclose()
    with pytest.raises(ConnectionFailed) as caught:
        await entered("viewer")
    assert caught.value.close_reason is CloseReason.DEAD
    dialled_in_memory(monkeypatch)
    started = trio.current_time()
    with pytest.raises(ConnectionFailed):
        await entered("viewer")
    assert trio.current_time() - started == CONNECT_TIMEOUT


async def test_cancelling_while_waiting_for_welcome_closes_the_socket(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay = dialled_in_memory(monkeypatch)
    with trio.move_on_after(1) as scope:
        await entered("viewer")
    assert scope.cancelled_caught
    assert await relay.read_all() == [hello_of("viewer")]


# Streams


async def test_a_viewer_opens_a_stream_and_both_sides_talk(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay)
        assert (stream.number, stream.params) == (FIRST_STREAM, {"share": b"s"})
        await stream.send(b"click")
        assert await relay.read() == Data(FIRST_STREAM, b"click")
        await relay.send(Data(FIRST_STREAM, b"picture"))
        assert await stream.receive() == b"picture"
        assert tunnel.next_stream_id() == FIRST_STREAM + 1


async def test_a_host_takes_a_stream(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch, "host") as (tunnel, relay):
        stream = await incoming(tunnel, relay)
        await stream.accept({"share": b"s"})
        assert await relay.read() == Accept(FIRST_STREAM, INITIAL_WINDOW_BYTES, {"share": b"s"})
        stream.close(CloseReason.WRONG_PASSWORD)
        stream.close(CloseReason.DONE)
        assert await relay.read() == Close(FIRST_STREAM, CloseReason.WRONG_PASSWORD)
        with pytest.raises(StreamClosed) as caught:
            await stream.accept({})
        assert caught.value.close_reason is CloseReason.WRONG_PASSWORD


async def test_a_refused_stream_names_the_reason(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        await relay.send(Close(FIRST_STREAM, CloseReason.PLAN))  # crosses the OPEN: for nobody yet
        async with trio.open_nursery() as nursery:

            async def open_it() -> None:
                with pytest.raises(StreamClosed) as caught:
                    await tunnel.open_stream(Channel.FILES, {})
                assert caught.value.close_reason is CloseReason.PLAN

            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(open_it)
            assert isinstance(await relay.read(), Open)
            await relay.send(Close(FIRST_STREAM, CloseReason.PLAN))


async def test_giving_up_an_opening_closes_the_stream(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        with trio.move_on_after(1):
            await tunnel.open_stream(Channel.PAIR, {})
        assert isinstance(await relay.read(), Open)
        assert await relay.read() == Close(FIRST_STREAM, CloseReason.DETACHED)
        await relay.send(Accept(FIRST_STREAM, 1, {}), Data(FIRST_STREAM, b"late"), Credit(FIRST_STREAM, 1))
        await trio.testing.wait_all_tasks_blocked()
        assert tunnel.close_reason is None


async def test_a_stream_cannot_be_opened_once_the_connection_ended(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        await relay.send(Close(0, CloseReason.EXPIRED))
        assert await tunnel.wait_closed() is CloseReason.EXPIRED
        with pytest.raises(StreamClosed) as caught, trio.fail_after(1):
            await tunnel.open_stream(Channel.CONTROL, {})
        assert caught.value.close_reason is CloseReason.EXPIRED


async def test_stream_numbers_run_out_by_name(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, _):
        tunnel._last_number = MAX_STREAM_NUMBER
        with pytest.raises(StreamClosed) as caught:
            tunnel.next_stream_id()
        assert caught.value.close_reason is CloseReason.TOO_MANY_STREAMS


async def test_what_came_before_a_close_is_still_received(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay)
        await relay.send(Data(FIRST_STREAM, b"last"), Close(FIRST_STREAM, CloseReason.HOST_OFFLINE))
        await trio.testing.wait_all_tasks_blocked()
        assert await stream.receive() == b"last"
        for action in (stream.receive(), stream.send(b"x")):
            with pytest.raises(StreamClosed) as caught:
                await action
            assert caught.value.close_reason is CloseReason.HOST_OFFLINE


async def test_a_payload_too_large_for_its_channel_is_our_own_mistake(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay)
        with pytest.raises(LocalProtocolError):
            await stream.send(bytes(Channel.CONTROL.max_payload_bytes + 1))


# Credit


async def test_a_sender_waits_until_the_whole_frame_fits(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = bytes(50)
    size = len(encode_data(FIRST_STREAM, payload))
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay, credit=size + 10)
        await stream.send(payload)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send, payload)
            await trio.testing.wait_all_tasks_blocked()
            assert await relay.read_now() == [Data(FIRST_STREAM, payload)]
            await relay.send(Credit(FIRST_STREAM, size - 11))
            await trio.testing.wait_all_tasks_blocked()
            assert await relay.read_now() == []
            await relay.send(Credit(FIRST_STREAM, 1))
        assert await relay.read() == Data(FIRST_STREAM, payload)


async def test_a_cancelled_send_sent_nothing_and_spent_nothing(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay, credit=20)
        with trio.move_on_after(1):
            await stream.send(bytes(50))
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.send(b"fits, and yet")
        await stream.send(b"fits")
        await trio.testing.wait_all_tasks_blocked()
        assert await relay.read_now() == [Data(FIRST_STREAM, b"fits")]


async def test_a_sender_is_woken_by_the_end(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay, credit=1)

        async def send() -> None:
            with pytest.raises(StreamClosed) as caught:
                await stream.send(b"never")
            assert caught.value.close_reason is CloseReason.DETACHED

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            await relay.send(Close(FIRST_STREAM, CloseReason.DETACHED))


async def test_credit_is_granted_for_what_was_received_and_never_exceeds_the_window(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payload = bytes(60_000)
    size = len(encode_data(FIRST_STREAM, payload))
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay)
        available = INITIAL_WINDOW_BYTES
        for _ in range(20):
            while available >= size:
                await relay.send(Data(FIRST_STREAM, payload))
                available -= size
                assert await stream.receive() == payload
            for frame in await relay.read_now():
                assert isinstance(frame, Credit)
                available += frame.amount
            assert size <= available <= INITIAL_WINDOW_BYTES


async def test_more_than_the_credit_ends_the_connection(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay)
        for _ in range(INITIAL_WINDOW_BYTES // 60_000 + 1):
            await relay.send(Data(FIRST_STREAM, bytes(60_000)))
        assert await tunnel.wait_closed() is CloseReason.CREDIT_EXCEEDED
        assert stream.close_reason is CloseReason.CREDIT_EXCEEDED
        assert await relay.read() == Close(0, CloseReason.CREDIT_EXCEEDED)


@pytest.mark.parametrize("channel", [Channel.FILES, Channel.CONTROL])
async def test_only_files_are_granted_more_than_was_received_where_the_path_is_long(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, channel: Channel
) -> None:
    payload = bytes(60_000)
    size = len(encode_data(FIRST_STREAM, payload))
    async with admitted(monkeypatch, "host") as (tunnel, relay):
        await relay.send(Open(FIRST_STREAM, channel, 1000, {}))
        stream = await tunnel.incoming.receive()
        await stream.accept({})
        assert isinstance(await relay.read(), Accept)
        available = INITIAL_WINDOW_BYTES
        for _ in range(6):
            await trio.sleep(0.05)  # of the mock clock: one round trip
            while available >= size:
                await relay.send(Data(FIRST_STREAM, payload))
                available -= size
                assert await stream.receive() == payload
            available += sum(it.amount for it in await relay.read_now() if isinstance(it, Credit))
        assert (available > INITIAL_WINDOW_BYTES) == (channel is Channel.FILES)
        stream.close()
        assert tunnel._allowance.left == MAX_GROWTH_BYTES


async def test_a_large_payload_takes_no_more_than_half_of_the_credit(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch, "host") as (tunnel, relay):
        await relay.send(Open(FIRST_STREAM, Channel.FILES, INITIAL_WINDOW_BYTES, {}))
        stream = await tunnel.incoming.receive()
        await stream.accept({})
        assert isinstance(await relay.read(), Accept)
        half = INITIAL_WINDOW_BYTES // 2
        with pytest.raises(LocalProtocolError):
            await stream.send(bytes(half + 1))
        await stream.send(bytes(half))
        assert await relay.read() == Data(FIRST_STREAM, bytes(half))
        # What has to wait for credit fits into a window at its first size: it might never fit otherwise.
        assert stream.max_payload_bytes == MAX_PAYLOAD_BYTES
        with pytest.raises(LocalProtocolError):
            await stream.send(bytes(MAX_PAYLOAD_BYTES + 1))
        await relay.send(Credit(FIRST_STREAM, 4 * MAX_FILES_PAYLOAD_BYTES))
        await trio.testing.wait_all_tasks_blocked()
        assert stream.max_payload_bytes == MAX_FILES_PAYLOAD_BYTES


async def test_what_is_urgent_overtakes_what_waits_for_the_socket(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay)
        room = trio.Event()
        monkeypatch.setattr(tunnel._socket, "wait_send_all_might_not_block", room.wait)
        await stream.send(b"data")
        await trio.testing.wait_all_tasks_blocked()
        tunnel.notify("urgent", {})
        room.set()
        assert [await relay.read(), await relay.read()] == [Notice("urgent", {}), Data(FIRST_STREAM, b"data")]


# Endings


async def test_the_relays_close_ends_everything_with_its_reason(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch, "host") as (tunnel, relay):
        stream = await incoming(tunnel, relay)
        await relay.send(Notice("ended", {"reason": "expired"}), Close(0, CloseReason.EXPIRED))
        assert await tunnel.wait_closed() is CloseReason.EXPIRED
        assert [notice async for notice in tunnel.notices] == [Notice("ended", {"reason": "expired"})]
        assert [it async for it in tunnel.incoming] == []
        with pytest.raises(StreamClosed) as caught:
            await stream.receive()
        assert caught.value.close_reason is CloseReason.EXPIRED
        assert await relay.read_all() == []  # the socket is closed at once, not when the block ends


async def test_a_websocket_close_alone_has_its_codes_reason(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        frames = relay.codec.encode_binary(encode_frame(Notice("host_offline", {})))
        await relay.pipe.send_all(frames + relay.codec.encode_close(CloseReason.GOING_AWAY.ws_code))
        assert await tunnel.wait_closed() is CloseReason.GOING_AWAY
        assert [notice.name async for notice in tunnel.notices] == ["host_offline"]


async def test_a_lost_connection_is_dead(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        await relay.pipe.aclose()
        assert await tunnel.wait_closed() is CloseReason.DEAD
        tunnel.notify("too late", {})
        assert [notice async for notice in tunnel.notices] == []


async def test_a_silent_relay_is_pinged_and_then_given_up(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        started = trio.current_time()
        assert await relay.read() == Ping(b"")
        assert PING_INTERVAL * 0.8 <= trio.current_time() - started <= PING_INTERVAL * 1.2
        assert await tunnel.wait_closed() is CloseReason.DEAD
        assert trio.current_time() - started == pytest.approx(DEAD_TIMEOUT)


async def test_a_relay_that_answers_pings_is_alive_and_gets_answers(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        await relay.pipe.send_all(relay.codec.encode_ping(b"there?"))
        assert await relay.read() == Pong(b"there?")
        for _ in range(10):
            assert await relay.read() == Ping(b"")
            await relay.pipe.send_all(relay.codec.encode_pong())
        assert tunnel.close_reason is None


async def test_what_was_queued_leaves_before_the_goodbye(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        stream = await open_stream(tunnel, relay)
        await stream.send(b"last")
        stream.close(CloseReason.DONE)
        tunnel.notify("ending", {})
    expected = {"data": Data(FIRST_STREAM, b"last"), "close": Close(FIRST_STREAM, CloseReason.DONE)}
    got = await relay.read_all()
    assert got[-2:] == GOODBYE
    assert sorted(map(repr, got[:-2])) == sorted(map(repr, [*expected.values(), Notice("ending", {})]))
    assert got.index(expected["data"]) < got.index(expected["close"])


@pytest.mark.parametrize("how", ["cancelled", "raises"])
async def test_the_goodbye_is_said_however_the_block_ends(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    class OwnError(Exception):
        pass

    relay: list[ScriptedRelay] = []
    with trio.CancelScope() as scope:
        try:
            async with admitted(monkeypatch) as (tunnel, far):
                relay.append(far)
                tunnel.notify("ending", {})
                if how == "raises":
                    raise OwnError
                scope.cancel()
                await trio.sleep_forever()
        except OwnError:
            assert how == "raises"
    assert await relay[0].read_all() == [Notice("ending", {}), *GOODBYE]


async def test_an_error_leaves_the_block_as_it_was_though_the_scope_is_cancelled(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def leave(scope: trio.CancelScope) -> None:
        async with admitted(monkeypatch):
            scope.cancel()
            raise StreamClosed(CloseReason.DONE)

    with trio.CancelScope() as scope, pytest.raises(StreamClosed):
        await leave(scope)


async def test_a_relay_that_reads_nothing_cannot_keep_us(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, _):
        started = trio.current_time()
        tunnel._socket.send_stream.send_all_hook = trio.sleep_forever  # type: ignore[attr-defined]  # memory
        tunnel.notify("ending", {})
        await trio.testing.wait_all_tasks_blocked()
    assert trio.current_time() - started == CLOSE_TIMEOUT


async def test_a_relay_that_never_hangs_up_cannot_keep_us(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = -math.inf
    async with admitted(monkeypatch):
        started = trio.current_time()
    assert trio.current_time() - started == CLOSE_TIMEOUT


# A hostile relay

OUT_OF_PLACE: list[tuple[Role, Frame]] = [
    ("viewer", Welcome({"viewer": 1})),
    ("viewer", hello_of("viewer")),
    ("viewer", Open(FIRST_STREAM, Channel.CHAT, 1, {})),
    ("host", Accept(FIRST_STREAM, 1, {})),
    ("host", Welcome({})),
]


@pytest.mark.parametrize(("role", "frame"), OUT_OF_PLACE)
async def test_a_frame_out_of_place_ends_the_connection_and_is_named(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, role: Role, frame: Frame
) -> None:
    async with admitted(monkeypatch, role) as (tunnel, relay):
        await relay.send(frame)
        assert await tunnel.wait_closed() is CloseReason.OUT_OF_ORDER
        expected = [Close(0, CloseReason.OUT_OF_ORDER), CloseReceived(4021, "out_of_order")]
        assert [await relay.read(), await relay.read()] == expected


async def test_a_second_accept_ends_the_connection(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        await open_stream(tunnel, relay)
        await relay.send(Accept(FIRST_STREAM, 1, {}))
        assert await tunnel.wait_closed() is CloseReason.OUT_OF_ORDER


async def test_a_second_open_of_a_stream_ends_the_connection(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch, "host") as (tunnel, relay):
        await relay.send(*[Open(FIRST_STREAM, Channel.CHAT, 1, {})] * 2)
        assert await tunnel.wait_closed() is CloseReason.OUT_OF_ORDER


async def test_notices_that_nobody_reads_are_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        await relay.send(*[Notice("n", {})] * (MAX_NOTICES + 1))
        assert await tunnel.wait_closed() is CloseReason.LIMIT
        assert len([notice async for notice in tunnel.notices]) == MAX_NOTICES


async def test_streams_that_nobody_takes_are_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch, "host") as (_, relay):
        await relay.send(*(Open(FIRST_STREAM + i, Channel.CHAT, 1, {}) for i in range(MAX_INCOMING + 1)))
        assert await relay.read() == Close(FIRST_STREAM + MAX_INCOMING, CloseReason.TOO_MANY_STREAMS)


async def test_open_streams_are_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch, "host") as (tunnel, relay):
        for number in range(MAX_STREAMS):
            await relay.send(Open(FIRST_STREAM + number, Channel.CHAT, 1, {}))
            await tunnel.incoming.receive()
        await relay.send(Open(FIRST_STREAM + MAX_STREAMS, Channel.CHAT, 1, {}))
        assert await relay.read() == Close(FIRST_STREAM + MAX_STREAMS, CloseReason.TOO_MANY_STREAMS)


async def test_answers_that_the_relay_does_not_read_are_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admitted(monkeypatch) as (tunnel, relay):
        tunnel._socket.send_stream.send_all_hook = trio.sleep_forever  # type: ignore[attr-defined]  # memory
        ping = relay.codec.encode_ping(bytes(125))
        for _ in range(MAX_CONTROL_BYTES // len(ping) + 3):
            await relay.pipe.send_all(ping)
            await trio.testing.wait_all_tasks_blocked()
        assert tunnel.close_reason is CloseReason.STALLED


def test_a_hello_does_not_show_its_secret() -> None:
    fields: Fields = {"credential": b"secret"}
    assert "secret" not in repr(Welcome(fields))
    assert "00" not in repr(Hello(1, "host", bytes(32), {}))

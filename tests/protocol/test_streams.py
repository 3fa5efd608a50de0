"""Credit and the order in which frames leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.frames import Channel
from relay.protocol.streams import (
    MAX_WINDOW_BYTES,
    OutboundQueue,
    Priority,
    ReceiveWindow,
    Window,
    check_viewer_stream,
    priority_of,
    stream_id,
)
from relay.protocol.websocket import WebSocketCodec

CODEC = WebSocketCodec(is_client=False, max_message_bytes=1 << 20)


def test_a_window_holds_what_was_granted_and_no_more() -> None:
    window = Window(10)
    window.grant(5)
    window.spend(15)
    with pytest.raises(RemoteProtocolError) as caught:
        window.spend(1)
    assert caught.value.close_reason is CloseReason.CREDIT_EXCEEDED


def test_a_window_cannot_grow_past_its_cap() -> None:
    window = Window(MAX_WINDOW_BYTES - 1)
    window.grant(1)
    with pytest.raises(RemoteProtocolError):
        window.grant(1)


@given(st.lists(st.integers(1, 100), max_size=50))
def test_a_reader_that_keeps_up_never_starves_the_sender(sizes: list[int]) -> None:
    receiving, sending = ReceiveWindow(200), Window(200)
    for size in sizes:
        sending.spend(size)
        receiving.received(size, 0.0)
        grant = receiving.consumed(size, 0.0)
        if grant:
            sending.grant(grant)
        assert sending.available > 200 - 100


def test_a_sender_past_its_credit_is_caught_by_the_receiver() -> None:
    receiving = ReceiveWindow(100)
    receiving.received(100, 0.0)
    with pytest.raises(RemoteProtocolError) as caught:
        receiving.received(1, 0.0)
    assert caught.value.close_reason is CloseReason.CREDIT_EXCEEDED


def test_urgent_frames_leave_first_and_files_last() -> None:
    queue = OutboundQueue()
    queue.push_data(Priority.FILES, 1, b"file")
    queue.push_data(Priority.SCREEN, 2, b"screen")
    queue.push_data(Priority.INPUT, 3, b"click")
    queue.push(b"notice")
    assert queue.take(1 << 20) == [b"notice", b"click", b"screen", b"file"]
    assert not queue


def test_streams_of_one_class_take_turns() -> None:
    queue = OutboundQueue()
    for number in range(3):
        queue.push_data(Priority.FILES, 1, b"a%d" % number)
        queue.push_data(Priority.FILES, 2, b"b%d" % number)
    assert queue.take(1 << 20) == [b"a0", b"b0", b"a1", b"b1", b"a2", b"b2"]


def test_a_batch_stops_at_its_size_and_the_rest_waits() -> None:
    queue = OutboundQueue()
    for _ in range(4):
        queue.push_data(Priority.FILES, 1, bytes(10))
    assert sum(map(len, queue.take(15))) == 20
    assert queue.data_bytes == 20
    queue.push(b"urgent")
    assert queue.take(15) == [b"urgent", bytes(10)]


def test_a_close_stays_behind_its_streams_own_data() -> None:
    queue = OutboundQueue()
    queue.push_data(Priority.FILES, 1, b"data")
    queue.push_close(Priority.FILES, 1, b"close 1")
    queue.push_close(Priority.FILES, 2, b"close 2")
    assert queue.take(1 << 20) == [b"close 2", b"data", b"close 1"]


def test_dropping_forgets_bytes_too() -> None:
    queue = OutboundQueue()
    queue.push_data(Priority.FILES, 1, b"data")
    queue.push_data(Priority.FILES, 1, b"more")
    queue.push_data(Priority.CHAT, 2, b"hi")
    queue.drop_stream(Priority.FILES, 1)
    queue.drop_stream(Priority.FILES, 9)
    assert queue.data_bytes == 2
    queue.push(b"notice")
    queue.clear()
    assert not queue
    assert (queue.data_bytes, queue.control_bytes) == (0, 0)
    assert queue.take(100) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(Priority), st.integers(1, 4), st.binary(min_size=1, max_size=20)),
        max_size=60,
    ),
    st.integers(1, 50),
)
def test_nothing_is_lost_and_no_stream_is_reordered(
    pushed: list[tuple[Priority, int, bytes]], size: int
) -> None:
    queue = OutboundQueue()
    expected: dict[tuple[Priority, int], bytes] = {}
    for priority, stream, chunk in pushed:
        frame = CODEC.encode_binary(bytes([priority, stream]) + chunk)
        queue.push_data(priority, stream, frame)
        expected[priority, stream] = expected.get((priority, stream), b"") + frame
    got: dict[tuple[Priority, int], bytes] = {}
    while queue:
        for chunk in queue.take(size):
            reader = WebSocketCodec(is_client=True, max_message_bytes=1 << 20)
            message = reader.receive_data(chunk)[0]
            assert isinstance(message, bytes)
            key = Priority(message[0]), message[1]
            got[key] = got.get(key, b"") + chunk
    assert got == expected
    assert queue.data_bytes == 0


@pytest.mark.parametrize("is_client", [True, False])
@pytest.mark.parametrize("length", [10, 125, 126, 1000, 0xFFFF, 0x10000])
def test_a_long_run_is_cut_between_frames(is_client: bool, length: int) -> None:
    codec = WebSocketCodec(is_client=is_client, max_message_bytes=1 << 20)
    frames = [codec.encode_binary(bytes(length)) for _ in range(5)]
    queue = OutboundQueue()
    queue.push_data(Priority.FILES, 1, b"".join(frames))
    queue.push_data(Priority.INPUT, 2, CODEC.encode_binary(b"click"))
    assert queue.take(len(frames[0]) + 8) == [CODEC.encode_binary(b"click"), b"".join(frames[:2])]
    assert queue.data_bytes == 3 * len(frames[0])
    assert queue.take(1) == frames[2:3]
    assert queue.take(1 << 20) == [b"".join(frames[3:])]
    assert not queue


def test_screens_yield_to_input_and_precede_files() -> None:
    assert priority_of(Channel.CONTROL, to_host=True) is Priority.INPUT
    assert priority_of(Channel.CONTROL, to_host=False) is Priority.SCREEN
    assert priority_of(Channel.FILES, to_host=False) is priority_of(Channel.FILES, to_host=True)


def test_stream_numbers_only_go_up_and_belong_to_their_viewer() -> None:
    assert check_viewer_stream(stream_id(3, 1), 3, 0) == 1
    with pytest.raises(RemoteProtocolError) as caught:
        check_viewer_stream(stream_id(3, 1), 3, 1)
    assert caught.value.close_reason is CloseReason.OUT_OF_ORDER
    with pytest.raises(RemoteProtocolError):
        check_viewer_stream(stream_id(4, 1), 3, 0)
    for viewer, number in [(0, 1), (1, 0), (65536, 1), (1, 65536)]:
        with pytest.raises(LocalProtocolError):
            stream_id(viewer, number)

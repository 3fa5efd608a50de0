"""The WebSocket codec against its own promises, and against wsproto."""

import contextlib
import gc
import weakref
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
import wsproto.frame_protocol as wsproto_frames
from hypothesis import example, given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection
from wsproto.events import Event as WsprotoEvent
from wsproto.events import Ping as WsprotoPing
from wsproto.events import Pong as WsprotoPong

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError
from relay.protocol.masking import apply_mask
from relay.protocol.runs import take_runs
from relay.protocol.websocket import (
    MAX_EMPTY_FRAGMENTS,
    CloseReceived,
    Event,
    Ping,
    Pong,
    Text,
    WebSocketCodec,
    WebSocketError,
    is_valid_close_code,
)

MAX = 70_000
KEY = b"\x11\x22\x33\x44"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

both_roles = pytest.mark.parametrize("is_client", [False, True], ids=["server", "client"])


def make_codec(is_client: bool = False, *, allow_text: bool = False, max_bytes: int = MAX) -> WebSocketCodec:
    return WebSocketCodec(is_client=is_client, max_message_bytes=max_bytes, allow_text=allow_text)


def make_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    """A frame written independently of the codec; masked as a server receives it."""
    mask_bit = 0x80 if masked else 0
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    length = len(payload)
    if length < 126:
        header = bytes([first, mask_bit | length])
    elif length < 65536:
        header = bytes([first, mask_bit | 126]) + length.to_bytes(2, "big")
    else:
        header = bytes([first, mask_bit | 127]) + length.to_bytes(8, "big")
    return header + (KEY + apply_mask(payload, KEY) if masked else payload)


def make_fragments(opcode: int, parts: Sequence[bytes]) -> bytes:
    """One message in as many frames as there are parts."""
    opcodes = [opcode] + [CONTINUATION] * (len(parts) - 1)
    fins = [False] * (len(parts) - 1) + [True]
    return b"".join(make_frame(op, part, fin=fin) for op, part, fin in zip(opcodes, parts, fins, strict=True))


def receive_all(codec: WebSocketCodec, pieces: Iterable[bytes]) -> tuple[list[Event], WebSocketError | None]:
    """All events, those before an error included, and the error."""
    events: list[Event] = []
    try:
        for piece in pieces:
            events += codec.receive_data(piece)
    except WebSocketError as error:
        return events + error.events, error
    return events, None


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def refusal_of(data: bytes, *, is_client: bool = False, allow_text: bool = False) -> WebSocketError:
    with pytest.raises(WebSocketError) as info:
        make_codec(is_client, allow_text=allow_text).receive_data(data)
    return info.value


# Frames that mean something more often than random bytes do.
frames = st.builds(
    make_frame,
    st.sampled_from([CONTINUATION, TEXT, BINARY, BINARY, CLOSE, PING, PONG, 3, 11]),
    st.binary(max_size=140) | st.text(max_size=20).map(str.encode) | st.just(b"\x03\xe8bye") | st.just(b""),
    fin=st.booleans(),
    masked=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 1]),
)
streams = st.lists(frames, max_size=8).map(b"".join) | st.binary(max_size=300)
cuts = st.lists(st.integers(min_value=0, max_value=2000), max_size=12)


# Whole messages, both ways


@both_roles
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, MAX - 1, MAX])
def test_what_one_side_encodes_the_other_decodes(is_client: bool, length: int) -> None:
    payload = bytes(index % 251 for index in range(length))
    encoded = make_codec(is_client).encode_binary(payload)
    assert make_codec(not is_client).receive_data(encoded) == [payload]


@both_roles
@given(payloads=st.lists(st.binary(max_size=300), max_size=6), places=cuts)
def test_any_payloads_survive_the_wire_in_any_pieces(
    is_client: bool, payloads: list[bytes], places: list[int]
) -> None:
    sender = make_codec(is_client)
    stream = b"".join(map(sender.encode_binary, payloads))
    assert receive_all(make_codec(not is_client), cut(stream, places)) == (payloads, None)


def test_a_client_masks_every_frame_with_another_key() -> None:
    codec = make_codec(is_client=True)
    assert len({codec.encode_binary(b"same")[2:6] for _ in range(50)}) > 45


@both_roles
@pytest.mark.parametrize("length", [5, 300])
@pytest.mark.parametrize("kind", [bytearray, memoryview])
@pytest.mark.parametrize("size", [7, 100_000])
def test_any_buffer_is_taken_and_payloads_are_bytes_of_their_own(
    is_client: bool, length: int, kind: type, size: int
) -> None:
    payload = b"p" * length
    stream = bytearray(make_frame(BINARY, payload, masked=not is_client) * 3)
    codec = make_codec(is_client)
    events: list[Event] = []
    for start in range(0, len(stream), size):
        piece = stream[start : start + size]
        events += codec.receive_data(kind(piece))
        piece[:] = bytes(len(piece))  # the caller reuses its buffer
    assert events == [payload] * 3
    assert {type(event) for event in events} == {bytes}


# Chunking, and any bytes


@both_roles
@given(data=streams, places=cuts, allow_text=st.booleans())
@example(data=make_frame(BINARY, b"x" * 130) * 2, places=[1, 2, 3, 4, 8, 140, 141], allow_text=False)
def test_how_bytes_are_cut_never_changes_what_comes_out(
    is_client: bool, data: bytes, places: list[int], allow_text: bool
) -> None:
    whole = receive_all(make_codec(is_client, allow_text=allow_text), [data])
    pieces = receive_all(make_codec(is_client, allow_text=allow_text), cut(data, places))
    single = receive_all(
        make_codec(is_client, allow_text=allow_text), [data[i : i + 1] for i in range(len(data))]
    )
    assert pieces[0] == single[0] == whole[0]
    assert str(pieces[1]) == str(single[1]) == str(whole[1])


@both_roles
@given(chunks=st.lists(streams, max_size=5))
def test_any_bytes_give_events_or_a_protocol_error_and_nothing_else(
    is_client: bool, chunks: list[bytes]
) -> None:
    events, error = receive_all(make_codec(is_client, allow_text=True, max_bytes=200), chunks)
    assert all(isinstance(event, bytes | Ping | Pong | CloseReceived | Text) for event in events)
    assert error is None or error.close_reason in (CloseReason.BAD_WEBSOCKET, CloseReason.TOO_LARGE)


@both_roles
@given(data=streams, place=st.integers(0, 400), taking_runs=st.booleans())
def test_nothing_comes_of_fewer_bytes_than_are_missing(
    is_client: bool, data: bytes, place: int, taking_runs: bool
) -> None:
    codec = make_codec(is_client)
    if taking_runs and not is_client:
        codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 16, take_runs=take_runs)
    with contextlib.suppress(WebSocketError):
        codec.receive_data(data[:place])
        rest = data[place:]
        missing = codec.missing_bytes
        assert missing >= 0
        if missing > 1:
            assert codec.receive_data(rest[: missing - 1]) == []


def test_of_a_whole_frame_nothing_is_missing_and_of_a_cut_one_its_rest() -> None:
    codec = make_codec(max_bytes=1 << 20)
    frame = make_frame(BINARY, b"x" * 50_000)
    assert codec.missing_bytes == 0
    assert codec.receive_data(frame + frame[:20]) == [b"x" * 50_000]
    assert codec.missing_bytes == len(frame) - 20
    assert codec.receive_data(frame[20:-1]) == []
    assert codec.missing_bytes == 1
    assert codec.receive_data(frame[-1:]) == [b"x" * 50_000]
    assert codec.missing_bytes == 0


def test_a_long_message_may_come_byte_by_byte() -> None:
    codec = make_codec(max_bytes=1 << 20)
    frame = make_frame(BINARY, b"x" * 100_000)
    for index in range(len(frame) - 1):
        assert codec.receive_data(frame[index : index + 1]) == []
    assert codec.receive_data(frame[-1:]) == [b"x" * 100_000]


@pytest.mark.parametrize("length", [4_090, 65_561, 262_161])
def test_frames_as_long_as_the_last_that_was_cut_are_cut_no_more(length: int) -> None:
    most = 266_240
    stream = make_frame(BINARY, b"x" * length) * (12 * most // length)
    codec = make_codec(max_bytes=1 << 20)
    assert codec.bytes_to_read(most) == most
    position, cut = 0, 0
    while position < len(stream):
        size = codec.bytes_to_read(most)
        assert most // 2 < size <= most
        codec.receive_data(stream[position : position + size])
        position += size
        cut += bool(codec.missing_bytes)
    assert cut == 1


def test_small_frames_do_not_say_how_much_to_read() -> None:
    codec = make_codec()
    frame = make_frame(BINARY, b"x" * 100)
    codec.receive_data(frame[:50])
    assert codec.bytes_to_read(1000) == 1000


@given(data=streams, sizes=st.lists(st.integers(1, 9000), min_size=1), most=st.integers(1, 9000))
def test_there_is_always_something_to_read(data: bytes, sizes: list[int], most: int) -> None:
    codec = make_codec(max_bytes=1 << 20)
    with contextlib.suppress(WebSocketError):
        codec.receive_data(make_frame(BINARY, b"x" * 5000)[: sizes[0]])
        for size in sizes:
            piece, data = data[:size], data[size:]
            codec.receive_data(piece)
            assert 1 <= codec.bytes_to_read(most) <= most


# Fragments and control frames


@both_roles
def test_fragments_make_one_message_with_control_frames_between(is_client: bool) -> None:
    masked = not is_client
    stream = (
        make_frame(BINARY, b"one ", fin=False, masked=masked)
        + make_frame(PING, b"?", masked=masked)
        + make_frame(CONTINUATION, b"two ", fin=False, masked=masked)
        + make_frame(PONG, b"!", masked=masked)
        + make_frame(CONTINUATION, b"three", masked=masked)
        + make_frame(BINARY, b"next", masked=masked)
    )
    assert make_codec(is_client).receive_data(stream) == [
        Ping(b"?"),
        Pong(b"!"),
        b"one two three",
        b"next",
    ]


def test_a_message_may_end_in_an_empty_fragment() -> None:
    stream = make_frame(BINARY, b"all", fin=False) + make_frame(CONTINUATION)
    assert make_codec().receive_data(stream) == [b"all"]


def test_fragments_together_may_be_as_large_as_one_message() -> None:
    half = MAX // 2
    stream = make_frame(BINARY, b"a" * half, fin=False) + make_frame(CONTINUATION, b"b" * (MAX - half))
    assert make_codec().receive_data(stream) == [b"a" * half + b"b" * (MAX - half)]


def test_fragments_together_may_not_be_larger_than_one_message() -> None:
    half = MAX // 2
    codec = make_codec()
    codec.receive_data(make_frame(BINARY, b"a" * half, fin=False))
    header = make_frame(CONTINUATION, b"b" * (MAX - half + 1))[:8]
    with pytest.raises(WebSocketError) as info:
        codec.receive_data(header)
    assert info.value.close_reason is CloseReason.TOO_LARGE


def test_a_control_frame_does_not_count_towards_the_message() -> None:
    stream = make_frame(BINARY, b"123456", fin=False) + make_frame(PING, b"12345678")
    assert make_codec(max_bytes=6).receive_data(stream + make_frame(CONTINUATION)) == [
        Ping(b"12345678"),
        b"123456",
    ]


def test_as_many_empty_fragments_as_allowed_are_taken() -> None:
    stream = make_frame(BINARY, fin=False) + make_frame(CONTINUATION, fin=False) * (MAX_EMPTY_FRAGMENTS - 1)
    message = stream + make_frame(CONTINUATION, b"end")
    assert make_codec().receive_data(message * 3) == [b"end"] * 3


def test_one_empty_fragment_too_many_is_refused() -> None:
    stream = make_frame(BINARY, fin=False) + make_frame(CONTINUATION, fin=False) * MAX_EMPTY_FRAGMENTS
    assert refusal_of(stream).close_reason is CloseReason.TOO_LARGE


@pytest.mark.parametrize("length", [0, 125])
@both_roles
def test_pings_and_pongs_carry_up_to_125_bytes(is_client: bool, length: int) -> None:
    sender, receiver = make_codec(is_client), make_codec(not is_client)
    stream = sender.encode_ping(b"i" * length) + sender.encode_pong(b"o" * length)
    assert receiver.receive_data(stream) == [Ping(b"i" * length), Pong(b"o" * length)]


def test_a_ping_longer_than_125_bytes_is_our_bug() -> None:
    with pytest.raises(LocalProtocolError):
        make_codec().encode_ping(b"x" * 126)


# Sizes


@pytest.mark.parametrize(
    ("length", "max_bytes"), [(126, 125), (65536, 65535), (MAX + 1, MAX), (1, 0), (2**62, MAX)]
)
def test_a_declared_length_over_the_limit_is_refused_from_the_header_alone(
    length: int, max_bytes: int
) -> None:
    if length < 126:
        header = bytes([0x82, 0x80 | length])
    elif length < 65536:
        header = b"\x82\xfe" + length.to_bytes(2, "big") + KEY
    else:
        header = b"\x82\xff" + length.to_bytes(8, "big") + KEY
    with pytest.raises(WebSocketError) as info:
        make_codec(max_bytes=max_bytes).receive_data(header)
    assert info.value.close_reason is CloseReason.TOO_LARGE


@pytest.mark.parametrize("max_bytes", [0, 1, 124, 125, 126, 65535, 65536])
def test_a_message_of_exactly_the_limit_is_taken(max_bytes: int) -> None:
    assert make_codec(max_bytes=max_bytes).receive_data(make_frame(BINARY, b"x" * max_bytes)) == [
        b"x" * max_bytes
    ]


# What the peer may not do


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(make_frame(BINARY, b"x", masked=False), id="unmasked"),
        pytest.param(make_frame(PING, b"x", masked=False), id="unmasked-ping"),
        pytest.param(make_frame(BINARY, b"x", rsv=4), id="rsv1"),
        pytest.param(make_frame(BINARY, b"x", rsv=2), id="rsv2"),
        pytest.param(make_frame(PING, b"x", rsv=1), id="rsv3"),
        *(pytest.param(make_frame(op), id=f"opcode-{op}") for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        pytest.param(make_frame(PING, b"x", fin=False), id="fragmented-ping"),
        pytest.param(make_frame(CLOSE, b"", fin=False), id="fragmented-close"),
        pytest.param(make_frame(PONG, b"x" * 126), id="long-pong"),
        pytest.param(make_frame(CLOSE, b"\x03\xe8" + b"x" * 124), id="long-close"),
        pytest.param(make_frame(CONTINUATION, b"x"), id="nothing-to-continue"),
        pytest.param(make_frame(CONTINUATION, b"x", fin=False), id="nothing-to-continue-further"),
        pytest.param(make_frame(BINARY, b"x", fin=False) + make_frame(BINARY, b"x"), id="message-in-message"),
        pytest.param(b"\x82\xfe\x00\x7d" + KEY + b"x" * 125, id="16-bit-length-for-125"),
        pytest.param(b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff" + KEY, id="64-bit-length-for-65535"),
        pytest.param(b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00" + KEY, id="64-bit-length-with-top-bit"),
        pytest.param(make_frame(CLOSE, b"\x03"), id="half-a-close-code"),
        pytest.param(make_frame(CLOSE, b"\x03\xe8\xff"), id="close-reason-not-utf-8"),
        *(
            pytest.param(make_frame(CLOSE, code.to_bytes(2, "big")), id=f"close-code-{code}")
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
        ),
    ],
)
def test_a_broken_rule_closes_as_bad_websocket(stream: bytes) -> None:
    error = refusal_of(stream)
    assert error.close_reason is CloseReason.BAD_WEBSOCKET
    assert error.ws_code == 1002
    assert str(error).endswith(".")


def test_a_masked_frame_from_the_relay_is_refused() -> None:
    assert refusal_of(make_frame(BINARY, b"x"), is_client=True).close_reason is CloseReason.BAD_WEBSOCKET


def test_text_is_refused_from_its_first_two_bytes() -> None:
    error = refusal_of(make_frame(TEXT, b"hello")[:2])
    assert error.close_reason is CloseReason.TEXT_MESSAGE
    assert error.ws_code == 1003


# After the end


def test_good_messages_before_a_bad_frame_ride_on_the_error_once() -> None:
    codec = make_codec()
    with pytest.raises(WebSocketError) as first:
        codec.receive_data(make_frame(BINARY, b"good") + make_frame(PING, b"too") + make_frame(3))
    assert first.value.events == [b"good", Ping(b"too")]
    with pytest.raises(WebSocketError) as second:
        codec.receive_data(make_frame(BINARY, b"never looked at"))
    assert second.value.events == []
    assert str(second.value) == str(first.value)
    assert second.value.close_reason is first.value.close_reason


def test_a_codec_that_failed_is_freed_without_the_garbage_collector() -> None:
    class Watched(WebSocketCodec):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        codec = Watched(is_client=False, max_message_bytes=MAX)
        gone = weakref.ref(codec)
        for _ in range(2):
            with contextlib.suppress(WebSocketError):
                codec.receive_data(b"\x81\x80")
        del codec
        assert gone() is None
    finally:
        gc.enable()


def test_the_message_a_tail_completes_rides_on_the_error_too() -> None:
    codec = make_codec()
    frame = make_frame(BINARY, b"cut in two")
    assert codec.receive_data(frame[:9]) == []
    with pytest.raises(WebSocketError) as info:
        codec.receive_data(frame[9:] + make_frame(7))
    assert info.value.events == [b"cut in two"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_nothing_after_a_close_is_looked_at(size: int) -> None:
    codec = make_codec()
    stream = make_frame(CLOSE, b"\x03\xe8bye") + make_frame(BINARY, b"late") + b"\xff" * 20
    assert receive_all(codec, [stream[i : i + size] for i in range(0, len(stream), size)]) == (
        [CloseReceived(1000, "bye")],
        None,
    )
    assert codec.receive_data(b"\xff\xff\xff") == []


# Closing


@both_roles
@pytest.mark.parametrize("reason", list(CloseReason))
def test_every_close_reason_reaches_the_other_side(is_client: bool, reason: CloseReason) -> None:
    encoded = make_codec(is_client).encode_close(reason.ws_code, reason.sentence)
    assert make_codec(not is_client).receive_data(encoded) == [CloseReceived(reason.ws_code, reason.sentence)]


def test_a_close_may_come_without_a_code() -> None:
    assert make_codec().receive_data(make_codec(is_client=True).encode_close()) == [CloseReceived(None, "")]


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999])
def test_codes_of_the_registry_and_the_private_ranges_are_valid(code: int) -> None:
    assert is_valid_close_code(code)
    assert make_codec().receive_data(make_frame(CLOSE, code.to_bytes(2, "big"))) == [CloseReceived(code, "")]


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("x" * 123, "x" * 123), ("x" * 124, "x" * 123), ("x" * 122 + "é", "x" * 122), ("€" * 60, "€" * 41)],
)
def test_a_long_reason_is_cut_between_characters(reason: str, kept: str) -> None:
    encoded = make_codec().encode_close(4000, reason)
    assert make_codec(is_client=True).receive_data(encoded) == [CloseReceived(4000, kept)]


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (1015, ""), (99, ""), (None, "why")])
def test_a_close_that_may_not_be_sent_is_our_bug(code: int | None, reason: str) -> None:
    with pytest.raises(LocalProtocolError):
        make_codec().encode_close(code, reason)


# Text, where it is allowed


@given(text=st.text(max_size=40), places=cuts)
def test_text_is_put_together_from_fragments_cut_anywhere(text: str, places: list[int]) -> None:
    stream = make_fragments(TEXT, cut(text.encode(), places))
    assert make_codec(allow_text=True).receive_data(stream) == [Text(text)]


@pytest.mark.parametrize(
    "fragments",
    [
        [make_frame(TEXT, b"\xff")],
        [make_frame(TEXT, b"ok", fin=False), make_frame(CONTINUATION, b"\xff", fin=False)],
        [make_frame(TEXT, b"\xe2\x82", fin=False), make_frame(CONTINUATION, b"x", fin=False)],
        [make_frame(TEXT, b"\xe2\x82", fin=False), make_frame(CONTINUATION)],
        [make_frame(TEXT, b"\xed\xa0\x80")],
    ],
    ids=["at-once", "in-a-fragment", "across-fragments", "cut-at-the-end", "surrogate"],
)
def test_text_that_is_not_utf_8_is_refused_in_the_fragment_that_shows_it(fragments: list[bytes]) -> None:
    codec = make_codec(allow_text=True)
    for fragment in fragments[:-1]:
        assert codec.receive_data(fragment) == []
    with pytest.raises(WebSocketError) as info:
        codec.receive_data(fragments[-1])
    assert info.value.close_reason is CloseReason.BAD_WEBSOCKET
    assert info.value.ws_code == 1007


# wsproto, an implementation that shares no code with ours


def wsproto_connection(is_client: bool) -> Connection:
    return Connection(ConnectionType.CLIENT if is_client else ConnectionType.SERVER)


messages = st.lists(
    st.one_of(
        st.binary(max_size=300).map(lambda data: BytesMessage(data=data)),
        st.binary(max_size=125).map(lambda data: WsprotoPing(payload=data)),
        st.binary(max_size=125).map(lambda data: WsprotoPong(payload=data)),
    ),
    max_size=6,
)


def as_ours(event: WsprotoEvent) -> Event:
    match event:
        case BytesMessage(data=data):
            return bytes(data)
        case WsprotoPing(payload=payload):
            return Ping(bytes(payload))
        case WsprotoPong(payload=payload):
            return Pong(bytes(payload))
        case CloseConnection(code=code, reason=reason):
            return CloseReceived(code, reason or "")
    raise AssertionError(event)


@both_roles
@given(sent=messages, places=cuts)
def test_wsproto_is_understood(is_client: bool, sent: list[WsprotoEvent], places: list[int]) -> None:
    peer = wsproto_connection(not is_client)
    sent = [*sent, CloseConnection(code=4001, reason="done")]
    stream = b"".join(peer.send(event) for event in sent)
    assert receive_all(make_codec(is_client), cut(stream, places)) == ([*map(as_ours, sent)], None)


@both_roles
@given(sent=messages)
def test_wsproto_understands_us(is_client: bool, sent: list[WsprotoEvent]) -> None:
    codec = make_codec(is_client)
    expected = [*map(as_ours, sent), CloseReceived(4001, "done")]
    peer = wsproto_connection(not is_client)
    for event in expected:
        match event:
            case bytes():
                peer.receive_data(codec.encode_binary(event))
            case Ping(payload):
                peer.receive_data(codec.encode_ping(payload))
            case Pong(payload):
                peer.receive_data(codec.encode_pong(payload))
            case CloseReceived(code, reason):
                peer.receive_data(codec.encode_close(code, reason))
    assert [as_ours(event) for event in peer.events()] == expected


@pytest.mark.parametrize("length", [125, 126, 65535, 65536])
@both_roles
def test_wsproto_writes_the_same_bytes_for_every_kind_of_length(is_client: bool, length: int) -> None:
    theirs = wsproto_frames.FrameProtocol(client=is_client, extensions=[])
    frame = theirs.send_data(b"x" * length)
    ours = make_codec(is_client).encode_binary(b"x" * length)
    assert len(frame) == len(ours)
    assert frame[: -length - 4 * is_client] == ours[: -length - 4 * is_client]

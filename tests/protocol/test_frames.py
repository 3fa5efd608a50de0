"""The frames: golden bytes, round trips, and hostile bytes."""

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import (
    MAX_CREDIT,
    MAX_SMALL_FRAME_BYTES,
    Accept,
    Channel,
    Close,
    Credit,
    Data,
    FieldReader,
    Frame,
    Hello,
    Notice,
    Open,
    Welcome,
    decode_frame,
    encode_frame,
    is_credit,
    payload_of,
    peek_data,
    viewer_of,
)

STREAM = 1 << 16 | 1
VECTORS = Path(__file__).parent.parent / "vectors" / "frames.json"

GOLDEN: dict[str, Frame] = {
    "hello": Hello(1, "viewer", bytes(range(32)), {"program": "console"}),
    "welcome": Welcome(
        {"session": "s", "viewer": 1, "host_online": True, "kinds": ["control"], "expires_at": None}
    ),
    "data": Data(STREAM, b"sealed"),
    "data of 300 bytes": Data(0xFFFFFFFF, bytes(300)),
    "credit": Credit(STREAM, 131072),
    "open": Open(STREAM, Channel.CONTROL, 262144, {"nonce": bytes(16), "claims": b"\x80"}),
    "accept": Accept(STREAM, 262144, {"share": bytes(32)}),
    "close": Close(STREAM, CloseReason.WRONG_PASSWORD),
    "close of the connection": Close(0, CloseReason.EXPIRED),
    "notice": Notice("tries", {"code": 1, "tries": 2, "attempts": 2}),
}

texts = st.text(max_size=40)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    texts,
    st.binary(max_size=64),
    st.lists(texts, max_size=4),
)
fields = st.dictionaries(st.text(max_size=8), values, max_size=8)
streams = st.integers(1 << 16, 2**32 - 1)
credits_ = st.integers(1, MAX_CREDIT)
frames = st.one_of(
    st.builds(
        Hello,
        st.integers(0, 9),
        st.sampled_from(["host", "viewer"]),
        st.binary(min_size=16, max_size=64),
        fields,
    ),
    st.builds(Welcome, fields),
    st.builds(Data, streams, st.binary(max_size=70_000)),
    st.builds(Credit, streams, credits_),
    st.builds(Open, streams, st.sampled_from(Channel), credits_, fields),
    st.builds(Accept, streams, credits_, fields),
    st.builds(Close, st.one_of(st.just(0), streams), st.sampled_from(CloseReason)),
    st.builds(Notice, st.text(max_size=8), fields),
)


@pytest.mark.parametrize("name", GOLDEN)
def test_bytes_of_a_frame_never_change(name: str) -> None:
    stored = json.loads(VECTORS.read_text())
    assert encode_frame(GOLDEN[name]).hex() == stored[name]


def test_every_stored_frame_is_known() -> None:
    assert set(json.loads(VECTORS.read_text())) == set(GOLDEN)


@given(frames)
def test_a_frame_survives_the_wire(frame: Frame) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@given(st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_a_protocol_error(message: bytes) -> None:
    try:
        frame = decode_frame(message)
    except RemoteProtocolError:
        return
    assert decode_frame(encode_frame(frame)) == frame


@given(
    st.recursive(
        st.one_of(values, st.floats()),
        lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=3), x, max_size=3),
    )
)
def test_any_msgpack_gives_a_frame_or_a_protocol_error(value: Any) -> None:
    message = msgpack.packb(value)
    try:
        frame = decode_frame(message)
    except RemoteProtocolError:
        return
    assert decode_frame(encode_frame(frame)) == frame


@given(streams, st.binary(max_size=70_000))
def test_data_is_recognised_by_its_first_bytes(stream: int, payload: bytes) -> None:
    message = encode_frame(Data(stream, payload))
    assert peek_data(message) == stream
    assert payload_of(message) == payload
    assert peek_data(message + b"x") == 0
    assert peek_data(message[:-1]) == 0


@pytest.mark.parametrize(
    "parts",
    [
        {"a": 1},
        [],
        [8, 0],
        [99, 0, 1],
        [True, 0, "x", {}],
        [8, 0.0, "x", {}],
        [8, 1 << 16, "x", {}],  # a notice with a stream
        [4, 0, 1],  # credit without a stream
        [4, 1, 1],  # stream of viewer 0
        [4, STREAM, 0],
        [4, STREAM, MAX_CREDIT + 1],
        [4, STREAM, True],
        [4, STREAM, 1, 1],
        [5, STREAM, "telnet", 1, {}],
        [5, STREAM, ["control"], 1, {}],
        [5, STREAM, "control", 1, []],
        [7, STREAM, 5],
        [7, STREAM, "x" * 65],
        [8, 0, "x" * 33, {}],
        [8, 0, "x", {"k": 1.5}],
        [8, 0, "x", {"k": float("nan")}],
        [8, 0, "x", {"k": {"nested": 1}}],
        [8, 0, "x", {"k": [1]}],
        [8, 0, "x", {"k" * 33: 1}],
        [8, 0, "x", {b"k": 1}],
        [8, 0, "x", {1: 1}],
        [1, 0, 1, "relay", bytes(32), {}],
        [1, 0, 1, "host", bytes(15), {}],
        [1, 0, 1, "host", "x" * 32, {}],
        [3, STREAM, "text"],
        [2, 0, {f"k{i}": i for i in range(33)}],
    ],
)
def test_a_malformed_frame_is_refused(parts: object) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_frame(msgpack.packb(parts))


def test_a_large_frame_that_is_not_data_is_refused_unparsed() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_frame(bytes(MAX_SMALL_FRAME_BYTES + 1))
    assert caught.value.close_reason is CloseReason.TOO_LARGE


@pytest.mark.parametrize(
    "message",
    [b"\x93\x03\xce", b"\x93\x03\xce\x00\x01\x00\x01\xc5\x00", b"\x93\x03\xce\x00\x01\x00\x01\xc6\x00\x00"],
)
def test_a_cut_data_header_is_refused(message: bytes) -> None:
    assert peek_data(message) == 0
    with pytest.raises(RemoteProtocolError):
        decode_frame(message)


@given(st.integers(2**16, 2**20))
def test_large_payloads_use_the_long_header(length: int) -> None:
    message = encode_frame(Data(STREAM, bytes(length)))
    assert peek_data(message) == STREAM
    assert len(payload_of(message)) == length


@pytest.mark.parametrize("stream", [0, 0xFFFF, 0x10000, 0xFFFFFFFF])
@pytest.mark.parametrize("amount", [0, 1, 0xFFFF, 0x10000, MAX_CREDIT, MAX_CREDIT + 1])
def test_credit_is_checked_whichever_way_its_numbers_are_written(stream: int, amount: int) -> None:
    long = b"\x93\x04\xce" + stream.to_bytes(4) + b"\xce" + amount.to_bytes(4)
    for message in (long, msgpack.packb([4, stream, amount])):
        assert is_credit(message) == (message[2] == 0xCE)
        if stream > 0xFFFF and 1 <= amount <= MAX_CREDIT:
            assert decode_frame(message) == Credit(stream, amount)
        else:
            with pytest.raises(RemoteProtocolError):
                decode_frame(message)


@pytest.mark.parametrize("message", [b"", b"\x93\x03\xce\0\1\0\1\xc4\0", b"\x94\x04\xce\0\1\0\1\1\1"])
def test_what_is_no_credit_does_not_begin_like_it(message: bytes) -> None:
    assert not is_credit(message)


def test_an_unknown_reason_still_closes() -> None:
    assert decode_frame(msgpack.packb([7, STREAM, "from_the_future"])) == Close(STREAM, CloseReason.INTERNAL)
    assert CloseReason.from_wire(None) is CloseReason.INTERNAL


def test_reasons_map_to_their_websocket_codes_and_back() -> None:
    for reason in CloseReason:
        assert CloseReason.from_ws_code(reason.ws_code) is reason
    assert CloseReason.from_ws_code(1006) is CloseReason.DEAD
    assert [reason.wire for reason in CloseReason if reason.ends_session] == [
        "technician",
        "customer",
        "expired",
        "lapsed",
        "guesses",
        "suspended",
    ]


def test_a_hello_does_not_print_its_secret() -> None:
    assert "0102" not in repr(GOLDEN["hello"])
    assert "secret=…" in repr(GOLDEN["hello"])


def test_files_may_carry_larger_payloads_than_the_rest() -> None:
    assert Channel.FILES.max_payload_bytes > 16 * Channel.CONTROL.max_payload_bytes - 1024
    assert Channel.PAIR.max_payload_bytes == Channel.CHAT.max_payload_bytes


def test_the_owner_of_a_stream_is_in_its_id() -> None:
    assert viewer_of(7 << 16 | 3) == 7


FIELDS: dict[str, object] = {
    "text": "abc",
    "number": 5,
    "flag": True,
    "bytes": b"xyz",
    "texts": ["a"],
    "nil": None,
}


def test_fields_are_read_by_type() -> None:
    reader = FieldReader(FIELDS)
    assert reader.text("text") == "abc"
    assert reader.number("number", at_least=5, at_most=5) == 5
    assert reader.flag("flag") is True
    assert reader.binary("bytes", length=3) == b"xyz"
    assert reader.texts("texts") == ["a"]
    assert reader.optional_number("nil") is None
    assert reader.optional_number("number") == 5
    assert reader.optional_binary("absent") is None
    assert reader.optional_binary("bytes") == b"xyz"


@pytest.mark.parametrize(
    ("method", "name", "options"),
    [
        ("text", "number", {}),
        ("text", "text", {"max_length": 2}),
        ("text", "absent", {}),
        ("number", "flag", {}),
        ("number", "number", {"at_most": 4}),
        ("flag", "number", {}),
        ("binary", "text", {}),
        ("binary", "bytes", {"length": 4}),
        ("binary", "bytes", {"max_length": 2}),
        ("texts", "text", {}),
        ("texts", "bytes", {}),
        ("optional_number", "text", {}),
        ("optional_binary", "text", {}),
    ],
)
def test_a_field_of_another_type_is_the_peers_fault(method: str, name: str, options: dict[str, int]) -> None:
    with pytest.raises(RemoteProtocolError):
        getattr(FieldReader(FIELDS), method)(name, **options)

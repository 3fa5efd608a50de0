"""Messages on a stream of bytes: however it is cut, whatever comes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.errors import RemoteProtocolError
from relay.protocol.messages import MAX_BODY_BYTES, MAX_HEAD_BYTES, Message, MessageDecoder, encode_message

MESSAGES = st.lists(
    st.tuples(
        st.dictionaries(st.text(max_size=5), st.integers(0, 1000) | st.text(max_size=20), max_size=3),
        st.binary(max_size=10_000),
    ),
    max_size=6,
)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` in pieces of these sizes, in turn, and what is left."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def fed(decoder: MessageDecoder, pieces: list[bytes]) -> list[Message]:
    """What a decoder makes of pieces."""
    return [message for piece in pieces for message in decoder.feed(piece)]


@given(MESSAGES, st.lists(st.integers(1, 5000), max_size=20))
def test_how_the_bytes_are_cut_changes_nothing(
    messages: list[tuple[dict[str, object], bytes]], sizes: list[int]
) -> None:
    sent = b"".join(encode_message(head, body) for head, body in messages)
    decoder = MessageDecoder()
    found = fed(decoder, cut(sent, sizes))
    assert [(message.head, message.body) for message in found] == messages
    assert [message.size for message in found] == [len(body) for _, body in messages]
    assert decoder.is_between_messages


@given(st.binary(max_size=200), st.lists(st.integers(1, 50), max_size=5))
def test_any_bytes_are_messages_or_refused(data: bytes, sizes: list[int]) -> None:
    decoder = MessageDecoder()
    try:
        found = fed(decoder, cut(data, sizes))
    except RemoteProtocolError:
        return
    assert all(isinstance(message.head, dict) for message in found)


@pytest.mark.parametrize(
    ("head_bytes", "body_bytes"), [(MAX_HEAD_BYTES + 1, 0), (1, MAX_BODY_BYTES + 1), (1 << 31, 1 << 31)]
)
def test_a_size_beyond_the_limit_is_refused_before_anything_comes(head_bytes: int, body_bytes: int) -> None:
    with pytest.raises(RemoteProtocolError):
        MessageDecoder().feed(struct.pack(">II", head_bytes, body_bytes))


def test_the_largest_message_is_taken() -> None:
    (found,) = MessageDecoder().feed(encode_message({"name": "x" * 1000}, bytes(MAX_BODY_BYTES)))
    assert found.size == MAX_BODY_BYTES


def test_a_body_that_comes_in_records_is_not_copied() -> None:
    decoder = MessageDecoder()
    records = [bytes([number]) * 65536 for number in range(16)]
    whole = encode_message({}, b"".join(records))
    head = whole[: -len(records) * 65536]
    (found,) = fed(decoder, [head, *records])
    assert all(piece is record for piece, record in zip(found.pieces, records, strict=True))


def test_a_body_in_single_bytes_is_kept_in_few_pieces() -> None:
    decoder = MessageDecoder()
    body = bytes(range(256)) * 40
    sent = encode_message({"id": 1}, body)
    (found,) = fed(decoder, [sent[at : at + 1] for at in range(len(sent))])
    assert found.body == body
    assert len(found.pieces) <= 1 + len(body) // 4096


@pytest.mark.parametrize("end", [4, 9, 13])
def test_an_end_inside_a_message_shows(end: int) -> None:
    decoder = MessageDecoder()
    decoder.feed(encode_message({"a": 1}, b"body")[:end])
    assert not decoder.is_between_messages


@pytest.mark.parametrize(
    "head", [b"\xc1", b"\x01", b"\x81\x01\x01", b"\xc7\x01\x01\x01", b"\xdf\xff\xff\xff\xff"]
)
def test_a_head_that_is_no_map_of_names_is_refused(head: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        MessageDecoder().feed(struct.pack(">II", len(head), 0) + head)

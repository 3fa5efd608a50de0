"""The extended clipboard's messages."""

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.remote_control.clipboard import (
    Action,
    Extended,
    build_caps,
    build_notify,
    build_provide,
    build_request,
    parse_extended,
)
from host.remote_control.errors import RfbProtocolError
from host.remote_control.messages import MAX_CUT_TEXT_BYTES


@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
def test_text_survives_the_wire(text: str) -> None:
    assert parse_extended(build_provide(text)) == Extended(Action.PROVIDE, True, text)


def test_text_on_the_wire_has_crlf_and_a_closing_nul() -> None:
    inflated = zlib.decompress(build_provide("a\nñ")[4:])
    assert inflated == struct.pack(">I", 6) + b"a\r\n\xc3\xb1\0"


@pytest.mark.parametrize(
    ("data", "action"),
    [
        (build_caps(), Action.CAPS),
        (build_request(), Action.REQUEST),
        (build_notify(has_text=True), Action.NOTIFY),
    ],
)
def test_our_own_messages_are_understood(data: bytes, action: Action) -> None:
    assert parse_extended(data) == Extended(action, True)


@given(st.binary(max_size=64))
def test_any_bytes_give_a_message_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(RfbProtocolError):
        assert parse_extended(data).action in Action


@given(flags=st.sampled_from([Action.PROVIDE | 1, Action.PROVIDE | 3]), plain=st.binary(max_size=40))
def test_any_provided_content_gives_a_text_or_a_protocol_error(flags: int, plain: bytes) -> None:
    try:
        message = parse_extended(struct.pack(">I", flags) + zlib.compress(plain))
    except RfbProtocolError:
        assert len(plain) < 4 + struct.unpack(">I", plain[:4].ljust(4, b"\0"))[0]
    else:
        assert message.text is None or len(message.text) <= len(plain)


def test_bomb_is_not_inflated_beyond_the_limit() -> None:
    bomb = zlib.compress(struct.pack(">I", 1 << 30) + bytes(64 * MAX_CUT_TEXT_BYTES))
    assert parse_extended(struct.pack(">I", Action.PROVIDE | 1) + bomb).text is None


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0",
        struct.pack(">I", 1),
        struct.pack(">I", Action.REQUEST | Action.NOTIFY | 1),
        struct.pack(">I", Action.PROVIDE | 1) + b"not zlib",
        struct.pack(">I", Action.PROVIDE | 1) + zlib.compress(b"\0\0"),
        struct.pack(">I", Action.PROVIDE | 1) + zlib.compress(b"\0\0\0\x09short"),
    ],
)
def test_damaged_messages_are_refused(data: bytes) -> None:
    with pytest.raises(RfbProtocolError):
        parse_extended(data)

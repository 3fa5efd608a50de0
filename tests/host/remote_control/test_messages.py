"""The parser of what viewers say."""

import contextlib
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.remote_control.errors import RfbProtocolError
from host.remote_control.messages import (
    MAX_CUT_TEXT_BYTES,
    MAX_ENCODINGS,
    ClientInit,
    ClientMessage,
    ClientParser,
    ClientVersion,
    ContinuousUpdates,
    CutText,
    ExtendedCutText,
    Fence,
    KeyEvent,
    PointerEvent,
    SecurityChoice,
    SetDesktopSize,
    SetEncodings,
    SetPixelFormat,
    UpdateRequest,
)
from host.remote_control.pixels import PixelFormat
from relay.protocol.close_reasons import CloseReason

HANDSHAKE = b"RFB 003.008\n\1\1"

EXAMPLES: list[tuple[bytes, ClientMessage]] = [
    (b"\0\0\0\0" + PixelFormat().to_bytes(), SetPixelFormat(PixelFormat())),
    (struct.pack(">BxHii", 2, 2, 7, -239), SetEncodings((7, -239))),
    (struct.pack(">BBHHHH", 3, 1, 1, 2, 3, 4), UpdateRequest(True, 1, 2, 3, 4)),
    (struct.pack(">BBxxI", 4, 1, 0x20AC), KeyEvent(True, 0x20AC, None)),
    (struct.pack(">BBHH", 5, 5, 10, 20), PointerEvent(10, 20, 5)),
    (struct.pack(">Bxxxi", 6, 2) + b"\xf1!", CutText("ñ!")),
    (struct.pack(">Bxxxi", 6, -4) + b"\1\2\3\4", ExtendedCutText(b"\1\2\3\4")),
    (struct.pack(">BBHHHH", 150, 1, 0, 0, 9, 9), ContinuousUpdates(True, 0, 0, 9, 9)),
    (struct.pack(">BxxxIB", 248, 1 << 31, 2) + b"ab", Fence(1 << 31, b"ab")),
    (struct.pack(">BxHHBx", 251, 800, 600, 1) + bytes(16), SetDesktopSize(800, 600)),
    (struct.pack(">BBHII", 255, 0, 1, 0x61, 0x1E), KeyEvent(True, 0x61, 0x1E)),
]


def normal_parser() -> ClientParser:
    parser = ClientParser()
    parser.feed(HANDSHAKE)
    return parser


@pytest.mark.parametrize(("data", "message"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_each_message_is_understood(data: bytes, message: ClientMessage) -> None:
    assert normal_parser().feed(data) == [message]


@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_messages_do_not_depend_on_how_their_bytes_arrive(cuts: list[int]) -> None:
    data = HANDSHAKE + b"".join(data for data, _ in EXAMPLES)
    parser = ClientParser()
    messages: list[ClientMessage] = []
    ends = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(ends):
        messages += parser.feed(data[start:end])
    assert messages[3:] == [message for _, message in EXAMPLES]


@given(data=st.binary(max_size=200), is_after_handshake=st.booleans())
def test_any_bytes_give_messages_or_a_protocol_error(data: bytes, is_after_handshake: bool) -> None:
    parser = normal_parser() if is_after_handshake else ClientParser()
    with contextlib.suppress(RfbProtocolError):
        assert len(parser.feed(data)) <= len(data)


@given(kind=st.sampled_from([0, 2, 3, 4, 5, 6, 150, 248, 251, 255]), rest=st.binary(max_size=100))
def test_any_body_of_a_known_message_gives_messages_or_a_protocol_error(kind: int, rest: bytes) -> None:
    with contextlib.suppress(RfbProtocolError):
        assert len(normal_parser().feed(bytes((kind,)) + rest)) <= 1 + len(rest)


@pytest.mark.parametrize(
    ("said", "spoken"),
    [
        (b"003.003", (3, 3)),
        (b"003.005", (3, 3)),
        (b"003.007", (3, 7)),
        (b"003.008", (3, 8)),
        (b"003.889", (3, 8)),
    ],
)
def test_version_is_the_highest_both_speak(said: bytes, spoken: tuple[int, int]) -> None:
    assert ClientParser().feed(b"RFB " + said + b"\n") == [ClientVersion(spoken)]


def test_version_3_3_has_no_security_choice() -> None:
    assert ClientParser().feed(b"RFB 003.003\n\0") == [ClientVersion((3, 3)), ClientInit(False)]


def test_security_choice_comes_before_client_init() -> None:
    assert ClientParser().feed(HANDSHAKE)[1:] == [SecurityChoice(1), ClientInit(True)]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"RFB 004.000\n", b"RFB xxx.yyy\n", b"X"])
def test_other_protocols_are_refused_at_once(data: bytes) -> None:
    with pytest.raises(RfbProtocolError):
        ClientParser().feed(data)


def test_unknown_message_is_refused() -> None:
    with pytest.raises(RfbProtocolError, match="no client message 77") as caught:
        normal_parser().feed(b"\x4d")
    assert caught.value.close_reason is CloseReason.BAD_FRAME


def test_too_many_encodings_are_refused_before_they_arrive() -> None:
    with pytest.raises(RfbProtocolError, match=str(MAX_ENCODINGS)):
        normal_parser().feed(struct.pack(">BxH", 2, MAX_ENCODINGS + 1))


def test_too_long_fence_is_refused() -> None:
    with pytest.raises(RfbProtocolError, match="fence"):
        normal_parser().feed(struct.pack(">BxxxIB", 248, 0, 65))


@pytest.mark.parametrize("sign", [1, -1])
def test_too_long_clipboard_text_is_skipped(sign: int) -> None:
    parser = normal_parser()
    size = MAX_CUT_TEXT_BYTES + 1
    assert parser.feed(struct.pack(">Bxxxi", 6, sign * size)) == []
    for _ in range(16):
        assert parser.feed(bytes(65536)) == []
    assert parser.feed(bytes(1) + EXAMPLES[3][0]) == [EXAMPLES[3][1]]


@pytest.mark.parametrize(
    "fields",
    [
        (24, 24, 0, 1, 255, 255, 255, 16, 8, 0),  # no such pixel size
        (8, 8, 0, 0, 7, 7, 3, 0, 3, 6),  # colour map
        (32, 24, 0, 1, 254, 255, 255, 16, 8, 0),  # maximum not 2^n - 1
        (32, 24, 0, 1, 0, 255, 255, 16, 8, 0),  # no red at all
        (16, 16, 0, 1, 31, 63, 31, 12, 5, 0),  # red does not fit
    ],
)
def test_impossible_pixel_formats_are_refused(fields: tuple[int, ...]) -> None:
    with pytest.raises(RfbProtocolError):
        normal_parser().feed(b"\0\0\0\0" + struct.pack(">BBBBHHHBBB3x", *fields))

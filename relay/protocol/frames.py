"""Frames: what one binary WebSocket message holds (docs/protocol.md §2).

    kind       layout                                    direction
    1 HELLO    [1, 0, version, role, secret, about]      peer -> relay, first, answered by WELCOME or CLOSE
    2 WELCOME  [2, 0, fields]                            relay -> peer
    3 DATA     [3, stream, payload]                      both; payload opaque to the relay
    4 CREDIT   [4, stream, bytes]                        both; grants the other side more to send
    5 OPEN     [5, stream, channel, credit, params]      viewer -> relay -> host
    6 ACCEPT   [6, stream, credit, params]               host -> relay -> viewer
    7 CLOSE    [7, stream, reason]                       both; stream 0 is the connection
    8 NOTICE   [8, 0, name, fields]                      both

`decode_frame` is the one door for untrusted bytes: it returns a frame whose every field has been
checked for type and size, or raises `RemoteProtocolError`. The relay's hot path does not decode DATA at
all: `peek_data` reads the stream id and checks the length, and the bytes are forwarded as they came.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, Literal, TypeAlias, cast

import msgpack

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError

PROTOCOL_VERSION: Final = 1
SUBPROTOCOL: Final = "adhoc.v1"

MAX_CREDIT: Final = 1 << 24
MAX_SMALL_FRAME_BYTES: Final = 16 * 1024
MAX_PAYLOAD_BYTES: Final = 64 * 1024 + 64
"""Of a DATA frame on every channel but files; 64 bytes of room for the record's seal."""
MAX_FILES_PAYLOAD_BYTES: Final = 1024 * 1024 + 64
MAX_MESSAGE_BYTES: Final = MAX_FILES_PAYLOAD_BYTES + 16
"""The largest WebSocket message a peer may send: a files DATA frame with its header."""
MAX_STREAMS_PER_VIEWER: Final = 32
MAX_VIEWER: Final = 0xFFFF

_UINT_32: Final = 0xCE
_CREDIT_BEGIN: Final = b"\x93\x04\xce"
_USUAL_CREDIT: Final = struct.Struct(">3xIxI")
"""CREDIT of 64 KiB or more: a stream's id is a number of 4 bytes, and so is the amount."""

Value: TypeAlias = bool | int | str | bytes | list[str] | None
"""What a field of `about`, `fields` and `params` may be; see docs/protocol.md §2 for the sizes."""
Fields: TypeAlias = dict[str, Value]
Role: TypeAlias = Literal["host", "viewer"]


class Kind(IntEnum):
    """First element of every frame."""

    HELLO = 1
    WELCOME = 2
    DATA = 3
    CREDIT = 4
    OPEN = 5
    ACCEPT = 6
    CLOSE = 7
    NOTICE = 8


class Channel(StrEnum):
    """The purpose of a stream."""

    PAIR = "pair"
    CONTROL = "control"
    FILES = "files"
    DASHBOARD = "dashboard"
    SHELL = "shell"
    CHAT = "chat"

    @property
    def max_payload_bytes(self) -> int:
        """Largest DATA payload on this channel."""
        return MAX_FILES_PAYLOAD_BYTES if self is Channel.FILES else MAX_PAYLOAD_BYTES


@dataclass(frozen=True, slots=True)
class Hello:
    """First frame of a peer; `secret` is an invite (16), a host credential (32) or a ticket (32 bytes)."""

    version: int
    role: Role
    secret: bytes
    about: Fields

    def __repr__(self) -> str:
        return f"Hello(version={self.version}, role={self.role!r}, secret=…)"


@dataclass(frozen=True, slots=True)
class Welcome:
    """The relay's answer to an admitted peer; may hold a host credential."""

    fields: Fields = field(repr=False)


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream, sealed end to end."""

    stream: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Credit:
    """`amount` more bytes of DATA frames may be sent on `stream`."""

    stream: int
    amount: int


@dataclass(frozen=True, slots=True)
class Open:
    """A viewer opens `stream`; the host may send `credit` bytes."""

    stream: int
    channel: Channel
    credit: int
    params: Fields


@dataclass(frozen=True, slots=True)
class Accept:
    """The host takes `stream`; the viewer may send `credit` bytes."""

    stream: int
    credit: int
    params: Fields


@dataclass(frozen=True, slots=True)
class Close:
    """The end of `stream`, or of the connection when `stream` is 0."""

    stream: int
    reason: CloseReason


@dataclass(frozen=True, slots=True)
class Notice:
    """News between the relay and one peer; names in docs/protocol.md §4."""

    name: str
    fields: Fields


Frame: TypeAlias = Hello | Welcome | Data | Credit | Open | Accept | Close | Notice


def viewer_of(stream: int) -> int:
    """The number of the viewer that owns `stream`."""
    return stream >> 16


def encode_frame(frame: Frame) -> bytes:
    """The message bytes of `frame`. The caller answers for its sizes; `decode_frame` is what checks."""
    match frame:
        case Data(stream, payload):
            return encode_data(stream, payload)
        case Hello(version, role, secret, about):
            parts: list[object] = [Kind.HELLO, 0, version, role, secret, about]
        case Welcome(fields):
            parts = [Kind.WELCOME, 0, fields]
        case Credit(stream, amount):
            parts = [Kind.CREDIT, stream, amount]
        case Open(stream, channel, credit, params):
            parts = [Kind.OPEN, stream, channel.value, credit, params]
        case Accept(stream, credit, params):
            parts = [Kind.ACCEPT, stream, credit, params]
        case Close(stream, reason):
            parts = [Kind.CLOSE, stream, reason.wire]
        case Notice(name, fields):
            parts = [Kind.NOTICE, 0, name, fields]
    return cast("bytes", msgpack.packb(parts))


def encode_data(stream: int, payload: bytes) -> bytes:
    """A DATA frame's message."""
    return data_header(stream, len(payload)) + payload


def data_header(stream: int, length: int) -> bytes:
    """What precedes a payload of `length` bytes in a DATA frame: ``93 03``, the stream id, the bin header."""
    head = b"\x93\x03\xce" + stream.to_bytes(4, "big")
    if length < 0x100:
        return head + b"\xc4" + length.to_bytes(1, "big")
    if length < 0x10000:
        return head + b"\xc5" + length.to_bytes(2, "big")
    return head + b"\xc6" + length.to_bytes(4, "big")


def peek_data(message: bytes) -> int:
    """The stream id of a well-formed DATA frame, or 0 if `message` is anything else.

    Stream ids are at least 65 537 (the viewer's number is at least 1), so msgpack's shortest form of one
    is always ``ce`` and four bytes. The bin header must account for exactly the rest of the message.
    """
    if message[:3] != b"\x93\x03\xce":
        return 0
    size = len(message)
    if size < 9:
        return 0
    marker = message[7]
    if marker == 0xC4:
        fits = size == 9 + message[8]
    elif marker == 0xC5:
        fits = size >= 10 and size == 10 + (message[8] << 8 | message[9])
    elif marker == 0xC6:
        fits = size >= 12 and size == 12 + int.from_bytes(message[8:12], "big")
    else:
        return 0
    return int.from_bytes(message[3:7], "big") if fits else 0


def is_credit(message: bytes) -> bool:
    """Whether `message` begins as CREDIT does; nothing else of it is checked."""
    return message[:3] == _CREDIT_BEGIN


def payload_of(message: bytes) -> bytes:
    """The payload of a message for which `peek_data` was not 0."""
    return message[{0xC4: 9, 0xC5: 10, 0xC6: 12}[message[7]] :]


def decode_frame(message: bytes) -> Frame:
    """Parse one untrusted message.

    Raises:
        RemoteProtocolError: it is not exactly one frame of docs/protocol.md §2.
    """
    stream = peek_data(message)
    if stream:
        return Data(stream, payload_of(message))
    if len(message) == _USUAL_CREDIT.size and message[:3] == _CREDIT_BEGIN and message[7] == _UINT_32:
        # The one frame of which there are many; whatever is odd about it goes the long way.
        stream, amount = _USUAL_CREDIT.unpack(message)
        if viewer_of(stream) and 1 <= amount <= MAX_CREDIT:
            return Credit(stream, amount)
    if len(message) > MAX_SMALL_FRAME_BYTES:
        raise RemoteProtocolError("a frame other than DATA is too large", CloseReason.TOO_LARGE)
    try:
        parts = msgpack.unpackb(
            message,
            raw=False,
            strict_map_key=True,
            max_array_len=32,
            max_map_len=32,
            max_str_len=1024,
            max_bin_len=4096,
            max_ext_len=0,
        )
    except Exception as exc:  # msgpack raises outside its own exceptions too; this is the decoder's door
        raise RemoteProtocolError("a frame is not valid msgpack") from exc
    if not isinstance(parts, list) or len(parts) < 3:
        raise RemoteProtocolError("a frame is not an array of at least three elements")
    return _checked(parts)


def _checked(parts: list[object]) -> Frame:
    kind, stream = _number(parts[0], 0xFF), _number(parts[1], 0xFFFFFFFF)
    rest = parts[2:]
    if kind in (Kind.HELLO, Kind.WELCOME, Kind.NOTICE):
        if stream != 0:
            raise RemoteProtocolError("this frame belongs to stream 0")
    elif kind != Kind.CLOSE and viewer_of(stream) == 0:
        raise RemoteProtocolError("this frame needs a stream of a viewer")
    match kind, rest:
        case Kind.HELLO, [version, role, secret, about]:
            return Hello(_number(version, 0xFFFF), _role(role), _secret(secret), _fields(about))
        case Kind.WELCOME, [fields]:
            return Welcome(_fields(fields))
        case Kind.CREDIT, [amount]:
            return Credit(stream, _number(amount, MAX_CREDIT, at_least=1))
        case Kind.OPEN, [channel, credit, params]:
            return Open(stream, _channel(channel), _number(credit, MAX_CREDIT, at_least=1), _fields(params))
        case Kind.ACCEPT, [credit, params]:
            return Accept(stream, _number(credit, MAX_CREDIT, at_least=1), _fields(params))
        case Kind.CLOSE, [reason]:
            return Close(stream, CloseReason.from_wire(_text(reason, 64)))
        case Kind.NOTICE, [name, fields]:
            return Notice(_text(name, 32), _fields(fields))
    raise RemoteProtocolError("unknown frame, or one with the wrong number of elements")


def _number(value: object, at_most: int, *, at_least: int = 0) -> int:
    # bool is an int to isinstance, and msgpack knows both.
    if type(value) is not int or not at_least <= value <= at_most:
        raise RemoteProtocolError("a number in a frame is out of range")
    return value


def _text(value: object, max_bytes: int) -> str:
    if not isinstance(value, str) or len(value.encode()) > max_bytes:
        raise RemoteProtocolError("a text in a frame is missing or too long")
    return value


def _role(value: object) -> Role:
    if value == "host":
        return "host"
    if value == "viewer":
        return "viewer"
    raise RemoteProtocolError("unknown role")


def _secret(value: object) -> bytes:
    if not isinstance(value, bytes) or not 16 <= len(value) <= 64:
        raise RemoteProtocolError("a secret must be 16 to 64 bytes")
    return value


def _channel(value: object) -> Channel:
    try:
        return Channel(cast("str", value))
    except ValueError as exc:
        raise RemoteProtocolError("unknown channel") from exc


def _fields(value: object) -> Fields:
    if not isinstance(value, dict):
        raise RemoteProtocolError("fields must be a map")
    for key, item in value.items():
        if not isinstance(key, str) or len(key.encode()) > 32:
            raise RemoteProtocolError("a field's name must be text of at most 32 bytes")
        if isinstance(item, list):
            if not all(isinstance(element, str) for element in item):
                raise RemoteProtocolError("a list in a frame may hold text only")
        elif not (item is None or type(item) in (bool, int, str, bytes)):
            raise RemoteProtocolError("a field has a type that frames may not hold")
    return cast("Fields", value)


class FieldReader:
    """Typed reading of a frame's untrusted map; every miss is a `RemoteProtocolError`."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    def text(self, name: str, *, max_length: int = 256) -> str:
        """The string `name`, at most `max_length` characters."""
        value = self._fields.get(name)
        if not isinstance(value, str) or len(value) > max_length:
            raise RemoteProtocolError(f"the field {name!r} must be text of at most {max_length} characters")
        return value

    def number(self, name: str, *, at_least: int = 0, at_most: int = 1 << 53) -> int:
        """The integer `name` within the given bounds."""
        value = self._fields.get(name)
        if type(value) is not int or not at_least <= value <= at_most:
            raise RemoteProtocolError(f"the field {name!r} must be a number from {at_least} to {at_most}")
        return value

    def flag(self, name: str) -> bool:
        """The boolean `name`."""
        value = self._fields.get(name)
        if not isinstance(value, bool):
            raise RemoteProtocolError(f"the field {name!r} must be true or false")
        return value

    def optional_flag(self, name: str) -> bool:
        """The boolean `name`; False where it is absent."""
        return self.flag(name) if name in self._fields else False

    def binary(self, name: str, *, length: int | None = None, max_length: int = 4096) -> bytes:
        """The byte string `name`, of exactly `length` bytes if given."""
        value = self._fields.get(name)
        if not isinstance(value, bytes) or len(value) > max_length or (length not in (None, len(value))):
            raise RemoteProtocolError(f"the field {name!r} must be {length or 'some'} bytes")
        return value

    def texts(self, name: str) -> Sequence[str]:
        """The list of strings `name`."""
        value = self._fields.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise RemoteProtocolError(f"the field {name!r} must be a list of texts")
        return cast("list[str]", value)

    def optional_number(self, name: str) -> int | None:
        """The integer `name`, or None where it is nil or absent."""
        return None if self._fields.get(name) is None else self.number(name, at_least=-(1 << 53))

    def optional_binary(self, name: str, *, max_length: int = 4096) -> bytes | None:
        """The byte string `name`, or None where it is nil or absent."""
        return None if self._fields.get(name) is None else self.binary(name, max_length=max_length)

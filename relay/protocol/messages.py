"""Messages inside a sealed stream: how the File Manager and the tools after it speak (docs/protocol.md §8).

On a sealed stream of bytes a message is a head (a msgpack map) and a body (bytes, mostly none):

    u32 bytes of the head | u32 bytes of the body | head | body        big-endian

Both ends treat the other as hostile: sizes are checked before anything is kept for them, and the head is
msgpack of plain values only. The relay sees none of this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NoReturn

import msgpack

from relay.protocol.errors import RemoteProtocolError

MAX_HEAD_BYTES: Final = 256 * 1024
"""A page of a folder's entries with long names is the largest head."""
MAX_BODY_BYTES: Final = 1 << 20
"""A piece of a file. Larger ones gain nothing, smaller ones cost a disk access each."""

_SIZES: Final = Struct(">II")
_MAX_ITEMS: Final = 4096
_LEAST_PIECE_BYTES: Final = 4096
"""Smaller pieces are put together: a body in single bytes would take a multiple of its size."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `head` says what it is, `pieces` are its body as it came.

    A body is kept in pieces because those who write it to a disk need no more, and one of a megabyte in one
    piece costs as much as everything else that is done with it: fresh memory, page by page.
    """

    head: Mapping[str, object]
    pieces: Sequence[bytes] = field(default=(), repr=False)
    head_bytes: int = field(default=0, repr=False, compare=False)
    """Of the head as it came: what it costs in memory is in proportion to it."""

    @property
    def body(self) -> bytes:
        """The body in one piece: for what is small."""
        return b"".join(self.pieces)

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return sum(map(len, self.pieces))


def encode_message(head: Mapping[str, object], body: bytes = b"") -> bytes:
    """The bytes of one message."""
    packed: bytes = msgpack.packb(head, use_bin_type=True)
    return b"".join((_SIZES.pack(len(packed), len(body)), packed, body))


def encode_head(head: Mapping[str, object], body_bytes: int) -> bytes:
    """What precedes a body of so many bytes in a message."""
    packed: bytes = msgpack.packb(head, use_bin_type=True)
    return _SIZES.pack(len(packed), body_bytes) + packed


class MessageDecoder:
    """Untrusted bytes in, messages out; keeps what is not complete yet, at most one message and a piece."""

    def __init__(self) -> None:
        # The beginning of the message under way, and how much of it is needed to get any further.
        self._start = bytearray()
        self._wanted = _SIZES.size
        # Once its head is complete: the head, the body so far, and how many bytes of it are missing.
        self._head: dict[str, object] | None = None
        self._head_bytes = 0
        self._pieces: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, in order.

        Raises:
            RemoteProtocolError: a message is too large or malformed; the decoder is of no more use.
        """
        found: list[Message] = []
        position = 0
        if self._head is not None:
            position = self._take_piece(data, 0, found)
        elif self._start:
            self._start += data
            if len(self._start) < self._wanted:
                return found
            data, self._start = bytes(self._start), bytearray()
        while position < len(data):
            body_at = self._read_head(data, position)
            if body_at is None:
                self._start += data[position:]
                break
            position = self._take_piece(data, body_at, found)
        return found

    def _read_head(self, data: bytes, start: int) -> int | None:
        """Where the body begins of the message that begins at `start`; None if its head is not complete."""
        self._wanted = _SIZES.size
        if len(data) - start < self._wanted:
            return None
        head_size, body_size = _SIZES.unpack_from(data, start)
        if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
            raise RemoteProtocolError("A message is too large.")
        self._wanted += head_size
        if len(data) - start < self._wanted:
            return None
        body_at = start + self._wanted
        self._head, self._missing = _decode_head(data[start + _SIZES.size : body_at]), body_size
        self._head_bytes = head_size
        return body_at

    def _take_piece(self, data: bytes, start: int, found: list[Message]) -> int:
        """Take what `data` has of the body from `start` on; where the rest begins."""
        end = start + self._missing
        piece = data if start == 0 and end >= len(data) else data[start:end]
        self._missing -= len(piece)
        if self._pieces and len(self._pieces[-1]) < _LEAST_PIECE_BYTES:
            self._pieces[-1] += piece
        elif piece:
            self._pieces.append(piece)
        if not self._missing and self._head is not None:
            found.append(Message(self._head, self._pieces, self._head_bytes))
            self._head, self._pieces = None, []
        return start + len(piece)

    @property
    def is_between_messages(self) -> bool:
        """True if an end now would cut nothing in two."""
        return self._head is None and not self._start


def _decode_head(data: bytes) -> dict[str, object]:
    try:
        head = msgpack.unpackb(
            data,
            strict_map_key=True,
            ext_hook=_refuse_ext,
            max_array_len=_MAX_ITEMS,
            max_map_len=_MAX_ITEMS,
            max_ext_len=0,
        )
    except Exception as exc:  # msgpack raises more than its own classes; this is the decoder's barrier
        raise RemoteProtocolError("A message's head is not msgpack as agreed.") from exc
    if not isinstance(head, dict) or not all(isinstance(name, str) for name in head):
        raise RemoteProtocolError("A message's head is not a map of names.")
    return head


def _refuse_ext(code: int, data: bytes) -> NoReturn:
    raise ValueError("extension types are not used")

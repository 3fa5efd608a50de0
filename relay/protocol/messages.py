"""Messages inside a sealed stream: how the File Manager and the tools after it speak (docs/protocol.md §8).

On a sealed stream of bytes a message is a head (a msgpack map) and a body (bytes, mostly none):

    u32 bytes of the head | u32 bytes of the body | head | body        big-endian

Both ends treat the other as hostile: sizes are checked before anything is kept for them, and the head is
msgpack of plain values only. The relay sees none of this.
"""

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `head` says what it is, `body` carries bytes."""

    head: Mapping[str, object]
    body: bytes = field(default=b"", repr=False)


def encode_message(head: Mapping[str, object], body: bytes = b"") -> bytes:
    """The bytes of one message."""
    packed: bytes = msgpack.packb(head, use_bin_type=True)
    return b"".join((_SIZES.pack(len(packed), len(body)), packed, body))


class MessageDecoder:
    """Untrusted bytes in, messages out; keeps what is not complete yet, at most one message and a piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = _SIZES.size
        """Bytes without which the next message cannot be complete, as far as is known."""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, in order.

        Raises:
            RemoteProtocolError: a message is too large or malformed; the decoder is of no more use.
        """
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return []
        buffer = b"".join(self._pieces) if len(self._pieces) > 1 else data
        found: list[Message] = []
        start = 0
        while True:
            self._wanted = _SIZES.size
            if len(buffer) - start < self._wanted:
                break
            head_size, body_size = _SIZES.unpack_from(buffer, start)
            if head_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
                raise RemoteProtocolError("A message is too large.")
            self._wanted += head_size + body_size
            if len(buffer) - start < self._wanted:
                break
            body_at = start + _SIZES.size + head_size
            head = _decode_head(buffer[start + _SIZES.size : body_at])
            start += self._wanted
            found.append(Message(head, buffer[body_at:start]))
        self._pieces = [buffer[start:]] if start else [buffer]
        self._size = len(buffer) - start
        return found

    @property
    def is_between_messages(self) -> bool:
        """True if an end now would cut nothing in two."""
        return self._size == 0


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

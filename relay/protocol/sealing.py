"""Sealed records: what DATA frames carry once a stream's handshake is done (docs/protocol.md §6).

One DATA payload is one record::

    type (1 byte) ‖ AES-256-GCM(key, nonce, plaintext, ad) ‖ tag (16)
    nonce = 0⁴ ‖ u64 counter      ad = u32 stream ‖ direction ‖ type
    type:  0 data    1 final: nothing follows    2 rekey: empty; a new key, counter from 0

The counter is not sent: both ends count. A record that is altered, repeated, left out or moved to another
place, stream or direction therefore fails its tag, and a stream that ends without a final record was cut.
A key serves at most 2²⁰ records (the sender rekeys by itself), far below what AES-GCM bears under counted
nonces (2³² records of 64 KiB would still be sound), so that a key taken from memory opens little of the past.
Nothing here knows the time: the caller asks for `rekey()` at least once an hour.
"""

from enum import Enum
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.hidden import SecretBytes

MAX_DATA_BYTES = 64 * 1024  # plaintext of one record on every channel but files
MAX_FILE_DATA_BYTES = 1024 * 1024  # plaintext of one record on files
OVERHEAD_BYTES = 1 + 16  # type and tag
REKEY_RECORDS = 2**20  # the sender's limit under one key, the rekey record included
MAX_RECORDS = 2**22  # the receiver's limit under one key

_DATA, _FINAL, _REKEY = 0, 1, 2
_AD_TYPES = (b"\x00", b"\x01", b"\x02")


class Direction(Enum):
    """Which way a record travels; the value is its byte in the associated data."""

    VIEWER_TO_HOST = 0
    HOST_TO_VIEWER = 1


class Opened(NamedTuple):
    """What was in a record.

    Attributes:
        data: the plaintext, at most the channel's maximum; may be empty.
        is_final: nothing follows on this stream.
    """

    data: bytes
    is_final: bool


def max_data_bytes_of(channel: str) -> int:
    """The largest plaintext of one record on a channel."""
    return MAX_FILE_DATA_BYTES if channel == "files" else MAX_DATA_BYTES


class _Chain:
    """One direction's key and counter, and how they go on; the same on both ends."""

    def __init__(self, key: bytes, stream: int, direction: Direction) -> None:
        self._key = SecretBytes(key)
        self._cipher = AESGCM(key)
        prefix = stream.to_bytes(4, "big") + bytes((direction.value,))
        self._ads = tuple(prefix + record_type for record_type in _AD_TYPES)
        self.counter = 0

    def encrypt(self, record_type: int, data: bytes | bytearray | memoryview) -> bytes:
        sealed = self._cipher.encrypt(self._nonce(), data, self._ads[record_type])
        return _AD_TYPES[record_type] + sealed

    def decrypt(self, record_type: int, sealed: memoryview) -> bytes:
        return self._cipher.decrypt(self._nonce(), sealed, self._ads[record_type])

    def advance(self) -> None:
        self._key = SecretBytes(
            HKDF(algorithm=hashes.SHA256(), length=32, salt=b"", info=b"adhoc.v1 rekey").derive(self._key)
        )
        self._cipher = AESGCM(self._key)
        self.counter = 0

    def _nonce(self) -> bytes:
        nonce = self.counter.to_bytes(12, "big")
        self.counter += 1
        return nonce


class Sealer:
    """Seals what one side sends on one stream.

    Args:
        key: 32 bytes, the direction's record key of the handshake (`Keys`).
        stream: the stream's id.
        direction: which way these records travel.
        max_data_bytes: the channel's largest plaintext (`max_data_bytes_of`).
    """

    def __init__(
        self, key: bytes, stream: int, direction: Direction, *, max_data_bytes: int = MAX_DATA_BYTES
    ) -> None:
        self._chain = _Chain(key, stream, direction)
        self._max_data_bytes = max_data_bytes
        self._is_over = False

    def seal(self, data: bytes | bytearray | memoryview, *, final: bool = False) -> list[bytes]:
        """Returns the records to send, in order: one, and before it a rekey record where one is due.

        Args:
            data: at most `max_data_bytes`; may be empty.
            final: this is the authenticated end; nothing can be sealed afterwards.

        Raises:
            LocalProtocolError: `data` is too long, or the final record was sealed before.
        """
        if len(data) > self._max_data_bytes:
            raise LocalProtocolError("A record must not be longer than its channel allows.")
        records = [self.rekey()] if self._chain.counter >= REKEY_RECORDS - 1 else []
        self._refuse_after_final()
        self._is_over = final
        records.append(self._chain.encrypt(_FINAL if final else _DATA, data))
        return records

    def rekey(self) -> bytes:
        """Returns the record that moves both ends to the next key.

        Raises:
            LocalProtocolError: the final record was sealed before.
        """
        self._refuse_after_final()
        record = self._chain.encrypt(_REKEY, b"")
        self._chain.advance()
        return record

    def _refuse_after_final(self) -> None:
        if self._is_over:
            raise LocalProtocolError("Nothing may follow the final record.")


class Opener:
    """Opens what the other side sealed on one stream; the first record that fails is the last one tried.

    Args: those of `Sealer`, of the other side.
    """

    def __init__(
        self, key: bytes, stream: int, direction: Direction, *, max_data_bytes: int = MAX_DATA_BYTES
    ) -> None:
        self._chain = _Chain(key, stream, direction)
        self._max_record_bytes = max_data_bytes + OVERHEAD_BYTES
        self._is_over = False

    def open(self, record: bytes | bytearray | memoryview) -> Opened | None:
        """Returns what a record held, or None for a rekey record, which has nothing to say.

        Args:
            record: one DATA payload, of any content and length.

        Raises:
            RemoteProtocolError: with SEAL_BROKEN, if this is not the next record of the other side, or came
                after its final one. From then on every call raises so.
        """
        if self._is_over:
            raise _broken("A record came after the end of its stream.")
        try:
            opened = self._open(memoryview(record))
        except RemoteProtocolError:
            self._is_over = True
            raise
        self._is_over = opened is not None and opened.is_final
        return opened

    def _open(self, record: memoryview) -> Opened | None:
        if not OVERHEAD_BYTES <= len(record) <= self._max_record_bytes or record[0] > _REKEY:
            raise _broken("A sealed record has a wrong length or type.")
        if self._chain.counter >= MAX_RECORDS:
            raise _broken("Too many records came under one key.")
        record_type = record[0]
        try:
            data = self._chain.decrypt(record_type, record[1:])
        except InvalidTag as exc:
            raise _broken("A sealed record was altered, repeated or left out.") from exc
        if record_type != _REKEY:
            return Opened(data, record_type == _FINAL)
        if data:
            raise _broken("A rekey record must be empty.")
        self._chain.advance()
        return None


def _broken(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, CloseReason.SEAL_BROKEN)

"""WebSocket frames (RFC 6455), both roles, as a pure function of bytes and state.

A `WebSocketCodec` turns received bytes into events and payloads into frames. It never does I/O, never
answers by itself (a `Ping` is an event; the caller sends the pong) and never negotiates an extension.

Theory. A relay's cost is per frame, not per byte (DESIGN §6), so the common frame must touch as little
Python as possible. `receive_data` walks *all* complete frames of a read in one loop. The common frame, a
whole binary message shorter than 126 bytes, is recognised by its first byte and one comparison of its
second (XOR with the mask bit leaves 0..125 only if length and masking are both as expected), and
becomes a plain `bytes` with one slice and one unmasking. Everything else goes through `_read_header`.

Bytes after the last complete frame are copied into `_tail`; the next read first completes that one frame
(`_needed` says how many bytes it takes, so a byte-by-byte sender costs one append a byte, never a rescan)
and the rest of the read is walked where it lies. Payloads are always copies: nothing here keeps the
caller's buffer alive.

    frame    FIN RSV1-3 opcode(4) | MASK length(7) | length(16 or 64)? | key(4)? | payload
    limits   one message: max_message_bytes, checked against the *declared* length; control payloads: 125;
             empty fragments in one message: MAX_EMPTY_FRAGMENTS
    roles    a client masks every frame, a server none; the other way round is a protocol error (§5.1)
"""

import codecs
import secrets
import struct
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.masking import Bytes, apply_mask
from relay.protocol.runs import Run, TakeRuns, run_of

MAX_CONTROL_BYTES = 125
"""Largest payload of a ping, pong or close (RFC 6455 §5.5)."""

MAX_EMPTY_FRAGMENTS = 64
"""Empty fragments in one message. They cost us work and the sender's size limit nothing; none are needed."""

_FIN = 0x80
_MASKED = 0x80
_CONTINUATION, _TEXT, _BINARY = 0x0, 0x1, 0x2
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA
_OPCODES = frozenset({_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG})
_WHOLE_BINARY = _FIN | _BINARY
_KEYS_AT_ONCE = 64
_LARGE_FRAME_BYTES = 4096

_SHORT_HEADERS = [bytes((_WHOLE_BINARY, length)) for length in range(126)]
_INVALID_PAYLOAD = 1007


@dataclass(frozen=True, slots=True)
class Ping:
    """The peer asks for a pong with the same payload (RFC 6455 §5.5.2)."""

    payload: bytes  # at most 125 bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer to our ping, or an unasked sign of life (RFC 6455 §5.5.3)."""

    payload: bytes  # at most 125 bytes


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """The peer's last frame. Answer with `encode_close(code)` unless a close was sent already."""

    code: int | None  # None: the peer gave no code
    reason: str  # at most 123 bytes of UTF-8


@dataclass(frozen=True, slots=True)
class Text:
    """A whole text message; only from a codec with `allow_text`."""

    text: str


Event: TypeAlias = bytes | Ping | Pong | CloseReceived | Text | Run
"""What `receive_data` returns; plain `bytes` is the payload of a whole binary message."""


class WebSocketError(RemoteProtocolError):
    """The received bytes break RFC 6455 or a limit.

    Attributes:
        events: the events of the good frames before the bad one in the same call, in order. They arrived
            and count; a caller that closes anyway may ignore them.
        ws_code: the close code to answer with; the close reason's own, but 1007 for text that is not UTF-8.
    """

    def __init__(
        self, message: str, close_reason: CloseReason = CloseReason.BAD_WEBSOCKET, ws_code: int | None = None
    ) -> None:
        super().__init__(message, close_reason)
        self.events: list[Event] = []
        self.ws_code = close_reason.ws_code if ws_code is None else ws_code

    def again(self) -> "WebSocketError":
        """The same error, with no events and not raised yet."""
        return WebSocketError(str(self), self.close_reason, self.ws_code)


def is_valid_close_code(code: int) -> bool:
    """True if `code` may stand in a close frame (RFC 6455 §7.4 and the IANA registry)."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))


class WebSocketCodec:
    """One connection's frames, after the upgrade.

    Concurrency: receiving and encoding share no state; each is for one task at a time.

    Args:
        is_client: True for the side that dialled; decides who masks.
        max_message_bytes: largest accepted message, fragments together; at least 0. Sending is not limited.
        allow_text: accept text messages; otherwise they are refused as `CloseReason.TEXT_MESSAGE`.
        take_runs: for a server that forwards: DATA then comes as `Run` events, found by this.
    """

    __slots__ = (
        "_allow_text",
        "_cut_length",
        "_empty_fragments",
        "_expected_mask_bit",
        "_failure",
        "_is_client",
        "_is_closed",
        "_keys",
        "_max_message_bytes",
        "_message",
        "_message_opcode",
        "_needed",
        "_tail",
        "_take_runs",
        "_utf8",
    )

    def __init__(
        self,
        *,
        is_client: bool,
        max_message_bytes: int,
        allow_text: bool = False,
        take_runs: TakeRuns | None = None,
    ) -> None:
        # Never changed.
        self._is_client = is_client
        self._max_message_bytes = max_message_bytes
        self._allow_text = allow_text
        self._take_runs = take_runs
        self._expected_mask_bit = 0 if is_client else _MASKED
        # The receiver's: an incomplete frame, and how many bytes it takes to get any further with it.
        self._tail = bytearray()
        self._needed = 2
        # The receiver's: bytes of the last frame whose header had come and whose end had not.
        self._cut_length = 0
        # The receiver's: the message being put together; opcode 0 means none.
        self._message_opcode = 0
        self._message = bytearray()
        self._empty_fragments = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")() if allow_text else None
        # The sender's: masking keys for the next frames.
        self._keys: list[bytes] = []
        # The receiver's: how it ended.
        self._is_closed = False
        self._failure: WebSocketError | None = None

    # Receiving

    def receive_data(self, data: Bytes) -> list[Event]:
        """The events of all frames completed by `data`, in order.

        How the bytes were cut into calls never changes the events. After a `CloseReceived` the rest, and
        every later call, is ignored and gives `[]` (RFC 6455 §1.4).

        Args:
            data: the next received bytes, any number. Not referred to after the call.

        Raises:
            WebSocketError: a `RemoteProtocolError`, with close reason BAD_WEBSOCKET, TEXT_MESSAGE or
                TOO_LARGE; `.events` holds the good events before it. Every later call raises it again,
                with no events.
        """
        if self._failure is not None:
            raise self._failure.again()
        events: list[Event] = []
        position = 0
        is_between = not (self._tail or self._message_opcode or self._is_closed)
        if self._take_runs is not None and is_between:
            # What a relay mostly receives: runs and nothing else.
            runs, position = self._take_runs(data, 0, self._max_message_bytes)
            events += runs
            if position == len(data):
                return events
        try:
            if self._tail:
                position = self._complete_tail(data, events)
            if self._is_closed or position == len(data):
                return events
            position = self._walk(data, position, events)
        except WebSocketError as error:
            error.events = events
            # Not itself: its traceback leads back here, and reference counts would free neither.
            self._failure = error.again()
            raise
        # The tail is empty here: either it was, or its frame is complete.
        self._tail += data[position:]
        return events

    @property
    def missing_bytes(self) -> int:
        """How many bytes at least must come until there can be another event; 0 if any byte may do it."""
        return max(0, self._needed - len(self._tail)) if self._tail else 0

    def bytes_to_read(self, most: int) -> int:
        """How much to receive next, 1 to `most` bytes: as far as whole frames go, if they are as long as the
        last that was cut.

        What is cut is copied once more; and behind a large frame there mostly are others as long.
        """
        length = self._cut_length
        missing = self._needed - len(self._tail) if self._tail else 0
        if length < _LARGE_FRAME_BYTES or missing > most:
            return most
        return missing + (most - missing) // length * length or most

    def _complete_tail(self, data: Bytes, events: list[Event]) -> int:
        """Moves just enough of `data` behind the tail to complete its frame; returns how much.

        At most three rounds: two bytes tell the header's length, the header the frame's.
        """
        view = memoryview(data)
        tail = self._tail
        position = 0
        while position < len(data):
            end = position + self._needed - len(tail)
            tail += view[position:end]
            position = min(end, len(data))
            if len(tail) == self._needed and self._walk(tail, 0, events):
                self._tail = bytearray()
                break
        return position

    def _walk(self, data: Bytes, position: int, events: list[Event]) -> int:
        """Reads frames from `position` on; returns where the first incomplete one begins.

        Sets `_needed` for that one. After a close frame everything counts as read.
        """
        mask_bit = self._expected_mask_bit
        header_bytes = 6 if mask_bit else 2
        # Messages that may take the short way: none while a fragmented message is open.
        max_short = -1 if self._message_opcode else min(MAX_CONTROL_BYTES, self._max_message_bytes)
        unmask = apply_mask
        take_runs = self._take_runs
        append = events.append
        size = len(data)
        view = memoryview(data)
        while size - position >= 2:
            first = data[position]
            if take_runs is not None and first == _WHOLE_BINARY and not self._message_opcode:
                runs, end = take_runs(data, position, self._max_message_bytes)
                if runs:
                    events += runs
                    position = end
                    continue
            length = data[position + 1] ^ mask_bit
            if first == _WHOLE_BINARY and length <= max_short:
                start = position + header_bytes
                end = start + length
                if end > size:
                    self._needed = end - position
                    return position
                if mask_bit:
                    append(unmask(data[start:end], data[start - 4 : start]))
                else:
                    append(bytes(data[start:end]))
                position = end
                continue
            start, end = self._read_header(data, position)
            if end > size:
                self._needed = self._cut_length = end - position
                return position
            # From here on slices of a view: at 64 KiB the extra copy would cost more than the slice.
            payload = unmask(view[start:end], data[start - 4 : start]) if mask_bit else bytes(view[start:end])
            position = end
            if first == _WHOLE_BINARY:
                append(payload)
                continue
            self._accept(first, payload, events)
            if self._is_closed:
                return size
            max_short = -1 if self._message_opcode else min(MAX_CONTROL_BYTES, self._max_message_bytes)
        self._needed = 2
        return position

    def _read_header(self, data: Bytes, position: int) -> tuple[int, int]:
        """Checks a header of at least 2 bytes; returns where its payload starts and ends.

        If the header itself is incomplete both are the end of the header: the bytes needed to go on.
        """
        first = data[position]
        opcode = first & 0x0F
        if first & 0x70:
            _fail("A reserved bit is set; no extension was negotiated.")
        if opcode not in _OPCODES:
            _fail(f"Opcode {opcode} is reserved.")
        if (data[position + 1] & _MASKED) != self._expected_mask_bit:
            _fail("The relay masked a frame." if self._is_client else "A frame is not masked.")
        length = data[position + 1] & 0x7F
        if opcode >= _CLOSE:
            if not first & _FIN:
                _fail("A control frame is fragmented.")
            if length > MAX_CONTROL_BYTES:
                _fail("A control frame is longer than 125 bytes.")
        elif opcode == _CONTINUATION:
            if not self._message_opcode:
                _fail("There is no message to continue.")
        elif self._message_opcode:
            _fail("A new message begins before the last one is complete.")
        elif opcode == _TEXT and not self._allow_text:
            _fail("Only binary messages are allowed here.", CloseReason.TEXT_MESSAGE)

        start = position + (2 if self._is_client else 6)
        if length > 125:
            extension = 2 if length == 126 else 8
            start += extension
            if start > len(data):
                return start, start
            length = int.from_bytes(data[position + 2 : position + 2 + extension])
            if length < (126 if extension == 2 else 0x10000) or length >= 1 << 63:
                _fail("A length is not in its shortest form, or has its top bit set.")
        if opcode < _CLOSE and len(self._message) + length > self._max_message_bytes:
            _fail(
                f"A message is larger than {self._max_message_bytes} bytes.",
                CloseReason.TOO_LARGE,
            )
        return start, start + length

    def _accept(self, first: int, payload: bytes, events: list[Event]) -> None:
        """One complete frame that is not a whole binary message."""
        opcode = first & 0x0F
        if opcode == _PING:
            events.append(Ping(payload))
        elif opcode == _PONG:
            events.append(Pong(payload))
        elif opcode == _CLOSE:
            events.append(_parse_close(payload))
            self._is_closed = True
        else:
            self._accept_fragment(opcode, payload, events, is_last=bool(first & _FIN))

    def _accept_fragment(self, opcode: int, payload: bytes, events: list[Event], *, is_last: bool) -> None:
        if opcode != _CONTINUATION:
            self._message_opcode = opcode
        if not payload and not is_last:
            self._empty_fragments += 1
            if self._empty_fragments > MAX_EMPTY_FRAGMENTS:
                _fail("A message has too many empty fragments.", CloseReason.TOO_LARGE)
        self._message += payload
        if self._utf8 is not None and self._message_opcode == _TEXT:
            # Checked fragment by fragment, so that nonsense is refused as soon as it is nonsense.
            try:
                self._utf8.decode(payload, is_last)
            except UnicodeDecodeError:
                _fail("A text message is not valid UTF-8.", ws_code=_INVALID_PAYLOAD)
        if is_last:
            message = bytes(self._message)
            run = run_of(message, self._encode(_BINARY, message)) if self._take_runs is not None else None
            events.append(run or (Text(message.decode()) if self._message_opcode == _TEXT else message))
            self._message_opcode = 0
            self._message = bytearray()
            self._empty_fragments = 0

    # Sending

    def encode_binary(self, payload: Bytes) -> bytes:
        """A whole binary message; masked with a fresh random key if this is a client (RFC 6455 §5.3)."""
        return self._encode(_BINARY, payload)

    def encode_ping(self, payload: Bytes = b"") -> bytes:
        """A ping. Raises LocalProtocolError if `payload` is longer than 125 bytes."""
        return self._encode_control(_PING, payload)

    def encode_pong(self, payload: Bytes = b"") -> bytes:
        """A pong. Raises LocalProtocolError if `payload` is longer than 125 bytes."""
        return self._encode_control(_PONG, payload)

    def encode_close(self, code: int | None = None, reason: str = "") -> bytes:
        """A close frame, the last frame to send.

        Args:
            code: a code RFC 6455 §7.4 allows on the wire, usually `CloseReason.ws_code`; None for a frame
                without one (`reason` must then be empty).
            reason: cut after 123 bytes of UTF-8, between characters: no sentence may stop a closing.

        Raises:
            LocalProtocolError: the code may not be sent, or a reason came without a code.
        """
        if code is None:
            if reason:
                raise LocalProtocolError("A close reason needs a close code.")
            return self._encode_control(_CLOSE, b"")
        if not is_valid_close_code(code):
            raise LocalProtocolError(f"Close code {code} may not be sent.")
        sentence = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
        return self._encode_control(_CLOSE, code.to_bytes(2) + sentence)

    def _encode_control(self, opcode: int, payload: Bytes) -> bytes:
        if len(payload) > MAX_CONTROL_BYTES:
            raise LocalProtocolError("A control frame's payload is at most 125 bytes.")
        return self._encode(opcode, payload)

    def _encode(self, opcode: int, payload: Bytes) -> bytes:
        if not self._is_client:
            return b"".join((_encode_header(_FIN | opcode, 0, len(payload)), payload))
        key = self._next_key()
        header = _encode_header(_FIN | opcode, _MASKED, len(payload))
        return b"".join((header, key, apply_mask(payload, key)))

    def _next_key(self) -> bytes:
        """A masking key that nobody can foretell (RFC 6455 §5.3). Random bytes are asked for in one piece for
        many: a system call for each frame costs as much as masking it, and lets another thread in.
        """
        if not self._keys:
            random = secrets.token_bytes(4 * _KEYS_AT_ONCE)
            self._keys = [random[at : at + 4] for at in range(0, len(random), 4)]
        return self._keys.pop()


def _encode_header(first: int, mask_bit: int, length: int) -> bytes:
    """A header in its shortest form (RFC 6455 §5.2), without the masking key."""
    if length < 126:
        return bytes((first, mask_bit | length))
    if length < 0x10000:
        return struct.pack("!BBH", first, mask_bit | 126, length)
    return struct.pack("!BBQ", first, mask_bit | 127, length)


def _parse_close(payload: bytes) -> CloseReceived:
    """The close frame's event (RFC 6455 §5.5.1). Raises WebSocketError."""
    if not payload:
        return CloseReceived(None, "")
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not is_valid_close_code(code):
        _fail("A close frame has no valid close code.")
    try:
        return CloseReceived(code, payload[2:].decode())
    except UnicodeDecodeError:
        _fail("A close frame's reason is not valid UTF-8.")


def _fail(
    message: str, close_reason: CloseReason = CloseReason.BAD_WEBSOCKET, ws_code: int | None = None
) -> NoReturn:
    raise WebSocketError(message, close_reason, ws_code)

"""TLS on one socket: plaintext on one side, records in the kernel on the other, and nothing that waits.

There are two implementations of `Records` with the same behaviour. `StdlibRecords` is a non-blocking
`ssl.SSLSocket`: OpenSSL receives and sends on the socket itself, a record of 16 KiB with each call from
Python, and several system calls for it. `CompiledRecords` is `relay.transport._records` in C, if it was
built: one call and one system call for as many records as there are. A server takes that where it can
(`ServerTls`); a client, which looks at certificates and needs no such rates, is always the former.

Measured (`./dev bench tls`, docs/performance.md): the one in C moves a third more.
"""

import fcntl
import os
import socket
import ssl
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol, Self, cast

from relay.protocol.runs import PURE_PYTHON_VARIABLE
from relay.transport.base import Chunk, join_small

if TYPE_CHECKING:
    from relay.transport import _records

RECORD_BYTES: Final = 16384
"""Plaintext of one record at most (RFC 8446 §5.1)."""
RECORD_OVERHEAD: Final = 29
"""What AES-GCM and ChaCha20 add to a record: 22 bytes in TLS 1.3, at most 29 in 1.2. A little too much makes
us ask the kernel once more, too little try in vain."""
PROTOCOLS: Final = ("http/1.1",)
"""What a server speaks inside (ALPN, RFC 7301), whoever asks."""

_INT: Final = Struct("@i")


class Wants(IntEnum):
    """What the socket must become before it is of use to try again; NOTHING: it may be of use at once."""

    NOTHING = 0
    READABLE = 1
    WRITABLE = 2


class Records(Protocol):
    """One side of TLS on one connection.

    Either operation may need either direction: a read that must answer a key update wants to *write*.
    Everything raises OSError (`ssl.SSLError` is one) once the connection is broken.
    """

    @property
    def sock(self) -> socket.socket:
        """To wait for and to close. Nothing may be called here after that."""

    def shake_hands(self) -> Wants:
        """Goes on with the handshake; NOTHING when it is done."""

    def receive_into(self, buffer: memoryview) -> tuple[int | None, Wants]:
        """How much came into `buffer`: 0 at the end that the other side has said, None if nothing did.

        NOTHING if there may be more, an ending or an error among it: what came before is given first.
        """

    def send(self, chunks: list[Chunk]) -> tuple[int, Wants] | None:
        """None if all has left, else how many bytes of `chunks`; the next call must begin with the others."""

    def say_end(self) -> None:
        """Says that nothing more will be sent (`close_notify`), unless an unfinished send is in the way."""


class StdlibRecords:
    """`Records` of a non-blocking `ssl.SSLSocket`."""

    __slots__ = ("_ending", "sock")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self._ending: int | OSError | None = None  # met behind other records

    def shake_hands(self) -> Wants:
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            return Wants.READABLE
        except ssl.SSLWantWriteError:
            return Wants.WRITABLE
        return Wants.NOTHING

    def receive_into(self, buffer: memoryview) -> tuple[int | None, Wants]:
        if self._ending is not None:
            return self._end_receiving()
        read = cast("Callable[[int, memoryview], int]", self.sock.read)  # so with a buffer
        filled = waiting = 0
        while True:
            try:
                count = read(RECORD_BYTES, buffer[filled:])
            except ssl.SSLWantReadError:
                return filled or None, Wants.READABLE
            except ssl.SSLWantWriteError:
                return filled or None, Wants.WRITABLE
            except OSError as error:
                self._ending = error
                break
            if count == 0:
                self._ending = 0
                break
            filled += count
            if filled == len(buffer):
                break
            # To ask whether there is more costs a sixth of what it costs to try in vain.
            waiting -= count + RECORD_OVERHEAD
            if waiting <= 0 and (waiting := waiting_bytes(self.sock)) == 0:
                return filled, Wants.READABLE
        return (filled, Wants.NOTHING) if filled else self._end_receiving()

    def _end_receiving(self) -> tuple[int, Wants]:
        """The ending, each time it is asked for."""
        if isinstance(self._ending, OSError):
            raise self._ending
        return 0, Wants.NOTHING

    def send(self, chunks: list[Chunk]) -> tuple[int, Wants] | None:
        # What would block must be repeated with the same bytes, or more: it is, for what is left comes first.
        chunks = join_small(chunks)
        if len(chunks) < 2 and sum(map(len, chunks)) <= RECORD_BYTES:
            return self._send_records(chunks)
        # A system call is a record at most. Without the cork each would be segments of its own, which costs
        # the kernel more than the call: a tenth of the relay's time, measured.
        self._set_cork(1)
        try:
            return self._send_records(chunks)
        finally:
            self._set_cork(0)

    def _send_records(self, chunks: list[Chunk]) -> tuple[int, Wants] | None:
        send = self.sock.send
        sent = 0
        try:
            for piece in whole_records(chunks):
                rest = piece
                while rest:
                    count = send(rest)
                    sent += count
                    rest = rest[count:]
        except ssl.SSLWantWriteError:
            return sent, Wants.WRITABLE
        except ssl.SSLWantReadError:
            return sent, Wants.READABLE
        return None

    def _set_cork(self, value: int) -> None:
        option = getattr(socket, "TCP_CORK", None)  # not on every platform
        if option is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def say_end(self) -> None:
        # It fails with "want read" because the other side's has not come yet, or because an unfinished send
        # is in the way; neither matters now.
        with suppress(ssl.SSLError):
            self.sock.unwrap()


class CompiledRecords:
    """`Records` of a session in C; `sock` does not block."""

    __slots__ = ("_session", "sock")

    def __init__(self, session: "_records.Session", sock: socket.socket) -> None:
        self.sock = sock
        self._session = session

    def shake_hands(self) -> Wants:
        return Wants(self._session.shake_hands(self.sock.fileno()))

    def receive_into(self, buffer: memoryview) -> tuple[int | None, Wants]:
        return self._session.receive_into(self.sock.fileno(), buffer)  # type: ignore[return-value]

    def send(self, chunks: list[Chunk]) -> tuple[int, Wants] | None:
        return self._session.send(self.sock.fileno(), chunks)  # type: ignore[return-value]

    def say_end(self) -> None:
        self._session.say_end(self.sock.fileno())


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a server shows whoever connects, and how it encrypts.

    Attributes:
        context: the settings; what makes connections if there is no other.
        compiled: the same for `CompiledRecords`; None where there are none.
    """

    context: ssl.SSLContext
    compiled: "_records.Context | None" = None

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Self:
        """TLS 1.2 or newer, with the stdlib's choice of ciphers; a client's own order of them counts.

        Args:
            certificate: PEM, the chain that leads to a known root behind it.
            key: PEM, without a password.

        Raises:
            OSError: they cannot be read; as `ssl.SSLError`, they are not that, or do not belong together.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        # All of them are sound, and a telephone without AES in its processor knows why it asks for another.
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(list(PROTOCOLS))
        # Without the callback OpenSSL would ask for the key's password on the terminal, and wait.
        context.load_cert_chain(certificate, key, password=lambda: b"")
        return cls(context, _compiled(context, certificate, key))

    def accept(self, sock: socket.socket) -> Records:
        """The server's side on `sock`, which does not block and is the records' from now on."""
        if self.compiled is not None:
            return CompiledRecords(self.compiled.open_session(), sock)
        return StdlibRecords(
            self.context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
        )


def _compiled(context: ssl.SSLContext, certificate: Path, key: Path) -> "_records.Context | None":
    if os.environ.get(PURE_PYTHON_VARIABLE):
        return None
    try:
        from relay.transport import _records
    except ImportError:  # it was not built, or for another OpenSSL
        return None
    # The level first, which names of ciphers do not say: OpenSSL's own is lower on some systems.
    ciphers = ":".join(
        [f"@SECLEVEL={context.security_level}", *(cipher["name"] for cipher in context.get_ciphers())]
    )
    protocols = b"".join(bytes([len(name)]) + name.encode() for name in PROTOCOLS)
    return _records.Context(str(certificate), str(key), ciphers, context.minimum_version, protocols)


def connect_records(sock: socket.socket, context: ssl.SSLContext, server_hostname: str) -> Records:
    """The client's side on `sock`, as `ServerTls.accept`; the certificate must be for `server_hostname`."""
    return StdlibRecords(
        context.wrap_socket(
            sock, server_hostname=server_hostname, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
    )


def whole_records(chunks: list[Chunk]) -> list[memoryview]:
    """The same bytes, cut so that only the last piece does not fill whole records.

    What is left of a chunk goes with the beginning of the next one: a record of a few bytes costs both sides
    nearly as much as a full one, and runs of frames are a little longer than 64 KiB.
    """
    pieces: list[memoryview] = []
    rest = memoryview(b"")
    for chunk in chunks:
        view = memoryview(chunk)
        if rest:
            missing = RECORD_BYTES - len(rest)
            rest, view = memoryview(b"".join((rest, view[:missing]))), view[missing:]
            if len(rest) < RECORD_BYTES:
                continue
            pieces.append(rest)
        end = len(view) - len(view) % RECORD_BYTES
        if end:
            pieces.append(view[:end])
        rest = view[end:]
    if rest:
        pieces.append(rest)
    return pieces


def waiting_bytes(sock: socket.socket) -> int:
    """How many bytes the kernel has for this socket's reader (FIONREAD)."""
    answer = bytearray(_INT.size)
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, answer)
    return int(_INT.unpack(answer)[0])

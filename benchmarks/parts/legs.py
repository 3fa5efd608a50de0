"""One end of a connection, on a blocking socket: what the load generator sends on and receives from.

No Trio here: the generator should cost as little as it can, and its processes do one thing at a time. The
codec and the frames are the product's own.
"""

import contextlib
import socket
import ssl
import struct
from types import TracebackType
from typing import Self

from relay.protocol.frames import Credit, Data, Frame, Notice, decode_frame, encode_data, encode_frame
from relay.protocol.upgrade import (
    check_client_response,
    client_request,
    make_key,
    server_response,
    split_head,
)
from relay.protocol.websocket import CloseReceived, WebSocketCodec

PATIENCE_SECONDS = 10
"""After which a silent socket is an error. Set in the kernel: Python's own costs a call each time."""
MAX_MESSAGE_BYTES = 2 << 20

Socket = socket.socket | ssl.SSLSocket


class Leg:
    """One connected end. A context manager that closes it.

    Attributes:
        sock: blocking; raises OSError after `PATIENCE_SECONDS` of silence.
        codec: a client's; of no use where the far end is plain TCP.
        spent: bytes of DATA frames sent with `send`, that is, of credit used.
    """

    def __init__(self, sock: Socket) -> None:
        self.sock = sock
        self.codec = WebSocketCodec(is_client=True, max_message_bytes=MAX_MESSAGE_BYTES)
        self.spent = 0
        self._messages: list[bytes] = []
        self._end: ConnectionError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close at once, with a reset: what is still under way is nobody's business any more."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, frame: Frame) -> None:
        """Send one frame."""
        self.sock.sendall(self.codec.encode_binary(encode_frame(frame)))

    def send_data(self, stream: int, payload: bytes) -> None:
        """Send one DATA frame, and count what it spends."""
        message = encode_data(stream, payload)
        self.spent += len(message)
        self.sock.sendall(self.codec.encode_binary(message))

    @staticmethod
    def encoded(message: bytes) -> bytes:
        """A message as a client's WebSocket frame."""
        return WebSocketCodec(is_client=True, max_message_bytes=0).encode_binary(message)

    def set_patience(self, seconds: float) -> None:
        """Let silence be an error (BlockingIOError) after so long, instead of `PATIENCE_SECONDS`."""
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6) or 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)

    def messages(self, data: bytes) -> list[bytes]:
        """The messages that `data`, the next bytes received, completes."""
        return [event for event in self.codec.receive_data(data) if isinstance(event, bytes)]

    def receive(self) -> Frame:
        """The next frame.

        Raises:
            ConnectionError: the connection ended.
            RemoteProtocolError: what came is no frame.
        """
        while not self._messages:
            if self._end is not None:
                raise self._end
            data = self.sock.recv(65536)
            for event in self.codec.receive_data(data):
                if isinstance(event, bytes):
                    self._messages.append(event)
                elif isinstance(event, CloseReceived):
                    self._end = ConnectionError(f"closed: {event.reason}")
            if not data:
                self._end = ConnectionError("the connection ended")
        return decode_frame(self._messages.pop(0))

    def receive_notice(self, name: str) -> Notice:
        """The next NOTICE of this name; everything before it is passed over."""
        while True:
            frame = self.receive()
            if isinstance(frame, Notice) and frame.name == name:
                return frame

    def receive_data(self) -> bytes:
        """The payload of the next DATA frame; everything before it is passed over."""
        while True:
            frame = self.receive()
            if isinstance(frame, Data):
                return frame.payload

    def receive_credit(self, *, flags: int = 0) -> int:
        """The credit that one read brings, 0 if it was something else. Other frames are passed over.

        Raises:
            BlockingIOError: with MSG_DONTWAIT in `flags`, there is nothing to read.
            ConnectionError: the connection ended.
        """
        data = self.sock.recv(65536, flags)
        if not data:
            raise ConnectionError("the connection ended")
        frames = map(decode_frame, self.messages(data))
        return sum(frame.amount for frame in frames if isinstance(frame, Credit))


def dial(port: int, tls: ssl.SSLContext | None = None) -> Socket:
    """A connection to 127.0.0.1, TLS shaken hands if given."""
    sock = patient(socket.create_connection(("127.0.0.1", port)))
    return sock if tls is None else tls.wrap_socket(sock, server_hostname="127.0.0.1")


def patient(sock: socket.socket) -> socket.socket:
    """The socket, blocking, without Nagle's algorithm, giving up after `PATIENCE_SECONDS`."""
    sock.setblocking(True)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE_SECONDS, 0))
    return sock


def request_upgrade(
    sock: Socket, host: str, path: str, subprotocol: str | None, forwarded_for: str = ""
) -> bytes:
    """Ask for a WebSocket, maybe as a proxy that asks for somebody; returns the key of the answer's check."""
    key = make_key()
    request = client_request(host, path, key, subprotocol)
    if forwarded_for:
        request = request.removesuffix(b"\r\n") + f"X-Forwarded-For: {forwarded_for}\r\n\r\n".encode()
    sock.sendall(request)
    return key


def finish_upgrade(sock: Socket, key: bytes, subprotocol: str | None) -> Leg:
    """The leg, once the answer to `request_upgrade` has come."""
    check_client_response(_receive_head(sock), key, subprotocol)
    return Leg(sock)


def open_leg(
    port: int,
    host: str,
    path: str,
    subprotocol: str | None,
    tls: ssl.SSLContext | None = None,
    forwarded_for: str = "",
) -> Leg:
    """Dial and upgrade."""
    sock = dial(port, tls)
    return finish_upgrade(sock, request_upgrade(sock, host, path, subprotocol, forwarded_for), subprotocol)


def answer_upgrade(sock: Socket) -> None:
    """Be the server of an upgrade: whatever is asked for is granted."""
    lines = _receive_head(sock).split(b"\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    sock.sendall(server_response(fields[b"sec-websocket-key"], None))


def _receive_head(sock: Socket) -> bytes:
    """A head; read byte by byte at its end, so that no frame behind it is swallowed."""
    received = b""
    while (parts := split_head(received)) is None:
        byte = sock.recv(1)
        if not byte:
            raise ConnectionError(f"the connection ended: {received!r}")
        received += byte
    return parts[0]

"""The byte stream RFB runs over, and the handshake that opens it."""

from typing import Final, Protocol

from host.remote_control.encodings import build_server_init
from host.remote_control.errors import RfbProtocolError
from host.remote_control.messages import (
    ClientInit,
    ClientMessage,
    ClientParser,
    ClientVersion,
    SecurityChoice,
)
from host.remote_control.pixels import CAPTURED_FORMAT

_NO_SECURITY: Final = 1


class ByteStream(Protocol):
    """What RFB runs over: a two-way byte stream, sealed and paced by whoever made it."""

    async def send(self, data: bytes) -> None:
        """Send `data`; returns when it was accepted under the receiver's credit."""

    async def receive(self) -> bytes:
        """Some bytes, at least one; b"" at the end."""


async def shake_hands(
    stream: ByteStream, parser: ClientParser, *, size: tuple[int, int], name: str
) -> list[ClientMessage] | None:
    """The server's side from the version to ServerInit (RFC 6143 §7.1-7.3).

    Returns:
        Messages that came right after the handshake; None if the stream ended before.

    Raises:
        RfbProtocolError: no RFB, or another security type than None.
    """
    version = (3, 8)
    await stream.send(b"RFB 003.008\n")
    while data := await stream.receive():
        messages = parser.feed(data)
        for position, message in enumerate(messages):
            match message:
                case ClientVersion():
                    version = message.version
                    # 3.3: the server decides; later: it offers a list, here of one.
                    await stream.send(b"\0\0\0\1" if version == (3, 3) else b"\1\1")
                case SecurityChoice():
                    if message.security_type != _NO_SECURITY:
                        raise RfbProtocolError("The viewer chose a security type that was not offered.")
                    if version == (3, 8):
                        await stream.send(b"\0\0\0\0")  # SecurityResult; 3.7 has none for None
                case ClientInit():
                    await stream.send(build_server_init(*size, CAPTURED_FORMAT, name))
                    return messages[position + 1 :]
    return None

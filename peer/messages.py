"""Messages on a sealed stream, for both ends of the File Manager (`relay.protocol.messages`)."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from peer.errors import StreamClosed
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.messages import Message, MessageDecoder, encode_head, encode_message

LARGE_BODY_BYTES: Final = 32 * 1024
"""From here on a body is sent as it is, behind its head: a copy costs more than one more record."""


class ByteStream(Protocol):
    """What a `SealedStream` is to messages."""

    async def send(self, data: bytes) -> None: ...
    async def receive(self) -> bytes: ...
    def receive_nowait(self) -> bytes | None: ...
    def close(self, reason: CloseReason = ...) -> None: ...


class MessageStream:
    """A sealed stream on which messages go both ways.

    Concurrency: one task may send and one receive at a time.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._decoder = MessageDecoder()
        self._ready: deque[Message] = deque()

    async def send(self, head: Mapping[str, object], body: bytes = b"") -> None:
        """Send one message; returns once it is queued within the other side's credit.

        Raises:
            StreamClosed: the stream is closed.

        Cancellation: part of the message may be on its way; all that is left to do is `close`.
        """
        if len(body) < LARGE_BODY_BYTES:
            await self._stream.send(encode_message(head, body))
        else:
            await self._stream.send(encode_head(head, len(body)))
            await self._stream.send(body)

    async def send_all(self, messages: Iterable[tuple[Mapping[str, object], bytes]]) -> None:
        """Send several messages, heads and bodies, as one piece: small ones cost next to nothing each.

        Raises, Cancellation: as for `send`.
        """
        await self._stream.send(b"".join(encode_message(head, body) for head, body in messages))

    async def receive(self) -> Message | None:
        """The next message; None after the other side's authenticated end.

        Raises:
            StreamClosed: the stream was cut, also in the middle of a message, or the other side broke the
                protocol, and was closed for it.
        """
        while not self._ready:
            data = await self._stream.receive()
            if not data:
                if self._decoder.is_between_messages:
                    return None
                self._stream.close(CloseReason.BAD_FRAME)
                raise StreamClosed(CloseReason.BAD_FRAME, "The stream ended inside a message.")
            self._decode(data)
        return self._ready.popleft()

    def receive_nowait(self) -> Message | None:
        """A message that is there already, or None; also None at the end, which is for `receive` to tell.

        Raises:
            StreamClosed: the other side broke the protocol.
        """
        while not self._ready and (data := self._stream.receive_nowait()):
            self._decode(data)
        return self._ready.popleft() if self._ready else None

    def _decode(self, data: bytes) -> None:
        try:
            self._ready.extend(self._decoder.feed(data))
        except RemoteProtocolError as exc:
            self._stream.close(exc.close_reason)
            raise StreamClosed(exc.close_reason, str(exc)) from exc

    def close(self, reason: CloseReason = CloseReason.DONE) -> None:
        """Close the stream."""
        self._stream.close(reason)

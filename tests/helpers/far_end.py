"""A peer's side of the wire: a client's codec on the other half of a pair in memory."""

from dataclasses import dataclass, field

from relay.protocol.frames import Frame, decode_frame, encode_frame
from relay.protocol.websocket import WebSocketCodec
from relay.transport import Transport


@dataclass
class FarEnd:
    """What a peer does, by hand: sends frames, reads what comes."""

    transport: Transport
    codec: WebSocketCodec = field(
        default_factory=lambda: WebSocketCodec(is_client=True, max_message_bytes=1 << 21)
    )
    events: list[object] = field(default_factory=list)

    async def send(self, *frames: Frame) -> None:
        await self.transport.send_all(b"".join(self.codec.encode_binary(encode_frame(it)) for it in frames))

    async def read(self) -> object:
        """The next event: a decoded frame, a Ping, a CloseReceived; None when the relay hung up."""
        while not self.events:
            data = await self.transport.receive_some()
            if not data:
                return None
            self.events += self.codec.receive_data(data)
        event = self.events.pop(0)
        return decode_frame(event) if isinstance(event, bytes) else event

    async def read_all(self) -> list[object]:
        """Every event until the relay hangs up."""
        got = []
        while (event := await self.read()) is not None:
            got.append(event)
        return got

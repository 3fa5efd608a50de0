"""One side of the wire, played by hand: a codec over a pipe, frames out, events in."""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from relay.protocol.frames import Frame, decode_frame, encode_frame
from relay.protocol.websocket import WebSocketCodec


class Pipe(Protocol):
    """What a transport of ours and a stream of Trio's have in common."""

    async def send_all(self, data: bytes, /) -> None: ...
    async def receive_some(self) -> bytes | bytearray: ...


PipeT = TypeVar("PipeT", bound=Pipe)


@dataclass
class WireEnd(Generic[PipeT]):
    """Sends frames, reads what comes."""

    pipe: PipeT
    codec: WebSocketCodec
    events: list[object] = field(default_factory=list)

    async def send(self, *frames: Frame) -> None:
        await self.pipe.send_all(b"".join(self.codec.encode_binary(encode_frame(it)) for it in frames))

    async def read(self) -> object:
        """The next event: a decoded frame, a Ping, a CloseReceived; None when the other side hung up."""
        while not self.events:
            data = await self.pipe.receive_some()
            if not data:
                return None
            self.events += self.codec.receive_data(data)
        event = self.events.pop(0)
        return decode_frame(event) if isinstance(event, bytes) else event

    async def read_all(self) -> list[object]:
        """Every event until the other side hangs up."""
        got = []
        while (event := await self.read()) is not None:
            got.append(event)
        return got

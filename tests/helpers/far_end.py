"""A peer's side of the wire: a client's codec on the other half of a pair in memory."""

from dataclasses import dataclass, field

from relay.protocol.websocket import WebSocketCodec
from relay.transport import Transport
from tests.helpers.wire_end import WireEnd


@dataclass
class FarEnd(WireEnd[Transport]):
    """What a peer does, by hand."""

    codec: WebSocketCodec = field(
        default_factory=lambda: WebSocketCodec(is_client=True, max_message_bytes=1 << 21)
    )

"""Bytes in and out of one connection, with the fewest copies: plain socket, TLS socket, or in memory.

A `Transport` knows nothing of frames. The tunnel reads large pieces, hands whole batches over, and is told
of every ordinary ending in one way: `PeerGone`.
"""

from relay.transport.accepting import Accepted, Acceptor
from relay.transport.base import RECEIVE_BYTES, Chunk, Transport
from relay.transport.first_looks import open_first_looks
from relay.transport.memory import MEMORY_BYTES, MemoryTransport, memory_transport_pair
from relay.transport.records import ServerTls
from relay.transport.sockets import UNSENT_BYTES, SocketTransport
from relay.transport.tls import TlsTransport

__all__ = [
    "MEMORY_BYTES",
    "RECEIVE_BYTES",
    "UNSENT_BYTES",
    "Accepted",
    "Acceptor",
    "Chunk",
    "MemoryTransport",
    "ServerTls",
    "SocketTransport",
    "TlsTransport",
    "Transport",
    "memory_transport_pair",
    "open_first_looks",
]

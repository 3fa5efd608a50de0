"""h11 and a transport joined: bytes into the parser, events out to the client in small, timed pieces."""

from collections.abc import Sequence

import h11
import trio

from relay.errors import PeerGone
from relay.http.events import FrontDoorEvent
from relay.http.types import FrontDoor
from relay.transport import Transport

READ_BYTES = 65536
"""One read of heads and content; large enough that uploads are no matter of system calls."""

PIECE_BYTES = 32768
"""What must leave within `write_stall_timeout`: the deadline runs for each piece, not for a whole file."""


class HttpWire:
    """One connection's parser and transport.

    Concurrency: one task may `fill`; any number may `send` and `write`, in the order they come.
    """

    def __init__(self, transport: Transport, door: FrontDoor) -> None:
        self.transport = transport
        self._door = door
        # Made when needed.
        self._parser: h11.Connection | None = None
        self._lock: trio.Lock | None = None

    @property
    def parser(self) -> h11.Connection:
        """What has read all that came, and holds what it has not made events of."""
        if self._parser is None:
            limit = self._door.settings.max_head_bytes
            self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=limit)
        return self._parser

    @property
    def buffered_bytes(self) -> int:
        """Bytes received that the parser has not turned into events."""
        return len(self.parser.trailing_data[0])

    async def fill(self) -> bool:
        """Reads once into the parser; False at the end of what the client sends.

        Raises:
            PeerGone: the connection is lost.

        Cancellation: no byte is lost.
        """
        data = await self.transport.receive_some(READ_BYTES)
        self.parser.receive_data(data)
        return bool(data)

    async def send(self, *events: h11.Event) -> None:
        """Encodes and writes events.

        Raises:
            PeerGone: the client left, or took nothing for `write_stall_timeout`.
            h11.LocalProtocolError: the app's answer is not HTTP; nothing of these events was written.
        """
        chunks: list[bytes] = []
        async with self._writing():
            for event in events:
                chunks += self.parser.send_with_data_passthrough(event) or ()
            await self._write(chunks)

    async def write(self, data: bytes) -> None:
        """Writes bytes past the parser; the last thing said on a connection.

        Raises:
            PeerGone: as for `send`.
        """
        async with self._writing():
            await self._write([data])

    def _writing(self) -> trio.Lock:
        """Held while something is written, which for a tunnel nothing ever is."""
        if self._lock is None:
            self._lock = trio.Lock()
        return self._lock

    async def _write(self, chunks: Sequence[bytes]) -> None:
        if sum(map(len, chunks)) <= PIECE_BYTES:
            await self._write_piece(chunks)
            return
        for chunk in chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), PIECE_BYTES):
                await self._write_piece([view[start : start + PIECE_BYTES]])

    async def _write_piece(self, piece: Sequence[bytes | memoryview]) -> None:
        with trio.move_on_after(self._door.settings.write_stall_timeout) as deadline:
            await self.transport.send_all(piece)
        if deadline.cancelled_caught:
            self._door.on_event(FrontDoorEvent.WRITE_STALL)
            raise PeerGone("The client stopped reading its answer.")

"""A pair of transports in memory, for tests: it stalls and breaks as sockets do."""

import trio

from relay.transport.base import Chunk, Transport, drop_sent

MEMORY_BYTES = 65536
"""Capacity of each direction of a pair in memory; as little as the kernel may hold of a real one."""


class _MemoryPipe:
    """One direction of a pair in memory: a bounded buffer between one writer and one reader."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer = bytearray()
        self._is_broken = False
        self._writer_is_gone = False
        self._reader_is_gone = False
        self._changed = trio.Event()

    async def wait_to_receive(self) -> None:
        await trio.lowlevel.checkpoint()
        while not (self._buffer or self._is_broken or self._writer_is_gone or self._reader_is_gone):
            await self._changed.wait()

    def receive(self, buffer: memoryview) -> int | None:
        if self._reader_is_gone:
            raise trio.ClosedResourceError("this end was closed")
        if self._is_broken:
            raise trio.BrokenResourceError("the other end was aborted")
        if not self._buffer:
            return 0 if self._writer_is_gone else None
        count = min(len(buffer), len(self._buffer))
        buffer[:count] = self._buffer[:count]
        del self._buffer[:count]
        self._notify()
        return count

    async def wait_to_send(self) -> None:
        while len(self._buffer) >= self._capacity and not (
            self._writer_is_gone or self._is_broken or self._reader_is_gone
        ):
            await self._changed.wait()

    def send(self, data: Chunk) -> int:
        if self._writer_is_gone:
            raise trio.ClosedResourceError("this end was closed")
        if self._is_broken or self._reader_is_gone:
            raise trio.BrokenResourceError("the other end was closed")
        taken = memoryview(data)[: self._capacity - len(self._buffer)]
        if taken:
            self._buffer += taken
            self._notify()
        return len(taken)

    def end_writing(self) -> None:
        self._writer_is_gone = True
        self._notify()

    def end_reading(self) -> None:
        self._reader_is_gone = True
        self._buffer.clear()
        self._notify()

    def break_off(self) -> None:
        if self._writer_is_gone:
            return  # Too late: what was sent before the proper end stays readable.
        self._is_broken = True
        self._buffer.clear()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class MemoryTransport(Transport):
    """One end of a pair in memory; see `memory_transport_pair`."""

    def __init__(self, incoming: _MemoryPipe, outgoing: _MemoryPipe, peer_address: tuple[str, int]) -> None:
        super().__init__(peer_address, is_tls=False)
        self._address = "memory", 3 - peer_address[1]
        self._incoming = incoming
        self._outgoing = outgoing

    def local_address(self) -> tuple[str, int]:
        return self._address

    def limit_unsent(self, size: int) -> None:
        """There is no kernel between the two ends."""

    async def _wait_to_receive(self) -> None:
        await self._incoming.wait_to_receive()

    def _receive_now(self, buffer: memoryview) -> int | None:
        return self._incoming.receive(buffer)

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        while chunks and (sent := self._outgoing.send(chunks[0])):
            drop_sent(chunks, sent)
        return chunks

    async def _wait_to_send(self) -> None:
        await self._outgoing.wait_to_send()

    async def _close_gracefully(self) -> None:
        # What was sent stays readable in the other end's buffer; there is nothing to wait for.
        self._close_now()
        await trio.lowlevel.checkpoint()

    def _close_now(self) -> None:
        self._outgoing.end_writing()
        self._incoming.end_reading()

    def _break_off(self) -> None:
        self._outgoing.break_off()
        self._close_now()


def memory_transport_pair(capacity_bytes: int = MEMORY_BYTES) -> tuple[MemoryTransport, MemoryTransport]:
    """Two connected ends in this process: what one sends, the other receives.

    Args:
        capacity_bytes: how much each direction holds before its sender waits; at least 1.
    """
    there, back = _MemoryPipe(capacity_bytes), _MemoryPipe(capacity_bytes)
    return MemoryTransport(back, there, ("memory", 2)), MemoryTransport(there, back, ("memory", 1))

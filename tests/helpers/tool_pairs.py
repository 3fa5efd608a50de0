"""A viewer's and a host's end of a stream, joined in memory; and a File Manager on one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from host.files import serve_files
from host.files.places import Places
from host.parts import Parts
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from technician.files import FilesClient


class MemoryEnd:
    """One end of a stream of bytes; closing either end closes both, as a sealed stream does."""

    def __init__(
        self, sending: trio.MemorySendChannel[bytes], receiving: trio.MemoryReceiveChannel[bytes]
    ) -> None:
        self._sending, self._receiving = sending, receiving
        self.reason: CloseReason | None = None

    async def send(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), 65536):
                await self._sending.send(data[start : start + 65536])
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise StreamClosed(self.reason or CloseReason.DETACHED) from exc

    async def receive(self) -> bytes:
        try:
            return await self._receiving.receive()
        except trio.EndOfChannel:
            return b""
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise StreamClosed(self.reason or CloseReason.DETACHED) from exc

    def receive_nowait(self) -> bytes | None:
        try:
            return self._receiving.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            return None

    async def finish(self) -> None:
        """The authenticated end."""
        self._sending.close()
        await trio.lowlevel.checkpoint()

    def close(self, reason: CloseReason = CloseReason.DONE) -> None:
        self.reason = self.reason or reason
        self._sending.close()
        self._receiving.close()


def joined() -> tuple[MemoryEnd, MemoryEnd]:
    """Two ends."""
    there, out = trio.open_memory_channel[bytes](8)
    back, answers = trio.open_memory_channel[bytes](8)
    return MemoryEnd(there, answers), MemoryEnd(back, out)


@dataclass
class Served:
    """A client, and what the host told of changes."""

    client: FilesClient
    end: MemoryEnd
    told: list[tuple[str, str]] = field(default_factory=list)
    closed: list[StreamClosed] = field(default_factory=list)


@asynccontextmanager
async def served(*, limit: list[Path] | None = None, parts: Parts | None = None) -> AsyncIterator[Served]:
    """A client of a host that serves this machine's files (below `limit`)."""
    near, far = joined()
    it = Served(FilesClient(MessageStream(near)), near)

    async def answer() -> None:
        places = Places(None if limit is None else [str(folder) for folder in limit])
        try:
            await serve_files(
                MessageStream(far),
                places,
                parts or Parts(None),
                tell=lambda word, path: it.told.append((word, path)),
            )
        except StreamClosed as exc:
            it.closed.append(exc)
        finally:
            far.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        yield it
        await near.finish()

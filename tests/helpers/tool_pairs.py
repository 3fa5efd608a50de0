"""A viewer's and a host's end of a stream, joined in memory; and a File Manager on one."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from host.files import serve_files
from host.files.places import Places
from host.parts import Parts
from peer.errors import StreamClosed
from peer.messages import MessageStream
from peer.together import beside
from relay.protocol.close_reasons import CloseReason
from relay.protocol.messages import Message
from technician.files import FilesClient

T = TypeVar("T")


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

    def statistics(self) -> trio.MemoryChannelStatistics:
        """Of what is on its way to this end."""
        return self._receiving.statistics()

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
    """A client, and what the host told of changes, and in which threads."""

    client: FilesClient
    end: MemoryEnd
    told: list[tuple[str, str]] = field(default_factory=list)
    told_by: set[threading.Thread] = field(default_factory=set)
    closed: list[StreamClosed] = field(default_factory=list)

    def tell(self, word: str, paths: Sequence[str]) -> None:
        """Takes what the host tells its record."""
        self.told_by.add(threading.current_thread())
        self.told += [(word, path) for path in paths]


@asynccontextmanager
async def served(*, limit: list[Path] | None = None, parts: Parts | None = None) -> AsyncIterator[Served]:
    """A client of a host that serves this machine's files (below `limit`)."""
    near, far = joined()
    it = Served(FilesClient(MessageStream(near)), near)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_answer, far, it, limit, parts)
        yield it
        await near.finish()


async def _answer(
    far: MemoryEnd, it: Served, limit: list[Path] | None = None, parts: Parts | None = None
) -> None:
    places = Places(None if limit is None else [str(folder) for folder in limit])
    try:
        await serve_files(
            MessageStream(far),
            places,
            parts or Parts(None),
            tell=it.tell,
        )
    except StreamClosed as exc:
        it.closed.append(exc)
    finally:
        far.close()


@dataclass
class BreakingConnection:
    """What a `FilesConnection` is to those who move files, to a host in memory that serves this machine's.

    Attributes:
        breaks: of each connection, the messages that the viewer gets before it breaks; afterwards it holds.
    """

    breaks: list[int] = field(default_factory=list)

    async def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """As `FilesConnection.run`."""
        while True:
            streams = _Streams(self.breaks.pop(0) if self.breaks else None)
            try:
                return await beside(streams.serve, partial(streams.run, work))
            except StreamClosed as exc:
                if exc.close_reason is not CloseReason.DEAD:
                    raise


class _Streams:
    """Those of one connection.

    Attributes:
        left: messages until it breaks; None for never.
    """

    def __init__(self, left: int | None) -> None:
        self.left = left
        self._feed, self._opened = trio.open_memory_channel[tuple[MemoryEnd, Served]](100)
        self._ends: list[MemoryEnd] = []

    async def serve(self) -> None:
        """Be the host of each stream that is opened."""
        async with trio.open_nursery() as nursery:
            async for far, it in self._opened:
                nursery.start_soon(_answer, far, it)

    async def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """What `work` returns; the streams end with it."""
        try:
            return await work(self)
        finally:
            self._feed.close()
            for end in self._ends:
                end.close()

    async def open(self) -> FilesClient:
        """One more."""
        near, far = joined()
        client = FilesClient(_BreakingStream(near, self))
        self._ends.append(near)
        await self._feed.send((far, Served(client, near)))
        return client


class _BreakingStream(MessageStream):
    def __init__(self, end: MemoryEnd, streams: _Streams) -> None:
        super().__init__(end)
        self._streams = streams

    async def receive(self) -> Message | None:
        if self._streams.left is not None:
            if self._streams.left == 0:
                self.close(CloseReason.DEAD)
                raise StreamClosed(CloseReason.DEAD)
            self._streams.left -= 1
        return await super().receive()

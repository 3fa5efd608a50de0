"""A TCP proxy before a relay that can cut one kind of its connections, as when a network fails.

It reads the first line of a connection's first request and forwards everything as it came. While a path is
cut, its connections are closed at once, without a word of HTTP or WebSocket, and new ones likewise.
"""

import contextlib
import queue
import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

import trio

_MAX_LINE_BYTES = 4096


class CutProxy:
    """Listens on 127.0.0.1 for the time of the block, in a thread of its own.

    Attributes:
        origin: where it is, as the beginning of a URL.
        upstream: ADDRESS:PORT that it forwards to; set it before anybody connects.
    """

    def __init__(self) -> None:
        self.upstream = ""
        # The thread's alone, once it runs.
        self._cut: set[bytes] = set()
        self._scopes: defaultdict[bytes, set[trio.CancelScope]] = defaultdict(set)
        self._whole = trio.CancelScope()
        started: queue.SimpleQueue[tuple[int, trio.lowlevel.TrioToken]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=trio.run, args=(self._run, started), name="cut proxy")
        self._thread.start()
        port, self._token = started.get(timeout=10)
        self.origin = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        trio.from_thread.run_sync(self._whole.cancel, trio_token=self._token)
        self._thread.join(10)

    def cut(self, path: str) -> None:
        """Close all connections for `path`, and refuse new ones until `restore`."""
        trio.from_thread.run_sync(self._close_all, path.encode(), trio_token=self._token)

    def restore(self, path: str) -> None:
        """Let connections for `path` through again."""
        trio.from_thread.run_sync(self._cut.discard, path.encode(), trio_token=self._token)

    async def _run(self, started: "queue.SimpleQueue[tuple[int, trio.lowlevel.TrioToken]]") -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port: int = listeners[0].socket.getsockname()[1]
        started.put((port, trio.lowlevel.current_trio_token()))
        with self._whole:
            await trio.serve_listeners(self._serve, listeners)

    def _close_all(self, path: bytes) -> None:
        self._cut.add(path)
        for scope in self._scopes[path]:
            scope.cancel()

    async def _serve(self, client: trio.SocketStream) -> None:
        head = b""
        async with client:
            while b"\r\n" not in head and len(head) < _MAX_LINE_BYTES:
                piece = await self._receive(client)
                if not piece:
                    return
                head += piece
            _, _, path = head.split(b"\r\n", 1)[0].partition(b" ")
            path = path.partition(b" ")[0]
            if path in self._cut:
                return
            with trio.CancelScope() as scope:
                self._scopes[path].add(scope)
                try:
                    await self._join(client, head)
                finally:
                    self._scopes[path].discard(scope)

    async def _join(self, client: trio.SocketStream, head: bytes) -> None:
        host, _, port = self.upstream.rpartition(":")
        try:
            server = await trio.open_tcp_stream(host, int(port))
        except OSError:
            return
        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, client, server, head, nursery.cancel_scope)
            nursery.start_soon(self._pump, server, client, b"", nursery.cancel_scope)

    async def _pump(
        self, source: trio.SocketStream, target: trio.SocketStream, piece: bytes, both: trio.CancelScope
    ) -> None:
        """Forward `piece` and what follows it. The end of either direction is the end of both."""
        with contextlib.suppress(trio.BrokenResourceError):
            piece = piece or await self._receive(source)
            while piece:
                await target.send_all(piece)
                piece = await self._receive(source)
        both.cancel()

    @staticmethod
    async def _receive(stream: trio.SocketStream) -> bytes:
        try:
            return bytes(await stream.receive_some())
        except trio.BrokenResourceError:
            return b""

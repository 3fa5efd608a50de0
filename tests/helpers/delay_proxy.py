"""A TCP proxy that makes a path longer: every byte leaves a fixed time after it came, so many a second.

It is a program of its own, so that it does not share a processor's time slice with what is measured through
it. The model is a link behind a router with a short queue, without loss:

- the *queue* takes no more than the link carries in `QUEUE_SECONDS`; then the proxy does not read, and what
  comes waits at its sender. Little hides in the proxy's own socket, whose buffer is kept as short;
- the *link* lets `bytes_per_second` pass, or everything;
- the *delay line* holds each piece for half the round trip. Bandwidth x delay never bounds it.

So a path through it behaves as TCP over such a link once its window is open; how TCP gets there is not in it.
"""

import json
import sys
from collections import deque
from types import TracebackType
from typing import Final, Self

import trio

from tests.helpers.programs import Program

QUEUE_SECONDS: Final = 0.005
READ_BYTES: Final = 64 * 1024
LIMITED_READ_BYTES: Final = 4096
MIN_SOCKET_BYTES: Final = 8 * 1024


class DelayProxy:
    """Listens on 127.0.0.1 for the time of the block.

    Args:
        upstream: host and port that it connects to.
        round_trip: seconds, half of it each way.
        bytes_per_second: of each connection and direction; None for no limit.

    Attributes:
        address: host and port where it is.
    """

    def __init__(
        self, upstream: tuple[str, int], round_trip: float, bytes_per_second: float | None = None
    ) -> None:
        plan = json.dumps([*upstream, round_trip, bytes_per_second])
        self._program = Program([sys.executable, "-m", "tests.helpers.delay_proxy", plan])
        try:
            port = int(self._program.out.wait_for(r"port (\d+)\n")[1])
        except AssertionError:
            self._program.stop()
            raise
        self.address = ("127.0.0.1", port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.stop()


class _Direction:
    """From one socket to another."""

    def __init__(
        self,
        source: trio.SocketStream,
        target: trio.SocketStream,
        delay: float,
        bytes_per_second: float | None,
    ) -> None:
        self._source = source
        self._target = target
        self._delay = delay
        self._rate = bytes_per_second
        self._read_bytes = READ_BYTES if bytes_per_second is None else LIMITED_READ_BYTES
        self._line: deque[tuple[float, bytes]] = deque()
        self._has_more = trio.Event()

    async def run(self, both: trio.CancelScope) -> None:
        """Until the source ends and everything has arrived, or either side is gone."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._take_in)
                await self._give_out()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            both.cancel()

    async def _take_in(self) -> None:
        free_at = trio.current_time()  # when the link has carried all that was taken in
        while True:
            data = bytes(await self._source.receive_some(self._read_bytes))
            now = trio.current_time()
            free_at = max(free_at, now) + (len(data) / self._rate if self._rate else 0.0)
            self._line.append((free_at + self._delay, data))
            self._has_more.set()
            if not data:
                return
            await trio.sleep_until(free_at - QUEUE_SECONDS)

    async def _give_out(self) -> None:
        while True:
            while not self._line:
                self._has_more = trio.Event()
                await self._has_more.wait()
            due, data = self._line.popleft()
            await trio.sleep_until(due)
            if not data:
                await self._target.send_eof()
                return
            pieces = [data]
            now = trio.current_time()
            while self._line and self._line[0][0] <= now and self._line[0][1]:
                pieces.append(self._line.popleft()[1])
            await self._target.send_all(b"".join(pieces))


async def _serve(host: str, port: int, round_trip: float, bytes_per_second: float | None) -> None:
    def shorten(sock: trio.socket.SocketType) -> None:
        if bytes_per_second is not None:
            size = max(int(bytes_per_second * QUEUE_SECONDS) // 2, MIN_SOCKET_BYTES)  # the kernel doubles it
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, size)

    async def handle(near: trio.SocketStream) -> None:
        sock = trio.socket.socket()
        shorten(sock)
        await sock.connect((host, port))
        async with near, trio.SocketStream(sock) as far, trio.open_nursery() as nursery:
            for source, target in ((near, far), (far, near)):
                direction = _Direction(source, target, round_trip / 2, bytes_per_second)
                nursery.start_soon(direction.run, nursery.cancel_scope)

    listener = trio.socket.socket()
    shorten(listener)  # what it accepts is like it
    await listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(f"port {listener.getsockname()[1]}", flush=True)
    await trio.serve_listeners(handle, [trio.SocketListener(listener)])


if __name__ == "__main__":
    trio.run(_serve, *json.loads(sys.argv[1]))

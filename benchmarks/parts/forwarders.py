"""Two forwarders to compare the relay with: what one would write first, and the least that Trio can do.

    python -m benchmarks.parts.forwarders websocket
    python -m benchmarks.parts.forwarders pump FAR_PORT [CERTIFICATE KEY]

Each prints its port. `websocket` joins every two connections that dial, message by message. `pump` carries
bytes between who dials and 127.0.0.1:FAR_PORT, with TLS on both legs if there is a certificate.
"""

import ssl
import sys
from collections.abc import Sequence
from functools import partial

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

RECEIVE_BYTES = 262144


class WebSocketForwarder:
    """Joins every second connection with the one before."""

    def __init__(self) -> None:
        self._waiting: tuple[WebSocketConnection, trio.Event] | None = None

    async def serve(self, request: WebSocketRequest) -> None:
        """One connection, until either side ends."""
        connection = await request.accept()
        if self._waiting is None:
            joined = trio.Event()
            self._waiting = connection, joined
            await joined.wait()
            return
        (first, joined), self._waiting = self._waiting, None
        async with trio.open_nursery() as nursery:
            for source, sink in ((connection, first), (first, connection)):
                nursery.start_soon(self._carry, source, sink, nursery.cancel_scope)
        joined.set()

    async def _carry(
        self, source: WebSocketConnection, sink: WebSocketConnection, scope: trio.CancelScope
    ) -> None:
        try:
            while True:
                await sink.send_message(await source.get_message())
        except ConnectionClosed:
            scope.cancel()


async def serve_websockets() -> None:
    """Run the WebSocket forwarder until killed."""
    forwarder = WebSocketForwarder()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(
                serve_websocket, forwarder.serve, "127.0.0.1", 0, ssl_context=None, max_message_size=2 << 20
            )
        )
        print(server.port, flush=True)


async def serve_pump(far_port: int, certificate: str | None, key: str | None) -> None:
    """Run the byte pump until killed."""
    far_tls = near_tls = None
    if certificate is not None:
        near_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        near_tls.load_cert_chain(certificate, key)
        far_tls = ssl.create_default_context(cafile=certificate)

    async def serve(plain: trio.SocketStream) -> None:
        far_plain = await trio.open_tcp_stream("127.0.0.1", far_port)
        near: trio.abc.Stream = (
            plain if near_tls is None else trio.SSLStream(plain, near_tls, server_side=True)
        )
        far: trio.abc.Stream = (
            far_plain if far_tls is None else trio.SSLStream(far_plain, far_tls, server_hostname="127.0.0.1")
        )
        async with near, far, trio.open_nursery() as nursery:
            for source, sink in ((near, far), (far, near)):
                nursery.start_soon(_pump, source, sink, nursery.cancel_scope)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        print(listener.socket.getsockname()[1], flush=True)


async def _pump(source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some(RECEIVE_BYTES):
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


def main(arguments: Sequence[str]) -> None:
    """Be one of them."""
    match arguments:
        case ["websocket"]:
            trio.run(serve_websockets)
        case ["pump", far_port]:
            trio.run(serve_pump, int(far_port), None, None)
        case ["pump", far_port, certificate, key]:
            trio.run(serve_pump, int(far_port), certificate, key)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

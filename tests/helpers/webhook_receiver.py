"""A real HTTP receiver of webhooks on this machine, which can be told how to misbehave."""

import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
import trio


@dataclass(frozen=True)
class Received:
    """One request.

    Attributes:
        target: path and query.
        headers: names in lower case.
        body: all of it.
    """

    target: str
    headers: Mapping[str, str]
    body: str

    def is_signed_with(self, secret: str) -> bool:
        """Checked as docs/webhooks.md tells receivers to."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.{self.body}".encode()
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return self.headers["webhook-signature"] == f"v1,{expected}"


@dataclass
class WebhookReceiver:
    """What it got, and what it answers.

    Attributes:
        port: where it listens.
        scheme: http or https.
        received: in order.
        statuses: of the next answers; 204 after them.
        headers: of all answers.
        is_hanging: it reads, and answers nothing.
        arrived: set at the next request, and replaced.
    """

    port: int
    scheme: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    is_hanging: bool = False
    arrived: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"{self.scheme}://localhost:{self.port}/hook?key=1"

    async def wait_for(self, count: int) -> None:
        """Returns once it got so many."""
        with trio.fail_after(15):
            while len(self.received) < count:
                await self.arrived.wait()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """One connection, one request."""
        connection = h11.Connection(h11.SERVER)
        try:
            request, body = None, b""
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(bytes(await stream.receive_some()))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    break
            if request is None:
                return
            headers = {name.decode(): value.decode() for name, value in request.headers}
            self.received.append(Received(request.target.decode(), headers, body.decode()))
            self.arrived.set()
            self.arrived = trio.Event()
            if self.is_hanging:
                await trio.sleep_forever()
            status = self.statuses.pop(0) if self.statuses else 204
            answer = h11.Response(status_code=status, headers=[("Content-Length", "0"), *self.headers])
            await stream.send_all(connection.send(answer) or b"")
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def webhook_receiver(
    tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[WebhookReceiver]:
    """A receiver on this machine, until the end of the block."""
    (listener,) = await trio.open_tcp_listeners(0, host=host)
    made = WebhookReceiver(listener.socket.getsockname()[1], "http" if tls is None else "https")

    async def serve(stream: trio.SocketStream) -> None:
        await made.serve(stream if tls is None else trio.SSLStream(stream, tls, server_side=True))

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, [listener])
        yield made
        nursery.cancel_scope.cancel()

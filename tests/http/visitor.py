"""A client of the front door over memory, with h11's client side as the independent reader of its answers."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11
import trio

from relay.http import FrontDoor, FrontDoorEvent, FrontDoorSettings, Message, Receive, Scope, Send
from relay.http.connection import serve_connection, serve_upgrade
from relay.http.types import AsgiApp, UpgradeHandler
from relay.transport import MEMORY_BYTES, MemoryTransport, memory_transport_pair

GET = b"GET / HTTP/1.1\r\nHost: relay.example\r\n\r\n"
UPGRADE_FIELDS = b"Host: relay.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"


@dataclass(frozen=True)
class Answer:
    """One parsed answer; header names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Visitor:
    """The client's end of one connection."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.pending = b""

    async def send(self, data: bytes) -> None:
        await self.transport.send_all(data)

    async def read_answer(self, method: str = "GET") -> Answer:
        """The next final answer; what came behind it is kept for the next call."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "relay.example")]))
        parser.send(h11.EndOfMessage())
        if self.pending:
            parser.receive_data(self.pending)
        body = b""
        response: h11.Response | None = None
        while True:
            match parser.next_event():
                case h11.NEED_DATA:
                    parser.receive_data(await self.transport.receive_some())
                case h11.Response() as response:
                    pass
                case h11.Data() as data:
                    body += data.data
                case h11.EndOfMessage():
                    break
                case event:
                    assert isinstance(event, h11.InformationalResponse), event
        assert response is not None
        self.pending, _ = parser.trailing_data
        return Answer(response.status_code, dict(response.headers), body)

    async def ask(self, request: bytes, method: str = "GET") -> Answer:
        await self.send(request)
        return await self.read_answer(method)

    async def read_to_end(self) -> bytes:
        """Everything until the front door ends the connection."""
        data, self.pending = self.pending, b""
        while piece := await self.transport.receive_some():
            data += piece
        return data


class Tally(Counter[FrontDoorEvent]):
    """An event sink that counts."""

    def __call__(self, event: FrontDoorEvent) -> None:
        self[event] += 1


def make_door(
    app: AsgiApp,
    *,
    upgrades: Mapping[str, UpgradeHandler] | None = None,
    tally: Tally | None = None,
    state: Mapping[str, Any] | None = None,
    **settings: Any,
) -> FrontDoor:
    return FrontDoor(
        app,
        upgrades=upgrades,
        settings=FrontDoorSettings(**settings),
        state=state,
        on_event=Tally() if tally is None else tally,
    )


@asynccontextmanager
async def open_visit(
    door: FrontDoor, *, capacity_bytes: int = MEMORY_BYTES, peer: str = "192.0.2.1"
) -> AsyncIterator[Visitor]:
    """A connection to `door`; on leaving the client hangs up and the server's side must come to its end."""
    theirs, ours = memory_transport_pair(capacity_bytes)
    theirs.peer_address = (peer, 4711)

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        with door.admission.admit(peer, trio.current_time()) as slot:
            task_status.started()
            upgrade = await serve_connection(theirs, door, slot)
            if upgrade is not None:
                await serve_upgrade(upgrade, door)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        yield Visitor(ours)
        await ours.aclose()


async def read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


async def answer(send: Send, body: bytes = b"", *, status: int = 200, is_length_known: bool = True) -> None:
    headers = [(b"content-length", str(len(body)).encode())] if is_length_known else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers every request with its path."""
    await answer(send, scope["path"].encode())


async def echo_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request's content."""
    await answer(send, await read_body(receive))


def start_message(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body_message(body: bytes = b"", *, is_more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": is_more}

"""Real SMTP servers on this machine: a well-behaved one, and some that are not."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trio
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Receiver:
    """What a server received, and what it says.

    Attributes:
        envelopes: what it took, in order.
        users: who signed in, with the password "right".
        was_encrypted: of each mail, whether it came over TLS.
        answers: what it says to the next mails instead of taking them, in order.
        refuses: domain whose recipients it refuses for good.
    """

    def __init__(self, *answers: str) -> None:
        self.envelopes: list[Envelope] = []
        self.users: list[str] = []
        self.was_encrypted: list[bool] = []
        self.answers = list(answers)
        self.refuses = "refused.example"
        self._changed = threading.Condition()

    @property
    def messages(self) -> list[EmailMessage]:
        """What it took, parsed."""
        return [_parse(envelope.content) for envelope in self.envelopes]

    def wait_for(self, count: int, within: float = 20) -> None:
        """Blocks until it took so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.envelopes) >= count, within)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.endswith(f"@{self.refuses}"):
            return "550 no such customer with the password hunter2"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        with self._changed:
            self.envelopes.append(envelope)
            self.was_encrypted.append(session.ssl is not None)
            self._changed.notify_all()
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"right")


class AnyPort(Controller):
    """aiosmtpd's controller greets the port it was given; given 0, it must learn the real one first."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd's


@contextmanager
def smtp_server(receiver: Receiver, *, port: int = 0, **options: Any) -> Iterator[int]:
    """A real SMTP server on this machine; gives its port."""
    controller = AnyPort(receiver, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@asynccontextmanager
async def scripted_server(*replies: bytes) -> AsyncIterator["Script"]:
    """A server that answers each line (the message is one) with the next reply, greeting included.

    After the last reply it says nothing, or hangs up if that was empty. Closed at the end.
    """
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    script = Script(replies, listener.socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(script.run, listener)
        yield script
        await script.close()


class Script:
    """See `scripted_server`.

    Attributes:
        port: where it listens.
        visits: connections so far.
        visited: set at the first.
        is_left: set when a connection was closed by the other side.
    """

    def __init__(self, replies: Sequence[bytes], port: int) -> None:
        self.port = port
        self.visits = 0
        self.visited = trio.Event()
        self.is_left = trio.Event()
        self._scope = trio.CancelScope()
        self._is_closed = trio.Event()
        self._replies = replies

    async def run(self, listener: trio.SocketListener) -> None:
        """Serves until it is closed."""
        with self._scope:
            await trio.serve_listeners(self._serve, [listener])
        self._is_closed.set()

    async def close(self) -> None:
        """Ends the server, as the end of the block does; its port is free then."""
        self._scope.cancel()
        await self._is_closed.wait()

    async def _serve(self, stream: trio.SocketStream) -> None:
        self.visits += 1
        self.visited.set()
        try:
            for reply in self._replies:
                if not reply:
                    await stream.aclose()
                    return
                await stream.send_all(reply)
                if not await _read_turn(stream, is_message=reply.startswith(b"354")):
                    break
            else:
                while await stream.receive_some():
                    pass
        except trio.BrokenResourceError:
            pass
        self.is_left.set()


async def _read_turn(stream: trio.SocketStream, *, is_message: bool) -> bytes:
    """What comes up to the end of a line, or of a message; nothing when the other side is gone."""
    end = b"\r\n.\r\n" if is_message else b"\r\n"
    found = b""
    while not found.endswith(end):
        piece = await stream.receive_some()
        if not piece:
            return b""
        found += piece
    return found


def _parse(content: object) -> EmailMessage:
    assert isinstance(content, bytes)
    return message_from_bytes(content, policy=default)

"""A real mail server in a thread of its own, and what has arrived there."""

import re
from asyncio import Server
from email import message_from_bytes, policy
from email.message import EmailMessage
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.helpers.programs import PATIENCE


class Inbox:
    """Takes all mail in, for the time of the block.

    Attributes:
        url: where it is, as the relay's option has it.
    """

    def __init__(self) -> None:
        self._messages: SimpleQueue[EmailMessage] = SimpleQueue()
        self._server = _MailServer(self, hostname="127.0.0.1", port=0)
        self._server.start()
        self.url = f"smtp://127.0.0.1:{self._server.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a message in (aiosmtpd's name for it)."""
        assert isinstance(envelope.content, bytes)
        self._messages.put(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def next_for(self, address: str) -> EmailMessage:
        """Wait for the next mail, which must be for `address`."""
        try:
            message = self._messages.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"no mail came for {address}") from None
        assert address in str(message["To"])
        return message


def link_in(message: EmailMessage, path: str) -> str:
    """The one link to `path` of our pages, which the text and the HTML part both have."""
    found: set[str] = set()
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        found |= set(re.findall(rf"http://[^\s\"<>]+{path}#[\w-]+", part.get_content()))
    assert len(found) == 1, found
    return found.pop()


class _MailServer(Controller):
    """On a port that was free."""

    def _trigger_server(self) -> None:
        # Called between listening and the first connection, which is its own.
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd has no types

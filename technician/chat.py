"""``technician chat``: talk with the customer, whose window shows it (docs/protocol.md §10)."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Final

import trio
import typer

from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Channel, FieldReader
from relay.protocol.messages import Message
from technician.attaching import open_tool
from technician.keyring import Keyring
from technician.printing import print_json, printable
from technician.relay_client import RelayClient
from technician.running import AccessPassword, AsJson, choose_session, run_signed_in, unlock

MAX_CHARACTERS: Final = 2000
MAX_TIME: Final = 253_402_300_799
"""The last second that a calendar has: 9999-12-31."""
ANSWER_TIMEOUT: Final = 15.0
"""Seconds for the computer to show the last line, after the input's end."""


def chat(
    session: Annotated[str | None, typer.Option("--session", help="Not needed when one is open.")] = None,
    begin: Annotated[bool, typer.Option("--begin", help="Bring the chat before the customer.")] = False,
    as_json: AsJson = False,
    access_password: AccessPassword = None,
) -> None:
    """Talk with the customer: what you type is said, line by line, until the input ends (Ctrl+D)."""

    async def run(relay: RelayClient, keyring: Keyring) -> None:
        chosen = await choose_session(relay, session, "active")
        password, key = await unlock(relay, keyring, chosen, access_password)
        async with open_tool(relay, chosen.id, Channel.CHAT, key, password) as stream:
            await _Talk(MessageStream(stream), as_json=as_json).run(begin=begin)

    run_signed_in(run)


class _Talk:
    """One conversation: what was said is printed from its first line on."""

    def __init__(self, stream: MessageStream, *, as_json: bool) -> None:
        self._stream = stream
        self._as_json = as_json
        self._unseen: list[str] = []
        self._all_seen = trio.Event()

    async def run(self, *, begin: bool) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            if begin:
                await self._stream.send({"begin": True})
            while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
                text = line.strip()[:MAX_CHARACTERS]
                if text:
                    self._unseen.append(text)
                    await self._stream.send({"say": text})
            if self._unseen:
                with trio.move_on_after(ANSWER_TIMEOUT):
                    await self._all_seen.wait()
            nursery.cancel_scope.cancel()

    async def _listen(self) -> None:
        while True:
            message = await self._stream.receive()
            if message is None:
                raise StreamClosed(CloseReason.DONE, "The computer closed the chat.")
            self._show(message)

    def _show(self, message: Message) -> None:
        fields = FieldReader(message.head)
        try:
            at, author = fields.number("at", at_most=MAX_TIME), fields.text("author")
            text = fields.text("text", max_length=MAX_CHARACTERS)
        except RemoteProtocolError as exc:
            self._stream.close(exc.close_reason)
            raise StreamClosed(exc.close_reason, "The computer broke the protocol.") from exc
        if author and text in self._unseen:
            self._unseen.remove(text)
            if not self._unseen:
                self._all_seen.set()
        if self._as_json:
            print_json({"at": at, "author": author, "text": text})
            return
        who = printable(author) or "Customer"
        for line in text.splitlines():
            print(
                f"{datetime.fromtimestamp(at, UTC):%H:%M} {who}: {printable(line, MAX_CHARACTERS)}",
                flush=True,
            )

"""Chat between the customer's window and every attached viewer.

The host keeps the lines, for the session's life and across a reboot; the relay sees none of it. On a `chat`
stream the host tells every line from the first on, and the viewer says what it has to (docs/protocol.md §10).
What technicians write is plain text to the customer: nothing in it can be clicked.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import trio

from host.record import append_line, read_lines
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader

FILE_NAME: Final = "chat"
MAX_LINES: Final = 2000
"""Of one session; nothing can be said after them."""
MAX_CHARACTERS: Final = 2000
INTERVAL: Final = 0.2
"""Seconds between two lines that one viewer says; what comes faster waits."""

_KEPT_CONTROLS: Final = "\n\t"


@dataclass(frozen=True, slots=True)
class ChatLine:
    """What somebody said.

    Attributes:
        number: from 0, in order.
        at: seconds since 1970, by this computer's clock.
        author: the technician's name; "" for the customer.
        text: printable, at most 2 000 characters.
    """

    number: int
    at: int
    author: str
    text: str


class ChatRoom:
    """The lines of one session. Only Trio's thread may use it.

    Args:
        path: of its file, one JSON array a line; None keeps them in memory.
        now: seconds since 1970.
    """

    def __init__(self, path: Path | None, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._changed = trio.Event()
        self.lines = _read(path)
        self.on_line: Callable[[ChatLine], None] = lambda line: None
        self.on_begin: Callable[[], None] = lambda: None

    def say(self, author: str, text: str) -> None:
        """Add a line, and tell everybody. Empty text, and any after the last possible line, is dropped."""
        text = clean_text(text)
        if not text or len(self.lines) >= MAX_LINES:
            return
        line = ChatLine(len(self.lines), int(self._now()), author, text)
        self.lines.append(line)
        self._save(line)
        self._changed.set()
        self._changed = trio.Event()
        self.on_line(line)

    async def wait_line(self, number: int) -> ChatLine:
        """The line `number`, when it is there."""
        while number >= len(self.lines):
            await self._changed.wait()
        return self.lines[number]

    def _save(self, line: ChatLine) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError):  # after a reboot it is not there, but the conversation goes on
            append_line(self._path, [line.at, line.author, line.text])


async def serve_chat(stream: MessageStream, room: ChatRoom, *, technician: str) -> None:
    """Serve a stream until the viewer ends it.

    Raises:
        StreamClosed: the stream was cut, or the viewer broke the protocol and it was closed for that.
    """

    async def tell() -> None:
        number = 0
        while True:
            line = await room.wait_line(number)
            await stream.send(asdict(line))
            number += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        try:
            while (message := await stream.receive()) is not None:
                _take(FieldReader(message.head), room, technician)
                await trio.sleep(INTERVAL)
        except RemoteProtocolError as exc:
            stream.close(exc.close_reason)
            raise StreamClosed(exc.close_reason, str(exc)) from exc
        nursery.cancel_scope.cancel()


def _take(fields: FieldReader, room: ChatRoom, technician: str) -> None:
    if fields.optional_flag("begin"):
        room.on_begin()
    else:
        room.say(technician, fields.text("say", max_length=MAX_CHARACTERS))


def clean_text(text: str) -> str:
    """What may be shown of foreign text of several lines: no control, bidi or other invisible characters."""
    kept = (character for character in text if character.isprintable() or character in _KEPT_CONTROLS)
    return "".join(kept).strip()[:MAX_CHARACTERS]


def _read(path: Path | None) -> list[ChatLine]:
    found: list[ChatLine] = []
    for at, author, text in read_lines(path, 3):
        if len(found) < MAX_LINES:
            found.append(ChatLine(len(found), int(at), str(author), clean_text(str(text))))
    return found

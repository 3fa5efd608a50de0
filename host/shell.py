"""One `shell` stream: what the viewer types in, what the terminal shows out (docs/protocol.md §11).

What is typed and shown is nobody's business but the technician's and the customer's: the session's record
says that a shell was opened, and nothing of what went on in it.
"""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from host.record import SessionRecord
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from relay.protocol.messages import Message

if sys.platform == "win32":
    from host.windows.pseudo_terminal import MAX_SIDE, PseudoTerminal, Size, open_shell
else:
    from host.pseudo_terminal import MAX_SIDE, PseudoTerminal, Size, open_shell

MAX_SHELLS: Final = 8
"""At once on this computer, of all viewers."""
MAX_INPUT_BYTES: Final = 64 * 1024
MAX_COMMAND: Final = 4096


@dataclass(slots=True)
class Shells:
    """The shells of one session on this computer.

    Attributes:
        record: of what technicians did.
        opened: how many run now.
    """

    record: SessionRecord
    opened: int = 0


@dataclass(frozen=True, slots=True)
class _Said:
    """One message of a viewer, checked."""

    size: Size | None
    command: str | None
    typed: bytes


async def serve_shell(stream: MessageStream, shells: Shells, *, technician: str) -> None:
    """Serve a stream until its shell exits or the viewer ends it; nothing of the shell runs afterwards.

    Raises:
        StreamClosed: the stream was cut; the viewer broke the protocol and it was closed for that; or there
            are too many shells (LIMIT), or none to be had (UNAVAILABLE).
    """
    opening = await _receive(stream, is_first=True)
    if opening is None or opening.size is None:
        return
    if shells.opened >= MAX_SHELLS:
        raise _closed(stream, CloseReason.LIMIT)
    shells.opened += 1
    try:
        async with open_shell(opening.size, opening.command) as terminal:
            shells.record.note(technician, "shell_opened")
            await _carry(stream, terminal, opening.typed)
    except OSError as exc:
        raise _closed(stream, CloseReason.UNAVAILABLE) from exc
    finally:
        shells.opened -= 1


async def _carry(stream: MessageStream, terminal: PseudoTerminal, typed: bytes) -> None:
    """Until the shell exits or the viewer ends the stream. Raises StreamClosed.

    Output waits for the viewer's credit, and with it the program that makes it. What is typed has a direction
    of its own, so that Ctrl+C comes through a flood.
    """
    failures: list[StreamClosed] = []

    async def show() -> None:
        while data := await terminal.read():
            await stream.send({}, data)
        await stream.send({"exited": terminal.status})

    async def obey() -> None:
        await terminal.write(typed)
        while (said := await _receive(stream, is_first=False)) is not None:
            if said.size is not None:
                terminal.resize(said.size)
            await terminal.write(said.typed)

    async def until_either_ends(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StreamClosed as exc:
            failures.append(exc)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(terminal.watch)
        nursery.start_soon(until_either_ends, show)
        nursery.start_soon(until_either_ends, obey)
    if failures:
        raise failures[0]


async def _receive(stream: MessageStream, *, is_first: bool) -> _Said | None:
    """The viewer's next message; None after its end. Raises StreamClosed."""
    message = await stream.receive()
    if message is None:
        return None
    try:
        return _read(message, is_first=is_first)
    except RemoteProtocolError as exc:
        raise _closed(stream, exc.close_reason) from exc


def _read(message: Message, *, is_first: bool) -> _Said:
    names = set(message.head)
    fields = FieldReader(message.head)
    if names - ({"size", "command"} if is_first else {"size"}) or len(message.body) > MAX_INPUT_BYTES:
        raise RemoteProtocolError("A shell has no use for this.")
    if "size" not in names and (is_first or not message.body):
        raise RemoteProtocolError("A shell needs a size first, and something to do afterwards.")
    command = fields.text("command", max_length=MAX_COMMAND) if "command" in names else None
    if command is not None and "\0" in command:
        raise RemoteProtocolError("A command holds a NUL.")
    size = _size(message.head["size"]) if "size" in names else None
    return _Said(size, command, message.body)


def _size(value: object) -> Size:
    match value:
        case [columns, rows]:
            return Size(_side(columns), _side(rows))
    raise RemoteProtocolError("A terminal's size is two numbers.")


def _side(value: object) -> int:
    # bool is an int to isinstance, and msgpack knows both.
    if type(value) is not int or not 1 <= value <= MAX_SIDE:
        raise RemoteProtocolError("A terminal cannot have this size.")
    return value


def _closed(stream: MessageStream, reason: CloseReason) -> StreamClosed:
    stream.close(reason)
    return StreamClosed(reason)
